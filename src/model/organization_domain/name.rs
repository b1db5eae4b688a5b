//! How a domain is written down, and which domains an organization can have.

use crate::base::secret::random_alphanumeric;
use crate::base::{Error, Result};

/// Providers of mailboxes: their domains say nothing about who employs somebody.
const PUBLIC_MAIL: &[&str] = &[
    "126.com",
    "163.com",
    "aol.com",
    "fastmail.com",
    "gmail.com",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hey.com",
    "hotmail.com",
    "icloud.com",
    "libero.it",
    "live.com",
    "mac.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "naver.com",
    "orange.fr",
    "outlook.com",
    "pm.me",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "rocketmail.com",
    "t-online.de",
    "web.de",
    "yahoo.co.jp",
    "yahoo.co.uk",
    "yahoo.com",
    "yandex.com",
    "yandex.ru",
    "ymail.com",
    "zoho.com",
];

/// A domain as it is written down: lower case, punycode, without a dot at the end.
///
/// # Errors
///
/// [`Error::Invalid`] if it is no domain that an organization could own.
pub fn normalize(text: &str) -> Result<String> {
    let text = text.trim();
    let text = text.strip_suffix('.').unwrap_or(text);
    let domain = idna::domain_to_ascii_strict(text)
        .ok()
        .filter(|domain| domain.len() <= 253 && domain.parse::<std::net::IpAddr>().is_err())
        // Neither a public suffix (`co.uk`) nor a host name without a dot.
        .filter(|domain| psl::domain_str(domain).is_some())
        .ok_or_else(|| {
            Error::invalid("invalid_domain", "domain", format!("'{text}' is not a valid domain."))
        })?;
    if PUBLIC_MAIL.contains(&domain.as_str()) {
        let message = format!("'{domain}' is a public mail domain, which nobody can own.");
        return Err(Error::invalid("invalid_domain", "domain", message));
    }
    Ok(domain)
}

/// `{application}-domain-verification-{6 characters}`, as WorkOS's customers know it.
pub(super) fn verification_prefix(environment_name: &str) -> String {
    let mut slug = String::new();
    for c in environment_name.chars().flat_map(char::to_lowercase).take(40) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    let slug = if slug.is_empty() { "vestibule" } else { slug };
    format!("{slug}-domain-verification-{}", random_alphanumeric(6).to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_spelling() {
        for (text, domain) in [
            ("Example.COM", "example.com"),
            (" example.com. ", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("mail.corp.internal", "mail.corp.internal"),
        ] {
            assert_eq!(normalize(text).unwrap(), domain);
        }
    }

    #[test]
    fn what_nobody_can_own_is_no_domain_of_an_organization() {
        for text in [
            "",
            ".",
            "com",
            "co.uk",
            "localhost",
            "gmail.com",
            "GMAIL.com",
            "1.2.3.4",
            "a b.com",
            "a@b.com",
            "https://a.com",
            "a.com/x",
            "*.a.com",
            "-a.com",
            "a..com",
            "a_b.com",
            "a.com\0",
        ] {
            assert!(normalize(text).is_err(), "{text}");
        }
        assert!(normalize(&format!("{}.com", "a".repeat(64))).is_err());
    }

    #[test]
    fn the_prefix_of_the_proof_names_the_application() {
        let prefix = verification_prefix("Acme App — Production!");
        assert!(prefix.starts_with("acme-app-production-domain-verification-"), "{prefix}");
        assert!(verification_prefix("—").starts_with("vestibule-domain-verification-"));
    }
}
