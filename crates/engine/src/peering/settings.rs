//! How the other host is reached.

use std::process::Command;

/// The words of the command that is started in place of `ssh`, such as `ssh -F file`.
pub const SSH_COMMAND: &str = "COPYCOST_SSH";

/// What the user's own settings are overruled in: nobody is there to answer questions, what was meant for a terminal would stand
/// in the protocol's way, and a connection that is gone must be noticed. Everything else (keys, jump hosts, ports) is the user's.
const OPTIONS: &[&str] = &[
    "BatchMode=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ClearAllForwardings=yes",
    // A connection that is shared already may be used, and none is left for others to share.
    "ControlMaster=no",
    "RemoteCommand=none",
    "RequestTTY=no",
];

/// The command that has a shell of the peer run what its standard input begins with: `script_bytes` of it.
///
/// The peer is the last word before what runs there, after `--`: it is no option whatever it is. What runs there has no character
/// that any login shell would take for its own.
pub(crate) fn ssh(words: &[String], peer: &str, script_bytes: usize) -> Command {
    let (program, first) = match words {
        [] => ("ssh", &[][..]),
        [program, first @ ..] => (program.as_str(), first),
    };
    let mut command = Command::new(program);
    command.args(first).args(["-T", "-a", "-x"]);
    for option in OPTIONS {
        command.args(["-o", option]);
    }
    command.arg("--").arg(peer);
    command.arg(format!("exec sh -c 'eval \"$(head -c {script_bytes})\"'"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_is_one_word_after_the_options() {
        let words = ["ssh", "-F", "file"].map(str::to_owned);
        let command = ssh(&words, "user@host", 7);
        let words: Vec<&str> = command.get_args().filter_map(|word| word.to_str()).collect();
        let at = words.iter().position(|word| *word == "--").unwrap();
        assert_eq!(words[..2], ["-F", "file"]);
        assert_eq!(words[at + 1], "user@host");
        assert_eq!(words[at + 2..], ["exec sh -c 'eval \"$(head -c 7)\"'"]);
    }
}
