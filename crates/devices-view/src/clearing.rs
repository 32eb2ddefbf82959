//! Clear cache: what is remembered of a token is forgotten, and the token is read anew. No
//! dialog: its tile says that it was done.

use std::time::{Duration, Instant};

use eframe::egui::{self, Ui};
use token_manager::{ActionError, CacheCleared};

use crate::widgets::{Notice, progress, remark};
use crate::work::{Task, Worker};

/// How long it is shown how it went.
const SHOWN: Duration = Duration::from_secs(10);

/// Of one token, as far as it was asked for.
#[derive(Default)]
pub(crate) struct Clearing {
    task: Option<Task<CacheCleared>>,
    outcome: Option<(Result<CacheCleared, ActionError>, Instant)>,
}

impl Clearing {
    /// Begins.
    pub(crate) fn begin(&mut self, worker: &Worker) {
        self.outcome = None;
        self.task = Some(worker.run(|session, _| session.clear_cache()));
        worker.release();
    }

    /// Takes in whether it is done.
    pub(crate) fn catch_up(&mut self, context: &egui::Context) {
        if let Some(result) = self.task.as_mut().and_then(Task::poll) {
            self.task = None;
            self.outcome = Some((result, Instant::now()));
        }
        if let Some((_, since)) = &self.outcome {
            let left = SHOWN.saturating_sub(since.elapsed());
            if left.is_zero() {
                self.outcome = None;
            } else {
                context.request_repaint_after(left);
            }
        }
    }

    /// Shows how it stands.
    pub(crate) fn ui(&self, ui: &mut Ui) {
        if self.task.is_some() {
            progress(ui, "Forgetting it, and reading it anew…");
        }
        let Some((result, _)) = &self.outcome else {
            return;
        };
        match result {
            Ok(cleared) => {
                let kind = match cleared {
                    CacheCleared::Forgotten => Notice::Good,
                    CacheCleared::Failed => Notice::Bad,
                    _ => Notice::Info,
                };
                remark(ui, kind, cleared.sentence());
            }
            Err(error) => remark(ui, Notice::Bad, &error.to_string()),
        }
    }
}
