//! Everything in a run directory that follows from its plan, host and journal.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use analysis::JudgedRun;
use analysis::changes::MeasuredRun;
use analysis::laws::law::LawState;
use analysis::summary::Summary;
use journal::{Class, JournalError, Opened, Replacement, RunDirectory};
use model::host::Host;
use model::record::Record;
use model::{Cell, Plan};
use report::numbers::counted;
use report::{ColumnSet, EarlyRows, Format, Origin, ReportError, TrialsCsv};

use crate::exit::Stop;
use crate::pictures::{painted_beside, write_pictures};
use crate::terminal::{Reader, show, tell};
use crate::trials_beside::{Place, SeenTrials, TrialsBeside};

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        match error.class() {
            Class::Usage => Self::Usage(error.to_string()),
            Class::Cannot => Self::Cannot(error.to_string()),
        }
    }
}

/// What a run directory holds and what follows from it.
pub(crate) struct Derived {
    /// What was asked.
    pub(crate) plan: Plan,
    /// The machine.
    pub(crate) host: Host,
    /// Which run and machine this is.
    pub(crate) origin: Origin,
    /// What was measured, trial by trial.
    pub(crate) judged: JudgedRun,
    /// Records that were read; a run that goes on has more by now.
    records: usize,
    /// The columns of `trials.csv`, and its rows where they were written while the journal was read.
    trials: SeenTrials,
    /// All figures.
    pub(crate) summary: Summary,
    /// What a reader of the journal must know, such as a torn last line.
    pub(crate) notes: Vec<String>,
}

impl Derived {
    /// Reads plan, host and journal, and derives the rest.
    ///
    /// # Errors
    /// A file that is missing, damaged or of another version.
    pub(crate) fn read(directory: &RunDirectory) -> Result<Self, Stop> {
        Self::read_beside(directory, None)
    }

    /// The same of a run whose derived files are written then: of a long journal rows are written while it is read.
    ///
    /// # Errors
    /// As [`Derived::read`].
    pub(crate) fn read_to_write(
        directory: &RunDirectory,
        columns: ColumnSet,
    ) -> Result<Self, Stop> {
        Self::read_beside(directory, Some(Place::new(directory, columns)))
    }

    fn read_beside(directory: &RunDirectory, place: Option<Place>) -> Result<Self, Stop> {
        let Opened { plan, host, records: mut all } = directory.open_contents()?;
        let origin = Origin::new(&directory.name(), &plan.label, &host);
        let mut judged = JudgedRun::new(&plan);
        let mut outside = Outside::new(&plan);
        let mut trials = TrialsBeside::new(TrialsCsv::new(&plan, &origin), place);
        let mut records = 0;
        let read = all.by_ref().try_for_each(|record| {
            let record = record?;
            records += 1;
            outside.see(&record);
            judged.push(&record);
            trials.take(record);
            Ok::<(), JournalError>(())
        });
        // What was begun is ended, whatever was read.
        let trials = trials.end();
        read?;
        let mut trials = trials
            .ok_or_else(|| Stop::Cannot("the thread that writes trials.csv ended by itself; run it again, and report this as a defect".to_owned()))?;
        let host = judged.hosts(host);
        let summary = judged.summary(&plan, &host);
        let torn = all.torn().into_iter().map(|torn| torn.to_string());
        let notes = torn.chain(outside.told()).collect();
        let origin = origin.on(&host).without(&summary.run.unstated);
        trials.csv.of(&origin);
        trials.early = trials.early.filter(|early| trials.csv.is_as_begun(early));
        Ok(Self { plan, host, origin, judged, records, trials, summary, notes })
    }

