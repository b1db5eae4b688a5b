//! The handles that flows and faces work with, and how they are opened.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::rate::Limiter;
use crate::base::secret::{Secret, random_alphanumeric};
use crate::base::time::Clock;
use crate::base::{Caller, Error, Result};
use crate::config::{self, Config, Database};
use crate::db::{Claim, Db, Location, Presence, migrate};
use crate::dns::{self, Dns};
use crate::model::administrator::link;
use crate::model::connection::Connection;
use crate::model::installation;
use crate::outbound::Outbound;
use crate::seal::{KeyError, Sealer};
use crate::upstream::Upstream;

/// The file with the sealing keys, in the data directory.
pub const KEY_FILE: &str = "vestibule.key";
/// How often one connection may be examined in a minute.
const DOCTOR_PER_MINUTE: u32 = 20;

/// How often something may be done in a minute, as this node counts it and others tell it.
#[derive(Debug)]
pub struct Limits {
    /// Requests of one address.
    pub address: Limiter,
    /// Requests of the REST API with one API key.
    pub api_key: Limiter,
    /// Logins that begin on one connection.
    pub authorize: Limiter,
    /// Organizations that are deleted with one API key.
    pub delete_organization: Limiter,
    /// Wrong API keys and client secrets of one address.
    pub guesses: Limiter,
    /// Logout tokens that the identity provider of one connection sends.
    pub logout: Limiter,
    node: String,
    is_silent: AtomicBool,
}

impl Limits {
    /// Nothing is counted yet.
    pub fn new(settings: &config::Limits) -> Self {
        let deletions = settings.delete_organization_per_minute;
        Self {
            address: Limiter::new("address", settings.address_per_minute),
            api_key: Limiter::new("api_key", settings.api_key_per_minute),
            authorize: Limiter::new("authorize", settings.authorize_per_minute),
            delete_organization: Limiter::new("delete_organization", deletions),
            guesses: Limiter::new("guesses", settings.guesses_per_minute),
            logout: Limiter::new("logout", settings.authorize_per_minute),
            node: random_alphanumeric(20),
            is_silent: AtomicBool::new(true),
        }
    }

    /// What all nodes count together.
    pub fn shared(&self) -> [&Limiter; 6] {
        let Self { address, api_key, authorize, delete_organization, guesses, logout, .. } = self;
        [address, api_key, authorize, delete_organization, guesses, logout]
    }

    /// How this node calls itself when it tells others what it has counted: random, another one at
    /// each start.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Notes whether this node has nothing to tell others; returns what was noted before.
    pub fn set_silent(&self, is_silent: bool) -> bool {
        self.is_silent.swap(is_silent, Ordering::Relaxed)
    }
}

/// Everything that outlives a request. A clone is another handle to the same, and costs next to
/// nothing: each request makes a few.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl From<Parts> for App {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

/// What an [`App`] is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The effective settings.
    pub config: Arc<Config>,
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Clock,
    /// Encryption at rest.
    pub sealer: Arc<Sealer>,
    /// The protocols spoken to identity providers.
    pub upstream: Upstream,
    /// TXT records.
    pub dns: Dns,
    /// How often something may be done in a minute.
    pub limits: Arc<Limits>,
    /// Whether the service was asked to stop: then it is not ready for more.
    pub stopping: Arc<AtomicBool>,
    /// How often one connection may be examined, so that nobody hammers an identity provider by us.
    pub doctor_rate: Arc<Limiter>,
}

impl App {
    /// Opens the database, creating it on the first start, and the keys.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is the database of something else, [`Error::Internal`] with what is wrong
    /// with the data directory, the keys or the settings;
    /// [`Error::Unavailable`] if the database does not answer.
    pub async fn open(config: Config, clock: Clock) -> Result<Self> {
        make_directory(&config.data)?;
        let outbound = Outbound::new(&config.outbound).map_err(Error::internal)?;
        let location = location(&config.database);
        let db = Db::open(&location, clock.clone()).await?;
        let nobody = Caller::anonymous();
        db.read(&nobody, async |tx| installation::check_whole(tx).await).await?;
        let key_id = db.read(&nobody, async |tx| installation::key_id(tx).await).await?;
        let sealer = Arc::new(sealer(&config, key_id.as_deref())?);
        let check = Arc::clone(&sealer);
        db.write(&nobody, async move |tx| installation::check_keys(tx, &check).await).await?;
        let dns = Dns::new(&config.dns_resolver, dns::DEADLINE);
        let limits = Limits::new(&config.limits);
        Ok(Self::from(Parts {
            config: Arc::new(config),
            db,
            upstream: Upstream::new(outbound, clock.clone()),
            clock,
            sealer,
            dns,
            limits: Arc::new(limits),
            doctor_rate: Arc::new(Limiter::new("doctor", DOCTOR_PER_MINUTE)),
            stopping: Arc::default(),
        }))
    }

    /// Opens them for a service, which on SQLite is the only one as long as the claim is kept.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if there is another one; as [`App::open`].
    pub async fn open_to_serve(config: Config, clock: Clock) -> Result<(Self, Option<Claim>)> {
        make_directory(&config.data)?;
        let claim = Db::claim(&location(&config.database))?;
        Ok((Self::open(config, clock).await?, claim))
    }

