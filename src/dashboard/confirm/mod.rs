//! The question before something is done that breaks something else: a page, or a dialog where
//! scripts run.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::frame::Frame;
use crate::web::form::{Form, View};
use crate::web::page::page;

/// The field in which a name is typed.
const TYPED: &str = "confirm";

/// What is asked.
#[derive(Template)]
#[template(path = "dashboard/confirm/confirm.html")]
pub(super) struct Question<'a> {
    pub(super) frame: Frame<'a>,
    /// The question itself.
    pub(super) title: String,
    /// What will happen, each as one sentence.
    pub(super) consequences: Vec<String>,
    /// Where the form goes.
    pub(super) action: String,
    /// What the button says.
    pub(super) button: &'static str,
    /// Whether something is lost.
    pub(super) is_dangerous: bool,
    /// Where the way back leads.
    pub(super) cancel: String,
    /// What has to be typed, where much is lost.
    pub(super) typed: Option<String>,
    pub(super) form: View,
}

impl Question<'_> {
    /// The page.
    pub(super) fn ask(&self) -> Response {
        page(StatusCode::OK, self)
    }

    /// The page after the form was refused.
    pub(super) fn ask_again(&self) -> Response {
        page(StatusCode::UNPROCESSABLE_ENTITY, self)
    }
}

/// What is wrong with what was typed, if it is not the name.
pub(super) fn mistyped(form: &Form, name: &str) -> Option<View> {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if squeeze(form.raw(TYPED)) == squeeze(name) {
        return None;
    }
    Some(form.view().with_error(TYPED, "This is not the name. Nothing was changed."))
}
