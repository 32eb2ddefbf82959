//! Which Crescendo a token is, from its answer to reset.
//!
//! The historical bytes of the ATR begin with the family's name, `C2300` or
//! `C4000`, on contact and contactless alike. That prefix is what counts,
//! never a whole ATR. Neither the application label "HID Global ActivID …" nor
//! a selectable access control applet proves a Crescendo: CAC cards have both.
//! A command that destroys something may be sent only to a token whose family
//! is known from here.

use core::fmt;

use piv_apdu::atr::Atr;

use crate::Evidence;

/// A family of Crescendo tokens: what decides which commands it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Crescendo C2300 and the Crescendo Key built on it.
    C2300,
    /// Crescendo C4000 and the Crescendo Key V3 built on it.
    C4000,
}

impl Family {
    /// Both families.
    pub const ALL: [Self; 2] = [Self::C2300, Self::C4000];

    /// `C2300` or `C4000`: as the historical bytes have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::C2300 => "C2300",
            Self::C4000 => "C4000",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The shape a token comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// A smart card.
    Card,
    /// A USB security key (`-KEY` in the historical bytes).
    Key,
}

/// What the historical bytes of a Crescendo say about it.
///
/// ```
/// use crescendo_ext::identity::{Family, Form, Identity};
///
/// let key = Identity::from_historical_bytes(b"C4000-KEY").unwrap();
/// assert_eq!((key.family(), key.form()), (Family::C4000, Form::Key));
/// assert_eq!(key.name(), "HID Crescendo Key V3 (C4000)");
///
/// assert!(Identity::from_historical_bytes(b"JCOP").is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    family: Family,
    /// The historical bytes after the family's name: at most 10.
    suffix: Vec<u8>,
}

impl Identity {
    /// Recognises a Crescendo by its ATR. `None`: not a Crescendo, or one that
    /// does not say so.
    ///
    /// Sends nothing. Evidence: that of [`KNOWN_ATRS`]; for contactless C4000
    /// tokens inferred.
    pub fn from_atr(atr: &Atr) -> Option<Self> {
        Self::from_historical_bytes(atr.historical_bytes())
    }

    /// Recognises a Crescendo by the historical bytes of its ATR: a prefix
    /// `C2300` or `C4000`. An ATR has at most 15 historical bytes; with more
    /// the answer is `None`.
    pub fn from_historical_bytes(historical: &[u8]) -> Option<Self> {
        if historical.len() > 15 {
            return None;
        }
        Family::ALL.into_iter().find_map(|family| {
            let suffix = historical.strip_prefix(family.name().as_bytes())?;
            Some(Self {
                family,
                suffix: suffix.to_vec(),
            })
        })
    }

    /// The family.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// Card or USB key.
    pub fn form(&self) -> Form {
        if self.suffix.starts_with(b"-KEY") {
            Form::Key
        } else {
            Form::Card
        }
    }

    /// Whether the token calls itself a FIPS model (`-FIPS`).
    pub fn is_fips(&self) -> bool {
        self.suffix.starts_with(b"-FIPS")
    }

    /// Whether the token calls itself an iCLASS model (`-iCLASS`).
    pub fn is_iclass(&self) -> bool {
        self.suffix.starts_with(b"-iCLASS")
    }

    /// The historical bytes after the family's name, as the card sent them:
    /// at most 10, and not always text.
    pub fn suffix(&self) -> &[u8] {
        &self.suffix
    }

