//! Tokens on a contactless reader: what they show to everybody, the virtual contact
//! interface and what it takes to open it, and that no secret goes through the air in
//! the clear.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use std::sync::{Arc, Mutex};

use pcsc_transport::{Card, CardLink, Continuity, Leave, LinkError, LinkInfo};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;
use piv_apdu::secret::{PairingCode, Pin};
use piv_apdu::sm::{ChainError, CipherSuite, CvcFault, TrustAnchor};
use piv_apdu::status::StatusWord;
use token_manager::{
    Action, ActionError, Aftermath, Capability, CardTrust, CertificateState, Freshness, LastTry,
    LoadOptions, Manager, MemoryPairingCodes, NotSent, ObjectState, Overrides, PairingCodeStore,
    PinChangeEntry, PinEntry, PinStatus, Reason, Session, Token, VciError, VciState, load,
};
use virtual_token::fault::{Fault, Faults};
use virtual_token::{
    Content, CreateOptions, KeyAlgorithm, LinkOptions, MemoryBackend, Profile, SharedToken, Vci,
    VirtualToken,
};
use zeroize::Zeroizing;

use desk::{factory, pin};

const SUITES: [CipherSuite; 2] = [CipherSuite::Cs2, CipherSuite::Cs7];
const NEW: &str = "271828";

fn make(profile: Profile, vci: Option<Vci>, seed: u64) -> SharedToken {
    let mut options = CreateOptions::default()
        .seed(seed)
        .content(Content::Personal)
        .key(KeyReference::PIV_AUTHENTICATION, KeyAlgorithm::EccP256);
    if let Some(vci) = vci {
        options = options.vci(vci);
    }
    SharedToken::new(VirtualToken::create(profile, &options).unwrap())
}

fn anchor(card: &SharedToken) -> CardTrust {
    let issuer = card.with(|token| token.issuer_certificate().unwrap().to_vec());
    CardTrust::Anchors(Arc::new([TrustAnchor::from_der(&issuer).unwrap()]))
}

/// A host with the pairing codes that it keeps, and the cards that it believes.
struct Host {
    codes: Arc<MemoryPairingCodes>,
    trust: CardTrust,
}

impl Host {
    fn believing(trust: CardTrust) -> Self {
        let codes = Arc::new(MemoryPairingCodes::new());
        Self { codes, trust }
    }

    fn manager(&self, readers: MemoryBackend) -> Manager {
        let options = LoadOptions::new().with_card_trust(self.trust.clone());
        let codes = Arc::clone(&self.codes) as Arc<dyn PairingCodeStore>;
        Manager::new(Arc::new(readers))
            .with_options(options)
            .with_pairing_codes(codes)
            .with_overrides(Overrides::default().allow_unverified(true))
    }

    fn on_contact(&self, card: &SharedToken) -> Session {
        let readers = MemoryBackend::new();
        readers.insert("Slot", card).unwrap();
        self.manager(readers).open("Slot").unwrap()
    }

    fn through_air(&self, card: &SharedToken) -> Session {
        let readers = MemoryBackend::new();
        readers.add_reader(LinkOptions::new("Pad").contactless());
        readers.insert("Pad", card).unwrap();
        self.manager(readers).open("Pad").unwrap()
    }

    /// Retrieves the pairing code on contact and keeps it.
    fn meets(&self, card: &SharedToken) -> Token {
        let mut session = self.on_contact(card);
        let pin = factory(card.with(|token| token.profile()));
        session
            .cache_pairing_code(PinEntry::Typed(&pin), LastTry::Spare)
            .unwrap();
        session.reload().unwrap();
        session.token().clone()
    }
}

fn state_of(session: &Session) -> VciState {
    session.token().vci.clone()
}

fn verify(session: &mut Session, with: &Pin) -> Result<(), ActionError> {
    let entry = PinEntry::Typed(with);
    session.authenticate(entry, LastTry::Spare).map(drop)
}

