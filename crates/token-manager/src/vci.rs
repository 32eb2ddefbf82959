//! The virtual contact interface (VCI): what a card allows on contact, through the air.
//!
//! It takes a session of secure messaging, for which somebody has to vouch for the
//! card, and, unless the card says otherwise, the card's pairing code, which shows the
//! card that its holder wants this host to speak to it. Then the contactless interface
//! allows what contact allows, but for PUT DATA, GENERATE and RESET RETRY COUNTER.
//!
//! Source: SP 800-73-5 Part 1, 5.5; Part 2, 4.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use getrandom::SysRng;
use pcsc_transport::{Transaction, TransportError};
use piv_apdu::command::{TypedCommand as _, Verify};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::{Guid, SmSigner};
use piv_apdu::secret::PairingCode;
use piv_apdu::sm::{
    ChainError, CipherSuite, EstablishError, Established, KeyEstablishment, SecureMessaging,
    SmError, TrustAnchor,
};
use piv_apdu::status::StatusWord;

use crate::capability::Reason;
use crate::error::Unreadable;
use crate::pairing_codes::PairingCodeStore;
use crate::secrets::SecretStoreError;

/// Whose word counts when a card says who it is. There is no default but "nobody's":
/// to do without takes a decision.
#[derive(Clone, Default)]
pub enum CardTrust {
    /// Nobody's: no secure session is opened.
    #[default]
    Nobody,
    /// These authorities' and content signers' (X.509).
    Anchors(Arc<[TrustAnchor]>),
    /// The card's own. Nobody who only listens can read along then; who puts himself
    /// between host and card can, PIN included.
    AnyCard,
}

/// How the virtual contact interface of a token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VciState {
    /// The token is on the contact interface and needs none.
    NotNeeded,
    /// The token does not say that it has one.
    NotAnnounced,
    /// It was not tried: the look was a quick one.
    NotTried,
    /// It is open: the token was spoken to in a secure session.
    Open {
        /// The session's cipher suite.
        suite: CipherSuite,
        /// Whether somebody who is trusted vouches for the card.
        vouched: bool,
    },
    /// It could not be opened.
    Closed(VciError),
}

/// Why the virtual contact interface could not be opened. No PIN was sent, and nothing
/// on the token was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VciError {
    /// [`CardTrust::Nobody`].
    #[error(
        "it was not said who is trusted to vouch for cards, so no secure session was opened with \
         this one. Give the certificate of its issuer's authority, or agree to speak to any card"
    )]
    NotTrusted,
    /// The card has no readable certificate of who signed its key's (`5FC122`).
    #[error(
        "the card does not show who vouches for it ({0}), so no secure session was opened with \
         it. Use it on a contact reader, or agree to speak to any card"
    )]
    Signer(Unreadable),
    /// The key establishment failed.
    #[error("{0}. No PIN was sent")]
    Establish(#[from] EstablishError),
    /// Nobody who is trusted vouches for the card.
    #[error(
        "{0}. The card may be a copy or a fake: no PIN was sent. Ask its issuer for the right \
         certificate to trust, or use it on a contact reader"
    )]
    Untrusted(#[from] ChainError),
    /// The card's certificate is another card's than its CHUID.
    #[error(
        "the card's certificate for secure sessions is that of the card {certificate}, and the \
         card says that it is {}: it was exchanged, or is a fake. No PIN was sent; take it out",
        named(*.chuid)
    )]
    OtherCard {
        /// The GUID in its certificate.
        certificate: Guid,
        /// The GUID in its CHUID.
        chuid: Option<Guid>,
    },
    /// It takes the pairing code, and none is kept for this card.
    #[error(
        "it takes the card's pairing code, and none is kept for this card in this login session. \
         Give it, or retrieve and keep it on a contact reader"
    )]
    NoPairingCode,
    /// The card says that the pairing code is wrong (`6300`). There is no counter.
    #[error("{}", wrong_code(*.vouched))]
    WrongPairingCode {
        /// Whether somebody who is trusted vouches for the card. Any card can say it of a
        /// code that is right.
        vouched: bool,
    },
    /// The card refused the pairing code for another reason.
    #[error("the card did not take the pairing code: it answered {0}. No PIN was sent")]
    PairingCodeRefused(StatusWord),
    /// The store of pairing codes failed.
    #[error("{0}. No PIN was sent")]
    Store(String),
    /// The secure session failed right after it was opened.
    #[error("{0}. No PIN was sent; hold the card still and try again")]
    Session(#[from] SmError),
    /// The card broke the rules of the protocol while it was opened.
    #[error("{0}. No PIN was sent")]
    Broken(String),
    /// The system's random number generator failed.
    #[error("the system's random number generator failed: {0}. Nothing was sent")]
    Random(String),
}

