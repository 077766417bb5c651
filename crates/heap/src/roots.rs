//! Pointers from outside the heap into it: package variables and the runtime's records. Those of goroutine
//! stacks are found in `stacks`.
//!
//! The authority for what counts as a root is `runtime/mgcmark.go` (`markroot`, `markrootSpans`).

use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_goruntime::{Layout, TypeId};
use leakscope_model::{Addr, Gap, LinkAddr};
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::{WORD, word_at};
use crate::graph::{Edges, ObjectId, Objects, Root, RootOrigin};
use crate::program::Program;
use crate::specials::SpanSpecial;
use crate::static_objects::StaticObjects;
use crate::typing::ProgramTypes;
use crate::variable_words::VariableWords;

/// Names of variables and records, each once.
#[derive(Debug, Default)]
pub(crate) struct NameTable {
    pub(crate) names: Vec<Arc<str>>,
    known: HashMap<Arc<str>, u32>,
}

impl NameTable {
    /// The index of `name`, which is added if it is new.
    pub(crate) fn index(&mut self, name: &Arc<str>) -> u32 {
        if let Some(&index) = self.known.get(name) {
            return index;
        }
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(Arc::clone(name));
        self.known.insert(Arc::clone(name), index);
        index
    }
}

/// One word that may point into the heap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    /// Where it stands.
    pub(crate) slot: Addr,
    /// What it holds.
    pub(crate) value: u64,
    /// The word before it; 0 where that is of something else.
    pub(crate) before: u64,
}

/// Collects roots.
pub(crate) struct Roots<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) program: &'a Program,
    pub(crate) names: NameTable,
    pub(crate) roots: Vec<Root>,
    /// Those among them that are words of frames without a known variable.
    pub(crate) unnamed_words: Vec<UnnamedWord>,
}

/// A word of a frame of which no debug information speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnnamedWord {
    /// Index of the root.
    pub(crate) root: usize,
    /// Where the frame's call returns to.
    pub(crate) returns_to: LinkAddr,
    /// Bytes from the stack pointer before the call of the frame's function.
    pub(crate) offset: i64,
}

