//! A PIN typed on the reader: what is sent, what is counted, what is told, and how
//! the card is left.

#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test

mod common;

use common::{Answer, Fake, Log, Seen};
use hex_literal::hex;
use pcsc_transport::trace::{Recorder, Replayer, TraceBuffer};
use pcsc_transport::{
    Card, CardLink, Leave, LinkError, PinDigits, PinModify, PinPadError, PinPadFeatures, PinVerify,
    TransportError,
};
use piv_apdu::aid;

fn verify() -> PinVerify {
    PinVerify::new([0x00, 0x20, 0x00, 0x80], PinDigits::PIV)
}

fn change() -> PinModify {
    PinModify::new([0x00, 0x24, 0x00, 0x80], PinDigits::PIV)
}

/// A reader with a pad in front of a PIV card. A PIN that is asked for on the pad
/// gives this status word; one that is asked about is not verified.
fn reader(status: u16) -> Fake {
    failing_reader(move || Ok(status.to_be_bytes().to_vec()))
}

fn failing_reader(on_pad: impl Fn() -> Answer + Send + 'static) -> Fake {
    Fake::new(move |command| match (command[1], command.len()) {
        (0x20 | 0x24, 13..) => on_pad(),
        (0x20, _) if command[2] == 0x00 => Ok(hex!("63C3").to_vec()),
        _ => Ok(hex!("9000").to_vec()),
    })
    .pad(PinPadFeatures::new(true, true))
}

fn selected(card: &mut Card) -> pcsc_transport::Transaction<'_> {
    let mut transaction = card.begin().unwrap();
    transaction.select(aid::PIV).unwrap();
    transaction
}

fn asked_on_pad(log: &Log) -> usize {
    let all = log.all();
    all.iter().filter(|s| matches!(s, Seen::Pad(_))).count()
}

#[test]
fn what_the_card_says_comes_back_and_counts_as_one_round_trip() {
    for status in [0x9000, 0x63C2, 0x6983] {
        let (mut card, log) = reader(status).card();
        let mut transaction = selected(&mut card);
        assert!(transaction.pin_pad().verify);
        let before = transaction.round_trips();
        let response = transaction.verify_on_pin_pad(&verify()).unwrap();
        assert_eq!(response.status().get(), status);
        let response = transaction.modify_on_pin_pad(&change()).unwrap();
        assert_eq!(response.status().get(), status);
        assert_eq!(transaction.round_trips(), before + 2);
        assert_eq!(transaction.selected(), Some(aid::PIV));
        drop(transaction);
        let pad = PinPadFeatures::new(true, true);
        let structures = [
            verify().structure(pad).unwrap(),
            change().structure(pad).unwrap(),
        ];
        let sent: Vec<_> = log
            .all()
            .into_iter()
            .filter_map(|seen| match seen {
                Seen::Pad(structure) => Some(structure),
                _ => None,
            })
            .collect();
        assert_eq!(sent, structures, "sent once each");
    }
}

#[test]
fn an_accepted_pin_is_logged_out_on_leaving() {
    for by_change in [false, true] {
        let (mut card, log) = reader(0x9000).card();
        let mut transaction = selected(&mut card);
        if by_change {
            transaction.modify_on_pin_pad(&change()).unwrap();
        } else {
            transaction.verify_on_pin_pad(&verify()).unwrap();
        }
        drop(transaction);
        drop(card);
        assert!(log.commands().contains(&"0020FF80".to_owned()));
        assert_eq!(log.ends().last(), Some(&Leave::AsIs));
    }
}

#[test]
fn a_pin_of_another_application_is_locked_by_a_reset() {
    let (mut card, log) = reader(0x9000).card();
    let mut transaction = card.begin().unwrap();
    transaction.select(&hex!("A000000079")).unwrap();
    let digits = PinDigits::new(4, 8).unwrap();
    let request = PinModify::new([0x00, 0x24, 0x01, 0x00], digits);
    transaction.modify_on_pin_pad(&request).unwrap();
    drop(transaction);
    drop(card);
    assert_eq!(log.ends().last(), Some(&Leave::Reset));
}

