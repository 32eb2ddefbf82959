//! Readers with a keypad of their own: the PIN goes from the reader to the card
//! and never through the computer (PC/SC part 10, revision 2.02.09).
//!
//! This module holds what a reader is asked ([`PinVerify`], [`PinModify`]), what
//! it can do ([`PinPadFeatures`]) and what it answers ([`PinPadError`]); it sends
//! nothing. See [`Transaction::verify_on_pin_pad`](crate::Transaction::verify_on_pin_pad)
//! and [`Transaction::modify_on_pin_pad`](crate::Transaction::modify_on_pin_pad).
//!
//! All PINs here are of the form that PIV has (SP 800-73-4 part 2, 2.4.3, and the
//! same in a Crescendo's own commands): ASCII digits, left-justified in a block of
//! eight bytes, filled up with FF. A keypad has digits only, so that a PIN with
//! letters cannot be entered on one.
//!
//! # Evidence
//!
//! The structures are those of part 10, 2.5 (`PIN_VERIFY_STRUCTURE`,
//! `PIN_MODIFY_STRUCTURE`), field by field in the tests below. They agree with what
//! `OpenSC` (its `reader-pcsc.c`, read and not run) builds for an ASCII PIN in a
//! padded block of eight bytes, except for the language (0000 there) and, in a
//! change, the unit of the PIN's position, which is zero (bits there). They have
//! run against the simulated pad of the virtual token; **no real reader with a PIN
//! pad has seen them**.

use piv_apdu::apdu::Command;
use piv_apdu::status::StatusWord;

use crate::error::{LinkError, TransportError};

/// The length of a PIN block, in bytes.
const BLOCK: u8 = 8;

/// What fills up a PIN block.
const FILLER: u8 = 0xFF;

/// How many digits a PIN may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PinDigits {
    min: u8,
    max: u8,
}

impl PinDigits {
    /// 6 to 8: the PIV card application PIN and the global PIN (SP 800-73-4
    /// part 2, 2.4.3).
    pub const PIV: PinDigits = PinDigits { min: 6, max: 8 };
    /// 8: the PUK (SP 800-73-4 part 2, 2.4.3).
    pub const PUK: PinDigits = PinDigits { min: 8, max: 8 };

    /// `None` unless 1 <= `min` <= `max` <= 8.
    pub fn new(min: u8, max: u8) -> Option<Self> {
        (1 <= min && min <= max && max <= BLOCK).then_some(PinDigits { min, max })
    }

    /// The fewest digits.
    pub fn min(self) -> u8 {
        self.min
    }

    /// The most digits.
    pub fn max(self) -> u8 {
        self.max
    }
}

/// What a reader's PIN pad can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinPadFeatures {
    /// Lets a PIN be typed for VERIFY (`FEATURE_VERIFY_PIN_DIRECT`, part 10, 2.3).
    pub verify: bool,
    /// Lets an old and a new PIN be typed for a change
    /// (`FEATURE_MODIFY_PIN_DIRECT`, part 10, 2.3).
    pub modify: bool,
    /// Has a display, and so shows what is to be typed (`wLcdLayout`, part 10,
    /// 2.6). Without one, tell the person on the screen.
    pub display: bool,
    /// The fewest digits that the reader takes, if it says so (`bMinPINSize`,
    /// part 10, 2.6).
    pub min_digits: Option<u8>,
    /// The most digits that the reader takes, if it says so (`bMaxPINSize`,
    /// part 10, 2.6).
    pub max_digits: Option<u8>,
}

impl PinPadFeatures {
    /// No PIN pad.
    pub const NONE: PinPadFeatures = PinPadFeatures {
        verify: false,
        modify: false,
        display: false,
        min_digits: None,
        max_digits: None,
    };

    /// A PIN pad without display that says nothing about lengths.
    pub fn new(verify: bool, modify: bool) -> Self {
        PinPadFeatures {
            verify,
            modify,
            ..Self::NONE
        }
    }

    /// The lengths that both the request and the reader take.
    fn narrowed(self, digits: PinDigits) -> Option<PinDigits> {
        PinDigits::new(
            digits.min.max(self.min_digits.unwrap_or(digits.min)),
            digits.max.min(self.max_digits.unwrap_or(digits.max)),
        )
    }
}

