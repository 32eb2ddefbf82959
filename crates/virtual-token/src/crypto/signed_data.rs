//! The issuer's signature in a CHUID: CMS signed data (RFC 5652) about a content that is
//! not in it, as SP 800-73-5 Part 1, 3.1.2 has it.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_CONTENT_TYPE, ID_MESSAGE_DIGEST, ID_SIGNED_DATA};
use const_oid::db::rfc5912::{ECDSA_WITH_SHA_256, ID_SHA_256};
use der::{Decode, Encode};
use p256::ecdsa::DerSignature;
use piv_apdu::tlv::{self, Node, Tag};
use sha2::{Digest, Sha256};
use signature::Signer;
use x509_cert::Certificate;

use super::certificate::{CertificateError, Issuer};

/// id-PIV-CHUIDSecurityObject.
const CHUID_SECURITY_OBJECT: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.6.1");

const INTEGER: Tag = Tag::new(0x02);
const OCTET_STRING: Tag = Tag::new(0x04);
const OID: Tag = Tag::new(0x06);
const SEQUENCE: Tag = Tag::new(0x30);
const SET: Tag = Tag::new(0x31);
const CONTEXT_0: Tag = Tag::new(0xA0);

impl Issuer {
    /// The DER of a signature about a CHUID, with the authority's certificate. Signed
    /// attributes are those that RFC 5652 wants.
    pub(crate) fn sign_chuid(&self, signed: &[u8]) -> Result<Vec<u8>, CertificateError> {
        let certificate = Certificate::from_der(self.certificate())?;
        let name = certificate.tbs_certificate().issuer().to_der()?;
        let serial = certificate.tbs_certificate().serial_number();
        let digest = Sha256::digest(signed);
        let digest_algorithm = [Node::Value(OID, ID_SHA_256.as_bytes())];
        let digest_algorithm = Node::Template(SEQUENCE, &digest_algorithm);

        let content_type = attribute(ID_CONTENT_TYPE, OID, CHUID_SECURITY_OBJECT.as_bytes());
        let message_digest = attribute(ID_MESSAGE_DIGEST, OCTET_STRING, &digest);
        let attributes = [content_type.as_slice(), message_digest.as_slice()].concat();
        // Signed as the set that they are, sent under an implicit tag.
        let to_sign = tlv::encode(&[Node::Value(SET, &attributes)]);
        let signature: DerSignature = self.key().sign(&to_sign);

        let signature_algorithm = [Node::Value(OID, ECDSA_WITH_SHA_256.as_bytes())];
        let name_and_serial = [name, serial.to_der()?].concat();
        let signer_info = [
            Node::Value(INTEGER, &[1]),
            Node::Value(SEQUENCE, &name_and_serial),
            digest_algorithm,
            Node::Value(CONTEXT_0, &attributes),
            Node::Template(SEQUENCE, &signature_algorithm),
            Node::Value(OCTET_STRING, signature.as_bytes()),
        ];
        let digest_algorithms = [digest_algorithm];
        let content = [Node::Value(OID, CHUID_SECURITY_OBJECT.as_bytes())];
        let signers = [Node::Template(SEQUENCE, &signer_info)];
        let signed_data = [
            Node::Value(INTEGER, &[3]),
            Node::Template(SET, &digest_algorithms),
            Node::Template(SEQUENCE, &content),
            Node::Value(CONTEXT_0, self.certificate()),
            Node::Template(SET, &signers),
        ];
        Ok(tlv::encode(&[Node::Template(
            SEQUENCE,
            &[
                Node::Value(OID, ID_SIGNED_DATA.as_bytes()),
                Node::Template(CONTEXT_0, &[Node::Template(SEQUENCE, &signed_data)]),
            ],
        )])
        .to_vec())
    }
}

/// An attribute of one value.
fn attribute(name: ObjectIdentifier, tag: Tag, value: &[u8]) -> Vec<u8> {
    tlv::encode(&[Node::Template(
        SEQUENCE,
        &[
            Node::Value(OID, name.as_bytes()),
            Node::Template(SET, &[Node::Value(tag, value)]),
        ],
    )])
    .to_vec()
}
