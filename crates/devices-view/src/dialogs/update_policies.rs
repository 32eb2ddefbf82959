//! Update PIN policies.

use eframe::egui::{RichText, Ui};
use token_manager::token_profile::Policy;
use token_manager::{Action, PinEntry, Plan, PolicyOccasion, PolicySet};

use super::{Dialog, Flow, Reach, parts, policy_form, steps};
use crate::theme::UNIT;
use crate::widgets::{Notice, SecretField, notice, quiet, sentence};

#[derive(Default)]
pub(super) struct UpdatePolicies {
    policy: Option<Policy>,
    /// The policy that `plan` is for.
    planned: Option<Policy>,
    planning: parts::Doing<Plan>,
    plan: Option<Plan>,
    pin: SecretField,
    doing: parts::Doing<PolicySet>,
    done: Option<PolicySet>,
}

impl Dialog for UpdatePolicies {
    fn title(&self) -> &'static str {
        "Update PIN policies"
    }

    fn is_busy(&self) -> bool {
        self.doing.is_busy()
    }

    fn leave(&mut self) -> bool {
        self.doing.give_up()
    }

    fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        if let Some(plan) = self.planning.poll() {
            self.plan = Some(plan);
        }
        if let Some(done) = self.doing.poll() {
            self.done = Some(done);
        }
        match &self.done {
            Some(done) => over(ui, done, reach),
            None => self.form(ui, reach),
        }
    }

    fn resume(&mut self) {
        self.planned = None;
    }
}

fn over(ui: &mut Ui, done: &PolicySet, reach: &Reach<'_>) -> Flow {
    let names: Vec<_> = done.changed.iter().map(|part| part.name()).collect();
    let next = sentence(&names.join(", "));
    notice(
        ui,
        Notice::Good,
        "The PIN policies are updated.",
        Some(&next),
    );
    if !reach.snapshot.token.wants_pin_change() {
        return parts::close(ui);
    }
    let next = "The token is of no use to its holder until then.";
    notice(
        ui,
        Notice::Warning,
        "The PIN has to be changed now.",
        Some(next),
    );
    parts::close_or(ui, "Change PIN", Action::ChangePin)
}

impl UpdatePolicies {
    fn form(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        let snapshot = reach.snapshot;
        let is_busy = self.is_busy();
        quiet(ui, format!("A PIN has now {}.", snapshot.token.pin_policy));
        ui.add_space(UNIT);
        let policy = self.policy.get_or_insert_with(|| snapshot.policy.clone());
        let is_sound = ui
            .add_enabled_ui(!is_busy, |ui| {
                policy_form::ui(ui, snapshot, policy, PolicyOccasion::Update)
            })
            .inner;
        self.make_plan(is_sound, reach);
        // In one piece, whatever is in it: the field under it stays the same one to egui.
        let changes = ui.scope(|ui| self.changes(ui)).inner;
        let may_confirm = is_sound && changes;
        let field = ui
            .add_enabled_ui(!is_busy, |ui| {
                parts::tries(ui, &snapshot.token.pin.status);
                self.pin.ui(ui, "PIN")
            })
            .inner;
        parts::focus_first(ui, &field);
        if let (true, Some(plan)) = (is_busy, &self.plan) {
            steps::progress(ui, plan, self.doing.steps(), true);
        }
        self.doing.ui(ui, "Updating the policies…");
        let may = may_confirm && !is_busy && !self.pin.is_empty();
        let enter = parts::enter(ui, &field);
        let mut flow = Flow::Stay;
        parts::buttons(ui, |ui| {
            let pressed = parts::primary(ui, "Update policies", may).clicked();
            if may && (pressed || enter) {
                self.send(reach);
            }
            if parts::cancel(ui, &mut self.doing) {
                flow = Flow::Close;
            }
        });
        flow
    }

    /// Has the thread say what the policy would change, as soon as it is another one.
    fn make_plan(&mut self, is_sound: bool, reach: &Reach<'_>) {
        if !is_sound || self.is_busy() || self.planned == self.policy {
            return;
        }
        self.planned.clone_from(&self.policy);
        self.plan = None;
        if let Some(policy) = self.policy.clone() {
            let work = reach
                .worker()
                .run(move |session, _| session.plan_policy(&policy));
            self.planning.begin(work);
        }
    }

    /// Shows what would change. Whether anything would.
    fn changes(&mut self, ui: &mut Ui) -> bool {
        self.planning.ui(ui, "Working out what that changes…");
        let Some(plan) = &self.plan else {
            return false;
        };
        ui.label(RichText::new("What will be done").strong());
        if plan.steps.is_empty() {
            quiet(ui, "Nothing: these are the policies that the token has.");
            return false;
        }
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            steps::plan(ui, plan);
        });
        ui.add_space(UNIT);
        true
    }

    fn send(&mut self, reach: &Reach<'_>) {
        let Some(policy) = self.policy.clone() else {
            return;
        };
        if let Some(pin) = parts::pin(&mut self.pin, &mut self.doing) {
            let last_try = self.doing.last_try();
            self.doing.begin(reach.worker().run(move |session, _| {
                session.set_policy(PinEntry::Typed(&pin), last_try, &policy)
            }));
        }
    }
}
