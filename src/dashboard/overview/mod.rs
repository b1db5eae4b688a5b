//! `/dashboard/{environment_id}/overview`: how logins go, and what needs attention.

mod chart;

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::frame::{Frame, Section};
use super::visit::{Place, Read};
use crate::app::App;
use crate::base::Result;
use crate::db::Tx;
use crate::model::overview::{self, Bucket, Overview, Range};
use crate::model::{api_key, connection, organization, redirect_uri};
use crate::web::page::page;
use crate::web::refusal::Refusal;
use chart::Chart;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/{environment_id}/overview", get(show))
}

/// One of the first steps in a new environment.
struct FirstStep {
    done: bool,
    title: &'static str,
    why: &'static str,
    /// The end of the path of the page where it is done.
    path: &'static str,
}

#[derive(Template)]
#[template(path = "dashboard/overview/overview.html")]
struct OverviewPage<'a> {
    frame: Frame<'a>,
    base: String,
    range: Range,
    overview: Overview,
    chart: Chart,
    /// The first steps, until all are done.
    steps: Vec<FirstStep>,
}

impl OverviewPage<'_> {
    fn ranges(&self) -> [Range; 4] {
        Range::ALL
    }

    fn when(&self, bucket: &Bucket) -> String {
        chart::moment(bucket, self.range.buckets().1)
    }

    /// How many of the finished logins succeeded, in percent.
    fn success(&self) -> Option<i64> {
        let total = &self.overview.total;
        let finished = total.succeeded + total.failed;
        (finished > 0).then(|| total.succeeded * 100 / finished)
    }

    const fn width(&self) -> i64 {
        chart::WIDTH
    }

    const fn height(&self) -> i64 {
        chart::HEIGHT
    }
}

/// What a new environment still lacks; nothing once it has all.
async fn first_steps(tx: &mut Tx) -> Result<Vec<FirstStep>> {
    let request = crate::base::page::PageRequest { limit: 1, ..Default::default() };
    let has_key = !api_key::list(tx, &request).await?.data.is_empty();
    let has_uri = !redirect_uri::list(tx, &request).await?.data.is_empty();
    let organizations = organization::list(tx, &Default::default(), &request).await?;
    let connections = connection::list(tx, &Default::default(), &request).await?;
    let steps = vec![
        FirstStep {
            done: has_key,
            title: "Create an API key",
            why: "Your application proves itself with it.",
            path: "api-keys",
        },
        FirstStep {
            done: has_uri,
            title: "Add a redirect URI",
            why: "There people come back to your application.",
            path: "redirects",
        },
        FirstStep {
            done: !organizations.data.is_empty(),
            title: "Create an organization",
            why: "One for each customer.",
            path: "organizations/new",
        },
        FirstStep {
            done: !connections.data.is_empty(),
            title: "Connect its identity provider",
            why: "Yourself, or by a link for the customer's IT administrator: on the organization's \
                  page.",
            path: "organizations",
        },
    ];
    Ok(if steps.iter().all(|step| step.done) { Vec::new() } else { steps })
}

async fn show(
    State(app): State<App>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let range = pairs.find(|(name, _)| name == "range").and_then(|(_, word)| Range::parse(&word));
    let range = range.unwrap_or(Range::Week);
    let read =
        async move |tx: &mut _| Ok((overview::read(tx, range).await?, first_steps(tx).await?));
    let (overview, steps) = app.db.read(&place.caller, read).await?;
    let shown = OverviewPage {
        frame: place.frame(Section::Overview),
        base: place.path(""),
        range,
        chart: Chart::of(&overview.buckets, range.buckets().1),
        overview,
        steps,
    };
    Ok(page(StatusCode::OK, &shown))
}
