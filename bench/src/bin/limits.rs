//! What the unavoidable parts of one login cost on this machine, each measured alone.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use clap::Parser;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use sso_bench::client::{Agent, Body};
use sso_bench::identity::User;
use sso_bench::jose::{Alg, Signer, Verifier, b64, random_token, unb64};
use sso_bench::proc::{own_cpu_ms, this_thread, thread_cpu_ms};
use sso_bench::server::{json as answer, serve};
use tokio::net::TcpListener;
use tokio_postgres::NoTls;
use url::Url;

const EACH: Duration = Duration::from_secs(1);

#[derive(Parser)]
#[command(about = "Measures the unavoidable parts of one login")]
struct Args {
    /// A PostgreSQL connection string, to measure its commits too
    #[arg(long)]
    postgres: Option<String>,
    /// A folder for a SQLite file, to measure its commits too
    #[arg(long)]
    sqlite: Option<PathBuf>,
}

/// Runs a piece of work for a second; prints its CPU time and its wall time.
fn each(name: &str, mut work: impl FnMut()) {
    for _ in 0..100 {
        work();
    }
    let (cpu, began) = (own_cpu_ms(), Instant::now());
    let mut count = 0u32;
    while began.elapsed() < EACH {
        for _ in 0..16 {
            work();
        }
        count += 16;
    }
    let wall = began.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    let cpu = (own_cpu_ms() - cpu) * 1e3 / f64::from(count);
    println!("| {name} | {cpu:.2} | {wall:.2} |");
}

fn claims() -> Value {
    let user = User::numbered(1234);
    json!({
        "iss": "https://acme.okta.com", "aud": "0oa1234567890abcdef", "iat": 1_790_000_000,
        "exp": 1_790_003_600, "nonce": random_token::<32>(), "sub": user.sub, "email": user.email,
        "email_verified": true, "name": user.name, "given_name": user.given_name,
        "family_name": user.family_name, "preferred_username": user.email, "groups": user.groups,
    })
}

fn crypto() {
    for alg in [Alg::Rs256, Alg::Es256] {
        let signer = Signer::generate(alg);
        let claims = claims();
        let token = signer.sign(&claims);
        let key = Verifier::from_jwk(&signer.jwk()).expect("a usable key");
        each(&format!("{} ID token: verify and read its claims", alg.name()), || {
            black_box(key.verify(black_box(&token)).expect("a good signature"));
        });
        each(&format!("{} ID token: sign", alg.name()), || {
            black_box(signer.sign(black_box(&claims)));
        });
    }
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("a 32-byte key"));
    each("AES-256-GCM: seal and open 1 KiB", || {
        let nonce = || Nonce::assume_unique_for_key([1; 12]);
        let mut data = vec![0u8; 1024];
        key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut data).expect("sealed");
        black_box(key.open_in_place(nonce(), Aad::empty(), &mut data).expect("opened"));
    });
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    each("HMAC-SHA256 of 256 bytes", || {
        black_box(hmac::sign(&key, black_box(&[3; 256])));
    });
    each("SHA-256 of a 43-byte secret", || {
        black_box(digest(&SHA256, black_box(&[3; 43])));
    });
    each("32 random bytes in base64url", || {
        black_box(random_token::<32>());
    });
}

fn text() {
    let payload = b64(claims().to_string());
    each("ID token claims: base64url and JSON to a tree", || {
        let bytes = unb64(black_box(&payload)).expect("base64url");
        black_box(serde_json::from_slice::<Value>(&bytes).expect("JSON"));
    });
    let claims = claims();
    each("profile: a JSON tree to text", || {
        black_box(black_box(&claims).to_string());
    });
    let url = "http://localhost/sso/authorize?client_id=client_01H&response_type=code\
               &redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback&state=abcdefgh\
               &connection=conn_01H";
    each("authorize URL: parse and read five parameters", || {
        let url = url::Url::parse(black_box(url)).expect("a URL");
        black_box(url.query_pairs().map(|(k, v)| k.len() + v.len()).sum::<usize>());
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Requests over kept-alive connections on loopback, the server's thread and the client's apart.
fn http(connections: usize) {
    let (ready, started) = mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let port = listener.local_addr().expect("an address").port();
            ready.send((port, this_thread())).expect("a waiting client");
            let body = claims();
            let handler = move |_| {
                let reply = answer(StatusCode::OK, &body);
                async move { reply }
            };
            serve(listener, None, Arc::new(handler)).await;
        });
    });
    let (port, server) = started.recv().expect("a server");
    let url = Url::parse(&format!("http://127.0.0.1:{port}/sso/profile?a=b")).expect("a URL");
    let until = Instant::now() + EACH;
    let cpu = || (thread_cpu_ms(server), thread_cpu_ms(this_thread()));
    let (before, began) = (cpu(), Instant::now());
    let count: u32 = runtime().block_on(async {
        let local = tokio::task::LocalSet::new();
        let mut tasks = Vec::new();
        for _ in 0..connections {
            let url = url.clone();
            tasks.push(local.spawn_local(async move {
                let (mut agent, mut count) = (Agent::default(), 0);
                let headers = [("authorization", "Bearer 0123456789abcdef0123456789abcdef")];
                while Instant::now() < until {
                    agent.send(Method::GET, &url, &headers, Body::None).await.expect("an answer");
                    count += 1;
                }
                count
            }));
        }
        local.await;
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("a finished task");
        }
        sum
    });
    let (after, wall) = (cpu(), began.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    let each = |ms: f64| ms * 1e3 / f64::from(count);
    let at = format!("{connections} connections");
    println!(
        "| HTTP/1.1: answer one request, {at} | {:.2} | {wall:.2} |",
        each(after.0 - before.0)
    );
    println!("| HTTP/1.1: make one request, {at} | {:.2} | {wall:.2} |", each(after.1 - before.1));
}

