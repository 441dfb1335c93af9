//! Peers that have the token and misbehave: clients of `serve` and servers of `connect` that reset, half-close, stall, dawdle or babble
//! at random moments. The program ends in time, with one line or with a figure, and a figure is of all that was sent.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

use super::{Field, Tally, bounded, wrong};

/// How long the program measures.
const TIME: &str = "300ms";
/// Longer than the program waits for a drain.
const LONGER: Duration = Duration::from_secs(40);

/// How a peer ends, after it behaved for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Nothing is wrong with it.
    Good,
    /// It closes while something lies unread.
    Reset,
    /// It ends its own direction early and goes on.
    HalfClose,
    /// It stands still for a while and goes on.
    Stall,
    /// It moves a byte at a time for a while, and goes on.
    SingleBytes,
    /// It says what nobody asked for.
    Babble,
    /// It stands still until the other end gives up.
    StandStill,
}

/// The slow one seldom.
const MANNERS: [Manner; 13] = [
    Manner::Good,
    Manner::Good,
    Manner::Reset,
    Manner::Reset,
    Manner::HalfClose,
    Manner::HalfClose,
    Manner::Stall,
    Manner::Stall,
    Manner::SingleBytes,
    Manner::SingleBytes,
    Manner::Babble,
    Manner::Babble,
    Manner::StandStill,
];

/// One misbehaviour, drawn before it begins.
#[derive(Clone, Copy, Debug)]
struct Part {
    manner: Manner,
    after: Duration,
    lasts: Duration,
    seed: u64,
}

fn draw(field: &mut Field<'_>) -> Part {
    let manner = MANNERS.choose(&mut field.random).copied().unwrap_or(Manner::Good);
    let mut ms = |most| Duration::from_millis(field.random.random_range(0..most));
    Part { manner, after: ms(450), lasts: ms(900), seed: field.random.next_u64() }
}

/// Reads for so long, or to the end; how many bytes, and whether it was the end.
fn read_until(stream: &mut TcpStream, until: Option<Instant>) -> io::Result<(u64, bool)> {
    let mut buffer = [0; 65_536];
    let mut bytes = 0;
    while until.is_none_or(|until| Instant::now() < until) {
        match stream.read(&mut buffer)? {
            0 => return Ok((bytes, true)),
            count => bytes += count as u64,
        }
    }
    Ok((bytes, false))
}

/// In place of a flow's number: a client's first connection.
const CLIENT: [u8; 4] = [0xff; 4];

/// The bytes of a token that is written so.
fn token_of(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

/// Connects and shows a token.
fn greeted(address: &str, token: &[u8], number: [u8; 4]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LONGER))?;
    stream.set_nodelay(true)?;
    stream.write_all(&[token, &number].concat())?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    if answer == *b"w" { Ok(stream) } else { Err(io::Error::other("it was not let in")) }
}

fn say(stream: &mut impl io::Write, line: &Value) -> io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes())
}

/// The next line; nothing where the other end has left.
fn hear(stream: &mut impl io::BufRead) -> io::Result<Value> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(serde_json::from_str(&line).unwrap_or_default())
}

/// What a receiver tells that has measured nothing.
fn report() -> Value {
    let absent = json!({ "absent": "a peer of the campaign" });
    let tally = json!({ "received_bytes": 0, "calls": {} });
    let counters = [
        "task_clock_ns",
        "context_switches",
        "migrations",
        "cycles",
        "instructions",
        "llc_loads",
        "llc_misses",
        "l1d_misses",
        "dtlb_misses",
        "cache_misses",
        "cache_misses_event",
    ];
    let counters: serde_json::Map<String, Value> =
        counters.iter().map(|name| ((*name).to_owned(), absent.clone())).collect();
    json!({ "report": { "received": { "machine": null, "side": {
        "workers": [],
        "window": tally,
        "total": tally,
        "usage": absent,
        "after_cpu_ns": 0,
        "counters": counters,
        "tcp": absent,
        "snmp": absent,
        "strangers": 0,
        "edge_ns": 0,
        "peak_rss_bytes": 0,
        "ring_bytes": 0,
        "socket": {
            "congestion": "",
            "send_buffer_bytes": 0,
            "receive_buffer_bytes": 0,
            "zerocopy": false,
        },
        "throttled_us": absent,
    }}}})
}

/// A client of `serve`; how many bytes it got to the end, where it read to the end.
fn client(address: &str, token: &[u8], path: &str, part: Part) -> io::Result<Option<u64>> {
    let mut control = BufReader::new(greeted(address, token, CLIENT)?);
    let ask = json!({ "ask": {
        "protocol": 1,
        "version": "campaign",
        "cell": format!("send={path} message_bytes=4096 threads=1"),
        "time_ns": 300_000_000,
        "reverse": false,
    }});
    say(control.get_mut(), &ask)?;
    let accepted = hear(&mut control)?;
    let token = token_of(accepted["accepted"]["token"].as_str().unwrap_or_default());
    let stream = greeted(address, &token, [0; 4])?;
    say(control.get_mut(), &json!("ready"))?;
    if hear(&mut control)? != "begin" {
        return Ok(None);
    }
    let read = load(stream, part)?;
    if read.is_some() {
        say(control.get_mut(), &report())?;
        while hear(&mut control)? != Value::Null {}
    }
    Ok(read)
}

