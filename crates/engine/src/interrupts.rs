//! Signals that ask to stop.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use crate::child::{Heard, Which};

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

    /// Tells an ear when a signal comes, from one thread that sleeps until then.
    pub(crate) fn forward(self) -> Forward {
        let forward = Forward::default();
        let ear = Arc::clone(&forward.0);
        std::thread::spawn(move || {
            loop {
                match kernel::poll::wait_readable(&self.0, -1) {
                    Ok(_) => break,
                    Err(errno) if errno.is_interrupted() => {}
                    Err(_) => return,
                }
            }
            if let Some(ear) = &*ear.lock().unwrap_or_else(PoisonError::into_inner) {
                // An ear that is gone looks at `requested` before its next trial.
                let _ = ear.send((Which::Sender, Heard::Interrupted));
            }
        });
        forward
    }
}

/// To whom a signal is told: the ear of the ends that run now.
#[derive(Debug, Default)]
pub(crate) struct Forward(Arc<Mutex<Option<Ear>>>);

/// What hears both ends.
type Ear = mpsc::Sender<(Which, Heard)>;

impl Forward {
    /// From now on to this ear.
    pub(crate) fn to(&self, ear: Ear) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ear);
    }
}
