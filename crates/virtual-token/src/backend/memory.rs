//! Readers and cards that a test moves by hand.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pcsc_transport::{
    Backend, CardLink, CardPresence, Event, EventKind, EventSender, LinkError, ReaderState,
    Sharing, Watcher,
};
use piv_apdu::atr::Atr;

use crate::SharedToken;
use crate::link::LinkOptions;

/// Readers in memory, with [`SharedToken`]s as their cards; clones are the same
/// readers.
///
/// Cards can be inserted and pulled out at any time, also by a
/// [fault](crate::fault), and every watcher sees each of these once and in order.
///
/// ```
/// use pcsc_transport::{Backend, Sharing};
/// use virtual_token::{CreateOptions, MemoryBackend, Profile, SharedToken, VirtualToken};
///
/// let token = SharedToken::new(VirtualToken::create(Profile::Piv, &CreateOptions::default())?);
/// let backend = MemoryBackend::new();
/// backend.insert("Desk", &token)?;
/// let link = backend.connect("Desk", Sharing::Shared)?;
///
/// backend.eject("Desk");
/// assert!(!backend.readers()?[0].card.is_present());
/// # drop(link);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryBackend {
    hub: Arc<Hub>,
}

#[derive(Default)]
struct Hub {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    readers: Vec<Reader>,
    watchers: Vec<EventSender>,
    next_card: u64,
}

struct Reader {
    options: LinkOptions,
    card: Option<Inserted>,
    /// Insertions and removals.
    events: u16,
}

struct Inserted {
    /// Tells this insertion from every other one.
    number: u64,
    token: SharedToken,
    insertion: u64,
    atr: Atr,
}

/// The reader has a card in it already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is a card in the reader \"{}\" already; eject it first", reader.escape_debug())]
pub struct ReaderInUse {
    /// The reader.
    pub reader: String,
}

impl MemoryBackend {
    /// No readers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an empty reader of a certain kind. If there is one of this name, it stays
    /// and nothing happens.
    pub fn add_reader(&self, options: LinkOptions) {
        self.hub.lock().reader(options);
    }

    /// Takes a reader away, its card pulled out before. False if there is none of
    /// this name.
    pub fn remove_reader(&self, reader: &str) -> bool {
        loop {
            self.eject(reader);
            let mut state = self.hub.lock();
            let Some(index) = state.position(reader) else {
                return false;
            };
            // Another thread may have inserted a card in between.
            if state.readers[index].card.is_none() {
                state.readers.remove(index);
                state.announce(&Event::new(reader, EventKind::ReaderRemoved));
                return true;
            }
        }
    }

    /// Inserts a token into a reader, after pulling it out of the one it was in. The
    /// reader is added if it is not there. The token lies on the reader's interface then:
    /// see [`LinkOptions::contactless`].
    ///
    /// # Errors
    ///
    /// [`ReaderInUse`] if another card is in it; the token is in no reader then.
    pub fn insert(&self, reader: &str, token: &SharedToken) -> Result<(), ReaderInUse> {
        loop {
            token.eject();
            let mut state = self.hub.lock();
            let index = state.reader(LinkOptions::new(reader));
            if state.readers[index].card.is_some() {
                return Err(ReaderInUse {
                    reader: reader.to_owned(),
                });
            }
            let number = state.next_card;
            let hub = Arc::downgrade(&self.hub);
            let name = reader.to_owned();
            let on_removal = Box::new(move || {
                if let Some(hub) = hub.upgrade() {
                    hub.lock().card_removed(&name, number);
                }
            });
            // With the lock held: whoever hears of the card can connect to it.
            let interface = state.readers[index].options.interface();
            if let Ok(insertion) = token.insert(interface, on_removal) {
                state.next_card += 1;
                let reader = &mut state.readers[index];
                let atr = token.atr();
                reader.card = Some(Inserted {
                    number,
                    token: token.clone(),
                    insertion,
                    atr,
                });
                reader.events = reader.events.wrapping_add(1);
                let event = Event::new(
                    reader.options.reader(),
                    EventKind::CardInserted { atr: Some(atr) },
                );
                state.announce(&event);
                return Ok(());
            }
        }
    }

