//! Tests against servers on this machine that behave, and ones that do not.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, ServerConfig, pki_types::PrivateKeyDer};
use url::Url;

use super::{
    Error, FixedNames, Limits, Outbound, Request, Resolver, Response, SetupError, Stage, TlsCause,
};
use crate::config;

fn outbound(allow: &[&str]) -> Outbound {
    let allow = allow.iter().map(|entry| (*entry).to_owned()).collect();
    Outbound::new(&config::Outbound { allow, extra_ca_file: None }).unwrap()
}

impl Outbound {
    /// A client that gives up after a tenth of the usual times, or less.
    pub(crate) fn hasty() -> Self {
        let settings =
            config::Outbound { allow: vec!["127.0.0.1".to_owned()], extra_ca_file: None };
        let limits = Limits {
            queue: Duration::from_millis(50),
            connect: Duration::from_millis(100),
            total: Duration::from_millis(400),
            idle: Duration::from_millis(500),
            idle_post: Duration::from_millis(100),
        };
        Self::with_limits(&settings, Resolver::System, limits).unwrap()
    }
}

fn named(allow: &[&str], names: FixedNames) -> Outbound {
    let allow = allow.iter().map(|entry| (*entry).to_owned()).collect();
    let settings = config::Outbound { allow, extra_ca_file: None };
    Outbound::with_resolver(&settings, Resolver::Fixed(names)).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

async fn get(outbound: &Outbound, text: &str) -> Result<Response, Error> {
    outbound.send(Request::get(url(text), 1000)).await
}

/// A server that answers every connection with `serve`; counts them.
async fn server<F, Fut>(serve: F) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream));
        }
    });
    (address, connections)
}

