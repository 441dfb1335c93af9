//! A package for Debian and its kin: the static binary, so that it depends on nothing, its manual pages, completions and documents.
//!
//! Laid out here and packed by `dpkg-deb`, which every Debian has; cargo-deb (3.8.0) would be 76 more packages to build, for a dozen files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::binary::Target;
use super::output;
use super::third_party;
use crate::metadata::{name, packages, root};
use crate::vm::machine::check_tool;

/// Documents that go with it, from the root of the workspace.
const DOCUMENTS: [&str; 20] = [
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "docs/CATEGORIES.md",
    "docs/CLAIMS.md",
    "docs/COMPARED.md",
    "docs/COPIES.md",
    "docs/FILES.md",
    "docs/FLEET.md",
    "docs/METHOD.md",
    "docs/METHOD_DETAILS.md",
    "docs/PATHS.md",
    "docs/fleet/clush.sh",
    "docs/fleet/kubernetes.yaml",
    "docs/fleet/parallel.sh",
    "docs/fleet/slurm.sbatch",
    "docs/example-plan.toml",
    "docs/paper-figures.csv",
    "docs/queries.sql",
];
/// Where Debian's shells look for completions, and as which file.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/copycost"),
    ("zsh", "usr/share/zsh/vendor-completions/_copycost"),
    ("fish", "usr/share/fish/vendor_completions.d/copycost.fish"),
];

/// Packs a binary; `native` is a copycost that runs here, which writes its manual pages and completions.
///
/// # Errors
/// What cannot be read or written, or what `dpkg-deb` says.
pub(super) fn build(
    target: &Target,
    binary: &Path,
    native: &Path,
    out: &Path,
) -> Result<PathBuf, String> {
    check_tool("dpkg-deb", "dpkg")?;
    let (version, description) = facts()?;
    let tree = out.join(format!("deb-{}", target.debian));
    let _ = fs::remove_dir_all(&tree);
    let tree = Tree { root: tree };
    let bytes = fs::read(binary).map_err(|why| format!("{}: {why}", binary.display()))?;
    tree.write("usr/bin/copycost", &bytes, 0o755)?;
    let mut pages = vec![None];
    let overview = output(Command::new(native).arg("man"))?;
    pages.extend(commands(&String::from_utf8_lossy(&overview)).into_iter().map(Some));
    for command in &pages {
        let page = output(Command::new(native).arg("man").args(command))?;
        let name = command.iter().fold("copycost".to_owned(), |name, it| format!("{name}-{it}"));
        tree.compressed(&format!("usr/share/man/man1/{name}.1"), &page)?;
    }
    for (shell, path) in COMPLETIONS {
        let script = output(Command::new(native).args(["completions", shell]))?;
        tree.write(path, &script, 0o644)?;
    }
    let of_project = |path: &str| {
        let path = root().join(path);
        fs::read(&path).map_err(|why| format!("{}: {why}", path.display()))
    };
    const DOC: &str = "usr/share/doc/copycost";
    for document in DOCUMENTS {
        tree.write(&format!("{DOC}/{document}"), &of_project(document)?, 0o644)?;
    }
    tree.write(
        &format!("{DOC}/LICENSE-DejaVu"),
        &of_project("crates/figure-png/font/LICENSE.txt")?,
        0o644,
    )?;
    tree.write(
        &format!("{DOC}/summary.schema.json"),
        &of_project("schema/summary.schema.json")?,
        0o644,
    )?;
    tree.write(&format!("{DOC}/copyright"), third_party::notices()?.as_bytes(), 0o644)?;
    tree.compressed(&format!("{DOC}/changelog"), &of_project("CHANGELOG.md")?)?;
    let kilobytes = tree.bytes()?.div_ceil(1024);
    let control = control(&version, target.debian, kilobytes, &description);
    tree.write("DEBIAN/control", control.as_bytes(), 0o644)?;
    let package = out.join(format!("copycost_{version}_{}.deb", target.debian));
    let pack = ["--root-owner-group", "-Zxz", "--build"];
    let _ = output(Command::new("dpkg-deb").args(pack).arg(&tree.root).arg(&package))?;
    let _ = fs::remove_dir_all(&tree.root);
    Ok(package)
}

