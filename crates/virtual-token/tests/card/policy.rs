//! The project profile in the card: what the 4000 refuses and lets pass under a policy.

use des::TdesEde3;
use piv_apdu::command::{GetData, PutData, TypedCommand};
use piv_apdu::object::ObjectTag;
use proptest::prelude::*;
use token_profile::{Alphabet, ChallengeType, ManagementProfile, OBJECT_TAG, Policy};
use virtual_token::{Profile, VirtualToken};

use crate::common::{
    SELECT_ACA, SELECT_PIV, blank, expect, hex, personal, properties, raw, send, xauth,
};

const OBJECT: ObjectTag = ObjectTag::new(OBJECT_TAG);
const FACTORY: &[u8] = b"000000";
const PUK: &[u8] = b"12345678";

/// A 4000 as delivered.
fn delivered() -> VirtualToken {
    blank(Profile::Crescendo4000)
}

/// Every way to tell the card a new PIN, for a PIN that is known.
#[derive(Clone, Copy, Debug)]
enum Way {
    ChangePin,
    ChangeReferenceData,
    UnlockPin,
    ResetRetryCounter,
}

const WAYS: [Way; 4] = [
    Way::ChangePin,
    Way::ChangeReferenceData,
    Way::UnlockPin,
    Way::ResetRetryCounter,
];

fn padded(pin: &[u8]) -> Vec<u8> {
    let mut block = pin.to_vec();
    block.resize(8, 0xFF);
    block
}

fn command(header: &str, blocks: &[&[u8]]) -> Vec<u8> {
    let data: Vec<u8> = blocks.iter().flat_map(|block| padded(block)).collect();
    let mut bytes = hex(header);
    bytes.push(u8::try_from(data.len()).unwrap());
    bytes.extend(data);
    bytes
}

fn status(token: &mut VirtualToken, bytes: &[u8]) -> u16 {
    raw(token, bytes).status().get()
}

fn verify_aca(token: &mut VirtualToken, pin: &[u8]) -> u16 {
    expect(token, SELECT_ACA, 0x9000);
    status(token, &command("00200000", &[pin]))
}

fn verify_piv(token: &mut VirtualToken, pin: &[u8]) -> u16 {
    expect(token, SELECT_PIV, 0x9000);
    status(token, &command("00200080", &[pin]))
}

fn authenticate(token: &mut VirtualToken) {
    expect(token, SELECT_ACA, 0x9000);
    assert_eq!(xauth::<TdesEde3>(token, &[0; 24]), 0x9000);
}

/// Asks for another PIN in this way. `old` is what the holder gives as the present one.
fn set_pin(token: &mut VirtualToken, way: Way, old: &[u8], new: &[u8]) -> u16 {
    match way {
        Way::ChangePin => {
            expect(token, SELECT_ACA, 0x9000);
            status(token, &command("00240100", &[old, new]))
        }
        Way::ChangeReferenceData => {
            expect(token, SELECT_PIV, 0x9000);
            status(token, &command("00240080", &[old, new]))
        }
        Way::UnlockPin => {
            authenticate(token);
            status(token, &command("002C0200", &[new]))
        }
        Way::ResetRetryCounter => {
            expect(token, SELECT_PIV, 0x9000);
            status(token, &command("002C0080", &[PUK, new]))
        }
    }
}

fn tries_left(token: &mut VirtualToken) -> u16 {
    token.reset();
    expect(token, SELECT_PIV, 0x9000);
    status(token, &hex("00200080"))
}

/// Writes the object with the rights that there are.
fn put(token: &mut VirtualToken, content: &[u8]) -> u16 {
    expect(token, SELECT_PIV, 0x9000);
    send(token, &PutData::new(OBJECT, content).to_command())
        .status()
        .get()
}

fn write(token: &mut VirtualToken, policy: &Policy, personalized: bool) -> u16 {
    let profile = ManagementProfile {
        policy: policy.clone(),
        personalized,
        enforced_by_card: false,
    };
    put(token, &profile.encode())
}

/// As [`write`], by XAUTH key 1.
fn administer(token: &mut VirtualToken, policy: &Policy) -> u16 {
    authenticate(token);
    write(token, policy, false)
}

fn read(token: &mut VirtualToken) -> ManagementProfile {
    expect(token, SELECT_PIV, 0x9000);
    let response = send(token, &GetData::new(OBJECT).to_command());
    let content = GetData::decode_answer(&response).unwrap();
    ManagementProfile::decode(&content).unwrap()
}

fn pin_properties(token: &mut VirtualToken) -> Vec<u8> {
    expect(token, SELECT_ACA, 0x9000);
    expect(token, "00560200 01 31 00", 0x9000)
}

