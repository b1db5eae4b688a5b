//! What the forms of an app integration have in common: its name and its addresses.

use url::Url;

use super::line;
use crate::sandbox::params::Params;

/// How many addresses a list may have.
const MAX_URIS: usize = 100;
/// How long an address may be, in bytes.
const MAX_URI_BYTES: usize = 1024;

/// One of the two lists of addresses.
pub(super) struct UriList {
    /// The name of its fields.
    pub(super) field: &'static str,
    /// One of them, for screen readers.
    pub(super) singular: &'static str,
    pub(super) values: Vec<String>,
    pub(super) error: Option<String>,
}

impl UriList {
    /// The rows of the form: there is always one to type into.
    pub(super) fn rows(&self) -> Vec<&str> {
        let rows = self.values.iter().map(String::as_str);
        if self.values.is_empty() { vec![""] } else { rows.collect() }
    }
}

/// Name and addresses, as they were typed.
pub(super) struct Entered {
    pub(super) name: String,
    pub(super) name_error: Option<&'static str>,
    pub(super) sign_in: UriList,
    pub(super) sign_out: UriList,
    /// Empty: none.
    pub(super) logout_url: String,
    pub(super) logout_url_error: Option<String>,
}

impl Entered {
    /// What is there already.
    pub(super) fn of(name: &str, sign_in: &[String], sign_out: &[String]) -> Self {
        Self {
            name: name.to_owned(),
            name_error: None,
            sign_in: UriList {
                field: "sign_in_uri",
                singular: "Sign-in redirect URI",
                values: sign_in.to_vec(),
                error: None,
            },
            sign_out: UriList {
                field: "sign_out_uri",
                singular: "Sign-out redirect URI",
                values: sign_out.to_vec(),
                error: None,
            },
            logout_url: String::new(),
            logout_url_error: None,
        }
    }

    /// What came with a form.
    pub(super) fn read(fields: &Params) -> Self {
        let list = |field| fields.all(field).map(|uri| uri.trim().to_owned()).collect::<Vec<_>>();
        let name = fields.get("name").unwrap_or_default().trim();
        let logout_url = fields.get("logout_url").unwrap_or_default().trim().to_owned();
        Self { logout_url, ..Self::of(name, &list("sign_in_uri"), &list("sign_out_uri")) }
    }

    /// Adds or removes a row, if a button without a script asked for that.
    pub(super) fn change_rows(&mut self, fields: &Params) -> bool {
        for list in [&mut self.sign_in, &mut self.sign_out] {
            if fields.get("add") == Some(list.field) {
                list.values.push(String::new());
                return true;
            }
            let removed = fields.get("remove").and_then(|it| it.strip_prefix(list.field));
            let index = removed.and_then(|it| it.strip_prefix(':')?.parse::<usize>().ok());
            if let Some(index) = index {
                if index < list.values.len() {
                    list.values.remove(index);
                }
                return true;
            }
        }
        false
    }

    /// Puts the mistakes beside what was typed. Empty rows are no mistake; they are dropped.
    pub(super) fn check(&mut self, fields: &Params) -> bool {
        self.name_error = line(fields, "name").1;
        for list in [&mut self.sign_in, &mut self.sign_out] {
            list.values.retain(|uri| !uri.is_empty());
            list.error = list.values.iter().find_map(|uri| mistake(uri));
            if list.values.len() > MAX_URIS {
                list.error = Some(format!("There can be {MAX_URIS} URIs at most."));
            }
        }
        if self.sign_in.values.is_empty() {
            self.sign_in.error = Some("At least one sign-in redirect URI is required.".to_owned());
        }
        if !self.logout_url.is_empty() {
            self.logout_url_error = mistake(&self.logout_url);
        }
        self.logout_url_error.is_none()
            && self.name_error.is_none()
            && self.sign_in.error.is_none()
            && self.sign_out.error.is_none()
    }
}

/// Why an address cannot be a redirect URI.
fn mistake(uri: &str) -> Option<String> {
    if uri.len() > MAX_URI_BYTES {
        return Some(format!("A URI can have {MAX_URI_BYTES} characters at most."));
    }
    let says = match Url::parse(uri) {
        Err(_) => "is not an absolute URI. It begins with https://",
        Ok(url) if url.fragment().is_some() => "has a fragment (#…), which is not allowed.",
        Ok(url) if ["javascript", "data", "vbscript"].contains(&url.scheme()) => {
            "has a scheme that is not allowed."
        }
        Ok(_) if uri.contains('*') => "has a wildcard, which this simulation does not have.",
        Ok(_) if uri.chars().any(|c| c.is_control() || c.is_whitespace()) => "has a space in it.",
        Ok(_) => return None,
    };
    Some(format!("'{uri}' {says}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_uri_is_absolute_and_has_no_fragment() {
        for good in ["https://app.example/callback", "http://127.0.0.1:80/cb?a=b", "com.app:/cb"] {
            assert_eq!(mistake(good), None, "{good}");
        }
        let long = format!("https://app.example/{}", "a".repeat(1024));
        for wrong in [
            "app.example/callback",
            "/callback",
            "https://app.example/#here",
            "javascript:alert(1)",
            "https://*.app.example/",
            "https://app.example/a b",
            &long,
        ] {
            assert!(mistake(wrong).is_some(), "{wrong}");
        }
    }
}
