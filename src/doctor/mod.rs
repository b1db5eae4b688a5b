//! The doctor of a connection: looks for whatever would keep people from signing in, without a person.
//!
//! It asks the identity provider the questions of a login, one after the other, by the same outbound
//! rules: connects, reads metadata and keys, asks the authorization endpoint for a sign-in that may
//! show nothing to anybody, and redeems a code that nobody issued. Checks that depend on one that
//! failed are skipped. Nothing is stored.

mod authorization;
mod keys;
mod metadata;
mod problem;
mod reach;
mod report;
mod secret;

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::app::App;
use crate::base::secret::Secret;
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::connection::{self, Connection};
use crate::model::connection_group;
use crate::outbound::{Error as OutboundError, Request, Response};
use crate::upstream::Settings;
use crate::upstream::oidc;

pub use problem::Problem;
pub use report::{Check, Finding, Outcome, Report};

/// How long an examination may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// One question and its answer.
    pub question: Duration,
    /// All of them.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { question: Duration::from_secs(5), total: Duration::from_secs(20) }
    }
}

/// Examines a connection, whatever its state.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such connection, [`Error::RateLimited`] if it was
/// examined too often in the last minute.
pub async fn run(app: &App, caller: &Caller, connection_id: &str) -> Result<Report> {
    run_within(app, caller, (connection_id, &Check::ALL), Limits::default()).await
}

/// Makes only these checks, and those that they depend on; of the latter the report holds what needs
/// attention. Cheap: `&[Check::Discovery]` is one connection and one request, and
/// `&[Check::ClientSecret]` one or two requests more.
///
/// # Errors
///
/// As [`run`].
pub async fn only(
    app: &App,
    caller: &Caller,
    connection_id: &str,
    checks: &[Check],
) -> Result<Report> {
    run_within(app, caller, (connection_id, checks), Limits::default()).await
}

/// [`only`], within other limits.
///
/// # Errors
///
/// As [`run`].
pub async fn run_within(
    app: &App,
    caller: &Caller,
    (connection_id, checks): (&str, &[Check]),
    limits: Limits,
) -> Result<Report> {
    let id = connection_id.to_owned();
    let (connection, has_groups) =
        app.db.read(caller, async move |tx| look_up(tx, &id).await).await?;
    // An unknown id is not counted: it costs its asker more than us.
    if !app.doctor_rate.admit(connection.id.as_str(), app.clock.now()) {
        let message = "This connection was examined too often: wait a minute.";
        return Err(Error::rate_limited(message));
    }
    let secrets = connection.secret_slots(&app.sealer)?;
    let began = Instant::now();
    let checked_at = app.clock.now();
    let mut findings = match &connection.settings {
        Some(Settings::Oidc(settings)) => {
            let case = Case {
                app,
                settings,
                redirect_uri: app.callback_uri(&connection),
                has_groups,
                secrets,
                checks,
                limits,
                deadline: began + limits.total,
            };
            case.examine().await
        }
        None => {
            let kind = connection.connection_type.oidc_kind().unwrap_or_default();
            let mut findings = vec![Finding::problem(Problem::NotConfigured, kind)];
            depend(&mut findings, Check::Configuration);
            findings
        }
    };
    findings.sort_by_key(|finding| finding.name as usize);
    // Of what was not asked for, only what stands in the way of it is told.
    let last = checks.iter().map(|check| *check as usize).max().unwrap_or_default();
    findings.retain(|finding| {
        let before = (finding.name as usize) < last && finding.outcome == Outcome::Failed;
        before || checks.contains(&finding.name)
    });
    Ok(Report {
        object: "doctor_report",
        connection_id: connection.id,
        connection_type: connection.connection_type,
        checked_at,
        duration_ms: i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX),
        healthy: findings.iter().all(|finding| finding.problem.is_none()),
        findings,
    })
}

/// The connection, and whether roles are mapped to groups.
async fn look_up(tx: &mut Tx, id: &str) -> Result<(Connection, bool)> {
    let connection = connection::get(tx, id).await?;
    let groups = connection_group::all(tx, &connection.id).await?;
    Ok((connection, !groups.is_empty()))
}

