//! `copycost serve` and `connect`: one end each, for perf, strace or two terminals.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use engine::by_hand::{HandOptions, HandReport, TurnedAway};
use engine::{EngineError, Interrupts};
use model::record::{Calls, Field, Figure, Side};
use model::{Cell, Factor, Family, Nanos};
use report::numbers::counted;

use crate::args::{ConnectArguments, ServeArguments};
use crate::derived::caller;
use crate::exit::Stop;
use crate::named_files::open;
use crate::requested_plan::check_message;
use crate::terminal::{show, tell, tell_exactly};

/// How long `connect` tries.
const CONNECTING: Duration = Duration::from_secs(10);

/// Sends until the time is over.
///
/// # Errors
/// Wrong usage, nobody came, the port is taken, or a signal.
pub(crate) fn serve(arguments: &ServeArguments) -> Result<(), Stop> {
    let mut cell = arguments.flags.cell().map_err(Stop::Usage)?;
    if let Some(page) = engine::host::facts().page_bytes.value() {
        check_message(&cell, *page)?;
    }
    let address = listening_address(arguments, &mut cell)?;
    let options = HandOptions {
        address,
        token: token(arguments.token.as_deref(), arguments.token_file.as_deref())?,
        duration: time("time", &arguments.time)?,
        patience: Duration::from_nanos(time("wait", &arguments.wait)?.0),
        cell,
    };
    let interrupts = Interrupts::install().map_err(Stop::Cannot)?;
    let mut shown = Ok(());
    let report = engine::by_hand::serve(&options, &interrupts, &mut |address, token| {
        // Standard output is the report's where JSON was asked for.
        // A token that was kept out of sight stays there.
        let token = match &arguments.token_file {
            Some(file) => {
                format!("--token-file {}", model::shell_word(&file.display().to_string()))
            }
            None => format!("--token {token}"),
        };
        let command = connect_command(&options, address, &token);
        let note = match reachable(address) {
            Reached::At(_) => "",
            Reached::Unknown => " (put in an address of this machine for HOST)",
        };
        if arguments.json {
            tell_exactly(&command);
        } else {
            shown = show(&format!("listening on {address}; at the other end{note}:\n{command}\n"));
        }
    });
    shown?;
    conclude(report, &options, arguments.json)
}

/// Receives until the other end is done or the time is over.
///
/// # Errors
/// Wrong usage, nobody listens, a wrong token, or a signal.
pub(crate) fn connect(arguments: &ConnectArguments) -> Result<(), Stop> {
    let mut cell = arguments.flags.cell().map_err(Stop::Usage)?;
    let (address, others) = resolved(&arguments.address)?;
    cell.family = family(address.ip());
    let mut options = HandOptions {
        address,
        token: token(arguments.token.as_deref(), arguments.token_file.as_deref())?,
        duration: time("time", &arguments.time)?,
        patience: CONNECTING,
        cell,
    };
    let interrupts = Interrupts::install().map_err(Stop::Cannot)?;
    let mut report = engine::by_hand::connect(&options, &interrupts);
    // A name may stand for several addresses, of which the server listens on one.
    for address in others {
        if !matches!(report, Ok(HandReport::NotReached(_))) {
            break;
        }
        (options.address, options.cell.family) = (address, family(address.ip()));
        report = engine::by_hand::connect(&options, &interrupts);
    }
    conclude(report, &options, arguments.json)
}

/// The address of a server, by number or by name, and the others that the name has; IPv4 first, as that is what serve listens
/// on unless it is told otherwise.
fn resolved(text: &str) -> Result<(SocketAddr, impl Iterator<Item = SocketAddr>), Stop> {
    let shown = model::quoted(text);
    let is_host_and_port = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !is_host_and_port {
        return Err(Stop::Usage(format!(
            "{shown} is no ADDRESS:PORT, such as 127.0.0.1:4000, [::1]:4000 or localhost:4000"
        )));
    }
    let mut found = crate::host_names::addresses(text).map_err(|why| {
        Stop::Usage(format!("{shown} cannot be resolved ({why}); name an address, such as 127.0.0.1:4000 or [::1]:4000"))
    })?;
    found.sort_by_key(SocketAddr::is_ipv6);
    found.dedup();
    let mut found = found.into_iter();
    match found.next() {
        Some(first) => Ok((first, found)),
        None => {
            Err(Stop::Usage(format!("{shown} has no address; name one, such as 127.0.0.1:4000")))
        }
    }
}

