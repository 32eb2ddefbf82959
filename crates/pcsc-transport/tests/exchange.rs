//! Exchange by ISO 7816-4 against cards of a few lines.

#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test
#![allow(clippy::unnecessary_wraps)] // a fake's answers are the link's results

mod common;

use common::{Answer, Fake, Log};
use hex_literal::hex;
use pcsc_transport::exchange::{MAX_RESPONSE, MAX_STEPS};
use pcsc_transport::{Card, ExtendedLength, LinkError, Protocol, TransportError};
use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::status::StatusWord;
use proptest::prelude::*;

const GET_CHUID: [u8; 11] = hex!("00 CB 3F FF 05 5C 03 5F C1 02 00");
const GET_CHUID_EXTENDED: [u8; 14] = hex!("00 CB 3F FF 00 00 05 5C 03 5F C1 02 00 00");

fn get_chuid() -> Command {
    Command::decode(&GET_CHUID).unwrap()
}

/// 266 bytes of data, as an RSA-2048 signature has.
fn sign() -> Command {
    Command::new(0x00, 0x87, 0x07, 0x9C)
        .with_data(&[0xAB; 266])
        .with_le(Le::SHORT_MAX)
}

fn verify() -> Command {
    Command::new(0x00, 0x20, 0x00, 0x80).with_data(b"123456\xFF\xFF")
}

fn run(fake: Fake, command: &Command) -> (Result<Response, TransportError>, Log) {
    let (mut card, log) = fake.card();
    let result = exchange(&mut card, command);
    std::mem::forget(card); // what closing does is another test's
    (result, log)
}

fn exchange(card: &mut Card, command: &Command) -> Result<Response, TransportError> {
    card.begin().unwrap().exchange(command)
}

fn script(steps: &[(&[u8], &[u8])]) -> Fake {
    Fake::script(
        steps
            .iter()
            .map(|(command, answer)| (command.to_vec(), Ok(answer.to_vec())))
            .collect(),
    )
}

#[track_caller]
fn assert_answer(result: Result<Response, TransportError>, data: &[u8], status: u16) {
    let response = result.unwrap();
    assert_eq!(response.status(), StatusWord::new(status));
    assert_eq!(response.data(), data);
}

#[test]
fn the_four_cases_in_short_form() {
    let base = || Command::new(0x00, 0x20, 0x01, 0x80);
    let cases: [(Command, &[u8]); 4] = [
        (base(), &hex!("00200180")),
        (base().with_le(Le::SHORT_MAX), &hex!("0020018000")),
        (base().with_data(&[1, 2]), &hex!("00200180020102")),
        (
            base().with_data(&[1, 2]).with_le(Le::SHORT_MAX),
            &hex!("0020018002010200"),
        ),
    ];
    for (command, bytes) in cases {
        let (result, _) = run(script(&[(bytes, &hex!("9000"))]), &command);
        assert_answer(result, &[], 0x9000);
    }
}

#[test]
fn t0_has_no_case_with_both_data_and_le() {
    // ISO 7816-3, 12.2: case 4 goes without Le, case 1 with P3 = 00.
    let steps: &[(&[u8], &[u8])] = &[
        (&GET_CHUID[..10], &hex!("6103")),
        (&hex!("00C0000003"), &hex!("530100 9000")),
    ];
    let (result, _) = run(script(steps).protocol(Protocol::T0), &get_chuid());
    assert_answer(result, &hex!("530100"), 0x9000);

    let query = Command::new(0x00, 0x20, 0x00, 0x80);
    let steps: &[(&[u8], &[u8])] = &[(&hex!("0020008000"), &hex!("63C3"))];
    let (result, _) = run(script(steps).protocol(Protocol::T0), &query);
    assert_answer(result, &[], 0x63C3);
}

#[test]
fn t0_takes_6c_for_a_command_without_le() {
    let command = Command::new(0x80, 0xCA, 0x9F, 0x7F);
    let steps: &[(&[u8], &[u8])] = &[
        (&hex!("80CA9F7F00"), &hex!("6C02")),
        (&hex!("80CA9F7F02"), &hex!("ABCD9000")),
    ];
    let (result, _) = run(script(steps).protocol(Protocol::T0), &command);
    assert_answer(result, &hex!("ABCD"), 0x9000);
}

