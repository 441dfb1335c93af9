//! Signals that ask to stop.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use crate::child::{FromEnd, WhichEnd};
use crate::threads;

/// Has a full file be told as one, and not end the program (`ulimit -f`).
///
/// # Errors
/// One line; none in practice.
pub fn survive_file_size_limit() -> Result<(), String> {
    kernel::signal::survive_file_size_limit().map_err(|error| error.to_string())
}

/// Notices Ctrl-C and SIGTERM. The first is noted, so that what was measured is kept; the second leaves at once.
#[derive(Clone, Copy, Debug)]
pub struct Interrupts(kernel::signal::Interrupts);

impl Interrupts {
    /// Installs the handlers.
    ///
    /// # Errors
    /// One line.
    pub fn install() -> Result<Self, String> {
        kernel::signal::Interrupts::install().map(Self).map_err(|error| error.to_string())
    }

    /// The signal that came first, if one has.
    pub fn requested(&self) -> Option<i32> {
        self.0.requested()
    }

    /// Forwards a signal to whoever waits for replies, from one thread that sleeps until it comes.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn forward(self) -> Result<Forward, String> {
        let forward = Forward::default();
        let replies = Arc::clone(&forward.0);
        threads::start("signals", "a thread for signals", move || {
            loop {
                match kernel::poll::wait_readable(&self.0, -1) {
                    Ok(_) => break,
                    Err(errno) if errno.is_interrupted() => {}
                    Err(_) => return,
                }
            }
            if let Some(replies) = &*replies.lock().unwrap_or_else(PoisonError::into_inner) {
                // Where nobody waits now, `requested` is looked at before the next trial.
                let _ = replies.send((WhichEnd::Sender, FromEnd::Interrupted));
            }
        })?;
        Ok(forward)
    }
}

/// Where the replies of the ends that run now arrive; a signal is told there too.
type Replies = mpsc::Sender<(WhichEnd, FromEnd)>;

/// To whom a signal is forwarded.
#[derive(Debug, Default)]
pub(crate) struct Forward(Arc<Mutex<Option<Replies>>>);

impl Forward {
    /// From now on to these.
    pub(crate) fn to(&self, replies: Replies) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(replies);
    }
}
