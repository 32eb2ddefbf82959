//! BER-TLV.

use hex_literal::hex;
use piv_apdu::tlv::{
    self, InvalidTag, Node, Reader, Tag, TemplateError, Tlv, TlvError, TlvErrorKind,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::any;

fn read(bytes: &[u8]) -> Result<Vec<Tlv<'_>>, TlvError> {
    Reader::new(bytes).collect()
}

fn refusal(bytes: &[u8]) -> (TlvErrorKind, usize) {
    let error = read(bytes).unwrap_err();
    (error.kind, error.offset)
}

#[test]
fn tags_of_one_to_three_bytes() {
    let bytes = hex!("5C 01 AA  5F2F 02 BBBB  5FFF7F 00  7F49 01 CC  5FC102 01 DD");
    let found: Vec<_> = read(&bytes)
        .unwrap()
        .into_iter()
        .map(|tlv| (tlv.tag.get(), tlv.value))
        .collect();
    let expected: [(u32, &[u8]); 5] = [
        (0x5C, &[0xAA]),
        (0x5F2F, &[0xBB, 0xBB]),
        (0x5F_FF7F, &[]),
        (0x7F49, &[0xCC]),
        (0x5F_C102, &[0xDD]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn tags_know_their_bytes() {
    for (number, bytes, constructed) in [
        (0x5C, &hex!("5C")[..], false),
        (0x7C, &hex!("7C")[..], true),
        (0x5F2F, &hex!("5F2F")[..], false),
        (0x7F49, &hex!("7F49")[..], true),
        (0x5F_FF7F, &hex!("5FFF7F")[..], false),
        (0xFF_FF7F, &hex!("FFFF7F")[..], true),
        (0x00, &hex!("00")[..], false),
    ] {
        let tag = Tag::new(number);
        assert_eq!(tag.to_bytes(), bytes);
        assert_eq!(tag.len(), bytes.len());
        assert_eq!(tag.is_constructed(), constructed);
        assert_eq!(Tag::from_bytes(bytes), Some(tag));
    }
    assert_eq!(Tag::new(0x5F_C102).to_string(), "5FC102");
    assert_eq!(Tag::new(0x04).to_string(), "04");
}

#[test]
fn numbers_that_are_no_tags() {
    for number in [
        0x1F,
        0x5F,
        0x5C00,
        0x5F81,
        0x5F_2F00,
        0x5F_C181,
        0x5FC1_8101,
    ] {
        assert_eq!(Tag::try_from(number), Err(InvalidTag(number)));
    }
    for bytes in [&[][..], &hex!("5F"), &hex!("5C00"), &hex!("5FC18101")] {
        assert_eq!(Tag::from_bytes(bytes), None);
    }
}

#[test]
fn lengths_may_be_longer_than_need_be() {
    for bytes in [
        &hex!("53 02 0102")[..],
        &hex!("53 8102 0102")[..],
        &hex!("53 820002 0102")[..],
        &hex!("53 83000002 0102")[..],
    ] {
        assert_eq!(tlv::find(bytes, Tag::new(0x53)), Ok(Some(&[1, 2][..])));
    }
}

#[test]
fn what_is_wrong_and_where() {
    let truncated = |claimed, available| TlvErrorKind::TruncatedValue { claimed, available };
    assert_eq!(
        refusal(&hex!("53 01 AA 5F")),
        (TlvErrorKind::TruncatedTag, 3)
    );
    assert_eq!(
        refusal(&hex!("53 01 AA 5FC1")),
        (TlvErrorKind::TruncatedTag, 3)
    );
    assert_eq!(refusal(&hex!("5FC18101 00")), (TlvErrorKind::TagTooLong, 0));
    assert_eq!(refusal(&hex!("53")), (TlvErrorKind::TruncatedLength, 0));
    assert_eq!(
        refusal(&hex!("53 82 01")),
        (TlvErrorKind::TruncatedLength, 0)
    );
    assert_eq!(
        refusal(&hex!("5300 53 80 0000")),
        (TlvErrorKind::IndefiniteLength, 2)
    );
    assert_eq!(
        refusal(&hex!("53 8400000001 AA")),
        (TlvErrorKind::LengthTooLong, 0)
    );
    assert_eq!(refusal(&hex!("53 FF")), (TlvErrorKind::LengthTooLong, 0));
    assert_eq!(refusal(&hex!("53 02 AA")), (truncated(2, 1), 0));
    assert_eq!(
        refusal(&hex!("53 83FFFFFF AA")),
        (truncated(0xFF_FFFF, 1), 0)
    );
    assert_eq!(
        read(&hex!("5300 53 02 AA")).unwrap_err().to_string(),
        "a value claims 2 bytes where 1 are left at byte 2"
    );
}

#[test]
fn an_error_ends_the_reading() {
    let bytes = hex!("53 00 53 80 53 00");
    let mut reader = Reader::new(&bytes);
    assert!(reader.next().unwrap().is_ok());
    assert!(reader.next().unwrap().is_err());
    assert_eq!(reader.next(), None);
}

#[test]
fn padding_is_not_skipped() {
    assert_eq!(read(&hex!("00 00 53 00")).unwrap()[0].tag, Tag::new(0));
}

#[test]
fn find_and_require() {
    let bytes = hex!("4F 01 AA 50 00 4F 01 BB");
    assert_eq!(tlv::find(&bytes, Tag::new(0x4F)), Ok(Some(&[0xAA][..])));
    assert_eq!(tlv::find(&bytes, Tag::new(0x50)), Ok(Some(&[][..])));
    assert_eq!(tlv::find(&bytes, Tag::new(0x51)), Ok(None));
    let tag = Tag::new(0x51);
    assert_eq!(
        tlv::require(&bytes, tag),
        Err(TemplateError::Missing { tag })
    );
}

#[test]
fn lengths_are_written_short() {
    for (length, header) in [
        (0, &hex!("53 00")[..]),
        (127, &hex!("53 7F")),
        (128, &hex!("53 8180")),
        (255, &hex!("53 81FF")),
        (256, &hex!("53 820100")),
        (65_535, &hex!("53 82FFFF")),
        (65_536, &hex!("53 83010000")),
        (0x0100_0000, &hex!("53 8401000000")),
    ] {
        let value = vec![0xAA; length];
        let encoded = tlv::encode(&[Node::Value(Tag::new(0x53), &value)]);
        assert_eq!(&encoded[..header.len()], header);
        assert_eq!(encoded.len(), header.len() + length);
        assert_eq!(encoded.len(), tlv::encoded_len(Tag::new(0x53), length));
        assert_eq!(encoded.capacity(), encoded.len());
        let mut appended = vec![];
        tlv::write_tlv(&mut appended, Tag::new(0x53), &value);
        assert_eq!(appended, *encoded);
    }
}

#[test]
fn templates_nest() {
    let inner = [Node::Value(Tag::new(0x80), &[0x11])];
    let outer = [
        Node::Template(Tag::new(0xAC), &inner),
        Node::Value(Tag::new(0x50), b"x"),
    ];
    let encoded = tlv::encode(&[Node::Template(Tag::new(0x61), &outer)]);
    assert_eq!(*encoded, hex!("61 08 AC 03 80 01 11 50 01 78"));
}

proptest! {
    #[test]
    fn round_trip(objects in vec((any::tag(), any::bytes(300)), 0..6)) {
        let nodes: Vec<_> = objects.iter().map(|(tag, value)| Node::Value(*tag, value)).collect();
        let encoded = tlv::encode(&nodes);
        prop_assert_eq!(encoded.capacity(), encoded.len());
        let decoded: Vec<_> = read(&encoded).unwrap().into_iter()
            .map(|tlv| (tlv.tag, tlv.value.to_vec())).collect();
        prop_assert_eq!(decoded, objects);
    }

    #[test]
    fn tags_round_trip(tag in any::tag()) {
        prop_assert_eq!(Tag::from_bytes(&tag.to_bytes()), Some(tag));
        prop_assert_eq!(Tag::try_from(tag.get()), Ok(tag));
    }

    /// Every value lies within the bytes, in order; the reader stops.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::bytes(64)) {
        let mut reader = Reader::new(&bytes);
        let mut count = 0;
        let mut left = bytes.len();
        while let Some(next) = reader.next() {
            count += 1;
            match next {
                Ok(tlv) => {
                    let used = left - reader.remaining().len();
                    prop_assert!(used >= tlv.tag.len() + 1 + tlv.value.len());
                    left = reader.remaining().len();
                }
                Err(error) => prop_assert_eq!(error.offset, bytes.len() - left),
            }
        }
        prop_assert!(count <= bytes.len());
    }

    /// Cutting an encoding short anywhere but between two objects is noticed.
    #[test]
    fn truncation_is_noticed(tag in any::tag(), value in any::bytes(300), cut in any::<prop::sample::Index>()) {
        let encoded = tlv::encode(&[Node::Value(tag, &value)]);
        let cut = cut.index(encoded.len());
        if cut > 0 {
            prop_assert_eq!(read(&encoded[..cut]).unwrap_err().offset, 0);
        }
    }
}
