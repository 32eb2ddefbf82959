//! A smart card as something that takes a command and gives a response.
//!
//! - [`Backend`]: a place with readers. The system's PC/SC service is one
//!   (`pcsc::PcscBackend`, feature `pcsc`, on by default), software tokens in
//!   this process are others.
//! - [`CardLink`]: one connection to one card, raw bytes both ways; what a
//!   backend or a test implements.
//! - [`Card`] and [`Transaction`]: what programs use. They chain commands, fetch
//!   answers, use extended length where reader and card take it, select an
//!   application when it could have been left and only then, count round-trips,
//!   and leave the card as it was.
//! - [`Watcher`]: readers and cards coming and going, without polling.
//! - [`Transaction::secure`]: secure messaging, as a layer that nobody who sends
//!   commands has to know of. Without it, no PIN goes over a contactless reader.
//! - [`pin_pad`]: readers on whose own keypad the PIN is typed.
//! - [`trace`]: recording what goes over a link, without secrets, and replaying
//!   it as a test.
//!
//! No PIV in here but for the manners: what to log out on leaving, and what a
//! trace may show.
//!
//! # Example
//!
//! A job on a card, here on one that is replayed from a trace. With the PC/SC
//! backend only the first two lines differ:
//! `PcscBackend::new().connect(reader, Sharing::Shared)?`.
//!
//! ```
//! use pcsc_transport::trace::Replayer;
//! use pcsc_transport::Card;
//! use piv_apdu::aid;
//! use piv_apdu::command::GetData;
//! use piv_apdu::object::ObjectTag;
//!
//! let link = Replayer::new("\
//! trace 1
//! reader Example reader
//! atr 3BD596FF8191FE1FC34332333030CC
//! link contact T=1 extended=no
//! begin shared
//! > 00A40400 0B A000000308000010000100 00
//! < 61114F0600001000010079074F05A000000308 9000
//! > 00CB3FFF 05 5C035FC102 00
//! < 5303 30 6102
//! > 00C00000 02
//! < 01D4 9000
//! end as-is
//! ")?;
//! let mut card = Card::new(Box::new(link));
//!
//! // One short transaction per job; nobody else gets in between.
//! let mut transaction = card.begin()?;
//! transaction.ensure_selected(aid::PIV)?;
//! let chuid = transaction.send(&GetData::new(ObjectTag::CHUID))?;
//! transaction.end()?;
//!
//! assert_eq!(*chuid, [0x30, 0x01, 0xD4]);
//! assert_eq!(card.round_trips(), 3); // SELECT, GET DATA, GET RESPONSE
//! card.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Manners
//!
//! Cards are shared: with other programs, and with people. So access is shared
//! by default; a transaction is short and never open while a person is asked
//! something; a command that may have been carried out is never sent again
//! behind the caller's back ([`exchange`] says which are repeated at all); a
//! card that was reset is reported as such ([`LinkError::Reset`],
//! [`Continuity::Lost`]); on leaving, a PIN verified through us is logged out
//! and nothing else is touched; other people's processes are named and left
//! alone.
//!
//! # Features
//!
//! `pcsc` (default): the PC/SC backend, which needs the system's PC/SC library
//! (Debian and Ubuntu: `libpcsclite-dev` to build, `pcscd` to run). Without it
//! all the rest works and links to nothing.

pub mod backend;
pub mod card;
pub mod error;
pub mod exchange;
pub mod link;
#[cfg(feature = "pcsc")]
pub mod pcsc;
pub mod pin_pad;
mod secure;
pub mod trace;
pub mod watch;

pub use backend::{Backend, CardPresence, ReaderState, Sharing};
pub use card::{Card, Transaction};
pub use error::{Holder, LinkError, SendError, TransportError, service_hint};
pub use exchange::Exchange;
pub use link::{
    CardLink, Continuity, ExtendedLength, ExtendedMemory, Insertion, Interface, Leave, LinkInfo,
    Protocol,
};
pub use pin_pad::{PinDigits, PinModify, PinPadError, PinPadFeatures, PinVerify};
pub use watch::{Canceller, Event, EventKind, EventSender, EventSource, Tracker, Watcher};
