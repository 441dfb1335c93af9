//! Tables that other programs wrote of the same experiment, as records.
//!
//! A table's dialect (separator, decimal sign, encoding) is told from its text, each column's meaning and unit from its heading;
//! what may be read in two ways is refused with the flag that settles it. A row becomes a trial whose figures are those that
//! follow from it. Nothing here opens a file.
#![forbid(unsafe_code)]

mod column;
mod dialect;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod heading;
mod import;
mod mapping;
mod number;
mod quotes;
mod ration;
mod reading;
mod repetition;
mod row;
mod unit;
mod words;

pub use column::names;
pub use error::{ForeignError, map_flag};
pub use import::{Import, import};
pub use mapping::Mapping;
pub use number::Decimal;
pub use reading::{Asked, Table, read};
