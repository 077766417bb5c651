//! Where the members of a leak were allocated: from sampled objects, else from the `go` statement.

use std::collections::BTreeMap;

use leakscope_model::{Frame, Site};

use crate::facts::{Facts, Members};

/// How many lines a finding names.
const MOST_SITES: usize = 3;

/// Lines with their shares, and what they stand on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Allocation {
    /// The largest share first.
    pub sites: Vec<Site>,
    /// How many sampled objects they stand on; 0 where the `go` statement stands in for them.
    pub samples: u64,
}

/// The lines outside the standard library that allocated the members and what hangs below them. Where some of it was
/// made by one of `makers` (begins of function names), only that counts.
pub fn allocation(facts: &Facts, members: &Members, makers: &[&str]) -> Allocation {
    let groups = family(facts, members);
    let stacks: Vec<&(Vec<Frame>, u64)> =
        groups.into_iter().filter_map(|index| facts.group(index)).flat_map(|group| &group.samples).collect();
    let made: Vec<_> = stacks.iter().copied().filter(|(stack, _)| is_made_by(stack, makers)).collect();
    let chosen = if made.is_empty() { stacks } else { made };
    let mut counts: BTreeMap<(&str, &str, u32), u64> = BTreeMap::new();
    for (stack, samples) in chosen {
        if let Some(frame) = own_line(stack) {
            *counts.entry((&frame.function, &frame.file, frame.line)).or_default() += samples;
        }
    }
    let samples: u64 = counts.values().sum();
    if samples == 0 {
        return created(facts, members);
    }
    let site = |((function, file, line), count): ((&str, &str, u32), u64)| Site {
        function: function.to_owned(),
        file: file.to_owned(),
        line,
        share: count as f64 / samples as f64,
    };
    let mut sites: Vec<Site> = counts.into_iter().map(site).collect();
    sites.sort_by(|a, b| b.share.total_cmp(&a.share));
    sites.truncate(MOST_SITES);
    Allocation { sites, samples }
}

fn is_made_by(stack: &[Frame], makers: &[&str]) -> bool {
    stack.iter().any(|frame| makers.iter().any(|maker| frame.function.starts_with(maker)))
}

/// The innermost line outside the standard library: who called the library that allocated.
pub fn own_line(stack: &[Frame]) -> Option<&Frame> {
    stack.iter().find(|frame| !frame.is_standard() && !frame.is_runtime())
}

/// The groups, what hangs on them, and what their goroutines hold.
fn family(facts: &Facts, members: &Members) -> Vec<usize> {
    let held = |index: usize| {
        facts.links.iter().any(|link| link.group == index && members.crowds.contains(&link.crowd))
    };
    (0..facts.groups.len())
        .filter(|&index| facts.way_up(index).any(|step| members.groups.contains(&step)) || held(index))
        .collect()
}

/// The `go` statement of the first crowd.
fn created(facts: &Facts, members: &Members) -> Allocation {
    let creator = members.crowds.iter().filter_map(|index| facts.crowd(*index)?.created_by.as_ref()).next();
    let site = |frame: &Frame| Site {
        function: frame.function.to_string(),
        file: frame.file.to_string(),
        line: frame.line,
        share: 1.0,
    };
    Allocation { sites: creator.map(site).into_iter().collect(), samples: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::synthetic::{contexts, frame, waiting};

    fn members() -> Members {
        Members { groups: vec![0], crowds: vec![0] }
    }

    #[test]
    fn the_callers_line_not_the_librarys() {
        let library = frame("context.WithDeadlineCause", "/usr/local/go/src/context/context.go", 640);
        let leaky = frame("main.leaky", "/src/orders/interceptor.go", 41);
        let other = frame("main.other", "/src/orders/main.go", 7);
        let mut group = contexts(300, 6300, 300);
        group.samples =
            vec![(vec![library.clone(), leaky], 3), (vec![library.clone(), other], 1), (vec![library], 9)];
        let facts = Facts { groups: vec![group], ..Facts::default() };
        let found = allocation(&facts, &members(), &[]);
        assert_eq!(found.samples, 4);
        let shares: Vec<(u32, f64)> = found.sites.iter().map(|site| (site.line, site.share)).collect();
        assert_eq!(shares, [(41, 0.75), (7, 0.25)]);
    }

    #[test]
    fn what_the_makers_made_goes_before_what_hangs_on_it() {
        let maker = frame("context.WithDeadlineCause", "context/context.go", 640);
        let mut group = contexts(300, 6300, 300);
        group.samples = vec![
            (vec![frame("main.newRecord", "/src/orders/record.go", 9)], 30),
            (vec![maker, frame("main.leaky", "/src/orders/interceptor.go", 41)], 1),
        ];
        let facts = Facts { groups: vec![group], ..Facts::default() };
        let found = allocation(&facts, &members(), &["context.With"]);
        assert_eq!((found.samples, found.sites[0].line), (1, 41));
    }

    #[test]
    fn without_samples_the_go_statement() {
        let facts = Facts {
            groups: vec![contexts(300, 6300, 300)],
            crowds: vec![waiting("chan receive", 300, 6300, 300)],
            ..Facts::default()
        };
        let found = allocation(&facts, &members(), &[]);
        assert_eq!((found.samples, found.sites.first().map(|site| site.line)), (0, Some(44)));
    }
}
