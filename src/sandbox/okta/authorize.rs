//! The authorization endpoint: what is asked, and what goes back to the relying party.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::sandbox::params::Params;
use crate::web::page::{page, redirect, with_query};

use super::directory::AppIntegration;
use super::fault::{Fault, OTHER_ISSUER};
use super::pages::{ErrorPage, FormPostPage, error_json};
use super::server::Server;
use super::sign_in;
use super::{Desk, Tenant};

/// Where an answer goes.
#[derive(Clone, Debug)]
pub(super) struct ReturnAddress {
    pub(super) server: Server,
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    /// `response_mode=form_post`; otherwise `query`.
    form_post: bool,
    state: Option<String>,
}

/// `prompt` (OpenID Connect Core 1.0 section 3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// Ask for what is missing.
    Needed,
    /// Ask nothing.
    None,
    /// Ask for the password, even of somebody who is signed in.
    Login,
    /// Ask whether the application may have what it wants.
    Consent,
}

/// A request that is in order.
#[derive(Clone, Debug)]
pub(super) struct AuthorizationRequest {
    pub(super) back: ReturnAddress,
    pub(super) scopes: Vec<String>,
    pub(super) nonce: Option<String>,
    /// Of PKCE with S256.
    pub(super) code_challenge: Option<String>,
    pub(super) prompt: Prompt,
    /// In seconds.
    pub(super) max_age_s: Option<i64>,
    pub(super) login_hint: Option<String>,
}

impl AuthorizationRequest {
    /// Whether a scope is granted: all that were asked for are.
    pub(super) fn grants(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }
}

/// What a code or an access token stands for.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) request: AuthorizationRequest,
    pub(super) user_id: String,
    /// When the person typed their password, in seconds since 1970.
    pub(super) auth_time_s: i64,
    /// The session (`sid`).
    pub(super) sid: String,
}

