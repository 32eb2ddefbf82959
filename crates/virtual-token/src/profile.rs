//! What kind of card a token is: the profiles and the facts that go with each.
//!
//! The Crescendo facts are from HID's public documentation and from independent
//! open projects, with the evidence that `crescendo-ext` records. Where a number is
//! not public (how many tries a PIN has, for one), the value is this project's
//! choice and its documentation says so.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::crypto::{KeyAlgorithm, SymmetricAlgorithm};

/// The kind of card a software token plays.
///
/// ```
/// use virtual_token::Profile;
///
/// let profile: Profile = "crescendo-2300".parse()?;
/// assert_eq!(profile, Profile::Crescendo2300);
/// assert_eq!(profile.to_string(), "crescendo-2300");
/// # Ok::<(), virtual_token::UnknownProfile>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Profile {
    /// HID Crescendo 2300, contact.
    #[serde(rename = "crescendo-2300")]
    Crescendo2300,
    /// HID Crescendo 4000, contact. Its PUK (RESET RETRY COUNTER) and the PIN policy that
    /// it keeps as object `5FFD01` are this project's profile: nothing public says whether
    /// the real card takes a PUK, or how it is told a policy.
    #[serde(rename = "crescendo-4000")]
    Crescendo4000,
    /// HID Crescendo Key of the C2300 family, USB, with its OATH slots.
    #[serde(rename = "crescendo-key")]
    CrescendoKey,
    /// A plain NIST SP 800-73 PIV card, of no vendor.
    #[serde(rename = "piv")]
    Piv,
}

impl Profile {
    /// Every profile, in the order in which they are listed to people.
    pub const ALL: [Profile; 4] = [
        Profile::Crescendo2300,
        Profile::Crescendo4000,
        Profile::CrescendoKey,
        Profile::Piv,
    ];