fn wrong_code(vouched: bool) -> &'static str {
    if vouched {
        "the pairing code is not this card's. No try of the PIN was spent; look it up again on a \
         contact reader"
    } else {
        "the card says that the pairing code is not its own, and nobody vouches for the card. No \
         try of the PIN was spent; look the code up again on a contact reader"
    }
}

fn named(guid: Option<Guid>) -> String {
    guid.map_or_else(|| "none".to_owned(), |guid| format!("the card {guid}"))
}

impl VciError {
    /// A stable identifier for programs: `no-pairing-code`.
    pub fn id(&self) -> &'static str {
        match self {
            Self::NotTrusted => "not-trusted",
            Self::Signer(_) => "no-signer",
            Self::Establish(_) => "no-session",
            Self::Untrusted(_) => "untrusted",
            Self::OtherCard { .. } => "other-card",
            Self::NoPairingCode => "no-pairing-code",
            Self::WrongPairingCode { .. } => "wrong-pairing-code",
            Self::PairingCodeRefused(_) => "pairing-code-refused",
            Self::Store(_) => "store",
            Self::Session(_) => "session-lost",
            Self::Broken(_) => "broken",
            Self::Random(_) => "random",
        }
    }
}

impl VciState {
    /// A stable identifier for programs: `not-needed`, `not-announced`, `not-tried`,
    /// `open`, or that of the [`VciError`].
    pub fn id(&self) -> &'static str {
        match self {
            Self::NotNeeded => "not-needed",
            Self::NotAnnounced => "not-announced",
            Self::NotTried => "not-tried",
            Self::Open { .. } => "open",
            Self::Closed(error) => error.id(),
        }
    }

    /// Whether a PIN may be used, and everything read that contact allows.
    pub fn allows_contact(&self) -> bool {
        matches!(self, Self::NotNeeded | Self::Open { .. })
    }

    /// Why it can't be done now what contact allows.
    pub(crate) fn obstacle(&self) -> Option<Reason> {
        match self {
            Self::NotNeeded | Self::Open { .. } => None,
            Self::NotAnnounced => Some(Reason::OnlyOnContact),
            Self::NotTried => Some(Reason::NotProbed),
            Self::Closed(VciError::NoPairingCode | VciError::WrongPairingCode { .. }) => {
                Some(Reason::NeedsPairingCode)
            }
            Self::Closed(VciError::NotTrusted) => Some(Reason::CardNotTrusted),
            Self::Closed(_) => Some(Reason::NoSecureSession),
        }
    }
}

impl fmt::Display for VciState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNeeded => f.write_str("not needed on contact"),
            Self::NotAnnounced => f.write_str("the token does not say that it has one"),
            Self::NotTried => f.write_str("not tried"),
            Self::Open { suite, vouched } => {
                let by = match vouched {
                    true => "the card is vouched for",
                    false => "nobody vouches for the card",
                };
                write!(f, "open ({}), {by}", suite.name())
            }
            Self::Closed(error) => error.fmt(f),
        }
    }
}

/// What opening takes from the host.
#[derive(Clone, Default)]
pub(crate) struct VciAccess {
    pub(crate) trust: CardTrust,
    pub(crate) codes: Option<Arc<dyn PairingCodeStore>>,
}

/// What a card says that opening takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Announced {
    pub(crate) suite: CipherSuite,
    pub(crate) needs_code: bool,
    pub(crate) guid: Option<Guid>,
    /// Who vouches for it, if that is of interest.
    pub(crate) signer: Option<Result<SmSigner, Unreadable>>,
}

/// The suite that is announced in the answer to SELECT.
pub(crate) fn announced_suite(algorithms: &[Algorithm]) -> Option<CipherSuite> {
    algorithms
        .iter()
        .find_map(|algorithm| CipherSuite::from_algorithm(*algorithm))
}

/// Opens the virtual contact interface again, of a card that was read: [`establish`] and,
/// if the card wants one, [`present`] with the pairing code.
///
/// # Errors
/// [`TransportError`]; inside, [`VciError`], with no session then.
pub(crate) fn open(
    transaction: &mut Transaction<'_>,
    card: &Announced,
    access: &VciAccess,
) -> Result<Result<(), VciError>, TransportError> {
    // Nothing is sent before it is certain that it can be of use.
    let code = match access.code_for(card.needs_code, card.guid) {
        Ok(code) => code,
        Err(error) => return Ok(Err(error)),
    };
    let established = establish(transaction, card.suite, card.signer.as_ref(), access)?;
    let (certificate, vouched) = match established {
        Ok(established) => established,
        Err(error) => return Ok(Err(error)),
    };
    if let Err(error) = same_card(certificate, card.guid) {
        transaction.end_secure();
        return Ok(Err(error));
    }
    match code {
        Some(code) => present(transaction, &code, vouched),
        None => Ok(Ok(())),
    }
}

