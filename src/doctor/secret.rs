//! The client secret, proved without a person: a code that nobody issued is redeemed. Who knows the
//! secret says that the code is wrong; who does not says that the client is (decision 0014).

use http::StatusCode;
use serde_json::{Map, Value};

use super::{Case, Check, Finding, Outcome, Problem};
use crate::base::secret::Secret;
use crate::outbound::{Error as OutboundError, Response};
use crate::upstream::oidc::discovery::Metadata;
use crate::upstream::oidc::{Kind, probe};

/// How long before its end a secret is worth a warning: 30 days, in milliseconds.
const SOON_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// How long a refusal's description may be in a finding, besides the cut of every text.
const MAX_DESCRIPTION: usize = 200;

/// What the token endpoint said of one secret.
enum Verdict {
    /// `invalid_grant`: it looked at the code, so it knows the client.
    Right,
    /// `invalid_client`.
    Wrong(String),
    /// It does not know the client id.
    UnknownClient(String),
    /// It says that the secret was right once.
    Expired(String),
    /// The secret was never looked at: something else is wrong.
    Problem(Finding),
    /// Something else.
    Unclear(String),
}

/// Proves both secrets, as far as that goes.
pub(super) async fn examine(
    case: &Case<'_>,
    metadata: &Metadata,
    known: &[Finding],
) -> Vec<Finding> {
    let all = [Check::TokenEndpoint, Check::ClientSecret, Check::NextClientSecret];
    if known.iter().any(|it| it.name == Check::AuthenticationMethods && it.problem.is_some()) {
        return all.map(|check| Finding::depends(check, Check::AuthenticationMethods)).into();
    }
    if known.iter().any(|it| it.name == Check::ClientId && it.outcome == Outcome::Failed) {
        return all.map(|check| Finding::depends(check, Check::ClientId)).into();
    }
    let [present, next] = &case.secrets;
    let (first, second) = match (present, next) {
        (Some(first), Some(second)) => {
            let (first, second) =
                tokio::join!(prove(case, metadata, first), prove(case, metadata, second));
            (Some(first), Some(second))
        }
        (Some(first), None) => (Some(prove(case, metadata, first).await), None),
        (None, Some(second)) => (None, Some(prove(case, metadata, second).await)),
        (None, None) => (None, None),
    };
    let mut findings = Vec::new();
    let next_is_right = matches!(second, Some(Verdict::Right));
    if next_is_right || matches!(first, Some(Verdict::Right)) {
        findings.push(Finding::ok(Check::ClientId, "the token endpoint knows it"));
    }
    match first {
        Some(verdict) => present_finding(case, verdict, next_is_right, &mut findings),
        None => findings.push(case.problem(Problem::SecretMissing)),
    }
    match second {
        Some(verdict) => next_finding(case, verdict, &mut findings),
        None => {
            findings.push(Finding::skipped(Check::NextClientSecret, "there is no next secret"));
        }
    }
    if findings.iter().all(|finding| finding.name != Check::TokenEndpoint) {
        let finding = match &case.secrets {
            [None, None] => Finding::depends(Check::TokenEndpoint, Check::ClientSecret),
            _ => Finding::ok(Check::TokenEndpoint, "it answers"),
        };
        findings.push(finding);
    }
    findings
}

fn present_finding(
    case: &Case<'_>,
    verdict: Verdict,
    next_is_right: bool,
    findings: &mut Vec<Finding>,
) {
    let check = Check::ClientSecret;
    let expected = "invalid_grant";
    let finding = match verdict {
        Verdict::Right => Finding::ok(check, "the token endpoint knows it"),
        Verdict::Unclear(note) => Finding::cannot_tell(check, note),
        Verdict::Problem(finding) => {
            findings.push(finding);
            Finding::depends(check, Check::TokenEndpoint)
        }
        Verdict::Wrong(received) | Verdict::Expired(received) if next_is_right => {
            case.problem(Problem::SecretReplaced).compared(expected, received)
        }
        Verdict::Wrong(received) => case.problem(Problem::SecretWrong).compared(expected, received),
        Verdict::Expired(received) => {
            findings.push(case.problem(Problem::SecretExpired).compared(expected, received));
            Finding::depends(check, Check::SecretExpiry)
        }
        Verdict::UnknownClient(received) => {
            findings.push(case.problem(Problem::ClientIdUnknown).compared(expected, received));
            Finding::depends(check, Check::ClientId)
        }
    };
    findings.push(finding);
}

fn next_finding(case: &Case<'_>, verdict: Verdict, findings: &mut Vec<Finding>) {
    let check = Check::NextClientSecret;
    let finding = match verdict {
        Verdict::Right => Finding::ok(check, "the token endpoint knows it"),
        Verdict::Wrong(received) | Verdict::Expired(received) => {
            case.problem(Problem::NextSecretWrong).compared("invalid_grant", received)
        }
        Verdict::UnknownClient(_) => Finding::depends(check, Check::ClientId),
        Verdict::Problem(finding) => {
            if findings.iter().all(|known| known.name != finding.name) {
                findings.push(finding);
            }
            Finding::depends(check, Check::TokenEndpoint)
        }
        Verdict::Unclear(note) => Finding::cannot_tell(check, note),
    };
    findings.push(finding);
}

