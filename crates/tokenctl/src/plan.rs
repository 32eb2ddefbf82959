//! What an action will do, before it does it, and what came of each step.

use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use token_manager::{ActionError, Outcome, Plan, Session, StepReport, Token};

use crate::error::Result;
use crate::json;
use crate::manage;
use crate::output::{self, Output, paragraph};
use crate::source;
use crate::text::{BAD, DIM, GOOD, Text, WARNING};

/// Writes a plan to stdout: what a dry run gives.
pub(crate) fn write(plan: &Plan, token: &Token, output: &Output) -> Result {
    if output.json {
        let body = json::Plan {
            token: source::token_name(token),
            action: plan.action.id(),
            steps: plan.steps.iter().map(step).collect(),
            fates: plan.fates.iter().map(fate).collect(),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    let mut out = output.stdout();
    for (first, text) in lines(plan) {
        paragraph(&mut out, &first, &text)?;
    }
    out.flush()?;
    Ok(())
}

/// Says the plan before the action is confirmed.
pub(crate) fn remark(plan: &Plan, output: &Output) {
    if output.json {
        return;
    }
    for (first, text) in lines(plan) {
        output.stderr_paragraph(&first, &text);
    }
}

/// A plan, each line with what stands before it.
fn lines(plan: &Plan) -> Vec<(Text, Text)> {
    let mut lines = Vec::new();
    for fate in &plan.fates {
        let (mark, what) = match fate.erased {
            Some(true) => (Text::styled("  erased   ", BAD), ""),
            Some(false) => (Text::styled("  stays    ", GOOD), ""),
            None => (Text::styled("  unknown  ", WARNING), ": no document says"),
        };
        let mut text = Text::from(&fate.content).plain(what);
        if let Some(evidence) = fate.evidence {
            text = text.then(format!(" ({})", evidence.name()), DIM);
        }
        lines.push((mark, text));
    }
    if plan.steps.is_empty() {
        lines.push((
            Text::new(),
            Text::from("Nothing would change, and nothing is sent."),
        ));
    }
    for (index, step) in plan.steps.iter().enumerate() {
        let mut text = Text::from(&step.text);
        if step.irreversible {
            text = text.then(" (cannot be undone)", BAD);
        }
        if !step.commands.is_empty() {
            text = text.then(format!(" [{}", step.commands.join(", ")), DIM);
            if let Some(evidence) = step.evidence {
                text = text.then(format!("; {}", evidence.name()), DIM);
            }
            text = text.then("]", DIM);
        }
        lines.push((Text::from(format!("{:>3}. ", index + 1)), text));
    }
    lines
}

fn step(step: &token_manager::Step) -> json::PlanStep {
    json::PlanStep {
        id: step.id,
        text: step.text.clone(),
        commands: step.commands.to_vec(),
        evidence: step.evidence.map(crescendo_ext::Evidence::name),
        irreversible: step.irreversible,
    }
}

fn fate(fate: &token_manager::Fate) -> json::PlanFate {
    json::PlanFate {
        content: fate.content.clone(),
        erased: fate.erased,
        evidence: fate.evidence.map(crescendo_ext::Evidence::name),
    }
}

/// The plan of an action, as far as it can be made for this token.
pub(crate) fn made(
    plan: std::result::Result<Plan, ActionError>,
    session: &Session,
) -> Result<Plan> {
    plan.map_err(|error| manage::action_failed(&error, &session.token().reader).into())
}

/// The steps of an action as they are done, and what came of each. Clones share
/// what is noted.
#[derive(Clone)]
pub(crate) struct Steps {
    plan: Plan,
    output: Output,
    shown: bool,
    outcomes: Arc<Mutex<Vec<json::StepOutcome>>>,
}

impl Steps {
    /// None yet.
    pub(crate) fn of(plan: &Plan, output: &Output) -> Self {
        Steps {
            plan: plan.clone(),
            output: output.clone(),
            shown: !output.json,
            outcomes: Arc::default(),
        }
    }

    /// Says them only to those who asked for more with `-v`: for what a person
    /// takes for one step.
    pub(crate) fn in_detail(mut self) -> Self {
        self.shown &= self.output.verbose > 0;
        self
    }

    /// Notes the steps of what is done in this session from now on.
    pub(crate) fn watch(self, session: &mut Session) -> Self {
        let steps = self.clone();
        session.watch_steps(move |report| steps.note(report));
        self
    }

    /// Notes a step, and says so.
    pub(crate) fn note(&self, report: &StepReport) {
        let planned = self.plan.steps.iter().find(|step| step.id == report.id);
        let text = planned.map_or(report.id, |step| step.text.as_str());
        let first = match report.outcome {
            Outcome::Done => Text::styled("  done     ", GOOD),
            Outcome::Skipped(_) => Text::styled("  skipped  ", DIM),
            _ => Text::styled("  failed   ", BAD),
        };
        // What failed is told at the end, with what to do about it.
        let why = match &report.outcome {
            Outcome::Skipped(why) => format!(": {why}"),
            _ => String::new(),
        };
        if self.shown {
            self.output
                .stderr_paragraph(&first, &Text::from(text).then(why, DIM));
        }
        self.noted().push(json::StepOutcome {
            id: report.id,
            outcome: report.outcome.id(),
            reason: report.outcome.reason().map(str::to_owned),
        });
    }

    /// Whether a step that changes the token was done.
    pub(crate) fn has_changed_the_token(&self) -> bool {
        self.noted().iter().any(|done| {
            let changes = ["reset-card", "put-admin-key", "change-puk", "change-pin"];
            done.outcome == Outcome::Done.id() && changes.contains(&done.id)
        })
    }

    /// All of them.
    pub(crate) fn into_outcomes(self) -> Vec<json::StepOutcome> {
        self.noted().clone()
    }

    fn noted(&self) -> MutexGuard<'_, Vec<json::StepOutcome>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says where an interrupted action has left the token.
pub(crate) fn say_where_it_stands(session: &Session, output: &Output) {
    let Some(journal) = &session.record().journal else {
        return;
    };
    output.warning(journal.sentence());
    if journal.has_done("reset-card") && !journal.has_done("change-pin") {
        let next = "It is erased. Until it has a new PIN it has the one that it is delivered with, \
                    which `tokenctl personalize --delivery-pin` presents.";
        output.remark(&Text::from(next));
    }
}
