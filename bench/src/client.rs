//! An HTTP/1.1 client that keeps one connection alive per origin, as one browser tab does.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;

/// Why a login failed: a short kind, for counting, and a detail, for reading.
#[derive(Debug)]
pub struct Fail {
    pub kind: String,
    pub detail: String,
}

impl Fail {
    pub fn new(kind: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind: kind.into(), detail: detail.into() }
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.detail)
    }
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn json(&self) -> Result<serde_json::Value, Fail> {
        serde_json::from_slice(&self.body).map_err(|_| Fail::new("not JSON", self.excerpt()))
    }

    pub fn excerpt(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(300).collect()
    }
}

pub enum Body {
    None,
    Form(String),
    Json(serde_json::Value),
}

impl Body {
    pub fn form(pairs: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        Self::Form(form.finish())
    }
}

/// One client: a browser, or an application's back end.
#[derive(Default)]
pub struct Agent {
    connections: HashMap<String, SendRequest<Full<Bytes>>>,
}

impl Agent {
    pub async fn send(
        &mut self,
        method: Method,
        url: &Url,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Result<Reply, Fail> {
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let mut request = Request::builder().method(method).uri(path).header(HOST, authority);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (kind, body) = match body {
            Body::None => (None, Bytes::new()),
            Body::Form(form) => (Some("application/x-www-form-urlencoded"), form.into()),
            Body::Json(value) => (Some("application/json"), value.to_string().into()),
        };
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        let mut request = request
            .body(Full::new(body))
            .map_err(|e| Fail::new("bad request", format!("{url}: {e}")))?;

        let kept = self.connections.remove(authority);
        if let Some(mut sender) = kept
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request).await {
                Ok(response) => return self.finish(authority, sender, response).await,
                // The server closed the idle connection before the request left: ask anew.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Fail::new("send", error.into_error().to_string())),
                },
            }
        }
        let mut sender = connect(authority, url.port_or_known_default().unwrap_or(80)).await?;
        let response =
            sender.send_request(request).await.map_err(|e| Fail::new("send", e.to_string()))?;
        self.finish(authority, sender, response).await
    }

    async fn finish(
        &mut self,
        authority: &str,
        sender: SendRequest<Full<Bytes>>,
        response: hyper::Response<hyper::body::Incoming>,
    ) -> Result<Reply, Fail> {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|e| Fail::new("receive", e.to_string()))?;
        self.connections.insert(authority.to_owned(), sender);
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes() })
    }
}

async fn connect(authority: &str, port: u16) -> Result<SendRequest<Full<Bytes>>, Fail> {
    // Everything under test listens on the IPv4 loopback, under whatever name it calls itself.
    let failed = |e: &dyn fmt::Display| Fail::new("connect", format!("{authority}: {e}"));
    let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|e| failed(&e))?;
    stream.set_nodelay(true).map_err(|e| failed(&e))?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| failed(&e))?;
    tokio::spawn(connection);
    Ok(sender)
}
