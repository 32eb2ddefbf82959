//! A card that answers every command of an action the same way, whatever it is:
//! nothing panics, nothing is claimed that did not happen, and nothing is
//! presented twice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use std::ops::ControlFlow;
use std::time::SystemTime;

use piv_apdu::secret::Puk;
use token_manager::token_profile::{Policy, RecoveryKind};
use token_manager::{
    ActionError, Authority, LastTry, PersonalizeOptions, PinChangeEntry, PinEntry, PresentSecrets,
    RecoveryPlace, RecoverySecret, Session, SetKey,
};
use virtual_token::fault::{Fault, Faults};
use virtual_token::{CreateOptions, Profile, VirtualToken};

use desk::{Desk, VERIFY, factory, management_key, pin};

type Act = fn(&mut Session, Profile) -> Result<(), ActionError>;

/// Each action, and whether the token itself shows that it was done, so that a
/// card that only says yes is found out.
const ACTIONS: &[(&str, bool, Act)] = &[
    ("authenticate", false, |session, profile| {
        let right = factory(profile);
        let opened = session.authenticate(PinEntry::Typed(&right), LastTry::Spare);
        opened.map(drop)
    }),
    ("change-pin", false, |session, profile| {
        let (old, new) = (factory(profile), pin("271828"));
        let entry = PinChangeEntry::Typed {
            old: &old,
            new: &new,
        };
        session.change_pin(entry, LastTry::Spare).map(drop)
    }),
    ("change-puk", false, |session, _| {
        let old = Puk::new(b"12345678").unwrap();
        let new = Puk::new(b"31415926").unwrap();
        session.change_puk(&old, &new, LastTry::Spare)
    }),
    ("unblock", false, |session, _| {
        let puk = Puk::new(b"12345678").unwrap();
        let unblocked = session.unblock_with_puk(&puk, &pin("271828"), LastTry::Spare);
        unblocked.map(drop)
    }),
    ("view-puk", true, |session, profile| {
        let right = factory(profile);
        let shown = session.view_puk(PinEntry::Typed(&right), LastTry::Spare);
        shown.map(drop)
    }),
    ("retrieve", false, |session, profile| {
        let right = factory(profile);
        let code = session.retrieve_pairing_code(PinEntry::Typed(&right), LastTry::Spare);
        code.map(drop)
    }),
    ("hotp", true, |session, _| {
        session.hotp(1, || ControlFlow::Break(())).map(drop)
    }),
    ("totp", true, |session, profile| {
        let right = factory(profile);
        let pin = PinEntry::Typed(&right);
        let waiting = || ControlFlow::Break(());
        let code = session.totp(2, pin, LastTry::Spare, SystemTime::now, waiting);
        code.map(drop)
    }),
    ("keep", true, |session, profile| {
        let right = factory(profile);
        let key = management_key();
        let key = (profile == Profile::Piv).then_some(&key);
        let secret = RecoverySecret::new(RecoveryKind::Puk, b"31415926").unwrap();
        let place = RecoveryPlace::Token;
        session.keep_recovery(PinEntry::Typed(&right), LastTry::Spare, key, place, &secret)
    }),
    ("policy", false, |session, profile| {
        let right = factory(profile);
        let policy = Policy {
            force_change: true,
            ..session.managed_policy()
        };
        let set = session.set_policy(PinEntry::Typed(&right), LastTry::Spare, &policy);
        set.map(drop)
    }),
    ("admin-key", true, |session, profile| {
        let right = factory(profile);
        let authority = Authority::Pin(PinEntry::Typed(&right));
        let set =
            session.set_admin_key(authority, SetKey::Generated, &mut |_| true, LastTry::Spare);
        set.map(drop)
    }),
    ("recycle", true, |session, profile| {
        let right = factory(profile);
        let authority = Authority::Pin(PinEntry::Typed(&right));
        let confirmation = session.confirmation();
        let recycled = session.recycle(authority, &confirmation, LastTry::Spare, &mut |_| {});
        recycled.map(drop)
    }),
    ("personalize", false, |session, profile| {
        let (old, new) = (factory(profile), pin("27182818"));
        let puk = Puk::new(b"12345678").unwrap();
        let options = PersonalizeOptions::new(PresentSecrets::Typed {
            pin: &old,
            puk: Some(&puk),
        });
        let set_up = session.personalize(
            &options,
            &new,
            None,
            &mut |_| true,
            LastTry::Spare,
            &mut |_| {},
        );
        set_up.map(drop)
    }),
];

#[test]
fn whatever_a_card_answers_nothing_is_made_up() {
    let yes = Fault::Answer(vec![0x90, 0x00]);
    let mut answers: Vec<_> = [0x63C0_u16, 0x63CF, 0x6300, 0x6983, 0x6985, 0x6F00, 0x0000]
        .map(|status| Fault::Answer(status.to_be_bytes().to_vec()))
        .to_vec();
    answers.extend([
        yes.clone(),
        Fault::Answer(Vec::new()),
        Fault::Garbage(40),
        Fault::Endless,
    ]);
    for profile in Profile::ALL {
        let options = CreateOptions::default()
            .seed(profile as u64)
            .pairing_code(profile == Profile::Piv);
        let calm = Desk::with_state(VirtualToken::create(profile, &options).unwrap().to_state());
        for (name, shows, act) in ACTIONS {
            for answer in &answers {
                for k in [1, 3, 5] {
                    let desk = Desk::with_state(calm.state()).daring();
                    let mut session = desk.open();
                    desk.card.arm(Faults::new().from(k, answer.clone()));
                    let result = act(&mut session, profile);
                    let case = format!("{profile} {name} {answer} from {k}: {result:?}");
                    let verified = desk.sent().into_iter().filter(|ins| *ins == VERIFY).count();
                    // The question, the PIN; log out and its check. Those of several
                    // steps ask again in each.
                    let several = matches!(*name, "recycle" | "personalize");
                    assert!(verified <= if several { 11 } else { 4 }, "{case}");
                    let Err(error) = result else {
                        assert!(!shows || *answer != yes, "{case}");

                        continue;
                    };
                    let text = error.to_string();
                    assert!(text.len() > 20 && !text.ends_with('.'), "{text}");
                }
            }
        }
    }
}
