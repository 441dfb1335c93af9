//! Both ends of a link: started, greeted, and listened to.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use model::host::OneKernel;
use model::record::{CpuBusy, FailureKind};
use model::{Cell, Measured, Missing, Nanos};

use crate::child::{DYING, EndHandle, EndProcess, FromEnd, WhichEnd};
use crate::interrupts::Forward;
use crate::links::{self, LinkSetup, Raised, Start};
use crate::peering::Peering;
use crate::placement::Seats;
use crate::protocol::{Order, PROTOCOL, Reply};

/// How long an end may take to greet.
pub(crate) const GREETING: Duration = Duration::from_secs(10);

/// How a step of a trial went wrong.
pub(crate) enum TrialError {
    /// A signal asks the whole engine to stop.
    Interrupted,
    /// The trial failed; the ends are not to be trusted any more.
    Failed(FailureKind, String),
}

impl From<String> for TrialError {
    fn from(why: String) -> Self {
        Self::Failed(FailureKind::EndLost, why)
    }
}

/// An end died, hung, or replied what it should not.
pub(crate) fn lost(why: impl Into<String>) -> TrialError {
    TrialError::Failed(FailureKind::EndLost, why.into())
}

/// This machine cannot do it.
pub(crate) fn unsupported(why: impl ToString) -> TrialError {
    TrialError::Failed(FailureKind::Unsupported, why.to_string())
}

/// An end replied something else than it was asked.
pub(crate) fn wrong_reply(which: WhichEnd, phase: &str) -> TrialError {
    lost(format!("{} gave the wrong reply while {phase}", which.name()))
}

/// Why an end that ended like this takes no order. One that could not begin says so and leaves, and what it said may
/// not have been read when the order was sent.
fn why_gone(
    replies: &mpsc::Receiver<(WhichEnd, FromEnd)>,
    which: WhichEnd,
    how: String,
) -> TrialError {
    while let Ok((speaker, said)) = replies.recv_timeout(DYING) {
        match said {
            FromEnd::Interrupted => return TrialError::Interrupted,
            FromEnd::Closed if speaker == which => break,
            FromEnd::Reply(reply) if speaker == which => {
                if let Reply::Failed { kind, why } = *reply {
                    return TrialError::Failed(kind, format!("{}: {why}", which.name()));
                }
            }
            FromEnd::Reply(_) | FromEnd::NoReply(_) | FromEnd::Closed => {}
        }
    }
    lost(how)
}

/// Two ends on a link that is up, and where the replies of both arrive.
pub(crate) struct Ends {
    // Ends first: they leave before their link is lowered.
    pub(crate) sender: EndHandle,
    pub(crate) receiver: EndHandle,
    pub(crate) raised: Box<dyn Raised>,
    replies: mpsc::Receiver<(WhichEnd, FromEnd)>,
    setup: LinkSetup,
    /// Whether both run in one boot, as far as they told: under one kernel, though in network namespaces of their own.
    pub(crate) may_share_kernel: bool,
}

impl Ends {
    /// Raises a cell's link and starts both ends on it.
    ///
    /// # Errors
    /// What this machine refuses, or an end that does not greet.
    pub(crate) fn start(
        cell: &Cell,
        program: &Path,
        peering: &Peering,
        forward: &Forward,
    ) -> Result<Self, TrialError> {
        links::has_what_varies(cell).map_err(unsupported)?;
        let setup = LinkSetup::from(cell);
        // A host that was reached before the run began, and no longer is, may be reached again.
        let refused = |why: Missing| match setup.link.capabilities().has_peer_host {
            true => lost(why.to_string()),
            false => unsupported(why),
        };
        let raised = links::raise(&setup, peering).map_err(refused)?;
        let (sending, replies) = mpsc::channel();
        forward.to(sending.clone());
        let start = |which| match raised.start(which, program) {
            Start::Here(command) => EndProcess::start(which, command, sending.clone())
                .map(EndHandle::Here)
                .map_err(unsupported),
            Start::There(session) => {
                session.start_end(which, sending.clone()).map(EndHandle::There).map_err(lost)
            }
        };
        let sender = start(WhichEnd::Sender)?;
        let receiver = start(WhichEnd::Receiver)?;
        let mut ends = Self { sender, receiver, raised, replies, setup, may_share_kernel: true };
        ends.greet()?;
        Ok(ends)
    }

