//! `copycost run --dry-run`: what would be measured, for how long, and what it lacks.

use std::fmt::Write as _;

use model::{Block, Cell, Factor, Link, Missing, Plan};
use report::folded;
use study::Forecast;

use crate::exit::Stop;
use crate::probe;
use crate::refusals::Refusals;
use crate::terminal::{Reader, show};

/// More blocks than this are counted and not listed.
const MOST_BLOCKS: usize = 40;

/// What a run would do, as far as that is known before it.
pub(crate) struct Outlook<'a> {
    /// What was asked for.
    pub(crate) plan: &'a Plan,
    /// What of it cannot be had.
    pub(crate) refusals: &'a Refusals,
    /// What the rest will take.
    pub(crate) forecast: &'a Forecast,
    /// Which CPUs come first for a network card's sake.
    pub(crate) near: &'a str,
}

impl Outlook<'_> {
    /// Shows it, as JSON or as text.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn show(&self, json: bool) -> Result<(), Stop> {
        let unlockable = probe::unlockable(self.plan.peer.is_some());
        let width = Reader::of_output().width;
        show(&if json { self.json(&unlockable) } else { self.text(&unlockable, width) })
    }

    /// The cells that will be measured, by block.
    fn blocks(&self) -> Vec<(Block, Vec<Cell>)> {
        let mut blocks = self.plan.blocks();
        for (_, cells) in &mut blocks {
            cells.retain(|cell| !self.refusals.has(cell));
        }
        blocks.retain(|(_, cells)| !cells.is_empty());
        blocks
    }

    /// Cells by block, time, and what this machine refuses, in lines of at most so many columns.
    fn text(&self, unlockable: &[(Missing, Vec<String>)], width: usize) -> String {
        let mut text =
            format!("{}\n\n", folded(&format!("{}{}", self.forecast, self.near), 2, width));
        let blocks = self.blocks();
        let within = self.plan.within_block();
        let widest =
            blocks.iter().take(MOST_BLOCKS).map(|(block, _)| block.0.len()).max().unwrap_or(0);
        for (block, cells) in blocks.iter().take(MOST_BLOCKS) {
            let cells: Vec<String> = cells.iter().map(|cell| in_its_block(cell, &within)).collect();
            let line = format!("  {:widest$}  {}", block.0, cells.join(", "));
            // Beside the block where that leaves room.
            let hang = if widest + 4 <= width / 2 { widest + 4 } else { 4 };
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(text, "{}", folded(&line, hang, width));
        }
        if blocks.len() > MOST_BLOCKS {
            let _ = writeln!(text, "  and {} more blocks", blocks.len() - MOST_BLOCKS);
        }
        text.push('\n');
        let privileges = privileges(self.plan);
        for (link, capabilities) in &privileges {
            let line = format!("link {link} needs root, or {}", capabilities.join(" and "));
            let _ = writeln!(text, "{}", folded(&line, 2, width));
        }
        let audits = self.refused_audits(unlockable);
        for (audit, remedy) in &audits {
            let line = format!("audit {audit} cannot be had: {remedy}");
            let _ = writeln!(text, "{}", folded(&line, 2, width));
        }
        if privileges.is_empty() && audits.is_empty() {
            text.push_str("No privilege is needed.\n");
        }
        let more: Vec<_> = unlockable
            .iter()
            .map(|(remedy, names)| {
                let is_more = |name: &&String| !audits.iter().any(|(audit, _)| audit == *name);
                (remedy, names.iter().filter(is_more).cloned().collect::<Vec<_>>())
            })
            .filter(|(_, names)| !names.is_empty())
            .collect();
        if !more.is_empty() {
            text.push_str("To measure more:\n");
            for (remedy, names) in more {
                let what = names.join(", ");
                let line = format!("  {}", Missing { what, ..remedy.clone() });
                let _ = writeln!(text, "{}", folded(&line, 4, width));
            }
        }
        text
    }

    /// The audits that the plan asks for and this user cannot have, with what would unlock each.
    fn refused_audits(&self, unlockable: &[(Missing, Vec<String>)]) -> Vec<(String, String)> {
        let asked = self.plan.measure.audits.iter().map(ToString::to_string);
        asked
            .filter_map(|audit| {
                let (remedy, _) = unlockable.iter().find(|(_, names)| names.contains(&audit))?;
                Some((audit, remedy.to_string()))
            })
            .collect()
    }

    /// The same as JSON. Cells stand by id, in the plan's order, with their block; times are in seconds.
    fn json(&self, unlockable: &[(Missing, Vec<String>)]) -> String {
        let within = self.plan.within_block();
        let cells_json = |cells: Vec<Cell>| -> Vec<serde_json::Value> {
            let measured = cells.iter().filter(|cell| !self.refusals.has(cell));
            measured
                .map(|cell| serde_json::json!({ "id": cell.id(), "block": cell.block(&within).0 }))
                .collect()
        };
        let blocks: Vec<_> = self.blocks().into_iter().map(|(block, _)| block.0).collect();
        let refused: Vec<_> = self
            .refusals
            .cells()
            .map(|(cell, why)| serde_json::json!({ "id": cell.id(), "because": why.to_string() }))
            .collect();
        let unlocks: Vec<_> = unlockable
            .iter()
            .map(|(remedy, names)| {
                serde_json::json!({ "names": names, "unlock": remedy.unlock, "undo": remedy.undo })
            })
            .collect();
        let privileges: Vec<_> = privileges(self.plan)
            .into_iter()
            .map(|(link, capabilities)| {
                serde_json::json!({ "link": link.name(), "capabilities": capabilities })
            })
            .collect();
        let forecast = self.forecast;
        let json = serde_json::json!({
            "version": 2,
            "cells": cells_json(self.plan.cells()),
            "controls": cells_json(self.plan.controls()),
            "blocks": blocks,
            "rounds": forecast.rounds,
            "rounds_are_exact": forecast.exactly,
            "rounds_done": forecast.done,
            "round_seconds": forecast.round.as_secs_f64(),
            "least_round_seconds": forecast.least_round.as_secs_f64(),
            "audits_seconds": forecast.audits.as_secs_f64(),
            "limit_will_be_exceeded": forecast.first_round_outlasts_limit(),
            "expected_seconds": forecast.least.as_secs_f64(),
            "limit_seconds": forecast.limit.map(model::Nanos::as_secs_f64),
            "not_measured": refused,
            "privileges_needed": privileges,
            "unlocks": unlocks,
        });
        format!("{json:#}\n")
    }
}

