//! The engine's hold on one end: a child process, its replies, and the last lines of its standard error.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use crate::peering::EndAtPeer;
use crate::protocol::{Order, Reply};
use crate::threads;

/// WhichEnd of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhichEnd {
    /// The end that sends.
    Sender,
    /// The end that receives.
    Receiver,
}

impl WhichEnd {
    /// As said in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sender => "the sending end",
            Self::Receiver => "the receiving end",
        }
    }
}

/// What came from an end, or from the outside.
#[derive(Debug)]
pub(crate) enum FromEnd {
    /// A reply.
    Reply(Box<Reply>),
    /// A line that is no reply.
    NoReply(String),
    /// Its standard output closed: it died, or is about to.
    Closed,
    /// A signal asks the engine to stop.
    Interrupted,
}

/// How many lines of an end's standard error are kept.
const LAST_LINES: usize = 5;
/// How long an end that has closed its output may take to die, and how long its standard error may then take to close: on a crowded
/// machine either comes late.
pub(crate) const DYING: Duration = Duration::from_secs(5);
/// No reply is longer: a trial of 256 workers has some 100 KB.
const LONGEST_REPLY: u64 = 16 << 20;

/// The last lines of a process's standard error, and whether it has closed.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    said: Mutex<Said>,
    has_closed: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    lines: VecDeque<String>,
    is_over: bool,
}

impl LastWords {
    fn keep(&self, line: String) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.lines.len() == LAST_LINES {
            said.lines.pop_front();
        }
        said.lines.push_back(line);
    }

    fn close(&self) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
        self.has_closed.notify_all();
    }

    /// The lines, once it has closed, or what there is of them when the time is over.
    pub(crate) fn await_all(&self, patience: Duration) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = self.has_closed.wait_timeout_while(said, patience, |said| !said.is_over);
        let (said, _) = closed.unwrap_or_else(PoisonError::into_inner);
        said.lines.iter().map(String::as_str).collect::<Vec<_>>().join(" / ")
    }
}

/// One end, as the engine sees it: a process of this host, or one of another. Dropping it ends the process.
#[derive(Debug)]
pub(crate) enum EndHandle {
    /// Of this host.
    Here(EndProcess),
    /// Of another.
    There(EndAtPeer),
}

impl EndHandle {
    /// Its process id, where it is of this host.
    pub(crate) fn id(&self) -> Option<u32> {
        match self {
            Self::Here(end) => Some(end.child.id()),
            Self::There(_) => None,
        }
    }

    /// Sends an order.
    pub(crate) fn order(&mut self, order: &Order) -> Result<(), String> {
        match self {
            Self::Here(end) => end.order(order),
            Self::There(end) => end.order(order),
        }
    }

    /// How it ended, with the last lines of its standard error; call it when the end is known to be gone.
    pub(crate) fn describe_exit(&mut self) -> String {
        match self {
            Self::Here(end) => end.describe_exit(),
            Self::There(end) => end.describe_exit(),
        }
    }
}

/// One end of this host. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct EndProcess {
    which: WhichEnd,
    child: Child,
    input: Option<ChildStdin>,
    last_words: Arc<LastWords>,
}

impl EndProcess {
    /// Starts an end; its replies arrive at `replies`. Where a process or a thread is refused, no end is left.
    pub(crate) fn start(
        which: WhichEnd,
        mut command: Command,
        replies: mpsc::Sender<(WhichEnd, FromEnd)>,
    ) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| threads::refused(which.name(), &error))?;
        let input = child.stdin.take();
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let last_words = Arc::<LastWords>::default();
        // Dropped on the way out, it ends the process.
        let end = Self { which, child, input, last_words };
        if let Some(output) = output {
            let purpose = format!("a thread for the replies of {}", which.name());
            threads::start("replies", &purpose, move || listen(which, output, &replies))?;
        }
        if let Some(errors) = errors {
            let last_words = Arc::clone(&end.last_words);
            let purpose = format!("a thread for the errors of {}", which.name());
            threads::start("errors", &purpose, move || keep_last_lines(errors, &last_words))?;
        }
        Ok(end)
    }

    /// Sends an order.
    pub(crate) fn order(&mut self, order: &Order) -> Result<(), String> {
        let mut line = serde_json::to_vec(order).map_err(|error| error.to_string())?;
        line.push(b'\n');
        let written = match &mut self.input {
            Some(input) => input.write_all(&line),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|_| self.describe_exit())
    }

    /// How it ended, with the last lines of its standard error; call it when the end is known to be gone.
    pub(crate) fn describe_exit(&mut self) -> String {
        self.input = None;
        let (status, patience) = match self.wait(DYING) {
            Some(status) => (status.to_string(), DYING),
            // What it may yet say is not waited for.
            None => ("closed its output and lives on".to_owned(), Duration::ZERO),
        };
        let lines = self.last_words.await_all(patience);
        if lines.is_empty() {
            format!("{} died ({status})", self.which.name())
        } else {
            format!("{} died ({status}): {lines}", self.which.name())
        }
    }

    fn wait(&mut self, patience: Duration) -> Option<std::process::ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for EndProcess {
    /// Closing its input ends an end at once; one that hangs is killed.
    fn drop(&mut self) {
        self.input = None;
        if self.wait(Duration::from_millis(500)).is_none() {
            // It may have died in between; waiting then reaps it.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn listen(which: WhichEnd, output: impl Read, replies: &mpsc::Sender<(WhichEnd, FromEnd)>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = output.by_ref().take(LONGEST_REPLY).read_until(b'\n', &mut line);
        let from_end = match read {
            Ok(0) | Err(_) => FromEnd::Closed,
            Ok(_) => {
                // What is no text is no reply either, and is shown as far as it can be.
                let text = String::from_utf8_lossy(&line);
                match serde_json::from_str(&text) {
                    Ok(reply) => FromEnd::Reply(Box::new(reply)),
                    Err(_) => FromEnd::NoReply(text.trim_end().chars().take(200).collect()),
                }
            }
        };
        let is_last = matches!(from_end, FromEnd::Closed);
        if replies.send((which, from_end)).is_err() || is_last {
            return;
        }
    }
}

/// Reads standard error to its end.
pub(crate) fn keep_last_lines(errors: impl Read, last_words: &LastWords) {
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    // A line is cut at 4 KiB: the rest becomes the next one.
    while let Ok(1..) = errors.by_ref().take(4096).read_until(b'\n', &mut line) {
        last_words.keep(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    last_words.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_awaited_until_there_can_be_no_more() {
        let words = Arc::<LastWords>::default();
        assert_eq!(words.await_all(Duration::ZERO), "", "it has not closed, and nobody waits");
        let (reader, mut writer) = std::io::pipe().unwrap();
        let keeping = {
            let words = Arc::clone(&words);
            std::thread::spawn(move || keep_last_lines(reader, &words))
        };
        let waiting = {
            let words = Arc::clone(&words);
            std::thread::spawn(move || words.await_all(Duration::from_secs(60)))
        };
        (1..=7).for_each(|n| writeln!(writer, "line {n}").unwrap());
        drop(writer);
        assert_eq!(waiting.join().unwrap(), "line 3 / line 4 / line 5 / line 6 / line 7");
        keeping.join().unwrap();
    }
}
