//! What the last screen says, and that it is the summary's.
mod common;
use analysis::synthetic;
use model::{Factor, Mark, Measured, Plan, Preset};
use report::*;
#[test]
fn look() {
    let plan = Plan::preset(Preset::Default);
    let mut s = common::summary(&plan);
    println!(
        "{}",
        screen(
            &s,
            &synthetic::host(),
            &plan,
            ScreenOptions { width: 100, colour: false, directory: "copycost-runs/latest" }
        )
    );
    s.estimates[3].marks.insert(Mark::Retransmits, 2);
    s.marks.insert(Mark::Retransmits, 2);
    s.run.noted_trials = 2;
    s.estimates[5].precise = Measured::Value(false);
    common::without_trial(&mut s, 40, "sendmsg: EINVAL on SO_ZEROCOPY");
    common::without_trial(&mut s, 41, "sendmsg: EINVAL on SO_ZEROCOPY");
    println!(
        "{}",
        screen(
            &s,
            &synthetic::host(),
            &plan,
            ScreenOptions { width: 60, colour: false, directory: "copycost-runs/latest" }
        )
    );
    let plan = common::plan(&[
        (Factor::Send, "zerocopy,staged,send"),
        (Factor::Nodelay, "off,on"),
        (Factor::Layout, "paged"),
    ]);
    let s = common::summary(&plan);
    println!(
        "{}",
        screen(
            &s,
            &synthetic::host(),
            &plan,
            ScreenOptions { width: 80, colour: true, directory: "copycost-runs/latest" }
        )
    );
    let plan = common::plan(&[(Factor::Send, "sendmsg"), (Factor::Threads, "1")]);
    let s = common::summary(&plan);
    println!(
        "{}",
        screen(
            &s,
            &synthetic::host(),
            &plan,
            ScreenOptions { width: 80, colour: false, directory: "copycost-runs/latest" }
        )
    );
    println!("{}", cells_table(&s, 120, false));
    let plan = common::plan(&[(Factor::Fields, "1,2,3,4,5,6,7,8,9,10,11")]);
    let s = common::summary(&plan);
    println!(
        "{}",
        screen(
            &s,
            &synthetic::host(),
            &plan,
            ScreenOptions { width: 80, colour: false, directory: "copycost-runs/latest" }
        )
    );
}
