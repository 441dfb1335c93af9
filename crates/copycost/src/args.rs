//! The command line, as text and paths; nothing is looked up here.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueHint, value_parser};
use clap_complete::Shell;
use foreign::{Decimal, Mapping};
use model::Factor;
use report::{ColumnSet, Format};

use crate::cell_flags::CellFlags;
use crate::exit::EXIT_CODES;
use crate::peer_flags::PeerFlags;
use crate::plan_flags::PlanFlags;

mod texts;

use texts::{
    COMPARE_HELP, CONNECT_HELP, FORMATS, SERVE_HELP, column_sets, decimal_signs, experiments,
    formats, import_help, metrics, presets, run_help, words,
};

/// Measures what it costs to move bytes through a Linux socket, and says which way of sending to use.
#[derive(Clone, Debug, Parser)]
#[command(name = "copycost", version, max_term_width = 100, after_help = EXIT_CODES)]
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
    /// Say which way of sending to use for one kind of message; measures what no run covers, in a minute
    Advise(AdviseArguments),
    /// Small experiments made for the paper's claims: list them, show one, run them
    Experiment(ExperimentArguments),
    /// Tell what changed between runs: machines, cells, and ratios beyond noise
    Compare(CompareArguments),
    /// Print the results of many runs as one table: one row a run, cell and metric
    Table(TableArguments),
    /// Measure equal cells for a minute: how small a difference this machine can see, and what disturbs it
    Selftest(SelftestArguments),
    /// Make a run directory of what another program measured: the paper's CSV, a trials.csv, or a table like them
    Import(Box<ImportArguments>),
    /// Tell what this machine can measure, and how to unlock the rest
    Probe(ProbeArguments),
    /// Send checked content down every path and prove that nothing is lost, reordered or changed
    Verify(VerifyArguments),
    /// Wait for clients by hand, and send to one after the other what each asks for
    Serve(ServeArguments),
    /// Ask a `serve` for a test by hand, receive, and tell both sides' figures
    Connect(Box<ConnectArguments>),
    /// Print a script that completes commands and flags in a shell
    Completions(CompletionsArguments),
    /// Print a manual page, to be read with `man -l -`
    Man(ManArguments),
}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = run_help())]
pub(crate) struct RunArguments {
    /// A plan file (TOML), such as the plan.toml of an earlier run; - reads standard input [default: the preset's
    /// plan]
    #[arg(id = "plan-file", value_name = "PLAN", value_hint = ValueHint::FilePath)]
    pub(crate) plan: Option<PathBuf>,
    /// A ready-made plan to start from; see below [default: default]
    #[arg(long, value_name = "NAME", value_parser = presets(), hide_possible_values = true)]
    pub(crate) preset: Option<String>,
    #[command(flatten)]
    pub(crate) flags: PlanFlags,
    /// Where to write [default: copycost-runs/TIME-HOST]
    #[arg(long, value_name = "DIR", conflicts_with = "resume", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Go on with a run; max-time, precision and rounds may differ [default: a new run]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) resume: Option<PathBuf>,
    /// Go on with the run in --out where there is one, and only report one that has ended: one command for a job that may be started
    /// again
    #[arg(long, requires = "out")]
    pub(crate) or_resume: bool,
    /// A name for the run [default: none]
    #[arg(long, value_name = "NAME")]
    pub(crate) label: Option<String>,
    /// Wait until other programs leave the CPUs alone, at most so long [default: not at all; 60s where no time is given]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "60s")]
    pub(crate) wait_quiet: Option<String>,
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
    #[arg(long, conflicts_with = "verbose")]
    pub(crate) json: bool,
    /// Show on the screen what only the report shows otherwise: every warning, noise, instruments, claims
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// No progress, only warnings and the result
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = format!("{FORMATS}\n{EXIT_CODES}"))]
pub(crate) struct ReportArguments {
    /// A run directory [default: copycost-runs/latest]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: Option<PathBuf>,
    /// Columns of the CSV files: all of them, or the factors that vary and what was measured
    #[arg(long, value_name = "SET", default_value = "all", value_parser = column_sets())]
    pub(crate) columns: ColumnSet,
    /// End with 1 where a cell is invalid or a law is broken
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print summary.json on standard output instead of the screen
    #[arg(long, conflicts_with_all = ["verbose", "format"])]
    pub(crate) json: bool,
    /// Show on the screen what only the report shows otherwise: every warning, noise, instruments, claims
    #[arg(long, short, conflicts_with = "format")]
    pub(crate) verbose: bool,
    /// What to print on standard output; see below
    #[arg(long, value_name = "FORMAT", default_value = "screen", value_parser = formats())]
    pub(crate) format: Format,
}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = format!("{COMPARE_HELP}\n{FORMATS}\n{EXIT_CODES}"))]
pub(crate) struct CompareArguments {
    /// Run directories: the first is the base, each of the others is compared with it; before --with all of them are the
    /// base
    #[arg(value_name = "DIR", required = true, value_hint = ValueHint::DirPath)]
    pub(crate) runs: Vec<PathBuf>,
    /// Runs of the other side, where a side has several [default: each DIR after the first is a side]
    #[arg(long, value_name = "DIR", num_args = 1.., value_hint = ValueHint::DirPath)]
    pub(crate) with: Vec<PathBuf>,
    /// Where to write a page with every change that was looked for [default: nowhere]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// End with 1 where a cell or a path got worse by more than this, beyond doubt, and with 4 where that is not excluded
    /// of every cell: a goodput that lost this share, a CPU cost that rose by it; from 100% on costs alone are judged, as no
    /// goodput can lose more than all [default: never]
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    pub(crate) fail_over: Option<String>,
    /// Print JSON instead of the screen
    #[arg(long, conflicts_with_all = ["verbose", "format"])]
    pub(crate) json: bool,
    /// Show every fact that differs and every change that was looked for
    #[arg(long, short, conflicts_with = "format")]
    pub(crate) verbose: bool,
    /// What to print on standard output; see below
    #[arg(long, value_name = "FORMAT", default_value = "screen", value_parser = formats())]
    pub(crate) format: Format,
}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct AdviseArguments {
    /// A run directory, or a directory of runs; the newest that covers the question on this machine answers [default:
    /// copycost-runs]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: Option<PathBuf>,
    /// Bytes of a message, such as 20KB or 64KiB
    #[arg(long, value_name = "SIZE", default_value = "16KiB", allow_hyphen_values = true)]
    pub(crate) size: String,
    /// Fields a message, of equal size; or the length of each, such as 24,64KiB, which decide the size
    #[arg(long, value_name = "N|LIST", default_value = "8", allow_hyphen_values = true)]
    pub(crate) fields: String,
    /// Threads that send
    #[arg(long, value_name = "N", default_value = "1", allow_hyphen_values = true)]
    pub(crate) threads: String,
    /// Connections a thread
    #[arg(long, value_name = "N", default_value = "1", allow_hyphen_values = true)]
    pub(crate) flows: String,
    /// Links [default: loopback, and the sink where this user may raise it]
    #[arg(long, value_name = "LIST", value_parser = words(Factor::Link))]
    pub(crate) link: Option<String>,
    /// Send paths to choose from [default: the four of the study, and of a run that is there all that tell when memory may be written again]
    #[arg(long, value_name = "LIST", value_parser = words(Factor::Send))]
    pub(crate) send: Option<String>,
    #[command(flatten)]
    pub(crate) peer: PeerFlags,
    /// The path in use now, which the answer is compared with [default: the best of the others]
    #[arg(long, value_name = "PATH", value_parser = words(Factor::Send))]
    pub(crate) against: Option<String>,
    /// Payload to be sent a second, such as 5Gbit/s: CPU cost decides then [default: as much as goes]
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(crate) rate: Option<String>,
    /// What of its CPU time a service spends in sending, such as 10%: CPU cost decides then [default: not asked]
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    pub(crate) share_of_cpu: Option<String>,
    /// How long a peer takes to acknowledge; buffers passed by reference are held so long [default: 1ms is assumed]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) round_trip: Option<String>,
    /// When to measure: where no run covers the question, never, or always
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = ["auto", "never", "always"])]
    pub(crate) measure: String,
    /// The most time for measuring
    #[arg(long, value_name = "TIME", default_value = "53s", allow_hyphen_values = true)]
    pub(crate) max_time: String,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress, only the answer
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ExperimentArguments {
    #[command(subcommand)]
    pub(crate) command: Option<ExperimentCommand>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ExperimentCommand {
    /// Every experiment: what it decides, how long it takes, what it needs
    List,
    /// One experiment: its claims and its plan
    Show {
        /// The experiment's name
        #[arg(value_name = "NAME", value_parser = experiments(&[]))]
        name: String,
    },
    /// Run experiments, and tell what they come to, claim by claim
    Run(RunExperimentArguments),
    /// Tell what runs made before, here or on other machines, come to together, claim by claim
    Judge(JudgeArguments),
}

#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Experiments, any other run and imported tables count; verdicts that contradict each other decide nothing."
)]
pub(crate) struct JudgeArguments {
    /// Run directories, or directories that hold them [default: copycost-runs]
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RunExperimentArguments {
    /// Names of experiments, or all
    #[arg(value_name = "NAME", required = true, value_parser = experiments(&["all"]))]
    pub(crate) names: Vec<String>,
    /// The most time for each [default: its own, see list]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) max_time: Option<String>,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress, only the result
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TableFormat {
    Csv,
    Jsonl,
    Screen,
}

#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Directories that cannot be read are named and left out. docs/queries.sql has queries for DuckDB."
)]
pub(crate) struct TableArguments {
    /// Run directories, or directories that hold them [default: copycost-runs]
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub(crate) runs: Vec<PathBuf>,
    /// How to write it: csv, jsonl, or screen, with cells as rows and runs as columns [default: screen on a terminal, else
    /// csv]
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) format: Option<TableFormat>,
    /// Metrics, by their names in results.csv [default: all; on the screen goodput_gbps]
    #[arg(long, value_name = "LIST", value_parser = metrics(), hide_possible_values = true)]
    pub(crate) metric: Option<String>,
    /// Columns: all of them, or the factors that vary and what was measured
    #[arg(long, value_name = "SET", default_value = "all", value_parser = column_sets())]
    pub(crate) columns: ColumnSet,
    /// End with 1 where a directory was left out
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SelftestArguments {
    /// How long to measure
    #[arg(long, value_name = "TIME", default_value = "1m", allow_hyphen_values = true)]
    pub(crate) time: String,
    /// Where to write the run [default: copycost-runs/selftest-TIME-HOST]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Measure nothing, and judge an earlier self-test or another run with --replica [default: measure]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "time"], value_hint = ValueHint::DirPath)]
    pub(crate) of: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress, only the result
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = import_help())]
pub(crate) struct ImportArguments {
    /// CSV files of one experiment, - for standard input; those of a later file are further rounds
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// What a column holds, by a name below; or which send path a word is [default: as its heading says]
    #[arg(long, value_name = "COLUMN=NAME", value_parser = value_parser!(Mapping))]
    pub(crate) map: Vec<Mapping>,
    /// CPUs that the ends could use: which cells had more threads than that [default: unknown]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=65_536))]
    pub(crate) cpus: Option<u32>,
    /// The decimal sign, where numbers do not show it [default: as they show]
    #[arg(long, value_name = "SIGN", value_parser = decimal_signs())]
    pub(crate) decimal: Option<Decimal>,
    /// Where to write [default: copycost-runs/TIME-import]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// A name for the run [default: the first file's]
    #[arg(long, value_name = "NAME")]
    pub(crate) label: Option<String>,
    /// Columns of the CSV files: all of them, or the factors that vary and what was measured
    #[arg(long, value_name = "SET", default_value = "all", value_parser = column_sets())]
    pub(crate) columns: ColumnSet,
    /// Print summary.json on standard output instead of the screen
    #[arg(long, conflicts_with = "verbose")]
    pub(crate) json: bool,
    /// Show on the screen what only the report shows otherwise: every warning, claims that the table bears out
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Do not print what each column was taken as
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ProbeArguments {
    #[command(flatten)]
    pub(crate) peer: PeerFlags,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = format!("Lists have commas; 1..8 and 64B..1MiB are ranges by powers of two.\n{EXIT_CODES}")
)]
pub(crate) struct VerifyArguments {
    /// Send paths [default: every one that this machine has]
    #[arg(long, value_name = "LIST", value_parser = words(Factor::Send))]
    pub(crate) send: Option<String>,
    /// Receive paths, each with each send path [default: every one that this machine has]
    #[arg(long, value_name = "LIST", value_parser = words(Factor::Recv))]
    pub(crate) recv: Option<String>,
    /// Links with a receiver [default: loopback]
    #[arg(long, value_name = "LIST", value_parser = words(Factor::Link))]
    pub(crate) link: Option<String>,
    #[command(flatten)]
    pub(crate) peer: PeerFlags,
    /// Message sizes [default: 27 from 1 B to 1 MiB, odd ones among them]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) sizes: Option<String>,
    /// Lengths of a message's fields, such as 24+64KiB [default: three beside the sizes]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) shape: Option<String>,
    /// Threads a side, each with each pair of paths and size [default: 1,2,4 in turn]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) threads: Option<String>,
    /// Address families [default: ipv4]
    #[arg(long, value_name = "LIST", value_parser = words(Factor::Family))]
    pub(crate) family: Option<String>,
    /// Whether a thread of the kernel polls the io_urings of paths that have one [default: off,on in turn]
    #[arg(long, value_name = "LIST", value_parser = words(Factor::Sqpoll))]
    pub(crate) sqpoll: Option<String>,
    /// Whether those are told of their sockets once [default: off,on in turn]
    #[arg(long, value_name = "LIST", value_parser = words(Factor::RegisteredFiles))]
    pub(crate) registered_files: Option<String>,
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
#[command(after_help = format!("{SERVE_HELP}\n{EXIT_CODES}"))]
pub(crate) struct ServeArguments {
    /// Address to listen on; beyond loopback clients need a token [default: loopback, 127.0.0.1 and ::1]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Port to listen on; 0 takes a free one
    #[arg(long, short, value_name = "PORT", default_value_t = engine::by_hand::PORT.to_string(), allow_hyphen_values = true)]
    pub(crate) port: String,
    /// Serve one client, and leave: with 3 where its test has no figure, as when the client left in it
    #[arg(long)]
    pub(crate) once: bool,
    /// How long to wait for a client [default: for ever]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) wait: Option<String>,
    /// The token that clients must bring, 32 hexadecimal digits [default: none on loopback, else a random one]
    #[arg(long, value_name = "HEX", conflicts_with = "token_file")]
    pub(crate) token: Option<String>,
    /// A file that holds the token; - is standard input. Unlike --token nobody else sees it in the list of processes; chmod 600 it [default: that of --token]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Print what was measured as JSON, one line a client, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = format!("{CONNECT_HELP}\n{EXIT_CODES}"))]
pub(crate) struct ConnectArguments {
    /// Where `serve` listens: a host or an address, perhaps with a port [default: localhost]
    #[arg(value_name = "HOST[:PORT]", value_hint = ValueHint::Hostname)]
    pub(crate) server: Option<String>,
    /// Its port [default: 7210]
    #[arg(long, short, value_name = "PORT", allow_hyphen_values = true)]
    pub(crate) port: Option<String>,
    /// The token that `serve` printed [default: none, for loopback]
    #[arg(long, value_name = "HEX", conflicts_with = "token_file")]
    pub(crate) token: Option<String>,
    /// A file that holds the token; - is standard input. Unlike --token nobody else sees it in the list of processes; chmod 600 it [default: that of --token]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// How long to measure; a number alone is of seconds
    #[arg(long, short, value_name = "TIME", default_value = "10s", allow_hyphen_values = true)]
    pub(crate) time: String,
    /// The client sends and the server receives
    #[arg(long, short = 'R')]
    pub(crate) reverse: bool,
    /// Print what was measured as JSON, and nothing else
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_flag_that_takes_a_value_shows_its_default() {
        let mut command = Arguments::command();
        command.build();
        let commands = command.get_subcommands().filter(|command| command.get_name() != "help");
        for command in commands {
            for argument in command.get_arguments() {
                let takes_a_value = argument.get_action().takes_values();
                if !takes_a_value || argument.is_required_set() {
                    continue;
                }
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                let shown =
                    help.contains("[default: ") || !argument.get_default_values().is_empty();
                assert!(shown, "{} {}: {help}", command.get_name(), argument.get_id());
            }
        }
    }

