//! Marks as causes, with what mends them.

use analysis::summary::Summary;
use model::{Bounds, Cell, Class, Mark, Nanos, Plan, Preset};

/// What helps where windows are missed.
const MISSED: &str = "fewer threads than CPUs, a quieter machine, longer slices (--slice 20ms), or steady windows (--steady)";

/// What helps where bytes stand still: packets that fill a window wait for TCP's timers.
pub(crate) const STALLED: &str = "a larger receive buffer (--rcvbuf 4MiB, or raise net.core.rmem_max and net.ipv4.tcp_rmem), or smaller messages";

/// What a mark is called as a cause, and what mends it.
pub(crate) fn cause(mark: Mark) -> (&'static str, &'static str) {
    match mark {
        Mark::Steal => (
            "CPU time stolen by the host",
            "measure when the host is quiet, or pin the machine's virtual CPUs there",
        ),
        Mark::Others => ("other programs on these CPUs", "stop them, or copycost run --wait-quiet"),
        Mark::Frequency => {
            ("changing CPU frequency", "sudo cpupower frequency-set -g performance, and turbo off")
        }
        Mark::Throttled => (
            "throttling by a CPU quota",
            "raise cpu.max of the control group, or run outside of it",
        ),
        Mark::WindowVoid => (
            "too many missed windows (late wake-ups, or calls that took longer than a slice)",
            MISSED,
        ),
        Mark::WindowNoted => ("missed windows (late wake-ups)", MISSED),
        Mark::Stalled => ("slices in which bytes stood still", STALLED),
        Mark::Unsettled => ("load that had not settled", "longer windows (--time 1s)"),
        Mark::Oversubscribed => ("more busy threads than CPUs", "give it two CPUs at least"),
        Mark::Retransmits => {
            ("segments sent again", "raise net.core.rmem_max, or look for drops in nstat")
        }
        Mark::Imbalance => ("bytes waiting between the ends", "longer slices (--slice 20ms)"),
        Mark::Multiplexed => ("shared hardware counters", "stop other users of perf"),
        Mark::Strangers => ("strangers at the data port", "look for a port scanner"),
        Mark::NoBusyPoll => (
            "busy polling that did nothing",
            "a device with NAPI: a network card, or --link veth --gro on --tso off",
        ),
        Mark::HelperClock => ("an unclear helper's clock", "measure again"),
        Mark::ContentLost => ("lost content", "copycost verify"),
        Mark::NothingPassed => ("rows in which nothing passed", "look into the imported file"),
        Mark::EndLost => ("an end that died", "look into the kernel's log (dmesg)"),
        Mark::CallFailed => {
            ("a system call that failed", "copycost probe; failure_why in trials.csv")
        }
        Mark::Repeated => ("needless repetitions", "measure with this version"),
    }
}

/// Why most void trials of a run are void, and what mends it; none where none is, or where each failed with words of its own.
pub fn void_because(summary: &Summary) -> Option<String> {
    let void = summary.marks.iter().filter(|(mark, _)| mark.class() == Class::Void);
    let (mark, _) = void.max_by_key(|(_, trials)| **trials)?;
    if matches!(mark, Mark::CallFailed | Mark::EndLost | Mark::NothingPassed) {
        return None;
    }
    let (what, remedy) = cause(*mark);
    let of_line = (*mark == Mark::WindowVoid).then(|| longer_at_line(summary)).flatten();
    Some(format!("{what}; what helps: {}", of_line.as_deref().unwrap_or(remedy)))
}

/// Of a line so slow that the slices of a plan are longer for it: what is longer still. None of a faster line.
fn longer_at_line(summary: &Summary) -> Option<String> {
    let goodput = summary.line.as_ref()?.rate.value()?.goodput_gbps;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and a fraction of a bit a second is nothing"
    )]
    let bounds = Bounds { cpus: 2.into(), line_bits_per_s: Some((goodput * 1e9) as u64) };
    let turns = Plan::preset(Preset::Default).turns(&[Cell::default()], bounds, false)?;
    let used = turns.settle.0 + turns.window.0;
    let slice = Nanos::ms((2 * used).div_ceil(100_000_000) * 100);
    (slice > AS_LONG).then(|| {
        let settle = turns.settle;
        format!("slices that the line's rate allows more messages in (--slice {slice} --settle {settle}, where they are not as long already), or fewer --threads or --flows over it")
    })
}

/// From here on a slice is longer than what is told where no line is known.
const AS_LONG: Nanos = Nanos::ms(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_has_a_cause_and_a_remedy() {
        for mark in Mark::ALL {
            let (what, remedy) = cause(*mark);
            assert!(!what.is_empty() && !remedy.is_empty(), "{mark}");
        }
    }
}
