//! The way of a message's bytes along each send path, drawn from what the run saw.
//!
//! A diagram is 360 units wide and reads from top to bottom, so that several stand beside each other on a desk and below
//! each other on a phone. Colours are plain attributes for a file of its own; in a page its classes take the page's.

mod picture;
mod route;

use analysis::findings::DataPath;
use analysis::summary::Summary;
use model::Factor;
use model::host::Host;

use self::route::Route;
use crate::figures;
use crate::spelling::paths_of;
use crate::words::nic::line_name;

/// A data path, drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagram {
    /// File stem: `data-path-send`, `data-path-send-to-recvmsg`; `data-path-zerocopy-sink` over another link than the default.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// What it says, in one or two sentences with the summary's figures.
    pub reading: String,
    /// The picture.
    pub svg: String,
}

/// One diagram a data path of the run, in the summary's order. Each says by itself what it is of, so that it can be handed on.
pub fn data_paths(summary: &Summary, host: &Host) -> Vec<Diagram> {
    let footer = figures::footer(summary, host);
    let diagram = |path: &DataPath| {
        let route = Route::new(path, line_name(host).as_deref());
        let svg = picture::draw(&route, &footer);
        Diagram { name: file_stem(path), title: route.title, reading: route.reading, svg }
    };
    summary.explained.data_paths.iter().map(diagram).collect()
}

fn file_stem(path: &DataPath) -> String {
    let paths = paths_of(&path.cell).replace(' ', "-");
    if path.cell.is_default(Factor::Link) {
        format!("data-path-{paths}")
    } else {
        format!("data-path-{paths}-{}", path.cell.link)
    }
}

#[cfg(test)]
mod tests {
    use analysis::delivery::Unforeseen;
    use analysis::findings::{Copies, DeferredCopies};
    use figure_png::Weight;
    use model::{CallsPerMessage, Cell, Link, Measured, ReceivePath, SendPath};

    use super::picture::{MARGIN, WIDTH};
    use super::*;

    fn draw(path: &DataPath, footer: &str) -> String {
        picture::draw(&Route::new(path, None), footer)
    }

    fn reading(path: &DataPath) -> String {
        Route::new(path, None).reading
    }

    fn deferred(per_byte: f64, audited: bool, expected: Option<f64>) -> DeferredCopies {
        DeferredCopies::Known(Copies { per_byte, audited, expected })
    }

    fn path(send_path: SendPath) -> DataPath {
        let expected = |per_byte| Copies { per_byte, audited: false, expected: Some(per_byte) };
        let zerocopy = send_path == SendPath::Zerocopy;
        let by_reference = send_path.passes_by_reference();
        let one_a_field = send_path.capabilities().calls == CallsPerMessage::OneAField;
        DataPath {
            path: send_path,
            cell: Cell { send_path, ..Cell::default() },
            send_calls_per_message: Measured::Value(if one_a_field { 8.0 } else { 1.0 }),
            staged_copies: Measured::Value(if send_path == SendPath::Staged { 1.0 } else { 0.0 }),
            copies_in: expected(if by_reference { 0.0 } else { 1.0 }),
            copies_deferred: DeferredCopies::Known(expected(if zerocopy { 1.0 } else { 0.0 })),
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
            (SendPath::SendMore, 2, 1),
            // What nobody is notified of is not copied at delivery; the pipe is one more place.
            (SendPath::Sendfile, 1, 2),
            (SendPath::Splice, 1, 3),
        ] {
            let svg = draw(&path(send_path), "");
            assert_eq!(svg.matches("class=\"copy\"").count(), copies, "{send_path}");
            assert_eq!(svg.matches("class=\"reference\"").count(), references, "{send_path}");
        }
    }

    #[test]
    fn a_message_of_which_a_part_is_copied_says_so_and_is_drawn_as_what_most_of_it_is() {
        let of = |shape: &str| {
            let cell: Cell = format!("send=hybrid shape={shape}").parse().unwrap();
            let cell = cell.in_its_shape();
            let share = cell.share_by_reference();
            let copies = |per_byte| Copies { per_byte, audited: false, expected: Some(per_byte) };
            let (copies_in, copies_deferred) =
                (copies(1.0 - share), DeferredCopies::Known(copies(1.0)));
            let seen = DataPath { copies_in, copies_deferred, cell, ..path(SendPath::Hybrid) };
            draw(&seen, "")
        };
        let long = of("24+65536");
        assert!(long.contains("short fields copied, long") && long.contains("and references to"));
        assert_eq!(long.matches("class=\"copy\"").count(), 2);
        assert_eq!(of("16383+16384").matches("class=\"reference\"").count(), 1);
        assert_eq!(of("16383+16000+16384").matches("class=\"reference\"").count(), 0);
    }

    #[test]
    fn bytes_leave_the_socket_as_the_receive_path_takes_them() {
        let of = |receive_path: ReceivePath, out: f64| {
            let mut seen = path(SendPath::Sendmsg);
            seen.cell.receive_path = receive_path;
            seen.copies_out = Copies { per_byte: out, audited: false, expected: Some(out) };
            let [svg, reading] = [draw(&seen, ""), reading(&seen)];
            let copies = svg.matches("class=\"copy\"").count();
            assert_eq!(file_stem(&seen), format!("data-path-sendmsg-to-{receive_path}"));
            assert!(
                Route::new(&seen, None).title.starts_with(&format!("sendmsg to {receive_path}: "))
            );
            (svg, copies, reading)
        };
        let (svg, copies, _) = of(ReceivePath::RecvTrunc, 0.0);
        assert!(svg.contains(">Dropped<") && svg.contains("recv(MSG_TRUNC)") && copies == 1);
        for (out, copies) in [(0.1, 1), (0.9, 2)] {
            let (svg, of_all, reading) = of(ReceivePath::RecvZerocopy, out);
            assert!(
                svg.contains("Receiver&#39;s pages") && svg.contains("the rest copied"),
                "{svg}"
            );
            assert_eq!(of_all, copies, "{out}");
            assert!(reading.contains(&format!("{out:.3} out")), "{reading}");
        }
        let (svg, copies, _) = of(ReceivePath::UringRecv, 1.0);
        assert!(svg.contains("picked by the kernel") && copies == 2, "{svg}");
    }

