//! The keys that ID tokens are verified with, and the endpoint with the rest of the claims.

use super::{Case, Check, Finding, Problem};
use crate::outbound::Error as OutboundError;
use crate::upstream::oidc::discovery::Metadata;
use crate::upstream::oidc::jwks::KeySet;
use crate::upstream::oidc::probe;

/// Fetches the keys and looks whether one of them will do.
pub(super) async fn examine(case: &Case<'_>, metadata: &Metadata) -> Vec<Finding> {
    let Ok(algorithm) = metadata.algorithm(case.settings.signing_algorithm) else {
        return vec![Finding::depends(Check::Keys, Check::Algorithms)];
    };
    let response = match case.ask(probe::keys(case.settings, metadata)).await {
        Ok(response) => response,
        Err(error) => {
            let problem = match error {
                OutboundError::Timeout => Problem::KeysTimeout,
                OutboundError::TooLarge => Problem::KeysTooLarge,
                _ => Problem::KeysUnreachable,
            };
            return vec![case.problem(problem).compared("a key set", error.class())];
        }
    };
    if response.status != http::StatusCode::OK {
        let received = response.status.as_str();
        return vec![case.problem(Problem::KeysUnreachable).compared("200", received)];
    }
    let set = match KeySet::parse(&response.body, algorithm) {
        Ok(set) => set,
        Err(failure) => {
            let detail = failure.detail.unwrap_or_default();
            return vec![case.problem(Problem::KeysInvalid).compared("a key set", detail)];
        }
    };
    let (all, usable) = set.count();
    let plural = if all == 1 { "" } else { "s" };
    let counted = format!("{all} key{plural}, {usable} for {algorithm}");
    let expected = format!("a key for {algorithm}");
    let problem = match (all, usable) {
        (0, _) => Problem::KeysEmpty,
        (_, 0) => Problem::KeysUnusable,
        _ if set.warnings.iter().any(|warning| warning.contains("private")) => Problem::KeyPrivate,
        _ if !set.warnings.is_empty() => Problem::KeysAmbiguous,
        _ => return vec![Finding::ok(Check::Keys, counted)],
    };
    vec![case.problem(problem).compared(expected, counted).noted(set.warnings.join(" "))]
}

/// Asks for claims without a token: a refusal shows that somebody is there.
pub(super) async fn userinfo(case: &Case<'_>, metadata: &Metadata) -> Vec<Finding> {
    let Some(url) = &metadata.userinfo_endpoint else {
        return vec![case.problem(Problem::UserinfoMissing)];
    };
    let unreachable = |received: &str| {
        case.problem(Problem::UserinfoUnreachable).compared("a refusal (401)", received)
    };
    vec![match case.ask(probe::userinfo(case.settings, url)).await {
        Ok(response) => match response.status.as_u16() {
            404 | 410 | 500..=599 => unreachable(response.status.as_str()),
            status => Finding::ok(Check::Userinfo, format!("answers {status} without a token")),
        },
        Err(error) => unreachable(error.class()),
    }]
}
