//! Recycle: a token is erased, wherever it was interrupted, and only the one
//! that was meant.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use std::sync::Arc;

use crescendo_ext::xauth::XauthKey;
use piv_apdu::secret::Pin;
use piv_apdu::status::StatusWord;
use token_manager::token_profile::RecoveryKind;
use token_manager::{
    Action, ActionError, Aftermath, Authority, FidoErasure, HostRecord, HostStore, KeyCheck,
    LastTry, Manager, NotSent, Outcome, PersonalizeOptions, PinChangeEntry, PinEntry, PinStatus,
    PresentSecrets, Reason, RecoveryPlace, RecoverySecret, Recycled, Secret, SecretStore,
    SecretStoreError, Session, TokenKey,
};
use virtual_token::fault::{Fault, Faults};
use virtual_token::{Content, CreateOptions, MemoryBackend, Profile, VirtualToken};
use zeroize::Zeroizing;

use desk::{Desk, LOSSES, VERIFY, factory, limit, management_key, pin};

const CRESCENDO: [Profile; 3] = [
    Profile::Crescendo2300,
    Profile::CrescendoKey,
    Profile::Crescendo4000,
];
const RESET_CARD: u8 = 0x38;

fn personal(profile: Profile) -> Desk {
    Desk::new(profile, Content::Personal).daring()
}

fn by(pin: &Pin) -> Authority<'_> {
    Authority::Pin(PinEntry::Typed(pin))
}

fn recycle(session: &mut Session, authority: Authority<'_>) -> Result<Recycled, ActionError> {
    let confirmation = session.confirmation();
    session.recycle(authority, &confirmation, LastTry::Spare, &mut |_| {})
}

fn change(desk: &Desk, old: &Pin, new: &Pin) {
    let mut session = desk.open();
    let change = PinChangeEntry::Typed { old, new };
    session.change_pin(change, LastTry::Spare).unwrap();
}

fn assert_as_delivered(desk: &Desk, profile: Profile) {
    let mut session = desk.open();
    let token = session.token();
    assert!(token.identity.guid.is_none());
    assert!(
        token
            .certificates
            .iter()
            .all(|it| it.certificate().is_none())
    );
    assert!(token.keys.iter().all(|key| key.is_filled() == Some(false)));
    assert_eq!(token.pin.status, PinStatus::TriesLeft(limit(profile)));
    assert!(session.record().is_empty());
    let opened = session.authenticate(PinEntry::Typed(&factory(profile)), LastTry::Spare);
    assert!(opened.is_ok(), "{profile}");
    drop(opened);
    // Removed, and not set to zeros.
    let zeros = XauthKey::from_slice(&[0; 24]).unwrap();
    let error = session.check_admin_key(&zeros).unwrap_err();
    assert_eq!(error.status(), Some(StatusWord::REFERENCED_DATA_NOT_FOUND));
}

/// A desktop's keyring that nobody can open.
struct Silent;

impl SecretStore for Silent {
    fn name(&self) -> &'static str {
        "the keyring"
    }

    fn put(&self, _: &TokenKey, _: &[u8]) -> Result<(), SecretStoreError> {
        Err(silent())
    }

    fn get(&self, _: &TokenKey) -> Result<Option<Zeroizing<Vec<u8>>>, SecretStoreError> {
        Err(silent())
    }

    fn remove(&self, _: &TokenKey) -> Result<(), SecretStoreError> {
        Err(silent())
    }
}

fn silent() -> SecretStoreError {
    SecretStoreError {
        store: "the keyring".to_owned(),
        detail: "it does not answer".to_owned(),
    }
}

