//! Fills Vestibule with tenants: by its REST API, so that each can really be logged in through, or
//! by SQL into its SQLite file, for the millions of rows that only have to be there.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use clap::{Parser, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use sso_bench::client::{Agent, Body, Fail};
use sso_bench::identity::User;
use tokio::sync::Mutex;
use url::Url;

const CLIENTS: usize = 8;

#[derive(Parser)]
#[command(about = "Fills Vestibule with organizations, connections and profiles")]
enum Args {
    /// Creates organizations with one connection each by the REST API
    Api(Api),
    /// Writes organizations, connections and profiles into the SQLite file of a stopped service
    #[command(subcommand)]
    Sql(Sql),
}

#[derive(clap::Args)]
struct Api {
    #[arg(long)]
    broker: Url,
    #[arg(long)]
    api_key: String,
    #[arg(long)]
    connections: u64,
    /// What the connections have as their discovery endpoint
    #[arg(long)]
    discovery: Url,
    #[arg(long, default_value = "idp-client")]
    idp_client_id: String,
    #[arg(long, default_value = "idp-client-secret")]
    idp_client_secret: String,
    /// Where the ids of the connections go, one a line
    #[arg(long)]
    out: PathBuf,
}

#[derive(Subcommand)]
enum Sql {
    /// Connections like an existing one, that nobody logs in through, with their profiles
    Bulk {
        #[arg(long)]
        database: PathBuf,
        /// The connection to copy
        #[arg(long)]
        like: String,
        #[arg(long)]
        connections: u64,
        #[arg(long)]
        profiles: u64,
    },
    /// The first users as profiles of existing connections
    Users {
        #[arg(long)]
        database: PathBuf,
        /// A file with the ids of the connections
        #[arg(long)]
        connections: PathBuf,
        #[arg(long)]
        users: u64,
    },
    /// Makes attempts and events older than they are
    Age {
        #[arg(long)]
        database: PathBuf,
        #[arg(long)]
        days: i64,
    },
    /// Prints how many attempts and events there are
    Count {
        #[arg(long)]
        database: PathBuf,
    },
}

async fn post(agent: &mut Agent, args: &Api, path: &str, body: Value) -> Result<Value, Fail> {
    let url = args.broker.join(path).expect("a valid URL");
    let key = format!("Bearer {}", args.api_key);
    let headers = [("authorization", key.as_str())];
    let reply = agent.send(Method::POST, &url, &headers, Body::Json(body)).await?;
    if reply.status != 201 && reply.status != 200 {
        return Err(Fail::new(format!("{path}: status {}", reply.status), reply.excerpt()));
    }
    reply.json()
}

async fn one_tenant(agent: &mut Agent, args: &Api, n: u64) -> Result<String, Fail> {
    let name = format!("Tenant {n}");
    let organization = json!({ "name": name, "allow_profiles_outside_organization": true });
    let organization = post(agent, args, "/organizations", organization).await?;
    let connection = json!({
        "organization_id": organization["id"],
        "connection_type": "GenericOIDC",
        "name": name,
        "oidc": {
            "client_id": args.idp_client_id,
            "client_secret": args.idp_client_secret,
            "discovery_endpoint": args.discovery.as_str(),
        },
    });
    let connection = post(agent, args, "/connections", connection).await?;
    let id = connection["id"].as_str();
    Ok(id.ok_or_else(|| Fail::new("no id", connection.to_string()))?.to_owned())
}

