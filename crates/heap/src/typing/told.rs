//! How the type of an object was found, and whether the object was asked about others, in one byte.

use crate::graph::How;

/// A [`How`] in the low bits, whether the object was asked in the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told(u8);

const ASKED: u8 = 1 << 7;
/// In the order of their numbers.
const HOWS: [How; 6] = [How::Header, How::Itab, How::Dwarf, How::Pointer, How::Call, How::None];

impl Told {
    /// Not asked, and its type not found.
    pub(super) const NOT: Told = Told(How::None as u8);

    /// How the type was found.
    pub(super) fn how(self) -> How {
        HOWS.get(usize::from(self.0 & !ASKED)).copied().unwrap_or(How::None)
    }

    pub(super) fn set_how(&mut self, how: How) {
        self.0 = self.0 & ASKED | how as u8;
    }

    /// Whether its pointers have been asked.
    pub(super) fn is_asked(self) -> bool {
        self.0 & ASKED != 0
    }

    pub(super) fn set_asked(&mut self) {
        self.0 |= ASKED;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_kept_apart() {
        for how in HOWS {
            let mut told = Told::NOT;
            told.set_how(how);
            assert_eq!((told.how(), told.is_asked()), (how, false));
            told.set_asked();
            assert_eq!((told.how(), told.is_asked()), (how, true));
            told.set_how(How::None);
            assert_eq!((told.how(), told.is_asked()), (How::None, true));
        }
    }
}
