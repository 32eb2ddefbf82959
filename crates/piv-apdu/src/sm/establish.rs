//! The key establishment, on the host's side.

use core::fmt;
use std::time::SystemTime;

use rand_core::TryCryptoRng;
use sha2::{Digest as _, Sha256};

use super::chain::{self, ChainError};
use super::channel::SecureMessaging;
use super::cvc::{self, Cvc, CvcHolder};
use super::ephemeral::EphemeralKey;
use super::keys::{CipherSuite, OtherInfo, SessionKeys};
use super::x509::TrustAnchor;
use crate::apdu::{Command, Response};
use crate::command::{DynamicAuthenticationTemplate, GeneralAuthenticate, TypedCommand as _};
use crate::key::KeyReference;
use crate::object::{Guid, SmSigner};
use crate::status::StatusWord;
use crate::tlv::{Reader, Tag, TemplateError};

const TEMPLATE: Tag = Tag::new(0x7C);
const RESPONSE: Tag = Tag::new(0x82);
/// `CBH`, the host's control byte: nothing is asked for beyond the standard.
const HOST_CONTROL: u8 = 0x00;
/// `CBICC`, the only control byte with which a card can answer.
const CARD_CONTROL: u8 = 0x00;
const CRYPTOGRAM: usize = 16;

/// A key establishment under way: the host's key pair for this one session, and its
/// identifier. Wiped when dropped, and of use once.
///
/// Source: SP 800-73-5 Part 2, 4.1.
pub struct KeyEstablishment {
    suite: CipherSuite,
    host_id: [u8; 8],
    key: EphemeralKey,
}

/// Why no session came of a key establishment. The token has not changed, but a session
/// that was open on it before is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EstablishError {
    /// The card refused the command.
    #[error("the card did not open a secure session: it answered {0}")]
    Refused(StatusWord),
    /// The answer is not what it has to be.
    #[error("the card's answer to the key establishment can't be understood: {0}")]
    Malformed(#[from] TemplateError),
    /// `CBICC` is not `00`: the card wants something that the standard does not have.
    #[error("the card answered the key establishment with control byte {0:02X}, not with 00")]
    ControlByte(u8),
    /// The certificate in the answer can't be read.
    #[error("the card's certificate for secure sessions can't be read: {0}")]
    Certificate(TemplateError),
    /// The certificate in the answer is for an intermediate signer.
    #[error("the certificate that the card shows for secure sessions is not a card's")]
    NotACard,
    /// The certificate's key is for the other cipher suite.
    #[error(
        "the card's certificate has a key of {} where {} was asked for",
        certificate.algorithm(),
        asked.algorithm()
    )]
    Suite {
        /// The suite that the session was to have.
        asked: CipherSuite,
        /// The suite of the key.
        certificate: CipherSuite,
    },
    /// The certificate's key is not a point of its curve.
    #[error("the key in the card's certificate for secure sessions is not on its curve")]
    Point,
    /// The cryptogram is wrong.
    #[error(
        "the card could not prove that it has the key of the certificate that it shows, or the \
         answer was changed on its way; enter no PIN, and try again with another reader"
    )]
    Cryptogram,
}

impl KeyEstablishment {
    /// Begins a key establishment: makes a key pair and an identifier (`IDsH`), from
    /// random numbers that have to be good ones.
    ///
    /// The suite is the one that the card announces when it is selected
    /// ([`CipherSuite::from_algorithm`]).
    ///
    /// # Errors
    /// What the source of random numbers fails with.
    pub fn new<R: TryCryptoRng + ?Sized>(
        suite: CipherSuite,
        random: &mut R,
    ) -> Result<Self, R::Error> {
        let mut host_id = [0; 8];
        random.try_fill_bytes(&mut host_id)?;
        let key = EphemeralKey::generate(suite, random)?;
        Ok(Self {
            suite,
            host_id,
            key,
        })
    }

    /// A key establishment with a given private key (big-endian, 32 or 48 bytes) and
    /// identifier: for tests against known answers. `None` if the key is none.
    ///
    /// Two sessions with one key are not secure.
    pub fn from_parts(suite: CipherSuite, host_id: [u8; 8], private_key: &[u8]) -> Option<Self> {
        let key = EphemeralKey::from_scalar(suite, private_key)?;
        Some(Self {
            suite,
            host_id,
            key,
        })
    }

    /// The command for the card: GENERAL AUTHENTICATE,
    /// `00 87 27|2E 04 Lc 7C { 81 { 00 IDsH 04 X Y }, 82 00 } 00`.
    pub fn command(&self) -> Command {
        let control_and_key =
            [&[HOST_CONTROL], &self.host_id[..], &self.key.public_point()].concat();
        let template = DynamicAuthenticationTemplate::default()
            .with_challenge(&control_and_key)
            .asking_for_response();
        let command = GeneralAuthenticate {
            algorithm: self.suite.algorithm(),
            key: KeyReference::SECURE_MESSAGING,
            template,
        };
        command.to_command()
    }

