//! A small HTTP client: one request as it is written here, no redirects, no guesses.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use hyper::{HeaderMap, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use url::{Url, form_urlencoded};

/// A request in the making.
pub struct Request {
    url: Url,
    /// The server that answers, where it is not that of the URL.
    via: Option<Url>,
    /// The target as it is sent, where it is not that of the URL.
    target: Option<String>,
    method: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// How long after the head the body is sent.
    pause: Option<Duration>,
}

/// A body that may be sent a while after the head.
struct Late {
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
    body: Bytes,
}

impl Body for Late {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let body = std::mem::take(&mut self.body);
        Poll::Ready((!body.is_empty()).then(|| Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.len() as u64)
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    pub fn new(method: &str, url: &Url) -> Self {
        let (method, url) = (method.to_owned(), url.clone());
        let (headers, body) = (Vec::new(), Vec::new());
        Self { url, via: None, target: None, method, headers, body, pause: None }
    }

    pub fn get(url: &Url) -> Self {
        Self::new("GET", url)
    }

    pub fn post_form(url: &Url, params: &[(&str, &str)]) -> Self {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        Self::new("POST", url).body("application/x-www-form-urlencoded", form)
    }

    /// Sends this path and query byte for byte.
    pub fn target(mut self, target: &str) -> Self {
        self.target = Some(target.to_owned());
        self
    }

    /// Lets another server answer, as a load balancer does.
    pub fn via(mut self, server: &Url) -> Self {
        self.via = Some(server.clone());
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    pub fn json(self, value: &Value) -> Self {
        self.body("application/json", value.to_string())
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// Sends the body a while after the head, as clients do that write twice.
    pub fn in_two_packets(mut self) -> Self {
        self.pause = Some(Duration::from_millis(10));
        self
    }

    pub async fn send(self) -> Answer {
        self.try_send().await.expect("an answer")
    }

    /// Sends it to a server that may be gone.
    pub async fn try_send(self) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let server = self.via.as_ref().unwrap_or(&self.url);
        let host = server.host_str().expect("a host");
        let port = server.port_or_known_default().expect("a port");
        let stream = TcpStream::connect((host, port)).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let target = self.target.unwrap_or_else(|| match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        });
        let mut request = hyper::Request::builder()
            .method(self.method.as_str())
            .uri(target)
            .header(HOST, format!("{host}:{port}"));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let pause = self.pause.map(|pause| Box::pin(tokio::time::sleep(pause)));
        let body = Late { pause, body: Bytes::from(self.body) };
        let request = request.body(body).expect("a request");
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a text"))
    }

    /// The `Location`, or nothing.
    pub fn location(&self) -> String {
        self.header(LOCATION.as_str()).unwrap_or_default().to_owned()
    }

    /// A parameter of the location.
    pub fn param(&self, name: &str) -> Option<String> {
        let url = Url::parse(&self.location()).ok()?;
        url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }
}

/// Cookies by origin, as a browser keeps them.
#[derive(Clone, Default)]
pub struct Browser {
    cookies: BTreeMap<(String, String), String>,
}

impl Browser {
    /// Opens a URL; redirects are not followed.
    pub async fn get(&mut self, url: &Url) -> Answer {
        self.send(Request::get(url)).await
    }

    /// Sends a request with the cookies of its origin, and keeps those that come back.
    pub async fn send(&mut self, request: Request) -> Answer {
        self.try_send(request).await.expect("an answer")
    }

    /// The same with a server that may be gone.
    pub async fn try_send(
        &mut self,
        mut request: Request,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let origin = request.url.origin().ascii_serialization();
        let ours = self.cookies.iter().filter(|((of, _), _)| *of == origin);
        let pairs: Vec<String> = ours.map(|((_, name), value)| format!("{name}={value}")).collect();
        if !pairs.is_empty() {
            request = request.header(COOKIE.as_str(), &pairs.join("; "));
        }
        let answer = request.try_send().await?;
        for header in answer.headers.get_all(SET_COOKIE) {
            let header = header.to_str().expect("a text");
            let (name, value) = header.split(';').next().unwrap().split_once('=').expect("a pair");
            let key = (origin.clone(), name.to_owned());
            if header.contains("Max-Age=0") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
        Ok(answer)
    }

    /// The names of the cookies of an origin.
    pub fn cookie_names(&self, url: &Url) -> Vec<String> {
        let origin = url.origin().ascii_serialization();
        let ours = self.cookies.keys().filter(|(of, _)| *of == origin);
        ours.map(|(_, name)| name.clone()).collect()
    }

    /// The value of a cookie of an origin.
    pub fn cookie(&self, url: &Url, name: &str) -> Option<String> {
        self.cookies.get(&(url.origin().ascii_serialization(), name.to_owned())).cloned()
    }

    /// Keeps a cookie, as if an answer had set it.
    pub fn keep(&mut self, url: &Url, name: &str, value: &str) {
        let origin = url.origin().ascii_serialization();
        self.cookies.insert((origin, name.to_owned()), value.to_owned());
    }

    /// Forgets the cookies whose name holds this text.
    pub fn forget(&mut self, part: &str) {
        self.cookies.retain(|(_, name), _| !name.contains(part));
    }
}
