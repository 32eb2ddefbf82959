//! What is remembered of one token.

use std::collections::BTreeMap;
use std::time::SystemTime;

use piv_apdu::apdu::Response;

use crate::identity::Identity;
use crate::item::Item;
use crate::tier::Generation;

/// One answer of a card, and when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The whole answer: chaining undone, with the status word it ended with.
    /// That something is not there is remembered as well.
    pub response: Response,
    /// When it came from the card.
    pub read_at: SystemTime,
}

/// The answers of one token, as they were at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    identity: Identity,
    generation: Generation,
    checked_at: SystemTime,
    insertion: Option<[u8; 32]>,
    entries: BTreeMap<Item, Entry>,
}

impl Snapshot {
    /// An empty one, checked now. The generation has to be asked for in the
    /// transaction in which the token is read, as
    /// [`Cache::generation`](crate::Cache::generation) says.
    pub fn new(identity: Identity, generation: Generation) -> Self {
        Self {
            identity,
            generation,
            checked_at: SystemTime::now(),
            insertion: None,
            entries: BTreeMap::new(),
        }
    }

    /// Whose it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The generation that it belongs to.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The stay of the token in a reader during which it was read last, as whatever
    /// tells one stay from another has named it; `None` if nothing does.
    pub fn insertion(&self) -> Option<&[u8; 32]> {
        self.insertion.as_ref()
    }

    /// When what others can change by a documented command was last held against the
    /// token. Each entry has its own time beside.
    pub fn checked_at(&self) -> SystemTime {
        self.checked_at
    }

    /// The answers, by what they are.
    pub fn entries(&self) -> &BTreeMap<Item, Entry> {
        &self.entries
    }

    /// An answer.
    pub fn answer(&self, item: Item) -> Option<&Response> {
        self.entries.get(&item).map(|entry| &entry.response)
    }

    /// Bytes of answers.
    pub fn size(&self) -> usize {
        let sizes = self.entries.values().map(|it| it.response.data().len() + 2);
        sizes.sum()
    }

    /// Keeps an answer that came just now.
    pub fn remember(&mut self, item: Item, response: Response) {
        let read_at = SystemTime::now();
        self.keep(item, Entry { response, read_at });
    }

    /// Keeps an answer that came earlier. That a PIN is verified is not kept:
    /// it is so for a moment only.
    pub fn keep(&mut self, item: Item, entry: Entry) {
        let is_open = matches!(item, Item::Tries(_)) && entry.response.status().is_success();
        if !is_open {
            self.entries.insert(item, entry);
        }
    }

    /// Drops answers, and makes it one of another generation.
    pub(crate) fn without(
        mut self,
        forgotten: &dyn Fn(Item) -> bool,
        generation: Generation,
    ) -> Self {
        self.entries.retain(|item, _| !forgotten(*item));
        self.generation = generation;
        self
    }

    /// Sets the stay in a reader during which it was read.
    pub fn set_insertion(&mut self, insertion: Option<[u8; 32]>) {
        self.insertion = insertion;
    }

    /// Sets when it was last held against the token.
    pub fn set_checked_at(&mut self, at: SystemTime) {
        self.checked_at = at;
    }
}
