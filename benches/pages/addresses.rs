//! Every page that the dashboard has, with what it can be asked for.
//!
//! The paths are read from the source. A parameter that is not known here ends the run, so that a new
//! page is seen to.

use vestibule::base::Caller;
use vestibule::base::time::Timestamp;
use vestibule::db::{Cell, Db, Tx};
use vestibule::model::administrator::link;
use vestibule::model::sso_session::first_id;

use crate::bulk::{self, hash, row};
use crate::seed::{DAY_MS, HUGE, SMALL};
use crate::support::World;
use crate::support::routes;

/// One thing to ask for.
pub struct Address {
    /// The route, as the source has it.
    pub route: String,
    /// What is special about it.
    pub label: String,
    /// Path and query.
    pub path: String,
    /// Whether it is of the API, which the dashboard's lists share their queries with.
    pub is_api: bool,
}

/// Whose pages.
struct Whose {
    label: &'static str,
    organization_id: String,
    connection_id: String,
}

/// What there is to fill paths and queries with.
struct Known<'a> {
    db: &'a Db,
    environment_id: String,
    whose: [Whose; 2],
    now_ms: i64,
}

/// All of them.
pub async fn all(world: &World) -> Vec<Address> {
    let db = &world.app().db;
    let environment_id = world.demo.seeded.environment_id.to_string();
    let known = Known {
        db,
        environment_id,
        whose: [whose(db, "huge", HUGE).await, whose(db, "small", SMALL).await],
        now_ms: world.clock.now().as_ms(),
    };
    passkey(db).await;
    let mut all = Vec::new();
    for route in routes::of("dashboard").into_iter().filter(|route| route.method == "GET") {
        known.variants(&route.path, &mut all).await;
    }
    entrances(world, &mut all).await;
    for whose in &known.whose {
        for end in ["", "&order=asc", "&status=timed_out", "&status=test_failed", "&email=no@x.y"] {
            all.push(Address {
                route: "/sso_sessions (API)".to_owned(),
                label: format!("{} organization{end}", whose.label),
                path: format!("/sso_sessions?organization_id={}{end}", whose.organization_id),
                is_api: true,
            });
        }
    }
    all
}

async fn whose(db: &Db, label: &'static str, name: &str) -> Whose {
    let sql = "SELECT id FROM organizations WHERE name = $1";
    let organization_id = bulk::texts(db, sql, &[name]).await.pop().expect("an organization");
    let sql = "SELECT id FROM connections WHERE organization_id = $1 ORDER BY id DESC";
    let connection_id = bulk::texts(db, sql, &[&organization_id]).await.pop();
    Whose { label, organization_id, connection_id: connection_id.expect("a connection") }
}

/// A passkey of the administrator who looks.
async fn passkey(db: &Db) {
    let newest = "SELECT id FROM administrators ORDER BY id DESC LIMIT 1";
    let newest = bulk::texts(db, newest, &[]).await.pop().expect("an administrator");
    let (key, now) = (vestibule::base::secret::random_bytes::<8>(), 1_i64);
    let n = u64::from_be_bytes(key);
    let row = row![
        bulk::id("passkey_", now, n),
        newest,
        "A key",
        Cell::Bytes(hash(n)),
        Cell::Bytes(hash(n)),
        -7_i64,
        0_i64,
        now,
    ];
    let columns = "id, administrator_id, name, credential_id, public_key, algorithm, sign_count, \
                   created_at";
    bulk::insert(db, "administrator_passkeys", columns, [row].into_iter()).await;
}

/// The pages that a link of ours opens.
async fn entrances(world: &World, all: &mut Vec<Address>) {
    let unit = async |tx: &mut Tx| {
        let role = vestibule::model::administrator::Role::Support;
        let invited = link::invite(tx, "bench@staff.example", role).await?;
        let lost = link::recover(tx, "administrator-1@staff.example").await?;
        Ok([invited, lost].map(|(link, token)| (link.kind.path(), token)))
    };
    let made = world.app().db.write(&Caller::anonymous(), unit).await;
    for (path, token) in made.unwrap_or_else(|error| panic!("{}", error.chain())) {
        all.push(Address {
            route: path.trim_start_matches("/dashboard").to_owned(),
            label: "by its link".to_owned(),
            path: format!("{path}?token={}", token.expose()),
            is_api: false,
        });
    }
}

