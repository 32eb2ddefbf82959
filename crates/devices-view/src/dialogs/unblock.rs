//! Unblock PIN: with the PUK, by challenge and response, or with a fixed unlock code.

use crescendo_ext::xauth::XauthCryptogram;
use eframe::egui::{TextEdit, TextStyle, Ui};
use piv_apdu::secret::Puk;
use token_manager::{Action, UnblockChallenge, UnblockWith, Unblocked};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Dialog, Flow, Reach, new_pin::NewPin, parts};
use crate::widgets::{Notice, SecretField, notice, qr_code, quiet};

#[derive(Default)]
pub(super) struct Unblock {
    way: Option<UnblockWith>,
    puk: SecretField,
    code: SecretField,
    asking: parts::Doing<UnblockChallenge>,
    challenge: Option<UnblockChallenge>,
    /// Of use once, with this challenge.
    response: Zeroizing<String>,
    new: NewPin,
    doing: parts::Doing<Unblocked>,
    done: Option<Unblocked>,
}

impl Dialog for Unblock {
    fn title(&self) -> &'static str {
        "Unblock PIN"
    }

    fn is_busy(&self) -> bool {
        self.doing.is_busy() || self.asking.is_busy()
    }

    /// To hold it open, it is asked for its state, which ends a challenge.
    fn wants_it_locked(&self) -> bool {
        true
    }

    fn hide(&mut self) {
        self.puk.wipe();
        self.code.wipe();
        self.new = NewPin::default();
    }

    /// The response to a challenge may come by telephone, and takes its time.
    fn outlasts_absence(&self) -> bool {
        self.challenge.is_some()
    }

    fn leave(&mut self) -> bool {
        self.asking.give_up() && self.doing.give_up()
    }

    fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        if let Some(done) = self.doing.poll() {
            self.done = Some(done);
        }
        if let Some(challenge) = self.asking.poll() {
            self.challenge = Some(challenge);
        }
        match &self.done {
            Some(done) => over(ui, done),
            None => self.form(ui, reach),
        }
    }

    fn lost(&mut self, ui: &mut Ui) {
        if let Some(done) = self.doing.poll() {
            self.done = Some(done);
        }
        if self.done.is_some() {
            notice(ui, Notice::Good, "The PIN was unblocked before.", None);
        }
        self.doing.ui(ui, "Unblocking the PIN…");
    }

    fn resume(&mut self) {
        // The token has forgotten it.
        self.challenge = None;
        self.doing.clear();
    }
}

fn over(ui: &mut Ui, done: &Unblocked) -> Flow {
    let state = format!("PIN: {}.", done.after);
    notice(
        ui,
        Notice::Good,
        "The PIN is unblocked, and is the new one.",
        Some(&state),
    );
    parts::close(ui)
}

impl Unblock {
    fn form(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        let token = &reach.snapshot.token;
        parts::tries(ui, &token.pin.status);
        let is_busy = self.is_busy();
        let way = ui
            .add_enabled_ui(!is_busy, |ui| self.choose(ui, reach))
            .inner;
        let mut enter = false;
        let is_ready = ui
            .add_enabled_ui(!is_busy, |ui| {
                let given = match way {
                    UnblockWith::Puk => self.puk(ui),
                    UnblockWith::UnlockCode => self.unlock_code(ui),
                    _ => self.response(ui, reach),
                };
                let new = self.new.ui(ui, &token.pin_policy);
                enter = new.enter;
                given && new.is_ready
            })
            .inner;
        self.asking.ui(ui, "Asking the token for a challenge…");
        self.doing.ui(ui, "Unblocking the PIN…");
        let may = is_ready && !is_busy;
        let mut flow = Flow::Stay;
        parts::buttons(ui, |ui| {
            let pressed = parts::primary(ui, "Unblock PIN", may).clicked();
            if may && (pressed || enter) {
                self.send(way, reach);
            }
            let has_begun = self.asking.has_begun() || self.doing.has_begun();
            let cancel = ui.add_enabled(!has_begun, parts::button("Cancel"));
            if cancel.clicked() && self.leave() {
                flow = Flow::Close;
            }
        });
        flow
    }

