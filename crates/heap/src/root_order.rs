//! In which order roots are asked: who is the better answer to "what holds this?".

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use leakscope_model::{Frame, Goroutine};

use crate::graph::{Root, RootOrigin};

/// How good an answer a root is, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// A variable of a package of the program or its libraries.
    Variable,
    /// A goroutine that is alone with its stack, the main one among them.
    Alone,
    /// The runtime's variables and records, its own goroutines, data outside every variable.
    Runtime,
    /// One of several goroutines with the same stack.
    Crowd,
}

const PHASES: [Phase; 4] = [Phase::Variable, Phase::Alone, Phase::Runtime, Phase::Crowd];

/// The goroutine that runs `main.main` (`runtime/proc.go`, `main`: the first that `newproc` makes).
const MAIN_GOROUTINE: u64 = 1;

/// Sorts `roots` by phase, keeping their order inside each, and says where each phase lies.
pub fn order_roots(roots: &mut [Root], names: &[Arc<str>], goroutines: &[Goroutine]) -> Vec<Range<usize>> {
    let of_goroutine = goroutine_phases(goroutines);
    let phase_of = |root: &Root| match root.origin {
        RootOrigin::Global { name } => match names.get(name as usize) {
            Some(name) if !is_runtime_variable(name) => Phase::Variable,
            Some(_) | None => Phase::Runtime,
        },
        RootOrigin::Frame { goroutine, .. } => {
            of_goroutine.get(goroutine as usize).copied().unwrap_or(Phase::Crowd)
        }
        RootOrigin::Data | RootOrigin::Special { .. } => Phase::Runtime,
    };
    roots.sort_by_key(phase_of);
    PHASES
        .iter()
        .map(|phase| {
            roots.partition_point(|root| phase_of(root) < *phase)
                ..roots.partition_point(|root| phase_of(root) <= *phase)
        })
        .collect()
}

/// Whether a variable belongs to the Go runtime: package `runtime`, `runtime/…` or `internal/runtime/…`.
pub(crate) fn is_runtime_variable(name: &str) -> bool {
    // A variable without a name belongs to who uses it.
    let name = name
        .strip_prefix("data+")
        .and_then(|place| place.split_once(" (used by "))
        .map_or(name, |(_, user)| user);
    name.starts_with("runtime.") || name.starts_with("runtime/") || name.starts_with("internal/runtime/")
}

/// The goroutines of each stack, as indices; goroutines whose frames stand at the same lines and that wait for
/// the same.
pub fn by_stack(goroutines: &[Goroutine]) -> BTreeMap<StackKey<'_>, Vec<usize>> {
    let mut groups: BTreeMap<StackKey<'_>, Vec<usize>> = BTreeMap::new();
    for (index, goroutine) in goroutines.iter().enumerate() {
        groups.entry(StackKey::of(goroutine)).or_default().push(index);
    }
    groups
}

/// What makes goroutines alike: the lines of their stack and what they wait for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackKey<'g> {
    /// Function and line of each frame, innermost first.
    pub frames: Vec<(&'g str, u32)>,
    /// The wait reason, else the status.
    pub wait: &'g str,
}

impl<'g> StackKey<'g> {
    /// The key of one goroutine.
    pub fn of(goroutine: &'g Goroutine) -> StackKey<'g> {
        let line = |frame: &'g Frame| (&*frame.function, frame.line);
        StackKey {
            frames: goroutine.stack.iter().map(line).collect(),
            wait: goroutine.wait.as_deref().unwrap_or(&goroutine.status),
        }
    }
}

fn goroutine_phases(goroutines: &[Goroutine]) -> Vec<Phase> {
    let mut phases = vec![Phase::Crowd; goroutines.len()];
    let alone = by_stack(goroutines).into_values().filter(|group| group.len() == 1).flatten();
    for index in alone {
        if let Some(phase) = phases.get_mut(index) {
            *phase = Phase::Alone;
        }
    }
    for (phase, goroutine) in phases.iter_mut().zip(goroutines) {
        match goroutine {
            Goroutine { id: MAIN_GOROUTINE, .. } => *phase = Phase::Alone,
            Goroutine { system: true, .. } => *phase = Phase::Runtime,
            _ => {}
        }
    }
    phases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph_of_numbers::{goroutine, roots};

    #[test]
    fn variables_come_before_lone_goroutines_and_those_before_crowds() {
        let goroutines = [
            goroutine(7, "main.worker", "chan receive"),
            goroutine(8, "main.worker", "chan receive"),
            goroutine(9, "main.worker", "select"),
            goroutine(1, "main.main", "sleep"),
        ];
        let names: Vec<Arc<str>> = vec!["runtime.allgs".into(), "main.svc".into(), "runtimes/x.y".into()];
        let frame = |goroutine| RootOrigin::Frame { goroutine, frame: 0, name: None };
        let origins = [
            frame(0),
            frame(3),
            RootOrigin::Global { name: 0 },
            RootOrigin::Global { name: 1 },
            frame(2),
            RootOrigin::Data,
            frame(1),
            RootOrigin::Global { name: 2 },
        ];
        let mut roots = roots(&[0, 1, 2, 3, 4, 5, 6, 7]);
        for (root, origin) in roots.iter_mut().zip(origins) {
            root.origin = origin;
        }
        let phases = order_roots(&mut roots, &names, &goroutines);
        let targets: Vec<u32> = roots.iter().map(|root| root.target.0).collect();
        assert_eq!(targets, [3, 7, 1, 4, 2, 5, 0, 6]);
        assert_eq!(phases, [0..2, 2..4, 4..6, 6..8]);
    }
}
