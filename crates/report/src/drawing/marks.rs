//! Marks, lines and areas, the same in a panel and in its key.

use super::description::AreaKind;
use super::looks::Look;
use super::pen::Pen;
use crate::markup::{Markup, Tag};

/// A look's mark at a place.
pub(crate) fn mark(markup: &mut Markup, look: Look, place: (f64, f64)) {
    let (class, fill, edge, width) = if look.is_hollow() {
        ("hollow", "#ffffff", "currentColor", 1.5)
    } else {
        ("full", "currentColor", "#ffffff", 0.8)
    };
    let tag = markup.tag("path").with("class", class).with("d", Pen::at(place).shape(look.mark()));
    tag.with("fill", fill).with("stroke", edge).with("stroke-width", width).empty();
}

/// An unfilled line in the ink around it.
pub(crate) fn line<'m>(
    markup: &'m mut Markup,
    class: Option<&str>,
    pen: &Pen,
    width: f64,
) -> Tag<'m> {
    let tag = markup.tag("path").with_any("class", class).with("d", pen);
    tag.with("stroke", "currentColor").with("stroke-width", width).with("fill", "none")
}

/// A line that is no measurement.
pub(crate) fn guide(markup: &mut Markup, pen: &Pen) {
    line(markup, Some("guide"), pen, 1.0).with("stroke-dasharray", "5 4").empty();
}

/// Single trials as round dots at the places of a pen.
pub(crate) fn dots(markup: &mut Markup, class: Option<&str>, pen: &Pen, size: f64) {
    line(markup, class, pen, size).with("stroke-linecap", "round").empty();
}

/// Crosses at the places of a pen.
pub(crate) fn crosses(markup: &mut Markup, class: Option<&str>, pen: &Pen) {
    line(markup, class, pen, 1.4).empty();
}

/// A cross around a place.
pub(crate) fn cross(pen: Pen, place: (f64, f64)) -> Pen {
    pen.lifted(place).shape("m-3-3l6 6m0-6l-6 6")
}

/// An arrow with its tip at a place.
pub(crate) fn arrow(pen: Pen, tip: (f64, f64), is_up: bool) -> Pen {
    pen.lifted(tip).shape(if is_up { "l4 6h-3v5h-2v-5h-3z" } else { "l4-6h-3v-5h-2v5h-3z" })
}

/// A grey or coloured area, the same in the panel and in its key.
pub(crate) fn area(markup: &mut Markup, kind: AreaKind, corner: (f64, f64), size: (f64, f64)) {
    let tag = markup.tag("rect").spanning(corner, size);
    match kind {
        AreaKind::Oversubscribed => tag.with("class", "area").with("fill", "#eef0f3").empty(),
        AreaKind::Noise => tag.with("class", "noise").with("fill", "#d3d8de").empty(),
        AreaKind::BreakEven(look) => {
            let tag = tag.with("class", look.class()).with("color", look.colour());
            tag.with("fill", "currentColor").with("fill-opacity", 0.13).empty();
        }
    }
}
