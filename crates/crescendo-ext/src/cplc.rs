//! The card production life cycle data (CPLC), which hold the serial number
//! that is printed on a Crescendo.
//!
//! Evidence: third-party for the C2300 family, inferred for the C4000 family;
//! the commands are those of the GlobalPlatform Card Specification.

use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::command::{AnswerError, CommandError, TypedCommand, answer_data};
use piv_apdu::tlv::{Reader, Tag, TemplateError, write_tlv};

use crate::{aid, wire};

const CPLC: Tag = Tag::new(0x9F7F);

/// SELECT of the issuer security domain.
///
/// Sends `00 A4 04 00 08 A000000151000000 00`. Drops the security state of the
/// instance selected before, so it comes before any authentication.
/// Evidence: third-party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SelectIsd;

impl TypedCommand for SelectIsd {
    /// The content of the answer is not looked at.
    type Answer = ();

    fn to_command(&self) -> Command {
        wire::select(aid::ISD)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        wire::expect_select(command, aid::ISD).map(|()| Self)
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(|_| ())
    }
}

/// GET DATA of the CPLC, to the issuer security domain.
///
/// Sends `80 CA 9F 7F 00`. Needs no authentication and changes nothing.
/// Evidence: third-party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GetCplc;

impl TypedCommand for GetCplc {
    type Answer = Cplc;

    fn to_command(&self) -> Command {
        Command::new(0x80, 0xCA, 0x9F, 0x7F).with_le(Le::SHORT_MAX)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        wire::expect_header(command, [0x80, 0xCA, 0x9F, 0x7F])?;
        wire::expect_no_data(command).map(|()| Self)
    }

    fn decode_answer(response: &Response) -> Result<Cplc, AnswerError> {
        Ok(Cplc::decode(answer_data(response)?)?)
    }
}

/// The CPLC: 42 bytes, `9F7F 2A …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cplc {
    /// All of it, in the order of the GlobalPlatform Card Specification: IC
    /// fabricator first, personalization equipment last.
    pub bytes: [u8; 42],
}

impl Cplc {
    /// A CPLC with this printed serial number and zeros elsewhere, for the
    /// card side. `None` unless the number is 20 decimal digits.
    ///
    /// ```
    /// use crescendo_ext::cplc::Cplc;
    ///
    /// let cplc = Cplc::from_serial("47905102000112345678").unwrap();
    /// assert_eq!(cplc.serial(), "47905102000112345678");
    /// assert!(Cplc::from_serial("4711").is_none());
    /// ```
    pub fn from_serial(serial: &str) -> Option<Self> {
        let digits = serial.as_bytes();
        if digits.len() != 20 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut bytes = [0; 42];
        let packed = digits
            .chunks_exact(2)
            .map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0'));
        for (offset, byte) in Self::serial_offsets().zip(packed) {
            bytes[offset] = byte;
        }
        Some(Self { bytes })
    }

    /// Reads the data of the answer (without the status word): 42 bytes, with
    /// or without the header `9F7F 2A`.
    ///
    /// # Errors
    ///
    /// [`TemplateError::TotalLength`] for any other length.
    pub fn decode(data: &[u8]) -> Result<Self, TemplateError> {
        let value = match Reader::new(data).next() {
            Some(Ok(field)) if field.tag == CPLC => field.value,
            _ => data,
        };
        match value.try_into() {
            Ok(bytes) => Ok(Self { bytes }),
            Err(_) => Err(TemplateError::TotalLength {
                length: value.len(),
            }),
        }
    }

    /// The data of the answer, without the status word: 45 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut answer = Vec::with_capacity(45);
        write_tlv(&mut answer, CPLC, &self.bytes);
        answer
    }

    /// The serial number as it is printed on the token: the nibbles of IC
    /// fabricator, IC type, IC batch and IC serial, 20 characters. They are
    /// decimal digits on the tokens that were seen; a nibble above 9 comes out
    /// as `A` to `F`. Evidence: third-party.
    pub fn serial(&self) -> String {
        Self::serial_offsets()
            .flat_map(|offset| [self.bytes[offset] >> 4, self.bytes[offset] & 0x0F])
            .filter_map(|nibble| char::from_digit(nibble.into(), 16))
            .map(|digit| digit.to_ascii_uppercase())
            .collect()
    }

    /// Where the serial number's ten bytes lie: IC fabricator (0, 2 bytes), IC
    /// type (2, 2), IC batch (16, 2), IC serial (12, 4).
    fn serial_offsets() -> impl Iterator<Item = usize> {
        (0..4).chain(16..18).chain(12..16)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test's way to fail

    use super::*;

    #[test]
    fn the_serial_is_put_together_from_four_fields() {
        let mut bytes = [0xEE; 42];
        bytes[0..4].copy_from_slice(&[0x47, 0x90, 0x51, 0x02]); // fabricator, type
        bytes[12..16].copy_from_slice(&[0x12, 0x34, 0x56, 0x78]); // serial
        bytes[16..18].copy_from_slice(&[0x00, 0x01]); // batch
        let cplc = Cplc { bytes };
        assert_eq!(cplc.serial(), "47905102000112345678");
        assert_eq!(&cplc.encode()[..5], [0x9F, 0x7F, 0x2A, 0x47, 0x90]);
        assert_eq!(Cplc::decode(&cplc.encode()).unwrap(), cplc);
        assert_eq!(Cplc::decode(&bytes).unwrap(), cplc);
    }

    #[test]
    fn nibbles_that_are_no_digits_stay_visible() {
        let cplc = Cplc { bytes: [0xAF; 42] };
        assert_eq!(cplc.serial(), "AFAFAFAFAFAFAFAFAFAF");
    }

    #[test]
    fn other_lengths_are_malformed() {
        for length in [0, 1, 3, 41, 43, 45, 256] {
            let error = Cplc::decode(&vec![0x11; length]).unwrap_err();
            assert!(
                matches!(error, TemplateError::TotalLength { .. }),
                "{length}: {error}"
            );
        }
    }
}
