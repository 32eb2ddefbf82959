//! `puk`: show the secret that unblocks the token, forget it, change the PUK.

use std::ops::RangeInclusive;

use piv_apdu::secret::Puk;
use token_manager::token_profile::RecoveryKind;
use token_manager::{Action, Plan, RecoveryDoubt, RecoveryPlace, RecoverySecret, Session};

use crate::authority;
use crate::cli::{PukChangeArgs, PukCommand, PukForgetArgs, PukShowArgs};
use crate::commands::pin;
use crate::error::{Failure, Kind, Report, Result};
use crate::json;
use crate::manage::{self, RiskArgs};
use crate::output::{self, Output};
use crate::plan::{self, Steps};
use crate::secret;
use crate::source::{self, Source};
use crate::text::{DIM, GOOD, Text};

/// Bytes of a PUK: SP 800-73 has eight, and cards that take fewer pad from six.
const PUK_LENGTHS: RangeInclusive<usize> = 6..=8;

/// Does what was asked.
pub(crate) fn run(command: &PukCommand, source: &Source, output: &Output) -> Result {
    match command {
        PukCommand::Show(arguments) => show(arguments, source, output),
        PukCommand::Forget(arguments) => forget(arguments, source, output),
        PukCommand::Change(arguments) => change(arguments, source, output),
    }
}

