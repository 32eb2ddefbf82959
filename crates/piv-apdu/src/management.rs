//! The card management key (9B), and mutual authentication with it: the
//! cryptography and the order of the commands, without I/O.
//!
//! Source: SP 800-73-5 Part 2, 3.2.4 and appendix A (mutual authentication);
//! SP 800-78-5 (algorithms).

use core::fmt;

use aes::{Aes128, Aes192, Aes256};
use cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use des::TdesEde3;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::command::{DynamicAuthenticationTemplate, GeneralAuthenticate};
use crate::key::{Algorithm, KeyReference};
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
    /// Copies a key.
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

    /// The key in hexadecimal, for whoever is to have it ([`secret::to_hex`]).
    pub fn to_hex(&self) -> Zeroizing<String> {
        secret::to_hex(&self.bytes)
    }

    /// The algorithm.
    pub fn algorithm(&self) -> ManagementAlgorithm {
        self.algorithm
    }

    fn encrypt(&self, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self.algorithm {
            ManagementAlgorithm::TripleDes => encrypt::<TdesEde3>(&self.bytes, block),
            ManagementAlgorithm::Aes128 => encrypt::<Aes128>(&self.bytes, block),
            ManagementAlgorithm::Aes192 => encrypt::<Aes192>(&self.bytes, block),
            ManagementAlgorithm::Aes256 => encrypt::<Aes256>(&self.bytes, block),
        }
    }

    fn decrypt(&self, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
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

/// Mutual authentication with the card management key, in two commands: each
/// side proves the key to the other.
///
/// | host | card |
/// |---|---|
/// | `00 87 alg 9B 7C 02 80 00`: [`request_witness`](Self::request_witness) | `7C { 80 witness, encrypted }` |
/// | `7C { 80 witness, in the clear; 81 challenge; 82 00 }`: [`answer_witness`](Self::answer_witness) | `7C { 82 challenge, encrypted }` |
/// | compares: [`Answered::check_response`] | |
#[derive(Clone, Copy, Debug)]
pub struct MutualAuthentication<'k> {
    key: &'k ManagementKey,
}

impl<'k> MutualAuthentication<'k> {
    /// With this key.
    pub fn new(key: &'k ManagementKey) -> Self {
        MutualAuthentication { key }
    }

    /// The first command: asks for a witness.
    pub fn request_witness(self) -> GeneralAuthenticate {
        self.command(DynamicAuthenticationTemplate::request_witness())
    }

    /// The second command: gives the witness back in the clear, and a
    /// challenge of [`ManagementAlgorithm::block_length`] fresh random bytes.
    ///
    /// # Errors
    /// [`ManagementError::Witness`] if the card gave none of that length,
    /// [`ManagementError::Challenge`] if the challenge has another length.
    pub fn answer_witness(
        self,
        answer: &DynamicAuthenticationTemplate,
        challenge: &[u8],
    ) -> Result<(GeneralAuthenticate, Answered), ManagementError> {
        let witness = answer.witness.as_deref().ok_or(ManagementError::Witness)?;
        let witness = self.key.decrypt(witness).ok_or(ManagementError::Witness)?;
        let expected = self
            .key
            .encrypt(challenge)
            .ok_or(ManagementError::Challenge)?;
        let template = DynamicAuthenticationTemplate::default()
            .with_witness(&witness)
            .with_challenge(challenge)
            .asking_for_response();
        Ok((self.command(template), Answered { expected }))
    }

    fn command(self, template: DynamicAuthenticationTemplate) -> GeneralAuthenticate {
        GeneralAuthenticate {
            algorithm: self.key.algorithm.algorithm(),
            key: KeyReference::CARD_MANAGEMENT,
            template,
        }
    }
}

/// What the card has to answer to the challenge.
pub struct Answered {
    expected: Zeroizing<Vec<u8>>,
}

impl Answered {
    /// Compares the card's response in constant time.
    ///
    /// # Errors
    /// [`ManagementError::CardNotGenuine`]: the card accepted the host, and
    /// has not proven that it knows the key.
    pub fn check_response(
        self,
        answer: &DynamicAuthenticationTemplate,
    ) -> Result<(), ManagementError> {
        let response = answer.response.as_deref().map_or(&[][..], Vec::as_slice);
        if bool::from(self.expected.ct_eq(response)) {
            Ok(())
        } else {
            Err(ManagementError::CardNotGenuine)
        }
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answered(..)")
    }
}

