//! What the URL says: where the server is, how to log in, and a few parameters of our own.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::{SslMode, TargetSessionAttrs};

use super::tls::Tls;
use crate::base::{Error, Result};

/// How long a connection may take to be set up.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// After how much silence the system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A URL, understood.
pub(super) struct Settings {
    pub(super) config: tokio_postgres::Config,
    /// `None`: the connection is not encrypted.
    pub(super) tls: Option<Tls>,
    /// Whether the server keeps statements by name between transactions.
    pub(super) named_statements: bool,
}

impl Settings {
    /// Reads a URL as libpq does, with three differences: `sslmode=require` and stricter always
    /// check the certificate and the host name; anything less is not encrypted, because what is
    /// encrypted only if nobody objects protects nothing; `prepared_statements=off` is ours.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut kept = Vec::new();
        let (mut encrypted, mut root, mut named_statements) = (false, None, true);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("sslmode", "require" | "verify-ca" | "verify-full") => encrypted = true,
                ("sslmode", "disable" | "allow" | "prefer") => encrypted = false,
                ("sslrootcert", path) => root = Some(PathBuf::from(unescape(path))),
                ("prepared_statements", "off") => named_statements = false,
                ("prepared_statements", "on") => named_statements = true,
                ("sslmode" | "prepared_statements", other) => {
                    return Err(Error::internal(format!(
                        "the database URL has an unknown value: '{other}'"
                    )));
                }
                _ => kept.push(pair),
            }
        }
        let mut config: tokio_postgres::Config =
            format!("{base}?{}", kept.join("&")).parse().map_err(Error::internal)?;
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        if config.get_application_name().is_none() {
            config.application_name("vestibule");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        config.keepalives_idle(KEEPALIVE);
        // Of several hosts the primary: a code that a replica shows as unspent may be spent.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let tls = encrypted.then(|| Tls::new(root.as_deref())).transpose()?;
        Ok(Self { config, tls, named_statements })
    }
}

/// Undoes percent-encoding.
fn unescape(text: &str) -> String {
    url::form_urlencoded::parse(format!("v={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// The URL as it may be logged: without user, password and parameters.
pub(in crate::db) fn shown(url: &str) -> String {
    let (base, _) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = base.split_once("://").unwrap_or(("postgres", base));
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    format!("{scheme}://{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_01_the_password_does_not_print() {
        let location = crate::db::Location::Postgres(
            "postgres://vestibule:s%40cret@db.example:5432/v?password=secret".to_owned(),
        );
        assert_eq!(format!("{location:?}"), "Postgres(\"postgres://db.example:5432/v\")");
    }

    #[test]
    fn parameters_of_our_own_are_understood_and_taken_out() {
        let url = "postgres://u:p@h/db?prepared_statements=off&application_name=x&sslmode=prefer";
        let settings = Settings::parse(url).unwrap();
        assert!(!settings.named_statements && settings.tls.is_none());
        assert_eq!(settings.config.get_application_name(), Some("x"));
        assert!(Settings::parse("postgres://h/db?sslmode=yes").is_err());
        let strict = Settings::parse("postgres://h/db?sslmode=verify-full").unwrap();
        assert!(strict.tls.is_some());
        assert_eq!(strict.config.get_ssl_mode(), SslMode::Require);
    }
}