    /// Pulls the card out of a reader and gives it back; none if there is none. Every
    /// link to it is dead from now on.
    pub fn eject(&self, reader: &str) -> Option<SharedToken> {
        let (token, insertion) = {
            let state = self.hub.lock();
            let card = state.readers[state.position(reader)?].card.as_ref()?;
            (card.token.clone(), card.insertion)
        };
        token.eject_insertion(insertion).then_some(token)
    }
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn position(&self, reader: &str) -> Option<usize> {
        self.readers
            .iter()
            .position(|candidate| candidate.options.reader() == reader)
    }

    /// The place of the reader of this name, which is added if it is not there.
    fn reader(&mut self, options: LinkOptions) -> usize {
        if let Some(index) = self.position(options.reader()) {
            return index;
        }
        let event = Event::new(options.reader(), EventKind::ReaderAdded);
        self.readers.push(Reader {
            options,
            card: None,
            events: 0,
        });
        self.announce(&event);
        self.readers.len() - 1
    }

    fn card_removed(&mut self, reader: &str, number: u64) {
        let Some(index) = self.position(reader) else {
            return;
        };
        let reader = &mut self.readers[index];
        if reader
            .card
            .as_ref()
            .is_some_and(|card| card.number == number)
        {
            reader.card = None;
            reader.events = reader.events.wrapping_add(1);
            let event = Event::new(reader.options.reader(), EventKind::CardRemoved);
            self.announce(&event);
        }
    }

    fn announce(&mut self, event: &Event) {
        self.watchers
            .retain(|watcher| watcher.send(Ok(event.clone())));
    }

    /// What a watcher that comes now has missed.
    fn so_far(&self) -> VecDeque<Event> {
        let mut events = VecDeque::new();
        for reader in &self.readers {
            let name = reader.options.reader();
            events.push_back(Event::new(name, EventKind::ReaderAdded));
            if let Some(card) = &reader.card {
                let inserted = EventKind::CardInserted {
                    atr: Some(card.atr),
                };
                events.push_back(Event::new(name, inserted));
            }
        }
        events
    }
}

impl Backend for MemoryBackend {
    fn name(&self) -> &'static str {
        "software tokens in memory"
    }

    fn readers(&self) -> Result<Vec<ReaderState>, LinkError> {
        let state = self.hub.lock();
        Ok(state
            .readers
            .iter()
            .map(|reader| {
                let card = match &reader.card {
                    Some(card) => CardPresence::Present { atr: card.atr },
                    None => CardPresence::Empty,
                };
                ReaderState::new(reader.options.reader(), card).with_event_count(reader.events)
            })
            .collect())
    }

    fn connect(&self, reader: &str, sharing: Sharing) -> Result<Box<dyn CardLink>, LinkError> {
        let (token, options) = {
            let state = self.hub.lock();
            let index = state
                .position(reader)
                .ok_or_else(|| LinkError::NoSuchReader {
                    reader: reader.to_owned(),
                })?;
            let slot = &state.readers[index];
            let card = slot.card.as_ref().ok_or_else(|| LinkError::NoCard {
                reader: reader.to_owned(),
            })?;
            (card.token.clone(), slot.options.clone())
        };
        let link = token.connect(&options.sharing(sharing))?;
        Ok(Box::new(link))
    }

    fn watch(&self) -> Result<Watcher, LinkError> {
        let (sender, watcher) = Watcher::channel();
        let mut state = self.hub.lock();
        for event in state.so_far() {
            sender.send(Ok(event));
        }
        state.watchers.push(sender);
        Ok(watcher)
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.hub.lock();
        f.debug_struct("MemoryBackend")
            .field("readers", &state.readers.len())
            .field("watchers", &state.watchers.len())
            .finish()
    }
}
