//! Which words a flag takes, and what stands under the flags of a command.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use foreign::Decimal;
use model::{Experiment, Factor, Preset};
use report::{ColumnSet, Format};

use crate::exit::EXIT_CODES;
use crate::word_list::WordList;

pub(super) fn column_sets() -> impl TypedValueParser<Value = ColumnSet> {
    PossibleValuesParser::new(ColumnSet::ALL.map(ColumnSet::name))
        .try_map(|name| name.parse::<ColumnSet>())
}

pub(super) fn formats() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>())
}

/// What the formats are, for two commands.
pub(super) const FORMATS: &str = "Formats: screen for people; bmf for Bencher (bencher run --adapter json); gha and gha-goodput for \
github-action-benchmark, CPU cost for its tool customSmallerIsBetter and goodput for its customBiggerIsBetter.";

/// How sides are named.
pub(super) const COMPARE_HELP: &str = "Examples:
  copycost compare before after                   one run a side
  copycost compare before after later             each against before
  copycost compare a1 a2 a3 --with b1 b2 b3       several runs a side
  copycost compare before after --fail-over 5%    for scripts
";

pub(super) fn metrics() -> WordList {
    WordList::new(analysis::Metric::ALL.iter().map(|metric| metric.name()).collect())
}

pub(super) fn decimal_signs() -> impl TypedValueParser<Value = Decimal> {
    PossibleValuesParser::new(Decimal::ALL.map(Decimal::name))
        .try_map(|name| name.parse::<Decimal>())
}

/// What stands under the flags of `import`.
pub(super) fn import_help() -> String {
    format!(
        "Names: {}; any factor or metric of results.csv (link, nodelay, sender_cpu_ns_per_kib ...). A unit may end a name: \
goodput_mbps, goodput_GB/s, message_kib, duration_ms. A send path's name says what a word of that column is: --map two=send.

Commas, semicolons, tabs or bars part columns; decimal commas, thousands (1,234,567 or 1 234 567), quotes, Windows line ends and \
lines that begin with # are understood. What may be read in two ways is refused. Rows that repeat a cell are its repetitions: \
the k-th is round k, or as a column \"round\" numbers them. A row in which nothing passed is a void trial.",
        foreign::names().join(", ")
    )
}

pub(super) fn presets() -> PossibleValuesParser {
    PossibleValuesParser::new(Preset::ALL.iter().map(|preset| preset.name()))
}

/// The names of experiments, and more.
pub(super) fn experiments(more: &[&'static str]) -> WordList {
    WordList::new(Experiment::ALL.iter().map(|it| it.name()).chain(more.iter().copied()).collect())
}

pub(super) fn words(factor: Factor) -> WordList {
    WordList::new(factor.words())
}

/// What stands under the flags of `run`.
pub(super) fn run_help() -> String {
    let presets: String = Preset::ALL
        .iter()
        .map(|preset| format!("  {:11} {}\n", preset.name(), preset.help()))
        .collect();
    format!(
        "Presets:
{presets}
Flags override the plan file, which overrides the preset; its keys are the flags' names.
Sizes are written 64, 4KiB, 64k (65536) or 20KB (20000).
Ranges of sizes, threads, flows and fields go by powers of two: --threads 1..8 is 1,2,4,8.
{EXIT_CODES}"
    )
}

/// How `serve` and `connect` go together.
pub(super) const SERVE_HELP: &str = "Examples:
  copycost serve                         on this machine; no token is needed
  copycost serve --listen 0.0.0.0        for other machines; prints the commands for them
  copycost serve --once --json           for scripts
Without --once it serves until Ctrl-C or SIGTERM. What is measured, and for how long, is said by connect. The server sends and the client receives, unless connect says --reverse.
";

/// The same.
pub(super) const CONNECT_HELP: &str = "Examples:
  copycost connect                                 to a serve on this machine
  copycost connect 192.0.2.7 --token HEX -t 10 -P 4
  copycost connect [2001:db8::7]:7000 --send zerocopy --size 64KiB --token-file FILE
Every second a line tells what passes here; at the end both sides' figures are told, at both ends.
";
