//! A browser that signs a person in, for tests and demonstrations without one.

use axum::body::{Body, to_bytes};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{Method, Request};
use tower::ServiceExt;
use url::form_urlencoded;

use super::tenant::{Refused, Tenant};

impl Tenant {
    /// Opens an authorization URL, types the person's password, and says where the tenant sends
    /// the browser then. With `response_mode=form_post` there is no such address.
    ///
    /// # Errors
    ///
    /// If nobody has this address, or the tenant answers with a page instead of a redirect: the
    /// page is in the error.
    pub async fn sign_in(&self, authorize_url: &str, email: &str) -> Result<String, Refused> {
        let path = authorize_url
            .strip_prefix(self.base_url())
            .ok_or_else(|| Refused(format!("'{authorize_url}' is not at this tenant.")))?;
        let user = self.state().directory.user_by_email(email).cloned();
        let user = user.ok_or_else(|| Refused(format!("Nobody has '{email}'.")))?;
        let first = self.browse(Method::GET, path, String::new()).await?;
        let page = match first {
            Visited::Sent(location) => return Ok(location),
            Visited::Page(page) => page,
        };
        let transaction = page
            .split_once("name=\"transaction\" value=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(transaction, _)| transaction)
            .ok_or_else(|| Refused(page.clone()))?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("transaction", transaction)
            .append_pair("username", email)
            .append_pair("password", user.password.expose())
            .finish();
        match self.browse(Method::POST, "/login/sign-in", form).await? {
            Visited::Sent(location) => Ok(location),
            Visited::Page(page) => Err(Refused(page)),
        }
    }

    async fn browse(&self, method: Method, path: &str, form: String) -> Result<Visited, Refused> {
        let refused = |error: &dyn std::error::Error| Refused(error.to_string());
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .map_err(|error| refused(&error))?;
        let Ok(response) = self.router().oneshot(request).await;
        if let Some(location) = response.headers().get(LOCATION) {
            let location = location.to_str().map_err(|error| refused(&error))?;
            return Ok(Visited::Sent(location.to_owned()));
        }
        let body = to_bytes(response.into_body(), 1024 * 1024).await;
        let body = body.map_err(|error| refused(&error))?;
        Ok(Visited::Page(String::from_utf8_lossy(&body).into_owned()))
    }
}

/// What the browser got.
enum Visited {
    Sent(String),
    Page(String),
}
