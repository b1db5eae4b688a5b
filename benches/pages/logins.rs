//! Login attempts, events and the audit trail: rows like those that real logins leave.

use std::f64::consts::TAU;

use serde_json::Value;
use vestibule::base::failure::FailureCode;
use vestibule::db::{Cell, Db};
use vestibule::model::administrator::Role;

use crate::bulk::{self, chance, hash, id, or_null, row};
use crate::seed::{DAY_MS, HUGE_SHARE, Shape};
use crate::support::World;
use crate::support::http::Request;
use crate::support::pages::follow;

/// How many days the attempts are spread over.
const DAYS: f64 = 30.0;
/// How much more happens by day than by night: the rate is `1 ± SWING`, and now is noon.
const SWING: f64 = 0.8;
const ADA: &str = "ada@acme.example";
const USER_AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, \
                          like Gecko) Chrome/138.0.0.0 Safari/537.36";

/// What a few real logins left.
pub struct Samples {
    /// Of the connection.
    pub settings: String,
    /// Of the connection.
    pub policy: String,
    /// All claims of a person.
    pub claims: String,
    /// The roles of a person, as they are stored.
    pub roles: String,
    /// Traces: of a login that worked, of one that did not, of one that nobody finished, of a test.
    success: String,
    failure: String,
    started: String,
    test: String,
    test_result: String,
    /// `data` and `context` of the events of a login.
    event_started: (Value, String),
    event_succeeded: (Value, String),
    event_failed: (Value, String),
    /// Of an event that is no login's.
    event_other: (Value, String),
}

impl Samples {
    /// Makes the logins.
    pub async fn take(world: &World) -> Self {
        let code = world.code().await;
        assert_eq!(world.redeem(&code, &[]).await.status, 200);
        // The tenant knows no such code.
        let (mut browser, url) = (world.browser(), world.authorize_url(&[]));
        let mut callback = world.to_callback(&mut browser, &url, ADA).await;
        let pairs: Vec<(String, String)> = callback.query_pairs().into_owned().collect();
        let pairs = pairs.into_iter().map(|(name, value)| match name.as_str() {
            "code" => (name, "unknown".to_owned()),
            _ => (name, value),
        });
        let pairs: Vec<_> = pairs.collect();
        callback.query_pairs_mut().clear().extend_pairs(pairs);
        browser.get(&callback).await;
        world.to_callback(&mut world.browser(), &url, ADA).await;
        test_sign_in(world).await;

        let db = &world.app().db;
        let one = async |sql: &str| bulk::texts(db, sql, &[]).await.pop().expect(sql);
        let trace = async |status: &str| {
            one(&format!("SELECT trace FROM sso_sessions WHERE status = '{status}'")).await
        };
        let event = async |name: &str| {
            let of = |column| format!("SELECT {column} FROM events WHERE name = '{name}'");
            let data = one(&of("data")).await;
            (serde_json::from_str(&data).expect("JSON"), one(&of("context")).await)
        };
        Self {
            settings: one("SELECT settings FROM connections").await,
            policy: one("SELECT policy FROM connections").await,
            claims: one("SELECT raw_attributes FROM profiles").await,
            roles: one("SELECT roles FROM profiles").await,
            success: trace("success").await,
            failure: trace("failed").await,
            started: trace("in_progress").await,
            test: trace("test_successful").await,
            test_result: one("SELECT test_result FROM sso_sessions WHERE test_result IS NOT NULL")
                .await,
            event_started: event("authentication.sso_started").await,
            event_succeeded: event("authentication.sso_succeeded").await,
            event_failed: event("authentication.sso_failed").await,
            event_other: event("organization.created").await,
        }
    }
}

/// An administrator tries the demo's connection out.
async fn test_sign_in(world: &World) {
    let mut desk = world.desk(Role::Admin).await;
    let page = desk.path(&format!("/connections/{}/test", world.demo.seeded.connection_id));
    let leaving = desk.submit(&page, &page, &[]).await.text();
    let (_, rest) = leaving.split_once("<a href=\"").expect("a way to the tenant");
    let location = rest.split_once('"').expect("a quote").0.replace("&#38;", "&");
    let back = world.demo.tenant.sign_in(&location, ADA).await.expect("the tenant signs in");
    desk.browser.send(Request::get(&follow(world, &back))).await;
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Success,
    Failed,
    TimedOut,
    InProgress,
    TestSuccessful,
    TestFailed,
}

/// One attempt, the same each time it is asked for.
struct Attempt {
    id: String,
    at_ms: i64,
    connection: u64,
    person: u64,
    ending: Ending,
    code: Option<FailureCode>,
    is_from_idp: bool,
}

