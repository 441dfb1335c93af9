//! One `vmsplice()` of all fields into a pipe, then `splice()` from the pipe to the socket.
//!
//! The pipe takes references to the pages of the fields, and the socket takes them over (`splice_to_socket` with MSG_SPLICE_PAGES,
//! fs/splice.c; `sendpage` before Linux 6.5). Nobody tells when they have left it, so that a message is never rewritten. A message
//! that has more pages than the pipe has places goes through in several rounds.

use kernel::Errno;
use kernel::arena::Arena;
use kernel::gather::Gather;
use kernel::pipe::Pipe;
use kernel::process;
use kernel::socket::Socket;
use model::message::Message;
use model::record::SendTally;

use super::path::{SendOptions, SendPath, gather, start};
use crate::slots::{Slot, Slots};

/// The calls that the path makes: a pipe and a socket, or a script in tests.
pub trait Legs {
    /// One `vmsplice`.
    ///
    /// # Errors
    /// The bare errno.
    fn fill(&self, gather: &Gather) -> Result<usize, Errno>;

    /// One `splice` of so many bytes; whether more of the message follow.
    ///
    /// # Errors
    /// The bare errno.
    fn drain(&self, bytes: usize, more: bool) -> Result<usize, Errno>;
}

/// A pipe before a socket.
#[derive(Debug)]
pub struct PipeAndSocket {
    pipe: Pipe,
    socket: Socket,
}

impl Legs for PipeAndSocket {
    #[inline]
    fn fill(&self, gather: &Gather) -> Result<usize, Errno> {
        self.pipe.fill(gather)
    }

    #[inline]
    fn drain(&self, bytes: usize, more: bool) -> Result<usize, Errno> {
        self.pipe.drain(&self.socket, bytes, more)
    }
}

/// Pages of user memory, by reference through a pipe.
#[derive(Debug)]
pub struct Splice<L = PipeAndSocket> {
    legs: L,
    arena: Arena,
    gather: Gather,
    stride: usize,
}

/// Bytes of a pipe with a place for each page that a message may touch.
fn pipe_bytes(message: &Message) -> usize {
    let page = process::page_size();
    let pages = message.fields().iter().map(|field| field.length.div_ceil(page) + 1);
    pages.sum::<usize>().saturating_mul(page)
}

impl<L: Legs> Splice<L> {
    #[inline]
    fn submit(&mut self, slot: Slot, tally: &mut SendTally) -> Result<(), Errno> {
        self.gather.point(&self.arena, start(slot, self.stride))?;
        let whole = self.gather.bytes();
        let mut filled = 0;
        while filled < whole {
            if filled > 0 {
                self.gather.after(filled);
            }
            tally.calls.vmsplice += 1;
            let inside = match self.legs.fill(&self.gather) {
                Ok(0) => return Err(Errno::BROKEN_PIPE),
                Ok(inside) => inside,
                Err(errno) if errno.is_interrupted() => {
                    tally.interrupted += 1;
                    continue;
                }
                Err(errno) => return Err(errno),
            };
            filled += inside;
            tally.short_writes += u64::from(filled < whole);
            self.empty(inside, filled < whole, tally)?;
        }
        tally.messages += 1;
        Ok(())
    }

    /// Moves all that is in the pipe to the socket, so that the next fill waits for nobody.
    #[inline]
    fn empty(&self, mut inside: usize, more: bool, tally: &mut SendTally) -> Result<(), Errno> {
        while inside > 0 {
            tally.calls.splice += 1;
            match self.legs.drain(inside, more) {
                // The pipe's writing end is ours: nothing moved is no end.
                Ok(0) => return Err(Errno::BROKEN_PIPE),
                Ok(sent) => {
                    inside -= sent.min(inside);
                    tally.accepted_bytes += sent as u64;
                    tally.short_writes += u64::from(inside > 0);
                }
                Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

impl SendPath for Splice {
    fn open(
        socket: Socket,
        arena: Arena,
        message: &Message,
        _: &SendOptions,
    ) -> Result<Self, String> {
        let pipe = Pipe::new(pipe_bytes(message)).map_err(|error| error.to_string())?;
        let legs = PipeAndSocket { pipe, socket };
        Ok(Self { legs, arena, gather: gather(message)?, stride: message.stride() })
    }

    fn socket(&self) -> &Socket {
        &self.legs.socket
    }

    fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }

    #[inline]
    fn submit(&mut self, slot: Slot, _: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        self.submit(slot, tally)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// A pipe that takes 300 bytes, and a socket that takes what the script says.
    struct Script {
        inside: Cell<usize>,
        takes: RefCell<Vec<Result<usize, Errno>>>,
        more: RefCell<Vec<bool>>,
    }

    impl Legs for Script {
        fn fill(&self, gather: &Gather) -> Result<usize, Errno> {
            assert_eq!(self.inside.get(), 0, "a pipe that is not empty would be waited for");
            self.inside.set(gather.remaining().min(300));
            Ok(self.inside.get())
        }

        fn drain(&self, bytes: usize, more: bool) -> Result<usize, Errno> {
            assert_eq!(bytes, self.inside.get());
            self.more.borrow_mut().push(more);
            let taken = self.takes.borrow_mut().pop().unwrap_or(Ok(bytes))?;
            self.inside.set(bytes - taken);
            Ok(taken)
        }
    }

    fn send(mut takes: Vec<Result<usize, Errno>>) -> (Result<(), Errno>, SendTally, Vec<bool>) {
        takes.reverse();
        let message =
            Message::of(&"message_bytes=800 layout=packed".parse().unwrap(), 4096).unwrap();
        let legs = Script {
            inside: Cell::new(0),
            takes: RefCell::new(takes),
            more: RefCell::new(Vec::new()),
        };
        let mut path = Splice {
            legs,
            arena: Arena::new(message.stride()).unwrap(),
            gather: gather(&message).unwrap(),
            stride: message.stride(),
        };
        let mut tally = SendTally::default();
        let done = path.submit(Slot(0), &mut tally);
        (done, tally, path.legs.more.take())
    }

    #[test]
    fn a_pipe_that_is_too_small_is_filled_again_when_it_is_empty_and_more_is_said_to_follow() {
        let (done, tally, more) = send(Vec::new());
        assert_eq!(done, Ok(()));
        assert_eq!((tally.messages, tally.accepted_bytes), (1, 800));
        assert_eq!((tally.calls.vmsplice, tally.calls.splice), (3, 3));
        assert_eq!(more, [true, true, false]);
    }

    #[test]
    fn what_the_socket_did_not_take_stays_in_the_pipe_and_is_taken_next() {
        let (done, tally, more) = send(vec![Ok(1), Err(Errno::INTERRUPTED), Ok(299)]);
        assert_eq!(done, Ok(()));
        assert_eq!((tally.accepted_bytes, tally.interrupted), (800, 1));
        assert_eq!((tally.calls.vmsplice, tally.calls.splice), (3, 5));
        assert_eq!(more, [true, true, true, true, false]);
    }

    #[test]
    fn a_dead_connection_and_a_pipe_that_moves_nothing_end_it() {
        assert_eq!(send(vec![Err(Errno::BROKEN_PIPE)]).0, Err(Errno::BROKEN_PIPE));
        let (done, tally, _) = send(vec![Ok(10), Ok(0)]);
        assert_eq!((done, tally.messages), (Err(Errno::BROKEN_PIPE), 0));
        assert_eq!(tally.accepted_bytes, 10);
    }
}
