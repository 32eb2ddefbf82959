//! What changes a token: known answers, from the vendor's pages and from the
//! third party's reading of them, and refusals.
#![allow(clippy::unwrap_used)] // a test's way to fail

use crescendo_ext::aca::{
    ChangePin, ChangeRefusal, ExternalAuthenticate, GetChallenge, PutXauthKey, ResetCard,
    UnlockPin, UnlockRefusal, VerifyPin, XauthRefusal,
};
use crescendo_ext::identity::Family;
use crescendo_ext::pki::RemovePkiKey;
use crescendo_ext::xauth::{XauthAlgorithm, XauthCryptogram, XauthKey};
use hex_literal::hex;
use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{AnswerError, TypedCommand};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::secret::Pin;
use piv_apdu::status::StatusWord;

/// The write side, byte for byte as the vendor's pages have it.
#[test]
fn management_commands_as_documented() {
    let pin = |digits: &[u8]| Pin::new(digits).unwrap().padded();
    let key = |bytes: &[u8]| XauthKey::from_slice(bytes).unwrap();
    let sent = |command: Command| command.encode_short().unwrap().to_vec();
    let cryptogram = XauthCryptogram::from_slice(&hex!("A826FD8CE53B855F")).unwrap();

    let verify = VerifyPin { pin: pin(b"1234") };
    let bytes = hex!("00 20 00 00 08 31323334FFFFFFFF");
    assert_eq!(sent(verify.to_command()), bytes);
    let change = ChangePin {
        old: pin(b"00000000"),
        new: pin(b"271828"),
    };
    let bytes = hex!("00 24 01 00 10 3030303030303030 323731383238FFFF");
    assert_eq!(sent(change.to_command()), bytes);
    for (family, bytes) in [
        (Family::C2300, hex!("00 84 00 00 00")),
        (Family::C4000, hex!("00 84 00 01 00")),
    ] {
        assert_eq!(sent(GetChallenge { family }.to_command()), bytes);
    }
    let authenticate = ExternalAuthenticate { cryptogram };
    let bytes = hex!("00 82 00 01 08 A826FD8CE53B855F");
    assert_eq!(sent(authenticate.to_command()), bytes);
    let unlock = UnlockPin {
        new: pin(b"271828"),
    };
    let bytes = hex!("00 2C 02 00 08 323731383238FFFF");
    assert_eq!(sent(unlock.to_command()), bytes);
    assert_eq!(sent(ResetCard.to_command()), hex!("00 38 00 00"));

    let tdes = PutXauthKey {
        key: key(&[0x5A; 24]),
    };
    let bytes =
        hex!("00 D8 01 00 1D 00 03 19 18 5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A 00");
    assert_eq!(sent(tdes.to_command()), bytes);
    let aes = PutXauthKey {
        key: key(&[0x5A; 16]),
    };
    let bytes = hex!("00 D8 01 00 15 00 08 11 10 5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A 00");
    assert_eq!(sent(aes.to_command()), bytes);

    // A card reads what a host has sent.
    assert_eq!(VerifyPin::from_command(&verify.to_command()), Ok(verify));
    assert_eq!(ChangePin::from_command(&change.to_command()), Ok(change));
    assert_eq!(UnlockPin::from_command(&unlock.to_command()), Ok(unlock));
    let read = ExternalAuthenticate::from_command(&authenticate.to_command());
    assert_eq!(read, Ok(authenticate));
    assert_eq!(PutXauthKey::from_command(&tdes.to_command()), Ok(tdes));
    assert_eq!(PutXauthKey::from_command(&aes.to_command()), Ok(aes));
    assert_eq!(
        ResetCard::from_command(&ResetCard.to_command()),
        Ok(ResetCard)
    );
}

#[test]
fn a_challenge_has_one_of_two_lengths() {
    let answer = |length: usize| Response::new(&vec![7; length], StatusWord::SUCCESS);
    let read = |length| GetChallenge::decode_answer(&answer(length));
    assert_eq!(read(8).unwrap().algorithm(), XauthAlgorithm::Tdes);
    assert_eq!(read(16).unwrap().algorithm(), XauthAlgorithm::Aes128);
    for length in [0, 1, 7, 9, 15, 17, 32] {
        assert!(matches!(read(length), Err(AnswerError::Malformed(_))));
    }
}

#[test]
fn key_removal_as_a_third_party_reads_it() {
    let c2300 = |algorithm| (Family::C2300, algorithm);
    let c4000 = |algorithm| (Family::C4000, algorithm);
    for ((family, algorithm), bytes) in [
        (c2300(Algorithm::Rsa2048), hex!("80 D8 00 9D 03 00A300")),
        (c2300(Algorithm::Rsa3072), hex!("80 D8 00 9D 03 00A300")),
        (c2300(Algorithm::EccP256), hex!("80 D8 03 9D 03 00B100")),
        (c2300(Algorithm::EccP384), hex!("80 D8 03 9D 03 00B100")),
        (c4000(Algorithm::Rsa2048), hex!("80 D8 07 9D 03 000000")),
        (c4000(Algorithm::Rsa4096), hex!("80 D8 04 9D 03 000000")),
        (c4000(Algorithm::EccP256), hex!("80 D8 11 9D 03 000000")),
        (c4000(Algorithm::EccP384), hex!("80 D8 14 9D 03 000000")),
    ] {
        let remove = RemovePkiKey::new(family, KeyReference::KEY_MANAGEMENT, algorithm).unwrap();
        let sent = remove.to_command();
        assert_eq!(*sent.encode_short().unwrap(), bytes);
        assert_eq!(RemovePkiKey::from_command(&sent), Ok(remove));
        assert_eq!(
            (remove.family(), remove.key()),
            (family, KeyReference::KEY_MANAGEMENT)
        );
    }
    // There is no form for these, and so nothing to send.
    for algorithm in [
        Algorithm::TripleDes,
        Algorithm::Aes128,
        Algorithm::Cs2,
        Algorithm::Other(0x22),
    ] {
        for family in Family::ALL {
            let key = KeyReference::KEY_MANAGEMENT;
            assert_eq!(RemovePkiKey::new(family, key, algorithm), None);
        }
    }
}

