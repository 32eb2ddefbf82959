//! Readers and cards as they come and go: a thread that waits for them.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use eframe::egui;
use pcsc_transport::{Backend, Canceller, Event, LinkError};

/// The events, and what ends them.
pub(crate) struct Watch {
    events: Receiver<Result<Event, LinkError>>,
    canceller: Option<Canceller>,
}

impl Watch {
    /// Begins to wait; the window is drawn anew for each event.
    pub(crate) fn start(backend: &Arc<dyn Backend>, context: &egui::Context) -> Self {
        let (sender, events) = mpsc::channel();
        let watcher = match backend.watch() {
            Ok(watcher) => watcher,
            Err(error) => {
                // The receiver is here.
                let _ = sender.send(Err(error));
                return Self {
                    events,
                    canceller: None,
                };
            }
        };
        let canceller = watcher.canceller();
        let context = context.clone();
        let wait = move || {
            for event in watcher {
                if sender.send(event).is_err() {
                    return;
                }
                context.request_repaint();
            }
        };
        if let Err(error) = thread::Builder::new().name("readers".into()).spawn(wait) {
            tracing::error!(%error, "no thread that waits for readers");
        }
        Self {
            events,
            canceller: Some(canceller),
        }
    }

    /// The next event, if there is one.
    pub(crate) fn next(&self) -> Option<Result<Event, LinkError>> {
        self.events.try_recv().ok()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(canceller) = &self.canceller {
            canceller.cancel();
        }
    }
}
