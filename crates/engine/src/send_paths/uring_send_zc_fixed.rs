//! Zero-copy from the registered ring, whose pages are pinned once: one request with an iovec where the kernel takes one from registered
//! memory (IORING_OP_SENDMSG_ZC with IORING_RECVSEND_FIXED_BUF, Linux 6.15), else one IORING_OP_SEND_ZC for each field, linked.
//!
//! IORING_OP_SEND_ZC with IORING_SEND_VECTORIZED and a registered buffer is EINVAL (seen on Linux 6.18).

use kernel::uring::Operation;

use super::uring::{Kind, Uring};

/// Registered pages are passed by reference.
#[derive(Debug)]
pub struct OfSendZcFixed;

impl Kind for OfSendZcFixed {
    const OPERATION: Operation = Operation::SendmsgZcFixed;
    const ELSE: Option<Operation> = Some(Operation::SendZcFixed);
}

/// The path.
pub type UringSendZcFixed = Uring<OfSendZcFixed>;
