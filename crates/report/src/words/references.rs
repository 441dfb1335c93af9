//! What a conclusion rests on, by name.

use analysis::reference::Reference;

use crate::spelling::over;

/// One piece of evidence: `goodput_gbps: CELL / CELL`.
pub(crate) fn reference(of: &Reference) -> String {
    match of {
        Reference::Ratio { metric, cell, against } => {
            format!("{}: {cell} / {against}", metric.name())
        }
        Reference::Figure { metric, cell } => format!("{}: {cell}", metric.name()),
        Reference::Crossover { metric, contrast, shared } => {
            format!("crossover {}, {}, {shared}", contrast.values(), metric.name())
        }
        Reference::CostModel { side, path, shared } => {
            format!("cost model of the {}, {path}, {shared}", side.name())
        }
        Reference::Law { id } => format!("law {id}"),
        Reference::CopyAudit { path, link } => format!("copy audit of {path} {}", over(*link)),
        Reference::Profiles { cell, against } => format!("profile: {cell} / {against}"),
        Reference::Host { key } => format!("host.json: {key}"),
    }
}
