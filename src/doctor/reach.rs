//! From the name of the identity provider's host to a trusted connection.

use std::sync::Arc;

use tokio::time::timeout_at;
use url::Url;

use super::{Case, Check, Finding, Problem};
use crate::base::failure::Owner;
use crate::base::time::Timestamp;
use crate::outbound::{Certificate, Error as OutboundError, NotReached, Stage, TlsCause};

/// How long before its end a certificate is worth a warning: 14 days, in milliseconds.
const SOON_MS: i64 = 14 * 24 * 60 * 60 * 1000;
/// What the certificates of proxies that open TLS connections say of their issuer.
const PROXIES: &[&str] = &[
    "zscaler",
    "netskope",
    "palo alto",
    "fortinet",
    "fortigate",
    "blue coat",
    "bluecoat",
    "symantec web",
    "forcepoint",
    "websense",
    "sophos",
    "cisco umbrella",
    "check point",
    "mcafee web",
    "skyhigh",
    "squid",
    "mitmproxy",
    "iboss",
    "cloudflare gateway",
    "barracuda",
    "watchguard",
    "sonicwall",
    "untangle",
];
/// The domains under which providers run for everybody: when one of these cannot be reached, it is
/// hardly ever the customer who can mend it.
const CLOUDS: &[&str] = &[
    "okta.com",
    "oktapreview.com",
    "okta-emea.com",
    "okta-gov.com",
    "okta.mil",
    "microsoftonline.com",
    "microsoftonline.us",
    "windows.net",
    "google.com",
    "googleapis.com",
];

/// Connects, step by step; `Err` names the check that failed.
pub(super) async fn examine(
    case: &Case<'_>,
    url: &Url,
    findings: &mut Vec<Finding>,
) -> Result<(), Check> {
    let extra_ca: Option<Arc<str>> = case.settings.extra_ca.as_deref().map(Arc::from);
    let outbound = case.app.upstream.outbound();
    let reached = timeout_at(case.deadline, outbound.probe(url, extra_ca.as_ref())).await;
    let reached = reached.unwrap_or(Err(NotReached {
        stage: Stage::Tcp,
        error: OutboundError::Timeout,
        certificate: None,
    }));
    let passed = |stage| match &reached {
        Ok(_) => true,
        Err(not) => (not.stage as usize) > (stage as usize),
    };
    let host = url.host_str().unwrap_or_default();
    for (stage, check, note) in [
        (Stage::Rules, Check::Address, "the outbound rules allow it".to_owned()),
        (Stage::Dns, Check::Dns, host.to_owned()),
        (Stage::Tcp, Check::Tcp, format!("port {}", url.port_or_known_default().unwrap_or(0))),
    ] {
        if passed(stage) {
            findings.push(Finding::ok(check, note));
        }
    }
    match reached {
        Ok(reached) if url.scheme() == "https" => {
            let certificate = reached.certificate.as_ref();
            let issuer = certificate.map_or("a known authority", |it| it.issuer.as_str());
            findings.push(Finding::ok(Check::Tls, format!("issued by {issuer}")));
            findings.push(expiry(case, certificate));
            Ok(())
        }
        Ok(_) => {
            let note = "plain http, which the operator allows for this address";
            findings.push(Finding::skipped(Check::Tls, note));
            findings.push(Finding::skipped(Check::CertificateExpiry, note));
            Ok(())
        }
        Err(not) => {
            let finding = refusal(case, url, &not);
            let failed = finding.name;
            findings.push(finding);
            Err(failed)
        }
    }
}

