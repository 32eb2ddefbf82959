//! Hexadecimal, as people write it.

use std::fmt::Write as _;

use zeroize::Zeroizing;

/// What is wrong with a text that should be hexadecimal. Names no byte of it,
/// since it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HexError {
    /// Something that is no digit, at this place counted from 1.
    #[error("character {0} is not a hexadecimal digit")]
    NotADigit(usize),
    /// Half a byte at the end.
    #[error("the last byte has one digit only")]
    HalfAByte,
}

/// Reads bytes from hexadecimal digits of either case; blanks, colons and
/// an `0x` in front are passed over. The bytes may be a secret and are wiped
/// when dropped.
pub(crate) fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, HexError> {
    // No more bytes than that, so that the buffer never moves and leaves a copy.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    let mut high = None;
    let start = if text.starts_with("0x") || text.starts_with("0X") {
        2
    } else {
        0
    };
    for (place, character) in text.chars().enumerate().skip(start) {
        if character.is_ascii_whitespace() || character == ':' {
            continue;
        }
        let digit = character
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or(HexError::NotADigit(place + 1))?;
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err(HexError::HalfAByte),
    }
}

/// Upper-case digits without separators: `3F00`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}

/// Upper-case digits with a blank between bytes: `3F 00`.
pub(crate) fn spaced(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        let blank = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{blank}{byte:02X}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for text in [
            "00a40400",
            "00A40400",
            "00 A4 04 00",
            "00:a4:04:00",
            "0x00A40400",
            " 00a4 0400\t",
        ] {
            assert_eq!(
                decode(text),
                Ok(vec![0x00, 0xA4, 0x04, 0x00].into()),
                "{text:?}"
            );
        }
        assert_eq!(decode(""), Ok(vec![].into()));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(decode("00A"), Err(HexError::HalfAByte));
        assert_eq!(decode("00G0"), Err(HexError::NotADigit(3)));
        assert_eq!(decode("00é0"), Err(HexError::NotADigit(3)));
    }

    #[test]
    fn writes() {
        assert_eq!(encode(&[0x3F, 0x00]), "3F00");
        assert_eq!(spaced(&[0x3F, 0x00]), "3F 00");
        assert_eq!(spaced(&[]), "");
    }
}
