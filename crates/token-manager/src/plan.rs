//! What an action will do, step by step, before it does it; and what came of
//! each step.

use crescendo_ext::identity::Family;
use crescendo_ext::{Evidence, operations};

use crate::capability::Action;
use crate::session::Session;

/// What an action will do, in order. Made without sending anything.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The action.
    pub action: Action,
    /// Its steps, in the order in which they are done.
    pub steps: Vec<Step>,
    /// What becomes of each kind of content, for an action that erases.
    pub fates: Vec<Fate>,
}

impl Plan {
    pub(crate) fn new(action: Action) -> Self {
        Self {
            action,
            steps: Vec::new(),
            fates: Vec::new(),
        }
    }

    pub(crate) fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// A stable identifier for programs: `reset-card`.
    pub id: &'static str,
    /// What is done, as a sentence without a full stop.
    pub text: String,
    /// The commands that it sends, by their names in the standard or in
    /// `crescendo_ext::operations`; empty for a step on the host.
    pub commands: &'static [&'static str],
    /// How well the least documented of the commands is founded; `None` for the
    /// standard's, and for a step on the host.
    pub evidence: Option<Evidence>,
    /// Whether it can't be undone.
    pub irreversible: bool,
}

impl Step {
    pub(crate) fn new(id: &'static str, text: impl Into<String>) -> Self {
        Self {
            id,
            text: text.into(),
            commands: &[],
            evidence: None,
            irreversible: false,
        }
    }

    pub(crate) fn sends(mut self, commands: &'static [&'static str]) -> Self {
        self.commands = commands;
        self
    }

    pub(crate) fn evidence(mut self, evidence: Option<Evidence>) -> Self {
        self.evidence = evidence;
        self
    }

    pub(crate) fn irreversible(mut self) -> Self {
        self.irreversible = true;
        self
    }
}

impl Session {
    /// A step that sends commands to a Crescendo, with the evidence for the least
    /// documented one; those of the standard need none.
    pub(crate) fn vendor_step(
        &self,
        id: &'static str,
        text: &str,
        commands: &'static [&'static str],
    ) -> Step {
        let evidence = self.family().and_then(|family| {
            let known = commands.iter().filter_map(|name| evidence(name, family));
            known.min()
        });
        Step::new(id, text).sends(commands).evidence(evidence)
    }

    /// The step in which the PIN is verified.
    pub(crate) fn verify_pin_step(&self) -> Step {
        let verify: &[_] = match self.family() {
            Some(_) => &["VERIFY PIN"],
            None => &["VERIFY"],
        };
        self.vendor_step("verify-pin", "verify the PIN", verify)
    }
}

/// That of an operation, or of the form that this family has of it.
fn evidence(name: &str, family: Family) -> Option<Evidence> {
    let own = format!("{name} ({})", family.name());
    let found = operations::find(name).and_then(|found| found.evidence(family));
    found.or_else(|| operations::find(&own)?.evidence(family))
}

/// What becomes of a kind of content when a token is erased.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fate {
    /// The content: `keys and certificates`.
    pub content: String,
    /// Whether it is erased: `None` if no document says.
    pub erased: Option<bool>,
    /// How well that is founded.
    pub evidence: Option<Evidence>,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Done,
    /// There was no need to do it, for this reason.
    Skipped(String),
    /// It failed, and nothing after it was done.
    Failed(String),
}

impl Outcome {
    /// A stable identifier for programs: `done`, `skipped`, `failed`.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Skipped(_) => "skipped",
            Self::Failed(_) => "failed",
        }
    }

    /// Why it was skipped or failed.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Done => None,
            Self::Skipped(why) | Self::Failed(why) => Some(why),
        }
    }
}

/// A step and what came of it: what an observer is told as soon as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepReport {
    /// The step's identifier, as in the [`Plan`].
    pub id: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

impl StepReport {
    pub(crate) fn new(id: &'static str, outcome: Outcome) -> Self {
        Self { id, outcome }
    }
}
