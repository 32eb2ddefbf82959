//! One block encrypted under a symmetric key: all that challenge and response need of
//! the card, which lets the host do the decrypting.

use aes::{Aes128, Aes192, Aes256};
use cipher::{Block, BlockCipherEncrypt, KeyInit};
use des::TdesEde3;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::state::SecretBytes;

/// The algorithm of a card management key (9B) or of XAUTH key 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SymmetricAlgorithm {
    /// Three-key Triple DES: 24-byte key, 8-byte block.
    TripleDes,
    /// AES with a 16-byte key and a 16-byte block.
    Aes128,
    /// AES with a 24-byte key and a 16-byte block.
    Aes192,
    /// AES with a 32-byte key and a 16-byte block.
    Aes256,
}

impl SymmetricAlgorithm {
    /// Bytes in a key.
    pub const fn key_length(self) -> usize {
        match self {
            SymmetricAlgorithm::TripleDes | SymmetricAlgorithm::Aes192 => 24,
            SymmetricAlgorithm::Aes128 => 16,
            SymmetricAlgorithm::Aes256 => 32,
        }
    }

    /// Bytes in a block, and so in a challenge.
    pub const fn block_length(self) -> usize {
        match self {
            SymmetricAlgorithm::TripleDes => 8,
            SymmetricAlgorithm::Aes128
            | SymmetricAlgorithm::Aes192
            | SymmetricAlgorithm::Aes256 => 16,
        }
    }

    /// The algorithm identifier of SP 800-78, table 6-2.
    pub const fn identifier(self) -> u8 {
        match self {
            SymmetricAlgorithm::TripleDes => 0x03,
            SymmetricAlgorithm::Aes128 => 0x08,
            SymmetricAlgorithm::Aes192 => 0x0A,
            SymmetricAlgorithm::Aes256 => 0x0C,
        }
    }
}

/// A symmetric key in the card.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SymmetricKey {
    pub(crate) algorithm: SymmetricAlgorithm,
    key: SecretBytes,
}

/// The key's length does not fit its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongLength;

impl SymmetricKey {
    pub(crate) fn new(algorithm: SymmetricAlgorithm, key: &[u8]) -> Result<Self, WrongLength> {
        if key.len() != algorithm.key_length() {
            return Err(WrongLength);
        }
        Ok(SymmetricKey {
            algorithm,
            key: SecretBytes::new(key),
        })
    }

    /// Encrypts one block (ECB).
    pub(crate) fn encrypt(&self, block: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrongLength> {
        let key = self.key.as_slice();
        match self.algorithm {
            SymmetricAlgorithm::TripleDes => encrypt_with::<TdesEde3>(key, block),
            SymmetricAlgorithm::Aes128 => encrypt_with::<Aes128>(key, block),
            SymmetricAlgorithm::Aes192 => encrypt_with::<Aes192>(key, block),
            SymmetricAlgorithm::Aes256 => encrypt_with::<Aes256>(key, block),
        }
    }
}

fn encrypt_with<C: KeyInit + BlockCipherEncrypt>(
    key: &[u8],
    block: &[u8],
) -> Result<Zeroizing<Vec<u8>>, WrongLength> {
    let cipher = C::new_from_slice(key).map_err(|_| WrongLength)?;
    let mut block = Block::<C>::try_from(block).map_err(|_| WrongLength)?;
    cipher.encrypt_block(&mut block);
    Ok(Zeroizing::new(block.to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use hex_literal::hex;

    use super::*;

    #[test]
    fn fips_197_appendix_c() {
        let plain = hex!("00112233445566778899aabbccddeeff");
        let keys = hex!("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        for (algorithm, cipher) in [
            (
                SymmetricAlgorithm::Aes128,
                hex!("69c4e0d86a7b0430d8cdb78070b4c55a"),
            ),
            (
                SymmetricAlgorithm::Aes192,
                hex!("dda97ca4864cdfe06eaf70a0ec0d7191"),
            ),
            (
                SymmetricAlgorithm::Aes256,
                hex!("8ea2b7ca516745bfeafc49904b496089"),
            ),
        ] {
            let key = SymmetricKey::new(algorithm, &keys[..algorithm.key_length()]).unwrap();
            assert_eq!(*key.encrypt(&plain).unwrap(), cipher);
        }
    }

    #[test]
    fn triple_des_of_sp_800_67_appendix_b() {
        let key = hex!("0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123");
        let key = SymmetricKey::new(SymmetricAlgorithm::TripleDes, &key).unwrap();
        assert_eq!(*key.encrypt(b"The qufc").unwrap(), hex!("A826FD8CE53B855F"));
    }

    #[test]
    fn lengths_are_checked() {
        assert!(SymmetricKey::new(SymmetricAlgorithm::Aes128, &[0; 24]).is_err());
        let key = SymmetricKey::new(SymmetricAlgorithm::Aes128, &[0; 16]).unwrap();
        assert!(key.encrypt(&[0; 8]).is_err());
        assert!(key.encrypt(&[0; 17]).is_err());
    }
}
