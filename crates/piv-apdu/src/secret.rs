//! PIN, PUK and pairing code.
//!
//! Each type wipes its memory when dropped, prints nothing of its value in
//! `Debug`, has no `Display`, and compares in constant time.

use core::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// The byte that fills a PIN or PUK up to its block.
const PADDING: u8 = 0xFF;

/// Eight bytes of reference data as they go into VERIFY, CHANGE REFERENCE
/// DATA and RESET RETRY COUNTER: a PIN or PUK with its padding, or a pairing code.
///
/// Any eight bytes make one, so that a card can decide what it refuses.
///
/// Source: SP 800-73-5 Part 2, 2.4.3.
///
/// They lie on the heap: where a PIN is moved, from function to function and from
/// thread to thread, a pointer is copied, and no copy of the PIN stays behind.
pub struct PinBlock(Box<Zeroizing<[u8; PinBlock::LEN]>>);

impl PinBlock {
    /// The length of a block, in bytes.
    pub const LEN: usize = 8;

    /// Copies eight bytes; `None` if there are more or fewer.
    pub fn from_slice(bytes: &[u8]) -> Option<PinBlock> {
        (bytes.len() == Self::LEN).then(|| Self::padded(bytes))
    }

    /// Copies the first eight bytes and pads with FF.
    fn padded(bytes: &[u8]) -> PinBlock {
        let mut block = Box::new(Zeroizing::new([PADDING; Self::LEN]));
        block
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = *from);
        PinBlock(block)
    }

    /// The eight bytes, with padding.
    pub fn as_bytes(&self) -> &[u8; PinBlock::LEN] {
        &self.0
    }

    /// The bytes without the padding: up to the last that is not FF.
    pub fn unpadded(&self) -> &[u8] {
        let padding = self.0.iter().rev().take_while(|&&byte| byte == PADDING);
        &self.0[..Self::LEN - padding.count()]
    }
}

/// The PIV application PIN or the global PIN: one to eight bytes as given.
///
/// PIV wants six to eight ASCII digits (SP 800-73-5 Part 2, 2.4.3); vendors
/// differ, so that the rule is left to the card and to whoever knows it.
///
/// ```
/// let pin = piv_apdu::secret::Pin::new(b"123456")?;
/// assert_eq!(pin.padded().as_bytes(), b"123456\xFF\xFF");
/// assert_eq!(format!("{pin:?}"), "Pin(..)");
/// # Ok::<(), piv_apdu::secret::PinError>(())
/// ```
#[derive(Clone)]
pub struct Pin(PinBlock);

/// The PIN unblocking key: one to eight bytes as given, padded with FF to eight.
///
/// PIV has it eight bytes long, of any value (SP 800-73-5 Part 2, 2.4.3).
#[derive(Clone)]
pub struct Puk(PinBlock);

/// The pairing code: eight ASCII digits.
///
/// Source: SP 800-73-5 Part 1, 3.3.8; Part 2, 2.4.3.
#[derive(Clone)]
pub struct PairingCode(PinBlock);

/// Bytes cannot be a PIN, a PUK or a pairing code. Nothing was sent to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// No byte at all.
    #[error("it is empty")]
    Empty,
    /// More than the eight bytes that the wire has room for.
    #[error(
        "it has {length} bytes and the card's command has room for {}",
        PinBlock::LEN
    )]
    TooLong {
        /// Its length, in bytes.
        length: usize,
    },
    /// It ends in the byte FF, which the card could not tell from padding.
    #[error("it ends in the byte FF, which a card cannot tell from padding")]
    EndsInPadding,
    /// A pairing code that is not eight digits.
    #[error("a pairing code is eight digits")]
    NotEightDigits,
}

/// A block that holds `bytes` and shows where they end.
fn unambiguous(bytes: &[u8]) -> Result<PinBlock, PinError> {
    match bytes {
        [] => Err(PinError::Empty),
        _ if bytes.len() > PinBlock::LEN => Err(PinError::TooLong {
            length: bytes.len(),
        }),
        // A full block of eight has no padding to be confused with, but only
        // a PUK may hold FF at all.
        [.., PADDING] if bytes.len() < PinBlock::LEN => Err(PinError::EndsInPadding),
        _ => Ok(PinBlock::padded(bytes)),
    }
}

