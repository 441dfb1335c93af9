//! Stacked bars that lie: one a row, all from the same zero.

use figure_png::{Weight, width};

use super::drawing::{Bar, Bars};
use super::markup::{Anchor, Ink, Markup, N, escaped};
use super::panel::LABEL_SIZE;
use super::sheet::Breadth;
use super::typeset::{kept, wrapped};

const TITLE_SIZE: f64 = 13.0;
const ROW_SIZE: f64 = 12.0;
const THICKNESS: f64 = 22.0;
/// Between two bars, and more where the next begins another group.
const BETWEEN: f64 = 5.0;
const BETWEEN_GROUPS: f64 = 12.0;
const LABEL_GAP: f64 = 6.0;
/// Room for a bar's total behind it.
const BEHIND: f64 = 58.0;

/// Draws them below `y` from `x` on, `room` across, and tells where they end.
pub(super) fn draw(
    markup: &mut Markup,
    bars: &Bars,
    breadth: Breadth,
    (x, y, room): (f64, f64, f64),
) -> f64 {
    let mut y = y;
    for (text, size, weight) in std::iter::once((&bars.title, TITLE_SIZE, Weight::Bold))
        .chain(bars.remarks.iter().map(|remark| (remark, LABEL_SIZE, Weight::Regular)))
    {
        for line in wrapped(text, room, size, weight) {
            y += size * 1.4;
            markup.line((x, y - 3.0), &line, size, weight, Ink::Full, Anchor::Start);
        }
    }
    y += 4.0;
    // On a phone a bar's name stands above it.
    let beside = breadth == Breadth::Wide;
    let names = bars.rows.iter().map(|bar| width(&bar.name, ROW_SIZE, Weight::Regular));
    let left = if beside { names.fold(0.0, f64::max) + 10.0 } else { 0.0 };
    let across = (room - left - BEHIND).max(1.0);
    let place = |value: f64| x + left + bars.axis.place(value) * across;
    let top = y;
    // The grid lies behind the bars, so it is drawn when their height is known.
    let mut drawn = Markup::default();
    let mut before: Option<&Bar> = None;
    for bar in &bars.rows {
        y += match before {
            Some(before) if before.group != bar.group => BETWEEN_GROUPS,
            _ => BETWEEN,
        };
        before = Some(bar);
        if beside {
            let at = (x + left - 8.0, y + THICKNESS / 2.0 + 4.0);
            drawn.line(at, &bar.name, ROW_SIZE, Weight::Regular, Ink::Full, Anchor::End);
        } else {
            y += 15.0;
            drawn.line(
                (x, y - 4.0),
                &bar.name,
                ROW_SIZE,
                Weight::Regular,
                Ink::Full,
                Anchor::Start,
            );
        }
        one(&mut drawn, bar, breadth, y, &place);
        y += THICKNESS;
    }
    let bottom = y + BETWEEN;
    axis(markup, bars, [top, bottom], &place);
    markup.push(&drawn.into_text());
    let label = wrapped(&bars.axis.label, room, LABEL_SIZE, Weight::Regular);
    let mut y = bottom + 14.0;
    for line in label {
        y += 14.0;
        markup.line((x + left, y), &line, LABEL_SIZE, Weight::Regular, Ink::Muted, Anchor::Start);
    }
    y + 6.0
}

fn one(markup: &mut Markup, bar: &Bar, breadth: Breadth, y: f64, place: &impl Fn(f64) -> f64) {
    let mut from = 0.0;
    for segment in &bar.segments {
        let (start, end) = (place(from), place(from + segment.length));
        from += segment.length;
        let room = end - start - 6.0;
        let says = escaped(&segment.says);
        markup.push(&format!("<g class=\"segment\"><title>{says}</title>"));
        markup.push(&segment.tint.rect(breadth, (start, y), (end - start, THICKNESS)));
        let letter = segment.tint.letter();
        let long = format!("{letter} {}", segment.share);
        let fitting = [long.trim_end(), letter]
            .into_iter()
            .find(|text| width(text, LABEL_SIZE, Weight::Regular) <= room);
        if let Some(text) = fitting {
            let at = (f64::midpoint(start, end), y + THICKNESS / 2.0 + 4.0);
            markup.push(&segment.tint.text(at, text, LABEL_SIZE));
        }
        markup.push("</g>\n");
    }
    let at = (place(from) + 6.0, y + THICKNESS / 2.0 + 4.0);
    markup.line(at, &bar.total, LABEL_SIZE, Weight::Regular, Ink::Full, Anchor::Start);
}

fn axis(markup: &mut Markup, bars: &Bars, [top, bottom]: [f64; 2], place: &impl Fn(f64) -> f64) {
    let labels: Vec<(f64, f64, u32)> = bars
        .axis
        .ticks
        .iter()
        .map(|tick| (place(tick.at), width(&tick.name, LABEL_SIZE, Weight::Regular), tick.rank))
        .collect();
    for (tick, is_kept) in bars.axis.ticks.iter().zip(kept(&labels, LABEL_GAP)) {
        let at = place(tick.at);
        markup.push(&format!(
            r##"<path class="grid" d="M{} {}V{}" stroke="#dfe3e8" fill="none"/>"##,
            N(at),
            N(top),
            N(bottom)
        ));
        markup.push("\n");
        if is_kept {
            let anchor = if tick.at == 0.0 { Anchor::Start } else { Anchor::Middle };
            let at = (at, bottom + 13.0);
            markup.line(at, &tick.name, LABEL_SIZE, Weight::Regular, Ink::Muted, anchor);
        }
    }
}
