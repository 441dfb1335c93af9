//! The other host of a link whose far end runs there.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::names::{Link, Switch};
use crate::quoted;

/// How the other host is called: what is given to `ssh` as its destination.
///
/// `ssh` may hand it to a shell of the user's own (`ProxyCommand … %h`), and reads what begins with a hyphen as an option: neither
/// can be made of these characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerName(String);

/// The longest: a name of the DNS has 253 characters, a user's at most 32.
const LONGEST_NAME: usize = 300;

impl PeerName {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PeerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| Err(format!("{text:.80?} is no host for ssh: {why}; name it as user@host"));
        let text = text.trim();
        if text.is_empty() {
            return wrong("it is empty");
        }
        if text.len() > LONGEST_NAME {
            return wrong("it is too long");
        }
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-+=@:/[]%,".contains(c);
        if let Some(other) = text.chars().find(|c| !is_allowed(*c)) {
            return wrong(&format!("{other:?} may not stand in it"));
        }
        let bare = text.strip_prefix("ssh://").unwrap_or(text);
        if bare.split(['@', '/']).any(|part| part.starts_with('-')) {
            return wrong("what begins with a hyphen is an option");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The other host, and how data goes between it and this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What `ssh` is given.
    pub name: PeerName,
    /// Where the receiving end listens; none: at the address of its host that `ssh` itself uses.
    pub data_address: Option<IpAddr>,
    /// Whether the sending end runs there, and the receiving one here.
    pub sends: bool,
}

impl Peer {
    /// The flags that name it: `--peer user@host --peer-sends`.
    pub fn flags(&self) -> String {
        let data = self.data_address.map(|address| format!(" --data-address {address}"));
        let sends = if self.sends { " --peer-sends" } else { "" };
        format!("--peer {}{}{sends}", self.name, data.unwrap_or_default())
    }

    /// Why these links cannot be measured beside it. What the machine does beside the ends, and which CPUs they may use, is read once
    /// for a run: of one link.
    pub fn beside_links(&self, links: &[Link]) -> String {
        let has_peer = |link: &Link| link.capabilities().has_peer_host;
        let names = |links: &mut dyn Iterator<Item = Link>| {
            links.map(Link::name).collect::<Vec<_>>().join(",")
        };
        format!(
            "--peer {} and --link {} exclude each other, as a run to another host has the link {} alone: leave one of the two out",
            self.name,
            names(&mut links.iter().copied().filter(|link| !has_peer(link))),
            names(&mut Link::ALL.iter().copied().filter(has_peer))
        )
    }

    /// Keys of a plan, in the order in which they are written.
    pub const KEYS: &'static [&'static str] = &["peer", "data-address", "peer-sends"];
}

/// What of a peer was named so far: its parts come one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerParts {
    name: Option<PeerName>,
    data_address: Option<IpAddr>,
    sends: Option<bool>,
}

impl PeerParts {
    /// Of a peer that was named as a whole.
    pub(crate) fn of(peer: Option<&Peer>) -> Self {
        Self {
            name: peer.map(|peer| peer.name.clone()),
            data_address: peer.and_then(|peer| peer.data_address),
            sends: peer.map(|peer| peer.sends),
        }
    }

    /// Sets one part by its key in a plan.
    pub(crate) fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            "peer" if text.trim() == "none" => *self = Self::default(),
            "peer" => self.name = Some(text.parse()?),
            "data-address" if text.trim() == "auto" => self.data_address = None,
            "data-address" => {
                let address = text.trim().parse().map_err(|_| {
                    format!(
                        "{} is no IP address, such as 10.0.0.2, nor auto, the one that ssh uses",
                        quoted(text)
                    )
                })?;
                self.data_address = Some(address);
            }
            "peer-sends" => self.sends = Some(text.parse::<Switch>()?.is_on()),
            _ => return Err(format!("{} is no key of a peer", quoted(key))),
        }
        Ok(())
    }

    /// The peer, where one was named.
    pub(crate) fn whole(self) -> Result<Option<Peer>, String> {
        match self {
            Self { name: Some(name), data_address, sends } => {
                Ok(Some(Peer { name, data_address, sends: sends.unwrap_or(false) }))
            }
            Self { name: None, data_address: None, sends: None | Some(false) } => Ok(None),
            Self { name: None, data_address: Some(address), .. } => {
                Err(format!("data-address {address} is of no peer; add --peer user@host"))
            }
            Self { name: None, .. } => {
                Err("peer-sends: there is no peer; add --peer user@host".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_neither_an_option_nor_shell_code() {
        for good in ["host", "user@host", "u.x_y@10.0.0.2", "ssh://u@[fe80::1%eth0]:2222", "a-b"] {
            assert_eq!(good.parse::<PeerName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            " ",
            "-oProxyCommand=x",
            "user@-oProxyCommand=x",
            "ssh://-x",
            "ssh://u@-x",
            "a b",
            "a;b",
            "$(id)",
            "`id`",
            "a'b",
            "a\"b",
            "a|b",
            "a&b",
            "a>b",
            "a\nb",
            "a\\b",
            "host\0",
            "~",
            "*",
            "!x",
            "ü",
        ] {
            let why = bad.parse::<PeerName>().unwrap_err();
            assert!(why.contains("user@host") && !why.contains('\n'), "{bad:?}: {why}");
        }
        assert!("x".repeat(301).parse::<PeerName>().is_err());
    }

    #[test]
    fn parts_without_a_peer_are_refused() {
        let mut parts = PeerParts::default();
        assert_eq!(parts.clone().whole(), Ok(None));
        parts.set("data-address", "10.0.0.2").unwrap();
        assert!(parts.clone().whole().unwrap_err().contains("--peer user@host"));
        parts.set("peer", "h").unwrap();
        parts.set("peer-sends", "on").unwrap();
        let peer = parts.clone().whole().unwrap().unwrap();
        assert_eq!(peer.flags(), "--peer h --data-address 10.0.0.2 --peer-sends");
        assert!(peer.sends && peer.data_address == "10.0.0.2".parse().ok());
        assert!(parts.set("data-address", "10.0.0").is_err());
        parts.set("peer", "none").unwrap();
        assert_eq!(parts.whole(), Ok(None));
    }
}
