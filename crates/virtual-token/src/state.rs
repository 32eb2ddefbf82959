//! What a token remembers between power-ups, as a value that serde can keep.

use core::fmt;
use std::collections::BTreeMap;

use piv_apdu::key::KeyReference;
use piv_apdu::object::ObjectTag;
use piv_apdu::secret::PinBlock;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::aca::UNLOCKS_LIMIT;
use crate::crypto::{KeyAlgorithm, KeyError, PrivateKey, SymmetricKey};
use crate::fido::FidoState;
use crate::oath;
use crate::policy::{Management, PinFormat};
use crate::profile::{Profile, Protocol};

/// The version of [`TokenState`] that this crate writes.
pub const STATE_VERSION: u32 = 1;

/// Everything that a software token keeps without power: identity, PIN and PUK with
/// their counters, keys, data objects.
///
/// It is opaque but for serde: in a text format every run of bytes is hexadecimal.
/// **It holds the PIN, the PUK and the private keys in the clear**, as a software
/// token must: whoever can read it owns the token. Its `Debug` shows none of them, and
/// they are wiped from memory when it is dropped.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenState {
    version: u32,
    pub(crate) profile: Profile,
    /// The GUID that the token was made with, as a UUID in text. It names the token
    /// even after its CHUID has been overwritten.
    pub(crate) id: String,
    pub(crate) protocol: Protocol,
    /// The card lies on a contactless reader. States from before there was one do not say.
    #[serde(default)]
    pub(crate) contactless: bool,
    pub(crate) extended_length: bool,
    pub(crate) yubico: bool,
    pub(crate) serial: u32,
    /// Card production life cycle data, 42 bytes.
    pub(crate) cplc: Bytes,
    pub(crate) pin: ReferenceData,
    pub(crate) pin_format: PinFormat,
    /// The rest of the project profile. States from before there was one go without.
    #[serde(default)]
    pub(crate) management: Management,
    pub(crate) puk: Option<ReferenceData>,
    pub(crate) management_key: Option<SymmetricKey>,
    pub(crate) xauth: Option<Xauth>,
    pub(crate) objects: BTreeMap<HexId, DataObject>,
    pub(crate) keys: BTreeMap<HexId, KeyContainer>,
    /// The key 04, of a card that has secure messaging. States from before there was any
    /// have none.
    #[serde(default)]
    pub(crate) secure_messaging: Option<SecureMessagingKey>,
    /// What the FIDO applet keeps, of a card that has one. States from before there was any
    /// have it as delivered.
    #[serde(default)]
    pub(crate) fido: FidoState,
    /// What the OATH slots hold, by number from 1. States from before there was anything in
    /// them do not say.
    #[serde(default)]
    pub(crate) oath: oath::Credentials,
    /// Who presses the button of a Key.
    #[serde(default)]
    pub(crate) button: oath::Button,
    /// DER of the test CA's certificate that the token's own are signed by.
    pub(crate) issuer_certificate: Option<Bytes>,
}

impl TokenState {
    /// A token as delivered: factory PIN and PUK, no keys, no objects.
    pub(crate) fn blank(profile: Profile, id: String, serial: u32, cplc: Bytes) -> Self {
        let limit = profile.tries_limit();
        TokenState {
            version: STATE_VERSION,
            profile,
            id,
            protocol: Protocol::default(),
            contactless: false,
            extended_length: !profile.is_crescendo(),
            yubico: false,
            serial,
            cplc,
            pin: ReferenceData::new(profile.factory_pin(), limit),
            pin_format: PinFormat::factory(profile),
            management: Management::default(),
            puk: profile
                .factory_puk()
                .map(|puk| ReferenceData::new(puk, limit)),
            management_key: None,
            xauth: None,
            objects: BTreeMap::new(),
            keys: BTreeMap::new(),
            secure_messaging: None,
            fido: FidoState::default(),
            oath: oath::Credentials::new(),
            button: oath::Button::default(),
            issuer_certificate: None,
        }
    }

    /// The profile of the token.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The token's stable identifier: a UUID in text.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What RESET CARD leaves: factory PIN (and PUK) and PIN policy, no XAUTH key,
    /// containers that are all empty, secure messaging's and a Key's OATH slots too. A 9B key
    /// stays, of which nothing is documented. The certificates' issuer has nothing left to be
    /// the issuer of. FIDO is as delivered on a C4000 (third-party); on a Key nothing is
    /// documented, and it stays.
    pub(crate) fn reset_card(&mut self) {
        let limit = self.profile.tries_limit();
        self.pin = ReferenceData::new(self.profile.factory_pin(), limit);
        self.puk = self
            .profile
            .factory_puk()
            .map(|puk| ReferenceData::new(puk, limit));
        self.pin_format = PinFormat::factory(self.profile);
        self.management = Management::default();
        if let Some(xauth) = &mut self.xauth {
            xauth.key = None;
            xauth.unlocks_left = UNLOCKS_LIMIT;
        }
        for object in self.objects.values_mut() {
            object.content = Bytes::default();
        }
        for container in self.keys.values_mut() {
            container.key = None;
        }
        self.secure_messaging = None;
        if self.profile == Profile::Crescendo4000 {
            self.fido = FidoState::default();
        }
        self.oath.clear();
        self.issuer_certificate = None;
    }

