//! Which function holds a program counter.

use super::scan::FunctionRecord;

/// Every function with code, in order of address.
#[derive(Debug, Default)]
pub(super) struct Functions {
    records: Vec<FunctionRecord>,
}

impl Functions {
    pub(super) fn new(mut records: Vec<FunctionRecord>) -> Functions {
        records.sort_unstable_by_key(|record| (record.low, record.at));
        Functions { records }
    }

    /// The function whose code holds `pc`.
    pub(super) fn at(&self, pc: u64) -> Option<FunctionRecord> {
        let behind = self.records.partition_point(|record| record.low <= pc);
        let record = *self.records.get(behind.checked_sub(1)?)?;
        (pc < record.high).then_some(record)
    }

    /// The function whose first instruction lies at `entry`.
    pub(super) fn starting_at(&self, entry: u64) -> Option<FunctionRecord> {
        self.at(entry).filter(|record| record.low == entry)
    }
}
