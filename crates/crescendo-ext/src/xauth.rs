//! The admin key of a Crescendo (XAUTH key 1), and the responses that are made
//! with it to the token's challenges. No I/O.
//!
//! Source: HID's pages LL/external-auth-xauth, LL/put-xauth-key and
//! crescendo-tools/MiniDriver/unlock-pin. Evidence: vendor, but for the
//! algorithm bytes 03 and 08 of PUT XAUTH KEY (third-party).

use core::fmt;

use aes::Aes128;
use cipher::{Block, BlockCipherEncrypt, KeyInit};
use des::TdesEde3;
use piv_apdu::secret;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::aca::XauthChallenge;

/// The algorithm of an admin key. The length of the token's challenge says
/// which one it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XauthAlgorithm {
    /// 3DES with three keys.
    Tdes,
    /// AES-128.
    Aes128,
}

impl XauthAlgorithm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tdes, Self::Aes128];

    /// The length of a key, in bytes: 24 or 16.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Tdes => 24,
            Self::Aes128 => 16,
        }
    }

    /// The length of a block, and so of challenge and response, in bytes: 8 or
    /// 16.
    pub const fn block_length(self) -> usize {
        match self {
            Self::Tdes => 8,
            Self::Aes128 => 16,
        }
    }

    /// The algorithm's byte in PUT XAUTH KEY: 03 or 08 (third-party).
    pub const fn identifier(self) -> u8 {
        match self {
            Self::Tdes => 0x03,
            Self::Aes128 => 0x08,
        }
    }

    /// What it is called: `3DES` or `AES-128`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tdes => "3DES",
            Self::Aes128 => "AES-128",
        }
    }

    /// The algorithm whose blocks have this length, in bytes.
    pub fn of_block_length(length: usize) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.block_length() == length)
    }
}

/// An admin key: whoever has it can unblock, set keys and erase. Wiped when
/// dropped; `Debug` shows its algorithm only.
pub struct XauthKey {
    algorithm: XauthAlgorithm,
    bytes: Zeroizing<Vec<u8>>,
}

impl XauthKey {
    /// Copies a key. The parity bits of a 3DES key are of no matter.
    ///
    /// # Errors
    /// [`XauthError::KeyLength`].
    pub fn new(algorithm: XauthAlgorithm, bytes: &[u8]) -> Result<Self, XauthError> {
        if bytes.len() != algorithm.key_length() {
            return Err(XauthError::KeyLength {
                length: bytes.len(),
            });
        }
        Ok(XauthKey {
            algorithm,
            bytes: Zeroizing::new(bytes.to_vec()),
        })
    }

    /// A key of 24 bytes (3DES) or 16 (AES-128): its length decides.
    ///
    /// # Errors
    /// [`XauthError::KeyLength`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, XauthError> {
        let algorithm = XauthAlgorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.key_length() == bytes.len())
            .ok_or(XauthError::KeyLength {
                length: bytes.len(),
            })?;
        Self::new(algorithm, bytes)
    }

    /// Reads a key in hexadecimal, 48 digits (3DES) or 32 (AES-128), as
    /// [`secret::from_hex`] does.
    ///
    /// # Errors
    /// [`XauthError::NotHexadecimal`], [`XauthError::KeyLength`].
    pub fn from_hex(text: &str) -> Result<Self, XauthError> {
        let bytes = secret::from_hex(text).ok_or(XauthError::NotHexadecimal)?;
        Self::from_slice(&bytes)
    }

    /// The key in hexadecimal, for whoever is to have it ([`secret::to_hex`]).
    pub fn to_hex(&self) -> Zeroizing<String> {
        secret::to_hex(&self.bytes)
    }

    /// The algorithm.
    pub fn algorithm(&self) -> XauthAlgorithm {
        self.algorithm
    }

    /// The key itself.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is the value that tokens are delivered with: zeros
    /// throughout. In constant time.
    pub fn is_delivery_value(&self) -> bool {
        bool::from(self.bytes.ct_eq(&[0; 24][..self.bytes.len()]))
    }

    /// The response to a challenge: the challenge, one block, encrypted (ECB).
    ///
    /// # Errors
    /// [`XauthError::OtherKeyWanted`] if the challenge is for a key of the
    /// other algorithm.
    pub fn cryptogram(&self, challenge: &XauthChallenge) -> Result<XauthCryptogram, XauthError> {
        let wanted = challenge.algorithm();
        let block = match self.algorithm {
            XauthAlgorithm::Tdes => encrypt::<TdesEde3>(&self.bytes, challenge.as_bytes()),
            XauthAlgorithm::Aes128 => encrypt::<Aes128>(&self.bytes, challenge.as_bytes()),
        };
        match block {
            Some(block) if wanted == self.algorithm => Ok(XauthCryptogram(block)),
            _ => Err(XauthError::OtherKeyWanted {
                wanted,
                given: self.algorithm,
            }),
        }
    }
}

fn encrypt<C: KeyInit + BlockCipherEncrypt>(
    key: &[u8],
    block: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = C::new_from_slice(key).ok()?;
    let mut block = Block::<C>::try_from(block).ok()?;
    cipher.encrypt_block(&mut block);
    let out = Zeroizing::new(block.to_vec());
    block.as_mut_slice().zeroize();
    Some(out)
}

/// In constant time for keys of the same algorithm.
impl PartialEq for XauthKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && bool::from(self.bytes.ct_eq(&other.bytes))
    }
}

impl Eq for XauthKey {}

impl fmt::Debug for XauthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "XauthKey({}, ..)", self.algorithm.name())
    }
}

