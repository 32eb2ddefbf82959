//! The actions that are interrupted, and what is to come of each.

use crescendo_ext::xauth::XauthKey;
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::management::{ManagementAlgorithm, ManagementKey};
use piv_apdu::object::ObjectTag;
use piv_apdu::secret::{Pin, Puk};
use token_manager::token_profile::{Policy, RecoveryKind};
use token_manager::{
    ActionError, Authority, KeyCheck, LastTry, PinChangeEntry, PinEntry, RecoveryPlace,
    RecoverySecret, Secret, Session, SetKey,
};
use virtual_token::{Keypad, Profile};

use crate::desk::{factory, management_key, pin};

pub(crate) const NEW: &str = "271828";
pub(crate) const WRONG: &str = "314159";
pub(crate) const PUK: &str = "12345678";
pub(crate) const NEW_PUK: &str = "86421357";
pub(crate) const WRONG_PUK: &str = "10293847";
/// The admin key's byte after it was set.
pub(crate) const NEW_KEY: u8 = 0x5A;
pub(crate) const CODE: &[u8] = b"60718294";
pub(crate) const CRESCENDOS: &[Profile] = &[
    Profile::Crescendo2300,
    Profile::Crescendo4000,
    Profile::CrescendoKey,
];
pub(crate) const WITH_PUK: &[Profile] = &[Profile::Crescendo4000, Profile::Piv];

/// What a case does.
pub(crate) type Run = fn(&mut Session, Profile) -> Result<(), ActionError>;

/// An action on a token that is in some state.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) profiles: &'static [Profile],
    /// The PIN's tries when it begins; `None` for all of them.
    pub(crate) tries: Option<u8>,
    pub(crate) run: Run,
    /// The secret that it is to find wrong, if any.
    pub(crate) wrong: Option<Secret>,
    /// The PIN that holds after it, if it is another one.
    pub(crate) new_pin: Option<&'static str>,
    /// The PUK that holds after it, if it is another one.
    pub(crate) new_puk: Option<&'static str>,
    /// What is typed on the reader's PIN pad, prompt by prompt.
    pub(crate) typed: &'static [Typed],
    /// Where the recovery secret is kept when it begins; `None` if another's
    /// content is in its place.
    pub(crate) kept: Option<RecoveryPlace>,
}

/// A PIN on a PIN pad.
#[derive(Clone, Copy)]
pub(crate) enum Typed {
    Factory,
    Text(&'static str),
}

pub(crate) const fn case(name: &'static str, run: Run) -> Case {
    Case {
        name,
        profiles: &Profile::ALL,
        tries: None,
        run,
        wrong: None,
        new_pin: None,
        new_puk: None,
        typed: &[],
        kept: None,
    }
}

impl Case {
    /// One run. What an interrupted one has left of its typing still lies there.
    pub(crate) fn carry_out(
        &self,
        session: &mut Session,
        pad: &Keypad,
        profile: Profile,
    ) -> Result<(), ActionError> {
        if pad.remaining() == 0 {
            for typed in self.typed {
                match typed {
                    Typed::Factory => pad.press(profile.factory_pin()),
                    Typed::Text(text) => pad.press(text),
                }
            }
        }
        (self.run)(session, profile)
    }

    pub(crate) const fn typed(self, typed: &'static [Typed]) -> Self {
        Self { typed, ..self }
    }

    pub(crate) const fn kept(self, place: RecoveryPlace) -> Self {
        let kept = Some(place);
        Self { kept, ..self }
    }

    pub(crate) const fn on(self, profiles: &'static [Profile]) -> Self {
        Self { profiles, ..self }
    }

    pub(crate) const fn wrong(self, secret: Secret) -> Self {
        let wrong = Some(secret);
        Self { wrong, ..self }
    }

    pub(crate) const fn tries(self, tries: u8) -> Self {
        let tries = Some(tries);
        Self { tries, ..self }
    }

    pub(crate) const fn new_pin(self) -> Self {
        let new_pin = Some(NEW);
        Self { new_pin, ..self }
    }

