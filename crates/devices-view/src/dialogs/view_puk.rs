//! View PUK: the PIN, then the secret that unblocks the token, hidden until it is asked for.

use eframe::egui::Ui;
use token_manager::{PinEntry, RecoveryDoubt, RecoverySecret};

use super::forget_recovery::{ForgetRecovery, Next};
use super::{Dialog, Flow, Reach, parts};
use crate::widgets::{Notice, SecretField, ShownSecret, quiet, remark};

#[derive(Default)]
pub(super) struct ViewPuk {
    pin: SecretField,
    doing: parts::Doing<RecoverySecret>,
    seen: Option<Seen>,
    forgetting: Option<ForgetRecovery>,
}

struct Seen {
    secret: ShownSecret,
    doubt: Option<RecoveryDoubt>,
}

impl Dialog for ViewPuk {
    fn title(&self) -> &'static str {
        "View PUK"
    }

    fn is_busy(&self) -> bool {
        let forgets = self
            .forgetting
            .as_ref()
            .is_some_and(ForgetRecovery::is_busy);
        self.doing.is_busy() || forgets
    }

    fn leave(&mut self) -> bool {
        self.doing.give_up() && !self.is_busy()
    }

    fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        if let Some(secret) = self.doing.poll() {
            self.seen = Some(Seen {
                secret: ShownSecret::new(secret.name(), secret.reveal()),
                doubt: secret.doubt(),
            });
        }
        if let Some(forgetting) = &mut self.forgetting {
            match forgetting.ui(ui, reach) {
                Next::Stay => {}
                Next::Back => self.forgetting = None,
                Next::Forgotten => self.seen = None,
                Next::Close => return Flow::Close,
            }
            return Flow::Stay;
        }
        match &mut self.seen {
            Some(seen) => {
                let shown = seen.ui(ui, reach);
                if shown.forgets {
                    self.forgetting = Some(ForgetRecovery::plan(reach));
                }
                shown.flow
            }
            None => self.form(ui, reach),
        }
    }
}

impl ViewPuk {
    fn form(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Flow {
        let asked = parts::PinForm {
            doing: "Verifying the PIN, and reading…",
            button: "View PUK",
        };
        let (flow, pin) = asked.ui(ui, reach, &mut self.pin, &mut self.doing);
        if let Some(pin) = pin {
            let last_try = self.doing.last_try();
            self.doing.begin(
                reach
                    .worker()
                    .run(move |session, _| session.view_puk(PinEntry::Typed(&pin), last_try)),
            );
        }
        flow
    }
}

struct Shown {
    flow: Flow,
    forgets: bool,
}

impl Seen {
    fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Shown {
        let show = self.secret.ui(ui, &reach.tools.lender);
        parts::focus_first(ui, &show);
        if let Some(doubt) = self.doubt {
            let kind = match doubt {
                RecoveryDoubt::NotAsked => Notice::Info,
                _ => Notice::Warning,
            };
            remark(ui, kind, doubt.sentence());
        }
        quiet(
            ui,
            "Whoever has it and the token can set a new PIN. Close this before you leave.",
        );
        let mut shown = Shown {
            flow: Flow::Stay,
            forgets: false,
        };
        parts::buttons(ui, |ui| {
            if parts::primary(ui, "Close", true).clicked() {
                shown.flow = Flow::Close;
            }
            shown.forgets = ui.button("Never show again…").clicked();
        });
        shown
    }
}
