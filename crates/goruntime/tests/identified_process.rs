//! A running Go program, identified: version, modules, names, types, held against what the program itself says.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests end where a fixture is not as it should be"
)]

mod support;

use leakscope_goruntime::{Arch, LayoutOrigin, Runtime, RuntimeError, Structure};
use leakscope_model::Addr;
use leakscope_target::{TargetMemory, read_u64};
use support::{Program, RELEASES, address, bytes_of};

/// Files with debug information.
fn files() -> Vec<String> {
    let plain = RELEASES.iter().map(|go| format!("symbols-go{go}"));
    let moved = ["1.21.13", "1.24.3", "1.26.6", "1.27.3"].map(|go| format!("symbols-pie-go{go}"));
    let others = ["symbols-cgo-pie-go1.26.6", "symbols-greentea-go1.25.5", "symbols-nogreentea-go1.26.6"];
    let others = others.into_iter().chain(["symbols-noswissmap-go1.24.3"]).map(str::to_owned);
    plain.chain(moved).chain(others).collect()
}

fn with_each_file(check: impl Fn(&str, &Runtime<'_>, &Program)) {
    for file in files() {
        let bytes = bytes_of(&file);
        let program = Program::start(&file);
        let runtime = Runtime::identify(&bytes, &program, &program.mappings());
        check(&file, &runtime.unwrap_or_else(|error| panic!("{file}: {error}")), &program);
    }
}

#[test]
fn version_build_and_place_are_those_that_the_program_tells() {
    with_each_file(|file, runtime, program| {
        let version = &program.facts("version").next().unwrap()[0];
        assert_eq!(&runtime.version.text, version, "{file}");
        let (_, experiments) = version.split_once("X:").unwrap_or_default();
        assert_eq!(runtime.version.experiments.join(","), experiments, "{file}");
        assert_eq!((runtime.arch, &runtime.layout_origin), (Arch::Amd64, &LayoutOrigin::Dwarf), "{file}");
        assert_eq!(runtime.bias, program.bias(&runtime.functions), "{file}");
        assert!(runtime.gaps.is_empty(), "{file}: {:?}", runtime.gaps);
        let told: Vec<_> = program.facts("info").collect();
        let path = told.iter().find(|line| line[0] == "path").unwrap();
        assert_eq!(runtime.build.path, path[1], "{file}");
        let settings =
            told.iter().filter(|line| line[0] == "build").map(|line| line[1].split_once('=').unwrap());
        let settings: Vec<_> =
            settings.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect();
        assert_eq!(runtime.build.settings, settings, "{file}");
    });
}

#[test]
fn the_masks_of_the_globals_have_a_bit_for_each_pointer_word() {
    with_each_file(|file, runtime, program| {
        let module = &runtime.modules[0];
        for fact in program.facts("global") {
            let [at, size, pointers, name] = fact else { panic!("{file}: {fact:?}") };
            let at = address(at);
            let globals = [&module.data, &module.bss].into_iter().find(|globals| globals.range.contains(&at));
            let globals =
                globals.unwrap_or_else(|| panic!("{file}: {name} at {at} is in neither data nor bss"));
            let first = usize::try_from(at.offset_from(globals.range.start).unwrap() / 8).unwrap();
            let words = size.parse::<usize>().unwrap() / 8;
            let mask: String = (first..first + words)
                .map(|word| if globals.pointers.is_set(word) { '1' } else { '0' })
                .collect();
            assert_eq!(&mask, pointers, "{file}: {name}");
        }
    });
}

/// The wait reasons of all waiting goroutines.
fn waits(runtime: &Runtime<'_>, program: &Program) -> Vec<String> {
    let allgs = runtime.variable("allgs").unwrap();
    let [data, len] = [0, 8].map(|offset| read_u64(program, allgs.checked_add(offset).unwrap()).unwrap());
    let mut waits = Vec::new();
    for index in 0..len {
        let g = Addr::new(read_u64(program, Addr::new(data + index * 8)).unwrap());
        let g = Structure::read(program, &runtime.layout, "g", g).unwrap();
        let status = runtime.names.status(g.uint("g.atomicstatus").unwrap()).unwrap();
        let reason = runtime.names.wait_reason(g.uint("g.waitreason").unwrap());
        waits.extend(reason.filter(|_| &*status == "waiting").map(|reason| reason.to_string()));
    }
    waits
}

#[test]
fn every_goroutine_has_a_status_and_the_parked_ones_their_reasons() {
    with_each_file(|file, runtime, program| {
        let parked = ["chan receive", "select (no cases)", "select", "sync.Mutex.Lock"];
        let all_there = |waits: &[String]| parked.iter().all(|wait| waits.iter().any(|known| known == wait));
        // A goroutine parks a moment after it said that it runs.
        let tries = (0..200).map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            waits(runtime, program)
        });
        let mut last = Vec::new();
        for waits in tries {
            last = waits;
            if all_there(&last) {
                return;
            }
        }
        panic!("{file}: of {parked:?} there are {last:?}");
    });
}

