//! The run directory: made once, replaced whole, owned by who asked.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use journal::{Class, JournalError, LATEST, Owner, RunDirectory, directory_name};
use model::host::Host;
use model::record::{Finish, FinishReason, Record, Segment};
use model::{Measured, Nanos, Plan, Preset};

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
    let (run, mut journal) = RunDirectory::begin_within(&runs, &name, None).unwrap();
    let plan = Plan::preset(Preset::Quick);
    run.write_plan(&plan).unwrap();
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
    let (run, _journal) = RunDirectory::begin(&root.path().join("run"), None).unwrap();
    for _ in 0..2 {
        let picture = run.figures().unwrap().join("a.svg");
        run.replace(&picture, |file| file.write_all(b"<svg/>")).unwrap();
        assert_eq!(fs::read(&picture).unwrap(), b"<svg/>");
    }
    assert_eq!(names(run.path()), ["figures", "journal.jsonl"]);
    assert_eq!(names(&run.path().join("figures")), ["a.svg"]);
}

#[test]
fn an_existing_run_is_refused_with_the_way_to_go_on() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("run");
    fs::create_dir(&path).unwrap();
    let (_, mut journal) = RunDirectory::begin(&path, None).unwrap();
    assert!(matches!(RunDirectory::begin(&path, None), Err(JournalError::Locked(_))));
    journal.append(&made::segment()).unwrap();
    drop(journal);
    let error = RunDirectory::begin(&path, None).unwrap_err();
    // Whether it can be gone on with is known to who reads it: an imported one cannot.
    assert!(error.to_string().contains("name another directory with --out"), "{error}");
    assert_eq!(error.class(), Class::Usage);
    fs::write(root.path().join("file"), "").unwrap();
    assert!(matches!(
        RunDirectory::begin(&root.path().join("file"), None),
        Err(JournalError::NotADirectory(_))
    ));
    let below = RunDirectory::begin(&root.path().join("file/run"), None).unwrap_err();
    assert_eq!(below.class(), Class::Cannot);
    assert!(below.to_string().contains("a part of that path is a file"), "{below}");
}

#[test]
fn what_a_run_left_that_recorded_nothing_is_taken_by_both() {
    let segment = [made::segment()];
    // Killed before the journal, after it, within its first line, after plan and host, within one of them.
    let torn = "{\"v\":2,\"seq\":1,\"run\":\"9f86";
    for left in [
        &[("plan.toml", &*Plan::preset(Preset::Quick).to_toml())][..],
        &[("journal.jsonl", "")],
        &[("journal.jsonl", "\0\0\0")],
        &[("journal.jsonl", torn), ("plan.toml", "x"), ("host.json", "")],
        &[("journal.jsonl", ""), (".plan.toml.4711", "half")],
    ] {
        for resumes in [false, true] {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("run");
            fs::create_dir(&path).unwrap();
            for (name, text) in left {
                fs::write(path.join(name), text).unwrap();
            }
            let run = if resumes {
                let run = RunDirectory::open_to_resume(&path, None).unwrap();
                assert!(!run.has_records().unwrap());
                run.resume_journal().unwrap().writer.append(&segment[0]).unwrap();
                run
            } else {
                let (run, mut journal) = RunDirectory::begin(&path, None).unwrap();
                journal.append(&segment[0]).unwrap();
                run
            };
            assert_eq!(run.read_journal().unwrap().read_all().unwrap().0, segment, "{left:?}");
        }
    }
    // Anything else in it is somebody's, a plan that was written by hand and another program's host.json too.
    for (name, text) in [("plan.toml", "# mine\n"), ("host.json", "{\"version\": \"2.0\"}")] {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(name), text).unwrap();
        assert!(matches!(RunDirectory::begin(root.path(), None), Err(JournalError::Exists(_))));
        assert!(RunDirectory::open_to_resume(root.path(), None).is_err());
        assert_eq!(fs::read_to_string(root.path().join(name)).unwrap(), text);
        assert_eq!(names(root.path()), [name]);
    }
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("journal.jsonl"), "").unwrap();
    fs::write(root.path().join("summary.json"), "{}").unwrap();
    assert!(matches!(RunDirectory::begin(root.path(), None), Err(JournalError::Exists(_))));
    let nothing = tempfile::tempdir().unwrap();
    assert!(RunDirectory::open_to_resume(nothing.path(), None).is_err());
    fs::write(nothing.path().join("notes"), "").unwrap();
    assert!(matches!(
        RunDirectory::open_to_resume(nothing.path(), None),
        Err(JournalError::Missing(_))
    ));
}

