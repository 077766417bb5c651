//! `GO-CTX-001`: contexts derived from a long-lived one and never cancelled.

use leakscope_model::{Confidence, FindingKind, PathStep, Via};

use super::{FixAt, Rule, Suspicion};
use crate::facts::{Facts, Group, Members};
use crate::population::{MANY_AT_ONE_MOMENT, Trend};

pub(super) const RULE: Rule = Rule {
    id: "GO-CTX-001",
    title: "contexts that nobody cancels",
    explanation: "A context made by context.WithCancel, WithTimeout or WithDeadline is entered into the `children` map of its nearest \
cancellable ancestor (context.propagateCancel) and leaves it only when it is cancelled, when its deadline passes, or when the \
ancestor is cancelled (context.removeChild). If the ancestor lives as long as the server, every context that nobody cancels stays \
reachable from it, with its timer, its done channel, and whatever goroutines wait for that channel.\n\n\
The rule looks for objects of package context that hang in a `children` map and that become more over the window while those that \
were there before stay. A single moment with a thousand or more of them is worth a `possible`.",
    remedy: "Keep the cancel function that the call returns and call it on every way out (`defer cancel()`), or derive from the \
request's own context, which ends with the request.",
    kind: FindingKind::Goroutine,
    makers: &["context.With", "context.AfterFunc"],
    fix_at: FixAt::Allocation,
    judge,
};

/// The share of the contexts that a crowd must hold to be named as their holder.
const LEAST_HELD_SHARE: f64 = 0.5;

fn judge(facts: &Facts) -> Vec<Suspicion> {
    (0..facts.groups.len())
        .filter(|&index| is_outermost(facts, index))
        .filter_map(|index| accuse(facts, index, facts.group(index)?))
        .collect()
}

fn accuse(facts: &Facts, index: usize, group: &Group) -> Option<Suspicion> {
    let (confidence, remark) = match facts.window {
        None if group.after.objects >= MANY_AT_ONE_MOMENT => (
            Confidence::Possible,
            Some("one moment shows how many there are, not whether they become more".to_owned()),
        ),
        None => return None,
        Some(_) => match group.population().trend() {
            Trend::Still => return None,
            Trend::FromNothing => (
                Confidence::Possible,
                Some("there were too few at the first snapshot to tell whether they ever leave".to_owned()),
            ),
            Trend::Grew => (Confidence::Likely, None),
        },
    };
    let least = group.after.objects as f64 * LEAST_HELD_SHARE;
    let crowds: Vec<usize> = facts
        .holders(index)
        .iter()
        .filter(|link| link.objects as f64 >= least)
        .map(|link| link.crowd)
        .collect();
    Some(Suspicion {
        rule: RULE.id,
        members: Members { groups: vec![index], crowds },
        title: format!("Contexts derived from {} are never cancelled", ancestor(&group.path)),
        confidence,
        remarks: remark.into_iter().collect(),
    })
}

/// Whether the group is one of contexts in a `children` map, and no group above it already is.
fn is_outermost(facts: &Facts, index: usize) -> bool {
    let is_child = |index: usize| facts.group(index).is_some_and(is_child_context);
    is_child(index) && !facts.way_up(index).skip(1).any(is_child)
}

/// Objects of package context, or of a type that embeds one of its own, right in a `children` map of one.
fn is_child_context(group: &Group) -> bool {
    match group.path.as_slice() {
        [.., children, entry] => {
            is_children_field(children) && matches!(entry.via, Via::Key | Via::Element | Via::Value)
                || is_children_field(entry) && is_context(&group.ty)
        }
        _ => false,
    }
}

/// `children`, also where it is reached through an embedded struct: `cancelCtx.children`, `children[…]`.
fn is_children_field(step: &PathStep) -> bool {
    let name = step.name.trim_end_matches("[…]");
    name.rsplit('.').next() == Some("children")
}

fn is_context(ty: &str) -> bool {
    ty.trim_start_matches('*').starts_with("context.")
}

/// The name of the variable and fields that lead to the long-lived context.
fn ancestor(path: &[PathStep]) -> String {
    let before_children = path.iter().position(is_children_field).unwrap_or(path.len());
    let names: Vec<&str> = path.iter().take(before_children.max(1)).map(|step| step.name.as_str()).collect();
    match names.as_slice() {
        [] => "a long-lived context".to_owned(),
        names => names.join("."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{contexts, group, waiting};
    use super::*;
    use crate::facts::Link;

    fn facts(window: Option<f64>, groups: Vec<Group>) -> Facts {
        Facts { window, groups, ..Facts::default() }
    }

    #[test]
    fn growing_children_are_accused_with_their_goroutines() {
        let mut facts = facts(Some(20.0), vec![contexts(300, 6300, 300)]);
        facts.crowds = vec![waiting("IO wait", 8, 8, 8), waiting("chan receive", 300, 6300, 300)];
        facts.links =
            vec![Link { group: 0, crowd: 1, objects: 6300 }, Link { group: 0, crowd: 0, objects: 3 }];
        let found = judge(&facts);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].members, Members { groups: vec![0], crowds: vec![1] });
        assert_eq!(found[0].confidence, Confidence::Likely);
        assert_eq!(found[0].title, "Contexts derived from main.server.baseCtx are never cancelled");
    }

    #[test]
    fn requests_in_flight_are_not() {
        assert_eq!(judge(&facts(Some(20.0), vec![contexts(40, 55, 0)])), Vec::new());
        assert_eq!(
            judge(&facts(Some(20.0), vec![contexts(5000, 5005, 5000)])),
            Vec::new(),
            "many, but no more"
        );
        assert_eq!(judge(&facts(None, vec![contexts(0, 400, 0)])), Vec::new());
    }

    #[test]
    fn one_moment_is_possible_at_most() {
        let found = judge(&facts(None, vec![contexts(0, 6000, 0)]));
        assert_eq!(found.iter().map(|found| found.confidence).collect::<Vec<_>>(), [Confidence::Possible]);
    }

    #[test]
    fn children_of_other_things_are_not_contexts_and_grandchildren_no_finding_of_their_own() {
        let tree = group(
            &[(Via::Global, "main.root", "*main.Node"), (Via::Field, "children", "main.Node")],
            300,
            6300,
            300,
        );
        assert_eq!(judge(&facts(Some(20.0), vec![tree])), Vec::new());
        let mut grandchild = contexts(300, 6300, 300);
        grandchild.parent = Some(0);
        let found = judge(&facts(Some(20.0), vec![contexts(300, 6300, 300), grandchild]));
        assert_eq!(found.len(), 1);
    }
}
