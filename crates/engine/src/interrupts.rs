//! Signals that ask to stop.

use std::sync::mpsc;

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

    /// Tells the engine's ear when a signal comes, from a thread that sleeps until then.
    pub(crate) fn report(self, heard: mpsc::Sender<(Which, Heard)>) {
        std::thread::spawn(move || {
            loop {
                match kernel::poll::wait_readable(&self.0, -1) {
                    Ok(_) => break,
                    Err(errno) if errno.is_interrupted() => {}
                    Err(_) => return,
                }
            }
            let _ = heard.send((Which::Sender, Heard::Interrupted));
        });
    }
}
