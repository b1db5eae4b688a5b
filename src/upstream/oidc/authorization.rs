//! The authentication request, and the answer that the browser brings back.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use zeroize::Zeroize;

use crate::base::failure::{Failure, FailureCode};
use crate::base::secret::{Secret, base64url, sha256};
use crate::base::trace::Trace;
use crate::upstream::{self, Ask, Departure};

use super::discovery::{Metadata, RESERVED_PARAMETERS};
use super::foreign_text;
use super::settings::{GroupsScope, Kind, Settings};

/// How many bytes a hint may have; a longer one is not sent.
const MAX_HINT_BYTES: usize = 512;
/// How many parameters of its own an application may send, and how long name and value may be.
const MAX_EXTRA_PARAMETERS: usize = 20;
const MAX_EXTRA_BYTES: usize = 1024;

/// What is remembered until the browser comes back. Nonce and verifier are secrets, and are wiped when
/// it is dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Binds the ID token to this sign-in.
    pub nonce: String,
    /// Binds the code to this sign-in (RFC 7636); `None` where PKCE is switched off.
    pub code_verifier: Option<String>,
    /// Who was asked.
    pub issuer: String,
    /// When, as Unix milliseconds.
    pub asked_at_ms: i64,
    /// Whether a fresh sign-in was asked for.
    pub fresh_login: bool,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("issuer", &self.issuer)
            .field("asked_at_ms", &self.asked_at_ms)
            .field("fresh_login", &self.fresh_login)
            .finish_non_exhaustive()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.nonce.zeroize();
        self.code_verifier.zeroize();
    }
}

/// Whether the text is a `scope-token` (RFC 6749 section 3.3).
pub(super) fn is_scope_token(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Builds the authentication request (OpenID Connect Core 1.0 section 3.1.2.1).
pub(super) fn request(
    settings: &Settings,
    metadata: &Metadata,
    ask: &Ask,
    trace: &mut Trace,
) -> Result<Departure, Failure> {
    let memory = Memory {
        nonce: Secret::random("").expose().to_owned(),
        code_verifier: settings.pkce.then(|| Secret::random("").expose().to_owned()),
        issuer: settings.issuer.clone(),
        asked_at_ms: trace.now().as_ms(),
        fresh_login: ask.wishes.prompt_login,
    };
    let scopes = scopes(settings, metadata, ask)?;
    let mut url = metadata.authorization_endpoint.clone();
    check_extra(&ask.wishes.provider_query_params, &url)?;
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("redirect_uri", &ask.redirect_uri)
            .append_pair("scope", &scopes)
            .append_pair("state", &ask.state)
            .append_pair("nonce", &memory.nonce);
        if let Some(verifier) = &memory.code_verifier {
            query
                .append_pair("code_challenge", &base64url(&sha256(verifier.as_bytes())))
                .append_pair("code_challenge_method", "S256");
        }
        if ask.wishes.prompt_login {
            // Without max_age the provider need not say when the person signed in, and whether
            // it was asked at all could not be told.
            query.append_pair("prompt", "login").append_pair("max_age", "0");
        }
        if !settings.required_acr.is_empty() {
            query.append_pair("acr_values", &settings.required_acr.join(" "));
        }
        if let Some(hint) = sendable(ask.wishes.login_hint.as_deref()) {
            query.append_pair("login_hint", hint);
        }
        if let Some(hint) = sendable(ask.wishes.domain_hint.as_deref()) {
            let name = if settings.kind == Kind::GoogleOidc { "hd" } else { "domain_hint" };
            query.append_pair(name, hint);
        }
        for (name, value) in &ask.wishes.provider_query_params {
            query.append_pair(name, value);
        }
    }
    trace.did("authorization.request", format!("scope {scopes}"));
    Ok(Departure { url: url.into(), memory: upstream::Memory::Oidc(memory) })
}

/// The scopes to ask for, each once, `openid` first.
fn scopes(settings: &Settings, metadata: &Metadata, ask: &Ask) -> Result<String, Failure> {
    if !ask.wishes.provider_scopes.iter().all(|scope| is_scope_token(scope)) {
        return Err(Failure::with_detail(FailureCode::ReservedParam, "provider_scopes"));
    }
    let groups = match settings.groups_scope {
        GroupsScope::Always => true,
        GroupsScope::Never => false,
        GroupsScope::IfSupported => metadata.lists_scope("groups"),
    };
    let asked = settings.scopes.iter().chain(&ask.wishes.provider_scopes).map(String::as_str);
    let mut scopes = vec!["openid"];
    for scope in asked.chain(groups.then_some("groups")) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(scopes.join(" "))
}

