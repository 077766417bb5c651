//! amd64: addresses are distances from the end of the instruction.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};
use leakscope_model::LinkAddr;

use super::{CodeReference, Use};

pub(super) fn references(start: LinkAddr, bytes: &[u8], mut visit: impl FnMut(CodeReference)) {
    let mut decoder = Decoder::with_ip(64, bytes, start.get(), DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if let Some((to, usage)) = named(&instruction) {
            let (at, next) = (LinkAddr::new(instruction.ip()), LinkAddr::new(instruction.next_ip()));
            visit(CodeReference { at, next, to: LinkAddr::new(to), usage });
        }
    }
}

/// The address that an instruction names, and what for.
fn named(instruction: &Instruction) -> Option<(u64, Use)> {
    if instruction.is_ip_rel_memory_operand() {
        let usage = match instruction.mnemonic() {
            Mnemonic::Lea => Use::Address { register: instruction.op0_register().number() as u8 },
            _ => Use::Memory { width: u8::try_from(instruction.memory_size().size()).unwrap_or(0) },
        };
        return Some((instruction.ip_rel_memory_address(), usage));
    }
    let usage = match instruction.flow_control() {
        FlowControl::Call => Use::Call,
        FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => Use::Jump,
        _ => return None,
    };
    Some((instruction.near_branch_target(), usage)).filter(|(to, _)| *to != 0)
}
