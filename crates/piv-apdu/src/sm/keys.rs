//! The keys of a session, and how both sides come to them.

use core::fmt;

use aes::{Aes128, Aes256};
use cmac::{Cmac, KeyInit as _};
use sha2::{Sha256, Sha384};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::key::Algorithm;

/// A cipher suite of secure messaging. A card has one of the two.
///
/// Source: SP 800-78-5, SP 800-73-5 Part 2, 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CipherSuite {
    /// P-256, AES-128, SHA-256.
    Cs2,
    /// P-384, AES-256, SHA-384.
    Cs7,
}

impl CipherSuite {
    /// Its name in SP 800-78: `CS2` or `CS7`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cs2 => "CS2",
            Self::Cs7 => "CS7",
        }
    }

    /// Its algorithm identifier: `27` or `2E`.
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::Cs2 => Algorithm::Cs2,
            Self::Cs7 => Algorithm::Cs7,
        }
    }

    /// The suite that has this algorithm identifier. What a card has is among the
    /// algorithms that it announces when it is selected
    /// ([`ApplicationProperties`](crate::command::ApplicationProperties)).
    pub const fn from_algorithm(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Cs2 => Some(Self::Cs2),
            Algorithm::Cs7 => Some(Self::Cs7),
            _ => None,
        }
    }

    /// Bytes of a coordinate, and of the shared secret: 32 or 48.
    pub const fn coordinate_length(self) -> usize {
        match self {
            Self::Cs2 => 32,
            Self::Cs7 => 48,
        }
    }

    /// Bytes of the card's nonce: 16 or 24.
    pub const fn nonce_length(self) -> usize {
        match self {
            Self::Cs2 => 16,
            Self::Cs7 => 24,
        }
    }

    /// Bytes of each session key: 16 or 32.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Cs2 => 16,
            Self::Cs7 => 32,
        }
    }

    /// The identifier of the cipher in the derivation: AES-128 or AES-256.
    const fn cipher_id(self) -> u8 {
        match self {
            Self::Cs2 => 0x09,
            Self::Cs7 => 0x0D,
        }
    }

    /// AES-CMAC (SP 800-38B) over the parts, one after the other; `None` for a key
    /// of another length than the suite's.
    pub(super) fn cmac(self, key: &[u8], parts: &[&[u8]]) -> Option<[u8; 16]> {
        fn over<M: cmac::Mac>(mut mac: M, parts: &[&[u8]]) -> Option<[u8; 16]> {
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes().as_slice().try_into().ok()
        }
        match self {
            Self::Cs2 => over(Cmac::<Aes128>::new_from_slice(key).ok()?, parts),
            Self::Cs7 => over(Cmac::<Aes256>::new_from_slice(key).ok()?, parts),
        }
    }

    fn hash(self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        fn over<D: sha2::Digest>(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
            let mut digest = D::new();
            for part in parts {
                digest.update(part);
            }
            Zeroizing::new(digest.finalize().to_vec())
        }
        match self {
            Self::Cs2 => over::<Sha256>(parts),
            Self::Cs7 => over::<Sha384>(parts),
        }
    }
}

/// What both sides know of a key establishment, beside the shared secret.
#[derive(Clone, Copy, Debug)]
pub struct OtherInfo<'a> {
    /// `IDsH`: the host's identifier, at its choice.
    pub host_id: [u8; 8],
    /// `CBH`: the host's control byte.
    pub host_control: u8,
    /// The x coordinate of the host's ephemeral public key, 32 or 48 bytes.
    pub host_point_x: &'a [u8],
    /// `IDsICC`: the first eight bytes of the SHA-256 of the card's certificate.
    pub card_id: [u8; 8],
    /// `N`: the card's nonce, 16 or 24 bytes.
    pub nonce: &'a [u8],
    /// `CBICC`: the card's control byte.
    pub card_control: u8,
}

