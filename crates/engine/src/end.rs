//! One end of a trial: a child process that does as it is told over its standard input and output.

use std::fs::File;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use kernel::process;
use model::Measured;
use model::record::FailureKind;

use crate::coordinator::{Broken, Unstopped, failed};
use crate::crew::AnyCrew;
use crate::instruments::Edge;
use crate::instruments::cpu_busy::CpuBusy;
use crate::meeting::{self, Listener, MEETING};
use crate::protocol::{Meet, Order, PROTOCOL, Prepare, Reply, Role, Times};
use crate::sink_crew::SinkCrew;
use crate::threads;

/// What `copycost end` exits with when its orders are not to be understood.
const WRONG_USAGE: u8 = 2;

/// The hidden subcommand: obeys orders from standard input until `Bye` or its end. Standard output belongs to
/// the protocol alone: anything that prints goes to standard error.
pub fn main() -> ExitCode {
    let output = match process::take_standard_output() {
        Ok(output) => output,
        Err(error) => return complain(&error.to_string()),
    };
    // Ctrl-C and SIGTERM are for the engine, which lets its ends finish; an end dies with its engine all the same.
    let alone = kernel::signal::leave_requests_to_parent()
        .and_then(|()| process::own_process_group())
        .and_then(|()| process::die_with_parent(SIGKILL))
        .and_then(|()| kernel::clock::set_timer_slack_ns(1));
    if let Err(error) = alone {
        return complain(&error.to_string());
    }
    let counting = kernel::signal::count_continuations();
    if let Err(error) = counting {
        return complain(&error.to_string());
    }
    let _ = kernel::limits::raise_open_files();
    let (orders, is_over) = match read_orders() {
        Ok(reading) => reading,
        // As a reply, so that the engine knows it for what this machine refuses.
        Err(why) => {
            let refused = Reply::Failed { kind: FailureKind::Unsupported, why };
            return match write_reply(&output, &refused) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => complain(&error),
            };
        }
    };
    let end =
        End { output, crews: Vec::new(), usual_nice: None, is_over, unstopped: Unstopped::now() };
    match end.obey(&orders) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error),
    }
}

/// SIGKILL has this number on every Linux architecture (asm-generic/signal.h).
const SIGKILL: i32 = 9;

#[allow(
    clippy::print_stderr,
    reason = "the last lines of its standard error are what the engine reports of an end"
)]
fn complain(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(WRONG_USAGE)
}

/// Orders as they come, and whether a trial was given up.
type Orders = (mpsc::Receiver<Result<Order, String>>, Arc<AtomicBool>);

/// Reads orders on a thread of its own. The process leaves when its input closes.
fn read_orders() -> Result<Orders, String> {
    let (sender, orders) = mpsc::channel();
    let is_over = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_over);
    threads::start("orders", "a thread for orders", move || {
        for line in std::io::stdin().lock().lines() {
            let order = match line {
                Err(error) => Err(format!("reading orders: {error}")),
                Ok(line) => serde_json::from_str(&line)
                    .map_err(|error| format!("this is no order: {error}: {line:.200}")),
            };
            if matches!(order, Ok(Order::Abort)) {
                flag.store(true, Ordering::SeqCst);
            }
            if sender.send(order).is_err() {
                return;
            }
        }
        // The engine is gone, or wants this end gone: nothing here is worth a clean end.
        std::process::exit(0);
    })?;
    Ok((orders, is_over))
}

fn write_reply(mut output: &File, reply: &Reply) -> Result<(), String> {
    let mut line = serde_json::to_vec(reply).map_err(|error| error.to_string())?;
    line.push(b'\n');
    output.write_all(&line).map_err(|error| format!("writing a reply: {error}"))
}

struct End {
    output: File,
    /// In the order in which they were prepared.
    crews: Vec<AnyCrew>,
    /// The priority that the user gave, while this thread has another.
    usual_nice: Option<i32>,
    is_over: Arc<AtomicBool>,
    /// Since the first crew of the trial or series was prepared.
    unstopped: Unstopped,
}

impl End {
    fn reply(&mut self, reply: &Reply) -> Result<(), String> {
        write_reply(&self.output, reply)
    }

    fn fail(&mut self, Broken { kind, why, .. }: Broken) -> Result<(), String> {
        self.reply(&Reply::Failed { kind, why })
    }

