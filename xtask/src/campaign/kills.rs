//! Runs are killed at random moments, one in five within the first tenth of a second. What was recorded must be there, and the
//! directory must be taken by `--resume` or by `--out`.

use std::time::Duration;
use std::{fs, thread};

use rand::RngExt as _;

use super::{Field, Tally, tiny, wrong};

/// How long a run may live, in milliseconds: its start, the ceiling, and a few trials.
const LATEST_MS: u64 = 1_200;
const EARLY_MS: u64 = 100;

pub(super) fn attack(field: &mut Field<'_>) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let (mut early, mut begun, mut resumed) = (0, 0, 0);
    while field.goes_on() {
        let name = format!("killed{}", tally.tried);
        let is_early = field.random.random_range(0..5) == 0;
        let latest = if is_early { EARLY_MS } else { LATEST_MS };
        let after = Duration::from_micros(field.random.random_range(0..latest * 1000));
        early += u64::from(is_early);
        let line = tiny("4KiB", "1000", "1m", &["--out", &name]);
        let mut command = field.command(&line);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut run = command.spawn().map_err(|why| why.to_string())?;
        thread::sleep(after);
        run.kill().and_then(|()| run.wait()).map_err(|why| why.to_string())?;
        let journal = field.work.join(&name).join("journal.jsonl");
        let whole = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        let before = fs::read(&journal).unwrap_or_default();
        let kept = whole(&before);
        // What began takes both flags; what recorded something goes on.
        let left = fs::read_dir(field.work.join(&name)).map_or(0, Iterator::count);
        let resumes = kept > 0 || (left > 0 && field.random.random());
        let flag = if resumes { "--resume" } else { "--out" };
        (begun, resumed) =
            if flag == "--out" { (begun + 1, resumed) } else { (begun, resumed + 1) };
        let line = tiny("4KiB", "1000", "150ms", &["--quiet", flag, &name]);
        let output = field.run(&line).map_err(|why| why.to_string())?;
        let after_it = fs::read(&journal).unwrap_or_default();
        let fault = wrong(&output).or_else(|| {
            let code = output.status.code();
            let last = String::from_utf8_lossy(&output.stderr)
                .lines()
                .last()
                .unwrap_or_default()
                .to_owned();
            // A run too short for one valid trial ends with 3, and says so.
            let is_taken = code == Some(0)
                || last.contains("valid trial")
                || last.contains("nothing was measured");
            if !is_taken {
                return Some(format!("{flag} does not take it: {last}"));
            }
            let whole_bytes = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            (!after_it.starts_with(&before[..whole_bytes]))
                .then(|| format!("of {kept} records some are gone"))
        });
        if fault.is_none() {
            let _ = fs::remove_dir_all(field.work.join(&name));
        }
        tally.note(fault.map(|fault| format!("killed after {after:?}, {name}: {fault}")));
    }
    tally.notes.push(format!(
        "{early} within the first {EARLY_MS} ms; {resumed} went on with --resume, {begun} began again with --out"
    ));
    Ok(tally)
}