#[test]
fn only_the_4000_lists_and_has_the_object() {
    for profile in Profile::ALL {
        let mut token = personal(profile);
        expect(&mut token, SELECT_PIV, 0x9000);
        let has = profile == Profile::Crescendo4000;
        let read = send(&mut token, &GetData::new(OBJECT).to_command());
        assert_eq!(
            read.status().get(),
            if has { 0x9000 } else { 0x6A82 },
            "{profile}"
        );
        if profile.is_crescendo() {
            let listed = properties(&mut token);
            let listed = listed.objects.iter().any(|block| block.tag == OBJECT);
            assert_eq!(listed, has, "{profile}");
            let block = padded(profile.factory_pin());
            assert_eq!(verify_piv(&mut token, &block), 0x9000);
            let status = write(&mut token, &Policy::DELIVERY, false);
            assert_eq!(status, if has { 0x9000 } else { 0x6A82 }, "{profile}");
        }
    }
}

#[test]
fn as_delivered_it_says_the_default_and_that_the_card_enforces_it() {
    let mut token = delivered();
    let expected = ManagementProfile {
        enforced_by_card: true,
        ..ManagementProfile::default()
    };
    assert_eq!(read(&mut token), expected);
    assert_eq!(pin_properties(&mut token), hex("31 05 04 08 00 00 00"));
}

#[test]
fn it_is_written_by_pin_or_xauth_and_by_nobody_else() {
    let policy = Policy {
        minimum: 5,
        maximum: 7,
        ..Policy::DELIVERY
    };
    let mut token = delivered();
    assert_eq!(write(&mut token, &policy, false), 0x6982);
    assert!(!read(&mut token).personalized);
    assert_eq!(verify_piv(&mut token, FACTORY), 0x9000);
    assert_eq!(write(&mut token, &policy, true), 0x9000);
    let written = read(&mut token);
    assert_eq!(written.policy, policy);
    assert!(written.personalized && written.enforced_by_card);
    assert_eq!(pin_properties(&mut token), hex("31 05 05 07 00 00 00"));

    token.reset();
    let digits = Policy {
        alphabet: Alphabet::Digits,
        ..Policy::DELIVERY
    };
    assert_eq!(administer(&mut token, &digits), 0x9000);
    assert_eq!(pin_properties(&mut token), hex("31 05 04 08 00 00 01"));
    // It is kept without power.
    let mut token = VirtualToken::from_state(token.to_state()).unwrap();
    assert_eq!(read(&mut token).policy, digits);
}

#[test]
fn nonsense_is_refused_and_changes_nothing() {
    let mut token = delivered();
    assert_eq!(verify_piv(&mut token, FACTORY), 0x9000);
    let head = "8004 50544D50 810101";
    let content = |fields: &str| {
        let inner = hex(&format!("{head}{fields}"));
        let mut bytes = vec![0xE1, u8::try_from(inner.len()).unwrap()];
        bytes.extend(inner);
        bytes
    };
    token.take_dirty();
    for wrong in [
        content("820107 830106"), // minimum above maximum
        content("820103"),
        content("830109"),
        content("840102"),
        content("85020000"),
        hex("E109 8004 50544D50 810102"), // a version to come
        hex("E106 8004 50544D50"),
        hex("E200"),
        hex("E109 8004 50544D50"), // cut off
        Vec::new(),
    ] {
        assert_eq!(put(&mut token, &wrong), 0x6A80, "{wrong:02X?}");
    }
    assert_eq!(put(&mut token, &content(&"8A0100".repeat(20))), 0x6A84);
    assert!(!token.take_dirty());
    assert_eq!(read(&mut token).policy, Policy::DELIVERY);
    // What is missing is as delivered, what is unknown is passed over, and that the card
    // enforces it is for the card to say.
    let written = content("820106 8A0100 890100");
    assert_eq!(put(&mut token, &written), 0x9000);
    let now = read(&mut token);
    assert_eq!((now.policy.minimum, now.policy.maximum), (6, 8));
    assert!(now.enforced_by_card);
}

