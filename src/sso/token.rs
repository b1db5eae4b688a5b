//! `POST /sso/token`: from the application's code to an access token and the profile.

use std::sync::Arc;

use super::access_token::{self, Token};
use super::{Ticket, failure_of};
use crate::app::App;
use crate::base::id::{EnvironmentId, SsoSessionId};
use crate::base::secret::{Secret, SecretHash, base64url, equal, sha256};
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::api_key::{self, Access};
use crate::model::environment::AccessTokens;
use crate::model::profile::Profile;
use crate::model::sso_session::{self, AuthorizationCode, TOKEN_LIFETIME_S};
use crate::model::{connection, environment};
use crate::telemetry::{LoginEnd, metrics, request, spans};

/// What the application sends (RFC 6749 section 4.1.3).
#[derive(Debug, Default)]
pub struct Request {
    /// `authorization_code`.
    pub grant_type: Option<String>,
    /// The environment's client id.
    pub client_id: Option<String>,
    /// An API key of the environment.
    pub client_secret: Option<Secret>,
    /// The code.
    pub code: Option<Secret>,
    /// The PKCE verifier (RFC 7636 section 4.5).
    pub code_verifier: Option<Secret>,
    /// If it is sent, it must be what the login began with.
    pub redirect_uri: Option<String>,
    /// The `Idempotency-Key` header: a repeated request gets the same answer.
    pub idempotency_key: Option<String>,
}

/// An access token and whose it is.
#[derive(Debug)]
pub struct Granted {
    /// The token, good for [`TOKEN_LIFETIME_S`] seconds.
    pub access_token: Secret,
    /// The profile.
    pub profile: Profile,
}

/// Why there is no token, in the words of RFC 6749 section 5.2.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A parameter is missing or malformed.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The client is unknown, or its secret is wrong.
    #[error("Invalid client ID or secret.")]
    InvalidClient,
    /// The client is known, and its secret is a key that may only read.
    #[error("This API key may only read.")]
    UnauthorizedClient,
    /// The code is not good, whatever the reason: that goes to the log.
    #[error("The code has expired or has already been used.")]
    InvalidGrant,
    /// Only `authorization_code` is supported.
    #[error("The grant type is not supported; use authorization_code.")]
    UnsupportedGrantType,
    /// The database or something else does not answer now.
    #[error("The service is not available at this moment.")]
    Unavailable,
    /// A fault of ours.
    #[error("An internal error.")]
    Internal,
}

impl From<Error> for TokenError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(_) => {
                failure_of(&error);
                Self::Unavailable
            }
            _ => {
                failure_of(&error);
                Self::Internal
            }
        }
    }
}

/// Who asks, and whether a secret proved it.
#[derive(PartialEq, Eq)]
pub(super) struct Client {
    pub(super) environment_id: EnvironmentId,
    pub(super) client_id: String,
    is_public: bool,
    pub(super) access_tokens: AccessTokens,
}

