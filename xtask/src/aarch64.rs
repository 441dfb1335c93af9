//! copycost on aarch64: boots Debian's arm64 kernels in QEMU, whose PMUv3 counts cycles, and has the static binary probe,
//! verify, measure and audit there. What comes back is held against what must be so.

use std::path::{Path, PathBuf};

use crate::vm::machine::AARCH64;
use crate::vm::{
    Run, WORK, failed_tests, initramfs, judged, judgement, kernel_package, on_each, runs,
};

mod findings;

/// Pages of 4 KiB: the distribution's own kernel, and a 6.12, where breakpoints count copies. Pages of 16 KiB: the same 6.12.
/// No kernel of Debian's has pages of 64 KiB (`CONFIG_ARM64_64K_PAGES`).
const KERNELS: [&str; 3] =
    ["linux-image-cloud-arm64", "linux-image-6.12-cloud-arm64", "linux-image-6.12-arm64-16k"];
/// Before this one a breakpoint that has a BPF program stands still, so that copies into sockets of paths that pass by reference
/// have no hook.
const OLDEST_WITH_BREAKPOINTS: (u32, u32) = (6, 6);
/// The links of the audits, and which of the runs over them are made: those that need no device.
const LINKS: [&str; 2] = ["loopback", "unix"];
const AUDITED: [&str; 3] = ["sending", "sending-unix", "receiving-unix"];
/// An aarch64 kernel steps over a breakpoint with interrupts on (arch/arm64/kernel/hw_breakpoint.c): where one comes in between, the
/// breakpoint fires a second time. Seen: up to 8 % of the few bytes that are moved here.
const TWICE: f64 = 0.25;
/// How long a machine may take, in seconds.
const LONGEST_SECONDS: &str = "1800";

/// What is done in the machine beside the audits. The run measures little: a processor that is made of software is a thousand times slower.
const SCRIPT: &str = "\
    copycost probe --json >/tmp/run/probe.json\n\
    copycost verify --link loopback,unix --sizes 1,4097,65536 --threads 1 --json --quiet >/tmp/run/verify.json 2>/tmp/run/verify.log\n\
    echo $? >/tmp/run/verify.status\n\
    copycost run --send send,sendmsg,zerocopy --sizes 4KiB --threads 1,2 --rounds 2 --time 300ms --controls off --quiet --json \
        --threshold unsettled=100% --threshold window_void=100% --out /tmp/quick >/tmp/run/quick.json 2>/tmp/run/quick.log\n\
    echo $? >/tmp/run/quick.status\n\
    mkdir /tmp/run/quick; cp /tmp/quick/journal.jsonl /tmp/quick/host.json /tmp/run/quick/\n\
    ls /tmp/quick /tmp/quick/figures >/tmp/run/quick/files\n";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
struct Options {
    packages: Vec<String>,
    program: PathBuf,
    /// A copycost of this machine, which derives reports quickly.
    deriver: PathBuf,
    tests: Vec<PathBuf>,
    /// Judge what the last machines sent back, and boot none.
    again: bool,
}

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options {
        packages: Vec::new(),
        program: PathBuf::from("target/dist/copycost-aarch64"),
        deriver: PathBuf::from("target/release/copycost"),
        tests: Vec::new(),
        again: false,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().map(PathBuf::from).ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--program" => options.program = value()?,
            "--deriver" => options.deriver = value()?,
            "--test" => options.tests.push(value()?),
            "--again" => options.again = true,
            _ if word.starts_with("--") => {
                return Err(format!(
                    "unknown option {word}; there are --program, --deriver, --test and --again"
                ));
            }
            package => options.packages.push(package.to_owned()),
        }
    }
    Ok(options)
}

/// Checks a binary on each kernel.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let mut options = parse(words)?;
    AARCH64.check_tools()?;
    for file in [&options.program, &options.deriver].into_iter().chain(&options.tests) {
        if !file.is_file() {
            return Err(format!("{}: no such file; cargo run -p xtask -- dist", file.display()));
        }
    }
    if options.packages.is_empty() {
        options.packages = kernel_package::behind(&KERNELS, AARCH64.debian)?;
    }
    on_each(&options.packages, &|package| check(package, &options))
}

/// One kernel: its machine is booted, and what it sends back is judged.
fn check(package: &str, options: &Options) -> Result<judgement::Found, String> {
    let dir = Path::new(WORK).join(package);
    let kernel = kernel_package::fetch(package, AARCH64.debian, &dir)?;
    let busybox = Path::new(WORK).join("busybox-static-arm64");
    let busybox = kernel_package::unpacked("busybox-static", AARCH64.debian, &busybox)?;
    let runs: Vec<Run> = runs(&LINKS.map(str::to_owned))
        .into_iter()
        .filter(|run| AUDITED.contains(&run.name))
        .collect();
    let image = initramfs::Contents {
        results: AARCH64.results,
        busybox: &busybox.join("bin/busybox"),
        program: &options.program,
        tests: &options.tests,
        modules: Vec::new(),
        runs: &runs.iter().map(|run| (run.name, run.words())).collect::<Vec<_>>(),
        more: SCRIPT,
    }
    .pack(&dir)?;
    let answers = if options.again {
        AARCH64.answered(&dir)
    } else {
        AARCH64.boot(&kernel, &image, &dir, LONGEST_SECONDS)?
    };
    let mut found = findings::judge(&|name| answers.read(name))?;
    let breaks = findings::version(package).is_some_and(|is| is >= OLDEST_WITH_BREAKPOINTS);
    if breaks {
        found.extend(judged(&runs, &[2], TWICE, &options.deriver, &answers)?);
    }
    found.differing.extend(failed_tests(&answers)?);
    found
        .differing
        .extend(findings::skipped_counters(&answers.read("test0.log").unwrap_or_default()));
    Ok(found)
}
