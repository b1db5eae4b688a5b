//! A colour of the application's choice, and the shades of it that can be read on our pages.

use std::fmt;

/// The contrast that text needs (WCAG 2.2, 1.4.3).
const READABLE: f64 = 4.5;
/// The grounds of cards: light and dark, as in the style sheet.
const LIGHT: Rgb = Rgb([255, 255, 255]);
const DARK: Rgb = Rgb([0x17, 0x1b, 0x23]);
/// The ink on a coloured ground, where white cannot be read.
const INK: Rgb = Rgb([0x0e, 0x12, 0x20]);

/// A colour, `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent(Rgb);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rgb([u8; 3]);

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl fmt::Display for Accent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Rgb {
    /// The relative luminance (WCAG 2.2), from 0 to 1.
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [r, g, b] = self.0.map(linear);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// The contrast of two colours (WCAG 2.2), from 1 to 21.
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// So much of the way to another colour, from 0 to 1.
    fn towards(self, other: Self, way: f64) -> Self {
        let mut mixed = self.0;
        for (part, goal) in mixed.iter_mut().zip(other.0) {
            let value = f64::from(*part) + (f64::from(goal) - f64::from(*part)) * way;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between two bytes"
            )]
            let value = value.round() as u8;
            *part = value;
        }
        Self(mixed)
    }

    /// The first shade on the way to black or white that can be read on this ground.
    fn readable_on(self, ground: Self) -> Self {
        let goal = if ground.luminance() > 0.5 { Self([0; 3]) } else { Self([255; 3]) };
        let shades = (0..=20_u8).map(|step| self.towards(goal, f64::from(step) / 20.0));
        shades.into_iter().find(|shade| shade.contrast(ground) >= READABLE).unwrap_or(goal)
    }

    /// White or ink, whichever can be read better on this colour.
    fn ink(self) -> Self {
        if self.contrast(LIGHT) >= self.contrast(INK) { LIGHT } else { INK }
    }
}

impl Accent {
    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Some(Self(Rgb([part(0)?, part(2)?, part(4)?])))
    }

    /// The custom properties of the style sheet for this colour: shades that can be read on the
    /// grounds of both themes.
    pub fn css(self) -> String {
        let (light, dark) = (self.0.readable_on(LIGHT), self.0.readable_on(DARK));
        let pair =
            |name: &str, light: Rgb, dark: Rgb| format!("--{name}:light-dark({light},{dark});");
        let (black, white) = (Rgb([0; 3]), Rgb([255; 3]));
        let (soft_light, soft_dark) = (light.towards(LIGHT, 0.9), dark.towards(DARK, 0.82));
        format!(
            ":root{{{}{}{}{}{}}}\n",
            pair("accent", light, dark),
            pair("accent-hover", light.towards(black, 0.15), dark.towards(white, 0.2)),
            pair("on-accent", light.ink(), dark.ink()),
            pair("accent-soft", soft_light, soft_dark),
            pair("accent-ink", light.readable_on(soft_light), dark.readable_on(soft_dark)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_can_be_read_on_both_grounds_and_under_its_ink() {
        for text in ["#000000", "#ffffff", "#ffff00", "#3a4ed5", "#ff0000", "#00ff00", "#777777"] {
            let colour = Accent::parse(text).unwrap().0;
            for ground in [LIGHT, DARK] {
                let shade = colour.readable_on(ground);
                assert!(shade.contrast(ground) >= READABLE, "{text} {shade}");
                assert!(shade.contrast(shade.ink()) >= READABLE, "{text} {shade}");
            }
        }
    }

    #[test]
    fn nothing_but_six_digits_gets_into_a_style_sheet() {
        for text in ["", "red", "#fff", "#12345g", "#1234567", "#é3456", "#123456;}", "#+12345"] {
            assert_eq!(Accent::parse(text), None, "{text}");
        }
        let css = Accent::parse("#3A4ED5").unwrap().css();
        assert!(css.starts_with(":root{--accent:light-dark(#3a4ed5,"), "{css}");
    }
}
