//! `recycle`: erase a token.

use token_manager::{Action, FidoErasure, Session};

use crate::cli::RecycleArgs;
use crate::commands::puk;
use crate::describe;
use crate::error::Result;
use crate::json;
use crate::manage;
use crate::output::{self, Output};
use crate::plan::{self, Steps};
use crate::secret;
use crate::source::{self, Source};
use crate::text::{GOOD, NAME, Text};

/// Says what is erased, has it confirmed, and erases it.
pub(crate) fn run(arguments: &RecycleArgs, source: &Source, output: &Output) -> Result {
    let mut session = manage::open(source, arguments.risks, Action::Recycle, output)?;
    let name = source::token_name(session.token());
    let before = name.id.clone();
    plan::say_where_it_stands(&session, output);
    let plan = session
        .plan_recycle()
        .map_err(|error| manage::action_failed(&error, &name.reader))?;
    if arguments.dry_run {
        return plan::write(&plan, session.token(), output);
    }
    arguments.authority.ready(&session)?;
    say_which(&session, output);
    plan::remark(&plan, output);
    let confirmation = confirmation(arguments.confirm.as_ref(), &session)?;
    let given = arguments.authority.read(&mut session, output)?;
    let steps = Steps::of(&plan, output);
    let result = given.attempt(&mut session, output, |session, authority, last_try| {
        session.recycle(authority, &confirmation, last_try, &mut |report| {
            steps.note(report);
        })
    });
    output.detail(format!("{} commands to the card", session.round_trips()));
    let steps = steps.into_outcomes();
    if output.json && (result.is_ok() || !steps.is_empty()) {
        let done = result.as_ref().ok();
        let body = json::Recycle {
            token: name,
            completed: done.is_some(),
            finished_earlier_run: done.is_some_and(|done| done.finished_earlier_run),
            steps,
            pin: describe::pin(&session.token().pin.status),
            fido: describe::fido(session.token()),
            fido_erasure: done.map(|done| done.fido_erasure.id()),
        };
        output::document(&json::Document::new(body))?;
    }
    let done = result?;
    let next = "`tokenctl personalize --delivery-pin` sets it up.";
    let text = format!("{} {next}", done.sentences());
    output.remark(&Text::styled(text, GOOD));
    say_what_fido_tells(done.fido_erasure, &session, output);
    say_new_id(before.as_deref(), &session, output);
    Ok(())
}

/// Which token it is that will be erased.
pub(crate) fn say_which(session: &Session, output: &Output) {
    let token = session.token();
    let id = session.confirmation();
    let which = Text::from(format!("{} in {}: ", token.identity.name, token.reader)).then(id, NAME);
    output.remark(&which);
}

/// An id may come from what was erased: says the one that the token has now.
pub(crate) fn say_new_id(before: Option<&str>, session: &Session, output: &Output) {
    if let Some(now) = session.token().identity.id()
        && before.is_some_and(|before| before != now)
    {
        output.remark(&Text::from("Its id is now ").then(now, NAME).plain("."));
    }
}

/// The token's id, as it was given or typed in full.
pub(crate) fn confirmation(given: Option<&String>, session: &Session) -> Result<String> {
    if let Some(given) = given {
        return Ok(given.clone());
    }
    let id = session.confirmation();
    let question = format!("Type {id} to erase this token");
    if secret::confirm_typing(&question, &id, "--confirm ID")? {
        return Ok(id);
    }
    Err(puk::not_confirmed())
}

/// Whether the FIDO application was erased with the rest, as far as it tells; and what was
/// not read back.
pub(crate) fn say_what_fido_tells(erasure: FidoErasure, session: &Session, output: &Output) {
    let Some(told) = erasure.sentences(session.token()) else {
        return;
    };
    match erasure {
        FidoErasure::PinKept => output.warning(told),
        _ => output.remark(&Text::from(told)),
    }
}