/// Redeems a code.
///
/// One unit authenticates the client before it touches the code, so that a stranger cannot spend it; then
/// judges the code, spends it and grants the token. A refusal is a value and not an error of that unit,
/// so the code stays spent whatever the judgement. What is made ready before needs to know the client as
/// well, but not for certain (`find_client`).
///
/// # Errors
///
/// [`TokenError`]; after the client was authenticated, the code is spent even so.
pub async fn redeem(app: &App, request: Request) -> Result<Granted, TokenError> {
    match request.grant_type.as_deref() {
        Some("authorization_code") => {}
        None => return Err(TokenError::InvalidRequest("Missing required parameter: grant_type.")),
        Some(_) => return Err(TokenError::UnsupportedGrantType),
    }
    let missing = |name| Err(TokenError::InvalidRequest(name));
    let Some(client_id) = request.client_id.clone() else {
        return missing("Missing required parameter: client_id.");
    };
    let Some(code) = request.code.clone() else {
        return missing("Missing required parameter: code.");
    };
    let credentials =
        Credentials { client_id, secret: request.client_secret.as_ref().map(Secret::hash) };
    let client = find_client(app, &credentials).await?;
    let Some(code) = Ticket::parse(code.expose()) else {
        return Err(Denied::Code(Refusal::unknown()).told());
    };
    let fingerprint = fingerprint(&request, &client, &code);
    let redeeming = Arc::new(Redeeming { request, credentials, client, code, fingerprint });
    let mut redeemed = redeeming.attempt(app).await?;
    // This very request may have been granted a token while one was made ready here, which says other
    // times. Now they are known, and the same token is made.
    if matches!(&redeemed, Err(Denied::Code(refusal)) if refusal.reason == TOKEN_DIFFERS) {
        redeemed = redeeming.attempt(app).await?;
    }
    match redeemed {
        Ok(Redeemed { granted, session_id, is_repeated }) => {
            request::belongs_to(&session_id);
            if !is_repeated {
                metrics().logins_ended(LoginEnd::Succeeded, 1);
                spans::login_ended(&session_id, app.clock.now(), None);
            }
            Ok(granted)
        }
        Err(denied) => Err(denied.told()),
    }
}

/// What a redemption failed by.
enum Denied {
    /// The client, who has not touched the code.
    Client(TokenError),
    /// The code, which is spent if there is one.
    Code(Refusal),
}

impl Denied {
    /// What the client is told; of a code, our own records are told more.
    fn told(self) -> TokenError {
        match self {
            Self::Client(error) => error,
            Self::Code(refusal) => {
                refusal.log();
                metrics().token_refused(refusal.reason);
                TokenError::InvalidGrant
            }
        }
    }
}

/// Why a code was refused: for the log, since the wire has one sentence for all of it.
#[derive(Debug)]
struct Refusal {
    reason: &'static str,
    session_id: Option<SsoSessionId>,
}

impl Refusal {
    const fn unknown() -> Self {
        Self { reason: "code_unknown", session_id: None }
    }

    /// A code in two hands has leaked; the rest is somebody's mistake.
    fn log(&self) {
        let reason = self.reason;
        if let Some(id) = &self.session_id {
            request::belongs_to(id);
        }
        if matches!(reason, "code_replay" | "code_wrong_client") {
            tracing::warn!(reason, "a code was refused, and what it gave is revoked");
        } else {
            tracing::info!(reason, "a code was refused");
        }
    }
}

/// What a client proves itself with.
#[derive(Clone)]
struct Credentials {
    client_id: String,
    secret: Option<SecretHash>,
}

/// The client, unless it is to be refused. What is in memory may be a little old, so it only lets
/// through, to where the client is authenticated again.
async fn find_client(app: &App, credentials: &Credentials) -> Result<Client, TokenError> {
    let nobody = Caller::anonymous();
    let known = app.db.glance(&nobody, async |tx| authenticate(tx, credentials).await);
    if let Some(Ok(client)) = known {
        return Ok(client);
    }
    let credentials = credentials.clone();
    app.db.read(&nobody, async move |tx| authenticate(tx, &credentials).await).await?
}

/// Finds the client, and whether its secret is right. A client without a secret is let through only
/// if its environment says that it is public; then the code must be bound to a verifier.
async fn authenticate(
    tx: &mut Tx,
    Credentials { client_id, secret }: &Credentials,
) -> Result<Result<Client, TokenError>> {
    if client_id.len() > 128 || client_id.contains('\0') {
        return Ok(Err(TokenError::InvalidClient));
    }
    let Some(environment) = environment::recall_by_client_id(tx, client_id).await? else {
        return Ok(Err(TokenError::InvalidClient));
    };
    let access = match secret {
        Some(hash) => api_key::recall_by_hash(tx, hash)
            .await?
            .filter(|key| key.environment_id == environment.id)
            .map(|key| key.access),
        None => environment.settings.public_client.then_some(Access::Full),
    };
    Ok(match access {
        Some(Access::Full) => Ok(Client {
            environment_id: environment.id.clone(),
            client_id: environment.client_id.clone(),
            is_public: secret.is_none(),
            access_tokens: environment.settings.access_tokens,
        }),
        Some(Access::Read) => Err(TokenError::UnauthorizedClient),
        None => Err(TokenError::InvalidClient),
    })
}

