//! Where the runtime's package variables stand: by the symbol table, else by debug information.

use hashbrown::HashMap;
use leakscope_model::{Addr, Bias, LinkAddr};

use crate::dwarf::DebugInfo;
use crate::elf::ElfImage;
use crate::error::RuntimeError;

/// What the names of its variables start with.
const PACKAGE: &str = "runtime.";

/// A package variable of the runtime in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Where it stands.
    pub at: Addr,
    /// Bytes that it takes; 0 where nothing tells.
    pub size: u64,
}

/// The runtime's package variables by name.
#[derive(Debug, Clone, Default)]
pub struct RuntimeVariables {
    known: HashMap<String, (LinkAddr, u64)>,
    bias: Bias,
}

impl RuntimeVariables {
    /// Collects them from the symbol tables of `files` (the executable and its debug file) and from `debug`.
    pub fn collect(files: &[&ElfImage<'_>], debug: &DebugInfo<'_>, bias: Bias) -> RuntimeVariables {
        let mut known = HashMap::new();
        for global in debug.globals() {
            if let Some(name) = global.name.strip_prefix(PACKAGE) {
                known.insert(name.to_owned(), (global.addr, global.size));
            }
        }
        for symbol in files.iter().flat_map(|file| file.symbols()) {
            if let Some(name) = symbol.name.strip_prefix(PACKAGE) {
                known.insert(name.to_owned(), (symbol.addr, symbol.size));
            }
        }
        RuntimeVariables { known, bias }
    }

    /// Adds a variable that stands at `at` in the process, where no name told it.
    pub fn add(&mut self, name: &str, at: Addr, size: u64) {
        self.known.entry(name.to_owned()).or_insert((at.unrelocate(self.bias), size));
    }

    /// The address that the linker gave to what lies at `addr` in the process.
    pub(crate) fn linked(&self, addr: Addr) -> LinkAddr {
        addr.unrelocate(self.bias)
    }

    /// Where in the process lies what the linker put at `addr`.
    pub(crate) fn relocated(&self, addr: LinkAddr) -> Addr {
        addr.relocate(self.bias)
    }

    /// The variable of this name without its package (`mheap_`), or `None` where nothing tells where it stands.
    pub fn find(&self, name: &str) -> Option<Variable> {
        let &(addr, size) = self.known.get(name)?;
        Some(Variable { at: addr.relocate(self.bias), size })
    }

    /// The address of a variable that the walk cannot do without.
    pub fn need(&self, name: &str) -> Result<Addr, RuntimeError> {
        let found = self.find(name).map(|variable| variable.at);
        found.ok_or_else(|| RuntimeError::MissingGlobal(format!("{PACKAGE}{name}")))
    }
}
