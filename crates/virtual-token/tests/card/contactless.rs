//! The contactless interface: what a card gives to anybody, what over the virtual contact
//! interface, and what never. The host's side of secure messaging is `piv_apdu::sm`.

use std::sync::{LazyLock, Mutex};

use pcsc_transport::Interface;
use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::command::{
    ApplicationProperties, ChangeReferenceData, DynamicAuthenticationTemplate, GeneralAuthenticate,
    GenerateAsymmetric, GetData, PutData, ResetRetryCounter, Select, TypedCommand, Verify,
};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::{
    CertificateObject, Chuid, DataObject, Discovery, ObjectTag, PairingCodeObject, ReadAccess,
    SmSigner,
};
use piv_apdu::secret::{PairingCode, PinBlock};
use piv_apdu::sm::{CipherSuite, KeyEstablishment, SecureMessaging, TrustAnchor};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use virtual_token::{Content, CreateOptions, KeyAlgorithm, Profile, TokenState, Vci, VirtualToken};

use crate::common::{created, encrypt, expect, hex, options, personal, properties, raw, send};

const PIN: [u8; 8] = *b"123456\xFF\xFF";
const WRONG_PIN: [u8; 8] = *b"654321\xFF\xFF";
const SUITES: [CipherSuite; 2] = [CipherSuite::Cs2, CipherSuite::Cs7];

fn vci(suite: CipherSuite) -> CreateOptions {
    options().vci(Vci::new(suite))
}

/// A token and the host's end of a session with it.
struct Desk {
    token: VirtualToken,
    session: Option<SecureMessaging>,
}

impl Desk {
    /// A token with PIV selected.
    fn new(profile: Profile, options: &CreateOptions, interface: Interface) -> Self {
        Self::with(VirtualToken::create(profile, options).unwrap(), interface)
    }

    fn with(mut token: VirtualToken, interface: Interface) -> Self {
        token.set_interface(interface);
        let mut desk = Desk {
            token,
            session: None,
        };
        desk.select();
        desk
    }

    fn contactless(options: &CreateOptions) -> Self {
        Self::new(Profile::Piv, options, Interface::Contactless)
    }

    fn select(&mut self) -> ApplicationProperties {
        self.session = None;
        Select::decode_answer(&send(&mut self.token, &Select::piv().to_command())).unwrap()
    }

    /// Takes it to the other interface, as a hand does.
    fn carry(&mut self, interface: Interface) {
        self.token.set_interface(interface);
        self.select();
    }

    /// Opens a session with a card that the token's own authority vouches for.
    fn establish(&mut self) {
        let properties = self.select();
        let suite = suite(&properties).expect("announced");
        let mut random = ChaCha20Rng::seed_from_u64(3);
        let host = KeyEstablishment::new(suite, &mut random).unwrap();
        let answer = send(&mut self.token, &host.command());
        let established = host.finish(&answer).unwrap();
        assert_eq!(established.guid().to_string(), self.token.id());
        let signer = SmSigner::decode(&self.get(ObjectTag::SM_SIGNER).unwrap()).unwrap();
        let anchor = TrustAnchor::from_der(self.token.issuer_certificate().unwrap()).unwrap();
        let session = established.verified(&signer, &[anchor], created()).unwrap();
        self.session = Some(session);
    }

    /// A session and, with the pairing code, the virtual contact interface.
    fn open_vci(&mut self) {
        let code = self.pairing_code();
        self.establish();
        self.expect(
            &verify(KeyReference::PAIRING_CODE, *code.as_bytes()),
            0x9000,
        );
    }

    /// In the session if there is one, else in the clear.
    fn send(&mut self, command: &Command) -> Response {
        match &mut self.session {
            Some(session) => {
                let wrapped = session.wrap(command).unwrap();
                let answer = send(&mut self.token, &wrapped);
                session.unwrap(&answer).unwrap()
            }
            None => send(&mut self.token, command),
        }
    }

    #[track_caller]
    fn expect(&mut self, command: &Command, status: u16) -> Response {
        let response = self.send(command);
        assert_eq!(response.status().get(), status, "{command:?}");
        response
    }