/// The client's flow.
fn load(mut stream: TcpStream, part: Part) -> io::Result<Option<u64>> {
    let (mut bytes, has_ended) = read_until(&mut stream, Some(Instant::now() + part.after))?;
    if has_ended {
        return Ok(Some(bytes));
    }
    match part.manner {
        Manner::Good => {}
        Manner::Reset => return Ok(None),
        Manner::HalfClose => stream.shutdown(Shutdown::Write)?,
        Manner::Stall => thread::sleep(part.lasts),
        Manner::SingleBytes => {
            let until = Instant::now() + part.lasts;
            while Instant::now() < until && stream.read(&mut [0])? > 0 {
                bytes += 1;
            }
        }
        Manner::Babble => {
            let mut noise = [0; 10_000];
            Pcg64::seed_from_u64(part.seed).fill_bytes(&mut noise);
            stream.write_all(&noise)?;
        }
        Manner::StandStill => {
            // Until the other end is gone, which a peer that does not read is not told.
            thread::sleep(LONGER);
            return Ok(None);
        }
    }
    bytes += read_until(&mut stream, None)?.0;
    Ok(Some(bytes))
}

/// A server of `connect`; how many bytes it sent in all, where it ended them well.
fn server(listener: &TcpListener, part: Part) -> io::Result<Option<u64>> {
    let accepted = |reads: bool, welcomes: bool| -> io::Result<TcpStream> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LONGER))?;
        stream.set_write_timeout(Some(LONGER))?;
        if reads {
            stream.read_exact(&mut [0; 20])?;
        }
        if welcomes {
            stream.write_all(b"w")?;
        }
        Ok(stream)
    };
    let mut random = Pcg64::seed_from_u64(part.seed);
    if part.manner == Manner::Babble {
        let mut noise = [0; 64];
        random.fill_bytes(&mut noise);
        // In place of an answer to the token, or to what is asked for.
        let mut stream = accepted(true, random.random())?;
        stream.write_all(&noise)?;
        return Ok(None);
    }
    let mut control = BufReader::new(accepted(true, true)?);
    hear(&mut control)?;
    let token = "00112233445566778899aabbccddeeff";
    say(control.get_mut(), &json!({ "accepted": { "token": token } }))?;
    // What lies unread makes a close a reset.
    let stream = accepted(part.manner != Manner::Reset, true)?;
    hear(&mut control)?;
    say(control.get_mut(), &json!("begin"))?;
    let sent = send(stream, part, &mut random)?;
    if sent.is_some() {
        // Once it is done it says what it measured.
        hear(&mut control)?;
        say(control.get_mut(), &json!({ "failed": { "why": "a peer of the campaign" } }))?;
        while hear(&mut control)? != Value::Null {}
    }
    Ok(sent)
}

/// The server's flow.
fn send(mut stream: TcpStream, part: Part, random: &mut Pcg64) -> io::Result<Option<u64>> {
    let all = Instant::now() + Duration::from_millis(600);
    let early = Instant::now() + part.after;
    let mut bytes = 0;
    let mut has_misbehaved = false;
    let buffer = [7; 65_536];
    while Instant::now() < all {
        if Instant::now() >= early && !has_misbehaved {
            has_misbehaved = true;
            match part.manner {
                Manner::Good | Manner::Babble => {}
                Manner::Reset => return Ok(None),
                Manner::HalfClose => break,
                Manner::Stall => thread::sleep(part.lasts),
                Manner::SingleBytes => {
                    for _ in 0..2_000 {
                        stream.write_all(&[7])?;
                        bytes += 1;
                    }
                }
                Manner::StandStill => {
                    thread::sleep(LONGER);
                    return Ok(None);
                }
            }
        }
        let length = random.random_range(1..buffer.len());
        stream.write_all(&buffer[..length])?;
        bytes += length as u64;
    }
    Ok(Some(bytes))
}

/// A figure of the JSON that the program wrote.
fn figure(output: &Output, side: &str, figure: &str) -> Option<u64> {
    let value: Value = serde_json::from_slice(&output.stdout).ok()?;
    value.get(side)?.get("total")?.get(figure)?.as_u64()
}

