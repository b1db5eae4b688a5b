//! Moments, and the clock they are read from.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use super::secret::random_bytes;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
///
/// On the wire it is ISO 8601 in UTC with exactly three fraction digits, as WorkOS writes it
/// (`2026-01-15T12:00:00.000Z`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-01-15T12:00:00.000Z")]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970.
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down (RFC 7519 section 2, `NumericDate`).
    pub const fn as_s(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `ms` milliseconds later, or the last one there is.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Reads the date of an HTTP header (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn parse_http(text: &str) -> Option<Self> {
        let moment = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Some(Self(moment.as_millisecond()))
    }

    /// The date of an HTTP header, in whole seconds.
    pub fn to_http(self) -> String {
        let moment =
            jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        jiff::fmt::rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&moment)
            .unwrap_or_default()
    }

    /// As people read it: `15 Jan 2026, 12:00 UTC`.
    pub fn for_people(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => moment.strftime("%-d %b %Y, %H:%M UTC").to_string(),
            Err(_) => self.to_string(),
        }
    }

    /// Reads a day, as a form sends it (`2026-01-15`): its first moment in UTC.
    pub fn parse_day(text: &str) -> Option<Self> {
        let day = text.parse::<jiff::civil::Date>().ok()?;
        Self::parse(&format!("{day}T00:00:00Z"))
    }

    /// The day in UTC, as a form takes it: `2026-01-15`.
    pub fn day(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => moment.strftime("%Y-%m-%d").to_string(),
            Err(_) => String::new(),
        }
    }

    /// The day as people read it: `15 Jan 2026`.
    pub fn day_for_people(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => moment.strftime("%-d %b %Y").to_string(),
            Err(_) => self.to_string(),
        }
    }

    /// Reads ISO 8601 with a zone (RFC 3339).
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|moment| Self(moment.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an ISO 8601 moment"))
    }
}

/// Where the time comes from. A clone shows the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Added to the machine's clock, in milliseconds: how tests travel.
    offset_ms: Arc<AtomicI64>,
    /// The newest ULID that was made by this clock.
    newest: Arc<Mutex<Ulid>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Timestamp(ms.saturating_add(self.offset_ms.load(Ordering::Relaxed)))
    }

    /// A new ULID of this moment. Of those made in one millisecond, the later sorts behind the
    /// earlier, so that lists keep the order in which things were made on this node.
    pub fn ulid(&self, at: Timestamp) -> Ulid {
        let ms = u64::try_from(at.as_ms()).unwrap_or_default();
        let random = u128::from_be_bytes(random_bytes());
        let fresh = Ulid::from_parts(ms, random);
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = newest.0.saturating_add(1 + (random & u128::from(u32::MAX)));
        *newest = if newest.timestamp_ms() == fresh.timestamp_ms() { Ulid(behind) } else { fresh };
        *newest
    }

    /// Moves this clock and all its clones by `ms` milliseconds (tests only have a reason to).
    pub fn advance_ms(&self, ms: i64) {
        self.offset_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulids_of_one_millisecond_sort_as_they_were_made() {
        let clock = Clock::system();
        let at = Timestamp::from_ms(1_768_478_400_120);
        let made: Vec<Ulid> = (0..1000).map(|_| clock.ulid(at)).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
        assert!(made.iter().all(|ulid| ulid.timestamp_ms() == 1_768_478_400_120));
    }

    #[test]
    fn a_moment_is_written_with_three_fraction_digits_and_a_z() {
        assert_eq!(Timestamp::from_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_ms(1_768_478_400_120).to_string(), "2026-01-15T12:00:00.120Z");
        let http = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(Timestamp::parse_http(http), Some(Timestamp::from_ms(784_111_777_000)));
        assert_eq!(Timestamp::from_ms(784_111_777_999).to_http(), http);
        assert_eq!(
            Timestamp::parse("2026-01-15T13:00:00.120+01:00"),
            Some(Timestamp::from_ms(1_768_478_400_120))
        );
    }
}
