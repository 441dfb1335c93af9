//! What the first line says.

use analysis::estimate::Estimate;
use model::{Link, Measured, SendPath};

use super::*;

fn estimate(mean: f64) -> Estimate {
    Estimate { mean, low: Some(mean * 0.98), high: Some(mean * 1.02), trials: 12 }
}

fn gain(message_bytes: u64, mean: f64, finding: Finding) -> Gain {
    Gain { message_bytes, ratio: estimate(mean), finding }
}

fn recommended(advice: Advice, pays: Pays) -> Recommendation {
    Recommendation {
        at_line_rate: false,
        link: Link::Loopback,
        stated_link: Some(Link::Loopback),
        factor: Factor::Send,
        shared: None,
        metric: Metric::GoodputGbps,
        advice,
        not_with: Vec::new(),
        if_rewritten: None,
        by_reference: vec![ByReference {
            path: SendPath::A3,
            against: SendPath::A2,
            metric: Metric::EndsCpuNsPerKib,
            pays,
            copied_share: Measured::Value([1.0, 1.0]),
        }],
        copied_anyway: vec![SendPath::A3],
        copied_out_anyway: Vec::new(),
        caveats: Vec::new(),
    }
}

fn use_sendmsg(gains: Vec<Gain>) -> Advice {
    let (value, against) = ("sendmsg".to_owned(), "send".to_owned());
    Advice::Use { value, against, everywhere: true, gains }
}

#[test]
fn the_answer_is_short_and_has_one_interval() {
    let more = Finding::More;
    let gains = vec![gain(64, 4.8, more), gain(512, 4.5, more), gain(65_536, 1.3, more)];
    let text = sentence(&recommended(use_sendmsg(gains), Pays::Never));
    assert_eq!(
        text,
        "Use sendmsg: 4.80 × [4.70, 4.90] the goodput of send at 64 B, 1.30 × at 64 KiB; zerocopy never beats it (copied over loopback)."
    );
    assert!(text.split_whitespace().count() <= 25, "{text}");
    assert_eq!(text.matches('[').count(), 1);
}

#[test]
fn what_else_may_be_chosen_is_named_by_its_flag_and_a_broken_law_is_said() {
    let gains = vec![gain(64, 1.5, Finding::More), gain(65_536, 1.0, Finding::Equivalent)];
    let (value, against) = ("on".to_owned(), "off".to_owned());
    let advice = Advice::Use { value, against, everywhere: false, gains };
    let factor = Factor::Nodelay;
    let of =
        Recommendation { factor, by_reference: Vec::new(), ..recommended(advice, Pays::Never) };
    let broken = |id| Caveat::LawBroken { id };
    let text = |caveats| sentence(&Recommendation { caveats, ..of.clone() });
    assert_eq!(
        text(vec![broken(8)]),
        "Use --nodelay on: 1.50 × [1.47, 1.53] the goodput of --nodelay off at 64 B, the same at 64 KiB; unreliable: law 8 is broken."
    );
    assert_eq!(
        text(vec![broken(1), broken(8)]),
        "Use --nodelay on: 1.50 × [1.47, 1.53] the goodput of --nodelay off at 64 B; unreliable: laws 1 and 8 are broken."
    );
    assert_eq!(
        text(Vec::new()),
        "Use --nodelay on: 1.50 × [1.47, 1.53] the goodput of --nodelay off at 64 B, the same at 64 KiB."
    );
}

#[test]
fn settings_in_which_it_is_otherwise_are_named_before_the_other_end_of_the_sizes() {
    let gains = vec![gain(64, 5.4, Finding::More), gain(65_536, 1.2, Finding::More)];
    let setting = |factor, value: &str| vec![(factor, value.to_owned())];
    let of = |not_with| Recommendation {
        not_with,
        by_reference: Vec::new(),
        ..recommended(use_sendmsg(gains.clone()), Pays::Never)
    };
    let one = setting(Factor::Fields, "1");
    assert_eq!(
        sentence(&of(vec![one.clone()])),
        "Use sendmsg: 5.40 × [5.29, 5.51] the goodput of send at 64 B, 1.20 × at 64 KiB; not with --fields 1."
    );
    let both = of(vec![one.clone(), setting(Factor::Threads, "8")]);
    assert!(sentence(&both).ends_with("; not with --fields 1 or --threads 8."));
    let many = of(vec![one, setting(Factor::Threads, "4"), setting(Factor::Threads, "8")]);
    assert!(sentence(&many).ends_with("; not with --fields 1 and 2 other settings."));
}