#[test]
fn t0_never_goes_extended() {
    let fake = Fake::new(|command| {
        assert!(command.len() <= 5 + 255);
        Ok(hex!("9000").to_vec())
    })
    .extended(ExtendedLength::FULL)
    .protocol(Protocol::T0);
    let (result, log) = run(fake, &sign());
    assert_answer(result, &[], 0x9000);
    assert_eq!(log.commands().len(), 2);
}

#[test]
fn long_data_goes_in_a_chain() {
    let fake = Fake::new(|command| {
        let chained = command[0] & 0x10 != 0;
        Ok(if chained {
            hex!("9000").to_vec()
        } else {
            hex!("7C00 9000").to_vec()
        })
    });
    let command = Command::new(0x00, 0xDB, 0x3F, 0xFF)
        .with_data(&[0x5A; 255 * 2 + 1])
        .with_le(Le::SHORT_MAX);
    let (result, log) = run(fake, &command);
    assert_answer(result, &hex!("7C00"), 0x9000);
    let sent = log.commands();
    assert_eq!(sent.len(), 3);
    assert!(sent[0].starts_with("10DB3FFFFF5A") && sent[0].len() == 2 * (5 + 255));
    assert!(sent[1].starts_with("10DB3FFFFF5A") && sent[1].len() == 2 * (5 + 255));
    assert_eq!(sent[2], "00DB3FFF015A00", "Le only with the last block");
}

#[test]
fn a_chain_ends_where_the_card_refuses() {
    let fake = Fake::new(|_| Ok(hex!("6884").to_vec()));
    let (result, log) = run(fake, &sign());
    assert_answer(result, &[], 0x6884);
    assert_eq!(log.commands().len(), 1);
}

#[test]
fn exactly_255_bytes_are_one_block_and_510_two() {
    for (len, blocks) in [(255, 1), (256, 2), (510, 2), (511, 3)] {
        let fake = Fake::new(|_| Ok(hex!("9000").to_vec()));
        let command = Command::new(0x00, 0xDB, 0x3F, 0xFF).with_data(&vec![1; len]);
        let (_, log) = run(fake, &command);
        assert_eq!(log.commands().len(), blocks, "{len} bytes");
    }
}

#[test]
fn announced_data_is_fetched() {
    let steps: &[(&[u8], &[u8])] = &[
        (&GET_CHUID, &hex!("0102 6100")),
        (&hex!("00C0000000"), &hex!("0304 6102")),
        (&hex!("00C0000002"), &hex!("0506 9000")),
    ];
    let (result, _) = run(script(steps), &get_chuid());
    assert_answer(result, &hex!("010203040506"), 0x9000);
}

#[test]
fn get_response_stays_on_the_logical_channel() {
    for (cla, expected) in [
        (0x00, "00"),
        (0x02, "02"),
        (0x0E, "02"),
        (0x45, "45"),
        (0x65, "45"),
        (0x81, "01"),
    ] {
        let fake = Fake::new(|command| {
            Ok(if command[1] == 0xC0 {
                hex!("9000").to_vec()
            } else {
                hex!("6105").to_vec()
            })
        });
        let (_, log) = run(fake, &get_chuid().with_cla(cla));
        assert_eq!(
            log.commands()[1],
            format!("{expected}C0000005"),
            "class {cla:02X}"
        );
    }
}

#[test]
fn a_status_word_after_announced_data_is_kept_with_what_came() {
    let steps: &[(&[u8], &[u8])] = &[
        (&GET_CHUID, &hex!("0102 6100")),
        (&hex!("00C0000000"), &hex!("0304 6282")),
    ];
    let (result, _) = run(script(steps), &get_chuid());
    assert_answer(result, &hex!("01020304"), 0x6282);
}

#[test]
fn wrong_le_is_corrected_once() {
    let steps: &[(&[u8], &[u8])] = &[
        (&GET_CHUID, &hex!("6C02")),
        (
            &hex!("00 CB 3F FF 05 5C 03 5F C1 02 02"),
            &hex!("0102 9000"),
        ),
    ];
    let (result, _) = run(script(steps), &get_chuid());
    assert_answer(result, &hex!("0102"), 0x9000);

    // 6CFF again and again, as some cards do.
    let (result, log) = run(Fake::new(|_| Ok(hex!("6CFF").to_vec())), &get_chuid());
    assert_answer(result, &[], 0x6CFF);
    assert_eq!(log.commands().len(), 2);
}

