//! What an instrument of timing trials is.

use model::Instrument as Name;

/// An edge of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// The window begins.
    Start,
    /// It ends.
    End,
}

/// What an instrument observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One worker: marked by the worker itself, which must not allocate while it does.
    Worker,
    /// One end and its namespace: marked by the coordinator.
    Process,
    /// The machine: marked by one end's coordinator.
    Machine,
}

/// Something that observes a trial between the edges of its window.
pub(crate) trait Instrument: Sized {
    /// Its name.
    const NAME: Name;
    /// What it observes.
    const SCOPE: Scope;
    /// What it is attached to and marked on.
    type Target<'t>;
    /// What it tells.
    type Figures;

    /// Opens it. One that this machine lacks is attached all the same, and tells why in its figures.
    fn attach(target: Self::Target<'_>) -> Self;

    /// Reads it at an edge.
    fn mark(&mut self, edge: Edge, target: Self::Target<'_>);

    /// What lies between the edges.
    fn figures(&self) -> Self::Figures;
}
