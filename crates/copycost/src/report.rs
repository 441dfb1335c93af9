//! `copycost report`: everything derived again from the journal.

use report::Format;

use crate::args::ReportArguments;
use crate::derived::{self, Figures};
use crate::exit::Stop;
use crate::run_directories;

/// Derives, writes and shows.
///
/// # Errors
/// The directory is no run, its journal is damaged, or it cannot be written; the figures are shown even then.
pub(crate) fn report(arguments: &ReportArguments) -> Result<(), Stop> {
    let owner = run_directories::caller();
    let directory = run_directories::find(arguments.directory.as_deref(), owner)?;
    let figures = match arguments.format {
        Format::Screen => Figures::asked(arguments.json, arguments.verbose),
        format @ (Format::Bmf | Format::Gha | Format::GhaGoodput) => Figures::Metrics(format),
    };
    derived::present(&directory, figures, arguments.columns)?.judge(&directory, arguments.strict)
}
