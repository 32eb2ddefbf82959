//! Command and response APDUs.

use hex_literal::hex;
use iso7816::command::{CommandBuilder, CommandView, ExpectedLen};
use piv_apdu::apdu::{Command, DecodeError, EncodeError, Le, Response};
use piv_apdu::status::StatusWord;
use proptest::prelude::*;

use crate::any;

fn command(data: &[u8], le: Option<u32>) -> Command {
    let command = Command::new(0x00, 0x01, 0x02, 0x03).with_data(data);
    match le {
        Some(le) => command.with_le(Le::new(le).unwrap()),
        None => command,
    }
}

#[test]
fn the_four_short_cases() {
    let cases: [(Command, &[u8]); 5] = [
        (command(&[], None), &hex!("00010203")),
        (command(&[], Some(5)), &hex!("0001020305")),
        (command(&[], Some(256)), &hex!("0001020300")),
        (command(&[9, 8], None), &hex!("00010203 02 0908")),
        (command(&[9, 8], Some(256)), &hex!("00010203 02 0908 00")),
    ];
    for (command, bytes) in cases {
        assert_eq!(command.encode_short().unwrap().as_slice(), bytes);
        assert_eq!(Command::decode(bytes), Ok(command));
    }
}

#[test]
fn the_four_extended_cases() {
    let cases: [(Command, &[u8]); 5] = [
        (command(&[], None), &hex!("00010203")),
        (command(&[], Some(5)), &hex!("00010203 000005")),
        (command(&[], Some(65_536)), &hex!("00010203 000000")),
        (command(&[9, 8], None), &hex!("00010203 000002 0908")),
        (
            command(&[9, 8], Some(256)),
            &hex!("00010203 000002 0908 0100"),
        ),
    ];
    for (command, bytes) in cases {
        assert_eq!(command.encode_extended().unwrap().as_slice(), bytes);
        assert_eq!(Command::decode(bytes), Ok(command));
    }
}

#[test]
fn what_does_not_fit_is_refused_and_not_truncated() {
    assert!(command(&[0; 255], Some(256)).encode_short().is_ok());
    assert_eq!(
        command(&[0; 256], None).encode_short(),
        Err(EncodeError::DataTooLong {
            length: 256,
            max: 255
        })
    );
    assert_eq!(
        command(&[], Some(257)).encode_short(),
        Err(EncodeError::LeTooLarge { le: 257, max: 256 })
    );
    let longest = command(&vec![0; 65_535], Some(65_536));
    assert_eq!(longest.encode_extended().unwrap().len(), 4 + 3 + 65_535 + 2);
    assert_eq!(
        command(&vec![0; 65_536], None).encode_extended(),
        Err(EncodeError::DataTooLong {
            length: 65_536,
            max: 65_535
        })
    );
}

#[test]
fn le_is_between_1_and_65536() {
    assert_eq!(Le::new(0), None);
    assert_eq!(Le::new(65_537), None);
    assert_eq!(Le::new(256), Some(Le::SHORT_MAX));
    assert_eq!(Le::new(65_536), Some(Le::EXTENDED_MAX));
}

#[test]
fn lengths_that_do_not_add_up_are_refused() {
    for bytes in [
        &hex!("00010203 02 09")[..],        // Lc promises one more
        &hex!("00010203 01 0908 0000")[..], // two bytes of Le after a short Lc
        &hex!("00010203 00 00")[..],        // half an extended length
        &hex!("00010203 000002 09")[..],
        &hex!("00010203 000000 00")[..], // extended Lc of zero
        &hex!("00010203 000000 0000")[..],
        &hex!("00010203 000001 09 00")[..], // one byte of Le after an extended Lc
        &hex!("00010203 000001 09 000000")[..],
    ] {
        let body = bytes.len() - 4;
        assert_eq!(
            Command::decode(bytes),
            Err(DecodeError::LengthMismatch { body }),
            "{bytes:02X?}"
        );
    }
    assert_eq!(
        Command::decode(&[0, 1, 2]),
        Err(DecodeError::TooShort { length: 3, min: 4 })
    );
}

#[test]
fn a_response_has_a_status_word() {
    let response = Response::decode(&hex!("0102 9000")).unwrap();
    assert_eq!(response.data(), [1, 2]);
    assert_eq!(response.status(), StatusWord::SUCCESS);
    assert_eq!(response.encode().as_slice(), hex!("0102 9000"));
    assert_eq!(*response.into_data(), [1, 2]);
    for short in [&[][..], &[0x90][..]] {
        assert_eq!(
            Response::decode(short),
            Err(DecodeError::TooShort {
                length: short.len(),
                min: 2
            })
        );
    }
}

#[test]
fn debug_shows_no_data() {
    let command = Command::new(0, 0x20, 0, 0x80).with_data(b"31415926");
    assert_eq!(
        format!("{command:?}"),
        "Command(00 20 00 80, 8 data bytes, no Le)"
    );
    let response = Response::new(b"31415926", StatusWord::SUCCESS);
    assert_eq!(format!("{response:?}"), "Response(8 data bytes, 9000)");
}

