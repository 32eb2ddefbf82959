//! A new secret on its way to a token: the person has it before the token gets it.

use std::path::PathBuf;

use eframe::egui::{RichText, TextEdit, Ui};
use token_desktop::{SecretFile, SecretFileError};
use token_manager::token_profile::RecoveryKind;
use token_manager::{RecoverySecret, Token};

use super::{Reach, parts};
use crate::theme::UNIT;
use crate::widgets::{Notice, ShownSecret, destructive, notice, progress, quiet, sentence};
use crate::work::Aside;

/// The page, for one secret after the other. They go into one file.
#[derive(Default)]
pub(super) struct HandOver {
    path: Option<String>,
    file: Option<SecretFile>,
    page: Option<Page>,
    /// What the person has from runs that did not come to their end.
    outdated: Vec<RecoveryKind>,
    taken: Vec<RecoveryKind>,
}

/// What was done with the secret that is shown.
struct Page {
    shown: ShownSecret,
    saving: Option<Aside<Saved>>,
    is_saved: bool,
    is_safe: bool,
    failure: Option<String>,
    stops: bool,
}

/// What the person has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing yet.
    Open,
    /// They have it.
    Taken,
    /// The token is not to get it.
    Stop,
}

impl HandOver {
    /// Draws the page for this secret.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        reach: &Reach<'_>,
        secret: &RecoverySecret,
    ) -> Decision {
        let token = &reach.snapshot.token;
        let page = self.page.get_or_insert_with(|| Page::new(secret));
        if page.stops {
            return self.confirm_stop(ui);
        }
        ui.label(
            RichText::new(format!("New {}", secret.name()))
                .size(16.0)
                .strong(),
        );
        let next = "The token gets it when you go on. Take it over first: nobody else has it, and \
                    it is not shown again.";
        notice(ui, Notice::Info, secret.purpose(), Some(next));
        if self.outdated.contains(&secret.kind()) {
            let what = "It takes the place of the one that you got before the interruption.";
            notice(
                ui,
                Notice::Warning,
                what,
                Some("That one is of no use: throw it away."),
            );
        }
        let show = page.shown.ui(ui, &reach.tools.lender);
        parts::focus_first(ui, &show);
        ui.add_space(UNIT);
        self.save(ui, token, secret);
        self.buttons(ui)
    }

    /// Shows the secret no more, until it is asked for again.
    pub(super) fn hide(&mut self) {
        if let Some(page) = &mut self.page {
            page.shown.hide();
        }
    }

    /// A new run, whose secrets go into another file.
    pub(super) fn begin(&mut self) {
        (self.path, self.file, self.page) = (None, None, None);
        self.outdated.append(&mut self.taken);
    }

    /// The person has decided about this one: the next one is another.
    pub(super) fn turn(&mut self, secret: &RecoverySecret) {
        self.page = None;
        self.taken.push(secret.kind());
    }

    fn catch_up(&mut self) {
        let Some(page) = &mut self.page else {
            return;
        };
        if let Some(saved) = page.saving.as_ref().and_then(Aside::poll) {
            page.saving = None;
            match saved {
                Ok((file, result)) => {
                    self.file = file;
                    page.is_saved = result.is_ok();
                    page.failure = result.err();
                }
                Err(error) => page.failure = Some(error.to_string()),
            }
        }
    }

    fn save(&mut self, ui: &mut Ui, token: &Token, secret: &RecoverySecret) {
        self.catch_up();
        let Some(page) = &mut self.page else {
            return;
        };
        let path = self.path.get_or_insert_with(|| proposal(token));
        let label = ui.label("File");
        let is_new = self.file.is_none() && page.saving.is_none();
        let field = TextEdit::singleline(path).desired_width(f32::INFINITY);
        let field = ui.add_enabled(is_new, field).labelled_by(label.id);
        if self.file.is_some() && !page.is_saved {
            quiet(
                ui,
                "It is added to the file that the secret before it is in.",
            );
        }
        let may = page.saving.is_none() && !page.is_saved && !path.trim().is_empty();
        let pressed = ui.add_enabled(may, parts::button("Save to file")).clicked();
        if may && (pressed || parts::entered(ui, &field)) {
            page.failure = None;
            page.saving = Some(saving(ui, self.file.take(), path.trim(), token, secret));
        }
        if page.saving.is_some() {
            progress(ui, "Writing the file…");
        }
        if let Some(why) = &page.failure {
            notice(ui, Notice::Bad, &sentence(why), None);
        }
        if let (true, Some(file)) = (page.is_saved, &self.file) {
            let what = format!("It is in {}.", file.path().display());
            let next = "Only you can read that file. Move it to where it is safe.";
            notice(ui, Notice::Good, &what, Some(next));
        }
    }

    fn buttons(&mut self, ui: &mut Ui) -> Decision {
        let Some(page) = &mut self.page else {
            return Decision::Open;
        };
        // The next secret goes into the same file: this page has to have it back.
        let is_saving = page.saving.is_some();
        let is_taken = page.is_saved || page.shown.was_copied();
        ui.add_enabled_ui(is_taken && !is_saving, |ui| {
            ui.checkbox(&mut page.is_safe, "I have it in safe keeping");
        });
        if !is_taken {
            quiet(ui, "Copy it or save it first.");
        }
        let mut decision = Decision::Open;
        parts::buttons(ui, |ui| {
            let may = is_taken && page.is_safe && !is_saving;
            if parts::primary(ui, "Go on", may).clicked() {
                decision = Decision::Taken;
            }
            let stop = ui.add_enabled(!is_saving, parts::button("Stop…"));
            if stop.clicked() {
                page.stops = true;
            }
        });
        decision
    }

    fn confirm_stop(&mut self, ui: &mut Ui) -> Decision {
        let what = "Stop, so that the token does not get it?";
        let next = "The set-up does not come to its end then. What was done before stays done, and \
                    what was shown just now is of no use: throw it away.";
        notice(ui, Notice::Warning, what, Some(next));
        let mut decision = Decision::Open;
        parts::buttons(ui, |ui| {
            if destructive(ui, "Stop: the token does not get it", true).clicked() {
                decision = Decision::Stop;
            }
            if ui.add(parts::button("Back to the secret")).clicked()
                && let Some(page) = &mut self.page
            {
                page.stops = false;
            }
        });
        decision
    }
}

