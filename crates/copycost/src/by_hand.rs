//! `copycost serve` and `connect`: one end each, for two terminals, two hosts, perf or strace.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use engine::by_hand::{self as hand, ConnectOptions, HandEnd, HandEvent, HandReport, ServeOptions};
use engine::{EngineError, Interrupts};
use model::{Factor, Nanos};
use report::numbers::counted;

use crate::args::{ConnectArguments, ServeArguments};
use crate::exit::Stop;
use crate::named_files::open;
use crate::requested_plan::check_message;
use crate::run_directories::caller;
use crate::terminal::{show, show_while_read, tell, tell_exactly};

mod addresses;
mod told;

/// How long `connect` tries.
const CONNECTING: Duration = Duration::from_secs(10);
/// What `connect` adds to a failure to reach the server.
const THERE: &str = " (the other end is started by copycost serve)";
/// Commands that are printed for a machine of many addresses.
const MOST_COMMANDS: usize = 8;

/// Serves one client after the other until it is interrupted, or one with `--once`.
///
/// # Errors
/// Wrong usage, nobody came, the port is taken, a failed test with `--once`, or a signal in a test.
pub(crate) fn serve(arguments: &ServeArguments) -> Result<(), Stop> {
    let port = addresses::read_port(&arguments.port)?;
    let patience = arguments.wait.as_deref().map(|wait| seconds("wait", wait)).transpose()?;
    let options = ServeOptions {
        addresses: addresses::listening(arguments.listen.as_deref(), port)?,
        token: token(arguments.token.as_deref(), arguments.token_file.as_deref())?,
        once: arguments.once,
        patience: patience.map(|time| Duration::from_nanos(time.0)),
    };
    if options.addresses.iter().any(|address| !address.ip().is_loopback()) {
        tell(
            "! listening beyond loopback: whoever has the token may connect, and what is sent is not encrypted",
        );
    }
    let interrupts = Interrupts::install().map_err(Stop::Cannot)?;
    let mut shown = Ok(());
    let served = hand::serve(&options, &interrupts, &mut |event| {
        let printed = serving(event, arguments);
        if shown.is_ok() {
            shown = printed;
        }
    });
    shown?;
    let served = served.map_err(stop)?;
    if !arguments.once {
        tell(&told::served(&served));
    }
    Ok(())
}

/// Prints what happens at a server.
fn serving(event: HandEvent<'_>, arguments: &ServeArguments) -> Result<(), Stop> {
    let of = |peer: Option<SocketAddr>| {
        peer.map_or("a client".to_owned(), |peer| format!("client {peer}"))
    };
    match event {
        HandEvent::Listening { addresses, token } => listening(addresses, token, arguments),
        HandEvent::Began { peer, cell, time, reverse } if !arguments.json => {
            show_while_read(&told::began("client", peer, (cell, time, reverse)))
        }
        HandEvent::Interval { interval, cell } if !arguments.json => {
            show_while_read(&told::interval(interval, cell))
        }
        HandEvent::Began { .. } | HandEvent::Interval { .. } => Ok(()),
        HandEvent::Ended(report) => {
            if arguments.json {
                // One line each, as there may be many.
                show_while_read(&format!("{}\n", told::json(report)))
            } else {
                show_while_read(&told::summary(report))
            }?;
            match told::lacks(report) {
                Some(why) if arguments.once => Err(Stop::Cannot(why.to_owned())),
                Some(why) => {
                    tell(&format!("! {}: {why}", of(report.peer)));
                    Ok(())
                }
                None => Ok(()),
            }
        }
        HandEvent::Failed { peer, why } => {
            tell(&format!("! {}: no figure: {why}", of(peer)));
            Ok(())
        }
        HandEvent::NotServed { peer, why } => {
            tell(&format!("! {}: not served: {why}", of(peer)));
            Ok(())
        }
        HandEvent::TurnedAway { count, last } => {
            let last = last.map_or(String::new(), |last| format!(", the last from {last}"));
            let connections = counted(count, "connection", "connections");
            tell(&format!("! turned away: {connections} without the token{last}"));
            Ok(())
        }
    }
}

