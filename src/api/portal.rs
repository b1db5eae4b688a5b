//! `/portal/generate_link`: a link into the setup portal, for an IT administrator who is there now.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::once::Post;
use super::path::parse;
use super::query::invalid;
use crate::app::App;
use crate::base::id::OrganizationId;
use crate::db::Tx;
use crate::model::connection::ConnectionType;
use crate::model::setup_link::{self, Feature, NewSetupLink, Origin, Recipient};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(generate_link))
}

/// What a link is for.
#[derive(Debug, Deserialize, ToSchema)]
struct GenerateLink {
    /// The organization that is set up.
    organization: String,
    /// `sso` or `domain_verification`; without it, both.
    intent: Option<String>,
    /// Where the way back leads: on an origin with a registered redirect URI.
    return_url: Option<String>,
    /// Where who has finished is sent: on an origin with a registered redirect URI.
    success_url: Option<String>,
    /// For whom it is, as a note; at most 20.
    it_contact_emails: Option<Vec<String>>,
    /// `sso.provider_type` chooses the identity provider; the rest is ignored.
    #[schema(value_type = Option<Object>)]
    intent_options: Option<Value>,
    /// How long it can be begun, in seconds: 300 without it. (Not in WorkOS's API.)
    expires_in: Option<i64>,
}

/// The link.
#[derive(Serialize, ToSchema)]
struct PortalLink {
    /// Its address. Who has it can set the organization up: send the browser there at once.
    link: String,
}

fn features(intent: Option<&str>) -> Result<Vec<Feature>, ApiError> {
    match intent {
        None => Ok(Feature::ALL.to_vec()),
        Some(word) => match Feature::parse(word) {
            Some(feature) => Ok(vec![feature]),
            None => Err(invalid("intent", "can be sso or domain_verification here.")),
        },
    }
}

/// Generate a link into the setup portal
///
/// It can be begun once, within five minutes.
#[utoipa::path(
    post, path = "/portal/generate_link", tag = "portal",
    request_body = GenerateLink,
    responses((status = 201, description = "The link.", body = PortalLink)),
)]
async fn generate_link(
    State(app): State<App>,
    Post(once, body): Post<GenerateLink>,
) -> Result<Response, ApiError> {
    let provider = body.intent_options.as_ref().and_then(|it| it["sso"]["provider_type"].as_str());
    let recipients = body.it_contact_emails.unwrap_or_default().into_iter();
    let new = NewSetupLink {
        organization_id: parse::<OrganizationId>(&body.organization)?,
        origin: Origin::Api,
        features: features(body.intent.as_deref())?,
        lifetime_ms: body.expires_in.map(|seconds| seconds.saturating_mul(1000)),
        connection_type: provider
            .and_then(ConnectionType::parse)
            .filter(|kind| kind.oidc_kind().is_some()),
        recipients: recipients.map(|email| Recipient { name: None, email: Some(email) }).collect(),
        return_url: body.return_url,
        success_url: body.success_url,
    };
    let here = app.clone();
    let write = async move |tx: &mut Tx| {
        let (_, token) = setup_link::create(tx, &new).await?;
        Ok(PortalLink { link: here.url(&setup_link::path(&token)) })
    };
    once.write(&app, StatusCode::CREATED, write).await
}
