//! What each path must copy over each link, and whether the kernel did.

use serde_json::Value;

/// How far a figure may be off: 1.00 ± 0.01 copies a byte.
const MARGIN: f64 = 0.01;
/// The receive path of a cell that names none.
pub(crate) const RECV: &str = "recv";
/// The link without TCP: nothing is delivered there, and no completion comes.
pub(crate) const UNIX: &str = "unix";

/// What was found on one kernel.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Found {
    /// A line a cell.
    pub(crate) lines: Vec<String>,
    /// Whatever is not as it must be, or missing.
    pub(crate) differing: Vec<String>,
}

impl Found {
    /// Puts what was found elsewhere behind.
    pub(crate) fn extend(&mut self, other: Self) {
        self.lines.extend(other.lines);
        self.differing.extend(other.differing);
    }
}

/// Whether a path passes pages by reference, with a notification or without.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passes {
    Nothing,
    Notified,
    Unnotified,
    /// With a notification, but for fields below a length, which are copied.
    LongFields,
}

/// Share of a message's bytes in fields that `hybrid` copies: of 8 KiB and 56 KiB the first one, which is shorter than 16 KiB.
const SHORT_FIELDS: f64 = 0.125;

fn passes(path: &str) -> Passes {
    match path {
        "hybrid" => Passes::LongFields,
        "zerocopy" | "uring-send-zc" | "uring-sendmsg-zc" | "uring-send-zc-fixed" => {
            Passes::Notified
        }
        "sendfile" | "splice" => Passes::Unnotified,
        _ => Passes::Nothing,
    }
}

/// What a run must have audited: each pair of a send and a receive path over each link, and what must follow from it.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) send: Vec<&'a str>,
    pub(crate) receive: Vec<&'a str>,
    pub(crate) links: Vec<String>,
    pub(crate) laws: Vec<u64>,
    /// The share of a count that a breakpoint may have added by firing twice.
    pub(crate) twice: f64,
    /// Whether every copy that the paper's claims tell of is among them.
    pub(crate) decides_claims: bool,
}

impl Asked<'_> {
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.send.iter().flat_map(|send| self.receive.iter().map(move |receive| (*send, *receive)))
    }
}

/// Whether somebody takes bytes out of a socket at the link's far end.
pub(crate) fn has_receiver(link: &str) -> bool {
    link != "sink"
}

/// Copies out a byte that a receive path must make, of whose bytes this share was mapped instead.
fn copied_out(receive: &str, mapped: f64) -> f64 {
    match receive {
        // Thrown away in the kernel.
        "recv-trunc" => 0.0,
        "recv-zerocopy" => 1.0 - mapped,
        _ => 1.0,
    }
}

