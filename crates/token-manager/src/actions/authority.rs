//! Who allows a token to be administered.

use crescendo_ext::xauth::XauthKey;
use piv_apdu::management::ManagementKey;

use super::authenticate::verify;
use super::entry::PinEntry;
use super::unblock::authenticate_admin;
use crate::failure::{ActionError, NotSent, Secret};
use crate::session::{Job, LastTry, Session};

/// What shows a token that it may be administered. It is presented in the same
/// transaction as what it allows, so that giving it is the confirmation.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Authority<'a> {
    /// The PIN, which administers a Crescendo too.
    Pin(PinEntry<'a>),
    /// The admin key of a Crescendo (XAUTH key 1). It also serves when the PIN
    /// is blocked or forgotten.
    AdminKey(&'a XauthKey),
    /// The card management key (9B) of a plain PIV card.
    ManagementKey(&'a ManagementKey),
}

impl Authority<'_> {
    /// What it is.
    pub fn secret(&self) -> Secret {
        match self {
            Self::Pin(_) => Secret::Pin,
            Self::AdminKey(_) => Secret::AdminKey,
            Self::ManagementKey(_) => Secret::ManagementKey,
        }
    }

    /// Refuses what can't allow anything on this token, before it is sent.
    pub(crate) fn check(self, session: &Session) -> Result<(), ActionError> {
        match (self, session.family()) {
            (Self::Pin(entry), Some(_)) => session.check_presented(entry),
            (Self::AdminKey(_), Some(_)) | (Self::ManagementKey(_), None) => Ok(()),
            _ => {
                let secret = self.secret();
                Err(NotSent::CannotAuthorize { secret }.into())
            }
        }
    }

    /// Presents it. With the PIN: SELECT of the PIV application, an empty VERIFY
    /// (tries left), SELECT of the ACA, VERIFY. With the admin key: SELECT of the
    /// ACA, GET CHALLENGE, EXTERNAL AUTHENTICATE. With the management key: SELECT
    /// of the PIV application, GENERAL AUTHENTICATE twice.
    pub(crate) fn authenticate(
        self,
        job: &mut Job<'_>,
        last_try: LastTry,
    ) -> Result<(), ActionError> {
        match self {
            Self::Pin(entry) => verify(job, entry, last_try).map(drop),
            Self::AdminKey(key) => authenticate_admin(job, key),
            Self::ManagementKey(key) => job.authenticate_management(key),
        }
    }
}
