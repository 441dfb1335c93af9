//! `copycost advise`: one question, answered from the runs that cover it, or from a new one.

use std::path::Path;

use analysis::advice::{self, Advice, Question};
use analysis::line_rate::LineRate;
use analysis::seed_beginning_with;
use engine::Engine;
use journal::{Owner, RunDirectory, with_rights};
use model::host::Host;
use model::names::AckPlacement;
use model::record::FinishReason;
use model::shape::{Lengths, Shape};
use model::values::{CopyBelow, MessageSize, Threads};
use model::{BitRate, Cell, Factor, Link, Missing, Nanos, Peer, Plan, Preset, SendPath, Share};
use report::AdviceOptions;

use crate::args::AdviseArguments;
use crate::by_hand::time;
use crate::exit::Stop;
use crate::measured_run::{self, Run, RunEnd};
use crate::peer_flags::links_to_a_peer;
use crate::requested_plan::check_message;
use crate::run::{NOTHING_MEASURED, both_hosts, start_engine};
use crate::run_directories;
use crate::terminal::{Reader, show, tell};
use crate::time_limit::TimeLimit;

mod longest_field;
mod remedy;
mod runs;
mod scope;

use longest_field::{copy_below, longest};
use remedy::remedy;
use runs::{Runs, holds_a_run};
use scope::Scope;

/// Turns of a series where the time is short. What differs between series weighs about as much as what differs within so few.
const TURNS: u32 = 4;

/// Answers a question, and measures first what no run covers.
///
/// # Errors
/// Wrong usage, a machine that cannot, a signal; an answer that the intervals do not decide.
pub(crate) fn advise(arguments: &AdviseArguments) -> Result<(), Stop> {
    let mut asked = Asked::parse(arguments)?;
    // Another host is reached first: runs between other hosts do not answer.
    let mut engine = match &asked.peer {
        Some(peer) => Some(start_engine(Some(peer.clone()))?),
        None => None,
    };
    let host = match &engine {
        Some(engine) => both_hosts(engine)?,
        None => engine::host::facts(),
    };
    if let Some(page) = host.page_bytes.value() {
        check_message(&asked.question.cell, *page)?;
    }
    let owner = run_directories::caller();
    if let Some(path) = arguments.directory.as_deref().filter(|_| !asked.names_links) {
        asked.links_of(path, owner);
    }
    let mut runs = Runs::find(arguments.directory.as_deref(), owner, &asked.question, &host)?;
    if arguments.measure == "never" {
        runs.name_one_that_differs(owner, &host)?;
    }
    let mut refused = Vec::new();
    let mut advice = runs.advice(&asked.question);
    let wanted: Vec<Link> = match arguments.measure.as_str() {
        "never" => Vec::new(),
        "always" => asked.question.links.clone(),
        _ if runs.is_one_named => advice.uncovered().collect(),
        _ => advice.unmeasured().collect(),
    };
    let (mut finished, mut has_trials, mut cut) = (None, false, Vec::new());
    if wanted.is_empty() {
        // What was neither named nor measured is no part of the question.
        if !asked.names_links && advice.links.iter().any(advice::LinkAdvice::is_covered) {
            asked.question.links.retain(|link| !advice.uncovered().any(|it| it == *link));
        }
    } else if asked.peer.is_none() && wanted.iter().any(|it| it.capabilities().has_peer_host) {
        return Err(Stop::Usage(format!(
            "{} needs the other host to be measured; add --peer user@host, or say --measure never",
            wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        )));
    } else if runs.is_of_another_machine {
        return Err(Stop::Usage(format!(
            "{} is of another machine and does not cover the question; leave it out to measure here, or say --measure never",
            runs.place.display()
        )));
    } else {
        let measured =
            asked.measure(arguments, &host, owner, &wanted, &mut refused, &mut engine)?;
        for (found, end) in measured {
            has_trials |= found.derived.summary.run.trials > 0;
            cut.extend(asked.cut(&found.derived.plan, &end));
            runs.found.insert(0, found);
            finished = Some(end.reason);
        }
    }
    advice = runs.advice(&asked.question);
    for (link, why) in cut {
        if advice.uncovered().any(|it| it == link) {
            refused.push((link.to_string(), Missing::from(why)));
        } else {
            tell(&format!("! {link}: {why}"));
        }
    }
    show_advice(&advice, arguments.json, &runs, &refused)?;
    match finished {
        Some(FinishReason::Interrupted) => {
            let kept = if has_trials { "what was measured is kept" } else { NOTHING_MEASURED };
            Err(Stop::Interrupted(format!("{kept}; {}", report::answered_from(&advice))))
        }
        _ if advice.is_decided() => Ok(()),
        _ => Err(Stop::Undecided(remedy(&advice, arguments, &runs, &asked))),
    }
}

