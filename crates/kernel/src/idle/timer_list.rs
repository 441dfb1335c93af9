//! Per-CPU idle time out of `/proc/timer_list`.

use super::reading::IdleReading;

/// What `/proc/timer_list` says of all CPUs at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimerList {
    /// Its first lines' `now at`: CLOCK_MONOTONIC in nanoseconds.
    pub now_ns: u64,
    /// Each CPU's idle time, in the order of the file.
    pub cpus: Vec<(usize, IdleReading)>,
}

#[derive(Default)]
struct TickSched {
    nohz: bool,
    tick_stopped: bool,
    entry_ns: Option<u64>,
    idle_ns: Option<u64>,
    iowait_ns: Option<u64>,
}

impl TickSched {
    /// Completed idle periods, plus the one in progress.
    ///
    /// A stopped tick means that the CPU is idle since `idle_entrytime` (kernel/time/tick-sched.c:
    /// the tick is stopped on the way into idle only, `nohz_full` CPUs aside, and every interrupt
    /// closes one period and opens the next). With the tick running, a CPU may still be idle, but
    /// not for longer than a tick, which would have closed the period: that much is uncertain.
    fn reading(&self, now_ns: u64, tick_ns: u64) -> Option<IdleReading> {
        if !self.nohz {
            return None;
        }
        let completed = self.idle_ns?.saturating_add(self.iowait_ns?);
        let since_entry = now_ns.saturating_sub(self.entry_ns?);
        if self.tick_stopped {
            return Some(IdleReading {
                idle_ns: completed.saturating_add(since_entry),
                uncertain_ns: 0,
            });
        }
        let uncertain_ns = if since_entry <= tick_ns { since_entry } else { 0 };
        Some(IdleReading { idle_ns: completed, uncertain_ns })
    }
}

/// Parses the file; a CPU whose idle times are not kept (`nohz=off`) is left out.
pub(crate) fn parse_timer_list(text: &str, tick_ns: u64) -> Option<TimerList> {
    let mut now_ns = None;
    let mut cpus = Vec::new();
    let mut current: Option<(usize, TickSched)> = None;
    let mut finish = |current: &mut Option<(usize, TickSched)>, now_ns: Option<u64>| {
        if let (Some((cpu, tick)), Some(now_ns)) = (current.take(), now_ns) {
            cpus.extend(tick.reading(now_ns, tick_ns).map(|reading| (cpu, reading)));
        }
    };
    for line in text.lines() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix('.') {
            let Some((_, tick)) = &mut current else { continue };
            let Some((key, value)) = rest.split_once(':') else { continue };
            let value = value.split_whitespace().next().and_then(|value| value.parse().ok());
            let is_set = value.is_some_and(|value| value != 0);
            match key.trim() {
                "nohz" | "nohz_mode" => tick.nohz = is_set,
                "tick_stopped" => tick.tick_stopped = is_set,
                "idle_entrytime" => tick.entry_ns = value,
                "idle_sleeptime" => tick.idle_ns = value,
                "iowait_sleeptime" => tick.iowait_ns = value,
                _ => {}
            }
        } else if let Some(number) = line.strip_prefix("cpu:") {
            finish(&mut current, now_ns);
            current = number.trim().parse().ok().map(|cpu| (cpu, TickSched::default()));
        } else if let Some(rest) = line.strip_prefix("now at ") {
            now_ns = rest.split_whitespace().next().and_then(|value| value.parse().ok());
        } else if line.starts_with("Tick Device") {
            break;
        }
    }
    finish(&mut current, now_ns);
    Some(TimerList { now_ns: now_ns?, cpus })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK_NS: u64 = 4_000_000;

    fn fixture(stopped: u32, entry: u64) -> String {
        format!(
            "Timer List Version: v0.10\nHRTIMER_MAX_CLOCK_BASES: 8\nnow at 900000000 nsecs\n\n\
             cpu: 3\n clock 0:\n  .base:       00000000\n  .offset:     0 nsecs\nactive timers:\n \
             #0: <00>, tick_nohz_handler, S:01\n  .nohz           : 1\n  .tick_stopped   : {stopped}\n  \
             .idle_entrytime : {entry} nsecs\n  .idle_sleeptime : 500000000 nsecs\n  \
             .iowait_sleeptime: 1000 nsecs\njiffies: 4295119443\n\n\
             Tick Device: mode:     1\nPer CPU device: 3\n"
        )
    }

    #[test]
    fn a_cpu_with_a_stopped_tick_is_idle_up_to_now() {
        let list = parse_timer_list(&fixture(1, 880_000_000), TICK_NS).unwrap();
        assert_eq!(list.now_ns, 900_000_000);
        assert_eq!(list.cpus, [(3, IdleReading { idle_ns: 520_001_000, uncertain_ns: 0 })]);
    }

    #[test]
    fn a_long_busy_cpu_has_nothing_uncertain() {
        let list = parse_timer_list(&fixture(0, 600_000_000), TICK_NS).unwrap();
        assert_eq!(list.cpus[0].1, IdleReading { idle_ns: 500_001_000, uncertain_ns: 0 });
    }

    #[test]
    fn a_short_idle_period_with_the_tick_running_is_uncertain_by_its_length() {
        let list = parse_timer_list(&fixture(0, 899_000_000), TICK_NS).unwrap();
        assert_eq!(list.cpus[0].1, IdleReading { idle_ns: 500_001_000, uncertain_ns: 1_000_000 });
    }

    #[test]
    fn an_idle_entry_after_the_files_own_clock_adds_nothing() {
        let list = parse_timer_list(&fixture(1, 900_000_500), TICK_NS).unwrap();
        assert_eq!(list.cpus[0].1.idle_ns, 500_001_000);
    }

    #[test]
    fn a_kernel_that_keeps_no_idle_times_gives_no_cpu() {
        let without = fixture(1, 1).replace(".nohz           : 1", ".nohz           : 0");
        assert_eq!(parse_timer_list(&without, TICK_NS).unwrap().cpus, []);
        let older = fixture(1, 1).replace(".nohz           : 1", ".nohz_mode      : 2");
        assert_eq!(parse_timer_list(&older, TICK_NS).unwrap().cpus.len(), 1);
        assert_eq!(parse_timer_list("", TICK_NS), None);
    }

    proptest! {
        #[test]
        fn odd_text_never_panics(text in "(cpu: |now at |\\.idle_sleeptime ?:|[0-9]{1,25}|\\PC|\n){0,60}") {
            let _ = parse_timer_list(&text, TICK_NS);
        }
    }
}
