//! Commands of an ordinary user under limits that refuse what they need: one line with the remedy, never a panic.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Ended, Place, TINY};

/// The limit under which a process may start nothing.
const ALONE: &str = "--nproc=1";

/// A place for an ordinary user that has no process: the limit counts all of a user's, and root has none.
struct Limited {
    place: Place,
    user: String,
}

impl Limited {
    /// None, and a word about it, where the user cannot be had.
    fn new(number: u32) -> Option<Self> {
        // Another one than that of other tests, and of the same in another process.
        let user = (20_000 + (std::process::id() % 10_000) * 4 + number).to_string();
        let place = Place::new();
        std::fs::set_permissions(place.path(""), std::fs::Permissions::from_mode(0o777)).unwrap();
        let limited = Self { place, user };
        let why = match limited.command("--nproc=100", &["--version"]).output() {
            Ok(output) if output.status.success() => return Some(limited),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => format!("prlimit: {error}"),
        };
        eprintln!("skipped: {why}");
        None
    }

    /// The program as that user, under a limit in prlimit's words.
    fn command(&self, limit: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("prlimit");
        command
            .arg(limit)
            .args(["setpriv", "--reuid", &self.user, "--regid", &self.user, "--clear-groups"])
            .arg(assert_cmd::cargo::cargo_bin!("copycost"))
            .args(arguments)
            .current_dir(self.place.path(""))
            .stdin(Stdio::null());
        command
    }

    /// What it says once nothing of an earlier command is left: an end that was killed counts until it is gone, however long that takes on a
    /// crowded machine.
    fn copycost(&self, limit: &str, arguments: &[&str]) -> Ended {
        let patience = Instant::now() + Duration::from_secs(60);
        while self.has_processes() {
            assert!(Instant::now() < patience, "processes of user {} stay", self.user);
            std::thread::sleep(Duration::from_millis(5));
        }
        self.beside(limit, arguments)
    }

    fn has_processes(&self) -> bool {
        let is_users = |status: String| {
            let mut lines = status.lines();
            lines.any(|line| {
                line.strip_prefix("Uid:")
                    .is_some_and(|ids| ids.split_ascii_whitespace().next() == Some(&self.user))
            })
        };
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut statuses =
            processes.filter_map(|it| std::fs::read_to_string(it.path().join("status")).ok());
        statuses.any(is_users)
    }

    /// The same beside what runs already.
    fn beside(&self, limit: &str, arguments: &[&str]) -> Ended {
        Ended::of(self.command(limit, arguments).output().unwrap())
    }
}

/// What ended under a limit did so well, or in one line with the remedy.
fn assert_told(ended: Ended, what: &str) -> bool {
    if ended.code == Some(0) {
        return true;
    }
    let ended = ended.ends_with(3);
    let complaint = ended.complaint();
    assert!(complaint.contains("starting "), "{what}: {ended:#?}");
    assert!(complaint.contains("raise ulimit -u, or pids.max"), "{what}: {ended:#?}");
    false
}

#[test]
fn a_command_that_is_refused_a_process_says_so() {
    let Some(limited) = Limited::new(0) else { return };
    let verify = ["verify", "--sizes", "64", "--send", "send", "--threads", "2", "--time", "2ms"];
    let told = |processes: u32, arguments: &[&str]| {
        let ended = limited.copycost(&format!("--nproc={processes}"), arguments);
        assert_told(ended, &format!("{processes} processes: {arguments:?}"))
    };
    // Every thread and process is refused once, until there are enough.
    let enough = (1..24).find(|processes| told(*processes, &verify));
    assert!(enough.is_some_and(|processes| processes > 8), "{enough:?}");
    // The same engine, and what a run starts before and after it.
    for processes in [1, 3, 8] {
        assert!(!told(processes, TINY));
    }
    assert!(told(1, &["probe"]), "it starts none of its own");
}

#[test]
fn a_report_is_painted_on_the_only_thread_that_there_is() {
    let Some(limited) = Limited::new(1) else { return };
    let run = limited.place.tiny_run();
    let given = Command::new("chown").args(["-R", &limited.user]).arg(&run).status().unwrap();
    assert!(given.success());
    limited.copycost(ALONE, &["report", "run"]).ends_with(0);
}

#[test]
fn both_ends_by_hand_say_so_too() {
    let Some(limited) = Limited::new(2) else { return };
    let mut serve = limited.command(ALONE, &["serve", "--once", "-p", "0"]);
    let mut server = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(server.stdout.take().unwrap()).lines();
    let command = told.nth(1).unwrap().unwrap();
    let mut words: Vec<&str> = command.split(' ').skip(1).collect();
    words.extend(["-t", "50ms"]);
    // The client may have as many as it likes: it is the same user's, and the server's limit is the server's.
    let client = limited.beside("--nproc=100", &words).ends_with(3);
    // What refuses the server is told here too.
    assert!(client.complaint().contains("ended the test: starting worker 0"), "{client:#?}");
    assert!(!assert_told(Ended::of(server.wait_with_output().unwrap()), "serve"));
}

#[test]
fn zero_copy_without_locked_memory_names_the_limit() {
    let Some(limited) = Limited::new(3) else { return };
    let verify =
        |size| ["verify", "--send", "zerocopy", "--sizes", size, "--threads", "1", "--time", "5ms"];
    let none = limited.copycost("--memlock=0", &verify("64")).ends_with(3);
    assert!(none.complaint().contains("RLIMIT_MEMLOCK is 0 B"), "{none:#?}");
    assert!(none.complaint().contains("; ulimit -l 8, or run as root"), "{none:#?}");
    // Enough for a small message, not for a large one.
    limited.copycost("--memlock=65536", &verify("64")).ends_with(0);
    let few = limited.copycost("--memlock=65536", &verify("64KiB")).ends_with(3);
    assert!(few.complaint().contains("RLIMIT_MEMLOCK is 65536 B"), "{few:#?}");
    // Paths that copy need none.
    let mut sendmsg = TINY.to_vec();
    sendmsg[2] = "sendmsg,zerocopy";
    let run = limited.copycost("--memlock=0", &sendmsg);
    // On a crowded machine every trial may be void.
    let is_crowded = run.code == Some(3) && run.error.contains("not one valid trial");
    assert!(run.code == Some(0) || is_crowded, "{run:#?}");
    assert!(run.error.contains("RLIMIT_MEMLOCK is 0 B"), "{run:#?}");
}
