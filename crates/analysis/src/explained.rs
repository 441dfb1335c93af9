//! What the study explains: crossovers, cost models, scaling, laws, answers and verdicts, as `summary.json` holds them.
//!
//! Reporters show these; none of them computes a figure, a verdict or a sentence's number of its own.

use model::{Audit, Missing, Peer};
use schemars::JsonSchema;
use serde::Serialize;

use crate::answers::Answer;
use crate::claims::claim::Claim;
use crate::findings::{
    CeilingShare, CopyAudit, CopyingCeiling, CostModel, CpuBreakdown, Crossover, DataPath,
    FieldThreshold, LinkComparison, LinkVerdict, NoCeilingShare, NotAudited, Scaling, Trials,
};
use crate::fixed_load::LoadSaving;
use crate::laws::law::Law;
use crate::own_table::TableCheck;
use crate::recommendation::{Receiving, Recommendation};

/// Everything that explains a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Explained {
    /// From which size on a path is better.
    pub crossovers: Vec<Crossover>,
    /// From which length on it pays to pass a field by reference; empty where no message was sent in both ways.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub field_thresholds: Vec<FieldThreshold>,
    /// What is saved where senders are held to a rate; empty where none are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_savings: Vec<LoadSaving>,
    /// CPU a message over size.
    pub cost_models: Vec<CostModel>,
    /// Goodput over threads.
    pub scaling: Vec<Scaling>,
    /// The laws, broken ones first.
    pub laws: Vec<Law>,
    /// The paper's claims that name figures against an imported table; empty where copycost measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_table: Vec<TableCheck>,
    /// Q0 to Q6.
    pub answers: Vec<Answer>,
    /// C1 to C25.
    pub claims: Vec<Claim>,
    /// Every trial.
    pub trials: Vec<Trials>,
    /// The data path of each send path on each link, then of each receive path by which bytes leave the socket in another way.
    pub data_paths: Vec<DataPath>,
    /// Zerocopy against sendmsg link by link.
    pub links: Vec<LinkComparison>,
    /// When zerocopy costs less, link by link.
    pub link_verdicts: Vec<LinkVerdict>,
    /// What the kernel copied, cell by cell.
    pub copy_audits: Vec<CopyAudit>,
    /// The run's answer: which path to use on each link, and by how much.
    pub recommendations: Vec<Recommendation>,
    /// With which path to receive behind each send path; empty where not both vary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receiving: Vec<Receiving>,
    /// Where the CPU time of each profiled cell went.
    pub breakdowns: Vec<CpuBreakdown>,
    /// Copying ceilings by working set and routine; empty where none was measured.
    pub ceilings: Vec<CopyingCeiling>,
    /// How near each cell comes to them, sender then receiver; on the sink, which has no receiver, the sender alone.
    pub ceiling_shares: Vec<CeilingShare>,
    /// Sides of cells that have none where a ceiling was measured, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_ceiling_share: Vec<NoCeilingShare>,
    /// Instruments that were asked for and told nothing of any cell.
    pub not_audited: Vec<NotAudited>,
}

impl Explained {
    /// Where rounds are wanting, an imported table wants rows: nothing of it can be gone on with.
    pub(crate) fn ask_for_repetitions(&mut self) {
        for missing in self.wanted() {
            if missing.is_rounds {
                *missing = Missing::of_itself("more repetitions")
                    .unlocked_by("rows for each, numbered in a column \"round\"");
            }
        }
    }

    /// After a run to another host, commands go there too, or say that they do not.
    pub(crate) fn ask_beside(&mut self, peer: &Peer) {
        let flags = peer.flags();
        for missing in self.wanted() {
            *missing = std::mem::take(missing).beside_peer(&flags);
        }
    }

    /// All that would settle what stayed open.
    fn wanted(&mut self) -> impl Iterator<Item = &mut Missing> {
        let claims = self.claims.iter_mut().map(|claim| &mut claim.would_decide);
        let laws = self.laws.iter_mut().map(|law| &mut law.would_decide);
        let answers = self
            .answers
            .iter_mut()
            .flat_map(|answer| [&mut answer.would_answer, &mut answer.would_change]);
        claims.chain(laws).chain(answers).flatten()
    }

    /// Why an instrument that was asked for told nothing of any cell; none where it told something or was not asked for.
    pub fn why_not_audited(&self, audit: Audit) -> Option<&str> {
        self.not_audited.iter().find(|it| it.audit == audit).map(|it| it.why.as_str())
    }
}
