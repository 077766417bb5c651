//! The runtime's package variables in a program whose symbols are gone.

use leakscope_model::Addr;
use leakscope_target::TargetMemory;

use crate::elf::Arch;
use crate::error::RuntimeError;
use crate::layout::Layout;
use crate::moduledata::ModuleData;
use crate::pclntab::FuncTable;
use crate::shape_search::ShapeSearch;
use crate::symbols::RuntimeVariables;
use crate::variables_by_code::{CodeSearch, RULES};

/// What the search for them looks at.
pub(crate) struct Unnamed<'a, 'b> {
    /// For which processor it was built.
    pub(crate) arch: Arch,
    /// Its functions.
    pub(crate) functions: &'a FuncTable<'b>,
    /// The process.
    pub(crate) memory: &'a dyn TargetMemory,
    /// What its runtime looks like.
    pub(crate) layout: &'a Layout,
    /// The program's own module.
    pub(crate) module: &'a ModuleData,
}

impl Unnamed<'_, '_> {
    /// Adds those variables that can be told for certain, where `variables` lacks what the heap needs; what could not
    /// be told comes back.
    ///
    /// `mheap_` and `allgs` are known by their shape, and by the code that uses them where several places have it;
    /// without them nothing can be read. All others are known by code alone, and without one of them its part of
    /// the answer is missing.
    pub(crate) fn add_to(&self, variables: &mut RuntimeVariables) -> Result<Vec<RuntimeError>, RuntimeError> {
        let is_named = |name| variables.find(name).is_some();
        if is_named("mheap_") && is_named("allgs") {
            return Ok(Vec::new());
        }
        let range = self.module.variables();
        let shapes = ShapeSearch { memory: self.memory, layout: self.layout, variables: range.clone() };
        let (mheap, allgs) = (shapes.mheap()?, shapes.allgs()?);
        let linked = variables.linked(range.start)..variables.linked(range.end);
        let mut code = CodeSearch::new(self.arch, self.functions, self.layout, &linked);
        let mut gaps = Vec::new();
        for rule in RULES {
            let by_shape = match rule.variable {
                "mheap_" => Some(("runtime.mheap_", &mheap)),
                "allgs" => Some(("runtime.allgs", &allgs)),
                _ => None,
            };
            let found = if let Some((name, by_shape)) = by_shape {
                let by_code = code.places(rule).unwrap_or_default();
                let at =
                    variables.linked(the_one(name, by_shape, |at| by_code.contains(&variables.linked(at)))?);
                code.take(rule, at);
                Ok(at)
            } else {
                let Some(found) = code.only(rule) else { continue };
                found
            };
            match found {
                Ok(at) => variables.add(rule.variable, variables.relocated(at), rule.size(self.layout)),
                Err(places) => gaps.push(not_shown(rule.variable, places)),
            }
        }
        variables.add("firstmoduledata", self.module.at, self.layout.size("moduledata").unwrap_or(0));
        Ok(gaps)
    }
}

fn not_shown(variable: &str, places: usize) -> RuntimeError {
    RuntimeError::Caution(format!(
        "no symbol tells where runtime.{variable} stands and the code shows {places} places: what it holds is left out"
    ))
}

/// Of the places that look like a variable the only one, or the one that code uses as such.
fn the_one(
    name: &'static str,
    by_shape: &[Addr],
    is_used: impl Fn(Addr) -> bool,
) -> Result<Addr, RuntimeError> {
    let mut used = by_shape.iter().filter(|place| is_used(**place));
    match (by_shape, used.next(), used.next()) {
        ([only], ..) | (_, Some(only), None) => Ok(*only),
        _ => Err(RuntimeError::NoShape { name, places: by_shape.len() }),
    }
}
