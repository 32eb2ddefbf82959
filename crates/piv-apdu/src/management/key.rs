//! The key itself, and one block of its cipher.

use core::fmt;

use aes::{Aes128, Aes192, Aes256};
use cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use des::TdesEde3;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::ManagementError;
use crate::key::Algorithm;
use crate::secret;

/// The algorithm of a card management key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ManagementAlgorithm {
    /// 3DES with three keys (03).
    TripleDes,
    /// AES-128 (08).
    Aes128,
    /// AES-192 (0A).
    Aes192,
    /// AES-256 (0C).
    Aes256,
}

impl ManagementAlgorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TripleDes, Self::Aes128, Self::Aes192, Self::Aes256];

    /// The length of a key, in bytes: 24, 16, 24, 32.
    pub const fn key_length(self) -> usize {
        match self {
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }

    /// The algorithms whose keys have this length, in bytes: two have 24.
    pub const fn with_key_length(length: usize) -> &'static [Self] {
        match length {
            16 => &[Self::Aes128],
            24 => &[Self::TripleDes, Self::Aes192],
            32 => &[Self::Aes256],
            _ => &[],
        }
    }

    /// The length of a block, and so of witness and challenge, in bytes: 8 or
    /// 16.
    pub const fn block_length(self) -> usize {
        match self {
            Self::TripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }

    /// The algorithm as P1 has it.
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::TripleDes => Algorithm::TripleDes,
            Self::Aes128 => Algorithm::Aes128,
            Self::Aes192 => Algorithm::Aes192,
            Self::Aes256 => Algorithm::Aes256,
        }
    }

    /// What it is called: `3DES`, `AES-128`, `AES-192`, `AES-256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TripleDes => "3DES",
            Self::Aes128 => "AES-128",
            Self::Aes192 => "AES-192",
            Self::Aes256 => "AES-256",
        }
    }
}

/// A card management key. Wiped when dropped; `Debug` shows its algorithm only.
pub struct ManagementKey {
    algorithm: ManagementAlgorithm,
    bytes: Zeroizing<Vec<u8>>,
}

impl ManagementKey {
    /// Copies a key, such as random bytes for a new one. The parity bits of a
    /// 3DES key are of no matter, and weak keys are taken: see
    /// [`Self::is_weak`].
    ///
    /// # Errors
    /// [`ManagementError::KeyLength`].
    pub fn new(algorithm: ManagementAlgorithm, bytes: &[u8]) -> Result<Self, ManagementError> {
        if bytes.len() != algorithm.key_length() {
            return Err(ManagementError::KeyLength {
                algorithm,
                length: bytes.len(),
            });
        }
        Ok(ManagementKey {
            algorithm,
            bytes: Zeroizing::new(bytes.to_vec()),
        })
    }

    /// Reads a key in hexadecimal ([`secret::from_hex`]).
    ///
    /// # Errors
    /// [`ManagementError::NotHexadecimal`], [`ManagementError::KeyLength`].
    pub fn from_hex(algorithm: ManagementAlgorithm, text: &str) -> Result<Self, ManagementError> {
        let bytes = secret::from_hex(text).ok_or(ManagementError::NotHexadecimal)?;
        Self::new(algorithm, &bytes)
    }

    /// Reads a key in hexadecimal whose algorithm, if it is not `told`, is that of its length.
    ///
    /// # Errors
    /// [`ManagementError::Ambiguous`] if the length leaves it open;
    /// [`ManagementError::NotHexadecimal`], [`ManagementError::KeyLength`].
    pub fn from_hex_by_length(
        told: Option<ManagementAlgorithm>,
        text: &str,
    ) -> Result<Self, ManagementError> {
        let bytes = secret::from_hex(text).ok_or(ManagementError::NotHexadecimal)?;
        let algorithm = match (told, ManagementAlgorithm::with_key_length(bytes.len())) {
            (Some(told), _) => told,
            (None, [algorithm]) => *algorithm,
            // Whatever else it is, what is said of its length is right.
            (None, []) => ManagementAlgorithm::Aes256,
            (None, _) => return Err(ManagementError::Ambiguous),
        };
        Self::new(algorithm, &bytes)
    }

    /// The key in hexadecimal, for whoever is to have it ([`secret::to_hex`]).
    pub fn to_hex(&self) -> Zeroizing<String> {
        secret::to_hex(&self.bytes)
    }

    /// The algorithm.
    pub fn algorithm(&self) -> ManagementAlgorithm {
        self.algorithm
    }

    /// Whether it is a 3DES key that is no better than a shorter one: one of
    /// the three is a weak or semi-weak DES key, or two of them are the same.
    /// Some cards refuse such a key. Never true of AES.
    pub fn is_weak(&self) -> bool {
        self.algorithm == ManagementAlgorithm::TripleDes && des::weak_key_test(&self.bytes).is_err()
    }

    pub(super) fn encrypt(&self, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self.algorithm {
            ManagementAlgorithm::TripleDes => encrypt::<TdesEde3>(&self.bytes, block),
            ManagementAlgorithm::Aes128 => encrypt::<Aes128>(&self.bytes, block),
            ManagementAlgorithm::Aes192 => encrypt::<Aes192>(&self.bytes, block),
            ManagementAlgorithm::Aes256 => encrypt::<Aes256>(&self.bytes, block),
        }
    }

    pub(super) fn decrypt(&self, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self.algorithm {
            ManagementAlgorithm::TripleDes => decrypt::<TdesEde3>(&self.bytes, block),
            ManagementAlgorithm::Aes128 => decrypt::<Aes128>(&self.bytes, block),
            ManagementAlgorithm::Aes192 => decrypt::<Aes192>(&self.bytes, block),
            ManagementAlgorithm::Aes256 => decrypt::<Aes256>(&self.bytes, block),
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

fn decrypt<C: KeyInit + BlockCipherDecrypt>(
    key: &[u8],
    block: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = C::new_from_slice(key).ok()?;
    let mut block = Block::<C>::try_from(block).ok()?;
    cipher.decrypt_block(&mut block);
    let out = Zeroizing::new(block.to_vec());
    block.as_mut_slice().zeroize();
    Some(out)
}

/// In constant time for keys of the same algorithm.
impl PartialEq for ManagementKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && bool::from(self.bytes.ct_eq(&other.bytes))
    }
}

impl Eq for ManagementKey {}

impl fmt::Debug for ManagementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManagementKey({}, ..)", self.algorithm.name())
    }
}