    pub(crate) const fn new_puk(self) -> Self {
        let new_puk = Some(NEW_PUK);
        Self { new_puk, ..self }
    }
}

/// Every action with a right secret and with a wrong one, on a PIN with all its
/// tries, with two left, and with none where it unblocks.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = with_the_pin();
    cases.extend(with_the_puk());
    cases.extend(with_a_key());
    cases.extend(on_the_pin_pad());
    cases.extend(with_a_recovery_secret());
    cases
}

pub(crate) fn with_the_pin() -> Vec<Case> {
    vec![
        case("reload", |session, _| session.reload()),
        case("pin status", |session, _| {
            session.refresh_pin_status().map(drop)
        }),
        case("authenticate", |session, profile| {
            authenticate(session, &factory(profile))
        }),
        case("authenticate", |session, profile| {
            authenticate(session, &factory(profile))
        })
        .tries(2),
        case("authenticate, wrong", |session, _| {
            authenticate(session, &pin(WRONG))
        })
        .wrong(Secret::Pin),
        case("authenticate, wrong", |session, _| {
            authenticate(session, &pin(WRONG))
        })
        .tries(2)
        .wrong(Secret::Pin),
        case("read behind the PIN", read_behind),
        case("hold open and lock", hold_open),
        case("keep the pairing code", |session, profile| {
            let pin = factory(profile);
            session
                .cache_pairing_code(PinEntry::Typed(&pin), LastTry::Spare)
                .map(drop)
        }),
        case("retrieve the pairing code", |session, profile| {
            retrieve_code(session, &factory(profile))
        }),
        case("retrieve the pairing code", |session, profile| {
            retrieve_code(session, &factory(profile))
        })
        .tries(2),
        case("retrieve the pairing code, wrong", |session, _| {
            retrieve_code(session, &pin(WRONG))
        })
        .wrong(Secret::Pin),
        case("use key", |session, profile| {
            use_key(session, &factory(profile))
        }),
        case("use key, wrong", |session, _| use_key(session, &pin(WRONG))).wrong(Secret::Pin),
        case("change PIN", |session, profile| {
            change(session, &factory(profile), NEW)
        })
        .new_pin(),
        case("change PIN", |session, profile| {
            change(session, &factory(profile), NEW)
        })
        .tries(2)
        .new_pin(),
        case("change PIN, wrong", |session, _| {
            change(session, &pin(WRONG), NEW)
        })
        .wrong(Secret::Pin),
    ]
}

pub(crate) fn with_the_puk() -> Vec<Case> {
    vec![
        case("change PUK", |session, _| change_puk(session, PUK))
            .on(WITH_PUK)
            .new_puk(),
        case("change PUK, wrong", |session, _| {
            change_puk(session, WRONG_PUK)
        })
        .on(WITH_PUK)
        .wrong(Secret::Puk),
        case("unblock with PUK", |session, _| unblock(session, PUK))
            .on(WITH_PUK)
            .tries(0)
            .new_pin(),
        case("unblock with PUK", |session, _| unblock(session, PUK))
            .on(WITH_PUK)
            .tries(2)
            .new_pin(),
        case("unblock with PUK, wrong", |session, _| {
            unblock(session, WRONG_PUK)
        })
        .on(WITH_PUK)
        .tries(0)
        .wrong(Secret::Puk),
    ]
}

