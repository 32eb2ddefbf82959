//! Documents of the commands that administer a token.

use serde::Serialize;

use super::{Fido, Pin, PinPolicy, Reason, TokenName};

// ---- puk

/// The secret that unblocks the token; written only if it was asked for.
#[derive(Serialize)]
pub(crate) struct PukShow<'a> {
    pub(crate) token: TokenName,
    pub(crate) kind: &'static str,
    pub(crate) place: Option<&'static str>,
    pub(crate) value: &'a str,
    pub(crate) doubt: Option<&'static str>,
}

/// What was done with it.
#[derive(Debug, Serialize)]
pub(crate) struct PukResult {
    pub(crate) token: TokenName,
    pub(crate) action: &'static str,
    pub(crate) completed: bool,
    pub(crate) steps: Vec<StepOutcome>,
    pub(crate) kept: Option<&'static str>,
}

// ---- policy

/// The rules for the PIN.
#[derive(Debug, Serialize)]
pub(crate) struct PolicyShow {
    pub(crate) token: TokenName,
    pub(crate) rules: Vec<PolicyRule>,
    pub(crate) policy: PinPolicy,
    pub(crate) profile: &'static str,
    pub(crate) standard: Option<[u8; 2]>,
}

/// A rule for the PIN.
#[derive(Debug, Serialize)]
pub(crate) struct PolicyRule {
    pub(crate) rule: &'static str,
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) enforced_by: &'static str,
    pub(crate) settable: bool,
    pub(crate) reason: Option<Reason>,
}

/// What was set.
#[derive(Debug, Serialize)]
pub(crate) struct PolicySet {
    pub(crate) token: TokenName,
    pub(crate) completed: bool,
    pub(crate) steps: Vec<StepOutcome>,
    pub(crate) changed: Vec<&'static str>,
    pub(crate) rules: Vec<PolicyRule>,
}

// ---- plan

/// What an action would do.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    pub(crate) token: TokenName,
    pub(crate) action: &'static str,
    pub(crate) steps: Vec<PlanStep>,
    pub(crate) fates: Vec<PlanFate>,
}

/// A step of a plan.
#[derive(Debug, Serialize)]
pub(crate) struct PlanStep {
    pub(crate) id: &'static str,
    pub(crate) text: String,
    pub(crate) commands: Vec<&'static str>,
    pub(crate) evidence: Option<&'static str>,
    pub(crate) irreversible: bool,
}

/// What becomes of a kind of content.
#[derive(Debug, Serialize)]
pub(crate) struct PlanFate {
    pub(crate) content: String,
    pub(crate) erased: Option<bool>,
    pub(crate) evidence: Option<&'static str>,
}

// ---- admin-key

/// Whether a key is the token's.
#[derive(Debug, Serialize)]
pub(crate) struct KeyCheck {
    pub(crate) token: TokenName,
    pub(crate) key: &'static str,
    pub(crate) algorithm: &'static str,
    pub(crate) right: bool,
}

/// The admin key that a token got.
#[derive(Debug, Serialize)]
pub(crate) struct AdminKeySet {
    pub(crate) token: TokenName,
    pub(crate) completed: bool,
    pub(crate) steps: Vec<StepOutcome>,
    pub(crate) algorithm: Option<&'static str>,
    pub(crate) kept: Option<&'static str>,
    pub(crate) saved: Option<String>,
}

// ---- recycle

/// How an erasure went, also if it did not come to its end.
#[derive(Debug, Serialize)]
pub(crate) struct Recycle {
    pub(crate) token: TokenName,
    pub(crate) completed: bool,
    pub(crate) finished_earlier_run: bool,
    pub(crate) steps: Vec<StepOutcome>,
    pub(crate) pin: Pin,
    pub(crate) fido: Fido,
    pub(crate) fido_erasure: Option<&'static str>,
}

/// A step and what came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepOutcome {
    pub(crate) id: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) reason: Option<String>,
}

// ---- personalize

/// How a token was set up, also if that did not come to its end.
#[derive(Debug, Serialize)]
pub(crate) struct Personalize {
    pub(crate) token: TokenName,
    pub(crate) completed: bool,
    pub(crate) finished_earlier_run: bool,
    pub(crate) steps: Vec<StepOutcome>,
    pub(crate) recovery: Option<&'static str>,
    pub(crate) kept: Option<&'static str>,
    pub(crate) saved: Option<String>,
    pub(crate) pin: Pin,
    pub(crate) fido_erasure: Option<&'static str>,
}
