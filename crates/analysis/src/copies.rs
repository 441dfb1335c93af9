//! How often the kernel copies a payload byte: by its source, and by the audit.

use model::audit::{Audited, CopiedBytes, CopyCounts, Hook};
use model::record::{Finished, Outcome};
use model::{Audit, Cell, Measured, Missing};
use schemars::JsonSchema;
use serde::Serialize;

use crate::evidence::AuditRecords;

/// Copies a payload byte by the kernel's source: into the socket (`_copy_from_iter`, net/ipv4/tcp.c), at delivery of what
/// was passed by reference (`skb_copy_ubufs`, net/core/skbuff.c), out of the socket (`_copy_to_iter`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) copied_in: f64,
    pub(crate) deferred: f64,
    pub(crate) copied_out: f64,
}

/// What a cell's path and link should copy. A program's own copy (`staged`) is none of the kernel's.
pub(crate) fn expected(cell: &Cell) -> Expected {
    let is = |yes: bool| f64::from(u8::from(yes));
    let by_reference = cell.passes_by_reference();
    Expected {
        copied_in: is(!by_reference),
        deferred: is(by_reference && cell.link.copies_by_reference_on_delivery()),
        copied_out: is(cell.link.has_receiver()),
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

    pub(crate) const fn of(self, expected: &Expected) -> f64 {
        match self {
            Self::In => expected.copied_in,
            Self::Deferred => expected.deferred,
            Self::Out => expected.copied_out,
        }
    }

    const fn counted(self, copies: &CopyCounts) -> &Measured<CopiedBytes> {
        match self {
            Self::In => &copies.copied_in,
            Self::Deferred => &copies.deferred,
            Self::Out => &copies.copied_out,
        }
    }

    /// What gave its figure, by how it was counted.
    pub(crate) const fn source(self, hook: Hook) -> &'static str {
        match (self, hook) {
            (_, Hook::Elimination) => "what was accepted less what was passed by reference",
            (Self::In, _) => "_copy_from_iter",
            (Self::Deferred, _) => "skb_copy_ubufs",
            (Self::Out, Hook::Tracepoint) => "the tracepoint skb:skb_copy_datagram_iovec",
            (Self::Out, Hook::Breakpoint | Hook::Fentry | Hook::Kprobe) => "_copy_to_iter",
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

/// Why what remains decides nothing.
const ELIMINATED: &str = "eliminated, not counted: it is what was accepted less what was passed by reference, so that a second copy could not show; a CPU with breakpoint registers counts _copy_from_iter";

impl PerByte {
    /// Copies per byte, where they were counted.
    ///
    /// # Errors
    /// They were not, and a second copy could not show.
    pub(crate) fn decided(self) -> Result<f64, String> {
        if self.decides { Ok(self.per_byte) } else { Err(ELIMINATED.to_owned()) }
    }
}

const NOT_AUDITED: &str = "the bytes that the kernel copies were not counted";

/// A copy audit that counts both what is copied in and what is copied at delivery.
pub(crate) fn copy_audit() -> Missing {
    Missing::of_itself("a copy audit").unlocked_by("copycost run --audits copy-audit, as root")
}

fn refused_or_not(why: Option<String>) -> String {
    match why {
        Some(why) => format!("the bytes that the kernel copies were not counted: {why}"),
        None => NOT_AUDITED.to_owned(),
    }
}

/// One figure of an audit trial, or why there is none.
pub(crate) fn per_byte(audited: &Audited, step: Step) -> Result<PerByte, String> {
    let absent = |measured: &str| measured.to_owned();
    let copies = match &audited.copies {
        Measured::Value(copies) => copies,
        Measured::Absent { absent: why } => return Err(absent(why)),
    };
    let finished = match &audited.outcome {
        Outcome::Finished(finished) => finished,
        Outcome::Failed(failure) => {
            return Err(format!("the audit trial failed: {}", failure.why));
        }
    };
    let counted = match step.counted(copies) {
        Measured::Value(counted) => counted,
        Measured::Absent { absent: why } => return Err(absent(why)),
    };
    // On the sink nobody receives: what was taken stands for it, and nothing of it may be copied out.
    match step.payload(finished) {
        0 => Err("no byte was sent in the audit trial".to_owned()),
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
) -> Result<PerByte, String> {
    match audits.of(cell, Audit::CopyAudit) {
        Some(audited) => per_byte(audited, step),
        None => Err(refused_or_not(audits.why_cell_not_audited(cell, Audit::CopyAudit))),
    }
}
