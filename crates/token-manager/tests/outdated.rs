//! What is kept is the token's, or it is not shown; and it is kept in one place
//! only, so that what is forgotten is gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use std::sync::Arc;

use crescendo_ext::xauth::XauthKey;
use piv_apdu::secret::Puk;
use token_manager::token_profile::RecoveryKind;
use token_manager::{
    Action, ActionError, Aftermath, Authority, HostRecord, HostStore as _, Journal, KeptPuk,
    KeyCheck, LastTry, MemoryStore, PersonalizeOptions, PinEntry, PresentSecrets, Reason,
    RecoveryDoubt, RecoveryPlace, RecoverySecret, SecretStore, SetKey,
};
use virtual_token::fault::Fault;
use virtual_token::{Content, Profile};

use desk::{Desk, LOSSES, factory, management_key, pin};

const PUK: &[u8] = b"12345678";
const NEW_PUK: &[u8] = b"31415926";

fn keep(desk: &Desk, profile: Profile, place: RecoveryPlace, secret: &RecoverySecret) {
    let key = management_key();
    let key = (profile == Profile::Piv).then_some(&key);
    let pin = factory(profile);
    let mut session = desk.open();
    session
        .keep_recovery(PinEntry::Typed(&pin), LastTry::Spare, key, place, secret)
        .unwrap();
}

fn view(desk: &Desk, profile: Profile) -> Result<RecoverySecret, ActionError> {
    let pin = factory(profile);
    desk.open().view_puk(PinEntry::Typed(&pin), LastTry::Spare)
}

fn forget(desk: &Desk, profile: Profile) {
    let pin = factory(profile);
    let (pin, last_try) = (PinEntry::Typed(&pin), LastTry::Spare);
    let mut session = desk.open();
    match profile {
        Profile::Piv => session.forget_recovery_with_key(pin, last_try, &management_key()),
        _ => session.forget_recovery(pin, last_try),
    }
    .unwrap();
}

fn assert_reason(result: Result<RecoverySecret, ActionError>, expected: Reason) {
    match result {
        Err(ActionError::Unavailable { reason, .. }) => assert_eq!(reason, expected),
        other => panic!("{other:?}"),
    }
}

/// Another computer, which has noted nothing about the token.
fn elsewhere(desk: &Desk) -> Desk {
    Desk {
        card: desk.card.clone(),
        store: Arc::new(MemoryStore::new()),
        secrets: None,
        overrides: desk.overrides,
        pad: desk.pad.clone(),
    }
}

#[test]
fn after_a_change_the_old_puk_is_never_shown() {
    for (profile, content, place) in [
        (Profile::Piv, Content::Personal, RecoveryPlace::Host),
        (Profile::Crescendo4000, Content::Empty, RecoveryPlace::Host),
        (Profile::Crescendo4000, Content::Empty, RecoveryPlace::Token),
    ] {
        let desk = Desk::new(profile, content).daring();
        let first = RecoverySecret::new(RecoveryKind::Puk, PUK).unwrap();
        keep(&desk, profile, place, &first);
        let (old, new) = (Puk::new(PUK).unwrap(), Puk::new(NEW_PUK).unwrap());
        desk.open().change_puk(&old, &new, LastTry::Spare).unwrap();
        if place == RecoveryPlace::Host {
            assert_eq!(view(&desk, profile).unwrap().puk().unwrap(), new);
        } else {
            assert_reason(view(&desk, profile), Reason::Outdated);
            // Nor by looking again.
            assert_reason(view(&desk, profile), Reason::Outdated);
        }
        let second = RecoverySecret::new(RecoveryKind::Puk, NEW_PUK).unwrap();
        keep(&desk, profile, place, &second);
        assert_eq!(view(&desk, profile).unwrap().puk().unwrap(), new);
    }
}

/// A token that has the first PUK, which this computer has kept.
fn with_kept_puk(profile: Profile, place: RecoveryPlace) -> Desk {
    // An empty plain PIV card has no name to keep anything under.
    let content = match profile {
        Profile::Piv => Content::Personal,
        _ => Content::Empty,
    };
    let desk = Desk::new(profile, content).daring();
    let kept = RecoverySecret::new(RecoveryKind::Puk, PUK).unwrap();
    keep(&desk, profile, place, &kept);
    desk
}