/// Nothing that contact allows is allowed, each with this error, and no try is spent.
#[track_caller]
fn refuses_the_pin(session: &mut Session, expected: &VciError) {
    let with = pin(NEW);
    let error = verify(session, &with).unwrap_err();
    let is_it = matches!(&error, ActionError::Vci { source, .. } if source == expected);
    assert!(is_it, "{error:?}");
    assert!(error.to_string().contains(&expected.to_string()), "{error}");
    assert!(!error.may_have_spent_a_try());
    let entry = PinChangeEntry::Typed {
        old: &with,
        new: &pin("314159"),
    };
    let error = session.change_pin(entry, LastTry::Spare).unwrap_err();
    assert!(matches!(error, ActionError::Vci { .. }), "{error:?}");
}

#[test]
fn over_the_virtual_contact_interface_a_token_shows_and_does_what_it_does_on_contact() {
    for profile in Profile::ALL {
        for suite in SUITES {
            for vci in [
                Vci::new(suite),
                Vci::new(suite).without_pairing_code(),
                Vci::new(suite).through_intermediate(),
            ] {
                let what = format!("{profile}, {vci:?}");
                let card = make(profile, Some(vci), 7);
                let host = Host::believing(anchor(&card));
                let on_contact = if vci.pairing_code {
                    host.meets(&card)
                } else {
                    host.on_contact(&card).token().clone()
                };
                assert_eq!(on_contact.vci, VciState::NotNeeded, "{what}");

                let mut session = host.through_air(&card);
                let vouched = true;
                assert_eq!(
                    state_of(&session),
                    VciState::Open { suite, vouched },
                    "{what}"
                );
                let token = session.token();
                assert_eq!(token.objects, on_contact.objects, "{what}");
                assert_eq!(token.certificates, on_contact.certificates, "{what}");
                assert_eq!(token.keys, on_contact.keys, "{what}");
                assert_eq!(token.pin.status, on_contact.pin.status, "{what}");
                assert!(token.problems.is_empty(), "{what}: {:?}", token.problems);

                let old = factory(profile);
                verify(&mut session, &old).expect(&what);
                let entry = PinChangeEntry::Typed {
                    old: &old,
                    new: &pin(NEW),
                };
                session.change_pin(entry, LastTry::Spare).expect(&what);
                let error = verify(&mut session, &old).unwrap_err();
                assert!(
                    matches!(error, ActionError::Wrong { .. }),
                    "{what}: {error:?}"
                );
                let key = KeyReference::PIV_AUTHENTICATION;
                let signature = session
                    .use_key(&pin(NEW), LastTry::Spare, key, Algorithm::EccP256, &[7; 32])
                    .expect(&what);
                assert_eq!(signature.first(), Some(&0x30), "{what}");
                drop(session);
                // It is one token, whichever way one comes to it.
                verify(&mut host.on_contact(&card), &pin(NEW)).expect(&what);
            }
        }
    }
}

#[test]
fn without_the_virtual_contact_interface_a_token_shows_what_it_shows_to_everybody() {
    for profile in Profile::ALL {
        let card = make(profile, None, 7);
        let host = Host::believing(CardTrust::AnyCard);
        let mut session = host.through_air(&card);
        assert_eq!(state_of(&session), VciState::NotAnnounced, "{profile}");
        let token = session.token();
        assert!(token.identity.guid.is_some(), "{profile}: the CHUID");
        let state = &token
            .certificate(KeyReference::PIV_AUTHENTICATION)
            .unwrap()
            .state;
        assert_eq!(*state, CertificateState::NeedsContact, "{profile}");
        for action in [Action::Authenticate, Action::ChangePin] {
            let capability = token.capabilities.get(action);
            let expected = Capability::Unavailable(Reason::OnlyOnContact);
            assert_eq!(capability, expected, "{profile} {action}");
        }
        card.clear_log();
        let error = verify(&mut session, &factory(profile)).unwrap_err();
        let only = matches!(
            error,
            ActionError::Unavailable {
                reason: Reason::OnlyOnContact,
                ..
            }
        );
        assert!(only, "{profile}: {error:?}");
        assert!(card.log().is_empty(), "{profile}: nothing was sent");
    }
}

