//! The table of facts, and how a token's capabilities follow from it.

use crescendo_ext::Evidence;
use crescendo_ext::identity::Family;
use crescendo_ext::operations;
use pcsc_transport::Interface;

use super::{Action, Capability, CapabilityEntry, Reason};
use crate::pin::{PinPolicy, PinStatus};
use crate::record::RecoveryPlace;
use crate::session::Overrides;

/// What this version of the software can do by itself.
const BUILT: &[Action] = &[
    Action::ReadContent,
    Action::ExportCertificate,
    Action::Authenticate,
    Action::ChangePin,
    Action::UnblockWithPuk,
    Action::UnblockWithChallengeResponse,
    Action::ViewPuk,
    Action::ChangePuk,
    Action::RetrievePairingCode,
    Action::EstablishVci,
    Action::ReadPinPolicy,
    Action::ClearCache,
    Action::UpdatePinLength,
    Action::UpdatePinAlphabet,
    Action::UpdateForcePinChange,
    Action::UpdateChallengeType,
    Action::UpdateWeakPinControl,
    Action::ChangeAdminKey,
    Action::AuthenticateManagementKey,
    Action::Recycle,
    Action::Personalize,
    Action::Otp,
    Action::Fido,
    Action::FidoPin,
];

/// What one token said, as far as capabilities depend on it.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Facts {
    /// `None` for a plain PIV card.
    pub(crate) family: Option<Family>,
    pub(crate) interface: Interface,
    pub(crate) pin: PinStatus,
    pub(crate) issuer_signed: bool,
    pub(crate) vci: Said,
    /// Why neither the contact interface nor the virtual one is open.
    pub(crate) no_vci: Option<Reason>,
    pub(crate) pairing_code: Said,
    pub(crate) pin_properties: Said,
    pub(crate) management_key: Said,
    pub(crate) oath: Said,
    pub(crate) fido: Said,
    /// Whether the FIDO PIN is the PIV PIN, too.
    pub(crate) fido_pin_is_shared: Option<bool>,
    /// Whether the FIDO application is known to have no try left for its PIN.
    pub(crate) fido_pin_blocked: bool,
    /// The card's own rule for its PIN, or else the standard's.
    pub(crate) card_policy: PinPolicy,
    /// The card lists a place for the token management profile: it is a
    /// software token that keeps this project's profile, and no vendor's.
    pub(crate) project_profile: bool,
    /// The profile on the card says that it was personalized.
    pub(crate) personalized: bool,
    /// There is nothing on it that an issuer could have put there.
    pub(crate) empty: bool,
    /// This host has a record that it personalized the token.
    pub(crate) personalized_here: bool,
    /// This host can keep things about it: it has a serial number or a GUID.
    pub(crate) has_key: bool,
    /// Where this host says that the recovery secret is kept.
    pub(crate) recovery: Option<RecoveryPlace>,
    /// An object that the PIN protects may hold a recovery secret of ours.
    pub(crate) protected_object: bool,
    /// The risks that were agreed to.
    pub(crate) overrides: Overrides,
}

impl Facts {
    /// Whether it is proven that no issuer administers the token: it says that
    /// this software personalized it, this host remembers having done so, or
    /// there is nothing on it that an issuer could have put there.
    fn is_standalone(&self) -> bool {
        self.personalized || self.personalized_here || self.empty
    }

    /// A shared PIN is changed on neither side while one of them has no try left.
    fn is_shared_pin_blocked(&self) -> bool {
        self.fido_pin_is_shared == Some(true)
            && (self.pin == PinStatus::Blocked || self.fido_pin_blocked)
    }
}

