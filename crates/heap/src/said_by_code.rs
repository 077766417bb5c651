//! What the program's code says of objects and variables of which no debug information speaks: the type that an
//! allocation names, what stands in a word of a frame or of a package variable, what a closure captured, and which
//! function refers to a variable without a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_goruntime::{CodeReader, Pointee, Referrer, Runtime, TypeId};
use leakscope_model::{Addr, LinkAddr};

use crate::graph::{ObjectId, RootOrigin, Scan};
use crate::roots::UnnamedWord;
use crate::typing::{ProgramTypes, TypeSource};

/// What code says of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// The object.
    pub target: ObjectId,
    /// Where in it the value points that the code speaks of.
    pub offset: u64,
    /// What lies there.
    pub pointee: Pointee,
}

/// What the code is asked about, beside what stands in a scan.
#[derive(Debug, Default)]
pub(crate) struct Clues {
    /// Roots that are words of frames without a variable.
    pub(crate) frame_words: Vec<UnnamedWord>,
    /// Where the calls of each allocation stack return to, innermost first.
    pub(crate) returns: Vec<Vec<Addr>>,
}

/// What it answered.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Of objects.
    pub(crate) said: Vec<Said>,
    /// The structs that closures are, by their code.
    pub(crate) closures: BTreeMap<Addr, TypeId>,
    /// What the words of package variables without a name are called.
    pub(crate) names: BTreeMap<Addr, Arc<str>>,
}

/// Asks the code. Words of package variables are asked about only where no debug information names the variables.
pub(crate) fn ask(scan: &Scan, clues: &Clues, types: &ProgramTypes<'_, '_>) -> Answers {
    let runtime = types.runtime();
    let type_of = |at: LinkAddr| types.type_of_runtime(at.relocate(runtime.bias));
    let signatures = types.signatures();
    let code = CodeReader::new(&runtime.functions, runtime.arch, types.types(), &type_of, &signatures);
    let mut answers = Answers { closures: closures(scan, clues, types, &code), ..Answers::default() };
    frames(scan, clues, &code, &mut answers.said);
    samples(scan, clues, runtime, &code, &mut answers.said);
    if runtime.debug.is_empty() {
        variables(scan, runtime, &code, &mut answers);
    }
    answers
}

/// Puts the names that were found into the roots.
pub(crate) fn name_variables(scan: &mut Scan, names: &BTreeMap<Addr, Arc<str>>) {
    let mut known: HashMap<Arc<str>, u32> = HashMap::new();
    for root in scan.roots.iter_mut().filter(|root| root.origin == RootOrigin::Data) {
        let Some(name) = names.get(&root.slot) else { continue };
        let index = match known.get(name) {
            Some(index) => *index,
            None => {
                let Ok(index) = u32::try_from(scan.names.len()) else { return };
                scan.names.push(name.clone());
                known.insert(name.clone(), index);
                index
            }
        };
        root.origin = RootOrigin::Global { name: index };
    }
}

/// The closures in the heap and on stacks whose captured variables debug information does not tell.
fn closures(
    scan: &Scan,
    clues: &Clues,
    types: &ProgramTypes<'_, '_>,
    code: &CodeReader<'_, '_>,
) -> BTreeMap<Addr, TypeId> {
    let runtime = types.runtime();
    let mut codes: Vec<Addr> = scan.code_words.iter().map(|(_, code)| *code).collect();
    if runtime.debug.is_empty() {
        // Also those that run, whose objects may be gone.
        let running = clues.frame_words.iter().filter_map(|word| runtime.functions.find(word.returns_to));
        codes.extend(running.map(|function| function.entry.relocate(runtime.bias)));
    }
    codes.sort_unstable();
    codes.dedup();
    codes.retain(|code| types.function_starting_at(*code).is_some() && types.captures(*code).is_empty());
    let codes: Vec<LinkAddr> = codes.into_iter().map(|code| runtime.linked(code)).collect();
    if codes.is_empty() {
        return BTreeMap::new();
    }
    code.closures(&codes).into_iter().map(|(code, ty)| (code.relocate(runtime.bias), ty)).collect()
}