    /// Writes the derived files, each whole or not at all.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) fn write(
        &mut self,
        directory: &RunDirectory,
        columns: ColumnSet,
    ) -> Result<(), JournalError> {
        let early = self.trials.early.take();
        let figures = report::figures::all(&self.summary, &self.host);
        let data_paths = report::data_paths(&self.summary, &self.host);
        let page = report::Page {
            summary: &self.summary,
            host: &self.host,
            plan: &self.plan,
            figures: &figures,
            data_paths: &data_paths,
        };
        let pictures: Vec<(&str, &str)> = figures
            .iter()
            .map(|figure| (figure.name, figure.svg.as_str()))
            .chain(data_paths.iter().map(|diagram| (diagram.name.as_str(), diagram.svg.as_str())))
            .collect();
        let (note, painted) = painted_beside(&pictures, || {
            let note = self.write_tables(directory, columns, early)?;
            write_pages(directory, &page)?;
            Ok(note)
        })?;
        write_pictures(directory, &pictures, painted)?;
        self.write_flame_graphs(directory)?;
        self.notes.extend(note);
        Ok(())
    }

    /// CSV and `summary.json`. Returns what a reader of `paper.csv` must know.
    fn write_tables(
        &self,
        directory: &RunDirectory,
        columns: ColumnSet,
        trials: Option<EarlyRows<Replacement>>,
    ) -> Result<Option<String>, JournalError> {
        let again = |error: ReportError| plain(&error);
        // What cannot be written to its end is written again, and then told.
        match trials.and_then(|rows| rows.into_inner().ok()) {
            Some(file) => file.take_place()?,
            None => self.write_trials(directory, columns)?,
        }
        directory.replace(&directory.results(), |file| {
            report::write_results(file, &self.summary, &self.origin, columns).map_err(again)
        })?;
        directory.replace(&directory.ratios(), |file| {
            report::write_ratios(file, &self.summary, &self.origin, columns).map_err(again)
        })?;
        let mut note = None;
        directory.replace(&directory.paper(), |file| {
            note = report::write_paper(file, &self.summary).map_err(again)?;
            Ok(())
        })?;
        directory.replace(&directory.summary(), |file| {
            report::write_summary(file, &self.summary).map_err(again)
        })?;
        Ok(note)
    }

    /// Reads the journal once more, as its records are not kept. Where it is not what it was, the rows that were there stay.
    fn write_trials(
        &self,
        directory: &RunDirectory,
        columns: ColumnSet,
    ) -> Result<(), JournalError> {
        let mut records = directory.open_contents()?.records;
        let mut damaged = None;
        let written = directory.replace(&directory.trials(), |file| {
            let again = |why: ReportError| plain(&why);
            let mut rows = self.trials.csv.begin(file, columns).map_err(again)?;
            for read in 0..self.records {
                match records.next() {
                    Some(Ok(record)) => rows.push(&record).map_err(again)?,
                    Some(Err(why)) => {
                        damaged = Some(why);
                        return Err(io::Error::other("the journal was damaged meanwhile"));
                    }
                    None => return Err(self.shorter(read)),
                }
            }
            rows.finish().map_err(again)
        });
        // It was read once already: what is wrong with it came since, and its line is the one to name.
        damaged.map_or(written, Err)
    }

    fn shorter(&self, read: usize) -> io::Error {
        let had = counted(self.records, "record", "records");
        io::Error::other(format!("the journal had {had} a moment ago and has {read} now"))
    }

    /// One SVG a profiled cell; the page links to them.
    fn write_flame_graphs(&self, directory: &RunDirectory) -> Result<(), JournalError> {
        let audits = self.judged.audits().audited;
        for (stem, cell, profile) in analysis::cpu_breakdown::profiles(audits) {
            let Some(svg) = report::flame_graph(cell, profile) else { continue };
            let file = directory.figures()?.join(format!("{stem}.svg"));
            directory.replace(&file, |file| io::Write::write_all(file, svg.as_bytes()))?;
        }
        Ok(())
    }

    /// The one screen at the end; where no report could be written, all figures as a table, which names none.
    fn screen(&self, directory: &RunDirectory, verbose: bool, is_written: bool) -> String {
        let reader = Reader::of_output();
        if !is_written {
            return report::cells_table(&self.summary, reader.width, reader.colour);
        }
        let name = directory.path().display().to_string();
        let options = report::ScreenOptions {
            width: reader.width,
            colour: reader.colour,
            verbose,
            directory: &name,
        };
        report::screen(&self.summary, &self.host, &self.plan, options)
    }

    /// The run as far as it can be compared with others, by this name.
    pub(crate) fn to_compare(&self, name: String) -> MeasuredRun {
        MeasuredRun::new(name, &self.plan, &self.host, &self.judged, &self.summary)
    }

    /// Goodput and cost, for services that follow them.
    ///
    /// # Errors
    /// None in practice: the figures are plain.
    fn metrics(&self, format: Format) -> Result<String, Stop> {
        let mut text = Vec::new();
        report::write_metrics(&mut text, &self.summary, format)
            .map_err(|error| Stop::Cannot(error.to_string()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// `summary.json`.
    ///
    /// # Errors
    /// None in practice: the figures are plain.
    fn json(&self) -> Result<String, Stop> {
        let mut text = Vec::new();
        report::write_summary(&mut text, &self.summary)
            .map_err(|error| Stop::Cannot(error.to_string()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// What keeps a run from counting as well done.
    ///
    /// # Errors
    /// No cell has a valid trial: this machine cannot. With `strict`, any cell without one, or a broken law.
    pub(crate) fn judge(&self, directory: &RunDirectory, strict: bool) -> Result<(), Stop> {
        judge(&self.summary, &directory.path().display().to_string(), strict)
    }
}

/// What of a run's figures is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figures {
    /// One screen.
    Screen {
        /// Whether with what otherwise only the report shows.
        verbose: bool,
    },
    /// `summary.json`.
    Json,
    /// Goodput and cost, for services that follow them.
    Metrics(Format),
}

impl Figures {
    /// What `--json` and `--verbose` ask for.
    pub(crate) const fn asked(json: bool, verbose: bool) -> Self {
        if json { Self::Json } else { Self::Screen { verbose } }
    }
}

/// Derives everything from a run's journal, writes it, and shows it.
///
/// # Errors
/// A file that is missing, damaged or of another version, or one that cannot be written; the figures are shown even then.
pub(crate) fn present(
    directory: &RunDirectory,
    figures: Figures,
    columns: ColumnSet,
) -> Result<Derived, Stop> {
    let mut derived = Derived::read_to_write(directory, columns)?;
    let written = derived.write(directory, columns);
    for note in &derived.notes {
        tell(&format!("! {note}"));
    }
    show(&match figures {
        Figures::Json => derived.json()?,
        Figures::Metrics(format) => derived.metrics(format)?,
        Figures::Screen { verbose } => derived.screen(directory, verbose, written.is_ok()),
    })?;
    match written {
        Ok(()) => Ok(derived),
        Err(JournalError::Full(path)) => Err(Stop::Cannot(format!(
            "no space left to write {}; every trial is kept: make room, then copycost report {}",
            path.display(),
            directory.path().display()
        ))),
        Err(other) => Err(other.into()),
    }
}

/// What the operating system said of a file that could not be written.
fn plain(error: &ReportError) -> io::Error {
    io::Error::new(error.io().kind(), error.io().to_string())
}

/// Records of cells that the plan has not, which then are another plan's or another run's. Which controls a plan brings is a
/// matter of the version that measured, so that a cell counts by what it has beside them.
struct Outside {
    cells: HashSet<Cell>,
    /// The journal's line, from 1.
    line: u64,
    found: u32,
    first: Option<(u64, Cell)>,
}

impl Outside {
    fn new(plan: &Plan) -> Self {
        let cells = plan.cells().into_iter().map(Self::plain).collect();
        Self { cells, line: 0, found: 0, first: None }
    }

    fn plain(cell: Cell) -> Cell {
        let usual = Cell::default();
        let (replica, watch, so_zerocopy) = (usual.replica, usual.watch, usual.so_zerocopy);
        Cell { replica, watch, so_zerocopy, ..cell }
    }

    /// Takes the next record.
    fn see(&mut self, record: &Record) {
        self.line += 1;
        let cell = match record {
            Record::Trial(trial) => Some(&trial.cell),
            Record::Audit(audited) => Some(&audited.cell),
            Record::AuditRefused(refused) => refused.cell.as_ref(),
            Record::Segment(_)
            | Record::Round(_)
            | Record::Ceiling(_)
            | Record::Finish(_)
            | Record::Imported(_) => None,
        };
        let Some(cell) = cell.filter(|cell| !self.cells.contains(*cell)) else { return };
        if !self.cells.contains(&Self::plain(cell.clone())) {
            self.found = self.found.saturating_add(1);
            self.first.get_or_insert_with(|| (self.line, cell.clone()));
        }
    }

    /// What a reader must know of them, if there are any.
    fn told(&self) -> Option<String> {
        let (line, first) = self.first.as_ref()?;
        let records = counted(self.found, "record", "records");
        Some(format!(
            "{records} of cells that plan.toml does not have, the first in the journal's line {line} ({}): plan and journal are not of one run",
            first.id()
        ))
    }
}

/// The page that the screen names.
fn report_page(directory: &RunDirectory) -> PathBuf {
    directory.path().join("report.html")
}

fn judge(summary: &Summary, directory: &str, strict: bool) -> Result<(), Stop> {
    let reasons = &summary.run.without_valid_trial;
    // Controls answer no question.
    let asked: Vec<_> = summary.estimates.iter().filter(|cell| !cell.control).collect();
    let (unreached, void): (Vec<_>, Vec<_>) = asked
        .iter()
        .filter(|cell| cell.trials == 0)
        .map(|cell| (cell.cell.id(), cell.void_trials))
        .partition(|(_, attempts)| *attempts == 0);
    let because = |(id, _): &(String, u32)| {
        format!("{id}: {}", reasons.get(id).map_or("no reason is known", String::as_str))
    };
    let first = void.first().map(because);
    if asked.iter().all(|cell| cell.trials == 0) {
        let because = report::void_because(summary);
        return Err(Stop::Cannot(match (because, first) {
            (_, None) => {
                format!("nothing was measured yet; go on with: copycost run --resume {directory}")
            }
            (Some(because), _) => format!("there is not one valid trial: {because}"),
            (None, Some(first)) => format!("there is not one valid trial ({first})"),
        }));
    }
    let cells = |n: usize| counted(u32::try_from(n).unwrap_or(u32::MAX), "cell", "cells");
    let mut faults = Vec::new();
    if let Some(first) = first {
        faults.push(format!("{} without a valid trial ({first})", cells(void.len())));
    }
    if !unreached.is_empty() {
        let cells = cells(unreached.len());
        faults.push(format!(
            "{cells} not reached yet; go on with: copycost run --resume {directory}"
        ));
    }
    let broken = summary.explained.laws.iter().find(|law| law.state == LawState::Broken);
    if let Some(law) = broken {
        faults.push(format!("{} is broken: {}", report::law_title(law), report::law_because(law)));
    }
    if strict && !faults.is_empty() {
        return Err(Stop::Invalid(faults.join("; ")));
    }
    Ok(())
}

/// Writes pictures, by file stem, as SVG and PNG.
///
/// # Errors
/// The directory cannot be written, or a picture cannot be painted.
fn write_pages(directory: &RunDirectory, page: &report::Page<'_>) -> Result<(), JournalError> {
    let again = |error: ReportError| plain(&error);
    directory
        .replace(&report_page(directory), |file| report::write_html(file, page).map_err(again))?;
    directory.replace(&directory.path().join("report.md"), |file| {
        report::write_markdown(file, page).map_err(again)
    })
}

#[cfg(test)]
mod tests {
    use analysis::laws::law::Law;
    use analysis::laws::reason::LawReason;
    use model::Preset;
    use model::record::FailureKind;

    use super::*;

    #[test]
    fn records_of_cells_outside_the_plan_are_named_and_controls_are_not() {
        let mut plan = Plan::preset(Preset::Default);
        plan.factors.threads.truncate(1);
        let records = synthetic::run(&plan, 1, synthetic::trial);
        let outside = |plan: &Plan| {
            let mut outside = Outside::new(plan);
            records.iter().for_each(|record| outside.see(record));
            outside.told()
        };
        assert_eq!(outside(&plan), None);
        plan.factors.message.truncate(3);
        let told = outside(&plan).unwrap();
        // Three paths and three controls at the size that the plan has no more.
        assert!(told.starts_with("6 records of cells that plan.toml does not have"), "{told}");
    }

    #[test]
    fn a_journal_that_changed_between_its_readings_leaves_the_rows_that_were_there() {
        let folder = tempfile::tempdir().unwrap();
        let (run, mut journal) = RunDirectory::begin(&folder.path().join("run"), None).unwrap();
        let mut plan = Plan::preset(Preset::Default);
        plan.factors.message.truncate(1);
        plan.factors.threads.truncate(1);
        run.write_plan(&plan).unwrap();
        run.write_host(&synthetic::host()).unwrap();
        journal.append_all(&synthetic::run(&plan, 2, synthetic::trial)).unwrap();
        drop(journal);
        let mut derived = Derived::read(&run).unwrap();
        derived.write(&run, ColumnSet::All).unwrap();
        let rows = std::fs::read(run.trials()).unwrap();
        let whole = std::fs::read(run.journal()).unwrap();
        let middle = whole.len() / 2;
        let line = whole.iter().take(middle).filter(|byte| **byte == b'\n').count() + 1;
        let mut flipped = whole.clone();
        flipped[middle] ^= 1;
        let end = middle + whole[middle..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let damaged = (flipped, format!("line {line} is damaged"));
        let shorter = (whole[..end].to_vec(), format!("a moment ago and has {line} now"));
        for (bytes, told) in [damaged, shorter] {
            std::fs::write(run.journal(), bytes).unwrap();
            let error = derived.write(&run, ColumnSet::All).unwrap_err().to_string();
            assert!(error.contains(&told), "{error}");
            assert_eq!(std::fs::read(run.trials()).unwrap(), rows);
        }
        // One that went on meanwhile is written as far as it was read.
        std::fs::write(run.journal(), whole).unwrap();
        let mut journal = run.resume_journal().unwrap().writer;
        journal.append_all(&synthetic::run(&plan, 1, synthetic::trial)).unwrap();
        derived.write(&run, ColumnSet::All).unwrap();
        assert_eq!(std::fs::read(run.trials()).unwrap(), rows);
    }

    #[test]
    fn rows_written_while_the_journal_is_read_are_those_of_a_second_reading() {
        let folder = tempfile::tempdir().unwrap();
        let (run, mut journal) = RunDirectory::begin(&folder.path().join("run"), None).unwrap();
        let mut plan = Plan::preset(Preset::Default);
        plan.factors.message.truncate(2);
        run.write_plan(&plan).unwrap();
        run.write_host(&synthetic::host()).unwrap();
        journal.append_all(&synthetic::run(&plan, 6, synthetic::trial)).unwrap();
        let names = || {
            let names = std::fs::read_dir(run.path()).unwrap();
            let mut names: Vec<_> = names.map(|it| it.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let rows_of = |mut derived: Derived, columns| {
            let had_rows = derived.trials.early.is_some();
            let early = derived.trials.early.take();
            derived.write_tables(&run, columns, early).unwrap();
            (std::fs::read(run.trials()).unwrap(), had_rows)
        };
        let mut files = Vec::new();
        let mut both = |is_as_begun: bool| {
            for columns in ColumnSet::ALL {
                let (twice, _) = rows_of(Derived::read(&run).unwrap(), columns);
                files = names();
                // Begun in a batch, after one, and never.
                for (first, is_early) in [(40, is_as_begun), (41, is_as_begun), (1 << 20, false)] {
                    let place = Some(Place::after(first, &run, columns));
                    let (rows, was_early) =
                        rows_of(Derived::read_beside(&run, place).unwrap(), columns);
                    assert!(rows == twice, "{columns:?} {first}");
                    assert_eq!(was_early, is_early, "{columns:?} {first}");
                    assert_eq!(names(), files);
                }
            }
        };
        both(true);
        // A failure tells something in columns that were empty, after the rows were begun.
        let failed = |cell: &Cell, round| {
            synthetic::trial(cell, round).failed(FailureKind::CallFailed, "connect: EPERM")
        };
        journal.append_all(&synthetic::run(&plan, 1, failed)).unwrap();
        both(false);
        let whole = std::fs::read(run.journal()).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        std::fs::write(run.journal(), flipped).unwrap();
        let rows = std::fs::read(run.trials()).unwrap();
        let damaged = Derived::read_beside(&run, Some(Place::after(40, &run, ColumnSet::All)));
        let Err(Stop::Usage(why) | Stop::Cannot(why)) = damaged else { panic!("accepted") };
        assert!(why.contains("is damaged"), "{why}");
        assert_eq!((std::fs::read(run.trials()).unwrap(), names()), (rows, files));
    }

    #[test]
    fn only_the_plans_cells_are_counted_and_the_unreached_apart() {
        let mut plan = Plan::preset(Preset::Default);
        plan.factors.message.truncate(1);
        plan.factors.threads.truncate(1);
        let judged = |rounds: u32, keep: usize, is_void: &dyn Fn(&Cell) -> bool| {
            let records = synthetic::run(&plan, rounds, |cell, round| {
                let trial = synthetic::trial(cell, round);
                if is_void(cell) {
                    trial.failed(FailureKind::CallFailed, "connect: EPERM")
                } else {
                    trial
                }
            });
            let kept = records.into_iter().take(keep).collect::<Vec<_>>();
            judge(&analysis::summarise(&plan, &synthetic::host(), &kept), "run", true)
        };
        let controls = plan.controls();
        assert!(!controls.is_empty());
        assert_eq!(judged(2, usize::MAX, &|cell| controls.contains(cell)), Ok(()));
        let Err(Stop::Invalid(why)) = judged(2, usize::MAX, &|cell| {
            controls.contains(cell) || cell.send_path == model::SendPath::Zerocopy
        }) else {
            panic!("accepted")
        };
        assert!(why.starts_with("1 cell without a valid trial (send=zerocopy"), "{why}");
        let late = synthetic::run(&plan, 1, |cell, round| {
            synthetic::trial(cell, round).marked(model::Mark::WindowVoid)
        });
        let late = analysis::summarise(&plan, &synthetic::host(), &late);
        let Err(Stop::Cannot(why)) = judge(&late, "run", false) else { panic!("accepted") };
        let remedy = "longer than a slice); what helps: fewer threads than CPUs";
        assert!(why.contains(remedy) && !why.contains("window-void"), "{why}");
        let Err(Stop::Cannot(why)) = judged(1, 1, &|_| false) else { panic!("accepted") };
        assert!(why.starts_with("nothing was measured yet"), "{why}");
        // The segment, the round, and the first trial.
        let Err(Stop::Invalid(why)) = judged(1, 3, &|_| false) else { panic!("accepted") };
        assert!(why.contains(" not reached yet"), "{why}");
        assert!(!why.contains("without a valid trial"), "{why}");
    }

    #[test]
    fn a_broken_law_is_no_success_where_somebody_insists() {
        let plan = Plan::preset(Preset::Default);
        let host = synthetic::host();
        let records = synthetic::run(&plan, 2, synthetic::trial);
        let mut summary = analysis::summarise(&plan, &host, &records);
        summary.explained.laws = vec![Law {
            id: 3,
            state: LawState::Broken,
            reasons: vec![LawReason::Compared { of: 2, differ: 1 }],
            compared: 2,
            broken_by: Vec::new(),
            broken_by_more: 0,
            links: Vec::new(),
            would_decide: Vec::new(),
        }];
        assert_eq!(judge(&summary, "run", false), Ok(()));
        let why = "law 3 (notifications) is broken: sends and completions differ in 1 of 2 trials"
            .to_owned();
        assert_eq!(judge(&summary, "run", true), Err(Stop::Invalid(why)));
        summary.explained.laws.clear();
        assert_eq!(judge(&summary, "run", true), Ok(()));
    }
}
