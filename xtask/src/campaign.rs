//! Attacks on the program that can be repeated: it is killed, raced, fed records and words that nobody wrote, and tempted with
//! links, from one seed and within a time. A table tells what was tried and what failed.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use rand::SeedableRng as _;
use rand_pcg::Pcg64;
use rustix::process::{Pid, Signal};

mod beginnings;
mod full_files;
mod kills;
mod links;
mod peers;
mod records;
mod stops;
mod strangers;
mod words;

/// Minutes where nobody says.
const MINUTES: u64 = 10;
/// A command that takes longer than this hangs.
const LONGEST: Duration = Duration::from_secs(60);
/// So many failures of an attack are told; the rest are counted.
const TOLD: usize = 5;

/// What one attack came to.
#[derive(Debug, Default)]
struct Tally {
    tried: u64,
    failed: Vec<String>,
    /// What else is to be told, such as how often an attack met what it was after.
    notes: Vec<String>,
}

impl Tally {
    /// Counts one try, and what was wrong with it.
    fn note(&mut self, wrong: Option<String>) {
        self.tried += 1;
        self.failed.extend(wrong);
    }
}

/// Where an attack works, and for how long.
struct Field<'a> {
    program: &'a Path,
    /// A directory of its own.
    work: PathBuf,
    random: Pcg64,
    until: Instant,
}

impl Field<'_> {
    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// The program with these words, in the attack's own directory.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(words).current_dir(&self.work).stdin(Stdio::null());
        command.env_remove("SUDO_UID").env_remove("SUDO_GID").env_remove("COLUMNS");
        command
    }

    /// Runs it to its end.
    fn run(&self, words: &[&str]) -> io::Result<Output> {
        bounded(self.command(words))
    }

    /// Runs it to its end, for which it is asked by Ctrl-C after a while.
    fn run_for(&self, words: &[&str], a_while: Duration) -> io::Result<Output> {
        ended_by(self.command(words), &[(a_while, Signal::INT), (LONGEST, Signal::KILL)])
    }
}

/// Runs a command to its end, or kills it where that is too far.
fn bounded(command: Command) -> io::Result<Output> {
    ended_by(command, &[(LONGEST, Signal::KILL)])
}

/// Runs a command to its end, sending it signals one after the other, each after so long.
fn ended_by(mut command: Command, signals: &[(Duration, Signal)]) -> io::Result<Output> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let id = child.id();
    let (done, ends) = std::sync::mpsc::channel::<()>();
    let signals = signals.to_vec();
    let watch = std::thread::Builder::new().spawn(move || {
        for (after, signal) in signals {
            if ends.recv_timeout(after) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            if let Some(process) = i32::try_from(id).ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(process, signal);
            }
        }
    })?;
    let output = child.wait_with_output();
    let _ = done.send(());
    let _ = watch.join();
    output
}

/// The exit codes that the program has (see its help): a panic ends with 101, a signal with none.
const CODES: [i32; 7] = [0, 1, 2, 3, 4, 130, 143];

/// What is wrong with how a command ended: a panic, a signal, a hang, an error that is not one line.
fn wrong(output: &Output) -> Option<String> {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = error.lines().last().unwrap_or_default().chars().take(200).collect::<String>();
    match output.status.code() {
        None => Some(format!("ended by a signal ({}): {last}", output.status)),
        Some(code) if !CODES.contains(&code) => Some(format!("ended with {code}: {last}")),
        Some(_) if error.contains("panicked at") => Some(format!("panicked: {last}")),
        Some(2 | 3) if !last.starts_with("error: ") && !last.is_empty() => {
            Some(format!("its last line is no error: {last}"))
        }
        Some(_) => None,
    }
}

/// A quick run of a single cell, of so many rounds and so long at most.
fn tiny<'a>(size: &'a str, rounds: &'a str, max_time: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let cell = ["run", "--send", "sendmsg", "--sizes", size, "--threads", "1", "--controls", "off"];
    let times = ["--time", "20ms", "--warmup", "5ms", "--rounds", rounds, "--max-time", max_time];
    [&cell[..], &times, more].concat()
}

type Attack = fn(&mut Field<'_>) -> Result<Tally, String>;

/// Each attack, what it does, and its part of the time.
const ATTACKS: [(&str, Attack, u32); 9] = [
    ("kill -9, then go on or begin again", kills::attack, 4),
    ("files that may grow no further", full_files::attack, 1),
    ("two runs into one directory at once", beginnings::attack, 1),
    ("records and facts that no run wrote so", records::attack, 2),
    ("runs and ends that are stopped for a while", stops::attack, 2),
    ("words that nobody meant", words::attack, 1),
    ("links planted for root under sudo", links::attack, 1),
    ("strangers at the data port", strangers::attack, 1),
    ("peers with the token that misbehave", peers::attack, 2),
];

struct Options {
    minutes: u64,
    seed: u64,
    program: PathBuf,
    /// Only the attacks whose name has this in it.
    only: String,
}

fn parse(words: &[String]) -> Result<Options, String> {
    let program = PathBuf::from("target/release/copycost");
    let mut options = Options { minutes: MINUTES, seed: 1, program, only: String::new() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number =
            || value.parse::<u64>().map_err(|_| format!("{word}: \"{value}\" is no number"));
        match word.as_str() {
            "--minutes" => options.minutes = number()?,
            "--seed" => options.seed = number()?,
            "--program" => options.program = PathBuf::from(value),
            "--only" => options.only.clone_from(value),
            _ => {
                return Err(format!(
                    "unknown option {word}; there are --minutes, --seed, --program, --only"
                ));
            }
        }
    }
    if !ATTACKS.iter().any(|(name, ..)| name.contains(&options.only)) {
        return Err(format!("--only: no attack has \"{}\" in its name", options.only));
    }
    if options.minutes == 0 {
        return Err("--minutes: at least 1".to_owned());
    }
    Ok(options)
}

/// Whether SIGINT is ignored by a process of this status (proc_pid_status(5)): bit n - 1 of its mask is signal n.
fn ignores_interrupts(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 0b10 != 0)
}

