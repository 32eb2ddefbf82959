//! `pin`: the token's PIN.

use std::io::Write as _;

use crescendo_ext::xauth::XauthCryptogram;
use piv_apdu::secret::Pin;
use token_manager::{
    Action, ActionError, Capability, LastTry, NotSent, PinChangeEntry, PinStatus, ProfileState,
    Reason, Session, TokenFamily, UnblockWith, Unblocked,
};

use crate::authority::{self, PinArgs};
use crate::cli::{PinChangeArgs, PinCommand, PinUnblockArgs};
use crate::commands::puk;
use crate::contactless::SessionFor;
use crate::describe;
use crate::error::{Report, Result};
use crate::json;
use crate::manage;
use crate::output::{self, Fields, Output};
use crate::plan::{self, Steps};
use crate::secret;
use crate::source::{self, Source};
use crate::text::{DIM, GOOD, Text, WARNING};

/// Columns for labels.
const LABEL: usize = 10;

/// Runs one of the commands under `pin`.
pub(crate) fn run(command: &PinCommand, source: &Source, output: &Output) -> Result {
    match command {
        PinCommand::Status => status(source, output),
        PinCommand::Verify(arguments) => verify(*arguments, source, output),
        PinCommand::Change(arguments) => change(arguments, source, output),
        PinCommand::Unblock(arguments) => unblock(arguments, source, output),
    }
}

