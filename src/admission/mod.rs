//! How administrators get in: by password or passkey, by a one-time link, and again before a change
//! of their account.
//!
//! Hashing a password takes longer than a transaction may stay open, so each way in is a unit that
//! counts the attempt, the judgement, and a unit that acts on it.

pub mod passkey;
mod password;

use std::net::IpAddr;

use serde_json::json;

use crate::app::App;
use crate::base::address::unmapped;
use crate::base::id::AdministratorId;
use crate::base::secret::{Secret, SecretHash, base64url, equal, random_bytes, sha256};
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::administrator::attempt::{self, Bucket};
use crate::model::administrator::link::{self, Kind, Link};
use crate::model::administrator::password::PasswordHash;
use crate::model::administrator::{self, Administrator, Factor, Session};
use crate::model::audit;
use crate::model::sso_session::Browser;

/// How many passwords may be tried for an account before each further one costs a wait.
const FREE_OF_ACCOUNT: i64 = 5;
/// The same for an address, behind which there may be a whole office.
const FREE_OF_ADDRESS: i64 = 20;
/// Into how many buckets addresses are sorted, and addresses of e-mail that nobody has.
const BUCKETS: u32 = 65_536;

/// Where an administrator comes from.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// What the browser tells.
    pub browser: Browser,
    /// The cookie of a browser in which somebody has signed in before.
    pub known: Option<String>,
    /// The cookie of a session that the browser still has: it ends.
    pub session: Option<SecretHash>,
}

/// What the browser of somebody who got in is given.
#[derive(Debug)]
pub struct Admitted {
    /// Who it is.
    pub administrator: Administrator,
    /// The token of the session.
    pub session: Secret,
    /// The cookie by which the browser is known from now on.
    pub known: String,
}

/// Why somebody does not get in.
#[derive(Debug)]
pub enum Refused {
    /// The address and the password, or the passkey, do not fit; which of them is not said.
    Wrong,
    /// There were too many attempts: so many milliseconds to wait.
    Wait(i64),
}

/// Signs in with a password.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer or too many passwords are being hashed.
pub async fn by_password(
    app: &App,
    visitor: &Visitor,
    (email, password): (&str, &str),
) -> Result<Result<Admitted, Refused>> {
    let email = administrator::normal_email(email).unwrap_or_default();
    let wanted = email.clone();
    let read = async move |tx: &mut Tx| {
        let Some(found) = administrator::find_by_email(tx, &wanted).await? else {
            return Ok((None, None));
        };
        let hash = administrator::password_hash(tx, &found.id).await?;
        Ok((Some(found), hash))
    };
    let (administrator, hash) = app.db.read(&Caller::anonymous(), read).await?;
    let id = administrator.as_ref().map(|found| found.id.clone());
    let (account, others) = buckets(app, visitor, id.as_ref(), &email);
    if let Some(wait_ms) = count(app, &account, &others).await? {
        return Ok(Err(Refused::Wait(wait_ms)));
    }
    let matches = password::verify(password, hash.clone()).await?;
    let (Some(administrator), true) = (administrator, matches) else {
        failed(app, visitor, id, account).await?;
        return Ok(Err(Refused::Wrong));
    };
    let (app, visitor) = (app.clone(), visitor.clone());
    let caller = Caller::administrator(&administrator.id);
    let db = app.db.clone();
    db.write(&caller, async move |tx| {
        // What was judged must still hold: the password may have been changed meanwhile.
        if administrator::password_hash(tx, &administrator.id).await? != hash {
            return Ok(Err(Refused::Wrong));
        }
        attempt::give_back(tx, &account, &others).await?;
        admit(tx, &app, &visitor, (&administrator, "password")).await.map(Ok)
    })
    .await
}

/// Proves with the password that the owner of a session is there.
///
/// # Errors
///
/// As [`by_password`].
pub async fn prove(
    app: &App,
    visitor: &Visitor,
    session: &Session,
    password: &str,
) -> Result<Result<(), Refused>> {
    let id = session.administrator.id.clone();
    let caller = Caller::administrator(&id);
    let owner = id.clone();
    let read = async move |tx: &mut Tx| administrator::password_hash(tx, &owner).await;
    let hash = app.db.read(&caller, read).await?;
    let (account, others) = buckets(app, visitor, Some(&id), &session.administrator.email);
    if let Some(wait_ms) = count(app, &account, &others).await? {
        return Ok(Err(Refused::Wait(wait_ms)));
    }
    if !password::verify(password, hash).await? {
        failed(app, visitor, Some(id), account).await?;
        return Ok(Err(Refused::Wrong));
    }
    let session_id = session.id.clone();
    app.db
        .write(&caller, async move |tx| {
            attempt::give_back(tx, &account, &others).await?;
            administrator::confirm_session(tx, &session_id).await
        })
        .await?;
    Ok(Ok(()))
}

/// The hash of a new password, if it may be chosen. `about` is what others know of the person.
///
/// # Errors
///
/// [`Error::Invalid`] if it may not; [`Error::Unavailable`] if too many are being hashed.
pub async fn new_password(password: &str, about: &[&str]) -> Result<PasswordHash> {
    administrator::password::check(password, about)?;
    password::hash(password).await
}

/// The link with this token, if it is not over.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_link(app: &App, kind: Kind, token: &str) -> Result<Link> {
    let hash = SecretHash::of(token);
    let read = async move |tx: &mut Tx| link::find(tx, kind, &hash).await;
    let found = app.db.read(&Caller::anonymous(), read).await?;
    found.ok_or_else(|| Error::not_found("Link", ""))
}

