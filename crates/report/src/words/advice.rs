//! The answer of `copycost advise` in sentences: what to use first, then what it rests on.

mod price;

use analysis::advice::{
    Advice, BreakEven, Choice, CopiesHere, Differs, Gap, LinkAdvice, NotReached, Saving, Seen,
    WhyNot, of_fields,
};
use analysis::estimate::Estimate;
use analysis::findings::Others;
use analysis::metric::{Better, Metric};
use analysis::recommendation::Pays;
use analysis::reference::Caveat;
use analysis::results::{Ending, Finding};
use analysis::summary::Summary;
use model::{Link, SendPath, Share};

pub(crate) use price::{microseconds, price};

use super::laws::unforeseen;
use crate::spelling::{counted, listed, percent, ratio, reduction, short, size, stretch};

/// That intervals do not tell; of one that leaves out 1 by itself, why that is not enough.
fn do_not_tell(of: Option<&Estimate>) -> String {
    let leaves_out_1 = of.is_some_and(|of| {
        of.low.is_some_and(|low| low > 1.0) || of.high.is_some_and(|high| high < 1.0)
    });
    let corrected = if leaves_out_1 { " once they are corrected for their number" } else { "" };
    format!("the intervals do not tell{corrected}")
}

/// Which runs an answer is drawn from, after a command that was stopped.
pub fn answered_from(advice: &Advice) -> String {
    let mut runs: Vec<String> =
        advice.links.iter().filter_map(|on| on.run.value().cloned()).collect();
    runs.sort();
    runs.dedup();
    if runs.is_empty() {
        return "no run answers the question yet".to_owned();
    }
    format!("the answer above is drawn from {}", listed(&runs))
}

/// What to use on one link, against what, by how much.
pub(crate) fn answer(on: &LinkAdvice, message_bytes: u64, margin: Share) -> String {
    let place = place(on.link);
    let text = match &on.choice {
        Choice::Use { path, against, ratio, finding } => {
            format!("use {path}{}", gain(on.metric, *against, ratio, *finding))
        }
        Choice::Alike { paths } => match paths.as_slice() {
            [first, ..] => format!(
                "no detectable difference between {} (each within {} of the other): use {first}, which asks for least",
                names(paths),
                percent(margin.0)
            ),
            [] => "no path is known".to_owned(),
        },
        Choice::Open { paths, ratio: of_pair } => {
            let of = match (paths.as_slice(), of_pair) {
                ([first, second, ..], Some(of)) => format!(" ({first} / {second} {})", ratio(of)),
                _ => String::new(),
            };
            format!("undecided between {}: {}{of}", names(paths), do_not_tell(of_pair.as_ref()))
        }
        Choice::BySetting { paths } => {
            let each = paths.iter().map(|(setting, path)| {
                format!("{setting}: {}", path.map_or("undecided", SendPath::name))
            });
            format!("undecided, it depends on the setting: {}", each.collect::<Vec<_>>().join("; "))
        }
        Choice::NotCovered { nearest } => match nearest.as_slice() {
            _ if let Some(ended) = &on.not_reached => format!(
                "not measured at {}, as {} before its turn",
                size(message_bytes as f64),
                ended_before(ended)
            ),
            [] => "not measured".to_owned(),
            [only] if *only == message_bytes => format!(
                "measured at {}, without two paths that have a valid trial",
                size(message_bytes as f64)
            ),
            [below, above] => format!(
                "not decided at {}: measured at {} and {}, which do not give one answer",
                size(message_bytes as f64),
                size(*below as f64),
                size(*above as f64)
            ),
            others => format!(
                "not measured at {}; the nearest size is {}",
                size(message_bytes as f64),
                sizes(others)
            ),
        },
    };
    format!("{place}: {text}.")
}

/// How a run ended that did not reach what was asked of it.
fn ended_before(NotReached { run, ending }: &NotReached) -> String {
    match ending {
        Ending::Time => format!("the time of {run} was spent"),
        Ending::Interrupted => format!("{run} was interrupted"),
        Ending::Precise | Ending::Rounds | Ending::Failed | Ending::Unfinished => {
            format!("{run} ended")
        }
    }
}

