//! Connecting step by step, to say at which one it fails.

use std::sync::Arc;

use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use super::certificate::Certificate;
use super::error::{Error, tls_cause};
use super::{Outbound, connect_any};

/// A step of connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Our own rules: scheme, port, address.
    Rules,
    /// Looking the name up.
    Dns,
    /// Connecting to an address.
    Tcp,
    /// The TLS handshake.
    Tls,
}

/// A connection that was made, and closed again.
#[derive(Clone, Debug)]
pub struct Reached {
    /// How many addresses the host has.
    pub addresses: usize,
    /// The server's certificate, where TLS is spoken and it can be read.
    pub certificate: Option<Certificate>,
}

/// A connection that was not made.
#[derive(Clone, Debug)]
pub struct NotReached {
    /// The step at which it failed.
    pub stage: Stage,
    /// Why.
    pub error: Error,
    /// The certificate that was refused, where it can be read.
    pub certificate: Option<Certificate>,
}

impl NotReached {
    fn at(stage: Stage, error: Error) -> Self {
        Self { stage, error, certificate: None }
    }
}

impl Outbound {
    /// Opens a connection by the rules of [`Outbound::send`], sends nothing, and closes it.
    ///
    /// # Errors
    ///
    /// The first step that failed.
    pub async fn probe(
        &self,
        url: &Url,
        extra_ca: Option<&Arc<str>>,
    ) -> Result<Reached, NotReached> {
        let limit = self.0.limits.connect;
        let port = url.port_or_known_default().unwrap_or_default();
        let (addresses, name) = match timeout(limit, self.targets(url)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) if error.is_refusal() => {
                return Err(NotReached::at(Stage::Rules, error));
            }
            Ok(Err(error)) => return Err(NotReached::at(Stage::Dns, error)),
            Err(_) => return Err(NotReached::at(Stage::Dns, Error::Timeout)),
        };
        let stream = match timeout(limit, connect_any(&addresses, port)).await {
            Ok(connected) => connected.map_err(|error| NotReached::at(Stage::Tcp, error))?,
            Err(_) => return Err(NotReached::at(Stage::Tcp, Error::Timeout)),
        };
        let mut reached = Reached { addresses: addresses.len(), certificate: None };
        if url.scheme() != "https" {
            return Ok(reached);
        }
        let failed = |error| NotReached::at(Stage::Tls, error);
        let (config, witness) = self.0.tls.witnessed(extra_ca).map_err(failed)?;
        let connector = TlsConnector::from(Arc::new(config));
        let shaken = timeout(limit, connector.connect(name, stream)).await;
        reached.certificate = witness.certificate();
        match shaken {
            Ok(Ok(_)) => Ok(reached),
            Ok(Err(error)) => {
                Err(NotReached { certificate: reached.certificate, ..failed(tls_cause(&error)) })
            }
            Err(_) => Err(failed(Error::Timeout)),
        }
    }
}
