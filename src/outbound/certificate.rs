//! What a server's certificate says, as far as it helps to find out what is wrong with it. Nothing
//! is decided by this: whether a certificate is trusted, the TLS library says.

use crate::base::time::Timestamp;

/// How many names of a certificate are kept, and how many characters of each text.
const MAX_NAMES: usize = 10;
const MAX_CHARS: usize = 100;

/// The certificate of a server, read from its DER form (RFC 5280 section 4.1). The texts are the
/// server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// When it begins to be valid.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// Who issued it: organization and common name.
    pub issuer: String,
    /// The host names it is for.
    pub names: Vec<String>,
}

impl Certificate {
    /// Reads a certificate; `None` if it cannot be read.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let mut certificate = Der(Der(der).expect(SEQUENCE)?);
        let mut tbs = Der(certificate.expect(SEQUENCE)?);
        tbs.skip(0xa0); // version
        tbs.expect(INTEGER)?; // serial number
        tbs.expect(SEQUENCE)?; // algorithm
        let issuer = issuer(tbs.expect(SEQUENCE)?);
        let mut validity = Der(tbs.expect(SEQUENCE)?);
        let (not_before, not_after) = (moment(validity.next()?)?, moment(validity.next()?)?);
        tbs.expect(SEQUENCE)?; // subject
        tbs.expect(SEQUENCE)?; // public key
        let mut names = Vec::new();
        while let Some((tag, content)) = tbs.next() {
            if tag == 0xa3 {
                names = alternative_names(content).unwrap_or_default();
            }
        }
        Some(Self { not_before, not_after, issuer, names })
    }
}

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `commonName` (2.5.4.3) and `organizationName` (2.5.4.10).
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
/// `subjectAltName` (2.5.29.17).
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Elements of DER (X.690), one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which must have this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// Passes over an element that may be there.
    fn skip(&mut self, tag: u8) {
        if self.0.first() == Some(&tag) {
            self.next();
        }
    }
}

/// Organization and common name of a name, where it has them.
fn issuer(name: &[u8]) -> String {
    let (mut parts, mut sets) = (Vec::new(), Der(name));
    while let Some(set) = sets.expect(SET) {
        let Some(mut pair) = Der(set).expect(SEQUENCE).map(Der) else { break };
        let (id, value) = (pair.expect(OBJECT_ID), pair.next());
        if let (Some(COMMON_NAME | ORGANIZATION), Some((_, value))) = (id, value) {
            parts.push(text(value));
        }
    }
    parts.join(", ")
}

/// `UTCTime` or `GeneralizedTime`, both in UTC and with seconds (RFC 5280 section 4.1.2.5).
fn moment((tag, content): (u8, &[u8])) -> Option<Timestamp> {
    let digits = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let full = match (tag, digits.len()) {
        // Years from 50 on are of the last century.
        (0x17, 12) if digits >= "5" => format!("19{digits}"),
        (0x17, 12) => format!("20{digits}"),
        (0x18, 14) => digits.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| &full[from..to];
    Timestamp::parse(&format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    ))
}

/// The DNS names among the extensions.
fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Der(Der(extensions).expect(SEQUENCE)?);
    while let Some(extension) = extensions.expect(SEQUENCE) {
        let mut extension = Der(extension);
        if extension.expect(OBJECT_ID)? != ALTERNATIVE_NAME {
            continue;
        }
        extension.skip(0x01); // whether it is critical
        let mut general = Der(Der(extension.expect(OCTET_STRING)?).expect(SEQUENCE)?);
        let mut names = Vec::new();
        while let Some((tag, name)) = general.next() {
            if tag == 0x82 && names.len() < MAX_NAMES {
                names.push(text(name));
            }
        }
        return Some(names);
    }
    None
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn der() -> Vec<u8> {
        let names = ["idp.example", "login.idp.example"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "Zscaler Inc.");
        params.distinguished_name.push(DnType::CommonName, "Zscaler Root");
        params.not_before = date_time_ymd(2024, 2, 29);
        params.not_after = date_time_ymd(2051, 3, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_tells_its_dates_names_and_issuer() {
        let read = Certificate::parse(&der()).unwrap();
        assert_eq!(read.not_before.to_string(), "2024-02-29T00:00:00.000Z");
        assert_eq!(read.not_after.to_string(), "2051-03-01T00:00:00.000Z");
        assert_eq!(read.names, ["idp.example", "login.idp.example"]);
        let mut parts: Vec<&str> = read.issuer.split(", ").filter(|p| p.contains("Z")).collect();
        parts.sort_unstable();
        assert_eq!(parts, ["Zscaler Inc.", "Zscaler Root"]);
    }

    #[test]
    fn a_certificate_that_is_cut_or_changed_anywhere_is_read_or_refused() {
        let whole = der();
        for end in 0..whole.len() {
            assert_eq!(Certificate::parse(&whole[..end]), None, "{end}");
        }
        for index in 0..whole.len() {
            for value in [0x00, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = whole.clone();
                changed[index] = value;
                let _ = Certificate::parse(&changed);
            }
        }
    }
}
