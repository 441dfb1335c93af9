//! The command line, as text and paths; nothing is looked up here.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use model::Preset;
use report::ColumnSet;

use crate::cell_flags::CellFlags;
use crate::plan_flags::PlanFlags;

/// Measures what it costs to move bytes through a Linux socket, and says which way of sending to use.
#[derive(Clone, Debug, Parser)]
#[command(name = "copycost", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure a plan's cells and print what they cost; without PLAN the paper's 48 cells on loopback, in
    /// about five minutes
    Run(Box<RunArguments>),
    /// Derive everything again from a run's journal
    Report(ReportArguments),
    /// Tell what this machine can measure, and how to unlock the rest
    Probe(ProbeArguments),
    /// Send checked content down every path and prove that nothing is lost, reordered or changed
    Verify(VerifyArguments),
    /// Send by hand: one end, until another copycost connects to it
    Serve(Box<ServeArguments>),
    /// Receive by hand what a `serve` sends
    Connect(Box<ConnectArguments>),
    /// Print a script that completes commands and flags in a shell
    Completions(CompletionsArguments),
    /// Print a manual page, to be read with `man -l -`
    Man(ManArguments),
}

#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Sizes are written 64, 4KiB, 64k (65536), 20KB (20000) or 64B..1MiB (powers of two).
Flags override the plan file, which overrides the preset.
Exit codes: 0 done; 1 --strict and invalid or a law broken; 2 wrong usage; 3 this machine cannot; 130 interrupted."
)]
pub(crate) struct RunArguments {
    /// A plan file (TOML), such as the plan.toml of an earlier run
    #[arg(id = "plan-file", value_name = "PLAN")]
    pub(crate) plan: Option<PathBuf>,
    /// A ready-made plan to start from; quick takes well under a minute
    #[arg(long, value_name = "NAME", value_parser = presets())]
    pub(crate) preset: Option<String>,
    #[command(flatten)]
    pub(crate) flags: PlanFlags,
    /// Where to write; without it copycost-runs/TIME-HOST
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with a run that was interrupted; budget, precision and rounds may differ
    #[arg(long, value_name = "DIR")]
    pub(crate) resume: Option<PathBuf>,
    /// A name for the run
    #[arg(long, value_name = "NAME")]
    pub(crate) label: Option<String>,
    /// Print cells, minutes and needs, and measure nothing; with --json as JSON
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Columns of the CSV files: all of them, or the factors that vary and what was measured
    #[arg(long, value_name = "SET", default_value = "all", value_parser = column_sets())]
    pub(crate) columns: ColumnSet,
    /// End with 1 where a cell is invalid or a law is broken
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print summary.json on standard output instead of the screen
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress, only warnings and the result
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ReportArguments {
    /// A run directory [default: copycost-runs/latest]
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Columns of the CSV files: all of them, or the factors that vary and what was measured
    #[arg(long, value_name = "SET", default_value = "all", value_parser = column_sets())]
    pub(crate) columns: ColumnSet,
    /// End with 1 where a cell is invalid or a law is broken
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print summary.json on standard output instead of the screen
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ProbeArguments {
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Without flags: every path that this machine has, sizes from 1 B to 1 MiB with odd ones among \
them, 1, 2 and 4 threads."
)]
pub(crate) struct VerifyArguments {
    /// Send paths, with commas [default: all]
    #[arg(long, value_name = "LIST")]
    pub(crate) send: Option<String>,
    /// Message sizes, with commas
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) sizes: Option<String>,
    /// Workers a side, with commas
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) threads: Option<String>,
    /// Address families, with commas: ipv4, ipv6
    #[arg(long, value_name = "LIST")]
    pub(crate) family: Option<String>,
    /// How long each trial sends [default: 20ms]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) time: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress, only the result
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServeArguments {
    /// Address to listen on; anything but loopback lets strangers try the token [default: loopback of --family]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value = "0", allow_hyphen_values = true)]
    pub(crate) port: String,
    /// How long to send
    #[arg(long, value_name = "TIME", default_value = "10s", allow_hyphen_values = true)]
    pub(crate) time: String,
    /// How long to wait for the other end
    #[arg(long, value_name = "TIME", default_value = "5m", allow_hyphen_values = true)]
    pub(crate) wait: String,
    /// The token that the other end must bring, 32 hexadecimal digits [default: a random one]
    #[arg(long, value_name = "HEX")]
    pub(crate) token: Option<String>,
    /// Print what was measured as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) flags: CellFlags,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ConnectArguments {
    /// Where the other end listens, as `serve` prints it
    #[arg(value_name = "ADDRESS:PORT")]
    pub(crate) address: String,
    /// The token that `serve` printed
    #[arg(long, value_name = "HEX")]
    pub(crate) token: String,
    /// How long to receive
    #[arg(long, value_name = "TIME", default_value = "10s", allow_hyphen_values = true)]
    pub(crate) time: String,
    /// Print what was measured as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) flags: CellFlags,
}

#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "For bash: copycost completions bash > ~/.local/share/bash-completion/completions/copycost"
)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ManArguments {
    /// The command whose page to print [default: the overview]
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}

fn column_sets() -> impl TypedValueParser<Value = ColumnSet> {
    PossibleValuesParser::new(ColumnSet::ALL.map(ColumnSet::name))
        .try_map(|name| name.parse::<ColumnSet>())
}

fn presets() -> PossibleValuesParser {
    PossibleValuesParser::new(Preset::ALL.iter().map(|preset| preset.name()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_negative_number_is_a_value_and_no_flag() {
        let arguments = Arguments::try_parse_from(["copycost", "run", "--sizes", "-1"]).unwrap();
        assert!(matches!(arguments.command, Some(Command::Run(_))));
        assert!(Arguments::try_parse_from(["copycost", "serve", "--time", "-1s"]).is_ok());
    }
}
