#![no_main]
//! The BER-TLV reader: what was read is written and read again.

use libfuzzer_sys::fuzz_target;
use piv_apdu::tlv::{Reader, Tlv, find, write_tlv};

fuzz_target!(|data: &[u8]| {
    let Ok(read) = Reader::new(data).collect::<Result<Vec<Tlv<'_>>, _>>() else {
        return;
    };
    let mut written = Vec::new();
    for tlv in &read {
        write_tlv(&mut written, tlv.tag, tlv.value);
    }
    // Lengths may have been longer than they need be.
    assert!(written.len() <= data.len());
    let again: Result<Vec<Tlv<'_>>, _> = Reader::new(&written).collect();
    assert_eq!(again.as_ref(), Ok(&read));
    if let Some(first) = read.first() {
        assert_eq!(find(data, first.tag), Ok(Some(first.value)));
    }
});
