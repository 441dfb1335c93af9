//! A fleet under a real Slurm on this machine: `docs/fleet/slurm.sbatch`, as somebody with a cluster would submit it.
//!
//! munge, slurmctld and a slurmd for each of two nodes run as children of this task, with a configuration, sockets, ports and a state
//! of their own below one temporary directory. An array of two tasks comes to the two nodes, one after the other; the first one meets
//! its time limit, is queued again, and goes on: its journal must begin with every byte that it had. Then one job has both nodes at
//! once. What the table says of all of them is reckoned anew in `xtask/fleet.py`, by DuckDB.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::metadata::root;

/// Longer than any step takes, however crowded the machine: an array task has some two minutes.
const PATIENCE: Duration = Duration::from_secs(900);
/// So long a daemon may take to leave when it is asked to.
const LEAVING: Duration = Duration::from_secs(20);
/// What must be there.
const PROGRAMS: [&str; 7] =
    ["munged", "slurmctld", "slurmd", "sbatch", "scontrol", "scancel", "srun"];
const NODES: [&str; 2] = ["n1", "n2"];

/// Four cells in windows of 250 ms: 40 rounds are 40 seconds of windows alone, longer than the first task is let run.
const STUDY: [&str; 18] = [
    "--send",
    "send,sendmsg",
    "--sizes",
    "512,16KiB",
    "--threads",
    "1",
    "--time",
    "250ms",
    "--warmup",
    "5ms",
    "--tail",
    "2ms",
    "--controls",
    "off",
    "--max-time",
    "1h",
    "--threshold=unsettled=1000",
    "--threshold=window-void=1000",
];

/// `slurm [--program FILE]`.
///
/// # Errors
/// What did not hold, or could not be done.
pub(crate) fn check(words: &[String]) -> Result<String, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let program = match words.as_slice() {
        [] => "target/release/copycost",
        ["--program", program] => program,
        _ => return Err("cargo run -p xtask -- slurm [--program FILE]".to_owned()),
    };
    let program = fs::canonicalize(program)
        .map_err(|error| format!("{program}: {error}; build it: cargo build --release"))?;
    if let Some(missing) = PROGRAMS.iter().find(|name| !is_there(name)) {
        return Err(format!(
            "there is no {missing}; sudo apt-get install --no-install-recommends slurm-wlm munge"
        ));
    }
    let work = std::env::temp_dir().join(format!("copycost-slurm-{}", std::process::id()));
    fs::create_dir(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let checked = with_cluster(&work, &program);
    let kept = checked.as_ref().err().map(|_| logs(&work)).unwrap_or_default();
    let _ = fs::remove_dir_all(&work);
    checked.map_err(|why| format!("{why}{kept}"))
}

fn is_there(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|path| path.join(program).is_file())
}

/// The ends of all logs, for whoever must find out why.
fn logs(work: &Path) -> String {
    let mut files: Vec<PathBuf> =
        fs::read_dir(work).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let is_log =
        |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "log" || kind == "out");
    let end = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(15).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        format!("\n--- {}\n{}", path.display(), lines.join("\n"))
    };
    files.iter().filter(is_log).map(end).collect()
}

fn with_cluster(work: &Path, program: &Path) -> Result<String, String> {
    let cluster = Cluster::start(work)?;
    let checked = fleet(&cluster, program);
    let left = cluster.stop();
    let report = checked?;
    left?;
    Ok(report)
}

/// The daemons, and how they are reached.
struct Cluster {
    work: PathBuf,
    configuration: PathBuf,
    /// In the order in which they were started.
    daemons: Vec<(String, Child)>,
}