    fn get(&mut self, tag: ObjectTag) -> Result<Vec<u8>, u16> {
        let response = self.send(&GetData::new(tag).to_command());
        if response.status().is_success() {
            Ok(GetData::decode_answer(&response).unwrap().to_vec())
        } else {
            Err(response.status().get())
        }
    }

    /// Authenticates with the factory's management key.
    fn administer(&mut self) {
        let key: Vec<u8> = (1..=8).cycle().take(32).collect();
        let step = |template| GeneralAuthenticate {
            algorithm: Algorithm::Aes256,
            key: KeyReference::CARD_MANAGEMENT,
            template,
        };
        let ask = step(DynamicAuthenticationTemplate::request_challenge());
        let answer = self.expect(&ask.to_command(), 0x9000);
        let challenge = GeneralAuthenticate::decode_answer(&answer)
            .unwrap()
            .challenge
            .unwrap();
        let response = encrypt::<aes::Aes256>(&key, &challenge);
        let give = step(DynamicAuthenticationTemplate::default().with_response(&response));
        self.expect(&give.to_command(), 0x9000);
    }

    /// Read over the contact interface, by the holder.
    fn pairing_code(&self) -> PairingCode {
        let copy = VirtualToken::from_state(self.token.to_state()).unwrap();
        let mut desk = Desk::with(copy, Interface::Contact);
        desk.expect(&verify(KeyReference::PIV_PIN, PIN), 0x9000);
        let object = PairingCodeObject::decode(&desk.get(ObjectTag::PAIRING_CODE).unwrap());
        object.unwrap().code
    }
}

fn suite(properties: &ApplicationProperties) -> Option<CipherSuite> {
    match properties.algorithms[..] {
        [Algorithm::Cs2] => Some(CipherSuite::Cs2),
        [Algorithm::Cs7] => Some(CipherSuite::Cs7),
        _ => None,
    }
}

fn verify(key: KeyReference, block: [u8; 8]) -> Command {
    Verify::check(key, PinBlock::from(block)).to_command()
}

fn query(key: KeyReference) -> Command {
    Verify::query(key).to_command()
}

fn verify_pin() -> Command {
    verify(KeyReference::PIV_PIN, PIN)
}

fn sign(key: KeyReference, algorithm: Algorithm, length: usize) -> Command {
    GeneralAuthenticate {
        algorithm,
        key,
        template: DynamicAuthenticationTemplate::internal_authenticate(&vec![0x11; length]),
    }
    .to_command()
}

fn change(key: KeyReference, old: [u8; 8], new: [u8; 8]) -> Command {
    ChangeReferenceData {
        reference: key,
        old: PinBlock::from(old),
        new: PinBlock::from(new),
    }
    .to_command()
}

#[test]
fn a_session_is_established_on_both_interfaces() {
    for suite in SUITES {
        for made in [Vci::new(suite), Vci::new(suite).through_intermediate()] {
            for interface in [Interface::Contact, Interface::Contactless] {
                let mut desk = Desk::new(Profile::Piv, &options().vci(made), interface);
                desk.establish();
                // Longer than one short answer, both ways: an RSA signature.
                let chuid = Chuid::decode(&desk.get(ObjectTag::CHUID).unwrap()).unwrap();
                assert_eq!(chuid.guid.to_string(), desk.token.id());
                let certificate = desk
                    .get(ObjectTag::CARD_AUTHENTICATION_CERTIFICATE)
                    .unwrap();
                assert!(certificate.len() > 256);
                CertificateObject::decode(&certificate).unwrap();
            }
        }
    }
}

