//! What a personalized token has on it.

use der::asn1::AnyRef;
use der::{Decode, Encode, Reader, SliceReader};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{DerSignature, VerifyingKey};
use piv_apdu::command::{GetData, TypedCommand};
use piv_apdu::key::KeyReference;
use piv_apdu::object::{
    CardCapabilityContainer, CertificateObject, Chuid, DataObject, Discovery, KeyHistory,
    ObjectTag, PairingCodeObject, PrintedInformation,
};
use piv_apdu::status::StatusWord;
use sha2::{Digest, Sha256};
use spki::DecodePublicKey;
use virtual_token::{Content, CreateOptions, KeyAlgorithm, Profile, VirtualToken};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, SubjectAltName};

use crate::common::{created, hex, options, personal, raw, send};

fn selected(mut token: VirtualToken) -> VirtualToken {
    let select = hex("00A40400 0B A000000308000010000100 00");
    assert!(raw(&mut token, &select).status().is_success());
    token
}

fn get(token: &mut VirtualToken, tag: ObjectTag) -> Result<Vec<u8>, StatusWord> {
    let response = send(token, &GetData::new(tag).to_command());
    if response.status().is_success() {
        Ok(GetData::decode_answer(&response).unwrap().to_vec())
    } else {
        Err(response.status())
    }
}

fn certificate(token: &mut VirtualToken, key: KeyReference) -> (CertificateObject, Certificate) {
    let content = get(token, key.certificate_object().unwrap()).unwrap();
    let object = CertificateObject::decode(&content).unwrap();
    let certificate = object.parse().unwrap();
    (object, certificate)
}

#[test]
fn data_objects() {
    for profile in Profile::ALL {
        let mut token = selected(personal(profile));
        let chuid = Chuid::decode(&get(&mut token, ObjectTag::CHUID).unwrap()).unwrap();
        assert_eq!(chuid.guid.to_string(), token.id(), "{profile}");
        let expiry = chuid.expiry.unwrap();
        assert_eq!(
            (expiry.year(), expiry.month(), expiry.day()),
            (2030, 12, 31)
        );
        assert_eq!(chuid.fasc_n.unwrap().fields().unwrap().agency, 9999);

        let history =
            KeyHistory::decode(&get(&mut token, ObjectTag::KEY_HISTORY).unwrap()).unwrap();
        let retired = u8::from(matches!(
            profile,
            Profile::Crescendo2300 | Profile::CrescendoKey
        ));
        assert_eq!(
            (history.on_card, history.off_card),
            (retired, 0),
            "{profile}"
        );

        assert_eq!(
            get(&mut token, ObjectTag::PRINTED_INFORMATION),
            Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED)
        );
        let mut block = [0xFF; 8];
        block[..profile.factory_pin().len()].copy_from_slice(profile.factory_pin());
        let verify = piv_apdu::apdu::Command::new(0x00, 0x20, 0x00, 0x80).with_data(&block);
        assert!(send(&mut token, &verify).status().is_success());
        let printed = get(&mut token, ObjectTag::PRINTED_INFORMATION).unwrap();
        let printed = PrintedInformation::decode(&printed).unwrap();
        assert_eq!(printed.expiration_date, "2030DEC31");

        let everything_else = [ObjectTag::CCC, ObjectTag::DISCOVERY];
        if matches!(profile, Profile::Piv | Profile::Crescendo4000) {
            let ccc = get(&mut token, everything_else[0]).unwrap();
            let ccc = CardCapabilityContainer::decode(&ccc).unwrap();
            assert_eq!(ccc.card_identifier.len(), 21);
            let discovery = get(&mut token, everything_else[1]).unwrap();
            assert!(Discovery::decode(&discovery).unwrap().pin_usage.piv_pin());
        } else {
            for tag in everything_else {
                assert_eq!(
                    get(&mut token, tag),
                    Err(StatusWord::FILE_NOT_FOUND),
                    "not listed"
                );
            }
        }
    }
}

#[test]
fn an_allocated_container_may_be_empty() {
    let mut token = selected(personal(Profile::Crescendo2300));
    let second_retired = ObjectTag::retired_certificate(2).unwrap();
    assert_eq!(get(&mut token, second_retired), Ok(vec![]));
    let card_authentication = ObjectTag::CARD_AUTHENTICATION_CERTIFICATE;
    assert_eq!(
        get(&mut token, card_authentication),
        Err(StatusWord::FILE_NOT_FOUND)
    );
}