/// Copies a payload byte that two paths must make over a link, from the least to the most: in, by reference, deferred, out.
fn expected(path: &str, receive: &str, mapped: f64, link: &str) -> Vec<(&'static str, f64, f64)> {
    let is = |yes: bool| f64::from(u8::from(yes));
    let (passes, is_sink) = (passes(path), !has_receiver(link));
    let by_reference = match passes {
        Passes::Nothing => 0.0,
        Passes::Notified | Passes::Unnotified => 1.0,
        Passes::LongFields => 1.0 - SHORT_FIELDS,
    };
    let is_deferred = !is_sink && matches!(passes, Passes::Notified | Passes::LongFields);
    let figure = |name, of: f64| (name, of, of);
    let mut figures = vec![
        figure("copied_in", 1.0 - by_reference),
        // On one machine a page that was passed with a notification is copied at delivery, and whatever is in its packet; the sink
        // drops it before.
        ("deferred", by_reference * is(is_deferred), is(is_deferred)),
        figure("copied_out", if is_sink { 0.0 } else { copied_out(receive, mapped) }),
    ];
    // What is passed without one comes by a function that can be hooked from Linux 6.5 on (`skb_splice_from_iter`).
    if passes != Passes::Unnotified {
        figures.push(figure("by_reference", by_reference));
    }
    figures
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

/// How a cell is called: its receive path only where it is not the usual one.
fn name(path: &str, receive: &str, link: &str) -> String {
    if receive == RECV {
        format!("{path} over {link}")
    } else {
        format!("{path} to {receive} over {link}")
    }
}

fn check_cell(
    audited: &Value,
    (path, receive): (&str, &str),
    link: &str,
    twice: f64,
    found: &mut Found,
) {
    let name = name(path, receive, link);
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
    let mapped = bytes("receiver", "mapped_bytes") / received;
    if receive == "recv-zerocopy" {
        line.push_str(&format!(", mapped {mapped:.4}"));
    }
    for (figure, least, must) in expected(path, receive, mapped, link) {
        let count = &audited["copies"][figure];
        let total = if figure == "copied_out" { received } else { accepted };
        match count["bytes"].as_f64() {
            Some(bytes) => {
                let is = bytes / total;
                let hook = count["hook"].as_str().unwrap_or("?");
                line.push_str(&format!(", {figure} {is:.4} ({hook})"));
                let is_deferred = figure == "deferred" && must > 0.0;
                let again = if is_deferred { retransmitted(audited) / total } else { 0.0 };
                let twice = if hook == "breakpoint" { twice } else { 0.0 };
                if is < least - MARGIN || is > must + again + twice + MARGIN {
                    found
                        .differing
                        .push(format!("{name}: {figure} is {is:.4} of a byte, not {must:.2}"));
                }
            }
            None => {
                let absence = count["absent"].as_str().or(audited["copies"]["absent"].as_str());
                let why = absence.unwrap_or("no reason given");
                found.differing.push(format!("{name}: {figure} is absent: {why}"));
            }
        }
    }
    for side in ["sender", "receiver"] {
        let taken = bytes(side, "ring_completions");
        let told = &audited["calls"]["completions"];
        match told[side].as_f64() {
            _ if taken == 0.0 => {}
            Some(posted) if posted == taken => {
                line.push_str(&format!(", {taken} completions taken and posted ({side})"));
            }
            Some(posted) => found.differing.push(format!(
                "{name}: the {side} took {taken} completions, the kernel posted {posted}"
            )),
            None => found.differing.push(format!(
                "{name}: the {side}'s completions are not counted: {}",
                told["absent"].as_str().unwrap_or("no reason given")
            )),
        }
    }
    found.lines.push(line);
}

/// The links that a law is asked of by themselves: the fourth says of the sink what no other link can show.
fn is_asked_of(law: u64, link: &str) -> bool {
    law != 4 || link == "sink"
}

/// Records of a link that a law must have compared: one audit trial a path; of completions, the trials of zerocopy.
fn least_compared(law: u64, paths: usize) -> u64 {
    if law == 4 { 1 } else { u64::try_from(paths).unwrap_or(u64::MAX) }
}

/// A law must hold over the whole run, and on each link by the records of that link alone.
///
/// Whatever it needs works on Debian's kernels under QEMU's own processor (breakpoints, kprobes, tracepoints), so that no
/// reason to leave it undecided is a good one here.
fn check_law(summary: &Value, law: u64, links: &[String], paths: usize, found: &mut Found) {
    let laws = summary["laws"].as_array();
    let Some(judged) = laws.into_iter().flatten().find(|it| it["id"] == law) else {
        found.differing.push(format!("law {law} was not judged"));
        return;
    };
    let sentences = &summary["law_sentences"][law.to_string()];
    if judged["state"] != "holds" {
        let (state, because) = (&judged["state"], &sentences["because"]);
        found.differing.push(format!("law {law} is {state}: {because}"));
    }
    for link in links.iter().filter(|link| is_asked_of(law, link)) {
        let on_links = judged["links"].as_array().into_iter().flatten();
        let Some(on) = on_links.into_iter().find(|on| on["link"] == **link) else {
            found.differing.push(format!("law {law} was not judged on {link}"));
            continue;
        };
        let (state, because) = (&on["state"], &sentences["links"][link]);
        let compared = on["compared"].as_u64().unwrap_or(0);
        let least = least_compared(law, paths);
        if state != "holds" {
            found.differing.push(format!("law {law} is {state} on {link}: {because}"));
        } else if compared < least {
            found.differing.push(format!(
                "law {law} holds on {link} by {compared} records, not the {least} of every path: {because}"
            ));
        } else {
            found.lines.push(format!("  law {law} holds on {link}: {because}"));
        }
    }
}

/// The law that says how often the kernel copies.
const LAW_OF_COPIES: u64 = 5;
/// The claims of the paper that an audit of every path decides, whichever way.
const CLAIMS: [&str; 3] = ["c1", "c2", "c3"];

/// What an audit is for must not stay open where everything could be counted.
fn check_claims(summary: &Value, found: &mut Found) {
    for id in CLAIMS {
        let claims = summary["claims"].as_array();
        let claim = claims.into_iter().flatten().find(|claim| claim["id"] == id);
        match claim.and_then(|claim| claim["verdict"].as_str()) {
            Some(verdict @ ("supported" | "refuted")) => {
                let sentence = &summary["claim_sentences"][id]["because"];
                found.lines.push(format!("  claim {id} is {verdict}: {sentence}"));
            }
            verdict => {
                let verdict = verdict.unwrap_or("not judged");
                found.differing.push(format!("claim {id} is {verdict}, with every copy counted"));
            }
        }
    }
}

/// Judges a journal and a summary.
pub(crate) fn judge(
    journal: &str,
    summary: Option<&str>,
    asked: &Asked<'_>,
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
    for link in &asked.links {
        for (path, receive) in asked.pairs() {
            let of = |audited: &&Value| {
                let cell = audited["cell"].as_str().unwrap_or_default();
                factor(cell, "send", "sendmsg") == path
                    && factor(cell, "recv", RECV) == receive
                    && factor(cell, "link", "loopback") == link
            };
            match audits.iter().find(of) {
                Some(audited) => {
                    check_cell(audited, (path, receive), link, asked.twice, &mut found)
                }
                None => {
                    found.differing.push(format!("{}: no audit trial", name(path, receive, link)));
                }
            }
        }
    }
    let summary: Value = match summary {
        Some(text) => serde_json::from_str(text).map_err(|why| format!("summary.json: {why}"))?,
        None => Value::Null,
    };
    for law in &asked.laws {
        check_law(&summary, *law, &asked.links, asked.pairs().count(), &mut found);
    }
    if asked.decides_claims && asked.laws.contains(&LAW_OF_COPIES) {
        check_claims(&summary, &mut found);
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
        judge(&audit(cell, shares), None, &asked(path, link, &[])).unwrap().differing
    }

    fn asked<'a>(path: &'a str, link: &str, laws: &[u64]) -> Asked<'a> {
        let links = if link.is_empty() { Vec::new() } else { vec![link.to_owned()] };
        let send = if path.is_empty() { Vec::new() } else { vec![path] };
        Asked {
            send,
            receive: vec![RECV],
            links,
            laws: laws.to_vec(),
            twice: 0.0,
            decides_claims: true,
        }
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
        // The function that splices is not there before Linux 6.5.
        for by_reference in [0.0, 1.0] {
            let seen = [0.0, by_reference, 0.0, 1.0];
            assert_eq!(judged("send=splice", seen, "splice", "loopback"), none);
        }
        // Over unix sockets nothing is delivered that could be copied then.
        let unix = "send=sendmsg link=unix shape=8192+57344";
        assert_eq!(judged(unix, [1.0, 0.0, 0.0, 1.0], "sendmsg", UNIX), none);
        let unix = "send=sendfile link=unix";
        assert_eq!(judged(unix, [0.0, 1.0, 0.0, 1.0], "sendfile", UNIX), none);
        // A short field may travel in a packet of its own.
        for deferred in [0.875, 0.95, 1.0] {
            let seen = [0.125, 0.875, deferred, 1.0];
            assert_eq!(judged("send=hybrid", seen, "hybrid", "loopback"), none);
        }
        let sink = [0.125, 0.875, 0.0, 0.0];
        assert_eq!(judged("send=hybrid link=sink", sink, "hybrid", "sink"), none);
        let fixed = "send=uring-send-zc-fixed link=veth";
        assert_eq!(judged(fixed, [0.0, 1.0, 1.0, 1.0], "uring-send-zc-fixed", "veth"), none);
    }

    #[test]
    fn completions_of_a_ring_are_those_that_the_kernel_posted() {
        let judged = |told: Value| {
            let mut record: Value =
                serde_json::from_str(&audit("send=uring-send", [1.0, 0.0, 0.0, 1.0])).unwrap();
            record["body"]["outcome"]["finished"]["sender"]["total"]["ring_completions"] = json!(7);
            record["body"]["calls"]["completions"] = told;
            judge(&record.to_string(), None, &asked("uring-send", "loopback", &[])).unwrap()
        };
        assert_eq!(judged(json!({"sender": 7, "receiver": 0})).differing, Vec::<String>::new());
        let lost = judged(json!({"sender": 8, "receiver": 0})).differing;
        assert!(lost[0].contains("took 7 completions, the kernel posted 8"), "{lost:?}");
        let absent = judged(json!({"absent": "no such tracepoint"})).differing;
        assert!(absent[0].contains("no such tracepoint"), "{absent:?}");
    }

    #[test]
    fn what_a_receiver_copies_out_follows_its_path_and_what_was_mapped() {
        let judged = |receive: &'static str, mapped: u64, out: f64| {
            let cell = format!("send=zerocopy recv={receive}");
            let mut record: Value =
                serde_json::from_str(&audit(&cell, [0.0, 1.0, 1.0, out])).unwrap();
            record["body"]["outcome"]["finished"]["receiver"]["total"]["mapped_bytes"] =
                json!(mapped);
            let asked = Asked { receive: vec![receive], ..asked("zerocopy", "loopback", &[]) };
            judge(&record.to_string(), None, &asked).unwrap().differing
        };
        let none = Vec::<String>::new();
        for (receive, mapped, out) in [
            ("readv", 0, 1.0),
            ("uring-recv", 0, 1.0),
            ("recv-trunc", 0, 0.0),
            ("recv-zerocopy", 970_000, 0.03),
            ("recv-zerocopy", 0, 1.0),
        ] {
            assert_eq!(judged(receive, mapped, out), none, "{receive}");
        }
        for (receive, mapped, out, must) in [
            ("recvmsg", 0, 0.0, "1.00"),
            ("recv-trunc", 0, 1.0, "0.00"),
            ("recv-zerocopy", 970_000, 1.0, "0.03"),
        ] {
            let wrong = format!(
                "zerocopy to {receive} over loopback: copied_out is {out:.4} of a byte, not {must}"
            );
            assert_eq!(judged(receive, mapped, out), [wrong]);
        }
        assert_eq!(
            judged("recv", 0, 1.0),
            none,
            "a cell that names the usual path is found like one that names none"
        );
    }

    #[test]
    fn a_figure_that_is_off_is_named() {
        let found = judged("send=send", [2.0, 0.0, 0.0, 1.0], "send", "loopback");
        assert_eq!(found, ["send over loopback: copied_in is 2.0000 of a byte, not 1.00"]);
        let found = judged("send=sendfile", [0.0, 1.0, 1.0, 1.0], "sendfile", "loopback");
        assert_eq!(found, ["sendfile over loopback: deferred is 1.0000 of a byte, not 0.00"]);
        for (seen, figures) in [
            ([1.0, 0.0, 0.0, 1.0], 3),
            ([0.0, 1.0, 1.0, 1.0], 2),
            ([0.125, 0.875, 0.8, 1.0], 1),
            ([0.125, 0.875, 1.125, 1.0], 1),
        ] {
            let found = judged("send=hybrid", seen, "hybrid", "loopback");
            assert_eq!(found.len(), figures, "{seen:?}: {found:?}");
        }
    }

    #[test]
    fn a_missing_cell_and_an_absent_figure_differ() {
        let found = judged("send=send", [1.0, 0.0, 0.0, 1.0], "send", "veth");
        assert_eq!(found, ["send over veth: no audit trial"]);
        let mut record: Value =
            serde_json::from_str(&audit("send=send", [1.0, 0.0, 0.0, 1.0])).unwrap();
        record["body"]["copies"]["deferred"] = json!({"absent": "no kprobes"});
        let found =
            judge(&record.to_string(), None, &asked("send", "loopback", &[])).unwrap().differing;
        assert_eq!(found, ["send over loopback: deferred is absent: no kprobes"]);
    }

    /// What a summary says of laws 2, 4 and 5 on three links; of one of them, on one link, something else.
    fn laws(changed: u64, on: &str, change: &Value) -> Value {
        let law = |id: u64| {
            let links = ["loopback", "veth", "sink"].map(|link| {
                let mut of_link = json!({"link": link, "state": "holds", "compared": 4});
                if (id, link) == (changed, on) {
                    for (key, value) in change.as_object().unwrap() {
                        of_link[key] = value.clone();
                    }
                }
                of_link
            });
            json!({"id": id, "state": "holds", "links": links})
        };
        let of_links = json!({"loopback": "y", "veth": "y", "sink": "y"});
        let sentence = json!({"because": "x", "links": of_links});
        json!({
            "laws": [law(2), law(4), law(5)],
            "law_sentences": {"2": sentence, "4": sentence, "5": sentence},
        })
    }

    fn judged_laws(summary: &Value) -> Vec<String> {
        let links = ["loopback", "veth", "sink"].map(str::to_owned);
        let mut found = Found::default();
        for law in [2, 4, 5] {
            check_law(summary, law, &links, 4, &mut found);
        }
        found.differing
    }

    #[test]
    fn every_law_must_hold_on_every_link_by_its_own_records() {
        let all = laws(0, "", &json!({}));
        assert_eq!(judged_laws(&all), Vec::<String>::new());
        for (law, link) in [
            (2, "loopback"),
            (2, "veth"),
            (2, "sink"),
            (4, "sink"),
            (5, "loopback"),
            (5, "veth"),
            (5, "sink"),
        ] {
            let broken = laws(law, link, &json!({"state": "broken"}));
            assert_eq!(judged_laws(&broken), [format!("law {law} is \"broken\" on {link}: \"y\"")]);
            let mut open = laws(law, link, &json!({"state": "undecidable", "compared": 0}));
            open["law_sentences"][law.to_string()]["links"][link] = json!("no kprobes");
            let undecidable = format!("law {law} is \"undecidable\" on {link}: \"no kprobes\"");
            assert_eq!(judged_laws(&open), [undecidable]);
            let none = judged_laws(&laws(law, link, &json!({"compared": 0})));
            assert!(none[0].starts_with(&format!("law {law} holds on {link} by 0 records")));
            let unsaid = judged_laws(&laws(law, link, &json!({"link": "ssh"})));
            assert_eq!(unsaid, [format!("law {law} was not judged on {link}")]);
        }
        // A path of a link that was not compared, and the mark on a link that the fourth law is not asked of.
        let three = laws(2, "veth", &json!({"compared": 3}));
        assert_eq!(judged_laws(&three).len(), 1, "{three}");
        let elsewhere = laws(4, "loopback", &json!({"state": "undecidable"}));
        assert_eq!(judged_laws(&elsewhere), Vec::<String>::new());
    }

    #[test]
    fn a_law_that_is_broken_or_missing_in_the_whole_run_differs() {
        let mut summary = laws(0, "", &json!({}));
        summary["laws"][1]["state"] = json!("broken");
        summary["laws"].as_array_mut().unwrap().pop();
        let expected = ["law 4 is \"broken\": \"x\"", "law 5 was not judged"];
        assert_eq!(judged_laws(&summary), expected);
        let found = judge("", None, &asked("", "", &[2])).unwrap();
        assert_eq!(found.differing, ["law 2 was not judged"]);
    }

    #[test]
    fn a_claim_about_copies_must_be_decided_either_way() {
        let judged = |verdict: &str| {
            let mut found = Found::default();
            let claim = |id: &str| json!({"id": id, "verdict": if id == "c2" { verdict } else { "refuted" }});
            check_claims(&json!({"claims": CLAIMS.map(claim)}), &mut found);
            found.differing
        };
        assert_eq!(judged("supported"), Vec::<String>::new());
        assert_eq!(judged("refuted"), Vec::<String>::new());
        let open = ["claim c2 is undecidable, with every copy counted"];
        assert_eq!(judged("undecidable"), open);
        let mut found = Found::default();
        check_claims(&Value::Null, &mut found);
        assert_eq!(found.differing[0], "claim c1 is not judged, with every copy counted");
    }

    #[test]
    fn a_summary_of_an_older_form_is_no_proof() {
        let summary = json!({"laws": [{"id": 2, "state": "holds"}]}).to_string();
        let found = judge("", Some(&summary), &asked("", "veth", &[2])).unwrap();
        assert_eq!(found.differing, ["law 2 was not judged on veth"]);
    }

    #[test]
    fn a_trial_that_failed_says_why() {
        let record = json!({"kind": "audit", "body": {
            "cell": "send=send", "outcome": {"failed": {"why": "an end died"}},
        }});
        let found = judge(&record.to_string(), None, &asked("send", "loopback", &[]));
        assert_eq!(found.unwrap().differing, ["send over loopback: an end died"]);
    }
}
