//! One trial.

use model::audit::CeilingPoint;
use model::record::{Failure, FailureKind, Finished, Outcome, Settings};
use model::{Audit, Missing, Plan};

use super::{Engine, fresh_token};
use crate::auditing::{AuditSeen, Auditing};
use crate::child::WhichEnd;
use crate::connect::Connect;
use crate::ends::TrialError;
use crate::error::EngineError;
use crate::instruments::ceiling;
use crate::instruments::memory_load::{MemoryLoad, Streaming};
use crate::order::TrialOrder;
use crate::protocol::Among;
use crate::trial::Trial;

impl Engine {
    /// Runs one trial; its own failure is an outcome.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`]: the trial in hand is lost.
    pub fn trial(&mut self, order: &TrialOrder) -> Result<(Settings, Outcome), EngineError> {
        self.run(order, false, None)
    }

    /// The same under heavy instruments: no timing of it means anything. An instrument that fails is absent from what was
    /// seen, with the reason.
    ///
    /// # Errors
    /// As [`Engine::trial`].
    pub fn audit_trial(
        &mut self,
        order: &TrialOrder,
        audits: &[Audit],
    ) -> Result<(Settings, Outcome, AuditSeen), EngineError> {
        // The trial borrows the engine, and its instruments the audit.
        let mut copy_audit = self.copy_audit.take();
        let mut auditing = Auditing::new(audits, &mut copy_audit);
        let ran = self.run(order, false, Some(&mut auditing));
        let seen = auditing.end();
        self.copy_audit = copy_audit;
        ran.map(|(settings, outcome)| (settings, outcome, seen))
    }

    /// Measures the copying bandwidth of the CPUs that a plan's cells use, in some seconds.
    ///
    /// # Errors
    /// What could not be had; or that a signal came, which the next trial tells as well.
    pub fn measure_ceiling(&mut self, plan: &Plan) -> Result<Vec<CeilingPoint>, Missing> {
        let mut cpus = Vec::new();
        for cell in plan.cells() {
            let Ok((seats, of_ends)) = self.seat(&cell) else { continue };
            // Of this host's end alone: the ceiling is measured here.
            match (self.there(cell.link), seats.in_use_by_receiver(&of_ends)) {
                (Some(WhichEnd::Sender), Some(here)) => cpus.extend(here),
                _ => cpus.extend(seats.in_use(&of_ends)),
            }
        }
        cpus.sort_unstable();
        cpus.dedup();
        ceiling::measure(&cpus, &|| self.options.interrupts.requested().is_some())
    }

    /// The same, every message rewritten and every byte checked by the receiver: no timing of it means anything.
    ///
    /// # Errors
    /// As [`Engine::trial`].
    pub fn checked_trial(
        &mut self,
        order: &TrialOrder,
    ) -> Result<(Settings, Outcome), EngineError> {
        self.run(order, true, None)
    }

    fn run(
        &mut self,
        order: &TrialOrder,
        check: bool,
        auditing: Option<&mut Auditing<'_>>,
    ) -> Result<(Settings, Outcome), EngineError> {
        let settings = self.settings(order);
        let failure = |kind, why| Outcome::Failed(Failure { kind, why });
        let (seats, cpus, settings) = match settings {
            Ok(seated) => seated,
            Err((settings, kind, why)) => {
                if self.options.interrupts.requested().is_some() {
                    return Err(EngineError::Interrupted);
                }
                self.unless_gone()?;
                return Ok((*settings, failure(kind, why)));
            }
        };
        // The trial borrows the engine, and what streams beside it.
        let memory_load = match self.memory_load_of([&seats]) {
            Ok(memory_load) => memory_load,
            Err(why) => return Ok((settings, failure(FailureKind::Unsupported, why.to_string()))),
        };
        let conducted = (|| {
            if self.options.interrupts.requested().is_some() {
                return Err(TrialError::Interrupted);
            }
            let streaming = MemoryLoad::beside(memory_load.as_ref(), &seats)?;
            let congestion = self.congestion.resolve(&order.cell.congestion);
            let connect = Connect {
                cell: &order.cell,
                seats: &seats,
                cpus: &cpus,
                congestion,
                check,
                windows: 1,
                token: fresh_token()?,
                among: Among::alone(&order.cell),
            };
            let trial = Trial { order, connect };
            let finished = trial.conduct(self.ends(&order.cell)?, auditing)?;
            Ok(Finished { memory_traffic: streaming.map(Streaming::end).transpose()?, ..finished })
        })();
        self.memory_load = memory_load;
        match conducted {
            Ok(mut finished) => {
                // A steady trial has no silence beside it in which this could be read.
                if let Some(there) = &mut finished.receiver_machine {
                    there.idle = self.receiver_idle.clone();
                }
                self.peering.has_measured();
                Ok((settings, Outcome::Finished(Box::new(finished))))
            }
            Err(error) => {
                let (kind, why) = self.given_up(error)?;
                Ok((settings, failure(kind, why)))
            }
        }
    }
}
