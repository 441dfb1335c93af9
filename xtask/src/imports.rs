//! The table of borders: which of our crates may import which.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::metadata::{name, packages};

/// May import, by crate. Development dependencies (tests, benches, examples) are not held to it.
///
/// Nobody may import `copycost-synthetic`, whose made-up records are for tests.
const MAY_IMPORT: [(&str, &[&str]); 12] = [
    ("copycost-model", &[]),
    ("copycost-kernel", &[]),
    ("copycost-engine", &["copycost-model", "copycost-kernel"]),
    ("copycost-journal", &["copycost-model"]),
    ("copycost-analysis", &["copycost-model"]),
    (
        "copycost-study",
        &["copycost-model", "copycost-engine", "copycost-journal", "copycost-analysis"],
    ),
    ("copycost-foreign", &["copycost-model", "copycost-analysis"]),
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
            "copycost-foreign",
            "copycost-report",
        ],
    ),
    ("copycost-synthetic", &["copycost-model", "copycost-analysis"]),
    ("xtask", &[]),
];

/// Crates for tests, which are not published. Whoever depends on one must not name its version: cargo leaves a dependency
/// without a version out of a published package, and looks for one with a version in the registry.
const FOR_TESTS: [&str; 1] = ["copycost-synthetic"];

/// Compares cargo's metadata with the table.
pub(crate) fn check() -> Result<String, String> {
    let broken = broken_borders(&packages("--no-deps")?);
    if broken.is_empty() {
        Ok(format!("borders hold: {} crates import only what the table allows", MAY_IMPORT.len()))
    } else {
        Err(broken.join("\n"))
    }
}

fn broken_borders(packages: &[Value]) -> Vec<String> {
    let ours: BTreeSet<&str> = packages.iter().map(name).collect();
    let table: BTreeMap<&str, &[&str]> = MAY_IMPORT.into_iter().collect();
    let mut broken = Vec::new();
    for package in packages {
        let importer = name(package);
        let Some(allowed) = table.get(importer) else {
            broken.push(format!("{importer} is not in the table of borders"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let imported = name(dependency);
            let is_development = dependency["kind"].as_str() == Some("dev");
            let is_for_tests = FOR_TESTS.contains(&imported);
            if ours.contains(imported) && !is_development && !allowed.contains(&imported) {
                let tests = if is_for_tests { ": it is for tests alone" } else { "" };
                broken.push(format!("{importer} may not import {imported}{tests}"));
            }
            if is_for_tests && dependency["req"].as_str() != Some("*") {
                broken.push(format!(
                    "{importer} names a version of {imported}, which is not published"
                ));
            }
        }
        // Cargo tells `publish = false` as an empty list of registries.
        let is_published = package["publish"].as_array().is_none_or(|to| !to.is_empty());
        if FOR_TESTS.contains(&importer) && is_published {
            broken.push(format!("{importer} is for tests alone and lacks publish = false"));
        }
    }
    for name in table.keys().filter(|name| !ours.contains(**name)) {
        broken.push(format!("{name} is in the table of borders but not in the workspace"));
    }
    broken
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ANALYSIS: &str = "copycost-analysis";
    const KERNEL: &str = "copycost-kernel";
    const SYNTHETIC: &str = "copycost-synthetic";

    /// A workspace as the table has it, with one more dependency.
    fn workspace(importer: &str, dependency: &Value) -> Vec<Value> {
        let packages = MAY_IMPORT.iter().map(|(name, imports)| {
            let mut dependencies: Vec<Value> =
                imports.iter().map(|import| json!({"name": import, "kind": null})).collect();
            if *name == importer {
                dependencies.push(dependency.clone());
            }
            let publish = if FOR_TESTS.contains(name) { json!([]) } else { Value::Null };
            json!({"name": name, "dependencies": dependencies, "publish": publish})
        });
        packages.collect()
    }

    #[test]
    fn the_table_itself_passes_and_a_forbidden_import_is_named() {
        let broken =
            |kind| broken_borders(&workspace(ANALYSIS, &json!({"name": KERNEL, "kind": kind})));
        assert_eq!(broken(Value::Null), ["copycost-analysis may not import copycost-kernel"]);
        assert!(broken(json!("dev")).is_empty());
    }

    #[test]
    fn made_up_records_are_for_tests_alone_and_no_published_package_asks_for_them() {
        let broken = |kind: Value, version: &str| {
            let dependency = json!({"name": SYNTHETIC, "kind": kind, "req": version});
            broken_borders(&workspace(ANALYSIS, &dependency))
        };
        assert!(broken(json!("dev"), "*").is_empty());
        assert_eq!(
            broken(Value::Null, "*"),
            ["copycost-analysis may not import copycost-synthetic: it is for tests alone"]
        );
        assert_eq!(
            broken(json!("dev"), "^0.1.0"),
            ["copycost-analysis names a version of copycost-synthetic, which is not published"]
        );
        let mut workspace = workspace(ANALYSIS, &json!({"name": KERNEL, "kind": "dev"}));
        for package in &mut workspace {
            package["publish"] = Value::Null;
        }
        assert_eq!(
            broken_borders(&workspace),
            ["copycost-synthetic is for tests alone and lacks publish = false"]
        );
    }
}
