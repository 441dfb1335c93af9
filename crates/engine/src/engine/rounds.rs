//! A round: fresh ends, and what the machine does while they sleep.

use model::record::{CpuBusy, FailureKind};
use model::{Cell, Measured, Nanos};

use super::Engine;
use crate::child::WhichEnd;
use crate::ends::{TrialError, lost};
use crate::error::EngineError;
use crate::protocol::Order;

/// How long the idle baseline is measured, once a round.
const IDLE_SPAN: Nanos = Nanos::ms(200);

impl Engine {
    /// Starts fresh ends and measures how busy the CPUs are while they sleep.
    ///
    /// # Errors
    /// Interrupted, or the ends could not be started.
    pub fn begin_round(&mut self) -> Result<Measured<CpuBusy>, EngineError> {
        self.ends = None;
        // What an earlier round saw is not this one's.
        self.receiver_idle = None;
        match self.idle_round() {
            Ok(busy) => Ok(busy),
            Err(error) => {
                let (kind, why) = self.given_up(error)?;
                Err(match kind {
                    FailureKind::Unsupported => EngineError::Unsupported(why),
                    FailureKind::EndLost | FailureKind::CallFailed | FailureKind::NothingPassed => {
                        EngineError::Ends(why)
                    }
                })
            }
        }
    }

    /// What failed, where it is not the whole engine that has to stop. Whatever state the ends are in, what comes next begins with fresh ones.
    ///
    /// # Errors
    /// Interrupted, or the peer is gone.
    pub(super) fn given_up(
        &mut self,
        error: TrialError,
    ) -> Result<(FailureKind, String), EngineError> {
        self.ends = None;
        match error {
            TrialError::Failed(kind, why) if self.options.interrupts.requested().is_none() => {
                self.unless_gone()?;
                Ok((kind, why))
            }
            TrialError::Failed(..) | TrialError::Interrupted => Err(EngineError::Interrupted),
        }
    }

    /// How busy the CPUs of the sending end's host are while fresh ends sleep; that of the receiving end's, where it is another
    /// one, is kept for the trials of this round.
    fn idle_round(&mut self) -> Result<Measured<CpuBusy>, TrialError> {
        let mut cell = Cell::default();
        if let Some(setup) = self.peering.plain_setup().map_err(|why| lost(why.to_string()))? {
            (cell.link, cell.family) = setup;
        }
        let cpus = self.end_cpus(cell.link).map_err(|why| lost(why.to_string()))?;
        let ends = self.ends(&cell)?;
        let idle = ends.idle(WhichEnd::Sender, &cpus.sender.usable, IDLE_SPAN)?;
        if let Some(there) = &cpus.receiver {
            self.receiver_idle = Some(ends.idle(WhichEnd::Receiver, &there.usable, IDLE_SPAN)?);
        }
        Ok(idle)
    }

    /// Whether the other host may still be tried.
    pub(super) fn unless_gone(&self) -> Result<(), EngineError> {
        self.peering.gone().map_or(Ok(()), |why| Err(EngineError::Gone(why.to_string())))
    }

    /// Lets the ends go.
    pub fn end_round(&mut self) {
        if let Some(ends) = &mut self.ends {
            // Not by `Ends::order`, which waits up to 5 s for the last word of an end that is gone: nobody is there to be told it.
            // An end that took no order sees its input closed, as both are dropped.
            let _ = ends.sender.order(&Order::Bye);
            let _ = ends.receiver.order(&Order::Bye);
        }
        self.ends = None;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end_round();
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use model::Peer;

    use super::super::EngineOptions;
    use super::*;
    use crate::interrupts::Interrupts;

    #[test]
    fn an_idle_machine_of_an_earlier_round_is_not_this_rounds() {
        // Nobody listens there.
        let name = "ssh://nobody@127.0.0.1:1".parse().unwrap();
        let peer = Some(Peer { name, data_address: None, sends: false });
        let (program, interrupts) = (PathBuf::from("/proc/self/exe"), Interrupts::install());
        let options = EngineOptions { program, interrupts: interrupts.unwrap(), peer };
        let mut engine = Engine::new(options).unwrap();
        engine.receiver_idle = Some(Measured::absent("of an earlier round"));
        assert!(engine.begin_round().is_err());
        assert_eq!(engine.receiver_idle, None);
    }
}
