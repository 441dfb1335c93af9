//! Ready-made plans.

use crate::contrast::Contrast;
use crate::factor::{Factor, FactorLists};
use crate::names::{
    AckPlacement, Audit, Layout, Link, Pages, ReceivePath, SendPath, Switch, names,
};
use crate::placement::Placement;
use crate::plan::{FEWEST_ROUNDS, Measure, PRECISION, Plan};
use crate::shape::{Lengths, Shape};
use crate::thresholds::Thresholds;
use crate::units::{Nanos, Share};
use crate::values::{
    AckInterval, Congestion, CopyBelow, Fields, MessageSize, ReceiveBuffer, Ring, Segment, Threads,
};

names! {
    /// A ready-made plan.
    Preset, "preset" {
        /// The paper's 48 cells, short windows, rounds until the intervals are narrow: about five minutes.
        Default = "default",
        /// The same cells, few short trials, marked preliminary: well under a minute.
        Quick = "quick",
        /// The paper's method: 10 s windows, one round, its layout and receive buffer; marked preliminary.
        Paper = "paper",
        /// 64 B to 1 MiB by powers of two at one thread: where one path overtakes another.
        BreakEven = "break-even",
        /// When MSG_ZEROCOPY pays: 1 to 256 KiB by powers of two at one thread, over loopback and the sink, with both
        /// placements of acknowledgements. Needs root (the sink's namespaces and its BPF program).
        ZeroCopy = "zero-copy",
        /// Every receive path with a sender that copies and one that passes by reference, with segments as they come and of
        /// whole pages, which alone can be mapped.
        Receive = "receive",
        /// A header and a body: 24 B or 1 KiB before 1 to 256 KiB, at one thread.
        Http = "http",
        /// Eight equal records a message, of 64 B to 64 KiB each, at one thread.
        Records = "records",
        /// A header of 24 B and a body of 1 to 256 KiB, which goes by reference or is copied with it: from which length on a field
        /// pays by reference. Over loopback and the sink, which needs root.
        Hybrid = "hybrid",
        /// Every send path, 64 B to 1 MiB by powers of four at one thread, over loopback and the sink; paths and links that the
        /// machine has not are left out. The sink needs root.
        Paths = "paths",
        /// Rings of 16 KiB to 1 GiB, rewritten or not, of normal and of huge pages: where the caches end. Each cell alone, in
        /// steady windows: cells that took turns would turn each other out of the caches.
        WorkingSet = "working-set",
    }
}

impl Preset {
    /// What it measures, in one line for `--help`.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Default => "the paper's 48 cells on loopback; about five minutes",
            Self::Quick => "the same cells, three short rounds, preliminary; half a minute",
            Self::Paper => "the paper's method: 10 s windows, one round, preliminary; 10 min",
            Self::BreakEven => "64 B to 1 MiB, one thread: where one path overtakes another",
            Self::ZeroCopy => "when MSG_ZEROCOPY pays: loopback and the sink; root; ten minutes",
            Self::Http => "a header and a body: 24 B or 1 KiB before 1 to 256 KiB; 5 min",
            Self::Records => "8 equal records of 64 B to 64 KiB a message; five minutes",
            Self::Receive => "every way to receive, segments of whole pages too; five minutes",
            Self::Hybrid => "24 B and a body: where passing it pays; sink (root); ten minutes",
            Self::Paths => "every send path, loopback and the sink (root); twenty minutes",
            Self::WorkingSet => "rings of 16 KiB to 1 GiB: where the caches end; ten minutes",
        }
    }
}

/// Message sizes of so many bytes each.
fn sizes(bytes: impl IntoIterator<Item = u64>) -> Vec<MessageSize> {
    bytes.into_iter().filter_map(MessageSize::new).collect()
}

/// Powers of two, from one exponent to another.
fn powers(exponents: std::ops::RangeInclusive<u32>) -> impl Iterator<Item = u64> {
    exponents.map(|exponent| 1 << exponent)
}

