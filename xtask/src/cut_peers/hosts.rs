//! Two hosts: network namespaces with a link between them, and Debian's sshd in one of them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::{kill, until};

const HERE: &str = "10.79.0.1";
/// The other host's address.
pub(super) const THERE: &str = "10.79.0.2";
/// sshd takes this long to listen at most, however crowded the machine.
const LISTENING: Duration = Duration::from_secs(60);

/// A process that holds namespaces of a host, and leaves when this value goes or its task is killed.
pub(super) struct Holder {
    child: Child,
    _input: ChildStdin,
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Holder {
    fn new() -> Result<Self, String> {
        let mut child = Command::new("unshare")
            .args(["-n", "-m", "sh", "-c", "echo up; exec cat >/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| format!("unshare: {why}; apt install util-linux"))?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("unshare has no output")?;
        let input = child.stdin.take().ok_or("unshare has no input")?;
        let holder = Self { child, _input: input };
        BufReader::new(output).read_line(&mut line).map_err(|why| why.to_string())?;
        if line == "up\n" { Ok(holder) } else { Err("unshare -n -m: is this root?".to_owned()) }
    }

    /// A program inside.
    pub(super) fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.child.id().to_string(), "-n", "-m"]).arg(program);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a shell's text inside.
    pub(super) fn sh(&self, text: &str) -> Result<(), String> {
        let output = self.inside(Path::new("sh")).args(["-ec", text]).output();
        let output = output.map_err(|why| format!("nsenter: {why}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{text}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    fn network(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/ns/net", self.child.id())).ok()
    }
}

/// Two hosts, and where the files of both are.
pub(super) struct Hosts {
    // First: it leaves before its host.
    sshd: Child,
    pub(super) here: Holder,
    there: Holder,
    pub(super) work: PathBuf,
    /// What was mounted at either before any run.
    mounts: [BTreeSet<String>; 2],
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

/// A process: its id, its parent's, and its words.
pub(super) struct Process {
    pub(super) id: u32,
    pub(super) parent: u32,
    pub(super) words: String,
}

impl Process {
    fn read(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?;
        let words = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        Some(Self { id, parent, words: words.trim().to_owned() })
    }
}

/// What it takes and is missing here.
pub(super) fn lacking() -> Option<String> {
    if fs::metadata("/proc/self").map_or(1, |own| own.uid()) != 0 {
        return Some("two network namespaces are made: run as root".to_owned());
    }
    let tools = ["/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/ssh-keygen"];
    let tool = tools.iter().find(|tool| !Path::new(tool).exists())?;
    Some(format!("no {tool}: apt install openssh-server openssh-client"))
}

impl Hosts {
    pub(super) fn new(work: &Path) -> Result<Self, String> {
        let (here, there) = (Holder::new()?, Holder::new()?);
        let at = |name: &str| work.join(name).display().to_string();
        for folder in ["tmp-here", "tmp-there", "bin", "runs"] {
            fs::create_dir(work.join(folder)).map_err(|why| format!("{folder}: {why}"))?;
        }
        let peer = there.child.id();
        here.sh(&format!(
            "ip link add va type veth peer name vb netns {peer}; ip addr add {HERE}/24 dev va; ip link set va up; ip link set lo up"
        ))?;
        there.sh(&format!(
            "ip addr add {THERE}/24 dev vb; ip link set vb up; ip link set lo up; mount -t tmpfs none /run; mkdir /run/sshd"
        ))?;
        for name in ["host", "key"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f", &at(name)])
                .status();
            if !made.is_ok_and(|status| status.success()) {
                return Err("ssh-keygen makes no key".to_owned());
            }
        }
        let host = fs::read_to_string(work.join("host.pub")).map_err(|why| why.to_string())?;
        let write = |name: &str, text: String| {
            fs::write(work.join(name), text).map_err(|why| format!("{name}: {why}"))
        };
        write("known", format!("{THERE} {host}"))?;
        write(
            "sshd_config",
            format!(
                "ListenAddress {THERE}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\nMaxStartups 100\nSetEnv TMPDIR={} PATH={}:/usr/bin:/bin:/usr/sbin:/sbin\n",
                at("host"),
                at("key.pub"),
                at("tmp-there"),
                at("bin"),
            ),
        )?;
        write(
            "config",
            format!(
                "Host *\n IdentityFile {}\n IdentitiesOnly yes\n IdentityAgent none\n UserKnownHostsFile {}\n GlobalKnownHostsFile /dev/null\n StrictHostKeyChecking yes\n",
                at("key"),
                at("known")
            ),
        )?;
        let mut sshd = there.inside(Path::new("/usr/sbin/sshd"));
        let sshd = sshd.args(["-D", "-e", "-f", &at("sshd_config")]).stderr(Stdio::null()).spawn();
        let sshd = sshd.map_err(|why| format!("sshd: {why}"))?;
        let mut hosts =
            Self { sshd, here, there, work: work.to_owned(), mounts: Default::default() };
        let config = at("config");
        let answers = || {
            let mut ssh = hosts.here.inside(Path::new("ssh"));
            ssh.args(["-F", &config, THERE, "true"]).output().is_ok_and(|out| out.status.success())
        };
        if !until(LISTENING, answers) {
            return Err("sshd does not answer; see: sshd -T".to_owned());
        }
        hosts.mounts = hosts.mounts_now();
        Ok(hosts)
    }

