//! A static binary: what it is built with, and whether it is one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::elf::Elf;
use crate::metadata::root;
use crate::vm::machine::check_tool;

/// What is built for.
#[derive(Debug)]
pub(super) struct Target {
    /// As a file's name ends in.
    pub(super) name: &'static str,
    /// As Debian calls it.
    pub(super) debian: &'static str,
    triple: &'static str,
    /// `e_machine` of its ELF files.
    machine: u16,
    /// What links for it, on a machine of another architecture.
    linker: &'static str,
    /// Debian's packages that build for it on a machine of another architecture.
    packages: &'static str,
}

pub(super) const X86_64: Target = Target {
    name: "x86_64",
    debian: "amd64",
    triple: "x86_64-unknown-linux-gnu",
    machine: 62,
    linker: "x86_64-linux-gnu-gcc",
    packages: "rustc-web libstd-rust-web-dev:amd64 gcc-x86-64-linux-gnu libc6-dev-amd64-cross",
};

pub(super) const AARCH64: Target = Target {
    name: "aarch64",
    debian: "arm64",
    triple: "aarch64-unknown-linux-gnu",
    machine: 183,
    linker: "aarch64-linux-gnu-gcc",
    packages: "rustc-web libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
};

/// 20 MB: what a static binary must stay below.
const LARGEST: u64 = 20_000_000;
/// Debian's compiler, whose packages have the standard library of other architectures.
const DEBIANS_COMPILER: &str = "/usr/bin/rustc";
/// The tests that are built beside a binary of another architecture, to be run on it: of `copycost-kernel`.
const TESTS: [&str; 2] = ["counters", "copy_audit"];

/// Whether a compiler has the standard library of a target.
fn can_build(compiler: &str, triple: &str) -> bool {
    let asked =
        Command::new(compiler).args(["--print", "target-libdir", "--target", triple]).output();
    let folder = asked.ok().and_then(|asked| String::from_utf8(asked.stdout).ok());
    folder.is_some_and(|folder| Path::new(folder.trim()).is_dir())
}

impl Target {
    /// Whether this machine runs it.
    pub(super) fn runs_here(&self) -> bool {
        self.name == std::env::consts::ARCH
    }

