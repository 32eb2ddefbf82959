//! One token: who it is, and everything on it that can be read without a PIN.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crescendo_ext::AppletVersion;
use crescendo_ext::identity::{Family, Identity as CrescendoIdentity};
use ctap_apdu::FidoPin;
use pcsc_transport::Interface;
use piv_apdu::atr::Atr;
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::{Guid, ObjectTag};
use sha2::{Digest, Sha256};
use token_cache::{Identity, Name};

use token_profile::{ChallengeType, ManagementProfile, Policy};

use crate::capability::{Action, Capabilities, Facts};
use crate::certificate::{CertificateEntry, hex};
use crate::content::{KeyEntry, OathSlot, ObjectEntry};
use crate::error::{Part, Problem, Unreadable};
use crate::failure::{Secret, Sides};
use crate::fido::{FidoPinLengths, FidoPinState, FidoState};
use crate::options::Freshness;
use crate::pin::{PinPolicy, PinState, PinStatus};
use crate::record::{HostRecord, Journal, RecoveryPlace};
use crate::session::Overrides;
use crate::vci::{Announced, VciError, VciState};

/// A token and its full content, as [`load`](crate::load) read it.
///
/// It is a picture of one moment: nothing in it is connected to the card.
/// Texts in it come from the card and may hold any character; make them safe
/// before they go to a terminal.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Token {
    /// The name of the reader that it was read in.
    pub reader: String,
    /// Contact or contactless.
    pub interface: Interface,
    /// Its answer to reset.
    pub atr: Atr,
    /// Who it is.
    pub identity: TokenIdentity,
    /// The PIN's state.
    pub pin: PinState,
    /// The rule that its PIN has to keep: the narrowest of the card's own (or
    /// else the standard's) and the token management profile's.
    pub pin_policy: PinPolicy,
    /// The token management profile: this project's own.
    pub profile: ProfileState,
    /// Where the secret is kept that unblocks the token, as far as this host
    /// knows.
    pub recovery: Option<RecoveryPlace>,
    /// An action of several steps that this host has begun on the token and not
    /// finished.
    pub unfinished: Option<Journal>,
    /// Data objects other than certificates, in the order they were read.
    pub objects: Vec<ObjectEntry>,
    /// Keys, in the order of the card's list or else of the standard.
    pub keys: Vec<KeyEntry>,
    /// Certificate objects, in the order they were read.
    pub certificates: Vec<CertificateEntry>,
    /// One-time-password slots; empty on a token that has none.
    pub oath_slots: Vec<OathSlot>,
    /// Its FIDO application.
    pub fido: FidoState,
    /// What can be done with it.
    pub capabilities: Capabilities,
    /// Parts that should have been readable and were not. The rest is there.
    pub problems: Vec<Problem>,
    /// How many commands were sent to the card for this, GET RESPONSE and
    /// repetitions included.
    pub round_trips: u64,
    /// Unless it was all read just now: since when it is remembered, and how
    /// much of it was held against the token.
    pub remembered: Option<Remembered>,
    /// How the virtual contact interface stands.
    pub vci: VciState,
    pub(crate) announced: Option<Arc<Announced>>,
    pub(crate) facts: Facts,
}

/// A token is shown as it was remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remembered {
    /// When all of it was last held against the token, before now.
    pub since: SystemTime,
    /// How much of it was held against the token now.
    pub freshness: Freshness,
}

/// The token management profile of a token, which is this project's own
/// (docs/token-management-profile.md).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileState {
    /// There is none: the card's own rule or the standard's is all there is.
    None,
    /// On the token, which has a place for it.
    OnToken(ManagementProfile),
    /// On this host.
    OnHost(ManagementProfile),
    /// The token has a place for it, and what is there can't be used.
    Unusable(String),
}

impl ProfileState {
    /// The profile, if there is one that can be used.
    pub fn profile(&self) -> Option<&ManagementProfile> {
        match self {
            Self::OnToken(profile) | Self::OnHost(profile) => Some(profile),
            Self::None | Self::Unusable(_) => None,
        }
    }

