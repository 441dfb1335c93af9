//! One IORING_OP_SEND_ZC for each field, linked.

use kernel::uring::Operation;

use super::uring::{Kind, Uring};

/// Pages are passed by reference, field by field, each with a notification of its own.
#[derive(Debug)]
pub struct OfSendZc;

impl Kind for OfSendZc {
    const OPERATION: Operation = Operation::SendZc;
}

/// The path.
pub type UringSendZc = Uring<OfSendZc>;
