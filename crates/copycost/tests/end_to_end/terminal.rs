//! What a run draws on a terminal: a real one, seen as a screen shows it.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::common::{PATIENCE, Place, TINY, signal};
use crate::interruption::{ENDLESS, is_ignored, measured};
use crate::table::made;

/// A terminal's lines, with those that scrolled away above them; it knows what indicatif writes.
struct Screen {
    width: usize,
    height: usize,
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screen {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, lines: vec![Vec::new()], row: 0, column: 0 }
    }

    fn down(&mut self, count: usize) {
        self.row += count;
        self.lines.resize(self.lines.len().max(self.row + 1), Vec::new());
    }

    fn write(&mut self, text: &str) {
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            match char {
                '\r' => self.column = 0,
                '\n' => self.down(1),
                '\u{1b}' => {
                    let mut sequence = String::new();
                    for next in chars.by_ref() {
                        sequence.push(next);
                        if next.is_ascii_alphabetic() {
                            break;
                        }
                    }
                    let digits: String = sequence.chars().filter(char::is_ascii_digit).collect();
                    let count = digits.parse().unwrap_or(1);
                    // A terminal moves no further up than to its first line.
                    let top = self.lines.len().saturating_sub(self.height);
                    match sequence.chars().last() {
                        Some('A') => self.row = self.row.saturating_sub(count).max(top),
                        Some('B') => self.down(count),
                        Some('K') => self.lines[self.row].clear(),
                        _ => {}
                    }
                }
                _ => {
                    if self.column == self.width {
                        self.column = 0;
                        self.down(1);
                    }
                    let line = &mut self.lines[self.row];
                    line.resize(line.len().max(self.column + 1), ' ');
                    line[self.column] = char;
                    self.column += 1;
                }
            }
        }
    }

    fn text(&self) -> Vec<String> {
        let lines = self.lines.iter().map(|line| line.iter().collect::<String>());
        lines.map(|line| line.trim_end().to_owned()).collect()
    }
}

/// Starts the program with its errors on a terminal of that size; what it writes there comes through the channel.
fn at_a_terminal(
    place: &Place,
    arguments: &[&str],
    size: (u16, u16),
) -> (Child, Receiver<Vec<u8>>) {
    let (ours, theirs) = terminal(size);
    let mut command = place.command(arguments);
    command.env("TERM", "xterm").stdout(Stdio::null()).stderr(theirs);
    let child = command.spawn().unwrap();
    // The command holds the terminal's other side open.
    drop(command);
    (child, arriving(ours))
}

/// Both sides of a terminal of that size.
fn terminal(size: (u16, u16)) -> (OwnedFd, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let (ws_col, ws_row) = size;
    tcsetwinsize(&theirs, Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    (ours, theirs)
}

/// What is written to a terminal's other side, until nobody has that open.
fn arriving(ours: OwnedFd) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut ours = File::from(ours);
        let mut bytes = vec![0; 65_536];
        while let Ok(count @ 1..) = ours.read(&mut bytes) {
            if sender.send(bytes[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// What a screen shows at the end of all that arrives, and whether a line with all these parts was there in between.
fn shown(arrives: &Receiver<Vec<u8>>, size: (u16, u16), parts: &[&str]) -> (Vec<String>, bool) {
    let mut screen = Screen::new(usize::from(size.0), usize::from(size.1));
    let mut waiting = Vec::new();
    let mut seen = false;
    while let Ok(bytes) = arrives.recv_timeout(PATIENCE) {
        waiting.extend(bytes);
        // A character or a sequence may be cut between two reads.
        let valid = match std::str::from_utf8(&waiting) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = std::str::from_utf8(&waiting[..valid]).unwrap();
        let is_whole = |at: &usize| text[*at..].contains(|char: char| char.is_ascii_alphabetic());
        let whole = text.rfind('\u{1b}').filter(|at| !is_whole(at)).unwrap_or(valid);
        let has_all = |line: &String| parts.iter().all(|part| line.contains(part));
        // Line by line: several pictures may have come in one read.
        for line in text[..whole].split_inclusive('\n') {
            screen.write(line);
            seen |= screen.text().iter().any(has_all);
        }
        waiting.drain(..whole);
    }
    (screen.text(), seen)
}

#[test]
fn a_table_fills_on_a_wide_and_a_narrow_terminal_and_is_gone_at_the_end() {
    for size in [(80, 24), (30, 8)] {
        let place = Place::new();
        // Long enough for figures to be drawn anew, which is done seldom.
        let arguments = TINY.iter().map(|it| if *it == "2" { "20" } else { it });
        let arguments: Vec<&str> = arguments.chain(["--out", "run"]).collect();
        let (mut child, arrives) = at_a_terminal(&place, &arguments, size);
        // The row in hand, with a figure.
        let (left, seen) = shown(&arrives, size, &["> ", " B", "."]);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{left:#?}");
        assert!(seen, "{size:?}: {left:#?}");
        let table = |line: &&String| {
            line.starts_with("> ") || line.contains("/send") || line.contains("trial ")
        };
        assert_eq!(left.iter().find(table), None, "{size:?}: {left:#?}");
        assert!(left.iter().any(|line| line.starts_with("done:")), "{left:#?}");
    }
}

#[test]
fn a_table_streamed_to_a_terminal_does_not_drive_it() {
    let place = Place::new();
    made(&place.path("run"), "evil\u{1b}[2Jhost");
    for format in ["csv", "jsonl"] {
        let (ours, theirs) = terminal((80, 24));
        let mut command = place.command(&["table", "run", "--format", format]);
        let mut child = command.stdout(theirs).stderr(Stdio::null()).spawn().unwrap();
        drop(command);
        let arrives = arriving(ours);
        let mut bytes = Vec::new();
        while let Ok(more) = arrives.recv_timeout(PATIENCE) {
            bytes.extend(more);
        }
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{text}");
        assert!(text.contains("u{1b}[2Jhost") || text.contains("u001b[2Jhost"), "{format}: {text}");
        assert!(!text.contains('\u{1b}'), "{format}");
        assert!(text.lines().count() > 3, "{text}");
    }
}

#[test]
fn an_interrupted_run_leaves_its_table_on_the_terminal() {
    if is_ignored(2) {
        eprintln!(
            "skipped: SIGINT is ignored by whoever started this test, and so by its children"
        );
        return;
    }
    let place = Place::new();
    let run = place.path("run");
    let size = (80, 24);
    let (mut child, arrives) = at_a_terminal(&place, ENDLESS, size);
    crate::common::eventually("two rounds", measured(&run, 8));
    signal("INT", &child);
    let (left, _) = shown(&arrives, size, &[]);
    assert_eq!(child.wait().unwrap().code(), Some(130), "{left:#?}");
    let head = left.iter().position(|line| line.ends_with("/send")).expect("a table");
    let table = left.get(head..head + 3).expect("two rows");
    assert!(table[1].contains("512 B") && table[2].contains("16 KiB"), "{left:#?}");
    // Where ends slept through their windows there is no figure, and nothing to be uncertain of.
    assert!(table[1].contains('±') || table[1].contains(" -"), "{left:#?}");
    assert_eq!(left.iter().filter(|line| line.contains("512 B")).count(), 1, "{left:#?}");
    assert!(left.iter().any(|line| line.contains("--resume run")), "{left:#?}");
}
