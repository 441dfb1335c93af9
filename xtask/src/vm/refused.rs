//! What `copycost probe` says where the kernel itself refuses io_uring (`kernel.io_uring_disabled`, Linux 6.6): tried in the
//! machine, as it would refuse it to everybody.

use serde_json::Value;

use super::judgement::Found;

/// What the machine does: the sysctl is set as an administrator would, and taken back.
pub(super) const SCRIPT: &str = "\
    if [ -e /proc/sys/kernel/io_uring_disabled ]; then\n\
    echo 2 >/proc/sys/kernel/io_uring_disabled\n\
    copycost probe --json >/tmp/run/refused.json\n\
    echo 0 >/proc/sys/kernel/io_uring_disabled\n\
    copycost probe --json >/tmp/run/allowed.json\n\
    fi\n";

/// What must be told of each path through an io_uring, each in its field: why, what gives it, and what takes that back.
const TOLD: [(&str, &str); 3] = [
    ("because", "kernel.io_uring_disabled is 2"),
    ("unlock", "sudo sysctl kernel.io_uring_disabled=0"),
    ("undo", "sudo sysctl kernel.io_uring_disabled=2"),
];

/// Holds two probes of one machine against each other: with io_uring refused, and with it allowed again.
pub(super) fn judge(refused: &str, allowed: &str) -> Result<Found, String> {
    let items = |text: &str| -> Result<Vec<Value>, String> {
        let probe: Value = serde_json::from_str(text).map_err(|why| format!("a probe: {why}"))?;
        Ok(probe["items"].as_array().cloned().unwrap_or_default())
    };
    let (refused, allowed) = (items(refused)?, items(allowed)?);
    let mut found = Found::default();
    let mut paths = 0;
    for item in refused.iter().filter(|item| is_path(item)) {
        let (name, state) = (&item["name"], &item["state"]);
        let other = allowed.iter().find(|other| other["name"] == *name && is_path(other));
        let was = other.map(|other| &other["state"]["answer"]);
        if !name.as_str().is_some_and(|name| name.starts_with("uring-")) {
            // What goes through none is as it was.
            if was != Some(&state["answer"]) {
                found.differing.push(format!("{name} is {state} with io_uring refused"));
            }
            continue;
        }
        paths += 1;
        if was.is_none_or(|was| *was == "no" && other.is_some_and(is_refused)) {
            found.differing.push(format!("{name} is still refused when io_uring is allowed again"));
        }
        for (field, part) in TOLD {
            let is_told = state[field].as_str().is_some_and(|told| told.contains(part));
            if state["answer"] != "no" || !is_told {
                found.differing.push(format!(
                    "{name} with io_uring refused: \"{part}\" is not told as \"{field}\" but {state}"
                ));
            }
        }
    }
    if paths == 0 {
        found.differing.push("no path through an io_uring was probed".to_owned());
    }
    found.lines.push(format!(
        "  io_uring refused by its sysctl: {paths} paths say so, with what undoes it"
    ));
    Ok(found)
}

fn is_path(item: &Value) -> bool {
    // What a link lacks whatever the machine is told beside.
    let is_of_link = item["name"].as_str().is_some_and(|name| name.contains(" over "));
    !is_of_link && item["group"].as_str().is_some_and(|group| group.ends_with(" path"))
}

fn is_refused(item: &Value) -> bool {
    item["state"]["because"].as_str().is_some_and(|why| why.contains("io_uring_disabled"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn probe(uring: &Value, sendmsg: &Value) -> String {
        let item = |group: &str, name: &str, state: &Value| json!({"group": group, "name": name, "state": state});
        let items = [
            item("send path", "sendmsg", sendmsg),
            item("send path", "uring-send", uring),
            item("receive path", "uring-recv", uring),
            item("instrument", "uring-none", sendmsg),
        ];
        json!({ "items": items }).to_string()
    }

    fn no(because: &str) -> Value {
        json!({"answer": "no", "because": because, "unlock": TOLD[1].1, "undo": TOLD[2].1})
    }

    #[test]
    fn each_path_through_an_io_uring_says_what_refuses_it_and_the_others_are_as_they_were() {
        let yes = json!({"answer": "yes"});
        let refused =
            no("io_uring_setup: kernel.io_uring_disabled is 2, which refuses it to everybody");
        let words = TOLD.map(|(_, part)| part).join("; ");
        let in_one_line = json!({"answer": "no", "because": words});
        let judged = |a: &str, b: &str| judge(a, b).unwrap();
        let right = judged(&probe(&refused, &yes), &probe(&yes, &yes));
        assert_eq!(right.differing, Vec::<String>::new());
        assert!(right.lines[0].contains("2 paths"), "{right:?}");
        for (with, without, differing) in [
            // Told another reason, its remedies in a line of words, not refused at all, not allowed again, and one that had nothing to do with it.
            (probe(&no("a seccomp filter"), &yes), probe(&yes, &yes), 2),
            (probe(&json!({"answer": "no", "because": TOLD[0].1}), &yes), probe(&yes, &yes), 4),
            (probe(&in_one_line, &yes), probe(&yes, &yes), 4),
            (probe(&yes, &yes), probe(&yes, &yes), 6),
            (probe(&refused, &yes), probe(&refused, &yes), 2),
            (probe(&refused, &refused), probe(&yes, &yes), 1),
            (json!({"items": []}).to_string(), probe(&yes, &yes), 1),
        ] {
            let found = judged(&with, &without);
            assert_eq!(found.differing.len(), differing, "{found:?}");
        }
        assert!(judge("", "{}").is_err());
    }
}
