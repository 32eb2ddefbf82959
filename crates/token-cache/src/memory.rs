//! The memory of this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use piv_apdu::atr::Atr;

use crate::identity::Name;
use crate::item::Item;
use crate::snapshot::Snapshot;
use crate::tier::{Counts, Generation, Tier};

/// Snapshots in the memory of this process: gone when it ends.
#[derive(Debug, Default)]
pub struct MemoryTier {
    tokens: Mutex<BTreeMap<Name, Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    snapshot: Option<Arc<Snapshot>>,
    generation: Generation,
    counts: Counts,
}

impl MemoryTier {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a thread that panicked left is whole: each change is one assignment.
    fn tokens(&self) -> MutexGuard<'_, BTreeMap<Name, Memory>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tier for MemoryTier {
    fn generation(&self, token: &Name) -> Generation {
        let tokens = self.tokens();
        tokens
            .get(token)
            .map_or_else(Default::default, |it| it.generation)
    }

    fn read(&self, token: &Name) -> Option<Arc<Snapshot>> {
        self.tokens().get(token)?.snapshot.clone()
    }

    fn with_atr(&self, atr: &Atr) -> Vec<Arc<Snapshot>> {
        let tokens = self.tokens();
        let snapshots = tokens.values().filter_map(|it| it.snapshot.clone());
        snapshots.filter(|it| it.identity().atr() == atr).collect()
    }

    fn write(&self, snapshot: &Arc<Snapshot>) {
        let name = snapshot.identity().name().clone();
        self.tokens().entry(name).or_default().snapshot = Some(Arc::clone(snapshot));
    }

    fn forget(&self, token: &Name, forgotten: &dyn Fn(Item) -> bool, next: Generation) -> bool {
        let mut tokens = self.tokens();
        let memory = tokens.entry(token.clone()).or_default();
        memory.generation = next;
        let kept = memory.snapshot.take();
        memory.snapshot = kept.map(|it| Arc::new((*it).clone().without(forgotten, next)));
        true
    }

    fn clear(&self, token: &Name, next: Generation) -> bool {
        let cleared = Memory {
            generation: next,
            ..Memory::default()
        };
        self.tokens().insert(token.clone(), cleared);
        true
    }

    fn count(&self, token: &Name, more: Counts) {
        let mut tokens = self.tokens();
        let memory = tokens.entry(token.clone()).or_default();
        memory.counts = memory.counts.plus(more);
    }

    fn counts(&self, token: &Name) -> Counts {
        self.tokens()
            .get(token)
            .map_or_else(Counts::default, |it| it.counts)
    }

    fn names(&self) -> Vec<Name> {
        let tokens = self.tokens();
        let kept = tokens.iter().filter(|(_, it)| it.snapshot.is_some());
        kept.map(|(name, _)| name.clone()).collect()
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}