    /// Takes the card's answer, `7C { 82 { CBICC N cryptogram C_ICC } }`: comes to the
    /// shared keys, and checks by the cryptogram that the card has come to the same. So
    /// the card has the private key of the certificate that it shows; whether that is
    /// to be believed is the next question, and [`Established`] asks it.
    ///
    /// # Errors
    /// [`EstablishError`]; there are no keys then.
    pub fn finish(self, response: &Response) -> Result<Established, EstablishError> {
        if !response.status().is_success() {
            return Err(EstablishError::Refused(response.status()));
        }
        let answer = Answer::of(response.data(), self.suite)?;
        if answer.control != CARD_CONTROL {
            return Err(EstablishError::ControlByte(answer.control));
        }
        let cvc = Cvc::decode(answer.certificate).map_err(EstablishError::Certificate)?;
        let CvcHolder::Card(guid) = cvc.holder() else {
            return Err(EstablishError::NotACard);
        };
        let keys = self.keys(&answer, &cvc)?;
        Ok(Established { keys, cvc, guid })
    }

    /// The keys, confirmed.
    fn keys(&self, answer: &Answer<'_>, cvc: &Cvc) -> Result<SessionKeys, EstablishError> {
        let suite = self.suite;
        if cvc.suite() != suite {
            return Err(EstablishError::Suite {
                asked: suite,
                certificate: cvc.suite(),
            });
        }
        let z = self.key.agree(cvc.point()).ok_or(EstablishError::Point)?;
        let card_id = card_id(answer.certificate);
        let point = self.key.public_point();
        let (x, x_and_y) = (&point[1..=suite.coordinate_length()], &point[1..]);
        let info = OtherInfo {
            host_id: self.host_id,
            host_control: HOST_CONTROL,
            host_point_x: x,
            card_id,
            nonce: answer.nonce,
            card_control: answer.control,
        };
        SessionKeys::derive(suite, &z, &info)
            .filter(|keys| keys.is_confirmed_by(answer.cryptogram, card_id, self.host_id, x_and_y))
            .ok_or(EstablishError::Cryptogram)
    }
}

/// `IDsICC`: the first eight bytes of the certificate's SHA-256, for both suites.
fn card_id(certificate: &[u8]) -> [u8; 8] {
    let hash = Sha256::digest(certificate);
    core::array::from_fn(|at| hash[at])
}

/// The answer taken apart.
struct Answer<'a> {
    control: u8,
    nonce: &'a [u8],
    cryptogram: &'a [u8],
    certificate: &'a [u8],
}

impl<'a> Answer<'a> {
    fn of(data: &'a [u8], suite: CipherSuite) -> Result<Self, TemplateError> {
        let mut reader = Reader::new(data);
        let template = cvc::next(&mut reader, TEMPLATE)?;
        cvc::nothing_after(&reader, TEMPLATE)?;
        let mut reader = Reader::new(template);
        let content = cvc::next(&mut reader, RESPONSE)?;
        cvc::nothing_after(&reader, RESPONSE)?;
        Self::split(content, suite).ok_or(TemplateError::Length {
            tag: RESPONSE,
            length: content.len(),
        })
    }

    fn split(content: &'a [u8], suite: CipherSuite) -> Option<Self> {
        let (&control, rest) = content.split_first()?;
        let (nonce, rest) = rest.split_at_checked(suite.nonce_length())?;
        let (cryptogram, certificate) = rest.split_at_checked(CRYPTOGRAM)?;
        Some(Self {
            control,
            nonce,
            cryptogram,
            certificate,
        })
    }
}

/// Keys that host and card share, and the card's certificate, which nobody has vouched
/// for yet. To use the keys takes a decision on that.
#[derive(Debug)]
pub struct Established {
    keys: SessionKeys,
    cvc: Cvc,
    guid: Guid,
}

impl Established {
    /// The card's certificate. Its signature was not checked.
    pub fn cvc(&self) -> &Cvc {
        &self.cvc
    }

    /// The GUID in the card's certificate, to be compared with the one in the card's
    /// CHUID. It counts for no more than the certificate does.
    pub fn guid(&self) -> Guid {
        self.guid
    }

    /// The session, if somebody who is trusted vouches for the card: one of the anchors
    /// is the certificate in the object `5FC122` or has issued it (`70`), that one's key
    /// has signed the card's certificate, or the intermediate one that lies beside it
    /// (`7F21`) and whose key has. Signatures, issuers' identifiers, roles, curves, key
    /// usages and the time are checked, the anchor's time too; `now` is the caller's, for
    /// it may know better than the system's clock.
    ///
    /// No longer path is built: whose authority has a root above gives the authority's
    /// own certificate as an anchor. Revocation is not asked for, and what an anchor says
    /// about names, policies and lengths of paths is not applied. Signatures of X.509
    /// certificates are ECDSA (P-256, P-384) or RSA (PKCS #1 v1.5, at least 2048 bits),
    /// with SHA-256, SHA-384 or SHA-512.
    ///
    /// A signer's certificate that an anchor has issued has the extended key usage
    /// id-PIV-content-signing (2.16.840.1.101.3.6.7): the authority may certify
    /// cardholders too, whose keys vouch for no card. One that is itself an anchor, byte
    /// for byte, may have no extended key usage, but not others only.
    ///
    /// # Errors
    /// [`ChainError`]; the keys are wiped then.
    pub fn verified(
        self,
        signer: &SmSigner,
        anchors: &[TrustAnchor],
        now: SystemTime,
    ) -> Result<SecureMessaging, ChainError> {
        chain::verify(&self.cvc, signer, anchors, now)?;
        Ok(SecureMessaging::new(self.keys))
    }

    /// The session, with a card that may be anybody's: nobody who only listens can read
    /// along, but who can put himself between host and card can.
    pub fn unverified(self) -> SecureMessaging {
        SecureMessaging::new(self.keys)
    }
}

impl fmt::Debug for KeyEstablishment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEstablishment")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}
