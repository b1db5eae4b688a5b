//! Several nodes that reach PostgreSQL through PgBouncer in transaction mode, which hands out a
//! connection for as long as a transaction takes.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;
use tokio_postgres::SimpleQueryMessage;
use url::Url;

use super::logins::Customer;
use super::process::{Process, run};
use super::service::{REDIRECT_URI, Service, free_port};
use crate::support::postgres::connect;
use crate::support::{Folder, TestDb};

/// Where Debian's package puts it; it is not on everybody's path.
const PGBOUNCER: &str = "/usr/sbin/pgbouncer";
/// How many connections to PostgreSQL there are for all nodes: fewer than one node would make.
const POOL: usize = 3;

/// PgBouncer in front of the server of this database.
struct Pooler {
    port: u16,
    _process: Process,
}

impl Pooler {
    async fn start(folder: &Path, database: &Url) -> Self {
        assert!(Path::new(PGBOUNCER).exists(), "this test needs the Debian package `pgbouncer`");
        let (port, server) = (free_port(), database.port().unwrap());
        let (user, password) = (database.username(), database.password().unwrap());
        std::fs::write(folder.join("users"), format!("\"{user}\" \"{password}\"\n")).unwrap();
        let text = format!(
            "[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = users
admin_users = {user}
pool_mode = transaction
default_pool_size = {POOL}
"
        );
        std::fs::write(folder.join("pgbouncer.ini"), text).unwrap();
        // It refuses to run as root.
        let id = Command::new("id").arg("-u").output().unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).current_dir(folder);
        if id.stdout == b"0\n" {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(folder, mode).unwrap();
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
        }
        command.args([PGBOUNCER, "pgbouncer.ini"]);
        let process = Process::start(command);
        for _ in 0..500 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Self { port, _process: process };
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("PgBouncer does not start: {}", process.stderr());
    }

    /// The same database by way of the pooler.
    fn url(&self, database: &Url) -> String {
        let mut url = database.clone();
        url.set_port(Some(self.port)).unwrap();
        // PgBouncer keeps no prepared statements in this mode before version 1.21.
        url.set_query(Some("prepared_statements=off"));
        url.to_string()
    }

    /// Connections of clients, and to the server, as PgBouncer counts them.
    async fn pools(&self, database: &Url) -> (usize, usize) {
        let mut url = database.clone();
        url.set_port(Some(self.port)).unwrap();
        url.set_path("pgbouncer");
        let admin = connect(url.as_str()).await;
        let mut counts = (0, 0);
        let name = database.path().trim_start_matches('/');
        for message in admin.simple_query("SHOW POOLS").await.unwrap() {
            let SimpleQueryMessage::Row(row) = message else { continue };
            let count = |name: &str| row.get(name).unwrap().parse::<usize>().unwrap();
            if row.get("database") == Some(name) {
                counts.0 += count("cl_active") + count("cl_waiting");
                counts.1 += count("sv_active") + count("sv_idle") + count("sv_used");
            }
        }
        counts
    }
}

#[tokio::test]
async fn logins_go_through_a_pooler_that_hands_out_connections_per_transaction() {
    let (db, folder) = (TestDb::postgres().await, Folder::new());
    let database = Url::parse(db.url().unwrap()).unwrap();
    let pool_folder = folder.path().join("pgbouncer");
    std::fs::create_dir_all(&pool_folder).unwrap();
    let pooler = Pooler::start(&pool_folder, &database).await;
    let settings =
        [("--database", pooler.url(&database)), ("--limits-authorize-per-minute", "0".to_owned())];
    let own = |name: &str| {
        let folder = folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    let first = Service::first_start(&own("first"), &settings).await;
    let second = Service::join(&first, &own("second"), &settings).await;
    let redirect_uri = json!({ "uri": REDIRECT_URI });
    first.application.api("POST", "/user_management/redirect_uris", &redirect_uri).await;
    let customer = Customer::set_up(&first.application, 0).await;
    // The base URL of the callback is the first node's; everything else is asked of both.
    let mut people = JoinSet::new();
    for n in 0..12 {
        let customer = Arc::clone(&customer);
        let (first, second) = (first.application.clone(), second.application.clone());
        people.spawn(async move {
            for round in 0..5 {
                customer.sign_in(&first, &customer.email(n)).await;
                let listed = second.api("GET", "/organizations", &json!(null)).await;
                assert_eq!(listed["data"].as_array().unwrap().len(), 1, "round {round}");
            }
        });
    }
    people.join_all().await;
    let (clients, servers) = pooler.pools(&database).await;
    println!("{clients} connections of clients, {servers} to the server");
    assert!(clients > POOL, "nothing was shared: {clients}");
    assert!(servers <= POOL, "{servers}");

    // Commands open the database by the same way, and so does a start on a schema that is there.
    let listed = run(second.command(&["session", "list"])).await.json();
    assert_eq!(listed["data"][0]["status"], "success", "{listed}");
}
