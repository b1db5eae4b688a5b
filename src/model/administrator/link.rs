//! One-time links: the first administrator, an invitation, a recovery.
//!
//! A link is good once and for a while. Only its hash is stored, and taking it deletes it.

use serde_json::json;

use super::{Role, audit, find_by_email, is_unclaimed, normal_email, taken};
use crate::base::id::{AdministratorId, AdministratorLinkId};
use crate::base::secret::{Secret, SecretHash};
use crate::base::time::Timestamp;
use crate::base::{Error, Result, stored};
use crate::db::{Param, Row, Tx};

/// An hour, in milliseconds.
const HOUR_MS: i64 = 60 * 60 * 1000;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Becoming the first administrator.
    FirstRun,
    /// Becoming another one.
    Invitation,
    /// Setting a new password.
    Recovery,
}

impl Kind {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstRun => "first_run",
            Self::Invitation => "invitation",
            Self::Recovery => "recovery",
        }
    }

    /// How long such a link is good, in milliseconds: a day, a week, an hour.
    pub const fn lifetime_ms(self) -> i64 {
        match self {
            Self::FirstRun => 24 * HOUR_MS,
            Self::Invitation => 7 * 24 * HOUR_MS,
            Self::Recovery => HOUR_MS,
        }
    }

    /// Where such a link leads, without the token.
    pub const fn path(self) -> &'static str {
        match self {
            Self::FirstRun => "/dashboard/first-run",
            Self::Invitation => "/dashboard/invitation",
            Self::Recovery => "/dashboard/recovery",
        }
    }
}

/// A link without its token.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its id.
    pub id: AdministratorLinkId,
    /// What it is for.
    pub kind: Kind,
    /// Who recovers, or the id that the new administrator will have.
    pub administrator_id: AdministratorId,
    /// What a new administrator will be.
    pub role: Option<Role>,
    /// Who it is for, if that is known.
    pub email: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
}

const COLUMNS: &str = "id, kind, administrator_id, role, email, created_at, expires_at";

/// Makes the link for the first administrator; those made before are over. `None` if there is an
/// administrator already.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn create_first_run(tx: &mut Tx) -> Result<Option<Secret>> {
    if !is_unclaimed(tx).await? {
        return Ok(None);
    }
    tx.execute("DELETE FROM administrator_links WHERE kind = 'first_run'", &[]).await?;
    let id = tx.new_id();
    insert(tx, Kind::FirstRun, id, (Some(Role::Admin), None)).await.map(|(_, token)| Some(token))
}

/// Makes a link by which somebody becomes an administrator; earlier ones for the address are over.
///
/// # Errors
///
/// [`Error::Invalid`] if that is no address, [`Error::Conflict`] if they are an administrator.
pub async fn invite(tx: &mut Tx, email: &str, role: Role) -> Result<(Link, Secret)> {
    let email = normal_email(email)?;
    if find_by_email(tx, &email).await?.is_some() {
        return Err(taken());
    }
    let sql = "DELETE FROM administrator_links WHERE kind = 'invitation' AND email = $1";
    tx.execute(sql, &[(&email).into()]).await?;
    let id = tx.new_id();
    let made = insert(tx, Kind::Invitation, id, (Some(role), Some(&email))).await?;
    let details = json!({ "email": email, "role": role });
    audit::record(tx, "administrator.invited", made.0.id.as_str(), details).await?;
    Ok(made)
}

/// Makes a link by which an administrator gets in again; earlier ones are over, and all sessions end.
///
/// # Errors
///
/// [`Error::NotFound`] if nobody has this address.
pub async fn recover(tx: &mut Tx, email: &str) -> Result<(Link, Secret)> {
    let known = find_by_email(tx, &normal_email(email)?).await?;
    let known = known.ok_or_else(|| Error::not_found("Administrator", email))?;
    let sql = "DELETE FROM administrator_links WHERE kind = 'recovery' AND administrator_id = $1";
    tx.execute(sql, &[(&known.id).into()]).await?;
    super::end_other_sessions(tx, &known.id, None).await?;
    let id = known.id.clone();
    let made = insert(tx, Kind::Recovery, id, (None, Some(&known.email))).await?;
    let details = json!({ "email": known.email });
    audit::record(tx, "administrator.recovery_begun", known.id.as_str(), details).await?;
    Ok(made)
}

