//! Lines of text with a style, wrapped to a width, with or without colour.
//!
//! Colour only adds escapes around the same characters, so that a screen without it reads the same.

use std::borrow::Cow;

/// How a piece of text looks on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    /// Headings and answers.
    Strong,
    /// What a reader must know before the figures.
    Warning,
    /// Legends and footnotes.
    Faint,
}

impl Style {
    /// SGR parameters (ECMA-48, section 8.3.117); none for plain text.
    const fn escape(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("\u{1b}[1m"),
            Self::Warning => Some("\u{1b}[33m"),
            Self::Faint => Some("\u{1b}[2m"),
        }
    }
}

const STYLES: [Style; 4] = [Style::Plain, Style::Strong, Style::Warning, Style::Faint];

const RESET: &str = "\u{1b}[0m";

/// Text that may come from a journal, a plan or a machine, with all that a terminal would obey in place of showing it as
/// escapes that are seen, such as `\u{1b}`: control characters, and marks that turn the direction of what follows
/// (Unicode Standard Annex 9; Boucher & Anderson, Trojan Source, 2023).
pub fn visible(text: &str) -> Cow<'_, str> {
    let drives = |c: char| c.is_control() || turns_direction(c);
    if !text.contains(drives) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if drives(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// Whether a character turns the direction of what follows it, or ends a line or a paragraph, unseen.
pub(crate) const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The same of a whole screen, which keeps its line ends and what this program itself says in colour.
pub fn visible_screen(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    for (number, line) in text.split('\n').enumerate() {
        shown.push_str(if number > 0 { "\n" } else { "" });
        let mut rest = line;
        while let Some(at) = rest.find('\u{1b}') {
            let (before, from) = rest.split_at(at);
            shown.push_str(&visible(before));
            let colour = STYLES.iter().filter_map(|style| style.escape()).chain([RESET]);
            let ours = colour.filter(|escape| from.starts_with(escape)).map(str::len).next();
            let (escape, after) = from.split_at(ours.unwrap_or(1));
            shown.push_str(&if ours.is_some() { Cow::Borrowed(escape) } else { visible(escape) });
            rest = after;
        }
        shown.push_str(&visible(rest));
    }
    if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) }
}

/// One line before wrapping.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    spans: Vec<(Style, String)>,
    /// Columns by which its continuations are indented; none for lines that are never wrapped (tables).
    hang: Option<usize>,
}

impl Line {
    /// A line that wraps at spaces, its continuations indented by `hang` columns.
    pub(crate) fn wrapped(hang: usize) -> Self {
        Self { spans: Vec::new(), hang: Some(hang) }
    }

    /// A line that stays as it is.
    pub(crate) fn fixed() -> Self {
        Self { spans: Vec::new(), hang: None }
    }

    /// Adds text; what would drive the terminal is shown instead (see [`visible`]).
    pub(crate) fn and(mut self, style: Style, text: impl AsRef<str>) -> Self {
        self.spans.push((style, visible(text.as_ref()).into_owned()));
        self
    }

    /// The words alone, for pages that lay them out themselves.
    pub(crate) fn text(&self) -> String {
        let text: String = self.spans.iter().map(|(_, text)| text.as_str()).collect();
        text.trim().to_owned()
    }

    fn render(&self, out: &mut String, width: usize, colour: bool) {
        let mut spans: Vec<(Style, &str)> =
            self.spans.iter().map(|(s, t)| (*s, t.as_str())).collect();
        if let (Some((_, last)), None) = (spans.last_mut(), self.hang) {
            *last = last.trim_end();
        }
        let mut column = 0;
        for (style, text) in spans {
            let open = style.escape().filter(|_| colour && !text.is_empty());
            out.push_str(open.unwrap_or(""));
            match self.hang {
                None => out.push_str(text),
                Some(hang) => wrap(out, &mut column, text, hang, width),
            }
            out.push_str(if open.is_some() { RESET } else { "" });
        }
        while out.ends_with(' ') {
            out.pop();
        }
        out.push('\n');
    }
}

