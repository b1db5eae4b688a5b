//! TLS settings: which roots are trusted, and for which requests.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use quick_cache::sync::Cache;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::certificate::Certificate;
use super::error::{Error, SetupError, TlsCause};

/// How many settings with extra certification authorities of their own are kept ready.
const MAX_CONFIGS: usize = 64;

/// The settings for requests with and without certification authorities of their own.
pub(super) struct Tls {
    roots: RootCertStore,
    common: TlsConnector,
    with_extra: Cache<Arc<str>, Arc<ClientConfig>>,
}

impl Tls {
    pub(super) fn new(extra_ca_file: Option<&Path>) -> Result<Self, SetupError> {
        let mut roots = native_roots().clone();
        if let Some(path) = extra_ca_file {
            let failed =
                |reason: String| SetupError::ExtraCa { path: path.display().to_string(), reason };
            let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            add_pem(&mut roots, &pem).map_err(|reason| failed(reason.to_owned()))?;
        }
        let common = Arc::new(config(roots.clone())?).into();
        Ok(Self { roots, common, with_extra: Cache::new(MAX_CONFIGS) })
    }

    /// The settings for a request, with its own authorities besides everybody's.
    pub(super) fn connector(&self, extra_ca: Option<&Arc<str>>) -> Result<TlsConnector, Error> {
        let Some(pem) = extra_ca else { return Ok(self.common.clone()) };
        if let Some(config) = self.with_extra.get(pem) {
            return Ok(config.into());
        }
        let roots = self.roots(Some(pem))?;
        let config = Arc::new(config(roots).map_err(|_| Error::Tls(TlsCause::Other))?);
        self.with_extra.insert(Arc::clone(pem), Arc::clone(&config));
        Ok(config.into())
    }
}

impl Tls {
    fn roots(&self, extra_ca: Option<&Arc<str>>) -> Result<RootCertStore, Error> {
        let mut roots = self.roots.clone();
        if let Some(pem) = extra_ca {
            add_pem(&mut roots, pem.as_bytes()).map_err(|_| Error::Tls(TlsCause::BadExtraCa))?;
        }
        Ok(roots)
    }

    /// The settings of [`Tls::connector`] for one handshake, and a witness that has seen the
    /// certificate afterwards, also a refused one.
    pub(super) fn witnessed(
        &self,
        extra_ca: Option<&Arc<str>>,
    ) -> Result<(ClientConfig, Arc<Witness>), Error> {
        let roots = Arc::new(self.roots(extra_ca)?);
        let strict = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
        // Without a single root nobody is known.
        let strict = strict.map_err(|_| Error::Tls(TlsCause::UnknownIssuer))?;
        let witness = Arc::new(Witness { strict, seen: Mutex::new(None) });
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|_| Error::Tls(TlsCause::Other))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok((config, witness))
    }
}

/// Decides nothing: hands everything to the usual verifier, and remembers what it was shown.
#[derive(Debug)]
pub(super) struct Witness {
    strict: Arc<WebPkiServerVerifier>,
    seen: Mutex<Option<Certificate>>,
}

impl Witness {
    /// The certificate that came, if it can be read.
    pub(super) fn certificate(&self) -> Option<Certificate> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Certificate::parse(end_entity);
        self.strict.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.strict.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.strict.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Whether the text is at least one PEM certificate that can serve as a root, and nothing broken.
pub fn is_ca_pem(pem: &str) -> bool {
    add_pem(&mut RootCertStore::empty(), pem.as_bytes()).is_ok()
}

fn add_pem(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), &'static str> {
    let mut any = false;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "malformed PEM")?;
        roots.add(certificate).map_err(|_| "a certificate in it cannot be read")?;
        any = true;
    }
    if any { Ok(()) } else { Err("no certificate in it") }
}

/// The system's roots, read once in the life of the process.
fn native_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a root certificate of the system cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            tracing::warn!("the system has no root certificates: https will fail");
        }
        roots
    })
}

fn config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
