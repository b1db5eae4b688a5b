//! The configuration of a connection: what the identity provider needs from us and we from it, and
//! which of its groups give which role.

mod save;

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::head::{Head, Tab};
use crate::app::App;
use crate::base::page::{Page, PageRequest};
use crate::base::time::Timestamp;
use crate::base::{Caller, Result};
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::query::filled;
use crate::dashboard::visit::{Level, Place, Read};
use crate::model::connection::{self, Connection};
use crate::model::connection_group::{self, ConnectionGroup};
use crate::model::organization::{self, Organization};
use crate::model::role::{self, Role};
use crate::upstream::Settings;
use crate::upstream::oidc::Kind;
use crate::web::form::View;
use crate::web::page::{page, see_other};
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    let one = "/{environment_id}/connections/{connection_id}";
    Router::new()
        .route(one, get(show).post(save::save))
        .route(&format!("{one}/rename"), get(save::ask_name).post(save::rename))
}

#[derive(Template)]
#[template(path = "dashboard/connections/show/show.html")]
struct ShowPage<'a> {
    frame: Frame<'a>,
    head: Head,
    redirect_uri: String,
    /// Where a sign-in may begin at the identity provider, if that is allowed.
    initiate_uri: Option<String>,
    /// Where people come back to after they logged out at the identity provider.
    post_logout_uri: String,
    /// Where the identity provider says that it has logged somebody out.
    idp_logout_uri: String,
    /// Notes and warnings of the last save.
    said: Said,
    form: View,
    groups: Vec<ConnectionGroup>,
    roles: Vec<Role>,
    pager: Pager,
}

/// What saving found out.
#[derive(Default)]
struct Said {
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl ShowPage<'_> {
    /// The name of the role with this slug.
    fn role<'s>(&'s self, slug: &'s str) -> &'s str {
        let known = self.roles.iter().find(|role| role.slug == slug);
        known.map_or(slug, |role| &role.name)
    }

    /// Whether the provider's client secrets end some day.
    fn secrets_end(&self) -> bool {
        self.head.connection.connection_type.oidc_kind().is_some_and(Kind::client_secrets_end)
    }

    fn incomplete_groups(&self) -> &'static str {
        super::advanced::incomplete_groups_label(self.head.connection.policy.incomplete_groups)
    }

    fn email_domains(&self) -> &'static str {
        super::advanced::email_domains_label(self.head.connection.policy.email_domains)
    }

    fn default_role(&self) -> &str {
        let default = self.roles.iter().find(|role| role.is_default);
        default.map_or("the default role", |role| &role.name)
    }

    /// Where the values stand at the identity provider: hints for client id, secret and discovery.
    fn hints(&self) -> [&'static str; 3] {
        match self.head.connection.connection_type.oidc_kind() {
            Some(Kind::OktaOidc) => [
                "On the General tab of the app integration in Okta.",
                "On the General tab, under Client Credentials.",
                "https://{tenant-domain}/.well-known/openid-configuration. The tenant's domain \
                 alone, such as acme.okta.com, is enough.",
            ],
            Some(Kind::EntraIdOidc) => [
                "The Application (client) ID on the Overview of the app registration.",
                "The Value under Certificates & secrets, not the Secret ID.",
                "The OpenID Connect metadata document under Endpoints.",
            ],
            Some(Kind::GoogleOidc) => [
                "In the Google Cloud console, under Credentials.",
                "In the Google Cloud console, under Credentials.",
                "accounts.google.com",
            ],
            _ => [
                "The identity provider's name for our application.",
                "What we prove to the identity provider with who we are.",
                "The address that ends in /.well-known/openid-configuration, or the issuer.",
            ],
        }
    }
}

/// All that the page shows.
struct Found {
    connection: Connection,
    organization: Organization,
    groups: Page<ConnectionGroup>,
    roles: Vec<Role>,
}

async fn load(app: &App, caller: &Caller, id: &str, request: PageRequest) -> Result<Found> {
    let id = id.to_owned();
    let read = async move |tx: &mut _| {
        let connection = connection::get(tx, &id).await?;
        let organization_id = &connection.organization_id;
        Ok(Found {
            organization: organization::get(tx, organization_id).await?,
            roles: role::for_organization(tx, organization_id).await?,
            groups: connection_group::list(tx, connection.id.as_str(), &request).await?,
            connection,
        })
    };
    app.db.read(caller, read).await
}

async fn show(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    // Where a test sign-in comes back to.
    if let Some(session) = filled(&query, "test") {
        let session = crate::base::id::SsoSessionId::parse(&session);
        let session = session.ok_or_else(Refusal::not_found)?;
        return Ok(see_other(&place.path(&format!("/connections/{id}/test/{session}"))));
    }
    let request = pager::request(&query);
    let mut found = load(&app, &place.caller, &id, request.clone()).await?;
    found.groups = pager::shown(found.groups, &request);
    let form = configuration(&found.connection);
    Ok(shown((&app, &place), found, &query, (StatusCode::OK, form, Said::default())))
}

/// The values of the form as they are stored; secrets are not among them.
fn configuration(connection: &Connection) -> View {
    let Some(Settings::Oidc(settings)) = &connection.settings else { return View::default() };
    let last_day = settings.client_secret_expires_at.map(Timestamp::day).unwrap_or_default();
    View::of([
        ("client_id", settings.client_id.as_str()),
        ("client_secret_expires_at", &last_day),
        ("discovery_endpoint", settings.discovery_endpoint.as_str()),
    ])
}

fn shown<L: Level>(
    (app, place): (&App, &Place<L>),
    found: Found,
    query: &str,
    (status, form, said): (StatusCode, View, Said),
) -> Response {
    let Found { connection, organization, groups, roles } = found;
    let initiate = format!("/sso/oidc/{}/initiate", connection.external_key);
    let path = place.path(&format!("/connections/{}", connection.id));
    let shown = ShowPage {
        frame: place.frame(Section::Organizations),
        redirect_uri: app.url(&connection.callback_path()),
        post_logout_uri: app.url(&connection.post_logout_path()),
        idp_logout_uri: app.url(&connection.idp_logout_path()),
        initiate_uri: connection.policy.idp_initiated.then(|| app.url(&initiate)),
        said,
        form,
        pager: Pager::of(&groups, &path, query),
        groups: groups.data,
        roles,
        head: Head::new(place, (connection, organization), Tab::Configuration),
    };
    page(status, &shown)
}
