//! Both ends by hand, as somebody uses them who has not read the manual.

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::common::{Ended, Place, signal};
use crate::interruption::{stopping, wait};

const TOKEN: &str = "00112233445566778899aabbccddeeff";

/// How long to measure until both ends had their turn: on a crowded machine one may sleep through a short window, and says so.
const TIMES: [&str; 4] = ["1", "4", "16", "64"];

/// What the ends by hand say where one came too late to its own window.
fn is_crowded(ended: &Ended) -> bool {
    let whys = ["saw less than an eighth of the window", "ended before the window did"];
    whys.iter().any(|why| ended.error.contains(why))
}

/// A server on any free port, and the command that it printed.
struct Server {
    child: Child,
    told: Lines<BufReader<ChildStdout>>,
    listening: String,
    command: Vec<String>,
}

impl Server {
    fn new(place: &Place, flags: &[&str]) -> Self {
        let mut child = place.spawn(&[&["serve", "-p", "0"], flags].concat());
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = told.next().unwrap().unwrap();
        let command = told.next().unwrap().unwrap();
        let command = command.split(' ').skip(1).map(str::to_owned).collect();
        Self { child, told, listening, command }
    }

    /// The printed command with more flags.
    fn line<'s>(&'s self, flags: &[&'s str]) -> Vec<&'s str> {
        self.command.iter().map(String::as_str).chain(flags.iter().copied()).collect()
    }

    /// Reads on until a line begins so.
    fn await_line(&mut self, start: &str) -> String {
        let mut lines = self.told.by_ref().map(Result::unwrap);
        lines.find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no line {start}"))
    }

    /// What is left of its output, and how it ended.
    fn ended(mut self) -> Ended {
        let report: Vec<_> = self.told.map(|line| line.unwrap()).collect();
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        let code = self.child.wait().unwrap().code();
        Ended { code, output: report.join("\n"), error }
    }

    /// The same after Ctrl-C.
    fn interrupted(self) -> Ended {
        signal(stopping(), &self.child);
        self.ended()
    }
}

/// A client that was served; none where the machine was too crowded for a figure.
fn served(place: &Place, server: &Server, flags: &[&str]) -> Option<Ended> {
    let client = place.copycost(&server.line(flags));
    (!is_crowded(&client)).then(|| client.ends_with(0))
}

/// Bytes of the whole connection, as both sides tell them.
fn whole(output: &str) -> [u64; 2] {
    let line = output.lines().find(|line| line.starts_with("whole connection: ")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    [words[2], words[5]].map(|word| word.parse().unwrap())
}

#[test]
fn a_server_serves_one_client_after_the_other_as_each_asks() {
    let place = Place::new();
    let mut server = Server::new(&place, &[]);
    assert!(server.listening.starts_with("listening on 127.0.0.1:"), "{}", server.listening);
    let address = server.command[1].clone();

    // The port is taken now.
    let port = address.rsplit(':').next().unwrap();
    let taken = place.copycost(&["serve", "--port", port]).ends_with(3);
    assert!(taken.complaint().contains(port), "{taken:#?}");
    assert!(taken.complaint().contains("choose another port"), "{taken:#?}");

    let mut clients = 0;
    let mut each = |flags: &[&str], cell: &str, workers: &str| {
        for time in TIMES {
            clients += 1;
            let flags = [flags, &["-t", time]].concat();
            let Some(client) = served(&place, &server, &flags) else { continue };
            let began = format!("connected to {address}: {cell} for {time}s");
            assert!(client.output.starts_with(&began), "{began}: {client:#?}");
            for head in ["    1 s  ", "goodput ", "sent ", "received "] {
                let has = client.output.lines().any(|line| line.starts_with(head));
                assert!(has, "{head}: {client:#?}");
            }
            for line in client.output.lines().filter(|line| line.contains(" bytes in ")) {
                assert!(line.contains(workers) && line.contains(" ns per KiB; calls: "), "{line}");
            }
            let [sent, received] = whole(&client.output);
            assert!(sent > 0 && sent == received, "{client:#?}");
            return client.output;
        }
        panic!("{flags:?}: in none of {TIMES:?}");
    };
    let first = each(
        &["--send", "sendmsg", "-l", "16KiB", "-P", "2"],
        "send=sendmsg message_bytes=16384 threads=2",
        "by 2 workers",
    );
    each(
        &["-R", "--recv", "recvmsg"],
        "send=send recv=recvmsg message_bytes=4096 threads=1",
        "by 1 worker,",
    );
    // The server tells the same as its clients.
    server.await_line("client 127.0.0.1:");
    let told = server.await_line("whole connection: ");
    if clients == 2 {
        assert!(first.contains(&told), "{told}: {first}");
    }
    let ended = server.interrupted().ends_with(0);
    assert!(ended.error.contains("2 tests done"), "{ended:#?}");
}

#[test]
fn neither_end_needs_an_argument_on_one_machine() {
    let place = Place::new();
    for time in TIMES {
        let mut child = place.spawn(&["serve", "--once"]);
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(first) = told.next() else {
            let ended = wait(child).ends_with(3);
            assert!(ended.complaint().contains("Address already in use"), "{ended:#?}");
            eprintln!("skipped: {}", ended.complaint());
            return;
        };
        assert!(first.unwrap().contains(" for one client; "));
        assert_eq!(told.next().unwrap().unwrap(), "copycost connect");
        let client = place.copycost(&["connect", "-t", time]);
        let rest: Vec<String> = told.map(|line| line.unwrap()).collect();
        let server = wait(child);
        if is_crowded(&client) || is_crowded(&server) {
            continue;
        }
        assert!(client.ends_with(0).output.contains("\ngoodput "));
        server.ends_with(0);
        assert!(rest.iter().any(|line| line.starts_with("goodput ")), "{rest:?}");
        return;
    }
    panic!("in none of {TIMES:?}");
}

#[test]
fn both_ends_write_one_object_of_both_sides() {
    let place = Place::new();
    for time in TIMES {
        let serve = ["serve", "-p", "0", "--once", "--json"];
        let mut server = place.command(&serve);
        let mut server = server.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Standard output is the report's.
        let mut told = BufReader::new(server.stderr.take().unwrap()).lines();
        let command = told.next().unwrap().unwrap();
        let mut line: Vec<&str> = command.split(' ').skip(1).collect();
        line.extend(["--json", "--send", "zerocopy", "-t", time]);
        let client = place.copycost(&line);
        let server = server.wait_with_output().unwrap();
        if is_crowded(&client) || server.status.code() != Some(0) {
            continue;
        }
        let client: Value = serde_json::from_str(&client.ends_with(0).output).unwrap();
        let text = String::from_utf8(server.stdout).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let server: Value = serde_json::from_str(&text).unwrap();
        for part in ["cell", "time_ns", "reverse", "figures", "sent", "received"] {
            assert_eq!(server[part], client[part], "{part}");
        }
        for figure in ["goodput_gbps", "sender_cpu_ns_per_kib", "receiver_cpu_ns_per_kib"] {
            assert!(client["figures"][figure].as_f64().unwrap() > 0.0, "{figure}: {client}");
        }
        // Copied once after all, as on every one machine.
        assert_eq!(client["figures"]["copied_share"], 1.0, "{client}");
        assert_eq!(
            client["sent"]["total"]["accepted_bytes"],
            client["received"]["total"]["received_bytes"]
        );
        return;
    }
    panic!("in none of {TIMES:?}");
}

#[test]
fn a_token_comes_from_a_file_or_standard_input_and_is_not_printed() {
    let place = Place::new();
    place.write("token", &format!("{TOKEN}\n"));
    let server = Server::new(&place, &["--token-file", "token"]);
    let command = server.command.join(" ");
    assert!(command.ends_with(" --token-file token") && !command.contains(TOKEN), "{command}");
    // A stranger with a wrong token, or with none, is refused at once, and told what to give.
    let address = server.command[1].clone();
    let wrong = "ff112233445566778899aabbccddeeff";
    let refused = place.copycost(&["connect", &address, "--token", wrong]).ends_with(2);
    assert!(refused.complaint().contains("is the token that of this serve"), "{refused:#?}");
    let refused = place.copycost(&["connect", &address]).ends_with(2);
    assert!(refused.complaint().contains("the --token that serve printed"), "{refused:#?}");
    let by_input = |time: &str| {
        let line = ["connect", &address, "--token-file", "-", "-t", time];
        let mut command = place.command(&line);
        let file = std::fs::File::open(place.path("token")).unwrap();
        Ended::of(command.stdin(file).output().unwrap())
    };
    let is_done = |client: Ended| !is_crowded(&client) && client.ends_with(0).code == Some(0);
    assert!(TIMES.iter().any(|time| served(&place, &server, &["-t", time]).is_some()));
    assert!(TIMES.iter().any(|time| is_done(by_input(time))));
    let ended = server.interrupted().ends_with(0);
    assert!(ended.error.contains("2 connections that did not show the token"), "{ended:#?}");
    // Logged when they came, too.
    assert!(ended.error.contains("without the token, the last from 127.0.0.1:"), "{ended:#?}");
}

#[test]
fn whoever_is_interrupted_or_killed_ends_the_test_at_the_other_end() {
    let place = Place::new();
    let mut server = Server::new(&place, &[]);
    let spawned = |server: &mut Server| {
        let client = place.spawn(&server.line(&["-t", "600"]));
        server.await_line("client ");
        client
    };
    let client = spawned(&mut server);
    // Another one is told at once, and neither disturbs the first nor waits for it.
    let busy = place.copycost(&server.line(&[])).ends_with(3);
    assert!(busy.complaint().contains("is busy: it serves another client"), "{busy:#?}");
    signal(stopping(), &client);
    wait(client).ends_with(130);
    let mut client = spawned(&mut server);
    client.kill().unwrap();
    client.wait().unwrap();
    let client = spawned(&mut server);
    let server = server.interrupted().ends_with(130);
    for part in [
        "no figure: the client ended the test: the other end was interrupted (Ctrl-C)",
        "no figure: the client left before the test was over",
    ] {
        assert!(server.error.contains(part), "{part}: {server:#?}");
    }
    let client = wait(client).ends_with(3);
    assert!(client.complaint().contains("the other end was interrupted (Ctrl-C)"), "{client:#?}");
}

#[test]
fn a_server_whose_reader_went_away_ends_as_other_programs_do() {
    let place = Place::new();
    let mut server = Server::new(&place, &[]);
    let line: Vec<String> = server.line(&["-t", "50ms"]).iter().map(ToString::to_string).collect();
    // `copycost serve | head -2`: what it has to say of the first client has nobody to read it.
    drop(server.told);
    let words: Vec<&str> = line.iter().map(String::as_str).collect();
    place.copycost(&words);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn where_there_is_no_server_the_client_says_what_to_look_at() {
    let place = Place::new();
    // Bound by nobody: ports below 1024 are for services, of which none has this one.
    let nobody = place.copycost(&["connect", "127.0.0.1:1"]).ends_with(3);
    let why = "start the other end, and check the address and the port (the other end is started by copycost serve)";
    assert!(nobody.complaint().contains(why), "{nobody:#?}");
    // No name: a part of one has at most 63 characters (RFC 1035), so that nobody is asked.
    let host = "x".repeat(70);
    let unknown = place.copycost(&["connect", &host]).ends_with(2);
    assert!(unknown.complaint().contains("cannot be resolved"), "{unknown:#?}");
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let ended = place.copycost(&["connect", &address]).ends_with(3);
    assert!(ended.complaint().contains("did not answer: is it a copycost serve?"), "{ended:#?}");
}

#[test]
fn a_server_is_found_by_name_and_over_ipv6() {
    let place = Place::new();
    let server = Server::new(&place, &[]);
    let port = server.command[1].rsplit(':').next().unwrap().to_owned();
    let mut hosts = vec!["localhost".to_owned()];
    if server.listening.contains("[::1]") {
        hosts.extend(["::1".to_owned(), "[::1]".to_owned()]);
    } else {
        eprintln!("skipped: no IPv6 on loopback");
    }
    for host in hosts {
        let is_served = |time: &&str| {
            let client = place.copycost(&["connect", &host, "-p", &port, "-t", time]);
            !is_crowded(&client) && client.ends_with(0).output.contains("\ngoodput ")
        };
        assert!(TIMES.iter().any(is_served), "{host}");
    }
    server.interrupted().ends_with(0);
}

#[test]
fn beyond_loopback_the_printed_commands_have_addresses_that_can_be_reached_and_a_token() {
    let place = Place::new();
    std::fs::create_dir(place.path("a b")).unwrap();
    place.write("a b/token", &format!("{TOKEN}\n"));
    for listen in ["0.0.0.0", "::"] {
        let alone = ["serve", "--listen", listen, "-p", "0", "--wait", "20ms"];
        let with_file = [&alone[..], &["--token-file", "a b/token"]].concat();
        for (line, token) in [(&alone[..], "--token "), (&with_file, "--token-file 'a b/token'")] {
            let ended = place.copycost(line).ends_with(3);
            if ended.error.contains("boot with IPv6") || ended.error.contains("ip address") {
                eprintln!("skipped: {}", ended.error);
                continue;
            }
            let commands: Vec<_> =
                ended.output.lines().filter(|line| line.starts_with("copycost ")).collect();
            assert!(!commands.is_empty(), "{ended:#?}");
            for command in commands {
                let address = command.split(' ').nth(2).unwrap();
                assert!(
                    !address.starts_with("0.0.0.0") && !address.starts_with("[::]"),
                    "{command}"
                );
                assert!(command.contains(token), "{command}");
            }
            assert!(ended.error.contains("! listening beyond loopback"), "{ended:?}");
            assert!(ended.error.contains("no client came within 20ms"), "{ended:?}");
        }
    }
}
