//! One pair of axes with what lies in it.

use figure_png::{Weight, width};

use super::drawing::{Area, AreaKind, Axis, Plot, Point, Series};
use super::markup::{Anchor, Ink, Markup, N, escaped};
use super::sheet::{area_rect, dashes, mark};
use super::typeset::{kept, wrapped};

/// Size of the figures on axes.
pub(super) const LABEL_SIZE: f64 = 11.0;
const PANEL_TITLE_SIZE: f64 = 13.0;
const REMARK_SIZE: f64 = 11.0;
/// Labels on one axis keep this distance.
const LABEL_GAP: f64 = 6.0;
/// Half the width of an interval's caps.
const CAP: f64 = 3.2;

/// Where a panel stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Left edge.
    pub(super) x: f64,
    /// Upper edge.
    pub(super) y: f64,
    /// Room above the plot for title and remarks.
    pub(super) head: f64,
    /// Height of the plot.
    pub(super) height: f64,
    /// Whether its marks say their figures under the pointer.
    pub(super) speaks: bool,
}

/// The room that an upright axis needs for its figures.
pub(super) fn left_margin(plot: &Plot) -> f64 {
    let widest = plot.y.ticks.iter().map(|tick| width(&tick.name, LABEL_SIZE, Weight::Regular));
    widest.fold(0.0, f64::max) + 7.0
}

/// A plot with its words broken into lines.
pub(super) struct Panel<'a> {
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
    speaks: bool,
}

impl Plane<'_> {
    fn x(&self, value: f64) -> f64 {
        self.left + self.plot.x.place(value) * self.across
    }

    fn y(&self, value: f64) -> f64 {
        self.top + (1.0 - self.plot.y.place(value)) * self.down
    }

    fn bottom(&self) -> f64 {
        self.top + self.down
    }
}

impl<'a> Panel<'a> {
    /// A plot in `room` units across, its axes `left` units from the edge.
    pub(super) fn new(plot: &'a Plot, room: f64, left: f64) -> Self {
        let remarks = plot
            .remarks
            .iter()
            .flat_map(|remark| wrapped(remark, room, REMARK_SIZE, Weight::Regular));
        Self {
            plot,
            room,
            left,
            title: wrapped(&plot.title, room, PANEL_TITLE_SIZE, Weight::Bold),
            remarks: remarks.collect(),
        }
    }

