//! `copycost probe`: what this machine can measure, how to unlock the rest and to undo that.

use std::fmt::Write as _;

use engine::probe::{Item, Probe, State};
use model::Missing;

use crate::args::ProbeArguments;
use crate::exit::Stop;
use crate::probe_peer::probe_peer;
use crate::terminal::{Reader, show};

/// Asks the machine and shows what it says; changes nothing.
///
/// # Errors
/// Standard output cannot be written; another host that was named is not reached.
pub(crate) fn probe(arguments: &ProbeArguments) -> Result<(), Stop> {
    if let Some(peer) = arguments.peer.peer()? {
        return probe_peer(peer, arguments.json);
    }
    let probe = engine::probe::probe();
    if arguments.json {
        let text = serde_json::to_string_pretty(&probe)
            .map_err(|error| Stop::Cannot(format!("cannot write JSON: {error}")))?;
        return show(&(text + "\n"));
    }
    let reader = Reader::of_output();
    // Whole lines for what reads them one by one.
    show(&table(&probe, if reader.at_terminal { reader.width } else { usize::MAX }))
}

/// What privileges or another machine would add, for `--dry-run`: each remedy, and the members of the probe's lists that it
/// unlocks. A run to another host has no other link, so that what raises one adds nothing to it.
pub(crate) fn unlockable(has_peer: bool) -> Vec<(Missing, Vec<String>)> {
    remedies(engine::probe::probe().items, has_peer)
}

fn remedies(items: Vec<Item>, has_peer: bool) -> Vec<(Missing, Vec<String>)> {
    let remedy = |item: &Item| match &item.state {
        State::No(Missing { unlock, undo, .. }) if !unlock.is_empty() => {
            let (unlock, undo) = (unlock.clone(), undo.clone());
            Some(Missing { unlock, undo, ..Missing::default() })
        }
        State::No(_) | State::Yes | State::InPart | State::Unknown(_) => None,
    };
    let of_links: Vec<Missing> =
        items.iter().filter(|item| has_peer && item.group == "link").filter_map(&remedy).collect();
    let mut remedies: Vec<(Missing, Vec<String>)> = Vec::new();
    for item in items {
        let Some(remedy) = remedy(&item).filter(|it| !of_links.contains(it)) else { continue };
        match remedies.iter_mut().find(|(known, _)| *known == remedy) {
            Some((_, names)) => names.push(item.name),
            None => remedies.push((remedy, vec![item.name])),
        }
    }
    remedies
}

/// The answers in lines of at most so many columns.
fn table(probe: &Probe, width: usize) -> String {
    let host = &probe.host;
    let model = host.cpu_model.value().map_or("unknown CPU", String::as_str);
    let cpus = u32::try_from(host.usable_cpus.len()).unwrap_or(u32::MAX);
    let machine = format!(
        "{model}, {}, Linux {} {}",
        report::numbers::counted(cpus, "usable CPU", "usable CPUs"),
        host.kernel.value().map_or("unknown", String::as_str),
        host.architecture.value().map_or("", String::as_str)
    );
    let mut text = report::folded(&machine, 2, width) + "\n";
    for noise in &probe.noise {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "{}", report::folded(&format!("! {noise}"), 2, width));
    }
    let name_width = probe.items.iter().map(|item| item.name.len()).max().unwrap_or(0);
    let mut groups: Vec<&str> = Vec::new();
    for item in &probe.items {
        if !groups.contains(&item.group.as_str()) {
            groups.push(&item.group);
        }
    }
    let mut shown = Vec::new();
    for group in groups {
        let _ = writeln!(text, "\n{}", heading(group));
        for item in probe.items.iter().filter(|item| item.group == group) {
            // Under its beginning, where that leaves room.
            let hang = if 2 * (name_width + 4) <= width { name_width + 4 } else { 6 };
            for row in rows(item, name_width, &mut shown).lines() {
                let _ = writeln!(text, "{}", report::folded(row, hang, width));
            }
        }
    }
    text
}