/// Version and description of the program.
fn facts() -> Result<(String, String), String> {
    let packages = packages("--no-deps")?;
    let package = packages.iter().find(|package| name(package) == "copycost");
    let package = package.ok_or("the workspace has no package copycost")?;
    let fact = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    Ok((fact("version"), fact("description")))
}

/// The commands of which a manual page tells, each with a page of its own: `copycost\-run(1)`.
fn commands(overview: &str) -> Vec<String> {
    let page =
        |line: &str| line.strip_prefix("copycost\\-")?.strip_suffix("(1)").map(str::to_owned);
    overview.lines().filter_map(page).filter(|command| command != "help").collect()
}

fn control(version: &str, architecture: &str, kilobytes: u64, description: &str) -> String {
    // No Depends: the binary is static.
    format!(
        "Package: copycost\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: The copycost developers\n\
         Section: net\nPriority: optional\nInstalled-Size: {kilobytes}\nDescription: {description}\n"
    )
}

/// The files of a package.
struct Tree {
    root: PathBuf,
}

impl Tree {
    fn write(&self, path: &str, content: &[u8], mode: u32) -> Result<(), String> {
        let path = self.root.join(path);
        let failed = |why: std::io::Error| format!("{}: {why}", path.display());
        let mut folder = PathBuf::new();
        for part in path.parent().into_iter().flatten() {
            folder.push(part);
            if !folder.is_dir() {
                fs::create_dir(&folder).map_err(failed)?;
                // Whatever the umask of who builds.
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(failed)?;
            }
        }
        fs::write(&path, content).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(failed)
    }

    /// Writes a file as Debian's manual pages and changelogs are: compressed, without name and time.
    fn compressed(&self, path: &str, content: &[u8]) -> Result<(), String> {
        self.write(path, content, 0o644)?;
        output(Command::new("gzip").args(["-9", "-n", "-f"]).arg(self.root.join(path))).map(|_| ())
    }

    /// Bytes of all files.
    fn bytes(&self) -> Result<u64, String> {
        let found =
            output(Command::new("find").arg(&self.root).args(["-type", "f", "-printf", "%s\\n"]))?;
        let text = String::from_utf8_lossy(&found).into_owned();
        Ok(text.lines().filter_map(|size| size.parse::<u64>().ok()).sum())
    }
}

/// Whether a package is for the architecture of this machine.
pub(super) fn is_for_this_machine(package: &Path) -> bool {
    let field = |command: &mut Command| {
        output(command).map(|it| String::from_utf8_lossy(&it).trim().to_owned())
    };
    let its = field(Command::new("dpkg-deb").arg("--field").arg(package).arg("Architecture"));
    its.is_ok() && its == field(Command::new("dpkg").arg("--print-architecture"))
}

/// Installs a package, looks whether what it brought works, and removes it again (as root, on a Debian).
///
/// # Errors
/// A package that is there already, what does not work, or what stays behind.
pub(super) fn check(package: &Path) -> Result<Vec<String>, String> {
    let status = ["--show", "--showformat", "${db:Status-Abbrev}", "copycost"];
    let state = || output(Command::new("dpkg-query").args(status)).unwrap_or_default();
    if !state().is_empty() && state() != b"un " {
        return Err("copycost is installed here; remove it first: dpkg --purge copycost".to_owned());
    }
    let listed = output(Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package))
        .and_then(|tar| names_in(&tar))?;
    let stranger = listed.iter().find(|path| Path::new(path).exists());
    if let Some(path) = stranger {
        return Err(format!("{path} is here already, and of no package"));
    }
    // Images of containers leave documents out of what they install.
    let all = ["--path-include=/usr/share/*", "--install"];
    let _ = output(Command::new("dpkg").args(all).arg(package))?;
    let works = works(&listed);
    let _ = output(Command::new("dpkg").args(["--purge", "copycost"]))?;
    works?;
    let left: Vec<&String> = listed.iter().filter(|path| Path::new(path).exists()).collect();
    if !left.is_empty() {
        return Err(format!("left behind by the removed package: {left:?}"));
    }
    Ok(vec![format!("  {}: {} files installed and removed", package.display(), listed.len())])
}

