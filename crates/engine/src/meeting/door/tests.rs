//! Who is let in at a door, and who is not.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use kernel::socket::Address;

use super::*;

/// Far longer than anything here takes: only what hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);
const TOKEN: Token = [7; 16];
const OF_TRIAL: Token = [8; 16];

fn any() -> Address {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()
}

fn listening(address: Address) -> Listener {
    let socket = Socket::listen(address, 16).unwrap();
    let address = socket.address().unwrap();
    Listener { socket, address }
}

fn connected(address: Address) -> Socket {
    let socket = Socket::stream(address).unwrap();
    socket.connect(address, PATIENCE).unwrap();
    socket
}

fn greeted(address: Address, token: &Token, number: u32) -> Socket {
    let socket = connected(address);
    let greeting = [token.as_slice(), &number.to_be_bytes()].concat();
    socket.write_all(&greeting, Instant::now() + PATIENCE).unwrap();
    socket
}

fn told(socket: &Socket) -> u8 {
    let mut told = [0];
    socket.read_exact(&mut told, Instant::now() + PATIENCE).unwrap();
    told[0]
}

fn served(door: &mut Door<'_>, mut is_so: impl FnMut(&mut Door<'_>) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so(door) {
        assert!(Instant::now() < deadline, "it did not come");
        door.serve(deadline, None, &[]).unwrap();
    }
}

#[test]
fn one_that_does_not_show_its_token_in_time_is_told_so_and_keeps_nobody_out() {
    for address in [any(), Address::ANY_UNIX] {
        let listener = listening(address);
        let address = listener.address;
        let limit = Duration::from_millis(20);
        let mut door = Door::by_hand(std::slice::from_ref(&listener), TOKEN, limit);
        door.await_flows(OF_TRIAL, 1);
        // One says nothing, the other half of what it should.
        let (silent, slow) = (connected(address), connected(address));
        slow.write_all(&OF_TRIAL[..8], Instant::now() + PATIENCE).unwrap();
        served(&mut door, |door| door.strangers == 2);
        assert!(door.showing.is_empty() && door.arrived() == 0);
        for turned_away in [&silent, &slow] {
            assert_eq!(told(turned_away), Answer::Busy.byte());
        }
        let untold = door.take_untold();
        assert_eq!((untold.count, door.take_untold().count), (2, 0));
        let _client = greeted(address, &OF_TRIAL, 0);
        served(&mut door, |door| door.is_complete());
        assert_eq!((door.strangers, door.gone), (2, 0));
    }
}

#[test]
fn a_client_is_let_in_while_nobody_is_served_and_a_flow_of_no_trial_is_a_stranger() {
    let listener = listening(any());
    let address = listener.address;
    let mut door = Door::by_hand(std::slice::from_ref(&listener), TOKEN, PATIENCE);
    let first = greeted(address, &TOKEN, CLIENT);
    let mut clients = Vec::new();
    served(&mut door, |door| {
        clients.extend(door.take_clients());
        clients.len() == 1
    });
    assert_eq!(told(&first), Answer::Welcome.byte());
    door.set_free(false);
    let second = greeted(address, &TOKEN, CLIENT);
    // The server's own token is none of a flow's, and no other number is a client's.
    let _flow = greeted(address, &TOKEN, 0);
    served(&mut door, |door| door.strangers == 1);
    assert_eq!(told(&second), Answer::Occupied.byte());
    assert_eq!(door.take_untold().count, 1);
    assert!(door.take_clients().is_empty());
    // A client with a wrong token is told nothing.
    let wrong = greeted(address, &OF_TRIAL, CLIENT);
    served(&mut door, |door| door.strangers == 2);
    assert!(wrong.read_exact(&mut [0], Instant::now() + PATIENCE).is_err());
}

/// Waits that were refused in this test's process.
static REFUSED: AtomicU32 = AtomicU32::new(0);

/// ENOMEM for every list of three and more, as of a kernel that has no memory for it.
fn short_of_memory(fds: &[BorrowedFd<'_>], timeout_ms: i32) -> Result<Vec<Ready>, Errno> {
    const ENOMEM: Errno = Errno(12);
    if fds.len() > 2 {
        REFUSED.fetch_add(1, Ordering::SeqCst);
        return Err(ENOMEM);
    }
    poll::wait_readable_any(fds, timeout_ms)
}

#[test]
fn a_wait_that_the_kernel_has_no_memory_for_is_counted_and_survived() {
    let listener = listening(any());
    let address = listener.address;
    let door = Door::by_hand(std::slice::from_ref(&listener), TOKEN, PATIENCE);
    let mut door = Door { poll: short_of_memory, ..door };
    let strangers: Vec<Socket> = (0..4).map(|_| connected(address)).collect();
    let client = greeted(address, &TOKEN, CLIENT);
    let mut clients = Vec::new();
    served(&mut door, |door| {
        clients.extend(door.take_clients());
        !clients.is_empty()
    });
    assert_eq!(told(&client), Answer::Welcome.byte());
    served(&mut door, |door| door.showing.len() < 2);
    let refused = REFUSED.load(Ordering::SeqCst);
    assert!(refused > 0 && door.refused_accepts() == u64::from(refused), "{refused}");
    assert!(door.told_apart().contains("poll was refused"), "{}", door.told_apart());
    drop(strangers);
}
