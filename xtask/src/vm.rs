//! The copy audit on stock kernels: boots Debian's own kernels in QEMU without KVM, runs copycost there, and compares what
//! the kernel copied with what it must copy. What `probe` says where io_uring is refused is looked at there too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

pub(crate) mod initramfs;
pub(crate) mod judgement;
pub(crate) mod kernel_package;
pub(crate) mod machine;
mod refused;

use machine::{Answers, X86_64};

/// The paths whose copies are known beforehand.
const PATHS: &str = "send,staged,sendmsg,zerocopy,send-more,sendfile,splice,uring-send,uring-sendmsg,uring-write-fixed,uring-send-zc,uring-sendmsg-zc,uring-send-zc-fixed,hybrid";
/// The receive paths whose copies out are known beforehand, and the senders in front of them: what one copies cannot be
/// mapped, what the other passes by reference comes in pages that can.
const RECEIVE_PATHS: &str = "recv,recvmsg,readv,recv-trunc,recv-zerocopy,uring-recv";
const BEFORE_RECEIVERS: &str = "sendmsg,zerocopy";
/// Those of both that are there over unix sockets.
const UNIX_PATHS: &str =
    "send,staged,sendmsg,send-more,sendfile,splice,uring-send,uring-sendmsg,uring-write-fixed";
const UNIX_RECEIVE_PATHS: &str = "recv,recvmsg,readv,uring-recv";
/// The packages behind these names are the ones tested: the distribution's own kernel, and a newer one.
const KERNELS: [&str; 2] = ["linux-image-cloud-amd64", "linux-image-6.12-cloud-amd64"];
/// Where packages, images and results are kept between runs.
pub(crate) const WORK: &str = "target/vm";
/// How long a machine may take, in seconds: without KVM it needs about 20 to boot and some eight minutes to measure, longer beside others.
const LONGEST_SECONDS: &str = "1500";

/// What the command line asks for.
struct Options {
    packages: Vec<String>,
    links: Vec<String>,
    laws: Vec<u64>,
    program: PathBuf,
    /// Test programs that are run in the machine too; each must end well.
    tests: Vec<PathBuf>,
}

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options {
        packages: Vec::new(),
        links: ["loopback", "veth", "sink", judgement::UNIX].map(str::to_owned).to_vec(),
        laws: vec![2, 4, 5],
        program: PathBuf::from("target/release/copycost"),
        tests: Vec::new(),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--links" => options.links = value()?.split(',').map(str::to_owned).collect(),
            "--laws" => {
                let laws = value()?.split(',').filter(|law| !law.is_empty());
                let numbers: Result<_, _> = laws.map(str::parse).collect();
                options.laws = numbers.map_err(|_| "--laws wants numbers, such as 2,4,5")?;
            }
            "--program" => options.program = PathBuf::from(value()?),
            "--test" => options.tests.push(PathBuf::from(value()?)),
            _ if word.starts_with("--") => {
                return Err(format!(
                    "unknown option {word}; there are --links, --laws, --program and --test"
                ));
            }
            package => options.packages.push(package.to_owned()),
        }
    }
    if options.packages.is_empty() {
        options.packages = kernel_package::behind(&KERNELS, X86_64.debian)?;
    }
    Ok(options)
}

/// Runs the audit on each kernel.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let options = parse(words)?;
    X86_64.check_tools()?;
    let audited = |package: &str| audit(package, &options);
    on_each(&options.packages, &audited)
}

/// Does something on each kernel, and tells together what was found.
pub(crate) fn on_each(
    packages: &[String],
    check: &dyn Fn(&str) -> Result<judgement::Found, String>,
) -> Result<String, String> {
    let mut lines = Vec::new();
    let mut differing = Vec::new();
    for package in packages {
        let began = Instant::now();
        match check(package) {
            Ok(found) => {
                lines.push(format!("{package}, {} s", began.elapsed().as_secs()));
                lines.extend(found.lines);
                differing.extend(found.differing.iter().map(|what| format!("{package}: {what}")));
            }
            Err(why) => differing.push(format!("{package}: {why}")),
        }
    }
    let lines = lines.join("\n");
    if differing.is_empty() {
        Ok(format!("{lines}\nevery figure is as it must be on {} kernels", packages.len()))
    } else {
        Err(format!("{lines}\n{} differ:\n  {}", differing.len(), differing.join("\n  ")))
    }
}

