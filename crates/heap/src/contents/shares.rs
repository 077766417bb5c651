//! The contents of the heap, read by several threads: each takes spans in a row, and what they find is put together in
//! order, so that the answer does not depend on their number.

use std::thread;

use leakscope_goruntime::Layout;
use leakscope_model::{Addr, Gap};
use leakscope_target::TargetMemory;

use super::pending::Pending;
use super::{ScanInput, Scanner, is_large};
use crate::edges::{Edges, EdgesBuilder};
use crate::error::HeapError;
use crate::gather::{Want, gather};
use crate::graph::ObjectId;
use crate::objects::SpanRow;
use crate::reach::LIMIT;
use crate::type_masks::TypeMasks;

/// The most of a span that is read at once, in bytes; a larger one comes in pieces.
const PIECE: u64 = 256 << 10;
/// The least that is worth a thread, in bytes.
const LEAST_SHARE: u64 = 8 << 20;
/// The service on this machine goes on meanwhile: not more threads than this, however many processors there are.
const MOST_THREADS: usize = 4;
/// Pointer maps beside the heap come by arenas of this size, of which a thread keeps one at hand.
const ARENA_SHIFT: u32 = 26;

/// What the contents of the heap say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) edges: Edges,
    /// Objects with the `abi.Type` that the runtime records with them.
    pub(crate) headers: Vec<(ObjectId, Addr)>,
    /// Edge index and the word before the pointer, where that is a type or an itab.
    pub(crate) type_words: Vec<(u32, Addr)>,
    /// Objects whose first word is a code address.
    pub(crate) code_words: Vec<(ObjectId, Addr)>,
    pub(crate) gaps: Vec<Gap>,
}

/// What one thread found.
#[derive(Debug, Default)]
pub(super) struct Share {
    pub(super) edges: EdgesBuilder,
    pub(super) headers: Vec<(ObjectId, Addr)>,
    pub(super) type_words: Vec<(u32, Addr)>,
    pub(super) code_words: Vec<(ObjectId, Addr)>,
    pub(super) gaps: Vec<Gap>,
    /// Types whose mask could not be had, each where it was met first.
    pub(super) torn_types: Vec<(Addr, Gap)>,
    /// Pointers into free slots.
    pub(super) lost: u64,
}

/// Reads all edges, on as many threads as there are processors and it is worth.
pub(crate) fn scan(
    memory: &dyn TargetMemory,
    layout: &Layout,
    input: &ScanInput<'_>,
) -> Result<Contents, HeapError> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    scan_on(processors.min(MOST_THREADS), LEAST_SHARE, memory, layout, input)
}

/// As [`scan`], on so many threads, unless a share would be smaller than `least`.
pub(super) fn scan_on(
    threads: usize,
    least: u64,
    memory: &dyn TargetMemory,
    layout: &Layout,
    input: &ScanInput<'_>,
) -> Result<Contents, HeapError> {
    let pieces = pieces(input.objects.spans());
    let mut parts = parts(&pieces, threads, least, input).into_iter();
    let first = parts.next().unwrap_or_default();
    let mut whole = Share::default();
    thread::scope(|scope| {
        let others: Vec<_> =
            parts.map(|part| scope.spawn(move || read_share(memory, layout, input, part))).collect();
        whole = read_share(memory, layout, input, first)?;
        for other in others {
            whole.append(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?)?;
        }
        Ok::<(), HeapError>(())
    })?;
    Ok(whole.finish())
}

fn read_share(
    memory: &dyn TargetMemory,
    layout: &Layout,
    input: &ScanInput<'_>,
    pieces: &[Piece],
) -> Result<Share, HeapError> {
    let wants: Vec<Want> = pieces.iter().map(|piece| piece.want).collect();
    let masks = TypeMasks::new(memory, layout)?;
    let (arenas, source, pending) = (input.arenas.clone(), ObjectId(0), Pending::new());
    let mut scanner = Scanner { input, masks, arenas, out: Share::default(), source, large: None, pending };
    let mut torn = None;
    gather(memory, &wants, |index, bytes| {
        let Some(piece) = pieces.get(index) else { return };
        let Some(span) = input.objects.spans().get(piece.span as usize) else { return };
        let result = match bytes {
            Ok(bytes) => scanner.piece(span, piece.offset, bytes),
            Err(err) => {
                let reason = format!("contents of the span at {}: {err}", span.base);
                scanner.out.gaps.push(Gap::new("heap", reason));
                Ok(())
            }
        };
        torn = torn.take().or(result.err());
    });
    match torn {
        Some(err) => Err(err),
        None => scanner.out.check_count().map(|()| scanner.out),
    }
}

