//! `--wait-quiet`: waiting until other programs leave the machine alone.

use std::time::{Duration, Instant};

use engine::{Engine, EngineError};
use model::record::CpuBusy;
use model::{Measured, Nanos};
use report::numbers::{duration, percent};

use crate::exit::Stop;
use crate::terminal::tell;

/// A machine is quiet where others use less of the usable CPUs' time than this…
const QUIET: f64 = 0.1;
/// … in so many looks, one after the other.
const LOOKS: u32 = 3;
/// From one look to the next.
const EVERY: Duration = Duration::from_millis(500);

/// How waiting ended.
#[derive(Debug, PartialEq)]
enum Waited {
    Quiet,
    /// The time was over first; the share in the last look.
    Busy(f64),
    /// How busy the CPUs are cannot be told.
    Unknown(String),
}

/// Waits until the machine is quiet, at most so long, and tells of it; then measuring goes on all the same.
///
/// # Errors
/// A signal came, or no ends can be started to look with.
pub(crate) fn wait(engine: &mut Engine, at_most: Nanos, quiet: bool) -> Result<(), Stop> {
    if !quiet {
        tell(&format!(
            "waiting until other programs use less than {} of the usable CPUs, at most {}",
            percent(QUIET),
            duration(at_most)
        ));
    }
    let begun = Instant::now();
    let mut next = begun;
    let look = || {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next = Instant::now() + EVERY;
        // While the ends sleep, whatever is busy is someone else's.
        let busy = engine.begin_round()?;
        Ok((begun.elapsed(), busy))
    };
    let waited = wait_for(Duration::from_nanos(at_most.0), look);
    engine.end_round();
    match waited {
        Ok(Waited::Quiet) => {}
        Ok(Waited::Busy(share)) => tell(&format!(
            "! the machine was not quiet within {} (others used {} of the usable CPUs in the last look); measuring all the same",
            duration(at_most),
            percent(share)
        )),
        Ok(Waited::Unknown(why)) => {
            tell(&format!("! cannot tell whether the machine is quiet: {why}"));
        }
        Err(EngineError::Interrupted) => {
            return Err(Stop::Interrupted("nothing was measured while waiting".to_owned()));
        }
        Err(EngineError::Gone(why)) => {
            return Err(Stop::Interrupted(format!("{why}; nothing was measured while waiting")));
        }
        Err(error @ (EngineError::Unsupported(_) | EngineError::Ends(_))) => {
            return Err(Stop::Cannot(error.to_string()));
        }
    }
    Ok(())
}

/// Looks, each of which gives the time since the first began, until enough of them in a row are quiet or the time is over.
fn wait_for(
    at_most: Duration,
    mut look: impl FnMut() -> Result<(Duration, Measured<CpuBusy>), EngineError>,
) -> Result<Waited, EngineError> {
    let mut in_a_row = 0;
    loop {
        let (elapsed, busy) = look()?;
        let busy = match busy {
            Measured::Value(busy) => busy,
            Measured::Absent { absent: why } => return Ok(Waited::Unknown(why)),
        };
        let share = busy_share(&busy);
        in_a_row = if share < QUIET { in_a_row + 1 } else { 0 };
        if in_a_row == LOOKS {
            return Ok(Waited::Quiet);
        }
        if elapsed >= at_most {
            return Ok(Waited::Busy(share));
        }
    }
}

/// Of the time of all CPUs together.
#[allow(clippy::cast_precision_loss, reason = "nanoseconds of a look and a number of CPUs")]
fn busy_share(busy: &CpuBusy) -> f64 {
    let all = busy.span_ns.as_secs_f64() * busy.busy_ns.len() as f64;
    let busy = Nanos(busy.busy_ns.iter().sum()).as_secs_f64();
    if all > 0.0 { busy / all } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at a machine of two CPUs that is so busy, in percent, half a second apart.
    fn waited(at_most: Duration, shares: &[u64]) -> (Waited, usize) {
        let mut looks = 0;
        let waited = wait_for(at_most, || {
            let share = shares[looks];
            looks += 1;
            let busy = CpuBusy {
                source: "timer-list".to_owned(),
                error_ns: Nanos(0),
                span_ns: Nanos(100),
                cpus: vec![0, 1],
                busy_ns: vec![2 * share, 0],
            };
            Ok((EVERY * u32::try_from(looks).unwrap(), Measured::Value(busy)))
        });
        (waited.unwrap(), looks)
    }

    #[test]
    fn a_quiet_machine_is_quiet_in_three_looks_one_after_the_other() {
        let minute = Duration::from_secs(60);
        assert_eq!(waited(minute, &[9, 0, 0]), (Waited::Quiet, 3));
        assert_eq!(waited(minute, &[50, 9, 9, 10, 9, 9, 9]), (Waited::Quiet, 7));
    }

    #[test]
    fn waiting_ends_with_the_time_and_where_nothing_can_be_told() {
        assert_eq!(waited(Duration::from_secs(2), &[0, 0, 40, 30]), (Waited::Busy(0.3), 4));
        let unknown = wait_for(EVERY, || Ok((EVERY, Measured::absent("no clock"))));
        assert_eq!(unknown.unwrap(), Waited::Unknown("no clock".to_owned()));
        let interrupted = wait_for(EVERY, || Err(EngineError::Interrupted));
        assert!(matches!(interrupted, Err(EngineError::Interrupted)));
    }
}