fn frames(scan: &Scan, clues: &Clues, code: &CodeReader<'_, '_>, said: &mut Vec<Said>) {
    let mut known: HashMap<(LinkAddr, i64), Option<Pointee>> = HashMap::new();
    for word in &clues.frame_words {
        let Some(root) = scan.roots.get(word.root) else { continue };
        let asked = known.entry((word.returns_to, word.offset));
        let pointee = *asked.or_insert_with(|| code.in_frame(word.returns_to, word.offset));
        said.extend(pointee.map(|pointee| Said { target: root.target, offset: root.offset, pointee }));
    }
}

/// The types that the allocations of sampled objects name.
fn samples(
    scan: &Scan,
    clues: &Clues,
    runtime: &Runtime<'_>,
    code: &CodeReader<'_, '_>,
    said: &mut Vec<Said>,
) {
    let allocated = |pcs: &Vec<Addr>| pcs.iter().find_map(|pc| code.allocated_by(runtime.linked(*pc)));
    let by_stack: Vec<Option<Pointee>> = clues.returns.iter().map(allocated).collect();
    for (object, stack) in &scan.samples {
        let pointee = by_stack.get(*stack as usize).copied().flatten();
        said.extend(pointee.map(|pointee| Said { target: *object, offset: 0, pointee }));
    }
}

/// Words of package variables: what they point at, and who refers to them.
fn variables(scan: &Scan, runtime: &Runtime<'_>, code: &CodeReader<'_, '_>, answers: &mut Answers) {
    let roots = || scan.roots.iter().filter(|root| root.origin == RootOrigin::Data);
    let words: Vec<LinkAddr> = roots().map(|root| runtime.linked(root.slot)).collect();
    let said = code.in_variables(&words);
    for root in roots() {
        let pointee = said.get(&runtime.linked(root.slot)).copied();
        answers.said.extend(pointee.map(|pointee| Said {
            target: root.target,
            offset: root.offset,
            pointee,
        }));
    }
    for (word, referrers) in code.referrers(&words) {
        let slot = word.relocate(runtime.bias);
        let start =
            runtime.modules.iter().map(|module| module.data.range.start).filter(|start| *start <= slot).max();
        let offset = start.and_then(|start| slot.offset_from(start));
        if let Some((offset, referrer)) = offset.zip(best(&referrers)) {
            answers.names.insert(slot, format!("data+{offset:#x} (used by {})", referrer.function).into());
        }
    }
}

/// The one that tells most: it names the word itself, and is no initialiser.
fn best<'r, 'w>(referrers: &'r [Referrer<'w>]) -> Option<&'r Referrer<'w>> {
    referrers
        .iter()
        .min_by_key(|referrer| (referrer.below, is_initialiser(referrer.function), referrer.function))
}

/// `main.init`, `main.init.0`, `main.init.0.func1`, `main.map.init.0`.
fn is_initialiser(function: &str) -> bool {
    let own = function.rsplit('/').next().unwrap_or(function);
    own.split('.').skip(1).any(|part| part == "init")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_uses_a_variable_says_more_than_who_initialises_it() {
        let referrer = |function, below| Referrer { function, below };
        let all = [referrer("main.init", 0), referrer("main.handle", 0), referrer("main.near", 8)];
        assert_eq!(best(&all).map(|found| found.function), Some("main.handle"));
        assert_eq!(best(&all[..1]).map(|found| found.function), Some("main.init"));
        assert!(is_initialiser("net/http.init.0") && is_initialiser("main.map.init.1"));
        assert!(!is_initialiser("main.(*T).initialise") && !is_initialiser("example.org/init.Handle"));
    }
}
