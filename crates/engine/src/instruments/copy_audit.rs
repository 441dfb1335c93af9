//! `copy-audit`: bytes copied by kernel function, direction and process, and system calls as the kernel counts them.

use model::Measured;
use model::audit::{CallCounts, CopyCounts};

use super::Watched;

/// Loaded and attached once; asked between trials.
#[derive(Debug)]
pub(crate) struct CopyAudit {}

impl CopyAudit {
    /// Loads and attaches whatever this machine allows.
    ///
    /// # Errors
    /// Nothing of it could be had: one line, with the remedy.
    pub(crate) fn open() -> Result<Self, String> {
        Err("not built yet".to_owned())
    }

    /// Counts from here on.
    ///
    /// # Errors
    /// The counts cannot be read or reset.
    pub(crate) fn begin(&mut self, _watched: &Watched) -> Result<(), String> {
        Err("not built yet".to_owned())
    }

    /// What was counted since [`Self::begin`].
    pub(crate) fn end(&mut self) -> (Measured<CopyCounts>, Measured<CallCounts>) {
        (Measured::absent("not built yet"), Measured::absent("not built yet"))
    }
}

/// Whether anything of it can be had here, and what of it; the note says how each figure would be counted.
///
/// # Errors
/// Nothing can be had.
pub(crate) fn supported() -> Result<String, kernel::Unavailable> {
    Ok(String::new())
}
