//! What control groups allow this process of the CPUs, and how often they held it back.

use std::path::Path;

use super::tree::{self, Fact};
use crate::{Remedy, Unavailable};

pub(super) const SELF_CGROUP: &str = "/proc/self/cgroup";
pub(super) const MOUNTS: &str = "/proc/self/mountinfo";

/// The control groups that limit this process's CPU time: its own and all above it that are visible.
#[derive(Clone, Debug, PartialEq)]
pub struct CgroupCpu {
    version: Version,
    /// Directories from the process's own group up to the hierarchy's root.
    directories: Vec<String>,
    /// The tightest quota, in CPUs; nothing where no group sets one.
    pub quota_cpus: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// How often, and for how long, groups ran out of their quota since they were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttled {
    /// Periods in which the quota ran out.
    pub periods: u64,
    /// Microseconds held back, summed over the groups' CPUs.
    pub throttled_us: u64,
}

impl Throttled {
    /// What was added since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            periods: self.periods.saturating_sub(before.periods),
            throttled_us: self.throttled_us.saturating_sub(before.throttled_us),
        }
    }
}

impl CgroupCpu {
    /// Finds the groups below `root`: version 1's `cpu` controller where it is mounted, else version 2.
    ///
    /// # Errors
    /// No hierarchy with the `cpu` controller is visible.
    pub fn find(root: &Path) -> Fact<Self> {
        let membership = tree::text(root, SELF_CGROUP)?;
        let mounts = tree::text(root, MOUNTS)?;
        let (version, directories) = directories(&membership, &mounts).ok_or_else(unseen)?;
        // A controller that is mounted elsewhere leaves version 2's groups without these files.
        let file = match version {
            Version::One => "cpu.stat",
            Version::Two => "cgroup.controllers",
        };
        let own = directories.first().ok_or_else(unseen)?;
        tree::text(root, &format!("{own}/{file}"))?;
        let quota = |directory: &String| match version {
            Version::Two => parse_cpu_max(&tree::text(root, &format!("{directory}/cpu.max")).ok()?),
            Version::One => {
                let number = |file: &str| tree::number(root, &format!("{directory}/{file}")).ok();
                // -1, no quota, is not a number of ours.
                in_cpus(number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
            }
        };
        let quota_cpus = directories.iter().filter_map(quota).min_by(f64::total_cmp);
        Ok(Self { version, directories, quota_cpus })
    }

    /// How much the groups were throttled so far, below `root`: read at both edges of a window.
    ///
    /// # Errors
    /// No group tells; version 2's root group, alone, never does, and has no quota either.
    pub fn throttled(&self, root: &Path) -> Fact<Throttled> {
        let mut sum = None;
        for directory in &self.directories {
            let Ok(text) = tree::text(root, &format!("{directory}/cpu.stat")) else { continue };
            if let Some(own) = parse_throttled(&text) {
                let so_far: Throttled = sum.unwrap_or_default();
                sum = Some(Throttled {
                    periods: so_far.periods.saturating_add(own.periods),
                    throttled_us: so_far.throttled_us.saturating_add(own.throttled_us),
                });
            }
        }
        sum.ok_or_else(|| Unavailable {
            what: "throttling by control groups".to_owned(),
            because: format!(
                "{} of version {} without cpu.stat counts",
                self.directories.first().map_or("a group", String::as_str),
                match self.version {
                    Version::One => 1,
                    Version::Two => 2,
                }
            ),
            remedy: Remedy::default(),
        })
    }
}

fn unseen() -> Unavailable {
    Unavailable {
        what: "CPU quota of control groups".to_owned(),
        because: "no control group hierarchy with the cpu controller is visible".to_owned(),
        remedy: Remedy::default(),
    }
}

/// The process's group and its ancestors as directories, own first.
pub(crate) fn directories(membership: &str, mounts: &str) -> Option<(Version, Vec<String>)> {
    let (version, group) = membership
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let version = match controllers {
                "" => Version::Two,
                named if named.split(',').any(|name| name == "cpu") => Version::One,
                _ => return None,
            };
            Some((version, path))
        })
        // A cpu controller of version 1 takes it away from version 2.
        .min_by_key(|(version, _)| *version == Version::Two)?;
    let (mounted_from, mount_point) = mounts.lines().find_map(|line| {
        let (fields, system) = line.split_once(" - ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let mut system = system.split(' ');
        let (kind, options) = (system.next()?, system.nth(1)?);
        let fits = match version {
            Version::Two => kind == "cgroup2",
            Version::One => kind == "cgroup" && options.split(',').any(|option| option == "cpu"),
        };
        fits.then_some((*fields.get(3)?, *fields.get(4)?))
    })?;
    // In a container the mount may begin at the group itself.
    let below = if mounted_from == "/" { Some(group) } else { group.strip_prefix(mounted_from) };
    let mut below = below.unwrap_or_default().trim_end_matches('/');
    let mut directories = Vec::new();
    loop {
        directories.push(format!("{mount_point}{below}"));
        match below.rsplit_once('/') {
            Some((parent, _)) => below = parent,
            None => return Some((version, directories)),
        }
    }
}

