//! TLS of the service's own, and certificates that change while it runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::process::{Process, run, vestibule};
use super::service::free_port;
use crate::support::Folder;

/// A certificate that vouches for itself, in the files of the service.
fn put(files: &Files) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    certificate.der().clone()
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(folder: &Path) -> Self {
        Self { certificate: folder.join("tls.crt"), key: folder.join("tls.key") }
    }

    fn flags(&self, port: u16) -> Vec<String> {
        let texts = [
            "serve",
            "--data",
            "data",
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--base-url",
            &format!("https://localhost:{port}"),
            "--tls-certificate",
            self.certificate.to_str().unwrap(),
            "--tls-key",
            self.key.to_str().unwrap(),
        ];
        texts.map(str::to_owned).to_vec()
    }
}

/// Connects as somebody who trusts this certificate and no other.
async fn connect(
    port: u16,
    trusted: &CertificateDer<'static>,
    version: &'static rustls::SupportedProtocolVersion,
) -> std::io::Result<TlsStream<TcpStream>> {
    connect_offering(port, trusted, version, &[]).await
}

/// The same by a client that offers these protocols.
async fn connect_offering(
    port: u16,
    trusted: &CertificateDer<'static>,
    version: &'static rustls::SupportedProtocolVersion,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// One request on a connection that stays open; what came back.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut buffer = vec![0; 4096];
    let read = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

/// Waits until this is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(40);
    while Instant::now() < patience {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn certificates_change_while_connections_go_on() {
    let (folder, port) = (Folder::new(), free_port());
    let files = Files::new(folder.path());
    let first = put(&files);
    let mut command = vestibule(folder.path());
    command.args(files.flags(port));
    let mut process = Process::start(command);
    let v13 = &rustls::version::TLS13;
    until("it serves", async || connect(port, &first, v13).await.is_ok()).await;
    let mut kept = connect(port, &first, v13).await.unwrap();
    assert!(ask(&mut kept).await.starts_with("HTTP/1.1 200"));
    let mut older = connect(port, &first, &rustls::version::TLS12).await.unwrap();
    assert!(ask(&mut older).await.starts_with("HTTP/1.1 200"));

    let second = put(&files);
    until("the new one is used", async || {
        // A connection that is left alone for ten seconds is closed, so these are not.
        ask(&mut kept).await;
        ask(&mut older).await;
        connect(port, &second, v13).await.is_ok()
    })
    .await;
    assert!(connect(port, &first, v13).await.is_err(), "the old one is still used");
    assert!(ask(&mut kept).await.starts_with("HTTP/1.1 200"), "a connection was dropped");
    assert!(ask(&mut older).await.starts_with("HTTP/1.1 200"), "a connection was dropped");

    // A key of another certificate, then no key at all: the pair that was good stays.
    std::fs::write(&files.key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let log = async |text: &str| process.stderr().contains(text);
    until("the wrong key is told", async || log("it is not the key of the certificate").await)
        .await;
    assert!(connect(port, &second, v13).await.is_ok());
    std::fs::write(&files.key, "no key").unwrap();
    until("the broken key is told", async || log("no private key in it").await).await;
    assert!(connect(port, &second, v13).await.is_ok());

    let third = put(&files);
    until("it mends itself", async || connect(port, &third, v13).await.is_ok()).await;
    // Who speaks plain HTTP, or nothing, gets nothing and disturbs nobody.
    let mut plain = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "plain HTTP was answered");
    assert!(connect(port, &third, v13).await.is_ok());
    assert!(process.terminate().await.success());
}

#[tokio::test]
async fn lod_03_http_1_1_is_all_that_is_spoken_over_tls() {
    let (folder, port) = (Folder::new(), free_port());
    let files = Files::new(folder.path());
    let certificate = put(&files);
    let mut command = vestibule(folder.path());
    command.args(files.flags(port));
    let mut process = Process::start(command);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let offering = async |protocols: &[&str]| {
            connect_offering(port, &certificate, version, protocols).await
        };
        until("it serves", async || offering(&[]).await.is_ok()).await;
        let mut stream = offering(&["h2", "http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200"));
        assert!(offering(&["h2"]).await.is_err(), "HTTP/2 is spoken");
        // Nobody has to offer anything; what is spoken stays the same.
        let mut stream = offering(&[]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), None);
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    assert!(process.terminate().await.success());
}

#[tokio::test]
async fn files_that_cannot_be_used_refuse_to_start() {
    let (folder, port) = (Folder::new(), free_port());
    let files = Files::new(folder.path());
    let start = async || {
        let mut command = vestibule(folder.path());
        command.args(files.flags(port));
        run(command).await.failure().to_owned()
    };
    let missing = start().await;
    assert!(
        missing.contains("tls.certificate: ") && missing.contains("cannot be read"),
        "{missing}"
    );
    put(&files);
    std::fs::write(&files.certificate, "-----BEGIN NOTHING-----").unwrap();
    let broken = start().await;
    assert!(broken.contains("no certificate in it") || broken.contains("no PEM"), "{broken}");
    put(&files);
    std::fs::write(&files.key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let wrong = start().await;
    assert!(wrong.contains("it is not the key of the certificate"), "{wrong}");
    let mut command = vestibule(folder.path());
    command.args(["serve", "--tls-key", "x"]);
    let half = run(command).await;
    assert!(half.failure().contains("`tls.certificate`"), "{half:?}");
}
