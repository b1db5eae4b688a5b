//! A virtual browser making one login: its cookies, its redirects, and the time of each step.

use std::time::Instant;

use hyper::Method;
use url::Url;

use crate::client::{Agent, Body, Fail, Reply};
use crate::identity::{SESSION_COOKIE, User};

const MAX_HOPS: usize = 15;

struct Cookie {
    origin: String,
    path: String,
    name: String,
    value: String,
}

/// The cookies of one login. They are kept per host and port, since the ports of one loopback
/// address stand here for what would be separate hosts.
#[derive(Default)]
struct Jar(Vec<Cookie>);

fn origin(url: &Url) -> String {
    url[url::Position::BeforeHost..url::Position::AfterPort].to_owned()
}

impl Jar {
    fn store(&mut self, url: &Url, header: &str) {
        let mut parts = header.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let mut path = "/".to_owned();
        let mut gone = value.is_empty();
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            if key.eq_ignore_ascii_case("path") && value.starts_with('/') {
                path = value.to_owned();
            }
            gone |= key.eq_ignore_ascii_case("max-age") && value.starts_with(['0', '-'])
                || key.eq_ignore_ascii_case("expires") && value.contains(" 1970 ")
                || key.eq_ignore_ascii_case("expires") && value.contains("-1970 ");
        }
        let origin = origin(url);
        self.0.retain(|c| !(c.origin == origin && c.path == path && c.name == name));
        if !gone {
            let (name, value) = (name.to_owned(), value.to_owned());
            self.0.push(Cookie { origin, path, name, value });
        }
    }

    fn header(&self, url: &Url) -> String {
        let origin = origin(url);
        let fits = |c: &&Cookie| {
            c.origin == origin
                && url.path().strip_prefix(c.path.as_str()).is_some_and(|rest| {
                    rest.is_empty() || rest.starts_with('/') || c.path.ends_with('/')
                })
        };
        let pairs: Vec<String> =
            self.0.iter().filter(fits).map(|c| format!("{}={}", c.name, c.value)).collect();
        pairs.join("; ")
    }

    fn get(&self, url: &Url, name: &str) -> Option<&str> {
        let origin = origin(url);
        let cookie = self.0.iter().find(|c| c.origin == origin && c.name == name)?;
        Some(&cookie.value)
    }
}

/// One login in progress: the user it is for, and what it has cost so far.
pub struct Login<'a> {
    browser: &'a mut Agent,
    app: &'a mut Agent,
    jar: Jar,
    idp_port: Option<u16>,
    pub user_number: u64,
    pub user: User,
    pub redirect_uri: &'a str,
    /// The connection to log in through.
    pub connection: &'a str,
    pub state: String,
    pub nonce: String,
    /// Microseconds of each step, in the order taken.
    pub steps: Vec<(&'static str, u32)>,
}

/// What the application receives at its redirect URI.
pub struct Landing {
    pub code: String,
}

