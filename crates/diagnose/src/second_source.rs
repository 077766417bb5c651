//! What profiles and goroutine dumps say about the lines and goroutines that the heap accuses.

use leakscope_model::{Evidence, Frame, Goroutine, Source};
use leakscope_pprof::heap_estimate::{Estimate, HeapRow};

use crate::allocation::{Allocation, own_line};
use crate::evidence::quoted;
use crate::facts::Crowd;
use crate::readings::{DumpReading, ProfileReading};

/// Counts that differ by no more than this share agree, when growth between the two moments is allowed for.
const AGREEMENT: f64 = 0.05;

/// The sources beside the heap.
#[derive(Debug, Default)]
pub(crate) struct SecondSource {
    dumps: Vec<Dump>,
    profiles: Vec<ProfileReading>,
    /// The moment of the last snapshot, on the clock of the readings.
    last: f64,
    /// Seconds between the snapshots; 0 for one moment.
    window: f64,
}

#[derive(Debug)]
struct Dump {
    goroutines: Vec<Goroutine>,
    from: String,
    at: f64,
}

impl SecondSource {
    /// The dumps and profiles, beside a heap read at `last` after a window of `window` seconds.
    pub(crate) fn new(
        dumps: Vec<DumpReading>,
        profiles: Vec<ProfileReading>,
        last: f64,
        window: f64,
    ) -> SecondSource {
        let dumps = dumps
            .into_iter()
            .map(|DumpReading { goroutines, from, at_seconds }| Dump { goroutines, from, at: at_seconds })
            .collect();
        SecondSource { dumps, profiles, last, window }
    }

    /// Facts about a crowd and the lines of an allocation, and whether one of the sources agrees with the heap.
    pub(crate) fn on(
        &self,
        crowd: Option<&Crowd>,
        allocation: &Allocation,
        retained: u64,
    ) -> (Vec<Evidence>, bool) {
        let mut facts = Vec::new();
        let mut agrees = false;
        if let (Some(crowd), Some(dump)) = (crowd, self.dumps.last()) {
            let (fact, same) = self.count(crowd, dump);
            facts.push(fact);
            agrees |= same;
        }
        if let Some(profile) = self.profiles.last() {
            facts.extend(estimate(profile, allocation, retained));
        }
        (facts, agrees)
    }

    /// How many goroutines of the dump stand where the crowd does.
    fn count(&self, crowd: &Crowd, dump: &Dump) -> (Evidence, bool) {
        let here =
            dump.goroutines.iter().filter(|goroutine| stands_with(&goroutine.stack, crowd)).count() as f64;
        let ours = crowd.after as f64;
        let rate = if self.window > 0.0 { (ours - crowd.before as f64) / self.window } else { 0.0 };
        let later = dump.at - self.last;
        let expected = ours + rate * later;
        let room = AGREEMENT * expected.max(ours) + (rate * later).abs() * AGREEMENT + 3.0;
        let agrees = (here - expected).abs() <= room;
        let word = if agrees { "agrees with" } else { "does not agree with" };
        let says = format!(
            "the process's own dump, {later:.1} s after the last snapshot, counts {here:.0} goroutines at that place: \
             it {word} the {ours:.0} of the heap, which by then should be {expected:.0}"
        );
        let how = format!("curl -s {}", quoted(&dump.from));
        (Evidence { source: Source::Pprof, says, value: here, error: 0.0, how }, agrees)
    }
}

/// Whether a goroutine of a dump waits on the same line of the same function.
fn stands_with(stack: &[Frame], crowd: &Crowd) -> bool {
    let place = |stack: &[Frame]| {
        stack.iter().find(|frame| !frame.is_runtime()).map(|frame| (frame.function.clone(), frame.line))
    };
    place(stack).is_some() && place(stack) == place(&crowd.stack)
}

/// What a heap profile estimates for the first line of the allocation.
fn estimate(profile: &ProfileReading, allocation: &Allocation, retained: u64) -> Option<Evidence> {
    let site = allocation.sites.first()?;
    let at_site = |row: &HeapRow| {
        own_line(&row.stack).is_some_and(|frame| *frame.function == site.function && *frame.file == site.file)
    };
    let (samples, _, Estimate { value, low, high }) = profile.estimate.sum(at_site);
    let (low, rate) = (low.max(0.0), profile.estimate.rate);
    let says = format!(
        "the heap profile estimates {value:.0} bytes in use allocated from {} (95 %: {low:.0} to {high:.0}; {samples} \
         samples, one per {rate} bytes); the heap holds exactly {retained} bytes because of them, stacks included",
        site.function
    );
    let how = format!("go tool pprof -top -inuse_space {}", quoted(&profile.from));
    Some(Evidence { source: Source::Pprof, says, value, error: (high - low) / 2.0, how })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::synthetic::waiting;

    fn dump(count: usize, at: f64) -> DumpReading {
        let goroutine = |id: u64| Goroutine {
            id,
            status: "waiting".into(),
            wait: Some("chan receive".into()),
            wait_seconds: None,
            stack: waiting("chan receive", 0, 1, 0).stack.into_iter().skip(1).collect(),
            created_by: None,
            start: None,
            system: false,
            stack_bytes: 0,
        };
        DumpReading {
            goroutines: (0..count as u64).map(goroutine).collect(),
            from: "http://h/d".into(),
            at_seconds: at,
        }
    }

    #[test]
    fn a_dump_taken_later_is_expected_to_count_more() {
        let crowd = waiting("chan receive", 300, 6300, 300);
        let second = SecondSource::new(vec![dump(6900, 102.0)], vec![], 100.0, 20.0);
        let (facts, agrees) = second.on(Some(&crowd), &Allocation::default(), 0);
        assert!(agrees, "{facts:?}");
        assert_eq!(facts[0].value, 6900.0);
        let second = SecondSource::new(vec![dump(12, 102.0)], vec![], 100.0, 20.0);
        let (facts, agrees) = second.on(Some(&crowd), &Allocation::default(), 0);
        assert!(!agrees);
        assert!(facts[0].says.contains("does not agree"), "{}", facts[0].says);
    }
}
