//! One IORING_OP_SEND for each field, linked: what `send` does, by one call a message.

use kernel::uring::Operation;

use super::uring::{Kind, Uring};

/// Bytes are copied into the socket, field by field.
#[derive(Debug)]
pub struct OfSend;

impl Kind for OfSend {
    const OPERATION: Operation = Operation::Send;
}

/// The path.
pub type UringSend = Uring<OfSend>;
