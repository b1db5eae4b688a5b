//! Why a request came to nothing.

use std::error::Error as StdError;

use tokio_rustls::rustls::{self, CertificateError};

/// The settings of the outbound client are wrong: the service must not start with them.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An entry of `outbound.allow` is malformed.
    #[error("outbound.allow: '{0}' is not IP, IP:port, CIDR or CIDR:port")]
    Allow(String),
    /// The file of extra certification authorities cannot be used.
    #[error("outbound.extra_ca_file: {path}: {reason}")]
    ExtraCa {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS library refuses its own settings.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What was wrong with the certificate or the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsCause {
    /// The certificate is past its end, or before its beginning.
    Expired,
    /// Nobody we trust vouches for the certificate (self-signed ones too).
    UnknownIssuer,
    /// The certificate is for another host.
    NameMismatch,
    /// The certificate was revoked.
    Revoked,
    /// The server speaks no version or cipher that we accept.
    Protocol,
    /// The extra certification authority of the request is no PEM certificate.
    BadExtraCa,
    /// Anything else.
    Other,
}

/// Why a request came to nothing. Says nothing that a tenant may not know: no address, no text
/// of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not https, or http to an address that the operator does not vouch for.
    #[error("only https is allowed")]
    SchemeNotAllowed,
    /// A port other than 443 at an address that the operator does not vouch for.
    #[error("only port 443 is allowed")]
    PortNotAllowed,
    /// `user:password@` in the URL.
    #[error("a URL may not carry a user name or password")]
    UserinfoNotAllowed,
    /// No host, or one that is written in a way that is never needed.
    #[error("the URL has no usable host")]
    HostInvalid,
    /// A special address (the word is its class) that the operator does not vouch for.
    #[error("the address is not allowed")]
    AddressBlocked(&'static str),
    /// The name has no address.
    #[error("the host name has no address")]
    Dns,
    /// Nobody answered at any of the addresses.
    #[error("could not connect")]
    Connect,
    /// The TLS handshake failed.
    #[error("TLS failed: {0:?}")]
    Tls(TlsCause),
    /// Connecting took more than 3 seconds, or the whole exchange more than 10.
    #[error("timed out")]
    Timeout,
    /// The answer is longer than the request allowed.
    #[error("the answer is too large")]
    TooLarge,
    /// The answer is compressed although we asked for none of that.
    #[error("the answer is compressed")]
    Compressed,
    /// The connection broke, or what came is not HTTP.
    #[error("the connection broke or did not speak HTTP")]
    Http,
    /// Too many requests to this host are waiting already.
    #[error("too many requests to this host are in flight")]
    Busy,
}

impl Error {
    /// A stable word for logs and traces.
    pub const fn class(self) -> &'static str {
        match self {
            Self::SchemeNotAllowed => "scheme_not_allowed",
            Self::PortNotAllowed => "port_not_allowed",
            Self::UserinfoNotAllowed => "userinfo_not_allowed",
            Self::HostInvalid => "host_invalid",
            Self::AddressBlocked(_) => "address_blocked",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls(TlsCause::Expired) => "tls_expired",
            Self::Tls(TlsCause::UnknownIssuer) => "tls_unknown_issuer",
            Self::Tls(TlsCause::NameMismatch) => "tls_name_mismatch",
            Self::Tls(TlsCause::Revoked) => "tls_revoked",
            Self::Tls(TlsCause::Protocol) => "tls_protocol",
            Self::Tls(TlsCause::BadExtraCa) => "tls_bad_extra_ca",
            Self::Tls(TlsCause::Other) => "tls_other",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Compressed => "compressed",
            Self::Http => "http",
            Self::Busy => "busy",
        }
    }

    /// Whether our own rules refused to send the request.
    pub const fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::SchemeNotAllowed
                | Self::PortNotAllowed
                | Self::UserinfoNotAllowed
                | Self::HostInvalid
                | Self::AddressBlocked(_)
        )
    }
}

/// Finds the cause of a failed handshake in what the TLS library returned.
pub(super) fn tls_cause(error: &std::io::Error) -> Error {
    let inner: Option<&(dyn StdError + Send + Sync + 'static)> = error.get_ref();
    let cause = match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(certificate)) => certificate_cause(certificate),
        Some(rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(_)) => {
            TlsCause::Protocol
        }
        _ => TlsCause::Other,
    };
    Error::Tls(cause)
}

fn certificate_cause(error: &CertificateError) -> TlsCause {
    match error {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => TlsCause::Expired,
        // A wrong signature is that of somebody else who has the name of one we trust.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsCause::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsCause::NameMismatch
        }
        CertificateError::Revoked => TlsCause::Revoked,
        _ => TlsCause::Other,
    }
}
