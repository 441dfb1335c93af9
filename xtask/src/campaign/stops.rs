//! The run's process and its ends are stopped (SIGSTOP) and continued at random moments, for 50 ms to 3 s, in turns and in steady
//! windows. The run goes on; a trial in whose midst an end stood still is void and says so, and is never a figure.

use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fs, thread};

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Field, LONGEST, Tally, wrong};

/// Milliseconds that a stop may last; every eighth may be long.
const SHORT_MS: (u64, u64) = (50, 300);
const LONG_MS: u64 = 3_000;

/// Runs of one cell: turns of some milliseconds, and steady windows of a second.
const LINES: [&[&str]; 2] = [&["--turns", "60"], &["--time", "1s", "--warmup", "100ms"]];

/// A stop of an end, in milliseconds since 1970.
type Stop = (u64, u64);

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The ends of a run: children of its process.
fn ends(run: u32) -> Vec<u32> {
    let mut ends = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        if parent.is_some_and(|parent| parent.trim() == run.to_string()) {
            ends.push(process);
        }
    }
    ends
}

/// Whether it was sent.
fn signal(process: u32, signal: Signal) -> bool {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    process.is_some_and(|process| kill_process(process, signal).is_ok())
}

/// When something began, what it was, and what a trial failed with.
struct Seen {
    started_ms: u64,
    is_trial: bool,
    failure: Option<String>,
}

/// What a journal tells of, in order.
fn records(journal: &str) -> Vec<Seen> {
    let record = |line: &str| -> Option<Seen> {
        let value: Value = serde_json::from_str(line).ok()?;
        let body = value.get("body")?;
        let started_ms = body.get("started_unix_ms")?.as_u64()?;
        let is_trial = value.get("kind")?.as_str() == Some("trial");
        let failed = body.get("outcome").and_then(|outcome| outcome.get("failed")?.get("why"));
        let failure = failed.and_then(Value::as_str).map(str::to_owned);
        Some(Seen { started_ms, is_trial, failure })
    };
    journal.lines().filter_map(record).collect()
}

/// A figure in whose midst an end stood still: between half of the time to what came next and a fifth before that, where it surely
/// measured. Trials that this program's own stops made longer tell nothing, as nobody knows when they measured.
fn published(records: &[Seen], of_ends: &[Stop], of_run: &[Stop]) -> Option<String> {
    let starts: Vec<u64> = records.iter().map(|record| record.started_ms).collect();
    let figures = records.iter().filter(|record| record.is_trial && record.failure.is_none());
    for trial in figures {
        let next = starts.iter().find(|start| **start > trial.started_ms)?;
        let lasted = next - trial.started_ms;
        let (from, to) = (trial.started_ms + lasted / 2, next - lasted / 5);
        let meets = |stop: &&Stop| stop.0 < *next && stop.1 > trial.started_ms;
        if of_run.iter().any(|stop| meets(&stop)) {
            continue;
        }
        if let Some((begun, ended)) = of_ends.iter().find(|stop| stop.0 > from && stop.1 < to) {
            return Some(format!(
                "the trial of {} was taken although an end stood still from {begun} to {ended}",
                trial.started_ms
            ));
        }
    }
    None
}

