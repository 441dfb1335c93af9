//! The paper's claims against an imported table, in sentences.

use std::collections::BTreeMap;

use analysis::id::Id;
use analysis::own_table::{Given, Says, TableCheck, TableVerdict};
use model::{Cell, Factor};

use super::figures::{metric, place};
use crate::spelling::{counted, listed, message, named_figure, percent, short, size};

/// What the study says.
pub(crate) fn says(check: &TableCheck) -> String {
    match check.says {
        Says::CarriesMore { path, against, from_bytes: 1 } => {
            format!("{path} carries more than {against} at every size")
        }
        Says::CarriesMore { path, against, from_bytes } => {
            format!("{path} carries more than {against} from {} on", size(from_bytes as f64))
        }
        Says::GrowsWithSize => "goodput grows with the message size".to_owned(),
        Says::ScalesBy { from, to, bytes, .. } => format!(
            "goodput scales near-linearly from {from} to {to} threads at {}",
            size(bytes as f64)
        ),
        Says::Falls { path, share } => {
            format!("8 threads carry {} less than 4 with {path} at 64 KiB", percent(share))
        }
        Says::MostAt { threads } => {
            format!("{} carry most", counted(threads, "thread", "threads"))
        }
        Says::MissesPeakAt { path, bytes } => {
            format!("cache misses of {path} peak at {}", size(bytes as f64))
        }
        Says::LastLevelLosesMost => {
            "the last level of cache loses the largest share of its misses".to_owned()
        }
        Says::CyclesBetween { only: Some(path), low, high, .. } => format!(
            "{} cycles per byte with {path} at 64 KiB and 8 threads",
            named_figure(f64::midpoint(low, high))
        ),
        Says::CyclesBetween { bytes, only: None, low, high } => {
            let [low, high] = [low, high].map(named_figure);
            format!("{low} to {high} cycles per byte at {}", size(bytes as f64))
        }
        Says::FewestCycles { path } => format!("{path} takes the fewest cycles per byte"),
        Says::MoreThreadsFewerCycles => "more threads lower the cycles per byte".to_owned(),
    }
}

/// What the table gives: figures that contradict the claim, or that bear it out, at most so many.
pub(crate) fn gives(check: &TableCheck, most: usize) -> String {
    let head = match (check.agreement, check.of) {
        (TableVerdict::NotInTable, _) => return "no rows that tell".to_owned(),
        (TableVerdict::Agrees, 1) => String::new(),
        (TableVerdict::Agrees, of) => format!("so in all {of}, such as "),
        (TableVerdict::Contradicts, 1) => String::new(),
        (TableVerdict::Contradicts, of) => {
            format!("otherwise in {} of {of}: ", check.contradicting)
        }
    };
    let figures: Vec<String> = check.gives.iter().take(most).map(given).collect();
    let elsewhere: Vec<String> = check.elsewhere.iter().map(given).collect();
    let elsewhere = if elsewhere.is_empty() {
        String::new()
    } else {
        format!("; that figure is {}", listed(&elsewhere))
    };
    format!("{head}{}{elsewhere}", figures.join("; "))
}

/// A figure with its cell, or two of them.
fn given(it: &Given) -> String {
    let alone =
        || format!("{} with {} at {}", short(it.value), it.cell.send_path, place(&it.cell, &[]));
    let (Some(other), Some(against)) = (&it.against, it.against_value) else { return alone() };
    let differs = |factor: &&Factor| it.cell.get(**factor) != other.get(**factor);
    let Some(factor) = Factor::ALL.iter().find(differs).copied() else {
        // One cell in two levels of cache.
        return format!(
            "last-level misses to {}, {} to {} of send's, with {}",
            percent(it.value),
            metric(it.metric),
            percent(against),
            alone()
        );
    };
    #[allow(clippy::wildcard_enum_match_arm, reason = "others have no words of their own")]
    let word = |cell: &Cell| match factor {
        Factor::Send => format!("with {}", cell.send_path),
        Factor::Message => format!("at {}", message(cell)),
        Factor::Threads => format!("with {}", counted(cell.threads.get(), "thread", "threads")),
        _ => format!("with {}={}", factor.key(), cell.get(factor)),
    };
    let shared = if factor == Factor::Send {
        place(&it.cell, &[])
    } else {
        format!("{}, {}", it.cell.send_path, place(&it.cell, &[factor]))
    };
    format!("{} {}, {} {} ({shared})", short(it.value), word(&it.cell), short(against), word(other))
}

/// A verdict of the table.
pub(crate) fn verdict(agreement: TableVerdict) -> &'static str {
    match agreement {
        TableVerdict::Contradicts => "contradicted",
        TableVerdict::Agrees => "borne out",
        TableVerdict::NotInTable => "not in the table",
    }
}

/// `5 contradicted, 6 borne out, 4 not in the table`: claims, of which one may say several things. One that is contradicted in
/// any of them is, else one that is borne out in any.
pub(crate) fn tally(checks: &[TableCheck]) -> String {
    let claims = claims(checks);
    let counts = [TableVerdict::Contradicts, TableVerdict::Agrees, TableVerdict::NotInTable].map(
        |agreement| {
            let count = claims.values().filter(|of| **of == agreement).count();
            format!("{count} {}", verdict(agreement))
        },
    );
    counts.join(", ")
}

/// The verdict of each claim.
fn claims(checks: &[TableCheck]) -> BTreeMap<Id, TableVerdict> {
    let mut claims: BTreeMap<Id, TableVerdict> = BTreeMap::new();
    for check in checks {
        let of = claims.entry(check.id).or_insert(check.agreement);
        *of = check.agreement.min(*of);
    }
    claims
}