/// Appends words, going to a new line where the next word would not fit. A word longer than a line (a path)
/// is left whole, so that it can be copied.
fn wrap(out: &mut String, column: &mut usize, text: &str, hang: usize, width: usize) {
    for word in text.split_inclusive(' ') {
        let length = word.trim_end_matches(' ').chars().count();
        if *column + length > width && *column > hang {
            while out.ends_with(' ') {
                out.pop();
            }
            out.push('\n');
            out.push_str(&" ".repeat(hang));
            *column = hang;
        }
        // A no-break space has kept the word together; in the output it is a space.
        out.extend(word.chars().map(|c| if c == NO_BREAK { ' ' } else { c }));
        *column += word.chars().count();
    }
}

const NO_BREAK: char = '\u{a0}';

/// Keeps a text on one line: `1.20 × [1.17, 1.24]`.
pub(crate) fn whole(text: &str) -> String {
    text.replace(' ', "\u{a0}")
}

/// All lines as one text.
pub(crate) fn render(lines: &[Line], width: usize, colour: bool) -> String {
    let mut out = String::new();
    for line in lines {
        line.render(&mut out, width, colour);
    }
    out
}

/// A line broken at spaces where it is longer than `width` columns; what follows is indented by `hang`. No line end stands
/// behind it.
pub fn folded(line: &str, hang: usize, width: usize) -> String {
    let mut out = String::new();
    wrap(&mut out, &mut 0, line, hang, width.max(hang + 1));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Line> {
        vec![
            Line::wrapped(2)
                .and(Style::Warning, "! ")
                .and(Style::Plain, "one two three four five six"),
            Line::fixed().and(Style::Strong, "a table's row that is wider than the screen   "),
            Line::wrapped(0).and(Style::Plain, format!("ratio {}", whole("1.20 × [1.17, 1.24]"))),
        ]
    }

    #[test]
    fn lines_wrap_at_words_and_tables_do_not() {
        assert_eq!(
            render(&sample(), 20, false),
            "! one two three four\n  five six\na table's row that is wider than the screen\nratio\n1.20 × [1.17, 1.24]\n"
        );
    }

    #[test]
    fn a_line_that_fits_is_left_as_it_is() {
        assert_eq!(folded("  a  b c", 4, 8), "  a  b c");
        assert_eq!(folded("  a  b c", 4, 7), "  a  b\n    c");
        assert_eq!(folded("averylongword next", 2, 5), "averylongword\n  next");
    }

    #[test]
    fn colour_adds_nothing_but_escapes() {
        let coloured = render(&sample(), 20, true);
        assert!(coloured.contains("\u{1b}[33m! \u{1b}[0m"), "{coloured:?}");
        let mut plain = coloured.clone();
        for escape in ["\u{1b}[33m", "\u{1b}[1m", "\u{1b}[2m", RESET] {
            plain = plain.replace(escape, "");
        }
        assert_eq!(plain, render(&sample(), 20, false));
    }

    #[test]
    fn a_word_longer_than_the_line_stays_whole() {
        let line = Line::wrapped(2).and(Style::Plain, "see /a/very/long/path/indeed now");
        assert_eq!(render(&[line], 10, false), "see\n  /a/very/long/path/indeed\n  now\n");
    }

    #[test]
    fn no_control_character_of_others_reaches_the_terminal() {
        let line = Line::wrapped(0).and(Style::Plain, "label\u{1b}[2J\nnext");
        assert_eq!(render(&[line], 80, false), "label\\u{1b}[2J\\u{a}next\n");
    }

    #[test]
    fn what_would_drive_a_terminal_is_shown_and_our_own_colours_stay() {
        assert_eq!(visible("höst ×2"), "höst ×2");
        assert_eq!(visible("a\u{202e}b\r\u{9b}c"), "a\\u{202e}b\\u{d}\\u{9b}c");
        let ours = render(&sample(), 20, true);
        assert_eq!(visible_screen(&ours), ours);
        assert_eq!(
            visible_screen("\u{1b}[1mbold\u{1b}[0m\n\u{1b}[2Jgone\u{1b}"),
            "\u{1b}[1mbold\u{1b}[0m\n\\u{1b}[2Jgone\\u{1b}"
        );
    }
}
