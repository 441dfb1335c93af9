//! Links that are raised and lowered while copycost is killed with -9 at random moments: nothing may stay.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aya::maps::{MapError, loaded_maps};
use aya::programs::{ProgramError, loaded_programs};
use aya::sys::SyscallError;

/// How often a run is killed where nobody says.
const RAISES: u64 = 200;
/// No run is killed later than this: long enough for the engine's start, the raising, its look at the idle machine, trials
/// and audit trials, and the lowering.
const LATEST_MS: u64 = 1_000;
/// The kernel takes namespaces down after the call that let them go, one after the other (`cleanup_net`), and
/// sockets that outlived their process try for a second or two to reach their peer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is there of all that a killed run could leave behind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Present {
    /// Processes of the program.
    processes: BTreeSet<PathBuf>,
    /// Network namespaces that a process is in or holds open.
    namespaces: BTreeSet<String>,
    /// Interfaces of the machine's own namespace.
    interfaces: BTreeSet<String>,
    /// Mounts of the machine's own namespace.
    mounts: BTreeSet<String>,
    /// What bears the program's name where files are left for a while.
    files: BTreeSet<String>,
    /// BPF programs and maps of the whole machine. A filter or a perf event keeps its program loaded, so a filter that
    /// stays shows here as well.
    bpf: BTreeSet<String>,
}

/// Where programs leave files for a while: rings, sockets, half-written reports.
const LEFT_IN: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/run"];

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Every BPF program and map that the kernel has, asked for with `BPF_PROG_GET_NEXT_ID` and `BPF_MAP_GET_NEXT_ID` (bpf(2)),
/// whoever loaded it and whatever holds it: a descriptor, a pin, a filter. Ids are given out in a circle, so that one
/// that was let go of does not come back soon.
///
/// # Errors
/// The kernel does not tell: then nothing could be said about what stays.
fn bpf() -> Result<BTreeSet<String>, String> {
    let refused = |what: &str, error: &io::Error| {
        format!(
            "{what} cannot be listed ({error}): run as root, on a kernel with CONFIG_BPF_SYSCALL"
        )
    };
    let mut found = BTreeSet::new();
    for program in loaded_programs() {
        match program {
            Ok(program) => {
                let name = program.name_as_str().unwrap_or_default();
                found.insert(format!("BPF program {} {name}", program.id()));
            }
            // Gone between being listed and being asked.
            Err(ProgramError::SyscallError(call)) if is_gone(&call) => {}
            Err(ProgramError::SyscallError(call)) => {
                return Err(refused("BPF programs", &call.io_error));
            }
            Err(error) => return Err(format!("BPF programs: {error}")),
        }
    }
    for map in loaded_maps() {
        match map {
            Ok(map) => {
                let name = map.name_as_str().unwrap_or_default();
                found.insert(format!("BPF map {} {name}", map.id()));
            }
            Err(MapError::SyscallError(call)) if is_gone(&call) => {}
            Err(MapError::SyscallError(call)) => return Err(refused("BPF maps", &call.io_error)),
            Err(error) => return Err(format!("BPF maps: {error}")),
        }
    }
    Ok(found)
}

fn is_gone(call: &SyscallError) -> bool {
    call.io_error.kind() == io::ErrorKind::NotFound
}

impl Present {
    fn now(program: &Path) -> Result<Self, String> {
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
        let mounts = lines("/proc/self/mounts");
        let files = LEFT_IN
            .iter()
            .map(PathBuf::from)
            .chain([std::env::temp_dir()])
            .flat_map(|folder| entries(&folder))
            .filter(|path| {
                path.file_name().is_some_and(|name| name.to_string_lossy().contains("copycost"))
            })
            .map(|path| path.display().to_string())
            .collect();
        Ok(Self { processes, namespaces, interfaces, mounts, files, bpf: bpf()? })
    }

    /// What is here and was not before.
    fn added_since(&self, before: &Self) -> Vec<String> {
        let processes = self.processes.difference(&before.processes);
        let others = [
            (&self.namespaces, &before.namespaces),
            (&self.interfaces, &before.interfaces),
            (&self.mounts, &before.mounts),
            (&self.files, &before.files),
            (&self.bpf, &before.bpf),
        ];
        processes
            .map(|process| process.display().to_string())
            .chain(others.into_iter().flat_map(|(now, then)| now.difference(then).cloned()))
            .collect()
    }
}

