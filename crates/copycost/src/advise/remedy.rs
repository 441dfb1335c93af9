//! What would decide a question that is left open.

use std::collections::BTreeSet;

use analysis::advice::{Advice, Choice, LinkAdvice, Question};
use analysis::reference::Caveat;
use model::{Nanos, shell_word};

use super::Asked;
use super::runs::Runs;
use super::scope::in_minutes;
use crate::args::AdviseArguments;

/// What decides most questions that a minute does not.
const MORE_TIME: Nanos = Nanos::s(300);

/// What would decide it.
pub(super) fn remedy(
    advice: &Advice,
    arguments: &AdviseArguments,
    runs: &Runs,
    asked: &Asked,
) -> String {
    let is_covered = advice.links.iter().all(LinkAdvice::is_covered);
    let never = arguments.measure == "never";
    if is_covered && never && cost_decides(runs, asked) {
        return "CPU cost would decide it: give the rate at which you send, such as --rate 5Gbit/s"
            .to_owned();
    }
    if !is_covered && never {
        let command = command(arguments, asked, runs.is_of_another_machine, None);
        let differs = advice.links.iter().any(|on| on.gap.is_some());
        return match (runs.is_of_another_machine, differs) {
            (true, _) => format!("ask for what that run has, or measure here: {command}"),
            (false, true) => format!("ask for what that run has, or measure it: {command}"),
            (false, false) => format!("measure it: {command}"),
        };
    }
    if no_time_decides(advice) {
        return by_setting(asked);
    }
    // More than it had, and than stands behind what it did not decide.
    let had = asked.max_time.max(spent(advice, runs));
    let twice = Nanos(had.0.saturating_mul(2));
    let time = in_minutes(asked.takes.unwrap_or_default().max(MORE_TIME).max(twice));
    match arguments.measure.as_str() {
        "always" => format!("give it more time, such as --max-time {time}, or a quieter machine"),
        _ => format!(
            "measure anew with more time: {}",
            command(arguments, asked, runs.is_of_another_machine, Some(&time))
        ),
    }
}

/// What helps where each setting has its answer.
fn by_setting(asked: &Asked) -> String {
    let links = &asked.question.links;
    let is_between_hosts = links.iter().all(|link| link.capabilities().has_peer_host);
    let there =
        if is_between_hosts { "" } else { ", or measure between your hosts: --peer user@host" };
    format!(
        "the settings differ in their answers, and each is decided: use that of the setting that you have{there}"
    )
}

/// Whether no more time would decide it: of each link that is left open the settings have different answers, and each has one.
fn no_time_decides(advice: &Advice) -> bool {
    let mut open = advice.links.iter().filter(|on| !on.is_decided()).peekable();
    let has_all = |on: &LinkAdvice| matches!(&on.choice, Choice::BySetting { paths } if paths.iter().all(|(_, path)| path.is_some()));
    let is_doubted =
        |on: &LinkAdvice| on.caveats.iter().any(|it| matches!(it, Caveat::LawBroken { .. }));
    open.peek().is_some() && open.all(|on| has_all(on) && !is_doubted(on))
}

/// The time that stands behind an answer: of every run that it rests on, as one that measures anew shares its time among the links.
fn spent(advice: &Advice, runs: &Runs) -> Nanos {
    let named: BTreeSet<&String> = advice.links.iter().filter_map(|on| on.run.value()).collect();
    let of = runs.found.iter().filter(|run| named.contains(&run.name));
    let each = of.filter_map(|run| run.derived.summary.run.spent_ns.value());
    Nanos(each.fold(0, |all, spent| all.saturating_add(*spent)))
}

