//! Every setting: what it means, its default, and where it may come from.

/// How far the outbound HTTP client may go.
#[derive(Clone, Debug, Default)]
pub struct Outbound {
    /// Addresses that the operator vouches for, each as `IP`, `IP:port`, `CIDR` or `CIDR:port`
    /// (IPv6 with a port in brackets). To these, and to no others, private and loopback ranges,
    /// plain http and ports other than 443 are open; without a port, all ports of the address.
    pub allow: Vec<String>,
    /// A PEM file with certification authorities trusted besides the system's.
    pub extra_ca_file: Option<std::path::PathBuf>,
}

/// The effective settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The URL under which browsers and applications reach the service, without a path
    /// (`https://sso.example.com`).
    pub base_url: url::Url,
    /// How far the outbound HTTP client may go.
    pub outbound: Outbound,
}
