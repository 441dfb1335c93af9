//! Runs to another host that are cut at random moments, each in one of several ways: nothing may stay at either host, no record may be
//! lost or changed, and the run must go on.
//!
//! Two network namespaces are the hosts, and Debian's sshd runs in one of them (`cut_peers/hosts.rs`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use rustix::process::{Pid, Signal};

mod hosts;

use hosts::{Hosts, Process, THERE};

/// How many runs are cut where nobody says.
const CUTS: u64 = 100;
/// A part of the runs is cut within this after their beginning: their start, the copying of the program.
const EARLY_MS: u64 = 600;
/// The others when so many trials at most have been measured, which no load of the machine keeps from being so, and within this
/// after it.
const MOST_TRIALS: usize = 12;
const AFTER_MS: u64 = 500;
/// A link that is down is up again after so long at most: longer than `ssh` takes to notice (15 s), and less than all tries to
/// reach the peer again.
const LONGEST_DOWN_MS: u64 = 18_000;
/// After a cut that the engine outlives, it has measured again, or has given up, within this.
const GOING_ON: Duration = Duration::from_secs(120);
/// A run that is asked to stop has ended within this.
const STOPPING: Duration = Duration::from_secs(60);
/// What a cut leaves at a host is gone within this: a peer whose connection was cut without a word waits for 20 s, and sshd keeps a
/// session of a client that is gone until it writes to it.
const LEAVING: Duration = Duration::from_secs(60);

/// How a run is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Engine,
    Peer,
    Ssh,
    Session,
    Link,
    Term,
}

impl Cut {
    const ALL: [Self; 6] =
        [Self::Engine, Self::Peer, Self::Ssh, Self::Session, Self::Link, Self::Term];

    const fn name(self) -> &'static str {
        match self {
            Self::Engine => "the engine killed",
            Self::Peer => "the peer's copycost killed",
            Self::Ssh => "ssh killed",
            Self::Session => "sshd's session killed",
            Self::Link => "the link down, then up",
            Self::Term => "SIGTERM to the engine",
        }
    }
}

/// When a run is cut: so long after so many trials of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    trials: usize,
    after: Duration,
}

impl Moment {
    fn drawn(random: &mut Pcg64) -> Self {
        let trials =
            if random.random_range(0..3) == 0 { 0 } else { random.random_range(1..=MOST_TRIALS) };
        let latest = if trials == 0 { EARLY_MS } else { AFTER_MS };
        Self { trials, after: Duration::from_millis(random.random_range(0..latest)) }
    }
}

/// What came of the cuts of one kind.
#[derive(Debug, Default)]
struct Tally {
    cuts: u32,
    /// Those that met what they were after: before it was there they cut nothing.
    met: u32,
    /// The engine measured on.
    went_on: u32,
    /// `--resume` went on with what was measured.
    resumed: u32,
    /// Nothing was measured yet, and the directory was taken anew.
    anew: u32,
    records: usize,
    slowest: Duration,
    failed: Vec<String>,
}

/// Sends a process a signal; false where there is none any more.
fn kill(id: u32, signal: Signal) -> bool {
    let process = i32::try_from(id).ok().and_then(Pid::from_raw);
    process.is_some_and(|process| rustix::process::kill_process(process, signal).is_ok())
}

/// Whether something is so within a time.
fn until(patience: Duration, is_so: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if is_so() {
            return true;
        }
        if begun.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Options {
    cuts: u64,
    seed: u64,
    program: PathBuf,
}

fn parse(words: &[String]) -> Result<Options, String> {
    let program = PathBuf::from("target/release/copycost");
    let mut options = Options { cuts: CUTS, seed: 1, program };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let number = |text: &String| {
            text.parse::<u64>().map_err(|_| format!("\"{text}\" is no number of cuts and no option; there are --seed N and --program FILE"))
        };
        match word.as_str() {
            "--seed" => options.seed = number(words.next().ok_or("--seed needs a number")?)?,
            "--program" => {
                options.program = words.next().ok_or("--program needs a file")?.into();
            }
            _ => options.cuts = number(word)?,
        }
    }
    if options.cuts == 0 { Err("at least 1 cut".to_owned()) } else { Ok(options) }
}

