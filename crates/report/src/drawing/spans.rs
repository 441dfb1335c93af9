//! Where along an axis something holds: one row each, all on the same axis.

use super::description::{Span, Spans};
use super::letters::Letters;
use super::marks;
use super::panel::grid;
use super::pen::Pen;
use super::typeset::kept;
use crate::markup::Markup;

const TITLE: Letters = Letters::plain(13.0).bold();
const ROW: Letters = Letters::plain(12.0);
const LABEL: Letters = Letters::plain(11.0);
const LABEL_GAP: f64 = 6.0;
/// The line of a row, below its words.
const HEIGHT: f64 = 18.0;
const BETWEEN: f64 = 7.0;
/// Names of the first and the last tick stand out by half.
const INSET: f64 = 24.0;

/// Draws them below `y` from `x` on, `room` across, and tells where they end.
pub(crate) fn draw(markup: &mut Markup, spans: &Spans, (x, y, room): (f64, f64, f64)) -> f64 {
    let mut y = y;
    for line in TITLE.wrapped(&spans.title, room) {
        y += TITLE.size() * 1.4;
        TITLE.write(markup, (x, y - 3.0), &line);
    }
    let place = |value: f64| x + INSET + spans.axis.place(value) * (room - 2.0 * INSET);
    let top = y;
    // The grid lies behind the rows, so it is drawn when their height is known.
    let mut drawn = Markup::new();
    for row in &spans.rows {
        y += BETWEEN;
        for line in ROW.wrapped(&row.text, room) {
            y += ROW.size() * 1.35;
            ROW.write(&mut drawn, (x, y - 3.0), &line);
        }
        draw_row(&mut drawn, row, y + HEIGHT / 2.0, &place);
        y += HEIGHT;
    }
    let bottom = y + BETWEEN;
    let ticks = &spans.axis.ticks;
    let labels: Vec<(f64, f64, u32)> =
        ticks.iter().map(|tick| (place(tick.at), LABEL.width(&tick.name), tick.rank)).collect();
    for (tick, is_kept) in ticks.iter().zip(kept(&labels, LABEL_GAP)) {
        if is_kept {
            let at = place(tick.at);
            grid(markup, &Pen::at((at, top + 4.0)).upright_to(bottom));
            LABEL.centred().muted().write(markup, (at, bottom + 13.0), &tick.name);
        }
    }
    markup.append(&drawn);
    y = bottom + 14.0;
    for line in LABEL.wrapped(&spans.axis.label, room) {
        y += 14.0;
        LABEL.muted().write(markup, (x, y), &line);
    }
    y + 6.0
}

fn draw_row(markup: &mut Markup, row: &Span, y: f64, place: &impl Fn(f64) -> f64) {
    let line = |[from, to]: [f64; 2]| Pen::at((place(from), y)).to((place(to), y));
    let measured = marks::line(markup, Some("guide"), &line(row.measured), 1.0);
    measured.with("stroke-opacity", 0.3).empty();
    let look = row.look;
    let tag = markup.tag("g").with("class", format_args!("series {}", look.class()));
    tag.with("color", look.colour()).around(|markup| {
        markup.leaf("title", &[], &row.text);
        for holds in &row.holds {
            marks::line(markup, None, &line(*holds), 4.0).empty();
        }
        if let Some(unclear) = row.unclear {
            marks::line(markup, None, &line(unclear), 2.0).with("stroke-dasharray", "2 4").empty();
            for end in unclear {
                let whisker = Pen::at((place(end), y - 5.0)).down(10.0);
                marks::line(markup, None, &whisker, 1.5).empty();
            }
        }
        if let Some(at) = row.at {
            marks::mark(markup, look, (place(at), y));
        }
    });
}
