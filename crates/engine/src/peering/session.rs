//! One connection to another host: `ssh`, and what listens to it.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use model::{Missing, Peer};

use super::PeerFacts;
use super::end_at_peer::EndAtPeer;
use super::greeting::{self, Spoken};
use crate::child::{FromEnd, LastWords, WhichEnd, keep_last_lines};
use crate::demands::{Demand, refused_at};
use crate::interrupts::Interrupts;
use crate::peer::{self, HEARTBEAT, SILENCE};
use crate::placement::HostCpus;
use crate::protocol::{PeerOrder, PeerReply};
use crate::threads;

/// No line of a peer is longer.
const LONGEST_LINE: u64 = 16 << 20;
/// What a login shell and its messages may say before, in bytes.
const MOST_NOISE: usize = 64 << 10;
/// How long `ssh` may take to leave when its input is closed: it waits for the peer to do so.
const LEAVING: Duration = Duration::from_secs(3);
/// How long the peer may take to tell what its kernel grants.
const PROBING: Duration = Duration::from_secs(60);
const NOT_ASKED: &str = "it answered what it was not asked";

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process `ssh` and its pipes.
#[derive(Debug)]
pub(super) struct Ssh {
    child: Mutex<Reaped>,
    input: Mutex<Option<ChildStdin>>,
    last_words: Arc<LastWords>,
    last_sent: Mutex<Instant>,
    /// Since when bytes have been waiting for room in its pipe.
    writing_since: Mutex<Option<Instant>>,
}

