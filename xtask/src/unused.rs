//! Dependencies that no source of their package names.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::metadata::{name, packages};

/// Where a dependency may be named: any in `src`, a development dependency where tests are as well.
const SOURCES: [&str; 2] = ["src", "build.rs"];
const TESTS: [&str; 4] = ["src", "tests", "benches", "examples"];

/// Looks for every dependency of every package of the workspace in its sources.
pub(crate) fn check() -> Result<String, String> {
    let mut looked_for = 0;
    let mut unused = Vec::new();
    for package in packages("--no-deps")? {
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().ok_or("a package without a folder")?;
        let (sources, tests) = (text(folder, &SOURCES)?, text(folder, &TESTS)?);
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            looked_for += 1;
            let is_development = dependency["kind"].as_str() == Some("dev");
            if !names(if is_development { &tests } else { &sources }, &in_code(dependency)) {
                unused.push(format!("{} does not use {}", name(&package), name(dependency)));
            }
        }
    }
    if unused.is_empty() {
        Ok(format!("all {looked_for} dependencies are used"))
    } else {
        Err(unused.join("\n"))
    }
}

/// A dependency's name in code.
fn in_code(dependency: &Value) -> String {
    dependency["rename"].as_str().unwrap_or_else(|| name(dependency)).replace('-', "_")
}

/// All code under these names in a folder, without lines of comment.
fn text(folder: &Path, places: &[&str]) -> Result<String, String> {
    let mut text = String::new();
    let mut open: Vec<PathBuf> =
        places.iter().map(|place| folder.join(place)).filter(|path| path.exists()).collect();
    while let Some(path) = open.pop() {
        let failed = |error| format!("{}: {error}", path.display());
        if path.is_dir() {
            for entry in fs::read_dir(&path).map_err(failed)? {
                open.push(entry.map_err(failed)?.path());
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let code = fs::read_to_string(&path).map_err(failed)?;
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            lines.for_each(|line| {
                text.push_str(line);
                text.push('\n');
            });
        }
    }
    Ok(text)
}

/// Whether code names a crate: `serde::…`, `use serde;`, `use serde as …`; not `crate::serde::…`, nor `my_serde::…`.
fn names(code: &str, krate: &str) -> bool {
    code.match_indices(krate).any(|(at, _)| {
        let before = code.get(..at).unwrap_or_default();
        let after = code.get(at + krate.len()..).unwrap_or_default();
        let begins = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        let is_imported = before.ends_with("use ")
            && [";", " as "].iter().any(|follows| after.starts_with(follows));
        begins && (after.starts_with("::") || is_imported)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_crate_is_named_by_its_paths_and_imports_alone() {
        for code in
            ["serde::Serialize", "#[derive(serde::Serialize)]", "use serde;", "use serde as s;"]
        {
            assert!(names(code, "serde"), "{code}");
        }
        for code in ["crate::serde::x", "my_serde::x", "serde_json::x", "let serde = 1;", ""] {
            assert!(!names(code, "serde"), "{code}");
        }
    }

    #[test]
    fn a_renamed_dependency_is_looked_for_under_its_new_name() {
        assert_eq!(
            in_code(&json!({"name": "copycost-figure-png", "rename": "figure-png"})),
            "figure_png"
        );
        assert_eq!(in_code(&json!({"name": "netlink-sys", "rename": null})), "netlink_sys");
    }

    #[test]
    fn code_in_comments_uses_nothing() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let code = text(folder, &SOURCES).unwrap();
        assert!(names(&code, "aya"));
        assert!(!code.lines().any(|line| line.trim_start().starts_with("//")));
    }
}
