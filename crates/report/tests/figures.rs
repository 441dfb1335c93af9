//! Figures: the same bytes every time, nothing clipped or on top of each other, and honest where there is nothing to draw.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

use analysis::findings::{Crossover, CrossoverOutcome};
use analysis::metric::Metric;
use analysis::summary::Summary;
use figure_png::{Weight, width};
use model::audit::Owner;
use model::record::{FailureKind, Record};
use model::{Factor, Mark, Measured, Plan, ReceivePath, SendPath};
use report::figures::{self, Figure};
use synthetic::plan;

/// A run of so many rounds in which everything went well, with or without hardware counters.
fn summary(plan: &Plan, rounds: u32, counted: bool) -> Summary {
    let records = synthetic::run(plan, rounds, |cell, round| {
        let noise = |seed, spread| synthetic::noise(seed, cell, round, spread);
        let likely = synthetic::likely(cell);
        let trial = synthetic::trial(cell, round)
            .goodput_gbps(likely.goodput_gbps * noise(1, 0.02))
            .sender_cpu_ns_per_kib(likely.sender_cpu_ns_per_kib * noise(2, 0.02))
            .receiver_cpu_ns_per_kib(likely.receiver_cpu_ns_per_kib * noise(3, 0.02));
        if counted { trial.counted() } else { trial }
    });
    analysis::summarise(plan, &synthetic::host(), &records)
}

fn all(summary: &Summary) -> Vec<Figure> {
    figures::all(summary, &synthetic::host())
}

fn named<'a>(figures: &'a [Figure], name: &str) -> &'a Figure {
    figures.iter().find(|figure| figure.name == name).unwrap_or_else(|| panic!("no figure {name}"))
}

/// A line of text in a drawing: its box, and what it says.
#[derive(Debug)]
struct Text {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    says: String,
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let rest = tag.get(start..)?;
    rest.get(..rest.find('"')?)
}

fn number(tag: &str, name: &str) -> f64 {
    attribute(tag, name).unwrap_or_else(|| panic!("no {name} in {tag}")).parse().unwrap()
}