#[test]
fn certificates_are_sound_and_signed_by_the_tokens_own_authority() {
    for (profile, keys) in [
        (Profile::Crescendo2300, &[0x9A, 0x9C, 0x9D, 0x82][..]),
        (Profile::CrescendoKey, &[0x9A, 0x9C, 0x9D, 0x82]),
        (Profile::Crescendo4000, &[0x9A]),
        (Profile::Piv, &[0x9A, 0x9C, 0x9D, 0x9E]),
    ] {
        let mut token = selected(personal(profile));
        let issuer = Certificate::from_der(token.issuer_certificate().unwrap()).unwrap();
        let issuer_spki = issuer.tbs_certificate().subject_public_key_info();
        let issuer_key = VerifyingKey::from_public_key_der(&issuer_spki.to_der().unwrap()).unwrap();
        for key in keys {
            let (object, certificate) = certificate(&mut token, KeyReference(*key));
            let signature = DerSignature::try_from(certificate.signature().raw_bytes()).unwrap();
            let signed = certificate.tbs_certificate().to_der().unwrap();
            issuer_key
                .verify(&signed, &signature)
                .expect("the authority's signature");
            assert_eq!(
                certificate.tbs_certificate().issuer(),
                issuer.tbs_certificate().subject()
            );
            assert_eq!(object.compressed, *key == 0x82, "{profile} {key:02X}");
            let validity = certificate.tbs_certificate().validity();
            assert_eq!(validity.not_before.to_system_time(), created());
        }
    }
}

#[test]
fn certificates_say_what_their_keys_are_for() {
    let mut token = selected(personal(Profile::Piv));
    let mut usage = |key| {
        let certificate = certificate(&mut token, key).1;
        let usage: KeyUsage = certificate
            .tbs_certificate()
            .get_extension()
            .unwrap()
            .unwrap()
            .1;
        usage
    };
    assert!(usage(KeyReference::PIV_AUTHENTICATION).digital_signature());
    assert!(!usage(KeyReference::PIV_AUTHENTICATION).non_repudiation());
    assert!(usage(KeyReference::DIGITAL_SIGNATURE).non_repudiation());
    assert!(usage(KeyReference::KEY_MANAGEMENT).key_agreement());
    assert!(!usage(KeyReference::KEY_MANAGEMENT).digital_signature());

    let card = certificate(&mut token, KeyReference::CARD_AUTHENTICATION).1;
    let extended: ExtendedKeyUsage = card.tbs_certificate().get_extension().unwrap().unwrap().1;
    assert_eq!(extended.0[0].to_string(), "2.16.840.1.101.3.6.8");
    let names: SubjectAltName = card.tbs_certificate().get_extension().unwrap().unwrap().1;
    assert_eq!(
        names.0.len(),
        1,
        "the card's UUID, and nothing of the holder"
    );
    assert!(
        card.tbs_certificate()
            .subject()
            .to_string()
            .contains(token.id())
    );
    let holder = certificate(&mut token, KeyReference::PIV_AUTHENTICATION).1;
    assert_eq!(
        holder.tbs_certificate().subject().to_string(),
        "CN=Alex Example,O=Example"
    );
}

/// The floor of round-trips that a host is measured against assumes this.
#[test]
fn each_certificate_of_a_plain_card_takes_two_get_responses() {
    for seed in 0..4 {
        let options = CreateOptions::default().seed(seed).created(created());
        let mut token = selected(VirtualToken::create(Profile::Piv, &options).unwrap());
        for key in [0x9A, 0x9C, 0x9D, 0x9E] {
            let tag = KeyReference(key).certificate_object().unwrap();
            let length = send(&mut token, &GetData::new(tag).to_command())
                .data()
                .len();
            assert!((513..=768).contains(&length), "{key:02X}: {length}");
        }
    }
}

#[test]
fn algorithms_can_be_asked_for() {
    let options = options()
        .key(KeyReference::PIV_AUTHENTICATION, KeyAlgorithm::EccP384)
        .key(KeyReference::retired(3).unwrap(), KeyAlgorithm::EccP256);
    let mut token = selected(VirtualToken::create(Profile::Piv, &options).unwrap());
    let spki = |certificate: &Certificate| {
        let spki = certificate.tbs_certificate().subject_public_key_info();
        spki.subject_public_key.raw_bytes().len()
    };
    let (_, authentication) = certificate(&mut token, KeyReference::PIV_AUTHENTICATION);
    assert_eq!(spki(&authentication), 97);
    let (_, retired) = certificate(&mut token, KeyReference::retired(3).unwrap());
    assert_eq!(spki(&retired), 65);
}

#[test]
fn the_issuer_signs_the_chuid_if_asked() {
    for profile in Profile::ALL {
        let plain = get(&mut selected(personal(profile)), ObjectTag::CHUID).unwrap();
        assert!(Chuid::decode(&plain).unwrap().signature.is_empty());

        let options = options().issuer_signed(true);
        let token = VirtualToken::create(profile, &options).unwrap();
        let issuer = token.issuer_certificate().unwrap().to_vec();
        let content = get(&mut selected(token), ObjectTag::CHUID).unwrap();
        let chuid = Chuid::decode(&content).unwrap();
        let unsigned = Chuid {
            signature: Vec::new(),
            ..chuid.clone()
        };
        assert_eq!(*unsigned.encode(), *plain, "{profile}: the same otherwise");
        let signed = content.strip_suffix(&[0xFE, 0x00]).unwrap();
        let signed = signed.strip_suffix(chuid.signature.as_slice()).unwrap();
        // 3E and a length of three bytes.
        check_signed_data(&chuid.signature, &signed[..signed.len() - 4], &issuer);
    }
}