    /// The compiler that has the target's standard library, this machine's own if it has it.
    fn compiler(&self) -> Option<&'static str> {
        ["rustc", DEBIANS_COMPILER].into_iter().find(|compiler| can_build(compiler, self.triple))
    }

    fn linker(&self) -> &'static str {
        if self.runs_here() { "cc" } else { self.linker }
    }

    /// Which program or library is missing, with its remedy.
    pub(super) fn check_tools(&self) -> Result<(), String> {
        if self.compiler().is_none() {
            return Err(format!(
                "no compiler here has the standard library of {}; dpkg --add-architecture {} && apt-get update && \
                 apt-get install --no-install-recommends {}",
                self.triple, self.debian, self.packages
            ));
        }
        check_tool(self.linker(), if self.runs_here() { "gcc" } else { self.packages })?;
        // Where there is none the bare name comes back.
        let asked = Command::new(self.linker()).arg("-print-file-name=libc.a").output();
        let found = asked.map_err(|why| format!("{}: {why}", self.linker()))?.stdout;
        if Path::new(String::from_utf8_lossy(&found).trim()).is_absolute() {
            return Ok(());
        }
        let package = if self.runs_here() { "libc6-dev" } else { self.packages };
        Err(format!("libc.a of {} is missing; apt-get install {package}", self.triple))
    }

    /// Builds it into a directory, beside it what is to be tested on a machine of its own; tells the file and its size.
    ///
    /// # Errors
    /// What cargo says, a file that needs a loader or is for another machine, or one that is too large.
    pub(super) fn build(&self, out: &Path) -> Result<(PathBuf, u64), String> {
        let built = self.cargo()?;
        let file = out.join(format!("copycost-{}", self.name));
        let size = self.install(&built, "copycost", &file)?;
        if size >= LARGEST {
            return Err(format!("{}: {size} bytes, not below {LARGEST}", file.display()));
        }
        for test in self.tests() {
            let folder = out.join(format!("tests-{}", self.name));
            fs::create_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
            let _ = self.install(&built, test, &folder.join(test))?;
        }
        Ok((file, size))
    }

    /// What is tested on a machine of its own.
    fn tests(&self) -> &'static [&'static str] {
        if self.runs_here() { &[] } else { &TESTS }
    }

    /// What cargo builds with it: of this machine's nothing, as `.ci/run` does, so that nothing is built twice.
    fn beside(&self) -> Vec<&'static str> {
        self.tests().iter().flat_map(|test| ["--test", test]).collect()
    }

    /// Builds for release, static; tells the names and files of what can be run.
    fn cargo(&self) -> Result<Vec<(String, PathBuf)>, String> {
        let mut cargo = Command::new("cargo");
        let _ = cargo
            .args(["build", "--release", "--workspace", "--bin", "copycost", "--quiet"])
            .args(["--message-format", "json-render-diagnostics", "--target", self.triple])
            .args(self.beside())
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .stderr(Stdio::inherit())
            .current_dir(root());
        if let Some(compiler) = self.compiler().filter(|compiler| *compiler != "rustc") {
            let _ = cargo.env("RUSTC", compiler);
        }
        if !self.runs_here() {
            let triple = self.triple.to_uppercase().replace('-', "_");
            let _ = cargo.env(format!("CARGO_TARGET_{triple}_LINKER"), self.linker());
        }
        let messages = super::output(&mut cargo)?;
        Ok(executables(&String::from_utf8_lossy(&messages)))
    }

    /// Copies one of what was built, when it is static and of this architecture; tells its size.
    fn install(&self, built: &[(String, PathBuf)], name: &str, to: &Path) -> Result<u64, String> {
        let built = built.iter().find(|(built, _)| built == name);
        let (_, program) = built.ok_or_else(|| format!("cargo built no {name}"))?;
        let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", program.display());
        let bytes = fs::read(program).map_err(|why| failed(&why))?;
        travels(Elf::read(&bytes), self.machine).map_err(|why| failed(&why))?;
        // Not written over: a copy of it may be running.
        let _ = fs::remove_file(to);
        fs::copy(program, to).map_err(|why| failed(&why))
    }
}

/// Whether a file runs wherever its architecture does.
fn travels(elf: Option<Elf>, machine: u16) -> Result<(), String> {
    match elf {
        None => Err("no 64-bit ELF file".to_owned()),
        Some(elf) if elf.machine != machine => {
            Err(format!("for machine {}, not {machine}", elf.machine))
        }
        Some(elf) if elf.needs_loader => Err("needs a loader: it is not static".to_owned()),
        Some(_) => Ok(()),
    }
}

/// Names and files of what can be run, in the messages of cargo (`compiler-artifact`).
fn executables(messages: &str) -> Vec<(String, PathBuf)> {
    let artifact = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let name = message["target"]["name"].as_str()?.to_owned();
        Some((name, PathBuf::from(message["executable"].as_str()?)))
    };
    messages.lines().filter_map(artifact).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_loader_or_is_for_another_machine_does_not_travel() {
        let is_static = Elf { machine: 62, needs_loader: false };
        assert_eq!(travels(Some(is_static), 62), Ok(()));
        assert!(travels(Some(is_static), 183).unwrap_err().contains("machine 62, not 183"));
        let dynamic = Elf { needs_loader: true, ..is_static };
        assert!(travels(Some(dynamic), 62).unwrap_err().contains("loader"));
        assert!(travels(None, 62).is_err());
    }

    #[test]
    fn cargo_tells_what_it_built() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"model"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"copycost"},"executable":"/t/copycost"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executables(messages), [("copycost".to_owned(), PathBuf::from("/t/copycost"))]);
    }

    #[test]
    fn a_compiler_without_the_standard_library_of_a_target_is_not_taken() {
        let own = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        assert!(can_build("rustc", &own));
        assert!(!can_build("rustc", "nowhere-unknown-none") && !can_build("/nobody", &own));
    }
}