fn unescaped(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Every text of a drawing, measured with the font that it is drawn with.
fn texts(svg: &str) -> Vec<Text> {
    svg.split("<text")
        .skip(1)
        .map(|element| {
            let (tag, rest) = element.split_once('>').unwrap();
            let says = unescaped(rest.split_once("</text>").unwrap().0);
            let size = number(tag, "font-size");
            let weight = if tag.contains("bold") { Weight::Bold } else { Weight::Regular };
            let wide = width(&says, size, weight);
            let (x, y) = (number(tag, "x"), number(tag, "y"));
            let left = match attribute(tag, "text-anchor") {
                Some("middle") => x - wide / 2.0,
                Some("end") => x - wide,
                _ => x,
            };
            Text { left, right: left + wide, top: y - size * 0.75, bottom: y + size * 0.2, says }
        })
        .collect()
}

/// Holds every text of both drawings against the edges and against each other.
fn assert_legible(figure: &Figure, situation: &str) {
    for svg in [&figure.svg, &figure.narrow] {
        let (across, down) = (number(svg, "width"), number(svg, "height"));
        let texts = texts(svg);
        assert!(texts.len() > 3, "{situation}, {}: hardly any text", figure.name);
        for text in &texts {
            let within = text.left >= -0.1
                && text.right <= across + 0.1
                && text.top >= -0.1
                && text.bottom <= down;
            let says = &text.says;
            assert!(
                within,
                "{situation}, {} ({across} wide): clipped \"{says}\" {text:?}",
                figure.name
            );
        }
        for (place, one) in texts.iter().enumerate() {
            for other in &texts[place + 1..] {
                let apart = one.right <= other.left
                    || other.right <= one.left
                    || one.bottom <= other.top
                    || other.bottom <= one.top;
                assert!(
                    apart,
                    "{situation}, {} ({across} wide): {one:?} over {other:?}",
                    figure.name
                );
            }
        }
    }
}

#[test]
fn in_no_situation_is_text_clipped_or_on_top_of_other_text() {
    let five_hundred = [(Factor::Message, "1B..16MiB"), (Factor::Threads, "1,2,3,4,5,6,7")];
    let situations: [(&str, Plan, u32, bool); 9] = [
        ("the default", plan(&[]), 3, false),
        ("with counters", plan(&[]), 3, true),
        ("one round", plan(&[]), 1, false),
        ("one path", plan(&[(Factor::Send, "zerocopy")]), 3, false),
        ("four paths", plan(&[(Factor::Send, "send,staged,sendmsg,zerocopy")]), 3, true),
        ("one size", plan(&[(Factor::Message, "20000")]), 3, false),
        ("one thread", plan(&[(Factor::Threads, "1")]), 3, false),
        (
            "sizes that nobody foresaw",
            plan(&[(Factor::Message, "1,63,64,65,4095,4096,4097,20000,1048577")]),
            3,
            false,
        ),
        ("525 cells", plan(&five_hundred), 2, false),
    ];
    for (situation, plan, rounds, counted) in situations {
        let figures = all(&summary(&plan, rounds, counted));
        assert!(figures.len() >= 9, "{situation}: {} figures", figures.len());
        for figure in &figures {
            assert_legible(figure, situation);
            assert!(
                !figure.reading.is_empty() && !figure.title.is_empty(),
                "{situation}, {}",
                figure.name
            );
        }
    }
}

#[test]
fn rings_that_a_plan_follows_lie_across_with_the_caches_that_end_between_them() {
    const NAME: &str = "cost-over-working-set";
    let factors = |rings, sizes| {
        let rest =
            [(Factor::Send, "sendmsg,zerocopy"), (Factor::Threads, "1"), (Factor::Fields, "1")];
        let varied =
            [(Factor::Ring, rings), (Factor::Message, sizes), (Factor::Pages, "normal,huge")];
        all(&summary(&plan(&[&rest[..], &varied[..]].concat()), 3, false))
    };
    let figures = factors("1,16,256,4096", "16KiB");
    assert_eq!(figures[0].name, NAME, "what the plan follows comes first");
    let figure = &figures[0];
    assert_legible(figure, "rings");
    for text in ["16 KiB", "256 KiB", "4 MiB", "64 MiB", "pages=huge", "caches: L1"] {
        assert!(figure.svg.contains(text), "{text}: {}", figure.svg);
    }
    assert!(texts(&figure.svg).iter().all(|text| !text.says.contains("ring=")), "it lies across");
    assert!(figure.reading.contains("at 16 KiB sendmsg"), "{}", figure.reading);
    assert_eq!(
        named(&figures, "ratios-over-size").title,
        "Paths against each other within blocks, over working set"
    );
    // Two rings are a choice. Of several sizes message size comes first.
    assert!(factors("1,16", "16KiB").iter().all(|figure| figure.name != NAME));
    let figures = factors("1,16,256", "4KiB,16KiB");
    assert_eq!(figures[0].name, "cpu-cost-over-size");
    assert_legible(named(&figures, NAME), "rings and sizes");
}

/// A run over the sink in which paths that pass by reference cost a fixed part more a message and half as much a byte.
fn by_reference(paths: &str, fixed_ns: f64) -> Vec<Figure> {
    let plan = plan(&[
        (Factor::Send, paths),
        (Factor::Link, "sink"),
        (Factor::Threads, "1"),
        (Factor::Message, "1KiB..256KiB"),
    ]);
    let records = synthetic::run(&plan, 12, |cell, round| {
        let kib = cell.message.bytes().0 as f64 / 1024.0;
        let passes = cell.send_path.capabilities().passes_by_reference;
        let cost = if passes { 100.0 + fixed_ns / kib } else { 200.0 };
        synthetic::trial(cell, round)
            .sender_cpu_ns_per_kib(cost * synthetic::noise(7, cell, round, 0.02))
    });
    all(&analysis::summarise(&plan, &synthetic::host(), &records))
}

#[test]
fn one_figure_tells_from_which_size_on_each_path_that_passes_by_reference_costs_less() {
    const NAME: &str = "break-even";
    let paths = "send,sendmsg,zerocopy,sendfile,uring-send,uring-send-zc";
    // 1600 ns per message are 100 ns per KiB at 16 KiB.
    let figures = by_reference(paths, 1600.0);
    let figure = named(&figures, NAME);
    assert_legible(figure, NAME);
    let says: Vec<String> = texts(&figure.svg).into_iter().map(|text| text.says).collect();
    for row in [
        "zerocopy / sendmsg, its copying twin: cheaper from 1",
        "sendfile / sendmsg: cheaper from 1",
        "sendfile / send, its copying twin: cheaper from 1",
        "uring-send-zc / sendmsg: cheaper from 1",
        "uring-send-zc / uring-send, its copying twin: cheaper from 1",
    ] {
        assert!(says.iter().any(|text| text.starts_with(row)), "{row}: {says:#?}");
    }
    assert!(figure.reading.starts_with("sender-side cost, sink, 1 thread: zerocopy / sendmsg"));
    // The other way round.
    for (fixed_ns, words) in [(1e6, "costs more at every size"), (0.0, "cheaper at every size")] {
        let figures = by_reference("sendmsg,zerocopy,uring-sendmsg-zc", fixed_ns);
        let figure = named(&figures, NAME);
        assert!(figure.reading.ends_with(&format!("{words}.")), "{}", figure.reading);
    }
    // One pair has its figures already.
    assert!(by_reference("sendmsg,zerocopy", 0.0).iter().all(|figure| figure.name != NAME));
}

/// A run with every cell profiled.
fn profiled(plan: &Plan) -> Summary {
    let mut records = synthetic::run(plan, 3, synthetic::trial);
    let audits = plan.cells().into_iter().map(|cell| synthetic::profiled(&cell));
    records.extend(audits.map(|audited| Record::Audit(Box::new(audited))));
    analysis::summarise(plan, &synthetic::host(), &records)
}

const CPU_TIME: &str = "where-the-cpu-time-goes";

#[test]
fn where_the_cpu_time_goes_is_drawn_where_there_is_a_profile_and_only_there() {
    assert!(all(&summary(&plan(&[]), 3, false)).iter().all(|figure| figure.name != CPU_TIME));
    for factors in [
        &[][..],
        &[(Factor::Message, "4KiB,64KiB"), (Factor::Threads, "1")],
        &[(Factor::Send, "send,staged,sendmsg,zerocopy"), (Factor::Threads, "1")],
        &[(Factor::Message, "1B..16MiB"), (Factor::Threads, "1,2,3,4,5,6,7")],
    ] {
        let figures = all(&profiled(&plan(factors)));
        assert_legible(named(&figures, CPU_TIME), "profiled");
    }
}

#[test]
fn segments_of_a_bar_bear_letter_and_pattern_of_their_key_and_say_their_share() {
    let plan = plan(&[(Factor::Message, "64KiB"), (Factor::Threads, "1")]);
    let figures = all(&profiled(&plan));
    let figure = named(&figures, CPU_TIME);
    for text in [
        ">a</text>",
        ">data copy</text>",
        ">b</text>",
        ">zero-copy bookkeeping</text>",
        ">?</text>",
        ">unmapped</text>",
        "sendmsg, sender: data copy",
        "ns per KiB</title>",
        "unmapped: 0.",
        "CPU ns per KiB of payload",
    ] {
        assert!(figure.svg.contains(text), "{text}: {}", figure.svg);
    }
    // Each drawing refers to patterns of its own, as both stand in one page.
    for (svg, own, other) in
        [(&figure.svg, "-wide)", "-narrow)"), (&figure.narrow, "-narrow)", "-wide)")]
    {
        assert!(svg.contains(own) && !svg.contains(other));
        for reference in svg.split("url(#").skip(1) {
            let id = reference.split_once(')').unwrap().0;
            assert!(svg.contains(&format!("<pattern id=\"{id}\"")), "{id}");
        }
    }
    assert!(figure.reading.contains("sendmsg data copy"), "{}", figure.reading);
}

#[test]
fn over_ssh_the_figure_says_that_it_is_of_one_end_and_which_was_not_watched() {
    let plan = plan(&[
        (Factor::Link, "ssh"),
        (Factor::Message, "64KiB"),
        (Factor::Threads, "1"),
        (Factor::Send, "sendmsg,zerocopy"),
    ]);
    let nic = || synthetic::nic("veth", None);
    let here_sends = synthetic::two_hosts(nic(), nic());
    let mut there_sends = synthetic::two_hosts(nic(), nic());
    there_sends.sender_host = there_sends.receiver_host.take();
    for (host, watched, other, owner) in [
        (&here_sends, "sender", "receiver", Owner::Receiver),
        (&there_sends, "receiver", "sender", Owner::Sender),
    ] {
        let mut records = synthetic::apart(synthetic::run(&plan, 3, synthetic::trial));
        for cell in plan.cells() {
            let mut audited = synthetic::profiled(&cell);
            if let Measured::Value(profile) = &mut audited.profile {
                profile.stacks.retain(|stack| stack.owner != owner);
            }
            records.push(Record::Audit(Box::new(audited)));
        }
        let summary = analysis::summarise(&plan, host, &records);
        let figures = figures::all(&summary, host);
        let figure = named(&figures, CPU_TIME);
        assert_legible(figure, watched);
        let said = said(&figure.svg);
        assert!(!said.contains("on all CPUs in use"), "{said}");
        assert!(said.contains(&format!("on the CPUs of the {watched}’s host alone")), "{said}");
        assert!(said.contains(&format!("no bar of the {other}: ")), "{said}");
        let told = format!("64 KiB, 1 thread, the {watched}’s host alone: sendmsg ");
        assert!(figure.reading.contains(&told), "{}", figure.reading);
    }
    let plan = self::plan(&[(Factor::Message, "64KiB"), (Factor::Threads, "1")]);
    let figures = all(&profiled(&plan));
    let figure = named(&figures, CPU_TIME);
    let said = said(&figure.svg);
    assert!(said.contains("on all CPUs in use") && !said.contains("no bar of"), "{said}");
    assert!(!figure.reading.contains("alone"), "{}", figure.reading);
}

/// All text of a drawing, its lines joined.
fn said(svg: &str) -> String {
    texts(svg).iter().map(|text| text.says.trim()).collect::<Vec<_>>().join(" ")
}

/// What stands between one title of a group of bars and the next, as text.
fn of_group<'a>(svg: &'a str, title: &str) -> &'a str {
    let (_, rest) = svg.split_once(&format!("{title}</text>")).unwrap();
    rest.split_once("CPU ns per KiB of payload").map_or(rest, |(own, _)| own)
}