/// What the standard's tables say, object by object: over contact, over contactless for
/// anybody, over the virtual contact interface, and there after the PIN.
#[test]
fn each_object_is_read_where_the_standard_lets_it() {
    const ANYBODY: [ObjectTag; 5] = [
        ObjectTag::CHUID,
        ObjectTag::DISCOVERY,
        ObjectTag::CARD_AUTHENTICATION_CERTIFICATE,
        ObjectTag::BIT_GROUP,
        ObjectTag::SM_SIGNER,
    ];
    let filled = with_every_object();
    let at = |interface| Desk::with(copy(&filled), interface);
    let mut contact = at(Interface::Contact);
    let mut bare = at(Interface::Contactless);
    let mut under_sm = at(Interface::Contactless);
    under_sm.establish();
    let mut over_vci = at(Interface::Contactless);
    over_vci.open_vci();
    for tag in ObjectTag::ALL {
        let behind_pin = tag.read_access() == ReadAccess::Pin;
        let anybody = ANYBODY.contains(tag);
        let refused = |refused: bool| refused.then_some(0x6982);
        assert_eq!(contact.get(*tag).err(), refused(behind_pin), "{tag}");
        assert_eq!(bare.get(*tag).err(), refused(!anybody), "{tag}");
        let got = under_sm.get(*tag).err();
        assert_eq!(got, refused(!anybody), "{tag}: no pairing code");
        assert_eq!(over_vci.get(*tag).err(), refused(behind_pin), "{tag}");
    }
    contact.expect(&verify_pin(), 0x9000);
    over_vci.expect(&verify_pin(), 0x9000);
    for tag in ObjectTag::ALL {
        assert!(contact.get(*tag).is_ok(), "{tag}");
        assert_eq!(contact.get(*tag), over_vci.get(*tag), "{tag}");
    }
    // The PIN opens nothing to who does not come through the session.
    over_vci.session = None;
    assert_eq!(over_vci.get(ObjectTag::PAIRING_CODE), Err(0x6982));
    assert_eq!(over_vci.get(ObjectTag::CCC), Err(0x6982));
    assert!(over_vci.get(ObjectTag::CHUID).is_ok());
}

/// Who may not read an object does not learn whether it is there.
#[test]
fn what_is_missing_is_refused_like_what_is_there_to_who_may_not_read_it() {
    let vendors = ObjectTag::new(0x5F_FF7E);
    let empty = || options().content(Content::Empty);
    for profile in [Profile::Piv, Profile::Crescendo4000] {
        let mut contact = Desk::new(profile, &empty(), Interface::Contact);
        let mut bare = Desk::new(profile, &empty(), Interface::Contactless);
        let mut missing = 0;
        for tag in ObjectTag::ALL {
            missing += usize::from(contact.get(*tag) == Err(0x6A82));
            let given = bare.get(*tag);
            match *tag {
                ObjectTag::CHUID
                | ObjectTag::DISCOVERY
                | ObjectTag::CARD_AUTHENTICATION_CERTIFICATE
                | ObjectTag::BIT_GROUP
                | ObjectTag::SM_SIGNER => assert_eq!(given, contact.get(*tag), "{tag}"),
                _ => assert_eq!(given, Err(0x6982), "{profile} {tag}"),
            }
        }
        assert!(missing > 0, "{profile}");
        assert_eq!(bare.get(vendors), Err(0x6A82), "{profile}: of no standard");
    }
    // Who may read it learns that it is not there.
    let missing = ObjectTag::retired_certificate(20).unwrap();
    let mut desk = Desk::contactless(&vci(CipherSuite::Cs2));
    assert_eq!(desk.get(missing), Err(0x6982));
    desk.open_vci();
    assert_eq!(desk.get(missing), Err(0x6A82));
}

fn copy(token: &VirtualToken) -> VirtualToken {
    VirtualToken::from_state(token.to_state()).unwrap()
}

/// A token on which every object of the standard holds something.
fn with_every_object() -> VirtualToken {
    let mut desk = Desk::new(Profile::Piv, &vci(CipherSuite::Cs7), Interface::Contact);
    desk.administer();
    for tag in ObjectTag::ALL {
        if desk.get(*tag) == Err(0x6A82) {
            desk.expect(&put(*tag), 0x9000);
        }
    }
    desk.token
}

fn put(tag: ObjectTag) -> Command {
    PutData::new(tag, &hex("FE00")).to_command()
}

