//! What can go wrong while a derived file is written.

/// A derived file could not be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write {file}: {source}; everything in it can be derived again with `copycost report`"
)]
pub struct ReportError {
    file: &'static str,
    source: std::io::Error,
}

impl ReportError {
    pub(crate) fn new(file: &'static str, source: impl Into<std::io::Error>) -> Self {
        Self { file, source: source.into() }
    }

    /// The file's name inside the run directory.
    pub fn file(&self) -> &'static str {
        self.file
    }

    /// The error of the write itself.
    pub fn io(&self) -> &std::io::Error {
        &self.source
    }
}