/// One secret. Okta looks at the secret before the code. Of others that is not known, so a secret
/// that is certainly wrong is tried as well: who answers both alike has not looked.
async fn prove(case: &Case<'_>, metadata: &Metadata, secret: &Secret) -> Verdict {
    let verdict = try_secret(case, metadata, secret).await;
    if !matches!(verdict, Verdict::Right) || case.settings.kind == Kind::OktaOidc {
        return verdict;
    }
    match try_secret(case, metadata, &Secret::random("")).await {
        Verdict::Wrong(_) | Verdict::Expired(_) => verdict,
        Verdict::Right => Verdict::Unclear(
            "the provider looks at the code before the secret; a test sign-in tells".to_owned(),
        ),
        _ => Verdict::Unclear("what a wrong secret is answered cannot be found out".to_owned()),
    }
}

async fn try_secret(case: &Case<'_>, metadata: &Metadata, secret: &Secret) -> Verdict {
    let request = match probe::unknown_code(case.settings, metadata, &case.redirect_uri, secret) {
        Ok(request) => request,
        Err(failure) => return Verdict::Unclear(failure.code.as_str().to_owned()),
    };
    match case.ask(request).await {
        Ok(response) => judge(case, &response, secret),
        Err(error) => {
            let problem = match error {
                OutboundError::Timeout => Problem::TokenEndpointTimeout,
                OutboundError::TooLarge => Problem::TokenEndpointTooLarge,
                OutboundError::Busy => {
                    return Verdict::Unclear("too many requests are under way".to_owned());
                }
                _ => Problem::TokenEndpointUnreachable,
            };
            Verdict::Problem(case.problem(problem).compared("invalid_grant", error.class()))
        }
    }
}

/// What an answer to an unknown code means.
fn judge(case: &Case<'_>, response: &Response, secret: &Secret) -> Verdict {
    let status = response.status;
    let problem = |problem, received: &str| {
        Verdict::Problem(case.problem(problem).compared("invalid_grant", received))
    };
    if status.is_redirection() {
        return problem(Problem::TokenEndpointRedirect, status.as_str());
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return problem(Problem::TokenEndpointRateLimited, status.as_str());
    }
    let members = probe::object(&response.body);
    let error = members.as_ref().and_then(|members| members.get("error")).and_then(Value::as_str);
    let (Some(members), Some(error)) = (&members, error) else {
        return if status.is_server_error() {
            problem(Problem::TokenEndpointError, status.as_str())
        } else if members.is_none() {
            problem(Problem::TokenEndpointNotJson, &format!("{status} and no JSON"))
        } else {
            Verdict::Unclear(format!("{} and no error of RFC 6749", status.as_u16()))
        };
    };
    let description = described(case, members, secret);
    let lower = description.to_lowercase();
    let received = format!("{} {error}: {description}", status.as_u16());
    match error {
        "invalid_grant" => Verdict::Right,
        "invalid_client" if lower.contains("aadsts7000222") => Verdict::Expired(received),
        "invalid_client" if names_client_id(&lower) => Verdict::UnknownClient(received),
        "unauthorized_client" if lower.contains("aadsts700016") => Verdict::UnknownClient(received),
        "invalid_client" => Verdict::Wrong(received),
        "invalid_dpop_proof" | "use_dpop_nonce" => problem(Problem::DpopRequired, &received),
        _ if lower.contains("dpop") => problem(Problem::DpopRequired, &received),
        "unauthorized_client" | "unsupported_grant_type" => {
            problem(Problem::GrantNotAllowed, &received)
        }
        "server_error" | "temporarily_unavailable" => {
            problem(Problem::TokenEndpointError, &received)
        }
        _ => Verdict::Unclear(received),
    }
}

/// Whether a refusal is about the client id and not the secret, in the words of Okta and Google.
fn names_client_id(description: &str) -> bool {
    description.contains("'client_id'")
        || description.contains("oauth client was not found")
        || description.contains("client not found")
}

fn described(case: &Case<'_>, members: &Map<String, Value>, secret: &Secret) -> String {
    let text = probe::description(members, (&case.settings.client_id, secret));
    text.chars().take(MAX_DESCRIPTION).collect()
}

/// When the secret ends, as far as anybody has said.
pub(super) fn expiry(case: &Case<'_>) -> Finding {
    let check = Check::SecretExpiry;
    let now = case.app.clock.now();
    match case.settings.client_secret_expires_at {
        Some(end) if end <= now => {
            case.problem(Problem::SecretExpired).compared("a date to come", end.to_string())
        }
        Some(end) if end <= now.plus_ms(SOON_MS) => {
            case.problem(Problem::SecretExpiresSoon).compared("30 days or more", end.to_string())
        }
        Some(end) => Finding::ok(check, format!("valid until {end}")),
        None if !case.settings.kind.client_secrets_end() => {
            Finding::ok(check, "this provider's client secrets do not expire")
        }
        None => Finding::cannot_tell(check, "nobody has entered when the secret expires"),
    }
}