/// Adds findings. Of two about one check the worse one counts, since what a provider does says more
/// than what it advertises; and one that knows counts more than one that cannot tell.
fn merge(findings: &mut Vec<Finding>, new: impl IntoIterator<Item = Finding>) {
    let weight = |finding: &Finding| match (finding.outcome, finding.problem) {
        (Outcome::Failed, _) => 3,
        (_, Some(_)) => 2,
        (Outcome::Ok, _) => 1,
        _ => 0,
    };
    for finding in new {
        match findings.iter_mut().find(|known| known.name == finding.name) {
            Some(known) if weight(&finding) > weight(known) => *known = finding,
            Some(_) => {}
            None => findings.push(finding),
        }
    }
}

/// Skips every check that has no finding yet.
fn depend(findings: &mut Vec<Finding>, on: Check) {
    for check in Check::ALL {
        if findings.iter().all(|finding| finding.name != check) {
            findings.push(Finding::depends(check, on));
        }
    }
}

/// A connection that is examined.
struct Case<'a> {
    app: &'a App,
    settings: &'a oidc::Settings,
    redirect_uri: String,
    has_groups: bool,
    /// The present secret and the next one.
    secrets: [Option<Secret>; 2],
    checks: &'a [Check],
    limits: Limits,
    deadline: Instant,
}

impl Case<'_> {
    async fn examine(&self) -> Vec<Finding> {
        let complete = "client ID and discovery endpoint are there";
        let mut findings = vec![Finding::ok(Check::Configuration, complete), secret::expiry(self)];
        let endpoint = Url::parse(&self.settings.discovery_endpoint);
        let Ok(endpoint) = endpoint else {
            findings.push(self.problem(Problem::DiscoveryNotFound).noted("it is no URL"));
            depend(&mut findings, Check::Discovery);
            return findings;
        };
        if let Err(failed) = reach::examine(self, &endpoint, &mut findings).await {
            depend(&mut findings, failed);
            return findings;
        }
        let metadata = match metadata::examine(self, &endpoint, &mut findings).await {
            Ok(metadata) => metadata,
            Err(failed) => {
                depend(&mut findings, failed);
                return findings;
            }
        };
        let (keys, userinfo, authorization) = tokio::join!(
            self.if_wanted(&[Check::Keys], keys::examine(self, &metadata)),
            self.if_wanted(&[Check::Userinfo], keys::userinfo(self, &metadata)),
            self.if_wanted(
                &[
                    Check::AuthorizationEndpoint,
                    Check::ClientId,
                    Check::RedirectUri,
                    Check::Scopes,
                    Check::Pkce,
                ],
                authorization::examine(self, &metadata)
            ),
        );
        merge(&mut findings, [keys, userinfo, authorization].into_iter().flatten());
        let wanted = [Check::TokenEndpoint, Check::ClientSecret, Check::NextClientSecret];
        let secrets = secret::examine(self, &metadata, &findings);
        let secrets = self.if_wanted(&wanted, secrets).await;
        merge(&mut findings, secrets);
        depend(&mut findings, Check::Discovery);
        findings
    }

    /// Does the work only where one of these checks is wanted.
    async fn if_wanted(
        &self,
        checks: &[Check],
        work: impl Future<Output = Vec<Finding>>,
    ) -> Vec<Finding> {
        if checks.iter().any(|check| self.checks.contains(check)) { work.await } else { Vec::new() }
    }

    fn problem(&self, problem: Problem) -> Finding {
        Finding::problem(problem, self.settings.kind)
    }

    /// Asks one question, within the time that is left.
    async fn ask(&self, request: Request) -> Result<Response, OutboundError> {
        let until = self.deadline.min(Instant::now() + self.limits.question);
        let answer = self.app.upstream.outbound().send(request);
        timeout_at(until, answer).await.unwrap_or(Err(OutboundError::Timeout))
    }
}
