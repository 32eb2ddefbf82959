//! What a reader says about itself and its PIN pad: PC/SC part 10,
//! `CM_IOCTL_GET_FEATURE_REQUEST` and what it leads to.
//!
//! The part for PIN pads has run against no real reader: pcsc-lite's virtual
//! reader (vpcd) has no features at all.

use crate::error::LinkError;
use crate::link::ExtendedLength;
use crate::pin_pad::{PinModify, PinPadFeatures, PinVerify};

use pcsc::ffi::DWORD;

use super::convert::guarded;

/// `CM_IOCTL_GET_FEATURE_REQUEST` (PC/SC part 10, 2.2).
const GET_FEATURE_REQUEST: u32 = 3400;

/// Features (PC/SC part 10, 2.3).
mod feature {
    /// `FEATURE_VERIFY_PIN_DIRECT`.
    pub(super) const VERIFY_PIN_DIRECT: u8 = 0x06;
    /// `FEATURE_MODIFY_PIN_DIRECT`.
    pub(super) const MODIFY_PIN_DIRECT: u8 = 0x07;
    /// `FEATURE_IFD_PIN_PROPERTIES`.
    pub(super) const IFD_PIN_PROPERTIES: u8 = 0x0A;
    /// `FEATURE_GET_TLV_PROPERTIES`.
    pub(super) const GET_TLV_PROPERTIES: u8 = 0x12;
}

/// Properties, `PCSCv2_PART10_PROPERTY_...` (PC/SC part 10, 2.6).
mod property {
    /// `wLcdLayout`: 0 without a display.
    pub(super) const LCD_LAYOUT: u8 = 0x01;
    /// `bMinPINSize`.
    pub(super) const MIN_PIN_SIZE: u8 = 0x06;
    /// `bMaxPINSize`; 0 says nothing.
    pub(super) const MAX_PIN_SIZE: u8 = 0x07;
    /// `dwMaxAPDUDataSize` (2.6.14).
    pub(super) const MAX_APDU_DATA_SIZE: u8 = 0x0A;
}

/// The reader's lists of features and properties, as they come; empty where it
/// has none.
#[derive(Debug, Default)]
pub(super) struct ReaderFeatures {
    /// Control codes, most significant byte first.
    features: Vec<u8>,
    /// Values, least significant byte first.
    properties: Vec<u8>,
    /// What the PIN pad can do, once it was asked for.
    pin_pad: Option<PinPadFeatures>,
}

impl ReaderFeatures {
    /// Asks the reader for both lists. Sends nothing to the card.
    pub(super) fn ask(card: &pcsc::Card) -> Self {
        let code = pcsc::ctl_code(GET_FEATURE_REQUEST.into());
        let mut asked = ReaderFeatures {
            features: control_code(card, code),
            ..Self::default()
        };
        if let Some(code) = asked.code(feature::GET_TLV_PROPERTIES) {
            asked.properties = control_code(card, code.into());
        }
        asked
    }

    /// How much data an APDU may have.
    pub(super) fn extended_length(&self) -> ExtendedLength {
        tlv(&self.properties, property::MAX_APDU_DATA_SIZE)
            .and_then(|size| size.try_into().ok())
            .map_or(ExtendedLength::Untested, |size| {
                interpret(u32::from_le_bytes(size))
            })
    }

    /// What the reader's PIN pad can do. Asks a reader that has one, and no
    /// properties that tell, for its display, once.
    pub(super) fn pin_pad(&mut self, card: &pcsc::Card) -> PinPadFeatures {
        if let Some(pad) = self.pin_pad {
            return pad;
        }
        let pad = self.pin_pad_with(|code| control_code(card, code.into()));
        *self.pin_pad.insert(pad)
    }

    fn pin_pad_with(&self, control: impl FnOnce(u32) -> Vec<u8>) -> PinPadFeatures {
        let mut pad = PinPadFeatures::new(
            self.code(feature::VERIFY_PIN_DIRECT).is_some(),
            self.code(feature::MODIFY_PIN_DIRECT).is_some(),
        );
        if !(pad.verify || pad.modify) {
            return PinPadFeatures::NONE;
        }
        let layout = match tlv(&self.properties, property::LCD_LAYOUT) {
            Some(layout) => layout.to_vec(),
            None => self
                .code(feature::IFD_PIN_PROPERTIES)
                .map_or_else(Vec::new, control),
        };
        // PIN_PROPERTIES_STRUCTURE begins with wLcdLayout (part 10, 2.5).
        pad.display = layout.iter().take(2).any(|byte| *byte != 0);
        pad.min_digits = self.byte(property::MIN_PIN_SIZE);
        pad.max_digits = self.byte(property::MAX_PIN_SIZE).filter(|max| *max != 0);
        pad
    }

    /// The control code and its data for a PIN to be verified.
    pub(super) fn verify(
        &mut self,
        card: &pcsc::Card,
        request: &PinVerify,
    ) -> Result<(DWORD, Vec<u8>), LinkError> {
        let structure = request.structure(self.pin_pad(card));
        self.control(feature::VERIFY_PIN_DIRECT, structure)
    }

    /// The control code and its data for a PIN to be changed.
    pub(super) fn modify(
        &mut self,
        card: &pcsc::Card,
        request: &PinModify,
    ) -> Result<(DWORD, Vec<u8>), LinkError> {
        let structure = request.structure(self.pin_pad(card));
        self.control(feature::MODIFY_PIN_DIRECT, structure)
    }