    #[test]
    fn a_file_and_a_pipe_are_drawn_where_bytes_rest_in_them() {
        assert!(draw(&path(SendPath::Sendfile), "").contains("Fields in a file&#39;s pages"));
        assert!(draw(&path(SendPath::Splice), "").contains(">A pipe<"));
        assert!(!draw(&path(SendPath::Sendmsg), "").contains(">A pipe<"));
    }

    #[test]
    fn what_was_not_audited_is_said_to_be_expected() {
        let mut seen = path(SendPath::Zerocopy);
        assert!(draw(&seen, "").contains("0 copies of each byte (expected)"));
        assert!(reading(&seen).contains("100 % of the completions said"));
        seen.copies_in.audited = true;
        assert!(draw(&seen, "").contains("0.00 copies per byte (expected: 0)"));
        assert!(reading(&seen).contains("in part audited"));
    }

    #[test]
    fn what_was_counted_stands_beside_what_was_expected() {
        let mut seen = path(SendPath::Send);
        seen.copies_in = Copies { per_byte: 1.000_9, audited: true, expected: Some(1.0) };
        seen.copies_deferred = deferred(0.000_4, true, Some(0.0));
        let svg = draw(&seen, "");
        assert!(svg.contains("1.00 copies per byte (expected: 1)"), "{svg}");
        // A few stray bytes are no copy of the payload.
        assert_eq!(svg.matches("class=\"copy\"").count(), 2);
        assert!(reading(&seen).contains("1.00 in, 0.00 at delivery, 1 out"));
    }

    #[test]
    fn the_sink_ends_where_packets_are_dropped() {
        let mut seen = path(SendPath::Zerocopy);
        seen.cell.link = Link::Sink;
        seen.copies_deferred = deferred(0.0, false, Some(0.0));
        seen.copies_out = Copies { per_byte: 0.0, audited: false, expected: Some(0.0) };
        let svg = draw(&seen, "");
        assert!(svg.contains("Dropped before delivery") && svg.contains("no receiver"), "{svg}");
        assert!(
            !svg.contains("Receiver&#39;s socket") && svg.matches("class=\"copy\"").count() == 0
        );
        assert_eq!(file_stem(&seen), "data-path-zerocopy-sink");
        assert!(Route::new(&seen, None).title.contains("over sink"));
    }

    #[test]
    fn between_two_hosts_the_way_leads_over_their_devices_and_copies_there_are_those_that_are_known()
     {
        let mut seen = path(SendPath::Zerocopy);
        seen.cell.link = Link::Ssh;
        seen.copies_deferred = deferred(0.0, false, Some(0.0));
        let route = Route::new(&seen, Some("NIC mlx5_core 25 Gbit/s"));
        let svg = picture::draw(&route, "");
        let over = "NIC mlx5_core 25 Gbit/s: delivered on another host";
        assert!(route.steps.iter().any(|step| step.notes.iter().any(|note| note == over)));
        assert_eq!(route.title, "zerocopy over NIC mlx5_core 25 Gbit/s: where its bytes go");
        assert_eq!(svg.matches("class=\"copy\"").count(), 1, "out of the socket alone");
        // Where no device is known, by the link.
        assert!(Route::new(&seen, None).title.contains("over ssh"));
        // What completions say where nobody knows it beforehand, and else that it is not known.
        seen.copies_deferred = deferred(1.0, false, None);
        let svg = draw(&seen, "");
        assert!(svg.contains("1 copy of each byte (as completions say)"), "{svg}");
        assert_eq!(svg.matches("class=\"copy\"").count(), 2);
        assert!(reading(&seen).contains("at delivery as completions say"));
        let unforeseen = Unforeseen::NoLine { device: "tun0".to_owned() };
        seen.copies_deferred = DeferredCopies::NotKnown { unforeseen };
        let svg = draw(&seen, "");
        let told = "copies not known from here: the sender's tun0 has no line";
        let route = Route::new(&seen, None);
        let notes = || route.steps.iter().flat_map(|step| &step.notes);
        assert!(notes().any(|note| note.starts_with(told)), "{svg}");
        assert_eq!(svg.matches("class=\"copy\"").count(), 1, "out of the socket alone");
        assert!(reading(&seen).contains("an unknown number at delivery"));
    }

    #[test]
    fn over_a_unix_socket_the_senders_call_fills_the_receivers_queue_and_nothing_is_delivered() {
        for (send_path, copies, references) in
            [(SendPath::Sendmsg, 2, 0), (SendPath::Sendfile, 1, 1)]
        {
            let mut seen = path(send_path);
            seen.cell.link = Link::Unix;
            let svg = draw(&seen, "");
            assert_eq!(svg.matches("class=\"copy\"").count(), copies, "{send_path}");
            assert_eq!(svg.matches("class=\"reference\"").count(), references, "{send_path}");
            assert!(svg.contains("Receiver&#39;s socket") && !svg.contains("Sender&#39;s socket"));
            // But for the count of its copies there, which is 0.
            assert_eq!(svg.matches("delivery").count(), 1, "{svg}");
            assert!(Route::new(&seen, None).title.contains("over unix"));
        }
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
            "zerocopy: where its bytes go",
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