impl OtherInfo<'_> {
    /// The bytes that go into the derivation: 61 of them, or 69.
    fn encode(&self, suite: CipherSuite) -> Option<Vec<u8>> {
        let nonce_length = suite.nonce_length();
        if self.host_point_x.len() != suite.coordinate_length() || self.nonce.len() != nonce_length
        {
            return None;
        }
        let mut info = vec![0x04];
        info.extend([suite.cipher_id(); 4]);
        info.push(0x08);
        info.extend(self.host_id);
        info.extend([0x01, self.host_control, 0x10]);
        info.extend(self.host_point_x.get(..16)?);
        info.push(0x08);
        info.extend(self.card_id);
        info.push(u8::try_from(nonce_length).ok()?);
        info.extend(self.nonce);
        info.extend([0x01, self.card_control]);
        Some(info)
    }
}

/// The four keys of a session: wiped when dropped, never shown.
pub struct SessionKeys {
    pub(super) suite: CipherSuite,
    /// `SKCFRM`, `SKMAC`, `SKENC`, `SKRMAC`, one after the other.
    keys: Zeroizing<Vec<u8>>,
}

impl SessionKeys {
    /// Derives the keys from the shared secret `z`, the x coordinate that both sides
    /// have computed: `hash(counter || z || other info)`, as often as it takes.
    /// `None` if a length is not the suite's.
    ///
    /// Source: SP 800-56A Rev. 3, 5.8.1 (one-step key derivation, hash), with the
    /// other info of SP 800-73-5 Part 2, 4.1.6.
    pub fn derive(suite: CipherSuite, z: &[u8], info: &OtherInfo<'_>) -> Option<Self> {
        if z.len() != suite.coordinate_length() {
            return None;
        }
        let keys = one_step(suite, z, &info.encode(suite)?, 4 * suite.key_length());
        Some(Self { suite, keys })
    }

    /// The cipher suite.
    pub fn suite(&self) -> CipherSuite {
        self.suite
    }

    /// Whether the card's cryptogram shows that it has come to the same keys, and so
    /// knows the private key of its certificate: AES-CMAC under `SKCFRM` of
    /// `"KC_1_V" || IDsICC || IDsH || X || Y`, compared in constant time. `point` is
    /// the host's ephemeral public key `X || Y`, without the `04`.
    ///
    /// Source: SP 800-73-5 Part 2, 4.1.7; SP 800-56A Rev. 3, 5.9.
    pub fn is_confirmed_by(
        &self,
        cryptogram: &[u8],
        card_id: [u8; 8],
        host_id: [u8; 8],
        point: &[u8],
    ) -> bool {
        let parts: [&[u8]; 4] = [b"KC_1_V", &card_id, &host_id, point];
        let expected = self.suite.cmac(self.key(0), &parts);
        expected.is_some_and(|expected| bool::from(expected.ct_eq(cryptogram)))
    }

    pub(super) fn mac(&self) -> &[u8] {
        self.key(1)
    }

    pub(super) fn encryption(&self) -> &[u8] {
        self.key(2)
    }

    pub(super) fn response_mac(&self) -> &[u8] {
        self.key(3)
    }

    fn key(&self, number: usize) -> &[u8] {
        let length = self.suite.key_length();
        self.keys
            .get(number * length..(number + 1) * length)
            .unwrap_or_default()
    }
}

