//! The verification of a domain by DNS: what was found, when it is looked for again, when it is
//! given up.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{OrganizationDomain, State, Strategy, get, mark_verified, table};
use crate::base::id::{EnvironmentId, OrganizationDomainId};
use crate::base::time::Timestamp;
use crate::base::{Result, stored};
use crate::db::Tx;
use crate::model::{environment, event};

/// How long the proof is looked for: 30 days, in milliseconds.
pub const PERIOD_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// How long after the first check the second comes: a minute, in milliseconds. Each next one waits
/// twice as long.
const FIRST_PAUSE_MS: i64 = 60 * 1000;
/// The longest pause between two checks: 4 hours, in milliseconds.
const LONGEST_PAUSE_MS: i64 = 4 * 60 * 60 * 1000;
/// How many found values are kept to be shown.
const MAX_SHOWN: usize = 3;
/// How much of a found value is kept, in characters.
const MAX_VALUE: usize = 120;

/// What DNS said about the proof of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Finding {
    /// The proof is there.
    Proof,
    /// There is no such name.
    NoName,
    /// The name has no TXT record.
    NoText,
    /// There is a proof, but not this one: of a former attempt, or mistyped.
    OtherProof {
        /// What was found, cut.
        values: Vec<String>,
    },
    /// There are TXT records, for other purposes.
    OtherTexts {
        /// The first of them, cut.
        values: Vec<String>,
    },
    /// The name is an alias, so that its TXT records are somebody else's.
    Alias {
        /// What it is an alias of.
        target: String,
    },
    /// DNS did not answer, which says nothing about the proof.
    NoAnswer {
        /// What happened instead.
        reason: String,
    },
}

impl Finding {
    /// Looks for the proof among the texts that stand at the domain.
    pub fn among(texts: &[String], domain: &OrganizationDomain) -> Self {
        let proof = domain.proof();
        // Some consoles keep the quotes that a value was pasted with.
        let bare = |text: &str| text.trim().trim_matches('"').trim().to_owned();
        if texts.iter().any(|text| bare(text) == proof) {
            return Self::Proof;
        }
        if texts.is_empty() {
            return Self::NoText;
        }
        let kind = domain.verification_prefix.rsplit_once('-').map_or("", |(kind, _)| kind);
        let (like, unlike): (Vec<&String>, Vec<_>) = texts.iter().partition(|text| {
            bare(text).starts_with(kind) || text.contains(&domain.verification_token)
        });
        let shown = |texts: Vec<&String>| texts.into_iter().take(MAX_SHOWN).map(safe).collect();
        if like.is_empty() {
            Self::OtherTexts { values: shown(unlike) }
        } else {
            Self::OtherProof { values: shown(like) }
        }
    }

    /// The name is an alias of this one.
    pub fn alias(target: &str) -> Self {
        Self::Alias { target: safe(target) }
    }

    /// DNS did not answer.
    pub fn no_answer(reason: &str) -> Self {
        Self::NoAnswer { reason: safe(reason) }
    }

    /// One sentence or two for the person who has to set the record.
    pub fn message(&self, domain: &str) -> String {
        match self {
            Self::Proof => format!("The TXT record was found at {domain}."),
            Self::NoName => format!("DNS knows no name {domain}."),
            Self::NoText => format!("There is no TXT record at {domain}."),
            Self::OtherProof { values } => {
                let values = quoted(values);
                format!("There is a TXT record at {domain}, but with another value: {values}.")
            }
            Self::OtherTexts { values } => {
                let values = quoted(values);
                format!("{domain} has TXT records, but not the one that is expected: {values}.")
            }
            Self::Alias { target } => format!(
                "{domain} is an alias (CNAME) of {target}. The TXT record has to stand at {domain} \
                 itself."
            ),
            Self::NoAnswer { reason } => format!(
                "DNS gave no answer about {domain}: {reason}. That says nothing about the record; \
                 try again in a few minutes."
            ),
        }
    }
}

