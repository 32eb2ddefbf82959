//! HID's access control applet: the PIN and XAUTH key 1 of the whole card.
//!
//! Commands and status words are those of HID's public pages for the C2300 family; the
//! C4000 has the same, but for GET CHALLENGE (third-party). What the pages leave open
//! is decided here and said where it is.

use piv_apdu::apdu::Command;
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Node, Tag};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::card::access::{Access, Challenge};
use crate::card::{Answer, Applet, Card, done};
use crate::crypto::{SymmetricAlgorithm, SymmetricKey};
use crate::profile::Profile;
use crate::state::Xauth;
use crate::verification::{self, block};

pub(crate) const AID: &[u8] = crescendo_ext::aid::ACA;

/// How many times XAUTH key 1 unlocks the PIN. The number on a real card is not public.
pub(crate) const UNLOCKS_LIMIT: u8 = 10;

/// Applet family 10, version 3.0.3 build 1.
const VERSION: [u8; 5] = [0x10, 0x03, 0x00, 0x03, 0x01];
const PIN_PROPERTIES: u8 = 0x31;

/// `6F { 84 <AID>, A5 { 01 <version> } }` (LL/select).
pub(crate) fn select_answer(_profile: Profile) -> Zeroizing<Vec<u8>> {
    tlv::encode(&[Node::Template(
        Tag::new(0x6F),
        &[
            Node::Value(Tag::new(0x84), AID),
            Node::Template(Tag::new(0xA5), &[Node::Value(Tag::new(0x01), &VERSION)]),
        ],
    )])
}

pub(crate) fn execute(card: &mut Card, command: &Command) -> Answer {
    if command.cla() != 0x00 {
        return Err(StatusWord::INS_NOT_SUPPORTED);
    }
    match command.ins() {
        // Nothing is public about this applet over the contactless interface. There it
        // tells what it is asked, and takes neither a PIN in the clear nor a command that
        // changes anything, as the standard has it for PUT DATA: this project's choice.
        0x20 | 0x24 | 0x2C | 0x38 | 0x82 | 0xD8 if card.state.contactless => {
            Err(StatusWord::FUNCTION_NOT_SUPPORTED)
        }
        0x20 => verify_pin(card, command),
        0x24 => change_pin(card, command),
        0x2C => unlock_pin(card, command),
        0x38 => reset_card(card, command),
        0x56 => get_pin_properties(card, command),
        0x82 => external_authenticate(card, command),
        0x84 => get_challenge(card, command),
        0xD8 => put_xauth_key(card, command),
        _ => Err(StatusWord::INS_NOT_SUPPORTED),
    }
}

/// VERIFY PIN, `00 20 00 00 08 <PIN>` (LL/verify-pin).
fn verify_pin(card: &mut Card, command: &Command) -> Answer {
    expect(command, 0x00, 0x00)?;
    verification::verify(card, &block(command.data())?)
}

/// CHANGE PIN, `00 24 01 00 10 <old> <new>` (LL/change-pin).
fn change_pin(card: &mut Card, command: &Command) -> Answer {
    expect(command, 0x01, 0x00)?;
    let (old, new) = verification::two_blocks(command.data())?;
    verification::change_pin(card, &old, &new)
}

/// UNLOCK PIN, `00 2C 02 00 08 <new PIN>` (LL/unlock-pin). A success uses one unlock up.
fn unlock_pin(card: &mut Card, command: &Command) -> Answer {
    expect(command, 0x02, 0x00)?;
    let new = block(command.data())?;
    let unlocks_left = card
        .state
        .xauth
        .as_ref()
        .map_or(0, |xauth| xauth.unlocks_left);
    let remaining = unlocks_left
        .checked_sub(1)
        .ok_or(StatusWord::AUTHENTICATION_METHOD_BLOCKED)?;
    if !card.access.xauth {
        return Err(StatusWord::verification_failed(unlocks_left));
    }
    verification::check_new_pin(card, &new)?;
    if let Some(xauth) = &mut card.state.xauth {
        xauth.unlocks_left = remaining;
    }
    verification::set_pin(card, &new);
    card.access.drop_pin();
    done()
}

/// RESET CARD, `00 38 00 00` and not a byte more (LL/reset-card). Afterwards nothing
/// is authenticated, and the applet has to be selected again.
fn reset_card(card: &mut Card, command: &Command) -> Answer {
    expect(command, 0x00, 0x00)?;
    if !command.data().is_empty() || command.le().is_some() {
        return Err(StatusWord::WRONG_LENGTH);
    }
    if !card.access.pin_or_xauth() {
        return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    }
    card.state.reset_card();
    card.access = Access::default();
    card.session = None;
    card.selected = Applet::Isd;
    card.mark_changed();
    done()
}

