//! Every setting: what it means, its default, and where its value came from.
//!
//! A value comes from the built-in default, then the file (TOML), then the environment
//! (`VESTIBULE_…`), then a flag; the last one counts. An unknown name refuses to start.

mod setting;
mod sources;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use url::{Host, Url};

use crate::base::address::Range;
use crate::base::secret::{Secret, random_alphanumeric};

pub use setting::{SETTINGS, Setting};
pub use sources::{ConfigError, DEFAULT_FILE, Origin, Sources, variable};

/// The operating system and the processor that this program was built for.
pub fn platform() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// The effective settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The URL under which browsers and applications reach the service, without a path
    /// (`https://sso.example.com`).
    pub base_url: Url,
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// The directory of the embedded database and the key file.
    pub data: PathBuf,
    /// Where the data lives.
    pub database: Database,
    /// The sealing keys, if they are not in the key file.
    pub keys: Option<Secret>,
    /// A command that prints them.
    pub keys_command: Option<String>,
    /// How much is logged.
    pub log_level: tracing::Level,
    /// Whether logs are JSON.
    pub log_json: bool,
    /// Whether each request leaves a line in the log.
    pub log_requests: bool,
    /// Where `/metrics` is served, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Where traces are sent, if anywhere.
    pub traces_endpoint: Option<Url>,
    /// The files of the service's own TLS; `None`: it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// How long the service goes on after it was asked to stop, in seconds.
    pub shutdown_delay_s: u64,
    /// How far the outbound HTTP client may go.
    pub outbound: Outbound,
    /// Whom to ask for TXT records; none: the system's servers.
    pub dns_resolver: Vec<SocketAddr>,
    /// Reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Range>,
    /// How often something may be done in a minute.
    pub limits: Limits,
    /// How many connections of clients may be open.
    pub max_connections: u64,
    /// How long a client may take for the head of a request, and again for its body, in seconds.
    pub request_timeout_s: u64,
    /// How many days the traces of logins are kept.
    pub sso_session_retention_days: i64,
    /// How many days events are kept.
    pub event_retention_days: i64,
    /// How many days the audit trail is kept.
    pub audit_retention_days: i64,
}

/// Where the data lives.
#[derive(Clone, Debug)]
pub enum Database {
    /// The embedded engine, in this file.
    Sqlite(PathBuf),
    /// PostgreSQL, by this URL, which may hold a password.
    Postgres(Secret),
}

impl Database {
    /// Reads a URL: `postgres://…` or `sqlite://PATH`.
    pub fn parse(url: &str) -> Option<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Some(Self::Postgres(Secret::new(url)));
        }
        let path = url.strip_prefix("sqlite://").filter(|path| !path.is_empty())?;
        Some(Self::Sqlite(path.into()))
    }
}

/// How often something may be done in a minute; 0: any number of times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one address.
    pub address_per_minute: u32,
    /// Requests of the REST API with one API key.
    pub api_key_per_minute: u32,
    /// Logins that begin on one connection.
    pub authorize_per_minute: u32,
    /// Organizations that are deleted with one API key.
    pub delete_organization_per_minute: u32,
    /// Wrong API keys and client secrets of one address.
    pub guesses_per_minute: u32,
}

impl Default for Limits {
    /// As if nobody set any.
    fn default() -> Self {
        Self {
            address_per_minute: 6000,
            api_key_per_minute: 6000,
            authorize_per_minute: 1000,
            delete_organization_per_minute: 50,
            guesses_per_minute: 60,
        }
    }
}

/// The files of the service's own TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificates in PEM, the service's own first.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// How far the outbound HTTP client may go.
#[derive(Clone, Debug, Default)]
pub struct Outbound {
    /// Addresses that the operator vouches for, each as `IP`, `IP:port`, `CIDR` or `CIDR:port`
    /// (IPv6 with a port in brackets). To these, and to no others, private and loopback ranges,
    /// plain http and ports other than 443 are open; without a port, all ports of the address.
    pub allow: Vec<String>,
    /// A PEM file with certification authorities trusted besides the system's.
    pub extra_ca_file: Option<PathBuf>,
}

