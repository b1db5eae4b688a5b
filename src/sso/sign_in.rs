//! Letting a person in: policies, roles, the profile and the code, in one unit of work.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::Target;
use super::{Ticket, failure_of, system, unchanged};
use crate::app::App;
use crate::base::Result;
use crate::base::email::same_domain;
use crate::base::failure::{Failure, FailureCode};
use crate::base::id::{ConnectionId, EnvironmentId, SsoSessionId};
use crate::base::secret::{Secret, base64url};
use crate::base::trace::Trace;
use crate::db::Tx;
use crate::model::connection::{self, Connection, ConnectionState, EmailDomains, EmailRules};
use crate::model::environment::RoleMode;
use crate::model::logout::{self, IdpSession, KeptIdToken};
use crate::model::profile::{self, Attributes, Profile, SignIn};
use crate::model::role_decision::{self, Rules};
use crate::model::sso_session::{
    GroupsState, Hold, Origin, TestGroups, TestProfile, TestResult, TestRoles, TestRule,
};
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
#[serde(deny_unknown_fields)]
pub(super) struct Entering {
    pub(super) session_id: SsoSessionId,
    pub(super) environment_id: EnvironmentId,
    pub(super) connection_id: ConnectionId,
    pub(super) connection_version: i64,
    pub(super) code_challenge: Option<String>,
    pub(super) role_mode: RoleMode,
    pub(super) target: Target,
    #[serde(default)]
    pub(super) origin: Origin,
    pub(super) assertion: Assertion,
}

/// A code about to be issued.
pub(super) struct Code {
    ticket: Ticket,
    is_repeatable: bool,
}

impl Code {
    /// For a request that brought this ticket: a new one, or if the request has a key, the one that it gets
    /// whenever it comes.
    pub(super) fn of(app: &App, ticket: &Ticket, key: Option<&str>) -> Self {
        match key.and_then(|key| Self::all(app, ticket, key).into_iter().next()) {
            Some(ticket) => Self { ticket, is_repeatable: true },
            None => Self { ticket: Ticket::new(ticket.id.clone()), is_repeatable: false },
        }
    }

    /// The codes that a request with a key may have got, under each sealing key; the newest first.
    pub(super) fn all(app: &App, ticket: &Ticket, key: &str) -> Vec<Ticket> {
        let text = ticket.text();
        let parts = [text.expose().as_bytes(), key.as_bytes()];
        let secrets = app.sealer.authenticate_by_each("code", &parts).into_iter();
        let secrets = secrets.map(|secret| Secret::new(base64url(&secret)));
        secrets.map(|secret| Ticket { id: ticket.id.clone(), secret }).collect()
    }
}

/// Lets the person in; says where the browser goes with the code.
pub(super) async fn enter(
    app: &App,
    (hold, entering): (Hold, Entering),
    code: Code,
    trace: &mut Trace,
) -> Result<String, Failure> {
    let target = entering.target.clone();
    let caller = system(&entering.environment_id);
    let before = trace.share();
    let kept = keep(app, &entering).map_err(|error| failure_of(&error))?;
    let (code, after) = app
        .db
        .write(&caller, async move |tx| {
            let mut trace = before.clone();
            let admitted =
                admit(tx, (&hold, &entering), (&code, kept.as_ref()), &mut trace).await?;
            Ok((admitted.map(|()| code.ticket.text()), trace))
        })
        .await
        .map_err(|error| failure_of(&error))?;
    *trace = after;
    Ok(target.code(&code?))
}

/// The ID token, sealed, if it can be of use when the person logs out.
fn keep(app: &App, entering: &Entering) -> Result<Option<KeptIdToken>> {
    let place = (&entering.environment_id, &entering.session_id);
    let token = entering.assertion.id_token.as_ref();
    token.map(|token| KeptIdToken::seal(&app.sealer, place, token.expose())).transpose()
}

