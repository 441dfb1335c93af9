//! `docs/COPIES.md` says what law 5 expects. `BLESS=1` writes it anew.
#![allow(clippy::unwrap_used, reason = "a test's functions may fail it")]

use std::fmt::Write as _;
use std::path::PathBuf;

use analysis::copies::expected;
use analysis::delivery::Delivery;
use model::{Cell, Link, ReceivePath, SendPath};

const HEAD: &str = "# How often the kernel copies a payload byte

By path and link, as law 5 expects it from the kernel's source and the copy audit (`copycost run --audits copy-audit`) counts it: `cargo run -p xtask -- vm` holds both against each other on Debian's 6.1 and 6.12 kernels. Written by a test from the rule in `crates/analysis/src/copies.rs`: `BLESS=1 cargo test -p copycost-analysis --test published_copies`.

**Where.** *In*: from the program's memory into the socket, `_copy_from_iter` (lib/iov_iter.c) below `tcp_sendmsg_locked` (net/ipv4/tcp.c) or `unix_stream_sendmsg` (net/unix/af_unix.c). *At delivery*: pages that were passed by reference with a notification are copied when a packet reaches a socket of the same machine, `skb_copy_ubufs` below `skb_orphan_frags_rx` (net/core/skbuff.c, include/linux/skbuff.h); a network card that can scatter and gather copies none. *Out*: `_copy_to_iter` below `skb_copy_datagram_iter` (net/core/datagram.c) or `unix_stream_read_actor` (net/unix/af_unix.c).

**Not counted.** The program's own copy (`staged`) is none of the kernel's. What is sent again is copied at delivery once more. A packet that holds pages by reference is copied whole, also the bytes in it that were copied in (`hybrid`). `recv-zerocopy` copies what it could not map.
";

/// A message with a short field and a long one, so that `hybrid` does both.
fn cell(send: SendPath, link: Link) -> Cell {
    let shape = format!("send={send} link={link} shape=8192+57344 message_bytes=65536 fields=2");
    shape.parse().unwrap()
}

/// Between two hosts that of network cards.
fn delivery(link: Link) -> Delivery {
    let card = || synthetic::nic("mlx5_core", Some(25_000));
    Delivery::of(&synthetic::two_hosts(card(), card()), link)
}

fn number(copies: f64) -> String {
    format!("{copies:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[test]
fn the_table_is_the_rule() {
    let mut text = HEAD.to_owned();
    let links: Vec<&str> = Link::ALL.iter().map(|link| link.name()).collect();
    text.push_str("\n## By send path: in, and at delivery\n\nOf messages of 8 KiB and 56 KiB; fields below 16 KiB are copied by `hybrid`.\n\n");
    writeln!(text, "| path | {} |", links.join(" | ")).unwrap();
    writeln!(text, "|---|{}", "---|".repeat(links.len())).unwrap();
    for path in SendPath::ALL {
        let of = |link: &Link| {
            if link.lacks_sending(*path).is_some() {
                return "-".to_owned();
            }
            let is = expected(&cell(*path, *link), 0.0, &delivery(*link));
            match (is.least_deferred, is.deferred.unwrap()) {
                (least, most) if least == most => {
                    format!("{} + {}", number(is.copied_in), number(most))
                }
                (least, most) => {
                    format!("{} + {} to {}", number(is.copied_in), number(least), number(most))
                }
            }
        };
        let row: Vec<String> = Link::ALL.iter().map(of).collect();
        writeln!(text, "| `{path}` | {} |", row.join(" | ")).unwrap();
    }
    text.push_str("\n## By receive path: out\n\n");
    writeln!(text, "| path | {} |", links.join(" | ")).unwrap();
    writeln!(text, "|---|{}", "---|".repeat(links.len())).unwrap();
    for path in ReceivePath::ALL {
        let of = |link: &Link| {
            if link.lacks_receiving(*path).is_some() {
                return "-".to_owned();
            }
            let cell = Cell { receive_path: *path, ..cell(SendPath::Sendmsg, *link) };
            match [0.0, 1.0].map(|mapped| expected(&cell, mapped, &delivery(*link)).copied_out) {
                [none, all] if none == all => number(none),
                [none, all] => format!(
                    "{} where nothing is mapped, {} where all is",
                    number(none),
                    number(all)
                ),
            }
        };
        let row: Vec<String> = Link::ALL.iter().map(of).collect();
        writeln!(text, "| `{path}` | {} |", row.join(" | ")).unwrap();
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/COPIES.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == text,
        "docs/COPIES.md is stale: BLESS=1 cargo test -p copycost-analysis --test published_copies"
    );
}
