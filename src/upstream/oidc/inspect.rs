//! From what an administrator pastes to a discovery endpoint and its issuer.

use std::sync::Arc;

use url::Url;

use crate::base::failure::{Failure, FailureCode};
use crate::outbound::is_ca_pem;
use crate::upstream::Upstream;

use super::algorithm::Algorithm;
use super::discovery::{self, Metadata};
use super::settings::SigningAlgorithm;

/// Where metadata are, below the issuer (section 4 of OpenID Connect Discovery 1.0).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";
/// How many characters may be pasted.
const MAX_INPUT: usize = 2048;
/// The domains under which Okta's tenants are.
const OKTA_DOMAINS: &[&str] =
    &["okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com", "okta.mil", "trexcloud.com"];

/// What an input could mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    /// Discovery endpoints to try, the likeliest first; all on the same host.
    pub urls: Vec<Url>,
    /// What was changed of the input, each as one sentence for the administrator.
    pub notes: Vec<String>,
}

/// What was found at a discovery endpoint.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// Where the metadata are: what the settings should say.
    pub discovery_endpoint: String,
    /// The issuer, to be pinned byte for byte.
    pub issuer: String,
    /// The algorithm to pin: RS256 where it is offered.
    pub signing_algorithm: Algorithm,
    /// What was changed of the input, each as one sentence for the administrator.
    pub notes: Vec<String>,
    /// What the administrator should look at, each as one sentence.
    pub warnings: Vec<String>,
    /// The metadata.
    pub metadata: Metadata,
}

/// Finds out what was pasted: a domain, an issuer, a discovery endpoint, or the address of an
/// administrator's page at Okta. Pure: asks nobody.
///
/// # Errors
///
/// [`FailureCode::DiscoveryEndpointInvalid`] when it cannot be read as a URL.
pub fn normalise(input: &str) -> Result<Candidates, Failure> {
    let invalid =
        |detail: &str| Err(Failure::with_detail(FailureCode::DiscoveryEndpointInvalid, detail));
    let text = input.trim();
    if text.is_empty() {
        return invalid("Nothing was entered.");
    }
    if text.len() > MAX_INPUT || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return invalid("The address contains spaces or is too long.");
    }
    let mut notes = Vec::new();
    let with_scheme =
        if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let Ok(mut url) = Url::parse(&with_scheme) else {
        return invalid("This is not an address.");
    };
    if url.host_str().is_none_or(str::is_empty) || !matches!(url.scheme(), "https" | "http") {
        return invalid("The address must begin with https://.");
    }
    if url.fragment().is_some() {
        url.set_fragment(None);
    }
    leave_okta_admin(&mut url, &mut notes);
    let mut paths = vec![likely_path(&url, &mut notes)];
    if !url.path().ends_with(WELL_KNOWN) && paths[0] != WELL_KNOWN {
        paths.push(WELL_KNOWN.to_owned());
    }
    let urls = paths.into_iter().map(|path| {
        let mut candidate = url.clone();
        candidate.set_path(&path);
        candidate
    });
    Ok(Candidates { urls: urls.collect(), notes })
}

/// Okta shows its console at `acme-admin.okta.com`, whose metadata name another issuer.
fn leave_okta_admin(url: &mut Url, notes: &mut Vec<String>) {
    let Some((tenant, domain)) = okta_tenant(url) else { return };
    let Some(tenant) = tenant.strip_suffix("-admin").map(str::to_owned) else { return };
    let host = format!("{tenant}.{domain}");
    if url.set_host(Some(&host)).is_ok() {
        notes.push(format!(
            "This was the address of Okta's admin console; sign-ins go through {host}."
        ));
    }
}

/// The tenant and the domain of an address at Okta.
fn okta_tenant(url: &Url) -> Option<(String, &'static str)> {
    let host = url.host_str()?;
    OKTA_DOMAINS.iter().find_map(|domain| {
        let tenant = host.strip_suffix(domain)?.strip_suffix('.')?;
        (!tenant.is_empty() && !tenant.contains('.')).then(|| (tenant.to_owned(), *domain))
    })
}

