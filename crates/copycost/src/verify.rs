//! `copycost verify`: checked content down every path.

use std::fmt::Write as _;

use engine::verify::{Verified, VerifyOptions};
use engine::{Engine, EngineError};
use model::values::Threads;
use model::{Bytes, Cell, Factor, FactorLists, Family, Plan, Preset, SendPath};
use report::numbers::counted;

use crate::args::VerifyArguments;
use crate::by_hand::time;
use crate::exit::Stop;
use crate::progress::{brief, drawn_line};
use crate::run::start_engine;
use crate::terminal::{Reader, show, tell};

/// Sends, checks, and shows the verdicts; a fault ends with 1.
///
/// # Errors
/// Wrong usage, no path that this machine has, a signal, or a fault found.
pub(crate) fn verify(arguments: &VerifyArguments) -> Result<(), Stop> {
    let mut options = options(arguments)?;
    let mut engine = start_engine()?;
    for note in drop_refused(&engine, &mut options)? {
        tell(&format!("! {note}"));
    }
    let cells = options.cells().len();
    let line = (Reader::of_error().at_terminal && !arguments.quiet).then(drawn_line);
    if line.is_none() && !arguments.quiet {
        let cells = u32::try_from(cells).unwrap_or(u32::MAX);
        tell(&format!("{} to verify", counted(cells, "cell", "cells")));
    }
    let mut done = 0;
    let verified = engine::verify::verify(&mut engine, &options, &mut |verified| {
        done += 1;
        if let Some(line) = &line {
            line.set_message(format!("{done}/{cells} verified · {}", brief(&verified.cell)));
        }
    });
    if let Some(line) = line {
        line.finish_and_clear();
    }
    let verified = verified.map_err(|error| match error {
        EngineError::Interrupted => Stop::Interrupted("not every cell was verified".to_owned()),
        EngineError::Unsupported(why) | EngineError::Ends(why) => Stop::Cannot(why),
    })?;
    show(&if arguments.json { json(&verified) } else { table(&options.paths, &verified) })?;
    let faults = verified.iter().filter(|cell| cell.fault.is_some()).count();
    if faults > 0 {
        let faults = u32::try_from(faults).unwrap_or(u32::MAX);
        return Err(Stop::Invalid(format!("{} faulty", counted(faults, "cell is", "cells are"))));
    }
    Ok(())
}

/// What was asked, read by the parsers of a plan's lists.
fn options(arguments: &VerifyArguments) -> Result<VerifyOptions, Stop> {
    let mut options = VerifyOptions::default();
    let mut lists = FactorLists::default();
    let mut set = |factor: Factor, text: &Option<String>| match text {
        Some(text) => lists
            .set(factor, text)
            .map(|()| true)
            .map_err(|why| Stop::Usage(format!("--{}: {why}", factor.key()))),
        None => Ok(false),
    };
    let (send, sizes) =
        (set(Factor::Send, &arguments.send)?, set(Factor::Message, &arguments.sizes)?);
    let (threads, family) =
        (set(Factor::Threads, &arguments.threads)?, set(Factor::Family, &arguments.family)?);
    if send {
        options.paths = lists.send_path;
    }
    if sizes {
        options.sizes = lists.message;
    }
    if threads {
        options.threads = lists.threads;
    }
    if family {
        options.families = lists.family;
    }
    if let Some(text) = &arguments.time {
        options.window = time("time", text)?;
    }
    Ok(options)
}