/// The command that measures what is asked, as somebody pastes it: with `time` anew, whatever a run has.
fn command(
    arguments: &AdviseArguments,
    asked: &Asked,
    is_elsewhere: bool,
    time: Option<&str>,
) -> String {
    let AdviseArguments {
        directory,
        size,
        fields,
        threads,
        flows,
        link,
        send,
        peer,
        against,
        rate,
        share_of_cpu,
        round_trip,
        measure: _,
        max_time,
        json,
        quiet: _,
    } = arguments;
    let mut words = vec!["copycost".to_owned(), "advise".to_owned()];
    // A run of another machine answers nothing that is measured here.
    let directory = directory.as_deref().filter(|_| !is_elsewhere);
    words.extend(directory.map(|path| shell_word(&path.display().to_string())));
    let mut add = |flag: &str, value: &str| {
        words.push(format!("--{flag}"));
        words.push(shell_word(value));
    };
    // Those that have a default.
    let usual = [
        ("size", size, "16KiB"),
        ("fields", fields, "8"),
        ("threads", threads, "1"),
        ("flows", flows, "1"),
    ];
    for (flag, value, _) in usual.into_iter().filter(|(_, value, default)| value != default) {
        add(flag, value);
    }
    let given = [
        ("link", link),
        ("send", send),
        ("against", against),
        ("rate", rate),
        ("share-of-cpu", share_of_cpu),
        ("round-trip", round_trip),
    ];
    for (flag, value) in given {
        if let Some(value) = value {
            add(flag, value);
        }
    }
    let lacks_peer = asked.peer.is_none()
        && asked.question.links.iter().any(|link| link.capabilities().has_peer_host);
    if lacks_peer {
        add("peer", "user@host");
    }
    match time {
        Some(time) => {
            add("measure", "always");
            add("max-time", time);
        }
        None if max_time == "53s" => {}
        None => add("max-time", max_time),
    }
    // One of them takes its value behind a sign alone.
    words
        .extend(peer.given().iter().map(|(flag, value)| format!("--{flag}={}", shell_word(value))));
    words.extend(json.then(|| "--json".to_owned()));
    words.join(" ")
}

/// Whether the runs decide the question by CPU cost where it is put without a rate, and so is one of goodput.
fn cost_decides(runs: &Runs, asked: &Asked) -> bool {
    let question = &asked.question;
    if question.rate_gbps.is_some() || question.share_of_cpu.is_some() {
        return false;
    }
    // Which rate it is decides nothing, only that there is one.
    runs.advice(&Question { rate_gbps: Some(1.0), ..question.clone() }).is_decided()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use model::{Link, SendPath};

    use super::*;
    use crate::args::{Arguments, Command};

    fn parsed(line: &str) -> AdviseArguments {
        let words = ["copycost", "advise"].into_iter().chain(line.split_whitespace());
        let parsed = Arguments::try_parse_from(words).unwrap().command;
        let Some(Command::Advise(arguments)) = parsed else { panic!("{parsed:?}") };
        arguments
    }

    #[test]
    fn where_each_setting_has_its_answer_no_more_time_is_asked_for() {
        let asked = Asked::parse(&parsed("--link sink")).unwrap();
        let mut advice = analysis::advice::advise(&asked.question, &[]);
        let mut told = |others: Option<SendPath>| {
            let setting = |of: &str, path| (of.to_owned(), path);
            let paths = vec![
                setting("ack_placement=helper", Some(SendPath::Zerocopy)),
                setting("ack_placement=sender", others),
            ];
            advice.links[0].choice = Choice::BySetting { paths };
            no_time_decides(&advice)
        };
        assert!(told(Some(SendPath::Sendmsg)));
        assert!(!told(None), "more time may decide the other one");
        told(Some(SendPath::Sendmsg));
        advice.links[0].caveats.push(Caveat::LawBroken { id: 1 });
        assert!(!no_time_decides(&advice), "a run whose laws hold may tell otherwise");
        assert!(by_setting(&asked).contains("--peer user@host"));
        let between = Asked::parse(&parsed("--link ssh --peer me@there")).unwrap();
        assert!(!by_setting(&between).contains("--peer"), "it is what was asked for");
    }

    #[test]
    fn the_command_that_is_named_asks_the_same_and_measures_it() {
        for line in [
            "",
            "some/run --size 20KB",
            "run --fields 24,64KiB --link sink --send sendmsg,hybrid --against sendmsg --json",
            "--threads 4 --flows 2 --rate 5Gbit/s --round-trip 3ms --max-time 2m",
            "--share-of-cpu 10% --peer me@there --data-address 10.0.0.2 --peer-sends=on",
        ] {
            let given = parsed(line);
            let asked = Asked::parse(&given).unwrap();
            let again = |is_elsewhere, time| {
                let command = command(&given, &asked, is_elsewhere, time);
                parsed(command.strip_prefix("copycost advise").unwrap())
            };
            let never = parsed(&format!("{line} --measure never --quiet"));
            let told = command(&never, &asked, false, None);
            assert_eq!(told, command(&given, &asked, false, None));
            assert_eq!(format!("{:?}", again(false, None)), format!("{given:?}"), "{line}");
            let anew = again(true, Some("11m"));
            assert_eq!((anew.measure.as_str(), anew.max_time.as_str()), ("always", "11m"));
            assert_eq!(anew.directory, None, "a run of another machine is left out");
        }
        // Of a run between two hosts, which nobody named here.
        let given = parsed("run --size 4KiB");
        let mut asked = Asked::parse(&given).unwrap();
        asked.question.links = vec![Link::Ssh];
        assert_eq!(
            command(&given, &asked, false, None),
            "copycost advise run --size 4KiB --peer user@host"
        );
    }
}
