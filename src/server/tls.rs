//! TLS of the service's own: a certificate and its key in two files, read again when they change.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::base::secret::sha256;
use crate::config;
use crate::outbound::Certificate;
use crate::telemetry::metrics;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{setting}: {path} cannot be read: {source}")]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{setting}: {path}: {problem}")]
    Content {
        /// The setting that names it.
        setting: &'static str,
        /// Which file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The certificate in use.
#[derive(Debug)]
pub struct Certificates {
    files: config::Tls,
    in_use: RwLock<Arc<CertifiedKey>>,
}

/// What both files hold, to notice when it changes.
type Fingerprint = [u8; 32];

impl Certificates {
    /// Reads the files, and goes on reading them for as long as the process lives. Connections that
    /// are open keep what they began with.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if they cannot be used. Later, a pair that cannot be used is logged, and the
    /// one before stays.
    pub fn open(files: config::Tls) -> Result<Arc<Self>, TlsError> {
        let (key, fingerprint) = read(&files)?;
        let these = Arc::new(Self { files, in_use: RwLock::new(announce(key)) });
        tokio::spawn(Arc::clone(&these).watch(fingerprint));
        Ok(these)
    }

    /// What makes TLS connections of plain ones.
    ///
    /// # Errors
    ///
    /// If the TLS library refuses its own settings.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config).into())
    }

    async fn watch(self: Arc<Self>, mut seen: Fingerprint) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // A file that is being written is broken for a moment, or one of the two is still the
            // old one: the next look sees both.
            let now = fingerprint(&self.files);
            if now == Some(seen) {
                continue;
            }
            match read(&self.files) {
                Ok((key, fingerprint)) => {
                    seen = fingerprint;
                    *self.in_use.write().unwrap_or_else(PoisonError::into_inner) = announce(key);
                }
                Err(error) => {
                    // Once for each state of the files, if they can be read at all.
                    seen = now.unwrap_or(seen);
                    tracing::error!(%error, "the new TLS certificate is not used; the old one stays");
                }
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.in_use.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Says which certificate is used from now on.
fn announce(key: CertifiedKey) -> Arc<CertifiedKey> {
    if let Some(certificate) = key.cert.first().and_then(|der| Certificate::parse(der)) {
        metrics().certificate_ends(certificate.not_after.as_s());
        let names = certificate.names.join(" ");
        tracing::info!(names, ends = %certificate.not_after, "using a TLS certificate");
    }
    Arc::new(key)
}

fn read(files: &config::Tls) -> Result<(CertifiedKey, Fingerprint), TlsError> {
    let (certificate, key) =
        (read_file("tls.certificate", &files.certificate)?, read_file("tls.key", &files.key)?);
    let content = |setting, path: &Path, problem: &str| TlsError::Content {
        setting,
        path: path.display().to_string(),
        problem: problem.to_owned(),
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&certificate)
        .collect::<Result<_, _>>()
        .map_err(|_| content("tls.certificate", &files.certificate, "it is no PEM"))?;
    if chain.is_empty() {
        return Err(content("tls.certificate", &files.certificate, "no certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| content("tls.key", &files.key, "no private key in it"))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let pair = CertifiedKey::from_der(chain, private, &provider).map_err(|error| {
        let problem = match error {
            rustls::Error::InconsistentKeys(_) => "it is not the key of the certificate".to_owned(),
            error => error.to_string(),
        };
        content("tls.key", &files.key, &problem)
    })?;
    Ok((pair, of_both(&certificate, &key)))
}

fn read_file(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| {
        let path = path.display().to_string();
        TlsError::File { setting, path, source }
    })
}

/// `None` if a file cannot be read.
fn fingerprint(files: &config::Tls) -> Option<Fingerprint> {
    Some(of_both(&std::fs::read(&files.certificate).ok()?, &std::fs::read(&files.key).ok()?))
}

fn of_both(certificate: &[u8], key: &[u8]) -> Fingerprint {
    sha256(&[sha256(certificate), sha256(key)].concat())
}
