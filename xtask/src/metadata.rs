//! What cargo knows of the workspace: `cargo metadata`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The packages of the workspace, or with `--locked` instead of `--no-deps` all that are built in.
pub(crate) fn packages(option: &str) -> Result<Vec<Value>, String> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", option])
        .current_dir(root())
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let mut metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata is no JSON: {error}"))?;
    let packages = metadata["packages"].as_array_mut().map(std::mem::take);
    packages.ok_or_else(|| "cargo metadata has no packages".to_owned())
}

/// A package's or dependency's name.
pub(crate) fn name(of: &Value) -> &str {
    of["name"].as_str().unwrap_or_default()
}
