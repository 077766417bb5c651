//! Names, each once.

use std::sync::Arc;

use hashbrown::HashMap;

/// A name, dense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NameId(u32);

impl NameId {
    /// Stands for whatever name.
    pub(crate) const ANY: NameId = NameId(u32::MAX);
}

/// Every name that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Names {
    texts: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, NameId>,
}

impl Names {
    /// The id of a name.
    pub(crate) fn id(&mut self, text: &Arc<str>) -> NameId {
        if let Some(&known) = self.ids.get(text) {
            return known;
        }
        let id = NameId(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        self.texts.push(text.clone());
        self.ids.insert(text.clone(), id);
        id
    }

    /// The name of an id; empty for [`NameId::ANY`].
    pub(crate) fn text(&self, id: NameId) -> &str {
        self.texts.get(id.0 as usize).map_or("", |text| text)
    }
}
