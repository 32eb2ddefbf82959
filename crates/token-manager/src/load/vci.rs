//! Opening the virtual contact interface, while a token is read.

use pcsc_transport::{Interface, TransportError};
use piv_apdu::command::{ApplicationProperties, GetData};
use piv_apdu::object::{Chuid, DataObject, Discovery, Guid, ObjectTag, SmSigner};
use piv_apdu::sm::SmError;
use token_cache::Item;

use super::asking::{Asking, Stop};
use crate::error::Unreadable;
use crate::vci::{
    Announced, VciAccess, VciError, VciState, announced_suite, establish, present, same_card,
};

/// How the virtual contact interface stands, and what the token announces of it.
pub(super) struct Vci {
    pub(super) state: VciState,
    pub(super) announced: Option<Announced>,
}

impl Vci {
    /// On a token without the PIV application.
    pub(super) fn none(interface: Interface) -> Self {
        Self::without(match interface {
            Interface::Contact => VciState::NotNeeded,
            Interface::Contactless => VciState::NotAnnounced,
        })
    }

    fn without(state: VciState) -> Self {
        let announced = None;
        Self { state, announced }
    }
}

/// On a token that announces it in the answer to SELECT and in its discovery object: GET
/// DATA of `5FC122` if it is of interest who vouches for the card, and GENERAL
/// AUTHENTICATE; then, in the session, GET DATA of discovery once more, for anybody could
/// have said what was read before, and of the CHUID, and VERIFY of the pairing code if it
/// takes one. What was read in the session is not asked for again.
///
/// Not at a quick look at a token that is known, which asks nothing that it takes.
pub(super) fn open_vci(
    asking: &mut Asking<'_>,
    application: &ApplicationProperties,
    access: &VciAccess,
) -> Result<Vci, Stop> {
    if asking.transaction.info().interface == Interface::Contact {
        return Ok(Vci::without(VciState::NotNeeded));
    }
    if asking.memory.is_quick() {
        return Ok(Vci::without(VciState::NotTried));
    }
    let Some(suite) = announced_suite(&application.algorithms) else {
        return Ok(Vci::without(VciState::NotAnnounced));
    };
    if !announces(read(asking, ObjectTag::DISCOVERY)?) {
        return Ok(Vci::without(VciState::NotAnnounced));
    }
    let signer = if access.asks_who_vouches() {
        Some(read::<SmSigner>(asking, ObjectTag::SM_SIGNER)?)
    } else {
        None
    };
    if let Err(why) = asking.select_now()? {
        return Ok(Vci::without(VciState::Closed(VciError::Broken(
            why.to_string(),
        ))));
    }
    let established = establish(&mut asking.transaction, suite, signer.as_ref(), access);
    let established = lasting(established)?;
    if established.is_ok() {
        asking.memory.forget_given(ObjectTag::DISCOVERY);
        asking.memory.forget_given(ObjectTag::CHUID);
    }
    let discovery = read::<Discovery>(asking, ObjectTag::DISCOVERY)?;
    let guid = read::<Chuid>(asking, ObjectTag::CHUID)?.ok();
    if established.is_ok() && !asking.transaction.is_secured() {
        // What could not be read because of that says nothing of the card.
        asking.memory.is_spoiled();
        return Ok(Vci::without(VciState::Closed(VciError::Session(
            SmError::Over,
        ))));
    }
    let usage = match discovery {
        Ok(discovery) if discovery.pin_usage.vci() => discovery.pin_usage,
        _ => return Ok(Vci::without(VciState::NotAnnounced)),
    };
    let announced = Announced {
        suite,
        needs_code: !usage.vci_without_pairing_code(),
        guid: guid.map(|chuid| chuid.guid),
        signer,
    };
    let opened = match established {
        Ok((certificate, vouched)) => {
            let opened = finish(asking, &announced, (certificate, vouched), access)?;
            opened.map(|()| VciState::Open { suite, vouched })
        }
        Err(error) => Err(error),
    };
    Ok(Vci {
        state: opened.unwrap_or_else(VciState::Closed),
        announced: Some(announced),
    })
}

fn announces(discovery: Result<Discovery, Unreadable>) -> bool {
    discovery.is_ok_and(|discovery| discovery.pin_usage.vci())
}

/// In the session: is it the card that it says it is, and does it take the pairing code?
fn finish(
    asking: &mut Asking<'_>,
    card: &Announced,
    (certificate, vouched): (Guid, bool),
    access: &VciAccess,
) -> Result<Result<(), VciError>, Stop> {
    if let Err(error) = same_card(certificate, card.guid) {
        asking.transaction.end_secure();
        return Ok(Err(error));
    }
    match access.code_for(card.needs_code, card.guid) {
        Ok(Some(code)) => lasting(present(&mut asking.transaction, &code, vouched)),
        Ok(None) => Ok(Ok(())),
        Err(error) => Ok(Err(error)),
    }
}

/// A lost link ends the load; what else goes wrong closes the interface.
fn lasting<T>(
    result: Result<Result<T, VciError>, TransportError>,
) -> Result<Result<T, VciError>, Stop> {
    match result {
        Ok(result) => Ok(result),
        Err(TransportError::Link(error)) => Err(Stop::Link(error)),
        Err(error) => Ok(Err(VciError::Broken(error.to_string()))),
    }
}

fn read<O: DataObject>(
    asking: &mut Asking<'_>,
    tag: ObjectTag,
) -> Result<Result<O, Unreadable>, Stop> {
    let Some(item) = Item::object(tag) else {
        return Ok(Err(Unreadable::NotTold("it is no data object")));
    };
    let content = asking.peek(item, &GetData::new(tag))?;
    let malformed = |error: piv_apdu::object::ObjectError| Unreadable::Malformed(error.to_string());
    Ok(content.and_then(|content| O::decode(&content).map_err(malformed)))
}