/// Makes an administrator of who followed a link, and lets them in.
///
/// # Errors
///
/// As [`administrator::enrol`].
pub async fn enrol(
    app: &App,
    visitor: &Visitor,
    link: Link,
    (name, email): (&str, &str),
    factor: Factor,
) -> Result<Admitted> {
    let (app, visitor) = (app.clone(), visitor.clone());
    let (name, email) = (name.to_owned(), email.to_owned());
    let caller = Caller::administrator(&link.administrator_id);
    let db = app.db.clone();
    db.write(&caller, async move |tx| {
        let made = administrator::enrol(tx, &link, (&name, &email), &factor).await?;
        admit(tx, &app, &visitor, (&made, "link")).await
    })
    .await
}

/// Sets the password of who followed a recovery link, and lets them in.
///
/// # Errors
///
/// As [`administrator::recover`].
pub async fn recover(
    app: &App,
    visitor: &Visitor,
    link: Link,
    (hash, remove_passkeys): (PasswordHash, bool),
) -> Result<Admitted> {
    let (app, visitor) = (app.clone(), visitor.clone());
    let caller = Caller::administrator(&link.administrator_id);
    let db = app.db.clone();
    db.write(&caller, async move |tx| {
        let known = administrator::recover(tx, &link, &hash, remove_passkeys).await?;
        admit(tx, &app, &visitor, (&known, "recovery")).await
    })
    .await
}

/// Begins the session. One that the browser had before ends: nobody goes on with an id that was
/// known before the sign-in.
async fn admit(
    tx: &mut Tx,
    app: &App,
    visitor: &Visitor,
    (administrator, factor): (&Administrator, &str),
) -> Result<Admitted> {
    if let Some(before) = &visitor.session {
        administrator::end_session_of(tx, before).await?;
    }
    let browser = &visitor.browser;
    let told = (browser.ip_address.as_deref(), browser.user_agent.as_deref());
    let session = administrator::begin_session(tx, &administrator.id, told).await?;
    let details = json!({ "by": factor, "ip_address": browser.ip_address });
    audit::record(tx, "administrator.signed_in", administrator.id.as_str(), details).await?;
    let known = known_cookie(app, &administrator.id);
    Ok(Admitted { administrator: administrator.clone(), session, known })
}

/// Counts an attempt; how long to wait before one is judged, in milliseconds.
async fn count(app: &App, account: &Bucket, others: &[Bucket]) -> Result<Option<i64>> {
    // The address first: whoever waits because of it counts nothing against the account.
    let all: Vec<Bucket> = others.iter().chain([account]).cloned().collect();
    let take = async move |tx: &mut Tx| attempt::take(tx, &all).await;
    app.db.write(&Caller::anonymous(), take).await
}

/// Notes a failure. Both branches write, so that none is faster.
async fn failed(
    app: &App,
    visitor: &Visitor,
    id: Option<AdministratorId>,
    account: Bucket,
) -> Result<()> {
    let address = visitor.browser.ip_address.clone();
    tracing::warn!(address, known = id.is_some(), "a sign-in to the dashboard failed");
    app.db
        .write(&Caller::anonymous(), async move |tx| match &id {
            Some(id) => {
                let details = json!({ "ip_address": address });
                audit::record(tx, "administrator.sign_in_failed", id.as_str(), details).await
            }
            None => attempt::note(tx, &account).await,
        })
        .await
}

/// What an attempt is counted by: the account, and the address. A browser in which this
/// administrator has signed in before has a bucket of its own instead, so that nobody else's guesses
/// keep the owner out.
fn buckets(
    app: &App,
    visitor: &Visitor,
    id: Option<&AdministratorId>,
    email: &str,
) -> (Bucket, Vec<Bucket>) {
    let known = visitor.known.as_deref().zip(id).filter(|(cookie, id)| is_known(app, id, cookie));
    if let Some((cookie, _)) = known {
        let name = format!("browser:{}", base64url(&sha256(cookie.as_bytes())[..16]));
        return (Bucket { name, free: FREE_OF_ACCOUNT }, Vec::new());
    }
    let account = match id {
        Some(id) => format!("account:{id}"),
        None => format!("nobody:{}", sorted(app, email)),
    };
    let address = visitor.browser.ip_address.as_deref().unwrap_or_default();
    let address = format!("address:{}", sorted(app, &network(address)));
    (
        Bucket { name: account, free: FREE_OF_ACCOUNT },
        vec![Bucket { name: address, free: FREE_OF_ADDRESS }],
    )
}

/// One of [`BUCKETS`], by a keyed hash, so that nobody outside can aim at one.
fn sorted(app: &App, text: &str) -> u32 {
    let code = app.sealer.authenticate("attempts", &[text.as_bytes()]);
    u32::from_be_bytes([code[0], code[1], code[2], code[3]]) % BUCKETS
}

/// What counts as one address: of IPv6 the first 64 bits, which are handed out together.
fn network(address: &str) -> String {
    match address.parse::<IpAddr>().map(unmapped) {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(address) => address.to_string(),
        Err(_) => address.to_owned(),
    }
}

/// The cookie of a browser in which an administrator has signed in: good for nothing but being
/// counted apart.
fn known_cookie(app: &App, id: &AdministratorId) -> String {
    let nonce = base64url(&random_bytes::<16>());
    let code =
        app.sealer.authenticate("known browser", &[id.as_str().as_bytes(), nonce.as_bytes()]);
    format!("{nonce}.{}", base64url(&code))
}

fn is_known(app: &App, id: &AdministratorId, cookie: &str) -> bool {
    let Some((nonce, code)) = cookie.split_once('.') else { return false };
    let parts = [id.as_str().as_bytes(), nonce.as_bytes()];
    let right = app.sealer.authenticate_by_each("known browser", &parts);
    right.iter().any(|right| equal(base64url(right).as_bytes(), code.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dsh_09_an_ipv6_network_counts_as_one_address() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
