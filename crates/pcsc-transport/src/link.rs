//! One connection to one card: raw bytes in, raw bytes out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use piv_apdu::atr::Atr;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::LinkError;
use crate::pin_pad::{PinModify, PinPadFeatures, PinVerify};

/// Over which interface of the card the link runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interface {
    /// Contacts (ISO 7816-3), or a token's USB plug.
    Contact,
    /// Radio (ISO 14443).
    Contactless,
}

impl Interface {
    /// Contactless if the answer to reset is of the form that PC/SC part 3 builds for
    /// contactless cards.
    #[must_use]
    pub fn of(atr: &Atr) -> Self {
        if atr.is_contactless_pcsc() {
            Interface::Contactless
        } else {
            Interface::Contact
        }
    }
}

/// The transmission protocol in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// T=0, character oriented: no command with both data and Le, no extended
    /// length.
    T0,
    /// T=1, block oriented; also what contactless readers report.
    T1,
    /// Another one; treated like T=1.
    Other,
}

/// Whether a link carries extended length APDUs (ISO 7816-4, 5.1).
///
/// This says what the *reader* (or whatever stands for one) can do. The card's
/// own word is in the historical bytes of its ATR; both must agree before
/// anything extended is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtendedLength {
    /// Yes, up to these many bytes of data.
    Yes {
        /// The most bytes of command data (Lc), up to 65,535.
        max_command: usize,
        /// The most bytes of response data (Le), up to 65,536.
        max_response: usize,
    },
    /// No, short APDUs only.
    No,
    /// The reader does not say: try with a command that may be repeated, and
    /// remember.
    Untested,
}

impl ExtendedLength {
    /// The full range of ISO 7816-4: 65,535 bytes in, 65,536 bytes out.
    pub const FULL: ExtendedLength = ExtendedLength::Yes {
        max_command: 65_535,
        max_response: 65_536,
    };
}

/// What was found out about extended length on one reader, shared by all links
/// to this reader.
///
/// A backend that opens a reader more than once hands the same memory to each
/// link, so that a reader which fails is asked once and not each time.
#[derive(Clone, Debug, Default)]
pub struct ExtendedMemory(Arc<AtomicU8>);

impl ExtendedMemory {
    const UNKNOWN: u8 = 0;
    const WORKS: u8 = 1;
    const REFUSED: u8 = 2;

    /// A memory that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `Some(true)`: an extended exchange has worked. `Some(false)`: it failed
    /// where the short form worked. `None`: not tried.
    pub fn verdict(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            Self::WORKS => Some(true),
            Self::REFUSED => Some(false),
            _ => None,
        }
    }

    /// Notes that an extended exchange has worked; a refusal stays a refusal.
    pub(crate) fn works(&self) {
        let _ = self.0.compare_exchange(
            Self::UNKNOWN,
            Self::WORKS,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// Notes that extended length fails here.
    pub(crate) fn refused(&self) {
        self.0.store(Self::REFUSED, Ordering::Relaxed);
    }
}

/// What is known about a link when it is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkInfo {
    /// The reader's name, as the backend lists it. Comes from outside: make it
    /// safe before printing it to a terminal.
    pub reader: String,
    /// The card's answer to reset.
    pub atr: Atr,
    /// Contact or contactless.
    pub interface: Interface,
    /// The transmission protocol in use.
    pub protocol: Protocol,
    /// What the reader says about extended length.
    pub extended: ExtendedLength,
    /// What was found out about extended length.
    pub extended_memory: ExtendedMemory,
}

impl LinkInfo {
    /// A link of that name and ATR, T=1, extended length untested, on the interface
    /// that the ATR tells ([`Interface::of`]).
    pub fn new(reader: impl Into<String>, atr: Atr) -> Self {
        let interface = Interface::of(&atr);
        LinkInfo {
            reader: reader.into(),
            atr,
            interface,
            protocol: Protocol::T1,
            extended: ExtendedLength::Untested,
            extended_memory: ExtendedMemory::new(),
        }
    }

    /// Sets the interface.
    #[must_use]
    pub fn with_interface(mut self, interface: Interface) -> Self {
        self.interface = interface;
        self
    }

    /// Sets the protocol.
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets what the reader says about extended length.
    #[must_use]
    pub fn with_extended(mut self, extended: ExtendedLength) -> Self {
        self.extended = extended;
        self
    }

    /// Shares what was found out about extended length with other links.
    #[must_use]
    pub fn with_extended_memory(mut self, memory: ExtendedMemory) -> Self {
        self.extended_memory = memory;
        self
    }
}

