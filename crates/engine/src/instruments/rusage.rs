//! `rusage`: what the kernel charged to the worker's thread.

use kernel::usage::ThreadUsage;
use model::Instrument as Name;
use model::record::Usage;

use super::instrument::{Edge, Instrument, Scope};

/// `getrusage(RUSAGE_THREAD)` at both edges of every window, summed.
#[derive(Debug, Default)]
pub(crate) struct Rusage {
    start: ThreadUsage,
    used: Usage,
}

impl Instrument for Rusage {
    const NAME: Name = Name::Rusage;
    const SCOPE: Scope = Scope::Worker;
    type Target<'t> = ();
    type Figures = Usage;

    fn attach((): ()) -> Self {
        Self::default()
    }

    fn mark(&mut self, edge: Edge, (): ()) {
        match edge {
            Edge::Start => self.start = ThreadUsage::now(),
            Edge::End => {
                let used = ThreadUsage::now().since(self.start);
                self.used.add(&Usage {
                    user_us: used.user_us,
                    system_us: used.system_us,
                    voluntary_switches: used.voluntary_switches,
                    involuntary_switches: used.involuntary_switches,
                    minor_faults: used.minor_faults,
                    major_faults: used.major_faults,
                });
            }
        }
    }

    fn figures(&self) -> Usage {
        self.used
    }
}
