//! Pictures: bars in groups, and a line.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 36.0;
const COLOURS: [&str; 4] = ["#9aa5b1", "#2f6fb3", "#c77b2b", "#4d8a57"];

/// A group of bars that stand together.
pub struct Group {
    pub name: String,
    /// One for each series; `None` leaves a gap.
    pub values: Vec<Option<f64>>,
}

fn text(to: &mut String, (x, y): (f64, f64), anchor: &str, size: u32, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        to,
        r##"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size}" fill="#222">{words}</text>"##
    );
}

/// Round numbers from 0 until at least `highest`, about five of them.
fn ticks(highest: f64) -> Vec<f64> {
    let rough = (highest / 4.0).max(1e-9);
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|s| s * power).into_iter().find(|s| *s >= rough);
    let step = step.unwrap_or(10.0 * power);
    (0..=(highest / step).ceil() as u32).map(|i| f64::from(i) * step).collect()
}

fn short(value: f64) -> String {
    match value {
        v if v == 0.0 => "0".into(),
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 10_000.0 => format!("{}k", v / 1000.0),
        v if v >= 100.0 => format!("{v:.0}"),
        v => format!("{:.2}", v).trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

/// The frame with its title and the lines across; returns it, and where a value stands.
fn frame(title: &str, highest: f64) -> (String, impl Fn(f64) -> f64) {
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" role="img">
<title>{title}</title>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
"##
    );
    text(&mut svg, (LEFT, 24.0), "start", 15, title);
    let ticks = ticks(highest);
    let top = ticks.last().copied().unwrap_or(1.0).max(1e-9);
    let y = move |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    for tick in ticks {
        let at = y(tick);
        let _ =
            writeln!(svg, r##"<path d="M{LEFT} {at:.1}H{:.1}" stroke="#ddd"/>"##, WIDTH - RIGHT);
        text(&mut svg, (LEFT - 8.0, at + 4.0), "end", 11, &short(tick));
    }
    (svg, y)
}

/// Bars: one colour for each series, one group for each place on the axis.
pub fn bars(title: &str, series: &[&str], groups: &[Group]) -> String {
    let values = || groups.iter().flat_map(|group| group.values.iter().flatten().copied());
    let (mut svg, y) = frame(title, values().fold(0.0, f64::max));
    for (i, name) in series.iter().enumerate() {
        let x = LEFT + 170.0 * i as f64;
        let colour = COLOURS[i % COLOURS.len()];
        let _ =
            writeln!(svg, r##"<rect x="{x:.1}" y="36" width="10" height="10" fill="{colour}"/>"##);
        text(&mut svg, (x + 15.0, 45.0), "start", 11, name);
    }
    let room = (WIDTH - LEFT - RIGHT) / groups.len().max(1) as f64;
    let width = (room * 0.7 / series.len().max(1) as f64).min(60.0);
    for (g, group) in groups.iter().enumerate() {
        let middle = LEFT + room * (g as f64 + 0.5);
        let first = middle - width * series.len() as f64 / 2.0;
        for (i, value) in group.values.iter().enumerate() {
            let Some(value) = *value else { continue };
            let (x, top) = (first + width * i as f64, y(value));
            let _ = writeln!(
                svg,
                r##"<rect x="{x:.1}" y="{top:.1}" width="{:.1}" height="{:.1}" fill="{}"/>"##,
                width - 3.0,
                y(0.0) - top,
                COLOURS[i % COLOURS.len()]
            );
            text(&mut svg, (x + width / 2.0 - 1.5, top - 4.0), "middle", 11, &short(value));
        }
        text(&mut svg, (middle, HEIGHT - 14.0), "middle", 12, &group.name);
    }
    svg + "</svg>\n"
}

/// A line through points.
pub fn line(title: &str, axis: &str, points: &[(f64, f64)]) -> String {
    let (mut svg, y) = frame(title, points.iter().map(|p| p.1).fold(0.0, f64::max));
    let furthest = points.iter().map(|p| p.0).fold(1e-9, f64::max);
    let x = |value: f64| LEFT + value / furthest * (WIDTH - LEFT - RIGHT);
    let path: Vec<String> = points.iter().map(|p| format!("{:.1} {:.1}", x(p.0), y(p.1))).collect();
    let _ = writeln!(
        svg,
        r##"<path d="M{}" fill="none" stroke="{}" stroke-width="2"/>"##,
        path.join("L"),
        COLOURS[1]
    );
    for tick in ticks(furthest).into_iter().filter(|tick| *tick <= furthest * 1.001) {
        text(&mut svg, (x(tick), HEIGHT - BOTTOM + 16.0), "middle", 11, &short(tick));
    }
    text(&mut svg, (WIDTH - RIGHT, HEIGHT - 6.0), "end", 11, axis);
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_highest() {
        assert_eq!(ticks(1.0), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(ticks(37.0), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert!(ticks(0.0).len() > 0);
    }

    #[test]
    fn every_bar_that_has_a_value_is_drawn() {
        let group = Group { name: "16 & more".into(), values: vec![Some(1.0), None, Some(3.0)] };
        let svg = bars("CPU", &["a", "b", "c"], &[group]);
        // The ground, three in the legend, two bars.
        assert_eq!(svg.matches("<rect").count(), 6);
        assert!(svg.contains("16 &amp; more"));
    }
}
