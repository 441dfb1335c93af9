//! copycost beside other tools: the same machine, size, CPUs and congestion control, in turn.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Ports of the other tools' servers; loopback only.
const IPERF3_PORT: &str = "52010";
const NUTTCP_PORT: &str = "52011";
const NUTTCP_DATA_PORT: &str = "52012";
const SOCKPERF_PORT: &str = "52013";
const NETCAT_PORT: &str = "52014";
const HOST: &str = "127.0.0.1";

/// One comparison: another tool with its settings, and the path and settings of copycost that do the same.
struct Comparison {
    name: &'static str,
    /// Debian's package.
    package: &'static str,
    /// What the other one does.
    does: &'static str,
    serves: fn() -> Command,
    /// Goodput in Gbit/s of a run of a second.
    measures: fn() -> Result<f64, String>,
    /// Words of `copycost run`.
    ours: &'static str,
    /// Whether it takes the system's congestion control, so that ours has to as well.
    takes_systems_congestion: bool,
}

/// One hot buffer sent again and again, and reads of its size: what the other tools do.
const COMPARISONS: [Comparison; 6] = [
    Comparison {
        name: "iperf3",
        package: "iperf3",
        does: "write() of 64 KiB",
        serves: iperf3_server,
        measures: || iperf3(&["-l", "64K"]),
        ours: "--send send --fields 1 --sizes 64KiB --receive-buffer 64KiB",
        takes_systems_congestion: false,
    },
    Comparison {
        name: "iperf3-small",
        package: "iperf3",
        does: "write() of 4 KiB",
        serves: iperf3_server,
        measures: || iperf3(&["-l", "4K"]),
        ours: "--send send --fields 1 --sizes 4KiB --receive-buffer 4KiB",
        takes_systems_congestion: false,
    },
    Comparison {
        name: "iperf3-sendfile",
        package: "iperf3",
        does: "-Z: sendfile() of 64 KiB from a file",
        serves: iperf3_server,
        measures: || iperf3(&["-l", "64K", "-Z"]),
        ours: "--send sendfile --fields 1 --sizes 64KiB --receive-buffer 64KiB",
        takes_systems_congestion: false,
    },
    Comparison {
        name: "nuttcp",
        package: "nuttcp",
        does: "write() of 64 KiB",
        serves: || pinned(1, &["nuttcp", "-S", "--nofork", "-P", NUTTCP_PORT]),
        measures: nuttcp,
        ours: "--send send --fields 1 --sizes 64KiB --receive-buffer 64KiB",
        takes_systems_congestion: true,
    },
    Comparison {
        name: "sockperf",
        package: "sockperf",
        does: "throughput --tcp: sendto() of 64 B",
        serves: || pinned(1, &["sockperf", "server", "--tcp", "-i", HOST, "-p", SOCKPERF_PORT]),
        measures: sockperf,
        ours: "--send send --fields 1 --sizes 64 --receive-buffer 64KiB",
        takes_systems_congestion: true,
    },
    Comparison {
        name: "netcat",
        package: "netcat-openbsd",
        does: "nc </dev/zero: write() of 16 KiB",
        serves: || pinned(1, &["nc", "-l", "-k", "-d", HOST, NETCAT_PORT]),
        measures: netcat,
        ours: "--send send --fields 1 --sizes 16KiB --receive-buffer 16KiB",
        takes_systems_congestion: true,
    },
];

/// Senders are pinned to CPU 0, receivers to CPU 1.
fn pinned(cpu: u32, words: &[&str]) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &cpu.to_string()]).args(words);
    command
}

fn output(command: &mut Command, what: &str) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("{what}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{what} ended with {}: {why} {}", output.status, text.trim()))
}

fn json(command: &mut Command, what: &str) -> Result<Value, String> {
    let text = output(command, what)?;
    serde_json::from_str(&text).map_err(|error| format!("{what}: {error}"))
}

/// Another tool's process that does not end by itself, ended by its drop.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn iperf3_server() -> Command {
    let mut command = Command::new("iperf3");
    command.args(["-s", "-B", HOST, "-p", IPERF3_PORT]);
    command
}