/// Prints where a server listens, and the commands for the other end, ready to be copied.
fn listening(
    listens: &[SocketAddr],
    token: Option<&str>,
    arguments: &ServeArguments,
) -> Result<(), Stop> {
    let (commands, note) = commands(listens, token, arguments);
    if arguments.json {
        // Standard output is the report's.
        commands.iter().for_each(|command| tell_exactly(command));
        return Ok(());
    }
    let at: Vec<String> = listens.iter().map(ToString::to_string).collect();
    let until = if arguments.once { "for one client" } else { "until Ctrl-C or SIGTERM" };
    let at = at.join(" and ");
    show_while_read(&format!(
        "listening on {at} {until}; at the other end{note}:\n{}\n",
        commands.join("\n")
    ))
}

/// The commands that reach a server, and what is to be said of them.
fn commands(
    listens: &[SocketAddr],
    token: Option<&str>,
    arguments: &ServeArguments,
) -> (Vec<String>, String) {
    // A token that was kept out of sight stays there.
    let token = match (&arguments.token_file, token) {
        (Some(file), _) => {
            format!(" --token-file {}", model::shell_word(&file.display().to_string()))
        }
        (None, Some(token)) => format!(" --token {token}"),
        (None, None) => String::new(),
    };
    let to = |address: &str| format!("copycost connect{address}{token}");
    let Some(first) = listens.first() else { return (Vec::new(), String::new()) };
    if arguments.listen.is_none() {
        let address = if first.port() == hand::PORT { String::new() } else { format!(" {first}") };
        return (vec![to(&address)], " (on this machine)".to_owned());
    }
    let own = if first.ip().is_unspecified() { hand::own_addresses() } else { Ok(Vec::new()) };
    let reached = addresses::reachable(*first, own.as_deref().unwrap_or_default());
    if reached.is_empty() {
        let note = " (put in an address of this machine for HOST)".to_owned();
        return (vec![to(&format!(" HOST:{}", first.port()))], note);
    }
    let note = match reached.len() {
        0 | 1 => String::new(),
        n if n > MOST_COMMANDS => {
            format!(" (by any address of this machine; these are {MOST_COMMANDS} of {n})")
        }
        _ => " (by whichever address it can reach)".to_owned(),
    };
    let commands = reached.iter().take(MOST_COMMANDS).map(|address| to(&format!(" {address}")));
    (commands.collect(), note)
}

/// Asks a server for a test, and measures its own side.
///
/// # Errors
/// Wrong usage, nobody listens, a wrong token, the server refuses, the test failed, or a signal.
pub(crate) fn connect(arguments: &ConnectArguments) -> Result<(), Stop> {
    let usage = |why| Stop::Usage(format!("{why}; see copycost connect --help"));
    let cell = arguments.flags.cell().map_err(usage)?;
    if let Some(page) = engine::host::facts().page_bytes.value() {
        check_message(&cell, *page)?;
    }
    let family = arguments.flags.is_given(Factor::Family).then_some(cell.family);
    let options = ConnectOptions {
        addresses: addresses::resolved(
            arguments.server.as_deref(),
            arguments.port.as_deref(),
            family,
        )?,
        token: token(arguments.token.as_deref(), arguments.token_file.as_deref())?,
        cell,
        time: seconds("time", &arguments.time)?,
        reverse: arguments.reverse,
        patience: CONNECTING,
    };
    let interrupts = Interrupts::install().map_err(Stop::Cannot)?;
    let mut shown = Ok(());
    let ended = hand::connect(&options, &interrupts, &mut |event| {
        let printed = connected(event, arguments.json);
        if shown.is_ok() {
            shown = printed;
        }
    });
    shown?;
    match ended.map_err(stop)? {
        HandEnd::Report(report) => conclude(&report, arguments.json),
        HandEnd::TurnedAway(address, why) => {
            Err(told::turned_away(address, why, options.token.is_some()))
        }
        HandEnd::NotReached(why) if options.addresses.len() > 1 => Err(Stop::Cannot(format!(
            "tried {}; the last: {why}{THERE}",
            counted(options.addresses.len(), "address", "addresses")
        ))),
        HandEnd::NotReached(why) => Err(Stop::Cannot(format!("{why}{THERE}"))),
    }
}

