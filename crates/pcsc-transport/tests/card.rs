//! What a card remembers of its state, and how it is left.

#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test
#![allow(clippy::unnecessary_wraps)] // a fake's answers are the link's results

mod common;

use common::{Answer, Fake, Log, Seen};
use hex_literal::hex;
use pcsc_transport::{Card, Continuity, Exchange, Leave, LinkError, SendError, TransportError};
use piv_apdu::apdu::{Command, Le};
use piv_apdu::command::{AnswerError, GetData};
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;

const PIV: &[u8] = &hex!("A000000308000010000100");
const ACA: &[u8] = &hex!("A0000000791000");
const SELECT_PIV: &str = "00A404000BA00000030800001000010000";
const LOG_OUT_PIN: &str = "0020FF80";
const QUERY_PIN: &str = "00200080";

fn ok() -> Answer {
    Ok(hex!("9000").to_vec())
}

/// Answers 9000 to everything.
fn willing() -> Fake {
    Fake::new(|_| ok())
}

/// Answers 9000 to everything, but that the PIN is not verified to who asks.
fn locking() -> Fake {
    Fake::new(|command| {
        if hex!("00200080") == command {
            return Ok(hex!("63C3").to_vec());
        }
        ok()
    })
}

/// Answers what the function says for the instruction and P1, else 9000.
fn answering(status: impl Fn(u8, u8) -> u16 + Send + 'static) -> Fake {
    Fake::new(move |command| Ok(status(command[1], command[2]).to_be_bytes().to_vec()))
}

fn verify() -> Command {
    Command::new(0x00, 0x20, 0x00, 0x80).with_data(b"123456\xFF\xFF")
}

fn select_and(card: &mut Card, command: &Command) {
    let mut transaction = card.begin().unwrap();
    transaction.ensure_selected(PIV).unwrap();
    let _ = transaction.exchange(command);
    transaction.end().unwrap();
}

fn selects(log: &Log) -> usize {
    log.commands()
        .iter()
        .filter(|c| c.starts_with("00A4"))
        .count()
}

#[test]
fn an_applet_is_selected_once_within_a_transaction() {
    let (mut card, log) = willing().card();
    let mut transaction = card.begin().unwrap();
    assert!(transaction.ensure_selected(PIV).unwrap().is_some());
    assert!(transaction.ensure_selected(PIV).unwrap().is_none());
    assert_eq!(transaction.selected(), Some(PIV));
    assert!(transaction.ensure_selected(ACA).unwrap().is_some());
    assert!(transaction.ensure_selected(PIV).unwrap().is_some());
    assert_eq!(selects(&log), 3);
}

#[test]
fn between_transactions_it_depends_on_who_could_have_been_there() {
    for (continuity, expected) in [
        (Continuity::Unbroken, 1),
        (Continuity::Shared, 2),
        (Continuity::Lost, 2),
    ] {
        let (mut card, log) = willing()
            .begins(vec![Ok(Continuity::Shared), Ok(continuity)])
            .card();
        for _ in 0..2 {
            let mut transaction = card.begin().unwrap();
            transaction.ensure_selected(PIV).unwrap();
        }
        assert_eq!(selects(&log), expected, "{continuity:?}");
        assert_eq!(card.begin().unwrap().continuity(), Continuity::Shared);
    }
}

#[test]
fn a_refused_select_selects_nothing() {
    let (mut card, log) = answering(|_, _| 0x6A82).card();
    let mut transaction = card.begin().unwrap();
    let answer = transaction.ensure_selected(PIV).unwrap().unwrap();
    assert_eq!(answer.status(), StatusWord::FILE_NOT_FOUND);
    assert_eq!(transaction.selected(), None);
    transaction.ensure_selected(PIV).unwrap();
    assert_eq!(selects(&log), 2);
}

#[test]
fn an_error_half_way_makes_the_selection_uncertain() {
    let fake = Fake::new(|command| {
        if command[1] == 0xCB {
            Err(LinkError::NotTransacted)
        } else {
            ok()
        }
    });
    let (mut card, log) = fake.card();
    let mut transaction = card.begin().unwrap();
    transaction.ensure_selected(PIV).unwrap();
    let error = transaction
        .send(&GetData::new(ObjectTag::CHUID))
        .unwrap_err();
    assert!(matches!(
        error,
        SendError::Transport(TransportError::Link(LinkError::NotTransacted))
    ));
    assert_eq!(transaction.selected(), None);
    transaction.ensure_selected(PIV).unwrap();
    assert_eq!(selects(&log), 2);
}

