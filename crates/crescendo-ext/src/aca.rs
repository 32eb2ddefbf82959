//! The access control applet (ACA): its SELECT answer, the properties of the
//! PIN that it holds, and the commands that change PIN, admin key and card.
//!
//! Evidence: vendor for the C2300 family (the pages are named at each command),
//! third-party for the C4000 family, which has the same commands.

mod admin;
mod pin;
mod refusal;

use core::ops::RangeInclusive;

use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::command::{AnswerError, CommandError, TypedCommand, answer_data};
use piv_apdu::tlv::{self, Reader, Tag, TemplateError, write_tlv};

use crate::{AppletVersion, aid, wire};

pub use admin::{
    ExternalAuthenticate, GetChallenge, PutXauthKey, ResetCard, UnlockPin, XauthChallenge,
};
pub use pin::{ChangePin, VerifyPin};
pub use refusal::{ChangeRefusal, UnlockRefusal, XauthRefusal};

const FCI_TEMPLATE: Tag = Tag::new(0x6F);
const DF_NAME: Tag = Tag::new(0x84);
const PROPRIETARY: Tag = Tag::new(0xA5);
const VERSION: Tag = Tag::new(0x01);
const PIN_PROPERTIES: Tag = Tag::new(0x31);

/// SELECT of the access control applet.
///
/// Sends `00 A4 04 00 07 A0000000791000 00`. Like every SELECT it ends the
/// security state of the instance selected before. Evidence: vendor
/// (LL/select).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SelectAca;

impl TypedCommand for SelectAca {
    type Answer = AcaSelectAnswer;

    fn to_command(&self) -> Command {
        wire::select(aid::ACA)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        wire::expect_select(command, aid::ACA).map(|()| Self)
    }

    fn decode_answer(response: &Response) -> Result<AcaSelectAnswer, AnswerError> {
        Ok(AcaSelectAnswer::decode(answer_data(response)?)?)
    }
}

/// What the access control applet says when it is selected.
///
/// `6F { 84 07 A0000000791000, A5 07 { 01 05 [family] [version, 4 bytes] } }`.
/// Evidence: vendor (LL/select).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AcaSelectAnswer {
    /// The application identifier that the applet gives (`84`), if it does;
    /// [`aid::ACA`] on a Crescendo.
    pub aid: Option<Vec<u8>>,
    /// Family `10` and the version, if the applet gives them. Four numbers on
    /// a C2300: `03000301` is 3.0.3 build 1.
    pub applet: Option<AppletVersion>,
}

impl AcaSelectAnswer {
    /// Reads the data of a SELECT answer (without the status word).
    ///
    /// Lenient: fields may be missing, in any order, or unknown; the wrapper
    /// `6F` may be missing; what comes after a damaged field is left out.
    ///
    /// # Errors
    ///
    /// [`TemplateError::Tlv`] if there are bytes but not one field in them.
    pub fn decode(data: &[u8]) -> Result<Self, TemplateError> {
        let (content, _) = wire::unwrap(data, FCI_TEMPLATE);
        let mut answer = Self::default();
        for (position, field) in Reader::new(content).enumerate() {
            match field {
                Ok(field) if field.tag == DF_NAME => answer.aid = Some(field.value.to_vec()),
                Ok(field) if field.tag == PROPRIETARY => {
                    answer.applet = Reader::new(field.value)
                        .map_while(Result::ok)
                        .find(|field| field.tag == VERSION)
                        .and_then(|field| AppletVersion::decode(field.value));
                }
                Err(error) if position == 0 => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(answer)
    }

    /// The data of the SELECT answer, without the status word.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        if let Some(aid) = &self.aid {
            write_tlv(&mut fields, DF_NAME, aid);
        }
        if let Some(applet) = &self.applet {
            let mut proprietary = Vec::new();
            write_tlv(&mut proprietary, VERSION, &applet.encode());
            write_tlv(&mut fields, PROPRIETARY, &proprietary);
        }
        let mut answer = Vec::new();
        write_tlv(&mut answer, FCI_TEMPLATE, &fields);
        answer
    }
}

/// GET PIN PROPERTIES, to the access control applet.
///
/// Sends `00 56 02 00 01 31 00`. Needs no authentication and changes nothing.
/// Evidence: vendor (LL/get-pin-properties).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GetPinProperties;

impl TypedCommand for GetPinProperties {
    type Answer = PinProperties;

    fn to_command(&self) -> Command {
        Command::new(0x00, 0x56, 0x02, 0x00)
            .with_data(&[0x31])
            .with_le(Le::SHORT_MAX)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        wire::expect_header(command, [0x00, 0x56, 0x02, 0x00])?;
        wire::expect_data(command, PIN_PROPERTIES, &[0x31]).map(|()| Self)
    }

    fn decode_answer(response: &Response) -> Result<PinProperties, AnswerError> {
        Ok(PinProperties::decode(answer_data(response)?)?)
    }
}

/// The rules that the card keeps for its PIN: `31 05 [min] [max] [RFU] [RFU]
/// [numeric-only]`. Evidence: vendor (LL/get-pin-properties), but for the
/// polarity of the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PinProperties {
    /// The shortest PIN, in characters: 4 to 8 by the vendor's page. As the
    /// card said it: see [`Self::lengths`].
    pub minimum: u8,
    /// The longest PIN, in characters: 4 to 8 by the vendor's page.
    pub maximum: u8,
    /// Two bytes that are reserved.
    pub rfu: [u8; 2],
    /// The byte "numeric-only" as the card sent it: its polarity is not
    /// public, see [`Self::numeric_only`].
    pub numeric_only_raw: u8,
}

impl PinProperties {
    /// Reads the data of the answer (without the status word). Bytes after the
    /// fifth of the field are not looked at.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] if there is no field `31`, or if it has fewer than 5
    /// bytes.
    pub fn decode(data: &[u8]) -> Result<Self, TemplateError> {
        let value = tlv::require(data, PIN_PROPERTIES)?;
        match *value {
            [minimum, maximum, rfu1, rfu2, numeric_only, ..] => Ok(Self {
                minimum,
                maximum,
                rfu: [rfu1, rfu2],
                numeric_only_raw: numeric_only,
            }),
            _ => Err(TemplateError::Length {
                tag: PIN_PROPERTIES,
                length: value.len(),
            }),
        }
    }

    /// The data of the answer, without the status word: 7 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let value = [
            self.minimum,
            self.maximum,
            self.rfu[0],
            self.rfu[1],
            self.numeric_only_raw,
        ];
        let mut answer = Vec::with_capacity(7);
        write_tlv(&mut answer, PIN_PROPERTIES, &value);
        answer
    }

    /// The lengths that a PIN may have, in characters; `None` if what the card
    /// said makes no sense (0, more than the 8 that a PIN block holds, or the
    /// minimum above the maximum).
    pub const fn lengths(&self) -> Option<RangeInclusive<u8>> {
        if 1 <= self.minimum && self.minimum <= self.maximum && self.maximum <= 8 {
            Some(self.minimum..=self.maximum)
        } else {
            None
        }
    }

    /// Whether the PIN has to be of digits only: 00 is taken for "no",
    /// anything else for "yes". Evidence: **inferred**; the polarity of
    /// [`Self::numeric_only_raw`] is stated nowhere.
    pub const fn numeric_only(&self) -> bool {
        self.numeric_only_raw != 0
    }
}
