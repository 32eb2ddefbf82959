//! Faults on demand, as a host meets them on a link and through the transport.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use pcsc_transport::{Card, CardLink, Continuity, Leave, LinkError, LinkInfo, TransportError};
use piv_apdu::apdu::{Command, Le};
use piv_apdu::status::StatusWord;
use support::{OK, PIN_STATUS, SELECT_PIV, VERIFY, VERIFY_WRONG, piv, send, send_telling, status};
use virtual_token::fault::{Fault, Faults, MAX_ANSWER};
use virtual_token::{SharedToken, VirtualLink};

/// A link with the PIV applet selected, and a script armed after that.
fn selected(faults: Faults) -> (SharedToken, VirtualLink) {
    let token = piv();
    let mut link = token.link("A");
    send(&mut link, SELECT_PIV).unwrap();
    token.arm(faults);
    (token, link)
}

fn pin_tries(token: &SharedToken) -> u16 {
    token.disarm();
    let mut link = token.link("later");
    send(&mut link, SELECT_PIV).unwrap();
    status(&send(&mut link, PIN_STATUS).unwrap())
}

#[test]
fn a_card_that_vanishes_before_a_command_has_not_executed_it() {
    let (token, mut link) = selected(Faults::new().at(2, Fault::VanishBefore));
    send(&mut link, PIN_STATUS).unwrap();
    assert!(matches!(
        send(&mut link, VERIFY_WRONG),
        Err(LinkError::Removed)
    ));
    assert!(matches!(
        send(&mut link, PIN_STATUS),
        Err(LinkError::Removed)
    ));
    assert!(!token.is_present());
    let tries = token.with(|card| card.to_state());
    let again = SharedToken::new(virtual_token::VirtualToken::from_state(tries).unwrap());
    assert_eq!(pin_tries(&again), 0x63C3);
}

#[test]
fn a_card_that_vanishes_after_a_command_has_executed_it() {
    let (token, mut link) = selected(Faults::new().at(1, Fault::VanishAfter));
    assert!(matches!(
        send(&mut link, VERIFY_WRONG),
        Err(LinkError::Removed)
    ));
    let state = token.with(|card| card.to_state());
    let again = SharedToken::new(virtual_token::VirtualToken::from_state(state).unwrap());
    assert_eq!(pin_tries(&again), 0x63C2);
}

#[test]
fn a_reset_between_transactions_is_told_at_the_next_one() {
    let (_token, mut link) = selected(Faults::new().at(2, Fault::Reset));
    assert_eq!(send(&mut link, VERIFY).unwrap(), OK);
    let (continuity, answer) = send_telling(&mut link, PIN_STATUS).unwrap();
    assert_eq!(continuity, Continuity::Lost);
    assert_ne!(answer, OK, "the applet is gone");
    let (continuity, _) = send_telling(&mut link, SELECT_PIV).unwrap();
    assert_eq!(continuity, Continuity::Unbroken, "it happened once");
}

#[test]
fn a_reset_within_a_transaction_is_an_error_and_nothing_is_executed() {
    for fault in [Fault::Reset, Fault::Unresponsive] {
        let (token, mut link) = selected(Faults::new().at(2, fault.clone()));
        link.begin().unwrap();
        link.transmit(PIN_STATUS).unwrap();
        let error = link.transmit(VERIFY_WRONG).unwrap_err();
        match fault {
            Fault::Reset => assert!(matches!(error, LinkError::Reset)),
            _ => assert!(matches!(error, LinkError::Unresponsive)),
        }
        assert!(link.transmit(VERIFY_WRONG).is_err());
        link.end(Leave::AsIs).unwrap();
        assert_eq!(link.begin().unwrap(), Continuity::Lost);
        link.end(Leave::AsIs).unwrap();
        assert_eq!(pin_tries(&token), 0x63C3);
    }
}

#[test]
fn another_applet_selected_between_transactions_is_told() {
    let (_token, mut link) = selected(Faults::new().at(1, Fault::other_applet()));
    let (continuity, answer) = send_telling(&mut link, PIN_STATUS).unwrap();
    assert_eq!(continuity, Continuity::Shared);
    assert_eq!(status(&answer), 0x6D00, "the security domain answered");
}

#[test]
fn another_applet_selected_within_a_transaction_is_told_at_the_next() {
    let (_token, mut link) = selected(Faults::new().at(2, Fault::other_applet()));
    link.begin().unwrap();
    assert_eq!(status(&link.transmit(PIN_STATUS).unwrap()), 0x63C3);
    assert_eq!(status(&link.transmit(PIN_STATUS).unwrap()), 0x6D00);
    link.end(Leave::AsIs).unwrap();
    assert_eq!(link.begin().unwrap(), Continuity::Shared);
}

#[test]
fn answers_in_place_of_the_cards_leave_the_card_alone() {
    for (fault, expected) in [
        (Fault::Status(StatusWord::new(0x6F00)), vec![0x6F, 0x00]),
        (Fault::Answer(vec![]), vec![]),
        (Fault::Answer(vec![0x90]), vec![0x90]),
        (
            Fault::Answer(vec![1, 2, 0x90, 0x00]),
            vec![1, 2, 0x90, 0x00],
        ),
    ] {
        let (token, mut link) = selected(Faults::new().at(1, fault));
        assert_eq!(send(&mut link, VERIFY_WRONG).unwrap(), expected);
        assert_eq!(status(&send(&mut link, PIN_STATUS).unwrap()), 0x63C3);
        assert_eq!(token.commands(), 3, "they are counted at the card");
    }
}

