//! A slow-down that is planted: does `compare` find it? Pairs of short runs, of which the second one's `sendmsg` spins after each
//! call, by a library that is loaded before the C library's; the program under test is the one that users have.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Where the library, the runs and nothing else lie.
const WORK: &str = "target/planted";
/// What both sides measure: the path that is slowed down, and one that is not.
const PATHS: [&str; 2] = ["sendmsg", "send"];
const SIZE: &str = "64KiB";
const KIB: f64 = 64.0;
/// The figure that decides on this link, and the other one that is compared.
const COST: &str = "ends_cpu_ns_per_kib";
const GOODPUT: &str = "goodput_gbps";
/// Of so many pairs the slow-down is found in one less at least, and is told of as few where none was planted.
const ONE_IN: u32 = 10;
/// A pair, its comparison included, has to be done within this.
const A_PAIR: Duration = Duration::from_secs(60);

/// `sendmsg` as the C library has it, and so many nanoseconds of spinning after each call that took bytes. The first call of a process
/// makes a file, which shows that it was taken: a static program calls its own.
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static long planted = -1;
static ssize_t (*theirs)(int, const struct msghdr *, int);
static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    if (planted < 0) {
        const char *text = getenv("PLANTED_NS");
        theirs = (ssize_t (*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, "sendmsg");
        planted = text ? atol(text) : 0;
        const char *proof = getenv("PLANTED_PROOF");
        int file = proof ? open(proof, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1;
        if (file >= 0) {
            close(file);
        }
    }
    ssize_t sent = theirs(fd, message, flags);
    if (sent > 0) {
        for (long long end = now() + planted; now() < end;) {}
    }
    return sent;
}
"#;

struct Options {
    pairs: u32,
    share: f64,
    program: PathBuf,
    seconds: u32,
}

fn parse(words: &[String]) -> Result<Options, String> {
    let program = PathBuf::from("target/release/copycost");
    let mut options = Options { pairs: 10, share: 0.05, program, seconds: 25 };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--slower" => {
                let text = value()?;
                let percent = text.strip_suffix('%').and_then(|text| text.parse::<f64>().ok());
                let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
                options.share = percent.ok_or("--slower wants per cent, such as 5%")? / 100.0;
            }
            "--program" => options.program = PathBuf::from(value()?),
            "--seconds" => {
                let seconds = value()?.parse().ok().filter(|seconds| (1..=29).contains(seconds));
                options.seconds =
                    seconds.ok_or("--seconds of a run: 1 to 29, two runs a minute")?;
            }
            pairs => {
                options.pairs = pairs.parse().map_err(|_| {
                    format!(
                        "{pairs} is no number of pairs; there are --slower, --seconds and --program"
                    )
                })?;
            }
        }
    }
    if options.pairs == 0 { Err("at least 1 pair".to_owned()) } else { Ok(options) }
}

/// Measures pairs, and tells how many of the slow-downs were found.
///
/// # Errors
/// Too few were found, or something else was too often; the program does not take the library; or what could not be done.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let options = parse(words)?;
    let work = std::env::current_dir().map_err(|error| error.to_string())?.join(WORK);
    let at = |error: std::io::Error| format!("{}: {error}", work.display());
    if work.exists() {
        std::fs::remove_dir_all(&work).map_err(at)?;
    }
    std::fs::create_dir_all(&work).map_err(at)?;
    let library = build(&work)?;
    let mut lines = vec![format!("load before: {}", load())];
    let (mut found, mut wrong, mut late) = (0, 0, 0);
    for pair in 1..=options.pairs {
        let began = Instant::now();
        let plain = work.join(format!("plain-{pair}"));
        let slowed = work.join(format!("slowed-{pair}"));
        measure(&options, &plain, None)?;
        // Of what a message costs both ends, by this pair's own measurement.
        let cost = cost(&options.program, &plain)? * KIB;
        let ns = (cost * options.share).round();
        measure(&options, &slowed, Some((&library, ns)))?;
        let told = Told::of(&compare(&options.program, &plain, &slowed)?);
        let took = began.elapsed();
        let is_late = took > A_PAIR;
        found += u32::from(told.is_found && !is_late);
        wrong += u32::from(told.is_wrong);
        late += u32::from(is_late);
        let line = format!(
            "pair {pair}: {ns} ns a message of {:.1} µs planted, {} in {:.0} s; load {}: {}",
            cost / 1e3,
            if told.is_found { "found" } else { "not found" },
            took.as_secs_f64(),
            load(),
            told.text
        );
        lines.push(line);
    }
    let Options { pairs, share, .. } = options;
    let text = format!(
        "{}\na slow-down of {} % was found in {found} of {pairs} pairs ({late} took longer than {} s); in {wrong} something else was found",
        lines.join("\n"),
        share * 100.0,
        A_PAIR.as_secs()
    );
    match judged(pairs, share > 0.0, found, wrong) {
        None => Ok(text),
        Some(why) => Err(format!("{text}\n{why}")),
    }
}

