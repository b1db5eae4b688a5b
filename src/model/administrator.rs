//! Administrators: those who run the installation, and the browsers in which they are signed in.
//!
//! They belong to no environment, so nothing here is limited to one.

use serde::Serialize;

use super::field;
use crate::base::email::EmailAddress;
use crate::base::id::{AdministratorId, AdministratorSessionId};
use crate::base::secret::{Secret, SecretHash};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::{Row, Tx};

/// How long a session may be idle: 30 minutes, in milliseconds (OWASP ASVS 5.0, 7.3.1).
pub const IDLE_MS: i64 = 30 * 60 * 1000;
/// How long a session may last: 12 hours, in milliseconds (OWASP ASVS 5.0, 7.3.2).
pub const SESSION_MS: i64 = 12 * 60 * 60 * 1000;

/// An administrator.
#[derive(Clone, Debug, Serialize)]
pub struct Administrator {
    /// The id.
    pub id: AdministratorId,
    /// The address with which they sign in, in lower case.
    pub email: String,
    /// What people call them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// When they were added.
    pub created_at: Timestamp,
    /// When they last signed in.
    pub last_sign_in_at: Option<Timestamp>,
}

/// What an administrator may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks at everything but secrets, and changes nothing.
    Support,
    /// Changes everything in the environments.
    Developer,
    /// Changes the team and the installation as well.
    Admin,
}

impl Role {
    /// All, the most powerful first.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Developer, Self::Support];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Support => "support",
            Self::Developer => "developer",
            Self::Admin => "admin",
        }
    }

    /// The word that is shown.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Support => "Support",
            Self::Developer => "Developer",
            Self::Admin => "Admin",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// A browser in which an administrator is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id, which is no secret.
    pub id: AdministratorSessionId,
    /// Who is signed in.
    pub administrator: Administrator,
    /// When the browser last asked for something, to the minute.
    pub last_seen_at: Timestamp,
}

/// What a new administrator is made of.
#[derive(Debug)]
pub struct NewAdministrator {
    /// The address with which they will sign in.
    pub email: String,
    /// What people call them, 1 to 100 characters.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

const COLUMNS: &str = "a.id, a.email, a.name, a.role, a.created_at, a.last_sign_in_at";

/// Adds an administrator, who cannot sign in until there is a password or a passkey.
///
/// # Errors
///
/// [`Error::Invalid`] for a bad address or name, [`Error::Conflict`] if the address is taken.
pub async fn create(tx: &mut Tx, new: &NewAdministrator) -> Result<Administrator> {
    let email = EmailAddress::parse(new.email.trim())
        .ok_or_else(|| Error::invalid("invalid_email", "email", "That is no e-mail address."))?;
    let administrator = Administrator {
        id: tx.new_id(),
        email: email.as_str().to_lowercase(),
        name: field::name(&new.name, 100)?,
        role: new.role,
        created_at: tx.now(),
        last_sign_in_at: None,
    };
    let inserted = tx
        .execute(
            "INSERT INTO administrators (id, email, name, role, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (email) DO NOTHING",
            &[
                (&administrator.id).into(),
                (&administrator.email).into(),
                (&administrator.name).into(),
                administrator.role.as_str().into(),
                tx.now().into(),
            ],
        )
        .await?;
    if inserted == 0 {
        let message = "There is an administrator with this e-mail address already.";
        return Err(Error::conflict("administrator_exists", message));
    }
    Ok(administrator)
}

/// Begins a session in a browser; the secret goes into its cookie.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn begin_session(
    tx: &mut Tx,
    id: &AdministratorId,
    (ip_address, user_agent): (Option<&str>, Option<&str>),
) -> Result<Secret> {
    let secret = Secret::random("");
    let session_id: AdministratorSessionId = tx.new_id();
    tx.execute(
        "INSERT INTO administrator_sessions
         (id, administrator_id, token_hash, ip_address, user_agent, created_at, last_seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
        &[
            (&session_id).into(),
            id.into(),
            (&secret.hash()).into(),
            ip_address.into(),
            user_agent.into(),
            tx.now().into(),
            tx.now().plus_ms(SESSION_MS).into(),
        ],
    )
    .await?;
    tx.execute(
        "UPDATE administrators SET last_sign_in_at = $1 WHERE id = $2",
        &[tx.now().into(), id.into()],
    )
    .await?;
    Ok(secret)
}

/// The session with this token, if it has not ended.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_session(tx: &mut Tx, token: &SecretHash) -> Result<Option<Session>> {
    let sql = format!(
        "SELECT s.id, s.last_seen_at, {COLUMNS} FROM administrator_sessions s
         JOIN administrators a ON a.id = s.administrator_id
         WHERE s.token_hash = $1 AND s.expires_at > $2 AND s.last_seen_at > $3"
    );
    let since = tx.now().plus_ms(-IDLE_MS);
    tx.fetch_optional(&sql, &[token.into(), tx.now().into(), since.into()])
        .await?
        .map(|mut row| {
            Ok(Session {
                id: row.next()?,
                last_seen_at: row.next()?,
                administrator: from_row(&mut row)?,
            })
        })
        .transpose()
}

/// Notes that the browser of a session asked for something.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn touch_session(tx: &mut Tx, id: &AdministratorSessionId) -> Result<()> {
    tx.execute(
        "UPDATE administrator_sessions SET last_seen_at = $1 WHERE id = $2",
        &[tx.now().into(), id.into()],
    )
    .await
    .map(drop)
}

/// Ends a session.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn end_session(tx: &mut Tx, id: &AdministratorSessionId) -> Result<()> {
    tx.execute("DELETE FROM administrator_sessions WHERE id = $1", &[id.into()]).await.map(drop)
}

fn from_row(row: &mut Row) -> Result<Administrator> {
    Ok(Administrator {
        id: row.next()?,
        email: row.next()?,
        name: row.next()?,
        role: Role::parse(&row.next::<String>()?)
            .ok_or_else(|| Error::internal("an administrator of unknown role"))?,
        created_at: row.next()?,
        last_sign_in_at: row.next()?,
    })
}