pub(crate) fn with_a_key() -> Vec<Case> {
    let admin = Secret::AdminKey;
    let static_only: &[Profile] = &[Profile::Crescendo4000];
    vec![
        case("unblock with key", |session, _| {
            unblock_with_key(session, 0)
        })
        .on(CRESCENDOS)
        .tries(0)
        .new_pin(),
        case("unblock with key", |session, _| {
            unblock_with_key(session, 0)
        })
        .on(CRESCENDOS)
        .tries(2)
        .new_pin(),
        case("unblock with key, wrong", |session, _| {
            unblock_with_key(session, 7)
        })
        .on(CRESCENDOS)
        .tries(0)
        .wrong(admin),
        case("unblock with response", |session, _| respond(session, 0))
            .on(CRESCENDOS)
            .tries(0)
            .new_pin(),
        case("unblock with response", |session, _| respond(session, 0))
            .on(CRESCENDOS)
            .tries(2)
            .new_pin(),
        case("unblock with response, wrong", |session, _| {
            respond(session, 7)
        })
        .on(CRESCENDOS)
        .tries(0)
        .wrong(admin),
        case("unblock with code", |session, _| {
            unblock_with_code(session, 0)
        })
        .on(static_only)
        .tries(0)
        .new_pin(),
        case("unblock with code, wrong", |session, _| {
            unblock_with_code(session, 7)
        })
        .on(static_only)
        .tries(0)
        .wrong(Secret::UnlockCode),
        case("check admin key", |session, _| check_key(session, 0)).on(CRESCENDOS),
        case("check admin key, wrong", |session, _| check_key(session, 7)).on(CRESCENDOS),
        case("check management key", |session, _| {
            let found = session.check_management_key(&management_key())?;
            assert_eq!(found, KeyCheck::Right);
            Ok(())
        })
        .on(&[Profile::Piv]),
        case("check management key, wrong", |session, _| {
            let wrong = ManagementKey::new(ManagementAlgorithm::Aes256, &[7; 32]).unwrap();
            let found = session.check_management_key(&wrong)?;
            assert_eq!(found, KeyCheck::Wrong);
            Ok(())
        })
        .on(&[Profile::Piv]),
        case("set admin key by key", |session, _| {
            set_key(session, Authority::AdminKey(&key(0)))
        })
        .on(CRESCENDOS),
        case("set admin key by key, wrong", |session, _| {
            set_key(session, Authority::AdminKey(&key(9)))
        })
        .on(CRESCENDOS)
        .wrong(admin),
        case("set admin key by PIN", |session, profile| {
            let pin = factory(profile);
            set_key(session, Authority::Pin(PinEntry::Typed(&pin)))
        })
        .on(CRESCENDOS)
        .kept(RecoveryPlace::Token),
        case("set admin key by PIN", |session, profile| {
            let pin = factory(profile);
            set_key(session, Authority::Pin(PinEntry::Typed(&pin)))
        })
        .on(CRESCENDOS)
        .kept(RecoveryPlace::Host),
    ]
}

/// The reader's VERIFY and change of the PIN are commands as any other.
pub(crate) fn on_the_pin_pad() -> Vec<Case> {
    const RIGHT: &[Typed] = &[Typed::Factory];
    const MISTYPED: &[Typed] = &[Typed::Text(WRONG)];
    const CHANGE: &[Typed] = &[Typed::Factory, Typed::Text(NEW), Typed::Text(NEW)];
    const MISCHANGE: &[Typed] = &[Typed::Text(WRONG), Typed::Text(NEW), Typed::Text(NEW)];
    let authenticate: Run = |session, _| {
        session
            .authenticate(PinEntry::PinPad, LastTry::Spare)
            .map(drop)
    };
    let change: Run = |session, _| {
        session
            .change_pin(PinChangeEntry::PinPad, LastTry::Spare)
            .map(drop)
    };
    vec![
        case("authenticate, pad", authenticate).typed(RIGHT),
        case("authenticate, pad", authenticate)
            .typed(RIGHT)
            .tries(2),
        case("authenticate, pad, wrong", authenticate)
            .typed(MISTYPED)
            .wrong(Secret::Pin),
        case("authenticate, pad, wrong", authenticate)
            .typed(MISTYPED)
            .tries(2)
            .wrong(Secret::Pin),
        case("change PIN, pad", change).typed(CHANGE).new_pin(),
        case("change PIN, pad", change)
            .typed(CHANGE)
            .tries(2)
            .new_pin(),
        case("change PIN, pad, wrong", change)
            .typed(MISCHANGE)
            .wrong(Secret::Pin),
        case("retrieve the pairing code, pad", |session, _| {
            session
                .retrieve_pairing_code(PinEntry::PinPad, LastTry::Spare)
                .map(drop)
        })
        .typed(RIGHT),
        case("set policy, pad", |session, _| {
            let policy = Policy {
                minimum: 6,
                ..Policy::DELIVERY
            };
            session
                .set_policy(PinEntry::PinPad, LastTry::Spare, &policy)
                .map(drop)
        })
        .typed(RIGHT),
        case("set admin key, pad", |session, _| {
            set_key(session, Authority::Pin(PinEntry::PinPad))
        })
        .on(CRESCENDOS)
        .typed(RIGHT),
        case("view PUK, pad", |session, profile| {
            view(session, PinEntry::PinPad, profile)
        })
        .kept(RecoveryPlace::Token)
        .typed(RIGHT),
        case("forget recovery, pad", |session, profile| {
            forget(session, PinEntry::PinPad, profile)
        })
        .kept(RecoveryPlace::Token)
        .typed(RIGHT),
        case("keep recovery, pad", |session, profile| {
            keep(session, PinEntry::PinPad, profile, RecoveryPlace::Token)
        })
        .kept(RecoveryPlace::Nowhere)
        .typed(RIGHT),
    ]
}