    /// The program at the engine's host, as somebody's shell would run it.
    pub(super) fn program(&self, program: &Path) -> Command {
        // In the mount namespace of this task: to enter another one leaves the directory.
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.here.child.id().to_string(), "-n"]).arg(program);
        command.current_dir(self.work.join("runs")).stdin(Stdio::null());
        command.env("COPYCOST_SSH", format!("ssh -F {}", self.work.join("config").display()));
        command.env("TMPDIR", self.work.join("tmp-here")).env("NO_COLOR", "1");
        command.env_remove("SUDO_UID").env_remove("SUDO_GID");
        command
    }

    /// Has the other host have this very build already, or not.
    pub(super) fn install(&self, program: &Path, is_there: bool) -> Result<(), String> {
        let path = self.work.join("bin/copycost");
        if path.exists() == is_there {
            return Ok(());
        }
        let done = if is_there {
            fs::copy(program, &path)
                .and_then(|_| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
        } else {
            fs::remove_file(&path)
        };
        done.map_err(|why| format!("{}: {why}", path.display()))
    }

    fn processes_in(&self, holder: &Holder) -> Vec<Process> {
        let network = holder.network();
        let own = [self.sshd.id(), self.here.child.id(), self.there.child.id()];
        let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        ids.filter(|id| !own.contains(id))
            .filter(|id| {
                network.is_some() && fs::read_link(format!("/proc/{id}/ns/net")).ok() == network
            })
            .filter_map(Process::read)
            .collect()
    }

    /// Processes of the engine's host.
    pub(super) fn processes_here(&self) -> Vec<Process> {
        self.processes_in(&self.here)
    }

    /// Processes of the other host beside its sshd that listens.
    pub(super) fn processes_there(&self) -> Vec<Process> {
        self.processes_in(&self.there)
    }

    fn mounts_now(&self) -> [BTreeSet<String>; 2] {
        [&self.here, &self.there].map(|holder| {
            let text = fs::read_to_string(format!("/proc/{}/mounts", holder.child.id()));
            text.unwrap_or_default().lines().map(str::to_owned).collect()
        })
    }

    /// What of a run is left at either host: processes, files, mounts (which also hold namespaces), and namespaces that a process of
    /// this program holds somewhere.
    pub(super) fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for (host, processes) in
            [("here", self.processes_here()), ("there", self.processes_there())]
        {
            let told = |it: &Process| format!("process {} {host}: {}", it.id, it.words);
            left.extend(processes.iter().map(told));
        }
        for folder in ["tmp-here", "tmp-there"] {
            let files = fs::read_dir(self.work.join(folder)).into_iter().flatten().flatten();
            left.extend(files.map(|file| format!("file {}", file.path().display())));
        }
        for (host, (before, now)) in
            ["here", "there"].iter().zip(self.mounts.iter().zip(self.mounts_now()))
        {
            left.extend(now.difference(before).map(|mount| format!("mount {host}: {mount}")));
        }
        // Whatever namespace they are in.
        let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
        for entry in ids {
            let exe = fs::read_link(entry.path().join("exe")).unwrap_or_default();
            if exe.starts_with(&self.work) {
                left.push(format!("process {} of {}", entry.path().display(), exe.display()));
            }
        }
        left
    }

    /// Cuts the link between the hosts, or mends it.
    pub(super) fn link(&self, is_up: bool) -> Result<(), String> {
        self.here.sh(if is_up { "ip link set va up" } else { "ip link set va down" })
    }

    /// Kills processes of a host; how many there were.
    pub(super) fn kill_all(processes: &[Process], which: impl Fn(&Process) -> bool) -> usize {
        let found = processes.iter().filter(|process| which(process));
        found.filter(|process| kill(process.id, rustix::process::Signal::KILL)).count()
    }

    /// Until nothing of a run is left, or the time is over: how long that took, and what is left.
    pub(super) fn await_clean(&self, patience: Duration) -> (Duration, Vec<String>) {
        let begun = Instant::now();
        let mut left = self.left();
        while !left.is_empty() && begun.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(50));
            left = self.left();
        }
        (begun.elapsed(), left)
    }
}
