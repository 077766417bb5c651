//! The reachable objects in other groups than their types: packages, size classes, places of allocation, roots,
//! goroutines.
#![allow(
    clippy::indexing_slicing,
    reason = "numbers of groups of our own making index arrays of the same length"
)]

use std::collections::BTreeMap;

use leakscope_model::Frame;

use crate::graph::{Heap, ObjectId};
use crate::holders::{Goroutines, HolderName, Holders};
use crate::retained::Tally;
use crate::type_table::retained_by_group;

/// Objects that have something in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Census {
    /// What they have in common.
    pub name: String,
    /// The reachable ones; for places of allocation an estimate.
    pub live: Tally,
    /// Bytes that would be freed without all of them; `None` where the question has no answer.
    pub retained: Option<u64>,
    /// What an estimate stands on.
    pub estimate: Option<Estimate>,
}

/// Where an estimate comes from, and how far off it may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Objects of the sample.
    pub samples: u64,
    /// One standard deviation of the number of objects.
    pub error_objects: f64,
    /// One standard deviation of their bytes.
    pub error_bytes: f64,
    /// The place, innermost frame first.
    pub stack: Vec<Frame>,
}

/// By the package of their type.
pub fn by_package(heap: &Heap) -> Vec<Census> {
    let packages: Vec<&str> = heap.shapes.iter().map(|shape| package_of(&shape.name)).collect();
    let mut numbers: BTreeMap<&str, usize> = packages.iter().map(|package| (*package, 0)).collect();
    for (number, slot) in numbers.values_mut().enumerate() {
        *slot = number;
    }
    let of_shape: Vec<usize> = packages.iter().map(|package| numbers[package]).collect();
    let names: Vec<String> = numbers.keys().map(|name| (*name).to_owned()).collect();
    grouped(heap, names, |id| of_shape.get(heap.shape_of.get(id.0 as usize)?.0 as usize).copied())
}

/// By the size of their slot; those without pointers apart.
pub fn by_size_class(heap: &Heap) -> Vec<Census> {
    let key = |span: &crate::graph::SpanRow| (span.slot_size, span.noscan);
    let mut numbers: BTreeMap<(u64, bool), usize> =
        heap.objects.spans().iter().map(|span| (key(span), 0)).collect();
    for (number, slot) in numbers.values_mut().enumerate() {
        *slot = number;
    }
    let name = |(size, noscan): &(u64, bool)| match noscan {
        true => format!("{size} without pointers"),
        false => size.to_string(),
    };
    let names = numbers.keys().map(name).collect();
    grouped(heap, names, |id| numbers.get(&key(heap.objects.span_of(id)?)).copied())
}

/// By the root through which they were reached first: variables, groups of goroutines, records of the runtime.
pub fn by_root(heap: &Heap) -> Vec<Census> {
    let holders = Holders::of(heap, Goroutines::ByVariable);
    let rows = holders.below(0).into_iter().filter_map(|at| {
        let node = holders.nodes.get(at as usize)?;
        let name = holder_name(heap, &holders, &node.name);
        Some(Census { name, live: node.first, retained: Some(node.alone.bytes), estimate: None })
    });
    sorted(rows.filter(|row| row.live.objects > 0).collect())
}

/// By the goroutines, those with one stack together, through which they were reached first.
pub fn by_goroutine(heap: &Heap) -> Vec<Census> {
    let holders = Holders::of(heap, Goroutines::ByVariable);
    let mut rows = Vec::new();
    let mut others = Tally::default();
    for at in holders.below(0) {
        let Some(node) = holders.nodes.get(at as usize) else { continue };
        match &node.name {
            name @ HolderName::Group(_) => rows.push(Census {
                name: holder_name(heap, &holders, name),
                live: node.first,
                retained: Some(node.alone.bytes),
                estimate: None,
            }),
            _ => others += node.first,
        }
    }
    let name = "no goroutine: variables and records of the runtime".to_owned();
    rows.push(Census { name, live: others, retained: None, estimate: None });
    sorted(rows)
}