#[test]
fn wrong_le_in_get_response_is_corrected_once() {
    let steps: &[(&[u8], &[u8])] = &[
        (&GET_CHUID, &hex!("6100")),
        (&hex!("00C0000000"), &hex!("6C03")),
        (&hex!("00C0000003"), &hex!("010203 9000")),
    ];
    let (result, _) = run(script(steps), &get_chuid());
    assert_answer(result, &hex!("010203"), 0x9000);

    let steps: &[(&[u8], &[u8])] = &[
        (&GET_CHUID, &hex!("6100")),
        (&hex!("00C0000000"), &hex!("6C03")),
        (&hex!("00C0000003"), &hex!("6C04")),
    ];
    let (result, _) = run(script(steps), &get_chuid());
    assert!(matches!(result, Err(TransportError::NoProgress { status }) if status.get() == 0x6C04));
}

#[test]
fn a_pin_is_sent_once_whatever_the_card_answers() {
    for status in [0x6C08_u16, 0x6700, 0x6D00, 0x6F00] {
        let fake =
            Fake::new(move |_| Ok(status.to_be_bytes().to_vec())).extended(ExtendedLength::FULL);
        let (result, log) = run(fake, &verify());
        assert_answer(result, &[], status);
        assert_eq!(log.commands().len(), 1, "{status:04X}");
    }
    for ins in [0x24, 0x2C, 0x82] {
        let command = Command::new(0x00, ins, 0x00, 0x80)
            .with_data(&[0x31; 16])
            .with_le(Le::SHORT_MAX);
        let (_, log) = run(Fake::new(|_| Ok(hex!("6C10").to_vec())), &command);
        assert_eq!(log.commands().len(), 1, "{ins:02X}");
    }
}

/// A CTAP message may have a PIN in it, and HOTP moves a counter on.
#[test]
fn what_acts_each_time_that_it_comes_is_sent_once() {
    for (ins, data) in [(0x10, &[0x06, 0xA1][..]), (0x88, &[])] {
        let command = Command::new(0x80, ins, 0x00, 0x00)
            .with_data(data)
            .with_le(Le::SHORT_MAX);
        let (_, log) = run(Fake::new(|_| Ok(hex!("6C03").to_vec())), &command);
        assert_eq!(log.commands().len(), 1, "{ins:02X}");
    }
}

#[test]
fn in_t0_a_wrong_length_repeats_neither_data_nor_a_question_for_a_pin() {
    // 6Cxx says nothing about a command whose data went without Le.
    let answer = |_: &[u8]| Ok(hex!("6C10").to_vec());
    for command in [get_chuid(), sign()] {
        let (result, log) = run(Fake::new(answer).protocol(Protocol::T0), &command);
        assert_answer(result, &[], 0x6C10);
        let commands = log.commands();
        let last = commands.last().unwrap();
        assert_eq!(commands.iter().filter(|sent| *sent == last).count(), 1);
    }
    // P3 = 08 would announce a PIN of eight bytes that never comes.
    let query = Command::new(0x00, 0x20, 0x00, 0x80);
    let fake = Fake::new(|_| Ok(hex!("6C08").to_vec())).protocol(Protocol::T0);
    let (result, log) = run(fake, &query);
    assert_answer(result, &[], 0x6C08);
    assert_eq!(log.commands(), ["0020008000"]);
}

#[test]
fn a_failed_link_is_never_tried_again() {
    for error in [
        LinkError::Reset,
        LinkError::Removed,
        LinkError::Timeout,
        LinkError::NotTransacted,
    ] {
        let text = error.to_string();
        let mut error = Some(error);
        let (result, log) = run(Fake::new(move |_| Err(error.take().unwrap())), &verify());
        assert_eq!(result.unwrap_err().to_string(), text);
        assert_eq!(log.commands().len(), 1);
    }
    // Not even a read, and not even an extended one, after a reset.
    let fake = Fake::new(|_| Err(LinkError::Reset)).extended(ExtendedLength::FULL);
    let (result, log) = run(fake, &get_chuid());
    assert!(matches!(
        result,
        Err(TransportError::Link(LinkError::Reset))
    ));
    assert_eq!(log.commands().len(), 1);
}

