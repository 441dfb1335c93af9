//! What can be set on a socket, and asked of it.

use std::mem::size_of;
use std::ptr;

use super::address::socklen_of;
use super::{Socket, SocketError};
use crate::error::{CallError, Errno, Remedy, Unavailable};
use crate::tcp_info::TcpInfo;

/// The longest name of a congestion control (`TCP_CA_NAME_MAX`, linux/tcp.h).
const CONGESTION_NAME_BYTES: usize = 16;

/// A level and a name that `setsockopt` takes, and the name in words.
#[derive(Clone, Copy)]
struct OptionName {
    level: libc::c_int,
    name: libc::c_int,
    words: &'static str,
}

const NODELAY: OptionName =
    OptionName { level: libc::IPPROTO_TCP, name: libc::TCP_NODELAY, words: "TCP_NODELAY" };
const CONGESTION: OptionName =
    OptionName { level: libc::IPPROTO_TCP, name: libc::TCP_CONGESTION, words: "TCP_CONGESTION" };
const MAXIMUM_SEGMENT: OptionName =
    OptionName { level: libc::IPPROTO_TCP, name: libc::TCP_MAXSEG, words: "TCP_MAXSEG" };
const INFO: OptionName =
    OptionName { level: libc::IPPROTO_TCP, name: libc::TCP_INFO, words: "TCP_INFO" };
const SEND_BUFFER: OptionName =
    OptionName { level: libc::SOL_SOCKET, name: libc::SO_SNDBUF, words: "SO_SNDBUF" };
const RECEIVE_BUFFER: OptionName =
    OptionName { level: libc::SOL_SOCKET, name: libc::SO_RCVBUF, words: "SO_RCVBUF" };
const RECEIVE_LOW_WATER: OptionName =
    OptionName { level: libc::SOL_SOCKET, name: libc::SO_RCVLOWAT, words: "SO_RCVLOWAT" };
const ZEROCOPY: OptionName =
    OptionName { level: libc::SOL_SOCKET, name: libc::SO_ZEROCOPY, words: "SO_ZEROCOPY" };
const PACING_RATE: OptionName = OptionName {
    level: libc::SOL_SOCKET,
    name: libc::SO_MAX_PACING_RATE,
    words: "SO_MAX_PACING_RATE",
};
const BUSY_POLL: OptionName =
    OptionName { level: libc::SOL_SOCKET, name: libc::SO_BUSY_POLL, words: "SO_BUSY_POLL" };
const INCOMING_NAPI_ID: OptionName = OptionName {
    level: libc::SOL_SOCKET,
    name: libc::SO_INCOMING_NAPI_ID,
    words: "SO_INCOMING_NAPI_ID",
};
const REUSE_ADDRESS: OptionName =
    OptionName { level: libc::SOL_SOCKET, name: libc::SO_REUSEADDR, words: "SO_REUSEADDR" };
/// `ENOTSUPP` (include/linux/errno.h), which older kernels let out for SO_ZEROCOPY on a socket of another family.
const KERNELS_ENOTSUPP: i32 = 524;
const PEER_CREDENTIALS: OptionName =
    OptionName { level: libc::SOL_SOCKET, name: libc::SO_PEERCRED, words: "SO_PEERCRED" };
const PENDING_ERROR: OptionName =
    OptionName { level: libc::SOL_SOCKET, name: libc::SO_ERROR, words: "SO_ERROR" };

/// Why a socket may not be polled, with what would let it.
fn busy_poll_refusal(failed: CallError, micros: u32, busy_read: Option<&str>) -> SocketError {
    let remedy = match failed.errno.0 {
        libc::EPERM => Remedy {
            unlock: format!(
                "run as root (CAP_NET_ADMIN), or let sockets begin with it: sudo sysctl net.core.busy_read={micros}"
            ),
            undo: busy_read
                .map_or_else(String::new, |us| format!("sudo sysctl net.core.busy_read={us}")),
        },
        libc::ENOPROTOOPT => "use a kernel with CONFIG_NET_RX_BUSY_POLL".into(),
        _ => return SocketError::Failed(failed),
    };
    let CallError { call, argument, errno } = failed;
    SocketError::Unavailable(Unavailable {
        what: format!("{call}({argument})"),
        because: errno.to_string(),
        remedy,
    })
}

