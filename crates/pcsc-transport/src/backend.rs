//! A place with readers in it.

use piv_apdu::atr::Atr;

use crate::error::{Holder, LinkError};
use crate::link::CardLink;
use crate::watch::Watcher;

/// How a card is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// Others may use the card too, between transactions. What every job that
    /// has no reason against it uses.
    #[default]
    Shared,
    /// Nobody else, as long as the link is open.
    Exclusive,
}

/// What a reader holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CardPresence {
    /// No card.
    Empty,
    /// A card that answered to reset.
    Present {
        /// Its answer to reset.
        atr: Atr,
    },
    /// A card that another program holds exclusively.
    InUseExclusively {
        /// Its answer to reset, where the service tells.
        atr: Option<Atr>,
        /// Who may be holding it; empty where the system does not tell.
        holders: Vec<Holder>,
    },
    /// Something is in the reader and does not answer to reset, or answers what
    /// is no ATR.
    Mute,
    /// The reader is listed and cannot be used at the moment.
    Unavailable,
}

impl CardPresence {
    /// The ATR of the card, if one is there and known.
    pub fn atr(&self) -> Option<&Atr> {
        match self {
            CardPresence::Present { atr } => Some(atr),
            CardPresence::InUseExclusively { atr, .. } => atr.as_ref(),
            _ => None,
        }
    }

    /// True if anything is in the reader.
    pub fn is_present(&self) -> bool {
        !matches!(self, CardPresence::Empty | CardPresence::Unavailable)
    }
}

/// A reader and what it holds, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReaderState {
    /// The reader's name. Comes from outside: make it safe before printing it
    /// to a terminal.
    pub name: String,
    /// What it holds.
    pub card: CardPresence,
    /// How many insertions and removals the reader has seen, modulo 65,536,
    /// where the service counts them: it tells a card from the same card
    /// inserted again.
    pub event_count: Option<u16>,
}

impl ReaderState {
    /// A reader's state without an event count.
    pub fn new(name: impl Into<String>, card: CardPresence) -> Self {
        ReaderState {
            name: name.into(),
            card,
            event_count: None,
        }
    }

    /// Adds the count of insertions and removals.
    #[must_use]
    pub fn with_event_count(mut self, count: u16) -> Self {
        self.event_count = Some(count);
        self
    }
}

/// A place with readers: the system's PC/SC service, or software tokens in this
/// process.
pub trait Backend: Send + Sync {
    /// What to call it in a sentence: "PC/SC", "embedded software tokens".
    fn name(&self) -> &str;

    /// The readers and what they hold, now. Sends nothing to any card. No
    /// reader at all is an empty list, not an error.
    ///
    /// # Errors
    ///
    /// [`LinkError::ServiceUnavailable`] and its kin.
    fn readers(&self) -> Result<Vec<ReaderState>, LinkError>;

    /// Connects to the card in a reader. Sends no APDU.
    ///
    /// # Errors
    ///
    /// [`LinkError::NoSuchReader`], [`LinkError::NoCard`],
    /// [`LinkError::SharingViolation`] and others.
    fn connect(&self, reader: &str, sharing: Sharing) -> Result<Box<dyn CardLink>, LinkError>;

    /// Starts to watch readers and cards come and go. The first events say what
    /// is there already.
    ///
    /// # Errors
    ///
    /// A [`LinkError`] if watching is not possible at all. A service that is
    /// not there yet is no error: it is waited for.
    fn watch(&self) -> Result<Watcher, LinkError>;
}