/// What is contradicted, of each claim what tells most: where the table has the very figure elsewhere, else what stands first.
pub(crate) fn worst(checks: &[TableCheck]) -> Vec<&TableCheck> {
    let mut worst: Vec<&TableCheck> = Vec::new();
    for check in checks.iter().filter(|it| it.agreement == TableVerdict::Contradicts) {
        match worst.iter_mut().find(|it| it.id == check.id) {
            Some(known) if known.elsewhere.is_empty() && !check.elsewhere.is_empty() => {
                *known = check;
            }
            Some(_) => {}
            None => worst.push(check),
        }
    }
    worst
}

/// What is borne out and what is not in the table, a line each that names all claims that [`tally`] counts so; those in a list of
/// [`worst`] have lines of their own.
pub(crate) fn others(checks: &[TableCheck]) -> Vec<(TableVerdict, String)> {
    let of = claims(checks);
    let line = |agreement: TableVerdict| {
        let has_it = |(_, verdict): &(&Id, &TableVerdict)| **verdict == agreement;
        let named = of.iter().filter(has_it).filter_map(|(id, _)| {
            let check = checks.iter().find(|it| it.id == *id && it.agreement == agreement)?;
            Some(match agreement {
                TableVerdict::NotInTable => id.name(),
                TableVerdict::Agrees | TableVerdict::Contradicts => {
                    format!("{} {}", id.name(), says(check))
                }
            })
        });
        let named: Vec<String> = named.collect();
        let text = format!("{}: {}", verdict(agreement), named.join("; "));
        (!named.is_empty()).then_some((agreement, text))
    };
    [TableVerdict::Agrees, TableVerdict::NotInTable].into_iter().filter_map(line).collect()
}

/// `C23 more threads lower the cycles per byte; table: otherwise in 2 of 3: …`, with one figure.
pub(crate) fn line(check: &TableCheck) -> String {
    format!("{} {}; table: {}", check.id.name(), says(check), gives(check, 1))
}

/// The most figures where there is room.
pub(crate) const MOST: usize = 3;

#[cfg(test)]
mod tests {
    use analysis::metric::Metric;
    use model::SendPath;

    use super::*;

    #[test]
    fn what_the_study_says_stands_beside_what_its_table_gives() {
        let cell = |threads: u32| Cell {
            send_path: SendPath::A2,
            threads: model::values::Threads::new(threads).unwrap(),
            message: model::values::MessageSize::new(65_536).unwrap(),
            ..Cell::default()
        };
        let alone = |threads, value| Given {
            metric: Metric::SenderCyclesPerByte,
            cell: cell(threads),
            value,
            against: None,
            against_value: None,
        };
        let mut check = TableCheck {
            id: Id::Claim(22),
            says: Says::CyclesBetween {
                bytes: 65_536,
                only: Some(SendPath::A2),
                low: 0.035,
                high: 0.045,
            },
            agreement: TableVerdict::Contradicts,
            of: 1,
            contradicting: 1,
            gives: vec![alone(8, 1.2303)],
            elsewhere: vec![alone(1, 0.0402)],
        };
        assert_eq!(
            line(&check),
            "C22 0.04 cycles per byte with sendmsg at 64 KiB and 8 threads; table: 1.23 with sendmsg at 64 KiB, 8 threads; that figure is 0.0402 with sendmsg at 64 KiB, 1 thread"
        );
        check.says = Says::MoreThreadsFewerCycles;
        check.elsewhere.clear();
        check.gives =
            vec![Given { against: Some(cell(1)), against_value: Some(0.04), ..alone(8, 1.23) }];
        (check.of, check.contradicting) = (3, 2);
        assert_eq!(
            gives(&check, MOST),
            "otherwise in 2 of 3: 1.23 with 8 threads, 0.0400 with 1 thread (sendmsg, 64 KiB)"
        );
        let other = TableCheck { elsewhere: vec![alone(1, 0.04)], ..check.clone() };
        assert_eq!(worst(&[check.clone(), other.clone()]), [&other]);
        // One claim that says two things is one, as it is on the screen.
        let borne_out = TableCheck { agreement: TableVerdict::Agrees, ..check.clone() };
        let all = [check.clone(), borne_out, check];
        assert_eq!(tally(&all), "1 contradicted, 0 borne out, 0 not in the table");
        assert_eq!(worst(&all).len(), 1);
        assert_eq!(others(&all), [], "it is contradicted, and has a line of its own");
        let of =
            |number, agreement| TableCheck { id: Id::Claim(number), agreement, ..all[1].clone() };
        let agrees =
            [(22, TableVerdict::Agrees), (23, TableVerdict::Agrees), (23, TableVerdict::Agrees)];
        let absent = [(24, TableVerdict::NotInTable), (25, TableVerdict::NotInTable)];
        let all: Vec<TableCheck> =
            agrees.into_iter().chain(absent).map(|(number, it)| of(number, it)).collect();
        assert_eq!(tally(&all), "0 contradicted, 2 borne out, 2 not in the table");
        let cycles = "more threads lower the cycles per byte";
        assert_eq!(
            others(&all),
            [
                (TableVerdict::Agrees, format!("borne out: C22 {cycles}; C23 {cycles}")),
                (TableVerdict::NotInTable, "not in the table: C24; C25".to_owned()),
            ]
        );
    }
}
