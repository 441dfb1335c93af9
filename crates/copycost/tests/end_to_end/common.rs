//! Starting the program in a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A tiny plan: two sizes, two paths, two rounds; a second or two. Nothing is void for want of quiet, because
/// the machine that tests is not quiet.
pub(crate) const TINY: &[&str] = &[
    "run",
    "--send",
    "send,sendmsg",
    "--sizes",
    "512,16KiB",
    "--threads",
    "1",
    "--time",
    "20ms",
    "--warmup",
    "5ms",
    "--tail",
    "2ms",
    "--rounds",
    "2",
    "--max-time",
    "10m",
    "--threshold",
    "unsettled=1000",
    "--threshold",
    "window-void=1000",
];

/// Far longer than anything here takes, however crowded the machine: only what hangs meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// A place to run in, taken away afterwards.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

/// What came of one command.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) error: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program, in this place, with nothing of the caller's taste in the environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("copycost"));
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "COLUMNS", "SUDO_UID", "SUDO_GID"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn copycost(&self, arguments: &[&str]) -> Ended {
        let mut command = assert_cmd::Command::from_std(self.command(arguments));
        Ended::of(command.timeout(PATIENCE).output().unwrap())
    }

    /// The program with a text on its standard input.
    pub(crate) fn copycost_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = assert_cmd::Command::from_std(self.command(arguments));
        Ended::of(command.write_stdin(input).timeout(PATIENCE).output().unwrap())
    }

    /// A tiny run in `run`, which must end well.
    pub(crate) fn tiny_run(&self) -> PathBuf {
        let mut arguments = TINY.to_vec();
        arguments.extend(["--out", "run"]);
        self.copycost(&arguments).ends_with(0);
        self.path("run")
    }
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), output: text(output.stdout), error: text(output.stderr) }
    }

    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.error.contains("panicked"), "{self:#?}");
        self
    }

    /// The error that it ended in: one line and no more.
    pub(crate) fn complaint(&self) -> &str {
        let mut lines = self.error.lines().filter(|line| line.starts_with("error: "));
        let line = lines.next().unwrap_or_else(|| panic!("no error line: {self:#?}"));
        assert_eq!(lines.next(), None, "{self:#?}");
        line
    }
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The one run of a place whose name begins so.
pub(crate) fn only_run(place: &Place, prefix: &str) -> PathBuf {
    let runs = std::fs::read_dir(place.path("copycost-runs")).unwrap();
    let runs = runs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let runs: Vec<String> = runs.filter(|name| name.starts_with(prefix)).collect();
    let [only] = runs.as_slice() else { panic!("{prefix}: {runs:?}") };
    place.path("copycost-runs").join(only)
}

/// What `summary.json` says of the run itself.
pub(crate) fn run_facts(run: &Path) -> serde_json::Value {
    summary(run)["run"].take()
}

/// How many trials have each mark.
pub(crate) fn run_marks(run: &Path) -> serde_json::Value {
    summary(run)["marks"].take()
}

fn summary(run: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(run.join("summary.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Lines of a journal that hold a trial, whole ones only.
pub(crate) fn trials(run: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().filter(|line| line.contains("\"kind\":\"trial\"")).map(str::to_owned).collect()
}

/// Sends a signal to a process that a test started.
pub(crate) fn signal(name: &str, child: &Child) {
    assert!(signal_process(name, child.id()), "process {} is gone", child.id());
}

/// The same by its number. Whether it was there.
pub(crate) fn signal_process(name: &str, process: u32) -> bool {
    let kill = format!("kill -{name} {process}");
    Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().unwrap().success()
}
