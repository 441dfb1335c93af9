//! Flame graphs of profiles, as SVG files of their own.

use std::collections::BTreeMap;

use crate::spelling::{counted, percent};
use analysis::categories::{Category, Decided, decide};
use analysis::cpu_breakdown::{self, Told};
use analysis::findings::BreakdownSide;
use model::Cell;
use model::audit::{Owner, Profile};

use crate::drawing::letters::{INK, Letters};
use crate::drawing::sheet::{ground, picture};
use crate::drawing::tints::{EDGE, Tint};
use crate::markup::Markup;

/// White space at the sides.
const SIDE: f64 = 10.0;
const TITLE: Letters = Letters::plain(15.0).bold();
const READING: Letters = Letters::plain(12.0).muted();
const KEY: Letters = Letters::plain(11.0);
const FRAME: Letters = Letters::plain(11.0);
/// Of a rectangle in the key.
const SWATCH: [f64; 2] = [16.0, 11.0];

/// One of the two drawings in the file.
#[derive(Clone, Copy)]
struct Drawing {
    class: &'static str,
    /// Its width in units; as wide as the window on a phone.
    width: f64,
    /// Height of a frame.
    row: f64,
    /// Frames narrower than this are not drawn: nobody would see them.
    narrowest: f64,
}

const WIDE: Drawing = Drawing { class: "wide", width: 1200.0, row: 17.0, narrowest: 0.5 };
/// Larger where fingers and not pointers choose, in fewer units.
const NARROW: Drawing = Drawing { class: "narrow", width: 360.0, row: 18.0, narrowest: 1.0 };

/// A frame with everything above it; equal frames of equal callers are one.
struct Frame<'p> {
    samples: u64,
    /// What a sample in this very frame counts for.
    tint: Tint,
    above: BTreeMap<&'p str, Frame<'p>>,
}

impl Frame<'_> {
    const fn new(tint: Tint) -> Self {
        Self { samples: 0, tint, above: BTreeMap::new() }
    }

    /// How many rows stand above it, of frames that have so many samples.
    fn height(&self, least: f64) -> u32 {
        let drawn = self.above.values().filter(|frame| frame.samples as f64 >= least);
        drawn.map(|frame| frame.height(least) + 1).max().unwrap_or(0)
    }

    /// Adds the tints of what is drawn above it.
    fn tints(&self, least: f64, found: &mut Vec<Tint>) {
        for frame in self.above.values().filter(|frame| frame.samples as f64 >= least) {
            if !found.contains(&frame.tint) {
                found.push(frame.tint);
            }
            frame.tints(least, found);
        }
    }
}

/// The busy samples of a profile as a tree, and what else there was.
struct Sorted<'p> {
    sides: BTreeMap<BreakdownSide, Frame<'p>>,
    /// Those that are drawn.
    busy: u64,
    /// Of the sink's helper, in its own code: it polls at all times, and would take the room of what is asked about.
    polling: u64,
    idle: u64,
    elsewhere: u64,
}

fn count(so_far: &mut u64, samples: u64) {
    *so_far = so_far.saturating_add(samples);
}

impl<'p> Sorted<'p> {
    fn new(profile: &'p Profile) -> Self {
        let mut sorted =
            Self { sides: BTreeMap::new(), busy: 0, polling: 0, idle: 0, elsewhere: 0 };
        for stack in profile.stacks.iter().filter(|stack| stack.samples > 0) {
            let names = cpu_breakdown::names(profile, stack);
            let side = match cpu_breakdown::told(stack.owner, &names) {
                Told::Busy(BreakdownSide::Helper, Decided::As(Category::Copycost)) => {
                    count(&mut sorted.polling, stack.samples);
                    continue;
                }
                Told::Busy(side, _) => side,
                Told::Idle => {
                    count(&mut sorted.idle, stack.samples);
                    continue;
                }
                Told::Elsewhere => {
                    count(&mut sorted.elsewhere, stack.samples);
                    continue;
                }
            };
            count(&mut sorted.busy, stack.samples);
            let mut frame = sorted.sides.entry(side).or_insert_with(|| Frame::new(Tint::UNMAPPED));
            count(&mut frame.samples, stack.samples);
            // From the outermost on, each with its callers behind it.
            for place in (0..names.len()).rev() {
                let callers = names.get(place..).unwrap_or_default();
                let Some(name) = callers.first() else { continue };
                frame = frame
                    .above
                    .entry(name)
                    .or_insert_with(|| Frame::new(tint(stack.owner, callers)));
                count(&mut frame.samples, stack.samples);
            }
        }
        sorted
    }
}

/// What a sample would count for whose innermost frame is the first of these: what the breakdown says of the samples in it.
fn tint(owner: Owner, frames: &[&str]) -> Tint {
    match decide(owner, frames.iter().copied()) {
        Decided::As(category) => Tint::for_category(category),
        Decided::Unmapped => Tint::UNMAPPED,
    }
}

