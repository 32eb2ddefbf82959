//! What a reader says about itself: PC/SC part 10, `FEATURE_GET_TLV_PROPERTIES`.

use crate::link::ExtendedLength;

use super::convert::guarded;

/// `CM_IOCTL_GET_FEATURE_REQUEST` (PC/SC part 10, 2.2).
const GET_FEATURE_REQUEST: u32 = 3400;
/// `FEATURE_GET_TLV_PROPERTIES` (PC/SC part 10, 2.3).
const GET_TLV_PROPERTIES: u8 = 0x12;
/// `PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize` (PC/SC part 10, 2.6.14).
const MAX_APDU_DATA_SIZE: u8 = 0x0A;

/// Asks the reader how much data an APDU may have. Sends nothing to the card.
pub(super) fn extended_length(card: &pcsc::Card) -> ExtendedLength {
    max_apdu_data_size(card).map_or(ExtendedLength::Untested, interpret)
}

fn max_apdu_data_size(card: &pcsc::Card) -> Option<u32> {
    let mut buffer = [0; 512];
    let code = pcsc::ctl_code(GET_FEATURE_REQUEST.into());
    let features = guarded(|| card.control(code, &[], &mut buffer)).ok()?;
    // The control code comes most significant byte first.
    let code = tlv(features, GET_TLV_PROPERTIES)?;
    let code = u32::from_be_bytes(code.try_into().ok()?);
    let mut buffer = [0; 512];
    let properties = guarded(|| card.control(code.into(), &[], &mut buffer)).ok()?;
    // Properties come least significant byte first.
    let size = tlv(properties, MAX_APDU_DATA_SIZE)?;
    Some(u32::from_le_bytes(size.try_into().ok()?))
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

    proptest! {
        #[test]
        fn never_panics(list: Vec<u8>, wanted: u8) {
            let _ = tlv(&list, wanted);
        }
    }
}
