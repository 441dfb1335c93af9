//! How often the kernel copies a payload byte: by its source, and by the audit.

use model::audit::{Audited, CopiedBytes, CopyCounts, Hook};
use model::host::Host;
use model::record::{Finished, Outcome, ReceiveTally};
use model::{Audit, Cell, Link, Measured, Missing, RunCommand, TakenBytes};
use schemars::JsonSchema;
use serde::Serialize;

use crate::delivery::{Delivery, Unforeseen};
use crate::evidence::{AuditRecords, Evidence};
use crate::reason::Reason;

/// Copies a payload byte by the kernel's source: into the socket (`_copy_from_iter`, net/ipv4/tcp.c and net/unix/af_unix.c), at delivery of what
/// was passed by reference with a notification (`skb_copy_ubufs`, net/core/skbuff.c), out of the socket (`_copy_to_iter`).
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Into the socket.
    pub copied_in: f64,
    /// Packets are copied whole: what was copied in and travels beside pages passed by reference is copied again. Else why nobody
    /// knows beforehand what delivery does.
    pub deferred: Result<f64, Unforeseen>,
    /// The same where no such byte does.
    pub least_deferred: f64,
    /// Out of the socket.
    pub copied_out: f64,
}

/// Share of the bytes that receivers took which was mapped; 0 where they took none.
pub(crate) fn mapped_share(tally: &ReceiveTally) -> f64 {
    match tally.received_bytes {
        0 => 0.0,
        received => tally.mapped_bytes as f64 / received as f64,
    }
}

/// What an audit trial should have copied, on these hosts.
pub(crate) fn expected_of(audited: &Audited, host: &Host) -> Expected {
    let mapped = match &audited.outcome {
        Outcome::Finished(finished) => mapped_share(&finished.receiver.total),
        Outcome::Failed(_) | Outcome::Imported(_) => 0.0,
    };
    expected(&audited.cell, mapped, &Delivery::of_cell(host, &audited.cell))
}

/// What a cell's paths and link should copy, where the receivers mapped this share of what they took. A program's own copy
/// (`staged`) is none of the kernel's.
pub fn expected(cell: &Cell, mapped: f64, delivery: &Delivery) -> Expected {
    let by_reference = cell.share_by_reference();
    let is_notified = cell.send_path.capabilities().gets_notifications;
    let (deferred, least_deferred) = match delivery {
        // The kernel's own pages go to the receiver as they are.
        _ if !cell.passes_by_reference() => (Ok(0.0), 0.0),
        Delivery::Copied if is_notified => (Ok(1.0), by_reference),
        Delivery::Copied | Delivery::Left => (Ok(0.0), 0.0),
        Delivery::Unforeseen(why) => (Err(why.clone()), 0.0),
    };
    Expected {
        copied_in: 1.0 - by_reference,
        deferred,
        least_deferred,
        copied_out: match cell.receive_path.capabilities().taken {
            _ if !cell.link.has_receiver() => 0.0,
            TakenBytes::Copied => 1.0,
            TakenBytes::Mapped => 1.0 - mapped,
            TakenBytes::Dropped => 0.0,
        },
    }
}

/// One of the three places where bytes are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Into the socket, by the sender's call.
    In,
    /// At delivery, of what was passed by reference.
    Deferred,
    /// Out of the socket, by the receiver's call.
    Out,
}

impl Step {
    pub(crate) const ALL: [Self; 3] = [Self::In, Self::Deferred, Self::Out];

    /// Its name.
    pub const fn words(self) -> &'static str {
        match self {
            Self::In => "copied in",
            Self::Deferred => "copied at delivery",
            Self::Out => "copied out",
        }
    }

    /// None where nobody knows it beforehand.
    pub(crate) const fn of(self, expected: &Expected) -> Option<f64> {
        match self {
            Self::In => Some(expected.copied_in),
            Self::Deferred => match &expected.deferred {
                Ok(deferred) => Some(*deferred),
                Err(_) => None,
            },
            Self::Out => Some(expected.copied_out),
        }
    }

    /// Copies a payload byte that are as they should be, from the least to the most; likewise.
    pub(crate) fn range(self, expected: &Expected) -> Option<(f64, f64)> {
        let most = self.of(expected)?;
        Some(match self {
            Self::Deferred => (expected.least_deferred, most),
            Self::In | Self::Out => (most, most),
        })
    }

    const fn counted(self, copies: &CopyCounts) -> &Measured<CopiedBytes> {
        match self {
            Self::In => &copies.copied_in,
            Self::Deferred => &copies.deferred,
            Self::Out => &copies.copied_out,
        }
    }

    /// The bytes that it is divided by: what was accepted, or what was received.
    const fn payload(self, finished: &Finished) -> u64 {
        match self {
            Self::In | Self::Deferred => finished.sender.total.accepted_bytes,
            Self::Out => finished.receiver.total.received_bytes,
        }
    }
}

/// Copies a payload byte as an audit counted them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PerByte {
    pub(crate) per_byte: f64,
    pub(crate) hook: Hook,
    /// Whether it can be another figure than the expected one: what remains of a path that passes nothing by reference is
    /// all that was accepted, however often that was copied.
    pub(crate) decides: bool,
}

/// Why an audit has no figure of a step that could be another than the expected one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum NotCounted {
    /// What remains of what was accepted stands for it, so that a second copy could not show.
    Eliminated,
    /// The audit trial failed.
    TrialFailed {
        /// As the journal has it.
        why: String,
    },
    /// The cell was not audited.
    NotAudited {
        /// Why, where it was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// No byte was sent in the audit trial.
    NoByte,
    /// It was counted, and nobody knows beforehand what it should be.
    Unforeseen {
        /// Why.
        why: Unforeseen,
    },
    /// What the audit gave as its reason.
    Quoted {
        /// As the journal has it.
        text: String,
    },
}