fn quoted(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("“{value}”")).collect();
    quoted.join(", ")
}

/// A stranger's text as it may be stored and shown: short, and without characters that do more than
/// stand there (of control, or of direction).
fn safe(text: impl AsRef<str>) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let clean = text.as_ref().chars().map(|c| if odd(c) { '\u{fffd}' } else { c });
    let mut kept: String = clean.clone().take(MAX_VALUE).collect();
    if clean.count() > MAX_VALUE {
        kept.push('…');
    }
    kept
}

/// The last time that DNS was asked about a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Check {
    /// When.
    pub checked_at: Timestamp,
    /// What it said.
    #[serde(flatten)]
    pub finding: Finding,
    /// The same in words.
    pub message: String,
}

impl Check {
    /// A check of now.
    fn new(tx: &Tx, domain: &str, finding: &Finding) -> Self {
        let (finding, message) = (finding.clone(), finding.message(domain));
        Self { checked_at: tx.now(), finding, message }
    }
}

/// Why a verification failed, in WorkOS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FailureReason {
    /// The proof was not found in time.
    #[serde(rename = "domain_verification_period_expired")]
    PeriodExpired,
    /// Another organization was faster.
    #[serde(rename = "domain_verified_by_other_organization")]
    VerifiedByOther,
}

/// A domain as a check has left it.
#[derive(Debug)]
pub struct Settled {
    /// The domain now.
    pub domain: OrganizationDomain,
    /// The check.
    pub check: Check,
    /// Why the verification failed, if this check made it fail.
    pub failed: Option<FailureReason>,
}

/// Takes domains whose next check is due, the one that waits longest first. Taking one puts its next
/// check off, so that of several nodes one takes it, and one that a node died with comes again. Goes
/// through all environments.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn take_due(
    tx: &mut Tx,
    limit: usize,
) -> Result<Vec<(EnvironmentId, OrganizationDomain)>> {
    let mut taken = Vec::new();
    for due in table::due(tx, limit).await? {
        let pause = FIRST_PAUSE_MS << due.check_count.clamp(0, 20);
        let next = tx.now().plus_ms(pause.min(LONGEST_PAUSE_MS));
        if table::put_off(tx, &due, next).await? {
            taken.push((due.environment_id, due.domain));
        }
    }
    Ok(taken)
}

/// Draws the conclusion from what DNS said about the domain `asked`: verified, still pending, or
/// failed. Changes nothing if the verification has ended meanwhile.
///
/// # Errors
///
/// [`Error::NotFound`](crate::base::Error::NotFound) if the domain is gone.
pub async fn settle(tx: &mut Tx, asked: &OrganizationDomain, finding: &Finding) -> Result<Settled> {
    environment::lock(tx).await?;
    let domain = get(tx, &asked.id).await?;
    let check = Check::new(tx, &domain.domain, finding);
    // What was asked for was this organization's proof for this domain, and no other.
    let same = domain.domain == asked.domain && domain.proof() == asked.proof();
    if domain.state != State::Pending || !same {
        return Ok(Settled { domain, check, failed: None });
    }
    let text = serde_json::to_string(finding).map_err(crate::base::Error::internal)?;
    table::note_check(tx, &domain.id, &text).await?;
    let reason = if *finding == Finding::Proof {
        if table::find_verified_owner(tx, &domain.domain).await?.is_none() {
            let domain = mark_verified(tx, &domain.id, Strategy::Dns).await?;
            return Ok(Settled { domain, check, failed: None });
        }
        FailureReason::VerifiedByOther
    } else if table::pending_since(tx, &domain.id).await?.plus_ms(PERIOD_MS) <= tx.now() {
        FailureReason::PeriodExpired
    } else {
        return Ok(Settled { domain, check, failed: None });
    };
    let domain = fail(tx, domain, reason).await?;
    Ok(Settled { domain, check, failed: Some(reason) })
}