    /// The profile's name, as [`FromStr`] takes it and [`fmt::Display`] writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Profile::Crescendo2300 => "crescendo-2300",
            Profile::Crescendo4000 => "crescendo-4000",
            Profile::CrescendoKey => "crescendo-key",
            Profile::Piv => "piv",
        }
    }

    /// The PIN of a token as it is made: `00000000` on the C2300 family, `000000` on
    /// the C4000 (both vendor), `123456` on the plain PIV card.
    pub const fn factory_pin(self) -> &'static [u8] {
        match self {
            Profile::Crescendo2300 | Profile::CrescendoKey => b"00000000",
            Profile::Crescendo4000 => b"000000",
            Profile::Piv => b"123456",
        }
    }

    /// The PUK of a token as it is made, or `None` where the family has no PUK on its
    /// wire (the C2300 family is unblocked with its XAUTH key instead).
    pub const fn factory_puk(self) -> Option<&'static [u8]> {
        match self {
            Profile::Crescendo2300 | Profile::CrescendoKey => None,
            Profile::Crescendo4000 | Profile::Piv => Some(b"12345678"),
        }
    }

    /// Whether the card has an access control applet and GET PIV PROPERTIES.
    pub const fn is_crescendo(self) -> bool {
        !matches!(self, Profile::Piv)
    }

    /// Whether the card has a FIDO2 applet.
    pub(crate) const fn has_fido(self) -> bool {
        matches!(self, Profile::Crescendo4000 | Profile::CrescendoKey)
    }

    /// Whether the card keeps the project profile (object `5FFD01`) and enforces its PIN
    /// policy. No real card does.
    pub(crate) const fn keeps_project_profile(self) -> bool {
        matches!(self, Profile::Crescendo4000)
    }

    /// The historical bytes of the ATR, for the profiles whose ATR is published.
    pub(crate) const fn crescendo_historical_bytes(self) -> Option<&'static [u8]> {
        match self {
            Profile::Crescendo2300 => Some(b"C2300"),
            Profile::Crescendo4000 => Some(b"C4000"),
            Profile::CrescendoKey => Some(b"C2300-KEY"),
            Profile::Piv => None,
        }
    }

    /// How many wrong PINs (and PUKs) in a row a token takes. The vendor does not say;
    /// 6 is the highest counter that was ever seen (on a Key V3, by a third party).
    pub(crate) const fn tries_limit(self) -> u8 {
        match self {
            Profile::Crescendo2300 | Profile::Crescendo4000 | Profile::CrescendoKey => 6,
            Profile::Piv => 3,
        }
    }

    /// Shortest and longest PIN in bytes, and whether it must be digits, on a token as it
    /// is made.
    pub(crate) const fn pin_format(self) -> (u8, u8, bool) {
        match self {
            Profile::Crescendo2300 | Profile::Crescendo4000 | Profile::CrescendoKey => {
                (4, 8, false)
            }
            Profile::Piv => (6, 8, true),
        }
    }

    /// The key of XAUTH 1 when nothing else is asked for. Sources disagree about which
    /// model has which; 3DES on the C4000 is vendor.
    pub(crate) const fn xauth_algorithm(self) -> Option<SymmetricAlgorithm> {
        if self.is_crescendo() {
            Some(SymmetricAlgorithm::TripleDes)
        } else {
            None
        }
    }

    /// How many OATH slots the card has.
    pub(crate) const fn oath_slots(self) -> u8 {
        match self {
            Profile::CrescendoKey => 3,
            Profile::Crescendo2300 | Profile::Crescendo4000 | Profile::Piv => 0,
        }
    }

    /// The key containers of a Crescendo, which exist whether or not they hold a key.
    /// `None` on the plain PIV card, which has all those of the standard.
    ///
    /// C2300: those of a live unit (third-party); C4000: 9A and the vendor's slots
    /// B0, B4, F0 (third-party).
    pub(crate) const fn key_containers(self) -> Option<&'static [u8]> {
        match self {
            Profile::Crescendo2300 | Profile::CrescendoKey => Some(&[0x9A, 0x9C, 0x9D, 0x82, 0x83]),
            Profile::Crescendo4000 => Some(&[0x9A, 0xB0, 0xB4, 0xF0]),
            Profile::Piv => None,
        }
    }

    /// The keys that [`Content::Personal`](crate::Content) makes, by key reference. A
    /// key without a certificate object of its own (B0) gets no certificate.
    pub(crate) const fn personal_keys(self) -> &'static [(u8, KeyAlgorithm)] {
        match self {
            Profile::Crescendo2300 => &[
                (0x9A, KeyAlgorithm::Rsa2048),
                (0x9C, KeyAlgorithm::EccP256),
                (0x9D, KeyAlgorithm::EccP384),
                (0x82, KeyAlgorithm::Rsa2048),
            ],
            Profile::CrescendoKey => &[
                (0x9A, KeyAlgorithm::EccP256),
                (0x9C, KeyAlgorithm::Rsa2048),
                (0x9D, KeyAlgorithm::EccP256),
                (0x82, KeyAlgorithm::EccP384),
            ],
            Profile::Crescendo4000 => {
                &[(0x9A, KeyAlgorithm::Rsa2048), (0xB0, KeyAlgorithm::EccP256)]
            }
            Profile::Piv => &[
                (0x9A, KeyAlgorithm::Rsa2048),
                (0x9C, KeyAlgorithm::EccP384),
                (0x9D, KeyAlgorithm::EccP256),
                (0x9E, KeyAlgorithm::EccP256),
            ],
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is not the name of a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no profile is named {name:?}: choose crescendo-2300, crescendo-4000, crescendo-key or piv"
)]
pub struct UnknownProfile {
    /// The text that was given.
    pub name: String,
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Profile::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| UnknownProfile {
                name: name.to_owned(),
            })
    }
}

/// The transmission protocol of a contact card (ISO 7816-3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// Bytes: no command carries data both ways at once, so an answer to a command
    /// with data waits for GET RESPONSE (61xx), and a wrong Le gives 6Cxx.
    T0,
    /// Blocks: the answer comes with the command.
    #[default]
    T1,
}
