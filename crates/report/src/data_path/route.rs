//! Where a message's bytes rest on their way, and how they go on from there.

use analysis::findings::{Copies, DataPath, DeferredCopies};
use model::{Cell, Factor, Measured, TakenBytes};

use crate::numbers::{counted, percent, short};
use crate::spelling::paths_of;
use crate::words::laws::unforeseen as why_unforeseen;

/// A data path in words.
pub(super) struct Route {
    pub(super) title: String,
    /// What it was measured with, and where its numbers of copies are from.
    pub(super) origin: [String; 2],
    pub(super) cell: Cell,
    pub(super) places: Vec<Place>,
    /// From each place to the next one.
    pub(super) steps: Vec<Step>,
    /// What the kernel told the sender afterwards.
    pub(super) notifications: Vec<String>,
    /// All of it in one or two sentences.
    pub(super) reading: String,
}

/// Where bytes rest.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) notes: Vec<String>,
}

/// How they go on to the next place.
pub(super) struct Step {
    /// Whether the CPU copies them; without a copy they are handed over by reference.
    pub(super) copies: bool,
    /// What is done, and then what is known of it.
    pub(super) name: String,
    pub(super) notes: Vec<String>,
}

impl Route {
    /// `line` is what data goes by between two hosts.
    pub(super) fn new(path: &DataPath, line: Option<&str>) -> Self {
        let cell = &path.cell;
        let by_link = cell.link.to_string();
        let is_between_hosts = cell.link.capabilities().has_peer_host;
        let link = line.filter(|_| is_between_hosts).unwrap_or(&by_link);
        let over = match cell.is_default(Factor::Link) {
            true => String::new(),
            false => format!(" over {link}"),
        };
        let threads = counted(cell.threads.get(), "thread", "threads");
        let (places, steps) = places(path, link);
        Self {
            title: format!("{}{over}: where its bytes go", paths_of(cell)),
            origin: [
                format!("{} per message, {threads}", cell.message.bytes()),
                format!("Copies: {}.", source_of_all(path)),
            ],
            cell: cell.clone(),
            places,
            steps,
            notifications: notifications(path),
            reading: reading(path),
        }
    }
}

fn reading(path: &DataPath) -> String {
    let mut text = format!(
        "{} per message; copies of each byte: {} in, {} at delivery, {} out ({}).",
        calls(path),
        number(path.copies_in),
        deferred(path),
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
    let deferred = path.copies_deferred.value().copied();
    let is_audited = [Some(path.copies_in), deferred, Some(path.copies_out)]
        .map(|copies| copies.map(|copies| copies.audited));
    let by_completions = deferred.is_some_and(|it| it.expected.is_none() && !it.audited);
    match is_audited {
        [Some(true), Some(true), Some(true)] => "counted by an audit",
        all if all.contains(&Some(true)) => "in part audited, in part expected",
        _ if by_completions => {
            "expected from the kernel's source, at delivery as completions say, not audited"
        }
        _ => "expected from the kernel's source, not audited",
    }
}

/// Copies at delivery, in a sentence.
fn deferred(path: &DataPath) -> String {
    path.copies_deferred.value().map_or_else(|| "an unknown number".to_owned(), |it| number(*it))
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
        let expected = copies.expected.map_or_else(|| "not known".to_owned(), count);
        return format!("{} copies per byte (expected: {expected})", number(copies));
    }
    let noun = if copies.per_byte == 1.0 { "copy" } else { "copies" };
    let by = if copies.expected.is_some() { "expected" } else { "as completions say" };
    format!("{} {noun} of each byte ({by})", count(copies.per_byte))
}

/// Whether an arrow is a copy: an audit counts headers and stray bytes too.
fn is_copied(copies: Copies) -> bool {
    copies.per_byte > 0.02
}

