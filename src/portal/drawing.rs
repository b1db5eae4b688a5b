//! Schematic drawings of pages of an identity provider: made here from a few words, with what has to
//! be found or pressed highlighted.

use serde::{Deserialize, Deserializer};

/// The width of a drawing, in its own units.
pub(super) const WIDTH: i32 = 640;
/// The width of the navigation.
const NAV: i32 = 170;
/// The space around things.
const GAP: i32 = 16;
/// The height of a line.
const LINE: i32 = 34;

/// A drawing.
#[derive(Debug)]
pub(super) struct Drawing {
    pub(super) shapes: Vec<Shape>,
    pub(super) height: i32,
    /// The whole in words.
    pub(super) description: String,
}

/// One thing in it: a box, its text, and what kind of thing it is.
#[derive(Debug)]
pub(super) struct Shape {
    /// The class in the style sheet.
    pub(super) class: &'static str,
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) text: String,
    /// Whether it is what has to be found.
    pub(super) is_wanted: bool,
}

impl Shape {
    pub(super) fn middle(&self) -> i32 {
        self.y + self.height / 2
    }

    pub(super) fn text_x(&self) -> i32 {
        match self.class {
            "radio" | "check" => self.x + 26,
            "label" | "title" | "link" => self.x,
            _ => self.x + 10,
        }
    }

    /// The middle of the mark of a choice.
    pub(super) fn mark_x(&self) -> i32 {
        self.x + 9
    }
}

/// Draws from the top down.
struct Pen {
    shapes: Vec<Shape>,
    words: Vec<String>,
    left: i32,
    y: i32,
}

impl Pen {
    fn put(&mut self, class: &'static str, (x, width): (i32, i32), text: &str) {
        let (text, is_wanted) = match text.strip_suffix('*') {
            Some(text) => (text, true),
            None => (text, false),
        };
        if is_wanted {
            self.words.push(text.trim().to_owned());
        }
        let height = if class == "label" { 20 } else { 26 };
        let text = text.to_owned();
        self.shapes.push(Shape { class, x, y: self.y, width, height, text, is_wanted });
    }

    /// Things side by side.
    fn side_by_side(&mut self, class: &'static str, texts: &str) {
        let mut x = self.left;
        for text in texts.split('|') {
            let letters = i32::try_from(text.trim_end_matches('*').chars().count()).unwrap_or(10);
            let width = letters * 8 + 24;
            self.put(class, (x, width), text);
            x += width + 10;
        }
        self.y += LINE;
    }

    fn line(&mut self, class: &'static str, text: &str) {
        self.put(class, (self.left, WIDTH - GAP - self.left), text);
        self.y += if class == "label" { 26 } else { LINE };
    }

    fn nav(&mut self, texts: &str) {
        let top = self.y;
        for text in texts.split('|') {
            self.put("nav", (GAP, NAV - 2 * GAP), text);
            self.y += 30;
        }
        self.left = NAV + GAP;
        self.y = top;
    }
}

impl Drawing {
    /// Draws lines such as `nav:A|B*`, `title:…`, `buttons:…|…*`, `field:Label=value*`; a star marks
    /// what has to be found. `None` for a line that means nothing.
    fn draw(lines: &[String]) -> Option<Self> {
        let mut pen = Pen { shapes: Vec::new(), words: Vec::new(), left: GAP, y: 44 };
        let mut lowest = 0;
        for line in lines {
            let (kind, text) = line.split_once(':')?;
            match kind {
                "nav" => {
                    pen.nav(text);
                    lowest = pen.y + 30 * i32::try_from(text.split('|').count()).ok()?;
                }
                "title" => pen.line("title", text),
                "label" => pen.line("label", text),
                "link" => pen.line("link", text),
                "radio" => pen.line("radio", text),
                "check" => pen.line("check", text),
                "buttons" => pen.side_by_side("button", text),
                "tabs" => pen.side_by_side("tab", text),
                "row" => pen.side_by_side("cell", text),
                "menu" => {
                    for entry in text.split('|') {
                        pen.put("entry", (WIDTH - 260, 244), entry);
                        pen.y += 30;
                    }
                }
                "field" => {
                    let (label, value) = text.split_once('=')?;
                    if !label.is_empty() {
                        pen.line("label", label);
                    }
                    pen.line("field", value);
                }
                _ => return None,
            }
        }
        let height = pen.y.max(lowest) + GAP;
        let description = format!("Schematic drawing; look for: {}", pen.words.join(", "));
        Some(Self { shapes: pen.shapes, height, description })
    }

    /// Reads the lines of a guide.
    pub(super) fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Self>, D::Error> {
        let lines = Vec::<String>::deserialize(deserializer)?;
        Self::draw(&lines).map(Some).ok_or_else(|| serde::de::Error::custom("not a drawing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(list: &[&str]) -> Vec<String> {
        list.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn everything_stands_within_the_drawing_and_what_is_wanted_is_said() {
        let drawing = Drawing::draw(&lines(&[
            "nav:Home|Applications*|Reports",
            "title:Applications",
            "buttons:Create App Integration*|Browse App Catalog",
            "field:Client ID=0oa*",
            "radio:Web Application",
        ]))
        .unwrap();
        for shape in &drawing.shapes {
            assert!(shape.x >= 0 && shape.x + shape.width <= WIDTH, "{shape:?}");
            assert!(shape.y + shape.height <= drawing.height, "{shape:?}");
        }
        assert!(drawing.description.ends_with("Applications, Create App Integration, 0oa"));
        assert!(Drawing::draw(&lines(&["moon:x"])).is_none());
    }
}