/// `length` bytes of `hash(1 || z || info) || hash(2 || z || info) || …`.
fn one_step(suite: CipherSuite, z: &[u8], info: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    // Exact, so that no copy is left behind by growing.
    let mut keys = Zeroizing::new(Vec::with_capacity(length));
    for counter in 1_u32.. {
        let block = suite.hash(&[&counter.to_be_bytes(), z, info]);
        let missing = length - keys.len();
        keys.extend_from_slice(block.get(..missing).unwrap_or(&block));
        if keys.len() == length {
            break;
        }
    }
    keys
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKeys({:?})", self.suite)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

    use hex_literal::hex;

    use super::*;

    /// The message of SP 800-38B's examples, 64 bytes, of which each takes a part.
    const MESSAGE: [u8; 64] = hex!(
        "6BC1BEE22E409F96E93D7E117393172A AE2D8A571E03AC9C9EB76FAC45AF8E51"
        "30C81C46A35CE411E5FBC1191A0A52EF F69F2445DF4F9B17AD2B417BE66C3710"
    );

    /// SP 800-38B, appendix D (the updated examples), AES-128 and AES-256.
    #[test]
    fn cmac_is_that_of_the_standard_s_examples() {
        let aes_128 = hex!("2B7E151628AED2A6ABF7158809CF4F3C");
        let aes_256 = hex!("603DEB1015CA71BE2B73AEF0857D7781 1F352C073B6108D72D9810A30914DFF4");
        for (suite, key, length, expected) in [
            (
                CipherSuite::Cs2,
                &aes_128[..],
                0,
                hex!("BB1D6929E95937287FA37D129B756746"),
            ),
            (
                CipherSuite::Cs2,
                &aes_128,
                16,
                hex!("070A16B46B4D4144F79BDD9DD04A287C"),
            ),
            (
                CipherSuite::Cs2,
                &aes_128,
                40,
                hex!("DFA66747DE9AE63030CA32611497C827"),
            ),
            (
                CipherSuite::Cs2,
                &aes_128,
                64,
                hex!("51F0BEBF7E3B9D92FC49741779363CFE"),
            ),
            (
                CipherSuite::Cs7,
                &aes_256,
                0,
                hex!("028962F61B7BF89EFC6B551F4667D983"),
            ),
            (
                CipherSuite::Cs7,
                &aes_256,
                16,
                hex!("28A7023F452E8F82BD4BF28D8C37C35C"),
            ),
            (
                CipherSuite::Cs7,
                &aes_256,
                40,
                hex!("AAF3D8F1DE5640C232F5B169B9C911E6"),
            ),
            (
                CipherSuite::Cs7,
                &aes_256,
                64,
                hex!("E1992190549F6ED5696A2C056C315410"),
            ),
        ] {
            let message = &MESSAGE[..length];
            assert_eq!(
                suite.cmac(key, &[message]),
                Some(expected),
                "{suite:?} {length}"
            );
            let (one, other) = message.split_at(length / 3);
            assert_eq!(suite.cmac(key, &[one, other]), Some(expected), "in parts");
        }
        assert_eq!(CipherSuite::Cs2.cmac(&aes_256, &[]), None);
        assert_eq!(CipherSuite::Cs7.cmac(&aes_128, &[]), None);
    }

    /// RFC 7518, appendix C: the same derivation with another other info.
    #[test]
    fn the_derivation_is_that_of_the_published_example() {
        let z = hex!("9E56D91D817135D372834283BF84269C FB316EA3DA806A48F6DAA7798CFE90C4");
        let info = b"\0\0\0\x07A128GCM\0\0\0\x05Alice\0\0\0\x03Bob\0\0\0\x80";
        let expected = hex!("56AA8DEAF8236D205C2228CD71A7101A");
        assert_eq!(**one_step(CipherSuite::Cs2, &z, info, 16), expected);
        // More is asked of the same first block, and then of others.
        let long = one_step(CipherSuite::Cs2, &z, info, 4 * 16);
        assert_eq!((long.len(), &long[..16]), (64, &expected[..]));
        assert_ne!(long[..32], long[32..]);
    }

    #[test]
    fn the_other_info_has_the_length_that_the_standard_says() {
        for (suite, length) in [(CipherSuite::Cs2, 61), (CipherSuite::Cs7, 69)] {
            let point = vec![2; suite.coordinate_length()];
            let nonce = vec![4; suite.nonce_length()];
            let info = OtherInfo {
                host_id: [1; 8],
                host_control: 0,
                host_point_x: &point,
                card_id: [3; 8],
                nonce: &nonce,
                card_control: 0,
            };
            assert_eq!(info.encode(suite).unwrap().len(), length);
            let short = OtherInfo {
                nonce: &nonce[1..],
                ..info
            };
            assert_eq!(short.encode(suite), None);
            let short = OtherInfo {
                host_point_x: &point[1..],
                ..info
            };
            assert_eq!(short.encode(suite), None);
            let z = vec![5; suite.coordinate_length()];
            assert!(SessionKeys::derive(suite, &z, &info).is_some());
            assert!(SessionKeys::derive(suite, &z[1..], &info).is_none());
        }
    }
}
