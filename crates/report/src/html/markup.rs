//! HTML under construction: text and attribute values come in through doors that escape them.

/// HTML (or SVG) text that can hold no markup but this program's own.
///
/// Names of elements and attributes, and fixed markup, are `&'static str`: text that was read from a machine has no
/// such lifetime, and can only come in through [`Markup::text`] and attribute values, which escape it.
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

    /// A picture that this program drew, whose texts were escaped as it was drawn.
    pub(crate) fn drawn(&mut self, svg: &str) {
        // A picture that stands in a page has no XML declaration of its own.
        let svg = match svg.trim_start().strip_prefix("<?xml") {
            Some(rest) => rest.split_once("?>").map_or(rest, |(_, picture)| picture),
            None => svg,
        };
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
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push_str(">\n");
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
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// A paragraph.
    pub(crate) fn paragraph(&mut self, text: &str) {
        self.leaf("p", &[], text);
        self.text.push('\n');
    }

    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn start(&mut self, name: &'static str, attributes: &[Attribute]) {
        self.text.push('<');
        self.text.push_str(name);
        for (attribute, value) in attributes {
            self.text.push(' ');
            self.text.push_str(attribute);
            self.text.push_str("=\"");
            escape(&mut self.text, value);
            self.text.push('"');
        }
    }
}

/// The five characters that could end a text or an attribute's value (HTML Standard, 13.3), and control characters,
/// which no XML may hold.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_text_nor_an_attribute_can_open_an_element_or_end_a_value() {
        let mut markup = Markup::new();
        markup.leaf(
            "p",
            &[("title", "\" onload='x' <b>")],
            "</p><script>alert(1)&amp;</script>\u{1b}",
        );
        assert_eq!(
            markup.finish(),
            "<p title=\"&quot; onload=&#39;x&#39; &lt;b&gt;\">&lt;/p&gt;&lt;script&gt;alert(1)&amp;amp;&lt;/script&gt;\u{fffd}</p>"
        );
    }

    #[test]
    fn a_picture_loses_its_xml_declaration() {
        let mut markup = Markup::new();
        markup.drawn("<?xml version=\"1.0\"?>\n<svg/>\n");
        assert_eq!(markup.finish(), "<svg/>\n");
    }
}