/// Takes out the paths and families that this machine has not, and says so.
fn drop_refused(engine: &Engine, options: &mut VerifyOptions) -> Result<Vec<String>, Stop> {
    let mut plan = Plan::preset(Preset::Default);
    plan.measure.controls = false;
    plan.factors = FactorLists {
        send_path: options.paths.clone(),
        family: options.families.clone(),
        threads: vec![Threads::ONE],
        ..FactorLists::default()
    };
    let refused = engine.unsupported(&plan);
    let is_refused = |path: SendPath, family: Family| {
        refused.iter().any(|(cell, _)| cell.send_path == path && cell.family == family)
    };
    let (paths, families) = (options.paths.clone(), options.families.clone());
    options.families.retain(|family| !paths.iter().all(|path| is_refused(*path, *family)));
    options.paths.retain(|path| !options.families.iter().any(|family| is_refused(*path, *family)));
    if options.families.is_empty() || options.paths.is_empty() {
        let why = refused.first().map(|(_, why)| why.to_string());
        return Err(Stop::Cannot(why.unwrap_or_else(|| "nothing to verify".to_owned())));
    }
    let gone = |cell: &Cell| {
        !options.paths.contains(&cell.send_path)
            || (families.contains(&cell.family) && !options.families.contains(&cell.family))
    };
    let notes = refused.iter().filter(|(cell, _)| gone(cell));
    Ok(notes
        .map(|(cell, why)| format!("not verified: {} {}: {why}", cell.send_path, cell.family))
        .collect())
}

/// One line a path, and one for each fault.
fn table(paths: &[SendPath], verified: &[Verified]) -> String {
    let mut text = String::new();
    for path in paths {
        let of_path = || verified.iter().filter(|verified| verified.cell.send_path == *path);
        let cells = u32::try_from(of_path().count()).unwrap_or(u32::MAX);
        let bytes: u64 = of_path().map(|verified| verified.checked_bytes).sum();
        let messages: u64 = of_path().map(|verified| verified.messages).sum();
        let faults = of_path().filter(|verified| verified.fault.is_some()).count();
        let verdict = if faults == 0 {
            "nothing lost, reordered or changed".to_owned()
        } else {
            format!("{faults} faulty")
        };
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            text,
            "{:8}  {:>9}  {messages:>9} messages  {:>9} compared  {verdict}",
            path.name(),
            counted(cells, "cell", "cells"),
            size(Bytes(bytes)),
        );
    }
    for verified in verified {
        if let Some(fault) = &verified.fault {
            let _ = writeln!(text, "fault: {}: {fault}", verified.cell);
        }
    }
    text
}

/// A sum of bytes in the largest binary unit, rounded down.
fn size(bytes: Bytes) -> String {
    let (scale, unit) = match bytes.0 {
        0..0x400 => (1, "B"),
        0x400..0x10_0000 => (0x400, "KiB"),
        0x10_0000..0x4000_0000 => (0x10_0000, "MiB"),
        0x4000_0000.. => (0x4000_0000, "GiB"),
    };
    format!("{} {unit}", bytes.0 / scale)
}

fn json(verified: &[Verified]) -> String {
    let cells: Vec<_> = verified
        .iter()
        .map(|verified| {
            serde_json::json!({
                "cell": verified.cell.id(),
                "checked_bytes": verified.checked_bytes,
                "messages": verified.messages,
                "fault": verified.fault,
            })
        })
        .collect();
    format!("{:#}\n", serde_json::json!({ "version": 1, "cells": cells }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_named_with_its_cell_and_counted_with_its_path() {
        let sound =
            Verified { cell: Cell::default(), checked_bytes: 3 << 20, messages: 768, fault: None };
        let faulty = Verified {
            cell: Cell { send_path: SendPath::Zerocopy, ..Cell::default() },
            fault: Some("8 of 4096 bytes are not what was sent".to_owned()),
            ..sound.clone()
        };
        let text = table(&[SendPath::Send, SendPath::Zerocopy], &[sound, faulty]);
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[0].starts_with("send ")
                && lines[0].ends_with("nothing lost, reordered or changed"),
            "{text}"
        );
        assert!(lines[0].contains("3 MiB compared"), "{text}");
        assert!(lines[1].ends_with("1 faulty"), "{text}");
        assert!(lines[2].starts_with("fault: send=zerocopy message_bytes=4096"), "{text}");
    }
}