/// No buffer of an APDU grows, so that none leaves a copy behind.
#[test]
fn buffers_are_allocated_once() {
    let command = command(b"31415926", None);
    let encoded = command.encode_short().unwrap();
    assert_eq!(encoded.capacity(), 4 + 1 + 8);
    let response = Response::new(b"31415926", StatusWord::SUCCESS);
    assert_eq!(response.encode().capacity(), 10);
    assert_eq!(response.into_data().capacity(), 8);
}

proptest! {
    #[test]
    fn short_round_trip(command in any::command(255, 256)) {
        let bytes = command.encode_short().unwrap();
        prop_assert_eq!(Command::decode(&bytes).unwrap(), command);
    }

    #[test]
    fn extended_round_trip(command in any::command(1200, 65_536)) {
        let bytes = command.encode_extended().unwrap();
        prop_assert_eq!(Command::decode(&bytes).unwrap(), command);
    }

    #[test]
    fn response_round_trip(data in any::bytes(300), status in any::<u16>()) {
        let response = Response::new(&data, StatusWord::new(status));
        prop_assert_eq!(Response::decode(&response.encode()).unwrap(), response);
    }

    /// What was decoded is encoded to the same bytes, in one form or the other.
    #[test]
    fn decoding_loses_nothing(bytes in any::bytes(40)) {
        if let Ok(command) = Command::decode(&bytes) {
            let short = command.encode_short().ok();
            let extended = command.encode_extended().ok();
            prop_assert!([short, extended].into_iter().flatten().any(|encoded| *encoded == bytes));
        }
    }

    #[test]
    fn the_apdu_crate_encodes_short_forms_alike(command in any::command(255, 256)) {
        let theirs = apdu::Command {
            cla: command.cla(),
            ins: command.ins(),
            p1: command.p1(),
            p2: command.p2(),
            le: command.le().map(|le| u16::try_from(le.get() % 256).unwrap()),
            payload: (!command.data().is_empty()).then_some(command.data()),
        };
        prop_assert_eq!(&*command.encode_short().unwrap(), &Vec::from(theirs));
    }

    #[test]
    fn the_iso7816_crate_encodes_alike(command in any::command(1200, 65_536)) {
        // That crate knows no class FF and would panic on its own assertion
        // for an absent Le in the forced form without data.
        let Ok(class) = command.cla().try_into() else { return Ok(()) };
        let expected: ExpectedLen = match command.le().map(Le::get) {
            None => 0.into(),
            Some(65_536) => ExpectedLen::Max,
            Some(n) => u16::try_from(n).unwrap().into(),
        };
        let ins = command.ins().into();
        let theirs = CommandBuilder::new(
            class, ins, command.p1(), command.p2(), command.data(), expected);
        if let Ok(short) = command.encode_short() {
            prop_assert_eq!(&*short, &theirs.clone().serialize_to_vec());
        }
        let extended = command.encode_extended().unwrap();
        prop_assert_eq!(&*extended, &theirs.force_extended().serialize_to_vec());
    }

    #[test]
    fn the_iso7816_crate_decodes_alike(bytes in hostile_command()) {
        let ours = Command::decode(&bytes);
        match CommandView::try_from(bytes.as_slice()) {
            Ok(theirs) => {
                // It takes an extended Lc of zero for no data; ISO 7816-3 has no such form.
                let zero_lc = theirs.extended && theirs.data().is_empty() && bytes.len() > 7;
                if zero_lc {
                    prop_assert!(ours.is_err());
                    return Ok(());
                }
                let ours = ours.unwrap();
                prop_assert_eq!(ours.cla(), theirs.class().into_inner());
                prop_assert_eq!(ours.ins(), u8::from(theirs.instruction()));
                prop_assert_eq!((ours.p1(), ours.p2()), (theirs.p1, theirs.p2));
                prop_assert_eq!(ours.data(), theirs.data());
                prop_assert_eq!(ours.le().map_or(0, Le::get) as usize, theirs.expected());
            }
            Err(iso7816::command::FromSliceError::InvalidClass) => {}
            Err(_) => prop_assert!(ours.is_err()),
        }
    }
}

/// Bodies that start like each of the cases, with lengths near the right ones.
fn hostile_command() -> impl Strategy<Value = Vec<u8>> {
    let header = any::<[u8; 4]>().prop_map(|mut header| {
        header[0] &= 0x7F;
        header
    });
    let start = prop_oneof![
        Just(vec![]),
        (0..12_u8).prop_map(|lc| vec![lc]),
        (0..12_u8).prop_map(|lc| vec![0, 0, lc]),
    ];
    (header, start, any::bytes(14))
        .prop_map(|(header, start, rest)| [header.to_vec(), start, rest].concat())
}
