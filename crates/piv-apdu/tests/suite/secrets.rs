//! PIN, PUK and pairing code.

use piv_apdu::secret::{self, PairingCode, Pin, PinBlock, PinError, Puk};
use proptest::prelude::*;

use crate::any;

#[test]
fn a_pin_is_padded_with_ff() {
    assert_eq!(
        Pin::new(b"123456").unwrap().padded().as_bytes(),
        b"123456\xFF\xFF"
    );
    assert_eq!(
        Pin::new(b"12345678").unwrap().padded().as_bytes(),
        b"12345678"
    );
    assert_eq!(
        Puk::new(b"1234").unwrap().as_bytes(),
        b"1234\xFF\xFF\xFF\xFF"
    );
    assert_eq!(Puk::new(&[0xFF; 8]).unwrap().as_bytes(), &[0xFF; 8]);
    assert_eq!(PinBlock::from(*b"123456\xFF\xFF").unpadded(), b"123456");
    assert_eq!(PinBlock::from([0xFF; 8]).unpadded(), b"");
}

#[test]
fn hexadecimal_as_a_person_types_it() {
    let key = [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF];
    for text in [
        "0123456789abcdef",
        "0123-4567-89AB-CDEF",
        " 01:23:45:67\t89 aB cD Ef ",
        "0-1-2-3456789abcdef",
    ] {
        assert_eq!(secret::from_hex(text).unwrap()[..], key, "{text}");
    }
    for text in [
        "", " ", "-", "0", "012", "0x01", "0G", "０１", "01\n", "01,23",
    ] {
        assert_eq!(secret::from_hex(text), None, "{text}");
    }
    assert_eq!(*secret::to_hex(&key), "0123-4567-89AB-CDEF");
    assert_eq!(*secret::to_hex(&key[..3]), "0123-45");
    assert_eq!(*secret::to_hex(&[]), "");
}

/// A buffer that has to grow leaves a copy of the secret behind.
#[test]
fn hexadecimal_is_written_into_buffers_that_do_not_grow() {
    for length in 1..=32 {
        let bytes = vec![0xA5; length];
        let text = secret::to_hex(&bytes);
        assert!(text.capacity() <= 3 * length, "{length} bytes");
        let read = secret::from_hex(&text).unwrap();
        assert_eq!((read.len(), read.capacity()), (length, length));
    }
}

#[test]
fn what_cannot_be_one_is_refused_before_anything_is_sent() {
    assert_eq!(Pin::new(b""), Err(PinError::Empty));
    assert_eq!(Pin::new(b"123456789"), Err(PinError::TooLong { length: 9 }));
    assert_eq!(Pin::new(b"123456\xFF"), Err(PinError::EndsInPadding));
    assert_eq!(Pin::new(&[0xFF; 8]), Err(PinError::EndsInPadding));
    assert_eq!(Puk::new(b"123\xFF"), Err(PinError::EndsInPadding));
    assert_eq!(Puk::new(&[0; 9]), Err(PinError::TooLong { length: 9 }));
    assert_eq!(PinBlock::from_slice(b"123456"), None);
    assert_eq!(PinBlock::from_slice(b"123456789"), None);
    for wrong in [&b"1234567"[..], b"123456789", b"1234567a", b""] {
        assert_eq!(PairingCode::new(wrong), Err(PinError::NotEightDigits));
    }
}

#[test]
fn debug_shows_nothing() {
    let shown = [
        format!("{:?}", Pin::new(b"314159").unwrap()),
        format!("{:?}", Puk::new(b"31415926").unwrap()),
        format!("{:?}", PairingCode::new(b"31415926").unwrap()),
        format!("{:?}", PinBlock::from(*b"31415926")),
    ];
    assert_eq!(
        shown,
        ["Pin(..)", "Puk(..)", "PairingCode(..)", "PinBlock(..)"]
    );
}

proptest! {
    #[test]
    fn equal_if_and_only_if_the_bytes_are(one in any::<[u8; 8]>(), other in any::<[u8; 8]>(), same: bool) {
        let other = if same { one } else { other };
        prop_assert_eq!(PinBlock::from(one) == PinBlock::from(other), one == other);
    }

    #[test]
    fn any_pin_comes_back_as_given(bytes in any::bytes(10)) {
        if let Ok(pin) = Pin::new(&bytes) {
            prop_assert_eq!(pin.as_bytes(), &*bytes);
            let block = pin.padded();
            prop_assert_eq!(block.unpadded(), &*bytes);
        }
        let _ = (Puk::new(&bytes), PairingCode::new(&bytes));
    }
}
