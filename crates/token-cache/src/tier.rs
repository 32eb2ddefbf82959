//! What a place to remember things in can do.

use std::sync::Arc;

use piv_apdu::atr::Atr;

use crate::identity::Name;
use crate::item::Item;
use crate::snapshot::Snapshot;

/// Tells what was read before a change from what was read after it. Each change
/// of a token through this software makes a new one, at random.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(pub(crate) u64);

impl Generation {
    /// One that was not there before.
    pub(crate) fn fresh() -> Self {
        let mut bytes = [0; 8];
        if getrandom::fill(&mut bytes).is_err() {
            let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            bytes = since.as_nanos().to_le_bytes()[..8]
                .try_into()
                .unwrap_or(bytes);
        }
        // 0 is the one of a token that was never changed.
        Self(u64::from_le_bytes(bytes).max(1))
    }
}

/// How often the answer was remembered, and how often the card had to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answers that were remembered.
    pub hits: u64,
    /// Answers that the card had to give.
    pub misses: u64,
}

impl Counts {
    pub(crate) fn plus(self, more: Self) -> Self {
        Self {
            hits: self.hits.saturating_add(more.hits),
            misses: self.misses.saturating_add(more.misses),
        }
    }
}

/// A place to remember [`Snapshot`]s in. Nothing in it is worth an error: what
/// can't be read is not there, what can't be written is not remembered.
///
/// Must be safe to use from several threads, and where several processes share
/// it, from those.
pub trait Tier: Send + Sync {
    /// The present generation of a token.
    fn generation(&self, token: &Name) -> Generation;

    /// The snapshot of a token. Whoever asks has to see whether it is of the
    /// present generation.
    fn read(&self, token: &Name) -> Option<Arc<Snapshot>>;

    /// The snapshots of all tokens with this ATR.
    fn with_atr(&self, atr: &Atr) -> Vec<Arc<Snapshot>>;

    /// Keeps a snapshot in the place of an earlier one.
    fn write(&self, snapshot: &Arc<Snapshot>);

    /// Begins the generation `next`, and carries over from the one before what
    /// is not forgotten. False if the place can't be written to, so that what
    /// is forgotten may still be there.
    fn forget(&self, token: &Name, forgotten: &dyn Fn(Item) -> bool, next: Generation) -> bool;

    /// Begins the generation `next`, and removes all there is. False as above.
    fn clear(&self, token: &Name, next: Generation) -> bool;

    /// Adds to the counts of a token.
    fn count(&self, token: &Name, more: Counts);

    /// The counts of a token.
    fn counts(&self, token: &Name) -> Counts;

    /// Every token of which there is something.
    fn names(&self) -> Vec<Name>;

    /// Where it is, for people.
    fn place(&self) -> String;
}
