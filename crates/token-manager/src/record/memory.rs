//! Records in memory, for tests and for programs that keep nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{HostRecord, HostStore, StoreError, TokenKey};

/// Records that are gone when the process ends.
#[derive(Debug, Default)]
pub struct MemoryStore {
    records: Mutex<BTreeMap<TokenKey, HostRecord>>,
}

impl MemoryStore {
    /// No record yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl HostStore for MemoryStore {
    fn read(&self, token: &TokenKey) -> Result<HostRecord, StoreError> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(records.get(token).cloned().unwrap_or_else(HostRecord::new))
    }

    fn update(
        &self,
        token: &TokenKey,
        change: &mut dyn FnMut(&mut HostRecord),
    ) -> Result<HostRecord, StoreError> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let mut record = records.get(token).cloned().unwrap_or_else(HostRecord::new);
        change(&mut record);
        if record.is_empty() {
            records.remove(token);
        } else {
            records.insert(token.clone(), record.clone());
        }
        Ok(record)
    }

    fn write(&self, token: &TokenKey, record: &HostRecord) -> Result<(), StoreError> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if record.is_empty() {
            records.remove(token);
        } else {
            records.insert(token.clone(), record.clone());
        }
        Ok(())
    }
}
