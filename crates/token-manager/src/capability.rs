//! What can be done with a token: for each action yes, no, or unknown, with
//! the reason. Drawn from a table of facts about each family and from what the
//! card itself said; nothing else in the project asks which family a token is.

mod table;

use std::fmt;

use crescendo_ext::Evidence;

pub(crate) use self::table::{Facts, Said};
use crate::session::Risk;

/// Something a person may want to do with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Action {
    /// Read and show what is on the token.
    ReadContent,
    /// Save a certificate to a file.
    ExportCertificate,
    /// Verify the PIN and hold the token unlocked.
    Authenticate,
    /// Change the PIN, knowing the old one.
    ChangePin,
    /// Unblock the PIN with the PUK.
    UnblockWithPuk,
    /// Unblock the PIN by challenge and response.
    UnblockWithChallengeResponse,
    /// Show the PUK.
    ViewPuk,
    /// Change the PUK, knowing the old one.
    ChangePuk,
    /// Read the pairing code.
    RetrievePairingCode,
    /// Establish the virtual contact interface: secure messaging, and the
    /// pairing code where the card wants it.
    EstablishVci,
    /// Read the PIN policy from the card.
    ReadPinPolicy,
    /// Set the PIN's least and greatest length.
    UpdatePinLength,
    /// Set whether a PIN is numeric or alphanumeric.
    UpdatePinAlphabet,
    /// Make the holder change the PIN before anything else.
    UpdateForcePinChange,
    /// Choose a static or a dynamic challenge for unblocking.
    UpdateChallengeType,
    /// Switch the refusal of weak PINs.
    UpdateWeakPinControl,
    /// Make the PIN and the FIDO PIN one.
    UpdateFidoSharedPin,
    /// Set the key that administers the token and unblocks it by challenge
    /// and response (XAUTH key 1 on a Crescendo).
    ChangeAdminKey,
    /// Authenticate with the PIV card management key (9B).
    AuthenticateManagementKey,
    /// Forget what is remembered of the token and read it anew.
    ClearCache,
    /// Erase the token, back to its factory state.
    Recycle,
    /// Set up an erased token for a person.
    Personalize,
    /// Read what the token's FIDO application says of itself.
    Fido,
    /// Verify, set or change the FIDO PIN.
    FidoPin,
    /// Use the token's one-time-password slots.
    Otp,
}

impl Action {
    /// All of them, in the order in which a frontend shows them.
    pub const ALL: &[Self] = &[
        Self::ReadContent,
        Self::ExportCertificate,
        Self::Authenticate,
        Self::ChangePin,
        Self::UnblockWithPuk,
        Self::UnblockWithChallengeResponse,
        Self::ViewPuk,
        Self::ChangePuk,
        Self::RetrievePairingCode,
        Self::EstablishVci,
        Self::ReadPinPolicy,
        Self::UpdatePinLength,
        Self::UpdatePinAlphabet,
        Self::UpdateForcePinChange,
        Self::UpdateChallengeType,
        Self::UpdateWeakPinControl,
        Self::UpdateFidoSharedPin,
        Self::ChangeAdminKey,
        Self::AuthenticateManagementKey,
        Self::ClearCache,
        Self::Recycle,
        Self::Personalize,
        Self::Fido,
        Self::FidoPin,
        Self::Otp,
    ];

    /// A stable identifier for programs: `change-pin`.
    pub fn id(self) -> &'static str {
        match self {
            Self::ReadContent => "read-content",
            Self::ExportCertificate => "export-certificate",
            Self::Authenticate => "authenticate",
            Self::ChangePin => "change-pin",
            Self::UnblockWithPuk => "unblock-with-puk",
            Self::UnblockWithChallengeResponse => "unblock-with-challenge-response",
            Self::ViewPuk => "view-puk",
            Self::ChangePuk => "change-puk",
            Self::RetrievePairingCode => "retrieve-pairing-code",
            Self::EstablishVci => "establish-vci",
            Self::ReadPinPolicy => "read-pin-policy",
            Self::UpdatePinLength => "update-pin-length",
            Self::UpdatePinAlphabet => "update-pin-alphabet",
            Self::UpdateForcePinChange => "update-force-pin-change",
            Self::UpdateChallengeType => "update-challenge-type",
            Self::UpdateWeakPinControl => "update-weak-pin-control",
            Self::UpdateFidoSharedPin => "update-fido-shared-pin",
            Self::ChangeAdminKey => "change-admin-key",
            Self::AuthenticateManagementKey => "authenticate-management-key",
            Self::ClearCache => "clear-cache",
            Self::Recycle => "recycle",
            Self::Personalize => "personalize",
            Self::Fido => "fido",
            Self::FidoPin => "fido-pin",
            Self::Otp => "otp",
        }
    }

    /// What a person calls it: `change PIN`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadContent => "show content",
            Self::ExportCertificate => "export certificate",
            Self::Authenticate => "authenticate",
            Self::ChangePin => "change PIN",
            Self::UnblockWithPuk => "unblock PIN with PUK",
            Self::UnblockWithChallengeResponse => "unblock PIN by challenge/response",
            Self::ViewPuk => "view PUK",
            Self::ChangePuk => "change PUK",
            Self::RetrievePairingCode => "retrieve pairing code",
            Self::EstablishVci => "virtual contact interface",
            Self::ReadPinPolicy => "read PIN policy",
            Self::UpdatePinLength => "update PIN length",
            Self::UpdatePinAlphabet => "update PIN characters",
            Self::UpdateForcePinChange => "update force PIN change",
            Self::UpdateChallengeType => "update challenge type",
            Self::UpdateWeakPinControl => "update weak PIN control",
            Self::UpdateFidoSharedPin => "update FIDO shared PIN",
            Self::ChangeAdminKey => "change admin key",
            Self::AuthenticateManagementKey => "authenticate with management key",
            Self::ClearCache => "clear cache",
            Self::Recycle => "recycle",
            Self::Personalize => "personalize",
            Self::Fido => "FIDO",
            Self::FidoPin => "FIDO PIN",
            Self::Otp => "one-time passwords",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether an action can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Yes.
    Available,
    /// No, because of this.
    Unavailable(Reason),
    /// It cannot be told, because of this.
    Unknown(Reason),
}

