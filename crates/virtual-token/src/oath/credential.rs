//! A credential and its codes: HOTP (RFC 4226), TOTP (RFC 6238).

use crescendo_ext::oath::OneTimePassword;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use crate::state::SecretBytes;

/// Bytes of the longest secret that is taken.
const LONGEST_SECRET: usize = 128;

/// The hash function under a credential's HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OathHash {
    /// SHA-1, which RFC 4226 has.
    #[default]
    Sha1,
    /// SHA-256 (RFC 6238, 1.2).
    Sha256,
    /// SHA-512 (RFC 6238, 1.2).
    Sha512,
}

/// What an OATH slot of a software Key gives codes from: a secret, and either a counter
/// (HOTP, RFC 4226) or a time step (TOTP, RFC 6238, from 1970 on).
///
/// Its secret is wiped when it is dropped, and not shown.
///
/// ```
/// use virtual_token::{CreateOptions, OathCredential, OathHash};
///
/// let secret = b"12345678901234567890";
/// let options = CreateOptions::default()
///     .oath_slot(1, OathCredential::hotp(secret))
///     .oath_slot(3, OathCredential::totp(secret).hash(OathHash::Sha256).digits(8));
/// assert!(!format!("{options:?}").contains("123456"));
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OathCredential {
    moving: Moving,
    hash: OathHash,
    digits: u8,
    secret: SecretBytes,
}

/// What makes each code another.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Moving {
    /// The counter of the next code.
    Counter(u64),
    /// The seconds that a code holds.
    Step(u32),
}

impl OathCredential {
    /// HOTP: SHA-1, six digits, the counter at 0. Copies the secret.
    pub fn hotp(secret: &[u8]) -> Self {
        Self::new(secret, Moving::Counter(0))
    }

    /// TOTP: SHA-1, six digits, a time step of 30 seconds. Copies the secret.
    pub fn totp(secret: &[u8]) -> Self {
        Self::new(secret, Moving::Step(30))
    }

    fn new(secret: &[u8], moving: Moving) -> Self {
        Self {
            moving,
            hash: OathHash::default(),
            digits: 6,
            secret: SecretBytes::new(secret),
        }
    }

    /// With another hash function.
    #[must_use]
    pub fn hash(mut self, hash: OathHash) -> Self {
        self.hash = hash;
        self
    }

    /// With six digits or with eight; a token is not made with any other number.
    #[must_use]
    pub fn digits(mut self, digits: u8) -> Self {
        self.digits = digits;
        self
    }

    /// Whether the codes are TOTP.
    pub(crate) fn is_totp(&self) -> bool {
        matches!(self.moving, Moving::Step(_))
    }

    pub(crate) fn holds_together(&self) -> bool {
        matches!(self.digits, 6 | 8)
            && (1..=LONGEST_SECRET).contains(&self.secret.as_slice().len())
            && !matches!(self.moving, Moving::Step(0))
    }

    /// The next HOTP, or the TOTP of a time, in seconds since 1970; `None` if the credential
    /// is of the other kind.
    pub(super) fn code(&self, time: Option<u32>) -> Option<OneTimePassword> {
        let factor = match (self.moving, time) {
            (Moving::Counter(counter), None) => counter,
            (Moving::Step(step), Some(time)) => time.checked_div(step)?.into(),
            _ => return None,
        };
        let number = truncate(&self.hmac(factor)?)?;
        let digits = usize::from(self.digits);
        let modulus = 10_u32.checked_pow(self.digits.into())?;
        let text = Zeroizing::new(format!("{:0digits$}", number % modulus));
        OneTimePassword::new(&text)
    }

    /// Moves the counter on, if there is one: after each HOTP.
    pub(super) fn move_on(&mut self) {
        if let Moving::Counter(counter) = &mut self.moving {
            *counter = counter.wrapping_add(1);
        }
    }

    fn hmac(&self, factor: u64) -> Option<Zeroizing<Vec<u8>>> {
        let secret = self.secret.as_slice();
        let message = factor.to_be_bytes();
        match self.hash {
            OathHash::Sha1 => mac::<Hmac<Sha1>>(secret, &message),
            OathHash::Sha256 => mac::<Hmac<Sha256>>(secret, &message),
            OathHash::Sha512 => mac::<Hmac<Sha512>>(secret, &message),
        }
    }
}

/// HMAC takes a key of any length, so there always is one.
fn mac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mac = <M as KeyInit>::new_from_slice(key).ok()?;
    let code = mac.chain_update(message).finalize().into_bytes();
    Some(Zeroizing::new(code.to_vec()))
}

/// Dynamic truncation to 31 bits (RFC 4226, 5.3).
fn truncate(mac: &[u8]) -> Option<u32> {
    let offset = usize::from(mac.last()? & 0x0F);
    let bytes = mac.get(offset..offset + 4)?;
    let number = u32::from_be_bytes(bytes.try_into().ok()?);
    Some(number & 0x7FFF_FFFF)
}