/// A PIN to be typed on the reader and verified by the card: the command
/// `CLA INS P1 P2 08 FF FF FF FF FF FF FF FF`, in which the reader puts the PIN
/// over the first FFs.
///
/// ```
/// use pcsc_transport::pin_pad::{PinDigits, PinVerify};
///
/// // VERIFY of the PIV PIN (SP 800-73-4 part 2, 3.2.1).
/// let request = PinVerify::new([0x00, 0x20, 0x00, 0x80], PinDigits::PIV);
/// assert_eq!(request.template(), b"\x00\x20\x00\x80\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinVerify(Entry);

/// An old PIN and a new one, typed twice, to be typed on the reader and changed
/// by the card: the command `CLA INS P1 P2 10` and sixteen FFs, in which the reader
/// puts the old PIN over the first FFs of the first eight bytes and the new one
/// over those of the last eight.
///
/// CHANGE REFERENCE DATA and RESET RETRY COUNTER (with the PUK as the old one) of
/// SP 800-73-4 part 2, 3.2.2 and 3.2.3, have that form, and CHANGE PIN of a
/// Crescendo too. The limits of [`PinDigits`] hold for both PINs: part 10 has but
/// one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinModify(Entry);

/// What both requests are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    header: [u8; 4],
    digits: PinDigits,
    timeout: u8,
    language: u16,
}

impl Entry {
    fn new(header: [u8; 4], digits: PinDigits) -> Self {
        Entry {
            header,
            digits,
            timeout: 30,
            language: 0x0409,
        }
    }

    fn command(&self, blocks: usize) -> Command {
        let [cla, ins, p1, p2] = self.header;
        let data = [FILLER; 2 * BLOCK as usize];
        let len = (blocks * usize::from(BLOCK)).min(data.len());
        Command::new(cla, ins, p1, p2).with_data(&data[..len])
    }

    fn template(&self, blocks: u8) -> Vec<u8> {
        let len = blocks * BLOCK;
        let mut bytes = Vec::with_capacity(5 + usize::from(len));
        bytes.extend(self.header);
        bytes.push(len);
        bytes.resize(5 + usize::from(len), FILLER);
        bytes
    }

    /// The fields that both structures begin with.
    fn head(&self) -> [u8; 5] {
        [
            self.timeout, // bTimerOut
            self.timeout, // bTimerOut2: after the first key
            0x82,         // bmFormatString: bytes, position 0, left-justified, ASCII
            BLOCK,        // bmPINBlockString: no length in the APDU, block size
            0x00,         // bmPINLengthFormat: no length in the APDU
        ]
    }

    /// `bTeoPrologue`, `ulDataLength` and `abData`, which both end with.
    fn tail(&self, blocks: u8, structure: &mut Vec<u8>) {
        let template = self.template(blocks);
        structure.extend([0; 3]);
        structure.extend(u32::from(5 + blocks * BLOCK).to_le_bytes());
        structure.extend(template);
    }
}

/// `bEntryValidationCondition`: the key OK ends the entry.
const VALIDATION_KEY: u8 = 0x02;

/// `bConfirmPIN`: the new PIN is typed twice, the old one is asked for.
const CONFIRM_AND_OLD: u8 = 0x03;

impl PinVerify {
    /// A command with this header, for PINs of so many digits; a timeout of 30
    /// seconds, prompts in English.
    pub fn new(header: [u8; 4], digits: PinDigits) -> Self {
        PinVerify(Entry::new(header, digits))
    }

    /// Sets how many seconds the reader waits for the PIN; 0: as long as it is
    /// made to.
    #[must_use]
    pub fn with_timeout(mut self, seconds: u8) -> Self {
        self.0.timeout = seconds;
        self
    }

    /// Sets the language of the reader's prompts, as USB has it (0409: English).
    #[must_use]
    pub fn with_language(mut self, language: u16) -> Self {
        self.0.language = language;
        self
    }

    /// How many digits the PIN may have.
    pub fn digits(&self) -> PinDigits {
        self.0.digits
    }

    /// The command APDU with an empty block in the PIN's place.
    pub fn template(&self) -> Vec<u8> {
        self.0.template(1)
    }

    /// The same as a command.
    pub(crate) fn command(&self) -> Command {
        self.0.command(1)
    }