impl Page {
    fn new(secret: &RecoverySecret) -> Self {
        Self {
            shown: ShownSecret::new(secret.name(), secret.reveal()),
            saving: None,
            is_saved: false,
            is_safe: false,
            failure: None,
            stops: false,
        }
    }
}

/// A file that is not there yet, in the person's own directory.
fn proposal(token: &Token) -> String {
    let directory = etcetera::home_dir().unwrap_or_default();
    let id = token.identity.id().unwrap_or_else(|| "token".to_owned());
    let names = (1..100).map(|number| match number {
        1 => format!("secrets-{id}.txt"),
        _ => format!("secrets-{id}-{number}.txt"),
    });
    let mut paths = names.map(|name| directory.join(name));
    let free = paths.find(|path| path.symlink_metadata().is_err());
    free.unwrap_or_else(|| PathBuf::from("secrets.txt"))
        .display()
        .to_string()
}

/// The file, which is there from the first secret on, and whether this one has come into it.
type Saved = (Option<SecretFile>, Result<(), String>);

/// Adds the secret to the file, which is made for the first one.
fn saving(
    ui: &Ui,
    file: Option<SecretFile>,
    path: &str,
    token: &Token,
    secret: &RecoverySecret,
) -> Aside<Saved> {
    let (path, token, secret) = (path.to_owned(), token.clone(), secret.clone());
    Aside::begin(ui.ctx(), move || {
        // One that the first secret did not come into is not there.
        let is_there = file.is_some();
        match file.map_or_else(|| named(&path, &token), Ok) {
            Ok(mut file) => match file.save(&secret) {
                Ok(()) => (Some(file), Ok(())),
                Err(error) => (is_there.then_some(file), Err(error.to_string())),
            },
            Err(error) => (None, Err(error.to_string())),
        }
    })
}

fn named(path: &str, token: &Token) -> Result<SecretFile, SecretFileError> {
    let mut file = SecretFile::new(path, "Devices")?;
    file.name(token);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use eframe::egui::{self, accesskit::Role};
    use egui_kittest::Harness;
    use egui_kittest::kittest::{NodeT as _, Queryable as _};
    use zeroize::Zeroizing;

    use super::*;

    /// A secret that was copied before, of which the file is being written.
    fn saving(context: &egui::Context, waits: mpsc::Receiver<()>) -> HandOver {
        let write = move || {
            let _ = waits.recv();
            (None, Ok(()))
        };
        let shown = ShownSecret::new("PUK", Zeroizing::new("31415926".to_owned()));
        let page = Page {
            shown,
            saving: Some(Aside::begin(context, write)),
            is_saved: true,
            is_safe: true,
            failure: None,
            stops: false,
        };
        HandOver {
            page: Some(page),
            ..HandOver::default()
        }
    }

    #[test]
    fn nothing_is_decided_while_the_file_is_written() {
        let (goes_on, waits) = mpsc::channel();
        let mut page = saving(&egui::Context::default(), waits);
        let mut window = Harness::new_ui(move |ui| {
            page.catch_up();
            page.buttons(ui);
        });
        let are = |window: &Harness<'_>, disabled: bool| {
            [
                (Role::Button, "Go on"),
                (Role::Button, "Stop…"),
                (Role::CheckBox, "I have it in safe keeping"),
            ]
            .iter()
            .all(|(role, name)| {
                let node = window.get_by_role_and_label(*role, name);
                node.accesskit_node().is_disabled() == disabled
            })
        };
        assert!(are(&window, true));
        drop(goes_on);
        while !are(&window, false) {
            window.step();
        }
    }
}
