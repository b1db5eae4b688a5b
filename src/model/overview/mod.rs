//! The overview of an environment: logins over time, why they fail, connections that need attention.
//!
//! Attempts are counted in the background once their hour is over and none of them can change any
//! more; the hours since are counted when somebody looks. So neither a login nor a page pays for it.

mod table;

use serde::{Deserialize, Serialize};

use crate::base::Result;
use crate::base::failure::{FailureCode, Owner};
use crate::base::id::{ConnectionId, EnvironmentId};
use crate::base::time::Timestamp;
use crate::db::Tx;
use crate::model::sso_session::first_id;

/// An hour, in milliseconds.
pub const HOUR_MS: i64 = 60 * 60 * 1000;
/// A day, in milliseconds.
const DAY_MS: i64 = 24 * HOUR_MS;
/// How long after its end an hour is counted: no attempt takes that long, in milliseconds.
const SETTLED_MS: i64 = HOUR_MS;
/// How many hours one unit counts.
const HOURS_AT_ONCE: usize = 24;
/// How often connections that need attention are looked for, in milliseconds.
const LOOK_EVERY_MS: i64 = 5 * 60 * 1000;
/// How many of them are kept.
const MAX_ATTENTION: usize = 20;

/// A span of time up to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// 24 hours, hour by hour.
    Day,
    /// 7 days, in steps of 6 hours.
    Week,
    /// 30 days, day by day.
    Month,
    /// 90 days, day by day.
    Quarter,
}

impl Range {
    /// All, the shortest first.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Quarter];

    /// The word in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.as_str() == word)
    }

    /// How many buckets there are, and how long each is, in milliseconds.
    pub const fn buckets(self) -> (usize, i64) {
        match self {
            Self::Day => (24, HOUR_MS),
            Self::Week => (28, 6 * HOUR_MS),
            Self::Month => (30, DAY_MS),
            Self::Quarter => (90, DAY_MS),
        }
    }
}

/// How the logins of a span of time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When it begins, in milliseconds since 1970.
    pub begins_ms: i64,
    /// The application redeemed the code.
    pub succeeded: i64,
    /// A check failed.
    pub failed: i64,
    /// Nobody came back in time.
    pub timed_out: i64,
    /// Not over yet.
    pub in_progress: i64,
}

impl Bucket {
    /// All of them.
    pub const fn total(&self) -> i64 {
        self.succeeded + self.failed + self.timed_out + self.in_progress
    }

    fn add(&mut self, status: &str, count: i64) {
        match status {
            "success" => self.succeeded += count,
            "failed" => self.failed += count,
            "timed_out" => self.timed_out += count,
            "in_progress" => self.in_progress += count,
            _ => {}
        }
    }
}

/// How often logins failed for a reason.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    /// The reason.
    pub code: FailureCode,
    /// Who has to mend it.
    pub owner: Owner,
    /// How often.
    pub count: i64,
}

/// A connection that needs attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    /// The connection.
    pub connection_id: ConnectionId,
    /// What people call it.
    pub name: String,
    /// What its organization is called.
    pub organization: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// What the overview shows.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The span of time, in equal parts, the oldest first.
    pub buckets: Vec<Bucket>,
    /// All of it.
    pub total: Bucket,
    /// Why logins failed, the most frequent reason first.
    pub causes: Vec<Cause>,
    /// Connections that need attention.
    pub attention: Vec<Attention>,
}

/// Some logins: how they ended, or why they failed, or both; an empty word says nothing.
struct Count {
    /// The hour in which they began, or where that is not told, the first.
    hour: i64,
    status: String,
    failure_code: String,
    count: i64,
}

/// The moment at which the hour of this moment began.
const fn hour_of(ms: i64) -> i64 {
    ms - ms.rem_euclid(HOUR_MS)
}

