//! Administrators: those who run the installation, and the browsers in which they are signed in.
//!
//! They belong to no environment, so nothing here is limited to one.

pub mod attempt;
pub mod link;
pub mod passkey;
pub mod password;
mod session;

use serde::Serialize;
use serde_json::json;

use super::{audit, field};
use crate::base::email::EmailAddress;
use crate::base::id::AdministratorId;
use crate::base::time::Timestamp;
use crate::base::{Error, Result, stored};
use crate::db::{Row, Tx};
use passkey::NewPasskey;
use password::PasswordHash;

pub use session::{
    CONFIRMED_MS, IDLE_MS, SESSION_MS, Session, Shown, begin_session, confirm_session,
    end_other_sessions, end_session, end_session_of, find_session, list_sessions, purge_sessions,
    revoke_session, touch_session,
};

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

/// What a new administrator is made of.
#[derive(Clone, Debug)]
pub struct NewAdministrator {
    /// The address with which they will sign in.
    pub email: String,
    /// What people call them, 1 to 100 characters.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// What an administrator proves themselves with.
#[derive(Clone, Debug)]
pub enum Factor {
    /// A password.
    Password(PasswordHash),
    /// A passkey.
    Passkey(NewPasskey),
}

const ALL_COLUMNS: &str = "a.id, a.email, a.name, a.role, a.created_at, a.last_sign_in_at";

/// Adds an administrator, who cannot sign in until there is a password or a passkey.
///
/// # Errors
///
/// [`Error::Invalid`] for a bad address or name, [`Error::Conflict`] if the address is taken.
pub async fn create(tx: &mut Tx, new: &NewAdministrator) -> Result<Administrator> {
    let id = tx.new_id();
    create_as(tx, id, new).await
}

async fn create_as(
    tx: &mut Tx,
    id: AdministratorId,
    new: &NewAdministrator,
) -> Result<Administrator> {
    let administrator = Administrator {
        id,
        email: normal_email(&new.email)?,
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
        return Err(taken());
    }
    let details = json!({ "email": administrator.email, "role": administrator.role });
    audit::record(tx, "administrator.created", administrator.id.as_str(), details).await?;
    Ok(administrator)
}

/// An address in the form in which it is stored and found.
///
/// # Errors
///
/// [`Error::Invalid`] if it is none.
pub fn normal_email(text: &str) -> Result<String> {
    let email = EmailAddress::parse(text.trim())
        .ok_or_else(|| Error::invalid("invalid_email", "email", "That is no e-mail address."))?;
    Ok(email.as_str().to_lowercase())
}

fn taken() -> Error {
    let message = "There is an administrator with this e-mail address already.";
    Error::conflict("administrator_exists", message)
}

/// Who comes by a one-time link becomes an administrator: the link is taken, and the factor stored.
///
/// # Errors
///
/// [`Error::NotFound`] if the link is over, [`Error::Invalid`] for a bad address or name,
/// [`Error::Conflict`] if the address is taken: then the link stays.
pub async fn enrol(
    tx: &mut Tx,
    link: &link::Link,
    (name, email): (&str, &str),
    factor: &Factor,
) -> Result<Administrator> {
    link::take(tx, link).await?;
    let new = NewAdministrator {
        email: link.email.clone().unwrap_or_else(|| email.to_owned()),
        name: name.to_owned(),
        role: link.role.unwrap_or(Role::Admin),
    };
    let administrator = create_as(tx, link.administrator_id.clone(), &new).await?;
    match factor {
        Factor::Password(hash) => store_password(tx, &administrator.id, hash).await?,
        Factor::Passkey(new) => {
            passkey::create(tx, &administrator.id, new).await?;
        }
    }
    Ok(administrator)
}

/// Who comes by a recovery link gets a new password; all sessions end, and all passkeys go if they
/// may be in other hands.
///
/// # Errors
///
/// [`Error::NotFound`] if the link is over.
pub async fn recover(
    tx: &mut Tx,
    link: &link::Link,
    hash: &PasswordHash,
    remove_passkeys: bool,
) -> Result<Administrator> {
    link::take(tx, link).await?;
    let administrator = get(tx, &link.administrator_id).await?;
    store_password(tx, &administrator.id, hash).await?;
    end_other_sessions(tx, &administrator.id, None).await?;
    if remove_passkeys {
        passkey::delete_all(tx, &administrator.id).await?;
    }
    let details = json!({ "passkeys_removed": remove_passkeys });
    audit::record(tx, "administrator.recovered", administrator.id.as_str(), details).await?;
    Ok(administrator)
}

/// Whether nobody administers the installation yet.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn is_unclaimed(tx: &mut Tx) -> Result<bool> {
    Ok(tx.fetch_optional("SELECT id FROM administrators LIMIT 1", &[]).await?.is_none())
}

/// All administrators, in the order of their names.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Administrator>> {
    let sql = format!("SELECT {ALL_COLUMNS} FROM administrators a ORDER BY lower(a.name), a.id");
    stored::all(tx.fetch_all(&sql, &[]).await?.iter_mut().map(from_row))
}

/// The administrator with this id.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none.
pub async fn get(tx: &mut Tx, id: &AdministratorId) -> Result<Administrator> {
    find(tx, "a.id = $1", id.as_str())
        .await?
        .ok_or_else(|| Error::not_found("Administrator", id.as_str()))
}

/// The administrator with this address, in its normal form.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_by_email(tx: &mut Tx, email: &str) -> Result<Option<Administrator>> {
    find(tx, "a.email = $1", email).await
}

