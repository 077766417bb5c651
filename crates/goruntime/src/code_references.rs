//! Which addresses a program's code names: the variables, types and functions that an instruction reaches without
//! going through memory. What a variable is called is lost when a program is stripped; which function uses it is not.

mod amd64;
mod arm64;

use leakscope_model::LinkAddr;

use crate::elf::Arch;

/// What an instruction does with the address that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Takes it into a register, by the processor's own number: 0 is `rax` and `x0`, where Go's calling convention
    /// has the first argument.
    Address {
        /// Which register.
        register: u8,
    },
    /// Reads or writes the bytes there.
    Memory {
        /// How many; 0 where the instruction does not tell.
        width: u8,
    },
    /// Calls it.
    Call,
    /// Goes there and does not return: a branch within the function, or a tail call.
    Jump,
}

/// One instruction that names an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeReference {
    /// The instruction; of a pair that makes one address, the first.
    pub at: LinkAddr,
    /// Behind the instruction, or the pair: what a call returns to.
    pub next: LinkAddr,
    /// What it names.
    pub to: LinkAddr,
    /// What for.
    pub usage: Use,
}

/// The references of the code in `bytes`, whose first instruction lies at `start`, in order of address.
///
/// Code is read straight on; bytes that are no instruction are passed over, so that data between instructions costs
/// at worst the reference behind it.
pub fn references(arch: Arch, start: LinkAddr, bytes: &[u8], visit: impl FnMut(CodeReference)) {
    match arch {
        Arch::Amd64 => amd64::references(start, bytes, visit),
        Arch::Arm64 => arm64::references(start, bytes, visit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(arch: Arch, bytes: &[u8]) -> Vec<(u64, u64, u64, Use)> {
        let mut found = Vec::new();
        references(arch, LinkAddr::new(0x40_1000), bytes, |reference| {
            let CodeReference { at, next, to, usage } = reference;
            found.push((at.get(), next.get(), to.get(), usage));
        });
        found
    }

    #[test]
    fn amd64_names_addresses_from_behind_the_instruction() {
        let code = [
            0x48, 0x8d, 0x05, 0xf9, 0x0f, 0x00, 0x00, // lea 0xff9(%rip),%rax
            0xe8, 0xf4, 0xff, 0xff, 0xff, // call -0xc
            0x83, 0x3d, 0x00, 0x10, 0x00, 0x00, 0x00, // cmpl $0x0,0x1000(%rip)
            0x4c, 0x8d, 0x25, 0x00, 0x00, 0x00, 0x00, // lea 0x0(%rip),%r12
            0xeb, 0xfe, // jmp to itself
        ];
        assert_eq!(
            all(Arch::Amd64, &code),
            [
                (0x40_1000, 0x40_1007, 0x40_2000, Use::Address { register: 0 }),
                (0x40_1007, 0x40_100c, 0x40_1000, Use::Call),
                (0x40_100c, 0x40_1013, 0x40_2013, Use::Memory { width: 4 }),
                (0x40_1013, 0x40_101a, 0x40_101a, Use::Address { register: 12 }),
                (0x40_101a, 0x40_101c, 0x40_101a, Use::Jump),
            ]
        );
    }

    #[test]
    fn arm64_makes_an_address_in_two_instructions() {
        let code: Vec<u8> = [
            0xb000_0000_u32, // adrp x0, 0x402000
            0x9108_0000,     // add x0, x0, #0x200
            0x9400_0002,     // bl 0x401010
            0xd503_201f,     // nop
            0xf000_001b,     // adrp x27, 0x404000
            0xb944_8361,     // ldr w1, [x27, #0x480]
            0x9000_0002,     // adrp x2, 0x401000, which nothing goes on from
            0x17ff_fff9,     // b 0x401000
            0x9000_001b,     // adrp x27, 0x401000
            0x9100_837b,     // add x27, x27, #0x20
            0xa940_8760,     // ldp x0, x1, [x27, #8]
        ]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
        assert_eq!(
            all(Arch::Arm64, &code),
            [
                (0x40_1000, 0x40_1008, 0x40_2200, Use::Address { register: 0 }),
                (0x40_1008, 0x40_100c, 0x40_1010, Use::Call),
                (0x40_1010, 0x40_1018, 0x40_4480, Use::Memory { width: 4 }),
                (0x40_101c, 0x40_1020, 0x40_1000, Use::Jump),
                (0x40_1020, 0x40_1028, 0x40_1020, Use::Address { register: 27 }),
                (0x40_1020, 0x40_102c, 0x40_1028, Use::Memory { width: 8 }),
                (0x40_1020, 0x40_102c, 0x40_1030, Use::Memory { width: 8 }),
            ]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, start: u64) {
            for arch in [Arch::Amd64, Arch::Arm64] {
                references(arch, LinkAddr::new(start), &bytes, |reference| {
                    assert!(reference.next.get() != reference.at.get());
                });
            }
        }
    }
}
