//! The parts that resident memory is told by.

use crate::allocator::OwnUse;

/// One part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Objects that a root leads to.
    HeapLive,
    /// Objects that nothing reaches.
    HeapGarbage,
    /// Free slots in spans of objects.
    HeapFreeSlots,
    /// Ends of spans: what no slot covers, with pointer maps and mark bits there.
    HeapTails,
    /// Spans of objects that were not read.
    HeapUnread,
    /// Free pages that were not returned to the system.
    HeapIdle,
    /// Pages that were returned or never used, and are resident: huge pages hold them.
    HeapReturned,
    /// Stacks of goroutines.
    GoroutineStacks,
    /// Stacks in the heap that threads have for the runtime's own work and for signals.
    SystemStacks,
    /// Free stacks, and those of goroutines that have ended.
    FreeStacks,
    /// Bits and tables of the collector and the page allocator.
    GcMetadata,
    /// Work buffers of the collector.
    GcWorkBuffers,
    /// Allocation sites of the profiles.
    Profiling,
    /// Records of spans and caches.
    SpanRecords,
    /// Other small records of the runtime.
    RuntimeOther,
    /// Code of the program.
    BinaryCode,
    /// Constants of the program.
    BinaryConstants,
    /// Variables of the program.
    BinaryVariables,
    /// Stacks of threads that C made, and of the first thread.
    ThreadStacks,
    /// Anonymous memory that is not Go's: C's `malloc`, mappings by the program itself.
    Native,
    /// Shared libraries.
    Libraries,
    /// Other files.
    MappedFiles,
    /// Shared memory.
    Shared,
    /// The kernel's own (`[vdso]`).
    Kernel,
}

/// Every part, in the order in which it is shown.
pub const PARTS: [Part; 24] = [
    Part::HeapLive,
    Part::HeapGarbage,
    Part::HeapFreeSlots,
    Part::HeapTails,
    Part::HeapUnread,
    Part::HeapIdle,
    Part::HeapReturned,
    Part::GoroutineStacks,
    Part::SystemStacks,
    Part::FreeStacks,
    Part::GcMetadata,
    Part::GcWorkBuffers,
    Part::Profiling,
    Part::SpanRecords,
    Part::RuntimeOther,
    Part::BinaryCode,
    Part::BinaryConstants,
    Part::BinaryVariables,
    Part::ThreadStacks,
    Part::Native,
    Part::Kernel,
    Part::Libraries,
    Part::MappedFiles,
    Part::Shared,
];

/// What parts are summed up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// Go's heap.
    Heap,
    /// Stacks of goroutines and of the runtime.
    Stacks,
    /// The runtime's own.
    Runtime,
    /// The executable.
    Binary,
    /// C and the system.
    Native,
    /// Files and shared memory.
    Files,
}

impl Part {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Part::HeapLive => "heap_live",
            Part::HeapGarbage => "heap_garbage",
            Part::HeapFreeSlots => "heap_free_slots",
            Part::HeapTails => "heap_span_tails",
            Part::HeapUnread => "heap_unread",
            Part::HeapIdle => "heap_idle",
            Part::HeapReturned => "heap_returned_but_resident",
            Part::GoroutineStacks => "goroutine_stacks",
            Part::SystemStacks => "system_stacks",
            Part::FreeStacks => "free_stacks",
            Part::GcMetadata => "gc_metadata",
            Part::GcWorkBuffers => "gc_work_buffers",
            Part::Profiling => "profiling",
            Part::SpanRecords => "span_records",
            Part::RuntimeOther => "runtime_other",
            Part::BinaryCode => "binary_code",
            Part::BinaryConstants => "binary_constants",
            Part::BinaryVariables => "binary_variables",
            Part::ThreadStacks => "thread_stacks",
            Part::Native => "native",
            Part::Libraries => "libraries",
            Part::MappedFiles => "mapped_files",
            Part::Shared => "shared_memory",
            Part::Kernel => "kernel",
        }
    }

    /// What it is, for people.
    pub fn says(self) -> &'static str {
        match self {
            Part::HeapLive => "objects that a root leads to",
            Part::HeapGarbage => "objects that nothing reaches: the next collections free them",
            Part::HeapFreeSlots => "free slots in spans that hold other objects",
            Part::HeapTails => "ends of spans that no slot covers",
            Part::HeapUnread => "spans of objects that could not be read",
            Part::HeapIdle => "free pages, not returned to the system yet",
            Part::HeapReturned => "pages returned or never used, resident all the same: huge pages hold them",
            Part::GoroutineStacks => "stacks of goroutines",
            Part::SystemStacks => "stacks of threads for the runtime's own work and for signals",
            Part::FreeStacks => "free stacks, and those of goroutines that have ended",
            Part::GcMetadata => "bits and tables of the collector and the page allocator",
            Part::GcWorkBuffers => "work buffers of the collector",
            Part::Profiling => "allocation sites of the profiles",
            Part::SpanRecords => "records of spans and caches (mspan, mcache)",
            Part::RuntimeOther => "other small records of the runtime",
            Part::BinaryCode => "code of the program",
            Part::BinaryConstants => "constants, types and line tables of the program",
            Part::BinaryVariables => "package variables",
            Part::ThreadStacks => "stacks of threads made by C, and of the first thread",
            Part::Native => "anonymous memory that is not Go's: malloc, mmap",
            Part::Libraries => "shared libraries",
            Part::MappedFiles => "mapped files",
            Part::Shared => "shared memory",
            Part::Kernel => "pages of the kernel",
        }
    }

    /// What it is a part of.
    pub fn area(self) -> Area {
        match self {
            Part::HeapLive
            | Part::HeapGarbage
            | Part::HeapFreeSlots
            | Part::HeapTails
            | Part::HeapUnread
            | Part::HeapIdle
            | Part::HeapReturned => Area::Heap,
            Part::GoroutineStacks | Part::SystemStacks | Part::FreeStacks => Area::Stacks,
            Part::GcMetadata
            | Part::GcWorkBuffers
            | Part::Profiling
            | Part::SpanRecords
            | Part::RuntimeOther => Area::Runtime,
            Part::BinaryCode | Part::BinaryConstants | Part::BinaryVariables => Area::Binary,
            Part::ThreadStacks | Part::Native | Part::Kernel => Area::Native,
            Part::Libraries | Part::MappedFiles | Part::Shared => Area::Files,
        }
    }
}

impl Area {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Area::Heap => "heap",
            Area::Stacks => "stacks",
            Area::Runtime => "runtime",
            Area::Binary => "binary",
            Area::Native => "native",
            Area::Files => "files",
        }
    }
}

/// The part of the runtime's own memory.
pub(super) fn of_own(used_for: OwnUse) -> Part {
    match used_for {
        OwnUse::Metadata => Part::GcMetadata,
        OwnUse::SiteTable => Part::Profiling,
        OwnUse::Records => Part::RuntimeOther,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_area_stand_together_and_none_is_missing() {
        let mut areas: Vec<Area> = PARTS.iter().map(|part| part.area()).collect();
        areas.dedup();
        assert_eq!(areas.len(), 6);
        let names: std::collections::BTreeSet<&str> = PARTS.iter().map(|part| part.name()).collect();
        assert_eq!(names.len(), PARTS.len());
    }
}