/// Whom a link speaks of.
fn place(link: Link) -> String {
    if link.is_of_one_host() {
        format!("Same host ({link})")
    } else {
        format!("Another host ({link})")
    }
}

fn names(paths: &[SendPath]) -> String {
    listed(&paths.iter().map(|path| path.name().to_owned()).collect::<Vec<_>>())
}

fn sizes(of: &[u64]) -> String {
    listed(&of.iter().map(|bytes| size(*bytes as f64)).collect::<Vec<_>>())
}

/// `: 1.31 × [1.28, 1.35] the goodput of staged`; `: 15 % [12, 18] less sender CPU than sendmsg`.
fn gain(metric: Metric, against: SendPath, of: &Estimate, finding: Finding) -> String {
    match (finding, metric.better()) {
        (Finding::Equivalent, _) => {
            format!("; no detectable difference from {against} ({})", ratio(of))
        }
        (_, Better::Low) => format!(": {} less {} than {against}", reduction(of), cost(metric)),
        (_, Better::High | Better::None) => {
            format!(": {} the goodput of {against}", ratio(of))
        }
    }
}

/// A cost by its name in a sentence.
pub(crate) fn cost(metric: Metric) -> &'static str {
    if metric == Metric::SenderSideCpuNsPerKib { "sender CPU" } else { "CPU of both ends" }
}

/// What a reader must know beside the answer of a link.
pub(crate) fn cautions(on: &LinkAdvice) -> Vec<String> {
    let mut all = Vec::new();
    if !on.is_covered() {
        all.extend(on.gap.as_ref().map(gap));
        return all;
    }
    if !on.link.has_receiver() {
        all.push(format!(
            "the {} stands in for a network card and its peer: confirm with a real one",
            on.link
        ));
    }
    if let [below, above] = on.sizes.as_slice() {
        all.push(format!(
            "measured at {} and {}, which say the same; between them nothing was",
            size(*below as f64),
            size(*above as f64)
        ));
    }
    if !on.not_compared.is_empty() {
        all.push(format!("not compared, as its run has them not: {}", names(&on.not_compared)));
    }
    all.extend(on.refused.iter().map(|it| format!("{}: {}", it.path, it.why)));
    all.extend(on.copies_here.iter().flat_map(copies_here));
    if on.oversubscribed.is_so() {
        all.push("more threads than CPUs stand behind it".to_owned());
    }
    for caveat in &on.caveats {
        match caveat {
            Caveat::Preliminary { rounds } => {
                all.push(format!("preliminary: {}", counted(*rounds, "round", "rounds")));
            }
            Caveat::LawBroken { id } => all.push(format!("unreliable: law {id} is broken")),
            Caveat::UnknownCpus => all.push("how many CPUs there were is unknown".to_owned()),
            // The cells of the answer tell it themselves.
            Caveat::Oversubscribed { .. } | Caveat::NoCause => {}
        }
    }
    all
}

/// What of this machine copies what is passed by reference, and what would help.
fn copies_here(here: &CopiesHere) -> Vec<String> {
    let CopiesHere { without_scatter_gather, packet_taps } = here;
    let devices = without_scatter_gather.first().map(|first| {
        let (has, them) = if without_scatter_gather.len() > 1 { ("have", "them") } else { ("has", "it") };
        format!(
            "{} {has} no scatter-gather: the kernel copies for {them} what is passed by reference; try ethtool -K {first} sg on",
            listed(without_scatter_gather)
        )
    });
    let taps = (*packet_taps > 0).then(|| {
        format!(
            "{} shown every packet (tcpdump, lldpd or the like; ss -0 -p names them): what is passed by reference is copied for each",
            counted(*packet_taps, "packet socket of this machine is", "packet sockets of this machine are")
        )
    });
    devices.into_iter().chain(taps).collect()
}

