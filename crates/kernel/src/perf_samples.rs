//! What a perf ring buffer holds: samples with their stacks, and how many were lost.
//!
//! The layouts are those of perf_event_open(2), "MMAP layout": a header (type, misc, size), then for a sample with
//! `PERF_SAMPLE_IP | TID | TIME | CPU | CALLCHAIN` the instruction, the thread, the time, the CPU and the call chain,
//! innermost first, with marks between its parts that tell kernel from user mode.

use std::fmt;

/// `PERF_RECORD_LOST` and `PERF_RECORD_SAMPLE` of include/uapi/linux/perf_event.h.
const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;
/// `PERF_RECORD_MISC_CPUMODE_MASK`, `…_KERNEL`, `…_USER`.
const MISC_MODE: u16 = 7;
const MISC_KERNEL: u16 = 1;
const MISC_USER: u16 = 2;
/// `PERF_CONTEXT_KERNEL`, `PERF_CONTEXT_USER` and the lowest such mark, `PERF_CONTEXT_MAX`.
const CONTEXT_KERNEL: u64 = 128_u64.wrapping_neg();
const CONTEXT_USER: u64 = 512_u64.wrapping_neg();
const CONTEXT_LOWEST: u64 = 4095_u64.wrapping_neg();

const HEADER_BYTES: usize = 8;
/// Instruction, thread, time, CPU, length of the chain.
const SAMPLE_BYTES: usize = 5 * 8;

/// In which mode a frame ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The kernel's.
    Kernel,
    /// The program's.
    User,
    /// A hypervisor's or a guest's: nothing that can be named from here.
    Elsewhere,
}

/// One frame of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Where it ran.
    pub mode: Mode,
    /// The instruction; in outer frames the one to return to.
    pub address: u64,
}

/// One sample, its stack still in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackSample<'a> {
    /// The process; 0 is the idle thread.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// When, in nanoseconds of perf's clock.
    pub time_ns: u64,
    /// The CPU.
    pub cpu: u32,
    mode: Mode,
    ip: u64,
    chain: &'a [u8],
}

impl StackSample<'_> {
    /// The stack, innermost first; the interrupted instruction alone where there is no call chain.
    pub fn frames(&self) -> impl Iterator<Item = Frame> + '_ {
        let mut mode = self.mode;
        let words = self.chain.chunks_exact(8).filter_map(|bytes| word(bytes, 0));
        let chained = words.filter_map(move |address| match address {
            CONTEXT_KERNEL => {
                mode = Mode::Kernel;
                None
            }
            CONTEXT_USER => {
                mode = Mode::User;
                None
            }
            CONTEXT_LOWEST.. => {
                mode = Mode::Elsewhere;
                None
            }
            address => Some(Frame { mode, address }),
        });
        let alone = self.chain.is_empty().then_some(Frame { mode: self.mode, address: self.ip });
        alone.into_iter().chain(chained)
    }
}

/// One record of a ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerfRecord<'a> {
    /// A sample.
    Sample(StackSample<'a>),
    /// So many records found no room.
    Lost(u64),
    /// A kind that was not asked for, such as throttling.
    Other(u32),
}

/// Why a buffer could not be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Where the record begins, in bytes from the start.
    pub offset: usize,
    /// The size that its header announces, in bytes.
    pub size: usize,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sample buffer's record at byte {} says {} bytes", self.offset, self.size)
    }
}

impl std::error::Error for BadRecord {}

/// The records of a buffer in their order; ends after the first bad one.
pub fn records(bytes: &[u8]) -> impl Iterator<Item = Result<PerfRecord<'_>, BadRecord>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(offset..).filter(|rest| !rest.is_empty())?;
        let found = first_record(rest);
        let start = offset;
        // After a bad record nothing tells where the next one begins.
        offset = found.map_or(bytes.len(), |(_, size)| start + size);
        Some(found.map(|(record, _)| record).map_err(|size| BadRecord { offset: start, size }))
    })
}

/// The first record and its size, or the size that it pretends to have.
fn first_record(bytes: &[u8]) -> Result<(PerfRecord<'_>, usize), usize> {
    let header = word(bytes, 0).ok_or(bytes.len())?.to_ne_bytes();
    let [a, b, c, d, misc, misc_high, size, size_high] = header;
    let kind = u32::from_ne_bytes([a, b, c, d]);
    let misc = u16::from_ne_bytes([misc, misc_high]);
    let size = usize::from(u16::from_ne_bytes([size, size_high]));
    let body = bytes.get(HEADER_BYTES..size).ok_or(size)?;
    let record = match kind {
        RECORD_SAMPLE => PerfRecord::Sample(sample(body, misc).ok_or(size)?),
        // The counter's id, then how many.
        RECORD_LOST => PerfRecord::Lost(word(body, 1).ok_or(size)?),
        kind => PerfRecord::Other(kind),
    };
    Ok((record, size))
}

