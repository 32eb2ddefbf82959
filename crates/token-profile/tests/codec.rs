//! The two objects: what comes back, what is refused, and that the
//! documentation shows the bytes that are written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use hex_literal::hex;
use proptest::prelude::*;
use token_profile::{
    Alphabet, ChallengeType, ManagementProfile, Policy, PolicyError, ProfileError, RecoveryError,
    RecoveryKind, RecoveryRecord, Rule,
};

const DOCUMENTATION: &str = include_str!("../../../docs/token-management-profile.md");

/// The bytes in the documentation's code block under this heading.
fn documented(heading: &str) -> Vec<u8> {
    let (_, rest) = DOCUMENTATION.split_once(heading).unwrap();
    let block = rest.split("```").nth(1).unwrap();
    let digits: String = block
        .lines()
        .skip(1)
        .flat_map(|line| {
            line.trim_start()
                .split("  ")
                .next()
                .unwrap_or_default()
                .chars()
        })
        .filter(char::is_ascii_hexdigit)
        .collect();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[test]
fn the_documentation_s_examples_are_what_is_written() {
    let profile = ManagementProfile {
        policy: Policy {
            minimum: 6,
            maximum: 8,
            alphabet: Alphabet::Digits,
            force_change: true,
            challenge: ChallengeType::Dynamic,
            refuse_weak: true,
            fido_shared_pin: false,
        },
        personalized: true,
        enforced_by_card: true,
    };
    assert_eq!(profile.encode(), documented("### Example: a policy"));
    let record = RecoveryRecord::new(RecoveryKind::Puk, b"31415926").unwrap();
    assert_eq!(*record.encode(), documented("### Example: a PUK"));
}

#[test]
fn what_is_not_ours_or_not_whole_is_told_apart() {
    let decode = ManagementProfile::decode;
    assert_eq!(decode(&[]), Err(ProfileError::Empty));
    assert_eq!(decode(b"anything"), Err(ProfileError::NotOurs));
    let other = hex!("E1 06 80 04 50545252");
    assert_eq!(decode(&other), Err(ProfileError::NotOurs));
    let later = hex!("E1 09 80 04 50544D50 81 01 02");
    assert_eq!(
        decode(&later),
        Err(ProfileError::Unsupported { version: 2 })
    );
    let no_version = hex!("E1 06 80 04 50544D50");
    assert!(matches!(
        decode(&no_version),
        Err(ProfileError::Field { tag: 0x81 })
    ));
    // What is missing is as delivered, what is unknown is passed over.
    let short = hex!("E1 0D 80 04 50544D50 81 01 01 9F 01 01 FF");
    assert_eq!(decode(&short), Ok(ManagementProfile::default()));
    let nonsense = hex!("E1 0F 80 04 50544D50 81 01 01 82 01 08 83 01 06");
    assert!(matches!(decode(&nonsense), Err(ProfileError::Nonsense(_))));

    let decode = RecoveryRecord::decode;
    assert_eq!(decode(&[]), Err(RecoveryError::Empty));
    assert_eq!(decode(&hex!("01 03 414243")), Err(RecoveryError::NotOurs));
    let later = hex!("E2 09 80 04 50545252 81 01 09");
    assert_eq!(
        decode(&later),
        Err(RecoveryError::Unsupported { version: 9 })
    );
    let no_kind = hex!("E2 09 80 04 50545252 81 01 01");
    assert_eq!(decode(&no_kind), Err(RecoveryError::Damaged));
    // A mark and a version, and then no kind that there is, no value, one that is
    // too long, or the middle of a field.
    for damaged in [
        &hex!("E2 0F 80 04 50545252 81 01 01 82 01 04 83 01 31")[..],
        &hex!("E2 0C 80 04 50545252 81 01 01 82 01 01"),
        &hex!("E2 0E 80 04 50545252 81 01 01 82 01 01 83 00"),
        &[
            &hex!("E2 2F 80 04 50545252 81 01 01 82 01 01 83 21")[..],
            &[0x31; 33],
        ]
        .concat(),
        &hex!("E2 0F 80 04 50545252 81 01 01 82 01 01 83 08 31"),
    ] {
        assert_eq!(decode(damaged), Err(RecoveryError::Damaged));
    }
    // The mark of the other object is not this one's, and what is cut off outside
    // can't be told from others' content, so that it is left alone.
    let policy = hex!("E1 09 80 04 50544D50 81 01 01");
    assert_eq!(decode(&policy), Err(RecoveryError::NotOurs));
    let cut_off = hex!("E2 16 80 04 50545252 81 01 01");
    assert_eq!(decode(&cut_off), Err(RecoveryError::NotOurs));
    assert!(RecoveryRecord::new(RecoveryKind::Puk, &[]).is_err());
    assert!(RecoveryRecord::new(RecoveryKind::Puk, &[0; 33]).is_err());
    let record = RecoveryRecord::new(RecoveryKind::XauthKey, &[7; 24]).unwrap();
    assert_eq!(format!("{record:?}"), "RecoveryRecord(XauthKey, ..)");
}

#[test]
fn nonsense_is_refused_with_the_reason() {
    let check = |minimum, maximum| {
        Policy {
            minimum,
            maximum,
            ..Policy::DELIVERY
        }
        .check()
    };
    assert_eq!(check(4, 8), Ok(()));
    assert_eq!(check(6, 6), Ok(()));
    assert_eq!(
        check(7, 6),
        Err(PolicyError::MinimumAboveMaximum {
            minimum: 7,
            maximum: 6
        })
    );
    for (minimum, maximum) in [(3, 8), (4, 9), (0, 0), (9, 9)] {
        assert_eq!(
            check(minimum, maximum),
            Err(PolicyError::OutOfRange { minimum, maximum })
        );
    }
}

#[test]
fn each_rule_is_met_or_not() {
    let strict = Policy {
        minimum: 6,
        maximum: 7,
        alphabet: Alphabet::Digits,
        refuse_weak: true,
        ..Policy::DELIVERY
    };
    for (pin, broken) in [
        (&b"271828"[..], None),
        (b"27182", Some(Rule::AtLeast(6))),
        (b"27182818", Some(Rule::AtMost(7))),
        (b"27182x", Some(Rule::DigitsOnly)),
        (b"123456", Some(Rule::NotWeak)),
    ] {
        assert_eq!(strict.accepts(pin).err(), broken);
    }
    assert_eq!(Policy::DELIVERY.accepts(b"a\xFFbc"), Err(Rule::NoPadding));
    assert_eq!(Policy::DELIVERY.accepts(b"1234"), Ok(()));
    assert_eq!(strict.rules(b"").len(), 4);
    assert_eq!(Rule::AtLeast(6).to_string(), "at least 6 characters");
}

#[test]
fn rules_are_told_in_the_order_in_which_a_person_reads_them() {
    let rules = |policy: Policy| -> Vec<Rule> {
        let states = policy.rules(b"");
        states.into_iter().map(|state| state.rule).collect()
    };
    let all = Policy {
        refuse_weak: true,
        fido_shared_pin: true,
        ..Policy::DELIVERY
    };
    let lengths = [Rule::AtLeast(4), Rule::AtMost(8)];
    assert_eq!(
        rules(all.clone()),
        [
            &lengths[..],
            &[Rule::NoPadding, Rule::FidoPin, Rule::NotWeak]
        ]
        .concat()
    );
    let digits = Policy {
        alphabet: Alphabet::Digits,
        ..all
    };
    assert_eq!(
        rules(digits),
        [&lengths[..], &[Rule::DigitsOnly, Rule::NotWeak]].concat()
    );
}

#[test]
fn a_pin_shared_with_fido_is_one_that_fido_takes() {
    let shared = Policy {
        fido_shared_pin: true,
        ..Policy::DELIVERY
    };
    for (pin, broken) in [
        (&b"1234"[..], None),
        ("pässe".as_bytes(), None),
        // Eight bytes and two code points; no UTF-8; a NUL at the end, and one
        // that is not.
        ("🔑🔒".as_bytes(), Some(Rule::FidoPin)),
        (b"abc\xFE", Some(Rule::FidoPin)),
        (b"abcd\0", Some(Rule::FidoPin)),
        (b"ab\0cd", None),
        // The same letters with the accent in a character of its own, as some keyboards
        // and file names have them; a sign that is another one in the normal form.
        ("pa\u{308}sse".as_bytes(), Some(Rule::FidoPin)),
        ("12\u{212B}34".as_bytes(), Some(Rule::FidoPin)),
        ("12\u{C5}34".as_bytes(), None),
    ] {
        assert_eq!(shared.accepts(pin).err(), broken, "{pin:02X?}");
        assert_eq!(Policy::DELIVERY.accepts(pin), Ok(()));
    }
}

fn policies() -> impl Strategy<Value = Policy> {
    (4..=8_u8, 4..=8_u8, any::<[bool; 5]>()).prop_map(|(one, other, flags)| Policy {
        minimum: one.min(other),
        maximum: one.max(other),
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

proptest! {
    #[test]
    fn a_profile_comes_back(policy in policies(), personalized: bool, enforced_by_card: bool) {
        let profile = ManagementProfile { policy, personalized, enforced_by_card };
        prop_assert_eq!(ManagementProfile::decode(&profile.encode()).unwrap(), profile);
    }

    #[test]
    fn a_record_comes_back(value in proptest::collection::vec(any::<u8>(), 1..=32), kind in 0..3_usize) {
        let kind = [RecoveryKind::Puk, RecoveryKind::XauthKey, RecoveryKind::UnlockCode][kind];
        let record = RecoveryRecord::new(kind, &value).unwrap();
        let read = RecoveryRecord::decode(&record.encode()).unwrap();
        prop_assert_eq!(read.kind(), kind);
        prop_assert_eq!(read.value(), &value[..]);
    }

    #[test]
    fn no_bytes_are_a_reason_to_panic(bytes: Vec<u8>) {
        let _ = ManagementProfile::decode(&bytes);
        let _ = RecoveryRecord::decode(&bytes);
    }

    // Random bytes seldom have a mark; these always do.
    #[test]
    fn nothing_after_the_mark_is_a_reason_to_panic(
        rest in proptest::collection::vec(any::<u8>(), 0..100)
    ) {
        for (tag, mark) in [(0xE1, b"PTMP"), (0xE2, b"PTRR")] {
            let length = u8::try_from(9 + rest.len()).unwrap_or_default();
            let head = [tag, length, 0x80, 4, mark[0], mark[1], mark[2], mark[3], 0x81, 1, 1];
            let content = [&head[..], &rest].concat();
            if let Ok(profile) = ManagementProfile::decode(&content) {
                prop_assert_eq!(ManagementProfile::decode(&profile.encode()).unwrap(), profile);
            }
            if let Ok(record) = RecoveryRecord::decode(&content) {
                prop_assert!(RecoveryRecord::decode(&record.encode()).unwrap() == record);
            }
        }
    }

    #[test]
    fn what_is_left_out_is_as_delivered_and_what_is_unknown_is_passed_over(
        policy in policies(), left_out in 0x84..=0x89_u8, unknown in 0x8A..=0x9E_u8,
        at in 2..10_usize, value in proptest::collection::vec(any::<u8>(), 0..20)
    ) {
        let profile = ManagementProfile { policy, personalized: true, enforced_by_card: true };
        let bytes = profile.encode();
        // After E1 and its length: the mark, of six bytes, and fields of three.
        let (mark, fields) = bytes[2..].split_at(6);
        let mut fields: Vec<Vec<u8>> = fields.chunks(3).map(<[u8]>::to_vec).collect();
        fields.retain(|field| field[0] != left_out);
        let length = u8::try_from(value.len()).unwrap_or_default();
        fields.insert(at.min(fields.len()), [&[unknown, length][..], &value].concat());
        let inside = [mark, &fields.concat()].concat();
        let length = u8::try_from(inside.len()).unwrap_or_default();
        let mut expected = profile;
        let delivery = Policy::DELIVERY;
        match left_out {
            0x84 => expected.policy.alphabet = delivery.alphabet,
            0x85 => expected.policy.force_change = delivery.force_change,
            0x86 => expected.policy.challenge = delivery.challenge,
            0x87 => expected.policy.refuse_weak = delivery.refuse_weak,
            0x88 => expected.policy.fido_shared_pin = delivery.fido_shared_pin,
            _ => (expected.personalized, expected.enforced_by_card) = (false, false),
        }
        let read = ManagementProfile::decode(&[&[0xE1, length][..], &inside].concat());
        prop_assert_eq!(read, Ok(expected));
    }

    #[test]
    fn a_changed_byte_is_never_a_nonsensical_policy(policy in policies(), at in 0..40_usize, value: u8) {
        let profile = ManagementProfile { policy, ..ManagementProfile::default() };
        let mut bytes = profile.encode();
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(read) = ManagementProfile::decode(&bytes) {
            prop_assert!(read.policy.check().is_ok());
        }
    }

    #[test]
    fn accepting_is_meeting_every_rule(policy in policies(), pin: Vec<u8>) {
        let all_met = policy.rules(&pin).iter().all(|state| state.met);
        prop_assert_eq!(policy.accepts(&pin).is_ok(), all_met);
    }
}
