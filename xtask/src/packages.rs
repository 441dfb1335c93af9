//! The packages as they would be published: packed, unpacked elsewhere, and checked with nothing but what is in them.
//!
//! `cargo package` can build what it packed as well, but builds every crate once more for each that depends on it. Here all
//! packages stand in one workspace beside each other, and what they depend on is shared with the other gates.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::metadata::{name, packages, root};

/// What crates.io asks for, or a reader looks for there.
const FIELDS: [&str; 5] = ["description", "license", "readme", "rust_version", "version"];
/// What every package holds.
const FILES: [&str; 4] = ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];
/// Where cargo puts packages; ours are unpacked in a folder of it.
const PACKED: &str = "target/package";

/// Packs the workspace, and checks each package that is to be published.
///
/// # Errors
/// What a package lacks, or what cargo says.
pub(crate) fn check() -> Result<String, String> {
    let root = root();
    let all = packages("--no-deps")?;
    let published: Vec<&Value> = all.iter().filter(|package| is_published(package)).collect();
    let mut lacking: Vec<String> = published.iter().flat_map(|package| lacks(package)).collect();
    let pack = ["package", "--workspace", "--no-verify", "--allow-dirty", "--quiet"];
    succeeds(Command::new("cargo").args(pack).args(["--target-dir", "target"]).current_dir(&root))?;

    let unpacked = root.join(PACKED).join("unpacked");
    if unpacked.exists() {
        fs::remove_dir_all(&unpacked).map_err(|error| about(&unpacked, &error))?;
    }
    fs::create_dir_all(&unpacked).map_err(|error| about(&unpacked, &error))?;
    for package in &published {
        let folder = folder(package);
        let packed = root.join(PACKED).join(format!("{folder}.crate"));
        // As if written now: cargo packs files with one old time, by which what was built of an earlier pack would seem fresh.
        succeeds(Command::new("tar").arg("-mxzf").arg(&packed).arg("-C").arg(&unpacked))?;
        let missing = FILES.iter().filter(|file| !unpacked.join(&folder).join(file).is_file());
        lacking.extend(missing.map(|file| format!("{folder} lacks {file}")));
    }
    if !lacking.is_empty() {
        return Err(lacking.join("\n"));
    }

    let read = |name: &str| {
        let path = root.join(name);
        fs::read_to_string(&path).map_err(|error| about(&path, &error))
    };
    let write = |name: &str, text: &str| {
        let path = unpacked.join(name);
        fs::write(&path, text).map_err(|error| about(&path, &error))
    };
    write("Cargo.toml", &workspace(&published, &read("Cargo.toml")?))?;
    // The versions that everything else was checked with.
    write("Cargo.lock", &read("Cargo.lock")?)?;
    let check = ["check", "--workspace", "--quiet", "--target-dir", "target", "--manifest-path"];
    succeeds(
        Command::new("cargo").args(check).arg(unpacked.join("Cargo.toml")).current_dir(&root),
    )?;
    Ok(format!("{} packages hold all that they need", published.len()))
}

/// Cargo tells `publish = false` as an empty list of registries.
fn is_published(package: &Value) -> bool {
    package["publish"].as_array().is_none_or(|registries| !registries.is_empty())
}

/// The fields that a package's manifest leaves out.
fn lacks(package: &Value) -> Vec<String> {
    let missing = FIELDS.iter().filter(|field| package[**field].as_str().is_none_or(str::is_empty));
    missing.map(|field| format!("{} has no {field}", name(package))).collect()
}

/// The folder in a packed package.
fn folder(package: &Value) -> String {
    format!("{}-{}", name(package), package["version"].as_str().unwrap_or_default())
}

/// A workspace of unpacked packages, in which each finds the others in place of the registry; profiles as in ours.
fn workspace(published: &[&Value], ours: &str) -> String {
    let members: Vec<String> =
        published.iter().map(|package| format!("\"{}\"", folder(package))).collect();
    let patches = published
        .iter()
        .map(|package| format!("{} = {{ path = \"{}\" }}\n", name(package), folder(package)));
    let profiles = ours.find("\n[profile.").and_then(|at| ours.get(at..)).unwrap_or_default();
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{}]\n\n[patch.crates-io]\n{}{profiles}",
        members.join(", "),
        patches.collect::<String>()
    )
}

fn about(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn succeeds(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn whole() -> Value {
        json!({
            "name": "one", "version": "0.1.0", "description": "d", "license": "MIT", "readme": "README.md",
            "rust_version": "1.95", "publish": null
        })
    }

    #[test]
    fn what_a_manifest_leaves_out_is_named() {
        assert!(lacks(&whole()).is_empty());
        let mut package = whole();
        package["readme"] = Value::Null;
        package["description"] = json!("");
        assert_eq!(lacks(&package), ["one has no description", "one has no readme"]);
    }

    #[test]
    fn what_is_not_to_be_published_is_left_out() {
        let mut package = whole();
        assert!(is_published(&package));
        package["publish"] = json!([]);
        assert!(!is_published(&package));
    }

    #[test]
    fn unpacked_packages_find_each_other_and_are_built_with_our_profiles() {
        let package = whole();
        let text = workspace(&[&package], "[workspace]\nx = 1\n\n[profile.dev]\ndebug = 0\n");
        assert_eq!(
            text,
            "[workspace]\nresolver = \"3\"\nmembers = [\"one-0.1.0\"]\n\n[patch.crates-io]\n\
             one = { path = \"one-0.1.0\" }\n\n[profile.dev]\ndebug = 0\n"
        );
    }
}
