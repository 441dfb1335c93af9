//! The figures of one trial, kept small.

use std::sync::Arc;

use model::Measured;

use super::Interned;
use crate::figures::Reading;
use crate::metric::Metric;

/// Figures of the control follow the metrics: its goodput, and what both ends cost in it.
const CONTROLS: [Metric; 2] = [Metric::GoodputGbps, Metric::EndsCpuNsPerKib];
const SLOTS: usize = Metric::ALL.len() + CONTROLS.len();
const _: () = assert!(SLOTS <= u64::BITS as usize, "a bit a figure");

/// Why figures are absent, by their slots, ascending.
pub(super) type Absences = Vec<(u8, String)>;

/// Every figure of one trial, or why there is none.
#[derive(Clone, Debug)]
pub(crate) struct TrialFigures {
    /// A bit a slot: whether there is a value.
    has: u64,
    /// The values that there are, by slot.
    values: Box<[f64]>,
    absent: Arc<Absences>,
}

impl TrialFigures {
    /// Those of a reading.
    pub(super) fn of_reading(reading: &Reading<'_>, interned: &mut Interned) -> Self {
        let of_metrics = Metric::ALL.iter().map(|metric| reading.value(*metric));
        let of_control = CONTROLS.iter().map(|metric| reading.control(*metric));
        let (mut has, mut values, mut absent) = (0, Vec::with_capacity(SLOTS), Absences::new());
        for (slot, figure) in (0..).zip(of_metrics.chain(of_control)) {
            match figure {
                Measured::Value(value) => {
                    has |= 1 << slot;
                    values.push(value);
                }
                Measured::Absent { absent: why } => absent.push((slot, why)),
            }
        }
        Self { has, values: values.into_boxed_slice(), absent: interned.absences(absent) }
    }

    /// A metric's.
    pub(crate) fn of(&self, metric: Metric) -> Result<f64, &str> {
        self.at(metric as usize)
    }

    /// The same of the steady window that is the control of a series; absent for all but goodput and what both ends cost.
    pub(crate) fn of_control(&self, metric: Metric) -> Result<f64, &str> {
        match CONTROLS.iter().position(|of| *of == metric) {
            Some(place) => self.at(Metric::ALL.len() + place),
            None => Err("the control gives goodput and the cost of both ends alone"),
        }
    }

    fn at(&self, slot: usize) -> Result<f64, &str> {
        let before = self.has & ((1 << slot) - 1);
        if self.has >> slot & 1 == 1
            && let Some(value) = self.values.get(before.count_ones() as usize)
        {
            return Ok(*value);
        }
        let place = self.absent.binary_search_by_key(&slot, |(slot, _)| usize::from(*slot));
        let why = place.ok().and_then(|place| self.absent.get(place));
        Err(why.map_or("no figure was formed", |(_, why)| why))
    }
}

#[cfg(test)]
mod tests {
    use model::{Plan, Preset};

    use super::*;

    #[test]
    fn what_is_kept_is_what_was_read() {
        let plan = Plan::preset(Preset::Default);
        let mut interned = Interned::default();
        let mut patterns = Vec::new();
        for cell in plan.cells() {
            let trial = synthetic::trial(&cell, 1).build();
            let reading = Reading::new(&trial, None);
            let kept = TrialFigures::of_reading(&reading, &mut interned);
            let same = |kept: Result<f64, &str>, read: Measured<f64>| match (kept, read) {
                (Ok(kept), Measured::Value(read)) => kept.to_bits() == read.to_bits(),
                (Err(kept), Measured::Absent { absent }) => kept == absent,
                (Ok(_), Measured::Absent { .. }) | (Err(_), Measured::Value(_)) => false,
            };
            for metric in Metric::ALL {
                assert!(same(kept.of(*metric), reading.value(*metric)), "{metric:?}");
            }
            for metric in CONTROLS {
                assert!(same(kept.of_control(metric), reading.control(metric)), "{metric:?}");
            }
            assert!(kept.of_control(Metric::RttUs).is_err());
            patterns.push(kept.absent);
        }
        // Cells of one path lack the same figures for the same reasons, which are held once.
        let shared = patterns.windows(2).filter(|pair| Arc::ptr_eq(&pair[0], &pair[1])).count();
        assert!(shared > 0 && patterns.len() > shared);
    }

    #[test]
    fn a_metric_is_its_place() {
        for (place, metric) in Metric::ALL.iter().enumerate() {
            assert_eq!(*metric as usize, place);
        }
    }
}
