//! A private PostgreSQL server from the system's package, gone when the process is.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OnceCell, mpsc};
use tokio_postgres::{Client, NoTls};
use vestibule::base::time::Clock;
use vestibule::db::{Db, Location};

/// Makes a server in the folder `$1` with the programs in `$2`, runs it on port `$3`, and stops and
/// removes it when standard input ends: that is when the test process does, however it does.
const SCRIPT: &str = r#"
dir=$1 bin=$2 port=$3; shift 3
umask 077; mkdir -p "$dir" || exit 1
as=
if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir"; as="setpriv --reuid=postgres --regid=postgres --init-groups"
fi
cd "$dir"
printf secret > password; chmod 644 password
$as "$bin/initdb" -D "$dir/data" -U vestibule -E UTF8 --locale-provider=icu --icu-locale=en \
    --locale=C -A scram-sha-256 --pwfile=password --no-sync --no-instructions >log 2>&1 </dev/null
start() {
    $as "$bin/postgres" -D "$dir/data" -p "$port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= "$@" >>log 2>&1 </dev/null &
    server=$!
}
start "$@"
while read -r word; do
    case $word in
    stop) kill -QUIT $server; wait $server; echo stopped ;;
    start) start "$@"; echo started ;;
    esac
done
kill -QUIT $server; wait $server
cd /; rm -rf "$dir"
"#;

/// A running server.
pub struct Server {
    port: u16,
    folder: PathBuf,
    /// Its standard input keeps the server alive; a mutex because a test may stop the server.
    process: std::sync::Mutex<Child>,
    template: OnceCell<()>,
    dropped: mpsc::UnboundedSender<String>,
}

/// Whether what was committed has to survive a power cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// No: the tests do not cut the power.
    None,
    /// Yes, as in production: for measurements.
    Full,
}