#[test]
fn keys_are_used_where_the_standard_lets_it() {
    // Key 9A is RSA-2048, 9C P-384, 9D and 9E P-256.
    let authentication = sign(KeyReference::PIV_AUTHENTICATION, Algorithm::Rsa2048, 256);
    let signature = sign(KeyReference::DIGITAL_SIGNATURE, Algorithm::EccP384, 48);
    let card_authentication = sign(KeyReference::CARD_AUTHENTICATION, Algorithm::EccP256, 32);
    let management = GeneralAuthenticate {
        algorithm: Algorithm::Aes256,
        key: KeyReference::CARD_MANAGEMENT,
        template: DynamicAuthenticationTemplate::request_challenge(),
    }
    .to_command();
    let mut desk = Desk::contactless(&vci(CipherSuite::Cs7));
    for open in [false, true] {
        if open {
            desk.open_vci();
        }
        desk.expect(&authentication, 0x6982);
        desk.expect(&signature, 0x6982);
        desk.expect(&card_authentication, 0x9000);
        desk.expect(&management, 0x6982);
    }
    desk.expect(&verify_pin(), 0x9000);
    desk.expect(&signature, 0x9000);
    desk.expect(&signature, 0x6982);
    desk.expect(&authentication, 0x9000);
    desk.expect(&management, 0x6982);
    // The session is what makes it contact, not that one was opened.
    desk.session = None;
    desk.expect(&authentication, 0x6982);
    desk.carry(Interface::Contact);
    desk.expect(&management, 0x9000);
}

#[test]
fn the_pin_waits_for_the_virtual_contact_interface_and_costs_no_try_before() {
    let key = KeyReference::PIV_PIN;
    let mut desk = Desk::contactless(&vci(CipherSuite::Cs2));
    for established in [false, true] {
        if established {
            desk.establish();
        }
        for command in [
            query(key),
            verify_pin(),
            verify(key, WRONG_PIN),
            Verify::logout(key).to_command(),
            change(key, WRONG_PIN, PIN),
        ] {
            desk.expect(&command, 0x6982);
        }
    }
    desk.open_vci();
    desk.expect(&query(key), 0x63C3);
    desk.expect(&verify(key, WRONG_PIN), 0x63C2);
    desk.expect(&verify(key, *b"12345\xFF\xFF\xFF"), 0x6A80);
    desk.expect(&verify_pin(), 0x9000);
    desk.expect(&query(key), 0x9000);
    desk.expect(&change(key, PIN, *b"11223344"), 0x9000);
    desk.expect(&Verify::logout(key).to_command(), 0x9000);
    desk.expect(&verify(key, *b"11223344"), 0x9000);
}

/// SP 800-73-5 Part 2, 3.2.1: nobody blocks a card in its holder's pocket.
#[test]
fn tries_are_shared_and_the_last_is_for_contact() {
    let key = KeyReference::PIV_PIN;
    let mut desk = Desk::contactless(&vci(CipherSuite::Cs2));
    let code = *desk.pairing_code().as_bytes();
    desk.open_vci();
    desk.expect(&verify(key, WRONG_PIN), 0x63C2);
    desk.carry(Interface::Contact);
    desk.expect(&query(key), 0x63C2);
    desk.expect(&verify(key, WRONG_PIN), 0x63C1);
    desk.token.set_interface(Interface::Contactless);
    desk.establish();
    desk.expect(&verify(KeyReference::PAIRING_CODE, code), 0x9000);
    desk.expect(&query(key), 0x63C1);
    desk.expect(&verify_pin(), 0x6983);
    desk.expect(&change(key, PIN, *b"11223344"), 0x6983);
    desk.expect(&query(key), 0x63C1);
    desk.carry(Interface::Contact);
    desk.expect(&verify_pin(), 0x9000);
    desk.carry(Interface::Contactless);
    desk.open_vci();
    desk.expect(&query(key), 0x63C3);
}

