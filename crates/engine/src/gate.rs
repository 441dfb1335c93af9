//! The one word that an end's workers watch: in which phase of which slice they are.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use kernel::futex;

/// A phase of a slice, in order. A trial that is measured steadily is one long slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before the start.
    Hold,
    /// Load, but nothing counts yet.
    Warmup,
    /// First third of the window; of a slice among others, all of it.
    First,
    /// Second third.
    Second,
    /// Last third.
    Third,
    /// The window is over; senders keep the receivers loaded.
    Tail,
    /// Senders finish their message, wait for their completions and sleep.
    Pause,
    /// Senders stop, everything drains.
    Stop,
}

impl Phase {
    const ALL: [Self; 8] = [
        Self::Hold,
        Self::Warmup,
        Self::First,
        Self::Second,
        Self::Third,
        Self::Tail,
        Self::Pause,
        Self::Stop,
    ];

    /// Whether senders sleep in it.
    pub(crate) fn is_silent(self) -> bool {
        matches!(self, Self::Hold | Self::Pause)
    }
}

/// What a slice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SliceKind {
    /// Nothing of it is kept.
    Warmup,
    /// Its window is one of those whose sums the record holds.
    Counted,
    /// A long steady window, the control.
    Steady,
}

/// The word of a gate: a phase, what the slice is for, and how many slices with a window were begun, this one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u32);

impl Word {
    const PHASE: u32 = 0b111;
    const STEADY: u32 = 0b1000;
    const SLICE: u32 = 4;

    fn new(slice: u32, kind: SliceKind, phase: Phase) -> Self {
        let steady = if kind == SliceKind::Steady { Self::STEADY } else { 0 };
        Self((slice << Self::SLICE) | steady | phase as u32)
    }

    pub(crate) fn phase(self) -> Phase {
        Phase::ALL.get((self.0 & Self::PHASE) as usize).copied().unwrap_or(Phase::Stop)
    }

    /// Whether the window is of the steady control.
    pub(crate) fn is_steady(self) -> bool {
        self.0 & Self::STEADY != 0
    }

    /// Windows begun up to this word.
    pub(crate) fn windows(self) -> usize {
        (self.0 >> Self::SLICE) as usize
    }
}

/// What one worker tells its coordinator: the last word that it has obeyed, and its payload bytes at a pause.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Told {
    word: AtomicU32,
    bytes: AtomicU64,
}

/// Opened by the coordinator, watched by the workers. The word stands alone on its cache line, so that looking at
/// it stays a hit in the worker's own cache.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Gate {
    word: AtomicU32,
    answers: Answers,
}

/// The workers' answers, and a count of them for the coordinator to sleep on.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Answers {
    count: AtomicU32,
    told: Box<[Told]>,
}

impl Gate {
    /// A gate at which so many workers answer.
    pub fn for_workers(workers: usize) -> Self {
        let told = (0..workers).map(|_| Told::default()).collect();
        Self { word: AtomicU32::default(), answers: Answers { told, ..Answers::default() } }
    }

    /// The phase. Relaxed: nothing else is read because of it.
    #[inline]
    pub fn phase(&self) -> Phase {
        self.word().phase()
    }

    /// The bare word, for the pump to compare with the one that it saw last.
    #[inline]
    pub(crate) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    /// Goes to a phase of a trial with one window; wakes workers that sleep.
    pub fn open(&self, phase: Phase) {
        self.open_slice(1, SliceKind::Counted, phase);
    }

    /// Goes to a phase of a slice; `windows` counts those begun, this one included. Wakes workers that sleep.
    pub fn open_slice(&self, windows: u32, kind: SliceKind, phase: Phase) {
        let before = self.word();
        let word = Word::new(windows, kind, phase);
        self.word.store(word.0, Ordering::Release);
        if before.phase().is_silent() && !phase.is_silent() {
            futex::wake_all(&self.word);
        }
    }

    /// Sleeps while the gate stays silent; `seen` is the word that the worker has obeyed. One that got no CPU in a whole slice
    /// finds the next silence, which it has to obey as well.
    pub(crate) fn wait_for_load(&self, seen: Word) {
        loop {
            let word = self.word();
            if !word.phase().is_silent() || word != seen {
                return;
            }
            futex::wait(&self.word, word.0, None);
        }
    }

    /// A worker tells that it has obeyed a word, and how many payload bytes it has moved since the start.
    pub(crate) fn tell(&self, worker: usize, word: Word, bytes: u64) {
        if let Some(told) = self.answers.told.get(worker) {
            told.bytes.store(bytes, Ordering::Relaxed);
            told.word.store(word.0, Ordering::Release);
            self.nudge();
        }
    }

    /// Has the coordinator look again.
    pub(crate) fn nudge(&self) {
        self.answers.count.fetch_add(1, Ordering::Release);
        futex::wake_all(&self.answers.count);
    }

    /// How many workers have obeyed the word that the gate shows now. They answer in the phases in which somebody waits for
    /// them: warm-up and tail, and senders when they go to sleep.
    pub fn obeyed(&self) -> usize {
        let word = self.word().0;
        let has = |told: &&Told| told.word.load(Ordering::Acquire) == word;
        self.answers.told.iter().filter(has).count()
    }

    /// Payload bytes that the workers told.
    pub(crate) fn told_bytes(&self) -> u64 {
        self.answers.told.iter().map(|told| told.bytes.load(Ordering::Relaxed)).sum()
    }

    /// Sleeps until something is told after `seen` answers, at most so long; returns how many there are.
    pub(crate) fn wait_for_answer(&self, seen: u32, at_most: Duration) -> u32 {
        futex::wait(&self.answers.count, seen, Some(at_most));
        self.answers()
    }

    /// How many answers there were.
    pub(crate) fn answers(&self) -> u32 {
        self.answers.count.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_says_its_phase_its_kind_and_how_many_windows_were_begun() {
        let gate = Gate::for_workers(2);
        assert_eq!((gate.phase(), gate.word().windows()), (Phase::Hold, 0));
        for (n, kind) in [(0, SliceKind::Warmup), (1, SliceKind::Counted), (26, SliceKind::Steady)]
        {
            for phase in Phase::ALL {
                gate.open_slice(n, kind, phase);
                let word = gate.word();
                assert_eq!((word.phase(), word.windows()), (phase, n as usize));
                assert_eq!(word.is_steady(), kind == SliceKind::Steady);
            }
        }
    }

    #[test]
    fn only_answers_to_the_word_that_is_shown_count() {
        let gate = Gate::for_workers(2);
        gate.open_slice(1, SliceKind::Counted, Phase::First);
        let late = gate.word();
        gate.tell(0, late, 5);
        assert_eq!(gate.obeyed(), 1);
        gate.open_slice(1, SliceKind::Counted, Phase::Tail);
        gate.tell(1, late, 7);
        assert_eq!(gate.obeyed(), 0, "an answer to an earlier word is none to this one");
        gate.tell(0, gate.word(), 6);
        gate.tell(1, gate.word(), 7);
        assert_eq!((gate.obeyed(), gate.told_bytes()), (2, 13));
    }
}
