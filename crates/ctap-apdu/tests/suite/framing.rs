//! Messages in APDUs: their bytes, and asking on.

use std::collections::VecDeque;

use ctap_apdu::client_pin::GetKeyAgreement;
use ctap_apdu::framing::{AskOn, MAX_KEEP_ALIVES, Message, Progress, Protocols, Select};
use ctap_apdu::status::CtapStatus;
use ctap_apdu::{
    CallError, CtapCommand, CtapError, GetInfo, MAX_ANSWER, MalformedAnswer, PinProtocol, Reset,
    call,
};
use hex_literal::hex;
use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{AnswerError, CommandError, TypedCommand};
use piv_apdu::status::StatusWord;

type Called<T> = Result<T, CallError<&'static str>>;

/// Calls, with these responses; gives what came of it and what was sent.
fn call_with<C: CtapCommand>(
    command: &C,
    responses: &[&[u8]],
) -> (Called<C::Answer>, Vec<Vec<u8>>) {
    let mut responses: VecDeque<_> = responses.iter().collect();
    let mut sent = Vec::new();
    let answer = call(command, |apdu: &Command| {
        sent.push(apdu.encode_short().unwrap().to_vec());
        let response = responses.pop_front().ok_or("the card is gone")?;
        Ok(Response::decode(response).unwrap())
    });
    (answer, sent)
}

#[test]
fn select_names_the_fido_application() {
    let command = Select.to_command();
    let sent = hex!("00A40400 08 A0000006472F0001 00");
    assert_eq!(*command.encode_short().unwrap(), sent);
    assert_eq!(Select::from_command(&command), Ok(Select));
    let other = command.clone().with_data(&[0xA0; 8]);
    assert_eq!(
        Select::from_command(&other),
        Err(CommandError::Length { length: 8 })
    );
    for (answer, protocols) in [
        ("U2F_V2", Protocols::U2f),
        ("FIDO_2_0", Protocols::Ctap2),
        ("FIDO_3", Protocols::Other("FIDO_3".into())),
        ("", Protocols::Other(String::new())),
    ] {
        let response = Response::new(answer.as_bytes(), StatusWord::SUCCESS);
        let read = Select::decode_answer(&response).unwrap();
        assert_eq!(read, protocols);
        assert_eq!(read.to_string(), answer);
    }
    let absent = Response::from_status(StatusWord::FILE_NOT_FOUND);
    let refused = AnswerError::Status(StatusWord::FILE_NOT_FOUND);
    assert_eq!(Select::decode_answer(&absent), Err(refused));
}

#[test]
fn a_message_and_the_question_whether_it_is_done_are_read_again() {
    let message = Message::new(&GetInfo);
    let command = message.to_command();
    assert_eq!(*command.encode_short().unwrap(), hex!("80108000 01 04 00"));
    assert_eq!(Message::from_command(&command), Ok(message));
    let command = AskOn.to_command();
    assert_eq!(*command.encode_short().unwrap(), hex!("80110000 00"));
    assert_eq!(AskOn::from_command(&command), Ok(AskOn));

    let other_class = Message::new(&Reset).to_command().with_cla(0x00);
    assert_eq!(
        Message::from_command(&other_class),
        Err(CommandError::Class(0x00))
    );
    assert_eq!(
        Message::from_command(&command),
        Err(CommandError::Instruction(0x11))
    );
    assert_eq!(
        AskOn::from_command(&Command::new(0x80, 0x11, 0x11, 0x00)),
        Err(CommandError::Parameters { p1: 0x11, p2: 0 })
    );
}

#[test]
fn an_authenticator_that_is_not_done_is_asked_on() {
    let responses: [&[u8]; 3] = [&hex!("01 9100"), &hex!("02 9100"), &hex!("00 9000")];
    let (answer, sent) = call_with(&Reset, &responses);
    assert_eq!(answer, Ok(()));
    assert_eq!(
        sent,
        [
            hex!("80108000 01 07 00").as_slice(),
            &hex!("80110000 00"),
            &hex!("80110000 00"),
        ]
    );
    let progress = |response: &[u8]| AskOn::decode_answer(&Response::decode(response).unwrap());
    assert_eq!(progress(responses[0]), Ok(Progress::Processing));
    assert_eq!(progress(responses[1]), Ok(Progress::TouchNeeded));
}

#[test]
fn asking_on_has_an_end() {
    let mut sent = 0;
    let answer = call(&Reset, |_| {
        sent += 1;
        Ok::<_, std::convert::Infallible>(Response::decode(&hex!("01 9100")).unwrap())
    });
    let asked = MAX_KEEP_ALIVES;
    assert_eq!(
        answer,
        Err(CallError::Ctap(CtapError::StillProcessing { asked }))
    );
    assert_eq!(sent, 1 + MAX_KEEP_ALIVES);
}

#[test]
fn each_way_to_fail_is_told_apart_and_nothing_is_sent_again() {
    let malformed = CtapError::Malformed;
    let cases: [(&[u8], CtapError); 5] = [
        (&hex!("30 9000"), CtapError::Status(CtapStatus::NOT_ALLOWED)),
        (
            &hex!("6D00"),
            CtapError::Card(StatusWord::INS_NOT_SUPPORTED),
        ),
        (&hex!("9000"), malformed(MalformedAnswer::Empty)),
        (
            &hex!("00 A0 00 9000"),
            malformed(MalformedAnswer::TrailingBytes { length: 1 }),
        ),
        (
            &hex!("00 80 9000"),
            malformed(MalformedAnswer::Cbor { offset: 0 }),
        ),
    ];
    for (response, error) in &cases {
        let (answer, sent) = call_with(&Reset, &[response]);
        assert_eq!(answer, Err(CallError::Ctap(*error)));
        assert_eq!(sent.len(), 1);
    }
    let (answer, sent) = call_with(&Reset, &[]);
    assert_eq!(answer, Err(CallError::Exchange("the card is gone")));
    assert_eq!(sent.len(), 1);
}

#[test]
fn an_empty_map_is_no_answer_either() {
    let (answer, _) = call_with(&Reset, &[&hex!("00 A0 9000")]);
    assert_eq!(answer, Ok(()));
}

#[test]
fn an_answer_longer_than_any_needs_to_be_is_not_read() {
    let mut answer = vec![0; MAX_ANSWER + 1];
    answer[1] = 0xA0;
    let error = MalformedAnswer::TooLong {
        length: MAX_ANSWER + 1,
        max: MAX_ANSWER,
    };
    assert_eq!(
        GetInfo.read_answer(&answer),
        Err(CtapError::Malformed(error))
    );
}

/// A key of zeros, one of another type or on another curve, one that is too short.
#[test]
fn a_key_that_is_no_point_on_the_curve_is_refused() {
    let protocol = PinProtocol::Two;
    let zeros = "00".repeat(32);
    let keys = [
        format!("A501020338182001215820{zeros}225820{zeros}"),
        "A101A1010100".into(),
        "A50102033818200121401F22401F".into(),
        "A3010220022140".into(),
        "A0".into(),
    ];
    for key in keys {
        let answer = piv_apdu::secret::from_hex(&format!("00A101{key}")).unwrap();
        let error = GetKeyAgreement { protocol }
            .read_answer(&answer)
            .unwrap_err();
        assert!(matches!(error, CtapError::Malformed(_)), "{key}: {error}");
    }
}
