//! Rules of redirect URIs: what may be registered, and what matches.
//!
//! A request matches byte for byte: nothing is decoded, lower-cased or resolved on the way, so
//! there is no second reading of the URI that an attacker could use. What may be registered is
//! therefore held to the one canonical spelling.

use url::{Host, Url};

use super::{Error, Result};

/// How many bytes a redirect URI may have.
pub const MAX_BYTES: usize = 2048;

/// Schemes that run code, read local data or never come back to an application.
const REFUSED_SCHEMES: &[&str] = &[
    "about",
    "blob",
    "chrome",
    "content",
    "data",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "jar",
    "javascript",
    "mailto",
    "resource",
    "sms",
    "tel",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

/// Which rules hold: those of the kind of environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// For trying out: http and localhost are allowed.
    Sandbox,
    /// For customers: https only, except `http://127.0.0.1` for native applications.
    Production,
}

/// Checks a redirect URI that somebody wants to register.
///
/// # Errors
///
/// [`Error::Invalid`] with the first rule that it breaks.
pub fn check_registration(uri: &str, rules: Rules) -> Result<()> {
    check_characters(uri)?;
    let Some((scheme, rest)) = uri.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return refuse("It must be absolute and begin with a scheme in lower case, such as https.");
    };
    match scheme {
        "http" | "https" => check_web(uri, scheme, rules),
        _ if REFUSED_SCHEMES.contains(&scheme) => refuse("This scheme cannot be redirected to."),
        _ if uri.contains('*') => refuse("A wildcard is allowed with https and http only."),
        // Without this, `localhost:3000/callback` would be of the scheme `localhost`.
        _ if !rest.starts_with('/') || rest.trim_start_matches('/').is_empty() => {
            refuse("It must be absolute: after the scheme come / and where to go in the app.")
        }
        _ => Ok(()),
    }
}

/// Whether the URI has a wildcard, in its host or as its port.
pub fn has_wildcard(uri: &str) -> bool {
    uri.contains('*')
}

/// Whether a request for `requested` may be answered there, because `registered` is registered.
///
/// Byte for byte, but for the wildcard: in the left-most label of the host it stands for letters,
/// digits, `-` and `_`; as the port for a number from 1 to 65535.
pub fn matches(registered: &str, requested: &str) -> bool {
    let Some((before, behind)) = registered.split_once('*') else {
        return registered == requested;
    };
    let Some(middle) = requested.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind))
    else {
        return false;
    };
    if before.ends_with(':') {
        return middle.parse::<u16>().is_ok_and(|port| port > 0 && port.to_string() == middle);
    }
    let label = before.rsplit('/').next().map_or(0, str::len)
        + middle.len()
        + behind.split('.').next().map_or(0, str::len);
    // A label of DNS has at most 63 bytes (RFC 1035 section 2.3.4).
    !middle.is_empty()
        && label <= 63
        && middle.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Reads an address that a browser is sent to when it leaves us for the application, but not to a
/// redirect URI: it may have a query, and need not be written in one way.
///
/// # Errors
///
/// The first rule that it breaks, as a sentence.
pub fn leaving_address(address: &str, rules: Rules) -> Result<Url, &'static str> {
    if address.len() > MAX_BYTES {
        return Err("It is longer than 2048 bytes.");
    }
    // What the parser would silently take away, or read in another way than some browsers do.
    if !address.is_ascii() || address.bytes().any(|b| b <= b' ' || b == b'\\' || b == 0x7f) {
        return Err("It contains a character that no URI may contain.");
    }
    let Ok(url) = Url::parse(address) else {
        return Err("It is not an absolute URL.");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("A user name or password is not allowed.");
    }
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => return Err("It must name a host."),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback && rules == Rules::Sandbox => Ok(url),
        "http" => Err("It must begin with https:// (http:// only for localhost in a sandbox)."),
        _ => Err("It must begin with https://."),
    }
}

/// Whether `origin`, such as `https://app.example.com`, is the one of a registered redirect URI or is
/// covered by its wildcard.
pub fn matches_origin(registered: &str, origin: &str) -> bool {
    let Some((scheme, rest)) = registered.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    matches!(scheme, "http" | "https") && matches(&format!("{scheme}://{authority}"), origin)
}

