//! Links and other names of root's files where a user could plant them, and root at work there under sudo: none is followed, and
//! no file of root's changes.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use rand::seq::IndexedRandom as _;

use super::{Field, Tally, bounded, tiny, wrong};

const USER: u32 = 65_533;
/// Files of a run that a command would write to.
const FILES: [&str; 9] = [
    "journal.jsonl",
    "plan.toml",
    "host.json",
    "trials.csv",
    "results.csv",
    "summary.json",
    "report.html",
    "report.md",
    "figures",
];
const BEFORE: &str = "{\"v\":2,\"seq\":1,\"run\":\"";

/// All that is below a directory: names, owners, lengths.
fn state(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        if let Ok(facts) = fs::symlink_metadata(&path) {
            found.push(format!(
                "{} {} {} {}",
                path.display(),
                facts.uid(),
                facts.mode(),
                facts.len() * u64::from(facts.is_file())
            ));
        }
        left.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
    }
    found.sort();
    found
}

pub(super) fn attack(field: &mut Field<'_>) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let roots = field.work.join("roots");
    let place = field.work.join("place");
    fs::create_dir_all(roots.join("folder"))
        .and_then(|()| fs::create_dir(&place))
        .map_err(|why| why.to_string())?;
    fs::write(roots.join("secret"), BEFORE).map_err(|why| why.to_string())?;
    for path in [&field.work, &roots, &place] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
            .map_err(|why| why.to_string())?;
    }
    if let Err(why) = chown(&place, Some(USER), Some(USER)) {
        tally.notes.push(format!("skipped: only root can be under sudo ({why})"));
        return Ok(tally);
    }
    let before = state(&roots);
    let (mut refused, mut measured) = (0, 0);
    while field.goes_on() {
        let _ = fs::remove_dir_all(&place).and_then(|()| fs::create_dir(&place));
        let run = place.join("run");
        let mut planted = Vec::new();
        let plant = |target: &Path, at: &Path, hard: bool| {
            if hard { fs::hard_link(target, at) } else { symlink(target, at) }
        };
        let which = *["out", "runs", "file", "file", "file", "latest"]
            .choose(&mut field.random)
            .unwrap_or(&"out");
        let hard = *[false, true].choose(&mut field.random).unwrap_or(&false);
        let done = match which {
            "out" => plant(&roots.join("folder"), &run, false),
            "runs" => plant(&roots.join("folder"), &place.join("copycost-runs"), false),
            "latest" => fs::create_dir(place.join("copycost-runs")).and_then(|()| {
                plant(&roots.join("folder"), &place.join("copycost-runs/latest"), false)
            }),
            _ => {
                let name = *FILES.choose(&mut field.random).unwrap_or(&"journal.jsonl");
                planted.push(name);
                let target = roots.join(if name == "figures" { "folder" } else { "secret" });
                fs::create_dir(&run)
                    .and_then(|()| plant(&target, &run.join(name), hard && name != "figures"))
            }
        };
        done.map_err(|why| format!("{which}: {why}"))?;
        for path in [&place, &run, &place.join("copycost-runs")] {
            if !path.is_symlink() && path.exists() {
                let _ = chown(path, Some(USER), Some(USER));
            }
        }
        let mut faults = Vec::new();
        let named = if which == "latest" { "latest" } else { "run" };
        let out = if ["runs", "latest"].contains(&which) { &[][..] } else { &["--out", "run"] };
        for words in [
            tiny("4KiB", "1", "300ms", &[&["--quiet"], out].concat()),
            tiny("4KiB", "1", "300ms", &["--quiet", "--resume", named]),
            vec!["report", named],
            vec!["report", "run/"],
            vec!["table", "run", "--format", "jsonl"],
            vec!["experiment", "judge", "run"],
            vec!["compare", "run", "run", "--out", "run/summary.json"],
        ] {
            let mut command = field.command(&words);
            command
                .current_dir(&place)
                .env("SUDO_UID", USER.to_string())
                .env("SUDO_GID", USER.to_string());
            let output = bounded(command).map_err(|why| why.to_string())?;
            faults.extend(wrong(&output));
            refused += u64::from(String::from_utf8_lossy(&output.stderr).contains("symbolic link"));
            measured += u64::from(output.status.code() == Some(0));
        }
        if state(&roots) != before {
            faults.push("root's files have changed".to_owned());
        }
        let secret = fs::read_to_string(roots.join("secret")).unwrap_or_default();
        if secret != BEFORE {
            faults.push("root's file was written to".to_owned());
            fs::write(roots.join("secret"), BEFORE).map_err(|why| why.to_string())?;
        }
        let hard = if hard { ", another name" } else { "" };
        tally.note(
            (!faults.is_empty())
                .then(|| format!("{which} {planted:?}{hard}: {}", faults.join("; "))),
        );
    }
    tally.notes.push(format!(
        "{refused} commands refused a link, {measured} did their work beside what was planted"
    ));
    if measured == 0 || refused == 0 {
        tally.failed.push("none of the two came about: nothing was shown".to_owned());
    }
    Ok(tally)
}
