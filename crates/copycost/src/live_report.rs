//! The derived files of a run that still goes on.

use std::time::{Duration, Instant};

use journal::RunDirectory;
use report::ColumnSet;
use study::Event;

use crate::derived::Derived;

/// They are written anew after a round where that took at most this part of the time since the last time.
const SHARE: u32 = 20;

/// What the first time is taken to take, so that a run of seconds is not held up by it.
const ASSUMED: Duration = Duration::from_millis(500);

/// Writes the derived files after a round, so that a run can be looked at while it goes on. As it grows, so does
/// the work, and it is done more seldom.
pub(crate) struct LiveReport<'a> {
    directory: &'a RunDirectory,
    columns: ColumnSet,
    last: Instant,
    took: Duration,
}

impl<'a> LiveReport<'a> {
    /// Of a run that begins now.
    pub(crate) fn new(directory: &'a RunDirectory, columns: ColumnSet) -> Self {
        Self { directory, columns, last: Instant::now(), took: ASSUMED }
    }

    /// Writes the files where a round has ended and it is time.
    pub(crate) fn follow(&mut self, event: &Event) {
        if !matches!(event, Event::RoundEnded { .. }) || self.last.elapsed() < self.took * SHARE {
            return;
        }
        let begun = Instant::now();
        // What fails here fails again at the end, and is told there.
        if let Ok(mut derived) = Derived::read_to_write(self.directory, self.columns) {
            let _ = derived.write(self.directory, self.columns);
        }
        self.last = Instant::now();
        self.took = self.last - begun;
    }
}
