//! From claims to a profile and groups. Pure, and forgiving: a field of the wrong type is no field.

use serde_json::{Map, Value};

use crate::base::email::EmailAddress;
use crate::base::failure::{Failure, FailureCode};
use crate::base::trace::Trace;
use crate::upstream::{Assertion, Groups, Profile};

use super::settings::{Kind, Settings};
use super::{find, json};

/// How many bytes all claims may have as JSON; groups are left out before others are refused.
const MAX_BYTES: usize = 256 * 1024;
/// How many characters a name may have; a longer one is no name.
const MAX_NAME_CHARS: usize = 1024;
/// At this many groups Okta's expression functions cut the list.
const OKTA_CUTS_AT: usize = 100;

/// What the identity provider vouches for, from its verified claims.
///
/// # Errors
///
/// [`FailureCode::EmailMissing`], [`FailureCode::EmailInvalid`] or [`FailureCode::ClaimInvalid`].
pub fn assertion(
    settings: &Settings,
    mut claims: Map<String, Value>,
    trace: &mut Trace,
) -> Result<Assertion, Failure> {
    if has_nul(&claims) {
        let detail = "a claim has a NUL character";
        return Err(Failure::with_detail(FailureCode::ClaimInvalid, detail));
    }
    let profile = profile(settings, &claims, trace)?;
    let groups = groups(settings, &claims, trace);
    let custom_attributes = settings
        .custom_attributes
        .iter()
        .map(|(name, claim)| (name.clone(), find(&claims, claim).cloned().unwrap_or_default()))
        .collect();
    let text = |name: &str| json::text(&claims, name).map(str::to_owned);
    let (session_id, acr, hosted_domain) = (text("sid"), text("acr"), text("hd"));
    let (issuer, subject) = (text("iss").unwrap_or_default(), text("sub").unwrap_or_default());
    limit(&mut claims, settings, trace)?;
    Ok(Assertion {
        issuer,
        subject,
        profile,
        groups,
        claims,
        custom_attributes,
        hosted_domain,
        session_id,
        acr,
        id_token: None,
    })
}

/// PostgreSQL stores no NUL in a text, so such a claim could not be kept as it is.
fn has_nul(claims: &Map<String, Value>) -> bool {
    fn in_value(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(in_value),
            Value::Object(members) => has_nul(members),
            _ => false,
        }
    }
    claims.iter().any(|(name, value)| name.contains('\0') || in_value(value))
}

/// Keeps the claims within what is worth storing.
fn limit(
    claims: &mut Map<String, Value>,
    settings: &Settings,
    trace: &mut Trace,
) -> Result<(), Failure> {
    let bytes =
        |claims: &Map<String, Value>| serde_json::to_vec(claims).map_or(0, |json| json.len());
    if bytes(claims) <= MAX_BYTES {
        return Ok(());
    }
    let root = settings.groups_claim.split('.').next().unwrap_or_default();
    for name in [settings.groups_claim.as_str(), root] {
        claims.remove(name);
    }
    trace.warned("profile.claims", "more than 256 kB: the groups claim is left out");
    if bytes(claims) > MAX_BYTES {
        let detail = "more than 256 kB of claims";
        return Err(Failure::with_detail(FailureCode::ClaimInvalid, detail));
    }
    Ok(())
}

fn profile(
    settings: &Settings,
    claims: &Map<String, Value>,
    trace: &mut Trace,
) -> Result<Profile, Failure> {
    let mapping = &settings.attributes;
    let name = |claim: &str| {
        let text = find(claims, claim).and_then(Value::as_str);
        text.filter(|text| !text.is_empty() && text.chars().count() <= MAX_NAME_CHARS)
            .map(str::to_owned)
    };
    let claim =
        find(claims, &mapping.email).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(text) = claim else {
        let expected = format!("the claim {}", mapping.email);
        return Err(Failure::mismatch(FailureCode::EmailMissing, expected, names(claims)));
    };
    let Some(email) = EmailAddress::parse(text) else {
        let received: String = text.chars().take(300).collect();
        return Err(Failure::mismatch(FailureCode::EmailInvalid, "name@example.com", received));
    };
    trace.passed("profile.email", "an e-mail address", email.as_str());
    Ok(Profile {
        email,
        email_verified: email_verified(settings, claims),
        first_name: name(&mapping.first_name),
        last_name: name(&mapping.last_name),
        name: name(&mapping.name),
    })
}