#[test]
fn reads_go_extended_where_reader_and_card_take_it() {
    let steps: &[(&[u8], &[u8])] = &[(&GET_CHUID_EXTENDED, &hex!("0102 9000"))];
    let (result, _) = run(script(steps).extended(ExtendedLength::FULL), &get_chuid());
    assert_answer(result, &hex!("0102"), 0x9000);

    // As much as the reader takes.
    let extended = ExtendedLength::Yes {
        max_command: 2_048,
        max_response: 2_048,
    };
    let mut expected = GET_CHUID_EXTENDED;
    expected[12..].copy_from_slice(&2_048_u16.to_be_bytes());
    let steps: &[(&[u8], &[u8])] = &[(&expected, &hex!("0102 9000"))];
    let (result, _) = run(script(steps).extended(extended), &get_chuid());
    assert_answer(result, &hex!("0102"), 0x9000);
}

#[test]
fn what_fits_short_goes_short() {
    let (_, log) = run(
        Fake::new(|_| Ok(hex!("9000").to_vec())).extended(ExtendedLength::FULL),
        &verify(),
    );
    assert_eq!(log.commands(), ["0020008008313233343536FFFF"]);
}

#[test]
fn extended_needs_both_the_readers_and_the_cards_word() {
    let short = |fake: Fake| {
        let (_, log) = run(fake, &get_chuid());
        assert_eq!(log.commands().len(), 1);
        assert_eq!(log.commands()[0].len(), 2 * GET_CHUID.len());
    };
    let ok = |_: &[u8]| Ok(hex!("9000").to_vec());
    short(Fake::new(ok).extended(ExtendedLength::No));
    short(
        Fake::new(ok)
            .extended(ExtendedLength::FULL)
            .atr(common::silent_atr()),
    );
    let tiny = ExtendedLength::Yes {
        max_command: 256,
        max_response: 256,
    };
    short(Fake::new(ok).extended(tiny));
}

/// A card or reader that knows short APDUs only.
fn short_only(refusal: impl Fn() -> Answer + Send + 'static) -> Fake {
    Fake::new(move |command| {
        if command.len() > 5 && command[4] == 0 {
            return refusal();
        }
        Ok(if command[0] & 0x10 != 0 {
            hex!("9000").to_vec()
        } else {
            hex!("0102 9000").to_vec()
        })
    })
}

#[test]
fn a_card_that_refuses_extended_gets_short_from_then_on() {
    for claim in [ExtendedLength::FULL, ExtendedLength::Untested] {
        let fake = short_only(|| Ok(hex!("6700").to_vec())).extended(claim);
        let (mut card, log) = fake.card();
        assert_answer(exchange(&mut card, &get_chuid()), &hex!("0102"), 0x9000);
        assert_answer(exchange(&mut card, &get_chuid()), &hex!("0102"), 0x9000);
        assert_eq!(log.commands().len(), 3, "one extended, two short");
        assert_eq!(card.info().extended_memory.verdict(), Some(false));
    }
}

#[test]
fn a_reader_that_fails_at_extended_gets_short_from_then_on() {
    let refusals: [fn() -> Answer; 2] = [
        || Err(LinkError::NotTransacted),
        || {
            Err(LinkError::Pcsc {
                code: 0x8010_0008,
                message: "insufficient buffer".into(),
            })
        },
    ];
    for refusal in refusals {
        let (mut card, log) = short_only(refusal)
            .extended(ExtendedLength::Untested)
            .card();
        assert_answer(exchange(&mut card, &get_chuid()), &hex!("0102"), 0x9000);
        assert_answer(exchange(&mut card, &get_chuid()), &hex!("0102"), 0x9000);
        assert_eq!(log.commands().len(), 3);
    }
}

#[test]
fn a_reader_that_fails_at_both_forms_is_not_known_for_either() {
    let fake = Fake::new(|_| Err(LinkError::NotTransacted)).extended(ExtendedLength::FULL);
    let (mut card, log) = fake.card();
    exchange(&mut card, &get_chuid()).unwrap_err();
    assert_eq!(log.commands().len(), 2);
    assert_eq!(card.info().extended_memory.verdict(), None);
}

