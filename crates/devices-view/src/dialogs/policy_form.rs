//! The rules of a PIN policy, each with its control, what it means, and who enforces it.

use eframe::egui::{Response, RichText, Ui};
use token_manager::token_profile::{Alphabet, ChallengeType, Policy};
use token_manager::{Action, PolicyOccasion, PolicyRule};

use super::parts;
use crate::theme::{Palette, UNIT};
use crate::widgets::{describe, quiet, segments, sentence};
use crate::work::Snapshot;

const LENGTHS: [(u8, &str); 5] = [(4, "4"), (5, "5"), (6, "6"), (7, "7"), (8, "8")];

/// Draws the rules. Whether the policy makes sense.
pub(super) fn ui(
    ui: &mut Ui,
    snapshot: &Snapshot,
    policy: &mut Policy,
    occasion: PolicyOccasion,
) -> bool {
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        for rule in &snapshot.rules {
            let obstacle = rule.refusal_at(occasion);
            let control = |ui: &mut Ui| control(ui, rule, policy);
            let shown = ui.add_enabled_ui(obstacle.is_none(), control);
            if let Some(first) = shown.inner.filter(Response::enabled) {
                parts::focus_first(ui, &first);
            }
            let shown = shown.response;
            quiet(ui, format!("{}.", rule.meaning_under(policy)));
            if let Some(reason) = obstacle {
                let why = format!("It can't be set here: {reason}.");
                describe(&shown, &why);
                let color = Palette::of(ui.ctx()).warning;
                ui.label(RichText::new(why).color(color));
            } else {
                quiet(ui, sentence(rule.enforcer.sentence()));
            }
            ui.add_space(UNIT);
        }
        match policy.check() {
            Ok(()) => true,
            Err(error) => {
                parts::remark(ui, &sentence(&error.to_string()));
                false
            }
        }
    })
    .inner
}

/// What sets the rule, by the rule's name: the first part of it.
fn control(ui: &mut Ui, rule: &PolicyRule, policy: &mut Policy) -> Option<Response> {
    match rule.action {
        Action::UpdatePinLength => {
            let first = segments(ui, "Shortest PIN", &LENGTHS, &mut policy.minimum);
            segments(ui, "Longest PIN", &LENGTHS, &mut policy.maximum);
            first
        }
        Action::UpdatePinAlphabet => {
            let choices = [(Alphabet::Any, "any"), (Alphabet::Digits, "digits only")];
            segments(ui, rule.name, &choices, &mut policy.alphabet)
        }
        Action::UpdateChallengeType => {
            let choices = [
                (ChallengeType::Dynamic, "dynamic"),
                (ChallengeType::Static, "static"),
            ];
            segments(ui, rule.name, &choices, &mut policy.challenge)
        }
        Action::UpdateForcePinChange => Some(ui.checkbox(&mut policy.force_change, rule.name)),
        Action::UpdateWeakPinControl => Some(ui.checkbox(&mut policy.refuse_weak, rule.name)),
        Action::UpdateFidoSharedPin => Some(ui.checkbox(&mut policy.fido_shared_pin, rule.name)),
        _ => None,
    }
}
