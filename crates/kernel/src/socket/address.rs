//! Socket addresses in the kernel's format and in Rust's.

use std::mem::{self, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::error::Errno;

/// A `sockaddr` of either family, and its length.
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

    /// The address, if the call that wrote it succeeded.
    pub(super) fn decode_if(&self, answer: libc::c_int) -> Result<SocketAddr, Errno> {
        if answer == 0 { self.decode() } else { Err(Errno::last()) }
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
    fn an_address_of_no_family_or_cut_short_is_refused() {
        assert_eq!(RawAddress::empty().decode(), Err(Errno(libc::EAFNOSUPPORT)));
        let mut cut = RawAddress::from("[::1]:80".parse::<SocketAddr>().unwrap());
        cut.length = socklen_of::<libc::sockaddr_in>();
        assert_eq!(cut.decode(), Err(Errno(libc::EAFNOSUPPORT)));
    }
}
