//! Places as boxes, steps as arrows between them, from top to bottom.

use super::route::{Place, Route, Step};
use crate::drawing::letters::Letters;
use crate::drawing::pen::Pen;
use crate::drawing::sheet::{ground, picture};
use crate::markup::Markup;

pub(super) const WIDTH: f64 = 360.0;
pub(super) const MARGIN: f64 = 12.0;
/// Baseline to baseline.
const LINE: f64 = 17.0;
const TITLE: Letters = Letters::plain(15.0).bold();
const STRONG: Letters = Letters::plain(13.0).bold();
const NOTE: Letters = Letters::plain(13.0).muted();
const FOOTER: Letters = Letters::plain(10.0).muted();
/// From the edge of a place to its text.
const INSET: f64 = 12.0;
/// From the edge to an arrow, and from the arrow to its text.
const ARROW: [f64; 2] = [24.0, 22.0];

const BOX: &str = "#eef2f6";
const EDGE: &str = "#8c959f";
const COPY: &str = "#b35900";
const REFERENCE: &str = "#0b6bcb";
/// How arrows are to be read.
const KEY: &str =
    "Thick arrow: the CPU copies. Broken arrow: handed over by reference, without a copy.";

/// A path as a picture, with the footer below it.
pub(super) fn draw(route: &Route, footer: &str) -> String {
    let mut body = Markup::new();
    let mut y = words(&mut body, (MARGIN, MARGIN), TITLE, LINE + 2.0, &route.title);
    for line in &route.origin {
        y = words(&mut body, (MARGIN, y), NOTE, LINE, line);
    }
    y += LINE * 0.6;
    for (index, place) in route.places.iter().enumerate() {
        y = draw_place(&mut body, place, y);
        if let Some(step) = route.steps.get(index) {
            y = draw_step(&mut body, step, y);
        }
    }
    if !route.notifications.is_empty() {
        y += LINE * 0.5;
        rule(&mut body, y);
        let place = (MARGIN, y + 2.0);
        y = words(&mut body, place, STRONG, LINE, "Error queue, back to the sender");
        for note in &route.notifications {
            y = words(&mut body, (MARGIN, y), NOTE, LINE, note);
        }
    }
    y += LINE * 0.5;
    rule(&mut body, y);
    for line in [KEY, &format!("Figures of the cell {}", route.cell), footer] {
        y = words(&mut body, (MARGIN, y + 2.0), FOOTER, LINE - 4.0, line);
    }
    let size = (WIDTH, (y + MARGIN).round());
    let label = format!("{}. {}", route.title, route.reading);
    let mut svg = Markup::new();
    picture(&mut svg, "data-path", size, &label).around(|svg| {
        ground(svg, size);
        svg.append(&body);
    });
    svg.finish()
}

fn draw_place(svg: &mut Markup, place: &Place, top: f64) -> f64 {
    let x = MARGIN + INSET;
    let mut inside = Markup::new();
    let mut y = words(&mut inside, (x, top + 3.0), STRONG, LINE, &place.name);
    for note in &place.notes {
        y = words(&mut inside, (x, y), NOTE, LINE, note);
    }
    let height = y + 8.0 - top;
    let tag = svg
        .tag("rect")
        .spanning((MARGIN, top), (WIDTH - 2.0 * MARGIN, height))
        .with("class", "place");
    tag.with("rx", 6).with("fill", BOX).with("stroke", EDGE).empty();
    svg.append(&inside);
    top + height
}

/// A thick arrow is a copy; a thin broken one hands bytes over by reference.
fn draw_step(svg: &mut Markup, step: &Step, top: f64) -> f64 {
    let x = MARGIN + ARROW[0];
    let left = x + ARROW[1];
    let mut beside = Markup::new();
    let mut y = words(&mut beside, (left, top + 4.0), STRONG, LINE, &step.name);
    for note in &step.notes {
        y = words(&mut beside, (left, y), NOTE, LINE, note);
    }
    let bottom = y + 10.0;
    let (class, colour, width, dashes, head) = if step.copies {
        ("copy", COPY, 6, None, 11.0)
    } else {
        ("reference", REFERENCE, 2, Some("5 4"), 6.0)
    };
    let shaft = Pen::at((x, top + 2.0)).upright_to(bottom - head - 2.0);
    let tag = svg.tag("path").with("class", class).with("d", shaft).with("stroke", colour);
    tag.with("stroke-width", width)
        .with_any("stroke-dasharray", dashes)
        .with("fill", "none")
        .empty();
    let tip = bottom - 2.0;
    let point = Pen::at((x - head, tip - head * 1.3)).right(2.0 * head).to((x, tip)).closed();
    let tag = svg.tag("path").with("class", format_args!("{class}-head")).with("d", point);
    tag.with("fill", colour).empty();
    svg.append(&beside);
    bottom
}

/// Lines of text from a place on to the right margin; gives where they end. Nothing touches the edge of a box.
fn words(svg: &mut Markup, place: (f64, f64), letters: Letters, leading: f64, text: &str) -> f64 {
    let room = WIDTH - MARGIN - INSET / 2.0 - place.0;
    letters.write_lines(svg, place, room, leading, text)
}

fn rule(svg: &mut Markup, y: f64) {
    let line = Pen::at((MARGIN, y)).right(WIDTH - 2.0 * MARGIN);
    let tag = svg.tag("path").with("class", "rule").with("d", line);
    tag.with("stroke", EDGE).with("fill", "none").empty();
}