#[test]
fn bars_of_the_sink_stand_apart_as_sender_side_cost_and_tell_of_no_receiver() {
    let run = |links| {
        let plan = plan(&[
            (Factor::Link, links),
            (Factor::Message, "64KiB"),
            (Factor::Threads, "1"),
            (Factor::Send, "sendmsg,zerocopy"),
        ]);
        all(&profiled(&plan))
    };
    const SINK: &str = "Sender-side cost on the sink: 64 KiB, 1 thread";
    for links in ["loopback,sink", "sink,loopback", "loopback,veth,sink", "sink"] {
        let figures = run(links);
        let figure = named(&figures, CPU_TIME);
        assert_legible(figure, links);
        let own = of_group(&figure.svg, SINK);
        assert!(own.contains("Not to be compared with bars of another link"), "{links}: {own}");
        assert!(own.contains("sendmsg, sender") && own.contains("sink’s helper"), "{links}");
        assert!(!own.contains(", receiver<"), "{links}: {own}");
        // The other links' bars come first, and there is none of theirs among the sink's.
        let before = figure.svg.split_once(&format!("{SINK}</text>")).unwrap().0;
        let before = before.split_once("<text").unwrap().1;
        assert!(!before.contains("sink’s helper"), "{links}");
        assert_eq!(before.contains("sendmsg, receiver"), links != "sink", "{links}");
        // Polling is nothing that a path does: neither drawn nor told.
        assert!(!own.contains("helper: copycost itself"), "{links}: {own}");
        let (_, told) = figure.reading.split_once(SINK).unwrap();
        assert!(told.contains("ns per KiB") && !told.contains("copycost itself"), "{told}");
    }
    assert!(!named(&run("loopback"), CPU_TIME).svg.contains("ender-side cost"));
}

