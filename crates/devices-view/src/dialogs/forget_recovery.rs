//! Never show again: the secret that unblocks the token is erased from where it is kept.

use eframe::egui::Ui;
use piv_apdu::management::ManagementKey;
use piv_apdu::secret::Pin;
use token_manager::{PinEntry, Plan};

use super::management_key::ManagementKeyField;
use super::{Flow, Reach, parts, steps};
use crate::widgets::{Notice, SecretField, destructive, notice};

pub(super) struct ForgetRecovery {
    planning: parts::Doing<Plan>,
    plan: Option<Plan>,
    is_agreed: bool,
    pin: SecretField,
    key: ManagementKeyField,
    doing: parts::Doing<()>,
    is_done: bool,
}

/// What comes after a frame of it.
pub(super) enum Next {
    /// The same.
    Stay,
    /// The page before: it was not done.
    Back,
    /// The secret is forgotten, and this says so.
    Forgotten,
    /// Nothing: it is over.
    Close,
}

impl ForgetRecovery {
    /// Begins with what would be done.
    pub(super) fn plan(reach: &Reach<'_>) -> Self {
        let mut planning = parts::Doing::default();
        let work = reach.worker();
        planning.begin(work.run(|session, _| session.plan_forget_recovery()));
        Self {
            planning,
            plan: None,
            is_agreed: false,
            pin: SecretField::default(),
            key: ManagementKeyField::default(),
            doing: parts::Doing::default(),
            is_done: false,
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.planning.is_busy() || self.doing.is_busy()
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Next {
        if let Some(plan) = self.planning.poll() {
            self.plan = Some(plan);
        }
        if self.doing.poll().is_some() {
            self.is_done = true;
            return Next::Forgotten;
        }
        if self.is_done {
            let next = "It still unblocks the token for whoever has written it down.";
            notice(ui, Notice::Good, "It is forgotten.", Some(next));
            return match parts::close(ui) {
                Flow::Close => Next::Close,
                Flow::Stay | Flow::Open(_) => Next::Stay,
            };
        }
        self.form(ui, reach)
    }

    fn form(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Next {
        notice(
            ui,
            Notice::Warning,
            "It is erased, and never shown again, here or anywhere.",
            Some("Whoever has not written it down can't unblock the token with it."),
        );
        let is_busy = self.is_busy();
        let enter = ui
            .add_enabled_ui(!is_busy, |ui| self.fields(ui, reach))
            .inner;
        self.planning.ui(ui, "Looking at what has to be done…");
        self.doing.ui(ui, "Erasing it…");
        let has_key = !wants_key(reach) || self.key.is_ready();
        let is_ready = self.plan.is_some() && has_key;
        let may = !is_busy && is_ready && self.is_agreed && !self.pin.is_empty();
        let mut next = Next::Stay;
        parts::buttons(ui, |ui| {
            let pressed = destructive(ui, "Never show again", may).clicked();
            if may && (pressed || enter) {
                self.send(reach);
            }
            if ui.add_enabled(!is_busy, parts::button("Back")).clicked() {
                next = Next::Back;
            }
        });
        next
    }

    /// What is done, and what it takes. Whether Enter was pressed in the last field.
    fn fields(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> bool {
        let Some(plan) = &self.plan else {
            return false;
        };
        steps::plan(ui, plan);
        let agrees = ui.checkbox(
            &mut self.is_agreed,
            "I have it in safe keeping, or don't need it",
        );
        parts::focus_first(ui, &agrees);
        parts::tries(ui, &reach.snapshot.token.pin.status);
        let pin = self.pin.ui(ui, "PIN");
        if wants_key(reach) {
            self.key.ui(ui)
        } else {
            parts::enter(ui, &pin)
        }
    }

    /// Refuses what can't be right before anything is wiped.
    fn send(&mut self, reach: &Reach<'_>) {
        let key = match wants_key(reach).then(|| self.key.key()) {
            Some(Ok(key)) => Some(key),
            Some(Err(error)) => return self.doing.refuse(&error.to_string()),
            None => None,
        };
        let Some(pin) = parts::possible_pin(&self.pin, &mut self.doing) else {
            return;
        };
        self.pin.wipe();
        self.key.wipe();
        self.erase(reach, pin, key);
    }

    fn erase(&mut self, reach: &Reach<'_>, pin: Box<Pin>, key: Option<Box<ManagementKey>>) {
        let last_try = self.doing.last_try();
        self.doing.begin(reach.worker().run(move |session, _| {
            let pin = PinEntry::Typed(&pin);
            match &key {
                Some(key) => session.forget_recovery_with_key(pin, last_try, key),
                None => session.forget_recovery(pin, last_try),
            }
        }));
    }
}

fn wants_key(reach: &Reach<'_>) -> bool {
    reach.snapshot.token.forgetting_takes_management_key()
}