/// The link without devices of its own, for peers on this host, and those that stand in for a peer elsewhere: nothing is copied
/// on delivery.
fn usual_links() -> Vec<Link> {
    let is_usual = |link: &Link| {
        let can = link.capabilities();
        let is_wanted = !can.has_devices || !can.copies_by_reference_on_delivery;
        can.speaks_tcp && !can.has_peer_host && is_wanted
    };
    Link::ALL.iter().copied().filter(is_usual).collect()
}

/// Whether passing by reference saves a copy on a link, so that there is a size from which on it pays.
const fn has_break_even(link: Link) -> bool {
    link.speaks_tcp() && !link.copies_by_reference_on_delivery()
}

/// A question, and how it was asked.
struct Asked {
    question: Question,
    /// Whether the links were named.
    names_links: bool,
    /// The other host, where the question is of one.
    peer: Option<Peer>,
    max_time: Nanos,
    /// What the rounds of what was measured take over a line whose rate is known.
    takes: Option<Nanos>,
}

impl Asked {
    fn parse(arguments: &AdviseArguments) -> Result<Self, Stop> {
        let mut cell = Cell::default();
        let flags = [
            ("size", Factor::Message, &arguments.size),
            ("fields", Factor::Fields, &arguments.fields),
            ("threads", Factor::Threads, &arguments.threads),
            ("flows", Factor::Flows, &arguments.flows),
        ];
        for (flag, factor, text) in flags {
            let is_shape = |c: char| c == ',' || c == '+' || c.is_alphabetic();
            let set = if factor == Factor::Fields && text.contains(is_shape) {
                cell.set(Factor::Shape, &text.replace(',', "+"))
            } else {
                cell.set(factor, text)
            };
            set.map_err(|why| Stop::Usage(format!("--{flag}: {why}")))?;
        }
        let cell = cell.in_its_shape();
        let mut plan = Plan::preset(Preset::Default);
        plan.factors.send_path = SendPath::STUDY.to_vec();
        let peer = arguments.peer.peer()?;
        plan.factors.link = if peer.is_some() { links_to_a_peer() } else { usual_links() };
        let lists = [(Factor::Send, &arguments.send), (Factor::Link, &arguments.link)];
        for (factor, text) in lists {
            if let Some(text) = text {
                let list = plan.factors.set(factor, text);
                list.map_err(|why| Stop::Usage(format!("--{}: {why}", factor.key())))?;
            }
        }
        let has_peer = plan.factors.link.iter().any(|link| link.capabilities().has_peer_host);
        if let (Some(peer), false) = (&peer, has_peer) {
            return Err(Stop::Usage(peer.beside_links(&plan.factors.link)));
        }
        let against = arguments.against.as_deref().map(str::parse::<SendPath>).transpose();
        let against = against.map_err(|why| Stop::Usage(format!("--against: {why}")))?;
        let paths = &plan.factors.send_path;
        if let Some(other) = against.filter(|against| !paths.contains(against)) {
            return Err(Stop::Usage(format!(
                "--against {other} is not among --send; add it there"
            )));
        }
        if paths.len() < 2 {
            return Err(Stop::Usage("--send: two paths or more, to choose from".to_owned()));
        }
        let rate = arguments.rate.as_deref().map(str::parse::<BitRate>).transpose();
        let rate = rate.map_err(|why| Stop::Usage(format!("--rate: {why}")))?;
        let share = arguments.share_of_cpu.as_deref().map(str::parse::<Share>).transpose();
        let share = share.map_err(|why| Stop::Usage(format!("--share-of-cpu: {why}")))?;
        if share.is_some_and(|share| share.0 > 1.0 || share.0 <= 0.0) {
            return Err(Stop::Usage("--share-of-cpu: above 0 and up to 100%".to_owned()));
        }
        let cell = Cell { copy_below: copy_below(&cell, paths), ..cell };
        let round_trip = arguments.round_trip.as_deref().map(str::parse::<Nanos>).transpose();
        Ok(Self {
            question: Question {
                cell,
                links: plan.factors.link,
                paths: plan.factors.send_path,
                names_paths: arguments.send.is_some(),
                against,
                rate_gbps: rate.map(BitRate::gbps),
                share_of_cpu: share,
                round_trip: round_trip
                    .map_err(|why| Stop::Usage(format!("--round-trip: {why}")))?,
            },
            names_links: arguments.link.is_some() || peer.is_some(),
            peer,
            takes: None,
            max_time: time("max-time", &arguments.max_time)?,
        })
    }