fn iperf3(words: &[&str]) -> Result<f64, String> {
    let mut command = Command::new("iperf3");
    command.args(["-c", HOST, "-p", IPERF3_PORT, "-A", "0,1", "-C", CONGESTION]);
    let report = json(command.args(["-t", "1", "-O", "0.3", "-J"]).args(words), "iperf3")?;
    report["end"]["sum_received"]["bits_per_second"]
        .as_f64()
        .map(|rate| rate / 1e9)
        .ok_or_else(|| format!("iperf3 gave no rate: {}", report["error"]))
}

fn nuttcp() -> Result<f64, String> {
    let words =
        ["nuttcp", "-l65536", "-T1", "-P", NUTTCP_PORT, "-p", NUTTCP_DATA_PORT, "-fparse", HOST];
    let told = output(&mut pinned(0, &words), "nuttcp")?;
    let rate = told.split_whitespace().find_map(|word| word.strip_prefix("rate_Mbps="));
    let rate = rate.and_then(|rate| rate.parse::<f64>().ok());
    rate.map(|rate| rate / 1e3).ok_or_else(|| format!("nuttcp gave no rate: {told}"))
}

/// Messages of 64 B a second.
fn sockperf() -> Result<f64, String> {
    let words =
        ["sockperf", "throughput", "--tcp", "-i", HOST, "-p", SOCKPERF_PORT, "-m", "64", "-t", "1"];
    let told = output(&mut pinned(0, &words), "sockperf")?;
    let rate =
        told.split("Message Rate is ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let rate = rate.and_then(|rate| rate.parse::<f64>().ok());
    rate.map(|rate| rate * 64.0 * 8.0 / 1e9).ok_or_else(|| format!("sockperf gave no rate: {told}"))
}

/// What it has written in a second, which it does not tell itself: all that a process gives to `write()` is counted (proc(5), `wchar`).
fn netcat() -> Result<f64, String> {
    let failed = |error: std::io::Error| format!("nc: {error}");
    let zeroes = File::open("/dev/zero").map_err(failed)?;
    let mut command = pinned(0, &["nc", HOST, NETCAT_PORT]);
    let client = command.stdin(zeroes).stdout(Stdio::null()).stderr(Stdio::null());
    let client = Running(client.spawn().map_err(failed)?);
    let written = || -> Result<(Instant, u64), String> {
        let path = format!("/proc/{}/io", client.0.id());
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let bytes = text.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok());
        Ok((Instant::now(), bytes.ok_or("nc: the kernel does not count what it writes")?))
    };
    sleep(Duration::from_millis(300));
    let (begun, before) = written()?;
    sleep(Duration::from_secs(1));
    let (ended, after) = written()?;
    if after == before {
        return Err("nc wrote nothing".to_owned());
    }
    Ok((after - before) as f64 * 8.0 / ended.duration_since(begun).as_nanos() as f64)
}

/// The congestion control where both sides can be told one.
const CONGESTION: &str = "cubic";

fn copycost(compared: &Comparison, out: &Path) -> Result<f64, String> {
    let system = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control");
    let system = system.unwrap_or_default();
    let congestion = if compared.takes_systems_congestion { system.trim() } else { CONGESTION };
    let always = "run --json --threads 1 --ring 1 --placement 0/1 --time 1s --warmup 300ms --rounds 1 --controls off --quiet";
    let summary = json(
        Command::new("target/release/copycost")
            .args(always.split(' '))
            .args(compared.ours.split(' '))
            .args(["--congestion", congestion])
            .arg("--out")
            .arg(out),
        "copycost",
    )?;
    summary["estimates"][0]["metrics"]["goodput_gbps"]["mean"]
        .as_f64()
        .ok_or_else(|| "copycost gave no goodput".to_owned())
}