/// By the place at which they were allocated, as far as the runtime's own sample of allocations tells: each sampled
/// object stands for `1 / p` objects, where `p = 1 - exp(-size / rate)` is how likely it was to be sampled
/// (`runtime/mprof.go`), and the error follows from the same `p`. `rate` is `runtime.MemProfileRate` in bytes.
pub fn by_allocation(heap: &Heap, rate: u64) -> Vec<Census> {
    let mut places: BTreeMap<u32, Sampled> = BTreeMap::new();
    for &(object, stack) in &heap.samples {
        if heap.is_reachable(object) {
            places.entry(stack).or_default().add(heap.objects.size(object), rate);
        }
    }
    // Buckets of one stack but different sizes are one place.
    let mut by_stack: BTreeMap<&[Frame], Sampled> = BTreeMap::new();
    for (index, sampled) in places {
        if let Some(stack) = heap.stacks.get(index as usize) {
            by_stack.entry(stack).or_default().join(&sampled);
        }
    }
    let rows = by_stack.into_iter().map(|(stack, sampled)| Census {
        name: place_name(stack),
        live: Tally { objects: sampled.objects.round() as u64, bytes: sampled.bytes.round() as u64 },
        retained: None,
        estimate: Some(Estimate {
            samples: sampled.samples,
            error_objects: sampled.objects_variance.sqrt(),
            error_bytes: sampled.bytes_variance.sqrt(),
            stack: stack.to_vec(),
        }),
    });
    sorted(rows.collect())
}

/// Sums over sampled objects.
#[derive(Debug, Clone, Default)]
struct Sampled {
    samples: u64,
    objects: f64,
    bytes: f64,
    objects_variance: f64,
    bytes_variance: f64,
}

impl Sampled {
    fn add(&mut self, size: u64, rate: u64) {
        let bytes = size as f64;
        // Every object is sampled at a rate of 1.
        let likely = if rate <= 1 { 1.0 } else { -(-bytes / rate as f64).exp_m1() };
        if likely <= 0.0 {
            return;
        }
        let spread = (1.0 - likely) / (likely * likely);
        self.samples += 1;
        self.objects += 1.0 / likely;
        self.bytes += bytes / likely;
        self.objects_variance += spread;
        self.bytes_variance += bytes * bytes * spread;
    }

    fn join(&mut self, other: &Sampled) {
        self.samples += other.samples;
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.objects_variance += other.objects_variance;
        self.bytes_variance += other.bytes_variance;
    }
}

fn grouped(heap: &Heap, names: Vec<String>, group_of: impl Fn(ObjectId) -> Option<usize>) -> Vec<Census> {
    let mut live = vec![Tally::default(); names.len()];
    for object in heap.objects.iter().filter(|object| heap.is_reachable(object.id)) {
        if let Some(slot) = group_of(object.id).and_then(|group| live.get_mut(group)) {
            *slot += Tally::one(object.size);
        }
    }
    let retained = retained_by_group(heap, names.len(), &group_of);
    let rows = names.into_iter().zip(live).zip(retained);
    let row = |((name, live), retained)| Census { name, live, retained: Some(retained), estimate: None };
    sorted(rows.map(row).filter(|row| row.live.objects > 0).collect())
}

fn sorted(mut rows: Vec<Census>) -> Vec<Census> {
    rows.sort_by(|a, b| b.live.bytes.cmp(&a.live.bytes).then_with(|| a.name.cmp(&b.name)));
    rows
}

/// What a person calls a holder.
pub fn holder_name(heap: &Heap, holders: &Holders, name: &HolderName) -> String {
    match name {
        HolderName::All => "all roots".to_owned(),
        HolderName::Variable(name) | HolderName::Place(name) | HolderName::Record(name) => name.to_string(),
        HolderName::RecordOf(ty) => format!("record of {ty}"),
        HolderName::Data(at) => format!("data {at}"),
        HolderName::Group(group) => {
            let members = holders.groups.get(*group as usize);
            let first = members.and_then(|members| heap.goroutines.get(*members.first()?));
            let own = first.and_then(|first| {
                first.stack.iter().find(|frame| !frame.is_runtime()).or(first.stack.first())
            });
            let function = own.map_or("?", |frame| &frame.function);
            let wait = first.map_or("", |first| first.wait.as_deref().unwrap_or(&first.status));
            match members.map_or(0, Vec::len) {
                1 => format!("1 goroutine in {function} [{wait}]"),
                count => format!("{count} goroutines in {function} [{wait}]"),
            }
        }
        HolderName::Goroutine(index) => {
            let id = heap.goroutines.get(*index as usize).map_or(0, |goroutine| goroutine.id);
            format!("goroutine {id}")
        }
        HolderName::Local { function, line, name, .. } => {
            format!("{function}:{line} {}", name.as_deref().unwrap_or("stack"))
        }
    }
}

/// The innermost function outside the runtime, with its line.
fn place_name(stack: &[Frame]) -> String {
    let own = stack.iter().find(|frame| !frame.is_runtime()).or(stack.first());
    own.map_or_else(|| "?".to_owned(), |frame| format!("{}:{}", frame.function, frame.line))
}

