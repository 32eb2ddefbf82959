//! Clear cache: what is remembered of a token is forgotten, and the token is read anew. No
//! dialog: its tile says that it was done.

use std::time::{Duration, Instant};

use eframe::egui::{self, Ui};
use token_manager::token_cache::Cache;
use token_manager::{ActionError, Session};

use crate::widgets::{Notice, progress, remark};
use crate::work::{Task, Worker};

/// How long it is shown how it went.
const SHOWN: Duration = Duration::from_secs(10);

/// How it went.
#[derive(Clone, Copy)]
enum Cleared {
    Forgotten,
    /// There is nothing to forget.
    Off,
    /// The cache would not have it.
    Failed,
}

/// Of one token, as far as it was asked for.
#[derive(Default)]
pub(crate) struct Clearing {
    task: Option<Task<Cleared>>,
    outcome: Option<(Result<Cleared, ActionError>, Instant)>,
}

impl Clearing {
    /// Begins.
    pub(crate) fn begin(&mut self, worker: &Worker, cache: Cache) {
        self.outcome = None;
        self.task = Some(worker.run(move |session, _| clear(session, &cache)));
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
        let (kind, text) = match result {
            Ok(Cleared::Forgotten) => (
                Notice::Good,
                "What was remembered of the token is forgotten, and it was read anew.".to_owned(),
            ),
            Ok(Cleared::Off) => (
                Notice::Info,
                "Nothing is remembered of tokens here: it was only read anew.".to_owned(),
            ),
            Ok(Cleared::Failed) => (
                Notice::Bad,
                "what is remembered of the token could not be removed. Check the rights of the \
                 cache's folder"
                    .to_owned(),
            ),
            Err(error) => (Notice::Bad, error.to_string()),
        };
        remark(ui, kind, &text);
    }
}

fn clear(session: &mut Session, cache: &Cache) -> Result<Cleared, ActionError> {
    let name = session.token().cache_name();
    let is_gone = name.is_none_or(|name| cache.clear(&name));
    session.reload_same()?;
    Ok(match (is_gone, cache.is_off()) {
        (false, _) => Cleared::Failed,
        (true, true) => Cleared::Off,
        (true, false) => Cleared::Forgotten,
    })
}
