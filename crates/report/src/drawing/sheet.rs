//! A figure from top to bottom: title, keys, what is missing, panels, notes, machine.

use figure_png::FAMILY;

use super::bars;
use super::breadth::Breadth;
use super::description::{Description, KeyShape, Series};
use super::letters::{INK, Letters};
use super::looks::Look;
use super::marks;
use super::panel::{Frame, Panel, left_margin};
use super::pen::Pen;
use super::spans;
use super::tints::Tint;
use crate::markup::{Markup, Tag};

const PADDING: f64 = 14.0;
const GUTTER: f64 = 22.0;
const TITLE: Letters = Letters::plain(17.0).bold();
const TEXT: Letters = Letters::plain(12.0);
const NOTE: Letters = Letters::plain(11.5);
const NOTICE: Letters = Letters::plain(13.0).bold();
const FOOTER: Letters = Letters::plain(10.0).muted();
/// Size of a category's letter in its key.
const KEY_LETTER: f64 = 11.0;
/// Length of a line's sample in a key.
const SAMPLE: f64 = 38.0;
/// Panels side by side where there is room for them.
const MOST_COLUMNS: usize = 2;
/// A panel this narrow cannot be read.
const NARROWEST_PANEL: f64 = 260.0;
/// Among more marks than this no finger finds the one that is meant; a phone's column then shows no figures under it.
const MOST_TOUCHED: usize = 150;

/// Opens a picture so wide and high, on a ground and in an ink that a page may change.
pub(crate) fn picture<'m>(
    markup: &'m mut Markup,
    class: &str,
    (across, down): (f64, f64),
    label: &str,
) -> Tag<'m> {
    let tag = markup.tag("svg").with("xmlns", "http://www.w3.org/2000/svg").with("class", class);
    tag.with("viewBox", format_args!("0 0 {across} {down}"))
        .with("width", across)
        .with("height", down)
        .with("role", "img")
        .with("aria-label", label)
        .with("font-family", format_args!("'{FAMILY}', Verdana, sans-serif"))
        .with("color", INK)
        .with("fill", "currentColor")
}

/// The ground of a picture.
pub(crate) fn ground(markup: &mut Markup, (across, down): (f64, f64)) {
    let tag = markup.tag("rect").with("class", "ground");
    tag.with("width", across).with("height", down).with("fill", "#ffffff").empty();
}

/// The figure as SVG.
pub(crate) fn draw(figure: &Description, breadth: Breadth) -> String {
    let mut sheet = Sheet { markup: Markup::new(), y: PADDING, units: breadth.units(), breadth };
    if !figure.bars.is_empty() {
        Tint::define(&mut sheet.markup, breadth);
    }
    sheet.text(&figure.title, TITLE);
    sheet.text(&figure.lead, TEXT.muted());
    sheet.keys(figure);
    sheet.notice(figure);
    sheet.panels(figure);
    for bars in &figure.bars {
        let place = (PADDING, sheet.y + 10.0, sheet.room());
        sheet.y = bars::draw(&mut sheet.markup, bars, breadth, place);
    }
    for spans in &figure.spans {
        let place = (PADDING, sheet.y + 10.0, sheet.room());
        sheet.y = spans::draw(&mut sheet.markup, spans, place);
    }
    for note in &figure.notes {
        sheet.y += 2.0;
        sheet.text(note, NOTE);
    }
    sheet.y += 4.0;
    sheet.text(&figure.footer, FOOTER);
    let size = (sheet.units, (sheet.y + PADDING - 4.0).ceil());
    let class = format!("figure {}", breadth.name());
    let label = format!("{}. {}", figure.title, figure.reading);
    let mut svg = Markup::new();
    picture(&mut svg, &class, size, &label).with("data-figure", figure.name).around(|svg| {
        ground(svg, size);
        svg.append(&sheet.markup);
    });
    svg.finish()
}

struct Sheet {
    markup: Markup,
    y: f64,
    units: f64,
    breadth: Breadth,
}

impl Sheet {
    fn room(&self) -> f64 {
        self.units - 2.0 * PADDING
    }

    fn text(&mut self, text: &str, letters: Letters) {
        for line in letters.wrapped(text, self.room()) {
            self.y += letters.size() * 1.35;
            letters.write(&mut self.markup, (PADDING, self.y - letters.size() * 0.3), &line);
        }
    }

    fn keys(&mut self, figure: &Description) {
        let mut series: Vec<&Series> = Vec::new();
        for candidate in figure.panels.iter().flat_map(|plot| &plot.series) {
            if !candidate.is_empty() && !series.iter().any(|known| known.id == candidate.id) {
                series.push(candidate);
            }
        }
        if series.is_empty() && figure.keys.is_empty() {
            return;
        }
        let mut x = PADDING;
        self.y += 24.0;
        for series in series {
            let at = self.key_place(&mut x, &series.name);
            let text = self.key_text(at, &series.name);
            let tag = self.markup.tag("g").with("class", "key").with("data-series", &series.id);
            tag.around(|markup| {
                // The sample alone bears the colour: text stays as dark as all text.
                let look = series.look;
                let tag = markup.tag("g").with("class", look.class()).with("color", look.colour());
                tag.around(|markup| sample(markup, look, at, series.points.is_empty()));
                markup.append(&text);
            });
        }
        for key in &figure.keys {
            let at = self.key_place(&mut x, &key.text);
            let text = self.key_text(at, &key.text);
            let breadth = self.breadth;
            self.markup.tag("g").with("class", "key").around(|markup| {
                key_shape(markup, key.shape, at, breadth);
                markup.append(&text);
            });
        }
        self.y += 4.0;
    }