/// What a card does not tell whether it has it is not taken for missing.
#[test]
fn what_only_contact_shows_is_not_said_to_be_absent() {
    let told = [
        ObjectTag::CHUID,
        ObjectTag::DISCOVERY,
        ObjectTag::CARD_AUTHENTICATION_CERTIFICATE,
        ObjectTag::BIT_GROUP,
        ObjectTag::SM_SIGNER,
    ];
    for content in [Content::Empty, Content::Personal] {
        let options = CreateOptions::default().seed(7).content(content);
        let token = VirtualToken::create(Profile::Piv, &options).unwrap();
        let card = SharedToken::new(token);
        let link = LinkOptions::new("Pad").contactless();
        let mut card = Card::new(Box::new(card.connect(&link).unwrap()));
        let token = load(&mut card, &LoadOptions::new().with_all(true)).unwrap();
        let mut hidden = 0;
        for object in token.objects.iter().filter(|it| !told.contains(&it.tag)) {
            let state = &object.state;
            let is_said = matches!(state, ObjectState::NeedsContact | ObjectState::NeedsPin);
            assert!(is_said, "{content:?} {}: {state:?}", object.tag);
            hidden += 1;
        }
        for entry in token
            .certificates
            .iter()
            .filter(|it| !told.contains(&it.tag))
        {
            assert_eq!(entry.state, CertificateState::NeedsContact, "{content:?}");
            hidden += 1;
        }
        assert_eq!(hidden, ObjectTag::ALL.len() - told.len());
    }
}

/// A card may keep its last tries for the contact interface (the intermediate retry value):
/// that is not a blocked PIN.
#[test]
fn the_tries_that_a_card_keeps_for_contact_are_said_to_be_kept() {
    let profile = Profile::Piv;
    let card = make(profile, Some(Vci::new(CipherSuite::Cs2)), 7);
    let host = Host::believing(anchor(&card));
    host.meets(&card);
    let right = factory(profile);
    let mut session = host.through_air(&card);
    for left in [2, 1] {
        let error = verify(&mut session, &pin(NEW)).unwrap_err();
        assert_eq!(error.tries_left(), Some(left), "{error:?}");
    }
    let entry = PinEntry::Typed(&right);
    for _ in 0..2 {
        let error = session.authenticate(entry, LastTry::Use).map(drop);
        let error = error.unwrap_err();
        let kept = NotSent::KeptForContact { left: 1 };
        assert!(
            matches!(&error, ActionError::NotSent(why) if *why == kept),
            "{error:?}"
        );
        assert!(!error.may_have_spent_a_try());
        assert_eq!(session.token().pin.status, PinStatus::TriesLeft(1));
    }
    let change = PinChangeEntry::Typed {
        old: &right,
        new: &pin(NEW),
    };
    let error = session.change_pin(change, LastTry::Use).unwrap_err();
    assert_eq!(error.tries_left(), Some(1), "{error:?}");
    drop(session);
    let mut session = host.on_contact(&card);
    session.authenticate(entry, LastTry::Use).map(drop).unwrap();
}

#[test]
fn what_the_standard_keeps_to_contact_says_so() {
    let card = make(Profile::Crescendo4000, Some(Vci::new(CipherSuite::Cs2)), 7);
    let host = Host::believing(anchor(&card));
    host.meets(&card);
    let session = host.through_air(&card);
    assert!(session.token().vci.allows_contact());
    for action in [
        Action::UnblockWithPuk,
        Action::ChangePuk,
        Action::RetrievePairingCode,
        Action::Recycle,
        Action::Personalize,
        Action::UpdatePinLength,
        Action::ChangeAdminKey,
    ] {
        let capability = session.token().capabilities.get(action);
        let expected = Capability::Unavailable(Reason::OnlyOnContact);
        assert_eq!(capability, expected, "{action}");
    }
}

#[test]
fn nobody_is_believed_unless_it_was_said_whom_to_believe() {
    let card = make(Profile::Piv, Some(Vci::new(CipherSuite::Cs2)), 7);
    let host = Host::believing(CardTrust::default());
    host.meets(&card);
    card.clear_log();
    let mut session = host.through_air(&card);
    let closed = VciState::Closed(VciError::NotTrusted);
    assert_eq!(state_of(&session), closed);
    assert!(card.log().iter().all(|header| header.ins != 0x87));
    let capability = session.token().capabilities.get(Action::ChangePin);
    assert_eq!(capability, Capability::Unavailable(Reason::CardNotTrusted));
    assert_eq!(session.token().wants_pairing_code(), None, "it has one");
    refuses_the_pin(&mut session, &VciError::NotTrusted);

    // By agreement, any card's word is enough.
    let host = Host::believing(CardTrust::AnyCard);
    host.meets(&card);
    let mut session = host.through_air(&card);
    let suite = CipherSuite::Cs2;
    let vouched = false;
    assert_eq!(state_of(&session), VciState::Open { suite, vouched });
    verify(&mut session, &factory(Profile::Piv)).unwrap();
}