/// Starts this task again with SIGINT as usual where it is ignored, as by the background jobs of a shell's script: what is
/// attacked would inherit that, and Ctrl-C would end nothing.
fn heed_interrupts() -> Result<(), String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|why| why.to_string())?;
    if !ignores_interrupts(&status) {
        return Ok(());
    }
    let own = std::env::current_exe().map_err(|why| why.to_string())?;
    let mut again = Command::new("env");
    again.arg("--default-signal=INT").arg(own).args(std::env::args_os().skip(1));
    Err(format!("env --default-signal=INT: {}; start the task in the foreground", again.exec()))
}

/// Attacks for so long, and tells what came of it.
///
/// # Errors
/// What failed, or what could not be tried.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let options = parse(words)?;
    heed_interrupts()?;
    let program = fs::canonicalize(&options.program).map_err(|why| {
        format!("{}: {why}; build it: cargo build --release", options.program.display())
    })?;
    let is_asked = |name: &str| name.contains(&options.only);
    let asked = ATTACKS.iter().filter(|(name, ..)| is_asked(name));
    let parts: u32 = asked.map(|(_, _, part)| part).sum();
    let part = Duration::from_secs(60 * options.minutes) / parts;
    let work = std::env::temp_dir().join(format!("copycost-campaign-{}", std::process::id()));
    fs::create_dir(&work).map_err(|why| format!("{}: {why}", work.display()))?;
    let mut lines = vec![format!("{:42} {:>8} {:>7}", "attack", "tried", "failed")];
    let mut failed = 0;
    // Numbered before some are left out, so that each has its own seed either way.
    for (number, (name, attack, parts)) in
        (0_u64..).zip(ATTACKS).filter(|(_, (name, ..))| is_asked(name))
    {
        let place = work.join(number.to_string());
        fs::create_dir(&place).map_err(|why| format!("{}: {why}", place.display()))?;
        let mut field = Field {
            program: &program,
            work: place,
            random: Pcg64::seed_from_u64(options.seed ^ (number << 32)),
            until: Instant::now() + part * parts,
        };
        let tally = attack(&mut field).unwrap_or_else(|why| Tally {
            failed: vec![format!("could not be tried: {why}")],
            ..Tally::default()
        });
        failed += tally.failed.len();
        lines.push(format!("{name:42} {:>8} {:>7}", tally.tried, tally.failed.len()));
        lines.extend(tally.notes.iter().map(|note| format!("    {note}")));
        lines.extend(tally.failed.iter().take(TOLD).map(|what| format!("    FAILED: {what}")));
    }
    let lines = lines.join("\n");
    if failed == 0 {
        let _ = fs::remove_dir_all(&work);
        Ok(format!("{lines}\nseed {}: nothing failed", options.seed))
    } else {
        Err(format!(
            "{lines}\nseed {}: {failed} failed; what they left is in {}",
            options.seed,
            work.display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn ended(status: i32, error: &str) -> Output {
        let status = ExitStatus::from_raw(status);
        Output { status, stdout: Vec::new(), stderr: error.as_bytes().to_vec() }
    }

    #[test]
    fn ignored_interrupts_are_read_from_the_mask() {
        let status =
            |mask: &str| format!("Name:\tsh\nSigBlk:\t0000000000000002\nSigIgn:\t{mask}\n");
        assert!(ignores_interrupts(&status("0000000000000006")));
        // SIGHUP and SIGQUIT alone.
        assert!(!ignores_interrupts(&status("0000000000000005")));
        assert!(!ignores_interrupts(""));
    }

    #[test]
    fn a_panic_a_signal_and_an_error_of_another_form_are_wrong() {
        let code = |code: i32| code << 8;
        assert_eq!(wrong(&ended(code(0), "! a note\n")), None);
        assert_eq!(wrong(&ended(code(2), "! a note\nerror: no\n")), None);
        assert!(wrong(&ended(code(101), "thread 'main' panicked at x")).is_some());
        assert!(wrong(&ended(code(0), "thread 'a' panicked at x\nmore")).is_some());
        assert!(wrong(&ended(9, "")).is_some());
        assert!(wrong(&ended(code(2), "usage: this\nand that\n")).is_some());
    }

    #[test]
    fn options_are_numbers_with_names() {
        let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
        let options = parse(&words("--minutes 3 --seed 7")).unwrap();
        assert_eq!((options.minutes, options.seed), (3, 7));
        for line in ["--only what", "--minutes 0", "--minutes x", "--minutes", "--hours 3"] {
            assert!(parse(&words(line)).is_err(), "{line}");
        }
    }
}
