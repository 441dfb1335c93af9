//! What is more than plain cargo: `cargo run -p xtask -- TASK`.
#![forbid(unsafe_code)]

mod aarch64;
mod advised;
mod bpf;
mod browser;
mod campaign;
mod checksum;
mod cut_peers;
mod dist;
mod emulated;
mod imports;
mod killed_runs;
mod licences;
mod metadata;
mod noise;
mod packages;
mod page;
mod passed;
mod planted;
mod side_by_side;
mod slurm;
mod unused;
mod vm;

use std::process::ExitCode;

/// One task: what it is called, what may follow its name, what it is for, and what runs it.
struct Task {
    name: &'static str,
    arguments: &'static str,
    purpose: &'static str,
    run: fn(&[String]) -> Result<String, String>,
}

const TASKS: [Task; 19] = [
    Task {
        name: "aarch64",
        arguments: "[KERNEL_PACKAGE...] [--program FILE] [--deriver FILE] [--test FILE] [--again]",
        purpose: "check the static aarch64 binary on Debian's arm64 kernels in QEMU, whose PMU counts cycles: probe, verify, a run, audits and tests",
        run: aarch64::run,
    },
    Task {
        name: "advised",
        arguments: "DIR [--sizes LIST] [--program FILE]",
        purpose: "ask advise of a full run and of a measurement of its own, for each size and link of the run, and tell where both decide and differ",
        run: advised::run,
    },
    Task {
        name: "bpf",
        arguments: "[--check [--rebuild]]",
        purpose: "build the BPF objects from their sources; --check: do they belong together; --rebuild: fail where one cannot be built again",
        run: bpf::run,
    },
    Task {
        name: "campaign",
        arguments: "[--minutes N] [--seed N] [--program FILE]",
        purpose: "kill, race, forge, mutate, plant links and flood, for ten minutes where no number is given, and tell what failed (root for the links)",
        run: campaign::run,
    },
    Task {
        name: "cut-peers",
        arguments: "[RUNS] [--seed N] [--program FILE]",
        purpose: "cut runs to another host at random moments, 100 where no number is given: ends, connections and links; check that nothing stays, no record is lost and they go on (root, sshd)",
        run: cut_peers::check,
    },
    Task {
        name: "dist",
        arguments: "[--out DIR] [--check] [x86-64] [aarch64] [deb]",
        purpose: "make static binaries, Debian packages and their checksums; --check: the binary in an empty root, the package installed and removed (root)",
        run: dist::run,
    },
    Task {
        name: "emulated",
        arguments: "[RUN...] [--minutes 15] [--program FILE] [--deriver FILE]",
        purpose: "count cycles on aarch64 in QEMU, and tell what they and the named runs come to for the paper's claims",
        run: emulated::run,
    },
    Task {
        name: "imports",
        arguments: "",
        purpose: "check who imports whom against the table in ARCHITECTURE.md",
        run: |_| imports::check(),
    },
    Task {
        name: "killed-runs",
        arguments: "[RUNS] [LINK...]",
        purpose: "kill runs over links that they raised, 200 where no number is given, and check that nothing stays (root)",
        run: killed_runs::check,
    },
    Task {
        name: "licences",
        arguments: "",
        purpose: "check the licence and source of all that is built in",
        run: |_| licences::check(),
    },
    Task {
        name: "noise",
        arguments: "[--seed N] [--cpus 0,1] [--bursts 1ms..500ms] [--share 30%] [--for 60s] [-- COMMAND...]",
        purpose: "make bursts of CPU and memory traffic on each CPU for a time, or as long as a command runs; it ends with its parent",
        run: noise::run,
    },
    Task {
        name: "packages",
        arguments: "",
        purpose: "check that what would be published holds all that it needs",
        run: |_| packages::check(),
    },
    Task {
        name: "page",
        arguments: "DIR [SCREENSHOTS]",
        purpose: "check a run's report.html in headless Chromium: wide and narrow, light and dark, on paper",
        run: page::check,
    },
    Task {
        name: "passed",
        arguments: "GATE [--record]",
        purpose: "is all that a gate of .ci/run covers as when it last passed; --record: it has passed now",
        run: passed::run,
    },
    Task {
        name: "planted",
        arguments: "[PAIRS] [--slower 5%] [--seconds 25] [--program FILE]",
        purpose: "plant a slow-down of sendmsg in every second of two runs, and tell in how many pairs compare finds it within a minute (needs cc)",
        run: planted::run,
    },
    Task {
        name: "side-by-side",
        arguments: "[PAIRS [COMPARISON...]]",
        purpose: "compare goodput with that of iperf3, nuttcp and sockperf, in turn (needs them)",
        run: side_by_side::run,
    },
    Task {
        name: "slurm",
        arguments: "[--program FILE]",
        purpose: "submit docs/fleet/slurm.sbatch to a Slurm of its own on this machine, and check runs and table (root, slurm-wlm, munge, DuckDB)",
        run: slurm::check,
    },
    Task {
        name: "unused",
        arguments: "",
        purpose: "check that every dependency is used",
        run: |_| unused::check(),
    },
    Task {
        name: "vm",
        arguments: "[KERNEL_PACKAGE...] [--links LIST] [--laws LIST] [--program FILE] [--test FILE]",
        purpose: "check the copy audit on Debian's kernels in QEMU against what each path must copy",
        run: vm::run,
    },
];

/// All tasks, each with its arguments and, beneath, its purpose.
fn help() -> String {
    let tasks = TASKS.iter().map(|task| {
        format!("  {} {}", task.name, task.arguments).trim_end().to_owned()
            + "\n      "
            + task.purpose
    });
    format!("tasks:\n{}", tasks.collect::<Vec<_>>().join("\n"))
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a task's whole purpose is to report")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let task = words
        .split_first()
        .and_then(|(name, rest)| Some((TASKS.iter().find(|task| task.name == *name)?, rest)));
    match task.map_or_else(|| Err(help()), |(task, arguments)| (task.run)(arguments)) {
        Ok(report) => {
            if !report.is_empty() {
                println!("{report}");
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