/// GET PIN PROPERTIES, `00 56 02 00 01 31 00` (LL/get-pin-properties).
fn get_pin_properties(card: &Card, command: &Command) -> Answer {
    expect(command, 0x02, 0x00)?;
    if command.data() != [PIN_PROPERTIES] {
        return Err(StatusWord::WRONG_DATA);
    }
    let format = &card.state.pin_format;
    // The polarity of the last byte is not public: 00 for "not numeric-only" is inferred.
    let value = [
        format.minimum,
        format.maximum,
        0x00,
        0x00,
        u8::from(format.numeric_only),
    ];
    let tag = Tag::new(u32::from(PIN_PROPERTIES));
    Ok(tlv::encode(&[Node::Value(tag, &value)]))
}

/// GET CHALLENGE, `00 84 00 00 00` (LL/external-auth-xauth), on the C4000 with P2 = 01,
/// which a C2300 takes too (third-party). The length is the key's block; a card without
/// a key asks for 3DES, and refuses in EXTERNAL AUTHENTICATE. A static challenge (project
/// profile) is always the same, and has to be asked for as often.
fn get_challenge(card: &mut Card, command: &Command) -> Answer {
    match (command.p1(), command.p2(), card.state.profile) {
        (0x00, 0x00, Profile::Crescendo2300 | Profile::CrescendoKey) | (0x00, 0x01, _) => {}
        _ => return Err(StatusWord::INCORRECT_P1P2),
    }
    if !command.data().is_empty() {
        return Err(StatusWord::WRONG_LENGTH);
    }
    let algorithm = xauth_key(card).map_or(SymmetricAlgorithm::TripleDes, |key| key.algorithm);
    let length = algorithm.block_length();
    let challenge = card
        .state
        .management
        .static_challenge(length)
        .unwrap_or_else(|| card.random_bytes(length));
    card.access.challenge = Some(Challenge::Xauth(challenge.clone()));
    Ok(challenge)
}

/// EXTERNAL AUTHENTICATE, `00 82 00 01 <Lc> <cryptogram>` (LL/external-auth-xauth): the
/// challenge, encrypted under the key. A challenge serves once.
fn external_authenticate(card: &mut Card, command: &Command) -> Answer {
    expect(command, 0x00, 0x01)?;
    let Some(Challenge::Xauth(challenge)) = card.access.challenge.take() else {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    };
    let key = xauth_key(card).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
    let expected = key
        .encrypt(&challenge)
        .map_err(|_| StatusWord::CONDITIONS_NOT_SATISFIED)?;
    card.access.xauth = bool::from(expected.ct_eq(command.data()));
    if card.access.xauth {
        done()
    } else {
        Err(StatusWord::VERIFICATION_FAILED)
    }
}

/// PUT XAUTH KEY, `00 D8 01 00 <Lc> 00 <algorithm> <keylen + 1> <keylen> <key> 00`
/// (LL/put-xauth-key). What the old key opened is closed.
fn put_xauth_key(card: &mut Card, command: &Command) -> Answer {
    expect(command, 0x01, 0x00)?;
    if !card.access.pin_or_xauth() {
        return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    }
    let key = read_xauth_key(command.data()).ok_or(StatusWord::WRONG_DATA)?;
    if let Some(xauth) = &mut card.state.xauth {
        xauth.key = Some(key);
    }
    card.access.xauth = false;
    card.access.challenge = None;
    card.mark_changed();
    done()
}

fn read_xauth_key(data: &[u8]) -> Option<SymmetricKey> {
    let [0x00, algorithm, field, length, rest @ ..] = data else {
        return None;
    };
    let [key @ .., 0x00] = rest else {
        return None;
    };
    let algorithm = [SymmetricAlgorithm::TripleDes, SymmetricAlgorithm::Aes128]
        .into_iter()
        .find(|known| known.identifier() == *algorithm)?;
    if usize::from(*length) != key.len() || field.checked_sub(1) != Some(*length) {
        return None;
    }
    SymmetricKey::new(algorithm, key).ok()
}

fn xauth_key(card: &Card) -> Option<&SymmetricKey> {
    card.state
        .xauth
        .as_ref()
        .and_then(|xauth| xauth.key.as_ref())
}

impl Xauth {
    /// XAUTH key 1 as delivered: all zeros.
    pub(crate) fn as_delivered(algorithm: SymmetricAlgorithm) -> Self {
        let zeros = Zeroizing::new(vec![0; algorithm.key_length()]);
        Xauth {
            key: SymmetricKey::new(algorithm, &zeros).ok(),
            unlocks_left: UNLOCKS_LIMIT,
        }
    }
}

fn expect(command: &Command, p1: u8, p2: u8) -> Result<(), StatusWord> {
    if (command.p1(), command.p2()) == (p1, p2) {
        Ok(())
    } else {
        Err(StatusWord::INCORRECT_P1P2)
    }
}
