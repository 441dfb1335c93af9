//! The study: rounds of blocks of trials, each journalled as it ends, until the intervals are narrow, the rounds done or
//! the time spent.
//!
//! The study knows no socket and no file format: it asks a [`Bench`] for trials, hands them to the journal, and lets
//! `analysis` judge them and say when it is enough. Everything that it knows of the past it reads from records, so a
//! run that was killed anywhere goes on from its journal.
#![forbid(unsafe_code)]

mod attempts;
mod audits;
mod bench;
mod clock;
mod error;
mod event;
mod forecast;
mod pace;
mod progress;
pub mod resume;
mod round;
mod study;

pub use bench::Bench;
pub use clock::{Clock, SystemClock};
pub use error::StudyError;
pub use event::{Event, FirstRound, OutOfTime};
pub use forecast::{Forecast, forecast, forecast_rest};
pub use study::Study;