impl<'a> Login<'a> {
    pub fn new(
        browser: &'a mut Agent,
        app: &'a mut Agent,
        idp_port: Option<u16>,
        redirect_uri: &'a str,
        (connection, user_number): (&'a str, u64),
    ) -> Self {
        Self {
            browser,
            app,
            jar: Jar::default(),
            idp_port,
            user_number,
            user: User::numbered(user_number),
            redirect_uri,
            connection,
            state: crate::jose::random_token::<16>(),
            nonce: crate::jose::random_token::<16>(),
            steps: Vec::with_capacity(8),
        }
    }

    /// One request of the browser, with its cookies; the answer's cookies are kept.
    pub async fn browse(
        &mut self,
        step: &'static str,
        method: Method,
        url: &Url,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Result<Reply, Fail> {
        let mut cookies = self.jar.header(url);
        if self.is_idp(url) {
            cookies = format!("{SESSION_COOKIE}={}", self.user_number);
        }
        let mut all = vec![("accept", "text/html,application/json")];
        if !cookies.is_empty() {
            all.push(("cookie", &cookies));
        }
        all.extend(headers);
        let started = Instant::now();
        let reply = self.browser.send(method, url, &all, body).await?;
        self.steps.push((step, started.elapsed().as_micros() as u32));
        for header in reply.headers.get_all("set-cookie") {
            if let Ok(header) = header.to_str() {
                self.jar.store(url, header);
            }
        }
        Ok(reply)
    }

    /// One request of the application's back end.
    pub async fn call(
        &mut self,
        step: &'static str,
        method: Method,
        url: &Url,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Result<Reply, Fail> {
        let started = Instant::now();
        let reply = self.app.send(method, url, headers, body).await?;
        self.steps.push((step, started.elapsed().as_micros() as u32));
        if reply.status != 200 {
            return Err(Fail::new(format!("{step}: status {}", reply.status), reply.excerpt()));
        }
        Ok(reply)
    }

    pub fn cookie(&self, url: &Url, name: &str) -> Option<&str> {
        self.jar.get(url, name)
    }

    pub fn is_idp(&self, url: &Url) -> bool {
        self.idp_port.is_some() && url.port_or_known_default() == self.idp_port
    }

    pub fn is_landing(&self, location: &str) -> bool {
        location.starts_with(self.redirect_uri)
    }

    /// Follows redirects from `start` to the application's redirect URI.
    pub async fn walk(&mut self, start: Url) -> Result<Landing, Fail> {
        let landing = self.follow(start, |login, url| login.is_landing(url.as_str())).await?;
        self.land(&landing)
    }

    /// Follows redirects from `start` until one leads to a place that `arrived` takes; that place
    /// is returned, not visited. Steps are named after where the browser is on its way.
    pub async fn follow(
        &mut self,
        start: Url,
        arrived: impl Fn(&Self, &Url) -> bool,
    ) -> Result<Url, Fail> {
        let mut url = start;
        let mut past_idp = false;
        for hop in 0..MAX_HOPS {
            let step = match () {
                () if self.is_idp(&url) => "idp",
                () if hop == 0 => "authorize",
                () if past_idp && !self.steps.iter().any(|(step, _)| *step == "callback") => {
                    "callback"
                }
                () => "hop",
            };
            past_idp |= step == "idp";
            let reply = self.browse(step, Method::GET, &url, &[], Body::None).await?;
            if !matches!(reply.status, 302 | 303 | 307) {
                let detail = format!("{url}: {}", reply.excerpt());
                return Err(Fail::new(format!("{step}: status {}", reply.status), detail));
            }
            let location = reply.header("location").unwrap_or_default();
            let next = url.join(location).map_err(|e| {
                Fail::new(format!("{step}: bad location"), format!("{location}: {e}"))
            })?;
            if arrived(self, &next) {
                return Ok(next);
            }
            if self.is_landing(next.as_str()) {
                return Err(Fail::new(format!("{step}: landed early"), next));
            }
            url = next;
        }
        Err(Fail::new("too many redirects", url))
    }

    /// Checks what came back to the application's redirect URI.
    pub fn land(&self, url: &Url) -> Result<Landing, Fail> {
        let query = |name: &str| {
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        if let Some(error) = query("error") {
            return Err(Fail::new(format!("landing: {error}"), url.as_str()));
        }
        if query("state").as_deref() != Some(&self.state) {
            return Err(Fail::new("landing: wrong state", url.as_str()));
        }
        let code = query("code").ok_or_else(|| Fail::new("landing: no code", url.as_str()))?;
        Ok(Landing { code })
    }

    /// Fails unless the profile's value is the one expected of this login's user.
    pub fn expect(&self, what: &str, found: &serde_json::Value, wanted: &str) -> Result<(), Fail> {
        if found.as_str() == Some(wanted) {
            return Ok(());
        }
        Err(Fail::new(format!("wrong {what}"), format!("wanted {wanted}, found {found}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_keep_to_their_origin_and_path_and_can_be_deleted() {
        let url = Url::parse("http://127.0.0.1:1/auth/v1/x").unwrap();
        let other = Url::parse("http://127.0.0.1:2/auth/v1/x").unwrap();
        let above = Url::parse("http://127.0.0.1:1/authority").unwrap();
        let mut jar = Jar::default();
        jar.store(&url, "a=1; Path=/auth; HttpOnly");
        jar.store(&url, "b=2");
        assert_eq!(jar.header(&url), "a=1; b=2");
        assert_eq!(jar.header(&above), "b=2");
        assert_eq!(jar.header(&other), "");
        jar.store(&url, "b=; Max-Age=0");
        jar.store(&url, "a=; Path=/auth; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(jar.header(&url), "");
    }
}
