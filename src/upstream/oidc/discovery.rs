//! The metadata of an identity provider (OpenID Connect Discovery 1.0).

use std::sync::Arc;

use serde_json::{Map, Value};
use url::Url;

use crate::base::failure::{Failure, FailureCode};
use crate::base::trace::Trace;
use crate::outbound::{Error as OutboundError, Outbound, Request};
use crate::telemetry::Call;
use crate::upstream::Upstream;
use crate::upstream::fetched::{Key, Rules, fresh_for_ms};

use super::algorithm::Algorithm;
use super::settings::{Settings, SigningAlgorithm};
use super::{json, network_failure};

/// How many bytes metadata may have.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// How many characters an issuer or endpoint may have.
const MAX_URL_CHARS: usize = 2048;
/// Metadata older than their freshness are served for a day while they are fetched anew, and
/// beyond that when the identity provider is down: its endpoints hardly ever move.
const RULES: Rules = Rules { stale_ms: 24 * 60 * 60 * 1000, last_resort: true };

/// Parameters of an authentication request: an `authorization_endpoint` that brings its own, and
/// an application that asks for them, could decide what is asked.
pub(super) const RESERVED_PARAMETERS: &[&str] = &[
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "dpop_jkt",
    "grant_type",
    "id_token_hint",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "registration",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// What is used of the metadata; every URL in it has been vetted.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    /// The issuer, as it came.
    pub issuer: String,
    /// Where the browser is sent.
    pub authorization_endpoint: Url,
    /// Where codes are redeemed.
    pub token_endpoint: Url,
    /// Where the keys are.
    pub jwks_uri: Url,
    /// Where more claims are.
    pub userinfo_endpoint: Option<Url>,
    /// Where the browser is sent to sign out.
    pub end_session_endpoint: Option<Url>,
    /// The scopes that are offered; `None` when nothing is said.
    pub scopes_supported: Option<Vec<String>>,
    /// The ways in which clients may authenticate; `None` when nothing is said.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// The accepted algorithms among those that ID tokens are signed with; `None` when nothing is
    /// said.
    pub signing_algorithms: Option<Vec<Algorithm>>,
    /// The methods of PKCE; `None` when nothing is said.
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// The claims that are offered; `None` when nothing is said.
    pub claims_supported: Option<Vec<String>>,
    /// Whether answers carry `iss` (RFC 9207).
    pub iss_parameter_supported: bool,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

impl Metadata {
    /// Reads and vets metadata.
    ///
    /// # Errors
    ///
    /// [`FailureCode::MetadataInvalid`], [`FailureCode::EndpointInvalid`],
    /// [`FailureCode::SsrfBlocked`] or [`FailureCode::AlgorithmUnsupported`].
    pub fn parse(body: &[u8], outbound: &Outbound) -> Result<Self, Failure> {
        let invalid = |detail: &str| Failure::with_detail(FailureCode::MetadataInvalid, detail);
        let members = json::object(body).ok_or_else(|| invalid("not a strict JSON object"))?;
        let issuer = json::text(&members, "issuer").ok_or_else(|| invalid("no issuer"))?;
        check_issuer(issuer)?;
        let authorization_endpoint = required(&members, "authorization_endpoint", outbound)?;
        check_authorization_endpoint(&authorization_endpoint)?;
        let mut warnings = Vec::new();
        let end_session_endpoint = end_session_endpoint(&members, outbound).unwrap_or_else(|_| {
            warnings.push("end_session_endpoint cannot be used and is ignored.".to_owned());
            None
        });
        let mut metadata = Self {
            issuer: issuer.to_owned(),
            authorization_endpoint,
            token_endpoint: required(&members, "token_endpoint", outbound)?,
            jwks_uri: required(&members, "jwks_uri", outbound)?,
            userinfo_endpoint: optional(&members, "userinfo_endpoint", outbound)?,
            end_session_endpoint,
            scopes_supported: list(&members, "scopes_supported")?,
            token_endpoint_auth_methods_supported: list(
                &members,
                "token_endpoint_auth_methods_supported",
            )?,
            signing_algorithms: signing_algorithms(&members)?,
            code_challenge_methods_supported: hint(&members, "code_challenge_methods_supported"),
            claims_supported: hint(&members, "claims_supported"),
            iss_parameter_supported: members
                .get("authorization_response_iss_parameter_supported")
                .is_some_and(|value| *value == Value::Bool(true)),
            warnings,
        };
        metadata.warn_of_foreign_endpoints();
        Ok(metadata)
    }

    /// Endpoints at another registrable domain than the issuer's are allowed, but an honest
    /// provider hardly ever has them (mix-up: its own endpoints could be another's).
    fn warn_of_foreign_endpoints(&mut self) {
        let home = Url::parse(&self.issuer).ok().and_then(|url| registrable(&url));
        let endpoints = [
            ("authorization_endpoint", Some(&self.authorization_endpoint)),
            ("token_endpoint", Some(&self.token_endpoint)),
            ("jwks_uri", Some(&self.jwks_uri)),
            ("userinfo_endpoint", self.userinfo_endpoint.as_ref()),
        ];
        for (name, url) in endpoints {
            if let Some(url) = url
                && let there = registrable(url)
                && there != home
                && !is_known_pair(home.as_deref(), there.as_deref())
            {
                let host = url.host_str().unwrap_or_default();
                self.warnings.push(format!("{name} is at another domain than the issuer: {host}"));
            }
        }
    }

    /// The algorithm that ID tokens of a connection must be signed with.
    ///
    /// # Errors
    ///
    /// [`FailureCode::AlgorithmUnsupported`] when it is left to the metadata and they list none.
    pub fn algorithm(&self, choice: SigningAlgorithm) -> Result<Algorithm, Failure> {
        match (choice, &self.signing_algorithms) {
            (SigningAlgorithm::Pinned(algorithm), _) => Ok(algorithm),
            (SigningAlgorithm::Auto, None) => Ok(Algorithm::Rs256),
            (SigningAlgorithm::Auto, Some(offered)) => Algorithm::ALL
                .into_iter()
                .find(|algorithm| offered.contains(algorithm))
                .ok_or_else(|| FailureCode::AlgorithmUnsupported.into()),
        }
    }

    /// Whether the metadata list a scope.
    pub fn lists_scope(&self, scope: &str) -> bool {
        self.scopes_supported.iter().flatten().any(|listed| listed == scope)
    }
}

/// The issuer is compared, never fetched, so only its size is looked at here. Its form follows
/// from the discovery endpoint, of which it is a part.
fn check_issuer(issuer: &str) -> Result<(), Failure> {
    if issuer.contains("{tenantid}") {
        let detail = "The metadata are Entra's for all tenants (common or organizations).";
        return Err(Failure::with_detail(FailureCode::IssuerTemplate, detail));
    }
    if issuer.len() > MAX_URL_CHARS {
        return Err(Failure::with_detail(FailureCode::MetadataInvalid, "the issuer is too long"));
    }
    Ok(())
}

fn check_authorization_endpoint(url: &Url) -> Result<(), Failure> {
    let name = "authorization_endpoint";
    if url.fragment().is_some() {
        return Err(invalid_endpoint(name, "it has a fragment"));
    }
    let reserved = |name: &str| RESERVED_PARAMETERS.contains(&name);
    match url.query_pairs().find(|(name, _)| reserved(name)) {
        Some((parameter, _)) => Err(invalid_endpoint(name, &format!("its query sets {parameter}"))),
        None => Ok(()),
    }
}

fn invalid_endpoint(name: &str, reason: &str) -> Failure {
    Failure::with_detail(FailureCode::EndpointInvalid, format!("{name}: {reason}"))
}

fn endpoint(text: &str, name: &str, outbound: &Outbound) -> Result<Url, Failure> {
    if text.len() > MAX_URL_CHARS {
        return Err(invalid_endpoint(name, "it is too long"));
    }
    let url = Url::parse(text).map_err(|_| invalid_endpoint(name, "it is not a URL"))?;
    outbound.vet_url(&url).map_err(|error| {
        Failure::with_detail(FailureCode::SsrfBlocked, format!("{name}: {}", error.class()))
    })?;
    Ok(url)
}

fn required(members: &Map<String, Value>, name: &str, outbound: &Outbound) -> Result<Url, Failure> {
    let text = json::text(members, name);
    let text = text
        .ok_or_else(|| Failure::with_detail(FailureCode::MetadataInvalid, format!("no {name}")))?;
    endpoint(text, name, outbound)
}

fn optional(
    members: &Map<String, Value>,
    name: &str,
    outbound: &Outbound,
) -> Result<Option<Url>, Failure> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => required(members, name, outbound).map(Some),
    }
}

