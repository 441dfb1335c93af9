//! A bench that does what a test says, a clock that it moves, and a journal in memory.

use std::cell::{Cell as Shelf, RefCell};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use engine::{AuditSeen, EngineError, SeriesOrder, SliceSeen, TrialOrder};
use journal::{Reader, RunId, Store, Writer};
use model::audit::CeilingPoint;
use model::record::{CpuBusy, FinishReason, Outcome, Record, SeriesSettings, Settings, Trial};
use model::{Audit, Bytes, Cell, Measured, Missing, Nanos, Plan, Preset, SendPath};
use study::{Bench, Clock, Event, OutOfTime, Study, StudyError};
use synthetic::TrialBuilder;

/// What a test answers to an order; the number counts orders from 1.
pub(crate) type Answer<'a> =
    Box<dyn FnMut(&TrialOrder, u32) -> Result<TrialBuilder, EngineError> + 'a>;

#[derive(Clone, Default)]
pub(crate) struct Watch(Rc<Shelf<u64>>);

impl Clock for Watch {
    fn monotonic(&self) -> Nanos {
        Nanos(self.0.get())
    }

    fn unix_ms(&self) -> u64 {
        1_764_000_000_000 + self.0.get() / 1_000_000
    }
}

impl Watch {
    fn pass(&self, time: Nanos) {
        self.0.set(self.0.get() + time.0);
    }
}

/// The scripted bench.
pub(crate) struct Script<'a> {
    answer: Answer<'a>,
    /// Answers of `begin_round` that are no success, first one first.
    pub(crate) begins: Vec<Option<EngineError>>,
    watch: Watch,
    /// How many times as long as ordered trials take.
    pub(crate) slow: u64,
    orders: u32,
    /// The series that were ordered.
    pub(crate) series: Vec<SeriesOrder>,
    /// How fast each of so many slices of an order's trial is; empty: the record holds none.
    pub(crate) speeds: fn(u32, usize) -> Vec<f64>,
    /// Rounds begun less rounds ended.
    pub(crate) open: bool,
    pub(crate) begun: u32,
    /// What audit trials were ordered.
    pub(crate) audited: Vec<(Cell, Vec<Audit>)>,
    /// Whether the copy audit counts; else it tells nothing.
    pub(crate) counts: bool,
    /// What is refused beforehand.
    pub(crate) refusals: Vec<(Audit, Option<Cell>, Missing)>,
    /// Cells that are refused beforehand.
    pub(crate) refused_cells: Vec<Cell>,
    /// Answers of `ceiling`, the last one first; none left: it fails.
    pub(crate) ceilings: Vec<Result<Vec<CeilingPoint>, Missing>>,
}

impl<'a> Script<'a> {
    pub(crate) fn new(
        answer: impl FnMut(&TrialOrder, u32) -> Result<TrialBuilder, EngineError> + 'a,
    ) -> Self {
        let watch = Watch::default();
        Self {
            answer: Box::new(answer),
            begins: Vec::new(),
            watch,
            slow: 1,
            orders: 0,
            series: Vec::new(),
            speeds: |_, _| Vec::new(),
            open: false,
            begun: 0,
            audited: Vec::new(),
            ceilings: Vec::new(),
            counts: false,
            refusals: Vec::new(),
            refused_cells: Vec::new(),
        }
    }

    /// Every trial goes well, and audits count.
    pub(crate) fn counting() -> Self {
        Self { counts: true, ..Self::good() }
    }

    /// Every trial goes well.
    pub(crate) fn good() -> Self {
        Self::new(|order, _| Ok(synthetic::trial(&order.cell, 1)))
    }
}