/// The overview of the caller's environment up to now.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn read(tx: &mut Tx, range: Range) -> Result<Overview> {
    let (number, length) = range.buckets();
    let end = hour_of(tx.now().as_ms()) + HOUR_MS;
    let length_total = i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(length);
    let begin = end - length_total;
    let known = table::find(tx).await?;
    let counted_until = known.as_ref().map_or(0, |known| known.counted_until);
    let mut counts = table::counts(tx, begin).await?;
    counts.extend(table::live(tx, begin.max(counted_until), &first_id).await?);
    let mut buckets: Vec<Bucket> = (0_i64..)
        .take(number)
        .map(|index| Bucket { begins_ms: begin + index * length, ..Bucket::default() })
        .collect();
    let mut total = Bucket { begins_ms: begin, ..Bucket::default() };
    let mut causes: Vec<Cause> = Vec::new();
    for Count { hour, status, failure_code, count } in counts {
        let index = usize::try_from((hour - begin).div_euclid(length)).ok();
        let Some(bucket) = index.and_then(|index| buckets.get_mut(index)) else { continue };
        bucket.add(&status, count);
        total.add(&status, count);
        if let Some(code) = FailureCode::parse(&failure_code) {
            match causes.iter_mut().find(|cause| cause.code == code) {
                Some(cause) => cause.count += count,
                None => causes.push(Cause { code, owner: code.owner(), count }),
            }
        }
    }
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
    let attention = known.map(|known| known.attention).unwrap_or_default();
    Ok(Overview { buckets, total, causes, attention })
}

/// Counts the attempts of hours that are over, a day's worth at the most; whether there is more to
/// count. Safe on several nodes: an hour that two count has the same numbers.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn count(tx: &mut Tx, environment_id: &EnvironmentId) -> Result<bool> {
    tx.enter(environment_id);
    let settled = hour_of(tx.now().as_ms() - SETTLED_MS);
    let mut hour = match table::find(tx).await? {
        Some(known) => known.counted_until,
        None => {
            table::begin(tx).await?;
            0
        }
    };
    for _ in 0..HOURS_AT_ONCE {
        // Hours in which nothing happened are passed over at once.
        let next = table::next_attempt(tx, &first_id(Timestamp::from_ms(hour))).await?;
        hour = next.map_or(settled, |ms| hour_of(ms).min(settled)).max(hour);
        if hour >= settled {
            break;
        }
        let ends = hour + HOUR_MS;
        let ids = (first_id(Timestamp::from_ms(hour)), first_id(Timestamp::from_ms(ends)));
        table::count_hour(tx, hour, (&ids.0, &ids.1)).await?;
        hour = ends;
    }
    table::counted(tx, hour).await?;
    Ok(hour < settled)
}

/// Whether it is time to look for connections that need attention again.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn is_attention_due(tx: &mut Tx, environment_id: &EnvironmentId) -> Result<bool> {
    tx.enter(environment_id);
    let known = table::find(tx).await?;
    Ok(known.is_none_or(|known| tx.now() >= known.attention_at.plus_ms(LOOK_EVERY_MS)))
}

/// Looks for connections that need attention: those that fail more often than not, those that wait
/// for their first sign-in, and those whose second secret was forgotten.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_attention(tx: &mut Tx, environment_id: &EnvironmentId) -> Result<Vec<Attention>> {
    tx.enter(environment_id);
    let day = tx.now().plus_ms(-DAY_MS);
    let mut found = table::failing(tx, &first_id(day), MAX_ATTENTION).await?;
    found.extend(table::waiting(tx, tx.now().plus_ms(-3 * DAY_MS), MAX_ATTENTION).await?);
    found.extend(table::rotating(tx, tx.now().plus_ms(-30 * DAY_MS), MAX_ATTENTION).await?);
    found.truncate(MAX_ATTENTION);
    Ok(found)
}

/// Keeps what was found.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn keep_attention(
    tx: &mut Tx,
    environment_id: &EnvironmentId,
    found: &[Attention],
) -> Result<()> {
    tx.enter(environment_id);
    table::keep_attention(tx, found).await
}

/// Forgets hours before `moment`. Goes through all environments.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn purge(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    table::purge(tx, before).await
}
