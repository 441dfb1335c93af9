//! The instruments: one file each. Those of timing trials are cheap and stand behind one trait; the heavy ones
//! (`copy_audit`, `profile`) run in audit trials, and `ceiling` before the first trial.
//!
//! The tally and the zero-copy notifications are counted by the paths themselves, since each counts what only
//! it can know; everything else observes from here.

use model::Instrument as Name;

pub(crate) mod ceiling;
pub(crate) mod copy_audit;
pub(crate) mod counters;
pub(crate) mod cpu_busy;
pub(crate) mod flows;
pub(crate) mod namespace;
pub(crate) mod profile;
pub(crate) mod rusage;
pub(crate) mod throttling;

/// An edge of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// The window begins.
    Start,
    /// It ends.
    End,
}

/// What the heavy instruments of an audit trial watch.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// Process id of the end that sends.
    pub(crate) sender: u32,
    /// Process id of the end that receives, or of the sink's helper.
    pub(crate) receiver: u32,
    /// Whether the second process is the sink's helper.
    pub(crate) is_sink: bool,
    /// The CPUs in use.
    pub(crate) cpus: Vec<u32>,
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

/// What an instrument observes, in words.
pub(crate) fn scope(name: Name) -> &'static str {
    fn of<I: Instrument>(name: Name) -> Option<Scope> {
        (I::NAME == name).then_some(I::SCOPE)
    }
    if name == Name::Ceiling {
        return "the CPUs in use";
    }
    let widest = of::<cpu_busy::CpuBusy>(name)
        .or_else(|| of::<rusage::Rusage>(name))
        .or_else(|| of::<counters::Counters>(name))
        .or_else(|| of::<flows::Flows>(name))
        .or_else(|| of::<namespace::Namespace>(name))
        .or_else(|| of::<throttling::Throttling>(name));
    match widest {
        // The tally and the notifications are the workers' own.
        Some(Scope::Worker) | None => "each worker",
        Some(Scope::Process) => "each end",
        Some(Scope::Machine) => "the CPUs in use",
    }
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
