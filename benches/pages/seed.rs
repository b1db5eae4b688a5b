//! A large installation, the same each time: one huge organization, a tail of smaller and smaller
//! ones. What is many is inserted in bulk, what is few is made by the operations themselves.

use vestibule::db::{Cell, Db};
use vestibule::seal::Place;
use vestibule::sso::sweep;

use crate::bulk::{self, chance, hash, id, or_null, row};
use crate::support::World;
use crate::{few, logins};

/// The names of the organizations that are looked at.
pub const HUGE: &str = "Huge Holdings";
/// See [`HUGE`].
pub const SMALL: &str = "Small & Sons";
/// A day, in milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How many connections the huge organization has; the others have one, the last none.
const HUGE_CONNECTIONS: u64 = 40;
/// How many domains it has: as many as it may.
const HUGE_DOMAINS: u64 = 200;
/// How many groups its first connection has.
const HUGE_GROUPS: u64 = 300;
/// Which part of all logins goes through that connection.
pub const HUGE_SHARE: f64 = 0.2;
/// How many logins a person has, in the 30 days.
const LOGINS_OF_A_PERSON: f64 = 5.0;

/// What is where.
pub struct Shape {
    pub environment_id: String,
    pub sessions: u64,
    pub now_ms: i64,
    /// As many as there are connections.
    pub organizations: u64,
    /// The ids of the roles of the environment.
    roles: Vec<String>,
}

impl Shape {
    /// The organizations came one after the other, from 400 days ago until 40 days ago.
    fn born_ms(&self, n: u64) -> i64 {
        let share = n as f64 / self.organizations as f64;
        self.now_ms - 400 * DAY_MS + (share * 360.0 * DAY_MS as f64) as i64
    }

    pub fn organization_id(&self, n: u64) -> String {
        id("org_", self.born_ms(n), n)
    }

    pub fn connection_id(&self, n: u64) -> String {
        id("conn_", self.born_ms(n) + 60_000, n)
    }

    /// The organization of a connection.
    pub fn owner(&self, connection: u64) -> u64 {
        connection.saturating_sub(HUGE_CONNECTIONS.min(self.organizations / 4) - 1)
    }

    pub fn domain(&self, organization: u64) -> String {
        format!("company-{organization}.example")
    }

    fn organization_name(&self, n: u64) -> String {
        let kinds = ["Industries", "Group", "Partners", "Labs", "GmbH", "& Co."];
        match n {
            0 => HUGE.to_owned(),
            _ if n == self.owner(self.organizations - 1) => SMALL.to_owned(),
            _ => format!("Company {n} {}", kinds[(chance(n) % 6) as usize]),
        }
    }

    /// How many people sign in through a connection.
    pub fn people(&self, connection: u64) -> u64 {
        let all = self.sessions as f64;
        let share = |n: u64| (n as f64 / self.organizations as f64).sqrt();
        let logins = match connection {
            0 => all * HUGE_SHARE,
            n => all * (1.0 - HUGE_SHARE) * (share(n + 1) - share(n)),
        };
        ((logins / LOGINS_OF_A_PERSON) as u64).max(1)
    }

    pub fn profile_id(&self, connection: u64, person: u64) -> String {
        let at = self.born_ms(connection) + 120_000 + person as i64 * 1_000;
        id("prof_", at, (connection << 24) | person)
    }

    pub fn email(&self, connection: u64, person: u64) -> String {
        let givens = ["ada", "grace", "alan", "edsger", "barbara", "donald", "radia", "ken"];
        let given = givens[(chance(person) % 8) as usize];
        format!("{given}.{person}@{}", self.domain(self.owner(connection)))
    }
}