/// A hash by which a repetition of this very request is known. Without an idempotency key, no two
/// requests are the same.
fn fingerprint(request: &Request, client: &Client, code: &Ticket) -> SecretHash {
    let Some(key) = &request.idempotency_key else {
        return Secret::random("").hash();
    };
    let none = String::new();
    let verifier = request.code_verifier.as_ref().map_or("", Secret::expose);
    let redirect_uri = request.redirect_uri.as_ref().unwrap_or(&none);
    let code = code.text();
    let parts = [key, client.environment_id.as_str(), code.expose(), verifier, redirect_uri];
    // Lengths in front, so that parts cannot shift into each other.
    let text: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    SecretHash::of(&text)
}

/// A code that was good.
struct Redeemed {
    granted: Granted,
    session_id: SsoSessionId,
    is_repeated: bool,
}

/// Finds the code, judges it, grants the token.
struct Redeeming {
    request: Request,
    credentials: Credentials,
    client: Client,
    code: Ticket,
    fingerprint: SecretHash,
}

/// What comes of a code, or the reason why nothing does.
type Judged<T> = Result<T, &'static str>;

/// This very request was granted a token that is none of those that were made ready for it, or is good no
/// more.
const TOKEN_DIFFERS: &str = "token_differs";

impl Redeeming {
    /// Makes tokens ready, and does the rest in one unit.
    async fn attempt(self: &Arc<Self>, app: &App) -> Result<Result<Redeemed, Denied>> {
        let tokens = access_token::make(app, &self.request, &self.client, &self.code).await?;
        let redeeming = Arc::clone(self);
        app.db.write(&Caller::anonymous(), async move |tx| redeeming.run(tx, &tokens).await).await
    }

    /// A client that is no longer what it was a moment ago has not touched the code.
    async fn run(&self, tx: &mut Tx, tokens: &[Token]) -> Result<Result<Redeemed, Denied>> {
        match authenticate(tx, &self.credentials).await? {
            Ok(client) if client == self.client => {
                Ok(self.settle(tx, tokens).await?.map_err(Denied::Code))
            }
            // Its settings have changed since: what was made ready is not what it wants now.
            Ok(_) => Ok(Err(Denied::Client(TokenError::Unavailable))),
            Err(error) => Ok(Err(Denied::Client(error))),
        }
    }

    async fn settle(&self, tx: &mut Tx, tokens: &[Token]) -> Result<Result<Redeemed, Refusal>> {
        let (session_id, secret) = (&self.code.id, self.code.secret.hash());
        // Whoever finds that something came between has to look again. Two things can, each once: the
        // login ends, and another request spends the code.
        for _ in 0..3 {
            let Some(code) = sso_session::find_code(tx, session_id, &secret).await? else {
                return Ok(Err(Refusal::unknown()));
            };
            let is_repeated =
                code.spent_by.as_deref().is_some_and(|it| it == self.fingerprint.as_bytes());
            let outcome = if is_repeated {
                Some(self.repeat(tx, &code, tokens).await?)
            } else if code.spent_by.is_some() {
                sso_session::revoke_token(tx, session_id).await?;
                Some(Err("code_replay"))
            } else {
                self.grant(tx, &code, tokens).await?
            };
            let Some(outcome) = outcome else { continue };
            let session_id = session_id.clone();
            return Ok(match outcome {
                Ok(granted) => Ok(Redeemed { granted, session_id, is_repeated }),
                Err(reason) => Err(Refusal { reason, session_id: Some(session_id) }),
            });
        }
        Err(Error::unavailable("a code was neither spent nor free"))
    }