#[test]
fn a_key_is_not_used_again_after_a_readers_error() {
    let fake = short_only(|| Err(LinkError::NotTransacted)).extended(ExtendedLength::FULL);
    let (mut card, log) = fake.card();
    let result = exchange(&mut card, &sign());
    assert!(matches!(
        result,
        Err(TransportError::Link(LinkError::NotTransacted))
    ));
    assert_eq!(log.commands().len(), 1, "not sent again");
    // The caller's own next attempt goes the short way.
    assert_answer(exchange(&mut card, &sign()), &hex!("0102"), 0x9000);
    assert_eq!(log.commands().len(), 3, "in a chain of two");
}

#[test]
fn an_untested_reader_is_tried_out_with_a_read() {
    let fake = Fake::new(|_| Ok(hex!("9000").to_vec())).extended(ExtendedLength::Untested);
    let (mut card, log) = fake.card();
    exchange(&mut card, &sign()).unwrap();
    assert_eq!(log.commands().len(), 2, "a chain");
    exchange(&mut card, &get_chuid()).unwrap();
    exchange(&mut card, &sign()).unwrap();
    assert_eq!(
        log.commands().len(),
        4,
        "extended, once it is known to work"
    );
}

#[test]
fn a_length_that_is_wrong_in_both_forms_says_nothing_about_extended() {
    let fake = Fake::new(|_| Ok(hex!("6700").to_vec())).extended(ExtendedLength::FULL);
    let (mut card, log) = fake.card();
    assert_answer(exchange(&mut card, &get_chuid()), &[], 0x6700);
    assert_eq!(log.commands().len(), 2);
    assert_eq!(card.info().extended_memory.verdict(), None);
}

#[test]
fn links_of_one_reader_share_what_was_found_out() {
    let memory = pcsc_transport::ExtendedMemory::new();
    for expected in [2, 1] {
        let fake = short_only(|| Ok(hex!("6700").to_vec())).extended(ExtendedLength::Untested);
        let log = fake.log();
        let info = pcsc_transport::CardLink::info(&fake).clone();
        let link = WithInfo(fake, info.with_extended_memory(memory.clone()));
        let mut card = Card::new(Box::new(link));
        exchange(&mut card, &get_chuid()).unwrap();
        assert_eq!(log.commands().len(), expected);
    }
}

struct WithInfo(Fake, pcsc_transport::LinkInfo);