    /// A stable identifier for programs: `none`, `on-token`, `on-host`,
    /// `unusable`.
    pub fn id(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::OnToken(_) => "on-token",
            Self::OnHost(_) => "on-host",
            Self::Unusable(_) => "unusable",
        }
    }
}

impl Token {
    /// Its name in the cache; `None` if it has neither a GUID nor a serial
    /// number: then nothing is remembered of it.
    pub fn cache_name(&self) -> Option<Name> {
        let TokenIdentity { guid, serial, .. } = &self.identity;
        let identity = Identity::new(&self.atr, *guid, serial.clone());
        identity.map(|identity| identity.name().clone())
    }

    /// Whether a forced PIN change is waiting: the person should be told at
    /// first sight.
    pub fn wants_pin_change(&self) -> bool {
        self.pin_policy.force_change
    }

    /// Whether the token answers the same challenge every time, so that the
    /// response is a fixed unlock code.
    pub fn has_static_challenge(&self) -> bool {
        self.profile
            .profile()
            .is_some_and(|profile| profile.policy.challenge == ChallengeType::Static)
    }

    /// What it announces of the virtual contact interface, if that is open.
    pub(crate) fn open_vci(&self) -> Option<Arc<Announced>> {
        let open = matches!(self.vci, VciState::Open { .. });
        self.announced.clone().filter(|_| open)
    }

    /// The card whose pairing code has to be given, and why, if that is all that a secure
    /// session with it takes; `None` without a GUID, which a code is kept for.
    pub fn wants_pairing_code(&self) -> Option<(Guid, &VciError)> {
        match &self.vci {
            VciState::Closed(
                why @ (VciError::NoPairingCode
                | VciError::WrongPairingCode { .. }
                // One that is given counts, whatever is kept or can't be read.
                | VciError::Store(_)),
            ) => Some((self.identity.guid?, why)),
            _ => None,
        }
    }

    /// Adds what this host knows: profile, recovery, agreed risks.
    pub(crate) fn complete(&mut self, record: &HostRecord, overrides: Overrides) {
        if !matches!(
            self.profile,
            ProfileState::OnToken(_) | ProfileState::Unusable(_)
        ) {
            self.profile = record
                .profile
                .clone()
                .map_or(ProfileState::None, ProfileState::OnHost);
        }
        self.recovery = record.recovery;
        self.unfinished.clone_from(&record.journal);
        let card = self.facts.card_policy.clone();
        self.facts.card_policy = card.allowing_any(overrides.allow_any_pin);
        let card = &self.facts.card_policy;
        self.pin_policy = match &self.profile {
            ProfileState::OnToken(profile) if profile.enforced_by_card => {
                PinPolicy::of_enforced(&profile.policy, card.card)
            }
            ProfileState::OnToken(profile) | ProfileState::OnHost(profile) => {
                card.clone().narrowed_by(&profile.policy)
            }
            ProfileState::None | ProfileState::Unusable(_) => card.clone(),
        };
        self.facts.fido_pin_is_shared = self.fido_pin_is_shared();
        self.facts.overrides = overrides;
        self.facts.recovery = record.recovery;
        self.facts.personalized_here = record.profile.as_ref().is_some_and(|p| p.personalized);
        self.facts.has_key = crate::record::TokenKey::of(&self.identity).is_some();
        self.capabilities = Capabilities::evaluate(&self.facts);
    }

    /// The rule that a PIN has to keep once the token has this policy: the policy's where
    /// the token keeps and enforces it, else within what the card takes. Sends nothing.
    pub fn pin_policy_under(&self, policy: &Policy) -> PinPolicy {
        match self.profile {
            ProfileState::OnToken(_) => PinPolicy::of_enforced(policy, None),
            _ => self.facts.card_policy.clone().narrowed_by(policy),
        }
    }