    /// Whether a cell is measured on this link as it is.
    pub(crate) fn suit(&self, cell: &Cell) -> bool {
        self.setup == LinkSetup::from(cell)
    }

    fn greet(&mut self) -> Result<(), TrialError> {
        let deadline = Instant::now() + GREETING;
        for which in [WhichEnd::Sender, WhichEnd::Receiver] {
            self.order(which, &Order::Hello { protocol: PROTOCOL })?;
        }
        let [one, other] = &[self.greeting(deadline)?, self.greeting(deadline)?];
        let one_kernel = OneKernel::of(one, other);
        self.may_share_kernel = one_kernel != OneKernel::No;
        let link = self.setup.link;
        // The start is ordered as a moment of CLOCK_MONOTONIC, which two boots do not share.
        match (one_kernel, one.value(), other.value()) {
            (OneKernel::No, Some(one), Some(other)) if link.capabilities().has_common_clock => {
                Err(lost(format!(
                    "the ends on link {link} run in two boots, {one} and {other}, and have no common clock; start both on one machine"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The boot of whichever end greets next.
    fn greeting(&mut self, deadline: Instant) -> Result<Measured<String>, TrialError> {
        match self.next_reply(deadline, "greeting")? {
            (_, Reply::Hello { protocol: PROTOCOL, boot_id, .. }) => Ok(boot_id),
            (which, Reply::Hello { protocol, build, .. }) => Err(lost(format!(
                "{} is version {build} with protocol {protocol}, this is protocol {PROTOCOL}; use the same version at both ends",
                which.name()
            ))),
            (which, _) => Err(wrong_reply(which, "greeting")),
        }
    }

    fn end(&mut self, which: WhichEnd) -> &mut EndHandle {
        match which {
            WhichEnd::Sender => &mut self.sender,
            WhichEnd::Receiver => &mut self.receiver,
        }
    }

    /// Sends an end an order.
    ///
    /// # Errors
    /// The end is gone: what it said last, or else how it ended.
    pub(crate) fn order(&mut self, which: WhichEnd, order: &Order) -> Result<(), TrialError> {
        let ordered = self.end(which).order(order);
        ordered.map_err(|how| why_gone(&self.replies, which, how))
    }

    /// The next reply of any end.
    ///
    /// # Errors
    /// A signal, the deadline, or what an end did instead of replying.
    pub(crate) fn next_reply(
        &mut self,
        deadline: Instant,
        phase: &str,
    ) -> Result<(WhichEnd, Reply), TrialError> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.replies.recv_timeout(left) {
            Ok((_, FromEnd::Interrupted)) => Err(TrialError::Interrupted),
            Ok((which, FromEnd::Reply(reply))) => match *reply {
                Reply::Failed { kind, why } => {
                    Err(TrialError::Failed(kind, format!("{} while {phase}: {why}", which.name())))
                }
                reply @ (Reply::Hello { .. }
                | Reply::Idle(_)
                | Reply::Listening(_)
                | Reply::Ready
                | Reply::WindowOver
                | Reply::Paused { .. }
                | Reply::Drained
                | Reply::MachineRead
                | Reply::Finished(_)) => Ok((which, reply)),
            },
            Ok((which, FromEnd::NoReply(text))) => Err(lost(format!(
                "{} said something that is no reply while {phase}: {text:?}",
                which.name()
            ))),
            Ok((which, FromEnd::Closed)) => {
                let how = self.end(which).describe_exit();
                Err(lost(format!("{how} while {phase}")))
            }
            Err(RecvTimeoutError::Timeout) => {
                Err(lost(format!("an end did not answer in time while {phase}")))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(lost(format!("both ends closed their output while {phase}")))
            }
        }
    }

    /// Before the turn of a cell that is seated so.
    ///
    /// # Errors
    /// What this machine refuses.
    pub(crate) fn turn_to(&mut self, seats: &Seats) -> Result<(), TrialError> {
        self.raised.turn_to(seats).map_err(unsupported)
    }

    /// How busy these CPUs of an end's host are while both ends sleep.
    ///
    /// # Errors
    /// As [`Ends::next_reply`].
    pub(crate) fn idle(
        &mut self,
        which: WhichEnd,
        cpus: &[u32],
        span_ns: Nanos,
    ) -> Result<Measured<CpuBusy>, TrialError> {
        const PHASE: &str = "measuring the idle machine";
        self.order(which, &Order::Idle { cpus: cpus.to_vec(), span_ns })?;
        let deadline = Instant::now() + Duration::from_nanos(span_ns.0) + GREETING;
        match self.reply_from(which, deadline, PHASE)? {
            Reply::Idle(busy) => Ok(busy),
            Reply::Hello { .. }
            | Reply::Listening(_)
            | Reply::Ready
            | Reply::WindowOver
            | Reply::Paused { .. }
            | Reply::Drained
            | Reply::MachineRead
            | Reply::Finished(_)
            | Reply::Failed { .. } => Err(wrong_reply(which, PHASE)),
        }
    }

    /// The next reply of one end; the other has nothing to say now.
    ///
    /// # Errors
    /// As [`Ends::next_reply`].
    pub(crate) fn reply_from(
        &mut self,
        which: WhichEnd,
        deadline: Instant,
        phase: &str,
    ) -> Result<Reply, TrialError> {
        match self.next_reply(deadline, phase)? {
            (speaker, reply) if speaker == which => Ok(reply),
            (speaker, _) => {
                Err(lost(format!("{} replied out of turn while {phase}", speaker.name())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why the sending end is gone, where this was said before.
    fn why(said: Vec<(WhichEnd, FromEnd)>) -> TrialError {
        let (sending, replies) = mpsc::channel();
        for one in said {
            sending.send(one).unwrap();
        }
        drop(sending);
        why_gone(&replies, WhichEnd::Sender, "the sending end died (exit status: 0)".to_owned())
    }

    fn refused(which: WhichEnd) -> (WhichEnd, FromEnd) {
        let why = "starting a thread for orders: Resource temporarily unavailable".to_owned();
        (which, FromEnd::Reply(Box::new(Reply::Failed { kind: FailureKind::Unsupported, why })))
    }

    #[test]
    fn an_end_that_left_before_it_was_ordered_is_known_by_what_it_said() {
        use WhichEnd::{Receiver, Sender};
        let said = vec![
            (Receiver, FromEnd::Closed),
            (Sender, FromEnd::Reply(Box::new(Reply::Ready))),
            refused(Sender),
            (Sender, FromEnd::Closed),
        ];
        let TrialError::Failed(FailureKind::Unsupported, why) = why(said) else {
            panic!("it said what refused it")
        };
        assert!(why.contains("the sending end: starting a thread for orders"), "{why}");
    }

    #[test]
    fn what_the_other_end_said_is_no_reason() {
        use WhichEnd::{Receiver, Sender};
        let of = [vec![refused(Receiver), (Sender, FromEnd::Closed)], Vec::new()];
        for said in of {
            let TrialError::Failed(FailureKind::EndLost, why) = why(said) else {
                panic!("it said nothing")
            };
            assert_eq!(why, "the sending end died (exit status: 0)");
        }
    }

    #[test]
    fn a_signal_stays_one() {
        let said = vec![(WhichEnd::Sender, FromEnd::Interrupted)];
        assert!(matches!(why(said), TrialError::Interrupted));
    }
}
