//! Never show again: the secret that unblocks the token is erased from where it is kept.

use eframe::egui::{RichText, Ui};
use piv_apdu::management::ManagementKey;
use piv_apdu::secret::Pin;
use token_manager::{PinEntry, Plan, RecoveryPlace};

use super::management_key::ManagementKeyField;
use super::{Flow, Reach, parts};
use crate::theme::Palette;
use crate::widgets::{Notice, SecretField, capital, destructive, notice, quiet};

/// What is to be done, and what it takes.
struct Planned {
    plan: Plan,
    /// Whether it takes the management key.
    wants_key: bool,
}

pub(super) struct ForgetRecovery {
    planning: parts::Doing<Planned>,
    planned: Option<Planned>,
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
        planning.begin(reach.worker().run(|session, _| {
            let on_host = session.record().recovery == Some(RecoveryPlace::Host);
            let on_token = session.token().takes_management_key(RecoveryPlace::Token);
            Ok(Planned {
                plan: session.plan_forget_recovery()?,
                wants_key: on_token && !on_host,
            })
        }));
        Self {
            planning,
            planned: None,
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
        if let Some(planned) = self.planning.poll() {
            self.planned = Some(planned);
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
        let has_key = |planned: &Planned| !planned.wants_key || self.key.is_ready();
        let is_ready = self.planned.as_ref().is_some_and(has_key);
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
        let Some(planned) = &self.planned else {
            return false;
        };
        steps(ui, &planned.plan);
        let agrees = ui.checkbox(
            &mut self.is_agreed,
            "I have it in safe keeping, or don't need it",
        );
        parts::focus_first(ui, &agrees);
        parts::tries(ui, &reach.snapshot.token.pin.status);
        let pin = self.pin.ui(ui, "PIN");
        if planned.wants_key {
            self.key.ui(ui)
        } else {
            parts::enter(ui, &pin)
        }
    }

    fn send(&mut self, reach: &Reach<'_>) {
        let wants_key = self
            .planned
            .as_ref()
            .is_some_and(|planned| planned.wants_key);
        let key = match wants_key.then(|| self.key.take()) {
            Some(Ok(key)) => Some(key),
            Some(Err(error)) => return self.doing.refuse(&error.to_string()),
            None => None,
        };
        let Some(pin) = parts::pin(&mut self.pin, &mut self.doing) else {
            return;
        };
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

/// The steps of a plan, in order.
fn steps(ui: &mut Ui, plan: &Plan) {
    for (number, step) in (1..).zip(&plan.steps) {
        let mut text = capital(&step.text);
        if let Some(evidence) = step.evidence {
            text = format!("{text} ({evidence})");
        }
        let text = format!("{number}. {text}.");
        if step.irreversible {
            let color = Palette::of(ui.ctx()).bad;
            ui.label(RichText::new(format!("{text} This can't be undone.")).color(color));
        } else {
            quiet(ui, text);
        }
    }
}
