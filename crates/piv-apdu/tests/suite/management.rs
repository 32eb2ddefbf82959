//! The card management key. The vectors were made with OpenSSL (3DES also with
//! its command line), or are those of FIPS 197, appendix C, and SP 800-67,
//! appendix B.

use hex_literal::hex;
use piv_apdu::command::{DynamicAuthenticationTemplate, GeneralAuthenticate, TypedCommand};
use piv_apdu::management::{
    ManagementAlgorithm, ManagementError, ManagementKey, MutualAuthentication, SingleAuthentication,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::any;

/// The bytes 03, 0A, 11, …: the longest key; shorter ones are its beginning.
const KEY: [u8; 32] = hex!("030A11181F262D343B424950575E656C737A81888F969DA4ABB2B9C0C7CED5DC");
const WITNESS: [u8; 16] = hex!("A0A1A2A3A4A5A6A7A8A9AAABACADAEAF");
const CHALLENGE: [u8; 16] = hex!("101112131415161718191A1B1C1D1E1F");

fn key(algorithm: ManagementAlgorithm) -> ManagementKey {
    ManagementKey::new(algorithm, &KEY[..algorithm.key_length()]).unwrap()
}

fn sent(command: &GeneralAuthenticate) -> Vec<u8> {
    command.to_command().encode_short().unwrap().to_vec()
}

fn witness(bytes: &[u8]) -> DynamicAuthenticationTemplate {
    DynamicAuthenticationTemplate::default().with_witness(bytes)
}

fn response(bytes: &[u8]) -> DynamicAuthenticationTemplate {
    DynamicAuthenticationTemplate::default().with_response(bytes)
}

/// For each algorithm: the witness encrypted, the second command, the challenge
/// encrypted.
#[test]
fn mutual_authentication_byte_for_byte() {
    let aes = |algorithm: u8| {
        let mut command = hex!(
            "0087009B 28 7C26 8010A0A1A2A3A4A5A6A7A8A9AAABACADAEAF"
            "8110101112131415161718191A1B1C1D1E1F 8200 00"
        );
        command[2] = algorithm;
        command.to_vec()
    };
    let vectors: [(_, Vec<u8>, Vec<u8>, Vec<u8>); 4] = [
        (
            ManagementAlgorithm::TripleDes,
            hex!("5FC5EE09DAF0B052").into(),
            hex!("0087039B 18 7C16 8008A0A1A2A3A4A5A6A7 81081011121314151617 8200 00").into(),
            hex!("E329AC83FC24A9DD").into(),
        ),
        (
            ManagementAlgorithm::Aes128,
            hex!("77D60482C5670770B62A0DF928460165").into(),
            aes(0x08),
            hex!("227DD1544DF8828AF44F2AE3569291B2").into(),
        ),
        (
            ManagementAlgorithm::Aes192,
            hex!("C9A6F3B5D0EF74700788CA55CFAB457A").into(),
            aes(0x0A),
            hex!("A8625AAD35BE8EBCAF53DED5BFE5DEF3").into(),
        ),
        (
            ManagementAlgorithm::Aes256,
            hex!("0D6072667986A1F68167FD9A2F50AD6C").into(),
            aes(0x0C),
            hex!("4E768298C398CBF27AF46F9470074A53").into(),
        ),
    ];
    for (algorithm, encrypted_witness, command, encrypted_challenge) in vectors {
        let key = key(algorithm);
        let mutual = MutualAuthentication::new(&key);
        let block = algorithm.block_length();
        let identifier = algorithm.algorithm().to_u8();
        assert_eq!(
            sent(&mutual.request_witness()),
            [
                0x00, 0x87, identifier, 0x9B, 0x04, 0x7C, 0x02, 0x80, 0x00, 0x00
            ]
        );
        let (second, answered) = mutual
            .answer_witness(&witness(&encrypted_witness), &CHALLENGE[..block])
            .unwrap();
        assert_eq!(sent(&second), command, "{}", algorithm.name());
        assert_eq!(
            second.template.witness.as_deref().unwrap()[..],
            WITNESS[..block]
        );
        assert_eq!(
            answered.check_response(&response(&encrypted_challenge)),
            Ok(())
        );
    }
}

#[test]
fn single_authentication_byte_for_byte() {
    let key = key(ManagementAlgorithm::TripleDes);
    let single = SingleAuthentication::new(&key);
    assert_eq!(
        sent(&single.request_challenge()),
        hex!("0087039B 04 7C028100 00")
    );
    let challenge = DynamicAuthenticationTemplate::default().with_challenge(&CHALLENGE[..8]);
    assert_eq!(
        sent(&single.answer_challenge(&challenge).unwrap()),
        hex!("0087039B 0C 7C0A 8208E329AC83FC24A9DD 00")
    );

    for wrong in [
        DynamicAuthenticationTemplate::default(),
        DynamicAuthenticationTemplate::request_challenge(),
        DynamicAuthenticationTemplate::default().with_challenge(&CHALLENGE),
        witness(&CHALLENGE[..8]),
    ] {
        assert_eq!(
            single.answer_challenge(&wrong).unwrap_err(),
            ManagementError::Witness
        );
    }
}

#[test]
fn published_blocks() {
    let keys = hex!("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    let plain = hex!("00112233445566778899aabbccddeeff");
    for (algorithm, cipher) in [
        (
            ManagementAlgorithm::Aes128,
            hex!("69c4e0d86a7b0430d8cdb78070b4c55a"),
        ),
        (
            ManagementAlgorithm::Aes192,
            hex!("dda97ca4864cdfe06eaf70a0ec0d7191"),
        ),
        (
            ManagementAlgorithm::Aes256,
            hex!("8ea2b7ca516745bfeafc49904b496089"),
        ),
    ] {
        let key = ManagementKey::new(algorithm, &keys[..algorithm.key_length()]).unwrap();
        let (command, answered) = MutualAuthentication::new(&key)
            .answer_witness(&witness(&cipher), &plain)
            .unwrap();
        assert_eq!(command.template.witness.as_deref().unwrap()[..], plain);
        assert_eq!(answered.check_response(&response(&cipher)), Ok(()));
    }
    let key = hex!("0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123");
    let key = ManagementKey::new(ManagementAlgorithm::TripleDes, &key).unwrap();
    let (command, _) = MutualAuthentication::new(&key)
        .answer_witness(&witness(&hex!("A826FD8CE53B855F")), &[0; 8])
        .unwrap();
    assert_eq!(
        command.template.witness.as_deref().unwrap()[..],
        *b"The qufc"
    );
}

#[test]
fn a_card_that_does_not_know_the_key_is_found_out() {
    let key = key(ManagementAlgorithm::Aes128);
    let right = hex!("227DD1544DF8828AF44F2AE3569291B2");
    let mut one_bit = right;
    one_bit[15] ^= 0x01;
    // No response, an empty one, the challenge sent back, too short, too long.
    for answer in [
        DynamicAuthenticationTemplate::default(),
        response(&[]),
        response(&CHALLENGE),
        response(&one_bit),
        response(&right[..15]),
        response(&[&right[..], &[0]].concat()),
        DynamicAuthenticationTemplate::default().with_challenge(&right),
    ] {
        let (_, answered) = MutualAuthentication::new(&key)
            .answer_witness(&witness(&WITNESS), &CHALLENGE)
            .unwrap();
        assert_eq!(
            answered.check_response(&answer),
            Err(ManagementError::CardNotGenuine)
        );
    }
}

#[test]
fn lengths_are_checked_before_anything_is_sent() {
    for algorithm in ManagementAlgorithm::ALL {
        for length in 0..40 {
            let made = ManagementKey::new(algorithm, &[1; 40][..length]);
            assert_eq!(made.is_ok(), length == algorithm.key_length());
        }
    }
    let key = key(ManagementAlgorithm::Aes128);
    let mutual = MutualAuthentication::new(&key);
    for wrong in [
        witness(&[0; 8]),
        witness(&[0; 17]),
        witness(&[]),
        DynamicAuthenticationTemplate::default().with_challenge(&WITNESS),
    ] {
        assert_eq!(
            mutual.answer_witness(&wrong, &CHALLENGE).unwrap_err(),
            ManagementError::Witness
        );
    }
    for length in [0, 8, 15] {
        assert_eq!(
            mutual
                .answer_witness(&witness(&WITNESS), &CHALLENGE[..length])
                .unwrap_err(),
            ManagementError::Challenge
        );
    }
}

#[test]
fn weak_des_keys_are_told_and_taken() {
    let weak = |bytes: &[u8]| {
        ManagementKey::new(ManagementAlgorithm::TripleDes, bytes)
            .unwrap()
            .is_weak()
    };
    assert!(!weak(&KEY[..24]));
    assert!(weak(&[0x01; 24]));
    // The first and the last the same: two-key 3DES.
    assert!(weak(&hex!(
        "030A11181F262D34 3B424950575E656C 030A11181F262D34"
    )));
    // A semi-weak key in the middle.
    assert!(weak(&hex!(
        "030A11181F262D34 01FE01FE01FE01FE 737A81888F969DA4"
    )));
    let zeros = ManagementKey::new(ManagementAlgorithm::Aes192, &[0; 24]).unwrap();
    assert!(!zeros.is_weak());
}

#[test]
fn nothing_of_a_key_is_shown() {
    let key = key(ManagementAlgorithm::Aes192);
    assert_eq!(format!("{key:?}"), "ManagementKey(AES-192, ..)");
    let (_, answered) = MutualAuthentication::new(&key)
        .answer_witness(&witness(&WITNESS), &CHALLENGE)
        .unwrap();
    assert_eq!(format!("{answered:?}"), "Answered(..)");
}

#[test]
fn a_key_in_hexadecimal() {
    let key = key(ManagementAlgorithm::Aes128);
    assert_eq!(*key.to_hex(), "030A-1118-1F26-2D34-3B42-4950-575E-656C");
    let typed = "030a1118 1f262d34-3b424950 575e656C";
    assert_eq!(
        ManagementKey::from_hex(ManagementAlgorithm::Aes128, typed).unwrap(),
        key
    );
    assert_eq!(
        ManagementKey::from_hex(ManagementAlgorithm::Aes128, "0g"),
        Err(ManagementError::NotHexadecimal)
    );
    assert_eq!(
        ManagementKey::from_hex(ManagementAlgorithm::TripleDes, typed),
        Err(ManagementError::KeyLength {
            algorithm: ManagementAlgorithm::TripleDes,
            length: 16
        })
    );
}

#[test]
fn the_length_of_a_key_tells_its_algorithm_unless_two_have_it() {
    for algorithm in ManagementAlgorithm::ALL {
        let (key, length) = (key(algorithm), algorithm.key_length());
        assert!(ManagementAlgorithm::with_key_length(length).contains(&algorithm));
        let text = key.to_hex();
        let by_length = ManagementKey::from_hex_by_length(None, &text);
        if length == 24 {
            assert_eq!(by_length, Err(ManagementError::Ambiguous));
        } else {
            assert_eq!(by_length.unwrap(), key);
        }
        let told = ManagementKey::from_hex_by_length(Some(algorithm), &text);
        assert_eq!(told.unwrap(), key);
    }
    let read = |told, text: &str| ManagementKey::from_hex_by_length(told, text);
    assert_eq!(read(None, "0g"), Err(ManagementError::NotHexadecimal));
    for length in [1, 15, 17, 23, 33] {
        assert!(ManagementAlgorithm::with_key_length(length).is_empty());
        let algorithm = ManagementAlgorithm::Aes256;
        let error = ManagementError::KeyLength { algorithm, length };
        assert_eq!(read(None, &"A5".repeat(length)), Err(error));
    }
    let (algorithm, length) = (ManagementAlgorithm::Aes128, 24);
    let error = ManagementError::KeyLength { algorithm, length };
    assert_eq!(read(Some(algorithm), &"A5".repeat(24)), Err(error));
}

proptest! {
    #[test]
    fn hexadecimal_comes_back(bytes in vec(any::<u8>(), 32)) {
        for algorithm in ManagementAlgorithm::ALL {
            let key = ManagementKey::new(algorithm, &bytes[..algorithm.key_length()]).unwrap();
            prop_assert_eq!(ManagementKey::from_hex(algorithm, &key.to_hex()).unwrap(), key);
        }
    }

    #[test]
    fn no_answer_is_a_reason_to_panic(
        answer in any::template(),
        block in vec(any::<u8>(), 16),
        length in 0..=16_usize,
    ) {
        for algorithm in ManagementAlgorithm::ALL {
            let key = key(algorithm);
            let _ = SingleAuthentication::new(&key).answer_challenge(&answer);
            let mutual = MutualAuthentication::new(&key);
            let _ = mutual.answer_witness(&answer, &block[..length]);
            let witness = witness(&block[..algorithm.block_length()]);
            let challenge = &CHALLENGE[..algorithm.block_length()];
            let (_, answered) = mutual.answer_witness(&witness, challenge).unwrap();
            prop_assert!(answered.check_response(&answer).is_err());
        }
    }
}
