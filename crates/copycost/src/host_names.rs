//! Names of hosts: which addresses they have.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs as _};
use std::process::Command;

/// The addresses of a host, a number or a name, each with a port.
///
/// A static binary asks the system's own `getent` for names: what `/etc/nsswitch.conf` names would be loaded into it, made for
/// another version of the C library than is built in.
///
/// # Errors
/// What is not resolved, in the words of who was asked.
pub(crate) fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if !cfg!(target_feature = "crt-static") {
        return (host, port).to_socket_addrs().map(Iterator::collect);
    }
    match (host.parse::<IpAddr>(), scoped(host, port)) {
        (Ok(address), _) => Ok(vec![SocketAddr::new(address, port)]),
        (Err(_), Some(address)) => address.map(|address| vec![address]),
        (Err(_), None) => asked(host, port),
    }
}

/// An address with the device that it is to be reached by, a name or a number (RFC 4007, 11): `fe80::1%eth0`. None of other text.
fn scoped(host: &str, port: u16) -> Option<io::Result<SocketAddr>> {
    let (address, device) = host.split_once('%')?;
    let address = address.parse::<Ipv6Addr>().ok()?;
    let of_scope = |scope| SocketAddr::V6(SocketAddrV6::new(address, port, 0, scope));
    Some(match device.parse::<u32>() {
        Ok(number) => Ok(of_scope(number)),
        Err(_) => engine::host::device_number(device).map(of_scope).map_err(io::Error::other),
    })
}

/// What `getent` says of a host.
fn asked(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    // No name begins like an option.
    if host.starts_with('-') {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let answer = Command::new("getent")
        .args(["ahosts", host])
        .output()
        .map_err(|why| io::Error::new(why.kind(), format!("getent: {why}")))?;
    let found = listed(&String::from_utf8_lossy(&answer.stdout), port);
    // It prints nothing where there is no such name (getent(1): exit status 2).
    if found.is_empty() { Err(io::Error::other("getent finds no such host")) } else { Ok(found) }
}

/// The addresses at the beginnings of lines, each once: `getent ahosts` has one for each kind of socket.
fn listed(text: &str, port: u16) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = Vec::new();
    for line in text.lines() {
        let first = line.split_ascii_whitespace().next();
        let address = first.and_then(|word| word.parse::<IpAddr>().ok());
        let address = address.map(|address| SocketAddr::new(address, port));
        found.extend(address.filter(|address| !found.contains(address)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_of_a_host_is_told_once() {
        let text = "::1             STREAM localhost\n::1             DGRAM  \n127.0.0.1       STREAM \nnonsense\n\n";
        let addresses = ["[::1]:7", "127.0.0.1:7"].map(|text| text.parse::<SocketAddr>().unwrap());
        assert_eq!(listed(text, 7), addresses);
        assert_eq!(listed("", 7), []);
    }

    #[test]
    fn getent_knows_this_machine_and_no_name_becomes_its_option() {
        match asked("localhost", 7) {
            Ok(found) => assert!(found.iter().all(|address| address.ip().is_loopback())),
            Err(why) => eprintln!("skipped: {why}"),
        }
        assert!(asked("nobody.invalid", 7).is_err());
        assert_eq!(asked("--version", 7).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn an_address_may_name_the_device_that_reaches_it() {
        let told = |host| scoped(host, 7).map(|found| found.map_err(|why| why.to_string()));
        let address =
            |scope| Some(Ok(SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 0, scope).into()));
        assert_eq!(told("fe80::1%3"), address(3));
        assert_eq!(told("fe80::1%lo"), address(1));
        let unknown = told("fe80::1%nowhere0").unwrap().unwrap_err();
        assert!(unknown.contains("if_nametoindex(nowhere0)"), "{unknown}");
        for other in ["fe80::1", "localhost", "localhost%lo", "127.0.0.1%lo", "%lo"] {
            assert_eq!(told(other), None, "{other}");
        }
    }

    #[test]
    fn a_number_is_an_address_without_asking_anybody() {
        for (host, address) in [("127.0.0.1", "127.0.0.1:4000"), ("::1", "[::1]:4000")] {
            assert_eq!(addresses(host, 4000).unwrap(), [address.parse::<SocketAddr>().unwrap()]);
        }
    }
}