impl Known<'_> {
    async fn one(&self, sql: &str, params: &[&str]) -> Option<String> {
        bulk::texts(self.db, sql, params).await.pop()
    }

    /// The id of the row in the middle of a table.
    async fn middle(&self, table: &str) -> String {
        let sql = format!(
            "SELECT id FROM {table} ORDER BY id LIMIT 1 OFFSET (SELECT count(*) / 2 FROM {table})"
        );
        self.one(&sql, &[]).await.unwrap_or_else(|| panic!("no {table}"))
    }

    /// All that this route can be asked for.
    async fn variants(&self, route: &str, all: &mut Vec<Address>) {
        let of_one = route.contains("{organization_id}") || route.contains("{connection_id}");
        for whose in self.whose.iter().take(if of_one { 2 } else { 1 }) {
            // The small organization does not have everything.
            let Some(path) = self.fill(route, whose).await else { continue };
            for (label, query) in self.queries(route, whose).await {
                let mark = if query.is_empty() { "" } else { "?" };
                let of = if of_one { whose.label } else { "" };
                let label = format!("{of} {label}").trim().to_owned();
                let path = format!("/dashboard{path}{mark}{query}");
                let path = path.trim_end_matches('/').to_owned();
                all.push(Address { route: route.to_owned(), label, path, is_api: false });
            }
        }
    }

    /// The path with all parameters filled in.
    async fn fill(&self, route: &str, whose: &Whose) -> Option<String> {
        let mut path = String::new();
        for segment in route.split('/').skip(1) {
            path.push('/');
            match segment.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
                Some(name) => path.push_str(&self.parameter(name, route, whose).await?),
                None => path.push_str(segment),
            }
        }
        Some(path)
    }

    async fn parameter(&self, name: &str, route: &str, whose: &Whose) -> Option<String> {
        let of_organization = [whose.organization_id.as_str()];
        let of_connection = [whose.connection_id.as_str()];
        let (sql, params): (&str, &[&str]) = match name {
            "environment_id" => return Some(self.environment_id.clone()),
            "organization_id" => return Some(whose.organization_id.clone()),
            "connection_id" => return Some(whose.connection_id.clone()),
            "session_id" if route.contains("/test/") => (
                "SELECT id FROM sso_sessions WHERE connection_id = $1 AND test_result IS NOT NULL
                 LIMIT 1",
                &of_connection,
            ),
            "session_id" => (
                "SELECT id FROM sso_sessions WHERE connection_id = $1 AND status = 'success' LIMIT 1",
                &of_connection,
            ),
            "group_id" => (
                "SELECT id FROM connection_groups WHERE connection_id = $1 LIMIT 1",
                &of_connection,
            ),
            "domain_id" => (
                "SELECT id FROM organization_domains WHERE organization_id = $1 LIMIT 1",
                &of_organization,
            ),
            "link_id" => (
                "SELECT id FROM setup_links WHERE organization_id = $1 ORDER BY id DESC LIMIT 1",
                &of_organization,
            ),
            "slug" if route.contains("/permissions/") => {
                ("SELECT slug FROM permissions LIMIT 1", &[])
            }
            "slug" if route.contains("/organizations/") => {
                ("SELECT slug FROM roles WHERE organization_id = $1 LIMIT 1", &of_organization)
            }
            "slug" => ("SELECT slug FROM roles WHERE slug = 'team-3'", &[]),
            "id" => (by_id(route), &[]),
            _ => panic!("{route}: what is {{{name}}}? See benches/pages/addresses.rs"),
        };
        self.one(sql, params).await
    }

    /// What is special, and the query.
    async fn queries(&self, route: &str, whose: &Whose) -> Vec<(String, String)> {
        let list: &[(&str, &str)] = &[("first", ""), ("last", "last=1")];
        match route {
            "/audit" => self.paged("audit_entries", &[]).await,
            "/{environment_id}/api-keys" => self.paged("api_keys", &[]).await,
            "/{environment_id}/redirects" => self.paged("redirect_uris", &[]).await,
            "/{environment_id}/organizations" => self.paged("organizations", SEARCHES).await,
            "/{environment_id}/webhooks" => owned(list),
            "/{environment_id}/webhooks/{id}" => self.paged("webhook_deliveries", &[]).await,
            "/{environment_id}/events" => self.events().await,
            "/{environment_id}/sessions" => self.sessions(whose).await,
            "/{environment_id}/connections/{connection_id}/sessions" => self.sessions(whose).await,
            "/{environment_id}/connections/{connection_id}" => owned(list),
            "/{environment_id}/overview" => owned(&[
                ("24 hours", "range=24h"),
                ("7 days", ""),
                ("30 days", "range=30d"),
                ("90 days", "range=90d"),
            ]),
            _ => owned(&[("", "")]),
        }
    }

    /// The pages of a list, and the same with these filters.
    async fn paged(&self, table: &str, filters: &[(&str, &str)]) -> Vec<(String, String)> {
        let middle = self.middle(table).await;
        let mut all = owned(&[("first", ""), ("last", "last=1")]);
        all.push(("middle, on".to_owned(), format!("after={middle}")));
        all.push(("middle, back".to_owned(), format!("before={middle}")));
        for (label, filter) in filters {
            all.push(((*label).to_owned(), (*filter).to_owned()));
            all.push((format!("{label}, last"), format!("{filter}&last=1")));
        }
        all
    }

    fn day(&self, days_ago: i64) -> String {
        Timestamp::from_ms(self.now_ms - days_ago * DAY_MS).to_string()[..10].to_owned()
    }

    /// Spans of days.
    fn spans(&self) -> Vec<(String, String)> {
        let (recent, old, day) = (self.day(2), self.day(28), self.day(14));
        vec![
            ("one day".to_owned(), format!("from={day}&until={day}")),
            ("since".to_owned(), format!("from={recent}")),
            ("until".to_owned(), format!("until={old}")),
            ("long ago".to_owned(), "until=2020-01-31".to_owned()),
            ("to come".to_owned(), format!("from={}", self.day(-9))),
        ]
    }

    async fn events(&self) -> Vec<(String, String)> {
        let mut all = self.paged("events", &[]).await;
        let mut filters = owned(&[
            ("frequent", "event=authentication.sso_succeeded"),
            ("rarer", "event=authentication.sso_timed_out"),
            ("rare", "event=connection.deactivated"),
            ("never", "event=permission.deleted"),
        ]);
        for whose in &self.whose {
            let of = format!("organization={}", whose.organization_id);
            filters.push((format!("{} organization", whose.label), of.clone()));
            let both = format!("{of}&event=authentication.sso_failed");
            filters.push((format!("{} organization, failed", whose.label), both));
            let rare = format!("{of}&event=connection.deactivated");
            filters.push((format!("{} organization, rare", whose.label), rare));
        }
        let unknown = "organization=org_01JZZZZZZZZZZZZZZZZZZZZZZZ";
        filters.push(("unknown organization".to_owned(), unknown.to_owned()));
        filters.extend(self.spans());
        for (label, span) in self.spans() {
            let both = format!("event=authentication.sso_failed&{span}");
            filters.push((format!("failed, {label}"), both));
            let both = format!("event=connection.deactivated&{span}");
            filters.push((format!("rare, {label}"), both));
        }
        with_last(&mut all, &filters);
        all
    }

    async fn sessions(&self, whose: &Whose) -> Vec<(String, String)> {
        let middle = first_id(Timestamp::from_ms(self.now_ms - 15 * DAY_MS));
        let mut all = owned(&[("first", ""), ("last", "last=1")]);
        all.push(("middle, on".to_owned(), format!("after={middle}")));
        all.push(("middle, back".to_owned(), format!("before={middle}")));
        let id = self.middle("sso_sessions").await;
        all.push(("by its number".to_owned(), format!("session={id}")));
        let statuses =
            ["in_progress", "success", "failed", "timed_out", "test_successful", "test_failed"];
        let origins = ["application", "identity_provider", "dashboard_test", "portal_test"];
        let mut filters: Vec<(String, String)> = Vec::new();
        filters.extend(statuses.map(|word| (word.to_owned(), format!("status={word}"))));
        filters.extend(origins.map(|word| (word.to_owned(), format!("origin={word}"))));
        let sql = "SELECT email FROM sso_sessions WHERE connection_id = $1 AND email IS NOT NULL
                   ORDER BY id LIMIT 1";
        let email = self.one(sql, &[&whose.connection_id]).await.unwrap_or_default();
        for (label, email) in [("e-mail", email.as_str()), ("unknown e-mail", "nobody@no.example")]
        {
            filters.push((label.to_owned(), format!("email={email}")));
            for status in ["success", "failed", "in_progress", "test_failed"] {
                let both = format!("email={email}&status={status}");
                filters.push((format!("{label}, {status}"), both));
            }
        }
        for (label, span) in self.spans() {
            for status in ["success", "failed", "timed_out", "test_failed"] {
                let both = format!("{span}&status={status}");
                filters.push((format!("{label}, {status}"), both));
            }
            let both = format!("{span}&email={email}");
            filters.push((format!("{label}, e-mail"), both));
            filters.push((label, span));
        }
        let none = "status=test_failed&origin=application";
        filters.push(("what cannot be".to_owned(), none.to_owned()));
        let none = "status=failed&origin=portal_test";
        filters.push(("what cannot be either".to_owned(), none.to_owned()));
        let some = "status=failed&origin=identity_provider";
        filters.push(("failed, identity_provider".to_owned(), some.to_owned()));
        with_last(&mut all, &filters);
        all
    }
}

