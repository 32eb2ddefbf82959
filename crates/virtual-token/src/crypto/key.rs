//! The private keys in the key containers.

use p256::elliptic_curve::Generate;
use piv_apdu::command::PublicKey;
use pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};
use rand_core::CryptoRng;
use rsa::BoxedUint;
use rsa::hazmat::rsa_decrypt_and_check;
use rsa::traits::PublicKeyParts;
use serde::{Deserialize, Serialize};
use signature::hazmat::PrehashSigner;
use spki::SubjectPublicKeyInfoOwned;
use zeroize::Zeroizing;

/// The algorithm of an asymmetric key that the software card can make and use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyAlgorithm {
    /// RSA with a 2048-bit modulus.
    Rsa2048,
    /// NIST P-256.
    EccP256,
    /// NIST P-384.
    EccP384,
}

impl KeyAlgorithm {
    /// The algorithm identifier of SP 800-78, table 6-2.
    pub const fn identifier(self) -> u8 {
        match self {
            KeyAlgorithm::Rsa2048 => 0x07,
            KeyAlgorithm::EccP256 => 0x11,
            KeyAlgorithm::EccP384 => 0x14,
        }
    }

    /// The algorithm that SP 800-78 gives this identifier, if the card has it.
    pub const fn from_identifier(identifier: u8) -> Option<Self> {
        match identifier {
            0x07 => Some(KeyAlgorithm::Rsa2048),
            0x11 => Some(KeyAlgorithm::EccP256),
            0x14 => Some(KeyAlgorithm::EccP384),
            _ => None,
        }
    }
}

const RSA_2048_BITS: usize = 2048;
const RSA_2048_BYTES: usize = RSA_2048_BITS / 8;

/// Why a key could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// The input has the wrong length or range for the key, or is not a point on its curve.
    #[error("the input does not fit the key")]
    Input,
    /// The key cannot do this: RSA does not agree on a secret, for one.
    #[error("the key is of another kind")]
    Kind,
    /// The stored key cannot be read, or the arithmetic went wrong.
    #[error("the key is damaged")]
    Damaged,
}

/// A private key, in memory for one operation.
pub(crate) enum PrivateKey {
    Rsa(Box<rsa::PrivateKey>),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
}

impl PrivateKey {
    pub(crate) fn generate<R: CryptoRng>(
        algorithm: KeyAlgorithm,
        random: &mut R,
    ) -> Result<Self, KeyError> {
        Ok(match algorithm {
            KeyAlgorithm::Rsa2048 => PrivateKey::Rsa(Box::new(
                rsa::PrivateKey::new(random, RSA_2048_BITS).map_err(|_| KeyError::Damaged)?,
            )),
            KeyAlgorithm::EccP256 => PrivateKey::P256(p256::SecretKey::generate_from_rng(random)),
            KeyAlgorithm::EccP384 => PrivateKey::P384(p384::SecretKey::generate_from_rng(random)),
        })
    }

    /// Reads a key from the state: PKCS#8, DER.
    pub(crate) fn from_pkcs8(algorithm: KeyAlgorithm, der: &[u8]) -> Result<Self, KeyError> {
        let damaged = |_| KeyError::Damaged;
        Ok(match algorithm {
            KeyAlgorithm::Rsa2048 => {
                let key = rsa::PrivateKey::from_pkcs8_der(der).map_err(damaged)?;
                if key.size() != RSA_2048_BYTES {
                    return Err(KeyError::Damaged);
                }
                PrivateKey::Rsa(Box::new(key))
            }
            KeyAlgorithm::EccP256 => {
                PrivateKey::P256(p256::SecretKey::from_pkcs8_der(der).map_err(damaged)?)
            }
            KeyAlgorithm::EccP384 => {
                PrivateKey::P384(p384::SecretKey::from_pkcs8_der(der).map_err(damaged)?)
            }
        })
    }

