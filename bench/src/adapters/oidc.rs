//! A broker that is itself an OpenID provider towards the application, and sends the browser
//! straight on to its one upstream provider.

use hyper::Method;
use url::Url;

use super::Target;
use crate::browser::Login;
use crate::client::{Agent, Body, Fail};
use crate::jose;

pub struct Oidc {
    issuer: String,
    authorize: Url,
    token: Url,
    userinfo: Url,
    target: Target,
    /// Parameters that this kind of broker needs besides the standard ones.
    extra: Vec<(String, String)>,
}

impl Oidc {
    pub async fn discover(target: &Target, extra: &[(&str, &str)]) -> Result<Self, Fail> {
        let url = target.url("/.well-known/openid-configuration");
        let reply = Agent::default().send(Method::GET, &url, &[], Body::None).await?;
        let document = reply.json()?;
        let text = |name: &str| {
            let value = document[name].as_str();
            value.ok_or_else(|| Fail::new("discovery", format!("no {name} in {document}")))
        };
        let endpoint = |name: &str| {
            let value = text(name)?;
            Url::parse(value).map_err(|e| Fail::new("discovery", format!("{value}: {e}")))
        };
        Ok(Self {
            issuer: text("issuer")?.to_owned(),
            authorize: endpoint("authorization_endpoint")?,
            token: endpoint("token_endpoint")?,
            userinfo: endpoint("userinfo_endpoint")?,
            target: target.clone(),
            extra: extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        })
    }

    pub async fn login(&self, login: &mut Login<'_>) -> Result<(), Fail> {
        let mut url = self.authorize.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.target.client_id)
            .append_pair("redirect_uri", login.redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("scope", "openid email profile")
            .append_pair("state", &login.state)
            .append_pair("nonce", &login.nonce)
            .extend_pairs(&self.extra);
        let landing = login.walk(url).await?;

        let form = Body::form(&[
            ("client_id", &self.target.client_id),
            ("client_secret", &self.target.client_secret),
            ("grant_type", "authorization_code"),
            ("redirect_uri", login.redirect_uri),
            ("code", &landing.code),
        ]);
        let token = login.call("token", Method::POST, &self.token, &[], form).await?.json()?;
        self.finish(login, &token).await
    }

    /// Checks the ID token and asks for the profile.
    pub async fn finish(
        &self,
        login: &mut Login<'_>,
        token: &serde_json::Value,
    ) -> Result<(), Fail> {
        let claims = token["id_token"].as_str().and_then(jose::claims);
        let claims = claims.ok_or_else(|| Fail::new("token: no id_token", token.to_string()))?;
        login.expect("nonce", &claims["nonce"], &login.nonce)?;
        login.expect("issuer", &claims["iss"], &self.issuer)?;

        let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap_or_default());
        let headers = [("authorization", bearer.as_str())];
        let profile = login
            .call("profile", Method::GET, &self.userinfo, &headers, Body::None)
            .await?
            .json()?;
        // Some brokers give each user an id of their own, and some give values as lists.
        let email = match &profile["email"] {
            serde_json::Value::Array(values) => values.first().unwrap_or(&serde_json::Value::Null),
            value => value,
        };
        login.expect("email", email, &login.user.email)?;
        if claims["sub"] != profile["sub"] {
            return Err(Fail::new("wrong sub", profile.to_string()));
        }
        Ok(())
    }

    pub fn authorize_endpoint(&self) -> &Url {
        &self.authorize
    }

    pub fn token_endpoint(&self) -> &Url {
        &self.token
    }
}
