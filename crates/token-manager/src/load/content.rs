//! What is in the PIV application: data objects, certificates, keys.

use std::collections::{BTreeMap, BTreeSet};

use crescendo_ext::properties::{Init, KeyBlock, PivProperties};
use piv_apdu::command::GetData;
use piv_apdu::key::KeyReference;
use piv_apdu::object::{
    CardCapabilityContainer, CertificateRef, Chuid, DataObject, Discovery, KeyHistory, ObjectTag,
    ReadAccess, SecurityObject, SmSigner,
};
use piv_apdu::sm::CipherSuite;
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Tag};

use token_cache::Item;
use token_profile::{ManagementProfile, ProfileError};

use super::asking::{Asking, Stop};
use crate::capability::{Reason, Said};
use crate::certificate::{CertificateEntry, CertificateInfo, CertificateState};
use crate::content::{AlgorithmSource, KeyEntry, KeyOrigin, ObjectEntry, ObjectState, ObjectValue};
use crate::error::Unreadable;
use crate::token::ProfileState;
use crate::vci::VciState;

/// The most containers of a card's own list that are read. A real list has
/// about forty; a hostile one must not keep a load going.
const MAX_LISTED: usize = 64;

/// Retired key management keys, by the standard (SP 800-73 Part 1, 3.3.3).
const RETIRED_KEYS: u8 = 20;

/// What is read in the PIV application.
pub(super) struct Content {
    vci: VciState,
    /// The cipher suite of secure messaging that the card announces.
    suite: Option<CipherSuite>,
    pub(super) objects: Vec<ObjectEntry>,
    pub(super) keys: Vec<KeyEntry>,
    pub(super) certificates: Vec<CertificateEntry>,
    /// Retired keys' certificates that were looked for and are not there.
    gaps: Vec<CertificateEntry>,
}

