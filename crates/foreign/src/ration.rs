//! A reader that gives out so much a row, so that a line, a quoted field or comments without an end cannot fill the memory.

use std::io::{self, Read};

/// No row is longer than this, in bytes, with the blank lines and comments before it.
pub(crate) const LONGEST_ROW: u64 = 1 << 20;

const NO_END: &str = "no row ends within 1 MiB from here: close its quote, or name a CSV file";

/// Gives out [`LONGEST_ROW`] bytes a row, and then an error.
pub(crate) struct Rationed<R> {
    input: R,
    left: u64,
}

impl<R: Read> Rationed<R> {
    pub(crate) const fn new(input: R) -> Self {
        Self { input, left: LONGEST_ROW }
    }

    /// A row begins; what the reader above holds in its buffer already is free.
    pub(crate) const fn begin_row(&mut self) {
        self.left = LONGEST_ROW;
    }
}

impl<R: Read> Read for Rationed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::new(io::ErrorKind::InvalidData, NO_END)),
        }
        Ok(count)
    }
}