/// `t1 has threads 1, not 4; link loopback, not sink`.
fn gap(of: &Gap) -> String {
    let one = |it: &Differs| {
        let key = it.factor.key();
        match it.measured.as_slice() {
            [] => format!("{key} {}: its table does not tell it", it.asked),
            values => format!("{key} {}, not {}", listed(values), it.asked),
        }
    };
    let run = &of.run;
    match of.differs.as_slice() {
        [] => format!("{run} has no cell with all that is asked at once"),
        differs => format!("{run} has {}", differs.iter().map(one).collect::<Vec<_>>().join("; ")),
    }
}

/// Why a path that passes by reference is not the answer.
pub(crate) fn why_not(why: &WhyNot) -> String {
    let path = why.path;
    match &why.seen {
        Seen::Copied { share, is_delivered_here: true, .. } => format!(
            "{path}: {} of its completions say that the bytes were copied all the same, as on every delivery under one kernel",
            percent(*share)
        ),
        Seen::Copied { share, unforeseen: why, packet_taps, .. } => {
            let by = match (why, packet_taps) {
                (Some(why), _) => unforeseen(why),
                (None, 0) => {
                    "look for a packet tap (tcpdump) or a device without scatter-gather".to_owned()
                }
                (None, n) => format!(
                    "{} shown every packet (tcpdump or the like)",
                    counted(*n, "packet socket was", "packet sockets were")
                ),
            };
            format!(
                "{path}: {} of its completions say that the bytes were copied all the same; {by}",
                percent(*share)
            )
        }
        Seen::NoScatterGather => format!(
            "{path}: its device had no scatter-gather, so that the kernel copied the bytes before it, marked or not (ethtool -K DEVICE sg on)"
        ),
        Seen::SmallPackets { bytes, twin_bytes } => format!(
            "{path}: its packets carry {} B, those of its copying twin {} B: each field takes one of a packet's 17 fragments",
            short(*bytes),
            short(*twin_bytes)
        ),
        Seen::HeldBack { share } => format!(
            "{path}: waited {} of the time for room in the send buffer, which is charged whole pages; try a larger --sndbuf",
            percent(*share)
        ),
    }
}

/// A break-even: what to paste, or why there is nothing.
pub(crate) fn break_even(it: &BreakEven, link: Link) -> String {
    let BreakEven { path, against, pays, threshold_bytes, sizes: [least, most], .. } = it;
    let of = match &it.others {
        None => format!("{path} / {against}"),
        Some(others) => format!("{path}, field N of {}: by reference / copied", message(others)),
    };
    if let (Some(bytes), Pays::From { low, high }) = (threshold_bytes, pays) {
        let name = path.name().replace('-', "_").to_uppercase();
        let doubt = if (high - low).abs() < 1.0 {
            String::new()
        } else {
            format!("{low:.0} to {high:.0}; ")
        };
        return format!("{name}_THRESHOLD = {bytes} /* bytes; {doubt}{of}, {link} */");
    }
    let when = match pays {
        Pays::Always => format!("{path} costs less"),
        Pays::Never if least < most => format!("{path} never costs less"),
        Pays::Never => format!("{path} costs more"),
        Pays::Alike => format!("{path} costs the same"),
        Pays::From { low, high } | Pays::Until { low, high } => format!(
            "{path} costs less only below a size between {} and {}",
            size(*low),
            size(*high)
        ),
        Pays::Partly { less, up_to, from } => format!(
            "{path} costs {} {}; elsewhere the intervals do not tell",
            if *less { "less" } else { "more" },
            stretch(*up_to, *from)
        ),
        Pays::Mixed => "the settings of the link differ".to_owned(),
        Pays::Unclear => "the intervals do not tell".to_owned(),
    };
    let (first, last) = (size(*least as f64), size(*most as f64));
    let place = match (least == most, pays) {
        (true, Pays::Always | Pays::Never | Pays::Alike) => {
            format!(" at {first}, the only size measured ({link})")
        }
        (true, _) => format!(" ({first}, {link})"),
        (false, Pays::Always | Pays::Alike) => {
            format!(" at every size measured ({first} to {last}, {link})")
        }
        (false, _) => format!(" ({first} to {last}, {link})"),
    };
    format!("no constant for {of}: {when}{place}")
}

