//! A suspicion becomes a finding: its figures, its lines, its holders, and the evidence for each of them.

use leakscope_model::{Confidence, Finding, Fix, HeldBy, PathStep, Via};

use crate::allocation::{Allocation, allocation};
use crate::evidence::{Commands, Ledger, counted};
use crate::facts::{Crowd, Facts, Group};
use crate::rank::Scale;
use crate::rules::{FixAt, Rule, Suspicion, rule};
use crate::second_source::SecondSource;

/// Everything that a finding is written from.
pub(crate) struct Desk<'d> {
    /// What was judged.
    pub(crate) facts: &'d Facts,
    /// What would be freed.
    pub(crate) scale: &'d dyn Scale,
    /// Commands for the evidence.
    pub(crate) commands: &'d Commands,
    /// What profiles and dumps say of the same lines.
    pub(crate) second: &'d SecondSource,
    /// How sure a finding can be.
    pub(crate) ceiling: Confidence,
}

/// Writes the finding; `None` only for a suspicion without members.
pub(crate) fn write_up(suspicion: &Suspicion, desk: &Desk<'_>, ledger: &mut Ledger) -> Option<Finding> {
    let row = rule(suspicion.rule)?;
    let group = suspicion.members.groups.first().and_then(|index| desk.facts.group(*index));
    let crowd = suspicion.members.crowds.first().and_then(|index| desk.facts.crowd(*index));
    let figures = figures(suspicion, desk)?;
    let allocation = allocation(desk.facts, &suspicion.members, row.makers);
    let mut because = Vec::new();
    let remarks = suspicion.remarks.join("; ");
    if let Some(group) = group {
        because.push(ledger.enter(group_fact(group, desk, &remarks)));
    }
    if let Some(crowd) = crowd {
        because.push(ledger.enter(crowd_fact(crowd, desk, &remarks)));
    }
    because.push(ledger.enter(counted(
        format!("without them {} bytes would be free, goroutine stacks included", figures.retained_bytes),
        figures.retained_bytes as f64,
        desk.commands.types(),
    )));
    because.extend(allocation_fact(&allocation, desk).map(|fact| ledger.enter(fact)));
    let (facts, agrees) = desk.second.on(crowd, &allocation, figures.retained_bytes);
    because.extend(facts.into_iter().map(|fact| ledger.enter(fact)));
    Some(Finding {
        rule: row.id,
        kind: row.kind,
        title: suspicion.title.clone(),
        confidence: confidence(suspicion.confidence, agrees, desk.facts.window).min(desk.ceiling),
        retained_bytes: figures.retained_bytes,
        objects: figures.objects,
        goroutines: figures.goroutines,
        growth_bytes_per_s: figures.growth_bytes_per_s,
        growth_objects_per_s: figures.growth_objects_per_s,
        since: None,
        ty: group.map_or("runtime.g".to_owned(), |group| group.ty.clone()),
        path: group.map_or_else(|| crowd_path(crowd), |group| group.path.clone()),
        fix: fix(&allocation, crowd, row),
        allocated_at: allocation.sites,
        held_by: crowd.map(held_by),
        because,
    })
}

struct Figures {
    retained_bytes: u64,
    objects: u64,
    goroutines: u64,
    growth_bytes_per_s: f64,
    growth_objects_per_s: f64,
}

/// Counts are of the group that the rule accuses (or its goroutines where it has none), bytes of everything that
/// goes with it; bytes grow as the counts do.
fn figures(suspicion: &Suspicion, desk: &Desk<'_>) -> Option<Figures> {
    let members = &suspicion.members;
    let crowds = || members.crowds.iter().filter_map(|index| desk.facts.crowd(*index));
    let population = match members.groups.first().and_then(|index| desk.facts.group(*index)) {
        Some(group) => group.population(),
        None => crowds().next()?.population(),
    };
    let retained_bytes = desk.scale.retained(members);
    let rate = desk
        .facts
        .window
        .filter(|window| *window > 0.0)
        .map_or(0.0, |window| population.net() as f64 / window);
    let each = retained_bytes as f64 / population.after.max(1) as f64;
    Some(Figures {
        retained_bytes,
        objects: population.after,
        goroutines: crowds().map(|crowd| crowd.after).sum(),
        growth_bytes_per_s: rate * each,
        growth_objects_per_s: rate,
    })
}

