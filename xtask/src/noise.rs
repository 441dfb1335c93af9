//! Noise as other programs of a busy machine make it: pinned bursts of CPU and memory traffic, the same for the same seed.
//!
//! On every CPU bursts of work arrive at random (exponential gaps), each of a length of its own (log-uniform, so that every scale
//! has its share), half of them arithmetic and half a walk through more memory than the caches hold. A burst's length is CPU time: where
//! something else runs too, the burst takes longer, and those that are due meanwhile follow at once, as work does that queues.

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, parent_id};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// What the noise is where nothing else is asked for.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(500);
const SHARE: f64 = 0.3;
const TIME: Duration = Duration::from_secs(60);
/// Beside a command that never ends, noise ends after this.
const AT_MOST: Duration = Duration::from_secs(24 * 3600);
/// How often it looks whether its parent is still there.
const LOOKS: Duration = Duration::from_millis(50);
/// The caches' size where the kernel does not tell it.
const UNKNOWN_CACHE: usize = 64 << 20;
/// More memory than this no CPU's bursts walk through.
const MOST_MEMORY: usize = 1 << 30;
/// Words of memory, or steps of arithmetic, between two looks at the clock: some microseconds.
const STRETCH: usize = 4096;
/// Given to the process that makes noise beside a command.
const BESIDE: &str = "--beside";

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
struct Noise {
    seed: u64,
    /// None: every CPU that this process may use.
    cpus: Option<Vec<usize>>,
    shortest: Duration,
    longest: Duration,
    /// Of each CPU's time.
    share: f64,
    time: Option<Duration>,
    /// Whether this process makes noise beside the command that its parent becomes.
    beside: bool,
}

impl Noise {
    fn parse(words: &[String]) -> Result<Self, String> {
        let mut noise = Self {
            seed: 1,
            cpus: None,
            shortest: SHORTEST,
            longest: LONGEST,
            share: SHARE,
            time: None,
            beside: false,
        };
        let mut words = words.iter();
        while let Some(flag) = words.next() {
            if flag == BESIDE {
                noise.beside = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{flag} lacks its value"))?;
            let wrong = |example: &str| format!("{flag}: \"{value}\"; write it as {example}");
            match flag.as_str() {
                "--seed" => noise.seed = value.parse().map_err(|_| wrong("1"))?,
                "--cpus" => {
                    let cpus = value.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>();
                    let cpus = cpus.map_err(|_| wrong("0,1"))?;
                    if cpus.iter().any(|cpu| *cpu >= CpuSet::MAX_CPU) {
                        return Err(wrong("0,1"));
                    }
                    noise.cpus = Some(cpus);
                }
                "--bursts" => {
                    let ends = value.split_once("..").and_then(|(shortest, longest)| {
                        Some((duration(shortest)?, duration(longest)?))
                    });
                    (noise.shortest, noise.longest) = ends
                        .filter(|(shortest, longest)| {
                            shortest < longest && *longest <= Duration::from_secs(10)
                        })
                        .ok_or_else(|| wrong("1ms..500ms, at most 10s"))?;
                }
                "--share" => {
                    let share =
                        value.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
                    noise.share = share
                        .map(|percent| percent / 100.0)
                        .filter(|share| (0.01..=0.9).contains(share))
                        .ok_or_else(|| wrong("30%, from 1% to 90%"))?;
                }
                "--for" => {
                    let time = duration(value).filter(|time| *time <= AT_MOST);
                    noise.time = Some(time.ok_or_else(|| wrong("60s, at most 1440m"))?);
                }
                _ => return Err(format!("noise knows no {flag}")),
            }
        }
        Ok(noise)
    }
}

/// `500us`, `20ms`, `60s` or `5m`; none for anything else and for nothing.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number = number.parse().ok().filter(|number| *number > 0)?;
    match unit {
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

/// A burst of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Burst {
    /// When it is due, from the beginning of the noise.
    due: Duration,
    /// CPU time.
    length: Duration,
    /// Whether it walks through memory.
    in_memory: bool,
}

/// The bursts of one CPU, without end; nothing but the seed, the CPU and what is asked for decides them.
struct Schedule {
    random: Pcg64,
    shortest: f64,
    /// The logarithm of the longest over the shortest.
    range: f64,
    /// The mean time from a burst's end to the next: with a mean burst b and a share s it is b · (1 − s) / s.
    mean_gap: f64,
    /// When the burst before would end on an idle CPU.
    ends: Duration,
}

impl Schedule {
    fn new(noise: &Noise, cpu: usize) -> Self {
        let (shortest, longest) = (noise.shortest.as_secs_f64(), noise.longest.as_secs_f64());
        let range = (longest / shortest).ln();
        // The mean of a log-uniform length.
        let mean = (longest - shortest) / range;
        Self {
            random: Pcg64::seed_from_u64(
                Pcg64::seed_from_u64(noise.seed).next_u64().wrapping_add(cpu as u64),
            ),
            shortest,
            range,
            mean_gap: mean * (1.0 - noise.share) / noise.share,
            ends: Duration::ZERO,
        }
    }

