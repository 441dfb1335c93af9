//! What explains a run, put together from its parts.

use model::Measured;
use model::Plan;
use model::host::Host;
use model::record::Record;

use crate::evidence::{AuditRecords, Evidence, JudgedTrials};
use crate::explained::Explained;
use crate::pairings::Places;
use crate::pairs::Complete;
use crate::round_logs::RoundLogs;
use crate::summary::{CellEstimates, NoiseFloor, Ratio, RunFacts};
use crate::{
    answers, claims, cost_model, cpu_breakdown, crossovers, data_paths, headline, laws, scaling,
    trial_dots,
};

/// What is known of a run before it is explained.
pub(crate) struct Explaining<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) host: &'a Host,
    pub(crate) records: &'a [Record],
    pub(crate) places: &'a Places,
    pub(crate) complete: &'a [Complete],
    pub(crate) estimates: &'a [CellEstimates],
    pub(crate) ratios: &'a [Ratio],
    pub(crate) run: &'a RunFacts,
    pub(crate) noise_floor: &'a Measured<NoiseFloor>,
}

/// Crossovers, models, laws, answers and verdicts of a run.
pub(crate) fn explain(known: &Explaining<'_>) -> Explained {
    let Explaining { places, estimates, .. } = *known;
    let logs = RoundLogs::new(places.cells.len(), known.complete);
    let trials = JudgedTrials::new(known.plan, known.records);
    let audits = AuditRecords::new(known.records);
    let crossovers = crossovers::crossovers(places, &logs, estimates);
    let cost_models = cost_model::cost_models(places, &logs, estimates, known.host.page_bytes);
    let scaling = scaling::scaling(places, &logs, estimates);
    let evidence = Evidence {
        plan: known.plan,
        host: known.host,
        trials: &trials,
        audits: &audits,
        estimates,
        ratios: known.ratios,
        run: known.run,
        noise_floor: known.noise_floor,
        crossovers: &crossovers,
        cost_models: &cost_models,
        scaling: &scaling,
    };
    let laws = laws::check(&evidence);
    let answers = answers::answers(&evidence);
    let claims = claims::claims(&evidence, &laws);
    let headline = headline::headline(&evidence);
    let data_paths = data_paths::data_paths(&evidence);
    let breakdowns = cpu_breakdown::breakdowns(&evidence);
    let trials = trial_dots::trial_dots(estimates, &trials);
    Explained {
        crossovers,
        cost_models,
        scaling,
        laws,
        answers,
        claims,
        trials,
        data_paths,
        headline,
        breakdowns,
    }
}
