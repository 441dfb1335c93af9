//! Figures that follow from a row's totals, and what contradicts itself in them.

use analysis::metric::Metric;
use model::record::{Imported, ImportedTotals};
use model::{Cell, Measured};

use super::MOST_GBPS;
use crate::column::{Column, Counted, Whose};
use crate::error::quoted;
use crate::number::whole;
use crate::reading::Used;

const KIB: f64 = 1024.0;

/// What a row tells, in told units.
#[derive(Default)]
pub(super) struct Told<'a> {
    figures: Vec<(&'a Used, Option<f64>)>,
}

/// What is wrong with a row, after the heading of the column that it shows in.
type Wrong = (String, String);

impl<'a> Told<'a> {
    pub(super) fn push(&mut self, used: &'a Used, figure: Option<f64>) {
        self.figures.push((used, figure));
    }

    fn column(&self, column: Column) -> Option<(&'a Used, Option<f64>)> {
        self.figures.iter().find(|(used, _)| used.column == column).copied()
    }

    fn value(&self, column: Column) -> Option<f64> {
        self.column(column)?.1
    }

    fn heading(&self, column: Column) -> String {
        self.column(column).map(|(used, _)| used.heading.clone()).unwrap_or_default()
    }

    fn gbps(&self) -> Option<f64> {
        self.value(Column::Metric(Metric::GoodputGbps)).or_else(|| {
            Some(self.value(Column::Bytes)? * 8.0 / self.value(Column::Duration)? / 1e9)
        })
    }

    /// As the table tells it, else as bytes and throughput make it.
    pub(super) fn duration_s(&self) -> Option<f64> {
        self.value(Column::Duration).or_else(|| {
            let gbps = self.value(Column::Metric(Metric::GoodputGbps)).filter(|it| *it > 0.0)?;
            Some(self.value(Column::Bytes)? * 8.0 / gbps / 1e9)
        })
    }

    fn bytes(&self) -> Option<f64> {
        self.value(Column::Bytes).or_else(|| Some(self.gbps()? * 1e9 / 8.0 * self.duration_s()?))
    }

    /// Whether the row says that nothing passed.
    ///
    /// # Errors
    /// It says so in one column and not in another.
    pub(super) fn nothing_passed(&self) -> Result<bool, Wrong> {
        let goodput = Column::Metric(Metric::GoodputGbps);
        match (self.value(goodput), self.value(Column::Bytes)) {
            (Some(gbps), Some(bytes)) if (gbps == 0.0) != (bytes == 0.0) => Err((
                self.heading(goodput),
                format!(
                    "{gbps} Gbit/s, and {} is {bytes}: one of the two is wrong",
                    quoted(&self.heading(Column::Bytes))
                ),
            )),
            (Some(gbps), _) => Ok(gbps == 0.0),
            (None, Some(bytes)) => Ok(bytes == 0.0),
            (None, None) => Ok(false),
        }
    }