#[test]
fn a_pin_that_the_card_never_saw_leaves_nothing_to_lock() {
    type Is = fn(&PinPadError) -> bool;
    let cases: [(u16, Is); 5] = [
        (0x6400, |e| matches!(e, PinPadError::Timeout)),
        (0x6401, |e| matches!(e, PinPadError::Cancelled)),
        (0x6402, |e| matches!(e, PinPadError::NewPinsDiffer)),
        (0x6403, |e| matches!(e, PinPadError::PinLength)),
        (0x6B80, |e| matches!(e, PinPadError::Rejected)),
    ];
    for (status, is) in cases {
        let (mut card, log) = reader(status).card();
        let mut transaction = selected(&mut card);
        let error = transaction.verify_on_pin_pad(&verify()).unwrap_err();
        assert!(is(&error) && error.card_saw_nothing(), "{error}");
        let error = transaction.modify_on_pin_pad(&change()).unwrap_err();
        assert!(is(&error) && error.card_saw_nothing(), "{error}");
        assert_eq!(transaction.selected(), Some(aid::PIV));
        drop(transaction);
        drop(card);
        assert_eq!(log.commands().len(), 1, "SELECT and no log-out");
        assert_eq!(log.ends(), [Leave::AsIs]);
        assert_eq!(asked_on_pad(&log), 2, "nothing is asked again by itself");
    }
}

#[test]
fn a_cancelled_entry_leaves_what_was_verified_before_to_be_locked() {
    let mut first = true;
    let (mut card, log) = Fake::new(move |command| {
        Ok(match (command[1], command.len()) {
            (0x20, 13) if std::mem::take(&mut first) => hex!("9000"),
            (0x20, 13) => hex!("6401"),
            (0x20, _) if command[2] == 0 => hex!("63C3"),
            _ => hex!("9000"),
        }
        .to_vec())
    })
    .pad(PinPadFeatures::new(true, true))
    .card();
    let mut transaction = selected(&mut card);
    transaction.verify_on_pin_pad(&verify()).unwrap();
    let error = transaction.verify_on_pin_pad(&verify()).unwrap_err();
    assert!(matches!(error, PinPadError::Cancelled));
    drop(transaction);
    drop(card);
    assert!(log.commands().contains(&"0020FF80".to_owned()));
}

#[test]
fn a_link_that_fails_may_have_verified_the_pin() {
    let (mut card, log) = failing_reader(|| Err(LinkError::NotTransacted)).card();
    let mut transaction = selected(&mut card);
    let error = transaction.verify_on_pin_pad(&verify()).unwrap_err();
    assert!(!error.card_saw_nothing());
    assert!(matches!(
        error,
        PinPadError::Transport(TransportError::Link(LinkError::NotTransacted))
    ));
    assert_eq!(transaction.selected(), None);
    drop(transaction);
    card.close().unwrap();
    assert!(log.commands().contains(&"0020FF80".to_owned()));

    // A card that was reset or is gone is locked.
    let (mut card, log) = failing_reader(|| Err(LinkError::Removed)).card();
    let mut transaction = selected(&mut card);
    transaction.verify_on_pin_pad(&verify()).unwrap_err();
    drop(transaction);
    card.close().unwrap();
    assert_eq!(log.commands().len(), 1);
}

#[test]
fn an_answer_without_a_status_word_is_an_error() {
    for answer in [&[][..], &[0x90]] {
        let (mut card, _) = failing_reader(move || Ok(answer.to_vec())).card();
        let mut transaction = selected(&mut card);
        let error = transaction.verify_on_pin_pad(&verify()).unwrap_err();
        assert!(matches!(
            error,
            PinPadError::Transport(TransportError::MalformedResponse { .. })
        ));
    }
}

#[test]
fn a_reader_without_a_pad_sends_nothing_and_changes_nothing() {
    for pad in [PinPadFeatures::NONE, PinPadFeatures::new(true, false)] {
        let (mut card, log) = reader(0x9000).pad(pad).card();
        let mut transaction = selected(&mut card);
        let before = transaction.round_trips();
        assert_eq!(transaction.pin_pad(), pad);
        let error = transaction.modify_on_pin_pad(&change()).unwrap_err();
        assert!(matches!(error, PinPadError::NoPinPad) && error.card_saw_nothing());
        assert_eq!(transaction.round_trips(), before);
        assert_eq!(transaction.selected(), Some(aid::PIV));
        drop(transaction);
        drop(card);
        assert_eq!(asked_on_pad(&log), 0);
        assert_eq!(log.ends(), [Leave::AsIs]);
    }
}

/// A card on a link that knows nothing of pads.
struct Plain(Fake);

