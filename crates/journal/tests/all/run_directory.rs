//! The run directory: made once, replaced whole, owned by who asked.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use journal::{Class, JournalError, LATEST, RunDirectory, directory_name};
use model::{Plan, Preset};

use crate::made;

fn names(path: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_directory_has_its_files_where_the_design_says() {
    let root = tempfile::tempdir().unwrap();
    let name = directory_name("2026-11-23T07-10-00", "my host/x");
    assert_eq!(name, "2026-11-23T07-10-00-my-host-x");
    let runs = root.path().join("deep/copycost-runs");
    let run = RunDirectory::create_within(&runs, &name, None).unwrap();
    let plan = Plan::preset(Preset::Quick);
    run.write_plan(&plan).unwrap();
    let mut journal = run.create_journal().unwrap();
    journal.append(&made::segment()).unwrap();
    assert_eq!(run.read_plan().unwrap(), plan);
    assert_eq!(run.read_journal().unwrap().read_all().unwrap().0, [made::segment()]);
    assert_eq!(names(&runs.join(&name)), ["journal.jsonl", "plan.toml"]);
    let files = [run.host(), run.trials(), run.results(), run.ratios(), run.paper(), run.summary()];
    let files: Vec<_> =
        files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    let expected =
        ["host.json", "trials.csv", "results.csv", "ratios.csv", "paper.csv", "summary.json"];
    assert_eq!(files, expected);
}

#[test]
fn the_folder_of_figures_is_made_where_it_is_missing_and_takes_whole_files() {
    let root = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(&root.path().join("run"), None).unwrap();
    for _ in 0..2 {
        let picture = run.figures().unwrap().join("a.svg");
        run.replace(&picture, |file| file.write_all(b"<svg/>")).unwrap();
        assert_eq!(fs::read(&picture).unwrap(), b"<svg/>");
    }
    assert_eq!(names(run.path()), ["figures"]);
    assert_eq!(names(&run.path().join("figures")), ["a.svg"]);
}

#[test]
fn an_existing_run_is_refused_with_the_way_to_go_on() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("run");
    fs::create_dir(&path).unwrap();
    RunDirectory::create(&path, None).unwrap().create_journal().unwrap();
    let error = RunDirectory::create(&path, None).unwrap_err();
    assert!(error.to_string().contains("--resume"), "{error}");
    assert_eq!(error.class(), Class::Usage);
    fs::write(root.path().join("file"), "").unwrap();
    assert!(matches!(
        RunDirectory::create(&root.path().join("file"), None),
        Err(JournalError::NotADirectory(_))
    ));
    let below = RunDirectory::create(&root.path().join("file/run"), None).unwrap_err();
    assert_eq!(below.class(), Class::Cannot);
    assert!(below.to_string().contains("a part of that path is a file"), "{below}");
}

#[test]
fn two_runs_of_one_second_do_not_meet() {
    let root = tempfile::tempdir().unwrap();
    let first = RunDirectory::create_within(root.path(), "run", None).unwrap();
    first.create_journal().unwrap();
    let second = RunDirectory::create_within(root.path(), "run", None).unwrap();
    assert_eq!(second.path(), root.path().join("run-2"));
}

#[test]
fn an_unwritable_parent_is_told_with_a_remedy() {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o500)).unwrap();
    match RunDirectory::create(&root.path().join("run"), None) {
        Ok(_) => eprintln!("skipped: this user may write everywhere"),
        Err(error) => {
            assert_eq!(error.class(), Class::Cannot);
            assert!(error.to_string().contains("with --out"), "{error}");
        }
    }
}

