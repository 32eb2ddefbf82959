//! `fido`: the token's FIDO application.

use std::io::Write as _;

use ctap_apdu::FidoPin;
use token_manager::token_profile::Rule;
use token_manager::{
    Action, ActionError, FidoApplication, FidoPinChanged, FidoPinLengths, FidoPinState, PinPolicy,
    Plan, Session,
};

use crate::cli::{
    FidoCommand, FidoPinChangeArgs, FidoPinCommand, FidoPinSetArgs, FidoPinVerifyArgs,
};
use crate::commands::pin;
use crate::describe;
use crate::error::{Kind, Report, Result};
use crate::json;
use crate::manage::{self, RiskArgs};
use crate::output::{self, Fields, Output};
use crate::plan::{self, Steps};
use crate::secret;
use crate::source::{self, Source};
use crate::text::{GOOD, Text};

/// Columns for labels.
const LABEL: usize = 10;

/// Runs one of the commands under `fido`.
pub(crate) fn run(command: &FidoCommand, source: &Source, output: &Output) -> Result {
    let FidoCommand::Pin { command } = command;
    match command {
        FidoPinCommand::Status => status(source, output),
        FidoPinCommand::Verify(arguments) => verify(arguments, source, output),
        FidoPinCommand::Set(arguments) => set(arguments, source, output),
        FidoPinCommand::Change(arguments) => change(arguments, source, output),
    }
}

