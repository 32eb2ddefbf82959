//! Several programs on one card: what is lost, what is kept, what is never
//! done twice. The other program is played with the `pcsc` crate as it is.

use std::{thread, time::Duration};

use e2e::{Inserted, Pcscd, programs::tokenctl, tokens};
use pcsc::{Disposition, Protocols, ShareMode};
use pcsc_transport::{Continuity, LinkError, SendError, TransportError};
use piv_apdu::{
    command::{DynamicAuthenticationTemplate, GeneralAuthenticate, PinStatus},
    key::{Algorithm, KeyReference},
    status::StatusWord,
};
use virtual_token::{
    Profile, SharedToken,
    fault::{Fault, Faults},
};

use crate::support::{open, other_program, pin_status, piv, refusal, send, verify};

const PIN: &[u8] = b"123456";
const INS_GENERAL_AUTHENTICATE: u8 = 0x87;
const INS_SELECT: u8 = 0xA4;
const INS_VERIFY: u8 = 0x20;

/// Sends a raw APDU of the other program's and returns the status word.
fn other_sends(card: &pcsc::Card, apdu: &[u8]) -> u16 {
    let mut buffer = [0; 258];
    let answer = card.transmit(apdu, &mut buffer).unwrap();
    u16::from_be_bytes(*answer.last_chunk().unwrap())
}

const SELECT_PIV: &[u8] = &[
    0x00, 0xA4, 0x04, 0x00, 0x0B, 0xA0, 0, 0, 3, 8, 0, 0, 0x10, 0, 1, 0, 0x00,
];
const VERIFY_QUERY: &[u8] = &[0x00, 0x20, 0x00, 0x80];
const VERIFY_PIN: &[u8] = b"\x00\x20\x00\x80\x08123456\xFF\xFF";

/// How often the instruction arrived at the card.
fn count(token: &SharedToken, ins: u8) -> usize {
    token
        .log()
        .iter()
        .filter(|header| header.ins == ins)
        .count()
}

