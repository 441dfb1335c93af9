//! What audits say of a path on a link, over all of its cells that were audited.

use crate::operands::OfPath;
use crate::operands::Seen;
use std::collections::BTreeMap;

use model::audit::Hook;
use model::{Audit, Link, SendPath};

use crate::copies::{PerByte, Step, of_cell, per_byte};
use crate::evidence::Evidence;
use crate::reason::Reason;
use crate::reference::Reference;

/// A figure is the whole number that it is meant to be within this much.
const NEAR: f64 = 0.05;

/// Whether copies per byte are the whole number that they are meant to be.
pub(crate) fn is_near(copies: f64, whole: f64) -> bool {
    (copies - whole).abs() <= NEAR
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

    /// `1.00`, or `0.98 to 1.00`.
    pub fn text(self) -> String {
        let (low, high) = (format!("{:.2}", self.low), format!("{:.2}", self.high));
        if low == high { low } else { format!("{low} to {high}") }
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

impl OfPath {
    /// None where no cell of it was audited.
    pub(crate) fn new(evidence: &Evidence<'_>, path: SendPath, link: Link) -> Option<Self> {
        let cells: Vec<_> = evidence
            .cells_of(path)
            .filter(|cell| cell.link == link)
            .filter(|cell| evidence.audits.of(cell, Audit::CopyAudit).is_some())
            .collect();
        let figures = |step: Step| {
            cells.iter().filter_map(move |cell| of_cell(evidence.audits, cell, step).ok())
        };
        let seen = |step: Step| Some((step, figures(step).map(Seen::new).reduce(Seen::and)?));
        let steps: BTreeMap<Step, Seen> = Step::ALL.into_iter().filter_map(seen).collect();
        let cells = u32::try_from(cells.len()).unwrap_or(u32::MAX);
        (!steps.is_empty()).then_some(Self { path, link, cells, steps })
    }

    pub(crate) fn of(&self, step: Step) -> Option<Seen> {
        self.steps.get(&step).copied()
    }

    /// The same where it can be another figure than the expected one: what remains of a path that copies is all that was
    /// accepted, however often that was copied.
    pub(crate) fn decided(&self, step: Step) -> Option<Seen> {
        self.of(step).filter(|seen| seen.decides)
    }

    /// Copies on the way out: in, and at delivery. None where one of them was not counted.
    pub(crate) fn on_the_way_out(&self) -> Option<Seen> {
        Some(self.decided(Step::In)?.plus(self.decided(Step::Deferred)?))
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

/// Why copies in and at delivery were not counted in a path's audit trials, each reason once; or that there is no such trial.
pub(crate) fn not_counted(evidence: &Evidence<'_>, path: SendPath) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let audited =
        evidence.cells_of(path).filter_map(|cell| evidence.audits.of(cell, Audit::CopyAudit));
    for audited in audited {
        for step in [Step::In, Step::Deferred] {
            if let Err(why) = per_byte(audited, step).and_then(PerByte::decided) {
                push_new(&mut reasons, Reason::StepNotCounted { step, why });
            }
        }
    }
    if reasons.is_empty() {
        reasons.push(not_audited(evidence));
    }
    reasons
}

/// No copy audit told anything.
pub(crate) fn not_audited(evidence: &Evidence<'_>) -> Reason {
    let why = evidence.audits.why_not_audited(Audit::CopyAudit);
    Reason::NotAudited { audit: Audit::CopyAudit, cell: None, why }
}

/// With one more reason, each of them once.
pub(crate) fn push_new(reasons: &mut Vec<Reason>, reason: Reason) {
    if !reasons.contains(&reason) {
        reasons.push(reason);
    }
}
