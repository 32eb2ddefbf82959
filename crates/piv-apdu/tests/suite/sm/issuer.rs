//! Issuers and a card that can be made wrong in one point, on P-256. The card derives
//! its keys by itself, so that nothing here follows from what is tested.

use core::str::FromStr as _;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use cmac::{KeyInit as _, Mac as _};
use const_oid::ObjectIdentifier;
use der::Encode as _;
use der::asn1::OctetString;
use der::flagset::FlagSet;
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use piv_apdu::apdu::Response;
use piv_apdu::object::{CertificateObject, SmSigner};
use piv_apdu::sm::{CipherSuite, Established, KeyEstablishment, TrustAnchor};
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Node, Tag};
use rand_core::SeedableRng as _;
use rsa::signature::SignatureEncoding as _;
use sha2::{Digest as _, Sha256};
use x509_cert::TbsCertificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder as _, CertificateBuilder};
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension as _};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{EncodePublicKey as _, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

pub(super) const CONTENT_SIGNING: &str = "2.16.840.1.101.3.6.7";
pub(super) const CLIENT_AUTHENTICATION: &str = "1.3.6.1.5.5.7.3.2";
pub(super) const GUID: [u8; 16] = [0x5A; 16];

/// Seconds since 1970 between which certificates are valid here.
pub(super) const VALID: (u64, u64) = (1_700_000_000, 1_900_000_000);

pub(super) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(super) fn now() -> SystemTime {
    at(1_800_000_000)
}

/// A key pair of P-256 that follows from a number.
pub(super) fn key(number: u8) -> p256::SecretKey {
    p256::SecretKey::from_slice(&[number; 32]).unwrap()
}

pub(super) fn point(key: &p256::SecretKey) -> Vec<u8> {
    key.public_key().to_sec1_point(false).as_bytes().to_vec()
}

/// One RSA key for all tests: to find one takes long.
pub(super) fn rsa_key() -> &'static rsa::PrivateKey {
    static KEY: OnceLock<rsa::PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let mut random = rand_chacha::ChaCha20Rng::from_seed([3; 32]);
        rsa::PrivateKey::new(&mut random, 2048).unwrap()
    })
}

/// Who signs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    P256(u8),
    Rsa,
}

impl Key {
    pub(super) fn info(self) -> SubjectPublicKeyInfoOwned {
        let document = match self {
            Key::P256(number) => key(number).public_key().to_public_key_der(),
            Key::Rsa => rsa_key().to_public_key().to_public_key_der(),
        };
        SubjectPublicKeyInfoOwned::try_from(document.unwrap().as_bytes()).unwrap()
    }

    /// The first eight bytes of the identifier that a certificate gives the key.
    pub(super) fn id(self) -> [u8; 8] {
        let document = self.info().to_der().unwrap();
        let info = SubjectPublicKeyInfoRef::try_from(&document[..]).unwrap();
        let identifier = SubjectKeyIdentifier::try_from(info).unwrap();
        *identifier.0.as_bytes().first_chunk().unwrap()
    }

    /// The algorithm's identifier and the signature, both in DER.
    fn sign(self, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
        match self {
            Key::P256(number) => {
                let signer = p256::ecdsa::SigningKey::from(key(number));
                let signature: p256::ecdsa::DerSignature = signer.sign(message);
                (ECDSA_SHA256.to_vec(), signature.as_bytes().to_vec())
            }
            Key::Rsa => {
                let signer = rsa::pkcs1v15::SigningKey::<Sha256>::new(rsa_key().clone());
                (RSA_SHA256.to_vec(), signer.sign(message).to_vec())
            }
        }
    }
}

pub(super) const ECDSA_SHA256: &[u8] = b"\x30\x0A\x06\x08\x2A\x86\x48\xCE\x3D\x04\x03\x02";
const RSA_SHA256: &[u8] = b"\x30\x0D\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0B\x05\x00";

/// An X.509 certificate to be made: a content signer's unless it is changed.
#[derive(Clone)]
pub(super) struct X509 {
    pub(super) subject: &'static str,
    pub(super) issuer: &'static str,
    pub(super) key: SubjectPublicKeyInfoOwned,
    pub(super) signed_by: Key,
    pub(super) authority: Option<bool>,
    pub(super) usage: Option<FlagSet<KeyUsages>>,
    pub(super) extended: Option<&'static str>,
    pub(super) has_key_identifier: bool,
    pub(super) more: Vec<Extension>,
    pub(super) valid: (u64, u64),
}

