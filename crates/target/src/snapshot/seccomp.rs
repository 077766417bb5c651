//! Would a seccomp filter let our calls pass? Read from the kernel and simulated, never tried.
//!
//! A filter may answer a call with `KILL`: trying would end the target. Reading a thread's filters needs
//! `CAP_SYS_ADMIN`; where we may not read them, the answer is no.

use nix::unistd::Pid;

use crate::proc_files::Status;
use crate::snapshot::Gadgets;
use crate::snapshot::arch::{self, SyscallUse};
use crate::sys;

/// Filters that one thread may have stacked up before we give up reading them.
const MAX_FILTERS: usize = 256;
/// Words of scratch memory of a filter (`BPF_MEMWORDS`).
const SCRATCH: usize = 16;
/// Size of `struct seccomp_data`, which is what a filter can load from.
const DATA_LEN: u32 = 64;

const ACTION_MASK: u32 = 0xffff_0000;
const ALLOW: u32 = 0x7fff_0000;
const LOG: u32 = 0x7ffc_0000;
const KILL_THREAD: u32 = 0;

/// One instruction of classic BPF (`struct sock_filter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    k: u32,
}

/// What a filter is asked about (`struct seccomp_data`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question {
    number: u32,
    arch: u32,
    instruction_pointer: u64,
    arguments: [u64; 6],
}

/// Whether thread `tid` may make every call that a fork and its reaping need; if not, why.
pub(super) fn allows_fork(pid: u32, tid: Pid, gadgets: &Gadgets) -> Result<(), String> {
    let status = Status::of_thread(pid, tid.as_raw().unsigned_abs())
        .map_err(|err| format!("its seccomp state cannot be read: {err}"))?;
    match status.seccomp {
        0 => Ok(()),
        2 => filters_allow_fork(tid, gadgets),
        _ => {
            Err("it runs in strict seccomp mode, which kills at any call but read, write and exit".to_owned())
        }
    }
}

fn filters_allow_fork(tid: Pid, gadgets: &Gadgets) -> Result<(), String> {
    for index in 0..MAX_FILTERS {
        let filter = sys::seccomp_filter(tid, index).map_err(|err| {
            format!("it has seccomp filters that we may not read, so clone is not tried: {err}")
        })?;
        let Some(filter) = filter else { return Ok(()) };
        let program: Vec<Instruction> = filter.into_iter().map(Instruction::decode).collect();
        for call in &arch::CALLS_OF_FORK {
            let verdict = run(&program, &Question::about(call, gadgets)) & ACTION_MASK;
            if verdict != ALLOW && verdict != LOG {
                return Err(format!("its seccomp filter answers {} to {}", action_name(verdict), call.name));
            }
        }
    }
    Err(format!("it has more than {MAX_FILTERS} seccomp filters"))
}

fn action_name(action: u32) -> &'static str {
    match action {
        0x8000_0000 => "KILL_PROCESS",
        KILL_THREAD => "KILL_THREAD",
        0x0003_0000 => "TRAP",
        0x0005_0000 => "ERRNO",
        0x7fc0_0000 => "USER_NOTIF",
        0x7ff0_0000 => "TRACE",
        _ => "an unknown action",
    }
}

impl Instruction {
    fn decode([c0, c1, if_true, if_false, k0, k1, k2, k3]: [u8; 8]) -> Instruction {
        Instruction {
            code: u16::from_le_bytes([c0, c1]),
            if_true,
            if_false,
            k: u32::from_le_bytes([k0, k1, k2, k3]),
        }
    }
}

impl Question {
    fn about(call: &SyscallUse, gadgets: &Gadgets) -> Question {
        Question {
            number: call.number,
            arch: arch::AUDIT_ARCH,
            // The kernel shows the address behind the two bytes of the instruction.
            instruction_pointer: gadgets.syscall.get().wrapping_add(2),
            arguments: call.arguments,
        }
    }

    /// The word at `offset`, as the kernel lays it out; `None` outside or between words.
    fn word(&self, offset: u32) -> Option<u32> {
        let low_or_high =
            |value: u64| if offset.is_multiple_of(8) { value as u32 } else { (value >> 32) as u32 };
        match offset {
            0 => Some(self.number),
            4 => Some(self.arch),
            8 | 12 => Some(low_or_high(self.instruction_pointer)),
            16..DATA_LEN if offset.is_multiple_of(4) => {
                self.arguments.get((offset as usize - 16) / 8).map(|value| low_or_high(*value))
            }
            _ => None,
        }
    }
}

