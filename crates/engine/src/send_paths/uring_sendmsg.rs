//! One IORING_OP_SENDMSG with an iovec entry for each field: what `sendmsg` does, through a ring.

use kernel::uring::Operation;

use super::uring::{Kind, Uring};

/// Bytes are copied into the socket, all fields at once.
#[derive(Debug)]
pub struct OfSendmsg;

impl Kind for OfSendmsg {
    const OPERATION: Operation = Operation::Sendmsg;
}

/// The path.
pub type UringSendmsg = Uring<OfSendmsg>;