impl Plan {
    /// The plan of a preset.
    pub fn preset(preset: Preset) -> Self {
        let mut factors = FactorLists {
            send_path: vec![SendPath::Send, SendPath::Sendmsg, SendPath::Zerocopy],
            message: sizes([64, 512, 4096, 65_536]),
            threads: vec![Threads::ONE],
            ..FactorLists::default()
        };
        let mut measure = Measure {
            window: Nanos::ms(250),
            steady: false,
            slice: Nanos::ms(5),
            settle: Nanos(1_500_000),
            turns: None,
            warmup: Nanos::ms(100),
            tail: Nanos::ms(10),
            precision: Some(PRECISION),
            min_rounds: FEWEST_ROUNDS,
            rounds: None,
            max_time: Some(Nanos::s(300)),
            margin: Share(0.03),
            seed: 1,
            controls: true,
            steady_control: true,
            audits: Vec::new(),
        };
        let mut contrasts = Vec::new();
        let mut thresholds = Thresholds::default();
        if matches!(preset, Preset::Default | Preset::Quick | Preset::Paper) {
            factors.threads = [1, 2, 4, 8].into_iter().filter_map(Threads::new).collect();
        }
        match preset {
            Preset::Default => {}
            Preset::Quick => {
                measure.window = Nanos::ms(60);
                measure.warmup = Nanos::ms(30);
                measure.rounds = Some(3);
                // With what comes before and after the measuring, half a minute in all.
                measure.max_time = Some(Nanos::s(28));
                // Shorter windows even where threads share CPUs, so their edges are coarser; and thirds of 20 ms
                // differ by chance alone.
                thresholds.window_noted = Share(0.125);
                thresholds.unsettled = Share(0.25);
            }
            Preset::Paper => {
                factors.layout = vec![Layout::Paged];
                factors.receive_buffer = vec![ReceiveBuffer::Auto];
                factors.placement = vec![Placement::None];
                factors.congestion = vec![Congestion::System];
                measure.steady = true;
                measure.window = Nanos::s(10);
                measure.warmup = Nanos::s(1);
                measure.precision = None;
                measure.rounds = Some(1);
                measure.max_time = None;
                measure.controls = false;
            }
            Preset::BreakEven => factors.message = sizes(powers(6..=20)),
            Preset::ZeroCopy => {
                factors.send_path = vec![SendPath::Sendmsg, SendPath::Zerocopy];
                factors.message = sizes(powers(10..=18));
                factors.link = vec![Link::Loopback, Link::Sink];
                factors.ack_interval = AckInterval::SWEPT.to_vec();
                factors.ack_placement = vec![AckPlacement::Helper, AckPlacement::Sender];
                // Ten rounds of its cells take nine minutes.
                measure.max_time = Some(Nanos::s(600));
            }
            Preset::Http => {
                let bodies = [1 << 10, 16 << 10, 64 << 10, 256 << 10];
                let shapes =
                    [24, 1024].into_iter().flat_map(|header| bodies.map(|body| [header, body]));
                factors.shape = shapes
                    .filter_map(|shape| Lengths::new(shape.to_vec()).ok().map(Shape::Lengths))
                    .collect();
            }
            // Eight records are what eight equal fields are.
            Preset::Records => factors.message = sizes(powers(9..=19).step_by(2)),
            Preset::Hybrid => {
                factors.send_path = vec![SendPath::Sendmsg, SendPath::Zerocopy, SendPath::Hybrid];
                let shapes = powers(10..=18).map(|body| vec![24, body]);
                factors.shape = shapes
                    .filter_map(|shape| Lengths::new(shape).ok().map(Shape::Lengths))
                    .collect();
                // The body is as long as the first, and shorter than the second.
                factors.copy_below =
                    [1 << 10, 1 << 20].into_iter().filter_map(CopyBelow::new).collect();
                factors.link = vec![Link::Loopback, Link::Sink];
                factors.ack_placement = vec![AckPlacement::Helper, AckPlacement::Sender];
                measure.max_time = Some(Nanos::s(600));
            }
            Preset::Receive => {
                factors.send_path = vec![SendPath::Sendmsg, SendPath::Zerocopy];
                factors.receive_path = ReceivePath::ALL.to_vec();
                factors.message = sizes([4 << 10, 64 << 10, 1 << 20]);
                factors.layout = vec![Layout::Paged];
                factors.segment = vec![Segment::Auto, Segment::PAGE];
            }
            Preset::Paths => {
                factors.send_path = SendPath::ALL.to_vec();
                factors.message = sizes(powers(6..=20).step_by(2));
                factors.link = vec![Link::Loopback, Link::Sink];
                measure.max_time = Some(Nanos::s(1200));
            }
            Preset::WorkingSet => {
                factors.send_path = vec![SendPath::Sendmsg, SendPath::Zerocopy];
                factors.message = sizes([16 << 10]);
                factors.fields = vec![Fields::ONE];
                factors.ring = (0..=8).map(|power| Ring::Fixed(1 << (2 * power))).collect();
                factors.rewriting = vec![Switch::Off, Switch::On];
                factors.pages = vec![Pages::Normal, Pages::Huge];
                // Rings are followed, not held against each other.
                contrasts = [
                    (Factor::Send, "zerocopy", "sendmsg"),
                    (Factor::Rewriting, "on", "off"),
                    (Factor::Pages, "huge", "normal"),
                ]
                .map(|(factor, value, against)| Contrast {
                    factor,
                    value: value.to_owned(),
                    against: against.to_owned(),
                })
                .to_vec();
                measure.steady = true;
                measure.audits = vec![Audit::Ceiling];
                measure.max_time = Some(Nanos::s(600));
            }
        }
        Self { preset, label: String::new(), peer: None, factors, contrasts, measure, thresholds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;

    #[test]
    fn the_presets_compare_the_studys_paths_but_for_the_one_of_all_paths() {
        for preset in Preset::ALL {
            let plan = Plan::preset(*preset);
            assert_eq!(plan.check(), Ok(()), "{preset}");
            if *preset == Preset::Paths {
                assert_eq!(plan.factors.send_path, SendPath::ALL);
                let sizes: Vec<u64> =
                    plan.factors.message.iter().map(|size| size.bytes().0).collect();
                assert_eq!((sizes.len(), sizes[0], sizes[7]), (8, 64, 1 << 20));
            } else if *preset == Preset::Hybrid {
                // Each body on either side of what is copied, in the block of the paths that do it all alike.
                assert_eq!(plan.cells().len(), 3 * 9 * 4);
                assert_eq!(plan.blocks().len(), 3 * 9);
                let texts: Vec<String> = plan.contrasts().iter().map(ToString::to_string).collect();
                assert_eq!(texts[3..], ["copy-below: 1048576 / 1024"]);
                let passed = plan
                    .cells()
                    .iter()
                    .filter(|cell| {
                        let share = cell.share_by_reference();
                        share > 0.0 && share < 1.0
                    })
                    .count();
                assert_eq!(passed, 3 * 9);
            } else if *preset == Preset::WorkingSet {
                let rings: Vec<u64> = plan.cells().iter().map(Cell::ring_payload_bytes).collect();
                assert_eq!(
                    (rings.len(), rings.iter().min(), rings.iter().max()),
                    (9 * 8, Some(&(16 << 10)), Some(&(1 << 30)))
                );
                assert_eq!((plan.blocks().len(), plan.contrasts().len()), (9, 3));
                assert_eq!(plan.turns(&plan.cells(), 2, false), None);
            } else {
                let of_study = |path: &SendPath| SendPath::STUDY.contains(path);
                assert!(plan.factors.send_path.iter().all(of_study), "{preset}");
            }
        }
    }

    #[test]
    fn records_are_eight_equal_ones_of_64_bytes_to_64_kib() {
        let cells = Plan::preset(Preset::Records).cells();
        let lengths: std::collections::BTreeSet<u64> =
            cells.iter().flat_map(|cell| cell.field_lengths().collect::<Vec<_>>()).collect();
        let powers: Vec<u64> = powers(6..=16).step_by(2).collect();
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), powers);
        assert!(cells.iter().all(|cell| cell.field_lengths().count() == 8));
    }