/// `24+N`: the fields of a message of which one is N bytes long.
pub(crate) fn message(others: &Others) -> String {
    let lengths = |of: &[u64]| of.iter().map(u64::to_string).collect::<Vec<_>>();
    let mut all = lengths(&others.before);
    all.push("N".to_owned());
    all.extend(lengths(&others.after));
    all.join("+")
}

/// The thresholds of a run's fields, a constant to paste or why there is none for each link.
pub(crate) fn field_thresholds(summary: &Summary) -> Vec<String> {
    let all = &summary.explained.field_thresholds;
    let mut links: Vec<Link> = Vec::new();
    for it in all {
        if !links.contains(&it.link) {
            links.push(it.link);
        }
    }
    let on = |link: Link| {
        let found = of_fields(all.iter().filter(move |it| it.link == link));
        found.into_iter().map(move |it| break_even(&it, link))
    };
    links.into_iter().flat_map(on).collect()
}

/// What the answer saves.
pub(crate) fn saving(
    saving: &Saving,
    rate_gbps: Option<f64>,
    spent_in_sending: Option<f64>,
) -> Vec<String> {
    let Saving { path, against, finding, cpus, share_of_cpu, .. } = saving;
    let is_shown = matches!(finding, Finding::More | Finding::Less);
    let doubt = if is_shown { "" } else { ", which is not shown to be a difference" };
    let span = |of: &Estimate, text: &dyn Fn(f64) -> String| match (of.low, of.high) {
        (Some(low), Some(high)) => format!("{} [{}, {}]", text(of.mean), text(low), text(high)),
        (None, _) | (_, None) => text(of.mean),
    };
    let cpus = cpus.as_ref().map(|cpus| {
        let (saves, more, of) = if cpus.mean < 0.0 {
            let turned = Estimate {
                mean: -cpus.mean,
                low: cpus.high.map(|high| -high),
                high: cpus.low.map(|low| -low),
                ..*cpus
            };
            ("takes", " more", turned)
        } else {
            ("saves", "", *cpus)
        };
        match rate_gbps {
            Some(rate) => format!(
                "at {} Gbit/s {path} in place of {against} {saves} {}{more} CPUs{doubt}",
                short(rate),
                span(&of, &|x| format!("{x:.3}"))
            ),
            None => format!(
                "{path} in place of {against} {saves} {}{more} CPUs for each Gbit/s{doubt}",
                span(&of, &|x| format!("{x:.4}"))
            ),
        }
    });
    let share = share_of_cpu.as_ref().zip(spent_in_sending).map(|(saved, share)| {
        format!(
            "a service that spends {} of its CPU time in sending by {against} saves {} % of it all with {path}{doubt}",
            percent(share),
            span(saved, &|x| format!("{:.2}", x * 100.0))
        )
    });
    cpus.into_iter().chain(share).collect()
}

#[cfg(test)]
mod tests {
    use analysis::advice::Question;
    use analysis::delivery::Unforeseen;
    use model::{Cell, Measured};

    use super::*;

    #[test]
    fn an_interval_that_leaves_out_1_by_itself_says_why_it_does_not_tell() {
        let of = |low: f64, high: f64| {
            do_not_tell(Some(&Estimate {
                mean: (low + high) / 2.0,
                low: Some(low),
                high: Some(high),
                trials: 9,
            }))
        };
        let corrected = "the intervals do not tell once they are corrected for their number";
        assert_eq!(of(1.28, 3.41), corrected);
        assert_eq!(of(0.5, 0.9), corrected);
        assert_eq!(of(0.9, 1.2), "the intervals do not tell");
        assert_eq!(do_not_tell(None), "the intervals do not tell");
    }

