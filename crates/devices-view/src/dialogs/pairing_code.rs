//! Retrieve pairing code: the PIN, then the code, hidden until it is asked for.

use eframe::egui::Ui;
use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;
use token_manager::{PinEntry, Reason};
use zeroize::Zeroizing;

use super::keep_pairing_code::KeepPairingCode;
use super::{Dialog, Flow, Reach, parts};
use crate::widgets::{SecretField, ShownSecret, quiet};

#[derive(Default)]
pub(super) struct RetrievePairingCode {
    pin: SecretField,
    doing: parts::Doing<(Box<PairingCode>, Option<Guid>)>,
    seen: Option<Seen>,
}

struct Seen {
    code: ShownSecret,
    /// `None` for a card that has no GUID to keep it for.
    keep: Option<KeepPairingCode>,
}

impl Dialog for RetrievePairingCode {
    fn title(&self) -> &'static str {
        "Retrieve pairing code"
    }

    fn is_busy(&self) -> bool {
        let keep = self.seen.as_ref().and_then(|seen| seen.keep.as_ref());
        self.doing.is_busy() || keep.is_some_and(KeepPairingCode::is_busy)
    }

    fn leave(&mut self) -> bool {
        self.doing.give_up() && !self.is_busy()
    }

    fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        if let Some((code, card)) = self.doing.poll() {
            self.seen = Some(Seen {
                code: ShownSecret::new("pairing code", text(&code)),
                keep: card.map(|card| KeepPairingCode::new(reach, card, code)),
            });
        }
        match &mut self.seen {
            Some(seen) => seen.ui(ui, reach),
            None => self.form(ui, reach),
        }
    }
}

/// As a person reads it: it is made of digits.
fn text(code: &PairingCode) -> Zeroizing<String> {
    let digits = code.as_bytes();
    let mut text = Zeroizing::new(String::with_capacity(digits.len()));
    text.extend(digits.iter().copied().map(char::from));
    text
}

impl RetrievePairingCode {
    fn form(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        quiet(
            ui,
            "With this code, the token can be used on a contactless reader as on this one.",
        );
        let asked = parts::PinForm {
            doing: "Verifying the PIN, and reading…",
            button: "Retrieve",
        };
        let (flow, pin) = asked.ui(ui, reach, &mut self.pin, &mut self.doing);
        if let Some(pin) = pin {
            let last_try = self.doing.last_try();
            self.doing.begin(reach.worker().run(move |session, _| {
                let code = session.retrieve_pairing_code(PinEntry::Typed(&pin), last_try)?;
                Ok((Box::new(code), session.token().identity.guid))
            }));
        }
        flow
    }
}

impl Seen {
    fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        let show = self.code.ui(ui, &reach.tools.lender);
        parts::focus_first(ui, &show);
        match &mut self.keep {
            Some(keep) => keep.ui(ui, reach),
            None => {
                quiet(ui, format!("It can't be kept: {}.", Reason::NoGuid));
            }
        }
        let mut flow = Flow::Stay;
        parts::buttons(ui, |ui| {
            if parts::primary(ui, "Close", true).clicked() {
                flow = Flow::Close;
            }
        });
        flow
    }
}
