//! Profiles: who signed in. The key is the connection and the identity provider's `sub`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::connection::Connection;
use super::{audit, event, given};
use crate::base::id::{ConnectionId, OrganizationId, ProfileId};
use crate::base::{Error, Result};
use crate::db::{Param, Row, Tx};

/// A profile, as WorkOS shapes it. Members that may be null are there all the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// Always `profile`.
    pub object: &'static str,
    /// Its id: stable for the connection and `sub`, whatever else changes.
    pub id: ProfileId,
    /// The organization of the connection.
    pub organization_id: OrganizationId,
    /// The connection.
    pub connection_id: ConnectionId,
    /// The connection's type, such as `OktaOIDC`.
    pub connection_type: String,
    /// The identity provider's `sub`.
    pub idp_id: String,
    /// The e-mail address: data, never a key.
    pub email: String,
    /// `given_name`.
    pub first_name: Option<String>,
    /// `family_name`.
    pub last_name: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// The most important role.
    pub role: Option<RoleSlug>,
    /// All roles, the most important first.
    pub roles: Option<Vec<RoleSlug>>,
    /// The groups as the identity provider sent them; absent if it sent none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// What the connection maps beyond the standard attributes.
    pub custom_attributes: Attributes,
    /// All claims.
    pub raw_attributes: Attributes,
}

/// A JSON object that nothing here looks into: it is its text, as it is stored and answered.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Attributes(Box<RawValue>);

impl Attributes {
    /// An object with these members; the same members make the same text.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if they cannot be written.
    pub fn new<'a>(members: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Result<Self> {
        let members: BTreeMap<&String, &Value> = members.into_iter().collect();
        to_raw_value(&members).map(Self).map_err(Error::internal)
    }

    fn stored(text: String) -> Result<Self> {
        if !text.starts_with('{') {
            return Err(Error::internal("the attributes of a profile are no JSON object"));
        }
        RawValue::from_string(text).map(Self).map_err(Error::internal)
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// A role as a profile names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RoleSlug {
    /// The role's slug.
    pub slug: String,
}

/// What a sign-in says about a person.
#[derive(Debug)]
pub struct SignIn {
    /// The organization of the connection.
    pub organization_id: OrganizationId,
    /// The connection.
    pub connection_id: ConnectionId,
    /// The connection's type, such as `OktaOIDC`.
    pub connection_type: String,
    /// The identity provider's `sub`.
    pub idp_id: String,
    /// The e-mail address.
    pub email: String,
    /// `given_name`.
    pub first_name: Option<String>,
    /// `family_name`.
    pub last_name: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// Slugs of the roles, the most important first.
    pub roles: Vec<String>,
    /// The groups, if there was a claim.
    pub groups: Option<Vec<String>>,
    /// What the connection maps beyond the standard attributes.
    pub custom_attributes: Attributes,
    /// All claims.
    pub raw_attributes: Attributes,
}

const COLUMNS: &str = "id, organization_id, connection_id, connection_type, idp_id, email,
    first_name, last_name, name, roles, groups, custom_attributes, raw_attributes";
/// [`COLUMNS`] of a table that a join calls `p`, as [`from_row`] reads them.
pub(super) const JOINED_COLUMNS: &str =
    "p.id, p.organization_id, p.connection_id, p.connection_type, p.idp_id,
    p.email, p.first_name, p.last_name, p.name, p.roles, p.groups, p.custom_attributes,
    p.raw_attributes";

/// The profile of a `sub` at a connection, if that person has signed in before.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn find_by_idp_id(
    tx: &mut Tx,
    connection_id: &ConnectionId,
    idp_id: &str,
) -> Result<Option<Profile>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM profiles
         WHERE connection_id = $1 AND idp_id = $2 AND environment_id = $3"
    );
    tx.fetch_optional(&sql, &[connection_id.into(), idp_id.into(), (&tx.environment_id()).into()])
        .await?
        .map(from_row)
        .transpose()
}

/// The profile with this id.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such profile.
pub async fn get(tx: &mut Tx, id: &ProfileId) -> Result<Profile> {
    let sql = format!("SELECT {COLUMNS} FROM profiles WHERE id = $1 AND environment_id = $2");
    tx.fetch_optional(&sql, &[id.into(), (&tx.environment_id()).into()])
        .await?
        .map(from_row)
        .transpose()?
        .ok_or_else(|| Error::not_found("Profile", id.as_str()))
}

