//! What the discovery endpoint answers, and what follows from it without another question.

use std::collections::HashSet;

use http::StatusCode;
use http::header::{DATE, LOCATION, PROXY_AUTHENTICATE, SERVER, VIA};
use tokio::time::Instant;
use url::Url;

use super::{Case, Check, Finding, Problem};
use crate::base::failure::{Failure, FailureCode};
use crate::base::time::Timestamp;
use crate::outbound::{Error as OutboundError, Response};
use crate::upstream::oidc::discovery::Metadata;
use crate::upstream::oidc::{
    ClientAuthentication, GroupsScope, Kind, Settings, SigningAlgorithm, probe,
};

/// What proxies and web filters call themselves.
const PROXIES: &[&str] = &[
    "squid",
    "zscaler",
    "bluecoat",
    "blue coat",
    "netskope",
    "fortigate",
    "fortiguard",
    "forcepoint",
    "websense",
    "mcafee web gateway",
    "skyhigh",
    "cisco umbrella",
    "sophos",
    "palo alto networks",
];
/// How much of a page is searched for these, in bytes.
const SEARCHED: usize = 16 * 1024;

/// Reads the metadata; `Err` names the check that failed, behind which nothing more can be asked.
/// Behind a wrong issuer nothing may be: its token endpoint would be told the client secret.
pub(super) async fn examine(
    case: &Case<'_>,
    url: &Url,
    findings: &mut Vec<Finding>,
) -> Result<Metadata, Check> {
    let began = Instant::now();
    let asked_at = case.app.clock.now();
    let response = match case.ask(probe::discovery(case.settings, url.clone())).await {
        Ok(response) => response,
        Err(error) => {
            findings.push(unanswered(case, error));
            return Err(Check::Discovery);
        }
    };
    let took_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(0);
    if let Some(finding) = proxy(case, &response) {
        findings.push(finding);
        return Err(Check::Proxy);
    }
    findings.push(Finding::ok(Check::Proxy, "the identity provider itself answers"));
    findings.push(clock(case, &response, asked_at.plus_ms(took_ms / 2)));
    let metadata = match read(case, &response) {
        Ok(metadata) => metadata,
        Err(finding) => {
            let failed = finding.name;
            if failed != Check::Discovery {
                findings.push(Finding::ok(Check::Discovery, "metadata"));
            }
            findings.push(finding);
            return Err(failed);
        }
    };
    let is_ours = metadata.issuer == case.settings.issuer;
    let warnings = metadata.warnings.join(" ");
    findings.push(if is_ours && warnings.contains("another domain") {
        case.problem(Problem::EndpointForeign).compared(&metadata.issuer, warnings)
    } else {
        Finding::ok(Check::Discovery, warnings)
    });
    if !is_ours {
        findings.push(issuer(case, url, &metadata));
        return Err(Check::Issuer);
    }
    findings.push(Finding::ok(Check::Issuer, metadata.issuer.clone()));
    findings.push(algorithm(case, &metadata));
    findings.push(pkce(case, &metadata));
    findings.push(authentication_method(case, &metadata));
    findings.push(scopes(case, &metadata));
    findings.push(groups(case, &metadata));
    Ok(metadata)
}

fn unanswered(case: &Case<'_>, error: OutboundError) -> Finding {
    let problem = match error {
        OutboundError::Timeout => Problem::DiscoveryTimeout,
        OutboundError::TooLarge => Problem::DiscoveryTooLarge,
        OutboundError::Busy => {
            return Finding::cannot_tell(Check::Discovery, "too many requests are under way");
        }
        _ => Problem::DiscoveryBroken,
    };
    case.problem(problem).compared("metadata", error.class())
}

