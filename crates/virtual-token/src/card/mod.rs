//! The card as a whole: which applet a command goes to, and who may do what.

pub(crate) mod access;
mod select;
pub(crate) mod transmission;

use core::mem;

use piv_apdu::apdu::Command;
use piv_apdu::status::StatusWord;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use zeroize::Zeroizing;

use crate::profile::Protocol;
use crate::secure_messaging::{self, Session};
use crate::state::TokenState;
use crate::{aca, fido, isd, oath, piv};
use access::Access;

/// What a command comes to: data with 9000, or another status word.
pub(crate) type Answer = Result<Zeroizing<Vec<u8>>, StatusWord>;

/// An answer of 9000 and nothing else.
#[allow(clippy::unnecessary_wraps)] // it stands where an Answer is returned
pub(crate) fn done() -> Answer {
    Ok(Zeroizing::new(Vec::new()))
}

/// An applet that can be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applet {
    /// The issuer security domain, which is selected after a reset.
    Isd,
    /// HID's access control applet.
    Aca,
    Piv,
    /// The OATH slot of this number, from 0.
    Oath(u8),
    /// The FIDO2 authenticator.
    Fido,
}

/// A card with power: what it keeps, and what it forgets.
pub(crate) struct Card {
    pub(crate) state: TokenState,
    pub(crate) selected: Applet,
    pub(crate) access: Access,
    /// The secure messaging session with a host.
    pub(crate) session: Option<Session>,
    /// The command being executed came through it.
    pub(crate) over_secure_messaging: bool,
    /// What the FIDO applet remembers.
    pub(crate) fido: fido::Session,
    pub(crate) random: ChaCha20Rng,
    /// The button of a Key was pressed, and nothing has used that yet.
    pub(crate) button_pressed: bool,
    /// The state has changed since it was last saved.
    pub(crate) changed: bool,
}

impl Card {
    pub(crate) fn new(state: TokenState, random: ChaCha20Rng) -> Self {
        Card {
            state,
            selected: Applet::Isd,
            access: Access::default(),
            session: None,
            over_secure_messaging: false,
            fido: fido::Session::default(),
            random,
            button_pressed: false,
            changed: false,
        }
    }

    /// What losing power and a reset do.
    pub(crate) fn forget(&mut self) {
        self.selected = Applet::Isd;
        self.access = Access::default();
        self.session = None;
        self.fido = fido::Session::default();
        self.button_pressed = false;
    }

    /// A whole command, of which chaining has been undone.
    fn execute(&mut self, command: &Command) -> Answer {
        self.access.begin_command();
        if select::is_select(command) {
            return self.select(command);
        }
        if secure_messaging::is_asked_for(command.cla()) {
            return secure_messaging::execute(self, command);
        }
        match self.selected {
            Applet::Isd => isd::execute(self, command),
            Applet::Aca => aca::execute(self, command),
            Applet::Piv => piv::execute(self, command),
            Applet::Oath(slot) => oath::execute(self, slot, command),
            Applet::Fido => fido::execute(self, command),
        }
    }

    /// The protocol in use. What a contactless card speaks is shown to the host as T=1.
    pub(crate) fn protocol(&self) -> Protocol {
        if self.state.contactless {
            Protocol::T1
        } else {
            self.state.protocol
        }
    }

    /// Bytes that nobody can foretell.
    pub(crate) fn random_bytes(&mut self, length: usize) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(vec![0; length]);
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    /// Notes that the state is to be saved.
    pub(crate) fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// Whether it was changed since the last call.
    pub(crate) fn take_changed(&mut self) -> bool {
        mem::take(&mut self.changed)
    }
}