    /// Looks at what a file could have got wrong.
    pub(crate) fn check(&self) -> Result<(), StateError> {
        if self.version != STATE_VERSION {
            return Err(StateError::Version {
                found: self.version,
            });
        }
        let damaged = |what| Err(StateError::Damaged { what });
        if self.cplc.0.len() != CPLC_LENGTH {
            return damaged("the card production life cycle data are not 42 bytes");
        }
        let references = core::iter::once(&self.pin).chain(&self.puk);
        for reference in references {
            if reference.value.as_slice().len() != PinBlock::LEN {
                return damaged("a PIN or PUK is not 8 bytes");
            }
            // 63CX has four bits for the counter.
            if reference.tries_limit > 15 || reference.tries_left > reference.tries_limit {
                return damaged("a retry counter is above its limit");
            }
        }
        if self.pin_format.policy().check().is_err() {
            return damaged("the PIN's lengths contradict each other");
        }
        if !self.profile.keeps_project_profile() && self.management != Management::default() {
            return damaged("a PIN policy does not go with this profile");
        }
        if !self.management.holds_together() {
            return damaged("the static challenge is not 16 bytes");
        }
        if !self.management.force_change && !self.pin.has_format(self.pin_format) {
            return damaged("the PIN breaks its own rules");
        }
        if !self.profile.has_fido() && !self.fido.is_as_delivered() {
            return damaged("a FIDO applet does not go with this profile");
        }
        if !self.fido.holds_together() {
            return damaged("what the FIDO applet keeps has wrong lengths or counts");
        }
        let key = self.secure_messaging.as_ref();
        if key.is_some_and(|key| key.suite().is_none()) {
            return damaged("the secure messaging key is of no cipher suite");
        }
        if oath::why_not(self.profile, &self.oath).is_some() {
            return damaged("the OATH slots hold what such a token's can't");
        }
        if self.profile.is_crescendo() != self.xauth.is_some() {
            return damaged("an XAUTH key does not go with this profile, or is missing");
        }
        Ok(())
    }
}

impl fmt::Debug for TokenState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenState")
            .field("version", &self.version)
            .field("profile", &self.profile)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The state cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It was written by a version of this software that keeps states differently.
    #[error(
        "the token's state has version {found}, this program reads version {STATE_VERSION}: \
         use the program that wrote it, or make the token anew"
    )]
    Version {
        /// The version found.
        found: u32,
    },
    /// Its parts do not fit together: it was edited, or cut short.
    #[error("the token's state is damaged: {what}; restore the file or make the token anew")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
    /// The system's random number generator does not answer, so the card could give
    /// no challenge.
    #[error("the system's random number generator failed: {0}")]
    Random(String),
}

/// Bytes of the card production life cycle data.
pub(crate) const CPLC_LENGTH: usize = 42;
/// What fills a PIN or PUK up to its block of 8 bytes.
const PADDING: u8 = 0xFF;

/// A PIN or PUK with its retry counter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReferenceData {
    /// Padded to 8 bytes with FF.
    value: SecretBytes,
    pub(crate) tries_left: u8,
    pub(crate) tries_limit: u8,
}

/// What came of comparing reference data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Wrong { tries_left: u8 },
    Blocked,
}

impl ReferenceData {
    /// A PIN or PUK of at most 8 bytes, which is padded.
    pub(crate) fn new(value: &[u8], tries_limit: u8) -> Self {
        let mut block = Zeroizing::new([PADDING; PinBlock::LEN]);
        for (place, byte) in block.iter_mut().zip(value) {
            *place = *byte;
        }
        ReferenceData {
            value: SecretBytes::new(&block[..]),
            tries_left: tries_limit,
            tries_limit,
        }
    }

    /// Compares in constant time. The try is taken before the comparison and given
    /// back after it, so that no interruption between the two is worth anything.
    pub(crate) fn compare(&mut self, candidate: &PinBlock) -> Comparison {
        let Some(tries_left) = self.tries_left.checked_sub(1) else {
            return Comparison::Blocked;
        };
        self.tries_left = tries_left;
        if bool::from(self.value.as_slice().ct_eq(candidate.as_bytes())) {
            self.tries_left = self.tries_limit;
            Comparison::Equal
        } else if tries_left == 0 {
            Comparison::Blocked
        } else {
            Comparison::Wrong { tries_left }
        }
    }

    /// Whether the value is a PIN of this format.
    pub(crate) fn has_format(&self, format: PinFormat) -> bool {
        PinBlock::from_slice(self.value.as_slice()).is_some_and(|block| format.accepts(&block))
    }

    /// The value without its padding.
    pub(crate) fn unpadded(&self) -> Zeroizing<Vec<u8>> {
        let value = self.value.as_slice();
        let padding = value.iter().rev().take_while(|byte| **byte == PADDING);
        Zeroizing::new(value[..value.len() - padding.count()].to_vec())
    }

