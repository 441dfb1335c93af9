//! Calls of the sink's helper that sent nothing are calls too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

use analysis::laws::law::LawState;
use analysis::summarise;
use model::record::{Outcome, Record};
use model::{Factor, Measured, Plan, Preset};

#[test]
fn a_frame_that_had_no_room_is_tallied_as_the_call_that_it_was() {
    let mut plan = Plan::preset(Preset::Quick);
    plan.measure.controls = false;
    for (factor, values) in
        [(Factor::Link, "sink"), (Factor::Message, "4KiB"), (Factor::Threads, "1")]
    {
        plan.factors.set(factor, values).unwrap();
    }
    let law = |tallied: u64, seen: u64| {
        let mut records = synthetic::run(&plan, 3, synthetic::trial);
        let audits = plan.cells().into_iter().map(|cell| {
            let mut audited = synthetic::audited(&cell);
            let Measured::Value(calls) = &mut audited.calls else { panic!("no calls") };
            let Measured::Value(receiver) = &mut calls.receiver else { panic!("no receiver") };
            *receiver.entry("sendto".to_owned()).or_default() += seen;
            let Outcome::Finished(finished) = &mut audited.outcome else { panic!("failed") };
            let Measured::Value(sink) = &mut finished.sink else { panic!("no sink") };
            sink.total.failed_sends = tallied;
            Record::Audit(Box::new(audited))
        });
        records.extend(audits);
        let laws = summarise(&plan, &synthetic::host(), &records).explained.laws;
        laws.into_iter().find(|law| law.id == 2).unwrap().state
    };
    assert_eq!(law(0, 0), LawState::Holds);
    assert_eq!(law(5, 5), LawState::Holds);
    assert_eq!(law(0, 5), LawState::Broken);
    assert_eq!(law(5, 0), LawState::Broken);
}