/// Fills the installation, unless an earlier run did.
pub async fn fill(world: &World, sessions: u64) {
    let db = &world.app().db;
    let marker = "SELECT name FROM installation WHERE name = 'filled_by_a_bench'";
    if !bulk::texts(db, marker, &[]).await.is_empty() {
        return;
    }
    let samples = logins::Samples::take(world).await;
    few::fill(world).await;
    let environment_id = world.demo.seeded.environment_id.to_string();
    let roles = "SELECT id FROM roles WHERE environment_id = $1 ORDER BY priority LIMIT 50";
    let shape = Shape {
        roles: bulk::texts(db, roles, &[&environment_id]).await,
        environment_id,
        sessions,
        now_ms: world.clock.now().as_ms(),
        organizations: (sessions / 100).max(200),
    };
    organizations(db, &shape).await;
    domains(db, &shape).await;
    connections(world, &shape, &samples).await;
    groups(db, &shape).await;
    profiles(db, &shape, &samples).await;
    setup_links(db, &shape).await;
    few::fill_huge(world, &shape.organization_id(0)).await;
    logins::attempts(db, &shape, &samples).await;
    logins::events(db, &shape, &samples).await;
    logins::audit(db, &shape).await;
    deliveries(db, &shape).await;
    // As the background of a running service has done.
    sweep::take_stock(world.app()).await.expect("logins are counted");
    if let Some(url) = world.db.url() {
        let client = crate::support::postgres::connect(url).await;
        client.batch_execute("VACUUM (ANALYZE)").await.expect("as autovacuum does");
    }
    let columns = "name, value";
    let marker = [row!["filled_by_a_bench", Cell::Bytes(Vec::new())]];
    bulk::insert(db, "installation", columns, marker.into_iter()).await;
}

/// How many rows the larger tables have.
pub async fn counts(world: &World) -> String {
    let tables = [
        "organizations",
        "organization_domains",
        "connections",
        "connection_groups",
        "profiles",
        "sso_sessions",
        "events",
        "audit_entries",
        "setup_links",
        "webhook_deliveries",
    ];
    let mut counts = Vec::new();
    for table in tables {
        let sql = format!("SELECT CAST(count(*) AS TEXT) FROM {table}");
        let count = bulk::texts(&world.app().db, &sql, &[]).await.pop().unwrap_or_default();
        counts.push(format!("{count} {table}"));
    }
    counts.join(", ")
}

/// What a busy endpoint was sent in the 30 days.
async fn deliveries(db: &Db, shape: &Shape) {
    let oldest = "SELECT id FROM webhook_endpoints ORDER BY id LIMIT 1";
    let endpoint = bulk::texts(db, oldest, &[]).await.pop().expect("an endpoint");
    let count = shape.sessions / 10;
    let rows = (0..count).map(|n| {
        let share = n as f64 / count as f64;
        let at = shape.now_ms - 30 * DAY_MS + (share * 30.0 * DAY_MS as f64) as i64;
        row![
            id("webhook_delivery_", at, n),
            shape.environment_id.as_str(),
            endpoint.as_str(),
            id("event_", at, n),
            "authentication.sso_failed",
            "delivered",
            1_i64,
            200_i64,
            at,
            at,
        ]
    });
    let columns = "id, environment_id, webhook_endpoint_id, event_id, event_name, state, attempts, \
                   response_status, created_at, updated_at";
    bulk::insert(db, "webhook_deliveries", columns, rows).await;
}

async fn organizations(db: &Db, shape: &Shape) {
    let rows = (0..shape.organizations).map(|n| {
        let at = shape.born_ms(n);
        row![
            shape.organization_id(n),
            shape.environment_id.as_str(),
            shape.organization_name(n),
            or_null((n % 2 == 0).then(|| format!("tenant-{n}"))),
            r#"{"plan":"enterprise","region":"eu-central-1"}"#,
            0_i64,
            at,
            at,
        ]
    });
    let columns = "id, environment_id, name, external_id, metadata, \
                   allow_profiles_outside_organization, created_at, updated_at";
    bulk::insert(db, "organizations", columns, rows).await;
}

async fn domains(db: &Db, shape: &Shape) {
    let of_huge = (1..HUGE_DOMAINS).map(|n| (0, format!("brand-{n}.huge-holdings.example")));
    let all = (0..shape.organizations).map(|n| (n, shape.domain(n)));
    let rows = of_huge.chain(all).enumerate().map(|(n, (organization, domain))| {
        let at = shape.born_ms(organization) + 30_000;
        let state = if n % 20 == 19 { "failed" } else { "verified" };
        row![
            id("org_domain_", at, n as u64),
            shape.environment_id.as_str(),
            shape.organization_id(organization),
            domain,
            state,
            "dns",
            "vestibule-domain-verification",
            id("", at, n as u64),
            at,
            at,
        ]
    });
    let columns = "id, environment_id, organization_id, domain, state, verification_strategy, \
                   verification_prefix, verification_token, created_at, updated_at";
    bulk::insert(db, "organization_domains", columns, rows).await;
}

