//! A static binary where there is nothing: a root that holds busybox and the program alone, entered in a mount namespace of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::vm::machine::check_tool;

/// Runs words in the root, with what the kernel itself shows (`/proc`, `/sys`) and its devices; all of it is gone with the process.
const ENTER: &str = r#"
mount -t tmpfs tmp "$0" && cd "$0" && mkdir bin proc sys dev tmp
cp "$1" bin/busybox && cp "$2" bin/copycost && shift 2
mount -t proc proc proc && mount -t sysfs -o ro sys sys && mount --bind /dev dev
exec chroot . /bin/busybox sh -c "$1"
"#;

struct EmptyRoot<'a> {
    place: PathBuf,
    program: &'a Path,
}

impl Drop for EmptyRoot<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.place);
    }
}

impl EmptyRoot<'_> {
    fn run(&self, script: &str) -> Result<Output, String> {
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "/bin/sh", "-c", ENTER])
            .args([&self.place, Path::new("/bin/busybox"), self.program])
            .arg(script)
            .env_clear()
            .env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin")
            .output()
            .map_err(|why| format!("unshare: {why}"))
    }

    /// What a script printed that ended well.
    fn output(&self, script: &str) -> Result<String, String> {
        let done = self.run(script)?;
        if done.status.success() {
            Ok(String::from_utf8_lossy(&done.stdout).into_owned())
        } else {
            let said = String::from_utf8_lossy(&done.stderr);
            Err(format!("in an empty root `{script}` ended with {}: {}", done.status, said.trim()))
        }
    }

    fn json(&self, script: &str) -> Result<Value, String> {
        serde_json::from_str(&self.output(script)?).map_err(|why| format!("{script}: {why}"))
    }
}

/// Has a static binary probe, verify, measure and report in an empty root (as root, which may make one).
///
/// # Errors
/// What did not work there.
pub(super) fn check(program: &Path) -> Result<Vec<String>, String> {
    check_tool("busybox", "busybox-static")?;
    check_tool("unshare", "util-linux")?;
    let program = program.canonicalize().map_err(|why| format!("{}: {why}", program.display()))?;
    let place = std::env::temp_dir().join(format!("copycost-empty-root-{}", std::process::id()));
    fs::create_dir(&place).map_err(|why| format!("{}: {why}", place.display()))?;
    let root = EmptyRoot { place, program: &program };
    let files = root.output("find / -xdev -type f | sort")?;
    if files.split_whitespace().collect::<Vec<_>>() != ["/bin/busybox", "/bin/copycost"] {
        return Err(format!("the root is not empty: {files}"));
    }
    let probe = root.json("copycost probe --json")?;
    let verified = root
        .json("copycost verify --sizes 1,4097 --threads 1 --link loopback,unix --json --quiet")?;
    let run = root.output(
        "cd /tmp && copycost run --sizes 4KiB --threads 1 --rounds 2 --time 200ms --quiet --out r >/dev/null && \
         copycost report r >/dev/null && ls r r/figures",
    )?;
    let named =
        root.run("copycost connect nobody.example:4000 --token 00112233445566778899aabbccddeeff")?;
    let said = String::from_utf8_lossy(&named.stderr).into_owned();
    let found =
        [ways(&probe), checked(&verified), files_of(&run), refused(named.status.code(), &said)];
    let found: Result<Vec<String>, String> = found.into_iter().collect();
    Ok(found?.iter().map(|line| format!("  in an empty root: {line}")).collect())
}

/// The send paths that need nothing but a kernel.
fn ways(probe: &Value) -> Result<String, String> {
    let items = probe["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has = |name: &str| {
        items.iter().any(|item| item["name"] == name && item["state"]["answer"] == "yes")
    };
    let lacking: Vec<&str> = ["send", "sendmsg", "zerocopy", "loopback ipv4", "unix"]
        .into_iter()
        .filter(|name| !has(name))
        .collect();
    if lacking.is_empty() {
        Ok(format!("probe tells of {} items", items.len()))
    } else {
        Err(format!("in an empty root probe has no {}", lacking.join(", ")))
    }
}

fn checked(verified: &Value) -> Result<String, String> {
    let cells = verified["cells"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sound =
        cells.iter().filter(|cell| cell["fault"].is_null() && cell["messages"] != 0).count();
    if sound > 0 && sound == cells.len() {
        Ok(format!("{sound} cells verified"))
    } else {
        Err(format!("in an empty root {sound} of {} cells were sound", cells.len()))
    }
}

fn files_of(listed: &str) -> Result<String, String> {
    let files: Vec<&str> = listed.split_whitespace().collect();
    let wanted =
        ["journal.jsonl", "summary.json", "report.html", "report.md", "cpu-cost-over-size.png"];
    let lacking: Vec<&str> = wanted.into_iter().filter(|name| !files.contains(name)).collect();
    if lacking.is_empty() {
        Ok("a run and its report, pictures included".to_owned())
    } else {
        Err(format!("in an empty root a run left no {}", lacking.join(", ")))
    }
}

/// A name that nobody resolves is wrong usage in one line, as everywhere.
fn refused(code: Option<i32>, said: &str) -> Result<String, String> {
    if code == Some(2) && said.trim().lines().count() == 1 && said.contains("cannot be resolved") {
        Ok(said.trim().to_owned())
    } else {
        Err(format!("in an empty root a name that is none ended with {code:?}: {said}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_in_an_empty_root_is_told() {
        let yes = |name: &str| json!({"name": name, "state": {"answer": "yes"}});
        let all = ["send", "sendmsg", "zerocopy", "loopback ipv4", "unix"].map(yes);
        assert!(ways(&json!({"items": all})).is_ok());
        assert!(ways(&json!({"items": &all[1..]})).unwrap_err().ends_with("no send"));
        assert!(ways(&Value::Null).is_err());

        let cell = |fault: Value, messages: u64| json!({"fault": fault, "messages": messages});
        assert!(checked(&json!({"cells": [cell(Value::Null, 1)]})).is_ok());
        for cells in [json!([]), json!([cell(json!("x"), 1)]), json!([cell(Value::Null, 0)])] {
            assert!(checked(&json!({"cells": cells})).is_err(), "{cells}");
        }

        let files = "r:\njournal.jsonl summary.json report.html report.md\nr/figures:\n";
        assert!(files_of(files).unwrap_err().ends_with("cpu-cost-over-size.png"));
        assert!(files_of(&format!("{files}cpu-cost-over-size.png")).is_ok());

        let line = "\"nobody:1\" cannot be resolved (…)\n";
        assert!(refused(Some(2), line).is_ok());
        assert!(refused(Some(139), "").is_err() && refused(Some(2), &line.repeat(2)).is_err());
    }
}