/// Does what [`enter`] does, but for what it leaves behind: of a test only its result is kept.
pub(super) async fn rehearse(
    app: &App,
    hold: Hold,
    entering: Entering,
    trace: &mut Trace,
) -> Result<(), Failure> {
    let caller = system(&entering.environment_id);
    let before = trace.share();
    let (outcome, after) = app
        .db
        .write(&caller, async move |tx| {
            let mut trace = before.clone();
            let outcome = try_out(tx, (&hold, &entering), &mut trace).await?;
            Ok((outcome, trace))
        })
        .await
        .map_err(|error| failure_of(&error))?;
    *trace = after;
    outcome
}

/// What a sign-in is judged by, read in one go.
struct Bench {
    rules: Arc<ConnectionRules>,
    known: Option<Profile>,
}

/// What holds for all sign-ins by a connection.
struct ConnectionRules {
    connection: Arc<Connection>,
    email_rules: EmailRules,
    /// Slugs of all roles, the most important first.
    roles: Vec<String>,
    default_role: String,
    /// The connection's groups: name at the identity provider, slug of the role.
    groups: Vec<(String, String)>,
}

impl ConnectionRules {
    /// `None`: the connection is gone.
    async fn read(tx: &mut Tx, id: &ConnectionId) -> Result<Option<Self>> {
        let Some(connection) = connection::recall(tx, id.as_str()).await? else {
            return Ok(None);
        };
        let email_rules = connection::email_rules(tx, &connection.organization_id).await?;
        let ranking = role::ranking(tx, &connection.organization_id).await?;
        let default = ranking.iter().find(|role| role.is_default).or(ranking.last());
        let default_role = default.map_or("member", |role| role.slug.as_str()).to_owned();
        let groups = connection_group::all(tx, &connection.id).await?;
        Ok(Some(Self {
            connection,
            email_rules: email_rules.unwrap_or_default(),
            roles: ranking.into_iter().map(|role| role.slug).collect(),
            default_role,
            groups: groups.into_iter().map(|group| (group.idp_id, group.role.slug)).collect(),
        }))
    }
}

impl Bench {
    /// `None`: the connection is gone.
    async fn read(tx: &mut Tx, entering: &Entering) -> Result<Option<Self>> {
        let id = &entering.connection_id;
        let load = async |tx: &mut Tx| ConnectionRules::read(tx, id).await;
        let rules = tx.recall("rules of a connection", id.as_str().as_bytes(), load).await?;
        let Some(rules) = rules else { return Ok(None) };
        let known = profile::find_by_idp_id(tx, id, &entering.assertion.subject).await?;
        Ok(Some(Self { rules, known }))
    }

    /// The roles of the person, if they may sign in.
    fn judge(&self, entering: &Entering, trace: &mut Trace) -> Result<Vec<String>, Failure> {
        let rules = &*self.rules;
        // It may have been edited while the network was asked.
        unchanged(&rules.connection, entering.connection_version, entering.origin)?;
        check_email(&rules.connection, &rules.email_rules, &entering.assertion, trace)?;
        let before: Option<Vec<String>> = self
            .known
            .as_ref()
            .and_then(|profile| profile.roles.as_ref())
            .map(|roles| roles.iter().map(|role| role.slug.clone()).collect());
        let given = Rules {
            roles: &rules.roles,
            default_role: &rules.default_role,
            groups: &rules.groups,
            mode: entering.role_mode,
            incomplete: rules.connection.policy.incomplete_groups,
            before: before.as_deref(),
        };
        role_decision::decide(&given, &entering.assertion.groups, trace)
    }
}

/// The unit: reads and judges first, writes afterwards. A refusal is a value, so that it can be
/// recorded; nothing was written before it.
async fn admit(
    tx: &mut Tx,
    (hold, entering): (&Hold, &Entering),
    (code, kept): (&Code, Option<&KeptIdToken>),
    trace: &mut Trace,
) -> Result<Result<(), Failure>> {
    let Some(bench) = Bench::read(tx, entering).await? else {
        return Ok(Err(FailureCode::ConnectionUnlinked.into()));
    };
    let roles = match bench.judge(entering, trace) {
        Ok(roles) => roles,
        Err(failure) => return Ok(Err(failure)),
    };
    let Bench { rules, known } = bench;
    let connection = &rules.connection;
    let new = shape(connection, &entering.assertion, roles)?;
    let profile = profile::sign_in(tx, new, known.as_ref()).await?;
    trace.did("profile.stored", profile.id.to_string());
    if connection.state == ConnectionState::Validating {
        connection::pass_validation(tx, connection.id.as_str()).await?;
    }
    if let Some(token) = kept {
        logout::keep_id_token(tx, &profile.id, token).await?;
    }
    issue(tx, (hold, entering), (code, &profile), trace).await.map(Ok)
}

