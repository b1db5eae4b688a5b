//! The access token of a login: a random text, or a JWT around one that the environment's keys sign.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;

use super::token::{Client, Request};
use super::{Ticket, keys, system};
use crate::app::App;
use crate::base::Result;
use crate::base::id::SsoSessionId;
use crate::base::secret::{Secret, base64url};
use crate::base::signing;
use crate::base::time::Timestamp;
use crate::db::Tx;
use crate::model::environment::AccessTokens;
use crate::model::sso_session::{self, TOKEN_LIFETIME_S};

/// A token that may be granted.
pub(super) struct Token {
    pub(super) text: Secret,
    /// When it ends; `None`: after its lifetime.
    pub(super) expires_at: Option<Timestamp>,
}

/// The token for this request: the same one for its repetition, although only a hash is stored. The
/// first is for a new request; a repetition may find any of them, made before the keys changed.
pub(super) async fn make(
    app: &App,
    request: &Request,
    client: &Client,
    code: &Ticket,
) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    for random in random_parts(app, request, code) {
        tokens.push(match client.access_tokens {
            AccessTokens::Opaque => {
                let ticket = Ticket { id: code.id.clone(), secret: random };
                Token { text: ticket.text(), expires_at: None }
            }
            AccessTokens::Jwt => signed(app, client, code, random).await?,
        });
    }
    Ok(tokens)
}

/// A JWT (RFC 9068) around a random text. Signed before the code is taken: signing takes longer than a
/// unit of work may.
async fn signed(app: &App, client: &Client, code: &Ticket, random: Secret) -> Result<Token> {
    let caller = system(&client.environment_id);
    let (id, secret) = (code.id.clone(), code.secret.hash());
    let read = async move |tx: &mut Tx| {
        let Some(code) = sso_session::find_code(tx, &id, &secret).await? else { return Ok(None) };
        if code.environment_id != tx.environment_id() {
            return Ok(None);
        }
        let expires_at = code.token_expires_at;
        let expires_at = expires_at.unwrap_or_else(|| tx.now().plus_ms(TOKEN_LIFETIME_S * 1000));
        Ok(Some((code, expires_at.as_s())))
    };
    let Some((code, exp)) = app.db.read_briefly(&caller, read).await? else {
        // There is nothing to grant.
        return Ok(Token { text: random, expires_at: None });
    };
    let key = keys::current(app, &client.environment_id).await?;
    let claims = json!({
        "iss": app.url(&format!("/sso/{}", client.client_id)),
        "aud": client.client_id,
        "client_id": client.client_id,
        "sub": code.profile.id,
        "sid": code.sso_session_id,
        "org_id": code.profile.organization_id,
        "iat": exp - TOKEN_LIFETIME_S,
        "exp": exp,
        "jti": random.expose(),
    });
    let private = key.open(&app.sealer)?;
    let text = Secret::new(signing::sign(&private, (&key.id, "at+jwt"), &claims)?);
    Ok(Token { text, expires_at: Some(Timestamp::from_ms(exp * 1000)) })
}

/// The login that an access token says it is of. Nothing else is believed of it: it is good if the
/// login knows the hash of all of it.
pub(super) fn login_of(token: &Secret) -> Option<SsoSessionId> {
    #[derive(Deserialize)]
    struct Claims {
        sid: SsoSessionId,
    }

    if let Some(ticket) = Ticket::parse(token.expose()) {
        return Some(ticket.id);
    }
    let claims = URL_SAFE_NO_PAD.decode(token.expose().split('.').nth(1)?).ok()?;
    serde_json::from_slice(&claims).ok().map(|Claims { sid }| sid)
}

/// What no two tokens have in common, but those of the same request.
fn random_parts(app: &App, request: &Request, code: &Ticket) -> Vec<Secret> {
    match &request.idempotency_key {
        Some(key) => {
            let code = code.text();
            let parts = [code.expose().as_bytes(), key.as_bytes()];
            let codes = app.sealer.authenticate_by_each("access token", &parts);
            codes.iter().map(|code| Secret::new(base64url(code))).collect()
        }
        None => vec![Secret::random("")],
    }
}