#[test]
fn a_pairing_code_that_is_missing_wrong_or_another_card_s_is_said_to_be_so() {
    let card = make(Profile::Piv, Some(Vci::new(CipherSuite::Cs2)), 7);
    let host = Host::believing(CardTrust::AnyCard);
    let mut session = host.through_air(&card);
    let closed = VciState::Closed(VciError::NoPairingCode);
    assert_eq!(state_of(&session), closed);
    let capability = session.token().capabilities.get(Action::ChangePin);
    assert_eq!(
        capability,
        Capability::Unavailable(Reason::NeedsPairingCode)
    );
    refuses_the_pin(&mut session, &VciError::NoPairingCode);
    drop(session);

    let token = host.meets(&card);
    let guid = token.identity.guid.unwrap();
    let right = host.codes.get(&guid).unwrap().unwrap();
    let wrong = match right.as_bytes() {
        b"00000000" => b"11111111",
        _ => b"00000000",
    };
    host.codes
        .put(&guid, &PairingCode::new(wrong).unwrap())
        .unwrap();
    // Whether it is certain that it is the card which says so is told.
    for (trust, vouched) in [(anchor(&card), true), (CardTrust::AnyCard, false)] {
        let codes = Arc::clone(&host.codes);
        let mut session = Host { codes, trust }.through_air(&card);
        let error = VciError::WrongPairingCode { vouched };
        assert_eq!(state_of(&session), VciState::Closed(error.clone()));
        let wanted = session.token().wants_pairing_code();
        assert_eq!(wanted, Some((guid, &error)));
        refuses_the_pin(&mut session, &error);
    }

    // Another card's code is not tried: it is kept for its GUID.
    host.codes.put(&guid, &right).unwrap();
    let other = make(Profile::Piv, Some(Vci::new(CipherSuite::Cs2)), 8);
    let mut session = host.through_air(&other);
    refuses_the_pin(&mut session, &VciError::NoPairingCode);
    drop(session);
    let session = host.through_air(&card);
    assert!(session.token().vci.allows_contact());
    assert_eq!(session.token().wants_pairing_code(), None);
    let tries = host.on_contact(&card).token().pin.status.clone();
    assert_eq!(tries, PinStatus::TriesLeft(3), "no try was spent");
}

/// Puts this part of another token in the place of the token's own.
fn graft(card: &SharedToken, from: &SharedToken, path: &[&str]) {
    fn at<'a>(value: &'a mut serde_json::Value, path: &[&str]) -> &'a mut serde_json::Value {
        path.iter().fold(value, |value, name| &mut value[*name])
    }
    let mut from = from.with(|token| serde_json::to_value(token.to_state()).unwrap());
    let part = at(&mut from, path).take();
    assert!(!part.is_null(), "{path:?}");
    card.with(|token| {
        let mut state = serde_json::to_value(token.to_state()).unwrap();
        *at(&mut state, path) = part;
        *token = VirtualToken::from_state(serde_json::from_value(state).unwrap()).unwrap();
        token.power_on();
    });
}

#[test]
fn a_card_that_is_not_the_one_that_it_says_it_is_gets_no_pin() {
    let vci = Vci::new(CipherSuite::Cs2).without_pairing_code();
    let other = make(Profile::Piv, Some(vci), 8);
    for is_any in [true, false] {
        let card = make(Profile::Piv, Some(vci), 7);
        let trust = if is_any {
            CardTrust::AnyCard
        } else {
            anchor(&card)
        };
        let guid = |card: &SharedToken| Host::believing(CardTrust::Nobody).on_contact(card);
        let guid = |card: &SharedToken| guid(card).token().identity.guid;
        let (certificate, chuid) = (guid(&card).unwrap(), guid(&other));
        graft(&card, &other, &["objects", "5FC102"]);
        let host = Host::believing(trust);
        let mut session = host.through_air(&card);
        let error = VciError::OtherCard { certificate, chuid };
        refuses_the_pin(&mut session, &error);
        assert!(error.to_string().contains(&certificate.to_string()));
    }
}