/// Creates the profile or brings it up to date; `before` is what [`find_by_idp_id`] found in this
/// unit. Writes nothing where nothing changed.
///
/// # Errors
///
/// [`Error::Unavailable`] if it could not be stored.
pub async fn sign_in(tx: &mut Tx, new: SignIn, before: Option<&Profile>) -> Result<Profile> {
    let mut profile = shape(new, before.map_or_else(|| tx.new_id(), |known| known.id.clone()));
    match before {
        Some(known) if *known == profile => {}
        Some(known) => {
            update(tx, &profile.id, &profile).await?;
            if known.email != profile.email {
                let previous = serde_json::json!({ "email": known.email });
                let organization_id = Some(&profile.organization_id);
                event::record_change(
                    tx,
                    "profile.updated",
                    organization_id,
                    &profile,
                    Some(previous),
                )
                .await?;
            }
        }
        None => profile.id = create(tx, &profile).await?,
    }
    Ok(profile)
}

/// Somebody who signed in elsewhere before.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The id of their profile there.
    pub id: ProfileId,
    /// The identity provider's `sub`.
    pub idp_id: String,
    /// Their e-mail address.
    pub email: String,
}

/// Keeps the id of a profile from elsewhere: the first sign-in with its `sub` finds it and fills it
/// in. Nothing happens if it is there already.
///
/// # Errors
///
/// [`Error::Conflict`] if that `sub` has another id here, or the id is taken; [`Error::Invalid`] if
/// a member is empty or too long.
pub async fn import(tx: &mut Tx, connection: &Connection, imported: &Imported) -> Result<()> {
    let fits = |text: &str| (1..=1024).contains(&text.len()) && !text.chars().any(char::is_control);
    if !fits(&imported.idp_id) || !fits(&imported.email) {
        let message =
            "A profile needs the IdP id and the e-mail address, each of at most 1024 bytes.";
        return Err(Error::invalid("invalid_profile", "profiles", message));
    }
    match find_by_idp_id(tx, &connection.id, &imported.idp_id).await? {
        Some(known) if known.id == imported.id => return Ok(()),
        Some(known) => {
            let message = format!("This IdP id has the profile {} already.", known.id);
            return Err(Error::conflict("profile_exists", message));
        }
        None => given::check_free(tx, ("profiles", "id"), imported.id.as_str()).await?,
    }
    let new = SignIn {
        organization_id: connection.organization_id.clone(),
        connection_id: connection.id.clone(),
        connection_type: connection.connection_type.as_str().to_owned(),
        idp_id: imported.idp_id.clone(),
        email: imported.email.clone(),
        first_name: None,
        last_name: None,
        name: None,
        roles: Vec::new(),
        groups: None,
        custom_attributes: Attributes::new([])?,
        raw_attributes: Attributes::new([])?,
    };
    create(tx, &shape(new, imported.id.clone())).await?;
    let details = serde_json::json!({ "connection_id": connection.id });
    audit::record(tx, "profile.imported", imported.id.as_str(), details).await
}

/// How many profiles a connection has.
///
/// # Errors
///
/// As [`Tx::fetch_one`].
pub async fn count(tx: &mut Tx, connection_id: &ConnectionId) -> Result<i64> {
    tx.fetch_one(
        "SELECT count(*) FROM profiles WHERE environment_id = $1 AND connection_id = $2",
        &[(&tx.environment_id()).into(), connection_id.into()],
    )
    .await?
    .next()
}

fn shape(new: SignIn, id: ProfileId) -> Profile {
    let roles = role_slugs(new.roles);
    Profile {
        object: "profile",
        id,
        organization_id: new.organization_id,
        connection_id: new.connection_id,
        connection_type: new.connection_type,
        idp_id: new.idp_id,
        email: new.email,
        first_name: new.first_name,
        last_name: new.last_name,
        name: new.name,
        role: roles.first().cloned(),
        roles: Some(roles),
        groups: new.groups,
        custom_attributes: new.custom_attributes,
        raw_attributes: new.raw_attributes,
    }
}

/// Stores a profile that was not there a moment ago; returns its id. Of two first sign-ins at once, the id of
/// the one that was stored first stays.
async fn create(tx: &mut Tx, profile: &Profile) -> Result<ProfileId> {
    let columns = Columns::of(profile)?;
    let [roles, groups, custom, raw] = columns.params();
    let created = tx
        .execute(
            "INSERT INTO profiles
             (id, environment_id, organization_id, connection_id, connection_type, idp_id, email,
              first_name, last_name, name, roles, groups, custom_attributes, raw_attributes,
              created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)
             ON CONFLICT (connection_id, idp_id) DO NOTHING",
            &[
                (&profile.id).into(),
                (&tx.environment_id()).into(),
                (&profile.organization_id).into(),
                (&profile.connection_id).into(),
                (&profile.connection_type).into(),
                (&profile.idp_id).into(),
                (&profile.email).into(),
                profile.first_name.as_deref().into(),
                profile.last_name.as_deref().into(),
                profile.name.as_deref().into(),
                roles,
                groups,
                custom,
                raw,
                tx.now().into(),
            ],
        )
        .await?;
    if created == 1 {
        return Ok(profile.id.clone());
    }
    let first: ProfileId = tx
        .fetch_one(
            "SELECT id FROM profiles WHERE connection_id = $1 AND idp_id = $2",
            &[(&profile.connection_id).into(), (&profile.idp_id).into()],
        )
        .await?
        .next()?;
    update(tx, &first, profile).await?;
    Ok(first)
}