/// What stands above the items of a group.
pub(crate) fn heading(group: &str) -> String {
    match group {
        "memory" => "memory of the sender's ring".to_owned(),
        "io_uring" => "ways to make an io_uring".to_owned(),
        group => format!("{group}s"),
    }
}

/// An item's row, and under it what unlocks and undoes, unless that stands with another item already.
fn rows<'p>(item: &'p Item, name_width: usize, shown: &mut Vec<&'p str>) -> String {
    let note = |before: &str| {
        if item.note.is_empty() { String::new() } else { format!("{before}{}", item.note) }
    };
    let (answer, missing) = match &item.state {
        State::Yes => return format!("  {:name_width$}  yes{}\n", item.name, note("   ")),
        State::InPart => return format!("  {:name_width$}  in part{}\n", item.name, note("   ")),
        State::No(missing) => ("no", missing),
        State::Unknown(missing) => ("could not tell", missing),
    };
    let Missing { because, unlock, undo, .. } = missing;
    let note = note("; ");
    let mut text = format!("  {:name_width$}  {answer}, because {because}{note}\n", item.name);
    if !unlock.is_empty() && !shown.contains(&unlock.as_str()) {
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
    fn each_group_stands_once_under_a_heading_that_reads_as_one() {
        let of = |group: &str, name: &str| Item {
            group: group.to_owned(),
            name: name.to_owned(),
            state: State::Yes,
            note: String::new(),
        };
        let items = vec![
            of("send path", "send"),
            of("memory", "huge pages"),
            of("io_uring", "sqpoll"),
            of("memory", "file on a disk"),
            of("link", "unix"),
            of("send path", "hybrid over unix"),
        ];
        let text = table(&Probe { host: synthetic::host(), items, noise: Vec::new() }, 80);
        let at = text.find("\nsend paths\n").unwrap();
        assert_eq!(
            &text[at..],
            "\nsend paths\n  send              yes\n  hybrid over unix  yes\n\
             \nmemory of the sender's ring\n  huge pages        yes\n  file on a disk    yes\n\
             \nways to make an io_uring\n  sqpoll            yes\n\nlinks\n  unix              yes\n"
        );
    }

    #[test]
    fn a_run_to_another_host_is_told_of_no_other_link() {
        let item = |group: &str, name: &str, unlock: &str| Item {
            group: group.to_owned(),
            name: name.to_owned(),
            state: State::No(Missing::default().unlocked_by(unlock)),
            note: String::new(),
        };
        let items = || {
            vec![
                item("link", "sink ipv4", "sudo copycost run --link sink"),
                item("setting", "ack-placement sender", "sudo copycost run --link sink"),
                item("counter", "cycles", "bare metal"),
            ]
        };
        let names = |has_peer| -> Vec<String> {
            remedies(items(), has_peer).into_iter().flat_map(|(_, names)| names).collect()
        };
        assert_eq!(names(false), ["sink ipv4", "ack-placement sender", "cycles"]);
        assert_eq!(names(true), ["cycles"]);
    }

    #[test]
    fn what_is_refused_stands_with_its_reason_its_remedy_and_its_undoing() {
        let item = Item {
            group: "instrument".to_owned(),
            name: "counters".to_owned(),
            state: State::No(Missing {
                what: "hardware counters".to_owned(),
                because: "perf_event_paranoid is 4".to_owned(),
                unlock: "sudo sysctl kernel.perf_event_paranoid=1".to_owned(),
                undo: "sudo sysctl kernel.perf_event_paranoid=4".to_owned(),
                ..Missing::default()
            }),
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
        let item = Item { state: State::InPart, note: "calls: no (x)".to_owned(), ..item };
        assert_eq!(rows(&item, 8, &mut Vec::new()), "  counters  in part   calls: no (x)\n");
    }
}
