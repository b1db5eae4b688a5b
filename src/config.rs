//! Every setting: what it means, its default, and where its value came from.
//!
//! A value comes from the built-in default, then the file (TOML), then the environment
//! (`VESTIBULE_…`), then a flag; the last one counts. An unknown name refuses to start.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use url::{Host, Url};

use crate::base::address::Range;
use crate::base::secret::Secret;

/// What every variable of the environment that is meant for us begins with.
const ENVIRONMENT_PREFIX: &str = "VESTIBULE_";
/// What begins so all the same and is meant for others: the tests, and what Kubernetes tells every
/// pod beside a service called `vestibule`.
const NOT_OURS: [&str; 3] = ["VESTIBULE_TEST_", "VESTIBULE_SERVICE_", "VESTIBULE_PORT_"];
/// The file that is read if none is named and it exists.
pub const DEFAULT_FILE: &str = "vestibule.toml";

/// A setting as it can be written.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file; a dot separates a table from its member.
    pub name: &'static str,
    /// Its value if nobody sets it, as it would be written; empty: nothing.
    pub default: &'static str,
    /// Whether its value is masked when settings are shown.
    pub secret: bool,
    /// What it means, in one or two sentences.
    pub doc: &'static str,
}

impl Setting {
    /// Its variable of the environment, such as `VESTIBULE_OUTBOUND_ALLOW`.
    pub fn variable(&self) -> String {
        format!("{ENVIRONMENT_PREFIX}{}", self.name.replace('.', "_").to_uppercase())
    }

    /// Its flag on the command line without dashes in front, such as `outbound-allow`.
    pub fn flag(&self) -> String {
        self.name.replace(['.', '_'], "-")
    }
}