#[test]
fn a_card_that_nobody_vouches_for_gets_no_pin() {
    let vci = Vci::new(CipherSuite::Cs7).without_pairing_code();
    let card = make(Profile::Piv, Some(vci), 7);
    // Its authority is not the one that is trusted.
    let other = make(Profile::Piv, Some(vci), 8);
    let mut session = Host::believing(anchor(&other)).through_air(&card);
    let VciState::Closed(error) = state_of(&session) else {
        panic!("it is open");
    };
    let untrusted = matches!(error, VciError::Untrusted(_));
    assert!(untrusted, "{error:?}");
    refuses_the_pin(&mut session, &error);
    drop(session);

    // Somebody has given it another key, with a certificate that its authority did not sign.
    let host = Host::believing(anchor(&card));
    assert!(host.through_air(&card).token().vci.allows_contact());
    let mut cvc = card.with(|token| serde_json::to_value(token.to_state()).unwrap());
    let text = cvc["secure_messaging"]["cvc"].take();
    let text = text
        .as_str()
        .expect("a certificate in hexadecimal")
        .to_owned();
    let last = text.len() - 1;
    let flipped = if text.ends_with('0') { "1" } else { "0" };
    card.with(|token| {
        let mut state = serde_json::to_value(token.to_state()).unwrap();
        state["secure_messaging"]["cvc"] = format!("{}{flipped}", &text[..last]).into();
        *token = VirtualToken::from_state(serde_json::from_value(state).unwrap()).unwrap();
    });
    let mut session = host.through_air(&card);
    let error = VciError::Untrusted(ChainError::Card(CvcFault::Signature));
    refuses_the_pin(&mut session, &error);
}

#[test]
fn a_card_that_was_exchanged_after_it_was_read_gets_no_pin() {
    let vci = Vci::new(CipherSuite::Cs2);
    let (card, other) = (
        make(Profile::Piv, Some(vci), 7),
        make(Profile::Piv, Some(vci), 8),
    );
    let host = Host::believing(CardTrust::AnyCard);
    host.meets(&card);
    host.meets(&other);
    let mut session = host.through_air(&card);
    let readers = other.with(|token| token.to_state());
    card.with(|token| {
        *token = VirtualToken::from_state(readers).unwrap();
        token.power_on();
    });
    card.reset();
    let error = verify(&mut session, &factory(Profile::Piv)).unwrap_err();
    assert!(
        matches!(
            error,
            ActionError::NotSent(NotSent::OtherToken | NotSent::MayBeOtherToken)
                | ActionError::Vci {
                    source: VciError::OtherCard { .. },
                    ..
                }
        ),
        "{error:?}"
    );
    assert!(!error.may_have_spent_a_try());
}

/// All that goes over the air, both ways.
#[derive(Clone, Default)]
struct Air(Arc<Mutex<Vec<Vec<u8>>>>);

struct Overheard<L>(L, Air);

impl<L: CardLink> CardLink for Overheard<L> {
    fn info(&self) -> &LinkInfo {
        self.0.info()
    }
    fn begin(&mut self) -> Result<Continuity, LinkError> {
        self.0.begin()
    }
    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        let answer = self.0.transmit(command)?;
        let mut air = self.1.0.lock().unwrap();
        air.extend([command.to_vec(), answer.to_vec()]);
        Ok(answer)
    }
    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        self.0.end(leave)
    }
}

impl Air {
    fn carries(&self, secret: &[u8]) -> bool {
        let air = self.0.lock().unwrap();
        air.iter()
            .any(|apdu| apdu.windows(secret.len()).any(|part| part == secret))
    }
}

