//! The secret that unblocks a token: kept on the token or on the host, shown
//! after the PIN, forgotten on request, and never written over others' content.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use std::sync::Arc;

use piv_apdu::object::ObjectTag;
use piv_apdu::secret::Pin;
use token_manager::token_profile::RecoveryKind;
use token_manager::{
    Action, ActionError, Aftermath, Capability, HostStore, LastTry, Manager, MemorySecretStore,
    NotSent, PinEntry, PinStatus, Reason, RecoveryPlace, RecoverySecret, Secret, SecretStore,
    SecretStoreError, Session, TokenKey,
};
use virtual_token::fault::Fault;
use virtual_token::{Content, MemoryBackend, Profile};
use zeroize::Zeroizing;

use desk::{
    Desk, GENERAL_AUTHENTICATE, GET_DATA, LOSSES, PUT_DATA, SELECT, VERIFY, factory, limit,
    management_key, pin,
};

const PUK: &[u8] = b"31415926";

fn puk() -> RecoverySecret {
    RecoverySecret::new(RecoveryKind::Puk, PUK).unwrap()
}

fn empty(profile: Profile) -> Desk {
    Desk::new(profile, Content::Empty).daring()
}

fn keep(desk: &Desk, profile: Profile, place: RecoveryPlace) -> Result<(), ActionError> {
    let key = management_key();
    let key = (profile == Profile::Piv).then_some(&key);
    let pin = factory(profile);
    let pin = PinEntry::Typed(&pin);
    desk.open()
        .keep_recovery(pin, LastTry::Spare, key, place, &puk())
}

fn view(session: &mut Session, pin: &Pin) -> Result<RecoverySecret, ActionError> {
    session.view_puk(PinEntry::Typed(pin), LastTry::Spare)
}

fn forget(session: &mut Session, profile: Profile) -> Result<(), ActionError> {
    let (pin, last_try) = (factory(profile), LastTry::Spare);
    match profile {
        Profile::Piv => {
            session.forget_recovery_with_key(PinEntry::Typed(&pin), last_try, &management_key())
        }
        _ => session.forget_recovery(PinEntry::Typed(&pin), last_try),
    }
}

fn reason(error: &ActionError) -> Reason {
    match error {
        ActionError::Unavailable { reason, .. } => *reason,
        other => panic!("{other}"),
    }
}

/// What the card has in the object, as its holder reads it.
fn content(desk: &Desk, profile: Profile) -> Option<Vec<u8>> {
    let mut session = desk.open();
    let pin = factory(profile);
    let mut open = session
        .authenticate(PinEntry::Typed(&pin), LastTry::Spare)
        .unwrap();
    let content = open.read_object(ObjectTag::PRINTED_INFORMATION).unwrap();
    content.map(|content| content.to_vec())
}

fn is_empty(desk: &Desk, profile: Profile) -> bool {
    content(desk, profile).is_none_or(|content| content.is_empty())
}

