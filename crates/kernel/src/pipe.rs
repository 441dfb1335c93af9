//! A pipe that pages pass through on their way to a socket: `vmsplice` in, `splice` out.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::{io, ptr};

use crate::error::{CallError, Errno};
use crate::gather::Gather;
use crate::socket::Socket;

/// Both ends of a pipe.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

/// Bytes that every user's pipe may have (`fs.pipe-max-size`, pipe(7)).
const MOST_BYTES: usize = 1 << 20;

impl Pipe {
    /// A pipe that holds so many bytes, if the kernel lets it: each page or part of one takes a page's place. It may hold less
    /// (`fs.pipe-max-size`, and `fs.pipe-user-pages-soft` for all of a user's pipes); then more calls move a message.
    ///
    /// # Errors
    ///
    /// EMFILE above the limit of open files, ENFILE.
    pub fn new(bytes: usize) -> Result<Self, CallError> {
        let mut ends = [0; 2];
        // SAFETY: the pointer is to two live descriptors' room.
        if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
            return Err(CallError::last("pipe2", "a pipe for splice"));
        }
        // SAFETY: the descriptor was just made and belongs to no one else.
        let read = unsafe { OwnedFd::from_raw_fd(ends[0]) };
        // SAFETY: likewise.
        let write = unsafe { OwnedFd::from_raw_fd(ends[1]) };
        let bytes = libc::c_int::try_from(bytes.min(MOST_BYTES)).unwrap_or(libc::c_int::MAX);
        // SAFETY: no pointers are passed.
        let _ = unsafe { libc::fcntl(write.as_raw_fd(), libc::F_SETPIPE_SZ, bytes) };
        Ok(Self { read, write })
    }

    /// How many bytes it holds, where they fill whole pages.
    ///
    /// # Errors
    ///
    /// None that is known.
    pub fn capacity(&self) -> Result<usize, CallError> {
        // SAFETY: no pointers are passed.
        let bytes = unsafe { libc::fcntl(self.write.as_raw_fd(), libc::F_GETPIPE_SZ) };
        usize::try_from(bytes).map_err(|_| CallError::last("fcntl", "F_GETPIPE_SZ"))
    }

    /// One `vmsplice` of the gather as it stands: the pipe refers to its pages until they leave it, and whoever takes them
    /// then goes on referring to them. It takes what fits, and waits where nothing does, so that it belongs to an empty pipe.
    ///
    /// # Errors
    ///
    /// The bare `errno`.
    #[inline]
    pub fn fill(&self, gather: &Gather) -> Result<usize, Errno> {
        let (iovecs, count) = gather.iovecs();
        // SAFETY: the iovecs are the borrowed gather's own; they point into a mapping which it keeps mapped, at offsets that it
        // has checked, and the kernel only reads. What follows the call holds references to the pages, not to the mapping.
        counted(unsafe { libc::vmsplice(self.write.as_raw_fd(), iovecs, count, 0) })
    }

    /// One `splice` of up to so many bytes to a socket; `more` of the same message follow, so that the kernel need not push a
    /// packet out (SPLICE_F_MORE).
    ///
    /// # Errors
    ///
    /// The bare `errno`; what was not taken is still in the pipe. SIGPIPE is not held back (`splice` has no flag for that).
    #[inline]
    pub fn drain(&self, socket: &Socket, bytes: usize, more: bool) -> Result<usize, Errno> {
        let flags = if more { libc::SPLICE_F_MORE } else { 0 };
        let nowhere = ptr::null_mut();
        // SAFETY: both descriptors are open; a pipe and a socket have no offsets.
        counted(unsafe {
            libc::splice(self.read.as_raw_fd(), nowhere, socket.raw(), nowhere, bytes, flags)
        })
    }
}

/// What a call that answers a count or −1 said.
#[inline]
fn counted(answer: libc::ssize_t) -> Result<usize, Errno> {
    usize::try_from(answer)
        .map_err(|_| Errno(io::Error::last_os_error().raw_os_error().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::time::Duration;

    use super::*;
    use crate::arena::Arena;
    use crate::gather::Field;
    use crate::process;
    use crate::socket::ReceiveFlags;

    fn connected() -> (Socket, Socket) {
        let listener = Socket::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 1).unwrap();
        let address = listener.local_address().unwrap();
        let client = Socket::stream(address).unwrap();
        client.connect(address, Duration::from_secs(60)).unwrap();
        (client, listener.accept(Some(60_000)).unwrap().unwrap().0)
    }

    #[test]
    fn what_goes_into_the_pipe_comes_out_of_the_socket_in_pieces_too() {
        let (client, server) = connected();
        let pipe = Pipe::new(1).unwrap();
        let page = process::page_size();
        assert!(pipe.capacity().unwrap() >= page);
        let mut arena = Arena::new(page * 64).unwrap();
        for (index, byte) in arena.bytes_mut(0..page * 64).iter_mut().enumerate() {
            *byte = u8::try_from(index % 251).unwrap();
        }
        let fields = [Field { offset: 10, bytes: 100 }, Field { offset: 5000, bytes: page * 40 }];
        let mut gather = Gather::new(&fields).unwrap();
        gather.point(&arena, 7).unwrap();
        let mut sent = 0;
        while sent < gather.bytes() {
            gather.after(sent);
            let mut inside = pipe.fill(&gather).unwrap();
            assert!(inside <= pipe.capacity().unwrap());
            sent += inside;
            while inside > 0 {
                // No more at a time than a socket's buffer has room for while nobody receives.
                inside -= pipe.drain(&client, inside.min(3000), sent < gather.bytes()).unwrap();
            }
        }
        let mut got = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        while got.len() < sent {
            let n = server.receive(&mut buffer, ReceiveFlags::NONE).unwrap();
            got.extend_from_slice(&buffer[..n]);
        }
        let expected: Vec<u8> = fields
            .iter()
            .flat_map(|f| arena.bytes(7 + f.offset..7 + f.offset + f.bytes).to_vec())
            .collect();
        assert!(got == expected);
    }
}
