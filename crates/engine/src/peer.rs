//! What stands at another host for the engine: starts ends there, one after the other, and passes on what they and the engine say.
//!
//! It is reached through `ssh`, whose pipe is its standard input and output. It dies with the connection, and its end with it; a
//! connection that is cut without a word is noticed by the engine's silence.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, ExitCode};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kernel::process;

use crate::child::{EndHandle, EndProcess, FromEnd, WhichEnd};
use crate::protocol::{PROTOCOL, PeerOrder, PeerReply, Reply};
use crate::{host, nic, threads};

/// What `copycost peer` exits with when its orders are not to be understood.
const WRONG_USAGE: u8 = 2;
/// After so long without a line of the engine, which sends one at least every [`HEARTBEAT`], the connection is taken for cut.
pub(crate) const SILENCE: Duration = Duration::from_secs(20);
/// How long it may then take to say so.
const TELLING: Duration = Duration::from_secs(2);
/// How long the engine is silent at most.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);
/// No order is longer.
const LONGEST_ORDER: u64 = 16 << 20;
/// SIGKILL has this number on every Linux architecture (asm-generic/signal.h).
const SIGKILL: i32 = 9;

/// What happens to it.
enum Event {
    /// The engine says something.
    Line(String),
    /// The end of this number says something.
    FromEnd(u32, FromEnd),
}

/// The hidden subcommand. Standard output belongs to the protocol alone.
pub fn main() -> ExitCode {
    // The program may have been started by the number of a descriptor.
    let _ = std::fs::write("/proc/self/comm", "copycost");
    match process::take_standard_output() {
        Err(error) => complain(&error.to_string()),
        Ok(output) => match attend(output) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => complain(&why),
        },
    }
}

#[allow(
    clippy::print_stderr,
    reason = "the last lines of its standard error are what the engine reports"
)]
fn complain(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(WRONG_USAGE)
}

