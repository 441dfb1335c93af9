use super::*;
use crate::cell::Cell;
use crate::names::Switch;

#[test]
fn a_path_that_passes_by_reference_has_a_twin_that_copies_with_as_many_calls() {
    for path in SendPath::ALL {
        let of = path.capabilities();
        assert_eq!(of.passes_by_reference, of.copying_twin.is_some(), "{path}");
        if let Some(twin) = of.copying_twin {
            assert!(!twin.passes_by_reference());
            // A copy needs no call of its own for each run.
            assert!(twin.capabilities().calls == of.calls || of.copies_short_fields);
        }
    }
}

#[test]
fn the_study_compares_the_papers_paths_alone() {
    let papers: Vec<_> =
        SendPath::ALL.iter().copied().filter(|path| path.paper_name().is_some()).collect();
    assert_eq!(papers, SendPath::STUDY);
}

#[test]
fn a_message_may_be_rewritten_where_the_kernel_tells_that_it_has_let_go_of_it() {
    for path in SendPath::ALL {
        let can = path.capabilities();
        let cell = Cell { send_path: *path, rewriting: Switch::On, ..Cell::default() };
        assert_eq!(cell.check().is_ok(), can.tells_release(), "{path}");
        // Who asks for notifications passes by reference, and only they come on an error queue.
        assert!(!can.gets_notifications || can.passes_by_reference, "{path}");
        assert!(!can.uses_error_queue || can.gets_notifications, "{path}");
        assert!(!can.copies_short_fields || can.passes_by_reference, "{path}");
    }
    let refused: Cell = "send=sendfile rewriting=on".parse().unwrap();
    let why = refused.check().unwrap_err();
    assert!(why.contains("sendfile") && why.contains("--rewriting off"), "{why}");
}

#[test]
fn a_field_as_long_as_the_threshold_goes_by_reference_and_a_shorter_one_is_copied() {
    let of = |id: &str| id.parse::<Cell>().unwrap().on_its_link();
    let mixed = of("send=hybrid shape=24+1000+16384+65536");
    assert!(mixed.passes_by_reference() && mixed.is_copied_on_delivery());
    assert_eq!([24, 16_383, 16_384].map(|bytes| mixed.passes_field(bytes)), [false, false, true]);
    assert_eq!(mixed.share_by_reference(), f64::from(16_384 + 65_536) / f64::from(82_944));
    let copied = of("send=hybrid shape=24+16383");
    assert!(!copied.passes_by_reference() && !copied.is_copied_on_delivery());
    assert!(copied.is_itself() && !copied.copies_instead());
    assert_eq!(copied.share_by_reference(), 0.0);
    assert_eq!(of("send=hybrid shape=24+16383 copy_below=0").share_by_reference(), 1.0);
    // Of equal fields all are as long as the longest, or a byte shorter.
    assert_eq!(of("send=hybrid message_bytes=131073").share_by_reference(), 1.0);
    let one = of("send=hybrid message_bytes=131073 copy_below=16385");
    assert_eq!(one.share_by_reference(), 16_385.0 / 131_073.0);
    assert!(!of("send=hybrid message_bytes=131072 copy_below=16385").passes_by_reference());
    // What passes or copies all alike does not ask.
    assert_eq!(of("send=zerocopy shape=24+100").share_by_reference(), 1.0);
    assert_eq!(of("send=sendmsg shape=24+65536").share_by_reference(), 0.0);
}

#[test]
fn without_a_notification_nothing_is_copied_at_delivery() {
    let cell = |id: &str| id.parse::<Cell>().unwrap();
    assert!(cell("send=zerocopy").is_copied_on_delivery());
    assert!(!cell("send=zerocopy so_zerocopy=off").is_copied_on_delivery());
    assert!(!cell("send=zerocopy link=sink").is_copied_on_delivery());
    assert!(!cell("send=sendfile").is_copied_on_delivery());
    assert!(cell("send=sendfile so_zerocopy=off").passes_by_reference());
}

#[test]
fn without_tcp_there_is_no_path_with_notifications_and_what_is_lacking_says_why_in_one_line() {
    for link in Link::ALL {
        let tcp = link.speaks_tcp();
        for path in SendPath::ALL {
            let lacks = link.lacks_sending(*path);
            assert_eq!(lacks.is_some(), !tcp && path.capabilities().gets_notifications, "{path}");
        }
        for path in ReceivePath::ALL {
            let copies = path.capabilities().taken == TakenBytes::Copied;
            assert_eq!(link.lacks_receiving(*path).is_some(), !tcp && !copies, "{path}");
        }
    }
    let why = |id: &str| id.parse::<Cell>().unwrap().lacks_path().map(|why| why.to_string());
    assert_eq!(why("send=sendmsg link=unix"), None);
    assert_eq!(why("send=zerocopy recv=recv-zerocopy"), None);
    for (id, what, remedy) in [
        (
            "send=zerocopy link=unix",
            "zerocopy over unix: setsockopt(SO_ZEROCOPY)",
            "--send sendmsg",
        ),
        (
            "send=uring-send-zc link=unix",
            "uring-send-zc over unix: IORING_OP_SEND_ZC",
            "--send uring-sendmsg",
        ),
        ("recv=recv-trunc link=unix", "recv-trunc over unix: a unix stream", "--recv recv"),
        ("recv=recv-zerocopy link=unix", "recv-zerocopy over unix: getsockopt", "--link loopback"),
    ] {
        let why = why(id).unwrap();
        assert!(why.starts_with(what) && why.contains(remedy) && !why.contains('\n'), "{why}");
    }
}

#[test]
fn only_a_link_with_a_receiver_on_this_machine_copies_packets_on_delivery() {
    for link in Link::ALL {
        let of = link.capabilities();
        assert_eq!(
            of.copies_by_reference_on_delivery,
            of.has_receiver && !of.has_peer_host && of.speaks_tcp,
            "{link}"
        );
        assert_ne!(of.has_receiver, of.has_helper, "somebody must acknowledge: {link}");
    }
}
