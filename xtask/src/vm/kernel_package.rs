//! Debian's kernel packages: fetched once, unpacked, and their modules put in the order in which they load.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An unpacked package.
pub(crate) struct KernelPackage {
    /// The kernel.
    pub(crate) image: PathBuf,
    modules: PathBuf,
}

fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|why| format!("{name}: {why}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// The kernel package that a meta-package depends on, in the words of `apt-cache depends`.
fn depends_on(text: &str) -> Option<&str> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|package| package.starts_with("linux-image-"))
        // One of another architecture has its name behind it.
        .map(|package| package.split(':').next().unwrap_or(package))
}

/// The packages behind some names, of an architecture as Debian calls it.
pub(crate) fn behind(names: &[&str], architecture: &str) -> Result<Vec<String>, String> {
    names
        .iter()
        .map(|name| {
            let name = format!("{name}:{architecture}");
            let text = output(Command::new("apt-cache").args(["depends", &name]));
            let text = text.unwrap_or_default();
            depends_on(&text).map(str::to_owned).ok_or_else(|| {
                format!(
                    "apt knows no {name}; dpkg --add-architecture {architecture} && apt-get update, or name packages of \
                     `apt-cache search '^linux-image-6'`"
                )
            })
        })
        .collect()
}

/// Fetches and unpacks a kernel's package below a directory, once.
pub(crate) fn fetch(
    package: &str,
    architecture: &str,
    dir: &Path,
) -> Result<KernelPackage, String> {
    let files = unpacked(package, architecture, dir)?;
    let image = entries(&files.join("boot"))?.into_iter().find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz"))
    });
    let lib = ["lib/modules", "usr/lib/modules"].map(|lib| files.join(lib));
    let modules = lib.into_iter().find(|lib| lib.is_dir());
    match (image, modules) {
        (Some(image), Some(modules)) => Ok(KernelPackage { image, modules }),
        _ => Err(format!("{package} has no kernel; is it a signed linux-image package?")),
    }
}

/// Fetches and unpacks a package below a directory, once; tells where its files are.
pub(crate) fn unpacked(package: &str, architecture: &str, dir: &Path) -> Result<PathBuf, String> {
    let files = dir.join("files");
    if !files.is_dir() {
        let fresh = dir.join("fetched");
        let _ = fs::remove_dir_all(&fresh);
        fs::create_dir_all(&fresh).map_err(|why| format!("{}: {why}", fresh.display()))?;
        let name = format!("{package}:{architecture}");
        let _ =
            output(Command::new("apt-get").args(["download", "-qq", &name]).current_dir(&fresh))?;
        let unpacked = dir.join("unpacked");
        let _ = fs::remove_dir_all(&unpacked);
        let found = entries(&fresh)?;
        let archive = found.first().ok_or_else(|| format!("apt-get fetched no {name}"))?;
        let _ = output(Command::new("dpkg").arg("-x").arg(archive).arg(&unpacked))?;
        fs::rename(&unpacked, &files).map_err(|why| format!("{}: {why}", files.display()))?;
    }
    Ok(files)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let read = fs::read_dir(dir).map_err(|why| format!("{}: {why}", dir.display()))?;
    Ok(read.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

/// A module's name in the kernel: its file's up to `.ko`, with underscores.
fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    Some(name.split_once(".ko")?.0.replace('-', "_"))
}

/// The modules that one needs: `depends=a,b` in its section `.modinfo`, entries of which end in a 0.
fn needs(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(start) = module.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let list = module.get(start + KEY.len()..).unwrap_or_default();
    let list = list.split(|byte| *byte == 0).next().unwrap_or_default();
    let list = String::from_utf8_lossy(list);
    list.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

impl KernelPackage {
    /// These modules and those that they need, as name and content, in the order in which they load. One that the package
    /// lacks is taken to be built in.
    pub(crate) fn modules(&self, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>, String> {
        let mut files = Vec::new();
        let mut dirs = vec![self.modules.clone()];
        while let Some(dir) = dirs.pop() {
            for path in entries(&dir)? {
                if path.is_dir() && !path.is_symlink() {
                    dirs.push(path);
                } else if let Some(name) = module_name(&path) {
                    files.push((name, path));
                }
            }
        }
        let mut ordered = Vec::new();
        for name in names {
            add(name, &files, &mut ordered)?;
        }
        Ok(ordered)
    }
}

fn add(
    name: &str,
    files: &[(String, PathBuf)],
    ordered: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), String> {
    let Some((_, path)) = files.iter().find(|(known, _)| known == name) else { return Ok(()) };
    if ordered.iter().any(|(known, _)| known == name) {
        return Ok(());
    }
    let module = match path.extension().and_then(|end| end.to_str()) {
        Some("ko") => fs::read(path).map_err(|why| format!("{}: {why}", path.display()))?,
        Some("xz") => {
            let done = Command::new("busybox").args(["unxz", "-c"]).arg(path).output();
            done.map_err(|why| format!("busybox: {why}"))?.stdout
        }
        _ => return Err(format!("{}: compressed in an unknown way", path.display())),
    };
    for needed in needs(&module) {
        add(&needed, files, ordered)?;
    }
    ordered.push((name.to_owned(), module));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meta_packages_kernel_is_its_dependency() {
        let text = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(depends_on(text), Some("linux-image-6.1.0-56-cloud-amd64"));
        let foreign = "x:arm64\n  Depends: linux-image-6.1.0-56-cloud-arm64:arm64\n";
        assert_eq!(depends_on(foreign), Some("linux-image-6.1.0-56-cloud-arm64"));
        assert_eq!(depends_on("x\n  Recommends: linux-image-1\n"), None);
    }

    #[test]
    fn what_a_module_needs_stands_in_its_own_file() {
        let of = |text: &str| needs(text.as_bytes());
        assert_eq!(of("ELF\0license=GPL\0depends=a-b,c\0name=x\0"), ["a_b", "c"]);
        assert_eq!(of("ELF\0depends=\0name=x\0"), [""; 0]);
        assert_eq!(of("ELF"), [""; 0]);
    }

    #[test]
    fn a_module_is_named_without_its_ending_and_with_underscores() {
        let name = |path: &str| module_name(Path::new(path));
        assert_eq!(name("net/sched/cls_bpf.ko.xz"), Some("cls_bpf".to_owned()));
        assert_eq!(name("crypto/aes-generic.ko"), Some("aes_generic".to_owned()));
        assert_eq!(name("modules.order"), None);
    }
}
