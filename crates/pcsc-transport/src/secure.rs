//! Secure messaging as a layer of a card: what goes through it, what must not go
//! past it.
//!
//! The layer lies between what programs send and [`exchange`](crate::exchange),
//! which cuts it into APDUs: a command is wrapped whole and its response unwrapped
//! whole, so that whoever sends commands need not know of it. The keys come from
//! outside ([`Transaction::secure`](crate::Transaction::secure)); a session that
//! fails is over, and nothing falls back to the clear.

use piv_apdu::aid;
use piv_apdu::apdu::{Command, Response};
use piv_apdu::sm::{CipherSuite, SecureMessaging};

use crate::error::TransportError;
use crate::exchange::Exchanger;
use crate::link::Interface;

/// The session that a card is spoken to in, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    session: Option<SecureMessaging>,
}

impl Layer {
    pub(crate) fn begin(&mut self, session: SecureMessaging) {
        self.session = Some(session);
    }

    pub(crate) fn end(&mut self) {
        self.session = None;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| !session.is_over())
    }

    /// Whether there is a session, also one that has failed.
    pub(crate) fn is_there(&self) -> bool {
        self.session.is_some()
    }

    /// Takes a command to the card in the session, or in the clear if it is none of
    /// those that secure messaging carries, or if there is no session.
    pub(crate) fn exchange(
        &mut self,
        command: &Command,
        way: Way<'_>,
        exchanger: Exchanger<'_>,
    ) -> Result<Response, TransportError> {
        if ends_session(command) {
            self.end();
        }
        let Some(session) = self.session.as_mut().filter(|_| is_carried(command)) else {
            way.may_go_in_the_clear(command)?;
            return exchanger.run(command);
        };
        let wrapped = session.wrap(command)?;
        let response = exchanger.run(&wrapped).inspect_err(|_| session.end())?;
        Ok(session.unwrap(&response)?)
    }
}

/// The commands that a PIV card takes under secure messaging: GET DATA, VERIFY,
/// CHANGE REFERENCE DATA, GENERAL AUTHENTICATE (SP 800-73-5 Part 2, 4.2).
fn is_carried(command: &Command) -> bool {
    command.cla() == 0x00 && matches!(command.ins(), 0xCB | 0x20 | 0x24 | 0x87)
}

/// Whether no session outlives this command: SELECT, and the establishment of
/// another session.
fn ends_session(command: &Command) -> bool {
    is_select(command) || is_establishment(command)
}

fn is_select(command: &Command) -> bool {
    command.ins() == 0xA4
}

/// GENERAL AUTHENTICATE with a cipher suite's algorithm and the key of secure
/// messaging.
fn is_establishment(command: &Command) -> bool {
    let suites = [CipherSuite::Cs2, CipherSuite::Cs7];
    let with = |suite: &CipherSuite| u8::from(suite.algorithm()) == command.p1();
    command.ins() == 0x87 && command.p2() == 0x04 && suites.iter().any(with)
}

/// Where a command that no session carries would go.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) interface: Interface,
    /// The application that is certainly selected.
    pub(crate) selected: Option<&'a [u8]>,
}

impl Way<'_> {
    /// Refuses to send anything over the air for everybody to read that may hold a PIN, a
    /// PUK or a key: whatever has data, but for the commands that are known to have none of
    /// that in them. A rule without an exception: who wants to, has the contact interface.
    ///
    /// # Errors
    ///
    /// [`TransportError::InTheClear`].
    pub(crate) fn may_go_in_the_clear(self, command: &Command) -> Result<(), TransportError> {
        self.may_go(command.cla(), command.ins(), !command.data().is_empty())
    }

    /// The same for bytes that need not be a command at all.
    ///
    /// # Errors
    ///
    /// [`TransportError::InTheClear`].
    pub(crate) fn may_go_raw(self, bytes: &[u8]) -> Result<(), TransportError> {
        // Header and one byte of length: there is no room for data in these.
        let has_data = bytes.len() > 5;
        let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
        self.may_go(byte(0), byte(1), has_data)
    }

    fn may_go(self, cla: u8, ins: u8, has_data: bool) -> Result<(), TransportError> {
        let secret = has_data && !is_harmless(ins) && !self.is_ctap(cla, ins);
        if self.interface == Interface::Contactless && secret {
            return Err(TransportError::InTheClear);
        }
        Ok(())
    }

    /// `NFCCTAP_MSG` (also a block of a chain) and `NFCCTAP_GETRESPONSE` in the FIDO
    /// application (CTAP 2.1, 11.3.7), which are made for the air: CTAP encrypts each PIN
    /// itself, under a key that it agrees on with the card.
    fn is_ctap(self, cla: u8, ins: u8) -> bool {
        self.selected == Some(aid::FIDO) && matches!(cla, 0x80 | 0x90) && matches!(ins, 0x10 | 0x11)
    }
}

/// SELECT, GET DATA (of both kinds), GENERAL AUTHENTICATE, GENERATE, and the vendor's GET
/// PROPERTIES and TOTP: their data name what is asked for, or are of use once.
fn is_harmless(ins: u8) -> bool {
    matches!(ins, 0xA4 | 0xCA | 0xCB | 0x87 | 0x47 | 0x56 | 0x88)
}
