//! The answer to reset.

use core::fmt;

/// An answer to reset of 2 to 33 bytes, with its parts found.
///
/// ```
/// use piv_apdu::atr::Atr;
///
/// let atr = Atr::parse(&[
///     0x3B, 0xD5, 0x96, 0xFF, 0x81, 0x91, 0xFE, 0x1F, 0xC3, b'C', b'2', b'3', b'0', b'0', 0xCC,
/// ])?;
/// assert_eq!(atr.historical_bytes(), b"C2300");
/// assert!(atr.offers_protocol(1) && !atr.offers_protocol(0));
/// assert_eq!(atr.checksum(), piv_apdu::atr::Checksum::Correct);
/// # Ok::<(), piv_apdu::atr::AtrError>(())
/// ```
///
/// Source: ISO 7816-3, 8.2 (answer to reset); the contactless form: PC/SC part 3.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Atr {
    bytes: [u8; Atr::MAX_LEN],
    len: u8,
    historical_start: u8,
    historical_len: u8,
    /// Bit T is set if protocol T is offered. T = 15 qualifies global interface
    /// bytes and is not a protocol.
    protocols: u16,
    checksum: Checksum,
}

/// What became of TCK, the check byte at the end.
///
/// A wrong or missing one is told, not refused: the reader has accepted the
/// card already, and there are such cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// Only T=0 is offered: there is no TCK.
    NotUsed,
    /// TCK is there and right.
    Correct,
    /// TCK is there and wrong.
    Wrong,
    /// TCK should be there and is not.
    Missing,
}

/// Bytes are not an answer to reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AtrError {
    /// More bytes than an ATR has.
    #[error("an ATR has at most {} bytes, these are {length}", Atr::MAX_LEN)]
    TooLong {
        /// Bytes found or asked for.
        length: usize,
    },
    /// The first byte is neither 3B nor 3F.
    #[error("an ATR starts with 3B or 3F, not {0:02X}")]
    InitialCharacter(u8),
    /// The bytes end before the interface and historical bytes do.
    #[error("the ATR ends within its interface or historical bytes, after {length} bytes")]
    Truncated {
        /// Bytes found.
        length: usize,
    },
    /// Bytes follow after the end.
    #[error("{extra} bytes follow after the end of the ATR")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// More than fifteen historical bytes were asked for.
    #[error("an ATR has at most 15 historical bytes, these are {length}")]
    HistoricalTooLong {
        /// How many.
        length: usize,
    },
}

/// What a card's historical bytes say that it can do.
///
/// Source: ISO 7816-4:2005, 8.1.1.2.7 (card capabilities), third byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CardCapabilities {
    /// Extended Lc and Le fields.
    pub extended_length: bool,
    /// Command chaining.
    pub command_chaining: bool,
}

impl Atr {
    /// The longest ATR, with TS.
    pub const MAX_LEN: usize = 33;

    /// Finds the parts of an ATR.
    ///
    /// # Errors
    /// [`AtrError`] if the bytes cannot be one. A wrong or missing TCK is no
    /// error: see [`Atr::checksum`].
    pub fn parse(bytes: &[u8]) -> Result<Atr, AtrError> {
        let length = bytes.len();
        if length > Self::MAX_LEN {
            return Err(AtrError::TooLong { length });
        }
        match bytes.first() {
            Some(0x3B | 0x3F) => {}
            Some(other) => return Err(AtrError::InitialCharacter(*other)),
            None => return Err(AtrError::Truncated { length }),
        }
        let truncated = AtrError::Truncated { length };
        let t0 = *bytes.get(1).ok_or(truncated)?;
        let historical_len = usize::from(t0 & 0x0F);

        // Each group of interface bytes ends in a TD that announces the next.
        let mut end = 2;
        let mut protocols = 0_u16;
        let mut announced = t0 >> 4;
        while announced & 0b1000 != 0 {
            end += usize::try_from((announced & 0b0111).count_ones()).unwrap_or(3);
            let td = *bytes.get(end).ok_or(truncated)?;
            end += 1;
            protocols |= 1 << (td & 0x0F);
            announced = td >> 4;
        }
        end += usize::try_from(announced.count_ones()).unwrap_or(3);

        let no_td = t0 & 0x80 == 0;
        let tck_expected = !no_td && protocols != 1;
        if no_td {
            protocols = 1;
        }

        let historical_start = end;
        end += historical_len;
        let rest = bytes.get(end..).ok_or(truncated)?;
        let checksum = match (tck_expected, rest) {
            (false, []) => Checksum::NotUsed,
            (true, []) => Checksum::Missing,
            (true, [_]) if xor(&bytes[1..]) == 0 => Checksum::Correct,
            (true, [_]) => Checksum::Wrong,
            (false, extra) => return Err(AtrError::TrailingBytes { extra: extra.len() }),
            (true, [_, extra @ ..]) => {
                return Err(AtrError::TrailingBytes { extra: extra.len() });
            }
        };

        let mut copy = [0; Self::MAX_LEN];
        copy[..length].copy_from_slice(bytes);
        // Each is at most 33.
        #[allow(clippy::cast_possible_truncation)]
        Ok(Atr {
            bytes: copy,
            len: length as u8,
            historical_start: historical_start as u8,
            historical_len: historical_len as u8,
            protocols,
            checksum,
        })
    }