#[test]
fn a_first_line_is_never_cut() {
    let root = tempfile::tempdir().unwrap();
    let victim = root.path().join("victim");
    fs::write(&victim, "{\"v\":2,\"seq\":1").unwrap();
    let path = root.path().join("run");
    fs::create_dir(&path).unwrap();
    // Another name of a file that is not ours.
    fs::hard_link(&victim, path.join("journal.jsonl")).unwrap();
    let (run, mut journal) = RunDirectory::begin(&path, None).unwrap();
    journal.append(&made::segment()).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "{\"v\":2,\"seq\":1");
    assert_eq!(run.read_journal().unwrap().read_all().unwrap().0, [made::segment()]);
    assert_eq!(names(&path), ["journal.jsonl"]);
}

#[test]
fn of_many_that_begin_in_one_directory_one_has_it() {
    for _ in 0..20 {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run");
        let begin = |number: u32| match RunDirectory::begin(&path, None) {
            Ok((_, mut journal)) => {
                journal.append(&made::round(number)).unwrap();
                true
            }
            Err(JournalError::Locked(_) | JournalError::Exists(_)) => false,
            Err(why) => panic!("{why}"),
        };
        let won: Vec<u32> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|n| (n, scope.spawn(move || begin(n)))).collect();
            all.into_iter().filter_map(|(n, it)| it.join().unwrap().then_some(n)).collect()
        });
        let (records, torn) =
            RunDirectory::open(&path, None).unwrap().read_journal().unwrap().read_all().unwrap();
        assert_eq!((won.len(), torn), (1, None));
        assert_eq!(records, [made::round(won[0])]);
    }
}

#[test]
fn two_runs_of_one_second_do_not_meet() {
    let root = tempfile::tempdir().unwrap();
    let begin = || RunDirectory::begin_within(root.path(), "run", None).unwrap();
    let (_first, _journal) = begin();
    let (second, _other) = begin();
    assert_eq!(second.path(), root.path().join("run-2"));
}

#[test]
fn a_directory_named_by_the_second_is_its_makers_alone_whoever_sees_its_lock() {
    let root = tempfile::tempdir().unwrap();
    let begin = || RunDirectory::begin_within(root.path(), "run", None).unwrap();
    // As another machine sees it that shares the disk and not the locks: nobody holds it, and nothing is recorded yet.
    drop(begin());
    let (second, _journal) = begin();
    assert_eq!(second.path(), root.path().join("run-2"));
}

#[test]
fn how_a_run_ended_is_told_while_nothing_follows() {
    let root = tempfile::tempdir().unwrap();
    let (run, mut journal) = RunDirectory::begin(&root.path().join("run"), None).unwrap();
    assert_eq!(run.finish().unwrap(), None);
    let end = |reason| Record::Finish(Finish { reason, spent_ns: Nanos(1) });
    journal.append(&made::segment()).unwrap();
    assert_eq!(run.finish().unwrap(), None);
    for reason in [FinishReason::Interrupted, FinishReason::Rounds] {
        journal.append(&end(reason)).unwrap();
        assert_eq!(run.finish().unwrap(), Some(reason));
        journal.append(&made::segment()).unwrap();
        assert_eq!(run.finish().unwrap(), None);
    }
}

#[test]
fn an_unwritable_parent_is_told_with_a_remedy() {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o500)).unwrap();
    match RunDirectory::begin(&root.path().join("run"), None) {
        Ok(_) => eprintln!("skipped: this user may write everywhere"),
        Err(error) => {
            assert_eq!(error.class(), Class::Cannot);
            assert!(error.to_string().contains("a directory that you may write"), "{error}");
        }
    }
}