/// Prints what happens at a client.
fn connected(event: HandEvent<'_>, json: bool) -> Result<(), Stop> {
    match event {
        HandEvent::Began { peer, cell, time, reverse } if !json => {
            show(&told::began("connected to", peer, (cell, time, reverse)))
        }
        HandEvent::Interval { interval, cell } if !json => show(&told::interval(interval, cell)),
        HandEvent::Began { .. }
        | HandEvent::Interval { .. }
        | HandEvent::Listening { .. }
        | HandEvent::Ended(_)
        | HandEvent::Failed { .. }
        | HandEvent::NotServed { .. }
        | HandEvent::TurnedAway { .. } => Ok(()),
    }
}

fn conclude(report: &HandReport, json: bool) -> Result<(), Stop> {
    let text = if json {
        serde_json::to_string_pretty(&told::json(report))
            .map_err(|error| Stop::Cannot(format!("cannot write JSON: {error}")))?
            + "\n"
    } else {
        told::summary(report)
    };
    show(&text)?;
    told::lacks(report).map_or(Ok(()), |why| Err(Stop::Cannot(why.to_owned())))
}

fn stop(error: EngineError) -> Stop {
    match error {
        EngineError::Interrupted => {
            Stop::Interrupted("nothing is kept of a test by hand".to_owned())
        }
        EngineError::Unsupported(why) | EngineError::Ends(why) | EngineError::Gone(why) => {
            Stop::Cannot(why)
        }
    }
}

/// The token that was given, as text or in a file.
fn token(text: Option<&str>, file: Option<&Path>) -> Result<Option<String>, Stop> {
    let (flag, text) = match (text, file) {
        (None, None) => return Ok(None),
        (Some(text), _) => ("token", text.to_owned()),
        (None, Some(file)) => ("token-file", read_token_file(file)?),
    };
    let wrong = |why| Stop::Usage(format!("--{flag}: {why}"));
    hand::read_token(&text).map_err(wrong)?;
    Ok(Some(text))
}

/// More than a token's line has.
const MOST_TOKEN_BYTES: u64 = 256;

/// The first line of a file, opened with the caller's rights, or, for `-`, of standard input.
fn read_token_file(file: &Path) -> Result<String, Stop> {
    let cannot = |why| Stop::Usage(format!("--token-file {}: {why}", file.display()));
    let mut line = String::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(MOST_TOKEN_BYTES).read_line(&mut line)
    } else {
        let opened = open(file, caller(), cannot)?;
        BufReader::new(opened.take(MOST_TOKEN_BYTES)).read_line(&mut line)
    };
    read.map_err(cannot)?;
    Ok(line)
}

/// A time that a flag gives, where a number alone is of seconds, as with other tools of this kind.
fn seconds(flag: &str, text: &str) -> Result<Nanos, Stop> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    time(flag, &if is_number { format!("{text}s") } else { text.to_owned() })
}

/// A time that a flag gives.
pub(crate) fn time(flag: &str, text: &str) -> Result<Nanos, Stop> {
    let time: Nanos = text.parse().map_err(|why| Stop::Usage(format!("--{flag}: {why}")))?;
    if time < Nanos::ms(1) || time > hand::LONGEST {
        return Err(Stop::Usage(format!("--{flag}: from 1ms to 24h, not {time}")));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_unit_is_of_seconds() {
        assert_eq!(seconds("time", "5"), Ok(Nanos::s(5)));
        assert_eq!(seconds("time", "250ms"), Ok(Nanos::ms(250)));
        for wrong in ["", "0", "-1", "5 apples", "86401", "99999999999999999999"] {
            let Err(Stop::Usage(why)) = seconds("time", wrong) else { panic!("{wrong}") };
            assert!(why.starts_with("--time: "), "{why}");
        }
    }
}
