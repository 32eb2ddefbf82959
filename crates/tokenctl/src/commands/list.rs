//! `list`: one line a token.

use std::io::Write as _;
use std::time::SystemTime;

use token_manager::{Freshness, LoadError, LoadOptions, Token};

use crate::describe;
use crate::error::{Failure, Kind, Report, Result};
use crate::json;
use crate::manage;
use crate::memory::{self, FreshnessArgs};
use crate::output::{self, Output};
use crate::source::{self, Source};
use crate::table::Table;
use crate::text::{DIM, NAME, Text, WARNING};

/// Columns for a name, which may come from the card.
const NAME_COLUMNS: usize = 36;

/// Lists all tokens. Those that cannot be read are reported, and the first of
/// them decides the exit code.
pub(crate) fn run(source: &Source, freshness: FreshnessArgs, output: &Output) -> Result {
    let options = LoadOptions::new().with_freshness(freshness.or(Freshness::Quick));
    let loaded = match source.look(&options) {
        Ok(loaded) => loaded,
        Err(failure) => {
            // That there is none is an answer, too.
            let is_none = matches!(&failure, Failure::Failed(report)
                if matches!(report.kind, Kind::NoToken | Kind::NoReader));
            if output.json && is_none {
                write_json(&[], &[])?;
            }
            return Err(failure);
        }
    };
    let mut tokens = Vec::new();
    let mut failed = Vec::new();
    let mut first = None;
    for loaded in loaded {
        match loaded.result {
            Ok(mut token) if source.means(&token) => {
                manage::complete(source, &mut token, output);
                tokens.push(token);
            }
            Ok(_) => {}
            Err(error) => {
                let report = source::load_failed(&error);
                // Somebody's bank card is no token that fails.
                if !matches!(error, LoadError::NotAPivCard { .. }) {
                    first = first.or(Some(report.kind));
                }
                failed.push(report);
            }
        }
    }
    if output.json {
        write_json(&tokens, &failed)?;
    } else {
        write_table(&tokens, output)?;
        for report in &failed {
            report.print(output);
        }
    }
    for token in &tokens {
        output.detail(format!(
            "{}: {} commands to the card",
            token.reader, token.round_trips
        ));
    }
    if tokens.is_empty() {
        first = first.or(failed.first().map(|report| report.kind));
        if first.is_none() {
            return Err(source.no_such_token().into());
        }
    }
    match first {
        Some(kind) => Err(Failure::Reported(kind)),
        None => Ok(()),
    }
}

fn write_json(tokens: &[Token], failed: &[Report]) -> Result {
    let now = SystemTime::now();
    let body = json::List {
        tokens: tokens
            .iter()
            .map(|token| describe::summary(token, now))
            .collect(),
        failed: failed.iter().map(Report::to_json).collect(),
    };
    Ok(output::document(&json::Document::new(body))?)
}

fn write_table(tokens: &[Token], output: &Output) -> Result {
    let now = SystemTime::now();
    let mut table = Table::new(&["ID", "NAME", "PIN", "SERIAL", "READER", "NOTES"]);
    for token in tokens {
        let identity = &token.identity;
        table.row([
            identity
                .id()
                .map_or_else(Text::absent, |id| Text::styled(id, NAME)),
            Text::from(&identity.name).shortened(NAME_COLUMNS),
            describe::pin_short(&token.pin.status),
            identity.serial.as_ref().map_or_else(Text::new, Text::from),
            Text::styled(&token.reader, DIM),
            notes(token, now),
        ]);
    }
    let mut stdout = output.stdout();
    table.write(&mut stdout)?;
    stdout.flush()?;
    Ok(())
}

/// What a person should see to, and how old what is shown is.
fn notes(token: &Token, now: SystemTime) -> Text {
    let warnings = token.content_warnings(now).join(", ");
    let separator = if warnings.is_empty() { "" } else { ", " };
    match memory::age_text(token, now) {
        Some(age) => Text::styled(warnings, WARNING).then(format!("{separator}{age}"), DIM),
        None => Text::styled(warnings, WARNING),
    }
}