    #[test]
    fn a_constant_can_be_pasted_and_where_there_is_none_the_reason_stands() {
        let of_sizes = |sizes, pays, threshold_bytes| {
            let (path, against) = (SendPath::Zerocopy, SendPath::Sendmsg);
            let metric = Metric::SenderSideCpuNsPerKib;
            let others = None;
            let it = BreakEven { path, against, metric, pays, threshold_bytes, sizes, others };
            break_even(&it, Link::Sink)
        };
        let of = |pays, threshold_bytes| of_sizes([1024, 65_536], pays, threshold_bytes);
        let of_field = |pays, threshold_bytes| {
            let (path, against) = (SendPath::Hybrid, SendPath::Sendmsg);
            let metric = Metric::SenderSideCpuNsPerKib;
            let others = Some(Others { before: vec![24], after: vec![7] });
            let sizes = [1024, 65_536];
            let it = BreakEven { path, against, metric, pays, threshold_bytes, sizes, others };
            break_even(&it, Link::Sink)
        };
        assert_eq!(
            of_field(Pays::From { low: 12_288.0, high: 20_480.0 }, Some(16_384)),
            "HYBRID_THRESHOLD = 16384 /* bytes; 12288 to 20480; hybrid, field N of 24+N+7: by reference / copied, sink */"
        );
        assert_eq!(
            of_field(Pays::Unclear, None),
            "no constant for hybrid, field N of 24+N+7: by reference / copied: the intervals do not tell (1 KiB to 64 KiB, sink)"
        );
        assert_eq!(
            of(Pays::From { low: 8300.0, high: 11_200.0 }, Some(9600)),
            "ZEROCOPY_THRESHOLD = 9600 /* bytes; 8300 to 11200; zerocopy / sendmsg, sink */"
        );
        assert_eq!(
            of(Pays::Never, None),
            "no constant for zerocopy / sendmsg: zerocopy never costs less (1 KiB to 64 KiB, sink)"
        );
        assert_eq!(
            of(Pays::Always, None),
            "no constant for zerocopy / sendmsg: zerocopy costs less at every size measured (1 KiB to 64 KiB, sink)"
        );
        for (pays, told) in [
            (Pays::Always, "zerocopy costs less at 16 KiB, the only size measured (sink)"),
            (Pays::Never, "zerocopy costs more at 16 KiB, the only size measured (sink)"),
            (Pays::Alike, "zerocopy costs the same at 16 KiB, the only size measured (sink)"),
            (Pays::Unclear, "the intervals do not tell (16 KiB, sink)"),
        ] {
            let told = format!("no constant for zerocopy / sendmsg: {told}");
            assert_eq!(of_sizes([16_384, 16_384], pays, None), told);
        }
    }

    #[test]
    fn an_answer_after_a_signal_names_the_runs_that_it_is_drawn_from() {
        let none = Advice {
            message_bytes: 64,
            fields: 1,
            threads: 1,
            flows: 1,
            against: None,
            rate_gbps: None,
            share_of_cpu: None,
            links: Vec::new(),
        };
        assert_eq!(answered_from(&none), "no run answers the question yet");
        let question = Question {
            cell: Cell::default(),
            links: vec![Link::Loopback, Link::Veth, Link::Sink],
            paths: SendPath::STUDY.to_vec(),
            names_paths: true,
            against: None,
            rate_gbps: None,
            share_of_cpu: None,
            round_trip: None,
        };
        let told = |runs: [Option<&str>; 3]| {
            let mut advice = analysis::advice::advise(&question, &[]);
            for (on, run) in advice.links.iter_mut().zip(runs) {
                if let Some(run) = run {
                    on.run = Measured::Value(run.to_owned());
                }
            }
            answered_from(&advice)
        };
        for (runs, from) in [
            // A link that no run covers names none.
            ([None, None, None], "no run answers the question yet"),
            ([None, Some("t2"), None], "the answer above is drawn from t2"),
            // One that answers of several links is named once.
            ([Some("t2"), Some("t2"), None], "the answer above is drawn from t2"),
            ([Some("t2"), Some("t1"), Some("t2")], "the answer above is drawn from t1 and t2"),
            ([Some("t3"), Some("t1"), Some("t2")], "the answer above is drawn from t1, t2 and t3"),
        ] {
            assert_eq!(told(runs), from);
        }
    }