#[test]
fn a_store_that_does_not_answer_matters_only_if_a_secret_is_in_it() {
    for kept in [false, true] {
        let profile = Profile::Crescendo2300;
        let desk = personal(profile);
        let key = desk.open().key().unwrap().clone();
        if kept {
            let note = &mut |record: &mut HostRecord| record.recovery = Some(RecoveryPlace::Host);
            desk.store.update(&key, note).unwrap();
        }
        let mut session = open_silent(&desk);
        let old = factory(profile);
        let result = recycle(&mut session, by(&old));
        drop(session);
        if kept {
            assert!(matches!(result, Err(ActionError::Secrets(_))), "{result:?}");
            // It is finished once the store answers.
            recycle(&mut desk.open(), by(&old)).unwrap();
        } else {
            result.unwrap();
        }
        assert_as_delivered(&desk, profile);
    }
}

/// Where a secret is kept on the token or nowhere, nobody has asked for a store: that it does
/// not answer keeps no token from being set up, and what may be left in it is told.
#[test]
fn a_store_that_does_not_answer_and_is_not_asked_for_keeps_nothing_from_being_done() {
    for place in [RecoveryPlace::Token, RecoveryPlace::Nowhere] {
        for kept in [false, true] {
            let profile = Profile::Crescendo2300;
            let desk = Desk::new(profile, Content::Empty).daring();
            let key = desk.open().key().unwrap().clone();
            if kept {
                let note =
                    &mut |record: &mut HostRecord| record.recovery = Some(RecoveryPlace::Host);
                desk.store.update(&key, note).unwrap();
            }
            let mut session = open_silent(&desk);
            let mut options = PersonalizeOptions::new(PresentSecrets::Delivery);
            options.recovery = place;
            let new = pin("271828");
            let done = session.personalize(
                &options,
                &new,
                None,
                &mut |_| true,
                LastTry::Spare,
                &mut |_| {},
            );
            let done = done.unwrap();
            assert_eq!(done.left_on_host, kept.then(silent));
            let told = done.leftover();
            assert_eq!(told.is_some(), kept);
            assert!(told.is_none_or(|told| told.contains(&silent().to_string())));
            assert!(session.record().journal.is_none());
            assert_eq!(session.record().recovery, Some(place));
            if place == RecoveryPlace::Token {
                let pin = PinEntry::Typed(&new);
                session.forget_recovery(pin, LastTry::Spare).unwrap();
                assert_eq!(session.record().recovery, Some(RecoveryPlace::Nowhere));
            }
        }
    }
}

fn open_silent(desk: &Desk) -> Session {
    let readers = MemoryBackend::new();
    readers.insert("Desk", &desk.card).unwrap();
    Manager::new(Arc::new(readers))
        .with_store(desk.store.clone())
        .with_secrets(Arc::new(Silent))
        .with_overrides(desk.overrides)
        .open("Desk")
        .unwrap()
}

#[test]
fn the_token_is_erased_with_the_pin_or_the_admin_key() {
    let key = XauthKey::from_slice(&[0; 24]).unwrap();
    for profile in CRESCENDO {
        let old = factory(profile);
        for authority in [by(&old), Authority::AdminKey(&key)] {
            let desk = personal(profile);
            let mut session = desk.open();
            let load = session.token().round_trips;
            let plan = session.plan_recycle().unwrap();
            assert!(desk.sent().is_empty());
            assert!(plan.steps.iter().any(|step| step.irreversible));
            let before = session.round_trips();
            let mut reports = Vec::new();
            let confirmation = session.confirmation();
            let recycled = session
                .recycle(authority, &confirmation, LastTry::Spare, &mut |it| {
                    reports.push((it.id, it.outcome.clone()));
                })
                .unwrap();
            assert!(!recycled.finished_earlier_run);
            let said = "The token is erased. It has the PIN that it is delivered with.";
            assert_eq!(recycled.sentences(), said);
            assert_eq!(recycled.pin, PinStatus::TriesLeft(limit(profile)));
            let planned: Vec<_> = plan.steps.iter().map(|it| (it.id, Outcome::Done)).collect();
            assert_eq!(reports, planned);
            let spent = session.round_trips() - before;
            let again = session.token().round_trips;
            // Tries left, SELECT, VERIFY (or a challenge and its response), RESET CARD.
            assert_eq!(
                spent,
                load + 4 + again,
                "{profile} {:?}",
                authority.secret()
            );
            let mut resets = desk.sent();
            resets.retain(|ins| *ins == RESET_CARD);
            assert_eq!(resets.len(), 1);
            assert_as_delivered(&desk, profile);
        }
    }
}

