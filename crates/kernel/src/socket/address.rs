//! Socket addresses in the kernel's format and in Rust's.

use std::fmt;
use std::mem::{self, offset_of, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::str::FromStr;

use crate::error::Errno;

/// Where a stream socket listens, or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP port of an address.
    Inet(SocketAddr),
    /// A name in the network namespace's list of abstract ones (unix(7)): it lies in no file system, and is gone with the last
    /// descriptor of who listens.
    Unix(UnixName),
}

/// A name that the kernel chose when a socket was bound to none in particular: five digits, of which no two sockets have the
/// same (`unix_autobind`, net/unix/af_unix.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixName {
    /// None yet: the kernel shall choose.
    digits: Option<[u8; UNIX_DIGITS]>,
}

/// Digits of a name that the kernel chose.
const UNIX_DIGITS: usize = 5;

impl Address {
    /// A unix address that the kernel chooses when a socket is bound to it.
    pub const ANY_UNIX: Self = Self::Unix(UnixName { digits: None });

    /// The TCP port; none of a unix socket.
    pub const fn port(&self) -> Option<u16> {
        match self {
            Self::Inet(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }

    /// The TCP address.
    pub const fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

/// As `ss -x` writes it: `@` and the name.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(UnixName { digits }) => {
                write!(f, "@{}", String::from_utf8_lossy(digits.as_ref().map_or(&[], |it| it)))
            }
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(name) = text.strip_prefix('@') else {
            return text.parse().map(Self::Inet).map_err(|why| format!("{text:?}: {why}"));
        };
        if name.is_empty() {
            return Ok(Self::ANY_UNIX);
        }
        match <[u8; UNIX_DIGITS]>::try_from(name.as_bytes()) {
            Ok(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {
                Ok(Self::Unix(UnixName { digits: Some(digits) }))
            }
            Ok(_) | Err(_) => Err(format!("{text:?} is no name that the kernel chose")),
        }
    }
}

/// A `sockaddr` of a family that is used here, and its length.
pub(super) struct RawAddress {
    storage: libc::sockaddr_storage,
    length: libc::socklen_t,
}

/// The size of a C struct as `socklen_t`.
pub(super) fn socklen_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(libc::socklen_t::MAX)
}

impl RawAddress {
    /// Room for an answer.
    pub(super) fn empty() -> Self {
        // SAFETY: sockaddr_storage is plain bytes for which all zeros is valid (AF_UNSPEC).
        let storage = unsafe { mem::zeroed() };
        Self { storage, length: socklen_of::<libc::sockaddr_storage>() }
    }

    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub(super) fn length(&self) -> libc::socklen_t {
        self.length
    }

    /// Pointers that a call may write the address and its length to.
    pub(super) fn as_out_pointers(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        ((&raw mut self.storage).cast(), &raw mut self.length)
    }

    /// A copy of an address that the kernel or the C library made.
    ///
    /// # Safety
    ///
    /// `from` points to a live `sockaddr` of the size that its family has.
    pub(super) unsafe fn copied(from: *const libc::sockaddr) -> Self {
        let mut raw = Self::empty();
        // SAFETY: the caller vouches for a live sockaddr, whose family every one of them begins with.
        let length = match libc::c_int::from(unsafe { (*from).sa_family }) {
            libc::AF_INET => size_of::<libc::sockaddr_in>(),
            libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
            _ => size_of::<libc::sa_family_t>(),
        };
        // SAFETY: the caller vouches for so many bytes, and sockaddr_storage is at least as long.
        unsafe { from.cast::<u8>().copy_to((&raw mut raw.storage).cast(), length) };
        raw.length = libc::socklen_t::try_from(length).unwrap_or(0);
        raw
    }

    /// The address of a unix socket; EAFNOSUPPORT for one of another family, or one with another kind of name.
    pub(super) fn decode_unix(&self) -> Result<Address, Errno> {
        let refused = Err(Errno(libc::EAFNOSUPPORT));
        if libc::c_int::from(self.storage.ss_family) != libc::AF_UNIX {
            return refused;
        }
        // SAFETY: sockaddr_storage is larger than sockaddr_un, aligned for it, and initialised.
        let unix = unsafe { (&raw const self.storage).cast::<libc::sockaddr_un>().read() };
        let named = usize::try_from(self.length).unwrap_or(0);
        let name = named.checked_sub(offset_of!(libc::sockaddr_un, sun_path)).unwrap_or(0);
        // An abstract name begins with a zero byte.
        match unix.sun_path.get(..name) {
            Some([0, digits @ ..]) if digits.len() == UNIX_DIGITS => {
                let mut chosen = [0; UNIX_DIGITS];
                // A C character is signed on some machines.
                for (to, from) in chosen.iter_mut().zip(digits) {
                    [*to] = from.to_ne_bytes();
                }
                Ok(Address::Unix(UnixName { digits: Some(chosen) }))
            }
            Some(_) | None => refused,
        }
    }

