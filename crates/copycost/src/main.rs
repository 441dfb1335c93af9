//! `copycost`: arguments to a plan, stages in a row, exit codes.
#![forbid(unsafe_code)]

mod advise;
mod args;
mod by_hand;
mod cautions;
mod cell_flags;
mod compare;
mod derived;
mod dry_run;
mod exit;
mod experiment;
mod found_runs;
mod host_names;
mod import;
mod live_report;
mod live_table;
mod manual;
mod measured_run;
mod named_files;
mod near_nic;
mod opened_run;
mod peer_flags;
mod pictures;
mod plan_flags;
mod probe;
mod probe_peer;
mod progress;
mod quiet;
mod refusals;
mod report;
mod requested_plan;
mod run;
mod run_directories;
mod selftest;
mod table;
mod terminal;
mod time_limit;
mod trials_beside;
mod verify;
mod word_list;
mod wrong_words;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use crate::args::{Arguments, Command};
use crate::exit::Stop;

/// What somebody needs who typed the name alone.
const OVERVIEW: &str = "copycost measures what it costs to move bytes through a Linux socket.

  copycost run      measure the paper's 48 cells on loopback, in five minutes
                    (--preset quick: half a minute)
  copycost advise   which way of sending to use for your messages, in a minute
                    (--size 20KB)
  copycost compare  what changed between two runs: copycost compare A B
  copycost probe    what this machine can measure, and how to unlock the rest
  copycost verify   prove that every way of sending delivers what was sent

To another host:   copycost run --peer user@host (over ssh)
Every command: copycost --help";

fn main() -> ExitCode {
    // An end speaks the protocol on its standard output: nothing may come before it.
    if std::env::args_os().nth(1).is_some_and(|word| word == "end") {
        return engine::end::main();
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == "peer") {
        return engine::peer::main();
    }
    // Where it cannot be had a full file ends the program, as it would any other.
    let _ = engine::survive_file_size_limit();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            return ended(terminal::written(error.print()));
        }
        Err(error) => {
            let words: Vec<String> = std::env::args_os()
                .skip(1)
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            let command = Arguments::command();
            let commands: Vec<&str> =
                command.get_subcommands().map(clap::Command::get_name).collect();
            let why = wrong_words::in_one_line(&error, &words, &commands);
            return ended(Err(Stop::Usage(why)));
        }
    };
    let done = match &arguments.command {
        None => {
            terminal::tell_exactly(OVERVIEW);
            return Stop::Usage(String::new()).code();
        }
        Some(Command::Run(arguments)) => run::run(arguments),
        Some(Command::Report(arguments)) => report::report(arguments),
        Some(Command::Advise(arguments)) => advise::advise(arguments),
        Some(Command::Experiment(arguments)) => experiment::experiment(arguments),
        Some(Command::Compare(arguments)) => compare::compare(arguments),
        Some(Command::Table(arguments)) => table::table(arguments),
        Some(Command::Selftest(arguments)) => selftest::selftest(arguments),
        Some(Command::Import(arguments)) => import::import(arguments),
        Some(Command::Probe(arguments)) => probe::probe(arguments),
        Some(Command::Verify(arguments)) => verify::verify(arguments),
        Some(Command::Serve(arguments)) => by_hand::serve(arguments),
        Some(Command::Connect(arguments)) => by_hand::connect(arguments),
        Some(Command::Completions(arguments)) => manual::completions(arguments),
        Some(Command::Man(arguments)) => manual::man(arguments),
    };
    ended(done)
}

/// Says why a command did not end well, and the number that a script sees.
fn ended(done: Result<(), Stop>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            terminal::tell(&stop.to_string());
            stop.code()
        }
    }
}
