//! The tiers together.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use piv_apdu::atr::Atr;

use crate::disk::DiskTier;
use crate::identity::Name;
use crate::item::Item;
use crate::memory::MemoryTier;
use crate::snapshot::Snapshot;
use crate::tier::{Counts, Generation, Tier};

/// What is remembered about tokens, in no tier, one, or several. Cheap to clone;
/// clones share their tiers.
///
/// Nothing here fails: what can't be read is not there.
#[derive(Clone, Default)]
pub struct Cache {
    /// The nearest first. The last one, which others may share, decides which
    /// generation is the present one.
    tiers: Vec<Arc<dyn Tier>>,
    /// Nothing is put into the tiers: what others remember is only forgotten.
    only_forgets: bool,
    /// Something could not be forgotten.
    failed_to_forget: Arc<AtomicBool>,
}

/// What is held of one token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Held {
    /// The snapshot, from the nearest tier.
    pub snapshot: Arc<Snapshot>,
    /// The tiers that hold it, by [`Tier::place`].
    pub places: Vec<String>,
    /// How often it was of use.
    pub counts: Counts,
}

impl Cache {
    /// Remembers nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// Remembers in the memory of this process as well.
    #[must_use]
    pub fn with_memory(self) -> Self {
        self.with_tier(Arc::new(MemoryTier::new()))
    }

    /// Remembers in a folder of the user's as well, which is made when there is
    /// something to write.
    #[must_use]
    pub fn with_disk(self, directory: &Path) -> Self {
        self.with_tier(Arc::new(DiskTier::new(directory)))
    }

    /// Remembers in this tier as well, behind those that are there.
    #[must_use]
    pub fn with_tier(mut self, tier: Arc<dyn Tier>) -> Self {
        self.tiers.push(tier);
        self
    }

    /// Adds nothing to what is remembered, and still forgets what a change makes
    /// stale, for the programs that use it. What is remembered is not for showing
    /// tokens then ([`is_used`](Self::is_used)).
    #[must_use]
    pub fn only_forgetting(mut self) -> Self {
        self.only_forgets = true;
        self
    }

    /// Whether tokens are to be shown as they are remembered, and remembered.
    pub fn is_used(&self) -> bool {
        !self.is_off() && !self.only_forgets
    }

    /// Whether it remembers nothing at all.
    pub fn is_off(&self) -> bool {
        self.tiers.is_empty()
    }

    /// Whether something that had to be forgotten may still be there, since a place
    /// could not be written to: by this cache, or a clone of it, at any time.
    pub fn has_failed_to_forget(&self) -> bool {
        self.failed_to_forget.load(Ordering::Relaxed)
    }

    /// The present generation of a token, which begins if there is none. To be
    /// asked for in the transaction in which the token is read, for the snapshot
    /// that is made of it: as soon as it is known which token it is, so that the
    /// token answers once more after it. That shows that the transaction was not
    /// over by then, with another program's change in between. A snapshot that is
    /// made of what is remembered has that one's generation.
    pub fn generation(&self, token: &Name) -> Generation {
        let Some(decides) = self.tiers.last().filter(|_| !self.only_forgets) else {
            return Generation::NONE;
        };
        match decides.generation(token) {
            Generation::NONE => decides.begin(token).unwrap_or_default().to,
            present => present,
        }
    }

    /// Whether the token was not changed since the snapshot's generation was
    /// asked for.
    fn is_present(&self, snapshot: &Snapshot) -> bool {
        let decides = self.tiers.last();
        let present = decides.map(|it| it.generation(snapshot.identity().name()));
        snapshot.generation() != Generation::NONE && present == Some(snapshot.generation())
    }

    /// What is remembered of a token.
    pub fn read(&self, token: &Name) -> Option<Arc<Snapshot>> {
        let mut found = self.tiers.iter().filter_map(|tier| tier.read(token));
        found.find(|it| self.is_present(it))
    }

