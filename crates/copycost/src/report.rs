//! `copycost report`: everything derived again from the journal.

use crate::args::ReportArguments;
use crate::derived::{self, Derived};
use crate::exit::Stop;
use crate::terminal::{show, tell};

/// Derives, writes and shows.
///
/// # Errors
/// The directory is no run, its journal is damaged, or it cannot be written; the figures are shown even then.
pub(crate) fn report(arguments: &ReportArguments) -> Result<(), Stop> {
    let owner = derived::owner(derived::effective_uid(), |name| std::env::var(name).ok());
    let directory = derived::find(arguments.directory.as_deref(), owner)?;
    let mut derived = Derived::read(&directory)?;
    let written = derived.write(&directory, arguments.columns);
    for note in &derived.notes {
        tell(&format!("! {note}"));
    }
    show(&if arguments.json { derived.json()? } else { derived.screen(&directory) })?;
    written?;
    derived.judge(arguments.strict)
}
