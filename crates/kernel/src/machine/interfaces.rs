//! The network interfaces, as far as sysfs tells without an ioctl.

use std::path::Path;

use super::tree::{self, Fact};

const NET: &str = "/sys/class/net";

/// One network interface. Offloads are not in sysfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, e.g. `lo`.
    pub name: String,
    /// Bytes of the largest packet.
    pub mtu_bytes: Fact<u64>,
}

/// The interfaces of this network namespace below `root`, in order of their names.
///
/// sysfs shows the namespace in which it was mounted, which in a namespace entered later is not
/// the process's own.
///
/// # Errors
/// sysfs cannot be listed.
pub(super) fn interfaces(root: &Path) -> Fact<Vec<Interface>> {
    let names = tree::names(root, NET)?;
    // Bonding leaves a plain file among the interfaces.
    let names =
        names.into_iter().filter(|name| tree::path(root, &format!("{NET}/{name}")).is_dir());
    let interface = |name: String| {
        let mtu_bytes = tree::number(root, &format!("{NET}/{name}/mtu"));
        Interface { name, mtu_bytes }
    };
    Ok(names.map(interface).collect())
}
