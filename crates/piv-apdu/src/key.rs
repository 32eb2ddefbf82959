//! Key references and algorithm identifiers: SP 800-73-5 Part 1, SP 800-78-5.

use core::fmt;

use crate::object::ObjectTag;

/// What P2 names in VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER,
/// GENERAL AUTHENTICATE and GENERATE ASYMMETRIC KEY PAIR.
///
/// Source: SP 800-73-5 Part 1 (authentication data and key references).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyReference(pub u8);

impl KeyReference {
    /// `00`, the global PIN.
    pub const GLOBAL_PIN: Self = Self(0x00);
    /// `04`, the PIV secure messaging key.
    pub const SECURE_MESSAGING: Self = Self(0x04);
    /// `80`, the PIV card application PIN.
    pub const PIV_PIN: Self = Self(0x80);
    /// `81`, the PIN unblocking key (PUK).
    pub const PUK: Self = Self(0x81);
    /// `98`, the pairing code.
    pub const PAIRING_CODE: Self = Self(0x98);
    /// `9A`, the PIV authentication key.
    pub const PIV_AUTHENTICATION: Self = Self(0x9A);
    /// `9B`, the card management key.
    pub const CARD_MANAGEMENT: Self = Self(0x9B);
    /// `9C`, the digital signature key.
    pub const DIGITAL_SIGNATURE: Self = Self(0x9C);
    /// `9D`, the key management key.
    pub const KEY_MANAGEMENT: Self = Self(0x9D);
    /// `9E`, the card authentication key.
    pub const CARD_AUTHENTICATION: Self = Self(0x9E);

    /// `82` to `95`, the `n`-th retired key management key, 1 ≤ `n` ≤ 20;
    /// `None` for any other `n`.
    pub const fn retired(n: u8) -> Option<Self> {
        match n {
            1..=20 => Some(Self(0x81 + n)),
            _ => None,
        }
    }

    /// Which retired key management key this is, 1 to 20.
    pub const fn retired_index(self) -> Option<u8> {
        match self.0 {
            0x82..=0x95 => Some(self.0 - 0x81),
            _ => None,
        }
    }

    /// The byte on the wire.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The standard's name, or `"unassigned key reference"`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            0x00 => "global PIN",
            0x04 => "PIV secure messaging key",
            0x80 => "PIV PIN",
            0x81 => "PUK",
            0x82..=0x95 => RETIRED_NAMES[(self.0 - 0x82) as usize],
            0x96 => "primary finger OCC",
            0x97 => "secondary finger OCC",
            0x98 => "pairing code",
            0x9A => "PIV authentication key",
            0x9B => "card management key",
            0x9C => "digital signature key",
            0x9D => "key management key",
            0x9E => "card authentication key",
            _ => "unassigned key reference",
        }
    }

    /// The data object with this key's X.509 certificate, for `9A`, `9C`,
    /// `9D`, `9E` and `82` to `95`.
    pub const fn certificate_object(self) -> Option<ObjectTag> {
        match self {
            Self::PIV_AUTHENTICATION => Some(ObjectTag::PIV_AUTHENTICATION_CERTIFICATE),
            Self::DIGITAL_SIGNATURE => Some(ObjectTag::DIGITAL_SIGNATURE_CERTIFICATE),
            Self::KEY_MANAGEMENT => Some(ObjectTag::KEY_MANAGEMENT_CERTIFICATE),
            Self::CARD_AUTHENTICATION => Some(ObjectTag::CARD_AUTHENTICATION_CERTIFICATE),
            _ => match self.retired_index() {
                Some(n) => ObjectTag::retired_certificate(n),
                None => None,
            },
        }
    }
}

const RETIRED_NAMES: [&str; 20] = [
    "retired key management key 1",
    "retired key management key 2",
    "retired key management key 3",
    "retired key management key 4",
    "retired key management key 5",
    "retired key management key 6",
    "retired key management key 7",
    "retired key management key 8",
    "retired key management key 9",
    "retired key management key 10",
    "retired key management key 11",
    "retired key management key 12",
    "retired key management key 13",
    "retired key management key 14",
    "retired key management key 15",
    "retired key management key 16",
    "retired key management key 17",
    "retired key management key 18",
    "retired key management key 19",
    "retired key management key 20",
];