    /// Opens them for a command that is about something that is there.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there is no installation; as [`App::open`].
    pub async fn open_existing(config: Config, clock: Clock) -> Result<Self> {
        require_installation(&config, &clock).await?;
        Self::open(config, clock).await
    }

    /// Opens them for a command that promises to change nothing, not even the schema.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there is no installation, or one of another schema; as [`App::open`].
    pub async fn open_unchanged(config: Config, clock: Clock) -> Result<Self> {
        require_installation(&config, &clock).await?;
        let location = location(&config.database);
        let db = Db::connect(&location, clock.clone()).await?;
        let schema = migrate::schema(&migrate::steps(&db).await?);
        if schema < migrate::newest() {
            let message = format!(
                "The schema of {location} is at {schema}, and this program's at {}. `vestibule migrate` \
                 brings it up to date, as each start of the service does.",
                migrate::newest()
            );
            return Err(Error::invalid("schema_behind", "database", message));
        }
        Self::open(config, clock).await
    }

    /// The same where a new installation may be meant: of one that is not there, an empty one is opened in a
    /// folder of its own, which goes with what is returned beside it.
    ///
    /// # Errors
    ///
    /// As [`App::open_unchanged`].
    pub async fn open_to_look(config: Config, clock: Clock) -> Result<(Self, Option<Scratch>)> {
        let place = location(&config.database);
        if Db::presence(&place, clock.clone()).await? != Presence::Nothing {
            return Ok((Self::open_unchanged(config, clock).await?, None));
        }
        let scratch = Scratch(config::temporary_folder("plan"));
        let database = Database::Sqlite(scratch.0.join("vestibule.db"));
        // Keys of its own: nothing is sealed that stays.
        let config =
            Config { data: scratch.0.clone(), database, keys: None, keys_command: None, ..config };
        Ok((Self::open(config, clock).await?, Some(scratch)))
    }

    /// A URL of ours; `path` begins with a slash. Only the configured base URL counts: what a
    /// request says of its host is never used.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.base_url.as_str().trim_end_matches('/'))
    }

    /// A one-time link for an administrator.
    pub fn link_url(&self, kind: link::Kind, token: &Secret) -> String {
        self.url(&format!("{}?token={}", kind.path(), token.expose()))
    }

    /// The redirect URI of a connection at its identity provider.
    pub fn callback_uri(&self, connection: &Connection) -> String {
        self.url(&connection.callback_path())
    }
}

/// The sealing keys, from where the settings say. A key file is made if there is none, unless
/// something was `sealed_with` a key before. Keys that others know are for the machine of a developer.
///
/// # Errors
///
/// [`Error::Internal`] with what is wrong with them.
pub fn sealer(config: &Config, sealed_with: Option<&str>) -> Result<Sealer> {
    let file = config.data.join(KEY_FILE);
    let (place, sealer) = match (&config.keys, &config.keys_command) {
        (Some(text), _) => ("the setting `keys`".to_owned(), Sealer::from_text(text)),
        (None, Some(command)) => {
            ("what the setting `keys_command` prints".to_owned(), Sealer::from_command(command))
        }
        (None, None) => {
            let sealer = Sealer::from_file(&file, sealed_with);
            warn_of_readers(&file);
            (format!("the key file {}", file.display()), sealer)
        }
    };
    let sealer = sealer.map_err(|error| match error {
        KeyError::Malformed(_) | KeyError::None => Error::internal(error).at(place),
        named => Error::internal(named),
    })?;
    if !config.is_local() {
        sealer.check_is_secret().map_err(Error::internal)?;
    }
    Ok(sealer)
}

/// Warns if others than its owner may read the key file.
fn warn_of_readers(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file).map_or(0, |it| it.permissions().mode());
    if mode & 0o077 != 0 {
        let file = file.display();
        tracing::warn!(%file, "others may read the key file: let it be of mode 0600");
    }
}

/// A folder that goes when this does.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes sure that an installation is where the settings say, and makes none.
///
/// # Errors
///
/// [`Error::Invalid`] if there is none.
pub async fn require_installation(config: &Config, clock: &Clock) -> Result<()> {
    let location = location(&config.database);
    let what = match Db::presence(&location, clock.clone()).await? {
        Presence::Installation => return Ok(()),
        Presence::Nothing => format!("There is no installation in {location}."),
        Presence::Foreign => format!("{location} is a database of something else."),
    };
    let message = format!(
        "{what} Give the settings of the service (--data, --config, or its VESTIBULE_ variables). \
         `vestibule serve`, `environment create` and `apply` make a new one."
    );
    Err(Error::invalid("no_installation", "database", message))
}

/// A setting as the database room has it.
pub fn location(database: &Database) -> Location {
    match database {
        Database::Sqlite(path) => Location::Sqlite(path.clone()),
        Database::Postgres(url) => Location::Postgres(url.expose().to_owned()),
    }
}

/// Makes the data directory, for the owner alone.
///
/// # Errors
///
/// [`Error::Internal`], naming the directory.
pub fn make_directory(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        Error::internal(format!("the data directory {} cannot be made: {error}", path.display()))
    })
}
