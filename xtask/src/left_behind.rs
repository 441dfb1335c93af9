//! Links that are raised and lowered while copycost is killed with -9 at random moments: nothing may stay.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often a run is killed where nobody says.
const RAISES: u64 = 200;
/// No run is killed later than this: long enough for the engine's start, the raising, a trial and the lowering.
const LATEST_MS: u64 = 400;
/// The kernel takes namespaces down after the call that let them go, one after the other (`cleanup_net`), and
/// sockets that outlived their process try for a second or two to reach their peer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What could stay.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// Processes of the program.
    processes: BTreeSet<PathBuf>,
    /// Network namespaces that a process is in or holds open.
    namespaces: BTreeSet<String>,
    /// Interfaces of the machine's own namespace.
    interfaces: BTreeSet<String>,
    /// Mounts of the machine's own namespace.
    mounts: BTreeSet<String>,
    /// BPF programs and maps, where bpftool is there to ask.
    bpf: BTreeSet<String>,
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn bpf() -> BTreeSet<String> {
    let told = |kind: &str| {
        let output = Command::new("bpftool").args([kind, "list"]).output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    let texts = ["prog", "map"].into_iter().filter_map(|kind| Some((kind, told(kind)?)));
    let lines = texts.flat_map(|(kind, text)| {
        let begin = |line: &str| line.starts_with(|first: char| first.is_ascii_digit());
        let lines: Vec<_> = text.lines().filter(|line| begin(line)).collect();
        lines.into_iter().map(|line| format!("{kind} {line}")).collect::<Vec<_>>()
    });
    lines.collect()
}

impl Seen {
    fn now(program: &Path) -> Self {
        let mut processes = BTreeSet::new();
        let mut namespaces = BTreeSet::new();
        for process in entries(Path::new("/proc")) {
            if fs::read_link(process.join("exe")).is_ok_and(|exe| exe == program) {
                processes.insert(process.clone());
            }
            let held = entries(&process.join("ns")).chain(entries(&process.join("fd")));
            let names =
                held.filter_map(|link| Some(fs::read_link(link).ok()?.display().to_string()));
            namespaces.extend(names.filter(|name| name.starts_with("net:[")));
        }
        let lines = |path| -> BTreeSet<String> {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        let interfaces = lines("/proc/net/dev")
            .iter()
            .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
            .collect();
        Self { processes, namespaces, interfaces, mounts: lines("/proc/self/mounts"), bpf: bpf() }
    }

    /// What is here and was not before.
    fn beyond(&self, before: &Self) -> Vec<String> {
        let mut more: Vec<String> = Vec::new();
        let beyond = |now: &BTreeSet<String>, then: &BTreeSet<String>| -> Vec<String> {
            now.difference(then).cloned().collect()
        };
        more.extend(self.processes.difference(&before.processes).map(|p| p.display().to_string()));
        more.extend(beyond(&self.namespaces, &before.namespaces));
        more.extend(beyond(&self.interfaces, &before.interfaces));
        more.extend(beyond(&self.mounts, &before.mounts));
        more.extend(beyond(&self.bpf, &before.bpf));
        more
    }
}

/// Network namespaces that the kernel has memory for, those without a process too; slabs are counted whole, so it is
/// right to a few dozen only (Documentation/mm/slub.rst).
fn kernels_count() -> Option<u64> {
    let text = fs::read_to_string("/proc/slabinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("net_namespace "))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Milliseconds below a bound, different every time.
fn random_below(bound: u64) -> u64 {
    RandomState::new().hash_one(0) % bound
}

/// Kills `RAISES` runs over the links and looks what is left.
///
/// # Errors
/// What stayed, or what could not be done.
pub(crate) fn check(words: &[String]) -> Result<String, String> {
    let raises = match words.first() {
        None => RAISES,
        Some(word) => word.parse().map_err(|_| format!("\"{word}\" is no number of raises"))?,
    };
    let links = match words.get(1..) {
        None | Some([]) => "veth".to_owned(),
        Some(links) => links.join(","),
    };
    let program = fs::canonicalize("target/release/copycost").map_err(|error| {
        format!("target/release/copycost: {error}; build it: cargo build --release")
    })?;
    let work = std::env::temp_dir().join(format!("copycost-left-behind-{}", std::process::id()));
    fs::create_dir(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let checked = kill_runs(&program, &work, raises, &links);
    let _ = fs::remove_dir_all(&work);
    checked
}

fn kill_runs(program: &Path, work: &Path, raises: u64, links: &str) -> Result<String, String> {
    let before = Seen::now(program);
    let counted_before = kernels_count();
    let (mut killed, mut raised) = (0, 0_u64);
    for n in 0..raises {
        let plan = ["run", "--link", links, "--send", "sendmsg,zerocopy", "--sizes", "16KiB"];
        let times = ["--time", "20ms", "--warmup", "5ms", "--rounds", "50", "--controls", "off"];
        // Two MTUs, so that the link is raised again and again within a run.
        let mut run = Command::new(program)
            .args(plan)
            .args(times)
            .args(["--threads", "1,2", "--mtu", "1500,9000", "--quiet", "--out"])
            .arg(work.join(n.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        std::thread::sleep(Duration::from_millis(random_below(LATEST_MS)));
        let seen = Seen::now(program);
        raised += u64::from(!seen.namespaces.is_subset(&before.namespaces));
        let has_ended = run.try_wait().map_err(|error| error.to_string())?;
        killed += u64::from(has_ended.is_none());
        run.kill().map_err(|error| error.to_string())?;
        let ended = run.wait().map_err(|error| error.to_string())?;
        if has_ended.is_some() {
            return Err(format!("a run over {links} ended by itself, {ended}: is this root?"));
        }
    }
    // The next command must find nothing.
    let next = Command::new(program).arg("probe").stdout(Stdio::null()).status();
    next.map_err(|error| error.to_string())?;
    let deadline = Instant::now() + PATIENCE;
    let mut left = Seen::now(program).beyond(&before);
    while !left.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(200));
        left = Seen::now(program).beyond(&before);
    }
    if !left.is_empty() {
        return Err(format!("left behind after {killed} kills: {}", left.join(", ")));
    }
    // Half of the kills fell while a link was up: fewer would show little.
    if raised < raises / 4 {
        return Err(format!("only {raised} of {raises} runs were seen with a link up"));
    }
    let mut counted = kernels_count();
    let too_many = |counted: Option<u64>| match (counted, counted_before) {
        (Some(now), Some(then)) => now > then + raises / 2,
        _ => false,
    };
    while too_many(counted) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(200));
        counted = kernels_count();
    }
    if too_many(counted) {
        return Err(format!("the kernel holds {counted:?} namespaces, {counted_before:?} before"));
    }
    let kernel = match (counted_before, counted) {
        (Some(then), Some(now)) => format!("; the kernel's own count: {then} before, {now} after"),
        _ => String::new(),
    };
    Ok(format!(
        "{killed} runs over {links} were killed, {raised} with a link up; no process, namespace, interface, mount, \
         BPF program or map is left{kernel}"
    ))
}
