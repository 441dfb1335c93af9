//! A figure from top to bottom: title, keys, what is missing, panels, notes, machine.

use figure_png::{FAMILY, Weight, width};

use super::drawing::{AreaKind, Drawing, Key, KeyShape, Series};
use super::look::Look;
use super::markup::{Anchor, Ink, Markup, N, escaped};
use super::panel::{Frame, Panel, arrow, left_margin};
use super::typeset::wrapped;

const PADDING: f64 = 14.0;
const GUTTER: f64 = 22.0;
const TITLE_SIZE: f64 = 17.0;
const TEXT_SIZE: f64 = 12.0;
const NOTE_SIZE: f64 = 11.5;
const FOOTER_SIZE: f64 = 10.0;
/// Length of a line's sample in a key.
const SAMPLE: f64 = 38.0;
/// A panel this narrow cannot be read.
const NARROWEST_PANEL: f64 = 260.0;

/// Among more marks than this no finger finds the one that is meant; a phone's column then says no figures under it.
const MOST_TOUCHED: usize = 150;

/// For which width a figure is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breadth {
    /// Pages, paper and files.
    Wide,
    /// Phones: one panel below the other.
    Narrow,
}

impl Breadth {
    const fn units(self) -> f64 {
        match self {
            Self::Wide => 960.0,
            Self::Narrow => 360.0,
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Wide => "figure wide",
            Self::Narrow => "figure narrow",
        }
    }
}

/// The figure as SVG.
pub(super) fn drawn(drawing: &Drawing, breadth: Breadth) -> String {
    let mut sheet = Sheet { markup: Markup::default(), y: PADDING, units: breadth.units() };
    sheet.text(&drawing.title, TITLE_SIZE, Weight::Bold, Ink::Full);
    sheet.text(&drawing.lead, TEXT_SIZE, Weight::Regular, Ink::Muted);
    sheet.keys(drawing);
    sheet.notice(drawing);
    sheet.panels(drawing);
    for note in &drawing.notes {
        sheet.y += 2.0;
        sheet.text(note, NOTE_SIZE, Weight::Regular, Ink::Full);
    }
    sheet.y += 4.0;
    sheet.text(&drawing.footer, FOOTER_SIZE, Weight::Regular, Ink::Muted);
    let (across, down) = (N(sheet.units), N((sheet.y + PADDING - 4.0).ceil()));
    let class = breadth.class();
    let label = escaped(&format!("{}. {}", drawing.title, drawing.reading));
    let body = sheet.markup.into_text();
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" class="{class}" data-figure="{}" viewBox="0 0 {across} {down}" width="{across}" height="{down}" role="img" aria-label="{label}" font-family="'{FAMILY}', Verdana, sans-serif" color="#1b1f24" fill="currentColor">
<rect class="ground" width="{across}" height="{down}" fill="#ffffff"/>
{body}</svg>
"##,
        escaped(drawing.name),
    )
}

struct Sheet {
    markup: Markup,
    y: f64,
    units: f64,
}

impl Sheet {
    fn room(&self) -> f64 {
        self.units - 2.0 * PADDING
    }

    fn text(&mut self, text: &str, size: f64, weight: Weight, ink: Ink) {
        for line in wrapped(text, self.room(), size, weight) {
            self.y += size * 1.35;
            self.markup.line(
                (PADDING, self.y - size * 0.3),
                &line,
                size,
                weight,
                ink,
                Anchor::Start,
            );
        }
    }

