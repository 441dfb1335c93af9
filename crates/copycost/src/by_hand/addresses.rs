//! Where a server by hand listens, and where a client finds it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use engine::by_hand::PORT;
use model::Family;

use crate::exit::Stop;
use crate::host_names;

/// What a client connects to that is told nothing.
const HERE: &str = "localhost";

/// The addresses of a server: `HOST`, `HOST:PORT`, `ADDRESS` or `[ADDRESS]:PORT`, in the order in which the resolver has them; of
/// one family where one was asked for.
///
/// # Errors
/// It is no such text, names another port than the flag, or has no address.
pub(super) fn resolved(
    text: Option<&str>,
    port: Option<&str>,
    of: Option<Family>,
) -> Result<Vec<SocketAddr>, Stop> {
    let text = text.unwrap_or(HERE);
    let quoted = model::quoted(text);
    let (host, named) = parts(text).ok_or_else(|| {
        Stop::Usage(format!(
            "{quoted} names no server; write a host or an address and perhaps a port, such as localhost, 192.0.2.7:{PORT} or [::1]:{PORT}"
        ))
    })?;
    let flag = port.map(read_port).transpose()?;
    let port = match (named, flag) {
        (Some(named), Some(flag)) if named != flag => {
            return Err(Stop::Usage(format!(
                "--port: {flag} beside {quoted}, which names another; leave one of them out"
            )));
        }
        (named, flag) => named.or(flag).unwrap_or(PORT),
    };
    if port == 0 {
        return Err(Stop::Usage(
            "no server listens on port 0; name the one that serve printed".to_owned(),
        ));
    }
    let found = host_names::addresses(host, port).map_err(|why| {
        Stop::Usage(format!("{quoted} cannot be resolved ({why}); check the name, or give an address such as 192.0.2.7"))
    })?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if of.is_none_or(|family| self::family(address.ip()) == family)
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        let of = of.map_or(String::new(), |family| format!(" of the family {family}"));
        return Err(Stop::Usage(format!(
            "{quoted} has no address{of}; give another name or address"
        )));
    }
    Ok(addresses)
}

/// Host and port of a text.
fn parts(text: &str) -> Option<(&str, Option<u16>)> {
    let is_host = |host: &&str| !host.is_empty() && !host.contains(char::is_whitespace);
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(port.parse().ok()?),
            None if after.is_empty() => None,
            None => return None,
        };
        return Some((host, port)).filter(|(host, _)| host.contains(':') && is_host(host));
    }
    match text.split_once(':') {
        None => Some((text, None)),
        // An address of IPv6 without brackets has no port.
        Some((_, after)) if after.contains(':') => Some((text, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
    }
    .filter(|(host, _)| is_host(host))
}

/// A port as a flag gives it.
///
/// # Errors
/// It is none.
pub(super) fn read_port(text: &str) -> Result<u16, Stop> {
    text.parse().map_err(|_| {
        Stop::Usage(format!("--port: \"{text}\" is no port; write a number from 0 to 65535"))
    })
}

/// Where a server listens: at the address that it was told, or on loopback.
///
/// # Errors
/// It is no address.
pub(super) fn listening(listen: Option<&str>, port: u16) -> Result<Vec<SocketAddr>, Stop> {
    let ips: Vec<IpAddr> = match listen {
        Some(text) => vec![text.trim_matches(['[', ']']).parse().map_err(|_| {
            Stop::Usage(format!("--listen: \"{text}\" is no IP address, such as 0.0.0.0 or ::1"))
        })?],
        None => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
    };
    Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

pub(super) fn family(address: IpAddr) -> Family {
    match address {
        IpAddr::V4(_) => Family::Ipv4,
        IpAddr::V6(_) => Family::Ipv6,
    }
}

/// By which addresses one that listens can be reached; of one that stands for all of the machine's, those in `own`.
pub(super) fn reachable(address: SocketAddr, own: &[IpAddr]) -> Vec<SocketAddr> {
    if !address.ip().is_unspecified() {
        return vec![address];
    }
    let is_of = |ip: &&IpAddr| address.is_ipv6() || ip.is_ipv4();
    own.iter().filter(is_of).map(|ip| SocketAddr::new(*ip, address.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_as_people_name_servers() {
        for (text, is) in [
            ("host", Some(("host", None))),
            ("host:80", Some(("host", Some(80)))),
            ("10.0.0.1:80", Some(("10.0.0.1", Some(80)))),
            ("::1", Some(("::1", None))),
            ("fe80::1%eth0", Some(("fe80::1%eth0", None))),
            ("[::1]", Some(("::1", None))),
            ("[::1]:80", Some(("::1", Some(80)))),
            ("", None),
            (":80", None),
            ("host:", None),
            ("host:http", None),
            ("host:70000", None),
            ("[::1]80", None),
            ("[::1", None),
            ("[host]:80", None),
            ("a b", None),
        ] {
            assert_eq!(parts(text), is, "{text}");
        }
    }

    #[test]
    fn the_port_is_the_texts_or_the_flags_or_the_usual_one() {
        let ports = |text, port| {
            resolved(Some(text), port, None)
                .map(|found| found.iter().map(SocketAddr::port).collect::<Vec<_>>())
        };
        assert_eq!(ports("127.0.0.1", None), Ok(vec![PORT]));
        assert_eq!(ports("127.0.0.1", Some("9")), Ok(vec![9]));
        assert_eq!(ports("[::1]:8", None), Ok(vec![8]));
        assert_eq!(ports("127.0.0.1:8", Some("8")), Ok(vec![8]));
        for (text, port, part) in [
            ("127.0.0.1:8", Some("9"), "which names another"),
            ("127.0.0.1", Some("x"), "is no port"),
            ("127.0.0.1:0", None, "no server listens on port 0"),
        ] {
            let Err(Stop::Usage(why)) = ports(text, port) else { panic!("{text}: taken") };
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn an_address_of_another_family_than_was_asked_for_is_refused() {
        let Err(Stop::Usage(why)) = resolved(Some("127.0.0.1"), None, Some(Family::Ipv6)) else {
            panic!("it was taken")
        };
        assert!(why.contains("has no address of the family ipv6"), "{why}");
    }

    #[test]
    fn who_listens_on_all_addresses_is_reached_by_those_that_there_are() {
        let own: Vec<IpAddr> = ["10.0.0.1", "2001:db8::1"].map(|ip| ip.parse().unwrap()).to_vec();
        let of = |ip: &str| {
            let found = reachable(SocketAddr::new(ip.parse().unwrap(), 5), &own);
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("0.0.0.0"), ["10.0.0.1:5"]);
        assert_eq!(of("::"), ["10.0.0.1:5", "[2001:db8::1]:5"]);
        assert_eq!(of("10.9.9.9"), ["10.9.9.9:5"]);
        assert_eq!(of("::1"), ["[::1]:5"]);
    }
}
