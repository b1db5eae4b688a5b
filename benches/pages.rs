//! How fast the pages of the dashboard are over a large installation: `cargo bench --bench pages`.
//!
//! Fills a database with 10,000 organizations, 10,000 connections, 1,000,000 login attempts and what
//! belongs to them, starts the service on it, and asks for every page that the dashboard has, as the
//! source of its routes names them: lists on their first, a middle and their last page, with each
//! filter, of a small and of a huge organization. What is measured is what a client on loopback
//! waits for, connecting included; the promise is 50 ms at the median and 100 kB with everything that
//! the page loads (`docs/reference/page-speed.md`).
//!
//! Words behind `--` change what is done:
//!
//! - `sqlite`, `postgres`: only this engine; `postgres://…`: this database, which is kept
//! - `sessions=20000`: so many attempts, and the rest in proportion
//! - `folder=DIR`: the keys, and the file of SQLite, are kept there and used again
//! - `runs=30`: how often each page is asked for
//! - `only=sessions`: pages whose address has this text in it

#[allow(unused_imports, unused_macros, reason = "the tests use the rest")]
#[path = "../tests/support/mod.rs"]
mod support;

#[path = "pages/addresses.rs"]
mod addresses;
#[path = "pages/bulk.rs"]
mod bulk;
#[path = "pages/few.rs"]
mod few;
#[path = "pages/logins.rs"]
mod logins;
#[path = "pages/report.rs"]
mod report;
#[path = "pages/seed.rs"]
mod seed;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use addresses::Address;
use report::Line;
use support::http::{Browser, Request};
use support::postgres::{Durability, Server};
use support::{Folder, TestDb, World};
use vestibule::db::Location;
use vestibule::model::administrator::Role;

/// How often a page is asked for before it is measured.
const WARM_UP: usize = 2;

/// What the words of the command line ask for.
struct Options {
    engines: Vec<Engine>,
    sessions: u64,
    folder: Option<PathBuf>,
    runs: usize,
    only: Option<String>,
}

enum Engine {
    Sqlite,
    Postgres,
    Url(String),
}

impl Options {
    fn read() -> Self {
        let mut options =
            Self { engines: Vec::new(), sessions: 1_000_000, folder: None, runs: 15, only: None };
        // Cargo adds `--bench`.
        for word in std::env::args().skip(1).filter(|word| word != "--bench") {
            match (word.as_str(), word.split_once('=')) {
                ("sqlite", _) => options.engines.push(Engine::Sqlite),
                ("postgres", _) => options.engines.push(Engine::Postgres),
                (url, _) if url.starts_with("postgres://") => {
                    options.engines.push(Engine::Url(word));
                }
                (_, Some(("sessions", n))) => options.sessions = n.parse().expect("a number"),
                (_, Some(("runs", n))) => options.runs = n.parse().expect("a number"),
                (_, Some(("folder", path))) => options.folder = Some(path.into()),
                (_, Some(("only", text))) => options.only = Some(text.to_owned()),
                _ => panic!("what is {word}? See benches/pages.rs"),
            }
        }
        if options.engines.is_empty() {
            options.engines = vec![Engine::Sqlite, Engine::Postgres];
        }
        options
    }

    fn folder(&self) -> Folder {
        self.folder.as_deref().map_or_else(Folder::new, Folder::kept)
    }
}

#[tokio::main]
async fn main() {
    let options = Options::read();
    let mut reports = Vec::new();
    for engine in &options.engines {
        let world = open(engine, &options).await;
        let name = match world.db.location() {
            Location::Sqlite(_) => "SQLite",
            Location::Postgres(_) => "PostgreSQL",
        };
        let began = Instant::now();
        seed::fill(&world, options.sessions).await;
        let took = began.elapsed().as_secs();
        println!("\n{name} {}, filled in {took} s", version(&world).await);
        println!("{}", seed::counts(&world).await);
        let lines = walk(&world, &options).await;
        report::print(&lines);
        reports.push((name, lines));
    }
    report::summary(&reports);
}

async fn open(engine: &Engine, options: &Options) -> World {
    let folder = options.folder();
    let db = match (engine, &options.folder) {
        (Engine::Sqlite, None) => TestDb::sqlite(),
        (Engine::Sqlite, Some(kept)) => TestDb::kept(Location::Sqlite(kept.join("vestibule.db"))),
        (Engine::Postgres, _) => TestDb::on_server(Server::start(Durability::Full).await).await,
        (Engine::Url(url), _) => TestDb::kept(Location::Postgres(url.clone())),
    };
    World::start(db, folder, |_| ()).await
}

/// The version of the engine.
async fn version(world: &World) -> String {
    let sql = match world.db.location() {
        Location::Sqlite(_) => "SELECT sqlite_version()",
        Location::Postgres(_) => "SELECT split_part(version(), ' ', 2)",
    };
    bulk::texts(&world.app().db, sql, &[]).await.pop().expect("a version")
}

/// Asks for all pages.
async fn walk(world: &World, options: &Options) -> Vec<Line> {
    let mut desk = world.desk(Role::Admin).await;
    let all = addresses::all(world).await;
    let mut assets = BTreeMap::new();
    let mut lines = Vec::new();
    for address in all {
        let text = format!("{} {}", address.path, address.label);
        if options.only.as_ref().is_none_or(|only| text.contains(only.as_str())) {
            let line = measure(world, &mut desk.browser, address, options.runs, &mut assets).await;
            lines.push(line);
        }
    }
    lines
}

/// Asks for one page, again and again.
async fn measure(
    world: &World,
    browser: &mut Browser,
    address: Address,
    runs: usize,
    assets: &mut BTreeMap<String, usize>,
) -> Line {
    let url = world.url(&address.path);
    let mut times: Vec<Duration> = Vec::with_capacity(runs);
    let mut answer = None;
    for run in 0..WARM_UP + runs {
        let request = Request::get(&url);
        let request = match address.is_api {
            true => request.bearer(world.demo.seeded.api_key.expose()),
            false => request,
        };
        let began = Instant::now();
        let got = browser.send(request).await;
        if run >= WARM_UP {
            times.push(began.elapsed());
        }
        answer = Some(got);
    }
    times.sort_unstable();
    let answer = answer.expect("an answer");
    let mut all_bytes = answer.body.len();
    for path in report::assets_of(&answer.text()) {
        if !assets.contains_key(&path) {
            let asset = browser.get(&world.url(&path)).await;
            assert_eq!(asset.status, 200, "{path}");
            assets.insert(path.clone(), asset.body.len());
        }
        all_bytes += assets[&path];
    }
    Line {
        median: times[times.len() / 2],
        p90: times[times.len() * 9 / 10],
        status: answer.status.as_u16(),
        html_bytes: answer.body.len(),
        all_bytes,
        address,
    }
}
