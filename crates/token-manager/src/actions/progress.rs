//! How far an action of several steps has come: noted on this host before and
//! after each step, and told to whoever watches.

use std::sync::Arc;

use super::personalize::KEEP_RECOVERY;
use crate::capability::Action;
use crate::failure::{ActionError, Aftermath};
use crate::plan::{Outcome, StepReport};
use crate::record::{HostRecord, HostStore, Journal, RecoveryPlace, TokenKey};
use crate::session::Session;

/// What is told of each step as soon as it is known.
pub type Observer<'a> = dyn FnMut(&StepReport) + 'a;

/// The steps of one action on one token.
pub(crate) struct Progress<'o> {
    store: Arc<dyn HostStore>,
    /// The token's name when the action began: an erasure may change it.
    key: Option<TokenKey>,
    journal: Journal,
    before: Option<Journal>,
    observer: &'o mut Observer<'o>,
}

impl<'o> Progress<'o> {
    /// Goes on from where an action on this token was interrupted, if one was.
    pub(crate) fn new(session: &Session, action: Action, observer: &'o mut Observer<'o>) -> Self {
        let before = session.record.journal.clone();
        let mut journal = before.clone().unwrap_or_else(|| Journal::new(action));
        action.id().clone_into(&mut journal.action);
        let begun = std::mem::take(&mut journal.begun);
        if !begun.is_empty() && !journal.is_doubtful(&begun) {
            journal.doubtful.push(begun);
        }
        Self {
            store: session.manager.store(),
            key: session.key.clone(),
            journal,
            before,
            observer,
        }
    }

    /// The token's name when the action began.
    pub(crate) fn key(&self) -> Option<&TokenKey> {
        self.key.as_ref()
    }

    /// Whether this host's secret store may have the token's recovery secret, as
    /// far as is noted under the name that it had when the action began.
    pub(crate) fn may_be_kept_on_host(&self) -> Result<bool, ActionError> {
        let Some(key) = &self.key else {
            return Ok(false);
        };
        let noted = self.store.read(key)?.recovery == Some(RecoveryPlace::Host);
        Ok(noted || self.was_begun(KEEP_RECOVERY))
    }

    /// Whether an earlier run, which did not come to its end, has done this.
    pub(crate) fn was_done(&self, step: &str) -> bool {
        self.before.as_ref().is_some_and(|it| it.has_done(step))
    }

    /// Whether an earlier run has done this, or may have.
    pub(crate) fn was_begun(&self, step: &str) -> bool {
        self.was_done(step) || self.before.as_ref().is_some_and(|it| it.is_doubtful(step))
    }

    /// Whether anything was done to the token, in this run or in an earlier one
    /// that did not come to its end.
    pub(crate) fn is_under_way(&self) -> bool {
        let journal = &self.journal;
        !(journal.begun.is_empty() && journal.done.is_empty() && journal.doubtful.is_empty())
    }

    /// In what state an interruption at this point leaves the token.
    pub(crate) fn aftermath(&self) -> Aftermath {
        if self.is_under_way() {
            Aftermath::Resumable
        } else {
            Aftermath::Unchanged
        }
    }

    /// Notes whether there is something to see on a token that is to be erased.
    pub(crate) fn note_content(&mut self, had_content: bool) {
        self.journal.had_content = had_content;
    }

    /// The token is erased: what was done to it before is undone.
    pub(crate) fn start_over(&mut self) {
        self.journal.done.clear();
        self.journal.begun.clear();
        self.journal.doubtful.clear();
        self.before = None;
    }

    /// Carries out a step that changes the token.
    pub(crate) fn step<T>(
        &mut self,
        id: &'static str,
        act: impl FnOnce() -> Result<T, ActionError>,
    ) -> Result<T, ActionError> {
        id.clone_into(&mut self.journal.begun);
        self.write()?;
        match act() {
            Ok(value) => {
                self.note_done(id);
                self.write()?;
                self.done(id);
                Ok(value)
            }
            Err(error) => {
                // The card said no, so it certainly was not carried out.
                if !leaves_doubt(&error) {
                    self.journal.begun.clear();
                    self.write()?;
                }
                Err(self.failed(id, error))
            }
        }
    }

    /// Reports what was done, and changes nothing on the token.
    pub(crate) fn done(&mut self, id: &'static str) {
        (self.observer)(&StepReport::new(id, Outcome::Done));
    }

    /// Reports what an earlier run has done.
    pub(crate) fn done_before(&mut self, id: &'static str, why: &str) -> Result<(), ActionError> {
        self.note(id)?;
        self.skipped(id, why);
        Ok(())
    }

    /// Notes that an earlier run has done it.
    pub(crate) fn note(&mut self, id: &str) -> Result<(), ActionError> {
        self.note_done(id);
        self.write()
    }

    /// There is no doubt about a step any more.
    pub(crate) fn settle(&mut self, id: &str) {
        if self.journal.begun == id {
            self.journal.begun.clear();
        }
        self.journal.doubtful.retain(|doubtful| doubtful != id);
    }

    fn note_done(&mut self, id: &str) {
        self.settle(id);
        if !self.journal.has_done(id) {
            self.journal.done.push(id.to_owned());
        }
    }

    /// Changes the record, and leaves the journal open.
    pub(crate) fn amend(&self, mut change: impl FnMut(&mut HostRecord)) -> Result<(), ActionError> {
        if let Some(key) = &self.key {
            self.store.update(key, &mut change)?;
        }
        Ok(())
    }

    /// Reports what there was no need to do.
    pub(crate) fn skipped(&mut self, id: &'static str, why: &str) {
        (self.observer)(&StepReport::new(id, Outcome::Skipped(why.to_owned())));
    }

    /// Reports what went wrong, and gives it back.
    pub(crate) fn failed(&mut self, id: &'static str, error: ActionError) -> ActionError {
        (self.observer)(&StepReport::new(id, Outcome::Failed(error.to_string())));
        error
    }

    /// The end: the journal is closed along with what else changes in the
    /// record.
    pub(crate) fn finish(self, mut change: impl FnMut(&mut HostRecord)) -> Result<(), ActionError> {
        self.amend(|record| {
            record.journal = None;
            change(record);
        })
    }

    fn write(&self) -> Result<(), ActionError> {
        let journal = self.is_under_way().then(|| self.journal.clone());
        self.amend(|record| record.journal.clone_from(&journal))
    }
}

fn leaves_doubt(error: &ActionError) -> bool {
    matches!(
        error,
        ActionError::Interrupted { .. }
            | ActionError::Malformed { .. }
            | ActionError::NotConfirmed { .. }
    )
}
