//! What went wrong, as CTAP says it (CTAP 2.1, 8.2).

/// A status byte other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    InvalidCommand = 0x01,
    InvalidParameter = 0x02,
    InvalidLength = 0x03,
    CborUnexpectedType = 0x11,
    InvalidCbor = 0x12,
    MissingParameter = 0x14,
    LimitExceeded = 0x15,
    CredentialExcluded = 0x19,
    UnsupportedAlgorithm = 0x26,
    KeyStoreFull = 0x28,
    UnsupportedOption = 0x2B,
    InvalidOption = 0x2C,
    NoCredentials = 0x2E,
    NotAllowed = 0x30,
    PinInvalid = 0x31,
    PinBlocked = 0x32,
    PinAuthInvalid = 0x33,
    PinAuthBlocked = 0x34,
    PinNotSet = 0x35,
    PinUvAuthTokenRequired = 0x36,
    PinPolicyViolation = 0x37,
    RequestTooLarge = 0x39,
    InvalidSubcommand = 0x3E,
    UnauthorizedPermission = 0x40,
    Other = 0x7F,
}

impl Status {
    pub(super) fn code(self) -> u8 {
        self as u8
    }
}

impl From<minicbor::decode::Error> for Status {
    fn from(error: minicbor::decode::Error) -> Self {
        if error.is_type_mismatch() {
            Status::CborUnexpectedType
        } else {
            Status::InvalidCbor
        }
    }
}

/// Writing to memory does not fail.
impl From<minicbor::encode::Error<core::convert::Infallible>> for Status {
    fn from(_: minicbor::encode::Error<core::convert::Infallible>) -> Self {
        Status::Other
    }
}
