//! Letting a person in: policies, roles, the profile and the code, in one unit of work.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::Target;
use super::{failure_of, system};
use crate::app::App;
use crate::base::Result;
use crate::base::email::same_domain;
use crate::base::failure::{Failure, FailureCode};
use crate::base::id::{ConnectionId, EnvironmentId, SsoSessionId};
use crate::base::secret::Secret;
use crate::base::trace::Trace;
use crate::db::Tx;
use crate::model::authorization_code::{self, AuthorizationCode};
use crate::model::connection::{self, Connection, ConnectionState, EmailDomains, EmailRules};
use crate::model::environment::RoleMode;
use crate::model::profile::{self, Profile, SignIn};
use crate::model::role_decision::{self, Rules};
use crate::model::{connection_group, role, sso_session};
use crate::upstream::oidc::Kind;
use crate::upstream::{Assertion, Groups};

/// Claims of the protocol, which say nothing about the person and change at each sign-in.
const PROTOCOL_CLAIMS: &[&str] = &[
    "acr",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "exp",
    "iat",
    "idp",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "rat",
    "s_hash",
    "sid",
    "uti",
    "rh",
    "ver",
];

/// A person about to be let in.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Entering {
    pub(super) session_id: SsoSessionId,
    pub(super) environment_id: EnvironmentId,
    pub(super) connection_id: ConnectionId,
    pub(super) connection_version: i64,
    pub(super) code_challenge: Option<String>,
    pub(super) role_mode: RoleMode,
    pub(super) target: Target,
    pub(super) assertion: Assertion,
}

/// Lets the person in; says where the browser goes with the code.
pub(super) async fn enter(
    app: &App,
    entering: Entering,
    trace: &mut Trace,
) -> Result<String, Failure> {
    let target = entering.target.clone();
    let caller = system(&entering.environment_id);
    let before = trace.clone();
    let (code, after) = app
        .db
        .write(&caller, async move |tx| {
            let mut trace = before.clone();
            let code = admit(tx, &entering, &mut trace).await?;
            Ok((code, trace))
        })
        .await
        .map_err(|error| failure_of(&error))?;
    *trace = after;
    Ok(target.code(&code?))
}

/// The unit: reads and judges first, writes afterwards. A refusal is a value, so that it can be
/// recorded; nothing was written before it.
async fn admit(
    tx: &mut Tx,
    entering: &Entering,
    trace: &mut Trace,
) -> Result<Result<Secret, Failure>> {
    let assertion = &entering.assertion;
    let Some(connection) = connection::find(tx, entering.connection_id.as_str()).await? else {
        return Ok(Err(FailureCode::ConnectionUnlinked.into()));
    };
    let rules = connection::email_rules(tx, &connection.organization_id).await?;
    let known = profile::find_by_idp_id(tx, &connection.id, &assertion.subject).await?;
    if let Err(failure) = still_usable(entering, &connection)
        .and_then(|()| check_email(&connection, &rules.unwrap_or_default(), assertion, trace))
    {
        return Ok(Err(failure));
    }
    let roles = match decide_roles(tx, &connection, (entering, known.as_ref()), trace).await? {
        Ok(roles) => roles,
        Err(failure) => return Ok(Err(failure)),
    };
    let profile =
        profile::sign_in(tx, shape(&connection, assertion, roles), known.as_ref()).await?;
    trace.did("profile.stored", profile.id.to_string());
    if connection.state == ConnectionState::Validating {
        connection::activate(tx, connection.id.as_str()).await?;
    }
    issue(tx, entering, &profile, trace).await.map(Ok)
}

async fn issue(
    tx: &mut Tx,
    entering: &Entering,
    profile: &Profile,
    trace: &mut Trace,
) -> Result<Secret> {
    let code = authorization_code::issue(
        tx,
        &AuthorizationCode {
            environment_id: entering.environment_id.clone(),
            connection_id: entering.connection_id.clone(),
            profile_id: profile.id.clone(),
            sso_session_id: entering.session_id.clone(),
            redirect_uri: entering.target.redirect_uri.clone(),
            code_challenge: entering.code_challenge.clone(),
            expires_at: tx.now().plus_ms(authorization_code::LIFETIME_MS),
        },
    )
    .await?;
    trace.did("code.issued", "the browser goes back to the application");
    sso_session::issued(tx, &entering.session_id, (&profile.email, &profile.id), trace).await?;
    Ok(code)
}

