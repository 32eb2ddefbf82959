//! The keys that administer a token: whether the right one is at hand.

use crescendo_ext::xauth::XauthKey;
use piv_apdu::management::ManagementKey;

use super::unblock::authenticate_admin;
use crate::capability::Action;
use crate::failure::{ActionError, Secret};
use crate::session::Session;

/// Whether a key is the token's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyCheck {
    /// It is.
    Right,
    /// It is not.
    Wrong,
}

impl Session {
    /// Whether this is the token's admin key (XAUTH key 1): SELECT of the ACA,
    /// GET CHALLENGE, EXTERNAL AUTHENTICATE. No try counter is documented for
    /// it. The token is locked after.
    ///
    /// # Errors
    /// [`ActionError::NotSent`] if the key is not of the kind that the
    /// challenge wants, [`ActionError::Refused`] (`6A88`: the token has no admin
    /// key), [`ActionError::Interrupted`].
    pub fn check_admin_key(&mut self, key: &XauthKey) -> Result<KeyCheck, ActionError> {
        self.ensure(Action::UnblockWithChallengeResponse)?;
        let mut job = self.job(Action::ChangeAdminKey)?;
        let result = authenticate_admin(&mut job, key);
        job.end();
        self.lock_again();
        match result {
            Ok(()) => Ok(KeyCheck::Right),
            Err(ActionError::Wrong { .. }) => Ok(KeyCheck::Wrong),
            Err(error) => Err(error),
        }
    }

    /// Whether this is the token's card management key (9B), and whether the
    /// card knows it too: SELECT of the PIV application and mutual
    /// authentication with GENERAL AUTHENTICATE (`00 87 algorithm 9B`), two
    /// commands. The token is locked after.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`], [`ActionError::Refused`],
    /// [`ActionError::Interrupted`].
    pub fn check_management_key(&mut self, key: &ManagementKey) -> Result<KeyCheck, ActionError> {
        self.ensure(Action::AuthenticateManagementKey)?;
        let mut job = self.job(Action::AuthenticateManagementKey)?;
        let result = job.authenticate_management(key);
        job.end();
        self.lock_again();
        match result {
            Ok(()) => Ok(KeyCheck::Right),
            Err(ActionError::Wrong {
                secret: Secret::ManagementKey,
                ..
            }) => Ok(KeyCheck::Wrong),
            Err(error) => Err(error),
        }
    }
}
