//! What a column may be taken as, and by which headings.

use analysis::metric::Metric;
use model::Factor;

use crate::heading::Heading;
use crate::unit::{Dimension, Scale};

/// Whose counter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// The sender's.
    Sender,
    /// The receiver's.
    Receiver,
    /// Both ends' together.
    Ends,
}

/// What a counter counted over a whole trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    /// CPU cycles.
    Cycles,
    /// Instructions.
    Instructions,
    /// The vendor's cache misses.
    CacheMisses,
    /// Last-level read misses.
    LlcMisses,
    /// Level-1 data read misses.
    L1dMisses,
    /// Data TLB read misses.
    DtlbMisses,
    /// Context switches.
    ContextSwitches,
    /// CPU time in seconds.
    CpuTime,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Column {
    /// A factor of the cell.
    Factor(Factor),
    /// Which repetition.
    Round,
    /// Payload bytes of the whole trial.
    Bytes,
    /// Its length in seconds.
    Duration,
    /// A counter's total.
    Total(Whose, Counted),
    /// A figure of copycost's, in its own unit.
    Metric(Metric),
    /// The cell's id.
    CellId,
    /// Of copycost's own trials.
    Own(Own),
    /// Nothing that is used.
    Ignored,
}

/// Columns of `trials.csv` that no other table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Own {
    /// `block`.
    Block,
    /// `position`.
    Position,
    /// `attempt`.
    Attempt,
    /// `started_unix_ms`.
    Started,
    /// `failure`.
    Failure,
    /// `failure_why`.
    FailureWhy,
    /// `marks`.
    Marks,
    /// `usable_cpus`.
    UsableCpus,
    /// `machine`.
    Machine,
    /// `window_ns`.
    Window,
}

/// The word that leaves a column out.
pub(crate) const IGNORE: &str = "ignore";

const WHOSE: [(Whose, &str); 3] =
    [(Whose::Sender, "sender"), (Whose::Receiver, "receiver"), (Whose::Ends, "ends")];

const COUNTED: [(Counted, &str); 8] = [
    (Counted::Cycles, "cycles"),
    (Counted::Instructions, "instructions"),
    (Counted::CacheMisses, "cache_misses"),
    (Counted::LlcMisses, "llc_misses"),
    (Counted::L1dMisses, "l1d_misses"),
    (Counted::DtlbMisses, "dtlb_misses"),
    (Counted::ContextSwitches, "context_switches"),
    (Counted::CpuTime, "cpu_s"),
];

impl Column {
    /// Its name, with the unit that its figures are in.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Factor(factor) => factor.column().to_owned(),
            Self::Round => "round".to_owned(),
            Self::Bytes => "total_bytes".to_owned(),
            Self::Duration => "duration_s".to_owned(),
            Self::Total(whose, counted) => {
                format!("{}_{}", word(&WHOSE, whose), word(&COUNTED, counted))
            }
            Self::Metric(metric) => metric.name().to_owned(),
            Self::CellId => "cell".to_owned(),
            Self::Own(own) => own.name().to_owned(),
            Self::Ignored => IGNORE.to_owned(),
        }
    }
}