#[test]
fn selects_by_other_ways_are_noticed() {
    let (mut card, _) = willing().card();
    let mut transaction = card.begin().unwrap();
    transaction.raw(&hex!("00A4040007A0000000791000")).unwrap();
    assert_eq!(transaction.selected(), Some(ACA));
    let select = Command::new(0x00, 0xA4, 0x04, 0x00)
        .with_data(PIV)
        .with_le(Le::SHORT_MAX);
    transaction.exchange(&select).unwrap();
    assert_eq!(transaction.selected(), Some(PIV));
    // Another logical channel is another story.
    transaction
        .exchange(&select.clone().with_cla(0x01))
        .unwrap();
    assert_eq!(transaction.selected(), Some(PIV));
    // The next application with that identifier: which one is not known.
    transaction.raw(&hex!("00A4040207A0000000791000")).unwrap();
    assert_eq!(transaction.selected(), None);
    transaction.select(PIV).unwrap();
    transaction.forget_selected();
    assert_eq!(transaction.selected(), None);
}

#[test]
fn reset_card_makes_the_selection_uncertain() {
    let (mut card, _) = willing().card();
    let mut transaction = card.begin().unwrap();
    transaction.select(ACA).unwrap();
    transaction
        .exchange(&Command::new(0x00, 0x38, 0x00, 0x00))
        .unwrap();
    assert_eq!(transaction.selected(), None);
}

#[test]
fn typed_commands_tell_refusal_from_failure() {
    let (mut card, _) = answering(|ins, _| if ins == 0xCB { 0x6A82 } else { 0x9000 }).card();
    let mut transaction = card.begin().unwrap();
    let error = transaction
        .send(&GetData::new(ObjectTag::CHUID))
        .unwrap_err();
    assert!(matches!(
        error,
        SendError::Answer(AnswerError::Status(StatusWord::FILE_NOT_FOUND))
    ));
    // The same through the trait, as a layer in between would.
    let error = Exchange::send(&mut &mut transaction, &GetData::new(ObjectTag::CHUID)).unwrap_err();
    assert!(matches!(error, SendError::Answer(_)));
}

#[test]
fn a_transaction_ends_once_however_it_ends() {
    let (mut card, log) = willing().card();
    card.begin().unwrap().end().unwrap();
    drop(card.begin().unwrap());
    card.begin().unwrap().reset().unwrap();
    // Forgotten: ended before the next one.
    std::mem::forget(card.begin().unwrap());
    drop(card.begin().unwrap());
    card.close().unwrap();
    assert_eq!(
        log.ends(),
        [
            Leave::AsIs,
            Leave::AsIs,
            Leave::Reset,
            Leave::AsIs,
            Leave::AsIs
        ]
    );
    let begins = log
        .all()
        .iter()
        .filter(|seen| **seen == Seen::Begin)
        .count();
    assert_eq!(begins, 5);
}

#[test]
fn without_a_pin_the_card_is_left_alone() {
    let (mut card, log) = willing().card();
    let query = Command::new(0x00, 0x20, 0x00, 0x80);
    select_and(&mut card, &query);
    card.close().unwrap();
    assert_eq!(log.commands(), [SELECT_PIV, "00200080"]);
    assert_eq!(log.ends(), [Leave::AsIs]);
    assert_eq!(log.all().last(), Some(&Seen::Closed));
}

#[test]
fn a_verified_pin_is_logged_out_on_closing_and_on_dropping() {
    for close in [true, false] {
        let (mut card, log) = locking().card();
        select_and(&mut card, &verify());
        if close {
            card.close().unwrap();
        } else {
            drop(card);
        }
        // Others may have selected something else in between.
        let commands = log.commands();
        assert_eq!(commands[2..], [SELECT_PIV, LOG_OUT_PIN, QUERY_PIN]);
        assert_eq!(log.ends(), [Leave::AsIs, Leave::AsIs]);
    }
}

#[test]
fn a_card_that_cannot_log_out_is_reset() {
    for refusal in [0x6A86, 0x6D00] {
        let fake = answering(move |ins, p1| {
            if (ins, p1) == (0x20, 0xFF) {
                refusal
            } else {
                0x9000
            }
        });
        let (mut card, log) = fake.card();
        select_and(&mut card, &verify());
        card.close().unwrap();
        assert_eq!(log.ends(), [Leave::AsIs, Leave::Reset]);
    }
}

