//! PIN/UV auth protocols one and two: how a PIN gets to an authenticator without
//! anybody on the way reading it.

use core::fmt;

use aes::Aes256;
use cbc::{Decryptor, Encryptor};
use cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use p256::elliptic_curve::Generate as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use rand_core::TryCryptoRng;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::cbor::{Reader, Writer};
use crate::error::MalformedAnswer;

/// A block of AES, in bytes.
const BLOCK: usize = 16;
/// An AES-256 key, an HMAC key as it is derived, a coordinate of P-256, in bytes.
const KEY: usize = 32;
/// An HMAC key as HMAC itself fills it up, with zeros to a block of SHA-256.
const HMAC_KEY: usize = 64;

/// Which way the PIN is encrypted and commands are authenticated.
///
/// Source: CTAP 2.1, 6.5.6 and 6.5.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PinProtocol {
    /// One key for both, which is SHA-256 of the shared point; no initialization
    /// vector; checksums of 16 bytes.
    One,
    /// Two keys by HKDF; random initialization vectors; checksums of 32 bytes.
    Two,
}

impl PinProtocol {
    /// The protocol's number, 1 or 2.
    pub const fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// The protocol with that number; `None` for any other than 1 and 2.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }
}

/// The public key of a key agreement: a point on P-256, as a `COSE_Key`.
///
/// Source: CTAP 2.1, 6.5.6 (`getPublicKey`); RFC 9053, 7.1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementKey(p256::PublicKey);

impl AgreementKey {
    /// Key type EC2, the algorithm that CTAP names here and does not use, curve P-256.
    const KEY_TYPE: i64 = 2;
    const ALGORITHM: i64 = -25;
    const CURVE: i64 = 1;

    /// From `04 X Y`; `None` if it is not a point on P-256.
    pub fn from_point(point: &[u8]) -> Option<Self> {
        let uncompressed = point.len() == 1 + 2 * KEY && point.starts_with(&[0x04]);
        let key = p256::PublicKey::from_sec1_bytes(point).ok()?;
        uncompressed.then_some(AgreementKey(key))
    }

    /// `04 X Y`, 65 bytes.
    pub fn to_point(&self) -> Vec<u8> {
        self.0.to_sec1_point(false).as_bytes().to_vec()
    }

    pub(crate) fn decode(value: &mut Reader<'_>) -> Result<Self, MalformedAnswer> {
        let invalid = MalformedAnswer::Value {
            field: "keyAgreement",
        };
        let (mut x, mut y) = (Vec::new(), Vec::new());
        value.fields(|key, value| {
            match key {
                1 if value.integer()? != Self::KEY_TYPE => return Err(invalid),
                -1 if value.integer()? != Self::CURVE => return Err(invalid),
                1 | -1 => {}
                -2 => x = value.bytes()?,
                -3 => y = value.bytes()?,
                _ => value.skip()?,
            }
            Ok(())
        })?;
        Self::from_point(&[&[0x04], &*x, &*y].concat())
            .filter(|_| x.len() == KEY)
            .ok_or(invalid)
    }

    /// Writes the `COSE_Key`, its entries in canonical order.
    pub(crate) fn encode(&self, writer: &mut Writer) {
        let point = self.to_point();
        let (x, y) = point[1..].split_at(KEY);
        writer.map(5);
        writer.integer(1).integer(Self::KEY_TYPE);
        writer.integer(3).integer(Self::ALGORITHM);
        writer.integer(-1).integer(Self::CURVE);
        writer.integer(-2).bytes(x);
        writer.integer(-3).bytes(y);
    }
}

/// What host and authenticator have agreed on, for as long as the authenticator keeps
/// its key: until it loses power, and until a wrong PIN. Wiped when dropped.
///
/// Source: CTAP 2.1, 6.5.6 (`encapsulate`).
pub struct SharedSecret {
    protocol: PinProtocol,
    host: AgreementKey,
    hmac_key: Zeroizing<[u8; HMAC_KEY]>,
    aes_key: Zeroizing<[u8; KEY]>,
}

