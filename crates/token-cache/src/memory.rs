//! The memory of this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use piv_apdu::atr::Atr;

use crate::identity::Name;
use crate::snapshot::Snapshot;
use crate::tier::{Change, Counts, Generation, MAX_TOKENS, Tier, fresh_bytes};

/// Snapshots in the memory of this process, of at most 64 tokens: gone when it
/// ends.
#[derive(Debug, Default)]
pub struct MemoryTier {
    tokens: Mutex<BTreeMap<Name, Memory>>,
}

#[derive(Debug)]
struct Memory {
    snapshot: Option<Arc<Snapshot>>,
    generation: Generation,
    counts: Counts,
    used: Instant,
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

    /// Changes what is there of a token, and drops the one that was used longest
    /// ago if they are too many.
    fn change<T>(&self, token: &Name, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut tokens = self.tokens();
        let memory = tokens.entry(token.clone()).or_insert_with(|| Memory {
            snapshot: None,
            generation: Generation::NONE,
            counts: Counts::default(),
            used: Instant::now(),
        });
        memory.used = Instant::now();
        let changed = change(memory);
        if tokens.len() > MAX_TOKENS {
            let others = tokens.iter().filter(|(name, _)| *name != token);
            let oldest = others.min_by_key(|(_, it)| it.used);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                tokens.remove(&oldest);
            }
        }
        changed
    }
}

impl Tier for MemoryTier {
    fn generation(&self, token: &Name) -> Generation {
        let tokens = self.tokens();
        tokens
            .get(token)
            .map_or(Generation::NONE, |it| it.generation)
    }

    fn begin(&self, token: &Name) -> Option<Change> {
        let to = Generation::from_bytes(fresh_bytes());
        self.change(token, |memory| {
            let from = std::mem::replace(&mut memory.generation, to);
            Some(Change { from, to })
        })
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
        self.change(snapshot.identity().name(), |memory| {
            memory.snapshot = Some(Arc::clone(snapshot));
        });
    }

    fn remove(&self, token: &Name) -> bool {
        self.tokens().remove(token);
        true
    }

    fn remove_all(&self) -> bool {
        self.tokens().clear();
        true
    }

    fn count(&self, token: &Name, more: Counts) {
        self.change(token, |memory| memory.counts = memory.counts.plus(more));
    }

    fn counts(&self, token: &Name) -> Counts {
        let tokens = self.tokens();
        tokens
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