#[test]
fn a_card_that_says_it_logged_out_and_did_not_is_reset() {
    // It ignores P1 and answers that the PIN is verified.
    let (mut card, log) = willing().card();
    select_and(&mut card, &verify());
    card.close().unwrap();
    assert_eq!(log.commands()[2..], [SELECT_PIV, LOG_OUT_PIN, QUERY_PIN]);
    assert_eq!(log.ends(), [Leave::AsIs, Leave::Reset]);
}

#[test]
fn only_the_piv_application_is_sent_a_log_out() {
    let change_in_aca = Command::new(0x00, 0x24, 0x01, 0x00).with_data(&[0x31; 16]);
    let verify_in_aca = Command::new(0x00, 0x20, 0x00, 0x00).with_data(&[0x31; 8]);
    for command in [verify_in_aca, change_in_aca] {
        let (mut card, log) = locking().card();
        let mut transaction = card.begin().unwrap();
        transaction.select(ACA).unwrap();
        transaction.exchange(&command).unwrap();
        // A question with P1 = FF there: what it means nobody knows.
        transaction.raw(&hex!("0020FF00")).unwrap();
        transaction.end().unwrap();
        card.close().unwrap();
        assert_eq!(log.commands().len(), 3, "nothing more is sent");
        assert_eq!(log.ends(), [Leave::AsIs, Leave::Reset]);
    }
}

#[test]
fn what_is_verified_in_another_way_than_the_standards_is_reset() {
    for cla in [0x01, 0x80] {
        let (mut card, log) = locking().card();
        select_and(&mut card, &verify().with_cla(cla));
        card.close().unwrap();
        assert_eq!(log.ends(), [Leave::AsIs, Leave::Reset], "{cla:02X}");
    }
    // P1 = FF with data is no log-out, and may have been a verification.
    let (mut card, log) = locking().card();
    let odd = Command::new(0x00, 0x20, 0xFF, 0x80).with_data(&[0x31; 8]);
    select_and(&mut card, &verify());
    select_and(&mut card, &odd);
    card.close().unwrap();
    assert_eq!(log.commands().last().unwrap(), QUERY_PIN);
}

#[test]
fn a_reset_that_failed_locks_nothing() {
    let (mut card, log) = locking().ends(vec![Err(LinkError::NotTransacted)]).card();
    let mut transaction = card.begin().unwrap();
    transaction.select(PIV).unwrap();
    transaction.exchange(&verify()).unwrap();
    transaction.reset().unwrap_err();
    card.close().unwrap();
    assert_eq!(
        log.commands()[2..],
        [SELECT_PIV, LOG_OUT_PIN, QUERY_PIN].map(str::to_owned)
    );
}

#[test]
fn a_refused_pin_or_one_logged_out_leaves_nothing_to_undo() {
    let (mut card, log) = answering(|ins, _| if ins == 0x20 { 0x63C2 } else { 0x9000 }).card();
    select_and(&mut card, &verify());
    card.close().unwrap();
    assert_eq!(log.ends(), [Leave::AsIs]);

    let (mut card, log) = willing().card();
    select_and(&mut card, &verify());
    select_and(&mut card, &Command::new(0x00, 0x20, 0xFF, 0x80));
    card.close().unwrap();
    assert_eq!(log.ends(), [Leave::AsIs, Leave::AsIs]);
}

#[test]
fn a_wrong_pin_after_a_right_one_is_undone_all_the_same() {
    let mut verified = 0;
    let fake = Fake::new(move |command| {
        if command[1..3] == [0x20, 0x00] {
            verified += 1;
        }
        Ok(if verified == 2 {
            hex!("6A80").to_vec()
        } else {
            hex!("9000").to_vec()
        })
    });
    let (mut card, log) = fake.card();
    select_and(&mut card, &verify());
    select_and(&mut card, &verify());
    card.close().unwrap();
    assert_eq!(log.ends().len(), 3);
}

#[test]
fn a_pin_whose_answer_was_lost_counts_as_verified() {
    let mut first = true;
    let fake = Fake::new(move |command| {
        if command[1] == 0x20 && std::mem::take(&mut first) {
            return Err(LinkError::NotTransacted);
        }
        ok()
    });
    let (mut card, log) = fake.card();
    select_and(&mut card, &verify());
    card.close().unwrap();
    assert_eq!(
        log.commands()[2..],
        [SELECT_PIV, LOG_OUT_PIN, QUERY_PIN].map(str::to_owned)
    );
}