#[test]
fn the_pairing_code() {
    let key = KeyReference::PAIRING_CODE;
    let mut desk = Desk::contactless(&vci(CipherSuite::Cs2));
    let code = *desk.pairing_code().as_bytes();
    let mut wrong = code;
    wrong[7] = if wrong[7] == b'0' { b'1' } else { b'0' };

    // In the clear neither right nor wrong is told apart.
    desk.expect(&verify(key, code), 0x6982);
    desk.expect(&verify(key, wrong), 0x6982);
    desk.expect(&query(key), 0x6982);
    desk.establish();
    desk.expect(&query(key), 0x6300);
    for _ in 0..20 {
        desk.expect(&verify(key, wrong), 0x6300);
    }
    desk.expect(&verify(key, code), 0x9000);
    desk.expect(&query(key), 0x9000);
    // What is no code leaves things as they are, a wrong one does not.
    desk.expect(&verify(key, *b"1234567A"), 0x6A80);
    desk.expect(&query(key), 0x9000);
    desk.expect(&verify(key, wrong), 0x6300);
    desk.expect(&query(KeyReference::PIV_PIN), 0x6982);
    desk.expect(&verify(key, code), 0x9000);
    desk.expect(&query(KeyReference::PIV_PIN), 0x63C3);
    desk.expect(&Verify::logout(key).to_command(), 0x9000);
    desk.expect(&query(KeyReference::PIV_PIN), 0x6982);

    // Over contact it can be verified, and serves no purpose.
    desk.carry(Interface::Contact);
    desk.expect(&verify(key, wrong), 0x6300);
    desk.expect(&verify(key, code), 0x9000);
    // A card without the interface has no such code.
    for interface in [Interface::Contact, Interface::Contactless] {
        let mut desk = Desk::new(Profile::Piv, &options(), interface);
        desk.expect(&verify(key, code), 0x6A88);
    }
}

#[test]
fn where_no_pairing_code_is_wanted_the_session_is_enough() {
    let made = Vci::new(CipherSuite::Cs2).without_pairing_code();
    let mut desk = Desk::contactless(&options().vci(made));
    let discovery = Discovery::decode(&desk.get(ObjectTag::DISCOVERY).unwrap()).unwrap();
    assert!(discovery.pin_usage.vci() && discovery.pin_usage.vci_without_pairing_code());
    desk.expect(&verify_pin(), 0x6982);
    desk.establish();
    desk.expect(&verify_pin(), 0x9000);
    // It has one all the same, as the standard wants it.
    let object = PairingCodeObject::decode(&desk.get(ObjectTag::PAIRING_CODE).unwrap()).unwrap();
    desk.expect(
        &verify(KeyReference::PAIRING_CODE, *object.code.as_bytes()),
        0x9000,
    );
}

#[test]
fn what_changes_the_card_is_for_contact_alone() {
    let key = KeyReference::PIV_AUTHENTICATION;
    let generate = GenerateAsymmetric::new(key, Algorithm::EccP256).to_command();
    let reset = ResetRetryCounter {
        reference: KeyReference::PIV_PIN,
        puk: PinBlock::from(*b"12345678"),
        new: PinBlock::from(PIN),
    }
    .to_command();
    let change_puk = change(KeyReference::PUK, *b"12345678", *b"87654321");
    let commands = [put(ObjectTag::CHUID), generate, reset];
    let mut desk = Desk::contactless(&vci(CipherSuite::Cs7));
    let before = serde_json::to_value(desk.token.to_state()).unwrap();
    for command in &commands {
        desk.expect(command, 0x6A81);
    }
    desk.expect(&change_puk, 0x6982);
    for command in &commands {
        desk.open_vci();
        desk.expect(&verify_pin(), 0x9000);
        desk.expect(&change_puk, 0x6982);
        // Secure messaging does not carry it: it is refused outside, and the session over.
        let wrapped = desk.session.as_mut().unwrap().wrap(command).unwrap();
        let refused = send(&mut desk.token, &wrapped);
        assert_eq!((refused.status().get(), refused.data().len()), (0x6882, 0));
        let next = desk.session.as_mut().unwrap();
        assert!(next.unwrap(&refused).is_err());
        desk.session = None;
        desk.expect(command, 0x6A81);
    }
    assert_eq!(serde_json::to_value(desk.token.to_state()).unwrap(), before);
}