/// What a client is told that was not served.
fn turned_away(why: TurnedAway, options: &HandOptions) -> Stop {
    let HandOptions { address, duration, .. } = options;
    match why {
        TurnedAway::WrongToken => Stop::Usage(format!(
            "{address} closed the connection without an answer: is the token that of this serve?"
        )),
        TurnedAway::Taken => Stop::Usage(format!(
            "{address} has this connection already: are --threads and --flows those of serve, or was another client first?"
        )),
        TurnedAway::Busy => Stop::Cannot(format!(
            "{address} is busy: it serves another client, too many knock, or connect has more --threads or --flows than serve; wait until it is done, or start another serve"
        )),
        TurnedAway::Silent => Stop::Cannot(format!(
            "{address} accepted the connection and did not answer within {duration}: is it a copycost serve?"
        )),
        TurnedAway::Incomplete => Stop::Usage(format!(
            "{address} waited for more connections for {duration}: give connect the --threads and --flows of serve"
        )),
        TurnedAway::Unknown => Stop::Cannot(format!(
            "{address} answered what no serve of this version does: use the same copycost at both ends"
        )),
        TurnedAway::Ended => {
            Stop::Cannot(format!("{address} ended before it sent a byte: see what serve says"))
        }
    }
}

fn family(address: IpAddr) -> Family {
    match address {
        IpAddr::V4(_) => Family::Ipv4,
        IpAddr::V6(_) => Family::Ipv6,
    }
}

fn listening_address(arguments: &ServeArguments, cell: &mut Cell) -> Result<SocketAddr, Stop> {
    let address = match &arguments.listen {
        Some(text) => text.parse().map_err(|_| {
            Stop::Usage(format!("--listen: \"{text}\" is no IP address, such as 0.0.0.0 or ::1"))
        })?,
        None => match cell.family {
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        },
    };
    cell.family = family(address);
    let text = &arguments.port;
    let port: u16 = text.parse().map_err(|_| {
        Stop::Usage(format!("--port: \"{text}\" is no port; write a number from 0 to 65535"))
    })?;
    if !address.is_loopback() {
        tell(
            "! listening beyond loopback: whoever has the token may connect, and what is sent is not encrypted",
        );
    }
    Ok(SocketAddr::new(address, port))
}

/// The token that was given, as text or in a file.
fn token(text: Option<&str>, file: Option<&Path>) -> Result<Option<String>, Stop> {
    let (flag, text) = match (text, file) {
        (None, None) => return Ok(None),
        (Some(text), _) => ("token", text.to_owned()),
        (None, Some(file)) => ("token-file", read_token_file(file)?),
    };
    let wrong = |why| Stop::Usage(format!("--{flag}: {why}"));
    engine::by_hand::read_token(&text).map_err(wrong)?;
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

/// A time that a flag gives.
pub(crate) fn time(flag: &str, text: &str) -> Result<Nanos, Stop> {
    let time: Nanos = text.parse().map_err(|why| Stop::Usage(format!("--{flag}: {why}")))?;
    if time < Nanos::ms(1) || time > Nanos::s(24 * 3600) {
        return Err(Stop::Usage(format!("--{flag}: from 1ms to 24h, not {time}")));
    }
    Ok(time)
}

/// By which address a listener can be reached from elsewhere.
enum Reached {
    At(SocketAddr),
    /// It listens on all addresses, and none of them is known to be seen from elsewhere.
    Unknown,
}

/// The address itself; of one that stands for all of the machine's, that by which it would leave. Connecting a UDP socket asks
/// the routing table and sends nothing (udp(7)); the addresses asked for are of no machine (RFC 5737, RFC 3849).
fn reachable(address: SocketAddr) -> Reached {
    if !address.ip().is_unspecified() {
        return Reached::At(address);
    }
    let (any, elsewhere): (IpAddr, IpAddr) = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        SocketAddr::V6(_) => {
            (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
        }
    };
    let local = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((elsewhere, 9))?;
        socket.local_addr()
    });
    match local {
        Ok(local) if !local.ip().is_unspecified() => {
            Reached::At(SocketAddr::new(local.ip(), address.port()))
        }
        Ok(_) | Err(_) => Reached::Unknown,
    }
}

/// The command that fits this server, ready to be copied.
fn connect_command(options: &HandOptions, address: SocketAddr, token: &str) -> String {
    let address = match reachable(address) {
        Reached::At(address) => address.to_string(),
        Reached::Unknown => format!("HOST:{}", address.port()),
    };
    let mut command = format!("copycost connect {address} {token} --time {}", options.duration);
    for factor in [Factor::Threads, Factor::Flows] {
        if !options.cell.is_default(factor) {
            command.push_str(&format!(" --{} {}", factor.key(), options.cell.get(factor)));
        }
    }
    command
}

