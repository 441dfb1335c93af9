//! `trials.csv` of a long journal, written while that is read: to read it once more for the rows would be most of a report's time.
//!
//! Which columns hold anything, and so their order, is known for certain once every record was seen. The first records of a run
//! mostly tell; where they did not, what was written is let go, and the rows are written from a second reading.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use journal::{Replacement, RunDirectory};
use model::record::Record;
use report::{ColumnSet, EarlyRows, TrialsCsv};

/// Records that tell of the columns: several rounds of most plans, and some tens of MB. A shorter journal is read twice.
const FIRST: usize = 2048;
/// Records handed over at once, and how many times that many may wait: some MB.
const AT_ONCE: usize = 32;
const WAITING: usize = 8;

/// Where rows are written, and which columns they have.
pub(crate) struct Place {
    directory: RunDirectory,
    columns: ColumnSet,
    /// So many records tell of the columns.
    first: usize,
}

impl Place {
    /// In a run's directory.
    pub(crate) fn new(directory: &RunDirectory, columns: ColumnSet) -> Self {
        Self::after(FIRST, directory, columns)
    }

    /// The same after so many records.
    pub(crate) fn after(first: usize, directory: &RunDirectory, columns: ColumnSet) -> Self {
        Self { directory: directory.clone(), columns, first }
    }
}

/// What is known of `trials.csv` once every record was seen.
pub(crate) struct SeenTrials {
    pub(crate) csv: TrialsCsv,
    /// All rows, where they were written meanwhile.
    pub(crate) early: Option<EarlyRows<Replacement>>,
}

/// Takes every record, one after the other.
pub(crate) struct TrialsBeside(Work);

enum Work {
    Here(Box<Writing>),
    Beside {
        into: SyncSender<Vec<Record>>,
        thread: JoinHandle<Option<Writing>>,
        batch: Vec<Record>,
    },
    /// While it is handed over.
    Nowhere,
}

/// What one thread does.
struct Writing {
    csv: TrialsCsv,
    /// None where nothing is to be written, or what was is no use.
    place: Option<Place>,
    /// The first records, whose rows are not written yet.
    held: Vec<Record>,
    early: Option<EarlyRows<Replacement>>,
}

impl TrialsBeside {
    /// Of records to come; without a place rows are written by nobody.
    pub(crate) fn new(csv: TrialsCsv, place: Option<Place>) -> Self {
        Self(Work::Here(Box::new(Writing { csv, place, held: Vec::new(), early: None })))
    }

    /// Takes the next record.
    pub(crate) fn take(&mut self, record: Record) {
        match &mut self.0 {
            Work::Here(writing) => {
                writing.take(record);
                let first = writing.place.as_ref().map(|place| place.first);
                if first.is_some_and(|first| writing.held.len() >= first) {
                    self.begin();
                }
            }
            Work::Beside { into, batch, .. } => {
                batch.push(record);
                if batch.len() == AT_ONCE {
                    // A thread that died is told of at the end.
                    let _ = into.send(std::mem::replace(batch, Vec::with_capacity(AT_ONCE)));
                }
            }
            Work::Nowhere => {}
        }
    }

    /// Goes on with rows, on a thread of its own where one can be had.
    fn begin(&mut self) {
        let Work::Here(mut writing) = std::mem::replace(&mut self.0, Work::Nowhere) else {
            return;
        };
        writing.begin();
        let (into, batches) = sync_channel(WAITING);
        // What does the work is handed over once there is a thread: one that is refused would take it along.
        let (hand_over, handed) = sync_channel::<Box<Writing>>(1);
        let work = move || handed.recv().ok().map(|writing| writing.take_all(&batches));
        self.0 = match thread::Builder::new().name("trials".to_owned()).spawn(work) {
            Ok(thread) => match hand_over.send(writing) {
                Ok(()) => Work::Beside { into, thread, batch: Vec::with_capacity(AT_ONCE) },
                Err(refused) => Work::Here(refused.0),
            },
            Err(_) => Work::Here(writing),
        };
    }

    /// What came of all records; none where the thread died.
    pub(crate) fn end(self) -> Option<SeenTrials> {
        let Writing { csv, early, .. } = match self.0 {
            Work::Here(writing) => *writing,
            Work::Beside { into, thread, batch } => {
                let _ = into.send(batch);
                drop(into);
                thread.join().ok()??
            }
            Work::Nowhere => return None,
        };
        Some(SeenTrials { csv, early })
    }
}

impl Writing {
    fn take(&mut self, record: Record) {
        let Some(early) = &mut self.early else {
            self.csv.see(&record);
            if self.place.is_some() {
                self.held.push(record);
            }
            return;
        };
        // A disk that is full now is full when all is written again, and told then.
        if !matches!(self.csv.see_and_write(&record, early), Ok(true)) {
            self.early = None;
        }
    }

    /// Writes the rows of the first records; those that follow are written as they come.
    fn begin(&mut self) {
        let held = std::mem::take(&mut self.held);
        let Some(Place { directory, columns, .. }) = self.place.take() else { return };
        let Ok(file) = directory.begin_replacement(&directory.trials()) else { return };
        self.early = self.csv.begin_early(file, columns, &held).ok();
    }

    fn take_all(mut self, batches: &Receiver<Vec<Record>>) -> Self {
        for record in batches.iter().flatten() {
            self.take(record);
        }
        self
    }
}
