//! What the ends by hand print.

use std::net::SocketAddr;

use analysis::figures::HandFigures;
use engine::by_hand::{HandReport, Interval, Served, TurnedAway};
use model::record::{Calls, Field, Figure, Worker};
use model::{Cell, Measured, Nanos};
use report::numbers::{counted, percent, short};

use crate::exit::Stop;

/// What is measured, as both ends print it when it begins.
pub(super) fn began(who: &str, peer: Option<SocketAddr>, what: (&Cell, Nanos, bool)) -> String {
    let (cell, time, reverse) = what;
    let peer = peer.map_or("of an unknown address".to_owned(), |peer| peer.to_string());
    let reverse = if reverse { ", the client sends" } else { "" };
    format!("{who} {peer}: {cell} for {time}{reverse}\n")
}

/// One second of the load.
pub(super) fn interval(interval: &Interval, cell: &Cell) -> String {
    let seconds = interval.span_ns.as_secs_f64();
    let [_, to] = interval.seconds;
    let cpus = interval.cpu_ns.as_secs_f64() / seconds;
    let passed = match &interval.bytes {
        Measured::Value(bytes) => {
            let bytes_per_s = *bytes as f64 / seconds;
            let messages = bytes_per_s / cell.message.bytes().0 as f64;
            format!(
                "{:>6} Gbit/s  {:>6} messages/s",
                short(bytes_per_s * 8.0 / 1e9),
                short(messages)
            )
        }
        Measured::Absent { absent } => format!("bytes not known: {absent}"),
    };
    format!("{to:>5} s  {passed}  {cpus:.2} CPUs here\n")
}

/// What a client is told that was not served.
pub(super) fn turned_away(address: SocketAddr, why: TurnedAway, has_token: bool) -> Stop {
    match why {
        TurnedAway::WrongToken if has_token => Stop::Usage(format!(
            "{address} closed the connection without an answer: is the token that of this serve?"
        )),
        TurnedAway::WrongToken => Stop::Usage(format!(
            "{address} closed the connection without an answer: give connect the --token that serve printed, if it is a copycost serve"
        )),
        TurnedAway::Taken => Stop::Cannot(format!(
            "{address} has this connection already: is something between the ends?"
        )),
        TurnedAway::Occupied => Stop::Cannot(format!(
            "{address} is busy: it serves another client; try again when it is done"
        )),
        TurnedAway::Crowded => Stop::Cannot(format!(
            "{address} is busy: too many knock, or it is about to leave; try again"
        )),
        TurnedAway::Silent => Stop::Cannot(format!(
            "{address} accepted the connection and did not answer: is it a copycost serve?"
        )),
        TurnedAway::Unknown => Stop::Cannot(format!(
            "{address} answered what no serve of this version does: use the same copycost at both ends"
        )),
        TurnedAway::Refused(why) => Stop::Cannot(format!("{address} refuses: {why}")),
    }
}

/// Both sides, in words.
pub(super) fn summary(report: &HandReport) -> String {
    let figures = figures(report);
    let mut text = String::new();
    match (&figures.goodput_gbps, &figures.messages_per_s) {
        (Measured::Value(goodput), Measured::Value(messages)) => {
            text.push_str(&format!(
                "goodput {} Gbit/s, {} messages/s\n",
                short(*goodput),
                short(*messages)
            ));
        }
        (Measured::Absent { absent }, _) | (_, Measured::Absent { absent }) => {
            text.push_str(&format!("goodput: {absent}\n"));
        }
    }
    let cost = |figure: &Measured<f64>| match figure {
        Measured::Value(ns) => format!("{} ns per KiB", short(*ns)),
        Measured::Absent { absent } => format!("per KiB not known ({absent})"),
    };
    let sender = cost(&figures.sender_cpu_ns_per_kib);
    let receiver = cost(&figures.receiver_cpu_ns_per_kib);
    let sent = report.sent.as_ref().map(|side| (&side.workers[..], &side.window.calls));
    let received = report.received.as_ref().map(|side| (&side.workers[..], &side.window.calls));
    for (what, side, cost) in [("sent", sent, sender), ("received", received, receiver)] {
        text.push_str(&match side {
            Measured::Value((workers, calls)) => side_of(what, workers, calls, &cost),
            Measured::Absent { absent } => format!("{what}: {absent}\n"),
        });
    }
    if let Measured::Value(side) = &report.sent
        && side.total.zerocopy_sends > 0
    {
        let copied = match &figures.copied_share {
            Measured::Value(share) => format!("{} of them copied after all", percent(*share)),
            Measured::Absent { absent } => format!("how many were copied is not known ({absent})"),
        };
        // Neither calls nor messages: one call may pass several, and one message take several.
        let completed = match (side.total.completed, side.total.zerocopy_sends) {
            (completed, of) if completed == of => format!("all {of} completed"),
            (completed, of) => format!("{completed} of {of} completed"),
        };
        text.push_str(&format!("zero-copy: {completed}, {copied}\n"));
    }
    let sent = report.sent.value().map(|side| (side.total.accepted_bytes, "sent"));
    let received = report.received.value().map(|side| (side.total.received_bytes, "received"));
    let whole: Vec<String> = [sent, received]
        .into_iter()
        .flatten()
        .map(|(bytes, what)| format!("{bytes} bytes {what}"))
        .collect();
    text.push_str(&format!("whole connection: {}\n", whole.join(", ")));
    text.push_str(
        "each side's window is its own: the first and the last tenth of the time are left out\n",
    );
    text + &others(report.strangers, report.refused_accepts)
}