/// The application may add parameters, but not ones that decide what is asked.
fn check_extra(parameters: &[(String, String)], endpoint: &url::Url) -> Result<(), Failure> {
    const OURS: &[&str] = &["acr_values", "domain_hint", "hd"];
    let refused = |name: &str| Err(Failure::with_detail(FailureCode::ReservedParam, name));
    if parameters.len() > MAX_EXTRA_PARAMETERS {
        return refused("too many parameters");
    }
    for (index, (name, value)) in parameters.iter().enumerate() {
        let lower = name.to_ascii_lowercase();
        let reserved = [RESERVED_PARAMETERS, OURS].concat().contains(&lower.as_str());
        let twice = parameters[..index].iter().any(|(other, _)| other == name)
            || endpoint.query_pairs().any(|(other, _)| other == name.as_str());
        let long = name.len() + value.len() > MAX_EXTRA_BYTES;
        let control = name.chars().chain(value.chars()).any(char::is_control);
        if name.is_empty() || reserved || twice || long || control {
            return refused(&foreign_text(&name.chars().take(100).collect::<String>()));
        }
    }
    Ok(())
}

/// A hint, unless it is too long or carries control characters: then it is left out.
fn sendable(hint: Option<&str>) -> Option<&str> {
    hint.filter(|hint| {
        !hint.is_empty() && hint.len() <= MAX_HINT_BYTES && !hint.chars().any(char::is_control)
    })
}

/// What the authorization endpoint answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A code.
    Code(Secret),
    /// An error and its description, in the identity provider's words.
    Error(String, Option<String>),
    /// Neither.
    Nothing,
}

/// The parameters that the browser brought to the redirect URI.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Code or error.
    pub answer: Answer,
    /// Who says that it answered (RFC 9207).
    pub iss: Option<String>,
}

impl Arrival {
    /// Reads a query (or a form) and returns its `state` besides. Unknown parameters are ignored,
    /// empty ones count as absent (RFC 6749 section 3.1).
    ///
    /// # Errors
    ///
    /// [`FailureCode::CallbackDuplicateParam`] if a known parameter is there twice, or both `code`
    /// and `error`.
    pub fn parse(query: &str) -> Result<(Option<String>, Self), Failure> {
        const NAMES: [&str; 5] = ["state", "code", "error", "error_description", "iss"];
        let mut values: [Option<String>; 5] = Default::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some(index) = NAMES.iter().position(|known| *known == name) else { continue };
            if values[index].replace(value.into_owned()).is_some() {
                let detail = NAMES[index];
                return Err(Failure::with_detail(FailureCode::CallbackDuplicateParam, detail));
            }
        }
        let [state, code, error, description, iss] =
            values.map(|value| value.filter(|value| !value.is_empty()));
        let answer = match (code, error) {
            (Some(_), Some(_)) => {
                let detail = "both code and error";
                return Err(Failure::with_detail(FailureCode::CallbackDuplicateParam, detail));
            }
            (Some(code), None) => Answer::Code(Secret::new(code)),
            (None, Some(error)) => Answer::Error(error, description),
            (None, None) => Answer::Nothing,
        };
        Ok((state, Self { answer, iss }))
    }

    /// Compares `iss` with the issuer that was asked (RFC 9207 section 2.4), before anything of
    /// the answer is believed, its errors included.
    pub(super) fn check_iss(&self, metadata: &Metadata, trace: &mut Trace) -> Result<(), Failure> {
        let issuer = metadata.issuer.as_str();
        match &self.iss {
            Some(iss) if iss != issuer => {
                Err(Failure::mismatch(FailureCode::IssMismatch, issuer, foreign_text(iss)))
            }
            None if metadata.iss_parameter_supported => {
                Err(Failure::mismatch(FailureCode::IssMissing, issuer, "(none)"))
            }
            Some(iss) => {
                trace.passed("callback.iss", issuer, iss.as_str());
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The code, or what the error means for the sign-in.
    pub(super) fn code(&self) -> Result<&Secret, Failure> {
        let (error, description) = match &self.answer {
            Answer::Code(code) => return Ok(code),
            Answer::Nothing => return Err(FailureCode::CallbackWithoutCode.into()),
            Answer::Error(error, description) => (error.as_str(), description),
        };
        let code = match error {
            "access_denied"
            | "login_required"
            | "consent_required"
            | "interaction_required"
            | "account_selection_required" => FailureCode::AccessDenied,
            "invalid_scope" => FailureCode::IdpInvalidScope,
            _ => FailureCode::IdpError,
        };
        Err(Failure {
            received: Some(foreign_text(error).chars().take(200).collect()),
            detail: description.as_deref().map(foreign_text),
            ..code.into()
        })
    }
}