    /// Of a run that is named and went between two hosts, that is what is asked about.
    fn links_of(&mut self, path: &Path, owner: Owner) {
        let is_run = with_rights(owner, || holds_a_run(path)).unwrap_or(false);
        let plan = RunDirectory::open(path, owner).and_then(|directory| directory.read_plan());
        if let (true, Ok(plan)) = (is_run, plan) {
            let links = &plan.factors.link;
            if links.iter().any(|link| link.capabilities().has_peer_host) {
                self.question.links.clone_from(links);
            }
        }
    }

    /// The plan that answers it on a link: the asked size and its neighbours, so that a break-even near by is seen; one more
    /// below where nothing is copied on delivery, as there is one to be found. More sizes would leave too few rounds.
    fn plan(&self, link: Link) -> Plan {
        let mut plan = Plan::preset(Preset::Default);
        let cell = &self.question.cell;
        let bytes = cell.message.bytes().0;
        let can = link.capabilities();
        let far = has_break_even(link).then_some(bytes / 4);
        let near = [bytes / 2, bytes, bytes.saturating_mul(2)];
        let has_fields = |size: &u64| *size >= u64::from(cell.fields.get());
        let sizes = far.into_iter().chain(near).filter(has_fields).filter_map(MessageSize::new);
        let factors = &mut plan.factors;
        factors.message = sizes.collect();
        factors.fields = vec![cell.fields];
        // Neighbours of another size are of another shape.
        factors.shape = self.shapes(link);
        factors.copy_below = vec![cell.copy_below];
        // What its cost is held against, where the path that copies all is not among those asked of.
        let lacks_twin = |path: &SendPath| {
            let can = path.capabilities();
            let has = |twin| self.question.paths.contains(&twin);
            can.copies_short_fields && can.copying_twin.is_some_and(|twin| !has(twin))
        };
        if factors.shape.len() > 1 && self.question.paths.iter().any(lacks_twin) {
            factors.copy_below.push(CopyBelow::ALL);
        }
        factors.threads = vec![cell.threads];
        factors.flows = vec![cell.flows];
        factors.send_path.clone_from(&self.question.paths);
        factors.link = vec![link];
        plan.peer = self.peer.clone().filter(|_| can.has_peer_host);
        let factors = &mut plan.factors;
        if can.has_helper {
            factors.ack_placement = vec![AckPlacement::Helper, AckPlacement::Sender];
        }
        "advise".clone_into(&mut plan.label);
        // Its minute goes into rounds: more series, each of fewer turns, and nothing that only checks the method.
        plan.measure.controls = false;
        plan.measure.steady_control = false;
        // Threads that share CPUs have slices so long that few turns would be two.
        plan.measure.turns = (cell.threads == Threads::ONE).then_some(TURNS);
        plan
    }