impl Socket {
    /// Sends small segments at once instead of waiting for acknowledgements (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP or ENOPROTOOPT on a socket that is not TCP.
    pub fn set_nodelay(&self, on: bool) -> Result<(), CallError> {
        self.set_int(NODELAY, i32::from(on))
    }

    /// Sends at once what waits for a full segment: `TCP_NODELAY` set, and set back to what it was
    /// (`__tcp_sock_set_nodelay`, net/ipv4/tcp.c). With Nagle's algorithm the end of a stream would wait for an
    /// acknowledgement that the peer delays by 40 ms. A socket that is not TCP holds nothing back.
    ///
    /// # Errors
    ///
    /// ENOTSOCK on what is no socket.
    pub fn push_out(&self) -> Result<(), CallError> {
        match self.nodelay() {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(failed) if failed.errno.0 == libc::EOPNOTSUPP => return Ok(()),
            Err(failed) => return Err(failed),
        }
        self.set_nodelay(true)?;
        self.set_nodelay(false)
    }

    /// Whether `TCP_NODELAY` is set.
    ///
    /// # Errors
    ///
    /// As [`Socket::set_nodelay`].
    pub fn nodelay(&self) -> Result<bool, CallError> {
        Ok(self.get_int(NODELAY)? != 0)
    }

    /// Bounds the payload of a segment, options included, and what the peer may send (`TCP_MAXSEG`); before connecting
    /// or listening, since both sides agree on it at the handshake. A path that takes less decides all the same.
    ///
    /// # Errors
    ///
    /// EINVAL below 88 (TCP_MIN_MSS) and above 32767 bytes (MAX_TCP_WINDOW, net/ipv4/tcp.c).
    pub fn set_maximum_segment(&self, bytes: u32) -> Result<(), CallError> {
        let value = i32::try_from(bytes).map_err(|_| CallError {
            call: "setsockopt",
            argument: format!("TCP_MAXSEG={bytes}"),
            errno: Errno(libc::EINVAL),
        })?;
        self.set_int(MAXIMUM_SEGMENT, value)
    }

    /// Sets the send buffer, which ends its autotuning. Answers what was granted, in the measure asked for:
    /// the kernel clips silently to `net.core.wmem_max` and raises to its minimum.
    ///
    /// # Errors
    ///
    /// EINVAL for more bytes than an `int` holds.
    pub fn set_send_buffer(&self, bytes: usize) -> Result<usize, CallError> {
        self.set_buffer(SEND_BUFFER, bytes)?;
        Ok(self.send_buffer()? / 2)
    }

    /// The send buffer in bytes as the kernel counts it: twice what was asked for, since its bookkeeping is
    /// counted in (socket(7)).
    ///
    /// # Errors
    ///
    /// ENOTSOCK on what is no socket.
    pub fn send_buffer(&self) -> Result<usize, CallError> {
        Ok(usize::try_from(self.get_int(SEND_BUFFER)?).unwrap_or(0))
    }

    /// Sets the receive buffer, which ends its autotuning; before connecting or listening, so that the
    /// window can be scaled to it. Answers what was granted, as [`Socket::set_send_buffer`] does
    /// (`net.core.rmem_max`).
    ///
    /// # Errors
    ///
    /// EINVAL for more bytes than an `int` holds.
    pub fn set_receive_buffer(&self, bytes: usize) -> Result<usize, CallError> {
        self.set_buffer(RECEIVE_BUFFER, bytes)?;
        Ok(self.receive_buffer()? / 2)
    }

