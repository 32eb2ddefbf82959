//! What a command that an action sends makes stale of what is remembered.

use piv_apdu::apdu::Command;
use piv_apdu::command::{PutData, TypedCommand as _};
use piv_apdu::object::ObjectTag;
use token_cache::{Cache, Item, Name};

/// Forgets what a command is about to make stale. To be called before it is sent,
/// inside of its transaction.
///
/// What is not known to leave everything as it is is taken to change everything.
pub(super) fn forget(cache: &Cache, token: Option<&Name>, command: &Command) {
    let (false, Some(token)) = (cache.is_off(), token) else {
        return;
    };
    let forgotten = match command.ins() {
        // SELECT, GET DATA, GET CHALLENGE, the authentications, GET PIN
        // PROPERTIES, PUT XAUTH KEY.
        0xA4 | 0xCA | 0xCB | 0x84 | 0x82 | 0x87 | 0x56 => return,
        0xD8 if command.cla() == 0x00 => return,
        // VERIFY without a PIN.
        0x20 if command.data().is_empty() => return,
        // VERIFY, CHANGE REFERENCE DATA, CHANGE PIN, RESET RETRY COUNTER, UNLOCK
        // PIN.
        0x20 | 0x24 | 0x2C => cache.forget(token, |item| matches!(item, Item::Tries(_))),
        0xDB => match PutData::from_command(command) {
            Ok(put) => forget_object(cache, token, put.tag),
            Err(_) => cache.clear(token),
        },
        _ => cache.clear(token),
    };
    if !forgotten {
        tracing::warn!(
            "what is remembered of the token can't be forgotten: the folder can't be written to"
        );
    }
}

/// An object that is written, and what a token makes of it: its own PIN rule of
/// the token management profile.
fn forget_object(cache: &Cache, token: &Name, tag: ObjectTag) -> bool {
    let is_profile = tag.get() == token_profile::OBJECT_TAG;
    cache.forget(token, |item| match item {
        Item::Object(object) => object.tag() == tag,
        Item::PinProperties => is_profile,
        _ => false,
    })
}
