//! Whether a control group held the end back.

use std::path::Path;

use kernel::Unavailable;
use kernel::machine::{CgroupCpu, LIVE, Throttled};
use model::{Instrument as Name, Measured};

use super::instrument::{Edge, Instrument, Scope};

/// The throttled time of the process's control groups at both edges.
#[derive(Debug)]
pub(crate) struct Throttling {
    group: Result<CgroupCpu, Unavailable>,
    marks: [Option<Result<Throttled, Unavailable>>; 2],
}

impl Instrument for Throttling {
    const NAME: Name = Name::CpuBusy;
    const SCOPE: Scope = Scope::Process;
    type Target<'t> = ();
    type Figures = Measured<u64>;

    fn attach((): ()) -> Self {
        Self { group: CgroupCpu::find(Path::new(LIVE)), marks: [None, None] }
    }

    fn mark(&mut self, edge: Edge, (): ()) {
        if let Ok(group) = &self.group {
            self.marks[edge as usize] = Some(group.throttled(Path::new(LIVE)));
        }
    }

    fn figures(&self) -> Measured<u64> {
        match (&self.group, &self.marks) {
            // No quota above this process: nothing can have held it back.
            (Ok(group), _) if group.quota_cpus.is_none() => Measured::Value(0),
            (Ok(_), [Some(Ok(start)), Some(Ok(end))]) => {
                Measured::Value(end.since(*start).throttled_us)
            }
            (Err(why), _) | (_, [Some(Err(why)), _] | [_, Some(Err(why))]) => {
                Measured::absent(why.to_string())
            }
            (Ok(_), _) => Measured::absent("the end never saw both edges of the window"),
        }
    }
}
