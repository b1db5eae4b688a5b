//! One endpoint with its deliveries; a test event, and events delivered again.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use super::{badge, lag, outcome, parse};
use crate::app::App;
use crate::base::id::WebhookEndpointId;
use crate::base::page::Page;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Level, Place, Read, Write};
use crate::db::Tx;
use crate::delivery::{self, Tried};
use crate::model::webhook_delivery::{self, WebhookDelivery};
use crate::model::webhook_endpoint::{self, Behind, Status, WebhookEndpoint};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

/// The fields of the form that asks for a replay.
const FIELDS: &[&str] = &["range_start", "range_end"];

#[derive(Template)]
#[template(path = "dashboard/webhooks/show.html")]
struct ShowPage<'a> {
    frame: Frame<'a>,
    list: String,
    path: String,
    events_path: String,
    endpoint: WebhookEndpoint,
    behind: Behind,
    deliveries: Page<WebhookDelivery>,
    pager: Pager,
    /// Whether new deliveries appear at the top by themselves.
    is_live: bool,
    /// The form that asks for a replay.
    form: View,
    secret: Option<Secret>,
    tried: Option<Tried>,
    now: Timestamp,
}

impl ShowPage<'_> {
    fn badge(&self) -> (&'static str, &'static str) {
        badge(&self.endpoint)
    }

    fn behind(&self) -> String {
        lag(&self.endpoint, self.behind)
    }

    fn outcome(&self, delivery: &WebhookDelivery) -> (&'static str, &'static str) {
        outcome(delivery)
    }

    fn is_enabled(&self) -> bool {
        self.endpoint.status == Status::Enabled
    }

    /// Until when it is left alone, because it failed several times in a row.
    fn paused_until(&self) -> Option<Timestamp> {
        let until = self.endpoint.paused_until;
        (self.is_enabled() && until > self.now).then_some(until)
    }
}

/// What the page shows besides the endpoint.
#[derive(Default)]
pub(super) struct Extra {
    pub(super) status: StatusCode,
    /// What was typed into the form of the replay.
    pub(super) form: View,
    /// The secret that this request made: shown this once.
    pub(super) secret: Option<Secret>,
    /// How the test went that this request asked for.
    pub(super) tried: Option<Tried>,
}

/// The path of an endpoint's page.
pub(super) fn path<L: Level>(place: &Place<L>, id: &WebhookEndpointId) -> String {
    place.path(&format!("/webhooks/{id}"))
}

pub(super) async fn show(
    State(app): State<App>,
    place: Place<Read>,
    Path((_, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    render(&app, &place, parse(&id)?, &query.unwrap_or_default(), Extra::default()).await
}

pub(super) async fn render<L: Level>(
    app: &App,
    place: &Place<L>,
    id: WebhookEndpointId,
    query: &str,
    extra: Extra,
) -> Result<Response, Refusal> {
    let request = pager::request(query);
    let wanted = request.clone();
    let read = async move |tx: &mut Tx| {
        let endpoint = webhook_endpoint::get(tx, &id).await?;
        let behind = webhook_endpoint::behind(tx, &endpoint).await?;
        Ok((endpoint, behind, webhook_delivery::list(tx, &id, &wanted).await?))
    };
    let (endpoint, behind, deliveries) = app.db.read(&place.caller, read).await?;
    let deliveries = pager::shown(deliveries, &request);
    let path = path(place, &endpoint.id);
    let Extra { status, form, secret, tried } = extra;
    let shown = ShowPage {
        frame: place.frame(Section::Webhooks),
        list: place.path("/webhooks"),
        events_path: place.path("/events"),
        pager: Pager::of(&deliveries, &path, query),
        is_live: deliveries.before.is_none(),
        path,
        endpoint,
        behind,
        deliveries,
        form,
        secret,
        tried,
        now: app.clock.now(),
    };
    Ok(page(status, &shown))
}

/// Answers with the page and how it went: that is stored nowhere.
pub(super) async fn test(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Path<(String, String)>,
    _form: Form,
) -> Result<Response, Refusal> {
    let id = parse(&id)?;
    let tried = Some(delivery::test(&app, &place.caller, id.clone()).await?);
    render(&app, &place, id, "", Extra { tried, ..Extra::default() }).await
}

pub(super) async fn replay(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Refusal> {
    let id = parse(&id)?;
    let refused =
        |form: View| Extra { status: StatusCode::UNPROCESSABLE_ENTITY, form, ..Extra::default() };
    let range = match range(&form) {
        Ok(range) => range,
        Err(view) => return render(&app, &place, id, "", refused(view)).await,
    };
    let wanted = id.clone();
    let write = async move |tx: &mut Tx| webhook_endpoint::replay(tx, &wanted, range).await;
    match app.db.write(&place.caller, write).await {
        Ok(endpoint) => {
            let notice = if endpoint.replay.is_some() { "replay" } else { "replay-nothing" };
            Ok(see_other(&format!("{}?notice={notice}", path(&place, &id))))
        }
        Err(error) => {
            let view = form.view().refused(FIELDS, error)?;
            render(&app, &place, id, "", refused(view)).await
        }
    }
}

/// The range that the form asks for; what is no moment is told at its field.
fn range(form: &Form) -> Result<(Timestamp, Option<Timestamp>), View> {
    let wrong =
        |field: &str| form.view().with_error(field, "A moment looks like 2026-01-31T18:30.");
    let start = moment(form.text("range_start")).ok_or_else(|| wrong("range_start"))?;
    let end = form.filled("range_end");
    let end = end.map(|text| moment(&text).ok_or_else(|| wrong("range_end"))).transpose()?;
    Ok((start, end))
}

/// Reads a moment in UTC as browsers send it: with seconds, or without if they are none.
fn moment(text: &str) -> Option<Timestamp> {
    Timestamp::parse(&format!("{text}Z")).or_else(|| Timestamp::parse(&format!("{text}:00Z")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_browsers_send_it() {
        let expected = Timestamp::parse("2026-01-31T18:30:00Z");
        assert_eq!(moment("2026-01-31T18:30"), expected);
        assert_eq!(moment("2026-01-31T18:30:00.000"), expected);
        assert_eq!(moment("yesterday"), None);
        assert_eq!(moment(""), None);
    }
}
