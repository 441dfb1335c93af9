//! `copycost probe`: what this machine can measure, how to unlock the rest and to undo that.

use std::fmt::{self, Write as _};

use engine::probe::{Item, Probe, State};

use crate::args::ProbeArguments;
use crate::exit::Stop;
use crate::terminal::show;

/// Asks the machine and shows what it says; changes nothing.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn probe(arguments: &ProbeArguments) -> Result<(), Stop> {
    let probe = engine::probe::probe();
    if arguments.json {
        let text = serde_json::to_string_pretty(&probe)
            .map_err(|error| Stop::Cannot(format!("cannot write JSON: {error}")))?;
        return show(&(text + "\n"));
    }
    show(&table(&probe))
}

/// What a privilege or another machine would add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unlockable {
    /// Members of the probe's lists that one remedy unlocks.
    pub(crate) names: Vec<String>,
    /// How.
    pub(crate) unlock: String,
    /// How to undo that; empty where there is nothing to undo.
    pub(crate) undo: String,
}

impl fmt::Display for Unlockable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.names.join(", "), self.unlock)?;
        if self.undo.is_empty() { Ok(()) } else { write!(f, "; undo: {}", self.undo) }
    }
}

/// What privileges or another machine would add, one for each remedy, for `--dry-run`.
pub(crate) fn unlockable() -> Vec<Unlockable> {
    let mut remedies: Vec<Unlockable> = Vec::new();
    for item in engine::probe::probe().items {
        let State::No { unlock, undo, .. } = item.state else { continue };
        if unlock.is_empty() {
            continue;
        }
        match remedies.iter_mut().find(|known| known.unlock == unlock && known.undo == undo) {
            Some(known) => known.names.push(item.name),
            None => remedies.push(Unlockable { names: vec![item.name], unlock, undo }),
        }
    }
    remedies
}

fn table(probe: &Probe) -> String {
    let host = &probe.host;
    let model = host.cpu_model.value().map_or("unknown CPU", String::as_str);
    let cpus = u32::try_from(host.usable_cpus.len()).unwrap_or(u32::MAX);
    let mut text = format!(
        "{model}, {}, Linux {} {}\n",
        report::numbers::counted(cpus, "usable CPU", "usable CPUs"),
        host.kernel,
        host.architecture
    );
    for noise in &probe.noise {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "! {noise}");
    }
    let name_width = probe.items.iter().map(|item| item.name.len()).max().unwrap_or(0);
    let mut group = "";
    let mut shown = Vec::new();
    for item in &probe.items {
        if item.group != group {
            group = &item.group;
            let _ = writeln!(text, "\n{group}s");
        }
        text.push_str(&rows(item, name_width, &mut shown));
    }
    text
}

/// An item's row, and under it what unlocks and undoes, unless that stands with another item already.
fn rows<'p>(item: &'p Item, name_width: usize, shown: &mut Vec<&'p str>) -> String {
    let note = |before: &str| {
        if item.note.is_empty() { String::new() } else { format!("{before}{}", item.note) }
    };
    let answer = match &item.state {
        State::Yes => format!("yes{}", note("   ")),
        State::No { because, .. } => format!("no, because {because}{}", note("; ")),
        State::Unknown { because } => format!("could not tell, because {because}{}", note("; ")),
    };
    let mut text = format!("  {:name_width$}  {answer}\n", item.name);
    if let State::No { unlock, undo, .. } = &item.state
        && !unlock.is_empty()
        && !shown.contains(&unlock.as_str())
    {
        shown.push(unlock);
        for (what, how) in [("unlock", unlock), ("undo", undo)] {
            if !how.is_empty() {
                let _ = writeln!(text, "  {:name_width$}  {what}: {how}", "");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_stands_with_its_reason_its_remedy_and_its_undoing() {
        let item = Item {
            group: "instrument".to_owned(),
            name: "counters".to_owned(),
            state: State::No {
                because: "perf_event_paranoid is 4".to_owned(),
                unlock: "sudo sysctl kernel.perf_event_paranoid=1".to_owned(),
                undo: "sudo sysctl kernel.perf_event_paranoid=4".to_owned(),
            },
            note: "software counters work".to_owned(),
        };
        let mut shown = Vec::new();
        assert_eq!(
            rows(&item, 10, &mut shown),
            "  counters    no, because perf_event_paranoid is 4; software counters work
              unlock: sudo sysctl kernel.perf_event_paranoid=1
              undo: sudo sysctl kernel.perf_event_paranoid=4\n"
        );
        let other = Item { name: "cycles".to_owned(), note: String::new(), ..item.clone() };
        assert_eq!(
            rows(&other, 8, &mut shown),
            "  cycles    no, because perf_event_paranoid is 4\n"
        );
        let item = Item { state: State::Yes, note: String::new(), ..item.clone() };
        assert_eq!(rows(&item, 8, &mut Vec::new()), "  counters  yes\n");
    }
}
