//! Stacked bars that lie: one a row, all from the same zero.

use super::breadth::Breadth;
use super::description::{Bar, Bars};
use super::letters::Letters;
use super::panel::grid;
use super::pen::Pen;
use super::typeset::kept;
use crate::markup::Markup;

const TITLE: Letters = Letters::plain(13.0).bold();
const ROW: Letters = Letters::plain(12.0);
const LABEL: Letters = Letters::plain(11.0);
const THICKNESS: f64 = 22.0;
/// Between two bars, and more where the next begins another group.
const BETWEEN: f64 = 5.0;
const BETWEEN_GROUPS: f64 = 12.0;
const LABEL_GAP: f64 = 6.0;
/// Room for a bar's total behind it.
const BEHIND: f64 = 58.0;

/// Draws them below `y` from `x` on, `room` across, and tells where they end.
pub(crate) fn draw(
    markup: &mut Markup,
    bars: &Bars,
    breadth: Breadth,
    (x, y, room): (f64, f64, f64),
) -> f64 {
    let mut y = y;
    let remarks = bars.remarks.iter().map(|remark| (remark, LABEL));
    for (text, letters) in std::iter::once((&bars.title, TITLE)).chain(remarks) {
        for line in letters.wrapped(text, room) {
            y += letters.size() * 1.4;
            letters.write(markup, (x, y - 3.0), &line);
        }
    }
    y += 4.0;
    // On a phone a bar's name stands above it.
    let is_beside = breadth == Breadth::Wide;
    let names = bars.rows.iter().map(|bar| ROW.width(&bar.name));
    let left = if is_beside { names.fold(0.0, f64::max) + 10.0 } else { 0.0 };
    let across = (room - left - BEHIND).max(1.0);
    let place = |value: f64| x + left + bars.axis.place(value) * across;
    let top = y;
    // The grid lies behind the bars, so it is drawn when their height is known.
    let mut drawn = Markup::new();
    let mut before: Option<&Bar> = None;
    for bar in &bars.rows {
        y += match before {
            Some(before) if before.group != bar.group => BETWEEN_GROUPS,
            _ => BETWEEN,
        };
        before = Some(bar);
        if is_beside {
            let at = (x + left - 8.0, y + THICKNESS / 2.0 + 4.0);
            ROW.ending().write(&mut drawn, at, &bar.name);
        } else {
            y += 15.0;
            ROW.write(&mut drawn, (x, y - 4.0), &bar.name);
        }
        draw_bar(&mut drawn, bar, breadth, y, &place);
        y += THICKNESS;
    }
    let bottom = y + BETWEEN;
    draw_axis(markup, bars, [top, bottom], &place);
    markup.append(&drawn);
    let mut y = bottom + 14.0;
    for line in LABEL.wrapped(&bars.axis.label, room) {
        y += 14.0;
        LABEL.muted().write(markup, (x + left, y), &line);
    }
    y + 6.0
}

fn draw_bar(markup: &mut Markup, bar: &Bar, breadth: Breadth, y: f64, place: &impl Fn(f64) -> f64) {
    let mut from = 0.0;
    for segment in &bar.segments {
        let (start, end) = (place(from), place(from + segment.length));
        from += segment.length;
        let room = end - start - 6.0;
        markup.tag("g").with("class", "segment").around(|markup| {
            markup.leaf("title", &[], &segment.tip);
            segment.tint.fill(markup, breadth, (start, y), (end - start, THICKNESS));
            let letter = segment.tint.letter();
            let long = format!("{letter} {}", segment.share);
            let fitting =
                [long.trim_end(), letter].into_iter().find(|text| LABEL.width(text) <= room);
            if let Some(text) = fitting {
                let at = (f64::midpoint(start, end), y + THICKNESS / 2.0 + 4.0);
                segment.tint.write(markup, at, text, LABEL.size());
            }
        });
    }
    LABEL.write(markup, (place(from) + 6.0, y + THICKNESS / 2.0 + 4.0), &bar.total);
}

fn draw_axis(
    markup: &mut Markup,
    bars: &Bars,
    [top, bottom]: [f64; 2],
    place: &impl Fn(f64) -> f64,
) {
    let ticks = &bars.axis.ticks;
    let labels: Vec<(f64, f64, u32)> =
        ticks.iter().map(|tick| (place(tick.at), LABEL.width(&tick.name), tick.rank)).collect();
    for (tick, is_kept) in ticks.iter().zip(kept(&labels, LABEL_GAP)) {
        let at = place(tick.at);
        grid(markup, &Pen::at((at, top)).upright_to(bottom));
        if is_kept {
            let letters = if tick.at == 0.0 { LABEL } else { LABEL.centred() };
            letters.muted().write(markup, (at, bottom + 13.0), &tick.name);
        }
    }
}