/// What a card said about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Yes,
    /// Yes, by this project's own profile.
    Profile,
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
/// As the standard has it, on a software token that keeps this project's
/// profile; not public on a vendor's.
const PROFILE_PUK: Support = Support::Card(
    |facts| {
        if facts.project_profile {
            Said::Profile
        } else {
            Said::Nothing(Reason::NotPubliclyDocumented)
        }
    },
    &[],
);
const MAYBE: Support = Support::Unknown(Reason::NotPubliclyDocumented);
/// Kept on the token or on this host, as the token management profile says.
const PROFILE: Support = Support::Card(
    |facts| {
        if facts.project_profile || facts.has_key {
            Said::Profile
        } else {
            Said::No(Reason::NoIdentity)
        }
    },
    &[],
);
/// What only a card can do, and only the project's profile says how.
const CARD_PROFILE: Support = Support::Card(
    |facts| {
        if facts.project_profile {
            Said::Profile
        } else {
            Said::No(Reason::NotPubliclyDocumented)
        }
    },
    &[],
);
const RECOVERY: Support = Support::Card(
    |facts| match facts.recovery {
        Some(RecoveryPlace::Token | RecoveryPlace::Host) => Said::Profile,
        Some(RecoveryPlace::Nowhere) => Said::No(Reason::NotKept),
        // A plain PIV card does not tell which objects it has: a look behind the
        // PIN does.
        None if facts.protected_object || facts.family.is_none() => Said::Profile,
        None => Said::No(Reason::NotSetByThisSoftware),
    },
    &[],
);
/// Decided when the token is personalized, and not after.
const SHARED_PIN: Support = Support::Card(
    |facts| {
        if facts.project_profile {
            Said::No(Reason::OnlyAtPersonalize)
        } else {
            Said::No(Reason::NotPubliclyDocumented)
        }
    },
    &[],
);
/// The standard leaves it to each vendor.
const NOT_DEFINED: Support = Support::No(Reason::NotInStandard);
const NOT_PROBED: Support = Support::Unknown(Reason::NotProbed);
const VCI: Support = Support::Card(|facts| facts.vci, &[]);
const PAIRING_CODE: Support = Support::Card(|facts| facts.pairing_code, &[]);
const PIN_PROPERTIES: Support =
    Support::Card(|facts| facts.pin_properties, &["GET PIN PROPERTIES"]);
const MANAGEMENT_KEY: Support = Support::Card(
    |facts| facts.management_key,
    &["GENERAL AUTHENTICATE with 9B"],
);
const FIDO: Support = Support::Card(|facts| facts.fido, &[]);
const OATH: Support = Support::Card(|facts| facts.oath, &["HOTP", "TOTP"]);
/// Its slots may be there; how they are asked for a code is not public.
const OATH_C4000: Support = Support::Card(
    |facts| match facts.oath {
        Said::Yes => Said::Nothing(Reason::NotPubliclyDocumented),
        said => said,
    },
    &[],
);

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
    /// The contact interface, or the virtual one.
    ContactOrVci,
    /// That it is known whether the FIDO PIN is the PIV PIN, too; the contact interface,
    /// unless it is known that it is not: a shared one is changed on contact only, and
    /// whether it is shared is not told to everybody.
    ContactIfShared,
    /// A PIN that is not blocked.
    PinNotBlocked,
    /// A PIN that is blocked on neither side, if PIV and FIDO share it.
    SharedPinNotBlocked,
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
    use Need::{Contact, ContactIfShared, ContactOrVci, Pin, PinNotBlocked, SharedPinNotBlocked, Standalone};
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
        row(A::Authenticate,                 STANDARD,      VERIFY,           VERIFY,           &[ContactOrVci, PinNotBlocked]),
        row(A::ChangePin,                    STANDARD,      CHANGE,           CHANGE,           &[ContactOrVci, PinNotBlocked, SharedPinNotBlocked]),
        row(A::UnblockWithPuk,                 STANDARD,      MAYBE,            PROFILE_PUK,      &[Contact]),
        row(A::UnblockWithChallengeResponse, NOT_IN_FAMILY, UNLOCK_C2300,     UNLOCK_C4000,     &[Contact]),
        row(A::ViewPuk,                        RECOVERY,      RECOVERY,         RECOVERY,         &[Contact, PinNotBlocked, Pin]),
        row(A::ChangePuk,                      STANDARD,      MAYBE,            PROFILE_PUK,      &[Contact]),
        row(A::RetrievePairingCode,          PAIRING_CODE,  PAIRING_CODE,     PAIRING_CODE,     &[Contact, PinNotBlocked, Pin]),
        row(A::EstablishVci,                 VCI,           VCI,              VCI,              &[]),
        row(A::ReadPinPolicy,                NOT_IN_FAMILY, PIN_PROPERTIES,   PIN_PROPERTIES,   &[]),
        row(A::UpdatePinLength,                PROFILE,       PROFILE,          PROFILE,          UPDATE),
        row(A::UpdatePinAlphabet,              PROFILE,       PROFILE,          PROFILE,          UPDATE),
        row(A::UpdateForcePinChange,           PROFILE,       PROFILE,          PROFILE,          UPDATE),
        row(A::UpdateChallengeType,            NOT_IN_FAMILY, CARD_PROFILE,     CARD_PROFILE,     UPDATE),
        row(A::UpdateWeakPinControl,           PROFILE,       PROFILE,          PROFILE,          UPDATE),
        row(A::UpdateFidoSharedPin,            NOT_IN_FAMILY, NOT_IN_FAMILY,    SHARED_PIN,       UPDATE),
        row(A::ChangeAdminKey,                 NOT_DEFINED,   PUT_KEY,          PUT_KEY,          UPDATE),
        row(A::AuthenticateManagementKey,      STANDARD,      MANAGEMENT_KEY,   MANAGEMENT_KEY,   &[Contact]),
        row(A::ClearCache,                   STANDARD,      STANDARD,         STANDARD,         &[]),
        row(A::Recycle,                      NOT_IN_FAMILY, RESET,            RESET,            UPDATE),
        row(A::Personalize,                    STANDARD,      PERSONALIZE,      PERSONALIZE,      &[Contact, Standalone]),
        row(A::Fido,                         NOT_PROBED,    FIDO,             FIDO,             &[]),
        row(A::FidoPin,                      NOT_PROBED,    FIDO,             FIDO,             &[ContactIfShared, SharedPinNotBlocked]),
        row(A::Otp,                          NOT_IN_FAMILY, OATH,             OATH_C4000,       &[Contact]),
    ]
};

