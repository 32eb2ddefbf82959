//! Reading one token: which commands, in which order, and what each answer
//! means.

mod asking;
mod content;
mod fido;
mod memory;
mod recognise;
mod vci;
mod vendor;

use std::sync::Arc;

use crescendo_ext::identity::{Family, Identity};
use crescendo_ext::properties::{GetPivProperties, PivProperties};
use pcsc_transport::{Card, Interface, LinkError, LinkInfo, Transaction, TransportError};
use piv_apdu::command::{ApplicationProperties, Select, Verify};
use piv_apdu::key::KeyReference;
use piv_apdu::sm::SmError;
use piv_apdu::status::StatusWord;
use token_cache::{Identity as CachedIdentity, Item};

pub(crate) use self::asking::{Limits, deadline};

use self::asking::{Asking, Stop};
use self::content::Content;
use self::memory::Memory;
use self::recognise::recognise;
use self::vci::{Vci, open_vci};
use self::vendor::{VendorParts, read_vendor_parts};
use crate::capability::{Capabilities, Facts, Reason, Said};
use crate::error::{LoadError, Part, Problem, Unreadable};
use crate::options::LoadOptions;
use crate::pin::{PinState, PinStatus};
use crate::record::HostRecord;
use crate::session::Overrides;
use crate::token::{ProfileState, Token, TokenFamily, TokenIdentity};
use crate::vci::{VciError, VciState, announced_suite};

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
/// | on a C4000 and on a Key: SELECT of the FIDO application | `00 A4 04 00 08 A0000006472F0001 00` |
/// | if it is there: authenticatorGetInfo; if it has a PIN, getPINRetries | `80 10 80 00 01 04 00`; `80 10 80 00 06 06A201pp0201 00` |
/// | SELECT of the PIV application | as above |
/// | GET PIV PROPERTIES | C2300: `00 CB 3F FF 05 5C 03 FFFF7F 00`; C4000: `80 56 00 00 00` |
/// | VERIFY without a PIN | as above |
/// | GET DATA of what the properties list, and of nothing else | as above |
///
/// If such a token does not answer GET PIV PROPERTIES usefully, it is read like
/// a plain PIV card, and [`Token::problems`] says so. Objects behind the PIN
/// are not asked for. The PIV application stays selected. Selecting other
/// applications first drops a PIN that another program has verified on the
/// PIV application of a Crescendo, or in its FIDO application.
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

fn read_token(card: &mut Card, options: &LoadOptions, limits: &Limits) -> Result<Token, Stop> {
    let info = card.info().clone();
    let crescendo = Identity::from_atr(&info.atr);
    limits.check()?;
    let memory = Memory::new(options, crescendo.is_some());
    let mut asking = Asking::new(begin(card)?, limits, memory);
    recognise(&mut asking, crescendo.is_some())?;

    let vendor = match &crescendo {
        Some(identity) => read_vendor_parts(&mut asking, identity)?,
        None => VendorParts::none(),
    };
    let application = select_piv(&mut asking, crescendo.is_some())?;
    let Vci { state, announced } = match &application {
        Ok(application) => open_vci(&mut asking, application, &options.vci)?,
        Err(_) => Vci::none(info.interface),
    };
    asking.memory.sees_all(state.allows_contact());
    let suite = match &application {
        Ok(application) => announced_suite(&application.algorithms),
        Err(_) => None,
    };
    let properties = match (&crescendo, &application) {
        (Some(identity), Ok(_)) => read_properties(&mut asking, identity.family())?,
        _ => None,
    };

    let mut content = Content::new(&state, suite);
    let pin = match &application {
        Ok(_) => read_content(&mut asking, &mut content, properties.as_ref(), options)?,
        Err(why) => PinState {
            reference: KeyReference::PIV_PIN,
            status: PinStatus::Unknown(why.clone()),
        },
    };
    let state = vci_after(state, &mut asking);
    content.vci_is(&state);
    let problems = std::mem::take(&mut asking.problems);

    let family = crescendo.as_ref().map(Identity::family);
    let profile = content.profile();
    let facts = facts(
        &info,
        family,
        &pin,
        properties.as_ref(),
        &vendor,
        &content,
        &profile,
    );
    let guid = content.chuid().map(|chuid| chuid.guid);
    let application = application.unwrap_or_default();
    let label = application.label.filter(|label| !label.trim().is_empty());
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
    // Others wait for the card no longer than for the reading.
    let Asking {
        transaction,
        memory,
        ..
    } = asking;
    drop(transaction);
    let remembered = memory.close(CachedIdentity::new(
        &info.atr,
        identity.guid,
        identity.serial.clone(),
    ));
    let mut token = Token {
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
        fido: vendor.fido,
        profile,
        recovery: None,
        unfinished: None,
        capabilities: Capabilities::evaluate(&facts),
        problems,
        round_trips: 0,
        remembered,
        vci: state,
        announced: announced.map(Arc::new),
        facts,
    };
    token.complete(&HostRecord::new(), Overrides::default());
    Ok(token)
}