/// Texts that organizations are searched for.
const SEARCHES: &[(&str, &str)] = &[
    ("search for many", "search=company"),
    ("search for one", "search=Company+4321"),
    ("search for a domain", "search=brand-77.huge-holdings.example"),
    ("search for an external id", "search=tenant-1234"),
    ("search for nothing", "search=nobody+is+called+so"),
    ("search for signs", "search=%25_%21"),
];

/// How the thing with a plain `id` in this route is found.
fn by_id(route: &str) -> &'static str {
    let tables = [
        ("/api-keys/", "SELECT id FROM api_keys WHERE revoked_at IS NULL LIMIT 1"),
        ("/redirects/", "SELECT id FROM redirect_uris LIMIT 1"),
        ("/webhooks/", "SELECT id FROM webhook_endpoints ORDER BY id LIMIT 1"),
        ("/events/", "SELECT id FROM events ORDER BY id DESC LIMIT 1"),
        ("/team/", "SELECT id FROM administrators ORDER BY id LIMIT 1"),
        (
            "/passkeys/",
            "SELECT id FROM administrator_passkeys
             WHERE administrator_id = (SELECT max(id) FROM administrators) LIMIT 1",
        ),
    ];
    let found = tables.iter().find(|(part, _)| route.contains(part));
    found.unwrap_or_else(|| panic!("{route}: whose id? See benches/pages/addresses.rs")).1
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(label, query)| ((*label).to_owned(), (*query).to_owned())).collect()
}

/// Adds the first and the last page of each.
fn with_last(all: &mut Vec<(String, String)>, filters: &[(String, String)]) {
    for (label, query) in filters {
        all.push((label.clone(), query.clone()));
        all.push((format!("{label}, last"), format!("{query}&last=1")));
    }
}
