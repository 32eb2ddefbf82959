//! What an action of several steps will do, and how far it has come.

use eframe::egui::{self, Color32, Label, RichText, Spinner, Ui};
use egui_material_icons::{MaterialIcon, icons};
use token_manager::{Outcome, Plan, Step, StepReport};

use crate::theme::Palette;
use crate::widgets::{capital, describe, picture};

/// What becomes of each kind of content.
pub(super) fn fates(ui: &mut Ui, plan: &Plan) {
    let palette = Palette::of(ui.ctx());
    for fate in &plan.fates {
        let (icon, color, what) = match fate.erased {
            Some(true) => (icons::ICON_DELETE_FOREVER, palette.bad, "Erased"),
            Some(false) => (icons::ICON_CHECK, palette.good, "Not erased"),
            None => (icons::ICON_QUESTION_MARK, palette.warning, "Not documented"),
        };
        let mut text = format!("{what}: {}", fate.content);
        if let Some(evidence) = fate.evidence {
            text = format!("{text} ({})", evidence.name());
        }
        line(ui, &Mark::Icon(icon, color), &text);
    }
}

/// What will be done, step by step.
pub(super) fn plan(ui: &mut Ui, plan: &Plan) {
    let palette = Palette::of(ui.ctx());
    for step in &plan.steps {
        let text = capital(&step.text);
        let icon = icons::ICON_RADIO_BUTTON_UNCHECKED;
        line(ui, &Mark::Icon(icon, palette.quiet), &text);
        below(ui, step);
    }
}

/// What it sends, and what there is to know about that.
fn below(ui: &mut Ui, step: &Step) {
    let palette = Palette::of(ui.ctx());
    let mut text = step.commands.join(", ");
    if let Some(evidence) = step.evidence.filter(|_| !text.is_empty()) {
        text = format!("{text} ({})", evidence.name());
    }
    if !text.is_empty() {
        beneath(ui, &text, palette.quiet);
    }
    if step.irreversible {
        beneath(ui, "It can't be undone.", palette.bad);
    }
}

/// How far it has come.
pub(super) fn progress(ui: &mut Ui, plan: &Plan, reports: &[StepReport], is_busy: bool) {
    let palette = Palette::of(ui.ctx());
    // Whatever was told last of a step holds.
    let told = |step: &Step| reports.iter().rev().find(|report| report.id == step.id);
    let under_way = plan.steps.iter().position(|step| told(step).is_none());
    for (index, step) in plan.steps.iter().enumerate() {
        let outcome = told(step).map(|report| &report.outcome);
        let (mark, said) = match outcome {
            Some(Outcome::Done) => (Mark::Icon(icons::ICON_CHECK_CIRCLE, palette.good), "done"),
            Some(Outcome::Skipped(_)) => (
                Mark::Icon(icons::ICON_CHECK_CIRCLE, palette.quiet),
                "skipped",
            ),
            Some(_) => (Mark::Icon(icons::ICON_ERROR, palette.bad), "failed"),
            None if is_busy && under_way == Some(index) => (Mark::Spinner, "under way"),
            None => {
                let icon = icons::ICON_RADIO_BUTTON_UNCHECKED;
                (Mark::Icon(icon, palette.quiet), "not done yet")
            }
        };
        let text = capital(&step.text);
        let shown = line(ui, &mark, &text);
        describe(&shown, said);
        if let Some(Outcome::Skipped(why)) = outcome {
            beneath(ui, &format!("Skipped: {why}."), palette.quiet);
        }
    }
}

enum Mark {
    Icon(MaterialIcon, Color32),
    Spinner,
}

const MARK: f32 = 18.0;

fn line(ui: &mut Ui, mark: &Mark, text: &str) -> egui::Response {
    ui.horizontal_top(|ui| {
        ui.spacing_mut().interact_size.y = 0.0;
        match *mark {
            Mark::Icon(icon, color) => {
                picture(ui, icon, MARK, color);
            }
            Mark::Spinner => {
                ui.add(Spinner::new().size(MARK));
            }
        }
        ui.add(Label::new(text).wrap())
    })
    .inner
}

fn beneath(ui: &mut Ui, text: &str, color: Color32) {
    ui.horizontal_top(|ui| {
        ui.spacing_mut().interact_size.y = 0.0;
        ui.add_space(MARK + ui.spacing().item_spacing.x);
        ui.add(Label::new(RichText::new(text).small().color(color)).wrap());
    });
}
