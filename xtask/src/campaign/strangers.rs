//! Connections without the token while a client that has it comes in: silent ones, talkative ones, ones that say the right token
//! but for its last byte, in their hundreds, renewed all the while. The client is served, and the server stays small.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

use super::{Field, Tally, wrong};

/// Connections that one flooder holds at once, under the usual limit of open files for all of them.
const HELD: usize = 200;
const FLOODERS: u64 = 4;
/// The most memory that a server may have taken, in KiB (VmHWM, proc(5)).
const MOST_KIB: u64 = 20 * 1024;

/// Connects again and again, holds some hundreds of connections, and says what may be said to a stranger's harm.
fn flood(address: SocketAddr, token: &[u8], seed: u64, over: &AtomicBool, made: &AtomicU64) {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut held = std::collections::VecDeque::new();
    while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200))
        else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        made.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nonblocking(true);
        match random.random_range(0..4) {
            0 => {}
            1 => {
                let mut noise = [0; 64];
                random.fill_bytes(&mut noise);
                let _ = stream.write(&noise);
            }
            2 => {
                let _ = stream.write(&token[..token.len() - 1]);
            }
            _ => {
                let mut almost = token.to_vec();
                if let Some(last) = almost.last_mut() {
                    *last ^= 1;
                }
                let _ = stream.write(&[&almost[..], &[0; 4]].concat());
            }
        }
        held.push_back(stream);
        if held.len() > HELD {
            held.pop_front();
        }
    }
}

pub(super) fn attack(field: &mut Field<'_>) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let made = AtomicU64::new(0);
    let mut largest = 0;
    while field.goes_on() {
        let mut token = [0; 16];
        field.random.fill_bytes(&mut token);
        let hex: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
        // A port that was free a moment ago; another attempt follows where it is taken.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let address = address.map_err(|why| why.to_string())?;
        let port = address.port().to_string();
        let mut server = field.command(&[
            "serve", "--once", "--port", &port, "--token", &hex, "--wait", "30s", "--json",
        ]);
        let mut server = server
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|why| why.to_string())?;
        let over = AtomicBool::new(false);
        let seed = field.random.next_u64();
        let (client, memory) = thread::scope(|scope| {
            for n in 0..FLOODERS {
                let (over, made, token) = (&over, &made, &token);
                thread::Builder::new()
                    .spawn_scoped(scope, move || flood(address, token, seed ^ n, over, made))
                    .map_err(|why| why.to_string())?;
            }
            let settle = field.random.random_range(50..1500);
            thread::sleep(Duration::from_millis(settle));
            let client =
                field.run(&["connect", &address.to_string(), "--token", &hex, "--time", "1s"]);
            let status =
                fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap_or_default();
            over.store(true, Ordering::Relaxed);
            let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = kib.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
            Ok::<_, String>((client.map_err(|why| why.to_string())?, kib))
        })?;
        let deadline = Instant::now() + Duration::from_secs(35);
        while server.try_wait().map_err(|why| why.to_string())?.is_none() {
            if Instant::now() > deadline {
                let _ = server.kill();
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let served = server.wait_with_output().map_err(|why| why.to_string())?;
        largest = largest.max(memory.unwrap_or(0));
        let words = |output: &std::process::Output| {
            String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned()
        };
        let fault = wrong(&client)
            .or_else(|| wrong(&served))
            .or_else(|| {
                let both = [("the client", &client), ("the server", &served)];
                let failed = both.into_iter().find(|(_, output)| !output.status.success());
                failed.map(|(who, output)| {
                    format!("{who} ended with {}: {}", output.status, words(output))
                })
            })
            .or_else(|| {
                memory.filter(|kib| *kib > MOST_KIB).map(|kib| format!("the server took {kib} KiB"))
            });
        tally.note(fault);
    }
    tally.notes.push(format!(
        "{} connections of strangers; the largest server took {:.1} MiB",
        made.load(Ordering::Relaxed),
        largest as f64 / 1024.0
    ));
    Ok(tally)
}
