//! Passkeys: the challenge, and what comes back.
//!
//! A challenge carries its own proof (who it was made for, for what, until when), so that asking for
//! one stores nothing. An answer that is right spends it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Admitted, Refused, Visitor, admit};
use crate::app::App;
use crate::base::id::AdministratorId;
use crate::base::secret::{SecretHash, equal, random_bytes};
use crate::base::time::Timestamp;
use crate::base::webauthn::{self, Assertion, Registration, RelyingParty, WebauthnError};
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::administrator::passkey::{self, NewPasskey, Passkey};
use crate::model::administrator::{self, Session};

/// How long a challenge may be answered: 5 minutes, in milliseconds.
const CHALLENGE_MS: i64 = 5 * 60 * 1000;
const NONCE_LEN: usize = 16;
const MOMENT_LEN: usize = 8;

/// What a passkey is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing in.
    SignIn,
    /// Proving again who is there.
    Confirm,
    /// Adding a passkey.
    Register,
}

impl Purpose {
    /// The word in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Confirm => "confirm",
            Self::Register => "register",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::SignIn, Self::Confirm, Self::Register].into_iter().find(|it| it.as_str() == word)
    }
}

/// What a browser sent of a signature, each part in base64url.
#[derive(Clone, Debug, Default)]
pub struct Signed {
    /// The credential.
    pub id: String,
    /// `clientDataJSON`.
    pub client_data: String,
    /// `authenticatorData`.
    pub authenticator_data: String,
    /// `signature`.
    pub signature: String,
    /// `userHandle`.
    pub user_handle: String,
}

/// What a browser sent of a new credential, each part in base64url.
#[derive(Clone, Debug, Default)]
pub struct Created {
    /// `clientDataJSON`.
    pub client_data: String,
    /// `getAuthenticatorData()`.
    pub authenticator_data: String,
    /// `getPublicKey()`.
    pub public_key: String,
    /// `getPublicKeyAlgorithm()`.
    pub algorithm: String,
}

/// Our domain, if passkeys can belong to it: there are none for bare IP addresses.
pub fn party_id(app: &App) -> Option<&str> {
    app.config.base_url.domain()
}

/// A new challenge for the browser with this binding (the token of its forms).
pub fn challenge(app: &App, purpose: Purpose, binding: &str) -> String {
    let nonce = random_bytes::<NONCE_LEN>();
    let expires_at = app.clock.now().plus_ms(CHALLENGE_MS);
    let mut bytes = nonce.to_vec();
    bytes.extend_from_slice(&expires_at.as_ms().to_be_bytes());
    bytes.extend_from_slice(&proof(app, purpose, binding, &bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn proof(app: &App, purpose: Purpose, binding: &str, body: &[u8]) -> [u8; 32] {
    app.sealer.authenticate("passkey", &[purpose.as_str().as_bytes(), binding.as_bytes(), body])
}

/// The hash of a challenge of ours that may still be answered, and when it is over.
fn judge(
    app: &App,
    (purpose, binding): (Purpose, &str),
    challenge: &str,
) -> Option<(SecretHash, Timestamp)> {
    let bytes = URL_SAFE_NO_PAD.decode(challenge).ok()?;
    let (body, code) = bytes.split_at_checked(NONCE_LEN + MOMENT_LEN)?;
    let expires_at = Timestamp::from_ms(i64::from_be_bytes(*body.last_chunk()?));
    let parts = [purpose.as_str().as_bytes(), binding.as_bytes(), body];
    let codes = app.sealer.authenticate_by_each("passkey", &parts);
    let right = codes.iter().any(|right| equal(right, code));
    (right && app.clock.now() < expires_at).then(|| (SecretHash::of(challenge), expires_at))
}

/// Judges a new passkey.
///
/// # Errors
///
/// [`Error::Invalid`] if the answer is not accepted.
pub fn register(app: &App, binding: &str, name: &str, sent: &Created) -> Result<NewPasskey> {
    let judged = || -> Result<NewPasskey, WebauthnError> {
        let client_data = decode(&sent.client_data)?;
        let challenge = webauthn::client_data(&client_data)?.challenge;
        let challenge = judge(app, (Purpose::Register, binding), &challenge)
            .ok_or(WebauthnError::WrongChallenge)?;
        let answer = Registration {
            client_data: &client_data,
            authenticator_data: &decode(&sent.authenticator_data)?,
            public_key: &decode(&sent.public_key)?,
            algorithm: sent.algorithm.parse().map_err(|_| WebauthnError::UnacceptableKey)?,
        };
        let origin = app.config.base_url.origin().ascii_serialization();
        let id = party_id(app).ok_or(WebauthnError::WrongRelyingParty)?;
        let credential = webauthn::register(RelyingParty { id, origin: &origin }, answer)?;
        Ok(NewPasskey { name: name.to_owned(), credential, challenge })
    };
    judged().map_err(|reason| {
        tracing::warn!(%reason, "a new passkey was not accepted");
        let message = "The passkey was not accepted. Try again.";
        Error::Invalid { code: "invalid_passkey", field: None, message: message.to_owned() }
    })
}

/// Signs in with a passkey.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn sign_in(
    app: &App,
    visitor: &Visitor,
    binding: &str,
    sent: &Signed,
) -> Result<Result<Admitted, Refused>> {
    let judged = verify(app, (Purpose::SignIn, binding), sent).await?;
    let Ok((passkey, sign_count, challenge)) = judged else { return Ok(Err(Refused::Wrong)) };
    let (app, visitor) = (app.clone(), visitor.clone());
    let caller = Caller::administrator(&passkey.administrator_id);
    let db = app.db.clone();
    let done = db.write(&caller, async move |tx| {
        passkey::note_use(tx, &passkey.id, sign_count, challenge).await?;
        let owner = administrator::get(tx, &passkey.administrator_id).await?;
        admit(tx, &app, &visitor, (&owner, "passkey")).await
    });
    refuse_repetition(done.await)
}

/// Proves with a passkey that the owner of a session is there.
///
/// # Errors
///
/// As [`sign_in`].
pub async fn prove(
    app: &App,
    session: &Session,
    binding: &str,
    sent: &Signed,
) -> Result<Result<(), Refused>> {
    let judged = verify(app, (Purpose::Confirm, binding), sent).await?;
    let Ok((passkey, sign_count, challenge)) = judged else { return Ok(Err(Refused::Wrong)) };
    if passkey.administrator_id != session.administrator.id {
        return Ok(Err(Refused::Wrong));
    }
    let (id, caller) = (session.id.clone(), Caller::administrator(&session.administrator.id));
    let done = app.db.write(&caller, async move |tx| {
        passkey::note_use(tx, &passkey.id, sign_count, challenge).await?;
        administrator::confirm_session(tx, &id).await
    });
    refuse_repetition(done.await)
}

/// An answer that was used before, or a passkey that is gone, is a wrong one.
fn refuse_repetition<T>(done: Result<T>) -> Result<Result<T, Refused>> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(error @ (Error::Conflict { .. } | Error::NotFound { .. })) => {
            tracing::warn!(reason = %error, "a passkey was not accepted");
            Ok(Err(Refused::Wrong))
        }
        Err(error) => Err(error),
    }
}

