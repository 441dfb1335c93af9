//! Claims that take a counter which this machine has not: measured on aarch64 in QEMU, whose processor counts cycles, and judged
//! here together with runs of this machine.
//!
//! What is counted there are the cycles of a processor that is made of software, one for each nanosecond that a thread runs: CPU
//! time under another name. They tell how that goes with threads and paths, and nothing of levels: C22 names cycles of hardware,
//! so that what is said of it here decides nothing, which the task says too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::vm::machine::AARCH64;
use crate::vm::{WORK, initramfs, kernel_package};

/// What must be read beside the verdicts.
const CAUTION: &str = "C22 is not decided by this: its cycles are those of hardware, and one of QEMU's is a nanosecond of CPU time";
const KERNEL: &str = "linux-image-6.12-cloud-arm64";
/// What C22 and C23 are about: the sizes and thread counts that they name. A window is long, as eight threads share two CPUs, each
/// a thousand times slower than one of hardware.
const CYCLES: &str = "--send send,sendmsg,zerocopy --sizes 64,64KiB --threads 1,8 --controls off --steady --quiet \
    --time 300ms --warmup 100ms --threshold unsettled=100% --threshold window_void=100%";

struct Options {
    program: PathBuf,
    deriver: PathBuf,
    minutes: u64,
    runs: Vec<PathBuf>,
}

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options {
        program: PathBuf::from("target/dist/copycost-aarch64"),
        deriver: PathBuf::from("target/release/copycost"),
        minutes: 15,
        runs: Vec::new(),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--program" => options.program = PathBuf::from(value()?),
            "--deriver" => options.deriver = PathBuf::from(value()?),
            "--minutes" => {
                let minutes = value()?.parse().ok().filter(|minutes| (1..=240).contains(minutes));
                options.minutes = minutes.ok_or("--minutes: 1 to 240")?;
            }
            _ if word.starts_with("--") => {
                return Err(format!(
                    "unknown option {word}; there are --program, --deriver and --minutes"
                ));
            }
            run => options.runs.push(PathBuf::from(run)),
        }
    }
    Ok(options)
}

/// Measures there, and judges here.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let options = parse(words)?;
    AARCH64.check_tools()?;
    for file in [&options.program, &options.deriver] {
        if !file.is_file() {
            return Err(format!("{}: no such file; cargo run -p xtask -- dist", file.display()));
        }
    }
    let began = Instant::now();
    let packages = kernel_package::behind(&[KERNEL], AARCH64.debian)?;
    let package = packages.first().ok_or_else(|| format!("no package is behind {KERNEL}"))?;
    let dir = Path::new(WORK).join(format!("{package}-cycles"));
    let kernel = kernel_package::fetch(package, AARCH64.debian, &dir)?;
    let busybox = Path::new(WORK).join("busybox-static-arm64");
    let busybox = kernel_package::unpacked("busybox-static", AARCH64.debian, &busybox)?;
    let image = initramfs::Contents {
        results: AARCH64.results,
        busybox: &busybox.join("bin/busybox"),
        program: &options.program,
        tests: &[],
        modules: Vec::new(),
        runs: &[("cycles", format!("{CYCLES} --rounds 12 --max-time {}m", options.minutes))],
        more: "",
    }
    .pack(&dir)?;
    // Booting, and what a run does before its first round and after its last one.
    let longest = (options.minutes + 15) * 60;
    let answers = AARCH64.boot(&kernel, &image, &dir, &longest.to_string())?;
    let cycles = answers.all.join("cycles");
    answers.read("cycles/journal.jsonl")?;
    let mut judge = Command::new(&options.deriver);
    judge.args(["experiment", "judge"]).arg(&cycles).args(&options.runs);
    let judged = judge.output().map_err(|why| format!("{}: {why}", options.deriver.display()))?;
    let told = String::from_utf8_lossy(&judged.stdout).into_owned();
    if judged.status.success() {
        Ok(format!(
            "{told}\n{CAUTION}\n{package}, {} s: {}",
            began.elapsed().as_secs(),
            cycles.display()
        ))
    } else {
        Err(String::from_utf8_lossy(&judged.stderr).into_owned())
    }
}
