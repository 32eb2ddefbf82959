//! Enter pairing code: what a token on a contactless reader wants before it shows more than
//! it shows to everybody, and before it takes a PIN.

use std::sync::Arc;

use eframe::egui::Ui;
use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;
use token_desktop::PairingCodes;
use token_manager::{
    Action, ActionError, PairingCodeStore as _, Reason, Session, Token, VciError, VciState,
};

use super::keep_pairing_code::KeepPairingCode;
use super::{Dialog, Flow, Reach, parts};
use crate::widgets::{Notice, SecretField, notice, quiet};

/// Why a token has to be given its pairing code, if that is all that is missing for a secure
/// session with it.
pub(crate) fn wanted_code(token: &Token) -> Option<&VciError> {
    match &token.vci {
        VciState::Closed(
            why @ (VciError::NoPairingCode
            | VciError::WrongPairingCode { .. }
            // One that is given counts, whatever is kept or can't be read.
            | VciError::Store(_)),
        ) if token.identity.guid.is_some() => Some(why),
        _ => None,
    }
}

/// What came of a code: the card that has taken it, or why there is no secure session.
type Entered = Result<Guid, VciError>;

#[derive(Default)]
pub(crate) struct EnterPairingCode {
    code: SecretField,
    doing: parts::Doing<(Entered, Box<PairingCode>)>,
    keep: Option<KeepPairingCode>,
}

impl Dialog for EnterPairingCode {
    fn title(&self) -> &'static str {
        "Enter pairing code"
    }

    fn is_busy(&self) -> bool {
        let keeps = self.keep.as_ref().is_some_and(KeepPairingCode::is_busy);
        self.doing.is_busy() || keeps
    }

    fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        match self.doing.poll() {
            Some((Ok(card), code)) => self.keep = Some(KeepPairingCode::new(reach, card, code)),
            Some((Err(why), _)) => self.doing.fail_as(&why.to_string()),
            None => {}
        }
        if let Some(keep) = &mut self.keep {
            let state = format!("Secure session: {}.", reach.snapshot.token.vci);
            notice(
                ui,
                Notice::Good,
                "The token has taken the pairing code.",
                Some(&state),
            );
            keep.ui(ui, reach);
            return parts::close(ui);
        }
        self.form(ui, reach)
    }
}

impl EnterPairingCode {
    fn form(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        let is_busy = self.is_busy();
        quiet(
            ui,
            "Eight digits. On a contact reader, Retrieve pairing code in the token's menu shows \
             them.",
        );
        let field = ui
            .add_enabled_ui(!is_busy, |ui| self.code.ui(ui, "Pairing code"))
            .inner;
        parts::focus_first(ui, &field);
        self.doing.ui(ui, "Opening a secure session…");
        let may = !is_busy && !self.code.is_empty();
        let enter = parts::enter(ui, &field);
        let mut flow = Flow::Stay;
        parts::buttons(ui, |ui| {
            let pressed = parts::primary(ui, "Use this code", may).clicked();
            if may && (pressed || enter) {
                self.send(reach);
            }
            if ui.add_enabled(!is_busy, parts::button("Cancel")).clicked() {
                flow = Flow::Close;
            }
        });
        flow
    }

    fn send(&mut self, reach: &Reach<'_>) {
        let code = match self.code.take(|text| PairingCode::new(text.as_bytes())) {
            Ok(code) => code,
            Err(error) => {
                let why = format!("this can't be a pairing code: {error}");
                return self.doing.refuse(&why);
            }
        };
        let codes = Arc::clone(&reach.tools.codes);
        self.doing.begin(reach.worker().run(move |session, _| {
            let entered = try_code(session, &codes, &code)?;
            Ok((entered, code))
        }));
    }
}

/// Gives the code to this program's memory, and reads the token again with it. A code that
/// the card calls wrong is not kept there; one from elsewhere is forgotten only if it is
/// certain which card calls it wrong.
fn try_code(
    session: &mut Session,
    codes: &PairingCodes,
    code: &PairingCode,
) -> Result<Entered, ActionError> {
    let card = session
        .token()
        .identity
        .guid
        .ok_or(ActionError::Unavailable {
            action: Action::Authenticate,
            reason: Reason::NoGuid,
        })?;
    if let VciState::Closed(VciError::WrongPairingCode { vouched: true }) = &session.token().vci {
        codes.forget(&card)?;
    }
    codes.put(&card, code)?;
    session.reload_same()?;
    match session.token().vci.clone() {
        VciState::Closed(why) => {
            if matches!(why, VciError::WrongPairingCode { .. }) {
                codes.given().forget(&card)?;
            }
            Ok(Err(why))
        }
        _ => Ok(Ok(card)),
    }
}
