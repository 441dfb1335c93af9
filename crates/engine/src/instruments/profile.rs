//! `profile`: sampled kernel and user stacks of the CPUs in use.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use kernel::perf_samples::{Frame, Mode};
use kernel::sampling::{self, Samples, Sampling};
use kernel::symbols::{KernelSymbols, ProgramSymbols, UNKNOWN};
use model::Nanos;
use model::audit::{Owner, Profile, Stack};

use super::Watched;

/// Sampling that has begun; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Profiler {
    sampling: Sampling,
    watched: Watched,
    names: Names,
}

/// Whom a process id belongs to.
fn owner(pid: u32, watched: &Watched) -> Owner {
    match pid {
        // The idle thread of every CPU.
        0 => Owner::Idle,
        pid if Some(pid) == watched.sender => Owner::Sender,
        pid if Some(pid) == watched.receiver && watched.has_helper => Owner::Helper,
        pid if Some(pid) == watched.receiver => Owner::Receiver,
        _ => Owner::Other,
    }
}

impl Profiler {
    /// Samples from here on.
    ///
    /// # Errors
    /// One line: what this machine refuses, with the remedy.
    pub(crate) fn begin(watched: &Watched) -> Result<Self, String> {
        let names = Names::read(watched).map_err(|refusal| refusal.to_string())?;
        let sampling = Sampling::begin(&watched.cpus).map_err(|refusal| refusal.to_string())?;
        Ok(Self { sampling, watched: watched.clone(), names })
    }

    /// Ends it and names what was sampled.
    ///
    /// # Errors
    /// The samples cannot be read.
    pub(crate) fn end(self) -> Result<Profile, String> {
        let samples = self.sampling.end().map_err(|error| error.to_string())?;
        Ok(named(&samples, &self.watched, &self.names))
    }
}

/// Whether this machine allows it; the note names the event.
///
/// # Errors
/// It does not.
pub(crate) fn supported() -> Result<String, kernel::Unavailable> {
    let event = sampling::probe()?;
    KernelSymbols::read(Path::new(kernel::machine::LIVE))?;
    Ok(format!("samples {event}"))
}

/// What gives addresses their names.
#[derive(Debug, Default)]
struct Names {
    kernel: KernelSymbols,
    programs: HashMap<u32, ProgramSymbols>,
}

impl Names {
    fn read(watched: &Watched) -> Result<Self, kernel::Unavailable> {
        let mut programs = HashMap::new();
        for pid in watched.here() {
            // Stacks of a program that cannot be looked into remain, without its names.
            if let Ok(symbols) = ProgramSymbols::read(pid) {
                programs.insert(pid, symbols);
            }
        }
        Ok(Self { kernel: KernelSymbols::read(Path::new(kernel::machine::LIVE))?, programs })
    }

    /// A frame's name; none for what the unwinder took for a frame although no code is there: release builds keep no
    /// frame pointers, and the outer frames of a program may then be anything.
    fn frame_name(&self, pid: u32, frame: Frame, is_innermost: bool) -> Option<String> {
        // Outer frames tell where they will go on, which may already be the next function.
        let address = if is_innermost { frame.address } else { frame.address.saturating_sub(1) };
        let unnamed = |of: &str| format!("{of}`{UNKNOWN}");
        match frame.mode {
            Mode::Kernel => Some(self.kernel.name(address).unwrap_or(UNKNOWN).to_owned()),
            Mode::Elsewhere => Some(unnamed("[hypervisor]")),
            Mode::User => match self.programs.get(&pid) {
                Some(program) => {
                    program.name(address).or_else(|| is_innermost.then(|| unnamed("[unmapped]")))
                }
                // Another's program, whose names nobody asked for.
                None => is_innermost.then(|| unnamed("[program]")),
            },
        }
    }
}