    /// Sets a new value and gives back all tries.
    pub(crate) fn set(&mut self, value: &PinBlock) {
        self.value = SecretBytes::new(value.as_bytes());
        self.tries_left = self.tries_limit;
    }
}

/// XAUTH key 1 and how often it may still unlock the PIN.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Xauth {
    /// `None` after RESET CARD, until a key is put.
    pub(crate) key: Option<SymmetricKey>,
    pub(crate) unlocks_left: u8,
}

/// A data object container: what is inside its 53 (or 7E, 7F61).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DataObject {
    /// Bytes that fit.
    pub(crate) capacity: u16,
    /// Empty in a container that is allocated and not filled.
    pub(crate) content: Bytes,
}

impl DataObject {
    pub(crate) fn empty(capacity: u16) -> Self {
        DataObject {
            capacity,
            content: Bytes::default(),
        }
    }
}

/// A key container, with or without a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyContainer {
    /// What the container is for when it is empty, and what is in it otherwise.
    pub(crate) algorithm: KeyAlgorithm,
    pub(crate) key: Option<StoredKey>,
}

impl KeyContainer {
    /// A container with a key that was generated on the card.
    pub(crate) fn generated(algorithm: KeyAlgorithm, key: &PrivateKey) -> Result<Self, KeyError> {
        Ok(KeyContainer {
            algorithm,
            key: Some(StoredKey {
                origin: Origin::Generated,
                pkcs8: SecretBytes(key.to_pkcs8()?),
            }),
        })
    }
}

/// A private key at rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredKey {
    pub(crate) origin: Origin,
    /// PKCS#8, DER.
    pub(crate) pkcs8: SecretBytes,
}

/// The key 04 and the certificate by which a host knows it. It has no certificate object
/// and is never made anew, so it is no [`KeyContainer`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SecureMessagingKey {
    /// Of the cipher suite's curve.
    pub(crate) algorithm: KeyAlgorithm,
    /// PKCS#8, DER.
    pub(crate) pkcs8: SecretBytes,
    /// The card verifiable certificate, with its tag.
    pub(crate) cvc: Bytes,
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Origin {
    Generated,
}

/// A tag or key reference; hexadecimal in text, as people write them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HexId(pub(crate) u32);

impl HexId {
    /// The tag, if this is one.
    pub(crate) fn object_tag(self) -> Option<ObjectTag> {
        ObjectTag::try_from(self.0).ok()
    }
}

impl From<ObjectTag> for HexId {
    fn from(tag: ObjectTag) -> Self {
        HexId(tag.get())
    }
}

impl From<KeyReference> for HexId {
    fn from(key: KeyReference) -> Self {
        HexId(u32::from(key.get()))
    }
}

impl fmt::Debug for HexId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}

impl Serialize for HexId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:02X}", self.0))
    }
}

impl<'de> Deserialize<'de> for HexId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u32::from_str_radix(&text, 16)
            .map(HexId)
            .map_err(D::Error::custom)
    }
}

/// Bytes that anyone may see; hexadecimal in text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_hex(&text)
            .map(|bytes| Bytes(bytes.to_vec()))
            .ok_or_else(|| D::Error::custom("not hexadecimal"))
    }
}

/// Bytes that nobody should see: wiped on drop, nothing in `Debug`; hexadecimal in text.
#[derive(Clone)]
pub(crate) struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        SecretBytes(Zeroizing::new(bytes.to_vec()))
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

impl Serialize for SecretBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        from_hex(&text)
            .map(SecretBytes)
            .ok_or_else(|| D::Error::custom("not hexadecimal"))
    }
}

fn to_hex(bytes: &[u8]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 0x0F)]));
    }
    text
}

pub(crate) fn from_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    for pair in digits.chunks_exact(2) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        bytes.push(u8::try_from(high << 4 | low).ok()?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn block(bytes: &[u8]) -> PinBlock {
        PinBlock::from_slice(bytes).unwrap()
    }

    #[test]
    fn a_wrong_value_costs_a_try_and_the_right_one_gives_them_back() {
        let mut pin = ReferenceData::new(b"123456", 3);
        let right = block(b"123456\xFF\xFF");
        let wrong = block(b"123457\xFF\xFF");
        assert_eq!(pin.compare(&wrong), Comparison::Wrong { tries_left: 2 });
        assert_eq!(pin.compare(&right), Comparison::Equal);
        assert_eq!(pin.tries_left, 3);
        assert_eq!(pin.compare(&wrong), Comparison::Wrong { tries_left: 2 });
        assert_eq!(pin.compare(&wrong), Comparison::Wrong { tries_left: 1 });
        assert_eq!(pin.compare(&wrong), Comparison::Blocked);
        assert_eq!(pin.compare(&right), Comparison::Blocked);
        assert_eq!(pin.tries_left, 0);
    }

    #[test]
    fn hexadecimal_both_ways() {
        assert_eq!(*to_hex(&[0x00, 0x5F, 0xC1]), "005FC1");
        assert_eq!(*from_hex("005fC1").unwrap(), [0x00, 0x5F, 0xC1]);
        assert!(from_hex("0").is_none());
        assert!(from_hex("0g").is_none());
        assert!(from_hex("é").is_none());
    }
}
