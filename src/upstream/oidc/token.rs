//! The token request (RFC 6749 section 4.1.3): a code for an ID token and an access token.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::base::failure::{Failure, FailureCode};
use crate::base::rate::Wait;
use crate::base::secret::Secret;
use crate::base::trace::Trace;
use crate::outbound::{Error as OutboundError, Outbound, Request, Response};
use crate::telemetry::Call;

use super::authorization::Memory;
use super::discovery::Metadata;
use super::settings::{ClientAuthentication, Settings};
use super::{foreign_text, json, network_failure};

/// How many bytes the answer may have.
const MAX_BYTES: usize = 256 * 1024;
/// How many bytes an access token may have: it becomes a header.
const MAX_ACCESS_TOKEN_BYTES: usize = 16 * 1024;

/// What a code is redeemed with.
#[derive(Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) settings: &'a Settings,
    pub(super) metadata: &'a Metadata,
    pub(super) code: &'a Secret,
    pub(super) redirect_uri: &'a str,
    pub(super) memory: &'a Memory,
}

/// What came for the code.
pub(super) struct Tokens {
    pub(super) id_token: Zeroizing<String>,
    pub(super) access_token: Secret,
}

impl Exchange<'_> {
    /// Redeems the code, in one attempt: a code is good for one, so a second could only hide what
    /// became of the first. Only when the provider says that it does not know the secret is the
    /// next one tried, once: then the code was not looked at.
    pub(super) async fn redeem(
        &self,
        outbound: &Outbound,
        secrets: &[Secret],
        trace: &mut Trace,
    ) -> Result<Tokens, Failure> {
        let Some((secret, others)) = secrets.split_first() else {
            let detail = "the connection has no client secret";
            return Err(Failure::with_detail(FailureCode::TokenEndpointInvalidClient, detail));
        };
        let first = self.attempt(outbound, secret, trace).await;
        match (first, others.first()) {
            (Err(failure), Some(next))
                if failure.code == FailureCode::TokenEndpointInvalidClient =>
            {
                trace.warned("token_endpoint.client", "the secret was refused; trying the next");
                self.attempt(outbound, next, trace).await
            }
            (result, _) => result,
        }
    }

    async fn attempt(
        &self,
        outbound: &Outbound,
        secret: &Secret,
        trace: &mut Trace,
    ) -> Result<Tokens, Failure> {
        let method = self.method()?;
        let request = self.request(secret, method);
        let response =
            outbound.send_for(Call::Token, request).await.map_err(|error| match error {
                OutboundError::TooLarge | OutboundError::Compressed => {
                    Failure::with_detail(FailureCode::TokenResponseInvalid, error.class())
                }
                error => network_failure(error, FailureCode::TokenEndpointUnreachable),
            })?;
        let tokens = read(&response)?;
        trace.did("token_endpoint.redeemed", format!("{method:?}"));
        Ok(tokens)
    }

    /// How to authenticate: as set, or Basic unless only the other is offered.
    pub(super) fn method(&self) -> Result<ClientAuthentication, Failure> {
        let fixed = self.settings.client_authentication;
        if fixed != ClientAuthentication::Auto {
            return Ok(fixed);
        }
        let Some(offered) = &self.metadata.token_endpoint_auth_methods_supported else {
            return Ok(ClientAuthentication::ClientSecretBasic);
        };
        let offers = |method: &str| offered.iter().any(|one| one == method);
        if offers("client_secret_basic") {
            Ok(ClientAuthentication::ClientSecretBasic)
        } else if offers("client_secret_post") {
            Ok(ClientAuthentication::ClientSecretPost)
        } else {
            let received = foreign_text(&offered.join(" "));
            Err(Failure::mismatch(
                FailureCode::ClientAuthenticationUnsupported,
                "client_secret_basic client_secret_post",
                received,
            ))
        }
    }

    pub(super) fn request(&self, secret: &Secret, method: ClientAuthentication) -> Request {
        let client_id = self.settings.client_id.as_str();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", self.code.expose())
            .append_pair("redirect_uri", self.redirect_uri);
        if let Some(verifier) = &self.memory.code_verifier {
            form.append_pair("code_verifier", verifier);
        }
        if method == ClientAuthentication::ClientSecretPost {
            form.append_pair("client_id", client_id).append_pair("client_secret", secret.expose());
        }
        let url = self.metadata.token_endpoint.clone();
        let extra_ca = self.settings.extra_ca.as_deref().map(Arc::from);
        let mut request = Request::post_form(url, form.finish(), MAX_BYTES).trusting(extra_ca);
        if method != ClientAuthentication::ClientSecretPost {
            request.headers.insert(AUTHORIZATION, basic(client_id, secret));
        }
        request
    }
}