/// SP 800-73-5 Part 2, 4.2.7 and 4.3.
#[test]
fn what_ends_a_session() {
    let wrapped_chuid = |desk: &mut Desk| {
        let command = GetData::new(ObjectTag::CHUID).to_command();
        let wrapped = desk.session.as_mut().unwrap().wrap(&command).unwrap();
        send(&mut desk.token, &wrapped).status().get()
    };
    let mut desk = Desk::contactless(&vci(CipherSuite::Cs2));
    let refused = raw(&mut desk.token, &hex("0CCB3FFF 0A 8E080000000000000000 00"));
    assert_eq!(refused.status().get(), 0x6982, "there is none");

    desk.establish();
    assert_eq!(wrapped_chuid(&mut desk), 0x9000);
    for (end, status) in [
        ("00A40400 0B A000000308000010000100 00", 0x9000),
        // Another one is asked for, and refused.
        ("00872704 04 7C028100 00", 0x6A80),
        ("00872E04 04 7C028100 00", 0x6A86),
        // No data, no MAC; data objects that are none; another kind of secure messaging.
        ("0CCB3FFF", 0x6987),
        ("0CCB3FFF 03 970100 00", 0x6987),
        ("0CCB3FFF 03 5C0101 00", 0x6988),
        ("04CB3FFF 0A 8E080000000000000000 00", 0x6882),
        ("0CA40400 0A 8E080000000000000000 00", 0x6882),
        ("0CCB3FFF FF 00", 0x6700),
    ] {
        desk.establish();
        expect(&mut desk.token, end, status);
        assert_eq!(wrapped_chuid(&mut desk), 0x6982, "{end}");
    }
    desk.establish();
    desk.token.reset();
    desk.session = None;
    desk.select();
    desk.expect(&query(KeyReference::PIV_PIN), 0x6982);

    // What is in the clear, and what is refused inside, does not.
    desk.establish();
    expect(&mut desk.token, "00CB3FFF 05 5C035FC102 00", 0x9000);
    expect(&mut desk.token, "00A40400 05 A000000001 00", 0x6A82);
    assert_eq!(desk.get(ObjectTag::CCC), Err(0x6982));
    assert!(desk.get(ObjectTag::CHUID).is_ok());
    // Another application is selected: the session is over, and no pairing code verified.
    desk.open_vci();
    expect(&mut desk.token, "00A40400 07 A0000001510000 00", 0x9000);
    desk.establish();
    desk.expect(&query(KeyReference::PIV_PIN), 0x6982);
}

#[test]
fn what_a_card_announces() {
    for (suite, algorithm) in [(CipherSuite::Cs2, "27"), (CipherSuite::Cs7, "2E")] {
        let mut desk = Desk::contactless(&vci(suite));
        let answer = expect(
            &mut desk.token,
            "00A40400 0B A000000308000010000100 00",
            0x9000,
        );
        let announced = hex(&format!("AC06 8001{algorithm} 060100"));
        assert!(answer.ends_with(&announced), "{answer:02X?}");
    }
    let mut plain = Desk::new(Profile::Piv, &options(), Interface::Contact);
    assert_eq!(plain.select().algorithms, []);
    let request = hex("00872704 04 7C028100 00");
    assert_eq!(raw(&mut plain.token, &request).status().get(), 0x6A88);
    let wrapped = hex("0CCB3FFF 0A 8E080000000000000000 00");
    assert_eq!(raw(&mut plain.token, &wrapped).status().get(), 0x6882);
}

/// SP 800-73-5 Part 2, 4.1.4.
#[test]
fn a_card_with_p_384_keys_has_cs7() {
    let key =
        |options: CreateOptions| options.key(KeyReference::KEY_MANAGEMENT, KeyAlgorithm::EccP384);
    let error = VirtualToken::create(Profile::Piv, &key(vci(CipherSuite::Cs2))).unwrap_err();
    assert!(error.to_string().contains("CS7"), "{error}");
    let suite_of = |options: &CreateOptions| suite(&Desk::contactless(options).select());
    assert_eq!(
        suite_of(&key(vci(CipherSuite::Cs7))),
        Some(CipherSuite::Cs7)
    );
    // A pairing code alone goes by the keys: 9C is P-384 unless it is asked to be another.
    let code = options().pairing_code(true);
    assert_eq!(suite_of(&code), Some(CipherSuite::Cs7));
    let p256 = code.key(KeyReference::DIGITAL_SIGNATURE, KeyAlgorithm::EccP256);
    assert_eq!(suite_of(&p256), Some(CipherSuite::Cs2));
    // With CS2 the keys that are made unasked follow.
    let mut desk = Desk::new(Profile::Piv, &vci(CipherSuite::Cs2), Interface::Contact);
    desk.expect(&verify_pin(), 0x9000);
    desk.expect(
        &sign(KeyReference::DIGITAL_SIGNATURE, Algorithm::EccP256, 32),
        0x9000,
    );
}

