//! `ceiling`: copying bandwidth of the CPUs in use, by routine and working set.

use model::audit::CeilingPoint;

/// Measures it, in a few seconds at most.
///
/// # Errors
/// One line: what could not be had, with the remedy.
pub(crate) fn measure(_cpus: &[u32]) -> Result<Vec<CeilingPoint>, String> {
    Err("not built yet".to_owned())
}

/// Whether this machine can.
///
/// # Errors
/// As [`measure`].
pub(crate) fn supported() -> Result<(), kernel::Unavailable> {
    Ok(())
}
