//! What a place to remember things in can do.

use std::sync::Arc;

use piv_apdu::atr::Atr;

use crate::identity::Name;
use crate::snapshot::Snapshot;

/// The most tokens that one place remembers: those used last.
pub(crate) const MAX_TOKENS: usize = 64;

/// Tells what was read before a change from what was read after it. Each change
/// of a token through this software makes a new one, at random. The default one
/// is none: nothing is ever remembered for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(pub(crate) u64);

impl Generation {
    /// None: the place knows of no generation of the token.
    pub(crate) const NONE: Self = Self(0);

    /// The one that this says.
    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes).max(1))
    }
}

/// Eight bytes that were not there before.
pub(crate) fn fresh_bytes() -> [u8; 8] {
    let mut bytes = [0; 8];
    if getrandom::fill(&mut bytes).is_err() {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        bytes = u64::try_from(since.as_nanos())
            .unwrap_or(u64::MAX)
            .to_le_bytes();
    }
    bytes
}

/// One generation of a token ended, and another began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What was read in this one can be carried over, but for what changes.
    pub from: Generation,
    /// The one that began.
    pub to: Generation,
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
    /// The present generation of a token; the default one if there is none.
    fn generation(&self, token: &Name) -> Generation;

    /// Ends the present generation of a token, whichever it is, and begins one
    /// that never was. It has ended for good when this returns, even if the power
    /// fails then. `None` if the place can't be written to.
    ///
    /// If others begin one at the same time, [`Change::to`] need not be the one
    /// that is left. Then it never will be the present one.
    fn begin(&self, token: &Name) -> Option<Change>;

    /// The snapshot of a token: if there are several, the one of the present
    /// generation. Whoever asks has to see whether it is of that.
    fn read(&self, token: &Name) -> Option<Arc<Snapshot>>;

    /// The snapshots of all tokens with this ATR, as above.
    fn with_atr(&self, atr: &Atr) -> Vec<Arc<Snapshot>>;

    /// Keeps a snapshot in the place of an earlier one of the same token.
    fn write(&self, snapshot: &Arc<Snapshot>);

    /// Removes all there is of a token, its generation as well. False if
    /// something may still be there.
    fn remove(&self, token: &Name) -> bool;

    /// Removes all there is of every token. False as above.
    fn remove_all(&self) -> bool;

    /// Adds to the counts of a token. Some may be lost if several programs add at
    /// the same time.
    fn count(&self, token: &Name, more: Counts);

    /// The counts of a token.
    fn counts(&self, token: &Name) -> Counts;

    /// Every token of which there is a snapshot.
    fn names(&self) -> Vec<Name>;

    /// Where it is, for people.
    fn place(&self) -> String;
}