/// More namespaces than these that nobody holds, by the kernel's own count, are a leak: it counts half-used slabs as full
/// ones, of about 7 namespaces each, some a CPU.
const COUNTED_TOO_MANY: u64 = 40;

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
    let work = std::env::temp_dir().join(format!("copycost-killed-runs-{}", std::process::id()));
    fs::create_dir(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let checked = kill_runs(&program, &work, raises, &links);
    let _ = fs::remove_dir_all(&work);
    checked
}

/// Runs the program to its end.
///
/// # Errors
/// It could not be started, or did not end well; with its last words.
fn succeeds(program: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .env_remove("SUDO_UID")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(format!(
        "the next command after a kill, copycost {}, ended with {}: {last}",
        arguments.join(" "),
        output.status
    ))
}

fn kill_runs(program: &Path, work: &Path, raises: u64, links: &str) -> Result<String, String> {
    let before = Present::now(program)?;
    let counted_before = kernels_count();
    let (mut killed, mut raised, mut loaded) = (0, 0_u64, 0_u64);
    // Unix sockets raise nothing and have no path with notifications: it is their ends that a kill may leave.
    let has_devices = links.split(',').any(|link| link != "unix");
    let send = if has_devices { "sendmsg,zerocopy" } else { "sendmsg,sendfile" };
    for n in 0..raises {
        let plan = ["run", "--link", links, "--send", send, "--sizes", "16KiB"];
        let times = ["--time", "20ms", "--warmup", "5ms", "--rounds", "50", "--controls", "off"];
        // What hooks the kernel is killed as well: audit trials come before the first round.
        let audits = if n % 2 == 0 { "none" } else { "copy-audit,profile" };
        // Two MTUs, so that the link is raised again and again within a run.
        let mut run = Command::new(program)
            // Its directory is root's, whoever called sudo.
            .env_remove("SUDO_UID")
            .args(plan)
            .args(times)
            .args(["--audits", audits])
            .args(["--threads", "1,2"])
            .args(if has_devices { &["--mtu", "1500,9000"][..] } else { &[] })
            .args(["--quiet", "--out"])
            .arg(work.join(n.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        std::thread::sleep(Duration::from_millis(random_below(LATEST_MS)));
        let seen = Present::now(program)?;
        raised += u64::from(if has_devices {
            !seen.namespaces.is_subset(&before.namespaces)
        } else {
            // The engine, and an end at least.
            seen.processes.difference(&before.processes).count() > 1
        });
        loaded += u64::from(!seen.bpf.is_subset(&before.bpf));
        let has_ended = run.try_wait().map_err(|error| error.to_string())?;
        killed += u64::from(has_ended.is_none());
        run.kill().map_err(|error| error.to_string())?;
        let ended = run.wait().map_err(|error| error.to_string())?;
        if has_ended.is_some() {
            return Err(format!("a run over {links} ended by itself, {ended}: is this root?"));
        }
        // Whatever a kill leaves may hinder nobody, and is gone when the next command has run.
        succeeds(program, &["probe"])?;
    }
    let whole = work.join("whole").display().to_string();
    let one = ["run", "--link", links, "--send", send, "--sizes", "16KiB"];
    // Long enough and often enough that a disturbed moment leaves a valid trial; a run without one ends with 3.
    let short = ["--time", "100ms", "--warmup", "50ms", "--rounds", "3", "--threads", "1"];
    succeeds(program, &[&one[..], &short[..], &["--quiet", "--out", &whole]].concat())?;
    let deadline = Instant::now() + LONGEST_WAIT;
    let mut left = Present::now(program)?.added_since(&before);
    while !left.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(200));
        left = Present::now(program)?.added_since(&before);
    }
    if !left.is_empty() {
        return Err(format!("left behind after {killed} kills: {}", left.join(", ")));
    }
    // Fewer kills than these while a link was up, or a BPF program loaded, would show little.
    if raised < raises / 4 {
        return Err(format!("only {raised} of {raises} runs were seen with a link or an end up"));
    }
    if loaded < raises / 8 {
        return Err(format!("only {loaded} of {raises} runs were seen with a BPF program loaded"));
    }
    let mut counted = kernels_count();
    let too_many = |counted: Option<u64>| match (counted, counted_before) {
        (Some(now), Some(then)) => now > then + COUNTED_TOO_MANY,
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
        "{killed} runs over {links} were killed, {raised} with a link or an end up, {loaded} with a BPF program loaded; no process, namespace, interface, mount, \
         file, BPF program or map is left{kernel}"
    ))
}