impl Content {
    pub(super) fn new(vci: &VciState, suite: Option<CipherSuite>) -> Self {
        Self {
            vci: vci.clone(),
            suite,
            objects: Vec::new(),
            keys: Vec::new(),
            certificates: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// What every PIV card has or may have, and no more of the retired keys
    /// than the key history announces.
    pub(super) fn read_standard(&mut self, asking: &mut Asking<'_>) -> Result<(), Stop> {
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
            match absent {
                Some(gap) => self.gaps.push(gap),
                None => found += 1,
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
    pub(super) fn read_listed(
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
    pub(super) fn read_rest(&mut self, asking: &mut Asking<'_>) -> Result<(), Stop> {
        self.certificates.append(&mut self.gaps);
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
            match asking.ask(Item::object(tag), &GetData { tag })? {
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
                // On a contactless reader the PIN would not help.
                Err(why) if is_access_refusal(&why) && !self.vci.allows_contact() => {
                    ObjectState::NeedsContact
                }
                Err(why) if is_access_refusal(&why) => ObjectState::NeedsPin,
                Err(why) => ObjectState::Unreadable(why),
            }
        };
        let name = if is_our_profile(tag, &state) {
            PROFILE_NAME
        } else {
            tag.name()
        };
        self.objects.push(ObjectEntry {
            tag,
            name: name.to_owned(),
            state,
        });
        Ok(())
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
        let state = match asking.ask(Item::object(tag), &GetData { tag })? {
            Ok(content) => decode_certificate(&content),
            Err(why) if is_absent(&why) => CertificateState::Absent,
            Err(why) if is_access_refusal(&why) && !self.vci.allows_contact() => {
                CertificateState::NeedsContact
            }
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

    pub(super) fn chuid(&self) -> Option<&Chuid> {
        match self.value(ObjectTag::CHUID)? {
            ObjectValue::Chuid(chuid) => Some(chuid),
            _ => None,
        }
    }

    /// The token management profile, on a token that lists a place for it.
    pub(super) fn profile(&self) -> ProfileState {
        let tag = ObjectTag::try_from(token_profile::OBJECT_TAG).ok();
        let Some(object) = self.objects.iter().find(|object| Some(object.tag) == tag) else {
            return ProfileState::None;
        };
        match &object.state {
            ObjectState::Present {
                value: ObjectValue::Raw(content),
                ..
            } => match ManagementProfile::decode(content) {
                Ok(profile) => ProfileState::OnToken(profile),
                Err(why) => ProfileState::Unusable(why.to_string()),
            },
            ObjectState::Empty => ProfileState::OnToken(ManagementProfile::default()),
            ObjectState::Absent => ProfileState::None,
            _ => ProfileState::Unusable("it could not be read".to_owned()),
        }
    }

    /// Whether there is nothing that an issuer could have put there: no key, no
    /// certificate, no CHUID that can be seen.
    pub(super) fn is_empty(&self) -> bool {
        let no_certificate = self.certificates.iter().all(|entry| {
            matches!(
                entry.state,
                CertificateState::Absent | CertificateState::Empty
            )
        });
        let no_key = self
            .keys
            .iter()
            .all(|key| key.origin == KeyOrigin::Allocated);
        let chuid = self
            .objects
            .iter()
            .find(|object| object.tag == ObjectTag::CHUID);
        let no_chuid = chuid
            .is_some_and(|object| matches!(object.state, ObjectState::Absent | ObjectState::Empty));
        no_certificate && no_key && no_chuid
    }

    /// Whether the object that may hold a recovery record is there, or may be:
    /// only the PIN opens it.
    pub(super) fn may_hold_recovery_record(&self) -> bool {
        self.objects
            .iter()
            .any(|object| object.tag == ObjectTag::PRINTED_INFORMATION)
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

    pub(super) fn uses_global_pin(&self) -> bool {
        self.discovery()
            .is_some_and(|discovery| discovery.pin_usage.global_pin())
    }

    /// Whether the card implements the VCI: its discovery object says so
    /// (SP 800-73 Part 1, 3.3.2).
    pub(super) fn vci(&self) -> Said {
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
            (None, None) if self.suite.is_none() => Said::No(Reason::NotAnnounced),
            (None, None) => Said::Nothing(Reason::NotPubliclyDocumented),
        }
    }

    /// How the virtual contact interface stands after all was read.
    pub(super) fn vci_is(&mut self, state: &VciState) {
        self.vci = state.clone();
    }

    /// Why it can't be done now what contact allows.
    pub(super) fn no_vci(&self) -> Option<Reason> {
        self.vci.obstacle()
    }

    /// Whether there is a pairing code to read, or may be. A card that lists its
    /// containers says so; the standard has one on every card whose VCI takes it
    /// (SP 800-73-5 Part 1, 3.3.8). Where nothing tells, a look behind the PIN does.
    pub(super) fn pairing_code(&self, listed: Option<&PivProperties>) -> Said {
        let without = self
            .discovery()
            .is_some_and(|discovery| discovery.pin_usage.vci_without_pairing_code());
        let vci = self.vci();
        match listed {
            Some(properties) if lists_pairing_code(properties) => Said::Yes,
            _ if vci == Said::Yes && !without => Said::Yes,
            Some(properties) if !properties.damaged => Said::No(Reason::NotAnnounced),
            _ => match vci {
                Said::Nothing(_) => Said::Yes,
                _ => Said::No(Reason::NotAnnounced),
            },
        }
    }
}

fn lists_pairing_code(properties: &PivProperties) -> bool {
    properties
        .listed_objects()
        .any(|tag| tag == ObjectTag::PAIRING_CODE)
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

/// "Security status not satisfied" to a read: on contact it means the PIN, on the
/// contactless interface the virtual contact interface.
fn is_access_refusal(why: &Unreadable) -> bool {
    *why == Unreadable::Refused(StatusWord::SECURITY_STATUS_NOT_SATISFIED)
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
    let found = CertificateRef::decode(content);
    let (der, compressed) = match found.and_then(|found| Ok((found.der()?, found.compressed))) {
        Ok(certificate) => certificate,
        Err(error) => {
            return CertificateState::Unreadable(Unreadable::Malformed(error.to_string()));
        }
    };
    match CertificateInfo::parse(&der) {
        Ok(info) => CertificateState::Present(Box::new(CertificateInfo { compressed, ..info })),
        Err(error) => CertificateState::NotX509 {
            der: der.into_owned(),
            error,
        },
    }
}

/// What the object that holds the token management profile is called. Never by
/// its tag alone: another card may have something else there.
const PROFILE_NAME: &str = "token management profile (this project's own)";

/// Whether an object is the token management profile, be it damaged.
fn is_our_profile(tag: ObjectTag, state: &ObjectState) -> bool {
    let has_place = ObjectTag::try_from(token_profile::OBJECT_TAG) == Ok(tag);
    has_place
        && match state {
            ObjectState::Empty => true,
            ObjectState::Present {
                value: ObjectValue::Raw(content),
                ..
            } => !matches!(
                ManagementProfile::decode(content),
                Err(ProfileError::NotOurs)
            ),
            _ => false,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// The tag alone proves nothing: another card may have something else there.
    #[test]
    fn the_profile_is_named_only_where_it_is_ours() {
        let tag = ObjectTag::try_from(token_profile::OBJECT_TAG).unwrap();
        let present = |content: &[u8]| ObjectState::Present {
            value: ObjectValue::Raw(content.to_vec()),
            size: content.len(),
        };
        let ours = ManagementProfile::default().encode();
        assert!(is_our_profile(tag, &present(&ours)));
        assert!(is_our_profile(tag, &ObjectState::Empty));
        assert!(!is_our_profile(tag, &present(&[0x80, 0x01, 0x00])));
        assert!(!is_our_profile(tag, &ObjectState::NeedsPin));
        assert!(!is_our_profile(ObjectTag::CHUID, &present(&ours)));
    }
}