#[test]
fn what_is_kept_about_the_token_goes_with_it() {
    for profile in CRESCENDO {
        let desk = Desk::new(profile, Content::Empty).daring();
        let mut session = desk.open();
        let old = factory(profile);
        let secret = RecoverySecret::new(RecoveryKind::XauthKey, &[7; 24]).unwrap();
        session
            .keep_recovery(
                PinEntry::Typed(&old),
                LastTry::Spare,
                None,
                RecoveryPlace::Host,
                &secret,
            )
            .unwrap();
        let key = session.key().unwrap().clone();
        let secrets = desk.secrets.clone().unwrap();
        assert!(secrets.get(&key).unwrap().is_some());
        recycle(&mut session, by(&old)).unwrap();
        assert!(secrets.get(&key).unwrap().is_none());
        assert!(desk.store.read(&key).unwrap().is_empty());
        assert!(session.record().is_empty());
    }
}

#[test]
fn fates_say_what_is_known_and_what_is_not() {
    for profile in CRESCENDO {
        let desk = personal(profile);
        let plan = desk.open().plan_recycle().unwrap();
        let fate = |what: &str| {
            let fate = plan.fates.iter().find(|it| it.content.starts_with(what));
            fate.map(|it| it.erased)
        };
        assert_eq!(fate("keys"), Some(Some(true)));
        assert_eq!(fate("serial number"), Some(Some(false)));
        assert_eq!(fate("one-time").is_some(), profile == Profile::CrescendoKey);
        let fido = (profile == Profile::Crescendo4000).then_some(true);
        assert_eq!(fate("FIDO"), Some(fido), "{profile}");
    }
}

/// SELECT of the FIDO application, and authenticatorMakeCredential (CTAP 2.1, 6.1) of a
/// discoverable one, as any program does it on a token without a FIDO PIN.
fn make_credential(desk: &Desk) {
    let select = [&[0x00, 0xA4, 0x04, 0x00, 0x08][..], ctap_apdu::framing::AID].concat();
    let client_data_hash = [&[0x01, 0x58, 0x20][..], &[0; 32]].concat();
    let message = [
        &[0x01, 0xA5][..],
        &client_data_hash,
        // The relying party, the user, ES256, and that it is discoverable.
        b"\x02\xA1\x62id\x69a.example",
        b"\x03\xA1\x62id\x41\x01",
        b"\x04\x81\xA2\x63alg\x26\x64type\x6Apublic-key",
        b"\x07\xA1\x62rk\xF5",
    ]
    .concat();
    let length = u8::try_from(message.len()).unwrap();
    let make = [&[0x80, 0x10, 0x00, 0x00, length][..], &message, &[0x00]].concat();
    desk.card.with(|token| {
        assert_eq!(token.process(&select)[..2], *b"FI");
        assert_eq!(token.process(&make)[0], 0x00);
    });
    desk.card.reset();
}

/// Where the k-th command of an erasure is RESET CARD, the card says that it has done it,
/// and has not.
fn forget_to_erase(desk: &Desk) -> Recycled {
    let like = Desk::with_state(desk.state()).daring();
    recycle(&mut like.open(), by(&factory(Profile::Crescendo4000))).unwrap();
    let sent = like.sent();
    let k = sent.iter().position(|ins| *ins == RESET_CARD).unwrap() + 1;
    let mut session = desk.open_with(
        u64::try_from(k).unwrap(),
        Fault::Answer(StatusWord::SUCCESS.get().to_be_bytes().to_vec()),
    );
    recycle(&mut session, by(&factory(Profile::Crescendo4000))).unwrap()
}

