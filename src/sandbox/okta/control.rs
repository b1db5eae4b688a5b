//! `/sandbox/…`: the tenant's controls as JSON, for a developer or a test in another language.
//! Whoever reaches them may use them.
//!
//! | request | does |
//! |---|---|
//! | `GET /sandbox/state` | lists people, groups, app integrations (without secrets) and faults |
//! | `POST /sandbox/apps` | creates an app integration: `name`, `redirect_uris`, names of `groups`; answers its credentials |
//! | `PUT /sandbox/apps/{client_id}/faults` | sets the faults of one app, such as `["wrong_nonce"]` |
//! | `PUT /sandbox/apps/{client_id}/groups-claim` | sets or removes (`null`) the groups claim |
//! | `PUT /sandbox/faults` | sets the faults of the tenant |
//! | `POST /sandbox/keys/{server}/{publish-next\|rotate\|drop-old}` | rotates the keys |
//! | `GET /sandbox/requests` | counts the requests by path |

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::web::page::json as json_response;

use super::directory::{AppIntegration, Group, User};
use super::{Fault, GroupsClaim, NewApp, Refused, Server, Tenant, TenantFault};

pub(super) fn routes() -> Router<Tenant> {
    Router::new()
        .route("/sandbox/state", get(show))
        .route("/sandbox/faults", put(set_tenant_faults))
        .route("/sandbox/apps", post(create_app))
        .route("/sandbox/apps/{client_id}/faults", put(set_faults))
        .route("/sandbox/apps/{client_id}/groups-claim", put(set_groups_claim))
        .route("/sandbox/keys/{server}/{action}", post(rotate))
        .route("/sandbox/requests", get(count))
}

async fn show(State(tenant): State<Tenant>) -> Response {
    let state = tenant.state();
    let directory = &state.directory;
    let answer = json!({
        "base_url": tenant.base_url(),
        "users": directory.users.iter().map(user_json).collect::<Vec<_>>(),
        "groups": directory.groups.iter().map(group_json).collect::<Vec<_>>(),
        "apps": directory.apps.iter().map(app_json).collect::<Vec<_>>(),
        "faults": state.faults,
    });
    json_response(StatusCode::OK, &answer)
}

fn user_json(user: &User) -> Value {
    json!({ "id": user.id, "email": user.email, "name": user.name(), "suspended": user.suspended })
}

fn group_json(group: &Group) -> Value {
    json!({ "id": group.id, "name": group.name, "members": group.members })
}

fn app_json(app: &AppIntegration) -> Value {
    json!({
        "client_id": app.client_id,
        "name": app.name,
        "redirect_uris": app.redirect_uris,
        "post_logout_redirect_uris": app.post_logout_redirect_uris,
        "logout_request_url": app.logout_request_url,
        "users": app.users,
        "groups": app.groups,
        "require_pkce": app.require_pkce,
        "require_dpop": app.require_dpop,
        "groups_claim": app.groups_claim,
        "faults": app.faults,
    })
}

/// What the console's wizard for app integrations asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wizard {
    name: String,
    redirect_uris: Vec<String>,
    groups: Vec<String>,
}

async fn create_app(State(tenant): State<Tenant>, Json(entered): Json<Wizard>) -> Response {
    let known = tenant.groups();
    let id_of = |name: &String| {
        let group = known.iter().find(|group| group.name == *name);
        group.map(|group| group.id.clone()).ok_or_else(|| Refused::unknown("group", name))
    };
    let groups = match entered.groups.iter().map(id_of).collect::<Result<Vec<_>, _>>() {
        Ok(groups) => groups,
        Err(refused) => return done(Err(refused)),
    };
    let Wizard { name, redirect_uris, .. } = entered;
    let made = tenant.create_app(NewApp { name, redirect_uris, groups, ..NewApp::default() });
    let answer =
        json!({ "client_id": made.client_id, "client_secret": made.client_secret.expose() });
    json_response(StatusCode::CREATED, &answer)
}

async fn set_faults(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    Json(faults): Json<Vec<Fault>>,
) -> Response {
    done(tenant.set_faults(&client_id, &faults))
}

async fn set_groups_claim(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    Json(claim): Json<Option<GroupsClaim>>,
) -> Response {
    done(tenant.set_groups_claim(&client_id, claim))
}

async fn set_tenant_faults(
    State(tenant): State<Tenant>,
    Json(faults): Json<Vec<TenantFault>>,
) -> Response {
    tenant.set_tenant_faults(&faults);
    done(Ok(()))
}

async fn rotate(
    State(tenant): State<Tenant>,
    Path((server, action)): Path<(Server, String)>,
) -> Response {
    done(match action.as_str() {
        "publish-next" => tenant.publish_next_key(server),
        "rotate" => tenant.rotate_keys(server),
        "drop-old" => {
            tenant.drop_old_keys(server);
            Ok(())
        }
        _ => Err(Refused(format!("'{action}' is not publish-next, rotate or drop-old."))),
    })
}

async fn count(State(tenant): State<Tenant>) -> Response {
    json_response(StatusCode::OK, &json!(tenant.log().counts()))
}

fn done(result: Result<(), Refused>) -> Response {
    match result {
        Ok(()) => json_response(StatusCode::OK, &json!({ "done": true })),
        Err(refused) => {
            json_response(StatusCode::NOT_FOUND, &json!({ "error": refused.to_string() }))
        }
    }
}