/// Establishes a session in the PIV application, which has to be selected: GENERAL
/// AUTHENTICATE with the key of secure messaging. Gives the GUID in the card's certificate,
/// and whether somebody who is trusted vouches for that.
///
/// # Errors
/// [`TransportError`]; inside, [`VciError`], with no session then.
pub(crate) fn establish(
    transaction: &mut Transaction<'_>,
    suite: CipherSuite,
    signer: Option<&Result<SmSigner, Unreadable>>,
    access: &VciAccess,
) -> Result<Result<(Guid, bool), VciError>, TransportError> {
    if matches!(access.trust, CardTrust::Nobody) {
        return Ok(Err(VciError::NotTrusted));
    }
    let establishment = match KeyEstablishment::new(suite, &mut SysRng) {
        Ok(establishment) => establishment,
        Err(error) => return Ok(Err(VciError::Random(error.to_string()))),
    };
    let answer = transaction.exchange(&establishment.command())?;
    let established = match establishment.finish(&answer) {
        Ok(established) => established,
        Err(error) => return Ok(Err(error.into())),
    };
    let certificate = established.guid();
    Ok(access
        .believe(established, signer)
        .map(|(session, vouched)| {
            transaction.secure(session);
            (certificate, vouched)
        }))
}

/// Whether the card's certificate is that of the card that it says it is.
pub(crate) fn same_card(certificate: Guid, chuid: Option<Guid>) -> Result<(), VciError> {
    if chuid == Some(certificate) {
        return Ok(());
    }
    Err(VciError::OtherCard { certificate, chuid })
}

/// VERIFY of the pairing code (`00 20 00 98 08 code`), in the session of a card for which
/// somebody who is trusted vouches, or nobody.
pub(crate) fn present(
    transaction: &mut Transaction<'_>,
    code: &PairingCode,
    vouched: bool,
) -> Result<Result<(), VciError>, TransportError> {
    let verify = Verify::check(KeyReference::PAIRING_CODE, code.block());
    let status = match transaction.exchange(&verify.to_command()) {
        Ok(response) => response.status(),
        Err(TransportError::Secure(error)) => return Ok(Err(error.into())),
        Err(error) => return Err(error),
    };
    Ok(match status {
        StatusWord::SUCCESS => Ok(()),
        StatusWord::VERIFICATION_FAILED => Err(VciError::WrongPairingCode { vouched }),
        other => Err(VciError::PairingCodeRefused(other)),
    })
}

impl VciAccess {
    /// The pairing code of a card, if it needs one.
    pub(crate) fn code_for(
        &self,
        needs_code: bool,
        card: Option<Guid>,
    ) -> Result<Option<PairingCode>, VciError> {
        if !needs_code {
            return Ok(None);
        }
        let kept = match (&self.codes, &card) {
            (Some(codes), Some(card)) => codes.get(card)?,
            _ => None,
        };
        kept.map(Some).ok_or(VciError::NoPairingCode)
    }

    /// The session, and whether somebody who is trusted vouches for the card.
    fn believe(
        &self,
        established: Established,
        signer: Option<&Result<SmSigner, Unreadable>>,
    ) -> Result<(SecureMessaging, bool), VciError> {
        match &self.trust {
            CardTrust::Nobody => Err(VciError::NotTrusted),
            CardTrust::AnyCard => Ok((established.unverified(), false)),
            CardTrust::Anchors(anchors) => {
                let unread = Err(Unreadable::NotTold("it was not read"));
                let signer = signer.unwrap_or(&unread).as_ref();
                let signer = signer.map_err(|why| VciError::Signer(why.clone()))?;
                let session = established.verified(signer, anchors, SystemTime::now())?;
                Ok((session, true))
            }
        }
    }

    /// Whether it is of interest who vouches for a card.
    pub(crate) fn asks_who_vouches(&self) -> bool {
        matches!(self.trust, CardTrust::Anchors(_))
    }
}

impl From<SecretStoreError> for VciError {
    fn from(error: SecretStoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl fmt::Debug for CardTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::Anchors(anchors) => write!(f, "Anchors({})", anchors.len()),
            Self::AnyCard => f.write_str("AnyCard"),
        }
    }
}

impl fmt::Debug for VciAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VciAccess")
            .field("trust", &self.trust)
            .field("codes", &self.codes.as_ref().map(|codes| codes.name()))
            .finish()
    }
}
