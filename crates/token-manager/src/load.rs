//! Reading one token: which commands, in which order, and what each answer
//! means.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crescendo_ext::Evidence;
use crescendo_ext::aca::{GetPinProperties, SelectAca};
use crescendo_ext::cplc::{GetCplc, SelectIsd};
use crescendo_ext::identity::{Family, Form, Identity};
use crescendo_ext::operations;
use crescendo_ext::properties::{GetPivProperties, Init, KeyBlock, PivProperties};
use crescendo_ext::version::AppletVersion;
use pcsc_transport::{Card, Interface, LinkError, SendError, Transaction, TransportError};
use piv_apdu::command::{AnswerError, ApplicationProperties, GetData, Select, TypedCommand, Verify};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::{
    CardCapabilityContainer, CertificateObject, Chuid, DataObject, Discovery, KeyHistory,
    ObjectTag, ReadAccess, SecurityObject,
};
use piv_apdu::status::StatusWord;

use crate::capability::{Capabilities, Facts, Reason, Said};
use crate::certificate::{CertificateEntry, CertificateInfo, CertificateState};
use crate::content::{
    AlgorithmSource, KeyEntry, KeyOrigin, OathSlot, OathState, ObjectEntry, ObjectState,
    ObjectValue,
};
use crate::error::{LoadError, Part, Problem, Unreadable};
use crate::options::LoadOptions;
use crate::pin::{PinPolicy, PinState, PinStatus};
use crate::token::{Token, TokenFamily, TokenIdentity};

/// The most containers of a card's own list that are read. A real list has
/// about forty; a hostile one must not keep a load going.
const MAX_LISTED: usize = 64;

/// Retired key management keys, by the standard (SP 800-73 Part 1, 3.3.3).
const RETIRED_KEYS: u8 = 20;

/// Reads a token completely, in one transaction, without spending a PIN try and
/// without changing anything.
///
/// On a plain PIV card (SP 800-73) it sends, in this order:
///
/// | command | APDU |
/// |---|---|
/// | SELECT of the PIV application | `00 A4 04 00 0B A000000308000010000100 00` |
/// | VERIFY without a PIN: tries left | `00 20 00 80` |
/// | GET DATA of discovery, CHUID, CCC, key history | `00 CB 3F FF Lc 5C … 00` |
/// | GET DATA of the certificates of 9A, 9C, 9D, 9E | the same |
/// | GET DATA of as many retired keys' certificates as the key history announces | the same |
///
/// and once more VERIFY, with P2 = 00, only if the card has no PIV PIN and its
/// discovery object says that it uses the global one.
///
/// On a token whose ATR says that it is an HID Crescendo:
///
/// | command | APDU |
/// |---|---|
/// | SELECT of the issuer security domain, GET CPLC: serial number | `00 A4 04 00 08 A000000151000000 00`, `80 CA 9F 7F 00` |
/// | SELECT of the access control applet, GET PIN PROPERTIES | `00 A4 04 00 07 A0000000791000 00`, `00 56 02 00 01 31 00` |
/// | on a C2300 Key: SELECT of each OATH slot | `00 A4 04 00 07 A0000000792300 00` … `2302` |
/// | SELECT of the PIV application | as above |
/// | GET PIV PROPERTIES | C2300: `00 CB 3F FF 05 5C 03 FFFF7F 00`; C4000: `80 56 00 00 00` |
/// | VERIFY without a PIN | as above |
/// | GET DATA of what the properties list, and of nothing else | as above |
///
/// If such a token does not answer GET PIV PROPERTIES usefully, it is read like
/// a plain PIV card, and [`Token::problems`] says so. Objects behind the PIN
/// are not asked for. The PIV application stays selected. Selecting other
/// applications first drops a PIN that another program has verified on the
/// PIV application of a Crescendo.
///
/// Whatever the card refuses, or answers in a way that can't be understood, is
/// shown as such in its place and spoils nothing else. If the card is reset in
/// the middle, the whole load is repeated once from the beginning.
///
/// # Errors
/// [`LoadError::NotAPivCard`], [`LoadError::NoSelectAnswer`]: some other card.
/// [`LoadError::Link`], [`LoadError::ResetAgain`]: the connection failed.
/// [`LoadError::Timeout`]: [`LoadOptions::timeout`] has passed.
pub fn load(card: &mut Card, options: &LoadOptions) -> Result<Token, LoadError> {
    load_within(card, options, &Limits::of(options))
}

