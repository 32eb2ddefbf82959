//! Answers to reset.

use hex_literal::hex;
use piv_apdu::atr::{Atr, AtrError, Checksum};
use proptest::prelude::*;

/// The HID Crescendo's contact ATRs; their interface bytes are all the same.
const CRESCENDO_CONTACT: [(&[u8], &str); 5] = [
    (&hex!("3BD596FF8191FE1FC34332333030CC"), "C2300"),
    (
        &hex!("3BDA96FF8191FE1FC343323330302D46495053E2"),
        "C2300-FIPS",
    ),
    (&hex!("3BD996FF8191FE1FC343323330302D4B4559BA"), "C2300-KEY"),
    (&hex!("3BD596FF8191FE1FC34334303030C9"), "C4000"),
    (&hex!("3BD996FF8191FE1FC343343030302D4B4559BF"), "C4000-KEY"),
];

const CRESCENDO_CONTACTLESS: [(&[u8], &str); 4] = [
    (&hex!("3B858001433233303046"), "C2300"),
    (&hex!("3B89800143323330302D4B455930"), "C2300-KEY"),
    (&hex!("3B8A800143323330302D4649505368"), "C2300-FIPS"),
    (&hex!("3B8C800143323330302D69434C41535345"), "C2300-iCLASS"),
];

#[test]
fn crescendo_contact() {
    for (bytes, historical) in CRESCENDO_CONTACT {
        let atr = Atr::parse(bytes).unwrap();
        assert_eq!(atr.historical_bytes(), historical.as_bytes());
        assert_eq!(atr.checksum(), Checksum::Correct, "{historical}");
        assert_eq!(atr.protocols().collect::<Vec<_>>(), [1]);
        assert!(!atr.is_contactless_pcsc());
        assert_eq!(atr.card_capabilities(), None);
        let built = Atr::build(0xD, &hex!("96FF8191FE1FC3"), historical.as_bytes());
        assert_eq!(built, Ok(atr));
    }
}

#[test]
fn crescendo_contactless() {
    for (bytes, historical) in CRESCENDO_CONTACTLESS {
        let atr = Atr::parse(bytes).unwrap();
        assert_eq!(atr.historical_bytes(), historical.as_bytes());
        assert_eq!(atr.checksum(), Checksum::Correct, "{historical}");
        assert_eq!(atr.protocols().collect::<Vec<_>>(), [0, 1]);
        assert!(atr.is_contactless_pcsc());
        assert_eq!(Atr::contactless(historical.as_bytes()), Ok(atr));
    }
}

#[test]
fn a_card_of_protocol_t0_has_no_tck() {
    let atr = Atr::parse(&hex!("3B 02 14 50")).unwrap();
    assert_eq!(atr.historical_bytes(), hex!("1450"));
    assert_eq!(atr.checksum(), Checksum::NotUsed);
    assert!(atr.offers_protocol(0) && !atr.offers_protocol(1));
    assert_eq!(atr.as_bytes(), hex!("3B021450"));
    assert_eq!(Atr::build(0, &[], &hex!("1450")), Ok(atr));
    // T=0 may also be said in so many words.
    let atr = Atr::parse(&hex!("3B 82 00 14 50")).unwrap();
    assert_eq!(atr.checksum(), Checksum::NotUsed);
    assert_eq!(atr.protocols().collect::<Vec<_>>(), [0]);
}

#[test]
fn capabilities_from_compact_tlv() {
    let capabilities =
        |historical: &[u8]| Atr::contactless(historical).unwrap().card_capabilities();

    // A YubiKey 5's: 73 with C0 C0 40 ... in category 80.
    let some = capabilities(&hex!("80 73 C021C0")).unwrap();
    assert!(some.extended_length && some.command_chaining);

    let chaining = capabilities(&hex!("80 31 00 73 000080")).unwrap();
    assert!(chaining.command_chaining && !chaining.extended_length);

    // Category 00 ends in three status bytes, which are no data object.
    let category_0 = capabilities(&hex!("00 73 000040 00 9000")).unwrap();
    assert!(category_0.extended_length && !category_0.command_chaining);
    assert_eq!(capabilities(&hex!("00 73 000040")), None);

    assert_eq!(capabilities(&hex!("80 71 C0")), None); // first byte only
    assert_eq!(capabilities(&hex!("80 7F C0")), None); // longer than what is there
    assert_eq!(capabilities(b"C2300"), None);
    assert_eq!(capabilities(&[]), None);
}

#[test]
fn a_wrong_or_missing_tck_is_told_and_not_refused() {
    let (bytes, _) = CRESCENDO_CONTACT[0];
    let mut wrong = bytes.to_vec();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(Atr::parse(&wrong).unwrap().checksum(), Checksum::Wrong);
    let missing = &bytes[..bytes.len() - 1];
    assert_eq!(Atr::parse(missing).unwrap().checksum(), Checksum::Missing);
}

#[test]
fn what_is_no_atr_is_refused() {
    assert_eq!(Atr::parse(&[]), Err(AtrError::Truncated { length: 0 }));
    assert_eq!(Atr::parse(&[0x3B]), Err(AtrError::Truncated { length: 1 }));
    assert_eq!(
        Atr::parse(&hex!("3B 05 01")),
        Err(AtrError::Truncated { length: 3 })
    );
    assert_eq!(
        Atr::parse(&hex!("3C 00")),
        Err(AtrError::InitialCharacter(0x3C))
    );
    assert_eq!(
        Atr::parse(&hex!("3B 00 00")),
        Err(AtrError::TrailingBytes { extra: 1 })
    );
    assert_eq!(
        Atr::parse(&[0x3B; 34]),
        Err(AtrError::TooLong { length: 34 })
    );
    // TD bytes that announce each other until the ATR is full.
    let mut endless = vec![0x3B, 0x80];
    endless.resize(33, 0x80);
    assert_eq!(
        Atr::parse(&endless),
        Err(AtrError::Truncated { length: 33 })
    );

    assert_eq!(
        Atr::build(0, &[], &[0; 16]),
        Err(AtrError::HistoricalTooLong { length: 16 })
    );
    assert!(Atr::build(0x8, &[], b"abc").is_err());
    assert!(Atr::build(0x0, &[1], b"abc").is_err());
    assert!(Atr::build(0x8, &[0x01, 0x00], b"abc").is_err());
}

proptest! {
    #[test]
    fn built_atrs_are_parsed_alike(historical in proptest::collection::vec(any::<u8>(), 0..=15)) {
        for atr in [
            Atr::build(0, &[], &historical),
            Atr::build(0xD, &hex!("96FF8191FE1FC3"), &historical),
            Atr::contactless(&historical),
        ] {
            let atr = atr.unwrap();
            prop_assert_eq!(atr.historical_bytes(), &*historical);
            prop_assert_eq!(Atr::parse(atr.as_bytes()), Ok(atr));
            prop_assert!(matches!(atr.checksum(), Checksum::Correct | Checksum::NotUsed));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(first in prop_oneof![Just(0x3B_u8), any::<u8>()], rest in crate::any::bytes(40)) {
        let mut bytes = vec![first];
        bytes.extend(rest);
        if let Ok(atr) = Atr::parse(&bytes) {
            prop_assert_eq!(atr.as_bytes(), &*bytes);
            let _ = (atr.card_capabilities(), atr.protocols().count(), atr.to_string());
        }
    }
}