impl Bench for Script<'_> {
    fn begin_round(&mut self) -> Result<Measured<CpuBusy>, EngineError> {
        assert!(!self.open, "a round was begun within another");
        self.begun += 1;
        if !self.begins.is_empty()
            && let Some(why) = self.begins.remove(0)
        {
            return Err(why);
        }
        self.open = true;
        self.watch.pass(Nanos::ms(100));
        Ok(Measured::absent("scripted"))
    }

    fn trial(&mut self, order: &TrialOrder) -> Result<(Settings, Outcome), EngineError> {
        assert!(self.open, "a trial was ordered without ends");
        self.orders += 1;
        let ordered = order.warmup.0 + order.window.0 + order.tail.0 + 40_000_000;
        self.watch.pass(Nanos(ordered * self.slow));
        let trial = (self.answer)(order, self.orders)?.window(order.window).build();
        let settings = Settings { warmup_ns: order.warmup, ..trial.settings };
        Ok((settings, trial.outcome))
    }

    fn series(
        &mut self,
        order: &SeriesOrder,
        seen: &mut dyn FnMut(SliceSeen),
    ) -> Result<Vec<Option<(Settings, Outcome)>>, EngineError> {
        self.series.push(order.clone());
        for cell in order.turns.iter().flatten().copied() {
            seen(SliceSeen { cell, bytes: Bytes(1 << 20), took: Duration::from_millis(6) });
        }
        let mut outcomes = vec![None; order.cells.len()];
        for (cell, outcome) in order.cells.iter().zip(&mut outcomes) {
            let mut one = self.trial(&order.of_one(cell))?;
            let speeds = (self.speeds)(self.orders, order.turns.len());
            if !speeds.is_empty() {
                let mut trial = synthetic::trial(cell, 1).build();
                (trial.settings, trial.outcome) = one;
                synthetic::in_turns(&mut trial, &speeds, None);
                one = (trial.settings, trial.outcome);
            }
            one.0.series = Some(SeriesSettings {
                settle_ns: order.slice.settle,
                window_ns: order.slice.window,
                warmup_turns: u32::try_from(order.warmup_turns.len()).unwrap(),
                places: vec![0; order.turns.len()],
                steady_ns: Nanos(0),
            });
            let has_failed = matches!(one.1, Outcome::Failed(_));
            *outcome = Some(one);
            if has_failed {
                let failed = std::mem::take(outcome);
                outcomes.iter_mut().for_each(|other| *other = None);
                let place = order.cells.iter().position(|other| other == cell);
                outcomes[place.unwrap()] = failed;
                break;
            }
        }
        Ok(outcomes)
    }

    fn audit(
        &mut self,
        order: &TrialOrder,
        audits: &[Audit],
    ) -> Result<(Settings, Outcome, AuditSeen), EngineError> {
        self.audited.push((order.cell.clone(), audits.to_vec()));
        let (settings, outcome) = self.trial(order)?;
        let mut seen = AuditSeen::absent("scripted");
        if self.counts {
            seen.copies = synthetic::audited(&order.cell).copies;
        }
        Ok((settings, outcome, seen))
    }

    fn refuses_cell(&self, cell: &Cell) -> bool {
        self.refused_cells.contains(cell)
    }

    fn refuses(&self, audit: Audit, cell: Option<&Cell>) -> Option<Missing> {
        let refused = self.refusals.iter().find(|it| it.0 == audit && it.1.as_ref() == cell);
        refused.map(|(_, _, refusal)| refusal.clone())
    }

    fn ceiling(&mut self, _: &Plan) -> Result<Vec<CeilingPoint>, Missing> {
        self.watch.pass(Nanos::s(2));
        self.ceilings.pop().unwrap_or_else(|| Err("scripted".to_owned().into()))
    }

    fn end_round(&mut self) {
        self.open = false;
    }
}

/// A file in memory with so much room.
#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) bytes: Rc<RefCell<Vec<u8>>>,
    pub(crate) room: usize,
}

impl Memory {
    pub(crate) fn with_room(room: usize) -> Self {
        Self { bytes: Rc::default(), room }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let bytes = self.bytes.borrow();
        let (records, torn) =
            Reader::new(bytes.as_slice(), Path::new("journal.jsonl")).read_all().unwrap();
        assert_eq!(torn, None);
        records
    }
}

impl Store for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.bytes.borrow_mut();
        let taken = bytes.len().min(self.room - held.len());
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        held.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.bytes.borrow_mut().truncate(usize::try_from(bytes).unwrap());
        Ok(())
    }
}

/// What came of a run.
pub(crate) struct Ran {
    pub(crate) ended: Result<FinishReason, StudyError>,
    /// What this segment journalled.
    pub(crate) records: Vec<Record>,
    pub(crate) events: Vec<Event>,
}

impl Ran {
    pub(crate) fn trials(&self) -> Vec<&Trial> {
        trials(&self.records)
    }

    pub(crate) fn reason(&self) -> FinishReason {
        *self.ended.as_ref().unwrap()
    }

