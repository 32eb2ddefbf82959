//! The PC/SC service, the readers, and the cards in them.

mod findings;
mod system;

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crescendo_ext::identity::Identity;
use pcsc_transport::pcsc::{PcscBackend, holders};
use pcsc_transport::{
    Backend, Card, CardPresence, LinkError, ReaderState, Sharing, TransportError,
};

use self::findings::Probe;
use super::finding::Finding;

/// How long to wait for a card that another program may be keeping busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at everything about PC/SC.
pub(super) fn look() -> Vec<Finding> {
    let facts = system::look(Path::new("/"));
    let backend: Arc<dyn Backend> = Arc::new(PcscBackend::new());
    let readers = backend.readers();
    let mut found = findings::service(&facts, readers.as_ref().map(drop));
    // Without an answer, readers and cards would be guesswork.
    if let Ok(readers) = readers {
        found.extend(findings::readers(&facts, &readers));
        if !readers.is_empty() {
            let probes: Vec<_> = readers
                .iter()
                .filter(|reader| reader.card.is_present())
                .map(|reader| (reader.name.clone(), probe(&backend, reader)))
                .collect();
            found.extend(findings::tokens(&probes, &holders()));
        }
    }
    found
}

/// Talks to a card, but not for ever: whoever keeps it to themselves is a
/// finding, too.
fn probe(backend: &Arc<dyn Backend>, reader: &ReaderState) -> Probe {
    match &reader.card {
        CardPresence::InUseExclusively { holders, .. } => return Probe::Held(holders.clone()),
        CardPresence::Mute => return Probe::Mute,
        _ => {}
    }
    let (sender, receiver) = mpsc::channel();
    let backend = Arc::clone(backend);
    let name = reader.name.clone();
    // Left behind if it waits for ever; the process ends soon.
    thread::spawn(move || {
        let _ = sender.send(select(&*backend, &name));
    });
    receiver.recv_timeout(PATIENCE).unwrap_or(Probe::Busy)
}

/// Selects the PIV application, which changes nothing on the card.
fn select(backend: &dyn Backend, reader: &str) -> Probe {
    let mut card = match backend.connect(reader, Sharing::Shared) {
        Ok(link) => Card::new(link),
        Err(error) => return failed(&error),
    };
    let name = Identity::from_atr(&card.info().atr).map(|identity| identity.name().to_owned());
    let selected = card
        .begin()
        .and_then(|mut transaction| transaction.select(piv_apdu::aid::PIV));
    match selected {
        Ok(answer) if answer.status().is_success() => Probe::PivToken(name),
        Ok(_) => Probe::OtherCard(name),
        Err(TransportError::Link(error)) => failed(&error),
        Err(error) => Probe::Failed(error.to_string()),
    }
}

fn failed(error: &LinkError) -> Probe {
    match error {
        LinkError::SharingViolation { holders, .. } => Probe::Held(holders.clone()),
        LinkError::Unresponsive => Probe::Mute,
        other => Probe::Failed(other.to_string()),
    }
}