pub(super) const ROOT: &str = "CN=Test root";

impl X509 {
    pub(super) fn signer(key: Key, signed_by: Key) -> Self {
        X509 {
            subject: "CN=Test signer",
            issuer: ROOT,
            key: key.info(),
            signed_by,
            authority: None,
            usage: Some(KeyUsages::DigitalSignature.into()),
            extended: Some(CONTENT_SIGNING),
            has_key_identifier: true,
            more: Vec::new(),
            valid: VALID,
        }
    }

    pub(super) fn root(key: Key) -> Self {
        X509 {
            subject: ROOT,
            authority: Some(true),
            usage: Some(KeyUsages::KeyCertSign.into()),
            extended: None,
            ..Self::signer(key, key)
        }
    }

    pub(super) fn der(&self) -> Vec<u8> {
        let serial = SerialNumber::new(&[0x41]).unwrap();
        let validity = Validity::new(time(self.valid.0), time(self.valid.1));
        let builder =
            CertificateBuilder::new(self.clone(), serial, validity, self.key.clone()).unwrap();
        let certificate = match self.signed_by {
            Key::P256(number) => {
                let signer = p256::ecdsa::SigningKey::from(key(number));
                builder.build::<_, p256::ecdsa::DerSignature>(&signer)
            }
            Key::Rsa => {
                let signer = rsa::pkcs1v15::SigningKey::<Sha256>::new(rsa_key().clone());
                builder.build::<_, rsa::pkcs1v15::Signature>(&signer)
            }
        };
        certificate.unwrap().to_der().unwrap()
    }

    pub(super) fn anchor(&self) -> TrustAnchor {
        TrustAnchor::from_der(&self.der()).unwrap()
    }
}

fn time(seconds: u64) -> Time {
    let time = der::DateTime::from_unix_duration(Duration::from_secs(seconds)).unwrap();
    time.into()
}

impl BuilderProfile for X509 {
    fn get_issuer(&self, _: &Name) -> Name {
        Name::from_str(self.issuer).unwrap()
    }

    fn get_subject(&self) -> Name {
        Name::from_str(self.subject).unwrap()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let (name, mut all) = (tbs.subject(), self.more.clone());
        if let Some(ca) = self.authority {
            let path_len_constraint = None;
            let constraints = BasicConstraints {
                ca,
                path_len_constraint,
            };
            all.push(constraints.to_extension(name, &[])?);
        }
        if let Some(usage) = self.usage {
            all.push(KeyUsage(usage).to_extension(name, &[])?);
        }
        if let Some(usage) = self.extended {
            let usage = ObjectIdentifier::new_unwrap(usage);
            all.push(ExtendedKeyUsage(vec![usage]).to_extension(name, &[])?);
        }
        if self.has_key_identifier {
            all.push(SubjectKeyIdentifier::try_from(key)?.to_extension(name, &[])?);
        }
        Ok(all)
    }
}

/// An extension that nobody knows.
pub(super) fn extension(critical: bool) -> Extension {
    Extension {
        extn_id: ObjectIdentifier::new_unwrap("1.2.3.4"),
        critical,
        extn_value: OctetString::new(vec![0x05, 0x00]).unwrap(),
    }
}

/// A card verifiable certificate to be made.
#[derive(Clone, Debug)]
pub(super) struct CvcParts {
    pub(super) issuer_id: [u8; 8],
    pub(super) subject: Vec<u8>,
    pub(super) curve: &'static [u8],
    pub(super) point: Vec<u8>,
    pub(super) role: u8,
    pub(super) signed_by: Key,
}

pub(super) const P256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
pub(super) const P384: &[u8] = &[0x2B, 0x81, 0x04, 0x00, 0x22];
const CARD_KEY: u8 = 0x21;

impl CvcParts {
    pub(super) fn card(issuer_id: [u8; 8], signed_by: Key) -> Self {
        CvcParts {
            issuer_id,
            subject: GUID.to_vec(),
            curve: P256,
            point: point(&key(CARD_KEY)),
            role: 0x00,
            signed_by,
        }
    }

