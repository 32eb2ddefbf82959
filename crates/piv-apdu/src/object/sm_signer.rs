//! The secure messaging certificate signer.

use zeroize::Zeroizing;

use super::{CertificateObject, DataObject, ObjectError, ObjectTag};
use crate::tlv::{self, Node, Tag};

/// The secure messaging certificate signer, `5FC122`: who signed the card's
/// own card verifiable certificate.
///
/// Source: SP 800-73-5 Part 1, 3.3.7 and Appendix A.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmSigner {
    /// `70` and `71`: the signer's X.509 certificate.
    pub certificate: CertificateObject,
    /// `7F21`: what is inside the intermediate card verifiable certificate, if
    /// there is one.
    pub intermediate_cvc: Option<Vec<u8>>,
}

const INTERMEDIATE_CVC: Tag = Tag::new(0x7F21);

impl DataObject for SmSigner {
    const TAG: ObjectTag = ObjectTag::SM_SIGNER;

    fn decode(content: &[u8]) -> Result<Self, ObjectError> {
        Ok(SmSigner {
            certificate: CertificateObject::decode(content)?,
            intermediate_cvc: tlv::find(content, INTERMEDIATE_CVC)?.map(<[u8]>::to_vec),
        })
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (tag, cvc) = match &self.intermediate_cvc {
            None => return self.certificate.encode(),
            Some(cvc) => (INTERMEDIATE_CVC, cvc),
        };
        // The certificate's content ends in FE 00, which comes last here too.
        let certificate = self.certificate.encode();
        let (certificate, end) = certificate.split_at(certificate.len().saturating_sub(2));
        let cvc = tlv::encode(&[Node::Value(tag, cvc)]);
        Zeroizing::new([certificate, &cvc, end].concat())
    }
}