    /// The token's name for people, such as `HID Crescendo C2300 FIPS` or
    /// `HID Crescendo Key (C2300)`. Safe to print: nothing that the card sent
    /// is in it.
    pub fn name(&self) -> &'static str {
        match (self.family, self.form()) {
            (Family::C2300, Form::Key) => "HID Crescendo Key (C2300)",
            (Family::C4000, Form::Key) => "HID Crescendo Key V3 (C4000)",
            (Family::C2300, Form::Card) if self.is_fips() => "HID Crescendo C2300 FIPS",
            (Family::C2300, Form::Card) if self.is_iclass() => "HID Crescendo C2300 iCLASS",
            (Family::C2300, Form::Card) => "HID Crescendo C2300",
            (Family::C4000, Form::Card) if self.is_fips() => "HID Crescendo C4000 FIPS",
            (Family::C4000, Form::Card) if self.is_iclass() => "HID Crescendo C4000 iCLASS",
            (Family::C4000, Form::Card) => "HID Crescendo C4000",
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An ATR that a token is known to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownAtr {
    /// The token and its interface, such as `C2300 FIPS, contact`.
    pub token: &'static str,
    /// The whole ATR, with its check byte.
    pub atr: &'static [u8],
    /// Whether it is the ATR that PC/SC builds for a contactless card
    /// (PC/SC part 3, 3.1.3.2.3.1).
    pub contactless: bool,
    /// How well it is founded.
    pub evidence: Evidence,
}

const fn seen(token: &'static str, contactless: bool, atr: &'static [u8]) -> KnownAtr {
    KnownAtr {
        token,
        atr,
        contactless,
        evidence: Evidence::ThirdParty,
    }
}

const fn inferred(token: &'static str, atr: &'static [u8]) -> KnownAtr {
    KnownAtr {
        token,
        atr,
        contactless: true,
        evidence: Evidence::Inferred,
    }
}

/// The ATRs that are known, for tests, for virtual tokens and for the support
/// table. [`Identity::from_atr`] does not need them: it looks at the prefix of
/// the historical bytes only.
///
/// Source: PC/SC smartcard_list and the SDK page of HID, counted here as
/// third-party, the weaker of the two. No contactless C4000 ATR was seen; the
/// two here follow the pattern of the C2300 ones.
pub const KNOWN_ATRS: &[KnownAtr] = &[
    seen(
        "C2300, contact",
        false,
        b"\x3B\xD5\x96\xFF\x81\x91\xFE\x1F\xC3C2300\xCC",
    ),
    seen(
        "C2300 FIPS, contact",
        false,
        b"\x3B\xDA\x96\xFF\x81\x91\xFE\x1F\xC3C2300-FIPS\xE2",
    ),
    seen(
        "Crescendo Key (C2300), USB",
        false,
        b"\x3B\xD9\x96\xFF\x81\x91\xFE\x1F\xC3C2300-KEY\xBA",
    ),
    seen(
        "C4000, contact",
        false,
        b"\x3B\xD5\x96\xFF\x81\x91\xFE\x1F\xC3C4000\xC9",
    ),
    seen(
        "Crescendo Key V3 (C4000), USB",
        false,
        b"\x3B\xD9\x96\xFF\x81\x91\xFE\x1F\xC3C4000-KEY\xBF",
    ),
    seen("C2300, contactless", true, b"\x3B\x85\x80\x01C2300\x46"),
    seen(
        "Crescendo Key (C2300), contactless",
        true,
        b"\x3B\x89\x80\x01C2300-KEY\x30",
    ),
    seen(
        "C2300 FIPS, contactless",
        true,
        b"\x3B\x8A\x80\x01C2300-FIPS\x68",
    ),
    seen(
        "C2300 iCLASS, contactless",
        true,
        b"\x3B\x8C\x80\x01C2300-iCLASS\x45",
    ),
    inferred("C4000, contactless", b"\x3B\x85\x80\x01C4000\x43"),
    inferred(
        "Crescendo Key V3 (C4000), contactless",
        b"\x3B\x89\x80\x01C4000-KEY\x35",
    ),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test's way to fail

    use hex_literal::hex;

    use super::*;

    fn identity(atr: &[u8]) -> Identity {
        Identity::from_atr(&Atr::parse(atr).unwrap()).unwrap()
    }

    #[test]
    fn every_published_atr_is_recognised() {
        use Family::{C2300, C4000};
        use Form::{Card, Key};
        #[allow(clippy::type_complexity)] // the columns of a table, used once
        let table: &[(&[u8], Family, Form, bool, bool, &str)] = &[
            (
                &hex!("3BD596FF8191FE1FC34332333030CC"),
                C2300,
                Card,
                false,
                false,
                "HID Crescendo C2300",
            ),
            (
                &hex!("3BDA96FF8191FE1FC343323330302D46495053E2"),
                C2300,
                Card,
                true,
                false,
                "HID Crescendo C2300 FIPS",
            ),
            (
                &hex!("3BD996FF8191FE1FC343323330302D4B4559BA"),
                C2300,
                Key,
                false,
                false,
                "HID Crescendo Key (C2300)",
            ),
            (
                &hex!("3BD596FF8191FE1FC34334303030C9"),
                C4000,
                Card,
                false,
                false,
                "HID Crescendo C4000",
            ),
            (
                &hex!("3BD996FF8191FE1FC343343030302D4B4559BF"),
                C4000,
                Key,
                false,
                false,
                "HID Crescendo Key V3 (C4000)",
            ),
            (
                &hex!("3B858001433233303046"),
                C2300,
                Card,
                false,
                false,
                "HID Crescendo C2300",
            ),
            (
                &hex!("3B89800143323330302D4B455930"),
                C2300,
                Key,
                false,
                false,
                "HID Crescendo Key (C2300)",
            ),
            (
                &hex!("3B8A800143323330302D4649505368"),
                C2300,
                Card,
                true,
                false,
                "HID Crescendo C2300 FIPS",
            ),
            (
                &hex!("3B8C800143323330302D69434C41535345"),
                C2300,
                Card,
                false,
                true,
                "HID Crescendo C2300 iCLASS",
            ),
        ];
        for (atr, family, form, fips, iclass, name) in table {
            let identity = identity(atr);
            assert_eq!(identity.family(), *family, "{name}");
            assert_eq!(identity.form(), *form, "{name}");
            assert_eq!(identity.is_fips(), *fips, "{name}");
            assert_eq!(identity.is_iclass(), *iclass, "{name}");
            assert_eq!(identity.name(), *name);
        }
        // The table of the crate begins with just these.
        for (known, row) in KNOWN_ATRS.iter().zip(table) {
            assert_eq!(known.atr, row.0);
        }
    }

    #[test]
    fn the_table_of_atrs_is_sound() {
        for known in KNOWN_ATRS {
            let atr = Atr::parse(known.atr).unwrap();
            // The check byte makes the exclusive-or of all bytes after TS zero.
            assert_eq!(
                known.atr[1..].iter().fold(0, |sum, byte| sum ^ byte),
                0,
                "{}",
                known.token
            );
            assert_eq!(
                atr.is_contactless_pcsc(),
                known.contactless,
                "{}",
                known.token
            );
            assert!(Identity::from_atr(&atr).is_some(), "{}", known.token);
        }
    }

    #[test]
    fn contactless_c4000_follows_the_pattern() {
        for known in KNOWN_ATRS
            .iter()
            .filter(|known| known.evidence == Evidence::Inferred)
        {
            assert_eq!(identity(known.atr).family(), Family::C4000);
        }
    }

    #[test]
    fn a_suffix_that_nobody_has_seen_is_still_the_family() {
        let identity = Identity::from_historical_bytes(b"C4000\x00\x01\xFF").unwrap();
        assert_eq!(identity.family(), Family::C4000);
        assert_eq!(identity.suffix(), b"\x00\x01\xFF");
        assert_eq!(identity.name(), "HID Crescendo C4000");
    }

    #[test]
    fn others_are_not_taken_for_a_crescendo() {
        for historical in [
            b"".as_slice(),
            b"C230",
            b"c2300",
            b" C2300",
            b"C2400",
            b"\x80\x73\xC0\x21\xC0\x57\x59\x75\x62\x69\x4B\x65\x79",
            b"C2300-0123456789ABCDEF",
        ] {
            assert_eq!(
                Identity::from_historical_bytes(historical),
                None,
                "{historical:?}"
            );
        }
    }
}