    /// What no machine does is a wrong unit, or a wrong column.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        let goodput = Column::Metric(Metric::GoodputGbps);
        if let Some(gbps) = self.value(goodput).filter(|gbps| *gbps > MOST_GBPS) {
            let what = format!(
                "{gbps:e} Gbit/s is more than any machine moves: is it another unit, or another column's figure?"
            );
            return Err((self.heading(goodput), what));
        }
        if self.value(Column::Duration) == Some(0.0) {
            return Err((
                self.heading(Column::Duration),
                "no time at all: is the unit right?".to_owned(),
            ));
        }
        if let (Some(told), Some(gbps), Some(bytes)) =
            (self.value(Column::Duration), self.value(goodput), self.value(Column::Bytes))
        {
            let made = bytes * 8.0 / gbps / 1e9;
            if !(0.5..=2.0).contains(&(made / told)) {
                let what = format!(
                    "{} over {} take {made:.3} s, and this says {told} s: is a unit wrong, or are columns swapped?",
                    quoted(&self.heading(Column::Bytes)),
                    quoted(&self.heading(goodput))
                );
                return Err((self.heading(Column::Duration), what));
            }
        }
        if let Some(duration) = self.duration_s().filter(|s| !(1e-4..=2.6e6).contains(s)) {
            let column =
                if self.column(Column::Bytes).is_some() { Column::Bytes } else { Column::Duration };
            let what =
                format!("a trial of {duration:e} s: is a unit wrong, or are columns swapped?");
            return Err((self.heading(column), what));
        }
        for whose in [Whose::Sender, Whose::Receiver, Whose::Ends] {
            let total = |counted| self.value(Column::Total(whose, counted));
            if let (Some(cycles), Some(misses)) =
                (total(Counted::Cycles), total(Counted::CacheMisses))
                && misses > cycles
            {
                let what =
                    format!("{misses:e} cache misses in {cycles:e} cycles: are columns swapped?");
                return Err((self.heading(Column::Total(whose, Counted::CacheMisses)), what));
            }
        }
        Ok(())
    }

    /// Every figure that follows; of those whose column is there and empty, why there is none.
    pub(super) fn derive(&self, cell: &Cell, into: &mut Imported) {
        let message = cell.message.bytes().0 as f64;
        let mut put = |metric: Metric, figure: Result<f64, String>| {
            let figure = figure.and_then(|figure| {
                if figure.is_finite() { Ok(figure) } else { Err("it is not finite".to_owned()) }
            });
            into.figures.insert(metric.name().to_owned(), Measured::from(figure));
        };
        let empty = |used: &Used| format!("{} is empty in its row", quoted(&used.heading));
        let has_rate = self.column(Column::Metric(Metric::GoodputGbps)).is_some();
        if has_rate
            || (self.column(Column::Bytes).is_some() && self.column(Column::Duration).is_some())
        {
            let gbps = || self.gbps().ok_or_else(|| "its row tells no throughput".to_owned());
            put(Metric::GoodputGbps, gbps());
            put(Metric::MessagesPerS, gbps().map(|gbps| gbps * 1e9 / 8.0 / message));
        }
        let bytes = self.bytes().ok_or_else(|| {
            "its row tells neither bytes nor both throughput and duration".to_owned()
        });
        let seconds = self.duration_s().ok_or_else(|| {
            "its row tells neither duration nor both bytes and throughput".to_owned()
        });
        for (used, figure) in &self.figures {
            let Column::Total(whose, counted) = used.column else { continue };
            let over = |of: &Result<f64, String>, times: f64| {
                let total = figure.ok_or_else(|| empty(used))?;
                if total == 0.0 && counts_never_nothing(counted) {
                    return Err(format!(
                        "{} is 0 in its row: nothing counted it",
                        quoted(&used.heading)
                    ));
                }
                Ok(total * times / of.clone()?)
            };
            let kib = bytes.clone().map(|bytes| bytes / KIB);
            match (metric_of(whose, counted), counted) {
                (Some(metric), Counted::Cycles | Counted::Instructions) => {
                    put(metric, over(&bytes, 1.0))
                }
                (Some(metric), Counted::ContextSwitches) => put(metric, over(&seconds, 1.0)),
                (Some(metric), Counted::CpuTime) => put(metric, over(&kib, 1e9)),
                (
                    Some(metric),
                    Counted::CacheMisses
                    | Counted::LlcMisses
                    | Counted::L1dMisses
                    | Counted::DtlbMisses,
                ) => put(metric, over(&kib, 1.0)),
                (None, _) => {}
            }
        }
        for (used, figure) in &self.figures {
            // What stands there is told as it stands, before what follows from other columns.
            if let Column::Metric(metric) = used.column {
                if metric == Metric::GoodputGbps && figure.is_none() && self.gbps().is_some() {
                    continue;
                }
                put(metric, figure.ok_or_else(|| empty(used)));
            }
        }
        let cpu =
            |metric: Metric| into.figures.get(metric.name()).and_then(Measured::value).copied();
        if let (Some(sender), Some(receiver)) =
            (cpu(Metric::SenderCpuNsPerKib), cpu(Metric::ReceiverCpuNsPerKib))
        {
            let both = || Measured::Value(sender + receiver);
            let _ =
                into.figures.entry(Metric::EndsCpuNsPerKib.name().to_owned()).or_insert_with(both);
        }
        into.totals = self.totals();
    }

    /// Of both ends where the table counted both, else of the one that it counted.
    fn totals(&self) -> ImportedTotals {
        let total = |counted| {
            [Whose::Ends, Whose::Sender, Whose::Receiver]
                .into_iter()
                .find_map(|whose| self.value(Column::Total(whose, counted)))
                .and_then(whole_or_near)
        };
        ImportedTotals {
            bytes: self.value(Column::Bytes).and_then(whole_or_near),
            cycles: total(Counted::Cycles),
            cache_misses: total(Counted::CacheMisses),
            context_switches: total(Counted::ContextSwitches),
        }
    }
}

