//! The cells of a block in turns.

use model::Cell;
use model::record::{Failure, FailureKind, Outcome, SeriesSettings, Settings};

use super::{Engine, fresh_token};
use crate::connect::Connect;
use crate::error::EngineError;
use crate::order::SeriesOrder;
use crate::protocol::Among;
use crate::series::{Series, SeriesError, SliceSeen};

impl Engine {
    /// Measures the cells of a block in turns, each over connections and memory of its own. A cell's own failure is its
    /// outcome, and ends the series: cells without an outcome were not measured and may be asked for again.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`]: the series in hand is lost.
    pub fn series(
        &mut self,
        order: &SeriesOrder,
    ) -> Result<Vec<Option<(Settings, Outcome)>>, EngineError> {
        self.series_seen(order, &mut |_| ())
    }

    /// The same; `seen` is told of each slice that counts in the silence after it, which lasts until it returns.
    ///
    /// # Errors
    /// As [`Engine::series`].
    pub fn series_seen(
        &mut self,
        order: &SeriesOrder,
        seen: &mut dyn FnMut(SliceSeen),
    ) -> Result<Vec<Option<(Settings, Outcome)>>, EngineError> {
        let mut outcomes: Vec<Option<(Settings, Outcome)>> = vec![None; order.cells.len()];
        let failure = |kind, why| Outcome::Failed(Failure { kind, why });
        let mut seated = Vec::with_capacity(order.cells.len());
        for (cell, outcome) in order.cells.iter().zip(&mut outcomes) {
            match self.settings(&order.of_one(cell)) {
                Ok(one) => seated.push(one),
                Err((settings, kind, why)) => {
                    *outcome = Some((*settings, failure(kind, why)));
                }
            }
        }
        if self.options.interrupts.requested().is_some() {
            self.ends = None;
            return Err(EngineError::Interrupted);
        }
        self.unless_gone()?;
        let Some(first) = order.cells.first().filter(|_| seated.len() == order.cells.len()) else {
            return Ok(outcomes);
        };
        let memory_load = match self.memory_load_of(seated.iter().map(|(seats, ..)| seats)) {
            Ok(memory_load) => memory_load,
            Err(why) => {
                for (outcome, (seats, _, set)) in outcomes.iter_mut().zip(&seated) {
                    let needs_it = seats.memory_load.is_some();
                    *outcome = needs_it
                        .then(|| (set.clone(), failure(FailureKind::Unsupported, why.to_string())));
                }
                return Ok(outcomes);
            }
        };
        let flows = order.cells.iter().map(Cell::connections).sum();
        let of_all = |error| SeriesError { cell: None, error };
        let here = self.cpus.usable.clone();
        let mut series = Series {
            order,
            here: &here,
            connect: Vec::with_capacity(order.cells.len()),
            memory_load: memory_load.as_ref(),
        };
        let conducted = fresh_token().map_err(of_all).and_then(|token| {
            let mut first_flow = 0;
            for (cell, (seats, cpus, _)) in order.cells.iter().zip(&seated) {
                series.connect.push(Connect {
                    cell,
                    seats,
                    cpus,
                    congestion: self.congestion.resolve(&cell.congestion),
                    check: false,
                    windows: order.windows(),
                    token,
                    among: Among { first: first_flow, flows },
                });
                first_flow += cell.connections();
            }
            series.conduct(self.ends(first).map_err(of_all)?, seen)
        });
        let of_series: Vec<SeriesSettings> =
            (0..order.cells.len()).map(|place| series.settings(place)).collect();
        self.memory_load = memory_load;
        let settings = |place: usize, settings: &Settings| Settings {
            series: of_series.get(place).cloned(),
            ..settings.clone()
        };
        match conducted {
            Ok(finished) => {
                for (place, ((of_cell, outcome), (_, _, set))) in
                    finished.into_iter().zip(&mut outcomes).zip(&seated).enumerate()
                {
                    let finished = Outcome::Finished(Box::new(of_cell));
                    *outcome = Some((settings(place, set), finished));
                }
                self.peering.has_measured();
                Ok(outcomes)
            }
            Err(SeriesError { cell, error }) => {
                let (kind, why) = self.given_up(error)?;
                for (place, (outcome, (_, _, set))) in outcomes.iter_mut().zip(&seated).enumerate()
                {
                    if cell.is_none_or(|cell| cell == place) {
                        *outcome = Some((settings(place, set), failure(kind, why.clone())));
                    }
                }
                Ok(outcomes)
            }
        }
    }
}
