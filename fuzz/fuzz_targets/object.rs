#![no_main]
//! The content of every data object: what was read is written and read again.

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use piv_apdu::object::{
    CardCapabilityContainer, CertificateObject, Chuid, DataObject, Discovery, KeyHistory,
    PairingCodeObject, PrintedInformation, SecurityObject, SmSigner,
};

fn object<T: DataObject + PartialEq + Debug>(content: &[u8]) {
    if let Ok(object) = T::decode(content) {
        assert_eq!(T::decode(&object.encode()).as_ref(), Ok(&object));
    }
}

fuzz_target!(|content: &[u8]| {
    object::<CardCapabilityContainer>(content);
    object::<Chuid>(content);
    object::<Discovery>(content);
    object::<KeyHistory>(content);
    object::<PrintedInformation>(content);
    object::<SecurityObject>(content);
    object::<SmSigner>(content);
    let _ = PairingCodeObject::decode(content);
    if let Ok(object) = CertificateObject::decode(content) {
        assert!(object.certificate.len() <= CertificateObject::MAX_DECOMPRESSED.max(content.len()));
        assert_eq!(
            CertificateObject::decode(&object.encode()).as_ref(),
            Ok(&object)
        );
        let _ = object.parse();
    }
});