    /// Whether the PIN is the FIDO application's too, as the token's own profile says
    /// (project profile): changed on either side, it is changed on both. `None` if it is
    /// not known: a 4000 may have a profile that can't be read, as on a contactless reader
    /// without a secure session.
    pub fn fido_pin_is_shared(&self) -> Option<bool> {
        if let ProfileState::OnToken(profile) = &self.profile {
            return Some(profile.policy.fido_shared_pin);
        }
        let may_be_hidden = matches!(self.profile, ProfileState::Unusable(_))
            || self
                .problems
                .iter()
                .any(|problem| problem.part == Part::PivProperties);
        let may_share = self.identity.family.crescendo() == Some(Family::C4000);
        (!(may_share && may_be_hidden)).then_some(false)
    }

    /// Whether it is known that the PIN is the FIDO application's, too.
    pub fn shares_fido_pin(&self) -> bool {
        self.fido_pin_is_shared() == Some(true)
    }

    /// How long a new FIDO PIN may be: by the rules of PIV and of FIDO, if they share it.
    /// `None` without a FIDO application.
    pub fn fido_pin_lengths(&self) -> Option<FidoPinLengths> {
        let mut lengths = FidoPinLengths {
            minimum_characters: self.fido.application()?.min_pin_length(),
            maximum_bytes: FidoPin::MAX_BYTES,
        };
        if self.shares_fido_pin() {
            let (least, most) = (&mut lengths.minimum_characters, &mut lengths.maximum_bytes);
            *least = (*least).max(self.pin_policy.minimum.into());
            *most = (*most).min(self.pin_policy.maximum.into());
        }
        Some(lengths)
    }

    /// The PIN's state as an action found it.
    pub(crate) fn note_pin(&mut self, status: PinStatus) {
        self.pin.status = status.clone();
        self.facts.pin = status;
        self.capabilities = Capabilities::evaluate(&self.facts);
    }

    /// The FIDO PIN's state as an action found it.
    pub(crate) fn note_fido_pin(&mut self, state: FidoPinState) {
        self.fido.note_pin(state);
        self.refresh_fido_facts();
    }

    /// There is a new FIDO PIN, in this state.
    pub(crate) fn note_new_fido_pin(&mut self, state: FidoPinState) {
        self.fido.note_new_pin(state);
        self.refresh_fido_facts();
    }

    fn refresh_fido_facts(&mut self) {
        self.facts.fido_pin_blocked = self.fido.is_blocked();
        self.capabilities = Capabilities::evaluate(&self.facts);
    }

    /// The PIV side has given the FIDO application another PIN, if they share it.
    pub(crate) fn note_shared_pin_changed(&mut self) {
        if self.shares_fido_pin() {
            let why = Unreadable::NotTold("not asked since the PIN was changed");
            self.note_new_fido_pin(FidoPinState::Unknown(why));
        }
    }

    /// The PIN that an action is about and that is blocked, on whichever sides are known to
    /// be if it is about one that PIV and FIDO share.
    pub(crate) fn blocked_pin(&self, action: Action) -> Secret {
        match action {
            Action::ChangePin | Action::FidoPin if self.shares_fido_pin() => {
                Secret::SharedPin(self.blocked_sides())
            }
            Action::FidoPin => Secret::FidoPin,
            _ => Secret::Pin,
        }
    }

    /// The sides of a shared PIN that are known to be blocked.
    pub(crate) fn blocked_sides(&self) -> Sides {
        match (
            self.pin.status == PinStatus::Blocked,
            self.fido.is_blocked(),
        ) {
            (true, true) => Sides::Both,
            (true, false) => Sides::Piv,
            (false, true) => Sides::Fido,
            (false, false) => Sides::NotTold,
        }
    }

    /// A forced PIN change is done.
    pub(crate) fn note_change_done(&mut self) {
        if let ProfileState::OnToken(profile) | ProfileState::OnHost(profile) = &mut self.profile {
            profile.policy.force_change = false;
        }
    }

    /// Whether what is kept in this place is written with the card management key (9B): on a
    /// plain PIV card, where a Crescendo takes the PIN.
    pub fn takes_management_key(&self, place: RecoveryPlace) -> bool {
        self.identity.family == TokenFamily::Piv && place == RecoveryPlace::Token
    }

