//! A value of the program under inspection, as plain data: what its memory holds, by its type.

use std::sync::Arc;

use crate::addr::Addr;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Its type, as Go writes it; empty where it is not known.
    pub ty: Arc<str>,
    /// What it is.
    pub what: What,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// `bool`; any byte but 0 and 1 is damage, and true.
    Bool(bool),
    /// Signed integers.
    Int(i64),
    /// Unsigned integers.
    Uint(u64),
    /// `float32`.
    Float32(f32),
    /// `float64`.
    Float64(f64),
    /// Complex numbers: real and imaginary part.
    Complex(f64, f64),
    /// A string, or bytes: the first of them.
    Text {
        /// As many as were asked for.
        bytes: Vec<u8>,
        /// How many there are.
        len: u64,
    },
    /// A pointer.
    Pointer {
        /// Nil is 0.
        to: Addr,
        /// What lies there, where it was followed.
        target: Option<Box<Value>>,
    },
    /// A slice.
    Slice {
        /// The first element; nil is 0.
        at: Addr,
        /// Length.
        len: u64,
        /// Capacity.
        cap: u64,
        /// The first elements.
        elements: Vec<Value>,
    },
    /// An array, or the values that lie in a row in one object.
    Array {
        /// How many there are.
        len: u64,
        /// The first elements.
        elements: Vec<Value>,
    },
    /// A struct: its fields in order.
    Struct(Vec<(Arc<str>, Value)>),
    /// A map.
    Map {
        /// Its header; nil is 0.
        at: Addr,
        /// How many entries it has.
        len: u64,
        /// The first ones that were met; Go gives them no order.
        entries: Vec<(Value, Value)>,
    },
    /// A channel.
    Chan {
        /// Its header; nil is 0.
        at: Addr,
        /// Elements in its buffer.
        len: u64,
        /// Room in its buffer.
        cap: u64,
        /// Whether it was closed.
        closed: bool,
        /// The first elements, in the order in which they would be received.
        elements: Vec<Value>,
    },
    /// An interface that holds something of the value's type; nil has none.
    Interface(Option<Box<Value>>),
    /// A function.
    Func {
        /// The closure; nil is 0.
        at: Addr,
        /// Its name, where it is known.
        name: Option<Arc<str>>,
        /// The variables that it captured.
        captured: Vec<(Arc<str>, Value)>,
    },
    /// `time.Time`.
    Time {
        /// Seconds since 1970 in UTC.
        seconds: i64,
        /// Nanoseconds of the second.
        nanoseconds: u32,
    },
    /// Bytes of no known meaning.
    Raw(Vec<u8>),
    /// Not followed: a limit was reached.
    Cut,
    /// Memory that cannot be read.
    Unreadable {
        /// Where.
        at: Addr,
        /// Why.
        why: String,
    },
}

impl Value {
    /// A value of a type.
    pub fn new(ty: &Arc<str>, what: What) -> Value {
        Value { ty: ty.clone(), what }
    }

    /// Every place in the tree that could not be read, as a person would write the way to it.
    pub fn unreadable(&self) -> Vec<(String, Addr, String)> {
        let mut found = Vec::new();
        let mut open = vec![(String::new(), self)];
        while let Some((path, value)) = open.pop() {
            if let What::Unreadable { at, why } = &value.what {
                found.push((path.clone(), *at, why.clone()));
            }
            open.extend(value.parts().into_iter().map(|(name, part)| (format!("{path}{name}"), part)));
        }
        found.sort();
        found
    }

    /// The values that this one is made of, each with its name behind that of the whole: `.field`, `[3]`.
    pub fn parts(&self) -> Vec<(String, &Value)> {
        let field = |(name, value)| (format!(".{name}"), value);
        let numbered = |elements| -> Vec<(String, &Value)> {
            let elements: &Vec<Value> = elements;
            elements.iter().enumerate().map(|(index, value)| (format!("[{index}]"), value)).collect()
        };
        match &self.what {
            What::Struct(fields) | What::Func { captured: fields, .. } => {
                fields.iter().map(|(name, value)| field((name, value))).collect()
            }
            What::Slice { elements, .. } | What::Array { elements, .. } | What::Chan { elements, .. } => {
                numbered(elements)
            }
            What::Map { entries, .. } => entries
                .iter()
                .enumerate()
                .flat_map(|(index, (key, value))| {
                    [(format!("[key {index}]"), key), (format!("[value {index}]"), value)]
                })
                .collect(),
            What::Pointer { target: Some(inner), .. } | What::Interface(Some(inner)) => {
                vec![(String::new(), &**inner)]
            }
            _ => Vec::new(),
        }
    }
}