    /// What is remembered of all tokens with this ATR: one of them may be the one
    /// that is in the reader.
    pub fn with_atr(&self, atr: &Atr) -> Vec<Arc<Snapshot>> {
        let mut found: Vec<Arc<Snapshot>> = Vec::new();
        for snapshot in self.tiers.iter().flat_map(|tier| tier.with_atr(atr)) {
            let name = snapshot.identity().name();
            let is_new = found.iter().all(|it| it.identity().name() != name);
            if is_new && self.is_present(&snapshot) {
                found.push(snapshot);
            }
        }
        found
    }

    /// Remembers a snapshot, unless the token was changed since its generation
    /// was asked for.
    pub fn store(&self, snapshot: Snapshot) {
        if self.only_forgets || !self.is_present(&snapshot) {
            return;
        }
        let snapshot = Arc::new(snapshot);
        for tier in &self.tiers {
            tier.write(&snapshot);
        }
    }

    /// Forgets the answers that a change is about to make stale. To be called
    /// inside of the transaction that makes the change, before its first
    /// command. False if they may still be there since the place can't be
    /// written to.
    pub fn forget(&self, token: &Name, forgotten: impl Fn(Item) -> bool) -> bool {
        let Some(decides) = self.tiers.last() else {
            return true;
        };
        let is_known = || {
            decides.generation(token) != Generation::NONE
                || self.tiers.iter().any(|tier| tier.read(token).is_some())
        };
        if self.only_forgets && !is_known() {
            return true;
        }
        // Before the generation ends: a place looks for what is of the present one.
        let held: Vec<_> = self.tiers.iter().map(|tier| tier.read(token)).collect();
        let Some(change) = decides.begin(token) else {
            return self.remove(token);
        };
        // Only what is of the generation that just ended: what a tier still has
        // of an earlier one may have been changed by another program.
        let is_kept = change.from != Generation::NONE;
        for (tier, held) in self.tiers.iter().zip(held) {
            if let Some(kept) = held.filter(|it| is_kept && it.generation() == change.from) {
                tier.write(&Arc::new((*kept).clone().without(&forgotten, change.to)));
            }
        }
        true
    }

    /// Forgets all about a token, in every tier. False if something may still be
    /// there since the place can't be written to.
    pub fn clear(&self, token: &Name) -> bool {
        // What is removed comes back if the power fails right then; what is of an
        // earlier generation is of no use even so.
        if let Some(decides) = self.tiers.last() {
            let _ = decides.begin(token);
        }
        self.remove(token)
    }

    /// Forgets every token, in every tier, and all that tells which there were.
    /// False as above.
    pub fn clear_all(&self) -> bool {
        self.in_every_tier(|tier| tier.remove_all())
    }

    fn remove(&self, token: &Name) -> bool {
        self.in_every_tier(|tier| tier.remove(token))
    }

    /// Removes something in each tier, also after one in which it failed. True if it
    /// failed in none.
    fn in_every_tier(&self, remove: impl Fn(&dyn Tier) -> bool) -> bool {
        let mut all = true;
        for tier in &self.tiers {
            all &= remove(tier.as_ref());
        }
        if !all {
            self.failed_to_forget.store(true, Ordering::Relaxed);
        }
        all
    }

    /// Notes how often a token's snapshot was of use.
    pub fn count(&self, token: &Name, more: Counts) {
        if let Some(tier) = self.tiers.last().filter(|_| !self.only_forgets) {
            tier.count(token, more);
        }
    }

    /// What is held of each token, in the order of their names.
    pub fn held(&self) -> Vec<Held> {
        let mut names: Vec<Name> = self.tiers.iter().flat_map(|tier| tier.names()).collect();
        names.sort();
        names.dedup();
        let held = names.iter().filter_map(|name| self.held_of(name));
        held.collect()
    }

    fn held_of(&self, token: &Name) -> Option<Held> {
        let snapshot = self.read(token)?;
        let holding = self.tiers.iter().filter(|tier| {
            let held = tier.read(token);
            held.is_some_and(|it| it.generation() == snapshot.generation())
        });
        let places = holding.map(|tier| tier.place()).collect();
        let counts = self.tiers.last().map(|tier| tier.counts(token));
        Some(Held {
            snapshot,
            places,
            counts: counts.unwrap_or_default(),
        })
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.tiers.iter().map(|tier| tier.place());
        f.debug_list().entries(places).finish()
    }
}