    fn control(
        &self,
        feature: u8,
        structure: Option<Vec<u8>>,
    ) -> Result<(DWORD, Vec<u8>), LinkError> {
        match (self.code(feature), structure) {
            (Some(code), Some(structure)) => Ok((code.into(), structure)),
            _ => Err(LinkError::NoPinPad),
        }
    }

    fn code(&self, feature: u8) -> Option<u32> {
        let code = tlv(&self.features, feature)?;
        Some(u32::from_be_bytes(code.try_into().ok()?))
    }

    fn byte(&self, property: u8) -> Option<u8> {
        match tlv(&self.properties, property)? {
            [byte] => Some(*byte),
            _ => None,
        }
    }
}

/// What a control code without data gives; nothing if it fails.
fn control_code(card: &pcsc::Card, code: DWORD) -> Vec<u8> {
    let mut buffer = [0; 512];
    guarded(|| card.control(code, &[], &mut buffer).map(<[u8]>::to_vec)).unwrap_or_default()
}

/// 0: short APDUs only; 256 to 65,536: short, and extended of up to so many
/// bytes of data (PC/SC part 10, 2.6.14). Other values are reserved.
fn interpret(size: u32) -> ExtendedLength {
    match usize::try_from(size) {
        Ok(0..=256) => ExtendedLength::No,
        Ok(size @ ..=65_536) => ExtendedLength::Yes {
            max_command: size.min(65_535),
            max_response: size,
        },
        _ => ExtendedLength::Untested,
    }
}

/// Finds a value in a list of one-byte tags and one-byte lengths.
fn tlv(mut list: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [tag, length, rest @ ..] = list {
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if *tag == wanted {
            return Some(value);
        }
        list = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;
    use proptest::prelude::*;

    #[test]
    fn finds_values_and_bears_truncation() {
        let list = hex!("06 04 42330006 12 04 42330012 0A 04 00000100");
        assert_eq!(tlv(&list, 0x12), Some(&hex!("42330012")[..]));
        assert_eq!(tlv(&list, 0x0A), Some(&hex!("00000100")[..]));
        assert_eq!(tlv(&list, 0x0B), None);
        assert_eq!(tlv(&list[..9], 0x12), None);
        assert_eq!(tlv(&[], 0x12), None);
    }

    #[test]
    fn sizes_as_part_10_has_them() {
        assert_eq!(interpret(0), ExtendedLength::No);
        assert_eq!(interpret(256), ExtendedLength::No);
        assert_eq!(
            interpret(2048),
            ExtendedLength::Yes {
                max_command: 2048,
                max_response: 2048
            }
        );
        assert_eq!(interpret(65_536), ExtendedLength::FULL);
        assert_eq!(interpret(65_537), ExtendedLength::Untested);
    }

    fn reader(features: &[u8], properties: &[u8]) -> ReaderFeatures {
        ReaderFeatures {
            features: features.to_vec(),
            properties: properties.to_vec(),
            pin_pad: None,
        }
    }

    fn not_asked(_: u32) -> Vec<u8> {
        unreachable!("the reader was asked")
    }

    #[test]
    fn a_reader_without_a_pin_pad_is_not_asked_for_its_display() {
        let plain = reader(
            &hex!("0A 04 42000006 12 04 42000012"),
            &hex!("0A 04 00000100"),
        );
        assert_eq!(plain.pin_pad_with(not_asked), PinPadFeatures::NONE);
        let refused = plain.control(feature::VERIFY_PIN_DIRECT, Some(vec![0]));
        assert!(matches!(refused, Err(LinkError::NoPinPad)));
        assert_eq!(plain.extended_length(), ExtendedLength::FULL);
        assert_eq!(reader(&[], &[]).extended_length(), ExtendedLength::Untested);
    }

    #[test]
    fn a_pin_pad_with_properties() {
        let with = reader(
            &hex!("06 04 42330006 07 04 42330007 0A 04 4233000A 12 04 42330012"),
            &hex!("01 02 1002 06 01 04 07 01 08"),
        );
        let pad = with.pin_pad_with(not_asked);
        assert!(pad.verify && pad.modify && pad.display);
        assert_eq!((pad.min_digits, pad.max_digits), (Some(4), Some(8)));
        let modify = with.control(feature::MODIFY_PIN_DIRECT, Some(vec![1]));
        assert_eq!(modify.ok(), Some((0x4233_0007, vec![1])));
        let unfit = with.control(feature::VERIFY_PIN_DIRECT, None);
        assert!(matches!(unfit, Err(LinkError::NoPinPad)));
    }

    #[test]
    fn a_pin_pad_without_properties_is_asked_for_its_display() {
        let with = reader(&hex!("06 04 42330006 0A 04 4233000A"), &[]);
        for (layout, display) in [
            (&hex!("1002 07 00")[..], true),
            (&hex!("0000 07 00")[..], false),
            (&[][..], false),
        ] {
            let pad = with.pin_pad_with(|code| {
                assert_eq!(code, 0x4233_000A);
                layout.to_vec()
            });
            assert!(pad.verify && !pad.modify);
            assert_eq!(pad.display, display);
            assert_eq!((pad.min_digits, pad.max_digits), (None, None));
        }
    }

    proptest! {
        #[test]
        fn never_panics(list: Vec<u8>, properties: Vec<u8>, wanted: u8) {
            let _ = tlv(&list, wanted);
            let reader = reader(&list, &properties);
            let _ = reader.extended_length();
            let _ = reader.pin_pad_with(|_| list.clone());
        }
    }
}
