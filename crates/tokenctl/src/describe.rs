//! From what `token-manager` read to what is shown: the documents of `--json`
//! and the words for people, in one place for all commands.

use std::time::SystemTime;

use pcsc_transport::Interface;
use piv_apdu::key::KeyReference;
use piv_apdu::object::ObjectTag;
use token_manager::{
    AlgorithmSource, Alphabet, CapabilityEntry, CertificateConcern, CertificateEntry,
    CertificateInfo, CertificateState, FidoApplication, FidoPinState, FidoState, KeyEntry,
    KeyOrigin, OathSlot, OathState, ObjectEntry, ObjectState, PinPolicy, PinStatus, PolicySource,
    Token, TokenFamily, TokenIdentity, Validity, VciState, date, utc,
};

use crate::json;
use crate::memory;
use crate::output::Fields;
use crate::text::{BAD, DIM, GOOD, Text, WARNING};

/// A token in short.
pub(crate) fn summary(token: &Token, now: SystemTime) -> json::Summary {
    let identity = &token.identity;
    json::Summary {
        id: identity.id(),
        name: identity.name.clone(),
        family: identity.family.name(),
        serial: identity.serial.clone(),
        guid: identity.guid.as_ref().map(ToString::to_string),
        reader: token.reader.clone(),
        interface: interface(token.interface),
        pin: pin(&token.pin.status),
        certificates: token
            .certificates
            .iter()
            .filter(|entry| entry.der().is_some())
            .count(),
        unfinished: token.unfinished.as_ref().map(|it| it.action.clone()),
        warnings: token.warnings(now),
        remembered: memory::json(token, now),
    }
}

/// The interface's name.
pub(crate) fn interface(interface: Interface) -> &'static str {
    match interface {
        Interface::Contact => "contact",
        Interface::Contactless => "contactless",
    }
}

/// A PIN's state in JSON.
pub(crate) fn pin(status: &PinStatus) -> json::Pin {
    let state = match status {
        PinStatus::TriesLeft(_) => "tries-left",
        PinStatus::AlreadyVerified => "already-verified",
        PinStatus::Blocked => "blocked",
        PinStatus::NotSet => "not-set",
        _ => "unknown",
    };
    json::Pin {
        state,
        tries_left: status.tries_left(),
        detail: match status {
            PinStatus::Unknown(why) => Some(why.to_string()),
            _ => None,
        },
    }
}

/// A PIN's state for people.
pub(crate) fn pin_text(status: &PinStatus) -> Text {
    let style = match status {
        PinStatus::TriesLeft(1) | PinStatus::Blocked => BAD,
        PinStatus::TriesLeft(2) | PinStatus::NotSet => WARNING,
        PinStatus::TriesLeft(_) | PinStatus::AlreadyVerified => GOOD,
        _ => DIM,
    };
    Text::styled(status.to_string(), style)
}

/// The same in few columns.
pub(crate) fn pin_short(status: &PinStatus) -> Text {
    match status {
        PinStatus::Blocked => Text::styled("blocked", BAD),
        PinStatus::Unknown(_) => Text::styled("unknown", DIM),
        other => pin_text(other),
    }
}

/// How the virtual contact interface stands, in JSON.
fn vci(state: &VciState) -> json::Vci {
    let (suite, vouched) = match state {
        VciState::Open { suite, vouched } => (Some(suite.name()), Some(*vouched)),
        _ => (None, None),
    };
    json::Vci {
        state: state.id(),
        suite,
        vouched,
        detail: match state {
            VciState::Closed(why) => Some(why.to_string()),
            _ => None,
        },
    }
}

/// The same for people, on a contactless reader.
pub(crate) fn vci_text(state: &VciState) -> Text {
    match state {
        VciState::Open { vouched: true, .. } => Text::styled(state.to_string(), GOOD),
        VciState::Open { .. } | VciState::Closed(_) => Text::styled(state.to_string(), WARNING),
        _ => Text::styled(state.to_string(), DIM),
    }
}

/// The PIN policy in JSON.
pub(crate) fn pin_policy(policy: &PinPolicy) -> json::PinPolicy {
    json::PinPolicy {
        minimum: policy.minimum,
        maximum: policy.maximum,
        alphabet: match policy.alphabet {
            Alphabet::Digits => "digits",
            _ => "any",
        },
        decided_by: match policy.decided_by {
            PolicySource::Card => "card",
            PolicySource::Profile => "profile",
            PolicySource::Nobody => "nobody",
            _ => "standard",
        },
        evidence: policy.evidence.map(crescendo_ext::Evidence::name),
        notes: policy.notes.iter().map(ToString::to_string).collect(),
    }
}