    fn keys(&mut self, drawing: &Drawing) {
        let mut series: Vec<&Series> = Vec::new();
        for candidate in drawing.panels.iter().flat_map(|plot| &plot.series) {
            if !candidate.is_empty() && !series.iter().any(|known| known.id == candidate.id) {
                series.push(candidate);
            }
        }
        if series.is_empty() && drawing.keys.is_empty() {
            return;
        }
        self.y += 6.0;
        let mut x = PADDING;
        self.y += 18.0;
        for series in series {
            let (at, room) = self.key_place(&mut x, &series.name);
            let look = series.look;
            let (class, colour, id) = (look.class(), look.colour(), escaped(&series.id));
            let sample = sample(look, at, series.points.is_empty());
            // The sample alone bears the colour: text stays as dark as all text.
            self.markup.push(&format!(
                r#"<g class="key" data-series="{id}"><g class="{class}" color="{colour}">{sample}</g>"#
            ));
            self.key_text(at, &series.name, room);
            self.markup.push("</g>\n");
        }
        for Key { shape, text } in &drawing.keys {
            let (at, room) = self.key_place(&mut x, text);
            let sample = match shape {
                KeyShape::Area(kind) => area_rect(*kind, at.0, at.1 - 9.0, SAMPLE, 10.0),
                KeyShape::Line => format!(
                    r#"<path class="guide" d="M{} {}h{}" stroke="currentColor" stroke-dasharray="5 4" fill="none"/>"#,
                    N(at.0),
                    N(at.1 - 4.0),
                    N(SAMPLE)
                ),
                KeyShape::Arrow => format!(
                    r#"<path d="{}" fill="currentColor"/>"#,
                    arrow(at.0 + SAMPLE / 2.0, at.1 + 1.5, false)
                ),
                KeyShape::Cross => format!(
                    r#"<path d="M{} {}m-3-3l6 6m0-6l-6 6" stroke="currentColor" stroke-width="1.4" fill="none"/>"#,
                    N(at.0 + SAMPLE / 2.0),
                    N(at.1 - 4.0)
                ),
            };
            self.markup.push(&format!(r#"<g class="key">{sample}"#));
            self.key_text(at, text, room);
            self.markup.push("</g>\n");
        }
        self.y += 4.0;
    }

    /// Where the next key begins, on a new line where the text would not fit on this one, and the room for its text.
    fn key_place(&mut self, x: &mut f64, text: &str) -> ((f64, f64), f64) {
        let needed = SAMPLE + 6.0 + width(text, TEXT_SIZE, Weight::Regular);
        if *x > PADDING && *x + needed > self.units - PADDING {
            *x = PADDING;
            self.y += 18.0;
        }
        let at = (*x, self.y);
        *x += needed + 18.0;
        (at, self.units - PADDING - at.0 - SAMPLE - 6.0)
    }

    fn key_text(&mut self, (x, y): (f64, f64), text: &str, room: f64) {
        for (place, line) in wrapped(text, room, TEXT_SIZE, Weight::Regular).iter().enumerate() {
            if place > 0 {
                self.y += 16.0;
            }
            let y = if place == 0 { y } else { self.y };
            self.markup.line(
                (x + SAMPLE + 6.0, y),
                line,
                TEXT_SIZE,
                Weight::Regular,
                Ink::Full,
                Anchor::Start,
            );
        }
    }

    fn notice(&mut self, drawing: &Drawing) {
        let Some(notice) = &drawing.notice else { return };
        let inset = 12.0;
        let room = self.room() - 2.0 * inset;
        let mut lines: Vec<(String, Weight)> = Vec::new();
        lines.extend(
            wrapped(&notice.title, room, 13.0, Weight::Bold).into_iter().map(|l| (l, Weight::Bold)),
        );
        for text in &notice.lines {
            let text = wrapped(text, room, TEXT_SIZE, Weight::Regular);
            lines.extend(text.into_iter().map(|line| (line, Weight::Regular)));
        }
        self.y += 8.0;
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let height = f64::from(count) * 17.0 + 2.0 * inset - 4.0;
        self.markup.push(&format!(
            r##"<rect class="notice" x="{}" y="{}" width="{}" height="{}" rx="5" fill="#fff8e5" stroke="#c9a227"/>"##,
            N(PADDING),
            N(self.y),
            N(self.room()),
            N(height)
        ));
        self.markup.push("\n");
        let mut y = self.y + inset + 10.0;
        for (line, weight) in lines {
            let size = if weight == Weight::Bold { 13.0 } else { TEXT_SIZE };
            self.markup.line((PADDING + inset, y), &line, size, weight, Ink::Full, Anchor::Start);
            y += 17.0;
        }
        self.y += height + 6.0;
    }

    fn panels(&mut self, drawing: &Drawing) {
        if drawing.panels.is_empty() {
            return;
        }
        let columns = self.columns(drawing);
        let across = as_columns(columns);
        let room = (self.room() - GUTTER * (across - 1.0)) / across;
        let left = drawing.panels.iter().map(left_margin).fold(0.0, f64::max);
        // A lone panel may be taller; many in a row are squarer.
        let height = match (columns, drawing.panels.len()) {
            (1, 1) if self.units > 500.0 => 320.0,
            (1, _) if self.units > 500.0 => 190.0,
            _ => 200.0,
        };
        let marks: usize = drawing
            .panels
            .iter()
            .flat_map(|p| &p.series)
            .map(|s| s.points.len() + s.boxes.len())
            .sum();
        let speaks = self.units > 500.0 || marks <= MOST_TOUCHED;
        for row in drawing.panels.chunks(columns) {
            self.y += 12.0;
            let panels: Vec<Panel> = row.iter().map(|plot| Panel::new(plot, room, left)).collect();
            let head = panels.iter().map(Panel::head).fold(0.0, f64::max);
            for (place, panel) in panels.iter().enumerate() {
                let x = PADDING + as_columns(place) * (room + GUTTER);
                panel.draw(&mut self.markup, Frame { x, y: self.y, head, height, speaks });
            }
            self.y += head + height + 38.0;
        }
    }

    fn columns(&self, drawing: &Drawing) -> usize {
        let most = drawing.columns.clamp(1, drawing.panels.len().max(1));
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

/// A grey or coloured area, the same in the panel and in its key.
pub(super) fn area_rect(kind: AreaKind, x: f64, y: f64, across: f64, down: f64) -> String {
    let look = match kind {
        AreaKind::Oversubscribed => r##"class="area" fill="#eef0f3""##.to_owned(),
        AreaKind::Noise => r##"class="noise" fill="#d3d8de""##.to_owned(),
        AreaKind::BreakEven(look) => format!(
            r#"class="{}" color="{}" fill="currentColor" fill-opacity="0.13""#,
            look.class(),
            look.colour()
        ),
    };
    format!(
        r#"<rect {look} x="{}" y="{}" width="{}" height="{}"/>"#,
        N(x),
        N(y),
        N(across),
        N(down)
    )
}

/// A line with its mark, or dots where the series has no estimates of its own.
fn sample(look: Look, (x, y): (f64, f64), dots: bool) -> String {
    let middle = (x + SAMPLE / 2.0, y - 4.0);
    if dots {
        return format!(
            r#"<path d="M{} {}h0m9 2h0m-18 1h0" stroke="currentColor" stroke-width="4" stroke-linecap="round" fill="none"/>"#,
            N(middle.0),
            N(middle.1 - 1.0)
        );
    }
    format!(
        r#"<path d="M{} {}h{}" stroke="currentColor" stroke-width="1.8"{} fill="none"/>{}"#,
        N(x),
        N(middle.1),
        N(SAMPLE),
        dashes(look),
        mark(look, middle)
    )
}

/// The dash attribute of a look's line.
pub(super) fn dashes(look: Look) -> String {
    match look.dashes() {
        "" => String::new(),
        dashes => format!(r#" stroke-dasharray="{dashes}""#),
    }
}

/// A look's mark at a place.
pub(super) fn mark(look: Look, (x, y): (f64, f64)) -> String {
    let (x, y, shape) = (N(x), N(y), look.mark());
    if look.is_hollow() {
        format!(
            r##"<path class="hollow" d="M{x} {y}{shape}" fill="#ffffff" stroke="currentColor" stroke-width="1.5"/>"##
        )
    } else {
        format!(
            r##"<path class="full" d="M{x} {y}{shape}" fill="currentColor" stroke="#ffffff" stroke-width=".8"/>"##
        )
    }
}