fn sample(body: &[u8], misc: u16) -> Option<StackSample<'_>> {
    let (pid, tid) = halves(word(body, 1)?);
    let (cpu, _) = halves(word(body, 3)?);
    let chained = usize::try_from(word(body, 4)?).ok()?;
    let end = chained.checked_mul(8)?.checked_add(SAMPLE_BYTES)?;
    Some(StackSample {
        pid,
        tid,
        time_ns: word(body, 2)?,
        cpu,
        mode: match misc & MISC_MODE {
            MISC_KERNEL => Mode::Kernel,
            MISC_USER => Mode::User,
            _ => Mode::Elsewhere,
        },
        ip: word(body, 0)?,
        chain: body.get(SAMPLE_BYTES..end)?,
    })
}

/// Two `u32`s of the machine's byte order that lie side by side.
fn halves(word: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    (u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h]))
}

fn word(bytes: &[u8], index: usize) -> Option<u64> {
    let start = index * 8;
    let word: [u8; 8] = bytes.get(start..start + 8)?.try_into().ok()?;
    Some(u64::from_ne_bytes(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u32, misc: u16, body: &[u64]) -> Vec<u8> {
        let size = u16::try_from(8 + 8 * body.len()).unwrap();
        let mut bytes = kind.to_ne_bytes().to_vec();
        bytes.extend(misc.to_ne_bytes());
        bytes.extend(size.to_ne_bytes());
        bytes.extend(body.iter().flat_map(|word| word.to_ne_bytes()));
        bytes
    }

    fn pair(low: u32, high: u32) -> u64 {
        let [a, b, c, d] = low.to_ne_bytes();
        let [e, f, g, h] = high.to_ne_bytes();
        u64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }

    fn sampled(misc: u16, chain: &[u64]) -> Vec<u8> {
        let length = u64::try_from(chain.len()).unwrap();
        let mut body = vec![0xffff_0001, pair(70, 71), 123, pair(1, 0), length];
        body.extend(chain);
        record(RECORD_SAMPLE, misc, &body)
    }

    fn frame(mode: Mode, address: u64) -> Frame {
        Frame { mode, address }
    }

    #[test]
    fn a_sample_tells_thread_cpu_and_which_frames_are_the_kernels() {
        let bytes = sampled(1, &[CONTEXT_KERNEL, 0xffff_0001, 0xffff_0002, CONTEXT_USER, 0x4000]);
        let found: Vec<_> = records(&bytes).collect::<Result<_, _>>().unwrap();
        let [PerfRecord::Sample(sample)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((sample.pid, sample.tid, sample.cpu, sample.time_ns), (70, 71, 1, 123));
        assert_eq!(
            sample.frames().collect::<Vec<_>>(),
            [
                frame(Mode::Kernel, 0xffff_0001),
                frame(Mode::Kernel, 0xffff_0002),
                frame(Mode::User, 0x4000)
            ]
        );
    }

    #[test]
    fn without_a_chain_the_interrupted_instruction_is_the_stack() {
        let bytes = sampled(2, &[]);
        let Some(Ok(PerfRecord::Sample(sample))) = records(&bytes).next() else { panic!() };
        assert_eq!(sample.frames().collect::<Vec<_>>(), [frame(Mode::User, 0xffff_0001)]);
    }

    #[test]
    fn frames_of_a_guest_are_told_apart() {
        let bytes = sampled(1, &[2048_u64.wrapping_neg(), 7]);
        let Some(Ok(PerfRecord::Sample(sample))) = records(&bytes).next() else { panic!() };
        assert_eq!(sample.frames().collect::<Vec<_>>(), [frame(Mode::Elsewhere, 7)]);
    }

    #[test]
    fn lost_records_are_counted_and_strange_ones_passed_over() {
        let bytes =
            [record(RECORD_LOST, 0, &[5, 17]), record(77, 0, &[1]), sampled(1, &[])].concat();
        let found: Vec<_> = records(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!(found[..2], [PerfRecord::Lost(17), PerfRecord::Other(77)]);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_chain_longer_than_its_record_is_a_bad_record() {
        let mut bytes = sampled(1, &[1, 2]);
        bytes[8 + 32] = 3;
        let found: Vec<_> = records(&bytes).collect();
        assert_eq!(found, [Err(BadRecord { offset: 0, size: 64 })]);
    }

    #[test]
    fn a_record_that_says_it_is_nothing_ends_the_buffer_and_does_not_hang() {
        let whole = sampled(1, &[]);
        let bytes = [whole.clone(), vec![0; 16]].concat();
        let found: Vec<_> = records(&bytes).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1], Err(BadRecord { offset: whole.len(), size: 0 }));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_always_end(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let mut frames = 0;
            for record in records(&bytes) {
                if let Ok(PerfRecord::Sample(sample)) = record {
                    frames += sample.frames().count();
                }
            }
            prop_assert!(frames <= bytes.len());
        }

        #[test]
        fn a_damaged_buffer_never_panics(
            chain in proptest::collection::vec(any::<u64>(), 0..20),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = [sampled(1, &chain), sampled(2, &chain)].concat();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            prop_assert!(records(&bytes).count() <= bytes.len() / HEADER_BYTES + 1);
        }
    }
}
