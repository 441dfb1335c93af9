//! Flame graphs of profiles, as SVG files of their own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use analysis::figure_text::{counted, percent};
use figure_png::Weight;
use model::Cell;
use model::audit::{Owner, Profile};

use crate::figures::escaped;

/// Width of the picture in pixels.
const WIDTH: f64 = 1200.0;
/// White space at its sides.
const SIDE: f64 = 10.0;
/// Height of a frame.
const ROW: f64 = 17.0;
/// Size of a frame's text.
const TEXT: f64 = 11.0;
/// Above the frames: title and reading.
const HEAD: f64 = 52.0;
/// Frames narrower than this are not drawn: nobody would see them.
const NARROWEST: f64 = 0.3;

/// A frame with everything above it; equal frames of equal callers are one.
#[derive(Default)]
struct Frame<'p> {
    samples: u64,
    above: BTreeMap<&'p str, Frame<'p>>,
}

impl Frame<'_> {
    fn height(&self) -> u32 {
        self.above.values().map(|frame| frame.height() + 1).max().unwrap_or(0)
    }
}

/// A profile as a flame graph (Gregg, "The Flame Graph", CACM 59(6), 2016), owners at the bottom, callers below what
/// they call, width by samples; the same profile gives the same bytes. None where nothing was sampled.
///
/// Names and shares of frames too narrow for their text stand in titles, which a browser shows under the pointer; the file
/// asks nobody for anything.
pub fn flame_graph(cell: &Cell, profile: &Profile) -> Option<String> {
    let mut root = Frame::default();
    for stack in profile.stacks.iter().filter(|stack| stack.samples > 0) {
        root.samples += stack.samples;
        let mut frame = root.above.entry(owner(stack.owner)).or_default();
        frame.samples += stack.samples;
        for place in &stack.frames {
            let name = usize::try_from(*place).ok().and_then(|place| profile.symbols.get(place));
            frame = frame.above.entry(name.map_or("[unknown]", String::as_str)).or_default();
            frame.samples += stack.samples;
        }
    }
    if root.samples == 0 {
        return None;
    }
    let bottom = HEAD + ROW * f64::from(root.height());
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {0}\" width=\"{WIDTH}\" height=\"{0}\" font-family=\"DejaVu Sans, sans-serif\">\n",
        bottom + SIDE
    );
    svg.push_str("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    let title = format!("Where the CPU time goes: {cell}");
    let cpus: Vec<String> = profile.cpus.iter().map(u32::to_string).collect();
    let samples = u32::try_from(root.samples).unwrap_or(u32::MAX);
    let reading = format!(
        "{} of {} on CPUs {}; callers below what they call, width by samples",
        counted(samples as usize, "sample", "samples"),
        profile.event,
        cpus.join(", ")
    );
    // Writing to a String cannot fail.
    let _ = writeln!(svg, "<title>{}</title>", escaped(&title));
    let _ = writeln!(
        svg,
        "<text x=\"{SIDE}\" y=\"22\" font-size=\"15\" font-weight=\"bold\" fill=\"#111111\">{}</text>",
        escaped(&title)
    );
    let _ = writeln!(
        svg,
        "<text x=\"{SIDE}\" y=\"41\" font-size=\"12\" fill=\"#444444\">{}</text>",
        escaped(&reading)
    );
    let picture =
        Picture { per_sample: (WIDTH - 2.0 * SIDE) / root.samples as f64, all: root.samples };
    picture.draw(&mut svg, &root, SIDE, bottom, 0);
    svg.push_str("</svg>\n");
    Some(svg)
}

/// What every frame's place follows from.
struct Picture {
    /// Pixels a sample.
    per_sample: f64,
    all: u64,
}

impl Picture {
    /// Draws what stands above a frame, from left to right in the order of the names.
    fn draw(&self, svg: &mut String, below: &Frame<'_>, left: f64, bottom: f64, depth: u32) {
        let mut x = left;
        for (name, frame) in &below.above {
            let width = frame.samples as f64 * self.per_sample;
            if width >= NARROWEST {
                self.frame(svg, (name, frame), (x, bottom - ROW, width), depth);
                self.draw(svg, frame, x, bottom - ROW, depth + 1);
            }
            x += width;
        }
    }

    fn frame(
        &self,
        svg: &mut String,
        (name, frame): (&str, &Frame<'_>),
        (x, y, width): (f64, f64, f64),
        depth: u32,
    ) {
        let share = percent(frame.samples as f64 / self.all as f64);
        let _ = write!(
            svg,
            "<g><title>{}: {} samples, {share}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{}\" fill=\"{}\" rx=\"1\"/>",
            escaped(name),
            frame.samples,
            (width - 0.4).max(0.2),
            ROW - 1.0,
            colour(name, depth)
        );
        let text = fitting(name, width - 6.0);
        if !text.is_empty() {
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{TEXT}\" fill=\"#111111\">{}</text>",
                x + 3.0,
                y + ROW - 5.0,
                escaped(&text)
            );
        }
        svg.push_str("</g>\n");
    }
}

/// As much of a name as a frame has room for; nothing where that would be less than three letters.
fn fitting(name: &str, room: f64) -> String {
    let width = |text: &str| figure_png::width(text, TEXT, Weight::Regular);
    if width(name) <= room {
        return name.to_owned();
    }
    let mut text: String = name.to_owned();
    while text.pop().is_some() {
        if text.chars().count() < 3 {
            return String::new();
        }
        let cut = format!("{text}…");
        if width(&cut) <= room {
            return cut;
        }
    }
    String::new()
}

/// Grey for owners, else warm and light, by name and not by chance (FNV-1a), so that a function looks alike everywhere.
fn colour(name: &str, depth: u32) -> String {
    if depth == 0 {
        return "#c9cdd2".to_owned();
    }
    let hash = name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("#ff{:02x}{:02x}", 0x90 + (hash >> 8) % 0x58, 0x50 + (hash >> 20) % 0x38)
}

const fn owner(owner: Owner) -> &'static str {
    match owner {
        Owner::Sender => "sender",
        Owner::Receiver => "receiver",
        Owner::Helper => "the sink's helper",
        Owner::Idle => "idle thread",
        Owner::Other => "others",
    }
}

#[cfg(test)]
mod tests {
    use analysis::synthetic;
    use model::{Measured, Plan, Preset};

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
    fn nothing_sampled_gives_no_picture() {
        let (cell, mut profile) = made();
        profile.stacks.clear();
        assert_eq!(flame_graph(&cell, &profile), None);
        profile.symbols.clear();
        assert_eq!(flame_graph(&cell, &profile), None);
    }
}
