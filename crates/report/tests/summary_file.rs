//! `summary.json`: it is JSON, keeps its order, and is what its schema promises.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

mod common;

use analysis::summary::Summary;
use model::{Plan, Preset};
use serde_json::Value;

/// Checks a value against the keywords that the published schema uses; an unknown keyword is a failure, so that
/// nothing in the schema is passed over.
fn validate(value: &Value, schema: &Value, root: &Value, at: &str) -> Result<(), String> {
    let Value::Object(keywords) = schema else {
        return if schema == &Value::Bool(true) { Ok(()) } else { Err(format!("{at}: no schema")) };
    };
    for (keyword, with) in keywords {
        let holds = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "format" | "default" => true,
            "$ref" => {
                let target = root.pointer(with.as_str().unwrap().trim_start_matches('#')).unwrap();
                validate(value, target, root, at)?;
                true
            }
            "type" => match with {
                Value::Array(types) => {
                    types.iter().any(|name| is_of(value, name.as_str().unwrap()))
                }
                Value::String(name) => is_of(value, name),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
            },
            "const" => value == with,
            // The one pattern of the schema: the id of a question or a claim.
            "pattern" if with == "^[qc][0-9]+$" => value.as_str().is_some_and(|id| {
                let number = id.strip_prefix(['q', 'c']).unwrap_or_default();
                !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
            }),
            "enum" => with.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|n| n >= with.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|n| n <= with.as_f64().unwrap()),
            "minItems" | "maxItems" => value.as_array().is_none_or(|items| {
                let limit = usize::try_from(with.as_u64().unwrap()).unwrap();
                if keyword == "minItems" { items.len() >= limit } else { items.len() <= limit }
            }),
            "anyOf" | "oneOf" => {
                let parts = with.as_array().unwrap();
                let met =
                    parts.iter().filter(|part| validate(value, part, root, at).is_ok()).count();
                if keyword == "oneOf" { met == 1 } else { met > 0 }
            }
            "required" => with
                .as_array()
                .unwrap()
                .iter()
                .all(|key| value.get(key.as_str().unwrap()).is_some()),
            "properties" => {
                for (key, part) in with.as_object().unwrap() {
                    if let Some(inner) = value.get(key) {
                        validate(inner, part, root, &format!("{at}/{key}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let named = keywords.get("properties").and_then(Value::as_object);
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if named.is_none_or(|named| !named.contains_key(key)) {
                        validate(inner, with, root, &format!("{at}/{key}"))?;
                    }
                }
                true
            }
            "items" => {
                for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
                    validate(inner, with, root, &format!("{at}/{index}"))?;
                }
                true
            }
            other => {
                return Err(format!(
                    "{at}: the schema uses {other}, which this test does not know"
                ));
            }
        };
        if !holds {
            return Err(format!("{at}: {value} does not hold {keyword}: {with}"));
        }
    }
    Ok(())
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}

fn written(summary: &Summary) -> String {
    let mut bytes = Vec::new();
    report::write_summary(&mut bytes, summary).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn samples() -> Vec<Summary> {
    let plan = Plan::preset(Preset::Default);
    let whole = common::summary(&plan);
    let mut broken = common::summary(&plan);
    common::without_any_trial(&mut broken, |_| "it broke");
    let records = synthetic::run(&plan, 3, |cell, round| synthetic::trial(cell, round).counted());
    let analysed = analysis::summarise(&plan, &synthetic::host(), &records);
    let nothing = analysis::summarise(&plan, &synthetic::host(), &[]);
    let explained = common::explanation::explained(common::summary(&plan), str::to_owned);
    vec![whole, broken, analysed, nothing, explained]
}

#[test]
fn a_summary_is_written_as_json_and_always_alike() {
    for summary in samples() {
        let text = written(&summary);
        assert!(text.ends_with("}\n"));
        let mut value: Value = serde_json::from_str(&text).unwrap();
        let answer = value.as_object_mut().unwrap().remove("answer").unwrap();
        assert!(!answer.as_array().unwrap().is_empty());
        // Sentences come last: without them it is the summary, digit for digit.
        value.as_object_mut().unwrap().retain(|key, _| !key.ends_with("_sentences"));
        assert!(value == serde_json::to_value(&summary).unwrap(), "a figure lost digits");
        assert_eq!(written(&summary), text);
    }
}

#[test]
fn every_summary_is_what_the_schema_promises() {
    let schema = report::schema();
    for summary in samples() {
        let value: Value = serde_json::from_str(&written(&summary)).unwrap();
        validate(&value, &schema, &schema, "").unwrap();
    }
}

#[test]
fn the_schema_refuses_what_is_no_summary() {
    let schema = report::schema();
    let good: Value = serde_json::from_str(&written(&samples()[0])).unwrap();
    let mutations: [(&str, Value); 6] = [
        ("/run/rounds", "thirteen".into()),
        ("/run/rounds", (-1).into()),
        ("/ratios/0/finding", "perhaps".into()),
        ("/ratios/0/ratio", Value::Null),
        ("/estimates/0/metrics/goodput_gbps", 63.into()),
        ("/noise_floor", serde_json::json!({"missing": "reason"})),
    ];
    for (path, wrong) in mutations {
        let mut bad = good.clone();
        *bad.pointer_mut(path).unwrap() = wrong;
        assert!(validate(&bad, &schema, &schema, "").is_err(), "{path}");
    }
    let mut bad = good.clone();
    bad.as_object_mut().unwrap().remove("warnings");
    assert!(validate(&bad, &schema, &schema, "").is_err());
}
