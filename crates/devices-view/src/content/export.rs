//! A certificate to a file.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use eframe::egui::{self, TextEdit};

use crate::devices::Device;
use crate::dialogs::{Flow, parts};
use crate::widgets::{CameFrom, Notice, notice, progress, remark};
use crate::work::Aside;

/// The dialog.
pub(super) struct Export {
    /// The stay of the token that the certificate is from: it is over with that.
    stay: u64,
    place: String,
    der: Vec<u8>,
    path: String,
    as_der: bool,
    writing: Option<Aside<Result<PathBuf, String>>>,
    outcome: Option<Result<PathBuf, String>>,
    came_from: CameFrom,
}

impl Export {
    /// For the certificate in this place.
    pub(super) fn new(device: &Device, place: &str, der: &[u8], context: &egui::Context) -> Self {
        let directory = etcetera::home_dir().unwrap_or_default();
        let path = directory.join(proposal(device, place));
        Self {
            stay: device.stay,
            place: place.to_owned(),
            der: der.to_vec(),
            path: path.display().to_string(),
            as_der: false,
            writing: None,
            outcome: None,
            came_from: CameFrom::leave(context),
        }
    }

    /// Draws it. Breaks when it is over.
    pub(super) fn show(&mut self, context: &egui::Context, device: &Device) -> ControlFlow<()> {
        if device.stay != self.stay {
            return ControlFlow::Break(());
        }
        self.catch_up();
        let shown = parts::modal(context, "Export certificate", |ui| {
            parts::whose(ui, device);
            ui.label(&self.place);
            if let Some(Ok(path)) = &self.outcome {
                let what = format!("It is in {}.", path.display());
                notice(ui, Notice::Good, &what, None);
                return parts::close(ui) == Flow::Close;
            }
            self.form(ui)
        });
        if shown.inner || shown.is_left && self.writing.is_none() {
            self.came_from.back(context);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn catch_up(&mut self) {
        if let Some(written) = self.writing.as_ref().and_then(Aside::poll) {
            self.writing = None;
            self.outcome = Some(written.unwrap_or_else(|error| Err(error.to_string())));
        }
    }

    fn form(&mut self, ui: &mut egui::Ui) -> bool {
        let is_busy = self.writing.is_some();
        let enter = ui
            .add_enabled_ui(!is_busy, |ui| {
                let label = ui.label("File");
                let field = TextEdit::singleline(&mut self.path).desired_width(f32::INFINITY);
                let field = ui.add(field).labelled_by(label.id);
                parts::focus_first(ui, &field);
                let name = "Binary (DER) instead of text (PEM)";
                if ui.checkbox(&mut self.as_der, name).changed() {
                    let extension = if self.as_der { "der" } else { "pem" };
                    let path = Path::new(&self.path).with_extension(extension);
                    self.path = path.display().to_string();
                }
                parts::entered(ui, &field)
            })
            .inner;
        if is_busy {
            progress(ui, "Writing the file…");
        }
        if let Some(Err(why)) = &self.outcome {
            remark(ui, Notice::Bad, why);
        }
        let may = !is_busy && !self.path.is_empty();
        let mut over = false;
        parts::buttons(ui, |ui| {
            let pressed = parts::primary(ui, "Export", may).clicked();
            if may && (pressed || enter) {
                self.write(ui.ctx());
            }
            // The file would be written all the same.
            let cancel = ui.add_enabled(!is_busy, parts::button("Cancel"));
            over = cancel.clicked();
        });
        over
    }

    fn write(&mut self, context: &egui::Context) {
        let (path, der, as_der) = (PathBuf::from(&self.path), self.der.clone(), self.as_der);
        self.outcome = None;
        self.writing = Some(Aside::begin(context, move || written(path, &der, as_der)));
    }
}

/// A name that no certificate of another token has.
fn proposal(device: &Device, place: &str) -> String {
    let slot = place.split(' ').next().unwrap_or_default();
    match device.token().and_then(|token| token.identity.id()) {
        Some(id) => format!("certificate-{id}-{slot}.pem"),
        None => format!("certificate-{slot}.pem"),
    }
}

/// Writes a file that is not there yet. If that fails, none is left.
fn written(path: PathBuf, der: &[u8], as_der: bool) -> Result<PathBuf, String> {
    let content = if as_der {
        der.to_vec()
    } else {
        token_manager::certificate_pem(der).into_bytes()
    };
    let refused = |error| {
        let path = path.display();
        format!("{path} can't be written: {error}. Name another file")
    };
    let mut new = OpenOptions::new();
    let mut file = new
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(refused)?;
    if let Err(error) = file.write_all(&content) {
        // What is left of it says nothing more than the error.
        let _ = fs::remove_file(&path);
        return Err(refused(error));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use egui_kittest::Harness;
    use egui_kittest::kittest::{NodeT as _, Queryable as _};

    use super::*;

    #[test]
    fn it_can_t_be_left_while_the_file_is_written() {
        let (goes_on, waits) = mpsc::channel::<()>();
        let context = egui::Context::default();
        let write = move || {
            let _ = waits.recv();
            Err("no room".to_owned())
        };
        let mut export = Export {
            stay: 1,
            place: "9A".to_owned(),
            der: Vec::new(),
            path: "/nowhere/certificate.pem".to_owned(),
            as_der: false,
            writing: Some(Aside::begin(&context, write)),
            outcome: None,
            came_from: CameFrom::leave(&context),
        };
        let mut window = Harness::new_ui(move |ui| {
            export.catch_up();
            export.form(ui);
        });
        crate::theme::set_up(&window.ctx, egui::ThemePreference::Light);
        let is_off = |window: &Harness<'_>| {
            let cancel = window.get_by_label("Cancel");
            cancel.accesskit_node().is_disabled()
        };
        assert!(is_off(&window));
        drop(goes_on);
        while is_off(&window) {
            window.step();
        }
    }
}
