#![no_main]
//! Answers to reset, and which Crescendo they belong to.

use crescendo_ext::identity::Identity;
use libfuzzer_sys::fuzz_target;
use piv_apdu::atr::Atr;

fuzz_target!(|data: &[u8]| {
    if let Ok(atr) = Atr::parse(data) {
        assert_eq!(atr.as_bytes(), data);
        assert!(atr.historical_bytes().len() <= 15);
        let _ = (
            atr.card_capabilities(),
            atr.checksum(),
            atr.is_contactless_pcsc(),
        );
        let _ = Identity::from_atr(&atr).map(|identity| identity.name());
    }
});
