//! The tokens of a directory, as readers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use notify::{RecursiveMode, Watcher as _};
use pcsc_transport::{
    Backend, Canceller, CardLink, CardPresence, Event, EventKind, EventSource, LinkError,
    ReaderState, Sharing, Watcher,
};
use piv_apdu::atr::Atr;

use crate::SharedToken;
use crate::link::LinkOptions;
use crate::shared::WeakToken;
use crate::store::{StoreError, TokenName, TokenStore, TokenSummary, token_file};

/// What the name of a token's reader begins with.
const READER_PREFIX: &str = "Virtual ";

/// The tokens of a [`TokenStore`]: each is a reader "Virtual *name*" with its card in
/// it, for this process and every other that uses the directory.
///
/// Links of this process to one token share the card. Another process's make it wait,
/// and then report a sharing violation with the name of the program that holds it.
/// The card is powered on when the first link comes, so what one process verified is
/// never left to the next.
///
/// ```
/// use pcsc_transport::{Backend, Sharing};
/// use virtual_token::store::{TokenName, TokenStore};
/// use virtual_token::{CreateOptions, EmbeddedBackend, Profile};
///
/// let directory = tempfile::tempdir()?;
/// let store = TokenStore::open(directory.path())?;
/// store.create(&TokenName::new("office")?, Profile::Piv, &CreateOptions::default())?;
///
/// let backend = EmbeddedBackend::new(store);
/// assert_eq!(backend.readers()?[0].name, "Virtual office");
/// let link = backend.connect("Virtual office", Sharing::Shared)?;
/// # drop(link);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EmbeddedBackend {
    store: TokenStore,
    slots: Mutex<HashMap<TokenName, Arc<Slot>>>,
}

/// A token's reader within this process.
#[derive(Debug)]
struct Slot {
    options: LinkOptions,
    /// The card, while somebody here has a link to it.
    token: Mutex<Option<WeakToken>>,
}

impl EmbeddedBackend {
    /// The tokens of a store.
    pub fn new(store: TokenStore) -> Self {
        Self {
            store,
            slots: Mutex::default(),
        }
    }

    /// The tokens of a directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn open(directory: impl Into<std::path::PathBuf>) -> Result<Self, StoreError> {
        TokenStore::open(directory).map(Self::new)
    }

    /// The store.
    pub fn store(&self) -> &TokenStore {
        &self.store
    }

    /// The name of a token's reader.
    pub fn reader_name(name: &TokenName) -> String {
        format!("{READER_PREFIX}{name}")
    }

    /// The token that is in a reader of this name.
    pub fn token_name(reader: &str) -> Option<TokenName> {
        reader.strip_prefix(READER_PREFIX)?.parse().ok()
    }

    fn slot(&self, name: &TokenName) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(name.clone()).or_insert_with(|| {
            Arc::new(Slot {
                options: LinkOptions::new(Self::reader_name(name)),
                token: Mutex::default(),
            })
        });
        Arc::clone(slot)
    }

    /// The card, loaded unless somebody here has it.
    fn token(&self, name: &TokenName, slot: &Slot) -> Result<SharedToken, StoreError> {
        // Only this token's slot is locked while waiting for another process.
        let mut held = slot.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = held.as_ref().and_then(WeakToken::upgrade) {
            return Ok(token);
        }
        let token = self.store.load(name)?;
        *held = Some(token.downgrade());
        Ok(token)
    }
}

impl Backend for EmbeddedBackend {
    fn name(&self) -> &'static str {
        "embedded software tokens"
    }

    /// One reader a token. A file that cannot be used is a reader whose card is mute;
    /// connecting to it says what is wrong with the file.
    fn readers(&self) -> Result<Vec<ReaderState>, LinkError> {
        let entries = self.store.list().map_err(backend_error)?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| {
                let name = entry.name.parse().ok()?;
                let card = match entry.token {
                    Ok(TokenSummary { atr, .. }) => CardPresence::Present { atr },
                    Err(_) => CardPresence::Mute,
                };
                Some(ReaderState::new(Self::reader_name(&name), card))
            })
            .collect())
    }

    fn connect(&self, reader: &str, sharing: Sharing) -> Result<Box<dyn CardLink>, LinkError> {
        let no_such_reader = || LinkError::NoSuchReader {
            reader: reader.to_owned(),
        };
        let name = Self::token_name(reader).ok_or_else(no_such_reader)?;
        let slot = self.slot(&name);
        let token = self.token(&name, &slot).map_err(|error| match error {
            StoreError::NotFound { .. } => no_such_reader(),
            StoreError::Busy { holder, .. } => LinkError::SharingViolation {
                reader: reader.to_owned(),
                holders: holder.into_iter().collect(),
            },
            error => backend_error(error),
        })?;
        let options = slot.options.clone().sharing(sharing);
        // The reader is of the kind that the token lies on.
        let link = token.connect(&options.of(token.interface()))?;
        Ok(Box::new(link))
    }

    /// Tokens that are made and removed, by any process, as the directory tells. A
    /// token that is removed again before anybody could look at it is not seen. When
    /// the directory itself is removed, its tokens go, an error says so, and the watch
    /// ends.
    fn watch(&self) -> Result<Watcher, LinkError> {
        let source = StoreWatch::start(self.store.clone())?;
        Ok(Watcher::new(Box::new(source)))
    }
}

fn backend_error(error: impl std::error::Error) -> LinkError {
    LinkError::Backend(error.to_string())
}

/// Compares the directory with what was last told of it, whenever the system says
/// that it has changed.
struct StoreWatch {
    store: TokenStore,
    known: BTreeMap<String, Card>,
    pending: VecDeque<Result<Event, LinkError>>,
    changes: Arc<Changes>,
    /// The directory is gone: nothing can ever come.
    ended: bool,
    /// Ends with this value.
    _watcher: notify::RecommendedWatcher,
}

