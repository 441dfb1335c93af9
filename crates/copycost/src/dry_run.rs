//! `copycost run --dry-run`: what would be measured, for how long, and what it lacks.

use std::fmt::Write as _;

use model::{Cell, Factor, Plan};
use study::Forecast;

/// More blocks than this are counted and not listed.
const MOST_BLOCKS: usize = 40;

/// Cells by block, time, and what this machine leaves out.
pub(crate) fn text(
    plan: &Plan,
    forecast: &Forecast,
    left_out: &[String],
    needs: &[String],
) -> String {
    let mut text = format!("{forecast}\n\n");
    let blocks = plan.blocks();
    let widest = blocks.iter().take(MOST_BLOCKS).map(|(block, _)| block.0.len()).max().unwrap_or(0);
    for (block, cells) in blocks.iter().take(MOST_BLOCKS) {
        let cells: Vec<String> = cells.iter().map(within_block).collect();
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "  {:widest$}  {}", block.0, cells.join(", "));
    }
    if blocks.len() > MOST_BLOCKS {
        let _ = writeln!(text, "  and {} more blocks", blocks.len() - MOST_BLOCKS);
    }
    text.push('\n');
    for line in left_out {
        let _ = writeln!(text, "left out: {line}");
    }
    if needs.is_empty() {
        text.push_str("No privilege is needed.\n");
    } else {
        text.push_str("No privilege is needed to run it; more can be measured with some:\n");
        for need in needs {
            let _ = writeln!(text, "  {need}");
        }
    }
    text
}

/// What tells a cell from the others of its block: its paths, and a control's one difference.
fn within_block(cell: &Cell) -> String {
    let mut parts = vec![cell.send_path.to_string()];
    for factor in Factor::ALL.iter().filter(|factor| factor.is_within_block()) {
        if *factor != Factor::Send && !cell.is_default(*factor) {
            parts.push(format!("{}={}", factor.id_key(), cell.get(*factor)));
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use model::Preset;

    use super::*;

    #[test]
    fn cells_stand_by_block_and_controls_with_their_difference() {
        let plan = Plan::preset(Preset::Default);
        let text = text(&plan, &study::forecast(&plan, 2), &[], &[]);
        assert!(text.starts_with("48 cells and 3 controls in 16 blocks"), "{text}");
        assert!(
            text.contains("  message_bytes=64 threads=1     send, sendmsg, zerocopy\n"),
            "{text}"
        );
        assert!(text.contains("sendmsg replica=2"), "{text}");
        assert!(text.contains("zerocopy so_zerocopy=off"), "{text}");
    }
}
