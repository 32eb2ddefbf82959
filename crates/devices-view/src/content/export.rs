//! A certificate to a file.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use eframe::egui::{self, TextEdit};

use crate::dialogs::{Flow, parts};
use crate::widgets::{CameFrom, Notice, notice, progress, remark};
use crate::work::Aside;

/// The dialog.
pub(super) struct Export {
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
    pub(super) fn new(place: &str, der: &[u8], context: &egui::Context) -> Self {
        let slot = place.split(' ').next().unwrap_or("certificate");
        let directory = etcetera::home_dir().unwrap_or_default();
        let path = directory.join(format!("certificate-{slot}.pem"));
        Self {
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
    pub(super) fn show(&mut self, context: &egui::Context) -> ControlFlow<()> {
        if let Some(written) = self.writing.as_ref().and_then(Aside::poll) {
            self.writing = None;
            self.outcome = Some(written.unwrap_or_else(|error| Err(error.to_string())));
        }
        let shown = parts::modal(context, "Export certificate", |ui| {
            ui.label(&self.place);
            if let Some(Ok(path)) = &self.outcome {
                let what = format!("It is in {}.", path.display());
                notice(ui, Notice::Good, &what, None);
                return parts::close(ui) == Flow::Close;
            }
            self.form(ui)
        });
        if shown.inner || shown.is_left {
            self.came_from.back(context);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
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
            over = ui.button("Cancel").clicked();
        });
        over
    }

    fn write(&mut self, context: &egui::Context) {
        let (path, der, as_der) = (PathBuf::from(&self.path), self.der.clone(), self.as_der);
        self.outcome = None;
        self.writing = Some(Aside::begin(context, move || written(path, &der, as_der)));
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
