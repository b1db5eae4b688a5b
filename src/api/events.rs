//! `/events`.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::error::ApiError;
use super::list::List;
use super::query::{PageParams, Query, invalid};
use crate::app::App;
use crate::base::id::{EventId, OrganizationId};
use crate::model::event::{self, Event, Filter};
use crate::model::event_name;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List events
///
/// In the order in which they happened. A consumer keeps the id of the last event that it has seen
/// and asks with `order=asc&after={id}`; no event can appear before one that was listed.
#[utoipa::path(
    get, path = "/events", tag = "events",
    params(
        PageParams,
        ("events" = Option<Vec<String>>, Query, style = Form, explode = false,
            description = "With one of these names."),
        ("organization_id" = Option<OrganizationId>, Query, description = "Of this organization."),
        ("range_start" = Option<String>, Query,
            description = "Of this ISO 8601 moment or later; not together with `after`."),
        ("range_end" = Option<String>, Query, description = "Before this ISO 8601 moment."),
    ),
    responses((status = 200, description = "The events.", body = List<Event>)),
)]
async fn list(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    query: Query,
) -> Result<Json<List<Event>>, ApiError> {
    let request = query.page::<EventId>()?;
    let filter = Filter {
        names: query.many("events")?,
        organization_id: query.id::<OrganizationId>("organization_id")?,
        range_start: query.moment("range_start")?,
        range_end: query.moment("range_end")?,
    };
    if let Some(unknown) = filter.names.iter().find(|name| !event_name::is_known(name)) {
        return Err(ApiError::field(
            "unknown_event_type",
            "events",
            format!("There is no event '{unknown}'."),
        ));
    }
    if filter.range_start.is_some() && request.after.is_some() {
        return Err(invalid("range_start", "and after exclude each other."));
    }
    let read = async move |tx: &mut _| event::list(tx, &filter, &request).await;
    Ok(Json(app.db.read(&caller, read).await?.into()))
}
