//! Who the browser is, as far as it tells.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::header::{ACCEPT, USER_AGENT};
use http::request::Parts;
use http::{Extensions, HeaderMap};

use crate::app::App;
use crate::base::address::unmapped;
use crate::model::sso_session::Browser;

/// How much of a `User-Agent` is kept, in bytes.
const MAX_USER_AGENT: usize = 512;

/// The browser of a request.
pub fn of(app: &App, parts: &Parts) -> Browser {
    let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    Browser {
        ip_address: address(app, &parts.extensions, &parts.headers).map(|it| it.to_string()),
        user_agent: user_agent.map(|text| text.chars().take(MAX_USER_AGENT).collect()),
    }
}

/// Whether the client shows pages, as far as it tells.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// The address that a request comes from.
pub fn address(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip();
    Some(client_address(app, peer, headers))
}

/// The address of the client. `X-Forwarded-For` counts only as far as trusted proxies wrote it:
/// read from its end, the first address that is not one of theirs.
fn client_address(app: &App, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let trusted = |address: IpAddr| {
        let address = unmapped(address);
        app.config.trusted_proxies.iter().any(|range| range.contains(address))
    };
    let mut client = unmapped(peer);
    if !trusted(client) {
        return client;
    }
    let hops = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = hops.flat_map(|value| value.split(',')).collect();
    for hop in hops.iter().rev() {
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = unmapped(address);
        if !trusted(client) {
            break;
        }
    }
    client
}
