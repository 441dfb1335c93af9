//! What is more than plain cargo: `cargo run -p xtask -- TASK`.
#![forbid(unsafe_code)]

mod imports;
mod licences;
mod side_by_side;

use std::process::ExitCode;

const TASKS: &str = "tasks:
  imports              check who imports whom against the table in ARCHITECTURE.md
  licences             check that everything built in may be
  side-by-side [PAIRS] goodput of copycost's sendmsg at 64 KiB against iperf3, in turn (needs iperf3 on the path)";

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a task's whole purpose is to tell")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.first().map(String::as_str) {
        Some("imports") => imports::check(),
        Some("licences") => licences::check(),
        Some("side-by-side") => side_by_side::run(words.get(1).map(String::as_str)),
        _ => Err(TASKS.to_owned()),
    };
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
