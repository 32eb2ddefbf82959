//! Readers that are seen, and cards that call themselves, as a test wants.

use std::sync::{Arc, Mutex, PoisonError};

use pcsc_transport::{
    Backend, CardLink, Continuity, Event, EventKind, EventSender, Leave, LinkError, LinkInfo,
    ReaderState, Sharing, Watcher,
};
use piv_apdu::aid;
use piv_apdu::command::ApplicationProperties;
use virtual_token::{MemoryBackend, SharedToken};
use zeroize::Zeroizing;

/// Readers of which a window knows only what a test tells it.
pub(crate) struct Told {
    readers: MemoryBackend,
    watcher: Mutex<Option<Watcher>>,
}

impl Told {
    /// And who tells.
    pub(crate) fn about(readers: &MemoryBackend) -> (Arc<Self>, Teller) {
        let (sender, watcher) = Watcher::channel();
        let told = Self {
            readers: readers.clone(),
            watcher: Mutex::new(Some(watcher)),
        };
        (Arc::new(told), Teller(sender))
    }

    /// They can be watched again, from now on by whom this tells.
    pub(crate) fn mend(&self) -> Teller {
        let (sender, watcher) = Watcher::channel();
        *self.watcher.lock().unwrap() = Some(watcher);
        Teller(sender)
    }

    /// Readers that can't be watched.
    pub(crate) fn nothing() -> Arc<Self> {
        Arc::new(Self {
            readers: MemoryBackend::new(),
            watcher: Mutex::new(None),
        })
    }
}

impl Backend for Told {
    fn name(&self) -> &str {
        self.readers.name()
    }

    fn readers(&self) -> Result<Vec<ReaderState>, LinkError> {
        self.readers.readers()
    }

    fn connect(&self, reader: &str, sharing: Sharing) -> Result<Box<dyn CardLink>, LinkError> {
        self.readers.connect(reader, sharing)
    }

    fn watch(&self) -> Result<Watcher, LinkError> {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        watcher.take().ok_or(LinkError::ServiceUnavailable)
    }
}

/// Tells of readers and of the service.
pub(crate) struct Teller(EventSender);

impl Teller {
    /// Tells that the service has done this.
    pub(crate) fn service(&self, kind: EventKind) {
        self.0.send(Ok(Event::new("", kind)));
    }

    /// Tells of an error.
    pub(crate) fn fails(&self, error: LinkError) {
        self.0.send(Err(error));
    }

    /// Tells that the token is in this reader, which is there from now on.
    pub(crate) fn shows(&self, reader: &str, token: &SharedToken) {
        self.0.send(Ok(Event::new(reader, EventKind::ReaderAdded)));
        let atr = Some(token.atr());
        self.0
            .send(Ok(Event::new(reader, EventKind::CardInserted { atr })));
    }

    /// Tells that this reader is gone, with its token.
    pub(crate) fn takes(&self, reader: &str) {
        self.0.send(Ok(Event::new(reader, EventKind::CardRemoved)));
        self.0
            .send(Ok(Event::new(reader, EventKind::ReaderRemoved)));
    }
}

/// Readers whose cards all call themselves so.
pub(crate) struct Called {
    readers: MemoryBackend,
    name: String,
}

impl Called {
    pub(crate) fn so(readers: &MemoryBackend, name: &str) -> Arc<Self> {
        Arc::new(Self {
            readers: readers.clone(),
            name: name.to_owned(),
        })
    }
}

impl Backend for Called {
    fn name(&self) -> &str {
        self.readers.name()
    }

    fn readers(&self) -> Result<Vec<ReaderState>, LinkError> {
        self.readers.readers()
    }

    fn connect(&self, reader: &str, sharing: Sharing) -> Result<Box<dyn CardLink>, LinkError> {
        Ok(Box::new(CalledLink {
            link: self.readers.connect(reader, sharing)?,
            name: self.name.clone(),
            rest: Vec::new(),
        }))
    }

    fn watch(&self) -> Result<Watcher, LinkError> {
        self.readers.watch()
    }
}

struct CalledLink {
    link: Box<dyn CardLink>,
    name: String,
    /// What GET RESPONSE has yet to fetch.
    rest: Vec<u8>,
}

impl CalledLink {
    fn next_part(&mut self) -> Zeroizing<Vec<u8>> {
        let length = self.rest.len().min(256);
        let mut part: Vec<u8> = self.rest.drain(..length).collect();
        part.extend(match u8::try_from(self.rest.len()) {
            Ok(0) => [0x90, 0x00],
            Ok(left) => [0x61, left],
            Err(_) => [0x61, 0x00],
        });
        Zeroizing::new(part)
    }
}

impl CardLink for CalledLink {
    fn info(&self) -> &LinkInfo {
        self.link.info()
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        self.link.begin()
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        if command.get(1) == Some(&0xC0) && !self.rest.is_empty() {
            return Ok(self.next_part());
        }
        self.rest.clear();
        let answer = self.link.transmit(command)?;
        let selects = command.get(1) == Some(&0xA4) && command.get(5..).is_some_and(is_piv);
        match answer.strip_suffix(&[0x90, 0x00]) {
            Some(properties) if selects => {
                let mut properties = ApplicationProperties::decode(properties).unwrap();
                properties.label = Some(self.name.clone());
                self.rest = properties.encode();
                Ok(self.next_part())
            }
            _ => Ok(answer),
        }
    }

    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        self.link.end(leave)
    }
}

fn is_piv(data: &[u8]) -> bool {
    data.starts_with(&aid::PIV[..5])
}