/// Two upper-case hexadecimal digits, such as `9A`.
impl fmt::Display for KeyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}

/// A cryptographic algorithm or cipher suite identifier.
///
/// Source: SP 800-78-5 (identifiers for supported cryptographic algorithms),
/// except where a variant says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// `03`, Triple DES with three keys, ECB. `00` is read as this too.
    TripleDes,
    /// `04`, RSA with 4,096 bits: from the Crescendo C4000 page alone, not
    /// assigned by NIST.
    Rsa4096,
    /// `05`, RSA with 3,072 bits.
    Rsa3072,
    /// `06`, RSA with 1,024 bits; no longer allowed, found on old cards.
    Rsa1024,
    /// `07`, RSA with 2,048 bits.
    Rsa2048,
    /// `08`, AES-128, ECB.
    Aes128,
    /// `0A`, AES-192, ECB.
    Aes192,
    /// `0C`, AES-256, ECB.
    Aes256,
    /// `11`, elliptic curve P-256.
    EccP256,
    /// `14`, elliptic curve P-384.
    EccP384,
    /// `27`, secure messaging cipher suite 2 (P-256, AES-128, SHA-256).
    Cs2,
    /// `2E`, secure messaging cipher suite 7 (P-384, AES-256, SHA-384).
    Cs7,
    /// Any other identifier.
    Other(u8),
}

impl Algorithm {
    /// Reads the identifier; every byte has a value.
    pub const fn from_u8(identifier: u8) -> Self {
        match identifier {
            0x00 | 0x03 => Self::TripleDes,
            0x04 => Self::Rsa4096,
            0x05 => Self::Rsa3072,
            0x06 => Self::Rsa1024,
            0x07 => Self::Rsa2048,
            0x08 => Self::Aes128,
            0x0A => Self::Aes192,
            0x0C => Self::Aes256,
            0x11 => Self::EccP256,
            0x14 => Self::EccP384,
            0x27 => Self::Cs2,
            0x2E => Self::Cs7,
            other => Self::Other(other),
        }
    }

    /// The identifier on the wire.
    pub const fn to_u8(self) -> u8 {
        match self {
            Self::TripleDes => 0x03,
            Self::Rsa4096 => 0x04,
            Self::Rsa3072 => 0x05,
            Self::Rsa1024 => 0x06,
            Self::Rsa2048 => 0x07,
            Self::Aes128 => 0x08,
            Self::Aes192 => 0x0A,
            Self::Aes256 => 0x0C,
            Self::EccP256 => 0x11,
            Self::EccP384 => 0x14,
            Self::Cs2 => 0x27,
            Self::Cs7 => 0x2E,
            Self::Other(other) => other,
        }
    }

    /// The usual short name, such as `"RSA-2048"`; `"unknown algorithm"` for
    /// [`Algorithm::Other`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::TripleDes => "3DES",
            Self::Rsa4096 => "RSA-4096",
            Self::Rsa3072 => "RSA-3072",
            Self::Rsa1024 => "RSA-1024",
            Self::Rsa2048 => "RSA-2048",
            Self::Aes128 => "AES-128",
            Self::Aes192 => "AES-192",
            Self::Aes256 => "AES-256",
            Self::EccP256 => "ECC P-256",
            Self::EccP384 => "ECC P-384",
            Self::Cs2 => "CS2",
            Self::Cs7 => "CS7",
            Self::Other(_) => "unknown algorithm",
        }
    }

    /// The modulus length of an RSA algorithm, in bits.
    pub const fn rsa_bits(self) -> Option<usize> {
        match self {
            Self::Rsa1024 => Some(1024),
            Self::Rsa2048 => Some(2048),
            Self::Rsa3072 => Some(3072),
            Self::Rsa4096 => Some(4096),
            _ => None,
        }
    }
}

impl From<u8> for Algorithm {
    fn from(identifier: u8) -> Self {
        Self::from_u8(identifier)
    }
}

impl From<Algorithm> for u8 {
    fn from(algorithm: Algorithm) -> Self {
        algorithm.to_u8()
    }
}

/// The name, or `algorithm XX` in hexadecimal for an unknown one.
impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(other) => write!(f, "algorithm {other:02X}"),
            known => f.write_str(known.name()),
        }
    }
}