#[test]
fn type_descriptors_are_named_as_reflection_names_them() {
    with_each_file(|file, runtime, program| {
        let mut compared = 0;
        for fact in program.facts("type") {
            let [at, size, name] = fact else { panic!("{file}: {fact:?}") };
            let described = runtime
                .describe_type(program, address(at))
                .unwrap_or_else(|error| panic!("{file}: {name}: {error}"));
            // The linker, whose names these are, writes the package of a field without a capital.
            let described_name = described.name.replace("{ main.n ", "{ n ");
            assert_eq!((&described_name, described.size), (name, size.parse().unwrap()), "{file} at {at}");
            compared += 1;
        }
        assert_eq!(compared, 15, "{file}");
    });
}

#[test]
fn the_function_table_is_that_of_the_process() {
    with_each_file(|file, runtime, program| {
        let module = &runtime.modules[0];
        assert_eq!(runtime.modules.len(), 1, "{file}");
        for fact in program.facts("entry") {
            let entry = address(&fact[0]);
            assert!(module.text.contains(&entry), "{file}");
            assert_eq!(runtime.functions.by_name(&fact[1]), Some(runtime.linked(entry)), "{file}");
        }
        let told = program.facts("stack").next().unwrap();
        assert_eq!(*runtime.frames_returning_to(address(&told[0]))[0].function, *told[1], "{file}");
    });
}

/// The memory of a program in which one range reads as other bytes.
struct Bent<'p> {
    program: &'p Program,
    at: Addr,
    bytes: Vec<u8>,
}

impl TargetMemory for Bent<'_> {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), leakscope_target::ReadError> {
        self.program.read_exact(addr, buf)?;
        for (place, byte) in (self.at.get()..).zip(&self.bytes) {
            let offset = place.checked_sub(addr.get()).and_then(|offset| usize::try_from(offset).ok());
            if let Some(slot) = offset.and_then(|offset| buf.get_mut(offset)) {
                *slot = *byte;
            }
        }
        Ok(())
    }
}

#[test]
fn debug_information_may_come_from_a_file_of_its_own() {
    for file in ["symbols-go1.24.3", "symbols-pie-go1.26.6"] {
        let whole = bytes_of(file);
        let mut bare = whole.clone();
        bare[0x28..0x30].fill(0); // e_shoff: without it there are no symbols and no debug information
        bare[0x3c..0x40].fill(0); // e_shnum, e_shstrndx
        let program = Program::start(file);
        let mappings = program.mappings();
        // What runs has the head of the bare file.
        let image =
            mappings.iter().find(|mapping| mapping.path.ends_with(file) && mapping.offset == 0).unwrap();
        let memory = Bent { program: &program, at: image.start, bytes: bare[..64].to_vec() };
        let alone = Runtime::identify(&bare, &memory, &mappings).unwrap();
        assert!(
            matches!(alone.layout_origin, LayoutOrigin::Table { .. }),
            "{file}: {:?}",
            alone.layout_origin
        );
        let both = Runtime::identify_with(&bare, Some(&whole), &memory, &mappings).unwrap();
        let one = Runtime::identify(&whole, &program, &program.mappings()).unwrap();
        assert_eq!(both.layout_origin, LayoutOrigin::Dwarf, "{file}");
        assert_eq!((both.layout, both.names, both.modules), (one.layout, one.names, one.modules), "{file}");
    }
}

#[test]
fn a_program_that_is_not_go_says_so() {
    let bytes = bytes_of("notgo");
    let program = Program::start("symbols-go1.26.6");
    let error = Runtime::identify(&bytes, &program, &program.mappings()).unwrap_err().to_string();
    assert!(error.starts_with("not a Go program") && error.contains("GCC"), "{error}");
}

#[test]
fn another_process_is_not_taken_for_this_executable() {
    let bytes = bytes_of("symbols-pie-go1.26.6");
    let program = Program::start("symbols-go1.26.6");
    let error = Runtime::identify(&bytes, &program, &program.mappings()).unwrap_err();
    assert!(matches!(error, RuntimeError::NotLoaded(_)), "{error:?}");
}

#[test]
fn a_process_that_does_not_fit_its_layout_is_refused_by_structure_and_address() {
    let bytes = bytes_of("symbols-go1.26.6");
    let program = Program::start("symbols-go1.26.6");
    let runtime = Runtime::identify(&bytes, &program, &program.mappings()).unwrap();
    let refused = |at: Addr, words: &[u64]| {
        let bytes_there = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let bent = Bent { program: &program, at, bytes: bytes_there };
        Runtime::identify(&bytes, &bent, &program.mappings()).unwrap_err().to_string()
    };
    let text = runtime.variable("firstmoduledata").unwrap();
    let slot = runtime.layout.need("moduledata.minpc").unwrap();
    let error = refused(text.checked_add(slot.offset).unwrap(), &[1]);
    assert!(error.contains("moduledata.minpc") && error.contains("does not fit"), "{error}");
    let allspans = runtime.layout.need("mheap.allspans").unwrap().offset;
    let allspans = runtime.variable("mheap_").unwrap().checked_add(allspans).unwrap();
    let error = refused(allspans, &[text.get(), 9, 9]);
    assert!(error.contains("mspan") || error.contains("mheap.allspans"), "{error}");
    let error = refused(runtime.variable("allgs").unwrap(), &[0xdead_0000, 5, 2]);
    assert!(error.contains("allgs") && error.contains("5 elements"), "{error}");
}
