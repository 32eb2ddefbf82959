//! Personalize: page by page what it takes, then the steps, with each new secret in the
//! person's hands before the token gets it.

mod order;
mod pages;

use eframe::egui::{Align, RichText, Ui};
use token_manager::token_profile::{Policy, RecoveryKind};
use token_manager::{
    Action, ActionError, NotSent, Personalized, Plan, RecoveryPlace, RecoverySecret, Secret,
};

use self::order::Order;
use super::authority::AuthorityEntry;
use super::erasure::{self, Confirmation};
use super::hand_over::{Decision, HandOver};
use super::management_key::ManagementKeyField;
use super::new_pin::NewPin;
use super::{Dialog, Flow, Reach, parts, steps};
use crate::theme::UNIT;
use crate::widgets::{Notice, SecretField, destructive, notice, quiet, release_focus, remark};
use crate::work::{Snapshot, Task};

/// What is asked, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Page {
    /// Whether to erase the token first, and what that takes.
    #[default]
    Erase,
    /// The policies.
    Policies,
    /// The secrets that it has now.
    Present,
    /// The PIN that it is to have.
    NewPin,
    /// Where what unblocks it is kept besides.
    Recovery,
    /// What will be done.
    Review,
}

impl Page {
    fn title(self) -> &'static str {
        match self {
            Self::Erase => "Recycle it first?",
            Self::Policies => "PIN policies",
            Self::Present => "Its present secrets",
            Self::NewPin => "New PIN",
            Self::Recovery => "Keeping what unblocks it",
            Self::Review => "What will be done",
        }
    }
}

#[derive(Default)]
pub(super) struct Personalize {
    page: Page,
    /// The page is shown for the first time, from its top.
    is_turned: bool,
    erases: bool,
    authority: AuthorityEntry,
    confirmation: Confirmation,
    policy: Option<Policy>,
    /// Whether the token is said to have other secrets than it is delivered with.
    has_others: bool,
    present_pin: SecretField,
    present_puk: SecretField,
    new_pin: NewPin,
    place: Option<RecoveryPlace>,
    management: ManagementKeyField,
    planning: parts::Doing<Plan>,
    plan: Option<Plan>,
    /// The PUK that an interrupted run has handed over, and the token may have.
    interrupted_puk: SecretField,
    /// The same, if that was a run of this dialog.
    handed_puk: Option<RecoverySecret>,
    hand_over: HandOver,
    doing: parts::Doing<Personalized>,
    done: Option<Personalized>,
}

impl Dialog for Personalize {
    fn title(&self) -> &'static str {
        "Personalize"
    }

    fn is_busy(&self) -> bool {
        self.doing.is_busy()
    }

    fn leave(&mut self) -> bool {
        self.doing.give_up()
    }

    fn hide(&mut self) {
        self.hand_over.hide();
    }

    fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        if let Some(plan) = self.planning.poll() {
            self.plan = Some(plan);
        }
        if let Some(done) = self.doing.poll() {
            self.wipe();
            self.done = Some(done);
        }
        if let Some(secret) = self.doing.take_wrong() {
            self.correct(ui, secret);
        }
        if let Some(done) = &self.done {
            return over(ui, done, reach);
        }
        if self.is_busy() {
            self.run(ui, reach);
            return parts::cancel_waiting(ui, &mut self.doing);
        }
        self.form(ui, reach)
    }

    fn resume(&mut self) {
        // The token did not get what was being handed over, and won't: the run ends.
        self.decide(false);
    }
}

fn over(ui: &mut Ui, done: &Personalized, reach: &Reach<'_>) -> Flow {
    let mut what = done.sentences();
    if done.place != RecoveryPlace::Nowhere {
        what.push_str(" View PUK shows it.");
    }
    remark(ui, Notice::Good, &what);
    if let Some(erasure) = done.fido_erasure {
        erasure::fido(ui, erasure, &reach.snapshot.token);
    }
    if let Some(left) = done.leftover() {
        remark(ui, Notice::Warning, &left);
    }
    if reach.snapshot.token.wants_pin_change() {
        let next = "Its holder chooses another one.";
        notice(
            ui,
            Notice::Warning,
            "The PIN has to be changed before it is used.",
            Some(next),
        );
        return parts::close_or(ui, "Change PIN", Action::ChangePin);
    }
    parts::close(ui)
}

impl Personalize {
    /// The pages for this token.
    fn pages(&self, snapshot: &Snapshot) -> Vec<Page> {
        let all = [
            (snapshot.erasure.is_some(), Page::Erase),
            (true, Page::Policies),
            (!self.erases, Page::Present),
            (true, Page::NewPin),
            (true, Page::Recovery),
            (true, Page::Review),
        ];
        all.into_iter()
            .filter_map(|(has, page)| has.then_some(page))
            .collect()
    }

    fn form(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        let pages = self.pages(reach.snapshot);
        let at = pages
            .iter()
            .position(|page| *page == self.page)
            .unwrap_or(0);
        self.page = pages.get(at).copied().unwrap_or_default();
        if std::mem::take(&mut self.is_turned) {
            ui.scroll_to_cursor(Some(Align::TOP));
        }
        quiet(ui, format!("Page {} of {}", at + 1, pages.len()));
        ui.label(RichText::new(self.page.title()).size(16.0).strong());
        ui.add_space(UNIT / 2.0);
        let filled = self.fill(ui, reach);
        if self.page == Page::Review {
            return self.review_buttons(ui, reach, pages.get(at.wrapping_sub(1)).copied());
        }
        if self.doing.has_failed() {
            // A secret of this page was wrong.
            self.doing.ui(ui, "");
        }
        let mut flow = Flow::Stay;
        parts::buttons(ui, |ui| {
            let pressed = parts::primary(ui, "Next", filled.is_ready).clicked();
            if filled.is_ready && (pressed || filled.enter) {
                self.turn_to(ui, pages.get(at + 1).copied());
            }
            if at > 0 && ui.add(parts::button("Back")).clicked() {
                self.turn_to(ui, pages.get(at - 1).copied());
            }
            if ui.add(parts::button("Cancel")).clicked() {
                flow = Flow::Close;
            }
        });
        flow
    }

