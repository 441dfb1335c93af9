//! What others wrote and is built in: their names, licences and notices, as a package has to carry them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::metadata::{name, packages};

/// Beginnings of the names of files that hold licences and notices.
const NOTICES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];

/// Each package from elsewhere that may be built in, with its licence, and each text of theirs once.
///
/// # Errors
/// Where cargo does not tell.
pub(super) fn notices() -> Result<String, String> {
    let packages = packages("--locked")?;
    let theirs: Vec<&Value> = packages.iter().filter(|it| !it["source"].is_null()).collect();
    let mut list = String::new();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in theirs {
        let text = |key: &str| package[key].as_str().unwrap_or("?").to_owned();
        let title = format!("{} {}", name(package), text("version"));
        list.push_str(&format!("{title}: {}; {}\n", text("license"), text("repository")));
        let manifest = text("manifest_path");
        let folder = Path::new(&manifest).parent().unwrap_or(Path::new("."));
        for notice in notices_in(folder) {
            texts.entry(notice).or_default().push(title.clone());
        }
    }
    let texts: String = texts
        .iter()
        .map(|(text, of)| format!("\n{}\n{}:\n\n{text}\n", "-".repeat(72), of.join(", ")))
        .collect();
    Ok(format!(
        "copycost is licensed under either of Apache-2.0 or MIT, at your option: LICENSE-APACHE, LICENSE-MIT.\n\
         Built into it may be the following packages of crates.io, and, as it is linked statically, the GNU C Library\n\
         (LGPL-2.1-or-later; <https://www.gnu.org/software/libc/>). The sources of copycost link with any other version of it:\n\
         cargo run -p xtask -- dist. Letters in pictures are those of DejaVu: LICENSE-DejaVu.\n\n{list}{texts}"
    ))
}

/// The texts of a folder's files of licences and notices.
fn notices_in(folder: &Path) -> Vec<String> {
    let is_notice = |name: &str| NOTICES.iter().any(|it| name.to_uppercase().starts_with(it));
    let mut paths: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|it| it.to_str()).is_some_and(is_notice))
        .collect();
    paths.sort();
    let texts = paths.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.map(|text| text.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_from_elsewhere_is_named_with_its_licence_and_ours_are_not() {
        let text = notices().unwrap();
        let list: Vec<&str> = text.lines().filter(|line| line.contains("; https://")).collect();
        assert!(list.iter().any(|line| line.starts_with("serde ") && line.contains("MIT")));
        assert!(!list.iter().any(|line| line.starts_with("copycost")));
        let zlib = text.find("zlib-rs").map(|at| text[at..].contains("Trifecta"));
        assert_eq!(zlib, Some(true), "the notices of zlib-rs are not there");
    }
}
