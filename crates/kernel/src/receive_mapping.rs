//! `TCP_ZEROCOPY_RECEIVE`: the pages of received packets, mapped into the process instead of copied.
//!
//! Source: `tcp_zerocopy_receive` and `tcp_mmap` (net/ipv4/tcp.c), `struct tcp_zerocopy_receive` (include/uapi/linux/tcp.h). What can be
//! mapped are whole, aligned fragments of one page each; what cannot is copied into a buffer by the same call, or left
//! to `recv`.

use std::ptr;

use crate::error::{CallError, Errno, Unavailable};
use crate::process;
use crate::socket::{Socket, SocketError};

const TCP_ZEROCOPY_RECEIVE: libc::c_int = 35;

/// The option's argument as Linux 5.11 has it; later fields (control messages) are not asked for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Argument {
    /// In: where to map.
    address: u64,
    /// In: bytes to map at most; out: mapped.
    length: u32,
    /// Out: bytes to be received otherwise before more can be mapped.
    recv_skip_hint: u32,
    /// Out: bytes in the queue.
    inq: u32,
    /// Out: the socket's error.
    err: i32,
    /// In: where to copy to what cannot be mapped.
    copybuf_address: u64,
    /// In: bytes that it has room for; out: copied, or a negative errno.
    copybuf_len: i32,
    /// In: 1 says that nothing is mapped.
    flags: u32,
}

/// What one call gave. Mapped bytes come first, then copied ones; nothing of either: the queue is empty, or `left` says how
/// many bytes must be received by `recv` first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Bytes that are mapped, from the mapping's beginning; whole pages.
    pub mapped: usize,
    /// Bytes that were copied into the buffer instead.
    pub copied: usize,
    /// Bytes that come next and can be had by `recv` alone.
    pub left: usize,
}

/// Addresses in which a socket's received pages are put. Each call puts the next ones in place of those before, so that a page
/// is gone when the next call is made.
#[derive(Debug)]
pub struct ReceiveMapping {
    base: *mut libc::c_void,
    bytes: usize,
    /// How many of them hold pages of the last call.
    mapped: usize,
}

impl ReceiveMapping {
    /// Addresses for so many bytes, rounded up to whole pages, on a TCP socket.
    ///
    /// # Errors
    ///
    /// ENODEV before Linux 4.18 and on what is no TCP socket; ENOMEM.
    pub fn new(socket: &Socket, bytes: usize) -> Result<Self, SocketError> {
        let argument = || format!("{bytes} bytes of a socket");
        let whole = bytes.max(1).checked_next_multiple_of(process::page_size());
        // The option counts in 32 bits.
        let bytes = whole.filter(|bytes| u32::try_from(*bytes).is_ok()).ok_or_else(|| {
            SocketError::Failed(CallError {
                call: "mmap",
                argument: argument(),
                errno: Errno(libc::ENOMEM),
            })
        })?;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours.
        let base = unsafe {
            libc::mmap(ptr::null_mut(), bytes, libc::PROT_READ, libc::MAP_SHARED, socket.raw(), 0)
        };
        if base != libc::MAP_FAILED {
            return Ok(Self { base, bytes, mapped: 0 });
        }
        let failed = CallError::last("mmap", argument());
        Err(match failed.errno.0 {
            libc::ENODEV | libc::EPERM | libc::EINVAL => SocketError::Unavailable(Unavailable {
                what: "TCP_ZEROCOPY_RECEIVE".into(),
                because: format!("the kernel maps no received page: {}", failed.errno),
                remedy: "use Linux 5.11 or later, with CONFIG_MMU, and a TCP socket".into(),
            }),
            _ => SocketError::Failed(failed),
        })
    }

    /// Takes what is there and does not wait: pages where they can be had, then what follows copied into `rest`. Where all that is
    /// there fits into `rest` it is copied whole (`receive_fallback_to_copy`), so that it should be shorter than a page.
    ///
    /// # Errors
    ///
    /// The bare `errno`: EIO at the stream's end, the socket's own error, EINVAL where the kernel does not know the option.
    #[inline]
    pub fn receive(&mut self, socket: &Socket, rest: &mut [u8]) -> Result<Mapped, Errno> {
        let room = i32::try_from(rest.len()).unwrap_or(i32::MAX);
        let mut argument = Argument {
            address: self.base.expose_provenance() as u64,
            // It fits: `new` saw to it.
            length: u32::try_from(self.bytes).unwrap_or(u32::MAX),
            copybuf_address: rest.as_mut_ptr().expose_provenance() as u64,
            copybuf_len: room,
            flags: u32::from(self.mapped == 0),
            ..Argument::default()
        };
        let mut length = libc::socklen_t::try_from(size_of::<Argument>()).unwrap_or(0);
        // SAFETY: argument and length are ours and live through the call. The kernel writes at most `room` bytes to `rest`,
        // which is borrowed exclusively, and replaces pages in the address range that this mapping owns and to which nobody
        // has a reference, as bytes leave it by `copy_out` alone.
        let answer = unsafe {
            libc::getsockopt(
                socket.raw(),
                libc::IPPROTO_TCP,
                TCP_ZEROCOPY_RECEIVE,
                (&raw mut argument).cast(),
                &raw mut length,
            )
        };
        if answer != 0 {
            return Err(Errno::last());
        }
        if usize::try_from(length) != Ok(size_of::<Argument>()) {
            // A kernel before 5.11: it knows no buffer, and what stands there is what was asked.
            return Err(Errno(libc::ENOPROTOOPT));
        }
        let size = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
        self.mapped = size(argument.length).min(self.bytes);
        let copied = usize::try_from(argument.copybuf_len)
            .map_err(|_| Errno(argument.copybuf_len.saturating_abs()))?;
        // An error that comes with bytes shows again when they are taken.
        if argument.err != 0 && self.mapped + copied == 0 {
            return Err(Errno(argument.err.saturating_abs()));
        }
        let left = size(argument.recv_skip_hint);
        Ok(Mapped { mapped: self.mapped, copied: copied.min(rest.len()), left })
    }

