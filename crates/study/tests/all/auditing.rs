//! Audit trials and the ceiling come before the first round, are journalled, and are not done twice.

use model::Audit;
use model::audit::CeilingPoint;
use model::record::Record;

use crate::script::{Script, go_on, run, small_plan};

fn kinds(records: &[Record]) -> String {
    let kind = |record: &Record| match record {
        Record::Segment(_) => 's',
        Record::Round(_) => 'r',
        Record::Trial(_) => 't',
        Record::Audit(_) => 'a',
        Record::Ceiling(_) => 'c',
        Record::Finish(_) => 'f',
    };
    records.iter().map(kind).collect()
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
    let mut script = Script::good();
    let ran = run(&plan, &mut script);
    let earlier: Vec<Record> = ran.records.into_iter().take(3).collect();
    let mut script = Script::good();
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
    assert_eq!(kinds(&ran.records), "srttttf");
    assert_eq!(ran.warnings(), ["no copying ceiling: scripted"]);
}

#[test]
fn why_an_instrument_told_nothing_is_said_once() {
    let mut plan = small_plan(Some(1));
    plan.measure.audits = vec![Audit::Profile];
    let ran = run(&plan, &mut Script::good());
    assert_eq!(ran.warnings(), ["profile: scripted"]);
}
