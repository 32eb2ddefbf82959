//! Status words: ISO 7816-4 and SP 800-73-5 Part 2.

use core::fmt;

use crate::apdu::Le;

/// SW1 and SW2, the last two bytes of every response.
///
/// Every value has a [`Meaning`]; the counters that some carry (tries left,
/// bytes available, right Le) have accessors of their own.
///
/// ```
/// use piv_apdu::status::{Meaning, StatusWord};
///
/// let status = StatusWord::new(0x63C2);
/// assert_eq!(status.tries_left(), Some(2));
/// assert_eq!(status.meaning(), Meaning::TriesLeft(2));
/// assert_eq!(status.to_string(), "63C2 (not verified; 2 tries left)");
/// ```
///
/// Source: ISO 7816-4 (status bytes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusWord(u16);

impl StatusWord {
    /// From SW1 (high byte) and SW2 (low byte).
    pub const fn new(value: u16) -> Self {
        StatusWord(value)
    }

    /// `63CX`: the comparison failed and `tries` are left; at most 15 can be said.
    pub const fn verification_failed(tries: u8) -> Self {
        StatusWord(0x63C0 | if tries > 15 { 15 } else { tries as u16 })
    }

    /// `61XX`: `bytes` more are available to GET RESPONSE; 256 and more are said as `6100`.
    pub const fn more_data_available(bytes: usize) -> Self {
        // At most 255 is left for the cast.
        #[allow(clippy::cast_possible_truncation)]
        StatusWord(0x6100 | if bytes > 255 { 0 } else { bytes as u16 })
    }

    /// `6CXX`: repeat with `le`; 256 and more are said as `6C00`.
    pub const fn wrong_le(le: Le) -> Self {
        // At most 255 is left for the cast.
        #[allow(clippy::cast_possible_truncation)]
        StatusWord(0x6C00 | if le.get() > 255 { 0 } else { le.get() as u16 })
    }

