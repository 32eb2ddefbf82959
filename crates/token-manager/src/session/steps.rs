//! The steps of the action under way, as its plan names them: told to whoever
//! watches the session as soon as it is known what came of each.

use std::sync::Arc;

use crate::failure::ActionError;
use crate::plan::{Outcome, Plan, StepReport};
use crate::session::Session;

/// What is told of each step.
pub(super) type Watcher = Arc<dyn Fn(&StepReport) + Send + Sync>;

/// How far the plan of the action under way is carried out. An action says which
/// step it comes to; what is no step of the plan is passed over, so that nothing is
/// told that was not planned.
#[derive(Default)]
pub(crate) struct Steps {
    watcher: Option<Watcher>,
    /// What was not come to yet.
    ahead: Vec<&'static str>,
    under_way: Option<&'static str>,
}

impl Steps {
    /// A step begins, and the one before it is done. A step that was come to
    /// already goes on.
    pub(crate) fn come_to(&mut self, step: &str) {
        if let Some(place) = self.ahead.iter().position(|ahead| *ahead == step) {
            self.close(Outcome::Done);
            self.under_way = self.ahead.drain(..=place).next_back();
        }
    }

    /// This step is done, though the next one is not come to yet.
    pub(crate) fn done(&mut self, step: &str) {
        if self.under_way == Some(step) {
            self.close(Outcome::Done);
        }
    }

    /// There is no need for this step, or for the rest of it.
    pub(crate) fn skip(&mut self, step: &str, why: &str) {
        self.come_to(step);
        if self.under_way == Some(step) {
            self.close(Outcome::Skipped(why.to_owned()));
        }
    }

    /// The step under way failed.
    pub(crate) fn fail(&mut self, error: &ActionError) {
        self.close(Outcome::Failed(error.to_string()));
    }

    fn begin(&mut self, plan: &Plan) {
        self.ahead = plan.steps.iter().map(|step| step.id).collect();
        self.under_way = None;
    }

    fn end<T>(&mut self, result: &Result<T, ActionError>) {
        match result {
            Ok(_) => self.close(Outcome::Done),
            Err(error) => self.fail(error),
        }
        self.ahead.clear();
    }

    fn close(&mut self, outcome: Outcome) {
        if let (Some(step), Some(watcher)) = (self.under_way.take(), &self.watcher) {
            watcher(&StepReport::new(step, outcome));
        }
    }
}

impl Session {
    /// Tells `watcher` from now on what came of each step of an action that has a
    /// plan, as soon as it is known and by the names in that plan: a step that
    /// failed as such, one that was not come to not at all. Replaces the watcher
    /// before. It is called within an action, at times within a transaction: it must
    /// not wait for a person. [`recycle`](Self::recycle) and
    /// [`personalize`](Self::personalize) have an observer of their own.
    pub fn watch_steps(&mut self, watcher: impl Fn(&StepReport) + Send + Sync + 'static) {
        self.steps.watcher = Some(Arc::new(watcher));
    }

    /// Does what was planned, and tells what came of each step.
    pub(crate) fn carry_out<T>(
        &mut self,
        plan: &Plan,
        act: impl FnOnce(&mut Self) -> Result<T, ActionError>,
    ) -> Result<T, ActionError> {
        self.steps.begin(plan);
        let result = act(self);
        self.steps.end(&result);
        result
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

    use std::sync::Mutex;

    use super::*;
    use crate::capability::Action;
    use crate::plan::Step;

    /// What is told when `act` goes through the steps "a", "b" and "c".
    fn told(act: impl FnOnce(&mut Steps) -> Result<(), ActionError>) -> Vec<String> {
        let told = Arc::new(Mutex::new(Vec::new()));
        let plan = ["a", "b", "c"]
            .into_iter()
            .fold(Plan::new(Action::ChangePuk), |plan, id| {
                plan.step(Step::new(id, id))
            });
        let notes = Arc::clone(&told);
        let mut steps = Steps {
            watcher: Some(Arc::new(move |report: &StepReport| {
                let told = format!("{} {}", report.id, report.outcome.id());
                notes.lock().unwrap().push(told);
            })),
            ..Steps::default()
        };
        steps.begin(&plan);
        let result = act(&mut steps);
        steps.end(&result);
        steps.come_to("c");
        steps.end(&Ok(()));
        let told = told.lock().unwrap();
        told.clone()
    }

    #[test]
    fn a_step_is_done_when_the_next_one_begins_or_the_action_ends() {
        let told = told(|steps| {
            for step in ["select", "a", "select", "a", "b", "a", "c"] {
                steps.come_to(step);
            }
            Ok(())
        });
        assert_eq!(told, ["a done", "b done", "c done"]);
    }

    #[test]
    fn a_failure_is_that_of_the_step_under_way() {
        let lost = || Err(ActionError::AuthenticationLost);
        let at_once = told(|_| lost());
        let under_way = told(|steps| {
            steps.come_to("a");
            steps.come_to("b");
            lost()
        });
        let between = told(|steps| {
            steps.come_to("a");
            steps.done("a");
            lost()
        });
        assert!(at_once.is_empty());
        assert_eq!(under_way, ["a done", "b failed"]);
        assert_eq!(between, ["a done"]);
    }

    #[test]
    fn a_step_is_skipped_before_it_begins_or_when_it_turns_out_to_be_of_no_need() {
        let told = told(|steps| {
            steps.come_to("a");
            steps.skip("b", "no need");
            steps.come_to("c");
            steps.skip("c", "nothing there");
            steps.skip("a", "it is done");
            Ok(())
        });
        assert_eq!(told, ["a done", "b skipped", "c skipped"]);
    }
}
