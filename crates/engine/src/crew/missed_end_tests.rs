//! What a crew does about an end of a stream that a multishot receive has missed, planted.
//!
//! The kernel loses one by chance alone, and not every kernel does. Here a worker stays parked by itself until its reading direction is
//! ended, which is what the coordinator has to do; by nothing else does it learn anything.

use std::net::Shutdown;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use kernel::socket::{Address, Arrival, ReceiveFlags, SendFlags, Socket};
use kernel::{Errno, clock};
use model::record::ReceiveTally;
use model::{Cell, Nanos};

use super::jobs::Job;
use super::{Crew, Done};
use crate::content::Unread;
use crate::coordinator::{Broken, failed, unsupported};
use crate::meeting::Met;
use crate::protocol::{Among, Meet, Prepare, Role};
use crate::receive_paths::{ReceiveOptions, ReceivePath, Taken, UringRecv};
use crate::watch::Watch;

const PATIENCE: Duration = Duration::from_secs(10);
/// What is sent at once; less than a buffer.
const BYTES: usize = 100;

fn connected() -> (Socket, Socket) {
    let listener = Socket::listen(Address::ANY_UNIX, 1).unwrap();
    let address = listener.address().unwrap();
    let far = Socket::stream(address).unwrap();
    far.connect(address, PATIENCE).unwrap();
    let Arrival::Connection(near) = listener.accept_at_once().unwrap() else {
        panic!("nobody came")
    };
    (near, far)
}

fn write(far: &Socket, bytes: usize) -> Result<(), kernel::CallError> {
    far.write_all(&vec![7; bytes], Instant::now() + PATIENCE)
}

/// A crew of one receiver that does this in place of its path's loop.
fn crew(
    near: Socket,
    work: impl Fn(Job<ReceiveTally>) -> Result<Done<ReceiveTally>, Broken> + Clone + Send + 'static,
) -> Crew<ReceiveTally> {
    let cell: Cell = "recv=uring-recv link=unix message_bytes=4096 threads=1".parse().unwrap();
    let prepare = Prepare {
        role: Role::Receive,
        meet: Meet::Listen(Address::ANY_UNIX),
        token: [3; 16],
        among: Among::alone(&cell),
        worker_cpus: Vec::new(),
        poller_cpus: Vec::new(),
        congestion: String::new(),
        machine_cpus: Vec::new(),
        check: false,
        windows: 1,
        cell,
    };
    let met = Met { sockets: vec![near], strangers: 0 };
    Crew::start(prepare, met, 0, work).map_err(|broken| broken.why).unwrap()
}

/// Gathers the worker and says how many bytes it took, or what the drain says in its place.
fn gathered(crew: &Crew<ReceiveTally>) -> Result<u64, String> {
    let mut done = [None];
    let patience = Nanos::s(PATIENCE.as_secs());
    let until_ns = clock::monotonic_ns() + patience.0;
    let gathered = crew.gather_all(until_ns, 0, patience, &|| false, &mut done);
    if let Err(broken) = gathered {
        crew.dismiss();
        return Err(broken.why);
    }
    Ok(done[0].as_ref().unwrap().total.received_bytes)
}

fn done(total: ReceiveTally, watch: model::names::Watch) -> Done<ReceiveTally> {
    Done { watch: Watch::open(watch, 0), total, cpu_ns: 0, releases: None }
}

/// Takes everything by a multishot receive, which waits in the kernel while its worker stands still.
fn take_all(mut job: Job<ReceiveTally>, go_on: &Barrier) -> Result<Done<ReceiveTally>, Broken> {
    let (_, socket) = job.sockets.remove(0);
    let options = ReceiveOptions { buffer_bytes: 8192, may_wait: true };
    let mut path = UringRecv::open(socket, &mut (), &options).map_err(unsupported)?;
    let mut tally = ReceiveTally::default();
    let mut take = || {
        let taken = path.take(&mut (), &mut Unread, &mut tally);
        taken.map_err(|errno| failed(errno.to_string()))
    };
    take()?;
    (job.ready)();
    go_on.wait();
    while take()? != Taken::End {}
    Ok(done(tally, job.watch))
}

