//! The system's PC/SC service as a backend: pcsc-lite, macOS, Windows.
//!
//! # Threads
//!
//! Each connection has a thread of its own, which owns the `pcsc` crate's card
//! and its context and serves the link's `begin`, `transmit` and `end` over
//! channels. The reason: that crate's `Transaction` borrows the `Card`, while a
//! [`CardLink`] begins and ends transactions in separate
//! calls. Holding both in one value would be a self-reference, which takes
//! `unsafe`; forgetting the guard and ending the transaction later is not
//! possible, for the crate ends one only through the guard. On the thread's
//! stack the guard simply lives as long as the transaction. It costs two
//! channel hops an APDU, some 10 µs where a card takes milliseconds. A context
//! of its own also keeps a slow reader from delaying another: calls on one
//! context are serialised.
//!
//! # Unknown return codes
//!
//! In debug builds the `pcsc` crate panics on return codes it does not know
//! (Windows has some). Each call is caught, and such a code becomes
//! [`LinkError::Pcsc`] with code 0. The panic message still
//! appears on standard error; in builds with `panic = "abort"` nothing can be
//! caught.

mod convert;
mod features;
mod holders;
mod insertion;
mod link;
mod service;
mod socket;
mod watcher;

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use piv_apdu::atr::Atr;

use crate::backend::{Backend, CardPresence, ReaderState, Sharing};
use crate::error::LinkError;
use crate::link::{CardLink, ExtendedMemory};
use crate::watch::Watcher;

pub use holders::holders;

/// What was found out about extended length in this process, by reader name and
/// ATR.
static MEMORIES: LazyLock<Mutex<HashMap<(String, Atr), ExtendedMemory>>> =
    LazyLock::new(Mutex::default);

/// More readers and cards than any process sees; the memory starts anew then.
const MEMORY_LIMIT: usize = 256;

fn extended_memory(reader: &str, atr: &Atr) -> ExtendedMemory {
    let mut memories = MEMORIES.lock().unwrap_or_else(PoisonError::into_inner);
    if memories.len() >= MEMORY_LIMIT {
        memories.clear();
    }
    memories
        .entry((reader.to_owned(), *atr))
        .or_default()
        .clone()
}

/// The system's PC/SC service.
///
/// Making one connects to nothing: a service that is not there is an error of
/// the operations, so that a program can start before the service does.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct PcscBackend;

impl PcscBackend {
    /// The system's PC/SC service.
    pub fn new() -> Self {
        Self
    }
}

impl Backend for PcscBackend {
    fn name(&self) -> &'static str {
        "PC/SC"
    }

    fn readers(&self) -> Result<Vec<ReaderState>, LinkError> {
        let context = service::establish()?;
        let names = service::reader_names(&context)?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut states: Vec<pcsc::ReaderState> = names
            .iter()
            .map(|name| pcsc::ReaderState::new(name.clone(), pcsc::State::UNAWARE))
            .collect();
        // With a time of zero this tells the states and does not wait.
        match convert::guarded(|| context.get_status_change(Duration::ZERO, &mut states)) {
            Ok(()) | Err(LinkError::Timeout) => {}
            // A reader that went away in between: say what is there now.
            Err(LinkError::NoSuchReader { .. }) => return reader_by_reader(&context),
            Err(error) => return Err(error),
        }
        Ok(states.iter().map(described).collect())
    }

    fn connect(&self, reader: &str, sharing: Sharing) -> Result<Box<dyn CardLink>, LinkError> {
        let name = CString::new(reader).map_err(|_| LinkError::NoSuchReader {
            reader: reader.to_owned(),
        })?;
        let mut link = link::PcscLink::connect(name, reader, sharing)?;
        link.set_memory(extended_memory(reader, &link.info().atr));
        Ok(Box::new(link))
    }

    fn watch(&self) -> Result<Watcher, LinkError> {
        watcher::watch()
    }
}

/// The readers' states, leaving out readers that go away meanwhile.
fn reader_by_reader(context: &pcsc::Context) -> Result<Vec<ReaderState>, LinkError> {
    let mut found = Vec::new();
    for name in service::reader_names(context)? {
        let mut states = [pcsc::ReaderState::new(name, pcsc::State::UNAWARE)];
        match convert::guarded(|| context.get_status_change(Duration::ZERO, &mut states)) {
            Ok(()) | Err(LinkError::Timeout) => found.push(described(&states[0])),
            Err(LinkError::NoSuchReader { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// A reader's state, with the names of who may be holding it.
fn described(state: &pcsc::ReaderState) -> ReaderState {
    let mut described = convert::reader_state(state);
    if let CardPresence::InUseExclusively { holders, .. } = &mut described.card {
        *holders = self::holders();
    }
    described
}