/// The names of the claims that came, so that the right one can be mapped.
fn names(claims: &Map<String, Value>) -> String {
    claims.keys().map(String::as_str).collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

/// True or false, also as a text (Cognito, PingFederate); anything else is not verified. Entra
/// says it in `xms_edov` (the owner of the domain has verified it), which may be 1. Either is
/// about the claim `email`, and says nothing when another one was mapped.
fn email_verified(settings: &Settings, claims: &Map<String, Value>) -> Option<bool> {
    let kind = settings.kind;
    if settings.attributes.email != "email" {
        return None;
    }
    let name = if kind == Kind::EntraIdOidc { "xms_edov" } else { "email_verified" };
    match claims.get(name)? {
        Value::Null => None,
        Value::Bool(verified) => Some(*verified),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if kind == Kind::EntraIdOidc => Some(text == "1"),
        Value::Number(number) if kind == Kind::EntraIdOidc => Some(number.as_i64() == Some(1)),
        _ => Some(false),
    }
}

/// The groups. A claim that cannot be read counts as absent, not as empty: nobody loses a role
/// because of it.
pub fn groups(settings: &Settings, claims: &Map<String, Value>, trace: &mut Trace) -> Groups {
    let groups = match find(claims, &settings.groups_claim) {
        None | Some(Value::Null) if overflowed(settings, claims) => Groups::Overflowed,
        None | Some(Value::Null) => Groups::Absent,
        Some(Value::String(text)) => one_text(settings.groups_delimiter.as_deref(), text),
        Some(Value::Array(items)) => list(items, trace),
        Some(_) => {
            trace.warned("profile.groups", "the groups claim is neither a list nor a text");
            Groups::Absent
        }
    };
    let groups = match groups {
        Groups::Present(names)
            if settings.kind == Kind::OktaOidc && names.len() == OKTA_CUTS_AT =>
        {
            trace.warned("profile.groups", "exactly 100: Okta may have cut the list");
            Groups::Truncated(names)
        }
        groups => groups,
    };
    let count = groups.names().len();
    trace.did("profile.groups", format!("{}, {count}", groups.state()));
    groups
}

/// Whether the provider says that there are groups but does not list them: Entra's overage, where
/// `_claim_names` points into `_claim_sources`. What that points to is never fetched: whoever
/// owns the claims could name any address there.
fn overflowed(settings: &Settings, claims: &Map<String, Value>) -> bool {
    let elsewhere = claims.get("_claim_names").and_then(Value::as_object).is_some_and(|names| {
        names.contains_key("groups") || names.contains_key(&settings.groups_claim)
    });
    let has_groups = match claims.get("hasgroups") {
        Some(Value::Bool(has)) => *has,
        Some(Value::String(has)) => has.eq_ignore_ascii_case("true"),
        _ => false,
    };
    elsewhere || has_groups
}

fn one_text(delimiter: Option<&str>, text: &str) -> Groups {
    let names = match delimiter {
        Some(delimiter) => text.split(delimiter).collect(),
        None => vec![text],
    };
    present(names.into_iter().filter(|name| !name.is_empty()))
}

/// Texts, and objects that clearly name a group (`{"name": …}`); other members are passed over.
fn list(items: &[Value], trace: &mut Trace) -> Groups {
    let names: Vec<&str> = items
        .iter()
        .filter_map(|item| match item {
            Value::String(name) => Some(name.as_str()),
            Value::Object(group) => json::text(group, "name"),
            _ => None,
        })
        .filter(|name| !name.is_empty())
        .collect();
    if names.len() < items.len() {
        let odd = items.len() - names.len();
        trace.warned("profile.groups", format!("{odd} members of the list are not names"));
        if names.is_empty() {
            return Groups::Absent;
        }
    }
    present(names.into_iter())
}

fn present<'a>(names: impl Iterator<Item = &'a str>) -> Groups {
    let mut seen = std::collections::HashSet::new();
    let names: Vec<String> = names.filter(|name| seen.insert(*name)).map(str::to_owned).collect();
    if names.is_empty() { Groups::Empty } else { Groups::Present(names) }
}