#[test]
fn a_secret_shows_itself_only_when_it_is_revealed() {
    let secret = puk();
    assert_eq!(format!("{secret:?}"), "RecoverySecret(Puk, ..)");
    assert_eq!(
        (secret.name(), secret.reveal().as_str()),
        ("PUK", "31415926")
    );
    assert_eq!(secret.puk().unwrap().as_bytes(), PUK);
    assert!(secret.xauth_key().is_none());
    // As the card has it, padded; and one that can't be typed.
    let padded = RecoverySecret::new(RecoveryKind::Puk, b"271828\xFF\xFF").unwrap();
    assert_eq!(padded.reveal().as_str(), "271828");
    let bytes = RecoverySecret::new(RecoveryKind::Puk, &[0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
    assert_eq!(bytes.reveal().as_str(), "0001-0203-0405-0607");
    let key: Vec<u8> = (0xE8..=0xFF).collect();
    let key = RecoverySecret::new(RecoveryKind::XauthKey, &key).unwrap();
    assert_eq!(
        key.reveal().as_str(),
        "E8E9-EAEB-ECED-EEEF-F0F1-F2F3-F4F5-F6F7-F8F9-FAFB-FCFD-FEFF"
    );
    assert!(key.puk().is_none());
    assert!(key.purpose().contains("can also erase the token"));
    assert_eq!(secret.purpose(), "It unblocks the PIN.");
    let typed_back = token_manager_key(&key.reveal());
    assert_eq!(key.xauth_key().unwrap(), typed_back);
}

fn token_manager_key(text: &str) -> crescendo_ext::xauth::XauthKey {
    crescendo_ext::xauth::XauthKey::from_hex(text).unwrap()
}

#[test]
fn kept_on_the_token_shown_and_forgotten() {
    for profile in Profile::ALL {
        let desk = empty(profile);
        let right = factory(profile);
        keep(&desk, profile, RecoveryPlace::Token).unwrap();
        let kept: &[u8] = match profile {
            Profile::Piv => &[
                VERIFY,
                VERIFY,
                GENERAL_AUTHENTICATE,
                GENERAL_AUTHENTICATE,
                GET_DATA,
                PUT_DATA,
                GET_DATA,
            ],
            _ => &[VERIFY, SELECT, VERIFY, SELECT, GET_DATA, PUT_DATA, GET_DATA],
        };
        assert_eq!(desk.sent(), kept, "{profile}");

        let mut session = desk.open();
        let secret = view(&mut session, &right).unwrap();
        assert_eq!(secret.reveal().as_str(), "31415926", "{profile}");
        let shown: &[u8] = match profile {
            // Logged out, and seen to be.
            Profile::Piv => &[VERIFY, VERIFY, GET_DATA, VERIFY, VERIFY],
            _ => &[VERIFY, SELECT, VERIFY, SELECT, GET_DATA],
        };
        assert_eq!(desk.sent(), shown, "{profile}");

        let mut session = desk.open();
        forget(&mut session, profile).unwrap();
        let forgotten: &[u8] = match profile {
            Profile::Piv => &[
                VERIFY,
                VERIFY,
                GET_DATA,
                GENERAL_AUTHENTICATE,
                GENERAL_AUTHENTICATE,
                PUT_DATA,
                GET_DATA,
            ],
            _ => &[VERIFY, SELECT, VERIFY, SELECT, GET_DATA, PUT_DATA, GET_DATA],
        };
        assert_eq!(desk.sent(), forgotten, "{profile}");
        assert!(is_empty(&desk, profile), "{profile}");
        let error = view(&mut desk.open(), &right).unwrap_err();
        let expected = match profile {
            // It has no identity to note anything under.
            Profile::Piv => Reason::NotSetByThisSoftware,
            _ => Reason::NotKept,
        };
        assert_eq!(reason(&error), expected, "{profile}");
        let tries = PinStatus::TriesLeft(limit(profile));
        assert_eq!(desk.tries(), tries, "{profile}");
    }
}

#[test]
fn what_was_kept_before_is_replaced() {
    let profile = Profile::Crescendo2300;
    let desk = empty(profile);
    let right = factory(profile);
    let old = RecoverySecret::new(RecoveryKind::XauthKey, &[7; 24]).unwrap();
    desk.open()
        .keep_recovery(
            PinEntry::Typed(&right),
            LastTry::Spare,
            None,
            RecoveryPlace::Token,
            &old,
        )
        .unwrap();
    keep(&desk, profile, RecoveryPlace::Token).unwrap();
    let secret = view(&mut desk.open(), &right).unwrap();
    assert_eq!(secret, puk());
}

#[test]
fn kept_on_the_host_it_is_opened_only_after_the_pin() {
    for profile in Profile::ALL {
        // A plain PIV card has no identity before it is personalized.
        let content = match profile {
            Profile::Piv => Content::Personal,
            _ => Content::Empty,
        };
        let desk = Desk::new(profile, content).daring();
        let before = desk.picture();
        let right = factory(profile);
        keep(&desk, profile, RecoveryPlace::Host).unwrap();
        assert_eq!(desk.picture(), before, "the card has nothing of it");

        let error = view(&mut desk.open(), &pin("271828")).unwrap_err();
        assert!(matches!(
            error,
            ActionError::Wrong {
                secret: Secret::Pin,
                ..
            }
        ));
        let mut session = desk.open();
        assert_eq!(view(&mut session, &right).unwrap(), puk());
        let expected: &[u8] = match profile {
            Profile::Piv => &[VERIFY, VERIFY, VERIFY, VERIFY],
            _ => &[VERIFY, SELECT, VERIFY],
        };
        assert_eq!(desk.sent(), expected, "{profile}");

        let error = desk
            .open()
            .forget_recovery(PinEntry::Typed(&pin("271828")), LastTry::Spare)
            .unwrap_err();
        assert!(matches!(error, ActionError::Wrong { .. }));
        assert_eq!(view(&mut desk.open(), &right).unwrap(), puk());

        forget(&mut desk.open(), profile).unwrap();
        let session = desk.open();
        let key = session.key().unwrap();
        let store = desk.secrets.as_ref().unwrap();
        assert!(store.get(key).unwrap().is_none());
        assert_eq!(session.record().recovery, Some(RecoveryPlace::Nowhere));
        assert_eq!(
            session.token().capabilities.get(Action::ViewPuk),
            Capability::Unavailable(Reason::NotKept)
        );
    }
}

/// A store that erases nothing.
struct Keeping(Arc<MemorySecretStore>);

impl SecretStore for Keeping {
    fn name(&self) -> &'static str {
        "a store"
    }

    fn put(&self, token: &TokenKey, secret: &[u8]) -> Result<(), SecretStoreError> {
        self.0.put(token, secret)
    }

    fn get(&self, token: &TokenKey) -> Result<Option<Zeroizing<Vec<u8>>>, SecretStoreError> {
        self.0.get(token)
    }

    fn remove(&self, _: &TokenKey) -> Result<(), SecretStoreError> {
        Err(SecretStoreError {
            store: "a store".to_owned(),
            detail: "it is locked".to_owned(),
        })
    }
}

#[test]
fn a_store_that_does_not_erase_what_is_now_on_the_token_is_told() {
    let profile = Profile::Crescendo2300;
    let desk = empty(profile);
    keep(&desk, profile, RecoveryPlace::Host).unwrap();
    let readers = MemoryBackend::new();
    readers.insert("Desk", &desk.card).unwrap();
    let secrets = Keeping(Arc::clone(desk.secrets.as_ref().unwrap()));
    let manager = Manager::new(Arc::new(readers))
        .with_store(Arc::clone(&desk.store) as Arc<dyn HostStore>)
        .with_secrets(Arc::new(secrets))
        .with_overrides(desk.overrides);
    let mut session = manager.open("Desk").unwrap();
    let right = factory(profile);
    let place = RecoveryPlace::Token;
    let kept = session.keep_recovery(PinEntry::Typed(&right), LastTry::Spare, None, place, &puk());
    let error = kept.unwrap_err();
    assert!(matches!(error, ActionError::Secrets(_)), "{error}");
    assert_eq!(session.record().recovery, Some(place));
}

#[test]
fn without_a_secret_store_nothing_is_sent() {
    let profile = Profile::Crescendo2300;
    let mut desk = empty(profile);
    keep(&desk, profile, RecoveryPlace::Host).unwrap();
    desk.secrets = None;
    let mut session = desk.open();
    assert_eq!(
        session.recovery_places(),
        [RecoveryPlace::Token, RecoveryPlace::Nowhere]
    );
    let error = view(&mut session, &factory(profile)).unwrap_err();
    assert!(matches!(error, ActionError::Secrets(_)), "{error}");
    assert!(desk.sent().is_empty());
}

#[test]
fn others_content_is_never_written_over() {
    for profile in Profile::ALL {
        let desk = Desk::new(profile, Content::Personal).daring();
        let printed = content(&desk, profile).unwrap();
        assert!(!printed.is_empty());
        let before = desk.picture();
        let right = factory(profile);

        let error = keep(&desk, profile, RecoveryPlace::Token).unwrap_err();
        assert!(
            matches!(
                error,
                ActionError::ForeignContent {
                    object: ObjectTag::PRINTED_INFORMATION,
                    ..
                }
            ),
            "{profile}: {error}"
        );
        let error = view(&mut desk.open(), &right).unwrap_err();
        assert_eq!(reason(&error), Reason::NotSetByThisSoftware, "{profile}");
        let error = forget(&mut desk.open(), profile).unwrap_err();
        assert_eq!(reason(&error), Reason::NotSetByThisSoftware, "{profile}");
        assert_eq!(desk.picture(), before, "{profile}");
        assert_eq!(content(&desk, profile).unwrap(), printed);
    }
}

#[test]
fn a_plain_piv_card_is_written_to_with_its_management_key() {
    let desk = empty(Profile::Piv);
    keep(&desk, Profile::Piv, RecoveryPlace::Token).unwrap();
    let right = factory(Profile::Piv);
    let mut session = desk.open();
    let error = session
        .forget_recovery(PinEntry::Typed(&right), LastTry::Spare)
        .unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::ManagementKey)),
        "{error}"
    );
    assert!(desk.sent().is_empty());
    let other = piv_apdu::management::ManagementKey::new(
        piv_apdu::management::ManagementAlgorithm::Aes256,
        &[9; 32],
    );
    let error = desk
        .open()
        .forget_recovery_with_key(PinEntry::Typed(&right), LastTry::Spare, &other.unwrap())
        .unwrap_err();
    assert!(
        matches!(
            error,
            ActionError::Wrong {
                secret: Secret::ManagementKey,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(view(&mut desk.open(), &right).unwrap(), puk());
}

/// What is told before is what the action then says.
#[test]
fn whether_forgetting_takes_the_management_key_is_told_before() {
    for profile in Profile::ALL {
        // A plain PIV card has no name to keep anything under before there is something on it.
        for (place, content) in [
            (RecoveryPlace::Token, Content::Empty),
            (RecoveryPlace::Host, Content::Personal),
        ] {
            let desk = Desk::new(profile, content).daring();
            keep(&desk, profile, place).unwrap();
            // As another computer knows it, which has noted nothing, and as this one does.
            let mut other = empty(profile);
            other.card = desk.card.clone();
            for desk in [&other, &desk] {
                let mut session = desk.open();
                let takes_key = session.token().forgetting_takes_management_key();
                let pin = factory(profile);
                let forgotten = session.forget_recovery(PinEntry::Typed(&pin), LastTry::Spare);
                let lacks_key =
                    matches!(forgotten, Err(ActionError::NotSent(NotSent::ManagementKey)));
                assert_eq!(takes_key, lacks_key, "{profile} {place:?}: {forgotten:?}");
            }
        }
    }
}

#[test]
fn an_issuer_s_token_gets_no_secret_of_ours() {
    for profile in Profile::ALL {
        let desk = Desk::new(profile, Content::Personal);
        let error = keep(&desk, profile, RecoveryPlace::Token).unwrap_err();
        assert_eq!(reason(&error), Reason::ManagementUnknown, "{profile}");
        assert!(desk.sent().is_empty());
    }
}

#[test]
fn a_wrong_pin_shows_nothing_and_costs_one_try() {
    for profile in Profile::ALL {
        let desk = empty(profile);
        keep(&desk, profile, RecoveryPlace::Token).unwrap();
        for left in (1..limit(profile)).rev() {
            let mut session = desk.open();
            let error = view(&mut session, &pin("271828")).unwrap_err();
            assert!(
                matches!(error, ActionError::Wrong { secret: Secret::Pin, tries_left } if tries_left == Some(left)),
                "{profile}: {error}"
            );
            assert!(!desk.sent().contains(&GET_DATA));
        }
        let right = factory(profile);
        let mut session = desk.open();
        for error in [
            view(&mut session, &right).map(drop).unwrap_err(),
            forget(&mut session, profile).unwrap_err(),
        ] {
            assert!(
                matches!(
                    error,
                    ActionError::NotSent(NotSent::LastTry {
                        secret: Secret::Pin
                    })
                ),
                "{profile}: {error}"
            );
        }
        assert_eq!(desk.tries(), PinStatus::TriesLeft(1), "{profile}");
        let secret = desk
            .open()
            .view_puk(PinEntry::Typed(&right), LastTry::Use)
            .unwrap();
        assert_eq!(secret, puk());
    }
}

#[test]
fn what_is_written_is_read_back() {
    let profile = Profile::Crescendo4000;
    let desk = empty(profile);
    // PUT DATA that is answered, and not done.
    let right = factory(profile);
    let mut session = desk.open_with(6, Fault::Status(0x9000.into()));
    let error = session
        .keep_recovery(
            PinEntry::Typed(&right),
            LastTry::Spare,
            None,
            RecoveryPlace::Token,
            &puk(),
        )
        .unwrap_err();
    assert!(matches!(error, ActionError::NotConfirmed { .. }), "{error}");
    assert_eq!(session.record().recovery, None);
    drop(session);
    keep(&desk, profile, RecoveryPlace::Token).unwrap();
    let mut session = desk.open_with(6, Fault::Status(0x9000.into()));
    let error = forget(&mut session, profile).unwrap_err();
    assert!(matches!(error, ActionError::NotConfirmed { .. }), "{error}");
    assert_eq!(view(&mut desk.open(), &right).unwrap(), puk());
}

#[test]
fn a_card_lost_while_it_is_looked_at_keeps_its_secret() {
    for profile in Profile::ALL {
        let calm = empty(profile);
        keep(&calm, profile, RecoveryPlace::Token).unwrap();
        let state = calm.state();
        let right = factory(profile);
        view(&mut calm.open(), &right).unwrap();
        let whole = calm.card.commands();
        for loss in LOSSES {
            for k in 1..=whole {
                let desk = Desk::with_state(state.clone()).daring();
                let mut session = desk.open_with(k, loss.clone());
                let result = view(&mut session, &right);
                drop(session);
                let case = format!("{profile}, {loss} at {k}: {result:?}");
                match result {
                    Ok(secret) => assert_eq!(secret, puk(), "{case}"),
                    Err(ActionError::Interrupted {
                        aftermath, step, ..
                    }) => assert_eq!(
                        aftermath,
                        match step {
                            "verify-pin" => Aftermath::TryUncertain,
                            _ => Aftermath::Unchanged,
                        },
                        "{case}"
                    ),
                    // An empty plain PIV card has no name to know it again by.
                    Err(ActionError::NotSent(NotSent::MayBeOtherToken)) => {
                        assert!(profile == Profile::Piv && loss == Fault::Reset, "{case}");
                    }
                    Err(other) => panic!("{case}: {other}"),
                }
                assert_eq!(desk.tries(), PinStatus::TriesLeft(limit(profile)), "{case}");
                assert_eq!(view(&mut desk.open(), &right).unwrap(), puk(), "{case}");
            }
        }
    }
}

#[test]
fn a_card_lost_while_it_forgets_still_has_the_secret_or_has_none() {
    for profile in Profile::ALL {
        let calm = empty(profile);
        keep(&calm, profile, RecoveryPlace::Token).unwrap();
        let state = calm.state();
        forget(&mut calm.open(), profile).unwrap();
        let whole = calm.card.commands();
        for loss in LOSSES {
            for k in 1..=whole {
                let desk = Desk {
                    store: calm.store.clone(),
                    ..Desk::with_state(state.clone()).daring()
                };
                remember(&desk);
                let mut session = desk.open_with(k, loss.clone());
                let result = forget(&mut session, profile);
                drop(session);
                let case = format!("{profile}, {loss} at {k}: {result:?}");
                let gone = is_empty(&desk, profile);
                match result {
                    Ok(()) => assert!(gone, "{case}"),
                    Err(ActionError::Interrupted {
                        aftermath, step, ..
                    }) => {
                        let written = step == "read-recovery"
                            && aftermath == Aftermath::ObjectOldOrNew
                            || step == "erase-recovery" && loss == Fault::VanishAfter
                            || step == "select-piv" && aftermath == Aftermath::ObjectOldOrNew;
                        assert_eq!(gone, written, "{case}");
                        let expected = match step {
                            "verify-pin" => Aftermath::TryUncertain,
                            "erase-recovery" => Aftermath::ObjectOldOrNew,
                            _ if gone => Aftermath::ObjectOldOrNew,
                            _ => Aftermath::Unchanged,
                        };
                        assert_eq!(aftermath, expected, "{case}");
                        // Not noted as forgotten before it is.
                        let recovery = desk.open().record().recovery;
                        assert_ne!(recovery, Some(RecoveryPlace::Nowhere), "{case}");
                    }
                    // An empty plain PIV card has no name to know it again by.
                    Err(ActionError::NotSent(NotSent::MayBeOtherToken)) => {
                        assert!(profile == Profile::Piv && loss == Fault::Reset, "{case}");
                        assert!(!gone, "{case}");
                    }
                    Err(other) => panic!("{case}: {other}"),
                }
                assert_eq!(desk.tries(), PinStatus::TriesLeft(limit(profile)), "{case}");
                // The same again finishes it, where it is not finished.
                let again = forget(&mut desk.open(), profile);
                match again {
                    Ok(()) => {}
                    Err(error) => assert!(gone, "{case}: {error}"),
                }
                assert!(is_empty(&desk, profile), "{case}");
            }
        }
    }
}

/// The host's note that the token keeps the secret.
fn remember(desk: &Desk) {
    use token_manager::HostStore as _;
    let session = desk.open();
    if let Some(key) = session.key() {
        let mut record = session.record().clone();
        record.recovery = Some(RecoveryPlace::Token);
        desk.store.write(key, &record).unwrap();
    }
}
