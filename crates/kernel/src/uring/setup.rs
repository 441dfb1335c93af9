//! How a ring is made: who polls its submission queue, and when its completions are posted.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::layout::Parameters;
use super::{NEEDED, Ring, layout, refusal};
use crate::error::{Errno, Unavailable};

/// When the work that completes requests is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deferral {
    /// Within the next call of the ring's thread where the kernel knows how to (IORING_SETUP_DEFER_TASKRUN, Linux 6.1) and no other
    /// thread polls; else at once.
    #[default]
    WhereKnown,
    /// Within the next call, or there is no ring.
    Always,
    /// At once: the thread is interrupted.
    Never,
}

/// A thread of the kernel's that polls the submission queue (IORING_SETUP_SQPOLL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    /// Its CPU (IORING_SETUP_SQ_AFF); none: wherever it is put.
    pub cpu: Option<u32>,
    /// How long it looks in vain before it sleeps, in milliseconds; the kernel rounds up to a tick.
    pub idle_ms: u32,
    /// A ring of this process whose thread is to poll this one as well (IORING_SETUP_ATTACH_WQ).
    pub shared_with: Option<RawFd>,
}

/// How a ring is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingSetup {
    /// Who takes what is submitted; none: the call that submits.
    pub polling: Option<Polling>,
    /// When completions are posted.
    pub deferral: Deferral,
}

impl RingSetup {
    /// The flags to try, one after the other: a kernel refuses those that it does not know with EINVAL.
    fn flags(&self) -> &'static [u32] {
        const ONE: u32 = layout::SETUP_SINGLE_ISSUER;
        const DEFERRED: u32 = ONE | layout::SETUP_DEFER_TASKRUN;
        match (self.polling, self.deferral) {
            (Some(Polling { cpu: None, .. }), _) => &[layout::SETUP_SQPOLL],
            (Some(Polling { cpu: Some(_), .. }), _) => {
                &[layout::SETUP_SQPOLL | layout::SETUP_SQ_AFF]
            }
            (None, Deferral::WhereKnown) => &[DEFERRED, 0],
            (None, Deferral::Always) => &[DEFERRED],
            (None, Deferral::Never) => &[ONE, 0],
        }
    }

    /// Why the kernel refused it.
    fn refused(&self, errno: Errno) -> Unavailable {
        match (self.polling, self.deferral, errno.0) {
            (Some(polling), _, _) => refusal::of_polling(polling.cpu, errno),
            (None, Deferral::Always, libc::EINVAL) => {
                refusal::too_old("IORING_SETUP_DEFER_TASKRUN", "6.1")
            }
            _ => refusal::of_setup(errno),
        }
    }
}

impl Ring {
    /// A ring for so many requests at once and so many completions that nobody has taken (more are kept by the kernel,
    /// IORING_FEAT_NODROP, at a price).
    ///
    /// # Errors
    ///
    /// Why there is none, with the remedy: the sysctl `kernel.io_uring_disabled`, a seccomp filter, a kernel that is too old,
    /// limits.
    pub fn new(requests: u32, completions: u32) -> Result<Self, Unavailable> {
        Self::made_so(requests, completions, &RingSetup::default())
    }

    /// The same, made in a way of its own.
    ///
    /// # Errors
    ///
    /// As [`Ring::new`]; a thread that may not poll, or not on its CPU; a deferral that the kernel does not know, or not beside
    /// such a thread.
    pub fn made_so(
        requests: u32,
        completions: u32,
        setup: &RingSetup,
    ) -> Result<Self, Unavailable> {
        if setup.polling.is_some() && setup.deferral == Deferral::Always {
            return Err(refusal::polled_and_deferred());
        }
        let mut parameters = Parameters::default();
        let mut answer = -1;
        for flags in setup.flags() {
            parameters = Parameters {
                flags: flags | layout::SETUP_CLAMP | layout::SETUP_CQSIZE,
                cq_entries: completions.max(requests.saturating_mul(2)).max(2),
                ..Parameters::default()
            };
            if let Some(Polling { cpu, idle_ms, shared_with }) = setup.polling {
                parameters.sq_thread_cpu = cpu.unwrap_or(0);
                parameters.sq_thread_idle = idle_ms;
                if let Some(fd) = shared_with.and_then(|fd| u32::try_from(fd).ok()) {
                    parameters.flags |= layout::SETUP_ATTACH_WQ;
                    parameters.wq_fd = fd;
                }
            }
            // SAFETY: the parameters are live and of the kernel's size.
            answer = unsafe {
                libc::syscall(libc::SYS_io_uring_setup, requests.max(1), &raw mut parameters)
            };
            if answer >= 0 || Errno::last() != Errno(libc::EINVAL) {
                break;
            }
        }
        let fd = libc::c_int::try_from(answer).ok().filter(|fd| *fd >= 0);
        let fd = fd.ok_or_else(|| setup.refused(Errno::last()))?;
        // SAFETY: the descriptor was just made and belongs to no one else. The kernel closes it on exec.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let told = setup.polling.map(|_| NATIVE_WORKERS);
        if let Some((_, name, since)) = NEEDED
            .iter()
            .copied()
            .chain(told)
            .find(|(feature, _, _)| parameters.features & feature == 0)
        {
            return Err(refusal::too_old(name, since));
        }
        Self::mapped(fd, parameters).map_err(|error| Unavailable {
            what: "io_uring".to_owned(),
            because: error.to_string(),
            remedy: "free memory, or raise ulimit -v".into(),
        })
    }

    /// Its descriptor, for [`Polling::shared_with`].
    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Whether the kernel's threads for it are threads of this process, so that their CPU time can be told.
    ///
    /// # Errors
    ///
    /// Since when they are.
    pub fn tells_threads(&self) -> Result<(), Unavailable> {
        let (feature, name, since) = NATIVE_WORKERS;
        if self.parameters.features & feature == 0 {
            return Err(refusal::too_old(name, since));
        }
        Ok(())
    }
}

/// Without it a thread that polls is none of the process's, and nobody could tell what it takes of the CPUs.
const NATIVE_WORKERS: (u32, &str, &str) =
    (layout::FEAT_NATIVE_WORKERS, "IORING_FEAT_NATIVE_WORKERS", "5.12");
