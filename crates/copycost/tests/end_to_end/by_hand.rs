//! `verify`, and both ends by hand.

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::process::ChildStdout;

use crate::common::{Ended, Place};

#[test]
fn verify_compares_every_byte_of_every_path() {
    let place = Place::new();
    let line = ["verify", "--sizes", "1,7,513,70000", "--threads", "2", "--time", "5ms"];
    let ended = place.copycost(&line).ends_with(0);
    for line in ended.output.lines() {
        // What is dropped unseen cannot be compared.
        let verdict = if line.contains("recv-trunc") {
            "0 B compared  nothing lost; its bytes are dropped unseen"
        } else {
            "compared  nothing lost, reordered or changed"
        };
        assert!(line.ends_with(verdict), "{line}");
    }
    assert!(ended.output.contains("sendmsg") && ended.output.contains("recvmsg"), "{ended:#?}");

    let json = place
        .copycost(&[
            "verify",
            "--send",
            "staged",
            "--recv",
            "recv",
            "--sizes",
            "9",
            "--threads",
            "1",
            "--json",
        ])
        .ends_with(0);
    let value: serde_json::Value = serde_json::from_str(&json.output).unwrap();
    assert_eq!(value["cells"].as_array().unwrap().len(), 1);
    assert!(value["cells"][0]["checked_bytes"].as_u64().unwrap() > 0, "{value}");
    assert!(value["cells"][0]["fault"].is_null(), "{value}");
}

#[test]
fn verify_sends_through_io_urings_in_every_way_that_they_are_made() {
    let place = Place::new();
    let mut line = vec!["verify", "--send", "sendmsg,uring-send,uring-send-zc", "--recv", "recv"];
    line.extend(["--sizes", "1,70000", "--threads", "2", "--time", "5ms", "--json"]);
    let cells = |line: &[&str]| -> Vec<String> {
        let ended = place.copycost(line).ends_with(0);
        let value: serde_json::Value = serde_json::from_str(&ended.output).unwrap();
        let cells = value["cells"].as_array().unwrap().iter();
        cells
            .map(|cell| {
                assert!(cell["fault"].is_null(), "{cell}");
                cell["cell"].as_str().unwrap().to_owned()
            })
            .collect()
    };
    let rings = |cells: &[String]| cells.iter().filter(|cell| cell.contains("uring")).count();
    let in_turn = cells(&line);
    let each: Vec<&str> = line
        .iter()
        .copied()
        .chain(["--sqpoll", "off,on", "--registered-files", "off,on"])
        .collect();
    if rings(&in_turn) == 0 {
        eprintln!("skipped: no io_uring here");
        return;
    }
    let each = cells(&each);
    let ways = if each.iter().any(|cell| cell.contains("sqpoll=on")) { 4 } else { 2 };
    assert_eq!(rings(&each), ways * rings(&in_turn), "{each:?}");
    let both = |cell: &&String| cell.contains("sqpoll=on registered_files=on");
    assert_eq!(each.iter().filter(both).count() > 0, ways == 4, "{each:?}");
    assert!(in_turn.iter().any(|cell| cell.contains("registered_files=on")), "{in_turn:?}");
}

#[test]
fn what_verify_and_the_ends_by_hand_do_not_understand_is_one_line_and_exit_2() {
    let place = Place::new();
    for (line, part) in [
        ("verify --send sned", "did you mean \"send\"?"),
        ("verify --sizes 0", "--sizes: "),
        ("verify --threads 9999", "at most 256"),
        ("verify --link unix --family ipv6", "--family: link unix has no addresses; leave it out"),
        ("verify --link loopback,unix --family ipv4,ipv6", "--family: link unix has no addresses"),
        ("verify --time 5", "--time: "),
        ("verify --time 0s", "--time: from 1ms to 24h, not 0s"),
        ("verify --time 18446744073s", "--time: from 1ms to 24h, not 18446744073s"),
        ("serve --size 4", "--fields 4"),
        ("serve --send sned", "did you mean \"send\"?"),
        ("serve --listen nowhere", "--listen: \"nowhere\" is no IP address"),
        ("serve --port 70000", "--port: \"70000\" is no port"),
        ("serve --token 12", "--token: "),
        ("serve --time -1s", "--time: "),
        ("connect localhost --token 00112233445566778899aabbccddeeff", "ADDRESS:PORT"),
        ("connect 127.0.0.1:1 --token xyz", "--token: "),
        ("connect 127.0.0.1:1", "not provided: --token <HEX>; see copycost connect --help"),
        ("connect 127.0.0.1:1 --token-file none", "--token-file none: No such file"),
        ("connect 127.0.0.1:1 --token-file .", "--token-file .: it is a directory"),
        ("connect 127.0.0.1:1 --token-file -", "--token-file: \"\" is no token"),
        ("connect 127.0.0.1:1 --token-file /dev/zero", "it is a device, which may have no end"),
        ("serve --token 00112233445566778899aabbccddeeff --token-file x", "cannot be used with"),
    ] {
        let words: Vec<_> = line.split(' ').collect();
        let ended = place.copycost(&words).ends_with(2);
        assert!(ended.complaint().contains(part), "{line}: {ended:#?}");
        assert_eq!(ended.error.lines().count(), 1, "{line}: {ended:#?}");
    }
}

