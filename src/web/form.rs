//! What comes back from a form, and what a form shows when it was not accepted.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::body;
use super::csrf::{self, Face};
use super::refusal::Refusal;
use crate::app::App;
use crate::base::{Error, Result};

/// How large a form may be, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// The same with a file.
const MAX_UPLOAD_BYTES: usize = 2 * 1024 * 1024;

/// A form that a page of ours sent. There is no other way to its fields than through the check.
pub struct Form {
    pairs: Vec<(String, String)>,
}

impl std::fmt::Debug for Form {
    /// The names of the fields: what was typed may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

impl FromRequest<App> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let media_type = content_type.and_then(|it| it.split(';').next()).map(str::trim);
        if media_type != Some("application/x-www-form-urlencoded") {
            return Err(Refusal::forged());
        }
        let (parts, sent) = request.into_parts();
        let bytes = body::read(sent, MAX_BYTES).await?;
        let form = Self { pairs: url::form_urlencoded::parse(&bytes).into_owned().collect() };
        form.check(app, &parts)
    }
}

/// A form with a file, under the same check.
#[derive(Debug)]
pub struct Upload {
    /// Its fields.
    pub form: Form,
    /// The file, if one was chosen.
    pub file: Option<Bytes>,
}

impl FromRequest<App> for Upload {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let (parts, sent) = request.into_parts();
        body::announced(&sent, MAX_UPLOAD_BYTES)?;
        let mut request = Request::from_parts(parts.clone(), sent);
        DefaultBodyLimit::max(MAX_UPLOAD_BYTES).apply(&mut request);
        let read = Multipart::from_request(request, app).await;
        let mut multipart = read.map_err(|_| Refusal::forged())?;
        let (mut pairs, mut file) = (Vec::new(), None);
        while let Some(part) = multipart.next_field().await.map_err(|_| Refusal::too_large())? {
            let name = part.name().unwrap_or_default().to_owned();
            let is_file = part.file_name().is_some();
            let content = part.bytes().await.map_err(|_| Refusal::too_large())?;
            if is_file {
                file = Some(content).filter(|content| !content.is_empty());
            } else {
                pairs.push((name, String::from_utf8_lossy(&content).into_owned()));
            }
        }
        let form = Form { pairs }.check(app, &parts)?;
        Ok(Self { form, file })
    }
}

impl Form {
    /// Lets it through if it comes from a page that we made for this browser.
    fn check(self, app: &App, parts: &Parts) -> Result<Self, Refusal> {
        let face = parts.extensions.get::<Face>().copied().ok_or_else(Refusal::forged)?;
        if csrf::is_ours(app, face, &parts.headers, self.text("csrf")) {
            return Ok(self);
        }
        tracing::warn!(reason = "csrf", "a form was not ours");
        Err(Refusal::forged())
    }

    /// The value of a field without the white space around it; empty if it was not sent.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The value as it was typed: for passwords.
    pub fn raw(&self, name: &str) -> &str {
        let field = self.pairs.iter().find(|(known, _)| known == name);
        field.map_or("", |(_, value)| value.as_str())
    }

    /// Whether the form has such a field at all.
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known == name)
    }

    /// The value, if something was typed.
    pub fn filled(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Whether a box was ticked.
    pub fn checked(&self, name: &str) -> bool {
        self.raw(name) == "on"
    }

    /// All values of a field, such as those of boxes that share a name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.pairs.iter().filter(|(known, _)| known == name);
        fields.map(|(_, value)| value.trim()).collect()
    }

    /// What the form shows when it comes again: all that was typed, but no password and no secret.
    pub fn view(&self) -> View {
        let keep = |name: &str| !name.ends_with("password") && !name.ends_with("secret");
        let values = self.pairs.iter().filter(|(name, _)| keep(name)).cloned().collect();
        View { values, ..View::default() }
    }
}

/// What a form shows: values, and what was wrong with them.
#[derive(Clone, Debug, Default)]
pub struct View {
    values: Vec<(String, String)>,
    errors: Vec<(String, String)>,
    general: Option<String>,
}

impl View {
    /// An empty form, or one with these values.
    pub fn of<N: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (N, V)>) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { values: values.collect(), ..Self::default() }
    }

    /// The value of a field.
    pub fn value(&self, name: &str) -> &str {
        let field = self.values.iter().find(|(known, _)| known == name);
        field.map_or("", |(_, value)| value.as_str())
    }

    /// With the values of another where a field has none here: what was typed over what is stored.
    #[must_use]
    pub fn over(mut self, stored: Self) -> Self {
        let is_new = |name: &String| !self.values.iter().any(|(known, _)| known == name);
        let missing: Vec<_> = stored.values.into_iter().filter(|(name, _)| is_new(name)).collect();
        self.values.extend(missing);
        self
    }

    /// Whether a field has this value, or one of its fields has.
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.values.iter().any(|(known, it)| known == name && it == value)
    }

    /// What is wrong with a field.
    pub fn error(&self, name: &str) -> Option<&str> {
        self.errors.iter().find(|(known, _)| known == name).map(|(_, message)| message.as_str())
    }

    /// What is wrong with the whole.
    pub fn general(&self) -> Option<&str> {
        self.general.as_deref()
    }

    /// Says what is wrong with a field.
    #[must_use]
    pub fn with_error(mut self, name: impl Into<String>, message: impl Into<String>) -> Self {
        self.errors.push((name.into(), message.into()));
        self
    }

    /// Says what is wrong with the whole.
    #[must_use]
    pub fn with_general(mut self, message: impl Into<String>) -> Self {
        self.general = Some(message.into());
        self
    }

    /// Puts an error where it belongs: at the field that it names (of `oidc.client_id` the last
    /// part), if the form has it, else at the top. `fields` are the names of the form.
    ///
    /// # Errors
    ///
    /// The error itself, if no other input would help.
    pub fn refused(self, fields: &[&str], error: Error) -> Result<Self> {
        match error {
            Error::Invalid { field: Some(path), message, .. } => {
                let name = path.rsplit('.').next().unwrap_or(path);
                if fields.contains(&name) {
                    Ok(self.with_error(name, message))
                } else {
                    Ok(self.with_general(message))
                }
            }
            Error::Invalid { field: None, message, .. } | Error::Conflict { message, .. } => {
                Ok(self.with_general(message))
            }
            Error::Unavailable(source) => {
                tracing::warn!(error = Error::Unavailable(source).chain(), "a form was not saved");
                let message = "Nothing was saved: the database does not answer just now. \
                               What you typed is still here; try again in a moment.";
                Ok(self.with_general(message))
            }
            other => Err(other),
        }
    }
}
