//! What can be done with a token: for each action yes, no, or unknown, with
//! the reason. Drawn from a table of facts about each family and from what the
//! card itself said; nothing else in the project asks which family a token is.

use std::fmt;

use crescendo_ext::Evidence;
use crescendo_ext::identity::Family;
use crescendo_ext::operations;
use pcsc_transport::Interface;

use crate::pin::PinStatus;

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
    /// Manage the token's FIDO application.
    Fido,
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
    /// The card's answer that would tell could not be read.
    CouldNotRead,
    /// Nothing tells without trying it, and loading a token does not try.
    NotProbed,
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
            Self::CouldNotRead => "could-not-read",
            Self::NotProbed => "not-probed",
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
            Self::CouldNotRead => "the answer of the card that would tell could not be read",
            Self::NotProbed => "it could only be told by trying, which reading a token does not do",
            Self::NotBuiltYet => "this version of the software does not have it yet",
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
            entries: TABLE.iter().map(|row| row.evaluate(facts)).collect(),
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

/// What this version of the software can do by itself.
const BUILT: &[Action] = &[
    Action::ReadContent,
    Action::ExportCertificate,
    Action::ReadPinPolicy,
];

/// What one token said, as far as capabilities depend on it.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// `None` for a plain PIV card.
    pub(crate) family: Option<Family>,
    pub(crate) interface: Interface,
    pub(crate) pin: PinStatus,
    pub(crate) issuer_signed: bool,
    pub(crate) vci: Said,
    pub(crate) pairing_code: Said,
    pub(crate) pin_properties: Said,
    pub(crate) management_key: Said,
    pub(crate) oath: Said,
}

/// What a card said about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Yes,
    No(Reason),
    Nothing(Reason),
}

/// A family's fact about an action.
#[derive(Clone, Copy)]
enum Support {
    /// It does it, by the standard or without any command of its own.
    Yes,
    /// It does it with these operations of the vendor's, each by its name in
    /// [`operations::OPERATIONS`], which says how well each is documented.
    /// The list may stand for a composition of this project's own.
    By(&'static [&'static str], Composition),
    No(Reason),
    Unknown(Reason),
    /// The card itself tells whether it does it, with these operations.
    Card(fn(&Facts) -> Said, &'static [&'static str]),
}

/// Whose sequence a list of operations is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Composition {
    /// Documented as a whole.
    Documented,
    /// This project's, from documented parts.
    Ours,
}

const STANDARD: Support = Support::Yes;
const NOT_IN_FAMILY: Support = Support::No(Reason::NotSupportedByFamily);
const NOT_PUBLIC: Support = Support::No(Reason::NotPubliclyDocumented);
const NOT_OURS: Support = Support::No(Reason::NotSetByThisSoftware);
const MAYBE: Support = Support::Unknown(Reason::NotPubliclyDocumented);
const NOT_PROBED: Support = Support::Unknown(Reason::NotProbed);
const VCI: Support = Support::Card(|facts| facts.vci, &[]);
const PAIRING_CODE: Support = Support::Card(|facts| facts.pairing_code, &[]);
const PIN_PROPERTIES: Support =
    Support::Card(|facts| facts.pin_properties, &["GET PIN PROPERTIES"]);
const MANAGEMENT_KEY: Support = Support::Card(
    |facts| facts.management_key,
    &["GENERAL AUTHENTICATE with 9B"],
);
const OATH: Support = Support::Card(|facts| facts.oath, &["HOTP", "TOTP"]);

const fn by(operations: &'static [&'static str]) -> Support {
    Support::By(operations, Composition::Documented)
}

const fn composed_of(operations: &'static [&'static str]) -> Support {
    Support::By(operations, Composition::Ours)
}

/// What must be so at the moment, besides the family's support.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// The contact interface.
    Contact,
    /// A PIN that is not blocked.
    PinNotBlocked,
    /// A token that nobody else administers.
    Standalone,
    /// The PIN verified.
    Pin,
}

struct Row {
    action: Action,
    piv: Support,
    c2300: Support,
    c4000: Support,
    needs: &'static [Need],
}

const fn row(
    action: Action,
    piv: Support,
    c2300: Support,
    c4000: Support,
    needs: &'static [Need],
) -> Row {
    Row {
        action,
        piv,
        c2300,
        c4000,
        needs,
    }
}

