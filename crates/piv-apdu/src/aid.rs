//! Application identifiers.

use core::fmt;

/// The PIV Card Application's full AID, version 1.0 (11 bytes).
///
/// SELECT with this one: strict cards refuse a truncated AID.
/// Source: SP 800-73-5 Part 1.
pub const PIV: &[u8] = &[
    0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00,
];

/// The PIV AID without its two version bytes (9 bytes), which most cards accept.
///
/// Source: SP 800-73-5 Part 1.
pub const PIV_TRUNCATED: &[u8] = &[0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00];

/// The FIDO application (8 bytes), which a PIV token may have beside the PIV Card
/// Application.
///
/// Source: CTAP 2.1, 11.3.3.
pub const FIDO: &[u8] = &[0xA0, 0x00, 0x00, 0x06, 0x47, 0x2F, 0x00, 0x01];

/// NIST's registered application provider identifier (5 bytes).
pub const RID_NIST: &[u8] = &[0xA0, 0x00, 0x00, 0x03, 0x08];

/// An application identifier, or a part of one to select by: 0 to 16 bytes.
///
/// The empty one selects a `GlobalPlatform` card's default application.
/// Source: ISO 7816-4 (application identifier: 5 to 16 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Aid {
    bytes: [u8; Aid::MAX_LEN],
    len: u8,
}

impl Aid {
    /// The longest AID.
    pub const MAX_LEN: usize = 16;

    /// Copies `bytes`; `None` if there are more than 16.
    pub fn new(bytes: &[u8]) -> Option<Aid> {
        let len = u8::try_from(bytes.len()).ok()?;
        let mut aid = Aid {
            bytes: [0; Aid::MAX_LEN],
            len,
        };
        aid.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(aid)
    }

    /// The PIV Card Application's full AID, [`PIV`].
    pub fn piv() -> Aid {
        let mut bytes = [0; Aid::MAX_LEN];
        bytes[..PIV.len()].copy_from_slice(PIV);
        Aid { bytes, len: 11 }
    }

    /// The bytes, 0 to 16 of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsRef<[u8]> for Aid {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Upper-case hexadecimal digits without spaces.
impl fmt::Display for Aid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Aid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aid({self})")
    }
}
