//! Better Auth with its SSO plugin: no broker but a library inside the application, so there is no
//! second code to exchange. The page asks for the provider's address, and after the trip to the
//! provider the browser has the application's session in a cookie.

use hyper::Method;
use serde_json::json;
use url::Url;

use super::Target;
use crate::browser::Login;
use crate::client::{Body, Fail};

pub struct BetterAuth {
    sign_in: Url,
    session: Url,
    origin: String,
    target: Target,
}

impl BetterAuth {
    pub fn new(target: &Target) -> Self {
        Self {
            sign_in: target.url("/api/auth/sign-in/sso"),
            session: target.url("/api/auth/get-session"),
            origin: target.broker.origin().ascii_serialization(),
            target: target.clone(),
        }
    }

    pub async fn login(&self, login: &mut Login<'_>) -> Result<(), Fail> {
        let body = Body::Json(json!({
            "providerId": self.target.connection,
            "callbackURL": format!("{}?state={}", login.redirect_uri, login.state),
        }));
        let headers = [("origin", self.origin.as_str())];
        let reply = login.browse("authorize", Method::POST, &self.sign_in, &headers, body).await?;
        if reply.status != 200 {
            return Err(Fail::new(format!("authorize: status {}", reply.status), reply.excerpt()));
        }
        let reply = reply.json()?;
        let to_idp = Url::parse(reply["url"].as_str().unwrap_or_default())
            .map_err(|e| Fail::new("authorize: no url", format!("{e}: {reply}")))?;
        let landing = login.follow(to_idp, |login, url| login.is_landing(url.as_str())).await?;
        if !landing.query_pairs().any(|(key, value)| key == "state" && value == login.state) {
            return Err(Fail::new("landing: wrong state", landing));
        }

        let reply = login.browse("profile", Method::GET, &self.session, &[], Body::None).await?;
        let session = reply.json()?;
        login.expect("email", &session["user"]["email"], &login.user.email)?;
        login.expect("name", &session["user"]["name"], &login.user.name)
    }
}
