//! Names of the system calls that move a socket's bytes, by their number on this machine.

/// Number and name. The C library has `send` and `recv` enter the kernel as `sendto` and `recvfrom`. Where a machine
/// lacks the older call (aarch64 has no `poll` and no `epoll_wait`), the newer one bears the older name, so that the
/// counts of one program read the same everywhere.
const NAMES: &[(libc::c_long, &str)] = &[
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_recvfrom, "recvfrom"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_recvmsg, "recvmsg"),
    (libc::SYS_sendmmsg, "sendmmsg"),
    (libc::SYS_recvmmsg, "recvmmsg"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_poll, "poll"),
    (libc::SYS_ppoll, "poll"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_epoll_wait, "epoll_wait"),
    (libc::SYS_epoll_pwait, "epoll_wait"),
    (libc::SYS_read, "read"),
    (libc::SYS_write, "write"),
    (libc::SYS_readv, "readv"),
    (libc::SYS_writev, "writev"),
    (libc::SYS_sendfile, "sendfile"),
    (libc::SYS_splice, "splice"),
    (libc::SYS_vmsplice, "vmsplice"),
    (libc::SYS_io_uring_enter, "io_uring_enter"),
];

/// The name of a system call that may move a socket's bytes; `None` for every other one.
pub fn name(number: u16) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == libc::c_long::from(number)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_of_the_paths_have_their_names() {
        let number = |call: libc::c_long| u16::try_from(call).unwrap();
        assert_eq!(name(number(libc::SYS_sendto)), Some("sendto"));
        assert_eq!(name(number(libc::SYS_recvfrom)), Some("recvfrom"));
        assert_eq!(name(number(libc::SYS_recvmsg)), Some("recvmsg"));
        assert_eq!(name(number(libc::SYS_ppoll)), Some("poll"));
        assert_eq!(name(number(libc::SYS_futex)), None);
    }

    #[test]
    fn no_number_stands_twice() {
        let mut numbers: Vec<_> = NAMES.iter().map(|(number, _)| number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), NAMES.len());
    }
}
