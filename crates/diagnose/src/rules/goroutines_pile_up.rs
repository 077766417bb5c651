//! `GO-GOR-001`: goroutines that pile up at one wait.

use leakscope_model::{Confidence, FindingKind};

use super::{FixAt, Rule, Suspicion};
use crate::facts::{Crowd, Facts, Members};
use crate::population::{MANY_AT_ONE_MOMENT, Trend};

pub(super) const RULE: Rule = Rule {
    id: "GO-GOR-001",
    title: "goroutines that pile up at one wait",
    explanation: "A goroutine that waits for something that never comes is never collected: its stack is a root, and all that its \
variables point at stays live. Typical: a send on an unbuffered channel whose receiver has gone, a receive from a channel that nobody \
closes, a ticker loop without a way out, a lock that is never released.\n\n\
The rule looks for goroutines with one stack and one wait that become more over the window while those that were there before stay in \
the same place. Goroutines that wait for the network are connections: those are accused only when they grow, and only as `possible`. A \
single moment with a thousand or more of them is worth a `possible`.\n\n\
Where the whole heap was read, it can be proven: if nothing that can run, and no package variable, leads to what a goroutine waits for, \
nobody can ever wake it. A pile of ten or more of which that holds for all is `proven`, however many moments were seen.",
    remedy: "Give the wait a way out: close the channel, receive from it, or select on a context that ends.",
    kind: FindingKind::Goroutine,
    makers: &[],
    fix_at: FixAt::Wait,
    judge,
};

/// Waits that are the life of a server's connections and not of a leak.
const NETWORK: &str = "IO wait";

/// Fewer goroutines are no pile, even where none of them can run again.
const LEAST_PROVEN: u64 = 10;

fn judge(facts: &Facts) -> Vec<Suspicion> {
    facts.crowds.iter().enumerate().filter_map(|(index, crowd)| accuse(facts, index, crowd)).collect()
}

fn accuse(facts: &Facts, index: usize, crowd: &Crowd) -> Option<Suspicion> {
    if crowd.wait.is_empty() || crowd.system {
        return None;
    }
    let network = crowd.wait == NETWORK;
    let (confidence, remark) = match facts.window {
        _ if crowd.leaked == crowd.after && crowd.after >= LEAST_PROVEN => (
            Confidence::Proven,
            Some("nothing that can run leads to what they wait for: nobody can wake them"),
        ),
        None if crowd.after >= MANY_AT_ONE_MOMENT && !network => {
            (Confidence::Possible, Some("one moment shows how many there are, not whether they become more"))
        }
        None => return None,
        Some(_) => match crowd.population().trend() {
            Trend::Still => return None,
            Trend::Grew if network => (
                Confidence::Possible,
                Some("each of them waits for its connection: clients may have opened more"),
            ),
            Trend::FromNothing if network => return None,
            Trend::FromNothing => (
                Confidence::Possible,
                Some("there were too few at the first snapshot to tell whether they ever leave"),
            ),
            Trend::Grew => (Confidence::Likely, None),
        },
    };
    let place = crowd.place().map_or("one place".to_owned(), |frame| frame.function.to_string());
    Some(Suspicion {
        rule: RULE.id,
        members: Members { groups: Vec::new(), crowds: vec![index] },
        title: format!("Goroutines pile up in {place} ({})", crowd.wait),
        confidence,
        remarks: remark.map(str::to_owned).into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::waiting;
    use super::*;

    fn judged(window: Option<f64>, crowd: Crowd) -> Vec<Confidence> {
        let facts = Facts { window, crowds: vec![crowd], ..Facts::default() };
        judge(&facts).iter().map(|found| found.confidence).collect()
    }

    #[test]
    fn a_growing_crowd_is_accused() {
        assert_eq!(judged(Some(20.0), waiting("chan send", 300, 6300, 300)), [Confidence::Likely]);
        assert_eq!(judged(Some(20.0), waiting("IO wait", 300, 6300, 300)), [Confidence::Possible]);
        assert_eq!(judged(None, waiting("chan send", 0, 6300, 0)), [Confidence::Possible]);
    }

    #[test]
    fn a_crowd_that_nobody_can_wake_is_proven_whether_it_grows_or_not() {
        let leaked = |leaked, before, after| Crowd { leaked, ..waiting("chan send", before, after, before) };
        assert_eq!(judged(None, leaked(12, 0, 12)), [Confidence::Proven]);
        assert_eq!(judged(Some(20.0), leaked(300, 300, 300)), [Confidence::Proven]);
        assert_eq!(judged(None, leaked(9, 0, 9)), [], "a few");
        assert_eq!(judged(Some(20.0), leaked(299, 300, 300)), [], "one of them can run");
        assert_eq!(judged(Some(20.0), leaked(6299, 300, 6300)), [Confidence::Likely]);
    }

    #[test]
    fn workers_connections_and_requests_are_not() {
        assert_eq!(judged(Some(20.0), waiting("chan receive", 5000, 5000, 5000)), [], "a pool of workers");
        assert_eq!(judged(Some(20.0), waiting("select", 60, 110, 0)), [], "requests in flight");
        assert_eq!(judged(None, waiting("IO wait", 0, 9000, 0)), [], "idle connections");
        assert_eq!(judged(Some(20.0), waiting("", 300, 6300, 300)), [], "not waiting");
        let mut runtime = waiting("GC worker (idle)", 300, 6300, 300);
        runtime.system = true;
        assert_eq!(judged(Some(20.0), runtime), []);
    }
}
