//! A reader of what `runtime/debug.WriteHeapDump` writes, for tests: the runtime's own word on every object.
//!
//! It shares no code with leakscope and knows nothing of spans, layouts or debug information. The format is that of
//! Go's `runtime/heapdump.go`: a header line, then records of a tag and varints.
//!
//! One thing there must be known (`dumpobjs`): the dump takes the number of slots of a span to be its bytes by the
//! slot size, although the end of a span of small objects may hold the span's pointer bits and mark bits. So it lists
//! slots there that are none; [`HeapDump::objects`] leaves them out and [`HeapDump::not_slots`] counts them.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test's own reader of a file that the test has made: anything unexpected is to end the test"
)]

mod slots;

use std::ops::Range;
use std::path::Path;

/// All that one dump holds.
pub(crate) struct HeapDump {
    bytes: Vec<u8>,
    /// Such as `go1.26.6`, with experiments behind it.
    pub(crate) go: String,
    /// Such as `amd64`.
    pub(crate) arch: String,
    /// Every allocated slot, by address.
    pub(crate) objects: Vec<Object>,
    /// How many records of objects were none (see the head of this file).
    pub(crate) not_slots: usize,
    /// The data and the bss of the main module.
    pub(crate) segments: Vec<Object>,
    /// Every goroutine that is not dead, in the runtime's order.
    pub(crate) goroutines: Vec<Goroutine>,
    /// Addresses of objects with a finalizer, and whether it is queued to run.
    pub(crate) finalizers: Vec<(u64, bool)>,
    /// Ids of the system's threads.
    pub(crate) threads: Vec<u64>,
    /// `runtime.MemStats` at the dump.
    pub(crate) memstats: MemStats,
    /// Allocation sites of the memory profile.
    pub(crate) sites: Vec<Site>,
    /// Sampled objects that are still allocated: address, and [`Site::bucket`].
    pub(crate) samples: Vec<(u64, u64)>,
}

/// Some memory and where in it the pointers stand.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// Where it begins.
    pub(crate) addr: u64,
    /// Its length in bytes: for an object that of its size class.
    pub(crate) size: u64,
    /// Offsets of the words that may hold a pointer, by the runtime's own pointer maps.
    pub(crate) pointers: Vec<u32>,
    content: Range<usize>,
}

/// A goroutine as the runtime saw it.
#[derive(Debug)]
pub(crate) struct Goroutine {
    /// Address of its `g`.
    pub(crate) g: u64,
    /// The stack pointer that it goes on with.
    pub(crate) sp: u64,
    /// Its id.
    pub(crate) id: u64,
    /// Return address of the `go` statement that made it.
    pub(crate) created_at: u64,
    /// Its status as the runtime's number.
    pub(crate) status: u64,
    /// Whether the runtime made it for itself.
    pub(crate) system: bool,
    /// When it began to wait, in the runtime's nanoseconds; 0 if not known.
    pub(crate) wait_since: u64,
    /// Why it waits, in the runtime's words.
    pub(crate) wait_reason: String,
    /// Its frames, innermost first.
    pub(crate) frames: Vec<Frame>,
}

/// One physical frame of a stack.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The function by its linker name.
    pub(crate) function: String,
    /// Where the function begins.
    pub(crate) entry: u64,
    /// Where the frame goes on.
    pub(crate) pc: u64,
    /// Its memory and the words that hold live pointers.
    pub(crate) memory: Object,
}

/// A place in the program that has allocated, with what the profile counted.
#[derive(Debug)]
pub(crate) struct Site {
    /// Address of the profile's bucket.
    pub(crate) bucket: u64,
    /// Bytes asked for at a time.
    pub(crate) size: u64,
    /// Function, file and line, innermost first.
    pub(crate) stack: Vec<(String, String, u64)>,
    /// Allocations that were sampled.
    pub(crate) allocs: u64,
    /// How many of these are freed.
    pub(crate) frees: u64,
}

/// The figures of `runtime.MemStats` that tests ask for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct MemStats {
    /// Allocations since the start.
    pub(crate) mallocs: u64,
    /// Objects freed since the start.
    pub(crate) frees: u64,
    /// Bytes of allocated objects.
    pub(crate) heap_alloc: u64,
    /// Bytes in spans in use.
    pub(crate) heap_inuse: u64,
    /// Number of allocated objects.
    pub(crate) heap_objects: u64,
    /// Bytes in stack spans.
    pub(crate) stack_inuse: u64,
    /// Completed collections.
    pub(crate) num_gc: u64,
}

impl HeapDump {
    /// Reads the dump at `path`.
    pub(crate) fn read(path: &Path) -> HeapDump {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        HeapDump::of(bytes)
    }

    /// Reads a dump; panics, saying where, if it is not one.
    pub(crate) fn of(bytes: Vec<u8>) -> HeapDump {
        let mut dump = HeapDump::empty();
        let mut input = Input { bytes: &bytes, at: 0 };
        assert_eq!(input.take(16), b"go1.7 heap dump\n", "this is no heap dump");
        while dump.record(&mut input) {}
        dump.bytes = bytes;
        dump.objects.sort_by_key(|object| object.addr);
        dump.not_slots = slots::leave_out_the_ends_of_spans(&mut dump.objects, &dump.go);
        dump
    }