#[test]
fn no_pin_no_pairing_code_and_no_private_object_goes_through_the_air_in_the_clear() {
    for profile in Profile::ALL {
        for suite in SUITES {
            let card = make(profile, Some(Vci::new(suite)), 7);
            let host = Host::believing(anchor(&card));
            let token = host.meets(&card);
            let code = host
                .codes
                .get(&token.identity.guid.unwrap())
                .unwrap()
                .unwrap();
            let air = Air::default();
            // The token lies on the contactless reader.
            drop(host.through_air(&card));
            let link = LinkOptions::new("Pad").contactless();
            let link = Overheard(card.connect(&link).unwrap(), air.clone());
            let readers = MemoryBackend::new();
            let mut session = host
                .manager(readers)
                .session(Card::new(Box::new(link)))
                .unwrap();
            assert!(session.token().vci.allows_contact(), "{profile}");
            let old = factory(profile);
            let mut open = session
                .authenticate(PinEntry::Typed(&old), LastTry::Spare)
                .unwrap();
            let read = open.read_object(ObjectTag::PRINTED_INFORMATION).unwrap();
            let private = read.expect("what is printed on the card");
            assert!(private.len() > 8, "{profile}");
            let _ = open.read_object(ObjectTag::PAIRING_CODE).unwrap();
            drop(open);
            let entry = PinChangeEntry::Typed {
                old: &old,
                new: &pin(NEW),
            };
            session.change_pin(entry, LastTry::Spare).unwrap();
            drop(session);
            for secret in [old.as_bytes(), NEW.as_bytes(), code.as_bytes()] {
                assert!(!air.carries(secret), "{profile}, {suite:?}: {secret:?}");
            }
            assert!(!air.carries(&private[2..private.len() - 2]), "{profile}");
            // What is public can be heard: the check can fail.
            assert!(air.carries(&token.identity.guid.unwrap().0), "{profile}");
        }
    }
}

/// Beyond SELECT and what a load reads anyway: who vouches for the card, the
/// establishment, and the pairing code.
#[test]
fn opening_takes_one_round_trip_and_one_for_the_pairing_code() {
    let cost = |vci: Option<Vci>, trust: CardTrust, through_air: bool| {
        let card = make(Profile::Piv, vci, 7);
        let trust = match trust {
            CardTrust::Anchors(_) => anchor(&card),
            other => other,
        };
        let host = Host::believing(trust);
        if vci.is_some_and(|vci| vci.pairing_code) {
            host.meets(&card);
        }
        let session = if through_air {
            host.through_air(&card)
        } else {
            host.on_contact(&card)
        };
        assert!(session.token().vci.allows_contact());
        session.token().round_trips
    };
    let with_code = Vci::new(CipherSuite::Cs2);
    let without = with_code.without_pairing_code();
    let anchors = || CardTrust::Anchors(Arc::new([]));
    let on_contact = cost(Some(without), CardTrust::AnyCard, false);
    let opened = cost(Some(without), CardTrust::AnyCard, true);
    assert_eq!(
        opened,
        on_contact + 2,
        "the establishment, and discovery once more"
    );
    let with_code = cost(Some(with_code), CardTrust::AnyCard, true);
    assert_eq!(with_code, opened + 1, "the pairing code");
    let vouched = cost(Some(without), anchors(), true);
    assert_eq!(vouched, opened + 1, "who vouches for the card");
}

/// Pulled away, or spoken to in the clear by the card, at each command of a change: the
/// PIN is the old one or the new one, which the error says, and it is never heard.
#[test]
fn a_card_that_is_pulled_away_at_any_command_is_left_in_a_state_that_is_named() {
    let vci = Vci::new(CipherSuite::Cs2);
    let old = factory(Profile::Piv);
    for fault in [
        Fault::VanishBefore,
        Fault::VanishAfter,
        Fault::Status(StatusWord::new(0x6988)),
        Fault::OtherApplet(piv_apdu::aid::PIV.to_vec()),
        Fault::Truncate(5),
        Fault::Garbage(40),
        Fault::Reset,
    ] {
        let mut failures = 0;
        for k in 0.. {
            let card = make(Profile::Piv, Some(vci), 7);
            let host = Host::believing(anchor(&card));
            host.meets(&card);
            let mut session = host.through_air(&card);
            // Another program has used the card: the session with it is over.
            let link = LinkOptions::new("Pad").contactless();
            let mut other = Card::new(Box::new(card.connect(&link).unwrap()));
            other.begin().unwrap().select(piv_apdu::aid::PIV).unwrap();
            drop(other);
            card.arm(Faults::new().at(k, fault.clone()));
            let entry = PinChangeEntry::Typed {
                old: &old,
                new: &pin(NEW),
            };
            let changed = session.change_pin(entry, LastTry::Spare);
            drop(session);
            card.disarm();
            let holds = |with: &Pin| verify(&mut host.on_contact(&card), with).is_ok();
            let what = format!("{fault:?} at {k}: {changed:?}");
            match changed {
                Ok(_) if k > 20 => break,
                Ok(_) => assert!(holds(&pin(NEW)), "{what}"),
                Err(
                    ActionError::Interrupted { aftermath, .. }
                    | ActionError::SessionLost { aftermath, .. },
                ) if aftermath != Aftermath::Unchanged => {
                    failures += 1;
                    assert!(holds(&old) || holds(&pin(NEW)), "{what}");
                }
                Err(_) => {
                    failures += 1;
                    assert!(holds(&old), "{what}");
                }
            }
        }
        assert!(failures >= 3, "{fault:?}: {failures}");
    }
}

