//! Change PIN.

use eframe::egui::Ui;
use token_manager::{PinChangeEntry, PinChanged};

use super::{Dialog, Flow, Reach, new_pin::NewPin, parts};
use crate::widgets::{Notice, SecretField, notice};

#[derive(Default)]
pub(super) struct ChangePin {
    present: SecretField,
    new: NewPin,
    doing: parts::Doing<PinChanged>,
    is_done: bool,
}

impl Dialog for ChangePin {
    fn title(&self) -> &'static str {
        "Change PIN"
    }

    fn is_busy(&self) -> bool {
        self.doing.is_busy()
    }

    fn leave(&mut self) -> bool {
        self.doing.give_up()
    }

    fn lost(&mut self, ui: &mut Ui) {
        self.is_done |= self.doing.poll().is_some();
        if self.is_done {
            notice(ui, Notice::Good, "The PIN was changed before.", None);
        }
        self.doing.ui(ui, "Changing the PIN…");
    }

    fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        self.is_done |= self.doing.poll().is_some();
        if self.is_done {
            notice(ui, Notice::Good, "The PIN is changed.", None);
            return parts::close(ui);
        }
        self.form(ui, reach)
    }
}

impl ChangePin {
    fn form(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        let is_busy = self.is_busy();
        let token = &reach.snapshot.token;
        parts::tries(ui, &token.pin.status);
        let entered = ui.add_enabled_ui(!is_busy, |ui| {
            let first = self.present.ui(ui, "Present PIN");
            parts::focus_first(ui, &first);
            self.new.ui(ui, &token.pin_policy)
        });
        let entered = entered.inner;
        self.doing.ui(ui, "Changing the PIN…");
        let may = !is_busy && entered.is_ready && !self.present.is_empty();
        let mut flow = Flow::Stay;
        parts::buttons(ui, |ui| {
            let pressed = parts::primary(ui, "Change PIN", may).clicked();
            if may && (pressed || entered.enter) {
                self.send(reach);
            }
            if parts::cancel(ui, &mut self.doing) {
                flow = Flow::Close;
            }
        });
        flow
    }

    /// Refuses what can't be right before anything is wiped.
    fn send(&mut self, reach: &Reach<'_>) {
        let Some(old) = parts::possible_pin(&self.present, &mut self.doing) else {
            return;
        };
        let Some(new) = self.new.take(&mut self.doing) else {
            return;
        };
        self.present.wipe();
        let last_try = self.doing.last_try();
        self.doing.begin(reach.worker().run(move |session, _| {
            let entry = PinChangeEntry::Typed {
                old: &old,
                new: &new,
            };
            session.change_pin(entry, last_try)
        }));
    }
}