/// `cut-peers [N] [--seed N] [--program FILE]`.
///
/// # Errors
/// What stayed, was lost or did not go on; or what could not be done.
pub(crate) fn check(words: &[String]) -> Result<String, String> {
    let options = parse(words)?;
    let built = fs::canonicalize(&options.program).map_err(|error| {
        format!("{}: {error}; build it: cargo build --release", options.program.display())
    })?;
    if let Some(why) = hosts::lacking() {
        return Err(why);
    }
    let work = std::env::temp_dir().join(format!("copycost-cut-peers-{}", std::process::id()));
    fs::create_dir(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    // A copy of this task's own, so that its processes are told from others'.
    let program = work.join("copycost");
    let checked = fs::copy(&built, &program)
        .map_err(|error| format!("{}: {error}", built.display()))
        .and_then(|_| cut_all(&work, &program, &options));
    match checked {
        Ok((table, 0)) => {
            let _ = fs::remove_dir_all(&work);
            Ok(table)
        }
        Ok((table, failed)) => {
            Err(format!("{table}\n{failed} failed; what they left is in {}", work.display()))
        }
        Err(why) => {
            let _ = fs::remove_dir_all(&work);
            Err(why)
        }
    }
}

fn cut_all(work: &Path, program: &Path, options: &Options) -> Result<(String, usize), String> {
    let hosts = Hosts::new(work)?;
    let mut random = Pcg64::seed_from_u64(options.seed);
    let mut tallies: Vec<(Cut, Tally)> = Cut::ALL.map(|cut| (cut, Tally::default())).into();
    let kinds = Cut::ALL.len() as u64;
    for n in 0..options.cuts {
        // Each kind as often as the others, at moments that the seed draws.
        let place = usize::try_from(n % kinds).unwrap_or(0);
        let Some((cut, tally)) = tallies.get_mut(place) else { continue };
        tally.cuts += 1;
        let run = Run::new(&hosts, program, n, &mut random)?;
        let what = format!("{}, {}", cut.name(), run.told());
        if let Err(why) = run.try_one(*cut, tally) {
            tally.failed.push(format!("{what}: {why}"));
        }
        if tally.failed.is_empty() {
            let _ = fs::remove_dir_all(&run.directory);
        }
        // Whoever waits for the table sees that something happens, and what failed before the end.
        progress(n + 1, options.cuts, *cut, tally);
    }
    if options.cuts >= CUTS {
        never_met(&mut tallies);
    }
    let failed = tallies.iter().map(|(_, tally)| tally.failed.len()).sum();
    Ok((table(&tallies, options.seed), failed))
}

/// A kind that met nothing has cut nothing, which shows nothing: that fails.
fn never_met(tallies: &mut [(Cut, Tally)]) {
    for (_, tally) in tallies.iter_mut().filter(|(_, tally)| tally.met == 0) {
        tally.failed.push(format!("none of {} cuts met what was to be cut", tally.cuts));
    }
}

#[allow(clippy::print_stderr, reason = "a task of a quarter of an hour tells how far it is")]
fn progress(n: u64, of: u64, cut: Cut, tally: &Tally) {
    if let Some(last) = tally.failed.last() {
        eprintln!("{n} of {of}: {}: {last}", cut.name());
    } else if n.is_multiple_of(10) {
        eprintln!("{n} of {of}: nothing failed of {}", cut.name());
    }
}

fn table(tallies: &[(Cut, Tally)], seed: u64) -> String {
    let mut lines = vec![format!(
        "{:28} {:>5} {:>5} {:>8} {:>8} {:>6} {:>8} {:>9} {:>7}",
        "cut", "cuts", "met", "went on", "resumed", "anew", "records", "clean in", "failed"
    )];
    for (cut, it) in tallies {
        lines.push(format!(
            "{:28} {:>5} {:>5} {:>8} {:>8} {:>6} {:>8} {:>7.1} s {:>7}",
            cut.name(),
            it.cuts,
            it.met,
            it.went_on,
            it.resumed,
            it.anew,
            it.records,
            it.slowest.as_secs_f64(),
            it.failed.len()
        ));
        lines.extend(it.failed.iter().map(|what| format!("    FAILED: {what}")));
    }
    let cuts: u32 = tallies.iter().map(|(_, it)| it.cuts).sum();
    let met: u32 = tallies.iter().map(|(_, it)| it.met).sum();
    lines.push(format!(
        "seed {seed}: {cuts} runs were cut, {met} while what was cut was there; after each no process, file or mount of it may be left at either host, \
         the journal must be readable and begin with what it held, and the run go on"
    ));
    lines.join("\n")
}

/// One run, and when it is cut.
struct Run<'h> {
    hosts: &'h Hosts,
    program: &'h Path,
    name: String,
    directory: PathBuf,
    peer_sends: bool,
    is_steady: bool,
    is_installed: bool,
    moment: Moment,
    down: Duration,
}

