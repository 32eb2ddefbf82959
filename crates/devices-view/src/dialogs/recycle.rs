//! Recycle: erase a token.

use eframe::egui::{RichText, Ui};
use token_manager::{Action, Plan, Recycled};

use super::authority::AuthorityEntry;
use super::erasure::{self, Confirmation};
use super::{Dialog, Flow, Reach, parts, steps};
use crate::theme::UNIT;
use crate::widgets::{Notice, destructive, notice, remark};

#[derive(Default)]
pub(super) struct Recycle {
    confirmation: Confirmation,
    authority: AuthorityEntry,
    /// What is carried out: the one that was shown.
    plan: Option<Plan>,
    doing: parts::Doing<Recycled>,
    done: Option<Recycled>,
}

impl Dialog for Recycle {
    fn title(&self) -> &'static str {
        "Recycle device"
    }

    fn is_busy(&self) -> bool {
        self.doing.is_busy()
    }

    fn leave(&mut self) -> bool {
        self.doing.give_up()
    }

    fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        if let Some(done) = self.doing.poll() {
            self.authority.wipe();
            self.done = Some(done);
        }
        if self.doing.take_wrong().is_some() {
            self.authority.wipe();
        }
        if let Some(done) = &self.done {
            return over(ui, done, reach);
        }
        if self.is_busy() {
            if let Some(plan) = &self.plan {
                steps::progress(ui, plan, self.doing.steps(), true);
            }
            self.doing
                .ui(ui, "Erasing the token. Leave it in the reader…");
            return parts::cancel_waiting(ui, &mut self.doing);
        }
        self.form(ui, reach)
    }
}

fn over(ui: &mut Ui, done: &Recycled, reach: &Reach<'_>) -> Flow {
    let token = &reach.snapshot.token;
    let what = format!("{} Personalize sets it up.", done.sentences());
    remark(ui, Notice::Good, &what);
    erasure::fido(ui, done.fido_erasure, token);
    if let Some(id) = token.identity.id() {
        ui.label(RichText::new(format!("Its ID is now {id}")).monospace());
    }
    parts::close_or(ui, "Personalize", Action::Personalize)
}

impl Recycle {
    fn form(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        let snapshot = reach.snapshot;
        parts::stands(ui, &snapshot.token);
        let Some(plan) = &snapshot.erasure else {
            notice(
                ui,
                Notice::Bad,
                "This token can't be erased as it is.",
                None,
            );
            return parts::close(ui);
        };
        erasure::fates(ui, plan);
        ui.add_space(UNIT);
        ui.label(RichText::new("What will be done").strong());
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            match self.doing.steps() {
                [] => steps::plan(ui, plan),
                reports => steps::progress(ui, plan, reports, false),
            }
        });
        ui.add_space(UNIT);
        let first = self.authority.ui(ui, reach);
        parts::focus_first(ui, &first);
        let last = self.confirmation.ui(ui, &snapshot.confirmation);
        let what = "Erasing can't be undone.";
        let next =
            "Keys that are on no other token are lost, and what they have encrypted with them.";
        notice(ui, Notice::Warning, what, Some(next));
        self.doing.ui(ui, "");
        let may = self.authority.is_ready() && self.confirmation.is(&snapshot.confirmation);
        let enter = parts::entered(ui, &last);
        let mut flow = Flow::Stay;
        parts::buttons(ui, |ui| {
            let pressed = destructive(ui, "Erase", may).clicked();
            if may && (pressed || enter) {
                self.plan = Some(plan.clone());
                self.send(reach);
            }
            if ui.add(parts::button("Cancel")).clicked() {
                flow = Flow::Close;
            }
        });
        flow
    }

    fn send(&mut self, reach: &Reach<'_>) {
        let given = match self.authority.given() {
            Ok(given) => given,
            Err(why) => return self.doing.refuse(&why),
        };
        let confirmation = self.confirmation.typed().to_owned();
        let last_try = self.doing.last_try();
        self.doing.begin(reach.worker().run(move |session, teller| {
            session.recycle(given.authority(), &confirmation, last_try, &mut |report| {
                teller.step(report);
            })
        }));
    }
}
