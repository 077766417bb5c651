//! Numbers of the runtime as the runtime itself names them: statuses, wait reasons, kinds of specials.
//!
//! Numbers move between releases, names stay: whoever compares, compares names.

use std::sync::Arc;

use leakscope_model::Addr;
use leakscope_target::{TargetMemory, read_u64};

use crate::error::RuntimeError;
use crate::layout::Layout;

/// The bit of a status that says a collector holds the goroutine (`runtime._Gscan`), where no layout tells it.
const GSCAN: i64 = 0x1000;
/// More entries than any of the tables has.
const MAX_ENTRIES: u64 = 256;
/// Longer than any of the names, in bytes.
const MAX_NAME: usize = 128;
/// Bytes of a string header.
const STRING: u64 = 16;

/// What hangs on an object beside its contents (`runtime.special`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpecialKind {
    /// `runtime.SetFinalizer`.
    Finalizer,
    /// A weak pointer.
    WeakHandle,
    /// The object was sampled by the heap profile.
    Profile,
    /// `runtime.AddCleanup`.
    Cleanup,
    /// `runtime.Pinner` counts here.
    PinCounter,
    /// Tests of reachability.
    Reachable,
    /// Any other; none of them keeps memory.
    Other(u8),
}

/// The constants' names, by kind.
const SPECIAL_KINDS: [(&str, SpecialKind); 6] = [
    ("_KindSpecialFinalizer", SpecialKind::Finalizer),
    ("_KindSpecialWeakHandle", SpecialKind::WeakHandle),
    ("_KindSpecialProfile", SpecialKind::Profile),
    ("_KindSpecialCleanup", SpecialKind::Cleanup),
    ("_KindSpecialPinCounter", SpecialKind::PinCounter),
    ("_KindSpecialReachable", SpecialKind::Reachable),
];

/// A table of strings in the target's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StringTable {
    /// Its first string header.
    pub at: Addr,
    /// Bytes that it takes.
    pub size: u64,
}

/// What the runtime's numbers mean in this program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    statuses: Vec<Arc<str>>,
    wait_reasons: Vec<Arc<str>>,
    special_kinds: Vec<(u8, SpecialKind)>,
    scan_bit: u64,
}

impl Names {
    /// Reads `runtime.gStatusStrings` and `runtime.waitReasonStrings` of the target, or takes them from the layout
    /// where nothing tells where they stand, and the kinds of the layout.
    pub fn read(
        memory: &dyn TargetMemory,
        layout: &Layout,
        statuses: Option<StringTable>,
        wait_reasons: Option<StringTable>,
    ) -> Result<Names, RuntimeError> {
        let table = |name: &'static str, place: Option<StringTable>| match place {
            Some(place) => read_table(memory, name, place),
            None => of_layout(layout, name),
        };
        let kinds = SPECIAL_KINDS.iter().filter_map(|(name, kind)| {
            let number = layout.constant(name)?;
            Some((u8::try_from(number).ok()?, *kind))
        });
        Ok(Names {
            statuses: table("gStatusStrings", statuses)?,
            wait_reasons: table("waitReasonStrings", wait_reasons)?,
            special_kinds: kinds.collect(),
            scan_bit: layout.constant("_Gscan").unwrap_or(GSCAN).cast_unsigned(),
        })
    }

    /// `waiting`, `running`, …: a status (`g.atomicstatus`) without its scan bit; `None` where the runtime has no
    /// name for it.
    pub fn status(&self, number: u64) -> Option<Arc<str>> {
        self.named(&self.statuses, number & !self.scan_bit)
    }

    /// `chan receive`, `select`, …: a wait reason (`g.waitreason`); `None` where there is none.
    pub fn wait_reason(&self, number: u64) -> Option<Arc<str>> {
        self.named(&self.wait_reasons, number)
    }

    /// Every wait reason with its number.
    pub fn wait_reasons(&self) -> impl Iterator<Item = (u64, &str)> {
        (0..).zip(self.wait_reasons.iter().map(|name| &**name))
    }

    /// What a special is (`special.kind`).
    pub fn special(&self, number: u8) -> SpecialKind {
        let known = self.special_kinds.iter().find(|(known, _)| *known == number);
        known.map_or(SpecialKind::Other(number), |(_, kind)| *kind)
    }

    fn named(&self, table: &[Arc<str>], number: u64) -> Option<Arc<str>> {
        table.get(usize::try_from(number).ok()?).filter(|name| !name.is_empty()).cloned()
    }
}

