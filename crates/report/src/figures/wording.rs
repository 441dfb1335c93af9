//! The sentences that go with figures: readings, notes, the machine.

use std::collections::BTreeSet;

use analysis::estimate::Estimate;
use analysis::metric::{Better, Metric};
use analysis::results::CellEstimates;
use analysis::summary::Summary;
use model::host::Host;
use model::{Factor, Link, Measured, SendPath};

use super::groups::{Across, Cells, Group};
use super::run::MANY_PATHS;
use crate::drawing::looks::DrawnPath;
use crate::numbers::{counted, level, share_range};
use crate::spelling::listed;
use crate::words::nic::link_name;

/// More cells without a valid trial than this are only counted.
const MOST_NAMED: usize = 3;
/// Of many paths or pairs a reading names so many.
pub(super) const BEST_NAMED: usize = 3;

/// The machine and how it was set up.
pub(crate) fn footer(summary: &Summary, host: &Host) -> String {
    let mut facts =
        vec![host.cpu_model.value().cloned().unwrap_or_else(|| "unknown CPU".to_owned())];
    let cpus = Some(summary.run.usable_cpus).filter(|cpus| *cpus > 0);
    facts.extend(cpus.map(|cpus| counted(cpus, "CPU", "CPUs")));
    facts.extend(host.kernel.value().map(|release| format!("Linux {release}")));
    let links: BTreeSet<String> =
        summary.estimates.iter().map(|entry| link_name(entry.cell.link, host)).collect();
    if summary.run.states(Factor::Link) {
        facts.extend(links);
    }
    facts.push(summary.run.congestion.clone());
    facts.push(summary.run.placement.clone());
    facts.push(counted(summary.run.rounds, "round", "rounds"));
    facts.push(format!("copycost {}", summary.copycost));
    if !summary.run.label.is_empty() {
        facts.insert(0, summary.run.label.clone());
    }
    facts.retain(|fact| !fact.is_empty());
    // Lines break between facts, but for long ones.
    let whole = |fact: &String| match fact.chars().count() {
        0..=36 => fact.replace(' ', "\u{a0}"),
        _ => fact.clone(),
    };
    facts.iter().map(whole).collect::<Vec<_>>().join(" · ")
}

/// Of which links a figure's cells are, where the run has others too, which never stand beside them.
pub(super) fn of_links(summary: &Summary, cells: &Cells) -> Option<String> {
    let shown: BTreeSet<Link> = cells.iter().map(|entry| entry.cell.link).collect();
    let all = summary.estimates.iter().filter(|entry| !entry.control).map(|entry| entry.cell.link);
    let left: BTreeSet<Link> = all.filter(|link| !shown.contains(link)).collect();
    let names =
        |links: BTreeSet<Link>| listed(&links.iter().map(ToString::to_string).collect::<Vec<_>>());
    (!left.is_empty()).then(|| {
        format!("over {} alone; sender-side cost over {} is drawn apart", names(shown), names(left))
    })
}

/// What must be said wherever zero-copy sends are compared; nothing where there is none.
pub(super) fn copied(cells: &Cells) -> Option<String> {
    // A path without completions has none that could say so.
    let by_reference =
        || cells.iter().filter(|entry| entry.cell.send_path.capabilities().gets_notifications);
    let paths: BTreeSet<SendPath> = by_reference().map(|entry| entry.cell.send_path).collect();
    let paths: Vec<&str> = paths.into_iter().map(SendPath::name).collect();
    let (paths, its) = match paths.as_slice() {
        [] => return None,
        [one] => ((*one).to_owned(), "its"),
        several => (several.join(", "), "their"),
    };
    let mut shares: Vec<f64> = by_reference()
        .filter_map(|entry| Some(entry.metrics.get(&Metric::CopiedShare)?.value()?.mean))
        .collect();
    shares.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (shares.first(), shares.last()) else {
        return Some(format!(
            "{paths}: not known how many of {its} completions were copied anyway"
        ));
    };
    let marked =
        format!("{paths}: {} of {its} completions were marked copied", share_range(*least, *most));
    Some(if *most == 0.0 {
        format!("{paths}: none of {its} completions was copied")
    } else if *least >= 1.0 {
        format!("{marked}, so no copy was saved there")
    } else {
        marked
    })
}