    /// Copies mapped bytes to where they can be looked at; fewer where fewer are mapped. A sender on the same machine
    /// that passed its own pages may change them meanwhile, so that nobody gets a reference to them.
    pub fn copy_out(&self, from: usize, into: &mut [u8]) -> usize {
        let bytes = self.mapped.saturating_sub(from).min(into.len());
        let source: *const u8 = self.base.cast();
        for (index, byte) in into.iter_mut().take(bytes).enumerate() {
            // SAFETY: from + index < mapped, and those addresses hold pages since the last call, readable for this process.
            *byte = unsafe { source.wrapping_add(from + index).read_volatile() };
        }
        bytes
    }
}

// SAFETY: the mapping belongs to the process, not to a thread, and its bytes are read by `copy_out` alone.
unsafe impl Send for ReceiveMapping {}

impl Drop for ReceiveMapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `new`, and nothing refers to it any more. It cannot fail for a range that is ours.
        let _ = unsafe { libc::munmap(self.base, self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Shutdown, SocketAddr};
    use std::time::Duration;

    use super::*;
    use crate::socket::{ReceiveFlags, SendFlags};

    /// Two ends of a connection on loopback.
    fn pair() -> (Socket, Socket) {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Socket::listen(any, 1).unwrap();
        let sender = Socket::stream(any).unwrap();
        sender.connect(listener.local_address().unwrap(), Duration::from_secs(60)).unwrap();
        let (receiver, _) = listener.accept(Some(60_000)).unwrap().unwrap();
        (sender, receiver)
    }

    #[test]
    fn what_is_mapped_copied_and_left_is_the_stream_to_its_end() {
        let (sender, receiver) = pair();
        let page = process::page_size();
        let mut mapping = ReceiveMapping::new(&receiver, 64 * page).unwrap();
        let mut rest = vec![0; page - 1];
        assert_eq!(
            mapping.receive(&receiver, &mut rest),
            Ok(Mapped::default()),
            "nothing is there"
        );
        let sent: Vec<u8> = (0..10 * page + 77).map(|n| u8::try_from(n % 251).unwrap()).collect();
        assert_eq!(sender.send(&sent, SendFlags::NONE), Ok(sent.len()));
        sender.shutdown(Shutdown::Write).unwrap();
        let mut got: Vec<u8> = Vec::new();
        loop {
            // The kernel may bring the end later than what is before it.
            assert!(crate::poll::wait_readable(&receiver, 60_000).unwrap().is_any());
            match mapping.receive(&receiver, &mut rest) {
                Ok(Mapped { mapped, copied, left }) => {
                    let mut pages = vec![0; mapped + 1];
                    assert_eq!(
                        mapping.copy_out(0, &mut pages),
                        mapped,
                        "no byte beyond what is mapped"
                    );
                    got.extend(&pages[..mapped]);
                    got.extend(&rest[..copied]);
                    let mut more = vec![0; left];
                    let taken = if left == 0 {
                        0
                    } else {
                        receiver.receive(&mut more, ReceiveFlags::NONE).unwrap()
                    };
                    got.extend(&more[..taken]);
                    assert!(mapped + copied + taken > 0 || got.len() < sent.len());
                }
                Err(errno) => {
                    assert_eq!(errno, Errno(libc::EIO), "the end");
                    break;
                }
            }
        }
        assert_eq!(got, sent);
    }

    #[test]
    fn only_a_tcp_socket_has_received_pages_and_no_more_than_32_bits_of_them() {
        let (_, receiver) = pair();
        let error = ReceiveMapping::new(&receiver, usize::MAX).unwrap_err();
        assert!(error.to_string().starts_with("mmap("), "{error}");
        let mut mapping = ReceiveMapping::new(&receiver, 1).unwrap();
        let other = Socket::stream(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        other.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        other.start_listening(1).unwrap();
        assert_eq!(mapping.receive(&other, &mut [0; 8]), Err(Errno(libc::ENOTCONN)));
    }
}
