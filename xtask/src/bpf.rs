//! The BPF objects: built from the C sources beside them, committed, and checked against them.
//!
//! Users build nothing: the object is a part of the repository. Beside each lies a stamp with a checksum of source and flags, one of
//! the object, and the compiler, so that every checkout can tell whether the three belong together, and a machine with
//! that compiler can build again and compare.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::checksum::checksum;
use crate::metadata::root;

/// Where sources, objects and stamps lie: those of the program, and those of tests alone, which no package carries.
const FOLDERS: [&str; 2] = ["crates/kernel/bpf", "crates/engine/tests/bpf"];
/// The compiler's arguments for all of them, one a line.
const FLAGS: &str = "crates/kernel/bpf/FLAGS";
const AGAIN: &str = "build them again with: cargo run -p xtask -- bpf";

/// Whether a check may do without building.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rebuild {
    /// Built again and compared where the stamped compiler is here.
    WherePossible,
    /// Nothing passes that was not built again: what a gate asks for.
    Always,
}

/// Builds every object, or with `--check` compares what is there; with `--rebuild` as well, only what was built again
/// passes.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mode = match words.as_slice() {
        [] => None,
        ["--check"] => Some(Rebuild::WherePossible),
        ["--rebuild"] | ["--check", "--rebuild"] | ["--rebuild", "--check"] => {
            Some(Rebuild::Always)
        }
        other => {
            return Err(format!(
                "bpf: \"{}\" is not known; bpf, bpf --check or bpf --check --rebuild",
                other.join(" ")
            ));
        }
    };
    let flags = read(&root().join(FLAGS))?;
    let mut lines = Vec::new();
    for source in all_sources()? {
        lines.push(match mode {
            None => build(&source, &flags)?,
            Some(rebuild) => check(&source, &flags, clang().as_deref(), rebuild)?,
        });
    }
    Ok(lines.join("\n"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut sources: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.to_string_lossy().ends_with(".bpf.c"))
        .collect();
    sources.sort();
    Ok(sources)
}

/// The sources of all folders.
fn all_sources() -> Result<Vec<PathBuf>, String> {
    let of_each: Result<Vec<_>, _> =
        FOLDERS.iter().map(|folder| sources(&root().join(folder))).collect();
    Ok(of_each?.concat())
}

fn stamp(source: &[u8], flags: &[u8], object: &[u8], clang: &str) -> String {
    format!(
        "source and flags {}\nobject {}\ncompiler {clang}\n",
        checksum(&[source, flags]),
        checksum(&[object])
    )
}

/// The compiler's first line about itself; `None` where there is none.
fn clang() -> Option<String> {
    let version = Command::new("clang").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned())
}

