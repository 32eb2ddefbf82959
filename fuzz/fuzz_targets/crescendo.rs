#![no_main]
//! What a Crescendo answers beyond the standard.

use crescendo_ext::aca::{AcaSelectAnswer, PinProperties};
use crescendo_ext::cplc::Cplc;
use crescendo_ext::properties::PivProperties;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(answer) = AcaSelectAnswer::decode(data) {
        assert_eq!(AcaSelectAnswer::decode(&answer.encode()), Ok(answer));
    }
    if let Ok(answer) = PinProperties::decode(data) {
        assert_eq!(PinProperties::decode(&answer.encode()), Ok(answer));
    }
    if let Ok(answer) = Cplc::decode(data) {
        assert_eq!(answer.serial().len(), 20);
        assert_eq!(Cplc::decode(&answer.encode()), Ok(answer));
    }
    if let Ok(answer) = PivProperties::decode(data) {
        // Damage is not written again, unless in a block that is kept raw.
        let mut again =
            PivProperties::decode(&answer.encode()).expect("what was read can be written");
        again.damaged = answer.damaged;
        assert_eq!(again, answer);
    }
});
