//! E-mail addresses: what counts as one, and when two domains are the same.

use idna::AsciiDenyList;
use serde::{Deserialize, Serialize};

/// How long an address may be, in bytes (RFC 5321 section 4.5.3.1.3, less the angle brackets).
const MAX_BYTES: usize = 254;
/// How long the part before the `@` may be, in bytes (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL_BYTES: usize = 64;

/// An `addr-spec` of RFC 5322 without its quoted and commented forms: `dot-atom@domain`, exactly
/// one `@`. Kept as it came; nothing is folded, since addresses that look alike are not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress {
    text: String,
    at: usize,
    domain: String,
}

impl EmailAddress {
    /// Reads an address; `None` for anything that some parser could take for another address.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.split_once('@')?;
        let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(is_atom_char);
        let fits = text.len() <= MAX_BYTES && local.len() <= MAX_LOCAL_BYTES;
        if !fits || !local.split('.').all(is_atom) || domain.ends_with('.') {
            return None;
        }
        Some(Self { text: text.to_owned(), at: local.len(), domain: domain_key(domain)? })
    }

    /// The address as it came.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`, as it came.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// The domain in the form in which domains are compared: see [`domain_key`].
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.text
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = NotAnAddress;
    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        Self::parse(&text).ok_or(NotAnAddress)
    }
}

/// The text is no e-mail address.
#[derive(Debug, thiserror::Error)]
#[error("not an e-mail address")]
pub struct NotAnAddress;

/// `atext` of RFC 5322 section 3.2.3, and the characters beyond ASCII of RFC 6532 section 3.2
/// except those that cannot be seen.
fn is_atom_char(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    }
    !c.is_control() && !c.is_whitespace() && !is_invisible(c)
}

/// Marks that change how text looks or is read without being seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}')
}

/// The form in which domains are compared: lower-case ASCII, international labels as `xn--…`
/// (IDNA 2008), without a trailing dot. `None` for what is no domain.
///
/// A label beyond ASCII that turns into plain ASCII is refused (the Kelvin sign would become a
/// `k`, a full-width dot would make two labels): a domain must not equal one it does not show.
pub fn domain_key(domain: &str) -> Option<String> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let ascii = idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::URL).ok()?;
    let key = ascii.to_ascii_lowercase();
    let labels = |text: &str| text.split('.').count();
    if key.len() > 253 || labels(&key) != labels(domain) {
        return None;
    }
    let good = domain.split('.').zip(key.split('.')).all(|(shown, label)| {
        let letters = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let hyphens = label.starts_with('-') || label.ends_with('-');
        let honest = shown.is_ascii() || label.starts_with("xn--");
        !label.is_empty() && label.len() <= 63 && letters && !hyphens && honest
    });
    good.then_some(key)
}

/// Whether two domains are the same; what is no domain is the same as nothing.
pub fn same_domain(a: &str, b: &str) -> bool {
    domain_key(a).is_some_and(|a| domain_key(b) == Some(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clm_06_what_is_no_addr_spec_is_no_address() {
        for bad in [
            "a@evil.com@corp.com",
            "a@corp.com,b@evil",
            "a@corp.com,b@evil.com",
            "\"x@corp.com\"@evil.com",
            "\"x\"@corp.com",
            "a@corp.com\n",
            "a@corp.com ",
            " a@corp.com",
            "a b@corp.com",
            "<a@corp.com>",
            "A <a@corp.com>",
            "a(comment)@corp.com",
            "corp.com",
            "@corp.com",
            "a@",
            "a@corp\u{3002}com",
            "a@corp\u{ff0e}com",
            "a@[127.0.0.1]",
            "a@corp..com",
            "a@.corp.com",
            "a@-corp.com",
            "a@corp.com.",
            ".a@corp.com",
            "a..b@corp.com",
            "a@corp.com\0",
            "a\u{200b}@corp.com",
            "a@corp.com#x",
            "a@corp.com/x",
            "a@corp%2ecom",
            "",
        ] {
            assert_eq!(EmailAddress::parse(bad), None, "{bad:?}");
        }
        let long = format!("{}@corp.com", "a".repeat(400));
        assert_eq!(EmailAddress::parse(&long), None);
        for good in ["a@corp.com", "o'neil+tag@corp.co.uk", "a.b@x.example", "jörg@corp.com"] {
            assert_eq!(EmailAddress::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn clm_07_domains_are_compared_in_lower_case_idna_and_nothing_else_is_folded() {
        let address = EmailAddress::parse("User@CORP.com").unwrap();
        assert_eq!((address.local(), address.domain()), ("User", "corp.com"));
        assert!(same_domain("corp.com.", "CORP.com"));
        assert!(same_domain("münchen.de", "xn--mnchen-3ya.de"));
        // The same letter in one code point and in two.
        assert!(same_domain("mu\u{308}nchen.de", "m\u{fc}nchen.de"));
        // The Kelvin sign looks like a K; the dotless i like an i.
        assert_eq!(EmailAddress::parse("a@\u{212a}orp.com"), None);
        assert_eq!(domain_key("ⓛocalhost"), None);
        assert!(!same_domain("m\u{131}t.com", "mit.com"));
        assert!(!same_domain("", ""));
        assert!(!same_domain("corp.com", "corp.com.evil.com"));
    }
}
