//! Finding the runtime's package variables where no symbol names them: functions keep their names when a program
//! is stripped, and which of them use a variable is written in the runtime's source. The variable is the one place
//! that all of them use.

mod rules;

use std::collections::BTreeSet;
use std::ops::Range;

use hashbrown::HashMap;
use leakscope_model::{Bias, LinkAddr};
use leakscope_target::TargetMemory;

use crate::buildinfo::GoVersion;
use crate::code_references::{CodeReference, Use, references};
use crate::elf::Arch;
use crate::layout::Layout;
use crate::names::read_string;
use crate::pclntab::FuncTable;
use rules::{Place, UsedBy};
pub(crate) use rules::{RULES, Rule};

/// More code than any function of the runtime has, in bytes.
const MAX_CODE: usize = 1 << 20;
/// What prints the version of the runtime that it is in, when it is asked to.
const KNOWS_THE_VERSION: &str = "runtime.schedinit";

/// Where the code of a program shows the runtime's package variables, as linked, by name without the package;
/// variables that it does not show for certain are left out. All lie in `range`, the program's variables.
pub fn variables_by_code(
    arch: Arch,
    functions: &FuncTable<'_>,
    layout: &Layout,
    range: &Range<LinkAddr>,
) -> Vec<(&'static str, LinkAddr)> {
    let mut search = CodeSearch::new(arch, functions, layout, range);
    RULES.iter().filter_map(|rule| Some((rule.variable, search.only(rule)?.ok()?))).collect()
}

/// The program's code, asked for what functions use.
pub(crate) struct CodeSearch<'a, 'b> {
    arch: Arch,
    functions: &'a FuncTable<'b>,
    layout: &'a Layout,
    range: Range<u64>,
    /// Addresses of data that a function names, in order, by the function's name; `None` where there is no such
    /// function.
    used: HashMap<&'static str, Option<Vec<(u64, Use)>>>,
    /// Variables that were found: no other is sought in them.
    taken: Vec<Range<u64>>,
}

impl<'a, 'b> CodeSearch<'a, 'b> {
    /// A search in a program's code for variables that look as the layout says and lie in `range`.
    pub(crate) fn new(
        arch: Arch,
        functions: &'a FuncTable<'b>,
        layout: &'a Layout,
        range: &Range<LinkAddr>,
    ) -> CodeSearch<'a, 'b> {
        let range = range.start.get()..range.end.get();
        CodeSearch { arch, functions, layout, range, used: HashMap::new(), taken: Vec::new() }
    }

    /// Says that a variable was found in another way.
    pub(crate) fn take(&mut self, rule: &Rule, at: LinkAddr) {
        let size = rule.size(self.layout);
        self.taken.push(at.get()..at.get().saturating_add(size));
    }

    /// Where a rule's variable stands, or how many places may be it; `None` where this runtime has no such variable
    /// or the linker left it out with all that uses it.
    pub(crate) fn only(&mut self, rule: &Rule) -> Option<Result<LinkAddr, usize>> {
        let places = self.places(rule)?;
        Some(match places.as_slice() {
            [only] => {
                self.take(rule, *only);
                Ok(*only)
            }
            _ => Err(places.len()),
        })
    }

    /// Every place that belongs to no variable yet and that all functions of the rule use as it says. Functions that
    /// the program has not are passed over, as the linker leaves out what nothing calls; with fewer than two there
    /// is no answer.
    pub(crate) fn places(&mut self, rule: &Rule) -> Option<Vec<LinkAddr>> {
        let mut common: Option<BTreeSet<u64>> = None;
        let mut known = 0;
        for used_by in rule.used_by {
            let distance = self.distance(used_by.place)?;
            if let Some(used) = self.used_by(used_by) {
                let used = used.iter().filter(|(_, usage)| rule.access.is(*usage));
                let starts: BTreeSet<u64> = used.filter_map(|(at, _)| at.checked_sub(distance)).collect();
                common = Some(common.map_or(starts.clone(), |common| &common & &starts));
                known += 1;
            }
        }
        let common = common.filter(|_| known >= 2)?;
        let fits = |at: &u64| {
            self.range.contains(at)
                && at.is_multiple_of(rule.align)
                && !self.taken.iter().any(|taken| taken.contains(at))
        };
        Some(common.into_iter().filter(fits).map(LinkAddr::new).collect())
    }

    /// Bytes from the variable's start to what is used; `None` where this runtime has no such field.
    fn distance(&self, place: Place) -> Option<u64> {
        match place {
            Place::Offset(offset) => Some(offset),
            Place::Field(path) => self.layout.slot(path).map(|slot| slot.offset),
        }
    }

    /// What a function uses, in order of address.
    fn used_by(&mut self, used_by: &UsedBy) -> Option<&[(u64, Use)]> {
        let (arch, functions) = (self.arch, self.functions);
        let used = self.used.entry(used_by.function);
        used.or_insert_with(|| data_used_by(arch, functions, used_by.function)).as_deref()
    }
}

/// Addresses that a function's code names and that are no code, in order.
fn data_used_by(arch: Arch, functions: &FuncTable<'_>, name: &str) -> Option<Vec<(u64, Use)>> {
    let func = functions.find(functions.by_name(name)?)?;
    let code = functions.code_of(&func).filter(|code| code.len() <= MAX_CODE)?;
    let mut used = Vec::new();
    references(arch, func.entry, code, |CodeReference { to, usage, .. }| {
        if !matches!(usage, Use::Call | Use::Jump) {
            used.push((to.get(), usage));
        }
    });
    used.sort_unstable_by_key(|(at, _)| *at);
    Some(used)
}

/// The text of `runtime.buildVersion` where no symbol and no build information tells it: the one string that the
/// start of the scheduler uses and that is a version of Go.
pub(crate) fn version_text(
    arch: Arch,
    functions: &FuncTable<'_>,
    memory: &dyn TargetMemory,
    bias: Bias,
) -> Option<String> {
    let used = data_used_by(arch, functions, KNOWS_THE_VERSION)?;
    let is_used = |at: u64| used.iter().any(|(used, _)| *used == at);
    let strings = used.iter().filter(|(at, _)| at.checked_add(8).is_some_and(is_used));
    let mut texts: Vec<String> = strings
        .filter_map(|(at, _)| read_string(memory, "buildVersion", LinkAddr::new(*at).relocate(bias)).ok())
        .filter(|text| text.starts_with("go1.") || text.starts_with("devel go1."))
        .filter(|text| GoVersion::parse(text).is_some())
        .map(|text| text.to_string())
        .collect();
    texts.sort();
    texts.dedup();
    match texts.len() {
        1 => texts.pop(),
        _ => None,
    }
}
