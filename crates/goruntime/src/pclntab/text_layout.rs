//! Where text and the data of functions were linked, which the pclntab leaves to `moduledata`.

use leakscope_model::LinkAddr;

/// One part of a text that was too large for its branches (`runtime.textsect`); only ports with short branches
/// have more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextSection {
    /// Its first offset in the text as if it were whole.
    pub start: u64,
    /// The offset behind it.
    pub end: u64,
    /// Where it was linked.
    pub addr: LinkAddr,
}

/// Where text and the data of functions were linked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextLayout {
    /// `moduledata.text`.
    pub text: LinkAddr,
    /// `moduledata.gofunc`: what offsets of function data count from. Without it there are no inlined frames, no
    /// stack maps and no stack objects.
    pub gofunc: Option<LinkAddr>,
    /// `moduledata.rodata`: what offsets of pointer masks count from.
    pub rodata: Option<LinkAddr>,
    /// `moduledata.textsectmap`; empty where the text is whole.
    pub sections: Vec<TextSection>,
}

impl TextLayout {
    /// The offset in the text of an address (`moduledata.textOff`).
    pub(super) fn offset_of(&self, pc: LinkAddr) -> Option<u32> {
        let mut offset = pc.get().checked_sub(self.text.get())?;
        if self.sections.len() > 1 {
            offset = self.sections.iter().find_map(|section| {
                let inside = pc.get().checked_sub(section.addr.get())?;
                (inside < section.end.checked_sub(section.start)?)
                    .then(|| section.start.checked_add(inside))?
            })?;
        }
        u32::try_from(offset).ok()
    }

    /// The address of an offset in the text (`moduledata.textAddr`).
    pub(super) fn address_of(&self, offset: u32) -> Option<LinkAddr> {
        let offset = u64::from(offset);
        let mut addr = self.text.get().checked_add(offset)?;
        if self.sections.len() > 1 {
            // The end of the text belongs to the last section: the function table has an entry for it.
            let last = self.sections.last()?.end;
            let holds = |section: &&TextSection| {
                section.start <= offset && (offset < section.end || offset == last && offset == section.end)
            };
            let section = self.sections.iter().find(holds)?;
            addr = section.addr.get().checked_add(offset - section.start)?;
        }
        Some(LinkAddr::new(addr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_text_is_one_space_of_offsets() {
        let section = |start, end, addr| TextSection { start, end, addr: LinkAddr::new(addr) };
        let sections = vec![section(0, 0x100, 0x1000), section(0x100, 0x180, 0x2000)];
        let layout = TextLayout { text: LinkAddr::new(0x1000), sections, ..TextLayout::default() };
        assert_eq!(layout.offset_of(LinkAddr::new(0x2010)), Some(0x110));
        assert_eq!(layout.offset_of(LinkAddr::new(0x1100)), None, "between the parts there is no text");
        assert_eq!(layout.address_of(0x110), Some(LinkAddr::new(0x2010)));
        assert_eq!(layout.address_of(0x180), Some(LinkAddr::new(0x2080)));
    }

    #[test]
    fn a_whole_text_starts_at_its_address() {
        let layout = TextLayout { text: LinkAddr::new(0x40_1000), ..TextLayout::default() };
        assert_eq!(layout.offset_of(LinkAddr::new(0x40_1020)), Some(0x20));
        assert_eq!(layout.offset_of(LinkAddr::new(0x40_0fff)), None);
    }
}
