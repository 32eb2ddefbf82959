//! `watch`: readers and tokens as they come and go.

use std::io::{self, Write as _};
use std::time::SystemTime;

use crescendo_ext::identity::Identity;
use pcsc_transport::{Event, EventKind};
use piv_apdu::atr::Atr;
use token_manager::{LoadOptions, Manager, utc};

use crate::error::Result;
use crate::json;
use crate::manage::{self, RiskArgs};
use crate::output::{self, Output};
use crate::signal;
use crate::source::{self, Source};
use crate::text::{BAD, DIM, GOOD, NAME, Text, WARNING};

/// Writes each event as it happens, until Ctrl-C or until nobody reads.
pub(crate) fn run(source: &Source, output: &Output) -> Result {
    source.refuse_token("watch")?;
    let watcher = source
        .backend()
        .watch()
        .map_err(|error| source::link_failed(&error, None))?;
    let canceller = watcher.canceller();
    signal::on_interrupt(move || canceller.cancel())?;
    // Nobody has chosen the tokens that come: no secure session is opened with them, and
    // they are not told the pairing codes that are kept.
    let options = LoadOptions::new().with_cache(source.cache().clone());
    let manager = manage::manager(source, RiskArgs::default())?.with_options(options);
    for event in watcher {
        let event = event.map_err(|error| source::link_failed(&error, None))?;
        if !source.matches(&event.reader) {
            continue;
        }
        let now = SystemTime::now();
        if output.json {
            output::line(&json::Document::new(event_json(&event, now)))?;
        } else {
            let mut out = output.stdout();
            writeln!(out, "{}", event_text(&event, now))?;
            out.flush()?;
        }
        if let EventKind::CardInserted { atr: Some(atr) } = event.kind {
            look_into(manager.clone(), event.reader, atr, output.clone());
        }
    }
    Ok(())
}

/// Reads a token that was inserted, and says what a person should see to. On a
/// thread of its own, since a card takes its time and events do not wait. What
/// can't be read is no event: `list` and `show` tell what is wrong with it.
fn look_into(manager: Manager, reader: String, atr: Atr, output: Output) {
    let look = move || {
        let Ok(session) = manager.open(&reader) else {
            return;
        };
        let token = session.token();
        let name = &token.identity.name;
        let unfinished = token.unfinished.as_ref().map(|journal| Wanted {
            event: "action-unfinished",
            label: "not finished    ",
            text: format!("{name}: {}", journal.sentence()),
        });
        let change = token.wants_pin_change().then(|| Wanted {
            event: "pin-change-wanted",
            label: "change the PIN  ",
            text: format!("{name} wants it: `tokenctl pin change`"),
        });
        for wanted in unfinished.into_iter().chain(change) {
            // Nobody reads any more: the next event ends the program.
            let _ = wanted.write(&reader, &atr, name, &output);
        }
    };
    // Without a thread there is no warning; the events go on.
    let _ = std::thread::Builder::new().spawn(look);
}

/// What a person should see to.
struct Wanted {
    event: &'static str,
    label: &'static str,
    text: String,
}

impl Wanted {
    fn write(&self, reader: &str, atr: &Atr, name: &str, output: &Output) -> io::Result<()> {
        let now = SystemTime::now();
        if output.json {
            return output::line(&json::Document::new(json::Watch {
                time: utc(now),
                event: self.event,
                reader: Some(reader.to_owned()),
                atr: Some(crate::hex::encode(atr.as_bytes())),
                name: Some(name.to_owned()),
            }));
        }
        let line = Text::styled(utc(now), DIM)
            .plain("  ")
            .then(self.label, WARNING)
            .then(reader, NAME)
            .plain(format!("  {}", self.text));
        let mut out = output.stdout();
        writeln!(out, "{line}")?;
        out.flush()
    }
}

fn event_json(event: &Event, now: SystemTime) -> json::Watch {
    let (name, atr) = match &event.kind {
        EventKind::ReaderAdded => ("reader-added", None),
        EventKind::ReaderRemoved => ("reader-removed", None),
        EventKind::CardInserted { atr } => ("card-inserted", atr.as_ref()),
        EventKind::CardRemoved => ("card-removed", None),
        EventKind::ServiceLost => ("service-lost", None),
        EventKind::ServiceBack => ("service-back", None),
        _ => ("other", None),
    };
    json::Watch {
        time: utc(now),
        event: name,
        reader: Some(event.reader.clone()).filter(|reader| !reader.is_empty()),
        atr: atr.map(|atr| crate::hex::encode(atr.as_bytes())),
        name: atr.and_then(model),
    }
}

fn event_text(event: &Event, now: SystemTime) -> Text {
    let reader = &event.reader;
    let line = match &event.kind {
        EventKind::ReaderAdded => Text::from("reader added    ").then(reader, NAME),
        EventKind::ReaderRemoved => Text::styled("reader removed  ", WARNING).then(reader, NAME),
        EventKind::CardInserted { atr: Some(atr) } => {
            let what = match model(atr) {
                Some(name) => Text::new().plain(format!("  {name}")),
                None => Text::styled(format!("  ATR {}", crate::hex::spaced(atr.as_bytes())), DIM),
            };
            Text::styled("token inserted  ", GOOD)
                .then(reader, NAME)
                .and(what)
        }
        EventKind::CardInserted { atr: None } => Text::styled("card inserted   ", WARNING)
            .then(reader, NAME)
            .then("  it does not answer", WARNING),
        EventKind::CardRemoved => Text::styled("token removed   ", WARNING).then(reader, NAME),
        EventKind::ServiceLost => {
            Text::styled("PC/SC is gone   ", BAD).then("waiting for it to come back", DIM)
        }
        EventKind::ServiceBack => Text::styled("PC/SC is back", GOOD),
        other => Text::from(format!("{other:?} {reader}")),
    };
    Text::styled(utc(now), DIM).plain("  ").and(line)
}

/// The model, as far as the ATR alone tells.
fn model(atr: &Atr) -> Option<String> {
    Identity::from_atr(atr).map(|identity| identity.name().to_owned())
}