    /// The values of the pointer words of `object`: null, into the heap or elsewhere.
    pub(crate) fn targets<'d>(&'d self, object: &'d Object) -> impl Iterator<Item = u64> + 'd {
        let content = self.content(object);
        object.pointers.iter().map(move |&offset| {
            let at = offset as usize;
            u64::from_le_bytes(content[at..at + 8].try_into().unwrap())
        })
    }

    /// The bytes of `object`.
    pub(crate) fn content(&self, object: &Object) -> &[u8] {
        &self.bytes[object.content.clone()]
    }

    /// The object that holds the address `inside`.
    pub(crate) fn object_at(&self, inside: u64) -> Option<&Object> {
        let after = self.objects.partition_point(|object| object.addr <= inside);
        let object = &self.objects[after.checked_sub(1)?];
        (inside < object.addr + object.size).then_some(object)
    }

    fn empty() -> HeapDump {
        HeapDump {
            bytes: Vec::new(),
            go: String::new(),
            arch: String::new(),
            objects: Vec::new(),
            not_slots: 0,
            segments: Vec::new(),
            goroutines: Vec::new(),
            finalizers: Vec::new(),
            threads: Vec::new(),
            memstats: MemStats::default(),
            sites: Vec::new(),
            samples: Vec::new(),
        }
    }

    /// Reads one record; false at the end. The numbers are the tags of `runtime/heapdump.go`.
    fn record(&mut self, input: &mut Input) -> bool {
        let at = input.at;
        match input.int() {
            0 => return false,
            1 => self.objects.push(input.object()),
            2 => _ = (input.text(), input.int()),
            3 => _ = (input.ints::<2>(), input.text(), input.int()),
            4 => self.goroutines.push(input.goroutine()),
            5 => {
                let frame = input.frame();
                self.goroutines.last_mut().expect("a frame stands behind its goroutine").frames.push(frame);
            }
            6 => self.params(input),
            7 => self.finalizers.push((input.ints::<5>()[0], false)),
            8 => _ = input.ints::<2>(),
            9 => self.threads.push(input.ints::<3>()[2]),
            10 => self.memstats = input.memstats(),
            11 => self.finalizers.push((input.ints::<5>()[0], true)),
            12 | 13 => self.segments.push(input.object()),
            14 => _ = input.ints::<7>(),
            15 => _ = input.ints::<6>(),
            16 => self.sites.push(input.site()),
            17 => self.samples.push(input.ints::<2>().into()),
            tag => panic!("unknown tag {tag} at byte {at} of the heap dump"),
        }
        true
    }

    fn params(&mut self, input: &mut Input) {
        assert_eq!(input.int(), 0, "the dump is big endian");
        assert_eq!(input.int(), 8, "the dump's pointers are not 8 bytes wide");
        let _arena = input.ints::<2>();
        self.arch = input.text();
        self.go = input.text();
        let _processors = input.int();
    }
}

/// The bytes of a dump and how far they are read.
struct Input<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Input<'_> {
    fn take(&mut self, len: usize) -> &[u8] {
        let start = self.at;
        self.at += len;
        &self.bytes[start..self.at]
    }

    /// A number as in Go's `encoding/binary`: seven bits a byte, lowest first.
    fn int(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    fn ints<const N: usize>(&mut self) -> [u64; N] {
        std::array::from_fn(|_| self.int())
    }

    fn text(&mut self) -> String {
        let len = self.int() as usize;
        String::from_utf8_lossy(self.take(len)).into_owned()
    }

    fn memory(&mut self) -> Range<usize> {
        let len = self.int() as usize;
        self.take(len);
        self.at - len..self.at
    }

    /// Pairs of kind and offset up to kind 0; the runtime writes kind 1, pointer, only.
    fn pointers(&mut self) -> Vec<u32> {
        let mut offsets = Vec::new();
        loop {
            match self.int() {
                0 => return offsets,
                1 => offsets.push(u32::try_from(self.int()).unwrap()),
                kind => panic!("unknown kind of field {kind} before byte {} of the heap dump", self.at),
            }
        }
    }

    fn object(&mut self) -> Object {
        let addr = self.int();
        let content = self.memory();
        Object { addr, size: content.len() as u64, pointers: self.pointers(), content }
    }

    fn goroutine(&mut self) -> Goroutine {
        let [g, sp, id, created_at, status, system, _background, wait_since] = self.ints();
        let wait_reason = self.text();
        let _context_machine_defer_panic = self.ints::<4>();
        Goroutine {
            g,
            sp,
            id,
            created_at,
            status,
            system: system != 0,
            wait_since,
            wait_reason,
            frames: Vec::new(),
        }
    }

    fn frame(&mut self) -> Frame {
        let [addr, _depth, _child] = self.ints();
        let content = self.memory();
        let [entry, pc, _continues_at] = self.ints();
        let function = self.text();
        let pointers = self.pointers();
        Frame { function, entry, pc, memory: Object { addr, size: content.len() as u64, pointers, content } }
    }

    fn memstats(&mut self) -> MemStats {
        let first = self.ints::<24>();
        let _pauses = self.ints::<256>();
        MemStats {
            mallocs: first[4],
            frees: first[5],
            heap_alloc: first[6],
            heap_inuse: first[9],
            heap_objects: first[11],
            stack_inuse: first[12],
            num_gc: self.int(),
        }
    }

    fn site(&mut self) -> Site {
        let [bucket, size, depth] = self.ints();
        let stack = (0..depth).map(|_| (self.text(), self.text(), self.int())).collect();
        let [allocs, frees] = self.ints();
        Site { bucket, size, stack, allocs, frees }
    }
}
