//! What explains a run, put together from its parts.

use model::Measured;
use model::Plan;
use model::host::Host;

use crate::evidence::{AuditRecords, Evidence};
use crate::explained::Explained;
use crate::judged::JudgedTrials;
use crate::line_rate::Line;
use crate::on_link::{OnLink, main_link};
use crate::pairings::Places;
use crate::results::{CellEstimates, NoiseFloor, Ratio, RunFacts};
use crate::round_logs::RoundLogs;
use crate::{
    answers, ceilings, claims, copy_audits, cost_model, cpu_breakdown, crossovers, data_paths,
    field_thresholds, fixed_load, laws, links, own_table, recommendation, scaling, trial_dots,
};

/// What is known of a run before it is explained.
pub(crate) struct Explaining<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) host: &'a Host,
    pub(crate) audits: &'a AuditRecords<'a>,
    pub(crate) places: &'a Places,
    pub(crate) trials: &'a JudgedTrials,
    pub(crate) rounds: &'a RoundLogs<'a>,
    pub(crate) estimates: &'a [CellEstimates],
    pub(crate) ratios: &'a [Ratio],
    pub(crate) run: &'a RunFacts,
    pub(crate) noise_floor: &'a Measured<NoiseFloor>,
    pub(crate) line: Option<&'a Line>,
}

/// Crossovers, models, laws, answers and verdicts of a run.
pub(crate) fn explain(known: &Explaining<'_>) -> Explained {
    let Explaining { places, estimates, .. } = *known;
    let (trials, logs) = (known.trials, known.rounds);
    let audits = known.audits;
    let crossovers = crossovers::crossovers(known.plan, places, logs, estimates, known.line);
    let field_thresholds = field_thresholds::field_thresholds(known.plan, places, logs, estimates);
    let cost_models = {
        let widening = known.run.drift.value().map_or(1.0, |drift| drift.widening);
        cost_model::cost_models(
            places,
            logs,
            estimates,
            known.host.page_bytes.value().copied(),
            widening,
        )
    };
    let scaling = scaling::scaling(places, logs, estimates, known.line);
    let evidence = Evidence {
        plan: known.plan,
        host: known.host,
        trials,
        rounds: logs,
        audits,
        estimates,
        ratios: known.ratios,
        run: known.run,
        noise_floor: known.noise_floor,
        line: known.line,
        crossovers: &crossovers,
        cost_models: &cost_models,
        scaling: &scaling,
        breakdowns: &[],
    };
    let breakdowns = cpu_breakdown::breakdowns(&evidence);
    let evidence = Evidence { breakdowns: &breakdowns, ..evidence };
    let laws = laws::check(&evidence);
    let on_main = main_link(&evidence).map(|link| OnLink::new(&evidence, link));
    // Answers and claims are about the paper's kind of link; the sink speaks where it is asked by name.
    let main = on_main.as_ref().map_or(evidence, |on_main| on_main.evidence(&evidence));
    let answers = answers::answers(&main, &evidence);
    let claims = claims::claims(&main, &evidence, &laws);
    let links = links::comparisons(&evidence);
    let link_verdicts = links::verdicts(&links);
    let recommendations = recommendation::recommendations(&evidence, &laws);
    let load_savings = fixed_load::savings(&evidence);
    let receiving = recommendation::receiving(&evidence, &laws);
    let data_paths = data_paths::data_paths(&evidence);
    let copy_audits = copy_audits::copy_audits(&evidence);
    let ceiling_shares = ceilings::shares(&evidence);
    let no_ceiling_share = ceilings::without_share(&evidence);
    let ceilings = ceilings::ceilings(&evidence);
    let trials = trial_dots::trial_dots(estimates, trials);
    let own_table = own_table::own_table(&evidence);
    let mut explained = Explained {
        crossovers,
        field_thresholds,
        load_savings,
        cost_models,
        scaling,
        laws,
        own_table,
        answers,
        claims,
        trials,
        data_paths,
        links,
        link_verdicts,
        copy_audits,
        recommendations,
        receiving,
        breakdowns,
        ceilings,
        ceiling_shares,
        no_ceiling_share,
        not_audited: audits.not_audited(),
    };
    if !known.run.imported.is_empty() {
        explained.ask_for_repetitions();
    }
    if let Some(peer) = &known.plan.peer {
        explained.ask_beside(peer);
    }
    explained
}
