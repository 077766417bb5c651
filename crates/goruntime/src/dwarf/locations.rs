//! Location expressions, as far as they speak of memory.

use gimli::{Expression, Operation};

use super::Piece;
use super::sections::Bytes;
use super::units::Unit;

/// Operations looked at in one expression: more than the compiler writes for the largest variable.
const MOST_OPERATIONS: usize = 256;

/// The address of a package variable; `None` for an expression that is no fixed address.
pub(super) fn fixed_address(unit: &Unit<'_>, expression: Bytes<'_>) -> gimli::Result<Option<u64>> {
    let mut operations = Expression(expression).operations(unit.header.encoding());
    match operations.next()? {
        Some(Operation::Address { address }) => Ok(Some(address)),
        Some(Operation::AddressIndex { index }) => {
            unit.address(super::attributes::Address::Indexed(index)).map(Some)
        }
        _ => Ok(None),
    }
}

/// The parts of a variable of `size` bytes that lie in the frame; parts in registers are left out.
///
/// The frame base of Go functions is the canonical frame address, so `DW_OP_fbreg n` is `n` from there.
/// Compiler: cmd/compile/internal/ssa/debug.go, and cmd/internal/dwarf/dwarf.go, putvar
pub(super) fn frame_pieces(unit: &Unit<'_>, expression: Bytes<'_>, size: u64) -> gimli::Result<Vec<Piece>> {
    let mut operations = Expression(expression).operations(unit.header.encoding());
    let mut pieces = Vec::new();
    let mut place: Option<i64> = None;
    let mut addend: i64 = 0;
    let mut done: u64 = 0;
    for _ in 0..MOST_OPERATIONS {
        match operations.next()? {
            Some(Operation::FrameOffset { offset }) => place = Some(offset),
            Some(Operation::CallFrameCFA) => place = Some(0),
            Some(Operation::SignedConstant { value }) => addend = value,
            Some(Operation::UnsignedConstant { value }) => addend = value.cast_signed(),
            Some(Operation::Plus) => place = place.map(|offset| offset.wrapping_add(addend)),
            Some(Operation::PlusConstant { value }) => {
                place = place.map(|offset| offset.wrapping_add(value.cast_signed()));
            }
            Some(Operation::Piece { size_in_bits, .. }) => {
                let size = size_in_bits / 8;
                if let Some(cfa_offset) = place.take() {
                    pieces.push(Piece { cfa_offset, size, offset_in_variable: done });
                }
                done = done.saturating_add(size);
            }
            // A register or a value that is nowhere in memory.
            Some(_) => place = None,
            None => break,
        }
    }
    if let (Some(cfa_offset), 0) = (place, done) {
        pieces.push(Piece { cfa_offset, size, offset_in_variable: 0 });
    }
    Ok(pieces)
}
