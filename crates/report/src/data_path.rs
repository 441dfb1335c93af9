//! The way of a message's bytes along each send path, drawn from what the run saw.
//!
//! A diagram is 360 units wide and reads from top to bottom, so that several stand beside each other on a desk and below
//! each other on a phone. Colours are plain attributes for a file of its own; in a page its classes take the page's.

mod drawing;

use analysis::explained::{Copies, DataPath};
use analysis::summary::Summary;
use model::host::Host;
use model::{Link, Measured, SendPath};

use self::drawing::draw;
use crate::figures;
use crate::numbers::{counted, percent, short};

/// A data path, drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagram {
    /// File stem: `data-path-send`; `data-path-zerocopy-sink` over another link than loopback.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// What it says, in one or two sentences with the summary's figures.
    pub reading: String,
    /// The picture.
    pub svg: String,
}

/// One diagram a send path of the run, in the summary's order. Each says by itself what it is of, so that it can be handed on.
pub fn data_paths(summary: &Summary, host: &Host) -> Vec<Diagram> {
    let footer = figures::footer(summary, host);
    let diagram = |path: &DataPath| Diagram {
        name: file_stem(path),
        title: title(path),
        reading: reading(path),
        svg: draw(path, &footer),
    };
    summary.explained.data_paths.iter().map(diagram).collect()
}

fn title(path: &DataPath) -> String {
    let over = match path.cell.link {
        Link::Loopback => "",
        Link::Veth => " over veth",
        Link::Sink => " into the sink",
    };
    format!("{}{over}: where its bytes go", path.path)
}

/// What it was measured with, and where its numbers of copies are from.
fn origin(path: &DataPath) -> [String; 2] {
    let cell = &path.cell;
    [
        format!(
            "{} a message, {}",
            cell.message.bytes(),
            counted(cell.threads.get(), "thread", "threads")
        ),
        format!("Copies: {}.", source_of_all(path)),
    ]
}

fn file_stem(path: &DataPath) -> String {
    match path.cell.link {
        Link::Loopback => format!("data-path-{}", path.path),
        link @ (Link::Veth | Link::Sink) => format!("data-path-{}-{link}", path.path),
    }
}

/// Where bytes rest.
struct Place {
    name: String,
    notes: Vec<String>,
}

/// How they go on to the next place.
struct Step {
    /// Whether the CPU copies them; without a copy they are handed over by reference.
    copies: bool,
    /// What is done, and then what is known of it.
    name: String,
    notes: Vec<String>,
}

fn reading(path: &DataPath) -> String {
    let mut text = format!(
        "{} a message; copies of each byte: {} in, {} at delivery, {} out ({}).",
        calls(path),
        number(path.copies_in),
        number(path.copies_deferred),
        number(path.copies_out),
        source_of_all(path),
    );
    if let Measured::Value(share) = &path.copied_share {
        text.push_str(&format!(
            " {} of the completions said that the bytes were copied after all.",
            percent(*share)
        ));
    }
    text
}

fn source_of_all(path: &DataPath) -> &'static str {
    let all = [path.copies_in, path.copies_deferred, path.copies_out];
    match all.iter().filter(|copies| copies.audited).count() {
        0 => "expected from the kernel's source, not audited",
        3 => "counted by an audit",
        _ => "in part audited, in part expected",
    }
}

/// A number of copies; whole ones without decimals.
fn count(copies: f64) -> String {
    if copies.fract() == 0.0 && copies < 1000.0 { format!("{copies:.0}") } else { short(copies) }
}

/// `8 calls`, or that their number is unknown.
fn calls(path: &DataPath) -> String {
    match path.send_calls_per_message.value().map(|calls| count(*calls)) {
        Some(one) if one == "1" => "1 call".to_owned(),
        Some(calls) => format!("{calls} calls"),
        None => "an unknown number of calls".to_owned(),
    }
}

/// A number of copies; a counted one with its decimals.
fn number(copies: Copies) -> String {
    if copies.audited { format!("{:.2}", copies.per_byte) } else { count(copies.per_byte) }
}

fn copies(copies: Copies) -> String {
    if copies.audited {
        return format!(
            "measured {} copies a byte, expected {}",
            number(copies),
            count(copies.expected)
        );
    }
    let noun = if copies.per_byte == 1.0 { "copy" } else { "copies" };
    format!("{} {noun} of each byte (expected)", count(copies.per_byte))
}

/// Whether an arrow is a copy: an audit counts headers and stray bytes too.
fn is_copied(copies: Copies) -> bool {
    copies.per_byte > 0.02
}

