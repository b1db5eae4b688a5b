//! What can be set.

/// What every variable of the environment that is meant for us begins with.
pub(super) const ENVIRONMENT_PREFIX: &str = "VESTIBULE_";

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
              Default: http:// (https:// with tls.certificate) and the listen address. Plain http is \
              taken for addresses of this machine only, such as http://localhost:8080.",
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
        secret: true,
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