impl Capability {
    /// Whether the answer is a plain yes.
    pub fn is_available(self) -> bool {
        self == Self::Available
    }

    /// What stands in the way of whoever has the PIN: as [`reason`](Self::reason), but that
    /// the PIN has to be verified is none, since whoever acts brings it.
    pub fn obstacle(self) -> Option<Reason> {
        let reason = self.reason();
        reason.filter(|reason| *reason != Reason::NeedsAuthentication)
    }

    /// Why not, or why it is not known.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Available => None,
            Self::Unavailable(reason) | Self::Unknown(reason) => Some(reason),
        }
    }

    /// A stable identifier for programs: `available`, `unavailable`,
    /// `unknown`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Unavailable(_) => "unavailable",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Available => f.write_str("yes"),
            Self::Unavailable(reason) => write!(f, "no: {reason}"),
            Self::Unknown(reason) => write!(f, "unknown: {reason}"),
        }
    }
}

/// Why an action is unavailable, or why it is not known whether it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No token of this family can do it.
    NotSupportedByFamily,
    /// Tokens of this family may do it; this one does not say that it does.
    NotAnnounced,
    /// The PIN has to be verified first.
    NeedsAuthentication,
    /// The PIN is blocked and has to be unblocked first.
    PinBlocked,
    /// An issuer administers this token: its CHUID carries an issuer's
    /// signature.
    DeviceManaged,
    /// Nothing on the wire tells whether an issuer administers this token, so
    /// it is taken as read-only for this action.
    ManagementUnknown,
    /// The standard allows it on the contact interface only.
    OnlyOnContact,
    /// The vendor has it, or may have it, but no public document says how.
    NotPubliclyDocumented,
    /// Only a PUK that this software has set itself can be shown, and it has
    /// set none here.
    NotSetByThisSoftware,
    /// The person did not want the recovery secret kept anywhere.
    NotKept,
    /// What is kept is not the token's any more.
    Outdated,
    /// The standard leaves it to each vendor, and nothing is known of this
    /// token's.
    NotInStandard,
    /// It is decided when the token is personalized, and not after.
    OnlyAtPersonalize,
    /// The token has neither a serial number nor a GUID, so nothing can be
    /// kept about it on this host.
    NoIdentity,
    /// The token has no GUID, which what is kept would be bound to.
    NoGuid,
    /// There is no pairing code on the token: a look behind the PIN tells.
    NoPairingCode,
    /// Only third parties describe the command on this family, and that it may
    /// be sent all the same was not agreed to.
    Unverified,
    /// The card's answer that would tell could not be read.
    CouldNotRead,
    /// It could not be read whether the FIDO PIN is the token's PIN, too.
    SharingUnknown,
    /// Nothing tells without trying it, and loading a token does not try.
    NotProbed,
    /// On a contactless reader it takes the card's pairing code, and there is none, or a
    /// wrong one.
    NeedsPairingCode,
    /// On a contactless reader it takes somebody's word that the card is genuine, and
    /// it was not said whose counts.
    CardNotTrusted,
    /// On a contactless reader it takes a secure session, which could not be opened.
    NoSecureSession,
    /// This version of the software does not have it yet.
    NotBuiltYet,
}

