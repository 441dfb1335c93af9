//! Whether sockets of this user may be polled (`--busy-poll`).

use std::net::{Ipv4Addr, SocketAddr};

use kernel::socket::{Socket, SocketError};
use model::Missing;
use model::values::BusyPoll;

use crate::error::missing;

/// Whether this user may have a receive call look for packets itself for so long. Whether it then does is the device's matter, and
/// shows in the record ([`model::record::SocketFacts::napi_id`]).
///
/// # Errors
/// Why not, what gives it and what takes that back.
pub(crate) fn may_set(asked: BusyPoll) -> Result<(), Missing> {
    if asked == BusyPoll::Auto {
        return Ok(());
    }
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let set = Socket::stream(any).and_then(|socket| socket.set_busy_poll(asked.micros()));
    set.map_err(|error| match error {
        SocketError::Unavailable(why) => missing(why),
        SocketError::Failed(_) => Missing::from(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_for_none_may_have_it_and_others_are_told_what_lets_them() {
        assert_eq!(may_set(BusyPoll::Auto), Ok(()));
        if let Err(why) = may_set("50us".parse().unwrap()) {
            assert!(!why.because.is_empty() && !why.unlock.is_empty(), "{why:?}");
        }
    }
}
