//! Keys do what their certificates say: checked with the public keys in those.

use der::Encode;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use piv_apdu::apdu::Response;
use piv_apdu::command::{
    DynamicAuthenticationTemplate, GeneralAuthenticate, GenerateAsymmetric, GetData, PublicKey,
    TypedCommand, Verify,
};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::CertificateObject;
use piv_apdu::secret::Pin;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rsa::Pkcs1v15Encrypt;
use rsa::pkcs1v15::Pkcs1v15Sign;
use sha2::{Digest, Sha256, Sha384};
use spki::DecodePublicKey;
use virtual_token::{KeyAlgorithm, Profile, VirtualToken};

use crate::common::{hex, options, personal, raw, send};

const RSA_SHA256_PREFIX: &str = "3031300D060960864801650304020105000420";

fn selected(mut token: VirtualToken) -> VirtualToken {
    let select = hex("00A40400 0B A000000308000010000100 00");
    assert!(raw(&mut token, &select).status().is_success());
    token
}

fn verify_pin(token: &mut VirtualToken) {
    let pin = Pin::new(token.factory_pin()).unwrap();
    let verify = Verify::check(KeyReference::PIV_PIN, pin.padded()).to_command();
    assert!(send(token, &verify).status().is_success());
}

/// The public key in the key's certificate, as SPKI.
fn public_key(token: &mut VirtualToken, key: KeyReference) -> Vec<u8> {
    let tag = key.certificate_object().unwrap();
    let response = send(token, &GetData::new(tag).to_command());
    let content = GetData::decode_answer(&response).unwrap();
    let certificate = CertificateObject::decode(&content)
        .unwrap()
        .parse()
        .unwrap();
    certificate
        .tbs_certificate()
        .subject_public_key_info()
        .to_der()
        .unwrap()
}

fn authenticate(
    token: &mut VirtualToken,
    key: KeyReference,
    algorithm: Algorithm,
    template: DynamicAuthenticationTemplate,
) -> Response {
    let command = GeneralAuthenticate {
        algorithm,
        key,
        template,
    };
    send(token, &command.to_command())
}

fn sign(
    token: &mut VirtualToken,
    key: KeyReference,
    algorithm: Algorithm,
    input: &[u8],
) -> Response {
    let template = DynamicAuthenticationTemplate::internal_authenticate(input);
    authenticate(token, key, algorithm, template)
}

fn result(response: &Response) -> Vec<u8> {
    assert!(response.status().is_success(), "{}", response.status());
    let template = DynamicAuthenticationTemplate::decode(response.data()).unwrap();
    template.response.unwrap().to_vec()
}

/// EMSA-PKCS1-v1_5 (RFC 8017, 9.2).
fn padded(hash: &[u8]) -> Vec<u8> {
    let info = [hex(RSA_SHA256_PREFIX), hash.to_vec()].concat();
    let padding = vec![0xFF; 256 - 3 - info.len()];
    [&[0x00, 0x01][..], &padding, &[0x00], &info].concat()
}

#[test]
fn rsa_signs() {
    for profile in [Profile::Crescendo2300, Profile::Crescendo4000, Profile::Piv] {
        let mut token = selected(personal(profile));
        let key = KeyReference::PIV_AUTHENTICATION;
        let hash = Sha256::digest(b"message");
        let refused = sign(&mut token, key, Algorithm::Rsa2048, &padded(&hash));
        assert_eq!(refused.status().get(), 0x6982, "without PIN");
        verify_pin(&mut token);
        let public = public_key(&mut token, key);
        let public = rsa::PublicKey::from_public_key_der(&public).unwrap();
        let signature = result(&sign(&mut token, key, Algorithm::Rsa2048, &padded(&hash)));
        let scheme = Pkcs1v15Sign::new::<Sha256>();
        public
            .verify(scheme, &hash, &signature)
            .expect("the signature");
    }
}

#[test]
fn rsa_decrypts() {
    let options = options().key(KeyReference::KEY_MANAGEMENT, KeyAlgorithm::Rsa2048);
    let mut token = selected(VirtualToken::create(Profile::Piv, &options).unwrap());
    let public = public_key(&mut token, KeyReference::KEY_MANAGEMENT);
    let public = rsa::PublicKey::from_public_key_der(&public).unwrap();
    let mut random = ChaCha20Rng::seed_from_u64(3);
    let secret = public
        .encrypt(&mut random, Pkcs1v15Encrypt, b"a secret")
        .unwrap();
    verify_pin(&mut token);
    let key = KeyReference::KEY_MANAGEMENT;
    let block = result(&sign(&mut token, key, Algorithm::Rsa2048, &secret));
    assert_eq!(&block[..2], [0x00, 0x02]);
    assert!(block.ends_with(b"\x00a secret"));
}