/// What may have happened to the card between two transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Continuity {
    /// Nobody else had the card: applet and security state are as they were.
    Unbroken,
    /// Others may have used the card: another applet may be selected, PINs may
    /// have been verified or logged out.
    Shared,
    /// The card was reset or exchanged: applet and security state are gone.
    Lost,
}

/// One stay of a card in a reader, from being put in to being taken out: two equal
/// ones are the same stay of the same card.
///
/// Made of whatever tells that for certain on a system, and of no use but to be
/// compared, also by another process later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Insertion([u8; 32]);

impl Insertion {
    /// The stay that these parts, all of them, tell from every other one.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }

    /// As 32 bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

/// In what state a transaction leaves the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leave {
    /// As it is.
    AsIs,
    /// Reset: nothing selected, nothing verified. Other programs that share
    /// the card are told so by their PC/SC.
    Reset,
}

/// A connection to a card, as backends implement it: raw command APDU in, raw
/// response APDU (data, then SW1 SW2) out.
///
/// Callers use [`Card`](crate::Card), which adds chaining, GET RESPONSE,
/// extended length and the memory of what is selected. An implementation does
/// none of that and never sends a command twice.
///
/// Dropping a link closes it and leaves the card as it is.
///
/// A link that wraps another one forwards [`insertion`](CardLink::insertion) and the
/// methods for the PIN pad too: their defaults are those of a reader that has none.
pub trait CardLink: Send {
    /// What is known about the link.
    fn info(&self) -> &LinkInfo;

    /// Begins a transaction: until [`end`](CardLink::end), nobody else gets
    /// through to the card. Waits for a transaction of someone else to end.
    /// A card that was reset in the meantime is connected anew and reported as
    /// [`Continuity::Lost`]; one that lies on another [`Interface`] then than
    /// [`info`](CardLink::info) says is [`LinkError::Removed`].
    ///
    /// # Errors
    ///
    /// Any [`LinkError`]; no transaction is open then.
    fn begin(&mut self) -> Result<Continuity, LinkError>;

    /// Sends one command APDU and returns the response APDU, once.
    ///
    /// # Errors
    ///
    /// Any [`LinkError`]. [`LinkError::Reset`]: the card's state is lost.
    /// [`LinkError::NotTransacted`] and others: whether the card carried the
    /// command out is unknown. The transaction must still be ended.
    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError>;

    /// Ends the transaction.
    ///
    /// # Errors
    ///
    /// Any [`LinkError`]; the transaction is over all the same.
    fn end(&mut self, leave: Leave) -> Result<(), LinkError>;

    /// Which stay of a card in a reader this is, for certain; `None` where nothing
    /// tells, as by default. Asked within a transaction. Sends nothing to the card.
    fn insertion(&mut self) -> Option<Insertion> {
        None
    }

    /// What the reader's own PIN pad can do. Asks the reader at most once, and
    /// never the card.
    fn pin_pad(&mut self) -> PinPadFeatures {
        PinPadFeatures::NONE
    }

    /// Has a PIN typed on the reader and sends the command with it to the card,
    /// once; waits for the person. Returns what comes: the card's response, or a
    /// status word of the reader if there was nothing to send
    /// ([`PinPadError`](crate::PinPadError)).
    ///
    /// # Errors
    ///
    /// [`LinkError::NoPinPad`]: nothing was sent. Others as of
    /// [`transmit`](CardLink::transmit).
    fn verify_on_pin_pad(&mut self, request: &PinVerify) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        let _ = request;
        Err(LinkError::NoPinPad)
    }

    /// Has the old PIN and, twice, the new one typed on the reader and sends the
    /// command with them to the card, as
    /// [`verify_on_pin_pad`](CardLink::verify_on_pin_pad) does.
    ///
    /// # Errors
    ///
    /// As of [`verify_on_pin_pad`](CardLink::verify_on_pin_pad).
    fn modify_on_pin_pad(&mut self, request: &PinModify) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        let _ = request;
        Err(LinkError::NoPinPad)
    }
}

impl<L: CardLink + ?Sized> CardLink for Box<L> {
    fn info(&self) -> &LinkInfo {
        (**self).info()
    }
    fn begin(&mut self) -> Result<Continuity, LinkError> {
        (**self).begin()
    }
    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        (**self).transmit(command)
    }
    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        (**self).end(leave)
    }
    fn insertion(&mut self) -> Option<Insertion> {
        (**self).insertion()
    }
    fn pin_pad(&mut self) -> PinPadFeatures {
        (**self).pin_pad()
    }
    fn verify_on_pin_pad(&mut self, request: &PinVerify) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        (**self).verify_on_pin_pad(request)
    }
    fn modify_on_pin_pad(&mut self, request: &PinModify) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        (**self).modify_on_pin_pad(request)
    }
}