/// The registers of the little machine.
#[derive(Debug, Default)]
struct Machine {
    a: u32,
    x: u32,
    scratch: [u32; SCRATCH],
}

/// What an instruction leads to.
enum Step {
    Next,
    Skip(u32),
    Return(u32),
}

/// The answer of `program`; anything that the kernel would not have accepted counts as `KILL`.
///
/// Ends always: jumps go forward only.
fn run(program: &[Instruction], question: &Question) -> u32 {
    let mut machine = Machine::default();
    let mut at = 0_usize;
    while let Some(instruction) = program.get(at) {
        match machine.step(*instruction, question) {
            Some(Step::Next) => at += 1,
            Some(Step::Skip(count)) => at = at.saturating_add(1).saturating_add(count as usize),
            Some(Step::Return(answer)) => return answer,
            None => return KILL_THREAD,
        }
    }
    KILL_THREAD
}

impl Machine {
    /// `Documentation/networking/filter.rst`, as far as `seccomp_check_filter` in `kernel/seccomp.c` lets it.
    fn step(&mut self, instruction: Instruction, question: &Question) -> Option<Step> {
        let Instruction { code, k, .. } = instruction;
        match code {
            0x06 => return Some(Step::Return(k)),
            0x16 => return Some(Step::Return(self.a)),
            0x20 => self.a = question.word(k)?,
            0x80 => self.a = DATA_LEN,
            0x81 => self.x = DATA_LEN,
            0x00 => self.a = k,
            0x01 => self.x = k,
            0x60 => self.a = *self.scratch.get(k as usize)?,
            0x61 => self.x = *self.scratch.get(k as usize)?,
            0x02 => *self.scratch.get_mut(k as usize)? = self.a,
            0x03 => *self.scratch.get_mut(k as usize)? = self.x,
            0x07 => self.x = self.a,
            0x87 => self.a = self.x,
            0x84 => self.a = self.a.wrapping_neg(),
            _ if code & 7 == 4 => self.a = arithmetic(code & 0xf0, self.a, self.operand(code, k))?,
            _ if code & 7 == 5 => return self.jump(instruction),
            _ => return None,
        }
        Some(Step::Next)
    }

    /// The second operand: the constant, or `x` (`BPF_X`).
    fn operand(&self, code: u16, k: u32) -> u32 {
        if code & 8 == 0 { k } else { self.x }
    }

    fn jump(&self, instruction: Instruction) -> Option<Step> {
        let Instruction { code, if_true, if_false, k } = instruction;
        let other = self.operand(code, k);
        let holds = match code & 0xf0 {
            0x00 => return Some(Step::Skip(k)),
            0x10 => self.a == other,
            0x20 => self.a > other,
            0x30 => self.a >= other,
            0x40 => self.a & other != 0,
            _ => return None,
        };
        Some(Step::Skip(u32::from(if holds { if_true } else { if_false })))
    }
}