#[test]
fn a_truncated_answer_is_to_an_executed_command() {
    let (_token, mut link) = selected(Faults::new().at(1, Fault::Truncate(1)));
    assert_eq!(send(&mut link, VERIFY_WRONG).unwrap(), [0x63]);
    assert_eq!(status(&send(&mut link, PIN_STATUS).unwrap()), 0x63C2);
}

#[test]
fn garbage_has_the_length_asked_for_and_a_limit() {
    let (_token, mut link) = selected(
        Faults::new()
            .at(1, Fault::Garbage(40))
            .at(2, Fault::Garbage(usize::MAX))
            .at(3, Fault::oversize(usize::MAX)),
    );
    assert_eq!(send(&mut link, PIN_STATUS).unwrap().len(), 40);
    assert_eq!(send(&mut link, PIN_STATUS).unwrap().len(), MAX_ANSWER);
    assert_eq!(send(&mut link, PIN_STATUS).unwrap().len(), MAX_ANSWER);
}

#[test]
fn reader_errors_leave_the_card_alone() {
    let extended = b"\x00\xCB\x3F\xFF\x00\x00\x03\x5C\x01\x7E\x00\x00";
    let (token, mut link) = selected(
        Faults::new()
            .from(1, Fault::ExtendedError)
            .at(2, Fault::ReaderError),
    );
    assert!(matches!(
        send(&mut link, extended),
        Err(LinkError::NotTransacted)
    ));
    assert!(matches!(
        send(&mut link, VERIFY_WRONG),
        Err(LinkError::NotTransacted)
    ));
    assert_eq!(status(&send(&mut link, PIN_STATUS).unwrap()), 0x63C3);
    assert_eq!(token.commands(), 2);

    token.arm("short-only@1+".parse().unwrap());
    assert_eq!(send(&mut link, extended).unwrap(), [0x67, 0x00]);
    assert_eq!(status(&send(&mut link, PIN_STATUS).unwrap()), 0x63C3);
}

#[test]
fn the_transport_gives_up_on_an_endless_answer() {
    let (token, link) = selected(Faults::new().from(1, Fault::Endless));
    let mut card = Card::new(Box::new(link));
    let mut transaction = card.begin().unwrap();
    let command = Command::new(0x00, 0xCB, 0x3F, 0xFF)
        .with_data(&[0x5C, 0x01, 0x7E])
        .with_le(Le::SHORT_MAX);
    let error = transaction.exchange(&command).unwrap_err();
    assert!(
        matches!(
            error,
            TransportError::ResponseTooLong { .. } | TransportError::TooManySteps { .. }
        ),
        "{error}"
    );
    assert!(token.commands() < 100_000);
}

/// A link that dies is replaced, as a person would insert the card again.
struct Reinserting {
    token: SharedToken,
    link: VirtualLink,
}

impl CardLink for Reinserting {
    fn info(&self) -> &LinkInfo {
        self.link.info()
    }
    fn begin(&mut self) -> Result<Continuity, LinkError> {
        if !self.token.is_present() {
            let state = self.token.with(|card| card.to_state());
            let faults = Faults::new().random(self.token.commands(), 3);
            self.token = SharedToken::new(virtual_token::VirtualToken::from_state(state).unwrap());
            self.token.arm(faults);
            self.link = self.token.link("A");
        }
        self.link.begin()
    }
    fn transmit(&mut self, command: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, LinkError> {
        self.link.transmit(command)
    }
    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        self.link.end(leave)
    }
    fn pin_pad(&mut self) -> pcsc_transport::PinPadFeatures {
        self.link.pin_pad()
    }
    fn verify_on_pin_pad(
        &mut self,
        request: &pcsc_transport::PinVerify,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, LinkError> {
        self.link.verify_on_pin_pad(request)
    }
    fn modify_on_pin_pad(
        &mut self,
        request: &pcsc_transport::PinModify,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, LinkError> {
        self.link.modify_on_pin_pad(request)
    }
}

#[test]
fn the_transport_survives_any_mixture_of_faults() {
    for seed in 0..20 {
        let token = piv();
        let link = token.link("A");
        token.arm(Faults::new().random(seed, 3));
        let mut card = Card::new(Box::new(Reinserting { token, link }));
        let command = Command::new(0x00, 0xCB, 0x3F, 0xFF)
            .with_data(&[0x5C, 0x01, 0x7E])
            .with_le(Le::SHORT_MAX);
        let mut results = [0; 2];
        for _ in 0..50 {
            let Ok(mut transaction) = card.begin() else {
                results[1] += 1;
                continue;
            };
            let selected = transaction.ensure_selected(piv_apdu::aid::PIV);
            let answer = selected.and_then(|_| transaction.exchange(&command));
            results[usize::from(answer.is_err())] += 1;
        }
        assert!(results[0] > 0, "seed {seed}: {results:?}");
    }
}
