//! The only HTTP client of the house.
//!
//! Tenants name the hosts we speak to, so every request is vetted: https on port 443 to public
//! addresses, and nothing else unless the operator vouches for the address. Names are resolved
//! once, *every* address is vetted, and the connection goes to a vetted address: there is no second
//! lookup that could answer otherwise. There are no redirects, no proxies of the environment, no
//! decompression; answers are cut off at a number of bytes and a deadline.

mod address;
mod certificate;
mod error;
mod pool;
mod probe;
mod resolver;
#[cfg(test)]
mod tests;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, ORIGIN, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Position, Url};

use crate::config;
use crate::telemetry::spans::Side;
use crate::telemetry::{Call, metrics, request};

use address::{AllowList, special_class};
pub use certificate::Certificate;
pub use error::{Error, SetupError, TlsCause};
use pool::{Connection, Key, Pool, Slot};
pub use probe::{NotReached, Reached, Stage};
pub use resolver::{FixedNames, Resolver};
use tls::Tls;
pub use tls::is_ca_pem;

/// How long one of several addresses may keep the others waiting.
const CONNECT_ATTEMPT: Duration = Duration::from_secs(1);
/// How many headers an answer may have, and how many bytes they may be together.
const MAX_HEADERS: usize = 100;
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Waiting for a place among the requests to one host.
    queue: Duration,
    /// Connecting, from the first packet to the end of the TLS handshake.
    connect: Duration,
    /// A request in all, from the name lookup to the last byte of the answer.
    total: Duration,
    /// How long a connection may be idle and still be used for a request that can be repeated.
    idle: Duration,
    /// The same for a request that cannot: less than the 5 s after which common servers hang up,
    /// since a POST that meets a closing connection cannot be told from one that was carried out.
    idle_post: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: Duration::from_secs(2),
            connect: Duration::from_secs(3),
            total: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            idle_post: Duration::from_secs(4),
        }
    }
}

/// The outbound HTTP client. A clone is the same client.
#[derive(Clone)]
pub struct Outbound(Arc<Inner>);

struct Inner {
    allow: AllowList,
    resolver: Resolver,
    tls: Tls,
    pool: Pool,
    limits: Limits,
}

/// A request to another host. Prints without its headers and body: they carry secrets.
#[derive(Clone)]
pub struct Request {
    /// `GET` and `HEAD` may be repeated once when a kept connection turns out to be closed; any
    /// other method is tried exactly once.
    pub method: Method,
    /// Where to; a fragment is not sent.
    pub url: Url,
    /// Headers besides `Host`, `User-Agent` and `Accept-Encoding`, which are ours.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// A longer answer is [`Error::TooLarge`].
    pub max_response_bytes: usize,
    /// PEM certificates of authorities trusted for this request besides the system's.
    pub extra_ca: Option<Arc<str>>,
}

impl Request {
    /// A `GET` whose answer may have `max_response_bytes`.
    pub fn get(url: Url, max_response_bytes: usize) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let (method, body, extra_ca) = (Method::GET, Bytes::new(), None);
        Self { method, url, headers, body, max_response_bytes, extra_ca }
    }

    /// A `POST` of a form that is already urlencoded.
    pub fn post_form(url: Url, form: String, max_response_bytes: usize) -> Self {
        let mut request = Self::get(url, max_response_bytes);
        request.method = Method::POST;
        request.body = form.into();
        request
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request
    }

    /// Trusts the authorities in `pem` for this request, too.
    #[must_use]
    pub fn trusting(mut self, pem: Option<Arc<str>>) -> Self {
        self.extra_ca = pem;
        self
    }
}