#[test]
fn rsa_refuses_what_is_not_a_block() {
    let mut token = selected(personal(Profile::Piv));
    verify_pin(&mut token);
    for input in [&[][..], &[1; 255], &[1; 257], &[0xFF; 256]] {
        let response = sign(
            &mut token,
            KeyReference::PIV_AUTHENTICATION,
            Algorithm::Rsa2048,
            input,
        );
        assert_eq!(response.status().get(), 0x6A80, "{} bytes", input.len());
    }
}

#[test]
fn ecdsa_signs_with_both_curves() {
    let mut token = selected(personal(Profile::Crescendo2300));
    let key = KeyReference::DIGITAL_SIGNATURE;
    let public = public_key(&mut token, key);
    let public = p256::ecdsa::VerifyingKey::from_public_key_der(&public).unwrap();
    let hash = Sha256::digest(b"message");
    verify_pin(&mut token);
    let signature = result(&sign(&mut token, key, Algorithm::EccP256, &hash));
    let signature = p256::ecdsa::DerSignature::try_from(&signature[..]).unwrap();
    public
        .verify_prehash(&hash, &signature)
        .expect("the P-256 signature");

    let mut token = selected(personal(Profile::Piv));
    let public = public_key(&mut token, key);
    let public = p384::ecdsa::VerifyingKey::from_public_key_der(&public).unwrap();
    let hash = Sha384::digest(b"message");
    verify_pin(&mut token);
    let signature = result(&sign(&mut token, key, Algorithm::EccP384, &hash));
    let signature = p384::ecdsa::DerSignature::try_from(&signature[..]).unwrap();
    public
        .verify_prehash(&hash, &signature)
        .expect("the P-384 signature");

    // A shorter hash counts as one with zeros before it.
    let hash = Sha256::digest(b"message");
    verify_pin(&mut token);
    let signature = result(&sign(&mut token, key, Algorithm::EccP384, &hash));
    let signature = p384::ecdsa::DerSignature::try_from(&signature[..]).unwrap();
    let padded = [&[0; 16][..], &hash].concat();
    public
        .verify_prehash(&padded, &signature)
        .expect("the P-384 signature");
    for input in [&[][..], &[1; 49]] {
        verify_pin(&mut token);
        let response = sign(&mut token, key, Algorithm::EccP384, input);
        assert_eq!(response.status().get(), 0x6A80);
    }
}

#[test]
fn ecdh_agrees_with_both_curves() {
    let mut random = ChaCha20Rng::seed_from_u64(4);
    let key = KeyReference::KEY_MANAGEMENT;

    let mut token = selected(personal(Profile::Piv));
    let public = public_key(&mut token, key);
    let public = p256::PublicKey::from_public_key_der(&public).unwrap();
    let host: p256::SecretKey = p256::elliptic_curve::Generate::generate_from_rng(&mut random);
    let point = host.public_key().to_sec1_bytes();
    let template = DynamicAuthenticationTemplate::key_agreement(&point);
    let refused = authenticate(&mut token, key, Algorithm::EccP256, template.clone());
    assert_eq!(refused.status().get(), 0x6982, "without PIN");
    verify_pin(&mut token);
    let secret = result(&authenticate(&mut token, key, Algorithm::EccP256, template));
    assert_eq!(
        secret,
        host.diffie_hellman(&public).raw_secret_bytes().to_vec()
    );

    for point in [
        &[][..],
        &[0x00],
        &[0x04; 65],
        &point[..64],
        &hex(&"02".repeat(33)),
    ] {
        let template = DynamicAuthenticationTemplate::key_agreement(point);
        let refused = authenticate(&mut token, key, Algorithm::EccP256, template);
        assert_eq!(refused.status().get(), 0x6A80, "not a point on the curve");
    }

    let mut token = selected(personal(Profile::Crescendo2300));
    let public = public_key(&mut token, key);
    let public = p384::PublicKey::from_public_key_der(&public).unwrap();
    let host: p384::SecretKey = p384::elliptic_curve::Generate::generate_from_rng(&mut random);
    let point = host.public_key().to_sec1_bytes();
    verify_pin(&mut token);
    let template = DynamicAuthenticationTemplate::key_agreement(&point);
    let secret = result(&authenticate(&mut token, key, Algorithm::EccP384, template));
    assert_eq!(
        secret,
        host.diffie_hellman(&public).raw_secret_bytes().to_vec()
    );

    // RSA agrees on nothing.
    let mut token = selected(personal(Profile::Piv));
    verify_pin(&mut token);
    let template = DynamicAuthenticationTemplate::key_agreement(&point);
    let key = KeyReference::PIV_AUTHENTICATION;
    let refused = authenticate(&mut token, key, Algorithm::Rsa2048, template);
    assert_eq!(refused.status().get(), 0x6A80);
}