/// The busy samples of a profile as a flame graph (Gregg, "The Flame Graph", CACM 59(6), 2016), sides at the bottom, callers
/// below what they call, width by samples, colour by category; the same profile gives the same bytes. None where
/// nothing busy was sampled.
///
/// Names and shares of frames too narrow for their text stand in titles, which a browser shows under the pointer. The file
/// holds two drawings, of which narrow screens show the second one, and asks nobody for anything.
pub fn flame_graph(cell: &Cell, profile: &Profile) -> Option<String> {
    let sorted = Sorted::new(profile);
    if sorted.busy == 0 {
        return None;
    }
    let title = format!("Where the CPU time goes: {cell}");
    let reading = reading(&sorted, profile);
    let [wide, narrow] = [WIDE, NARROW].map(|drawing| draw(drawing, &sorted, &title, &reading));
    // As wide as the other drawing.
    let scaled = WIDE.width * narrow.height / NARROW.width;
    let size = (WIDE.width, wide.height);
    let mut svg = Markup::new();
    let tag = picture(&mut svg, "flame-graph", size, &format!("{title}. {reading}"));
    tag.with("preserveAspectRatio", "xMinYMin meet").around(|svg| {
        svg.leaf("title", &[], &title);
        svg.leaf("style", &[], &style(narrow.height / NARROW.width));
        // Beyond the wide drawing where the narrow one is shown.
        ground(svg, (WIDE.width, (scaled + wide.height).round()));
        svg.tag("g").with("class", WIDE.class).around(|svg| svg.append(&wide.markup));
        let tag = svg.tag("svg").with("class", NARROW.class).with("display", "none");
        tag.with("viewBox", format_args!("0 0 {} {}", NARROW.width, narrow.height))
            .at("width", WIDE.width)
            .at("height", scaled)
            .around(|svg| svg.append(&narrow.markup));
    });
    Some(svg.finish())
}

/// Narrow screens show the other drawing, `ratio` times as high as the window is wide; dark ones get light letters.
fn style(ratio: f64) -> String {
    format!(
        "\
.narrow{{display:none}}\
@media (max-width:600px),(max-device-width:600px){{\
.wide{{display:none}}.narrow{{display:inline}}:root{{width:100vw;height:calc(100vw*{ratio:.4})}}}}\
@media screen and (prefers-color-scheme:dark){{\
:root{{background:#14181d;color:#e8eaed}}.ground{{fill:#14181d}}.muted{{fill:#a9b1ba}}}}"
    )
}

/// How it is to be read, and what is not in it.
fn reading(sorted: &Sorted, profile: &Profile) -> String {
    let samples = |n: u64| counted(n, "sample", "samples");
    let cpus: Vec<String> = profile.cpus.iter().map(u32::to_string).collect();
    let left_out = [
        (sorted.idle, "of idle CPUs"),
        (sorted.elsewhere, "of other programs"),
        (sorted.polling, "of the sink’s helper in its own code, which polls"),
    ];
    let left_out: Vec<String> =
        left_out.iter().filter(|(n, _)| *n > 0).map(|(n, whose)| format!("{n} {whose}")).collect();
    let left_out = if left_out.is_empty() {
        String::new()
    } else {
        format!("; left out: {}", left_out.join(", "))
    };
    format!(
        "{} of {} on CPUs {}{left_out}. Callers stand below what they call; width: share of these samples; colour: what time in the function itself counts for.",
        samples(sorted.busy).replacen(' ', " busy ", 1),
        profile.event,
        cpus.join(", ")
    )
}

/// A drawing, and how high it is.
struct Drawn {
    markup: Markup,
    height: f64,
}

fn draw(drawing: Drawing, sorted: &Sorted, title: &str, reading: &str) -> Drawn {
    let room = drawing.width - 2.0 * SIDE;
    let least = drawing.narrowest * sorted.busy as f64 / room;
    let mut markup = Markup::new();
    let mut y = 6.0;
    for (text, letters) in [(title, TITLE), (reading, READING)] {
        y = letters.write_lines(&mut markup, (SIDE, y), room, letters.size() * 1.35, text);
    }
    let mut tints = Vec::new();
    for side in sorted.sides.values() {
        side.tints(least, &mut tints);
    }
    y = key(&mut markup, &tints, room, y + 10.0);
    let rows = sorted.sides.values().map(|side| side.height(least) + 1).max().unwrap_or(0);
    let bottom = y + 10.0 + drawing.row * f64::from(rows);
    let picture = Picture { drawing, per_sample: room / sorted.busy as f64, busy: sorted.busy };
    let mut x = SIDE;
    for (side, frame) in &sorted.sides {
        let width = frame.samples as f64 * picture.per_sample;
        if width >= drawing.narrowest {
            let place = (x, bottom - drawing.row, width);
            picture.frame(&mut markup, (side.title(), frame), place, true);
            picture.above(&mut markup, frame, x, bottom - drawing.row);
        }
        x += width;
    }
    Drawn { markup, height: (bottom + SIDE).ceil() }
}

