//! Branding on pages: name, logo and colour of the application, for pages that its customers see.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY};
use http::{HeaderValue, StatusCode};

use super::page;
use crate::app::App;
use crate::base::id::EnvironmentId;
use crate::base::secret::{base64url, sha256};
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::branding::{self, Accent, Branding};
use crate::model::connection;

/// What a page needs: call `ui::brand_style(brand)` in its head and `ui::brand_mark(brand)` in its
/// header.
#[derive(Clone, Debug, Default)]
pub struct Brand {
    /// What the application is called; empty: nobody has said.
    pub name: String,
    /// The path of the logo.
    pub logo: Option<String>,
    /// The path of the style sheet with the colour.
    pub style: Option<String>,
}

impl Brand {
    /// The branding of an environment, as its pages need it.
    pub fn new(environment_id: &EnvironmentId, branding: &Branding) -> Self {
        let file = |name: String| format!("/branding/{environment_id}/{name}");
        Self {
            name: branding.name.clone().unwrap_or_default(),
            logo: branding.logo_hash.as_ref().map(|hash| file(format!("logo-{hash}.png"))),
            style: branding.accent.map(|accent| file(style_name(accent))),
        }
    }

    /// The branding of an environment. Where it cannot be read, a page goes without.
    pub async fn of(app: &App, environment_id: &EnvironmentId) -> Self {
        let id = environment_id.clone();
        let read = async move |tx: &mut _| branding::of(tx, &id).await;
        match app.db.read(&Caller::anonymous(), read).await {
            Ok(branding) => Self::new(environment_id, &branding),
            Err(error) => Self::without(&error),
        }
    }

    /// The branding of the environment that a connection is of, by the part of the connection's
    /// addresses that names it.
    pub async fn of_connection(app: &App, external_key: &str) -> Self {
        let key = external_key.to_owned();
        let read = async move |tx: &mut Tx| {
            let connection = connection::find_by_external_key(tx, &key).await?;
            let Some(id) = connection.map(|it| it.environment_id) else { return Ok(None) };
            Ok(Some((branding::of(tx, &id).await?, id)))
        };
        match app.db.read(&Caller::anonymous(), read).await {
            Ok(found) => found.map(|(branding, id)| Self::new(&id, &branding)).unwrap_or_default(),
            Err(error) => Self::without(&error),
        }
    }

    fn without(error: &Error) -> Self {
        tracing::warn!(error = error.chain(), "a page goes without branding");
        Self::default()
    }
}

fn style_name(accent: Accent) -> String {
    format!("style-{}.css", base64url(&sha256(accent.css().as_bytes())[..9]))
}

/// `GET /branding/{environment_id}/{file}`: for everybody, and for good, since names carry hashes.
pub fn router(app: App) -> Router {
    Router::new().route("/branding/{environment_id}/{file}", get(file)).with_state(app)
}

async fn file(
    State(app): State<App>,
    Path((environment_id, file)): Path<(String, String)>,
) -> Response {
    let found = match EnvironmentId::parse(&environment_id) {
        Some(id) if file.is_ascii() && !file.contains('\0') => find(&app, id, &file).await,
        _ => Ok(None),
    };
    match found {
        Ok(Some((content_type, content))) => {
            let mut response = page::body(StatusCode::OK, content_type, content);
            let headers = response.headers_mut();
            let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
            headers.insert(CACHE_CONTROL, forever);
            headers.insert(
                CONTENT_SECURITY_POLICY,
                HeaderValue::from_static("default-src 'none'; sandbox"),
            );
            if content_type == "image/png" {
                let attachment = HeaderValue::from_static("attachment; filename=\"logo.png\"");
                headers.insert(CONTENT_DISPOSITION, attachment);
            }
            response
        }
        Ok(None) => page::body(StatusCode::NOT_FOUND, "text/plain", "There is no such file.\n"),
        Err(error) => {
            tracing::warn!(error = error.chain(), "a file of the branding could not be read");
            page::body(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "Try again.\n")
        }
    }
}

async fn find(app: &App, id: EnvironmentId, file: &str) -> Result<Option<(&'static str, Vec<u8>)>> {
    let nobody = Caller::anonymous();
    let logo = file.strip_prefix("logo-").and_then(|rest| rest.strip_suffix(".png"));
    if let Some(hash) = logo.map(str::to_owned) {
        let read = async move |tx: &mut _| branding::logo(tx, &id, &hash).await;
        return Ok(app.db.read(&nobody, read).await?.map(|png| ("image/png", png)));
    }
    let found = app.db.read(&nobody, async move |tx| branding::of(tx, &id).await).await?;
    let accent = found.accent.filter(|accent| style_name(*accent) == file);
    Ok(accent.map(|accent| ("text/css; charset=utf-8", accent.css().into_bytes())))
}