/// The place to log out at: nobody's login depends on it.
fn end_session_endpoint(
    members: &Map<String, Value>,
    outbound: &Outbound,
) -> Result<Option<Url>, Failure> {
    let name = "end_session_endpoint";
    let url = optional(members, name, outbound)?;
    if url.as_ref().is_some_and(|url| {
        let parameters = super::logout::PARAMETERS;
        url.fragment().is_some() || url.query_pairs().any(|(name, _)| parameters.contains(&&*name))
    }) {
        return Err(invalid_endpoint(name, "it has a fragment, or sets parameters of ours"));
    }
    Ok(url)
}

fn list(members: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, Failure> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => {
            Ok(Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
        }
        Some(_) => {
            let detail = format!("{name} is not an array");
            Err(Failure::with_detail(FailureCode::MetadataInvalid, detail))
        }
    }
}

/// A list on which no login depends: one that cannot be read counts as none.
fn hint(members: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    list(members, name).ok().flatten()
}

fn signing_algorithms(members: &Map<String, Value>) -> Result<Option<Vec<Algorithm>>, Failure> {
    let Some(names) = list(members, "id_token_signing_alg_values_supported")? else {
        return Ok(None);
    };
    let known: Vec<Algorithm> = names.iter().filter_map(|name| Algorithm::parse(name)).collect();
    if known.is_empty() {
        let received = names.join(" ").chars().take(200).collect::<String>();
        return Err(Failure::mismatch(FailureCode::AlgorithmUnsupported, "RS256", received));
    }
    Ok(Some(known))
}