impl CardLink for Plain {
    fn info(&self) -> &pcsc_transport::LinkInfo {
        self.0.info()
    }
    fn begin(&mut self) -> Result<pcsc_transport::Continuity, LinkError> {
        self.0.begin()
    }
    fn transmit(&mut self, command: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, LinkError> {
        self.0.transmit(command)
    }
    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        self.0.end(leave)
    }
}

#[test]
fn a_link_has_no_pad_unless_it_says_so() {
    let mut card = Card::new(Box::new(Plain(reader(0x9000))));
    assert_eq!(card.pin_pad(), PinPadFeatures::NONE);
    let mut transaction = selected(&mut card);
    assert!(matches!(
        transaction.verify_on_pin_pad(&verify()),
        Err(PinPadError::NoPinPad)
    ));
}

/// What a job on a pad gives, in words.
fn job(link: Box<dyn CardLink>) -> Vec<String> {
    let mut card = Card::new(link);
    let mut seen = vec![format!("{:?}", card.pin_pad())];
    let mut transaction = selected(&mut card);
    seen.push(format!("{:?}", transaction.verify_on_pin_pad(&verify())));
    seen.push(format!("{:?}", transaction.modify_on_pin_pad(&change())));
    seen.push(format!("{:?}", transaction.pin_pad()));
    transaction.end().unwrap();
    card.close().unwrap();
    seen
}

#[test]
fn a_pad_is_recorded_and_replayed() {
    let mut pad = PinPadFeatures::new(true, true);
    pad.display = true;
    pad.max_digits = Some(8);
    for status in [0x9000, 0x63C2, 0x6401] {
        let trace = TraceBuffer::new();
        let recorder = Recorder::new(Box::new(reader(status).pad(pad)), trace.clone()).unwrap();
        // Boxed twice: a box of a link forwards too.
        let live = job(Box::new(Box::new(recorder) as Box<dyn CardLink>));
        let text = trace.text();
        assert_eq!(
            text.matches("pin-pad verify modify display max=8\n")
                .count(),
            1
        );
        assert!(text.contains("pad-verify > 0020008008FFFFFFFFFFFFFFFF  # VERIFY PIV PIN"));
        assert!(text.contains("pad-modify > 0024008010FFFF"));
        let replayer = Replayer::new(&text).unwrap();
        assert_eq!(job(Box::new(replayer)), live);
    }
}

#[test]
fn a_failure_on_the_pad_is_recorded_and_replayed() {
    for plain in [false, true] {
        let mut fake = failing_reader(|| Err(LinkError::NotTransacted));
        if plain {
            fake = fake.pad(PinPadFeatures::NONE);
        }
        let trace = TraceBuffer::new();
        let live = job(Box::new(
            Recorder::new(Box::new(fake), trace.clone()).unwrap(),
        ));
        let replayer = Replayer::new(&trace.text()).unwrap();
        assert_eq!(job(Box::new(replayer)), live);
    }
}

#[test]
fn a_pad_shows_no_data_of_an_answer() {
    let trace = TraceBuffer::new();
    let link = failing_reader(|| Ok(hex!("313233343536 9000").to_vec()));
    let mut recorder = Recorder::new(Box::new(link), trace.clone()).unwrap();
    recorder.begin().unwrap();
    // The command before is one whose answer is public.
    recorder.transmit(&hex!("00A4040005A00000030800")).unwrap();
    recorder.verify_on_pin_pad(&verify()).unwrap();
    assert!(!trace.text().contains("313233"), "{}", trace.text());
}

#[test]
fn a_typed_pin_is_not_one_from_the_pad_to_a_replay() {
    let trace = "trace 1\nreader R\natr 3BD596FF8191FE1FC34332333030CC\n\
        link contact T=1 extended=no\npin-pad verify\nbegin shared\n\
        > 00200080 08 FFFFFFFFFFFFFFFF\n< 9000\n";
    let mut replayer = Replayer::new(trace).unwrap();
    assert_eq!(replayer.pin_pad(), PinPadFeatures::new(true, false));
    replayer.begin().unwrap();
    let error = replayer.verify_on_pin_pad(&verify()).unwrap_err();
    assert!(error.to_string().contains("PIN pad"), "{error}");
    assert_eq!(*replayer.transmit(&verify().template()).unwrap(), [0x90, 0]);
    assert!(Replayer::new(&trace.replace("pin-pad verify", "pin-pad veryfy")).is_err());
}