#[test]
fn every_way_to_set_a_pin_keeps_the_policy_and_spends_no_try_on_a_bad_one() {
    let strict = Policy {
        minimum: 6,
        maximum: 7,
        alphabet: Alphabet::Digits,
        refuse_weak: true,
        ..Policy::DELIVERY
    };
    let rules: [(Policy, &[u8], &[u8]); 5] = [
        (
            Policy {
                minimum: 6,
                ..Policy::DELIVERY
            },
            b"27182",
            b"271828",
        ),
        (
            Policy {
                maximum: 6,
                ..Policy::DELIVERY
            },
            b"2718281",
            b"271828",
        ),
        (
            Policy {
                alphabet: Alphabet::Digits,
                ..Policy::DELIVERY
            },
            b"27182a",
            b"271828",
        ),
        (
            Policy {
                refuse_weak: true,
                force_change: true,
                ..Policy::DELIVERY
            },
            b"97531",
            b"97532",
        ),
        (
            Policy {
                force_change: true,
                ..strict
            },
            b"111111",
            b"271828",
        ),
    ];
    for way in WAYS {
        for (policy, bad, good) in &rules {
            let mut token = delivered();
            // Without the policy the PIN is a good one.
            assert_eq!(set_pin(&mut token, way, FACTORY, bad), 0x9000, "{way:?}");
            assert_eq!(set_pin(&mut token, way, bad, FACTORY), 0x9000, "{way:?}");
            assert_eq!(administer(&mut token, policy), 0x9000, "{policy:?}");
            token.take_dirty();
            assert_eq!(set_pin(&mut token, way, FACTORY, bad), 0x6A80, "{way:?}");
            // The old PIN is wrong as well: it is not even looked at.
            assert_eq!(set_pin(&mut token, way, b"424242", bad), 0x6A80, "{way:?}");
            assert!(!token.take_dirty());
            assert_eq!(tries_left(&mut token), 0x63C6, "{way:?} {policy:?}");
            assert_eq!(set_pin(&mut token, way, FACTORY, good), 0x9000, "{way:?}");
        }
    }
}

#[test]
fn a_policy_that_the_present_pin_breaks_comes_with_a_forced_change_or_not_at_all() {
    let mut policy = Policy {
        refuse_weak: true,
        ..Policy::DELIVERY
    };
    let mut token = delivered();
    assert_eq!(administer(&mut token, &policy), 0x6985);
    assert_eq!(read(&mut token).policy, Policy::DELIVERY);
    policy.force_change = true;
    assert_eq!(administer(&mut token, &policy), 0x9000);
    // Nor can the force be taken back while it breaks it.
    policy.force_change = false;
    assert_eq!(administer(&mut token, &policy), 0x6985);
    assert_eq!(
        set_pin(&mut token, Way::ChangePin, FACTORY, b"271828"),
        0x9000
    );
    assert_eq!(read(&mut token).policy, policy);
    assert_eq!(administer(&mut token, &policy), 0x9000);
}

#[test]
fn a_forced_change_closes_all_but_the_change_and_xauth() {
    let policy = Policy {
        force_change: true,
        ..Policy::DELIVERY
    };
    for way in [Way::ChangePin, Way::ChangeReferenceData] {
        let mut token = personal(Profile::Crescendo4000);
        assert_eq!(verify_piv(&mut token, FACTORY), 0x9000);
        assert_eq!(write(&mut token, &policy, true), 0x9000);
        // What the PIN had opened is closed.
        assert_eq!(write(&mut token, &policy, true), 0x6982);
        for pin in [FACTORY, b"424242"] {
            assert_eq!(verify_piv(&mut token, pin), 0x6985);
            assert_eq!(verify_aca(&mut token, pin), 0x6985);
        }
        assert_eq!(tries_left(&mut token), 0x63C6);
        expect(&mut token, "00CB3FFF 05 5C035FC109 00", 0x6982);
        let put_chuid = PutData::new(ObjectTag::CHUID, &[]).to_command();
        assert_eq!(send(&mut token, &put_chuid).status().get(), 0x6982);
        // By key everything goes on; a new PIN from elsewhere is not the holder's.
        authenticate(&mut token);
        expect(&mut token, SELECT_PIV, 0x9000);
        assert_eq!(send(&mut token, &put_chuid).status().get(), 0x9000);
        for other in [Way::UnlockPin, Way::ResetRetryCounter] {
            assert_eq!(set_pin(&mut token, other, FACTORY, b"141421"), 0x9000);
            assert!(read(&mut token).policy.force_change, "{other:?}");
            assert_eq!(verify_piv(&mut token, b"141421"), 0x6985);
        }
        // The change costs a try when the old PIN is wrong, and ends it when it is right.
        assert_eq!(set_pin(&mut token, way, FACTORY, b"271828"), 0x63C5);
        assert!(read(&mut token).policy.force_change);
        assert_eq!(set_pin(&mut token, way, b"141421", b"271828"), 0x9000);
        assert!(!read(&mut token).policy.force_change);
        assert_eq!(verify_aca(&mut token, b"271828"), 0x9000);
        assert_eq!(verify_piv(&mut token, b"271828"), 0x9000);
        expect(&mut token, "00CB3FFF 05 5C035FC109 00", 0x9000);
    }
}