#[test]
fn many_cells_give_pages_of_bearable_size() {
    let plan = plan(&[(Factor::Message, "1B..16MiB"), (Factor::Threads, "1,2,3,4,5,6,7")]);
    let figures = all(&summary(&plan, 10, false));
    let bytes: usize = figures.iter().map(|figure| figure.svg.len() + figure.narrow.len()).sum();
    assert!(bytes < 2_500_000, "{bytes} bytes");
}

#[test]
fn the_same_summary_gives_the_same_bytes() {
    let summary = summary(&plan(&[]), 3, false);
    assert_eq!(all(&summary), all(&summary));
}

#[test]
fn a_small_run_is_drawn_as_it_was_looked_at() {
    let plan = plan(&[
        (Factor::Message, "64,4KiB"),
        (Factor::Threads, "1"),
        (Factor::Send, "send,zerocopy"),
    ]);
    let figures = all(&summary(&plan, 3, false));
    for name in ["goodput-over-size", "cycles-over-size", "trials"] {
        let figure = named(&figures, name);
        insta::assert_snapshot!(
            name,
            format!("{}\n{}\n{}", figure.title, figure.reading, figure.svg)
        );
    }
}

#[test]
fn an_interval_that_tells_nothing_squashes_no_figure() {
    let plan = plan(&[(Factor::Message, "4KiB"), (Factor::Threads, "1,2,4,8")]);
    let records = synthetic::run(&plan, 2, |cell, round| {
        let is_wild = cell.threads.get() == 8 && round == 2;
        let likely = synthetic::likely(cell).goodput_gbps;
        synthetic::trial(cell, round).goodput_gbps(if is_wild { likely / 4.0 } else { likely })
    });
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    let highest = |name: &str| {
        let svg = named(&all(&summary), name).svg.clone();
        let says = texts(&svg).into_iter().map(|text| text.says);
        let ticks = says.filter_map(|says| says.strip_suffix('k')?.parse::<f64>().ok());
        ticks.fold(0.0, f64::max)
    };
    // An interval of two rounds that differ fourfold ends a thousand times above them.
    let wild = summary.estimates.iter().filter(|entry| entry.cell.threads.get() == 8);
    let high = wild.filter_map(|entry| entry.metrics[&Metric::GoodputGbps].value()?.high);
    assert!(high.fold(0.0, f64::max) > 10_000.0);
    for name in ["goodput-over-threads", "goodput-over-size", "scaling"] {
        assert!(highest(name) < 1.0, "{name}: {}k", highest(name));
    }
}