fn sign() -> GeneralAuthenticate {
    // A PKCS #1 block, as RSA-2048 wants it; what is in it does not matter here.
    let mut block = [0xFF; 256];
    (block[0], block[1], block[200]) = (0x00, 0x01, 0x00);
    GeneralAuthenticate {
        algorithm: Algorithm::Rsa2048,
        key: KeyReference::PIV_AUTHENTICATION,
        template: DynamicAuthenticationTemplate::internal_authenticate(&block),
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_reset_between_transactions_is_told_and_nothing_is_replayed() {
    let pcscd = Pcscd::start("sharing-reset");
    let token = tokens::personal(Profile::Piv);
    let _inserted = Inserted::new(&pcscd, 0, &token);
    let mut card = open(0);
    send(&mut card, &verify(PIN)).unwrap();
    send(&mut card, &sign()).unwrap();

    other_program()
        .disconnect(Disposition::ResetCard)
        .map_err(|(_, error)| error)
        .unwrap();

    token.clear_log();
    let transaction = card.begin().unwrap();
    assert_eq!(transaction.continuity(), Continuity::Lost);
    assert_eq!(transaction.selected(), None);
    transaction.end().unwrap();
    assert_eq!(token.commands(), 0, "to find out costs nothing");

    let refused = refusal(send(&mut card, &sign()));
    assert_eq!(refused, StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    assert_eq!(count(&token, INS_SELECT), 1, "selected anew");
    assert_eq!(
        count(&token, INS_VERIFY),
        0,
        "the PIN is not sent by itself"
    );
    let last_block = |header: &&virtual_token::CommandHeader| {
        header.ins == INS_GENERAL_AUTHENTICATE && header.cla == 0
    };
    assert_eq!(
        token.log().iter().filter(last_block).count(),
        1,
        "not tried again"
    );
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn another_applet_selected_in_between_is_noticed() {
    let pcscd = Pcscd::start("sharing-applet");
    let token = tokens::empty(Profile::Crescendo2300);
    let _inserted = Inserted::new(&pcscd, 0, &token);
    let mut card = open(0);
    assert!(matches!(pin_status(&mut card), PinStatus::TriesLeft(_)));

    let other = other_program();
    let select_aca = [
        0x00, 0xA4, 0x04, 0x00, 0x07, 0xA0, 0, 0, 0, 0x79, 0x10, 0, 0x00,
    ];
    assert_eq!(other_sends(&other, &select_aca), 0x9000);
    other
        .disconnect(Disposition::LeaveCard)
        .map_err(|(_, error)| error)
        .unwrap();

    token.clear_log();
    assert!(matches!(pin_status(&mut card), PinStatus::TriesLeft(_)));
    assert_eq!(count(&token, INS_SELECT), 1, "PIV is selected anew");
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn our_transaction_keeps_others_out_and_lets_them_in_again() {
    let pcscd = Pcscd::start("sharing-transaction");
    let token = tokens::personal(Profile::Piv);
    let _inserted = Inserted::new(&pcscd, 0, &token);
    let mut card = open(0);
    let mut other = other_program();
    send(&mut card, &verify(PIN)).unwrap();

    let mut transaction = piv(&mut card);
    let reset = thread::spawn(move || {
        let reset = other.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::ResetCard);
        (other, reset)
    });
    thread::sleep(Duration::from_millis(300));
    assert!(
        !reset.is_finished(),
        "a reset by another program has to wait"
    );
    transaction.send(&sign()).unwrap();
    transaction.end().unwrap();

    let (other, reset) = reset.join().unwrap();
    reset.unwrap();
    assert_eq!(card.begin().unwrap().continuity(), Continuity::Lost);
    assert_eq!(other_sends(&other, SELECT_PIV), 0x9000);
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_card_that_loses_its_state_within_a_transaction_refuses_and_is_not_asked_twice() {
    let pcscd = Pcscd::start("sharing-silent-reset");
    let token = tokens::personal(Profile::Piv);
    let _inserted = Inserted::new(&pcscd, 0, &token);
    let mut card = open(0);

    let mut transaction = piv(&mut card);
    transaction.send(&verify(PIN)).unwrap();
    token.clear_log();
    // As after a loss of power that nobody notices: vpcd has no word for it.
    token.arm(Faults::new().at(1, Fault::Reset));
    let refused = refusal(transaction.send(&sign()));
    assert!(!refused.is_success());
    transaction.end().unwrap();

    assert_eq!(
        count(&token, INS_VERIFY),
        0,
        "the PIN is not sent by itself"
    );
    assert_eq!(
        count(&token, INS_SELECT),
        0,
        "nothing is done over: {:?}",
        token.log()
    );
    let blocks = count(&token, INS_GENERAL_AUTHENTICATE);
    assert!(
        blocks <= 2,
        "one command, in two blocks at most: {:?}",
        token.log()
    );
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_card_pulled_out_in_the_middle_of_a_command_is_removed() {
    let pcscd = Pcscd::start("sharing-pulled-out");
    let token = tokens::personal(Profile::Piv);
    let inserted = Inserted::new(&pcscd, 0, &token);
    let mut card = open(0);
    send(&mut card, &verify(PIN)).unwrap();

    token.clear_log();
    token.set_latency(Duration::from_secs(5));
    let pulled_out = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        inserted.eject();
    });
    let mut transaction = card.begin().unwrap();
    let error = transaction.send(&sign()).unwrap_err();
    let removed = |error: &SendError| {
        matches!(
            error,
            SendError::Transport(TransportError::Link(LinkError::Removed))
        )
    };
    assert!(removed(&error), "{error:?}");
    drop(transaction);
    pulled_out.join().unwrap();
    token.set_latency(Duration::ZERO);
    assert!(
        count(&token, INS_GENERAL_AUTHENTICATE) <= 1,
        "sent once, if at all: {:?}",
        token.log()
    );

    // The same card again: nothing is remembered of the one before.
    let _inserted = Inserted::new(&pcscd, 0, &token);
    let mut card = open(0);
    assert!(matches!(pin_status(&mut card), PinStatus::TriesLeft(_)));
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_card_is_left_locked_after_its_pin_was_used() {
    let pcscd = Pcscd::start("sharing-locked");
    for profile in Profile::ALL {
        let token = tokens::empty(profile);
        let inserted = Inserted::new(&pcscd, 0, &token);
        // Keeps the card powered, as a desktop's services do.
        let other = other_program();

        let mut card = open(0);
        send(&mut card, &verify(profile.factory_pin())).unwrap();
        assert_eq!(
            pin_status(&mut card),
            PinStatus::AlreadyVerified,
            "{profile}"
        );
        card.close().unwrap();

        let mut card = open(0);
        let status = pin_status(&mut card);
        assert!(
            matches!(status, PinStatus::TriesLeft(_)),
            "{profile}: {status:?}"
        );
        drop(card);
        drop(other);
        inserted.eject();
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_card_whose_pin_was_not_used_is_left_as_it_was() {
    let pcscd = Pcscd::start("sharing-untouched");
    let token = tokens::personal(Profile::Piv);
    let _inserted = Inserted::new(&pcscd, 0, &token);
    let other = other_program();
    assert_eq!(other_sends(&other, SELECT_PIV), 0x9000);
    assert_eq!(other_sends(&other, VERIFY_PIN), 0x9000);
    let resets = token.resets();

    let _ = tokenctl(&["list"]).success();
    let _ = tokenctl(&["show"]).success().says("already verified");

    assert_eq!(
        other_sends(&other, VERIFY_QUERY),
        0x9000,
        "the other program's PIN still counts"
    );
    assert_eq!(token.resets(), resets, "no reset");
}