#[test]
fn latest_points_at_the_newest_run_and_destroys_nothing() {
    let root = tempfile::tempdir().unwrap();
    let latest = root.path().join(LATEST);
    for name in ["one", "two"] {
        let (run, _) = RunDirectory::begin_within(root.path(), name, None).unwrap();
        assert_eq!(run.point_latest().unwrap(), None);
        assert_eq!(fs::read_link(&latest).unwrap().to_str(), Some(name));
    }
    assert_eq!(names(root.path()), ["latest", "one", "two"]);

    let (run, _) = RunDirectory::begin_within(root.path(), "three", None).unwrap();
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
    let (run, mut journal) = RunDirectory::begin_within(root.path(), "one", None).unwrap();
    let latest = root.path().join(LATEST);
    run.point_latest().unwrap();
    journal.append(&made::segment()).unwrap();
    drop(journal);
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
    let (run, _journal) = RunDirectory::begin(&root.path().join("run"), None).unwrap();
    run.replace(&run.results(), |file| file.write_all(b"old")).unwrap();
    let failed = run.replace(&run.results(), |file| {
        file.write_all(b"half of the n")?;
        Err(std::io::ErrorKind::StorageFull.into())
    });
    assert!(matches!(failed, Err(JournalError::Full(_))));
    assert_eq!(fs::read_to_string(run.results()).unwrap(), "old");
    run.replace(&run.results(), |file| file.write_all(b"new")).unwrap();
    assert_eq!(fs::read_to_string(run.results()).unwrap(), "new");
    assert_eq!(names(run.path()), ["journal.jsonl", "results.csv"]);
}

#[test]
fn a_replacement_is_seen_when_it_takes_its_place_and_leaves_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let (run, _journal) = RunDirectory::begin(&root.path().join("run"), None).unwrap();
    run.replace(&run.trials(), |file| file.write_all(b"old")).unwrap();
    let mut dropped = run.begin_replacement(&run.trials()).unwrap();
    dropped.write_all(&vec![b'x'; 1 << 20]).unwrap();
    drop(dropped);
    assert_eq!(names(run.path()), ["journal.jsonl", "trials.csv"]);
    let mut replacement = run.begin_replacement(&run.trials()).unwrap();
    replacement.write_all(b"new").unwrap();
    assert_eq!(fs::read_to_string(run.trials()).unwrap(), "old");
    assert_eq!(names(run.path()).len(), 3);
    replacement.take_place().unwrap();
    assert_eq!(fs::read_to_string(run.trials()).unwrap(), "new");
    assert_eq!(names(run.path()), ["journal.jsonl", "trials.csv"]);
    assert!(run.begin_replacement(&run.path().join("figures/a.svg")).is_err());
}

#[test]
fn a_wrong_plan_or_host_is_told_with_its_line() {
    let root = tempfile::tempdir().unwrap();
    let (run, _journal) = RunDirectory::begin(&root.path().join("run"), None).unwrap();
    fs::write(run.plan(), "[factors]\nsizs = [64]\n").unwrap();
    let error = run.read_plan().unwrap_err().to_string();
    assert!(error.contains("plan.toml: line 2, column 1:"), "{error}");
    assert!(matches!(run.read_host(), Err(JournalError::Missing(_))));
    fs::write(run.host(), "{\n \"copycost\": 3}").unwrap();
    let error = run.read_host().unwrap_err().to_string();
    assert!(error.contains("host.json:") && error.contains("line 2"), "{error}");
}

#[test]
fn no_fact_of_a_host_is_longer_than_a_machines() {
    let root = tempfile::tempdir().unwrap();
    let (run, _journal) = RunDirectory::begin(&root.path().join("run"), None).unwrap();
    let mut host = Host::unknown("0.1.0", Some(2), "made up");
    let mut read_with = |model: Measured<String>| {
        host.cpu_model = model;
        fs::write(run.host(), serde_json::to_string(&host).unwrap()).unwrap();
        run.read_host()
    };
    assert!(read_with(Measured::Value("x".repeat(4096))).is_ok());
    let error = read_with(Measured::Value("x".repeat(4097))).unwrap_err().to_string();
    assert!(error.contains("host.json: it holds a text of 4097 bytes"), "{error}");
    assert!(read_with(Measured::absent("x".repeat(200_000))).is_err());
    // What this machine itself said is cut, so that a run can always be read.
    host.cpu_model = Measured::Value("é".repeat(3000));
    run.write_host(&host).unwrap();
    assert_eq!(run.read_host().unwrap().cpu_model, Measured::Value("é".repeat(2048)));
}