/// Takes everything by `recv`, which leaves in the socket what comes while its worker stands still.
fn receive_all(mut job: Job<ReceiveTally>, go_on: &Barrier) -> Result<Done<ReceiveTally>, Broken> {
    let (_, socket) = job.sockets.remove(0);
    (job.ready)();
    go_on.wait();
    let mut tally = ReceiveTally::default();
    loop {
        match socket.receive(&mut [0; 8192], ReceiveFlags::NONE) {
            Ok(0) => return Ok(done(tally, job.watch)),
            Ok(bytes) => tally.received_bytes += bytes as u64,
            Err(errno) if errno.is_interrupted() => {}
            Err(errno) => return Err(failed(errno.to_string())),
        }
    }
}

/// A connection whose near end has nothing to be read, as at the end of a stream, while its far end can tell whether the near one's
/// reading direction was ended, which on a stream that has ended shows nowhere: an empty record is what comes first.
fn as_at_the_end() -> (Socket, Socket) {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let pair =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let (near, far) = (Socket::from(pair.0), Socket::from(pair.1));
    assert_eq!(far.send(&[], SendFlags::NONE), Ok(0));
    (near, far)
}

/// Stays parked until its reading direction is ended: then nothing can be sent to it.
fn stay_parked(mut job: Job<ReceiveTally>, far: &Socket) -> Result<Done<ReceiveTally>, Broken> {
    let _near = job.sockets.remove(0);
    (job.ready)();
    loop {
        match far.send(&[7], SendFlags::DONT_WAIT) {
            Err(Errno::BROKEN_PIPE) => return Ok(done(ReceiveTally::default(), job.watch)),
            Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

#[test]
fn a_worker_that_stays_parked_at_the_end_is_told_of_it() {
    let (near, far) = as_at_the_end();
    let far = Arc::new(far);
    let crew = crew(near, move |job| stay_parked(job, &far));
    assert_eq!(gathered(&crew), Ok(0));
}

#[test]
fn a_multishot_receive_sees_an_end_that_comes_together_with_the_last_bytes() {
    if let Err(why) = UringRecv::supported() {
        eprintln!("skipped: {why}");
        return;
    }
    for leaves in [false, true] {
        let (near, far) = connected();
        // What the receive takes before it waits.
        far.send(&[7], SendFlags::NONE).unwrap();
        let go_on = Arc::new(Barrier::new(2));
        let crew = crew(near, {
            let go_on = Arc::clone(&go_on);
            move |job| take_all(job, &go_on)
        });
        write(&far, BYTES).unwrap();
        far.shutdown(Shutdown::Write).unwrap();
        let _far = (!leaves).then_some(far);
        go_on.wait();
        assert_eq!(gathered(&crew), Ok(1 + BYTES as u64), "the peer leaves: {leaves}");
    }
}

#[test]
fn a_stream_that_goes_on_is_not_ended_and_nothing_of_it_is_taken() {
    for (queued, is_over) in [(0, false), (BYTES, false), (BYTES, true)] {
        let (near, far) = connected();
        let go_on = Arc::new(Barrier::new(2));
        let crew = crew(near, {
            let go_on = Arc::clone(&go_on);
            move |job| receive_all(job, &go_on)
        });
        write(&far, queued).unwrap();
        let end = || far.shutdown(Shutdown::Write).unwrap();
        let mut sent = queued;
        if is_over {
            end();
            crew.tell_ends();
        } else {
            crew.tell_ends();
            // To a direction that was ended nothing can be sent (EPIPE).
            let more = write(&far, BYTES);
            sent += BYTES;
            end();
            assert_eq!(more.map_err(|error| error.to_string()), Ok(()), "{queued} bytes queued");
        }
        go_on.wait();
        assert_eq!(gathered(&crew), Ok(sent as u64), "{queued} bytes queued, over: {is_over}");
    }
}
