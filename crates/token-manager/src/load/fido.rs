//! What a token's FIDO application says of itself.

use crescendo_ext::identity::{Family, Form, Identity};
use ctap_apdu::client_pin::GetPinRetries;
use ctap_apdu::framing::Select;
use ctap_apdu::{ClientPinState, GetInfo, Info};
use piv_apdu::status::StatusWord;
use token_cache::Item;

use super::asking::{Asking, Stop};
use crate::error::{Part, Problem, Unreadable};
use crate::fido::{FidoApplication, FidoPinState, FidoState};

/// SELECT of the FIDO application, authenticatorGetInfo, and getPINRetries if it has a
/// PIN. Nothing on a token of a family that is not known to have one.
///
/// Of a token that is remembered only a fresh look asks: to select the FIDO application
/// takes a PIN away that another program has verified in the PIV application. The PIN's
/// state is never from memory: other looks do without it, since a browser sets a PIN, too.
pub(super) fn read_fido(asking: &mut Asking<'_>, identity: &Identity) -> Result<FidoState, Stop> {
    if !may_have_fido(identity) {
        return Ok(FidoState::NotLookedFor);
    }
    match asking.ask(Some(Item::FidoApplication), &Select)? {
        Ok(_) => {}
        Err(Unreadable::Refused(StatusWord::FILE_NOT_FOUND)) => return Ok(FidoState::Absent),
        Err(why) => return Ok(FidoState::Unreadable(why)),
    }
    match asking.ask_fido(Some(Item::FidoInfo), &GetInfo)? {
        Ok(info) => {
            let pin = read_pin_state(asking, &info)?;
            Ok(FidoState::Present(Box::new(FidoApplication {
                info,
                pin,
                remembered: asking.memory.is_known_enough(),
            })))
        }
        Err(why) => {
            asking.problems.push(Problem::new(Part::Fido, why.clone()));
            Ok(FidoState::Unreadable(why))
        }
    }
}

/// Of all tokens the C4000 and the Keys.
fn may_have_fido(identity: &Identity) -> bool {
    identity.family() == Family::C4000 || identity.form() == Form::Key
}

fn read_pin_state(asking: &mut Asking<'_>, info: &Info) -> Result<FidoPinState, Stop> {
    let not_told = |why| Ok(FidoPinState::Unknown(Unreadable::NotTold(why)));
    match info.client_pin() {
        ClientPinState::NotSupported => return Ok(FidoPinState::NotSupported),
        _ if asking.memory.is_known_enough() => return not_told("only a fresh look asks for it"),
        ClientPinState::NotSet => return Ok(FidoPinState::NotSet),
        ClientPinState::Set => {}
    }
    let Some(protocol) = info.pin_protocol() else {
        return not_told("it speaks no PIN protocol that is known here");
    };
    Ok(match asking.ask_fido(None, &GetPinRetries { protocol })? {
        Ok(retries) => FidoPinState::from_retries(retries),
        Err(why) => FidoPinState::Unknown(why),
    })
}