/// Brings a profile up to date.
async fn update(tx: &mut Tx, id: &ProfileId, profile: &Profile) -> Result<()> {
    let columns = Columns::of(profile)?;
    let [roles, groups, custom, raw] = columns.params();
    tx.send(
        "UPDATE profiles SET email = $1, first_name = $2, last_name = $3, name = $4, roles = $5,
             groups = $6, custom_attributes = $7, raw_attributes = $8, connection_type = $9,
             updated_at = $10
         WHERE id = $11 AND environment_id = $12",
        &[
            (&profile.email).into(),
            profile.first_name.as_deref().into(),
            profile.last_name.as_deref().into(),
            profile.name.as_deref().into(),
            roles,
            groups,
            custom,
            raw,
            (&profile.connection_type).into(),
            tx.now().into(),
            id.into(),
            (&tx.environment_id()).into(),
        ],
    )
    .await
}

/// What is stored as JSON.
struct Columns<'a> {
    roles: String,
    groups: Option<String>,
    custom_attributes: &'a str,
    raw_attributes: &'a str,
}

impl<'a> Columns<'a> {
    fn of(profile: &'a Profile) -> Result<Self> {
        let slugs: Vec<&str> =
            profile.roles.iter().flatten().map(|role| role.slug.as_str()).collect();
        Ok(Self {
            roles: json(&slugs)?,
            groups: profile.groups.as_ref().map(json).transpose()?,
            custom_attributes: profile.custom_attributes.0.get(),
            raw_attributes: profile.raw_attributes.0.get(),
        })
    }

    fn params(&self) -> [Param<'_>; 4] {
        [
            (&self.roles).into(),
            self.groups.as_deref().into(),
            self.custom_attributes.into(),
            self.raw_attributes.into(),
        ]
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

/// Reads the columns of a profile in their order.
pub(super) fn from_row(mut row: Row) -> Result<Profile> {
    fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
        serde_json::from_str(text).map_err(Error::internal)
    }
    let mut profile = Profile {
        object: "profile",
        id: row.next()?,
        organization_id: row.next()?,
        connection_id: row.next()?,
        connection_type: row.next()?,
        idp_id: row.next()?,
        email: row.next()?,
        first_name: row.next()?,
        last_name: row.next()?,
        name: row.next()?,
        role: None,
        roles: Some(role_slugs(parse(&row.next::<String>()?)?)),
        groups: row.next::<Option<String>>()?.map(|text| parse(&text)).transpose()?,
        custom_attributes: Attributes::stored(row.next()?)?,
        raw_attributes: Attributes::stored(row.next()?)?,
    };
    profile.role = profile.roles.iter().flatten().next().cloned();
    Ok(profile)
}

fn role_slugs(slugs: Vec<String>) -> Vec<RoleSlug> {
    slugs.into_iter().map(|slug| RoleSlug { slug }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn attributes(text: &str) -> Attributes {
        let members: Map<String, Value> = serde_json::from_str(text).unwrap();
        Attributes::new(&members).unwrap()
    }

    #[test]
    fn the_same_members_are_the_same_attributes_in_whatever_order_they_came() {
        let one = attributes(r#"{"b": {"y": 1.0, "x": [null, "\u00e9"]}, "a": true}"#);
        let other = attributes(r#"{ "a":true, "b":{"x":[null,"é"],"y":1.0} }"#);
        assert_eq!(one, other);
        assert_eq!(Attributes::stored(one.0.get().to_owned()).unwrap(), other);
        assert_ne!(one, attributes(r#"{"a": true}"#));
        let shown = serde_json::to_value(&one).unwrap();
        assert_eq!(shown, json!({ "a": true, "b": { "x": [null, "é"], "y": 1.0 } }));
    }

    #[test]
    fn what_is_stored_and_no_object_is_a_fault_that_does_not_say_what_it_is() {
        for text in ["", "[]", "\"canary\"", "null", "{\"canary\"", "{\"canary\":1} x"] {
            let error = Attributes::stored(text.to_owned()).unwrap_err();
            assert!(matches!(error, Error::Internal(_)) && !error.chain().contains("canary"));
        }
    }
}
