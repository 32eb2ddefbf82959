//! What can be a FIDO PIN.

use ctap_apdu::{FidoPin, FidoPinError};
use proptest::prelude::*;

#[test]
fn the_bounds_are_four_code_points_and_63_bytes() {
    let too_short = |code_points| Err(FidoPinError::TooShort { code_points });
    let refused = |text: &str| FidoPin::new(text).map(drop);
    assert_eq!(refused(""), too_short(0));
    assert_eq!(refused("123"), too_short(3));
    // Three code points of four bytes each.
    assert_eq!(refused("🔑🔑🔑"), too_short(3));
    assert_eq!(refused("🔑🔑🔑🔑"), Ok(()));
    assert_eq!(refused("1234"), Ok(()));
    assert_eq!(refused(&"1".repeat(63)), Ok(()));
    assert_eq!(refused(&"1".repeat(64)), Err(FidoPinError::TooLong));
    // 21 code points of three bytes are 63 bytes.
    assert_eq!(refused(&"€".repeat(21)), Ok(()));
    assert_eq!(refused(&"€".repeat(22)), Err(FidoPinError::TooLong));
    assert_eq!(refused("1234\0"), Err(FidoPinError::EndsInPadding));
    assert_eq!(refused("12\x0034"), Ok(()));
}

#[test]
fn a_pin_counts_as_it_goes_out_which_is_in_normalization_form_c() {
    // Two code points as typed, one as sent.
    let pin = FidoPin::new("e\u{301}e\u{301}e\u{301}e\u{301}").unwrap();
    assert_eq!(pin.as_str(), "éééé");
    assert_eq!(pin.code_points(), 4);
    assert!(!pin.is_as_given());
    assert!(FidoPin::new(pin.as_str()).unwrap().is_as_given());
    let too_short = FidoPinError::TooShort { code_points: 3 };
    assert_eq!(FidoPin::new("e\u{301}12"), Err(too_short));
    assert_eq!(pin, FidoPin::new("éééé").unwrap());
    assert_ne!(pin, FidoPin::new("eeee").unwrap());
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused_and_what_is_taken_keeps_to_the_bounds(text in "\\PC{0,40}") {
        if let Ok(pin) = FidoPin::new(&text) {
            prop_assert!(pin.code_points() >= FidoPin::MIN_CODE_POINTS);
            prop_assert!(pin.as_str().len() <= FidoPin::MAX_BYTES);
            prop_assert_eq!(FidoPin::new(pin.as_str()), Ok(pin));
        }
    }
}
