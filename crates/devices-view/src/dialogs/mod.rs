//! What is asked of a person, one dialog an action.

mod authenticate;
mod authority;
mod change_pin;
mod enter_pairing_code;
mod erasure;
mod forget_recovery;
mod hand_over;
mod keep_pairing_code;
mod management_key;
mod new_pin;
mod pairing_code;
pub(crate) mod parts;
mod personalize;
mod policy_form;
mod recycle;
mod steps;
mod unblock;
mod update_policies;
mod view_puk;

use std::sync::Arc;

use eframe::egui::{self, Ui};
use token_desktop::PairingCodes;
use token_manager::{Action, PolicyRule, TokenIdentity};

pub(crate) use self::enter_pairing_code::EnterPairingCode;
use crate::devices::{Device, Devices};
use crate::lending::Lender;
use crate::widgets::{CameFrom, Notice, notice};
use crate::work::{Claim, Snapshot, Worker};

/// What a dialog can reach.
pub(crate) struct Reach<'a> {
    /// The token.
    pub(crate) device: &'a Device,
    /// What was read of it.
    pub(crate) snapshot: &'a Snapshot,
    /// What there is besides tokens.
    pub(crate) tools: &'a Tools,
}

/// What a dialog has besides a token.
pub(crate) struct Tools {
    /// The clipboard for secrets.
    pub(crate) lender: Lender,
    /// The pairing codes that are known.
    pub(crate) codes: Arc<PairingCodes>,
}

impl Reach<'_> {
    /// What talks to the token.
    pub(crate) fn worker(&self) -> &Worker {
        &self.device.worker
    }
}

/// Whether a dialog goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It does.
    Stay,
    /// It is over.
    Close,
    /// It is over, and this goes on with the same token.
    Open(Action),
}

/// One dialog.
pub(crate) trait Dialog {
    /// What stands above it.
    fn title(&self) -> &'static str;

    /// Draws it, and does what is pressed.
    fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow;

    /// Whether something is under way that has to come to an end first.
    fn is_busy(&self) -> bool;

    /// Gives up what has not begun. Whether it may be closed now.
    fn leave(&mut self) -> bool;

    /// Whether a token that is open is locked before.
    fn wants_it_locked(&self) -> bool {
        false
    }

    /// Hides a secret that is shown, and wipes what was typed where it stays open.
    fn hide(&mut self) {}

    /// Whether it stays open when nobody is there: it waits for somebody else.
    fn outlasts_absence(&self) -> bool {
        false
    }

    /// The token is gone: says what became of what was under way.
    fn lost(&mut self, _: &mut Ui) {}

    /// The token was taken out and is back: what was under way is known to be over.
    fn resume(&mut self) {}
}

/// The dialog for an action.
pub(crate) fn of(action: Action) -> Option<Box<dyn Dialog>> {
    Some(match action {
        Action::Authenticate => Box::<authenticate::Authenticate>::default(),
        Action::ChangePin => Box::<change_pin::ChangePin>::default(),
        Action::UnblockWithPuk | Action::UnblockWithChallengeResponse => {
            Box::<unblock::Unblock>::default()
        }
        Action::ViewPuk => Box::<view_puk::ViewPuk>::default(),
        Action::RetrievePairingCode => Box::<pairing_code::RetrievePairingCode>::default(),
        rule if PolicyRule::ACTIONS.contains(&rule) => {
            Box::<update_policies::UpdatePolicies>::default()
        }
        Action::Recycle => Box::<recycle::Recycle>::default(),
        Action::Personalize => Box::<personalize::Personalize>::default(),
        _ => return None,
    })
}

/// A dialog that is open, and the token it is about.
pub(crate) struct Open {
    dialog: Box<dyn Dialog>,
    stay: u64,
    identity: TokenIdentity,
    came_from: CameFrom,
    /// Kept for its drop.
    session: Claim,
    /// The window was to be closed, and can't be yet.
    stays: bool,
}

impl Open {
    /// Opens it. `None` for a token of which nothing was read yet.
    pub(crate) fn new(
        dialog: Box<dyn Dialog>,
        device: &Device,
        context: &egui::Context,
    ) -> Option<Self> {
        let identity = device.token()?.identity.clone();
        if dialog.wants_it_locked() && device.is_open {
            device.worker.lock(None);
        }
        Some(Self {
            dialog,
            session: device.worker.prepare(),
            stay: device.stay,
            identity,
            came_from: CameFrom::leave(context),
            stays: false,
        })
    }

    /// The stay of the token that it is about.
    pub(crate) fn stay(&self) -> u64 {
        self.stay
    }

    /// Draws it over everything else. Whether it goes on.
    pub(crate) fn show(
        &mut self,
        context: &egui::Context,
        devices: &Devices,
        tools: &Tools,
    ) -> Flow {
        let title = self.dialog.title();
        let shown = parts::modal(context, title, |ui| self.content(ui, devices, tools));
        if shown.is_left && self.leave(devices) {
            Flow::Close
        } else {
            shown.inner
        }
    }

    /// Gives up what has not begun. Whether it may be closed now: with a token that is gone it
    /// always may.
    pub(crate) fn leave(&mut self, devices: &Devices) -> bool {
        self.dialog.leave() || !self.is_there(devices)
    }

    fn is_there(&self, devices: &Devices) -> bool {
        devices.get(self.stay).is_some()
    }

    /// Nobody is there: it shows no secret any more. Whether it may be closed, too.
    pub(crate) fn hide(&mut self, devices: &Devices) -> bool {
        self.dialog.hide();
        !self.dialog.outlasts_absence() && self.leave(devices)
    }

    /// Says why the window stays.
    pub(crate) fn refuse_to_close(&mut self) {
        self.stays = true;
    }

    /// Leaves the token to others, and gives back the focus.
    pub(crate) fn close(self, context: &egui::Context, devices: &Devices) {
        if let Some(device) = devices.get(self.stay) {
            device.worker.release();
        }
        self.came_from.back(context);
    }

    fn content(&mut self, ui: &mut Ui, devices: &Devices, tools: &Tools) -> Flow {
        if let Some(device) = devices.get(self.stay)
            && let Some(snapshot) = &device.snapshot
        {
            let reach = Reach {
                device,
                snapshot,
                tools,
            };
            parts::whose(ui, device);
            self.stays &= self.dialog.is_busy();
            // In one piece, whatever is in it: what is under it stays the same to egui.
            ui.scope(|ui| {
                if self.stays {
                    let what = "The window stays until this has come to its end.";
                    let next = "Closed in the middle, it would leave the token half done.";
                    notice(ui, Notice::Warning, what, Some(next));
                }
            });
            return self.dialog.ui(ui, &reach);
        }
        self.gone(ui, devices)
    }

    /// The token is not there any more.
    fn gone(&mut self, ui: &mut Ui, devices: &Devices) -> Flow {
        let next = match self.identity.id() {
            Some(_) => "Put it back in to see how it stands, and to go on.",
            None => "It has nothing that tells it from another one: start over.",
        };
        notice(ui, Notice::Warning, "The token was taken out.", Some(next));
        self.dialog.lost(ui);
        let back = devices.iter().find(|device| device.is(&self.identity));
        let mut flow = Flow::Stay;
        parts::buttons(ui, |ui| {
            if parts::primary(ui, "Resume", back.is_some()).clicked()
                && let Some(device) = back
            {
                self.stay = device.stay;
                self.session = device.worker.prepare();
                self.dialog.resume();
            }
            if ui.button("Close").clicked() {
                flow = Flow::Close;
            }
        });
        flow
    }
}