impl Ssh {
    fn start(mut command: Command) -> Result<(Self, impl Read + use<>, impl Read + use<>), String> {
        use std::os::unix::process::CommandExt as _;
        // Ctrl-C is for the engine, which ends what it has begun.
        command.process_group(0);
        kernel::process::start_dying_with_parent(&mut command);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| threads::refused(&program, &error))?;
        let input = Mutex::new(child.stdin.take());
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let ssh = Self {
            child: Mutex::new(Reaped { child, ended: None }),
            input,
            last_words: Arc::default(),
            last_sent: Mutex::new(Instant::now()),
            writing_since: Mutex::default(),
        };
        match (output, errors) {
            (Some(output), Some(errors)) => Ok((ssh, output, errors)),
            _ => Err(format!("{program} has no pipes")),
        }
    }

    /// Writes bytes as they are.
    pub(super) fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut input = lock(&self.input);
        *lock(&self.last_sent) = Instant::now();
        let Some(input) = &mut *input else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        *lock(&self.writing_since) = Some(Instant::now());
        let written = input.write_all(bytes);
        *lock(&self.writing_since) = None;
        written
    }

    /// Whether bytes have been waiting for longer than this: its pipe is full, and nobody reads at the other side.
    fn is_stuck(&self, patience: Duration) -> bool {
        lock(&self.writing_since).is_some_and(|since| since.elapsed() > patience)
    }

    /// Writes an order.
    pub(super) fn send(&self, order: &PeerOrder) -> Result<(), String> {
        let mut line = serde_json::to_vec(order).map_err(|error| error.to_string())?;
        line.push(b'\n');
        self.write(&line).map_err(|error| error.to_string())
    }

    /// Ends it, and whatever it has started (ProxyCommand, jump hosts).
    pub(super) fn kill(&self) {
        let mut child = lock(&self.child);
        if matches!(child.reap(), Ok(None)) {
            kernel::process::kill_group(&child.child);
            // It may have left its group.
            let _ = child.child.kill();
        }
    }

    fn is_gone(&self, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        loop {
            match lock(&self.child).reap() {
                Ok(Some(status)) => return Some(status.to_string()),
                Ok(None) if Instant::now() < deadline => {}
                Ok(None) | Err(_) => return None,
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The last lines of its standard error, or how it ended; call it when its output is closed.
    pub(super) fn last_words(&self) -> String {
        *lock(&self.input) = None;
        let status = self.is_gone(LEAVING);
        let said = self.last_words.await_all(Duration::from_secs(1));
        match (said.is_empty(), status) {
            (false, _) => said,
            (true, Some(status)) => format!("ssh ended ({status})"),
            (true, None) => "ssh closed its output".to_owned(),
        }
    }
}

/// A child, and how it ended where it was waited for: from then on its number may be another's, and nothing is asked or killed by it.
#[derive(Debug)]
struct Reaped {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Reaped {
    /// How it ended, where it has; what it had started and left is ended with it.
    fn reap(&mut self) -> std::io::Result<Option<ExitStatus>> {
        // Not waited for before that is seen: it may end between a look and the next, and its group has to be killed first.
        if self.ended.is_none() && kernel::process::has_ended(&self.child) {
            kernel::process::kill_group(&self.child);
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }
}

impl Drop for Ssh {
    /// Closing its input ends what runs at the peer, and then itself; one that hangs is killed, which cuts the connection.
    fn drop(&mut self) {
        *lock(&self.input) = None;
        if self.is_gone(LEAVING).is_none() {
            self.kill();
            let mut child = lock(&self.child);
            child.ended = child.child.wait().ok();
        }
    }
}

/// The end that runs at the peer now, and where its replies go.
type Current = (u32, WhichEnd, mpsc::Sender<(WhichEnd, FromEnd)>);

/// What the listening thread shares with the session.
#[derive(Debug, Default)]
struct Heard {
    current: Mutex<Option<Current>>,
    /// How the end of this number ended, as its host told.
    ended: Mutex<Option<(u32, String)>>,
    is_lost: AtomicBool,
}

impl Heard {
    fn tell(&self, end: u32, said: FromEnd) {
        // What an end says that was let go is for nobody.
        if let Some((number, which, replies)) = &*lock(&self.current)
            && *number == end
        {
            let _ = replies.send((*which, said));
        }
    }

    fn lose(&self) {
        self.is_lost.store(true, Ordering::SeqCst);
        if let Some((_, which, replies)) = &*lock(&self.current) {
            let _ = replies.send((*which, FromEnd::Closed));
        }
    }
}

/// A connection to a peer that has answered. Dropping it ends what runs there.
#[derive(Debug)]
pub(crate) struct Session {
    name: String,
    ssh: Arc<Ssh>,
    heard: Arc<Heard>,
    ends: AtomicU32,
    /// Questions asked by [`Session::probe`].
    probes: AtomicU32,
    facts: PeerFacts,
    cpus: Arc<HostCpus>,
    /// What it says of itself, and no end of it.
    spoken: Mutex<mpsc::Receiver<Spoken>>,
}

impl Session {
    /// Reaches a peer and has it answer.
    ///
    /// # Errors
    /// Why not, with what helps.
    pub(super) fn open(
        peer: &Peer,
        program: &Path,
        interrupts: Interrupts,
    ) -> Result<Self, Missing> {
        let name = peer.name.to_string();
        let words = std::env::var(super::SSH_COMMAND).unwrap_or_default();
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let command = super::settings::ssh(&words, &name, greeting::SCRIPT.len());
        let plain = |why: String| Missing::of_itself(format!("peer {name}")).because(why);
        let (ssh, output, errors) = Ssh::start(command).map_err(|why| {
            plain(why).unlocked_by("install OpenSSH's client: apt install openssh-client")
        })?;
        let ssh = Arc::new(ssh);
        let last_words = Arc::clone(&ssh.last_words);
        threads::start("errors", "a thread for ssh's errors", move || {
            keep_last_lines(errors, &last_words);
        })
        .map_err(plain)?;
        let heard = Arc::<Heard>::default();
        let (speaking, spoken) = mpsc::channel();
        let listening = Arc::clone(&heard);
        threads::start("peer", "a thread for the peer's replies", move || {
            listen(output, &listening, &speaking);
        })
        .map_err(plain)?;
        let facts = greeting::greet(&ssh, &spoken, peer, program, interrupts)?;
        let cpus = Arc::new(HostCpus::of(&facts.host).near(&facts.reached.nic_there));
        let spoken = Mutex::new(spoken);
        let (ends, probes) = Default::default();
        Ok(Self { name, ssh, heard, ends, probes, facts, cpus, spoken })
    }

    /// Tells the peer now and then that the engine lives, as long as this value does, and ends `ssh` where it takes nothing any more:
    /// whoever waits for room in its pipe, the engine itself perhaps, then goes on.
    pub(super) fn keep_alive(self: &Arc<Self>) -> Result<(), String> {
        watch_pipe(&self.ssh, SILENCE)?;
        let ssh = Arc::downgrade(&self.ssh);
        let heard = Arc::downgrade(&self.heard);
        threads::start("heartbeat", "a thread for the peer's sake", move || {
            loop {
                std::thread::sleep(Duration::from_millis(500));
                let (Some(ssh), Some(heard)) = (ssh.upgrade(), heard.upgrade()) else { return };
                if heard.is_lost.load(Ordering::SeqCst) {
                    return;
                }
                let is_due = lock(&ssh.last_sent).elapsed() >= HEARTBEAT;
                if is_due && ssh.write(b"\n").is_err() {
                    return;
                }
            }
        })
        .map(|_| ())
    }

    /// What was found there.
    pub(crate) fn facts(&self) -> &PeerFacts {
        &self.facts
    }

    /// The CPUs that an end may use there.
    pub(crate) fn cpus(&self) -> Arc<HostCpus> {
        Arc::clone(&self.cpus)
    }

    /// What `ssh` was given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is of no use any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.heard.is_lost.load(Ordering::SeqCst)
    }

    /// Sends an order.
    pub(crate) fn send(&self, order: &PeerOrder) -> Result<(), String> {
        if self.is_lost() {
            return Err("the connection is lost".to_owned());
        }
        self.ssh.send(order)
    }

    /// Starts an end there; its replies arrive at `replies`.
    pub(crate) fn start_end(
        self: Arc<Self>,
        which: WhichEnd,
        replies: mpsc::Sender<(WhichEnd, FromEnd)>,
    ) -> Result<EndAtPeer, String> {
        let number = self.ends.fetch_add(1, Ordering::SeqCst) + 1;
        *lock(&self.heard.current) = Some((number, which, replies));
        self.send(&PeerOrder::Start { end: number }).map_err(|_| self.how_ended(number))?;
        Ok(EndAtPeer { which, number, session: self })
    }

    /// What the kernel there grants, each with the reason and the remedy where it does not.
    ///
    /// # Errors
    /// The connection is lost, or no answer came.
    pub(crate) fn probe(&self, demands: &[Demand]) -> Result<Vec<Result<(), Missing>>, Missing> {
        let plain = |why: &str| Missing::of_itself(format!("peer {}", self.name)).because(why);
        let spoken = lock(&self.spoken);
        // What it said to nobody.
        while spoken.try_recv().is_ok() {}
        let number = self.probes.fetch_add(1, Ordering::SeqCst) + 1;
        let asked = self.send(&PeerOrder::Probe { number, demands: demands.to_vec() });
        asked.map_err(|why| plain(&why))?;
        let answers = await_probed(&spoken, number, PROBING).map_err(plain)?;
        if answers.len() != demands.len() {
            return Err(plain(NOT_ASKED));
        }
        let at = |why: Missing| refused_at(&self.name, why.bounded());
        let answers = answers.into_iter();
        Ok(answers.map(|refused| refused.map_or(Ok(()), |why| Err(at(why)))).collect())
    }

    /// How an end ended.
    pub(crate) fn how_ended(&self, end: u32) -> String {
        if let Some((number, how)) = &*lock(&self.heard.ended)
            && *number == end
        {
            return how.clone();
        }
        // What is lost is made anew.
        self.heard.is_lost.store(true, Ordering::SeqCst);
        format!("the connection is lost: {}", self.ssh.last_words())
    }

    /// Lets an end go.
    pub(crate) fn leave(&self, end: u32) {
        let mut current = lock(&self.heard.current);
        if current.as_ref().is_some_and(|(number, _, _)| *number == end) {
            *current = None;
            let _ = self.send(&PeerOrder::Leave);
        }
    }
}

/// What the peer answers to the question of this number; answers to earlier ones, which came too late, are for nobody.
fn await_probed(
    spoken: &mpsc::Receiver<Spoken>,
    asked: u32,
    patience: Duration,
) -> Result<Vec<Option<Missing>>, &'static str> {
    let deadline = Instant::now() + patience;
    loop {
        match spoken.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Spoken::Reply(PeerReply::Probed { number, answers })) if number == asked => {
                return Ok(answers);
            }
            Ok(Spoken::Reply(PeerReply::Probed { number, .. })) if number < asked => {}
            Ok(Spoken::Reply(_) | Spoken::Script(_)) => return Err(NOT_ASKED),
            Ok(Spoken::Noise | Spoken::Closed) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err("the connection is lost");
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err("it did not tell in time what its kernel grants");
            }
        }
    }
}

