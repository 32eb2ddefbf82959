//! The conversion to the `apdu` crate's command.

use piv_apdu::apdu::{Command, ConversionError, Le};
use proptest::prelude::*;

use crate::any;

proptest! {
    #[test]
    fn a_converted_command_has_the_same_bytes(command in any::command(255, 256)) {
        let theirs = apdu::Command::try_from(&command).unwrap();
        prop_assert_eq!(theirs.len(), command.encode_short().unwrap().len());
        prop_assert_eq!(&Vec::from(theirs), &*command.encode_short().unwrap());
    }
}

#[test]
fn what_that_crate_would_truncate_is_refused() {
    let long = Command::new(0, 0xDB, 0x3F, 0xFF).with_data(&[0; 256]);
    assert_eq!(
        apdu::Command::try_from(&long).unwrap_err(),
        ConversionError::DataTooLong { length: 256 }
    );
    let wide = Command::new(0, 0xCB, 0x3F, 0xFF).with_le(Le::EXTENDED_MAX);
    assert_eq!(
        apdu::Command::try_from(&wide).unwrap_err(),
        ConversionError::LeTooLarge { le: 65_536 }
    );
}