/// `BPF_ALU`; a division by zero ends a filter with 0, which is `KILL_THREAD`.
fn arithmetic(operation: u16, a: u32, b: u32) -> Option<u32> {
    match operation {
        0x00 => Some(a.wrapping_add(b)),
        0x10 => Some(a.wrapping_sub(b)),
        0x20 => Some(a.wrapping_mul(b)),
        0x30 => a.checked_div(b),
        0x40 => Some(a | b),
        0x50 => Some(a & b),
        0x60 => a.checked_shl(b),
        0x70 => a.checked_shr(b),
        0xa0 => Some(a ^ b),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ERRNO_EPERM: u32 = 0x0005_0001;
    const CLONE: u32 = 56;

    /// `(code, jt, jf, k)`, as `BPF_STMT` and `BPF_JUMP` write it.
    fn program(lines: &[(u16, u8, u8, u32)]) -> Vec<Instruction> {
        lines.iter().map(|(code, if_true, if_false, k)| instruction(*code, *if_true, *if_false, *k)).collect()
    }

    fn instruction(code: u16, if_true: u8, if_false: u8, k: u32) -> Instruction {
        Instruction { code, if_true, if_false, k }
    }

    fn asked(number: u32, flags: u64) -> Question {
        Question {
            number,
            arch: 0xc000_003e,
            instruction_pointer: 0x48_0000,
            arguments: [flags, 0, 0, 0, 0, 7 << 32],
        }
    }

    /// Threads yes, processes no: the filter of many sandboxes.
    fn no_processes() -> Vec<Instruction> {
        program(&[
            (0x20, 0, 0, 4),
            (0x15, 1, 0, 0xc000_003e),
            (0x06, 0, 0, 0x8000_0000),
            (0x20, 0, 0, 0),
            (0x15, 0, 2, CLONE),
            (0x20, 0, 0, 16),
            (0x45, 0, 1, 0x10000),
            (0x06, 0, 0, ALLOW),
            (0x06, 0, 0, ERRNO_EPERM),
        ])
    }

    #[test]
    fn a_filter_on_the_flags_of_clone_is_followed() {
        assert_eq!(run(&no_processes(), &asked(CLONE, 0x10000)), ALLOW);
        assert_eq!(run(&no_processes(), &asked(CLONE, 0x600)), ERRNO_EPERM);
        assert_eq!(run(&no_processes(), &asked(1, 0)), ALLOW);
        let other_arch = Question { arch: 0x4000_0003, ..asked(1, 0) };
        assert_eq!(run(&no_processes(), &other_arch), 0x8000_0000);
    }

    #[test]
    fn every_word_of_the_question_lies_where_the_kernel_has_it() {
        let load =
            |offset| run(&program(&[(0x20, 0, 0, offset), (0x16, 0, 0, 0)]), &asked(CLONE, 5 << 32 | 9));
        let words: Vec<u32> = (0..16).map(|word| load(word * 4)).collect();
        assert_eq!(words, [CLONE, 0xc000_003e, 0x48_0000, 0, 9, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!((load(64), load(2)), (KILL_THREAD, KILL_THREAD));
    }

    #[test]
    fn arithmetic_scratch_and_index_work_as_in_the_kernel() {
        let lines = [
            (0x00, 0, 0, 100),
            (0x24, 0, 0, 3),
            (0x02, 0, 0, 15),
            (0x01, 0, 0, 7),
            (0x3c, 0, 0, 0),
            (0x61, 0, 0, 15),
            (0x0c, 0, 0, 0),
            (0x16, 0, 0, 0),
        ];
        assert_eq!(run(&program(&lines), &asked(0, 0)), 300 / 7 + 300);
        assert_eq!(run(&program(&[(0x34, 0, 0, 0), (0x06, 0, 0, ALLOW)]), &asked(0, 0)), KILL_THREAD);
    }

    #[test]
    fn a_program_that_runs_off_its_end_kills() {
        assert_eq!(run(&[], &asked(0, 0)), KILL_THREAD);
        assert_eq!(run(&program(&[(0x05, 0, 0, u32::MAX)]), &asked(0, 0)), KILL_THREAD);
        assert_eq!(run(&program(&[(0x60, 0, 0, 16)]), &asked(0, 0)), KILL_THREAD);
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_an_answer(bytes: Vec<[u8; 8]>, number: u32, flags: u64) {
            let program: Vec<Instruction> = bytes.into_iter().map(Instruction::decode).collect();
            let _ = run(&program, &asked(number, flags));
        }

        #[test]
        fn a_list_of_allowed_numbers_allows_those_alone(allowed in proptest::collection::btree_set(0_u32..500, 0..60), number in 0_u32..500) {
            let last = allowed.len();
            let mut lines = vec![(0x20, 0, 0, 0)];
            lines.extend(allowed.iter().enumerate().map(|(at, wanted)| (0x15, (last - at) as u8, 0, *wanted)));
            lines.extend([(0x06, 0, 0, ERRNO_EPERM), (0x06, 0, 0, ALLOW)]);
            let expected = if allowed.contains(&number) { ALLOW } else { ERRNO_EPERM };
            prop_assert_eq!(run(&program(&lines), &asked(number, 0)), expected);
        }
    }
}
