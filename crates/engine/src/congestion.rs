//! Which congestion control a run uses: one for all its cells, set explicitly, and said.

use std::net::{Ipv4Addr, SocketAddr};

use kernel::socket::Socket;
use model::values::Congestion;

/// What each choice stands for on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CongestionChoice {
    /// The system's default.
    pub system: String,
    /// What `auto` stands for: CUBIC if every user may set it, else Reno, else the system's. It is the same for root and
    /// for others, so that their figures compare.
    pub auto: String,
}

/// The congestion controls that every user may set, where the machine tells (tcp(7)).
const ALLOWED: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";

fn probe() -> Result<Socket, String> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Socket::stream(any).map_err(|error| error.to_string())
}

impl CongestionChoice {
    /// Asks the kernel.
    ///
    /// # Errors
    /// No TCP socket can be made.
    pub fn find() -> Result<Self, String> {
        let system = probe()?.congestion().map_err(|error| error.to_string())?;
        let allowed = std::fs::read_to_string(ALLOWED).ok();
        let is_for_all = |name: &str| {
            allowed.as_ref().is_none_or(|names| names.split_whitespace().any(|it| it == name))
        };
        let auto = ["cubic", "reno"]
            .into_iter()
            .find(|name| is_for_all(name) && Self::may_set(name).is_ok());
        Ok(Self { auto: auto.map_or_else(|| system.clone(), str::to_owned), system })
    }

    /// Whether this user may set a congestion control.
    ///
    /// # Errors
    /// Why not, with the remedy.
    pub(crate) fn may_set(name: &str) -> Result<(), String> {
        probe()?.set_congestion(name).map_err(|error| error.to_string())
    }

    /// The name to set for a cell.
    pub fn resolve(&self, choice: &Congestion) -> String {
        match choice {
            Congestion::Auto => self.auto.clone(),
            Congestion::System => self.system.clone(),
            Congestion::Named(name) => name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_one_that_every_user_may_set() {
        let choice = CongestionChoice::find().unwrap();
        match std::fs::read_to_string(ALLOWED) {
            Ok(names) => {
                assert!(
                    names.split_whitespace().any(|name| name == choice.auto),
                    "{choice:?} {names}"
                );
            }
            Err(why) => eprintln!("skipped: {ALLOWED}: {why}"),
        }
        assert_eq!(CongestionChoice::may_set(&choice.auto), Ok(()));
    }
}