/// What the last check of a domain found; `None` if there was none since the verification began.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn last_check(tx: &mut Tx, domain: &OrganizationDomain) -> Result<Option<Check>> {
    let Some((checked_at, text)) = table::last_check(tx, &domain.id).await? else {
        return Ok(None);
    };
    let finding = stored::known(stored::json::<Finding>("the finding of a domain check", text))?;
    let Some(finding) = finding else { return Ok(None) };
    let message = finding.message(&domain.domain);
    Ok(Some(Check { checked_at, finding, message }))
}

/// When the proof is no longer looked for.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn gives_up_at(tx: &mut Tx, id: &OrganizationDomainId) -> Result<Timestamp> {
    Ok(table::pending_since(tx, id).await?.plus_ms(PERIOD_MS))
}

async fn fail(
    tx: &mut Tx,
    old: OrganizationDomain,
    reason: FailureReason,
) -> Result<OrganizationDomain> {
    let new = OrganizationDomain { state: State::Failed, updated_at: tx.now(), ..old };
    table::update_state(tx, &new).await?;
    let data = json!({ "reason": reason, "organization_domain": new });
    let name = "organization_domain.verification_failed";
    event::record(tx, name, Some(&new.organization_id), &data).await?;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{Id, OrganizationId};

    fn domain() -> OrganizationDomain {
        let at = Timestamp::from_ms(0);
        OrganizationDomain {
            object: "organization_domain",
            id: OrganizationDomainId::from_stored("org_domain_1".to_owned()),
            organization_id: OrganizationId::from_stored("org_1".to_owned()),
            domain: "acme.com".to_owned(),
            state: State::Pending,
            verification_prefix: "app-domain-verification-abc123".to_owned(),
            verification_token: "0123456789abcdefghijklmno".to_owned(),
            verification_strategy: Strategy::Dns,
            created_at: at,
            updated_at: at,
        }
    }

    fn among(texts: &[&str]) -> Finding {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Finding::among(&texts, &domain())
    }

    #[test]
    fn the_proof_is_found_among_others_and_in_quotes() {
        let proof = "app-domain-verification-abc123=0123456789abcdefghijklmno";
        assert_eq!(among(&["v=spf1 -all", proof]), Finding::Proof);
        assert_eq!(among(&[&format!(" \"{proof}\" ")]), Finding::Proof);
    }

    #[test]
    fn ten_07_what_is_only_like_the_proof_is_told_apart_from_it() {
        for text in [
            "app-domain-verification-abc123=0123456789ABCDEFGHIJKLMNO",
            "app-domain-verification-abc123=0123456789abcdefghijklmno1",
            "app-domain-verification-abc123",
            "app-domain-verification-zzz999=other",
            "0123456789abcdefghijklmno",
            "x app-domain-verification-abc123=0123456789abcdefghijklmno",
        ] {
            let found = among(&["v=spf1 -all", text]);
            assert_eq!(found, Finding::OtherProof { values: vec![text.to_owned()] }, "{text}");
        }
        let found = among(&["v=spf1 -all"]);
        assert_eq!(found, Finding::OtherTexts { values: vec!["v=spf1 -all".to_owned()] });
        assert_eq!(among(&[]), Finding::NoText);
    }

    #[test]
    fn what_a_stranger_wrote_is_short_and_harmless() {
        let long = format!("a\0b\u{202e}c\n{}", "x".repeat(3000));
        let Finding::OtherTexts { values } = among(&[&long, "1", "2", "3", "4"]) else { panic!() };
        assert_eq!(values.len(), MAX_SHOWN);
        assert!(
            values[0].starts_with("a\u{fffd}b\u{fffd}c\u{fffd}xxx") && values[0].ends_with('…')
        );
        assert_eq!(values[0].chars().count(), MAX_VALUE + 1);
    }
}
