//! Typed addresses: the target's memory, the linker's view, and the one bridge between them.

use std::fmt;

/// An address in the memory of the Go program under inspection.
///
/// Never an address in this process, never an offset into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Addr(u64);

/// An address as the linker wrote it, before the loader moved the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LinkAddr(u64);

/// How far the loader moved one image; zero for a static executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bias(u64);

impl Addr {
    /// Wraps a raw target address; call it only where bytes are decoded.
    pub const fn new(raw: u64) -> Addr {
        Addr(raw)
    }

    /// The raw number, for arithmetic inside hot loops and for printing.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether this is Go's `nil`.
    pub const fn is_nil(self) -> bool {
        self.0 == 0
    }

    /// `self + len`, or `None` where the target's address space ends.
    pub fn checked_add(self, len: u64) -> Option<Addr> {
        self.0.checked_add(len).map(Addr)
    }

    /// The distance from `base` up to `self`, or `None` if `self` lies below it.
    pub fn offset_from(self, base: Addr) -> Option<u64> {
        self.0.checked_sub(base.0)
    }

    /// The address that the linker gave to what now lies here.
    pub fn unrelocate(self, bias: Bias) -> LinkAddr {
        LinkAddr(self.0.wrapping_sub(bias.0))
    }
}

impl LinkAddr {
    /// Wraps an address read from a symbol table or DWARF.
    pub const fn new(raw: u64) -> LinkAddr {
        LinkAddr(raw)
    }

    /// The raw number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Where this linked address lies in the running image.
    pub fn relocate(self, bias: Bias) -> Addr {
        Addr(self.0.wrapping_add(bias.0))
    }
}

impl Bias {
    /// The bias that puts `linked` at `loaded`.
    pub fn between(linked: LinkAddr, loaded: Addr) -> Bias {
        Bias(loaded.0.wrapping_sub(linked.0))
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for LinkAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_distance_downwards_is_none() {
        assert_eq!(Addr::new(8).offset_from(Addr::new(16)), None);
        assert_eq!(Addr::new(u64::MAX).checked_add(1), None);
    }

    proptest! {
        #[test]
        fn relocation_goes_there_and_back(linked: u64, base: u64) {
            let bias = Bias::between(LinkAddr::new(0), Addr::new(base));
            prop_assert_eq!(LinkAddr::new(linked).relocate(bias).unrelocate(bias), LinkAddr::new(linked));
        }
    }
}