    /// The bytes of `PIN_VERIFY_STRUCTURE` (part 10, 2.5), multi-byte fields least
    /// significant byte first. `None` if the pad cannot do it: it has no such
    /// feature, or takes none of the PIN's lengths.
    pub fn structure(&self, pad: PinPadFeatures) -> Option<Vec<u8>> {
        let digits = pad.narrowed(self.0.digits).filter(|_| pad.verify)?;
        let mut bytes = Vec::with_capacity(19 + 13);
        bytes.extend(self.0.head());
        bytes.extend([digits.max, digits.min]); // wPINMaxExtraDigit: min, max as XXYY
        bytes.push(VALIDATION_KEY);
        bytes.push(if pad.display { 0xFF } else { 0x00 }); // bNumberMessage: default, none
        bytes.extend(self.0.language.to_le_bytes());
        bytes.push(0x00); // bMsgIndex
        self.0.tail(1, &mut bytes);
        Some(bytes)
    }
}

impl PinModify {
    /// A command with this header, for PINs of so many digits; a timeout of 30
    /// seconds, prompts in English.
    pub fn new(header: [u8; 4], digits: PinDigits) -> Self {
        PinModify(Entry::new(header, digits))
    }

    /// Sets how many seconds the reader waits for each PIN; 0: as long as it is
    /// made to.
    #[must_use]
    pub fn with_timeout(mut self, seconds: u8) -> Self {
        self.0.timeout = seconds;
        self
    }

    /// Sets the language of the reader's prompts, as USB has it (0409: English).
    #[must_use]
    pub fn with_language(mut self, language: u16) -> Self {
        self.0.language = language;
        self
    }

    /// How many digits each PIN may have.
    pub fn digits(&self) -> PinDigits {
        self.0.digits
    }

    /// The command APDU with empty blocks in the PINs' places.
    pub fn template(&self) -> Vec<u8> {
        self.0.template(2)
    }

    /// The same as a command.
    pub(crate) fn command(&self) -> Command {
        self.0.command(2)
    }

    /// The bytes of `PIN_MODIFY_STRUCTURE` (part 10, 2.5), multi-byte fields least
    /// significant byte first. `None` if the pad cannot do it: it has no such
    /// feature, or takes none of the PIN's lengths.
    pub fn structure(&self, pad: PinPadFeatures) -> Option<Vec<u8>> {
        let digits = pad.narrowed(self.0.digits).filter(|_| pad.modify)?;
        let mut bytes = Vec::with_capacity(24 + 21);
        bytes.extend(self.0.head());
        bytes.push(0x00); // bInsertionOffsetOld
        bytes.push(BLOCK); // bInsertionOffsetNew
        bytes.extend([digits.max, digits.min]); // wPINMaxExtraDigit: min, max as XXYY
        bytes.push(CONFIRM_AND_OLD);
        bytes.push(VALIDATION_KEY);
        bytes.push(if pad.display { 0x03 } else { 0x00 }); // bNumberMessage
        bytes.extend(self.0.language.to_le_bytes());
        bytes.extend([0x00, 0x01, 0x02]); // bMsgIndex1 to 3: old, new, again
        self.0.tail(2, &mut bytes);
        Some(bytes)
    }
}

/// Why a PIN pad has given no answer of the card.
///
/// Every kind but [`PinPadError::Transport`] means that the card has seen nothing:
/// no try was spent, and what was verified before still is. The four status words
/// are the reader's own (part 10, 2.5, and what `OpenSC` takes them for); no PIV
/// command answers them, and a card that did would say with 64xx that nothing was
/// changed (ISO 7816-4, 5.6).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinPadError {
    /// The reader has no PIN pad, or none that can do this.
    #[error(
        "the reader has no PIN pad that can do this; nothing was sent to the card. Type the PIN on the computer, or use another reader"
    )]
    NoPinPad,
    /// Nothing, or not all, was typed in time (6400).
    #[error(
        "no PIN was typed on the reader in time; the card has seen nothing and no try was spent. Try again"
    )]
    Timeout,
    /// The cancel key was pressed (6401).
    #[error(
        "the PIN entry was cancelled on the reader; the card has seen nothing and no try was spent"
    )]
    Cancelled,
    /// The two entries of the new PIN differ (6402).
    #[error(
        "the new PIN was typed differently the second time; the card has seen nothing and the old PIN still holds. Try again"
    )]
    NewPinsDiffer,
    /// The PIN is shorter or longer than it may be (6403).
    #[error(
        "the PIN typed on the reader is too short or too long; the card has seen nothing and no try was spent. Try again"
    )]
    PinLength,
    /// The reader refuses the request (6B80).
    #[error(
        "the reader refuses to ask for this PIN; the card has seen nothing. Type the PIN on the computer, or use another reader"
    )]
    Rejected,
    /// The link failed or the card misbehaved. Whether the card has seen the PIN
    /// is unknown, and a try may have been spent.
    #[error(transparent)]
    Transport(TransportError),
}

