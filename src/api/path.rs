//! What stands in the path of a request: ids and slugs.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::app::App;
use crate::base::Error;
use crate::base::id::{
    ApiKeyId, ConnectionGroupId, ConnectionId, CorsOriginId, EventId, OrganizationDomainId,
    OrganizationId, PermissionId, ProfileId, RedirectUriId, SsoSessionId, WebhookDeliveryId,
    WebhookEndpointId,
};

/// The texts in the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        // PostgreSQL knows no NUL, so nothing can have such a name.
        let found = if parts.uri.path().contains("%00") {
            None
        } else {
            axum::extract::Path::from_request_parts(parts, app).await.ok()
        };
        let axum::extract::Path(found) =
            found.ok_or_else(|| ApiError::plain(StatusCode::NOT_FOUND, "Not Found"))?;
        Ok(Self(found))
    }
}

/// A path that consists of one id, but for its fixed parts.
#[derive(Debug)]
pub struct Id<T>(pub T);

impl<T: Named> FromRequestParts<App> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path(text): Path<String> = Path::from_request_parts(parts, app).await?;
        parse(&text).map(Self)
    }
}

/// An id of that kind; any other text is the name of nothing, so: 404.
pub fn parse<T: Named>(text: &str) -> Result<T, ApiError> {
    T::parse(text).ok_or_else(|| Error::not_found(T::NOUN, text).into())
}

/// An id whose noun can be missing.
pub trait Named: Sized {
    /// The noun as WorkOS writes it.
    const NOUN: &'static str;
    /// Reads an id that somebody sent.
    fn parse(text: &str) -> Option<Self>;
}

macro_rules! named {
    ($($id:ident: $noun:literal;)+) => {$(
        impl Named for $id {
            const NOUN: &'static str = $noun;
            fn parse(text: &str) -> Option<Self> {
                Self::parse(text)
            }
        }
    )+};
}

named! {
    WebhookEndpointId: "Webhook Endpoint";
    WebhookDeliveryId: "Webhook Delivery";
    ApiKeyId: "API Key";
    RedirectUriId: "Redirect URI";
    CorsOriginId: "CORS Origin";
    OrganizationId: "Organization";
    OrganizationDomainId: "Organization Domain";
    ConnectionId: "Connection";
    ConnectionGroupId: "Connection Group";
    SsoSessionId: "SSO Session";
    PermissionId: "Permission";
    ProfileId: "Profile";
    EventId: "Event";
}