pub(super) fn attack(field: &mut Field<'_>) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let (mut stops, mut told) = (0_u64, 0_u64);
    while field.goes_on() {
        let name = format!("stopped{}", tally.tried);
        let line = LINES.choose(&mut field.random).copied().unwrap_or(LINES[0]);
        let cell =
            ["run", "--send", "sendmsg", "--sizes", "4KiB", "--threads", "1", "--controls", "off"];
        let times = ["--rounds", "4", "--max-time", "5s", "--quiet", "--out", &name];
        let mut command = field.command(&[&cell[..], line, &times].concat());
        let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut run = run.map_err(|why| why.to_string())?;
        let (mut of_ends, mut of_run) = (Vec::new(), Vec::new());
        // One time in four the run itself, whose trials then tell nothing but that it goes on.
        let is_run = field.random.random_range(0..4) == 0;
        let deadline = Instant::now() + LONGEST;
        while run.try_wait().map_err(|why| why.to_string())?.is_none() {
            if Instant::now() > deadline {
                let _ = run.kill();
                break;
            }
            thread::sleep(Duration::from_millis(field.random.random_range(20..900)));
            let ends = ends(run.id());
            let victim =
                if is_run { Some(run.id()) } else { ends.choose(&mut field.random).copied() };
            let most = if field.random.random_range(0..8) == 0 { LONG_MS } else { SHORT_MS.1 };
            let lasts = Duration::from_millis(field.random.random_range(SHORT_MS.0..most));
            let Some(victim) = victim else { continue };
            let begun = now_ms();
            if !signal(victim, Signal::STOP) {
                continue;
            }
            thread::sleep(lasts);
            let is_alive = signal(victim, Signal::CONT);
            stops += u64::from(is_alive);
            let stop = (begun, now_ms());
            if is_run { of_run.push(stop) } else { of_ends.push(stop) }
        }
        let output = run.wait_with_output().map_err(|why| why.to_string())?;
        let journal = field.work.join(&name).join("journal.jsonl");
        let records = records(&fs::read_to_string(journal).unwrap_or_default());
        let is_told = |trial: &&Seen| {
            trial.failure.as_ref().is_some_and(|why| why.contains("stopped and continued"))
        };
        told += records.iter().filter(is_told).count() as u64;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let fault =
            wrong(&output).or_else(|| published(&records, &of_ends, &of_run)).or_else(|| {
                // One too short has no valid trial, and says so.
                let goes_on = output.status.code() == Some(0) || error.contains("valid trial");
                let last = error.lines().last().unwrap_or_default();
                (!goes_on).then(|| format!("the run ended with {}: {last}", output.status))
            });
        if fault.is_none() {
            let _ = fs::remove_dir_all(field.work.join(&name));
        }
        tally.note(fault.map(|fault| format!("{name}: {fault}")));
    }
    tally.notes.push(format!("{stops} stops; {told} trials are void for one"));
    if told == 0 && tally.tried > 5 {
        tally.failed.push("no trial met a stop: nothing was shown".to_owned());
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_in_whose_midst_an_end_stood_still_is_found_and_no_other() {
        let seen = |started_ms, failed: bool| Seen {
            started_ms,
            is_trial: true,
            failure: failed.then(|| "stopped and continued".to_owned()),
        };
        let of = |failed, stop: Stop, of_run: &[Stop]| {
            let trials = [seen(1000, failed), seen(1000, failed), seen(2000, true)];
            published(&trials, &[stop], of_run).is_some()
        };
        assert!(of(false, (1550, 1700), &[]));
        assert!(!of(true, (1550, 1700), &[]), "it is void");
        assert!(!of(false, (1100, 1700), &[]), "it may have stood still before it measured");
        assert!(!of(false, (1550, 1900), &[]), "and after it");
        assert!(!of(false, (1550, 1700), &[(1100, 1200)]), "nobody knows when it measured");
        assert!(!of(false, (2550, 2700), &[]), "the last trial's end is not known");
    }

    #[test]
    fn records_are_read_from_a_journal_with_the_moments_when_they_began() {
        let journal = r#"{"kind":"round","body":{"round":1,"started_unix_ms":5}}
{"kind":"trial","body":{"started_unix_ms":7,"outcome":{"failed":{"kind":"end-lost","why":"it left"}}}}
{"kind":"trial","body":{"started_unix_ms":8,"outcome":{"finished":{}}}}
{"kind":"tr"#;
        let seen = |it: &Seen| (it.started_ms, it.is_trial, it.failure.clone());
        let seen: Vec<_> = records(journal).iter().map(seen).collect();
        assert_eq!(
            seen,
            [(5, false, None), (7, true, Some("it left".to_owned())), (8, true, None)]
        );
    }
}
