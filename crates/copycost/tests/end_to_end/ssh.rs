//! The link `ssh`: two network namespaces are two hosts, and Debian's sshd runs in one of them. It takes root, `sshd`, `ip` and
//! `nsenter`; without them it is skipped, and says so.

use std::io::{BufRead as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::common::{Ended, PATIENCE, Place, TINY, eventually, signal, trials};
use crate::interruption::stopping;

const HERE: &str = "10.77.0.1";
pub(crate) const THERE: &str = "10.77.0.2";

/// A process that holds a namespace, and leaves when this value goes, however the test ends.
pub(crate) struct Holder {
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
    fn new(flags: &[&str]) -> Self {
        let mut child = Command::new("unshare")
            .args(flags)
            .args(["sh", "-c", "echo up; exec cat >/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        let input = child.stdin.take().unwrap();
        Self { child, _input: input }
    }

    pub(crate) fn id(&self) -> String {
        self.child.id().to_string()
    }

    /// Runs a shell's text inside.
    fn sh(&self, flags: &[&str], text: &str) {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.id()]).args(flags).args(["sh", "-ec", text]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{text}: {output:?}");
    }
}

/// Two hosts.
pub(crate) struct Lab {
    // First: it leaves before its host.
    sshd: Child,
    pub(crate) here: Holder,
    there: Holder,
    pub(crate) place: Place,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

/// What it takes and what is missing here.
fn lacking() -> Option<String> {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Some("not root: two network namespaces are made".to_owned());
    }
    let tools = ["/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/ssh-keygen"];
    if let Some(tool) = tools.iter().find(|tool| !Path::new(tool).exists()) {
        return Some(format!("no {tool}: apt install openssh-server openssh-client"));
    }
    let makes = Command::new("unshare").args(["-n", "-m", "ip", "link", "show", "lo"]).output();
    match makes {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

impl Lab {
    /// None where it cannot be had, after saying why.
    pub(crate) fn new() -> Option<Self> {
        if let Some(why) = lacking() {
            eprintln!("skipped: {why}");
            return None;
        }
        let place = Place::new();
        let (here, there) = (Holder::new(&["-n", "-m"]), Holder::new(&["-n", "-m"]));
        let peer = there.id();
        here.sh(
            &["-n"],
            &format!(
                "ip link add va type veth peer name vb netns {peer}; ip addr add {HERE}/24 dev va; ip link set va up; ip link set lo up"
            ),
        );
        there.sh(
            &["-n", "-m"],
            &format!(
                "ip addr add {THERE}/24 dev vb; ip link set vb up; ip link set lo up; mount -t tmpfs none /run; mkdir /run/sshd"
            ),
        );
        for name in ["host", "key", "other"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(place.path(name))
                .status();
            assert!(made.unwrap().success());
        }
        let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
        place.write("known", &format!("{THERE} {}", read("host.pub")));
        place.write("known_other", &format!("{THERE} {}", read("other.pub")));
        for directory in ["tmp", "bin"] {
            std::fs::create_dir(place.path(directory)).unwrap();
        }
        let path = |name: &str| place.path(name).display().to_string();
        let config = format!(
            "ListenAddress {THERE}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\nSetEnv TMPDIR={} PATH={}:/usr/bin:/bin:/usr/sbin:/sbin\n",
            path("host"),
            path("key.pub"),
            path("tmp"),
            path("bin"),
        );
        place.write("sshd_config", &config);
        for (name, key, known) in [
            ("config", "key", "known"),
            ("config_no_key", "other", "known"),
            ("config_other_host", "key", "known_other"),
        ] {
            let text = format!(
                "Host *\n IdentityFile {}\n IdentitiesOnly yes\n IdentityAgent none\n UserKnownHostsFile {}\n GlobalKnownHostsFile /dev/null\n StrictHostKeyChecking yes\n",
                path(key),
                path(known)
            );
            place.write(name, &text);
        }
        let sshd = Self::listen(&place, &there);
        let lab = Self { sshd, here, there, place };
        lab.await_sshd();
        Some(lab)
    }

    /// A program in the network of this host, with this configuration of ssh.
    fn inside(&self, config: &str, program: &Path, arguments: &[&str]) -> Command {
        let mut command = self.place.command(&[]);
        let directory = command.get_current_dir().unwrap().to_path_buf();
        command = Command::new("nsenter");
        command.args(["-t", &self.here.id(), "-n"]).arg(program).args(arguments);
        command.current_dir(directory).stdin(Stdio::null());
        let ssh = format!("ssh -F {}", self.place.path(config).display());
        command.env("COPYCOST_SSH", ssh).env("NO_COLOR", "1");
        command
    }

    pub(crate) fn copycost(&self, config: &str, arguments: &[&str]) -> Ended {
        let program = self.program();
        let command = self.inside(config, &program, arguments);
        let mut command = assert_cmd::Command::from_std(command);
        Ended::of(command.timeout(PATIENCE).output().unwrap())
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let program = self.program();
        let mut command = self.inside("config", &program, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Has the other host's sshd listen; what its end is, is this value's.
    fn listen(place: &Place, there: &Holder) -> Child {
        Command::new("nsenter")
            .args(["-t", &there.id(), "-n", "-m", "/usr/sbin/sshd", "-D", "-e", "-f"])
            .arg(place.path("sshd_config"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Until it takes connections.
    fn await_sshd(&self) {
        eventually("sshd listens", || {
            let mut command = self.inside("config", Path::new("ssh"), &["-F"]);
            command.arg(self.place.path("config")).args([THERE, "true"]);
            command.output().unwrap().status.success()
        });
    }

    fn program(&self) -> PathBuf {
        PathBuf::from(self.place.command(&[]).get_program())
    }

    /// Processes of the other host beside its sshd that listens.
    fn there(&self) -> Vec<(u32, String)> {
        let of = |id: &str| std::fs::read_link(format!("/proc/{id}/ns/net")).ok();
        let network = of(&self.there.id());
        let own = [self.sshd.id(), self.there.child.id()];
        let ids = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok());
        ids.filter(|id| !own.contains(id) && of(&id.to_string()) == network)
            .map(|id| {
                let words = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
                (id, String::from_utf8_lossy(&words).replace('\0', " "))
            })
            .collect()
    }

    /// Nothing of a run is left at the other host: no process, no file.
    pub(crate) fn is_clean(&self) {
        eventually("the other host is as it was", || {
            let files = std::fs::read_dir(self.place.path("tmp")).unwrap().count();
            self.there().is_empty() && files == 0
        });
    }

    /// An executable of the other host's.
    fn install(&self, name: &str, text: &str) {
        let path = self.place.write(&format!("bin/{name}"), text);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn tiny(peer: &[&'static str]) -> Vec<&'static str> {
    let mut line = TINY.to_vec();
    line.extend(["--controls", "off", "--out", "run", "--peer", THERE]);
    line.extend(peer);
    line
}

fn host(run: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(run.join("host.json")).unwrap()).unwrap()
}

#[test]
fn a_run_measures_between_two_hosts_either_way_and_leaves_nothing_there() {
    let Some(lab) = Lab::new() else { return };
    for (peer_sends, who) in [("off", "receiver_host"), ("on", "sender_host")] {
        let _ = std::fs::remove_dir_all(lab.place.path("run"));
        let mut line = tiny(&[]);
        let flag = format!("--peer-sends={peer_sends}");
        line.push(Box::leak(flag.into_boxed_str()));
        let ended = lab.copycost("config", &line).ends_with(0);
        assert!(ended.output.contains("link=ssh"), "{ended:#?}");
        let run = lab.place.path("run");
        let trials = trials(&run);
        assert!(trials.len() >= 8, "two sizes, two paths, two rounds: {}", trials.len());
        // Each host's CPUs are read by the end that runs there.
        for trial in &trials {
            assert!(
                trial.contains("link=ssh") && trial.contains("\"receiver_machine\":{"),
                "{trial}"
            );
        }
        let host = host(&run);
        assert!(host[who]["kernel"].is_string(), "{host}");
        let to = if peer_sends == "on" { HERE } else { THERE };
        assert_eq!(host["reached"]["data_address"], to, "{host}");
        assert_eq!(host["reached"]["peer"], THERE);
        for device in ["nic_here", "nic_there"] {
            assert_eq!(host["reached"][device]["driver"], "veth", "{host}");
        }
        assert!(host["reached"]["copied_bytes"].as_u64().unwrap() > 0);
        let plan = std::fs::read_to_string(run.join("plan.toml")).unwrap();
        assert!(plan.contains(&format!("peer-sends = \"{peer_sends}\"")), "{plan}");
        lab.is_clean();
    }
    // A run that goes on reaches the peer that its plan names, over the line that it was measured over.
    let more = ["run", "--resume", "run", "--rounds", "3"];
    lab.here.sh(&["-n"], "ip link set va mtu 1400");
    let refused = lab.copycost("config", &more).ends_with(2);
    let told = "the MTU of the receiver's device is \"1400\", and was \"1500\": put the line back";
    assert!(refused.complaint().contains(told), "{refused:#?}");
    lab.is_clean();
    lab.here.sh(&["-n"], "ip link set va mtu 1500");
    lab.copycost("config", &more).ends_with(0);
    assert!(trials(&lab.place.path("run")).len() >= 12);
    lab.is_clean();
}

/// The records of audits in a run.
fn audits(run: &Path) -> Vec<serde_json::Value> {
    let journal = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
    let records = journal.lines().map(|line| serde_json::from_str(line).unwrap());
    records.filter(|record: &serde_json::Value| record["kind"] == "audit").collect()
}

#[test]
fn an_audit_counts_the_end_that_runs_here_and_of_the_other_says_what_would_count_it() {
    let Some(lab) = Lab::new() else { return };
    let run = lab.place.path("run");
    for (peer_sends, here, there, copies_there) in [
        ("--peer-sends=off", "sender", "receiver", ["copied_out"].as_slice()),
        ("--peer-sends=on", "receiver", "sender", &["copied_in", "by_reference", "deferred"]),
    ] {
        let _ = std::fs::remove_dir_all(&run);
        let mut line = tiny(&["--audits", "copy-audit,profile", peer_sends]);
        line[2] = "sendmsg,zerocopy";
        let ended = lab.copycost("config", &line).ends_with(0);
        let audits = audits(&run);
        let of = |audit: &str| -> Vec<serde_json::Value> {
            let of = audits.iter().filter(|it| it["body"]["audits"][0] == audit);
            of.map(|it| it["body"].clone()).collect()
        };
        let remedy = "audit a run from the other host too";
        let lacks = |figure: &serde_json::Value| {
            assert!(figure["absent"].as_str().unwrap().contains(remedy), "{figure}");
        };
        let calls: Vec<_> =
            of("copy-audit").into_iter().filter(|it| it["calls"]["absent"].is_null()).collect();
        if calls.is_empty() {
            eprintln!("skipped: no copy audit here: {}", ended.error);
        }
        for body in &calls {
            let counted = body["calls"][here].as_object().unwrap();
            assert!(counted.values().any(|n| n.as_u64().is_some_and(|n| n > 0)), "{counted:?}");
            lacks(&body["calls"][there]);
            for figure in copies_there {
                lacks(&body["copies"][figure]);
            }
            if here == "sender" {
                let why = body["copies"]["deferred"]["absent"].as_str().unwrap();
                assert!(why.contains("under this very kernel"), "{why}");
            }
        }
        let profiles: Vec<_> =
            of("profile").into_iter().filter(|it| it["profile"]["absent"].is_null()).collect();
        if profiles.is_empty() {
            eprintln!("skipped: no profile here: {}", ended.error);
        }
        for body in &profiles {
            let stacks = body["profile"]["stacks"].as_array().unwrap();
            let has = |owner: &str| stacks.iter().any(|stack| stack["owner"] == owner);
            assert!(has(here) && !has(there), "{peer_sends}");
        }
        let summary = std::fs::read_to_string(run.join("summary.json")).unwrap();
        let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
        let law = |id: u64| {
            let laws = summary["laws"].as_array().unwrap();
            laws.iter().find(|law| law["id"] == id).unwrap().clone()
        };
        if !calls.is_empty() {
            assert_eq!(law(2)["state"], "undecidable", "{}", law(2));
        }
        // Two namespaces under one kernel: what is passed by reference is copied at delivery, and marked so.
        assert_eq!(law(4)["state"], "holds", "{}", law(4));
        lab.is_clean();
    }
}

#[test]
fn steady_windows_need_no_common_clock_even_where_replies_take_150_ms() {
    let Some(lab) = Lab::new() else { return };
    // What the peer says comes late: the receiving end's replies, and with --peer-sends the sending end's.
    let late = lab.place.write(
        "late",
        "#!/bin/sh\nssh -F \"$0_config\" \"$@\" | while IFS= read -r line; do sleep 0.15; printf '%s\\n' \"$line\"; done\n",
    );
    std::fs::set_permissions(&late, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::copy(lab.place.path("config"), lab.place.path("late_config")).unwrap();
    for peer_sends in ["--peer-sends=off", "--peer-sends=on"] {
        let _ = std::fs::remove_dir_all(lab.place.path("run"));
        let mut line = tiny(&[peer_sends]);
        line[2] = "sendmsg";
        let program = lab.program();
        let mut command = lab.inside("config", &program, &line);
        command.env("COPYCOST_SSH", &late);
        let mut command = assert_cmd::Command::from_std(command);
        Ended::of(command.timeout(PATIENCE).output().unwrap()).ends_with(0);
        let trials = trials(&lab.place.path("run"));
        // No sender stops before every receiving worker has seen its window end under load.
        let lost = trials.iter().find(|trial| !trial.contains("\"finished\":{"));
        assert!(trials.len() >= 4 && lost.is_none(), "two sizes and two rounds: {lost:#?}");
        let reached = host(&lab.place.path("run"))["reached"]["line_round_trip_ns"].as_u64();
        assert!(reached.unwrap() >= 150_000_000);
        lab.is_clean();
    }
}

#[test]
fn this_very_build_is_not_copied_where_it_is_and_noise_of_a_login_shell_is_skipped() {
    let Some(lab) = Lab::new() else { return };
    std::fs::copy(lab.program(), lab.place.path("bin/copycost")).unwrap();
    let line = ["verify", "--send", "send,zerocopy", "--sizes", "4KiB", "--peer", THERE];
    let verified = lab.copycost("config", &line).ends_with(0);
    assert!(!verified.output.contains("faulty"), "{verified:#?}");
    let mut line = tiny(&[]);
    line[2] = "sendmsg";
    lab.copycost("config", &line).ends_with(0);
    assert_eq!(host(&lab.place.path("run"))["reached"]["copied_bytes"], 0);
    // Another build under that name is not used.
    lab.install("copycost", "#!/bin/sh\necho Welcome\necho no copycost >&2\nexit 1\n");
    std::fs::remove_dir_all(lab.place.path("run")).unwrap();
    lab.copycost("config", &line).ends_with(0);
    assert!(host(&lab.place.path("run"))["reached"]["copied_bytes"].as_u64().unwrap() > 0);
    lab.is_clean();
}

#[test]
fn a_peer_that_is_not_to_be_had_is_told_in_one_line_with_what_helps() {
    let Some(lab) = Lab::new() else { return };
    let line = tiny(&["--dry-run"]);
    let line: Vec<&str> = line.into_iter().collect();
    let refused = |config: &str, signs: &[&str]| {
        let ended = lab.copycost(config, &line).ends_with(3);
        for sign in signs {
            assert!(ended.complaint().contains(sign), "{sign}: {ended:#?}");
        }
        lab.is_clean();
    };
    refused("config_no_key", &["Permission denied (publickey)", "ssh-copy-id 10.77.0.2"]);
    refused("config_other_host", &["Host key verification failed", "connect once by hand"]);
    lab.install("uname", "#!/bin/sh\necho Linux riscv64\n");
    refused("config", &["it is Linux riscv64, and this is Linux", "same architecture"]);
    std::fs::remove_file(lab.place.path("bin/uname")).unwrap();
    let places = ["/dev/shm".to_owned(), "/var/tmp".to_owned(), "/root".to_owned()];
    for place in places.iter().chain([&lab.place.path("tmp").display().to_string()]) {
        lab.there.sh(&["-m"], &format!("mount -t tmpfs -o size=1m none {place}"));
    }
    refused("config", &["cannot be copied there", "/dev/shm has no room", "room for programs"]);
    lab.there.sh(&["-m"], "umount /var/tmp; mount -t tmpfs -o noexec none /var/tmp");
    refused("config", &["/var/tmp may hold no programs (noexec)"]);
    lab.there.sh(&["-m"], "umount /var/tmp; mount -t tmpfs none /var/tmp");
    lab.copycost("config", &line).ends_with(0);
    lab.is_clean();
    for (peer, why) in [("-oProxyCommand=x", "is an option"), ("h;id", "may not stand in it")] {
        let ended = lab.copycost("config", &["run", "--peer", peer]).ends_with(2);
        assert!(ended.complaint().contains(why), "{ended:#?}");
    }
}

/// A run that goes on until something happens to it.
fn long_run(lab: &Lab) -> Child {
    let mut line = tiny(&[]);
    let rounds = line.iter().position(|word| *word == "--rounds").unwrap();
    line[rounds + 1] = "100000";
    let child = lab.spawn(&line);
    let run = lab.place.path("run");
    eventually("trials are measured", || trials(&run).len() >= 4);
    child
}

#[test]
fn a_killed_engine_leaves_nothing_at_either_host() {
    let Some(lab) = Lab::new() else { return };
    let mut child = long_run(&lab);
    assert!(!lab.there().is_empty(), "the peer's end runs");
    signal("KILL", &child);
    child.wait().unwrap();
    lab.is_clean();
    // Before anything was measured, while the program is copied and its ends are started.
    for wait_ms in [50, 150, 300, 500, 800, 1200] {
        let _ = std::fs::remove_dir_all(lab.place.path("run"));
        let mut child = lab.spawn(&tiny(&[]));
        std::thread::sleep(Duration::from_millis(wait_ms));
        signal("KILL", &child);
        child.wait().unwrap();
        lab.is_clean();
    }
}

/// Ends every session of the other host's sshd.
fn cut(lab: &Lab) {
    let sessions = lab.there().into_iter().filter(|(_, words)| words.contains("sshd: "));
    for (id, _) in sessions {
        let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status().unwrap();
    }
}

#[test]
fn a_peer_that_is_gone_ends_the_run_once_and_what_was_measured_goes_on_when_it_is_back() {
    let Some(mut lab) = Lab::new() else { return };
    let child = long_run(&lab);
    lab.sshd.kill().unwrap();
    lab.sshd.wait().unwrap();
    cut(&lab);
    let ended = Ended::of(child.wait_with_output().unwrap()).ends_with(130);
    let last = ended.error.lines().last().unwrap();
    let next = "what was measured is kept; go on with: copycost run --resume run";
    assert!(last.starts_with("interrupted: peer 10.77.0.2: "), "{ended:#?}");
    assert!(last.contains("after 4 tries to reach it again") && last.ends_with(next), "{last}");
    let kept = std::fs::read(lab.place.path("run/journal.jsonl")).unwrap();
    // The trial in hand and what was tried again meanwhile, but not every cell of every round.
    let lost = trials(&lab.place.path("run"));
    let lost = lost.iter().filter(|trial| trial.contains("\"failed\":{")).count();
    assert!(lost <= 6, "{lost} trials were tried in vain");
    lab.sshd = Lab::listen(&lab.place, &lab.there);
    lab.await_sshd();
    let done = trials(&lab.place.path("run")).len();
    let rounds = (done / 4 + 2).to_string();
    lab.copycost("config", &["run", "--resume", "run", "--rounds", &rounds]).ends_with(0);
    let now = std::fs::read(lab.place.path("run/journal.jsonl")).unwrap();
    assert!(now.starts_with(&kept) && trials(&lab.place.path("run")).len() > done);
    lab.is_clean();
}

#[test]
fn a_peer_whose_replies_nobody_takes_leaves_when_its_engine_is_silent() {
    let place = Place::new();
    let mut command = place.command(&["peer"]);
    let mut peer = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = peer.stdin.take().unwrap();
    // More answers than its pipe holds: it waits for room, and never looks for orders again.
    let lines: String = (0..30_000).map(|n| format!("{{\"echo\":{n}}}\n")).collect();
    input.write_all(lines.as_bytes()).unwrap();
    eventually("it leaves", || peer.try_wait().unwrap().is_some());
    assert_eq!(peer.wait().unwrap().code(), Some(2));
}

#[test]
fn a_connection_that_is_cut_costs_a_trial_and_the_run_goes_on() {
    let Some(lab) = Lab::new() else { return };
    let child = long_run(&lab);
    let run = lab.place.path("run");
    for _ in 0..3 {
        let before = trials(&run).len();
        cut(&lab);
        eventually("the run goes on", || trials(&run).len() >= before + 8);
    }
    signal(stopping(), &child);
    let ended = Ended::of(child.wait_with_output().unwrap()).ends_with(130);
    assert!(ended.error.contains("the connection is lost"), "{ended:#?}");
    lab.is_clean();
}