    pub(super) fn intermediate(point: Vec<u8>, issuer: Key) -> Self {
        CvcParts {
            issuer_id: issuer.id(),
            subject: short_hash(&point).to_vec(),
            curve: if point.len() == 65 { P256 } else { P384 },
            point,
            role: 0x12,
            signed_by: issuer,
        }
    }

    pub(super) fn signed(&self) -> Vec<u8> {
        let key = [
            Node::Value(Tag::new(0x06), self.curve),
            Node::Value(Tag::new(0x86), &self.point),
        ];
        let nodes = [
            Node::Value(Tag::new(0x5F29), &[0x80]),
            Node::Value(Tag::new(0x42), &self.issuer_id),
            Node::Value(Tag::new(0x5F20), &self.subject),
            Node::Template(Tag::new(0x7F49), &key),
            Node::Value(Tag::new(0x5F4C), core::slice::from_ref(&self.role)),
        ];
        tlv::encode(&nodes).to_vec()
    }

    pub(super) fn content(&self) -> Vec<u8> {
        let (algorithm, signature) = self.signed_by.sign(&self.signed());
        self.with_signature(&algorithm, &signature)
    }

    pub(super) fn with_signature(&self, algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
        let bits = [&[0x00], signature].concat();
        let bits = tlv::encode(&[Node::Value(Tag::new(0x03), &bits)]);
        let signature = [algorithm, &bits].concat();
        let signature = tlv::encode(&[Node::Value(Tag::new(0x30), &signature)]);
        let signature = tlv::encode(&[Node::Value(Tag::new(0x5F37), &signature)]);
        [&self.signed()[..], &signature].concat()
    }
}

pub(super) fn whole(content: &[u8]) -> Vec<u8> {
    tlv::encode(&[Node::Value(Tag::new(0x7F21), content)]).to_vec()
}

pub(super) fn short_hash(bytes: &[u8]) -> [u8; 8] {
    *sha1::Sha1::digest(bytes).first_chunk().unwrap()
}

pub(super) fn signer_object(certificate: &[u8], intermediate: Option<&CvcParts>) -> SmSigner {
    SmSigner {
        certificate: CertificateObject::new(certificate),
        intermediate_cvc: intermediate.map(CvcParts::content),
    }
}

/// A key establishment with a card that has this certificate and its key.
pub(super) fn established_with(cvc: &[u8]) -> Established {
    let (host_id, nonce) = ([0x68; 8], [0x6E; 16]);
    let host = KeyEstablishment::from_parts(CipherSuite::Cs2, host_id, &[0x11; 32]).unwrap();
    let host_point = point(&key(0x11));
    let host_key = p256::PublicKey::from_sec1_bytes(&host_point).unwrap();
    let z = key(CARD_KEY).diffie_hellman(&host_key);
    let card_id = &Sha256::digest(cvc)[..8];
    let info: [&[u8]; 10] = [
        &[0x04, 0x09, 0x09, 0x09, 0x09, 0x08],
        &host_id,
        &[0x01, 0x00, 0x10],
        &host_point[1..17],
        &[0x08],
        card_id,
        &[0x10],
        &nonce,
        &[0x01],
        &[0x00],
    ];
    let hashed = [&[0, 0, 0, 1], &z.raw_secret_bytes()[..], &info.concat()].concat();
    let mut mac = cmac::Cmac::<aes::Aes128>::new_from_slice(&Sha256::digest(hashed)[..16]).unwrap();
    mac.update(&[b"KC_1_V", card_id, &host_id, &host_point[1..]].concat());
    let cryptogram = mac.finalize().into_bytes();
    let content = [&[0x00], &nonce[..], &cryptogram, cvc].concat();
    let inner = [Node::Value(Tag::new(0x82), &content)];
    let answer = tlv::encode(&[Node::Template(Tag::new(0x7C), &inner)]);
    host.finish(&Response::new(&answer, StatusWord::SUCCESS))
        .unwrap()
}

/// A card of which everything holds: the certificate of its signer, and its own.
pub(super) fn established(issuer_id: [u8; 8], signed_by: Key) -> Established {
    established_with(&whole(&CvcParts::card(issuer_id, signed_by).content()))
}