/// A second source that agrees carries a doubtful growth over to `likely`; one moment stays `possible`, since two
/// sources at one moment agree about how many there are and not about whether they grow.
fn confidence(alone: Confidence, agrees: bool, window: Option<f64>) -> Confidence {
    if agrees && window.is_some() { alone.max(Confidence::Likely) } else { alone }
}

fn group_fact(group: &Group, desk: &Desk<'_>, remarks: &str) -> leakscope_model::Evidence {
    let names: Vec<&str> = group.path.iter().map(|step| step.name.as_str()).collect();
    let says = format!("{} {} hang in {}", group.after.objects, group.ty, names.join("."));
    let says = says + &over_time(desk.facts.window, group.population()) + &behind(remarks);
    counted(says, group.after.objects as f64, desk.commands.why(&group.ty))
}

fn crowd_fact(crowd: &Crowd, desk: &Desk<'_>, remarks: &str) -> leakscope_model::Evidence {
    let place = crowd.place().map(|frame| format!(" at {frame}")).unwrap_or_default();
    let says = format!("{} goroutines wait in {}{place}", crowd.after, crowd.wait);
    let says = says + &over_time(desk.facts.window, crowd.population()) + &behind(remarks);
    counted(says, crowd.after as f64, desk.commands.goroutines(&crowd.wait))
}

/// What the population did, for people.
fn over_time(window: Option<f64>, population: crate::population::Population) -> String {
    let Some(seconds) = window else { return String::new() };
    let crate::population::Population { before, after: _, stayed } = population;
    let (came, left) = (population.came(), population.left());
    format!(
        ": {before} at the first snapshot, of which {stayed} stayed; {came} came and {left} left in {seconds:.1} s"
    )
}

fn behind(remarks: &str) -> String {
    if remarks.is_empty() { String::new() } else { format!(" ({remarks})") }
}

fn allocation_fact(allocation: &Allocation, desk: &Desk<'_>) -> Option<leakscope_model::Evidence> {
    let first = allocation.sites.first()?;
    let place = format!("{} {}:{}", first.function, first.file, first.line);
    let says = match allocation.samples {
        0 => format!("no sampled object is among them; their goroutines are started at {place}"),
        samples => format!(
            "{samples} sampled objects among them, {:.0} % allocated from {place}",
            first.share * 100.0
        ),
    };
    Some(counted(says, allocation.samples as f64, desk.commands.types()))
}

/// The line to change, by what the rule's remedy is for; the other where that one is not known.
fn fix(allocation: &Allocation, crowd: Option<&Crowd>, rule: &Rule) -> Option<Fix> {
    let made = allocation.sites.first().map(|site| (site.file.clone(), site.line));
    let wait = crowd.and_then(Crowd::place).map(|frame| (frame.file.to_string(), frame.line));
    let (file, line) = match rule.fix_at {
        FixAt::Allocation => made.or(wait),
        FixAt::Wait => wait.or(made),
    }?;
    Some(Fix { file, line, advice: rule.remedy.to_owned() })
}

fn held_by(crowd: &Crowd) -> HeldBy {
    let (function, file, line) = crowd
        .place()
        .map(|frame| (frame.function.to_string(), frame.file.to_string(), frame.line))
        .unwrap_or_default();
    HeldBy {
        goroutine_group: format!("{function} [{}]", crowd.wait),
        count: crowd.after,
        wait: crowd.wait.clone(),
        function,
        file,
        line,
    }
}

/// Goroutines are roots themselves: the path is the place where they wait.
fn crowd_path(crowd: Option<&Crowd>) -> Vec<PathStep> {
    let step = |frame: &leakscope_model::Frame| PathStep {
        name: frame.function.to_string(),
        via: Via::Stack,
        ty: "goroutine".to_owned(),
        addr: None,
    };
    crowd.and_then(|crowd| crowd.place()).map(step).into_iter().collect()
}
