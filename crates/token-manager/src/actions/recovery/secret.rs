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
///
/// Two are equal if the secret is the same, whatever speaks against it.
#[derive(Clone)]
pub struct RecoverySecret {
    pub(super) record: RecoveryRecord,
    doubt: Option<RecoveryDoubt>,
}

/// Why a secret that was kept may not be the token's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecoveryDoubt {
    /// The token can't be asked without a try at stake, so it was not.
    NotAsked,
    /// A change of the PUK was begun on this computer, and how it ended is not
    /// known.
    ChangeInterrupted,
}

impl RecoveryDoubt {
    /// A stable identifier for programs: `not-asked`, `change-interrupted`.
    pub fn id(self) -> &'static str {
        match self {
            Self::NotAsked => "not-asked",
            Self::ChangeInterrupted => "change-interrupted",
        }
    }

    /// The doubt and what to do about it, as a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotAsked => {
                "It is shown as it was kept: the token was not asked whether it still takes it, since \
                 that can cost a try. If it was changed on another computer or with other software, \
                 this is an old one"
            }
            Self::ChangeInterrupted => {
                "A change of the PUK was interrupted after this one was kept: the token has this one \
                 or the new one. Keep both; the next change or unblock tells"
            }
        }
    }
}

impl fmt::Display for RecoveryDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl RecoverySecret {
    /// A copy of a secret of 1 to 32 bytes.
    ///
    /// # Errors
    /// [`RecoveryError::Length`].
    pub fn new(kind: RecoveryKind, value: &[u8]) -> Result<Self, RecoveryError> {
        RecoveryRecord::new(kind, value).map(Self::from)
    }

    /// Why it may not be the token's, for one that was kept; `None` if the token has
    /// just taken it, and for a new one.
    pub fn doubt(&self) -> Option<RecoveryDoubt> {
        self.doubt
    }

    pub(super) fn doubted(self, doubt: Option<RecoveryDoubt>) -> Self {
        Self { doubt, ..self }
    }

    /// What it is.
    pub fn kind(&self) -> RecoveryKind {
        self.record.kind()
    }

    /// What it is called, for people: `PUK`, `admin key (recovery)`.
    pub fn name(&self) -> &'static str {
        recovery_name(self.kind())
    }

    /// What it is for, and what else whoever has it can do, as sentences.
    pub fn purpose(&self) -> &'static str {
        match self.kind() {
            RecoveryKind::Puk => "It unblocks the PIN.",
            RecoveryKind::XauthKey => {
                "It unblocks the PIN by challenge and response. Whoever has it and the token can \
                 also erase the token."
            }
            RecoveryKind::UnlockCode => {
                "It unblocks the PIN, as the response to the static challenge."
            }
        }
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
        Self {
            record,
            doubt: None,
        }
    }
}

/// In constant time, as the record's.
impl PartialEq for RecoverySecret {
    fn eq(&self, other: &Self) -> bool {
        self.record == other.record
    }
}

impl Eq for RecoverySecret {}

impl fmt::Debug for RecoverySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoverySecret({:?}, ..)", self.kind())
    }
}