/// A part of one span.
struct Piece {
    span: u32,
    offset: u64,
    want: Want,
}

fn pieces(spans: &[SpanRow]) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(spans.len());
    for (span, index) in spans.iter().zip(0u32..) {
        if span.noscan || span.allocated.iter().all(|&word| word == 0) {
            continue;
        }
        let bytes = span.read_bytes();
        let step = if is_large(span) { PIECE } else { bytes };
        let mut offset = 0;
        while offset < bytes {
            let len = step.min(bytes - offset);
            pieces.push(Piece { span: index, offset, want: (Addr::new(span.base.get() + offset), len) });
            offset += len;
        }
    }
    pieces
}

/// Shares of about equal size, of whole spans, and of whole arenas where those have the pointer maps.
fn parts<'p>(pieces: &'p [Piece], threads: usize, least: u64, input: &ScanInput<'_>) -> Vec<&'p [Piece]> {
    let total: u64 = pieces.iter().map(|piece| piece.want.1).sum();
    let share = (total / threads.max(1) as u64).max(least).max(1);
    let together = |before: &Piece, piece: &Piece| {
        let arena = |piece: &Piece| piece.want.0.get() >> ARENA_SHIFT;
        before.span == piece.span || (input.arenas.is_some() && arena(before) == arena(piece))
    };
    let (mut parts, mut rest) = (Vec::new(), pieces);
    while parts.len() + 1 < threads {
        let mut bytes = 0;
        let cut = rest.iter().zip(rest.iter().skip(1)).position(|(before, piece)| {
            bytes += before.want.1;
            bytes >= share && !together(before, piece)
        });
        let Some((part, behind)) = cut.and_then(|last| rest.split_at_checked(last + 1)) else { break };
        parts.push(part);
        rest = behind;
    }
    parts.push(rest);
    parts
}

impl Share {
    /// Fails where there are more edges than numbers for them.
    pub(super) fn check_count(&self) -> Result<(), HeapError> {
        let limit = u64::from(LIMIT);
        let fits = (self.edges.len() as u64) < limit;
        fits.then_some(()).ok_or(HeapError::TooMany { what: "pointers", limit })
    }

    /// Takes over what the thread with the next share found.
    fn append(&mut self, mut later: Share) -> Result<(), HeapError> {
        let before = self.edges.len() as u32;
        later.type_words.iter_mut().for_each(|(edge, _)| *edge = edge.saturating_add(before));
        self.edges.append(later.edges);
        self.check_count()?;
        self.headers.append(&mut later.headers);
        self.type_words.append(&mut later.type_words);
        self.code_words.append(&mut later.code_words);
        self.gaps.append(&mut later.gaps);
        for (ty, gap) in later.torn_types {
            if self.torn_types.iter().all(|(known, _)| *known != ty) {
                self.torn_types.push((ty, gap));
            }
        }
        self.lost += later.lost;
        Ok(())
    }

    fn finish(mut self) -> Contents {
        self.gaps.extend(self.torn_types.into_iter().map(|(_, gap)| gap));
        // The collector frees nothing that an allocated object points at, so such a pointer shows a torn picture; or
        // what lay there before in an object that has just been taken.
        if self.lost > 0 {
            let reason = format!(
                "{} pointers lead into free memory: the program wrote while it was read, or was about to clear an \
                 object that it had just taken",
                self.lost
            );
            self.gaps.push(Gap::new("heap", reason));
        }
        let Share { edges, headers, type_words, code_words, gaps, .. } = self;
        Contents { edges: edges.finish(), headers, type_words, code_words, gaps }
    }
}