    /// The receive buffer in bytes as the kernel counts it, see [`Socket::send_buffer`].
    ///
    /// # Errors
    ///
    /// ENOTSOCK on what is no socket.
    pub fn receive_buffer(&self) -> Result<usize, CallError> {
        Ok(usize::try_from(self.get_int(RECEIVE_BUFFER)?).unwrap_or(0))
    }

    /// Has a receive call wait for so many bytes, or for as many as it asks for where those are fewer (`SO_RCVLOWAT`); the
    /// receive buffer grows to hold them, up to `net.ipv4.tcp_rmem`, and what it cannot hold is not waited for
    /// (`tcp_set_rcvlowat`, net/ipv4/tcp.c). A thread that waits for bytes that are there by the new mark is woken. Answers what
    /// was granted.
    ///
    /// # Errors
    ///
    /// EINVAL for more bytes than an `int` holds.
    pub fn set_receive_low_water(&self, bytes: usize) -> Result<usize, CallError> {
        self.set_buffer(RECEIVE_LOW_WATER, bytes)?;
        self.receive_low_water()
    }

    /// How many bytes a receive call waits for.
    ///
    /// # Errors
    ///
    /// ENOTSOCK on what is no socket.
    pub fn receive_low_water(&self) -> Result<usize, CallError> {
        Ok(usize::try_from(self.get_int(RECEIVE_LOW_WATER)?).unwrap_or(0))
    }

    /// Chooses the congestion control by the kernel's name for it.
    ///
    /// # Errors
    ///
    /// EPERM (this user may not choose it) and ENOENT (unknown, or its module is not loaded) name their
    /// remedy.
    pub fn set_congestion(&self, name: &str) -> Result<(), SocketError> {
        // The kernel would take the first bytes of a longer name.
        let answer = if name.len() < CONGESTION_NAME_BYTES && !name.contains('\0') {
            self.set_bytes(CONGESTION, name.as_bytes(), name)
        } else {
            Err(CallError {
                call: "setsockopt",
                argument: format!("TCP_CONGESTION={name}"),
                errno: Errno(libc::ENOENT),
            })
        };
        answer.map_err(|failed| {
            SocketError::with_remedy(failed, &[
                (
                    libc::EPERM,
                    "choose one of net.ipv4.tcp_allowed_congestion_control, run as root, or add it there with \
                     sysctl",
                ),
                (
                    libc::ENOENT,
                    "choose one of net.ipv4.tcp_available_congestion_control, or load its module: \
                     sudo modprobe tcp_NAME",
                ),
            ])
        })
    }

