//! One IORING_OP_SENDMSG_ZC with an iovec entry for each field: what `zerocopy` does, through a ring and without SO_ZEROCOPY.

use kernel::uring::Operation;

use super::uring::{Kind, Uring};

/// Pages are passed by reference, all fields at once.
#[derive(Debug)]
pub struct OfSendmsgZc;

impl Kind for OfSendmsgZc {
    const OPERATION: Operation = Operation::SendmsgZc;
}

/// The path.
pub type UringSendmsgZc = Uring<OfSendmsgZc>;
