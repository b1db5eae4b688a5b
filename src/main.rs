//! The program `vestibule`: reads the command line, opens the house, serves or manages.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser;
// Takes the place of `malloc` where the system's linker lets it: for what we allocate and for SQLite.
use mimalloc as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use vestibule::app::{App, KEY_FILE};
use vestibule::base::time::Clock;
use vestibule::base::{Caller, Error};
use vestibule::cli::{
    Cli, Command, DemoArgs, Overrides, Session, apply, copy, examine, export, import, maintain,
    migrate, run,
};
use vestibule::config::{self, Config, Database, Sources};
use vestibule::model::administrator::link;
use vestibule::model::{api_key, environment};
use vestibule::outbound::Outbound;
use vestibule::telemetry::{count_panics, max_open_files};
use vestibule::upkeep::traces::Export;
use vestibule::{demo, server};

/// What ended the program, for its last line.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How many files and sockets are kept free for what is no connection of a client: the database,
/// identity providers, webhooks.
const OTHER_FILES: u64 = 128;
/// The exit code of an examination that found something; 1 is that of a command that failed, 2 that
/// of one that was not understood.
const NEEDS_ATTENTION: u8 = 3;

fn main() -> ExitCode {
    start(Cli::parse()).unwrap_or_else(|error| failed(&error))
}

/// Reads the settings, and does what is asked for.
fn start(cli: Cli) -> Result<ExitCode, Failure> {
    if let Command::Demo(args) = cli.command {
        let demo = run_demo(args, &cli.settings);
        return runtime(1)?.block_on(demo).map(|()| ExitCode::SUCCESS);
    }
    let sources = Sources::collect(cli.config.as_deref(), &cli.settings.0)?;
    let config = Config::read(&sources)?;
    // SQLite's writer is a thread of its own, so it is left a processor. Of two threads beside it on
    // two processors one mostly looks for work: a login takes more of them, and no more logins are made.
    let beside = match &config.database {
        Database::Sqlite(_) => 1,
        Database::Postgres(_) => 0,
    };
    runtime(beside)?.block_on(execute(cli, &sources, config))
}

/// What answers requests, with a thread for each processor but so many.
fn runtime(beside: usize) -> std::io::Result<Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.saturating_sub(beside).max(1);
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}

/// Prints a text. Whoever closes the pipe has read enough.
fn say(text: impl Display) -> std::io::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn failed(error: &Failure) -> ExitCode {
    match error.downcast_ref::<Error>() {
        // The operator is the one who may see the whole chain.
        Some(error) => eprintln!("vestibule: {}", error.told()),
        None => eprintln!("vestibule: {error}"),
    }
    ExitCode::FAILURE
}

