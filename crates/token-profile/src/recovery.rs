//! The recovery record: the secret that unblocks a token, in an object that
//! the PIN protects.

use core::fmt;

use piv_apdu::tlv::{self, Node, Tag};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::profile::ours;

const TEMPLATE: Tag = Tag::new(0xE2);
const MAGIC: Tag = Tag::new(0x80);
const VERSION: Tag = Tag::new(0x81);
const KIND: Tag = Tag::new(0x82);
const VALUE: Tag = Tag::new(0x83);

const MAGIC_VALUE: &[u8] = b"PTRR";
const VERSION_1: u8 = 0x01;
/// No recovery secret is longer, in bytes: a 3DES key has 24.
const MAX_VALUE: usize = 32;

/// What a recovery secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecoveryKind {
    /// A PUK, for RESET RETRY COUNTER.
    Puk,
    /// XAUTH key 1 of a Crescendo, for challenge and response.
    XauthKey,
    /// The constant response to a static challenge.
    UnlockCode,
}

impl RecoveryKind {
    const ALL: [(Self, u8); 3] = [(Self::Puk, 1), (Self::XauthKey, 2), (Self::UnlockCode, 3)];

    /// A stable identifier for programs: `puk`, `admin-key`, `unlock-code`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Puk => "puk",
            Self::XauthKey => "admin-key",
            Self::UnlockCode => "unlock-code",
        }
    }
}

/// A secret that unblocks a token. Wiped when dropped; `Debug` shows its kind.
#[derive(Clone)]
pub struct RecoveryRecord {
    kind: RecoveryKind,
    value: Zeroizing<Vec<u8>>,
}

impl RecoveryRecord {
    /// A record of 1 to 32 bytes.
    ///
    /// # Errors
    /// [`RecoveryError::Length`].
    pub fn new(kind: RecoveryKind, value: &[u8]) -> Result<Self, RecoveryError> {
        if value.is_empty() || value.len() > MAX_VALUE {
            return Err(RecoveryError::Length {
                length: value.len(),
            });
        }
        Ok(Self {
            kind,
            value: Zeroizing::new(value.to_vec()),
        })
    }

    /// What it is.
    pub fn kind(&self) -> RecoveryKind {
        self.kind
    }

    /// The secret.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The object's content: what goes inside `53`.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let kind = RecoveryKind::ALL
            .iter()
            .find(|(kind, _)| *kind == self.kind)
            .map_or([0], |(_, number)| [*number]);
        tlv::encode(&[Node::Template(
            TEMPLATE,
            &[
                Node::Value(MAGIC, MAGIC_VALUE),
                Node::Value(VERSION, &[VERSION_1]),
                Node::Value(KIND, &kind),
                Node::Value(VALUE, &self.value),
            ],
        )])
    }

    /// Reads the object's content.
    ///
    /// # Errors
    /// [`RecoveryError`]. What is [`NotOurs`](RecoveryError::NotOurs) must never
    /// be written over; the others are empty or bear our mark.
    pub fn decode(content: &[u8]) -> Result<Self, RecoveryError> {
        if content.is_empty() {
            return Err(RecoveryError::Empty);
        }
        let fields = ours(content, TEMPLATE, MAGIC_VALUE).ok_or(RecoveryError::NotOurs)?;
        let field = |tag| match tlv::find(fields, tag) {
            Ok(Some(value)) => Ok(value),
            _ => Err(RecoveryError::Damaged),
        };
        match field(VERSION)? {
            [VERSION_1] => {}
            [version] => return Err(RecoveryError::Unsupported { version: *version }),
            _ => return Err(RecoveryError::Damaged),
        }
        let kind = field(KIND)?;
        let (kind, _) = RecoveryKind::ALL
            .into_iter()
            .find(|(_, number)| kind == [*number])
            .ok_or(RecoveryError::Damaged)?;
        Self::new(kind, field(VALUE)?).map_err(|_| RecoveryError::Damaged)
    }
}

/// In constant time.
impl PartialEq for RecoveryRecord {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && bool::from(self.value.ct_eq(&other.value))
    }
}

impl Eq for RecoveryRecord {}

impl fmt::Debug for RecoveryRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveryRecord({:?}, ..)", self.kind)
    }
}

/// The object holds no recovery record that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// It is empty.
    #[error("there is nothing in it")]
    Empty,
    /// Something else is in it.
    #[error("what is in it was not put there by this software")]
    NotOurs,
    /// A later version of the format.
    #[error("the recovery record has version {version}, which this software does not know")]
    Unsupported {
        /// Its version.
        version: u8,
    },
    /// It bears our mark and can't be read.
    #[error("the recovery record is damaged")]
    Damaged,
    /// A new record of no byte, or of too many.
    #[error("a recovery secret has 1 to 32 bytes, and not {length}")]
    Length {
        /// Its length, in bytes.
        length: usize,
    },
}
