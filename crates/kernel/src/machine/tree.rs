//! Reading small files of `/proc` and `/sys`, below a root that tests replace by a fixture tree.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::{Remedy, Unavailable};

/// A fact, or why it is not known.
pub type Fact<T> = Result<T, Unavailable>;

/// Where `/proc` and `/sys` are found on a running machine.
pub const LIVE: &str = "/";

/// The file `relative` below `root`; a leading `/` of it is ignored.
pub(crate) fn path(root: &Path, relative: &str) -> PathBuf {
    root.join(relative.trim_start_matches('/'))
}

/// The whole file as text, odd bytes replaced, without the blanks at its end.
pub(crate) fn text(root: &Path, relative: &str) -> Result<String, Unavailable> {
    match std::fs::read(path(root, relative)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
        Err(error) => Err(unreadable(relative, &error)),
    }
}

/// The file's one number.
pub(crate) fn number(root: &Path, relative: &str) -> Result<u64, Unavailable> {
    let text = text(root, relative)?;
    text.trim().parse().map_err(|_| unexpected(relative, &text))
}

/// The names in a directory, in order.
pub(crate) fn names(root: &Path, relative: &str) -> Result<Vec<String>, Unavailable> {
    let entries =
        std::fs::read_dir(path(root, relative)).map_err(|error| unreadable(relative, &error))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// A file that could not be read, with the reason.
pub(crate) fn unreadable(relative: &str, error: &std::io::Error) -> Unavailable {
    let what = format!("/{}", relative.trim_start_matches('/'));
    if error.kind() == ErrorKind::NotFound {
        let because = "this kernel or machine has no such file".to_owned();
        return Unavailable { what, because, remedy: Remedy::default() };
    }
    let remedy = if error.kind() == ErrorKind::PermissionDenied {
        "run as root, or in a container with access to it".into()
    } else {
        Remedy::default()
    };
    Unavailable { what, because: error.to_string(), remedy }
}

/// A file that was read but says something unexpected.
pub(crate) fn unexpected(relative: &str, found: &str) -> Unavailable {
    let start: String = found.chars().take(40).collect();
    Unavailable {
        what: format!("/{}", relative.trim_start_matches('/')),
        because: format!("unexpected content {start:?}"),
        remedy: Remedy::default(),
    }
}

/// Writes a file of a fixture tree, with a line's end as the kernel does.
#[cfg(test)]
pub(crate) fn plant(root: &Path, relative: &str, content: &str) {
    let path = path(root, relative);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("{content}\n")).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_and_an_odd_one_each_say_so() {
        let root = tempfile::tempdir().unwrap();
        let missing = number(root.path(), "/proc/none").unwrap_err();
        assert_eq!(missing.what, "/proc/none");
        assert_eq!(missing.because, "this kernel or machine has no such file");
        std::fs::write(root.path().join("odd"), "seven\n").unwrap();
        assert_eq!(number(root.path(), "odd").unwrap_err().because, "unexpected content \"seven\"");
    }
}
