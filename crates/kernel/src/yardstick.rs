//! The least that a loop of one call can cost: what the benchmark compares the worker's loop with.

use crate::clock;
use crate::error::Errno;
use crate::gather::Gather;
use crate::socket::Socket;

/// Sends the gather as it stands so many times with bare `sendmsg`, and tells the thread's CPU time in ns.
///
/// Nothing is counted, checked against a gate or pointed elsewhere: one slot, one call, one comparison.
///
/// # Errors
///
/// The first errno, or EMSGSIZE where a call took less than the whole message.
pub fn sendmsg_loop(socket: &Socket, gather: &Gather, messages: u64) -> Result<u64, Errno> {
    let whole = gather.remaining();
    let header: *const libc::msghdr = gather.header();
    let fd = socket.raw();
    let before = clock::thread_cpu_ns();
    for _ in 0..messages {
        // SAFETY: the header and what it points to belong to the gather, which is borrowed all the while.
        let sent = unsafe { libc::sendmsg(fd, header, libc::MSG_NOSIGNAL) };
        if usize::try_from(sent) != Ok(whole) {
            return Err(if sent < 0 { Errno::last() } else { Errno(libc::EMSGSIZE) });
        }
    }
    Ok(clock::thread_cpu_ns() - before)
}
