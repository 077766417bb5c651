//! `leakscope heap diff`.

use anyhow::{Context, Result, bail};
use leakscope_heap::{LifeKey, LifeRow, LifeTable, Lives, LivesBy, Tally, type_table};
use leakscope_model::{Gap, Target};
use leakscope_report::tables::{Diff, DiffKey, DiffRow, FiguresRow, MomentRow, ReuseRow, diff};

use crate::args::{DiffArgs, DiffBy, TargetWord};
use crate::gathered::Gathered;
use crate::opening::{Answered, Found, HowRead, LiveTarget, OneMoment, find, last_moment};
use crate::progress::Progress;
use crate::{NOTHING, capture_file, output};

/// Prints what was born, died and stayed.
pub(super) fn run(args: &DiffArgs) -> Result<u8> {
    let mut comparison = Comparison::new(args);
    match args.targets.as_slice() {
        [only] => of_one(only, args, &mut comparison)?,
        several => {
            for word in several {
                comparison.add(last_moment(word, &args.access)?, &word.to_string())?;
            }
        }
    }
    let answered = comparison.finish(args)?;
    let output = &args.output;
    let page = diff(&answered.answer, &answered.beside(), output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}

/// The moments of one target.
fn of_one(word: &TargetWord, args: &DiffArgs, comparison: &mut Comparison) -> Result<()> {
    match find(word, &args.access)? {
        Found::Live(live) => of_process(&live, args, comparison, word),
        Found::Capture(capture) => {
            let Gathered { target, moments, gaps, .. } = capture_file::gathered(*capture)?;
            if moments.len() < 2 {
                bail!(
                    "{word} holds {} of the two moments that a comparison needs: name another capture after it",
                    moments.len()
                );
            }
            comparison.gaps.extend(gaps);
            for moment in moments {
                let one = OneMoment { moment, target: target.clone(), gaps: Vec::new() };
                comparison.add(one, &word.to_string())?;
            }
            Ok(())
        }
        Found::Core(_) => bail!("{word} is one moment: name another core of the same process after it"),
        Found::Saved(..) | Found::Url(_) => {
            bail!("{word} tells no heap: name a process, or cores or captures of it")
        }
    }
}

fn of_process(
    live: &LiveTarget,
    args: &DiffArgs,
    comparison: &mut Comparison,
    word: &TargetWord,
) -> Result<()> {
    let progress = Progress::new();
    let mut next = live.now();
    for round in 1..=args.rounds {
        progress.waits(live.instant(next));
        next += args.every.as_secs_f64();
        let one = live.moment(&progress).with_context(|| format!("snapshot {round} of {}", args.rounds))?;
        comparison.add(one, &word.to_string())?;
    }
    Ok(())
}

/// Moments as they come.
struct Comparison {
    lives: Lives,
    same: bool,
    force: bool,
    first: Option<(Target, String)>,
    moments: Vec<MomentRow>,
    last: Option<(HowRead, type_table::Coverage)>,
    gaps: Vec<Gap>,
}

impl Comparison {
    fn new(args: &DiffArgs) -> Comparison {
        Comparison {
            lives: Lives::new(lives_by(args.by), true),
            same: true,
            force: args.force,
            first: None,
            moments: Vec::new(),
            last: None,
            gaps: Vec::new(),
        }
    }

    fn add(&mut self, one: OneMoment, word: &str) -> Result<()> {
        let OneMoment { moment, target, gaps } = one;
        match &self.first {
            None => self.first = Some((target.clone(), word.to_owned())),
            Some((first, their_word)) => {
                if let Some(why) = difference(first, &target) {
                    if !self.force {
                        bail!(
                            "{their_word} and {word} are not of one process: {why}. Their objects cannot be told one by one; --force compares the numbers alone"
                        );
                    }
                    self.lives.tell_apart();
                    if std::mem::take(&mut self.same) {
                        self.gaps.push(Gap::new(
                            "diff",
                            format!("not of one process: {why}; numbers are compared, objects are not"),
                        ));
                    }
                }
            }
        }
        let live = moment.heap.live();
        self.moments.push(MomentRow {
            target: word.to_owned(),
            taken_at: moment.taken_at.clone(),
            objects: live.objects,
            bytes: live.bytes,
            collections: moment.heap.memstats.collections,
        });
        let how = HowRead {
            taken_at: moment.taken_at,
            mode: moment.mode,
            predicted_ms: moment.predicted_ms,
            pause_ms: moment.pause_ms,
        };
        self.last = Some((how, type_table::coverage(&moment.heap)));
        for gap in gaps.into_iter().chain(moment.heap.gaps.iter().cloned()) {
            if !self.gaps.contains(&gap) {
                self.gaps.push(gap);
            }
        }
        self.lives.add(moment.heap);
        Ok(())
    }

    fn finish(self, args: &DiffArgs) -> Result<Answered<Diff>> {
        let Some((how, coverage)) = self.last else { bail!("there is nothing to compare") };
        let LifeTable { rows, reuse } = self.lives.finish();
        let sum = |of: fn(&LifeRow) -> Tally| figures(rows.iter().map(of).sum());
        let rounds = self.moments.len();
        let answer = Diff {
            by: by_word(args.by),
            one_process: self.same,
            moments: self.moments,
            born: sum(|row| row.born),
            died: sum(|row| row.died),
            survived: sum(|row| row.survived),
            stayed: (rounds > 2 && self.same).then(|| sum(|row| row.stayed)),
            address_reuse: self.same.then(|| ReuseRow {
                collections: reuse.collections,
                checked: reuse.checked,
                replaced: reuse.replaced,
                unchecked: reuse.unchecked,
                share_low: reuse.share().map(|(low, _)| low),
                share_high: reuse.share().map(|(_, high)| high),
            }),
            rows: rows
                .into_iter()
                .take(args.limit)
                .map(|found| row(found, self.same && rounds > 2))
                .collect(),
        };
        Ok(Answered { answer, how, coverage, gaps: self.gaps })
    }
}

/// Why two moments are not of one process; `None` where nothing speaks against it.
fn difference(a: &Target, b: &Target) -> Option<String> {
    let known = |a: &str, b: &str| !a.is_empty() && !b.is_empty() && a != b;
    if known(&a.build_id, &b.build_id) {
        return Some(format!("{} has build ID {}, {} has {}", a.exe, a.build_id, b.exe, b.build_id));
    }
    if known(&a.go, &b.go) {
        return Some(format!("one was built by {}, the other by {}", a.go, b.go));
    }
    match (a.pid, b.pid) {
        (Some(a), Some(b)) if a != b => Some(format!("one was process {a}, the other {b}")),
        _ => None,
    }
}

fn row(found: LifeRow, stays: bool) -> DiffRow {
    let LifeRow { key, moments, born, died, survived, stayed, could_stay } = found;
    let key = match key {
        LifeKey::Type(name) => DiffKey::of_type(name.to_string()),
        LifeKey::Path { path, ty } => DiffKey::of_path(&path, ty),
        LifeKey::AllocStack(stack) => DiffKey::of_stack(&stack),
    };
    DiffRow {
        key,
        moments: moments.into_iter().map(figures).collect(),
        born: figures(born),
        died: figures(died),
        survived: figures(survived),
        stayed: stays.then(|| figures(stayed)),
        could_stay: stays.then(|| figures(could_stay)),
        suspect: stays && is_suspect(stayed, could_stay),
    }
}

/// Most of those that came early enough are still there. A cache that fills looks the same until it is full.
fn is_suspect(stayed: Tally, could_stay: Tally) -> bool {
    const LEAST: u64 = 10;
    stayed.objects >= LEAST && stayed.objects * 2 > could_stay.objects
}

fn figures(tally: Tally) -> FiguresRow {
    FiguresRow { objects: tally.objects, bytes: tally.bytes }
}

fn lives_by(by: DiffBy) -> LivesBy {
    match by {
        DiffBy::Type => LivesBy::Type,
        DiffBy::Path => LivesBy::Path,
        DiffBy::AllocStack => LivesBy::AllocStack,
    }
}

fn by_word(by: DiffBy) -> &'static str {
    match by {
        DiffBy::Type => "type",
        DiffBy::Path => "path",
        DiffBy::AllocStack => "alloc-stack",
    }
}
