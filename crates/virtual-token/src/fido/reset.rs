//! authenticatorReset (CTAP 2.1, 6.6).

use super::Session;
use super::pin;
use super::state::FidoState;
use super::status::Status;
use crate::card::Card;

/// Forgets PIN and credentials. A PIN that is the PIV PIN stays, with the tries that it has
/// left: otherwise every Reset would give away some more.
///
/// The standard allows it for ten seconds after power-up, so that no program does it behind
/// its user's back to a card that lies in the reader. A card has no clock; here the first
/// moments last until the first command of this applet after power-up that does more than
/// ask: anything but `GetInfo`, authenticatorSelection and the question for the PIN's tries.
pub(super) fn reset(card: &mut Card) -> Result<Vec<u8>, Status> {
    if card.fido.in_use {
        return Err(Status::NotAllowed);
    }
    let tries_used = if pin::is_shared(&card.state) {
        card.state.fido.tries_used
    } else {
        0
    };
    card.state.fido = FidoState {
        tries_used,
        ..FidoState::default()
    };
    card.fido = Session::default();
    card.mark_changed();
    Ok(Vec::new())
}
