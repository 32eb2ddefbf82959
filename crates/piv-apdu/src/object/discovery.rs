//! The discovery object.

use zeroize::Zeroizing;

use super::{DataObject, ObjectError, ObjectTag, exactly, wrong_length};
use crate::aid::Aid;
use crate::tlv::{self, Node, Tag};

/// The discovery object, `7E`: which application, and which PINs it goes by.
///
/// Source: SP 800-73-5 Part 1, 3.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// `4F`: the PIV application's AID.
    pub aid: Aid,
    /// `5F2F`: how the cardholder is verified.
    pub pin_usage: PinUsagePolicy,
}

const AID: Tag = Tag::new(0x4F);
const PIN_USAGE: Tag = Tag::new(0x5F2F);

impl DataObject for Discovery {
    const TAG: ObjectTag = ObjectTag::DISCOVERY;

    fn decode(content: &[u8]) -> Result<Self, ObjectError> {
        let aid = tlv::require(content, AID)?;
        let pin_usage = tlv::require(content, PIN_USAGE)?;
        Ok(Discovery {
            aid: Aid::new(aid).ok_or_else(|| wrong_length(AID, aid))?,
            pin_usage: PinUsagePolicy(u16::from_be_bytes(exactly(PIN_USAGE, pin_usage)?)),
        })
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        tlv::encode(&[
            Node::Value(AID, self.aid.as_bytes()),
            Node::Value(PIN_USAGE, &self.pin_usage.0.to_be_bytes()),
        ])
    }
}

/// The PIN usage policy: two bytes, the first in the high half.
///
/// ```
/// use piv_apdu::object::PinUsagePolicy;
///
/// let policy = PinUsagePolicy(0x6010);
/// assert!(policy.piv_pin() && policy.global_pin() && !policy.global_preferred());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PinUsagePolicy(pub u16);

impl PinUsagePolicy {
    /// `4000`: the PIV PIN satisfies the access rules.
    pub const PIV_PIN: u16 = 0x4000;
    /// `2000`: the global PIN does too.
    pub const GLOBAL_PIN: u16 = 0x2000;
    /// `1000`: on-card biometric comparison does too.
    pub const OCC: u16 = 0x1000;
    /// `0800`: the virtual contact interface is implemented.
    pub const VCI: u16 = 0x0800;
    /// `0400`: the virtual contact interface needs no pairing code.
    pub const VCI_WITHOUT_PAIRING_CODE: u16 = 0x0400;

    /// Whether all of `bits` are set.
    const fn has(self, bits: u16) -> bool {
        self.0 & bits == bits
    }

    /// Whether the PIV PIN satisfies the access rules.
    pub const fn piv_pin(self) -> bool {
        self.has(Self::PIV_PIN)
    }

    /// Whether the global PIN satisfies the access rules.
    pub const fn global_pin(self) -> bool {
        self.has(Self::GLOBAL_PIN)
    }

    /// Whether on-card biometric comparison satisfies the access rules.
    pub const fn occ(self) -> bool {
        self.has(Self::OCC)
    }

    /// Whether the virtual contact interface is implemented.
    pub const fn vci(self) -> bool {
        self.has(Self::VCI)
    }

    /// Whether the virtual contact interface needs no pairing code. Note the
    /// sense: set means that the code is **not** needed.
    pub const fn vci_without_pairing_code(self) -> bool {
        self.has(Self::VCI_WITHOUT_PAIRING_CODE)
    }

    /// Whether the cardholder's primary PIN is the global one (second byte
    /// `20`; `10` is the PIV PIN). Without a global PIN it cannot be.
    pub const fn global_preferred(self) -> bool {
        self.global_pin() && self.0 & 0x00FF == 0x20
    }
}
