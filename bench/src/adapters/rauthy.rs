//! Rauthy: an OpenID provider whose login page, a script in the browser, speaks JSON to it before
//! and after the trip to the upstream provider. This adapter does what that script does, the proof
//! of work included; what that costs counts for the driver, not for the broker.

use aws_lc_rs::digest::{SHA256, digest};
use hyper::Method;
use serde_json::json;
use url::Url;

use super::Target;
use super::oidc::Oidc;
use crate::browser::Login;
use crate::client::{Body, Fail, Reply};
use crate::jose::{b64, random_token};

/// The element of the login page that carries the session's CSRF token.
const CSRF_TEMPLATE: &str = "<template id=\"tpl_csrf_token\">";

pub struct Rauthy {
    oidc: Oidc,
    target: Target,
    pow: Url,
    login: Url,
    callback: Url,
}

fn accepted(step: &str, reply: &Reply, wanted: u16) -> Result<(), Fail> {
    if reply.status == wanted {
        return Ok(());
    }
    Err(Fail::new(format!("{step}: status {}", reply.status), reply.excerpt()))
}

fn location(step: &str, reply: &Reply) -> Result<Url, Fail> {
    let location = reply.header("location").unwrap_or_default();
    Url::parse(location).map_err(|e| Fail::new(format!("{step}: bad location"), e.to_string()))
}

/// Solves a proof of work: `VERSION:DIFFICULTY:...:` is to be followed by the number that gives
/// the whole text a SHA-256 with DIFFICULTY leading zero bits.
fn solve(puzzle: &str) -> Option<String> {
    let wanted: u32 = puzzle.split(':').nth(1)?.parse().ok()?;
    let zeros = |text: &str| {
        let hash = digest(&SHA256, text.as_bytes());
        let head: [u8; 8] = hash.as_ref()[..8].try_into().expect("8 of 32 bytes");
        u64::from_be_bytes(head).leading_zeros()
    };
    (0u64..).map(|n| format!("{puzzle}{n}")).find(|text| zeros(text) >= wanted)
}

impl Rauthy {
    pub async fn discover(target: &Target) -> Result<Self, Fail> {
        Ok(Self {
            oidc: Oidc::discover(target, &[]).await?,
            target: target.clone(),
            pow: target.url("/pow"),
            login: target.url("/providers/login"),
            callback: target.url("/providers/callback"),
        })
    }

    pub async fn login(&self, login: &mut Login<'_>) -> Result<(), Fail> {
        // The application's own PKCE pair, and the one that ties the login page to its callback.
        let (app_verifier, page_verifier) = (random_token::<48>(), random_token::<48>());
        let challenge = |verifier: &str| b64(digest(&SHA256, verifier.as_bytes()));

        let mut url = self.oidc.authorize_endpoint().clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.target.client_id)
            .append_pair("redirect_uri", login.redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("scope", "openid email profile")
            .append_pair("state", &login.state)
            .append_pair("nonce", &login.nonce)
            .append_pair("code_challenge", &challenge(&app_verifier))
            .append_pair("code_challenge_method", "S256");
        let page = login.browse("authorize", Method::GET, &url, &[], Body::None).await?;
        accepted("authorize", &page, 200)?;
        let html = String::from_utf8_lossy(&page.body);
        let csrf = html.split_once(CSRF_TEMPLATE).and_then(|(_, rest)| rest.split_once('<'));
        let csrf = csrf.ok_or_else(|| Fail::new("authorize: no CSRF token", page.excerpt()))?.0;
        let headers = [("x-csrf-token", csrf.trim())];

        let puzzle = login.browse("pow", Method::POST, &self.pow, &headers, Body::None).await?;
        accepted("pow", &puzzle, 200)?;
        let pow = solve(&String::from_utf8_lossy(&puzzle.body))
            .ok_or_else(|| Fail::new("pow: not a puzzle", puzzle.excerpt()))?;

        let body = Body::Json(json!({
            "client_id": self.target.client_id,
            "redirect_uri": login.redirect_uri,
            "scopes": ["openid", "email", "profile"],
            "state": login.state,
            "nonce": login.nonce,
            "code_challenge": challenge(&app_verifier),
            "code_challenge_method": "S256",
            "provider_id": self.target.connection,
            "pkce_challenge": challenge(&page_verifier),
            "pow": pow,
        }));
        let sent = login.browse("provider", Method::POST, &self.login, &headers, body).await?;
        accepted("provider", &sent, 202)?;
        let xsrf = String::from_utf8_lossy(&sent.body).into_owned();

        // The identity provider sends the browser back to a page, not straight to an endpoint.
        let to_idp = location("provider", &sent)?;
        let back = login.follow(to_idp, |_, url| url.path() == self.callback.path()).await?;
        let page = login.browse("page", Method::GET, &back, &[], Body::None).await?;
        accepted("page", &page, 200)?;
        let query = |name: &str| {
            let mut pairs = back.query_pairs();
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let body = Body::Json(json!({
            "state": query("state"),
            "code": query("code"),
            "pkce_verifier": page_verifier,
            "xsrf_token": xsrf,
        }));
        let done = login.browse("callback", Method::POST, &self.callback, &headers, body).await?;
        accepted("callback", &done, 202)?;
        let landing = login.land(&location("callback", &done)?)?;

        let form = Body::form(&[
            ("client_id", &self.target.client_id),
            ("client_secret", &self.target.client_secret),
            ("grant_type", "authorization_code"),
            ("redirect_uri", login.redirect_uri),
            ("code", &landing.code),
            ("code_verifier", &app_verifier),
        ]);
        let token = self.oidc.token_endpoint().clone();
        let token = login.call("token", Method::POST, &token, &[], form).await?.json()?;
        self.oidc.finish(login, &token).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solved_puzzle_has_the_leading_zeros() {
        let solved = solve("1:12:1702684559:salt:challenge:").unwrap();
        let hash = digest(&SHA256, solved.as_bytes());
        assert_eq!(hash.as_ref()[0], 0);
        assert!(hash.as_ref()[1] < 16);
        assert!(solve("nonsense").is_none());
    }
}
