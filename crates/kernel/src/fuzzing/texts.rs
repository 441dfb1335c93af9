//! Texts of `/proc` and `/sys`.

use crate::cpu::CpuSet;
use crate::idle::timer_list::parse_timer_list;
use crate::idle::{CpuIdle, IdleSnapshot, IdleSource, busy};
use crate::machine::cgroup::{directories, parse_cpu_max, parse_throttled};
use crate::machine::has_hypervisor_flag;
use crate::nic::{parse_interrupts, parse_mask};
use crate::process::{Capabilities, status_field};
use crate::run_delay::parse_waited_ns;
use crate::snmp::parse_snmp;
use crate::stat::{parse_loadavg, parse_stat, parse_time_accounting};
use crate::tcp_info::TcpInfo;
use crate::thread_sched::parse_migrations;
use crate::topology::parse_size;

/// The kernel prints no more at once than a path and some words (`PATH_MAX`); a group's directories grow with its square.
const PATH_BYTES: usize = 4096;

/// The first byte says which file the rest is; where two moments or two files are compared, a zero byte parts them.
pub fn texts(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let (first, second) = text.split_once('\0').unwrap_or((&text, ""));
    match kind % 13 {
        0 => stat(first, second),
        1 => {
            if let Some(load) = parse_loadavg(&text) {
                let averages = [load.minute, load.five_minutes, load.fifteen_minutes];
                assert!(averages.iter().all(|load| load.is_finite() && *load >= 0.0));
            }
        }
        2 => {
            let Some(mode) = parse_time_accounting(&text) else { return };
            assert!(text.contains("ACCOUNTING"), "{mode:?}");
        }
        3 => {
            let (before, after) = (parse_snmp(first, second), parse_snmp(second, first));
            let unchanged = before.since(&before);
            assert!(unchanged.iter().all(|(_, gained)| gained == 0));
            assert_eq!(unchanged.iter().count(), before.iter().count());
            assert!(after.since(&before).iter().count() <= after.iter().count());
        }
        4 => timer_list(first, second),
        5 => {
            let Ok(cpus) = CpuSet::parse(&text) else { return };
            assert!(cpus.cpus().is_sorted_by(|a, b| a < b));
            assert!(cpus.cpus().last().is_none_or(|cpu| *cpu < 1 << 16));
            assert_eq!(CpuSet::parse(&cpus.to_string()).as_ref(), Ok(&cpus));
        }
        6 => {
            Capabilities::parse(&text);
            if let Some(value) = status_field(&text, "Name") {
                assert!(text.contains(value) && !value.contains('\n'));
            }
            parse_migrations(rest);
            parse_waited_ns(rest);
            has_hypervisor_flag(&text);
        }
        7 => tcp_info(rest),
        8 => groups(first, second),
        9 => {
            let quota = parse_cpu_max(&text);
            assert!(quota.is_none_or(|cpus| cpus.is_finite() && cpus >= 0.0));
            if let Some(throttled) = parse_throttled(&text) {
                assert_eq!(throttled.since(throttled), Default::default());
            }
        }
        11 => {
            for line in parse_interrupts(&text) {
                assert!(text.contains(&line.action) && text.contains(&line.number.to_string()));
            }
        }
        12 => {
            let Some(cpus) = parse_mask(&text) else { return };
            assert!(cpus.iter().all(|cpu| *cpu < 1 << 16));
            assert_eq!(
                cpus.is_empty(),
                text.bytes().all(|byte| !matches!(byte, b'1'..=b'9' | b'a'..=b'f' | b'A'..=b'F'))
            );
        }
        _ => {
            if let Some(bytes) = parse_size(&text) {
                assert_eq!(parse_size(&bytes.to_string()), Some(bytes));
            }
        }
    }
}

fn stat(before: &str, after: &str) {
    let (Ok(before), Ok(after)) = (parse_stat(before, 100), parse_stat(after, 100)) else { return };
    for (cpu, time) in after.since(&before) {
        assert!(before.cpu(cpu).is_some());
        let now = after.cpu(cpu).expect("it is online");
        // A file may name a CPU twice; the first is taken.
        let is_first = after.cpus.iter().filter(|(number, _)| *number == cpu).count() == 1;
        assert!(!is_first || (time.user_ns <= now.user_ns && time.idle_ns <= now.idle_ns));
    }
    assert!(before.since(&before).len() == before.cpus.len());
}

/// Busy times stay within the window, whatever the clocks say.
fn timer_list(before: &str, after: &str) {
    const TICK_NS: u64 = 4_000_000;
    let snapshot = |text: &str| {
        let list = parse_timer_list(text, TICK_NS)?;
        assert!(list.cpus.len() <= text.matches("cpu:").count());
        assert!(list.cpus.iter().all(|(_, reading)| reading.uncertain_ns <= TICK_NS));
        let cpu = |(cpu, fine)| CpuIdle { cpu, fine, coarse: None };
        let cpus = list.cpus.into_iter().map(cpu).collect();
        Some(IdleSnapshot { monotonic_ns: list.now_ns, cpus })
    };
    let (Some(before), Some(mut after)) = (snapshot(before), snapshot(after)) else { return };
    let window_ns = after.monotonic_ns.saturating_sub(before.monotonic_ns);
    let found = busy(IdleSource::TimerList, &before, &after);
    assert!(found.len() <= before.cpus.len());
    assert!(found.iter().all(|busy| busy.busy_ns <= window_ns));
    after.cpus.iter_mut().for_each(|cpu| cpu.coarse = Some(cpu.fine));
    let found = busy(IdleSource::CpuIdle, &before, &after);
    assert!(found.iter().all(|busy| busy.busy_ns <= window_ns));
}

/// A field is there exactly where the kernel's answer reaches its end.
fn tcp_info(answer: &[u8]) {
    let info = TcpInfo::parse(answer);
    assert_eq!(info.state, answer.first().copied());
    let fields = [
        (info.rtt_us, std::mem::offset_of!(libc::tcp_info, tcpi_rtt)),
        (info.total_retrans, std::mem::offset_of!(libc::tcp_info, tcpi_total_retrans)),
        (info.snd_wnd, std::mem::offset_of!(libc::tcp_info, tcpi_snd_wnd)),
        (info.total_rto_time_ms, std::mem::offset_of!(libc::tcp_info, tcpi_total_rto_time)),
    ];
    for (field, offset) in fields {
        let bytes = answer.get(offset..offset + 4).map(|it| <[u8; 4]>::try_from(it).ok());
        assert_eq!(field, bytes.flatten().map(u32::from_ne_bytes));
    }
}

/// The directories lead from the process's own group up, each the parent of the one before.
fn groups(membership: &str, mounts: &str) {
    if membership.len() > PATH_BYTES || mounts.len() > PATH_BYTES {
        return;
    }
    let Some((_, directories)) = directories(membership, mounts) else { return };
    assert!(!directories.is_empty());
    for pair in directories.windows(2) {
        assert!(pair[0].len() > pair[1].len() && pair[0].starts_with(&pair[1]), "{pair:?}");
    }
}
