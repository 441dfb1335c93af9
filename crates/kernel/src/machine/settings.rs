//! Kernel settings that move a socket's figures or decide what can be measured.

use std::path::Path;

use super::{Fact, tree};

/// The settings that are recorded, by their sysctl names.
pub const SYSCTLS: [&str; 38] = [
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

/// Reads every setting of [`SYSCTLS`] below `root`; blanks between numbers become one space.
///
/// Some are missing in a network namespace other than the first, or need root.
pub fn sysctls(root: &Path) -> Vec<(String, Fact<String>)> {
    let read = |name: &str| {
        let text = tree::text(root, &format!("/proc/sys/{}", name.replace('.', "/")))?;
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    SYSCTLS.iter().map(|&name| (name.to_owned(), read(name))).collect()
}

/// Boot parameters that are recorded: a whole name, or a module's with its dot
/// (Documentation/admin-guide/kernel-parameters.txt).
const BOOT_PARAMETERS: [&str; 35] = [
    "acpi_cpufreq.",
    "amd_pstate",
    "amd_pstate.",
    "clocksource",
    "cpufreq.",
    "cpuidle.",
    "cpuidle_haltpoll.",
    "default_hugepagesz",
    "haltpoll.",
    "hugepages",
    "idle",
    "init_on_alloc",
    "init_on_free",
    "intel_idle.",
    "intel_pstate",
    "iommu",
    "irqaffinity",
    "isolcpus",
    "lockdown",
    "maxcpus",
    "mitigations",
    "nmi_watchdog",
    "nohz",
    "nohz_full",
    "nosmt",
    "nr_cpus",
    "preempt",
    "processor.",
    "pti",
    "rcu_nocbs",
    "skew_tick",
    "slub_debug",
    "spectre_v2",
    "transparent_hugepage",
    "tsc",
];

/// The parameters of a kernel command line that are worth recording.
pub(super) fn boot_parameters(line: &str) -> Vec<String> {
    let is_recorded = |word: &&str| {
        let name = word.split_once('=').map_or(*word, |(name, _)| name);
        let module = name.split_once('.').map(|(module, _)| module);
        BOOT_PARAMETERS.iter().any(|known| match known.strip_suffix('.') {
            Some(known) => module == Some(known),
            None => *known == name,
        })
    };
    line.split_whitespace().filter(is_recorded).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::boot_parameters;

    #[test]
    fn only_boot_parameters_that_move_figures_are_recorded() {
        let line =
            "root=UUID=1-2 mitigations=off nosmt processor.max_cstate=1 password=x idle=poll";
        assert_eq!(
            boot_parameters(line),
            ["mitigations=off", "nosmt", "processor.max_cstate=1", "idle=poll"]
        );
    }
}