pub(crate) fn load_within(
    card: &mut Card,
    options: &LoadOptions,
    limits: &Limits,
) -> Result<Token, LoadError> {
    let before = card.round_trips();
    let outcome = match read_token(card, options, limits) {
        Err(Stop::Link(LinkError::Reset)) => {
            tracing::debug!("the card was reset while it was read: starting over");
            read_token(card, options, limits).map_err(|stop| match stop {
                Stop::Link(LinkError::Reset) => Stop::ResetAgain,
                other => other,
            })
        }
        outcome => outcome,
    };
    match outcome {
        Ok(mut token) => {
            token.round_trips = card.round_trips() - before;
            Ok(token)
        }
        Err(stop) => Err(stop.into_error(card, limits)),
    }
}

/// When to give up.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    timeout: Duration,
    deadline: Option<Instant>,
    cancelled: Option<Arc<AtomicBool>>,
}

impl Limits {
    pub(crate) fn of(options: &LoadOptions) -> Self {
        Self {
            timeout: options.timeout.unwrap_or_default(),
            deadline: options.timeout.map(|timeout| Instant::now() + timeout),
            cancelled: None,
        }
    }

    pub(crate) fn cancelled_by(mut self, flag: &Arc<AtomicBool>) -> Self {
        self.cancelled = Some(Arc::clone(flag));
        self
    }

    fn check(&self) -> Result<(), Stop> {
        if self
            .cancelled
            .as_ref()
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
        {
            return Err(Stop::Link(LinkError::Cancelled));
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Stop::Timeout),
            _ => Ok(()),
        }
    }
}

/// What ends a load.
enum Stop {
    Link(LinkError),
    ResetAgain,
    Timeout,
    NotAPivCard(StatusWord),
    NoSelectAnswer(String),
}

impl Stop {
    fn into_error(self, card: &Card, limits: &Limits) -> LoadError {
        let reader = card.info().reader.clone();
        match self {
            Self::Link(source) => LoadError::Link { reader, source },
            Self::ResetAgain => LoadError::ResetAgain { reader },
            Self::Timeout => LoadError::Timeout {
                reader,
                after: limits.timeout,
            },
            Self::NotAPivCard(status) => LoadError::NotAPivCard {
                reader,
                atr: card.info().atr.clone(),
                status,
            },
            Self::NoSelectAnswer(detail) => LoadError::NoSelectAnswer { reader, detail },
        }
    }
}

/// An answer, or why there is none; what ends the load is outside of it.
type Asked<T> = Result<Result<T, Unreadable>, Stop>;

/// The card in a transaction, asked politely.
struct Asking<'c> {
    transaction: Transaction<'c>,
    limits: &'c Limits,
    problems: Vec<Problem>,
}

impl Asking<'_> {
    fn ask<C: TypedCommand>(&mut self, command: &C) -> Asked<C::Answer> {
        self.limits.check()?;
        match self.transaction.send(command) {
            Ok(answer) => Ok(Ok(answer)),
            Err(SendError::Answer(error)) => Ok(Err(refusal(error))),
            Err(SendError::Transport(error)) => given_up(error).map(Err),
            Err(other) => Ok(Err(Unreadable::GivenUp(other.to_string()))),
        }
    }

    /// Selects through the transaction, which remembers what is selected.
    fn select<C: TypedCommand>(&mut self, aid: &[u8], _command: &C) -> Asked<C::Answer> {
        self.limits.check()?;
        match self.transaction.select(aid) {
            Ok(response) => Ok(C::decode_answer(&response).map_err(refusal)),
            Err(error) => given_up(error).map(Err),
        }
    }

    /// Notes a problem and goes on without the answer.
    fn note<T>(&mut self, part: Part, asked: Result<T, Unreadable>) -> Option<T> {
        asked
            .map_err(|why| self.problems.push(Problem::new(part, why)))
            .ok()
    }
}

