//! A card may answer anything: a load then ends, in bounded time, with a token
//! or an error, and never with a panic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod common;

use std::sync::{Arc, Mutex};

use common::{FakePiv, tlv};
use pcsc_transport::{Card, CardLink, Continuity, ExtendedLength, Leave, LinkError, LinkInfo};
use piv_apdu::Zeroizing;
use piv_apdu::atr::Atr;
use proptest::prelude::*;
use token_manager::{LoadOptions, load};

/// No load of an honest card comes near it, and none of a hostile one may pass
/// it: a few dozen reads of a bounded number of round-trips each.
const MOST_ROUND_TRIPS: u64 = 20_000;

/// Answers each command with the next of these, round and round.
struct Scripted {
    info: LinkInfo,
    answers: Vec<Vec<u8>>,
    sent: usize,
    log: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl CardLink for Scripted {
    fn info(&self) -> &LinkInfo {
        &self.info
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        Ok(Continuity::Lost)
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.log.lock().unwrap().push(command.to_vec());
        let answer = &self.answers[self.sent % self.answers.len()];
        self.sent += 1;
        Ok(Zeroizing::new(answer.clone()))
    }

    fn end(&mut self, _leave: Leave) -> Result<(), LinkError> {
        Ok(())
    }
}

fn load_scripted(historical: &[u8], extended: ExtendedLength, answers: Vec<Vec<u8>>, all: bool) {
    let atr = Atr::contactless(historical).unwrap();
    let log = Arc::default();
    let link = Scripted {
        info: LinkInfo::new("Hostile", atr)
            .with_interface(pcsc_transport::Interface::Contact)
            .with_extended(extended),
        answers,
        sent: 0,
        log: Arc::clone(&log),
    };
    let mut card = Card::new(Box::new(link));
    let options = LoadOptions::new().with_all(all).with_timeout(None);
    let outcome = load(&mut card, &options);
    assert!(
        card.round_trips() <= MOST_ROUND_TRIPS,
        "{}",
        card.round_trips()
    );
    if let Ok(token) = outcome {
        assert_eq!(token.round_trips, card.round_trips());
        // What is shown can be shown.
        let _ = format!("{token:?} {} {:?}", token.pin_policy, token.identity.id());
    }
    assert_only_reads(&log.lock().unwrap());
}

/// SELECT, GET RESPONSE, GET DATA (both kinds), GET PROPERTIES, empty VERIFY, and of
/// CTAP authenticatorGetInfo and getPINRetries: nothing else, whatever the card says.
fn assert_only_reads(log: &[Vec<u8>]) {
    for apdu in log {
        match apdu[1] {
            0xA4 | 0xC0 | 0xCB | 0xCA | 0x56 => {}
            0x20 => assert_eq!((apdu.len(), apdu[2]), (4, 0), "{apdu:02X?}"),
            0x10 if apdu[0] == 0x80 => {
                // Both fit a short APDU, or an extended one of the same data.
                let data = if apdu[4] == 0 { &apdu[7..] } else { &apdu[5..] };
                // authenticatorClientPIN {1: protocol, 2: getPINRetries (1)}
                let is_retries = matches!(data, [0x06, 0xA2, 0x01, _, 0x02, 0x01, ..]);
                assert!(data[0] == 0x04 || is_retries, "{apdu:02X?}");
            }
            _ => panic!("not a read: {apdu:02X?}"),
        }
    }
}

fn historical() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(vec![
        b"C2300".as_slice(),
        b"C2300-KEY",
        b"C4000",
        b"C4000-KEY",
        b"\x80\x73\x00\x00\xC0",
        b"",
    ])
}

fn extended() -> impl Strategy<Value = ExtendedLength> {
    prop::sample::select(vec![
        ExtendedLength::No,
        ExtendedLength::Untested,
        ExtendedLength::FULL,
    ])
}

/// Data followed by a status word that keeps things going more often than not.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        (
            prop::sample::select(vec![
                0x53_u32, 0x61, 0x6F, 0x7E, 0x31, 0x70, 0x50, 0x51, 0x9F7F
            ]),
            prop::collection::vec(any::<u8>(), 0..300)
        )
            .prop_map(|(tag, value)| tlv(tag, &value)),
    ];
    let status = prop_oneof![
        6 => Just(vec![0x90, 0x00]),
        2 => any::<u8>().prop_map(|low| vec![0x61, low]),
        1 => any::<u8>().prop_map(|low| vec![0x6C, low]),
        1 => any::<[u8; 2]>().prop_map(Vec::from),
        1 => Just(Vec::new()),
    ];
    (data, status).prop_map(|(data, status)| [data, status].concat())
}

/// A GET PIV PROPERTIES answer full of containers.
fn properties() -> impl Strategy<Value = Vec<u8>> {
    let object = any::<[u8; 2]>().prop_map(|tag| tlv(0x50, &tlv(0x47, &[0x5F, tag[0], tag[1]])));
    let key = (any::<u8>(), any::<[u8; 5]>()).prop_map(|(key, attributes)| {
        let mut block = tlv(0x48, &[key]);
        block.extend(tlv(0x43, &attributes));
        tlv(0x51, &block)
    });
    prop::collection::vec(prop_oneof![object, key], 0..400)
        .prop_map(|blocks| [tlv(0x53, &blocks.concat()), vec![0x90, 0x00]].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_answers_end_in_a_token_or_an_error(
        historical in historical(),
        extended in extended(),
        answers in prop::collection::vec(answer(), 1..40),
        all: bool,
    ) {
        load_scripted(historical, extended, answers, all);
    }

    #[test]
    fn any_list_of_containers_ends(
        key: bool,
        properties in properties(),
        answers in prop::collection::vec(answer(), 1..10),
    ) {
        // Everything before GET PIV PROPERTIES is answered with success.
        let (historical, before) = if key { (b"C2300-KEY".as_slice(), 8) } else { (b"C4000".as_slice(), 5) };
        let mut script = vec![vec![0x90, 0x00]; before];
        script.push(properties);
        script.extend(answers);
        load_scripted(historical, ExtendedLength::FULL, script, false);
    }

    /// An honest card with one byte of one answer changed.
    #[test]
    fn one_wrong_byte_is_survived(command in 1_usize..=10, place: usize, flip in 1_u8..) {
        let mut honest = FakePiv::new(true);
        let card = FakePiv::new(true).with_fault(move |number, apdu| {
            let mut answer = honest.transmit(apdu).unwrap().to_vec();
            if number == command {
                let at = place % answer.len();
                answer[at] ^= flip;
            }
            Some(Ok(answer))
        });
        let log = card.log();
        let mut card = card.card();
        let outcome = load(&mut card, &LoadOptions::default());
        if let Ok(token) = outcome {
            prop_assert!(token.certificates.len() >= 4);
            let spoilt = token.certificates.iter().take(4).filter(|entry| entry.certificate().is_none());
            prop_assert!(spoilt.count() <= 1);
        } else {
            // Only SELECT's own answer can make it not a PIV card.
            prop_assert_eq!(command, 1);
        }
        assert_only_reads(&log.lock().unwrap());
    }
}