#[test]
fn what_nobody_tells_the_release_of_is_followed_by_what_can_be_written_again() {
    let by_size = |value: &str| Advice::BySize {
        value: value.to_owned(),
        against: "staged".to_owned(),
        outcome: CrossoverOutcome::Bracket { low: 16_384.0, high: 65_536.0 },
    };
    let if_rewritten = Some(by_size("sendmsg"));
    let of = Recommendation { if_rewritten, ..recommended(by_size("splice"), Pays::Never) };
    assert_eq!(
        super::if_rewritten(&of, false).unwrap(),
        "Buffers that are written again: use staged for small messages and sendmsg for large ones; they change places between 16 KiB and 64 KiB; nothing tells when splice has let go of one."
    );
    assert!(
        super::if_rewritten(&of, true)
            .unwrap()
            .starts_with("Buffers that are written again over loopback: use")
    );
    assert_eq!(super::if_rewritten(&recommended(by_size("sendmsg"), Pays::Never), true), None);
}

#[test]
fn whatever_the_first_line_names_it_says_to_have_been_copied_once() {
    let (zerocopy, send) = ("zerocopy".to_owned(), "send".to_owned());
    let bracket = CrossoverOutcome::Bracket { low: 4096.0, high: 65_536.0 };
    let both = || vec![send.clone(), zerocopy.clone()];
    // The twin that copies was not measured, so that nothing is said of when it pays.
    for (advice, text) in [
        (
            use_one("zerocopy", "send"),
            "Use zerocopy (copied anyway): 1.50 × [1.47, 1.53] the goodput of send at 64 B, 1.20 × at 64 KiB.",
        ),
        (
            use_one("send", "zerocopy"),
            "Use send: 1.50 × [1.47, 1.53] the goodput of zerocopy (copied anyway) at 64 B, 1.20 × at 64 KiB.",
        ),
        (
            Advice::BySize { value: zerocopy.clone(), against: send.clone(), outcome: bracket },
            "Use send for small messages and zerocopy (copied anyway) for large ones; they change places between 4 KiB and 64 KiB.",
        ),
        (
            Advice::Alike { values: both() },
            "Use any of send and zerocopy (copied anyway): alike at every size.",
        ),
        (
            Advice::Unclear { values: both() },
            "Unclear which of send and zerocopy (copied anyway) to use (wide intervals).",
        ),
        (
            Advice::Alone { value: zerocopy.clone() },
            "Only zerocopy (copied anyway) was measured: nothing is recommended.",
        ),
    ] {
        let by_reference = Vec::new();
        let mut of = Recommendation { by_reference, ..recommended(advice, Pays::Never) };
        assert_eq!(sentence(&of), text);
        assert!(says_copied(&of));
        of.copied_anyway.clear();
        assert_eq!(sentence(&of), text.replace(" (copied anyway)", ""));
        assert!(!says_copied(&of));
    }
    // What is said of when it pays says it only where it does not pay.
    let of = recommended(use_one("zerocopy", "sendmsg"), Pays::Never);
    assert!(sentence(&of).ends_with("; it costs more CPU than sendmsg (copied anyway)."));
    assert_eq!(sentence(&of).matches("copied").count(), 1);
    let of = recommended(use_one("zerocopy", "sendmsg"), Pays::Always);
    assert!(sentence(&of).starts_with("Use zerocopy (copied anyway): "));
}

fn use_one(value: &str, against: &str) -> Advice {
    let gains = vec![gain(64, 1.5, Finding::More), gain(65_536, 1.2, Finding::More)];
    let (value, against) = (value.to_owned(), against.to_owned());
    Advice::Use { value, against, everywhere: true, gains }
}

#[test]
fn a_path_to_receive_that_could_map_and_copied_all_is_said_to_copy() {
    let advice = use_one("recv-zerocopy", "recv");
    let of = Recommendation {
        factor: Factor::Recv,
        by_reference: Vec::new(),
        copied_anyway: Vec::new(),
        copied_out_anyway: vec![model::ReceivePath::RecvZerocopy],
        ..recommended(advice, Pays::Never)
    };
    assert!(sentence(&of).starts_with("Use recv-zerocopy (copied anyway): "), "{}", sentence(&of));
    let of = Recommendation { copied_out_anyway: Vec::new(), ..of };
    assert!(sentence(&of).starts_with("Use recv-zerocopy: "), "{}", sentence(&of));
}

#[test]
fn what_has_no_room_is_not_said() {
    let gains = vec![gain(64, 4.8, Finding::More), gain(65_536, 1.3, Finding::More)];
    let mut of = recommended(use_sendmsg(gains), Pays::Never);
    assert!(says_copied(&of));
    of.caveats.extend([1, 8].map(|id| Caveat::LawBroken { id }));
    assert_eq!(
        sentence(&of),
        "Use sendmsg: 4.80 × [4.70, 4.90] the goodput of send at 64 B, 1.30 × at 64 KiB; unreliable: laws 1 and 8 are broken."
    );
    assert!(!says_copied(&of));
}