    /// SW1 in the high byte, SW2 in the low byte.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The first status byte.
    pub const fn sw1(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// The second status byte.
    pub const fn sw2(self) -> u8 {
        self.0.to_be_bytes()[1]
    }

    /// Whether this is `9000`. `61XX` is not: more is to come.
    pub const fn is_success(self) -> bool {
        self.0 == Self::SUCCESS.0
    }

    /// Tries left, from `63CX`. An empty VERIFY that answers `9000` has no
    /// such number: it means "already verified".
    pub const fn tries_left(self) -> Option<u8> {
        match self.0 & 0xFFF0 {
            0x63C0 => Some(self.sw2() & 0x0F),
            _ => None,
        }
    }

    /// How many bytes GET RESPONSE can fetch, from `61XX`: 1 to 255, or 256
    /// for `6100`, which stands for 256 or more.
    pub const fn more_data(self) -> Option<usize> {
        match self.0.to_be_bytes() {
            [0x61, 0] => Some(256),
            [0x61, n] => Some(n as usize),
            _ => None,
        }
    }

    /// The Le to repeat the command with, from `6CXX`.
    pub fn correct_le(self) -> Option<Le> {
        match self.0.to_be_bytes() {
            [0x6C, field] => Some(Le::from_short_field(field)),
            _ => None,
        }
    }
}

/// The constants, the meanings and the sentences, from one table.
macro_rules! status_words {
    ($($value:literal $constant:ident $variant:ident $text:literal)*) => {
        impl StatusWord {
            $(
                #[doc = concat!("`", stringify!($value), "`: ", $text, ".")]
                pub const $constant: StatusWord = StatusWord($value);
            )*

            /// What it means. Total: a value that neither standard assigns
            /// gets the meaning of its class, at worst [`Meaning::Unknown`].
            pub fn meaning(self) -> Meaning {
                if let Some(tries) = self.tries_left() {
                    return Meaning::TriesLeft(tries);
                }
                if let Some(bytes) = self.more_data() {
                    return Meaning::MoreData(bytes);
                }
                if let Some(le) = self.correct_le() {
                    return Meaning::WrongLe(le);
                }
                match self.0 {
                    $($value => Meaning::$variant,)*
                    0x6200..=0x62FF => Meaning::Warning,
                    0x6300..=0x63FF => Meaning::WarningStateChanged,
                    0x6400..=0x64FF => Meaning::ExecutionError,
                    0x6500..=0x65FF => Meaning::ExecutionErrorStateChanged,
                    0x6600..=0x66FF => Meaning::SecurityIssue,
                    0x6700..=0x67FF => Meaning::WrongLength,
                    0x6800..=0x68FF => Meaning::ClassFunctionNotSupported,
                    0x6900..=0x69FF => Meaning::CommandNotAllowed,
                    0x6A00..=0x6AFF => Meaning::WrongParameters,
                    0x6B00..=0x6BFF => Meaning::WrongOffset,
                    0x6D00..=0x6DFF => Meaning::InstructionNotSupported,
                    0x6E00..=0x6EFF => Meaning::ClassNotSupported,
                    0x6F00..=0x6FFF => Meaning::NoPreciseDiagnosis,
                    0x9000..=0x9FFF => Meaning::Proprietary,
                    _ => Meaning::Unknown,
                }
            }
        }

        /// What a status word means. `Display` gives a short sentence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Meaning {
            $(
                #[doc = concat!($text, ".")]
                $variant,
            )*
            /// `61XX`: this many bytes can be fetched by GET RESPONSE (256: or more).
            MoreData(usize),
            /// `63CX`: the reference data did not match, or, asked without any, is not
            /// verified; this many tries are left.
            TriesLeft(u8),
            /// `6CXX`: wrong Le; repeat with this one.
            WrongLe(Le),
            /// `9XXX` other than `9000`: the card vendor's own.
            Proprietary,
            /// Not a status word of ISO 7816-4.
            Unknown,
        }

        impl fmt::Display for Meaning {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    Self::MoreData(256) => f.write_str("256 or more bytes to fetch"),
                    Self::MoreData(1) => f.write_str("1 more byte to fetch"),
                    Self::MoreData(bytes) => write!(f, "{bytes} more bytes to fetch"),
                    Self::TriesLeft(0) => f.write_str("not verified; no tries left"),
                    Self::TriesLeft(1) => f.write_str("not verified; 1 try left"),
                    Self::TriesLeft(tries) => write!(f, "not verified; {tries} tries left"),
                    Self::WrongLe(le) => write!(f, "wrong Le; {} is right", le.get()),
                    Self::Proprietary => f.write_str("a status word of the card vendor's own"),
                    Self::Unknown => f.write_str("not a status word of ISO 7816-4"),
                }
            }
        }
    };
}