/// All settings.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "base_url",
        default: "",
        secret: false,
        doc: "The URL under which browsers and applications reach the service, without a path. \
              Default: http:// (https:// with tls.certificate) and the listen address.",
    },
    Setting {
        name: "listen",
        default: "127.0.0.1:8080",
        secret: false,
        doc: "The address and port to listen on.",
    },
    Setting {
        name: "data",
        default: "vestibule-data",
        secret: false,
        doc: "The directory of the embedded database and the key file. Created at the first start.",
    },
    Setting {
        name: "database",
        default: "",
        secret: true,
        doc: "postgres://USER:PASSWORD@HOST/NAME, or sqlite://PATH. \
              Default: vestibule.db in the data directory.",
    },
    Setting {
        name: "keys",
        default: "",
        secret: true,
        doc: "The keys that seal secrets at rest, as in the key file, separated by commas, the \
              newest first. Default: vestibule.key in the data directory.",
    },
    Setting {
        name: "keys_command",
        default: "",
        secret: false,
        doc: "A command that prints the keys, run by sh at each start, instead of `keys` or the key \
              file: the client of a key store, say.",
    },
    Setting {
        name: "log.level",
        default: "info",
        secret: false,
        doc: "How much is logged: error, warn, info, debug or trace.",
    },
    Setting {
        name: "log.format",
        default: "text",
        secret: false,
        doc: "How it is logged: text or json.",
    },
    Setting {
        name: "log.requests",
        default: "true",
        secret: false,
        doc: "Whether each request leaves a line in the log: true or false.",
    },
    Setting {
        name: "metrics.listen",
        default: "",
        secret: false,
        doc: "The address and port where /metrics answers Prometheus, such as 127.0.0.1:9090. It \
              asks for no password: keep it inside. Default: nowhere.",
    },
    Setting {
        name: "traces.endpoint",
        default: "",
        secret: false,
        doc: "Where traces are sent, as OTLP over HTTP in JSON, such as \
              http://127.0.0.1:4318/v1/traces. Default: nowhere.",
    },
    Setting {
        name: "tls.certificate",
        default: "",
        secret: false,
        doc: "A PEM file with the certificate of the service and those between it and its \
              authority. With it the service speaks TLS itself. Read again when it changes.",
    },
    Setting {
        name: "tls.key",
        default: "",
        secret: false,
        doc: "A PEM file with the private key of the certificate.",
    },
    Setting {
        name: "shutdown.delay_s",
        default: "0",
        secret: false,
        doc: "How many seconds the service goes on serving after it was asked to stop, while \
              /readyz says 503, so that a load balancer sends no more.",
    },
    Setting {
        name: "outbound.allow",
        default: "",
        secret: false,
        doc: "Addresses that you vouch for, each as IP, IP:port, CIDR or CIDR:port ([IPv6]:port). \
              To these, and to no others, private ranges, plain http and ports other than 443 are \
              open.",
    },
    Setting {
        name: "outbound.extra_ca_file",
        default: "",
        secret: false,
        doc: "A PEM file with certification authorities to trust besides the system's.",
    },
    Setting {
        name: "dns.resolver",
        default: "",
        secret: false,
        doc: "Whom to ask for the TXT records that verify domains, each as IP or IP:port \
              ([IPv6]:port). Default: the servers of /etc/resolv.conf.",
    },
    Setting {
        name: "trusted_proxies",
        default: "",
        secret: false,
        doc: "Addresses or CIDRs of reverse proxies whose X-Forwarded-For is believed.",
    },
    Setting {
        name: "limits.address_per_minute",
        default: "6000",
        secret: false,
        doc: "How many requests one address (IPv6: one /64) may send in a minute; 0: any number. \
              Requests from the machine itself are not counted. Behind a proxy, set \
              `trusted_proxies`, or all requests come from one address.",
    },
    Setting {
        name: "limits.api_key_per_minute",
        default: "6000",
        secret: false,
        doc: "How many requests of the REST API one API key may send in a minute; 0: any number.",
    },
    Setting {
        name: "limits.authorize_per_minute",
        default: "1000",
        secret: false,
        doc: "How many logins may begin on one connection in a minute, and how many logout tokens its \
              identity provider may send; 0: any number.",
    },
    Setting {
        name: "limits.delete_organization_per_minute",
        default: "50",
        secret: false,
        doc: "How many organizations one API key may delete in a minute; 0: any number.",
    },
    Setting {
        name: "limits.guesses_per_minute",
        default: "60",
        secret: false,
        doc: "How many wrong API keys and client secrets one address may send in a minute before \
              it is refused unheard; 0: any number. The machine itself is not counted.",
    },
    Setting {
        name: "limits.connections",
        default: "10000",
        secret: false,
        doc: "How many connections of clients may be open. When one more comes, the one that has \
              waited for a request for longest is closed; if all are being answered, the new one \
              gets 503.",
    },
    Setting {
        name: "limits.request_timeout_s",
        default: "10",
        secret: false,
        doc: "How many seconds a client may take for the head of a request, and again for its \
              body. A connection on which nothing is asked for so long is closed.",
    },
    Setting {
        name: "retention.sso_sessions_days",
        default: "90",
        secret: false,
        doc: "How many days the traces of logins are kept.",
    },
    Setting {
        name: "retention.events_days",
        default: "90",
        secret: false,
        doc: "How many days events are kept.",
    },
    Setting {
        name: "retention.audit_days",
        default: "365",
        secret: false,
        doc: "How many days the audit trail is kept.",
    },
];

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File(PathBuf),
    /// This variable of the environment.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag --{flag}"),
        }
    }
}

/// Why the settings do not hold.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no setting of this name.
    #[error("unknown setting `{name}` ({origin}){}", nearest(.name))]
    Unknown {
        /// What was written.
        name: String,
        /// Where it was written.
        origin: Origin,
    },
    /// A value does not fit.
    #[error("the setting `{name}` ({origin}) {problem}")]
    Malformed {
        /// Which setting.
        name: &'static str,
        /// Where its value came from.
        origin: Origin,
        /// What is wrong with it.
        problem: String,
    },
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {problem}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        problem: String,
    },
}