/// What is wrong with how the program ended, whose peer moved so many bytes, all of them or none that it knows of. The peer's own
/// figures are missing.
fn judged(output: &Output, part: Part, seen: Option<u64>, told: Option<u64>) -> Option<String> {
    let last = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("").to_owned();
    if let Some(fault) = wrong(output) {
        return Some(fault);
    }
    let has_figure = told.is_some();
    match (part.manner, has_figure) {
        (Manner::Reset | Manner::StandStill, true) if seen.is_none() => {
            Some("has a figure although its peer left or stood still".to_owned())
        }
        (Manner::StandStill, false) if !last.contains("the drain was not over") => {
            Some(format!("does not say what it waited for: {last}"))
        }
        // Where others crowd the CPUs a short window may pass unseen.
        (Manner::Good, false) if !last.contains("saw less than an eighth of the window") => {
            Some(format!("failed with a good peer: {last}"))
        }
        (_, true) if seen.is_some() && seen != told => {
            Some(format!("tells {told:?} bytes, its peer moved {seen:?}"))
        }
        _ => None,
    }
}

/// The program as a server; what was wrong.
fn against_serve(field: &mut Field<'_>, paths: &[String]) -> Result<Option<String>, String> {
    let part = draw(field);
    let mut token = [0; 16];
    field.random.fill_bytes(&mut token);
    let hex: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let address = address.map_err(|why| why.to_string())?.to_string();
    let port = address.rsplit(':').next().unwrap_or_default().to_owned();
    let path = paths.choose(&mut field.random).ok_or("no send path is supported")?.as_str();
    let mut command = field
        .command(&["serve", "--once", "--port", &port, "--token", &hex, "--wait", "10s", "--json"]);
    let asked = path.to_owned();
    let client = thread::spawn(move || {
        let begun = Instant::now();
        loop {
            match client(&address, &token, &asked, part) {
                // It does not listen yet.
                Err(why)
                    if why.kind() == io::ErrorKind::ConnectionRefused
                        && begun.elapsed() < Duration::from_secs(5) =>
                {
                    thread::sleep(Duration::from_millis(10));
                }
                read => return read.unwrap_or(None),
            }
        }
    });
    command.stdin(Stdio::null());
    let output = bounded(command).map_err(|why| why.to_string())?;
    let told = figure(&output, "sent", "accepted_bytes");
    // One that stands still has nothing to tell, and is not waited for; one that had read to the end before has.
    let stands_still = part.manner == Manner::StandStill && told.is_none();
    let seen = if stands_still { None } else { client.join().unwrap_or(None) };
    Ok(judged(&output, part, seen, told)
        .map(|fault| format!("serve --send {path}, {part:?}: {fault}")))
}

/// The program as a client; what was wrong.
fn against_connect(field: &mut Field<'_>, paths: &[String]) -> Result<Option<String>, String> {
    let part = draw(field);
    let path = paths.choose(&mut field.random).ok_or("no receive path is supported")?.as_str();
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|why| why.to_string())?;
    let address = listener.local_addr().map_err(|why| why.to_string())?.to_string();
    let server = thread::spawn(move || server(&listener, part).unwrap_or(None));
    let token = "00112233445566778899aabbccddeeff";
    let mut command: Command = field.command(&[
        "connect",
        &address,
        "--recv",
        path,
        "--token",
        token,
        "--time",
        TIME,
        "--threads",
        "1",
        "--json",
    ]);
    command.stdin(Stdio::null());
    let output = bounded(command).map_err(|why| why.to_string())?;
    let told = figure(&output, "received", "received_bytes");
    let stands_still = part.manner == Manner::StandStill && told.is_none();
    let seen = if stands_still { None } else { server.join().unwrap_or(None) };
    Ok(judged(&output, part, seen, told)
        .map(|fault| format!("connect --recv {path}, {part:?}: {fault}")))
}

/// The paths of a group that this machine has, as the program itself says.
fn supported(field: &Field<'_>, group: &str) -> Result<Vec<String>, String> {
    let probe = field.run(&["probe", "--json"]).map_err(|why| why.to_string())?;
    let probe: Value =
        serde_json::from_slice(&probe.stdout).map_err(|why| format!("probe --json: {why}"))?;
    let items = probe["items"].as_array().into_iter().flatten();
    Ok(items
        .filter(|item| item["group"] == group && item["state"]["answer"] == "yes")
        // Over some links there are fewer, which is said by lines of their own.
        .filter_map(|item| item["name"].as_str().filter(|name| !name.contains(' ')))
        .map(str::to_owned)
        .collect())
}

pub(super) fn attack(field: &mut Field<'_>) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let (sends, receives) = (supported(field, "send path")?, supported(field, "receive path")?);
    let mut servers = 0;
    while field.goes_on() {
        let is_server = field.random.random_range(0..2) == 0;
        servers += u64::from(is_server);
        let fault = if is_server {
            against_serve(field, &sends)?
        } else {
            against_connect(field, &receives)?
        };
        tally.note(fault);
    }
    tally.notes.push(format!(
        "{servers} against serve by {} send paths, {} against connect by {} receive paths",
        sends.len(),
        tally.tried - servers,
        receives.len()
    ));
    Ok(tally)
}