/// The files, not the folders, of a package's archive, as absolute paths.
fn names_in(tar: &[u8]) -> Result<Vec<String>, String> {
    let path = std::env::temp_dir().join(format!("copycost-deb-{}.tar", std::process::id()));
    fs::write(&path, tar).map_err(|why| format!("{}: {why}", path.display()))?;
    let listed = output(Command::new("tar").arg("-tf").arg(&path));
    let _ = fs::remove_file(&path);
    let listed = String::from_utf8_lossy(&listed?).into_owned();
    let files = listed.lines().filter(|name| !name.ends_with('/'));
    Ok(files.map(|name| name.trim_start_matches('.').to_owned()).collect())
}

/// What was installed is there and does what it is for.
fn works(files: &[String]) -> Result<(), String> {
    if let Some(path) = files.iter().find(|path| !Path::new(path).is_file()) {
        return Err(format!("{path} was not installed"));
    }
    let version = output(Command::new("/usr/bin/copycost").arg("--version"))?;
    let (expected, _) = facts()?;
    let version = String::from_utf8_lossy(&version).into_owned();
    if version.trim() != format!("copycost {expected}") {
        return Err(format!("/usr/bin/copycost is {version}"));
    }
    let _ = output(Command::new("/usr/bin/copycost").args(["probe", "--json"]))?;
    let pages: Vec<&String> = files.iter().filter(|path| path.contains("/man1/")).collect();
    for page in &pages {
        let text = output(Command::new("gzip").args(["-dc", page]))?;
        if !String::from_utf8_lossy(&text).contains(".TH copycost") {
            return Err(format!("{page} is no manual page"));
        }
    }
    // The overview and a page for each command.
    if pages.len() < 2 {
        return Err(format!("{} manual pages were installed", pages.len()));
    }
    let bash = format!(". /{} && complete -p copycost", COMPLETIONS[0].1);
    output(Command::new("bash").args(["-c", &bash])).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_those_that_the_manual_page_names() {
        let overview = ".SH SUBCOMMANDS\n.TP\ncopycost\\-run(1)\nMeasure\n.TP\ncopycost\\-man(1)\n.TP\ncopycost\\-help(1)\nx(1)\n";
        assert_eq!(commands(overview), ["run", "man"]);
    }

    #[test]
    fn every_document_of_the_package_is_there() {
        for document in DOCUMENTS {
            assert!(root().join(document).is_file(), "{document}");
        }
    }

    #[test]
    fn the_control_file_has_what_dpkg_asks_for_and_no_dependency() {
        let control = control("1.2.3", "arm64", 7, "Measures");
        for line in
            ["Package: copycost", "Version: 1.2.3", "Architecture: arm64", "Installed-Size: 7"]
        {
            assert!(control.lines().any(|it| it == line), "{control}");
        }
        assert!(!control.contains("Depends") && control.ends_with("Description: Measures\n"));
    }

    #[test]
    fn files_of_a_package_are_told_without_its_folders() {
        let folder = std::env::temp_dir().join(format!("copycost-tree-{}", std::process::id()));
        let tree = Tree { root: folder.clone() };
        tree.write("usr/bin/x", b"1234", 0o755).unwrap();
        tree.compressed("usr/share/y", b"5").unwrap();
        let tar = output(Command::new("tar").arg("-C").arg(&folder).args(["-cf", "-", "./usr"]));
        let mut names = names_in(&tar.unwrap()).unwrap();
        names.sort();
        let mode = fs::metadata(folder.join("usr/bin/x")).unwrap().permissions().mode();
        let bytes = tree.bytes().unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(names, ["/usr/bin/x", "/usr/share/y.gz"]);
        assert_eq!(mode & 0o777, 0o755);
        assert!(bytes > 4);
    }
}
