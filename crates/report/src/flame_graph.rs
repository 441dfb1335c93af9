//! Flame graphs of profiles, as SVG files of their own.

use inferno::flamegraph::{self, Options, Palette, color::BasicPalette};
use model::Cell;
use model::audit::{Owner, Profile};

/// A profile as a flame graph (Gregg, "The Flame Graph", CACM 59(6), 2016), owners at the bottom; the same profile gives
/// the same bytes. None where nothing was sampled.
///
/// The file holds a script of its own, with which a browser that opens it lets one search and look closer; it asks nobody
/// for anything.
pub fn flame_graph(cell: &Cell, profile: &Profile) -> Option<String> {
    let mut lines: Vec<String> = profile
        .stacks
        .iter()
        .filter(|stack| stack.samples > 0)
        .map(|stack| {
            let mut line = owner(stack.owner).to_owned();
            for place in &stack.frames {
                let name =
                    usize::try_from(*place).ok().and_then(|place| profile.symbols.get(place));
                line.push(';');
                line.push_str(&folded(name.map_or("[unknown]", String::as_str)));
            }
            format!("{line} {}", stack.samples)
        })
        .collect();
    // Stacks of several CPUs; equal neighbours are joined when drawn.
    lines.sort_unstable();
    let mut options = Options::default();
    options.title = format!("Where the CPU time goes: {cell}");
    options.subtitle = Some(format!("{} on CPUs {}", profile.event, listed(&profile.cpus)));
    options.colors = Palette::Basic(BasicPalette::Hot);
    // Colours by name, not by chance.
    options.hash = true;
    options.deterministic = true;
    options.count_name = "samples".to_owned();
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg).ok()?;
    String::from_utf8(svg).ok()
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

/// A name as it stands in a line of frames: the line's own signs would end it.
fn folded(name: &str) -> String {
    name.chars().map(|c| if c == ';' || c.is_control() { '_' } else { c }).collect()
}

fn listed(cpus: &[u32]) -> String {
    cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
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