/// The facts about the families. Sources: SP 800-73 for plain PIV; for the
/// Crescendo families the operations' own in `crescendo-ext`.
#[rustfmt::skip]
const TABLE: &[Row] = {
    use Action as A;
    use Need::{Contact, Pin, PinNotBlocked, Standalone};
    const PROPERTIES_C2300: Support = by(&["GET PIV PROPERTIES (C2300)"]);
    const PROPERTIES_C4000: Support = by(&["GET PIV PROPERTIES (C4000)"]);
    const VERIFY: Support = by(&["VERIFY PIN"]);
    const CHANGE: Support = by(&["CHANGE PIN"]);
    const UNLOCK_C2300: Support = by(&["GET CHALLENGE", "EXTERNAL AUTHENTICATE", "UNLOCK PIN"]);
    const UNLOCK_C4000: Support = by(&["GET CHALLENGE (C4000)", "EXTERNAL AUTHENTICATE", "UNLOCK PIN"]);
    const PUT_KEY: Support = by(&["PUT XAUTH KEY"]);
    const RESET: Support = by(&["RESET CARD"]);
    const PERSONALIZE: Support = composed_of(&["RESET CARD", "VERIFY PIN", "PUT XAUTH KEY", "CHANGE PIN"]);
    const UPDATE: &[Need] = &[Contact, Standalone, Pin];
    &[
        //  action                           plain PIV      C2300             C4000             needs
        row(A::ReadContent,                  STANDARD,      PROPERTIES_C2300, PROPERTIES_C4000, &[]),
        row(A::ExportCertificate,            STANDARD,      STANDARD,         STANDARD,         &[]),
        row(A::Authenticate,                 STANDARD,      VERIFY,           VERIFY,           &[Contact, PinNotBlocked]),
        row(A::ChangePin,                    STANDARD,      CHANGE,           CHANGE,           &[Contact, PinNotBlocked]),
        row(A::UnblockWithPuk,               STANDARD,      MAYBE,            MAYBE,            &[Contact]),
        row(A::UnblockWithChallengeResponse, NOT_IN_FAMILY, UNLOCK_C2300,     UNLOCK_C4000,     &[Contact]),
        row(A::ViewPuk,                      NOT_OURS,      NOT_PUBLIC,       NOT_PUBLIC,       &[Contact, Pin]),
        row(A::ChangePuk,                    STANDARD,      MAYBE,            MAYBE,            &[Contact]),
        row(A::RetrievePairingCode,          PAIRING_CODE,  PAIRING_CODE,     PAIRING_CODE,     &[Contact, Pin]),
        row(A::EstablishVci,                 VCI,           VCI,              VCI,              &[]),
        row(A::ReadPinPolicy,                NOT_IN_FAMILY, PIN_PROPERTIES,   PIN_PROPERTIES,   &[]),
        row(A::UpdatePinLength,              NOT_IN_FAMILY, NOT_PUBLIC,       NOT_PUBLIC,       UPDATE),
        row(A::UpdatePinAlphabet,            NOT_IN_FAMILY, NOT_PUBLIC,       NOT_PUBLIC,       UPDATE),
        row(A::UpdateForcePinChange,         NOT_IN_FAMILY, NOT_PUBLIC,       NOT_PUBLIC,       UPDATE),
        row(A::UpdateChallengeType,          NOT_IN_FAMILY, NOT_PUBLIC,       NOT_PUBLIC,       UPDATE),
        row(A::UpdateWeakPinControl,         NOT_IN_FAMILY, NOT_PUBLIC,       NOT_PUBLIC,       UPDATE),
        row(A::UpdateFidoSharedPin,          NOT_IN_FAMILY, NOT_IN_FAMILY,    NOT_PUBLIC,       UPDATE),
        row(A::ChangeAdminKey,               NOT_IN_FAMILY, PUT_KEY,          PUT_KEY,          UPDATE),
        row(A::AuthenticateManagementKey,    NOT_PROBED,    MANAGEMENT_KEY,   MANAGEMENT_KEY,   &[Contact]),
        row(A::ClearCache,                   STANDARD,      STANDARD,         STANDARD,         &[]),
        row(A::Recycle,                      NOT_IN_FAMILY, RESET,            RESET,            UPDATE),
        row(A::Personalize,                  STANDARD,      PERSONALIZE,      PERSONALIZE,      &[Contact, Standalone]),
        row(A::Fido,                         NOT_PROBED,    NOT_PROBED,       NOT_PROBED,       &[]),
        row(A::Otp,                          NOT_IN_FAMILY, OATH,             OATH,             &[]),
    ]
};

