//! Logins over time as a picture: bars made of SVG, and the same numbers as a table for whoever
//! cannot see it.

use crate::base::time::Timestamp;
use crate::model::overview::{Bucket, HOUR_MS};

/// The size of the picture, in its own units.
pub(super) const WIDTH: i64 = 720;
pub(super) const HEIGHT: i64 = 180;
/// Where the bars stand: the rest is for the labels.
const LEFT: i64 = 40;
const BOTTOM: i64 = 156;
const TOP: i64 = 10;

/// One bar, in the units of the picture.
pub(super) struct Bar {
    pub(super) x: i64,
    pub(super) width: i64,
    /// Parts from the bottom up: class, y, height.
    pub(super) parts: Vec<(&'static str, i64, i64)>,
    /// What it says, in words.
    pub(super) label: String,
}

/// The picture.
pub(super) struct Chart {
    pub(super) bars: Vec<Bar>,
    /// Lines across: y and number.
    pub(super) lines: Vec<(i64, i64)>,
    /// Words below: x and text.
    pub(super) marks: Vec<(i64, String)>,
}

/// A round number that is not less.
fn ceiling(most: i64) -> i64 {
    let mut unit = 1;
    loop {
        for step in [1, 2, 4, 5, 10] {
            if unit * step >= most.max(4) {
                return unit * step;
            }
        }
        unit *= 10;
    }
}

/// When a bucket begins, as short as its length allows.
pub(super) fn moment(bucket: &Bucket, length_ms: i64) -> String {
    let text = Timestamp::from_ms(bucket.begins_ms).for_people();
    match text.split_once(", ") {
        Some((_, time)) if length_ms == HOUR_MS => time.trim_end_matches(" UTC").to_owned(),
        Some((day, time)) if length_ms < 24 * HOUR_MS => {
            format!("{}, {}", short(day), time.trim_end_matches(" UTC"))
        }
        Some((day, _)) => short(day),
        None => text,
    }
}

/// A day without its year.
fn short(day: &str) -> String {
    day.rsplit_once(' ').map_or(day, |(day, _)| day).to_owned()
}

impl Chart {
    /// The picture of buckets, each `length_ms` long.
    pub(super) fn of(buckets: &[Bucket], length_ms: i64) -> Self {
        let most = ceiling(buckets.iter().map(Bucket::total).max().unwrap_or_default());
        let number = i64::try_from(buckets.len()).unwrap_or(1).max(1);
        let height = |count: i64| (BOTTOM - TOP) * count / most;
        let left = |index: i64| LEFT + (WIDTH - LEFT) * index / number;
        let bars = (0_i64..).zip(buckets).map(|(index, bucket)| {
            let mut y = BOTTOM;
            let counts = [
                ("bar-good", bucket.succeeded),
                ("bar-quiet", bucket.in_progress + bucket.timed_out),
                ("bar-bad", bucket.failed),
            ];
            let mut parts = Vec::new();
            for (class, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
                // What happened is seen, however little it is.
                let tall = height(count).max(2);
                y -= tall;
                parts.push((class, y, tall));
            }
            let (x, next) = (left(index), left(index + 1));
            let label = format!(
                "{}: {} succeeded, {} failed, {} not finished",
                moment(bucket, length_ms),
                bucket.succeeded,
                bucket.failed,
                bucket.in_progress + bucket.timed_out
            );
            Bar { x: x + 1, width: (next - x - 2).max(1), parts, label }
        });
        let every = (buckets.len() / 6).max(1);
        let marks = (0_i64..).zip(buckets).step_by(every);
        Self {
            bars: bars.collect(),
            lines: [0, most / 2, most].map(|count| (BOTTOM - height(count), count)).to_vec(),
            marks: marks.map(|(index, it)| (left(index), moment(it, length_ms))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_on_the_ground_within_the_picture_and_small_numbers_are_seen() {
        let bucket = |begins_ms, succeeded, failed| Bucket {
            begins_ms,
            succeeded,
            failed,
            ..Bucket::default()
        };
        let buckets = [bucket(0, 990, 1), bucket(HOUR_MS, 0, 0), bucket(2 * HOUR_MS, 3, 0)];
        let chart = Chart::of(&buckets, HOUR_MS);
        assert_eq!(chart.lines.last(), Some(&(TOP, 1000)));
        assert_eq!(chart.bars[0].parts.len(), 2);
        assert!(chart.bars[1].parts.is_empty());
        for bar in &chart.bars {
            assert!(bar.x >= LEFT && bar.x + bar.width <= WIDTH);
            assert!(
                bar.parts.iter().all(|(_, y, tall)| *y >= 0 && *tall >= 2 && y + tall <= BOTTOM)
            );
        }
        assert_eq!(chart.bars[0].label, "00:00: 990 succeeded, 1 failed, 0 not finished");
    }
}
