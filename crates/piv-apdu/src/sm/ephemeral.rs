//! The host's key pair, for one key establishment.

use p256::elliptic_curve::Generate as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use rand_core::TryCryptoRng;
use zeroize::Zeroizing;

use super::keys::CipherSuite;

/// Wiped when dropped.
pub(super) enum EphemeralKey {
    P256(p256::SecretKey),
    P384(p384::SecretKey),
}

impl EphemeralKey {
    pub(super) fn generate<R: TryCryptoRng + ?Sized>(
        suite: CipherSuite,
        random: &mut R,
    ) -> Result<Self, R::Error> {
        Ok(match suite {
            CipherSuite::Cs2 => Self::P256(p256::SecretKey::try_generate_from_rng(random)?),
            CipherSuite::Cs7 => Self::P384(p384::SecretKey::try_generate_from_rng(random)?),
        })
    }

    /// `None` unless it is a number of the suite's length, from 1 to the order less one.
    pub(super) fn from_scalar(suite: CipherSuite, scalar: &[u8]) -> Option<Self> {
        if scalar.len() != suite.coordinate_length() {
            return None;
        }
        Some(match suite {
            CipherSuite::Cs2 => Self::P256(p256::SecretKey::from_slice(scalar).ok()?),
            CipherSuite::Cs7 => Self::P384(p384::SecretKey::from_slice(scalar).ok()?),
        })
    }

    /// `04 X Y`.
    pub(super) fn public_point(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.public_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::P384(key) => key.public_key().to_sec1_point(false).as_bytes().to_vec(),
        }
    }

    /// The x coordinate of the shared point (ECDH); `None` if `point` (`04 X Y`) is
    /// not on the curve.
    pub(super) fn agree(&self, point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let shared = match self {
            Self::P256(key) => {
                let other = p256::PublicKey::from_sec1_bytes(point).ok()?;
                key.diffie_hellman(&other).raw_secret_bytes().to_vec()
            }
            Self::P384(key) => {
                let other = p384::PublicKey::from_sec1_bytes(point).ok()?;
                key.diffie_hellman(&other).raw_secret_bytes().to_vec()
            }
        };
        Some(Zeroizing::new(shared))
    }
}
