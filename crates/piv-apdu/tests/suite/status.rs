//! Status words.

use piv_apdu::apdu::Le;
use piv_apdu::status::{Meaning, StatusWord};

#[test]
fn counters_are_kept() {
    for tries in 0..=15_u8 {
        let status = StatusWord::verification_failed(tries);
        assert_eq!(status.get(), 0x63C0 + u16::from(tries));
        assert_eq!(status.tries_left(), Some(tries));
        assert_eq!(status.meaning(), Meaning::TriesLeft(tries));
    }
    assert_eq!(StatusWord::verification_failed(16).tries_left(), Some(15));
    assert_eq!(StatusWord::SUCCESS.tries_left(), None);
    assert_eq!(StatusWord::VERIFICATION_FAILED.tries_left(), None);
    assert_eq!(StatusWord::AUTHENTICATION_METHOD_BLOCKED.tries_left(), None);

    assert_eq!(StatusWord::new(0x6105).more_data(), Some(5));
    assert_eq!(StatusWord::new(0x6100).more_data(), Some(256));
    assert_eq!(StatusWord::more_data_available(5).get(), 0x6105);
    assert_eq!(StatusWord::more_data_available(256).get(), 0x6100);
    assert_eq!(StatusWord::more_data_available(9999).get(), 0x6100);
    assert!(!StatusWord::new(0x6105).is_success());

    assert_eq!(StatusWord::new(0x6C10).correct_le(), Le::new(16));
    assert_eq!(StatusWord::new(0x6C00).correct_le(), Some(Le::SHORT_MAX));
    assert_eq!(StatusWord::new(0x6CFF).correct_le(), Le::new(255));
    assert_eq!(StatusWord::wrong_le(Le::SHORT_MAX).get(), 0x6C00);
    assert_eq!(StatusWord::new(0x6D00).correct_le(), None);
}

#[test]
fn sentences() {
    for (status, sentence) in [
        (0x9000, "9000 (success)"),
        (0x63C2, "63C2 (not verified; 2 tries left)"),
        (0x63C1, "63C1 (not verified; 1 try left)"),
        (0x63C0, "63C0 (not verified; no tries left)"),
        (0x6300, "6300 (the verification or authentication failed)"),
        (0x6100, "6100 (256 or more bytes to fetch)"),
        (0x6101, "6101 (1 more byte to fetch)"),
        (0x6C08, "6C08 (wrong Le; 8 is right)"),
        (
            0x6982,
            "6982 (security status not satisfied; authentication is needed first)",
        ),
        (
            0x6983,
            "6983 (authentication method blocked; no tries left)",
        ),
        (0x6A82, "6A82 (data object, file or application not found)"),
        (0x6E00, "6E00 (class not supported)"),
        (0x9484, "9484 (a status word of the card vendor's own)"),
        (0x0000, "0000 (not a status word of ISO 7816-4)"),
    ] {
        assert_eq!(StatusWord::new(status).to_string(), sentence);
    }
}

#[test]
fn the_constants_are_those_of_the_standard() {
    for (constant, value) in [
        (StatusWord::SUCCESS, 0x9000),
        (StatusWord::WRONG_LENGTH, 0x6700),
        (StatusWord::SM_NOT_SUPPORTED, 0x6882),
        (StatusWord::LAST_COMMAND_EXPECTED, 0x6883),
        (StatusWord::CHAINING_NOT_SUPPORTED, 0x6884),
        (StatusWord::SECURITY_STATUS_NOT_SATISFIED, 0x6982),
        (StatusWord::AUTHENTICATION_METHOD_BLOCKED, 0x6983),
        (StatusWord::CONDITIONS_NOT_SATISFIED, 0x6985),
        (StatusWord::SM_OBJECTS_MISSING, 0x6987),
        (StatusWord::SM_OBJECTS_INCORRECT, 0x6988),
        (StatusWord::WRONG_DATA, 0x6A80),
        (StatusWord::FUNCTION_NOT_SUPPORTED, 0x6A81),
        (StatusWord::FILE_NOT_FOUND, 0x6A82),
        (StatusWord::NOT_ENOUGH_MEMORY, 0x6A84),
        (StatusWord::INCORRECT_P1P2, 0x6A86),
        (StatusWord::REFERENCED_DATA_NOT_FOUND, 0x6A88),
        (StatusWord::INS_NOT_SUPPORTED, 0x6D00),
        (StatusWord::CLA_NOT_SUPPORTED, 0x6E00),
    ] {
        assert_eq!(u16::from(constant), value);
        assert_eq!(StatusWord::from(value), constant);
    }
}

/// Every value has a meaning, and those that ISO 7816-4 has a class for never
/// the meaning "unknown".
#[test]
fn the_table_is_total() {
    for value in 0..=u16::MAX {
        let status = StatusWord::new(value);
        assert_eq!(u16::from_be_bytes([status.sw1(), status.sw2()]), value);
        let known = matches!(value >> 8, 0x61..=0x6F | 0x90..=0x9F);
        assert_eq!(status.meaning() != Meaning::Unknown, known, "{value:04X}");
        assert_eq!(status.is_success(), status.meaning() == Meaning::Success);
    }
}

/// An independent table agrees on what is a warning, an error and a success.
#[test]
fn the_iso7816_crate_names_the_same_values() {
    use iso7816::Status;
    for (theirs, ours) in [
        (Status::Success, StatusWord::SUCCESS),
        (Status::CorruptedData, StatusWord::DATA_CORRUPTED),
        (Status::VerificationFailed, StatusWord::VERIFICATION_FAILED),
        (Status::WrongLength, StatusWord::WRONG_LENGTH),
        (
            Status::SecurityStatusNotSatisfied,
            StatusWord::SECURITY_STATUS_NOT_SATISFIED,
        ),
        (
            Status::OperationBlocked,
            StatusWord::AUTHENTICATION_METHOD_BLOCKED,
        ),
        (
            Status::ConditionsOfUseNotSatisfied,
            StatusWord::CONDITIONS_NOT_SATISFIED,
        ),
        (Status::IncorrectDataParameter, StatusWord::WRONG_DATA),
        (
            Status::FunctionNotSupported,
            StatusWord::FUNCTION_NOT_SUPPORTED,
        ),
        (Status::NotFound, StatusWord::FILE_NOT_FOUND),
        (Status::NotEnoughMemory, StatusWord::NOT_ENOUGH_MEMORY),
        (Status::IncorrectP1OrP2Parameter, StatusWord::INCORRECT_P1P2),
        (
            Status::KeyReferenceNotFound,
            StatusWord::REFERENCED_DATA_NOT_FOUND,
        ),
        (
            Status::InstructionNotSupportedOrInvalid,
            StatusWord::INS_NOT_SUPPORTED,
        ),
        (Status::ClassNotSupported, StatusWord::CLA_NOT_SUPPORTED),
    ] {
        assert_eq!(u16::from(theirs), ours.get());
    }
}
