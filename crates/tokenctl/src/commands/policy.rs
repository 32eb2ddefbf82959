//! `policy`: the rules for the PIN, who enforces each, and setting them.

use std::io::Write as _;

use token_manager::token_profile::{Alphabet, Policy};
use token_manager::{Action, PolicyRule, Session};

use crate::cli::{PolicyArgs, PolicyCommand, PolicySetArgs};
use crate::contactless::SessionFor;
use crate::describe;
use crate::error::{Kind, Report, Result};
use crate::json;
use crate::manage;
use crate::output::{self, Fields, Output, heading, paragraph};
use crate::plan::{self, Steps};
use crate::source::{self, Source};
use crate::table::Table;
use crate::text::{DIM, GOOD, Text, WARNING};

/// Columns for the labels.
const LABEL: usize = 12;

/// Does what was asked.
pub(crate) fn run(command: &PolicyCommand, source: &Source, output: &Output) -> Result {
    match command {
        PolicyCommand::Show => show(source, output),
        PolicyCommand::Set(arguments) => set(arguments, source, output),
    }
}

fn show(source: &Source, output: &Output) -> Result {
    let session = manage::open_to_read(source, |_| Some(SessionFor::Reading), output)?;
    let rules: Vec<_> = session.rules().into_iter().map(rule).collect();
    let token = session.token();
    if output.json {
        let body = json::PolicyShow {
            token: source::token_name(token),
            rules,
            policy: describe::pin_policy(session.policy()),
            profile: token.profile.id(),
            standard: session
                .policy()
                .interoperable_length()
                .map(|length| [*length.start(), *length.end()]),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    let mut out = output.stdout();
    let mut table = Table::new(&["RULE", "VALUE", "ENFORCED BY", "CAN BE SET"]);
    for rule in &rules {
        let by = match rule.enforced_by {
            "card" => Text::styled("the card", GOOD),
            "host" => Text::from("this software"),
            "prompt" => Text::styled("nobody; asked for", WARNING),
            _ => Text::styled("nobody", DIM),
        };
        let settable = if rule.settable {
            Text::styled("yes", GOOD)
        } else {
            Text::styled("no", DIM)
        };
        table.row([Text::from(rule.name), Text::from(&rule.value), by, settable]);
    }
    table.write(&mut out)?;
    for (names, why) in refusals(&rules) {
        let first = Text::styled(format!("Cannot be set: {}: ", names.join(", ")), DIM);
        paragraph(&mut out, &Text::new(), &first.then(why, DIM))?;
    }
    heading(&mut out, "A new PIN")?;
    let policy = session.policy();
    let mut fields = Fields::new();
    fields.add("Takes", policy.to_string());
    let evidence = policy
        .evidence
        .map_or("the standard", crescendo_ext::Evidence::name);
    fields.add("Evidence", evidence);
    fields.add("Profile", profile(token.profile.id()));
    let everywhere = match policy.interoperable_length() {
        Some(length) => format!("{} to {} digits", length.start(), length.end()),
        None => "no length that both this rule and the standard allow".to_owned(),
    };
    fields.add(
        "Everywhere",
        Text::from(everywhere).then(" is what every PIV program takes", DIM),
    );
    fields.write(&mut out, 2, LABEL)?;
    for note in &policy.notes {
        paragraph(
            &mut out,
            &Text::from("  - "),
            &Text::styled(note.to_string(), DIM),
        )?;
    }
    out.flush()?;
    Ok(())
}

/// Why rules can't be set, each reason with the rules that it holds for.
fn refusals(rules: &[json::PolicyRule]) -> Vec<(Vec<&'static str>, &'static str)> {
    let mut refusals: Vec<(Vec<&'static str>, &'static str)> = Vec::new();
    for rule in rules {
        let Some(reason) = &rule.reason else {
            continue;
        };
        match refusals.iter_mut().find(|(_, why)| *why == reason.sentence) {
            Some((names, _)) => names.push(rule.name),
            None => refusals.push((vec![rule.name], reason.sentence)),
        }
    }
    refusals
}

/// Where the token management profile is, for people.
fn profile(id: &str) -> &'static str {
    match id {
        "on-token" => "the token management profile (this project's own) is on the token",
        "on-host" => "the token management profile (this project's own) is on this computer",
        "unusable" => "the token management profile on the token can't be used",
        _ => "no token management profile: the card's or the standard's rule is all there is",
    }
}

/// A rule in JSON.
fn rule(rule: PolicyRule) -> json::PolicyRule {
    let reason = rule.refusal();
    json::PolicyRule {
        rule: rule.id,
        name: rule.name,
        value: rule.value,
        enforced_by: rule.enforcer.id(),
        settable: reason.is_none(),
        reason: reason.map(describe::reason),
    }
}

/// A policy with what the options change of it.
pub(crate) fn changed(arguments: &PolicyArgs, mut policy: Policy) -> Policy {
    policy.minimum = arguments.min.unwrap_or(policy.minimum);
    policy.maximum = arguments.max.unwrap_or(policy.maximum);
    if arguments.digits {
        policy.alphabet = Alphabet::Digits;
    } else if arguments.any {
        policy.alphabet = Alphabet::Any;
    }
    policy.force_change = arguments
        .force_change
        .map_or(policy.force_change, Into::into);
    policy.refuse_weak = arguments.refuse_weak.map_or(policy.refuse_weak, Into::into);
    policy.fido_shared_pin = arguments
        .fido_shared_pin
        .map_or(policy.fido_shared_pin, Into::into);
    policy.challenge = arguments.challenge.map_or(policy.challenge, Into::into);
    policy
}

fn set(arguments: &PolicySetArgs, source: &Source, output: &Output) -> Result {
    if arguments.policy == PolicyArgs::default() {
        return Err(Report::new(Kind::Usage, "no rule was given to set")
            .next("`tokenctl policy set --help` names them")
            .into());
    }
    // Every rule is for contact alone.
    let mut session = manage::open(source, arguments.risks, Action::UpdatePinLength, output)?;
    let reader = session.token().reader.clone();
    let new = changed(&arguments.policy, session.managed_policy());
    let plan = session
        .plan_policy(&new)
        .map_err(|error| manage::action_failed(&error, &reader))?;
    if arguments.dry_run {
        return plan::write(&plan, session.token(), output);
    }
    plan::remark(&plan, output);
    let steps = Steps::of(&plan, output).watch(&mut session);
    if plan.steps.is_empty() {
        return finish(&session, steps, Ok(Vec::new()), output);
    }
    let pin = arguments.pin.read(&mut session, output)?;
    let result = pin.attempt(&mut session, output, |session, pin, last_try| {
        Ok(session.set_policy(pin, last_try, &new)?.changed)
    });
    finish(&session, steps, result, output)
}

/// Says how it went, also if it came to no good end.
fn finish(session: &Session, steps: Steps, result: Result<Vec<Action>>, output: &Output) -> Result {
    output.detail(format!("{} commands to the card", session.round_trips()));
    let steps = steps.into_outcomes();
    if output.json && (result.is_ok() || !steps.is_empty()) {
        let rules = session.rules();
        let changed = result.as_deref().unwrap_or_default();
        let body = json::PolicySet {
            token: source::token_name(session.token()),
            completed: result.is_ok(),
            steps,
            changed: changed
                .iter()
                .filter_map(|action| rules.iter().find(|rule| rule.action == *action))
                .map(|rule| rule.id)
                .collect(),
            rules: rules.into_iter().map(rule).collect(),
        };
        output::document(&json::Document::new(body))?;
    }
    let changed = result?;
    let done = match (changed.as_slice(), session.token().wants_pin_change()) {
        ([], _) => "The policy was so already; nothing was sent.",
        (_, true) => "The policy is set. The PIN has to be changed now: `tokenctl pin change`.",
        (_, false) => "The policy is set.",
    };
    output.remark(&Text::styled(done, GOOD));
    Ok(())
}