    fn obey(mut self, orders: &mpsc::Receiver<Result<Order, String>>) -> Result<(), String> {
        let flag = Arc::clone(&self.is_over);
        let is_over = move || flag.load(Ordering::SeqCst);
        while let Ok(order) = orders.recv() {
            match order? {
                Order::Hello { protocol } if protocol != PROTOCOL => {
                    return Err(format!(
                        "the engine speaks protocol {protocol}, this end {PROTOCOL}; use the same version of copycost at both ends"
                    ));
                }
                Order::Hello { .. } => self.reply(&Reply::Hello {
                    protocol: PROTOCOL,
                    build: env!("CARGO_PKG_VERSION").to_owned(),
                    boot_id: Measured::from(process::boot_id()),
                })?,
                Order::Idle { cpus, span_ns } => {
                    let busy = CpuBusy::baseline(&cpus, Duration::from_nanos(span_ns.0));
                    self.reply(&Reply::Idle(busy))?;
                }
                Order::Prepare(prepare) => {
                    self.is_over.store(false, Ordering::SeqCst);
                    if self.crews.is_empty() {
                        self.unstopped = Unstopped::now();
                    }
                    match self.prepare(*prepare) {
                        Ok(crew) => {
                            self.crews.push(crew);
                            self.reply(&Reply::Ready)?;
                        }
                        Err(broken) => self.fail(broken)?,
                    }
                }
                Order::Run(times) => match self.crews.pop() {
                    None => return Err("told to run before anything was prepared".to_owned()),
                    Some(crew) => {
                        self.hurry();
                        if times.start_ns.is_none() {
                            self.load(crew, times, &is_over)?;
                            continue;
                        }
                        let ran = crew.run(&times, &is_over);
                        let ran = self.unstopped.answer(ran);
                        self.slow_down();
                        match ran {
                            Ok(report) => self.reply(&Reply::Finished(Box::new(report)))?,
                            Err(broken) => self.fail(broken)?,
                        }
                    }
                },
                Order::Slice(slice) => {
                    self.hurry();
                    let crew = self.crew(slice.crew)?;
                    let is_receiver = !matches!(crew, AnyCrew::Senders(_));
                    let ran = crew.slice(&slice, &is_over);
                    match self.unstopped.answer(ran) {
                        Ok(()) if is_receiver => self.reply(&Reply::WindowOver)?,
                        Ok(()) => {}
                        Err(broken) => self.fail(broken)?,
                    }
                }
                Order::Pause { crew } => {
                    let paused = self.crew(crew)?.pause(&is_over);
                    match self.unstopped.answer(paused) {
                        Ok(bytes) => self.reply(&Reply::Paused { bytes })?,
                        Err(broken) => self.fail(broken)?,
                    }
                }
                Order::Drain { crew, bytes } => {
                    let drained = self.crew(crew)?.drain(bytes, &is_over);
                    match self.unstopped.answer(drained) {
                        Ok(()) => self.reply(&Reply::Drained)?,
                        Err(broken) => self.fail(broken)?,
                    }
                }
                Order::ReadMachine { crew, is_end } => {
                    self.crew(crew)?.read_machine(if is_end { Edge::End } else { Edge::Start });
                    self.reply(&Reply::MachineRead)?;
                }
                Order::Finish => {
                    let crews = std::mem::take(&mut self.crews);
                    crews.iter().for_each(AnyCrew::stop);
                    for crew in crews {
                        let finished = crew.finish(&is_over);
                        match self.unstopped.answer(finished) {
                            Ok(report) => self.reply(&Reply::Finished(Box::new(report)))?,
                            Err(broken) => self.fail(broken)?,
                        }
                    }
                    self.slow_down();
                }
                Order::Abort => self.crews.clear(),
                Order::Bye => return Ok(()),
            }
        }
        Ok(())
    }

    /// The load of a trial whose start is not ordered: a sender's begins at once, and a receiver's window with the first bytes, which
    /// are sent when it has said that it waits. It goes on until the order to finish.
    fn load(
        &mut self,
        mut crew: AnyCrew,
        times: Times,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), String> {
        let mut loaded = Ok(());
        let is_receiver = matches!(crew, AnyCrew::Receivers(_));
        if let AnyCrew::Receivers(receivers) = &crew {
            self.reply(&Reply::Ready)?;
            loaded = receivers.await_first_bytes(MEETING, is_over);
        }
        let loaded = loaded.and_then(|()| crew.load(&times, is_over));
        match self.unstopped.answer(loaded) {
            Ok(()) => {
                self.crews.push(crew);
                if is_receiver { self.reply(&Reply::WindowOver) } else { Ok(()) }
            }
            Err(broken) => {
                self.slow_down();
                self.fail(broken)
            }
        }
    }

    fn crew(&mut self, number: usize) -> Result<&mut AnyCrew, String> {
        let crews = self.crews.len();
        self.crews.get_mut(number).ok_or_else(|| format!("told of crew {number} of {crews}"))
    }

    /// The coordinator's few wake-ups should be on time among workers that fill every CPU. The workers are there already
    /// and keep the priority that the user gave. Without the privilege it stays as it is, and late edges are marked.
    fn hurry(&mut self) {
        if self.usual_nice.is_none() {
            let usual = process::nice();
            let _ = process::set_nice(usual.saturating_sub(15));
            self.usual_nice = Some(usual);
        }
    }

    /// Workers started from here on inherit the usual priority.
    fn slow_down(&mut self) {
        if let Some(usual) = self.usual_nice.take() {
            let _ = process::set_nice(usual);
        }
    }

    fn prepare(&mut self, prepare: Prepare) -> Result<AnyCrew, Broken> {
        let met = match (prepare.meet.clone(), prepare.role) {
            (Meet::Connect(address), _) => {
                meeting::connect(address, false, &prepare, MEETING).map_err(failed)?
            }
            (Meet::ConnectEach(address), _) => {
                meeting::connect(address, true, &prepare, MEETING).map_err(failed)?
            }
            (Meet::Listen(address), Role::Absorb(absorb)) => {
                let before = self.crews.iter().find_map(AnyCrew::sink);
                let address = address.inet().ok_or_else(|| failed("the sink takes TCP alone"))?;
                let crew = SinkCrew::listen(&prepare, absorb, address, before)?;
                self.reply(&Reply::Listening(crew.address.into())).map_err(failed)?;
                let is_over = Arc::clone(&self.is_over);
                crew.meet(&|| is_over.load(Ordering::SeqCst))?;
                return Ok(AnyCrew::Sink(crew));
            }
            (Meet::Listen(address), Role::Send | Role::Receive) => {
                let listener = Listener::open(address, &prepare).map_err(failed)?;
                self.reply(&Reply::Listening(listener.address)).map_err(failed)?;
                let is_over = Arc::clone(&self.is_over);
                listener
                    .meet(&prepare, MEETING, || is_over.load(Ordering::SeqCst))
                    .map_err(failed)?
            }
        };
        AnyCrew::start(prepare, met)
    }
}
