//! The weak-PIN check, for every PIN of up to six digits.

use std::collections::HashSet;

use proptest::prelude::*;
use token_profile::is_weak;

/// Every arithmetic sequence of digits of this length: made by counting up,
/// not by comparing differences.
fn sequences(length: usize) -> HashSet<Vec<u8>> {
    let mut sequences = HashSet::new();
    for first in 0..=9_i32 {
        for step in -9..=9_i32 {
            let mut sequence = Vec::new();
            let mut digit = first;
            while (0..=9).contains(&digit) && sequence.len() < length {
                sequence.push(b'0' + u8::try_from(digit).unwrap_or_default());
                digit += step;
            }
            if sequence.len() == length {
                sequences.insert(sequence);
            }
        }
    }
    sequences
}

#[test]
fn every_pin_of_up_to_six_digits() {
    let mut counts = Vec::new();
    for length in 1..=6_u32 {
        let weak = sequences(length as usize);
        let mut found = 0;
        for number in 0..10_u32.pow(length) {
            let pin = format!("{number:0width$}", width = length as usize);
            let expected = weak.contains(pin.as_bytes());
            assert_eq!(is_weak(pin.as_bytes()), expected, "{pin}");
            found += u32::from(expected);
        }
        assert_eq!(found as usize, weak.len());
        counts.push(found);
    }
    // By hand: of n digits, the step 0 gives 10, and each step s of 1 to 9 gives
    // 10 - s(n - 1) sequences upwards, if that is more than none, and as many
    // downwards.
    assert_eq!(counts, [10, 100, 50, 34, 26, 20]);
}

#[test]
fn the_glossary_s_examples_and_what_is_near_them() {
    for weak in [
        "1234", "4321", "86420", "ABCD", "acegik", "1111", "00000000",
    ] {
        assert!(is_weak(weak.as_bytes()), "{weak}");
    }
    for strong in [
        "1243", "8901", "90123", "ABcD", "abCD", "1112", "2111", "271828", "13579a",
    ] {
        assert!(!is_weak(strong.as_bytes()), "{strong}");
    }
    // Fewer than three characters have at most one difference; the last two
    // fill four and eight bytes.
    for short in ["", "7", "27", "aü", "🔑", "🔑🔒"] {
        assert!(is_weak(short.as_bytes()), "{short:?}");
    }
}

#[test]
fn characters_are_code_points_and_where_there_are_none_bytes() {
    for weak in ["éééé", "àáâã", "ÿĀā", "сссс"] {
        assert!(is_weak(weak.as_bytes()), "{weak}");
    }
    for strong in ["éèéè", "aäbö", "ÿāĀ"] {
        assert!(!is_weak(strong.as_bytes()), "{strong}");
    }
    assert!(is_weak(b"\x80\x82\x84\x86"));
    assert!(!is_weak(b"\x80\x82\x84\x87"));
    assert!(is_weak(b"\xFE\xFE\xFE\xFE"));
    // No wrap-around at the ends of a byte either.
    assert!(!is_weak(b"\xFD\xFE\x00\x01"));
}

proptest! {
    #[test]
    fn turned_round_it_is_as_weak(pin in "(?s).{0,8}|[a-c]{3,4}") {
        let turned: String = pin.chars().rev().collect();
        prop_assert_eq!(is_weak(pin.as_bytes()), is_weak(turned.as_bytes()));
    }

    #[test]
    fn a_step_between_letters_is_weak_until_the_case_changes(
        length in 4..=8_u8, step in -3..=3_i8, upper: bool, changed in 0..8_usize
    ) {
        let first = if step < 0 { b'z' } else { b'a' };
        let letter = |index: u8| {
            let letter = i16::from(first) + i16::from(step) * i16::from(index);
            let letter = u8::try_from(letter).unwrap_or_default();
            if upper { letter.to_ascii_uppercase() } else { letter }
        };
        let mut pin: Vec<u8> = (0..length).map(letter).collect();
        prop_assert!(pin.iter().all(u8::is_ascii_alphabetic));
        prop_assert!(is_weak(&pin));
        let changed = changed % pin.len();
        pin[changed] ^= 0x20;
        prop_assert!(!is_weak(&pin));
    }

    #[test]
    fn one_character_off_is_not_weak(first in 0..100_u8, step in 0..10_u8, at in 1..3_usize) {
        let mut pin: Vec<u8> = (0..6).map(|index| first + step * index).collect();
        prop_assert!(is_weak(&pin));
        pin[at] = pin[at].wrapping_add(1);
        prop_assert!(!is_weak(&pin));
    }
}