impl Row {
    fn evaluate(&self, facts: &Facts) -> CapabilityEntry {
        let support = match facts.family {
            None => self.piv,
            Some(Family::C2300) => self.c2300,
            Some(Family::C4000) => self.c4000,
        };
        let (family, evidence) = match support {
            Support::Yes => (Capability::Available, None),
            Support::No(reason) => (Capability::Unavailable(reason), None),
            Support::Unknown(reason) => (Capability::Unknown(reason), None),
            Support::By(names, composition) => match weakest_evidence(names, facts.family) {
                Some(Evidence::Unknown) => {
                    (Capability::Unknown(Reason::NotPubliclyDocumented), None)
                }
                evidence if composition == Composition::Ours => (
                    Capability::Available,
                    evidence.map(|evidence| evidence.min(Evidence::Inferred)),
                ),
                evidence => (Capability::Available, evidence),
            },
            Support::Card(said, names) => match said(facts) {
                Said::Yes => (Capability::Available, weakest_evidence(names, facts.family)),
                Said::No(reason) => (Capability::Unavailable(reason), None),
                Said::Nothing(reason) => (Capability::Unknown(reason), None),
            },
        };
        let token = if family.is_available() {
            self.needs
                .iter()
                .find_map(|need| need.unmet(facts))
                .unwrap_or(Capability::Available)
        } else {
            family
        };
        // A no of the token's own is the more telling one. What merely waits
        // for something (the PIN, the contact interface) must not promise that
        // the action would then work if it is not built.
        let capability =
            if BUILT.contains(&self.action) || matches!(family, Capability::Unavailable(_)) {
                token
            } else {
                Capability::Unavailable(Reason::NotBuiltYet)
            };
        CapabilityEntry {
            action: self.action,
            capability,
            token,
            evidence,
        }
    }
}

/// The evidence of the least documented of these operations for a family.
fn weakest_evidence(names: &[&str], family: Option<Family>) -> Option<Evidence> {
    let family = family?;
    names
        .iter()
        .filter_map(|name| operations::find(name)?.evidence(family))
        .min()
}