/// Reads the head of one request; `false` when the other side has hung up.
async fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// Answers every request on a connection with these bytes.
async fn answering(bytes: impl Into<Vec<u8>>) -> (SocketAddr, Arc<AtomicUsize>) {
    let bytes: Arc<[u8]> = bytes.into().into();
    server(move |mut stream| {
        let bytes = Arc::clone(&bytes);
        async move {
            while read_head(&mut stream).await {
                stream.write_all(&bytes).await.unwrap();
            }
        }
    })
    .await
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn fetched(bytes: impl Into<Vec<u8>>) -> Result<Response, Error> {
    let (address, _) = answering(bytes).await;
    get(&outbound(&["127.0.0.1"]), &format!("http://{address}/")).await
}

#[test]
fn dsc_06_dsc_13_schemes_ports_and_userinfo_are_refused_before_any_lookup() {
    let strict = outbound(&[]);
    for (text, expected) in [
        ("http://idp.example/", Err(Error::SchemeNotAllowed)),
        ("ftp://idp.example/", Err(Error::SchemeNotAllowed)),
        ("file:///etc/passwd", Err(Error::SchemeNotAllowed)),
        ("gopher://idp.example/", Err(Error::SchemeNotAllowed)),
        ("javascript:alert(1)", Err(Error::SchemeNotAllowed)),
        ("https://user@idp.example/", Err(Error::UserinfoNotAllowed)),
        ("https://:secret@idp.example/", Err(Error::UserinfoNotAllowed)),
        ("https://idp.example./", Err(Error::HostInvalid)),
        ("https://idp.example:22/", Err(Error::PortNotAllowed)),
        ("https://idp.example:6379/", Err(Error::PortNotAllowed)),
        ("https://8.8.8.8:8443/", Err(Error::PortNotAllowed)),
        ("http://8.8.8.8/", Err(Error::SchemeNotAllowed)),
        ("https://localhost/", Err(Error::AddressBlocked("loopback"))),
        ("https://a.LOCALHOST/", Err(Error::AddressBlocked("loopback"))),
        ("https://idp.example/", Ok(())),
        ("https://idp.example:443/x?y", Ok(())),
        ("https://8.8.8.8/", Ok(())),
    ] {
        assert_eq!(strict.vet_url(&url(text)), expected, "{text}");
    }
}

#[test]
fn dsc_07_08_09_disguised_addresses_are_refused() {
    let strict = outbound(&[]);
    for text in [
        "https://2130706433/",
        "https://0x7f.1/",
        "https://017700000001/",
        "https://127.1/",
        "https://0/",
        "https://ⓛocalhost/",
        "https://127。0。0。1/",
        "https://%31%32%37.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:7f00::]/",
        "https://[fd00::1]/",
        "https://[fe80::1]/",
    ] {
        let verdict = strict.vet_url(&url(text));
        assert!(matches!(verdict, Err(Error::AddressBlocked(_))), "{text} {verdict:?}");
    }
}

#[tokio::test]
async fn dsc_10_every_address_of_a_name_is_vetted_and_none_is_looked_up_twice() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let names = FixedNames::default()
        .with("mixed.example", &[ip("93.184.216.34"), ip("10.0.0.1")])
        .with("private.example", &[ip("fd00::1")])
        .with("metadata.example", &[ip("169.254.169.254")])
        .with("public.example", &[ip("93.184.216.34")])
        .with("none.example", &[]);
    let strict = named(&[], names.clone());
    let fetch = |host: &str| {
        let (strict, text) = (strict.clone(), format!("https://{host}/"));
        async move { get(&strict, &text).await.unwrap_err() }
    };
    assert_eq!(fetch("mixed.example").await, Error::AddressBlocked("private"));
    assert_eq!(fetch("private.example").await, Error::AddressBlocked("private"));
    assert_eq!(fetch("metadata.example").await, Error::AddressBlocked("link_local"));
    assert_eq!(fetch("none.example").await, Error::Dns);
    assert_eq!(fetch("unknown.example").await, Error::Dns);
    // With an allow-list, names may be http or on other ports, if all their addresses are in it.
    let open = named(&["127.0.0.1"], names);
    assert_eq!(get(&open, "http://public.example/").await.unwrap_err(), Error::SchemeNotAllowed);
    let other_port = get(&open, "https://public.example:8443/").await.unwrap_err();
    assert_eq!(other_port, Error::PortNotAllowed);
    // The first answer was vetted and is used; the second one is never asked for.
    let (address, connections) = answering(OK).await;
    let rebinding = FixedNames::default()
        .with("rebind.example", &[ip("127.0.0.1")])
        .with("rebind.example", &[ip("10.0.0.1")]);
    let open = named(&["127.0.0.1"], rebinding);
    let text = format!("http://rebind.example:{}/", address.port());
    assert_eq!(get(&open, &text).await.unwrap().body, "ok");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    // The kept connection goes to the vetted address still.
    assert_eq!(get(&open, &text).await.unwrap().body, "ok");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn dsc_14_the_allow_list_opens_one_address() {
    let (address, connections) = answering(OK).await;
    let port = address.port();
    let open = outbound(&[&format!("127.0.0.1:{port}")]);
    assert!(get(&open, &format!("http://127.0.0.1:{port}/")).await.is_ok());
    let other = get(&open, &format!("http://127.0.0.2:{port}/")).await.unwrap_err();
    assert_eq!(other, Error::AddressBlocked("loopback"));
    let closed = outbound(&["127.0.0.1:1"]);
    let refused = get(&closed, &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert_eq!(refused, Error::AddressBlocked("loopback"));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn dsc_11_redirects_are_answers_like_any_other() {
    let head =
        "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(fetched(head).await.unwrap().status, 302);
}

#[tokio::test]
async fn dsc_15_answers_are_cut_off_at_the_limit() {
    let sized = |bytes: usize| {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n{}", "x".repeat(bytes))
    };
    assert_eq!(fetched(sized(1000)).await.unwrap().body.len(), 1000);
    assert_eq!(fetched(sized(1001)).await.unwrap_err(), Error::TooLarge);
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";
    assert_eq!(fetched(announced).await.unwrap_err(), Error::TooLarge);
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(2)
    );
    assert_eq!(fetched(chunked).await.unwrap_err(), Error::TooLarge);
    let zipped = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx";
    assert_eq!(fetched(zipped).await.unwrap_err(), Error::Compressed);
    let many = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "a: b\r\n".repeat(200));
    assert_eq!(fetched(many).await.unwrap_err(), Error::Http);
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(70_000));
    assert_eq!(fetched(long).await.unwrap_err(), Error::Http);
}

