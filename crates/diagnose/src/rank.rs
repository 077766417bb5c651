//! One leak, one finding: suspicions that explain the same memory are joined, the rest put in order.

use leakscope_model::Finding;

use crate::facts::{Facts, Members};
use crate::rules::Suspicion;

/// How many suspicions are weighed; each costs a walk over the heap. The biggest come first.
const MOST_WEIGHED: usize = 12;

/// A suspicion is explained by another if taking the other away already frees all of it but this share.
const LEFT_OVER: f64 = 0.1;

/// Answers what would be freed.
pub trait Scale {
    /// Bytes that would be freed if these groups and crowds, with their stacks, went away.
    fn retained(&self, members: &Members) -> u64;
}

/// Joins suspicions about the same goroutines, about objects below each other, and about memory that would be
/// freed with another's. The one from the earlier rule speaks and takes the others' members along.
pub fn join(mut suspicions: Vec<Suspicion>, facts: &Facts, scale: &dyn Scale) -> Vec<Suspicion> {
    suspicions.sort_by_key(|suspicion| std::cmp::Reverse(size(suspicion, facts)));
    suspicions.truncate(MOST_WEIGHED);
    suspicions.sort_by_key(|suspicion| rule_place(suspicion.rule));
    let mut joined: Vec<Suspicion> = Vec::new();
    for suspicion in suspicions {
        match joined.iter_mut().find(|other| explains(other, &suspicion, facts, scale)) {
            Some(other) => absorb(other, suspicion),
            None => joined.push(suspicion),
        }
    }
    joined
}

/// Puts what to fix first at the front: the surest, then the fastest growing, then the largest.
pub fn order(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        b.confidence
            .cmp(&a.confidence)
            .then(b.growth_bytes_per_s.total_cmp(&a.growth_bytes_per_s))
            .then(b.retained_bytes.cmp(&a.retained_bytes))
            .then(a.title.cmp(&b.title))
    });
}

fn explains(speaker: &Suspicion, other: &Suspicion, facts: &Facts, scale: &dyn Scale) -> bool {
    let shares_crowd = other.members.crowds.iter().any(|crowd| speaker.members.crowds.contains(crowd));
    let related = |a: usize, b: usize| facts.is_below(a, b) || facts.is_below(b, a);
    let (ours, theirs) = (&speaker.members.groups, &other.members.groups);
    let shares_group = theirs.iter().any(|&their| ours.iter().any(|&our| related(our, their)));
    shares_crowd || shares_group || is_freed_with(&speaker.members, &other.members, scale)
}

/// Whether almost all that `other` keeps goes away with `speaker`.
fn is_freed_with(speaker: &Members, other: &Members, scale: &dyn Scale) -> bool {
    let alone = scale.retained(other);
    let mut both = speaker.clone();
    add(&mut both, other);
    let more = scale.retained(&both).saturating_sub(scale.retained(speaker));
    alone > 0 && more as f64 <= alone as f64 * LEFT_OVER
}

fn absorb(speaker: &mut Suspicion, other: Suspicion) {
    add(&mut speaker.members, &other.members);
    speaker.confidence = speaker.confidence.max(other.confidence);
}

fn add(members: &mut Members, more: &Members) {
    for group in &more.groups {
        if !members.groups.contains(group) {
            members.groups.push(*group);
        }
    }
    for crowd in &more.crowds {
        if !members.crowds.contains(crowd) {
            members.crowds.push(*crowd);
        }
    }
}

/// A cheap measure to choose by: bytes of the groups and stacks themselves.
fn size(suspicion: &Suspicion, facts: &Facts) -> u64 {
    let groups = suspicion.members.groups.iter().filter_map(|index| facts.group(*index));
    let crowds = suspicion.members.crowds.iter().filter_map(|index| facts.crowd(*index));
    let bytes: u64 = groups.map(|group| group.after.bytes).sum();
    bytes.saturating_add(crowds.map(|crowd| crowd.stack_bytes).sum())
}

fn rule_place(id: &str) -> usize {
    crate::rules::RULES.iter().position(|rule| rule.id == id).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Crowd, Group, Link};
    use crate::rules::judge;
    use crate::rules::synthetic::{contexts, group, waiting};
    use leakscope_model::Via;

    /// Weighs a group or crowd at the bytes of its own; what `below` names goes with the group of index 0.
    struct ByHand<'f> {
        facts: &'f Facts,
        below: &'f [usize],
    }

    impl Scale for ByHand<'_> {
        fn retained(&self, members: &Members) -> u64 {
            let freed = |index: &usize| {
                members.groups.contains(index) || members.groups.contains(&0) && self.below.contains(index)
            };
            let groups =
                (0..self.facts.groups.len()).filter(freed).filter_map(|index| self.facts.group(index));
            let crowds = members.crowds.iter().filter_map(|index| self.facts.crowd(*index));
            groups.map(|group: &Group| group.after.bytes).sum::<u64>()
                + crowds.map(|crowd: &Crowd| crowd.stack_bytes).sum::<u64>()
        }
    }

    fn sessions() -> Group {
        group(&[(Via::Global, "main.store", ""), (Via::Value, "[…]", "main.Session")], 1000, 9000, 1000)
    }

    #[test]
    fn contexts_and_their_goroutines_are_one_finding() {
        let facts = Facts {
            window: Some(20.0),
            groups: vec![contexts(300, 6300, 300)],
            crowds: vec![waiting("chan receive", 300, 6300, 300)],
            links: vec![Link { group: 0, crowd: 0, objects: 6300 }],
            ..Facts::default()
        };
        let suspicions = judge(&facts);
        let rules: Vec<_> = suspicions.iter().map(|suspicion| suspicion.rule).collect();
        assert_eq!(rules, ["GO-CTX-001", "GO-GOR-001", "GO-CONT-001"]);
        let joined = join(suspicions, &facts, &ByHand { facts: &facts, below: &[] });
        assert_eq!(joined.len(), 1);
        assert_eq!(joined[0].rule, "GO-CTX-001");
        assert_eq!(joined[0].members, Members { groups: vec![0], crowds: vec![0] });
    }

    #[test]
    fn two_leaks_stay_two() {
        let facts = Facts {
            window: Some(20.0),
            groups: vec![contexts(300, 6300, 300), sessions()],
            ..Facts::default()
        };
        let joined = join(judge(&facts), &facts, &ByHand { facts: &facts, below: &[] });
        assert_eq!(joined.iter().map(|found| found.rule).collect::<Vec<_>>(), ["GO-CTX-001", "GO-CONT-001"]);
    }

    #[test]
    fn memory_that_goes_with_another_is_explained_by_it() {
        let facts = Facts {
            window: Some(20.0),
            groups: vec![contexts(300, 6300, 300), sessions()],
            ..Facts::default()
        };
        let joined = join(judge(&facts), &facts, &ByHand { facts: &facts, below: &[1] });
        assert_eq!(joined.len(), 1);
        assert_eq!(joined[0].members.groups, [0, 1]);
    }
}