/// The connection may have been edited while the network was asked.
fn still_usable(entering: &Entering, connection: &Connection) -> Result<(), Failure> {
    if !connection.state.is_usable() {
        return Err(FailureCode::ConnectionUnlinked.into());
    }
    // The first of several sign-ins at once activates the connection without a new version.
    if connection.version != entering.connection_version {
        return Err(FailureCode::ConnectionChanged.into());
    }
    Ok(())
}

/// The policies about the e-mail address (WorkOS's domain policy: deny by default).
fn check_email(
    connection: &Connection,
    rules: &EmailRules,
    assertion: &Assertion,
    trace: &mut Trace,
) -> Result<(), Failure> {
    let person = &assertion.profile;
    if connection.policy.require_email_verified && person.email_verified != Some(true) {
        let received = person.email_verified.map_or("absent".to_owned(), |it| it.to_string());
        return Err(Failure::mismatch(FailureCode::EmailUnverified, "true", received));
    }
    let verified = || rules.verified_domains.join(", ");
    let is_verified = |name: &str| rules.verified_domains.iter().any(|it| same_domain(it, name));
    if connection.connection_type.oidc_kind() == Some(Kind::GoogleOidc) {
        let hosted = assertion.hosted_domain.as_deref().unwrap_or("none (a private account)");
        if !is_verified(hosted) {
            return Err(Failure::mismatch(FailureCode::HostedDomain, verified(), hosted));
        }
        trace.passed("profile.hosted_domain", verified(), hosted);
    }
    if rules.allow_outside || connection.policy.email_domains == EmailDomains::Any {
        trace.did("profile.domain_policy", "any e-mail domain may sign in");
        return Ok(());
    }
    let domain = person.email.domain();
    if !is_verified(domain) {
        return Err(Failure::mismatch(
            FailureCode::ProfileNotAllowedOutsideOrganization,
            format!("one of the verified domains: {}", verified()),
            domain,
        ));
    }
    trace.passed("profile.domain_policy", verified(), domain);
    Ok(())
}

/// The roles of the person, from the groups of this sign-in.
async fn decide_roles(
    tx: &mut Tx,
    connection: &Connection,
    (entering, known): (&Entering, Option<&Profile>),
    trace: &mut Trace,
) -> Result<Result<Vec<String>, Failure>> {
    let ranking = role::ranking(tx, &connection.organization_id).await?;
    let default = ranking.iter().find(|role| role.is_default).or(ranking.last());
    let default = default.map_or("member", |role| role.slug.as_str());
    let slugs: Vec<String> = ranking.iter().map(|role| role.slug.clone()).collect();
    let groups: Vec<(String, String)> = connection_group::all(tx, &connection.id)
        .await?
        .into_iter()
        .map(|group| (group.idp_id, group.role.slug))
        .collect();
    let before: Option<Vec<String>> = known
        .and_then(|profile| profile.roles.as_ref())
        .map(|roles| roles.iter().map(|role| role.slug.clone()).collect());
    let rules = Rules {
        roles: &slugs,
        default_role: default,
        groups: &groups,
        mode: entering.role_mode,
        incomplete: connection.policy.incomplete_groups,
        before: before.as_deref(),
    };
    Ok(role_decision::decide(&rules, &entering.assertion.groups, trace))
}

/// The profile that the assertion makes.
fn shape(connection: &Connection, assertion: &Assertion, roles: Vec<String>) -> SignIn {
    let person = &assertion.profile;
    let groups = match &assertion.groups {
        Groups::Absent | Groups::Overflowed => None,
        groups => Some(groups.to_store().0.into_iter().map(str::to_owned).collect()),
    };
    let raw: Map<String, Value> = if connection.policy.raw_attributes {
        let about_person = |name: &str| !PROTOCOL_CLAIMS.contains(&name);
        let claims = assertion.claims.iter().filter(|(name, _)| about_person(name));
        claims.map(|(name, value)| (name.clone(), value.clone())).collect()
    } else {
        Map::new()
    };
    SignIn {
        organization_id: connection.organization_id.clone(),
        connection_id: connection.id.clone(),
        connection_type: connection.connection_type.as_str().to_owned(),
        idp_id: assertion.subject.clone(),
        email: person.email.as_str().to_owned(),
        first_name: person.first_name.clone(),
        last_name: person.last_name.clone(),
        name: person.name.clone(),
        roles,
        groups,
        custom_attributes: assertion.custom_attributes.clone(),
        raw_attributes: raw,
    }
}