    #[test]
    fn why_a_run_did_not_reach_what_was_asked_is_told() {
        let told = |ending| ended_before(&NotReached { run: "t1".to_owned(), ending });
        assert_eq!(told(Ending::Time), "the time of t1 was spent");
        assert_eq!(told(Ending::Interrupted), "t1 was interrupted");
        assert_eq!(told(Ending::Unfinished), "t1 ended");
    }

    #[test]
    fn what_is_saved_is_told_at_the_rate_or_for_each_gigabit_and_more_is_not_called_saved() {
        let estimate = |mean: f64| Estimate {
            mean,
            low: Some(mean - 0.01),
            high: Some(mean + 0.01),
            trials: 9,
        };
        let told = |cpus: f64, rate| {
            let one = Saving {
                path: SendPath::Zerocopy,
                against: SendPath::Sendmsg,
                cost_ratio: estimate(0.5),
                finding: Finding::Less,
                cpus: Some(estimate(cpus)),
                share_of_cpu: None,
            };
            saving(&one, rate, None).concat()
        };
        assert_eq!(
            told(0.04, None),
            "zerocopy in place of sendmsg saves 0.0400 [0.0300, 0.0500] CPUs for each Gbit/s"
        );
        assert_eq!(
            told(-0.04, None),
            "zerocopy in place of sendmsg takes 0.0400 [0.0300, 0.0500] more CPUs for each Gbit/s"
        );
        assert_eq!(
            told(0.04, Some(5.0)),
            "at 5.00 Gbit/s zerocopy in place of sendmsg saves 0.040 [0.030, 0.050] CPUs"
        );
    }

    #[test]
    fn what_copies_is_named_where_it_is_known() {
        let told = |seen| why_not(&WhyNot { path: SendPath::Zerocopy, seen });
        let copied = |is_delivered_here, unforeseen, packet_taps| {
            told(Seen::Copied { share: 1.0, is_delivered_here, unforeseen, packet_taps })
        };
        let tapped = |packet_taps| copied(false, None, packet_taps);
        assert!(copied(true, None, 0).ends_with("as on every delivery under one kernel"));
        let no_line = Unforeseen::NoLine { device: "tun0".to_owned() };
        let told_so = copied(false, Some(no_line), 0);
        assert!(told_so.contains("the sender's tun0 has no line") && !told_so.contains("tcpdump"));
        let all =
            "zerocopy: 100 % of its completions say that the bytes were copied all the same; ";
        for (taps, what) in [
            (0, "look for a packet tap (tcpdump) or a device without scatter-gather"),
            (1, "1 packet socket was shown every packet (tcpdump or the like)"),
            (2, "2 packet sockets were shown every packet (tcpdump or the like)"),
        ] {
            assert_eq!(tapped(taps), format!("{all}{what}"));
        }
        assert_eq!(
            told(Seen::NoScatterGather),
            "zerocopy: its device had no scatter-gather, so that the kernel copied the bytes before it, marked or not (ethtool -K DEVICE sg on)"
        );
        let here = |devices: &[&str], packet_taps| {
            let without_scatter_gather = devices.iter().map(|it| (*it).to_owned()).collect();
            copies_here(&CopiesHere { without_scatter_gather, packet_taps })
        };
        assert_eq!(
            here(&["eth0"], 0),
            [
                "eth0 has no scatter-gather: the kernel copies for it what is passed by reference; try ethtool -K eth0 sg on"
            ]
        );
        assert_eq!(
            here(&["eth0", "wlan0"], 2),
            [
                "eth0 and wlan0 have no scatter-gather: the kernel copies for them what is passed by reference; try ethtool -K eth0 sg on",
                "2 packet sockets of this machine are shown every packet (tcpdump, lldpd or the like; ss -0 -p names them): what is passed by reference is copied for each",
            ]
        );
    }
}