/// An answer, whatever its status: a redirect is an answer like any other. Prints its status only.
#[derive(Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Outbound {
    /// The client of a running service.
    ///
    /// # Errors
    ///
    /// [`SetupError`] names the entry of the allow-list or the file that is malformed.
    pub fn new(settings: &config::Outbound) -> Result<Self, SetupError> {
        Self::with_resolver(settings, Resolver::System)
    }

    /// A client that looks names up elsewhere: for tests.
    ///
    /// # Errors
    ///
    /// As [`Outbound::new`].
    pub fn with_resolver(
        settings: &config::Outbound,
        resolver: Resolver,
    ) -> Result<Self, SetupError> {
        Self::with_limits(settings, resolver, Limits::default())
    }

    fn with_limits(
        settings: &config::Outbound,
        resolver: Resolver,
        limits: Limits,
    ) -> Result<Self, SetupError> {
        let allow = AllowList::parse(&settings.allow)?;
        let tls = Tls::new(settings.extra_ca_file.as_deref())?;
        let pool = Pool::new(limits);
        Ok(Self(Arc::new(Inner { allow, resolver, tls, pool, limits })))
    }

    /// Checks what can be checked of a URL before its name is looked up: scheme, port, user
    /// information, and addresses written out.
    ///
    /// # Errors
    ///
    /// The rule that the URL breaks. [`Outbound::send`] applies the same rules and more.
    pub fn vet_url(&self, url: &Url) -> Result<(), Error> {
        if !matches!(url.scheme(), "https" | "http") {
            return Err(Error::SchemeNotAllowed);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::UserinfoNotAllowed);
        }
        let port = url.port_or_known_default().ok_or(Error::HostInvalid)?;
        match url.host().ok_or(Error::HostInvalid)? {
            Host::Ipv4(address) => self.vet_address(url, address.into(), port),
            Host::Ipv6(address) => self.vet_address(url, address.into(), port),
            Host::Domain(name) => self.vet_name(url, name, port),
        }
    }

    /// The rules for a name: what it resolves to is vetted later.
    fn vet_name(&self, url: &Url, name: &str, port: u16) -> Result<(), Error> {
        if name.is_empty() || name.len() > 253 || name.ends_with('.') {
            return Err(Error::HostInvalid);
        }
        if !self.0.allow.is_empty() {
            return Ok(());
        }
        if url.scheme() != "https" {
            return Err(Error::SchemeNotAllowed);
        }
        if name == "localhost" || name.ends_with(".localhost") {
            return Err(Error::AddressBlocked("loopback"));
        }
        if port == 443 { Ok(()) } else { Err(Error::PortNotAllowed) }
    }

    /// The rules for an address, written out or looked up.
    fn vet_address(&self, url: &Url, address: IpAddr, port: u16) -> Result<(), Error> {
        if self.0.allow.contains(address, port) {
            return Ok(());
        }
        if let Some(class) = special_class(address) {
            return Err(Error::AddressBlocked(class));
        }
        if url.scheme() != "https" {
            return Err(Error::SchemeNotAllowed);
        }
        if port == 443 { Ok(()) } else { Err(Error::PortNotAllowed) }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// The class of what went wrong; whether a `POST` was carried out is unknown after
    /// [`Error::Timeout`] and [`Error::Http`], so it must not be sent again.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        self.send_for(Call::Other, request).await
    }

    /// As [`Outbound::send`], counted as what it is for.
    ///
    /// # Errors
    ///
    /// As [`Outbound::send`].
    pub async fn send_for(&self, call: Call, request: Request) -> Result<Response, Error> {
        let watch = Watch::begin(call);
        let result = self.vet_and_send(request).await;
        watch.end(result.as_ref().err());
        result
    }

    async fn vet_and_send(&self, request: Request) -> Result<Response, Error> {
        self.vet_url(&request.url)?;
        let key = Key {
            https: request.url.scheme() == "https",
            host: request.url.host_str().ok_or(Error::HostInvalid)?.into(),
            port: request.url.port_or_known_default().ok_or(Error::HostInvalid)?,
            extra_ca: request.extra_ca.clone(),
        };
        let slot = self.0.pool.enter(key).await?;
        let deadline = Instant::now() + self.0.limits.total;
        timeout_at(deadline, self.exchange(&slot, &request)).await.map_err(|_| Error::Timeout)?
    }

    /// One exchange, on a kept connection where there is one.
    async fn exchange(&self, slot: &Slot<'_>, request: &Request) -> Result<Response, Error> {
        let repeatable = matches!(request.method, Method::GET | Method::HEAD);
        let mut message = head_and_body(request)?;
        while let Some(mut kept) = slot.take_idle(repeatable) {
            if kept.sender.ready().await.is_err() {
                continue;
            }
            match kept.sender.try_send_request(message).await {
                Ok(answer) => return finish(slot, kept, answer, request).await,
                // The whole message came back: nothing of it was sent, so it can be sent again.
                Err(mut unsent) if unsent.message().is_some() => {
                    message = unsent.take_message().ok_or(Error::Http)?;
                }
                Err(_) if repeatable => {
                    message = head_and_body(request)?;
                    break;
                }
                Err(_) => return Err(Error::Http),
            }
        }
        // Boxed, because it is rare, and its future would make that of every login larger by 3 KB.
        let mut fresh = Box::pin(self.connect(request)).await?;
        let answer = fresh.sender.send_request(message).await.map_err(|_| Error::Http)?;
        finish(slot, fresh, answer, request).await
    }

    /// The addresses of a URL's host, all of them vetted, and the name for its certificate.
    async fn targets(&self, url: &Url) -> Result<(Vec<IpAddr>, ServerName<'static>), Error> {
        self.vet_url(url)?;
        let port = url.port_or_known_default().ok_or(Error::HostInvalid)?;
        let (addresses, name) = match url.host().ok_or(Error::HostInvalid)? {
            Host::Ipv4(address) => (vec![address.into()], ServerName::IpAddress(address.into())),
            Host::Ipv6(address) => (vec![address.into()], ServerName::IpAddress(address.into())),
            Host::Domain(name) => {
                let addresses = self.0.resolver.resolve(name).await?;
                let name = ServerName::try_from(name.to_owned());
                (addresses, name.map_err(|_| Error::HostInvalid)?)
            }
        };
        for address in &addresses {
            self.vet_address(url, *address, port)?;
        }
        Ok((addresses, name))
    }

    /// Opens a connection to a vetted address.
    async fn connect(&self, request: &Request) -> Result<Connection, Error> {
        let url = &request.url;
        let port = url.port_or_known_default().ok_or(Error::HostInvalid)?;
        let (addresses, name) = self.targets(url).await?;
        let opening = async {
            let stream = connect_any(&addresses, port).await?;
            if url.scheme() != "https" {
                return handshake(TokioIo::new(stream)).await;
            }
            let connector = self.0.tls.connector(request.extra_ca.as_ref())?;
            let stream = connector.connect(name, stream).await;
            handshake(TokioIo::new(stream.map_err(|error| error::tls_cause(&error))?)).await
        };
        timeout(self.0.limits.connect, opening).await.map_err(|_| Error::Timeout)?
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").field("allow", &self.0.allow).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = &self.url[..Position::AfterPath];
        write!(f, "Request({} {url})", self.method)
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}

