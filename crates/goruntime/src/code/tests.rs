//! Instructions written here byte by byte, and code of any bytes.
#![allow(clippy::indexing_slicing, reason = "tests index what they made")]

use proptest::prelude::*;

use super::step::{Place, Step};
use super::{amd64, arm64, follow_alone};
use crate::elf::Arch;

fn amd(code: &[u8]) -> Vec<Step> {
    amd64::steps(code, 0x1000).into_iter().map(|placed| placed.step).collect()
}

fn arm(words: &[u32]) -> Vec<Step> {
    let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    arm64::steps(&code, 0x1_0000).into_iter().map(|placed| placed.step).collect()
}

#[test]
fn amd64_moves_addresses() {
    // lea rax, [rip+0x10]; call .+0x100; mov [rsp+0x20], rax; mov rcx, [rax+8]; mov [rip+0x40], rcx; xor eax, eax; ret
    let code = [
        &[0x48, 0x8d, 0x05, 0x10, 0, 0, 0][..],
        &[0xe8, 0x00, 0x01, 0, 0],
        &[0x48, 0x89, 0x44, 0x24, 0x20],
        &[0x48, 0x8b, 0x48, 0x08],
        &[0x48, 0x89, 0x0d, 0x40, 0, 0, 0],
        &[0x31, 0xc0],
        &[0xc3],
    ];
    let steps = amd(&code.concat());
    assert_eq!(
        steps,
        [
            Step::Constant { to: 0, value: 0x1017 },
            Step::Call(Some(0x110c)),
            Step::Store { to: Place::Stack(0x20), from: 0 },
            Step::Load { to: 1, from: Place::Behind(0, 8) },
            Step::Store { to: Place::At(0x105c), from: 1 },
            Step::Constant { to: 0, value: 0 },
            Step::Return,
        ]
    );
}

#[test]
fn amd64_knows_what_other_instructions_write() {
    // add rax, rbx; movups [rsp+0x10], xmm15; push rbp; cmp rax, rbx
    let code = [&[0x48, 0x01, 0xd8][..], &[0x44, 0x0f, 0x11, 0x7c, 0x24, 0x10], &[0x55], &[0x48, 0x39, 0xd8]];
    assert_eq!(
        amd(&code.concat()),
        [
            Step::Forget(1),
            Step::Overwrite { to: Place::Stack(0x10), bytes: 16 },
            Step::Overwrite { to: Place::Stack(-8), bytes: 8 },
        ]
    );
}

#[test]
fn arm64_moves_addresses() {
    let steps = arm(&[
        0xb000_0000, // adrp x0, .+0x1000
        0x9101_4000, // add x0, x0, #0x50
        0x9400_0040, // bl .+0x100
        0xf900_0be0, // str x0, [sp, #16]
        0xf940_0401, // ldr x1, [x0, #8]
        0xaa01_03e2, // mov x2, x1
        0xa940_8fe2, // ldp x2, x3, [sp, #8]
        0xb400_0040, // cbz x0, .+8
        0x8b02_0020, // add x0, x1, x2
        0xd65f_03c0, // ret
    ]);
    assert_eq!(
        steps,
        [
            Step::Constant { to: 0, value: 0x1_1000 },
            Step::Copy { to: 0, from: 0, plus: 0x50 },
            Step::Call(Some(0x1_0108)),
            Step::Store { to: Place::Stack(16), from: 0 },
            Step::Load { to: 1, from: Place::Behind(0, 8) },
            Step::Copy { to: 2, from: 1, plus: 0 },
            Step::Load { to: 2, from: Place::Stack(8) },
            Step::Load { to: 3, from: Place::Stack(16) },
            Step::Branch(0x1_0024),
            Step::Forget(1),
            Step::Return,
        ]
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(code in prop::collection::vec(any::<u8>(), 0..400), at in any::<u64>()) {
        for steps in [amd64::steps(&code, at), arm64::steps(&code, at)] {
            prop_assert!(steps.len() <= code.len().saturating_mul(8));
        }
        for arch in [Arch::Amd64, Arch::Arm64] {
            prop_assert!(follow_alone(arch, &code) <= 16);
        }
    }
}