fn word<T: Copy + PartialEq>(words: &[(T, &'static str)], of: T) -> &'static str {
    words.iter().find(|(known, _)| *known == of).map_or("", |(_, word)| word)
}

impl Own {
    pub(crate) const ALL: [Self; 10] = [
        Self::Block,
        Self::Position,
        Self::Attempt,
        Self::Started,
        Self::Failure,
        Self::FailureWhy,
        Self::Marks,
        Self::UsableCpus,
        Self::Machine,
        Self::Window,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Position => "position",
            Self::Attempt => "attempt",
            Self::Started => "started_unix_ms",
            Self::Failure => "failure",
            Self::FailureWhy => "failure_why",
            Self::Marks => "marks",
            Self::UsableCpus => "usable_cpus",
            Self::Machine => "machine",
            Self::Window => "window_ns",
        }
    }
}

/// The names that a column may be given, beside those of copycost's metrics and factors: for help.
pub fn names() -> Vec<String> {
    let of = |columns: &[Column]| columns.iter().map(|column| column.name()).collect::<Vec<_>>();
    let mut names = of(&[
        Column::Factor(Factor::Send),
        Column::Factor(Factor::Message),
        Column::Factor(Factor::Threads),
        Column::Round,
        Column::Metric(Metric::GoodputGbps),
        Column::Bytes,
        Column::Duration,
    ]);
    let counted = COUNTED.iter().flat_map(|(counted, _)| {
        WHOSE.iter().map(|(whose, _)| Column::Total(*whose, *counted).name())
    });
    names.extend(counted);
    names.push(IGNORE.to_owned());
    names
}

/// Every exact name.
fn exact(name: &str) -> Option<Column> {
    let factor = || Factor::ALL.iter().find(|factor| factor.column() == name);
    let metric = || Metric::ALL.iter().find(|metric| metric.name() == name);
    let plain = [Column::Round, Column::Bytes, Column::Duration, Column::Ignored];
    let total = || {
        let all = WHOSE.iter().flat_map(|(whose, _)| COUNTED.iter().map(|(it, _)| (*whose, *it)));
        all.map(|(whose, counted)| Column::Total(whose, counted)).find(|it| it.name() == name)
    };
    None.or_else(|| plain.into_iter().find(|column| column.name() == name))
        .or_else(|| factor().map(|factor| Column::Factor(*factor)))
        .or_else(|| metric().map(|metric| Column::Metric(*metric)))
        .or_else(total)
}

/// What a heading is taken as.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Taken {
    /// This, each figure times so much.
    As(Column, f64),
    /// One of several things: what to ask for, each a name for `--map`.
    OneOf(String, Vec<String>),
    /// Nothing that is known.
    Unknown,
}

/// Columns that other tables have, by the words of their headings.
const KNOWN: [(Column, Dimension, &[&str]); 6] = [
    (
        Column::Factor(Factor::Send),
        Dimension::Plain,
        &[
            "implementation",
            "impl",
            "path",
            "send path",
            "method",
            "variant",
            "approach",
            "technique",
            "mode",
            "api",
        ],
    ),
    (
        Column::Factor(Factor::Message),
        Dimension::Size,
        &[
            "message size",
            "msg size",
            "message",
            "msg",
            "msgsize",
            "payload",
            "payload size",
            "size",
            "message length",
            "msg length",
            "message len",
            "msg len",
        ],
    ),
    (
        Column::Factor(Factor::Threads),
        Dimension::Plain,
        &["threads", "thread", "nthreads", "n threads"],
    ),
    (
        Column::Round,
        Dimension::Plain,
        &["round", "run", "rep", "repetition", "repeat", "iteration", "iter", "trial", "replicate"],
    ),
    (
        Column::Bytes,
        Dimension::Size,
        &[
            "total bytes",
            "bytes",
            "bytes total",
            "bytes sent",
            "bytes received",
            "bytes transferred",
            "transferred",
            "transferred bytes",
            "sent bytes",
            "total",
            "volume",
            "data",
        ],
    ),
    (
        Column::Duration,
        Dimension::Time,
        &["duration", "elapsed", "elapsed time", "time", "runtime", "run time", "seconds"],
    ),
];

const RATES: [&str; 10] = [
    "throughput",
    "goodput",
    "bandwidth",
    "rate",
    "speed",
    "tput",
    "thruput",
    "bw",
    "data rate",
    "transfer rate",
];

const TOTALS: [(Counted, &[&str]); 8] = [
    (Counted::Cycles, &["cycles", "cpu cycles", "total cycles"]),
    (Counted::Instructions, &["instructions", "instr"]),
    (Counted::CacheMisses, &["cache misses"]),
    (Counted::LlcMisses, &["llc misses", "llc load misses"]),
    (Counted::L1dMisses, &["l1d misses", "l1 dcache load misses", "l1 d misses", "l1 misses"]),
    (Counted::DtlbMisses, &["dtlb misses", "dtlb load misses", "d tlb load misses"]),
    (
        Counted::ContextSwitches,
        &["context switches", "context switch", "ctx switches", "cs", "csw"],
    ),
    (Counted::CpuTime, &["cpu time", "cpu"]),
];

const SIDES: [(Whose, &[&str]); 3] = [
    (Whose::Sender, &["sender", "tx"]),
    (Whose::Receiver, &["receiver", "rx"]),
    (Whose::Ends, &["ends", "both", "both ends"]),
];

/// What a heading is taken as; `one_sided` says whose counters are those that no heading names.
pub(crate) fn recognised(text: &str, one_sided: Option<Whose>) -> Taken {
    if let Some(column) = exact(&text.trim().to_lowercase()) {
        return Taken::As(column, 1.0);
    }
    let heading = Heading::new(text);
    for (column, dimension, patterns) in KNOWN {
        for words in patterns {
            match heading.is(words, dimension) {
                Some(Some(Scale::By(scale))) => return Taken::As(column, scale),
                // Bytes and plain words need no unit; a time may be in any.
                Some(None) if dimension != Dimension::Time || *words == "seconds" => {
                    return Taken::As(column, 1.0);
                }
                Some(None) => return without_unit(&["duration_s", "duration_ms"]),
                Some(Some(Scale::TwoReadings)) | None => {}
            }
        }
    }
    for words in RATES {
        match heading.is(words, Dimension::Rate) {
            Some(Some(scale)) => return goodput(scale),
            Some(None) => return without_unit(&["goodput_gbps", "goodput_mbps", "goodput_MB/s"]),
            None => {}
        }
    }
    // A rate in bits or bytes a second is one of the payload, whatever it is called.
    match heading.is_unit(Dimension::Rate) {
        Some(scale) => goodput(scale),
        None => total(&heading, one_sided),
    }
}

fn goodput(scale: Scale) -> Taken {
    match scale {
        Scale::By(scale) => Taken::As(Column::Metric(Metric::GoodputGbps), scale),
        Scale::TwoReadings => {
            let which = "bits or bytes?".to_owned();
            Taken::OneOf(which, names_of(&["goodput_Gbit/s", "goodput_GB/s"]))
        }
    }
}

/// What was assumed of a column's unit that could be read otherwise.
pub(crate) fn assumed(text: &str) -> Option<&'static str> {
    Heading::new(text).unit_text().and_then(crate::unit::assumed)
}