/// The response to a challenge: 8 or 16 bytes. With a static challenge it is
/// a fixed unlock code, so it is treated as a secret. Wiped when dropped.
#[derive(Clone)]
pub struct XauthCryptogram(Zeroizing<Vec<u8>>);

impl XauthCryptogram {
    /// Copies a response of 8 or 16 bytes.
    ///
    /// # Errors
    /// [`XauthError::ResponseLength`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, XauthError> {
        match XauthAlgorithm::of_block_length(bytes.len()) {
            Some(_) => Ok(Self(Zeroizing::new(bytes.to_vec()))),
            None => Err(XauthError::ResponseLength {
                length: bytes.len(),
            }),
        }
    }

    /// Reads a response in hexadecimal, 16 or 32 digits, as
    /// [`secret::from_hex`] does.
    ///
    /// # Errors
    /// [`XauthError::NotHexadecimal`], [`XauthError::ResponseLength`].
    pub fn from_hex(text: &str) -> Result<Self, XauthError> {
        let bytes = secret::from_hex(text).ok_or(XauthError::NotHexadecimal)?;
        Self::from_slice(&bytes)
    }

    /// The response in hexadecimal ([`secret::to_hex`]).
    pub fn to_hex(&self) -> Zeroizing<String> {
        secret::to_hex(&self.0)
    }

    /// The 8 or 16 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// In constant time for the same length.
impl PartialEq for XauthCryptogram {
    fn eq(&self, other: &Self) -> bool {
        bool::from(self.0.ct_eq(&other.0))
    }
}

impl Eq for XauthCryptogram {}

impl fmt::Debug for XauthCryptogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("XauthCryptogram(..)")
    }
}

/// A key, challenge or response is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XauthError {
    /// The text is not pairs of hexadecimal digits.
    #[error("it is written in hexadecimal digits, two for each byte")]
    NotHexadecimal,
    /// A key of a length that no admin key has.
    #[error(
        "an admin key has 24 bytes (3DES, 48 digits) or 16 (AES-128, 32 digits), and not {length}"
    )]
    KeyLength {
        /// Its length, in bytes.
        length: usize,
    },
    /// A challenge of a length that no token gives.
    #[error("a challenge has 8 bytes (16 digits) or 16 (32 digits), and not {length}")]
    ChallengeLength {
        /// Its length, in bytes.
        length: usize,
    },
    /// A response of a length that no token takes.
    #[error("a response has 8 bytes (16 digits) or 16 (32 digits), and not {length}")]
    ResponseLength {
        /// Its length, in bytes.
        length: usize,
    },
    /// The challenge is for a key of the other algorithm.
    #[error(
        "the challenge is for a{} {} admin key, and the one given is {}",
        if *wanted == XauthAlgorithm::Aes128 { "n" } else { "" },
        wanted.name(),
        given.name()
    )]
    OtherKeyWanted {
        /// What the challenge is for.
        wanted: XauthAlgorithm,
        /// What the key is.
        given: XauthAlgorithm,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    /// SP 800-67, appendix B; FIPS 197, appendix C.
    #[test]
    fn known_answers() {
        let key = hex!("0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123");
        let key = XauthKey::from_slice(&key).unwrap();
        let challenge = XauthChallenge::from_slice(b"The qufc").unwrap();
        let response = key.cryptogram(&challenge).unwrap();
        assert_eq!(response.as_bytes(), hex!("A826FD8CE53B855F"));
        assert_eq!(*response.to_hex(), "A826-FD8C-E53B-855F");

        let key = XauthKey::from_hex("00010203 04050607 08090a0b 0c0d0e0f").unwrap();
        assert_eq!(key.algorithm(), XauthAlgorithm::Aes128);
        let challenge = hex!("00112233445566778899aabbccddeeff");
        let challenge = XauthChallenge::from_slice(&challenge).unwrap();
        let response = key.cryptogram(&challenge).unwrap();
        assert_eq!(
            response.as_bytes(),
            hex!("69c4e0d86a7b0430d8cdb78070b4c55a")
        );
    }

    #[test]
    fn the_other_algorithm_s_challenge_is_refused_with_the_kind_that_is_wanted() {
        let key = XauthKey::from_slice(&[1; 16]).unwrap();
        let challenge = XauthChallenge::from_slice(&[0; 8]).unwrap();
        let error = key.cryptogram(&challenge).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the challenge is for a 3DES admin key, and the one given is AES-128"
        );
    }

    #[test]
    fn nothing_of_a_key_is_shown_and_zeros_are_known() {
        let key = XauthKey::from_slice(&[0xAB; 24]).unwrap();
        assert_eq!(format!("{key:?}"), "XauthKey(3DES, ..)");
        assert!(!key.is_delivery_value());
        assert!(XauthKey::from_slice(&[0; 24]).unwrap().is_delivery_value());
        assert!(XauthKey::from_slice(&[0; 16]).unwrap().is_delivery_value());
        let response = XauthCryptogram::from_slice(&[0xAB; 8]).unwrap();
        assert_eq!(format!("{response:?}"), "XauthCryptogram(..)");
    }

    proptest! {
        #[test]
        fn hexadecimal_comes_back(bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 16),
            proptest::collection::vec(any::<u8>(), 24),
        ]) {
            let key = XauthKey::from_slice(&bytes).unwrap();
            prop_assert_eq!(XauthKey::from_hex(&key.to_hex()).unwrap(), key);
        }

        #[test]
        fn no_text_is_a_reason_to_panic(text: String) {
            let _ = XauthKey::from_hex(&text);
            let _ = XauthCryptogram::from_hex(&text);
        }
    }
}