fn status(source: &Source, output: &Output) -> Result {
    let session = manage::open_to_read(source, |_| Some(SessionFor::Reading), output)?;
    let token = session.token();
    let ways: Vec<Action> = [Action::UnblockWithPuk, Action::UnblockWithChallengeResponse]
        .into_iter()
        .filter(|way| token.capabilities.get(*way).is_available())
        .collect();
    if output.json {
        let body = json::PinStatus {
            token: source::token_name(token),
            pin: describe::pin(&token.pin.status),
            policy: describe::pin_policy(&token.pin_policy),
            change_wanted: token.wants_pin_change(),
            unblock: ways.iter().map(|way| way.id()).collect(),
            fido: describe::shared_fido_side(token).map(describe::fido_pin_state),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    let mut out = output.stdout();
    let mut fields = Fields::new();
    match describe::shared_fido_side(token) {
        Some(fido) => {
            fields.add("PIN", describe::shared_pin_text(&token.pin.status));
            fields.add("For FIDO", describe::fido_pin_text(fido, Some(true)));
        }
        None => fields.add("PIN", describe::pin_text(&token.pin.status)),
    }
    fields.add("Takes", token.pin_policy.to_string());
    if token.wants_pin_change() {
        let text = "the PIN has to be changed: `tokenctl pin change`";
        fields.add("Wanted", Text::styled(text, WARNING));
    }
    let ways = match ways.as_slice() {
        [] => Text::styled("not by this software", DIM),
        ways => {
            let names: Vec<_> = ways.iter().map(|way| way.name()).collect();
            Text::from(names.join(", "))
        }
    };
    fields.add("Unblock", ways);
    fields.write(&mut out, 0, LABEL)?;
    out.flush()?;
    Ok(())
}

fn verify(arguments: PinArgs, source: &Source, output: &Output) -> Result {
    let risks = manage::RiskArgs::default();
    let mut session = manage::open(source, risks, Action::Authenticate, output)?;
    let reader = session.token().reader.clone();
    ready(&session, Action::Authenticate)?;
    let pin = arguments.read(&mut session, output)?;
    let before = pin.attempt(&mut session, output, |session, pin, last_try| {
        let open = session.authenticate(pin, last_try)?;
        Ok(open.verification().before.clone())
    })?;
    let after = session
        .refresh_pin_status()
        .map_err(|error| manage::action_failed(&error, &reader))?;
    let went = Went {
        action: Action::Authenticate,
        before: &before,
        after: Some(&after),
        steps: Vec::new(),
    };
    finish(&session, &went, Ok(()), "The PIN is right.", output)
}

fn change(arguments: &PinChangeArgs, source: &Source, output: &Output) -> Result {
    let mut session = manage::open(source, arguments.risks, Action::ChangePin, output)?;
    ready(&session, Action::ChangePin)?;
    let plan = plan::made(session.plan_change_pin(), &session)?;
    if arguments.dry_run {
        return plan::write(&plan, session.token(), output);
    }
    let before = session.token().pin.status.clone();
    say_tries(&session, output);
    output.remark(&Text::from(secret::policy_line(session.policy())));
    for note in &session.policy().notes {
        output.remark(&Text::styled(format!("  {note}"), DIM));
    }
    let from_fd = arguments.pin_fd.is_some() || arguments.new_pin_fd.is_some();
    let on_pad =
        arguments.pin_pad || (!from_fd && !arguments.no_pin_pad && session.pin_pad().modify);
    let typed = if on_pad {
        None
    } else {
        let old = secret::pin(arguments.pin_fd, "Present PIN", "--pin-fd")?;
        let new = secret::new_pin(arguments.new_pin_fd, session.policy(), "--new-pin-fd")?;
        Some((old, new))
    };
    let entry = if let Some((old, new)) = &typed {
        PinChangeEntry::Typed { old, new }
    } else {
        output.remark(&Text::from("Type both PINs on the reader."));
        PinChangeEntry::PinPad
    };
    let unattended = arguments.pin_fd.is_some();
    let steps = Steps::of(&plan, output).in_detail().watch(&mut session);
    let result = attempt(
        &mut session,
        arguments.last_try,
        unattended,
        |session, last_try| session.change_pin(entry, last_try),
    );
    let before = match &result {
        Ok(changed) => changed.before.clone(),
        Err(_) => before,
    };
    let went = Went {
        action: Action::ChangePin,
        before: &before,
        after: None,
        steps: steps.into_outcomes(),
    };
    let result = result.map(drop);
    finish(&session, &went, result, "The PIN is changed.", output)
}

fn unblock(arguments: &PinUnblockArgs, source: &Source, output: &Output) -> Result {
    // Which way it will be follows from the token, and each is for contact alone.
    let mut session = manage::open(source, arguments.risks, Action::UnblockWithPuk, output)?;
    let before = session.token().pin.status.clone();
    let way = way(arguments, &session);
    let action = match way {
        UnblockWith::Puk => Action::UnblockWithPuk,
        _ => Action::UnblockWithChallengeResponse,
    };
    ready(&session, action)?;
    let plan = plan::made(session.plan_unblock(way), &session)?;
    if arguments.dry_run {
        return plan::write(&plan, session.token(), output);
    }
    say_tries(&session, output);
    let steps = Steps::of(&plan, output).in_detail().watch(&mut session);
    let result = match way {
        UnblockWith::Puk => with_puk(arguments, &mut session, output),
        way => by_challenge(way, arguments, &mut session, output),
    };
    let after = result
        .as_ref()
        .ok()
        .map(|unblocked| unblocked.after.clone());
    let went = Went {
        action,
        before: &before,
        after: after.as_ref(),
        steps: steps.into_outcomes(),
    };
    let done = "The PIN is unblocked, and is the new one.";
    finish(&session, &went, result.map(drop), done, output)
}

/// The way that was asked for, or else the one that the token has.
fn way(arguments: &PinUnblockArgs, session: &Session) -> UnblockWith {
    let token = session.token();
    let by_hand = arguments.challenge || arguments.response_fd.is_some();
    if arguments.key || arguments.key_fd.is_some() {
        UnblockWith::AdminKey
    } else if arguments.unlock_code || arguments.code_fd.is_some() {
        UnblockWith::UnlockCode
    } else if by_hand {
        UnblockWith::Response
    } else if arguments.puk_fd.is_some()
        || matches!(
            token.capabilities.get(Action::UnblockWithPuk),
            Capability::Available | Capability::Unavailable(Reason::OnlyOnContact)
        )
    {
        UnblockWith::Puk
    } else if token.has_static_challenge() {
        UnblockWith::UnlockCode
    } else {
        UnblockWith::Response
    }
}

fn with_puk(
    arguments: &PinUnblockArgs,
    session: &mut Session,
    output: &Output,
) -> Result<Unblocked> {
    puk::say_tries(session, output);
    let puk = secret::puk(arguments.puk_fd, "PUK", "--puk-fd")?;
    let new = new_pin(arguments, session, output)?;
    let unattended = arguments.puk_fd.is_some();
    attempt(
        session,
        arguments.last_try,
        unattended,
        |session, last_try| session.unblock_with_puk(&puk, &new, last_try),
    )
}

fn by_challenge(
    way: UnblockWith,
    arguments: &PinUnblockArgs,
    session: &mut Session,
    output: &Output,
) -> Result<Unblocked> {
    let reader = session.token().reader.clone();
    let failed = |error: ActionError| manage::action_failed(&error, &reader);
    if way == UnblockWith::AdminKey {
        let key = authority::admin_key(arguments.key_fd, "Admin key", "--key-fd")?;
        let new = new_pin(arguments, session, output)?;
        return Ok(session.unblock_with_key(&key, &new).map_err(failed)?);
    }
    if way == UnblockWith::UnlockCode {
        let code = secret::text(arguments.code_fd, "Unlock code", "--code-fd")?;
        let code = XauthCryptogram::from_hex(&code)
            .map_err(|error| authority::unusable(&error.to_string()))?;
        let new = new_pin(arguments, session, output)?;
        return Ok(session.unblock_with_code(&code, &new).map_err(failed)?);
    }
    // The new PIN first: a challenge does not wait well.
    let new = new_pin(arguments, session, output)?;
    let challenge = session.unblock_challenge().map_err(failed)?;
    let digits = challenge.challenge().to_string();
    if output.json {
        let body = json::PinChallenge {
            token: source::token_name(session.token()),
            challenge: digits,
            algorithm: challenge.challenge().algorithm().name(),
        };
        output::line(&json::Document::new(body))?;
    } else {
        let mut out = output.stdout();
        writeln!(out, "Challenge: {digits}")?;
        out.flush()?;
        output.remark(&Text::styled(
            "Whoever has the admin key answers it: `tokenctl helpdesk respond`. Leave the token in.",
            DIM,
        ));
    }
    let response = secret::text(arguments.response_fd, "Response", "--response-fd")?;
    let response = XauthCryptogram::from_hex(&response)
        .map_err(|error| authority::unusable(&error.to_string()))?;
    Ok(session
        .unblock_with_response(&challenge, &response, &new)
        .map_err(failed)?)
}

fn new_pin(arguments: &PinUnblockArgs, session: &Session, output: &Output) -> Result<Pin> {
    output.remark(&Text::from(secret::policy_line(session.policy())));
    secret::new_pin(arguments.new_pin_fd, session.policy(), "--new-pin-fd")
}

/// Refuses at once what the token can't do, before anything is asked.
pub(crate) fn ready(session: &Session, action: Action) -> Result {
    session
        .ensure(action)
        .map_err(|error| manage::action_failed(&error, &session.token().reader).into())
}

/// Refuses at once a PIN that the card would not look at: none is asked for then.
pub(crate) fn may_be_asked(session: &Session) -> std::result::Result<(), Report> {
    let token = session.token();
    let enforces = matches!(token.profile, ProfileState::OnToken(_));
    let refused = match token.pin.status {
        PinStatus::Blocked => NotSent::Blocked {
            secret: token_manager::Secret::Pin,
        },
        PinStatus::NotSet if token.identity.family == TokenFamily::Piv => NotSent::NoPin,
        _ if enforces && token.wants_pin_change() => NotSent::ForcePinChange {
            secret: token_manager::Secret::Pin,
        },
        _ => return Ok(()),
    };
    Err(manage::action_failed(&refused.into(), &token.reader))
}

/// The tries left, before a try is used.
pub(crate) fn say_tries(session: &Session, output: &Output) {
    let status = describe::pin_text(&session.token().pin.status);
    output.remark(&Text::from("PIN: ").and(status));
}

pub(crate) fn last_try(agreed: bool) -> LastTry {
    if agreed { LastTry::Use } else { LastTry::Spare }
}

/// Does what presents a secret that has a counter; asks first if that takes the
/// last try, which `agreed` says that it may.
pub(crate) fn attempt<T>(
    session: &mut Session,
    agreed: bool,
    unattended: bool,
    mut act: impl FnMut(&mut Session, LastTry) -> std::result::Result<T, ActionError>,
) -> Result<T> {
    let mut last_try = last_try(agreed);
    loop {
        match act(session, last_try) {
            Ok(done) => return Ok(done),
            Err(error) => {
                let reader = &session.token().reader;
                last_try = may_use_last_try(&error, unattended, reader)?;
            }
        }
    }
}

/// Asks whether the last try may be used, where that is what an action waits
/// for and there is somebody to ask; passes every other failure on.
pub(crate) fn may_use_last_try(
    error: &ActionError,
    unattended: bool,
    reader: &str,
) -> Result<LastTry> {
    let mut report = manage::action_failed(error, reader);
    let question = match error {
        ActionError::NotSent(NotSent::LastTry { secret }) => Some(format!(
            "Only one try is left for the {secret}: if it is wrong, the {secret} is blocked. Use it?"
        )),
        ActionError::NotSent(NotSent::TriesUnknown { secret, .. }) => Some(format!(
            "The card does not tell how many tries are left for the {secret}: if this is the last \
             one and it is wrong, the {secret} is blocked. Use it?"
        )),
        _ => None,
    };
    if let Some(question) = question {
        if !unattended && secret::is_terminal() && secret::confirm(&question, "--last-try")? {
            return Ok(LastTry::Use);
        }
        report.next = Some("Give --last-try to agree to it; no try was spent".to_owned());
    }
    Err(report.into())
}

/// What is told of an action on the PIN.
struct Went<'a> {
    action: Action,
    before: &'a PinStatus,
    after: Option<&'a PinStatus>,
    steps: Vec<json::StepOutcome>,
}

/// Says how it went, also if it came to no good end.
fn finish(
    session: &Session,
    went: &Went<'_>,
    result: Result,
    done: &str,
    output: &Output,
) -> Result {
    output.detail(format!("{} commands to the card", session.round_trips()));
    if output.json && (result.is_ok() || !went.steps.is_empty()) {
        let body = json::PinResult {
            token: source::token_name(session.token()),
            action: went.action.id(),
            completed: result.is_ok(),
            steps: went.steps.clone(),
            before: describe::pin(went.before),
            after: went.after.map(describe::pin),
        };
        output::document(&json::Document::new(body))?;
    }
    result?;
    let mut line = Text::styled(done, GOOD);
    if let Some(after) = went.after {
        line = line.plain(" ").and(describe::pin_text(after));
    }
    output.remark(&line);
    Ok(())
}