#[test]
fn the_signature_key_wants_the_pin_right_before_each_use() {
    let mut token = selected(personal(Profile::Crescendo2300));
    let key = KeyReference::DIGITAL_SIGNATURE;
    let mut attempt = |between: &[&str]| {
        verify_pin(&mut token);
        for command in between {
            raw(&mut token, &hex(command));
        }
        sign(&mut token, key, Algorithm::EccP256, &[1; 32])
            .status()
            .get()
    };
    assert_eq!(attempt(&[]), 0x9000);
    assert_eq!(
        attempt(&["00CB3FFF 05 5C035FC102 00"]),
        0x6982,
        "a read between"
    );
    assert_eq!(
        attempt(&["00200080"]),
        0x6982,
        "a question about the PIN between"
    );
    assert_eq!(attempt(&["00A40400 0B A000000308000010000100 00"]), 0x6982);
    assert_eq!(attempt(&["00870000"]), 0x6982, "a failed use");
    verify_pin(&mut token);
    assert_eq!(
        sign(&mut token, key, Algorithm::EccP256, &[1; 32])
            .status()
            .get(),
        0x9000
    );
    assert_eq!(
        sign(&mut token, key, Algorithm::EccP256, &[1; 32])
            .status()
            .get(),
        0x6982
    );
    // The others stay open.
    let padded = padded(&[1; 32]);
    for _ in 0..2 {
        let key = KeyReference::PIV_AUTHENTICATION;
        assert_eq!(
            sign(&mut token, key, Algorithm::Rsa2048, &padded)
                .status()
                .get(),
            0x9000
        );
    }
}

#[test]
fn the_signature_key_is_used_in_a_chain_too() {
    let mut token = selected(personal(Profile::CrescendoKey));
    verify_pin(&mut token);
    let hash = Sha256::digest(b"message");
    // 266 bytes of template: `send` chains them.
    let key = KeyReference::DIGITAL_SIGNATURE;
    let response = sign(&mut token, key, Algorithm::Rsa2048, &padded(&hash));
    assert_eq!(result(&response).len(), 256);
}

#[test]
fn the_card_authentication_key_asks_for_nothing() {
    let mut token = selected(personal(Profile::Piv));
    let key = KeyReference::CARD_AUTHENTICATION;
    let response = sign(&mut token, key, Algorithm::EccP256, &[1; 32]);
    assert_eq!(response.status().get(), 0x9000);
}

#[test]
fn keys_that_are_not_there_and_algorithms_that_are_not_theirs() {
    let mut token = selected(personal(Profile::Piv));
    verify_pin(&mut token);
    for key in [0x00, 0x80, 0x82, 0x95, 0x96, 0xF9, 0xFF] {
        let response = sign(&mut token, KeyReference(key), Algorithm::Rsa2048, &[0; 256]);
        assert_eq!(response.status().get(), 0x6A88, "{key:02X}");
    }
    let key = KeyReference::PIV_AUTHENTICATION;
    let response = sign(&mut token, key, Algorithm::EccP256, &[0; 32]);
    assert_eq!(response.status().get(), 0x6A86);
    let nothing = DynamicAuthenticationTemplate::default();
    let response = authenticate(&mut token, key, Algorithm::Rsa2048, nothing);
    assert_eq!(response.status().get(), 0x6A80);
    let unasked = DynamicAuthenticationTemplate::default().with_challenge(&[0; 256]);
    let response = authenticate(&mut token, key, Algorithm::Rsa2048, unasked);
    assert_eq!(response.status().get(), 0x6A80);
}

#[test]
fn a_generated_key_signs_and_verifies_with_what_was_answered() {
    let mut token = selected(personal(Profile::Crescendo2300));
    verify_pin(&mut token);
    let key = KeyReference::PIV_AUTHENTICATION;
    let hash = Sha384::digest(b"message");
    let generate = |algorithm| GenerateAsymmetric::new(key, algorithm).to_command();

    let answer = send(&mut token, &generate(Algorithm::EccP384));
    let PublicKey::Ecc { point } = PublicKey::decode(answer.data()).unwrap() else {
        panic!("a point was expected");
    };
    let public = p384::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
    let signature = result(&sign(&mut token, key, Algorithm::EccP384, &hash));
    let signature = p384::ecdsa::DerSignature::try_from(&signature[..]).unwrap();
    public
        .verify_prehash(&hash, &signature)
        .expect("the signature");

    let answer = send(&mut token, &generate(Algorithm::Rsa2048));
    let PublicKey::Rsa { modulus, exponent } = PublicKey::decode(answer.data()).unwrap() else {
        panic!("a modulus was expected");
    };
    assert_eq!(modulus.len(), 256);
    assert_eq!(exponent, [0x01, 0x00, 0x01]);
    let public = rsa::PublicKey::new(
        rsa::BoxedUint::from_be_slice_vartime(&modulus),
        rsa::BoxedUint::from_be_slice_vartime(&exponent),
    )
    .unwrap();
    let hash = Sha256::digest(b"message");
    let signature = result(&sign(&mut token, key, Algorithm::Rsa2048, &padded(&hash)));
    let scheme = Pkcs1v15Sign::new::<Sha256>();
    public
        .verify(scheme, &hash, &signature)
        .expect("the signature");
}