#[test]
fn context_switches_of_one_thread_count_lie_over_size() {
    let one = all(&summary(&plan(&[(Factor::Threads, "1")]), 3, false));
    let svg = &named(&one, "context-switches-over-size").svg;
    assert!(texts(svg).iter().any(|text| text.says == "message size"), "{svg}");
    let two = all(&summary(&plan(&[(Factor::Threads, "1,2")]), 3, false));
    named(&two, "context-switches-over-threads");
}

#[test]
fn a_figure_of_one_link_says_so_where_the_run_has_others() {
    let says = |links: &str| {
        let plan = plan(&[
            (Factor::Link, links),
            (Factor::Threads, "1"),
            (Factor::Send, "sendmsg,zerocopy"),
        ]);
        let figures = all(&summary(&plan, 3, false));
        let lines = texts(&named(&figures, "cpu-cost-over-size").svg).into_iter();
        lines.map(|text| text.says).collect::<Vec<_>>().join(" ")
    };
    let told = "over loopback alone; sender-side cost over sink is drawn apart";
    assert!(says("loopback,sink").contains(told), "{}", says("loopback,sink"));
    assert!(!says("loopback").contains(" alone;") && !says("sink").contains(" alone;"));
}

/// The figures on the upright axes of a drawing, panel by panel from top to bottom.
fn percents(svg: &str) -> Vec<String> {
    texts(svg).into_iter().map(|text| text.says).filter(|says| says.ends_with(" %")).collect()
}

#[test]
fn a_trial_far_off_is_an_arrow_and_squashes_no_other() {
    let plan = plan(&[(Factor::Threads, "1,2")]);
    let with = |far: f64| {
        let records = synthetic::run(&plan, 12, |cell, round| {
            let is_far = cell.threads.get() == 1 && cell.message.bytes().0 == 64 && round == 5;
            let noise = synthetic::noise(1, cell, round, 0.02);
            let likely = synthetic::likely(cell).goodput_gbps;
            synthetic::trial(cell, round).goodput_gbps(likely * if is_far { far } else { noise })
        });
        let summary = analysis::summarise(&plan, &synthetic::host(), &records);
        named(&all(&summary), "trials").svg.clone()
    };
    let (usual, far) = (with(1.0), with(0.3));
    assert!(!usual.contains("class=\"beyond\""));
    // One cell of each of the three paths.
    assert_eq!(far.matches("class=\"beyond\"").count(), 3);
    assert!(far.contains("3 trials lie beyond the axis, at 0.3"), "{far}");
    assert!(far.contains("trial beyond the panel's axis") || far.contains("panel&#39;s axis"));
    let axes = percents(&far);
    for tick in ["−50 %", "−60 %", "−70 %", "−30 %"] {
        assert!(!axes.contains(&tick.to_owned()), "{axes:?}");
    }
    // The other panel stays as it was.
    let other = |svg: &str| percents(svg).split_off(percents(svg).len() / 2);
    assert_eq!(other(&usual).last(), other(&far).last());
}

