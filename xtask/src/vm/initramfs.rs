//! The machine's whole file system: busybox, copycost with the libraries it needs, kernel modules, and what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What goes in.
pub(crate) struct Contents<'a> {
    /// The serial line that results leave by.
    pub(crate) results: &'a str,
    /// A static busybox of the machine's architecture.
    pub(crate) busybox: &'a Path,
    /// copycost.
    pub(crate) program: &'a Path,
    /// Test programs to run beside.
    pub(crate) tests: &'a [PathBuf],
    /// Name and content, in the order in which they load.
    pub(crate) modules: Vec<(String, Vec<u8>)>,
    /// Runs of copycost, one after the other: a name, and the words after `copycost run`.
    pub(crate) runs: &'a [(&'a str, String)],
    /// Lines of a script that are run last; what they leave in `/tmp/run` is sent back.
    pub(crate) more: &'a str,
}

/// Where `ldd` says that a program's libraries and its loader are.
fn libraries(ldd: &str) -> Vec<&str> {
    ldd.lines()
        .filter_map(|line| line.split_ascii_whitespace().find(|word| word.starts_with('/')))
        .collect()
}

fn copy(from: &Path, root: &Path, to: &str) -> Result<(), String> {
    let target = root.join(to.trim_start_matches('/'));
    let failed = |why: std::io::Error| format!("{}: {why}", from.display());
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::copy(from, &target).map(|_| ()).map_err(failed)
}

/// One run: ended as soon as its journal is whole, as the report is derived outside, where that takes a second and not minutes.
fn run(name: &str, words: &str) -> String {
    format!(
        "copycost run {words} --out /tmp/{name} & run=$!\n\
         until grep -qs '\"kind\":\"finish\"' /tmp/{name}/journal.jsonl || ! kill -0 $run; do sleep 0.2; done\n\
         kill -KILL $run\n\
         mkdir -p /tmp/run/{name}\n\
         for file in plan.toml host.json journal.jsonl; do cp /tmp/{name}/$file /tmp/run/{name}/; done\n"
    )
}

impl Contents<'_> {
    /// The script that the kernel starts. Whatever becomes of the runs, their journals go over the second serial line.
    fn init(&self) -> String {
        let modules: String =
            self.modules.iter().map(|(name, _)| format!("insmod /modules/{name}.ko\n")).collect();
        let tests: String = (0..self.tests.len())
            .map(|n| {
                format!(
                    "/bin/test{n} --test-threads 1 --nocapture >/tmp/run/test{n}.log 2>&1; echo \"{n} $?\" >>/tmp/run/tests\n"
                )
            })
            .collect();
        let (more, results) = (self.more, self.results);
        let runs: String = self.runs.iter().map(|(name, words)| run(name, words)).collect();
        format!(
            "#!/bin/busybox sh\n\
             /bin/busybox --install -s /bin\n\
             mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev\n\
             mount -t tmpfs tmp /tmp; mount -t tmpfs run /run\n\
             export HOME=/tmp; hostname vm; ip link set lo up; uname -r\n\
             {modules}\
             mkdir -p /tmp/run; : >/tmp/run/tests\n\
             cd /tmp\n\
             {runs}\
             {tests}\
             {more}\
             stty -F /dev/{results} raw\n\
             tar -cz -C /tmp/run . | base64 >/dev/{results}\n\
             poweroff -f\n"
        )
    }

    /// Packs everything below a directory.
    pub(crate) fn pack(&self, dir: &Path) -> Result<PathBuf, String> {
        let root = dir.join("root");
        let _ = fs::remove_dir_all(&root);
        let failed = |why: std::io::Error| format!("{}: {why}", root.display());
        for place in ["bin", "proc", "sys", "dev", "tmp", "run", "modules"] {
            fs::create_dir_all(root.join(place)).map_err(failed)?;
        }
        copy(self.busybox, &root, "/bin/busybox")?;
        self.with_libraries(self.program, &root, "/bin/copycost")?;
        for (n, test) in self.tests.iter().enumerate() {
            self.with_libraries(test, &root, &format!("/bin/test{n}"))?;
        }
        for (name, module) in &self.modules {
            fs::write(root.join(format!("modules/{name}.ko")), module).map_err(failed)?;
        }
        let init = root.join("init");
        fs::write(&init, self.init()).map_err(failed)?;
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        let image = dir.join("initramfs.gz");
        let script = r#"cd "$1" && find . | cpio -o -H newc --quiet | gzip -1"#;
        let packed = Command::new("sh").args(["-c", script, "pack"]).arg(&root).output();
        let packed = packed.map_err(|why| format!("sh: {why}"))?;
        if !packed.status.success() {
            return Err(format!("cpio: {}", String::from_utf8_lossy(&packed.stderr).trim()));
        }
        fs::write(&image, packed.stdout).map_err(|why| format!("{}: {why}", image.display()))?;
        Ok(image)
    }

    fn with_libraries(&self, program: &Path, root: &Path, to: &str) -> Result<(), String> {
        copy(program, root, to)?;
        let ldd = Command::new("ldd").arg(program).output();
        let ldd = ldd.map_err(|why| format!("ldd: {why}"))?;
        // A program without shared libraries is none of ldd's business, and has nothing to copy.
        let text = String::from_utf8_lossy(&ldd.stdout).into_owned();
        libraries(&text).into_iter().try_for_each(|library| copy(Path::new(library), root, library))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_found_and_the_kernels_page_is_not() {
        let text = "\tlinux-vdso.so.1 (0x00007)\n\
            \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007)\n";
        assert_eq!(
            libraries(text),
            ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]
        );
        assert_eq!(libraries("\tstatically linked\n"), [""; 0]);
    }
}
