//! A value of the program as JSON: exact numbers, addresses in hex, texts whole as far as they were read.

use leakscope_model::{Value, What};
use serde_json::{Map, Value as Json, json};

use crate::instant;

/// Nested deeper than any value is read.
const DEEPEST: usize = 128;

/// One value: its type, its kind, and what that kind has.
pub(crate) fn value(value: &Value) -> Json {
    Json::Object(object(value, DEEPEST))
}

fn object(value: &Value, deepest: usize) -> Map<String, Json> {
    let mut out = Map::new();
    out.insert("type".to_owned(), json!(&*value.ty));
    let rest = if deepest == 0 { json!({ "kind": "cut" }) } else { what(&value.what, deepest - 1) };
    if let Json::Object(rest) = rest {
        out.extend(rest);
    }
    out
}

fn what(what: &What, deepest: usize) -> Json {
    let inner = |value: &Value| Json::Object(object(value, deepest));
    let all = |values: &[Value]| values.iter().map(inner).collect::<Vec<Json>>();
    let named = |fields: &[(std::sync::Arc<str>, Value)]| {
        let field = |(name, value): &(std::sync::Arc<str>, Value)| {
            let mut field = object(value, deepest);
            field.insert("name".to_owned(), json!(&**name));
            Json::Object(field)
        };
        fields.iter().map(field).collect::<Vec<Json>>()
    };
    match what {
        What::Bool(truth) => json!({ "kind": "bool", "value": truth }),
        What::Int(number) => json!({ "kind": "int", "value": number }),
        What::Uint(number) => json!({ "kind": "uint", "value": number }),
        What::Float32(number) => json!({ "kind": "float", "value": float(f64::from(*number)) }),
        What::Float64(number) => json!({ "kind": "float", "value": float(*number) }),
        What::Complex(real, imaginary) => {
            json!({ "kind": "complex", "real": float(*real), "imaginary": float(*imaginary) })
        }
        What::Text { bytes, len } => text(bytes, *len),
        What::Pointer { to, target } => json!({
            "kind": "pointer", "nil": to.is_nil(), "to": to.to_string(), "target": target.as_deref().map(inner),
        }),
        What::Slice { at, len, cap, elements } => json!({
            "kind": "slice", "nil": at.is_nil(), "at": at.to_string(), "len": len, "cap": cap,
            "elements": all(elements),
        }),
        What::Array { len, elements } => json!({ "kind": "array", "len": len, "elements": all(elements) }),
        What::Struct(fields) => json!({ "kind": "struct", "fields": named(fields) }),
        What::Map { at, len, entries } => {
            let entries: Vec<Json> = entries
                .iter()
                .map(|(key, value)| json!({ "key": inner(key), "value": inner(value) }))
                .collect();
            json!({ "kind": "map", "nil": at.is_nil(), "at": at.to_string(), "len": len, "entries": entries })
        }
        What::Chan { at, len, cap, closed, elements } => json!({
            "kind": "chan", "nil": at.is_nil(), "at": at.to_string(), "len": len, "cap": cap, "closed": closed,
            "elements": all(elements),
        }),
        What::Interface(held) => {
            json!({ "kind": "interface", "nil": held.is_none(), "value": held.as_deref().map(inner) })
        }
        What::Func { at, name, captured } => json!({
            "kind": "func", "nil": at.is_nil(), "at": at.to_string(), "function": name.as_deref(), "captured": named(captured),
        }),
        What::Time { seconds, nanoseconds } => json!({
            "kind": "time", "value": instant::rfc3339(*seconds, *nanoseconds),
            "seconds": seconds, "nanoseconds": nanoseconds,
        }),
        What::Raw(bytes) => json!({ "kind": "raw", "hex": hex(bytes) }),
        What::Cut => json!({ "kind": "cut" }),
        What::Unreadable { at, why } => {
            json!({ "kind": "unreadable", "at": at.to_string(), "reason": why })
        }
    }
}

/// JSON has no words for what is no number.
fn float(number: f64) -> Json {
    if number.is_finite() { json!(number) } else { json!(number.to_string()) }
}

/// Text as it is; where it is not UTF-8, its bytes as well.
fn text(bytes: &[u8], len: u64) -> Json {
    let cut = (bytes.len() as u64) < len;
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "kind": "string", "value": text, "len": len, "cut": cut }),
        Err(_) => json!({
            "kind": "string", "value": String::from_utf8_lossy(bytes), "hex": hex(bytes), "len": len, "cut": cut,
        }),
    }
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
