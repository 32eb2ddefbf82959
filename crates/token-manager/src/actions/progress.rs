//! How far an action of several steps has come: noted on this host before and
//! after each step, and told to whoever watches.

#![allow(dead_code, reason = "personalize is on its way")]

use std::sync::Arc;

use crate::capability::Action;
use crate::failure::ActionError;
use crate::plan::{Outcome, StepReport};
use crate::record::{HostRecord, HostStore, Journal, TokenKey};
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

    /// Whether an earlier run, which did not come to its end, has done this.
    pub(crate) fn was_done(&self, step: &str) -> bool {
        let done = self.before.iter().flat_map(|journal| &journal.done);
        done.into_iter().any(|done| done == step)
    }

    /// Whether an earlier run has done this, or may have.
    pub(crate) fn was_begun(&self, step: &str) -> bool {
        self.was_done(step) || self.before.as_ref().is_some_and(|it| it.begun == step)
    }

    /// Whether an earlier run began to erase a token on which there was
    /// something to see.
    pub(crate) fn had_content(&self) -> bool {
        self.before.as_ref().is_some_and(|it| it.had_content)
    }

    /// Notes whether there is something to see on a token that is to be erased.
    pub(crate) fn note_content(&mut self, had_content: bool) {
        self.journal.had_content = had_content;
    }

    /// The token is erased: what was done to it before is undone.
    pub(crate) fn start_over(&mut self) {
        self.journal.done.clear();
        self.journal.begun.clear();
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
                self.journal.begun.clear();
                if !self.journal.done.iter().any(|done| done == id) {
                    self.journal.done.push(id.to_owned());
                }
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
    pub(crate) fn finish(self, change: impl FnOnce(&mut HostRecord)) -> Result<(), ActionError> {
        let Some(key) = &self.key else {
            return Ok(());
        };
        let mut record = self.store.read(key)?;
        record.journal = None;
        change(&mut record);
        Ok(self.store.write(key, &record)?)
    }

    fn write(&self) -> Result<(), ActionError> {
        let Some(key) = &self.key else {
            return Ok(());
        };
        let mut record = self.store.read(key)?;
        let nothing = self.journal.begun.is_empty() && self.journal.done.is_empty();
        record.journal = (!nothing).then(|| self.journal.clone());
        Ok(self.store.write(key, &record)?)
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