/// The path at which the metadata are likely to be.
fn likely_path(url: &Url, notes: &mut Vec<String>) -> String {
    let path = url.path();
    if path.ends_with(WELL_KNOWN) {
        return path.to_owned();
    }
    if let Some(base) = path.strip_suffix("/.well-known/oauth-authorization-server") {
        notes.push("OpenID Connect has metadata of its own, which are used instead.".to_owned());
        return format!("{base}{WELL_KNOWN}");
    }
    let mut base = path.trim_end_matches('/').to_owned();
    if okta_tenant(url).is_some() {
        base = okta_base(&base);
        if base != path.trim_end_matches('/') {
            notes.push("The page of the address was replaced by that of its issuer.".to_owned());
        }
    }
    let entra = url.host_str().is_some_and(|host| host.starts_with("login.microsoftonline."));
    if entra && !base.is_empty() && !base.trim_start_matches('/').contains('/') {
        base.push_str("/v2.0");
        notes.push("Version 2.0 of Entra's endpoint is used.".to_owned());
    }
    notes.push(format!("{WELL_KNOWN} was added to the address."));
    format!("{base}{WELL_KNOWN}")
}

/// The issuer's path of a path at Okta: `/oauth2/{id}` for a custom authorization server, nothing
/// for the tenant's own (whose endpoints are at `/oauth2/v1/…`) and for pages.
fn okta_base(path: &str) -> String {
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("oauth2"), Some(id)) if id != "v1" && !id.is_empty() => format!("/oauth2/{id}"),
        _ => String::new(),
    }
}

/// The issuers that metadata at this URL may name: the URL without its well-known part, and the
/// same with a slash (Auth0's issuers end in one; both forms have the same metadata URL).
pub(super) fn possible_issuers(url: &Url) -> Option<[String; 2]> {
    let base = url.path().strip_suffix(WELL_KNOWN)?;
    let origin = &url[..url::Position::BeforePath];
    let base = format!("{origin}{}", base.trim_end_matches('/'));
    Some([base.clone(), format!("{base}/")])
}

/// Looks at what an administrator pasted: used when a connection is saved.
///
/// # Errors
///
/// Of the likeliest candidate: why it has no metadata that can be used.
pub async fn inspect(
    upstream: &Upstream,
    input: &str,
    extra_ca: Option<&str>,
) -> Result<Discovered, Failure> {
    if extra_ca.is_some_and(|pem| !is_ca_pem(pem)) {
        let detail = "The extra certification authority is not a PEM certificate.";
        return Err(Failure::with_detail(FailureCode::TlsFailed, detail));
    }
    let extra_ca = extra_ca.map(Arc::from);
    let Candidates { urls, notes } = normalise(input)?;
    let mut first = None;
    for url in urls {
        let found = match discovery::fetch(upstream.outbound(), &url, extra_ca.clone()).await {
            Ok((metadata, _)) => discovered(&url, metadata),
            Err(failure) => Err(failure),
        };
        match found {
            Ok(found) => {
                let mut all = notes;
                if first.is_some() {
                    all.push(format!("The metadata were found at {url}."));
                }
                return Ok(Discovered { notes: all, ..found });
            }
            Err(failure) => first = first.or(Some(failure)),
        }
    }
    Err(first.unwrap_or_else(|| FailureCode::DiscoveryEndpointInvalid.into()))
}

fn discovered(url: &Url, metadata: Metadata) -> Result<Discovered, Failure> {
    let possible = possible_issuers(url)
        .ok_or_else(|| Failure::from(FailureCode::DiscoveryEndpointInvalid))?;
    if !possible.contains(&metadata.issuer) {
        let [expected, _] = possible;
        let failure =
            Failure::mismatch(FailureCode::IssuerMismatch, expected, metadata.issuer.as_str());
        let detail = format!("The metadata say that they are those of {}.", metadata.issuer);
        return Err(Failure { detail: Some(detail), ..failure });
    }
    let signing_algorithm = metadata.algorithm(SigningAlgorithm::Auto)?;
    let mut warnings = metadata.warnings.clone();
    if metadata.userinfo_endpoint.is_none() {
        warnings
            .push("There is no userinfo endpoint: all claims must be in the ID token.".to_owned());
    }
    if let Some(methods) = &metadata.token_endpoint_auth_methods_supported
        && !methods.iter().any(|m| m == "client_secret_basic" || m == "client_secret_post")
    {
        warnings.push("The provider accepts no client secret at its token endpoint.".to_owned());
    }
    Ok(Discovered {
        discovery_endpoint: url.as_str().to_owned(),
        issuer: metadata.issuer.clone(),
        signing_algorithm,
        notes: Vec::new(),
        warnings,
        metadata,
    })
}
