//! GET DATA and PUT DATA: SP 800-73-5 Part 2, 3.1.2 and 3.3.1.

use std::borrow::Cow;

use piv_apdu::command::{GetData, PutData};
use piv_apdu::object::{ObjectTag, ReadAccess};
use piv_apdu::status::StatusWord;

use super::{access, may_administer};
use crate::card::{Answer, Card, done};
use crate::policy;
use crate::state::{Bytes, DataObject, HexId};

/// What fits into an object of a plain PIV card. The largest of the standard, a facial
/// image, has 12,710 bytes.
pub(crate) const PIV_CAPACITY: u16 = 12_800;

/// Yubico's tools keep data of their own here.
const YUBICO_OBJECTS: core::ops::RangeInclusive<u32> = 0x5F_FF00..=0x5F_FF1F;

/// GET DATA. A Crescendo's container that is allocated and empty gives an empty object.
///
/// Whether an object of the standard may be read over this interface is decided before
/// whether it is there, which so nobody learns who may not read it.
pub(super) fn get(card: &Card, command: GetData) -> Answer {
    let tag = command.tag;
    let content = content(card, tag);
    let may_be_there = content.is_some() || ObjectTag::ALL.contains(&tag);
    if may_be_there && !access::may_read(card, tag) {
        return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    }
    let content = content.ok_or(StatusWord::FILE_NOT_FOUND)?;
    if tag.read_access() == ReadAccess::Pin && !card.access.pin() {
        return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    }
    Ok(GetData::encode_answer(tag, &content))
}

/// What is in an object that is there.
fn content(card: &Card, tag: ObjectTag) -> Option<Cow<'_, [u8]>> {
    if policy::is_object(&card.state, tag) {
        return Some(policy::read(&card.state).into());
    }
    let object = card.state.objects.get(&HexId::from(tag))?;
    Some(object.content.0.as_slice().into())
}

/// PUT DATA. An empty object empties a Crescendo's container, and is no object any more
/// on a plain PIV card.
pub(super) fn put(card: &mut Card, command: &PutData) -> Answer {
    may_administer(card)?;
    if policy::is_object(&card.state, command.tag) {
        return policy::write(card, &command.content);
    }
    let crescendo = card.state.profile.is_crescendo();
    let yubico = card.state.yubico;
    let id = HexId::from(command.tag);
    let objects = &mut card.state.objects;
    let known = match objects.get(&id) {
        Some(object) => Some(object.capacity),
        None if crescendo => None,
        None if ObjectTag::ALL.contains(&command.tag) => Some(PIV_CAPACITY),
        None if yubico && YUBICO_OBJECTS.contains(&command.tag.get()) => Some(PIV_CAPACITY),
        None => None,
    };
    let capacity = known.ok_or(StatusWord::FILE_NOT_FOUND)?;
    if command.content.len() > usize::from(capacity) {
        return Err(StatusWord::NOT_ENOUGH_MEMORY);
    }
    if command.content.is_empty() && !crescendo {
        objects.remove(&id);
    } else {
        let content = Bytes(command.content.to_vec());
        objects.insert(id, DataObject { capacity, content });
    }
    card.mark_changed();
    done()
}
