//! Audit trials and the ceiling come before the first round, are journalled, and are not done twice.

use engine::EngineError;
use model::audit::CeilingPoint;
use model::record::{FailureKind, FinishReason, Record};
use model::{Audit, Cell, Missing};

use crate::script::{Script, go_on, run, small_plan};

fn kinds(records: &[Record]) -> String {
    let kind = |record: &Record| match record {
        Record::Segment(_) => 's',
        Record::Round(_) => 'r',
        Record::Trial(_) => 't',
        Record::Audit(_) => 'a',
        Record::AuditRefused(_) => 'x',
        Record::Ceiling(_) => 'c',
        Record::Finish(_) => 'f',
        Record::Imported(_) => 'i',
    };
    records.iter().map(kind).collect()
}

fn refusals(records: &[Record]) -> Vec<(Audit, Option<Cell>, String)> {
    let refused = records.iter().filter_map(|record| match record {
        Record::AuditRefused(refused) => Some(refused),
        Record::Segment(_)
        | Record::Round(_)
        | Record::Trial(_)
        | Record::Audit(_)
        | Record::Ceiling(_)
        | Record::Finish(_)
        | Record::Imported(_) => None,
    });
    refused.map(|it| (it.audit, it.cell.clone(), it.refusal.to_string())).collect()
}

fn point() -> CeilingPoint {
    CeilingPoint {
        routine: "memcpy".to_owned(),
        working_set_bytes: 1 << 20,
        cpus: vec![0],
        bytes_per_s: vec![1e10],
    }
}

#[test]
fn each_cell_is_audited_once_for_each_instrument_before_the_first_round() {
    let mut plan = small_plan(Some(1));
    plan.measure.audits = vec![Audit::CopyAudit, Audit::Profile, Audit::Ceiling];
    let mut script = Script::good();
    script.ceilings.push(Ok(vec![point()]));
    let ran = run(&plan, &mut script);
    assert_eq!(kinds(&ran.records), "scaaaaaaaarttttf");
    let mut expected = Vec::new();
    for audit in [Audit::CopyAudit, Audit::Profile] {
        expected.extend(plan.cells().into_iter().map(|cell| (cell, vec![audit])));
    }
    assert_eq!(script.audited, expected);
}

#[test]
fn a_resumed_run_audits_only_what_is_missing() {
    let mut plan = small_plan(Some(2));
    plan.measure.audits = vec![Audit::CopyAudit];
    let mut script = Script::counting();
    let ran = run(&plan, &mut script);
    let earlier: Vec<Record> = ran.records.into_iter().take(3).collect();
    let mut script = Script::counting();
    let resumed = go_on(&plan, &mut script, &earlier);
    assert_eq!(kinds(&earlier), "saa");
    assert_eq!(script.audited.len(), 2);
    assert_eq!(kinds(&resumed.records), "saarttttrttttf");
}

#[test]
fn a_ceiling_that_cannot_be_had_is_told_and_the_rounds_go_on() {
    let mut plan = small_plan(Some(1));
    plan.measure.audits = vec![Audit::Ceiling];
    let ran = run(&plan, &mut Script::good());
    assert_eq!(kinds(&ran.records), "sxrttttf");
    assert_eq!(ran.warnings(), ["no copying ceiling: scripted"]);
    assert_eq!(refusals(&ran.records), [(Audit::Ceiling, None, "scripted".to_owned())]);
}

#[test]
fn ends_that_stumble_once_before_the_audits_are_started_again() {
    let mut plan = small_plan(Some(1));
    plan.measure.audits = vec![Audit::CopyAudit];
    let mut script = Script::counting();
    script.begins = vec![Some(EngineError::Ends("no greeting".to_owned()))];
    let ran = run(&plan, &mut script);
    assert_eq!(kinds(&ran.records), "saaaarttttf");
    assert_eq!(ran.warnings(), ["no greeting; both ends are started again"]);
    assert_eq!(script.begun, 3);
}