// The rows with SW2 = 00 also give their class's meaning to values that
// nobody assigned.
status_words! {
    0x9000 SUCCESS Success "success"
    0x6200 WARNING Warning "warning; the card's state is unchanged"
    0x6281 DATA_CORRUPTED DataCorrupted "part of the returned data may be corrupted"
    0x6282 END_OF_FILE EndOfFile "the end of the file was reached before that many bytes"
    0x6283 FILE_DEACTIVATED FileDeactivated "the selected file is deactivated"
    0x6284 FILE_CONTROL_INFORMATION_MALFORMED FileControlInformationMalformed "the file control information is not formatted as it should be"
    0x6285 FILE_TERMINATED FileTerminated "the selected file is terminated"
    0x6286 NO_SENSOR_INPUT NoSensorInput "no input data from a sensor on the card"
    0x6287 RECORD_DEACTIVATED RecordDeactivated "a referenced record is deactivated"
    0x6300 VERIFICATION_FAILED WarningStateChanged "the verification or authentication failed"
    0x6381 FILE_FILLED FileFilled "the file was filled up by the last write"
    0x6400 EXECUTION_ERROR ExecutionError "execution error; the card's state is unchanged"
    0x6401 IMMEDIATE_RESPONSE_REQUIRED ImmediateResponseRequired "the card wants an immediate response"
    0x6481 LOGICAL_CHANNEL_DENIED LogicalChannelDenied "shared access to the logical channel is denied"
    0x6482 LOGICAL_CHANNEL_OPENING_DENIED LogicalChannelOpeningDenied "opening the logical channel is denied"
    0x6500 EXECUTION_ERROR_STATE_CHANGED ExecutionErrorStateChanged "execution error; the card's state has changed"
    0x6581 MEMORY_FAILURE MemoryFailure "memory failure"
    0x6600 SECURITY_ISSUE SecurityIssue "security-related issue"
    0x6700 WRONG_LENGTH WrongLength "wrong length"
    0x6701 FORMAT_NOT_COMPLIANT FormatNotCompliant "the command APDU's format is not compliant"
    0x6702 WRONG_LC WrongLc "the length of the command data is not the expected one"
    0x6800 CLASS_FUNCTION_NOT_SUPPORTED ClassFunctionNotSupported "a function in the class byte is not supported"
    0x6881 LOGICAL_CHANNEL_NOT_SUPPORTED LogicalChannelNotSupported "logical channel not supported"
    0x6882 SM_NOT_SUPPORTED SmNotSupported "secure messaging not supported"
    0x6883 LAST_COMMAND_EXPECTED LastCommandExpected "the last command of the chain was expected"
    0x6884 CHAINING_NOT_SUPPORTED ChainingNotSupported "command chaining not supported"
    0x6900 COMMAND_NOT_ALLOWED CommandNotAllowed "command not allowed"
    0x6981 INCOMPATIBLE_FILE_STRUCTURE IncompatibleFileStructure "the command does not fit the file's structure"
    0x6982 SECURITY_STATUS_NOT_SATISFIED SecurityStatusNotSatisfied "security status not satisfied; authentication is needed first"
    0x6983 AUTHENTICATION_METHOD_BLOCKED AuthenticationMethodBlocked "authentication method blocked; no tries left"
    0x6984 REFERENCE_DATA_NOT_USABLE ReferenceDataNotUsable "reference data not usable"
    0x6985 CONDITIONS_NOT_SATISFIED ConditionsNotSatisfied "conditions of use not satisfied"
    0x6986 NO_CURRENT_FILE NoCurrentFile "command not allowed; no current file"
    0x6987 SM_OBJECTS_MISSING SmObjectsMissing "expected secure messaging data objects missing"
    0x6988 SM_OBJECTS_INCORRECT SmObjectsIncorrect "secure messaging data objects incorrect"
    0x6A00 WRONG_PARAMETERS WrongParameters "wrong parameters P1-P2"
    0x6A80 WRONG_DATA WrongData "incorrect parameter in the command data"
    0x6A81 FUNCTION_NOT_SUPPORTED FunctionNotSupported "function not supported"
    0x6A82 FILE_NOT_FOUND FileNotFound "data object, file or application not found"
    0x6A83 RECORD_NOT_FOUND RecordNotFound "record not found"
    0x6A84 NOT_ENOUGH_MEMORY NotEnoughMemory "not enough memory"
    0x6A85 LC_INCONSISTENT_WITH_TLV LcInconsistentWithTlv "Lc inconsistent with the TLV structure"
    0x6A86 INCORRECT_P1P2 IncorrectP1P2 "incorrect parameters P1-P2"
    0x6A87 LC_INCONSISTENT_WITH_P1P2 LcInconsistentWithP1P2 "Lc inconsistent with P1-P2"
    0x6A88 REFERENCED_DATA_NOT_FOUND ReferencedDataNotFound "referenced data or key not found"
    0x6A89 FILE_ALREADY_EXISTS FileAlreadyExists "the file already exists"
    0x6A8A DF_NAME_ALREADY_EXISTS DfNameAlreadyExists "the application name already exists"
    0x6B00 WRONG_OFFSET WrongOffset "wrong parameters P1-P2; offset outside the file"
    0x6D00 INS_NOT_SUPPORTED InstructionNotSupported "instruction not supported"
    0x6E00 CLA_NOT_SUPPORTED ClassNotSupported "class not supported"
    0x6F00 NO_PRECISE_DIAGNOSIS NoPreciseDiagnosis "the card gives no precise diagnosis"
}

/// Four hexadecimal digits and the meaning: `63C2 (not verified; 2 tries left)`.
impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X} ({})", self.0, self.meaning())
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusWord({:04X})", self.0)
    }
}

impl From<u16> for StatusWord {
    fn from(value: u16) -> Self {
        StatusWord(value)
    }
}

impl From<StatusWord> for u16 {
    fn from(status: StatusWord) -> Self {
        status.0
    }
}
