//! `leakscope heap leaked`.

use std::collections::BTreeMap;

use anyhow::Result;
use leakscope_heap::{Heap, Verdict, Woken};
use leakscope_model::{Frame, Goroutine};
use leakscope_report::tables::{LeakedRow, WaitedRow, leaked};

use super::ask;
use super::object_rows::type_name;
use crate::args::LeakedArgs;
use crate::leak_proof::LeakProof;
use crate::{NOTHING, output};

/// Ids and waited-for objects shown of a group; the count says how many there are.
const MOST_SHOWN: usize = 100;

/// Prints the goroutines that can never run again, by stack.
pub(super) fn run(args: &LeakedArgs) -> Result<u8> {
    let mut answered = ask(&args.about, |inspection| {
        let heap = inspection.heap;
        let proof = LeakProof::of_heap(heap);
        let mut rows = rows(heap, &proof);
        rows.truncate(args.limit);
        Ok((rows, proof))
    })?;
    if !answered.answer.1.tell(&answered.how, &mut answered.gaps) {
        answered.answer.0.clear();
    }
    let output = &args.about.output;
    let page = leaked(&answered.answer.0, &answered.beside(), output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}

/// Stack and wait.
type Key<'g> = (&'g [Frame], &'g str);

fn rows(heap: &Heap, proof: &LeakProof) -> Vec<LeakedRow> {
    let mut groups: BTreeMap<Key<'_>, Vec<(usize, &Goroutine)>> = BTreeMap::new();
    for (index, goroutine) in heap.goroutines.iter().enumerate() {
        if proof.of(index) == Verdict::Leaked {
            let key = (goroutine.stack.as_slice(), goroutine.wait.as_deref().unwrap_or_default());
            groups.entry(key).or_default().push((index, goroutine));
        }
    }
    let mut rows: Vec<LeakedRow> = groups.values().filter_map(|members| row(heap, members)).collect();
    rows.sort_by(|a, b| b.count.cmp(&a.count).then(b.retained_bytes.cmp(&a.retained_bytes)));
    rows
}

fn row(heap: &Heap, members: &[(usize, &Goroutine)]) -> Option<LeakedRow> {
    let (_, first) = members.first()?;
    let ids: Vec<u64> = members.iter().map(|(_, goroutine)| goroutine.id).collect();
    let stacks: u64 = members.iter().map(|(_, goroutine)| goroutine.stack_bytes).sum();
    let retained = heap.retained_by(&[], &ids).bytes.saturating_add(stacks);
    let waits = members.iter().flat_map(|(index, _)| waited_for(heap, *index)).take(MOST_SHOWN).collect();
    let shown = ids.iter().copied().take(MOST_SHOWN).collect();
    Some(LeakedRow::new(first, shown, members.len() as u64, retained, waits))
}

fn waited_for(heap: &Heap, goroutine: usize) -> Vec<WaitedRow> {
    let Some(Woken::Through(objects)) = heap.waits.of.get(goroutine).map(|wait| &wait.woken) else {
        return Vec::new();
    };
    let row = |id| WaitedRow { addr: heap.objects.addr(id).to_string(), ty: type_name(heap, id).to_owned() };
    objects.iter().map(|&id| row(id)).collect()
}
