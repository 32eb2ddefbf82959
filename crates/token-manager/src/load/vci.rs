//! Opening the virtual contact interface, while a token is read.

use pcsc_transport::{Interface, TransportError};
use piv_apdu::command::{ApplicationProperties, GetData};
use piv_apdu::object::{Chuid, DataObject, Discovery, ObjectTag, SmSigner};
use token_cache::Item;

use super::asking::{Asking, Stop};
use crate::error::Unreadable;
use crate::vci::{Announced, VciAccess, VciError, VciState, announced_suite, open};

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

/// On a token that announces it in the answer to SELECT and in its discovery object,
/// opens it: GET DATA of discovery, CHUID and, if it is of interest who vouches for the
/// card, `5FC122`; then GENERAL AUTHENTICATE, and VERIFY of the pairing code. What was
/// read is not asked for again.
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
    let usage = match read::<Discovery>(asking, ObjectTag::DISCOVERY)? {
        Ok(discovery) if discovery.pin_usage.vci() => discovery.pin_usage,
        _ => return Ok(Vci::without(VciState::NotAnnounced)),
    };
    let chuid = read::<Chuid>(asking, ObjectTag::CHUID)?.ok();
    let announced = Announced {
        suite,
        needs_code: !usage.vci_without_pairing_code(),
        guid: chuid.map(|chuid| chuid.guid),
        signer: if access.asks_who_vouches() {
            Some(read::<SmSigner>(asking, ObjectTag::SM_SIGNER)?)
        } else {
            None
        },
    };
    let state = match open(&mut asking.transaction, &announced, access) {
        Ok(Ok(state)) => state,
        Ok(Err(error)) => VciState::Closed(error),
        Err(TransportError::Link(error)) => return Err(Stop::Link(error)),
        Err(error) => VciState::Closed(VciError::Broken(error.to_string())),
    };
    Ok(Vci {
        state,
        announced: Some(announced),
    })
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
