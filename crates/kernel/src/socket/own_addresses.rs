//! The addresses by which others can reach this machine.

use std::net::{IpAddr, Ipv6Addr};
use std::ptr;

use super::address::RawAddress;
use crate::error::CallError;

/// The list of the C library, given back when it is done with.
struct List(*mut libc::ifaddrs);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: getifaddrs made the list, and nothing of it is kept.
        unsafe { libc::freeifaddrs(self.0) }
    }
}

/// Addresses of interfaces that are up, of global scope, in the kernel's order: neither loopback nor link-local ones, which
/// mean nothing to another machine (getifaddrs(3)).
///
/// # Errors
///
/// ENOMEM, or what refuses a netlink socket.
pub fn own_addresses() -> Result<Vec<IpAddr>, CallError> {
    let mut first = ptr::null_mut();
    // SAFETY: the out-pointer is live.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(CallError::last("getifaddrs", "the addresses of this machine"));
    }
    let list = List(first);
    let mut addresses = Vec::new();
    let mut next = list.0;
    while !next.is_null() {
        // SAFETY: a link of the list that `list` keeps alive.
        let link = unsafe { *next };
        next = link.ifa_next;
        let is_up = link.ifa_flags & libc::IFF_UP.cast_unsigned() != 0;
        if !is_up || link.ifa_addr.is_null() {
            continue;
        }
        // SAFETY: the list's addresses live as long as it does, each as long as its family says.
        let address = unsafe { RawAddress::copied(link.ifa_addr) };
        if let Ok(address) = address.decode()
            && is_global(address.ip())
            && !addresses.contains(&address.ip())
        {
            addresses.push(address.ip());
        }
    }
    Ok(addresses)
}

/// Whether an address means something on another machine.
fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => {
            let is_link_local = v6.segments()[0] & 0xffc0 == 0xfe80;
            !v6.is_loopback() && !is_link_local && v6 != Ipv6Addr::UNSPECIFIED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_mean_something_elsewhere_are_global() {
        for (text, is) in [
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("0.0.0.0", false),
            ("192.168.1.2", true),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("febf::1", false),
            ("fec0::1", true),
            ("2001:db8::1", true),
        ] {
            assert_eq!(is_global(text.parse().unwrap()), is, "{text}");
        }
    }

    #[test]
    fn the_kernel_is_asked_and_names_each_address_once() {
        let addresses = own_addresses().unwrap();
        assert!(addresses.iter().all(|address| is_global(*address)), "{addresses:?}");
        let mut once = addresses.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), addresses.len());
    }
}