/// The status word with which a card refuses the bytes as this command.
fn refusal<C: TypedCommand>(bytes: &[u8]) -> u16 {
    let command = Command::decode(bytes).unwrap();
    C::from_command(&command).err().unwrap().status_word().get()
}

#[test]
fn what_is_not_the_command_is_refused() {
    // P2 = 80 is the PIV instance's, an empty body is the standard's query.
    assert_eq!(
        refusal::<VerifyPin>(&hex!("00200080 08 31323334FFFFFFFF")),
        0x6A86
    );
    assert_eq!(refusal::<VerifyPin>(&hex!("00200000")), 0x6700);
    assert_eq!(refusal::<VerifyPin>(&hex!("00200000 04 31323334")), 0x6700);
    assert_eq!(
        refusal::<ChangePin>(&hex!("00240100 08 31323334FFFFFFFF")),
        0x6700
    );
    assert_eq!(
        refusal::<ChangePin>(&hex!("00240080 10 31323334FFFFFFFF 31323334FFFFFFFF")),
        0x6A86
    );
    assert_eq!(refusal::<GetChallenge>(&hex!("00840002 00")), 0x6A86);
    assert_eq!(refusal::<GetChallenge>(&hex!("00840000 01 00 00")), 0x6700);
    assert_eq!(
        refusal::<ExternalAuthenticate>(&hex!("00820001 07 00000000000000")),
        0x6700
    );
    assert_eq!(
        refusal::<UnlockPin>(&hex!("002C0080 08 31323334FFFFFFFF")),
        0x6A86
    );
    // Only the four bytes.
    assert_eq!(refusal::<ResetCard>(&hex!("00380000 00")), 0x6700);
    assert_eq!(refusal::<ResetCard>(&hex!("00380000 01 00")), 0x6700);
    assert_eq!(refusal::<ResetCard>(&hex!("00380001")), 0x6A86);
    assert_eq!(refusal::<ResetCard>(&hex!("80380000")), 0x6E00);

    assert_eq!(refusal::<RemovePkiKey>(&hex!("80D8009D 03 00B100")), 0x6A86);
    assert_eq!(refusal::<RemovePkiKey>(&hex!("80D8039D 03 000000")), 0x6A86);
    assert_eq!(refusal::<RemovePkiKey>(&hex!("80D8009D 03 00A301")), 0x6A80);
    assert_eq!(refusal::<RemovePkiKey>(&hex!("00D8009D 03 00A300")), 0x6E00);
}

#[test]
fn a_key_that_contradicts_itself_is_not_put() {
    let right = hex!("00D80100 15 00 08 11 10 5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A 00");
    let command = Command::decode(&right).unwrap();
    assert!(PutXauthKey::from_command(&command).is_ok());
    // Leading byte, algorithm, both lengths, trailing byte.
    for (position, value) in [(5, 1), (6, 0x03), (7, 0x10), (8, 0x11), (25, 1)] {
        let mut wrong = right;
        wrong[position] = value;
        assert_eq!(refusal::<PutXauthKey>(&wrong), 0x6A80, "byte {position}");
    }
    assert_eq!(refusal::<PutXauthKey>(&hex!("00D80100")), 0x6A80);
}

#[test]
fn status_words_with_a_meaning_of_their_own() {
    let word = StatusWord::new;
    for (status, meaning) in [
        (0x63C2, ChangeRefusal::WrongPin { tries_left: 2 }),
        (0x63C0, ChangeRefusal::WrongPin { tries_left: 0 }),
        (0x6983, ChangeRefusal::Blocked),
        (0x6A80, ChangeRefusal::NewPinFormat),
        (0x6A88, ChangeRefusal::NoPin),
        (0x6985, ChangeRefusal::Other(word(0x6985))),
    ] {
        assert_eq!(ChangePin::refusal(word(status)), meaning);
    }
    for (status, meaning) in [
        (0x6300, XauthRefusal::WrongResponse),
        (0x6985, XauthRefusal::NoChallenge),
        (0x6A88, XauthRefusal::NoKey),
        // Documented without a counter: nothing is made of one.
        (0x63C2, XauthRefusal::Other(word(0x63C2))),
    ] {
        assert_eq!(ExternalAuthenticate::refusal(word(status)), meaning);
    }
    for (status, meaning) in [
        (0x63C4, UnlockRefusal::NotAuthenticated { unlocks_left: 4 }),
        (0x6983, UnlockRefusal::UnlocksUsedUp),
        (0x6A80, UnlockRefusal::NewPinFormat),
        (0x6300, UnlockRefusal::Other(word(0x6300))),
    ] {
        assert_eq!(UnlockPin::refusal(word(status)), meaning);
    }
    assert_eq!(
        UnlockPin::refusal(word(0x63C4)).to_string(),
        "the admin key has not been authenticated; times that the PIN can still be unlocked: 4"
    );
}