    /// The way that is taken; a choice where the token takes more than one.
    fn choose(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> UnblockWith {
        let token = &reach.snapshot.token;
        let has = |action| token.capabilities.get(action).obstacle().is_none();
        let mut ways = Vec::new();
        if has(Action::UnblockWithPuk) {
            ways.push((UnblockWith::Puk, "With the PUK"));
        }
        if has(Action::UnblockWithChallengeResponse) {
            ways.push(if token.has_static_challenge() {
                (UnblockWith::UnlockCode, "With the unlock code")
            } else {
                (UnblockWith::Response, "By challenge and response")
            });
        }
        let first = ways.first().map_or(UnblockWith::Puk, |(way, _)| *way);
        let way = self.way.get_or_insert(first);
        if ways.len() > 1 {
            for (choice, name) in ways {
                ui.radio_value(way, choice, name);
            }
        }
        *way
    }

    fn puk(&mut self, ui: &mut Ui) -> bool {
        let field = self.puk.ui(ui, "PUK");
        parts::focus_first(ui, &field);
        quiet(
            ui,
            "It has tries of its own. How many are left, the token tells after a wrong one.",
        );
        !self.puk.is_empty()
    }

    fn unlock_code(&mut self, ui: &mut Ui) -> bool {
        let field = self.code.ui(ui, "Unlock code");
        parts::focus_first(ui, &field);
        !self.code.is_empty()
    }

    fn response(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> bool {
        let Some(challenge) = &self.challenge else {
            quiet(
                ui,
                "The token gives a challenge. The help desk has the response to it. Leave the \
                 token in the reader until then.",
            );
            if ui.button("Get challenge").clicked() {
                self.asking
                    .begin(reach.worker().run(|session, _| session.unblock_challenge()));
            }
            return false;
        };
        let text = challenge.challenge().to_string();
        let label = ui.label("Challenge");
        let mut shown = text.as_str();
        let field = TextEdit::singleline(&mut shown)
            .font(TextStyle::Monospace)
            .desired_width(f32::INFINITY);
        ui.add(field).labelled_by(label.id);
        if ui.button("Copy challenge").clicked() {
            ui.ctx().copy_text(text.clone());
        }
        qr_code(ui, &text, "The challenge as a QR code");
        let label = ui.label("Response");
        let field = TextEdit::singleline(&mut *self.response)
            .font(TextStyle::Monospace)
            .desired_width(f32::INFINITY);
        let field = ui.add(field).labelled_by(label.id);
        parts::focus_first(ui, &field);
        !self.response.trim().is_empty()
    }

    /// Refuses what can't be right before anything is wiped.
    fn send(&mut self, way: UnblockWith, reach: &Reach<'_>) {
        let by = match self.by(way) {
            Ok(by) => by,
            Err(why) => return self.doing.refuse(&why),
        };
        let Some(new) = self.new.take(&mut self.doing) else {
            return;
        };
        self.puk.wipe();
        self.code.wipe();
        self.response.zeroize();
        let last_try = self.doing.last_try();
        let worker = reach.worker();
        let task = match by {
            By::Puk(puk) => {
                worker.run(move |session, _| session.unblock_with_puk(&puk, &new, last_try))
            }
            By::Code(code) => worker.run(move |session, _| session.unblock_with_code(&code, &new)),
            By::Response(response) => {
                // A challenge serves once.
                let Some(challenge) = self.challenge.take() else {
                    return;
                };
                worker.run(move |session, _| {
                    session.unblock_with_response(&challenge, &response, &new)
                })
            }
        };
        self.doing.begin(task);
    }

    /// What was typed.
    fn by(&self, way: UnblockWith) -> Result<By, String> {
        match way {
            UnblockWith::Puk => {
                let puk = self.puk.read("a PUK", |text| Puk::new(text.as_bytes()));
                puk.map(By::Puk)
            }
            UnblockWith::UnlockCode => {
                let code = self.code.make(XauthCryptogram::from_hex);
                code.map(By::Code)
                    .map_err(|error| format!("this is no unlock code: {error}"))
            }
            _ => XauthCryptogram::from_hex(&self.response)
                .map(By::Response)
                .map_err(|error| format!("this is no response: {error}")),
        }
    }
}

/// What unblocks it.
enum By {
    Puk(Box<Puk>),
    Code(Box<XauthCryptogram>),
    Response(XauthCryptogram),
}
