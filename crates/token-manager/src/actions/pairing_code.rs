//! The pairing code, with which a contactless reader gets at what is otherwise on
//! the contact interface: retrieve it, keep it for the login session.

use piv_apdu::command::GetData;
use piv_apdu::object::{DataObject as _, ObjectTag, PairingCodeObject};
use piv_apdu::secret::PairingCode;
use piv_apdu::status::StatusWord;

use super::entry::PinEntry;
use crate::capability::{Action, Reason};
use crate::failure::ActionError;
use crate::session::{Job, LastTry, Session};

impl Session {
    /// Retrieves the card's pairing code: eight digits that its issuer, or the card
    /// itself, has chosen and that stay the same (SP 800-73-5 Part 1, 3.3.8).
    ///
    /// VERIFY as [`authenticate`](Self::authenticate) does; then SELECT of the PIV
    /// application and GET DATA of `5FC123`. On the contact interface only. Nothing
    /// keeps the code: see [`cache_pairing_code`](Self::cache_pairing_code).
    ///
    /// # Errors
    /// [`ActionError::Unavailable`] with [`Reason::OnlyOnContact`], with
    /// [`Reason::NotAnnounced`] if the card says that it has none, and with
    /// [`Reason::NoPairingCode`] if a look behind the PIN finds none;
    /// [`ActionError::NotSent`], [`ActionError::Wrong`], [`ActionError::Blocked`],
    /// [`ActionError::PinPad`]; [`ActionError::Refused`] with `6982` if the card
    /// does not give it although the PIN is verified; [`ActionError::Malformed`],
    /// [`ActionError::Interrupted`]. The token is locked after.
    pub fn retrieve_pairing_code(
        &mut self,
        pin: PinEntry<'_>,
        last_try: LastTry,
    ) -> Result<PairingCode, ActionError> {
        let action = Action::RetrievePairingCode;
        self.ensure(action)?;
        self.with_pin(action, pin, last_try, read_code)
    }

    /// Retrieves the pairing code and keeps it, for this card's GUID, where the
    /// [`Manager`](crate::Manager::with_pairing_codes) says. What is sent is that of
    /// [`retrieve_pairing_code`](Self::retrieve_pairing_code).
    ///
    /// # Errors
    /// As there; [`ActionError::Unavailable`] with [`Reason::NoGuid`];
    /// [`ActionError::Secrets`] if the code can't be kept.
    pub fn cache_pairing_code(
        &mut self,
        pin: PinEntry<'_>,
        last_try: LastTry,
    ) -> Result<(), ActionError> {
        let card = self.token.identity.guid;
        let card = card.ok_or_else(|| unavailable(Reason::NoGuid))?;
        let code = self.retrieve_pairing_code(pin, last_try)?;
        Ok(self.manager.pairing_codes().put(&card, &code)?)
    }
}

/// Reads the code; the PIN has to be verified.
fn read_code(job: &mut Job<'_>) -> Result<PairingCode, ActionError> {
    job.step("read-pairing-code").select_piv()?;
    match job.send(&GetData::new(ObjectTag::PAIRING_CODE))? {
        Ok(content) if content.is_empty() => Err(unavailable(Reason::NoPairingCode)),
        Ok(content) => PairingCodeObject::decode(&content)
            .map(|object| object.code)
            .map_err(|error| job.malformed(error.to_string())),
        Err(StatusWord::FILE_NOT_FOUND) => Err(unavailable(Reason::NoPairingCode)),
        Err(status) => Err(job.refused(status)),
    }
}

fn unavailable(reason: Reason) -> ActionError {
    ActionError::Unavailable {
        action: Action::RetrievePairingCode,
        reason,
    }
}