#[test]
fn what_fido_tells_of_its_erasure_is_told_and_what_it_does_not_tell_is_not_claimed() {
    let empty = || Desk::new(Profile::Crescendo4000, Content::Empty).daring();
    let erase = |desk: &Desk, profile| recycle(&mut desk.open(), by(&factory(profile))).unwrap();
    let fido = |done: Recycled| done.fido_erasure;
    let set_pin = |desk: &Desk| {
        let pin = ctap_apdu::FidoPin::new("Bern 22").unwrap();
        desk.open().set_fido_pin(&pin).unwrap();
    };
    let c4000 = Profile::Crescendo4000;

    // Never used.
    assert_eq!(fido(erase(&empty(), c4000)), FidoErasure::NotTold);
    let desk = empty();
    make_credential(&desk);
    assert_eq!(fido(erase(&desk, c4000)), FidoErasure::RoomGrown);
    let desk = empty();
    set_pin(&desk);
    assert_eq!(fido(erase(&desk, c4000)), FidoErasure::PinGone);
    // The credential is there as it was, and that can't be told from a token without any.
    let desk = empty();
    make_credential(&desk);
    let done = forget_to_erase(&desk);
    let room = |done: &Recycled| {
        let application = done.fido.application().unwrap();
        application.info.remaining_discoverable_credentials
    };
    assert_eq!(room(&done), Some(49));
    assert_eq!(done.fido_erasure, FidoErasure::NotTold);

    // A PIN that was PIV's is gone with the sharing, which says nothing of credentials.
    let desk = empty();
    let mut options = PersonalizeOptions::new(PresentSecrets::Delivery);
    options.policy.fido_shared_pin = true;
    let new = pin("271828");
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
    let done = recycle(&mut desk.open(), by(&new)).unwrap();
    assert_eq!(done.fido_erasure, FidoErasure::NotTold);

    // A Key's FIDO application is not what RESET CARD erases.
    let key = Profile::CrescendoKey;
    let desk = Desk::new(key, Content::Empty).daring();
    make_credential(&desk);
    assert_eq!(fido(erase(&desk, key)), FidoErasure::NotTold);
    set_pin(&desk);
    assert_eq!(fido(erase(&desk, key)), FidoErasure::PinKept);
    // Nobody looks whether a 2300 has one, so that nothing is known of it.
    let plain = Desk::new(Profile::Crescendo2300, Content::Empty).daring();
    let done = erase(&plain, Profile::Crescendo2300);
    assert_eq!(done.fido_erasure, FidoErasure::NotLookedFor);
    assert_eq!(done.fido_erasure.id(), "not-looked-for");
}

#[test]
fn what_fido_tells_of_its_erasure_is_said_with_what_was_not_read_back() {
    let says = |profile, erasure: FidoErasure| {
        let desk = Desk::new(profile, Content::Empty).daring();
        erasure.sentences(desk.open().token())
    };
    let c4000 = Profile::Crescendo4000;
    assert_eq!(says(c4000, FidoErasure::NotThere), None);
    for (profile, erasure, expected) in [
        (c4000, FidoErasure::PinKept, "the token has kept them"),
        (
            c4000,
            FidoErasure::RoomGrown,
            "room for 50 more credentials, which is more than before",
        ),
        (
            c4000,
            FidoErasure::PinGone,
            "room for 50 more credentials, which is not more than before",
        ),
        (c4000, FidoErasure::NotTold, "Nothing that it tells shows"),
        // It does not say, so that nothing is said of more or less.
        (
            Profile::Crescendo2300,
            FidoErasure::PinGone,
            "for how many credentials it has room. That credentials",
        ),
        (
            Profile::Crescendo2300,
            FidoErasure::NotLookedFor,
            "Whether a C2300 has a FIDO application no document says",
        ),
    ] {
        let told = says(profile, erasure).unwrap();
        assert!(told.contains(expected), "{profile} {erasure:?}: {told}");
        assert!(told.ends_with('.'), "{told}");
    }
}