/// The unit of a test: reads and judges as [`admit`] does, and keeps what came of it.
async fn try_out(
    tx: &mut Tx,
    (hold, entering): (&Hold, &Entering),
    trace: &mut Trace,
) -> Result<Result<(), Failure>> {
    let Some(bench) = Bench::read(tx, entering).await? else {
        return Ok(Err(FailureCode::ConnectionUnlinked.into()));
    };
    let judged = bench.judge(entering, trace);
    let result = test_result(&bench, &entering.assertion, judged.as_ref().ok());
    sso_session::keep_test_result(tx, hold, &result).await?;
    if let Err(failure) = judged {
        return Ok(Err(failure));
    }
    trace.did("test.passed", "nobody was signed in: no profile, no code, no event");
    sso_session::pass_test(tx, hold, trace).await?;
    Ok(Ok(()))
}

fn test_result(bench: &Bench, assertion: &Assertion, given: Option<&Vec<String>>) -> TestResult {
    let person = &assertion.profile;
    let (names, is_cut) = assertion.groups.to_store();
    let rule = |(group, role): &(String, String)| TestRule {
        matched: assertion.groups.names().contains(group),
        group: group.clone(),
        role: role.clone(),
    };
    TestResult {
        claims: about_person(&assertion.claims)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        profile: TestProfile {
            idp_id: assertion.subject.clone(),
            email: person.email.as_str().to_owned(),
            email_verified: person.email_verified,
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            name: person.name.clone(),
            custom_attributes: assertion.custom_attributes.clone(),
        },
        groups: TestGroups {
            state: match assertion.groups {
                Groups::Absent => GroupsState::Absent,
                Groups::Empty => GroupsState::Empty,
                Groups::Present(_) => GroupsState::Present,
                Groups::Truncated(_) => GroupsState::Truncated,
                Groups::Overflowed => GroupsState::Overflowed,
            },
            names: names.into_iter().map(str::to_owned).collect(),
            is_cut,
        },
        roles: given.map(|given| TestRoles {
            rules: bench.rules.groups.iter().map(rule).collect(),
            default_role: bench.rules.default_role.clone(),
            given: given.clone(),
        }),
    }
}

async fn issue(
    tx: &mut Tx,
    (hold, entering): (&Hold, &Entering),
    (code, profile): (&Code, &Profile),
    trace: &mut Trace,
) -> Result<()> {
    if let Some(sid) = &entering.assertion.session_id {
        let login = IdpSession {
            sso_session_id: entering.session_id.clone(),
            profile_id: profile.id.clone(),
        };
        logout::remember_idp_session(tx, (&entering.connection_id, sid), &login).await?;
    }
    trace.did("code.issued", "the browser goes back to the application");
    let person = (&*profile.email, &profile.id);
    let new =
        sso_session::NewCode { hash: code.ticket.secret.hash(), is_repeatable: code.is_repeatable };
    sso_session::issue_code(tx, hold, &new, person, trace).await
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

/// The claims without those of the protocol.
fn about_person(claims: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    claims.iter().filter(|(name, _)| !PROTOCOL_CLAIMS.contains(&name.as_str()))
}

/// The profile that the assertion makes.
fn shape(connection: &Connection, assertion: &Assertion, roles: Vec<String>) -> Result<SignIn> {
    let person = &assertion.profile;
    let groups = match &assertion.groups {
        Groups::Absent | Groups::Overflowed => None,
        groups => Some(groups.to_store().0.into_iter().map(str::to_owned).collect()),
    };
    let kept = about_person(&assertion.claims).filter(|_| connection.policy.raw_attributes);
    Ok(SignIn {
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
        custom_attributes: Attributes::new(&assertion.custom_attributes)?,
        raw_attributes: Attributes::new(kept)?,
    })
}
