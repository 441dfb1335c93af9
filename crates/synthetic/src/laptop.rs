//! The machine that made-up runs come from.

use std::collections::BTreeMap;

use model::Measured;
use model::host::{CacheFacts, CpuFacts, Host};

use crate::{CPUS, NO_COUNTERS};

/// A laptop with eight CPUs and no hardware counters.
pub fn host() -> Host {
    let cpu = |cpu| CpuFacts {
        cpu,
        package: Measured::Value(0),
        core: Measured::Value(cpu % 4),
        node: Measured::Value(0),
        min_khz: Measured::Value(400_000),
        max_khz: Measured::Value(4_700_000),
        core_type: None,
    };
    let hardware = [
        "cycles",
        "instructions",
        "llc-loads",
        "llc-misses",
        "l1d-misses",
        "dtlb-misses",
        "cache-misses",
    ];
    let software = ["context-switches", "migrations", "task-clock"];
    let mut counters: BTreeMap<String, Measured<String>> =
        hardware.iter().map(|name| ((*name).to_owned(), Measured::absent(NO_COUNTERS))).collect();
    counters.extend(
        software.iter().map(|name| ((*name).to_owned(), Measured::Value("software".to_owned()))),
    );
    let setting = |name: &str, value: &str| (name.to_owned(), Measured::Value(value.to_owned()));
    Host {
        copycost: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: Measured::Value("laptop".to_owned()),
        boot_id: Measured::Value("11111111-2222-3333-4444-555555555555".to_owned()),
        kernel: Measured::Value("6.8.0-45-generic".to_owned()),
        kernel_build: Measured::Value("#45-Ubuntu SMP PREEMPT_DYNAMIC".to_owned()),
        architecture: Measured::Value("x86_64".to_owned()),
        distribution: Measured::Value("Ubuntu 24.04.1 LTS".to_owned()),
        cpu_model: Measured::Value("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz".to_owned()),
        usable_cpus: (0..CPUS).collect(),
        cpus: (0..CPUS).map(cpu).collect(),
        numa_nodes: Measured::Value(1),
        caches: vec![
            CacheFacts { level: 1, kind: "Data".to_owned(), bytes: 48 << 10, shared_by: 2 },
            CacheFacts { level: 2, kind: "Unified".to_owned(), bytes: 1_280 << 10, shared_by: 2 },
            CacheFacts { level: 3, kind: "Unified".to_owned(), bytes: 12 << 20, shared_by: 8 },
        ],
        virtualization: Measured::Value("none".to_owned()),
        memory_bytes: Measured::Value(16 << 30),
        page_bytes: Measured::Value(4096),
        transparent_hugepages: Measured::Value("madvise".to_owned()),
        mitigations: BTreeMap::new(),
        cpu_time_accounting: Measured::Value("tick".to_owned()),
        clocksource: Measured::Value("tsc".to_owned()),
        governor: Measured::Value("intel_pstate performance".to_owned()),
        turbo: Measured::Value(true),
        on_battery: Measured::Value(false),
        load_average: Measured::Value(0.2),
        cpu_quota: Measured::absent("no quota is set"),
        counters,
        sysctls: BTreeMap::from([
            setting("net.ipv4.tcp_congestion_control", "cubic"),
            setting("kernel.perf_event_paranoid", "1"),
        ]),
        limits: BTreeMap::from([("memlock".to_owned(), Measured::Value(8 << 20))]),
        devices: BTreeMap::from([("lo".to_owned(), Measured::Value(65_536))]),
        scatter_gather: BTreeMap::from([("lo".to_owned(), Measured::Value(true))]),
        packet_taps: Measured::Value(0),
        loopback: Measured::absent("made up"),
        uid: Measured::Value(1000),
        receiver_host: None,
        sender_host: None,
        reached: None,
    }
}
