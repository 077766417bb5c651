//! A value of the program as a Go programmer would write it down.

use std::fmt::Write as _;

use leakscope_model::{Value, What};

use crate::{instant, numbers, value_json};

/// What is longer than this, in columns, is spread over lines of its own.
const LINE: usize = 96;
/// Nested deeper than any value is read.
const DEEPEST: usize = 128;

/// The value on as many lines as it takes, the first of them without indent.
pub(crate) fn value(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0, true);
    out
}

/// Writes one value at this depth; its type too where `typed`.
fn write(out: &mut String, value: &Value, depth: usize, typed: bool) {
    let short = flat(value, typed, DEEPEST);
    if 2 * depth + short.chars().count() <= LINE || depth == DEEPEST || is_leaf(&value.what) {
        out.push_str(&short);
        return;
    }
    let (head, open, close) = head(value, typed);
    let _ = writeln!(out, "{head}{open}");
    let line = |out: &mut String, name: &str, part: &Value, typed| {
        let _ = write!(out, "{}{name}", "  ".repeat(depth + 1));
        write(out, part, depth + 1, typed);
        out.push('\n');
    };
    match &value.what {
        What::Struct(fields) | What::Func { captured: fields, .. } => {
            let widest = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(20);
            for (name, part) in fields {
                let blanks = " ".repeat(widest.saturating_sub(name.chars().count()));
                line(out, &format!("{name}: {blanks}"), part, shows_type(part));
            }
        }
        What::Slice { elements, .. } | What::Array { elements, .. } | What::Chan { elements, .. } => {
            elements.iter().for_each(|part| line(out, "", part, shows_type(part)));
        }
        What::Map { entries, .. } => {
            for (key, part) in entries {
                line(out, &format!("{}: ", flat(key, false, DEEPEST)), part, shows_type(part));
            }
        }
        What::Pointer { target: Some(inner), .. } | What::Interface(Some(inner)) => {
            line(out, "", inner, true);
        }
        _ => {}
    }
    if let Some(more) = more(&value.what) {
        let _ = writeln!(out, "{}{more}", "  ".repeat(depth + 1));
    }
    let _ = write!(out, "{}{close}", "  ".repeat(depth));
}

fn is_leaf(what: &What) -> bool {
    match what {
        What::Struct(fields) | What::Func { captured: fields, .. } => fields.is_empty(),
        What::Slice { elements, .. } | What::Array { elements, .. } | What::Chan { elements, .. } => {
            elements.is_empty()
        }
        What::Map { entries, .. } => entries.is_empty(),
        What::Pointer { target, .. } | What::Interface(target) => target.is_none(),
        _ => true,
    }
}

/// Whether the type is not clear from the value itself, to those who know the struct.
fn shows_type(value: &Value) -> bool {
    !matches!(
        value.what,
        What::Bool(_)
            | What::Int(_)
            | What::Uint(_)
            | What::Float32(_)
            | What::Float64(_)
            | What::Text { .. }
            | What::Complex(..)
            | What::Time { .. }
    )
}

/// What stands before the parts, and the brackets around them.
fn head(value: &Value, typed: bool) -> (String, &'static str, &'static str) {
    let ty = if typed { format!("{} ", value.ty) } else { String::new() };
    match &value.what {
        What::Slice { len, cap, .. } => (format!("{ty}len {len} cap {cap} "), "[", "]"),
        What::Array { len, .. } => (format!("{ty}len {len} "), "[", "]"),
        What::Map { len, .. } => (format!("{ty}len {len} "), "{", "}"),
        What::Chan { len, cap, closed, .. } => {
            let closed = if *closed { "closed " } else { "" };
            (format!("{ty}{closed}len {len} cap {cap} "), "[", "]")
        }
        What::Pointer { to, .. } => (format!("{ty}{to} → "), "(", ")"),
        What::Interface(_) => (ty, "(", ")"),
        What::Func { name, .. } => (format!("{ty}{} captured ", name.as_deref().unwrap_or("?")), "{", "}"),
        _ => (ty, "{", "}"),
    }
}

