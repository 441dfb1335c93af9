//! One pair of axes with what lies in it.

use super::axes::Axis;
use super::description::{Area, AreaKind, Plot, Point, Series};
use super::letters::Letters;
use super::marks;
use super::pen::Pen;
use super::typeset::kept;
use crate::markup::Markup;

/// Figures on axes, and what axes measure.
const FIGURES: Letters = Letters::plain(11.0);
const TITLE: Letters = Letters::plain(13.0).bold();
const REMARK: Letters = Letters::plain(11.0);
/// Baseline to baseline of titles and of remarks.
const LEADING: [f64; 2] = [17.0, 14.5];
/// Labels on one axis keep this distance.
const LABEL_GAP: f64 = 6.0;
/// Half the width of an interval's caps.
const CAP: f64 = 3.2;

/// Where a panel stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Left edge.
    pub(crate) x: f64,
    /// Upper edge.
    pub(crate) y: f64,
    /// Room above the plot for title and remarks.
    pub(crate) head: f64,
    /// Height of the plot.
    pub(crate) height: f64,
    /// Whether its marks show their figures under the pointer.
    pub(crate) has_tips: bool,
}

/// The room that an upright axis needs for its figures.
pub(crate) fn left_margin(plot: &Plot) -> f64 {
    plot.y.ticks.iter().map(|tick| FIGURES.width(&tick.name)).fold(0.0, f64::max) + 7.0
}

/// A plot with its words broken into lines.
pub(crate) struct Panel<'a> {
    plot: &'a Plot,
    room: f64,
    left: f64,
    title: Vec<String>,
    remarks: Vec<String>,
}

/// The rectangle of the axes.
#[derive(Clone, Copy)]
struct Plane<'a> {
    plot: &'a Plot,
    left: f64,
    top: f64,
    across: f64,
    down: f64,
    has_tips: bool,
}

impl Plane<'_> {
    fn x(&self, value: f64) -> f64 {
        self.left + self.plot.x.place(value) * self.across
    }

    fn y(&self, value: f64) -> f64 {
        self.top + (1.0 - self.plot.y.place(value)) * self.down
    }

    fn place(&self, [x, y]: [f64; 2]) -> (f64, f64) {
        (self.x(x), self.y(y))
    }

    fn bottom(&self) -> f64 {
        self.top + self.down
    }

    /// What a mark says under the pointer.
    fn tip(&self, markup: &mut Markup, text: &str) {
        if self.has_tips {
            markup.leaf("title", &[], text);
        }
    }
}

impl<'a> Panel<'a> {
    /// A plot in `room` units across, its axes `left` units from the edge.
    pub(crate) fn new(plot: &'a Plot, room: f64, left: f64) -> Self {
        let remarks = plot.remarks.iter().flat_map(|remark| REMARK.wrapped(remark, room));
        Self {
            plot,
            room,
            left,
            title: TITLE.wrapped(&plot.title, room),
            remarks: remarks.collect(),
        }
    }