/// Shown, forgotten and kept, from each place and in each.
pub(crate) fn with_a_recovery_secret() -> Vec<Case> {
    use RecoveryPlace::{Host, Nowhere, Token};
    let show: Run = |session, profile| {
        let pin = factory(profile);
        view(session, PinEntry::Typed(&pin), profile)
    };
    let erase: Run = |session, profile| {
        let pin = factory(profile);
        forget(session, PinEntry::Typed(&pin), profile)
    };
    let on_token: Run = |session, profile| {
        let pin = factory(profile);
        keep(session, PinEntry::Typed(&pin), profile, Token)
    };
    let on_host: Run = |session, profile| {
        let pin = factory(profile);
        keep(session, PinEntry::Typed(&pin), profile, Host)
    };
    let wrong: Run = |session, profile| view(session, PinEntry::Typed(&pin(WRONG)), profile);
    let mut cases = vec![
        case("view PUK, wrong", wrong)
            .kept(Token)
            .wrong(Secret::Pin),
    ];
    for place in [Token, Host] {
        cases.push(case("view PUK", show).kept(place));
        cases.push(case("forget recovery", erase).kept(place));
    }
    for place in [Nowhere, Token, Host] {
        cases.push(case("keep recovery on the token", on_token).kept(place));
        cases.push(case("keep recovery on the host", on_host).kept(place));
    }
    cases
}

pub(crate) fn authenticate(session: &mut Session, pin: &Pin) -> Result<(), ActionError> {
    session
        .authenticate(PinEntry::Typed(pin), LastTry::Spare)
        .map(drop)
}

pub(crate) fn read_behind(session: &mut Session, profile: Profile) -> Result<(), ActionError> {
    let pin = factory(profile);
    let mut open = session.authenticate(PinEntry::Typed(&pin), LastTry::Spare)?;
    open.read_object(ObjectTag::new(0x5F_C109)).map(drop)
}

/// Asked whether it still is open, and locked by hand.
pub(crate) fn hold_open(session: &mut Session, profile: Profile) -> Result<(), ActionError> {
    let pin = factory(profile);
    let mut open = session.authenticate(PinEntry::Typed(&pin), LastTry::Spare)?;
    if !open.is_still_verified()? {
        return Err(ActionError::AuthenticationLost);
    }
    open.lock().map(drop)
}

/// A code is kept only if it was read to its end.
pub(crate) fn retrieve_code(session: &mut Session, pin: &Pin) -> Result<(), ActionError> {
    let entry = PinEntry::Typed(pin);
    let code = session.retrieve_pairing_code(entry, LastTry::Spare)?;
    assert_eq!(code.as_bytes(), CODE);
    Ok(())
}

