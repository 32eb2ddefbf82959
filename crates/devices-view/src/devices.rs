//! The tokens that are there, as the window knows them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::mpsc::Receiver;

use crescendo_ext::identity::Identity;
use pcsc_transport::{Event, EventKind, LinkError};
use piv_apdu::atr::Atr;
use token_desktop::safe;
use token_manager::{ActionError, Manager, Token, TokenIdentity};

use crate::clearing::Clearing;
use crate::widgets::card_name;
use crate::work::{News, Snapshot, Window, Worker, is_same, wait_for_threads};

/// One stay of a token in a reader.
pub(crate) struct Device {
    /// The reader's name.
    pub(crate) reader: String,
    /// Tells this stay from all others, in whichever reader.
    pub(crate) stay: u64,
    /// Its answer to reset; `None` if it gave none.
    pub(crate) atr: Option<Atr>,
    /// What talks to it.
    pub(crate) worker: Worker,
    /// What was read of it.
    pub(crate) snapshot: Option<Box<Snapshot>>,
    /// Whether it is being read.
    pub(crate) is_read: bool,
    /// Why it could not be read.
    pub(crate) error: Option<ActionError>,
    /// Whether the PIN is in.
    pub(crate) is_open: bool,
    /// Whether what is remembered of it is being forgotten.
    pub(crate) clearing: Clearing,
}

impl Device {
    /// The token, if anything was read of it.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.snapshot.as_ref().map(|snapshot| &snapshot.token)
    }

    /// What it is called: as it says itself, or as the answer to reset tells; to be shown.
    pub(crate) fn name(&self) -> String {
        let by_atr = || {
            let identity = self.atr.as_ref().and_then(Identity::from_atr);
            identity.map(|identity| identity.name().to_owned())
        };
        let by_token = self.token().map(|token| card_name(&token.identity.name));
        by_token
            .or_else(by_atr)
            .unwrap_or_else(|| "Smart card".to_owned())
    }

    /// Its reader, and its stay there.
    pub(crate) fn place(&self) -> (String, u64) {
        (self.reader.clone(), self.stay)
    }

    /// The reader's name, to be shown.
    pub(crate) fn reader_name(&self) -> Cow<'_, str> {
        safe(&self.reader)
    }

    /// The short identifier, once all that is shown has been held against the token.
    pub(crate) fn id(&self) -> Option<String> {
        let token = self.token().filter(|_| !self.is_read)?;
        token.identity.id()
    }

    /// Why no dialog can be opened for it: nothing was read of it.
    pub(crate) fn why_not_open(&self) -> Option<&'static str> {
        match (&self.snapshot, &self.error) {
            (Some(_), _) => None,
            (None, Some(_)) => Some("The token can't be read."),
            (None, None) => Some("The token is being read."),
        }
    }

    /// Whether it is this token. One that nothing tells from another is never taken for it.
    pub(crate) fn is(&self, identity: &TokenIdentity) -> bool {
        self.token()
            .is_some_and(|token| is_same(&token.identity, identity))
    }
}

/// All of them, and the readers.
pub(crate) struct Devices {
    manager: Manager,
    /// `None` only when the window closes.
    window: Option<Window>,
    news: Receiver<(u64, News)>,
    readers: BTreeSet<String>,
    present: Vec<Device>,
    next_stay: u64,
    /// What keeps readers from being seen.
    pub(crate) trouble: Option<Trouble>,
}

/// What keeps readers from being seen.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The smart card service is not there; it is waited for.
    NoService,
    /// It failed.
    Failed(LinkError),
}

impl Devices {
    pub(crate) fn new(manager: Manager, window: Window, news: Receiver<(u64, News)>) -> Self {
        Self {
            manager,
            window: Some(window),
            news,
            readers: BTreeSet::new(),
            present: Vec::new(),
            next_stay: 0,
            trouble: None,
        }
    }

