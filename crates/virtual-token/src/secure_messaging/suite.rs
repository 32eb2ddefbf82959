//! What the two cipher suites are made of: SP 800-73-5 Part 2, 4.1.4.

use aes::{Aes128, Aes256};
use cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use cmac::{Cmac, Mac};
use piv_apdu::sm::CipherSuite;
use piv_apdu::status::StatusWord;
use sha2::{Digest, Sha256, Sha384};
use zeroize::Zeroizing;

pub(super) const BLOCK: usize = 16;

/// Bytes of a coordinate on the suite's curve.
pub(super) const fn coordinate_length(suite: CipherSuite) -> usize {
    match suite {
        CipherSuite::Cs2 => 32,
        CipherSuite::Cs7 => 48,
    }
}

/// Bytes of the card's nonce.
pub(super) const fn nonce_length(suite: CipherSuite) -> usize {
    match suite {
        CipherSuite::Cs2 => 16,
        CipherSuite::Cs7 => 24,
    }
}

/// Bytes of each of the four keys.
pub(super) const fn key_length(suite: CipherSuite) -> usize {
    match suite {
        CipherSuite::Cs2 => 16,
        CipherSuite::Cs7 => 32,
    }
}

/// What names the cipher in the derivation of the keys.
pub(super) const fn cipher_identifier(suite: CipherSuite) -> u8 {
    match suite {
        CipherSuite::Cs2 => 0x09,
        CipherSuite::Cs7 => 0x0D,
    }
}

/// The hash of the key derivation.
pub(super) fn hash(suite: CipherSuite, data: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(match suite {
        CipherSuite::Cs2 => Sha256::digest(data).to_vec(),
        CipherSuite::Cs7 => Sha384::digest(data).to_vec(),
    })
}

/// AES-CMAC (SP 800-38B).
pub(super) fn cmac(suite: CipherSuite, key: &[u8], data: &[u8]) -> Result<[u8; 16], StatusWord> {
    fn of<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Result<[u8; 16], StatusWord> {
        let mut mac = <M as KeyInit>::new_from_slice(key).map_err(broken)?;
        mac.update(data);
        let tag = mac.finalize().into_bytes();
        tag.as_slice().try_into().map_err(broken)
    }
    match suite {
        CipherSuite::Cs2 => of::<Cmac<Aes128>>(key, data),
        CipherSuite::Cs7 => of::<Cmac<Aes256>>(key, data),
    }
}

/// What is done to data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Encrypt,
    Decrypt,
}

/// AES in cipher block chaining mode, over whole blocks, in place. The initial value is
/// the counter, encrypted.
pub(super) fn cbc(
    suite: CipherSuite,
    key: &[u8],
    counter: [u8; BLOCK],
    direction: Direction,
    data: &mut [u8],
) -> Result<(), StatusWord> {
    match suite {
        CipherSuite::Cs2 => cbc_with(
            &Aes128::new_from_slice(key).map_err(broken)?,
            counter,
            direction,
            data,
        ),
        CipherSuite::Cs7 => cbc_with(
            &Aes256::new_from_slice(key).map_err(broken)?,
            counter,
            direction,
            data,
        ),
    }
}

fn cbc_with<C: BlockCipherEncrypt + BlockCipherDecrypt>(
    cipher: &C,
    counter: [u8; BLOCK],
    direction: Direction,
    data: &mut [u8],
) -> Result<(), StatusWord> {
    let mut vector = Block::<C>::try_from(&counter[..]).map_err(broken)?;
    cipher.encrypt_block(&mut vector);
    for chunk in data.chunks_exact_mut(BLOCK) {
        let mut block = Block::<C>::try_from(&*chunk).map_err(broken)?;
        match direction {
            Direction::Encrypt => {
                add(&mut block, &vector);
                cipher.encrypt_block(&mut block);
                vector = block.clone();
            }
            Direction::Decrypt => {
                let encrypted = block.clone();
                cipher.decrypt_block(&mut block);
                add(&mut block, &vector);
                vector = encrypted;
            }
        }
        chunk.copy_from_slice(&block);
    }
    Ok(())
}

fn add(block: &mut [u8], other: &[u8]) {
    for (byte, other) in block.iter_mut().zip(other) {
        *byte ^= other;
    }
}

/// A length that does not fit, which the suite's numbers rule out.
fn broken<E>(_: E) -> StatusWord {
    StatusWord::EXECUTION_ERROR
}