fn places(path: &DataPath) -> (Vec<Place>, Vec<Step>) {
    let cell = &path.cell;
    let place =
        |name: &str, notes: &[String]| Place { name: name.to_owned(), notes: notes.to_vec() };
    let mut places = vec![place(
        "Fields in user memory",
        &[format!("{} in {} fields, {}", cell.message.bytes(), cell.fields, cell.layout)],
    )];
    let mut steps = Vec::new();
    if path.path == SendPath::Staged {
        let staged = match &path.staged_copies {
            Measured::Value(n) if *n == 1.0 => "1 copy of each byte (tallied)".to_owned(),
            Measured::Value(n) => format!("{} copies of each byte (tallied)", count(*n)),
            Measured::Absent { absent } => format!("not tallied: {absent}"),
        };
        steps.push(Step {
            copies: path.staged_copies.value().is_none_or(|n| *n > 0.0),
            name: "memcpy, field by field".to_owned(),
            notes: vec![staged],
        });
        places.push(place("One buffer in user memory", &[]));
    }
    steps.push(handing_over(path));
    let by_reference = !is_copied(path.copies_in);
    let queue = if by_reference { "references to user pages" } else { "the kernel's own pages" };
    places.push(place("Sender's socket", &[queue.to_owned()]));
    let (name, link) = match cell.link {
        Link::Loopback => ("delivery", "loopback, delivered on this machine"),
        Link::Veth => ("delivery", "veth, delivered on this machine"),
        Link::Sink => ("no delivery", "sink: dropped before it"),
    };
    steps.push(Step {
        copies: is_copied(path.copies_deferred),
        name: name.to_owned(),
        notes: vec![link.to_owned(), copies(path.copies_deferred)],
    });
    if !cell.link.has_receiver() {
        let out = format!("out of a socket: {}", copies(path.copies_out));
        places.push(place("Dropped by the sink's program", &["no receiver".to_owned(), out]));
        return (places, steps);
    }
    places.push(place("Receiver's socket", &[]));
    steps.push(Step {
        copies: is_copied(path.copies_out),
        name: format!("{}()", cell.receive_path),
        notes: vec![copies(path.copies_out)],
    });
    places.push(place("Receiver's buffer", &[]));
    (places, steps)
}

fn handing_over(path: &DataPath) -> Step {
    let call = match path.path {
        SendPath::Send | SendPath::Staged => "send()",
        SendPath::Sendmsg => "sendmsg()",
        SendPath::Zerocopy => "sendmsg(MSG_ZEROCOPY)",
    };
    let calls = match path.send_calls_per_message.reason() {
        None => format!("{} a message", calls(path)),
        Some(reason) => format!("calls not known: {reason}"),
    };
    let mut notes = vec![calls, copies(path.copies_in)];
    notes.extend(pages_pinned(path));
    Step { copies: is_copied(path.copies_in), name: call.to_owned(), notes }
}

/// Pages pinned, and how they are known; nothing of a path that copies and was not audited.
fn pages_pinned(path: &DataPath) -> Option<String> {
    let source = if path.pages_pinned_counted {
        "counted by an audit"
    } else {
        "derived: pages spanned by the iovec"
    };
    match &path.pages_pinned_per_message {
        Measured::Value(pages) => {
            let pages = count(*pages);
            let noun = if pages == "1" { "page" } else { "pages" };
            Some(format!("{pages} {noun} pinned a message ({source})"))
        }
        Measured::Absent { absent } if path.path == SendPath::Zerocopy => {
            Some(format!("pages pinned: {absent}"))
        }
        Measured::Absent { .. } => None,
    }
}

/// What the kernel told the sender afterwards.
fn notifications(path: &DataPath) -> Vec<String> {
    if path.path != SendPath::Zerocopy {
        return Vec::new();
    }
    let mut notes = vec![match &path.notifications_per_message {
        Measured::Value(n) => format!("{} notifications a message", short(*n)),
        Measured::Absent { absent } => format!("notifications: {absent}"),
    }];
    notes.push(match &path.copied_share {
        Measured::Value(share) => {
            format!("{} of completions say \u{201c}copied\u{201d}", percent(*share))
        }
        Measured::Absent { absent } => format!("what they say: {absent}"),
    });
    notes
}

#[cfg(test)]
mod tests {
    use figure_png::Weight;
    use model::Cell;

    use super::drawing::{MARGIN, WIDTH};
    use super::*;