/// The first address that answers.
async fn connect_any(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Error> {
    for (index, address) in addresses.iter().enumerate() {
        let attempt = TcpStream::connect(SocketAddr::new(*address, port));
        let connected = if index + 1 < addresses.len() {
            timeout(CONNECT_ATTEMPT, attempt).await.ok().and_then(Result::ok)
        } else {
            attempt.await.ok()
        };
        if let Some(stream) = connected {
            // Requests are small and each waits for its answer: Nagle's algorithm only delays them.
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
    }
    Err(Error::Connect)
}

async fn handshake<T>(io: TokioIo<T>) -> Result<Connection, Error>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADER_BYTES)
        .handshake(io)
        .await
        .map_err(|_| Error::Http)?;
    // Ends when the sender is dropped or the other side hangs up; whoever waits for an answer
    // gets the error.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(Connection { sender, opened_at: Instant::now(), patience: None })
}

/// Measures a request until it ends, or until nobody waits for it any more.
struct Watch {
    call: Call,
    began: Instant,
    /// `None` once it ended by itself.
    class: Option<&'static str>,
}

impl Watch {
    fn begin(call: Call) -> Self {
        metrics().outbound_in_use.inc();
        Self { call, began: Instant::now(), class: Some("given_up") }
    }

    fn end(mut self, error: Option<&Error>) {
        self.class = error.map(|error| error.class());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        metrics().outbound_in_use.dec();
        metrics().called(self.call, self.began.elapsed(), self.class);
        request::did(self.call.as_str(), Side::Client, self.began.into_std(), self.class);
    }
}

/// The message as it goes over the wire.
fn head_and_body(request: &Request) -> Result<http::Request<Full<Bytes>>, Error> {
    let url = &request.url;
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let host = HeaderValue::from_str(host).map_err(|_| Error::HostInvalid)?;
    let mut message = http::Request::builder()
        .method(&request.method)
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .body(Full::new(request.body.clone()))
        .map_err(|_| Error::HostInvalid)?;
    let headers = message.headers_mut();
    headers.extend(request.headers.clone());
    // Okta takes a request with an Origin for one of a browser, and refuses it.
    headers.remove(ORIGIN);
    headers.insert(HOST, host);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("vestibule/", env!("CARGO_PKG_VERSION"))),
    );
    Ok(message)
}

/// Reads the answer, and keeps the connection for the next request if it is still good.
async fn finish(
    slot: &Slot<'_>,
    mut connection: Connection,
    answer: http::Response<Incoming>,
    request: &Request,
) -> Result<Response, Error> {
    let (head, mut incoming) = answer.into_parts();
    let encoding = head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(Error::Compressed);
    }
    let most = request.max_response_bytes;
    let announced = incoming.size_hint().lower();
    if announced > most as u64 {
        return Err(Error::TooLarge);
    }
    let mut body = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
    while let Some(frame) = incoming.frame().await {
        if let Some(data) = frame.map_err(|_| Error::Http)?.data_ref() {
            if body.len() + data.len() > most {
                return Err(Error::TooLarge);
            }
            body.extend_from_slice(data);
        }
    }
    connection.patience = patience(&head.headers);
    slot.give_back(connection);
    Ok(Response { status: head.status, headers: head.headers, body: body.freeze() })
}

/// How long the server keeps an idle connection, less one second for the way there
/// (`Keep-Alive: timeout=5, max=100`).
fn patience(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = value.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    Some(Duration::from_secs(seconds.trim().parse::<u64>().ok()?.saturating_sub(1)))
}