#[test]
fn a_run_reads_as_one_or_says_what_is_foreign() {
    let root = tempfile::tempdir().unwrap();
    let (run, mut journal) = RunDirectory::begin(&root.path().join("run"), None).unwrap();
    let host = Host::unknown("0.1.0", Some(2), "made up");
    run.write_plan(&Plan::preset(Preset::Quick)).unwrap();
    run.write_host(&host).unwrap();
    journal.append(&made::segment_of(&host)).unwrap();
    assert_eq!(run.read().unwrap().records.len(), 1);
    journal.append(&made::segment()).unwrap();
    let foreign = run.read().unwrap_err();
    assert!(matches!(foreign, JournalError::OtherHost { line: 2, .. }), "{foreign}");
    assert!(foreign.to_string().contains("line 2 (höst / cpu and ändërër / cpu)"), "{foreign}");
    // Budget and label may differ from what a segment holds; what is measured may not.
    let (run, mut journal) = RunDirectory::begin(&root.path().join("planned"), None).unwrap();
    let mut plan = Plan::preset(Preset::Quick);
    run.write_host(&host).unwrap();
    run.write_plan(&plan).unwrap();
    let Record::Segment(segment) = made::segment_of(&host) else { panic!("a segment") };
    let planned = Segment { plan: Some(plan.to_toml()), ..segment };
    journal.append(&Record::Segment(planned)).unwrap();
    plan.label = "another".to_owned();
    plan.measure.rounds = Some(7);
    run.write_plan(&plan).unwrap();
    assert_eq!(run.read().unwrap().plan, plan);
    plan.measure.seed += 1;
    run.write_plan(&plan).unwrap();
    let foreign = run.read().unwrap_err();
    assert!(matches!(foreign, JournalError::OtherPlan { line: 1, .. }), "{foreign}");
    for nothing in ["", "# a plan\n\n"] {
        fs::write(run.plan(), nothing).unwrap();
        assert!(matches!(run.read_plan(), Err(JournalError::EmptyPlan(_))));
    }
}

