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

    pub(crate) fn csv(file: &'static str, error: csv::Error) -> Self {
        // The error of the write itself, not one that wraps it: a full disk must be told from the rest.
        let text = error.to_string();
        let kind = error.into_kind();
        let source = if let csv::ErrorKind::Io(source) = kind {
            source
        } else {
            std::io::Error::other(text)
        };
        Self { file, source }
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
