//! The events of the format since Go 1.22: the only place in this crate that knows a version.
//!
//! Ids keep their meaning and arguments for ever; a newer format only adds ids. Authority:
//! internal/trace/tracev2/events.go (ids, names, arguments) and internal/trace/version/version.go (since when).

/// The oldest format of this family.
pub(crate) const OLDEST_V2: u16 = 22;
/// The newest format that we know.
pub(crate) const NEWEST: u16 = 26;
/// The format since which a batch of its own (`Sync`) holds the clocks; before, a lone `Frequency` was that batch.
pub(crate) const SYNC_BATCH_SINCE: u16 = 25;
/// The format since which a generation says where it ends.
pub(crate) const END_OF_GENERATION_SINCE: u16 = 26;

/// Ids that shape the container.
pub(crate) const EVENT_BATCH: u8 = 1;
pub(crate) const STACKS: u8 = 2;
pub(crate) const STACK: u8 = 3;
pub(crate) const STRINGS: u8 = 4;
pub(crate) const STRING: u8 = 5;
pub(crate) const CPU_SAMPLES: u8 = 6;
pub(crate) const CPU_SAMPLE: u8 = 7;
pub(crate) const FREQUENCY: u8 = 8;
pub(crate) const EXPERIMENTAL_BATCH: u8 = 49;
pub(crate) const SYNC: u8 = 50;
pub(crate) const CLOCK_SNAPSHOT: u8 = 51;
pub(crate) const END_OF_GENERATION: u8 = 52;

/// The most arguments that an event has.
pub const MOST_ARGUMENTS: usize = 5;

/// One kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSpec {
    /// The byte that it starts with.
    pub id: u8,
    /// Its name, as `go tool trace -d=wire` prints it.
    pub name: &'static str,
    /// The format since which it is written.
    pub since: u16,
    /// Its arguments, one number each; `dt` comes first in those that have a time.
    pub arguments: &'static [&'static str],
}

impl EventSpec {
    /// Whether it has a time, as a distance to the event before it.
    pub fn is_timed(&self) -> bool {
        self.arguments.first() == Some(&"dt")
    }
}

/// The event that starts with the byte `id` in traces of the format `minor`.
pub fn event_spec(id: u8, minor: u16) -> Option<&'static EventSpec> {
    // The table is sorted by id and nearly dense.
    let at = EVENTS.binary_search_by_key(&id, |spec| spec.id).ok()?;
    EVENTS.get(at).filter(|spec| spec.since <= minor)
}