#[test]
fn a_blocked_pin_is_blocked_under_a_forced_change_too() {
    let mut token = delivered();
    let policy = Policy {
        force_change: true,
        ..Policy::DELIVERY
    };
    assert_eq!(administer(&mut token, &policy), 0x9000);
    for left in (1..6).rev() {
        let status = set_pin(&mut token, Way::ChangePin, b"424242", b"271828");
        assert_eq!(status, 0x63C0 | left);
    }
    for way in [Way::ChangePin, Way::ChangeReferenceData] {
        for new in [b"271828".as_slice(), b"2"] {
            let status = set_pin(&mut token, way, b"424242", new);
            assert_eq!(status, 0x6983, "{way:?}");
        }
    }
    assert_eq!(verify_aca(&mut token, FACTORY), 0x6983);
    assert_eq!(verify_piv(&mut token, FACTORY), 0x6983);
    assert_eq!(tries_left(&mut token), 0x6983);
}

#[test]
fn a_static_challenge_repeats_and_still_has_to_be_asked_for() {
    let challenge = |token: &mut VirtualToken| {
        expect(token, SELECT_ACA, 0x9000);
        expect(token, "00840001 00", 0x9000)
    };
    let mut policy = Policy {
        challenge: ChallengeType::Static,
        ..Policy::DELIVERY
    };
    let mut token = delivered();
    assert_ne!(challenge(&mut token), challenge(&mut token));
    assert_eq!(administer(&mut token, &policy), 0x9000);
    let fixed = challenge(&mut token);
    assert_eq!(fixed.len(), 8);
    assert_eq!(challenge(&mut token), fixed);
    token.reset();
    assert_eq!(challenge(&mut token), fixed);
    let mut token = VirtualToken::from_state(token.to_state()).unwrap();
    assert_eq!(challenge(&mut token), fixed);
    // Its response serves as often as it is asked for, and never twice for one asking.
    let response = crate::common::encrypt::<TdesEde3>(&[0; 24], &fixed);
    for _ in 0..2 {
        challenge(&mut token);
        let authenticate = command("00820001", &[&response]);
        assert_eq!(status(&mut token, &authenticate), 0x9000);
        assert_eq!(status(&mut token, &authenticate), 0x6985);
    }
    // Written again it stays; turned off and on it is another.
    assert_eq!(administer(&mut token, &policy), 0x9000);
    assert_eq!(challenge(&mut token), fixed);
    // A key with longer blocks has a longer challenge.
    authenticate(&mut token);
    let put_aes = "00D80100 15 00 08 11 10 000102030405060708090A0B0C0D0E0F 00";
    expect(&mut token, put_aes, 0x9000);
    let long = challenge(&mut token);
    assert_eq!((long.len(), &long[..8]), (16, fixed.as_slice()));
    assert_eq!(challenge(&mut token), long);
    assert_eq!(verify_piv(&mut token, FACTORY), 0x9000);
    policy.challenge = ChallengeType::Dynamic;
    assert_eq!(write(&mut token, &policy, false), 0x9000);
    assert_ne!(challenge(&mut token), challenge(&mut token));
    policy.challenge = ChallengeType::Static;
    assert_eq!(write(&mut token, &policy, false), 0x9000);
    assert_ne!(challenge(&mut token), long);
}

#[test]
fn whether_fido_shares_the_pin_is_decided_before_the_token_is_personalized() {
    let shared = Policy {
        fido_shared_pin: true,
        ..Policy::DELIVERY
    };
    let mut token = delivered();
    assert_eq!(verify_piv(&mut token, FACTORY), 0x9000);
    assert_eq!(write(&mut token, &shared, false), 0x9000);
    assert_eq!(write(&mut token, &Policy::DELIVERY, false), 0x9000);
    // In the very write that personalizes it as well.
    assert_eq!(write(&mut token, &shared, true), 0x9000);
    for personalized in [true, false] {
        let status = write(&mut token, &Policy::DELIVERY, personalized);
        assert_eq!(status, 0x6985);
    }
    assert!(read(&mut token).policy.fido_shared_pin);
    let other = Policy {
        minimum: 6,
        ..shared
    };
    assert_eq!(write(&mut token, &other, true), 0x9000);
}

