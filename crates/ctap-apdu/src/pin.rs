//! The FIDO PIN.

use core::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use zeroize::{Zeroize, Zeroizing};

/// The PIN of a FIDO authenticator: text of at least four code points, at most 63 bytes
/// long in UTF-8, in Unicode's Normalization Form C.
///
/// Wiped when dropped, compared in constant time, and not shown by `Debug`.
///
/// ```
/// use ctap_apdu::{FidoPin, FidoPinError};
///
/// let pin = FidoPin::new("Zu\u{308}rich")?; // u and a diaeresis become one character
/// assert_eq!(pin.as_str(), "Z\u{FC}rich");
/// assert_eq!(pin.code_points(), 6);
/// assert_eq!(format!("{pin:?}"), "FidoPin(..)");
/// assert_eq!(FidoPin::new("123").unwrap_err(), FidoPinError::TooShort { code_points: 3 });
/// # Ok::<(), FidoPinError>(())
/// ```
///
/// Source: CTAP 2.1, 6.5.1.
#[derive(Clone)]
pub struct FidoPin {
    text: Zeroizing<String>,
    is_as_given: bool,
}

impl FidoPin {
    /// The fewest code points that a PIN has.
    pub const MIN_CODE_POINTS: usize = 4;
    /// The most bytes that a PIN has in UTF-8.
    pub const MAX_BYTES: usize = 63;
    /// A new PIN on the wire, before it is encrypted: this many bytes, filled up with 00.
    pub const PADDED: usize = 64;

    /// Copies a PIN and brings it into Normalization Form C.
    ///
    /// Of a text that is not in that form already, the conversion leaves pieces of a
    /// few characters on the stack.
    ///
    /// # Errors
    /// [`FidoPinError`] if no authenticator could take it.
    pub fn new(text: &str) -> Result<FidoPin, FidoPinError> {
        let pin = FidoPin {
            text: normalized(text)?,
            is_as_given: is_nfc(text),
        };
        match pin.code_points() {
            code_points if code_points < Self::MIN_CODE_POINTS => {
                Err(FidoPinError::TooShort { code_points })
            }
            _ if pin.text.ends_with('\0') => Err(FidoPinError::EndsInPadding),
            _ => Ok(pin),
        }
    }

    /// The PIN in Normalization Form C.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the text that it was made of was in that form already. If not, whoever
    /// compares the PIN byte by byte with what a person types, as PIV does, sees another
    /// one than FIDO.
    pub fn is_as_given(&self) -> bool {
        self.is_as_given
    }

    /// How many code points it has: what `minPINLength` is about.
    pub fn code_points(&self) -> usize {
        self.text.chars().count()
    }

    /// The PIN filled up with 00, as it is encrypted when it is to be a new one.
    pub(crate) fn padded(&self) -> Zeroizing<Vec<u8>> {
        let mut padded = Zeroizing::new(Vec::with_capacity(Self::PADDED));
        padded.extend_from_slice(self.text.as_bytes());
        padded.resize(Self::PADDED, 0);
        padded
    }

    /// The first 16 bytes of its SHA-256, by which an authenticator knows it.
    pub(crate) fn hash(&self) -> Zeroizing<Vec<u8>> {
        let mut digest = Sha256::digest(self.text.as_bytes());
        let hash = Zeroizing::new(digest[..16].to_vec());
        digest.as_mut_slice().zeroize();
        hash
    }
}

/// The text in Normalization Form C, in a buffer that never moves.
fn normalized(text: &str) -> Result<Zeroizing<String>, FidoPinError> {
    let mut pin = Zeroizing::new(String::with_capacity(FidoPin::MAX_BYTES));
    let mut push = |character: char| {
        if pin.len() + character.len_utf8() > FidoPin::MAX_BYTES {
            return Err(FidoPinError::TooLong);
        }
        pin.push(character);
        Ok(())
    };
    if is_nfc(text) {
        text.chars().try_for_each(&mut push)?;
    } else {
        text.nfc().try_for_each(&mut push)?;
    }
    Ok(pin)
}

/// In constant time for PINs of one length.
impl PartialEq for FidoPin {
    fn eq(&self, other: &Self) -> bool {
        self.text.as_bytes().ct_eq(other.text.as_bytes()).into()
    }
}

impl Eq for FidoPin {}

impl fmt::Debug for FidoPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FidoPin(..)")
    }
}

/// A text cannot be a FIDO PIN. Nothing was sent to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FidoPinError {
    /// Fewer than four code points.
    #[error(
        "it has {code_points} characters, and a FIDO PIN has at least {}",
        FidoPin::MIN_CODE_POINTS
    )]
    TooShort {
        /// How many it has.
        code_points: usize,
    },
    /// More than 63 bytes.
    #[error(
        "it is longer than a FIDO PIN can be: {} bytes in UTF-8",
        FidoPin::MAX_BYTES
    )]
    TooLong,
    /// It ends in the character NUL, which the authenticator could not tell from padding.
    #[error("it ends in the character NUL, which the token cannot tell from padding")]
    EndsInPadding,
}
