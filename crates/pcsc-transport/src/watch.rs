//! Hot-plug: readers and cards coming and going, as a stream of events.

mod tracker;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use piv_apdu::atr::Atr;

use crate::error::LinkError;

pub use tracker::Tracker;

/// Something happened to a reader or to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The reader's name; empty for the events of the service. Comes from
    /// outside: make it safe before printing it to a terminal.
    pub reader: String,
    /// What happened.
    pub kind: EventKind,
}

impl Event {
    /// An event at a reader.
    pub fn new(reader: impl Into<String>, kind: EventKind) -> Self {
        Event {
            reader: reader.into(),
            kind,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A reader is there (at the start: it was there already).
    ReaderAdded,
    /// A reader is gone. If it held a card, [`EventKind::CardRemoved`] came
    /// before.
    ReaderRemoved,
    /// A card was inserted (at the start: it was there already).
    CardInserted {
        /// Its answer to reset. `None` if it does not answer, or if it was gone
        /// again before it could be looked at.
        atr: Option<Atr>,
    },
    /// The card was removed.
    CardRemoved,
    /// The service went away (or, at the start, is not there). Cards and
    /// readers were reported as removed before. The watcher waits for it.
    ServiceLost,
    /// The service is back; what is there follows as new readers and cards.
    ServiceBack,
}

/// Where a [`Watcher`] gets its events from; what a backend implements.
pub trait EventSource: Send {
    /// Waits for the next event. `None` after the watcher was cancelled or when
    /// nothing can ever come; stays `None` from then on.
    fn next_event(&mut self) -> Option<Result<Event, LinkError>>;

    /// Something that ends the wait from another thread. May be called any
    /// number of times, also before a wait begins.
    fn canceller(&self) -> Canceller;
}

/// Ends a [`Watcher`] from another thread. Cheap to clone.
#[derive(Clone)]
pub struct Canceller(Arc<dyn Fn() + Send + Sync>);

impl Canceller {
    /// A canceller that calls `cancel`; the function must return promptly and
    /// bear being called more than once.
    pub fn new(cancel: impl Fn() + Send + Sync + 'static) -> Self {
        Canceller(Arc::new(cancel))
    }

    /// Cancels. Does not wait. The watcher yields what it had noticed before
    /// and then `None`; also when the wait has not begun yet.
    pub fn cancel(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canceller(..)")
    }
}

/// A stream of [`Event`]s: a blocking iterator, which ends when it is
/// cancelled. Dropping it cancels too.
pub struct Watcher {
    source: Box<dyn EventSource>,
    canceller: Canceller,
    ended: bool,
}

impl Watcher {
    /// A watcher on a source of events.
    pub fn new(source: Box<dyn EventSource>) -> Self {
        let canceller = source.canceller();
        Watcher {
            source,
            canceller,
            ended: false,
        }
    }

    /// A watcher and the sender that feeds it, for backends that notice events
    /// on a thread of their own.
    pub fn channel() -> (EventSender, Watcher) {
        let (sender, source) = channel();
        (sender, Watcher::new(Box::new(source)))
    }

    /// Something that ends this watcher from another thread.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }
}

impl Iterator for Watcher {
    type Item = Result<Event, LinkError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.source.next_event();
        self.ended = next.is_none();
        next
    }
}

impl std::iter::FusedIterator for Watcher {}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.canceller.cancel();
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

enum Message {
    Event(Result<Event, LinkError>),
    End,
}

/// The sending end of [`Watcher::channel`]. Cheap to clone; the watcher ends
/// when the last clone is dropped.
#[derive(Clone)]
pub struct EventSender(Arc<SenderInner>);

struct SenderInner {
    messages: mpsc::Sender<Message>,
    closed: Arc<AtomicBool>,
}

impl Drop for SenderInner {
    fn drop(&mut self) {
        // The canceller holds a sender too, so that the channel alone would not
        // tell the watcher that nothing can come any more.
        let _ = self.messages.send(Message::End);
    }
}

impl EventSender {
    /// Sends an event or an error; false if nobody listens any more.
    pub fn send(&self, event: Result<Event, LinkError>) -> bool {
        !self.is_closed() && self.0.messages.send(Message::Event(event)).is_ok()
    }

    /// True once the watcher was cancelled or dropped.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }
}

impl fmt::Debug for EventSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSender")
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// An [`EventSource`] that is fed by an [`EventSender`].
pub(crate) struct ChannelSource {
    messages: mpsc::Receiver<Message>,
    canceller: Canceller,
}

pub(crate) fn channel() -> (EventSender, ChannelSource) {
    let (messages, receiver) = mpsc::channel();
    let closed = Arc::new(AtomicBool::new(false));
    let sender = EventSender(Arc::new(SenderInner {
        messages: messages.clone(),
        closed: Arc::clone(&closed),
    }));
    // The message wakes a wait, also one that begins later: it stays queued.
    let canceller = Canceller::new(move || {
        closed.store(true, Ordering::Release);
        let _ = messages.send(Message::End);
    });
    let source = ChannelSource {
        messages: receiver,
        canceller,
    };
    (sender, source)
}

impl EventSource for ChannelSource {
    fn next_event(&mut self) -> Option<Result<Event, LinkError>> {
        match self.messages.recv() {
            Ok(Message::Event(event)) => Some(event),
            Ok(Message::End) | Err(mpsc::RecvError) => None,
        }
    }

    fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(name: &str) -> Event {
        Event::new(name, EventKind::ReaderAdded)
    }

    #[test]
    fn events_arrive_in_order_and_end_with_the_last_sender() {
        let (sender, watcher) = Watcher::channel();
        let second = sender.clone();
        assert!(sender.send(Ok(added("a"))));
        drop(sender);
        assert!(second.send(Ok(added("b"))));
        drop(second);
        let names: Vec<String> = watcher.filter_map(Result::ok).map(|e| e.reader).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn cancel_before_the_wait_begins_is_not_lost() {
        let (sender, mut watcher) = Watcher::channel();
        watcher.canceller().cancel();
        watcher.canceller().cancel();
        assert!(watcher.next().is_none());
        assert!(watcher.next().is_none(), "an ended watcher stays ended");
        assert!(!sender.send(Ok(added("a"))), "nobody listens");
    }

    #[test]
    fn cancel_wakes_a_wait_in_another_thread() {
        let (sender, mut watcher) = Watcher::channel();
        let canceller = watcher.canceller();
        let waiting = std::thread::spawn(move || watcher.next().is_none());
        std::thread::sleep(std::time::Duration::from_millis(20));
        canceller.cancel();
        assert!(waiting.join().is_ok_and(|ended| ended));
        drop(sender);
    }

    #[test]
    fn what_was_noticed_before_the_cancel_is_delivered() {
        let (sender, mut watcher) = Watcher::channel();
        assert!(sender.send(Ok(added("a"))));
        watcher.canceller().cancel();
        assert!(matches!(watcher.next(), Some(Ok(event)) if event == added("a")));
        assert!(watcher.next().is_none());
    }

    #[test]
    fn dropping_the_watcher_closes_the_sender() {
        let (sender, watcher) = Watcher::channel();
        assert!(!sender.is_closed());
        drop(watcher);
        assert!(sender.is_closed());
    }
}