    /// Whether the recovery secret is forgotten with the card management key
    /// ([`Session::forget_recovery_with_key`](crate::Session::forget_recovery_with_key)): on a
    /// plain PIV card, unless it is known that this computer keeps the secret.
    pub fn forgetting_takes_management_key(&self) -> bool {
        self.takes_management_key(self.recovery.unwrap_or(RecoveryPlace::Token))
    }

    /// The data object with this tag, if it was read or listed.
    pub fn object(&self, tag: ObjectTag) -> Option<&ObjectEntry> {
        self.objects.iter().find(|object| object.tag == tag)
    }

    /// The certificate entry of this key, if there is one.
    pub fn certificate(&self, slot: KeyReference) -> Option<&CertificateEntry> {
        self.certificates
            .iter()
            .find(|certificate| certificate.slot == Some(slot))
    }

    /// The key in this slot, if one is known of.
    pub fn key(&self, slot: KeyReference) -> Option<&KeyEntry> {
        self.keys.iter().find(|key| key.slot == slot)
    }
}

/// Who a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenIdentity {
    /// A name for people: the model where it is known, else the application's
    /// own label, else "PIV card".
    pub name: String,
    /// Which family of tokens it belongs to.
    pub family: TokenFamily,
    /// The serial number, a string of digits: from the production data of a
    /// Crescendo (CPLC; third-party evidence). A plain PIV card has none that
    /// can be read.
    pub serial: Option<String>,
    /// The card's UUID from its CHUID, unless that is missing or all zero.
    pub guid: Option<Guid>,
    /// The PIV application's label, from its SELECT answer.
    pub application_label: Option<String>,
    /// The algorithms that the PIV application announces in its SELECT answer,
    /// cipher suites of secure messaging among them. Many cards announce none.
    pub algorithms: Vec<Algorithm>,
    /// The applet's version, where the card tells (a Crescendo's access
    /// control applet).
    pub applet_version: Option<AppletVersion>,
}

impl TokenIdentity {
    /// Whether both are of one token, by all that tells it from others: its family, GUID and
    /// serial number.
    pub fn is(&self, other: &Self) -> bool {
        (&self.family, &self.guid, &self.serial) == (&other.family, &other.guid, &other.serial)
    }

    /// A short, stable identifier: 12 hexadecimal digits, the start of the
    /// SHA-256 of the GUID, or of the serial number where there is no GUID.
    /// `None` if the token has neither: nothing then tells it from another.
    ///
    /// It stays the same from one reader or interface to another, and changes
    /// when the token gets a new GUID.
    pub fn id(&self) -> Option<String> {
        match (&self.guid, &self.serial) {
            (Some(guid), _) => Some(Self::id_of(guid)),
            (None, Some(serial)) => Some(Self::id_of_serial(serial)),
            (None, None) => None,
        }
    }

    /// The [`id`](Self::id) of the card with this GUID.
    pub fn id_of(card: &Guid) -> String {
        short_digest(b"piv-guid:", &card.0)
    }

    /// The [`id`](Self::id) of the token that has this serial number and no GUID.
    pub fn id_of_serial(serial: &str) -> String {
        short_digest(b"serial:", serial.as_bytes())
    }
}

/// 12 hexadecimal digits.
fn short_digest(kind: &[u8], name: &[u8]) -> String {
    let digest = Sha256::new_with_prefix(kind).chain_update(name).finalize();
    hex(&digest[..6])
}

/// Families of tokens that this software has facts about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenFamily {
    /// An HID Crescendo, known by its ATR's historical bytes.
    Crescendo(CrescendoIdentity),
    /// Any other card with the NIST PIV application.
    Piv,
}

impl TokenFamily {
    /// Which Crescendo it is, if it is one.
    pub(crate) fn crescendo(&self) -> Option<Family> {
        match self {
            Self::Crescendo(identity) => Some(identity.family()),
            Self::Piv => None,
        }
    }

    /// What it is called: `C2300`, `C4000`, `PIV`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Crescendo(identity) => identity.family().name(),
            Self::Piv => "PIV",
        }
    }
}

impl fmt::Display for TokenFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