#[test]
fn a_void_trial_makes_no_axis_longer() {
    let plan = plan(&[(Factor::Threads, "1")]);
    let records = synthetic::run(&plan, 12, |cell, round| {
        let noise = synthetic::noise(1, cell, round, 0.01);
        let likely = synthetic::likely(cell).goodput_gbps;
        if round == 3 {
            synthetic::trial(cell, round).goodput_gbps(likely * 0.8).marked(Mark::Throttled)
        } else {
            synthetic::trial(cell, round).goodput_gbps(likely * noise)
        }
    });
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    let svg = &named(&all(&summary), "trials").svg.clone();
    assert!(svg.contains("class=\"beyond-void\"") && !svg.contains("class=\"crosses\""));
    assert!(svg.contains("12 trials lie beyond the axis (void), from 0.7"), "{svg}");
    assert!(!percents(svg).contains(&"−10 %".to_owned()), "{:?}", percents(svg));
}

#[test]
fn a_caption_agrees_with_its_curve_and_a_band_needs_a_break_even() {
    let mut summary = summary(&plan(&[(Factor::Threads, "1")]), 12, false);
    let drawn = |summary: &Summary| named(&all(summary), "ratios-over-size").svg.clone();
    let is_pair = |c: &&mut Crossover| {
        c.metric == Metric::EndsCpuNsPerKib && c.contrast.to_string() == "send: sendmsg / send"
    };
    let mut with = |outcome| {
        summary.explained.crossovers.iter_mut().find(is_pair).unwrap().outcome = outcome;
        drawn(&summary)
    };
    let band = "class=\"path-sendmsg\" color=\"#d55e00\" fill=\"currentColor\"";
    let undecided = with(CrossoverOutcome::Undecided);
    // Its curve lies below 1 at all of the four sizes.
    assert!(undecided.contains("sendmsg / send: cheaper at 4 of 4 sizes; no break-even found"));
    assert!(!undecided.contains(band));
    for (outcome, caption) in [
        (CrossoverOutcome::Never, "sendmsg / send: costs more at every size"),
        (CrossoverOutcome::Alike, "sendmsg / send: no difference at any size"),
    ] {
        let svg = with(outcome);
        assert!(svg.contains(caption) && !svg.contains(band), "{svg}");
    }
    let at = CrossoverOutcome::At { bytes: 1024.0, low: 512.0, high: 2048.0 };
    let svg = with(at);
    assert!(svg.contains("sendmsg / send: cheaper from 1 KiB [512 B, 2 KiB] on"), "{svg}");
    assert!(svg.contains(band));
    let svg = with(CrossoverOutcome::Bracket { low: 512.0, high: 4096.0 });
    assert!(svg.contains("cheaper from a size between 512 B and 4 KiB on") && !svg.contains(band));
}