/// What tells one card from another.
#[derive(Debug, PartialEq, Eq)]
struct Card {
    /// None if the file cannot be used.
    token: Option<(String, Atr)>,
}

/// What has changed since the last look.
#[derive(Default)]
struct Changes {
    state: Mutex<ChangesState>,
    happened: Condvar,
}

#[derive(Default)]
struct ChangesState {
    /// Names in the order in which they changed.
    names: Vec<String>,
    /// Too much has changed, or it is not known what.
    everything: bool,
    failure: Option<String>,
    cancelled: bool,
}

/// More names than this are not kept apart.
const MAX_NAMES: usize = 1024;

impl Changes {
    fn lock(&self) -> MutexGuard<'_, ChangesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut ChangesState)) {
        change(&mut self.lock());
        self.happened.notify_all();
    }

    fn wait(&self) -> ChangesState {
        let mut state = self
            .happened
            .wait_while(self.lock(), |state| {
                state.names.is_empty()
                    && !state.everything
                    && !state.cancelled
                    && state.failure.is_none()
            })
            .unwrap_or_else(PoisonError::into_inner);
        let cancelled = state.cancelled;
        let changes = std::mem::take(&mut *state);
        state.cancelled = cancelled;
        changes
    }
}

impl ChangesState {
    fn system_says(&mut self, event: notify::Result<notify::Event>) {
        match event {
            // Reading is no change; every listing does it.
            Ok(event) if event.kind.is_access() && !event.need_rescan() => {}
            Ok(event) if event.need_rescan() || event.paths.is_empty() => self.everything = true,
            Ok(event) => event.paths.iter().for_each(|path| self.changed(path)),
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    fn changed(&mut self, path: &Path) {
        let Some(name) = token_file(path) else {
            // A temporary file is nothing; the directory itself is everything.
            let hidden = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            self.everything |= !hidden;
            return;
        };
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
        if self.names.len() > MAX_NAMES {
            self.names.clear();
            self.everything = true;
        }
    }
}

impl StoreWatch {
    fn start(store: TokenStore) -> Result<Self, LinkError> {
        let changes = Arc::<Changes>::default();
        let told = Arc::clone(&changes);
        let mut watcher = notify::recommended_watcher(move |event| {
            told.note(|state| state.system_says(event));
        })
        .map_err(backend_error)?;
        // Before the first look, so that nothing falls between.
        watcher
            .watch(store.directory(), RecursiveMode::NonRecursive)
            .map_err(backend_error)?;
        let mut watch = Self {
            store,
            known: BTreeMap::new(),
            pending: VecDeque::new(),
            changes,
            ended: false,
            _watcher: watcher,
        };
        watch.look_at_everything();
        Ok(watch)
    }

    fn look_at_everything(&mut self) {
        match self.store.list() {
            Ok(entries) => self.compare(
                entries
                    .into_iter()
                    .map(|entry| (entry.name, Card::new(entry.token)))
                    .collect(),
            ),
            Err(error) => {
                if !self.store.directory().exists() {
                    self.compare(BTreeMap::new());
                    self.ended = true;
                }
                self.pending.push_back(Err(backend_error(error)));
            }
        }
    }

    /// Tells what is different from this, which is all there is.
    fn compare(&mut self, now: BTreeMap<String, Card>) {
        let gone: Vec<_> = self
            .known
            .keys()
            .filter(|name| !now.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            self.look(&name, None);
        }
        for (name, card) in now {
            self.look(&name, Some(card));
        }
    }

    fn look_at(&mut self, name: &str) {
        let Ok(valid) = TokenName::new(name) else {
            return;
        };
        match self.store.summary(&valid) {
            Err(StoreError::NotFound { .. }) => self.look(name, None),
            token => self.look(name, Some(Card::new(token))),
        }
    }

    /// Tells the difference between what was known and what is.
    fn look(&mut self, name: &str, now: Option<Card>) {
        let Ok(valid) = TokenName::new(name) else {
            return;
        };
        let reader = EmbeddedBackend::reader_name(&valid);
        let before = self.known.get(name);
        if before == now.as_ref() {
            return;
        }
        let mut tell = |kind| self.pending.push_back(Ok(Event::new(&reader, kind)));
        match before {
            Some(_) => tell(EventKind::CardRemoved),
            None => tell(EventKind::ReaderAdded),
        }
        match &now {
            Some(card) => tell(EventKind::CardInserted {
                atr: card.token.as_ref().map(|(_, atr)| *atr),
            }),
            None => tell(EventKind::ReaderRemoved),
        }
        match now {
            Some(card) => self.known.insert(name.to_owned(), card),
            None => self.known.remove(name),
        };
    }
}

impl Card {
    fn new(token: Result<TokenSummary, StoreError>) -> Self {
        Self {
            token: token.ok().map(|token| (token.id, token.atr)),
        }
    }
}

impl EventSource for StoreWatch {
    fn next_event(&mut self) -> Option<Result<Event, LinkError>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            let changes = self.changes.wait();
            if let Some(failure) = changes.failure {
                self.pending.push_back(Err(LinkError::Backend(failure)));
            }
            if changes.everything {
                self.look_at_everything();
            } else {
                for name in changes.names {
                    self.look_at(&name);
                }
            }
            if self.pending.is_empty() && changes.cancelled {
                return None;
            }
        }
    }

    fn canceller(&self) -> Canceller {
        let changes = Arc::clone(&self.changes);
        Canceller::new(move || changes.note(|state| state.cancelled = true))
    }
}