/// Which groups keep more threads busy than there are CPUs.
pub(super) fn oversubscribed(groups: &[Group]) -> Option<String> {
    let names: Vec<&str> = groups
        .iter()
        .filter(|group| group.oversubscribed)
        .map(|group| group.name.as_str())
        .collect();
    match names.as_slice() {
        [] => None,
        names if names.len() == groups.len() && names.len() > 1 => {
            Some("more busy threads than CPUs throughout; no cause is claimed".to_owned())
        }
        names => {
            Some(format!("more busy threads than CPUs: {}; no cause is claimed", names.join(", ")))
        }
    }
}

/// Cells that are drawn nowhere because no trial of theirs was valid.
pub(super) fn without_trials(summary: &Summary, cells: &Cells) -> Option<String> {
    let missing: Vec<&CellEstimates> = cells.iter().filter(|entry| entry.trials == 0).collect();
    if missing.is_empty() {
        return None;
    }
    let named: Vec<String> = missing
        .iter()
        .take(MOST_NAMED)
        .map(|entry| {
            let reason = summary.run.without_valid_trial.get(&entry.cell.id());
            let name = cells.cell_name(&entry.cell);
            reason.map_or_else(|| name.clone(), |reason| format!("{name} ({reason})"))
        })
        .collect();
    let more = match missing.len() - named.len() {
        0 => String::new(),
        n => format!("; and {n} more"),
    };
    Some(format!("without a valid trial, so not drawn: {}{more}", named.join("; ")))
}

/// How few rounds there were, where they are too few.
pub(super) fn preliminary(summary: &Summary) -> Option<String> {
    summary.run.preliminary.then(|| {
        format!(
            "preliminary: {}, too few for the intervals to be trusted",
            counted(summary.run.rounds, "round", "rounds")
        )
    })
}

/// The figures at both ends of a group: `1 thread: at 64 B send 0.219 [..], sendmsg 1.00 [..] Gbit/s; at 64 KiB …`; of many paths the
/// best.
pub(super) fn ends(
    group: &Group,
    paths: &[DrawnPath],
    across: Across,
    metric: Metric,
    unit: &str,
) -> Option<String> {
    let mut places: Vec<f64> = Vec::new();
    let entries: Vec<&CellEstimates> =
        paths.iter().flat_map(|path| group.of_path(*path, across)).collect();
    let value =
        |entry: &CellEstimates| entry.metrics.get(&metric).and_then(Measured::value).copied();
    for entry in &entries {
        if value(entry).is_some() {
            places.push(across.place(&entry.cell));
        }
    }
    places.sort_by(f64::total_cmp);
    places.dedup();
    let shown = match places.as_slice() {
        [] => return None,
        [only] => vec![*only],
        [first, .., last] => vec![*first, *last],
    };
    let parts: Vec<String> = shown
        .into_iter()
        .map(|place| {
            let here = || entries.iter().filter(|entry| across.place(&entry.cell) == place);
            let mut figures: Vec<(DrawnPath, Estimate)> = here()
                .filter_map(|entry| {
                    let path = paths.iter().find(|path| path.is_of(&entry.cell))?;
                    Some((*path, value(entry)?))
                })
                .collect();
            let (all, best) = (figures.len(), metric.better());
            let is_short = all > MANY_PATHS && best != Better::None;
            if is_short {
                figures.sort_by(|(_, a), (_, b)| match best {
                    Better::High => b.mean.total_cmp(&a.mean),
                    Better::Low | Better::None => a.mean.total_cmp(&b.mean),
                });
                figures.truncate(BEST_NAMED);
            }
            let figures: Vec<String> = figures
                .iter()
                .map(|(path, estimate)| format!("{} {}", path.name(), level(estimate)))
                .collect();
            let at = here().next().map_or_else(String::new, |entry| across.name(&entry.cell));
            let of = if is_short { format!(" (the best of {all})") } else { String::new() };
            format!("at {at} {} {unit}{of}", figures.join(", "))
        })
        .collect();
    Some(format!("{}: {}.", group.name, parts.join("; ")))
}