#[test]
fn of_many_pairs_a_panel_tells_of_those_of_twins_first_and_of_few() {
    let paths = "send,sendmsg,zerocopy,splice,uring-sendmsg,uring-sendmsg-zc";
    let summary = summary(&plan(&[(Factor::Send, paths), (Factor::Threads, "1")]), 12, false);
    let figures = all(&summary);
    let figure = named(&figures, "cpu-cost-over-size");
    let text: String = texts(&figure.svg).into_iter().map(|text| text.says + "\n").collect();
    for told in
        ["zerocopy / sendmsg: ", "uring-sendmsg-zc / uring-sendmsg: ", "9 more pairs: ratios.csv"]
    {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert_eq!(text.matches(" / ").count(), 6, "{text}");
}

#[test]
fn every_estimate_is_a_mark_with_its_interval() {
    let summary = summary(&plan(&[]), 3, false);
    let figures = all(&summary);
    let svg = &named(&figures, "goodput-over-size").svg;
    let says: Vec<&str> =
        svg.split("<title>").skip(1).map(|rest| rest.split_once("</title>").unwrap().0).collect();
    assert_eq!(says.len(), 48);
    for text in says {
        assert!(text.contains('[') && text.contains("Gbit/s, 3 trials"), "{text}");
    }
    // Caps of 48 intervals, and a band for each of the 12 lines.
    assert_eq!(svg.matches("class=\"band\"").count(), 12);
    assert_eq!(svg.matches("<path d=\"M").count(), 48 + 3);
}

#[test]
fn a_path_looks_the_same_in_every_figure_and_in_grey_its_mark_tells_it() {
    let figures = all(&summary(&plan(&[]), 3, true));
    for figure in &figures {
        for path in SendPath::ALL {
            let class = format!("class=\"series path-{path}\"");
            for series in figure.svg.split(&class).skip(1) {
                let other = figure.svg.split(&class).nth(1).unwrap();
                assert_eq!(
                    attribute(series, "color"),
                    attribute(other, "color"),
                    "{}",
                    figure.name
                );
            }
        }
    }
    let main = &figures[0].svg;
    let shape = |path: &str| {
        let series = main.split(&format!("class=\"series {path}\"")).nth(1).unwrap();
        let mark = series.split("class=\"full\" d=\"M").nth(1).unwrap();
        let start = mark.find('m').unwrap();
        mark[start..].split('"').next().unwrap().to_owned()
    };
    let shapes = ["path-send", "path-sendmsg", "path-zerocopy"].map(shape);
    assert!(shapes[0] != shapes[1] && shapes[1] != shapes[2] && shapes[0] != shapes[2]);
}

#[test]
fn without_counters_figures_say_what_is_missing_and_show_cpu_time_instead() {
    let figures = all(&summary(&plan(&[]), 3, false));
    for name in ["cache-misses-over-size", "cycles-over-size"] {
        let figure = named(&figures, name);
        assert!(figure.svg.contains("were not measured: shown as absent, not as 0"), "{name}");
        assert!(figure.svg.contains("copycost probe"), "{name}");
        assert!(figure.svg.contains("sender CPU, ns per KiB"), "{name}");
        assert!(figure.reading.contains("could not be measured here"), "{}", figure.reading);
    }
    let counted = all(&summary(&plan(&[]), 3, true));
    for name in ["cache-misses-over-size", "cycles-over-size"] {
        assert!(!named(&counted, name).svg.contains("class=\"notice\""), "{name}");
    }
}

#[test]
fn what_cannot_be_drawn_says_why_and_what_would() {
    let one_path = all(&summary(&plan(&[(Factor::Send, "sendmsg")]), 3, false));
    assert!(named(&one_path, "ratios-over-size").svg.contains("--send send,sendmsg,zerocopy"));
    let one_thread = all(&summary(&plan(&[(Factor::Threads, "1")]), 3, false));
    assert!(named(&one_thread, "scaling").svg.contains("--threads 1,2,4,8"));
    assert!(named(&one_thread, "goodput-over-threads").svg.contains("--threads 1,2,4,8"));
    let far =
        all(&summary(&plan(&[(Factor::Message, "64,20KB"), (Factor::Threads, "1,8")]), 3, false));
    assert!(named(&far, "goodput-over-threads").title.ends_with("20000 B"));
    assert!(named(&far, "goodput-over-threads").svg.contains("4 KiB was not measured"));
    assert!(named(&far, "cache-misses-over-size").svg.contains("2 threads were not measured"));
}

#[test]
fn a_cell_without_a_valid_trial_is_named_and_the_rest_is_drawn() {
    let plan = plan(&[(Factor::Threads, "1")]);
    let dead = plan.cells()[1].clone();
    let records = synthetic::run(&plan, 3, |cell, round| {
        let trial = synthetic::trial(cell, round);
        if *cell == dead { trial.failed(FailureKind::EndLost, "the sender died") } else { trial }
    });
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    let figures = all(&summary);
    let figure = named(&figures, "goodput-over-size");
    assert!(figure.svg.contains("without a valid trial, so not drawn: send, 512 B, 1 thread"));
    for figure in &figures {
        assert_legible(figure, "one cell without trials");
    }

    let none = synthetic::run(&plan, 3, |cell, round| {
        synthetic::trial(cell, round).failed(FailureKind::EndLost, "the sender died")
    });
    let summary = analysis::summarise(&plan, &synthetic::host(), &none);
    for figure in all(&summary) {
        assert!(figure.svg.contains("class=\"notice\""), "{}", figure.name);
        assert_legible(&figure, "no valid trial at all");
    }
}

#[test]
fn no_text_of_the_machine_or_of_the_plan_becomes_markup() {
    let nasty = "<script>alert(\"x\")</script>'&";
    let mut plan = plan(&[(Factor::Threads, "1")]);
    plan.label = nasty.to_owned();
    let mut host = synthetic::host();
    host.cpu_model = Measured::Value(nasty.to_owned());
    host.kernel = Measured::Value(nasty.to_owned());
    let records = synthetic::run(&plan, 2, synthetic::trial);
    let summary = analysis::summarise(&plan, &host, &records);
    for figure in figures::all(&summary, &host) {
        for svg in [&figure.svg, &figure.narrow] {
            assert!(!svg.contains("<script"), "{}", figure.name);
            assert!(svg.contains("&lt;script&gt;"), "{}", figure.name);
            figures::png(svg).unwrap();
        }
    }
}

#[test]
fn the_style_knows_every_colour_that_figures_use() {
    let style = figures::style();
    for path in SendPath::ALL {
        assert_eq!(style.matches(&format!("--figure-path-{path}:")).count(), 3, "{path}");
    }
    assert!(style.contains("prefers-color-scheme:dark"));
    for name in style.split("var(--").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert_eq!(style.matches(&format!("--{name}:")).count(), 3, "{name}");
    }
}

