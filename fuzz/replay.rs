//! Replays a fuzz target's corpus in an ordinary test. Included by the tests of each crate that has targets.

use std::fs;
use std::path::Path;

/// Calls the check of a target with each file of its corpus, in the order of their names.
///
/// # Panics
/// There is no corpus, or one of its files fails; the file is named first.
pub(crate) fn replay(target: &str, check: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = fs::read_dir(&corpus).expect("each target has a corpus");
    let mut files: Vec<_> = files.map(|file| file.expect("a name").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", corpus.display());
    for file in files {
        // Shown where the check fails.
        println!("{}", file.display());
        check(&fs::read(&file).expect("a corpus file is read"));
    }
}
