//! What each page asks.

use eframe::egui::Ui;
use token_manager::token_profile::Policy;
use token_manager::{PersonalizeNeeds, PolicyOccasion, RecoveryPlace};

use super::super::{Reach, erasure, parts, policy_form, steps};
use super::{Page, Personalize};
use crate::theme::UNIT;
use crate::widgets::{Notice, notice, quiet};
use crate::work::Snapshot;

/// How far a page is filled in.
#[derive(Clone, Copy, Default)]
pub(super) struct Filled {
    /// The next one may come.
    pub(super) is_ready: bool,
    /// Enter was pressed in its last field.
    pub(super) enter: bool,
}

impl Personalize {
    /// The policy as it is filled in.
    pub(super) fn policy(&self, snapshot: &Snapshot) -> Policy {
        let begin = || {
            if self.erases {
                Policy::DELIVERY
            } else {
                snapshot.policy.clone()
            }
        };
        self.policy.clone().unwrap_or_else(begin)
    }

    /// Where the recovery secret is kept besides.
    pub(super) fn place(&self, snapshot: &Snapshot) -> RecoveryPlace {
        let first = snapshot.places.first().copied();
        self.place.or(first).unwrap_or(RecoveryPlace::Nowhere)
    }

    /// What is asked for.
    pub(super) fn needs(&self, snapshot: &Snapshot) -> PersonalizeNeeds {
        let place = self.place(snapshot);
        let token = &snapshot.token;
        token.personalize_needs(self.erases, self.has_others, place)
    }

    /// Draws the page that is open.
    pub(super) fn fill(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Filled {
        match self.page {
            Page::Erase => self.erase(ui, reach),
            Page::Policies => self.policies(ui, reach.snapshot),
            Page::Present => self.present(ui, reach.snapshot),
            Page::NewPin => self.choose_pin(ui, reach.snapshot),
            Page::Recovery => self.recovery(ui, reach.snapshot),
            Page::Review => self.review(ui, reach),
        }
    }

    fn erase(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Filled {
        let snapshot = reach.snapshot;
        parts::stands(ui, &snapshot.token);
        let erases = ui.checkbox(&mut self.erases, "Erase the token first");
        parts::focus_first(ui, &erases);
        if erases.changed() {
            self.policy = None;
        }
        let (true, Some(plan)) = (self.erases, &snapshot.erasure) else {
            quiet(
                ui,
                "Without that, its keys and certificates stay as they are.",
            );
            return Filled {
                is_ready: true,
                enter: false,
            };
        };
        ui.add_space(UNIT);
        erasure::fates(ui, plan);
        ui.add_space(UNIT);
        self.authority.ui(ui, reach);
        let last = self.confirmation.ui(ui, &snapshot.confirmation);
        let confirmed = self.confirmation.is(&snapshot.confirmation);
        Filled {
            is_ready: confirmed && self.authority.is_ready(),
            enter: parts::entered(ui, &last),
        }
    }

    fn policies(&mut self, ui: &mut Ui, snapshot: &Snapshot) -> Filled {
        if snapshot.erasure.is_none() {
            parts::stands(ui, &snapshot.token);
        }
        let mut policy = self.policy(snapshot);
        let occasion = PolicyOccasion::Personalize { erase: self.erases };
        let is_ready = policy_form::ui(ui, snapshot, &mut policy, occasion);
        self.policy = Some(policy);
        Filled {
            is_ready,
            enter: false,
        }
    }

    fn present(&mut self, ui: &mut Ui, snapshot: &Snapshot) -> Filled {
        if snapshot.token.may_have_delivery_secrets() {
            let first = ui.radio_value(&mut self.has_others, false, "Those it is delivered with");
            parts::focus_first(ui, &first);
            parts::below_choice(
                ui,
                "It shows no sign of use. If its PIN is another one all the same, that costs a try.",
            );
            ui.radio_value(&mut self.has_others, true, "Others");
            if !self.needs(snapshot).present_pin {
                return Filled {
                    is_ready: true,
                    enter: false,
                };
            }
        }
        parts::tries(ui, &snapshot.token.pin.status);
        let mut last = self.present_pin.ui(ui, "Present PIN");
        parts::focus_first(ui, &last);
        let mut is_ready = !self.present_pin.is_empty();
        if self.needs(snapshot).present_puk {
            last = self.present_puk.ui(ui, "Present PUK");
            is_ready &= !self.present_puk.is_empty();
        }
        Filled {
            is_ready,
            enter: parts::enter(ui, &last),
        }
    }

    fn choose_pin(&mut self, ui: &mut Ui, snapshot: &Snapshot) -> Filled {
        let policy = snapshot.token.pin_policy_under(&self.policy(snapshot));
        let new = self.new_pin.ui(ui, &policy);
        parts::focus_first(ui, &new.first);
        Filled {
            is_ready: new.is_ready,
            enter: new.enter,
        }
    }

    fn recovery(&mut self, ui: &mut Ui, snapshot: &Snapshot) -> Filled {
        quiet(
            ui,
            "You get the new secrets in hand in any case. What unblocks the PIN can be kept \
             besides, for View PUK to show it.",
        );
        let mut place = self.place(snapshot);
        for (index, choice) in snapshot.places.iter().enumerate() {
            let button = ui.radio_value(&mut place, *choice, choice.name());
            if index == 0 {
                parts::focus_first(ui, &button);
            }
            parts::below_choice(ui, choice.sentence());
        }
        self.place = Some(place);
        let wants_key = self.needs(snapshot).management_key;
        let enter = wants_key && self.management.ui(ui);
        Filled {
            is_ready: !wants_key || self.management.is_ready(),
            enter,
        }
    }

    fn review(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Filled {
        let is_idle = !self.planning.is_busy() && !self.planning.has_failed();
        if self.plan.is_none() && is_idle {
            self.make_plan(reach);
        }
        self.planning.ui(ui, "Working out what that takes…");
        if let Some(plan) = &self.plan {
            if self.erases {
                let next = "What is on it is lost.";
                notice(
                    ui,
                    Notice::Warning,
                    "The token is erased. That can't be undone.",
                    Some(next),
                );
            }
            ui.scope(|ui| {
                ui.spacing_mut().item_spacing.y = 4.0;
                match self.doing.steps() {
                    [] => steps::plan(ui, plan),
                    reports => steps::progress(ui, plan, reports, false),
                }
            });
            ui.add_space(UNIT);
        }
        self.doing.ui(ui, "");
        if self.wants_puk() {
            self.interrupted_puk
                .ui(ui, "PUK that the interrupted run has handed over");
        }
        Filled::default()
    }
}
