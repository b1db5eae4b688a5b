//! A browser in a few lines: follows redirects, keeps cookies, and signs in on the tenant's page.

use std::collections::BTreeMap;

use http::header::{ACCEPT, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::Person;
use crate::base::{Error, Result};
use crate::outbound::{Outbound, Request, Response};

/// How many hops a login may have; it has seven.
const MAX_HOPS: usize = 20;
/// How large a page may be, in bytes.
const MAX_PAGE: usize = 1 << 20;

/// Signs a person in to the application; returns the profile that it got.
pub(super) async fn login(
    outbound: &Outbound,
    application: &Url,
    person: &Person,
) -> Result<Value> {
    let mut cookies = Cookies::default();
    let mut url = application.join("login").map_err(Error::internal)?;
    let mut form = None;
    for _ in 0..MAX_HOPS {
        let response = visit(outbound, &mut cookies, &url, form.take()).await?;
        if let Some(location) = response.headers.get(LOCATION) {
            let location = location.to_str().map_err(Error::internal)?;
            url = url.join(location).map_err(Error::internal)?;
            continue;
        }
        let page = String::from_utf8_lossy(&response.body).into_owned();
        if let Ok(profile) = serde_json::from_str::<Value>(&page) {
            if response.status.is_success() {
                return Ok(profile);
            }
        } else if let Some((action, fields)) = sign_in_form(&page, person) {
            url = url.join(&action).map_err(Error::internal)?;
            form = Some(fields);
            continue;
        }
        let shown = url.as_str().split('?').next().unwrap_or_default();
        return Err(Error::internal(format!(
            "the login ended at {shown} with status {}: {}",
            response.status,
            text_of(&page)
        )));
    }
    Err(Error::internal("the login went on and on"))
}

async fn visit(
    outbound: &Outbound,
    cookies: &mut Cookies,
    url: &Url,
    form: Option<String>,
) -> Result<Response> {
    let mut request = match form {
        Some(form) => Request::post_form(url.clone(), form, MAX_PAGE),
        None => Request::get(url.clone(), MAX_PAGE),
    };
    // The sample application answers with JSON where no page is asked for; all others see a browser.
    let accept = if url.path() == "/callback" { "application/json" } else { "text/html" };
    request.headers.insert(ACCEPT, HeaderValue::from_static(accept));
    if let Some(header) = cookies.header(url) {
        request.headers.insert(COOKIE, header);
    }
    let response = outbound.send(request).await.map_err(|error| {
        Error::internal(format!("{} did not answer: {error}", url.origin().ascii_serialization()))
    })?;
    cookies.keep(url, &response.headers);
    Ok(response)
}

/// Cookies by origin and name.
#[derive(Default)]
struct Cookies(BTreeMap<(String, String), String>);

impl Cookies {
    fn header(&self, url: &Url) -> Option<HeaderValue> {
        let origin = url.origin().ascii_serialization();
        let ours = self.0.iter().filter(|((of, _), _)| *of == origin);
        let pairs: Vec<String> = ours.map(|((_, name), value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { None } else { HeaderValue::from_str(&pairs.join("; ")).ok() }
    }

    fn keep(&mut self, url: &Url, headers: &HeaderMap) {
        let origin = url.origin().ascii_serialization();
        for header in headers.get_all(SET_COOKIE).iter().filter_map(|it| it.to_str().ok()) {
            let pair = header.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                let key = (origin.clone(), name.trim().to_owned());
                if header.contains("Max-Age=0") {
                    self.0.remove(&key);
                } else {
                    self.0.insert(key, value.trim().to_owned());
                }
            }
        }
    }
}

/// The address and the fields of the tenant's sign-in form, filled in.
fn sign_in_form(page: &str, person: &Person) -> Option<(String, String)> {
    if !page.contains("type=\"password\"") {
        return None;
    }
    let action = attribute(page, "action=\"")?;
    let transaction = attribute(page, "name=\"transaction\" value=\"")?;
    let fields = form_urlencoded::Serializer::new(String::new())
        .append_pair("transaction", &transaction)
        .append_pair("username", &person.email)
        .append_pair("password", &person.password)
        .finish();
    Some((action, fields))
}

fn attribute(page: &str, start: &str) -> Option<String> {
    page.split_once(start)?.1.split_once('"').map(|(value, _)| value.replace("&amp;", "&"))
}

/// The words of a page, as far as they fit a line.
fn text_of(page: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for c in page.chars() {
        match c {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                text.push(' ');
            }
            c if !in_tag => text.push(c),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}
