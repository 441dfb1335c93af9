//! Names of hosts: which addresses they have.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
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
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![SocketAddr::new(address, port)]),
        Err(_) => asked(host, port),
    }
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
    fn a_number_is_an_address_without_asking_anybody() {
        for (host, address) in [("127.0.0.1", "127.0.0.1:4000"), ("::1", "[::1]:4000")] {
            assert_eq!(addresses(host, 4000).unwrap(), [address.parse::<SocketAddr>().unwrap()]);
        }
    }
}