impl Attempt {
    /// The attempt `n`, of which 0 is the oldest.
    fn of(shape: &Shape, n: u64) -> Self {
        let at_ms = shape.now_ms - (age_days(n, shape.sessions) * DAY_MS as f64) as i64;
        let connection = match share(n, 1) {
            part if part < HUGE_SHARE => 0,
            _ => (shape.organizations as f64 * share(n, 2).powi(2)) as u64,
        };
        let ending = match chance(n ^ 0x0e4d) % 1000 {
            _ if at_ms > shape.now_ms - 5 * 60_000 && n.is_multiple_of(3) => Ending::InProgress,
            0..900 => Ending::Success,
            900..960 => Ending::Failed,
            960..990 => Ending::TimedOut,
            990..997 => Ending::TestSuccessful,
            _ => Ending::TestFailed,
        };
        let codes = FailureCode::ALL;
        let code = match ending {
            Ending::Failed | Ending::TestFailed => {
                Some(codes[(share(n, 3).powi(3) * codes.len() as f64) as usize])
            }
            Ending::TimedOut => Some(FailureCode::TimedOut),
            _ => None,
        };
        Self {
            id: id("sess_", at_ms, n),
            at_ms,
            connection,
            person: chance(n ^ 0x9e0) % shape.people(connection),
            ending,
            code,
            is_from_idp: n % 20 == 7,
        }
    }

    fn is_test(&self) -> bool {
        matches!(self.ending, Ending::TestSuccessful | Ending::TestFailed)
    }

    fn status(&self) -> &'static str {
        match self.ending {
            Ending::Success => "success",
            Ending::Failed => "failed",
            Ending::TimedOut => "timed_out",
            Ending::InProgress => "in_progress",
            Ending::TestSuccessful => "test_successful",
            Ending::TestFailed => "test_failed",
        }
    }

    fn origin(&self) -> &'static str {
        match (self.is_test(), self.is_from_idp) {
            (true, true) => "portal_test",
            (true, false) => "dashboard_test",
            (false, true) => "identity_provider",
            (false, false) => "application",
        }
    }

    /// Who it was, where the attempt came so far.
    fn email(&self, shape: &Shape) -> Option<String> {
        let known = match self.ending {
            Ending::Success | Ending::TestSuccessful => true,
            Ending::Failed | Ending::TestFailed => self.at_ms % 2 == 0,
            Ending::TimedOut | Ending::InProgress => false,
        };
        known.then(|| shape.email(self.connection, self.person))
    }

    fn ip_address(&self) -> String {
        let n = chance(self.person ^ (self.connection << 20));
        format!("203.0.113.{}", n % 256)
    }

    fn row(&self, shape: &Shape, samples: &Samples) -> Vec<Cell> {
        let trace = match self.ending {
            Ending::Success => &samples.success,
            Ending::Failed | Ending::TestFailed => &samples.failure,
            Ending::TimedOut | Ending::InProgress => &samples.started,
            Ending::TestSuccessful => &samples.test,
        };
        let (is_success, is_open) =
            (self.ending == Ending::Success, self.ending == Ending::InProgress);
        let n = chance(self.at_ms as u64 ^ (self.person << 40));
        row![
            self.id.as_str(),
            shape.environment_id.as_str(),
            shape.organization_id(shape.owner(self.connection)),
            shape.connection_id(self.connection),
            3_i64,
            self.status(),
            if is_open { "departed" } else { "issued" },
            "https://app.example.com/sso/callback",
            Cell::Bytes(hash(n)),
            Cell::Bytes(hash(n ^ 1)),
            if is_open { Cell::Bytes(vec![7; 600]) } else { Cell::Null },
            trace.as_str(),
            or_null(self.code.map(FailureCode::as_str)),
            or_null(self.code.map(owner)),
            or_null(self.email(shape)),
            or_null(is_success.then(|| shape.profile_id(self.connection, self.person))),
            self.ip_address(),
            USER_AGENT,
            self.at_ms + 600_000,
            self.at_ms,
            self.at_ms + 8_000,
            self.origin(),
            or_null(self.is_test().then_some("administrator_01JZZZZZZZZZZZZZZZZZZZZZZZ")),
            or_null(
                (self.ending == Ending::TestSuccessful).then_some(samples.test_result.as_str())
            ),
        ]
    }
}

fn owner(code: FailureCode) -> String {
    match serde_json::to_value(code.owner()) {
        Ok(Value::String(word)) => word,
        _ => unreachable!("an owner is a word"),
    }
}