    /// The room that it needs above its plot.
    pub(crate) fn head(&self) -> f64 {
        let lines = |lines: &[String]| f64::from(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        lines(&self.title) * LEADING[0] + lines(&self.remarks) * LEADING[1] + 26.0
    }

    /// Draws it.
    pub(crate) fn draw(&self, markup: &mut Markup, frame: Frame) {
        let plane = Plane {
            plot: self.plot,
            left: frame.x + self.left,
            top: frame.y + frame.head,
            across: self.room - self.left - 4.0,
            down: frame.height,
            has_tips: frame.has_tips,
        };
        self.words(markup, frame);
        for area in &self.plot.areas {
            draw_area(markup, &plane, area);
        }
        upright_axis(markup, &plane);
        self.lower_axis(markup, &plane, frame.x);
        for guide in &self.plot.guides {
            marks::guide(markup, &Pen::through(guide.iter().map(|place| plane.place(*place))));
        }
        for series in self.plot.series.iter().filter(|series| !series.is_empty()) {
            draw_series(markup, &plane, series);
        }
    }

    fn words(&self, markup: &mut Markup, frame: Frame) {
        let mut y = frame.y + 12.0;
        for (letters, lines, leading) in
            [(TITLE, &self.title, LEADING[0]), (REMARK, &self.remarks, LEADING[1])]
        {
            for line in lines {
                letters.write(markup, (frame.x, y), line);
                y += leading;
            }
        }
        // The upright axis' label lies flat above it.
        let y = frame.y + frame.head - 11.0;
        FIGURES.muted().write(markup, (frame.x, y), &self.plot.y.label);
    }

    fn lower_axis(&self, markup: &mut Markup, plane: &Plane, x: f64) {
        let axis = &self.plot.x;
        let (left, right) = (x, x + self.room);
        let labels: Vec<(f64, f64, u32)> = axis
            .ticks
            .iter()
            .map(|tick| {
                let width = FIGURES.width(&tick.name);
                let (first, last) = (left + width / 2.0, right - width / 2.0);
                (plane.x(tick.at).clamp(first, last.max(first)), width, tick.rank)
            })
            .collect();
        let base = Pen::at((plane.left, plane.bottom())).right(plane.across);
        let pen = axis
            .ticks
            .iter()
            .fold(base, |pen, tick| pen.lifted((plane.x(tick.at), plane.bottom())).down(4.0));
        let tag = markup.tag("path").with("class", "axis").with("d", pen);
        tag.with("stroke", "#8c959f").with("fill", "none").empty();
        let kept = kept(&labels, LABEL_GAP);
        for ((tick, (middle, _, _)), is_kept) in axis.ticks.iter().zip(&labels).zip(kept) {
            if is_kept {
                let place = (*middle, plane.bottom() + 15.0);
                FIGURES.centred().write(markup, place, &tick.name);
            }
        }
        let half = FIGURES.width(&axis.label) / 2.0;
        let middle = (plane.left + plane.across / 2.0).min(right - half);
        let place = (middle, plane.bottom() + 29.0);
        FIGURES.muted().centred().write(markup, place, &axis.label);
    }
}

/// A grid line.
pub(crate) fn grid(markup: &mut Markup, pen: &Pen) {
    let tag = markup.tag("path").with("class", "grid").with("d", pen);
    tag.with("stroke", "#dfe3e8").with("fill", "none").empty();
}

fn upright_axis(markup: &mut Markup, plane: &Plane) {
    let axis: &Axis = &plane.plot.y;
    let lines = axis.ticks.iter().fold(Pen::default(), |pen, tick| {
        pen.lifted((plane.left, plane.y(tick.at))).right(plane.across)
    });
    grid(markup, &lines);
    let mut above = f64::INFINITY;
    for tick in &axis.ticks {
        let y = plane.y(tick.at);
        // From the bottom upwards; figures never stand closer than a line.
        if above - y < FIGURES.size() + 1.0 {
            continue;
        }
        above = y;
        FIGURES.ending().write(markup, (plane.left - 5.0, y + 3.9), &tick.name);
    }
}

fn draw_area(markup: &mut Markup, plane: &Plane, area: &Area) {
    let [left, right] =
        area.x.map_or([plane.left, plane.left + plane.across], |x| x.map(|at| plane.x(at)));
    let [bottom, top] = area.y.map_or([plane.bottom(), plane.top], |y| y.map(|at| plane.y(at)));
    // Thinner than this it would not be seen.
    let (across, down) = ((right - left).max(1.5), (bottom - top).max(1.5));
    marks::area(markup, area.kind, (left, top), (across, down));
    if let AreaKind::BreakEven(look) = area.kind {
        let edges = Pen::at((left, top)).down(down).lifted_right(across).down(-down);
        let tag = marks::line(markup, Some(&look.class()), &edges, 1.0);
        tag.with("color", look.colour()).with("stroke-opacity", 0.5).empty();
    }
}

fn draw_series(markup: &mut Markup, plane: &Plane, series: &Series) {
    let look = series.look;
    let tag = markup.tag("g").with("class", format_args!("series {}", look.class()));
    tag.with("data-series", &series.id).with("color", look.colour()).around(|markup| {
        let mut line = Pen::default();
        for stretch in series.points.chunk_by(|_, next| !next.after_gap) {
            draw_band(markup, plane, stretch);
            for (place, point) in stretch.iter().enumerate() {
                let at = plane.place([point.x, point.y]);
                line = if place == 0 { line.lifted(at) } else { line.to(at) };
            }
        }
        if series.points.len() > 1 {
            let tag = marks::line(markup, Some("line"), &line, 1.8);
            tag.with("stroke-linejoin", "round")
                .with_any("stroke-dasharray", look.dashes())
                .empty();
        }
        draw_trials(markup, plane, series);
        if !series.points.is_empty() {
            // What all intervals share is said once.
            let tag = markup.tag("g").with("class", "marks").with("stroke", "currentColor");
            tag.with("stroke-width", 1.3).with("fill", "none").around(|markup| {
                for point in &series.points {
                    draw_point(markup, plane, series, point);
                }
            });
        }
    });
}

/// The intervals of a stretch without gaps, as a band.
fn draw_band(markup: &mut Markup, plane: &Plane, stretch: &[Point]) {
    let ends: Vec<(f64, [f64; 2])> =
        stretch.iter().filter_map(|point| Some((point.x, point.interval?))).collect();
    if ends.len() < 2 || ends.len() < stretch.len() {
        return;
    }
    let lower = ends.iter().map(|(x, [low, _])| plane.place([*x, *low]));
    let upper = ends.iter().rev().map(|(x, [_, high])| plane.place([*x, *high]));
    let tag = markup.tag("path").with("class", "band");
    tag.with("d", Pen::through(lower.chain(upper)).closed())
        .with("fill", "currentColor")
        .with("fill-opacity", 0.15)
        .empty();
}

fn draw_point(markup: &mut Markup, plane: &Plane, series: &Series, point: &Point) {
    let (x, y) = plane.place([point.x, point.y]);
    markup.tag("g").with("class", "mark").around(|markup| {
        plane.tip(markup, &point.tip);
        if let Some(ends) = point.interval {
            let [low, high] = ends.map(|end| plane.y(end));
            // What goes on beyond the axis has no end there.
            let [ends_below, ends_above] = ends.map(|end| plane.plot.y.holds(end));
            let lower = if ends_below {
                Pen::at((x - CAP, low)).right(2.0 * CAP).lifted_right(-CAP)
            } else {
                Pen::at((x, low))
            };
            let interval = lower.upright_to(high);
            let interval =
                if ends_above { interval.lifted_right(-CAP).right(2.0 * CAP) } else { interval };
            markup.tag("path").with("d", interval).empty();
        }
        marks::mark(markup, series.look, (x, y));
    });
}

fn draw_trials(markup: &mut Markup, plane: &Plane, series: &Series) {
    for cell in &series.boxes {
        let [left, right] = cell.x.map(|at| plane.x(at));
        markup.tag("g").with("class", "mark").around(|markup| {
            plane.tip(markup, &cell.tip);
            if let Some([low, high]) = cell.y.map(|ends| ends.map(|end| plane.y(end))) {
                let size = (right - left, (low - high).max(1.0));
                let tag = markup.tag("rect").spanning((left, high), size);
                tag.with("fill", "currentColor").with("fill-opacity", 0.22).empty();
            }
            let estimate = Pen::at((left, plane.y(1.0))).right(right - left);
            marks::line(markup, None, &estimate, 1.2).empty();
        });
    }
    let place = |place: &[f64; 2]| plane.place(*place);
    if !series.dots.is_empty() {
        let pen =
            series.dots.iter().fold(Pen::default(), |pen, at| pen.lifted(place(at)).right(0.0));
        marks::dots(markup, Some("dots"), &pen, 3.4);
    }
    for (places, class, fill) in
        [(&series.beyond, "beyond", "currentColor"), (&series.void_beyond, "beyond-void", "none")]
    {
        if places.is_empty() {
            continue;
        }
        let pen =
            places.iter().fold(Pen::default(), |pen, at| marks::arrow(pen, place(at), at[1] > 1.0));
        let tag = markup.tag("path").with("class", class).with("d", pen);
        tag.with("stroke", "currentColor").with("fill", fill).empty();
    }
    if !series.crosses.is_empty() {
        let pen =
            series.crosses.iter().fold(Pen::default(), |pen, at| marks::cross(pen, place(at)));
        marks::crosses(markup, Some("crosses"), &pen);
    }
}
