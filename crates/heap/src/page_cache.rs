//! Target memory with the pages that were read last kept: for lists whose records lie close together but are
//! found one by one.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;
use leakscope_model::Addr;
use leakscope_target::{ReadError, TargetMemory};

/// Bytes of a page.
const PAGE: usize = 4096;
/// Pages kept; then all are forgotten. Lists do not come back to where they were.
const PAGES: usize = 1024;

/// Reads through to `memory`, a page at a time.
pub(crate) struct PageCache<'m> {
    memory: &'m dyn TargetMemory,
    pages: Mutex<HashMap<u64, Box<[u8]>>>,
}

impl<'m> PageCache<'m> {
    pub(crate) fn new(memory: &'m dyn TargetMemory) -> PageCache<'m> {
        PageCache { memory, pages: Mutex::default() }
    }

    fn within_page(&self, addr: Addr, buf: &mut [u8]) -> Option<()> {
        let page = addr.get() / PAGE as u64;
        let inside = (addr.get() % PAGE as u64) as usize;
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() >= PAGES && !pages.contains_key(&page) {
            pages.clear();
        }
        if !pages.contains_key(&page) {
            let mut bytes = vec![0; PAGE].into_boxed_slice();
            self.memory.read_exact(Addr::new(page * PAGE as u64), &mut bytes).ok()?;
            pages.insert(page, bytes);
        }
        let wanted = inside..inside.checked_add(buf.len())?;
        buf.copy_from_slice(pages.get(&page)?.get(wanted)?);
        Some(())
    }
}

impl TargetMemory for PageCache<'_> {
    /// A read over the border of two pages, or of a page that cannot be had whole, goes straight to the memory.
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        match self.within_page(addr, buf) {
            Some(()) => Ok(()),
            None => self.memory.read_exact(addr, buf),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_target::Image;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_reads_what_the_memory_holds(reads in prop::collection::vec((0u64..30_000, 0usize..6000), 1..50)) {
            let image = Image::new(Addr::new(5000), (0..20_000u32).map(|n| (n % 251) as u8).collect());
            let cache = PageCache::new(&image);
            for (at, len) in reads {
                let (mut ours, mut theirs) = (vec![0; len], vec![0; len]);
                let found = cache.read_exact(Addr::new(at), &mut ours);
                prop_assert_eq!(found, image.read_exact(Addr::new(at), &mut theirs));
                prop_assert_eq!(ours, theirs);
            }
        }
    }
}