    #[test]
    fn the_zero_copy_plan_varies_the_acknowledgements_on_the_sink_alone() {
        let plan = Plan::preset(Preset::ZeroCopy);
        let cells = plan.cells();
        let on = |link: Link| cells.iter().filter(|cell| cell.link == link).count();
        assert_eq!((on(Link::Loopback), on(Link::Sink)), (18, 3 * 36));
        assert_eq!(plan.blocks().len(), 9 + 54);
        assert_eq!(plan.check(), Ok(()));
        assert!(plan.controls().iter().all(|cell| cell.link == Link::Loopback));
        let mut turned = plan;
        turned.factors.set(Factor::Link, "sink,loopback").unwrap();
        let controls = turned.controls();
        assert!(!controls.is_empty());
        assert!(controls.iter().all(|cell| cell.link == Link::Loopback), "every machine has it");
    }

    #[test]
    fn a_preset_that_names_contrasts_may_be_narrowed_to_any_of_its_values() {
        let narrowed = |lists: &[(Factor, &str)]| {
            let mut plan = Plan::preset(Preset::WorkingSet);
            lists.iter().for_each(|(factor, text)| plan.factors.set(*factor, text).unwrap());
            assert_eq!(plan.check(), Ok(()), "{lists:?}");
            let read = Plan::from_toml(&plan.to_toml()).unwrap();
            assert_eq!((read.contrasts(), read.blocks()), (plan.contrasts(), plan.blocks()));
            plan.contrasts().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let all = ["send: zerocopy / sendmsg", "rewriting: on / off", "pages: huge / normal"];
        assert_eq!(narrowed(&[]), all);
        assert_eq!(narrowed(&[(Factor::Pages, "normal")]), all[..2]);
        assert_eq!(narrowed(&[(Factor::Rewriting, "on")]), [all[0], all[2]]);
        assert_eq!(narrowed(&[(Factor::Send, "sendmsg")]), all[1..]);
        // With nothing else to compare, rings are.
        let one = [(Factor::Send, "send"), (Factor::Rewriting, "off"), (Factor::Pages, "normal")];
        assert!(narrowed(&one).iter().all(|contrast| contrast.starts_with("ring: ")));
        // Contrasts that somebody named are his, and must be there.
        let mut named = Plan::preset(Preset::WorkingSet);
        named.set_contrasts("pages: huge / normal").unwrap();
        named.factors.set(Factor::Pages, "normal").unwrap();
        assert!(named.check().unwrap_err().contains("no pages huge"));
    }

    #[test]
    fn what_a_preset_brings_along_is_not_held_against_a_link_to_which_it_means_nothing() {
        for (preset, link) in [
            (Preset::Paper, Link::Unix),
            (Preset::Receive, Link::Unix),
            (Preset::Paper, Link::Sink),
        ] {
            let mut plan = Plan::preset(preset);
            plan.factors.link = vec![link];
            assert_eq!(plan.check(), Ok(()), "{preset} over {link}");
            plan.factors.set(Factor::Gro, "off").unwrap();
            assert!(plan.check().unwrap_err().contains("gro means nothing"), "{preset}");
        }
    }
}
