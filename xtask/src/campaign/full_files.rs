//! Runs and reports that may write no file past a random size, as on a disk that fills up: they end with one line, what was
//! recorded stays, and with room again the run goes on.

use std::fs;
use std::process::Command;

use rand::RngExt as _;

use super::{Field, Tally, bounded, tiny, wrong};

/// The largest limit, in blocks of 512 bytes (POSIX, ulimit): all of a run's files fit a little below it.
const MOST_BLOCKS: u32 = 900;

pub(super) fn attack(field: &mut Field<'_>) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let (mut met, mut after_records) = (0, 0);
    while field.goes_on() {
        let name = format!("full{}", tally.tried);
        let blocks = field.random.random_range(0..MOST_BLOCKS);
        let line = tiny("4KiB", "3", "1s", &["--quiet", "--out", &name]);
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")]).arg(field.program);
        limited.args(&line).current_dir(&field.work).stdin(std::process::Stdio::null());
        let first = bounded(limited).map_err(|why| why.to_string())?;
        let error = String::from_utf8_lossy(&first.stderr).into_owned();
        let is_full = error.contains("no space left");
        met += u64::from(is_full);
        let journal = field.work.join(&name).join("journal.jsonl");
        let before = fs::read(&journal).unwrap_or_default();
        after_records += u64::from(is_full && !before.is_empty());
        let flag = if before.is_empty() { "--out" } else { "--resume" };
        let again = field.run(&tiny("4KiB", "3", "1s", &["--quiet", flag, &name]));
        let again = again.map_err(|why| why.to_string())?;
        let kept = fs::read(&journal).unwrap_or_default();
        let whole = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let fault = wrong(&first).or_else(|| wrong(&again)).or_else(|| {
            if !kept.starts_with(&before[..whole]) {
                return Some("records are gone".to_owned());
            }
            // A run that had come to its end has nothing to go on with, and one too short has no valid trial.
            let last = String::from_utf8_lossy(&again.stderr)
                .lines()
                .last()
                .unwrap_or_default()
                .to_owned();
            let is_taken = again.status.code() == Some(0) || last.contains("valid trial");
            (!is_taken).then(|| format!("{flag} does not take it: {last}"))
        });
        if fault.is_none() {
            let _ = fs::remove_dir_all(field.work.join(&name));
        }
        tally.note(fault.map(|fault| format!("{blocks} blocks, {name}: {fault}")));
    }
    tally.notes.push(format!("{met} met the limit, {after_records} of them with records"));
    if met == 0 && tally.tried > 10 {
        tally.failed.push("none met the limit: nothing was shown".to_owned());
    }
    Ok(tally)
}
