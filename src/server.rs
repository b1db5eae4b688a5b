//! The HTTP server: the faces behind one address, with patience for nobody who is slow on purpose.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::app::App;
use crate::base::Caller;
use crate::base::error::Error;
use crate::config::Database;
use crate::model::installation;
use crate::sso::sweep;
use crate::web::{assets, brand, limit, request_id};
use crate::{api, dashboard, delivery, domains, limits, login, portal};

/// How long a client may take for the head of its request.
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
        .layer(from_fn_with_state(app.clone(), limit::by_address))
        .layer(from_fn(request_id::assign));
    let health = health.layer(from_fn(request_id::assign));
    limited.merge(health).merge(brand::router(app)).merge(assets::router())
}

/// Whether the database answers.
async fn ready(
    axum::extract::State(app): axum::extract::State<App>,
) -> (http::StatusCode, &'static str) {
    let nobody = Caller::anonymous();
    match app.db.read(&nobody, async |tx| installation::key_id(tx).await).await {
        Ok(_) => (http::StatusCode::OK, "ok\n"),
        Err(_) => (http::StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}

/// Serves until `stop` is done; then lets requests that have begun end.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
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
        let router = router.clone();
        let service =
            hyper::service::service_fn(move |request| answer(router.clone(), request, peer));
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that hangs up or sends no HTTP is no event for the log.
            let _ = connection.await;
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

async fn answer(
    router: Router,
    request: hyper::Request<hyper::body::Incoming>,
    peer: SocketAddr,
) -> Result<axum::response::Response, Infallible> {
    let mut request = request.map(axum::body::Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    router.oneshot(request).await
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
    while matches!(app.config.database, Database::Postgres(_)) {
        tokio::time::sleep(EXCHANGE_EVERY).await;
        let _ = limits::exchange(app).await.map_err(log);
    }
}

fn log(error: Error) {
    tracing::warn!(error = error.chain(), "a sweep was not finished");
}
