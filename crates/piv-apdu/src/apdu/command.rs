//! The command APDU.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The bytes before Lc: CLA, INS, P1, P2.
const HEADER: usize = 4;

/// Ne, the greatest number of response data bytes that the sender expects.
///
/// Always between 1 and 65,536. An absent Le field is `Option::<Le>::None`.
///
/// Source: ISO 7816-3, 12.1 (length fields).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Le(u32);

impl Le {
    /// 256, the greatest number that a short Le field expresses (`00`).
    pub const SHORT_MAX: Le = Le(256);
    /// 65,536, the greatest number that an extended Le field expresses (`0000`).
    pub const EXTENDED_MAX: Le = Le(65_536);

    /// Makes an Le of `bytes` expected bytes; `None` unless 1 ≤ `bytes` ≤ 65,536.
    pub const fn new(bytes: u32) -> Option<Le> {
        if bytes >= 1 && bytes <= Self::EXTENDED_MAX.0 {
            Some(Le(bytes))
        } else {
            None
        }
    }

    /// The number of expected bytes, 1 to 65,536.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// From a one-byte field, where `00` is 256.
    pub(crate) fn from_short_field(field: u8) -> Le {
        Le(if field == 0 { 256 } else { u32::from(field) })
    }

    /// From a two-byte field, where `0000` is 65,536.
    fn from_extended_field(field: [u8; 2]) -> Le {
        match u16::from_be_bytes(field) {
            0 => Self::EXTENDED_MAX,
            n => Le(u32::from(n)),
        }
    }

    /// The one-byte field, if this fits one.
    fn to_short_field(self) -> Option<u8> {
        match self.0 {
            256 => Some(0),
            n => u8::try_from(n).ok(),
        }
    }

    /// The two-byte field.
    fn to_extended_field(self) -> [u8; 2] {
        // 65,536 is written 0000, which is what the low two bytes of it are.
        let [_, _, high, low] = self.0.to_be_bytes();
        [high, low]
    }
}

/// A command APDU.
///
/// ```
/// use piv_apdu::apdu::{Command, Le};
///
/// let command = Command::new(0x00, 0xA4, 0x04, 0x00)
///     .with_data(&[0xA0, 0x00, 0x00, 0x03, 0x08])
///     .with_le(Le::SHORT_MAX);
/// let bytes = command.encode_short()?;
/// assert_eq!(*bytes, [0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0, 0x00, 0x00, 0x03, 0x08, 0x00]);
/// assert_eq!(Command::decode(&bytes), Ok(command));
/// # Ok::<(), piv_apdu::apdu::EncodeError>(())
/// ```
///
/// `Debug` prints the header and the lengths, never the data. `==` takes the
/// same time wherever two data fields of one length differ.
///
/// Source: ISO 7816-4 (command-response pairs); ISO 7816-3, 12.1 (the cases 1
/// to 4, short and extended).
#[derive(Clone)]
pub struct Command {
    cla: u8,
    ins: u8,
    p1: u8,
    p2: u8,
    data: Zeroizing<Vec<u8>>,
    le: Option<Le>,
}

impl Command {
    /// A command with neither data nor Le (case 1).
    pub fn new(cla: u8, ins: u8, p1: u8, p2: u8) -> Self {
        Command {
            cla,
            ins,
            p1,
            p2,
            data: Zeroizing::new(Vec::new()),
            le: None,
        }
    }

    /// Sets the data field to a copy of `data`, of any length.
    ///
    /// A command may be longer than one APDU can carry; the transport then
    /// splits it by command chaining. An empty slice means no data field.
    #[must_use]
    pub fn with_data(mut self, data: &[u8]) -> Self {
        // `to_vec` allocates exactly once.
        self.data = Zeroizing::new(data.to_vec());
        self
    }

    /// Sets the data field without copying it.
    #[must_use]
    pub fn with_owned_data(mut self, data: Zeroizing<Vec<u8>>) -> Self {
        self.data = data;
        self
    }

    /// Sets how many response bytes are expected.
    #[must_use]
    pub fn with_le(mut self, le: Le) -> Self {
        self.le = Some(le);
        self
    }

    /// Sets the class byte.
    #[must_use]
    pub fn with_cla(mut self, cla: u8) -> Self {
        self.cla = cla;
        self
    }

    /// The class byte.
    pub fn cla(&self) -> u8 {
        self.cla
    }

    /// The instruction byte.
    pub fn ins(&self) -> u8 {
        self.ins
    }

    /// The first parameter byte.
    pub fn p1(&self) -> u8 {
        self.p1
    }

    /// The second parameter byte.
    pub fn p2(&self) -> u8 {
        self.p2
    }

    /// The data field; empty if the command has none.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// How many response bytes are expected; `None` if there is no Le field.
    pub fn le(&self) -> Option<Le> {
        self.le
    }

