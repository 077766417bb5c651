//! The function table held against what the Go runtime says of its own code, for every release, for files that
//! are static, position-independent, stripped or linked with C.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests end where a fixture is not as it should be"
)]
#![allow(clippy::disallowed_methods, reason = "a test asks readelf")]

mod support;

use leakscope_goruntime::{BuildInfo, ElfImage, FuncKind, FuncTable, PcData, gadgets};
use leakscope_model::{Frame, LinkAddr};
use support::{Program, RELEASES, address, bytes_of};

/// Every kind of file that the fixture is built as.
fn files() -> Vec<String> {
    let plain = RELEASES.iter().map(|go| format!("symbols-go{go}"));
    let stripped = ["1.21.13", "1.24.3", "1.26.6", "1.27.3"].map(|go| format!("symbols-stripped-go{go}"));
    let moved = ["1.21.13", "1.24.3", "1.26.6", "1.27.3"].map(|go| format!("symbols-pie-go{go}"));
    let both = ["1.21.13", "1.26.6", "1.27.3"].map(|go| format!("symbols-pie-stripped-go{go}"));
    plain.chain(stripped).chain(moved).chain(both).chain(["symbols-cgo-pie-go1.26.6".to_owned()]).collect()
}

/// Runs `check` with the table and the running program of each file.
fn with_each_file(check: impl Fn(&str, &FuncTable<'_>, &Program)) {
    for file in files() {
        let bytes = bytes_of(&file);
        let elf = ElfImage::parse(&bytes).unwrap();
        let table = FuncTable::locate(&elf).unwrap_or_else(|error| panic!("{file}: {error}"));
        check(&file, &table, &Program::start(&file));
    }
}

fn described(frame: &Frame) -> String {
    format!("{} {}:{}", frame.function, frame.file, frame.line)
}

#[test]
fn innermost_function_and_line_of_the_whole_text_are_those_of_the_runtime() {
    with_each_file(|file, table, program| {
        let bias = program.bias(table);
        let mut compared = 0;
        for fact in program.facts("at") {
            let [pc, name, path, line] = fact else { panic!("{file}: {fact:?}") };
            // The runtime asks for the byte before a return address.
            let call = LinkAddr::new(address(pc).unrelocate(bias).get() - 1);
            let frames = table.frames_calling(call, FuncKind::Gopanic);
            let inner = frames.first().unwrap_or_else(|| panic!("{file}: nothing at {pc}, there is {name}"));
            // The runtime has no word for the one function whose name stands at offset 0.
            let name = if name.is_empty() { &*inner.function } else { name };
            // It calls a file that it does not know `?`; so it does in the padding between functions.
            let path = if path == "?" { "" } else { path };
            assert_eq!(described(inner), format!("{name} {path}:{line}"), "{file} at {pc}");
            compared += 1;
        }
        assert!(compared > 8000, "{file}: only {compared} places compared");
    });
}

#[test]
fn stacks_expand_into_the_frames_that_the_runtime_prints() {
    with_each_file(|file, table, program| {
        let bias = program.bias(table);
        let told: Vec<_> = program.facts("stack").collect();
        assert!(told.len() >= 21, "{file}: {}", told.len());
        let mut at = 0;
        let mut expanded = 0;
        while at < told.len() {
            let frames = table.frames_returning_to(address(&told[at][0]).unrelocate(bias));
            assert!(!frames.is_empty(), "{file}: no frame for {:?}", told[at]);
            for frame in &frames {
                let [_, name, path, line] = told[at] else { panic!("{file}: {:?}", told[at]) };
                assert_eq!(described(frame), format!("{name} {path}:{line}"), "{file}");
                at += 1;
            }
            assert!(
                frames.last().is_some_and(|frame| !frame.inlined),
                "{file}: a stack's frame ends in a function"
            );
            expanded += frames.len() - 1;
        }
        assert!(expanded >= 3, "{file}: {expanded}: inlinedTwice, middle and genericCaller are inlined");
    });
}

#[test]
fn entries_are_where_the_program_says() {
    with_each_file(|file, table, program| {
        let bias = program.bias(table);
        for fact in program.facts("entry") {
            let entry = address(&fact[0]).unrelocate(bias);
            assert_eq!(table.by_name(&fact[1]), Some(entry), "{file}: {}", fact[1]);
            let func = table.find(LinkAddr::new(entry.get() + 1)).unwrap();
            assert_eq!((func.entry, func.name), (entry, &*fact[1]), "{file}");
            assert_eq!(table.sp_delta(entry), Some(0), "{file}: no frame at the entry of {}", fact[1]);
        }
    });
}

#[test]
fn every_function_symbol_is_in_the_table() {
    let arm64 = ["symbols-arm64-go1.21.13", "symbols-arm64-go1.26.6"].map(str::to_owned);
    for file in RELEASES.map(|go| format!("symbols-go{go}")).into_iter().chain(arm64) {
        let bytes = bytes_of(&file);
        let elf = ElfImage::parse(&bytes).unwrap();
        let table = FuncTable::locate(&elf).unwrap();
        let symbols: std::collections::BTreeMap<_, _> = elf
            .symbols()
            .filter(|symbol| symbol.size > 0)
            .map(|symbol| ((symbol.addr, symbol.name), symbol.size))
            .collect();
        let mut found = 0;
        for func in table.functions() {
            // The symbol table spells the dot that compilers put into the names they make as a plain one.
            let name = func.name.replace('·', ".");
            let names = [name.clone(), format!("{name}.abi0"), format!("{name}.abiinternal")];
            let size = names.iter().find_map(|name| symbols.get(&(func.entry, name)));
            let size = *size.unwrap_or_else(|| panic!("{file}: no symbol {} at {}", func.name, func.entry));
            assert!(func.entry.get() + size <= func.end.get(), "{file}: {} ends before its code", func.name);
            found += 1;
        }
        assert!(found > 1500 && found + 20 > table.len(), "{file}: {found} of {}", table.len());
    }
}

#[test]
fn special_functions_keep_their_kind_while_its_number_moves() {
    with_each_file(|file, table, _| {
        let kind = |name: &str| table.find(table.by_name(name).unwrap()).unwrap().kind;
        assert_eq!(kind("runtime.goexit"), FuncKind::Goexit, "{file}");
        assert_eq!(kind("runtime.sigpanic"), FuncKind::Sigpanic, "{file}");
        assert_eq!(kind("runtime.gopanic"), FuncKind::Gopanic, "{file}");
        assert_eq!(kind("runtime.mcall"), FuncKind::Mcall, "{file}");
        assert_eq!(kind("runtime.main"), FuncKind::RuntimeMain, "{file}");
        assert_eq!(kind("main.(*byValue).tell"), FuncKind::Wrapper, "{file}");
        assert_eq!(kind("main.main"), FuncKind::Normal, "{file}");
        assert!(table.find(table.by_name("runtime.goexit").unwrap()).unwrap().flags.top_frame, "{file}");
        assert!(table.find(table.by_name("runtime.systemstack").unwrap()).unwrap().flags.asm, "{file}");
        assert!(table.find(table.by_name("runtime.mcall").unwrap()).unwrap().flags.sp_write, "{file}");
    });
}

#[test]
fn a_frame_tells_its_live_words_and_its_stack_objects() {
    with_each_file(|file, table, _| {
        let func = table.find(table.by_name("main.holdsOnStack").unwrap()).unwrap();
        // `kept` is { first *int; number uintptr; second []byte }, and its address is taken.
        let objects = table.stack_objects(&func).unwrap();
        let [kept] = objects.as_slice() else { panic!("{file}: {objects:?}") };
        assert_eq!(kept.size, 40, "{file}");
        assert!(kept.offset < 0, "{file}: a local lies below varp");
        assert_eq!(kept.pointers.pointers().collect::<Vec<_>>(), [0, 2], "{file}");
        let size = usize::try_from(kept.offset.unsigned_abs()).unwrap();
        assert!(size % 8 == 0 && size >= 40, "{file}: {kept:?}");
        // The one call through a register: there `live` is the only pointer that the frame still needs.
        let code = (func.entry.get()..func.end.get()).map(LinkAddr::new);
        let indices: Vec<_> = code.map(|pc| table.pcdata(PcData::StackMapIndex, pc)).collect();
        let highest = indices.iter().max().unwrap();
        assert!(*highest >= 1, "{file}: the function has more than one stack map");
        let at_call = indices.iter().position(|index| index == highest).unwrap() as u64;
        let maps = table.stack_maps(LinkAddr::new(func.entry.get() + at_call + 1)).unwrap();
        let args = maps.args.unwrap();
        assert!(args.len() >= 2, "{file}: two pointers have their place in the caller's frame: {args:?}");
        assert!(maps.locals.is_some(), "{file}");
    });
}

#[test]
fn the_code_that_a_snapshot_needs_is_where_the_symbols_say() {
    for file in files().into_iter().filter(|file| !file.contains("stripped")) {
        let bytes = bytes_of(&file);
        let elf = ElfImage::parse(&bytes).unwrap();
        let table = FuncTable::locate(&elf).unwrap();
        let program = Program::start(&file);
        let bias = program.bias(&table);
        let found = gadgets(&bytes, &program.mappings()).unwrap_or_else(|error| panic!("{file}: {error}"));
        let symbol = |names: &[&str]| {
            let symbol = elf.symbols().find(|symbol| names.contains(&symbol.name));
            symbol.unwrap_or_else(|| panic!("{file}: no {names:?}"))
        };
        let exit = symbol(&["runtime.exit.abi0"]);
        assert_eq!(found.exit, exit.addr.relocate(bias), "{file}");
        let sigreturn = symbol(&["runtime.sigreturn__sigaction.abi0", "runtime.sigreturn__sigaction"]);
        assert_eq!(found.sigreturn, sigreturn.addr.relocate(bias), "{file}");
        let syscall = symbol(&[
            "runtime/internal/syscall.Syscall6",
            "internal/runtime/syscall.Syscall6",
            "internal/runtime/syscall/linux.Syscall6",
        ]);
        let offset = found.syscall.offset_from(syscall.addr.relocate(bias)).unwrap();
        assert!(offset < syscall.size, "{file}: {offset} bytes into the function");
        assert_eq!(elf.read(found.syscall.unrelocate(bias), 2).unwrap(), [0x0f, 0x05], "{file}");
        assert_eq!(found.stack_word, -8, "{file}: Go's is the only variable of the thread");
    }
}

#[test]
fn the_current_goroutine_is_where_the_linker_put_it() {
    for file in ["threadlocal-go1.24.3", "threadlocal-go1.26.6", "threadlocal-pie-go1.26.6"] {
        let bytes = bytes_of(file);
        let symbols =
            std::process::Command::new("readelf").args(["-sW"]).arg(support::fixture(file)).output().unwrap();
        let symbols = String::from_utf8(symbols.stdout).unwrap();
        let tlsg =
            symbols.lines().find(|line| line.contains("TLS") && line.ends_with("runtime.tlsg")).unwrap();
        let place = i64::from_str_radix(tlsg.split_whitespace().nth(1).unwrap(), 16).unwrap();
        let (size, align) = ElfImage::parse(&bytes).unwrap().thread_storage().unwrap();
        let offset = place - i64::try_from(size.next_multiple_of(align)).unwrap();
        assert!(offset < -8, "{file}: C's variables are there too");
        let program = Program::start(file);
        assert_eq!(gadgets(&bytes, &program.mappings()).unwrap().stack_word, offset, "{file}");
    }
}

#[test]
fn a_stripped_file_has_the_same_gadgets_as_its_unstripped_twin() {
    for go in ["1.21.13", "1.24.3", "1.26.6", "1.27.3"] {
        let both = ["symbols", "symbols-stripped"]
            .map(|name| gadgets(&bytes_of(&format!("{name}-go{go}")), &[]).unwrap());
        assert_eq!(both[0], both[1], "go{go}");
    }
}

#[test]
fn a_file_without_section_headers_loses_nothing() {
    for file in ["symbols-go1.21.13", "symbols-go1.27.3", "symbols-pie-go1.24.3", "symbols-cgo-pie-go1.26.6"]
    {
        let whole = bytes_of(file);
        let mut bare = whole.clone();
        bare[0x28..0x30].fill(0); // e_shoff
        bare[0x3c..0x40].fill(0); // e_shnum, e_shstrndx
        let (whole, bare) = (ElfImage::parse(&whole).unwrap(), ElfImage::parse(&bare).unwrap());
        assert_eq!(bare.section_range(".gopclntab"), None, "{file}");
        let tables = [&whole, &bare]
            .map(|elf| FuncTable::locate(elf).unwrap_or_else(|error| panic!("{file}: {error}")));
        assert_eq!(tables[0].place(), tables[1].place(), "{file}");
        assert!(tables[0].functions().eq(tables[1].functions()), "{file}");
        assert_eq!(BuildInfo::read(&whole), BuildInfo::read(&bare), "{file}");
    }
}

#[test]
fn an_architecture_without_gadgets_says_what_to_do_instead() {
    let error = gadgets(&bytes_of("symbols-arm64-go1.26.6"), &[]).unwrap_err().to_string();
    assert!(error.contains("--mode stop"), "{error}");
}

#[test]
fn what_is_no_go_program_says_so() {
    let bytes = bytes_of("notgo");
    let error = gadgets(&bytes, &[]).unwrap_err().to_string();
    assert!(error.starts_with("not a Go program"), "{error}");
}
