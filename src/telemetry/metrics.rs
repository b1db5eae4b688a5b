//! The numbers, and their text for Prometheus (OpenMetrics 1.0).

use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use super::process;
use crate::base::failure::{FailureCode, Owner};

/// Seconds, from what a read of the embedded database takes to what a patient browser waits.
const FINE: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];
/// Seconds, where the network takes part.
const COARSE: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0];
/// How many units of work share a commit.
const UNITS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// All numbers with their names and what they mean.
#[derive(Debug, Default)]
pub(super) struct Book {
    registry: Registry,
    entries: Vec<(&'static str, &'static str)>,
}

impl Book {
    pub(super) fn register(&mut self, name: &'static str, help: &'static str, metric: impl Metric) {
        self.registry.register(name, help, metric);
        self.entries.push((name, help));
    }
}

/// A request of a login, as it goes through the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hop {
    /// `GET /sso/authorize`, and logins that the identity provider begins.
    Authorize,
    /// The browser comes back.
    Callback,
    /// The person answers whether to continue.
    Consent,
    /// The application redeems its code.
    Token,
    /// The application asks for the profile.
    Profile,
}

impl Hop {
    /// The hop that a route is, if it is one.
    pub fn of_route(route: &str) -> Option<Self> {
        Some(match route {
            "/sso/authorize" | "/sso/oidc/{external_key}/initiate" => Self::Authorize,
            "/sso/oidc/{external_key}/callback" => Self::Callback,
            "/sso/consent" => Self::Consent,
            "/sso/token" => Self::Token,
            "/sso/profile" => Self::Profile,
            _ => return None,
        })
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Callback => "callback",
            Self::Consent => "consent",
            Self::Token => "token",
            Self::Profile => "profile",
        }
    }
}

/// What a request to somebody else is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// The metadata of an identity provider.
    Discovery,
    /// Its keys.
    Jwks,
    /// Redeeming its code.
    Token,
    /// Its claims about the person.
    Userinfo,
    /// A delivery to a webhook endpoint.
    Webhook,
    /// What the doctor tries, and whatever else.
    Other,
}

impl Call {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Jwks => "jwks",
            Self::Token => "token",
            Self::Userinfo => "userinfo",
            Self::Webhook => "webhook",
            Self::Other => "other",
        }
    }
}

/// Whether a unit of work may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It only reads.
    Read,
    /// It writes.
    Write,
}

/// How a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoginEnd {
    /// The application has its profile.
    Succeeded,
    /// It failed.
    Failed(FailureCode),
    /// Nobody finished it.
    TimedOut,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    outcome: &'static str,
    owner: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HopLabels {
    hop: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallErrorLabels {
    call: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// All numbers of the process.
#[derive(Debug)]
pub struct Metrics {
    book: Book,
    logins_begun: Counter,
    logins: Family<LoginLabels, Counter>,
    token_refusals: Family<ReasonLabels, Counter>,
    hops: Family<HopLabels, Histogram>,
    calls: Family<CallLabels, Histogram>,
    call_errors: Family<CallErrorLabels, Counter>,
    units: ByKind<Histogram>,
    queued: ByKind<Histogram>,
    in_flight: ByKind<Gauge>,
    unit_errors: Family<ReasonLabels, Counter>,
    batch: Histogram,
    deliveries: Family<OutcomeLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    crowded: Counter,
    panics: Counter,
    sweep_failures: Counter,
    spans_dropped: Counter,
    certificate_expiry: Gauge,
    /// Connections of clients that are open.
    pub open_connections: Gauge,
    /// Connections to others that are in use.
    pub outbound_in_use: Gauge,
    /// Connections to PostgreSQL that are open.
    pub database_connections: Gauge,
    process: process::Gauges,
}

/// The numbers of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);
    &METRICS
}

/// The numbers as text.
pub fn encode() -> String {
    let metrics = metrics();
    metrics.process.update();
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &metrics.book.registry);
    text
}

/// Every number: its name without the endings `_total`, `_count`, `_sum` and `_bucket`, and what it
/// means.
pub fn described() -> &'static [(&'static str, &'static str)] {
    &metrics().book.entries
}