/// Folds samples into stacks of names.
fn named(samples: &Samples, watched: &Watched, names: &Names) -> Profile {
    let mut folded: BTreeMap<(Owner, u32, Vec<String>), u64> = BTreeMap::new();
    for stack in &samples.stacks {
        let mut frames: Vec<String> = Vec::new();
        for (place, frame) in stack.frames.iter().enumerate() {
            frames.extend(names.frame_name(stack.pid, *frame, place == 0));
        }
        frames.reverse();
        let key = (owner(stack.pid, watched), stack.cpu, frames);
        *folded.entry(key).or_default() += stack.samples;
    }
    let mut places: HashMap<String, u32> = HashMap::new();
    let mut symbols = Vec::new();
    let mut place = |name: String| {
        *places.entry(name).or_insert_with_key(|name| {
            symbols.push(name.clone());
            u32::try_from(symbols.len() - 1).unwrap_or(u32::MAX)
        })
    };
    let stacks = folded
        .into_iter()
        .map(|((owner, cpu, frames), samples)| Stack {
            owner,
            cpu,
            frames: frames.into_iter().map(&mut place).collect(),
            samples,
        })
        .collect();
    Profile {
        event: samples.event.to_owned(),
        interval_ns: Nanos(samples.interval_ns),
        span_ns: Nanos(samples.span_ns),
        cpus: samples.cpus.clone(),
        lost: samples.lost,
        symbols,
        stacks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::sampling::SampledStack;

    fn watched(has_helper: bool) -> Watched {
        Watched {
            sender: Some(10),
            receiver: Some(20),
            may_share_kernel: false,
            has_helper,
            speaks_tcp: true,
            cpus: vec![0, 1],
        }
    }

    fn sampled(pid: u32, cpu: u32, frames: &[(Mode, u64)], samples: u64) -> SampledStack {
        let frames = frames.iter().map(|(mode, address)| Frame { mode: *mode, address: *address });
        SampledStack { pid, cpu, frames: frames.collect(), samples }
    }

    fn profile(stacks: Vec<SampledStack>) -> Profile {
        let kernel = KernelSymbols::parse(
            "ffffffff81000100 T tcp_sendmsg\nffffffff81000200 T _copy_from_iter\n",
        );
        let samples = Samples {
            event: "cpu-clock",
            interval_ns: 250_000,
            span_ns: 1_000_000,
            cpus: vec![0, 1],
            lost: 3,
            stacks,
        };
        named(&samples, &watched(false), &Names { kernel, programs: HashMap::new() })
    }

    #[test]
    fn every_sample_has_an_owner() {
        let owners = |watched: &Watched| [0, 10, 20, 30].map(|pid| owner(pid, watched));
        assert_eq!(
            owners(&watched(false)),
            [Owner::Idle, Owner::Sender, Owner::Receiver, Owner::Other]
        );
        assert_eq!(
            owners(&watched(true)),
            [Owner::Idle, Owner::Sender, Owner::Helper, Owner::Other]
        );
        // Of two hosts the end that runs here alone; what has the other's number is anybody.
        let alone = Watched { receiver: None, ..watched(false) };
        assert_eq!(owners(&alone), [Owner::Idle, Owner::Sender, Owner::Other, Owner::Other]);
    }

    #[test]
    fn stacks_whose_names_are_equal_become_one_outermost_first() {
        use Mode::{Kernel, User};
        let copying = |offset: u64| {
            [(Kernel, 0xffff_ffff_8100_0200 + offset), (Kernel, 0xffff_ffff_8100_0150), (User, 64)]
        };
        let profile = profile(vec![
            sampled(10, 0, &copying(8), 5),
            sampled(10, 0, &copying(16), 2),
            sampled(10, 1, &copying(8), 1),
        ]);
        assert_eq!(profile.symbols, ["tcp_sendmsg", "_copy_from_iter"]);
        let told: Vec<_> =
            profile.stacks.iter().map(|s| (s.owner, s.cpu, s.frames.clone(), s.samples)).collect();
        assert_eq!(told, [(Owner::Sender, 0, vec![0, 1], 7), (Owner::Sender, 1, vec![0, 1], 1)]);
        assert_eq!((profile.lost, profile.interval_ns), (3, Nanos(250_000)));
    }

    #[test]
    fn an_outer_frame_is_the_function_that_made_the_call() {
        // A call as the last instruction of tcp_sendmsg would return into the next function.
        let at = |address| vec![(Mode::Kernel, 0xffff_ffff_8100_0204), (Mode::Kernel, address)];
        let profile = profile(vec![sampled(10, 0, &at(0xffff_ffff_8100_0200), 1)]);
        assert_eq!(profile.symbols, ["tcp_sendmsg", "_copy_from_iter"]);
    }

    #[test]
    fn what_has_no_name_says_so() {
        use Mode::{Elsewhere, Kernel, User};
        let profile = profile(vec![
            sampled(30, 0, &[(Kernel, 0x10)], 1),
            sampled(30, 0, &[(User, 0x4000), (User, 0x5000)], 1),
            sampled(30, 0, &[(Elsewhere, 0x4000)], 1),
        ]);
        let mut names = profile.symbols;
        names.sort();
        assert_eq!(names, ["[hypervisor]`[unknown]", "[program]`[unknown]", "[unknown]"]);
    }

    #[test]
    fn two_ends_that_move_bytes_are_sampled_and_named() {
        use std::io::{Read, Write};
        let cpus = kernel::cpu::allowed().unwrap();
        let watched = Watched {
            sender: Some(std::process::id()),
            receiver: Some(std::process::id()),
            may_share_kernel: false,
            has_helper: false,
            speaks_tcp: true,
            cpus: cpus.cpus().iter().map(|cpu| u32::try_from(*cpu).unwrap()).collect(),
        };
        let profiler = match Profiler::begin(&watched) {
            Ok(profiler) => profiler,
            Err(why) => {
                #[allow(clippy::print_stderr, reason = "a test says what it skips")]
                {
                    eprintln!("skipped: {why}");
                }
                return;
            }
        };
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut sending = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut receiving, _) = listener.accept().unwrap();
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while receiving.read(&mut buffer).unwrap() > 0 {}
        });
        let message = vec![7; 1 << 16];
        // By its own CPU time: on a crowded CPU it is sampled when it has its turn.
        let started_ns = kernel::clock::thread_cpu_ns();
        while kernel::clock::thread_cpu_ns() < started_ns + 100_000_000 {
            sending.write_all(&message).unwrap();
        }
        drop(sending);
        reader.join().unwrap();
        let profile = profiler.end().unwrap();
        assert!(profile.symbols.iter().any(|name| name == "tcp_sendmsg"), "{:?}", profile.symbols);
        let own: u64 =
            profile.stacks.iter().filter(|s| s.owner == Owner::Sender).map(|s| s.samples).sum();
        assert!(own > 0);
        let places = profile.symbols.len();
        let named = |frame: &u32| usize::try_from(*frame).is_ok_and(|frame| frame < places);
        assert!(profile.stacks.iter().flat_map(|stack| &stack.frames).all(named));
    }
}