fn conclude(
    report: Result<HandReport, EngineError>,
    options: &HandOptions,
    json: bool,
) -> Result<(), Stop> {
    let cell = &options.cell;
    let report = report.map_err(|error| match error {
        EngineError::Interrupted => {
            Stop::Interrupted("nothing is kept of a trial by hand".to_owned())
        }
        EngineError::Unsupported(why) | EngineError::Ends(why) => Stop::Cannot(why),
    })?;
    let written = |error: serde_json::Error| Stop::Cannot(format!("cannot write JSON: {error}"));
    let text = match (&report, json) {
        (HandReport::TurnedAway(why), _) => return Err(turned_away(*why, options)),
        (HandReport::NotReached(why), _) => return Err(Stop::Cannot(why.clone())),
        (HandReport::Sent { side, refused_accepts }, true) => {
            let value = serde_json::json!({
                "cell": cell,
                "sent": side,
                "refused_accepts": refused_accepts,
            });
            serde_json::to_string_pretty(&value).map_err(written)?
        }
        (HandReport::Received(side), true) => {
            serde_json::to_string_pretty(&serde_json::json!({ "cell": cell, "received": side }))
                .map_err(written)?
        }
        (HandReport::Sent { side, refused_accepts }, false) => {
            let window = &side.window;
            let mut text = lines("sent", side, &window.calls);
            text.push_str(&whole_connection(side.total.accepted_bytes, "accepted"));
            if window.zerocopy_sends > 0 {
                text.push_str(&format!(
                    "\nzero-copy: {} sends, {} completed, {} of them copied after all",
                    side.total.zerocopy_sends, side.total.completed, side.total.copied
                ));
            }
            text.push_str(&others(side.strangers, *refused_accepts));
            text
        }
        (HandReport::Received(side), false) => {
            lines("received", side, &side.window.calls)
                + &whole_connection(side.total.received_bytes, "received")
        }
    };
    show(&(text + "\n"))
}

/// Who came besides the client.
fn others(strangers: u64, refused_accepts: u64) -> String {
    let mut text = String::new();
    if strangers > 0 {
        let connections = counted(strangers, "connection", "connections");
        text.push_str(&format!("\nturned away: {connections} that did not show the token"));
    }
    if refused_accepts > 0 {
        let times = counted(refused_accepts, "time", "times");
        text.push_str(&format!(
            "\naccept refused: {times}, for want of descriptors or memory (ulimit -n) or by a firewall"
        ));
    }
    text
}

/// The one figure in which both ends agree.
fn whole_connection(bytes: u64, what: &str) -> String {
    format!("\nwhole connection: {bytes} bytes {what}; compare this with the other end's")
}

/// What passed in the window, its CPU time, and the system calls.
fn lines<T>(what: &str, side: &Side<T>, calls: &Calls) -> String {
    let bytes: u64 = side.workers.iter().map(|worker| worker.bytes.0).sum();
    let cpu_ns: u64 = side.workers.iter().map(|worker| worker.cpu_ns.0).sum();
    let window = side.workers.iter().map(|worker| worker.window_ns).max().unwrap_or_default();
    format!(
        "{what} {bytes} bytes in {:.3} s, by {}, with {:.3} s of CPU time\nsystem calls: {}\nthese are of this end's own window: the first and the last tenth of the time are left out, and the other end's window differs",
        window.as_secs_f64(),
        counted(side.workers.len(), "worker", "workers"),
        Nanos(cpu_ns).as_secs_f64(),
        made(calls)
    )
}

/// The calls that were made, by kind.
fn made(calls: &Calls) -> String {
    let count = |call: &Field<Calls>| {
        let n = (call.get)(calls).filter(|n| *n != Figure::Whole(0))?;
        Some(format!("{n} {}", call.name))
    };
    let made: Vec<String> = Calls::fields().iter().filter_map(count).collect();
    if made.is_empty() { "none".to_owned() } else { made.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_call_that_was_made_is_told() {
        let calls = Calls { recvmsg: 3, readv: 2, zerocopy_receive: 1, ..Calls::default() };
        assert_eq!(made(&calls), "3 recvmsg, 2 readv, 1 zerocopy_receive");
        assert_eq!(made(&Calls::default()), "none");
    }
}
