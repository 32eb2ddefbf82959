//! One-time passwords of a Key: the codes, the wait for the button, what is sent for
//! them, and what an interruption means.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;
mod sight;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use desk::{Desk, LOSSES, SELECT, VERIFY, factory, pin};
use pcsc_transport::Interface;
use piv_apdu::status::StatusWord;
use sight::is_open;
use token_manager::{
    Action, ActionError, Aftermath, Capability, LastTry, Manager, NotSent, OneTimePassword,
    PinEntry, PinStatus, Reason, Secret, Session,
};
use virtual_token::fault::Fault;
use virtual_token::{
    Button, Content, CreateOptions, LinkOptions, MemoryBackend, OathCredential, Profile,
    VirtualToken,
};

const CODE: u8 = 0x88;
const PROFILE: Profile = Profile::CrescendoKey;

/// That of RFC 4226, appendix D, and of the vendor's samples.
const SECRET: &[u8] = b"12345678901234567890";

/// A Key with the standards' secret in slots 1 (HOTP) and 2 (TOTP).
fn key(button: Button) -> Desk {
    let options = CreateOptions::default()
        .seed(1)
        .content(Content::Empty)
        .button(button)
        .oath_slot(1, OathCredential::hotp(SECRET))
        .oath_slot(2, OathCredential::totp(SECRET));
    Desk::with_state(VirtualToken::create(PROFILE, &options).unwrap().to_state())
}

