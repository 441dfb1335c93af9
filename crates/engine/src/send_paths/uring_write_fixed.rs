//! One IORING_OP_WRITE_FIXED for each field, linked, from the registered ring: the copying control of `uring-send-zc-fixed`.

use kernel::uring::Operation;

use super::uring::{Kind, Uring};

/// Bytes of registered memory are copied into the socket, field by field. A write that took less than its field ends the chain.
#[derive(Debug)]
pub struct OfWriteFixed;

impl Kind for OfWriteFixed {
    const OPERATION: Operation = Operation::WriteFixed;
}

/// The path.
pub type UringWriteFixed = Uring<OfWriteFixed>;
