//! Why an instrument that was asked for told nothing, as the journal has it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

use analysis::copies::Step;
use analysis::explained::Explained;
use analysis::laws::law::LawState;
use analysis::laws::reason::LawReason;
use analysis::summarise;
use analysis::summary::Summary;
use analysis::warnings::Warning;
use model::audit::{Audited, CopiedBytes, CopyCounts, Hook, PinnedPages, RefusedAudit};
use model::record::{Failure, FailureKind, Outcome, Record};
use model::{Audit, Cell, Factor, Measured, Missing, Plan, Preset, SendPath};

fn plan() -> Plan {
    let mut plan = Plan::preset(Preset::Quick);
    plan.measure.controls = false;
    plan.factors.set(Factor::Message, "4KiB").unwrap();
    plan.factors.set(Factor::Threads, "1").unwrap();
    plan
}

fn explained(audits: Vec<Record>) -> Explained {
    summary(audits).explained
}

fn summary(audits: Vec<Record>) -> Summary {
    let plan = plan();
    let mut records = synthetic::run(&plan, 3, synthetic::trial);
    records.extend(audits);
    summarise(&plan, &synthetic::host(), &records)
}

fn refused(audit: Audit, cell: Option<Cell>, because: &str, started_unix_ms: u64) -> Record {
    let refusal = Missing::of_itself(audit.name()).because(because).unlocked_by("run as root");
    Record::AuditRefused(Box::new(RefusedAudit { audit, cell, started_unix_ms, refusal }))
}

#[test]
fn what_was_not_asked_for_has_no_reason() {
    assert_eq!(explained(Vec::new()).not_audited, []);
    assert_eq!(explained(synthetic::audits(&plan())).not_audited, []);
}

#[test]
fn the_last_reason_of_the_journal_is_quoted() {
    let told = explained(vec![
        refused(Audit::CopyAudit, None, "lockdown", 1),
        refused(Audit::CopyAudit, None, "no CAP_BPF", 2),
        refused(Audit::Ceiling, None, "no memory", 2),
    ]);
    assert_eq!(told.why_not_audited(Audit::CopyAudit), Some("copy-audit: no CAP_BPF; run as root"));
    assert_eq!(told.why_not_audited(Audit::Ceiling), Some("ceiling: no memory; run as root"));
    assert_eq!(told.why_not_audited(Audit::Profile), None);
}

#[test]
fn the_laws_that_an_audit_decides_quote_why_it_was_refused() {
    let told = explained(vec![refused(Audit::CopyAudit, None, "no CAP_BPF", 1)]);
    for id in [2, 5] {
        let law = told.laws.iter().find(|law| law.id == id).unwrap();
        assert_eq!(law.state, LawState::Undecidable, "{law:#?}");
        let quoted = |reason: &LawReason| matches!(reason, LawReason::Absent { why, .. } if why.contains("no CAP_BPF"));
        assert!(law.reasons.iter().any(quoted), "{law:#?}");
    }
}

#[test]
fn a_refusal_that_a_later_segment_overcame_is_no_reason() {
    let mut records = vec![refused(Audit::CopyAudit, None, "lockdown", 1)];
    records.extend(synthetic::audits(&plan()));
    assert_eq!(explained(records).why_not_audited(Audit::CopyAudit), None);
}

#[test]
fn one_cell_that_told_something_is_enough() {
    let cells = plan().cells();
    let records = vec![
        refused(Audit::CopyAudit, Some(cells[0].clone()), "no veth", 9),
        Record::Audit(Box::new(synthetic::audited(&cells[1]))),
    ];
    assert_eq!(explained(records).why_not_audited(Audit::CopyAudit), None);
}

#[test]
fn an_audit_trial_that_failed_or_told_nothing_is_a_reason_too() {
    let mut audited = synthetic::audited(&plan().cells()[0]);
    audited.copies = Measured::absent("a busy register");
    audited.calls = Measured::absent("a busy register");
    let nothing = explained(vec![Record::Audit(Box::new(audited.clone()))]);
    assert_eq!(nothing.why_not_audited(Audit::CopyAudit), Some("a busy register"));
    audited.outcome =
        Outcome::Failed(Failure { kind: FailureKind::EndLost, why: "gone".to_owned() });
    let failed = explained(vec![Record::Audit(Box::new(audited))]);
    assert_eq!(failed.why_not_audited(Audit::CopyAudit), Some("gone"));
}