    /// The asked shape; where a path copies short fields also those whose longest field is half as long, twice, and where nothing
    /// is copied on delivery a quarter, so that the length from which on it pays by reference is seen.
    fn shapes(&self, link: Link) -> Vec<Shape> {
        let cell = &self.question.cell;
        let (Shape::Lengths(lengths), true) = (
            &cell.shape,
            self.question.paths.iter().any(|path| path.capabilities().copies_short_fields),
        ) else {
            return vec![cell.shape.clone()];
        };
        let Some((place, longest, second)) = longest(cell) else { return vec![cell.shape.clone()] };
        let far = has_break_even(link).then_some(longest / 4);
        let near = [longest / 2, longest, longest.saturating_mul(2)];
        let is_longest = |bytes: &u64| *bytes > second && *bytes >= cell.copy_below.bytes().0;
        let with = |bytes: u64| {
            let mut of = lengths.bytes().to_vec();
            of[place] = bytes;
            Lengths::new(of).ok().map(Shape::Lengths)
        };
        far.into_iter().chain(near).filter(is_longest).filter_map(with).collect()
    }

    /// Whether a cell is of the asked message, not of a neighbour.
    fn is_of_asked_message(&self, cell: &Cell) -> bool {
        let asked = &self.question.cell;
        cell.message == asked.message && cell.shape == asked.shape
    }

    const fn limit(&self) -> TimeLimit {
        TimeLimit::of_command("--max-time", Some(self.max_time))
    }

    /// Of a run that its limit ended within the first round: its link, and what of that is told.
    fn cut(&self, plan: &Plan, end: &RunEnd) -> Option<(Link, String)> {
        let out = end.out_of_time.filter(|out| out.round == 1)?;
        Some((*plan.factors.link.first()?, self.limit().first_round_cut(plan, &out)))
    }

    /// Measures these links as far as this machine can, each in a run of its own, as no link is compared with another. Links
    /// that were not named and that it cannot raise leave the question.
    fn measure(
        &mut self,
        arguments: &AdviseArguments,
        host: &Host,
        owner: Owner,
        links: &[Link],
        refused: &mut Vec<(String, Missing)>,
        engine: &mut Option<Engine>,
    ) -> Result<Vec<(Run, RunEnd)>, Stop> {
        let engine = match engine {
            Some(engine) => engine,
            None => engine.insert(start_engine(None)?),
        };
        let mut plans = Vec::new();
        for link in links {
            let plan = self.plan(*link);
            let lacking = engine.unsupported(&plan);
            let is_refused = plan.cells().iter().all(|it| lacking.iter().any(|(of, _)| of == it));
            if let (true, false, Some((_, why))) = (is_refused, self.names_links, lacking.first()) {
                refused.push((link.to_string(), why.clone()));
                self.question.links.retain(|other| other != link);
            } else {
                plans.push(plan);
            }
        }
        let blocks = |plan: &Plan| u32::try_from(plan.blocks().len()).unwrap_or(u32::MAX);
        let all = f64::from(plans.iter().map(blocks).sum::<u32>().max(1));
        let mut runs = Vec::new();
        for mut plan in plans {
            let share = f64::from(blocks(&plan)) / all;
            let time = Nanos::from_secs_f64(self.max_time.as_secs_f64() * share);
            plan.measure.max_time = Some(time.max(Nanos::ms(1)));
            let scope = Scope::of(plan, &self.question.cell, analysis::line_rate::bounds(host));
            self.takes = scope.takes;
            plan = scope.plan;
            let is_apart = plan.factors.link.iter().any(|link| link.capabilities().has_peer_host);
            if let (Some(line), true) = (LineRate::of(host), is_apart && !arguments.quiet) {
                tell(&format!("line: {}", report::line_words(&line)));
                scope.note.iter().for_each(|note| tell(&format!("! {note}")));
            }
            // What the time cuts off shall be the neighbours.
            plan.measure.seed = seed_beginning_with(&plan, |cell| self.is_of_asked_message(cell));
            plan.check().map_err(Stop::Usage)?;
            let of = (host, owner);
            let how = measured_run::Asked { quiet: arguments.quiet, limit: self.limit() };
            let run = Run::measured(&plan, "advise-", how, of, engine)?;
            let is_interrupted = run.1.reason == FinishReason::Interrupted;
            runs.push(run);
            if is_interrupted {
                break;
            }
        }
        Ok(runs)
    }
}