/// The operating system and the processor that this program was built for.
pub fn platform() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Whether a variable of the environment is meant for us.
fn is_ours(name: &str, value: &str) -> bool {
    name.starts_with(ENVIRONMENT_PREFIX)
        && !NOT_OURS.iter().any(|prefix| name.starts_with(prefix))
        && !(name == "VESTIBULE_PORT" && value.contains("://"))
}

/// Names the nearest known setting, if one is near.
fn nearest(name: &str) -> String {
    SETTINGS
        .iter()
        .map(|setting| (strsim::damerau_levenshtein(name, setting.name), setting.name))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 2)
        .map(|(_, known)| format!("; did you mean `{known}`?"))
        .unwrap_or_default()
}

/// A variable of the process environment that a manifest names as the place of a secret.
pub fn variable(name: &str) -> Option<Secret> {
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment enters")]
    let value = std::env::var(name);
    value.ok().map(Secret::new)
}

/// What is written where: every setting with its value and origin.
pub struct Sources {
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.shown().map(|(setting, value, origin)| (setting.name, (value, origin)));
        f.debug_map().entries(shown).finish()
    }
}

impl Sources {
    /// Collects the values: defaults, the file, the environment, flags (name of the flag, value).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for an unknown name or an unreadable file.
    pub fn collect(file: Option<&Path>, flags: &[(String, String)]) -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "the one place where the environment enters")]
        let variables = std::env::vars();
        Self::collect_from(file, variables, flags)
    }

    fn collect_from(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let mut values: BTreeMap<_, _> = SETTINGS
            .iter()
            .map(|setting| (setting.name, (setting.default.to_owned(), Origin::Default)))
            .collect();
        let chosen = file.unwrap_or(Path::new(DEFAULT_FILE));
        if file.is_some() || chosen.exists() {
            for (name, value) in read_file(chosen)? {
                let origin = Origin::File(chosen.to_owned());
                let setting = SETTINGS.iter().find(|setting| setting.name == name);
                let setting =
                    setting.ok_or_else(|| ConfigError::Unknown { name, origin: origin.clone() })?;
                values.insert(setting.name, (value, origin));
            }
        }
        for (variable, value) in variables.filter(|(name, value)| is_ours(name, value)) {
            let setting = SETTINGS.iter().find(|setting| setting.variable() == variable);
            let origin = Origin::Environment(variable.clone());
            let setting = setting.ok_or_else(|| ConfigError::Unknown {
                name: variable[ENVIRONMENT_PREFIX.len()..].to_lowercase(),
                origin: origin.clone(),
            })?;
            values.insert(setting.name, (value, origin));
        }
        for (flag, value) in flags {
            let origin = Origin::Flag(flag.clone());
            let setting = SETTINGS.iter().find(|setting| setting.flag() == *flag);
            let setting = setting.ok_or_else(|| ConfigError::Unknown {
                name: flag.clone(),
                origin: origin.clone(),
            })?;
            values.insert(setting.name, (value.clone(), origin));
        }
        Ok(Self { values })
    }

    /// Every setting with its value, as it may be shown, and its origin.
    pub fn shown(&self) -> impl Iterator<Item = (&'static Setting, &str, &Origin)> {
        SETTINGS.iter().filter_map(|setting| {
            let (value, origin) = self.values.get(setting.name)?;
            let shown = if setting.secret && !value.is_empty() { "********" } else { value };
            Some((setting, shown, origin))
        })
    }

    fn text(&self, name: &'static str) -> &str {
        self.values.get(name).map_or("", |(value, _)| value.trim())
    }

    fn malformed(&self, name: &'static str, problem: impl Into<String>) -> ConfigError {
        let origin = self.values.get(name).map_or(Origin::Default, |(_, origin)| origin.clone());
        ConfigError::Malformed { name, origin, problem: problem.into() }
    }

    fn list(&self, name: &'static str) -> Vec<String> {
        let items = self.text(name).split(',').map(str::trim);
        items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    fn days(&self, name: &'static str) -> Result<i64, ConfigError> {
        match self.text(name).parse() {
            Ok(days @ 1..=36_500) => Ok(days),
            _ => Err(self.malformed(name, "is a number of days, 1 to 36500")),
        }
    }

    fn number(&self, name: &'static str) -> Result<u32, ConfigError> {
        self.text(name).parse().map_err(|_| self.malformed(name, "is a number"))
    }

    fn within(&self, name: &'static str, range: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        let number = self.text(name).parse::<u64>().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            self.malformed(name, format!("is a number, {} to {}", range.start(), range.end()))
        })
    }

    fn path(&self, name: &'static str) -> Option<PathBuf> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(PathBuf::from)
    }
}