#[cfg(test)]
mod tests {
    use aya::Ebpf;
    use aya::programs::SchedClassifier;

    use super::*;

    #[allow(clippy::print_stderr, reason = "a test says what it skips")]
    fn skipped(why: &str) {
        eprintln!("skipped: {why}");
    }

    /// What is here and is left by nobody who runs beside this test: a program of another name.
    fn now(program: &Path) -> Option<Present> {
        match Present::now(program) {
            Ok(seen) => Some(seen),
            Err(why) => {
                skipped(&why);
                None
            }
        }
    }

    #[test]
    fn a_bpf_program_and_its_maps_that_stay_are_reported_until_they_are_gone() {
        let nobody = Path::new("/nobody");
        let Some(before) = now(nobody) else { return };
        let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/kernel/bpf/sink.bpf.o");
        let mut leak = match Ebpf::load_file(object) {
            Ok(leak) => leak,
            Err(error) => return skipped(&format!("no BPF here: {error}")),
        };
        let classifier: &mut SchedClassifier =
            leak.program_mut("sink").unwrap().try_into().unwrap();
        if let Err(error) = classifier.load() {
            return skipped(&format!("no program of the type sched_cls here: {error}"));
        }
        let id = format!("BPF program {} ", classifier.info().unwrap().id());
        let left = now(nobody).unwrap().added_since(&before);
        assert!(left.iter().any(|one| one.starts_with(&id)), "{id}: {left:?}");
        assert!(left.iter().any(|one| one.starts_with("BPF map ")), "{left:?}");
        drop(leak);
        let gone = || !now(nobody).unwrap().bpf.iter().any(|one| one.starts_with(&id));
        let deadline = Instant::now() + LONGEST_WAIT;
        while !gone() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(gone(), "{id}");
    }

    #[test]
    fn a_process_and_the_namespace_that_it_is_in_are_reported() {
        let Ok(sleep) = fs::canonicalize("/bin/sleep") else { return skipped("no /bin/sleep") };
        let Some(before) = now(&sleep) else { return };
        let mut leak = match Command::new("unshare").args(["--net", "sleep", "60"]).spawn() {
            Ok(leak) => leak,
            Err(error) => return skipped(&format!("unshare: {error}")),
        };
        let process = PathBuf::from(format!("/proc/{}", leak.id()));
        let deadline = Instant::now() + LONGEST_WAIT;
        let is_asleep = || fs::read_link(process.join("exe")).is_ok_and(|exe| exe == sleep);
        while !is_asleep() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
            if leak.try_wait().unwrap().is_some() {
                return skipped("unshare --net is refused here");
            }
        }
        let namespace = fs::read_link(process.join("ns/net")).unwrap().display().to_string();
        let left = now(&sleep).unwrap().added_since(&before);
        leak.kill().unwrap();
        leak.wait().unwrap();
        for one in [process.display().to_string(), namespace] {
            assert!(left.contains(&one), "{one}: {left:?}");
        }
    }

    #[test]
    fn a_next_command_that_fails_is_named_with_its_last_words() {
        let shell = Path::new("/bin/sh");
        assert!(succeeds(shell, &["-c", "true"]).is_ok());
        let why = succeeds(shell, &["-c", "echo nothing works >&2; exit 3"]).unwrap_err();
        assert!(why.contains("exit status: 3") && why.ends_with("nothing works"), "{why}");
        assert!(succeeds(Path::new("/nobody"), &[]).is_err());
    }
}
