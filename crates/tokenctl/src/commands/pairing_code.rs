//! `pairing-code`: show it, keep it for the login session, forget it.

use std::io::Write as _;
use std::sync::Arc;

use piv_apdu::object::Guid;
use token_manager::{
    Action, ActionError, PairingCodeStore, Reason, SecretStoreError, TokenIdentity,
};

use crate::cli::{
    PairingCodeCacheArgs, PairingCodeCommand, PairingCodeForgetArgs, PairingCodeShowArgs,
};
use crate::commands::pin;
use crate::error::{Kind, Report, Result};
use crate::json;
use crate::manage::{self, RiskArgs};
use crate::output::{self, Output};
use crate::source::{self, Source};
use crate::table::Table;
use crate::text::{DIM, GOOD, NAME, Text};

/// What the secret is called.
const CODE: &str = "pairing code";

/// Does what was asked. `token` is what `--token` names; `source` is opened only
/// where a card is needed.
pub(crate) fn run(
    command: &PairingCodeCommand,
    token: Option<&str>,
    source: impl Fn() -> Result<Source>,
    output: &Output,
) -> Result {
    match command {
        PairingCodeCommand::Show(arguments) => show(arguments, &source()?, output),
        PairingCodeCommand::Cache(arguments) => cache(arguments, source, output),
        PairingCodeCommand::List => list(output),
        PairingCodeCommand::Forget(arguments) => {
            let wanted = arguments.id.as_deref().or(token);
            forget(arguments, wanted, output)
        }
    }
}