    /// From 0 to just below 1.
    fn uniform(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Iterator for Schedule {
    type Item = Burst;

    fn next(&mut self) -> Option<Burst> {
        let gap = Duration::from_secs_f64(-(1.0 - self.uniform()).ln() * self.mean_gap);
        let length = Duration::from_secs_f64(self.shortest * (self.uniform() * self.range).exp());
        let in_memory = self.uniform() < 0.5;
        let due = self.ends + gap;
        self.ends = due + length;
        Some(Burst { due, length, in_memory })
    }
}

/// What one CPU's thread did.
struct Made {
    bursts: u64,
    busy: Duration,
}

/// `noise`: for a time, or beside a command, whose exit code is then this process's.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let (options, command) = match words.iter().position(|word| word == "--") {
        Some(end) => (&words[..end], words.get(end + 1..)),
        None => (words, None),
    };
    let noise = Noise::parse(options)?;
    match command {
        None => make(&noise).map(|()| String::new()),
        Some(_) if noise.time.is_some() => {
            Err("the command says how long: leave --for out".to_owned())
        }
        Some(command) => Err(become_command(options, command)),
    }
}

/// Starts a process that makes noise as long as this one lives, and turns this one into the command: its signals and its
/// exit code are then its own. Returns only with what went wrong.
fn become_command(options: &[String], command: &[String]) -> String {
    let Some((program, arguments)) = command.split_first() else {
        return "a command follows --".to_owned();
    };
    let maker = std::env::current_exe().and_then(|this| {
        Command::new(this)
            .arg("noise")
            .args(options)
            .arg(BESIDE)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Ctrl-C is the command's; when that is gone, the noise ends by itself and tells what it made.
            .process_group(0)
            .spawn()
    });
    let mut maker = match maker {
        Ok(maker) => maker,
        Err(error) => return format!("cannot start the noise: {error}"),
    };
    let mut ready = String::new();
    if let Some(output) = &mut maker.stdout
        && !matches!(BufReader::new(output).read_line(&mut ready), Ok(1..))
    {
        let _ = maker.wait();
        return "no noise, and so no command".to_owned();
    }
    let error = Command::new(program).args(arguments).exec();
    // It may have ended by itself.
    let _ = maker.kill();
    let _ = maker.wait();
    format!("{program}: {error}")
}

/// Makes noise until the time is over or the parent is gone, and tells on standard error what it made.
fn make(noise: &Noise) -> Result<(), String> {
    let parent = parent_id();
    let cpus = match &noise.cpus {
        Some(cpus) => cpus.clone(),
        None => {
            let set = sched_getaffinity(None).map_err(|error| format!("CPUs: {error}"))?;
            (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
        }
    };
    let words = memory_bytes() / size_of::<u64>();
    let over = AtomicBool::new(false);
    let begun = OnceLock::new();
    // Twice: when all have their memory, and when the beginning is set.
    let together = Barrier::new(cpus.len() + 1);
    let made: Vec<Result<Made, String>> = thread::scope(|scope| {
        let threads: Vec<_> = cpus
            .iter()
            .map(|cpu| {
                let (over, begun, together) = (&over, &begun, &together);
                scope.spawn(move || {
                    let pinned = pin(*cpu);
                    if pinned.is_err() {
                        over.store(true, Ordering::Relaxed);
                    }
                    let mut memory = vec![1_u64; words];
                    together.wait();
                    together.wait();
                    pinned?;
                    let begun = *begun.get_or_init(Instant::now);
                    Ok(bursts(Schedule::new(noise, *cpu), &mut memory, begun, over))
                })
            })
            .collect();
        together.wait();
        let begun = *begun.get_or_init(Instant::now);
        together.wait();
        let is_over = || over.load(Ordering::Relaxed);
        if noise.beside && !is_over() {
            // Nobody may listen any more.
            let _ = std::io::stdout().write_all(b"ready\n");
        }
        let time = if noise.beside { AT_MOST } else { noise.time.unwrap_or(TIME) };
        while !is_over() && begun.elapsed() < time && parent_id() == parent {
            thread::sleep(LOOKS.min(time.saturating_sub(begun.elapsed())));
        }
        over.store(true, Ordering::Relaxed);
        for thread in &threads {
            thread.thread().unpark();
        }
        let died = |_| Err("a thread of the noise died".to_owned());
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(died)).collect()
    });
    let lasted = begun.get().map_or(Duration::ZERO, Instant::elapsed);
    let made = made.into_iter().collect::<Result<Vec<Made>, String>>()?;
    tell(noise, &cpus, &made, lasted);
    Ok(())
}

#[allow(clippy::print_stderr, reason = "standard output is the command's")]
fn tell(noise: &Noise, cpus: &[usize], made: &[Made], lasted: Duration) {
    let bursts: u64 = made.iter().map(|made| made.bursts).sum();
    let busy: Vec<String> = cpus
        .iter()
        .zip(made)
        .map(|(cpu, made)| {
            let share = made.busy.as_secs_f64() / lasted.as_secs_f64();
            format!("{:.1} % of CPU {cpu}", 100.0 * share)
        })
        .collect();
    eprintln!(
        "noise: {bursts} bursts in {:.1} s, busy {}; asked for {:.0} %, seed {}",
        lasted.as_secs_f64(),
        busy.join(", "),
        100.0 * noise.share,
        noise.seed
    );
}

fn pin(cpu: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|error| format!("--cpus: CPU {cpu}: {error}"))
}