/// The colours that there are, in the order of the table of categories, below `y`; gives where they end.
fn key(markup: &mut Markup, tints: &[Tint], room: f64, y: f64) -> f64 {
    let [across, down] = SWATCH;
    let (mut x, mut y) = (SIDE, y);
    let all = Category::ALL.into_iter().map(Tint::for_category).chain([Tint::UNMAPPED]);
    for tint in all.filter(|tint| tints.contains(tint)) {
        let title = tint.title();
        let width = across + 5.0 + KEY.width(title) + 14.0;
        if x > SIDE && x + width > SIDE + room {
            x = SIDE;
            y += KEY.size() * 1.6;
        }
        let tag = markup.tag("rect").spanning((x, y), (across, down)).with("fill", tint.colour());
        tag.with("stroke", EDGE).with("stroke-width", 0.6).empty();
        KEY.write(markup, (x + across + 5.0, y + down - 1.5), title);
        x += width;
    }
    y + down
}

/// What every frame's place follows from.
struct Picture {
    drawing: Drawing,
    /// Units a sample.
    per_sample: f64,
    busy: u64,
}

impl Picture {
    /// Draws what stands above a frame, from left to right in the order of the names.
    fn above(&self, svg: &mut Markup, below: &Frame<'_>, left: f64, bottom: f64) {
        let mut x = left;
        let top = bottom - self.drawing.row;
        for (name, frame) in &below.above {
            let width = frame.samples as f64 * self.per_sample;
            if width >= self.drawing.narrowest {
                self.frame(svg, (name, frame), (x, top, width), false);
                self.above(svg, frame, x, top);
            }
            x += width;
        }
    }

