//! What is more than plain cargo: `cargo run -p xtask -- TASK`.
#![forbid(unsafe_code)]

mod bpf;
mod browser;
mod imports;
mod left_behind;
mod licences;
mod page;
mod side_by_side;
mod vm;

use std::process::ExitCode;

const TASKS: &str = "tasks:
  bpf [--check [--rebuild]]  build the BPF objects from their sources, or check that they belong together; with
                       --rebuild nothing passes that was not built again
  imports              check who imports whom against the table in ARCHITECTURE.md
  licences             check that everything built in may be
  left-behind [RAISES] [LINK...]  kill copycost over links that it raised, 200 times, and check that nothing stays (root)
  page DIR [SCREENSHOTS]  open a run's report.html in headless Chromium, wide and narrow, light and dark, and check it
  side-by-side [PAIRS] goodput of copycost's sendmsg at 64 KiB against iperf3, in turn (needs iperf3 on the path)
  vm [KERNEL_PACKAGE…] [--links LIST] [--laws LIST] [--program FILE] [--test FILE]
                       the copy audit on stock Debian kernels in QEMU, against what each path must copy";

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a task's whole purpose is to tell")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.first().map(String::as_str) {
        Some("bpf") => bpf::run(words.get(1..).unwrap_or_default()),
        Some("imports") => imports::check(),
        Some("licences") => licences::check(),
        Some("left-behind") => left_behind::check(words.get(1..).unwrap_or_default()),
        Some("page") => {
            page::check(words.get(1).map(String::as_str), words.get(2).map(String::as_str))
        }
        Some("side-by-side") => side_by_side::run(words.get(1).map(String::as_str)),
        Some("vm") => vm::run(words.get(1..).unwrap_or_default()),
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