/// What people call the administrator with this id.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_name(tx: &mut Tx, id: &str) -> Result<Option<String>> {
    tx.fetch_optional("SELECT name FROM administrators WHERE id = $1", &[id.into()])
        .await?
        .map(|mut row| row.next())
        .transpose()
}

/// Changes what people call an administrator.
///
/// # Errors
///
/// [`Error::Invalid`] if the name is empty or too long, [`Error::NotFound`] if there is none.
pub async fn rename(tx: &mut Tx, id: &AdministratorId, name: &str) -> Result<()> {
    let before = get(tx, id).await?;
    let name = field::name(name, 100)?;
    tx.execute(
        "UPDATE administrators SET name = $1, updated_at = $2 WHERE id = $3",
        &[(&name).into(), tx.now().into(), id.into()],
    )
    .await?;
    let details = json!({ "before": { "name": before.name }, "after": { "name": name } });
    audit::record(tx, "administrator.updated", id.as_str(), details).await
}

/// Gives an administrator another role. Their sessions end, so that nothing goes on with the old one.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none, [`Error::Conflict`] for the last one with [`Role::Admin`].
pub async fn change_role(tx: &mut Tx, id: &AdministratorId, role: Role) -> Result<()> {
    lock_admins(tx).await?;
    let before = get(tx, id).await?;
    if before.role == role {
        return Ok(());
    }
    keep_an_admin(tx, &before).await?;
    tx.execute(
        "UPDATE administrators SET role = $1, updated_at = $2 WHERE id = $3",
        &[role.as_str().into(), tx.now().into(), id.into()],
    )
    .await?;
    end_other_sessions(tx, id, None).await?;
    let details = json!({ "before": { "role": before.role }, "after": { "role": role } });
    audit::record(tx, "administrator.updated", id.as_str(), details).await
}

/// Removes an administrator with sessions, passkeys and links.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none, [`Error::Conflict`] for the last one with [`Role::Admin`].
pub async fn remove(tx: &mut Tx, id: &AdministratorId) -> Result<Administrator> {
    lock_admins(tx).await?;
    let administrator = get(tx, id).await?;
    keep_an_admin(tx, &administrator).await?;
    let sql = "DELETE FROM administrator_links WHERE administrator_id = $1";
    tx.execute(sql, &[id.into()]).await?;
    tx.execute("DELETE FROM administrators WHERE id = $1", &[id.into()]).await?;
    let before = json!({
        "email": administrator.email,
        "name": administrator.name,
        "role": administrator.role,
    });
    let details = json!({ "before": before });
    audit::record(tx, "administrator.removed", id.as_str(), details).await?;
    Ok(administrator)
}

/// Lets other units that take an Admin away wait: two at once would each see the other's.
async fn lock_admins(tx: &mut Tx) -> Result<()> {
    let sql = "UPDATE administrators SET updated_at = updated_at WHERE role = 'admin'";
    tx.execute(sql, &[]).await.map(drop)
}

async fn keep_an_admin(tx: &mut Tx, changed: &Administrator) -> Result<()> {
    let mut row = tx
        .fetch_one(
            "SELECT count(*) FROM administrators WHERE role = 'admin' AND id <> $1",
            &[(&changed.id).into()],
        )
        .await?;
    if changed.role == Role::Admin && row.next::<i64>()? == 0 {
        let message = "The last Admin stays: nobody could change the team any more.";
        return Err(Error::conflict("last_admin", message));
    }
    Ok(())
}

/// Sets the password. All other sessions end.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such administrator.
pub async fn change_password(tx: &mut Tx, session: &Session, hash: &PasswordHash) -> Result<()> {
    let id = &session.administrator.id;
    store_password(tx, id, hash).await?;
    end_other_sessions(tx, id, Some(&session.id)).await?;
    audit::record(tx, "administrator.password_changed", id.as_str(), json!({})).await
}

async fn store_password(tx: &mut Tx, id: &AdministratorId, hash: &PasswordHash) -> Result<()> {
    let sql = "UPDATE administrators SET password_hash = $1, updated_at = $2 WHERE id = $3";
    let params = [hash.as_str().into(), tx.now().into(), id.into()];
    if tx.execute(sql, &params).await? == 0 {
        return Err(Error::not_found("Administrator", id.as_str()));
    }
    Ok(())
}

/// The hash of an administrator's password, if there is one.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn password_hash(tx: &mut Tx, id: &AdministratorId) -> Result<Option<PasswordHash>> {
    let sql = "SELECT password_hash FROM administrators WHERE id = $1";
    let row = tx.fetch_optional(sql, &[id.into()]).await?;
    let text = row.map(|mut row| row.next::<Option<String>>()).transpose()?.flatten();
    Ok(text.map(PasswordHash::from_stored))
}

async fn find(tx: &mut Tx, condition: &'static str, param: &str) -> Result<Option<Administrator>> {
    let sql = format!("SELECT {ALL_COLUMNS} FROM administrators a WHERE {condition}");
    let row = tx.fetch_optional(&sql, &[param.into()]).await?;
    stored::one(row.map(|mut row| from_row(&mut row)))
}

fn from_row(row: &mut Row) -> Result<Administrator> {
    Ok(Administrator {
        id: row.next()?,
        email: row.next()?,
        name: row.next()?,
        role: Role::parse(&row.next::<String>()?)
            .ok_or_else(|| stored::unknown("the role of an administrator"))?,
        created_at: row.next()?,
        last_sign_in_at: row.next()?,
    })
}