/// Waits as long as it takes, but not for ever.
fn patient() -> impl FnMut() -> ControlFlow<()> {
    let mut asked = 0;
    move || {
        asked += 1;
        if asked < 20 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn totp(session: &mut Session, time: u64) -> Result<OneTimePassword, ActionError> {
    let right = factory(PROFILE);
    let pin = PinEntry::Typed(&right);
    session.totp(2, pin, LastTry::Spare, || at(time), patient())
}

fn digits(code: Result<OneTimePassword, ActionError>) -> String {
    code.unwrap().digits().to_owned()
}

/// RFC 4226, appendix D; across sessions and power-ups.
#[test]
fn hotp_gives_the_values_of_the_rfc() {
    let desk = key(Button::Attended);
    let mut session = desk.open();
    for expected in ["755224", "287082", "359152", "969429", "338314"] {
        assert_eq!(digits(session.hotp(1, patient())), expected);
    }
    drop(session);
    let mut session = Desk::with_state(desk.state()).open();
    for expected in ["254676", "287922", "162583", "399871", "520489"] {
        assert_eq!(digits(session.hotp(1, patient())), expected);
    }
}

/// RFC 6238, appendix B, for SHA-1 (the last six of its eight digits), and the vendor's
/// sample. The last time there needs more than four bytes.
#[test]
fn totp_gives_the_values_of_the_rfc_and_of_the_vendor() {
    let desk = key(Button::Attended);
    let mut session = desk.open();
    for (time, expected) in [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (1_585_752_066, "340909"),
    ] {
        assert_eq!(digits(totp(&mut session, time)), expected, "{time}");
    }
}

/// One command a look at the button, and nothing else but what selects and verifies.
#[test]
fn what_is_sent_is_known() {
    let desk = key(Button::Attended);
    let mut session = desk.open();
    session.hotp(1, patient()).unwrap();
    assert_eq!(desk.sent(), [SELECT, CODE, CODE]);
    totp(&mut session, 59).unwrap();
    // SELECT of PIV and the tries, of the ACA and the PIN, of the slot; then a reset.
    assert_eq!(
        desk.sent(),
        [SELECT, VERIFY, SELECT, VERIFY, SELECT, CODE, CODE]
    );
    assert!(!is_open(&desk.card), "it is locked after");
}

/// The button is pressed while it is waited for; the code is that of the time then.
#[test]
fn it_is_asked_until_the_button_is_pressed() {
    let desk = key(Button::Unattended);
    let mut session = desk.open();
    let asked = Cell::new(0);
    let waiting = || {
        asked.set(asked.get() + 1);
        if asked.get() == 4 {
            desk.card.with(VirtualToken::press_button);
        }
        ControlFlow::Continue(())
    };
    assert_eq!(digits(session.hotp(1, waiting)), "755224");
    assert_eq!(desk.sent(), [SELECT, CODE, CODE, CODE, CODE, CODE]);

    let right = factory(PROFILE);
    let clock = || at(if asked.get() < 8 { 0 } else { 59 });
    let waiting = || {
        asked.set(asked.get() + 1);
        if asked.get() == 8 {
            desk.card.with(VirtualToken::press_button);
        }
        ControlFlow::Continue(())
    };
    let entry = PinEntry::Typed(&right);
    let code = session.totp(2, entry, LastTry::Spare, clock, waiting);
    assert_eq!(digits(code), "287082");
}

#[test]
fn nobody_presses_and_nothing_is_used_up() {
    let desk = key(Button::Unattended);
    let mut session = desk.open();
    let before = desk.picture();
    let error = session.hotp(1, patient()).unwrap_err();
    assert!(matches!(error, ActionError::ButtonNotPressed), "{error}");
    assert!(error.to_string().contains("press the button"), "{error}");
    assert!(!error.may_have_spent_a_try());
    let error = totp(&mut session, 59).unwrap_err();
    assert!(matches!(error, ActionError::ButtonNotPressed), "{error}");
    assert!(!is_open(&desk.card), "it is locked after");
    assert_eq!(desk.picture(), before);
}

/// A token without slots is sent nothing, and says why.
#[test]
fn who_has_no_slots_is_not_asked() {
    for profile in [Profile::Piv, Profile::Crescendo2300, Profile::Crescendo4000] {
        let desk = Desk::new(profile, Content::Empty);
        let mut session = desk.open();
        let right = factory(profile);
        let pin = PinEntry::Typed(&right);
        for code in [
            session.hotp(1, patient()),
            session.totp(2, pin, LastTry::Spare, SystemTime::now, patient()),
        ] {
            assert!(
                matches!(
                    code,
                    Err(ActionError::Unavailable {
                        action: Action::Otp,
                        reason: Reason::NotSupportedByFamily,
                    })
                ),
                "{profile}"
            );
        }
        assert!(desk.sent().is_empty(), "{profile}");
    }
}

#[test]
fn a_slot_that_is_not_there_is_not_asked() {
    let desk = key(Button::Attended);
    let mut session = desk.open();
    let otp = session.token().capabilities.get(Action::Otp);
    assert_eq!(otp, Capability::Available);
    for slot in [0, 4] {
        let error = session.hotp(slot, patient()).unwrap_err();
        assert!(
            matches!(
                error,
                ActionError::Unavailable {
                    reason: Reason::NotAnnounced,
                    ..
                }
            ),
            "{error}"
        );
    }
    assert!(desk.sent().is_empty());
}

/// Nothing is public about the slots over the contactless interface, and the PIN has no
/// secure way to them.
#[test]
fn through_the_air_no_code_is_asked_for() {
    let desk = key(Button::Attended);
    desk.card.set_interface(Interface::Contactless);
    let readers = MemoryBackend::new();
    readers.add_reader(LinkOptions::new("Air").contactless());
    readers.insert("Air", &desk.card).unwrap();
    let mut session = Manager::new(Arc::new(readers)).open("Air").unwrap();
    desk.card.clear_log();
    let error = session.hotp(1, patient()).unwrap_err();
    assert!(
        matches!(
            error,
            ActionError::Unavailable {
                reason: Reason::OnlyOnContact,
                ..
            }
        ),
        "{error}"
    );
    assert!(desk.sent().is_empty());
}

#[test]
fn a_slot_that_is_empty_or_of_the_other_kind_says_so() {
    let desk = key(Button::Attended);
    let mut session = desk.open();
    for slot in [2, 3] {
        let error = session.hotp(slot, patient()).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.id(), "refused");
        assert!(text.contains("or gives the other kind of code"), "{text}");
        assert!(text.contains("This step changed nothing"), "{text}");
    }
}

#[test]
fn totp_has_the_pin_verified_and_hotp_does_without() {
    let desk = key(Button::Attended);
    let mut session = desk.open();
    let wrong = pin("271828");
    let entry = PinEntry::Typed(&wrong);
    let error = session.totp(2, entry, LastTry::Spare, SystemTime::now, patient());
    assert!(
        matches!(
            error,
            Err(ActionError::Wrong {
                secret: Secret::Pin,
                tries_left: Some(5),
            })
        ),
        "{error:?}"
    );
    assert!(!desk.sent().contains(&CODE));
    for _ in 0..4 {
        let _ = session.totp(2, entry, LastTry::Spare, SystemTime::now, patient());
    }
    desk.sent();
    let error = totp(&mut session, 59).unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::LastTry { .. })),
        "{error}"
    );
    let _ = session.totp(2, entry, LastTry::Use, SystemTime::now, patient());
    assert_eq!(desk.tries(), PinStatus::Blocked);
    let mut session = desk.open();
    let error = totp(&mut session, 59).unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::Blocked { .. })),
        "{error}"
    );
    assert_eq!(digits(session.hotp(1, patient())), "755224");
}

