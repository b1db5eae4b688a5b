//! The parameters of a request, as bytes, in all encodings that SDKs send.

use serde_json::Value;

/// Decoded parameters in the order in which they came.
pub(super) struct Params(Vec<(String, Vec<u8>)>);

impl Params {
    /// Reads `application/x-www-form-urlencoded`, keeping values as bytes: a `state` need not be
    /// text.
    pub(super) fn parse(encoded: &str) -> Self {
        let pairs = encoded.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (String::from_utf8_lossy(&decode(name)).into_owned(), decode(value))
        });
        Self(pairs.collect())
    }

    /// From what was decoded elsewhere.
    pub(super) fn from_pairs(pairs: Vec<(String, Vec<u8>)>) -> Self {
        Self(pairs)
    }

    /// Whether the name is there, with or without a value.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }

    /// The first of the names that stands there twice; also as `name[]`, and also once under each of
    /// two names that mean the same.
    pub(super) fn duplicate(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| {
            let same = |found: &str| {
                let found = found.split('[').next().unwrap_or(found);
                found == *name || found.strip_suffix("_id") == Some(*name) && *name != "client"
            };
            self.0.iter().filter(|(found, _)| same(found)).count() > 1
        })
    }

    /// A value as bytes. An empty one counts as absent (RFC 6749 section 3.1).
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.0.iter().find(|(found, _)| found == name)?;
        Some(value.as_slice()).filter(|value| !value.is_empty())
    }

    /// A value as text; bytes that are none become U+FFFD, which matches nothing.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.bytes(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// The first of two names that is there.
    pub(super) fn either(&self, name: &str, alias: &str) -> Option<String> {
        self.text(name).or_else(|| self.text(alias))
    }

    /// A list: repeated, `name[]`, `name[0]`, separated by commas or spaces, or as Python writes
    /// lists (`['a', 'b']`).
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let ours = self.0.iter().filter(|(found, _)| found.split('[').next() == Some(name));
        let texts = ours.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        texts
            .flat_map(|text| {
                let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
                let quoted = inner.is_some();
                inner
                    .unwrap_or(&text)
                    .split([',', ' '])
                    .map(|item| {
                        let item = item.trim();
                        if quoted { item.trim_matches(['\'', '"']) } else { item }.to_owned()
                    })
                    .collect::<Vec<_>>()
            })
            .filter(|item| !item.is_empty())
            .collect()
    }

    /// An object of strings: `name[key]=value`, or JSON. What Python writes for a dictionary is
    /// ignored: it cannot be read reliably.
    pub(super) fn object(&self, name: &str) -> Vec<(String, String)> {
        let mut members = Vec::new();
        for (found, value) in &self.0 {
            let value = String::from_utf8_lossy(value);
            if let Some(key) = found
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('['))
                .and_then(|rest| rest.strip_suffix(']'))
            {
                members.push((key.to_owned(), value.into_owned()));
            } else if found == name
                && let Ok(Value::Object(object)) = serde_json::from_str::<Value>(&value)
            {
                members.extend(object.into_iter().filter_map(|(key, value)| match value {
                    Value::String(text) => Some((key, text)),
                    Value::Number(number) => Some((key, number.to_string())),
                    Value::Bool(flag) => Some((key, flag.to_string())),
                    _ => None,
                }));
            }
        }
        members
    }
}

/// Undoes percent-encoding and `+`; a `%` that begins no escape stands for itself.
fn decode(encoded: &str) -> Vec<u8> {
    let bytes = encoded.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escape = bytes.get(i + 1..i + 3).and_then(hex);
        match (bytes[i], escape) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                i += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        i += 1;
    }
    decoded
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    Some(digit(digits[0])? * 16 + digit(digits[1])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_byte_for_byte() {
        let params = Params::parse("state=a+b%20%2B%00%ff%zz%&x=");
        assert_eq!(params.bytes("state"), Some(&b"a b +\0\xff%zz%"[..]));
        assert_eq!(params.bytes("x"), None);
    }

    #[test]
    fn auz_03_a_parameter_given_twice_is_noticed_in_every_disguise() {
        let names = &["client_id", "redirect_uri", "connection"][..];
        for query in [
            "redirect_uri=a&redirect_uri=a",
            "redirect_uri=a&redirect_uri[]=b",
            "redirect%5Furi=a&redirect_uri=b",
        ] {
            assert_eq!(Params::parse(query).duplicate(names), Some("redirect_uri"), "{query}");
        }
        let aliases = Params::parse("connection=a&connection_id=b&client_id=c");
        assert_eq!(aliases.duplicate(names), Some("connection"));
        assert_eq!(Params::parse("client_id=a&state=1&state=2").duplicate(names), None);
    }

    #[test]
    fn lists_and_objects_are_read_in_every_encoding_of_the_sdks() {
        for query in [
            "s=a&s=b",
            "s=a,b",
            "s=a%20b",
            "s[]=a&s[]=b",
            "s%5B0%5D=a&s%5B1%5D=b",
            "s=%5B%27a%27%2C+%27b%27%5D",
        ] {
            assert_eq!(Params::parse(query).list("s"), ["a", "b"], "{query}");
        }
        let hd = [("hd".to_owned(), "x".to_owned())];
        assert_eq!(Params::parse("q[hd]=x").object("q"), hd);
        assert_eq!(Params::parse("q=%7B%22hd%22%3A%22x%22%7D").object("q"), hd);
        assert_eq!(Params::parse("q=%7B'hd'%3A+'x'%7D").object("q"), []);
    }
}
