//! `copycost verify`: checked content down every path.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use engine::verify::{Route, Verified, VerifyOptions};
use engine::{Engine, EngineError};
use model::values::Threads;
use model::{
    Bytes, Cell, Factor, FactorLists, Nanos, Plan, Preset, ReceivePath, SendPath, Switch,
    TakenBytes,
};
use report::numbers::counted;

use crate::args::VerifyArguments;
use crate::by_hand::time;
use crate::exit::Stop;
use crate::peer_flags::links_to_a_peer;
use crate::progress::{brief, drawn_line};
use crate::run::start_engine;
use crate::terminal::{Reader, show, tell};

/// Sends, checks, and shows the verdicts; a fault ends with 1.
///
/// # Errors
/// Wrong usage, no path that this machine has, a signal, or a fault found.
pub(crate) fn verify(arguments: &VerifyArguments) -> Result<(), Stop> {
    let mut options = options(arguments)?;
    let peer = arguments.peer.peer()?;
    if peer.is_some() && arguments.link.is_none() {
        options.links = links_to_a_peer();
    }
    let has_peer = options.links.iter().any(|link| link.capabilities().has_peer_host);
    match &peer {
        None if has_peer => {
            return Err(Stop::Usage(
                "the other host is not named; add --peer user@host".to_owned(),
            ));
        }
        Some(peer) if !has_peer => {
            return Err(Stop::Usage(peer.beside_links(&options.links)));
        }
        Some(_) | None => {}
    }
    let mut engine = start_engine(peer)?;
    if let Err(why) = engine.peer_facts() {
        if engine.is_interrupted() {
            return Err(Stop::Interrupted("nothing was verified".to_owned()));
        }
        return Err(Stop::Cannot(why.to_string()));
    }
    let (routes, mut notes) = routes(&engine, &options)?;
    notes.extend(without_lacking_rings(&mut options)?);
    for note in notes {
        tell(&format!("! {note}"));
    }
    let mut asked = options.cells();
    asked.retain(|cell| routes.contains(&Route::through(cell)));
    let cells = asked.len();
    let line = (Reader::of_error().at_terminal && !arguments.quiet).then(drawn_line);
    let mut plain = (line.is_none() && !arguments.quiet).then(PlainLines::default);
    if plain.is_some() {
        tell(&format!("{} to verify", counted(cells, "cell", "cells")));
    }
    let begun = Instant::now();
    let mut verified = Vec::new();
    let ended = engine::verify::verify(&mut engine, &asked, options.window, &mut |one| {
        verified.push(one);
        let done = verified.len();
        if let (Some(line), Some(last)) = (&line, verified.last()) {
            line.set_message(format!("{done}/{cells} verified · {}", brief(&last.cell)));
        }
        if let Some(plain) = &mut plain
            && let Some(text) = plain.due(&verified, cells, begun.elapsed())
        {
            tell(&text);
        }
    });
    if let Some(line) = line {
        line.finish_and_clear();
    }
    conclude(&verified, &asked, ended, |verified| {
        show(&if arguments.json { json(verified, cells) } else { table(verified) })
    })
}

