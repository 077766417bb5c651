//! `GO-CONT-001`: a map, slice or list into which things go and from which nothing comes out.

use leakscope_model::{Confidence, FindingKind, PathStep, Via};

use super::{FixAt, Rule, Suspicion};
use crate::facts::{Facts, Group, Members};
use crate::population::Trend;

pub(super) const RULE: Rule = Rule {
    id: "GO-CONT-001",
    title: "a container that only grows",
    explanation: "A map, slice, list or channel buffer that a package variable (or a goroutine that lives as long as the process) holds \
keeps all that was ever put in, until somebody takes it out.\n\n\
The rule looks for the topmost group of objects in such a container that becomes more over the window while those that were there before \
stay. A bounded cache replaces: as many leave as come. A table that was filled at start-up does not grow. A sync.Pool is emptied by the collector. Soon after the start of a \
process a cache that fills up looks the same as a leak; then the rule says `possible` and why.",
    remedy: "Bound it: evict by size or age, delete entries when their owner ends, or keep the data outside the process.",
    kind: FindingKind::Heap,
    makers: &[],
    fix_at: FixAt::Allocation,
    judge,
};

/// The least growth in bytes, with all that hangs below, that is worth a word.
const LEAST_BYTES: u64 = 64 << 10;

/// The same for what was empty before: nothing tells yet whether anything ever leaves it.
const LEAST_BYTES_FROM_NOTHING: u64 = 1 << 20;

/// A process younger than this many windows may still be filling its caches.
const WARM_UP_WINDOWS: f64 = 3.0;

fn judge(facts: &Facts) -> Vec<Suspicion> {
    let Some(window) = facts.window else { return Vec::new() };
    // The pieces of a map are made anew as it grows: its entries tell, and where there are none, nothing does.
    let becomes_more = |group: &Group| !group.inside && group.population().trend() != Trend::Still;
    let grows = |(index, group): (usize, &Group)| becomes_more(group) && fans_out(facts, index, group);
    let grown: Vec<bool> = facts.groups.iter().enumerate().map(grows).collect();
    let grew = |index: usize| grown.get(index).copied().unwrap_or(false);
    (0..facts.groups.len())
        .filter(|&index| grew(index) && !facts.way_up(index).skip(1).any(grew))
        .filter_map(|index| accuse(facts, window, index, facts.group(index)?))
        .collect()
}

fn accuse(facts: &Facts, window: f64, index: usize, group: &Group) -> Option<Suspicion> {
    if !is_kept_for_long(&group.path) || is_pooled(&group.path) {
        return None;
    }
    let least = match group.population().trend() {
        Trend::FromNothing => LEAST_BYTES_FROM_NOTHING,
        Trend::Grew | Trend::Still => LEAST_BYTES,
    };
    if growth_below(facts, index) < least {
        return None;
    }
    let young = facts.uptime.is_some_and(|uptime| uptime < window * (WARM_UP_WINDOWS + 1.0));
    let mut remarks = Vec::new();
    if young {
        remarks.push(
            "the process had started not long before the window: a cache that fills up looks the same, look again later"
                .to_owned(),
        );
    }
    let confidence = match group.population().trend() {
        Trend::Grew if !young => Confidence::Likely,
        _ => Confidence::Possible,
    };
    Some(Suspicion {
        rule: RULE.id,
        members: Members { groups: vec![index], crowds: Vec::new() },
        title: format!("{} only grows", container(&group.path)),
        confidence,
        remarks,
    })
}

/// Whether there are more of them than of what holds them, as of entries. What hangs on each entry of a bounded cache
/// may become more as old entries give way to others, and is bounded with them.
fn fans_out(facts: &Facts, index: usize, group: &Group) -> bool {
    let mut above = facts.way_up(index).skip(1).filter_map(|index| facts.group(index));
    let holders = above.find(|above| !above.inside).map_or(1, |above| above.after.objects);
    holders < group.after.objects
}

/// Net growth in bytes of the group and of everything that hangs on it.
fn growth_below(facts: &Facts, top: usize) -> u64 {
    let below = facts.groups.iter().enumerate().filter(|(index, _)| facts.is_below(*index, top));
    let grown = |group: &Group| group.after.bytes as i64 - group.before.bytes as i64;
    below.map(|(_, group)| grown(group)).sum::<i64>().max(0) as u64
}

