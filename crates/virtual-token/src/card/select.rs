//! SELECT by application identifier.

use piv_apdu::aid;
use piv_apdu::apdu::Command;
use piv_apdu::status::StatusWord;

use super::{Answer, Applet, Card, done};
use crate::{aca, fido, isd, oath, piv};

const INS_SELECT: u8 = 0xA4;
const BY_NAME: u8 = 0x04;

pub(crate) fn is_select(command: &Command) -> bool {
    command.cla() == 0x00 && command.ins() == INS_SELECT
}

impl Card {
    pub(super) fn select(&mut self, command: &Command) -> Answer {
        // P2: first occurrence, with the application's information (00) or without (0C).
        let with_answer = match (command.p1(), command.p2()) {
            (BY_NAME, 0x00) => true,
            (BY_NAME, 0x0C) => false,
            _ => return Err(StatusWord::INCORRECT_P1P2),
        };
        // An application that is not there leaves everything as it was.
        let applet = self
            .applet_by_name(command.data())
            .ok_or(StatusWord::FILE_NOT_FOUND)?;
        self.access
            .select(self.selected, applet, self.state.profile.is_crescendo());
        self.selected = applet;
        // A press was for the slot that waited.
        self.button_pressed = false;
        // The standard has no such rule for selecting PIV again. It forbids none either,
        // and a host that counts on its session then counts on too much.
        self.session = None;
        self.fido.deselect();
        if !with_answer {
            return done();
        }
        match applet {
            Applet::Isd => Ok(isd::select_answer()),
            Applet::Aca => Ok(aca::select_answer(self.state.profile)),
            Applet::Piv => Ok(piv::select_answer(&self.state)),
            Applet::Oath(slot) => Ok(oath::select_answer(slot)),
            Applet::Fido => Ok(fido::select_answer()),
        }
    }

    /// The applet of this name. A name may be cut off on the right where cards are
    /// known to take that: PIV's without its two version bytes, the security domain's
    /// without its last, and the empty one, which is the security domain's too.
    fn applet_by_name(&self, name: &[u8]) -> Option<Applet> {
        let profile = self.state.profile;
        if name == aid::PIV || name == aid::PIV_TRUNCATED {
            return Some(Applet::Piv);
        }
        if self.state.yubico && name == aid::RID_NIST {
            return Some(Applet::Piv);
        }
        if name.is_empty() || name == isd::AID || name == isd::AID_TRUNCATED {
            return Some(Applet::Isd);
        }
        if profile.is_crescendo() && name == aca::AID {
            return Some(Applet::Aca);
        }
        if profile.has_fido() && name == fido::AID {
            return Some(Applet::Fido);
        }
        oath::AIDS
            .iter()
            .zip(0..profile.oath_slots())
            .find(|(aid, _)| **aid == name)
            .map(|(_, slot)| Applet::Oath(slot))
    }
}
