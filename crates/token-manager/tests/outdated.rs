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
    ActionError, Authority, LastTry, MemoryStore, PersonalizeOptions, PinEntry, PresentSecrets,
    Reason, RecoveryPlace, RecoverySecret, SecretStore, SetKey,
};
use virtual_token::{Content, Profile};

use desk::{Desk, factory, management_key, pin};

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
