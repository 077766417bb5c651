//! Goroutine dumps alone become facts: what can be said where no memory could be read.

use std::collections::BTreeMap;

use leakscope_model::{Frame, Goroutine};

use crate::facts::{Crowd, Facts, Members};
use crate::rank::Scale;
use crate::readings::DumpReading;

/// The facts of the last dump, and of how it differs from the first.
pub fn observe(dumps: &[DumpReading]) -> Facts {
    let Some(last) = dumps.last() else { return Facts::default() };
    let first = dumps.first().filter(|first| first.at_seconds < last.at_seconds);
    let earlier = first.map(|first| by_place(&first.goroutines)).unwrap_or_default();
    let crowds = by_place(&last.goroutines).into_iter().map(|(place, members)| {
        let before = earlier.get(&place).map(Vec::as_slice).unwrap_or_default();
        let stayed = before.iter().filter(|old| members.iter().any(|new| new.id == old.id)).count() as u64;
        crowd(&place, &members, before.len() as u64, stayed)
    });
    Facts {
        window: first.map(|first| last.at_seconds - first.at_seconds),
        crowds: crowds.collect(),
        ..Facts::default()
    }
}

/// Wait, then stack.
type Place<'g> = (&'g str, &'g [Frame]);

fn by_place(goroutines: &[Goroutine]) -> BTreeMap<Place<'_>, Vec<&Goroutine>> {
    let mut places: BTreeMap<Place<'_>, Vec<&Goroutine>> = BTreeMap::new();
    for goroutine in goroutines {
        let wait = goroutine.wait.as_deref().unwrap_or_default();
        places.entry((wait, &goroutine.stack)).or_default().push(goroutine);
    }
    places
}

fn crowd((wait, stack): &Place<'_>, members: &[&Goroutine], before: u64, stayed: u64) -> Crowd {
    Crowd {
        stack: stack.to_vec(),
        wait: (*wait).to_owned(),
        created_by: members.first().and_then(|goroutine| goroutine.created_by.clone()),
        before,
        after: members.len() as u64,
        stayed,
        leaked: 0,
        stack_bytes: 0,
        system: members.iter().all(|goroutine| goroutine.system),
    }
}

/// Dumps tell no bytes.
#[derive(Debug)]
pub struct NoBytes;

impl Scale for NoBytes {
    fn retained(&self, _: &Members) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readings::{OsFacts, Readings};
    use crate::rules::synthetic::frame;
    use leakscope_model::{Confidence, DebugInfoKind, Gap, Target};

    fn dump(ids: std::ops::Range<u64>, at_seconds: f64) -> DumpReading {
        let goroutine = |id| Goroutine {
            id,
            status: "waiting".into(),
            wait: Some("chan send".into()),
            wait_seconds: None,
            stack: vec![frame("main.leak", "/src/main.go", 7)],
            created_by: Some(frame("main.main", "/src/main.go", 3)),
            start: None,
            system: false,
            stack_bytes: 0,
        };
        DumpReading { goroutines: ids.map(goroutine).collect(), from: String::new(), at_seconds }
    }

    #[test]
    fn two_dumps_tell_who_stayed() {
        let facts = observe(&[dump(5..105, 10.0), dump(10..505, 30.0)]);
        assert_eq!(facts.window, Some(20.0));
        let crowd = &facts.crowds[0];
        assert_eq!((crowd.before, crowd.after, crowd.stayed), (100, 495, 95));
    }

    /// Goroutines that pile up between two dumps, judged together with a gap in this part.
    fn judged_with_a_gap_in(part: &str) -> Confidence {
        let target = Target {
            pid: None,
            exe: String::new(),
            go: String::new(),
            arch: String::new(),
            build_id: String::new(),
            debug: DebugInfoKind::Stripped,
        };
        let report = crate::diagnose(Readings {
            target,
            word: "dumps".to_owned(),
            moments: Vec::new(),
            profiles: Vec::new(),
            dumps: vec![dump(5..305, 10.0), dump(5..6005, 30.0)],
            os: OsFacts::default(),
            gaps: vec![Gap::new(part, "as it is")],
        });
        report.findings.first().map(|finding| finding.confidence).unwrap()
    }

    #[test]
    fn what_rests_on_a_doubtful_layout_is_possible_at_best() {
        assert_eq!(judged_with_a_gap_in("types"), Confidence::Likely);
        assert_eq!(judged_with_a_gap_in(Gap::LAYOUT), Confidence::Possible);
    }

    #[test]
    fn one_dump_is_one_moment() {
        assert_eq!(observe(&[dump(0..50, 1.0)]).window, None);
        assert_eq!(observe(&[]), Facts::default());
    }
}
