//! `copycost compare`: what changed between runs.

use std::io;
use std::path::{Path, PathBuf};

use analysis::changes::{
    Changes, Comparison, MeasuredRun, SideFacts, Verdict, compare as compared, verdict,
};
use analysis::metric::{Better, Metric};
use journal::{Owner, RunDirectory};
use model::Share;
use report::{ChangesOptions, Format};

use crate::args::CompareArguments;
use crate::derived::Derived;
use crate::exit::Stop;
use crate::named_files::replace;
use crate::run_directories;
use crate::terminal::{Reader, show, tell};

/// Compares and shows.
///
/// # Errors
/// A directory that is no run, the same one twice, sides without a common cell; with `--fail-over`, a change for the worse, or that it
/// is not excluded.
pub(crate) fn compare(arguments: &CompareArguments) -> Result<(), Stop> {
    let allowed = arguments.fail_over.as_deref().map(share).transpose()?;
    let (base, others) = sides(arguments)?;
    check_twins(&base, &others)?;
    let owner = run_directories::caller();
    let base = read(&base, owner)?;
    let others = others.iter().map(|side| read(side, owner)).collect::<Result<Vec<_>, Stop>>()?;
    let changes = compared(&base, &others);
    if let Err(stop) = check_common(&changes) {
        // What the machines and settings differ in takes no rounds and no common cell.
        if !arguments.json && arguments.format == Format::Screen {
            show(&report::differences_screen(&changes, on_screen(arguments)))?;
        }
        return Err(stop);
    }
    allowed.map_or(Ok(()), |allowed| check_judged(&changes, allowed))?;
    // The page first: what cannot be written is told before a screen is.
    if let Some(page) = &arguments.out {
        write_page(page, owner, &changes)?;
        tell(&format!("page: {}", page.display()));
    }
    let verdict = allowed.map(|allowed| (allowed, verdict(&changes, allowed.0)));
    print(arguments, &changes, verdict.as_ref().map(|(allowed, verdict)| (*allowed, verdict)))?;
    let Some((allowed, verdict)) = verdict else { return Ok(()) };
    let text = || report::judged_changes(&verdict, allowed, &changes);
    match verdict {
        Verdict::Excluded => {
            tell(&text());
            Ok(())
        }
        Verdict::Worse(_) => Err(Stop::Invalid(text())),
        Verdict::Undecided(_) => Err(Stop::Undecided(text())),
    }
}

/// From 100 % on a limit is one of costs alone, of which there must be some: else nothing could pass it.
fn check_judged(changes: &Changes, allowed: Share) -> Result<(), Stop> {
    let is_cost = |metric: Metric| metric.better() == Better::Low;
    let lacks_cost = |it: &&Comparison| {
        !it.changes.iter().any(|of| is_cost(of.metric))
            && it.not_measured.iter().any(|figure| is_cost(figure.metric))
    };
    let Some(without) = changes.comparisons.iter().find(lacks_cost).filter(|_| allowed.0 >= 1.0)
    else {
        return Ok(());
    };
    let names = |side: &SideFacts| {
        side.runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    Err(Stop::Usage(format!(
        "--fail-over: {allowed} judges CPU cost alone, as no goodput can lose that, and that of {} or of {} was not measured; give less than 100%",
        names(&changes.base),
        names(&without.other)
    )))
}

/// Each side must have a cell in common with the base.
fn check_common(changes: &Changes) -> Result<(), Stop> {
    let apart = changes.comparisons.iter().find_map(|it| report::apart(changes, it));
    apart.map_or(Ok(()), |why| Err(Stop::Usage(why)))
}

fn print(
    arguments: &CompareArguments,
    changes: &Changes,
    verdict: Option<(Share, &Verdict<'_>)>,
) -> Result<(), Stop> {
    let mut text = Vec::new();
    let written = match (arguments.json, arguments.format) {
        (true, _) => report::write_changes(&mut text, changes, verdict),
        (false, Format::Screen) => {
            return show(&report::changes_screen(changes, on_screen(arguments)));
        }
        (false, format) => report::write_change_metrics(&mut text, changes, format),
    };
    written.map_err(|error| Stop::Cannot(error.to_string()))?;
    show(&String::from_utf8_lossy(&text))
}

fn on_screen(arguments: &CompareArguments) -> ChangesOptions {
    let reader = Reader::of_output();
    ChangesOptions { width: reader.width, colour: reader.colour, verbose: arguments.verbose }
}

fn write_page(page: &Path, owner: Owner, changes: &Changes) -> Result<(), Stop> {
    let write = |file| {
        report::write_changes_html(file, changes)
            .map_err(|why| io::Error::new(why.io().kind(), why.io().to_string()))
    };
    replace(page, owner, write, |why| {
        let page = page.display();
        if why.kind() == io::ErrorKind::IsADirectory {
            return Stop::Usage(format!("{page} is a directory; name a file by --out"));
        }
        Stop::Cannot(format!("cannot write {page}: {why}; name another file by --out"))
    })
}

/// The base's directories, and those of each other side.
fn sides(arguments: &CompareArguments) -> Result<(Vec<PathBuf>, Vec<Vec<PathBuf>>), Stop> {
    let runs = &arguments.runs;
    if !arguments.with.is_empty() {
        return Ok((runs.clone(), vec![arguments.with.clone()]));
    }
    match runs.split_first() {
        Some((first, rest)) if !rest.is_empty() => {
            Ok((vec![first.clone()], rest.iter().map(|run| vec![run.clone()]).collect()))
        }
        _ => Err(Stop::Usage(
            "one run alone cannot be compared; name another: copycost compare A B".to_owned(),
        )),
    }
}

/// The same run twice would be compared with itself, or counted as two.
fn check_twins(base: &[PathBuf], others: &[Vec<PathBuf>]) -> Result<(), Stop> {
    let mut seen: Vec<(PathBuf, &Path)> = Vec::new();
    for path in base.iter().chain(others.iter().flatten()) {
        let Ok(whole) = path.canonicalize() else { continue };
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == whole) {
            return Err(Stop::Usage(format!(
                "{} and {} are the same run; name each once",
                first.display(),
                path.display()
            )));
        }
        seen.push((whole, path));
    }
    Ok(())
}

fn read(side: &[PathBuf], owner: Owner) -> Result<Vec<MeasuredRun>, Stop> {
    let one = |path: &PathBuf| {
        let directory: RunDirectory = run_directories::find(Some(path), owner)?;
        let derived = Derived::read(&directory)?;
        for note in &derived.notes {
            tell(&format!("! {}: {note}", path.display()));
        }
        Ok(derived.to_compare(path.display().to_string()))
    };
    side.iter().map(one).collect()
}

fn share(text: &str) -> Result<Share, Stop> {
    let wrong = |why: String| Stop::Usage(format!("--fail-over: {why}"));
    let share: Share = text.parse().map_err(wrong)?;
    // A cost can rise to several times what it was, but 5 is more often meant as 5 %.
    if share.0 >= 1.0 && !text.contains('%') {
        return Err(wrong(format!("{text} is {share}; write {text}% or {share}")));
    }
    Ok(share)
}