/// Interrupted at any command of reading it, a token is not said to be without the virtual
/// contact interface, nor to be a fake, and what was known of it is not forgotten.
#[test]
fn a_session_that_breaks_while_a_token_is_read_is_said_to_have_broken() {
    let card = make(Profile::Piv, Some(Vci::new(CipherSuite::Cs2)), 7);
    let host = Host::believing(anchor(&card));
    let known = host.meets(&card);
    drop(host.through_air(&card));
    let cache = token_manager::token_cache::Cache::off().with_memory();
    let look = || {
        let options = LoadOptions::new()
            .with_cache(cache.clone())
            .with_freshness(Freshness::Fresh)
            .with_card_trust(host.trust.clone())
            .with_pairing_codes(Arc::clone(&host.codes) as Arc<dyn PairingCodeStore>);
        let link = LinkOptions::new("Pad").contactless();
        load(
            &mut Card::new(Box::new(card.connect(&link).unwrap())),
            &options,
        )
    };
    let whole = look().unwrap();
    assert!(whole.vci.allows_contact(), "{:?}", whole.vci);
    let mut broken = 0;
    let commands = whole.round_trips;
    for k in 0..commands {
        card.arm(Faults::new().at(k, Fault::Status(StatusWord::new(0x6988))));
        let Ok(read) = look() else { continue };
        card.disarm();
        match read.vci {
            VciState::Closed(VciError::Session(_)) => broken += 1,
            VciState::Closed(VciError::OtherCard { .. }) => panic!("a fake, at {k}"),
            VciState::NotAnnounced => assert_eq!(broken, 0, "not announced, at {k}"),
            _ => {}
        }
        if broken > 0 {
            assert_eq!(
                read.identity.guid.or(known.identity.guid),
                known.identity.guid
            );
        }
    }
    assert!(broken > 4, "{broken} of {commands}");
}

#[test]
fn what_a_contactless_reader_does_not_get_is_not_remembered_as_missing() {
    let card = make(Profile::Piv, Some(Vci::new(CipherSuite::Cs2)), 7);
    let cache = token_manager::token_cache::Cache::off().with_memory();
    let look = |host: &Host, freshness| {
        let options = LoadOptions::new()
            .with_cache(cache.clone())
            .with_freshness(freshness)
            .with_card_trust(host.trust.clone())
            .with_pairing_codes(Arc::clone(&host.codes) as Arc<dyn PairingCodeStore>);
        let link = card
            .connect(&LinkOptions::new("Pad").contactless())
            .unwrap();
        load(&mut Card::new(Box::new(link)), &options).unwrap()
    };
    let host = Host::believing(anchor(&card));
    drop(host.through_air(&card));
    let limited = look(&host, Freshness::Fresh);
    let slot = KeyReference::PIV_AUTHENTICATION;
    assert_eq!(
        limited.certificate(slot).unwrap().state,
        CertificateState::NeedsContact
    );
    host.meets(&card);
    drop(host.through_air(&card));
    let quick = look(&host, Freshness::Quick);
    assert_eq!(quick.vci, VciState::NotTried);
    let open = look(&host, Freshness::Checked);
    assert!(open.vci.allows_contact(), "{:?}", open.vci);
    assert!(open.certificate(slot).unwrap().certificate().is_some());
    let quick = look(&host, Freshness::Quick);
    assert_eq!(quick.certificates, open.certificates);
    assert!(
        quick
            .objects
            .iter()
            .all(|object| object.state != ObjectState::NeedsContact)
    );
}
