//! Client authentication at the token endpoint.

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::sandbox::params::Params;
use crate::web::page::json as json_response;

use super::Tenant;
use super::directory::AppIntegration;

/// A refusal in the words of RFC 6749 section 5.2.
#[derive(Debug)]
pub(super) struct TokenError {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl TokenError {
    /// 400.
    pub(super) fn bad(error: &'static str, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description: description.into() }
    }

    fn invalid_client(description: &str) -> Self {
        let description = description.to_owned();
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description }
    }

    pub(super) fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        json_response(self.status, &body)
    }
}

/// The client, once it has proved who it is by one of its active secrets.
pub(super) fn authenticate(
    tenant: &Tenant,
    headers: &HeaderMap,
    params: &Params,
) -> Result<AppIntegration, TokenError> {
    if !is_form(headers) {
        return Err(TokenError::bad("invalid_request", "The content type must be a form."));
    }
    if let Some(name) = params.repeated() {
        let description = format!("The '{name}' parameter was given more than once.");
        return Err(TokenError::bad("invalid_request", description));
    }
    if headers.contains_key(ORIGIN) {
        return Err(TokenError::invalid_client(
            "Browser requests to the token endpoint must use Proof Key for Code Exchange.",
        ));
    }
    let (client_id, secret) = credentials(headers, params)?;
    let app =
        tenant.state().directory.app(&client_id).cloned().ok_or_else(|| {
            TokenError::invalid_client("Invalid value for 'client_id' parameter.")
        })?;
    if app.secrets.iter().any(|active| active.matches(&secret)) {
        Ok(app)
    } else {
        Err(TokenError::invalid_client(
            "The client secret supplied for a confidential client is invalid.",
        ))
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// Client id and secret: of `client_secret_basic` or of `client_secret_post`, never of both.
pub(super) fn credentials(
    headers: &HeaderMap,
    params: &Params,
) -> Result<(String, String), TokenError> {
    let header = headers.get(AUTHORIZATION);
    match (header, params.get("client_id"), params.get("client_secret")) {
        (Some(_), _, Some(_)) => Err(TokenError::bad(
            "invalid_request",
            "Cannot supply multiple client credentials. Use one of the following: credentials in \
             the Authorization header, credentials in the post body, or a client_assertion in \
             the post body.",
        )),
        (Some(header), body_id, None) => {
            let (id, secret) = header.to_str().ok().and_then(basic).ok_or_else(|| {
                TokenError::invalid_client("The Authorization header is malformed.")
            })?;
            if body_id.is_some_and(|body_id| body_id != id) {
                return Err(TokenError::invalid_client("Invalid value for 'client_id' parameter."));
            }
            Ok((id, secret))
        }
        (None, Some(id), Some(secret)) => Ok((id.to_owned(), secret.to_owned())),
        (None, _, _) => Err(TokenError::invalid_client(
            "Client authentication failed. Either the client or the client credentials are \
             invalid.",
        )),
    }
}

/// Reads `Basic`, where both parts are form-encoded before base64 (RFC 6749 section 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decode(id)?, form_decode(secret)?))
}

/// Decodes one form-encoded value, strictly: a character that had to be encoded and was not, or a
/// `%` without two hexadecimal digits, is refused.
fn form_decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, tail) = rest.split_first_chunk::<2>()?;
                let high = char::from(digits[0]).to_digit(16)?;
                let low = char::from(digits[1]).to_digit(16)?;
                bytes.push(u8::try_from(high * 16 + low).ok()?);
                rest = tail;
            }
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => bytes.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_decoded_and_nothing_is_forgiven() {
        let read = |text: &str| basic(&format!("Basic {}", STANDARD.encode(text)));
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(read("id:a%2Bb%25%3A%26%C3%A9+c"), pair("id", "a+b%:&é c"));
        assert_eq!(read("id:a+b"), pair("id", "a b"));
        for wrong in ["id:a&b", "id:100%", "id:%zz", "id:é", "id:a:b", "id", "id:%ff"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(basic("Bearer aWQ6c2VjcmV0"), None);
    }
}
