//! Hot-plug through `SCardGetStatusChange`.
//!
//! A thread with a context of its own blocks in `SCardGetStatusChange` on all
//! readers and on the plug-and-play pseudo-reader, which stands for the list of readers.
//! What it sees goes through a [`Tracker`] and into a channel.
//!
//! Nothing is lost between two calls: card events are counted by the service,
//! and the state of the list is taken *before* the list is read, so that a
//! change in between ends the next wait at once. pcsc-lite before 2.3 does not
//! count changes of the list; there, after each change seen, the list is looked
//! at once more within a second, to catch a second reader of the same plug.
//! A service without the pseudo-reader gets a look each second instead.
//!
//! Cancelling: `SCardCancel` ends a wait only if one is under way. A flag is set
//! first, and a helper thread repeats `SCardCancel` until the watching thread has
//! acknowledged, so that it does not matter when the wait begins.

use std::ffi::CString;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use pcsc::{Context, PNP_NOTIFICATION, State};

use super::convert::{guarded, reader_state};
use super::service;
use super::socket::{Wait, wait_for_service};
use crate::backend::ReaderState;
use crate::error::LinkError;
use crate::watch::{self, Canceller, Event, EventKind, EventSender, EventSource, Tracker, Watcher};

/// As many readers as pcsc-lite takes in one call, the pseudo-reader included.
const MAX_READERS: usize = 16;

/// How long to wait where waiting alone might miss a change of the list.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long to wait for a count that is about to change.
const SETTLE: Duration = Duration::from_millis(10);

pub(super) fn watch() -> Result<Watcher, LinkError> {
    let (events, source) = watch::channel();
    let (wake, woken) = channel();
    let control = Arc::new(Control {
        state: Mutex::new(ControlState::default()),
        ended: Condvar::new(),
        wake: wake.clone(),
    });
    let thread = WatchThread {
        control: Arc::clone(&control),
        events,
        wake,
        woken,
        tracker: Tracker::new(),
        pnp: true,
        answered: false,
    };
    thread::Builder::new()
        .name("pcsc-watch".into())
        .spawn(move || thread.run())?;
    Ok(Watcher::new(Box::new(PcscEvents { source, control })))
}

struct PcscEvents {
    source: watch::ChannelSource,
    control: Arc<Control>,
}

impl EventSource for PcscEvents {
    fn next_event(&mut self) -> Option<Result<Event, LinkError>> {
        self.source.next_event()
    }

    fn canceller(&self) -> Canceller {
        let channel = self.source.canceller();
        let control = Arc::clone(&self.control);
        Canceller::new(move || {
            control.cancel();
            channel.cancel();
        })
    }
}

/// What the cancellers and the watching thread share.
struct Control {
    state: Mutex<ControlState>,
    ended: Condvar,
    wake: Sender<Wake>,
}

#[derive(Default)]
struct ControlState {
    cancelled: bool,
    ended: bool,
    context: Option<Context>,
}

/// Wakes the thread while it waits for the service.
pub(super) enum Wake {
    Cancelled,
    SocketChanged,
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, ControlState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel(self: &Arc<Self>) {
        if std::mem::replace(&mut self.lock().cancelled, true) {
            return;
        }
        let _ = self.wake.send(Wake::Cancelled);
        let control = Arc::clone(self);
        let helper = thread::Builder::new()
            .name("pcsc-watch-cancel".into())
            .spawn(move || control.cancel_until_ended());
        if helper.is_err() {
            // Once at least, from here.
            if let Some(context) = self.lock().context.clone() {
                let _ = guarded(|| context.cancel());
            }
        }
    }