#[test]
fn pages_that_an_audit_counted_stand_for_those_derived_from_the_layout() {
    let pages_of = |pinned: Measured<PinnedPages>, path: SendPath| {
        let cells = plan().cells();
        let cell = cells.iter().find(|cell| cell.send_path == path).unwrap();
        let mut audited = synthetic::audited(cell);
        let Measured::Value(copies) = &mut audited.copies else { panic!("no copies") };
        copies.pinned = pinned;
        let Outcome::Finished(finished) = &audited.outcome else { panic!("failed") };
        let messages = finished.sender.total.messages;
        let data_paths = explained(vec![Record::Audit(Box::new(audited))]).data_paths;
        let seen = data_paths.into_iter().find(|seen| seen.path == path).unwrap();
        (seen.pages_pinned_counted, seen.pages_pinned_per_message, messages)
    };
    let counted = |pages| Measured::Value(PinnedPages { pages, hook: Hook::Fentry });
    let (is_counted, pages, messages) = pages_of(counted(1_000), SendPath::Zerocopy);
    assert_eq!((is_counted, pages), (true, Measured::Value(1_000.0 / messages as f64)));
    // A zero that was counted is one; where nothing was counted there is none.
    let (is_counted, pages, _) = pages_of(counted(0), SendPath::Sendmsg);
    assert_eq!((is_counted, pages), (true, Measured::Value(0.0)));
    let (is_counted, pages, _) = pages_of(Measured::absent("no fentry"), SendPath::Sendmsg);
    assert!(!is_counted && pages.reason().unwrap().contains("was not counted"));
    let (is_counted, pages, _) = pages_of(Measured::absent("no fentry"), SendPath::Zerocopy);
    assert!(!is_counted && pages.value().is_some_and(|pages| *pages >= 8.0));
}

/// Audit trials of every cell whose copies are these.
fn audited_with(change: impl Fn(&mut CopyCounts)) -> Vec<Record> {
    let trial = |cell: &Cell| {
        let mut audited: Audited = synthetic::audited(cell);
        let Measured::Value(copies) = &mut audited.copies else { panic!("no copies") };
        change(copies);
        Record::Audit(Box::new(audited))
    };
    plan().cells().iter().map(trial).collect()
}

fn none_counted(copies: &mut CopyCounts) {
    let none = || Measured::<CopiedBytes>::absent("kprobes are not built into this kernel");
    copies.copied_in = none();
    copies.by_reference = none();
    copies.deferred = none();
    copies.copied_out = none();
    copies.functions.clear();
}

/// Audit trials of every cell in which neither a copy nor a call was counted.
fn told_nothing() -> Vec<Record> {
    let mut records = audited_with(none_counted);
    for record in &mut records {
        if let Record::Audit(audited) = record {
            audited.calls = Measured::absent("raw_syscalls:sys_enter: EACCES");
        }
    }
    records
}

/// What is asked for where something stayed open.
fn asked_for(explained: &Explained) -> Vec<Missing> {
    let answers = explained.answers.iter().flat_map(|answer| &answer.would_answer);
    let claims = explained.claims.iter().flat_map(|claim| &claim.would_decide);
    let laws = explained.laws.iter().flat_map(|law| &law.would_decide);
    answers.chain(claims).chain(laws).cloned().collect()
}

fn asks_for_the_audit(missing: &Missing) -> bool {
    missing.unlock.starts_with("copycost run --audits copy-audit")
}

#[test]
fn an_audit_that_counted_nothing_is_warned_of_with_its_reason() {
    let warned = |audits: Vec<Record>| {
        let is_it = |it: &Warning| matches!(it, Warning::AuditedNothing { .. });
        summary(audits).warnings.into_iter().find(is_it)
    };
    let of_which = |audits: Vec<Record>| {
        let Some(Warning::AuditedNothing { of }) = warned(audits) else { panic!("not warned of") };
        of.into_iter().map(|it| (it.audit, it.why)).collect::<Vec<_>>()
    };
    let why = "kprobes are not built into this kernel".to_owned();
    assert_eq!(of_which(told_nothing()), [(Audit::CopyAudit, why)]);
    let refused = vec![refused(Audit::Ceiling, None, "no memory", 1)];
    let why = "ceiling: no memory; run as root".to_owned();
    assert_eq!(of_which(refused), [(Audit::Ceiling, why)]);
    // Calls decide their law without any copy.
    let calls_alone = || audited_with(none_counted);
    let law_of_calls = |audits| {
        let laws = explained(audits).laws;
        laws.into_iter().find(|law| law.id == 2).unwrap().state
    };
    assert_eq!(warned(calls_alone()), None);
    assert_eq!(law_of_calls(calls_alone()), LawState::Holds);
    assert_eq!(law_of_calls(told_nothing()), LawState::Undecidable);
    // One figure is something, and what nobody asked for is no loss.
    let counts_out = |copies: &mut CopyCounts| {
        let copied_out = copies.copied_out.clone();
        none_counted(copies);
        copies.copied_out = copied_out;
    };
    assert_eq!(warned(audited_with(counts_out)), None);
    assert_eq!(warned(Vec::new()), None);
}

