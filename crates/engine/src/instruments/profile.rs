//! `profile`: sampled kernel and user stacks of the CPUs in use.

use model::audit::Profile;

use super::Watched;

/// Sampling that has begun; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Profiler {}

impl Profiler {
    /// Samples from here on.
    ///
    /// # Errors
    /// One line: what this machine refuses, with the remedy.
    pub(crate) fn begin(_watched: &Watched) -> Result<Self, String> {
        Err("not built yet".to_owned())
    }

    /// Ends it and names what was sampled.
    ///
    /// # Errors
    /// The samples cannot be read.
    pub(crate) fn end(self) -> Result<Profile, String> {
        Err("not built yet".to_owned())
    }
}

/// Whether this machine allows it; the note names the event.
///
/// # Errors
/// It does not.
pub(crate) fn supported() -> Result<String, kernel::Unavailable> {
    Ok(String::new())
}