fn of_layout(layout: &Layout, name: &str) -> Result<Vec<Arc<str>>, RuntimeError> {
    let strings =
        layout.strings.get(name).ok_or_else(|| RuntimeError::MissingGlobal(format!("runtime.{name}")))?;
    Ok(strings.iter().map(|text| Arc::from(text.as_str())).collect())
}

/// Reads an array of strings; an entry without text is an empty one.
fn read_table(
    memory: &dyn TargetMemory,
    path: &'static str,
    table: StringTable,
) -> Result<Vec<Arc<str>>, RuntimeError> {
    let entries = (0..(table.size / STRING).min(MAX_ENTRIES))
        .map(|index| read_string(memory, path, table.at.checked_add(index * STRING).unwrap_or_default()));
    entries.collect()
}

/// Reads the short string whose header stands at `at`; `path` names it in errors.
pub(crate) fn read_string(
    memory: &dyn TargetMemory,
    path: &'static str,
    at: Addr,
) -> Result<Arc<str>, RuntimeError> {
    let field = |at: Addr| read_u64(memory, at).map_err(|source| RuntimeError::Field { path, at, source });
    let (data, len) = (field(at)?, field(at.checked_add(8).unwrap_or_default())?);
    read_name(memory, path, Addr::new(data), len)
}

fn read_name(
    memory: &dyn TargetMemory,
    path: &'static str,
    at: Addr,
    len: u64,
) -> Result<Arc<str>, RuntimeError> {
    let why = |why: &str| RuntimeError::Sanity {
        what: path,
        at,
        why: why.to_owned(),
        origin: "symbols".to_owned(),
    };
    let len = usize::try_from(len).ok().filter(|len| *len <= MAX_NAME);
    let mut bytes = vec![0; len.ok_or_else(|| why("a name of this length"))?];
    memory.read_exact(at, &mut bytes).map_err(|source| RuntimeError::Field { path, at, source })?;
    let name = std::str::from_utf8(&bytes).map_err(|_| why("a name that is no text"))?;
    Ok(Arc::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_target::Image;

    /// Two string headers, the second empty, then the text of the first.
    fn memory() -> Image {
        let mut bytes = 0x1020u64.to_le_bytes().to_vec();
        bytes.extend(4u64.to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend(b"idle");
        Image::new(Addr::new(0x1000), bytes)
    }

    #[test]
    fn the_runtimes_own_table_names_numbers() {
        let mut layout = Layout::default();
        layout.constants.insert("_KindSpecialProfile".to_owned(), 4);
        let table = StringTable { at: Addr::new(0x1000), size: 16 };
        let names = Names::read(&memory(), &layout, Some(table), Some(table)).unwrap();
        assert_eq!(names.status(0x1000).as_deref(), Some("idle"), "the scan bit is no part of the status");
        assert_eq!(names.status(1), None);
        assert_eq!(names.special(4), SpecialKind::Profile);
        assert_eq!(names.special(9), SpecialKind::Other(9));
    }

    #[test]
    fn a_table_that_nothing_places_is_that_of_the_layout() {
        let mut layout = Layout::default();
        layout.strings.insert("gStatusStrings".to_owned(), vec!["idle".to_owned(), "runnable".to_owned()]);
        layout.strings.insert("waitReasonStrings".to_owned(), vec![String::new(), "select".to_owned()]);
        let names = Names::read(&memory(), &layout, None, None).unwrap();
        assert_eq!(
            (names.status(1).as_deref(), names.wait_reason(1).as_deref()),
            (Some("runnable"), Some("select"))
        );
        assert!(Names::read(&memory(), &Layout::default(), None, None).is_err());
    }

    #[test]
    fn a_table_that_is_none_names_its_address() {
        let table = StringTable { at: Addr::new(0x1008), size: 16 };
        let error = Names::read(&memory(), &Layout::default(), Some(table), None).unwrap_err();
        assert!(error.to_string().contains("gStatusStrings"), "{error}");
    }
}
