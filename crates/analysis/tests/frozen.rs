//! Real journals, and what was concluded from them: a change of the analysis must not change a conclusion unseen.
//!
//! Each folder of `tests/frozen` holds a run (`default`, `break-even`, over the `sink`, `audited` by profile and ceiling,
//! with `copies-counted` in a guest of Linux 6.12, a `noisy` one of few rounds; no hardware counters in any; `counters` is made
//! up, as no machine at hand has them) and its conclusions as data: findings of ratios, crossovers, the states of laws, which
//! answers were given, the verdicts on claims. `BLESS=1 cargo test -p copycost-analysis --test frozen` writes them anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use analysis::Summary;
use flate2::read::GzDecoder;
use model::host::Host;
use model::record::Record;
use model::{Plan, Preset};
use serde_json::{Map, Value, json};

/// A run with every hardware counter.
fn counted() -> (Plan, Host, Vec<Record>) {
    let plan = Plan::preset(Preset::Default);
    let records = synthetic::run(&plan, 12, |cell, round| {
        let noise = |seed| synthetic::noise(seed, cell, round, 0.01);
        synthetic::trial(cell, round).faster(noise(1)).counted()
    });
    (plan, synthetic::host(), records)
}

fn read(folder: &Path) -> (Plan, Host, Vec<Record>) {
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let plan = Plan::from_toml(&text("plan.toml")).unwrap();
    let host = serde_json::from_str(&text("host.json")).unwrap();
    let mut lines = Vec::new();
    let packed = fs::File::open(folder.join("journal.jsonl.gz")).unwrap();
    GzDecoder::new(packed).read_to_end(&mut lines).unwrap();
    let (records, torn) = journal::Reader::new(lines.as_slice(), folder).read_all().unwrap();
    assert!(torn.is_none());
    (plan, host, records)
}

/// The conclusions as data, without a word of their sentences.
fn conclusions(summary: &Summary) -> Value {
    let explained = &summary.explained;
    let value = |of: &dyn Fn() -> serde_json::Result<Value>| of().unwrap();
    let claims: Map<String, Value> = explained
        .claims
        .iter()
        .map(|claim| (claim.id.to_string(), value(&|| serde_json::to_value(claim.verdict))))
        .collect();
    let laws: Map<String, Value> = explained
        .laws
        .iter()
        .map(|law| {
            let links: Map<String, Value> = law
                .links
                .iter()
                .map(|link| (link.link.to_string(), value(&|| serde_json::to_value(link.state))))
                .collect();
            let state = json!({ "state": law.state, "compared": law.compared, "links": links });
            (law.id.to_string(), state)
        })
        .collect();
    let answers: Map<String, Value> =
        explained.answers.iter().map(|a| (a.id.to_string(), json!(a.answered))).collect();
    let crossovers: Vec<Value> = explained
        .crossovers
        .iter()
        .map(|c| {
            json!({
                "contrast": c.contrast, "shared": c.shared, "metric": c.metric,
                "outcome": c.outcome, "untold": c.unclear_sizes,
            })
        })
        .collect();
    let findings: Map<String, Value> = summary
        .ratios
        .iter()
        .map(|ratio| {
            let name = format!("{}: {} / {}", ratio.metric.name(), ratio.cell, ratio.against);
            (name, json!(ratio.finding))
        })
        .collect();
    let links: Vec<Value> = explained
        .links
        .iter()
        .map(
            |link| json!({ "link": link.link, "shared": link.shared, "crossover": link.crossover }),
        )
        .collect();
    json!({
        "claims": claims, "laws": laws, "answers": answers, "crossovers": crossovers,
        "findings": findings, "links": links, "marks": summary.marks,
        "rounds": summary.run.rounds, "preliminary": summary.run.preliminary,
    })
}

/// Where two values differ: a path and both sides. Figures may differ by what rounding makes of another order of sums.
fn differences(at: &str, was: &Value, is: &Value, into: &mut Vec<String>) {
    match (was, is) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                differences(&format!("{at}/{key}"), &of(a), &of(b), into);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (place, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{at}/{place}"), a, b, into);
            }
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            if (a - b).abs() > 1e-9 * a.abs().max(b.abs()) {
                into.push(format!("{at}: was {a}, is {b}"));
            }
        }
        (a, b) if a == b => {}
        (a, b) => into.push(format!("{at}: was {a}, is {b}")),
    }
}

#[test]
fn real_journals_lead_to_the_conclusions_that_they_led_to_before() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/frozen");
    let mut different = Vec::new();
    let mut runs = 0;
    for entry in fs::read_dir(root).unwrap() {
        let folder = entry.unwrap().path();
        let (plan, host, records) =
            if folder.ends_with("counters") { counted() } else { read(&folder) };
        let is = conclusions(&analysis::summarise(&plan, &host, &records));
        let file = folder.join("outcome.json");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, format!("{is:#}\n")).unwrap();
        }
        let was: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        differences(&name, &was, &is, &mut different);
        runs += 1;
    }
    assert!(runs >= 7, "only {runs} runs were found");
    assert!(different.is_empty(), "{} differences:\n{}", different.len(), different.join("\n"));
}