async fn insert(
    tx: &mut Tx,
    kind: Kind,
    administrator_id: AdministratorId,
    (role, email): (Option<Role>, Option<&str>),
) -> Result<(Link, Secret)> {
    let token = Secret::random("");
    let link = Link {
        id: tx.new_id(),
        kind,
        administrator_id,
        role,
        email: email.map(str::to_owned),
        created_at: tx.now(),
        expires_at: tx.now().plus_ms(kind.lifetime_ms()),
    };
    let created_by = tx.caller().actor_id.clone();
    tx.execute(
        "INSERT INTO administrator_links
         (id, kind, token_hash, administrator_id, role, email, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            (&link.id).into(),
            kind.as_str().into(),
            (&token.hash()).into(),
            (&link.administrator_id).into(),
            role.map(Role::as_str).into(),
            email.into(),
            (&created_by).into(),
            tx.now().into(),
            link.expires_at.into(),
        ],
    )
    .await?;
    Ok((link, token))
}

/// The link with this token, if it is not over.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find(tx: &mut Tx, kind: Kind, token: &SecretHash) -> Result<Option<Link>> {
    if kind == Kind::FirstRun && !is_unclaimed(tx).await? {
        return Ok(None);
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM administrator_links
         WHERE kind = $1 AND token_hash = $2 AND expires_at > $3"
    );
    let params = [kind.as_str().into(), token.into(), tx.now().into()];
    stored::one(tx.fetch_optional(&sql, &params).await?.map(|row| from_row(kind, row)))
}

/// Takes a link. With one for the first administrator all of that kind are taken: of two nodes that
/// made one each, only one is used.
///
/// # Errors
///
/// [`Error::NotFound`] if somebody else was faster.
pub(super) async fn take(tx: &mut Tx, link: &Link) -> Result<()> {
    let none = || Error::not_found("Link", link.id.as_str());
    let (sql, param): (_, Param<'_>) = match link.kind {
        Kind::FirstRun => {
            ("DELETE FROM administrator_links WHERE kind = $1 RETURNING id", "first_run".into())
        }
        _ => ("DELETE FROM administrator_links WHERE id = $1 RETURNING id", (&link.id).into()),
    };
    let taken = tx.fetch_all(sql, &[param]).await?;
    let mut ids = taken.into_iter().map(|mut row| row.next::<AdministratorLinkId>());
    if !ids.any(|id| id.is_ok_and(|id| id == link.id)) {
        return Err(none());
    }
    if link.kind == Kind::FirstRun && !is_unclaimed(tx).await? {
        return Err(none());
    }
    Ok(())
}

/// The invitations that nobody has followed yet, the newest first.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list_invitations(tx: &mut Tx) -> Result<Vec<Link>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM administrator_links
         WHERE kind = 'invitation' AND expires_at > $1 ORDER BY id DESC"
    );
    let rows = tx.fetch_all(&sql, &[tx.now().into()]).await?;
    stored::all(rows.into_iter().map(|row| from_row(Kind::Invitation, row)))
}

/// Takes an invitation back.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none, or if it was followed.
pub async fn revoke_invitation(tx: &mut Tx, id: &str) -> Result<()> {
    let taken = tx
        .fetch_optional(
            "DELETE FROM administrator_links WHERE kind = 'invitation' AND id = $1 RETURNING email",
            &[id.into()],
        )
        .await?;
    let mut row = taken.ok_or_else(|| Error::not_found("Invitation", id))?;
    let details = json!({ "email": row.next::<Option<String>>()? });
    audit::record(tx, "administrator.invitation_revoked", id, details).await
}

/// Forgets links that were over before `moment`, at the most `limit`.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM administrator_links WHERE id IN
         (SELECT id FROM administrator_links WHERE expires_at < $1 LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

fn from_row(kind: Kind, mut row: Row) -> Result<Link> {
    let id = row.next()?;
    row.next::<String>()?;
    let administrator_id = row.next()?;
    let role = row
        .next::<Option<String>>()?
        .map(|word| Role::parse(&word).ok_or_else(|| stored::unknown("the role of an invitation")));
    Ok(Link {
        id,
        kind,
        administrator_id,
        role: role.transpose()?,
        email: row.next()?,
        created_at: row.next()?,
        expires_at: row.next()?,
    })
}