fn show(arguments: &PairingCodeShowArgs, source: &Source, output: &Output) -> Result {
    arguments.reveal.check(output)?;
    let action = Action::RetrievePairingCode;
    let mut session = manage::open(source, RiskArgs::default(), action, output)?;
    pin::ready(&session, action)?;
    let pin = arguments.pin.read(&mut session, output)?;
    let code = pin.attempt(&mut session, output, |session, pin, last_try| {
        session.retrieve_pairing_code(pin, last_try)
    })?;
    output.detail(format!("{} commands to the card", session.round_trips()));
    // They are digits.
    let value = std::str::from_utf8(code.as_bytes()).unwrap_or_default();
    if output.json {
        let body = json::PairingCodeShow {
            token: source::token_name(session.token()),
            value,
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    let question = "This token has a pairing code. Show it?";
    arguments.reveal.give(CODE, value, question, output)
}

fn cache(
    arguments: &PairingCodeCacheArgs,
    source: impl Fn() -> Result<Source>,
    output: &Output,
) -> Result {
    let store = token_desktop::login_session().map_err(|why| nowhere(&why.to_string()))?;
    let source = source()?;
    let manager = manage::manager(&source, RiskArgs::default())?;
    let manager = manager.with_pairing_codes(Arc::clone(&store));
    let action = Action::RetrievePairingCode;
    let mut session = manage::open_by(&manager, &source, action, output)?;
    pin::ready(&session, action)?;
    let Some(card) = session.token().identity.guid else {
        let error = ActionError::Unavailable {
            action,
            reason: Reason::NoGuid,
        };
        return Err(manage::action_failed(&error, &session.token().reader).into());
    };
    let pin = arguments.pin.read(&mut session, output)?;
    pin.attempt(&mut session, output, |session, pin, last_try| {
        session.cache_pairing_code(pin, last_try)
    })?;
    output.detail(format!("{} commands to the card", session.round_trips()));
    if output.json {
        return write("cache", &[card], Some(&*store));
    }
    let (place, until) = (store.name(), store.kept_until().sentence());
    let done = format!("The pairing code is kept in {place}, {until}.");
    output.remark(&Text::styled(done, GOOD));
    Ok(())
}

fn list(output: &Output) -> Result {
    let (store, why) = match token_desktop::login_session() {
        Ok(store) => (Some(store), None),
        Err(why) => (None, Some(why.to_string())),
    };
    let cards = match &store {
        Some(store) => store.list().map_err(|error| failed(&error))?,
        None => Vec::new(),
    };
    if output.json {
        let body = json::PairingCodeList {
            cards: cards.iter().map(name_of).collect(),
            place: store.as_ref().map(|store| store.name()),
            until: store.as_ref().map(|store| store.kept_until().id()),
            reason: why,
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    let mut table = Table::new(&["ID", "GUID"]);
    for card in &cards {
        let id = TokenIdentity::id_of(card);
        table.row([Text::styled(id, NAME), Text::from(card.to_string())]);
    }
    if !table.is_empty() {
        let mut out = output.stdout();
        table.write(&mut out)?;
        out.flush()?;
    }
    let remark = match (store, why) {
        (Some(store), _) if !cards.is_empty() => {
            format!(
                "Kept in {}, {}.",
                store.name(),
                store.kept_until().sentence()
            )
        }
        (_, Some(why)) => format!("No pairing code is kept: {}.", why.trim_end_matches('.')),
        _ => "No pairing code is kept.".to_owned(),
    };
    output.remark(&Text::styled(remark, DIM));
    Ok(())
}

fn forget(arguments: &PairingCodeForgetArgs, wanted: Option<&str>, output: &Output) -> Result {
    let store = token_desktop::login_session().ok();
    let forgotten = match &store {
        Some(store) if arguments.all => store.forget_all().map_err(|error| failed(&error))?,
        Some(store) => {
            let kept = store.list().map_err(|error| failed(&error))?;
            let card = meant(&kept, wanted)?;
            store.forget(&card).map_err(|error| failed(&error))?;
            vec![card]
        }
        None if arguments.all => Vec::new(),
        None => vec![meant(&[], wanted)?],
    };
    if output.json {
        return write("forget", &forgotten, store.as_deref());
    }
    let done = match forgotten.as_slice() {
        [] => "There was no pairing code to forget.".to_owned(),
        [card] => format!(
            "The pairing code of {} is forgotten.",
            TokenIdentity::id_of(card)
        ),
        several => format!("{} pairing codes are forgotten.", several.len()),
    };
    output.remark(&Text::styled(done, GOOD));
    Ok(())
}

/// The card whose code is meant: the one that `wanted` names, or the only one.
fn meant(kept: &[Guid], wanted: Option<&str>) -> Result<Guid> {
    let matching: Vec<Guid> = kept
        .iter()
        .filter(|card| {
            let names = [TokenIdentity::id_of(card), card.to_string()];
            wanted.is_none_or(|wanted| source::begins_one_of(wanted, &names))
        })
        .copied()
        .collect();
    match (matching.as_slice(), wanted) {
        ([card], _) => Ok(*card),
        ([], None) => Err(Report::new(Kind::NoToken, "no pairing code is kept").into()),
        ([], Some(wanted)) => {
            let message = format!("no pairing code is kept for a token \"{wanted}\"");
            Err(Report::new(Kind::NoToken, message)
                .next("`tokenctl pairing-code list` shows for which one is")
                .into())
        }
        (several, _) => {
            let ids: Vec<_> = several.iter().map(TokenIdentity::id_of).collect();
            let message = "pairing codes of several tokens are kept, and no single one was named";
            Err(Report::new(Kind::SeveralTokens, message)
                .next(format!("Name one ({}), or give --all", ids.join(", ")))
                .into())
        }
    }
}

/// What was done, as a document.
fn write(action: &'static str, cards: &[Guid], store: Option<&dyn PairingCodeStore>) -> Result {
    let body = json::PairingCodeResult {
        action,
        cards: cards.iter().map(name_of).collect(),
        place: store.map(PairingCodeStore::name),
        until: store.map(|store| store.kept_until().id()),
    };
    Ok(output::document(&json::Document::new(body))?)
}

fn name_of(card: &Guid) -> json::CardName {
    json::CardName {
        id: TokenIdentity::id_of(card),
        guid: card.to_string(),
    }
}

/// That there is no place for a code.
fn nowhere(why: &str) -> Report {
    let (why, way) = token_manager::sentences(why);
    let message = format!("there is no place that keeps a pairing code until you log out: {why}");
    let next = "`tokenctl pairing-code show` shows it; nothing was sent to the token";
    Report::new(Kind::Unavailable, message).next(match way {
        Some(way) => format!("{way}. {next}"),
        None => next.to_owned(),
    })
}

/// What a failure of the store means here.
fn failed(error: &SecretStoreError) -> Report {
    Report::new(Kind::Other, error.to_string())
}