#[test]
fn only_the_token_that_was_meant_and_only_what_can_work_is_sent() {
    for profile in CRESCENDO {
        let desk = personal(profile);
        let before = desk.picture();
        let mut session = desk.open();
        let right = factory(profile);
        for wrong in ["", "yes", &session.confirmation().to_uppercase(), "Desk"] {
            let result = session.recycle(by(&right), wrong, LastTry::Spare, &mut |_| {});
            assert!(
                matches!(
                    result,
                    Err(ActionError::NotSent(NotSent::Unconfirmed { .. }))
                ),
                "{wrong}"
            );
        }
        let management = management_key();
        let error = recycle(&mut session, Authority::ManagementKey(&management)).unwrap_err();
        assert!(
            matches!(error, ActionError::NotSent(NotSent::CannotAuthorize { .. })),
            "{error}"
        );
        assert!(desk.sent().is_empty());
        assert_eq!(desk.picture(), before);
    }
}

#[test]
fn a_wrong_pin_costs_one_try_and_erases_nothing_and_the_last_is_spared() {
    for profile in CRESCENDO {
        let desk = personal(profile);
        let mut session = desk.open();
        let wrong = pin("271828");
        for left in (1..limit(profile)).rev() {
            let error = recycle(&mut session, by(&wrong)).unwrap_err();
            assert_eq!(error.tries_left(), Some(left), "{profile}: {error}");
        }
        desk.sent();
        let error = recycle(&mut session, by(&wrong)).unwrap_err();
        assert!(
            matches!(error, ActionError::NotSent(NotSent::LastTry { .. })),
            "{error}"
        );
        assert!(!desk.sent().contains(&RESET_CARD));
        assert!(!session.token().certificates.is_empty());
        assert!(session.record().journal.is_none());
    }
}

#[test]
fn a_blocked_pin_leaves_the_admin_key() {
    let key = XauthKey::from_slice(&[0; 24]).unwrap();
    for profile in CRESCENDO {
        let desk = personal(profile);
        let mut session = desk.open();
        let wrong = pin("271828");
        while session.token().pin.status != PinStatus::Blocked {
            let pin = PinEntry::Typed(&wrong);
            drop(session.authenticate(pin, LastTry::Use));
        }
        let error = recycle(&mut session, by(&factory(profile))).unwrap_err();
        assert!(
            matches!(error, ActionError::NotSent(NotSent::Blocked { .. })),
            "{error}"
        );
        recycle(&mut session, Authority::AdminKey(&key)).unwrap();
        assert_as_delivered(&desk, profile);
    }
}

#[test]
fn what_others_administer_is_left_alone() {
    for profile in CRESCENDO {
        // Nothing tells whose it is.
        let desk = Desk::new(profile, Content::Personal);
        let before = desk.picture();
        let error = desk.open().plan_recycle().unwrap_err();
        assert!(
            matches!(
                error,
                ActionError::Unavailable {
                    action: Action::Recycle,
                    reason: Reason::ManagementUnknown
                }
            ),
            "{error}"
        );
        // An issuer has signed it.
        let options = CreateOptions::default().seed(3).issuer_signed(true);
        let card = VirtualToken::create(profile, &options).unwrap();
        let signed = Desk::with_state(card.to_state());
        let mut session = signed.open();
        let error = recycle(&mut session, by(&factory(profile))).unwrap_err();
        assert!(
            matches!(
                error,
                ActionError::Unavailable {
                    reason: Reason::DeviceManaged,
                    ..
                }
            ),
            "{error}"
        );
        assert!(signed.sent().is_empty());
        assert_eq!(desk.picture(), before);
    }
    let piv = Desk::new(Profile::Piv, Content::Empty).daring();
    let error = piv.open().plan_recycle().unwrap_err();
    assert!(
        matches!(
            error,
            ActionError::Unavailable {
                reason: Reason::NotSupportedByFamily,
                ..
            }
        ),
        "{error}"
    );
}

