//! What each path must copy over each link, and whether the kernel did.

use serde_json::Value;

/// How far a figure may be off: 1.00 ± 0.01 copies a byte.
const MARGIN: f64 = 0.01;

/// What was found on one kernel.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// A line a cell.
    pub(super) said: Vec<String>,
    /// Whatever is not as it must be, or missing.
    pub(super) differing: Vec<String>,
}

/// Copies a payload byte that a path must make over a link: in, by reference, deferred, out.
fn expected(path: &str, link: &str) -> [(&'static str, f64); 4] {
    let is_sink = link == "sink";
    let (copied, by_reference) = if path == "zerocopy" { (0.0, 1.0) } else { (1.0, 0.0) };
    // On one machine a page that was passed by reference is copied at delivery; the sink drops it before.
    let deferred = if is_sink { 0.0 } else { by_reference };
    let out = if is_sink { 0.0 } else { 1.0 };
    [
        ("copied_in", copied),
        ("by_reference", by_reference),
        ("deferred", deferred),
        ("copied_out", out),
    ]
}

/// A factor's value in a cell's id, which leaves defaults out.
fn factor<'a>(cell: &'a str, name: &str, default: &'a str) -> &'a str {
    cell.split_ascii_whitespace()
        .filter_map(|word| word.split_once('='))
        .find(|(key, _)| *key == name)
        .map_or(default, |(_, value)| value)
}

/// Bytes that TCP sent again, as the audit saw it: each is copied at delivery once more.
fn retransmitted(audited: &Value) -> f64 {
    let functions = audited["copies"]["functions"].as_array().into_iter().flatten();
    functions
        .filter(|count| count["function"] == "tcp:tcp_retransmit_skb")
        .filter_map(|count| count["bytes"].as_f64())
        .sum()
}

fn check_cell(audited: &Value, path: &str, link: &str, found: &mut Found) {
    let name = format!("{path} over {link}");
    let finished = &audited["outcome"]["finished"];
    let bytes = |side: &str, key: &str| finished[side]["total"][key].as_f64().unwrap_or(0.0);
    let accepted = bytes("sender", "accepted_bytes");
    let received = bytes("receiver", "received_bytes");
    if accepted <= 0.0 || received <= 0.0 {
        let why = audited["outcome"]["failed"]["why"].as_str().unwrap_or("nothing was moved");
        found.differing.push(format!("{name}: {why}"));
        return;
    }
    let mut line = format!("  {name}: {accepted} B");
    for (figure, must) in expected(path, link) {
        let told = &audited["copies"][figure];
        let total = if figure == "copied_out" { received } else { accepted };
        match told["bytes"].as_f64() {
            Some(bytes) => {
                let is = bytes / total;
                let hook = told["hook"].as_str().unwrap_or("?");
                line.push_str(&format!(", {figure} {is:.4} ({hook})"));
                let is_deferred = figure == "deferred" && must > 0.0;
                let again = if is_deferred { retransmitted(audited) / total } else { 0.0 };
                if is < must - MARGIN || is > must + again + MARGIN {
                    found
                        .differing
                        .push(format!("{name}: {figure} is {is:.4} of a byte, not {must:.2}"));
                }
            }
            None => {
                let absence = told["absent"].as_str().or(audited["copies"]["absent"].as_str());
                let why = absence.unwrap_or("no reason told");
                found.differing.push(format!("{name}: {figure} is absent: {why}"));
            }
        }
    }
    found.said.push(line);
}

/// Judges a journal and a summary.
pub(super) fn judge(
    journal: &str,
    summary: Option<&str>,
    links: &[String],
    paths: &[&str],
    laws: &[u64],
) -> Result<Found, String> {
    let mut audits = Vec::new();
    for line in journal.lines() {
        let record: Value =
            serde_json::from_str(line).map_err(|why| format!("journal.jsonl: {why}"))?;
        if record["kind"] == "audit" {
            audits.push(record["body"].clone());
        }
    }
    let mut found = Found::default();
    for link in links {
        for path in paths {
            let of = |audited: &&Value| {
                let cell = audited["cell"].as_str().unwrap_or_default();
                factor(cell, "send", "sendmsg") == *path && factor(cell, "link", "loopback") == link
            };
            match audits.iter().find(of) {
                Some(audited) => check_cell(audited, path, link, &mut found),
                None => found.differing.push(format!("{path} over {link}: no audit trial")),
            }
        }
    }
    let summary: Value = match summary {
        Some(text) => serde_json::from_str(text).map_err(|why| format!("summary.json: {why}"))?,
        None => Value::Null,
    };
    for law in laws {
        let known = summary["laws"].as_array().into_iter().flatten().find(|it| it["id"] == *law);
        match known {
            Some(told) if told["state"] == "holds" => {
                found.said.push(format!("  law {law} holds: {}", told["because"]));
            }
            Some(told) => {
                found
                    .differing
                    .push(format!("law {law} is {}: {}", told["state"], told["because"]));
            }
            None => found.differing.push(format!("law {law} was not judged")),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn audit(cell: &str, shares: [f64; 4]) -> String {
        let figure = |share: f64| json!({"bytes": share * 1e6, "hook": "breakpoint"});
        json!({"kind": "audit", "body": {
            "cell": cell,
            "outcome": {"finished": {
                "sender": {"total": {"accepted_bytes": 1_000_000}},
                "receiver": {"total": {"received_bytes": 1_000_000}},
            }},
            "copies": {
                "copied_in": figure(shares[0]), "by_reference": figure(shares[1]),
                "deferred": figure(shares[2]), "copied_out": figure(shares[3]),
            },
        }})
        .to_string()
    }

    fn judged(cell: &str, shares: [f64; 4], path: &str, link: &str) -> Vec<String> {
        judge(&audit(cell, shares), None, &[link.to_owned()], &[path], &[]).unwrap().differing
    }

    #[test]
    fn copies_as_they_must_be_are_found_right() {
        let none = Vec::<String>::new();
        assert_eq!(judged("send=send", [1.0, 0.0, 0.0, 1.0], "send", "loopback"), none);
        let veth = "send=zerocopy link=veth message_bytes=65536";
        assert_eq!(judged(veth, [0.004, 1.0, 0.996, 1.0], "zerocopy", "veth"), none);
        assert_eq!(
            judged("send=zerocopy link=sink", [0.0, 1.0, 0.0, 0.0], "zerocopy", "sink"),
            none
        );
        assert_eq!(judged("send=send link=sink", [1.0, 0.0, 0.0, 0.0], "send", "sink"), none);
    }

    #[test]
    fn a_figure_that_is_off_is_named() {
        let found = judged("send=send", [2.0, 0.0, 0.0, 1.0], "send", "loopback");
        assert_eq!(found, ["send over loopback: copied_in is 2.0000 of a byte, not 1.00"]);
    }

    #[test]
    fn a_missing_cell_an_absent_figure_and_an_unjudged_law_differ() {
        let found = judged("send=send", [1.0, 0.0, 0.0, 1.0], "send", "veth");
        assert_eq!(found, ["send over veth: no audit trial"]);
        let mut record: Value =
            serde_json::from_str(&audit("send=send", [1.0, 0.0, 0.0, 1.0])).unwrap();
        record["body"]["copies"]["deferred"] = json!({"absent": "no kprobes"});
        let links = ["loopback".to_owned()];
        let summary = json!({"laws": [{"id": 4, "state": "broken", "because": "x"}]}).to_string();
        let found = judge(&record.to_string(), Some(&summary), &links, &["send"], &[4, 5]);
        let found = found.unwrap().differing;
        assert_eq!(
            found,
            [
                "send over loopback: deferred is absent: no kprobes",
                "law 4 is \"broken\": \"x\"",
                "law 5 was not judged"
            ]
        );
    }

    #[test]
    fn a_trial_that_failed_says_why() {
        let record = json!({"kind": "audit", "body": {
            "cell": "send=send", "outcome": {"failed": {"why": "an end died"}},
        }});
        let found = judge(&record.to_string(), None, &["loopback".to_owned()], &["send"], &[]);
        assert_eq!(found.unwrap().differing, ["send over loopback: an end died"]);
    }
}