#[test]
fn reset_card_puts_profile_pin_and_puk_back() {
    let mut token = delivered();
    let policy = Policy {
        minimum: 6,
        maximum: 6,
        alphabet: Alphabet::Digits,
        force_change: true,
        challenge: ChallengeType::Static,
        refuse_weak: true,
        fido_shared_pin: true,
    };
    // A PUK may be any 8 bytes.
    for (old, new) in [(PUK, &[0xFF; 8]), (&[0xFF; 8], &[0x00; 8])] {
        expect(&mut token, SELECT_PIV, 0x9000);
        assert_eq!(
            status(&mut token, &command("00240081", &[old, new])),
            0x9000
        );
    }
    let old_puk = command("002C0080", &[PUK, b"271828"]);
    assert_eq!(status(&mut token, &old_puk), 0x63C5);
    authenticate(&mut token);
    assert_eq!(write(&mut token, &policy, true), 0x9000);
    authenticate(&mut token);
    expect(&mut token, "00380000", 0x9000);

    assert_eq!(
        read(&mut token),
        ManagementProfile {
            enforced_by_card: true,
            ..ManagementProfile::default()
        }
    );
    assert_eq!(pin_properties(&mut token), hex("31 05 04 08 00 00 00"));
    assert_eq!(verify_piv(&mut token, FACTORY), 0x9000);
    assert_eq!(status(&mut token, &old_puk), 0x9000);
    assert_eq!(verify_piv(&mut token, b"271828"), 0x9000);
    expect(&mut token, SELECT_ACA, 0x9000);
    assert_ne!(
        expect(&mut token, "00840001 00", 0x9000),
        expect(&mut token, "00840001 00", 0x9000)
    );
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (3..=9_u8, 3..=9_u8, any::<[bool; 5]>()).prop_map(|(minimum, maximum, flags)| Policy {
        minimum,
        maximum,
        alphabet: if flags[0] {
            Alphabet::Digits
        } else {
            Alphabet::Any
        },
        force_change: flags[1],
        challenge: if flags[2] {
            ChallengeType::Static
        } else {
            ChallengeType::Dynamic
        },
        refuse_weak: flags[3],
        fido_shared_pin: flags[4],
    })
}

#[derive(Clone, Debug)]
enum Step {
    Write(Policy, bool),
    Bytes(Vec<u8>),
    Verify(&'static [u8]),
    Authenticate,
    SetPin(Way, &'static [u8], &'static [u8]),
    ResetCard,
}

fn step() -> impl Strategy<Value = Step> {
    const PINS: &[&[u8]] = &[
        FACTORY,
        b"1234",
        b"271828",
        b"Zebra7",
        b"31415926",
        b"\xFF",
        b"a\xFFb123",
    ];
    let pin = || prop::sample::select(PINS);
    prop_oneof![
        6 => (any_policy(), any::<bool>()).prop_map(|(policy, flag)| Step::Write(policy, flag)),
        1 => prop::collection::vec(any::<u8>(), 0..70).prop_map(Step::Bytes),
        4 => pin().prop_map(Step::Verify),
        4 => Just(Step::Authenticate),
        6 => (prop::sample::select(&WAYS[..]), pin(), pin())
            .prop_map(|(way, old, new)| Step::SetPin(way, old, new)),
        1 => Just(Step::ResetCard),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Among what the state's check wants: a PIN that keeps its own rules, unless it is
    /// to be changed.
    #[test]
    fn no_sequence_of_writes_breaks_the_state(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut token = delivered();
        for step in &steps {
            match step {
                Step::Write(policy, personalized) => { write(&mut token, policy, *personalized); }
                Step::Bytes(bytes) => { put(&mut token, bytes); }
                Step::Verify(pin) => { verify_piv(&mut token, pin); }
                // RESET CARD takes the key away.
                Step::Authenticate => {
                    expect(&mut token, SELECT_ACA, 0x9000);
                    xauth::<TdesEde3>(&mut token, &[0; 24]);
                }
                Step::SetPin(Way::UnlockPin, _, new) => {
                    expect(&mut token, SELECT_ACA, 0x9000);
                    status(&mut token, &command("002C0200", &[new]));
                }
                Step::SetPin(way, old, new) => { set_pin(&mut token, *way, old, new); }
                Step::ResetCard => {
                    expect(&mut token, SELECT_ACA, 0x9000);
                    status(&mut token, &hex("00380000"));
                }
            }
            prop_assert!(VirtualToken::from_state(token.to_state()).is_ok(), "{step:?}");
            let profile = read(&mut token);
            prop_assert!(profile.enforced_by_card);
            let format = pin_properties(&mut token);
            prop_assert_eq!(&format[2..4], &[profile.policy.minimum, profile.policy.maximum]);
        }
    }
}