pub(crate) fn use_key(session: &mut Session, pin: &Pin) -> Result<(), ActionError> {
    let key = KeyReference::PIV_AUTHENTICATION;
    session
        .use_key(pin, LastTry::Spare, key, Algorithm::EccP256, &[7; 32])
        .map(drop)
}

pub(crate) fn change(session: &mut Session, old: &Pin, new: &str) -> Result<(), ActionError> {
    let new = &pin(new);
    session
        .change_pin(PinChangeEntry::Typed { old, new }, LastTry::Spare)
        .map(drop)
}

pub(crate) fn puk(text: &str) -> Puk {
    Puk::new(text.as_bytes()).unwrap()
}

pub(crate) fn change_puk(session: &mut Session, old: &str) -> Result<(), ActionError> {
    session.change_puk(&puk(old), &puk(NEW_PUK), LastTry::Spare)
}

pub(crate) fn unblock(session: &mut Session, with: &str) -> Result<(), ActionError> {
    session
        .unblock_with_puk(&puk(with), &pin(NEW), LastTry::Spare)
        .map(drop)
}

/// A 3DES key of one byte's repetition; the delivery value is of zeros.
pub(crate) fn key(byte: u8) -> XauthKey {
    XauthKey::from_slice(&[byte; 24]).unwrap()
}

pub(crate) fn unblock_with_key(session: &mut Session, with: u8) -> Result<(), ActionError> {
    session.unblock_with_key(&key(with), &pin(NEW)).map(drop)
}

pub(crate) fn respond(session: &mut Session, with: u8) -> Result<(), ActionError> {
    let challenge = session.unblock_challenge()?;
    let response = key(with).cryptogram(challenge.challenge()).unwrap();
    session
        .unblock_with_response(&challenge, &response, &pin(NEW))
        .map(drop)
}

/// The code was noted down long before, and another try asks for no challenge.
pub(crate) fn unblock_with_code(session: &mut Session, with: u8) -> Result<(), ActionError> {
    let challenge = session.unblock_challenge()?;
    let code = key(with).cryptogram(challenge.challenge()).unwrap();
    session.unblock_with_code(&code, &pin(NEW)).map(drop)
}

pub(crate) fn check_key(session: &mut Session, with: u8) -> Result<(), ActionError> {
    let found = session.check_admin_key(&key(with))?;
    assert_eq!(found == KeyCheck::Right, with == 0);
    Ok(())
}

/// The admin key becomes another one.
pub(crate) fn set_key(session: &mut Session, by: Authority<'_>) -> Result<(), ActionError> {
    let new = SetKey::Given(key(NEW_KEY));
    session
        .set_admin_key(by, new, &mut |_| true, LastTry::Spare)
        .map(drop)
}

/// What unblocks the token as it was delivered.
pub(crate) fn recovery(profile: Profile) -> RecoverySecret {
    let secret = if profile == Profile::Piv {
        RecoverySecret::new(RecoveryKind::Puk, PUK.as_bytes())
    } else {
        RecoverySecret::new(RecoveryKind::XauthKey, &[0; 24])
    };
    secret.unwrap()
}

pub(crate) fn keep(
    session: &mut Session,
    pin: PinEntry<'_>,
    profile: Profile,
    place: RecoveryPlace,
) -> Result<(), ActionError> {
    let management = management_key();
    let management = (profile == Profile::Piv).then_some(&management);
    session.keep_recovery(pin, LastTry::Spare, management, place, &recovery(profile))
}

pub(crate) fn view(
    session: &mut Session,
    pin: PinEntry<'_>,
    profile: Profile,
) -> Result<(), ActionError> {
    let shown = session.view_puk(pin, LastTry::Spare)?;
    assert_eq!(shown, recovery(profile));
    Ok(())
}

/// On a plain PIV card with its management key.
pub(crate) fn forget(
    session: &mut Session,
    pin: PinEntry<'_>,
    profile: Profile,
) -> Result<(), ActionError> {
    match profile {
        Profile::Piv => session.forget_recovery_with_key(pin, LastTry::Spare, &management_key()),
        _ => session.forget_recovery(pin, LastTry::Spare),
    }
}
