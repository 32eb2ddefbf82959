//! `admin-key`: the keys that administer a token.

use crescendo_ext::xauth::XauthKey;
use token_manager::token_profile::RecoveryKind;
use token_manager::{Action, ActionError, KeyCheck, NotSent, RecoveryPlace, SetKey};

use crate::authority;
use crate::cli::{AdminKeyCheckArgs, AdminKeyCommand, AdminKeySetArgs};
use crate::commands::{pin, puk};
use crate::error::{Failure, Kind, Report, Result};
use crate::handover::{HandOverArgs, Hands};
use crate::json;
use crate::manage;
use crate::output::{self, Output};
use crate::plan::{self, Steps};
use crate::secret;
use crate::source::{self, Source};
use crate::text::{GOOD, Text};

/// Does what was asked.
pub(crate) fn run(command: &AdminKeyCommand, source: &Source, output: &Output) -> Result {
    match command {
        AdminKeyCommand::Check(arguments) => check(arguments, source, output),
        AdminKeyCommand::Set(arguments) => set(arguments, source, output),
    }
}

fn set(arguments: &AdminKeySetArgs, source: &Source, output: &Output) -> Result {
    let mut hands = Hands::new(&arguments.hand_over)?;
    if arguments.generate && !arguments.dry_run {
        hands = hands.expecting()?;
    }
    let mut session = manage::open(source, arguments.risks, Action::ChangeAdminKey, output)?;
    let plan = plan::made(session.plan_admin_key(), &session)?;
    if arguments.dry_run {
        return plan::write(&plan, session.token(), output);
    }
    arguments.authority.ready(&session)?;
    hands.name(session.token());
    // A static challenge has another unlock code under each key.
    if session.token().has_static_challenge() {
        hands = hands.expecting()?;
    }
    if arguments.delivery && !arguments.yes {
        let question = "Whoever has the token can then unblock and erase it, since everybody \
                        knows the delivery value. Put it back?";
        if !secret::confirm(question, "--yes")? {
            return Err(puk::not_confirmed());
        }
    }
    let given = arguments.authority.read(&mut session, output)?;
    let new = match &arguments.key_file {
        Some(path) => Some(arguments.authority.passphrase.open(path)?),
        None if arguments.generate || arguments.delivery => None,
        None => {
            let from = arguments.key_fd;
            Some(authority::admin_key(from, "New admin key", "--key-fd")?)
        }
    };
    let steps = Steps::of(&plan, output).watch(&mut session);
    let result = given.attempt(&mut session, output, |session, authority, last_try| {
        let set = match &new {
            Some(key) => SetKey::Given(copy(key)?),
            None if arguments.delivery => SetKey::Delivery,
            None => SetKey::Generated,
        };
        session.set_admin_key(
            authority,
            set,
            // A key that was given, or that everybody knows, is in hand.
            &mut |secret| {
                let in_hand = !arguments.generate && secret.kind() == RecoveryKind::XauthKey;
                in_hand || hands.take(secret)
            },
            last_try,
        )
    });
    let result = hands.explain(result);
    output.detail(format!("{} commands to the card", session.round_trips()));
    let steps = steps.into_outcomes();
    if output.json && (result.is_ok() || !steps.is_empty()) {
        let done = result.as_ref().ok();
        let body = json::AdminKeySet {
            token: source::token_name(session.token()),
            completed: done.is_some(),
            steps,
            algorithm: done.map(|done| done.algorithm.name()),
            kept: done.and_then(|done| done.recovery.map(RecoveryPlace::id)),
            saved: saved(&arguments.hand_over),
        };
        output::document(&json::Document::new(body))?;
    }
    let done = result?;
    output.remark(&Text::styled(
        "The token has the new admin key, and takes it.",
        GOOD,
    ));
    if done.recovery == Some(RecoveryPlace::Nowhere) {
        output.warning("the old key that was kept is of no use any more, and not shown again");
    }
    Ok(())
}

/// The file that new secrets were saved in.
pub(crate) fn saved(arguments: &HandOverArgs) -> Option<String> {
    let file = arguments.save.as_deref().filter(|file| file.exists());
    file.map(|file| file.display().to_string())
}

/// Only one goes with each attempt: an action takes it for good.
fn copy(key: &XauthKey) -> std::result::Result<XauthKey, ActionError> {
    XauthKey::from_slice(key.as_bytes())
        .map_err(|error| NotSent::KeyDoesNotFit(error.to_string()).into())
}

fn check(arguments: &AdminKeyCheckArgs, source: &Source, output: &Output) -> Result {
    let management = arguments.management_key || arguments.management.management_key_fd.is_some();
    let action = if management {
        Action::AuthenticateManagementKey
    } else {
        Action::UnblockWithChallengeResponse
    };
    let mut session = manage::open(source, arguments.risks, action, output)?;
    pin::ready(&session, action)?;
    let (key, name, algorithm, result) = if management {
        let key = arguments.management.read()?;
        let result = session.check_management_key(&key);
        (
            "management-key",
            "management key",
            key.algorithm().name(),
            result,
        )
    } else {
        let key = match &arguments.key_file {
            Some(path) => arguments.passphrase.open(path)?,
            None => authority::admin_key(arguments.key_fd, "Admin key", "--key-fd")?,
        };
        let result = session.check_admin_key(&key);
        ("admin-key", "admin key", key.algorithm().name(), result)
    };
    let reader = &session.token().reader;
    let result = result.map_err(|error| manage::action_failed(&error, reader))?;
    output.detail(format!("{} commands to the card", session.round_trips()));
    let right = result == KeyCheck::Right;
    if output.json {
        let body = json::KeyCheck {
            token: source::token_name(session.token()),
            key,
            algorithm,
            right,
        };
        output::document(&json::Document::new(body))?;
        if right {
            return Ok(());
        }
        return Err(Failure::Reported(Kind::Wrong));
    }
    if right {
        output.remark(&Text::styled(format!("It is the token's {name}."), GOOD));
        return Ok(());
    }
    Err(Report::new(Kind::Wrong, format!("it is not the token's {name}"))
        .next("No count of tries is known for it; check another one, or ask whoever issued the token")
        .in_reader(reader)
        .into())
}
