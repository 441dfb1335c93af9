//! The heavy instruments around one audit trial.

use model::audit::{CallCounts, CopyCounts, Profile};
use model::{Audit, Measured};

use crate::instruments::Watched;
use crate::instruments::copy_audit::CopyAudit;
use crate::instruments::profile::Profiler;

/// What heavy instruments saw of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditSeen {
    /// Bytes copied in the kernel.
    pub copies: Measured<CopyCounts>,
    /// System calls of the workers.
    pub calls: Measured<CallCounts>,
    /// Sampled stacks.
    pub profile: Measured<Profile>,
}

impl AuditSeen {
    /// Nothing, for one reason.
    pub fn absent(why: &str) -> Self {
        Self {
            copies: Measured::absent(why),
            calls: Measured::absent(why),
            profile: Measured::absent(why),
        }
    }
}

/// Why an instrument that was not asked for tells nothing.
const NOT_ASKED: &str = "this audit trial was another instrument's";

/// The instruments of one audit trial, in the order in which they are asked. Each may fail by itself: its figures are
/// then absent with the reason, and the trial goes on.
pub(crate) struct Auditing<'e> {
    copying: Option<Result<&'e mut CopyAudit, String>>,
    is_profiled: bool,
    profiler: Option<Result<Profiler, String>>,
}

impl<'e> Auditing<'e> {
    /// Instruments for a trial; the copy audit is loaded once an engine.
    pub(crate) fn new(
        audits: &[Audit],
        copy_audit: &'e mut Option<Result<CopyAudit, String>>,
    ) -> Self {
        let copying = audits.contains(&Audit::CopyAudit).then(|| {
            let loaded = copy_audit.get_or_insert_with(CopyAudit::open);
            loaded.as_mut().map_err(|why| why.clone())
        });
        Self { copying, is_profiled: audits.contains(&Audit::Profile), profiler: None }
    }

    /// Before the ends prepare: from here on every copy counts.
    pub(crate) fn before_meeting(&mut self, watched: &Watched) {
        if let Some(copying) = &mut self.copying
            && let Ok(audit) = copying
            && let Err(why) = audit.begin(watched)
        {
            *copying = Err(why);
        }
    }

    /// Before the first connection, to this port.
    pub(crate) fn before_connecting(&mut self, port: u16) {
        if let Some(Ok(audit)) = &mut self.copying {
            audit.meets(port);
        }
    }

    /// Before the ends are told to run.
    pub(crate) fn before_run(&mut self, watched: &Watched) {
        if self.is_profiled {
            self.profiler = Some(Profiler::begin(watched));
        }
    }

    /// The trial is over, one way or the other.
    pub(crate) fn end(self) -> AuditSeen {
        let mut seen = AuditSeen::absent(NOT_ASKED);
        match self.copying {
            None => {}
            Some(Ok(audit)) => (seen.copies, seen.calls) = audit.end(),
            Some(Err(why)) => {
                seen.copies = Measured::absent(why.clone());
                seen.calls = Measured::absent(why);
            }
        }
        if self.is_profiled {
            seen.profile = match self.profiler {
                Some(profiler) => Measured::from(profiler.and_then(Profiler::end)),
                None => Measured::absent("the trial ended before anything was sampled"),
            };
        }
        seen
    }
}