    /// The congestion control's name.
    ///
    /// # Errors
    ///
    /// ENOPROTOOPT or EOPNOTSUPP on a socket that is not TCP.
    pub fn congestion(&self) -> Result<String, CallError> {
        let mut name = [0u8; CONGESTION_NAME_BYTES];
        let filled = self.get_bytes(CONGESTION, &mut name)?;
        let name = filled.split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    /// Allows `MSG_ZEROCOPY` to mean something (`SO_ZEROCOPY`). Without it the flag is ignored, and such a
    /// send is an ordinary copy without notification.
    ///
    /// # Errors
    ///
    /// [`SocketError::Unavailable`] when this kernel, family or protocol does not know it (ENOPROTOOPT,
    /// EOPNOTSUPP, EINVAL), [`SocketError::Failed`] for anything else.
    pub fn set_zerocopy(&self, on: bool) -> Result<(), SocketError> {
        self.set_int(ZEROCOPY, i32::from(on)).map_err(|failed| match failed.errno.0 {
            libc::ENOPROTOOPT | libc::EOPNOTSUPP | libc::EINVAL | KERNELS_ENOTSUPP => {
                SocketError::Unavailable(Unavailable {
                    what: "SO_ZEROCOPY".into(),
                    because: format!("the kernel refuses it on this socket: {}", failed.errno),
                    remedy: "use Linux 4.14 or later and a TCP socket".into(),
                })
            }
            _ => SocketError::Failed(failed),
        })
    }

    /// Sends no faster than so many bytes a second (`SO_MAX_PACING_RATE`); TCP paces itself, without a queueing discipline,
    /// from Linux 4.13 on (`sk_pacing_status`, net/core/sock.c).
    ///
    /// # Errors
    ///
    /// ENOPROTOOPT before Linux 3.13; EINVAL for more than 32 bits before 4.20, which knows no longer numbers.
    pub fn set_pacing_rate(&self, bytes_per_s: u64) -> Result<(), CallError> {
        // A longer number than the kernel reads would be cut to its low half.
        self.set_value(PACING_RATE, &bytes_per_s, || bytes_per_s.to_string())?;
        if self.pacing_rate()? == bytes_per_s {
            return Ok(());
        }
        let argument = format!("SO_MAX_PACING_RATE={bytes_per_s}");
        Err(CallError { call: "setsockopt", argument, errno: Errno(libc::EINVAL) })
    }

    /// Bytes a second that it sends at most; [`u64::MAX`] where nothing bounds it.
    ///
    /// # Errors
    ///
    /// As [`Socket::set_pacing_rate`].
    pub fn pacing_rate(&self) -> Result<u64, CallError> {
        let mut bytes = [0u8; size_of::<u64>()];
        match *self.get_bytes(PACING_RATE, &mut bytes)? {
            [a, b, c, d, e, f, g, h] => Ok(u64::from_ne_bytes([a, b, c, d, e, f, g, h])),
            // 32 bits, of which all are set where nothing bounds it.
            [a, b, c, d] => match u32::from_ne_bytes([a, b, c, d]) {
                u32::MAX => Ok(u64::MAX),
                rate => Ok(u64::from(rate)),
            },
            _ => Ok(u64::MAX),
        }
    }

    /// For how long a receive call that finds nothing looks for packets itself before it sleeps (`SO_BUSY_POLL`, socket(7)); 0 for
    /// not at all. Where the device under the connection has no NAPI ([`Socket::napi_id`]) it is taken and nothing comes of it
    /// (`sk_can_busy_loop`, `napi_busy_loop`, include/net/busy_poll.h).
    ///
    /// # Errors
    ///
    /// EPERM (older kernels let CAP_NET_ADMIN alone raise it above `net.core.busy_read`) and ENOPROTOOPT (a kernel without
    /// CONFIG_NET_RX_BUSY_POLL) as [`SocketError::Unavailable`], with the remedy.
    pub fn set_busy_poll(&self, micros: u32) -> Result<(), SocketError> {
        let value = i32::try_from(micros).unwrap_or(i32::MAX);
        self.set_int(BUSY_POLL, value).map_err(|failed| {
            let before = std::fs::read_to_string("/proc/sys/net/core/busy_read").ok();
            busy_poll_refusal(failed, micros, before.as_deref().map(str::trim))
        })
    }

    /// For how many microseconds a receive call looks for packets itself; 0 where it does not.
    ///
    /// # Errors
    ///
    /// ENOPROTOOPT on a kernel without CONFIG_NET_RX_BUSY_POLL.
    pub fn busy_poll(&self) -> Result<u32, CallError> {
        Ok(u32::try_from(self.get_int(BUSY_POLL)?).unwrap_or(0))
    }

    /// The NAPI (a device's queue, as the kernel polls it) that the last packet of this connection came through
    /// (`SO_INCOMING_NAPI_ID`); none where it came through none: loopback, unix sockets, a veth device that passes packets on
    /// without joining them.
    ///
    /// # Errors
    ///
    /// ENOPROTOOPT before Linux 4.12 and without CONFIG_NET_RX_BUSY_POLL.
    pub fn napi_id(&self) -> Result<Option<u32>, CallError> {
        Ok(u32::try_from(self.get_int(INCOMING_NAPI_ID)?).ok().filter(|id| *id != 0))
    }

    /// Whether `SO_ZEROCOPY` is set.
    ///
    /// # Errors
    ///
    /// ENOPROTOOPT on a kernel that does not know it.
    pub fn zerocopy(&self) -> Result<bool, CallError> {
        Ok(self.get_int(ZEROCOPY)? != 0)
    }

    /// Allows binding to a port whose old connections linger in TIME-WAIT (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// ENOTSOCK on what is no socket.
    pub fn set_reuse_address(&self, on: bool) -> Result<(), CallError> {
        self.set_int(REUSE_ADDRESS, i32::from(on))
    }

    /// Makes calls answer EAGAIN instead of blocking. Clones share this.
    ///
    /// # Errors
    ///
    /// None that is known for an open socket.
    pub fn set_nonblocking(&self, on: bool) -> Result<(), CallError> {
        let mut value = libc::c_int::from(on);
        // SAFETY: FIONBIO reads one int.
        match unsafe { libc::ioctl(self.raw(), libc::FIONBIO, ptr::from_mut(&mut value)) } {
            0 => Ok(()),
            _ => Err(CallError::last("ioctl", "FIONBIO")),
        }
    }

    /// The error that the connection died of, if any; asking clears it (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// ENOTSOCK on what is no socket.
    pub fn take_error(&self) -> Result<Option<Errno>, CallError> {
        let errno = self.get_int(PENDING_ERROR)?;
        Ok((errno != 0).then_some(Errno(errno)))
    }

    /// The user that the peer of a unix socket had when it connected, or listened (`SO_PEERCRED`, unix(7)).
    ///
    /// # Errors
    ///
    /// ENOTSOCK on what is no socket.
    pub fn peer_user(&self) -> Result<u32, CallError> {
        let mut bytes = [0u8; size_of::<libc::ucred>()];
        match *self.get_bytes(PEER_CREDENTIALS, &mut bytes)? {
            // struct ucred: pid, uid and gid, 32 bits each.
            [_, _, _, _, a, b, c, d, _, _, _, _] => Ok(u32::from_ne_bytes([a, b, c, d])),
            _ => Err(CallError {
                call: "getsockopt",
                argument: PEER_CREDENTIALS.words.into(),
                errno: Errno(libc::EINVAL),
            }),
        }
    }

    /// The kernel's view of the connection (`TCP_INFO`).
    ///
    /// # Errors
    ///
    /// ENOPROTOOPT or EOPNOTSUPP on a socket that is not TCP.
    pub fn tcp_info(&self) -> Result<TcpInfo, CallError> {
        // Longer than any kernel's struct so far, so that what is cut off is the kernel's doing, not ours.
        let mut buffer = [0u8; 512];
        self.get_bytes(INFO, &mut buffer).map(TcpInfo::parse)
    }

    /// Bytes that have arrived and were not received yet (`FIONREAD`, tcp(7)).
    ///
    /// # Errors
    ///
    /// EINVAL on a socket that listens.
    pub fn unread_bytes(&self) -> Result<u64, CallError> {
        let mut value: libc::c_int = 0;
        // SAFETY: FIONREAD writes one int.
        match unsafe { libc::ioctl(self.raw(), libc::FIONREAD, ptr::from_mut(&mut value)) } {
            0 => Ok(u64::try_from(value).unwrap_or(0)),
            _ => Err(CallError::last("ioctl", "FIONREAD")),
        }
    }

    /// Bytes that were accepted and the peer has not acknowledged, the end of the stream counted as one (`SIOCOUTQ`, tcp(7)).
    /// A connection that died keeps the figure that it had. Of a unix socket it is the memory of what the peer has not taken,
    /// bookkeeping included (`unix_outq_len`, net/unix/af_unix.c).
    ///
    /// # Errors
    ///
    /// EINVAL on a socket that listens.
    pub fn unacknowledged_bytes(&self) -> Result<u64, CallError> {
        let mut value: libc::c_int = 0;
        // SAFETY: SIOCOUTQ, which has the number of TIOCOUTQ (linux/sockios.h), writes one int.
        match unsafe { libc::ioctl(self.raw(), libc::TIOCOUTQ, ptr::from_mut(&mut value)) } {
            0 => Ok(u64::try_from(value).unwrap_or(0)),
            _ => Err(CallError::last("ioctl", "SIOCOUTQ")),
        }
    }

    fn set_buffer(&self, option: OptionName, bytes: usize) -> Result<(), CallError> {
        let value = i32::try_from(bytes).map_err(|_| CallError {
            call: "setsockopt",
            argument: format!("{}={bytes}", option.words),
            errno: Errno(libc::EINVAL),
        })?;
        self.set_int(option, value)
    }

    fn set_int(&self, option: OptionName, value: i32) -> Result<(), CallError> {
        self.set_value(option, &value, || value.to_string())
    }

    fn set_value<T: Copy>(
        &self,
        option: OptionName,
        value: &T,
        words: impl FnOnce() -> String,
    ) -> Result<(), CallError> {
        // SAFETY: the pointer and the length are those of a live plain C value, which is only read.
        let answer = unsafe {
            libc::setsockopt(
                self.raw(),
                option.level,
                option.name,
                ptr::from_ref(value).cast(),
                socklen_of::<T>(),
            )
        };
        match answer {
            0 => Ok(()),
            _ => Err(CallError::last("setsockopt", format!("{}={}", option.words, words()))),
        }
    }

    fn set_bytes(&self, option: OptionName, value: &[u8], words: &str) -> Result<(), CallError> {
        let length = libc::socklen_t::try_from(value.len()).unwrap_or(libc::socklen_t::MAX);
        // SAFETY: the pointer and the length are those of a live slice, which is only read.
        let answer = unsafe {
            libc::setsockopt(self.raw(), option.level, option.name, value.as_ptr().cast(), length)
        };
        match answer {
            0 => Ok(()),
            _ => Err(CallError::last("setsockopt", format!("{}={words}", option.words))),
        }
    }

    fn get_int(&self, option: OptionName) -> Result<i32, CallError> {
        let mut bytes = [0u8; size_of::<i32>()];
        self.get_bytes(option, &mut bytes)?;
        Ok(i32::from_ne_bytes(bytes))
    }

    /// The part of the buffer that the kernel filled.
    fn get_bytes<'a>(&self, option: OptionName, into: &'a mut [u8]) -> Result<&'a [u8], CallError> {
        let mut length = libc::socklen_t::try_from(into.len()).unwrap_or(libc::socklen_t::MAX);
        // SAFETY: the buffer and its length belong together and are ours to write; so is the length.
        let answer = unsafe {
            libc::getsockopt(
                self.raw(),
                option.level,
                option.name,
                into.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if answer != 0 {
            return Err(CallError::last("getsockopt", option.words));
        }
        let filled = usize::try_from(length).unwrap_or(0).min(into.len());
        Ok(&into[..filled])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_poll_is_told_what_lets_him_and_what_takes_that_back() {
        let refused = |errno: i32, busy_read| {
            let argument = "SO_BUSY_POLL=50".to_owned();
            let failed = CallError { call: "setsockopt", argument, errno: Errno(errno) };
            busy_poll_refusal(failed, 50, busy_read)
        };
        let SocketError::Unavailable(why) = refused(libc::EPERM, Some("0")) else {
            panic!("another error")
        };
        assert_eq!(why.what, "setsockopt(SO_BUSY_POLL=50)");
        assert!(why.remedy.unlock.contains("sudo sysctl net.core.busy_read=50"), "{why}");
        assert_eq!(why.remedy.undo, "sudo sysctl net.core.busy_read=0");
        assert!(!why.to_string().contains('\n'), "{why}");
        let why = refused(libc::ENOPROTOOPT, None).to_string();
        assert!(why.contains("CONFIG_NET_RX_BUSY_POLL"), "{why}");
        assert!(matches!(refused(libc::EINVAL, None), SocketError::Failed(_)));
    }
}