/// Providers whose endpoints are known to be at two domains.
fn is_known_pair(issuer: Option<&str>, endpoint: Option<&str>) -> bool {
    const PAIRS: &[(&str, &str)] = &[
        ("google.com", "googleapis.com"),
        ("microsoftonline.com", "microsoft.com"),
        ("windows.net", "microsoft.com"),
        ("windows.net", "microsoftonline.com"),
    ];
    let (Some(issuer), Some(endpoint)) = (issuer, endpoint) else { return false };
    PAIRS.iter().any(|(home, away)| {
        // googleapis.com is a public suffix, so there the registrable domain is one label more.
        let below = endpoint.strip_suffix(away);
        issuer == *home && below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
    })
}

/// The domain that somebody registered: `okta.com` of `acme.okta.com`. An address is its own.
fn registrable(url: &Url) -> Option<String> {
    match url.host()? {
        url::Host::Domain(name) => Some(psl::domain_str(name).unwrap_or(name).to_owned()),
        address => Some(address.to_string()),
    }
}

/// Fetches and reads metadata; the number is for how long they are fresh, in milliseconds.
pub(super) async fn fetch(
    outbound: &Outbound,
    url: &Url,
    extra_ca: Option<Arc<str>>,
) -> Result<(Metadata, i64), Failure> {
    let request = Request::get(url.clone(), MAX_BYTES).trusting(extra_ca);
    let response =
        outbound.send_for(Call::Discovery, request).await.map_err(|error| match error {
            OutboundError::TooLarge | OutboundError::Compressed => {
                Failure::with_detail(FailureCode::MetadataInvalid, error.class())
            }
            error => network_failure(error, FailureCode::DiscoveryUnreachable),
        })?;
    if response.status != http::StatusCode::OK {
        // Never the body: what answers may be anybody's internal service.
        let received = response.status.as_str();
        return Err(Failure::mismatch(FailureCode::DiscoveryUnreachable, "200", received));
    }
    let metadata = Metadata::parse(&response.body, outbound)?;
    Ok((metadata, fresh_for_ms(&response.headers)))
}

/// The metadata of a connection, whose issuer must be the pinned one to the last byte.
pub(super) async fn metadata(
    upstream: &Upstream,
    settings: &Settings,
    trace: &mut Trace,
) -> Result<Arc<Metadata>, Failure> {
    let key = Key {
        connection_id: settings.connection_id.clone(),
        url: settings.discovery_endpoint.clone(),
        variant: settings.issuer.clone(),
    };
    let slot = upstream.oidc.discovery.slot(&key, &upstream.clock);
    let fetch = |before| refresh(upstream.outbound.clone(), settings.clone(), before);
    let metadata = slot.get(RULES, fetch).await?.value;
    trace.passed("discovery.issuer", settings.issuer.as_str(), metadata.issuer.as_str());
    Ok(metadata)
}

async fn refresh(
    outbound: Outbound,
    settings: Settings,
    before: Option<Arc<Metadata>>,
) -> Result<(Metadata, i64), Failure> {
    let url = Url::parse(&settings.discovery_endpoint)
        .map_err(|_| Failure::from(FailureCode::DiscoveryEndpointInvalid))?;
    let extra_ca = settings.extra_ca.as_deref().map(Arc::from);
    let (metadata, fresh_ms) = fetch(&outbound, &url, extra_ca).await?;
    if metadata.issuer != settings.issuer {
        let Settings { issuer, .. } = settings;
        return Err(Failure::mismatch(FailureCode::IssuerMismatch, issuer, metadata.issuer));
    }
    if let Some(before) = before
        && (before.token_endpoint != metadata.token_endpoint
            || before.jwks_uri != metadata.jwks_uri
            || before.userinfo_endpoint != metadata.userinfo_endpoint
            || before.authorization_endpoint != metadata.authorization_endpoint)
    {
        let connection_id = settings.connection_id.as_str();
        tracing::warn!(connection_id, "the identity provider's endpoints have changed");
    }
    Ok((metadata, fresh_ms))
}
