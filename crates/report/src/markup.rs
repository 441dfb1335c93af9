//! HTML and SVG under construction: text and attribute values come in through doors that escape them.

use std::fmt::{self, Display, Write as _};

use crate::styled_text::turns_direction;

/// HTML or SVG that can hold no markup but this program's own.
///
/// Names of elements and attributes, and fixed markup, are `&'static str`: text that was read from a machine has no
/// such lifetime, and can only come in as text and attribute values, which are escaped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Markup {
    text: String,
}

/// An attribute and its value.
pub(crate) type Attribute<'a> = (&'static str, &'a str);

impl Markup {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Markup of this program's own source.
    pub(crate) fn fixed(&mut self, markup: &'static str) {
        self.text.push_str(markup);
    }

    /// Markup that was written apart.
    pub(crate) fn append(&mut self, markup: &Self) {
        self.text.push_str(&markup.text);
    }

    /// A picture that this program drew, whose texts were escaped as it was drawn.
    pub(crate) fn drawn(&mut self, svg: &str) {
        self.text.push_str(svg.trim());
        self.text.push('\n');
    }

    /// Text, escaped.
    pub(crate) fn text(&mut self, text: &str) {
        escape(&mut self.text, text);
    }

    /// `<name …>`.
    pub(crate) fn open(&mut self, name: &'static str, attributes: &[Attribute]) {
        self.start(name, attributes);
        self.text.push('>');
    }

    /// `</name>` and the end of the line.
    pub(crate) fn close(&mut self, name: &'static str) {
        self.end(name);
        self.text.push('\n');
    }

    /// `<name …/>`: an element that holds nothing.
    pub(crate) fn empty(&mut self, name: &'static str, attributes: &[Attribute]) {
        self.start(name, attributes);
        self.text.push_str("/>");
    }

    /// An element with what a function puts inside it.
    pub(crate) fn element(
        &mut self,
        name: &'static str,
        attributes: &[Attribute],
        inside: impl FnOnce(&mut Self),
    ) {
        self.open(name, attributes);
        inside(self);
        self.close(name);
    }

    /// An element that holds text alone; no line ends after it.
    pub(crate) fn leaf(&mut self, name: &'static str, attributes: &[Attribute], text: &str) {
        self.open(name, attributes);
        self.text(text);
        self.end(name);
    }

    /// A paragraph.
    pub(crate) fn paragraph(&mut self, text: &str) {
        self.leaf("p", &[], text);
        self.text.push('\n');
    }

    /// An element whose attributes are added one by one, some of them numbers; the end of the line follows it.
    pub(crate) fn tag(&mut self, name: &'static str) -> Tag<'_> {
        self.text.push('<');
        self.text.push_str(name);
        Tag { markup: self, name }
    }

    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn start(&mut self, name: &'static str, attributes: &[Attribute]) {
        let mut tag = self.tag(name);
        for (attribute, value) in attributes {
            tag = tag.with(attribute, value);
        }
    }

    fn end(&mut self, name: &'static str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }
}

/// A start tag to which attributes can be added; ended by [`Tag::empty`], [`Tag::text`] or [`Tag::around`].
#[must_use = "the tag is not closed"]
pub(crate) struct Tag<'m> {
    markup: &'m mut Markup,
    name: &'static str,
}

impl Tag<'_> {
    /// An attribute.
    pub(crate) fn with(self, attribute: &'static str, value: impl Display) -> Self {
        let text = &mut self.markup.text;
        // Writing to a String cannot fail.
        let _ = write!(text, " {attribute}=\"");
        let _ = write!(Escaping(text), "{value}");
        text.push('"');
        self
    }

    /// An attribute where there is a value.
    pub(crate) fn with_any(self, attribute: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(attribute, value),
            None => self,
        }
    }

    /// A length or place, to a tenth of a unit.
    pub(crate) fn at(self, attribute: &'static str, value: f64) -> Self {
        self.with(attribute, Tenths(value))
    }

    /// Where it is: its upper left corner and its size.
    pub(crate) fn spanning(self, (x, y): (f64, f64), (across, down): (f64, f64)) -> Self {
        self.at("x", x).at("y", y).at("width", across).at("height", down)
    }

    /// Ends an element that holds nothing.
    pub(crate) fn empty(self) {
        self.markup.text.push_str("/>\n");
    }

    /// Ends an element that holds text alone.
    pub(crate) fn text(self, text: &str) {
        self.markup.text.push('>');
        self.markup.text(text);
        self.markup.close(self.name);
    }

    /// Ends an element with what a function puts inside it.
    pub(crate) fn around(self, inside: impl FnOnce(&mut Markup)) {
        self.markup.text.push('>');
        inside(self.markup);
        self.markup.close(self.name);
    }
}

/// A length or place, to a tenth of a unit; whatever is no number is 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tenths(pub(crate) f64);

impl Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = if self.0.is_finite() { (self.0 * 10.0).round() } else { 0.0 };
        let value = tenths / 10.0;
        // -0 would be another text for the same place.
        if value == 0.0 { f.write_str("0") } else { write!(f, "{value}") }
    }
}

/// Escapes what is written through it.
struct Escaping<'t>(&'t mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// The five characters that could end a text or an attribute's value (HTML Standard, 13.3), and those that no XML may hold
/// (XML 1.0, production 2): control characters and two that are none; a picture with one of them is no picture to a browser.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            // As on a terminal: what reads in another order than it stands must be seen.
            c if turns_direction(c) => out.extend(c.escape_unicode()),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_that_xml_may_not_hold_gets_into_a_picture() {
        let mut svg = Markup::new();
        svg.text("a\u{fffe}b\u{ffff}c\u{0}\u{9b}");
        assert_eq!(svg.finish(), "a\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}");
    }

    #[test]
    fn what_turns_the_direction_of_a_text_is_seen() {
        let mut page = Markup::new();
        page.text("a\u{202e}b\u{2066}c");
        assert_eq!(page.finish(), "a\\u{202e}b\\u{2066}c");
    }

    #[test]
    fn neither_text_nor_an_attribute_can_open_an_element_or_end_a_value() {
        let nasty = "\" onload='x' <b>";
        let script = "</p><script>alert(1)&amp;</script>\u{1b}";
        let expected = "<p title=\"&quot; onload=&#39;x&#39; &lt;b&gt;\">&lt;/p&gt;&lt;script&gt;alert(1)&amp;amp;&lt;/script&gt;\u{fffd}</p>";
        let mut html = Markup::new();
        html.leaf("p", &[("title", nasty)], script);
        assert_eq!(html.finish(), expected);
        let mut svg = Markup::new();
        svg.tag("p").with("title", nasty).text(script);
        assert_eq!(svg.finish(), format!("{expected}\n"));
    }

    #[test]
    fn elements_nest_and_an_absent_value_is_no_attribute() {
        let mut svg = Markup::new();
        svg.tag("g").with_any("class", None::<&str>).with_any("id", Some(7)).around(|svg| {
            svg.tag("rect").at("x", 1.25).empty();
        });
        assert_eq!(svg.finish(), "<g id=\"7\"><rect x=\"1.3\"/>\n</g>\n");
    }

    #[test]
    fn places_have_one_decimal_and_no_negative_zero() {
        let texts =
            [1.25, -0.04, 3.0, 1e-9, f64::NAN, 100.06].map(|value| Tenths(value).to_string());
        assert_eq!(texts, ["1.3", "0", "3", "0", "0", "100.1"]);
    }
}
