//! `leakscope heap breakdown`.

use anyhow::Result;
use leakscope_collect::{CgroupFacts, OsFacts};
use leakscope_heap::breakdown::{Breakdown, PARTS, Part};
use leakscope_model::Gap;
use leakscope_report::tables::{BreakdownAnswer, CgroupRow, FileRow, PartRow, breakdown};

use crate::args::BreakdownArgs;
use crate::opening::{self, resident};
use crate::{NOTHING, output};

/// Prints what resident memory is made of.
pub(super) fn run(args: &BreakdownArgs) -> Result<u8> {
    let about = &args.about;
    let mut answered = opening::ask_resident(&about.target, &about.access, |inspection| {
        if let Some((found, os)) = inspection.os().and_then(of_capture) {
            let gap = Gap::new("os", "a capture does not keep which files were mapped");
            return Ok((answer(&found, Whole::Resident, os.cgroup.as_ref(), args.limit), vec![gap]));
        }
        let (found, gaps) = resident::broken_down(inspection)?;
        let live = inspection.memory().and_then(|at_hand| at_hand.live);
        let cgroup = live.and_then(|pid| OsFacts::of_process(pid).0.cgroup);
        let whole = if live.is_some() { Whole::Resident } else { Whole::Held };
        Ok((answer(&found, whole, cgroup.as_ref(), args.limit), gaps))
    })?;
    answered.gaps.append(&mut answered.answer.1);
    let output = &about.output;
    let page = breakdown(&answered.answer.0, &answered.beside(), output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}

/// What the parts are parts of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// What was resident.
    Resident,
    /// What a core holds.
    Held,
}

/// What a capture keeps of it; `None` for one that was made without.
fn of_capture(os: &OsFacts) -> Option<(Breakdown, &OsFacts)> {
    let parts = PARTS.iter().filter_map(|part| Some((*part, *os.resident.get(part.name())?)));
    let found = Breakdown {
        parts: parts.collect(),
        rss: os.resident_rss,
        huge: os.huge_pages.unwrap_or(0),
        lazily_freed: os.lazily_freed.unwrap_or(0),
        swap: os.swap.unwrap_or(0),
        ..Breakdown::default()
    };
    (!found.parts.is_empty()).then_some((found, os))
}

fn answer(found: &Breakdown, whole: Whole, cgroup: Option<&CgroupFacts>, limit: usize) -> BreakdownAnswer {
    let parts = PARTS.iter().map(|&part| (part, found.of(part))).filter(|(_, bytes)| *bytes > 0);
    let row = |(part, bytes): (Part, u64)| PartRow {
        part: part.name(),
        area: part.area().name(),
        bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        says: part.says(),
    };
    let mut rows: Vec<PartRow> = parts.map(row).collect();
    if whole == Whole::Resident {
        rows.push(PartRow {
            part: "unexplained",
            area: "unexplained",
            bytes: found.unexplained(),
            says: "what the system counts beyond these; below zero where it counts less",
        });
    }
    let files = found.files.iter().take(limit);
    BreakdownAnswer {
        rss: (whole == Whole::Resident).then_some(found.rss),
        explained_bytes: found.explained(),
        rows,
        files: files.map(|(path, bytes)| FileRow { path: path.clone(), bytes: *bytes }).collect(),
        huge_page_bytes: found.huge,
        lazily_freed_bytes: found.lazily_freed,
        swap_bytes: found.swap,
        cgroup: cgroup.map(|cgroup| CgroupRow {
            path: cgroup.path.clone(),
            usage: cgroup.usage,
            working_set: cgroup.working_set,
            limit: cgroup.limit,
        }),
    }
}