/// Runs each comparison: both in turn, so many times.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let (pairs, asked) = parse(words)?;
    let directory =
        std::env::temp_dir().join(format!("copycost-side-by-side-{}", std::process::id()));
    let mut lines = vec![format!(
        "goodput in Gbit/s, medians of {pairs} pairs of a second each, and copycost over the other (95 % interval of the median)"
    )];
    for compared in &asked {
        lines.push(compare(compared, pairs, &directory)?);
    }
    // The runs' records are not wanted; a folder that stays behind in the temporary directory does no harm.
    let _ = std::fs::remove_dir_all(&directory);
    Ok(lines.join("\n"))
}

fn parse(words: &[String]) -> Result<(usize, Vec<&'static Comparison>), String> {
    let (pairs, names) = match words.split_first() {
        None => (10, words),
        Some((first, names)) => (first.parse().map_err(|_| usage(first))?, names),
    };
    let known =
        |name: &String| COMPARISONS.iter().find(|one| one.name == name).ok_or_else(|| usage(name));
    let asked: Vec<&Comparison> = names.iter().map(known).collect::<Result<_, _>>()?;
    let asked = if asked.is_empty() { COMPARISONS.iter().collect() } else { asked };
    if pairs == 0 { Err(usage("0")) } else { Ok((pairs, asked)) }
}

fn usage(word: &str) -> String {
    let names: Vec<&str> = COMPARISONS.iter().map(|one| one.name).collect();
    format!("{word}: usage is side-by-side [PAIRS [COMPARISON...]], of {}", names.join(", "))
}

fn compare(compared: &Comparison, pairs: usize, directory: &Path) -> Result<String, String> {
    let Comparison { name, package, .. } = compared;
    let server = (compared.serves)()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Running)
        .map_err(|error| {
            format!("{name}: {error}; install Debian's packages {package} and util-linux")
        })?;
    sleep(Duration::from_millis(300));
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..pairs {
        let own = || copycost(compared, &directory.join(format!("{name}-{pair}")));
        // Every other time the other way round, so that drift cancels.
        let (own, other) = if pair % 2 == 0 {
            let own = own()?;
            (own, (compared.measures)()?)
        } else {
            let other = (compared.measures)()?;
            (own()?, other)
        };
        ours.push(own);
        theirs.push(other);
        ratios.push(own / other);
    }
    drop(server);
    let (low, high) = interval(&mut ratios);
    Ok(format!(
        "{name:<16} {:<38} {:>6.2}  copycost {:>6.2}  {:.3} [{low:.3}, {high:.3}]",
        compared.does,
        median(&mut theirs),
        median(&mut ours),
        median(&mut ratios),
    ))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(values.len().saturating_sub(1) / 2), at(values.len() / 2))
}

/// The 95 % interval of a median by the order of the values (normal approximation of the binomial); the whole range of few.
fn interval(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    // Of 6 values the lowest and the highest already hold it 97 times of 100.
    let reach = (0..n).find(|reach| *reach as f64 >= 0.98 * (n as f64).sqrt()).unwrap_or(n);
    let low = (n / 2).saturating_sub(reach);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    (at(low), at(n.saturating_sub(1 + low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_its_interval_are_of_the_ordered_values() {
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&mut [4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        let mut few = [3.0, 1.0, 2.0];
        assert_eq!(interval(&mut few), (1.0, 3.0));
        // Of 40 values the 14th and the 27th hold the median in 96 of 100 samples; one more each way is on the safe side.
        let mut many: Vec<f64> = (1..=40).map(f64::from).collect();
        many.reverse();
        assert_eq!(interval(&mut many), (14.0, 27.0));
    }

    #[test]
    fn comparisons_are_asked_for_by_name() {
        let parsed = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            parse(&words).map(|(pairs, asked)| (pairs, asked.len()))
        };
        assert_eq!(parsed(""), Ok((10, COMPARISONS.len())));
        assert_eq!(parsed("3 nuttcp iperf3"), Ok((3, 2)));
        assert!(parsed("nuttcp").is_err_and(|why| why.starts_with("nuttcp: usage")));
        assert!(parsed("3 netperf").is_err_and(|why| why.contains("sockperf")));
        assert!(parsed("0").is_err());
    }
}