    /// Grants a token for a code that nobody has spent, and spends it, whatever the judgement; `None`:
    /// somebody has spent it meanwhile.
    async fn grant(
        &self,
        tx: &mut Tx,
        code: &AuthorizationCode,
        tokens: &[Token],
    ) -> Result<Option<Judged<Granted>>> {
        let judged = self.judge(tx, code).await?;
        let is_in_time = code.is_awaited && tx.now() < code.expires_at;
        let judged = judged.and(if is_in_time { Ok(()) } else { Err("code_expired") });
        if let Err(reason) = judged {
            let is_spent = sso_session::spend(tx, code, &self.fingerprint).await?;
            return Ok(is_spent.then_some(Err(reason)));
        }
        let token = tokens.first().ok_or_else(|| Error::internal("no token to grant"))?;
        let expires_at = token.expires_at;
        let expires_at = expires_at.unwrap_or_else(|| tx.now().plus_ms(TOKEN_LIFETIME_S * 1000));
        let given = (&token.text.hash(), expires_at);
        if !sso_session::redeem(tx, code, &self.fingerprint, given).await? {
            return Ok(None);
        }
        let profile = code.profile.clone();
        Ok(Some(Ok(Granted { access_token: token.text.clone(), profile })))
    }

    /// Finds the token that this very request was granted.
    async fn repeat(
        &self,
        tx: &mut Tx,
        code: &AuthorizationCode,
        tokens: &[Token],
    ) -> Result<Judged<Granted>> {
        if let Err(reason) = self.judge(tx, code).await? {
            return Ok(Err(reason));
        }
        for token in tokens {
            let found = sso_session::find_profile(tx, &self.code.id, &token.text.hash()).await?;
            if let Some(profile) = found {
                return Ok(Ok(Granted { access_token: token.text.clone(), profile }));
            }
        }
        Ok(Err(TOKEN_DIFFERS))
    }

    /// The checks of a code but for its time: a repetition may come later, as long as its token is good.
    async fn judge(&self, tx: &mut Tx, code: &AuthorizationCode) -> Result<Judged<()>> {
        if code.environment_id != self.client.environment_id {
            return Ok(Err("code_wrong_client"));
        }
        tx.enter(&code.environment_id);
        if let Err(reason) = self.check(code) {
            return Ok(Err(reason));
        }
        let connection = connection::recall(tx, code.connection_id.as_str()).await?;
        let is_usable = connection.is_some_and(|connection| connection.state.is_usable());
        Ok(if is_usable { Ok(()) } else { Err("connection_inactive") })
    }

    /// The checks that need nothing but the code and the request.
    fn check(&self, code: &AuthorizationCode) -> Judged<()> {
        if self.request.redirect_uri.as_ref().is_some_and(|uri| *uri != code.redirect_uri) {
            return Err("redirect_uri_differs");
        }
        match (&code.code_challenge, &self.request.code_verifier) {
            (None, None) if self.client.is_public => Err("public_client_without_pkce"),
            (None, None) => Ok(()),
            (None, Some(_)) => Err("pkce_downgrade"),
            (Some(_), None) => Err("code_verifier_missing"),
            (Some(challenge), Some(verifier)) if proves(verifier, challenge) => Ok(()),
            (Some(_), Some(_)) => Err("code_verifier_wrong"),
        }
    }
}

/// Whether a verifier is well-formed and belongs to the challenge (RFC 7636 sections 4.1 and 4.6).
fn proves(verifier: &Secret, challenge: &str) -> bool {
    let text = verifier.expose();
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len())
        && text.bytes().all(unreserved)
        && equal(base64url(&sha256(text.as_bytes())).as_bytes(), challenge.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cod_06_the_example_of_rfc_7636_appendix_b_holds() {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let proves = |verifier: &str| proves(&Secret::new(verifier), challenge);
        assert!(proves("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!proves("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"));
        assert!(!proves(""));
    }
}
