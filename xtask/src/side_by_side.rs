//! copycost beside iperf3: the same machine, size, CPUs and congestion control, in turn.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// The port of the iperf3 server; loopback only.
const PORT: &str = "52010";

fn run_json(command: &mut Command, what: &str) -> Result<Value, String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("{what}: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| {
        format!("{what}: {error}: {}", String::from_utf8_lossy(&output.stderr).trim())
    })
}

/// iperf3's server, ended by its drop.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn iperf3() -> Result<f64, String> {
    let arguments = ["-c", "127.0.0.1", "-p", PORT, "-l", "64K", "-A", "0,1", "-C", "cubic"];
    let report = run_json(
        Command::new("iperf3").args(arguments).args(["-t", "2", "-O", "0.5", "-J"]),
        "iperf3",
    )?;
    report["end"]["sum_received"]["bits_per_second"]
        .as_f64()
        .map(|rate| rate / 1e9)
        .ok_or_else(|| format!("iperf3 gave no rate: {}", report["error"]))
}

/// `sendmsg` with its eight fields; with `alike` the working set is iperf3's, which sends one hot buffer again and again
/// and receives into one of the same size.
fn copycost(out: &std::path::Path, alike: bool) -> Result<f64, String> {
    let arguments = ["run", "--json", "--send", "sendmsg", "--sizes", "64K", "--threads", "1"];
    let more = ["--congestion", "cubic", "--placement", "0/1", "--time", "2s", "--warmup", "500ms"];
    let once = ["--rounds", "1", "--controls", "off", "--quiet"];
    let working_set: &[&str] =
        if alike { &["--ring", "1", "--receive-buffer", "64K"] } else { &[] };
    let summary = run_json(
        Command::new("target/release/copycost")
            .args(arguments)
            .args(more)
            .args(once)
            .args(working_set)
            .arg("--out")
            .arg(out),
        "copycost",
    )?;
    summary["estimates"][0]["metrics"]["goodput_gbps"]["mean"]
        .as_f64()
        .ok_or_else(|| "copycost gave no goodput".to_owned())
}

/// Runs both in turn and compares.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let pairs: u32 =
        words.first().map_or("10", String::as_str).parse().map_err(|_| "PAIRS is a number")?;
    let directory =
        std::env::temp_dir().join(format!("copycost-side-by-side-{}", std::process::id()));
    let server = Command::new("iperf3")
        .args(["-s", "-B", "127.0.0.1", "-p", PORT])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Server)
        .map_err(|error| format!("iperf3: {error}; install Debian's package iperf3"))?;
    std::thread::sleep(Duration::from_millis(300));
    let (mut alike, mut default) = (Vec::new(), Vec::new());
    let mut lines = Vec::new();
    for pair in 0..pairs {
        let out = |name: &str| directory.join(format!("{pair}-{name}"));
        // Every other time the other way round, so that drift cancels.
        let (same, own, theirs) = if pair % 2 == 0 {
            let same = copycost(&out("alike"), true)?;
            let theirs = iperf3()?;
            (same, copycost(&out("default"), false)?, theirs)
        } else {
            let own = copycost(&out("default"), false)?;
            let theirs = iperf3()?;
            (copycost(&out("alike"), true)?, own, theirs)
        };
        lines.push(format!(
            "copycost {same:6.2} (ring of one slot, 64 KiB reads)  {own:6.2} (defaults)  iperf3 {theirs:6.2} Gbit/s"
        ));
        alike.push(same / theirs);
        default.push(own / theirs);
    }
    drop(server);
    // The runs' records are not wanted; a folder that stays behind in the temporary directory does no harm.
    let _ = std::fs::remove_dir_all(&directory);
    lines.push(format!(
        "median of {pairs} paired ratios: {:.3} at the same working set, {:.3} with the ring and reads of the defaults",
        median(&mut alike),
        median(&mut default)
    ));
    Ok(lines.join("\n"))
}

fn median(ratios: &mut [f64]) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}