#[test]
fn a_reset_locks_the_card_so_nothing_is_left_to_do() {
    // Noticed in the middle of a transaction.
    let fake = Fake::new(|command| {
        if command[1] == 0xCB {
            Err(LinkError::Reset)
        } else {
            ok()
        }
    });
    let (mut card, log) = fake.card();
    select_and(&mut card, &verify());
    select_and(&mut card, &Command::new(0x00, 0xCB, 0x3F, 0xFF));
    card.close().unwrap();
    assert_eq!(log.ends(), [Leave::AsIs, Leave::AsIs]);

    // Noticed at the next begin, which is the one of closing.
    let (mut card, log) = willing()
        .begins(vec![Ok(Continuity::Shared), Ok(Continuity::Lost)])
        .card();
    select_and(&mut card, &verify());
    card.close().unwrap();
    assert_eq!(log.commands().len(), 2, "no log-out");
    assert_eq!(log.ends(), [Leave::AsIs, Leave::AsIs]);

    // Noticed then, and again at the end of it.
    let (mut card, _) = willing()
        .begins(vec![Ok(Continuity::Shared), Ok(Continuity::Lost)])
        .ends(vec![Ok(()), Err(LinkError::Reset)])
        .card();
    select_and(&mut card, &verify());
    card.close().unwrap();

    // Done by ourselves.
    let (mut card, log) = willing().card();
    let mut transaction = card.begin().unwrap();
    transaction.select(PIV).unwrap();
    transaction.exchange(&verify()).unwrap();
    transaction.reset().unwrap();
    card.close().unwrap();
    assert_eq!(log.ends(), [Leave::Reset]);
}

#[test]
fn a_card_that_is_gone_is_locked() {
    let (mut card, _) = willing()
        .begins(vec![Ok(Continuity::Shared), Err(LinkError::Removed)])
        .card();
    select_and(&mut card, &verify());
    card.close().unwrap();

    let (mut card, _) = willing()
        .begins(vec![Ok(Continuity::Shared), Err(LinkError::Timeout)])
        .card();
    select_and(&mut card, &verify());
    let error = card.close().unwrap_err();
    assert!(matches!(error, TransportError::Link(LinkError::Timeout)));
}

#[test]
fn what_log_out_does_not_lock_is_reset() {
    let external = Command::new(0x00, 0x82, 0x00, 0x01).with_data(&[0x11; 8]);
    let management = Command::new(0x00, 0x87, 0x08, 0x9B)
        .with_data(&hex!("7C 0A 82 08 0102030405060708"))
        .with_le(Le::SHORT_MAX);
    for command in [external, management] {
        let (mut card, log) = willing().card();
        select_and(&mut card, &command);
        card.close().unwrap();
        assert_eq!(log.ends(), [Leave::AsIs, Leave::Reset]);
    }
    // Asking for a challenge authenticates nothing, nor does signing.
    let challenge = Command::new(0x00, 0x87, 0x08, 0x9B).with_data(&hex!("7C 02 81 00"));
    let signing = Command::new(0x00, 0x87, 0x11, 0x9A).with_data(&hex!("7C 04 82 00 81 00"));
    for command in [challenge, signing] {
        let (mut card, log) = willing().card();
        select_and(&mut card, &command);
        card.close().unwrap();
        assert_eq!(log.ends(), [Leave::AsIs]);
    }
}

#[test]
fn changing_the_pin_counts_as_verifying_it_and_the_puk_does_not() {
    for (reference, ends) in [(0x80, 2), (0x81, 1)] {
        let (mut card, log) = willing().card();
        let change = Command::new(0x00, 0x24, 0x00, reference).with_data(&[0x31; 16]);
        select_and(&mut card, &change);
        card.close().unwrap();
        assert_eq!(log.ends().len(), ends, "{reference:02X}");
    }
}

#[test]
fn debug_output_has_no_command_data() {
    let (mut card, _) = willing().card();
    let mut transaction = card.begin().unwrap();
    transaction.select(PIV).unwrap();
    transaction.exchange(&verify()).unwrap();
    let text = format!("{transaction:?}");
    assert!(
        !text.contains("123456") && !text.contains("49, 50, 51"),
        "{text}"
    );
}
