//! The style sheet, the script and the icon of our pages. Their names carry a hash of their content,
//! so browsers may keep them for good.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};

use super::page;
use crate::base::secret::{base64url, sha256};

/// One file that is part of the program.
struct Asset {
    /// Its path on our host.
    path: String,
    content_type: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(name: &str, ending: &str, content_type: &'static str, content: &'static str) -> Self {
        let hash = base64url(&sha256(content.as_bytes())[..9]);
        Self { path: format!("/assets/{name}-{hash}.{ending}"), content_type, content }
    }
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("style", "css", "text/css; charset=utf-8", include_str!("assets/style.css"))
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("app", "js", "text/javascript; charset=utf-8", include_str!("assets/app.js"))
});
static PASSKEY: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_str!("assets/passkey.js");
    Asset::new("passkey", "js", "text/javascript; charset=utf-8", content)
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")));

/// The path of the style sheet.
pub fn style_path() -> &'static str {
    &STYLE.path
}

/// The path of the script.
pub fn script_path() -> &'static str {
    &SCRIPT.path
}

/// The path of the script for passkeys.
pub fn passkey_path() -> &'static str {
    &PASSKEY.path
}

/// The path of the icon.
pub fn icon_path() -> &'static str {
    &ICON.path
}

/// `GET /assets/{name}`.
pub fn router() -> Router {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>) -> Response {
    let path = format!("/assets/{name}");
    let known = [&STYLE, &SCRIPT, &PASSKEY, &ICON].into_iter().find(|asset| asset.path == path);
    match known {
        Some(asset) => {
            let mut response = page::file(asset.content_type, asset.content);
            let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
            response.headers_mut().insert(CACHE_CONTROL, forever);
            response
        }
        None => page::body(StatusCode::NOT_FOUND, "text/plain", "There is no such file.\n"),
    }
}
