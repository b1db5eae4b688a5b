//! What a filter of sessions means for the indexes: so that a list over a million rows reads few.

use super::{Filter, Origin, Status};
use crate::base::id::{Id, SsoSessionId};
use crate::base::time::Timestamp;
use crate::db::Query;

/// How far the moment of an id and what is measured from it may lie apart: an hour, in
/// milliseconds. Longer than a login can be in progress.
const SLACK_MS: i64 = 60 * 60 * 1000;

/// The first id that an attempt of this moment can have.
pub fn first_id(at: Timestamp) -> SsoSessionId {
    let ms = u64::try_from(at.as_ms()).unwrap_or_default();
    SsoSessionId::from_ulid(ulid::Ulid::from_parts(ms, 0))
}

/// Whether no attempt can be so: tests end in their own way.
fn is_impossible(filter: &Filter) -> bool {
    let (Some(status), Some(origin)) = (filter.status, filter.origin) else { return false };
    match status {
        Status::InProgress => false,
        Status::TestSuccessful | Status::TestFailed => !origin.is_test(),
        Status::Success | Status::Failed | Status::TimedOut => origin.is_test(),
    }
}

/// Adds conditions that follow from the filter. The partial indexes need theirs word for word,
/// because no engine can tell that a parameter fits one; and ids begin with their moment.
pub(super) fn apply(query: &mut Query, filter: &Filter, now: Timestamp) {
    if is_impossible(filter) {
        query.end(" AND 1 = 0");
    }
    // One index is enough, and PostgreSQL would read two. A person has few rows; so has an
    // organization, while a connection has indexes of its own for what is rare.
    if filter.organization_id.is_none() && filter.email.is_none() {
        match filter.status {
            Some(Status::Failed | Status::TimedOut) => {
                query.end(" AND failure_code IS NOT NULL");
            }
            Some(Status::TestSuccessful | Status::TestFailed) => {
                query.end(" AND origin IN ('dashboard_test', 'portal_test')");
            }
            _ if filter.origin.is_some_and(|origin| origin != Origin::Application) => {
                query.end(" AND origin <> 'application'");
            }
            _ => {}
        }
    }
    let is_failure = matches!(filter.status, Some(Status::Failed | Status::TimedOut));
    query.and_some(
        // Not by the index of origins: PostgreSQL would read that one as well, and all of it.
        if is_failure { "coalesce(origin, '') = $?" } else { "origin = $?" },
        filter.origin.map(Origin::as_str),
    );
    match (&filter.connection_id, filter.email.is_some()) {
        // A person has fewer logins than a connection, which no engine knows: so not by its index.
        (Some(id), true) => query.and("coalesce(connection_id, '') = $?", id),
        (Some(id), false) => query.and("connection_id = $?", id),
        (None, _) => query,
    };
    if filter.email.is_some() {
        query.end(" AND email IS NOT NULL");
    }
    let start = filter.range_start.map(|start| start.plus_ms(-SLACK_MS));
    query.and_some("id >= $?", start.map(first_id).as_ref());
    let end = filter.range_end.map(|end| end.plus_ms(SLACK_MS));
    query.and_some("id < $?", end.map(first_id).as_ref());
    if filter.status == Some(Status::InProgress) {
        // An older one would have been closed.
        query.and("id >= $?", &first_id(now.plus_ms(-SLACK_MS)));
    }
}