    fn turn_to(&mut self, ui: &Ui, page: Option<Page>) {
        if let Some(page) = page {
            self.doing.clear();
            self.open(ui, page);
        }
    }

    fn open(&mut self, ui: &Ui, page: Page) {
        self.page = page;
        self.is_turned = true;
        self.plan = None;
        // With what is being worked out for what was filled in before.
        self.planning = parts::Doing::default();
        release_focus(ui.ctx());
    }

    /// Wipes what the card has called wrong, and goes to where it is typed: one more press
    /// sends nothing.
    fn correct(&mut self, ui: &Ui, secret: Secret) {
        let page = match secret {
            Secret::ManagementKey => {
                self.management = ManagementKeyField::default();
                Page::Recovery
            }
            _ if self.erases => {
                self.authority.wipe();
                Page::Erase
            }
            Secret::Pin => {
                self.present_pin.wipe();
                Page::Present
            }
            Secret::Puk => {
                self.present_puk.wipe();
                self.interrupted_puk.wipe();
                self.handed_puk = None;
                Page::Present
            }
            _ => return,
        };
        // It has not those that it is delivered with, if they were what was sent.
        self.has_others |= page == Page::Present;
        self.open(ui, page);
    }

    fn review_buttons(&mut self, ui: &mut Ui, reach: &Reach<'_>, before: Option<Page>) -> Flow {
        let wants_puk = self.wants_puk() && self.interrupted_puk.is_empty();
        let may = self.plan.is_some() && !wants_puk;
        let name = match self.doing.steps() {
            [] => "Start",
            _ => "Go on",
        };
        let mut flow = Flow::Stay;
        parts::buttons(ui, |ui| {
            let is_pressed = if self.erases {
                // The focus does not come here by itself: it erases.
                destructive(ui, name, may).clicked()
            } else {
                let start = parts::primary(ui, name, may);
                if may {
                    parts::focus_first(ui, &start);
                }
                start.clicked()
            };
            if is_pressed {
                self.start(reach);
            }
            if ui.add(parts::button("Back")).clicked() {
                self.turn_to(ui, before);
            }
            if ui.add(parts::button("Cancel")).clicked() {
                flow = Flow::Close;
            }
        });
        flow
    }

    /// Whether the token may have a PUK that this dialog does not know.
    fn wants_puk(&self) -> bool {
        let error = self.doing.error();
        let is_unknown = matches!(error, Some(ActionError::NotSent(NotSent::InterruptedPuk)));
        is_unknown || !self.interrupted_puk.is_empty()
    }

    /// Has the thread say what would be done.
    fn make_plan(&mut self, reach: &Reach<'_>) {
        match Order::of(self, reach.snapshot) {
            Ok(order) => {
                let work = reach
                    .worker()
                    .run(move |session, _| session.plan_personalize(&order.options()));
                self.planning.begin(work);
            }
            Err(why) => self.planning.refuse(&why),
        }
    }

    fn start(&mut self, reach: &Reach<'_>) {
        let order = match Order::of(self, reach.snapshot) {
            Ok(order) => order,
            Err(why) => return self.doing.refuse(&why),
        };
        self.hand_over.begin();
        let last_try = self.doing.last_try();
        self.doing.begin(reach.worker().run(move |session, teller| {
            session.personalize(
                &order.options(),
                &order.new_pin,
                order.authority(),
                &mut |secret| teller.hand_over(secret),
                last_try,
                &mut |report| teller.step(report),
            )
        }));
    }

    /// Shows how far it has come, or the secret that waits to be taken over.
    fn run(&mut self, ui: &mut Ui, reach: &Reach<'_>) {
        let question = self.doing.task().and_then(|task| task.question());
        let Some(question) = question else {
            if let Some(plan) = &self.plan {
                steps::progress(ui, plan, self.doing.steps(), true);
            }
            self.doing
                .ui(ui, "Setting the token up. Leave it in the reader…");
            return;
        };
        match self.hand_over.ui(ui, reach, &question.secret) {
            Decision::Open => {}
            Decision::Taken => self.decide(true),
            Decision::Stop => self.decide(false),
        }
    }

    /// Answers for the secret that waits to be taken over, if one does.
    fn decide(&mut self, is_taken: bool) {
        let task = self.doing.task();
        if let Some(question) = task.and_then(Task::take_question) {
            if is_taken && question.secret.kind() == RecoveryKind::Puk {
                self.handed_puk = Some(question.secret.clone());
            }
            self.hand_over.turn(&question.secret);
            question.answer(is_taken);
        }
    }

    fn wipe(&mut self) {
        self.authority.wipe();
        self.present_pin.wipe();
        self.present_puk.wipe();
        self.interrupted_puk.wipe();
        self.new_pin = NewPin::default();
        self.management = ManagementKeyField::default();
        self.handed_puk = None;
    }
}
