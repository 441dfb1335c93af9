//! Why another host was not reached, by the last lines of `ssh`, and what helps.

use model::Missing;

/// What `ssh` says, and what helps: the first that is found counts (OpenSSH's `sshconnect.c`, `sshconnect2.c`, `readconf.c`).
const REMEDIES: &[(&str, &str)] = &[
    ("Host key verification failed", "check the host's key, and connect once by hand: ssh PEER"),
    (
        "Permission denied",
        "have the host accept a key of yours (ssh-copy-id PEER, ssh-add): no password is asked for",
    ),
    (
        "Too many authentication failures",
        "name the key to use: IdentityFile and IdentitiesOnly in ~/.ssh/config",
    ),
    ("Could not resolve hostname", "name the host by its address, or in ~/.ssh/config"),
    ("Connection refused", "start sshd there, or name its port in ~/.ssh/config"),
    ("timed out", "check that the host is up, and that ssh PEER reaches it"),
    ("No route to host", "check that the host is up, and that ssh PEER reaches it"),
    ("Bad configuration option", "use OpenSSH 7.6 or later"),
    (
        "GLIBC_",
        "its C library is older than this one's: use the static binary (cargo run -p xtask -- dist), or one that was built there",
    ),
    ("head: not found", "install head (coreutils or busybox) there"),
];

/// Why a peer was not reached; `said` are the last lines of `ssh`'s standard error.
pub(super) fn refusal(peer: &str, because: String, said: &str) -> Missing {
    let of = |remedy: &str| remedy.replace("PEER", peer);
    let remedy = REMEDIES.iter().find(|(sign, _)| said.contains(sign) || because.contains(sign));
    let remedy = remedy.map_or_else(|| of("see what this says: ssh PEER true"), |it| of(it.1));
    Missing::of_itself(format!("peer {peer}")).because(because).unlocked_by(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_is_told_with_what_helps() {
        let told = |said: &str| refusal("u@h", said.to_owned(), said).to_string();
        let why = told("u@h: Permission denied (publickey).");
        assert!(why.contains("Permission denied (publickey)") && why.contains("ssh-copy-id u@h"));
        assert!(told("Host key verification failed.").contains("connect once by hand: ssh u@h"));
        assert!(told("something else").contains("ssh u@h true"));
        assert!(!told("x").contains('\n'));
    }
}