fn places(path: &DataPath, by: &str) -> (Vec<Place>, Vec<Step>) {
    let cell = &path.cell;
    let place =
        |name: &str, notes: &[String]| Place { name: name.to_owned(), notes: notes.to_vec() };
    let fields = counted(cell.fields.get(), "field", "fields");
    let can = path.path.capabilities();
    let mut places = vec![place(
        if can.sends_from_file { "Fields in a file's pages" } else { "Fields in user memory" },
        &[format!("{} in {fields}, {}", cell.message.bytes(), cell.layout)],
    )];
    let mut steps = Vec::new();
    if can.copies_fields_together {
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
    if can.goes_through_pipe {
        steps.push(Step {
            copies: false,
            name: "into a pipe: passed by reference".to_owned(),
            notes: vec!["one more call, for all fields".to_owned()],
        });
        places.push(place("A pipe", &["references to user pages".to_owned()]));
    }
    steps.push(handing_over(path));
    let queue = match (is_copied(path.copies_in), can.sends_from_file) {
        _ if is_mixed(cell) => "the kernel's own pages, and references to user pages",
        (true, _) => "the kernel's own pages",
        (false, true) => "references to the file's pages",
        (false, false) => "references to user pages",
    };
    let link = cell.link.capabilities();
    let (taken, end) = taking(path);
    // The sender's call puts its buffers into the receiver's queue: nothing is delivered.
    if !link.speaks_tcp {
        let whose = "held against the sender's buffer until they are taken".to_owned();
        places.push(place("Receiver's socket", &[queue.to_owned(), whose]));
        steps.push(taken);
        places.push(end);
        return (places, steps);
    }
    places.push(place("Sender's socket", &[queue.to_owned()]));
    let (name, where_to) = match (link.has_receiver, link.has_peer_host) {
        (true, true) => ("delivery", "delivered on another host"),
        (true, false) => ("delivery", "delivered on this machine"),
        (false, _) => ("no delivery", "dropped before it"),
    };
    let known = match &path.copies_deferred {
        DeferredCopies::Known(deferred) => copies(*deferred),
        DeferredCopies::NotKnown { unforeseen } => {
            format!("copies not known from here: {}", why_unforeseen(unforeseen))
        }
    };
    steps.push(Step {
        copies: path.copies_deferred.value().is_some_and(|deferred| is_copied(*deferred)),
        name: name.to_owned(),
        notes: vec![format!("{by}: {where_to}"), known],
    });
    if !link.has_receiver {
        let out = format!("out of a socket: {}", copies(path.copies_out));
        places.push(place("Dropped before delivery", &["no receiver".to_owned(), out]));
        return (places, steps);
    }
    places.push(place("Receiver's socket", &[]));
    steps.push(taken);
    places.push(end);
    (places, steps)
}

/// How the receiver takes bytes from its socket, and where they are then.
fn taking(path: &DataPath) -> (Step, Place) {
    let can = path.cell.receive_path.capabilities();
    let place = |name: &str, note: &[&str]| Place {
        name: name.to_owned(),
        notes: note.iter().map(|note| (*note).to_owned()).collect(),
    };
    let (how, is_copied, end) = match can.taken {
        TakenBytes::Copied if can.picks_buffer => {
            let picked = "picked by the kernel, of those it was given";
            ("", is_copied(path.copies_out), place("One of the receiver's buffers", &[picked]))
        }
        TakenBytes::Copied => ("", is_copied(path.copies_out), place("Receiver's buffer", &[])),
        // Of both ways the one that more bytes go.
        TakenBytes::Mapped => {
            let end =
                place("Receiver's pages", &["mapped into its memory, and a buffer for the rest"]);
            (": whole pages mapped, the rest copied", path.copies_out.per_byte > 0.5, end)
        }
        TakenBytes::Dropped => {
            let end = place("Dropped", &["the program gets none of them"]);
            ("", is_copied(path.copies_out), end)
        }
    };
    let notes = vec![copies(path.copies_out)];
    (Step { copies: is_copied, name: format!("{}{how}", can.call), notes }, end)
}

fn handing_over(path: &DataPath) -> Step {
    let mut notes = match path.send_calls_per_message.reason() {
        None => vec![format!("{} per message", calls(path))],
        Some(reason) => vec![format!("calls not known: {reason}")],
    };
    notes.push(copies(path.copies_in));
    notes.extend(pages_pinned(path));
    // Of both ways the one that more bytes go.
    let copies = match is_mixed(&path.cell) {
        true => path.cell.share_by_reference() < 0.5,
        false => is_copied(path.copies_in),
    };
    let how = match (is_mixed(&path.cell), copies) {
        (true, _) => "short fields copied, long ones passed by reference",
        (false, true) => "copied into the kernel",
        (false, false) => "passed by reference",
    };
    Step { copies, name: format!("{}: {how}", path.path), notes }
}

/// Whether some of a message's fields are copied, and others passed by reference.
fn is_mixed(cell: &Cell) -> bool {
    let share = cell.share_by_reference();
    share > 0.0 && share < 1.0
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
            Some(format!("{pages} {noun} pinned per message ({source})"))
        }
        Measured::Absent { absent } if path.path.passes_by_reference() => {
            Some(format!("pages pinned: {absent}"))
        }
        Measured::Absent { .. } => None,
    }
}

fn notifications(path: &DataPath) -> Vec<String> {
    if !path.path.capabilities().gets_notifications {
        return Vec::new();
    }
    let mut notes = vec![match &path.notifications_per_message {
        Measured::Value(n) => format!("{} notifications per message", short(*n)),
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