impl Server {
    /// The server that all tests of this process share.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<&Server> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(Durability::None)).await
    }

    /// Starts another server.
    ///
    /// It is never dropped, because the end of the process stops it.
    pub async fn start(durability: Durability) -> &'static Self {
        let programs = programs().unwrap_or_else(|| {
            panic!("these tests need PostgreSQL: install the Debian package `postgresql`")
        });
        for _ in 0..3 {
            if let Some(server) = Self::try_start(&programs, durability).await {
                return Box::leak(Box::new(server));
            }
        }
        panic!("PostgreSQL does not start");
    }

    async fn try_start(programs: &Path, durability: Durability) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vestibule-postgres-{}-{n}", std::process::id());
        let folder = match durability {
            Durability::None if memory_has_room() => PathBuf::from("/dev/shm").join(name),
            _ => std::env::temp_dir().join(name),
        };
        let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let mut settings = vec![
            "max_connections=300",
            "shared_buffers=64MB",
            // A transaction that waits for itself is to be found soon.
            "deadlock_timeout=100ms",
            // It would connect to the template.
            "autovacuum=off",
        ];
        if durability == Durability::None {
            settings.extend(["fsync=off", "full_page_writes=off"]);
        }
        let process = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .args([&folder, programs])
            .arg(port.to_string())
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C in the terminal is for the test process; the server follows in its own way.
            .process_group(0)
            .spawn()
            .ok()?;
        let (dropped, to_drop) = mpsc::unbounded_channel();
        let mut server = Self {
            port,
            folder,
            process: std::sync::Mutex::new(process),
            template: OnceCell::new(),
            dropped,
        };
        if server.wait().await.is_none() {
            let process = server.process.get_mut().unwrap();
            drop(process.stdin.take());
            let _ = process.wait();
            return None;
        }
        let url = server.url("postgres");
        std::thread::spawn(move || drop_databases(&url, to_drop));
        Some(server)
    }

    /// Waits until the server answers.
    async fn wait(&self) -> Option<()> {
        for _ in 0..600 {
            if tokio_postgres::connect(&self.url("postgres"), NoTls).await.is_ok() {
                return Some(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://vestibule:secret@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection beside Vestibule's own.
    pub async fn connect(&self, database: &str) -> Client {
        connect(&self.url(database)).await
    }

    /// A database with today's schema; its name and URL.
    pub async fn create_database(&self) -> (String, String) {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.template.get_or_init(|| self.make_template()).await;
        let sql = format!("CREATE DATABASE {name} TEMPLATE template_vestibule");
        self.connect("postgres").await.batch_execute(&sql).await.expect("a database for the test");
        let url = self.url(&name);
        (name, url)
    }

    /// Copying a schema is faster than making it.
    async fn make_template(&self) {
        let admin = self.connect("postgres").await;
        admin.batch_execute("CREATE DATABASE template_vestibule").await.unwrap();
        let location = Location::Postgres(self.url("template_vestibule"));
        drop(Db::open(&location, Clock::system()).await.expect("the migrations run"));
        // A database that somebody is connected to cannot be copied.
        loop {
            let connected =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = 'template_vestibule'";
            if admin.query_one(connected, &[]).await.unwrap().get::<_, i64>(0) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets a database go, some time later.
    pub fn drop_database(&self, name: &str) {
        let _ = self.dropped.send(name.to_owned());
    }

    /// Stops the server as a power cut does.
    pub fn stop(&self) {
        self.tell("stop\n", "stopped\n".len());
    }

    /// Starts the server again, and waits until it answers.
    pub async fn start_again(&self) {
        self.tell("start\n", "started\n".len());
        self.wait().await.expect("PostgreSQL starts again");
    }

    fn tell(&self, word: &str, answer_bytes: usize) {
        use std::io::Write;
        let mut process = self.process.lock().unwrap();
        process.stdin.as_mut().unwrap().write_all(word.as_bytes()).unwrap();
        process.stdout.as_mut().unwrap().read_exact(&mut vec![0; answer_bytes]).unwrap();
    }

    /// Sends a signal to all processes of the server: STOP freezes them, CONT lets them go on.
    pub fn signal(&self, name: &str) {
        let file = self.data().join("postmaster.pid");
        let parent = std::fs::read_to_string(file).expect("a running server");
        let parent = parent.lines().next().expect("a number").to_owned();
        let children = Command::new("pgrep").args(["-P", &parent]).output().expect("pgrep");
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        let mut all = vec![parent.as_str()];
        all.extend(children.split_whitespace());
        let sent = Command::new("kill").arg(format!("-{name}")).args(all).status();
        assert!(sent.expect("kill").success());
    }

    /// Where its files are, the write-ahead log among them.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A dump of a database, by PostgreSQL's own program.
    pub fn dump(&self, database: &str) -> Vec<u8> {
        let programs = programs().expect("the programs of the server");
        let mut command = Command::new(programs.join("pg_dump"));
        let output = command.arg(self.url(database)).output().expect("pg_dump starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// What the server wrote about itself.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

/// A connection beside Vestibule's own.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

/// Whether databases can be kept in memory, where a new one takes a tenth of the time.
fn memory_has_room() -> bool {
    let free = Command::new("df").args(["--output=avail", "-k", "/dev/shm"]).output();
    free.ok()
        .and_then(|free| String::from_utf8(free.stdout).ok()?.lines().nth(1)?.trim().parse().ok())
        .is_some_and(|free_kb: u64| free_kb > 4_000_000)
}

/// The folder of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("bin/postgres").exists())
        .max_by_key(|path| version(path))
        .map(|path| path.join("bin"))
}

/// Drops databases behind the tests' backs, so that no test waits for it.
fn drop_databases(url: &str, mut to_drop: mpsc::UnboundedReceiver<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        while let Some(name) = to_drop.recv().await {
            // The server may have been stopped by its test.
            let Ok((client, connection)) = tokio_postgres::connect(url, NoTls).await else {
                continue;
            };
            tokio::spawn(connection);
            let _ = client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    });
}