async fn by_api(args: Api) -> Result<(), Fail> {
    let args = Arc::new(args);
    let next = Arc::new(AtomicU64::new(0));
    let ids = Arc::new(Mutex::new(Vec::new()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (args, next, ids) = (args.clone(), next.clone(), ids.clone());
            tokio::spawn(async move {
                let mut agent = Agent::default();
                loop {
                    let n = next.fetch_add(1, Relaxed);
                    if n >= args.connections {
                        return Ok::<_, Fail>(());
                    }
                    let id = one_tenant(&mut agent, &args, n).await?;
                    ids.lock().await.push(id);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.map_err(|e| Fail::new("client", e.to_string()))??;
    }
    let ids = ids.lock().await.join("\n");
    fs::write(&args.out, ids + "\n").map_err(|e| Fail::new("--out", e.to_string()))
}

/// An id as the service makes them, but in order: a prefix and the 26 characters of a ULID.
fn id(prefix: &str, n: u64) -> String {
    format!("{prefix}_00{n:024}")
}

const PROFILE: &str = "INSERT INTO profiles
    (id, environment_id, organization_id, connection_id, connection_type, idp_id, email, first_name,
     last_name, name, roles, groups, custom_attributes, raw_attributes, created_at, updated_at)
    SELECT ?1, environment_id, organization_id, id, connection_type, ?3, ?4, ?5, ?6, ?7,
        '[\"member\"]', ?8, '{}', ?9, created_at, created_at
    FROM connections WHERE id = ?2";

fn insert_profile(
    statement: &mut rusqlite::CachedStatement<'_>,
    (id, connection): (&str, &str),
    number: u64,
) -> rusqlite::Result<()> {
    let user = User::numbered(number);
    let raw = json!({
        "sub": user.sub, "email": user.email, "email_verified": true, "name": user.name,
        "given_name": user.given_name, "family_name": user.family_name,
        "preferred_username": user.email, "groups": user.groups,
    });
    let groups = json!(user.groups).to_string();
    let (given, family) = (&user.given_name, &user.family_name);
    let raw = raw.to_string();
    let values = rusqlite::params![
        id, connection, user.sub, user.email, given, family, user.name, groups, raw
    ];
    statement.execute(values).map(drop)
}

fn bulk(
    db: &rusqlite::Connection,
    like: &str,
    (connections, profiles): (u64, u64),
) -> rusqlite::Result<()> {
    let each = profiles / connections.max(1);
    for first in (0..connections).step_by(1000) {
        let transaction = db.unchecked_transaction()?;
        {
            let mut organization = db.prepare_cached(
                "INSERT INTO organizations
                 SELECT ?1, environment_id, ?2, NULL, stripe_customer_id, metadata,
                     allow_profiles_outside_organization, default_role_slug, created_at, updated_at
                 FROM organizations
                 WHERE id = (SELECT organization_id FROM connections WHERE id = ?3)",
            )?;
            let mut connection = db.prepare_cached(
                "INSERT INTO connections
                 (id, environment_id, organization_id, connection_type, name, state, external_key,
                  version, settings, client_secret_sealed, policy, created_at, updated_at)
                 SELECT ?1, environment_id, ?2, connection_type, ?3, state, ?3, version,
                     replace(settings, id, ?1), client_secret_sealed, policy, created_at, updated_at
                 FROM connections WHERE id = ?4",
            )?;
            let mut profile = db.prepare_cached(PROFILE)?;
            for n in first..connections.min(first + 1000) {
                let (tenant, name) = (id("conn", n), format!("bulk{n}"));
                organization.execute(rusqlite::params![id("org", n), name, like])?;
                connection.execute(rusqlite::params![tenant, id("org", n), name, like])?;
                for user in 0..each {
                    insert_profile(&mut profile, (&id("prof", n * each + user), &tenant), user)?;
                }
            }
        }
        transaction.commit()?;
    }
    Ok(())
}

fn users(db: &rusqlite::Connection, connections: &str, users: u64) -> rusqlite::Result<()> {
    let transaction = db.unchecked_transaction()?;
    let mut profile = db.prepare_cached(PROFILE)?;
    for (i, connection) in connections.lines().enumerate() {
        for user in 0..users {
            // Behind those of `bulk`.
            let id = id("prof", 1_000_000_000_000 + i as u64 * users + user);
            insert_profile(&mut profile, (&id, connection), user)?;
        }
    }
    drop(profile);
    transaction.commit()
}

fn age(db: &rusqlite::Connection, days: i64) -> rusqlite::Result<()> {
    let ms = days * 24 * 60 * 60 * 1000;
    db.execute_batch(&format!(
        "UPDATE sso_sessions SET created_at = created_at - {ms}, updated_at = updated_at - {ms},
             expires_at = expires_at - {ms};
         UPDATE events SET created_at = created_at - {ms};"
    ))
}

fn count(db: &rusqlite::Connection) -> rusqlite::Result<()> {
    let one = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    let (open, all, events) = (
        one("SELECT count(*) FROM sso_sessions WHERE status = 'in_progress'")?,
        one("SELECT count(*) FROM sso_sessions")?,
        one("SELECT count(*) FROM events")?,
    );
    println!("{}", json!({ "in_progress": open, "sso_sessions": all, "events": events }));
    Ok(())
}

fn by_sql(sql: Sql) -> Result<(), Box<dyn std::error::Error>> {
    let path = match &sql {
        Sql::Bulk { database, .. } | Sql::Users { database, .. } => database,
        Sql::Age { database, .. } | Sql::Count { database } => database,
    };
    let db = rusqlite::Connection::open(path)?;
    db.busy_timeout(std::time::Duration::from_secs(60))?;
    db.execute_batch("pragma synchronous = off; pragma cache_size = -400000")?;
    match sql {
        Sql::Bulk { like, connections, profiles, .. } => bulk(&db, &like, (connections, profiles))?,
        Sql::Users { connections, users: each, .. } => {
            users(&db, &fs::read_to_string(connections)?, each)?;
        }
        Sql::Age { days, .. } => age(&db, days)?,
        Sql::Count { .. } => count(&db)?,
    }
    Ok(())
}

fn main() -> ExitCode {
    let outcome = match Args::parse() {
        Args::Api(api) => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(by_api(api)).map_err(|fail| fail.to_string())
        }
        Args::Sql(sql) => by_sql(sql).map_err(|error| error.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fill: {error}");
            ExitCode::FAILURE
        }
    }
}