/// Windows of servers, of which a client by the printed command sees the end unless it begins later than a tenth of one: on a
/// crowded machine it may, is told so, and comes once more to one that lasts longer.
const TIMES: [&str; 4] = ["1s", "4s", "16s", "64s"];

/// What the ends by hand say where one came too late to the other, or to its own window.
fn is_crowded(ended: &Ended) -> bool {
    let whys = [
        "give connect no more --time than serve",
        "saw less than an eighth of the window",
        "ended before it sent a byte",
        "did not answer within",
    ];
    whys.iter().any(|why| ended.error.contains(why))
}

/// What is left of a server's output, and how it ended.
fn ended(mut server: std::process::Child, told: Lines<BufReader<ChildStdout>>) -> Ended {
    let report: Vec<_> = told.map(|line| line.unwrap()).collect();
    let mut error = String::new();
    server.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    let code = server.wait().unwrap().code();
    Ended { code, output: report.join("\n"), error }
}

#[test]
fn two_ends_by_hand_find_each_other_by_the_printed_command() {
    let place = Place::new();
    assert!(TIMES.into_iter().any(|time| two_ends_by_hand(&place, time)), "in none of {TIMES:?}");
}

/// Whether both ends had a figure.
fn two_ends_by_hand(place: &Place, time: &str) -> bool {
    let serve = ["serve", "--send", "sendmsg", "--size", "16KiB", "--threads", "2", "--time", time];
    let mut server = place.spawn(&serve);
    let mut told = BufReader::new(server.stdout.take().unwrap()).lines();
    let first = told.next().unwrap().unwrap();
    assert!(first.starts_with("listening on 127.0.0.1:"), "{first}");
    let command = told.next().unwrap().unwrap();

    // The port is taken now.
    let address = command.split(' ').nth(2).unwrap();
    let port = address.rsplit(':').next().unwrap();
    let taken = place.copycost(&["serve", "--port", port]).ends_with(3);
    assert!(taken.complaint().contains(port), "{taken:#?}");

    // A stranger with a wrong token is refused, long before it would give up, and the server goes on waiting.
    let stranger = "00112233445566778899aabbccddeeff";
    let line = ["connect", address, "--token", stranger, "--threads", "2", "--time", "60s"];
    let refused = place.copycost(&line).ends_with(2);
    assert!(refused.complaint().contains("is the token that of this serve"), "{refused:#?}");

    let words: Vec<_> = command.split(' ').skip(1).collect();
    let client = place.copycost(&words);
    let server = ended(server, told);
    if is_crowded(&client) || is_crowded(&server) {
        return false;
    }
    let client = client.ends_with(0);
    assert!(client.output.starts_with("received "), "{client:#?}");
    assert!(client.output.contains("2 workers"), "{client:#?}");
    let server = server.ends_with(0);
    assert!(server.output.starts_with("sent "), "{server:#?}");
    assert!(server.output.contains("sendmsg"), "{server:#?}");
    assert!(server.output.contains("turned away: 1 connection that"), "{server:#?}");

    // It took one client.
    let gone = place.copycost(&words).ends_with(3);
    assert!(gone.complaint().contains("each serves one client"), "{gone:#?}");

    // The two windows differ; what passed over the whole connection does not.
    let whole = |output: &str| {
        let line = output.lines().find(|line| line.starts_with("whole connection: ")).unwrap();
        line.split(' ').nth(2).unwrap().parse::<u64>().unwrap()
    };
    assert!(whole(&client.output) > 0);
    assert_eq!(whole(&client.output), whole(&server.output));
    assert!(client.output.contains("this end's own window"), "{client:#?}");
    true
}

#[test]
fn a_token_comes_from_a_file_or_standard_input_and_is_not_printed() {
    let place = Place::new();
    let token = "00112233445566778899aabbccddeeff";
    place.write("token", &format!("{token}\n"));
    let meets = |by_file: bool, time: &str| {
        let serve = ["serve", "--threads", "1", "--time", time, "--token-file", "token"];
        let mut server = place.spawn(&serve);
        let mut told = BufReader::new(server.stdout.take().unwrap()).lines();
        let command = told.nth(1).unwrap().unwrap();
        assert!(command.contains(" --token-file token ") && !command.contains(token), "{command}");
        let mut words: Vec<_> = command.split(' ').skip(1).collect();
        let client = if by_file {
            place.copycost(&words)
        } else {
            *words.iter_mut().find(|word| **word == "token").unwrap() = "-";
            let mut command = place.command(&words);
            let file = std::fs::File::open(place.path("token")).unwrap();
            Ended::of(command.stdin(file).output().unwrap())
        };
        let server = ended(server, told);
        if is_crowded(&client) || is_crowded(&server) {
            return false;
        }
        client.ends_with(0);
        server.ends_with(0);
        true
    };
    for by_file in [true, false] {
        assert!(TIMES.into_iter().any(|time| meets(by_file, time)), "in none of {TIMES:?}");
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_the_clients_own_time() {
    let place = Place::new();
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let token = "00112233445566778899aabbccddeeff";
    let client = ["connect", &address, "--token", token, "--time", "500ms"];
    let ended = place.copycost(&client).ends_with(3);
    assert!(ended.complaint().contains("did not answer within 500ms"), "{ended:#?}");
}
