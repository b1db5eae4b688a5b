//! The browsers in which the administrator is signed in.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;

use super::super::visit::{Read, Visit};
use crate::app::App;
use crate::base::id::AdministratorSessionId;
use crate::model::{administrator, audit};
use crate::web::form::Form;
use crate::web::page::see_other;
use crate::web::refusal::Refusal;

pub(super) async fn end(
    State(app): State<App>,
    visit: Visit<Read>,
    Path(id): Path<String>,
    _form: Form,
) -> Result<Response, Refusal> {
    let session = AdministratorSessionId::parse(&id).ok_or_else(Refusal::not_found)?;
    let owner = visit.administrator().id.clone();
    app.db
        .write(&visit.caller(), async move |tx| {
            administrator::revoke_session(tx, &owner, &session).await
        })
        .await?;
    Ok(see_other("/dashboard/account?notice=ended"))
}

pub(super) async fn end_others(
    State(app): State<App>,
    visit: Visit<Read>,
    _form: Form,
) -> Result<Response, Refusal> {
    let (owner, own) = (visit.administrator().id.clone(), visit.session.id.clone());
    app.db
        .write(&visit.caller(), async move |tx| {
            let count = administrator::end_other_sessions(tx, &owner, Some(&own)).await?;
            let details = json!({ "count": count });
            audit::record(tx, "administrator.sessions_ended", owner.as_str(), details).await
        })
        .await?;
    Ok(see_other("/dashboard/account?notice=others-ended"))
}

/// What a person calls a browser: `Firefox on Linux`.
pub(super) fn browser_name(user_agent: &str) -> String {
    // The order matters: most browsers name others as well.
    const BROWSERS: &[(&str, &str)] = &[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    const SYSTEMS: &[(&str, &str)] = &[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let named = |list: &[(&str, &'static str)]| {
        list.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name)
    };
    match (named(BROWSERS), named(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) => "An unknown browser".to_owned(),
    }
}