    /// Puts an ATR together and adds TCK where one belongs.
    ///
    /// `announced` is the high half of T0 (which of TA1, TB1, TC1, TD1 are
    /// there: bits 0 to 3), `interface` all interface bytes from TA1 on.
    ///
    /// ```
    /// let atr = piv_apdu::atr::Atr::build(
    ///     0xD, &[0x96, 0xFF, 0x81, 0x91, 0xFE, 0x1F, 0xC3], b"C2300")?;
    /// assert_eq!(atr.as_bytes().last(), Some(&0xCC));
    /// # Ok::<(), piv_apdu::atr::AtrError>(())
    /// ```
    ///
    /// # Errors
    /// [`AtrError`] if there are more than 15 historical bytes, or if the
    /// interface bytes are not those that they themselves announce.
    pub fn build(announced: u8, interface: &[u8], historical: &[u8]) -> Result<Atr, AtrError> {
        let Ok(historical_len @ 0..=15) = u8::try_from(historical.len()) else {
            return Err(AtrError::HistoricalTooLong {
                length: historical.len(),
            });
        };
        let mut bytes = vec![0x3B, announced << 4 | historical_len];
        bytes.extend_from_slice(interface);
        bytes.extend_from_slice(historical);
        let atr = Self::parse(&bytes)?;
        if atr.checksum == Checksum::NotUsed {
            return Ok(atr);
        }
        if atr.checksum != Checksum::Missing {
            // The last historical byte was taken for TCK.
            return Err(AtrError::TrailingBytes { extra: 1 });
        }
        bytes.push(xor(&bytes[1..]));
        Self::parse(&bytes)
    }

    /// The ATR that PC/SC makes up for a contactless card of ISO 14443-4:
    /// `3B 8n 80 01`, historical bytes, TCK.
    ///
    /// # Errors
    /// [`AtrError::HistoricalTooLong`] above 15 historical bytes.
    pub fn contactless(historical: &[u8]) -> Result<Atr, AtrError> {
        Self::build(0x8, &[0x80, 0x01], historical)
    }

    /// The whole ATR.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The historical bytes, at most 15.
    pub fn historical_bytes(&self) -> &[u8] {
        let start = usize::from(self.historical_start);
        &self.bytes[start..start + usize::from(self.historical_len)]
    }

    /// Whether the card offers protocol T = `t` (0 to 14).
    pub fn offers_protocol(&self, t: u8) -> bool {
        t < 15 && self.protocols & 1 << t != 0
    }

    /// The protocols on offer, in ascending order: 0 is T=0, 1 is T=1.
    pub fn protocols(&self) -> impl Iterator<Item = u8> + use<> {
        let atr = *self;
        (0..15).filter(move |&t| atr.offers_protocol(t))
    }

    /// What became of the check byte.
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// Whether this has the form that PC/SC makes up for contactless cards:
    /// `3B 8n 80 01`. A contact card could have it too; none is known.
    pub fn is_contactless_pcsc(&self) -> bool {
        matches!(self.as_bytes(), [0x3B, 0x80..=0x8F, 0x80, 0x01, ..])
    }

    /// What the card says of extended length and command chaining; `None` if
    /// the historical bytes do not say, as those of the HID Crescendo do not.
    ///
    /// Read only from historical bytes in COMPACT-TLV (category indicator
    /// `00` or `80`), data object `73`.
    pub fn card_capabilities(&self) -> Option<CardCapabilities> {
        let (&category, mut objects) = self.historical_bytes().split_first()?;
        match category {
            // Three status bytes at the end are no data object.
            0x00 => (objects, _) = objects.split_last_chunk::<3>()?,
            0x80 => {}
            _ => return None,
        }
        while let [header, rest @ ..] = objects {
            let (value, rest) = rest.split_at_checked(usize::from(header & 0x0F))?;
            if let (0x7, [_, _, third]) = (header >> 4, value) {
                return Some(CardCapabilities {
                    command_chaining: third & 0x80 != 0,
                    extended_length: third & 0x40 != 0,
                });
            }
            objects = rest;
        }
        None
    }
}

fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |xor, byte| xor ^ byte)
}

impl TryFrom<&[u8]> for Atr {
    type Error = AtrError;

    fn try_from(bytes: &[u8]) -> Result<Self, AtrError> {
        Self::parse(bytes)
    }
}

/// Upper-case hexadecimal digits without spaces.
impl fmt::Display for Atr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Atr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Atr({self})")
    }
}