/// CMS signed data of one signer, who signs attributes, about a content elsewhere.
fn check_signed_data(signature: &[u8], content: &[u8], issuer: &[u8]) {
    let signed_data = inside(at(signature, &[0, 1, 0]));
    let [_version, _digests, _type, certificates, signers] = &signed_data[..] else {
        panic!("five fields");
    };
    assert_eq!(certificates.value(), issuer);
    let signer = inside(at(signers.value(), &[0]));
    let [_version, _name, _digest, attributes, _algorithm, value] = &signer[..] else {
        panic!("six fields");
    };
    let digest = at(attributes.value(), &[1, 1, 0]);
    assert_eq!(digest, Sha256::digest(content).as_slice());
    let mut set = attributes.to_der().unwrap();
    set[0] = 0x31;
    let issuer = Certificate::from_der(issuer).unwrap();
    let key = issuer.tbs_certificate().subject_public_key_info();
    let key = VerifyingKey::from_public_key_der(&key.to_der().unwrap()).unwrap();
    let value = DerSignature::from_bytes(value.value()).unwrap();
    key.verify(&set, &value).unwrap();
}

/// The DER values that lie one after the other.
fn inside(bytes: &[u8]) -> Vec<AnyRef<'_>> {
    let mut reader = SliceReader::new(bytes).unwrap();
    let mut values = Vec::new();
    while !reader.is_finished() {
        values.push(AnyRef::decode(&mut reader).unwrap());
    }
    values
}

/// What is at the end of a path of positions.
fn at<'a>(bytes: &'a [u8], path: &[usize]) -> &'a [u8] {
    path.iter()
        .fold(bytes, |bytes, position| inside(bytes)[*position].value())
}

/// SP 800-73-5 Part 1, 3.3.2 and 3.3.8: announced, behind the PIN, and random.
#[test]
fn a_pairing_code_is_made_if_asked() {
    let mut plain = selected(personal(Profile::Piv));
    assert_eq!(
        get(&mut plain, ObjectTag::PAIRING_CODE),
        Err(StatusWord::FILE_NOT_FOUND)
    );
    let code = |seed| {
        let options = [0x9A, 0x9C, 0x9D, 0x9E]
            .map(KeyReference)
            .into_iter()
            .fold(options().seed(seed).pairing_code(true), |options, key| {
                options.key(key, KeyAlgorithm::EccP256)
            });
        let mut token = selected(VirtualToken::create(Profile::Piv, &options).unwrap());
        let content = get(&mut token, ObjectTag::DISCOVERY).unwrap();
        let usage = Discovery::decode(&content).unwrap().pin_usage;
        assert!(usage.vci() && !usage.vci_without_pairing_code());
        let refused = get(&mut token, ObjectTag::PAIRING_CODE);
        assert_eq!(refused, Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED));
        let verify = hex("00200080 08 313233343536FFFF");
        assert!(raw(&mut token, &verify).status().is_success());
        let content = get(&mut token, ObjectTag::PAIRING_CODE).unwrap();
        assert_eq!(content.len(), 12);
        PairingCodeObject::decode(&content).unwrap().code
    };
    assert_eq!(code(1), code(1));
    assert_ne!(code(1), code(2));
}

#[test]
fn options_that_contradict_the_profile_are_refused() {
    use virtual_token::{Protocol, SymmetricAlgorithm};
    for (profile, options) in [
        (Profile::Crescendo2300, options().yubico(true)),
        (Profile::Crescendo2300, options().protocol(Protocol::T0)),
        (
            Profile::Crescendo2300,
            options().content(Content::Empty).issuer_signed(true),
        ),
        (
            Profile::Crescendo2300,
            options().xauth_key(SymmetricAlgorithm::Aes256),
        ),
        (
            Profile::Crescendo4000,
            options().key(KeyReference::CARD_AUTHENTICATION, KeyAlgorithm::EccP256),
        ),
        (Profile::Crescendo4000, options().pairing_code(true)),
        (
            Profile::Piv,
            options().content(Content::Empty).pairing_code(true),
        ),
        (
            Profile::Piv,
            options().xauth_key(SymmetricAlgorithm::Aes128),
        ),
        (
            Profile::Piv,
            options().protocol(Protocol::T0).extended_length(true),
        ),
        (
            Profile::Piv,
            options().key(KeyReference::CARD_MANAGEMENT, KeyAlgorithm::EccP256),
        ),
    ] {
        let error = VirtualToken::create(profile, &options).unwrap_err();
        assert!(error.to_string().contains(profile.name()), "{error}");
    }
}