const KEEPING: [(Profile, RecoveryPlace); 3] = [
    (Profile::Piv, RecoveryPlace::Host),
    (Profile::Crescendo4000, RecoveryPlace::Host),
    (Profile::Crescendo4000, RecoveryPlace::Token),
];

fn doubt(desk: &Desk, profile: Profile) -> Option<RecoveryDoubt> {
    let shown = view(desk, profile).unwrap();
    assert_eq!(shown.puk().unwrap().as_bytes(), PUK);
    shown.doubt()
}

/// Until it is known how the change ended, what is kept is shown with a doubt;
/// then without, or not at all.
#[test]
fn after_an_interrupted_change_a_kept_puk_is_in_doubt() {
    let (old, new) = (Puk::new(PUK).unwrap(), Puk::new(NEW_PUK).unwrap());
    let mut doubts = 0;
    for (profile, place) in KEEPING {
        for loss in LOSSES {
            for k in 1..=2 {
                let desk = with_kept_puk(profile, place);
                let mut session = desk.open_with(k, loss.clone());
                let result = session.change_puk(&old, &new, LastTry::Spare);
                drop(session);
                let case = format!("{profile} {place:?} {loss} at {k}: {result:?}");
                let aftermath = match result {
                    Ok(()) => continue,
                    Err(ActionError::Interrupted { aftermath, .. }) => aftermath,
                    Err(other) => panic!("{case}: {other}"),
                };
                if aftermath == Aftermath::Unchanged {
                    assert_eq!(
                        doubt(&desk, profile),
                        Some(RecoveryDoubt::NotAsked),
                        "{case}"
                    );
                    assert_eq!(desk.open().record().kept_puk, None, "{case}");
                    continue;
                }
                doubts += 1;
                let interrupted = Some(RecoveryDoubt::ChangeInterrupted);
                assert_eq!(doubt(&desk, profile), interrupted, "{case}");
                // By the record as it is written down, in another process.
                let record = desk.open().record().clone();
                let text = serde_json::to_string(&record).unwrap();
                let read: HostRecord = serde_json::from_str(&text).unwrap();
                assert_eq!(read.kept_puk, Some(KeptPuk::MayBeOld), "{text}");
                // Looking does not settle it.
                assert_eq!(doubt(&desk, profile), interrupted, "{case}");

                let pin = factory(profile);
                let unblock = |puk| {
                    desk.open()
                        .unblock_with_puk(puk, &pin, LastTry::Spare)
                        .is_ok()
                };
                if unblock(&new) {
                    assert_reason(view(&desk, profile), Reason::Outdated);
                } else {
                    assert_eq!(doubt(&desk, profile), interrupted, "{case}");
                    assert!(unblock(&old), "{case}");
                    assert_eq!(
                        doubt(&desk, profile),
                        Some(RecoveryDoubt::NotAsked),
                        "{case}"
                    );
                }
            }
        }
    }
    assert!(doubts >= 6, "{doubts}");
}

#[test]
fn a_change_that_the_card_refused_leaves_no_doubt() {
    let (wrong, new) = (Puk::new(b"27182818").unwrap(), Puk::new(NEW_PUK).unwrap());
    for (profile, place) in KEEPING {
        let desk = with_kept_puk(profile, place);
        let refused = desk.open().change_puk(&wrong, &new, LastTry::Spare);
        assert!(matches!(refused, Err(ActionError::Wrong { .. })));
        assert_eq!(doubt(&desk, profile), Some(RecoveryDoubt::NotAsked));
        assert_eq!(desk.open().record().kept_puk, None);
        // A refusal that says nothing of what was done is none.
        let mut session = desk.open_with(1, Fault::Status(0x6F00.into()));
        let old = Puk::new(PUK).unwrap();
        let refused = session.change_puk(&old, &new, LastTry::Spare);
        drop(session);
        assert!(matches!(
            refused,
            Err(ActionError::Refused {
                step: "change-puk",
                ..
            })
        ));
        let interrupted = Some(RecoveryDoubt::ChangeInterrupted);
        assert_eq!(doubt(&desk, profile), interrupted);
    }
}

