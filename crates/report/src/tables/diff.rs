//! Births and deaths over several moments of one process.

use leakscope_model::{Frame, PathStep};
use serde::Serialize;

use super::Beside;
use crate::columns::{Lean, columns};
use crate::json::{FrameRow, StepRow};
use crate::page::Page;
use crate::{Format, Look, numbers, sites};

/// A whole comparison.
#[derive(Debug, Serialize)]
pub struct Diff {
    /// What the rows stand for: `type`, `path` or `alloc-stack`.
    pub by: &'static str,
    /// Whether all moments are of one process; if not, only `moments` of each row tell something.
    pub one_process: bool,
    /// The moments, the oldest first.
    pub moments: Vec<MomentRow>,
    /// Of all rows.
    pub born: FiguresRow,
    /// Of all rows.
    pub died: FiguresRow,
    /// Of all rows.
    pub survived: FiguresRow,
    /// Of all rows; `None` for two moments.
    pub stayed: Option<FiguresRow>,
    /// How sure it is that one address is one object.
    pub address_reuse: Option<ReuseRow>,
    /// Those that stayed with most bytes first, then those that grew most.
    pub rows: Vec<DiffRow>,
}

/// One moment.
#[derive(Debug, Serialize)]
pub struct MomentRow {
    /// How the user named it.
    pub target: String,
    /// RFC 3339.
    pub taken_at: String,
    /// All that is reachable.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Collections that the process had completed.
    pub collections: u64,
}

/// Objects and the bytes of their slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FiguresRow {
    /// How many.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What samples tell of addresses that are used again.
#[derive(Debug, Serialize)]
pub struct ReuseRow {
    /// Collections between the first and the last moment.
    pub collections: u64,
    /// Pairs of which a sample tells whether they are one object.
    pub checked: u64,
    /// Those that are not.
    pub replaced: u64,
    /// Pairs that no sample tells of, counted as one object each.
    pub unchecked: u64,
    /// The least share of the unchecked that may be two objects (95 %); `None` where nothing tells.
    pub share_low: Option<f64>,
    /// The greatest share.
    pub share_high: Option<f64>,
}

/// The objects of one key.
#[derive(Debug, Serialize)]
pub struct DiffRow {
    /// What they have in common.
    #[serde(flatten)]
    pub key: DiffKey,
    /// At each moment.
    pub moments: Vec<FiguresRow>,
    /// Came after the first moment.
    pub born: FiguresRow,
    /// Went before the last.
    pub died: FiguresRow,
    /// There at the first and at the last moment.
    pub survived: FiguresRow,
    /// Came after the first moment and lived through whole intervals since; `None` for two moments.
    pub stayed: Option<FiguresRow>,
    /// Those that came early enough to be able to.
    pub could_stay: Option<FiguresRow>,
    /// Whether most of those stayed: a leak looks like this, and so does a cache that fills.
    pub suspect: bool,
}

/// What the objects of a row have in common; what it is not by is left out.
#[derive(Debug, Serialize)]
pub struct DiffKey {
    /// As Go writes it.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    ty: Option<String>,
    /// From a root.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Vec<StepRow>>,
    /// Innermost first.
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<Vec<FrameRow>>,
    #[serde(skip)]
    text: String,
}

impl DiffKey {
    /// A type.
    pub fn of_type(ty: String) -> DiffKey {
        DiffKey { text: ty.clone(), ty: Some(ty), path: None, stack: None }
    }

    /// Objects of type `ty` at the end of a path.
    pub fn of_path(path: &[PathStep], ty: String) -> DiffKey {
        let text = format!("{}  {ty}", sites::path_line(path));
        DiffKey { text, ty: Some(ty), path: Some(path.iter().map(StepRow::from).collect()), stack: None }
    }

    /// An allocation stack.
    pub fn of_stack(stack: &[Frame]) -> DiffKey {
        let own = stack.iter().find(|frame| !frame.is_runtime()).or(stack.first());
        let text = own.map_or_else(String::new, |frame| {
            format!("{}  {}", frame.function, sites::position(&frame.file, frame.line))
        });
        DiffKey { text, ty: None, path: None, stack: Some(stack.iter().map(FrameRow::from).collect()) }
    }
}

/// The comparison in one of the formats.
pub fn diff(answer: &Diff, beside: &Beside, format: Format, look: Look) -> String {
    beside.answer("heap-diff", answer, format, look, || text(answer, look))
}

fn text(answer: &Diff, look: Look) -> String {
    let Diff { by, one_process, moments, born, died, survived, stayed, address_reuse, rows } = answer;
    let mut page = Page::new(look);
    for (moment, number) in moments.iter().zip(1..) {
        let MomentRow { target, taken_at, objects, bytes, collections } = moment;
        page.line(&format!(
            "{number}  {taken_at}  {}, {}, {collections} collections  {target}",
            numbers::counted(*objects, "object"),
            numbers::bytes(*bytes)
        ));
    }
    if *one_process {
        let stayed = stayed.map_or_else(String::new, |stayed| format!(", stayed {}", amount(stayed)));
        page.wrapped(
            "",
            &format!(
                "born {}, died {}, there from the first to the last {}{stayed}",
                amount(*born),
                amount(*died),
                amount(*survived)
            ),
        );
    }
    if let Some(reuse) = address_reuse {
        page.wrapped("", &reuse_text(reuse));
    }
    page.blank();
    page.finish() + &table(rows, by, *one_process, stayed.is_some())
}

fn amount(figures: FiguresRow) -> String {
    format!("{} ({})", numbers::bytes(figures.bytes), numbers::counted(figures.objects, "object"))
}

fn reuse_text(reuse: &ReuseRow) -> String {
    let ReuseRow { collections, checked, replaced, unchecked: _, share_low, share_high } = reuse;
    match share_low.zip(*share_high) {
        _ if *collections == 0 => {
            "No collection ended in between: nothing was freed, so one address is one object.".to_owned()
        }
        Some((low, high)) => format!(
            "Of {} that are sampled and have their old address and type, {} had been replaced by another: of those \
             shown as survivors, {} to {} may be too.",
            numbers::counted(*checked, "object"),
            numbers::count(*replaced),
            numbers::percent(low),
            numbers::percent(high)
        ),
        None => {
            "How many addresses were used again for the same type cannot be told: no survivor is sampled."
                .to_owned()
        }
    }
}

fn table(rows: &[DiffRow], by: &str, one_process: bool, stays: bool) -> String {
    let mut heads = vec![("first", Lean::Right), ("last", Lean::Right)];
    if one_process {
        heads.extend([("born", Lean::Right), ("died", Lean::Right), ("survived", Lean::Right)]);
    }
    if stays {
        heads.extend([("stayed", Lean::Right), ("", Lean::Left)]);
    }
    heads.push((by, Lean::Left));
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, one_process, stays)).collect();
    columns(&heads, &cells)
}

fn cells(row: &DiffRow, one_process: bool, stays: bool) -> Vec<String> {
    let bytes = |figures: Option<&FiguresRow>| numbers::bytes(figures.map_or(0, |figures| figures.bytes));
    let mut cells = vec![bytes(row.moments.first()), bytes(row.moments.last())];
    if one_process {
        cells.extend([bytes(Some(&row.born)), bytes(Some(&row.died)), bytes(Some(&row.survived))]);
    }
    if stays {
        cells.extend([bytes(row.stayed.as_ref()), if row.suspect { "suspect" } else { "" }.to_owned()]);
    }
    cells.push(row.key.text.clone());
    cells
}
