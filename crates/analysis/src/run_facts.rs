//! The run as a whole, gathered record by record.

use std::collections::{BTreeMap, BTreeSet};

use model::host::Host;
use model::record::{Finish, FinishReason, ImportedFile, LinkFacts, Outcome, Segment, Side, Trial};
use model::{Factor, Link, Mark, Measured, Placement};

use crate::figures::NOT_IN_FILE;
use crate::marks::is_void;
use crate::results::{CopyingDevices, Ending};

/// CPUs of both sides under one placement.
#[derive(Clone, Debug, Default)]
struct Pinned {
    senders: BTreeSet<u32>,
    receivers: BTreeSet<u32>,
}

/// Memory of the two ends of a round, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    sender_rings: u64,
    receiver_rings: u64,
}

/// What the records say of the run, cells apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunTotals {
    pub(crate) started_unix_ms: Option<u64>,
    spent_ns: u64,
    pub(crate) segments: u32,
    /// Segments after the first of which nobody knows whether they had its line: whoever went on with the run did not compare.
    pub(crate) without_line: u32,
    /// Begin and end of what was seen of a segment that has not finished, in milliseconds.
    unfinished_ms: Option<(u64, u64)>,
    finish: Option<FinishReason>,
    pub(crate) trials: u32,
    pub(crate) void_trials: u32,
    pub(crate) noted_trials: u32,
    pub(crate) marks: BTreeMap<Mark, u32>,
    congestion: BTreeSet<String>,
    planned_congestion: BTreeSet<String>,
    placements: BTreeMap<Placement, Pinned>,
    usable_cpus: usize,
    memory: Memory,
    pub(crate) imported: Vec<ImportedFile>,
    copying_devices: BTreeMap<Link, CopyingDevices>,
    peak_without_rings: Option<u64>,
}

impl RunTotals {
    pub(crate) fn segment(&mut self, segment: &Segment) {
        self.leave_segment();
        self.started_unix_ms.get_or_insert(segment.started_unix_ms);
        self.without_line += u32::from(self.segments > 0 && segment.line.is_none());
        self.segments += 1;
        self.unfinished_ms = Some((segment.started_unix_ms, segment.started_unix_ms));
        self.finish = None;
        if !segment.congestion.is_empty() {
            self.planned_congestion.insert(segment.congestion.clone());
        }
        self.memory = Memory::default();
    }

    /// A round begins, with fresh ends.
    pub(crate) fn round(&mut self) {
        self.memory = Memory::default();
    }

    pub(crate) fn finish(&mut self, finish: &Finish) {
        self.spent_ns = self.spent_ns.saturating_add(finish.spent_ns.0);
        self.unfinished_ms = None;
        self.finish = Some(finish.reason);
    }

    /// A killed segment says nothing of the time it spent: from its start to the end of its last trial.
    fn leave_segment(&mut self) {
        if let Some((begin, end)) = self.unfinished_ms.take() {
            self.spent_ns =
                self.spent_ns.saturating_add(end.saturating_sub(begin).saturating_mul(1_000_000));
        }
    }

    pub(crate) fn trial(&mut self, trial: &Trial, marks: &[Mark]) {
        self.trials += 1;
        self.started_unix_ms.get_or_insert(trial.started_unix_ms);
        let settings = &trial.settings;
        let lasted_ms = settings
            .warmup_ns
            .0
            .saturating_add(settings.window_ns.0)
            .saturating_add(settings.tail_ns.0)
            / 1_000_000;
        if let Some((_, end)) = &mut self.unfinished_ms {
            *end = trial.started_unix_ms.saturating_add(lasted_ms).max(*end);
        }
        for mark in marks {
            *self.marks.entry(*mark).or_insert(0) += 1;
        }
        if is_void(marks) {
            self.void_trials += 1;
        } else if marks.iter().any(|mark| *mark != Mark::Oversubscribed) {
            self.noted_trials += 1;
        }
        let usable_cpus = match &trial.outcome {
            Outcome::Imported(imported) => imported.usable_cpus.unwrap_or(0) as usize,
            Outcome::Failed(_) | Outcome::Finished(_) => settings.usable_cpus.len(),
        };
        self.usable_cpus = self.usable_cpus.max(usable_cpus);
        if !self.placements.contains_key(&trial.cell.placement) {
            self.placements.insert(trial.cell.placement.clone(), Pinned::default());
        }
        if let Some(pinned) = self.placements.get_mut(&trial.cell.placement) {
            pinned.senders.extend(&settings.sender_cpus);
            pinned.receivers.extend(&settings.receiver_cpus);
        }
        if let Outcome::Finished(finished) = &trial.outcome {
            self.devices(trial.cell.link, &finished.link);
            let congestion = &finished.sender.socket.congestion;
            if !congestion.is_empty() && !self.congestion.contains(congestion) {
                self.congestion.insert(congestion.clone());
            }
            let of_sender = without_rings(&finished.sender, &mut self.memory.sender_rings);
            let of_receiver = without_rings(&finished.receiver, &mut self.memory.receiver_rings);
            self.peak_without_rings = self.peak_without_rings.max(Some(of_sender.max(of_receiver)));
        }
    }

