//! Names for what lies inside an object, as a person would write them.

use leakscope_model::Via;

use super::parts::Step;
use super::words::DEEPEST;
use super::{Label, TypeId, Types, WORD};

/// An index or a key, whichever it is.
const ANY: &str = "[…]";

/// A name while it is put together, step by step.
#[derive(Debug, Clone, Default)]
pub(super) struct Name {
    text: String,
    via: Option<Via>,
}

impl Name {
    /// The name of one value in a row of them.
    pub(super) fn element() -> Name {
        Name { text: ANY.to_owned(), via: Some(Via::Element) }
    }

    /// How long it is, to go back to.
    pub(super) fn mark(&self) -> (usize, Option<Via>) {
        (self.text.len(), self.via)
    }

    /// Takes back every step since `mark`.
    pub(super) fn back_to(&mut self, (len, via): (usize, Option<Via>)) {
        self.text.truncate(len);
        self.via = via;
    }

    /// Goes one step down.
    pub(super) fn push(&mut self, step: Step<'_>) {
        match step {
            Step::Field(name) => {
                if !self.text.is_empty() {
                    self.text.push('.');
                }
                self.text.push_str(name);
                self.via.get_or_insert(Via::Field);
            }
            Step::Index => {
                self.text.push_str(ANY);
                self.via.get_or_insert(Via::Element);
            }
            Step::Side(via) => self.via = Some(via),
            Step::Keyed(via) => {
                self.text.push_str(ANY);
                self.via = Some(via);
            }
            Step::Silent => {}
        }
    }

    /// The finished label; what has no name at all is an element.
    pub(super) fn label(&self) -> Label {
        let name = if self.text.is_empty() { ANY } else { &self.text };
        Label { name: name.into(), via: self.via.unwrap_or(Via::Element) }
    }
}

impl Types {
    /// The name of what lies at `offset` of an object of this type.
    ///
    /// `[…]` is an index or key. Where the offset lies behind the first value, or the value has no fields,
    /// the name starts with `[…]`. Keys and elements of maps start with `[…]`, by [`Via::Key`] and [`Via::Value`].
    pub fn label_at(&self, id: TypeId, offset: u64) -> Option<Label> {
        let size = self.get(id)?.size;
        if let Some(word) = self.word_at(id, offset / WORD * WORD) {
            return Some(word.label.clone());
        }
        let mut name = if offset < size { Name::default() } else { Name::element() };
        if offset >= size && !self.has_parts(id) {
            return Some(name.label());
        }
        let (mut id, mut offset) = (id, offset.checked_rem(size)?);
        for _ in 0..DEEPEST {
            let Some(part) = self.part_at(id, offset) else { break };
            name.push(part.step);
            (id, offset) = (part.ty, offset.checked_sub(part.offset)?);
        }
        Some(name.label())
    }
}