/// Two hexadecimal digits of a key reference.
pub(crate) fn slot(key: KeyReference) -> String {
    format!("{:02X}", key.get())
}

/// The hexadecimal digits of an object's tag.
pub(crate) fn tag(tag: ObjectTag) -> String {
    crate::hex::encode(&tag.to_bytes())
}

/// A key's place.
pub(crate) fn key(key: &KeyEntry) -> json::Key {
    json::Key {
        slot: slot(key.slot),
        name: key.slot.name().to_owned(),
        algorithm: key.algorithm.map(|algorithm| algorithm.name().to_owned()),
        algorithm_source: match key.algorithm_source {
            AlgorithmSource::Properties => "properties",
            AlgorithmSource::Certificate => "certificate",
            _ => "nothing",
        },
        origin: match key.origin {
            KeyOrigin::Generated => "generated",
            KeyOrigin::Injected => "injected",
            KeyOrigin::Allocated => "allocated",
            KeyOrigin::Other(_) => "undocumented",
            _ => "unknown",
        },
        filled: key.is_filled(),
        certificate_object: key.certificate.map(tag),
    }
}

/// A place for a certificate in JSON.
pub(crate) fn certificate_slot(entry: &CertificateEntry, now: SystemTime) -> json::CertificateSlot {
    let (state, detail) = match &entry.state {
        CertificateState::Present(_) => ("present", None),
        CertificateState::Empty => ("empty", None),
        CertificateState::Absent => ("absent", None),
        CertificateState::NotX509 { error, .. } => ("not-x509", Some(error.clone())),
        CertificateState::NeedsContact => ("needs-contact", None),
        CertificateState::Unreadable(why) => ("unreadable", Some(why.to_string())),
        _ => ("unreadable", None),
    };
    json::CertificateSlot {
        slot: entry.slot.map(slot),
        object: tag(entry.tag),
        state,
        detail,
        certificate: entry.certificate().map(|info| certificate(info, now)),
    }
}

fn certificate(info: &CertificateInfo, now: SystemTime) -> json::Certificate {
    json::Certificate {
        subject: info.subject.clone(),
        issuer: info.issuer.clone(),
        self_issued: info.self_issued,
        serial: info.serial_hex(),
        not_before: utc(info.not_before),
        not_after: utc(info.not_after),
        validity: match info.validity(now) {
            Validity::Valid => "valid",
            Validity::NotYetValid => "not-yet-valid",
            Validity::Expired => "expired",
        },
        concerns: info.concerns(now).into_iter().map(concern).collect(),
        key_usage: info
            .key_usage
            .as_ref()
            .map(|usages| usages.iter().map(|usage| usage.name()).collect()),
        extended_key_usage: info.extended_key_usage.as_ref().map(|purposes| {
            purposes
                .iter()
                .map(|purpose| json::Purpose {
                    oid: purpose.oid(),
                    name: purpose.name(),
                })
                .collect()
        }),
        public_key: info.public_key.to_string(),
        signature_algorithm: info.signature_algorithm.clone(),
        sha256: info.sha256_hex(),
        compressed: info.compressed,
        pem: token_manager::certificate_pem(&info.der),
    }
}

fn concern(concern: CertificateConcern) -> json::Reason {
    json::Reason {
        id: concern.id(),
        sentence: concern.sentence(),
    }
}

/// Validity for people, with the date that matters, and what else is of concern.
pub(crate) fn validity(info: &CertificateInfo, now: SystemTime) -> Text {
    let concerns = info.concerns(now);
    let (end, soon) = (date(info.not_after), CertificateConcern::ExpiresSoon);
    let text = match info.validity(now) {
        Validity::Valid if concerns.contains(&soon) => {
            Text::styled(soon.phrase(), WARNING).plain(format!(", on {end}"))
        }
        Validity::Valid => Text::styled("valid", GOOD).plain(format!(" until {end}")),
        Validity::NotYetValid => Text::styled("not yet valid", WARNING)
            .plain(format!(", from {}", date(info.not_before))),
        Validity::Expired => Text::styled("expired", BAD).plain(format!(" on {end}")),
    };
    concerns
        .into_iter()
        .filter(|concern| {
            matches!(
                concern,
                CertificateConcern::WeakKey | CertificateConcern::WeakSignature
            )
        })
        .fold(text, |text, weak| text.then(format!("; {weak}"), WARNING))
}

/// A data object in JSON.
pub(crate) fn object(entry: &ObjectEntry) -> json::Object {
    let (state, detail, size, content) = match &entry.state {
        ObjectState::Present { value, size } => {
            ("present", None, Some(*size), crate::objects::json(value))
        }
        ObjectState::Empty => ("empty", None, Some(0), None),
        ObjectState::Absent => ("absent", None, None, None),
        ObjectState::NeedsPin => ("needs-pin", None, None, None),
        ObjectState::NeedsContact => ("needs-contact", None, None, None),
        ObjectState::Unreadable(why) => ("unreadable", Some(why.to_string()), None, None),
        _ => ("unreadable", None, None, None),
    };
    json::Object {
        tag: tag(entry.tag),
        name: entry.name.clone(),
        state,
        detail,
        size,
        content,
    }
}

