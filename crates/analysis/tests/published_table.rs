//! `docs/CATEGORIES.md` says what the code does. `BLESS=1` writes it anew.
#![allow(clippy::unwrap_used, reason = "a test may stop where its own helpers fail")]

use std::fmt::Write as _;
use std::path::PathBuf;

use analysis::categories::{Category, MOST_PASSED_OVER, Names, TABLE, TABLE_VERSION};

fn document() -> String {
    let mut text = format!(
        "# Categories of CPU time\n\n\
        Version {TABLE_VERSION} of the table that sorts sampled stacks (`copycost run --audits profile`) into what the CPU was \
        doing; another version for every change that moves samples. Written by a test from \
        `crates/analysis/src/categories/table.rs`: `BLESS=1 cargo test -p copycost-analysis --test published_table`.\n\n\
        **The rule.** The innermost frame of a stack that has a category decides, at most {MOST_PASSED_OVER} frames further out \
        than where the sample fell: so `memcpy`, list and RCU helpers count for whoever called them, and what lies deeper than \
        that below a known caller is *unmapped*, as the system call itself calls everything. A whole name goes before a \
        beginning (`tcp_…`), a longer beginning before a shorter one. Compilers' clones (`….isra.0`, `….constprop.0`, `….part.0`, \
        `….cold`) count as the function that they are of. A program's own frame is *copycost itself* in an end and *other* \
        elsewhere; in an end, what lies in no file of its program (a hypervisor's code, an address where nothing is mapped) is \
        *unmapped*. The unmapped share is printed with every breakdown.\n\n\
        **How far to trust it.** Where there is no PMU, a timer takes the samples, and cannot while interrupts are off: what ran \
        then counts where they are let in again. `_raw_spin_unlock_irqrestore` and `_raw_spin_unlock_irq` therefore have no \
        category of their own, so that this time counts for whoever held the lock (waking a receiver, mostly). In virtual \
        machines waking and idling cost exits to the host, which these samples do not tell apart.\n\n\
        **Where it comes from.** The idea is that of Q. Cai, S. Chaudhary, M. Vuppalapati, J. Hwang, R. Agarwal, \
        *Understanding Host Network Stack Overheads*, SIGCOMM 2021, whose table fits Linux 5.4. This one was built from \
        samples of send, staged, sendmsg and zerocopy on the loopback device of Linux 6.18. Names that only 5.15, 6.1 or 6.12 \
        have were added from what is known of those kernels, not from samples of them.\n\n\
        | category | what counts for it |\n|---|---|\n"
    );
    for category in Category::ALL {
        writeln!(text, "| {} (`{}`) | {} |", category.title(), category.name(), category.meaning())
            .unwrap();
    }
    for category in Category::ALL {
        let of = TABLE.iter().filter(|rule| rule.category == category);
        let (mut whole, mut beginnings): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for rule in of {
            match rule.names {
                Names::Exactly(names) => whole.extend(names),
                Names::Beginning(names) => beginnings.extend(names),
            }
        }
        if whole.is_empty() && beginnings.is_empty() {
            continue;
        }
        whole.sort_unstable();
        beginnings.sort_unstable();
        write!(text, "\n## {}\n", category.title()).unwrap();
        if !whole.is_empty() {
            let names: Vec<String> = whole.iter().map(|name| format!("`{name}`")).collect();
            write!(text, "\n{}\n", names.join(", ")).unwrap();
        }
        if !beginnings.is_empty() {
            let names: Vec<String> = beginnings.iter().map(|name| format!("`{name}…`")).collect();
            write!(text, "\nbeginning with {}\n", names.join(", ")).unwrap();
        }
    }
    text
}

#[test]
fn the_published_table_is_the_codes() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/CATEGORIES.md");
    let expected = document();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "docs/CATEGORIES.md is stale, first at {differs:?}; write it anew with: BLESS=1 cargo test -p copycost-analysis --test published_table"
    );
}