/// How the virtual contact interface stands after everything was read: a session that
/// broke meanwhile was open, and is not.
fn vci_after(state: VciState, asking: &mut Asking<'_>) -> VciState {
    if matches!(state, VciState::Open { .. }) && !asking.transaction.is_secured() {
        asking.memory.is_spoiled();
        return VciState::Closed(VciError::Session(SmError::Over));
    }
    state
}

/// What is in the PIV application, and the state of the PIN that it uses.
fn read_content(
    asking: &mut Asking<'_>,
    content: &mut Content,
    properties: Option<&PivProperties>,
    options: &LoadOptions,
) -> Result<PinState, Stop> {
    let pin = read_pin_state(asking, KeyReference::PIV_PIN)?;
    match properties {
        Some(properties) => content.read_listed(asking, properties)?,
        None => content.read_standard(asking)?,
    }
    if options.all {
        content.read_rest(asking)?;
    }
    if pin.status == PinStatus::NotSet && content.uses_global_pin() {
        read_pin_state(asking, KeyReference::GLOBAL_PIN)
    } else {
        Ok(pin)
    }
}

/// What capabilities depend on. What only the host knows is added later
/// ([`Token::complete`]).
fn facts(
    info: &LinkInfo,
    family: Option<Family>,
    pin: &PinState,
    properties: Option<&PivProperties>,
    vendor: &VendorParts,
    content: &Content,
    profile: &ProfileState,
) -> Facts {
    Facts {
        family,
        interface: info.interface,
        pin: pin.status.clone(),
        issuer_signed: content
            .chuid()
            .is_some_and(|chuid| !chuid.signature.is_empty()),
        vci: content.vci(),
        no_vci: content.no_vci(),
        pairing_code: content.pairing_code(properties),
        pin_properties: vendor.pin_properties,
        management_key: management_key(properties),
        oath: vendor.oath,
        fido: vendor.fido.said(),
        fido_pin_is_shared: None,
        fido_pin_blocked: vendor.fido.is_blocked(),
        card_policy: vendor.pin_policy.clone(),
        project_profile: *profile != ProfileState::None,
        personalized: profile
            .profile()
            .is_some_and(|profile| profile.personalized),
        empty: content.is_empty(),
        personalized_here: false,
        has_key: false,
        recovery: None,
        protected_object: content.may_hold_recovery_record(),
        overrides: Overrides::default(),
    }
}

fn begin(card: &mut Card) -> Result<Transaction<'_>, Stop> {
    card.begin().map_err(|error| match error {
        TransportError::Link(error) => Stop::Link(error),
        other => Stop::NoSelectAnswer(other.to_string()),
    })
}

/// Selects the PIV application. A card whose family is known goes on being
/// read without it; any other one is not a PIV card then.
fn select_piv(
    asking: &mut Asking<'_>,
    known_family: bool,
) -> Result<Result<ApplicationProperties, Unreadable>, Stop> {
    match asking.ask(Some(Item::PivApplication), &Select::piv())? {
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
    let answer = asking.ask(Some(Item::PivProperties), &GetPivProperties { family })?;
    let answer = answer.and_then(|properties| {
        if properties.is_conclusive() {
            return Ok(properties);
        }
        // Taken at its word, it would hide all that the token holds.
        let why = "no container in the list was understood".to_owned();
        Err(Unreadable::Malformed(why))
    });
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
    let info = asking.transaction.info();
    let secured = info.interface == Interface::Contact || asking.transaction.is_secured();
    let status = match asking.ask(
        Some(Item::Tries(reference.get())),
        &Verify::query(reference),
    )? {
        Ok(()) => PinStatus::AlreadyVerified,
        Err(Unreadable::Refused(StatusWord::SECURITY_STATUS_NOT_SATISFIED)) if !secured => {
            let why = "on a contactless reader it is told in a secure session only";
            PinStatus::Unknown(Unreadable::NotTold(why))
        }
        Err(Unreadable::Refused(status)) => PinStatus::from_status_word(status),
        Err(why) => PinStatus::Unknown(why),
    };
    Ok(PinState { reference, status })
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
