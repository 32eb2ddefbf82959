//! Snapshots to remember.

#![allow(
    dead_code,
    clippy::expect_used,
    reason = "each test file is a program of its own, and uses a part; a failure is a failed test"
)]

use piv_apdu::apdu::Response;
use piv_apdu::atr::Atr;
use piv_apdu::object::{Guid, ObjectTag};
use piv_apdu::status::StatusWord;
use token_cache::{Cache, Generation, Identity, Item, Name, Snapshot};

/// An answer to reset, one of many.
pub(crate) fn atr(number: u8) -> Atr {
    Atr::parse(&[0x3B, 0x02, 0x50, number]).expect("is an ATR")
}

/// A token that is told from others by this number.
pub(crate) fn identity(number: u8) -> Identity {
    identity_on(&atr(0), number)
}

/// The same token, with the ATR that it has on one of its interfaces.
pub(crate) fn identity_on(atr: &Atr, number: u8) -> Identity {
    let mut guid = [0xA5; 16];
    guid[15] = number;
    let serial = format!("9999{number:04}");
    Identity::new(atr, Some(Guid(guid)), Some(serial)).expect("has a GUID")
}

pub(crate) fn name(number: u8) -> Name {
    identity(number).name().clone()
}

pub(crate) fn object(tag: ObjectTag) -> Item {
    Item::object(tag).expect("is public")
}

pub(crate) fn chuid() -> Item {
    object(ObjectTag::CHUID)
}

pub(crate) fn ccc() -> Item {
    object(ObjectTag::CCC)
}

/// A snapshot with one answer.
pub(crate) fn snapshot(identity: Identity, generation: Generation, content: &[u8]) -> Snapshot {
    let mut snapshot = Snapshot::new(identity, generation);
    snapshot.remember(chuid(), Response::new(content, StatusWord::SUCCESS));
    snapshot
}

/// Reads a token that has these contents, and remembers it.
pub(crate) fn remember(cache: &Cache, number: u8, contents: &[(Item, &[u8])]) {
    let mut snapshot = Snapshot::new(identity(number), cache.generation(&name(number)));
    for (item, content) in contents {
        snapshot.remember(*item, Response::new(content, StatusWord::SUCCESS));
    }
    cache.store(snapshot);
}

/// What is remembered of an answer of a token.
pub(crate) fn remembered(cache: &Cache, number: u8, item: Item) -> Option<Vec<u8>> {
    let snapshot = cache.read(&name(number))?;
    Some(snapshot.answer(item)?.data().to_vec())
}
