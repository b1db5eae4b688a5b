//! The authorization endpoint, asked for a sign-in that may show nothing to anybody.
//!
//! A provider sends errors to a redirect URI only once it knows client and redirect URI, and shows a
//! page of its own before (RFC 6749 section 4.1.2.1). So an answer at our redirect URI proves both;
//! and its error says what else is wrong.

use http::header::LOCATION;
use url::Url;

use super::{Case, Check, Finding, Problem};
use crate::outbound::{Error as OutboundError, Response};
use crate::upstream::oidc::discovery::Metadata;
use crate::upstream::oidc::{Kind, probe};

/// How much of a page is searched for what it complains about, in bytes.
const SEARCHED: usize = 256 * 1024;

/// The checks that an answer decides.
const DECIDED: [Check; 3] = [Check::AuthorizationEndpoint, Check::ClientId, Check::RedirectUri];

pub(super) async fn examine(case: &Case<'_>, metadata: &Metadata) -> Vec<Finding> {
    let request = match probe::authorization(case.settings, metadata, &case.redirect_uri) {
        Ok(request) => request,
        Err(failure) => {
            let note = failure.detail.unwrap_or_default();
            return vec![Finding::cannot_tell(Check::AuthorizationEndpoint, note)];
        }
    };
    match case.ask(request).await {
        Ok(response) => read(case, &response),
        // A page with pictures in it, or a compressed one, is a page: somebody is there.
        Err(error @ (OutboundError::TooLarge | OutboundError::Compressed)) => {
            unclear(format!("a page that is not read ({})", error.class()))
        }
        Err(error) => {
            let finding = case.problem(Problem::AuthorizationFailed);
            failed(finding.compared("an answer", error.class()))
        }
    }
}

/// Without an endpoint nothing is known of client and redirect URI.
fn failed(finding: Finding) -> Vec<Finding> {
    let on = Check::AuthorizationEndpoint;
    vec![finding, Finding::depends(Check::ClientId, on), Finding::depends(Check::RedirectUri, on)]
}

fn unclear(note: String) -> Vec<Finding> {
    vec![
        Finding::ok(Check::AuthorizationEndpoint, note.clone()),
        Finding::cannot_tell(Check::ClientId, note.clone()),
        Finding::cannot_tell(Check::RedirectUri, note),
    ]
}

fn read(case: &Case<'_>, response: &Response) -> Vec<Finding> {
    let location = response.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    match (response.status.as_u16(), location) {
        (300..=399, Some(location)) => match answer(&case.redirect_uri, location) {
            Some(answer) => told(case, &answer),
            None => elsewhere(case, location),
        },
        (404 | 410 | 500..=599, _) => {
            let finding = case.problem(Problem::AuthorizationFailed);
            failed(finding.compared("a sign-in", response.status.as_str()))
        }
        (status, _) => page(case, status, &response.body),
    }
}

/// The parameters of an answer at our redirect URI.
struct Answer {
    error: String,
    description: String,
}