fn show_advice(
    advice: &Advice,
    json: bool,
    runs: &Runs,
    refused: &[(String, Missing)],
) -> Result<(), Stop> {
    let reader = Reader::of_output();
    let margin = runs.found.first().map_or(Plan::preset(Preset::Default).measure.margin, |run| {
        run.derived.plan.measure.margin
    });
    let options = AdviceOptions { width: reader.width, colour: reader.colour, margin, refused };
    if !json {
        return show(&report::advice_screen(advice, options));
    }
    let mut text = Vec::new();
    report::write_advice(&mut text, advice, options)
        .map_err(|error| Stop::Cannot(error.to_string()))?;
    show(&String::from_utf8_lossy(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_without_a_link_is_measured_on_this_machine_alone() {
        let names: Vec<String> = usual_links().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["loopback", "sink"]);
    }

    #[test]
    fn a_question_of_a_shape_with_hybrid_is_measured_at_lengths_around_the_longest_field() {
        let plan = |shape: &str, send: &str, link: Link| {
            let cell: Cell = format!("shape={shape}").parse().unwrap();
            let cell = cell.in_its_shape();
            let paths: Vec<SendPath> = send.split(',').map(|path| path.parse().unwrap()).collect();
            let cell = Cell { copy_below: copy_below(&cell, &paths), ..cell };
            let (links, max_time) = (vec![link], Nanos::s(50));
            let (against, rate_gbps, share_of_cpu) = (None, None, None);
            let round_trip = None;
            let question = Question {
                cell,
                links,
                paths,
                names_paths: true,
                against,
                rate_gbps,
                share_of_cpu,
                round_trip,
            };
            let asked = Asked { question, names_links: true, peer: None, max_time, takes: None };
            let mut plan = asked.plan(link);
            assert_eq!(plan.check(), Ok(()), "{shape}");
            let is_asked = |cell: &Cell| asked.is_of_asked_message(cell);
            let of_asked =
                plan.blocks().iter().filter(|(_, cells)| cells.iter().any(is_asked)).count();
            assert!(of_asked > 0, "{shape}");
            plan.measure.seed = seed_beginning_with(&plan, is_asked);
            let order = analysis::round_order(&plan, 1);
            let mut first = order.iter().take(of_asked).flat_map(|(_, cells)| cells);
            assert!(first.all(is_asked), "{shape}: what the time cuts off are the neighbours");
            let of_hybrid = plan.cells().into_iter().filter(|it| it.send_path == SendPath::Hybrid);
            let has_all = |it: &Cell| it.passes_by_reference() || it.copy_below == CopyBelow::ALL;
            assert!(of_hybrid.clone().all(|it| has_all(&it)), "{shape}");
            (plan.factors.get(Factor::Shape).join(" "), of_hybrid.count(), plan.blocks().len())
        };
        let both = "sendmsg,hybrid";
        let sizes = "24+16384 24+32768 24+65536 24+131072".to_owned();
        assert_eq!(plan("24+65536", both, Link::Sink), (sizes, 2 * 4, 2 * 4));
        let near = "24+32768+7 24+65536+7 24+131072+7".to_owned();
        assert_eq!(plan("24+65536+7", both, Link::Loopback), (near, 3, 3));
        let with_zerocopy = |factor| {
            let (shape, cells, blocks) = plan("24+65536", "zerocopy,hybrid", factor);
            (shape.split(' ').count(), cells, blocks)
        };
        assert_eq!(with_zerocopy(Link::Loopback), (3, 6, 3));
        // Without it, or without a field that is longer than all others, the asked shape alone.
        let asked = "24+65536".to_owned();
        assert_eq!(plan("24+65536", "sendmsg,zerocopy", Link::Loopback), (asked, 0, 1));
        let equal = "65536+65536".to_owned();
        assert_eq!(plan("65536+65536", both, Link::Loopback), (equal, 1, 1));
    }
}
