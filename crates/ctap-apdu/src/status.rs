//! CTAP status codes.

use core::fmt;

/// The first byte of every CTAP2 answer.
///
/// ```
/// use ctap_apdu::status::CtapStatus;
///
/// let status = CtapStatus(0x31);
/// assert_eq!(status, CtapStatus::PIN_INVALID);
/// assert_eq!(status.to_string(), "0x31 (the PIN is wrong)");
/// ```
///
/// Source: CTAP 2.1, 8.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CtapStatus(pub u8);

/// The constants and the sentences, from one table.
macro_rules! status_codes {
    ($($value:literal $constant:ident $text:literal)*) => {
        impl CtapStatus {
            $(
                #[doc = concat!("`", stringify!($value), "`: ", $text, ".")]
                pub const $constant: CtapStatus = CtapStatus($value);
            )*

            const fn is_known(self) -> bool {
                matches!(self.0, $($value)|*)
            }

            /// What it means, as the rest of a sentence.
            pub const fn meaning(self) -> &'static str {
                match self.0 {
                    $($value => $text,)*
                    0xE0..=0xEF => "an extension of FIDO refused it",
                    0xF0..=0xFF => "a reason of the vendor's own",
                    _ => "a reason that CTAP 2.1 does not know",
                }
            }
        }
    };
}

status_codes! {
    0x00 SUCCESS "it is done"
    0x01 INVALID_COMMAND "it does not know the command"
    0x02 INVALID_PARAMETER "a parameter of the command is invalid"
    0x03 INVALID_LENGTH "the command's length is wrong"
    0x04 INVALID_SEQUENCE "the message came out of sequence"
    0x05 TIMEOUT "the message timed out"
    0x06 CHANNEL_BUSY "it is busy with another command; try again in a moment"
    0x0A LOCK_REQUIRED "the command requires the channel to be locked"
    0x0B INVALID_CHANNEL "the command is not allowed on this channel"
    0x11 CBOR_UNEXPECTED_TYPE "a value in the command has an unexpected type"
    0x12 INVALID_CBOR "it could not read the command"
    0x14 MISSING_PARAMETER "a parameter is missing in the command"
    0x15 LIMIT_EXCEEDED "a limit was exceeded"
    0x17 FP_DATABASE_FULL "it has no room for another fingerprint"
    0x18 LARGE_BLOB_STORAGE_FULL "it has no room for more large blobs"
    0x19 CREDENTIAL_EXCLUDED "it holds one of the excluded credentials already"
    0x21 PROCESSING "it is still processing"
    0x22 INVALID_CREDENTIAL "the credential is not valid for it"
    0x23 USER_ACTION_PENDING "it waits for the user"
    0x24 OPERATION_PENDING "another operation is pending"
    0x25 NO_OPERATIONS "no operation is pending"
    0x26 UNSUPPORTED_ALGORITHM "it does not support the algorithm"
    0x27 OPERATION_DENIED "the operation was denied"
    0x28 KEY_STORE_FULL "it has no room for another credential"
    0x2B UNSUPPORTED_OPTION "it does not support an option of the command"
    0x2C INVALID_OPTION "an option is not valid for the command"
    0x2D KEEPALIVE_CANCEL "the command was cancelled"
    0x2E NO_CREDENTIALS "it has no such credential"
    0x2F USER_ACTION_TIMEOUT "the user did not act in time"
    0x30 NOT_ALLOWED "the command is not allowed now, or not on this interface"
    0x31 PIN_INVALID "the PIN is wrong"
    0x32 PIN_BLOCKED "the PIN is blocked; only a reset, which erases all FIDO credentials, makes it usable again"
    0x33 PIN_AUTH_INVALID "the proof that the PIN was given does not verify"
    0x34 PIN_AUTH_BLOCKED "too many wrong PINs were given since the token got power; take it out and put it back before you try again"
    0x35 PIN_NOT_SET "no PIN is set; set one first"
    0x36 PUAT_REQUIRED "the command takes the PIN"
    0x37 PIN_POLICY_VIOLATION "the PIN does not meet the token's rules, or has to be changed first"
    0x39 REQUEST_TOO_LARGE "the command is too long for it"
    0x3A ACTION_TIMEOUT "the action took too long"
    0x3B UP_REQUIRED "it takes the user's touch"
    0x3C UV_BLOCKED "its built-in user verification is blocked; use the PIN"
    0x3D INTEGRITY_FAILURE "a checksum does not match"
    0x3E INVALID_SUBCOMMAND "it does not know the subcommand"
    0x3F UV_INVALID "its built-in user verification failed"
    0x40 UNAUTHORIZED_PERMISSION "the permission that was asked for is not granted"
    0x7F OTHER "an error that it does not specify"
}

impl CtapStatus {
    /// Whether the command may have been carried out all the same: it is no check that
    /// failed, but an error that is not named (7F, E0 to FF), a time that ran out, or a
    /// code that CTAP 2.1 does not know.
    pub const fn leaves_doubt(self) -> bool {
        match self {
            Self::TIMEOUT
            | Self::PROCESSING
            | Self::OPERATION_PENDING
            | Self::ACTION_TIMEOUT
            | Self::OTHER => true,
            other => !other.is_known(),
        }
    }
}

impl fmt::Display for CtapStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X} ({})", self.0, self.meaning())
    }
}

impl fmt::Debug for CtapStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CtapStatus(0x{:02X})", self.0)
    }
}
