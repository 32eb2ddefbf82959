//! What a command that an action sends makes stale of what is remembered.

use piv_apdu::apdu::Command;
use piv_apdu::atr::Atr;
use piv_apdu::command::{PutData, TypedCommand as _};
use piv_apdu::object::ObjectTag;
use token_cache::{Cache, Item, Name};

/// Forgets what a command that does not come from an action is about to make stale,
/// of every remembered token that may be the one with this ATR: for a program that sends commands of
/// its own. To be called before the command is sent, inside of its transaction.
/// Sends nothing.
pub fn about_to_send(cache: &Cache, atr: &Atr, command: &Command) {
    for held in cache.held() {
        let known = held.snapshot.identity();
        // The same token has another one on its other interface.
        let other = known.atr().is_contactless_pcsc() != atr.is_contactless_pcsc();
        if other || known.atr() == atr {
            forget(cache, Some(known.name()), command);
        }
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
    let is_forgotten = match command.ins() {
        // SELECT, GET DATA, GET RESPONSE, GET CHALLENGE, the authentications, GET
        // PIN PROPERTIES, PUT XAUTH KEY.
        0xA4 | 0xCA | 0xCB | 0xC0 | 0x84 | 0x82 | 0x87 | 0x56 => return,
        0xD8 if command.cla() == 0x00 => return,
        // HOTP and TOTP: what moves on in a slot is not remembered.
        0x88 if command.cla() == 0x80 => return,
        // VERIFY without a PIN.
        0x20 if command.data().is_empty() => return,
        // VERIFY.
        0x20 => cache.forget(token, |item| matches!(item, Item::Tries(_))),
        // CHANGE REFERENCE DATA, CHANGE PIN, RESET RETRY COUNTER, UNLOCK PIN: a
        // token that keeps the profile takes the wish for a new PIN out of it, and its
        // FIDO application may have the same PIN.
        0x24 | 0x2C => cache.forget(token, |item| {
            matches!(item, Item::Tries(_) | Item::FidoInfo)
                || is_object(item, token_profile::OBJECT_TAG)
        }),
        0xDB => match PutData::from_command(command) {
            Ok(put) => forget_object(cache, token, put.tag),
            Err(_) => cache.clear(token),
        },
        _ => cache.clear(token),
    };
    tell(is_forgotten);
}

/// Forgets these items. To be called before what makes them stale is sent, inside of its
/// transaction.
pub(super) fn forget_items(cache: &Cache, token: &Name, is_stale: impl Fn(Item) -> bool) {
    if !cache.is_off() {
        tell(cache.forget(token, is_stale));
    }
}

fn tell(is_forgotten: bool) {
    if !is_forgotten {
        tracing::warn!(
            "what is remembered of the token can't be forgotten: the folder can't be written to"
        );
    }
}

/// An object that is written, and what a token makes of it: its own PIN rule of
/// the token management profile, and what its FIDO application says of that.
fn forget_object(cache: &Cache, token: &Name, tag: ObjectTag) -> bool {
    let is_profile = tag.get() == token_profile::OBJECT_TAG;
    cache.forget(token, |item| {
        is_object(item, tag.get())
            || is_profile && matches!(item, Item::PinProperties | Item::FidoInfo)
    })
}

fn is_object(item: Item, tag: u32) -> bool {
    matches!(item, Item::Object(object) if object.tag().get() == tag)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

    use piv_apdu::apdu::Response;
    use piv_apdu::object::Guid;
    use piv_apdu::status::StatusWord;
    use token_cache::{Identity, Snapshot};

    use super::*;

    const PROFILE: u32 = token_profile::OBJECT_TAG;
    const CERTIFICATE: u32 = 0x5F_C105;

    fn object(tag: u32) -> Item {
        Item::object(ObjectTag::new(tag)).unwrap()
    }

    /// What is forgotten of a token of which one item of each kind is remembered.
    fn forgotten_by(command: &[u8]) -> Vec<Item> {
        let atr = Atr::parse(&[0x3B, 0x80, 0x80, 0x01, 0x01]).unwrap();
        let identity = Identity::new(&atr, Some(Guid([7; 16])), None).unwrap();
        let name = identity.name().clone();
        let cache = Cache::off().with_memory();
        let mut snapshot = Snapshot::new(identity, cache.generation(&name));
        let all = [
            Item::ProductionData,
            Item::PinProperties,
            Item::PivProperties,
            Item::FidoInfo,
            Item::Tries(0x80),
            object(CERTIFICATE),
            object(0x5F_C102),
            object(PROFILE),
        ];
        for item in all {
            let status = match item {
                Item::Tries(_) => StatusWord::new(0x63C3),
                _ => StatusWord::SUCCESS,
            };
            snapshot.remember(item, Response::from_status(status));
        }
        cache.store(snapshot);
        about_to_send(&cache, &atr, &Command::decode(command).unwrap());
        let kept = cache.read(&name);
        let is_kept = |item: &Item| kept.as_ref().is_some_and(|it| it.answer(*item).is_some());
        all.into_iter().filter(|item| !is_kept(item)).collect()
    }

    #[test]
    fn a_command_makes_forgotten_exactly_what_it_may_change() {
        let tries = vec![Item::Tries(0x80)];
        let tries_and_profile = vec![Item::FidoInfo, Item::Tries(0x80), object(PROFILE)];
        let nothing = Vec::new();
        for (command, forgotten) in [
            (
                &b"\x00\xA4\x04\x00\x05\xA0\x00\x00\x03\x08\x00"[..],
                &nothing,
            ),
            (b"\x00\xCB\x3F\xFF\x05\x5C\x03\x5F\xC1\x05\x00", &nothing),
            (b"\x80\xCA\x9F\x7F\x00", &nothing),
            (b"\x00\x20\x00\x80", &nothing),
            (b"\x00\x84\x00\x00\x00", &nothing),
            (b"\x00\x87\x00\x9B\x04\x7C\x02\x81\x00\x00", &nothing),
            (b"\x00\xD8\x01\x00\x01\x00", &nothing),
            (b"\x80\x88\x00\x00\x00", &nothing),
            (b"\x80\x88\x11\x00\x04\x5E\x84\xA8\x02\x00", &nothing),
            (b"\x00\x20\x00\x80\x08123456\xFF\xFF", &tries),
            (
                b"\x00\x24\x01\x00\x10123456\xFF\xFF271828\xFF\xFF",
                &tries_and_profile,
            ),
            (b"\x00\x2C\x02\x00\x08271828\xFF\xFF", &tries_and_profile),
            (
                b"\x00\xDB\x3F\xFF\x07\x5C\x03\x5F\xC1\x05\x53\x00",
                &vec![object(CERTIFICATE)],
            ),
            (
                b"\x00\xDB\x3F\xFF\x07\x5C\x03\x5F\xFD\x01\x53\x00",
                &vec![Item::PinProperties, Item::FidoInfo, object(PROFILE)],
            ),
        ] {
            assert_eq!(forgotten_by(command), *forgotten, "{command:02X?}");
        }
    }

    /// On its other interface a token has another ATR.
    #[test]
    fn what_is_written_by_contact_is_forgotten_as_read_without() {
        let contactless = Atr::contactless(b"C2300").unwrap();
        let contact = Atr::parse(b"\x3B\xD5\x96\xFF\x81\x91\xFE\x1F\xC3C2300\xCC").unwrap();
        let identity = Identity::new(&contactless, Some(Guid([7; 16])), None).unwrap();
        let name = identity.name().clone();
        let cache = Cache::off().with_memory();
        let mut snapshot = Snapshot::new(identity, cache.generation(&name));
        let response = Response::from_status(StatusWord::SUCCESS);
        snapshot.remember(object(CERTIFICATE), response);
        cache.store(snapshot);
        let put = b"\x00\xDB\x3F\xFF\x07\x5C\x03\x5F\xC1\x05\x53\x00";
        about_to_send(&cache, &contact, &Command::decode(put).unwrap());
        let kept = cache.read(&name).unwrap();
        assert!(kept.answer(object(CERTIFICATE)).is_none());
    }

    #[test]
    fn what_is_not_known_to_leave_the_rest_as_it_is_makes_all_forgotten() {
        for command in [
            // RESET CARD, GENERATE, the vendor's INJECT, a malformed PUT DATA,
            // anything else.
            &b"\x00\x38\x00\x00"[..],
            b"\x00\x47\x00\x9A\x05\xAC\x03\x80\x01\x11\x00",
            b"\x80\xD8\x00\x9A\x03\x00\xA3\x00",
            b"\x00\xDB\x3F\xFF\x02\x5C\x03",
            b"\x00\xFE\x00\x00",
            // A CTAP message, of which nobody knows which application it is for.
            b"\x80\x10\x80\x00\x01\x07\x00",
        ] {
            assert_eq!(forgotten_by(command).len(), 8, "{command:02X?}");
        }
    }
}