/// The same as JSON.
pub(super) fn json(report: &HandReport) -> serde_json::Value {
    serde_json::json!({
        "cell": report.cell,
        "time_ns": report.time_ns,
        "reverse": report.reverse,
        "peer": report.peer,
        "figures": figures(report),
        "sent": report.sent,
        "received": report.received,
        "strangers": report.strangers,
        "refused_accepts": report.refused_accepts,
    })
}

fn figures(report: &HandReport) -> HandFigures {
    HandFigures::of(
        &report.cell,
        report.sent.as_ref().map(|side| &**side),
        report.received.as_ref().map(|side| &**side),
    )
}

/// Why the figures of one side are missing, if they are.
pub(super) fn lacks(report: &HandReport) -> Option<&str> {
    report.sent.reason().or(report.received.reason())
}

/// What a server did, when it is told to leave.
pub(super) fn served(served: &Served) -> String {
    let mut text = counted(served.tests, "test", "tests");
    text.push_str(" done");
    if served.failed > 0 {
        text.push_str(&format!(", {} failed", served.failed));
    }
    let others = others(served.strangers, served.refused_accepts);
    others.lines().for_each(|line| text.push_str(&format!("; {line}")));
    text
}

/// Who came besides the client.
fn others(strangers: u64, refused_accepts: u64) -> String {
    let mut text = String::new();
    if strangers > 0 {
        let connections = counted(strangers, "connection", "connections");
        text.push_str(&format!("turned away: {connections} that did not show the token\n"));
    }
    if refused_accepts > 0 {
        let times = counted(refused_accepts, "time", "times");
        text.push_str(&format!(
            "accept refused: {times}, for want of descriptors or memory (ulimit -n) or by a firewall\n"
        ));
    }
    text
}

/// What passed in a side's window, its CPU time, and the system calls.
fn side_of(what: &str, workers: &[Worker], calls: &Calls, cost: &str) -> String {
    // The other end's figures are what it says.
    let sum = |of: fn(&Worker) -> u64| workers.iter().map(of).fold(0, u64::saturating_add);
    let (bytes, cpu_ns) = (sum(|worker| worker.bytes.0), sum(|worker| worker.cpu_ns.0));
    let window = workers.iter().map(|worker| worker.window_ns).max().unwrap_or_default();
    format!(
        "{what} {bytes} bytes in {:.3} s, by {}, with {:.3} s of CPU time, {cost}; calls: {}\n",
        window.as_secs_f64(),
        counted(workers.len(), "worker", "workers"),
        Nanos(cpu_ns).as_secs_f64(),
        made(calls)
    )
}

/// The calls that were made, by kind.
fn made(calls: &Calls) -> String {
    let count = |call: &Field<Calls>| {
        let n = (call.get)(calls).filter(|n| *n != Figure::Whole(0))?;
        Some(format!("{n} {}", call.name))
    };
    let made: Vec<String> = Calls::fields().iter().filter_map(count).collect();
    if made.is_empty() { "none".to_owned() } else { made.join(", ") }
}

#[cfg(test)]
mod tests {
    use model::record::Outcome;

    use super::*;

