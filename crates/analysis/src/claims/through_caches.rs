//! C19: whether zerocopy has the best cache behaviour, and whether that is because nothing is copied through the cache.
//!
//! The reason falls or stands with what an audit counted; where a profile watched, with the time spent on copying too.
//! Where neither did, completions that were all marked copied still refute it: the mark says that at least one packet of
//! each was. That misses are fewest needs their counter, and that the missing copy is why needs the option left off.

use model::names::Switch;
use model::{Audit, Cell, SendPath};

use super::{Missing, Reference, Ruling, copy_audit, refuted, supported, undecidable};
use crate::audited::{is_near, not_counted, of_path};
use crate::comparisons::{
    Compared, copied_shares, copied_words, counters_remedy, names, of_moments, sound, twins,
};
use crate::copies::{Step, not_audited, of_cell};
use crate::copying_time::{Parts, copying_words};
use crate::evidence::Evidence;
use crate::metric::Metric;

/// From this part of sendmsg's copying on it is still done, below it is gone.
const HALF: f64 = 0.5;

/// What is known of "nothing is copied".
enum Premise {
    /// It was counted, and so it is.
    Nothing,
    /// The payload was copied: by what source, and the laws about it.
    Copied(&'static str, Vec<Reference>),
    /// Two sources do not say the same.
    Contradicted(&'static str),
    /// Neither audit nor profile tells, and why.
    Unknown(String),
}

fn is_medium(cell: &Cell) -> bool {
    (512..=16_384).contains(&cell.message.bytes().0)
}

/// The verdict. `main` is of the link that the claim is about, `whole` of every link.
pub(super) fn c19(main: &Evidence<'_>, whole: &Evidence<'_>) -> Ruling {
    let audited = of_path(whole, SendPath::A3);
    let counted: Vec<String> = audited.iter().map(|seen| seen.text()).collect();
    let counted =
        if counted.is_empty() { String::new() } else { format!("counted: {}", counted.join("; ")) };
    let profiled = profiled(main);
    let sampled = copying_words(&profiled);
    let cited =
        audited.iter().map(|seen| seen.reference()).chain(profiled.iter().map(Parts::reference));
    decide(main, premise(main, &profiled)).and(&counted).and(&sampled).from(cited)
}

/// The profiles of zerocopy and sendmsg at medium sizes.
fn profiled(main: &Evidence<'_>) -> Vec<Parts> {
    let cells = main.asked().filter(|e| !e.oversubscribed).map(|e| &e.cell);
    let cells = cells.filter(|c| c.send_path == SendPath::A3 && c.is_itself() && is_medium(c));
    cells.filter_map(|cell| Parts::of(main, cell).ok()).collect()
}

fn premise(main: &Evidence<'_>, profiled: &[Parts]) -> Premise {
    let cells = main.asked().map(|e| &e.cell);
    let cells = cells.filter(|c| c.send_path == SendPath::A3 && c.is_itself() && is_medium(c));
    let cells: Vec<&Cell> =
        cells.filter(|cell| main.audits.of(cell, Audit::CopyAudit).is_some()).collect();
    let on_the_way_out = |cell: &&Cell| {
        let of = |step: Step| of_cell(main.audits, cell, step).ok().map(|seen| seen.per_byte);
        Some(of(Step::In)? + of(Step::Deferred)?)
    };
    let copies: Vec<f64> = cells.iter().filter_map(on_the_way_out).collect();
    let completions = copied_shares(main);
    let heard = completions.is_some_and(|(least, _)| least >= 1.0);
    let still = |is: fn(f64, f64) -> bool| {
        let shares = profiled.iter().map(|parts| {
            let share = parts.still_copied_share()?;
            Some(is(share.low?, share.high?))
        });
        !profiled.is_empty() && shares.into_iter().all(|is| is == Some(true))
    };
    let still_copied = still(|low, _| low > HALF);
    let copied = |by| Premise::Copied(by, Vec::new());
    let none_heard = completions.is_some_and(|(_, most)| most <= 0.0);
    match () {
        () if !copies.is_empty() && copies.iter().all(|copies| *copies > 1.0 - HALF) => {
            if none_heard {
                return Premise::Contradicted(
                    "the audit counted copies that no completion was marked with",
                );
            }
            copied("the kernel copied its payload, as the audit counted")
        }
        () if !copies.is_empty() && copies.iter().all(|copies| is_near(*copies, 0.0)) => {
            if completions.is_some_and(|(least, _)| least > 0.0) {
                return Premise::Contradicted(
                    "completions were marked copied, and the audit counted no copy",
                );
            }
            if still_copied {
                return Premise::Contradicted(
                    "the profile saw copying, and the audit counted none",
                );
            }
            Premise::Nothing
        }
        () if !copies.is_empty() => {
            Premise::Contradicted("the audits do not agree on whether it is copied")
        }
        () if still_copied && none_heard => {
            Premise::Contradicted("the profile saw copying, and no completion was marked copied")
        }
        () if still_copied => copied("its sending side still spends the time of copying"),
        () if heard => {
            Premise::Copied("its completions said so", vec![Reference::law(3), Reference::law(4)])
        }
        () => Premise::Unknown(
            not_counted(main, SendPath::A3, &[Step::In, Step::Deferred])
                .map_or_else(|| not_audited(main.audits), |why| format!("not counted: {why}")),
        ),
    }
}

/// The reason falls where the payload was copied. Else last-level misses decide, and the option left off parts the missing
/// copy from the rest of the path.
fn decide(evidence: &Evidence<'_>, premise: Premise) -> Ruling {
    if let Premise::Copied(by, laws) = premise {
        return refuted(format!(
            "its payload did pass through the cache ({by}); {}",
            copied_words(evidence)
        ))
        .from(laws);
    }
    let misses = Metric::SenderLlcMissesPerKib;
    let mut compared = Vec::new();
    for against in [SendPath::A1, SendPath::A2] {
        compared.extend(twins(
            evidence,
            misses,
            |cell| cell.send_path == SendPath::A3 && cell.is_itself() && is_medium(cell),
            |cell| Cell { send_path: against, ..cell.clone() },
        ));
    }
    let (compared, _) = sound(compared);
    let cited = names(&compared, misses);
    // Whatever the reason: where it has not the fewest there is nothing to explain.
    if let Some(more) = compared.iter().find(|c| c.is_no_less()) {
        return refuted(format!(
            "the sender's last-level misses per KiB with zerocopy are not the fewest: {} of {}'s",
            more.text(),
            more.against.send_path
        ))
        .from(cited);
    }
    match premise {
        Premise::Nothing | Premise::Copied(..) => {}
        Premise::Contradicted(what) => {
            return undecidable(what, copy_audit().because("on an idle machine")).from(cited);
        }
        Premise::Unknown(why) => {
            return undecidable(
                format!(
                    "whether nothing is copied is not known; {why}; {}",
                    copied_words(evidence)
                ),
                copy_audit(),
            )
            .from(cited);
        }
    }
    if compared.is_empty() {
        return undecidable(
            "nothing was copied, but cache misses of zerocopy and a copying path at 512 bytes to 16 KiB were not both counted",
            counters_remedy(evidence, misses, "llc-misses"),
        );
    }
    let fewest = compared.iter().all(|c| c.is_below(1.0));
    let without = evidence.estimates.iter().filter(|e| {
        e.cell.so_zerocopy == Switch::Off
            && e.cell.send_path == SendPath::A3
            && is_medium(&e.cell)
            && !e.oversubscribed
    });
    let without = without.map(|e| {
        let on = Cell { so_zerocopy: Switch::On, ..e.cell.clone() };
        let moments = evidence.paired(&on, &e.cell, misses);
        (on, e.cell.clone(), moments)
    });
    let off = of_moments(evidence, without.collect());
    if fewest && !off.is_empty() && off.iter().all(|c| c.is_below(1.0)) {
        return supported(format!(
            "zerocopy has the fewest last-level misses per KiB, nothing was copied, and with SO_ZEROCOPY off they return ({})",
            off.iter().map(Compared::text).collect::<Vec<_>>().join("; ")
        ))
        .from(cited.into_iter().chain(names(&off, misses)));
    }
    undecidable(
        if fewest {
            "zerocopy has the fewest last-level misses per KiB, but no intervention shows that the missing copy is why"
        } else {
            "the intervals of last-level misses do not tell the paths apart"
        },
        Missing::rounds(),
    )
    .from(cited)
}