impl SharedSecret {
    /// Agrees with the authenticator that has told its key
    /// ([`GetKeyAgreement`](crate::client_pin::GetKeyAgreement)). The host's key is 32 bytes
    /// of `random`, and the next 32 in the case, as good as impossible, that those are
    /// none.
    ///
    /// # Errors
    /// What `random` fails with.
    pub fn agree<R: TryCryptoRng + ?Sized>(
        protocol: PinProtocol,
        authenticator: &AgreementKey,
        random: &mut R,
    ) -> Result<Self, R::Error> {
        let scalar = Zeroizing::new(p256::NonZeroScalar::try_generate_from_rng(random)?);
        let key = p256::SecretKey::from(&*scalar);
        let host = AgreementKey(key.public_key());
        let shared = key.diffie_hellman(&authenticator.0);
        let (hmac_key, aes_key) = derive(protocol, shared.raw_secret_bytes());
        Ok(SharedSecret {
            protocol,
            host,
            hmac_key,
            aes_key,
        })
    }

    /// The protocol that it is of.
    pub fn protocol(&self) -> PinProtocol {
        self.protocol
    }

    /// The host's public key, which the authenticator needs to come to the same secret.
    pub fn host_key(&self) -> &AgreementKey {
        &self.host
    }

    /// Encrypts whole blocks. Protocol two takes 16 bytes of `random`.
    pub(crate) fn encrypt<R: TryCryptoRng + ?Sized>(
        &self,
        mut data: Zeroizing<Vec<u8>>,
        random: &mut R,
    ) -> Result<Vec<u8>, R::Error> {
        let mut iv = [0; BLOCK];
        if self.protocol == PinProtocol::Two {
            random.try_fill_bytes(&mut iv)?;
        }
        let (blocks, _) = Array::slice_as_chunks_mut(&mut data);
        Encryptor::<Aes256>::new((&*self.aes_key).into(), (&iv).into()).encrypt_blocks(blocks);
        Ok(match self.protocol {
            PinProtocol::One => data.to_vec(),
            PinProtocol::Two => [&iv, &**data].concat(),
        })
    }

    /// Decrypts; `None` unless it is whole blocks, at least one.
    pub(crate) fn decrypt(&self, data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (iv, data) = match self.protocol {
            PinProtocol::One => (&[0; BLOCK], data),
            PinProtocol::Two => data.split_first_chunk::<BLOCK>()?,
        };
        if data.is_empty() || !data.len().is_multiple_of(BLOCK) {
            return None;
        }
        let mut data = Zeroizing::new(data.to_vec());
        let (blocks, _) = Array::slice_as_chunks_mut(&mut data);
        Decryptor::<Aes256>::new((&*self.aes_key).into(), iv.into()).decrypt_blocks(blocks);
        Some(data)
    }

    /// The checksum over the parts, one after the other: `pinUvAuthParam`.
    pub(crate) fn authenticate(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new((&*self.hmac_key).into());
        for part in parts {
            mac.update(part);
        }
        let mut checksum = mac.finalize().into_bytes().to_vec();
        if self.protocol == PinProtocol::One {
            checksum.truncate(16);
        }
        checksum
    }
}

/// `kdf` of either protocol: the keys for checksums and for encryption.
fn derive(
    protocol: PinProtocol,
    shared: &[u8],
) -> (Zeroizing<[u8; HMAC_KEY]>, Zeroizing<[u8; KEY]>) {
    let (mut hmac_key, mut aes_key) = (Zeroizing::new([0; HMAC_KEY]), Zeroizing::new([0; KEY]));
    match protocol {
        PinProtocol::One => {
            let mut digest = Sha256::digest(shared);
            hmac_key[..KEY].copy_from_slice(&digest);
            aes_key.copy_from_slice(&digest);
            digest.as_mut_slice().zeroize();
        }
        PinProtocol::Two => {
            let extracted = Hkdf::<Sha256>::new(Some(&[0; KEY]), shared);
            // One block of SHA-256 each: a length that can't be too great.
            let _ = extracted.expand(b"CTAP2 HMAC key", &mut hmac_key[..KEY]);
            let _ = extracted.expand(b"CTAP2 AES key", &mut *aes_key);
        }
    }
    (hmac_key, aes_key)
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedSecret({:?}, ..)", self.protocol)
    }
}
