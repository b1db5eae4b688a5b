//! The HTTP server: the faces behind one address, with patience for nobody who is slow on purpose.

pub mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http::HeaderValue;
use http::header::{CONNECTION, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::app::App;
use crate::base::Caller;
use crate::base::error::Error;
use crate::config::Database;
use crate::model::installation;
use crate::sso::sweep;
use crate::telemetry::{self, metrics};
use crate::web::{assets, brand, limit, request_id};
use crate::{api, dashboard, delivery, domains, limits, login, portal};

/// How long a client may take for the head of its request, and before it for the TLS handshake.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests may still take once the server is to stop.
const GRACE: Duration = Duration::from_secs(20);
/// How often attempts that nobody finished are closed.
const TIME_OUT_EVERY: Duration = Duration::from_secs(10);
/// How often pending domains are looked at whose next check is due.
const VERIFY_EVERY: Duration = Duration::from_secs(10);
/// How often nodes tell each other what they have counted towards the rate limits.
const EXCHANGE_EVERY: Duration = Duration::from_secs(2);
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
        .layer(from_fn_with_state(app.clone(), limit::by_address));
    limited
        .merge(health)
        .merge(brand::router(app.clone()))
        .merge(assets::router())
        .layer(from_fn_with_state(app, request_id::observe))
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
#[derive(Clone, Default)]
pub struct Manner {
    /// What makes TLS connections of them; `None`: they stay plain.
    pub tls: Option<TlsAcceptor>,
    /// Once this is true, each answer closes its connection, so that whoever keeps connections
    /// for the next request learns that there is none here.
    pub stopping: Arc<AtomicBool>,
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
        let (manner, router, watcher) = (manner.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            metrics().open_connections.inc();
            connected(manner, (stream, peer), router, watcher).await;
            metrics().open_connections.dec();
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

/// Serves one connection to its end. A client that hangs up, or speaks no TLS or no HTTP, is no event
/// for the log.
async fn connected(
    manner: Manner,
    (stream, peer): (TcpStream, SocketAddr),
    router: Router,
    watcher: Watcher,
) {
    match &manner.tls {
        None => spoken(&manner, (stream, peer), router, watcher).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
                spoken(&manner, (stream, peer), router, watcher).await;
            }
        }
    }
}

async fn spoken<S>(
    manner: &Manner,
    (stream, peer): (S, SocketAddr),
    router: Router,
    watcher: Watcher,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let stopping = &manner.stopping;
    let service = hyper::service::service_fn(|request| {
        answer(router.clone(), request, (peer, Arc::clone(stopping)))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let _ = watcher.watch(connection).await;
}

async fn answer(
    router: Router,
    request: hyper::Request<hyper::body::Incoming>,
    (peer, stopping): (SocketAddr, Arc<AtomicBool>),
) -> Result<axum::response::Response, Infallible> {
    let mut request = request.map(axum::body::Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let mut response = router.oneshot(request).await?;
    if stopping.load(Ordering::Relaxed) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// What goes on beside the requests: ending what time ends, looking for the proofs of domains, and
/// delivering webhooks. None waits for another.
pub async fn background(app: App) {
    tokio::join!(
        end_what_time_ends(&app),
        verify_domains(&app),
        exchange_counts(&app),
        delivery::work(app.clone())
    );
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