/// A card management key, or an authentication with one, is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManagementError {
    /// The text is not pairs of hexadecimal digits.
    #[error("a key is written in hexadecimal digits, two for each byte")]
    NotHexadecimal,
    /// The key has another length than its algorithm.
    #[error("a {} key has {} bytes, and not {length}", algorithm.name(), algorithm.key_length())]
    KeyLength {
        /// The algorithm.
        algorithm: ManagementAlgorithm,
        /// The key's length, in bytes.
        length: usize,
    },
    /// The card gave no witness of one block.
    #[error("the card gave no witness of the key's block length")]
    Witness,
    /// The challenge is not one block long.
    #[error("the challenge does not have the key's block length")]
    Challenge,
    /// The card did not prove that it knows the key.
    #[error("the card did not prove that it knows the management key: do not trust it")]
    CardNotGenuine,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hex_literal::hex;

    use super::*;
    use crate::command::TypedCommand;

    /// FIPS 197, appendix C; SP 800-67, appendix B.
    #[test]
    fn known_answers_and_the_bytes_on_the_wire() {
        let keys = hex!("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        let plain = hex!("00112233445566778899aabbccddeeff");
        for (algorithm, cipher) in [
            (
                ManagementAlgorithm::Aes128,
                hex!("69c4e0d86a7b0430d8cdb78070b4c55a"),
            ),
            (
                ManagementAlgorithm::Aes192,
                hex!("dda97ca4864cdfe06eaf70a0ec0d7191"),
            ),
            (
                ManagementAlgorithm::Aes256,
                hex!("8ea2b7ca516745bfeafc49904b496089"),
            ),
        ] {
            let key = ManagementKey::new(algorithm, &keys[..algorithm.key_length()]).unwrap();
            let mutual = MutualAuthentication::new(&key);
            let witness = DynamicAuthenticationTemplate::default().with_witness(&cipher);
            let (command, answered) = mutual.answer_witness(&witness, &plain).unwrap();
            assert_eq!(command.template.witness.as_deref().unwrap()[..], plain);
            let right = DynamicAuthenticationTemplate::default().with_response(&cipher);
            assert_eq!(answered.check_response(&right), Ok(()));
        }
        let key = hex!("0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123");
        let key = ManagementKey::new(ManagementAlgorithm::TripleDes, &key).unwrap();
        let mutual = MutualAuthentication::new(&key);
        let first = mutual
            .request_witness()
            .to_command()
            .encode_short()
            .unwrap();
        assert_eq!(*first, hex!("00 87 03 9B 04 7C 02 80 00 00"));
        let witness = hex!("A826FD8CE53B855F");
        let witness = DynamicAuthenticationTemplate::default().with_witness(&witness);
        let (command, _) = mutual.answer_witness(&witness, &[0; 8]).unwrap();
        assert_eq!(
            command.template.witness.as_deref().unwrap()[..],
            *b"The qufc"
        );
    }

    #[test]
    fn a_card_that_does_not_know_the_key_is_found_out() {
        let key = ManagementKey::new(ManagementAlgorithm::Aes128, &[7; 16]).unwrap();
        for response in [&[][..], &[0; 16], &[0; 15]] {
            let witness = DynamicAuthenticationTemplate::default().with_witness(&[1; 16]);
            let (_, answered) = MutualAuthentication::new(&key)
                .answer_witness(&witness, &[2; 16])
                .unwrap();
            let answer = DynamicAuthenticationTemplate::default().with_response(response);
            assert_eq!(
                answered.check_response(&answer),
                Err(ManagementError::CardNotGenuine)
            );
        }
    }

    #[test]
    fn lengths_are_checked() {
        assert!(ManagementKey::new(ManagementAlgorithm::Aes256, &[0; 24]).is_err());
        assert!(ManagementKey::from_hex(ManagementAlgorithm::Aes128, "00").is_err());
        let key = ManagementKey::new(ManagementAlgorithm::Aes128, &[0; 16]).unwrap();
        let mutual = MutualAuthentication::new(&key);
        let short = DynamicAuthenticationTemplate::default().with_witness(&[0; 8]);
        assert_eq!(
            mutual.answer_witness(&short, &[0; 16]).unwrap_err(),
            ManagementError::Witness
        );
        assert_eq!(format!("{key:?}"), "ManagementKey(AES-128, ..)");
    }
}