#[test]
fn ends_that_do_not_start_for_the_audits_leave_the_rounds_alone() {
    let mut plan = small_plan(Some(1));
    plan.measure.audits = vec![Audit::CopyAudit];
    let gone = || Some(EngineError::Ends("no greeting".to_owned()));
    let mut script = Script::counting();
    script.begins = vec![gone(), gone(), gone()];
    let ran = run(&plan, &mut script);
    assert_eq!(kinds(&ran.records), "sxxxxrttttf");
    assert!(matches!(ran.ended, Ok(FinishReason::Rounds)));
    let reasons = refusals(&ran.records);
    assert!(reasons.iter().all(|(audit, cell, why)| {
        (*audit, cell.is_some(), why.as_str()) == (Audit::CopyAudit, true, "no greeting")
    }));
    assert_eq!(script.audited, []);
    // A later segment tries them again.
    let mut script = Script::counting();
    go_on(&plan, &mut script, &ran.records);
    assert_eq!(script.audited.len(), 4);
    // What is no stumble ends the run as ever.
    let mut script = Script::counting();
    script.begins = vec![Some(EngineError::Interrupted)];
    let ran = run(&plan, &mut script);
    assert_eq!(kinds(&ran.records), "sf");
    assert!(matches!(ran.ended, Ok(FinishReason::Interrupted)));
}

#[test]
fn why_an_instrument_told_nothing_is_said_once() {
    let mut plan = small_plan(Some(1));
    plan.measure.audits = vec![Audit::Profile];
    let ran = run(&plan, &mut Script::good());
    assert_eq!(ran.warnings(), ["profile: scripted"]);
}

#[test]
fn what_told_nothing_is_tried_again_once_in_each_later_segment() {
    let mut plan = small_plan(Some(1));
    plan.measure.audits = vec![Audit::CopyAudit];
    let ran = run(&plan, &mut Script::good());
    assert_eq!(kinds(&ran.records), "saaaarttttf");
    let mut script = Script::counting();
    let resumed = go_on(&plan, &mut script, &ran.records);
    assert_eq!(script.audited.len(), 4, "each once more");
    let records = [ran.records, resumed.records].concat();
    let mut script = Script::counting();
    go_on(&plan, &mut script, &records);
    assert_eq!(script.audited, [], "they have told something by now");
}

#[test]
fn an_audit_that_failed_is_tried_again_by_a_later_segment() {
    let mut plan = small_plan(Some(1));
    plan.measure.audits = vec![Audit::CopyAudit];
    let mut failing = Script::new(|order, number| {
        let trial = synthetic::trial(&order.cell, 1);
        // The first cell's two attempts.
        Ok(if number <= 2 { trial.failed(FailureKind::EndLost, "gone") } else { trial })
    });
    failing.counts = true;
    let ran = run(&plan, &mut failing);
    assert_eq!(ran.warnings(), ["copy-audit: gone"]);
    let mut script = Script::counting();
    go_on(&plan, &mut script, &ran.records);
    assert_eq!(script.audited, [(plan.cells()[0].clone(), vec![Audit::CopyAudit])]);
}

#[test]
fn what_is_refused_beforehand_is_journalled_with_its_reason_and_never_tried() {
    let mut plan = small_plan(Some(1));
    plan.measure.audits = vec![Audit::CopyAudit, Audit::Profile];
    let mut script = Script::counting();
    let first = plan.cells()[0].clone();
    let refusal =
        |what: &str| Missing::of_itself(what).because("not here").unlocked_by("run as root");
    script.refusals = vec![
        (Audit::Profile, None, refusal("profile")),
        (Audit::CopyAudit, Some(first.clone()), refusal("link")),
    ];
    let ran = run(&plan, &mut script);
    assert_eq!(kinds(&ran.records), "sxxaaarttttf");
    assert_eq!(
        refusals(&ran.records),
        [
            (Audit::Profile, None, "profile: not here; run as root".to_owned()),
            (Audit::CopyAudit, Some(first), "link: not here; run as root".to_owned()),
        ]
    );
    assert_eq!(script.audited.len(), 3);
}

#[test]
fn a_cell_that_cannot_be_measured_leaves_its_reason_for_the_audit_too() {
    let mut plan = small_plan(Some(1));
    plan.measure.audits = vec![Audit::CopyAudit];
    let first = plan.cells()[0].clone();
    let mut script = Script::new(|order, _| {
        let trial = synthetic::trial(&order.cell, 1);
        let refused = order.cell == first;
        Ok(if refused { trial.failed(FailureKind::Unsupported, "no veth") } else { trial })
    });
    let ran = run(&plan, &mut script);
    let expected = (Audit::CopyAudit, Some(first.clone()), "no veth".to_owned());
    assert_eq!(refusals(&ran.records), [expected]);
}