impl NotCounted {
    fn quoted(text: &str) -> Self {
        Self::Quoted { text: text.to_owned() }
    }

    /// What an audit that was made lacks; none where there was none of the cell.
    fn because(&self) -> Option<String> {
        Some(match self {
            Self::Eliminated => "told by elimination alone".to_owned(),
            Self::TrialFailed { why: text } | Self::Quoted { text } => {
                format!("not counted: {text}")
            }
            Self::NoByte => "not counted: no byte was sent".to_owned(),
            Self::Unforeseen { .. } => {
                "counted, and nobody knows beforehand what it should be".to_owned()
            }
            Self::NotAudited { .. } => return None,
        })
    }
}

impl PerByte {
    /// Copies per byte, where they were counted.
    ///
    /// # Errors
    /// They were not, and a second copy could not show.
    pub(crate) fn decided(self) -> Result<f64, NotCounted> {
        if self.decides { Ok(self.per_byte) } else { Err(NotCounted::Eliminated) }
    }
}

/// How a copy audit is called where it is missing.
pub(crate) const AUDIT: &str = "a copy audit";

/// A copy audit that counts what is lacking: the first step that this run's did not count of the cells in question, and why. Who has
/// just audited is not told to; between two hosts no audit counts both ends.
pub(crate) fn copy_audit(evidence: &Evidence<'_>, lacking: Option<(Step, &NotCounted)>) -> Missing {
    let audits = evidence.audits;
    if evidence.host.peer().is_some() {
        return audits.or_why(Audit::CopyAudit, AUDIT, both_audits());
    }
    let audit = Missing::of_itself(AUDIT);
    if !audits.has_tried(Audit::CopyAudit) {
        return audit.unlocked_by(RunCommand::new("--audits copy-audit").saying(", as root"));
    }
    let ask = match lacking.and_then(|(step, why)| Some((step, why.because()?))) {
        Some((step, why)) => audit.because(format!("{} {why}", step.words())).unlocked_by(
            "the same run on a kernel with kprobes or fentry and a CPU with breakpoint registers",
        ),
        None => audit.because("this run's was of other cells").unlocked_by(
            RunCommand::new("--send send,sendmsg,zerocopy --audits copy-audit").saying(", as root"),
        ),
    };
    audits.or_why(Audit::CopyAudit, AUDIT, ask)
}

/// A copy audit that agrees with itself, where this run counted what does not.
pub(crate) fn idle_audit() -> Missing {
    Missing::of_itself("a copy audit of an idle machine")
        .because("this run's counts are not whole copies a byte, or not those of the completions")
        .unlocked_by("the same run while nothing else runs, on a kernel with kprobes or fentry and a CPU with breakpoint registers")
}

/// The first step that was not counted, among reasons.
pub(crate) fn lacking(reasons: &[Reason]) -> Option<(Step, &NotCounted)> {
    reasons.iter().find_map(|reason| {
        let Reason::StepNotCounted { step, why } = reason else { return None };
        Some((*step, why))
    })
}

/// Of a run between two hosts: an audit counts in the kernel of the host that runs it, and no run has those of both.
pub(crate) fn both_audits() -> Missing {
    Missing::of_itself("a copy audit of both ends of one run").unlocked_by(
        RunCommand::new("--audits copy-audit").over(&[Link::LIKE_TWO_HOSTS]).saying(", as root"),
    )
}

/// One figure of an audit trial, or why there is none.
pub(crate) fn per_byte(audited: &Audited, step: Step) -> Result<PerByte, NotCounted> {
    let copies = match &audited.copies {
        Measured::Value(copies) => copies,
        Measured::Absent { absent: why } => return Err(NotCounted::quoted(why)),
    };
    let finished = match &audited.outcome {
        Outcome::Finished(finished) => finished,
        Outcome::Failed(failure) => {
            return Err(NotCounted::TrialFailed { why: failure.why.clone() });
        }
        Outcome::Imported(_) => return Err(NotCounted::NoByte),
    };
    let counted = match step.counted(copies) {
        Measured::Value(counted) => counted,
        Measured::Absent { absent: why } => return Err(NotCounted::quoted(why)),
    };
    // On the sink nobody receives: what was taken stands for it, and nothing of it may be copied out.
    match step.payload(finished) {
        0 => Err(NotCounted::NoByte),
        bytes => Ok(PerByte {
            per_byte: counted.bytes as f64 / bytes as f64,
            hook: counted.hook,
            decides: counted.hook != Hook::Elimination || audited.cell.passes_by_reference(),
        }),
    }
}

/// The same of the last audit trial of a cell.
pub(crate) fn of_cell(
    audits: &AuditRecords<'_>,
    cell: &Cell,
    step: Step,
) -> Result<PerByte, NotCounted> {
    match audits.of(cell, Audit::CopyAudit) {
        Some(audited) => per_byte(audited, step),
        None => {
            Err(NotCounted::NotAudited { why: audits.why_cell_not_audited(cell, Audit::CopyAudit) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_copies_in_and_out_and_what_is_passed_by_reference_out_alone() {
        let of = |id: &str| {
            let cell: Cell = id.parse().unwrap();
            let delivery = Delivery::of(&synthetic::host(), cell.link);
            let expected = expected(&cell, 0.0, &delivery);
            [expected.copied_in, expected.deferred.unwrap(), expected.copied_out]
        };
        assert_eq!(of("send=sendmsg link=unix"), [1.0, 0.0, 1.0]);
        assert_eq!(of("send=sendfile link=unix"), [0.0, 0.0, 1.0]);
        assert_eq!(of("send=zerocopy"), [0.0, 1.0, 1.0]);
    }
}
