//! Binaries that travel: static ones for x86-64 and aarch64, Debian packages of them, and their checksums.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

mod binary;
mod deb;
mod elf;
mod empty_root;
mod third_party;

use binary::{AARCH64, Target, X86_64};

/// What can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    X86_64,
    Aarch64,
    Deb,
}

impl Product {
    const ALL: [Self; 3] = [Self::X86_64, Self::Aarch64, Self::Deb];

    const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86-64",
            Self::Aarch64 => "aarch64",
            Self::Deb => "deb",
        }
    }
}

#[derive(Debug, PartialEq)]
struct Options {
    out: PathBuf,
    /// Whether what was made is tried out.
    checks: bool,
    products: Vec<Product>,
}

impl Options {
    fn makes(&self, product: Product) -> bool {
        self.products.contains(&product)
    }
}

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options =
        Options { out: PathBuf::from("target/dist"), checks: false, products: Vec::new() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--out" => options.out = words.next().ok_or("--out needs a directory")?.into(),
            "--check" => options.checks = true,
            name => {
                let product = Product::ALL.into_iter().find(|product| product.name() == name);
                options.products.push(product.ok_or_else(|| {
                    let names = Product::ALL.map(Product::name).join(", ");
                    format!("{name} cannot be made; there are {names}, and --out DIR and --check")
                })?);
            }
        }
    }
    if options.products.is_empty() {
        options.products = Product::ALL.to_vec();
    }
    Ok(options)
}

/// Makes what was named, or everything; with `--check` tries it out as well.
///
/// # Errors
/// What is missing to build it, what cargo says, or what it did not do as it must.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let options = parse(words)?;
    let targets: Vec<&Target> = [
        // Its manual pages and completions are those of every package.
        (&X86_64, options.makes(Product::X86_64) || options.makes(Product::Deb)),
        (&AARCH64, options.makes(Product::Aarch64)),
    ]
    .into_iter()
    .filter_map(|(target, is_made)| is_made.then_some(target))
    .collect();
    for target in &targets {
        target.check_tools()?;
    }
    let out = &options.out;
    fs::create_dir_all(out).map_err(|why| format!("{}: {why}", out.display()))?;
    let mut lines = Vec::new();
    let mut made = Vec::new();
    for target in &targets {
        let (file, size) = target.build(out)?;
        lines.push(format!("{}: {size} bytes, static", file.display()));
        made.push((*target, file));
    }
    let mut packages = Vec::new();
    if let Some((_, native)) = made.first().filter(|_| options.makes(Product::Deb)) {
        for (target, file) in &made {
            packages.push(deb::build(target, file, native, out)?);
        }
        lines.extend(packages.iter().map(|package| package.display().to_string()));
    }
    if options.checks {
        for (target, file) in &made {
            if target.runs_here() {
                lines.extend(empty_root::check(file)?);
            }
        }
        for package in packages.iter().filter(|package| deb::is_for_this_machine(package)) {
            lines.extend(deb::check(package)?);
        }
    }
    lines.push(sums(out)?);
    Ok(lines.join("\n"))
}

/// Writes the checksums of all that lies in the directory, in the form that `sha256sum --check` reads.
fn sums(out: &Path) -> Result<String, String> {
    const NAME: &str = "SHA256SUMS";
    let mut names: Vec<String> = fs::read_dir(out)
        .map_err(|why| format!("{}: {why}", out.display()))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name != NAME && out.join(name).is_file())
        .collect();
    names.sort();
    let sums = output(Command::new("sha256sum").args(&names).current_dir(out))?;
    let path = out.join(NAME);
    fs::write(&path, sums).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(format!("{}: {} files", path.display(), names.len()))
}

/// What a program wrote, where it ended well; else what it said.
fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|why| format!("{name}: {why}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{name} ended with {}: {}", output.status, said.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_made_unless_something_is_named() {
        let parsed = |words: &[&str]| {
            parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        let all = parsed(&[]).unwrap();
        assert!(Product::ALL.into_iter().all(|product| all.makes(product)) && !all.checks);
        let one = parsed(&["--out", "/o", "--check", "aarch64"]).unwrap();
        assert_eq!((one.out, one.checks), (PathBuf::from("/o"), true));
        assert_eq!(one.products, [Product::Aarch64]);
        assert!(parsed(&["rpm"]).unwrap_err().contains("x86-64, aarch64, deb"));
        assert!(parsed(&["--out"]).is_err());
    }

    #[test]
    fn checksums_are_of_every_file_but_their_own() {
        let out = std::env::temp_dir().join(format!("copycost-dist-{}", std::process::id()));
        fs::create_dir_all(out.join("folder")).unwrap();
        fs::write(out.join("a"), "abc").unwrap();
        fs::write(out.join("SHA256SUMS"), "old").unwrap();
        sums(&out).unwrap();
        let text = fs::read_to_string(out.join("SHA256SUMS")).unwrap();
        fs::remove_dir_all(&out).unwrap();
        // FIPS 180-2, B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(text, format!("{abc}  a\n"));
    }
}