    /// The key as the state keeps it: PKCS#8, DER.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = match self {
            PrivateKey::Rsa(key) => key.to_pkcs8_der(),
            PrivateKey::P256(key) => key.to_pkcs8_der(),
            PrivateKey::P384(key) => key.to_pkcs8_der(),
        };
        Ok(document.map_err(|_| KeyError::Damaged)?.to_bytes())
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        match self {
            PrivateKey::Rsa(key) => PublicKey::Rsa {
                modulus: key.n().to_be_bytes_trimmed_vartime().to_vec(),
                exponent: key.e().to_be_bytes_trimmed_vartime().to_vec(),
            },
            PrivateKey::P256(key) => PublicKey::Ecc {
                point: key.public_key().to_sec1_bytes().to_vec(),
            },
            PrivateKey::P384(key) => PublicKey::Ecc {
                point: key.public_key().to_sec1_bytes().to_vec(),
            },
        }
    }

    /// The public key as a certificate carries it.
    pub(crate) fn subject_public_key_info(&self) -> Result<SubjectPublicKeyInfoOwned, KeyError> {
        let document = match self {
            PrivateKey::Rsa(key) => key.to_public_key().to_public_key_der(),
            PrivateKey::P256(key) => key.public_key().to_public_key_der(),
            PrivateKey::P384(key) => key.public_key().to_public_key_der(),
        };
        document
            .and_then(|document| SubjectPublicKeyInfoOwned::try_from(document.as_bytes()))
            .map_err(|_| KeyError::Damaged)
    }

    /// The private operation on a challenge: RSA's on a whole padded block (which both
    /// signs and decrypts), ECDSA's on a hash no longer than the field, with a DER
    /// signature.
    pub(crate) fn sign<R: CryptoRng>(
        &self,
        challenge: &[u8],
        random: &mut R,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match self {
            PrivateKey::Rsa(key) => rsa_private_operation(key, challenge, random),
            PrivateKey::P256(key) => {
                let hash = field_sized::<32>(challenge)?;
                let signature: p256::ecdsa::DerSignature = p256::ecdsa::SigningKey::from(key)
                    .sign_prehash(&hash)
                    .map_err(|_| KeyError::Input)?;
                Ok(Zeroizing::new(signature.as_bytes().to_vec()))
            }
            PrivateKey::P384(key) => {
                let hash = field_sized::<48>(challenge)?;
                let signature: p384::ecdsa::DerSignature = p384::ecdsa::SigningKey::from(key)
                    .sign_prehash(&hash)
                    .map_err(|_| KeyError::Input)?;
                Ok(Zeroizing::new(signature.as_bytes().to_vec()))
            }
        }
    }

    /// ECDH with the other party's uncompressed point: the x coordinate.
    pub(crate) fn agree(&self, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        // SEC 1 also knows compressed points and the point at infinity; PIV does not.
        if point.first() != Some(&0x04) {
            return Err(KeyError::Input);
        }
        let input = |_| KeyError::Input;
        match self {
            PrivateKey::Rsa(_) => Err(KeyError::Kind),
            PrivateKey::P256(key) => {
                let other = p256::PublicKey::from_sec1_bytes(point).map_err(input)?;
                let secret = key.diffie_hellman(&other);
                Ok(Zeroizing::new(secret.raw_secret_bytes().to_vec()))
            }
            PrivateKey::P384(key) => {
                let other = p384::PublicKey::from_sec1_bytes(point).map_err(input)?;
                let secret = key.diffie_hellman(&other);
                Ok(Zeroizing::new(secret.raw_secret_bytes().to_vec()))
            }
        }
    }
}

/// A hash left-padded with zeros to the field's size. Hosts that hash with a shorter
/// function than the curve's own send it as it is.
fn field_sized<const N: usize>(hash: &[u8]) -> Result<[u8; N], KeyError> {
    if hash.is_empty() {
        return Err(KeyError::Input);
    }
    let zeros = N.checked_sub(hash.len()).ok_or(KeyError::Input)?;
    let mut field = [0; N];
    field[zeros..].copy_from_slice(hash);
    Ok(field)
}

fn rsa_private_operation<R: CryptoRng>(
    key: &rsa::PrivateKey,
    block: &[u8],
    random: &mut R,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    if block.len() != RSA_2048_BYTES {
        return Err(KeyError::Input);
    }
    let number =
        BoxedUint::from_be_slice(block, key.n().bits_precision()).map_err(|_| KeyError::Input)?;
    if number >= **key.n() {
        return Err(KeyError::Input);
    }
    let result = Zeroizing::new(
        rsa_decrypt_and_check(key, Some(random), &number).map_err(|_| KeyError::Damaged)?,
    );
    Ok(Zeroizing::new(result.to_be_bytes().to_vec()))
}
