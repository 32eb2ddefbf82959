//! Enter pairing code: what a token on a contactless reader wants before it shows more than
//! it shows to everybody, and before it takes a PIN.

use std::sync::Arc;

use eframe::egui::Ui;
use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;
use token_manager::VciError;

use super::keep_pairing_code::KeepPairingCode;
use super::{Dialog, Flow, Reach, parts};
use crate::widgets::{Notice, SecretField, notice, quiet};

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

    fn leave(&mut self) -> bool {
        self.doing.give_up() && !self.is_busy()
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
            if parts::cancel(ui, &mut self.doing) {
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
            let entered = codes.enter(session, &code)?;
            Ok((entered, code))
        }));
    }
}
