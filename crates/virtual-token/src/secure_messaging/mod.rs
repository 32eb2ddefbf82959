//! The card's side of PIV secure messaging: SP 800-73-5 Part 2, section 4, read in NIST's
//! working draft of the revision after it.
//!
//! An implementation of its own: of the host's (`piv_apdu::sm`) nothing but the names of
//! the cipher suites is in here, so that the two cannot share a misreading.

mod establish;
mod session;
mod suite;

#[cfg(test)]
mod tests;

use piv_apdu::apdu::Command;
use piv_apdu::command::GeneralAuthenticate;
use piv_apdu::key::KeyReference;
use piv_apdu::sm::CipherSuite;
use piv_apdu::status::StatusWord;

use crate::card::{Answer, Applet, Card};
use crate::crypto::{KeyAlgorithm, PrivateKey};
use crate::piv;
use crate::state::SecureMessagingKey;

use establish::Request;
pub(crate) use session::Session;

/// The bits of an interindustry class byte that ask for secure messaging.
const CLASS_BITS: u8 = 0x0C;
/// Both of them, and nothing but chaining beside them: the header is authenticated too.
const SECURED: u8 = 0x0C;
const CHAINED: u8 = 0x10;

/// Whether this class byte asks for secure messaging, of whatever kind.
pub(crate) fn is_asked_for(cla: u8) -> bool {
    cla <= 0x1F && cla & CLASS_BITS != 0
}

/// Whether a command of this class, which asks for secure messaging, may be taken at all.
///
/// Source: SP 800-73-5 Part 2, 4.2.7: `6882` where there is none, `6982` where no session
/// is established.
pub(crate) fn check_class(card: &Card, cla: u8) -> Result<(), StatusWord> {
    let is_there = card.selected == Applet::Piv && card.state.secure_messaging.is_some();
    if !is_there || cla & !CHAINED != SECURED {
        return Err(StatusWord::SM_NOT_SUPPORTED);
    }
    match card.session {
        Some(_) => Ok(()),
        None => Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED),
    }
}

/// A whole command of class `0C`: unwraps it, executes it, wraps what it came to. What the
/// command itself is refused with lies in the wrapped response, whose own status word says
/// no more than that secure messaging went well: 9000. Anything else ends the session.
pub(crate) fn execute(card: &mut Card, command: &Command) -> Answer {
    let mut session = card
        .session
        .take()
        .ok_or(StatusWord::SECURITY_STATUS_NOT_SATISFIED)?;
    if !is_allowed(command) {
        return Err(StatusWord::SM_NOT_SUPPORTED);
    }
    let plain = session.unwrap(command)?;
    card.over_secure_messaging = true;
    let answer = piv::execute(card, &plain);
    card.over_secure_messaging = false;
    let wrapped = session.wrap(answer)?;
    card.session = Some(session);
    Ok(wrapped)
}

/// GET DATA, VERIFY, CHANGE REFERENCE DATA and GENERAL AUTHENTICATE. Key establishment,
/// which the standard has in the clear alone, is none of the last: it would take away the
/// keys that its answer is to be wrapped under.
fn is_allowed(command: &Command) -> bool {
    const GET_DATA: u8 = 0xCB;
    const VERIFY: u8 = 0x20;
    const CHANGE_REFERENCE_DATA: u8 = 0x24;
    const GENERAL_AUTHENTICATE: u8 = 0x87;
    match command.ins() {
        GET_DATA | VERIFY | CHANGE_REFERENCE_DATA => true,
        GENERAL_AUTHENTICATE => command.p2() != KeyReference::SECURE_MESSAGING.get(),
        _ => false,
    }
}

/// GENERAL AUTHENTICATE with the secure messaging key, `00 87 27|2E 04`: ends the session
/// that there was and establishes another.
pub(crate) fn establish(card: &mut Card, command: &GeneralAuthenticate) -> Answer {
    card.session = None;
    let stored = card
        .state
        .secure_messaging
        .clone()
        .ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
    let suite = stored.suite().ok_or(StatusWord::EXECUTION_ERROR)?;
    if command.algorithm != suite.algorithm() {
        return Err(StatusWord::INCORRECT_P1P2);
    }
    let request = Request::read(suite, &command.template)?;
    let key = PrivateKey::from_pkcs8(stored.algorithm, stored.pkcs8.as_slice())
        .map_err(|_| StatusWord::EXECUTION_ERROR)?;
    let nonce = card.random_bytes(suite::nonce_length(suite));
    let (session, answer) = establish::complete(suite, &key, &stored.cvc.0, &nonce, &request)?;
    card.session = Some(session);
    Ok(answer)
}

impl SecureMessagingKey {
    /// The cipher suite that a key of this algorithm is for.
    pub(crate) fn suite(&self) -> Option<CipherSuite> {
        match self.algorithm {
            KeyAlgorithm::EccP256 => Some(CipherSuite::Cs2),
            KeyAlgorithm::EccP384 => Some(CipherSuite::Cs7),
            KeyAlgorithm::Rsa2048 => None,
        }
    }
}