impl Config {
    /// Reads the values.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Malformed`], naming the setting, its origin and what is wrong.
    pub fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let listen = sources.text("listen").parse().map_err(|_| {
            sources.malformed("listen", "must be an IP address and a port, such as 127.0.0.1:8080")
        })?;
        let data = PathBuf::from(sources.text("data"));
        Ok(Self {
            base_url: base_url(sources, listen)?,
            listen,
            database: database(sources, &data)?,
            data,
            keys: Some(sources.text("keys")).filter(|text| !text.is_empty()).map(Secret::new),
            keys_command: keys_command(sources)?,
            log_level: sources.text("log.level").parse().map_err(|_| {
                sources.malformed("log.level", "must be error, warn, info, debug or trace")
            })?,
            log_json: match sources.text("log.format") {
                "json" => true,
                "text" => false,
                _ => return Err(sources.malformed("log.format", "must be text or json")),
            },
            log_requests: match sources.text("log.requests") {
                "true" => true,
                "false" => false,
                _ => return Err(sources.malformed("log.requests", "must be true or false")),
            },
            metrics_listen: match sources.text("metrics.listen") {
                "" => None,
                text => Some(text.parse().map_err(|_| {
                    let problem = "must be an IP address and a port, such as 127.0.0.1:9090";
                    sources.malformed("metrics.listen", problem)
                })?),
            },
            traces_endpoint: match sources.text("traces.endpoint") {
                "" => None,
                text => match Url::parse(text) {
                    Ok(url) if names_user(&url) => {
                        let problem = "must have no user name or password";
                        return Err(sources.malformed("traces.endpoint", problem));
                    }
                    Ok(url) if matches!(url.scheme(), "http" | "https") => Some(url),
                    _ => {
                        let problem = "must be a URL that begins with http:// or https://";
                        return Err(sources.malformed("traces.endpoint", problem));
                    }
                },
            },
            tls: tls(sources)?,
            shutdown_delay_s: match sources.text("shutdown.delay_s").parse() {
                Ok(seconds @ 0..=600) => seconds,
                _ => {
                    let problem = "must be a number of seconds, 0 to 600";
                    return Err(sources.malformed("shutdown.delay_s", problem));
                }
            },
            outbound: Outbound {
                allow: sources.list("outbound.allow"),
                extra_ca_file: sources.path("outbound.extra_ca_file"),
            },
            dns_resolver: sources
                .list("dns.resolver")
                .iter()
                .map(|text| dns_server(text))
                .collect::<Option<_>>()
                .ok_or_else(|| {
                    sources.malformed(
                        "dns.resolver",
                        "must be a list of addresses, such as 10.0.0.2:53",
                    )
                })?,
            trusted_proxies: sources
                .list("trusted_proxies")
                .iter()
                .map(|text| Range::parse(text))
                .collect::<Option<_>>()
                .ok_or_else(|| {
                    sources.malformed("trusted_proxies", "must be a list of addresses or CIDRs")
                })?,
            limits: Limits {
                address_per_minute: sources.number("limits.address_per_minute")?,
                api_key_per_minute: sources.number("limits.api_key_per_minute")?,
                authorize_per_minute: sources.number("limits.authorize_per_minute")?,
                delete_organization_per_minute: sources
                    .number("limits.delete_organization_per_minute")?,
                guesses_per_minute: sources.number("limits.guesses_per_minute")?,
            },
            max_connections: sources.within("limits.connections", 1..=1_000_000)?,
            request_timeout_s: sources.within("limits.request_timeout_s", 1..=600)?,
            sso_session_retention_days: sources.days("retention.sso_sessions_days")?,
            event_retention_days: sources.days("retention.events_days")?,
            audit_retention_days: sources.days("retention.audit_days")?,
        })
    }
}

impl Config {
    /// Whether browsers and applications reach the service on this machine only, as a developer's do.
    pub fn is_local(&self) -> bool {
        is_local(&self.base_url)
    }
}

/// Such a URL is shown in logs and links.
fn names_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The command, which leaves no doubt about whose keys count.
fn keys_command(sources: &Sources) -> Result<Option<String>, ConfigError> {
    let command = sources.text("keys_command");
    if !command.is_empty() && !sources.text("keys").is_empty() {
        let problem = "is set beside `keys`: the keys come from one of them";
        return Err(sources.malformed("keys_command", problem));
    }
    Ok(Some(command).filter(|text| !text.is_empty()).map(str::to_owned))
}