    /// The tokens, in the order of their readers' names.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Device> {
        self.present.iter()
    }

    /// Whether there is a reader at all.
    pub(crate) fn has_reader(&self) -> bool {
        !self.readers.is_empty()
    }

    /// The token in this stay, if it is still there.
    pub(crate) fn get(&self, stay: u64) -> Option<&Device> {
        self.present.iter().find(|device| device.stay == stay)
    }

    fn get_mut(&mut self, stay: u64) -> Option<&mut Device> {
        self.present.iter_mut().find(|device| device.stay == stay)
    }

    /// What a reader or the service has done.
    pub(crate) fn note(&mut self, event: Result<Event, LinkError>) {
        let Event { reader, kind, .. } = match event {
            Ok(event) => event,
            Err(error) => {
                self.trouble = Some(Trouble::Failed(error));
                return;
            }
        };
        match kind {
            EventKind::ReaderAdded => {
                // Whatever has failed, readers can be seen again.
                self.trouble = None;
                self.readers.insert(reader);
            }
            EventKind::ReaderRemoved => {
                self.readers.remove(&reader);
                self.remove(&reader);
            }
            EventKind::CardInserted { atr } => self.insert(reader, atr),
            EventKind::CardRemoved => self.remove(&reader),
            // Where it has refused this person, it is not there for them either.
            EventKind::ServiceLost if self.trouble.is_some() => {}
            EventKind::ServiceLost => self.trouble = Some(Trouble::NoService),
            EventKind::ServiceBack => self.trouble = None,
            _ => {}
        }
    }

    /// Forgets all readers, and what kept them from being seen.
    pub(crate) fn forget_readers(&mut self) {
        self.readers.clear();
        self.present.clear();
        self.trouble = None;
    }

    fn insert(&mut self, reader: String, atr: Option<Atr>) {
        self.remove(&reader);
        let Some(window) = &self.window else {
            return;
        };
        self.next_stay += 1;
        let stay = self.next_stay;
        let worker = Worker::start(self.manager.clone(), &reader, stay, window);
        self.present.push(Device {
            reader,
            stay,
            atr,
            worker,
            snapshot: None,
            is_read: true,
            error: None,
            is_open: false,
            clearing: Clearing::default(),
        });
        self.present.sort_by(|a, b| a.reader.cmp(&b.reader));
    }

    fn remove(&mut self, reader: &str) {
        self.present.retain(|device| device.reader != reader);
    }

    /// Takes in what the threads have told since.
    pub(crate) fn listen(&mut self) {
        while let Ok((stay, news)) = self.news.try_recv() {
            if let Some(device) = self.get_mut(stay) {
                device.take(news);
            }
        }
        if let Some(window) = &self.window {
            for device in &mut self.present {
                device.clearing.catch_up(window.context());
            }
        }
    }

    /// Forgets what is remembered of a token, and reads it anew.
    pub(crate) fn clear_cache(&mut self, stay: u64) {
        if let Some(device) = self.get_mut(stay) {
            device.clearing.begin(&device.worker);
        }
    }

    /// From now on with this manager: what is there is read again.
    pub(crate) fn use_manager(&mut self, manager: Manager) {
        self.manager = manager;
        let there: Vec<_> = self
            .present
            .iter()
            .map(|device| (device.reader.clone(), device.atr))
            .collect();
        for (reader, atr) in there {
            self.insert(reader, atr);
        }
    }
}

impl Drop for Devices {
    /// The program may end right after: each thread has to have locked its token by then.
    fn drop(&mut self) {
        self.present.clear();
        self.window = None;
        wait_for_threads(&self.news);
    }
}

impl Device {
    fn take(&mut self, news: News) {
        match news {
            News::Reading => self.is_read = true,
            News::Seen(snapshot) => {
                // What was remembered is held against the token next.
                self.is_read = is_unchecked(&snapshot.token);
                self.snapshot = Some(snapshot);
                self.error = None;
            }
            News::Unreadable(error) => {
                self.is_read = false;
                self.error = Some(error);
            }
            News::Unlocked => self.is_open = true,
            News::Locked => self.is_open = false,
        }
    }
}

fn is_unchecked(token: &Token) -> bool {
    let remembered = token.remembered;
    remembered.is_some_and(|it| it.freshness == token_manager::Freshness::Quick)
}