/// Shows what was verified, whatever ended it, and tells how the command ends.
///
/// # Errors
/// A fault, or why not all was verified; a fault outweighs that.
fn conclude(
    verified: &[Verified],
    asked: &[Cell],
    ended: Result<(), EngineError>,
    show: impl FnOnce(&[Verified]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    if !verified.is_empty()
        || !matches!(ended, Err(EngineError::Unsupported(_) | EngineError::Ends(_)))
    {
        show(verified)?;
    }
    let so_far = so_far(verified, asked);
    let stop = match ended {
        Ok(()) => None,
        Err(EngineError::Interrupted) => Some(Stop::Interrupted(so_far)),
        Err(EngineError::Gone(why)) => Some(Stop::Interrupted(format!("{why}; {so_far}"))),
        Err(EngineError::Unsupported(why) | EngineError::Ends(why)) if verified.is_empty() => {
            Some(Stop::Cannot(why))
        }
        Err(EngineError::Unsupported(why) | EngineError::Ends(why)) => {
            Some(Stop::Cannot(format!("{why}; {so_far}")))
        }
    };
    // A wrong byte weighs more than the reason for which the rest was not tried.
    match (faults(verified), stop) {
        (0, None) => Ok(()),
        (0, Some(stop)) => Err(stop),
        (faults, None) => {
            Err(Stop::Invalid(format!("{} faulty", counted(faults, "cell is", "cells are"))))
        }
        (faults, Some(stop)) => Err(Stop::Invalid(format!(
            "{} faulty; {}",
            counted(faults, "cell is", "cells are"),
            stop.why()
        ))),
    }
}

fn faults(verified: &[Verified]) -> usize {
    verified.iter().filter(|cell| cell.fault.is_some()).count()
}

/// `none wrong`, `2 wrong`.
fn wrong(verified: &[Verified]) -> String {
    match faults(verified) {
        0 => "none wrong".to_owned(),
        faults => format!("{faults} wrong"),
    }
}

/// What is known when it is stopped: `120 of 2268 cells right, none wrong, the rest not tried; of 84 pairs of paths 70 were tried`.
fn so_far(verified: &[Verified], asked: &[Cell]) -> String {
    let pairs = |cells: &mut dyn Iterator<Item = &Cell>| {
        cells.map(pair).collect::<std::collections::BTreeSet<_>>().len()
    };
    format!(
        "{} of {} right, {}, the rest not tried; of {} {} tried",
        verified.len() - faults(verified),
        counted(asked.len(), "cell", "cells"),
        wrong(verified),
        counted(pairs(&mut asked.iter()), "pair of paths", "pairs of paths"),
        match pairs(&mut verified.iter().map(|verified| &verified.cell)) {
            1 => "1 was".to_owned(),
            tried => format!("{tried} were"),
        }
    )
}

/// Where there is no terminal that a line could be redrawn on, one is told so often.
const EACH: Duration = Duration::from_secs(10);

/// When the last plain line was told.
#[derive(Default)]
struct PlainLines(Duration);

impl PlainLines {
    /// `120 of 2268 cells verified, none wrong; about 3 min left`, where it is time for a line and something is left.
    fn due(&mut self, verified: &[Verified], cells: usize, now: Duration) -> Option<String> {
        let done = verified.len();
        if done == 0 || done >= cells || now < self.0 + EACH {
            return None;
        }
        self.0 = now;
        let left = now.as_secs_f64() / done as f64 * (cells - done) as f64;
        Some(format!(
            "{done} of {} verified, {}; about {} left",
            counted(cells, "cell", "cells"),
            wrong(verified),
            report::numbers::duration(Nanos::from_secs_f64(left))
        ))
    }
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
    let send = set(Factor::Send, &arguments.send)?;
    let recv = set(Factor::Recv, &arguments.recv)?;
    let link = set(Factor::Link, &arguments.link)?;
    let sizes = set(Factor::Message, &arguments.sizes)?;
    let shape = set(Factor::Shape, &arguments.shape)?;
    let threads = set(Factor::Threads, &arguments.threads)?;
    let family = set(Factor::Family, &arguments.family)?;
    let sqpoll = set(Factor::Sqpoll, &arguments.sqpoll)?;
    let registered = set(Factor::RegisteredFiles, &arguments.registered_files)?;
    if sqpoll {
        options.sqpoll = lists.sqpoll;
    }
    if registered {
        options.registered_files = lists.registered_files;
    }
    options.rings_in_turn = !sqpoll && !registered;
    if send {
        options.paths = lists.send_path;
    }
    if recv {
        options.receive = lists.receive_path;
    }
    if link {
        if let Some(link) = lists.link.iter().find(|link| !link.has_receiver()) {
            return Err(Stop::Usage(format!(
                "--link {link}: nobody receives there, so that no content can be compared; name a link with a receiver"
            )));
        }
        options.links = lists.link;
    }
    if sizes {
        options.sizes = lists.message;
        options.shapes.clear();
    }
    if shape {
        options.shapes = lists.shape;
        if !sizes {
            options.sizes.clear();
        }
    }
    if threads {
        options.threads = lists.threads;
        options.threads_in_turn = false;
    }
    if family {
        let idle = options.links.iter().find(|link| !Factor::Family.means_something_on(**link));
        if let Some(link) = idle {
            return Err(Stop::Usage(format!(
                "--family: link {link} has no addresses; leave it out, or verify that link by itself"
            )));
        }
        options.families = lists.family;
    }
    if let Some(text) = &arguments.time {
        options.window = time("time", text)?;
    }
    Ok(options)
}

/// Leaves out threads that poll, and registered files, where this machine has none; returns what is to be told of it.
fn without_lacking_rings(options: &mut VerifyOptions) -> Result<Option<String>, Stop> {
    let through_ring = options.paths.iter().find(|path| path.capabilities().goes_through_uring);
    let Some(send_path) = through_ring.copied() else { return Ok(None) };
    let plain = Cell { send_path, ..Cell::default() };
    let lacks = |cell: Cell| engine::send_paths::ring_supported(&cell).err();
    let polled = lacks(Cell { sqpoll: Switch::On, ..plain.clone() });
    let registered = lacks(Cell { registered_files: Switch::On, ..plain });
    let mut told = Vec::new();
    for (ways, why) in [(&mut options.sqpoll, polled), (&mut options.registered_files, registered)]
    {
        let Some(why) = why.filter(|_| ways.iter().any(|way| way.is_on())) else { continue };
        ways.retain(|way| !way.is_on());
        if ways.is_empty() {
            return Err(Stop::Cannot(why.to_string()));
        }
        told.push(why.to_string());
    }
    Ok((!told.is_empty()).then(|| told.join("; ")))
}

/// Which of the routes this machine has; the others are told of, each cause once.
fn routes(engine: &Engine, options: &VerifyOptions) -> Result<(Vec<Route>, Vec<String>), Stop> {
    let mut plan = Plan::preset(Preset::Default);
    plan.measure.controls = false;
    plan.factors = FactorLists {
        send_path: options.paths.clone(),
        receive_path: options.receive.clone(),
        link: options.links.clone(),
        family: options.families.clone(),
        sendfile_from: options.files.clone(),
        threads: vec![Threads::ONE],
        ..FactorLists::default()
    };
    let refused = engine.unsupported(&plan);
    let mut notes: Vec<(String, Vec<Route>)> = Vec::new();
    let (mut had, mut all) = (Vec::new(), Vec::new());
    for route in options.routes() {
        all.push(route);
        let why = refused.iter().find(|(cell, _)| Route::through(cell) == route);
        match why.map(|(_, why)| why.to_string()) {
            None => had.push(route),
            Some(why) => match notes.iter_mut().find(|(known, _)| *known == why) {
                Some((_, routes)) => routes.push(route),
                None => notes.push((why, vec![route])),
            },
        }
    }
    let lacking: Option<Vec<_>> =
        all.iter().map(|route| route.of(&Cell::default()).lacks_path()).collect();
    if let Some(why) = lacking.as_deref().and_then(<[_]>::first) {
        return Err(Stop::Usage(why.to_string()));
    }
    if had.is_empty() {
        let why = notes.into_iter().next().map(|(why, _)| why);
        return Err(Stop::Cannot(why.unwrap_or_else(|| "nothing to verify".to_owned())));
    }
    let notes = notes
        .into_iter()
        .map(|(why, routes)| format!("not verified: {}: {why}", common(&routes, &all)));
    Ok((had, notes.collect()))
}

/// What routes have in common that all others lack, in few words; else each of them.
fn common(some: &[Route], all: &[Route]) -> String {
    let parts: [fn(&Route) -> String; 5] = [
        |route| route.send.to_string(),
        |route| route.receive.to_string(),
        |route| route.link.to_string(),
        |route| route.family.to_string(),
        |route| format!("--sendfile-from {}", route.file),
    ];
    let first = some.first();
    let shared = parts.iter().find_map(|part| {
        let word = part(first?);
        let is_theirs_alone = all.iter().all(|route| (part(route) == word) == some.contains(route));
        is_theirs_alone.then_some(word)
    });
    shared.unwrap_or_else(|| some.iter().map(Route::to_string).collect::<Vec<_>>().join(", "))
}

/// One line a send path and a receive path, and one for each fault.
fn table(verified: &[Verified]) -> String {
    let mut pairs: Vec<(SendPath, ReceivePath)> =
        verified.iter().map(|verified| pair(&verified.cell)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let wide = |name: fn(&(SendPath, ReceivePath)) -> &'static str| {
        pairs.iter().map(|pair| name(pair).len()).max().unwrap_or(0)
    };
    let (send, receive) = (wide(|pair| pair.0.name()), wide(|pair| pair.1.name()));
    let mut text = String::new();
    for of in &pairs {
        let of_pair = || verified.iter().filter(|verified| pair(&verified.cell) == *of);
        let cells = u32::try_from(of_pair().count()).unwrap_or(u32::MAX);
        let bytes: u64 = of_pair().map(|verified| verified.checked_bytes).sum();
        let messages: u64 = of_pair().map(|verified| verified.messages).sum();
        let faults = of_pair().filter(|verified| verified.fault.is_some()).count();
        let verdict = match (faults, of.1.shows_content()) {
            (0, true) => "nothing lost, reordered or changed".to_owned(),
            (0, false) => "nothing lost; its bytes are dropped unseen".to_owned(),
            (faults, _) => format!("{faults} faulty"),
        };
        let mapped: u64 = of_pair().map(|verified| verified.mapped_bytes).sum();
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            text,
            "{:send$} → {:receive$}  {:>9}  {messages:>9} messages  {:>9} compared{}  {verdict}",
            of.0.name(),
            of.1.name(),
            counted(cells, "cell", "cells"),
            size(Bytes(bytes)),
            if bytes > 0 && maps(of.1) { how_taken(mapped, bytes) } else { String::new() },
        );
    }
    for verified in verified {
        if let Some(fault) = &verified.fault {
            let _ = writeln!(text, "fault: {}: {fault}", verified.cell);
        }
    }
    text
}