fn show(arguments: &PukShowArgs, source: &Source, output: &Output) -> Result {
    arguments.reveal.check(output)?;
    let mut session = manage::open(source, RiskArgs::default(), Action::ViewPuk, output)?;
    pin::ready(&session, Action::ViewPuk)?;
    let pin = arguments.pin.read(&mut session, output)?;
    let secret = pin.attempt(&mut session, output, |session, pin, last_try| {
        session.view_puk(pin, last_try)
    })?;
    output.detail(format!("{} commands to the card", session.round_trips()));
    let value = secret.reveal();
    if output.json {
        let body = json::PukShow {
            token: source::token_name(session.token()),
            kind: secret.kind().id(),
            place: session.record().recovery.map(RecoveryPlace::id),
            value: &value,
            doubt: secret.doubt().map(RecoveryDoubt::id),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    if let Some(doubt) = secret.doubt() {
        output.remark(&Text::styled(format!("{doubt}."), DIM));
    }
    let question = format!(
        "This token has a recovery secret: {}. Show it?",
        secret.name()
    );
    arguments
        .reveal
        .give(secret.name(), &value, &question, output)
}

fn forget(arguments: &PukForgetArgs, source: &Source, output: &Output) -> Result {
    let mut session = manage::open(source, arguments.risks, Action::ViewPuk, output)?;
    pin::ready(&session, Action::ViewPuk)?;
    let plan = plan::made(session.plan_forget_recovery(), &session)?;
    if arguments.dry_run {
        return plan::write(&plan, session.token(), output);
    }
    let question = "It is erased and never shown again, here or anywhere; whoever has not written \
                    it down cannot unblock the token with it. Forget it?";
    if !arguments.yes && !secret::confirm(question, "--yes")? {
        return Err(not_confirmed());
    }
    let pin = arguments.pin.read(&mut session, output)?;
    let takes_key = session.token().forgetting_takes_management_key();
    let key = || arguments.management.read();
    let management = takes_key.then(key).transpose()?;
    let steps = Steps::of(&plan, output).watch(&mut session);
    let result = pin.attempt(
        &mut session,
        output,
        |session, pin, last_try| match &management {
            Some(key) => session.forget_recovery_with_key(pin, last_try, key),
            None => session.forget_recovery(pin, last_try),
        },
    );
    let done = "It is forgotten. It still unblocks the token.";
    finish(&session, "forget", steps, result, done, output)
}

fn change(arguments: &PukChangeArgs, source: &Source, output: &Output) -> Result {
    let mut session = manage::open(source, arguments.risks, Action::ChangePuk, output)?;
    pin::ready(&session, Action::ChangePuk)?;
    let plan = plan_change(&session)?;
    if arguments.dry_run {
        return plan::write(&plan, session.token(), output);
    }
    say_tries(&session, output);
    let old = secret::puk(arguments.puk_fd, "Present PUK", "--puk-fd")?;
    let new = new_puk(arguments)?;
    let kept = match session.record().recovery {
        Some(place @ (RecoveryPlace::Token | RecoveryPlace::Host)) => {
            let text = "The PUK is kept behind the PIN: the new one takes the old one's place.";
            output.remark(&Text::from(text));
            let pin = arguments.pin.read(&mut session, output)?;
            Some((place, pin, arguments.management.read_for(&session, place)?))
        }
        _ => None,
    };
    let mut steps = Steps::of(&plan, output);
    if kept.is_none() {
        steps = steps.in_detail();
    }
    let steps = steps.watch(&mut session);
    let unattended = arguments.puk_fd.is_some();
    let mut result = pin::attempt(
        &mut session,
        arguments.pin.last_try,
        unattended,
        |session, last_try| session.change_puk(&old, &new, last_try),
    );
    if let (Ok(()), Some((place, pin, management))) = (&result, &kept) {
        let secret = RecoverySecret::new(RecoveryKind::Puk, new.as_bytes())
            .map_err(|error| authority::unusable(&error.to_string()))?;
        result = pin
            .attempt(&mut session, output, |session, pin, last_try| {
                session.keep_recovery(pin, last_try, management.as_ref(), *place, &secret)
            })
            .map_err(kept_the_old);
    } else if result.is_ok() && session.recovery_places().contains(&RecoveryPlace::Token) {
        let text = "If another computer has kept the PUK on this token, that one is the old one \
                    now: `tokenctl puk forget` erases it.";
        output.remark(&Text::styled(text, DIM));
    }
    let (action, done) = (Action::ChangePuk.id(), "The PUK is changed.");
    finish(&session, action, steps, result, done, output)
}

/// The change, and then the new PUK in the place where the old one is kept.
fn plan_change(session: &Session) -> Result<Plan> {
    let mut plan = plan::made(session.plan_change_puk(), session)?;
    if let Some(place @ (RecoveryPlace::Token | RecoveryPlace::Host)) = session.record().recovery
        && let Ok(keep) = session.plan_keep_recovery(place)
    {
        plan.steps.extend(keep.steps);
    }
    Ok(plan)
}

/// The tries left of the PUK, which no card tells unasked: what it told last.
pub(crate) fn say_tries(session: &Session, output: &Output) {
    let told = match session.record().puk_tries_left {
        Some(0) => "blocked when it was last told".to_owned(),
        Some(1) => "1 try left when it was last told".to_owned(),
        Some(left) => format!("{left} tries left when it was last told"),
        None => "the tries left are told only when it is wrong".to_owned(),
    };
    output.remark(&Text::from(format!("PUK: {told}")));
}

/// That the card has the new PUK, and what is kept is still the old one.
fn kept_the_old(failure: Failure) -> Failure {
    match failure {
        Failure::Failed(mut report) => {
            report.message = format!(
                "the PUK is changed, but the one that is kept is the old one: {}",
                report.message
            );
            report.next = Some(
                "Write the new PUK down, and erase the old one: `tokenctl puk forget`".to_owned(),
            );
            Failure::Failed(report)
        }
        other => other,
    }
}

/// The new PUK, typed twice at the terminal.
fn new_puk(arguments: &PukChangeArgs) -> Result<Puk> {
    let rules = |typed: &[u8]| {
        let fits = PUK_LENGTHS.contains(&typed.len());
        let (least, most) = PUK_LENGTHS.into_inner();
        vec![(format!("{least} to {most} characters"), fits)]
    };
    let new = secret::new_secret(arguments.new_puk_fd, "New PUK", "--new-puk-fd", &rules)?;
    Ok(Puk::new(&new).map_err(|error| authority::unusable(&error.to_string()))?)
}

/// Says how it went, also if it came to no good end.
fn finish(
    session: &Session,
    action: &'static str,
    steps: Steps,
    result: Result,
    done: &str,
    output: &Output,
) -> Result {
    output.detail(format!("{} commands to the card", session.round_trips()));
    let steps = steps.into_outcomes();
    if output.json && (result.is_ok() || !steps.is_empty()) {
        let body = json::PukResult {
            token: source::token_name(session.token()),
            action,
            completed: result.is_ok(),
            steps,
            kept: session.record().recovery.map(RecoveryPlace::id),
        };
        output::document(&json::Document::new(body))?;
    }
    result?;
    output.remark(&Text::styled(done, GOOD));
    Ok(())
}

/// That the person said no.
pub(crate) fn not_confirmed() -> Failure {
    Report::new(Kind::NotSent, "it was not confirmed")
        .next("Nothing was sent to the token")
        .into()
}
