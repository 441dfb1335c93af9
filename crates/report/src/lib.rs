//! Terminal tables, CSV, JSON, figures, HTML and Markdown from the analysis.
//!
//! Nothing is computed here beyond formatting: every figure on the screen and in `results.csv`, `ratios.csv`, `paper.csv`
//! and `summary.json` is one of the [`analysis::summary::Summary`]; `trials.csv` shows the journal and each trial's own figures.
#![forbid(unsafe_code)]

// What tests and fuzz targets share calls this crate by its name.
#[cfg(any(test, fuzzing))]
extern crate self as report;

mod advice;
mod ceiling_table;
mod changes_json;
mod changes_screen;
mod claims_tally;
mod control_table;
mod cpu_time_text;
mod csv_table;
mod data_path;
mod drawing;
mod error;
mod experiments_screen;
mod explained_tables;
pub mod figures;
mod flame_graph;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod html;
mod link_tables;
mod markdown;
mod markup;
mod method_notes;
mod metric_formats;
pub mod numbers;
mod origin;
mod paper_csv;
mod plain_table;
mod ratios_csv;
mod release_table;
mod reproduce;
mod results_csv;
mod ring_note;
mod runs_screen;
mod runs_table;
mod screen;
mod selftest_screen;
pub mod spelling;
mod styled_text;
mod summary_json;
mod trials_csv;
mod trust;
mod unanswered;
mod words;

pub use advice::{AdviceOptions, advice_schema, advice_screen, write_advice};
pub use changes_json::{changes_schema, write_changes};
pub use changes_screen::{ChangesOptions, changes_screen, differences_screen};
pub use csv_table::{ColumnSet, CsvColumn};
pub use data_path::{Diagram, data_paths};
pub use error::ReportError;
pub use experiments_screen::{
    experiment_screen, experiments_list, experiments_screen, write_experiments,
};
pub use flame_graph::flame_graph;
pub use html::{Page, write_changes_html, write_html};
pub use markdown::write_markdown;
pub use metric_formats::{Format, write_change_metrics, write_metrics};
pub use origin::{EndHost, Origin};
pub use paper_csv::{PAPER_COLUMNS, write_paper};
pub use ratios_csv::{ratios_columns, write_ratios};
pub use results_csv::{results_columns, write_results};
pub use runs_screen::runs_screen;
pub use runs_table::{RunResults, table_columns, write_table, write_table_lines};
pub use screen::{ScreenOptions, cells_table, screen};
pub use selftest_screen::{Condition, selftest_json, selftest_screen};
pub use styled_text::{folded, visible, visible_screen};
pub use summary_json::{schema, write_summary};
pub use trials_csv::{EarlyRows, TrialRows, TrialsCsv, trial_columns, write_trials};
pub use words::advice::answered_from;
pub use words::changes::{apart, judged as judged_changes};
pub use words::laws::{law_because, law_title};
pub use words::line_rate::line_words;
pub use words::marks::void_because;
pub use words::nic::nic_line;