type Judged = (Passkey, u32, (SecretHash, Timestamp));

async fn verify(
    app: &App,
    (purpose, binding): (Purpose, &str),
    sent: &Signed,
) -> Result<Result<Judged, WebauthnError>> {
    let known = match decode(&sent.id) {
        Ok(id) => {
            let read = async move |tx: &mut Tx| passkey::find(tx, &id).await;
            app.db.read(&Caller::anonymous(), read).await?
        }
        Err(_) => None,
    };
    let judged = judge_signature(app, (purpose, binding), sent, known);
    if let Err(reason) = &judged {
        tracing::warn!(%reason, "a passkey was not accepted");
    }
    Ok(judged)
}

fn judge_signature(
    app: &App,
    (purpose, binding): (Purpose, &str),
    sent: &Signed,
    known: Option<Passkey>,
) -> Result<Judged, WebauthnError> {
    let passkey = known.ok_or(WebauthnError::Unknown)?;
    let client_data = decode(&sent.client_data)?;
    let challenge = webauthn::client_data(&client_data)?.challenge;
    let challenge =
        judge(app, (purpose, binding), &challenge).ok_or(WebauthnError::WrongChallenge)?;
    // The authenticator names the account; it must be the one that the credential was made for.
    let handle = decode(&sent.user_handle)?;
    if handle != owner_handle(&passkey.administrator_id) {
        return Err(WebauthnError::Unknown);
    }
    let answer = Assertion {
        client_data: &client_data,
        authenticator_data: &decode(&sent.authenticator_data)?,
        signature: &decode(&sent.signature)?,
    };
    let origin = app.config.base_url.origin().ascii_serialization();
    let id = party_id(app).ok_or(WebauthnError::WrongRelyingParty)?;
    let count =
        webauthn::verify(RelyingParty { id, origin: &origin }, &passkey.credential, answer)?;
    Ok((passkey, count, challenge))
}

/// What an authenticator knows an administrator by (`user.id`): their id.
pub fn owner_handle(id: &AdministratorId) -> &[u8] {
    id.as_str().as_bytes()
}

fn decode(text: &str) -> Result<Vec<u8>, WebauthnError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| WebauthnError::Malformed)
}
