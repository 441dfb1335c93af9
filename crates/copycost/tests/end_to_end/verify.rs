//! `verify`, and what it and the ends by hand do not understand.

use std::time::Duration;

use crate::common::{Place, signal};
use crate::interruption::{is_ignored, wait};

#[test]
fn verify_compares_every_byte_of_every_path() {
    let place = Place::new();
    let line = ["verify", "--sizes", "1,7,513,70000", "--threads", "2", "--time", "5ms"];
    let ended = place.copycost(&line).ends_with(0);
    for line in ended.output.lines() {
        // What is dropped unseen cannot be compared.
        let verdict = if line.contains("recv-trunc") {
            "0 B compared  nothing lost; its bytes are dropped unseen"
        } else if line.contains("recv-zerocopy") {
            // Some of it may have been mapped.
            "ed  nothing lost, reordered or changed"
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
    assert!(value["cells"][0].get("mapped_bytes").is_none(), "{value}");
}

#[test]
fn verify_tells_what_was_mapped() {
    let place = Place::new();
    let mut line = vec!["verify", "--send", "send,zerocopy", "--recv", "recv-zerocopy", "--json"];
    line.extend(["--sizes", "256KiB", "--threads", "1", "--time", "200ms"]);
    let ended = place.copycost(&line);
    if ended.error.contains("not verified") || ended.error.contains("TCP_ZEROCOPY_RECEIVE") {
        eprintln!("skipped: {}", ended.error);
        return;
    }
    let value: serde_json::Value = serde_json::from_str(&ended.ends_with(0).output).unwrap();
    let cells = value["cells"].as_array().unwrap();
    let mapped = |of: &str| {
        let one = cells.iter().find(|cell| cell["cell"].as_str().unwrap().contains(of));
        let one = one.unwrap();
        let part = |name: &str| one[name].as_u64().unwrap();
        assert!(part("mapped_bytes") <= part("checked_bytes"), "{value}");
        part("mapped_bytes")
    };
    // Of what is copied into the socket no page can be mapped (can_map_frag, net/ipv4/tcp.c); of what goes by reference whole pages can.
    assert_eq!(mapped("send=send "), 0, "{value}");
    assert!(mapped("send=zerocopy ") > 0, "{value}");
}

#[test]
fn a_verification_that_is_stopped_says_what_was_right_so_far() {
    for (name, number) in [("INT", 2), ("TERM", 15)] {
        if is_ignored(number) {
            eprintln!("skipped: SIG{name} is ignored by whoever started this test");
            continue;
        }
        let place = Place::new();
        // A window of a second each: longer than the test waits for.
        let child =
            place.spawn(&["verify", "--send", "send,sendmsg", "--recv", "recv", "--time", "1s"]);
        std::thread::sleep(Duration::from_secs(5));
        signal(name, &child);
        let ended = wait(child).ends_with(130);
        let line = ended.error.lines().last().unwrap();
        assert!(
            line.contains(" cells right, none wrong, the rest not tried; of 2 pairs"),
            "{ended:#?}"
        );
        let right = line.split(' ').find_map(|word| word.parse::<usize>().ok()).unwrap();
        let rows = ended.output.lines().filter(|line| line.contains("nothing lost"));
        assert_eq!(rows.count(), right.min(2), "{ended:#?}");
    }
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
        ("serve --size 4", "serve has no --size: what is measured is said by the client"),
        ("serve -P 4", "serve has no -P: what is measured is said by the client"),
        ("serve --listen nowhere", "--listen: \"nowhere\" is no IP address"),
        ("serve --port 70000", "--port: \"70000\" is no port"),
        ("serve --token 12", "--token: "),
        ("serve --wait 0", "--wait: from 1ms to 24h"),
        ("serve --token 00112233445566778899aabbccddeeff --token-file x", "cannot be used with"),
        ("connect --size 4", "--fields 4"),
        ("connect --send sned", "did you mean \"send\"?"),
        ("connect --send bogus", "hybrid; see copycost connect --help"),
        ("connect --time -1s", "--time: "),
        ("connect -t 0", "--time: from 1ms to 24h, not 0s"),
        ("connect -p x", "--port: \"x\" is no port"),
        ("connect localhost: ", "\"localhost:\" names no server"),
        ("connect 127.0.0.1:1 -p 2", "--port: 2 beside \"127.0.0.1:1\", which names another"),
        ("connect 127.0.0.1 --family ipv6", "has no address of the family ipv6"),
        ("connect 127.0.0.1:1 --token xyz", "--token: "),
        ("connect 127.0.0.1:1 --token-file none", "--token-file none: No such file"),
        ("connect 127.0.0.1:1 --token-file .", "--token-file .: it is a directory"),
        ("connect 127.0.0.1:1 --token-file -", "--token-file: \"\" is no token"),
        ("connect 127.0.0.1:1 --token-file /dev/zero", "it is a device, which may have no end"),
    ] {
        let words: Vec<_> = line.split_whitespace().collect();
        let ended = place.copycost(&words).ends_with(2);
        assert!(ended.complaint().contains(part), "{line}: {ended:#?}");
        assert_eq!(ended.error.lines().count(), 1, "{line}: {ended:#?}");
    }
}