fn names_of(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn without_unit(names: &[&str]) -> Taken {
    Taken::OneOf("in which unit?".to_owned(), names_of(names))
}

/// A counter of a side, or of nobody in particular.
fn total(heading: &Heading, one_sided: Option<Whose>) -> Taken {
    for (counted, patterns) in TOTALS {
        let dimension =
            if counted == Counted::CpuTime { Dimension::Time } else { Dimension::Count };
        let needs_unit = counted == Counted::CpuTime;
        for words in patterns {
            for (whose, sides) in SIDES {
                for side in sides {
                    let both = [format!("{side} {words}"), format!("{words} {side}")];
                    let is_it = |words: &String| heading.is(words, dimension);
                    match both.iter().find_map(is_it) {
                        Some(Some(Scale::By(scale))) => {
                            return Taken::As(Column::Total(whose, counted), scale);
                        }
                        Some(None) if !needs_unit => {
                            return Taken::As(Column::Total(whose, counted), 1.0);
                        }
                        Some(_) | None => {}
                    }
                }
            }
            let scale = match heading.is(words, dimension) {
                Some(Some(Scale::By(scale))) => scale,
                Some(None) if !needs_unit => 1.0,
                Some(_) | None => continue,
            };
            return match one_sided {
                Some(whose) => Taken::As(Column::Total(whose, counted), scale),
                None => {
                    let of = |(whose, _): &(Whose, &str)| Column::Total(*whose, counted).name();
                    let which = "whose, the sender's, the receiver's or both ends'?".to_owned();
                    Taken::OneOf(which, WHOSE.iter().map(of).collect())
                }
            };
        }
    }
    Taken::Unknown
}

/// The paper's columns, by the words of their headings: its counters are the server's, which sends.
const PAPER: [&str; 8] = [
    "implementation",
    "message size",
    "threads",
    "total bytes",
    "throughput gbps",
    "cycles",
    "cache misses",
    "context switches",
];

/// Whether a table has all of the paper's columns.
pub(crate) fn is_the_papers(headings: &[String]) -> bool {
    let words: Vec<String> = headings.iter().map(|text| Heading::new(text).words()).collect();
    PAPER.iter().all(|wanted| words.iter().any(|words| words == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> String {
        match recognised(text, None) {
            Taken::As(column, 1.0) => column.name(),
            Taken::As(column, scale) => format!("{} x {scale}", column.name()),
            Taken::OneOf(_, names) => names.join(" or "),
            Taken::Unknown => "?".to_owned(),
        }
    }

    #[test]
    fn headings_that_people_write_are_recognised() {
        for (text, name) in [
            ("Implementation", "send_path"),
            ("send_path", "send_path"),
            ("MessageSize", "message_bytes"),
            ("msg size [KiB]", "message_bytes x 1024"),
            ("Size (bytes)", "message_bytes"),
            ("message_bytes", "message_bytes"),
            ("Threads", "threads"),
            ("num_threads", "threads"),
            ("# threads", "threads"),
            ("TotalBytes", "total_bytes"),
            ("bytes", "total_bytes"),
            ("Throughput_Gbps", "goodput_gbps"),
            ("Throughput (Gbps)", "goodput_gbps"),
            ("goodput_mbps", "goodput_gbps x 0.001"),
            ("throughput (GB/s)", "goodput_gbps x 8"),
            ("Throughput", "goodput_gbps or goodput_mbps or goodput_MB/s"),
            ("Gbps", "goodput_gbps"),
            ("Mbit/s", "goodput_gbps x 0.001"),
            ("GB/s", "goodput_gbps x 8"),
            ("gb/s", "goodput_Gbit/s or goodput_GB/s"),
            ("volume (Mb)", "total_bytes x 125000"),
            ("volume (MB)", "total_bytes x 1000000"),
            ("size_kb", "message_bytes x 1000"),
            ("rate_gb_s", "goodput_Gbit/s or goodput_GB/s"),
            ("duration_ms", "duration_s x 0.001"),
            ("Seconds", "duration_s"),
            ("time", "duration_s or duration_ms"),
            ("Cycles", "sender_cycles or receiver_cycles or ends_cycles"),
            ("sender cycles", "sender_cycles"),
            ("Cycles (sender)", "?"),
            ("rx_cache_misses", "receiver_cache_misses"),
            ("sender cpu [ms]", "sender_cpu_s x 0.001"),
            ("sender cycles (millions)", "sender_cycles x 1000000"),
            ("sender_cycles_per_byte", "sender_cycles_per_byte"),
            ("repetition", "round"),
            ("notes", "?"),
            ("", "?"),
        ] {
            assert_eq!(taken(text), name, "{text}");
        }
    }

    #[test]
    fn every_name_of_help_is_taken_as_itself() {
        for name in names() {
            assert_eq!(taken(&name), name);
        }
    }

    #[test]
    fn the_papers_table_says_whose_its_counters_are() {
        let paper: Vec<String> =
            "Implementation,MessageSize,Threads,TotalBytes,Throughput_Gbps,Cycles,CacheMisses,ContextSwitches"
                .split(',')
                .map(str::to_owned)
                .collect();
        assert!(is_the_papers(&paper));
        assert!(!is_the_papers(&paper[1..]));
    }
}
