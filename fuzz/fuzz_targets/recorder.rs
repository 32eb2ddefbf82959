#![no_main]
//! Whatever went over a link: its trace can be read and replayed, and no PIN
//! is in it.

use fuzz::{HostileCard, take_part};
use libfuzzer_sys::fuzz_target;
use pcsc_transport::trace::{Recorder, Replayer, TraceBuffer};
use pcsc_transport::{CardLink, Leave};
use piv_apdu::apdu::Command;

/// A PIN that does not come by chance.
const PIN: &[u8] = b"q5Xz\xE3\x07!\xFF";

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let Some(card) = take_part(&mut rest) else {
        return;
    };
    let buffer = TraceBuffer::new();
    let card = Box::new(HostileCard::new(card));
    let mut recorder = Recorder::new(card, buffer.clone()).expect("memory can be written to");
    let mut went = Vec::new();
    recorder.begin().expect("this card always begins");
    while let Some(command) = take_part(&mut rest) {
        went.push((command.to_vec(), recorder.transmit(command)));
    }
    let verify = Command::new(0x00, 0x20, 0x00, 0x80).with_data(PIN);
    let _ = recorder.transmit(&verify.encode_short().expect("it is short"));
    recorder.end(Leave::AsIs).expect("this card always ends");

    let trace = buffer.text();
    assert!(
        !trace.replace(' ', "").contains("7135587AE30721FF"),
        "{trace}"
    );
    let mut replayer = Replayer::new(&trace)
        .expect("what was recorded can be read")
        .fill_redacted(0);
    replayer.begin().expect("the trace begins");
    for (command, answer) in went {
        let again = replayer.transmit(&command);
        match (&answer, &again) {
            (Ok(answer), Ok(again)) => assert_eq!(answer.len(), again.len(), "{trace}"),
            (Err(_), Err(_)) => {}
            _ => panic!("{answer:?} became {again:?} in\n{trace}"),
        }
    }
});