/// What is wrong with so many found and so many that were not planted.
fn judged(pairs: u32, is_planted: bool, found: u32, wrong: u32) -> Option<String> {
    let most = pairs / ONE_IN;
    if is_planted && pairs - found.min(pairs) > most {
        return Some(format!("found in {found} of {pairs}, and nine in ten are wanted"));
    }
    let false_ones = if is_planted { wrong } else { found + wrong };
    (false_ones > most)
        .then(|| format!("in {false_ones} of {pairs} something was found that was not planted"))
}

/// The one-minute load average: what else runs makes intervals wide.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("not known").to_owned()
}

fn build(work: &Path) -> Result<PathBuf, String> {
    let (source, library) = (work.join("planted.c"), work.join("planted.so"));
    std::fs::write(&source, LIBRARY).map_err(|error| format!("{}: {error}", source.display()))?;
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    output(&mut compiler, "cc")?;
    Ok(library)
}

fn measure(options: &Options, out: &Path, planted: Option<(&PathBuf, f64)>) -> Result<(), String> {
    let mut command = Command::new(&options.program);
    command.args(["run", "-q", "--send", &PATHS.join(","), "--sizes", SIZE, "--threads", "1"]);
    command.args(["--link", "loopback", "--controls", "off", "--rounds", "1000"]);
    command.args(["--max-time", &format!("{}s", options.seconds), "--out"]).arg(out);
    let Some((library, ns)) = planted else {
        return output(&mut command, "copycost run").map(|_| ());
    };
    let proof = out.with_extension("proof");
    command.env("LD_PRELOAD", library).env("PLANTED_NS", ns.to_string());
    command.env("PLANTED_PROOF", &proof);
    output(&mut command, "copycost run")?;
    if proof.exists() {
        return Ok(());
    }
    Err(format!(
        "{} did not take the library (LD_PRELOAD), so that nothing was planted: it is static, perhaps; name one that is not: --program FILE, made by cargo build --release without --target",
        options.program.display()
    ))
}

fn json(command: &mut Command, what: &str) -> Result<Value, String> {
    let text = output(command, what)?;
    serde_json::from_str(&text).map_err(|error| format!("{what}: {error}"))
}

fn output(command: &mut Command, what: &str) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|why| format!("{what}: {why}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{what} ended with {}: {why}", output.status))
}

/// Cost per KiB of both ends on the path that is slowed down, in ns.
fn cost(program: &Path, run: &Path) -> Result<f64, String> {
    let table = output(Command::new(program).arg("table").arg(run), "copycost table")?;
    let mut rows = table.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let heads = rows.next().unwrap_or_default();
    let column = |name: &str| heads.iter().position(|head| *head == name);
    let places = column("send_path").zip(column("metric")).zip(column("value"));
    let ((path, metric), value) = places.ok_or("copycost table has no send_path, metric, value")?;
    let is_it =
        |row: &Vec<&str>| row.get(path) == Some(&PATHS[0]) && row.get(metric) == Some(&COST);
    let row = rows.find(is_it).ok_or_else(|| format!("no {COST} of {}", PATHS[0]))?;
    let value = row.get(value).and_then(|text| text.parse().ok());
    value.ok_or_else(|| format!("{COST} of {} is no number", PATHS[0]))
}

fn compare(program: &Path, base: &Path, other: &Path) -> Result<Value, String> {
    json(Command::new(program).args(["compare", "--json"]).arg(base).arg(other), "copycost compare")
}

