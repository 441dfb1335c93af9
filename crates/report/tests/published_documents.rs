//! `docs/FILES.md` and the schemas in `schema` say what the code does. `BLESS=1` writes them anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

use std::fmt::Write as _;
use std::path::PathBuf;

use analysis::metric::{Better, Metric, Pooled, Scale};
use model::host::Host;
use model::{Class, Factor, FactorLists, Mark};
use report::CsvColumn;
use serde_json::Value;

fn workspace(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Compares a file with what it should hold, or writes it.
fn check(path: &str, expected: &str) {
    let file = workspace(path);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, expected).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{path} is stale, first at {differs:?}; write it anew with: BLESS=1 cargo test -p copycost-report"
    );
}

/// Replaces what stands between two markers.
fn fill(document: &mut String, name: &str, table: &str) {
    let open = format!("<!-- {name}: written by a test -->\n");
    let close = format!("<!-- end of {name} -->");
    let start = document.find(&open).unwrap_or_else(|| panic!("no marker for {name}")) + open.len();
    let end = start
        + document[start..].find(&close).unwrap_or_else(|| panic!("no end marker for {name}"));
    document.replace_range(start..end, table);
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn factors() -> String {
    let mut table = "| key | column in CSV | default | meaning |\n|---|---|---|---|\n".to_owned();
    for factor in Factor::ALL {
        let default = FactorLists::default().get(*factor).join(", ");
        let meaning = cell(factor.help());
        writeln!(table, "| `{}` | `{}` | {default} | {meaning} |", factor.key(), factor.column())
            .unwrap();
    }
    table
}

/// The columns of a CSV file, one table a subject.
fn grouped(columns: &[CsvColumn]) -> String {
    let mut tables = String::new();
    for group in columns.chunk_by(|a, b| a.subject == b.subject) {
        let subject = group[0].subject;
        writeln!(tables, "\n**{subject}**\n\n| column | unit | meaning |\n|---|---|---|").unwrap();
        for column in group {
            let meaning = cell(&column.meaning);
            writeln!(tables, "| `{}` | {} | {meaning} |", column.name, column.unit()).unwrap();
        }
    }
    tables + "\n"
}

/// The table above has the factors already, and the table below the metrics.
fn without(columns: Vec<CsvColumn>, subjects: &[&str]) -> Vec<CsvColumn> {
    columns.into_iter().filter(|column| !subjects.contains(&column.subject)).collect()
}

fn trials() -> String {
    grouped(&without(report::trial_columns(), &["Factors", "Figures"]))
}

fn results() -> String {
    grouped(&without(report::results_columns(), &["Factors", "Figures"]))
}

fn ratios() -> String {
    grouped(&without(report::ratios_columns(), &["Factors of `cell`"]))
}

fn table() -> String {
    grouped(&without(report::table_columns(), &["Factors"]))
}

fn metrics() -> String {
    let columns = report::trial_columns();
    let mut table =
        "| metric | unit | better | mean | meaning |\n|---|---|---|---|---|\n".to_owned();
    for metric in Metric::ALL {
        let unit = columns.iter().find(|column| column.name == metric.name()).unwrap().unit();
        let better = match metric.better() {
            Better::High => "more",
            Better::Low => "less",
            Better::None => "",
        };
        let mean = match (metric.pooled(), metric.scale()) {
            (Some(Pooled::Quantile(_)), _) => "quantile of all trials' messages",
            (Some(Pooled::Largest), _) => "largest of all trials",
            (None, Scale::Log) => "geometric",
            (None, Scale::Linear) => "arithmetic",
        };
        let meaning = cell(metric.meaning());
        writeln!(table, "| `{}` | {unit} | {better} | {mean} | {meaning} |", metric.name())
            .unwrap();
    }
    table
}

fn marks() -> String {
    let mut table = "| mark | class | meaning |\n|---|---|---|\n".to_owned();
    for mark in Mark::ALL {
        let class = match mark.class() {
            Class::Void => "void",
            Class::Noted => "noted",
        };
        writeln!(table, "| `{mark}` | {class} | {} |", cell(mark.meaning())).unwrap();
    }
    table
}

/// Longer lists of values have a table of their own, as metrics and factors do.
const MOST_VALUES: usize = 15;

/// The values of a plain enum that a schema points to, itself, in a list or as the value that may be absent; none of
/// another type.
fn values(schema: &Value, root: &Value) -> Vec<String> {
    if let Some(target) = schema["$ref"].as_str() {
        return values(root.pointer(target.trim_start_matches('#')).unwrap(), root);
    }
    if let Some(value) = schema["const"].as_str() {
        return vec![format!("`{value}`")];
    }
    let of = |parts: &[Value]| parts.iter().flat_map(|part| values(part, root)).collect();
    if let Some(names) = schema["enum"].as_array() {
        return names.iter().filter_map(Value::as_str).map(|name| format!("`{name}`")).collect();
    }
    let parts = ["oneOf", "anyOf"].iter().find_map(|of| schema[of].as_array());
    parts.map_or_else(
        || schema.get("items").map_or_else(Vec::new, |it| values(it, root)),
        |it| of(it),
    )
}

/// The keys of an object of a schema, with their descriptions and the values that they may have; of a sum type its kinds,
/// with their keys.
fn keys(table: &mut String, of: &str, object: &Value, root: &Value) {
    if let Some(kinds) = object["oneOf"].as_array() {
        let of = of.trim_end_matches('.');
        for kind in kinds {
            let name = kind["properties"]["kind"]["const"].as_str().unwrap();
            let meaning = kind["description"].as_str().unwrap_or_else(|| panic!("{of}: {name}"));
            let keys = kind["properties"].as_object().unwrap().keys().filter(|key| *key != "kind");
            let keys: Vec<String> = keys.map(|key| format!("`{key}`")).collect();
            let with =
                if keys.is_empty() { String::new() } else { format!(" With {}.", keys.join(", ")) };
            writeln!(table, "| `{of}`, kind `{name}` | {}{with} |", cell(meaning)).unwrap();
        }
        return;
    }
    for (key, schema) in object["properties"].as_object().unwrap() {
        let meaning =
            schema["description"].as_str().unwrap_or_else(|| panic!("{of}.{key} is undescribed"));
        let values = values(schema, root);
        let one_of = match values.len() {
            0 | MOST_VALUES.. => String::new(),
            _ => format!(" One of {}.", values.join(", ")),
        };
        writeln!(table, "| `{of}{key}` | {}{one_of} |", cell(meaning)).unwrap();
    }
}

fn host() -> String {
    let schema = schemars::schema_for!(Host).to_value();
    let mut table = "| key | meaning |\n|---|---|\n".to_owned();
    keys(&mut table, "", &schema, &schema);
    for (list, part) in [("cpus[].", "CpuFacts"), ("caches[].", "CacheFacts")] {
        keys(&mut table, list, &schema["$defs"][part], &schema);
    }
    table
}

fn summary() -> String {
    let schema = report::schema();
    let mut table = "| key | meaning |\n|---|---|\n".to_owned();
    keys(&mut table, "", &schema, &schema);
    for (of, part) in [
        ("run.", "RunFacts"),
        ("estimates[].", "CellEstimates"),
        ("estimates[].metrics.*.", "Estimate"),
        ("estimates[].paper.", "PaperRow"),
        ("ratios[].", "Ratio"),
        ("noise_floor.", "NoiseFloor"),
        ("instrument_cost.", "InstrumentCost"),
        ("warning_sentences[].", "WarningSentence"),
        ("warnings[].", "Warning"),
        ("recommendations[].", "Recommendation"),
        ("recommendations[].advice.", "Advice"),
        ("recommendations[].advice.gains[].", "Gain"),
        ("recommendations[].by_reference[].", "ByReference"),
        ("recommendations[].by_reference[].pays.", "Pays"),
        ("recommendations[].caveats[].", "Caveat"),
        ("receiving[].", "Receiving"),
        ("crossovers[].", "Crossover"),
        ("crossovers[].outcome.", "CrossoverOutcome"),
        ("cost_models[].", "CostModel"),
        ("cost_models[].breaks[].", "BreakPoint"),
        ("scaling[].", "Scaling"),
        ("scaling[].points[].", "ScalingPoint"),
        ("scaling[].usl.", "Usl"),
        ("law_sentences.*.", "LawSentence"),
        ("laws[].", "Law"),
        ("laws[].reasons[].", "LawReason"),
        ("laws[].broken_by[].", "Breach"),
        ("laws[].broken_by[].record.", "BreachRecord"),
        ("laws[].broken_by[].wrong.", "Wrong"),
        ("laws[].links[].", "LawOnLink"),
        ("answer_sentences.*.", "AnswerSentence"),
        ("answers[].", "Answer"),
        ("answers[].finding.", "AnswerFinding"),
        ("answers[].compared[].", "Comparisons"),
        ("answers[].compared[].ratios[].", "Compared"),
        ("claims[].", "Claim"),
        ("claims[].parts[].", "Part"),
        ("claims[].parts[].reasons[].", "Reason"),
        ("claims[].evidence[].", "Reference"),
        ("claim_sentences.*.", "Sentence"),
        ("claims[].would_decide[].", "Missing"),
        ("trials[].", "Trials"),
        ("data_paths[].", "DataPath"),
        ("data_paths[].copies_*.", "Copies"),
        ("links[].", "LinkComparison"),
        ("links[].points[].", "LinkPoint"),
        ("link_verdicts[].", "LinkVerdict"),
        ("link_verdicts[].outcomes[].", "LinkOutcome"),
        ("copy_audits[].", "CopyAudit"),
        ("copy_audits[].figures[].", "CopyFigure"),
        ("copy_audits[].functions[].", "CopyFunction"),
        ("ceilings[].", "CopyingCeiling"),
        ("ceilings[].alone[].", "CpuRate"),
        ("ceiling_shares[].", "CeilingShare"),
        ("breakdowns[].", "CpuBreakdown"),
        ("breakdowns[].unwatched.", "UnwatchedEnd"),
        ("breakdowns[].sides[].", "SideBreakdown"),
        ("breakdowns[].sides[].categories[].", "CategoryShare"),
        ("breakdowns[].unmapped_symbols[].", "UnmappedSymbol"),
    ] {
        keys(&mut table, of, &schema["$defs"][part], &schema);
    }
    table
}

#[test]
fn the_document_names_every_column_key_and_mark() {
    let mut document = std::fs::read_to_string(workspace("docs/FILES.md")).unwrap();
    for (name, table) in [
        ("factors", factors()),
        ("host", host()),
        ("trials.csv", trials()),
        ("results.csv", results()),
        ("ratios.csv", ratios()),
        ("table", table()),
        ("metrics", metrics()),
        ("marks", marks()),
        ("summary", summary()),
    ] {
        fill(&mut document, name, &table);
    }
    let columns = [
        report::trial_columns(),
        report::results_columns(),
        report::ratios_columns(),
        report::table_columns(),
    ];
    for column in columns.concat() {
        let name = column.name.strip_suffix("_low").or(column.name.strip_suffix("_high"));
        let name = name.unwrap_or(&column.name);
        assert!(document.contains(&format!("`{name}`")), "no word on {name}");
    }
    assert!(document.contains(&report::PAPER_COLUMNS.join(",")));
    check("docs/FILES.md", &document);
}

#[test]
fn the_published_schemas_are_the_codes() {
    for (name, schema) in [
        ("summary", report::schema()),
        ("advice", report::advice_schema()),
        ("changes", report::changes_schema()),
    ] {
        let schema = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        check(&format!("schema/{name}.schema.json"), &schema);
    }
}