fn coarse() -> Histogram {
    Histogram::new(COARSE)
}

fn fine() -> Histogram {
    Histogram::new(FINE)
}

/// A number for each kind of a unit of work. These are the hottest, so none is looked up by label.
#[derive(Debug)]
struct ByKind<M> {
    family: Family<KindLabels, M>,
    each: [M; 2],
}

impl<M: Clone> ByKind<M> {
    fn of(family: Family<KindLabels, M>) -> Self {
        let each = ["read", "write"].map(|kind| family.get_or_create_owned(&KindLabels { kind }));
        Self { family, each }
    }
}

impl Metrics {
    fn new() -> Self {
        let mut book = Book::default();
        let mut these = Self {
            logins_begun: Counter::default(),
            logins: Family::default(),
            token_refusals: Family::default(),
            hops: Family::new_with_constructor(coarse),
            calls: Family::new_with_constructor(coarse),
            call_errors: Family::default(),
            units: ByKind::of(Family::new_with_constructor(fine)),
            queued: ByKind::of(Family::new_with_constructor(fine)),
            in_flight: ByKind::of(Family::default()),
            unit_errors: Family::default(),
            batch: Histogram::new(UNITS),
            deliveries: Family::default(),
            requests: Family::default(),
            crowded: Counter::default(),
            panics: Counter::default(),
            sweep_failures: Counter::default(),
            spans_dropped: Counter::default(),
            certificate_expiry: Gauge::default(),
            open_connections: Gauge::default(),
            outbound_in_use: Gauge::default(),
            database_connections: Gauge::default(),
            process: process::Gauges::register(&mut book),
            book,
        };
        these.register_logins();
        these.register_database();
        these.register_the_rest();
        these
    }

    fn register_logins(&mut self) {
        let to = &mut self.book;
        let help = "Logins that were sent to an identity provider";
        to.register("vestibule_logins_begun", help, self.logins_begun.clone());
        let help = "Logins that ended, by outcome, who has to act, and the failure code";
        to.register("vestibule_logins", help, self.logins.clone());
        let help = "Codes that were refused at the token endpoint, by reason";
        to.register("vestibule_token_refusals", help, self.token_refusals.clone());
        let help = "How long the requests of a login took, in seconds";
        to.register("vestibule_login_hop_seconds", help, self.hops.clone());
        let help = "How long requests to others took, in seconds";
        to.register("vestibule_outbound_seconds", help, self.calls.clone());
        let help = "Requests to others that came to nothing, by class of error";
        to.register("vestibule_outbound_errors", help, self.call_errors.clone());
        let help = "Requests to others that are under way";
        to.register("vestibule_outbound_in_flight", help, self.outbound_in_use.clone());
        let help = "Attempts to deliver a webhook";
        to.register("vestibule_webhook_deliveries", help, self.deliveries.clone());
    }

    fn register_database(&mut self) {
        let to = &mut self.book;
        let help = "How long units of work took, waiting and commit included, in seconds";
        to.register("vestibule_db_unit_seconds", help, self.units.family.clone());
        let help = "How long units of work waited for a connection, in seconds";
        to.register("vestibule_db_queue_seconds", help, self.queued.family.clone());
        let help = "Units of work that wait or run";
        to.register("vestibule_db_units_in_flight", help, self.in_flight.family.clone());
        let help = "Units of work that failed for a reason of the database's or of ours";
        to.register("vestibule_db_errors", help, self.unit_errors.clone());
        let help = "How many units of work shared a commit";
        to.register("vestibule_db_batch_units", help, self.batch.clone());
        let help = "Open connections to PostgreSQL; 0 with SQLite";
        to.register("vestibule_db_connections", help, self.database_connections.clone());
    }

