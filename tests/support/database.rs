//! A fresh database for one test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use vestibule::base::time::Clock;
use vestibule::db::{Db, Location};

use super::postgres::Server;

/// A database of one test, removed with it.
pub struct TestDb {
    location: Location,
    place: Place,
}

enum Place {
    Folder(Folder),
    Server {
        server: &'static Server,
        database: String,
    },
    /// Somewhere else: it stays.
    Kept,
}

/// What a test is given: a [`TestDb`], or something that stands on one.
pub trait Fixture {
    /// Makes it on a fresh database.
    async fn on(db: TestDb) -> Self;
}

impl Fixture for TestDb {
    async fn on(db: TestDb) -> Self {
        db
    }
}

impl TestDb {
    /// A file that does not exist yet.
    pub fn sqlite() -> Self {
        let folder = Folder::new();
        let location = Location::Sqlite(folder.path().join("vestibule.db"));
        Self { location, place: Place::Folder(folder) }
    }

    /// A database with today's schema on the server that the tests share.
    pub async fn postgres() -> Self {
        Self::on_server(Server::shared().await).await
    }

    /// A database on a server of the test's own.
    pub async fn on_server(server: &'static Server) -> Self {
        let (database, url) = server.create_database().await;
        Self { location: Location::Postgres(url), place: Place::Server { server, database } }
    }

    /// One that is there already, or shall stay.
    pub fn kept(location: Location) -> Self {
        Self { location, place: Place::Kept }
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Opens it. It may be opened several times, as several nodes do.
    pub async fn open(&self, clock: Clock) -> Db {
        Db::open(&self.location, clock).await.expect("the database opens")
    }

    /// Where it is, as the setting `database` has it.
    pub fn setting(&self) -> String {
        match &self.location {
            Location::Sqlite(path) => format!("sqlite://{}", path.display()),
            Location::Postgres(url) => url.clone(),
        }
    }

    /// Lets nobody change a login until what is returned is dropped; they are read meanwhile.
    pub async fn hold_logins(&self) -> Held {
        match &self.location {
            Location::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                Held { _sqlite: Some(connection), _postgres: None }
            }
            Location::Postgres(url) => {
                let client = super::postgres::connect(url).await;
                client.batch_execute("BEGIN; LOCK TABLE sso_sessions IN SHARE MODE").await.unwrap();
                Held { _sqlite: None, _postgres: Some(client) }
            }
        }
    }

    /// The server, if it is PostgreSQL.
    pub fn server(&self) -> Option<&'static Server> {
        if let Place::Server { server, .. } = &self.place { Some(*server) } else { None }
    }

    /// The URL, if it is PostgreSQL.
    pub fn url(&self) -> Option<&str> {
        if let Location::Postgres(url) = &self.location { Some(url) } else { None }
    }
}

/// A transaction of somebody else, which ends with this.
pub struct Held {
    _sqlite: Option<rusqlite::Connection>,
    _postgres: Option<tokio_postgres::Client>,
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if let Place::Server { server, database } = &self.place {
            server.drop_database(database);
        }
    }
}

/// A folder of one test, removed with it unless it is to stay.
pub struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    /// An empty folder.
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vestibule-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self { path, is_kept: false }
    }

    /// A folder that stays.
    pub fn kept(path: &Path) -> Self {
        std::fs::create_dir_all(path).expect("a folder");
        Self { path: path.to_owned(), is_kept: true }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
