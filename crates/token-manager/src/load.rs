//! Reading one token: which commands, in which order, and what each answer
//! means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crescendo_ext::AppletVersion;
use crescendo_ext::Evidence;
use crescendo_ext::aca::{GetPinProperties, SelectAca};
use crescendo_ext::cplc::{GetCplc, SelectIsd};
use crescendo_ext::identity::{Family, Form, Identity};
use crescendo_ext::oath::SelectOathSlot;
use crescendo_ext::operations;
use crescendo_ext::properties::{GetPivProperties, Init, KeyBlock, PivProperties};
use pcsc_transport::{Card, Interface, LinkError, SendError, Transaction, TransportError};
use piv_apdu::command::{
    AnswerError, ApplicationProperties, GetData, Select, TypedCommand, Verify,
};
use piv_apdu::key::KeyReference;
use piv_apdu::object::{
    CardCapabilityContainer, CertificateObject, Chuid, DataObject, Discovery, KeyHistory,
    ObjectTag, ReadAccess, SecurityObject, SmSigner,
};
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Tag};

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

/// When the time of a load that begins now is over; never, if that is further away
/// than the clock can tell.
pub(crate) fn deadline(options: &LoadOptions) -> Option<Instant> {
    Instant::now().checked_add(options.timeout?)
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
            deadline: deadline(options),
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
                atr: card.info().atr,
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
        None => VendorParts::none(),
    };
    let application = select_piv(&mut asking, crescendo.is_some())?;
    let properties = match (&crescendo, &application) {
        (Some(identity), Ok(_)) => read_properties(&mut asking, identity.family())?,
        _ => None,
    };

    let mut content = Content::new(info.interface);
    let pin = match &application {
        Ok(_) => {
            let pin = read_pin_state(&mut asking, KeyReference::PIV_PIN)?;
            match &properties {
                Some(properties) => content.read_listed(&mut asking, properties)?,
                None => content.read_standard(&mut asking)?,
            }
            if options.all {
                content.read_rest(&mut asking)?;
            }
            if pin.status == PinStatus::NotSet && content.uses_global_pin() {
                read_pin_state(&mut asking, KeyReference::GLOBAL_PIN)?
            } else {
                pin
            }
        }
        Err(why) => PinState {
            reference: KeyReference::PIV_PIN,
            status: PinStatus::Unknown(why.clone()),
        },
    };
    let problems = asking.problems;

    let guid = content.chuid().map(|chuid| chuid.guid);
    let application = application.unwrap_or_default();
    let label = application.label;
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
        algorithms: application.algorithms,
        applet_version: vendor.applet_version,
    };
    let capabilities = Capabilities::evaluate(&Facts {
        family: crescendo.as_ref().map(Identity::family),
        interface: info.interface,
        pin: pin.status.clone(),
        issuer_signed: content
            .chuid()
            .is_some_and(|chuid| !chuid.signature.is_empty()),
        vci: content.vci(),
        pairing_code: content.pairing_code(properties.as_ref()),
        pin_properties: vendor.pin_properties,
        management_key: management_key(properties.as_ref()),
        oath: vendor.oath,
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

fn begin(card: &mut Card) -> Result<Transaction<'_>, Stop> {
    card.begin().map_err(|error| match error {
        TransportError::Link(error) => Stop::Link(error),
        other => Stop::NoSelectAnswer(other.to_string()),
    })
}

/// What a Crescendo tells outside of its PIV application.
struct VendorParts {
    serial: Option<String>,
    applet_version: Option<AppletVersion>,
    pin_policy: PinPolicy,
    pin_properties: Said,
    oath_slots: Vec<OathSlot>,
    oath: Said,
}

impl VendorParts {
    /// Those of a card that is no Crescendo: nothing was asked.
    fn none() -> Self {
        Self {
            serial: None,
            applet_version: None,
            pin_policy: PinPolicy::standard(),
            pin_properties: Said::No(Reason::NotSupportedByFamily),
            oath_slots: Vec::new(),
            oath: Said::No(Reason::NotSupportedByFamily),
        }
    }
}

/// SELECT ISD, GET CPLC, SELECT ACA, GET PIN PROPERTIES, and on a Key SELECT of
/// the OATH slots.
fn read_vendor_parts(asking: &mut Asking<'_>, identity: &Identity) -> Result<VendorParts, Stop> {
    let mut parts = VendorParts::none();

    let domain = asking.ask(&SelectIsd)?;
    let production_data = match domain {
        Ok(()) => asking.ask(&GetCplc)?,
        Err(why) => Err(why),
    };
    parts.serial = asking
        .note(Part::Serial, production_data)
        .map(|data| data.serial());

    parts.pin_properties = Said::Nothing(Reason::CouldNotRead);
    let applet = asking.ask(&SelectAca)?;
    if let Some(applet) = asking.note(Part::AccessControlApplet, applet) {
        parts.applet_version = applet.applet;
        let properties = asking.ask(&GetPinProperties)?;
        if let Some(properties) = asking.note(Part::PinProperties, properties) {
            parts.pin_policy = PinPolicy::from_card(properties);
            parts.pin_properties = Said::Yes;
        }
    }

    if identity.form() == Form::Key {
        if is_documented("SELECT OATH", identity.family()) {
            parts.oath_slots = read_oath_slots(asking)?;
            parts.oath = said_by_slots(&parts.oath_slots);
        } else {
            parts.oath = Said::Nothing(Reason::NotPubliclyDocumented);
        }
    }
    Ok(parts)
}

/// Whether anything at all is known about an operation on a family: where
/// nothing is, nothing is sent.
fn is_documented(operation: &str, family: Family) -> bool {
    operations::find(operation)
        .and_then(|operation| operation.evidence(family))
        .is_some_and(|evidence| evidence > Evidence::Unknown)
}

fn read_oath_slots(asking: &mut Asking<'_>) -> Result<Vec<OathSlot>, Stop> {
    let mut slots = Vec::new();
    for command in SelectOathSlot::all() {
        let state = match asking.ask(&command)? {
            Ok(()) => OathState::Present,
            Err(Unreadable::Refused(StatusWord::FILE_NOT_FOUND)) => OathState::Absent,
            Err(why) => OathState::Unreadable(why),
        };
        slots.push(OathSlot {
            number: command.slot(),
            aid: command.aid().to_vec(),
            state,
        });
    }
    Ok(slots)
}

fn said_by_slots(slots: &[OathSlot]) -> Said {
    if slots.iter().any(|slot| slot.state == OathState::Present) {
        Said::Yes
    } else if slots.iter().all(|slot| slot.state == OathState::Absent) {
        Said::No(Reason::NotAnnounced)
    } else {
        Said::Nothing(Reason::CouldNotRead)
    }
}

/// Selects the PIV application. A card whose family is known goes on being
/// read without it; any other one is not a PIV card then.
fn select_piv(
    asking: &mut Asking<'_>,
    known_family: bool,
) -> Result<Result<ApplicationProperties, Unreadable>, Stop> {
    match asking.ask(&Select::piv())? {
        Ok(application) => Ok(Ok(application)),
        // It did select it, and says nothing useful about it.
        Err(why @ Unreadable::Malformed(_)) => {
            asking
                .problems
                .push(Problem::new(Part::PivApplication, why));
            Ok(Ok(ApplicationProperties::default()))
        }
        Err(why) if known_family => {
            asking
                .problems
                .push(Problem::new(Part::PivApplication, why.clone()));
            Ok(Err(why))
        }
        Err(Unreadable::Refused(status)) => Err(Stop::NotAPivCard(status)),
        Err(why) => Err(Stop::NoSelectAnswer(why.to_string())),
    }
}

fn read_properties(asking: &mut Asking<'_>, family: Family) -> Result<Option<PivProperties>, Stop> {
    let answer = asking.ask(&GetPivProperties { family })?;
    let properties = asking.note(Part::PivProperties, answer);
    if properties.as_ref().is_some_and(|answer| answer.damaged) {
        let why = Unreadable::Malformed(
            "the list is damaged; the token may hold more than is shown".to_owned(),
        );
        asking.problems.push(Problem::new(Part::PivProperties, why));
    }
    Ok(properties)
}

/// VERIFY with an empty body: asks for the tries left and spends none.
fn read_pin_state(asking: &mut Asking<'_>, reference: KeyReference) -> Result<PinState, Stop> {
    let status = match asking.ask(&Verify::query(reference))? {
        Ok(()) => PinStatus::AlreadyVerified,
        Err(Unreadable::Refused(status)) => PinStatus::from_status_word(status),
        Err(why) => PinStatus::Unknown(why),
    };
    Ok(PinState { reference, status })
}

/// What is read in the PIV application.
struct Content {
    interface: Interface,
    objects: Vec<ObjectEntry>,
    keys: Vec<KeyEntry>,
    certificates: Vec<CertificateEntry>,
}

impl Content {
    fn new(interface: Interface) -> Self {
        Self {
            interface,
            objects: Vec::new(),
            keys: Vec::new(),
            certificates: Vec::new(),
        }
    }

    /// What every PIV card has or may have, and no more of the retired keys
    /// than the key history announces.
    fn read_standard(&mut self, asking: &mut Asking<'_>) -> Result<(), Stop> {
        for tag in [
            ObjectTag::DISCOVERY,
            ObjectTag::CHUID,
            ObjectTag::CCC,
            ObjectTag::KEY_HISTORY,
        ] {
            self.read_object(asking, tag)?;
        }
        for slot in [
            KeyReference::PIV_AUTHENTICATION,
            KeyReference::DIGITAL_SIGNATURE,
            KeyReference::KEY_MANAGEMENT,
            KeyReference::CARD_AUTHENTICATION,
        ] {
            self.read_certificate_of(asking, slot)?;
        }
        self.read_retired(asking)
    }

    /// The standard gives retired keys with a certificate on the card the
    /// lowest key references, so the first ones are read; on a card that left
    /// gaps, on until as many were found as the key history announces. Those
    /// with a certificate elsewhere have the highest key references, and
    /// nothing to read (SP 800-73 Part 1, 3.3.3).
    fn read_retired(&mut self, asking: &mut Asking<'_>) -> Result<(), Stop> {
        let Some(history) = self.key_history() else {
            return Ok(());
        };
        let on_card = history.on_card.min(RETIRED_KEYS);
        let off_card = history.off_card.min(RETIRED_KEYS - on_card);
        let mut found = 0;
        for slot in (1..=RETIRED_KEYS).filter_map(KeyReference::retired) {
            if found == on_card {
                break;
            }
            self.read_certificate_of(asking, slot)?;
            let absent = self
                .certificates
                .pop_if(|entry| entry.state == CertificateState::Absent);
            if absent.is_none() {
                found += 1;
            }
        }
        let first_off_card = RETIRED_KEYS - off_card + 1;
        for slot in (first_off_card..=RETIRED_KEYS).filter_map(KeyReference::retired) {
            if self.keys.iter().all(|key| key.slot != slot) {
                self.keys.push(KeyEntry {
                    slot,
                    algorithm: None,
                    algorithm_source: AlgorithmSource::Nothing,
                    origin: KeyOrigin::Unknown,
                    certificate: None,
                });
            }
        }
        Ok(())
    }

    /// What the card's own list of containers names, and nothing else.
    fn read_listed(
        &mut self,
        asking: &mut Asking<'_>,
        properties: &PivProperties,
    ) -> Result<(), Stop> {
        self.keys = properties.keys.iter().map(listed_key).collect();
        let mut slots: BTreeMap<ObjectTag, KeyReference> = BTreeMap::new();
        for key in &self.keys {
            if let Some(tag) = key.certificate {
                slots.entry(tag).or_insert(key.slot);
            }
        }
        let mut seen = BTreeSet::new();
        let listed = properties
            .listed_objects()
            .filter(|tag| seen.insert(*tag))
            .take(MAX_LISTED);
        for tag in listed {
            match slots.get(&tag).copied().or(tag.certificate_key()) {
                Some(slot) => self.read_certificate(asking, tag, Some(slot))?,
                None => self.read_object(asking, tag)?,
            }
        }
        Ok(())
    }

    /// The rest of the standard's objects.
    fn read_rest(&mut self, asking: &mut Asking<'_>) -> Result<(), Stop> {
        for &tag in ObjectTag::ALL {
            if self.knows(tag) {
                continue;
            }
            match tag.certificate_key() {
                Some(slot) => self.read_certificate_of(asking, slot)?,
                None => self.read_object(asking, tag)?,
            }
        }
        Ok(())
    }

    fn knows(&self, tag: ObjectTag) -> bool {
        self.objects.iter().any(|object| object.tag == tag)
            || self.certificates.iter().any(|entry| entry.tag == tag)
    }

    /// Reads a data object that is not known to be a certificate. An unknown
    /// one that turns out to be one is listed as one.
    fn read_object(&mut self, asking: &mut Asking<'_>, tag: ObjectTag) -> Result<(), Stop> {
        let state = if tag.read_access() == ReadAccess::Pin {
            ObjectState::NeedsPin
        } else {
            match asking.ask(&GetData { tag })? {
                Ok(content) if content.is_empty() => ObjectState::Empty,
                Ok(content) => {
                    if let Some(info) = unexpected_certificate(tag, &content) {
                        self.certificates.push(CertificateEntry {
                            slot: None,
                            tag,
                            state: CertificateState::Present(Box::new(info)),
                        });
                        return Ok(());
                    }
                    decode_object(tag, &content)
                }
                Err(why) if is_absent(&why) => ObjectState::Absent,
                Err(why) if self.is_pin_refusal(&why) => ObjectState::NeedsPin,
                Err(why) => ObjectState::Unreadable(why),
            }
        };
        self.objects.push(ObjectEntry {
            tag,
            name: tag.name().to_owned(),
            state,
        });
        Ok(())
    }

    /// On contact "security status not satisfied" to a read means the PIN; on
    /// the contactless interface the PIN would not help.
    fn is_pin_refusal(&self, why: &Unreadable) -> bool {
        self.interface == Interface::Contact
            && *why == Unreadable::Refused(StatusWord::SECURITY_STATUS_NOT_SATISFIED)
    }

    /// Reads the certificate of one of the standard's keys.
    fn read_certificate_of(
        &mut self,
        asking: &mut Asking<'_>,
        slot: KeyReference,
    ) -> Result<(), Stop> {
        match slot.certificate_object() {
            Some(tag) => self.read_certificate(asking, tag, Some(slot)),
            None => Ok(()),
        }
    }

    fn read_certificate(
        &mut self,
        asking: &mut Asking<'_>,
        tag: ObjectTag,
        slot: Option<KeyReference>,
    ) -> Result<(), Stop> {
        let state = match asking.ask(&GetData { tag })? {
            Ok(content) => decode_certificate(&content),
            Err(why) if is_absent(&why) => CertificateState::Absent,
            Err(why) => CertificateState::Unreadable(why),
        };
        if let Some(slot) = slot
            && self.keys.iter().all(|key| key.slot != slot)
        {
            self.keys.extend(key_of_certificate(slot, tag, &state));
        }
        self.certificates
            .push(CertificateEntry { slot, tag, state });
        Ok(())
    }

    fn value(&self, tag: ObjectTag) -> Option<&ObjectValue> {
        self.objects
            .iter()
            .find(|object| object.tag == tag)
            .and_then(|object| match &object.state {
                ObjectState::Present { value, .. } => Some(value),
                _ => None,
            })
    }

    fn chuid(&self) -> Option<&Chuid> {
        match self.value(ObjectTag::CHUID)? {
            ObjectValue::Chuid(chuid) => Some(chuid),
            _ => None,
        }
    }

    fn discovery(&self) -> Option<&Discovery> {
        match self.value(ObjectTag::DISCOVERY)? {
            ObjectValue::Discovery(discovery) => Some(discovery),
            _ => None,
        }
    }

    fn key_history(&self) -> Option<&KeyHistory> {
        match self.value(ObjectTag::KEY_HISTORY)? {
            ObjectValue::KeyHistory(history) => Some(history),
            _ => None,
        }
    }

    fn uses_global_pin(&self) -> bool {
        self.discovery()
            .is_some_and(|discovery| discovery.pin_usage.global_pin())
    }

    /// Whether the card implements the VCI: its discovery object says so
    /// (SP 800-73 Part 1, 3.3.2).
    fn vci(&self) -> Said {
        let state = self
            .objects
            .iter()
            .find(|object| object.tag == ObjectTag::DISCOVERY)
            .map(|object| &object.state);
        match (self.discovery(), state) {
            (Some(discovery), _) if discovery.pin_usage.vci() => Said::Yes,
            (Some(_), _) | (None, Some(ObjectState::Absent | ObjectState::Empty)) => {
                Said::No(Reason::NotAnnounced)
            }
            (None, Some(_)) => Said::Nothing(Reason::CouldNotRead),
            // A Crescendo that does not list a discovery object.
            (None, None) => Said::Nothing(Reason::NotPubliclyDocumented),
        }
    }

    /// Whether there is a pairing code to read: a card with the VCI has one,
    /// unless it does the VCI without.
    fn pairing_code(&self, listed: Option<&PivProperties>) -> Said {
        let is_listed = listed.is_some_and(|properties| {
            properties
                .listed_objects()
                .any(|tag| tag == ObjectTag::PAIRING_CODE)
        });
        let without = self
            .discovery()
            .is_some_and(|discovery| discovery.pin_usage.vci_without_pairing_code());
        match self.vci() {
            _ if is_listed => Said::Yes,
            Said::Yes if without => Said::No(Reason::NotAnnounced),
            said => said,
        }
    }
}

/// Whether a Crescendo has a card management key of the standard's: its list of
/// containers says so.
fn management_key(listed: Option<&PivProperties>) -> Said {
    match listed {
        Some(properties) if properties.key(KeyReference::CARD_MANAGEMENT).is_some() => Said::Yes,
        Some(properties) if !properties.damaged => Said::No(Reason::NotAnnounced),
        _ => Said::Nothing(Reason::CouldNotRead),
    }
}

fn listed_key(block: &KeyBlock) -> KeyEntry {
    let algorithm = block.algorithm();
    KeyEntry {
        slot: block.key,
        algorithm,
        algorithm_source: match algorithm {
            Some(_) => AlgorithmSource::Properties,
            None => AlgorithmSource::Nothing,
        },
        origin: match (block.is_filled(), block.attributes) {
            (None, _) | (_, None) => KeyOrigin::Unknown,
            (Some(false), _) => KeyOrigin::Allocated,
            (Some(true), Some(attributes)) => match attributes.private_init {
                Init::Generated => KeyOrigin::Generated,
                Init::Injected => KeyOrigin::Injected,
                // A public key without a private one.
                Init::None => KeyOrigin::Allocated,
                Init::Other(value) => KeyOrigin::Other(value),
            },
        },
        certificate: block.certificate(),
    }
}

/// On a card without a list of keys: a certificate is the only sign of a key.
fn key_of_certificate(
    slot: KeyReference,
    tag: ObjectTag,
    state: &CertificateState,
) -> Option<KeyEntry> {
    let algorithm = match state {
        CertificateState::Present(info) => info.public_key.piv(),
        CertificateState::NotX509 { .. } => None,
        _ => return None,
    };
    Some(KeyEntry {
        slot,
        algorithm,
        algorithm_source: match algorithm {
            Some(_) => AlgorithmSource::Certificate,
            None => AlgorithmSource::Nothing,
        },
        origin: KeyOrigin::Unknown,
        certificate: Some(tag),
    })
}

fn is_absent(why: &Unreadable) -> bool {
    matches!(
        why,
        Unreadable::Refused(StatusWord::FILE_NOT_FOUND | StatusWord::REFERENCED_DATA_NOT_FOUND)
    )
}

fn decode_object(tag: ObjectTag, content: &[u8]) -> ObjectState {
    let value = match tag {
        ObjectTag::CHUID => Chuid::decode(content).map(|it| ObjectValue::Chuid(Box::new(it))),
        ObjectTag::CCC => CardCapabilityContainer::decode(content)
            .map(|it| ObjectValue::CardCapabilityContainer(Box::new(it))),
        ObjectTag::DISCOVERY => Discovery::decode(content).map(ObjectValue::Discovery),
        ObjectTag::KEY_HISTORY => KeyHistory::decode(content).map(ObjectValue::KeyHistory),
        ObjectTag::SECURITY_OBJECT => {
            SecurityObject::decode(content).map(|it| ObjectValue::SecurityObject(Box::new(it)))
        }
        ObjectTag::SM_SIGNER => {
            SmSigner::decode(content).map(|it| ObjectValue::SmSigner(Box::new(it)))
        }
        _ => Ok(ObjectValue::Raw(content.to_vec())),
    };
    match value {
        Ok(value) => ObjectState::Present {
            value,
            size: content.len(),
        },
        Err(error) => ObjectState::Unreadable(Unreadable::Malformed(error.to_string())),
    }
}

/// The certificate itself in a certificate object.
const CERTIFICATE: Tag = Tag::new(0x70);

fn decode_certificate(content: &[u8]) -> CertificateState {
    // Some cards keep the frame of an object whose certificate was removed.
    if content.is_empty() || matches!(tlv::find(content, CERTIFICATE), Ok(Some([]))) {
        return CertificateState::Empty;
    }
    let object = match CertificateObject::decode(content) {
        Ok(object) => object,
        Err(error) => {
            return CertificateState::Unreadable(Unreadable::Malformed(error.to_string()));
        }
    };
    match CertificateInfo::parse(&object.certificate) {
        Ok(info) => CertificateState::Present(Box::new(CertificateInfo {
            compressed: object.compressed,
            ..info
        })),
        Err(error) => CertificateState::NotX509 {
            der: object.certificate,
            error,
        },
    }
}

/// A vendor's object that holds a certificate the way the standard's do.
fn unexpected_certificate(tag: ObjectTag, content: &[u8]) -> Option<CertificateInfo> {
    if ObjectTag::ALL.contains(&tag) {
        return None;
    }
    match decode_certificate(content) {
        CertificateState::Present(info) => Some(*info),
        _ => None,
    }
}