#[test]
fn answers_to_reset() {
    for (profile, contactless) in [
        (Profile::Crescendo2300, "3B858001433233303046"),
        (Profile::CrescendoKey, "3B89800143323330302D4B455930"),
        (Profile::Crescendo4000, "3B858001433430303043"),
    ] {
        let mut token = personal(profile);
        let contact = token.atr();
        token.set_interface(Interface::Contactless);
        assert_eq!(token.atr().to_string(), contactless, "{profile}");
        assert!(token.take_dirty());
        assert_eq!(copy(&token).atr(), token.atr());
        token.set_interface(Interface::Contact);
        assert_eq!(token.atr(), contact);
    }
    let t0 = options()
        .content(Content::Empty)
        .protocol(virtual_token::Protocol::T0);
    let desk = Desk::contactless(&t0);
    assert!(desk.token.atr().is_contactless_pcsc());
    assert_eq!(desk.token.protocol(), virtual_token::Protocol::T1);
}

/// Nothing is public about a Crescendo's applets over the contactless interface.
#[test]
fn a_crescendo_is_not_changed_over_contactless() {
    for profile in [
        Profile::Crescendo2300,
        Profile::Crescendo4000,
        Profile::CrescendoKey,
    ] {
        let mut token = personal(profile);
        token.set_interface(Interface::Contactless);
        token.take_dirty();
        expect(&mut token, "00A40400 07 A0000000791000 00", 0x9000);
        expect(&mut token, "00560200 01 31 00", 0x9000);
        for command in [
            "00200000 08 3030303030303030",
            "00240100 10 3030303030303030 3131313131313131",
            "002C0200 08 3131313131313131",
            "00380000",
            "00820001 08 0000000000000000",
            "00D80100 01 00",
        ] {
            expect(&mut token, command, 0x6A81);
        }
        let mut desk = Desk::with(token, Interface::Contactless);
        desk.expect(&query(KeyReference::PIV_PIN), 0x6982);
        expect(&mut desk.token, "80D8009A 03 00A300", 0x6A81);
        assert!(!properties(&mut desk.token).keys.is_empty());
        assert!(desk.get(ObjectTag::CHUID).is_ok());
        assert_eq!(desk.get(ObjectTag::PRINTED_INFORMATION), Err(0x6982));
        assert_eq!(
            desk.select().algorithms,
            [],
            "no interface unless asked for"
        );
        assert!(!desk.token.take_dirty());
    }
}

/// This project's composition: no real Crescendo is known to have the interface.
#[test]
fn a_crescendo_has_the_virtual_contact_interface_if_asked() {
    for profile in [
        Profile::Crescendo2300,
        Profile::Crescendo4000,
        Profile::CrescendoKey,
    ] {
        let made = Vci::new(CipherSuite::Cs7)
            .through_intermediate()
            .without_pairing_code();
        let mut desk = Desk::new(profile, &options().vci(made), Interface::Contactless);
        let listed: Vec<_> = properties(&mut desk.token)
            .objects
            .iter()
            .map(|o| o.tag)
            .collect();
        for tag in [
            ObjectTag::DISCOVERY,
            ObjectTag::SM_SIGNER,
            ObjectTag::PAIRING_CODE,
        ] {
            assert!(listed.contains(&tag), "{profile}: {tag}");
        }
        desk.establish();
        let pin: [u8; 8] = match profile {
            Profile::Crescendo4000 => *b"000000\xFF\xFF",
            _ => *b"00000000",
        };
        desk.expect(&verify(KeyReference::PIV_PIN, pin), 0x9000);
        assert!(desk.get(ObjectTag::PRINTED_INFORMATION).is_ok());
    }
}

