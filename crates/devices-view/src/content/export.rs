//! A certificate to a file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use eframe::egui::{self, TextEdit};

use crate::dialogs::parts;
use crate::widgets::{Notice, notice};

/// The dialog.
pub(super) struct Export {
    place: String,
    der: Vec<u8>,
    path: String,
    as_der: bool,
    outcome: Option<Result<PathBuf, String>>,
}

impl Export {
    /// For the certificate in this place.
    pub(super) fn new(place: &str, der: &[u8]) -> Self {
        let slot = place.split(' ').next().unwrap_or("certificate");
        let directory = etcetera::home_dir().unwrap_or_default();
        let path = directory.join(format!("certificate-{slot}.pem"));
        Self {
            place: place.to_owned(),
            der: der.to_vec(),
            path: path.display().to_string(),
            as_der: false,
            outcome: None,
        }
    }

    /// Draws it. Breaks when it is over.
    pub(super) fn show(&mut self, context: &egui::Context) -> ControlFlow<()> {
        let shown = parts::modal(context, "Export certificate", |ui| {
            ui.label(&self.place);
            if let Some(Ok(path)) = &self.outcome {
                let what = format!("It is in {}.", path.display());
                notice(ui, Notice::Good, &what, None);
                return parts::close(ui) == crate::dialogs::Flow::Close;
            }
            self.form(ui)
        });
        if shown.inner || shown.should_close() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn form(&mut self, ui: &mut egui::Ui) -> bool {
        let label = ui.label("File");
        let field = TextEdit::singleline(&mut self.path).desired_width(f32::INFINITY);
        ui.add(field).labelled_by(label.id);
        if ui
            .checkbox(&mut self.as_der, "Binary (DER) instead of text (PEM)")
            .changed()
        {
            let path = Path::new(&self.path);
            let extension = if self.as_der { "der" } else { "pem" };
            self.path = path.with_extension(extension).display().to_string();
        }
        if let Some(Err(why)) = &self.outcome {
            notice(ui, Notice::Bad, why, Some("Name another file."));
        }
        let mut over = false;
        parts::buttons(ui, |ui| {
            if parts::primary(ui, "Export", !self.path.is_empty()).clicked() {
                self.outcome = Some(self.write());
            }
            over = ui.button("Cancel").clicked();
        });
        over
    }

    /// Writes a file that is not there yet.
    fn write(&self) -> Result<PathBuf, String> {
        let path = PathBuf::from(&self.path);
        let text;
        let content = if self.as_der {
            self.der.as_slice()
        } else {
            text = token_manager::certificate_pem(&self.der);
            text.as_bytes()
        };
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|mut file| file.write_all(content));
        match written {
            Ok(()) => Ok(path),
            Err(error) => Err(format!("{} can't be written: {error}.", path.display())),
        }
    }
}
