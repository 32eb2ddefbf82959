//! Prints readers and cards as they come and go. The watcher waits for events
//! and polls nothing.
//!
//! With software tokens, a thread moves a card about and then stops the watcher;
//! with `--pcsc` it runs until it is interrupted.
//!
//! ```sh
//! cargo run -p toolkit-examples --example watch_events
//! cargo run -p toolkit-examples --example watch_events -- --pcsc
//! ```

use std::thread;
use std::time::Duration;

use pcsc_transport::{Backend, Canceller, EventKind};
use virtual_token::{CreateOptions, MemoryBackend, Profile, SharedToken, VirtualToken};

fn main() -> anyhow::Result<()> {
    if std::env::args().len() > 1 {
        return print_events(&*toolkit_examples::backend_from_arguments()?, |_| {});
    }
    let readers = MemoryBackend::new();
    let token = SharedToken::new(VirtualToken::create(
        Profile::Piv,
        &CreateOptions::default(),
    )?);
    print_events(&readers.clone(), |canceller| {
        thread::spawn(move || move_about(&readers, &token, &canceller));
    })
}

/// Prints events until the watcher is cancelled. `started` gets what cancels it.
fn print_events(backend: &dyn Backend, started: impl FnOnce(Canceller)) -> anyhow::Result<()> {
    let watcher = backend.watch()?;
    started(watcher.canceller());
    for event in watcher {
        let event = event?;
        let what = match event.kind {
            EventKind::ReaderAdded => "reader added".to_owned(),
            EventKind::ReaderRemoved => "reader removed".to_owned(),
            EventKind::CardInserted { atr: Some(atr) } => format!("card inserted, ATR {atr}"),
            EventKind::CardInserted { atr: None } => "card inserted, mute".to_owned(),
            EventKind::CardRemoved => "card removed".to_owned(),
            EventKind::ServiceLost => "the PC/SC service is gone; waiting for it".to_owned(),
            EventKind::ServiceBack => "the PC/SC service is back".to_owned(),
            other => format!("{other:?}"),
        };
        println!("{}: {what}", event.reader.escape_debug());
    }
    Ok(())
}

/// Inserts the card and pulls it out, three times, then stops the watcher.
fn move_about(readers: &MemoryBackend, token: &SharedToken, canceller: &Canceller) {
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(50));
        if let Err(error) = readers.insert("Desk", token) {
            eprintln!("{error}");
        }
        thread::sleep(Duration::from_millis(50));
        readers.eject("Desk");
    }
    readers.remove_reader("Desk");
    canceller.cancel();
}