/// Both parts are form-urlencoded first (RFC 6749 section 2.3.1): a colon or a percent sign in
/// either would otherwise be read differently by different servers.
pub(super) fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encode(client_id), encode(secret.expose())));
    let header = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    // Base64 has no character that a header may not have.
    let mut value =
        HeaderValue::from_str(&header).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

/// Whether the answer says that it is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = value.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Reads the answer (RFC 6749 sections 5.1 and 5.2). Its body never goes into a trace.
fn read(response: &Response) -> Result<Tokens, Failure> {
    let malformed = |detail: &str| Failure::with_detail(FailureCode::TokenResponseInvalid, detail);
    let members = json::object(&response.body);
    if response.status != http::StatusCode::OK {
        let refusal = refusal(response.status, members.as_ref());
        return Err(Failure { wait: retry_after(&response.headers), ..refusal });
    }
    if !is_json(&response.headers) {
        return Err(malformed("the content type is not application/json"));
    }
    let mut members = members.ok_or_else(|| malformed("not a strict JSON object"))?;
    if members.contains_key("error") {
        return Err(refusal(response.status, Some(&members)));
    }
    match members.get("token_type").and_then(Value::as_str) {
        Some(kind) if kind.eq_ignore_ascii_case("Bearer") => {}
        other => {
            let received =
                foreign_text(other.unwrap_or("(none)")).chars().take(100).collect::<String>();
            return Err(Failure::mismatch(FailureCode::TokenTypeInvalid, "Bearer", received));
        }
    }
    let Some(Value::String(access_token)) = members.remove("access_token") else {
        return Err(malformed("no access_token"));
    };
    // b64token of RFC 6750 section 2.1 is narrower, but some providers use more of ASCII.
    let printable = access_token.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
    if !printable || !(1..=MAX_ACCESS_TOKEN_BYTES).contains(&access_token.len()) {
        return Err(FailureCode::AccessTokenInvalid.into());
    }
    let id_token = match members.remove("id_token") {
        Some(Value::String(id_token)) => Zeroizing::new(id_token),
        None | Some(Value::Null) => return Err(FailureCode::IdTokenMissing.into()),
        Some(_) => return Err(malformed("id_token is not a text")),
    };
    Ok(Tokens { id_token, access_token: Secret::new(access_token) })
}

/// When to ask again (RFC 9110 section 10.2.3), where it is said in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Wait> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Wait)
}

/// What a refusal of the token endpoint means.
fn refusal(status: http::StatusCode, members: Option<&Map<String, Value>>) -> Failure {
    let text = |name| members.and_then(|members| json::text(members, name));
    let (error, description) = (text("error"), text("error_description"));
    let says =
        |word: &str| description.is_some_and(|text| text.to_ascii_lowercase().contains(word));
    let code = match error {
        Some("invalid_client") => FailureCode::TokenEndpointInvalidClient,
        Some("invalid_dpop_proof" | "use_dpop_nonce") => FailureCode::TokenEndpointDpop,
        Some("invalid_request") if says("dpop") => FailureCode::TokenEndpointDpop,
        Some("invalid_grant") => FailureCode::TokenEndpointInvalidGrant,
        _ if matches!(status.as_u16(), 429 | 503) => FailureCode::TokenEndpointRateLimited,
        _ => FailureCode::TokenEndpointError,
    };
    let received = match error {
        Some(error) => format!("{} {}", status.as_u16(), foreign_text(error)),
        None => status.as_u16().to_string(),
    };
    Failure {
        expected: Some("200".to_owned()),
        received: Some(received.chars().take(200).collect()),
        detail: description.map(foreign_text),
        ..code.into()
    }
}
