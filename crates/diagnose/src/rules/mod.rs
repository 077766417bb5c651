//! The rules: one row each, one file each. The same row feeds the judging, `explain` and the documentation.

mod container_only_grows;
mod context_never_cancelled;
mod goroutines_pile_up;

use leakscope_model::{Confidence, FindingKind};

use crate::facts::{Facts, Members};

/// One kind of leak that we know how to recognise.
#[derive(Debug)]
pub struct Rule {
    /// Stable: `GO-CTX-001`.
    pub id: &'static str,
    /// One line.
    pub title: &'static str,
    /// What it looks for, and why that is a leak.
    pub explanation: &'static str,
    /// How its owner fixes it.
    pub remedy: &'static str,
    /// What kind of thing leaks.
    pub kind: FindingKind,
    /// Begins of the names of the functions that make what leaks: their callers are where to fix it. Empty where
    /// anything may be made.
    pub makers: &'static [&'static str],
    /// Which line the remedy is for.
    pub fix_at: FixAt,
    /// Looks at the facts.
    pub judge: fn(&Facts) -> Vec<Suspicion>,
}

/// Which line a remedy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixAt {
    /// Where what leaks is made.
    Allocation,
    /// Where the goroutines wait.
    Wait,
}

/// What a rule accuses.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspicion {
    /// The rule's id.
    pub rule: &'static str,
    /// What leaks, and the goroutines that leak with it.
    pub members: Members,
    /// One line for people, without figures.
    pub title: String,
    /// How sure the rule is from the heap alone.
    pub confidence: Confidence,
    /// What limits or raises that confidence, for the evidence; may be empty.
    pub remarks: Vec<String>,
}

/// Every rule, the one that explains most first: where two explain the same objects, the earlier row speaks.
pub const RULES: &[Rule] =
    &[context_never_cancelled::RULE, goroutines_pile_up::RULE, container_only_grows::RULE];

/// The rule called `id`, whatever the case of its letters.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(id))
}

/// Asks every rule.
pub fn judge(facts: &Facts) -> Vec<Suspicion> {
    RULES.iter().flat_map(|rule| (rule.judge)(facts)).collect()
}

#[cfg(test)]
pub(crate) mod synthetic {
    //! Groups and crowds made by hand.

    use leakscope_model::{Frame, PathStep, Via};

    use crate::facts::{Amount, Crowd, Group};

    /// A group of 96-byte objects at `path`, each step written as `global main.server` or `key […]`.
    pub(crate) fn group(path: &[(Via, &str, &str)], before: u64, after: u64, stayed: u64) -> Group {
        let step = |(via, name, ty): &(Via, &str, &str)| PathStep {
            name: (*name).to_owned(),
            via: *via,
            ty: (*ty).to_owned(),
            addr: None,
        };
        Group {
            path: path.iter().map(step).collect(),
            parent: None,
            inside: false,
            ty: path.last().map(|(_, _, ty)| (*ty).to_owned()).unwrap_or_default(),
            before: Amount { objects: before, bytes: before * 96 },
            after: Amount { objects: after, bytes: after * 96 },
            stayed,
            samples: Vec::new(),
        }
    }

    /// Contexts that hang in the `children` of the server's base context.
    pub(crate) fn contexts(before: u64, after: u64, stayed: u64) -> Group {
        group(
            &[
                (Via::Global, "main.server", "*main.Server"),
                (Via::Field, "baseCtx", "context.cancelCtx"),
                (Via::Field, "children", "map[context.canceler]struct {}"),
                (Via::Key, "[…]", "context.timerCtx"),
            ],
            before,
            after,
            stayed,
        )
    }

    pub(crate) fn frame(function: &str, file: &str, line: u32) -> Frame {
        Frame { function: function.into(), file: file.into(), line, inlined: false }
    }

    /// Goroutines that wait for a channel at `interceptor.go:45`.
    pub(crate) fn waiting(wait: &str, before: u64, after: u64, stayed: u64) -> Crowd {
        Crowd {
            stack: vec![
                frame("runtime.gopark", "/usr/local/go/src/runtime/proc.go", 435),
                frame("main.leaky.func1", "/src/orders/interceptor.go", 45),
                frame("runtime.goexit", "/usr/local/go/src/runtime/asm_amd64.s", 1693),
            ],
            wait: wait.to_owned(),
            created_by: Some(frame("main.leaky", "/src/orders/interceptor.go", 44)),
            before,
            after,
            stayed,
            leaked: 0,
            stack_bytes: after * 2048,
            system: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_found_in_any_case() {
        for (place, row) in RULES.iter().enumerate() {
            assert_eq!(RULES.iter().position(|other| other.id == row.id), Some(place), "{}", row.id);
            assert_eq!(rule(&row.id.to_lowercase()).map(|found| found.id), Some(row.id));
            assert!(!row.explanation.is_empty() && !row.remedy.is_empty());
        }
        assert!(rule("GO-NONE-001").is_none());
    }

    #[test]
    fn nothing_to_see_accuses_nobody() {
        assert_eq!(judge(&Facts::default()), Vec::new());
    }
}