/// Pulled out at every command: the next run, with the same PIN, finishes, and
/// no try is lost on the way.
#[test]
fn pulled_out_anywhere_the_next_run_finishes() {
    every_loss(|session, _, new| recycle(session, by(new)));
}

/// What an interrupted run has left of its typing still lies there.
#[test]
fn pulled_out_anywhere_the_next_run_on_a_pin_pad_finishes() {
    every_loss(|session, desk, new| {
        if desk.pad.remaining() == 0 {
            desk.pad.press(new.padded().unpadded());
        }
        recycle(session, Authority::Pin(PinEntry::PinPad))
    });
}

fn every_loss(run: impl Fn(&mut Session, &Desk, &Pin) -> Result<Recycled, ActionError>) {
    let new = pin("271828");
    for profile in CRESCENDO {
        for content in [Content::Personal, Content::Empty] {
            let template = Desk::new(profile, content).daring();
            change(&template, &factory(profile), &new);
            let state = template.state();
            for fault in LOSSES {
                let mut k = 0;
                loop {
                    k += 1;
                    let desk = Desk::with_state(state.clone()).daring();
                    let mut session = desk.open_with(k, fault.clone());
                    let result = run(&mut session, &desk, &new);
                    drop(session);
                    let commands = desk.card.log().len();
                    if let Err(error) = &result {
                        check_interruption(error, profile, k);
                    }
                    desk.card.disarm();
                    let mut session = desk.open();
                    let journal = session.record().journal.clone();
                    if result.is_err() {
                        let again = run(&mut session, &desk, &new);
                        again.unwrap_or_else(|error| {
                            panic!("{profile} {content:?} {fault:?} {k} {journal:?}: {error}")
                        });
                    }
                    let wrong = wrong_pins(&desk);
                    assert!(wrong <= 1, "{profile} {fault:?} {k}: {wrong} wrong PINs");
                    drop(session);
                    assert_as_delivered(&desk, profile);
                    if result.is_ok() && (commands as u64) < k {
                        break;
                    }
                }
            }
        }
    }
}

fn check_interruption(error: &ActionError, profile: Profile, k: u64) {
    match error {
        ActionError::Load(_) => {}
        ActionError::Interrupted { aftermath, .. } => assert!(
            matches!(
                aftermath,
                Aftermath::Unchanged | Aftermath::TryUncertain | Aftermath::ErasedOrUnchanged
            ),
            "{aftermath:?}"
        ),
        other => panic!("{profile} {k}: {other}"),
    }
}

/// How many VERIFYs with a PIN there were beyond the ones that opened the card.
fn wrong_pins(desk: &Desk) -> usize {
    let log = desk.card.log();
    let presented = log
        .iter()
        .filter(|it| it.ins == VERIFY && it.lc > 0)
        .count();
    let erased = log.iter().filter(|it| it.ins == RESET_CARD).count();
    presented.saturating_sub(erased)
}

#[test]
fn what_is_left_on_the_token_is_told() {
    let desk = personal(Profile::Crescendo2300);
    let mut session = desk.open();
    let load = session.token().round_trips;
    // The card says yes and does nothing.
    let nothing = Fault::Answer(vec![0x90, 0x00]);
    desk.card.arm(Faults::new().at(load + 4, nothing));
    let error = recycle(&mut session, by(&factory(Profile::Crescendo2300))).unwrap_err();
    assert!(matches!(error, ActionError::NotConfirmed { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("a key in 9A") && text.contains("certificate"),
        "{text}"
    );
    // The next run erases it.
    let mut session = desk.open();
    let recycled = recycle(&mut session, by(&factory(Profile::Crescendo2300))).unwrap();
    assert!(!recycled.finished_earlier_run);
    let key = XauthKey::from_slice(&[0; 24]).unwrap();
    let checked = session.check_admin_key(&key);
    assert!(!matches!(checked, Ok(KeyCheck::Right)));
    assert_eq!(Secret::AdminKey, Authority::AdminKey(&key).secret());
}