#[test]
fn latest_points_at_the_newest_run_and_destroys_nothing() {
    let root = tempfile::tempdir().unwrap();
    let latest = root.path().join(LATEST);
    for name in ["one", "two"] {
        let run = RunDirectory::create_within(root.path(), name, None).unwrap();
        assert_eq!(run.point_latest().unwrap(), None);
        assert_eq!(fs::read_link(&latest).unwrap().to_str(), Some(name));
    }
    assert_eq!(names(root.path()), ["latest", "one", "two"]);

    let run = RunDirectory::create_within(root.path(), "three", None).unwrap();
    fs::remove_file(&latest).unwrap();
    fs::write(&latest, "precious").unwrap();
    assert!(run.point_latest().unwrap().unwrap().contains("left alone"));
    assert_eq!(fs::read_to_string(&latest).unwrap(), "precious");
    fs::remove_file(&latest).unwrap();
    fs::create_dir(&latest).unwrap();
    assert!(run.point_latest().unwrap().unwrap().contains("left alone"));
    assert!(latest.is_dir());
}

#[test]
fn a_run_opens_through_latest_too() {
    let root = tempfile::tempdir().unwrap();
    let run = RunDirectory::create_within(root.path(), "one", None).unwrap();
    let latest = root.path().join(LATEST);
    run.point_latest().unwrap();
    assert!(matches!(RunDirectory::open(&latest, None), Err(JournalError::Missing(_))));
    run.create_journal().unwrap().append(&made::segment()).unwrap();
    let opened = RunDirectory::open(&latest, None).unwrap();
    assert_eq!(opened.resume_journal().unwrap().records.len(), 1);
    assert_eq!(opened.point_latest().unwrap(), None);
    assert_eq!(fs::read_link(&latest).unwrap().to_str(), Some("one"));
    let missing = RunDirectory::open(&root.path().join("none"), None).unwrap_err();
    assert_eq!(missing.class(), Class::Usage);
}

#[test]
fn a_derived_file_is_replaced_whole_or_kept() {
    let root = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(&root.path().join("run"), None).unwrap();
    run.replace(&run.results(), |file| file.write_all(b"old")).unwrap();
    let failed = run.replace(&run.results(), |file| {
        file.write_all(b"half of the n")?;
        Err(std::io::ErrorKind::StorageFull.into())
    });
    assert!(matches!(failed, Err(JournalError::Full(_))));
    assert_eq!(fs::read_to_string(run.results()).unwrap(), "old");
    run.replace(&run.results(), |file| file.write_all(b"new")).unwrap();
    assert_eq!(fs::read_to_string(run.results()).unwrap(), "new");
    assert_eq!(names(run.path()), ["results.csv"]);
}

#[test]
fn a_wrong_plan_or_host_is_told_with_its_line() {
    let root = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(&root.path().join("run"), None).unwrap();
    fs::write(run.plan(), "[factors]\nsizs = [64]\n").unwrap();
    let error = run.read_plan().unwrap_err().to_string();
    assert!(error.contains("plan.toml: line 2, column 1:"), "{error}");
    assert!(matches!(run.read_host(), Err(JournalError::Missing(_))));
    fs::write(run.host(), "{\n \"copycost\": 3}").unwrap();
    let error = run.read_host().unwrap_err().to_string();
    assert!(error.contains("host.json:") && error.contains("line 2"), "{error}");
}

#[test]
fn everything_belongs_to_the_owner_whom_the_caller_names() {
    let root = tempfile::tempdir().unwrap();
    let owner = Some((12_345, 23_456));
    let runs = root.path().join("copycost-runs");
    let run = match RunDirectory::create(&runs.join("one"), owner) {
        Ok(run) => run,
        Err(why) => {
            eprintln!("skipped: only root may give files away ({why})");
            return;
        }
    };
    run.create_journal().unwrap().append(&made::segment()).unwrap();
    run.write_plan(&Plan::preset(Preset::Quick)).unwrap();
    run.point_latest().unwrap();
    for path in [runs.clone(), runs.join("one"), runs.join(LATEST), run.journal(), run.plan()] {
        let facts = fs::symlink_metadata(&path).unwrap();
        assert_eq!((facts.uid(), facts.gid()), (12_345, 23_456), "{}", path.display());
    }
}

#[test]
fn a_link_planted_for_the_journal_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(&root.path().join("run"), None).unwrap();
    let victim = root.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, run.journal()).unwrap();
    assert!(matches!(run.create_journal(), Err(JournalError::Exists(_))));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}
