//! Kernel settings that move a socket's figures or decide what can be measured.

use std::path::Path;

use super::tree::{self, Fact};

/// The settings that are recorded, by their sysctl names.
pub(crate) const SYSCTLS: [&str; 38] = [
    "kernel.io_uring_disabled",
    "kernel.kptr_restrict",
    "kernel.nmi_watchdog",
    "kernel.perf_event_paranoid",
    "kernel.perf_event_mlock_kb",
    "kernel.sched_rt_runtime_us",
    "kernel.timer_migration",
    "kernel.unprivileged_bpf_disabled",
    "net.core.busy_poll",
    "net.core.busy_read",
    "net.core.default_qdisc",
    "net.core.dev_weight",
    "net.core.high_order_alloc_disable",
    "net.core.netdev_budget",
    "net.core.netdev_budget_usecs",
    "net.core.netdev_max_backlog",
    "net.core.optmem_max",
    "net.core.rmem_default",
    "net.core.rmem_max",
    "net.core.rps_sock_flow_entries",
    "net.core.skb_defer_max",
    "net.core.wmem_default",
    "net.core.wmem_max",
    "net.ipv4.tcp_allowed_congestion_control",
    "net.ipv4.tcp_autocorking",
    "net.ipv4.tcp_available_congestion_control",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_ecn",
    "net.ipv4.tcp_limit_output_bytes",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_min_tso_segs",
    "net.ipv4.tcp_moderate_rcvbuf",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_sack",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_wmem",
];

/// Reads every setting that matters to sockets or to measuring below `root`; blanks between numbers become one space.
///
/// Some are missing in a network namespace other than the first, or need root.
pub fn sysctls(root: &Path) -> Vec<(String, Fact<String>)> {
    let read = |name: &str| {
        let text = tree::text(root, &format!("/proc/sys/{}", name.replace('.', "/")))?;
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    SYSCTLS.iter().map(|&name| (name.to_owned(), read(name))).collect()
}