impl Reason {
    /// A stable identifier for programs: `not-supported-by-family`.
    pub fn id(self) -> &'static str {
        match self {
            Self::NotSupportedByFamily => "not-supported-by-family",
            Self::NotAnnounced => "not-announced",
            Self::NeedsAuthentication => "needs-authentication",
            Self::PinBlocked => "pin-blocked",
            Self::DeviceManaged => "device-managed",
            Self::ManagementUnknown => "management-unknown",
            Self::OnlyOnContact => "only-on-contact",
            Self::NotPubliclyDocumented => "not-publicly-documented",
            Self::NotSetByThisSoftware => "not-set-by-this-software",
            Self::NotKept => "not-kept",
            Self::Outdated => "outdated",
            Self::NotInStandard => "not-in-standard",
            Self::OnlyAtPersonalize => "only-at-personalize",
            Self::NoIdentity => "no-identity",
            Self::NoGuid => "no-guid",
            Self::NoPairingCode => "no-pairing-code",
            Self::Unverified => "unverified",
            Self::CouldNotRead => "could-not-read",
            Self::SharingUnknown => "sharing-unknown",
            Self::NotProbed => "not-probed",
            Self::NeedsPairingCode => "needs-pairing-code",
            Self::CardNotTrusted => "card-not-trusted",
            Self::NoSecureSession => "no-secure-session",
            Self::NotBuiltYet => "not-built-yet",
        }
    }

    /// The reason as part of a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotSupportedByFamily => "tokens of this kind do not have it",
            Self::NotAnnounced => "this token does not announce it",
            Self::NeedsAuthentication => "the PIN has to be verified first",
            Self::PinBlocked => "the PIN is blocked; unblock it first",
            Self::DeviceManaged => "an issuer administers this token",
            Self::ManagementUnknown => "it cannot be told whether an issuer administers this token",
            Self::OnlyOnContact => "only on the contact interface",
            Self::NotPubliclyDocumented => "no public document says how this token does it",
            Self::NotSetByThisSoftware => {
                "only a PUK set by this software can be shown, and it has set none here"
            }
            Self::Outdated => {
                "the secret that is kept is not the token's any more: it was changed without being \
                 kept anew"
            }
            Self::NotKept => "it was chosen to keep it nowhere, or it was erased",
            Self::NotInStandard => {
                "the standard leaves it to each vendor, and nothing is known of this token's way"
            }
            Self::OnlyAtPersonalize => {
                "it is decided when the token is personalized; recycle and personalize it again"
            }
            Self::NoIdentity => {
                "the token has neither a serial number nor a GUID, so that nothing can be kept \
                 about it"
            }
            Self::NoGuid => "the token has no GUID that it could be kept for",
            Self::NoPairingCode => "there is no pairing code on it",
            Self::Unverified => {
                "only third parties describe the command on this family; it takes consent to \
                 unverified commands"
            }
            Self::CouldNotRead => "the answer of the card that would tell could not be read",
            Self::SharingUnknown => {
                "it could not be read whether the FIDO PIN is the token's PIN, too, so neither its \
                 rules nor its way out are known"
            }
            Self::NotProbed => "it could only be told by trying, which reading a token does not do",
            Self::NeedsPairingCode => {
                "on a contactless reader it takes the card's pairing code; give it, or use a contact \
                 reader"
            }
            Self::CardNotTrusted => {
                "on a contactless reader it takes somebody's word for the card; say whom to trust, or \
                 use a contact reader"
            }
            Self::NoSecureSession => {
                "on a contactless reader it takes a secure session, which could not be opened; use a \
                 contact reader"
            }
            Self::NotBuiltYet => "this version of the software does not have it yet",
        }
    }
}

impl Reason {
    /// The risk that a person can agree to, so that this is no reason any more; `None` if
    /// no consent changes it.
    pub fn lifted_by(self) -> Option<Risk> {
        match self {
            Self::Unverified => Some(Risk::Unverified),
            Self::DeviceManaged | Self::ManagementUnknown => Some(Risk::Managed),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// What is known about one action on one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapabilityEntry {
    /// The action.
    pub action: Action,
    /// Whether it can be done with this token, now, by this version of the
    /// software: what a frontend goes by.
    pub capability: Capability,
    /// Whether the token itself could do it, whatever this software can.
    pub token: Capability,
    /// How well the wire commands behind it are documented on this family;
    /// `None` where they are the standard's own, or where there are none.
    pub evidence: Option<Evidence>,
}

/// What can be done with one token: an entry for each [`Action`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    entries: Vec<CapabilityEntry>,
}

impl Capabilities {
    /// Whether `action` can be done.
    pub fn get(&self, action: Action) -> Capability {
        self.entry(action)
            .map_or(Capability::Unavailable(Reason::NotBuiltYet), |entry| {
                entry.capability
            })
    }

    /// All that is known about `action`; `None` for one that this version
    /// does not know.
    pub fn entry(&self, action: Action) -> Option<&CapabilityEntry> {
        self.entries.iter().find(|entry| entry.action == action)
    }

    /// All entries, in the order of [`Action::ALL`].
    pub fn iter(&self) -> std::slice::Iter<'_, CapabilityEntry> {
        self.entries.iter()
    }

    pub(crate) fn evaluate(facts: &Facts) -> Self {
        Self {
            entries: table::evaluate(facts),
        }
    }
}

impl<'a> IntoIterator for &'a Capabilities {
    type Item = &'a CapabilityEntry;
    type IntoIter = std::slice::Iter<'a, CapabilityEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
