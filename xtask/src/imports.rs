//! The table of borders: which of our crates may import which.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// May import, by crate. Development dependencies (tests, benches, examples) are not held to it.
const MAY_IMPORT: [(&str, &[&str]); 10] = [
    ("copycost-model", &[]),
    ("copycost-kernel", &[]),
    ("copycost-engine", &["copycost-model", "copycost-kernel"]),
    ("copycost-journal", &["copycost-model"]),
    ("copycost-analysis", &["copycost-model"]),
    (
        "copycost-study",
        &["copycost-model", "copycost-engine", "copycost-journal", "copycost-analysis"],
    ),
    ("copycost-figure-png", &[]),
    ("copycost-report", &["copycost-model", "copycost-analysis", "copycost-figure-png"]),
    (
        "copycost",
        &[
            "copycost-model",
            "copycost-engine",
            "copycost-journal",
            "copycost-analysis",
            "copycost-study",
            "copycost-report",
        ],
    ),
    ("xtask", &[]),
];

/// Compares cargo's metadata with the table.
pub(crate) fn check() -> Result<String, String> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata is no JSON: {error}"))?;
    let broken = broken_borders(&metadata)?;
    if broken.is_empty() {
        Ok(format!("borders hold: {} crates import only what the table allows", MAY_IMPORT.len()))
    } else {
        Err(broken.join("\n"))
    }
}

fn broken_borders(metadata: &Value) -> Result<Vec<String>, String> {
    let packages = metadata["packages"].as_array().ok_or("cargo metadata has no packages")?;
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let table: BTreeMap<&str, &[&str]> = MAY_IMPORT.into_iter().collect();
    let mut broken = Vec::new();
    for package in packages {
        let importer = name(package);
        let Some(allowed) = table.get(importer.as_str()) else {
            broken.push(format!("{importer} is not in the table of borders"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let imported = name(dependency);
            let is_development = dependency["kind"].as_str() == Some("dev");
            if ours.contains(&imported) && !is_development && !allowed.contains(&imported.as_str())
            {
                broken.push(format!("{importer} may not import {imported}"));
            }
        }
    }
    for name in table.keys().filter(|name| !ours.contains(**name)) {
        broken.push(format!("{name} is in the table of borders but not in the workspace"));
    }
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workspace(extra: &[(&str, &str, Option<&str>)]) -> Value {
        let packages: Vec<Value> = MAY_IMPORT
            .iter()
            .map(|(name, imports)| {
                let mut dependencies: Vec<Value> =
                    imports.iter().map(|import| json!({"name": import, "kind": null})).collect();
                let more = extra.iter().filter(|(importer, _, _)| importer == name);
                dependencies
                    .extend(more.map(|(_, import, kind)| json!({"name": import, "kind": kind})));
                json!({"name": name, "dependencies": dependencies})
            })
            .collect();
        json!({"packages": packages})
    }

    #[test]
    fn the_table_itself_passes_and_a_forbidden_import_is_named() {
        assert!(broken_borders(&workspace(&[])).unwrap().is_empty());
        let broken =
            broken_borders(&workspace(&[("copycost-analysis", "copycost-kernel", None)])).unwrap();
        assert_eq!(broken, ["copycost-analysis may not import copycost-kernel"]);
        assert!(
            broken_borders(&workspace(&[("copycost-analysis", "copycost-kernel", Some("dev"))]))
                .unwrap()
                .is_empty()
        );
    }
}
