//! A real C4000, whose commands only third parties describe: nothing that changes
//! it is sent unasked. The card is written by hand and stops the test at every
//! command that is no reading one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod common;

use std::sync::Arc;

use crescendo_ext::xauth::XauthKey;
use piv_apdu::atr::Atr;
use piv_apdu::secret::{Pin, Puk};
use token_manager::{
    Action, ActionError, Authority, Capability, LastTry, Manager, Overrides, PinChangeEntry,
    PinEntry, Reason, Session, SetKey,
};
use virtual_token::MemoryBackend;

use common::{FakePiv, sw};

/// Contact C4000, as listed.
const C4000: [u8; 15] = *b"\x3B\xD5\x96\xFF\x81\x91\xFE\x1F\xC3C4000\xC9";

fn session(overrides: Overrides) -> (Session, usize) {
    let mut card = FakePiv::new(false);
    card.info.atr = Atr::parse(&C4000).unwrap();
    // It has no list of containers to show.
    let card = card.with_fault(|_, apdu| (apdu[..2] == [0x80, 0x56]).then(|| Ok(sw(0x6D00))));
    let log = card.log();
    let manager = Manager::new(Arc::new(MemoryBackend::new())).with_overrides(overrides);
    let session = manager.session(card.card()).unwrap();
    let sent = log.lock().unwrap().len();
    (session, sent)
}

/// The attempts at it, each of which has to be refused for this reason.
fn attempts(session: &mut Session) -> Vec<(Action, Result<(), ActionError>)> {
    let (old, new) = (Pin::new(b"000000").unwrap(), Pin::new(b"271828").unwrap());
    let puk = Puk::new(b"12345678").unwrap();
    let key = XauthKey::from_slice(&[0; 24]).unwrap();
    let change = PinChangeEntry::Typed {
        old: &old,
        new: &new,
    };
    let by_pin = || Authority::Pin(PinEntry::Typed(&old));
    let confirmation = session.confirmation();
    vec![
        (
            Action::ChangePin,
            session.change_pin(change, LastTry::Spare).map(drop),
        ),
        (
            Action::UnblockWithPuk,
            session
                .unblock_with_puk(&puk, &new, LastTry::Spare)
                .map(drop),
        ),
        (
            Action::UnblockWithChallengeResponse,
            session.unblock_with_key(&key, &new).map(drop),
        ),
        (
            Action::ChangeAdminKey,
            session
                .set_admin_key(by_pin(), SetKey::Generated, &mut |_| true, LastTry::Spare)
                .map(drop),
        ),
        (
            Action::Recycle,
            session
                .recycle(by_pin(), &confirmation, LastTry::Spare, &mut |_| {})
                .map(drop),
        ),
    ]
}

#[test]
fn nothing_that_changes_it_is_sent_without_consent() {
    let (mut session, read) = session(Overrides::default().allow_managed(true));
    for (action, result) in attempts(&mut session) {
        match result {
            Err(ActionError::Unavailable { action: of, .. }) => assert_eq!(of, action),
            other => panic!("{action:?}: {other:?}"),
        }
    }
    assert_eq!(
        session.round_trips(),
        u64::try_from(read).unwrap(),
        "nothing was sent"
    );
    let reason = |action| session.token().capabilities.get(action);
    for action in [Action::ChangePin, Action::Recycle] {
        assert_eq!(reason(action), Capability::Unavailable(Reason::Unverified));
    }
}

#[test]
fn consent_is_what_it_waits_for() {
    let overrides = Overrides::default()
        .allow_managed(true)
        .allow_unverified(true);
    let (session, _) = session(overrides);
    for action in [Action::ChangePin, Action::Recycle] {
        let capability = session.token().capabilities.get(action);
        assert_ne!(
            capability,
            Capability::Unavailable(Reason::Unverified),
            "{action:?}"
        );
        assert!(session.ensure(action).is_ok(), "{action:?}: {capability:?}");
    }
}
