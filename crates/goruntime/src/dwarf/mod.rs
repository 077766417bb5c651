//! What the linker wrote about the program: types, package variables, local variables, captured variables.

mod attributes;
mod descriptors;
mod functions;
mod go_types;
mod locations;
mod scan;
mod sections;
mod split_variables;
mod units;
mod variables;

use std::sync::Arc;

use leakscope_model::LinkAddr;

use self::functions::Functions;
use self::go_types::Places;
pub(crate) use self::go_types::number_kind;
use self::scan::Scan;
use self::sections::Sections;
use self::units::UnitRecord;
use self::variables::Variables;
use crate::elf::ElfImage;
use crate::error::RuntimeError;
use crate::layout::{self, Layout};
use crate::types::{TypeId, Types};

/// A package variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Global {
    /// With its full package path: `main.cache`, `net/http.DefaultClient`.
    pub name: Arc<str>,
    /// Where the linker put it.
    pub addr: LinkAddr,
    /// Its type.
    pub ty: TypeId,
    /// Bytes that it takes.
    pub size: u64,
}

/// A part of a local variable that lies in the stack frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Bytes from the frame's canonical frame address (the stack pointer before the call); mostly negative.
    pub cfa_offset: i64,
    /// Bytes of this part.
    pub size: u64,
    /// Where this part belongs in the variable.
    pub offset_in_variable: u64,
}

/// A parameter or local variable, in memory at one program counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// As in the source; without the `&` that the compiler writes before a variable that escaped to the heap.
    pub name: Arc<str>,
    /// Its type; for an escaped variable the type of the pointer to it, which is what lies in the frame.
    pub ty: TypeId,
    /// Whether it escaped: the frame holds its address.
    pub escaped: bool,
    /// Its parts in memory; parts in registers are left out.
    pub pieces: Vec<Piece>,
}

/// A variable that a closure captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// As in the source.
    pub name: Arc<str>,
    /// Its type; for one captured by reference the type of the pointer to it.
    pub ty: TypeId,
    /// Bytes from the start of the closure object.
    pub offset: u64,
    /// Whether the closure holds its address.
    pub by_reference: bool,
}

/// The debug information of one executable; empty for a stripped one.
#[derive(Debug, Default)]
pub struct DebugInfo<'b> {
    /// Every type; shared with tables that add to it ([`Types::extending`]).
    pub types: Arc<Types>,
    sections: Sections<'b>,
    units: Vec<UnitRecord>,
    places: Places,
    globals: Vec<Global>,
    functions: Functions,
    descriptors: Vec<(LinkAddr, TypeId)>,
    /// The integer constants of the runtime's own packages.
    constants: Vec<(String, i64)>,
    gaps: Vec<RuntimeError>,
}

impl<'b> DebugInfo<'b> {
    /// Reads the debug information of `elf`, which may be a separate debug file.
    ///
    /// A file without any yields an empty one; sections that do not unpack are an error. Units that are broken
    /// are left out and named by [`DebugInfo::gaps`].
    pub fn read(elf: &ElfImage<'b>) -> Result<DebugInfo<'b>, RuntimeError> {
        let sections = Sections::of(elf);
        if sections.info_is_broken() {
            let what = "it does not unpack".to_owned();
            return Err(RuntimeError::Section { section: ".debug_info", offset: 0, what });
        }
        let mut scan = scan::scan(&sections);
        let (mut types, places) = go_types::types_of(&scan);
        let descriptors = descriptors::descriptors(elf, &scan, &types, &places);
        for (descriptor, id) in &descriptors {
            types.set_runtime_type(*id, *descriptor);
        }
        let globals = globals(&scan, &types, &places);
        let constants = layout::from_dwarf::runtime_constants(&scan.constants);
        let functions = Functions::new(std::mem::take(&mut scan.functions));
        let (units, gaps) = (std::mem::take(&mut scan.units), std::mem::take(&mut scan.gaps));
        let types = Arc::new(types);
        Ok(DebugInfo { types, sections, units, places, globals, functions, descriptors, constants, gaps })
    }

    /// Whether there is nothing: the program was stripped.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// What could not be read.
    pub fn gaps(&self) -> &[RuntimeError] {
        &self.gaps
    }

    /// The layout of the runtime's structures, exact for this build; `None` where it is stripped.
    pub fn layout(&self) -> Option<Layout> {
        let layout = layout::from_dwarf::layout(&self.types, &self.constants);
        (!layout.slots.is_empty()).then_some(layout)
    }

    /// Every package variable, in order of address.
    pub fn globals(&self) -> &[Global] {
        &self.globals
    }

    /// The package variable that holds this address, and how far into it.
    pub fn global_at(&self, addr: LinkAddr) -> Option<(&Global, u64)> {
        let behind = self.globals.partition_point(|global| global.addr <= addr);
        let global = self.globals.get(behind.checked_sub(1)?)?;
        let offset = addr.get().checked_sub(global.addr.get())?;
        (offset < global.size).then_some((global, offset))
    }

    /// The package variable of this name, with its full package path.
    pub fn global(&self, name: &str) -> Option<&Global> {
        self.globals.iter().find(|global| &*global.name == name)
    }

    /// The parameters and variables in memory at `pc`, of inlined functions too.
    ///
    /// For a return address pass `pc - 1`: the address behind a call may belong to the next statement.
    pub fn locals_at(&self, pc: LinkAddr) -> Vec<Local> {
        let function = self.functions.at(pc.get());
        function.map_or_else(Vec::new, |function| self.variables().locals(function, pc.get()))
    }

    /// What the closure whose function starts at `entry` captured; empty where the compiler did not say (Go 1.22).
    pub fn captures(&self, entry: LinkAddr) -> Vec<Capture> {
        let function = self.functions.starting_at(entry.get());
        function.map_or_else(Vec::new, |function| self.variables().captures(function))
    }

    /// The type whose runtime descriptor (`abi.Type`) lies at this address.
    pub fn type_of_runtime(&self, descriptor: LinkAddr) -> Option<TypeId> {
        let place = self.descriptors.binary_search_by_key(&descriptor, |(addr, _)| *addr).ok()?;
        self.descriptors.get(place).map(|(_, id)| *id)
    }

    fn variables(&self) -> Variables<'_, 'b> {
        Variables { sections: &self.sections, units: &self.units, types: &self.types, places: &self.places }
    }
}

fn globals(scan: &Scan<'_>, types: &Types, places: &Places) -> Vec<Global> {
    let typed = scan.globals.iter().filter_map(|raw| {
        let ty = go_types::type_at(places, raw.ty?)?;
        let name = String::from_utf8_lossy(raw.name).into();
        Some(Global { name, addr: LinkAddr::new(raw.addr), ty, size: types.get(ty)?.size })
    });
    let mut globals: Vec<Global> = typed.collect();
    globals.sort_by(|a, b| (a.addr, a.size).cmp(&(b.addr, b.size)).then_with(|| a.name.cmp(&b.name)));
    globals
}
