//! SVG text: escaped, with numbers of one decimal.

use std::fmt;

use figure_png::Weight;

/// A length or place, to a tenth of a unit; whatever is no number is 0.
pub(super) struct N(pub(super) f64);

impl fmt::Display for N {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = if self.0.is_finite() { (self.0 * 10.0).round() } else { 0.0 };
        let value = tenths / 10.0;
        // -0 would be another text for the same place.
        if value == 0.0 { f.write_str("0") } else { write!(f, "{value}") }
    }
}

/// Text as it stands between tags and in quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML 1.0 has no place for most control characters.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Where a text's `x` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The ink of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// What must be read.
    Full,
    /// What may be read.
    Muted,
}

/// SVG in the making.
#[derive(Debug, Default)]
pub(super) struct Markup {
    text: String,
}

impl Markup {
    /// Markup as it is.
    pub(super) fn push(&mut self, markup: &str) {
        self.text.push_str(markup);
    }

    /// One line of text with its baseline at `y`.
    pub(super) fn line(
        &mut self,
        (x, y): (f64, f64),
        text: &str,
        size: f64,
        weight: Weight,
        ink: Ink,
        anchor: Anchor,
    ) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let ink = match ink {
            Ink::Full => "",
            Ink::Muted => r##" class="muted" fill="#57606a""##,
        };
        let weight = match weight {
            Weight::Regular => "",
            Weight::Bold => r#" font-weight="bold""#,
        };
        self.push(&format!(
            r#"<text x="{}" y="{}" font-size="{}"{weight}{ink}{anchor}>{}</text>"#,
            N(x),
            N(y),
            N(size),
            escaped(text)
        ));
        self.push("\n");
    }

    /// What was written.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_one_decimal_and_no_negative_zero() {
        let texts = [1.25, -0.04, 3.0, 1e-9, f64::NAN, 100.06].map(|value| N(value).to_string());
        assert_eq!(texts, ["1.3", "0", "3", "0", "0", "100.1"]);
    }

    #[test]
    fn no_text_can_close_its_element_or_attribute() {
        assert_eq!(escaped("<script>\"'&\u{7}"), "&lt;script&gt;&quot;&#39;&amp; ");
    }
}
