//! Two runs of different plans begin in one directory at the same moment: one has it, whole, and the other says so.

use std::fs;
use std::process::Stdio;

use super::{Field, Tally, tiny, wrong};

pub(super) fn attack(field: &mut Field<'_>) -> Result<Tally, String> {
    let mut tally = Tally::default();
    while field.goes_on() {
        let name = format!("raced{}", tally.tried);
        let start = |size: &str| {
            let line = tiny(size, "1", "500ms", &["--quiet", "--out", &name]);
            let mut command = field.command(&line);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
        };
        let both = [start("4KiB"), start("8KiB")];
        let mut taken = 0;
        let mut faults = Vec::new();
        for run in both {
            let output = run.and_then(std::process::Child::wait_with_output);
            let output = output.map_err(|why| why.to_string())?;
            faults.extend(wrong(&output));
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            let is_refused = output.status.code() == Some(2)
                && (error.contains("another copycost is writing")
                    || error.contains("is not empty"));
            taken += u32::from(!is_refused);
        }
        if taken != 1 {
            faults.push(format!("{taken} of the two have it"));
        }
        let read = |file: &str| fs::read_to_string(field.work.join(&name).join(file));
        let plan = read("plan.toml").unwrap_or_default();
        let journal = read("journal.jsonl").unwrap_or_default();
        let of_4k = journal.contains("message_bytes=4096");
        let of_8k = journal.contains("message_bytes=8192");
        let plan_of_4k = plan.contains("\"4096\"");
        if if plan_of_4k { of_8k } else { of_4k } {
            faults.push("the journal is not of the plan beside it".to_owned());
        }
        if faults.is_empty() {
            let _ = fs::remove_dir_all(field.work.join(&name));
        }
        tally.note((!faults.is_empty()).then(|| format!("{name}: {}", faults.join("; "))));
    }
    Ok(tally)
}