    #[test]
    fn every_command_that_measures_or_judges_tells_its_exit_codes() {
        let command = Arguments::command();
        for name in ["run", "report", "compare", "advise", "verify", "serve", "connect"] {
            let of = command.find_subcommand(name).unwrap();
            let after = of.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains(EXIT_CODES), "{name}: {after}");
        }
    }

    #[test]
    fn the_defaults_of_verify_are_what_its_help_says() {
        let options = engine::verify::VerifyOptions::default();
        let list = |values: Vec<String>| format!("[default: {}]", values.join(","));
        let threads: Vec<_> = options.threads.iter().map(ToString::to_string).collect();
        let threads = format!("[default: {} in turn]", threads.join(","));
        let families = list(options.families.iter().map(ToString::to_string).collect());
        let mut command = Arguments::command();
        let help = command.find_subcommand_mut("verify").unwrap().render_help().to_string();
        // Wherever it wraps.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in
            [threads, families, "27 from".to_owned(), format!("[default: {}]", options.window)]
        {
            assert!(help.contains(&text), "{text}: {help}");
        }
        assert_eq!(options.sizes.len(), 27);
    }

    #[test]
    fn the_port_that_connect_goes_to_is_the_one_that_serve_takes() {
        let mut command = Arguments::command();
        let help = command.find_subcommand_mut("connect").unwrap().render_help().to_string();
        assert!(help.contains(&format!("[default: {}]", engine::by_hand::PORT)), "{help}");
    }

    #[test]
    fn a_negative_number_is_a_value_and_no_flag() {
        let arguments = Arguments::try_parse_from(["copycost", "run", "--sizes", "-1"]).unwrap();
        assert!(matches!(arguments.command, Some(Command::Run(_))));
        assert!(Arguments::try_parse_from(["copycost", "connect", "--time", "-1s"]).is_ok());
    }
}