    /// The address; EAFNOSUPPORT for one that is neither IPv4 nor IPv6.
    pub(super) fn decode(&self) -> Result<SocketAddr, Errno> {
        match libc::c_int::from(self.storage.ss_family) {
            libc::AF_INET if self.length >= socklen_of::<libc::sockaddr_in>() => {
                // SAFETY: sockaddr_storage is larger than sockaddr_in, aligned for it, and initialised.
                let v4 = unsafe { (&raw const self.storage).cast::<libc::sockaddr_in>().read() };
                let address = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Ok(SocketAddrV4::new(address, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 if self.length >= socklen_of::<libc::sockaddr_in6>() => {
                // SAFETY: sockaddr_storage is larger than sockaddr_in6, aligned for it, and initialised.
                let v6 = unsafe { (&raw const self.storage).cast::<libc::sockaddr_in6>().read() };
                Ok(SocketAddrV6::new(
                    Ipv6Addr::from(v6.sin6_addr.s6_addr),
                    u16::from_be(v6.sin6_port),
                    v6.sin6_flowinfo,
                    v6.sin6_scope_id,
                )
                .into())
            }
            _ => Err(Errno(libc::EAFNOSUPPORT)),
        }
    }
}

impl From<SocketAddr> for RawAddress {
    fn from(address: SocketAddr) -> Self {
        let mut raw = Self::empty();
        match address {
            SocketAddr::V4(v4) => {
                let value = libc::sockaddr_in {
                    sin_family: family(libc::AF_INET),
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                    sin_zero: [0; 8],
                };
                // SAFETY: sockaddr_storage is larger than sockaddr_in and aligned for it.
                unsafe { (&raw mut raw.storage).cast::<libc::sockaddr_in>().write(value) };
                raw.length = socklen_of::<libc::sockaddr_in>();
            }
            SocketAddr::V6(v6) => {
                let value = libc::sockaddr_in6 {
                    sin6_family: family(libc::AF_INET6),
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                    sin6_scope_id: v6.scope_id(),
                };
                // SAFETY: sockaddr_storage is larger than sockaddr_in6 and aligned for it.
                unsafe { (&raw mut raw.storage).cast::<libc::sockaddr_in6>().write(value) };
                raw.length = socklen_of::<libc::sockaddr_in6>();
            }
        }
        raw
    }
}

impl From<UnixName> for RawAddress {
    fn from(UnixName { digits }: UnixName) -> Self {
        let mut raw = Self::empty();
        // SAFETY: sockaddr_un is a plain C struct for which all zeros is valid.
        let mut value: libc::sockaddr_un = unsafe { mem::zeroed() };
        value.sun_family = family(libc::AF_UNIX);
        let before = offset_of!(libc::sockaddr_un, sun_path);
        // A family alone, without a name, asks the kernel for one (unix(7), "autobind").
        let length = digits.map_or(before, |digits| {
            for (to, from) in value.sun_path.iter_mut().skip(1).zip(digits) {
                *to = libc::c_char::from_ne_bytes([from]);
            }
            before + 1 + UNIX_DIGITS
        });
        // SAFETY: sockaddr_storage is larger than sockaddr_un and aligned for it.
        unsafe { (&raw mut raw.storage).cast::<libc::sockaddr_un>().write(value) };
        raw.length = libc::socklen_t::try_from(length).unwrap_or(0);
        raw
    }
}

impl From<Address> for RawAddress {
    fn from(address: Address) -> Self {
        match address {
            Address::Inet(address) => address.into(),
            Address::Unix(name) => name.into(),
        }
    }
}

fn family(value: libc::c_int) -> libc::sa_family_t {
    libc::sa_family_t::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_into_the_kernels_format_and_back() {
        for text in ["127.0.0.1:1", "255.1.2.3:65535", "[::1]:80", "[fe80::1%7]:4242", "[::]:0"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(RawAddress::from(address).decode(), Ok(address), "{text}");
        }
    }

    #[test]
    fn a_name_that_the_kernel_chose_survives_both_ways_and_nothing_else_is_one() {
        let name: Address = "@0f3cc".parse().unwrap();
        assert_eq!(RawAddress::from(name).decode_unix(), Ok(name));
        assert_eq!((name.to_string().as_str(), name.port()), ("@0f3cc", None));
        assert_eq!("@".parse(), Ok(Address::ANY_UNIX));
        assert_eq!(RawAddress::from(Address::ANY_UNIX).length(), 2);
        assert_eq!("127.0.0.1:1".parse::<Address>().unwrap().port(), Some(1));
        for wrong in ["@0f3c", "@0f3ccc", "@/tmp/", "0f3cc", ""] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong:?}");
        }
        assert_eq!(RawAddress::empty().decode_unix(), Err(Errno(libc::EAFNOSUPPORT)));
        assert_eq!(RawAddress::from(name).decode(), Err(Errno(libc::EAFNOSUPPORT)));
    }

    #[test]
    fn an_address_of_no_family_or_cut_short_is_refused() {
        assert_eq!(RawAddress::empty().decode(), Err(Errno(libc::EAFNOSUPPORT)));
        let mut cut = RawAddress::from("[::1]:80".parse::<SocketAddr>().unwrap());
        cut.length = socklen_of::<libc::sockaddr_in>();
        assert_eq!(cut.decode(), Err(Errno(libc::EAFNOSUPPORT)));
    }
}