/// Only characters that RFC 3986 knows, and none that a reader could take in two ways.
fn check_characters(uri: &str) -> Result<()> {
    if uri.is_empty() {
        return refuse("It is empty.");
    }
    if uri.len() > MAX_BYTES {
        return refuse("It is longer than 2048 bytes.");
    }
    if !uri.is_ascii() {
        return refuse("Write the host in punycode and percent-encode the path: only ASCII.");
    }
    if uri.contains('?') {
        return refuse("A query string is not allowed: use the state parameter.");
    }
    if uri.contains('#') {
        return refuse("A fragment is not allowed.");
    }
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/[]@!$&'()*+,;=%".contains(&b);
    if !uri.bytes().all(known) {
        return refuse("It contains a character that no URI may contain.");
    }
    Ok(())
}

/// RFC 3986 section 3.1, in lower case.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
}

/// The rules of http and https.
fn check_web(uri: &str, scheme: &str, rules: Rules) -> Result<()> {
    let authority = uri
        .strip_prefix(scheme)
        .and_then(|rest| rest.strip_prefix("://"))
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_default();
    if authority.is_empty() {
        return refuse("It must name a host, such as https://app.example.com/callback.");
    }
    if authority.contains('@') {
        return refuse("A user name or password is not allowed.");
    }
    let port_wildcard = authority.ends_with(":*");
    if has_wildcard(uri) && !port_wildcard {
        check_host_wildcard(uri, authority, scheme, rules)?;
    } else if uri.matches('*').count() > 1 {
        return refuse("Only one wildcard is allowed.");
    }
    // The parser knows no wildcards: let it see a letter for the one, port 1 for the other.
    let sample = uri.replacen('*', if port_wildcard { "1" } else { "a" }, 1);
    let Ok(url) = Url::parse(&sample) else {
        return refuse("It is not a valid URL.");
    };
    // The parser gives an empty path its slash; applications send both forms.
    if url.as_str() != sample && url.as_str() != format!("{sample}/") {
        return refuse(
            "Write it in its canonical form: host in lower case, no default port, no dot segments.",
        );
    }
    check_host(&url, port_wildcard, rules)
}

/// A wildcard in the host: one, in the left-most label, below a domain that somebody owns.
fn check_host_wildcard(uri: &str, authority: &str, scheme: &str, rules: Rules) -> Result<()> {
    if uri.matches('*').count() > 1 {
        return refuse("Only one wildcard is allowed.");
    }
    let host = authority.split(':').next().unwrap_or_default();
    let Some((label, parent)) = host.split_once('.').filter(|(label, _)| label.contains('*'))
    else {
        return refuse("A wildcard may only stand in the left-most label of the host.");
    };
    if label.starts_with("xn--") {
        return refuse("A wildcard may not stand in a punycode label.");
    }
    // Below a public suffix anybody can get a name (`*.ngrok-free.app`).
    if psl::domain_str(parent).is_none() {
        return refuse("A wildcard may not stand directly below a public suffix.");
    }
    if scheme == "http" && rules == Rules::Production {
        return refuse("A wildcard with http is not allowed in production.");
    }
    Ok(())
}

/// Where it leads: https in production, loopback where that is allowed.
fn check_host(url: &Url, port_wildcard: bool, rules: Rules) -> Result<()> {
    let (loopback, native) = match url.host() {
        Some(Host::Ipv4(address)) => {
            (address.is_loopback(), address == std::net::Ipv4Addr::LOCALHOST)
        }
        Some(Host::Ipv6(address)) => (address.is_loopback(), false),
        Some(Host::Domain(name)) => (name == "localhost" || name.ends_with(".localhost"), false),
        None => (false, false),
    };
    if port_wildcard && (!loopback || url.host_str().is_some_and(|h| h.ends_with(".localhost"))) {
        return refuse("A wildcard port is allowed with localhost and loopback addresses only.");
    }
    if rules == Rules::Production {
        if url.scheme() == "http" && !native {
            return refuse("In production it must be https (or http://127.0.0.1 for native apps).");
        }
        if loopback && !native {
            return refuse("In production localhost is not allowed; native apps use 127.0.0.1.");
        }
    }
    Ok(())
}

