//! The committed schema describes what is printed, and nothing that is printed is missing from it.
#![allow(clippy::disallowed_methods, clippy::expect_used, reason = "the test reads the committed schema")]

mod sample;

use leakscope_model::Report;
use serde_json::Value;

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/leakscope.report-1.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the schema is committed"))
        .expect("it is JSON")
}

fn json(report: &Report) -> Value {
    serde_json::from_str(&leakscope_report::json::report(report)).expect("the report is JSON")
}

/// The parts of JSON Schema that ours uses; an unknown keyword fails the test instead of passing everything.
fn check(schema: &Value, root: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    for (keyword, wanted) in schema.as_object().expect("a schema is an object") {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let target = wanted.as_str().and_then(|path| root.pointer(path.trim_start_matches('#')));
                check(target.expect("the reference leads somewhere"), root, value, at, faults);
                true
            }
            "const" => value == wanted,
            "enum" => wanted.as_array().expect("a list").contains(value),
            "type" => match wanted {
                Value::Array(names) => names.iter().any(|name| is_a(name, value)),
                name => is_a(name, value),
            },
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().expect("a number")),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().expect("a number")),
            "minItems" => {
                value.as_array().is_none_or(|list| list.len() as u64 >= wanted.as_u64().expect("a count"))
            }
            "pattern" => value.as_str().is_none_or(is_hex),
            "required" => {
                let names = wanted.as_array().expect("a list").iter().filter_map(Value::as_str);
                value.as_object().is_none_or(|object| names.into_iter().all(|name| object.contains_key(name)))
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(wanted, root, item, &format!("{at}[{index}]"), faults);
                }
                true
            }
            "additionalProperties" => {
                for (name, item) in value.as_object().into_iter().flatten() {
                    check(wanted, root, item, &format!("{at}.{name}"), faults);
                }
                true
            }
            "properties" => {
                for (name, item) in value.as_object().into_iter().flatten() {
                    match wanted.get(name) {
                        Some(schema) => check(schema, root, item, &format!("{at}.{name}"), faults),
                        None => faults.push(format!("{at}.{name} is printed and not in the schema")),
                    }
                }
                true
            }
            other => panic!("the checker does not know the keyword {other}"),
        };
        if !holds {
            faults.push(format!("{at}: {value} breaks {keyword} {wanted}"));
        }
    }
}

fn is_a(name: &Value, value: &Value) -> bool {
    match name.as_str().expect("a type is a name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("the checker does not know the type {other}"),
    }
}

/// The one pattern of the schema: `^0x[0-9a-f]+$`.
fn is_hex(text: &str) -> bool {
    text.strip_prefix("0x")
        .is_some_and(|digits| !digits.is_empty() && u64::from_str_radix(digits, 16).is_ok())
}

fn faults(value: &Value) -> Vec<String> {
    let (schema, mut faults) = (schema(), Vec::new());
    check(&schema, &schema, value, "report", &mut faults);
    faults
}

#[test]
fn reports_are_as_the_schema_says() {
    assert_eq!(faults(&json(&sample::leaky())), Vec::<String>::new());
    let healthy = json(&sample::healthy());
    assert_eq!(faults(&healthy), Vec::<String>::new());
    assert_eq!(healthy["findings"], Value::Array(Vec::new()));
}

#[test]
fn the_checker_sees_what_is_wrong() {
    let mut report = json(&sample::leaky());
    report["findings"][0]["confidence"] = "certain".into();
    report["findings"][0]["because"] = Value::Array(Vec::new());
    report["memory"]["rss"] = (-1).into();
    report["extra"] = 1.into();
    assert_eq!(faults(&report).len(), 4, "{:#?}", faults(&report));
}

#[test]
fn values_stand_where_the_contract_has_them() {
    let report = json(&sample::leaky());
    assert_eq!(report["schema"], "leakscope.report/1");
    let finding = &report["findings"][0];
    assert_eq!(finding["type"], "context.timerCtx");
    assert_eq!(finding["path"][0]["addr"], "0xc0001000");
    assert_eq!(finding["path"][3]["via"], "key");
    assert_eq!(finding["held_by"]["line"], 45);
    assert_eq!(report["forecast"]["limit_source"], "cgroup");
    assert_eq!(report["window"]["predicted_ms"], serde_json::json!([4.0, null]));
}