    fn devices(&mut self, link: Link, facts: &Measured<LinkFacts>) {
        let Some(facts) = facts.value() else { return };
        let gathers = facts.scatter_gather.value().copied().unwrap_or(true);
        let taps = facts.packet_taps.value().copied().unwrap_or(0);
        if gathers && taps == 0 {
            return;
        }
        let none = CopyingDevices { link, without_scatter_gather: 0, tapped: 0, packet_taps: 0 };
        let of_link = self.copying_devices.entry(link).or_insert(none);
        of_link.without_scatter_gather += u32::from(!gathers);
        of_link.tapped += u32::from(taps > 0);
        of_link.packet_taps = of_link.packet_taps.max(taps);
    }

    /// What on the links' own devices copies what is passed by reference.
    pub(crate) fn copying_devices(&self) -> Vec<CopyingDevices> {
        self.copying_devices.values().copied().collect()
    }

    /// Time spent measuring, in ns.
    pub(crate) fn spent_ns(&mut self) -> Measured<u64> {
        self.leave_segment();
        // No trial takes no time: a file that tells none says nothing of it.
        match self.spent_ns {
            0 if !self.imported.is_empty() => Measured::absent(NOT_IN_FILE),
            spent_ns => Measured::Value(spent_ns),
        }
    }

    /// Factors that some imported file has no column for; all of them must tell the same, to be of one run.
    pub(crate) fn unstated(&self) -> Vec<Factor> {
        let is_silent = |factor: &Factor| {
            let mut stated = self.imported.iter().filter_map(|file| file.stated.as_ref());
            stated.any(|stated| !stated.contains(factor))
        };
        Factor::ALL.iter().copied().filter(is_silent).collect()
    }

    /// Why the last segment ended.
    pub(crate) fn ending(&self) -> Ending {
        self.finish.into()
    }

    /// The congestion controls in effect, as the sockets say; without a trial, as the segments do.
    pub(crate) fn congestion(&self) -> String {
        let said =
            if self.congestion.is_empty() { &self.planned_congestion } else { &self.congestion };
        said.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn usable_cpus(&self, host: &Host) -> u32 {
        let usable = if self.usable_cpus > 0 { self.usable_cpus } else { host.usable_cpus.len() };
        u32::try_from(usable).unwrap_or(u32::MAX)
    }

    pub(crate) fn peak_rss_without_rings(&self) -> Measured<u64> {
        match self.peak_without_rings {
            Some(bytes) => Measured::Value(bytes),
            None if !self.imported.is_empty() => Measured::absent(NOT_IN_FILE),
            None => Measured::absent("no trial finished"),
        }
    }

    /// Where the workers ran, in words.
    pub(crate) fn placement(&self, host: &Host) -> String {
        if !self.imported.is_empty() {
            return "placement unknown".to_owned();
        }
        let words: Vec<String> = self
            .placements
            .iter()
            .map(|(placement, pinned)| match self.placements.len() {
                1 => in_words(pinned, host),
                _ => format!("placement {placement}: {}", in_words(pinned, host)),
            })
            .collect();
        if words.is_empty() { "nothing ran".to_owned() } else { words.join("; ") }
    }
}

/// Peak memory of an end less the largest rings that it has had since it was started.
fn without_rings<T>(side: &Side<T>, rings: &mut u64) -> u64 {
    *rings = side.ring_bytes.0.max(*rings);
    side.peak_rss_bytes.0.saturating_sub(*rings)
}

fn in_words(pinned: &Pinned, host: &Host) -> String {
    let Pinned { senders, receivers } = pinned;
    if senders.is_empty() && receivers.is_empty() {
        return "not pinned".to_owned();
    }
    let core = |cpu: &u32| {
        let place = host.cpus.iter().find(|facts| facts.cpu == *cpu)?;
        Some((place.package.value().copied(), *place.core.value()?))
    };
    let sender_cores: BTreeSet<_> = senders.iter().filter_map(core).collect();
    let there = " of the other host";
    if host.peer().is_some() {
        let (first, last) = if host.sender_host.is_some() { (there, "") } else { ("", there) };
        return format!(
            "senders CPU {}{first}, receivers CPU {}{last}",
            ranges(senders),
            ranges(receivers)
        );
    }
    let shared = if !senders.is_disjoint(receivers) {
        ", sharing CPUs"
    } else if receivers.iter().filter_map(core).any(|core| sender_cores.contains(&core)) {
        ", sharing physical cores"
    } else {
        ""
    };
    format!("senders CPU {}, receivers CPU {}{shared}", ranges(senders), ranges(receivers))
}

/// CPU numbers as people write them: `0-3,8`.
fn ranges(cpus: &BTreeSet<u32>) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*cpu) => *last = *cpu,
            _ => parts.push((*cpu, *cpu)),
        }
    }
    let text = |(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    parts.iter().map(text).collect::<Vec<_>>().join(",")
}