fn refuse(reason: &str) -> Result<()> {
    Err(Error::invalid(
        "invalid_redirect_uri",
        "uri",
        format!("The redirect URI is invalid. {reason}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox(uri: &str) -> bool {
        check_registration(uri, Rules::Sandbox).is_ok()
    }

    fn production(uri: &str) -> bool {
        check_registration(uri, Rules::Production).is_ok()
    }

    #[test]
    fn auz_05_nothing_but_the_same_bytes_matches() {
        let registered = "https://app.example.com/cb";
        assert!(matches(registered, registered));
        for other in [
            "https://app.example.com/cb/",
            "https://app.example.com/CB",
            "https://app.example.com/cb?x=1",
            "https://app.example.com/cb#f",
            "https://app.example.com/cb/../cb",
            "https://app.example.com/%63b",
            "https://app.example.com:443/cb",
            "HTTPS://app.example.com/cb",
        ] {
            assert!(!matches(registered, other), "{other}");
        }
    }

    #[test]
    fn auz_06_another_path_port_scheme_or_host_does_not_match() {
        for other in [
            "https://app.example.com/other",
            "https://app.example.com:8443/cb",
            "http://app.example.com/cb",
            "https://www.example.com/cb",
        ] {
            assert!(!matches("https://app.example.com/cb", other), "{other}");
        }
    }

    #[test]
    fn auz_07_a_host_that_only_looks_alike_does_not_match() {
        for other in [
            "https://app.example.com.evil.com/cb",
            "https://evil-app.example.com/cb",
            "https://appXexample.com/cb",
        ] {
            assert!(!matches("https://app.example.com/cb", other), "{other}");
            assert!(!matches("https://*.example.com/cb", &other.replace("-app", "-app.x")));
        }
    }

    #[test]
    fn auz_08_confusing_spellings_neither_match_nor_register() {
        for other in [
            "https://app.example.com@evil.com/cb",
            "https://evil.com\\@app.example.com/cb",
            "https://app%2eexample.com/cb",
            "https:app.example.com/cb",
            "https:///app.example.com/cb",
            " https://app.example.com/cb",
            "https://app.example.com/cb ",
            "https://app.example.com/c\tb",
            "https://app.example.com/cb\r\nSet-Cookie: a=b",
            "https://app.example.com/cb\0",
        ] {
            assert!(!matches("https://app.example.com/cb", other), "{other:?}");
            assert!(!matches("https://*.example.com/cb", other), "{other:?}");
            assert!(!sandbox(other), "{other:?}");
        }
    }

    #[test]
    fn auz_09_a_wildcard_stands_for_part_of_one_label() {
        let registered = "https://*.ex.com/cb";
        assert!(matches(registered, "https://a_b-1.ex.com/cb"));
        for other in [
            "https://a.b.ex.com/cb",
            "https://ex.com/cb",
            "https://.ex.com/cb",
            "https://a%2eb.ex.com/cb",
            "https://*.ex.com/cb",
            "https://evil.com/.ex.com/cb",
            "https://evil.com@a.ex.com/cb",
            "https://ä.ex.com/cb",
            "https://a.ex.com/cb/",
            "http://a.ex.com/cb",
        ] {
            assert!(!matches(registered, other), "{other}");
        }
        assert!(!matches(registered, &format!("https://{}.ex.com/cb", "a".repeat(64))));
        assert!(matches("https://pr-*-web.ex.com/", "https://pr-12-web.ex.com/"));
        assert!(!matches("https://pr-*-web.ex.com/", "https://pr-web.ex.com/"));
        assert!(!matches("https://pr-*-web.ex.com/", "https://pr--web.ex.com/"));
    }

    #[test]
    fn auz_10_dangerous_uris_are_not_registered() {
        for uri in [
            "https://*.*.ex.com/cb",
            "https://*.ex.com/*",
            "https://*:*/cb",
            "https://a.*.ex.com/cb",
            "https://ex.com/*",
            "https://*/cb",
            "https://*.com/cb",
            "https://*.co.uk/cb",
            "https://*.ngrok-free.app/cb",
            "https://*.github.io/cb",
            "https://*.0.0.1/cb",
            "https://xn--*.ex.com/cb",
            "https://ex.com:*/cb",
            "myapp://*/cb",
            "javascript:alert(1)",
            "javascript:/alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://ex.com/1",
            "https://ex.com/cb?x=1",
            "https://ex.com/cb#f",
            "https://ex.com:443/cb",
            "https://ex.com/a/../cb",
            "https://EX.com/cb",
            "HTTPS://ex.com/cb",
            "/cb",
            "ex.com/cb",
            "localhost:3000/cb",
            "myapp:",
            "myapp://",
            "",
        ] {
            assert!(!sandbox(uri), "{uri}");
            assert!(!production(uri), "{uri}");
        }
        assert!(!sandbox(&format!("https://ex.com/{}", "a".repeat(MAX_BYTES))));
        assert!(sandbox("http://*.ex.com/cb") && !production("http://*.ex.com/cb"));
        assert!(production("https://*.ex.com/cb") && production("https://pr-*.ex.com/cb"));
    }

    #[test]
    fn auz_11_an_international_host_is_registered_in_punycode() {
        assert!(!sandbox("https://bücher.example/cb"));
        assert!(!sandbox("https://ex\u{ad}ample.com/cb"));
        assert!(!sandbox("https://ｅx.com/cb"));
        assert!(sandbox("https://xn--bcher-kva.example/cb"));
        assert!(!matches("https://xn--bcher-kva.example/cb", "https://bücher.example/cb"));
    }

    #[test]
    fn auz_12_a_wildcard_port_is_a_port_of_the_same_loopback_name() {
        let registered = "http://localhost:*/cb";
        assert!(sandbox(registered) && !production(registered));
        assert!(matches(registered, "http://localhost:1/cb"));
        assert!(matches(registered, "http://localhost:65535/cb"));
        for other in [
            "http://127.0.0.1:1/cb",
            "http://localhost.evil:1/cb",
            "http://[::1]:1/cb",
            "http://localhost:99999/cb",
            "http://localhost:0/cb",
            "http://localhost:01/cb",
            "http://localhost:+1/cb",
            "http://localhost:/cb",
            "http://localhost/cb",
            "http://localhost:1@evil.com/cb",
            "http://localhost:*/cb",
        ] {
            assert!(!matches(registered, other), "{other}");
        }
    }

    #[test]
    fn prt_09_an_address_to_leave_to_is_a_plain_web_address() {
        let leaving = |address: &str, rules| leaving_address(address, rules).is_ok();
        for address in [
            "javascript:alert(1)",
            "//evil.example",
            "/path",
            "https:\\\\evil.example",
            "https://app.example.com\\@evil.example",
            "https://user@app.example.com/",
            " https://app.example.com/",
            "https://app.example.com/\r\nx",
            "data:text/html,x",
            "myapp://back",
            "http://app.example.com/",
            "https://b\u{fc}cher.example/",
            "",
        ] {
            assert!(!leaving(address, Rules::Sandbox), "{address:?}");
            assert!(!leaving(address, Rules::Production), "{address:?}");
        }
        assert!(leaving("https://app.example.com/a?tab=sso#x", Rules::Production));
        assert!(leaving("http://localhost:3000/a", Rules::Sandbox));
        assert!(!leaving("http://localhost:3000/a", Rules::Production));
    }

    #[test]
    fn prt_09_an_origin_is_that_of_a_registered_uri() {
        assert!(matches_origin("https://app.example.com/cb", "https://app.example.com"));
        assert!(matches_origin("https://*.example.com/cb", "https://a.example.com"));
        assert!(matches_origin("http://localhost:*/cb", "http://localhost:3000"));
        for origin in [
            "https://example.com",
            "https://app.example.com:8443",
            "http://app.example.com",
            "https://app.example.com.evil.example",
            "null",
        ] {
            assert!(!matches_origin("https://app.example.com/cb", origin), "{origin}");
        }
        assert!(!matches_origin("https://*.example.com/cb", "https://a.b.example.com"));
        assert!(!matches_origin("myapp://callback", "myapp://callback"));
    }

    #[test]
    fn production_takes_https_custom_schemes_and_the_loopback_address() {
        for uri in [
            "https://app.example.com",
            "https://app.example.com/",
            "https://app.example.com:8443/cb",
            "http://127.0.0.1:3000/cb",
            "http://127.0.0.1:*/cb",
            "myapp://callback",
            "com.example.app:/oauth2redirect",
        ] {
            assert!(production(uri), "{uri}");
            assert!(sandbox(uri), "{uri}");
        }
        for uri in [
            "http://app.example.com/",
            "http://localhost/cb",
            "https://localhost/cb",
            "http://[::1]/",
        ] {
            assert!(!production(uri), "{uri}");
            assert!(sandbox(uri), "{uri}");
        }
    }
}