/// Compiles a source. It stands in the source's folder, so that no path of this machine gets into the object.
fn compile(source: &Path, flags: &[u8], object: &Path) -> Result<(), String> {
    let (Some(folder), Some(name)) = (source.parent(), source.file_name()) else {
        return Err(format!("{}: no file", source.display()));
    };
    let here = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    let flags = String::from_utf8_lossy(flags);
    let headers = format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    let output = Command::new("clang")
        .current_dir(&here)
        .args(flags.lines().filter(|line| !line.trim().is_empty()))
        .arg(format!("-ffile-prefix-map={}=.", here.display()))
        .arg(format!("-fdebug-prefix-map={}=.", here.display()))
        .arg(headers)
        .arg("-c")
        .arg(name)
        .arg("-o")
        .arg(object)
        .output()
        .map_err(|error| format!("clang: {error}; install clang and libbpf-dev"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{}:\n{}", source.display(), String::from_utf8_lossy(&output.stderr)))
    }
}

fn build(source: &Path, flags: &[u8]) -> Result<String, String> {
    let object = source.with_extension("o");
    compile(source, flags, &object)?;
    // What debuggers read is left out; the type information that the kernel reads stays.
    let stripped = Command::new("llvm-strip").arg("-g").arg(&object).status();
    if !stripped.is_ok_and(|status| status.success()) {
        return Err("llvm-strip failed; install llvm".to_owned());
    }
    let bytes = read(&object)?;
    let clang = clang().ok_or("clang does not tell its version")?;
    let text = stamp(&read(source)?, flags, &bytes, &clang);
    let path = source.with_extension("stamp");
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(format!("{}: {} bytes, {clang}", object.display(), bytes.len()))
}

/// Checks that source, flags, object and stamp belong together, and builds the object again with the compiler that is here.
fn check(
    source: &Path,
    flags: &[u8],
    clang: Option<&str>,
    rebuild: Rebuild,
) -> Result<String, String> {
    let (object, stamped) = (source.with_extension("o"), source.with_extension("stamp"));
    let bytes = read(&object)?;
    let text = String::from_utf8_lossy(&read(&stamped)?).into_owned();
    let compiler = text.lines().find_map(|line| line.strip_prefix("compiler ")).unwrap_or_default();
    if text != stamp(&read(source)?, flags, &bytes, compiler) {
        return Err(format!(
            "{}: source, flags and object do not belong together; {AGAIN}",
            stamped.display()
        ));
    }
    let not_built = match clang {
        None => Some("no clang here".to_owned()),
        Some(here) if here != compiler => Some(format!("{here} is not {compiler}")),
        Some(_) => None,
    };
    match (not_built, rebuild) {
        (Some(why), Rebuild::WherePossible) => {
            Ok(format!("{}: as stamped; not built again, {why}", object.display()))
        }
        (Some(why), Rebuild::Always) => Err(format!(
            "{}: not built again, {why}; install clang and libbpf-dev of the stamped version, or {AGAIN}",
            object.display()
        )),
        (None, _) => {
            let again = std::env::temp_dir().join(format!("copycost-bpf-{}.o", std::process::id()));
            compile(source, flags, &again)?;
            let built = read(&again);
            let _ = fs::remove_file(&again);
            let (built, kept) = (sections(&built?)?, sections(&bytes)?);
            if built != kept {
                let differ = |name: &&String| built.get(*name) != kept.get(*name);
                let names: Vec<&str> =
                    built.keys().chain(kept.keys()).filter(differ).map(String::as_str).collect();
                return Err(format!(
                    "{}: built again it differs in {}; {AGAIN}",
                    object.display(),
                    names.join(", ")
                ));
            }
            Ok(format!("{}: as stamped, and the same when built again", object.display()))
        }
    }
}

/// The sections of an ELF object that the kernel's loader reads, by name (ELF-64, little endian: gabi, chapter 4).
fn sections(object: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let number = |at: usize, len: usize| -> Result<usize, String> {
        let bytes = object.get(at..at + len).ok_or("an ELF object that is cut short")?;
        Ok(bytes.iter().rev().fold(0, |value, byte| (value << 8) | usize::from(*byte)))
    };
    if object.get(..6) != Some(b"\x7fELF\x02\x01".as_slice()) {
        return Err("no little-endian ELF-64 object".to_owned());
    }
    let (table, entry) = (number(0x28, 8)?, number(0x3a, 2)?);
    let (count, names) = (number(0x3c, 2)?, number(0x3e, 2)?);
    let header = |n: usize| table + n * entry;
    let names = number(header(names) + 0x18, 8)?;
    let mut found = BTreeMap::new();
    for n in 0..count {
        let name = names + number(header(n), 4)?;
        let name: Vec<u8> = object
            .get(name..)
            .unwrap_or_default()
            .iter()
            .copied()
            .take_while(|byte| *byte != 0)
            .collect();
        let name = String::from_utf8_lossy(&name).into_owned();
        let is_read =
            !["", ".strtab", ".symtab", ".shstrtab", ".llvm_addrsig"].contains(&name.as_str());
        // Relocations name symbols by their number, which stripping changes.
        if is_read && !name.starts_with(".debug") && !name.starts_with(".rel") {
            let (offset, size) = (number(header(n) + 0x18, 8)?, number(header(n) + 0x20, 8)?);
            // A section without bits in the file (SHT_NOBITS).
            let has_bits = number(header(n) + 4, 4)? != 8;
            let bytes =
                if has_bits { object.get(offset..offset + size) } else { Some([].as_slice()) };
            found.insert(name, bytes.ok_or("an ELF object that is cut short")?.to_vec());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_that_insists_on_building_again_fails_without_the_stamped_compiler() {
        let flags = read(&root().join(FLAGS)).unwrap();
        let sources = all_sources().unwrap();
        assert!(sources.len() >= FOLDERS.len());
        for source in sources {
            for clang in [None, Some("clang version 0.0.0")] {
                let report = check(&source, &flags, clang, Rebuild::WherePossible).unwrap();
                assert!(report.contains("not built again"), "{report}");
                let why = check(&source, &flags, clang, Rebuild::Always).unwrap_err();
                assert!(why.contains("not built again") && why.contains("install clang"), "{why}");
            }
        }
    }

    #[test]
    fn words_that_are_none_of_its_own_are_refused() {
        for words in [&["--chek"][..], &["--check", "--check"], &["--check", "--rebuilt"]] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert!(run(&words).unwrap_err().contains("is not known"));
        }
    }

    #[test]
    fn an_object_has_its_program_and_its_types_and_no_path_of_a_machine() {
        for source in all_sources().unwrap() {
            let object = read(&source.with_extension("o")).unwrap();
            let sections = sections(&object).unwrap();
            assert!(
                sections.contains_key(".BTF") && sections.contains_key("license"),
                "{source:?}"
            );
            let text = String::from_utf8_lossy(&object).into_owned();
            for path in ["/home/", "/tmp/", "/root/", "/work/"] {
                assert!(!text.contains(path), "{source:?}: {path}");
            }
        }
        assert!(sections(b"no object").is_err());
    }
}