#[test]
fn a_step_that_was_not_counted_is_warned_of_with_its_paths() {
    let warned = |audits: Vec<Record>| {
        let warnings = summary(audits).warnings;
        let of = warnings.into_iter().find_map(|it| {
            let Warning::AuditedInPart { of } = it else { return None };
            Some(of)
        });
        let told = |it: analysis::warnings::StepNotCounted| (it.step, it.paths, it.why);
        of.map(|of| of.into_iter().map(told).collect::<Vec<_>>())
    };
    let no_register = |copies: &mut CopyCounts| {
        copies.copied_in = Measured::absent("no breakpoint register is free");
    };
    let why = "no breakpoint register is free".to_owned();
    assert_eq!(warned(audited_with(no_register)), Some(vec![(Step::In, vec![], why.clone())]));
    let mut of_one_path = audited_with(no_register);
    for record in &mut of_one_path {
        let Record::Audit(audited) = record else { panic!("no audit trial") };
        if audited.cell.send_path != SendPath::Send {
            **audited = synthetic::audited(&audited.cell);
        }
    }
    let of = vec![(Step::In, vec![SendPath::Send], why)];
    assert_eq!(warned(of_one_path), Some(of));
    // What remains of other counts says so itself; of what was not asked for, or told nothing, other words are said.
    let eliminated = |copies: &mut CopyCounts| {
        let Measured::Value(copied_in) = &mut copies.copied_in else { panic!("no copies in") };
        copied_in.hook = Hook::Elimination;
    };
    assert_eq!(warned(audited_with(eliminated)), None);
    assert_eq!(warned(audited_with(|_| {})), None);
    assert_eq!(warned(told_nothing()), None);
    assert_eq!(warned(Vec::new()), None);
    // Calls alone are no copies.
    assert_eq!(warned(audited_with(none_counted)).map(|of| of.len()), Some(3));
}

#[test]
fn nobody_who_has_just_audited_is_told_to_audit() {
    assert!(asked_for(&explained(Vec::new())).iter().any(asks_for_the_audit));
    let eliminated = |copies: &mut CopyCounts| {
        let Measured::Value(copied_in) = &mut copies.copied_in else { panic!("no copies in") };
        copied_in.hook = Hook::Elimination;
        copies.deferred = Measured::absent("no fentry here");
    };
    let unclear = |copies: &mut CopyCounts| {
        let Measured::Value(copied_in) = &mut copies.copied_in else { panic!("no copies in") };
        copied_in.bytes = copied_in.bytes / 2 + 1000;
    };
    for (audits, because) in [
        (told_nothing(), "kprobes are not built into this kernel"),
        (audited_with(none_counted), "kprobes are not built into this kernel"),
        (vec![refused(Audit::CopyAudit, None, "no CAP_BPF", 1)], "no CAP_BPF"),
        (audited_with(eliminated), "copied in told by elimination alone"),
        (audited_with(unclear), "not whole copies a byte"),
    ] {
        let asked = asked_for(&explained(audits));
        assert!(!asked.iter().any(asks_for_the_audit), "{because}: {asked:#?}");
        assert!(asked.iter().any(|it| it.because.contains(because)), "{because}: {asked:#?}");
    }
    // A remedy of the refusal is the one to take.
    let asked = asked_for(&explained(vec![refused(Audit::CopyAudit, None, "no CAP_BPF", 1)]));
    let audits = asked.iter().filter(|it| it.what == "a copy audit");
    assert!(audits.clone().count() > 0 && audits.clone().all(|it| it.unlock == "run as root"));
}

#[test]
fn a_profile_or_a_ceiling_that_was_refused_gives_its_reason_where_a_law_waits_for_it() {
    let law = |audits: Vec<Record>| {
        let told = explained(audits);
        told.laws.into_iter().find(|law| law.id == 8).unwrap().would_decide
    };
    assert!(law(Vec::new())[0].unlock.contains("--audits ceiling"));
    let refused = law(vec![refused(Audit::Ceiling, None, "no memory", 1)]);
    let expected = Missing::of_itself("a copying ceiling").because("no memory");
    assert_eq!(refused, [expected.unlocked_by("run as root")]);
}

#[test]
fn what_is_asked_for_is_about_the_paths_and_the_step_that_are_in_question() {
    let uncounted = |audits: Vec<Record>| {
        let change = |mut record: Record| {
            let Record::Audit(audited) = &mut record else { panic!("no audit trial") };
            let path = audited.cell.send_path;
            let Measured::Value(copies) = &mut audited.copies else { panic!("no copies") };
            if path == SendPath::Send {
                copies.copied_out = Measured::absent("no probe of the way out");
            } else if path == SendPath::Zerocopy {
                copies.copied_in = Measured::absent("no probe of zerocopy");
            } else {
                copies.copied_in = Measured::absent("no probe of sendmsg");
            }
            record
        };
        explained(audits.into_iter().map(change).collect())
    };
    let mut audits = synthetic::audits(&plan());
    // What comes first in the journal is no better.
    audits.reverse();
    let told = uncounted(audits);
    let of_answer = &told.answers[0].would_answer;
    assert_eq!(of_answer[0].because, "copied out not counted: no probe of the way out");
    let of_claim = |number: usize| &told.claims[number - 1].would_decide;
    assert_eq!(of_claim(2)[0].because, "copied in not counted: no probe of sendmsg");
    assert!(of_claim(1).is_empty(), "{:#?}", of_claim(1));
}