const fn spec(id: u8, name: &'static str, since: u16, arguments: &'static [&'static str]) -> EventSpec {
    EventSpec { id, name, since, arguments }
}

/// Every event, by id; those from 128 on belong to the experiment `AllocFree`.
pub static EVENTS: &[EventSpec] = &[
    spec(1, "EventBatch", 22, &["gen", "m", "time", "size"]),
    spec(2, "Stacks", 22, &[]),
    spec(3, "Stack", 22, &["id", "nframes"]),
    spec(4, "Strings", 22, &[]),
    spec(5, "String", 22, &["id"]),
    spec(6, "CPUSamples", 22, &[]),
    spec(7, "CPUSample", 22, &["time", "m", "p", "g", "stack"]),
    spec(8, "Frequency", 22, &["freq"]),
    spec(9, "ProcsChange", 22, &["dt", "procs_value", "stack"]),
    spec(10, "ProcStart", 22, &["dt", "p", "p_seq"]),
    spec(11, "ProcStop", 22, &["dt"]),
    spec(12, "ProcSteal", 22, &["dt", "p", "p_seq", "m"]),
    spec(13, "ProcStatus", 22, &["dt", "p", "pstatus"]),
    spec(14, "GoCreate", 22, &["dt", "new_g", "new_stack", "stack"]),
    spec(15, "GoCreateSyscall", 22, &["dt", "new_g"]),
    spec(16, "GoStart", 22, &["dt", "g", "g_seq"]),
    spec(17, "GoDestroy", 22, &["dt"]),
    spec(18, "GoDestroySyscall", 22, &["dt"]),
    spec(19, "GoStop", 22, &["dt", "reason_string", "stack"]),
    spec(20, "GoBlock", 22, &["dt", "reason_string", "stack"]),
    spec(21, "GoUnblock", 22, &["dt", "g", "g_seq", "stack"]),
    spec(22, "GoSyscallBegin", 22, &["dt", "p_seq", "stack"]),
    spec(23, "GoSyscallEnd", 22, &["dt"]),
    spec(24, "GoSyscallEndBlocked", 22, &["dt"]),
    spec(25, "GoStatus", 22, &["dt", "g", "m", "gstatus"]),
    spec(26, "STWBegin", 22, &["dt", "kind_string", "stack"]),
    spec(27, "STWEnd", 22, &["dt"]),
    spec(28, "GCActive", 22, &["dt", "gc_seq"]),
    spec(29, "GCBegin", 22, &["dt", "gc_seq", "stack"]),
    spec(30, "GCEnd", 22, &["dt", "gc_seq"]),
    spec(31, "GCSweepActive", 22, &["dt", "p"]),
    spec(32, "GCSweepBegin", 22, &["dt", "stack"]),
    spec(33, "GCSweepEnd", 22, &["dt", "swept_value", "reclaimed_value"]),
    spec(34, "GCMarkAssistActive", 22, &["dt", "g"]),
    spec(35, "GCMarkAssistBegin", 22, &["dt", "stack"]),
    spec(36, "GCMarkAssistEnd", 22, &["dt"]),
    spec(37, "HeapAlloc", 22, &["dt", "heapalloc_value"]),
    spec(38, "HeapGoal", 22, &["dt", "heapgoal_value"]),
    spec(39, "GoLabel", 22, &["dt", "label_string"]),
    spec(40, "UserTaskBegin", 22, &["dt", "task", "parent_task", "name_string", "stack"]),
    spec(41, "UserTaskEnd", 22, &["dt", "task", "stack"]),
    spec(42, "UserRegionBegin", 22, &["dt", "task", "name_string", "stack"]),
    spec(43, "UserRegionEnd", 22, &["dt", "task", "name_string", "stack"]),
    spec(44, "UserLog", 22, &["dt", "task", "key_string", "value_string", "stack"]),
    spec(45, "GoSwitch", 23, &["dt", "g", "g_seq"]),
    spec(46, "GoSwitchDestroy", 23, &["dt", "g", "g_seq"]),
    spec(47, "GoCreateBlocked", 23, &["dt", "new_g", "new_stack", "stack"]),
    spec(48, "GoStatusStack", 23, &["dt", "g", "m", "gstatus", "stack"]),
    spec(49, "ExperimentalBatch", 23, &["exp", "gen", "m", "time"]),
    spec(50, "Sync", 25, &[]),
    spec(51, "ClockSnapshot", 25, &["dt", "mono", "sec", "nsec"]),
    spec(52, "EndOfGeneration", 26, &[]),
    spec(128, "Span", 23, &["dt", "id", "npages_value", "kindclass"]),
    spec(129, "SpanAlloc", 23, &["dt", "id", "npages_value", "kindclass"]),
    spec(130, "SpanFree", 23, &["dt", "id"]),
    spec(131, "HeapObject", 23, &["dt", "id", "type"]),
    spec(132, "HeapObjectAlloc", 23, &["dt", "id", "type"]),
    spec(133, "HeapObjectFree", 23, &["dt", "id"]),
    spec(134, "GoroutineStack", 23, &["dt", "id", "order"]),
    spec(135, "GoroutineStackAlloc", 23, &["dt", "id", "order"]),
    spec(136, "GoroutineStackFree", 23, &["dt", "id"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_fits() {
        assert!(EVENTS.is_sorted_by(|a, b| a.id < b.id));
        assert!(EVENTS.iter().all(|spec| spec.arguments.len() <= MOST_ARGUMENTS));
        assert_eq!(event_spec(52, 25), None);
        assert_eq!(event_spec(52, 26).map(|spec| spec.name), Some("EndOfGeneration"));
        assert_eq!(event_spec(0, 26), None);
    }
}