/// A number from 0 to 1.
fn share(n: u64, of: u64) -> f64 {
    (chance(n ^ (of << 50)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// How many days ago the attempt `n` of `all` was: by Newton's method from how many came since.
fn age_days(n: u64, all: u64) -> f64 {
    let since = DAYS * (1.0 - (n as f64 + 0.5) / all as f64);
    let mut age = since;
    for _ in 0..6 {
        let came = age + SWING / TAU * (TAU * age).sin();
        age -= (came - since) / (1.0 + SWING * (TAU * age).cos());
    }
    age.clamp(0.0, DAYS)
}

/// All attempts, the oldest first.
pub async fn attempts(db: &Db, shape: &Shape, samples: &Samples) {
    let rows = (0..shape.sessions).map(|n| Attempt::of(shape, n).row(shape, samples));
    let columns = "id, environment_id, organization_id, connection_id, connection_version, status, \
                   step, redirect_uri, state_hash, browser_hash, memory_sealed, trace, \
                   failure_code, failure_owner, email, profile_id, ip_address, user_agent, \
                   expires_at, created_at, updated_at, origin, started_by, test_result";
    bulk::insert(db, "sso_sessions", columns, rows).await;
}

/// As many events as there are attempts: two of each attempt of the younger half, and in between
/// some of changes.
pub async fn events(db: &Db, shape: &Shape, samples: &Samples) {
    let sql = "SELECT CAST(max(position) AS TEXT) FROM events WHERE environment_id = $1";
    let newest = bulk::texts(db, sql, &[&shape.environment_id]).await.pop();
    let newest: i64 = newest.and_then(|text| text.parse().ok()).expect("a position");
    let attempts = (shape.sessions / 2..shape.sessions).map(|n| (n, Attempt::of(shape, n)));
    let attempts = attempts.filter(|(_, attempt)| !attempt.is_test());
    let rows = attempts.flat_map(|(n, attempt)| happened(shape, samples, n, &attempt));
    let rows = (newest + 1..).zip(rows).map(|(position, mut row)| {
        row.insert(1, Cell::Int(position));
        row
    });
    let columns = "environment_id, position, id, name, organization_id, data, context, created_at";
    bulk::insert(db, "events", columns, rows).await;
    let environment_id = shape.environment_id.clone();
    let move_on = async move |tx: &mut vestibule::db::Tx| {
        let sql = "UPDATE environments SET event_position =
                   (SELECT max(position) FROM events WHERE environment_id = $1) WHERE id = $1";
        tx.execute(sql, &[(&environment_id).into()]).await
    };
    db.write(&vestibule::base::Caller::anonymous(), move_on).await.expect("a position");
}

/// The events of an attempt, without their positions.
fn happened(shape: &Shape, samples: &Samples, n: u64, attempt: &Attempt) -> Vec<Vec<Cell>> {
    let organization_id = shape.organization_id(shape.owner(attempt.connection));
    let event = |name: &str, sample: &(Value, String), after_ms: i64| {
        let mut data = sample.0.clone();
        if data["sso"].is_object() {
            data["email"] = attempt.email(shape).into();
            data["ip_address"] = attempt.ip_address().into();
            data["user_agent"] = USER_AGENT.into();
            data["sso"]["organization_id"] = organization_id.as_str().into();
            data["sso"]["connection_id"] = shape.connection_id(attempt.connection).into();
            data["sso"]["session_id"] = attempt.id.as_str().into();
        } else {
            data["id"] = organization_id.as_str().into();
        }
        let at = attempt.at_ms + after_ms;
        row![
            shape.environment_id.as_str(),
            id("event_", at, chance(n ^ after_ms as u64)),
            name,
            organization_id.as_str(),
            data.to_string(),
            sample.1.as_str(),
            at,
        ]
    };
    let mut events = vec![event("authentication.sso_started", &samples.event_started, 0)];
    match attempt.ending {
        Ending::Success => {
            events.push(event("authentication.sso_succeeded", &samples.event_succeeded, 8_000))
        }
        Ending::Failed => {
            events.push(event("authentication.sso_failed", &samples.event_failed, 5_000));
        }
        Ending::TimedOut => {
            events.push(event("authentication.sso_timed_out", &samples.event_failed, 600_000));
        }
        _ => {}
    }
    let other = match n {
        _ if n % 20_000 == 3 => Some("connection.deactivated"),
        _ if n % 500 == 5 => Some("organization_domain.verified"),
        _ if n % 40 == 9 => Some("organization.updated"),
        _ => None,
    };
    if let Some(name) = other {
        events.push(event(name, &samples.event_other, 3_000));
    }
    events
}

/// A tenth as many lines of the audit trail as there are attempts.
pub async fn audit(db: &Db, shape: &Shape) {
    let actions = ["connection.updated", "administrator.signed_in", "setup_link.created"];
    let all = shape.sessions / 10;
    let rows = (0..all).map(|n| {
        let at = shape.now_ms - (200.0 * DAY_MS as f64 * (all - n) as f64 / all as f64) as i64;
        let target = shape.connection_id(chance(n) % shape.organizations);
        row![
            id("audit_", at, n),
            shape.environment_id.as_str(),
            actions[(n % 3) as usize],
            target,
            "dashboard",
            "administrator_01JZZZZZZZZZZZZZZZZZZZZZZZ",
            "Sam Staff",
            r#"{"before":{"name":"Okta"},"after":{"name":"Okta of the company"},"secrets_changed":{"client_secret":false,"next_client_secret":false}}"#,
            at,
        ]
    });
    let columns = "id, environment_id, action, target, source, actor_id, actor_name, details, \
                   created_at";
    bulk::insert(db, "audit_entries", columns, rows).await;
}
