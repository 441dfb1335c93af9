//! `copycost run --dry-run`: what would be measured, for how long, and what it lacks.

use std::fmt::Write as _;

use model::{Cell, Factor, Link, Plan};
use study::Forecast;

use crate::left_out::LeftOut;
use crate::probe::Unlockable;

/// More blocks than this are counted and not listed.
const MOST_BLOCKS: usize = 40;

/// Cells by block, time, and what this machine leaves out.
pub(crate) fn text(
    plan: &Plan,
    forecast: &Forecast,
    left_out: &[String],
    needs: &[Unlockable],
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
    let privileges = privileges(plan);
    for (link, capabilities) in &privileges {
        let _ = writeln!(text, "link {link} needs root, or {}", capabilities.join(" and "));
    }
    if needs.is_empty() && privileges.is_empty() {
        text.push_str("No privilege is needed.\n");
    } else if !needs.is_empty() {
        let none =
            if privileges.is_empty() { "No privilege is needed to run it; more" } else { "More" };
        let _ = writeln!(text, "{none} can be measured with some:");
        for need in needs {
            let _ = writeln!(text, "  {need}");
        }
    }
    text
}

/// The same as JSON. Cells stand by id, in the plan's order, with their block; times are in seconds.
pub(crate) fn json(
    plan: &Plan,
    forecast: &Forecast,
    left_out: &LeftOut,
    needs: &[Unlockable],
) -> String {
    let within = plan.within_block();
    let cell = |cell: &Cell| serde_json::json!({ "id": cell.id(), "block": cell.block(&within).0 });
    let cells: Vec<_> = plan.cells().iter().map(cell).collect();
    let controls: Vec<_> = plan.controls().iter().map(cell).collect();
    let blocks: Vec<_> = plan.blocks().into_iter().map(|(block, _)| block.0).collect();
    let left_out: Vec<_> = left_out
        .cells()
        .map(|(cell, why)| serde_json::json!({ "id": cell.id(), "because": why }))
        .collect();
    let unlocks: Vec<_> = needs
        .iter()
        .map(|need| {
            serde_json::json!({ "names": need.names, "unlock": need.unlock, "undo": need.undo })
        })
        .collect();
    let privileges: Vec<_> = privileges(plan)
        .into_iter()
        .map(|(link, capabilities)| {
            serde_json::json!({ "link": link.name(), "capabilities": capabilities })
        })
        .collect();
    let told = serde_json::json!({
        "version": 1,
        "cells": cells,
        "controls": controls,
        "blocks": blocks,
        "rounds": forecast.rounds,
        "rounds_are_exact": forecast.exactly,
        "round_seconds": forecast.round.as_secs_f64(),
        "expected_seconds": forecast.least.as_secs_f64(),
        "limit_seconds": forecast.limit.map(model::Nanos::as_secs_f64),
        "left_out": left_out,
        "privileges_needed": privileges,
        "unlocks": unlocks,
    });
    format!("{told:#}\n")
}

/// The links of a plan that are raised with privileges, and those (capabilities(7)).
fn privileges(plan: &Plan) -> Vec<(Link, &'static [&'static str])> {
    let links = plan.factors.link.iter().map(|link| (*link, link.capabilities().privileges));
    links.filter(|(_, capabilities)| !capabilities.is_empty()).collect()
}

/// What tells a cell from the others of its block: its paths, and a control's one difference.
fn within_block(cell: &Cell) -> String {
    let mut parts = vec![cell.send_path.to_string()];
    for factor in Factor::ALWAYS_WITHIN_BLOCK {
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

    #[test]
    fn a_link_that_needs_privileges_is_told_with_them() {
        let mut plan = Plan::preset(Preset::Quick);
        plan.factors.link = vec![Link::Loopback, Link::Veth];
        let forecast = study::forecast(&plan, 2);
        let told = text(&plan, &forecast, &[], &[]);
        assert!(
            told.ends_with("link veth needs root, or CAP_SYS_ADMIN and CAP_NET_ADMIN\n"),
            "{told}"
        );
        let told = json(&plan, &forecast, &LeftOut::default(), &[]);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["privileges_needed"][0]["link"], "veth");
        assert_eq!(told["privileges_needed"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn as_json_it_tells_the_same() {
        let plan = Plan::preset(Preset::Default);
        let forecast = study::forecast(&plan, 2);
        let need = Unlockable {
            names: vec!["counters".to_owned()],
            unlock: "sudo sysctl kernel.perf_event_paranoid=1".to_owned(),
            undo: String::new(),
        };
        let told = json(&plan, &forecast, &LeftOut::default(), &[need]);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let length = |key: &str| told[key].as_array().unwrap().len();
        assert_eq!((length("cells"), length("controls"), length("blocks")), (48, 3, 16));
        assert_eq!(told["cells"][0]["id"], plan.cells()[0].id());
        assert_eq!(told["cells"][0]["block"], told["blocks"][0]);
        assert_eq!(told["rounds"], 10);
        let seconds = told["expected_seconds"].as_f64().unwrap();
        assert!((seconds - forecast.least.as_secs_f64()).abs() < 1e-9);
        assert_eq!(told["limit_seconds"], 300.0);
        assert_eq!((length("left_out"), length("privileges_needed")), (0, 0));
        assert_eq!(told["unlocks"][0]["names"][0], "counters");
    }
}