    /// Where the next key begins, on a new line where the text would not fit on this one.
    fn key_place(&mut self, x: &mut f64, text: &str) -> (f64, f64) {
        let needed = SAMPLE + 6.0 + TEXT.width(text);
        if *x > PADDING && *x + needed > self.units - PADDING {
            *x = PADDING;
            self.y += 18.0;
        }
        let at = (*x, self.y);
        *x += needed + 18.0;
        at
    }

    /// A key's words beside its sample, in as many lines as they need.
    fn key_text(&mut self, (x, y): (f64, f64), text: &str) -> Markup {
        let mut words = Markup::new();
        let left = x + SAMPLE + 6.0;
        for (place, line) in TEXT.wrapped(text, self.units - PADDING - left).iter().enumerate() {
            if place > 0 {
                self.y += 16.0;
            }
            let y = if place == 0 { y } else { self.y };
            TEXT.write(&mut words, (left, y), line);
        }
        words
    }

    fn notice(&mut self, figure: &Description) {
        let Some(notice) = &figure.notice else { return };
        let inset = 12.0;
        let room = self.room() - 2.0 * inset;
        let title = NOTICE.wrapped(&notice.title, room).into_iter().map(|line| (line, NOTICE));
        let mut lines: Vec<(String, Letters)> = title.collect();
        for text in &notice.lines {
            lines.extend(TEXT.wrapped(text, room).into_iter().map(|line| (line, TEXT)));
        }
        self.y += 8.0;
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let height = f64::from(count) * 17.0 + 2.0 * inset - 4.0;
        let frame =
            self.markup.tag("rect").spanning((PADDING, self.y), (room + 2.0 * inset, height));
        let frame = frame.with("class", "notice").with("rx", 5);
        frame.with("fill", "#fff8e5").with("stroke", "#c9a227").empty();
        let mut y = self.y + inset + 10.0;
        for (line, letters) in lines {
            letters.write(&mut self.markup, (PADDING + inset, y), &line);
            y += 17.0;
        }
        self.y += height + 6.0;
    }

    fn panels(&mut self, figure: &Description) {
        if figure.panels.is_empty() {
            return;
        }
        let columns = self.columns(figure);
        let across = as_columns(columns);
        let room = (self.room() - GUTTER * (across - 1.0)) / across;
        let left = figure.panels.iter().map(left_margin).fold(0.0, f64::max);
        let is_wide = self.breadth == Breadth::Wide;
        // A lone panel may be taller; many in a row are squarer.
        let height = match (columns, figure.panels.len()) {
            (1, 1) if is_wide => 320.0,
            (1, _) if is_wide => 190.0,
            _ => 200.0,
        };
        let series = figure.panels.iter().flat_map(|plot| &plot.series);
        let marks: usize = series.map(|series| series.points.len() + series.boxes.len()).sum();
        let has_tips = is_wide || marks <= MOST_TOUCHED;
        for row in figure.panels.chunks(columns) {
            self.y += 12.0;
            let panels: Vec<Panel> = row.iter().map(|plot| Panel::new(plot, room, left)).collect();
            let head = panels.iter().map(Panel::head).fold(0.0, f64::max);
            for (place, panel) in panels.iter().enumerate() {
                let x = PADDING + as_columns(place) * (room + GUTTER);
                panel.draw(&mut self.markup, Frame { x, y: self.y, head, height, has_tips });
            }
            self.y += head + height + 38.0;
        }
    }

    fn columns(&self, figure: &Description) -> usize {
        let most = MOST_COLUMNS.min(figure.panels.len());
        let fits = |columns: &usize| {
            let across = as_columns(*columns);
            (self.room() - GUTTER * (across - 1.0)) / across >= NARROWEST_PANEL
        };
        (1..=most).rev().find(fits).unwrap_or(1)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a handful of columns")]
fn as_columns(n: usize) -> f64 {
    n as f64
}

/// The look of a key that is of no series.
fn key_shape(markup: &mut Markup, shape: KeyShape, (x, y): (f64, f64), breadth: Breadth) {
    let middle = x + SAMPLE / 2.0;
    match shape {
        KeyShape::Area(kind) => marks::area(markup, kind, (x, y - 9.0), (SAMPLE, 10.0)),
        KeyShape::Line => marks::guide(markup, &Pen::at((x, y - 4.0)).right(SAMPLE)),
        KeyShape::Tint(tint) => {
            tint.fill(markup, breadth, (x, y - 11.0), (SAMPLE, 15.0));
            tint.write(markup, (middle, y), tint.letter(), KEY_LETTER);
        }
        KeyShape::Arrow => {
            let arrow = marks::arrow(Pen::default(), (middle, y + 1.5), false);
            markup.tag("path").with("d", arrow).empty();
        }
        KeyShape::Cross => {
            marks::crosses(markup, None, &marks::cross(Pen::default(), (middle, y - 4.0)));
        }
    }
}

/// A line with its mark, or dots where the series has no estimates of its own.
fn sample(markup: &mut Markup, look: Look, (x, y): (f64, f64), is_dots: bool) {
    let middle = (x + SAMPLE / 2.0, y - 4.0);
    if is_dots {
        let pen = Pen::at((middle.0, middle.1 - 1.0)).shape("h0m9 2h0m-18 1h0");
        marks::dots(markup, None, &pen, 4.0);
        return;
    }
    let line = Pen::at((x, middle.1)).right(SAMPLE);
    marks::line(markup, None, &line, 1.8).with_any("stroke-dasharray", look.dashes()).empty();
    marks::mark(markup, look, middle);
}