/// Whether the path begins where things stay: at a variable of the program, not of the runtime and not of a call.
fn is_kept_for_long(path: &[PathStep]) -> bool {
    path.first().is_some_and(|root| match root.via {
        Via::Global => !root.name.starts_with("runtime.") && !root.name.starts_with("internal/runtime"),
        Via::Local | Via::Captured => true,
        _ => false,
    })
}

/// Whether it lies in a `sync.Pool`: the collector empties those (`sync/pool.go`, `poolCleanup`).
fn is_pooled(path: &[PathStep]) -> bool {
    path.iter().any(|step| {
        step.ty.trim_start_matches("[]").starts_with("sync.poolLocal")
            || step.name.contains("poolLocalInternal")
    })
}

/// The names up to the container, without what the entries are.
fn container(path: &[PathStep]) -> String {
    let is_entry = |step: &&PathStep| !matches!(step.via, Via::Key | Via::Value | Via::Element);
    let names: Vec<&str> = path.iter().take_while(is_entry).map(|step| step.name.as_str()).collect();
    names.join(".")
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::group;
    use super::*;

    fn sessions(before: u64, after: u64, stayed: u64) -> Group {
        group(
            &[
                (Via::Global, "main.store", "*main.Store"),
                (Via::Field, "sessions", "map[string]*main.Session"),
                (Via::Value, "[…]", "main.Session"),
            ],
            before,
            after,
            stayed,
        )
    }

    fn judged(uptime: Option<f64>, groups: Vec<Group>) -> Vec<(String, Confidence)> {
        let facts = Facts { window: Some(20.0), uptime, groups, ..Facts::default() };
        judge(&facts).into_iter().map(|found| (found.title, found.confidence)).collect()
    }

    #[test]
    fn a_map_that_only_grows_is_accused_once() {
        let mut names = group(
            &[
                (Via::Global, "main.store", ""),
                (Via::Field, "sessions", ""),
                (Via::Value, "[…]", ""),
                (Via::Field, "name", "string bytes"),
            ],
            1000,
            7000,
            1000,
        );
        names.parent = Some(0);
        let found = judged(Some(3600.0), vec![sessions(1000, 7000, 1000), names]);
        assert_eq!(found, [("main.store.sessions only grows".to_owned(), Confidence::Likely)]);
    }

    #[test]
    fn caches_tables_and_the_runtime_are_not() {
        assert_eq!(judged(None, vec![sessions(60_000, 60_020, 45_000)]), [], "a bounded cache");
        assert_eq!(judged(None, vec![sessions(60_000, 60_000, 60_000)]), [], "a static table");
        assert_eq!(judged(None, vec![sessions(100, 400, 100)]), [], "28 KiB in 20 s");
        let timers = group(&[(Via::Global, "runtime.allp", "")], 1000, 7000, 1000);
        assert_eq!(judged(None, vec![timers]), []);
        let pooled = group(
            &[
                (Via::Global, "grpc.pool.local", "[]sync.poolLocal"),
                (Via::Element, "[…].shared", "grpc.buffer"),
            ],
            1000,
            7000,
            1000,
        );
        assert_eq!(judged(None, vec![pooled]), []);
        let request = group(&[(Via::Stack, "main.handle", "")], 1000, 7000, 1000);
        assert_eq!(judged(None, vec![request]), []);
    }

    #[test]
    fn what_hangs_on_the_entries_of_a_bounded_cache_is_bounded_too() {
        let mut notes =
            group(&[(Via::Global, "main.store", ""), (Via::Field, "note", "string bytes")], 700, 4000, 700);
        notes.parent = Some(0);
        assert_eq!(judged(None, vec![sessions(60_000, 60_010, 50_000), notes]), []);
    }

    #[test]
    fn just_after_the_start_it_may_be_warm_up() {
        let found = judged(Some(30.0), vec![sessions(1000, 7000, 1000)]);
        assert_eq!(
            found.iter().map(|(_, confidence)| *confidence).collect::<Vec<_>>(),
            [Confidence::Possible]
        );
    }

    #[test]
    fn one_moment_tells_nothing() {
        let facts = Facts { groups: vec![sessions(0, 70_000, 0)], ..Facts::default() };
        assert_eq!(judge(&facts), Vec::new());
    }
}