#[test]
fn an_interval_is_shown_only_of_what_is_shown_after_correction() {
    let gains = vec![gain(64, 1.1, Finding::Undecided), gain(65_536, 1.5, Finding::More)];
    let text = sentence(&recommended(use_sendmsg(gains), Pays::Unclear));
    assert!(
        text.starts_with(
            "Use sendmsg: 1.50 × [1.47, 1.53] the goodput of send at 64 KiB, unclear at 64 B;"
        ),
        "{text}"
    );
}

#[test]
fn a_size_at_line_rate_is_not_called_unclear() {
    let gains = vec![gain(64, 1.5, Finding::More), gain(65_536, 1.0, Finding::AtLineRate)];
    let of = recommended(use_sendmsg(gains), Pays::Unclear);
    let text = sentence(&Recommendation { by_reference: Vec::new(), ..of });
    assert!(text.contains("the goodput of send at 64 B, at line rate at 64 KiB"), "{text}");
}

#[test]
fn before_two_whole_rounds_there_are_no_intervals() {
    let values: Vec<String> = SendPath::ALL.iter().map(ToString::to_string).collect();
    for (rounds, intervals) in
        [(0, "(no intervals)"), (1, "(no intervals)"), (2, "(wide intervals)")]
    {
        let mut it = recommended(Advice::Unclear { values: values.clone() }, Pays::Never);
        it.caveats.push(Caveat::Preliminary { rounds });
        assert!(sentence(&it).contains(intervals), "{rounds}: {}", sentence(&it));
    }
}

#[test]
fn every_advice_is_at_most_25_words() {
    let at = CrossoverOutcome::At { bytes: 10_035.0, low: 8_300.0, high: 12_288.0 };
    let bracket = CrossoverOutcome::Bracket { low: 4096.0, high: 65_536.0 };
    let values: Vec<String> = SendPath::ALL.iter().map(ToString::to_string).collect();
    let (value, against) = ("zerocopy".to_owned(), "sendmsg".to_owned());
    let gains = vec![gain(64, 1.5, Finding::More), gain(65_536, 1.0, Finding::Equivalent)];
    for advice in [
        use_sendmsg(gains),
        Advice::BySize { value: value.clone(), against: against.clone(), outcome: at },
        Advice::BySize { value: value.clone(), against, outcome: bracket },
        Advice::Alike { values: values.clone() },
        Advice::Unclear { values: values.clone() },
        Advice::NotThemselves { values, settings: stream() },
        Advice::Alone { value },
        Advice::Nothing,
    ] {
        let is_used = matches!(advice, Advice::Use { .. });
        for pays in [Pays::From { low: 8e3, high: 9e3 }, Pays::Never] {
            let mut recommendation = recommended(advice.clone(), pays);
            recommendation.caveats.push(Caveat::Preliminary { rounds: 3 });
            if is_used {
                recommendation.caveats.extend([1, 8].map(|id| Caveat::LawBroken { id }));
            }
            let text = sentence(&recommendation);
            // That a path was copied is said even where there is no room.
            let marks = 2 * text.matches("(copied anyway)").count();
            assert!(text.split_whitespace().count() <= 25 + marks, "{text}");
            assert!(text.starts_with("Preliminary, 3 rounds: "), "{text}");
            let end = if is_used { "; unreliable: laws 1 and 8 are broken." } else { "." };
            assert!(text.ends_with(end), "{text}");
        }
    }
}

fn stream() -> Vec<(Factor, String)> {
    vec![(Factor::MemoryLoad, "stream".to_owned())]
}

#[test]
fn why_nothing_is_recommended_beside_a_memory_load_comes_first() {
    let values = vec!["send".to_owned(), "sendmsg".to_owned()];
    let advice = Advice::NotThemselves { values, settings: stream() };
    assert_eq!(
        sentence(&recommended(advice, Pays::Never)),
        "Nothing is recommended: all was measured with --memory-load stream, which shows what that costs, not which path to use; leave it out."
    );
}

#[test]
fn at_line_rate_cpu_is_said_to_decide() {
    let gain = gain(65_536, 0.6, Finding::Less);
    let (value, against) = ("zerocopy".to_owned(), "sendmsg".to_owned());
    let advice = Advice::Use { value, against, everywhere: true, gains: vec![gain] };
    let recommended = Recommendation {
        at_line_rate: true,
        metric: Metric::EndsCpuNsPerKib,
        by_reference: Vec::new(),
        copied_anyway: Vec::new(),
        copied_out_anyway: Vec::new(),
        ..recommended(advice, Pays::Never)
    };
    let text = sentence(&recommended);
    assert!(text.starts_with("At line rate, by CPU: use zerocopy: 0.6"), "{text}");
    assert!(text.contains("the CPU of both ends per KiB of sendmsg at 64 KiB"), "{text}");
}
