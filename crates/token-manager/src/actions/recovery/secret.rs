//! The recovery secret as a value.

use std::fmt;

use crescendo_ext::xauth::XauthKey;
use piv_apdu::secret::{Puk, to_hex};
use token_profile::{RecoveryError, RecoveryKind, RecoveryRecord};
use zeroize::Zeroizing;

use crate::record::recovery_name;

/// What fills a PUK up to the card's eight bytes.
const PADDING: u8 = 0xFF;

/// The secret that unblocks a token. Wiped when dropped; `Debug` shows its
/// kind, and only [`reveal`](Self::reveal) makes text of it.
#[derive(PartialEq, Eq)]
pub struct RecoverySecret {
    pub(super) record: RecoveryRecord,
}

impl RecoverySecret {
    /// A copy of a secret of 1 to 32 bytes.
    ///
    /// # Errors
    /// [`RecoveryError::Length`].
    pub fn new(kind: RecoveryKind, value: &[u8]) -> Result<Self, RecoveryError> {
        RecoveryRecord::new(kind, value).map(Self::from)
    }

    /// What it is.
    pub fn kind(&self) -> RecoveryKind {
        self.record.kind()
    }

    /// What it is called, for people: `PUK`, `admin key (recovery)`.
    pub fn name(&self) -> &'static str {
        recovery_name(self.kind())
    }

    /// The secret as a person writes it down: a PUK in its characters, or in
    /// hexadecimal if they can't all be typed; a key or a code in hexadecimal,
    /// `0123-4567-89AB-CDEF`.
    pub fn reveal(&self) -> Zeroizing<String> {
        let value = self.unpadded();
        let typed = value.iter().all(u8::is_ascii_graphic);
        if self.kind() == RecoveryKind::Puk && typed {
            let mut text = Zeroizing::new(String::with_capacity(value.len()));
            text.extend(value.iter().copied().map(char::from));
            return text;
        }
        to_hex(value)
    }

    /// The PUK, if it is one that a card takes.
    pub fn puk(&self) -> Option<Puk> {
        (self.kind() == RecoveryKind::Puk)
            .then(|| Puk::new(self.unpadded()).ok())
            .flatten()
    }

    /// The admin key, if it is one.
    pub fn xauth_key(&self) -> Option<XauthKey> {
        (self.kind() == RecoveryKind::XauthKey)
            .then(|| XauthKey::from_slice(self.record.value()).ok())
            .flatten()
    }

    /// A PUK may be kept as the card has it, with its padding.
    fn unpadded(&self) -> &[u8] {
        let mut value = self.record.value();
        while let (RecoveryKind::Puk, [rest @ .., PADDING]) = (self.kind(), value) {
            value = rest;
        }
        value
    }
}

impl From<RecoveryRecord> for RecoverySecret {
    fn from(record: RecoveryRecord) -> Self {
        Self { record }
    }
}

impl fmt::Debug for RecoverySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoverySecret({:?}, ..)", self.kind())
    }
}