    fn cancel_until_ended(&self) {
        let mut pause = Duration::from_millis(1);
        let mut state = self.lock();
        while !state.ended {
            let context = state.context.clone();
            drop(state);
            if let Some(context) = context {
                let _ = guarded(|| context.cancel());
            }
            state = self
                .ended
                .wait_timeout(self.lock(), pause)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}

/// Why watching over one context ended.
enum Ended {
    Cancelled,
    Lost,
}

struct WatchThread {
    control: Arc<Control>,
    events: EventSender,
    wake: Sender<Wake>,
    woken: Receiver<Wake>,
    tracker: Tracker,
    /// Whether the service knows the pseudo-reader.
    pnp: bool,
    /// Whether the service has answered in the present context.
    answered: bool,
}

impl WatchThread {
    fn run(mut self) {
        let mut connected = service::establish()
            .map_err(|error| {
                if !error.is_service_gone() {
                    self.events.send(Err(error));
                }
            })
            .ok();
        loop {
            let context = match connected.take() {
                Some(context) => context,
                None => match self.wait_for_service() {
                    Some(context) => context,
                    None => break,
                },
            };
            if !self.set_context(Some(context.clone())) {
                break;
            }
            let ended = self.watch(&context);
            self.set_context(None);
            if matches!(ended, Ended::Cancelled) {
                break;
            }
        }
        let mut state = self.control.lock();
        state.ended = true;
        state.context = None;
        self.control.ended.notify_all();
    }

    /// Publishes the context to the cancellers; false if cancelled.
    fn set_context(&self, context: Option<Context>) -> bool {
        let mut state = self.control.lock();
        state.context = context;
        !state.cancelled
    }

    fn cancelled(&self) -> bool {
        self.control.lock().cancelled
    }

    fn send(&self, events: Vec<Event>) {
        for event in events {
            self.events.send(Ok(event));
        }
    }

    /// Tells that the service is lost and waits for it; `None` if cancelled.
    fn wait_for_service(&mut self) -> Option<Context> {
        let events = self.tracker.service_lost();
        self.send(events);
        let waited = wait_for_service(&self.wake, &self.woken, || match service::establish() {
            Ok(context) => Some(context),
            Err(error) => {
                if !error.is_service_gone() {
                    tracing::debug!(%error, "the PC/SC service cannot be used yet");
                }
                None
            }
        });
        match waited {
            Wait::Cancelled => None,
            Wait::There(context) => {
                self.send(vec![Event::new("", EventKind::ServiceBack)]);
                Some(context)
            }
        }
    }

    /// Watches until cancelled or until the service is lost.
    fn watch(&mut self, context: &Context) -> Ended {
        let mut pnp = pcsc::ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE);
        let mut known: Vec<pcsc::ReaderState> = Vec::new();
        let mut list_changed = true;
        let mut first = true;
        self.answered = false;
        loop {
            // First the state of the list, then the list: a change in between
            // makes the wait below return at once.
            if self.pnp && list_changed {
                match look(context, std::slice::from_mut(&mut pnp)) {
                    Ok(()) => pnp.sync_current_state(),
                    Err(LinkError::NoSuchReader { .. }) => self.pnp = false,
                    Err(error) => return self.lost(error),
                }
            }
            let names = match service::reader_names(context) {
                Ok(names) => names,
                Err(error) => return self.lost(error),
            };
            self.answered = true;
            list_changed = update_list(&mut known, names) | std::mem::take(&mut first);
            let settle = if known.is_empty() {
                self.tell(&[]);
                false
            } else {
                match look(context, &mut known) {
                    Ok(()) => {}
                    Err(LinkError::NoSuchReader { .. }) => {
                        list_changed = true;
                        continue;
                    }
                    Err(error) => return self.lost(error),
                }
                self.tell(&known);
                self.tracker.unsettled()
            };
            match self.wait(context, &mut known, &mut pnp, list_changed, settle) {
                Ok(changed) => list_changed |= changed,
                Err(LinkError::NoSuchReader { .. }) => list_changed = true,
                Err(LinkError::Cancelled) if self.cancelled() => return Ended::Cancelled,
                // SCardCancel of someone who is not us cannot be; look again.
                Err(LinkError::Cancelled) => {}
                Err(error) => return self.lost(error),
            }
            if self.cancelled() {
                return Ended::Cancelled;
            }
        }
    }

    fn tell(&mut self, known: &[pcsc::ReaderState]) {
        let states: Vec<ReaderState> = known.iter().map(reader_state).collect();
        let events = self.tracker.update(&states);
        self.send(events);
    }

    /// Waits for a change of what was seen last. True if the list of readers
    /// has changed.
    fn wait(
        &mut self,
        context: &Context,
        known: &mut Vec<pcsc::ReaderState>,
        pnp: &mut pcsc::ReaderState,
        list_changed: bool,
        settle: bool,
    ) -> Result<bool, LinkError> {
        for state in known.iter_mut() {
            state.sync_current_state();
        }
        let with_pnp = self.pnp && known.len() < MAX_READERS;
        let counted = pnp.event_count() != 0;
        let timeout = if settle {
            Some(SETTLE)
        } else if !with_pnp || (list_changed && !counted) {
            Some(LOOK_AGAIN)
        } else {
            None
        };
        if known.is_empty() && !with_pnp {
            // Nothing to wait on: PC/SC would return at once.
            return match self.woken.recv_timeout(LOOK_AGAIN) {
                Ok(Wake::Cancelled) => Err(LinkError::Cancelled),
                _ => Ok(true),
            };
        }
        if with_pnp {
            let current = std::mem::replace(
                pnp,
                pcsc::ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE),
            );
            known.push(current);
        }
        let readers = known.len().min(MAX_READERS);
        let result = guarded(|| context.get_status_change(timeout, &mut known[..readers]));
        if with_pnp && let Some(current) = known.pop() {
            *pnp = current;
        }
        let changed = with_pnp && pnp.event_state().contains(State::CHANGED);
        pnp.sync_current_state();
        match result {
            Ok(()) => Ok(changed),
            // Where the list is not counted, this look is the second one.
            Err(LinkError::Timeout) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sorts out an error of a call: the service is gone, or something is
    /// wrong that the listener should hear of.
    fn lost(&self, error: LinkError) -> Ended {
        if self.cancelled() {
            return Ended::Cancelled;
        }
        tracing::debug!(%error, "watching readers was interrupted");
        let expected = means_service_gone(&error, self.answered);
        if !expected {
            self.events.send(Err(error));
            // Whatever it is, do not spin on it.
            if let Ok(Wake::Cancelled) = self.woken.recv_timeout(LOOK_AGAIN) {
                return Ended::Cancelled;
            }
        }
        Ended::Lost
    }
}

/// Takes states as they are, without waiting.
fn look(context: &Context, states: &mut [pcsc::ReaderState]) -> Result<(), LinkError> {
    for chunk in states.chunks_mut(MAX_READERS) {
        match guarded(|| context.get_status_change(Duration::ZERO, chunk)) {
            Ok(()) | Err(LinkError::Timeout) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an error of a call says that the service is gone.
///
/// pcsc-lite calls it a security violation when the service closes the
/// connection on it: refused at once, that is what it means; after the service
/// has answered, that it ends.
fn means_service_gone(error: &LinkError, answered: bool) -> bool {
    match error {
        LinkError::AccessDenied => answered,
        LinkError::Pcsc { code, .. } => is_dead_context(*code),
        other => other.is_service_gone(),
    }
}

/// Codes that pcsc-lite gives for a context whose service has gone.
fn is_dead_context(code: u32) -> bool {
    [
        pcsc::Error::InvalidHandle as u32,
        pcsc::Error::CommError as u32,
        pcsc::Error::InternalError as u32,
    ]
    .contains(&code)
}

/// Keeps the states of readers that stay, drops and adds others. True if the
/// list changed.
fn update_list(known: &mut Vec<pcsc::ReaderState>, names: Vec<CString>) -> bool {
    let before = known.len();
    known.retain(|state| names.iter().any(|name| name.as_c_str() == state.name()));
    let mut changed = known.len() != before;
    for name in names {
        if !known.iter().any(|state| state.name() == name.as_c_str()) {
            known.push(pcsc::ReaderState::new(name, State::UNAWARE));
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::*;

    fn names(list: &[&str]) -> Vec<CString> {
        list.iter()
            .map(|name| CString::new(*name).unwrap())
            .collect()
    }

    #[test]
    fn the_list_keeps_what_stays() {
        let mut known = Vec::new();
        assert!(update_list(&mut known, names(&["a", "b"])));
        assert!(!update_list(&mut known, names(&["b", "a"])));
        assert!(update_list(&mut known, names(&["b", "c"])));
        let left: Vec<_> = known.iter().map(|state| state.name().to_owned()).collect();
        assert_eq!(left, names(&["b", "c"]));
        assert!(update_list(&mut known, names(&[])));
        assert!(!update_list(&mut known, names(&[])));
    }

    #[test]
    fn a_closed_connection_is_a_lost_service_once_it_has_answered() {
        assert!(means_service_gone(&LinkError::AccessDenied, true));
        assert!(!means_service_gone(&LinkError::AccessDenied, false));
        assert!(means_service_gone(&LinkError::ServiceStopped, false));
        assert!(!means_service_gone(&LinkError::Timeout, true));
    }

    #[test]
    fn cancel_is_acknowledged_whenever_it_comes() {
        // With or without a service, before or while the thread waits.
        for delay in [0, 1, 20] {
            let mut watcher = watch().unwrap();
            let canceller = watcher.canceller();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(delay));
                canceller.cancel();
            });
            while watcher.next().is_some() {}
        }
    }
}
