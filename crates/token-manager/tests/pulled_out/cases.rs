//! The actions that are interrupted, and what is to come of each.

use crescendo_ext::xauth::XauthKey;
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;
use piv_apdu::secret::{Pin, Puk};
use token_manager::{ActionError, KeyCheck, LastTry, PinChangeEntry, PinEntry, Secret, Session};
use virtual_token::Profile;

use crate::desk::{factory, management_key, pin};

pub(crate) const NEW: &str = "271828";
pub(crate) const WRONG: &str = "314159";
pub(crate) const PUK: &str = "12345678";
pub(crate) const NEW_PUK: &str = "86421357";
pub(crate) const WRONG_PUK: &str = "10293847";
pub(crate) const CODE: &[u8] = b"60718294";
pub(crate) const CRESCENDOS: &[Profile] = &[
    Profile::Crescendo2300,
    Profile::Crescendo4000,
    Profile::CrescendoKey,
];
pub(crate) const WITH_PUK: &[Profile] = &[Profile::Crescendo4000, Profile::Piv];

/// An action on a token that is in some state.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) profiles: &'static [Profile],
    /// The PIN's tries when it begins; `None` for all of them.
    pub(crate) tries: Option<u8>,
    pub(crate) run: fn(&mut Session, Profile) -> Result<(), ActionError>,
    /// The secret that it is to find wrong, if any.
    pub(crate) wrong: Option<Secret>,
    /// The PIN that holds after it, if it is another one.
    pub(crate) new_pin: Option<&'static str>,
    /// The PUK that holds after it, if it is another one.
    pub(crate) new_puk: Option<&'static str>,
}

pub(crate) const fn case(
    name: &'static str,
    run: fn(&mut Session, Profile) -> Result<(), ActionError>,
) -> Case {
    Case {
        name,
        profiles: &Profile::ALL,
        tries: None,
        run,
        wrong: None,
        new_pin: None,
        new_puk: None,
    }
}

impl Case {
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
    let key = Secret::AdminKey;
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
        .wrong(key),
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
        .wrong(key),
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
    ]
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
