//! Terminal tables, CSV and JSON from the analysis.
//!
//! Nothing is computed here beyond formatting: every figure on the screen and in `results.csv`, `paper.csv`
//! and `summary.json` is one of the [`analysis::summary::Summary`]; `trials.csv` shows the journal and each trial's own figures.
#![forbid(unsafe_code)]

mod error;
pub mod numbers;
mod paper_csv;
mod plain_table;
mod results_csv;
mod screen;
mod styled_text;
mod summary_json;
mod trials_csv;

pub use error::ReportError;
pub use paper_csv::{PAPER_COLUMNS, write_paper};
pub use results_csv::{results_columns, write_results};
pub use screen::{ScreenOptions, cells_table, screen};
pub use summary_json::{schema, write_summary};
pub use trials_csv::{TrialColumn, trial_columns, write_trials};
