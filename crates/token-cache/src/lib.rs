//! What may be remembered about a PIV token, where it is kept, and how it is
//! known to be stale.
//!
//! What is remembered are a card's own answers to commands that read what is
//! public ([`Item`]): a token that is known can so be shown without asking it
//! everything again, by the code that reads a card, and nothing is decoded
//! twice in two ways. A secret has no [`Item`]: no PIN, PUK or key, and no data
//! object that only the PIN opens ([`PublicObject`]).
//!
//! A [`Cache`] has two tiers behind one [`Tier`] interface, the process's memory
//! and a folder of the user's, each of which can be left out. Whoever is about
//! to change a token calls [`Cache::forget`] first, inside of the card's
//! transaction; whoever has read one asks for the [`Generation`] inside of the
//! same transaction and stores its [`Snapshot`] with it. So a snapshot that was
//! read before a change is never taken for one that was read after it, however
//! many programs run at once (docs/cache.md).
//!
//! ```
//! use piv_apdu::apdu::Response;
//! use piv_apdu::atr::Atr;
//! use piv_apdu::object::{Guid, ObjectTag};
//! use piv_apdu::status::StatusWord;
//! use token_cache::{Cache, Identity, Item, Snapshot};
//!
//! let atr = Atr::parse(&[0x3B, 0x80, 0x80, 0x01, 0x01])?;
//! let identity = Identity::new(&atr, Some(Guid([7; 16])), None).ok_or("has a GUID")?;
//! let name = identity.name().clone();
//! let cache = Cache::off().with_memory();
//!
//! let mut snapshot = Snapshot::new(identity, cache.generation(&name));
//! let chuid = Item::object(ObjectTag::CHUID).ok_or("is public")?;
//! snapshot.remember(chuid, Response::new(&[0x53, 0x00], StatusWord::SUCCESS));
//! assert!(Item::object(ObjectTag::PRINTED_INFORMATION).is_none(), "only the PIN opens it");
//!
//! cache.store(snapshot);
//! assert!(cache.read(&name).is_some_and(|known| known.answer(chuid).is_some()));
//! // Before the object is written:
//! cache.forget(&name, |item| item == chuid);
//! assert!(cache.read(&name).is_some_and(|known| known.answer(chuid).is_none()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
mod disk;
mod format;
mod identity;
mod item;
mod memory;
mod snapshot;
mod tier;

pub use cache::{Cache, Held};
pub use disk::DiskTier;
pub use identity::{Identity, Name};
pub use item::{Item, PublicObject};
pub use memory::MemoryTier;
pub use snapshot::{Entry, Snapshot};
pub use tier::{Change, Counts, Generation, Tier};

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