async fn connections(world: &World, shape: &Shape, samples: &logins::Samples) {
    let sealer = world.app().sealer.clone();
    let rows = (0..shape.organizations).map(|n| {
        let id = shape.connection_id(n);
        let place = Place {
            table: "connections",
            row: &id,
            column: "client_secret",
            environment: &shape.environment_id,
        };
        let secret = sealer.seal(place, b"a client secret of forty characters, or so");
        let at = shape.born_ms(n) + 60_000;
        let state = match n % 50 {
            48 => "inactive",
            49 => "validating",
            _ => "active",
        };
        row![
            id.as_str(),
            shape.environment_id.as_str(),
            shape.organization_id(shape.owner(n)),
            "OktaOIDC",
            format!("Okta of company {n}"),
            state,
            format!("{:025}", chance(n)),
            3_i64,
            samples.settings.as_str(),
            Cell::Bytes(secret.expect("a sealed secret")),
            samples.policy.as_str(),
            at,
            at,
        ]
    });
    let columns = "id, environment_id, organization_id, connection_type, name, state, external_key, \
                   version, settings, client_secret_sealed, policy, created_at, updated_at";
    bulk::insert(&world.app().db, "connections", columns, rows).await;
}

async fn groups(db: &Db, shape: &Shape) {
    let of_huge = (0..HUGE_GROUPS).map(|n| (0, n));
    let of_others =
        (1..shape.organizations).flat_map(|of| (0..chance(of) % 5).map(move |n| (of, n)));
    let rows = of_huge.chain(of_others).map(|(connection, n)| {
        let at = shape.born_ms(connection) + 90_000;
        row![
            id("conn_group_", at, (connection << 16) | n),
            shape.environment_id.as_str(),
            shape.connection_id(connection),
            format!("app-role-{n}"),
            or_null((n % 2 == 0).then(|| format!("People of team {n}"))),
            shape.roles[(n % shape.roles.len() as u64) as usize].as_str(),
            at,
            at,
        ]
    });
    let columns =
        "id, environment_id, connection_id, idp_id, name, role_id, created_at, updated_at";
    bulk::insert(db, "connection_groups", columns, rows).await;
}

async fn profiles(db: &Db, shape: &Shape, samples: &logins::Samples) {
    let all = (0..shape.organizations).flat_map(|of| (0..shape.people(of)).map(move |n| (of, n)));
    let rows = all.map(|(connection, person)| {
        let at = shape.born_ms(connection) + 120_000;
        let email = shape.email(connection, person);
        row![
            shape.profile_id(connection, person),
            shape.environment_id.as_str(),
            shape.organization_id(shape.owner(connection)),
            shape.connection_id(connection),
            "OktaOIDC",
            format!("00u{:017}", chance((connection << 24) | person) >> 8),
            email,
            "Ada",
            "Lovelace",
            "Ada Lovelace",
            samples.roles.as_str(),
            r#"["Everyone","Engineering"]"#,
            "{}",
            samples.claims.as_str(),
            at,
            at,
        ]
    });
    let columns = "id, environment_id, organization_id, connection_id, connection_type, idp_id, \
                   email, first_name, last_name, name, roles, groups, custom_attributes, \
                   raw_attributes, created_at, updated_at";
    bulk::insert(db, "profiles", columns, rows).await;
}

/// Every third organization was sent a link; the huge one had 400 that are over.
async fn setup_links(db: &Db, shape: &Shape) {
    let of_huge = (0..400).map(|n| (0, n));
    let of_others = (1..shape.organizations).filter(|n| n % 3 == 0).map(|n| (n, 0));
    let rows = of_huge.chain(of_others).map(|(organization, n)| {
        let at = shape.born_ms(organization) + 45_000 + n as i64 * 60_000;
        let key = (organization << 16) | n;
        row![
            id("setup_link_", at, key),
            shape.environment_id.as_str(),
            shape.organization_id(organization),
            Cell::Bytes(hash(key ^ 0x5e7)),
            "dashboard",
            r#"["sso","domain_verification"]"#,
            "[]",
            2_i64,
            1_i64,
            at + 30 * DAY_MS,
            at + DAY_MS,
            at,
        ]
    });
    let columns = "id, environment_id, organization_id, token_hash, kind, features, recipients, \
                   opened_count, begun_count, expires_at, finished_at, created_at";
    bulk::insert(db, "setup_links", columns, rows).await;
}