    fn report() -> HandReport {
        let cell: Cell = "send=zerocopy message_bytes=16384 threads=2".parse().unwrap();
        let trial = synthetic::trial(&cell, 1).goodput_gbps(20.0).build();
        let Outcome::Finished(finished) = trial.outcome else { panic!("it failed") };
        HandReport {
            cell,
            time_ns: Nanos::s(10),
            reverse: false,
            peer: None,
            sent: Measured::Value(Box::new(finished.sender)),
            received: Measured::Value(Box::new(finished.receiver)),
            strangers: 2,
            refused_accepts: 0,
        }
    }

    #[test]
    fn every_kind_of_call_that_was_made_is_told() {
        let calls = Calls { recvmsg: 3, readv: 2, zerocopy_receive: 1, ..Calls::default() };
        assert_eq!(made(&calls), "3 recvmsg, 2 readv, 1 zerocopy_receive");
        assert_eq!(made(&Calls::default()), "none");
    }

    #[test]
    fn a_summary_has_both_sides_and_says_which_one_it_lacks() {
        let whole = summary(&report());
        let heads =
            ["goodput 20.0 Gbit/s", "sent ", "received ", "zero-copy: ", "whole connection: "];
        for head in heads {
            assert!(whole.lines().any(|line| line.starts_with(head)), "{head}: {whole}");
        }
        assert!(whole.contains("zero-copy: all ") && !whole.contains(" sends"), "{whole}");
        let mut lost = report();
        let Measured::Value(sent) = &mut lost.sent else { panic!("no sender") };
        sent.total.completed = 3;
        let of = sent.total.zerocopy_sends;
        let told = summary(&lost);
        assert!(told.contains(&format!("zero-copy: 3 of {of} completed")), "{told}");
        assert!(whole.contains("turned away: 2 connections that"), "{whole}");
        assert_eq!(lacks(&report()), None);
        let alone = HandReport { received: Measured::absent("it left"), ..report() };
        let text = summary(&alone);
        assert!(text.starts_with("goodput: it left\n"), "{text}");
        assert!(text.contains("\nreceived: it left\n"), "{text}");
        assert_eq!(lacks(&alone), Some("it left"));
        assert_eq!(json(&alone)["received"]["absent"], "it left");
        assert_eq!(json(&alone)["figures"]["goodput_gbps"]["absent"], "it left");
        assert!(json(&alone)["sent"]["total"]["accepted_bytes"].as_u64() > Some(0));
    }

    #[test]
    fn what_another_end_says_is_told_whatever_its_figures() {
        let mut forged = report();
        let Measured::Value(side) = &mut forged.received else { panic!("it has a receiver") };
        for worker in &mut side.workers {
            (worker.bytes.0, worker.cpu_ns.0, worker.window_ns.0) = (u64::MAX, u64::MAX, 1);
        }
        side.total.received_bytes = u64::MAX;
        side.socket.congestion = "\u{1b}[2J".to_owned();
        let Measured::Value(side) = &mut forged.sent else { panic!("it has a sender") };
        (side.total.copied, side.total.unreliable_marks) = (u64::MAX, u64::MAX);
        side.workers.clear();
        let text = summary(&forged);
        assert!(text.contains(&format!("received {} bytes", u64::MAX)), "{text}");
        assert!(!text.contains('\u{1b}') && !json(&forged).to_string().contains('\u{1b}'));
    }

    #[test]
    fn a_second_is_one_line_of_rates() {
        let cell: Cell = "send=send message_bytes=1000 threads=1".parse().unwrap();
        let second = Interval {
            seconds: [1, 2],
            span_ns: Nanos::s(2),
            bytes: Measured::Value(2_500_000_000),
            cpu_ns: Nanos::s(3),
        };
        let line = interval(&second, &cell);
        assert_eq!(line, "    2 s    10.0 Gbit/s   1.25M messages/s  1.50 CPUs here\n");
        let unknown = Interval { bytes: Measured::absent("old kernel"), ..second };
        assert!(interval(&unknown, &cell).contains("bytes not known: old kernel"));
    }

    #[test]
    fn what_a_server_did_is_one_line() {
        let done = Served { tests: 2, failed: 1, strangers: 3, refused_accepts: 0 };
        assert_eq!(
            served(&done),
            "2 tests done, 1 failed; turned away: 3 connections that did not show the token"
        );
        assert_eq!(served(&Served::default()), "0 tests done");
    }
}
