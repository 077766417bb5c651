//! Instructions of amd64 as steps.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, MemorySize, Mnemonic,
    OpAccess, OpKind, Register as X86,
};

use super::step::{Place, Placed, Register, Step};

/// The stack pointer.
const RSP: Register = 4;

/// The steps of the code that the linker placed at `at`, in order; an instruction that cannot be read stops.
pub(super) fn steps(code: &[u8], at: u64) -> Vec<Placed> {
    let mut decoder = Decoder::with_ip(64, code, at, DecoderOptions::NONE);
    let mut facts = InstructionInfoFactory::new();
    let mut steps = Vec::with_capacity(code.len() / 4);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        let (at, next) = (instruction.ip(), instruction.next_ip());
        match plain(&instruction) {
            Some(step) => steps.push(Placed { at, next, step }),
            None => others(&instruction, &mut facts, |step| steps.push(Placed { at, next, step })),
        }
    }
    steps
}

/// The one step of an instruction whose effect is followed.
fn plain(instruction: &Instruction) -> Option<Step> {
    let near = || {
        let known = matches!(instruction.op0_kind(), OpKind::NearBranch64);
        known.then(|| instruction.near_branch64())
    };
    match instruction.flow_control() {
        FlowControl::Next => {}
        FlowControl::Call => return Some(Step::Call(near())),
        FlowControl::IndirectCall => return Some(Step::Call(None)),
        FlowControl::UnconditionalBranch => return Some(Step::Jump(near())),
        FlowControl::IndirectBranch => return Some(Step::Jump(None)),
        FlowControl::ConditionalBranch => return near().map(Step::Branch),
        FlowControl::Return => return Some(Step::Return),
        FlowControl::Interrupt | FlowControl::XbeginXabortXend | FlowControl::Exception => {
            return Some(Step::Stop);
        }
    }
    match instruction.mnemonic() {
        Mnemonic::Mov => moved(instruction),
        Mnemonic::Lea => {
            let to = whole(instruction.op0_register())?;
            match place(instruction) {
                Place::At(value) => Some(Step::Constant { to, value }),
                Place::Behind(from, plus) => Some(Step::Copy { to, from, plus }),
                Place::Stack(above) => Some(Step::StackAddress { to, above }),
                Place::Unknown => None,
            }
        }
        Mnemonic::Xor if instruction.op1_kind() == OpKind::Register => {
            let same = instruction.op0_register() == instruction.op1_register();
            let to = number(instruction.op0_register()).filter(|_| same)?;
            Some(Step::Constant { to, value: 0 })
        }
        _ => None,
    }
}

fn moved(instruction: &Instruction) -> Option<Step> {
    match (instruction.op0_kind(), instruction.op1_kind()) {
        (OpKind::Register, OpKind::Register) => {
            let (to, from) = (whole(instruction.op0_register())?, whole(instruction.op1_register())?);
            Some(Step::Copy { to, from, plus: 0 })
        }
        (OpKind::Register, OpKind::Memory) => {
            Some(Step::Load { to: whole(instruction.op0_register())?, from: place(instruction) })
        }
        (OpKind::Memory, OpKind::Register) => {
            Some(Step::Store { to: place(instruction), from: whole(instruction.op1_register())? })
        }
        (OpKind::Register, OpKind::Immediate32 | OpKind::Immediate64 | OpKind::Immediate32to64) => {
            Some(Step::Constant { to: number(instruction.op0_register())?, value: instruction.immediate(1) })
        }
        _ => None,
    }
}

/// What any other instruction writes.
fn others(instruction: &Instruction, facts: &mut InstructionInfoFactory, mut take: impl FnMut(Step)) {
    let info = facts.info(instruction);
    let writes = |access: OpAccess| {
        matches!(
            access,
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        )
    };
    let written = info.used_registers().iter().filter(|used| writes(used.access()));
    let forgotten = written.filter_map(|used| number(used.register())).filter(|register| *register != RSP);
    let forgotten = forgotten.fold(0, |mask, register| mask | 1 << register);
    for used in info.used_memory().iter().filter(|used| writes(used.access())) {
        let bytes = match used.memory_size() {
            MemorySize::Unknown => 8,
            size => size.size() as u64,
        };
        let on_stack = used.base() == X86::RSP && used.index() == X86::None;
        let to = if on_stack { Place::Stack(used.displacement().cast_signed()) } else { Place::Unknown };
        take(Step::Overwrite { to, bytes });
    }
    if forgotten != 0 {
        take(Step::Forget(forgotten));
    }
}

fn place(instruction: &Instruction) -> Place {
    if instruction.segment_prefix() != X86::None {
        return Place::Unknown;
    }
    if instruction.is_ip_rel_memory_operand() {
        return Place::At(instruction.ip_rel_memory_address());
    }
    let behind = instruction.memory_displacement64().cast_signed();
    match (instruction.memory_base(), instruction.memory_index()) {
        (X86::None, X86::None) => Place::At(instruction.memory_displacement64()),
        (X86::RSP, X86::None) => Place::Stack(behind),
        (base, X86::None) => whole(base).map_or(Place::Unknown, |base| Place::Behind(base, behind)),
        _ => Place::Unknown,
    }
}

/// The number of a register that is named with all its 64 bits.
fn whole(register: X86) -> Option<Register> {
    number(register).filter(|_| register.is_gpr64())
}

/// The number of the whole register that this is a part of; `None` for one that holds no address.
fn number(register: X86) -> Option<Register> {
    let full = register.full_register();
    full.is_gpr64().then(|| u8::try_from(full.number()).ok()).flatten()
}