#[test]
fn sec_01_a_request_prints_without_what_it_carries() {
    let mut post = Request::post_form(url("https://a.example/t?code=c0de"), "s3cret".into(), 1);
    post.headers.insert("authorization", "Basic s3cret".parse().unwrap());
    assert_eq!(format!("{post:?}"), "Request(POST https://a.example/t)");
}

#[tokio::test]
async fn what_is_not_http_is_an_error() {
    assert_eq!(fetched("220 smtp.example ESMTP\r\n\r\n").await.unwrap_err(), Error::Http);
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort";
    let (address, _) = server(move |mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(short.as_bytes()).await.unwrap();
    })
    .await;
    let refused = get(&outbound(&["127.0.0.1"]), &format!("http://{address}/")).await;
    assert_eq!(refused.unwrap_err(), Error::Http);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let refused = get(&outbound(&["127.0.0.1"]), &format!("http://{address}/")).await;
    assert_eq!(refused.unwrap_err(), Error::Connect);
}

#[tokio::test]
async fn dsc_16_jwk_11_a_slow_server_is_given_up() {
    let (silent, _) = server(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let (dripping, _) = server(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n").await.unwrap();
        for _ in 0..900 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if stream.write_all(b"x").await.is_err() {
                return;
            }
        }
    })
    .await;
    let usual = Limits::default();
    assert_eq!((usual.connect.as_secs(), usual.total.as_secs()), (3, 10));
    let open = Outbound::hasty();
    for (text, from_ms, to_ms) in [
        (format!("http://{silent}/"), 400, 800),
        (format!("http://{dripping}/"), 400, 800),
        // The TLS handshake is part of connecting.
        (format!("https://{silent}/"), 100, 390),
    ] {
        let started = tokio::time::Instant::now();
        assert_eq!(get(&open, &text).await.unwrap_err(), Error::Timeout, "{text}");
        let elapsed_ms = started.elapsed().as_millis();
        assert!((from_ms..to_ms).contains(&elapsed_ms), "{text} {elapsed_ms} ms");
    }
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let (address, connections) = answering(OK).await;
    let open = outbound(&["127.0.0.1"]);
    let text = format!("http://{address}/");
    for _ in 0..5 {
        assert!(get(&open, &text).await.is_ok());
        assert!(open.send(Request::post_form(url(&text), String::new(), 100)).await.is_ok());
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    // Another set of trusted roots, another connection.
    let pem: Arc<str> = self_signed(&["x.example"], 2100).0.into();
    assert!(open.send(Request::get(url(&text), 100).trusting(Some(pem))).await.is_ok());
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

/// A server that hangs up `served` requests into each connection, without saying so.
async fn fickle(served: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    server(move |mut stream| async move {
        for _ in 0..served {
            if !read_head(&mut stream).await {
                return;
            }
            stream.write_all(OK).await.unwrap();
        }
        // Takes the next request and hangs up without a word.
        read_head(&mut stream).await;
    })
    .await
}

#[tokio::test]
async fn a_get_on_a_connection_that_was_closed_is_sent_again_once() {
    let (address, connections) = fickle(1).await;
    let open = outbound(&["127.0.0.1"]);
    let text = format!("http://{address}/");
    assert!(get(&open, &text).await.is_ok());
    assert!(get(&open, &text).await.is_ok());
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    let (address, connections) = fickle(0).await;
    assert_eq!(get(&open, &format!("http://{address}/")).await.unwrap_err(), Error::Http);
    assert_eq!(connections.load(Ordering::SeqCst), 1, "a fresh connection is not retried");
}

#[tokio::test]
async fn idp_02_a_post_that_may_have_arrived_is_never_sent_again() {
    let (address, connections) = fickle(1).await;
    let open = outbound(&["127.0.0.1"]);
    let text = format!("http://{address}/");
    assert!(get(&open, &text).await.is_ok());
    let post = Request::post_form(url(&text), String::new(), 100);
    assert_eq!(open.send(post).await.unwrap_err(), Error::Http);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn idp_02_a_post_does_not_use_a_connection_that_the_server_has_closed() {
    let (address, connections) = server(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(OK).await.unwrap();
    })
    .await;
    let open = outbound(&["127.0.0.1"]);
    let text = format!("http://{address}/");
    for _ in 0..5 {
        assert!(open.send(Request::post_form(url(&text), String::new(), 100)).await.is_ok());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(connections.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn idp_02_a_post_uses_no_connection_that_has_been_idle_for_long() {
    let open = Outbound::hasty();
    let (address, connections) = answering(OK).await;
    let text = format!("http://{address}/");
    let post = || open.send(Request::post_form(url(&text), String::new(), 100));
    assert!(post().await.is_ok());
    tokio::time::sleep(Duration::from_millis(110)).await;
    assert!(post().await.is_ok());
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    tokio::time::sleep(Duration::from_millis(110)).await;
    assert!(get(&open, &text).await.is_ok());
    assert_eq!(connections.load(Ordering::SeqCst), 2, "a GET may");
    tokio::time::sleep(Duration::from_millis(510)).await;
    assert!(get(&open, &text).await.is_ok());
    assert_eq!(connections.load(Ordering::SeqCst), 3, "but not for ever");
}

#[tokio::test]
async fn a_server_says_how_long_it_keeps_a_connection() {
    for (said, opened) in [("timeout=1, max=9", 2), ("max=9, timeout=60", 1), ("garbage", 1)] {
        let head = format!("HTTP/1.1 200 OK\r\nkeep-alive: {said}\r\ncontent-length: 0\r\n\r\n");
        let (address, connections) = answering(head).await;
        let open = outbound(&["127.0.0.1"]);
        let text = format!("http://{address}/");
        assert!(get(&open, &text).await.is_ok());
        assert!(get(&open, &text).await.is_ok());
        assert_eq!(connections.load(Ordering::SeqCst), opened, "{said}");
    }
}

#[tokio::test]
async fn idp_07_one_slow_host_takes_64_requests_and_the_next_wait_only_a_little() {
    let (slow, _) = server(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let (fast, _) = answering(OK).await;
    let open = Outbound::hasty();
    let requests: Vec<_> = (0..200)
        .map(|_| {
            let (open, text) = (open.clone(), format!("http://{slow}/"));
            tokio::spawn(async move { get(&open, &text).await.unwrap_err() })
        })
        .collect();
    tokio::task::yield_now().await;
    assert!(get(&open, &format!("http://{fast}/")).await.is_ok(), "other hosts are not affected");
    let mut busy = 0;
    for request in requests {
        match request.await.unwrap() {
            Error::Busy => busy += 1,
            Error::Timeout => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(busy, 200 - 64);
    // The places are free again.
    assert_eq!(get(&open, &format!("http://{slow}/")).await.unwrap_err(), Error::Timeout);
}

#[tokio::test]
async fn a_burst_of_requests_to_one_host_gets_through() {
    let (address, _) = answering(OK).await;
    let open = outbound(&["127.0.0.1"]);
    let requests: Vec<_> = (0..300)
        .map(|_| {
            let (open, text) = (open.clone(), format!("http://{address}/"));
            tokio::spawn(async move { get(&open, &text).await.map(drop) })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), Ok(()));
    }
}

fn self_signed(names: &[&str], until_year: i32) -> (String, ServerConfig) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until_year, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (certificate.pem(), config)
}

async fn tls_server(config: ServerConfig) -> SocketAddr {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (address, _) = server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                if stream.write_all(OK).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    address
}

#[tokio::test]
async fn dsc_26_idp_06_certificates_are_checked_and_the_cause_is_named() {
    let (pem, config) = self_signed(&["127.0.0.1"], 2100);
    let (expired_pem, expired_config) = self_signed(&["127.0.0.1"], 2021);
    let (named_pem, named_config) = self_signed(&["idp.example"], 2100);
    let good = tls_server(config).await;
    let expired = tls_server(expired_config).await;
    let other_name = tls_server(named_config).await;
    let open = outbound(&["127.0.0.1"]);
    let fetch = |address: SocketAddr, pem: Option<&str>| {
        let pem = pem.map(Arc::from);
        let request = Request::get(url(&format!("https://{address}/")), 100).trusting(pem);
        let open = open.clone();
        async move { open.send(request).await.map(|response| response.body) }
    };
    assert_eq!(fetch(good, Some(&pem)).await.unwrap(), "ok");
    let cause = |result: Result<_, Error>| match result {
        Err(Error::Tls(cause)) => cause,
        other => panic!("{other:?}"),
    };
    assert_eq!(cause(fetch(good, None).await), TlsCause::UnknownIssuer);
    assert_eq!(cause(fetch(good, Some(&named_pem)).await), TlsCause::UnknownIssuer);
    assert_eq!(cause(fetch(expired, Some(&expired_pem)).await), TlsCause::Expired);
    assert_eq!(cause(fetch(other_name, Some(&named_pem)).await), TlsCause::NameMismatch);
    assert_eq!(cause(fetch(good, Some("not a certificate")).await), TlsCause::BadExtraCa);
    // Plain text where TLS was expected.
    let (plain, _) = server(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_u8().await;
    })
    .await;
    assert!(matches!(fetch(plain, None).await, Err(Error::Tls(_))));
}

#[tokio::test]
async fn the_operators_extra_authorities_are_trusted_everywhere() {
    let (pem, config) = self_signed(&["127.0.0.1"], 2100);
    let address = tls_server(config).await;
    let path = std::env::temp_dir().join(format!("vestibule-ca-{}.pem", std::process::id()));
    std::fs::write(&path, pem).unwrap();
    let settings =
        config::Outbound { allow: vec!["127.0.0.1".to_owned()], extra_ca_file: Some(path.clone()) };
    let open = Outbound::new(&settings).unwrap();
    assert!(get(&open, &format!("https://{address}/")).await.is_ok());
    std::fs::write(&path, "no certificate").unwrap();
    let refused = Outbound::new(&settings).unwrap_err();
    assert!(matches!(refused, SetupError::ExtraCa { .. }), "{refused}");
    assert!(refused.to_string().contains(path.to_str().unwrap()));
    std::fs::remove_file(&path).unwrap();
    assert!(Outbound::new(&settings).is_err());
    let malformed = config::Outbound { allow: vec!["10.0.0.0/99".into()], extra_ca_file: None };
    assert!(Outbound::new(&malformed).unwrap_err().to_string().contains("10.0.0.0/99"));
}

#[tokio::test]
async fn dsc_20_a_proxy_in_the_environment_is_not_used() {
    // The client reads no environment at all: that is a lint (`clippy.toml`) and this a reminder.
    let source = concat!(include_str!("mod.rs"), include_str!("tls.rs"), include_str!("pool.rs"));
    assert!(!source.contains("env::var") && !source.to_lowercase().contains("http_proxy"));
}

#[tokio::test]
async fn dsc_07_10_a_probe_keeps_the_rules_of_a_request_and_sends_nothing() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let names = FixedNames::default()
        .with("mixed.example", &[ip("93.184.216.34"), ip("10.0.0.1")])
        .with("metadata.example", &[ip("169.254.169.254")])
        .with("here.example", &[ip("127.0.0.1")]);
    let strict = named(&[], names.clone());
    for (text, stage, error) in [
        ("https://mixed.example/", Stage::Rules, Error::AddressBlocked("private")),
        ("https://metadata.example/", Stage::Rules, Error::AddressBlocked("link_local")),
        ("https://here.example/", Stage::Rules, Error::AddressBlocked("loopback")),
        ("https://127.0.0.1/", Stage::Rules, Error::AddressBlocked("loopback")),
        ("http://mixed.example/", Stage::Rules, Error::SchemeNotAllowed),
        ("https://u:p@mixed.example/", Stage::Rules, Error::UserinfoNotAllowed),
        ("https://unknown.example/", Stage::Dns, Error::Dns),
    ] {
        let failed = strict.probe(&url(text), None).await.unwrap_err();
        assert_eq!((failed.stage, failed.error), (stage, error), "{text}");
    }
    let (address, _) = answering(OK).await;
    let open = named(&["127.0.0.1"], names);
    let text = format!("http://here.example:{}/", address.port());
    assert_eq!(open.probe(&url(&text), None).await.unwrap().addresses, 1);
}
