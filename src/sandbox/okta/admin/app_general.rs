//! The tab "General": client ID, secrets, switches, name and addresses.

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::access::{Admin, Submitted};
use super::app_form::Entered;
use super::{Frame, Section, again, done, find_app, not_found};
use crate::base::secret::{Secret, base64url, sha256};
use crate::sandbox::okta::directory::AppIntegration;
use crate::sandbox::okta::{Refused, Tenant};
use crate::sandbox::params::Params;
use crate::web::page::{page, redirect};

pub(super) fn routes() -> Router<Tenant> {
    Router::new()
        .route("/admin/apps/{client_id}", get(open))
        .route("/admin/apps/{client_id}/general", get(show))
        .route("/admin/apps/{client_id}/general/credentials", post(save_credentials))
        .route("/admin/apps/{client_id}/general/secrets", post(change_secrets))
        .route("/admin/apps/{client_id}/general/settings", post(save_settings))
        .route("/admin/apps/{client_id}/general/delete", post(delete))
}

/// A secret as a row of the table.
struct SecretRow {
    /// What the buttons send instead of the secret itself.
    handle: String,
    text: String,
    is_active: bool,
}

impl SecretRow {
    fn new(secret: &Secret, is_active: bool) -> Self {
        Self { handle: handle(secret), text: secret.expose().to_owned(), is_active }
    }
}

/// A name for a secret that does not tell it.
fn handle(secret: &Secret) -> String {
    base64url(&sha256(secret.expose().as_bytes())[..9])
}

/// What is being edited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Editing {
    Nothing,
    Credentials,
    Settings,
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/app_general.html")]
struct GeneralPage {
    frame: Frame,
    app: AppIntegration,
    tab: &'static str,
    secrets: Vec<SecretRow>,
    secret_error: Option<String>,
    editing: Editing,
    entered: Entered,
}

impl GeneralPage {
    fn new(tenant: &Tenant, admin: &Admin, app: AppIntegration) -> Self {
        let active = app.secrets.iter().map(|secret| SecretRow::new(secret, true));
        let inactive = app.inactive_secrets.iter().map(|secret| SecretRow::new(secret, false));
        Self {
            frame: Frame::new(tenant, admin, Section::Applications),
            tab: "general",
            secrets: active.chain(inactive).collect(),
            secret_error: None,
            editing: Editing::Nothing,
            entered: Entered {
                logout_url: app.logout_request_url.clone().unwrap_or_default(),
                ..Entered::of(&app.name, &app.redirect_uris, &app.post_logout_redirect_uris)
            },
            app,
        }
    }

    fn edits_credentials(&self) -> bool {
        self.editing == Editing::Credentials
    }

    fn edits_settings(&self) -> bool {
        self.editing == Editing::Settings
    }
}

async fn open(Path(client_id): Path<String>) -> Response {
    redirect(&format!("/admin/apps/{client_id}/general"))
}

async fn show(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    RawQuery(query): RawQuery,
    admin: Admin,
) -> Response {
    let Some(app) = find_app(&tenant, &client_id) else {
        return not_found(&tenant, &admin);
    };
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let editing = match params.get("edit") {
        Some("credentials") => Editing::Credentials,
        Some("settings") => Editing::Settings,
        _ => Editing::Nothing,
    };
    page(StatusCode::OK, &GeneralPage { editing, ..GeneralPage::new(&tenant, &admin, app) })
}

async fn save_credentials(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    Submitted { admin, fields }: Submitted,
) -> Response {
    let saved = tenant.edit_app(&client_id, |app| {
        app.require_pkce = fields.get("require_pkce").is_some();
        app.require_dpop = fields.get("require_dpop").is_some();
    });
    match saved {
        Ok(()) => done(&format!("/admin/apps/{client_id}/general"), "saved"),
        Err(_) => not_found(&tenant, &admin),
    }
}

async fn change_secrets(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    Submitted { admin, fields }: Submitted,
) -> Response {
    let Some(app) = find_app(&tenant, &client_id) else {
        return not_found(&tenant, &admin);
    };
    let named = fields.get("secret").unwrap_or_default();
    let secret = app.secrets.iter().chain(&app.inactive_secrets).find(|it| handle(it) == named);
    let secret = secret.map(|secret| secret.expose().to_owned()).unwrap_or_default();
    let result = match fields.get("action") {
        Some("generate") => tenant.add_secret(&client_id).map(|_| "secret-added"),
        Some("deactivate") if app.secrets.len() == 1 => Err(Refused(
            "The only active secret cannot be deactivated. Generate a new one first.".to_owned(),
        )),
        Some("deactivate") => {
            tenant.deactivate_secret(&client_id, &secret).map(|()| "secret-deactivated")
        }
        Some("activate") => {
            tenant.activate_secret(&client_id, &secret).map(|()| "secret-activated")
        }
        Some("delete") => tenant.delete_secret(&client_id, &secret).map(|()| "secret-deleted"),
        _ => Ok("saved"),
    };
    match result {
        Ok(notice) => done(&format!("/admin/apps/{client_id}/general#secrets"), notice),
        Err(refused) => again(&GeneralPage {
            secret_error: Some(refused.to_string()),
            ..GeneralPage::new(&tenant, &admin, app)
        }),
    }
}

async fn save_settings(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    Submitted { admin, fields }: Submitted,
) -> Response {
    let Some(app) = find_app(&tenant, &client_id) else {
        return not_found(&tenant, &admin);
    };
    let mut entered = Entered::read(&fields);
    let is_row = entered.change_rows(&fields);
    if is_row || !entered.check(&fields) {
        let editing = Editing::Settings;
        let shown = GeneralPage { entered, editing, ..GeneralPage::new(&tenant, &admin, app) };
        return if is_row { page(StatusCode::OK, &shown) } else { again(&shown) };
    }
    let saved = tenant.edit_app(&client_id, |app| {
        app.name = entered.name;
        app.redirect_uris = entered.sign_in.values;
        app.post_logout_redirect_uris = entered.sign_out.values;
        app.logout_request_url = Some(entered.logout_url).filter(|url| !url.is_empty());
    });
    match saved {
        Ok(()) => done(&format!("/admin/apps/{client_id}/general#settings"), "saved"),
        Err(_) => not_found(&tenant, &admin),
    }
}

async fn delete(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    Submitted { admin, .. }: Submitted,
) -> Response {
    match tenant.delete_app(&client_id) {
        Ok(()) => done("/admin/apps", "app-deleted"),
        Err(_) => not_found(&tenant, &admin),
    }
}