    /// What it took; nothing where it has no end.
    pub(crate) fn spent(&self) -> Nanos {
        let spent = |record: &Record| {
            if let Record::Finish(finish) = record { Some(finish.spent_ns) } else { None }
        };
        self.records.iter().find_map(spent).unwrap_or_default()
    }

    pub(crate) fn warnings(&self) -> Vec<&str> {
        fn text(event: &Event) -> Option<&str> {
            if let Event::Warning(text) = event { Some(text) } else { None }
        }
        self.events.iter().filter_map(text).collect()
    }

    /// Where it ended for want of time.
    pub(crate) fn out_of_time(&self) -> Option<OutOfTime> {
        self.events
            .iter()
            .find_map(|event| if let Event::OutOfTime(out) = event { Some(*out) } else { None })
    }

    /// Why cells were refused.
    pub(crate) fn refusals(&self) -> Vec<&str> {
        fn why(event: &Event) -> Option<&str> {
            if let Event::CellRefused { why, .. } = event { Some(why) } else { None }
        }
        self.events.iter().filter_map(why).collect()
    }

    /// The cells that each round says can be measured.
    pub(crate) fn cells_counted(&self) -> Vec<u32> {
        let cells = |event: &Event| {
            if let Event::RoundEnded { cells, .. } = event { Some(*cells) } else { None }
        };
        self.events.iter().filter_map(cells).collect()
    }

    /// The rounds whose trials are in the journal, with their numbers of trials.
    pub(crate) fn rounds(&self) -> Vec<(u32, usize)> {
        let mut rounds: Vec<(u32, usize)> = Vec::new();
        for trial in self.trials() {
            match rounds.last_mut() {
                Some((round, trials)) if *round == trial.round => *trials += 1,
                _ => rounds.push((trial.round, 1)),
            }
        }
        rounds
    }
}

pub(crate) fn trials(records: &[Record]) -> Vec<&Trial> {
    fn trial(record: &Record) -> Option<&Trial> {
        if let Record::Trial(trial) = record { Some(trial) } else { None }
    }
    records.iter().filter_map(trial).collect()
}

/// Runs a study after earlier records, on a disk with so much room.
pub(crate) fn run_on(disk: &Memory, plan: &Plan, bench: &mut Script, earlier: &[Record]) -> Ran {
    let mut events = Vec::new();
    let watch = bench.watch.clone();
    let run = RunId::draw().unwrap();
    let mut journal = Writer::with_store(Box::new(disk.clone()), Path::new("journal.jsonl"), run);
    let study = Study {
        plan,
        bounds: 8.into(),
        segment: synthetic::segment(0),
        earlier,
        bench,
        journal: &mut journal,
        clock: &watch,
        events: &mut |event| events.push(event),
    };
    let ended = study.run();
    assert!(!bench.open, "the ends were left running");
    Ran { ended, records: disk.records(), events }
}

pub(crate) fn go_on(plan: &Plan, bench: &mut Script, earlier: &[Record]) -> Ran {
    run_on(&Memory::with_room(usize::MAX), plan, bench, earlier)
}

pub(crate) fn run(plan: &Plan, bench: &mut Script) -> Ran {
    go_on(plan, bench, &[])
}

/// Two blocks of two paths, so many rounds, no controls: 4 trials a round, 1600 ms of them, after 100 ms for the ends.
pub(crate) fn small_plan(rounds: Option<u32>) -> Plan {
    let mut plan = Plan::preset(Preset::Default);
    plan.factors.send_path = vec![SendPath::Send, SendPath::Sendmsg];
    plan.factors.message.truncate(2);
    plan.factors.threads.truncate(1);
    plan.measure.controls = false;
    plan.measure.steady = true;
    plan.measure.rounds = rounds;
    plan.measure.max_time = None;
    plan
}

/// A round of [`small_plan`].
pub(crate) const ROUND: Nanos = Nanos::ms(1700);

/// Goodput with a spread that is fixed by cell and order.
pub(crate) fn spread(order: &TrialOrder, number: u32, sigma: f64) -> TrialBuilder {
    synthetic::trial(&order.cell, 1).faster(synthetic::noise(1, &order.cell, number, sigma))
}

pub(crate) fn is(cell: &Cell, path: SendPath, bytes: u64) -> bool {
    cell.send_path == path && cell.message.bytes().0 == bytes
}