impl Drop for Cluster {
    /// Whatever went wrong, nothing of them stays.
    fn drop(&mut self) {
        for (_, daemon) in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

impl Cluster {
    fn start(work: &Path) -> Result<Self, String> {
        let failed = |what: &Path, error| format!("{}: {error}", what.display());
        // munged refuses a socket that others cannot reach, though nobody else shall.
        fs::set_permissions(work, fs::Permissions::from_mode(0o755))
            .map_err(|error| failed(work, error))?;
        let key = work.join("munge.key");
        let drawn = fs::File::open("/dev/urandom").and_then(|mut random| {
            let mut bytes = [0; 128];
            std::io::Read::read_exact(&mut random, &mut bytes)?;
            let mut file =
                fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(&key)?;
            std::io::Write::write_all(&mut file, &bytes)
        });
        drawn.map_err(|error| failed(&key, error))?;
        for folder in ["state", "n1", "n2"] {
            let folder = work.join(folder);
            fs::create_dir(&folder).map_err(|error| failed(&folder, error))?;
        }
        let configuration = work.join("slurm.conf");
        fs::write(&configuration, slurm_conf(work, &hostname()?, free_ports()?))
            .map_err(|error| failed(&configuration, error))?;
        let mut cluster = Self { work: work.to_owned(), configuration, daemons: Vec::new() };
        let socket = work.join("munge.socket");
        let option = |name: &str, file: &str| format!("--{name}={}", work.join(file).display());
        cluster.daemon(
            "munged",
            "munged",
            &[
                "--foreground".to_owned(),
                option("key-file", "munge.key"),
                option("socket", "munge.socket"),
                option("pid-file", "munged.pid"),
                option("log-file", "munged.log"),
                option("seed-file", "munged.seed"),
            ],
        )?;
        cluster.until("munge's socket", || Ok(socket.exists()))?;
        cluster.daemon("slurmctld", "slurmctld", &["-D".to_owned()])?;
        for node in NODES {
            cluster.daemon(node, "slurmd", &["-D".to_owned(), "-N".to_owned(), node.to_owned()])?;
        }
        cluster.until("two idle nodes", || {
            let told = cluster.slurm("sinfo", &["--noheader", "-o", "%D %t"])?;
            Ok(told.trim() == "2 idle")
        })?;
        Ok(cluster)
    }

    /// Starts a daemon whose words go to a log of its own.
    fn daemon(&mut self, name: &str, program: &str, arguments: &[String]) -> Result<(), String> {
        let log = self.work.join(format!("{name}.out"));
        let log = fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let again = log.try_clone().map_err(|error| error.to_string())?;
        let child = Command::new(program)
            .args(arguments)
            .env("SLURM_CONF", &self.configuration)
            .current_dir(&self.work)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(again)
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        self.daemons.push((name.to_owned(), child));
        Ok(())
    }

    /// Runs one of Slurm's commands, and answers what it prints.
    fn slurm(&self, command: &str, arguments: &[&str]) -> Result<String, String> {
        let output = self.output(Command::new(command).args(arguments))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn output(&self, command: &mut Command) -> Result<Output, String> {
        let output = command
            .env("SLURM_CONF", &self.configuration)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{command:?}: {error}"))?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("{command:?} ended with {}: {}", output.status, said.trim()))
    }

    /// Waits until something is so.
    fn until(
        &self,
        what: &str,
        mut so: impl FnMut() -> Result<bool, String>,
    ) -> Result<(), String> {
        let begun = Instant::now();
        // Daemons that are not up yet refuse.
        let mut last = String::new();
        while begun.elapsed() < PATIENCE {
            match so() {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(why) => last = why,
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Err(format!("waited in vain for {what} ({last})"))
    }

    /// Asks the daemons to leave, those first that others need least, and waits.
    ///
    /// # Errors
    /// One that does not, or something of a job that is still there.
    fn stop(mut self) -> Result<(), String> {
        let mut stayed = Vec::new();
        for (name, daemon) in self.daemons.iter_mut().rev() {
            let id = i32::try_from(daemon.id()).ok().and_then(rustix::process::Pid::from_raw);
            if let Some(id) = id {
                // One that is gone needs no asking.
                let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
            }
            let begun = Instant::now();
            while daemon.try_wait().map_err(|error| error.to_string())?.is_none() {
                if begun.elapsed() > LEAVING {
                    stayed.push(name.clone());
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        // What a job started was given this directory's configuration.
        let ours = self.configuration.display().to_string();
        let environments = fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in environments {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            let id = process.file_name().to_string_lossy().into_owned();
            let is_ours = String::from_utf8_lossy(&environment).contains(&ours);
            if is_ours && !stayed.contains(&id) {
                let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                stayed.push(format!("{} ({id})", command.trim()));
            }
        }
        if stayed.is_empty() {
            Ok(())
        } else {
            Err(format!("still there after the cluster was stopped: {}", stayed.join(", ")))
        }
    }
}

fn hostname() -> Result<String, String> {
    const HOSTNAME: &str = "/proc/sys/kernel/hostname";
    let name = fs::read_to_string(HOSTNAME).map_err(|error| format!("{HOSTNAME}: {error}"))?;
    // Slurm knows a machine by its name up to the first dot.
    Ok(name.trim().split('.').next().unwrap_or_default().to_owned())
}

/// Ports of loopback that nobody has now.
fn free_ports() -> Result<[u16; 3], String> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = [bind(), bind(), bind()];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(listeners) {
        let listener = listener.and_then(|listener| listener.local_addr());
        *port = listener.map_err(|error| format!("a port of loopback: {error}"))?.port();
    }
    Ok(ports)
}

/// Two nodes on one machine. A requeued job waits as long as a credential lives (`cred_expire`): two minutes where nobody says.
fn slurm_conf(work: &Path, host: &str, [controller, first, second]: [u16; 3]) -> String {
    let work = work.display();
    format!(
        "ClusterName=copycost
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={work}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={work}/state
SlurmdSpoolDir={work}/%n
SlurmctldPidFile={work}/slurmctld.pid
SlurmdPidFile={work}/%n.pid
SlurmctldLogFile={work}/slurmctld.log
SlurmdLogFile={work}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/linear
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=5
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs=1 State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"
    )
}

/// One value of `scontrol show job`.
fn value<'a>(job: &'a str, key: &str) -> &'a str {
    let mut words = job.split_whitespace().filter_map(|word| word.split_once('='));
    words.find(|(name, _)| *name == key).map_or("", |(_, value)| value)
}

/// Whole lines of a journal, as bytes.
fn lines(journal: &Path) -> Result<Vec<u8>, String> {
    let bytes = fs::read(journal).map_err(|error| format!("{}: {error}", journal.display()))?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    Ok(bytes.get(..whole).unwrap_or_default().to_vec())
}

fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

fn fleet(cluster: &Cluster, program: &Path) -> Result<String, String> {
    let submit = |options: &[&str], rounds: &str| -> Result<String, String> {
        let script = root().join("docs/fleet/slurm.sbatch");
        let output = cluster.output(
            Command::new("sbatch")
                .arg("--parsable")
                .args(options)
                .arg(script)
                .args(STUDY)
                .args(["--rounds", rounds])
                .env("COPYCOST", program)
                .current_dir(&cluster.work),
        )?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let show = |job: &str| cluster.slurm("scontrol", &["show", "job", "-o", job]);
    let ended_well = |job: &str| -> Result<(), String> {
        cluster.until(&format!("the end of job {job}"), || {
            let shown = show(job)?;
            Ok(matches!(
                value(&shown, "JobState"),
                "COMPLETED" | "FAILED" | "TIMEOUT" | "CANCELLED"
            ))
        })?;
        let shown = show(job)?;
        match value(&shown, "JobState") {
            "COMPLETED" => Ok(()),
            state => Err(format!("job {job} ended as {state}, {}", value(&shown, "ExitCode"))),
        }
    };

    // Each task to a node of its own; the first one is asked to stop 20 seconds before its minute is over, or up to half a minute earlier.
    let options = ["--hold", "--array=1-2%1", "--nodes=1", "--time=1", "--signal=TERM@20"];
    let array = submit(&options, "40")?;
    let [first, second] = [1, 2].map(|task| format!("{array}_{task}"));
    let update = |job: &str, what: &[&str]| {
        let job = format!("JobId={job}");
        cluster.slurm("scontrol", &[&["update", &job], what].concat())
    };
    update(&first, &["ReqNodeList=n1"])?;
    update(&second, &["ReqNodeList=n2", "TimeLimit=30"])?;
    cluster.slurm("scontrol", &["release", &array])?;

    let run =
        |job: &str, node: &str| cluster.work.join(format!("copycost-runs/slurm-{job}-{node}"));
    let journal = run(&first, "n1").join("journal.jsonl");
    cluster.until("the first task to be queued again after its time limit", || {
        let shown = show(&first)?;
        Ok(value(&shown, "Restarts") != "0" && value(&shown, "JobState") == "PENDING")
    })?;
    let before = lines(&journal)?;
    update(&first, &["TimeLimit=30"])?;
    for job in [&first, &second] {
        ended_well(job)?;
    }
    let after = lines(&journal)?;
    if !after.starts_with(&before) {
        return Err(format!(
            "{} does not begin with what it held before the job was queued again",
            journal.display()
        ));
    }
    if before.is_empty() || after.len() == before.len() {
        return Err(format!(
            "the time limit interrupted nothing: {} records before it and {} after",
            count(&before),
            count(&after)
        ));
    }

    // Both nodes at once, one task on each.
    let both = submit(&["--nodes=2", "--time=30"], "3")?;
    ended_well(&both)?;

    let expected = [
        (run(&first, "n1"), "n1", 40),
        (run(&second, "n2"), "n2", 40),
        (run(&both, "n1"), "n1", 3),
        (run(&both, "n2"), "n2", 3),
    ];
    for (run, node, rounds) in &expected {
        let summary = run.join("summary.json");
        let text = fs::read_to_string(&summary)
            .map_err(|error| format!("{}: {error}", summary.display()))?;
        let summary: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| format!("{}: {error}", summary.display()))?;
        let facts = &summary["run"];
        if facts["label"] != *node || facts["rounds"] != *rounds || facts["finish"] != "rounds" {
            return Err(format!(
                "{} is not the run of {node} with all its {rounds} rounds",
                run.display()
            ));
        }
    }
    let table = table(cluster, program)?;
    let [one, other] = [run(&first, "n1"), run(&second, "n2")];
    cluster.output(Command::new(program).arg("compare").args([&one, &other]))?;
    Ok(format!(
        "an array of two tasks on two nodes; the first had {} records when its time limit came, was queued again and has {}, each of the earlier as it was; {table}",
        count(&before),
        count(&after),
    ))
}

/// The table of all runs, and DuckDB's figures beside it.
fn table(cluster: &Cluster, program: &Path) -> Result<String, String> {
    let written = cluster
        .output(Command::new(program).args(["table", "--strict"]).current_dir(&cluster.work))?;
    let file = cluster.work.join("all.csv");
    fs::write(&file, written.stdout).map_err(|error| format!("{}: {error}", file.display()))?;
    let checked = cluster.output(
        Command::new("python3").arg(root().join("xtask/fleet.py")).current_dir(&cluster.work),
    )?;
    Ok(String::from_utf8_lossy(&checked.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jobs_facts_are_read_by_their_keys() {
        let job =
            "JobId=2 ArrayJobId=1 JobState=PENDING Reason=BeginTime Restarts=1 Command=/x --send=a";
        assert_eq!(value(job, "JobState"), "PENDING");
        assert_eq!(value(job, "Restarts"), "1");
        assert_eq!(value(job, "State"), "");
    }

    #[test]
    fn the_ready_file_asks_for_what_the_task_relies_on() {
        let script = fs::read_to_string(root().join("docs/fleet/slurm.sbatch")).unwrap();
        for line in ["#SBATCH --requeue", "#SBATCH --signal=TERM@60", "--or-resume"] {
            assert!(script.contains(line), "{line}");
        }
    }
}
