//! PIN/UV auth protocols one and two (CTAP 2.1, 6.5.6 and 6.5.7): what a host and the card
//! agree on, and what they do with it.

use aes::Aes256;
use cbc::{Decryptor, Encryptor};
use cipher::{Block, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use rand_core::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::status::Status;

const BLOCK: usize = 16;
const KEY: usize = 32;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PinProtocol {
    One,
    Two,
}

impl PinProtocol {
    /// The protocol that a host names.
    pub(super) fn named(number: Option<u64>) -> Result<Self, Status> {
        match number {
            Some(1) => Ok(PinProtocol::One),
            Some(2) => Ok(PinProtocol::Two),
            Some(_) => Err(Status::InvalidParameter),
            None => Err(Status::MissingParameter),
        }
    }

    /// The two keys that follow from the x coordinate of a key agreement.
    pub(super) fn shared_secret(self, coordinate: &[u8]) -> Result<SharedSecret, Status> {
        let mut secret = SharedSecret {
            protocol: self,
            mac_key: Zeroizing::new([0; KEY]),
            cipher_key: Zeroizing::new([0; KEY]),
        };
        match self {
            PinProtocol::One => {
                let mut digest = Sha256::digest(coordinate);
                secret.mac_key.copy_from_slice(&digest);
                secret.cipher_key.copy_from_slice(&digest);
                zeroize::Zeroize::zeroize(&mut digest[..]);
            }
            PinProtocol::Two => {
                let keys = Hkdf::<Sha256>::new(Some(&[0; KEY]), coordinate);
                keys.expand(b"CTAP2 HMAC key", &mut secret.mac_key[..])
                    .and_then(|()| keys.expand(b"CTAP2 AES key", &mut secret.cipher_key[..]))
                    .map_err(|_| Status::Other)?;
            }
        }
        Ok(secret)
    }

    /// Whether a host that holds `key` signed the message that the parts make up.
    pub(super) fn verify(
        self,
        key: &[u8],
        message: &[&[u8]],
        signature: &[u8],
    ) -> Result<(), Status> {
        let mac = hmac_sha_256(key, message)?;
        let expected = match self {
            PinProtocol::One => &mac[..16],
            PinProtocol::Two => &mac[..],
        };
        if bool::from(expected.ct_eq(signature)) {
            Ok(())
        } else {
            Err(Status::PinAuthInvalid)
        }
    }
}

/// What a host and the card share for one subcommand.
pub(super) struct SharedSecret {
    protocol: PinProtocol,
    mac_key: Zeroizing<[u8; KEY]>,
    cipher_key: Zeroizing<[u8; KEY]>,
}

impl SharedSecret {
    pub(super) fn verify(&self, message: &[&[u8]], signature: &[u8]) -> Result<(), Status> {
        self.protocol.verify(&*self.mac_key, message, signature)
    }

    /// AES-256 in cipher block chaining mode: from zeros, or from random bytes in front.
    pub(super) fn encrypt(&self, plain: &[u8], random: &mut impl Rng) -> Result<Vec<u8>, Status> {
        let mut vector = [0; BLOCK];
        let mut encrypted = Vec::with_capacity(BLOCK + plain.len());
        if self.protocol == PinProtocol::Two {
            random.fill_bytes(&mut vector);
            encrypted.extend_from_slice(&vector);
        }
        let mut cipher = Encryptor::<Aes256>::new_from_slices(&*self.cipher_key, &vector)
            .map_err(|_| Status::Other)?;
        for chunk in plain.chunks(BLOCK) {
            let mut block = Block::<Aes256>::try_from(chunk).map_err(|_| Status::Other)?;
            cipher.encrypt_block(&mut block);
            encrypted.extend_from_slice(&block);
        }
        Ok(encrypted)
    }

    /// The other way round. What is not made of whole blocks was not encrypted so.
    pub(super) fn decrypt(&self, encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, Status> {
        let wrong = Status::InvalidParameter;
        let (vector, encrypted) = match self.protocol {
            PinProtocol::One => (&[0; BLOCK][..], encrypted),
            PinProtocol::Two => encrypted.split_at_checked(BLOCK).ok_or(wrong)?,
        };
        let mut cipher = Decryptor::<Aes256>::new_from_slices(&*self.cipher_key, vector)
            .map_err(|_| Status::Other)?;
        let mut plain = Zeroizing::new(Vec::with_capacity(encrypted.len()));
        for chunk in encrypted.chunks(BLOCK) {
            let block = Block::<Aes256>::try_from(chunk).map_err(|_| wrong)?;
            let mut block = Zeroizing::new(<[u8; BLOCK]>::from(block));
            cipher.decrypt_block((&mut *block).into());
            plain.extend_from_slice(&*block);
        }
        Ok(plain)
    }
}

/// HMAC-SHA-256 of a message in parts.
pub(super) fn hmac_sha_256(key: &[u8], message: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, Status> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Status::Other)?;
    for part in message {
        mac.update(part);
    }
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use hex_literal::hex;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    /// The x coordinate of a key agreement.
    const COORDINATE: [u8; 32] =
        hex!("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    const PLAIN: [u8; 32] =
        hex!("404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f");

    /// What python-fido2 0.9.1 makes of the same.
    fn vectors() -> [(PinProtocol, &'static [u8], &'static [u8]); 2] {
        [
            (
                PinProtocol::One,
                &hex!("78e7e8966d197598397065dd603b79a8347f84d4e1127ad79f3a0a6e4e27aaf7"),
                &hex!("0e1ed6c97a5536d6813284ba23672f5a"),
            ),
            (
                PinProtocol::Two,
                &hex!(
                    "3dd96619fdb2a9d30b072dec0914a196"
                    "3ee7d9197cc1c765bb1eebb704fe6c727e4758fc482b43ea1e655970157e1b28"
                ),
                &hex!("8ed41fb06108031d3e97613e4eb730eb882d7acdd3156b2abf9bc87cd0a9489d"),
            ),
        ]
    }

    #[test]
    fn another_implementation_s_messages_are_understood() {
        for (protocol, encrypted, signature) in vectors() {
            let secret = protocol.shared_secret(&COORDINATE).unwrap();
            assert_eq!(*secret.decrypt(encrypted).unwrap(), PLAIN);
            assert_eq!(secret.verify(&[b"mess", b"age"], signature), Ok(()));
            for wrong in [&signature[1..], &[signature, &[0]].concat(), &[]] {
                assert_eq!(
                    secret.verify(&[b"message"], wrong),
                    Err(Status::PinAuthInvalid)
                );
            }
        }
    }

    #[test]
    fn what_is_encrypted_is_decrypted_and_only_whole_blocks_are() {
        let mut random = ChaCha20Rng::seed_from_u64(1);
        for (protocol, encrypted, _) in vectors() {
            let secret = protocol.shared_secret(&COORDINATE).unwrap();
            let again = secret.encrypt(&PLAIN, &mut random).unwrap();
            assert_eq!(again.len(), encrypted.len());
            // Protocol one begins with zeros and not at random.
            assert_eq!(again == encrypted, protocol == PinProtocol::One);
            assert_eq!(*secret.decrypt(&again).unwrap(), PLAIN);
            assert_eq!(
                secret.decrypt(&again[1..]).err(),
                Some(Status::InvalidParameter)
            );
        }
    }
}
