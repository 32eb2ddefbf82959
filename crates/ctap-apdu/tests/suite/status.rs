//! Status codes.

use ctap_apdu::CtapError;
use ctap_apdu::status::CtapStatus;

#[test]
fn every_code_has_a_sentence_and_what_a_pin_needs_says_what_to_do() {
    for code in 0..=0xFF {
        let status = CtapStatus(code);
        assert!(!status.meaning().is_empty());
        assert!(status.to_string().starts_with(&format!("0x{code:02X} (")));
    }
    let says = |status: CtapStatus, what: &str| {
        let sentence = CtapError::Status(status).to_string();
        assert!(sentence.contains(what), "{sentence}");
        assert_eq!(CtapError::Status(status).status(), Some(status));
    };
    says(CtapStatus(0x31), "the PIN is wrong");
    says(
        CtapStatus(0x32),
        "a reset, which erases all FIDO credentials",
    );
    says(CtapStatus(0x34), "take it out and put it back");
    says(CtapStatus(0x35), "set one first");
    says(CtapStatus(0x37), "does not meet the token's rules");
    says(CtapStatus(0xF2), "the vendor's own");
    says(CtapStatus(0x99), "CTAP 2.1 does not know");
}

/// A check that failed is a no; an error without a name, a time that ran out and what CTAP
/// does not know say nothing.
#[test]
fn a_refusal_is_told_from_an_error_that_leaves_doubt() {
    let doubtful: Vec<u8> = (0..=0x7F)
        .filter(|code| {
            !CtapStatus(*code)
                .meaning()
                .contains("CTAP 2.1 does not know")
        })
        .filter(|code| CtapStatus(*code).leaves_doubt())
        .collect();
    assert_eq!(doubtful, [0x05, 0x21, 0x24, 0x3A, 0x7F]);
    for code in [0x07, 0x50, 0x99, 0xDF, 0xE0, 0xEF, 0xF0, 0xFF] {
        assert!(CtapStatus(code).leaves_doubt(), "{code:02X}");
    }
    for code in [0x00, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x37] {
        assert!(!CtapStatus(code).leaves_doubt(), "{code:02X}");
    }
}