/// Whether a receive path maps pages where it can: then what was compared may have come either way.
fn maps(path: ReceivePath) -> bool {
    path.capabilities().taken == TakenBytes::Mapped
}

/// `, 92 % of it mapped`, rounded down.
fn how_taken(mapped: u64, of: u64) -> String {
    let percent = u128::from(mapped) * 100 / u128::from(of.max(1));
    match (mapped, percent) {
        (0, _) => ", all of it copied".to_owned(),
        (_, 0) => ", below 1 % of it mapped".to_owned(),
        (_, percent) => format!(", {percent} % of it mapped"),
    }
}

const fn pair(cell: &Cell) -> (SendPath, ReceivePath) {
    (cell.send_path, cell.receive_path)
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

/// What was verified, of so many cells that were to be.
fn json(verified: &[Verified], asked: usize) -> String {
    let cells: Vec<_> = verified
        .iter()
        .map(|verified| {
            let mut told = serde_json::json!({
                "cell": verified.cell.id(),
                "checked_bytes": verified.checked_bytes,
                "messages": verified.messages,
                "fault": verified.fault,
            });
            if verified.checked_bytes > 0 && maps(verified.cell.receive_path) {
                told["mapped_bytes"] = verified.mapped_bytes.into();
            }
            told
        })
        .collect();
    format!("{:#}\n", serde_json::json!({ "version": 1, "asked": asked, "cells": cells }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(cell: Cell) -> Verified {
        Verified { cell, checked_bytes: 1, mapped_bytes: 0, messages: 1, fault: None }
    }

    #[test]
    fn where_pages_can_be_mapped_the_share_that_was_is_told() {
        let of = |receive_path, mapped_bytes| {
            let cell = Cell { receive_path, ..Cell::default() };
            table(&[Verified { checked_bytes: 3 << 20, mapped_bytes, ..sound(cell) }])
        };
        let mapping = ReceivePath::RecvZerocopy;
        let told = of(mapping, 2 << 20);
        assert!(told.contains("3 MiB compared, 66 % of it mapped "), "{told}");
        let told = of(mapping, 0);
        assert!(told.contains("3 MiB compared, all of it copied "), "{told}");
        let told = of(mapping, 1);
        assert!(told.contains("3 MiB compared, below 1 % of it mapped "), "{told}");
        let cell = Cell { receive_path: mapping, ..Cell::default() };
        let failed = Verified { checked_bytes: 0, fault: Some("lost".to_owned()), ..sound(cell) };
        assert!(table(std::slice::from_ref(&failed)).contains("0 B compared  1 faulty"));
        assert!(!json(&[failed], 1).contains("mapped_bytes"));
        let told = of(ReceivePath::Recv, 0);
        assert!(told.contains("3 MiB compared  nothing lost"), "{told}");
    }

    #[test]
    fn a_fault_is_named_with_its_cell_and_counted_with_its_path() {
        let sound = Verified { checked_bytes: 3 << 20, messages: 768, ..sound(Cell::default()) };
        let faulty = Verified {
            cell: Cell { send_path: SendPath::Zerocopy, ..Cell::default() },
            fault: Some("8 of 4096 bytes are not what was sent".to_owned()),
            ..sound.clone()
        };
        let text = table(&[sound, faulty]);
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

    #[test]
    fn what_was_verified_is_shown_before_any_end_and_a_fault_outweighs_it() {
        let cells = [SendPath::Send, SendPath::Zerocopy]
            .map(|send_path| Cell { send_path, ..Cell::default() });
        let of = |fault: Option<&str>| Verified {
            fault: fault.map(str::to_owned),
            ..sound(Cell::default())
        };
        let (sound, faulty) = ([of(None)], [of(None), of(Some("lost"))]);
        let mut shown = Vec::new();
        let mut end = |verified: &[Verified], ended| {
            let end = conclude(verified, &cells, ended, |verified| {
                shown.push(verified.len());
                Ok(())
            });
            (end, std::mem::take(&mut shown))
        };
        let interrupted = || Err(EngineError::Interrupted);
        let gone = || Err(EngineError::Gone("b is not reached".to_owned()));
        let no_ends = || Err(EngineError::Ends("no memory".to_owned()));
        let tried = |right, wrong| {
            format!(
                "{right} of 2 cells right, {wrong} wrong, the rest not tried; of 2 pairs of paths 1 was tried"
            )
        };
        let none_wrong = tried(1, "none");
        assert_eq!(end(&sound, Ok(())), (Ok(()), vec![1]));
        for (ended, stop) in [
            (interrupted(), Stop::Interrupted(none_wrong.clone())),
            (gone(), Stop::Interrupted(format!("b is not reached; {none_wrong}"))),
            (no_ends(), Stop::Cannot(format!("no memory; {none_wrong}"))),
        ] {
            assert_eq!(end(&sound, ended), (Err(stop), vec![1]));
        }
        let fault = "1 cell is faulty".to_owned();
        assert_eq!(end(&faulty, Ok(())), (Err(Stop::Invalid(fault.clone())), vec![2]));
        for (ended, why) in
            [(interrupted(), ""), (gone(), "b is not reached; "), (no_ends(), "no memory; ")]
        {
            let stop = Stop::Invalid(format!("{fault}; {why}{}", tried(1, "1")));
            assert_eq!(end(&faulty, ended), (Err(stop), vec![2]));
        }
        // Nothing was verified, and nothing is shown of what could not begin.
        assert_eq!(end(&[], no_ends()), (Err(Stop::Cannot("no memory".to_owned())), Vec::new()));
        assert_eq!(end(&[], interrupted()).1, [0]);
        // An output that takes nothing ends it before all else.
        let full = Stop::Cannot("the disk is full".to_owned());
        let end = conclude(&faulty, &cells, interrupted(), |_| Err(full.clone()));
        assert_eq!(end, Err(full));
    }

    #[test]
    fn without_a_terminal_a_line_is_told_each_ten_seconds_and_the_sum_when_it_is_stopped() {
        let of = |send_path| Cell { send_path, ..Cell::default() };
        let sound = |send_path| sound(of(send_path));
        let mut lines = PlainLines::default();
        let mut told =
            |done: &[Verified], seconds| lines.due(done, 4, Duration::from_secs(seconds));
        let mut done = vec![sound(SendPath::Send)];
        assert_eq!(told(&done, 9), None);
        assert_eq!(
            told(&done, 10).as_deref(),
            Some("1 of 4 cells verified, none wrong; about 30 s left")
        );
        done.push(Verified { fault: Some("lost".to_owned()), ..sound(SendPath::Zerocopy) });
        assert_eq!(told(&done, 19), None);
        assert_eq!(
            told(&done, 20).as_deref(),
            Some("2 of 4 cells verified, 1 wrong; about 20 s left")
        );
        let asked = [SendPath::Send, SendPath::Zerocopy, SendPath::Send, SendPath::Splice].map(of);
        assert_eq!(
            so_far(&done, &asked),
            "1 of 4 cells right, 1 wrong, the rest not tried; of 3 pairs of paths 2 were tried"
        );
        assert_eq!(
            so_far(&done[..1], &asked),
            "1 of 4 cells right, none wrong, the rest not tried; of 3 pairs of paths 1 was tried"
        );
        done.extend([sound(SendPath::Send), sound(SendPath::Splice)]);
        assert_eq!(told(&done, 60), None, "nothing is left");
    }
}