/// A run in the machine.
pub(crate) struct Run {
    pub(crate) name: &'static str,
    send: &'static str,
    receive: &'static str,
    links: Vec<String>,
    /// More words of its command line.
    more: &'static str,
}

/// Every send path, then every receive path where one of the links has a receiver; the same over unix sockets, of the paths that
/// are there and without what is TCP's.
pub(crate) fn runs(links: &[String]) -> Vec<Run> {
    let (unix, links): (Vec<String>, Vec<String>) =
        links.iter().cloned().partition(|link| link == judgement::UNIX);
    let sending = Run {
        name: "sending",
        send: PATHS,
        receive: judgement::RECV,
        links: links.clone(),
        // Messages of 64 KiB, of which hybrid copies the first field.
        more: "--shape 8KiB+56KiB",
    };
    let sending_unix = Run {
        name: "sending-unix",
        send: UNIX_PATHS,
        receive: judgement::RECV,
        links: unix.clone(),
        more: "--shape 8KiB+56KiB",
    };
    let receiving_unix = Run {
        name: "receiving-unix",
        send: "sendmsg",
        receive: UNIX_RECEIVE_PATHS,
        links: unix,
        more: "--sizes 64KiB",
    };
    let received: Vec<String> =
        links.iter().filter(|link| judgement::has_receiver(link)).cloned().collect();
    let receiving = Run {
        name: "receiving",
        send: BEFORE_RECEIVERS,
        receive: RECEIVE_PATHS,
        links: received,
        // Whole pages in segments of whole pages: what recv-zerocopy can map.
        more: "--sizes 64KiB --layout paged --segment 4108 --mtu 9000",
    };
    [sending, receiving, sending_unix, receiving_unix]
        .into_iter()
        .filter(|run| !run.links.is_empty())
        .collect()
}

impl Run {
    /// The words after `copycost run`.
    pub(crate) fn words(&self) -> String {
        format!(
            "--audits copy-audit --send {} --recv {} --link {} {} --threads 1 --rounds 1 --controls off \
             --time 250ms --warmup 100ms --quiet --threshold unsettled=100% --threshold window_void=100%",
            self.send,
            self.receive,
            self.links.join(","),
            self.more
        )
    }

    /// What must follow from it. No completion is known to be uncopied but on the sink, and the paper has one receive path, over TCP.
    fn asked(&self, laws: &[u64]) -> judgement::Asked<'_> {
        let is_tcp = self.links.iter().any(|link| link != judgement::UNIX);
        let has_sink = self.links.iter().any(|link| !judgement::has_receiver(link));
        let laws = laws
            .iter()
            .copied()
            .filter(|law| *law != 4 || is_tcp && (has_sink || self.receive == judgement::RECV));
        judgement::Asked {
            send: self.send.split(',').collect(),
            receive: self.receive.split(',').collect(),
            links: self.links.clone(),
            laws: laws.collect(),
            twice: 0.0,
            decides_claims: is_tcp && self.receive == judgement::RECV,
        }
    }
}

