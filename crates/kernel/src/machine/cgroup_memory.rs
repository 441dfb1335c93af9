//! What control groups allow this process of the memory.

use std::path::Path;

use super::cgroup::{Version, directories};
use super::tree;

/// The tightest limit of this process's control group and of all above it that are visible, in bytes: `memory.max`, beyond
/// which it is killed, or `memory.high`, beyond which it is held back (Documentation/admin-guide/cgroup-v2.rst). None
/// where no group of version 2 sets one; version 1's limits are not looked at.
pub fn memory_limit_bytes(root: &Path) -> Option<u64> {
    let membership = tree::text(root, super::cgroup::SELF_CGROUP).ok()?;
    let mounts = tree::text(root, super::cgroup::MOUNTS).ok()?;
    let (Version::Two, directories) = directories(&membership, &mounts)? else { return None };
    let limit = |file: String| tree::number(root, &file).ok();
    directories
        .iter()
        .flat_map(|directory| {
            ["memory.max", "memory.high"].map(|file| format!("{directory}/{file}"))
        })
        // "max", no limit, is not a number.
        .filter_map(limit)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tree::plant;

    const MOUNT: &str = "38 31 0:38 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw";

    #[test]
    fn the_tightest_limit_of_all_groups_above_counts() {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        plant(root, "/proc/self/cgroup", "0::/pod/container");
        plant(root, "/proc/self/mountinfo", MOUNT);
        assert_eq!(memory_limit_bytes(root), None);
        plant(root, "/sys/fs/cgroup/pod/container/memory.max", "max");
        assert_eq!(memory_limit_bytes(root), None);
        plant(root, "/sys/fs/cgroup/pod/memory.max", "268435456");
        assert_eq!(memory_limit_bytes(root), Some(256 << 20));
        plant(root, "/sys/fs/cgroup/pod/container/memory.high", "1048576");
        assert_eq!(memory_limit_bytes(root), Some(1 << 20));
    }

    #[test]
    fn a_machine_without_groups_of_version_2_has_no_limit() {
        let tree = tempfile::tempdir().unwrap();
        assert_eq!(memory_limit_bytes(tree.path()), None);
        plant(tree.path(), "/proc/self/cgroup", "1:pids:/");
        plant(tree.path(), "/proc/self/mountinfo", MOUNT);
        assert_eq!(memory_limit_bytes(tree.path()), None);
    }
}
