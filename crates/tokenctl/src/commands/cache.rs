//! `cache`: what this computer remembers of tokens.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use token_manager::token_cache::{Cache, Held};
use token_manager::{CacheCleared, Freshness, LoadOptions, utc};

use crate::cli::{CacheClearArgs, CacheCommand};
use crate::describe;
use crate::error::{Kind, Report, Result};
use crate::json;
use crate::output::{self, Output};
use crate::source::{self, Source};
use crate::table::Table;
use crate::text::{DIM, GOOD, NAME, Text};

/// Runs one of the commands under `cache`.
pub(crate) fn run(
    command: &CacheCommand,
    off: bool,
    source: impl Fn() -> Result<Source>,
    output: &Output,
) -> Result {
    let cache = token_desktop::cache(off);
    match command {
        CacheCommand::Show(arguments) => show(&cache, arguments.id.as_deref(), output),
        CacheCommand::Clear(CacheClearArgs { all: true }) => clear_all(&cache, output),
        CacheCommand::Clear(_) => clear(&cache, &source()?, output),
    }
}

/// What is held, without asking any token.
fn show(cache: &Cache, wanted: Option<&str>, output: &Output) -> Result {
    let mut held = cache.held();
    held.retain(|held| wanted.is_none_or(|wanted| is_named(held, wanted)));
    if output.json {
        let tokens = held.iter().map(held_json).collect();
        return Ok(output::document(&json::Document::new(json::CacheShow {
            tokens,
        }))?);
    }
    if held.is_empty() {
        let text = match (cache.is_off(), wanted) {
            (true, _) => "The cache is turned off: no token is remembered.",
            (_, Some(_)) => "No such token is remembered.",
            _ => "No token is remembered.",
        };
        output.remark(&Text::styled(text, DIM));
    }
    let mut out = output.stdout();
    match (wanted, held.as_slice()) {
        (Some(_), [one]) => items(one).write(&mut out)?,
        _ => tokens(&held).write(&mut out)?,
    }
    out.flush()?;
    Ok(())
}

fn tokens(held: &[Held]) -> Table {
    let now = SystemTime::now();
    let columns = [
        "TOKEN", "CHECKED", "ITEMS", "BYTES", "HITS", "MISSES", "KNOWN BY",
    ];
    let mut table = Table::new(&columns);
    for held in held {
        let snapshot = &held.snapshot;
        let identity = snapshot.identity();
        let checked = now
            .duration_since(snapshot.checked_at())
            .unwrap_or_default();
        let known_by = match (identity.guid(), identity.serial()) {
            (Some(guid), _) => format!("GUID {guid}"),
            (None, serial) => format!("serial number {}", serial.unwrap_or_default()),
        };
        table.row([
            Text::styled(describe::cached_id(identity).unwrap_or_default(), NAME),
            Text::from(token_manager::ago(checked)),
            Text::from(snapshot.entries().len().to_string()),
            Text::from(snapshot.size().to_string()),
            Text::from(held.counts.hits.to_string()),
            Text::from(held.counts.misses.to_string()),
            Text::styled(known_by, DIM),
        ]);
    }
    table
}

fn items(held: &Held) -> Table {
    let now = SystemTime::now();
    let mut table = Table::new(&["ITEM", "READ", "BYTES", "STATUS"]);
    for (item, entry) in held.snapshot.entries() {
        let read = now.duration_since(entry.read_at).unwrap_or(Duration::ZERO);
        table.row([
            Text::from(item.name()),
            Text::from(token_manager::ago(read)),
            Text::from(entry.response.data().len().to_string()),
            Text::styled(entry.response.status().to_string(), DIM),
        ]);
    }
    table
}

fn held_json(held: &Held) -> json::CacheToken {
    let snapshot = &held.snapshot;
    let identity = snapshot.identity();
    let items = snapshot
        .entries()
        .iter()
        .map(|(item, entry)| json::CacheItem {
            item: item.name(),
            read_at: utc(entry.read_at),
            size: entry.response.data().len(),
            status_word: json::status_word(entry.response.status().get()),
        });
    json::CacheToken {
        id: describe::cached_id(identity),
        atr: crate::hex::encode(identity.atr().as_bytes()),
        guid: identity.guid().map(ToString::to_string),
        serial: identity.serial().map(str::to_owned),
        checked_at: utc(snapshot.checked_at()),
        size: snapshot.size(),
        hits: held.counts.hits,
        misses: held.counts.misses,
        places: held.places.clone(),
        items: items.collect(),
    }
}

/// Whether this is the beginning of what names the token.
fn is_named(held: &Held, wanted: &str) -> bool {
    let identity = held.snapshot.identity();
    let names = [
        describe::cached_id(identity),
        identity.serial().map(str::to_owned),
        identity.guid().map(ToString::to_string),
    ];
    source::begins_one_of(wanted, names.iter().flatten())
}

/// Forgets all about the token that is meant, and reads it anew.
fn clear(cache: &Cache, source: &Source, output: &Output) -> Result {
    // Before the token is read, which may make it one that is remembered.
    let held = cache.held();
    let quick = LoadOptions::new().with_freshness(Freshness::Quick);
    let found = source.load_one(&quick, output)?;
    let name = found.cache_name();
    let mut names = held.iter().map(|held| held.snapshot.identity().name());
    let was_held = names.any(|held| Some(held) == name.as_ref());
    let cleared = found.forget_in(cache, was_held);
    if cleared == CacheCleared::Failed {
        return Err(not_writable(cache));
    }
    let anew = source.load_again(&found.reader)?;
    output.detail(format!("{} commands to the card", anew.round_trips));
    if output.json {
        let body = json::CacheClear {
            tokens: vec![source::token_name(&anew)],
            cleared: usize::from(was_held),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    output.remark(&Text::styled(cleared.sentence(), GOOD));
    Ok(())
}

fn clear_all(cache: &Cache, output: &Output) -> Result {
    let cleared = cache.held().len();
    if !cache.clear_all() {
        return Err(not_writable(cache));
    }
    if output.json {
        let tokens = Vec::new();
        let body = json::CacheClear { tokens, cleared };
        return Ok(output::document(&json::Document::new(body))?);
    }
    let text = match cleared {
        0 if cache.is_off() => "The cache is turned off: no token is remembered.".to_owned(),
        0 => "No token was remembered.".to_owned(),
        1 => "One token is forgotten.".to_owned(),
        several => format!("{several} tokens are forgotten."),
    };
    output.remark(&Text::styled(text, GOOD));
    Ok(())
}

fn not_writable(cache: &Cache) -> crate::error::Failure {
    let message = format!("what is remembered could not be removed from {cache:?}");
    Report::new(Kind::Other, message)
        .next("Check the folder's rights; --no-cache does without it, and --fresh reads past it")
        .into()
}