/// One kernel: its machine is booted, and what it sends back is judged.
fn audit(package: &str, options: &Options) -> Result<judgement::Found, String> {
    let dir = Path::new(WORK).join(package);
    let kernel = kernel_package::fetch(package, X86_64.debian, &dir)?;
    let runs = runs(&options.links);
    let image = initramfs::Contents {
        results: X86_64.results,
        busybox: Path::new("/bin/busybox"),
        program: &options.program,
        tests: &options.tests,
        modules: kernel.modules(&["veth", "cls_bpf", "sch_ingress"])?,
        runs: &runs.iter().map(|run| (run.name, run.words())).collect::<Vec<_>>(),
        more: refused::SCRIPT,
    }
    .pack(&dir)?;
    let answers = X86_64.boot(&kernel, &image, &dir, LONGEST_SECONDS)?;
    let mut found = judged(&runs, &options.laws, 0.0, &options.program, &answers)?;
    // Before Linux 6.6 there is no such sysctl.
    if answers.all.join("refused.json").exists() {
        let of_probe =
            refused::judge(&answers.read("refused.json")?, &answers.read("allowed.json")?)?;
        found.extend(of_probe);
    }
    found.differing.extend(failed_tests(&answers)?);
    Ok(found)
}

/// What the audits of some runs must have found; `deriver` is a copycost of this machine.
pub(crate) fn judged(
    runs: &[Run],
    laws: &[u64],
    twice: f64,
    deriver: &Path,
    answers: &Answers,
) -> Result<judgement::Found, String> {
    let mut found = judgement::Found::default();
    for run in runs {
        let name = run.name;
        // Derives the summary from the journal; a run without one valid trial has none, but its audits count.
        let derived = Command::new(deriver).arg("report").arg(answers.all.join(name)).output();
        let derived = derived.map_err(|why| format!("{}: {why}", deriver.display()))?;
        let journal = answers.read(&format!("{name}/journal.jsonl"))?;
        let asked = judgement::Asked { twice, ..run.asked(laws) };
        let summary = answers.read(&format!("{name}/summary.json")).ok();
        found.extend(judgement::judge(&journal, summary.as_deref(), &asked)?);
        if !derived.status.success() {
            let why = String::from_utf8_lossy(&derived.stderr).trim().to_owned();
            found.lines.push(format!("  copycost report: {why}"));
        }
    }
    Ok(found)
}

/// The test programs that did not end well.
pub(crate) fn failed_tests(answers: &Answers) -> Result<Vec<String>, String> {
    let tests = answers.read("tests")?;
    let failed = tests.lines().filter(|line| !line.ends_with(" 0"));
    failed
        .map(|line| {
            let number = line.split(' ').next().unwrap_or_default();
            let said = answers.read(&format!("test{number}.log"))?;
            Ok(format!("test {line}\n    {}", said.trim_end().replace('\n', "\n    ")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_sockets_are_measured_by_themselves_without_what_is_of_tcp() {
        let options = parse(&["a-kernel".to_owned()]).unwrap();
        let runs = runs(&options.links);
        let of = |name: &str| runs.iter().find(|run| run.name == name).unwrap();
        for (name, on_unix) in [
            ("sending", false),
            ("receiving", false),
            ("sending-unix", true),
            ("receiving-unix", true),
        ] {
            let run = of(name);
            assert_eq!(run.links == [judgement::UNIX], on_unix, "{name}");
            assert_eq!(run.links.iter().any(|link| link == judgement::UNIX), on_unix, "{name}");
            let asked = run.asked(&options.laws);
            assert!(asked.laws.contains(&5) && asked.laws.contains(&2), "{name}");
            if on_unix {
                assert!(!asked.laws.contains(&4) && !asked.decides_claims, "{name}");
                let words = run.words();
                for tcps in ["zerocopy", "-zc", "hybrid", "recv-trunc", "--segment", "--mtu"] {
                    assert!(!words.contains(tcps), "{tcps}: {words}");
                }
            }
        }
        let only = |links: &[&str]| {
            let links: Vec<String> = links.iter().map(|link| (*link).to_owned()).collect();
            super::runs(&links).iter().map(|run| run.name).collect::<Vec<_>>()
        };
        assert_eq!(only(&["unix"]), ["sending-unix", "receiving-unix"]);
        assert_eq!(only(&["sink"]), ["sending"]);
    }
}
