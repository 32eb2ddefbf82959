//! Our host code on a card that no one here wrote, through pcscd.

use cipher::{BlockCipherEncrypt as _, KeyInit as _};
use des::TdesEde3;
use e2e::{Pcscd, READERS, independent, programs::tokenctl};
use p256::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _};
use piv_apdu::{
    command::{
        DynamicAuthenticationTemplate, GeneralAuthenticate, GenerateAsymmetric, PinStatus,
        PublicKey,
    },
    key::{Algorithm, KeyReference},
    status::StatusWord,
};

use crate::support::{change, open, pin_status, refusal, send, unblock, verify};

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn it_is_listed_and_shown() {
    let pcscd = Pcscd::start("independent-shown");
    let _card = independent::insert(&pcscd);

    let _ = tokenctl(&["list"]).success().says(READERS[0]);
    let _ = tokenctl(&["show"])
        .success()
        .says("Nitrokey PIV")
        .says("3 tries left");

    let list = tokenctl(&["list", "--json"]).success().json();
    assert_eq!(list["tokens"].as_array().map(Vec::len), Some(1), "{list}");
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn its_pin_is_verified_and_changed() {
    let pcscd = Pcscd::start("independent-pin");
    let _card = independent::insert(&pcscd);
    let mut card = open(0);

    assert_eq!(pin_status(&mut card), PinStatus::TriesLeft(3));
    assert_eq!(
        refusal(send(&mut card, &verify(b"000000"))).tries_left(),
        Some(2)
    );
    assert_eq!(pin_status(&mut card), PinStatus::TriesLeft(2));
    send(&mut card, &verify(independent::PIN)).unwrap();
    assert_eq!(pin_status(&mut card), PinStatus::AlreadyVerified);

    send(&mut card, &change(independent::PIN, b"86420135")).unwrap();
    card.close().unwrap();

    let mut card = open(0);
    assert_eq!(
        pin_status(&mut card),
        PinStatus::TriesLeft(3),
        "left locked"
    );
    assert_eq!(
        refusal(send(&mut card, &verify(independent::PIN))).tries_left(),
        Some(2)
    );
    send(&mut card, &verify(b"86420135")).unwrap();
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn its_pin_is_blocked_and_unblocked() {
    let pcscd = Pcscd::start("independent-unblock");
    let _card = independent::insert(&pcscd);
    let mut card = open(0);

    for _ in 0..3 {
        refusal(send(&mut card, &verify(b"000000")));
    }
    assert_eq!(pin_status(&mut card), PinStatus::Blocked);
    let _ = tokenctl(&["show"]).success().says("blocked");
    let blocked = refusal(send(&mut card, &verify(independent::PIN)));
    assert_eq!(blocked, StatusWord::AUTHENTICATION_METHOD_BLOCKED);

    let wrong = refusal(send(&mut card, &unblock(b"87654321", b"246802")));
    assert_eq!(wrong.tries_left(), Some(2), "{wrong}");
    send(&mut card, &unblock(independent::PUK, b"246802")).unwrap();
    assert_eq!(
        pin_status(&mut card),
        PinStatus::TriesLeft(3),
        "unblocked, not verified"
    );
    send(&mut card, &verify(b"246802")).unwrap();
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn it_is_administered_and_signs() {
    let pcscd = Pcscd::start("independent-signs");
    let _card = independent::insert(&pcscd);
    let mut card = open(0);
    let generate = GenerateAsymmetric::new(KeyReference::PIV_AUTHENTICATION, Algorithm::EccP256);

    let refused = refusal(send(&mut card, &generate));
    assert_eq!(
        refused,
        StatusWord::SECURITY_STATUS_NOT_SATISFIED,
        "before authentication"
    );
    authenticate_management(&mut card);
    let PublicKey::Ecc { point } = send(&mut card, &generate).unwrap() else {
        panic!("a P-256 key should have a point");
    };

    let digest: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
    let sign = GeneralAuthenticate {
        algorithm: Algorithm::EccP256,
        key: KeyReference::PIV_AUTHENTICATION,
        template: DynamicAuthenticationTemplate::internal_authenticate(&digest),
    };
    let refused = refusal(send(&mut card, &sign));
    assert_eq!(
        refused,
        StatusWord::SECURITY_STATUS_NOT_SATISFIED,
        "before the PIN"
    );
    send(&mut card, &verify(independent::PIN)).unwrap();
    let signature = send(&mut card, &sign).unwrap().response.unwrap();

    let key = VerifyingKey::from_sec1_bytes(&point).unwrap();
    key.verify_prehash(&digest, &Signature::from_der(&signature).unwrap())
        .unwrap();
}

/// Challenge and response with the management key, as
/// SP 800-73-4 part 2, A.2 has it.
fn authenticate_management(card: &mut pcsc_transport::Card) {
    let step = |template| GeneralAuthenticate {
        algorithm: Algorithm::TripleDes,
        key: KeyReference::CARD_MANAGEMENT,
        template,
    };
    let request = DynamicAuthenticationTemplate::request_challenge();
    let challenge = send(card, &step(request)).unwrap().challenge.unwrap();
    let mut block: [u8; 8] = challenge.as_slice().try_into().unwrap();
    TdesEde3::new(&independent::MANAGEMENT_KEY.into()).encrypt_block((&mut block).into());
    let response = DynamicAuthenticationTemplate::default().with_response(&block);
    send(card, &step(response)).unwrap();
}