#[test]
fn a_clock_that_is_wrong_is_found_before_anything_is_sent() {
    let desk = key(Button::Attended);
    let mut session = desk.open();
    let right = factory(PROFILE);
    let entry = PinEntry::Typed(&right);
    let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    for time in [early, at(u64::from(u32::MAX) + 1)] {
        let code = session.totp(2, entry, LastTry::Spare, || time, patient());
        assert!(
            matches!(code, Err(ActionError::NotSent(NotSent::Clock))),
            "{code:?}"
        );
    }
    assert!(desk.sent().is_empty());
    let last = u64::from(u32::MAX);
    assert_eq!(digits(totp(&mut session, last)).len(), 6);
}

/// Pulled out at each command: what is said holds, and the next code is never one that
/// was given before.
#[test]
fn an_interruption_says_what_became_of_the_code() {
    for loss in &LOSSES {
        for k in 1..=3 {
            let desk = key(Button::Attended);
            let mut session = desk.open_with(k, loss.clone());
            let result = session.hotp(1, patient());
            // A reset before anything was done is gone over.
            if k == 1 && matches!(loss, Fault::Reset) {
                assert_eq!(digits(result), "755224");
                continue;
            }
            let error = result.unwrap_err();
            let ActionError::Interrupted {
                step, aftermath, ..
            } = &error
            else {
                panic!("{loss} at {k}: {error}");
            };
            let (expected, state) = match k {
                1 => ("select-slot", Aftermath::Unchanged),
                _ => ("one-time-password", Aftermath::CodeUsedOrNot),
            };
            assert_eq!((*step, *aftermath), (expected, state), "{loss} at {k}");
            assert!(!error.may_have_spent_a_try());
            drop(session);
            let next = digits(desk.open().hotp(1, patient()));
            let used = k == 3 && matches!(loss, Fault::VanishAfter);
            assert_eq!(
                next,
                if used { "287082" } else { "755224" },
                "{loss} at {k}"
            );
        }
    }
    // The tries, the ACA and the PIN, the slot; then the code, twice.
    for k in 5..=6 {
        let desk = key(Button::Attended);
        let mut session = desk.open_with(k, Fault::VanishAfter);
        let error = totp(&mut session, 59).unwrap_err();
        let ActionError::Interrupted { aftermath, .. } = &error else {
            panic!("at {k}: {error}");
        };
        assert_eq!(*aftermath, Aftermath::Unchanged, "at {k}");
    }
}

/// What is malformed is not taken for a code.
#[test]
fn a_code_is_decimal() {
    for answer in [&[0x75, 0x52, 0x2A, 0x90, 0x00][..], &[0x90, 0x00]] {
        let desk = key(Button::Attended);
        let mut session = desk.open_with(2, Fault::Answer(answer.to_vec()));
        let error = session.hotp(1, patient()).unwrap_err();
        assert_eq!(error.id(), "malformed", "{error}");
    }
    let desk = key(Button::Attended);
    let refused = Fault::Status(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    let error = desk.open_with(2, refused).hotp(1, patient()).unwrap_err();
    assert_eq!(error.id(), "refused", "{error}");
}