async fn execute(cli: Cli, sources: &Sources, mut config: Config) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Serve => serve(config).await?,
        Command::Manage(command) => {
            config.log_level = tracing::Level::WARN;
            start_log(&config);
            let app = if command.may_be_first() {
                App::open(config, Clock::system()).await?
            } else {
                App::open_existing(config, Clock::system()).await?
            };
            let session = Session { app, environment: cli.environment };
            say(format_args!("{:#}", run(&session, command).await?))?;
        }
        Command::Upkeep(command) => {
            config.log_level = tracing::Level::WARN;
            start_log(&config);
            say(format_args!("{:#}", maintain((sources, config), command).await?))?;
        }
        Command::Doctor(args) => {
            config.log_level = tracing::Level::WARN;
            start_log(&config);
            let app = App::open_existing(config, Clock::system()).await?;
            let session = Session { app, environment: cli.environment };
            let (text, healthy) = examine(&session, &args).await?;
            say(&text)?;
            return Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(NEEDS_ATTENTION) });
        }
        Command::Migrate(args) => {
            start_log(&config);
            say(format_args!("{:#}", migrate(&config, &args).await?))?;
        }
        Command::Copy(args) => {
            start_log(&config);
            say(format_args!("{:#}", copy(&config, &args).await?))?;
        }
        Command::Apply(args) => {
            config.log_level = tracing::Level::WARN;
            start_log(&config);
            let manifest = args.read()?;
            let (app, _scratch) = if args.only_looks() {
                App::open_to_look(config, Clock::system()).await?
            } else {
                (App::open(config, Clock::system()).await?, None)
            };
            let session = Session { app, environment: cli.environment };
            let (text, code) = apply(&session, &args, &manifest).await?;
            say(&text)?;
            return Ok(code);
        }
        Command::Export(args) => {
            config.log_level = tracing::Level::WARN;
            start_log(&config);
            let app = App::open_existing(config, Clock::system()).await?;
            let session = Session { app, environment: cli.environment };
            say(export(&session, &args).await?.trim_end())?;
        }
        Command::Import(command) => {
            say(format_args!("{:#}", import(&config, command).await?))?;
        }
        Command::Config | Command::Demo(_) => {
            show_settings(sources, &config)?;
            check_files(&config)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses what a service would refuse at its start, of what can be told without a database.
fn check_files(config: &Config) -> Result<(), Failure> {
    Outbound::new(&config.outbound).map_err(|error| error.to_string())?;
    if let Some(files) = &config.tls {
        server::tls::Certificates::open(files.clone())?;
    }
    Ok(())
}

/// Prints the effective settings and where each comes from.
fn show_settings(sources: &Sources, config: &Config) -> std::io::Result<()> {
    for (setting, value, origin) in sources.shown() {
        let derived = match setting.name {
            "base_url" => config.base_url.to_string(),
            "database" => match &config.database {
                Database::Sqlite(path) => format!("sqlite://{}", path.display()),
                Database::Postgres(_) => value.to_owned(),
            },
            "keys" if config.keys_command.is_some() => "(printed by keys_command)".to_owned(),
            "keys" => format!("(in {})", config.data.join(KEY_FILE).display()),
            _ => String::new(),
        };
        let value = if value.is_empty() { &derived } else { value };
        let value = format!("= {value:?}");
        say(format_args!("{:<28} {value:<32} # {origin}", setting.name))?;
    }
    Ok(())
}

fn start_log(config: &Config) {
    let log = tracing_subscriber::fmt()
        .with_max_level(config.log_level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    if config.log_json {
        // One line, one object: what the request is in `span`, what happened beside it.
        log.json().flatten_event(true).with_span_list(false).init();
    } else {
        log.init();
    }
}

/// Done after Ctrl-C or a request to terminate that comes after this call: made before anybody is
/// told that we are ready, since they may ask at once.
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

async fn listen_on(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listening = TcpListener::bind(address).await;
    listening.map_err(|error| format!("cannot listen on {address}: {error}").into())
}

async fn serve(config: Config) -> Result<(), Failure> {
    start_log(&config);
    count_panics();
    let listen = config.listen;
    check_files(&config)?;
    let (app, _claim) = App::open_to_serve(config, Clock::system()).await?;
    let stopped = stopped()?;
    let listener = listen_on(listen).await?;
    let tls = match &app.config.tls {
        Some(files) => Some(server::tls::Certificates::open(files.clone())?.acceptor()?),
        None => None,
    };
    let metrics = match app.config.metrics_listen {
        Some(address) => Some(listen_on(address).await?),
        None => None,
    };
    first_start(&app).await?;
    if let Some(url) = first_run_url(&app).await? {
        say(format_args!(
            "Nobody administers this installation yet. This link is good once, for a day, until the next \
             start (of any node) prints another:\n\n  {url}\n"
        ))?;
    }
    tracing::info!(%listen, base_url = %app.config.base_url, "serving");
    let background = tokio::spawn(server::background(app.clone()));
    let metrics = metrics.map(|listener| {
        tokio::spawn(server::serve(listener, server::metrics_router(), std::future::pending()))
    });
    let traces = match app.config.traces_endpoint.clone() {
        Some(endpoint) => Export::start(endpoint, &app.config.outbound)?,
        None => None,
    };
    let manner = server::Manner {
        tls,
        stopping: Arc::clone(&app.stopping),
        max_connections: places(app.config.max_connections),
        patience: Duration::from_secs(app.config.request_timeout_s),
    };
    let delay = Duration::from_secs(app.config.shutdown_delay_s);
    let stop = async {
        stopped.await;
        tracing::info!("stopping");
        app.stopping.store(true, Ordering::Relaxed);
        tokio::time::sleep(delay).await;
    };
    server::serve_as(manner, listener, server::router(app.clone()), stop).await;
    background.abort();
    if let Some(traces) = traces {
        traces.stop().await;
    }
    metrics.inspect(tokio::task::JoinHandle::abort);
    tracing::info!("stopped");
    Ok(())
}

/// How many connections there can be: so many, if the limit on open files leaves room for them.
fn places(wanted: u64) -> u64 {
    let room = max_open_files().map_or(u64::MAX, |files| files.saturating_sub(OTHER_FILES));
    if room < wanted {
        tracing::info!(room, wanted, "the limit on open files allows fewer connections");
    }
    wanted.min(room).max(1)
}

/// The link for the first administrator, as long as there is none.
async fn first_run_url(app: &App) -> Result<Option<String>, Failure> {
    let nobody = Caller::anonymous();
    let token = app.db.write(&nobody, async |tx| link::create_first_run(tx).await).await?;
    Ok(token.map(|token| app.link_url(link::Kind::FirstRun, &token)))
}

/// On an empty database: makes the first environment with a key, and prints how to go on.
async fn first_start(app: &App) -> Result<(), Failure> {
    let made = app
        .db
        .write(&Caller::anonymous(), async |tx| {
            if !environment::list_all(tx).await?.is_empty() {
                return Ok(None);
            }
            let kind = environment::Kind::Sandbox;
            let new = environment::NewEnvironment { name: "Sandbox".to_owned(), kind };
            let environment = environment::create(tx, &new).await?;
            let new = api_key::NewApiKey::named("First key");
            let (_, secret) = api_key::create(tx, &new).await?;
            Ok(Some((environment, secret)))
        })
        .await?;
    if let Some((environment, secret)) = made {
        let (config, base) = (&app.config, app.url(""));
        let place = match &config.database {
            Database::Sqlite(path) => path.display().to_string(),
            Database::Postgres(_) => "PostgreSQL".to_owned(),
        };
        let keys = match (&config.keys, &config.keys_command) {
            (None, None) => format!(
                "Keep {} apart from backups of the database: it opens the secrets in it.\n",
                config.data.join(KEY_FILE).display()
            ),
            _ => String::new(),
        };
        say(format_args!(
            "A new installation in {place}, with a first environment.\n\n  \
             client_id  {client_id}\n  \
             API key    {key}   (shown this once)\n\n\
             {keys}Go on, with the same settings as here (flags, file or variables; `vestibule config` shows \
             them):\n\n  \
             vestibule redirect-uri create https://your-application/callback\n  \
             vestibule organization create 'Your customer'\n  \
             vestibule connection create ORGANIZATION 'Their Okta' --help\n\n\
             or with the API, described at {base}/openapi.json\n",
            client_id = environment.client_id,
            key = secret.expose(),
        ))?;
    }
    Ok(())
}

async fn run_demo(args: DemoArgs, settings: &Overrides) -> Result<(), Failure> {
    let mut data = None;
    for (flag, value) in &settings.0 {
        match flag.as_str() {
            "data" => data = Some(PathBuf::from(value)),
            other => return Err(format!("the demo sets everything itself: drop --{other}").into()),
        }
    }
    let temporary = data.is_none();
    let data = data.unwrap_or_else(|| config::temporary_folder("demo"));
    let options = demo::Options {
        data: data.clone(),
        database: None,
        clock: Clock::system(),
        usual_ports: args.login.is_none(),
        host: None,
        dns_resolver: Vec::new(),
    };
    let outcome = with_demo(options, args.json, args.login).await;
    if temporary {
        let _ = std::fs::remove_dir_all(&data);
    }
    outcome
}

async fn with_demo(
    options: demo::Options,
    json: bool,
    login: Option<String>,
) -> Result<(), Failure> {
    let demo = demo::start(options).await?;
    let stopped = stopped()?;
    match login {
        Some(email) => {
            let email = if email.is_empty() { &demo.people[0].email } else { &email };
            say(format_args!("{:#}", demo.login(email).await?))?;
        }
        None => {
            if json {
                say(demo.to_json())?;
            } else {
                say(demo.to_text())?;
            }
            let background = tokio::spawn(server::background(demo.app.clone()));
            stopped.await;
            background.abort();
        }
    }
    demo.stop().await;
    Ok(())
}
