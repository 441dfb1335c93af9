//! A machine of QEMU: what makes it, what it boots, and what comes back out of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::kernel_package::KernelPackage;

/// The machines of one architecture.
#[derive(Debug)]
pub(crate) struct Architecture {
    /// As Debian calls it.
    pub(crate) debian: &'static str,
    qemu: &'static str,
    /// Debian's package that QEMU is in.
    pub(crate) qemu_package: &'static str,
    /// The machine and its processor.
    made_of: &'static [&'static str],
    /// The terminal that the kernel and everything in the machine writes to.
    console: &'static str,
    /// The serial line that results leave by, and what puts it into the machine.
    pub(crate) results: &'static str,
    results_device: &'static [&'static str],
}

/// One thread for both CPUs: with two, QEMU 7.2 may run a stale breakpoint instruction for ever where the kernel patches its own
/// code (seen where the sink turns BPF statistics on and off), and the machine stands still.
const ACCELERATOR: &str = "tcg,thread=single";

/// An ordinary PC.
pub(crate) const X86_64: Architecture = Architecture {
    debian: "amd64",
    qemu: "qemu-system-x86_64",
    qemu_package: "qemu-system-x86",
    made_of: &["-cpu", "max"],
    console: "ttyS0",
    results: "ttyS1",
    results_device: &["-serial", "chardev:results"],
};

/// QEMU's own machine with a PMUv3, whose cycle counter goes by the nanosecond of the machine's time (`cycles_get_count`,
/// target/arm/helper.c: 1 GHz).
pub(crate) const AARCH64: Architecture = Architecture {
    debian: "arm64",
    qemu: "qemu-system-aarch64",
    qemu_package: "qemu-system-arm",
    made_of: &["-M", "virt", "-cpu", "max,pmu=on"],
    console: "ttyAMA0",
    results: "ttyS0",
    results_device: &["-device", "pci-serial,chardev=results"],
};

impl Architecture {
    /// Which of the programs that a machine needs is missing, with its remedy.
    pub(crate) fn check_tools(&self) -> Result<(), String> {
        for (tool, package) in [
            (self.qemu, self.qemu_package),
            ("busybox", "busybox-static"),
            ("cpio", "cpio"),
            ("dpkg", "dpkg"),
        ] {
            check_tool(tool, package)?;
        }
        Ok(())
    }

    /// Boots a kernel with an image, waits for it to power off, and unpacks below `dir/run` what it sent back.
    ///
    /// # Errors
    /// What is missing, or how the machine ended, with the last lines of its console.
    pub(crate) fn boot(
        &self,
        kernel: &KernelPackage,
        image: &Path,
        dir: &Path,
        longest_seconds: &str,
    ) -> Result<Answers, String> {
        let result = dir.join("result");
        let _ = fs::remove_file(&result);
        let console = dir.join("console.log");
        let log =
            fs::File::create(&console).map_err(|why| format!("{}: {why}", console.display()))?;
        let ended = Command::new("timeout")
            .args([longest_seconds, self.qemu])
            .args(self.made_of)
            .args(["-accel", ACCELERATOR])
            .args(["-smp", "2", "-m", "1G", "-no-reboot", "-display", "none", "-nic", "none"])
            .arg("-kernel")
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(image)
            .args(["-append", &format!("console={} quiet panic=-1", self.console)])
            .args(["-serial", "stdio", "-chardev"])
            .arg(format!("file,id=results,path={}", result.display()))
            .args(self.results_device)
            .stdin(Stdio::null())
            .stdout(log)
            .status()
            .map_err(|why| format!("{}: {why}", self.qemu))?;
        let answers = self.answered(dir);
        if !ended.success() {
            let last_words = answers.last_words();
            return Err(format!("the machine ended with {ended}\n    {last_words}"));
        }
        unpack(&result, &answers.all)
            .map_err(|why| format!("{why}\n    {}", answers.last_words()))?;
        Ok(answers)
    }
}

impl Architecture {
    /// What the last machine sent back to a directory.
    pub(crate) fn answered(&self, dir: &Path) -> Answers {
        Answers { all: dir.join("run"), console: dir.join("console.log") }
    }
}

/// Fails with its package where a program is missing.
pub(crate) fn check_tool(tool: &str, package: &str) -> Result<(), String> {
    let there = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
    if there.is_ok_and(|found| found.status.success()) {
        Ok(())
    } else {
        Err(format!("{tool} is missing; apt-get install {package}"))
    }
}

/// What a machine sent back.
#[derive(Debug)]
pub(crate) struct Answers {
    /// The folder with its files.
    pub(crate) all: PathBuf,
    console: PathBuf,
}

impl Answers {
    /// The last lines of the console.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.len().saturating_sub(25);
        lines.get(tail..).unwrap_or_default().join("\n    ")
    }

    /// One of its files.
    pub(crate) fn read(&self, name: &str) -> Result<String, String> {
        let path = self.all.join(name);
        fs::read_to_string(&path)
            .map_err(|why| format!("{}: {why}\n    {}", path.display(), self.last_words()))
    }
}

/// What came over the line for results: base64 of a compressed tar archive.
fn unpack(result: &Path, run: &Path) -> Result<(), String> {
    let _ = fs::remove_dir_all(run);
    fs::create_dir_all(run).map_err(|why| format!("{}: {why}", run.display()))?;
    let script = r#"tr -d '\r' <"$1" | base64 -d | tar -xz -C "$2""#;
    let done = Command::new("sh").args(["-c", script, "unpack"]).args([result, run]).output();
    match done {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "nothing readable came back: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(why) => Err(format!("sh: {why}")),
    }
}