impl PinPadError {
    /// What a reader means by a status word of its own; `None` if it is the
    /// card's.
    pub(crate) fn from_status(status: StatusWord) -> Option<Self> {
        Some(match status.get() {
            0x6400 => PinPadError::Timeout,
            0x6401 => PinPadError::Cancelled,
            0x6402 => PinPadError::NewPinsDiffer,
            0x6403 => PinPadError::PinLength,
            0x6B80 => PinPadError::Rejected,
            _ => return None,
        })
    }

    /// True if the card has certainly seen nothing: no try was spent, and nothing
    /// was changed.
    pub fn card_saw_nothing(&self) -> bool {
        !matches!(self, PinPadError::Transport(_))
    }
}

impl From<TransportError> for PinPadError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Link(LinkError::NoPinPad) => PinPadError::NoPinPad,
            other => PinPadError::Transport(other),
        }
    }
}

impl From<LinkError> for PinPadError {
    fn from(error: LinkError) -> Self {
        TransportError::Link(error).into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::*;
    use hex_literal::hex;
    use proptest::prelude::*;

    fn pad() -> PinPadFeatures {
        PinPadFeatures::new(true, true)
    }

    #[test]
    fn the_structure_for_verify_of_the_piv_pin() {
        let request = PinVerify::new([0x00, 0x20, 0x00, 0x80], PinDigits::PIV);
        let expected = hex!(
            "1E"         // bTimerOut: 30 s
            "1E"         // bTimerOut2: 30 s
            "82"         // bmFormatString: b7 bytes, b6-3 position 0, b2 left, b1-0 ASCII
            "08"         // bmPINBlockString: b7-4 no PIN length, b3-0 block of 8 bytes
            "00"         // bmPINLengthFormat: no PIN length
            "08 06"      // wPINMaxExtraDigit: 0608, 6 to 8 digits
            "02"         // bEntryValidationCondition: validation key
            "00"         // bNumberMessage: none, there is no display
            "09 04"      // wLangId: 0409
            "00"         // bMsgIndex
            "00 00 00"   // bTeoPrologue
            "0D 00 00 00" // ulDataLength: 13
            "00 20 00 80 08 FF FF FF FF FF FF FF FF" // abData
        );
        assert_eq!(request.structure(pad()).unwrap(), expected);
    }

    #[test]
    fn the_structure_for_verify_of_a_crescendo() {
        let request = PinVerify::new([0x00, 0x20, 0x00, 0x00], PinDigits::new(4, 8).unwrap())
            .with_timeout(0)
            .with_language(0x0407);
        let display = PinPadFeatures {
            display: true,
            ..pad()
        };
        let expected = hex!(
            "00 00 82 08 00"
            "08 04"      // 4 to 8 digits
            "02"
            "FF"         // bNumberMessage: the reader's default
            "07 04"      // wLangId: 0407
            "00 000000 0D000000"
            "00 20 00 00 08 FF FF FF FF FF FF FF FF"
        );
        assert_eq!(request.structure(display).unwrap(), expected);
    }

    #[test]
    fn the_structure_for_change_reference_data() {
        let request = PinModify::new([0x00, 0x24, 0x00, 0x80], PinDigits::PIV);
        let expected = hex!(
            "1E 1E 82 08 00"
            "00"         // bInsertionOffsetOld: the first block
            "08"         // bInsertionOffsetNew: the second block
            "08 06"      // wPINMaxExtraDigit: 0608
            "03"         // bConfirmPIN: new PIN twice, old PIN asked for
            "02"         // bEntryValidationCondition: validation key
            "00"         // bNumberMessage: none
            "09 04"      // wLangId
            "00 01 02"   // bMsgIndex1, 2, 3
            "00 00 00"   // bTeoPrologue
            "15 00 00 00" // ulDataLength: 21
            "00 24 00 80 10 FFFFFFFFFFFFFFFF FFFFFFFFFFFFFFFF"
        );
        assert_eq!(request.structure(pad()).unwrap(), expected);
    }

    #[test]
    fn the_structure_for_change_pin_of_a_crescendo() {
        let request = PinModify::new([0x00, 0x24, 0x01, 0x00], PinDigits::new(4, 8).unwrap());
        let display = PinPadFeatures {
            display: true,
            ..pad()
        };
        let expected = hex!(
            "1E 1E 82 08 00 00 08 08 04 03 02"
            "03"         // bNumberMessage: old, new, again
            "09 04 00 01 02 000000 15000000"
            "00 24 01 00 10 FFFFFFFFFFFFFFFF FFFFFFFFFFFFFFFF"
        );
        assert_eq!(request.structure(display).unwrap(), expected);
    }

    #[test]
    fn a_pad_narrows_the_lengths_and_refuses_what_it_cannot_do() {
        let request = PinVerify::new([0x00, 0x20, 0x00, 0x80], PinDigits::PIV);
        let with = |min, max| PinPadFeatures {
            min_digits: min,
            max_digits: max,
            ..pad()
        };
        let digits = |pad| request.structure(pad).map(|bytes| (bytes[6], bytes[5]));
        assert_eq!(digits(with(Some(0), Some(16))), Some((6, 8)));
        assert_eq!(digits(with(Some(4), Some(7))), Some((6, 7)));
        assert_eq!(digits(with(Some(7), None)), Some((7, 8)));
        assert_eq!(digits(with(None, Some(5))), None);
        assert_eq!(digits(with(Some(9), None)), None);
        assert_eq!(digits(PinPadFeatures::NONE), None);
        assert_eq!(digits(PinPadFeatures::new(false, true)), None);
        let change = PinModify::new([0x00, 0x24, 0x00, 0x80], PinDigits::PIV);
        assert_eq!(change.structure(PinPadFeatures::new(true, false)), None);
    }

    #[test]
    fn status_words_of_the_reader_and_of_the_card() {
        let of = |status| PinPadError::from_status(StatusWord::new(status));
        assert!(matches!(of(0x6400), Some(PinPadError::Timeout)));
        assert!(matches!(of(0x6401), Some(PinPadError::Cancelled)));
        assert!(matches!(of(0x6402), Some(PinPadError::NewPinsDiffer)));
        assert!(matches!(of(0x6403), Some(PinPadError::PinLength)));
        assert!(matches!(of(0x6B80), Some(PinPadError::Rejected)));
        for card in [0x9000, 0x63C2, 0x6983, 0x6404, 0x6A80, 0x6B00] {
            assert!(of(card).is_none(), "{card:04X}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_the_structure_says_its_own_length(
            header: [u8; 4], min: u8, max: u8, display: bool,
            pad_min: Option<u8>, pad_max: Option<u8>,
        ) {
            let Some(digits) = PinDigits::new(min % 10, max % 10) else {
                return Ok(());
            };
            let pad = PinPadFeatures {
                display, min_digits: pad_min, max_digits: pad_max, ..pad()
            };
            let verify = PinVerify::new(header, digits);
            let modify = PinModify::new(header, digits);
            prop_assert_eq!(verify.command().encode_short().unwrap().to_vec(), verify.template());
            prop_assert_eq!(modify.command().encode_short().unwrap().to_vec(), modify.template());
            let built = [
                (19, verify.structure(pad), verify.template()),
                (24, modify.structure(pad), modify.template()),
            ];
            for (fixed, structure, template) in built {
                let Some(structure) = structure else { continue };
                let (head, data) = structure.split_at(fixed);
                prop_assert_eq!(data, &template[..]);
                let length = u32::from_le_bytes(*head.last_chunk().unwrap());
                prop_assert_eq!(usize::try_from(length).unwrap(), data.len());
            }
        }
    }
}