fn status(source: &Source, output: &Output) -> Result {
    let session = manage::open_to_read(source, |_| None, output)?;
    pin::ready(&session, Action::Fido)?;
    let token = session.token();
    if output.json {
        let body = json::FidoPinStatus {
            token: source::token_name(token),
            pin: describe::fido_pin(token).ok_or_else(|| missing(&session))?,
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    let mut out = output.stdout();
    let mut fields = Fields::new();
    describe::fido_pin_fields(&mut fields, "FIDO PIN", token);
    fields.write(&mut out, 0, LABEL)?;
    out.flush()?;
    Ok(())
}

fn verify(arguments: &FidoPinVerifyArgs, source: &Source, output: &Output) -> Result {
    let mut session = manage::open(source, RiskArgs::default(), Action::FidoPin, output)?;
    session
        .may_verify_fido_pin()
        .map_err(|error| manage::action_failed(&error, &session.token().reader))?;
    say_tries(&session, output)?;
    let pin = secret::secret(arguments.pin_fd, "FIDO PIN", "--pin-fd")?;
    let pin = fido_pin(&pin)?;
    let (agreed, unattended) = (arguments.last_try, arguments.pin_fd.is_some());
    let verified = pin::attempt(&mut session, agreed, unattended, |session, last_try| {
        session.verify_fido_pin(&pin, last_try)
    })?;
    let went = Went {
        action: "verify-fido-pin",
        completed: true,
        steps: Vec::new(),
        before: &verified.before,
        after: Some(&verified.after),
    };
    tell(&session, went, output)?;
    say_done("The FIDO PIN is right.", &verified.after, &session, output);
    Ok(())
}

fn set(arguments: &FidoPinSetArgs, source: &Source, output: &Output) -> Result {
    let mut session = manage::open(source, RiskArgs::default(), Action::FidoPin, output)?;
    let plan = plan::made(session.plan_set_fido_pin(), &session)?;
    if arguments.dry_run {
        return plan::write(&plan, session.token(), output);
    }
    let new = new_pin(arguments.new_pin_fd, &session, output)?;
    act(
        &plan,
        &mut session,
        output,
        "The FIDO PIN is set.",
        |session| {
            let reader = session.token().reader.clone();
            let set = session.set_fido_pin(&new);
            Ok(set.map_err(|error| manage::action_failed(&error, &reader))?)
        },
    )
}

fn change(arguments: &FidoPinChangeArgs, source: &Source, output: &Output) -> Result {
    let mut session = manage::open(source, RiskArgs::default(), Action::FidoPin, output)?;
    let plan = plan::made(session.plan_change_fido_pin(), &session)?;
    if arguments.dry_run {
        return plan::write(&plan, session.token(), output);
    }
    say_tries(&session, output)?;
    let present = secret::secret(arguments.pin_fd, "Present FIDO PIN", "--pin-fd")?;
    let present = fido_pin(&present)?;
    let new = new_pin(arguments.new_pin_fd, &session, output)?;
    let (agreed, unattended) = (arguments.last_try, arguments.pin_fd.is_some());
    act(
        &plan,
        &mut session,
        output,
        "The FIDO PIN is changed.",
        |session| {
            pin::attempt(session, agreed, unattended, |session, last_try| {
                session.change_fido_pin(&present, &new, last_try)
            })
        },
    )
}

/// Does it, and says how it went, also if it came to no good end.
fn act(
    plan: &Plan,
    session: &mut Session,
    output: &Output,
    done: &str,
    act: impl FnOnce(&mut Session) -> Result<FidoPinChanged>,
) -> Result {
    let before = application(session)?.pin.clone();
    let steps = Steps::of(plan, output).in_detail().watch(session);
    let result = act(session);
    let steps = steps.into_outcomes();
    let (before, after) = match &result {
        Ok(changed) => (&changed.before, Some(&changed.after)),
        Err(_) => (&before, None),
    };
    let went = Went {
        action: plan.steps.last().map_or("", |step| step.id),
        completed: result.is_ok(),
        steps,
        before,
        after,
    };
    tell(session, went, output)?;
    say_done(done, &result?.after, session, output);
    Ok(())
}

/// What is told of an action on the FIDO PIN.
struct Went<'a> {
    action: &'static str,
    completed: bool,
    steps: Vec<json::StepOutcome>,
    before: &'a FidoPinState,
    after: Option<&'a FidoPinState>,
}

/// For programs, unless it came to an end before its first step.
fn tell(session: &Session, went: Went<'_>, output: &Output) -> Result {
    output.detail(format!("{} commands to the card", session.round_trips()));
    if output.json && (went.completed || !went.steps.is_empty()) {
        let body = json::FidoPinResult {
            token: source::token_name(session.token()),
            action: went.action,
            completed: went.completed,
            steps: went.steps,
            before: describe::fido_pin_state(went.before),
            after: went.after.map(describe::fido_pin_state),
        };
        output::document(&json::Document::new(body))?;
    }
    Ok(())
}

fn say_done(done: &str, after: &FidoPinState, session: &Session, output: &Output) {
    let after = describe::fido_pin_text(after, session.token().fido_pin_is_shared());
    output.remark(&Text::styled(done, GOOD).plain(" ").and(after));
}

/// The tries left, before a try is used.
fn say_tries(session: &Session, output: &Output) -> Result {
    let shared = session.token().fido_pin_is_shared();
    let tries = describe::fido_pin_text(&application(session)?.pin, shared);
    output.remark(&Text::from("FIDO PIN: ").and(tries));
    Ok(())
}

/// The FIDO application, which a plan was made for or the token said that it has.
fn application(session: &Session) -> Result<&FidoApplication> {
    let application = session.token().fido.application();
    Ok(application.ok_or_else(|| missing(session))?)
}

fn missing(session: &Session) -> Report {
    let error = ActionError::Unavailable {
        action: Action::Fido,
        reason: token_manager::Reason::NotAnnounced,
    };
    manage::action_failed(&error, &session.token().reader)
}

/// A new FIDO PIN, typed with the rules under the line.
fn new_pin(
    from: Option<secret::Descriptor>,
    session: &Session,
    output: &Output,
) -> Result<FidoPin> {
    let token = session.token();
    let rule = describe::fido_pin_rule(token).ok_or_else(|| missing(session))?;
    output.remark(&Text::from(format!("The new FIDO PIN: {rule}")));
    let lengths = token.fido_pin_lengths().ok_or_else(|| missing(session))?;
    let policy = token.shares_fido_pin().then_some(session.policy());
    let typed = secret::new_secret(from, "New FIDO PIN", "--new-pin-fd", &|typed| {
        rules(typed, lengths, policy)
    })?;
    fido_pin(&typed)
}

/// The rules of a new FIDO PIN, each with whether it is met; `policy` is that of PIV, if it
/// shares the PIN.
fn rules(typed: &[u8], lengths: FidoPinLengths, policy: Option<&PinPolicy>) -> Vec<(String, bool)> {
    let FidoPinLengths {
        minimum_characters: least,
        maximum_bytes: most,
        ..
    } = lengths;
    let text = std::str::from_utf8(typed).ok();
    // One that is too long, or no FIDO PIN for another reason, has characters all the same.
    let characters = text.map_or(0, |text| match FidoPin::new(text) {
        Ok(pin) => pin.code_points(),
        Err(_) => text.chars().count(),
    });
    let mut rules = vec![
        (format!("at least {least} characters"), characters >= least),
        (
            format!("at most {most} bytes of UTF-8"),
            text.is_some() && typed.len() <= most,
        ),
    ];
    let others = policy.into_iter().flat_map(|policy| policy.rules(typed));
    rules.extend(
        others
            .filter(|state| !matches!(state.rule, Rule::AtLeast(_) | Rule::AtMost(_)))
            .map(|state| (state.rule.to_string(), state.met)),
    );
    rules
}

fn fido_pin(typed: &[u8]) -> Result<FidoPin> {
    let refused = |why: String| {
        let message = format!("what was given is no FIDO PIN: {why}");
        Report::new(Kind::NotSent, message).next("Nothing was sent and no try was spent")
    };
    let text = std::str::from_utf8(typed).map_err(|_| refused("it is not UTF-8".to_owned()))?;
    Ok(FidoPin::new(text).map_err(|error| refused(error.to_string()))?)
}
