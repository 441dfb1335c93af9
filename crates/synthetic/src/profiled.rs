//! Audit trials with made samples: loopback as it was once seen, in rough.

use model::audit::{Audited, Owner, Profile, Stack};
use model::record::Settings;
use model::{Audit, Bytes, Cell, Link, Measured, Nanos, SendPath};

/// An audit trial of a cell with a profile.
pub fn profiled(cell: &Cell) -> Audited {
    let window = Nanos::ms(400);
    Audited {
        cell: cell.clone(),
        audits: vec![Audit::Profile],
        started_unix_ms: 1_760_000_000_000,
        settings: Settings {
            window_ns: window,
            warmup_ns: Nanos::ms(30),
            tail_ns: Nanos::ms(5),
            extended: false,
            usable_cpus: vec![0, 1],
            receiver_usable_cpus: None,
            sender_cpus: vec![0],
            receiver_cpus: vec![1],
            ring_slots: cell.ring.slots(cell.message),
            slot_bytes: Bytes(cell.message.bytes().0),
            receive_buffer_bytes: Bytes(128 << 10),
            ring_filesystem: None,
            series: None,
        },
        outcome: crate::trial(cell, 1).build().outcome,
        copies: Measured::absent("this audit trial was another instrument's"),
        calls: Measured::absent("this audit trial was another instrument's"),
        profile: Measured::Value(profile(cell)),
    }
}

fn profile(cell: &Cell) -> Profile {
    let path = cell.send_path;
    let zerocopy = path == SendPath::Zerocopy;
    // On the sink nothing is delivered, and a helper polls in the receiver's place.
    let delivered = |samples: u64| if cell.link == Link::Sink { 0 } else { samples };
    // Stacks outermost first, with their samples by cause: of copying paths and of zero-copy.
    let sent = |copying: u64, by_reference: u64| if zerocopy { by_reference } else { copying };
    let made: &[(Owner, &str, u64)] = &[
        (
            Owner::Sender,
            "do_syscall_64 tcp_sendmsg tcp_sendmsg_locked _copy_from_iter",
            sent(410, 0),
        ),
        (
            Owner::Sender,
            "do_syscall_64 tcp_sendmsg tcp_sendmsg_locked skb_zerocopy_iter_stream iov_iter_get_pages2 gup_fast_fallback",
            sent(0, 120),
        ),
        (Owner::Sender, "do_syscall_64 tcp_sendmsg tcp_write_xmit", 140),
        (Owner::Sender, "do_syscall_64 tcp_sendmsg __alloc_skb", 60),
        (Owner::Sender, "do_syscall_64 tcp_sendmsg sk_page_frag_refill", sent(35, 0)),
        (Owner::Sender, "do_syscall_64 tcp_sendmsg lock_sock_nested", 50),
        (Owner::Sender, "do_syscall_64 tcp_sendmsg __dev_queue_xmit loopback_xmit", 25),
        (
            Owner::Sender,
            "do_syscall_64 handle_softirqs ip_local_deliver_finish skb_copy_ubufs memcpy",
            delivered(sent(0, 380)),
        ),
        (Owner::Sender, "do_syscall_64 handle_softirqs tcp_data_queue sock_def_readable", 190),
        (Owner::Sender, "do_syscall_64", 45),
        (
            Owner::Sender,
            "copycost`engine::pump::send",
            if path == SendPath::Staged { 160 } else { 30 },
        ),
        (Owner::Sender, "do_syscall_64 unknown_a unknown_b unknown_c a_function_nobody_knows", 7),
        (
            Owner::Receiver,
            "do_syscall_64 tcp_recvmsg_locked __skb_datagram_iter _copy_to_iter",
            delivered(220),
        ),
        (Owner::Receiver, "do_syscall_64 tcp_recvmsg_locked skb_release_data", delivered(40)),
        (Owner::Receiver, "do_syscall_64 sk_wait_data schedule __schedule", delivered(70)),
        (Owner::Receiver, "copycost`engine::pump::receive", delivered(9)),
        (Owner::Helper, "copycost`engine::sink_crew::poll", 900 - delivered(900)),
        (Owner::Helper, "do_syscall_64 packet_sendmsg veth_xmit", 60 - delivered(60)),
        (Owner::Idle, "do_idle irq_exit_rcu handle_softirqs net_rx_action", 24),
        (Owner::Idle, "do_idle default_idle pv_native_safe_halt", 900),
        (Owner::Other, "[program]`[unknown]", 60),
    ];
    let mut symbols: Vec<String> = Vec::new();
    let mut place = |name: &str| {
        let place = symbols.iter().position(|known| known == name).unwrap_or_else(|| {
            symbols.push(name.to_owned());
            symbols.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    };
    let stacks =
        made.iter().filter(|(.., samples)| *samples > 0).map(|(owner, frames, samples)| {
            let frames = frames.split(' ').map(&mut place).collect();
            Stack {
                owner: *owner,
                cpu: u32::from(*owner != Owner::Sender),
                frames,
                samples: *samples,
            }
        });
    let stacks = stacks.collect();
    Profile {
        event: "cpu-clock".to_owned(),
        interval_ns: Nanos(249_989),
        span_ns: Nanos::ms(440),
        cpus: vec![0, 1],
        lost: 0,
        symbols,
        stacks,
    }
}
