//! What the Go runtime looks like in memory, as a table to look up, not code to branch in.

pub(crate) mod committed;
pub(crate) mod from_dwarf;
pub mod resolve;
pub mod table;

use std::collections::BTreeMap;

use crate::error::RuntimeError;

/// Where a field lies in its structure and how wide it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Bytes from the start of the structure.
    pub offset: u64,
    /// Bytes that the field takes: 2 for `uint16`, 8 for a pointer.
    pub width: u64,
}

/// Where a layout came from; printed in every report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayoutOrigin {
    /// The binary's own DWARF: exact.
    Dwarf,
    /// Our table for this minor version, arch and experiments; the binary was stripped.
    Table {
        /// The file.
        file: &'static str,
    },
    /// Our table for the nearest version or experiments that we have one for: there is none for this build.
    NearestTable {
        /// The file.
        file: &'static str,
    },
}

/// Slots, sizes and constants of one build of the runtime.
///
/// Structures of package `runtime` go by their bare name (`mspan.startAddr`), those of others by the last
/// element of their package and their name (`abi.Type.Size_`, `maps.Map.dirPtr`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// `mspan.startAddr` → slot.
    pub slots: BTreeMap<String, Slot>,
    /// `mspan` → bytes.
    pub sizes: BTreeMap<String, u64>,
    /// `waitReasonSelect` → 18.
    pub constants: BTreeMap<String, i64>,
    /// `waitReasonStrings` → `chan receive`, …: the strings of tables that lie in memory, by index; none where the
    /// layout comes from debug information, which tells where they lie instead.
    pub strings: BTreeMap<String, Vec<String>>,
}

impl Layout {
    /// The slot of `path`, or `None` where this runtime has no such field.
    pub fn slot(&self, path: &str) -> Option<Slot> {
        self.slots.get(path).copied()
    }

    /// The slot of `path`, for a field that the walk cannot do without.
    pub fn need(&self, path: &str) -> Result<Slot, RuntimeError> {
        self.slot(path).ok_or_else(|| RuntimeError::MissingSlot(path.to_owned()))
    }

    /// The size of a structure in bytes.
    pub fn size(&self, name: &str) -> Option<u64> {
        self.sizes.get(name).copied()
    }

    /// A constant's value.
    pub fn constant(&self, name: &str) -> Option<i64> {
        self.constants.get(name).copied()
    }
}
