//! The OATH slots of a Crescendo Key: whether they are there, and their codes
//! (HOTP of RFC 4226, TOTP of RFC 6238).
//!
//! A code takes a press of the Key's button: until then the Key answers
//! [`WAITING_FOR_BUTTON`], its light blinks, and the command is to be sent again.
//! Nothing that is known here tells which kind of code a slot gives; the vendor's
//! texts say that slot 1 gives HOTP and that the others give either.
//!
//! How a secret gets into a slot is documented (PUT KEY / CONFIGURATION), but not
//! read in full by this project: nothing here writes one.

use core::fmt;

use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::command::{AnswerError, CommandError, TypedCommand, answer_data};
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{Tag, TemplateError};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{aid, wire};

/// What a slot answers until the button is pressed: the same command is to be sent
/// again. Evidence: vendor (LL/hotp-authenticate, LL/totp-authenticate).
pub const WAITING_FOR_BUTTON: StatusWord = StatusWord::CONDITIONS_NOT_SATISFIED;

/// SELECT of one OATH slot.
///
/// Sends `00 A4 04 00 07 A00000007923nn 00` with nn from 00 to 02. A token
/// without the slot answers 6A82. The answer's content (a version, and how the slot
/// is set up) is not looked at: this project knows samples of it and not all of its
/// fields. Evidence: vendor (LL/select) for the C2300 family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SelectOathSlot(u8);

impl SelectOathSlot {
    /// The slot with that number, 1 to 3; `None` for any other number.
    pub const fn new(slot: u8) -> Option<Self> {
        match slot {
            1..=3 => Some(Self(slot)),
            _ => None,
        }
    }

    /// All three slots.
    pub const fn all() -> [Self; 3] {
        [Self(1), Self(2), Self(3)]
    }

    /// The slot's number, 1 to 3.
    pub const fn slot(self) -> u8 {
        self.0
    }

    /// The application identifier of the slot's instance.
    pub const fn aid(self) -> &'static [u8] {
        match self.0 {
            1 => aid::OATH_SLOTS[0],
            2 => aid::OATH_SLOTS[1],
            _ => aid::OATH_SLOTS[2],
        }
    }
}

impl TypedCommand for SelectOathSlot {
    type Answer = ();

    fn to_command(&self) -> Command {
        wire::select(self.aid())
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        // Of a command that selects no slot, the first one tells what is wrong.
        let slot = Self::all()
            .into_iter()
            .find(|slot| slot.aid() == command.data())
            .unwrap_or(Self(1));
        wire::expect_select(command, slot.aid()).map(|()| slot)
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(|_| ())
    }
}

/// HOTP AUTHENTICATE, to an OATH slot: `80 88 00 00 00`. Gives the next code, which
/// moves the slot's counter on.
///
/// Wants a press of the button ([`WAITING_FOR_BUTTON`]) and, as far as is stated,
/// nothing else. Evidence: vendor (LL/hotp-authenticate) for the Key of the C2300
/// family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HotpAuthenticate;

impl TypedCommand for HotpAuthenticate {
    type Answer = OneTimePassword;

    fn to_command(&self) -> Command {
        Command::new(0x80, 0x88, 0x00, 0x00).with_le(Le::SHORT_MAX)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        wire::expect_header(command, [0x80, 0x88, 0x00, 0x00])?;
        wire::expect_no_data(command).map(|()| Self)
    }

    fn decode_answer(response: &Response) -> Result<OneTimePassword, AnswerError> {
        Ok(OneTimePassword::decode(answer_data(response)?)?)
    }
}

/// TOTP AUTHENTICATE, to an OATH slot: `80 88 11 00 04 time`. Gives the code of that
/// time; the slot itself knows its time step.
///
/// Wants the PIN, verified in the access control applet, and a press of the button
/// ([`WAITING_FOR_BUTTON`]). `6700`: the time is not four bytes. Evidence: vendor
/// (LL/totp-authenticate, LL/oath-usage-sequences) for the Key of the C2300 family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TotpAuthenticate {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub time: u32,
}

impl TypedCommand for TotpAuthenticate {
    type Answer = OneTimePassword;

    fn to_command(&self) -> Command {
        Command::new(0x80, 0x88, 0x11, 0x00)
            .with_data(&self.time.to_be_bytes())
            .with_le(Le::SHORT_MAX)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        wire::expect_header(command, [0x80, 0x88, 0x11, 0x00])?;
        let length = command.data().len();
        let time = command
            .data()
            .try_into()
            .map_err(|_| CommandError::Length { length })?;
        Ok(Self {
            time: u32::from_be_bytes(time),
        })
    }

    fn decode_answer(response: &Response) -> Result<OneTimePassword, AnswerError> {
        Ok(OneTimePassword::decode(answer_data(response)?)?)
    }
}

/// A one-time password: six or eight decimal digits. Wiped when dropped, shows nothing
/// in `Debug`, compares in constant time.
///
/// On the wire it is BCD, two digits a byte: 755224 is `75 52 24`. Evidence: vendor
/// (LL/hotp-authenticate). How an odd number of digits would be filled up is not known.
///
/// ```
/// use crescendo_ext::oath::OneTimePassword;
///
/// let code = OneTimePassword::decode(&[0x75, 0x52, 0x24])?;
/// assert_eq!(code.digits(), "755224");
/// assert_eq!(format!("{code:?}"), "OneTimePassword(..)");
/// # Ok::<(), piv_apdu::tlv::TemplateError>(())
/// ```
#[derive(Clone)]
pub struct OneTimePassword(Zeroizing<String>);

impl OneTimePassword {
    /// Copies six or eight ASCII digits; `None` for anything else.
    pub fn new(digits: &str) -> Option<Self> {
        let fits = matches!(digits.len(), 6 | 8) && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| Self(Zeroizing::new(digits.to_owned())))
    }

    /// Reads three or four bytes of BCD.
    ///
    /// # Errors
    /// [`TemplateError::TotalLength`] for any other number of bytes,
    /// [`TemplateError::Value`] if a half-byte is no decimal digit.
    pub fn decode(bytes: &[u8]) -> Result<Self, TemplateError> {
        let length = bytes.len();
        if !matches!(length, 3 | 4) {
            return Err(TemplateError::TotalLength { length });
        }
        // Of the final size from the start, so that no copy is left behind.
        let mut digits = Zeroizing::new(String::with_capacity(2 * length));
        for half in bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]) {
            let digit = char::from_digit(half.into(), 10).ok_or(TemplateError::Value {
                tag: Tag::new(0x80),
                reason: "a one-time password is decimal digits, two a byte",
            })?;
            digits.push(digit);
        }
        Ok(Self(digits))
    }

    /// The bytes that [`decode`](Self::decode) reads.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let digit = |byte: u8| byte.wrapping_sub(b'0');
        let pairs = self.0.as_bytes().chunks_exact(2);
        Zeroizing::new(
            pairs
                .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
                .collect(),
        )
    }

    /// The digits, leading zeros included.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

/// In constant time, but for the number of digits.
impl PartialEq for OneTimePassword {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for OneTimePassword {}

impl fmt::Debug for OneTimePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimePassword(..)")
    }
}