fn base_url(sources: &Sources, listen: SocketAddr) -> Result<Url, ConfigError> {
    let text = match sources.text("base_url") {
        "" if sources.path("tls.certificate").is_some() => format!("https://{listen}"),
        "" => format!("http://{listen}"),
        text => text.to_owned(),
    };
    let malformed = |problem| sources.malformed("base_url", problem);
    let url = Url::parse(&text)
        .map_err(|_| malformed("must be a URL, such as https://sso.example.com"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(malformed("must begin with https:// or http://"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(malformed("must have no path: the SDKs would drop it"));
    }
    if names_user(&url) {
        return Err(malformed("must have no user name or password"));
    }
    // Cookies would go without `Secure`, codes and tokens in the clear.
    if url.scheme() == "http" && !is_local(&url) {
        let problem = "must begin with https://: by plain http, what signs people in could be read on \
                       its way. Only this machine itself (localhost, 127.0.0.1) does without";
        return Err(malformed(problem));
    }
    Ok(url)
}

/// Both files, or none.
fn tls(sources: &Sources) -> Result<Option<Tls>, ConfigError> {
    match (sources.path("tls.certificate"), sources.path("tls.key")) {
        (Some(certificate), Some(key)) => Ok(Some(Tls { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(sources.malformed("tls.key", "is missing: tls.certificate is set")),
        (None, Some(_)) => Err(sources.malformed("tls.certificate", "is missing: tls.key is set")),
    }
}

/// The address of a DNS server; without a port, the usual one.
fn dns_server(text: &str) -> Option<SocketAddr> {
    let with_port = text.parse().ok();
    with_port.or_else(|| Some(SocketAddr::new(text.parse().ok()?, 53)))
}

fn database(sources: &Sources, data: &Path) -> Result<Database, ConfigError> {
    match sources.text("database") {
        "" => Ok(Database::Sqlite(data.join("vestibule.db"))),
        url => Database::parse(url).ok_or_else(|| {
            sources.malformed("database", "must begin with postgres:// or sqlite://")
        }),
    }
}

/// Where a folder can be made for what goes again, by a name that nobody guesses.
pub fn temporary_folder(what: &str) -> PathBuf {
    std::env::temp_dir().join(format!("vestibule-{what}-{}", random_alphanumeric(12)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    fn collect(variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Sources, ConfigError> {
        Sources::collect_from(None, pairs(variables).into_iter(), &pairs(flags))
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_default() {
        let sources = collect(
            &[("VESTIBULE_LISTEN", "127.0.0.1:1"), ("VESTIBULE_LOG_LEVEL", "debug"), ("HOME", "/")],
            &[("listen", "127.0.0.1:2")],
        )
        .unwrap();
        let config = Config::read(&sources).unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.log_level, tracing::Level::DEBUG);
        assert_eq!(config.base_url.as_str(), "http://127.0.0.1:2/");
    }

    #[test]
    fn the_limits_that_nobody_sets_are_the_defaults() {
        let config = Config::read(&collect(&[], &[]).unwrap()).unwrap();
        assert_eq!(config.limits, Limits::default());
        let flags = [("limits-address-per-minute", "0"), ("limits-guesses-per-minute", "7")];
        let config = Config::read(&collect(&[], &flags).unwrap()).unwrap();
        assert_eq!((config.limits.address_per_minute, config.limits.guesses_per_minute), (0, 7));
        let error = collect(&[], &[("limits-api-key-per-minute", "-1")]).unwrap();
        assert!(Config::read(&error).unwrap_err().to_string().contains("must be a number"));
    }

    #[test]
    fn nobody_can_take_all_connections_or_all_time_away() {
        let config = Config::read(&collect(&[], &[]).unwrap()).unwrap();
        assert_eq!((config.max_connections, config.request_timeout_s), (10_000, 10));
        for (flag, value) in [
            ("limits-connections", "0"),
            ("limits-request-timeout-s", "0"),
            ("limits-connections", "x"),
        ] {
            let sources = collect(&[], &[(flag, value)]).unwrap();
            let error = Config::read(&sources).unwrap_err().to_string();
            assert!(error.contains("must be a number, 1 to "), "{error}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_and_the_nearest_one_is_named() {
        let error = collect(&[("VESTIBULE_LISTN", "x")], &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown setting `listn` (environment VESTIBULE_LISTN); did you mean `listen`?"
        );
    }

    #[test]
    fn what_kubernetes_and_the_tests_say_is_no_setting() {
        let service = [
            ("VESTIBULE_TEST_FULL", "1"),
            ("VESTIBULE_SERVICE_HOST", "10.0.0.1"),
            ("VESTIBULE_SERVICE_PORT_HTTP", "80"),
            ("VESTIBULE_PORT", "tcp://10.0.0.1:80"),
            ("VESTIBULE_PORT_80_TCP_ADDR", "10.0.0.1"),
        ];
        assert!(collect(&service, &[]).is_ok());
        assert!(collect(&[("VESTIBULE_PORT", "8080")], &[]).is_err());
    }

    #[test]
    fn a_file_is_read_with_its_tables_and_its_unknown_names_are_refused() {
        let folder = std::env::temp_dir().join(format!("vestibule-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("a.toml");
        std::fs::write(&file, "[outbound]\nallow = [\"10.0.0.5\", \"127.0.0.0/8\"]\n").unwrap();
        let sources = Sources::collect_from(Some(&file), std::iter::empty(), &[]).unwrap();
        assert_eq!(Config::read(&sources).unwrap().outbound.allow, ["10.0.0.5", "127.0.0.0/8"]);
        std::fs::write(&file, "[outbund]\nallow = []\n").unwrap();
        let error = Sources::collect_from(Some(&file), std::iter::empty(), &[]).unwrap_err();
        assert!(error.to_string().contains("did you mean `outbound.allow`?"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_dns_server_has_port_53_unless_another_is_written() {
        let sources =
            collect(&[], &[("dns-resolver", "10.0.0.2, 10.0.0.3:5353, [::1]:54")]).unwrap();
        let servers = Config::read(&sources).unwrap().dns_resolver;
        let written: Vec<String> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(written, ["10.0.0.2:53", "10.0.0.3:5353", "[::1]:54"]);
        let sources = collect(&[], &[("dns-resolver", "dns.example.com")]).unwrap();
        assert!(Config::read(&sources).unwrap_err().to_string().contains("list of addresses"));
    }

    #[test]
    fn secrets_are_masked_when_settings_are_shown() {
        let sources = collect(&[("VESTIBULE_DATABASE", "postgres://u:canary@h/d")], &[]).unwrap();
        assert!(sources.shown().all(|(_, value, _)| !value.contains("canary")));
        assert!(!format!("{:?}", Config::read(&sources).unwrap()).contains("canary"));
    }

    #[test]
    fn only_an_address_of_this_machine_is_local() {
        let read = |url: &str| Config::read(&collect(&[], &[("base-url", url)]).unwrap());
        for url in ["http://127.0.0.1:8080", "https://localhost", "http://[::1]:1"] {
            assert!(read(url).unwrap().is_local(), "{url}");
        }
        for host in ["sso.example.com", "10.0.0.5", "localhost.example.com"] {
            assert!(!read(&format!("https://{host}")).unwrap().is_local(), "{host}");
            let told = read(&format!("http://{host}")).unwrap_err().to_string();
            assert!(told.contains("must begin with https://"), "{told}");
        }
        let everywhere = Config::read(&collect(&[], &[("listen", "0.0.0.0:80")]).unwrap());
        assert!(everywhere.unwrap_err().to_string().contains("`base_url` (default)"));
    }

    #[test]
    fn sec_11_no_setting_has_a_secret_by_default() {
        let secret: Vec<_> = SETTINGS.iter().filter(|setting| setting.secret).collect();
        assert!(secret.len() > 1);
        assert!(secret.iter().all(|setting| setting.default.is_empty()));
    }

    #[test]
    fn a_base_url_with_a_path_is_refused() {
        let sources = collect(&[], &[("base-url", "https://sso.example.com/prefix")]).unwrap();
        assert!(Config::read(&sources).unwrap_err().to_string().contains("no path"));
    }
}