/// What a comparison says.
struct Told {
    /// The slowed path is shown to be worse: against the other one, or by itself.
    is_found: bool,
    /// Something is shown that was not planted: the slowed path better, or the other one worse.
    is_wrong: bool,
    text: String,
}

impl Told {
    fn of(changes: &Value) -> Self {
        let all = changes["comparisons"][0]["changes"].as_array().cloned().unwrap_or_default();
        let (mut is_found, mut is_wrong, mut text) = (false, false, Vec::new());
        for change in &all {
            // Of a contrast it is the first value that is compared with the second.
            let first = change["contrast"].as_str().and_then(|text| text.split(": ").nth(1));
            let first = first.and_then(|values| values.split(" / ").next());
            let cell = change["cell"].as_str().unwrap_or_default();
            let of_cell = cell.split(' ').find_map(|part| part.strip_prefix("send="));
            let Some(path) = first.or(of_cell) else { continue };
            let is_slowed = path == PATHS[0];
            let is_more = match change["finding"].as_str() {
                Some("more") => true,
                Some("less") => false,
                _ => continue,
            };
            let is_worse = is_more == (change["metric"] == COST);
            if is_slowed == is_worse {
                is_found = true
            } else {
                is_wrong = true
            }
            let of = change["of"].as_str().unwrap_or_default();
            let ratio = change["ratio"]["mean"].as_f64().unwrap_or(f64::NAN);
            let metric = if change["metric"] == GOODPUT { "goodput" } else { "cost" };
            text.push(format!("{path} {of} {metric} {ratio:.3} ×"));
        }
        if text.is_empty() {
            let seen = &changes["comparisons"][0]["seen"]["contrast"]["least"];
            text.push(format!("nothing; {seen} would have been found nine times in ten"));
        }
        Self { is_found, is_wrong, text: text.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(finding: &str, metric: &str, contrast: &str) -> Told {
        let change = json!({"of": "contrast", "contrast": contrast, "metric": metric,
            "finding": finding, "ratio": {"mean": 1.05}});
        Told::of(&json!({"comparisons": [{"changes": [change], "seen": {}}]}))
    }

    #[test]
    fn nine_in_ten_have_to_be_found_and_hardly_anything_that_was_not_planted() {
        for (pairs, is_planted, found, wrong, is_fine) in [
            (10, true, 10, 0, true),
            (10, true, 9, 1, true),
            (10, true, 8, 0, false),
            (10, true, 10, 2, false),
            (1, true, 0, 0, false),
            (20, true, 18, 0, true),
            (10, false, 0, 1, true),
            (10, false, 1, 1, false),
        ] {
            let why = judged(pairs, is_planted, found, wrong);
            assert_eq!(why.is_none(), is_fine, "{pairs} {is_planted} {found} {wrong}: {why:?}");
        }
        assert!(parse(&["0".to_owned()]).is_err());
    }

    /// A program that sends nothing stands for one that does not take the library.
    #[test]
    fn a_program_that_does_not_take_the_library_is_refused() {
        let work = std::env::temp_dir().join(format!("planted-{}", std::process::id()));
        std::fs::create_dir_all(&work).unwrap();
        let program = PathBuf::from("true");
        let options = Options { pairs: 1, share: 0.05, program, seconds: 1 };
        let none = work.join("none.so");
        assert_eq!(measure(&options, &work.join("plain"), None), Ok(()));
        let why = measure(&options, &work.join("slowed"), Some((&none, 1.0))).unwrap_err();
        std::fs::remove_dir_all(&work).unwrap();
        assert!(why.contains("nothing was planted"), "{why}");
    }

    #[test]
    fn only_what_was_planted_counts_as_found() {
        let of = |finding, metric, contrast| {
            let told = told(finding, metric, contrast);
            (told.is_found, told.is_wrong)
        };
        assert_eq!(of("more", COST, "send: sendmsg / send"), (true, false));
        assert_eq!(of("less", GOODPUT, "send: sendmsg / send"), (true, false));
        assert_eq!(of("less", COST, "send: sendmsg / send"), (false, true));
        // The other way round it is the same.
        assert_eq!(of("less", COST, "send: send / sendmsg"), (true, false));
        assert_eq!(of("equivalent", COST, "send: sendmsg / send"), (false, false));
    }
}