/// How many parts are not shown.
fn more(what: &What) -> Option<String> {
    let (len, shown) = match what {
        What::Slice { len, elements, .. }
        | What::Array { len, elements }
        | What::Chan { len, elements, .. } => (*len, elements.len() as u64),
        What::Map { len, entries, .. } => (*len, entries.len() as u64),
        _ => return None,
    };
    let left = len.saturating_sub(shown);
    (left > 0 && shown > 0).then(|| format!("… {} more", numbers::count(left)))
}

/// The whole value on one line.
fn flat(value: &Value, typed: bool, deepest: usize) -> String {
    if deepest == 0 {
        return "…".to_owned();
    }
    let inner = |part: &Value| flat(part, shows_type(part), deepest - 1);
    let listed =
        |parts: Vec<String>| parts.into_iter().chain(more(&value.what)).collect::<Vec<String>>().join(", ");
    let (before, open, close) = head(value, typed);
    match &value.what {
        What::Struct(fields) => {
            let parts = fields.iter().map(|(name, part)| format!("{name}: {}", inner(part))).collect();
            format!("{before}{open}{}{close}", listed(parts))
        }
        What::Slice { at, len: 0, .. } if at.is_nil() => nil(value, typed),
        What::Slice { elements, .. } | What::Array { elements, .. } | What::Chan { elements, .. }
            if !elements.is_empty() =>
        {
            format!("{before}{open}{}{close}", listed(elements.iter().map(inner).collect()))
        }
        What::Map { entries, .. } if !entries.is_empty() => {
            let parts = entries
                .iter()
                .map(|(key, part)| format!("{}: {}", flat(key, false, deepest - 1), inner(part)));
            format!("{before}{open}{}{close}", listed(parts.collect()))
        }
        What::Pointer { to, target: Some(target) } => {
            // The pointer's own type says what lies there.
            let ty = if typed { format!("{} ", value.ty) } else { String::new() };
            format!("{ty}{to} → {}", flat(target, false, deepest - 1))
        }
        What::Interface(Some(held)) => {
            let ty = if typed { format!("{} ", value.ty) } else { String::new() };
            format!("{ty}({})", flat(held, true, deepest - 1))
        }
        What::Func { name, captured, at } if !at.is_nil() => {
            let name = name.as_deref().unwrap_or("?");
            let parts: Vec<String> =
                captured.iter().map(|(name, part)| format!("{name}: {}", inner(part))).collect();
            if parts.is_empty() {
                format!("func {name}")
            } else {
                format!("func {name} {{{}}}", parts.join(", "))
            }
        }
        what => leaf(what, value, typed),
    }
}

fn nil(value: &Value, typed: bool) -> String {
    if typed { format!("{} nil", value.ty) } else { "nil".to_owned() }
}

/// A value without parts.
fn leaf(what: &What, value: &Value, typed: bool) -> String {
    match what {
        What::Bool(truth) => truth.to_string(),
        What::Int(number) if &*value.ty == "time.Duration" => duration(*number),
        What::Int(number) => number.to_string(),
        What::Uint(number) => number.to_string(),
        What::Float32(number) => number.to_string(),
        What::Float64(number) => number.to_string(),
        What::Complex(real, imaginary) => format!("({real}{imaginary:+}i)"),
        What::Text { bytes, len } => text(bytes, *len),
        What::Time { seconds, nanoseconds } => instant::rfc3339(*seconds, *nanoseconds),
        What::Raw(bytes) => format!("bytes {}", value_json::hex(bytes)),
        What::Cut => {
            if typed && !value.ty.is_empty() {
                format!("{} …", value.ty)
            } else {
                "…".to_owned()
            }
        }
        What::Unreadable { at: _, why } => format!("<{why}>"),
        What::Pointer { to: at, .. }
        | What::Map { at, .. }
        | What::Chan { at, .. }
        | What::Func { at, .. }
            if at.is_nil() =>
        {
            nil(value, typed)
        }
        What::Interface(_) => nil(value, typed),
        What::Pointer { to, .. } => {
            if typed {
                format!("{} {to}", value.ty)
            } else {
                to.to_string()
            }
        }
        What::Slice { .. }
        | What::Array { .. }
        | What::Map { .. }
        | What::Chan { .. }
        | What::Struct(_)
        | What::Func { .. } => {
            let (head, _, _) = head(value, typed);
            head.trim_end().to_owned()
        }
    }
}

