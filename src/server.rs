//! The HTTP server: the faces behind one address, with patience for nobody who is slow on purpose.

mod body;
mod heads;
mod places;
mod stream;
pub mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use http::HeaderValue;
use http::header::{CONNECTION, CONTENT_TYPE, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::app::App;
use crate::base::error::Error;
use crate::base::{Caller, unwind};
use crate::config::Database;
use crate::model::installation;
use crate::sso::sweep;
use crate::telemetry::{self, metrics};
use crate::web::around::around;
use crate::web::{assets, brand, guard, limit, request_id};
use crate::{api, dashboard, delivery, domains, limits, login, portal};
use body::TimelyBody;
use places::{Place, Places};
use stream::ClientStream;

/// How many connections may be open, if nobody says otherwise.
pub const MAX_CONNECTIONS: u64 = 10_000;
/// How long a client may take for the head of a request, for its body, and for the TLS handshake, if
/// nobody says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How much of what a client sends is kept for it at the most, in bytes.
const READ_AHEAD: usize = 64 * 1024;
/// What a client is told for whom there is no place.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\n\
                          connection: close\r\ncontent-length: 0\r\n\r\n";
/// How long requests may still take once the server is to stop.
const GRACE: Duration = Duration::from_secs(20);
/// How often attempts that nobody finished are closed.
const TIME_OUT_EVERY: Duration = Duration::from_secs(10);
/// How often pending domains are looked at whose next check is due.
const VERIFY_EVERY: Duration = Duration::from_secs(10);
/// How often nodes tell each other what they have counted towards the rate limits.
const EXCHANGE_EVERY: Duration = Duration::from_secs(2);
/// How long nothing is done in the background after something there panicked.
const PAUSE: Duration = Duration::from_secs(1);
/// How often logins are counted for the overview, in rounds of [`TIME_OUT_EVERY`].
const TAKE_STOCK_EVERY: u32 = 6;
/// How often old rows are forgotten, in rounds of [`TIME_OUT_EVERY`].
const PURGE_EVERY: u32 = 60;

/// All faces of the service.
pub fn router(app: App) -> Router {
    let health = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(app.clone());
    let limited = login::router(app.clone())
        .merge(portal::router(app.clone()))
        .merge(dashboard::router(app.clone()))
        .merge(api::router(app.clone()))
        .layer(around(app.clone(), limit::by_address));
    limited
        .merge(health)
        .merge(brand::router(app.clone()))
        .merge(assets::router())
        .layer(around(app, request_id::observe))
}

/// What Prometheus asks, on a listener of its own.
pub fn metrics_router() -> Router {
    const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Router::new().route("/metrics", get(async || ([(CONTENT_TYPE, TEXT)], telemetry::encode())))
}

/// Whether the database answers, and the service is not about to stop.
async fn ready(
    axum::extract::State(app): axum::extract::State<App>,
) -> (http::StatusCode, &'static str) {
    if app.stopping.load(Ordering::Relaxed) {
        return (http::StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    let nobody = Caller::anonymous();
    match app.db.read(&nobody, async |tx| installation::key_id(tx).await).await {
        Ok(_) => (http::StatusCode::OK, "ok\n"),
        Err(_) => (http::StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}

/// How connections are served.
#[derive(Clone)]
pub struct Manner {
    /// What makes TLS connections of them; `None`: they stay plain.
    pub tls: Option<TlsAcceptor>,
    /// Once this is true, each answer closes its connection, so that whoever keeps connections
    /// for the next request learns that there is none here.
    pub stopping: Arc<AtomicBool>,
    /// How many connections may be open.
    pub max_connections: u64,
    /// How long a client may take for the head of a request, for its body, and for the TLS handshake.
    pub patience: Duration,
}

impl Default for Manner {
    fn default() -> Self {
        let (max_connections, patience) = (MAX_CONNECTIONS, PATIENCE);
        Self { tls: None, stopping: Arc::default(), max_connections, patience }
    }
}

/// A client, for as long as its connection is open.
struct Client {
    peer: SocketAddr,
    place: Place,
    patience: Duration,
    stopping: Arc<AtomicBool>,
}

/// Serves plain HTTP until `stop` is done; then lets requests that have begun end.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    serve_as(Manner::default(), listener, router, stop).await;
}

/// Serves until `stop` is done; then lets requests that have begun end.
pub async fn serve_as(
    manner: Manner,
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let places = Places::new(manner.max_connections);
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: others will be closed.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        let Some(place) = places.take() else {
            // Before a TLS handshake nothing can be said.
            if manner.tls.is_none() {
                tokio::spawn(turn_away(stream));
            }
            continue;
        };
        let (patience, stopping) = (manner.patience, Arc::clone(&manner.stopping));
        let client = Arc::new(Client { peer, place, patience, stopping });
        let (tls, router, watcher) = (manner.tls.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            tokio::select! {
                () = connected(&client, stream, tls, (router, watcher)) => {}
                () = client.place.given_up() => {}
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

/// Says that there is no place.
async fn turn_away(mut stream: TcpStream) {
    let _ = timeout(Duration::from_secs(1), stream.write_all(NO_PLACE)).await;
}

/// Serves one connection to its end. A client that hangs up, or speaks no TLS or no HTTP, is no event
/// for the log.
async fn connected(
    client: &Arc<Client>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    (router, watcher): (Router, Watcher),
) {
    match tls {
        None => spoken(client, stream, router, watcher).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = timeout(client.patience, acceptor.accept(stream)).await {
                spoken(client, stream, router, watcher).await;
            }
        }
    }
}

async fn spoken<S>(client: &Arc<Client>, stream: S, router: Router, watcher: Watcher)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service =
        hyper::service::service_fn(|request| answer(router.clone(), request, Arc::clone(client)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(client.patience)
        .max_header_size(guard::MAX_HEAD)
        .max_buf_size(READ_AHEAD)
        .serve_connection(TokioIo::new(ClientStream::new(stream, client.peer)), service);
    let _ = watcher.watch(connection).await;
}

async fn answer(
    router: Router,
    request: hyper::Request<hyper::body::Incoming>,
    client: Arc<Client>,
) -> Result<axum::response::Response, Infallible> {
    client.place.work();
    // What follows chunks is not looked at: `heads::Requests`.
    let is_last = request.headers().contains_key(TRANSFER_ENCODING);
    let timely = |body| axum::body::Body::new(TimelyBody::new(body, client.patience));
    let mut request = request.map(timely);
    request.extensions_mut().insert(ConnectInfo(client.peer));
    let mut response = router.oneshot(request).await?;
    if is_last || client.stopping.load(Ordering::Relaxed) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    client.place.wait();
    Ok(response)
}

/// What goes on beside the requests: ending what time ends, looking for the proofs of domains, and
/// delivering webhooks. None waits for another.
pub async fn background(app: App) {
    tokio::join!(
        keep_on(|| end_what_time_ends(&app)),
        keep_on(|| verify_domains(&app)),
        keep_on(|| exchange_counts(&app)),
        keep_on(|| delivery::work(app.clone()))
    );
}

/// Does some work to its end, which most has none; begins again where it panics.
async fn keep_on<F: Future<Output = ()>>(work: impl Fn() -> F) {
    while unwind::catch(work()).await.is_none() {
        tracing::error!("work in the background panicked, and is begun again");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Ends what time ends, again and again.
async fn end_what_time_ends(app: &App) {
    for round in 0_u32.. {
        tokio::time::sleep(TIME_OUT_EVERY).await;
        let _ = sweep::time_out(app).await.map_err(log);
        if round.is_multiple_of(TAKE_STOCK_EVERY) {
            let _ = sweep::take_stock(app).await.map_err(log);
        }
        if round.is_multiple_of(PURGE_EVERY) {
            let _ = sweep::purge(app).await.map_err(log);
        }
    }
}

async fn verify_domains(app: &App) {
    loop {
        tokio::time::sleep(VERIFY_EVERY).await;
        let _ = domains::sweep(app).await.map_err(log);
    }
}

/// Tells other nodes what was counted towards the rate limits. The embedded database has one node.
async fn exchange_counts(app: &App) {
    if matches!(app.config.database, Database::Sqlite(_)) {
        return;
    }
    loop {
        tokio::time::sleep(EXCHANGE_EVERY).await;
        let _ = limits::exchange(app).await.map_err(log);
    }
}

fn log(error: Error) {
    metrics().sweep_failed();
    tracing::warn!(error = error.chain(), "a sweep was not finished");
}