/// This computer can't know it, and says so; no try is spent to find out.
#[test]
fn that_another_computer_may_have_changed_the_puk_is_told() {
    for (profile, place) in KEEPING {
        let desk = with_kept_puk(profile, place);
        let (old, new) = (Puk::new(PUK).unwrap(), Puk::new(NEW_PUK).unwrap());
        let mut there = elsewhere(&desk).open();
        there.change_puk(&old, &new, LastTry::Spare).unwrap();
        drop(there);
        let told = doubt(&desk, profile).unwrap();
        assert_eq!(told, RecoveryDoubt::NotAsked);
        assert!(told.to_string().contains("on another computer"));
    }
}

#[test]
fn a_personalization_that_stopped_after_the_puk_shows_no_old_one() {
    let (profile, place) = (Profile::Crescendo4000, RecoveryPlace::Token);
    for (done, begun, kept) in [
        (&[][..], "change-puk", Some(KeptPuk::MayBeOld)),
        (&["change-puk"], "change-pin", Some(KeptPuk::Old)),
        (&["change-puk"], "keep-recovery", Some(KeptPuk::MayBeOld)),
        (&[], "put-admin-key", None),
    ] {
        let desk = with_kept_puk(profile, place);
        let mut journal = Journal::new(Action::Personalize);
        journal.begun = begun.to_owned();
        journal.done = done.iter().map(|&step| step.to_owned()).collect();
        let key = desk.open().key().unwrap().clone();
        let mut record = desk.store.read(&key).unwrap();
        record.journal = Some(journal);
        desk.store.write(&key, &record).unwrap();
        assert_eq!(record.kept_puk(), kept);
        match kept {
            Some(KeptPuk::Old) => assert_reason(view(&desk, profile), Reason::Outdated),
            Some(_) => assert_eq!(
                doubt(&desk, profile),
                Some(RecoveryDoubt::ChangeInterrupted)
            ),
            None => assert_eq!(doubt(&desk, profile), Some(RecoveryDoubt::NotAsked)),
        }
    }
}