#[test]
fn facts_of_the_machine_that_changed_since_they_were_measured_under_are_told() {
    let root = tempfile::tempdir().unwrap();
    let (run, mut journal) = RunDirectory::begin(&root.path().join("run"), None).unwrap();
    let host = Host::unknown("0.1.0", Some(2), "made up");
    run.write_plan(&Plan::preset(Preset::Quick)).unwrap();
    run.write_host(&host).unwrap();
    let Record::Segment(segment) = made::segment_of(&host) else { panic!("a segment") };
    let host_crc32 = Some(journal::host_crc32(&run.read_host().unwrap()));
    journal.append(&Record::Segment(Segment { host_crc32, ..segment })).unwrap();
    assert_eq!(run.read().unwrap().records.len(), 1);
    // Written otherwise it says the same.
    let text = fs::read_to_string(run.host()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    fs::write(run.host(), value.to_string()).unwrap();
    assert_eq!(run.read().unwrap().records.len(), 1);
    // What only a later version knows is a part of it as well.
    let mut later = value.clone();
    later["told_by_a_later_version"] = 1.into();
    fs::write(run.host(), later.to_string()).unwrap();
    assert!(matches!(run.read(), Err(JournalError::ChangedHost { line: 1, .. })));
    // None of these facts is of the machine's identity.
    for (fact, other) in
        [("usable_cpus", serde_json::json!([0, 1, 2])), ("uid", 3.into()), ("page_bytes", 1.into())]
    {
        let mut forged = value.clone();
        assert!(forged.get(fact).is_some_and(|now| *now != other), "{fact}");
        forged[fact] = other;
        fs::write(run.host(), forged.to_string()).unwrap();
        let told = run.read().unwrap_err();
        assert!(matches!(told, JournalError::ChangedHost { line: 1, .. }), "{fact}: {told}");
    }
}

#[test]
fn a_segment_over_another_line_is_told() {
    let root = tempfile::tempdir().unwrap();
    let (run, mut journal) = RunDirectory::begin(&root.path().join("run"), None).unwrap();
    let mut host = Host::unknown("0.1.0", Some(2), "made up");
    host.devices.insert("lo".to_owned(), Measured::Value(65_536));
    let plan = Plan::preset(Preset::Quick);
    run.write_plan(&plan).unwrap();
    run.write_host(&host).unwrap();
    let Record::Segment(segment) = made::segment_of(&host) else { panic!("a segment") };
    let over = |host: &Host| {
        let line = Some(host.known_line(&plan.factors.link));
        Record::Segment(Segment { line, ..segment.clone() })
    };
    journal.append(&over(&host)).unwrap();
    journal.append(&made::segment_of(&host)).unwrap();
    assert_eq!(run.read().unwrap().records.len(), 2, "one of an earlier version tells no line");
    host.devices.insert("lo".to_owned(), Measured::Value(1500));
    journal.append(&over(&host)).unwrap();
    let told = run.read().unwrap_err();
    assert!(matches!(told, JournalError::OtherLine { line: 3, .. }), "{told}");
    assert!(
        told.to_string().contains("the MTU of lo is \"65536\" there, and was \"1500\""),
        "{told}"
    );
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let (run, journal) = RunDirectory::begin(&root.path().join("run"), None).unwrap();
    drop(journal);
    fs::remove_file(run.journal()).unwrap();
    let pipe = rustix::fs::mknodat(
        rustix::fs::CWD,
        run.journal(),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    );
    pipe.unwrap();
    assert!(matches!(run.read_journal(), Err(JournalError::NotAFile(_))));
    assert!(matches!(run.resume_journal(), Err(JournalError::NotAFile(_))));
    fs::remove_file(run.journal()).unwrap();
    fs::create_dir(run.journal()).unwrap();
    assert!(matches!(run.read_journal(), Err(JournalError::NotAFile(_))));
    assert!(matches!(run.resume_journal(), Err(JournalError::NotAFile(_))));
    fs::create_dir(run.plan()).unwrap();
    assert!(matches!(run.read_plan(), Err(JournalError::NotAFile(_))));
}

#[test]
fn what_a_killed_process_left_is_swept_unless_another_one_writes() {
    let root = tempfile::tempdir().unwrap();
    let (run, _journal) = RunDirectory::begin(&root.path().join("run"), None).unwrap();
    let figures = run.figures().unwrap();
    let leave = || {
        fs::write(run.path().join(".summary.json.4711"), "half").unwrap();
        fs::write(figures.join(".a.svg.4711"), "half").unwrap();
        for mine in [".mine", ".notes.md.1", ".results.csv.old"] {
            fs::write(run.path().join(mine), "kept").unwrap();
        }
    };
    leave();
    let first = RunDirectory::open(run.path(), None).unwrap();
    first.replace(&first.results(), |file| file.write_all(b"new")).unwrap();
    let mine = [".mine", ".notes.md.1", ".results.csv.old"];
    let swept = [&mine[..], &["figures", "journal.jsonl", "results.csv"]].concat();
    assert_eq!(names(run.path()), swept);
    assert_eq!(names(&figures), [""; 0]);
    // The first one is still at it, and what looks left behind may be its own.
    leave();
    let second = RunDirectory::open(run.path(), None).unwrap();
    second.replace(&second.results(), |file| file.write_all(b"newer")).unwrap();
    assert!(run.path().join(".summary.json.4711").exists());
    drop((first, second));
    run.replace(&run.results(), |file| file.write_all(b"newest")).unwrap();
    assert_eq!(names(run.path()), swept);
}

const USER: u32 = 12_345;
const GROUP: u32 = 23_456;

/// A directory of an ordinary user, and that user as the one who called sudo; none where only root could make it so.
fn a_users_place() -> Option<(tempfile::TempDir, Owner)> {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if let Err(why) = std::os::unix::fs::chown(root.path(), Some(USER), Some(GROUP)) {
        eprintln!("skipped: only root may give files away ({why})");
        return None;
    }
    Some((root, Some((USER, GROUP))))
}

#[test]
fn under_sudo_everything_belongs_to_the_user_who_called_it() {
    let Some((root, owner)) = a_users_place() else { return };
    let runs = root.path().join("copycost-runs");
    let (run, mut journal) = RunDirectory::begin_within(&runs, "one", owner).unwrap();
    journal.append(&made::segment()).unwrap();
    run.write_plan(&Plan::preset(Preset::Quick)).unwrap();
    run.replace(&run.figures().unwrap().join("a.svg"), |file| file.write_all(b"<svg/>")).unwrap();
    run.point_latest().unwrap();
    let figure = run.path().join("figures/a.svg");
    for path in
        [runs.clone(), runs.join("one"), runs.join(LATEST), run.journal(), run.plan(), figure]
    {
        let facts = fs::symlink_metadata(&path).unwrap();
        assert_eq!((facts.uid(), facts.gid()), (USER, GROUP), "{}", path.display());
    }
    // Root is itself again, and follows its own link.
    assert!(rustix::process::geteuid().is_root());
    drop(journal);
    let latest = RunDirectory::open(&runs.join(LATEST), owner).unwrap();
    assert_eq!(latest.resume_journal().unwrap().records.len(), 1);
}

#[test]
fn under_sudo_no_planted_link_is_followed_and_no_file_of_roots_is_touched() {
    let Some((root, owner)) = a_users_place() else { return };
    let roots = tempfile::tempdir().unwrap();
    let secret = roots.path().join("secret");
    fs::create_dir(roots.path().join("folder")).unwrap();
    let before = "{\"v\":2,\"seq\":1";
    fs::write(&secret, before).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(roots.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let place = |name: &str| root.path().join(name);
    let plan = Plan::preset(Preset::Quick);
    let mut tried = 0;
    // Each file of a run as a link to a file of root's, and as another name of it.
    for (at, name) in ["journal.jsonl", "plan.toml", "host.json", "results.csv"].iter().enumerate()
    {
        for hard in [false, true] {
            let path = place(&format!("run{at}{hard}"));
            fs::create_dir(&path).unwrap();
            std::os::unix::fs::chown(&path, Some(USER), Some(GROUP)).unwrap();
            let planted = path.join(name);
            if hard {
                fs::hard_link(&secret, &planted).unwrap();
            } else {
                symlink(&secret, &planted).unwrap();
            }
            if let Ok((run, mut journal)) = RunDirectory::begin(&path, owner) {
                let _ = journal.append(&made::segment());
                let _ = run.write_plan(&plan);
                let _ = run.replace(&run.results(), |file| file.write_all(b"row"));
            }
            if let Ok(run) = RunDirectory::open_to_resume(&path, owner) {
                let _ = run.resume_journal().map(|mut it| it.writer.append(&made::segment()));
            }
            let facts = fs::metadata(&secret).unwrap();
            assert_eq!(facts.uid(), 0, "{name}, hard {hard}");
            assert_eq!(fs::read_to_string(&secret).unwrap(), before, "{name}, hard {hard}");
            tried += 1;
        }
    }
    // The directory itself, that of all runs, and the folder of figures.
    symlink(roots.path().join("folder"), place("out")).unwrap();
    for out in ["out", "out/", "out/."] {
        assert!(matches!(RunDirectory::begin(&place(out), owner), Err(JournalError::Link(_))));
    }
    let within = RunDirectory::begin_within(&place("out"), "run", owner);
    assert!(matches!(within, Err(JournalError::Link(_))), "{within:?}");
    let (run, _journal) = RunDirectory::begin(&place("run"), owner).unwrap();
    symlink(roots.path().join("folder"), run.path().join("figures")).unwrap();
    assert!(matches!(run.figures(), Err(JournalError::Link(_))));
    // A path through a link goes where the user may go, and no further.
    let through = RunDirectory::begin(&place("out/run"), owner).unwrap_err();
    assert!(through.to_string().contains("user 12345, who called sudo, may not use"), "{through}");
    assert_eq!(names(&roots.path().join("folder")), [""; 0]);
    assert_eq!(names(roots.path()), ["folder", "secret"]);
    assert_eq!(tried, 8);
}

#[test]
fn under_sudo_another_users_journal_is_not_gone_on_with() {
    let Some((root, owner)) = a_users_place() else { return };
    let (run, mut journal) = RunDirectory::begin(&root.path().join("run"), owner).unwrap();
    journal.append(&made::segment()).unwrap();
    drop(journal);
    std::os::unix::fs::chown(run.journal(), Some(USER + 1), None).unwrap();
    fs::set_permissions(run.journal(), fs::Permissions::from_mode(0o666)).unwrap();
    let refused = run.resume_journal().err().unwrap();
    assert!(
        refused.to_string().contains("belongs to user 12346, and user 12345 called sudo"),
        "{refused}"
    );
}

#[test]
fn an_ordinary_user_may_keep_a_journal_elsewhere_to_be_read() {
    let root = tempfile::tempdir().unwrap();
    let (run, mut journal) = RunDirectory::begin(&root.path().join("run"), None).unwrap();
    journal.append(&made::segment()).unwrap();
    drop(journal);
    fs::rename(run.journal(), root.path().join("stored")).unwrap();
    symlink("../stored", run.journal()).unwrap();
    assert_eq!(run.read_journal().unwrap().read_all().unwrap().0, [made::segment()]);
    assert!(matches!(run.resume_journal(), Err(JournalError::Link(_))));
}

#[test]
fn a_link_planted_for_the_journal_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let victim = root.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    fs::create_dir(root.path().join("run")).unwrap();
    symlink(&victim, root.path().join("run/journal.jsonl")).unwrap();
    let refused = RunDirectory::begin(&root.path().join("run"), None);
    assert!(matches!(refused, Err(JournalError::Link(_))), "{refused:?}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}