fn refusal(error: AnswerError) -> Unreadable {
    match error {
        AnswerError::Status(status) => Unreadable::Refused(status),
        other => Unreadable::Malformed(other.to_string()),
    }
}

/// A failed link ends the load; a card that breaks the rules of the protocol
/// spoils one answer.
fn given_up(error: TransportError) -> Result<Unreadable, Stop> {
    match error {
        TransportError::Link(error) => Err(Stop::Link(error)),
        other => Ok(Unreadable::GivenUp(other.to_string())),
    }
}

fn read_token(card: &mut Card, options: &LoadOptions, limits: &Limits) -> Result<Token, Stop> {
    let info = card.info().clone();
    let crescendo = Identity::from_atr(&info.atr);
    limits.check()?;
    let mut asking = Asking {
        transaction: begin(card)?,
        limits,
        problems: Vec::new(),
    };

    let vendor = match &crescendo {
        Some(identity) => read_vendor_parts(&mut asking, identity)?,
        None => VendorParts::default(),
    };
    let application = select_piv(&mut asking, crescendo.is_some())?;
    let properties = match (&crescendo, &application) {
        (Some(identity), Some(_)) => {
            let family = identity.family();
            let answer = asking.ask(&GetPivProperties { family })?;
            asking.note(Part::PivProperties, answer)
        }
        _ => None,
    };

    let mut content = Content::new(info.interface);
    let pin = match &application {
        Some(_) => {
            let pin = read_pin_state(&mut asking)?;
            match &properties {
                Some(properties) => content.read_listed(&mut asking, properties)?,
                None => content.read_standard(&mut asking)?,
            }
            if options.all {
                content.read_rest(&mut asking)?;
            }
            ask_global_pin(&mut asking, pin, &content)?
        }
        None => PinState {
            reference: KeyReference::PIV_PIN,
            status: PinStatus::Unknown(Unreadable::GivenUp(
                "the PIV application could not be selected".to_owned(),
            )),
        },
    };
    let problems = asking.problems;

    let guid = content.chuid().map(|chuid| chuid.guid);
    let label = application
        .flatten_label()
        .filter(|label| !label.is_empty());
    let identity = TokenIdentity {
        name: match (&crescendo, &label) {
            (Some(identity), _) => identity.name().to_owned(),
            (None, Some(label)) => label.clone(),
            (None, None) => "PIV card".to_owned(),
        },
        family: crescendo
            .clone()
            .map_or(TokenFamily::Piv, TokenFamily::Crescendo),
        serial: vendor.serial,
        guid: guid.filter(|guid| guid.0 != [0; 16]),
        application_label: label,
        applet_version: vendor.applet_version,
    };
    let capabilities = Capabilities::evaluate(&Facts {
        family: crescendo.as_ref().map(Identity::family),
        interface: info.interface,
        pin: pin.status.clone(),
        issuer_signed: content
            .chuid()
            .is_some_and(|chuid| !chuid.signature.is_empty()),
        vci: content.vci(crescendo.is_some()),
        pairing_code: content.pairing_code(crescendo.is_some()),
        pin_properties: vendor.pin_properties_said,
        management_key: content.management_key(properties.is_some()),
        oath: vendor.oath_said,
    });
    Ok(Token {
        reader: info.reader,
        interface: info.interface,
        atr: info.atr,
        identity,
        pin,
        pin_policy: vendor.pin_policy,
        objects: content.objects,
        keys: content.keys,
        certificates: content.certificates,
        oath_slots: vendor.oath_slots,
        capabilities,
        problems,
        round_trips: 0,
    })
}