    fn register_the_rest(&mut self) {
        let to = &mut self.book;
        let help = "Requests that were answered, by route and class of status";
        to.register("vestibule_http_requests", help, self.requests.clone());
        let help = "Open connections of clients";
        to.register("vestibule_http_connections", help, self.open_connections.clone());
        let help = "Connections that found no place free: another one was closed, or they were";
        to.register("vestibule_http_crowded", help, self.crowded.clone());
        let help = "Panics: each is a fault of ours, and ended nothing but what it was in";
        to.register("vestibule_panics", help, self.panics.clone());
        let help = "Sweeps in the background that were not finished";
        to.register("vestibule_sweep_failures", help, self.sweep_failures.clone());
        let help = "Spans of traces that could not be handed to their collector";
        to.register("vestibule_spans_dropped", help, self.spans_dropped.clone());
        let help = "When the TLS certificate in use ends, as Unix seconds; 0 without TLS";
        to.register("vestibule_tls_certificate_expiry", help, self.certificate_expiry.clone());
        let build = Family::<BuildLabels, Gauge>::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        to.register("vestibule_build_info", "The version of the program", build);
    }

    /// A login was sent to its identity provider.
    pub fn login_began(&self) {
        self.logins_begun.inc();
    }

    /// Logins ended.
    pub fn logins_ended(&self, end: LoginEnd, count: u64) {
        let (outcome, failure) = match end {
            LoginEnd::Succeeded => ("succeeded", None),
            LoginEnd::Failed(code) => ("failed", Some(code)),
            LoginEnd::TimedOut => ("timed_out", Some(FailureCode::TimedOut)),
        };
        let labels = LoginLabels {
            outcome,
            owner: failure.map_or("", |code| owner(code.owner())),
            code: failure.map_or("", FailureCode::as_str),
        };
        self.logins.get_or_create(&labels).inc_by(count);
    }

    /// A code was refused at the token endpoint.
    pub fn token_refused(&self, reason: &'static str) {
        self.token_refusals.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// A request was answered. `route` is a template of the router's, or empty.
    pub fn answered(&self, route: &str, status: u16, took: Duration) {
        let status = match status {
            0..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&RequestLabels { route: route.to_owned(), status }).inc();
        if let Some(hop) = Hop::of_route(route) {
            let labels = HopLabels { hop: hop.as_str() };
            self.hops.get_or_create(&labels).observe(took.as_secs_f64());
        }
    }

    /// A request to somebody else ended; `class` is that of its error.
    pub fn called(&self, call: Call, took: Duration, class: Option<&'static str>) {
        let call = call.as_str();
        self.calls.get_or_create(&CallLabels { call }).observe(took.as_secs_f64());
        if let Some(class) = class {
            self.call_errors.get_or_create(&CallErrorLabels { call, class }).inc();
        }
    }

    /// A unit of work was handed to the database.
    pub fn unit_began(&self, kind: Kind) {
        self.in_flight.each[kind as usize].inc();
    }

    /// A unit of work is at its turn.
    pub fn unit_waited(&self, kind: Kind, waited: Duration) {
        self.queued.each[kind as usize].observe(waited.as_secs_f64());
    }

    /// A unit of work is over, or nobody waits for it any more.
    pub fn unit_ended(&self, kind: Kind, took: Duration) {
        self.in_flight.each[kind as usize].dec();
        self.units.each[kind as usize].observe(took.as_secs_f64());
    }

    /// A unit of work failed, and not because of what it was asked.
    pub fn unit_failed(&self, reason: &'static str) {
        self.unit_errors.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// So many units of work shared a commit.
    pub fn committed(&self, units: usize) {
        self.batch.observe(units as f64);
    }

    /// A webhook was sent, or was not.
    pub fn delivered(&self, ok: bool) {
        let outcome = if ok { "delivered" } else { "failed" };
        self.deliveries.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// A connection came when all places were taken.
    pub fn crowded(&self) {
        self.crowded.inc();
    }

    /// Something panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// A sweep in the background was not finished.
    pub fn sweep_failed(&self) {
        self.sweep_failures.inc();
    }

    /// Spans of traces were not handed over.
    pub fn spans_dropped(&self, count: u64) {
        self.spans_dropped.inc_by(count);
    }

    /// The certificate in use ends at this moment, in Unix seconds.
    pub fn certificate_ends(&self, at_s: i64) {
        self.certificate_expiry.set(at_s);
    }
}

/// The word for who has to act.
pub fn owner(owner: Owner) -> &'static str {
    match owner {
        Owner::CustomerIt => "customer_it",
        Owner::Developer => "developer",
        Owner::Operator => "operator",
        Owner::Person => "person",
    }
}