/// A request that is not in order.
pub(super) enum Refusal {
    /// The tenant is broken.
    ServerError,
    /// It is not known where an answer could safely go: the person sees an error page.
    Page(&'static str, String),
    /// The relying party is told: `error` and `error_description`.
    Redirect(Box<ReturnAddress>, &'static str, String),
}

/// `GET`, with the parameters in the query.
pub(super) async fn by_query(
    State(desk): State<Desk>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer(&desk, &Params::parse(query.unwrap_or_default().as_bytes()), &headers)
}

/// `POST`, with the parameters in the form.
pub(super) async fn by_form(State(desk): State<Desk>, headers: HeaderMap, form: Bytes) -> Response {
    answer(&desk, &Params::parse(&form), &headers)
}

fn answer(desk: &Desk, params: &Params, headers: &HeaderMap) -> Response {
    match judge(desk, params) {
        Ok(request) => sign_in::begin(&desk.tenant, request, headers),
        Err(refusal) => refuse(&desk.tenant, &refusal),
    }
}

pub(super) fn refuse(tenant: &Tenant, refusal: &Refusal) -> Response {
    match refusal {
        Refusal::ServerError => error_json(StatusCode::INTERNAL_SERVER_ERROR),
        Refusal::Page(error, description) => {
            page(StatusCode::BAD_REQUEST, &ErrorPage { error, description })
        }
        Refusal::Redirect(back, error, description) => {
            redirect_to(tenant, back, &[("error", error), ("error_description", description)])
        }
    }
}

/// Sends an answer to the relying party, with its `state` (and `iss`, if a fault wants it).
pub(super) fn redirect_to(
    tenant: &Tenant,
    back: &ReturnAddress,
    answer: &[(&str, &str)],
) -> Response {
    let issuer = tenant.issuer(back.server);
    let mut pairs = Vec::new();
    pairs.extend(back.state.as_deref().map(|state| ("state", state)));
    pairs.extend_from_slice(answer);
    let app = tenant.state().directory.app(&back.client_id).cloned();
    for fault in app.iter().flat_map(|app| &app.faults) {
        match fault {
            Fault::IssParameter => pairs.push(("iss", &issuer)),
            Fault::WrongIssParameter => pairs.push(("iss", OTHER_ISSUER)),
            _ => {}
        }
    }
    if back.form_post {
        page(StatusCode::OK, &FormPostPage { action: &back.redirect_uri, fields: &pairs })
    } else {
        redirect(&with_query(&back.redirect_uri, &pairs))
    }
}

fn judge(desk: &Desk, params: &Params) -> Result<AuthorizationRequest, Refusal> {
    let (app, redirect_uri) = judge_client(&desk.tenant, params)?;
    let back = ReturnAddress {
        server: desk.server,
        client_id: app.client_id.clone(),
        redirect_uri,
        form_post: params.get("response_mode") == Some("form_post"),
        state: params.owned("state"),
    };
    let refuse = |(error, description): (&'static str, String)| {
        Refusal::Redirect(Box::new(back.clone()), error, description)
    };
    for fault in &app.faults {
        match fault {
            Fault::AuthorizeServerError => return Err(Refusal::ServerError),
            Fault::AuthorizeGrantNotAllowed => {
                let description = "The client is not authorized to use the provided grant type.";
                return Err(refuse(("unauthorized_client", description.to_owned())));
            }
            _ => {}
        }
    }
    judge_form(params).map_err(refuse)?;
    let scopes = judge_scope(desk.server, params).map_err(refuse)?;
    let code_challenge = judge_pkce(&app, params).map_err(refuse)?;
    let prompt = judge_prompt(params).map_err(refuse)?;
    let max_age_s = match params.get("max_age").map(str::parse) {
        None => None,
        Some(Ok(max_age_s @ 0..)) => Some(max_age_s),
        Some(_) => return Err(refuse(invalid_request("The 'max_age' parameter is invalid."))),
    };
    Ok(AuthorizationRequest {
        back: back.clone(),
        scopes,
        nonce: params.owned("nonce"),
        code_challenge,
        prompt,
        max_age_s,
        login_hint: params.owned("login_hint"),
    })
}

/// The checks after which it is known where an answer may go.
fn judge_client(tenant: &Tenant, params: &Params) -> Result<(AppIntegration, String), Refusal> {
    let invalid_client =
        || Refusal::Page("invalid_client", "Invalid value for 'client_id' parameter.".to_owned());
    if params.repeats("client_id") {
        return Err(invalid_client());
    }
    let client_id = params.get("client_id").ok_or_else(invalid_client)?;
    let app = tenant.state().directory.app(client_id).cloned().ok_or_else(invalid_client)?;
    let registered = params.get("redirect_uri").filter(|uri| {
        !params.repeats("redirect_uri") && app.redirect_uris.iter().any(|r| r == uri)
    });
    match registered {
        Some(uri) => {
            let uri = uri.to_owned();
            Ok((app, uri))
        }
        None => Err(Refusal::Page(
            "invalid_request",
            format!(
                "The 'redirect_uri' parameter must be a Login redirect URI in the client app \
                 settings: {}/admin/app/oidc_client/instance/{}#tab-general",
                tenant.base_url(),
                app.client_id
            ),
        )),
    }
}

type Word = (&'static str, String);

fn invalid_request(description: &str) -> Word {
    ("invalid_request", description.to_owned())
}

fn judge_form(params: &Params) -> Result<(), Word> {
    if let Some(name) = params.repeated() {
        return Err(invalid_request(&format!("The '{name}' parameter was given more than once.")));
    }
    match params.get("response_type") {
        Some("code") => {}
        None => return Err(invalid_request("The 'response_type' parameter is missing.")),
        Some(_) => {
            let description = "The response type is not supported by the authorization server. \
                               Configured response types: [code]";
            return Err(("unsupported_response_type", description.to_owned()));
        }
    }
    match params.get("response_mode") {
        None | Some("query" | "form_post") => {}
        Some(_) => return Err(invalid_request("The response mode is not supported.")),
    }
    match params.get("state") {
        Some(_) => Ok(()),
        None => {
            Err(invalid_request("The authentication request has an invalid 'state' parameter."))
        }
    }
}

fn judge_scope(server: Server, params: &Params) -> Result<Vec<String>, Word> {
    let scope = params.get("scope").unwrap_or_default();
    let scopes: Vec<String> = scope.split_ascii_whitespace().map(str::to_owned).collect();
    if scopes.is_empty() {
        let description = "The authorization server resource does not have any configured default \
                           scopes, 'scope' must be provided.";
        return Err(("invalid_scope", description.to_owned()));
    }
    if scopes.iter().any(|scope| !server.scopes().contains(&scope.as_str())) {
        return Err(("invalid_scope", server.scope_refusal().to_owned()));
    }
    if !scopes.iter().any(|scope| scope == "openid") {
        return Err(("invalid_scope", "The 'openid' scope must be requested.".to_owned()));
    }
    Ok(scopes)
}

fn judge_pkce(app: &AppIntegration, params: &Params) -> Result<Option<String>, Word> {
    let method = params.get("code_challenge_method");
    match params.get("code_challenge") {
        None if app.require_pkce => {
            Err(invalid_request("PKCE code challenge is required by the application."))
        }
        None => Ok(None),
        Some(_) if method != Some("S256") => {
            Err(invalid_request("The PKCE code challenge method is not supported. Use S256."))
        }
        Some(challenge) if challenge.len() != 43 => {
            Err(invalid_request("The PKCE code challenge is invalid."))
        }
        Some(challenge) => Ok(Some(challenge.to_owned())),
    }
}

fn judge_prompt(params: &Params) -> Result<Prompt, Word> {
    match params.get("prompt") {
        None => Ok(Prompt::Needed),
        Some("none") => Ok(Prompt::None),
        Some("login") => Ok(Prompt::Login),
        Some("consent") => Ok(Prompt::Consent),
        Some(_) => Err(invalid_request("The 'prompt' parameter is invalid.")),
    }
}
