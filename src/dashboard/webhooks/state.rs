//! Switching an endpoint on and off, a new secret for it, and its deletion.

use axum::extract::{Path, State};
use axum::response::Response;

use super::parse;
use super::show::{self, Extra};
use crate::app::App;
use crate::base::id::WebhookEndpointId;
use crate::dashboard::confirm::Question;
use crate::dashboard::frame::Section;
use crate::dashboard::visit::{Place, Write};
use crate::db::Tx;
use crate::delivery;
use crate::model::webhook_endpoint::{self, Change, Status};
use crate::web::form::{Form, View};
use crate::web::page::see_other;
use crate::web::refusal::Refusal;

type Named = Path<(String, String)>;

/// A question about an endpoint: its title, its consequences, and what the button says.
async fn ask(
    app: &App,
    place: &Place<Write>,
    (id, verb): (&str, &str),
    (title, consequences, button): (&str, &[&str], &'static str),
) -> Result<Response, Refusal> {
    let id = parse(id)?;
    let read = async move |tx: &mut Tx| webhook_endpoint::get(tx, &id).await;
    let endpoint = app.db.read(&place.caller, read).await?;
    let path = show::path(place, &endpoint.id);
    let consequences = consequences.iter().map(|sentence| (*sentence).to_owned());
    let question = Question {
        frame: place.frame(Section::Webhooks),
        title: title.to_owned(),
        consequences: [endpoint.endpoint_url].into_iter().chain(consequences).collect(),
        action: format!("{path}/{verb}"),
        button,
        is_dangerous: true,
        cancel: path,
        typed: None,
        form: View::default(),
    };
    Ok(question.ask())
}

async fn set(
    app: &App,
    place: &Place<Write>,
    id: WebhookEndpointId,
    (status, notice): (Status, &str),
) -> Result<Response, Refusal> {
    let path = show::path(place, &id);
    let change = Change { status: Some(status), ..Change::default() };
    delivery::update(app, &place.caller, id, change).await?;
    Ok(see_other(&format!("{path}?notice={notice}")))
}

pub(super) async fn enable(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Named,
    _form: Form,
) -> Result<Response, Refusal> {
    set(&app, &place, parse(&id)?, (Status::Enabled, "webhook-enabled")).await
}

pub(super) async fn ask_disable(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Named,
) -> Result<Response, Refusal> {
    let consequences = [
        "Nothing is sent to it until it is enabled again.",
        "What happens meanwhile is not sent afterwards, unless you deliver it again.",
    ];
    let question = ("Disable this webhook endpoint?", &consequences[..], "Disable endpoint");
    ask(&app, &place, (&id, "disable"), question).await
}

pub(super) async fn disable(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Named,
    _form: Form,
) -> Result<Response, Refusal> {
    set(&app, &place, parse(&id)?, (Status::Disabled, "webhook-disabled")).await
}

pub(super) async fn ask_rotate(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Named,
) -> Result<Response, Refusal> {
    let consequences = [
        "From the next attempt on, deliveries are signed with a new secret, repeated ones too. The \
         page after this one shows it once.",
        "Your application refuses them until it knows the new secret; they are repeated for three \
         days.",
    ];
    let question = ("Give this endpoint a new secret?", &consequences[..], "Rotate secret");
    ask(&app, &place, (&id, "rotate"), question).await
}

/// Answers with the page of the endpoint, not with a redirect: the secret is shown this once.
pub(super) async fn rotate(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Named,
    _form: Form,
) -> Result<Response, Refusal> {
    let id = parse(&id)?;
    let (wanted, here) = (id.clone(), app.clone());
    let write =
        async move |tx: &mut Tx| webhook_endpoint::rotate_secret(tx, &here.sealer, &wanted).await;
    let endpoint = app.db.write(&place.caller, write).await?;
    let secret = Some(endpoint.secret(&app.sealer)?);
    show::render(&app, &place, id, "", Extra { secret, ..Extra::default() }).await
}

pub(super) async fn ask_delete(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Named,
) -> Result<Response, Refusal> {
    let consequences = [
        "Nothing is sent to it any more; what waits for it is dropped, and its deliveries are \
         forgotten.",
        "This cannot be undone.",
    ];
    let question = ("Delete this webhook endpoint?", &consequences[..], "Delete endpoint");
    ask(&app, &place, (&id, "delete"), question).await
}

pub(super) async fn delete(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Named,
    _form: Form,
) -> Result<Response, Refusal> {
    let id = parse(&id)?;
    let write = async move |tx: &mut Tx| webhook_endpoint::delete(tx, &id).await;
    app.db.write(&place.caller, write).await?;
    Ok(see_other(&place.path("/webhooks?notice=deleted")))
}
