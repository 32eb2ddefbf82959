//! `admin-key`: the keys that administer a token.

use token_manager::{Action, KeyCheck};

use crate::authority;
use crate::cli::{AdminKeyCheckArgs, AdminKeyCommand};
use crate::commands::pin;
use crate::error::{Failure, Kind, Report, Result};
use crate::json;
use crate::manage;
use crate::output::{self, Output};
use crate::source::{self, Source};
use crate::text::{GOOD, Text};

/// Does what was asked.
pub(crate) fn run(command: &AdminKeyCommand, source: &Source, output: &Output) -> Result {
    match command {
        AdminKeyCommand::Check(arguments) => check(arguments, source, output),
    }
}

fn check(arguments: &AdminKeyCheckArgs, source: &Source, output: &Output) -> Result {
    let mut session = manage::open(source, arguments.risks, output)?;
    let management = arguments.management_key || arguments.management.management_key_fd.is_some();
    let (key, name, algorithm, result) = if management {
        pin::ready(&session, Action::AuthenticateManagementKey)?;
        let key = arguments.management.read()?;
        let result = session.check_management_key(&key);
        (
            "management-key",
            "management key",
            key.algorithm().name(),
            result,
        )
    } else {
        pin::ready(&session, Action::UnblockWithChallengeResponse)?;
        let key = authority::admin_key(arguments.key_fd, "Admin key", "--key-fd")?;
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
