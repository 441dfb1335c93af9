//! Runs and reports that may write no file past a random size, or, as root, on a disk of a random size: they end with one line,
//! what was recorded stays, and with room again the run goes on.

use std::fs;
use std::path::Path;
use std::process::Command;

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use super::{Field, Tally, bounded, tiny, wrong};

/// A limit is given in blocks of so many bytes (POSIX, ulimit).
const BLOCK_BYTES: u64 = 512;

/// The lengths of all files below a directory.
fn lengths(place: &Path) -> Vec<u64> {
    let mut lengths = Vec::new();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(facts) if facts.is_dir() => lengths.extend(self::lengths(&entry.path())),
            Ok(facts) => lengths.push(facts.len()),
            Err(_) => {}
        }
    }
    lengths
}

/// A run whose files may not grow past so many blocks.
fn limited(field: &Field<'_>, line: &[&str], blocks: u64) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")]).arg(field.program);
    limited.args(line).current_dir(&field.work).stdin(std::process::Stdio::null());
    limited
}

/// A run on a disk of so many KiB, in a mount namespace of its own, so that nothing of it stays whatever happens; what it left is
/// copied into the same place.
fn on_small_disk(field: &Field<'_>, line: &[&str], name: &str, kib: u64) -> Command {
    const SCRIPT: &str = r#"kept=$PWD/$1; size=$2; shift 2
mkdir disk || exit 99
mount -t tmpfs -o size="${size}k" none disk && cd disk || exit 99
"$@"
code=$?
[ ! -d run ] || cp -a run "$kept" || exit 99
exit $code"#;
    let mut small = Command::new("unshare");
    small.args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh", name]);
    small.arg(kib.to_string()).arg(field.program).args(line);
    small.current_dir(&field.work).stdin(std::process::Stdio::null());
    small
}

pub(super) fn attack(field: &mut Field<'_>) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let (mut met, mut after_records, mut disks) = (0, 0, 0);
    // How large files become where nothing limits them: a limit below one of these is met.
    let whole = field.run(&tiny("4KiB", "3", "1s", &["--quiet", "--out", "whole"]));
    let whole = whole.map_err(|why| why.to_string())?;
    let lengths = lengths(&field.work.join("whole"));
    if lengths.iter().all(|bytes| *bytes == 0) {
        return Err(format!("a run without a limit wrote nothing: {whole:?}"));
    }
    let all_bytes = lengths.iter().sum::<u64>().max(1024);
    while field.goes_on() {
        let name = format!("full{}", tally.tried);
        let bytes = lengths.choose(&mut field.random).copied().unwrap_or_default();
        let blocks = field.random.random_range(0..=bytes.saturating_sub(1) / BLOCK_BYTES);
        let line = |out| tiny("4KiB", "3", "1s", &["--quiet", "--out", out]);
        let is_disk = rustix::process::geteuid().is_root() && field.random.random_range(0..2) == 0;
        let command = if is_disk {
            let kib = field.random.random_range(1..=all_bytes / 1024);
            disks += 1;
            on_small_disk(field, &line("run"), &name, kib)
        } else {
            limited(field, &line(&name), blocks)
        };
        let first = bounded(command).map_err(|why| why.to_string())?;
        let _ = fs::remove_dir(field.work.join("disk"));
        if first.status.code() == Some(99) {
            return Err(format!("no disk of its own: {}", String::from_utf8_lossy(&first.stderr)));
        }
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
    tally.notes.push(format!(
        "{met} met the limit, {after_records} of them with records; {disks} on a small disk"
    ));
    if tally.tried > 10 && met * 2 < tally.tried {
        tally.failed.push("most did not meet the limit: little was shown".to_owned());
    }
    Ok(tally)
}
