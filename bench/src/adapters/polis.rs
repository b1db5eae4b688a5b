//! Ory Polis, formerly BoxyHQ SAML Jackson: the OAuth 2.0 API of its service, where an
//! application names a connection by tenant and product (`--connection TENANT/PRODUCT`).

use hyper::Method;
use url::Url;

use super::Target;
use crate::browser::Login;
use crate::client::{Body, Fail};

pub struct Polis {
    authorize: Url,
    token: Url,
    userinfo: Url,
    client_id: String,
    client_secret: String,
}

impl Polis {
    pub fn new(target: &Target) -> Self {
        let client_id = match target.connection.split_once('/') {
            Some((tenant, product)) => format!("tenant={tenant}&product={product}"),
            None => target.client_id.clone(),
        };
        Self {
            authorize: target.url("/api/oauth/authorize"),
            token: target.url("/api/oauth/token"),
            userinfo: target.url("/api/oauth/userinfo"),
            client_id,
            client_secret: target.client_secret.clone(),
        }
    }

    pub async fn login(&self, login: &mut Login<'_>) -> Result<(), Fail> {
        let mut url = self.authorize.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", login.redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("state", &login.state);
        let landing = login.walk(url).await?;

        let form = Body::form(&[
            ("client_id", &self.client_id),
            ("client_secret", &self.client_secret),
            ("grant_type", "authorization_code"),
            ("redirect_uri", login.redirect_uri),
            ("code", &landing.code),
        ]);
        let token = login.call("token", Method::POST, &self.token, &[], form).await?.json()?;
        let access = token["access_token"]
            .as_str()
            .ok_or_else(|| Fail::new("token: no access_token", token.to_string()))?;

        let bearer = format!("Bearer {access}");
        let headers = [("authorization", bearer.as_str())];
        let profile = login
            .call("profile", Method::GET, &self.userinfo, &headers, Body::None)
            .await?
            .json()?;
        login.expect("email", &profile["email"], &login.user.email)?;
        login.expect("sub", &profile["raw"]["sub"], &login.user.sub)?;
        login.expect("first name", &profile["firstName"], &login.user.given_name)
    }
}