    /// The room that it needs above its plot.
    pub(super) fn head(&self) -> f64 {
        let lines = |lines: &[String]| f64::from(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        lines(&self.title) * 17.0 + lines(&self.remarks) * 14.5 + 22.0
    }

    /// Draws it.
    pub(super) fn draw(&self, markup: &mut Markup, frame: Frame) {
        let plane = Plane {
            plot: self.plot,
            left: frame.x + self.left,
            top: frame.y + frame.head,
            across: self.room - self.left - 4.0,
            down: frame.height,
            speaks: frame.speaks,
        };
        self.words(markup, frame);
        for area in &self.plot.areas {
            draw_area(markup, &plane, area);
        }
        upright_axis(markup, &plane, frame.x);
        self.lower_axis(markup, &plane, frame.x);
        for guide in &self.plot.guides {
            draw_guide(markup, &plane, guide);
        }
        for series in &self.plot.series {
            draw_series(markup, &plane, series);
        }
    }

    fn words(&self, markup: &mut Markup, frame: Frame) {
        let mut y = frame.y + 12.0;
        for line in &self.title {
            markup.line(
                (frame.x, y),
                line,
                PANEL_TITLE_SIZE,
                Weight::Bold,
                Ink::Full,
                Anchor::Start,
            );
            y += 17.0;
        }
        for line in &self.remarks {
            markup.line((frame.x, y), line, REMARK_SIZE, Weight::Regular, Ink::Full, Anchor::Start);
            y += 14.5;
        }
        // The upright axis' label lies flat above it.
        let y = frame.y + frame.head - 11.0;
        let label = &self.plot.y.label;
        markup.line((frame.x, y), label, LABEL_SIZE, Weight::Regular, Ink::Muted, Anchor::Start);
    }

    fn lower_axis(&self, markup: &mut Markup, plane: &Plane, x: f64) {
        let axis = &self.plot.x;
        let (left, right) = (x, x + self.room);
        let labels: Vec<(f64, f64, u32)> = axis
            .ticks
            .iter()
            .map(|tick| {
                let width = width(&tick.name, LABEL_SIZE, Weight::Regular);
                let middle = plane
                    .x(tick.at)
                    .clamp(left + width / 2.0, (right - width / 2.0).max(left + width / 2.0));
                (middle, width, tick.rank)
            })
            .collect();
        let kept = kept(&labels, LABEL_GAP);
        let ticks: String = axis
            .ticks
            .iter()
            .map(|tick| format!("M{} {}v4", N(plane.x(tick.at)), N(plane.bottom())))
            .collect();
        markup.push(&format!(
            r##"<path class="axis" d="M{} {}h{}{ticks}" stroke="#8c959f" fill="none"/>"##,
            N(plane.left),
            N(plane.bottom()),
            N(plane.across)
        ));
        markup.push("\n");
        for ((tick, (middle, _, _)), _) in
            axis.ticks.iter().zip(&labels).zip(kept).filter(|(_, kept)| *kept)
        {
            markup.line(
                (*middle, plane.bottom() + 15.0),
                &tick.name,
                LABEL_SIZE,
                Weight::Regular,
                Ink::Full,
                Anchor::Middle,
            );
        }
        let half = width(&axis.label, LABEL_SIZE, Weight::Regular) / 2.0;
        let middle = (plane.left + plane.across / 2.0).min(right - half);
        markup.line(
            (middle, plane.bottom() + 29.0),
            &axis.label,
            LABEL_SIZE,
            Weight::Regular,
            Ink::Muted,
            Anchor::Middle,
        );
    }
}

fn upright_axis(markup: &mut Markup, plane: &Plane, x: f64) {
    let axis: &Axis = &plane.plot.y;
    let grid: String = axis
        .ticks
        .iter()
        .map(|tick| format!("M{} {}h{}", N(plane.left), N(plane.y(tick.at)), N(plane.across)))
        .collect();
    markup.push(&format!(r##"<path class="grid" d="{grid}" stroke="#dfe3e8" fill="none"/>"##));
    markup.push("\n");
    let mut above = f64::INFINITY;
    for tick in &axis.ticks {
        let y = plane.y(tick.at);
        // From the bottom upwards; figures never stand closer than a line.
        if above - y < LABEL_SIZE + 1.0 {
            continue;
        }
        above = y;
        let right = plane.left - 5.0;
        debug_assert!(right >= x, "the margin holds the widest figure");
        markup.line(
            (right, y + 3.9),
            &tick.name,
            LABEL_SIZE,
            Weight::Regular,
            Ink::Full,
            Anchor::End,
        );
    }
}

fn draw_area(markup: &mut Markup, plane: &Plane, area: &Area) {
    let [left, right] =
        area.x.map_or([plane.left, plane.left + plane.across], |x| x.map(|at| plane.x(at)));
    let [bottom, top] = area.y.map_or([plane.bottom(), plane.top], |y| y.map(|at| plane.y(at)));
    // Thinner than this it would not be seen.
    let (across, down) = ((right - left).max(1.5), (bottom - top).max(1.5));
    markup.push(&area_rect(area.kind, left, top, across, down));
    if let AreaKind::BreakEven(look) = area.kind {
        markup.push(&format!(
            r#"<path class="{}" color="{}" d="M{} {}v{}m{} 0v-{}" stroke="currentColor" stroke-opacity="0.5" fill="none"/>"#,
            look.class(),
            look.colour(),
            N(left),
            N(top),
            N(down),
            N(across),
            N(down)
        ));
    }
    markup.push("\n");
}

fn draw_guide(markup: &mut Markup, plane: &Plane, guide: &[[f64; 2]]) {
    let path = joined(guide.iter().map(|[x, y]| (plane.x(*x), plane.y(*y), false)));
    markup.push(&format!(
        r#"<path class="guide" d="{path}" stroke="currentColor" stroke-dasharray="5 4" fill="none"/>"#
    ));
    markup.push("\n");
}

/// A line through places; a new one begins wherever the flag is set.
fn joined(places: impl Iterator<Item = (f64, f64, bool)>) -> String {
    let mut path = String::new();
    for (x, y, apart) in places {
        path.push(if path.is_empty() || apart { 'M' } else { 'L' });
        path.push_str(&format!("{} {}", N(x), N(y)));
    }
    path
}

fn draw_series(markup: &mut Markup, plane: &Plane, series: &Series) {
    if series.is_empty() {
        return;
    }
    let look = series.look;
    let id = escaped(&series.id);
    markup.push(&format!(
        r#"<g class="series {}" data-series="{id}" color="{}">"#,
        look.class(),
        look.colour()
    ));
    markup.push("\n");
    for stretch in series.points.chunk_by(|_, next| !next.after_gap) {
        draw_band(markup, plane, stretch);
    }
    if series.points.len() > 1 {
        let line = series.points.iter().map(|p| (plane.x(p.x), plane.y(p.y), p.after_gap));
        markup.push(&format!(
            r#"<path class="line" d="{}" stroke="currentColor" stroke-width="1.8" stroke-linejoin="round"{} fill="none"/>"#,
            joined(line),
            dashes(look)
        ));
        markup.push("\n");
    }
    draw_trials(markup, plane, series);
    if !series.points.is_empty() {
        // What all intervals share is said once.
        markup.push(r#"<g class="marks" stroke="currentColor" stroke-width="1.3" fill="none">"#);
        for point in &series.points {
            draw_point(markup, plane, series, point);
        }
        markup.push("</g>\n");
    }
    markup.push("</g>\n");
}

/// The intervals of a stretch without gaps, as a band.
fn draw_band(markup: &mut Markup, plane: &Plane, stretch: &[Point]) {
    let ends: Vec<(f64, [f64; 2])> =
        stretch.iter().filter_map(|point| Some((point.x, point.interval?))).collect();
    if ends.len() < 2 || ends.len() < stretch.len() {
        return;
    }
    let lower = ends.iter().map(|(x, [low, _])| (plane.x(*x), plane.y(*low), false));
    let upper = ends.iter().rev().map(|(x, [_, high])| (plane.x(*x), plane.y(*high), false));
    markup.push(&format!(
        r#"<path class="band" d="{}z" fill="currentColor" fill-opacity="0.15"/>"#,
        joined(lower.chain(upper))
    ));
    markup.push("\n");
}

fn draw_point(markup: &mut Markup, plane: &Plane, series: &Series, point: &Point) {
    let (x, y) = (plane.x(point.x), plane.y(point.y));
    let interval = point.interval.map_or_else(String::new, |[low, high]| {
        let (low, high) = (plane.y(low), plane.y(high));
        format!(
            r#"<path d="M{} {}h{}m-{} 0V{}m-{} 0h{}"/>"#,
            N(x - CAP),
            N(low),
            N(2.0 * CAP),
            N(CAP),
            N(high),
            N(CAP),
            N(2.0 * CAP)
        )
    });
    markup.push(&format!(
        r#"<g class="mark">{}{interval}{}</g>"#,
        says(plane, &point.says),
        mark(series.look, (x, y))
    ));
    markup.push("\n");
}

/// An arrow with its tip at a place, as the data of an SVG path.
pub(super) fn arrow(x: f64, y: f64, up: bool) -> String {
    let (down, shaft) = if up { (6, 5) } else { (-6, -5) };
    format!("M{} {}l4 {down}h-3v{shaft}h-2v{}h-3z", N(x), N(y), -shaft)
}

/// What a mark says under the pointer.
fn says(plane: &Plane, text: &str) -> String {
    if plane.speaks { format!("<title>{}</title>", escaped(text)) } else { String::new() }
}

fn draw_trials(markup: &mut Markup, plane: &Plane, series: &Series) {
    for cell in &series.boxes {
        let [left, right] = cell.x.map(|at| plane.x(at));
        let middle = plane.y(1.0);
        let area = cell.y.map_or_else(String::new, |[low, high]| {
            let (low, high) = (plane.y(low), plane.y(high));
            format!(
                r#"<rect x="{}" y="{}" width="{}" height="{}" fill="currentColor" fill-opacity="0.22"/>"#,
                N(left),
                N(high),
                N(right - left),
                N((low - high).max(1.0))
            )
        });
        markup.push(&format!(
            r#"<g class="mark">{}{area}<path d="M{} {}H{}" stroke="currentColor" stroke-width="1.2" fill="none"/></g>"#,
            says(plane, &cell.says),
            N(left),
            N(middle),
            N(right)
        ));
        markup.push("\n");
    }
    if !series.dots.is_empty() {
        let dots: String = series
            .dots
            .iter()
            .map(|[x, y]| format!("M{} {}h0", N(plane.x(*x)), N(plane.y(*y))))
            .collect();
        markup.push(&format!(
            r#"<path class="dots" d="{dots}" stroke="currentColor" stroke-width="3.4" stroke-opacity="0.75" stroke-linecap="round" fill="none"/>"#
        ));
        markup.push("\n");
    }
    for (places, class, fill) in
        [(&series.beyond, "beyond", "currentColor"), (&series.void_beyond, "beyond-void", "none")]
    {
        if places.is_empty() {
            continue;
        }
        let arrows: String =
            places.iter().map(|[x, y]| arrow(plane.x(*x), plane.y(*y), *y > 1.0)).collect();
        markup.push(&format!(
            r#"<path class="{class}" d="{arrows}" stroke="currentColor" fill="{fill}"/>"#
        ));
        markup.push("\n");
    }
    if !series.crosses.is_empty() {
        let crosses: String = series
            .crosses
            .iter()
            .map(|[x, y]| format!("M{} {}m-3-3l6 6m0-6l-6 6", N(plane.x(*x)), N(plane.y(*y))))
            .collect();
        markup.push(&format!(
            r#"<path class="crosses" d="{crosses}" stroke="currentColor" stroke-width="1.4" fill="none"/>"#
        ));
        markup.push("\n");
    }
}