#[test]
fn an_empty_token_has_no_virtual_contact_interface() {
    let options = vci(CipherSuite::Cs2).content(Content::Empty);
    let error = VirtualToken::create(Profile::Piv, &options).unwrap_err();
    assert!(
        error.to_string().contains("virtual contact interface"),
        "{error}"
    );
}

/// What RESET CARD leaves has nobody to vouch for it.
#[test]
fn reset_card_takes_the_virtual_contact_interface_away() {
    let mut desk = Desk::new(
        Profile::Crescendo2300,
        &vci(CipherSuite::Cs2),
        Interface::Contact,
    );
    expect(&mut desk.token, "00A40400 07 A0000000791000 00", 0x9000);
    expect(&mut desk.token, "00200000 08 3030303030303030", 0x9000);
    expect(&mut desk.token, "00380000", 0x9000);
    assert_eq!(desk.select().algorithms, []);
    assert_eq!(desk.get(ObjectTag::SM_SIGNER), Ok(Vec::new()));
    assert!(desk.token.issuer_certificate().is_none());
}

/// What a host can say within a session: any instruction of the standard's, any data.
fn any_command() -> impl Strategy<Value = Command> {
    let known = prop::sample::select(vec![
        GetData::new(ObjectTag::CHUID).to_command(),
        GetData::new(ObjectTag::CARD_AUTHENTICATION_CERTIFICATE).to_command(),
        verify_pin(),
        verify(KeyReference::PIV_PIN, WRONG_PIN),
        query(KeyReference::PAIRING_CODE),
        verify(KeyReference::PAIRING_CODE, *b"12345678"),
        change(KeyReference::PIV_PIN, PIN, *b"11223344"),
        sign(KeyReference::CARD_AUTHENTICATION, Algorithm::EccP256, 32),
        sign(KeyReference::DIGITAL_SIGNATURE, Algorithm::EccP256, 32),
    ]);
    let made = (
        prop::sample::select(vec![0x20, 0x24, 0x87, 0xCB, 0xDB, 0xA4, 0xC0]),
        any::<[u8; 2]>(),
        prop::collection::vec(any::<u8>(), 0..400),
        any::<bool>(),
    );
    let made = made.prop_map(|(ins, [p1, p2], data, answered)| {
        let command = Command::new(0x00, ins, p1, p2).with_data(&data);
        if answered {
            command.with_le(Le::SHORT_MAX)
        } else {
            command
        }
    });
    prop_oneof![2 => known, 1 => made]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Each is answered in the session, or refused outside of it with a status word that
    /// says that the session is over, and then it is.
    #[test]
    fn any_conversation_in_a_session_is_answered(
        contactless in any::<bool>(),
        commands in prop::collection::vec(any_command(), 0..20),
    ) {
        static TOKEN: LazyLock<Mutex<TokenState>> = LazyLock::new(|| {
            let made = Vci::new(CipherSuite::Cs2).without_pairing_code();
            let token = VirtualToken::create(Profile::Piv, &options().vci(made)).unwrap();
            Mutex::new(token.to_state())
        });
        let state = TOKEN.lock().unwrap().clone();
        let interface = if contactless { Interface::Contactless } else { Interface::Contact };
        let mut desk = Desk::with(VirtualToken::from_state(state).unwrap(), interface);
        desk.establish();
        for command in commands {
            let session = desk.session.as_mut().unwrap();
            let wrapped = session.wrap(&command).unwrap();
            let answer = send(&mut desk.token, &wrapped);
            if answer.data().is_empty() {
                prop_assert_eq!(answer.status().get(), 0x6882);
                let again = send(&mut desk.token, &wrapped);
                prop_assert!([0x6882, 0x6982].contains(&again.status().get()));
                desk.establish();
            } else {
                let plain = desk.session.as_mut().unwrap().unwrap(&answer);
                prop_assert!(plain.is_ok(), "{:?} for {:?}", plain, command);
            }
        }
        prop_assert!(VirtualToken::from_state(desk.token.to_state()).is_ok());
    }
}
