//! The WorkOS SSO API: /sso/authorize, /sso/token, /sso/profile.

use hyper::Method;
use serde_json::Value;
use url::Url;

use super::Target;
use crate::browser::Login;
use crate::client::{Body, Fail};

pub struct Workos {
    authorize: Url,
    token: Url,
    profile: Url,
    target: Target,
    /// Whether an upstream provider names the user; if not, the login hint does.
    upstream: bool,
}

impl Workos {
    pub fn new(target: &Target, upstream: bool) -> Self {
        Self {
            authorize: target.url("/sso/authorize"),
            token: target.url("/sso/token"),
            profile: target.url("/sso/profile"),
            target: target.clone(),
            upstream,
        }
    }

    pub async fn login(&self, login: &mut Login<'_>) -> Result<(), Fail> {
        let mut url = self.authorize.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.target.client_id)
            .append_pair("redirect_uri", login.redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("state", &login.state)
            .append_pair("connection", login.connection);
        if !self.upstream {
            url.query_pairs_mut().append_pair("login_hint", &login.user.email);
        }
        let landing = login.walk(url).await?;

        let fields: [(&str, &str); 4] = [
            ("client_id", &self.target.client_id),
            ("client_secret", &self.target.client_secret),
            ("grant_type", "authorization_code"),
            ("code", &landing.code),
        ];
        // The service and its SDKs use a form here; the emulator takes nothing but JSON.
        let body = match self.upstream {
            true => Body::form(&fields),
            false => Body::Json(fields.iter().map(|(k, v)| (*k, *v)).collect()),
        };
        let token = login.call("token", Method::POST, &self.token, &[], body).await?.json()?;
        self.check(login, &token["profile"])?;

        let access = token["access_token"]
            .as_str()
            .ok_or_else(|| Fail::new("token: no access_token", token.to_string()))?;
        let bearer = format!("Bearer {access}");
        let headers = [("authorization", bearer.as_str())];
        let profile = login
            .call("profile", Method::GET, &self.profile, &headers, Body::None)
            .await?
            .json()?;
        self.check(login, &profile)?;
        if profile["id"] != token["profile"]["id"] {
            return Err(Fail::new("wrong profile id", profile.to_string()));
        }
        Ok(())
    }

    fn check(&self, login: &Login<'_>, profile: &Value) -> Result<(), Fail> {
        login.expect("email", &profile["email"], &login.user.email)?;
        login.expect("connection", &profile["connection_id"], login.connection)?;
        if self.upstream {
            login.expect("idp_id", &profile["idp_id"], &login.user.sub)?;
            login.expect("first name", &profile["first_name"], &login.user.given_name)?;
            login.expect("last name", &profile["last_name"], &login.user.family_name)?;
        }
        Ok(())
    }
}