/// Ends a process that takes nothing for so long while bytes wait for it, as long as it is there.
fn watch_pipe(ssh: &Arc<Ssh>, patience: Duration) -> Result<(), String> {
    let ssh = Arc::downgrade(ssh);
    threads::start("pipe", "a thread that watches ssh's pipe", move || {
        while let Some(ssh) = ssh.upgrade() {
            if ssh.is_stuck(patience) {
                ssh.kill();
                return;
            }
            drop(ssh);
            std::thread::sleep(Duration::from_millis(500).min(patience));
        }
    })
    .map(|_| ())
}

/// Passes on what comes from a peer until it closes.
fn listen(output: impl Read, heard: &Heard, spoken: &mpsc::Sender<Spoken>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    let mut noise = 0;
    while let Ok(1..) = output.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
        let text = String::from_utf8_lossy(&line);
        match serde_json::from_str::<PeerReply>(&text).map(peer::said) {
            Ok(Ok((end, said, how))) => {
                if let Some(how) = how {
                    *lock(&heard.ended) = Some((end, how));
                }
                heard.tell(end, said);
            }
            // Where nobody waits for it any more, it is for nobody.
            Ok(Err(own)) => drop(spoken.send(Spoken::Reply(own))),
            Err(_) => match text.trim_end().strip_prefix(greeting::MARK) {
                Some(said) => drop(spoken.send(Spoken::Script(said.to_owned()))),
                None => {
                    noise += line.len();
                    if noise > MOST_NOISE {
                        let _ = spoken.send(Spoken::Noise);
                        break;
                    }
                }
            },
        }
        line.clear();
    }
    heard.lose();
    let _ = spoken.send(Spoken::Closed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a process is there and no zombie.
    fn lives(id: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
    }

    fn eventually(what: &str, is_so: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(120);
        while !is_so() {
            assert!(Instant::now() < until, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Something in place of `ssh` that reads nothing, and a child of it as a jump host is.
    fn deaf(then: &str) -> (Arc<Ssh>, String) {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("sleep 1000 & echo $!; {then}")]);
        let (ssh, output, _) = Ssh::start(command).unwrap();
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert!(lives(&line), "{line}");
        (Arc::new(ssh), line)
    }

    #[test]
    fn a_pipe_that_nobody_empties_ends_ssh_and_all_that_it_started() {
        let (ssh, child) = deaf("sleep 1000");
        watch_pipe(&ssh, Duration::from_millis(300)).unwrap();
        // More than a pipe holds (pipe(7): at most 1 MiB unless root asks for more).
        let refused = ssh.write(&vec![b'x'; 4 << 20]).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::BrokenPipe);
        eventually("its child is gone", || !lives(&child));
        assert!(ssh.last_words().contains("signal: 9"), "{}", ssh.last_words());
    }

    #[test]
    fn a_pipe_that_takes_what_is_written_is_left_alone() {
        let (ssh, child) = deaf("exec cat >/dev/null");
        watch_pipe(&ssh, Duration::from_millis(300)).unwrap();
        (0..5).for_each(|_| {
            ssh.write(&vec![b'x'; 1 << 20]).unwrap();
            std::thread::sleep(Duration::from_millis(150));
        });
        assert!(lives(&child));
        drop(ssh);
        eventually("what it left is ended with it", || !lives(&child));
    }

    /// A child of this process that has this very number, leads a group and has ended: its own child's number is in its output. None
    /// where numbers cannot be chosen, or others take this one.
    fn namesake(number: u32) -> Option<(Child, String)> {
        use std::os::unix::process::CommandExt as _;
        for _ in 0..200 {
            std::fs::write("/proc/sys/kernel/ns_last_pid", (number - 1).to_string()).ok()?;
            let mut command = Command::new("sh");
            command.args(["-c", "sleep 1000 >/dev/null & echo $!"]).process_group(0);
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            let output = child.stdout.take().unwrap();
            BufReader::new(output).read_line(&mut line).unwrap();
            if child.id() == number {
                return Some((child, line));
            }
            kernel::process::kill_group(&child);
            child.wait().unwrap();
        }
        None
    }

    #[test]
    #[allow(clippy::print_stderr, reason = "it says why it is skipped")]
    fn once_waited_for_it_kills_nobody_who_has_its_number() {
        // Nothing else of its group is left, not even for init to wait for: that would keep its number.
        let mut command = Command::new("sh");
        command.args(["-c", "exit 7"]);
        let (ssh, ..) = Ssh::start(command).unwrap();
        assert!(ssh.last_words().contains("exit status: 7"));
        let number = lock(&ssh.child).child.id();
        let Some((mut other, child)) = namesake(number) else {
            eprintln!(
                "skipped: no process can be given a number (/proc/sys/kernel/ns_last_pid: as root, and one that is free)"
            );
            return;
        };
        eventually("it has ended", || kernel::process::has_ended(&other));
        assert!(ssh.last_words().contains("exit status: 7"));
        ssh.kill();
        drop(ssh);
        // SIGKILL has been sent by then, if at all; a process that has it still lives for a moment.
        std::thread::sleep(Duration::from_millis(200));
        let lives = lives(&child);
        kernel::process::kill_group(&other);
        other.wait().unwrap();
        assert!(lives, "a group of another child was killed");
    }

    #[test]
    fn an_answer_that_comes_late_is_not_taken_for_the_next_ones() {
        let (speaking, spoken) = mpsc::channel();
        let no = || Some(Missing::of_itself("zerocopy"));
        let say = |number, answer| {
            let reply = PeerReply::Probed { number, answers: vec![answer] };
            speaking.send(Spoken::Reply(reply)).unwrap();
        };
        say(1, no());
        say(2, None);
        let long = Duration::from_secs(60);
        assert_eq!(await_probed(&spoken, 2, long), Ok(vec![None]));
        say(4, None);
        assert_eq!(await_probed(&spoken, 3, long), Err(NOT_ASKED));
        // What it says without end is no answer in time.
        (0..5).for_each(|_| say(1, no()));
        let late = await_probed(&spoken, 3, Duration::from_millis(1)).unwrap_err();
        assert!(late.contains("in time"), "{late}");
        speaking.send(Spoken::Closed).unwrap();
        let lost = await_probed(&spoken, 3, long).unwrap_err();
        assert_eq!(lost, "the connection is lost");
    }

    #[test]
    fn what_ssh_leaves_when_it_ends_is_ended() {
        let (ssh, child) = deaf("exit 7");
        assert!(ssh.last_words().contains("exit status: 7"));
        eventually("its child is gone", || !lives(&child));
    }
}