/// The settings of a file as flat names and texts; lists joined by commas.
fn read_file(path: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let unreadable =
        |problem: String| ConfigError::File { path: path.display().to_string(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| unreadable(error.to_string()))?;
    let mut flat = Vec::new();
    flatten("", &table, &mut flat);
    Ok(flat)
}

fn flatten(prefix: &str, table: &toml::Table, flat: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&name, inner, flat),
            toml::Value::Array(items) => {
                let items: Vec<String> = items.iter().map(plain).collect();
                flat.push((name, items.join(",")));
            }
            value => flat.push((name, plain(value))),
        }
    }
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
            sources.malformed("listen", "is an IP address and a port, such as 127.0.0.1:8080")
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
                sources.malformed("log.level", "is error, warn, info, debug or trace")
            })?,
            log_json: match sources.text("log.format") {
                "json" => true,
                "text" => false,
                _ => return Err(sources.malformed("log.format", "is text or json")),
            },
            log_requests: match sources.text("log.requests") {
                "true" => true,
                "false" => false,
                _ => return Err(sources.malformed("log.requests", "is true or false")),
            },
            metrics_listen: match sources.text("metrics.listen") {
                "" => None,
                text => Some(text.parse().map_err(|_| {
                    let problem = "is an IP address and a port, such as 127.0.0.1:9090";
                    sources.malformed("metrics.listen", problem)
                })?),
            },
            traces_endpoint: match sources.text("traces.endpoint") {
                "" => None,
                text => match Url::parse(text) {
                    Ok(url) if matches!(url.scheme(), "http" | "https") => Some(url),
                    _ => {
                        let problem = "is a URL that begins with http:// or https://";
                        return Err(sources.malformed("traces.endpoint", problem));
                    }
                },
            },
            tls: tls(sources)?,
            shutdown_delay_s: match sources.text("shutdown.delay_s").parse() {
                Ok(seconds @ 0..=600) => seconds,
                _ => {
                    let problem = "is a number of seconds, 0 to 600";
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
                    sources.malformed("dns.resolver", "is a list of addresses, such as 10.0.0.2:53")
                })?,
            trusted_proxies: sources
                .list("trusted_proxies")
                .iter()
                .map(|text| Range::parse(text))
                .collect::<Option<_>>()
                .ok_or_else(|| {
                    sources.malformed("trusted_proxies", "is a list of addresses or CIDRs")
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
        match self.base_url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
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
    let url = Url::parse(&text).map_err(|_| malformed("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(malformed("begins with https:// or http://"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(malformed("has no path: the SDKs would drop it"));
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
        url => Database::parse(url)
            .ok_or_else(|| sources.malformed("database", "begins with postgres:// or sqlite://")),
    }
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
        assert!(Config::read(&error).unwrap_err().to_string().contains("is a number"));
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
            assert!(error.contains("is a number, 1 to "), "{error}");
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
        let is_local = |url: &str| {
            let sources = collect(&[], &[("base-url", url)]).unwrap();
            Config::read(&sources).unwrap().is_local()
        };
        for url in ["http://127.0.0.1:8080", "https://localhost", "http://[::1]:1"] {
            assert!(is_local(url), "{url}");
        }
        for url in ["https://sso.example.com", "http://10.0.0.5", "https://localhost.example.com"] {
            assert!(!is_local(url), "{url}");
        }
        let everywhere = Config::read(&collect(&[], &[("listen", "0.0.0.0:80")]).unwrap());
        assert!(!everywhere.unwrap().is_local());
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
