//! What a Crescendo tells outside of its PIV application.

use crescendo_ext::aca::{GetPinProperties, SelectAca};
use crescendo_ext::cplc::{GetCplc, SelectIsd};
use crescendo_ext::identity::{Family, Form, Identity};
use crescendo_ext::oath::SelectOathSlot;
use crescendo_ext::{AppletVersion, Evidence, operations};
use piv_apdu::status::StatusWord;
use token_cache::Item;

use super::asking::{Asking, Stop};
use super::fido::read_fido;
use crate::capability::{Reason, Said};
use crate::content::{OathSlot, OathState};
use crate::error::{Part, Unreadable};
use crate::fido::FidoState;
use crate::pin::PinPolicy;

/// What a Crescendo tells outside of its PIV application.
pub(super) struct VendorParts {
    pub(super) serial: Option<String>,
    pub(super) applet_version: Option<AppletVersion>,
    pub(super) pin_policy: PinPolicy,
    pub(super) pin_properties: Said,
    pub(super) oath_slots: Vec<OathSlot>,
    pub(super) oath: Said,
    pub(super) fido: FidoState,
}

impl VendorParts {
    /// Those of a card that is no Crescendo: nothing was asked.
    pub(super) fn none() -> Self {
        Self {
            serial: None,
            applet_version: None,
            pin_policy: PinPolicy::standard(),
            pin_properties: Said::No(Reason::NotSupportedByFamily),
            oath_slots: Vec::new(),
            oath: Said::No(Reason::NotSupportedByFamily),
            fido: FidoState::NotLookedFor,
        }
    }
}

/// SELECT ISD, GET CPLC, SELECT ACA, GET PIN PROPERTIES, and on a Key SELECT of
/// the OATH slots.
pub(super) fn read_vendor_parts(
    asking: &mut Asking<'_>,
    identity: &Identity,
) -> Result<VendorParts, Stop> {
    let mut parts = VendorParts::none();

    let domain = asking.ask(Some(Item::IssuerSecurityDomain), &SelectIsd)?;
    let production_data = match domain {
        Ok(()) => asking.ask(Some(Item::ProductionData), &GetCplc)?,
        Err(why) => Err(why),
    };
    parts.serial = asking
        .note(Part::Serial, production_data)
        .map(|data| data.serial());

    parts.pin_properties = Said::Nothing(Reason::CouldNotRead);
    let applet = asking.ask(Some(Item::AccessControlApplet), &SelectAca)?;
    if let Some(applet) = asking.note(Part::AccessControlApplet, applet) {
        parts.applet_version = applet.applet;
        let properties = asking.ask(Some(Item::PinProperties), &GetPinProperties)?;
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
    parts.fido = read_fido(asking, identity)?;
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
        let state = match asking.ask(Some(Item::OathSlot(command.slot())), &command)? {
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