impl pcsc_transport::CardLink for WithInfo {
    fn info(&self) -> &pcsc_transport::LinkInfo {
        &self.1
    }
    fn begin(&mut self) -> Result<pcsc_transport::Continuity, LinkError> {
        self.0.begin()
    }
    fn transmit(&mut self, command: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, LinkError> {
        self.0.transmit(command)
    }
    fn end(&mut self, leave: pcsc_transport::Leave) -> Result<(), LinkError> {
        self.0.end(leave)
    }
    fn pin_pad(&mut self) -> pcsc_transport::PinPadFeatures {
        self.0.pin_pad()
    }
    fn verify_on_pin_pad(
        &mut self,
        request: &pcsc_transport::PinVerify,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, LinkError> {
        self.0.verify_on_pin_pad(request)
    }
    fn modify_on_pin_pad(
        &mut self,
        request: &pcsc_transport::PinModify,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, LinkError> {
        self.0.modify_on_pin_pad(request)
    }
}

#[test]
fn endless_data_is_cut_off() {
    let fake = Fake::new(|_| {
        let mut answer = vec![0; 256];
        answer.extend(hex!("6100"));
        Ok(answer)
    });
    let (result, log) = run(fake, &get_chuid());
    assert!(matches!(
        result,
        Err(TransportError::ResponseTooLong {
            limit: MAX_RESPONSE
        })
    ));
    assert_eq!(log.commands().len(), MAX_RESPONSE / 256 + 1);
}

#[test]
fn endless_drops_of_data_are_cut_off() {
    let (result, log) = run(Fake::new(|_| Ok(hex!("01 6101").to_vec())), &get_chuid());
    assert!(matches!(
        result,
        Err(TransportError::TooManySteps { limit: MAX_STEPS })
    ));
    assert_eq!(log.commands().len(), MAX_STEPS);
}

#[test]
fn announced_data_that_never_comes_is_an_error() {
    let (result, log) = run(Fake::new(|_| Ok(hex!("6110").to_vec())), &get_chuid());
    assert!(matches!(result, Err(TransportError::NoProgress { status }) if status.get() == 0x6110));
    assert_eq!(log.commands().len(), 2);
}

#[test]
fn less_than_a_status_word_is_an_error() {
    for len in [0, 1] {
        let (result, _) = run(Fake::new(move |_| Ok(vec![0x90; len])), &get_chuid());
        assert!(matches!(result, Err(TransportError::MalformedResponse { len: l }) if l == len));
    }
}

#[test]
fn round_trips_are_counted() {
    let steps: &[(&[u8], &[u8])] = &[
        (&GET_CHUID, &hex!("6C00")),
        (&GET_CHUID, &hex!("0102 6102")),
        (&hex!("00C0000002"), &hex!("0304 9000")),
    ];
    let (mut card, _) = script(steps).card();
    exchange(&mut card, &get_chuid()).unwrap();
    assert_eq!(card.round_trips(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever a card answers, an exchange ends within its bounds.
    #[test]
    fn a_hostile_card_gets_nowhere(
        data in prop::collection::vec(any::<u8>(), 0..600),
        ins: u8,
        cla: u8,
        le in prop::option::of(1_u32..=65_536),
        answers in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..4),
                // Answers that keep the exchange going.
                (prop::collection::vec(any::<u8>(), 0..64), prop::sample::select(vec![0x61_u8, 0x6C, 0x67, 0x90]), any::<u8>())
                    .prop_map(|(mut answer, sw1, sw2)| { answer.extend([sw1, sw2]); answer }),
            ],
            1..8,
        ),
        extended in prop::sample::select(vec![ExtendedLength::FULL, ExtendedLength::No, ExtendedLength::Untested]),
        t0: bool,
    ) {
        let mut command = Command::new(cla, ins, 0x3F, 0xFF).with_data(&data);
        if let Some(le) = le.and_then(Le::new) {
            command = command.with_le(le);
        }
        let mut answers = answers.into_iter().cycle();
        let protocol = if t0 { Protocol::T0 } else { Protocol::T1 };
        let fake = Fake::new(move |_| Ok(answers.next().unwrap()))
            .extended(extended)
            .protocol(protocol);
        let (result, log) = run(fake, &command);
        prop_assert!(log.commands().len() <= MAX_STEPS);
        if let Ok(response) = result {
            prop_assert!(response.data().len() <= MAX_RESPONSE);
        }
    }

    /// An honest card gets the whole command and its whole answer comes back,
    /// whatever the sizes and whichever way they go.
    #[test]
    fn everything_arrives_whole(
        data in prop::collection::vec(any::<u8>(), 0..1_000),
        answer in prop::collection::vec(any::<u8>(), 0..3_000),
        extended in prop::sample::select(vec![ExtendedLength::FULL, ExtendedLength::No, ExtendedLength::Untested]),
        t0: bool,
    ) {
        let expected = answer.clone();
        let (mut received, mut left) = (Vec::new(), Vec::new());
        let wanted = data.clone();
        let fake = Fake::new(move |bytes| {
            let command = Command::decode(bytes).unwrap();
            if command.ins() == 0xCB {
                received.extend_from_slice(command.data());
                if command.cla() & 0x10 != 0 {
                    return Ok(hex!("9000").to_vec());
                }
                assert_eq!(received, wanted);
                left.clone_from(&answer);
            }
            // In T=0 the answer to a command with data is to be fetched.
            let le = match command.le() {
                None if t0 => 0,
                le => le.map_or(0, |le| usize::try_from(le.get()).unwrap()),
            };
            let rest = left.split_off(le.min(left.len()));
            let mut bytes = std::mem::replace(&mut left, rest);
            bytes.extend(match left.len() {
                0 => [0x90, 0x00],
                1..=255 => [0x61, u8::try_from(left.len()).unwrap()],
                _ => [0x61, 0x00],
            });
            Ok(bytes)
        })
        .extended(extended)
        .protocol(if t0 { Protocol::T0 } else { Protocol::T1 });
        let command = Command::new(0x00, 0xCB, 0x3F, 0xFF)
            .with_data(&data)
            .with_le(Le::SHORT_MAX);
        let (result, _) = run(fake, &command);
        let response = result.unwrap();
        prop_assert_eq!(response.data(), &expected[..]);
        prop_assert!(response.status().is_success());
    }
}