/// The package of a type: that of the element for slices and pointers, of the element or else the key for maps;
/// `builtin` for what belongs to the language.
fn package_of(name: &str) -> &str {
    let mut rest = name.strip_prefix("closure ").unwrap_or(name);
    // What stands before an element, none of it longer than the name.
    loop {
        let stripped =
            ["[]", "*", "chan ", "<-chan ", "chan<- "].iter().find_map(|start| rest.strip_prefix(start));
        let array = || rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(_, elem)| elem);
        match stripped.or_else(array) {
            Some(inner) => rest = inner,
            None => break,
        }
    }
    if let Some((key, elem)) = rest.strip_prefix("map[").and_then(split_key) {
        return match package_of(elem) {
            "builtin" => package_of(key),
            package => package,
        };
    }
    let head = rest.split(['[', '{', '(', '<', ' ']).next().unwrap_or(rest);
    let slash = head.rfind('/').map_or(0, |slash| slash + 1);
    match head.get(slash..).and_then(|last| last.find('.')) {
        Some(dot) if slash + dot > 0 => head.get(..slash + dot).unwrap_or(head),
        _ if rest.starts_with("unknown") => "unknown",
        _ => "builtin",
    }
}

/// `string]*main.T` → key and element; brackets may be nested.
fn split_key(rest: &str) -> Option<(&str, &str)> {
    let mut depth = 0u32;
    for (at, c) in rest.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 0 => return Some((rest.get(..at)?, rest.get(at + 1..)?)),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap_of_names::NamedHeap;

    #[test]
    fn packages_of_types() {
        for (name, package) in [
            ("main.Order", "main"),
            ("[]*example.org/shop/user.Order", "example.org/shop/user"),
            ("map[string]*main.T", "main"),
            ("map[main.key][]int", "main"),
            ("map[string]map[int]string", "builtin"),
            ("main.List[example.org/x.T]", "main"),
            ("[4]net/http.conn", "net/http"),
            ("closure main.(*server).run.func1", "main"),
            ("chan time.Time", "time"),
            ("string bytes", "builtin"),
            ("[]uint8", "builtin"),
            ("struct { main.name string }", "builtin"),
            ("unknown 48 bytes", "unknown"),
        ] {
            assert_eq!(package_of(name), package, "{name}");
        }
    }

    #[test]
    fn groups_add_up_to_what_is_reachable() {
        let mut heap = NamedHeap::default();
        let order = heap.object("main.order");
        heap.variable("main.all", order);
        heap.child(order, "at", "time.Time");
        let second = heap.child(order, "next", "main.order");
        heap.child(second, "at", "time.Time");
        heap.object("main.garbage");
        let heap = heap.finish();
        let rows = by_package(&heap);
        let row = |row: &Census| (row.name.clone(), row.live.objects, row.retained);
        assert_eq!(
            rows.iter().map(row).collect::<Vec<_>>(),
            [("main".to_owned(), 2, Some(256)), ("time".to_owned(), 2, Some(128))]
        );
        for rows in [by_size_class(&heap), by_root(&heap), by_goroutine(&heap)] {
            assert_eq!(rows.iter().map(|row| row.live).sum::<Tally>(), heap.live(), "{rows:?}");
        }
    }

    #[test]
    fn a_sample_stands_for_as_many_as_it_was_unlikely() {
        let mut heap = NamedHeap::default();
        let ids: Vec<u32> = (0..4).map(|_| heap.object("main.T")).collect();
        ids.iter().for_each(|id| heap.variable("main.v", *id));
        let mut heap = heap.finish();
        let frame = Frame { function: "main.f".into(), file: "f.go".into(), line: 7, inlined: false };
        heap.stacks = vec![vec![frame.clone()], vec![frame]];
        heap.samples = vec![(ObjectId(0), 0), (ObjectId(1), 0), (ObjectId(2), 1)];
        let [exact] = by_allocation(&heap, 1).try_into().unwrap();
        assert_eq!((exact.name.as_str(), exact.live), ("main.f:7", Tally { objects: 3, bytes: 192 }));
        assert_eq!(exact.estimate.unwrap().error_objects, 0.0);
        // exp(-64/6400) of 64 bytes: 1 in 100.5 is sampled.
        let [scaled] = by_allocation(&heap, 6400).try_into().unwrap();
        assert_eq!(scaled.live.objects, 302);
        let error = scaled.estimate.unwrap().error_objects;
        assert!((173.0..175.0).contains(&error), "√3 · √(1-p)/p, and {error}");
    }
}