/// A run of every receive path behind a path that copies and one that passes by reference, in which mapping saves the copy of a byte
/// and costs so many ns a message.
fn receiving(sizes: &str, a_mapping_ns: f64) -> Vec<Figure> {
    let plan = synthetic::without_controls(&[
        (Factor::Send, "sendmsg,zerocopy"),
        (Factor::Recv, "recv,recvmsg,readv,recv-trunc,recv-zerocopy,uring-recv"),
        (Factor::Message, sizes),
        (Factor::Threads, "1"),
        (Factor::Layout, "paged"),
        (Factor::Segment, "auto,4108"),
    ]);
    let records = synthetic::run(&plan, 12, |cell, round| {
        let kib = cell.message.bytes().0 as f64 / 1024.0;
        let maps = cell.receive_path == ReceivePath::RecvZerocopy;
        let cost = if maps { 60.0 + a_mapping_ns / kib } else { 100.0 };
        synthetic::trial(cell, round)
            .sender_cpu_ns_per_kib(100.0 * synthetic::noise(6, cell, round, 0.01))
            .receiver_cpu_ns_per_kib(cost * synthetic::noise(7, cell, round, 0.01))
    });
    all(&analysis::summarise(&plan, &synthetic::host(), &records))
}

#[test]
fn receive_paths_are_series_where_more_of_them_vary_than_send_paths_and_all_are_drawn() {
    // 1280 ns a message are 40 ns per KiB at 32 KiB.
    let figures = receiving("4KiB,16KiB,64KiB,256KiB,1MiB", 1280.0);
    for name in ["goodput-over-size", "cpu-cost-by-threads", "cpu-cost-over-size"] {
        let figure = named(&figures, name);
        assert_legible(figure, name);
        let says: Vec<String> = texts(&figure.svg).into_iter().map(|text| text.says).collect();
        for path in ReceivePath::ALL {
            assert!(figure.svg.contains(&format!("path-{path}\"")), "{name}: {path}: {says:#?}");
        }
        assert!(says.iter().all(|text| !text.contains("not drawn here")), "{name}: {says:#?}");
    }
    // A panel for each send path and segment.
    let svg = &named(&figures, "goodput-over-size").svg;
    for panel in ["1 thread, send=sendmsg, segment=auto", "1 thread, send=zerocopy, segment=4108"] {
        assert!(svg.contains(panel), "{panel}");
    }
    // Every two within a panel differ in the receive path, but for what a segment does.
    let ratios = named(&figures, "ratios-over-size");
    assert!(!ratios.reading.contains("zerocopy / sendmsg:"), "{}", ratios.reading);
    let figure = named(&figures, "break-even");
    assert_legible(figure, "break-even");
    let says: Vec<String> = texts(&figure.svg).into_iter().map(|text| text.says).collect();
    for send_path in ["sendmsg", "zerocopy"] {
        let title = format!("send={send_path}");
        assert!(says.iter().any(|text| text.contains(&title)), "{title}: {says:#?}");
    }
    let row = "recv-zerocopy / recv: cheaper from ";
    assert!(says.iter().filter(|text| text.starts_with(row)).count() >= 2, "{says:#?}");
    assert!(says.iter().all(|text| !text.starts_with("recv-trunc / ")), "{says:#?}");
}
