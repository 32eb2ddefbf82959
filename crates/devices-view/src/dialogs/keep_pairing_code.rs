//! Keeping a pairing code for longer than it is shown, and forgetting it again.

use std::sync::Arc;

use eframe::egui::Ui;
use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;
use token_desktop::PairingCodes;
use token_manager::{PairingCodeStore, SecretStoreError};

use super::{Reach, parts};
use crate::widgets::{Notice, notice, quiet};

/// How a code stands with the store that keeps it longest.
pub(super) struct Standing {
    place: String,
    /// As the end of a sentence.
    until: &'static str,
    is_kept: bool,
}

pub(super) struct KeepPairingCode {
    card: Guid,
    /// In one block, for all threads that have it.
    code: Arc<PairingCode>,
    doing: parts::Doing<Standing>,
    standing: Option<Standing>,
}

impl KeepPairingCode {
    /// Begins with whether it is kept already.
    pub(super) fn new(reach: &Reach<'_>, card: Guid, code: Box<PairingCode>) -> Self {
        let mut keep = Self {
            card,
            code: Arc::from(code),
            doing: parts::Doing::default(),
            standing: None,
        };
        keep.begin(reach, |_, _, _| Ok(()));
        keep
    }

    pub(super) fn is_busy(&self) -> bool {
        self.doing.is_busy()
    }

    /// Does this with the stores, and looks how the code stands then.
    fn begin(
        &mut self,
        reach: &Reach<'_>,
        act: impl FnOnce(&PairingCodes, &Guid, &PairingCode) -> Result<(), SecretStoreError>
        + Send
        + 'static,
    ) {
        let codes = Arc::clone(&reach.tools.codes);
        let (card, code) = (self.card, Arc::clone(&self.code));
        self.doing.begin(reach.worker().run(move |_, _| {
            act(&codes, &card, &code)?;
            let store = keeper(&codes);
            Ok(Standing {
                place: store.name().to_owned(),
                until: store.kept_until().sentence(),
                is_kept: store.get(&card)?.is_some_and(|kept| kept == *code),
            })
        }));
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) {
        if let Some(kept) = self.doing.poll() {
            self.standing = Some(kept);
        }
        self.doing.ui(ui, "Looking where pairing codes are kept…");
        let Some(kept) = self.standing.as_ref().filter(|_| !self.doing.is_busy()) else {
            return;
        };
        let (place, until) = (&kept.place, kept.until);
        if kept.is_kept {
            let what = format!("It is kept in {place}, {until}.");
            notice(ui, Notice::Good, &what, None);
            if ui.button("Forget it").clicked() {
                self.begin(reach, |codes, card, _| codes.forget(card).map(drop));
            }
        } else {
            quiet(
                ui,
                "Where it is kept, a contactless reader takes this token without asking for it.",
            );
            if ui.button(format!("Keep {until}")).clicked() {
                self.begin(reach, |codes, card, code| keeper(codes).put(card, code));
            }
        }
    }
}

/// The store that keeps a code longest.
fn keeper(codes: &PairingCodes) -> &dyn PairingCodeStore {
    match codes.kept() {
        Some(kept) => &**kept,
        None => codes.given(),
    }
}