/// Reads the location, if it is our redirect URI.
fn answer(redirect_uri: &str, location: &str) -> Option<Answer> {
    let rest = location.strip_prefix(redirect_uri)?;
    if !(rest.is_empty() || rest.starts_with(['?', '#'])) {
        return None;
    }
    let url = Url::parse(location).ok()?;
    let value = |name: &str| {
        let found = url.query_pairs().find(|(found, _)| found == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    Some(Answer { error: value("error"), description: value("error_description") })
}

/// The provider has told our redirect URI: it knows the client and the URI.
fn told(case: &Case<'_>, answer: &Answer) -> Vec<Finding> {
    let received = format!("{}: {}", answer.error, answer.description);
    let lower = received.to_lowercase();
    let mut findings = vec![
        Finding::ok(Check::ClientId, "the authorization endpoint knows it"),
        Finding::ok(Check::RedirectUri, case.redirect_uri.as_str()),
    ];
    let problem = match answer.error.as_str() {
        // Nobody is signed in, which is what we asked for.
        ""
        | "login_required"
        | "interaction_required"
        | "consent_required"
        | "account_selection_required" => None,
        "invalid_scope" => Some(Problem::ScopeRefused),
        _ if !case.settings.pkce
            && (lower.contains("pkce")
                || lower.contains("code_challenge")
                || lower.contains("code challenge")) =>
        {
            Some(Problem::PkceRequired)
        }
        // It knows no prompt=none, and says so only after it has judged the rest.
        _ if lower.contains("prompt") => None,
        "temporarily_unavailable" | "server_error" => Some(Problem::AuthorizationFailed),
        _ => Some(Problem::AuthorizationRefused),
    };
    match problem {
        Some(problem) => {
            let finding = case.problem(problem).compared("login_required", received);
            if finding.name != Check::AuthorizationEndpoint {
                findings.push(Finding::ok(Check::AuthorizationEndpoint, "it answers"));
            }
            findings.push(finding);
        }
        None => findings.push(Finding::ok(Check::AuthorizationEndpoint, "it answers")),
    }
    findings
}

/// The browser would go on to another address: a sign-in page, or one about an error.
fn elsewhere(case: &Case<'_>, location: &str) -> Vec<Finding> {
    let lower = location.to_lowercase();
    if let Some(problem) = complaint(&lower) {
        return complained(case, problem, "a redirect to a page about it");
    }
    let to = Url::parse(location).ok().and_then(|url| url.host_str().map(str::to_owned));
    let to = to.unwrap_or_else(|| "the same host".to_owned());
    accepted_by_okta(case, format!("the browser is sent on to {to}"))
}

/// A page: where people sign in, or about an error.
fn page(case: &Case<'_>, status: u16, body: &[u8]) -> Vec<Finding> {
    let page = String::from_utf8_lossy(&body[..body.len().min(SEARCHED)]).to_lowercase();
    if let Some(problem) = complaint(&page).filter(|_| status >= 400 || page.contains("aadsts")) {
        return complained(case, problem, &format!("{status} and a page about it"));
    }
    if status >= 400 {
        return unclear(format!("{status} and a page that names neither"));
    }
    accepted_by_okta(case, format!("{status} and a page"))
}

/// What a page about an error is about.
fn complaint(text: &str) -> Option<Problem> {
    const REDIRECT: &[&str] =
        &["redirect_uri", "redirect uri", "aadsts50011", "aadsts900971", "reply url"];
    const CLIENT: &[&str] = &[
        "client_id",
        "invalid_client",
        "unauthorized_client",
        "aadsts700016",
        "client not found",
        "unknown client",
    ];
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    // Both words stand on some pages about the client, so that a page about the redirect URI alone
    // is told first by the name of the error.
    if text.contains("redirect_uri_mismatch") || text.contains("aadsts50011") {
        return Some(Problem::RedirectUriNotRegistered);
    }
    match (says(CLIENT), says(REDIRECT)) {
        (_, true) if text.contains("must be a login redirect uri") => {
            Some(Problem::RedirectUriNotRegistered)
        }
        (true, false) => Some(Problem::ClientIdUnknown),
        (false, true) => Some(Problem::RedirectUriNotRegistered),
        _ => None,
    }
}

fn complained(case: &Case<'_>, problem: Problem, received: &str) -> Vec<Finding> {
    let endpoint = Finding::ok(Check::AuthorizationEndpoint, "it answers");
    let expected = match problem {
        Problem::RedirectUriNotRegistered => case.redirect_uri.as_str(),
        _ => case.settings.client_id.as_str(),
    };
    let finding = case.problem(problem).compared(expected, received);
    let other = match problem {
        Problem::RedirectUriNotRegistered => Finding::ok(Check::ClientId, "it is known"),
        _ => Finding::depends(Check::RedirectUri, Check::ClientId),
    };
    vec![endpoint, finding, other]
}

/// Okta answers a wrong client or redirect URI with an error page, so any other answer says that
/// both are right. Of others we do not know that.
fn accepted_by_okta(case: &Case<'_>, note: String) -> Vec<Finding> {
    if case.settings.kind == Kind::OktaOidc {
        DECIDED.into_iter().map(|check| Finding::ok(check, note.clone())).collect()
    } else {
        unclear(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_redirect_uri_counts_as_an_answer() {
        let ours = "https://sso.example/sso/oidc/abc/callback";
        let read = |location: &str| answer(ours, location).map(|answer| answer.error);
        assert_eq!(
            read(&format!("{ours}?error=login_required")).as_deref(),
            Some("login_required")
        );
        assert_eq!(read(ours).as_deref(), Some(""));
        for foreign in [
            "https://sso.example/sso/oidc/abc/callbacks?error=x",
            "https://sso.example.evil.example/sso/oidc/abc/callback",
            "https://idp.example/?redirect_uri=https://sso.example/sso/oidc/abc/callback",
            "/login",
        ] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn pages_of_several_vendors_say_what_they_are_about() {
        for (page, expected) in [
            (
                "the 'redirect_uri' parameter must be a login redirect uri in the client app \
                 settings: https://acme.okta.com/admin/app/oidc_client/instance/0oa#tab-general",
                Some(Problem::RedirectUriNotRegistered),
            ),
            ("invalid value for 'client_id' parameter.", Some(Problem::ClientIdUnknown)),
            (
                "aadsts50011: the redirect uri does not match",
                Some(Problem::RedirectUriNotRegistered),
            ),
            ("aadsts700016: application was not found", Some(Problem::ClientIdUnknown)),
            ("error 400: redirect_uri_mismatch", Some(Problem::RedirectUriNotRegistered)),
            ("invalid parameter: redirect_uri", Some(Problem::RedirectUriNotRegistered)),
            ("client not found.", Some(Problem::ClientIdUnknown)),
            ("we are sorry", None),
        ] {
            assert_eq!(complaint(page), expected, "{page}");
        }
    }
}
