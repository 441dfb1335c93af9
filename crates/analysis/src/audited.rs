//! What audits say of a path on a link, over all of its cells that were audited.

use model::audit::Hook;
use model::{Audit, Link, SendPath};

use crate::copies::{PerByte, Step, of_cell, per_byte};
use crate::evidence::Evidence;
use crate::figure_text::{counted, listed, over};
use crate::reference::Reference;

/// A figure is the whole number that it is meant to be within this much.
const NEAR: f64 = 0.05;

/// Whether copies per byte are the whole number that they are meant to be.
pub(crate) fn is_near(copies: f64, whole: f64) -> bool {
    (copies - whole).abs() <= NEAR
}

/// Copies a payload byte at one step, over the cells of one path on one link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    low: f64,
    high: f64,
    /// Of some cell it is what remains, not what was counted.
    eliminated: bool,
    /// Of every cell it can be another figure than the expected one.
    decides: bool,
}

impl Seen {
    fn new(figure: PerByte) -> Self {
        Self {
            low: figure.per_byte,
            high: figure.per_byte,
            eliminated: figure.hook == Hook::Elimination,
            decides: figure.decides,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            eliminated: self.eliminated || other.eliminated,
            decides: self.decides && other.decides,
        }
    }

    pub(crate) fn is(self, copies: f64) -> bool {
        is_near(self.low, copies) && is_near(self.high, copies)
    }

    pub(crate) fn text(self) -> String {
        let (low, high) = (format!("{:.2}", self.low), format!("{:.2}", self.high));
        if low == high { low } else { format!("{low} to {high}") }
    }

    /// `counted`, or what stands in its place.
    pub(crate) const fn how(self) -> &'static str {
        if self.eliminated { "eliminated, not counted" } else { "counted" }
    }

    /// Surely more than so many.
    pub(crate) fn is_above(self, copies: f64) -> bool {
        self.low > copies + NEAR
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            high: self.high + other.high,
            eliminated: self.eliminated || other.eliminated,
            decides: self.decides && other.decides,
        }
    }
}

/// What audits counted of one path on one link.
#[derive(Clone, Debug)]
pub(crate) struct OfPath {
    pub(crate) path: SendPath,
    pub(crate) link: Link,
    pub(crate) cells: usize,
    steps: [Option<Seen>; 3],
    /// What gave each step's figure.
    sources: [Vec<String>; 3],
}

impl OfPath {
    /// None where no cell of it was audited.
    pub(crate) fn new(evidence: &Evidence<'_>, path: SendPath, link: Link) -> Option<Self> {
        let cells: Vec<_> = evidence
            .estimates
            .iter()
            .map(|estimates| &estimates.cell)
            .filter(|cell| cell.send_path == path && cell.link == link && cell.is_itself())
            .filter(|cell| evidence.audits.of(cell, Audit::CopyAudit).is_some())
            .collect();
        let figures = |step: Step| {
            cells.iter().filter_map(move |cell| of_cell(evidence.audits, cell, step).ok())
        };
        let steps = Step::ALL.map(|step| figures(step).map(Seen::new).reduce(Seen::and));
        let sources = Step::ALL.map(|step| {
            let mut sources: Vec<String> =
                figures(step).map(|figure| step.source(figure.hook).to_owned()).collect();
            sources.sort_unstable();
            sources.dedup();
            sources
        });
        let cells = cells.len();
        steps.iter().any(Option::is_some).then_some(Self { path, link, cells, steps, sources })
    }

    pub(crate) const fn of(&self, step: Step) -> Option<Seen> {
        match step {
            Step::In => self.steps[0],
            Step::Deferred => self.steps[1],
            Step::Out => self.steps[2],
        }
    }

    /// The same where it can be another figure than the expected one: what remains of a path that copies is all that was
    /// accepted, however often that was copied.
    pub(crate) fn decided(&self, step: Step) -> Option<Seen> {
        self.of(step).filter(|seen| seen.decides)
    }

    /// What gave a step's figure: `_copy_to_iter`.
    pub(crate) fn source(&self, step: Step) -> String {
        let [copied_in, deferred, copied_out] = &self.sources;
        listed(match step {
            Step::In => copied_in,
            Step::Deferred => deferred,
            Step::Out => copied_out,
        })
    }

    /// Copies on the way out: in, and at delivery. None where one of them was not counted.
    pub(crate) fn on_the_way_out(&self) -> Option<Seen> {
        Some(self.decided(Step::In)?.plus(self.decided(Step::Deferred)?))
    }

    /// `send over loopback: 1.00 copied in, 0.00 copied at delivery and 1.00 copied out a byte (4 cells)`.
    pub(crate) fn text(&self) -> String {
        let steps: Vec<String> = Step::ALL
            .into_iter()
            .filter_map(|step| {
                let seen = self.of(step)?;
                let how = if seen.eliminated { " (eliminated, not counted)" } else { "" };
                Some(format!("{} {}{how}", seen.text(), step.words()))
            })
            .collect();
        let cells = counted(self.cells, "cell", "cells");
        format!("{} {}: {} a byte ({cells})", self.path, over(self.link), listed(&steps))
    }

    /// How it stands among the evidence.
    pub(crate) const fn reference(&self) -> Reference {
        Reference::CopyAudit { path: self.path, link: self.link }
    }
}

/// What audits counted of a path, link by link.
pub(crate) fn of_path(evidence: &Evidence<'_>, path: SendPath) -> Vec<OfPath> {
    Link::ALL.iter().filter_map(|link| OfPath::new(evidence, path, *link)).collect()
}

/// Why steps of a path were not counted in its audit trials, each reason once; none where no cell of it was audited, or
/// all was counted.
pub(crate) fn not_counted(
    evidence: &Evidence<'_>,
    path: SendPath,
    steps: &[Step],
) -> Option<String> {
    let cells = evidence.estimates.iter().map(|estimates| &estimates.cell);
    let mut reasons: Vec<String> = Vec::new();
    for cell in cells.filter(|cell| cell.send_path == path && cell.is_itself()) {
        let Some(audited) = evidence.audits.of(cell, Audit::CopyAudit) else { continue };
        for step in steps {
            if let Err(why) = per_byte(audited, *step).and_then(PerByte::decided) {
                let reason = format!("{} ({why})", step.words());
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
    }
    (!reasons.is_empty()).then(|| listed(&reasons))
}
