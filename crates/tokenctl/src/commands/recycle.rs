//! `recycle`: erase a token.

use token_manager::{Action, FidoApplication, FidoErasure, Session};

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
    let text = "The token is erased, and has the PIN that it is delivered with. \
                `tokenctl personalize --delivery-pin` sets it up.";
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
    let application = session.token().fido.application();
    let family = session.token().identity.family.name();
    let room = application.and_then(FidoApplication::room);
    // It has grown, or it is said that it has not.
    let no_more = match (erasure, room) {
        (FidoErasure::PinGone, Some(_)) => ", which is not more than before",
        _ => "",
    };
    let room = match room {
        Some(room) => format!("has room for {room} more credentials"),
        None => "does not tell for how many credentials it has room".to_owned(),
    };
    let text = match erasure {
        FidoErasure::PinKept => {
            return output.warning(
                "its FIDO application still has a PIN, and maybe credentials: the token has kept \
                 them. A FIDO reset by other software erases them",
            );
        }
        FidoErasure::RoomGrown => format!(
            "Its FIDO application has no PIN, and {room}, which is more than before: it has \
             forgotten some."
        ),
        FidoErasure::PinGone => format!(
            "Its FIDO application has no PIN any more, and {room}{no_more}. That credentials, if it \
             had any, went with the PIN is FIDO's rule; it was not read back."
        ),
        FidoErasure::NotTold => format!(
            "Its FIDO application has no PIN, and {room}. Nothing that it tells shows whether \
             credentials that were made without a PIN are gone: if there may have been any, a FIDO \
             reset by other software makes sure."
        ),
        FidoErasure::NotLookedFor => format!(
            "Whether a {family} has a FIDO application no document says, and none was looked for: if \
             it has one, nothing tells what became of its credentials. A browser, or other FIDO \
             software, shows whether it has."
        ),
        _ => return,
    };
    output.remark(&Text::from(text));
}