    fn frame(
        &self,
        svg: &mut Markup,
        (name, frame): (&str, &Frame<'_>),
        (x, y, width): (f64, f64, f64),
        is_side: bool,
    ) {
        let row = self.drawing.row;
        let share = percent(frame.samples as f64 / self.busy as f64);
        let (fill, counts) = if is_side {
            ("#9aa4af", String::new())
        } else {
            (frame.tint.colour(), format!("; itself: {}", frame.tint.title()))
        };
        let edge = (frame.tint == Tint::UNMAPPED && !is_side).then_some(EDGE);
        svg.tag("g").around(|svg| {
            svg.leaf("title", &[], &format!("{name}: {} samples, {share}{counts}", frame.samples));
            let tag = svg
                .tag("rect")
                .spanning((x, y), ((width - 0.4).max(0.2), row - 1.0))
                .with("fill", fill);
            tag.with_any("stroke", edge).with_any("stroke-width", edge.map(|_| 0.5)).empty();
            let fitted = fitting(name, width - 6.0);
            if !fitted.is_empty() {
                let tag = svg.tag("text").at("x", x + 3.0).at("y", y + row - 5.0);
                tag.with("font-size", FRAME.size()).with("fill", INK).text(&fitted);
            }
        });
    }
}

/// As much of a name as a frame has room for; nothing where that would be less than three letters. A name may be of any length,
/// so that it is gone through once.
fn fitting(name: &str, room: f64) -> String {
    let room_beside_dots = room - FRAME.width("…");
    let (mut width, mut cut) = (0.0, None);
    let mut letter = [0; 4];
    for (count, (at, c)) in name.char_indices().enumerate() {
        if width <= room_beside_dots {
            cut = Some((count, at));
        }
        width += FRAME.width(c.encode_utf8(&mut letter));
        if width > room {
            return match cut {
                Some((3.., at)) => format!("{}…", name.get(..at).unwrap_or_default()),
                _ => String::new(),
            };
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use model::{Measured, Plan, Preset};

    #[test]
    fn a_name_of_any_length_is_cut_to_its_frame() {
        let room = FRAME.width("tcp_send…") + 0.01;
        assert_eq!(fitting("tcp_sendmsg_locked", room), "tcp_send…");
        assert_eq!(fitting("tcp_sendm", FRAME.width("tcp_sendm") + 0.01), "tcp_sendm");
        assert_eq!(fitting("tcp_sendmsg", FRAME.width("tc…") + 0.01), "");
        assert_eq!(fitting("tcp_sendmsg", 0.0), "");
        // A quadratic one would take an hour.
        assert_eq!(fitting(&"ü".repeat(2_000_000), FRAME.width("üüü…") + 0.01), "üüü…");
    }

    use super::*;

    fn made() -> (Cell, Profile) {
        let cell = Plan::preset(Preset::Default).cells()[0].clone();
        let Measured::Value(profile) = synthetic::profiled(&cell).profile else { panic!("none") };
        (cell, profile)
    }

    #[test]
    fn the_same_profile_gives_the_same_bytes_with_every_owner_and_function() {
        let (cell, profile) = made();
        let svg = flame_graph(&cell, &profile).unwrap();
        assert_eq!(flame_graph(&cell, &profile).unwrap(), svg);
        for name in ["sender", "receiver", "_copy_from_iter", "tcp_sendmsg_locked"] {
            assert!(svg.contains(name), "{name}");
        }
        assert!(svg.contains(&cell.to_string()));
    }

    #[test]
    fn it_asks_nobody_for_anything_and_no_name_becomes_markup() {
        let (cell, mut profile) = made();
        profile.symbols[0] = "</title><script>alert(1)</script>;x\u{1b}".to_owned();
        let svg = flame_graph(&cell, &profile).unwrap();
        assert!(!svg.contains("<script>alert"));
        for outside in ["href=\"http", "src=\"http", "url(http", "@import"] {
            assert!(!svg.contains(outside), "{outside}");
        }
    }

    #[test]
    fn only_busy_samples_are_drawn_and_shares_are_those_of_the_breakdown() {
        let (cell, profile) = made();
        let svg = flame_graph(&cell, &profile).unwrap();
        let audited = synthetic::profiled(&cell);
        let breakdown = cpu_breakdown::breakdown(&audited, &profile);
        let busy = format!("{} busy samples", breakdown.busy_samples);
        assert!(svg.contains(&busy), "{busy}");
        for side in &breakdown.sides {
            let share = percent(side.share);
            let said = format!("<title>{}: ", side.side.title());
            let (_, rest) = svg.split_once(&said).unwrap_or_else(|| panic!("{said}"));
            assert!(rest.split_once("</title>").unwrap().0.ends_with(&share), "{said} {share}");
        }
        // Idling and other programs would take the room of what is asked about, and are told of in words.
        assert!(svg.contains("; left out: 900 of idle CPUs, 60 of other programs."));
        assert!(!svg.contains("default_idle") && !svg.contains("[program]"));
    }

    #[test]
    fn the_polling_of_the_sinks_helper_is_told_of_and_not_drawn() {
        let cell: Cell = "send=zerocopy link=sink".parse().unwrap();
        let Measured::Value(profile) = synthetic::profiled(&cell).profile else { panic!("none") };
        let svg = flame_graph(&cell, &profile).unwrap();
        assert!(svg.contains("900 of the sink’s helper in its own code, which polls."), "{svg}");
        assert!(svg.contains("<title>sink’s helper: 60 samples"), "{svg}");
        assert!(!svg.contains("sink_crew::poll"));
    }

    #[test]
    fn a_frame_has_its_categorys_colour_and_the_key_names_those_that_are_there() {
        let (cell, profile) = made();
        let svg = flame_graph(&cell, &profile).unwrap();
        for (name, category) in
            [("_copy_from_iter", Category::DataCopy), ("tcp_write_xmit", Category::TcpIp)]
        {
            let (_, frame) = svg.split_once(&format!("<g><title>{name}: ")).unwrap();
            let (frame, _) = frame.split_once("</g>").unwrap();
            assert!(frame.contains(Tint::for_category(category).colour()), "{frame}");
            assert!(frame.contains(&format!("itself: {}", category.title())), "{frame}");
            assert!(svg.contains(&format!(">{}</text>", category.title())));
        }
        assert!(!svg.contains(">page memory</text>") || svg.contains("sk_page_frag_refill"));
    }

    #[test]
    fn a_file_holds_a_drawing_for_wide_and_one_for_narrow_screens_in_which_nothing_overhangs() {
        let (cell, profile) = made();
        let svg = flame_graph(&cell, &profile).unwrap();
        let (wide, narrow) = svg.split_once("<svg class=\"narrow\"").unwrap();
        for (text, width) in [(wide, WIDE.width), (narrow, NARROW.width)] {
            for rect in text.split("<g><title>").skip(1) {
                let value = |name: &str| -> f64 {
                    let (_, rest) = rect.split_once(&format!(" {name}=\"")).unwrap();
                    rest.split_once('"').unwrap().0.parse().unwrap()
                };
                assert!(value("x") + value("width") <= width - SIDE + 0.2, "{rect}");
            }
            assert!(text.contains("data copy"));
        }
    }

    #[test]
    fn nothing_sampled_gives_no_picture() {
        let (cell, mut profile) = made();
        profile.stacks.clear();
        assert_eq!(flame_graph(&cell, &profile), None);
        profile.symbols.clear();
        assert_eq!(flame_graph(&cell, &profile), None);
    }
}