/// The links of a plan that are raised with privileges, and those (capabilities(7)).
fn privileges(plan: &Plan) -> Vec<(Link, &'static [&'static str])> {
    let links = plan.factors.link.iter().map(|link| (*link, link.capabilities().privileges));
    links.filter(|(_, capabilities)| !capabilities.is_empty()).collect()
}

/// What tells a cell from the others of its block: its path, and what else differs there.
fn in_its_block(cell: &Cell, within: &[Factor]) -> String {
    let mut parts = vec![cell.send_path.to_string()];
    for factor in within {
        if *factor != Factor::Send && !cell.is_default(*factor) {
            parts.push(format!("{}={}", factor.id_key(), cell.get(*factor)));
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use model::Preset;
    use model::names::Audit;

    use super::*;

    fn look<T>(plan: &Plan, refusals: &Refusals, at: impl FnOnce(&Outlook<'_>) -> T) -> T {
        let forecast = study::forecast(plan, 2, |cell| refusals.has(cell));
        at(&Outlook { plan, refusals, forecast: &forecast, near: "" })
    }

    fn json(
        plan: &Plan,
        refusals: &Refusals,
        unlockable: &[(Missing, Vec<String>)],
    ) -> serde_json::Value {
        let text = look(plan, refusals, |outlook| outlook.json(unlockable));
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn cells_stand_by_block_and_controls_with_their_difference() {
        let plan = Plan::preset(Preset::Default);
        let text = look(&plan, &Refusals::default(), |outlook| outlook.text(&[], 200));
        assert!(text.starts_with("48 cells and 3 controls in 16 blocks; "), "{text}");
        assert!(
            text.contains("  message_bytes=64 threads=1     send, sendmsg, zerocopy\n"),
            "{text}"
        );
        assert!(text.contains("sendmsg replica=2"), "{text}");
        assert!(text.contains("zerocopy so_zerocopy=off"), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_reader_has_columns() {
        let mut plan = Plan::preset(Preset::Default);
        plan.factors.link = vec![Link::Loopback, Link::Sink];
        let remedy = Missing::default().unlocked_by("on the host, give the guest a virtual PMU");
        let names = ["counters", "cycles", "instructions", "llc-loads", "llc-misses"];
        let unlockable = [(remedy, names.map(str::to_owned).to_vec())];
        for width in [60, 80, 100] {
            let text =
                look(&plan, &Refusals::default(), |outlook| outlook.text(&unlockable, width));
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width), "{width}: {text}");
        }
    }

    #[test]
    fn a_link_that_needs_privileges_is_told_with_them() {
        let mut plan = Plan::preset(Preset::Quick);
        plan.factors.link = vec![Link::Loopback, Link::Veth];
        let text = look(&plan, &Refusals::default(), |outlook| outlook.text(&[], 200));
        assert!(
            text.ends_with("link veth needs root, or CAP_SYS_ADMIN and CAP_NET_ADMIN\n"),
            "{text}"
        );
        let json = json(&plan, &Refusals::default(), &[]);
        assert_eq!(json["privileges_needed"][0]["link"], "veth");
        assert_eq!(json["privileges_needed"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn an_audit_that_is_asked_for_and_refused_is_no_matter_of_measuring_more() {
        let mut plan = Plan::preset(Preset::Quick);
        plan.measure.audits = vec![Audit::CopyAudit];
        let remedy = Missing::default().unlocked_by("run as root");
        let unlockable = [(remedy, vec!["copy-audit".to_owned(), "profile".to_owned()])];
        let text = look(&plan, &Refusals::default(), |outlook| outlook.text(&unlockable, 200));
        let told = "\naudit copy-audit cannot be had: run as root\nTo measure more:\n  profile: run as root\n";
        assert!(text.ends_with(told), "{text}");
        assert!(!text.contains("No privilege is needed"), "{text}");
    }

    #[test]
    fn what_cannot_be_measured_is_listed_in_no_block() {
        let mut plan = Plan::preset(Preset::Default);
        plan.factors.link = vec![Link::Loopback, Link::Sink];
        let sink = plan.cells().into_iter().filter(|cell| cell.link == Link::Sink);
        let refusals = Refusals::of_cells(sink.map(|cell| (cell, "no BPF")));
        let text = look(&plan, &refusals, |outlook| outlook.text(&[], 200));
        assert!(text.starts_with("48 of 96 cells and 3 controls in 16 blocks; "), "{text}");
        assert!(!text.contains("link=sink"), "{text}");
        let json = json(&plan, &refusals, &[]);
        let length = |key: &str| json[key].as_array().unwrap().len();
        assert_eq!((length("cells"), length("blocks"), length("not_measured")), (48, 16, 48));
    }

    #[test]
    fn as_json_it_tells_the_same() {
        let plan = Plan::preset(Preset::Default);
        let remedy = Missing::default().unlocked_by("sudo sysctl kernel.perf_event_paranoid=1");
        let unlockable = [(remedy, vec!["counters".to_owned()])];
        let json = json(&plan, &Refusals::default(), &unlockable);
        let text = look(&plan, &Refusals::default(), |outlook| outlook.text(&unlockable, 200));
        let told = "To measure more:\n  counters: sudo sysctl kernel.perf_event_paranoid=1\n";
        assert!(text.ends_with(told), "{text}");
        let length = |key: &str| json[key].as_array().unwrap().len();
        assert_eq!((length("cells"), length("controls"), length("blocks")), (48, 3, 16));
        assert_eq!(json["cells"][0]["id"], plan.cells()[0].id());
        assert_eq!(json["cells"][0]["block"], json["blocks"][0]);
        assert_eq!(json["rounds"], 10);
        assert_eq!(json["rounds_done"], 0);
        let seconds = json["expected_seconds"].as_f64().unwrap();
        let least = study::forecast(&plan, 2, |_| false).least.as_secs_f64();
        assert!((seconds - least).abs() < 1e-9);
        assert_eq!(json["limit_seconds"], 300.0);
        assert_eq!(json["limit_will_be_exceeded"], false);
        let mut short = plan.clone();
        short.measure.max_time = Some(model::Nanos::s(1));
        let exceeded = self::json(&short, &Refusals::default(), &[]);
        assert_eq!(exceeded["limit_will_be_exceeded"], true);
        assert!(exceeded["least_round_seconds"].as_f64().unwrap() > 1.0);
        let text = look(&short, &Refusals::default(), |outlook| outlook.text(&[], 200));
        assert!(text.contains("; one round, which will exceed the limit of 1s"), "{text}");
        assert_eq!((length("not_measured"), length("privileges_needed")), (0, 0));
        assert_eq!(json["unlocks"][0]["names"][0], "counters");
    }
}
