//! The flags of another host.

use model::{Link, Peer, Plan, Preset};

use crate::exit::Stop;

/// Each flag names it: a heading of the group would go on to whatever stands after it.
const HEADING: &str = "Another host";

/// What the flags of another host said, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct PeerFlags {
    /// Another host, as ssh is given it, where the receiving end runs; implies --link ssh [default: none]
    #[arg(long, help_heading = HEADING, value_name = "HOST", allow_hyphen_values = true)]
    peer: Option<String>,
    /// Where the receiving end listens for data [default: the address of its host that ssh uses]
    #[arg(long, help_heading = HEADING, value_name = "IP", allow_hyphen_values = true)]
    data_address: Option<String>,
    /// Have the sending end run at the peer, and the receiving one here [default: off]
    #[arg(long, help_heading = HEADING, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    peer_sends: Option<String>,
}

impl PeerFlags {
    /// What was given, by the keys of a plan, in their order.
    pub(crate) fn given(&self) -> Vec<(&'static str, String)> {
        let texts = [&self.peer, &self.data_address, &self.peer_sends];
        Peer::KEYS.iter().zip(texts).filter_map(|(key, text)| Some((*key, text.clone()?))).collect()
    }

    /// The other host, where a command takes no plan.
    ///
    /// # Errors
    /// Wrong usage: the flag, and what is wrong with it.
    pub(crate) fn peer(&self) -> Result<Option<Peer>, Stop> {
        let mut plan = Plan::preset(Preset::Default);
        plan.set_peer(&self.given()).map_err(Stop::Usage)?;
        Ok(plan.peer)
    }
}

/// The links to another host.
pub(crate) fn links_to_a_peer() -> Vec<Link> {
    Link::ALL.iter().copied().filter(|link| link.capabilities().has_peer_host).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use crate::args::Arguments;

    #[test]
    fn under_the_heading_of_another_host_stand_its_flags_alone() {
        let command = Arguments::command();
        for name in ["run", "verify", "advise", "probe"] {
            let of = command.find_subcommand(name).unwrap();
            let under =
                of.get_arguments().filter(|it| it.get_help_heading() == Some(super::HEADING));
            let flags: Vec<&str> = under.map(|it| it.get_id().as_str()).collect();
            assert_eq!(flags, ["peer", "data_address", "peer_sends"], "{name}");
        }
        let heading = |flag: &str| {
            let run = command.find_subcommand("run").unwrap();
            run.get_arguments().find(|it| it.get_id() == flag).unwrap().get_help_heading()
        };
        assert_eq!((heading("out"), heading("seed")), (None, Some("Measuring")));
    }
}