/// A one-time-password slot in JSON.
pub(crate) fn oath_slot(slot: &OathSlot) -> json::OathSlot {
    let (state, detail) = match &slot.state {
        OathState::Present => ("present", None),
        OathState::Absent => ("absent", None),
        OathState::Unreadable(why) => ("unreadable", Some(why.to_string())),
        _ => ("unreadable", None),
    };
    json::OathSlot {
        number: slot.number,
        aid: crate::hex::encode(&slot.aid),
        state,
        detail,
    }
}

/// The FIDO application in JSON.
pub(crate) fn fido(token: &Token) -> json::Fido {
    let state = &token.fido;
    let info = state.application().map(|application| &application.info);
    json::Fido {
        state: state.id(),
        detail: match state {
            FidoState::Unreadable(why) => Some(why.to_string()),
            _ => None,
        },
        versions: info.map(|info| info.versions.clone()),
        aaguid: info.map(|info| info.aaguid.to_string()),
        pin: fido_pin(token),
        remaining_credentials: state.application().and_then(FidoApplication::room),
    }
}

/// A FIDO PIN in JSON; `None` without a FIDO application.
pub(crate) fn fido_pin(token: &Token) -> Option<json::FidoPin> {
    let application = token.fido.application()?;
    let lengths = token.fido_pin_lengths()?;
    Some(json::FidoPin {
        shared_with_piv: token.fido_pin_is_shared(),
        state: fido_pin_state(&application.pin),
        change_wanted: (!application.remembered).then(|| application.wants_pin_change()),
        piv: token.shares_fido_pin().then(|| pin(&token.pin.status)),
        minimum_characters: lengths.minimum_characters,
        maximum_bytes: lengths.maximum_bytes,
    })
}

/// The state of the FIDO side of a PIN that PIV shares; `None` if it does not.
pub(crate) fn shared_fido_side(token: &Token) -> Option<&FidoPinState> {
    let application = token.fido.application()?;
    token.shares_fido_pin().then_some(&application.pin)
}

/// A FIDO PIN's state in JSON.
pub(crate) fn fido_pin_state(state: &FidoPinState) -> json::FidoPinState {
    json::FidoPinState {
        state: state.id(),
        tries_left: state.tries_left(),
        detail: match state {
            FidoPinState::Unknown(why) => Some(why.to_string()),
            _ => None,
        },
    }
}

/// A FIDO PIN for people: its state, its way out, and its rules.
pub(crate) fn fido_pin_fields(fields: &mut Fields, label: &'static str, token: &Token) {
    let Some(application) = token.fido.application() else {
        return;
    };
    let shared = token.fido_pin_is_shared();
    if application.remembered && matches!(application.pin, FidoPinState::Unknown(_)) {
        let text = "not asked now; `tokenctl fido pin status` or `show --fresh` asks";
        fields.add(label, Text::styled(text, DIM));
    } else {
        let text = fido_pin_text(&application.pin, shared);
        fields.add(label, text);
    }
    match shared {
        Some(true) => {
            let text = "with PIV: changed on either side, it is changed on both";
            fields.add("For PIV", shared_pin_text(&token.pin.status));
            fields.add("Shared", Text::from(text));
        }
        None => {
            let text = "unknown: what would tell could not be read here";
            fields.add("Shared", Text::styled(text, DIM));
        }
        Some(false) => {}
    }
    if application.wants_pin_change() {
        let text = "the FIDO PIN has to be changed: `tokenctl fido pin change`";
        fields.add("Wanted", Text::styled(text, WARNING));
    }
    if shared.is_some()
        && let Some(rule) = fido_pin_rule(token)
    {
        fields.add("Takes", rule);
    }
}

/// Which FIDO PINs a token takes, for people; `None` without a FIDO application.
pub(crate) fn fido_pin_rule(token: &Token) -> Option<String> {
    let lengths = token.fido_pin_lengths()?;
    let (least, most) = (lengths.minimum_characters, lengths.maximum_bytes);
    if !token.shares_fido_pin() {
        return Some(format!(
            "{least} characters of any kind at least, {most} bytes of UTF-8 at most"
        ));
    }
    let policy = &token.pin_policy;
    let kind = policy.alphabet.name();
    let strong = if policy.refuse_weak {
        "; no weak PIN"
    } else {
        ""
    };
    Some(format!(
        "{least} {kind} at least, {most} bytes of UTF-8 at most, for PIV and FIDO{strong}"
    ))
}