/// An entry for each row.
pub(super) fn evaluate(facts: &Facts) -> Vec<CapabilityEntry> {
    TABLE.iter().map(|row| row.evaluate(facts)).collect()
}

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
                Said::Profile => (Capability::Available, Some(Evidence::ProjectProfile)),
                Said::No(reason) => (Capability::Unavailable(reason), None),
                Said::Nothing(reason) => (Capability::Unknown(reason), None),
            },
        };
        let token = if family.is_available() {
            let unmet = |pin: bool| {
                let mut needs = self.needs.iter();
                needs.find_map(|need| {
                    let asked = (*need == Need::Pin) == pin;
                    asked.then(|| need.unmet(facts)).flatten()
                })
            };
            unmet(false)
                .or_else(|| self.unverified(evidence, facts))
                .or_else(|| unmet(true))
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

impl Row {
    /// A write to a vendor's token that only third parties describe waits for
    /// consent. A software token that keeps this project's profile is nobody's
    /// real token.
    fn unverified(&self, evidence: Option<Evidence>, facts: &Facts) -> Option<Capability> {
        let writes = !matches!(
            self.action,
            Action::ReadContent
                | Action::ExportCertificate
                | Action::ReadPinPolicy
                | Action::Authenticate
                | Action::AuthenticateManagementKey
                | Action::RetrievePairingCode
                | Action::ClearCache
                | Action::Fido
                | Action::FidoPin
                | Action::Otp
        );
        let third_party = evidence.is_some_and(|level| {
            level <= Evidence::ThirdParty && level != Evidence::ProjectProfile
        });
        let composed_of_vendor =
            self.action == Action::Personalize && facts.family == Some(Family::C2300);
        (writes
            && third_party
            && !composed_of_vendor
            && !facts.project_profile
            && !facts.overrides.allow_unverified)
            .then_some(Capability::Unavailable(Reason::Unverified))
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
            Self::ContactIfShared => match (facts.interface, facts.fido_pin_is_shared) {
                (_, Some(false)) | (Interface::Contact, Some(true)) => None,
                (Interface::Contactless, _) => Some(Capability::Unavailable(Reason::OnlyOnContact)),
                (Interface::Contact, None) => Some(Capability::Unknown(Reason::SharingUnknown)),
            },
            Self::Contact => (facts.interface == Interface::Contactless)
                .then_some(Capability::Unavailable(Reason::OnlyOnContact)),
            Self::ContactOrVci => facts.no_vci.map(|reason| match reason {
                Reason::NotProbed => Capability::Unknown(reason),
                _ => Capability::Unavailable(reason),
            }),
            Self::PinNotBlocked => (facts.pin == PinStatus::Blocked)
                .then_some(Capability::Unavailable(Reason::PinBlocked)),
            Self::SharedPinNotBlocked => facts
                .is_shared_pin_blocked()
                .then_some(Capability::Unavailable(Reason::PinBlocked)),
            Self::Standalone if facts.overrides.allow_managed => None,
            Self::Standalone if facts.issuer_signed => {
                Some(Capability::Unavailable(Reason::DeviceManaged))
            }
            Self::Standalone if facts.is_standalone() => None,
            Self::Standalone => Some(Capability::Unknown(Reason::ManagementUnknown)),
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
    use crate::capability::Capabilities;

    fn facts(family: Option<Family>) -> Facts {
        Facts {
            family,
            interface: Interface::Contact,
            pin: PinStatus::TriesLeft(3),
            issuer_signed: false,
            vci: Said::No(Reason::NotAnnounced),
            no_vci: None,
            pairing_code: Said::No(Reason::NotAnnounced),
            pin_properties: Said::Yes,
            management_key: Said::No(Reason::NotAnnounced),
            oath: Said::No(Reason::NotSupportedByFamily),
            fido: Said::No(Reason::NotAnnounced),
            fido_pin_is_shared: Some(false),
            fido_pin_blocked: false,
            card_policy: PinPolicy::standard(),
            project_profile: false,
            personalized: false,
            empty: false,
            personalized_here: false,
            has_key: true,
            recovery: None,
            protected_object: false,
            overrides: Overrides::default(),
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
            facts.fido = Said::Yes;
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
                [
                    Unavailable(NotSupportedByFamily),
                    Available,
                    Unavailable(Reason::Unverified),
                ],
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

    /// A Key of the C4000 family may have the slots; how it is asked for a code is not public.
    #[test]
    fn one_time_passwords_are_those_of_a_c2300_key_on_contact() {
        let otp = |family, change: fn(&mut Facts)| {
            let mut facts = facts(family);
            facts.oath = Said::Yes;
            change(&mut facts);
            let entry = entry(&facts, Action::Otp);
            (entry.capability, entry.evidence)
        };
        assert_eq!(
            otp(Some(Family::C2300), |_| {}),
            (Capability::Available, Some(Evidence::Vendor))
        );
        assert_eq!(
            otp(Some(Family::C4000), |_| {}),
            (Capability::Unknown(Reason::NotPubliclyDocumented), None)
        );
        let air = |facts: &mut Facts| facts.interface = Interface::Contactless;
        assert_eq!(
            otp(Some(Family::C2300), air).0,
            Capability::Unavailable(Reason::OnlyOnContact)
        );
        // HOTP goes without it.
        let blocked = |facts: &mut Facts| facts.pin = PinStatus::Blocked;
        assert_eq!(otp(Some(Family::C2300), blocked).0, Capability::Available);
    }

    /// Through the air a shared PIN is not changed, and whether it is shared is not told. On
    /// contact that is told, and without it nothing is known of the PIN's rules.
    #[test]
    fn the_fido_pin_is_left_alone_unless_it_is_known_to_be_shared_or_not() {
        let mut facts = facts(Some(Family::C4000));
        facts.fido = Said::Yes;
        for interface in [Interface::Contact, Interface::Contactless] {
            for shared in [None, Some(true), Some(false)] {
                facts.interface = interface;
                facts.fido_pin_is_shared = shared;
                let expected = match (interface, shared) {
                    (_, Some(false)) | (Interface::Contact, Some(true)) => Capability::Available,
                    (Interface::Contact, None) => Capability::Unknown(Reason::SharingUnknown),
                    (Interface::Contactless, _) => Capability::Unavailable(Reason::OnlyOnContact),
                };
                assert_eq!(entry(&facts, Action::FidoPin).capability, expected);
                assert!(entry(&facts, Action::Fido).capability.is_available());
            }
        }
    }

    /// Blocked on one side, a shared PIN is changed on neither; others are each their own.
    #[test]
    fn a_pin_that_is_shared_and_blocked_on_one_side_is_changed_on_neither() {
        let blocked = Capability::Unavailable(Reason::PinBlocked);
        let either = |shared, (piv, fido): (bool, bool)| {
            let mut facts = facts(Some(Family::C4000));
            facts.overrides.allow_unverified = true;
            facts.fido = Said::Yes;
            facts.fido_pin_is_shared = Some(shared);
            if piv {
                facts.pin = PinStatus::Blocked;
            }
            facts.fido_pin_blocked = fido;
            let of = |action| entry(&facts, action).capability;
            (of(Action::ChangePin), of(Action::FidoPin))
        };
        for sides in [(true, false), (false, true), (true, true)] {
            assert_eq!(either(true, sides), (blocked, blocked), "{sides:?}");
        }
        let free = Capability::Available;
        assert_eq!(either(true, (false, false)), (free, free));
        assert_eq!(either(false, (true, false)), (blocked, free));
        assert_eq!(either(false, (false, true)), (free, free));
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
        // No command is known at all: this project's own profile.
        assert_eq!(
            evidence(Some(Family::C2300), Action::UpdatePinLength),
            Some(Evidence::ProjectProfile)
        );
    }

    #[test]
    fn what_only_third_parties_describe_waits_for_consent_on_a_real_token() {
        let action = Action::UnblockWithChallengeResponse;
        let mut facts = facts(Some(Family::C4000));
        assert_eq!(
            entry(&facts, action).token,
            Capability::Unavailable(Reason::Unverified)
        );
        facts.overrides.allow_unverified = true;
        assert_eq!(entry(&facts, action).token, Capability::Available);
        facts.overrides.allow_unverified = false;
        facts.project_profile = true;
        assert_eq!(entry(&facts, action).token, Capability::Available);
        // Reading and the PIN are no writes.
        facts.project_profile = false;
        for action in [Action::ReadContent, Action::Authenticate] {
            assert_eq!(entry(&facts, action).token, Capability::Available);
        }
    }

    #[test]
    fn only_what_is_proven_standalone_is_administered() {
        let action = Action::Recycle;
        let fresh = facts(Some(Family::C2300));
        let needs_pin = Capability::Unavailable(Reason::NeedsAuthentication);
        assert_eq!(
            entry(&fresh, action).token,
            Capability::Unknown(Reason::ManagementUnknown)
        );
        for prove in [
            |facts: &mut Facts| facts.empty = true,
            |facts: &mut Facts| facts.personalized_here = true,
            |facts: &mut Facts| facts.personalized = true,
            |facts: &mut Facts| facts.overrides.allow_managed = true,
        ] {
            let mut facts = fresh.clone();
            prove(&mut facts);
            assert_eq!(entry(&facts, action).token, needs_pin);
        }
        let mut signed = fresh;
        signed.issuer_signed = true;
        signed.empty = true;
        assert_eq!(
            entry(&signed, action).token,
            Capability::Unavailable(Reason::DeviceManaged)
        );
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
                            Reason::DeviceManaged
                                | Reason::NotSupportedByFamily
                                | Reason::NotInStandard
                        )
                    ),
                    "{family:?} {action}"
                );
            }
        }
    }

    #[test]
    fn contactless_keeps_writing_to_contact_and_the_pin_to_contact_or_a_secure_session() {
        let on_contact = facts(None);
        for family in FAMILIES {
            let mut facts = facts(family);
            facts.interface = Interface::Contactless;
            facts.overrides.allow_unverified = true;
            for no_vci in [
                None,
                Some(Reason::OnlyOnContact),
                Some(Reason::NeedsPairingCode),
            ] {
                facts.no_vci = no_vci;
                for entry in &Capabilities::evaluate(&facts) {
                    let row = TABLE.iter().find(|row| row.action == entry.action).unwrap();
                    if row.needs.contains(&Need::Contact) {
                        assert!(!entry.token.is_available(), "{family:?} {entry:?}");
                    }
                }
                let expected = no_vci.map_or(Capability::Available, Capability::Unavailable);
                for action in [Action::Authenticate, Action::ChangePin] {
                    assert_eq!(entry(&facts, action).token, expected, "{family:?} {action}");
                }
                assert!(entry(&facts, Action::ReadContent).token.is_available());
            }
            facts.no_vci = Some(Reason::NotProbed);
            let not_tried = entry(&facts, Action::ChangePin).token;
            assert_eq!(not_tried, Capability::Unknown(Reason::NotProbed));
        }
        assert!(entry(&on_contact, Action::ChangePin).token.is_available());
    }

    #[test]
    fn a_no_of_the_token_s_own_is_told_before_not_built() {
        let recycle = entry(&facts(None), Action::Recycle);
        assert_eq!(
            recycle.capability,
            Capability::Unavailable(Reason::NotSupportedByFamily)
        );
    }
}