impl<'h> Run<'h> {
    fn new(
        hosts: &'h Hosts,
        program: &'h Path,
        number: u64,
        random: &mut Pcg64,
    ) -> Result<Self, String> {
        let name = format!("run{number}");
        let run = Self {
            hosts,
            program,
            directory: hosts.work.join("runs").join(&name),
            name,
            peer_sends: random.random(),
            is_steady: random.random_range(0..3) == 0,
            is_installed: random.random(),
            moment: Moment::drawn(random),
            down: Duration::from_millis(random.random_range(50..LONGEST_DOWN_MS)),
        };
        hosts.install(program, run.is_installed)?;
        Ok(run)
    }

    fn told(&self) -> String {
        format!(
            "{} {:?} after {} trials, {}{}{}down for {:?}",
            self.name,
            self.moment.after,
            self.moment.trials,
            if self.peer_sends { "the peer sends, " } else { "" },
            if self.is_steady { "steady, " } else { "" },
            if self.is_installed { "installed there, " } else { "" },
            self.down
        )
    }

    fn words(&self, rounds: &str, flag: &str) -> Vec<String> {
        let mut words = vec!["run"];
        if flag == "--out" {
            words.extend(["--peer", THERE, "--send", "send,sendmsg", "--sizes", "512,16KiB"]);
            words.extend(["--threads", "1", "--time", "20ms", "--warmup", "5ms", "--tail", "2ms"]);
            words.extend(["--controls", "off", "--threshold", "unsettled=1000"]);
            words.extend(["--threshold", "window-void=1000", "--max-time", "1h"]);
            words.push(if self.peer_sends { "--peer-sends=on" } else { "--peer-sends=off" });
            if self.is_steady {
                words.push("--steady");
            }
        }
        words.extend(["--rounds", rounds, flag, &self.name]);
        words.into_iter().map(str::to_owned).collect()
    }