/// The state on PIV's side of a PIN that FIDO shares, for people.
pub(crate) fn shared_pin_text(status: &PinStatus) -> Text {
    match status {
        PinStatus::Blocked => Text::styled(SHARED_AND_BLOCKED, BAD),
        other => pin_text(other),
    }
}

const SHARED_AND_BLOCKED: &str =
    "blocked here; `tokenctl pin unblock` sets a new PIN for PIV and FIDO";

/// A FIDO PIN's state for people. One that PIV shares is the token's, and FIDO's reset
/// leaves it; where it is not known whether it is, no way out is.
pub(crate) fn fido_pin_text(state: &FidoPinState, shared: Option<bool>) -> Text {
    let style = match state {
        FidoPinState::Blocked if shared == Some(true) => {
            return Text::styled(SHARED_AND_BLOCKED, BAD);
        }
        FidoPinState::Blocked if shared.is_none() => return Text::styled("blocked", BAD),
        FidoPinState::TriesLeft(1) | FidoPinState::Blocked => BAD,
        FidoPinState::TriesLeft(2) | FidoPinState::PowerCycleNeeded { .. } => WARNING,
        FidoPinState::TriesLeft(_) => GOOD,
        _ => DIM,
    };
    Text::styled(state.to_string(), style)
}

/// A capability in JSON.
pub(crate) fn capability(entry: CapabilityEntry) -> json::Capability {
    json::Capability {
        action: entry.action.id(),
        name: entry.action.name(),
        state: entry.capability.id(),
        reason: entry.capability.reason().map(reason),
        token_state: entry.token.id(),
        token_reason: entry.token.reason().map(reason),
        evidence: entry.evidence.map(crescendo_ext::Evidence::name),
    }
}

/// Why something can't be done, in JSON.
pub(crate) fn reason(reason: token_manager::Reason) -> json::Reason {
    json::Reason {
        id: reason.id(),
        sentence: reason.sentence(),
    }
}

/// Everything about a token in JSON.
pub(crate) fn token(token: &Token, now: SystemTime) -> json::TokenBody {
    let crescendo = match &token.identity.family {
        TokenFamily::Crescendo(identity) => Some(identity),
        _ => None,
    };
    json::TokenBody {
        summary: summary(token, now),
        form: crescendo.map(|identity| match identity.form() {
            crescendo_ext::identity::Form::Card => "card",
            crescendo_ext::identity::Form::Key => "key",
        }),
        fips: crescendo.map(crescendo_ext::identity::Identity::is_fips),
        atr: crate::hex::encode(token.atr.as_bytes()),
        application_label: token.identity.application_label.clone(),
        applet_version: token
            .identity
            .applet_version
            .as_ref()
            .map(ToString::to_string),
        vci: vci(&token.vci),
        pin_policy: pin_policy(&token.pin_policy),
        keys: token.keys.iter().map(key).collect(),
        certificate_slots: token
            .certificates
            .iter()
            .map(|entry| certificate_slot(entry, now))
            .collect(),
        objects: token.objects.iter().map(object).collect(),
        oath_slots: token.oath_slots.iter().map(oath_slot).collect(),
        fido: fido(token),
        capabilities: token.capabilities.iter().copied().map(capability).collect(),
        problems: token.problems.iter().map(ToString::to_string).collect(),
        round_trips: token.round_trips,
    }
}

/// The short id of a token that is remembered.
pub(crate) fn cached_id(identity: &token_manager::token_cache::Identity) -> Option<String> {
    let by_serial = identity.serial().map(TokenIdentity::id_of_serial);
    identity.guid().map(TokenIdentity::id_of).or(by_serial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unverified_pin_is_never_zero_left() {
        assert_eq!(pin(&PinStatus::AlreadyVerified).tries_left, None);
        let shown = pin_short(&PinStatus::AlreadyVerified).to_string();
        assert!(
            !anstream::adapter::strip_str(&shown)
                .to_string()
                .contains('0')
        );
        assert_eq!(pin(&PinStatus::Blocked).tries_left, Some(0));
        assert_eq!(pin(&PinStatus::TriesLeft(3)).tries_left, Some(3));
    }

    #[test]
    fn no_reset_is_advised_for_a_blocked_fido_pin_that_may_be_the_token_s() {
        let text = |shared| fido_pin_text(&FidoPinState::Blocked, shared).to_string();
        assert!(text(Some(false)).contains("erases"));
        for shared in [None, Some(true)] {
            let text = text(shared);
            assert!(
                text.contains("blocked") && !text.contains("erases"),
                "{text}"
            );
        }
    }
}