/// A total is a whole number, whatever its unit's rounding made of it.
fn whole_or_near(value: f64) -> Option<u64> {
    whole(value.round())
}

/// No trial runs without them.
const fn counts_never_nothing(counted: Counted) -> bool {
    matches!(counted, Counted::Cycles | Counted::Instructions | Counted::CpuTime)
}

/// The figure that a total makes; none where copycost has none.
const fn metric_of(whose: Whose, counted: Counted) -> Option<Metric> {
    match (whose, counted) {
        (Whose::Sender, Counted::Cycles) => Some(Metric::SenderCyclesPerByte),
        (Whose::Receiver, Counted::Cycles) => Some(Metric::ReceiverCyclesPerByte),
        (Whose::Sender, Counted::Instructions) => Some(Metric::SenderInstructionsPerByte),
        (Whose::Receiver, Counted::Instructions) => Some(Metric::ReceiverInstructionsPerByte),
        (Whose::Sender, Counted::CacheMisses) => Some(Metric::SenderCacheMissesPerKib),
        (Whose::Receiver, Counted::CacheMisses) => Some(Metric::ReceiverCacheMissesPerKib),
        (Whose::Sender, Counted::LlcMisses) => Some(Metric::SenderLlcMissesPerKib),
        (Whose::Receiver, Counted::LlcMisses) => Some(Metric::ReceiverLlcMissesPerKib),
        (Whose::Sender, Counted::L1dMisses) => Some(Metric::SenderL1dMissesPerKib),
        (Whose::Receiver, Counted::L1dMisses) => Some(Metric::ReceiverL1dMissesPerKib),
        (Whose::Sender, Counted::DtlbMisses) => Some(Metric::SenderDtlbMissesPerKib),
        (Whose::Receiver, Counted::DtlbMisses) => Some(Metric::ReceiverDtlbMissesPerKib),
        (Whose::Sender, Counted::ContextSwitches) => Some(Metric::SenderContextSwitchesPerS),
        (Whose::Ends, Counted::ContextSwitches) => Some(Metric::ContextSwitchesPerS),
        (Whose::Sender, Counted::CpuTime) => Some(Metric::SenderCpuNsPerKib),
        (Whose::Receiver, Counted::CpuTime) => Some(Metric::ReceiverCpuNsPerKib),
        (Whose::Ends, Counted::CpuTime) => Some(Metric::EndsCpuNsPerKib),
        (
            Whose::Ends,
            Counted::Cycles
            | Counted::Instructions
            | Counted::CacheMisses
            | Counted::LlcMisses
            | Counted::L1dMisses
            | Counted::DtlbMisses,
        )
        | (Whose::Receiver, Counted::ContextSwitches) => None,
    }
}
