//! What of `include/uapi/linux/io_uring.h` is used here.

/// `struct io_sqring_offsets`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SubmissionOffsets {
    pub(super) head: u32,
    pub(super) tail: u32,
    pub(super) ring_mask: u32,
    pub(super) ring_entries: u32,
    pub(super) flags: u32,
    pub(super) dropped: u32,
    pub(super) array: u32,
    pub(super) resv1: u32,
    pub(super) user_addr: u64,
}

/// `struct io_cqring_offsets`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CompletionOffsets {
    pub(super) head: u32,
    pub(super) tail: u32,
    pub(super) ring_mask: u32,
    pub(super) ring_entries: u32,
    pub(super) overflow: u32,
    pub(super) cqes: u32,
    pub(super) flags: u32,
    pub(super) resv1: u32,
    pub(super) user_addr: u64,
}

/// `struct io_uring_params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parameters {
    pub(super) sq_entries: u32,
    pub(super) cq_entries: u32,
    pub(super) flags: u32,
    pub(super) sq_thread_cpu: u32,
    pub(super) sq_thread_idle: u32,
    pub(super) features: u32,
    pub(super) wq_fd: u32,
    pub(super) resv: [u32; 3],
    pub(super) sq_off: SubmissionOffsets,
    pub(super) cq_off: CompletionOffsets,
}

/// `struct io_uring_sqe`, as far as sends and receives use it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Submission {
    pub(super) opcode: u8,
    pub(super) flags: u8,
    /// Flags of a send's own (IORING_RECVSEND_…).
    pub(super) ioprio: u16,
    pub(super) fd: i32,
    pub(super) off: u64,
    pub(super) addr: u64,
    pub(super) len: u32,
    pub(super) msg_flags: u32,
    pub(super) user_data: u64,
    /// Or the group of provided buffers (`buf_group`).
    pub(super) buf_index: u16,
    pub(super) personality: u16,
    pub(super) file_index: u32,
    pub(super) addr3: u64,
    pub(super) pad: u64,
}

/// `struct io_uring_cqe`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CompletionEntry {
    pub(super) user_data: u64,
    pub(super) res: i32,
    pub(super) flags: u32,
}

/// `struct io_uring_getevents_arg`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WaitArgument {
    pub(super) sigmask: u64,
    pub(super) sigmask_sz: u32,
    pub(super) pad: u32,
    pub(super) ts: u64,
}

/// `struct io_uring_buf_reg`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BufferRegistration {
    pub(super) ring_addr: u64,
    pub(super) ring_entries: u32,
    pub(super) bgid: u16,
    pub(super) flags: u16,
    pub(super) resv: [u64; 3],
}

/// `struct io_uring_buf`. Where the first one has `resv`, the ring has its tail (`struct io_uring_buf_ring`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProvidedBuffer {
    pub(super) addr: u64,
    pub(super) len: u32,
    pub(super) bid: u16,
    pub(super) resv: u16,
}

/// `struct __kernel_timespec`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Time {
    pub(super) seconds: i64,
    pub(super) nanoseconds: i64,
}

/// `struct io_uring_probe_op`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProbedOperation {
    pub(super) op: u8,
    pub(super) resv: u8,
    pub(super) flags: u16,
    resv2: u32,
}

/// `struct io_uring_probe` with room for all operations.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct ProbeAnswer {
    pub(super) last_op: u8,
    pub(super) ops_len: u8,
    pub(super) resv: u16,
    resv2: [u32; 3],
    pub(super) ops: [ProbedOperation; 256],
}

impl Default for ProbeAnswer {
    fn default() -> Self {
        Self {
            last_op: 0,
            ops_len: 0,
            resv: 0,
            resv2: [0; 3],
            ops: [ProbedOperation::default(); 256],
        }
    }
}

const _: () = {
    assert!(size_of::<SubmissionOffsets>() == 40 && size_of::<CompletionOffsets>() == 40);
    assert!(size_of::<Parameters>() == 120);
    assert!(size_of::<Submission>() == 64 && size_of::<CompletionEntry>() == 16);
    assert!(size_of::<WaitArgument>() == 24 && size_of::<Time>() == 16);
    assert!(size_of::<BufferRegistration>() == 40 && size_of::<ProvidedBuffer>() == 16);
    assert!(size_of::<ProbedOperation>() == 8 && size_of::<ProbeAnswer>() == 16 + 256 * 8);
};

pub(super) const SETUP_SQPOLL: u32 = 1 << 1;
pub(super) const SETUP_SQ_AFF: u32 = 1 << 2;
pub(super) const SETUP_CQSIZE: u32 = 1 << 3;
pub(super) const SETUP_CLAMP: u32 = 1 << 4;
pub(super) const SETUP_ATTACH_WQ: u32 = 1 << 5;
pub(super) const SETUP_SINGLE_ISSUER: u32 = 1 << 12;
pub(super) const SETUP_DEFER_TASKRUN: u32 = 1 << 13;

pub(super) const FEAT_SINGLE_MMAP: u32 = 1 << 0;
pub(super) const FEAT_NODROP: u32 = 1 << 1;
pub(super) const FEAT_SUBMIT_STABLE: u32 = 1 << 2;
pub(super) const FEAT_FAST_POLL: u32 = 1 << 5;
pub(super) const FEAT_EXT_ARG: u32 = 1 << 8;
pub(super) const FEAT_NATIVE_WORKERS: u32 = 1 << 9;
pub(super) const FEAT_RECVSEND_BUNDLE: u32 = 1 << 14;

pub(super) const OFF_RINGS: libc::off_t = 0;
pub(super) const OFF_SQES: libc::off_t = 0x1000_0000;

pub(super) const ENTER_GETEVENTS: u32 = 1 << 0;
pub(super) const ENTER_SQ_WAKEUP: u32 = 1 << 1;
pub(super) const ENTER_EXT_ARG: u32 = 1 << 3;

pub(super) const SQ_NEED_WAKEUP: u32 = 1 << 0;

pub(super) const REGISTER_BUFFERS: u32 = 0;
pub(super) const REGISTER_FILES: u32 = 2;
pub(super) const REGISTER_PROBE: u32 = 8;
pub(super) const REGISTER_PBUF_RING: u32 = 22;
pub(super) const OP_SUPPORTED: u16 = 1 << 0;

pub(super) const SQE_FIXED_FILE: u8 = 1 << 0;
pub(super) const SQE_IO_LINK: u8 = 1 << 2;
pub(super) const SQE_BUFFER_SELECT: u8 = 1 << 5;

pub(super) const OP_WRITE_FIXED: u8 = 5;
pub(super) const OP_SENDMSG: u8 = 9;
pub(super) const OP_SEND: u8 = 26;
pub(super) const OP_RECV: u8 = 27;
pub(super) const OP_SEND_ZC: u8 = 47;
pub(super) const OP_SENDMSG_ZC: u8 = 48;

pub(super) const RECV_MULTISHOT: u16 = 1 << 1;
pub(super) const RECVSEND_FIXED_BUF: u16 = 1 << 2;
pub(super) const SEND_ZC_REPORT_USAGE: u16 = 1 << 3;
pub(super) const RECVSEND_BUNDLE: u16 = 1 << 4;

pub(super) const CQE_F_BUFFER: u32 = 1 << 0;
pub(super) const CQE_F_MORE: u32 = 1 << 1;
pub(super) const CQE_F_NOTIF: u32 = 1 << 3;
pub(super) const CQE_BUFFER_SHIFT: u32 = 16;
pub(super) const NOTIF_USAGE_ZC_COPIED: u32 = 1 << 31;