/// Whether something in between has answered.
fn proxy(case: &Case<'_>, response: &Response) -> Option<Finding> {
    let header = |name: http::HeaderName| {
        response.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let status = response.status;
    let found = |problem| Some(case.problem(problem).compared("200", status.as_str()));
    if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED || !header(PROXY_AUTHENTICATE).is_empty()
    {
        return found(Problem::ProxyAuthentication);
    }
    if status == StatusCode::NETWORK_AUTHENTICATION_REQUIRED {
        return found(Problem::CaptivePortal);
    }
    if probe::object(&response.body).is_some() {
        return None;
    }
    let page = &response.body[..response.body.len().min(SEARCHED)];
    let page = String::from_utf8_lossy(page).to_lowercase();
    let squid = response.headers.get("x-squid-error").and_then(|value| value.to_str().ok());
    let words = [header(VIA), header(SERVER), squid.unwrap_or_default()].join(" ");
    let lower = words.to_lowercase();
    let named = PROXIES.iter().find(|name| lower.contains(**name) || page.contains(**name))?;
    let received = format!("{} from {named} {words}", status.as_u16());
    let received = received.trim_end();
    Some(case.problem(Problem::ProxyPage).compared("metadata", received))
}

fn read(case: &Case<'_>, response: &Response) -> Result<Metadata, Finding> {
    let status = response.status;
    let failed = |problem, received: &str| {
        Err(case.problem(problem).compared("200 and metadata", format!("{status}{received}")))
    };
    match status.as_u16() {
        200 => {}
        300..=399 => {
            let to = response.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let to = format!(" to {}", to.unwrap_or("nowhere"));
            return failed(Problem::DiscoveryRedirect, &to);
        }
        404 | 410 => return failed(Problem::DiscoveryNotFound, ""),
        500..=599 => return failed(Problem::DiscoveryServerError, ""),
        _ => return failed(Problem::DiscoveryStatus, ""),
    }
    if probe::object(&response.body).is_none() {
        return failed(Problem::DiscoveryNotJson, " and something else");
    }
    Metadata::parse(&response.body, case.app.upstream.outbound())
        .map_err(|failure| invalid(case, &failure))
}

fn invalid(case: &Case<'_>, failure: &Failure) -> Finding {
    let problem = match failure.code {
        FailureCode::AlgorithmUnsupported => Problem::AlgorithmUnsupported,
        FailureCode::IssuerTemplate => Problem::IssuerTemplate,
        FailureCode::EndpointInvalid | FailureCode::SsrfBlocked => Problem::EndpointInvalid,
        _ => Problem::DiscoveryInvalid,
    };
    let finding = case.problem(problem);
    let finding = match (&failure.expected, &failure.received) {
        (Some(expected), Some(received)) => finding.compared(expected, received),
        _ => finding,
    };
    match &failure.detail {
        Some(detail) => finding.noted(detail),
        None => finding,
    }
}

fn issuer(case: &Case<'_>, url: &Url, metadata: &Metadata) -> Finding {
    let host = url.host_str().unwrap_or_default();
    let label = host.split('.').next().unwrap_or_default();
    let is_console = case.settings.kind == Kind::OktaOidc && label.ends_with("-admin");
    let problem = if is_console { Problem::OktaAdminHost } else { Problem::IssuerMismatch };
    case.problem(problem).compared(&case.settings.issuer, &metadata.issuer)
}

/// Compares the clocks by the `Date` header, which has whole seconds.
fn clock(case: &Case<'_>, response: &Response, ours: Timestamp) -> Finding {
    let date = response.headers.get(DATE).and_then(|value| value.to_str().ok());
    let Some(theirs) = date.and_then(Timestamp::parse_http) else {
        return Finding::cannot_tell(Check::Clock, "the answer has no date");
    };
    let off_s = (theirs.plus_ms(500).as_ms() - ours.as_ms()) / 1000;
    let leeway_s = i64::from(case.settings.leeway_s);
    let problem = match off_s.abs() {
        // A second or two come from rounding and the way.
        0..=2 => return Finding::ok(Check::Clock, "they agree within two seconds"),
        off if off > leeway_s => Problem::ClockOff,
        off if off * 2 > leeway_s => Problem::ClockDrifting,
        off => return Finding::ok(Check::Clock, format!("{off} seconds apart")),
    };
    let side = if off_s > 0 { "ahead of" } else { "behind" };
    let received = format!("the identity provider is {} seconds {side} us", off_s.abs());
    case.problem(problem).compared(format!("at most {leeway_s} seconds"), received)
}

fn algorithm(case: &Case<'_>, metadata: &Metadata) -> Finding {
    let offered = metadata.signing_algorithms.as_deref();
    match (case.settings.signing_algorithm, offered) {
        (SigningAlgorithm::Pinned(pinned), Some(offered)) if !offered.contains(&pinned) => {
            let offered: Vec<&str> = offered.iter().map(|algorithm| algorithm.as_str()).collect();
            case.problem(Problem::AlgorithmNotOffered).compared(pinned.as_str(), offered.join(" "))
        }
        (choice, _) => match metadata.algorithm(choice) {
            Ok(algorithm) => Finding::ok(Check::Algorithms, algorithm.as_str()),
            Err(failure) => invalid(case, &failure),
        },
    }
}

fn pkce(case: &Case<'_>, metadata: &Metadata) -> Finding {
    let offered = metadata.code_challenge_methods_supported.as_deref();
    match (case.settings.pkce, offered) {
        (false, _) => case.problem(Problem::PkceOff),
        (true, Some(methods)) if !methods.iter().any(|method| method == "S256") => {
            case.problem(Problem::PkceMethod).compared("S256", methods.join(" "))
        }
        (true, Some(_)) => Finding::ok(Check::Pkce, "S256"),
        (true, None) => Finding::ok(Check::Pkce, "S256, of which the metadata say nothing"),
    }
}

fn authentication_method(case: &Case<'_>, metadata: &Metadata) -> Finding {
    let Some(offered) = &metadata.token_endpoint_auth_methods_supported else {
        let note = "the metadata say nothing, so client_secret_basic is used";
        return Finding::ok(Check::AuthenticationMethods, note);
    };
    let offers = |method: &str| offered.iter().any(|one| one == method);
    let chosen = match case.settings.client_authentication {
        ClientAuthentication::ClientSecretBasic => "client_secret_basic",
        ClientAuthentication::ClientSecretPost => "client_secret_post",
        ClientAuthentication::Auto if offers("client_secret_basic") => "client_secret_basic",
        ClientAuthentication::Auto => "client_secret_post",
    };
    if offers(chosen) {
        return Finding::ok(Check::AuthenticationMethods, chosen);
    }
    let usable = offers("client_secret_basic") || offers("client_secret_post");
    let problem = if usable { Problem::MethodNotOffered } else { Problem::NoSecretMethod };
    case.problem(problem).compared(chosen, offered.join(" "))
}

fn scopes(case: &Case<'_>, metadata: &Metadata) -> Finding {
    let asked = asked_scopes(case.settings, metadata);
    let Some(offered) = &metadata.scopes_supported else {
        return Finding::ok(Check::Scopes, "the metadata say nothing of scopes");
    };
    let known: HashSet<&str> = offered.iter().map(String::as_str).collect();
    let missing: Vec<&str> = asked.into_iter().filter(|scope| !known.contains(scope)).collect();
    if missing.is_empty() {
        Finding::ok(Check::Scopes, "all are offered")
    } else {
        case.problem(Problem::ScopeNotOffered).compared(missing.join(" "), offered.join(" "))
    }
}

/// The scopes that a login asks for.
fn asked_scopes<'a>(settings: &'a Settings, metadata: &Metadata) -> Vec<&'a str> {
    let groups = match settings.groups_scope {
        GroupsScope::Always => true,
        GroupsScope::Never => false,
        GroupsScope::IfSupported => metadata.lists_scope("groups"),
    };
    let own = settings.scopes.iter().map(String::as_str);
    std::iter::once("openid").chain(own).chain(groups.then_some("groups")).collect()
}

fn groups(case: &Case<'_>, metadata: &Metadata) -> Finding {
    let claim = case.settings.groups_claim.as_str();
    let listed = metadata.claims_supported.iter().flatten().any(|one| one == claim);
    if listed || metadata.lists_scope("groups") {
        return Finding::ok(Check::GroupsClaim, "groups are offered; a test sign-in shows them");
    }
    if !case.has_groups {
        return Finding::skipped(Check::GroupsClaim, "no role is mapped to a group");
    }
    // Entra never lists the claim, whether or not it is sent.
    if case.settings.kind == Kind::EntraIdOidc {
        let note = "Microsoft Entra does not say; a test sign-in shows whether groups come";
        return Finding::cannot_tell(Check::GroupsClaim, note);
    }
    case.problem(Problem::GroupsNotAdvertised).compared(claim, "neither a claim nor a scope")
}
