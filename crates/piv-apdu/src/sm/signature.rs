//! Signatures under certificates, X.509 and card verifiable ones.

use const_oid::db::rfc5912;
use der::referenced::OwnedToRef as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::Pkcs1v15Sign;
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoOwned};

use super::keys::CipherSuite;

/// RSA keys of fewer bytes are not taken: SP 800-78-5 has 2048 bits and more.
const MIN_RSA_BYTES: usize = 256;

/// How a certificate is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureAlgorithm {
    Ecdsa(Hash),
    /// PKCS #1 v1.5.
    Rsa(Hash),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl SignatureAlgorithm {
    /// `None` for any other, and if the parameters are not what RFC 5758 (ECDSA: none)
    /// and RFC 4055 (RSA: NULL) have.
    pub(super) fn from_identifier(identifier: AlgorithmIdentifierRef<'_>) -> Option<Self> {
        let none = identifier.parameters.is_none();
        let null = identifier.parameters.is_some_and(der::AnyRef::is_null);
        Some(match identifier.oid {
            rfc5912::ECDSA_WITH_SHA_256 if none => Self::Ecdsa(Hash::Sha256),
            rfc5912::ECDSA_WITH_SHA_384 if none => Self::Ecdsa(Hash::Sha384),
            rfc5912::ECDSA_WITH_SHA_512 if none => Self::Ecdsa(Hash::Sha512),
            rfc5912::SHA_256_WITH_RSA_ENCRYPTION if null => Self::Rsa(Hash::Sha256),
            rfc5912::SHA_384_WITH_RSA_ENCRYPTION if null => Self::Rsa(Hash::Sha384),
            rfc5912::SHA_512_WITH_RSA_ENCRYPTION if null => Self::Rsa(Hash::Sha512),
            _ => return None,
        })
    }
}

impl Hash {
    fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    fn rsa_padding(self) -> Pkcs1v15Sign {
        match self {
            Self::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
            Self::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
            Self::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
        }
    }
}

/// A public key that signatures are checked with.
pub(super) enum VerifyingKey {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Rsa(rsa::PublicKey),
}

impl VerifyingKey {
    /// `None` for keys of another kind or size, and for what is not a key.
    pub(super) fn from_info(info: &SubjectPublicKeyInfoOwned) -> Option<Self> {
        let info = info.owned_to_ref();
        if info.algorithm.oid == rfc5912::RSA_ENCRYPTION {
            let key = rsa::PublicKey::try_from(info).ok()?;
            return (key.size() >= MIN_RSA_BYTES).then_some(Self::Rsa(key));
        }
        match info.algorithm.parameters_oid().ok()? {
            rfc5912::SECP_256_R_1 => Some(Self::P256(info.try_into().ok()?)),
            rfc5912::SECP_384_R_1 => Some(Self::P384(info.try_into().ok()?)),
            _ => None,
        }
    }

    /// `None` if the point (`04 X Y`) is not on the suite's curve.
    pub(super) fn from_point(suite: CipherSuite, point: &[u8]) -> Option<Self> {
        Some(match suite {
            CipherSuite::Cs2 => Self::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?),
            CipherSuite::Cs7 => Self::P384(p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?),
        })
    }

    /// The suite that has the key's curve; `None` for RSA.
    pub(super) fn suite(&self) -> Option<CipherSuite> {
        match self {
            Self::P256(_) => Some(CipherSuite::Cs2),
            Self::P384(_) => Some(CipherSuite::Cs7),
            Self::Rsa(_) => None,
        }
    }

    /// Whether the signature is this key's, by this algorithm, over the message. An
    /// ECDSA signature is the DER sequence of r and s.
    pub(super) fn verifies(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        match (self, algorithm) {
            (Self::P256(key), SignatureAlgorithm::Ecdsa(hash)) => {
                p256::ecdsa::Signature::from_der(signature)
                    .and_then(|signature| key.verify_prehash(&hash.of(message), &signature))
                    .is_ok()
            }
            (Self::P384(key), SignatureAlgorithm::Ecdsa(hash)) => {
                p384::ecdsa::Signature::from_der(signature)
                    .and_then(|signature| key.verify_prehash(&hash.of(message), &signature))
                    .is_ok()
            }
            (Self::Rsa(key), SignatureAlgorithm::Rsa(hash)) => key
                .verify(hash.rsa_padding(), &hash.of(message), signature)
                .is_ok(),
            _ => false,
        }
    }
}