/// A key is held against the token each time, which costs no try.
#[test]
fn after_an_interrupted_change_a_kept_key_is_shown_only_if_it_is_the_token_s() {
    for profile in [Profile::Crescendo2300, Profile::Crescendo4000] {
        for place in [RecoveryPlace::Token, RecoveryPlace::Host] {
            for loss in LOSSES {
                for k in 1.. {
                    let desk = Desk::new(profile, Content::Empty).daring();
                    let old = XauthKey::from_slice(&[0; 24]).unwrap();
                    let kept = RecoverySecret::new(RecoveryKind::XauthKey, old.as_bytes());
                    let kept = kept.unwrap();
                    keep(&desk, profile, place, &kept);
                    let mut session = desk.open_with(k, loss.clone());
                    let authority = Authority::AdminKey(&old);
                    let new = SetKey::Generated;
                    let set = session.set_admin_key(authority, new, &mut |_| true, LastTry::Spare);
                    drop(session);
                    if set.is_ok() {
                        break;
                    }
                    let holds = desk.open().check_admin_key(&old).unwrap() == KeyCheck::Right;
                    match view(&desk, profile) {
                        Ok(shown) => {
                            assert!(holds && shown == kept, "{profile} {place:?} {loss} {k}");
                            assert_eq!(shown.doubt(), None);
                        }
                        other => {
                            assert!(!holds, "{profile} {place:?} {loss} {k}");
                            assert_reason(other, Reason::Outdated);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_key_that_was_changed_elsewhere_is_not_shown() {
    for profile in [Profile::Crescendo2300, Profile::Crescendo4000] {
        for place in [RecoveryPlace::Token, RecoveryPlace::Host] {
            let desk = Desk::new(profile, Content::Empty).daring();
            let old = XauthKey::from_slice(&[0; 24]).unwrap();
            let first = RecoverySecret::new(RecoveryKind::XauthKey, old.as_bytes()).unwrap();
            keep(&desk, profile, place, &first);
            assert_eq!(view(&desk, profile).unwrap(), first, "{profile} {place:?}");
            elsewhere(&desk)
                .open()
                .set_admin_key(
                    Authority::AdminKey(&old),
                    SetKey::Generated,
                    &mut |_| true,
                    LastTry::Spare,
                )
                .unwrap();
            assert_reason(view(&desk, profile), Reason::Outdated);
        }
    }
}

#[test]
fn what_is_kept_anew_is_not_kept_where_it_was_before() {
    // An empty plain PIV card has no name to keep a secret under.
    for profile in [Profile::Crescendo2300, Profile::Crescendo4000] {
        for (first, second) in [
            (RecoveryPlace::Token, RecoveryPlace::Host),
            (RecoveryPlace::Host, RecoveryPlace::Token),
        ] {
            let desk = Desk::new(profile, Content::Empty).daring();
            let secret = RecoverySecret::new(RecoveryKind::Puk, PUK).unwrap();
            keep(&desk, profile, first, &secret);
            keep(&desk, profile, second, &secret);
            assert_eq!(view(&desk, profile).unwrap(), secret);
            let on_host = |desk: &Desk| {
                let key = desk.open().key().cloned();
                let secrets = desk.secrets.as_ref().unwrap();
                key.is_some_and(|key| secrets.get(&key).unwrap().is_some())
            };
            assert_eq!(on_host(&desk), second == RecoveryPlace::Host, "{profile}");
            let there = view(&elsewhere(&desk), profile);
            assert_eq!(there.is_ok(), second == RecoveryPlace::Token, "{profile}");
            forget(&desk, profile);
            assert!(!on_host(&desk), "{profile}");
            assert_reason(
                view(&elsewhere(&desk), profile),
                Reason::NotSetByThisSoftware,
            );
        }
    }
}

/// Kept on the token by one computer, and in the secret store by another one.
#[test]
fn what_is_forgotten_is_gone_wherever_it_was() {
    for profile in [Profile::Crescendo2300, Profile::Crescendo4000] {
        let desk = Desk::new(profile, Content::Empty).daring();
        let secret = RecoverySecret::new(RecoveryKind::Puk, PUK).unwrap();
        keep(&desk, profile, RecoveryPlace::Host, &secret);
        keep(&elsewhere(&desk), profile, RecoveryPlace::Token, &secret);
        forget(&desk, profile);
        assert_reason(
            view(&elsewhere(&desk), profile),
            Reason::NotSetByThisSoftware,
        );
    }
}

/// Set up again for somebody else without an erasure, and kept nowhere this time.
#[test]
fn personalizing_leaves_no_secret_of_whoever_had_the_token_before() {
    let profile = Profile::Crescendo2300;
    for before in [RecoveryPlace::Token, RecoveryPlace::Host] {
        let desk = Desk::new(profile, Content::Empty).daring();
        let key = RecoverySecret::new(RecoveryKind::XauthKey, &[0; 24]).unwrap();
        keep(&desk, profile, before, &key);
        let (old, new) = (factory(profile), pin("27182818"));
        let present = PresentSecrets::Typed {
            pin: &old,
            puk: None,
        };
        let options = PersonalizeOptions::new(present);
        desk.open()
            .personalize(
                &options,
                &new,
                None,
                &mut |_| true,
                LastTry::Spare,
                &mut |_| {},
            )
            .unwrap();
        let mut session = elsewhere(&desk).open();
        let shown = session.view_puk(PinEntry::Typed(&new), LastTry::Spare);
        assert_reason(shown, Reason::NotSetByThisSoftware);
        let name = desk.open().key().unwrap().clone();
        let kept = desk.secrets.as_ref().unwrap().get(&name).unwrap();
        assert!(kept.is_none(), "{before:?}");
    }
}