    fn path(send_path: SendPath) -> DataPath {
        let expected = |per_byte| Copies { per_byte, audited: false, expected: per_byte };
        let zerocopy = send_path == SendPath::Zerocopy;
        DataPath {
            path: send_path,
            cell: Cell { send_path, ..Cell::default() },
            send_calls_per_message: Measured::Value(if send_path == SendPath::Send {
                8.0
            } else {
                1.0
            }),
            staged_copies: Measured::Value(if send_path == SendPath::Staged { 1.0 } else { 0.0 }),
            copies_in: expected(if zerocopy { 0.0 } else { 1.0 }),
            copies_deferred: expected(if zerocopy { 1.0 } else { 0.0 }),
            copies_out: expected(1.0),
            pages_pinned_counted: false,
            pages_pinned_per_message: if zerocopy {
                Measured::Value(8.0)
            } else {
                Measured::absent("the path copies")
            },
            notifications_per_message: if zerocopy {
                Measured::Value(0.125)
            } else {
                Measured::absent("this path asks for none")
            },
            copied_share: if zerocopy {
                Measured::Value(1.0)
            } else {
                Measured::absent("this path asks for none")
            },
        }
    }

    #[test]
    fn every_copy_is_a_thick_arrow_and_every_reference_a_broken_one() {
        for (send_path, copies, references) in [
            (SendPath::Send, 2, 1),
            (SendPath::Staged, 3, 1),
            (SendPath::Sendmsg, 2, 1),
            (SendPath::Zerocopy, 2, 1),
        ] {
            let svg = draw(&path(send_path), "");
            assert_eq!(svg.matches("class=\"copy\"").count(), copies, "{send_path}");
            assert_eq!(svg.matches("class=\"reference\"").count(), references, "{send_path}");
        }
    }

    #[test]
    fn what_was_not_audited_is_said_to_be_expected() {
        let mut seen = path(SendPath::Zerocopy);
        assert!(draw(&seen, "").contains("0 copies of each byte (expected)"));
        assert!(reading(&seen).contains("100 % of the completions said"));
        seen.copies_in.audited = true;
        assert!(draw(&seen, "").contains("measured 0.00 copies a byte, expected 0"));
        assert!(reading(&seen).contains("in part audited"));
    }

    #[test]
    fn what_was_counted_stands_beside_what_was_expected() {
        let mut seen = path(SendPath::Send);
        seen.copies_in = Copies { per_byte: 1.000_9, audited: true, expected: 1.0 };
        seen.copies_deferred = Copies { per_byte: 0.000_4, audited: true, expected: 0.0 };
        let svg = draw(&seen, "");
        assert!(svg.contains("measured 1.00 copies a byte, expected 1"), "{svg}");
        // A few stray bytes are no copy of the payload.
        assert_eq!(svg.matches("class=\"copy\"").count(), 2);
        assert!(reading(&seen).contains("1.00 in, 0.00 at delivery, 1 out"));
    }

    #[test]
    fn the_sink_ends_where_packets_are_dropped() {
        let mut seen = path(SendPath::Zerocopy);
        seen.cell.link = Link::Sink;
        seen.copies_deferred = Copies { per_byte: 0.0, audited: false, expected: 0.0 };
        seen.copies_out = Copies { per_byte: 0.0, audited: false, expected: 0.0 };
        let svg = draw(&seen, "");
        assert!(svg.contains("Dropped by the sink&#39;s program"), "{svg}");
        assert!(
            !svg.contains("Receiver&#39;s socket") && svg.matches("class=\"copy\"").count() == 0
        );
        assert_eq!(file_stem(&seen), "data-path-zerocopy-sink");
        assert!(title(&seen).contains("into the sink"));
    }

    #[test]
    fn a_long_reason_stays_inside_the_picture() {
        let mut seen = path(SendPath::Send);
        seen.send_calls_per_message = Measured::absent("x".repeat(100) + " because of <that>");
        let svg = draw(&seen, "");
        assert!(svg.contains("&lt;that&gt;"), "{svg}");
        let lines = svg.split("</text>").filter_map(|element| element.split("<text").nth(1));
        for line in lines {
            let (tag, words) = line.split_once('>').unwrap_or_default();
            let words = words.replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'");
            let weight = if tag.contains("bold") { Weight::Bold } else { Weight::Regular };
            let number = |name: &str| -> f64 {
                let value = tag.split(&format!(" {name}=\"")).nth(1).unwrap_or_default();
                value.split('"').next().and_then(|value| value.parse().ok()).unwrap_or(f64::NAN)
            };
            let end = number("x") + figure_png::width(&words, number("font-size"), weight);
            assert!(end <= WIDTH - MARGIN, "{words}");
        }
    }

    #[test]
    fn a_picture_that_is_handed_on_says_what_it_is_of() {
        let svg = draw(&path(SendPath::Zerocopy), "laptop · Linux 6.8");
        for said in [
            "A3 zerocopy: where its bytes go",
            "1 thread",
            "Copies: expected from the kernel",
            "Figures of the cell send=zerocopy",
            "Thick arrow: the CPU copies.",
            "laptop · Linux 6.8",
        ] {
            assert!(svg.contains(said), "{said}: {svg}");
        }
    }
}