/// Version 2's `cpu.max`, `max 100000` or `50000 100000`, in CPUs.
pub(crate) fn parse_cpu_max(text: &str) -> Option<f64> {
    let mut words = text.split_ascii_whitespace();
    in_cpus(words.next()?.parse().ok()?, words.next()?.parse().ok()?)
}

#[allow(clippy::cast_precision_loss, reason = "quotas are far below 2^53 microseconds")]
fn in_cpus(quota_us: u64, period_us: u64) -> Option<f64> {
    (period_us > 0).then(|| quota_us as f64 / period_us as f64)
}

/// `cpu.stat`: microseconds in version 2, nanoseconds under another name in version 1.
pub(crate) fn parse_throttled(text: &str) -> Option<Throttled> {
    let field = |key: &str| -> Option<u64> {
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(found, _)| *found == key)?.1.trim().parse().ok()
    };
    let throttled_us = field("throttled_usec").or_else(|| Some(field("throttled_time")? / 1000))?;
    Some(Throttled { periods: field("nr_throttled")?, throttled_us })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tree::plant;
    use proptest::prelude::*;

    const MOUNT_V2: &str = "38 31 0:38 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw";

    #[test]
    fn the_tightest_quota_of_all_groups_above_counts() {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        plant(root, SELF_CGROUP, "0::/user.slice/session");
        plant(root, MOUNTS, MOUNT_V2);
        plant(root, "/sys/fs/cgroup/user.slice/session/cgroup.controllers", "cpu");
        plant(root, "/sys/fs/cgroup/user.slice/session/cpu.max", "max 100000");
        plant(root, "/sys/fs/cgroup/user.slice/cpu.max", "150000 100000");
        plant(
            root,
            "/sys/fs/cgroup/user.slice/cpu.stat",
            "usage_usec 9\nnr_periods 9\nnr_throttled 3\nthrottled_usec 700",
        );
        let limits = CgroupCpu::find(root).unwrap();
        assert_eq!(limits.quota_cpus, Some(1.5));
        assert_eq!(limits.throttled(root), Ok(Throttled { periods: 3, throttled_us: 700 }));
    }

    #[test]
    fn version_1_tells_nanoseconds() {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        plant(root, SELF_CGROUP, "2:cpu,cpuacct:/docker/abc\n0::/");
        plant(
            root,
            MOUNTS,
            "31 23 0:31 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct",
        );
        plant(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000");
        plant(root, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
        plant(root, "/sys/fs/cgroup/cpu/cpu.stat", "nr_throttled 2\nthrottled_time 5000000");
        let limits = CgroupCpu::find(root).unwrap();
        assert_eq!(limits.quota_cpus, Some(0.5));
        let throttled = limits.throttled(root).unwrap();
        assert_eq!(throttled, Throttled { periods: 2, throttled_us: 5000 });
        assert_eq!(throttled.since(throttled), Throttled::default());
    }

    #[test]
    fn a_root_group_without_counts_is_not_called_unthrottled() {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        plant(root, SELF_CGROUP, "0::/");
        plant(root, MOUNTS, MOUNT_V2);
        plant(root, "/sys/fs/cgroup/cgroup.controllers", "cpu");
        let limits = CgroupCpu::find(root).unwrap();
        assert_eq!(limits.quota_cpus, None);
        assert!(limits.throttled(root).is_err());
    }

    #[test]
    fn no_visible_hierarchy_is_told() {
        let tree = tempfile::tempdir().unwrap();
        plant(tree.path(), SELF_CGROUP, "1:pids:/");
        plant(tree.path(), MOUNTS, MOUNT_V2);
        assert!(CgroupCpu::find(tree.path()).is_err());
    }

    proptest! {
        #[test]
        fn odd_text_never_panics(
            text in "(0::|cpu|cgroup2| - |/|:|,|[0-9]{1,25}| |\\PC|\n){0,40}",
        ) {
            let _ = (directories(&text, &text), parse_cpu_max(&text), parse_throttled(&text));
        }
    }
}