impl Need {
    fn unmet(self, facts: &Facts) -> Option<Capability> {
        match self {
            Self::Contact => (facts.interface == Interface::Contactless)
                .then_some(Capability::Unavailable(Reason::OnlyOnContact)),
            Self::PinNotBlocked => (facts.pin == PinStatus::Blocked)
                .then_some(Capability::Unavailable(Reason::PinBlocked)),
            Self::Standalone => Some(if facts.issuer_signed {
                Capability::Unavailable(Reason::DeviceManaged)
            } else {
                Capability::Unknown(Reason::ManagementUnknown)
            }),
            Self::Pin => (facts.pin != PinStatus::AlreadyVerified)
                .then_some(Capability::Unavailable(Reason::NeedsAuthentication)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a failure is a failed test"
    )]

    use std::collections::HashSet;

    use super::*;

    fn facts(family: Option<Family>) -> Facts {
        Facts {
            family,
            interface: Interface::Contact,
            pin: PinStatus::TriesLeft(3),
            issuer_signed: false,
            vci: Said::No(Reason::NotAnnounced),
            pairing_code: Said::No(Reason::NotAnnounced),
            pin_properties: Said::Yes,
            management_key: Said::No(Reason::NotAnnounced),
            oath: Said::No(Reason::NotSupportedByFamily),
        }
    }

    fn entry(facts: &Facts, action: Action) -> CapabilityEntry {
        *Capabilities::evaluate(facts).entry(action).unwrap()
    }

    const FAMILIES: [Option<Family>; 3] = [None, Some(Family::C2300), Some(Family::C4000)];

    #[test]
    fn every_action_has_one_row_in_the_order_of_the_list() {
        let rows: Vec<_> = TABLE.iter().map(|row| row.action).collect();
        assert_eq!(rows, Action::ALL);
        let ids: HashSet<_> = Action::ALL.iter().map(|action| action.id()).collect();
        assert_eq!(ids.len(), Action::ALL.len());
        let names: HashSet<_> = Action::ALL.iter().map(|action| action.name()).collect();
        assert_eq!(names.len(), Action::ALL.len());
    }

    /// A name that is not in the operations table would silently count as
    /// documented.
    #[test]
    fn every_operation_that_a_row_names_exists_for_its_family() {
        for row in TABLE {
            for (support, family) in [(row.c2300, Family::C2300), (row.c4000, Family::C4000)] {
                let (Support::By(names, _) | Support::Card(_, names)) = support else {
                    continue;
                };
                for name in names {
                    let operation = operations::find(name)
                        .unwrap_or_else(|| panic!("{}: no operation {name}", row.action));
                    assert!(
                        operation.evidence(family).is_some(),
                        "{}: {name} is not of {family}",
                        row.action
                    );
                }
            }
            assert!(
                matches!(
                    row.piv,
                    Support::Yes | Support::No(_) | Support::Unknown(_) | Support::Card(_, [])
                ),
                "{}: a plain PIV card has no vendor's operations",
                row.action
            );
        }
    }

    #[test]
    fn what_is_not_built_is_never_available() {
        for family in FAMILIES {
            let mut facts = facts(family);
            facts.pin = PinStatus::AlreadyVerified;
            facts.vci = Said::Yes;
            facts.pairing_code = Said::Yes;
            facts.management_key = Said::Yes;
            facts.oath = Said::Yes;
            for entry in &Capabilities::evaluate(&facts) {
                assert_eq!(
                    entry.capability.is_available(),
                    BUILT.contains(&entry.action) && entry.token.is_available(),
                    "{family:?} {entry:?}"
                );
            }
        }
    }

    #[test]
    fn the_families_differ_where_the_facts_do() {
        use Capability::{Available, Unavailable, Unknown};
        use Reason::{NotPubliclyDocumented, NotSupportedByFamily};

        let table = [
            (
                Action::UnblockWithChallengeResponse,
                [Unavailable(NotSupportedByFamily), Available, Available],
            ),
            (
                Action::UnblockWithPuk,
                [
                    Available,
                    Unknown(NotPubliclyDocumented),
                    Unknown(NotPubliclyDocumented),
                ],
            ),
            (
                Action::UpdateFidoSharedPin,
                [
                    Unavailable(NotSupportedByFamily),
                    Unavailable(NotSupportedByFamily),
                    Unavailable(NotPubliclyDocumented),
                ],
            ),
            (
                Action::Recycle,
                [
                    Unavailable(NotSupportedByFamily),
                    Unknown(Reason::ManagementUnknown),
                    Unknown(Reason::ManagementUnknown),
                ],
            ),
            (
                Action::ReadPinPolicy,
                [Unavailable(NotSupportedByFamily), Available, Available],
            ),
        ];
        for (action, expected) in table {
            for (family, expected) in FAMILIES.into_iter().zip(expected) {
                assert_eq!(
                    entry(&facts(family), action).token,
                    expected,
                    "{action}, {family:?}"
                );
            }
        }
    }

    #[test]
    fn evidence_is_that_of_the_operations() {
        let evidence = |family, action| entry(&facts(family), action).evidence;
        assert_eq!(evidence(None, Action::ChangePin), None);
        assert_eq!(
            evidence(Some(Family::C2300), Action::ChangePin),
            Some(Evidence::Vendor)
        );
        assert_eq!(
            evidence(Some(Family::C4000), Action::ChangePin),
            Some(Evidence::ThirdParty)
        );
        // Put together here from the vendor's commands.
        assert_eq!(
            evidence(Some(Family::C2300), Action::Personalize),
            Some(Evidence::Inferred)
        );
        // No command is known at all.
        assert_eq!(evidence(Some(Family::C2300), Action::UpdatePinLength), None);
    }

    #[test]
    fn an_issuer_s_token_is_not_changed() {
        for family in FAMILIES {
            let mut facts = facts(family);
            facts.issuer_signed = true;
            for action in [Action::Recycle, Action::Personalize, Action::ChangeAdminKey] {
                assert!(
                    matches!(
                        entry(&facts, action).token,
                        Capability::Unavailable(
                            Reason::DeviceManaged | Reason::NotSupportedByFamily
                        )
                    ),
                    "{family:?} {action}"
                );
            }
        }
    }

    #[test]
    fn contactless_keeps_writing_to_contact() {
        for family in FAMILIES {
            let mut facts = facts(family);
            facts.interface = Interface::Contactless;
            for entry in &Capabilities::evaluate(&facts) {
                let row = TABLE.iter().find(|row| row.action == entry.action).unwrap();
                if row.needs.contains(&Need::Contact) {
                    assert!(!entry.token.is_available(), "{family:?} {entry:?}");
                }
            }
            let change = entry(&facts, Action::ChangePin);
            assert_eq!(change.token, Capability::Unavailable(Reason::OnlyOnContact));
            assert!(entry(&facts, Action::ReadContent).token.is_available());
        }
    }

    #[test]
    fn a_no_of_the_token_s_own_is_told_before_not_built() {
        let recycle = entry(&facts(None), Action::Recycle);
        assert_eq!(
            recycle.capability,
            Capability::Unavailable(Reason::NotSupportedByFamily)
        );
        // The PIN would not help: it is not built.
        let mut waiting = facts(None);
        waiting.pairing_code = Said::Yes;
        let code = entry(&waiting, Action::RetrievePairingCode);
        assert_eq!(
            code.token,
            Capability::Unavailable(Reason::NeedsAuthentication)
        );
        assert_eq!(
            code.capability,
            Capability::Unavailable(Reason::NotBuiltYet)
        );
    }
}