impl Pin {
    /// Copies one to eight bytes.
    ///
    /// # Errors
    /// [`PinError`] if there are none or too many, or if the last is FF.
    pub fn new(bytes: &[u8]) -> Result<Pin, PinError> {
        match bytes {
            [.., PADDING] => Err(PinError::EndsInPadding),
            _ => unambiguous(bytes).map(Pin),
        }
    }

    /// The PIN as given, without padding.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.unpadded()
    }

    /// The PIN padded with FF to eight bytes.
    pub fn padded(&self) -> PinBlock {
        self.0.clone()
    }
}

impl Puk {
    /// Copies one to eight bytes and pads with FF to eight.
    ///
    /// # Errors
    /// [`PinError`] if there are none or too many, or if there are fewer than
    /// eight and the last is FF.
    pub fn new(bytes: &[u8]) -> Result<Puk, PinError> {
        unambiguous(bytes).map(Puk)
    }

    /// All eight bytes, with any padding.
    pub fn as_bytes(&self) -> &[u8; PinBlock::LEN] {
        self.0.as_bytes()
    }

    /// The PUK padded with FF to eight bytes.
    pub fn padded(&self) -> PinBlock {
        self.0.clone()
    }
}

impl PairingCode {
    /// Copies eight ASCII digits.
    ///
    /// # Errors
    /// [`PinError::NotEightDigits`] for anything else.
    pub fn new(bytes: &[u8]) -> Result<PairingCode, PinError> {
        match PinBlock::from_slice(bytes) {
            Some(block) if bytes.iter().all(u8::is_ascii_digit) => Ok(PairingCode(block)),
            _ => Err(PinError::NotEightDigits),
        }
    }

    /// The eight digits.
    pub fn as_bytes(&self) -> &[u8; PinBlock::LEN] {
        self.0.as_bytes()
    }

    /// The eight digits as VERIFY takes them.
    pub fn block(&self) -> PinBlock {
        self.0.clone()
    }
}

/// From heap to heap.
impl Clone for PinBlock {
    fn clone(&self) -> Self {
        PinBlock::padded(self.as_bytes())
    }
}

impl ConstantTimeEq for PinBlock {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.as_bytes().ct_eq(other.as_bytes())
    }
}

/// The array that was given is the caller's to wipe.
impl From<[u8; PinBlock::LEN]> for PinBlock {
    fn from(bytes: [u8; PinBlock::LEN]) -> Self {
        PinBlock::padded(&bytes)
    }
}

/// Reads hexadecimal digits of either case as a person types or pastes a key:
/// spaces, dashes and colons between them are passed over. `None` for anything
/// else, for an odd number of digits, and for none.
///
/// No copy of the secret is left behind: the buffer is of the exact size.
pub fn from_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let separator = |character: &char| matches!(character, ' ' | '-' | ':' | '\t');
    let digits = || text.chars().filter(|character| !separator(character));
    let count = digits().count();
    if count == 0 || !count.is_multiple_of(2) {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(count / 2));
    let mut digits = digits();
    while let Some(high) = digits.next() {
        let (high, low) = (high.to_digit(16)?, digits.next()?.to_digit(16)?);
        bytes.push(u8::try_from(high << 4 | low).ok()?);
    }
    Some(bytes)
}

/// Upper-case hexadecimal digits in groups of four with a dash between them,
/// as a person copies a key: `0123-4567-89AB-CDEF`.
pub fn to_hex(bytes: &[u8]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 3));
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % 2 == 0 {
            text.push('-');
        }
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 0x0F)]));
    }
    text
}

/// Constant-time `==` and a `Debug` that shows nothing.
macro_rules! secret {
    ($type:ident, $text:literal) => {
        /// In constant time.
        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.ct_eq(other).into()
            }
        }

        impl Eq for $type {}

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($text)
            }
        }
    };
    ($type:ident, $text:literal, wraps a block) => {
        impl ConstantTimeEq for $type {
            fn ct_eq(&self, other: &Self) -> Choice {
                self.0.ct_eq(&other.0)
            }
        }

        secret!($type, $text);
    };
}

secret!(PinBlock, "PinBlock(..)");
secret!(Pin, "Pin(..)", wraps a block);
secret!(Puk, "Puk(..)", wraps a block);
secret!(PairingCode, "PairingCode(..)", wraps a block);
