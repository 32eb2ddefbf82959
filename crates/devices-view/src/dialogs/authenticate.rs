//! Authenticate: the PIN, to hold the token open.

use eframe::egui::Ui;

use super::{Dialog, Flow, Reach, parts};
use crate::widgets::SecretField;

#[derive(Default)]
pub(super) struct Authenticate {
    pin: SecretField,
    doing: parts::Doing<()>,
}

impl Dialog for Authenticate {
    fn title(&self) -> &'static str {
        "Authenticate"
    }

    fn is_busy(&self) -> bool {
        self.doing.is_busy()
    }

    fn leave(&mut self) -> bool {
        self.doing.give_up()
    }

    fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        if self.doing.poll().is_some() {
            return Flow::Close;
        }
        let asked = parts::PinForm {
            doing: "Verifying the PIN…",
            button: "Authenticate",
        };
        let (flow, pin) = asked.ui(ui, reach, &mut self.pin, &mut self.doing);
        if let Some(pin) = pin {
            let last_try = self.doing.last_try();
            self.doing.begin(reach.worker().unlock(pin, last_try));
        }
        flow
    }
}