/// `1h30m0.5s`, as Go's own String.
fn duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    if total < 1_000_000_000 {
        return match total {
            0 => "0s".to_owned(),
            ns if ns < 1000 => format!("{sign}{ns}ns"),
            ns if ns < 1_000_000 => format!("{sign}{}µs", ns as f64 / 1e3),
            ns => format!("{sign}{}ms", ns as f64 / 1e6),
        };
    }
    let (whole, rest) = (total / 1_000_000_000, total % 1_000_000_000);
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    let fraction = format!("{rest:09}");
    let fraction = fraction.trim_end_matches('0');
    let seconds = if fraction.is_empty() { format!("{seconds}s") } else { format!("{seconds}.{fraction}s") };
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}"),
        (0, _) => format!("{sign}{minutes}m{seconds}"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}"),
    }
}

/// Quoted as Go's `%q` does; how long it is, where it was cut.
fn text(bytes: &[u8], len: u64) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c.is_control() => {
                    let _ = write!(out, "\\u{:04x}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        // A character that was cut in the middle at the end is no damage.
        let cut_here =
            (bytes.len() as u64) < len && bytes.ends_with(chunk.invalid()) && chunk.invalid().len() < 4;
        if !cut_here {
            for byte in chunk.invalid() {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    match (bytes.len() as u64) < len {
        true => format!("{out}…\" ({} bytes)", numbers::count(len)),
        false => out + "\"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_model::Addr;
    use std::sync::Arc;

    fn of(ty: &str, what: What) -> Value {
        Value { ty: Arc::from(ty), what }
    }

    fn number(n: i64) -> Value {
        of("int", What::Int(n))
    }

    #[test]
    fn values_read_like_go() {
        let slice = |len, elements| of("[]int", What::Slice { at: Addr::new(16), len, cap: 8, elements });
        let point = of("main.point", What::Struct(vec![("x".into(), number(3)), ("y".into(), number(-4))]));
        let to = Addr::new(0xc000);
        for (value_, shown) in [
            (number(-8), "-8"),
            (of("time.Duration", What::Int(5_400_500_000_000)), "1h30m0.5s"),
            (of("time.Duration", What::Int(-1_500_000)), "-1.5ms"),
            (of("complex128", What::Complex(0.5, -4.0)), "(0.5-4i)"),
            (slice(2, vec![number(1), number(2)]), "[]int len 2 cap 8 [1, 2]"),
            (slice(1000, vec![number(1)]), "[]int len 1000 cap 8 [1, … 999 more]"),
            (point.clone(), "main.point {x: 3, y: -4}"),
            (
                of("*main.point", What::Pointer { to, target: Some(Box::new(point)) }),
                "*main.point 0xc000 → {x: 3, y: -4}",
            ),
            (of("*main.point", What::Pointer { to: Addr::new(0), target: None }), "*main.point nil"),
            (of("error", What::Interface(None)), "error nil"),
            (of("any", What::Interface(Some(Box::new(number(4242))))), "any (4242)"),
            (
                of("int", What::Unreadable { at: to, why: "no memory at 0xc000".into() }),
                "<no memory at 0xc000>",
            ),
        ] {
            assert_eq!(value(&value_), shown);
        }
    }

    #[test]
    fn text_is_quoted_and_cut() {
        let shown = |bytes: &[u8], len| value(&of("string", What::Text { bytes: bytes.to_vec(), len }));
        assert_eq!(shown("grüße \"x\"\n".as_bytes(), 12), "\"grüße \\\"x\\\"\\n\"");
        assert_eq!(shown(b"a\x00\xff", 3), "\"a\\u0000\\xff\"");
        assert_eq!(shown("gr\u{fc}".as_bytes().get(..3).unwrap(), 4000), "\"gr…\" (4,000 bytes)");
    }

    #[test]
    fn what_is_too_long_for_a_line_is_spread() {
        let fields = (0..12).map(|n| (Arc::from(format!("field{n}")), number(1_000_000 + n))).collect();
        let shown = value(&of("main.T", What::Struct(fields)));
        assert!(shown.starts_with("main.T {\n  field0:  1000000\n"), "{shown}");
        assert!(shown.ends_with("  field11: 1000011\n}"), "{shown}");
    }
}
