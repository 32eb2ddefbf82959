//! Card verifiable certificates: SP 800-73-5 Part 2, 4.1.5.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, SECP_256_R_1, SECP_384_R_1, SHA_256_WITH_RSA_ENCRYPTION,
};
use piv_apdu::command::PublicKey;
use piv_apdu::tlv::{self, Node, Tag};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256, Sha384};

use super::key::{KeyError, PrivateKey};

const CERTIFICATE: Tag = Tag::new(0x7F21);
const PROFILE: Tag = Tag::new(0x5F29);
const ISSUER: Tag = Tag::new(0x42);
const SUBJECT: Tag = Tag::new(0x5F20);
const PUBLIC_KEY: Tag = Tag::new(0x7F49);
const POINT: Tag = Tag::new(0x86);
const ROLE: Tag = Tag::new(0x5F4C);
const SIGNATURE: Tag = Tag::new(0x5F37);
// ASN.1.
const OID: Tag = Tag::new(0x06);
const NULL: Tag = Tag::new(0x05);
const BIT_STRING: Tag = Tag::new(0x03);
const SEQUENCE: Tag = Tag::new(0x30);

/// What PKCS #1 (RFC 8017, 9.2) puts before a SHA-256: its algorithm.
const SHA_256_DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
/// The modulus of RSA-2048, in bytes.
const RSA_LENGTH: usize = 256;

/// A card verifiable certificate to be signed.
pub(crate) struct CardVerifiable<'a> {
    /// The first eight bytes of the signer's key identifier.
    pub(crate) issuer: &'a [u8],
    /// The card's GUID, or eight bytes of an intermediate's key identifier.
    pub(crate) subject: &'a [u8],
    /// `00` a card, `12` an intermediate.
    pub(crate) role: u8,
    pub(crate) key: &'a PrivateKey,
}

impl CardVerifiable<'_> {
    /// The certificate, with its tag.
    pub(crate) fn sign<R: CryptoRng>(
        &self,
        signer: &PrivateKey,
        random: &mut R,
    ) -> Result<Vec<u8>, KeyError> {
        let (curve, PublicKey::Ecc { point }) = (curve(self.key)?, self.key.public_key()) else {
            return Err(KeyError::Kind);
        };
        let key = [
            Node::Value(OID, curve.as_bytes()),
            Node::Value(POINT, &point),
        ];
        let role = [self.role];
        let body = tlv::encode(&[
            Node::Value(PROFILE, &[0x80]),
            Node::Value(ISSUER, self.issuer),
            Node::Value(SUBJECT, self.subject),
            Node::Template(PUBLIC_KEY, &key),
            Node::Value(ROLE, &role),
        ]);
        let signature = sign(signer, &body, random)?;
        let signature = tlv::encode(&[Node::Value(SIGNATURE, &signature)]);
        let content = [&body[..], &signature].concat();
        Ok(tlv::encode(&[Node::Value(CERTIFICATE, &content)]).to_vec())
    }
}

fn curve(key: &PrivateKey) -> Result<ObjectIdentifier, KeyError> {
    match key {
        PrivateKey::P256(_) => Ok(SECP_256_R_1),
        PrivateKey::P384(_) => Ok(SECP_384_R_1),
        PrivateKey::Rsa(_) => Err(KeyError::Kind),
    }
}

/// `DigitalSignature`, DER: the algorithm, which has NULL for parameters with RSA and none
/// otherwise, and the signature in a bit string of whole bytes.
fn sign<R: CryptoRng>(
    key: &PrivateKey,
    signed: &[u8],
    random: &mut R,
) -> Result<Vec<u8>, KeyError> {
    let (algorithm, input) = match key {
        PrivateKey::P256(_) => (ECDSA_WITH_SHA_256, Sha256::digest(signed).to_vec()),
        PrivateKey::P384(_) => (ECDSA_WITH_SHA_384, Sha384::digest(signed).to_vec()),
        PrivateKey::Rsa(_) => (SHA_256_WITH_RSA_ENCRYPTION, pkcs1_block(signed)),
    };
    let signature = key.sign(&input, random)?;
    let mut identifier = vec![Node::Value(OID, algorithm.as_bytes())];
    if matches!(key, PrivateKey::Rsa(_)) {
        identifier.push(Node::Value(NULL, &[]));
    }
    let bits = [&[0x00], signature.as_slice()].concat();
    let parts = [
        Node::Template(SEQUENCE, &identifier),
        Node::Value(BIT_STRING, &bits),
    ];
    Ok(tlv::encode(&[Node::Template(SEQUENCE, &parts)]).to_vec())
}

/// `00 01 FF… 00` and the hash with its algorithm, as long as the modulus (RFC 8017, 9.2).
fn pkcs1_block(signed: &[u8]) -> Vec<u8> {
    let info = [&SHA_256_DIGEST_INFO[..], &Sha256::digest(signed)].concat();
    let mut block = vec![0xFF; RSA_LENGTH - info.len()];
    block[..2].copy_from_slice(&[0x00, 0x01]);
    if let Some(last) = block.last_mut() {
        *last = 0x00;
    }
    block.extend_from_slice(&info);
    block
}
