//! A smart card as something that takes a command and gives a response.

pub mod backend;
pub mod card;
pub mod error;
pub mod exchange;
pub mod link;
#[cfg(feature = "pcsc")]
pub mod pcsc;
pub mod trace;
pub mod watch;

pub use backend::{Backend, CardPresence, ReaderState, Sharing};
pub use card::{Card, Transaction};
pub use error::{Holder, LinkError, SendError, TransportError, service_hint};
pub use exchange::Exchange;
pub use link::{
    CardLink, Continuity, ExtendedLength, ExtendedMemory, Interface, Leave, LinkInfo, Protocol,
};
pub use watch::{Canceller, Event, EventKind, EventSender, EventSource, Watcher};