fn attend(output: File) -> Result<(), String> {
    // Where the parent is not to be followed, the end of standard input remains.
    let _ = process::die_with_parent(SIGKILL);
    let (sender, events) = mpsc::channel();
    let lines = sender.clone();
    let heard = Arc::new(Mutex::new(Instant::now()));
    let of_reader = Arc::clone(&heard);
    threads::start("orders", "a thread for orders", move || read_lines(&lines, &of_reader))?;
    let of_watch = Arc::clone(&heard);
    // The thread that obeys may wait for room in the pipe of a connection that is cut.
    threads::start("silence", "a thread that watches for silence", move || {
        while !is_silent(&of_watch, SILENCE + TELLING) {
            std::thread::sleep(Duration::from_millis(500));
        }
        std::process::exit(i32::from(WRONG_USAGE));
    })?;
    let mut attendant = Attendant { output, events: sender, end: None };
    loop {
        match events.recv_timeout(SILENCE.saturating_sub(since(&heard))) {
            Ok(Event::Line(line)) => {
                if !line.trim().is_empty() {
                    attendant.obey(&line)?;
                }
            }
            Ok(Event::FromEnd(number, said)) => attendant.pass_on(number, said)?,
            Err(RecvTimeoutError::Timeout) if !is_silent(&heard, SILENCE) => {}
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("nothing came from the engine for {} s", SILENCE.as_secs()));
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// How long ago the engine was heard.
fn since(heard: &Mutex<Instant>) -> Duration {
    heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
}

fn is_silent(heard: &Mutex<Instant>, patience: Duration) -> bool {
    since(heard) >= patience
}

fn read_lines(events: &mpsc::Sender<Event>, heard: &Mutex<Instant>) {
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut line = Vec::new();
    while let Ok(1..) = input.by_ref().take(LONGEST_ORDER).read_until(b'\n', &mut line) {
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if events.send(Event::Line(String::from_utf8_lossy(&line).into_owned())).is_err() {
            return;
        }
        line.clear();
    }
    // The engine is gone, or the connection: the end dies with this process.
    std::process::exit(0);
}

struct Attendant {
    output: File,
    events: mpsc::Sender<Event>,
    /// The end that runs, and its number.
    end: Option<(u32, EndHandle)>,
}

impl Attendant {
    fn reply(&mut self, reply: &PeerReply) -> Result<(), String> {
        let mut line = serde_json::to_vec(reply).map_err(|error| error.to_string())?;
        line.push(b'\n');
        self.output.write_all(&line).map_err(|error| format!("writing a reply: {error}"))
    }

    fn obey(&mut self, line: &str) -> Result<(), String> {
        let order: PeerOrder = serde_json::from_str(line)
            .map_err(|error| format!("this is no order: {error}: {line:.200}"))?;
        match order {
            PeerOrder::Hello { .. } => self.reply(&PeerReply::Hello {
                protocol: PROTOCOL,
                build: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            PeerOrder::Describe => self.reply(&PeerReply::Facts(Box::new(host::facts()))),
            PeerOrder::DescribeDevice(towards) => {
                self.reply(&PeerReply::Device(Box::new(nic::facts_towards(towards))))
            }
            PeerOrder::Probe { number, demands } => {
                let answers = demands.iter().map(|demand| demand.ask().err()).collect();
                self.reply(&PeerReply::Probed { number, answers })
            }
            PeerOrder::Echo(number) => self.reply(&PeerReply::Echo(number)),
            PeerOrder::Start { end } => {
                self.end = None;
                match self.start(end) {
                    Ok(process) => {
                        self.end = Some((end, EndHandle::Here(process)));
                        Ok(())
                    }
                    Err(how) => self.reply(&PeerReply::Ended { end, how }),
                }
            }
            PeerOrder::Order(order) => {
                // One that is gone has been told of.
                let Some((_, end)) = &mut self.end else { return Ok(()) };
                let _ = end.order(&order);
                Ok(())
            }
            PeerOrder::Leave => {
                self.end = None;
                Ok(())
            }
        }
    }

    /// Starts an end from this thread, which lives as long as the process: an end dies with the thread that started it.
    fn start(&self, number: u32) -> Result<EndProcess, String> {
        // The file that this process was started from has no name any more where it was copied here.
        let mut command = Command::new("/proc/self/exe");
        command.arg("end");
        let (sending, replies) = mpsc::channel();
        let events = self.events.clone();
        threads::start("from-end", "a thread for an end's replies", move || {
            for (_, said) in replies {
                if events.send(Event::FromEnd(number, said)).is_err() {
                    return;
                }
            }
        })?;
        // Which of the two it is, is said by its orders.
        EndProcess::start(WhichEnd::Receiver, command, sending)
    }

    fn pass_on(&mut self, end: u32, said: FromEnd) -> Result<(), String> {
        let Some((number, process)) = &mut self.end else { return Ok(()) };
        if *number != end {
            return Ok(());
        }
        let reply = match said {
            FromEnd::Reply(reply) => PeerReply::Said { end, reply },
            FromEnd::NoReply(text) => PeerReply::NoReply { end, text },
            FromEnd::Closed => {
                let how = process.describe_exit();
                self.end = None;
                PeerReply::Ended { end, how }
            }
            FromEnd::Interrupted => return Ok(()),
        };
        self.reply(&reply)
    }
}

/// A reply that an end gave, by the peer's line; none for what is the peer's own.
pub(crate) fn said(reply: PeerReply) -> Result<(u32, FromEnd, Option<String>), PeerReply> {
    match reply {
        PeerReply::Said { end, reply } => {
            let reply: Box<Reply> = reply;
            Ok((end, FromEnd::Reply(reply), None))
        }
        PeerReply::NoReply { end, text } => Ok((end, FromEnd::NoReply(text), None)),
        PeerReply::Ended { end, how } => Ok((end, FromEnd::Closed, Some(how))),
        own @ (PeerReply::Hello { .. }
        | PeerReply::Facts(_)
        | PeerReply::Device(_)
        | PeerReply::Probed { .. }
        | PeerReply::Echo(_)) => Err(own),
    }
}
