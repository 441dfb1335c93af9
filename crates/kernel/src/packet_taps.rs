//! Packet sockets that are shown every packet, as tcpdump's: what is passed by reference is copied for them.

use std::{fs, io};

use crate::error::Unavailable;

/// The packet sockets of the calling thread's network namespace (net/packet/af_packet.c, `packet_seq_show`).
const PACKET: &str = "/proc/thread-self/net/packet";
/// `ETH_P_ALL` (linux/if_ether.h): such sockets alone are shown what leaves (`dev_queue_xmit_nit`, net/core/dev.c), and what comes
/// before any classifier.
const EVERY_PROTOCOL: u16 = 3;
/// The loopback device of each namespace (`LOOPBACK_IFINDEX`, net/flow.h).
const LOOPBACK: u32 = 1;

/// How many are shown every packet of some device but loopback, in the calling thread's network namespace. The kernel makes
/// a copy of pages that are passed by reference before it shows a packet to one (`skb_orphan_frags_rx`), also where the
/// socket's filter then drops it.
///
/// # Errors
/// No /proc, or another text than expected.
pub fn count() -> Result<u32, Unavailable> {
    let failed = |because: String| Unavailable {
        what: "packet sockets".to_owned(),
        because: format!("{PACKET}: {because}"),
        remedy: "mount /proc".into(),
    };
    match fs::read_to_string(PACKET) {
        Ok(text) => count_in(&text).map_err(failed),
        // A kernel without packet sockets has none.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && fs::exists("/proc/thread-self/net/dev").unwrap_or(false) =>
        {
            Ok(0)
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Lines of `sk RefCnt Type Proto Iface R Rmem User Inode`: protocol in hexadecimal, the device's number or 0 for all, and
/// whether it is running.
fn count_in(text: &str) -> Result<u32, String> {
    let mut count = 0;
    for line in text.lines().skip(1) {
        let mut columns = line.split_ascii_whitespace().skip(3);
        let mut column =
            || columns.next().ok_or_else(|| format!("a line with too few columns: {line:?}"));
        let (protocol, device, running) = (column()?, column()?, column()?);
        let number = |_| format!("a line with no numbers: {line:?}");
        let protocol = u16::from_str_radix(protocol, 16).map_err(number)?;
        let device: u32 = device.parse().map_err(number)?;
        count += u32::from(protocol == EVERY_PROTOCOL && device != LOOPBACK && running == "1");
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n";

    #[test]
    fn only_running_sockets_of_every_protocol_are_shown_all() {
        let with = |line: &str| count_in(&format!("{HEAD}{line}"));
        assert_eq!(with(""), Ok(0));
        assert_eq!(
            with("0000000000000000 3      3    0003   2     1 0      0      34567\n"),
            Ok(1)
        );
        assert_eq!(
            with("0000000000000000 3      2    0003   0     1 0      0      34567\n"),
            Ok(1)
        );
        // Of IPv4 alone, of no protocol as a sender's, not running, of loopback.
        for other in ["0800   2     1", "0000   2     0", "0003   2     0", "0003   1     1"] {
            assert_eq!(
                with(&format!("0000000000000000 3 3 {other} 0 0 34567\n")),
                Ok(0),
                "{other}"
            );
        }
        assert!(with("0000000000000000 3 3\n").is_err());
        assert!(with("0000000000000000 3 3 zz 2 1 0 0 1\n").is_err());
    }
}