fn refusal(case: &Case<'_>, url: &Url, not: &NotReached) -> Finding {
    let host = url.host_str().unwrap_or_default();
    let at_cloud = is_cloud(host);
    let network = |problem: Problem| {
        let finding = case.problem(problem);
        if at_cloud { finding.owned_by(Owner::Operator) } else { finding }
    };
    let class = not.error.class();
    match (not.stage, not.error) {
        (Stage::Rules, error) => {
            let received = match error {
                // Not which kind: whoever may name hosts could map the operator's network.
                OutboundError::AddressBlocked(_) => {
                    format!("{host}: an address that is not public")
                }
                error => format!("{url}: {error}"),
            };
            case.problem(Problem::AddressNotAllowed)
                .compared("https, port 443, a public address", received)
        }
        (Stage::Dns, OutboundError::Timeout) => {
            case.problem(Problem::DnsTimeout).compared("an address", format!("{host}: no answer"))
        }
        (Stage::Dns, _) => {
            network(Problem::DnsNoAddress).compared("an address", format!("{host}: none"))
        }
        (Stage::Tcp, OutboundError::Timeout) => {
            network(Problem::ConnectionTimeout).compared("a connection", "no answer")
        }
        (Stage::Tcp, _) => network(Problem::ConnectionRefused).compared("a connection", "refused"),
        (Stage::Tls, OutboundError::Tls(cause)) => tls(case, host, (cause, class), not),
        (Stage::Tls, _) => case.problem(Problem::TlsFailed).compared("a TLS handshake", class),
    }
}

fn tls(case: &Case<'_>, host: &str, (cause, class): (TlsCause, &str), not: &NotReached) -> Finding {
    let certificate = not.certificate.as_ref();
    let issuer = certificate.map_or("nobody that can be named", |it| it.issuer.as_str());
    match cause {
        TlsCause::Expired => case.problem(Problem::CertificateExpired).compared(
            "a certificate that is valid now",
            certificate.map_or_else(
                || class.to_owned(),
                |it| format!("valid from {} to {}", it.not_before, it.not_after),
            ),
        ),
        TlsCause::UnknownIssuer => {
            let lower = issuer.to_lowercase();
            let intercepted = PROXIES.iter().any(|proxy| lower.contains(proxy));
            let problem = match intercepted {
                true => Problem::TlsIntercepted,
                false => Problem::CertificateUnknownIssuer,
            };
            case.problem(problem).compared("a known issuer", format!("issued by {issuer}"))
        }
        TlsCause::NameMismatch => case
            .problem(Problem::CertificateWrongName)
            .compared(host, certificate.map_or_else(String::new, |it| it.names.join(", "))),
        TlsCause::Revoked => case.problem(Problem::CertificateRevoked),
        TlsCause::Protocol => {
            case.problem(Problem::TlsProtocol).compared("TLS 1.2 or 1.3", "something else")
        }
        TlsCause::BadExtraCa => case.problem(Problem::ExtraCaInvalid),
        TlsCause::Other => case.problem(Problem::TlsFailed).compared("a TLS handshake", class),
    }
}

fn expiry(case: &Case<'_>, certificate: Option<&Certificate>) -> Finding {
    let Some(certificate) = certificate else {
        return Finding::cannot_tell(Check::CertificateExpiry, "the certificate cannot be read");
    };
    let now: Timestamp = case.app.clock.now();
    let until = format!("valid until {}", certificate.not_after);
    if certificate.not_after <= now.plus_ms(SOON_MS) {
        case.problem(Problem::CertificateExpiresSoon).compared("14 days or more", until)
    } else {
        Finding::ok(Check::CertificateExpiry, until)
    }
}

fn is_cloud(host: &str) -> bool {
    CLOUDS.iter().any(|domain| {
        host.strip_suffix(domain).is_some_and(|below| below.is_empty() || below.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_domains_of_the_clouds_count_as_theirs() {
        for host in
            ["acme.okta.com", "okta.com", "login.microsoftonline.com", "accounts.google.com"]
        {
            assert!(is_cloud(host), "{host}");
        }
        for host in ["notokta.com", "okta.com.example", "idp.example", "127.0.0.1"] {
            assert!(!is_cloud(host), "{host}");
        }
    }
}