    /// Encodes with short length fields: at most 255 bytes of data, Le up to 256.
    ///
    /// # Errors
    /// [`EncodeError`] if the data or Le needs extended length. Nothing is
    /// ever truncated.
    pub fn encode_short(&self) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
        let lc = u8::try_from(self.data.len()).map_err(|_| self.data_too_long(255))?;
        let le = match self.le {
            None => None,
            Some(le) => Some(le.to_short_field().ok_or(EncodeError::LeTooLarge {
                le: le.get(),
                max: Le::SHORT_MAX.get(),
            })?),
        };
        // The capacity counts an Lc that an empty data field does not have.
        let mut out = self.start(1 + self.data.len() + usize::from(le.is_some()));
        if lc != 0 {
            out.push(lc);
            out.extend_from_slice(&self.data);
        }
        out.extend(le);
        Ok(out)
    }

    /// Encodes with extended length fields, also where short ones would do:
    /// at most 65,535 bytes of data, Le up to 65,536.
    ///
    /// A command with neither data nor Le has no length fields, so that its
    /// encoding is the short one.
    ///
    /// # Errors
    /// [`EncodeError::DataTooLong`] if the data is longer than 65,535 bytes.
    pub fn encode_extended(&self) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
        let lc = u16::try_from(self.data.len()).map_err(|_| self.data_too_long(65_535))?;
        let mut out = self.start(3 + self.data.len() + 2);
        if lc != 0 {
            out.push(0);
            out.extend_from_slice(&lc.to_be_bytes());
            out.extend_from_slice(&self.data);
        }
        if let Some(le) = self.le {
            if lc == 0 {
                out.push(0);
            }
            out.extend_from_slice(&le.to_extended_field());
        }
        Ok(out)
    }

    /// A buffer with the header in it and room for `body` more bytes.
    fn start(&self, body: usize) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(HEADER + body));
        out.extend_from_slice(&[self.cla, self.ins, self.p1, self.p2]);
        out
    }

    fn data_too_long(&self, max: usize) -> EncodeError {
        EncodeError::DataTooLong {
            length: self.data.len(),
            max,
        }
    }

    /// Decodes a command APDU of any case, short or extended.
    ///
    /// # Errors
    /// [`DecodeError`] if `bytes` is shorter than a header, or if its length
    /// fields do not add up to its length. A card answers 6700 to such bytes.
    pub fn decode(bytes: &[u8]) -> Result<Command, DecodeError> {
        let Some((&[cla, ins, p1, p2], body)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(DecodeError::TooShort {
                length: bytes.len(),
                min: HEADER,
            });
        };
        let (data, le) = split_body(body)?;
        Ok(Command {
            cla,
            ins,
            p1,
            p2,
            data: Zeroizing::new(data.to_vec()),
            le,
        })
    }
}

/// Splits what follows the header into data and Le: ISO 7816-3, 12.1.3.
fn split_body(body: &[u8]) -> Result<(&[u8], Option<Le>), DecodeError> {
    let mismatch = DecodeError::LengthMismatch { body: body.len() };
    match body {
        // Case 1
        [] => Ok((&[], None)),
        // Case 2, short
        [le] => Ok((&[], Some(Le::from_short_field(*le)))),
        // Case 2, extended
        [0, high, low] => Ok((&[], Some(Le::from_extended_field([*high, *low])))),
        // Cases 3 and 4, extended
        [0, high, low, rest @ ..] => {
            let lc = usize::from(u16::from_be_bytes([*high, *low]));
            let (data, le) = rest.split_at_checked(lc).ok_or(mismatch)?;
            match le {
                _ if lc == 0 => Err(mismatch),
                [] => Ok((data, None)),
                [high, low] => Ok((data, Some(Le::from_extended_field([*high, *low])))),
                _ => Err(mismatch),
            }
        }
        [0, ..] => Err(mismatch),
        // Cases 3 and 4, short
        [lc, rest @ ..] => {
            let (data, le) = rest.split_at_checked(usize::from(*lc)).ok_or(mismatch)?;
            match le {
                [] => Ok((data, None)),
                [le] => Ok((data, Some(Le::from_short_field(*le)))),
                _ => Err(mismatch),
            }
        }
    }
}

impl PartialEq for Command {
    fn eq(&self, other: &Self) -> bool {
        let header = |c: &Command| (c.cla, c.ins, c.p1, c.p2, c.le);
        header(self) == header(other) && bool::from(self.data.ct_eq(&other.data))
    }
}

impl Eq for Command {}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Command({:02X} {:02X} {:02X} {:02X}, {} data bytes",
            self.cla,
            self.ins,
            self.p1,
            self.p2,
            self.data.len()
        )?;
        match self.le {
            Some(le) => write!(f, ", Le {})", le.get()),
            None => write!(f, ", no Le)"),
        }
    }
}

/// A command does not fit the length fields that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The data field is too long for the Lc field.
    #[error(
        "the command has {length} data bytes and the APDU form holds {max}; split it by command chaining or use extended length"
    )]
    DataTooLong {
        /// Bytes of data in the command.
        length: usize,
        /// The most that the form can carry.
        max: usize,
    },
    /// Le is too large for the Le field.
    #[error(
        "the command expects {le} bytes and the APDU form can ask for {max}; use extended length or GET RESPONSE"
    )]
    LeTooLarge {
        /// The command's Le.
        le: u32,
        /// The most that the form can ask for.
        max: u32,
    },
}

/// Bytes are not an APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Shorter than a command header (4 bytes) or a status word (2 bytes).
    #[error("an APDU of {length} bytes is shorter than the {min} that it must have")]
    TooShort {
        /// Bytes found.
        length: usize,
        /// Bytes needed.
        min: usize,
    },
    /// Lc and Le do not add up to the length of the command.
    #[error(
        "the length fields in the {body} bytes after the command header do not match the command's length"
    )]
    LengthMismatch {
        /// Bytes after the four-byte header.
        body: usize,
    },
}
