//! The OATH slots of a Crescendo Key: an applet a slot, with one credential at most.
//!
//! Public (LL/select, LL/hotp-authenticate, LL/totp-authenticate,
//! LL/oath-usage-sequences): the slots' names, HOTP (`80 88 00 00 00`) and TOTP
//! (`80 88 11 00 04 <unix time>`), that TOTP wants the PIN, that both answer 6985 until
//! the Key's button is pressed, and a code's form. The rest is this project's choice: an
//! empty slot answers 6A88, and a slot of the other kind 6A86; a press counts for the
//! slot that is selected; over the contactless interface no slot gives a code (6A81).
//! The answer to SELECT has the name alone. Which hash functions and numbers of digits the
//! vendor's slots take was not read: here SHA-1, SHA-256 and SHA-512, and 6 or 8.

mod credential;

use core::mem;
use std::collections::BTreeMap;

use crescendo_ext::oath::{HotpAuthenticate, TotpAuthenticate, WAITING_FOR_BUTTON};
use piv_apdu::apdu::Command;
use piv_apdu::command::TypedCommand;
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Node, Tag};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::card::{Answer, Card};
use crate::create::{Content, CreateError, CreateOptions};
use crate::profile::Profile;

pub use credential::{OathCredential, OathHash};

pub(crate) const AIDS: [&[u8]; 3] = crescendo_ext::aid::OATH_SLOTS;

/// What is in the slots, by number from 1. An empty slot is not there.
pub(crate) type Credentials = BTreeMap<u8, OathCredential>;

/// Bytes of a secret that is made by itself: what RFC 4226 (4, R6) recommends.
const SECRET_LENGTH: usize = 20;

/// Who presses the button of a software Key, which has none that could be touched.
///
/// It has no clock: what counts is how often a slot was asked for its code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Button {
    /// Somebody who presses it as soon as the Key waits for it: the first command is
    /// answered with 6985, the next finds the button pressed.
    #[default]
    Attended,
    /// Nobody but a test, by
    /// [`press_button`](crate::VirtualToken::press_button): a slot waits until then.
    Unattended,
}

/// Only the name: the meaning of the rest of the real answer was not read.
pub(crate) fn select_answer(slot: u8) -> Zeroizing<Vec<u8>> {
    let aid = AIDS.get(usize::from(slot)).copied().unwrap_or_default();
    tlv::encode(&[Node::Template(
        Tag::new(0x6F),
        &[Node::Value(Tag::new(0x84), aid)],
    )])
}

/// A command to the slot of this number, from 0.
pub(crate) fn execute(card: &mut Card, slot: u8, command: &Command) -> Answer {
    if (command.cla(), command.ins()) != (0x80, 0x88) {
        return Err(StatusWord::INS_NOT_SUPPORTED);
    }
    let time = read(command)?;
    if card.state.contactless {
        return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
    }
    let number = slot + 1;
    let credential = card.state.oath.get(&number);
    let credential = credential.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
    let code = credential.code(time).ok_or(StatusWord::INCORRECT_P1P2)?;
    if time.is_some() && !card.access.pin() {
        return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    }
    if !card.find_button_pressed() {
        return Err(WAITING_FOR_BUTTON);
    }
    if time.is_none() {
        if let Some(credential) = card.state.oath.get_mut(&number) {
            credential.move_on();
        }
        card.mark_changed();
    }
    Ok(code.encode())
}

/// The time of a TOTP; `None` of a HOTP.
fn read(command: &Command) -> Result<Option<u32>, StatusWord> {
    if command.p1() == 0x00 {
        let read = HotpAuthenticate::from_command(command).map(|_| None);
        return read.map_err(|error| error.status_word());
    }
    let read = TotpAuthenticate::from_command(command).map(|totp| Some(totp.time));
    read.map_err(|error| error.status_word())
}

impl Card {
    /// Whether the button was pressed since the slot began to wait. A press serves once.
    fn find_button_pressed(&mut self) -> bool {
        let pressed = mem::take(&mut self.button_pressed);
        // Whoever attends to the Key sees its light blink now.
        self.button_pressed = !pressed && self.state.button == Button::Attended;
        pressed
    }
}

/// The credentials that a new token has: those of the options, and on a personalized Key
/// HOTP in slot 1 and TOTP in slot 2, as the vendor's samples have it, with random secrets.
pub(crate) fn credentials(
    profile: Profile,
    options: &CreateOptions,
    random: &mut ChaCha20Rng,
) -> Credentials {
    let mut credentials = options.oath.clone();
    if profile.oath_slots() > 0 && options.content == Content::Personal {
        let mut secret = || {
            let mut secret = Zeroizing::new([0; SECRET_LENGTH]);
            random.fill_bytes(&mut secret[..]);
            secret
        };
        let (first, second) = (secret(), secret());
        credentials
            .entry(1)
            .or_insert_with(|| OathCredential::hotp(&first[..]));
        credentials
            .entry(2)
            .or_insert_with(|| OathCredential::totp(&second[..]));
    }
    credentials
}

/// Refuses credentials that no token of this profile can have.
pub(crate) fn check_options(profile: Profile, options: &CreateOptions) -> Result<(), CreateError> {
    let refuse = |option, reason| {
        Err(CreateError::Option {
            profile,
            option,
            reason,
        })
    };
    if options.button != Button::default() && profile.oath_slots() == 0 {
        return refuse("a button", "only a Crescendo Key has one");
    }
    match why_not(profile, &options.oath) {
        None => Ok(()),
        Some(reason) => refuse("these OATH slots", reason),
    }
}

/// Why a token of this profile can't have these credentials.
pub(crate) fn why_not(profile: Profile, credentials: &Credentials) -> Option<&'static str> {
    let slots = 1..=profile.oath_slots();
    if credentials.is_empty() {
        None
    } else if profile.oath_slots() == 0 {
        Some("only a Crescendo Key has any")
    } else if !credentials.keys().all(|number| slots.contains(number)) {
        Some("they have the numbers 1 to 3")
    } else if credentials.get(&1).is_some_and(OathCredential::is_totp) {
        Some("slot 1 gives HOTP alone (the vendor's texts)")
    } else if !credentials.values().all(OathCredential::holds_together) {
        Some("a code has 6 or 8 digits, a secret 1 to 128 bytes, a time step one second or more")
    } else {
        None
    }
}
