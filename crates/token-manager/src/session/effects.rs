//! What a command that an action sends makes stale of what is remembered.

use piv_apdu::apdu::Command;
use piv_apdu::atr::Atr;
use piv_apdu::command::{PutData, TypedCommand as _};
use piv_apdu::object::ObjectTag;
use token_cache::{Cache, Item, Name};

/// Forgets what a command that does not come from an action is about to make stale,
/// of every remembered token with this ATR: for a program that sends commands of
/// its own. To be called before the command is sent, inside of its transaction.
/// Sends nothing.
pub fn about_to_send(cache: &Cache, atr: &Atr, command: &Command) {
    for known in cache.with_atr(atr) {
        forget(cache, Some(known.identity().name()), command);
    }
}

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
        // VERIFY.
        0x20 => cache.forget(token, |item| matches!(item, Item::Tries(_))),
        // CHANGE REFERENCE DATA, CHANGE PIN, RESET RETRY COUNTER, UNLOCK PIN: a
        // token that keeps the profile takes the wish for a new PIN out of it.
        0x24 | 0x2C => cache.forget(token, |item| {
            matches!(item, Item::Tries(_)) || is_object(item, token_profile::OBJECT_TAG)
        }),
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
    cache.forget(token, |item| {
        is_object(item, tag.get()) || is_profile && item == Item::PinProperties
    })
}

fn is_object(item: Item, tag: u32) -> bool {
    matches!(item, Item::Object(object) if object.tag().get() == tag)
}