impl<'a> Roots<'a> {
    pub(crate) fn new(objects: &'a Objects, program: &'a Program) -> Roots<'a> {
        Roots { objects, program, names: NameTable::default(), roots: Vec::new(), unnamed_words: Vec::new() }
    }

    /// Adds a root if `word` points at an allocated object. What it is called is asked only then.
    pub(crate) fn add(
        &mut self,
        word: Word,
        conservative: bool,
        origin: impl FnOnce(&mut NameTable) -> (RootOrigin, Option<(TypeId, u64)>),
    ) {
        let Some(found) = self.objects.find(Addr::new(word.value)) else { return };
        let (origin, ty) = origin(&mut self.names);
        self.push(word, found, conservative, origin, ty);
    }

    /// Adds `word` as a root of the object that it was found to point at.
    pub(crate) fn push(
        &mut self,
        word: Word,
        (target, offset): (ObjectId, u64),
        conservative: bool,
        origin: RootOrigin,
        ty: Option<(TypeId, u64)>,
    ) {
        let type_word = self.program.is_type_word(word.before).then(|| Addr::new(word.before));
        self.roots.push(Root { origin, slot: word.slot, ty, type_word, target, offset, conservative });
    }

    /// Every pointer in the package variables of all modules, and in what else lies in data and bss.
    pub(crate) fn add_globals(
        &mut self,
        memory: &dyn TargetMemory,
        types: &mut ProgramTypes<'_, '_>,
        gaps: &mut Vec<Gap>,
    ) {
        let words = VariableWords::read(memory, types.runtime(), self.objects, gaps);
        let all = words.into_heap.iter().chain(words.into_variables.iter().map(|reference| &reference.word));
        let before = all.map(|word| word.before).filter(|before| self.program.is_type_word(*before));
        types.add_type_words(before.map(Addr::new));
        let mut statics = StaticObjects::find(memory, types, self.program, &words);
        for word in words.into_heap {
            self.add_global(types, &mut statics, word);
        }
    }

    fn add_global(&mut self, types: &ProgramTypes<'_, '_>, statics: &mut StaticObjects, word: Word) {
        let runtime = types.runtime();
        self.add(word, false, |names| {
            if let Some((global, offset)) = runtime.debug.global_at(runtime.linked(word.slot)) {
                return (RootOrigin::Global { name: names.index(&global.name) }, Some((global.ty, offset)));
            }
            match statics.at(types, word.slot) {
                Some(place) => {
                    (RootOrigin::Global { name: names.index(&place.name) }, Some((place.ty, place.offset)))
                }
                None => (RootOrigin::Data, None),
            }
        });
    }

    /// What the records on heap objects keep: functions of finalizers and cleanups, handles of weak pointers, and
    /// whatever an object with a finalizer points at, since the finalizer will see it.
    pub(crate) fn add_specials(
        &mut self,
        memory: &dyn TargetMemory,
        layout: &Layout,
        edges: &Edges,
        specials: &[SpanSpecial],
        gaps: &mut Vec<Gap>,
    ) {
        let records = Records::of(layout);
        for special in specials {
            let Some((name, bytes)) = special.kind.and_then(|name| Some((name, records.bytes(name)?))) else {
                continue;
            };
            if let Err(err) = self.add_record(memory, name, special.at, records.head, bytes) {
                gaps.push(Gap::new("heap", err.to_string()));
            }
            if name == "finalizer"
                && let Some((object, _)) = self.objects.find(special.inside)
            {
                self.add_reachable_from(edges, object, special.at);
            }
        }
    }

    fn add_record(
        &mut self,
        memory: &dyn TargetMemory,
        name: &'static str,
        at: Addr,
        head: u64,
        bytes: u64,
    ) -> Result<(), HeapError> {
        let mut record = vec![0; usize::try_from(bytes).unwrap_or(0)];
        memory.read_exact(at, &mut record).map_err(|source| HeapError::field("special", at, source))?;
        for offset in (head..bytes).step_by(WORD as usize) {
            let slot = Addr::new(at.get().wrapping_add(offset));
            let word = Word { slot, value: word_at(&record, offset as usize), before: 0 };
            self.add(word, false, |names| {
                (RootOrigin::Special { name: names.index(&Arc::from(name)) }, None)
            });
        }
        Ok(())
    }

    fn add_reachable_from(&mut self, edges: &Edges, object: ObjectId, slot: Addr) {
        for target in edges.targets(object) {
            let name = self.names.index(&Arc::from("finalizer"));
            let origin = RootOrigin::Special { name };
            self.roots.push(Root {
                origin,
                slot,
                ty: None,
                type_word: None,
                target,
                offset: 0,
                conservative: false,
            });
        }
    }
}

/// How long the records are that keep something.
struct Records {
    head: u64,
    finalizer: u64,
    cleanup: u64,
    weak_handle: u64,
}

impl Records {
    /// A record whose type the linker dropped has its usual length: one to four words behind the head.
    fn of(layout: &Layout) -> Records {
        let head = layout.size("special").unwrap_or(3 * WORD).min(1024);
        let bytes = |name, words| layout.size(name).unwrap_or(head + words * WORD).min(1024);
        Records {
            head,
            finalizer: bytes("specialfinalizer", 4),
            cleanup: bytes("specialCleanup", 2),
            weak_handle: bytes("specialWeakHandle", 1),
        }
    }

    fn bytes(&self, name: &str) -> Option<u64> {
        match name {
            "finalizer" => Some(self.finalizer),
            "cleanup" => Some(self.cleanup),
            "weak handle" => Some(self.weak_handle),
            _ => None,
        }
    }
}
