//! The FIDO2 applet of a Crescendo 4000 and of a Crescendo Key: an authenticator of CTAP 2
//! with a PIN and discoverable credentials, over APDUs (CTAP 2.1, 11.3).
//!
//! Nothing public says how the vendor's applet behaves beyond the standard, so this is an
//! authenticator of no vendor. It announces `FIDO_2_0`: what `FIDO_2_1` makes mandatory
//! beside it (credential management, credProtect, hmac-secret) is not there. It has the
//! rest of CTAP 2.1's PIN: protocols one and two, and tokens with permissions.
//!
//! The card lies in a reader because somebody put it there: that is the presence of the
//! user. It has no clock, so a token and the assertions that are still to be fetched last
//! until power or selection goes, and not for some seconds; how Reset does without one is
//! said in `reset`.

mod attestation;
mod cbor;
mod client_pin;
mod credential;
mod get_assertion;
mod get_info;
mod make_credential;
mod pin;
mod pin_protocol;
mod request;
mod reset;
mod state;
mod status;
mod token;

use piv_apdu::apdu::Command;
use piv_apdu::status::StatusWord;
use zeroize::Zeroizing;

use crate::card::{Answer, Card, done};
use crate::crypto::PrivateKey;
use get_assertion::Assertions;
use status::Status;
use token::PinUvAuthToken;

pub(crate) use state::FidoState;

pub(crate) const AID: &[u8] = &[0xA0, 0x00, 0x00, 0x06, 0x47, 0x2F, 0x00, 0x01];

/// The model, in an attested credential: a UUID that was drawn for this software.
const AAGUID: [u8; 16] = [
    0x7B, 0x1D, 0x4C, 0x5E, 0x92, 0x0F, 0x4A, 0x6B, 0xB3, 0x58, 0x0E, 0x41, 0xD6, 0xA7, 0x2C, 0x93,
];

/// The longest message, command byte and parameters, that it takes.
const MAX_MESSAGE: usize = 2048;

/// What the applet forgets with its power.
#[derive(Default)]
pub(crate) struct Session {
    /// A command was carried out after which Reset is no longer for the first moments.
    in_use: bool,
    /// Wrong PINs in a row since power-up.
    mismatches: u8,
    key_agreement: Option<PrivateKey>,
    token: Option<PinUvAuthToken>,
    /// What `GetNextAssertion` is to answer.
    assertions: Option<Assertions>,
}

impl Session {
    /// Another applet is selected, or this one anew: whoever comes next proves the PIN
    /// again. The wrong PINs of this power-up stay counted.
    pub(crate) fn deselect(&mut self) {
        self.token = None;
        self.assertions = None;
    }
}

/// The version of an authenticator that has CTAP 2 and no U2F (11.3.3).
pub(crate) fn select_answer() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(b"FIDO_2_0".to_vec())
}

/// `NFCCTAP_MSG`, and `NFCCTAP_CONTROL` with "end of messages", after which a token is void.
/// No command takes so long that `NFCCTAP_GETRESPONSE` would have anything to wait for.
pub(crate) fn execute(card: &mut Card, command: &Command) -> Answer {
    match (command.cla(), command.ins()) {
        (0x80, 0x10) => match (command.p1(), command.p2()) {
            // P1 80: the host could wait with `NFCCTAP_GETRESPONSE`.
            (0x00 | 0x80, 0x00) => Ok(message(card, command.data())),
            _ => Err(StatusWord::INCORRECT_P1P2),
        },
        (0x80, 0x11) => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        (0x80, 0x12) => match (command.p1(), command.p2()) {
            (0x01, 0x00) => {
                card.fido.deselect();
                done()
            }
            _ => Err(StatusWord::INCORRECT_P1P2),
        },
        _ => Err(StatusWord::INS_NOT_SUPPORTED),
    }
}

/// A command byte and its parameters in, a status byte and what there is to say out.
fn message(card: &mut Card, message: &[u8]) -> Zeroizing<Vec<u8>> {
    let (status, content) = match answer(card, message) {
        Ok(content) => (0x00, content),
        Err(status) => (status.code(), Vec::new()),
    };
    let mut answer = Zeroizing::new(Vec::with_capacity(1 + content.len()));
    answer.push(status);
    answer.extend_from_slice(&content);
    answer
}

fn answer(card: &mut Card, message: &[u8]) -> Result<Vec<u8>, Status> {
    let (command, parameters) = message.split_first().ok_or(Status::InvalidLength)?;
    if message.len() > MAX_MESSAGE {
        return Err(Status::RequestTooLarge);
    }
    // Any other command ends a run of assertions (6, "stateful commands").
    let assertions = card.fido.assertions.take();
    match command {
        0x01 => make_credential::make_credential(card, parameters),
        0x02 => get_assertion::get_assertion(card, parameters),
        0x04 => get_info::get_info(card),
        0x06 => client_pin::client_pin(card, parameters),
        0x07 => reset::reset(card),
        0x08 => get_assertion::get_next_assertion(card, assertions),
        // authenticatorSelection: this is the one that somebody put into a reader.
        0x0B => Ok(Vec::new()),
        _ => Err(Status::InvalidCommand),
    }
}
