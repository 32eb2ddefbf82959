//! Use a private key of the token's.

use piv_apdu::command::{DynamicAuthenticationTemplate, GeneralAuthenticate, Verify};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::secret::Pin;
use piv_apdu::status::StatusWord;
use zeroize::Zeroizing;

use super::authenticate::{refused_pin, tries};
use super::entry::PinEntry;
use crate::capability::Action;
use crate::failure::{ActionError, Aftermath};
use crate::pin::PinStatus;
use crate::session::{Job, LastTry, Session};

impl Session {
    /// Uses a private key: verifies the PIN and lets the card sign or decrypt
    /// one block, with nothing between the two commands, as the digital
    /// signature key 9C ("PIN always") wants it.
    ///
    /// Sends SELECT of the PIV application, an empty VERIFY, VERIFY (`00 20 00 80
    /// 08 PIN`), GENERAL AUTHENTICATE. `block` is the padded block of the
    /// modulus' length for RSA, the hash for ECDSA. The token is locked after.
    ///
    /// # Errors
    /// [`ActionError::NotSent`], [`ActionError::Wrong`],
    /// [`ActionError::Blocked`], [`ActionError::Refused`],
    /// [`ActionError::Malformed`], [`ActionError::Interrupted`].
    pub fn use_key(
        &mut self,
        pin: &Pin,
        last_try: LastTry,
        key: KeyReference,
        algorithm: Algorithm,
        block: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ActionError> {
        self.ensure(Action::Authenticate)?;
        self.check_presented(PinEntry::Typed(pin))?;
        let command = GeneralAuthenticate {
            algorithm,
            key,
            template: DynamicAuthenticationTemplate::internal_authenticate(block),
        };
        let mut job = self.job(Action::Authenticate)?;
        let verified = verify(&mut job, pin, last_try);
        let answer = match &verified {
            Ok(_) => Some(authenticate(&mut job, &command)),
            Err(_) => None,
        };
        job.end();
        self.note_verification(&verified);
        self.note_locked();
        verified?;
        answer.unwrap_or(Err(ActionError::AuthenticationLost))
    }
}

/// VERIFY in the PIV application, also on a Crescendo: nothing, not even a
/// SELECT, may come between it and the use of the key.
fn verify(job: &mut Job<'_>, pin: &Pin, last_try: LastTry) -> Result<PinStatus, ActionError> {
    let before = tries(job, last_try)?;
    job.at("verify-pin", Aftermath::TryUncertain);
    let verify = Verify::check(job.pin_reference(), pin.padded());
    match job.send(&verify)? {
        Ok(()) => Ok(before),
        Err(status) => Err(refused_pin(job, status)),
    }
}

fn authenticate(
    job: &mut Job<'_>,
    command: &GeneralAuthenticate,
) -> Result<Zeroizing<Vec<u8>>, ActionError> {
    job.at("general-authenticate", Aftermath::Unchanged);
    match job.send(command)? {
        Ok(answer) => answer
            .response
            .ok_or_else(|| job.malformed("it has no response (82)")),
        Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED) => Err(ActionError::AuthenticationLost),
        Err(status) => Err(job.refused(status)),
    }
}