async fn postgres(url: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    client
        .batch_execute(
            "create temp table t0 (x int); drop table if exists limits; \
             create table limits (id bytea primary key, body text not null)",
        )
        .await?;
    let insert = client.prepare("insert into limits values ($1, $2)").await?;
    let delete = client.prepare("delete from limits where id = $1 returning body").await?;
    let select = client.prepare("select body from limits where id = $1").await?;
    let body = claims().to_string();
    let key = |n: u32| digest(&SHA256, &n.to_be_bytes()).as_ref().to_vec();
    for commit in ["on", "off"] {
        client
            .batch_execute(&format!("set synchronous_commit = {commit}; truncate limits"))
            .await?;
        let (mut insert_time, mut delete_time, mut select_time) = (0.0, 0.0, 0.0);
        let rounds = 1500;
        let cpu = own_cpu_ms();
        for n in 0..rounds {
            let id = key(n);
            let began = Instant::now();
            client.execute(&insert, &[&id, &body]).await?;
            insert_time += began.elapsed().as_secs_f64();
            let began = Instant::now();
            client.query_one(&select, &[&id]).await?;
            select_time += began.elapsed().as_secs_f64();
            let began = Instant::now();
            client.query_one(&delete, &[&id]).await?;
            delete_time += began.elapsed().as_secs_f64();
        }
        let cpu = (own_cpu_ms() - cpu) * 1e3 / f64::from(rounds) / 3.0;
        let us = |seconds: f64| seconds * 1e6 / f64::from(rounds);
        println!(
            "| PostgreSQL: one insert, synchronous_commit {commit} | {cpu:.2} (client) | {:.2} |",
            us(insert_time)
        );
        println!(
            "| PostgreSQL: one delete, synchronous_commit {commit} | {cpu:.2} (client) | {:.2} |",
            us(delete_time)
        );
        println!(
            "| PostgreSQL: one primary-key select | {cpu:.2} (client) | {:.2} |",
            us(select_time)
        );
    }
    client.batch_execute("drop table limits").await
}

fn sqlite(folder: &std::path::Path) -> rusqlite::Result<()> {
    for mode in ["NORMAL", "FULL"] {
        let path = folder.join(format!("limits-{mode}.sqlite"));
        let db = rusqlite::Connection::open(&path)?;
        db.execute_batch(&format!(
            "pragma journal_mode = wal; pragma synchronous = {mode}; drop table if exists limits; \
             create table limits (id blob primary key, body text not null) without rowid"
        ))?;
        let body = claims().to_string();
        let mut n = 0u32;
        {
            let mut insert = db.prepare("insert into limits values (?1, ?2)")?;
            each(&format!("SQLite WAL: one insert, synchronous {mode}"), || {
                n += 1;
                let id = digest(&SHA256, &n.to_be_bytes());
                insert.execute(rusqlite::params![id.as_ref(), body]).expect("an insert");
            });
            let mut select = db.prepare("select body from limits where id = ?1")?;
            let mut m = 0u32;
            each("SQLite WAL: one primary-key select", || {
                m = m % n + 1;
                let id = digest(&SHA256, &m.to_be_bytes());
                let text: String =
                    select.query_row([id.as_ref()], |row| row.get(0)).expect("a row");
                black_box(text);
            });
        }
        drop(db);
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    println!("| part | CPU µs | wall µs |");
    println!("|---|---|---|");
    crypto();
    text();
    http(1);
    http(16);
    if let Some(folder) = &args.sqlite {
        sqlite(folder)?;
    }
    if let Some(url) = &args.postgres {
        runtime().block_on(postgres(url))?;
    }
    Ok(())
}