/// A quarter more than the largest cache of any CPU.
fn memory_bytes() -> usize {
    let sizes = std::fs::read_dir("/sys/devices/system/cpu/cpu0/cache").into_iter().flatten();
    let largest = sizes
        .flatten()
        .filter_map(|index| {
            let text = std::fs::read_to_string(index.path().join("size")).ok()?;
            text.trim().strip_suffix('K')?.parse::<usize>().ok()?.checked_mul(1024)
        })
        .max()
        .unwrap_or(UNKNOWN_CACHE);
    (largest / 4).saturating_add(largest).min(MOST_MEMORY)
}

/// Works through a schedule until it is over.
fn bursts(schedule: Schedule, memory: &mut [u64], begun: Instant, over: &AtomicBool) -> Made {
    let is_over = || over.load(Ordering::Relaxed);
    let started = thread_time();
    let (mut made, mut at, mut number) = (0, 0, 1_u64);
    for burst in schedule {
        while !is_over() && begun.elapsed() < burst.due {
            thread::park_timeout(burst.due.saturating_sub(begun.elapsed()));
        }
        if is_over() {
            break;
        }
        made += 1;
        let ends = thread_time() + burst.length;
        while !is_over() && thread_time() < ends {
            if burst.in_memory {
                for word in memory.iter_mut().skip(at).take(STRETCH) {
                    *word = word.wrapping_add(1);
                }
                at = if at + STRETCH < memory.len() { at + STRETCH } else { 0 };
            } else {
                for _ in 0..STRETCH {
                    number = black_box(number.rotate_left(7) ^ number.wrapping_mul(5));
                }
            }
        }
    }
    black_box(memory);
    Made { bursts: made, busy: thread_time().saturating_sub(started) }
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noise(seed: u64, share: f64) -> Noise {
        Noise { seed, share, ..Noise::parse(&[]).unwrap() }
    }

    fn parsed(words: &[&str]) -> Result<Noise, String> {
        Noise::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_asked_for_is_read_and_nonsense_is_named() {
        let asked = parsed(&[
            "--seed",
            "7",
            "--cpus",
            "1,3",
            "--bursts",
            "500us..2s",
            "--share",
            "25%",
            "--for",
            "5m",
        ]);
        let expected = Noise {
            seed: 7,
            cpus: Some(vec![1, 3]),
            shortest: Duration::from_micros(500),
            longest: Duration::from_secs(2),
            share: 0.25,
            time: Some(Duration::from_secs(300)),
            beside: false,
        };
        assert_eq!(asked.unwrap(), expected);
        for wrong in [
            &["--seed", "x"][..],
            &["--cpus", "0,99999"],
            &["--bursts", "5ms..5ms"],
            &["--bursts", "1ms..11s"],
            &["--share", "100%"],
            &["--share", "0.3"],
            &["--for", "9999999999999999999m"],
            &["--for"],
            &["--loud", "1"],
        ] {
            assert!(parsed(wrong).unwrap_err().contains(wrong[0]), "{wrong:?}");
        }
    }

    #[test]
    fn both_kinds_of_burst_come_equally_often() {
        let in_memory = Schedule::new(&noise(1, 0.3), 0).take(10_000).filter(|b| b.in_memory);
        assert!((4_700..5_300).contains(&in_memory.count()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn bursts_take_their_share_and_keep_their_bounds(
            seed: u64, cpu in 0_usize..256, share in 0.05_f64..0.9,
            shortest_us in 100_u64..10_000, times in 2_u64..1_000,
        ) {
            let shortest = Duration::from_micros(shortest_us);
            let longest = Duration::from_micros(shortest_us * times);
            let noise = Noise { shortest, longest, ..noise(seed, share) };
            let bursts: Vec<Burst> = Schedule::new(&noise, cpu).take(20_000).collect();
            let nanosecond = Duration::from_nanos(1);
            let (mut busy, mut ended, mut below_middle) = (Duration::ZERO, Duration::ZERO, 0);
            // Log-uniform: half of the lengths lie below the geometric mean.
            let middle = (shortest.as_secs_f64() * longest.as_secs_f64()).sqrt();
            for burst in &bursts {
                prop_assert!(burst.length + nanosecond >= shortest && burst.length <= longest + nanosecond);
                prop_assert!(burst.due >= ended);
                busy += burst.length;
                ended = burst.due + burst.length;
                below_middle += usize::from(burst.length.as_secs_f64() < middle);
            }
            let made = busy.as_secs_f64() / ended.as_secs_f64();
            prop_assert!((made - share).abs() < 0.02, "{made} for {share}");
            prop_assert!((9_500..10_500).contains(&below_middle), "{below_middle}");
        }

        #[test]
        fn a_seed_gives_one_schedule_and_another_seed_or_cpu_another(seed: u64, cpu in 0_usize..255) {
            let first = |seed, cpu| Schedule::new(&noise(seed, 0.3), cpu).take(20).collect::<Vec<_>>();
            prop_assert_eq!(first(seed, cpu), first(seed, cpu));
            prop_assert_ne!(first(seed, cpu), first(seed.wrapping_add(1), cpu));
            prop_assert_ne!(first(seed, cpu), first(seed, cpu + 1));
        }
    }
}