    fn start(&self, words: &[String]) -> Result<Child, String> {
        let errors = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.hosts.work.join("runs").join(format!("{}.err", self.name)))
            .map_err(|why| why.to_string())?;
        let mut command = self.hosts.program(self.program);
        command.args(words).stdout(Stdio::null()).stderr(errors);
        command.spawn().map_err(|why| format!("{}: {why}", self.program.display()))
    }

    /// The last line that it said.
    fn last_line(&self) -> String {
        let path = self.hosts.work.join("runs").join(format!("{}.err", self.name));
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().last().unwrap_or_default().to_owned()
    }

    /// The records that are whole.
    fn records(&self) -> Vec<u8> {
        let mut bytes = fs::read(self.directory.join("journal.jsonl")).unwrap_or_default();
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.truncate(whole);
        bytes
    }

    /// Trials that ended well.
    fn finished(&self) -> usize {
        let records = self.records();
        let text = String::from_utf8_lossy(&records);
        text.lines().filter(|line| line.contains("\"finished\":{")).count()
    }

    fn try_one(&self, cut: Cut, tally: &mut Tally) -> Result<(), String> {
        let mut engine = self.start(&self.words("100000", "--out"))?;
        self.await_moment(&mut engine)?;
        let before = self.records();
        let made = self.cut(cut, engine.id());
        let went_on = made.and_then(|met| {
            tally.met += u32::from(met);
            self.outlive(cut, met, &mut engine)
        });
        // However it went, nobody stays.
        let status = end(&mut engine);
        tally.went_on += u32::from(went_on?);
        let status = status?;
        let is_expected = match cut {
            Cut::Engine => status.code().is_none(),
            // 3: it was cut before the peer had been reached, and 143 before it had begun to listen for signals.
            Cut::Peer | Cut::Ssh | Cut::Session | Cut::Link | Cut::Term => {
                matches!(status.code(), Some(130 | 3 | 143))
                    || status.code().is_none() && cut == Cut::Term
            }
        };
        if !is_expected {
            return Err(format!("the engine ended with {status}: {}", self.last_line()));
        }
        self.is_clean(tally)?;
        self.keeps(&before)?;
        tally.records += before.iter().filter(|byte| **byte == b'\n').count();
        self.go_on(tally)
    }

    /// Waits until it is to be cut.
    fn await_moment(&self, engine: &mut Child) -> Result<(), String> {
        let begun = Instant::now();
        while self.finished() < self.moment.trials {
            let has_ended = engine.try_wait().map_err(|why| why.to_string())?.is_some();
            if has_ended || begun.elapsed() > GOING_ON {
                end(engine)?;
                let trials = self.moment.trials;
                return Err(format!("it never measured {trials} trials: {}", self.last_line()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(self.moment.after);
        Ok(())
    }

    /// Cuts it; whether there was what was to be cut.
    fn cut(&self, cut: Cut, engine: u32) -> Result<bool, String> {
        let hosts = self.hosts;
        Ok(match cut {
            Cut::Engine => kill(engine, Signal::KILL),
            Cut::Term => kill(engine, Signal::TERM),
            Cut::Peer => {
                let is_peer = |it: &Process| it.words.ends_with(" peer");
                Hosts::kill_all(&hosts.processes_there(), is_peer) > 0
            }
            Cut::Ssh => {
                let is_ssh = |it: &Process| it.parent == engine && it.words.starts_with("ssh ");
                Hosts::kill_all(&hosts.processes_here(), is_ssh) > 0
            }
            Cut::Session => {
                let is_session = |it: &Process| it.words.starts_with("sshd");
                Hosts::kill_all(&hosts.processes_there(), is_session) > 0
            }
            Cut::Link => {
                hosts.link(false)?;
                std::thread::sleep(self.down);
                hosts.link(true)?;
                true
            }
        })
    }

    /// Of a cut that the engine outlives: waits until it measures again or has given up, and asks it to stop. Whether it measured.
    fn outlive(&self, cut: Cut, met: bool, engine: &mut Child) -> Result<bool, String> {
        match cut {
            Cut::Engine | Cut::Term => return Ok(false),
            Cut::Peer | Cut::Ssh | Cut::Session | Cut::Link => {}
        }
        let (begun, before) = (Instant::now(), self.finished());
        let mut went_on = false;
        while !went_on && engine.try_wait().map_err(|why| why.to_string())?.is_none() {
            if begun.elapsed() > GOING_ON {
                let last = self.last_line();
                return Err(format!("nothing was measured for {GOING_ON:?} after it: {last}"));
            }
            std::thread::sleep(Duration::from_millis(50));
            went_on = self.finished() > before;
        }
        if went_on {
            kill(engine.id(), Signal::TERM);
        } else if met && before > 0 {
            // All of these come back: it may not have given up.
            return Err(format!("it gave up: {}", self.last_line()));
        }
        Ok(went_on)
    }

    fn is_clean(&self, tally: &mut Tally) -> Result<(), String> {
        let (took, left) = self.hosts.await_clean(LEAVING);
        tally.slowest = tally.slowest.max(took);
        if left.is_empty() {
            return Ok(());
        }
        // The next run is not to find it.
        for process in self.hosts.processes_here().iter().chain(&self.hosts.processes_there()) {
            kill(process.id, Signal::KILL);
        }
        Err(format!("left behind: {}", left.join("; ")))
    }

    /// Whether the journal begins with what it held.
    fn keeps(&self, before: &[u8]) -> Result<(), String> {
        if self.records().starts_with(before) {
            return Ok(());
        }
        Err(format!("of {} bytes of records some are gone or others now", before.len()))
    }

    /// Reads the run, and goes on with it; or begins it again where nothing was recorded.
    fn go_on(&self, tally: &mut Tally) -> Result<(), String> {
        let before = self.records();
        let flag = if before.is_empty() { "--out" } else { "--resume" };
        let line = self.words(&(rounds(&before) + 1).to_string(), flag);
        let mut engine = self.start(&line)?;
        let has_ended = until_ended(&mut engine, GOING_ON)?;
        let status = match has_ended {
            Some(status) => status,
            None => {
                end(&mut engine)?;
                return Err(format!("{flag} does not end: {}", self.last_line()));
            }
        };
        // A run without one valid trial ends with 3, and says so.
        let is_taken = status.success() || self.last_line().contains("valid trial");
        if !is_taken {
            return Err(format!("{flag} does not take it ({status}): {}", self.last_line()));
        }
        self.is_clean(tally)?;
        self.keeps(&before)?;
        if self.records().len() == before.len() {
            return Err(format!("{flag} measured nothing: {}", self.last_line()));
        }
        let mut report = self.hosts.program(self.program);
        let read = report.args(["report", &self.name]).output().map_err(|why| why.to_string())?;
        if !matches!(read.status.code(), Some(0 | 3)) {
            let error = String::from_utf8_lossy(&read.stderr).into_owned();
            return Err(format!("it cannot be read: {}", error.trim()));
        }
        *(if flag == "--out" { &mut tally.anew } else { &mut tally.resumed }) += 1;
        Ok(())
    }
}

/// The last round that was begun.
fn rounds(records: &[u8]) -> u64 {
    let lines = records.split(|byte| *byte == b'\n');
    let records = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let of_rounds = records.filter(|record| record["kind"] == "round");
    of_rounds.filter_map(|record| record["body"]["round"].as_u64()).max().unwrap_or(0)
}

/// How a child ended, where it does within a time.
fn until_ended(child: &mut Child, patience: Duration) -> Result<Option<ExitStatus>, String> {
    let begun = Instant::now();
    loop {
        match child.try_wait().map_err(|why| why.to_string())? {
            Some(status) => return Ok(Some(status)),
            None if begun.elapsed() > patience => return Ok(None),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// How an engine that was killed or asked to stop ended; one that does not is killed.
fn end(engine: &mut Child) -> Result<ExitStatus, String> {
    if let Some(status) = until_ended(engine, STOPPING)? {
        return Ok(status);
    }
    engine.kill().and_then(|()| engine.wait()).map_err(|why| why.to_string())?;
    Err(format!("the engine did not end within {STOPPING:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_number_a_seed_and_a_program_are_taken_and_nothing_else() {
        let options = parse(&words("7 --seed 3 --program x")).unwrap();
        assert_eq!((options.cuts, options.seed, options.program.to_str()), (7, 3, Some("x")));
        assert_eq!(parse(&[]).map(|it| it.cuts).ok(), Some(CUTS));
        for wrong in ["0", "seven", "--seed", "--seed x", "--sed 1"] {
            assert!(parse(&words(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn most_runs_are_cut_when_something_was_measured() {
        let mut random = Pcg64::seed_from_u64(1);
        let moments: Vec<Moment> = (0..300).map(|_| Moment::drawn(&mut random)).collect();
        let later = moments.iter().filter(|it| it.trials > 0);
        assert!((150..270).contains(&later.clone().count()), "{}", later.clone().count());
        assert!(later.clone().all(|it| it.trials <= MOST_TRIALS));
        let mut early = moments.iter().filter(|it| it.trials == 0);
        assert!(early.all(|it| it.after < Duration::from_millis(EARLY_MS)));
    }

    #[test]
    fn the_last_round_is_read_from_whole_records() {
        let of = |n: u32| format!("{{\"v\":1,\"kind\":\"round\",\"body\":{{\"round\":{n}}}}}\n");
        let trial = "{\"kind\":\"trial\",\"body\":{\"round\":9}}\n";
        let text = [of(1), of(3), trial.to_owned(), of(2), "{\"kind\":\"rou".to_owned()].concat();
        assert_eq!((rounds(text.as_bytes()), rounds(b"")), (3, 0));
    }

    #[test]
    fn a_kind_that_never_met_what_it_cuts_fails() {
        let of = |met| Tally { cuts: 17, met, ..Tally::default() };
        let mut tallies = [(Cut::Ssh, of(0)), (Cut::Link, of(1))];
        never_met(&mut tallies);
        assert_eq!(tallies[0].1.failed, ["none of 17 cuts met what was to be cut"]);
        assert!(tallies[1].1.failed.is_empty());
    }

    #[test]
    fn the_table_tells_each_kind_and_what_failed() {
        let failed =
            Tally { cuts: 3, failed: vec!["left behind: x".to_owned()], ..Tally::default() };
        let text = table(&[(Cut::Ssh, failed), (Cut::Term, Tally::default())], 5);
        assert!(text.contains("ssh killed") && text.contains("FAILED: left behind: x"), "{text}");
        assert!(text.contains("seed 5: 3 runs were cut"), "{text}");
    }
}
