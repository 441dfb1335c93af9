//! The BPF objects in the tree belong to the sources beside them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;

/// FNV-1a, 64 bits, as `xtask/src/bpf.rs` writes it.
fn checksum(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[test]
fn every_object_is_the_one_that_was_built_from_its_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf");
    let of_tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/bpf");
    let flags = fs::read(folder.join("FLAGS")).unwrap();
    let mut checked = 0;
    let entries = fs::read_dir(&folder).unwrap().chain(fs::read_dir(of_tests).unwrap());
    for entry in entries {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with(".bpf.o") {
            continue;
        }
        let source = fs::read(path.with_extension("c")).unwrap();
        let stamp = fs::read_to_string(path.with_extension("stamp")).unwrap();
        let expected = [
            format!("source and flags {}", checksum(&[source, flags.clone()].concat())),
            format!("object {}", checksum(&fs::read(&path).unwrap())),
        ];
        for line in expected {
            assert!(
                stamp.lines().any(|stamped| stamped == line),
                "{}: not {line}; build it again with: cargo run -p xtask -- bpf",
                path.display()
            );
        }
        checked += 1;
    }
    assert!(checked >= 3, "{checked} objects in {}", folder.display());
}
