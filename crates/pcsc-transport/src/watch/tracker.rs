//! From what the readers look like, again and again, to what happened between:
//! pure logic without any waiting.

use crate::backend::{CardPresence, ReaderState};

use super::{Event, EventKind};

/// Turns successive states of all readers into events, so that nothing is lost
/// or told twice.
///
/// Between two looks a card may come and go any number of times. Where the
/// service counts insertions and removals
/// ([`ReaderState::event_count`]), the ones nobody saw are told too, in order;
/// a card that came and went unseen has no ATR.
///
/// The count and the presence of the card are not written by the service at one
/// instant (pcsc-lite writes the presence first). So a change of presence is
/// told when it is seen, whether it is counted already or not, and the count
/// that follows is known as that of an event that was told. A count without a
/// change (pcsc-lite counts a card anew after a reader's error) tells nothing;
/// but as it may be the first half of two changes, of which the second is not
/// counted yet, [`unsettled`](Tracker::unsettled) then asks for another look.
///
/// ```
/// use pcsc_transport::watch::{EventKind, Tracker};
/// use pcsc_transport::{CardPresence, ReaderState};
///
/// let mut tracker = Tracker::new();
/// let empty = ReaderState::new("Reader", CardPresence::Empty);
/// let first = tracker.update(&[empty.clone().with_event_count(4)]);
/// assert_eq!(first[0].kind, EventKind::ReaderAdded);
///
/// // Two events later it is empty again: a card was there.
/// let events = tracker.update(&[empty.with_event_count(6)]);
/// assert_eq!(events[0].kind, EventKind::CardInserted { atr: None });
/// assert_eq!(events[1].kind, EventKind::CardRemoved);
/// ```
#[derive(Debug, Default)]
pub struct Tracker {
    readers: Vec<Tracked>,
}

#[derive(Debug)]
struct Tracked {
    name: String,
    present: bool,
    /// The count at the last look that had one.
    counted: Option<u16>,
    /// Events that were counted less those that were told.
    balance: i32,
}

impl Tracker {
    /// A tracker that has seen no reader yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares with the states of the call before and says what happened, in
    /// order for each reader. A reader that is not in `states` is gone.
    pub fn update(&mut self, states: &[ReaderState]) -> Vec<Event> {
        let mut events = Vec::new();
        self.readers.retain(|tracked| {
            let stays = states.iter().any(|state| state.name == tracked.name);
            if !stays {
                tracked.gone(&mut events);
            }
            stays
        });
        for state in states {
            match self.readers.iter_mut().find(|r| r.name == state.name) {
                Some(tracked) => tracked.update(state, &mut events),
                None => self.readers.push(Tracked::added(state, &mut events)),
            }
        }
        events
    }

    /// True if the last look may have met a reader in the middle of a change, so
    /// that another look should follow at once.
    pub fn unsettled(&self) -> bool {
        self.readers.iter().any(|reader| reader.balance > 0)
    }

    /// The service went away: every card and reader is gone, then
    /// [`EventKind::ServiceLost`].
    pub fn service_lost(&mut self) -> Vec<Event> {
        let mut events = self.update(&[]);
        events.push(Event::new(String::new(), EventKind::ServiceLost));
        events
    }
}

impl Tracked {
    fn added(state: &ReaderState, events: &mut Vec<Event>) -> Self {
        events.push(Event::new(&state.name, EventKind::ReaderAdded));
        let present = state.card.is_present();
        if present {
            events.push(inserted(state));
        }
        Tracked {
            name: state.name.clone(),
            present,
            counted: state.event_count,
            balance: 0,
        }
    }

    fn gone(&self, events: &mut Vec<Event>) {
        if self.present {
            events.push(Event::new(&self.name, EventKind::CardRemoved));
        }
        events.push(Event::new(&self.name, EventKind::ReaderRemoved));
    }

    fn update(&mut self, state: &ReaderState, events: &mut Vec<Event>) {
        if state.card == CardPresence::Unavailable {
            // Nothing is known; if the reader is going away, that comes next.
            return;
        }
        let advance = match (self.counted, state.event_count) {
            (Some(before), Some(now)) => now.wrapping_sub(before),
            _ => 0,
        };
        if advance > u16::MAX / 2 {
            // Counts do not go back: this is another reader of the same name.
            self.gone(events);
            *self = Tracked::added(state, events);
            return;
        }
        self.counted = state.event_count.or(self.counted);
        self.balance += i32::from(advance);

        let present = state.card.is_present();
        let changed = i32::from(present != self.present);
        // As many events as are counted and not told, but an odd number if the
        // presence changed, an even one if not.
        let untold = self.balance.max(0);
        let told = if untold % 2 == changed {
            untold
        } else {
            (untold - 1).max(changed)
        };
        self.balance -= told;
        if changed == 0 && self.balance == 1 && advance == 0 {
            // Counted without a change, and no second count has followed.
            self.balance = 0;
        }
        // At most one event can have been seen before it is counted; without
        // counts there is nothing to catch up with.
        self.balance = self.balance.max(-1);

        for left in (0..told).rev() {
            self.present = !self.present;
            events.push(match (self.present, left) {
                (false, _) => Event::new(&self.name, EventKind::CardRemoved),
                (true, 0) => inserted(state),
                (true, _) => Event::new(&self.name, EventKind::CardInserted { atr: None }),
            });
        }
    }
}

fn inserted(state: &ReaderState) -> Event {
    let atr = state.card.atr().copied();
    Event::new(&state.name, EventKind::CardInserted { atr })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use hex_literal::hex;
    use piv_apdu::atr::Atr;
    use proptest::prelude::*;

    use super::*;

    fn atr() -> Atr {
        Atr::parse(&hex!("3BD596FF8191FE1FC34332333030CC")).unwrap()
    }

    fn state(present: bool, count: u16) -> ReaderState {
        let card = if present {
            CardPresence::Present { atr: atr() }
        } else {
            CardPresence::Empty
        };
        ReaderState::new("R", card).with_event_count(count)
    }

    /// Short names: A and Z for the reader, I (with ATR), i (without) and R for
    /// the card, L for the service.
    fn told(events: &[Event]) -> String {
        events
            .iter()
            .map(|event| match &event.kind {
                EventKind::ReaderAdded => 'A',
                EventKind::ReaderRemoved => 'Z',
                EventKind::CardInserted { atr: Some(_) } => 'I',
                EventKind::CardInserted { atr: None } => 'i',
                EventKind::CardRemoved => 'R',
                EventKind::ServiceLost => 'L',
                EventKind::ServiceBack => 'B',
            })
            .collect()
    }

    /// Feeds states of one reader, gives the events of each but the first.
    fn run(states: &[ReaderState]) -> Vec<String> {
        let mut tracker = Tracker::new();
        let all: Vec<String> = states
            .iter()
            .map(|state| told(&tracker.update(std::slice::from_ref(state))))
            .collect();
        all[1..].to_vec()
    }

    #[test]
    fn what_is_there_at_the_start_is_told() {
        let mut tracker = Tracker::new();
        assert_eq!(told(&tracker.update(&[state(true, 9)])), "AI");
        assert_eq!(told(&tracker.update(&[state(true, 9)])), "");
    }

    #[test]
    fn one_change_at_a_time() {
        assert_eq!(
            run(&[state(false, 0), state(true, 1), state(false, 2)]),
            ["I", "R"]
        );
    }

    #[test]
    fn changes_between_two_looks_are_told_in_order() {
        assert_eq!(run(&[state(true, 1), state(true, 3)]), ["RI"]);
        assert_eq!(run(&[state(true, 1), state(false, 4)]), ["RiR"]);
        assert_eq!(run(&[state(false, 0), state(true, 5)]), ["iRiRI"]);
        assert_eq!(run(&[state(false, 65_535), state(true, 0)]), ["I"], "wraps");
    }

    #[test]
    fn presence_seen_before_its_count_is_told_once() {
        assert_eq!(
            run(&[
                state(false, 4),
                state(true, 4),
                state(true, 5),
                state(false, 6)
            ]),
            ["I", "", "R"]
        );
        // Two more events before the next look.
        assert_eq!(
            run(&[state(false, 4), state(true, 4), state(true, 7)]),
            ["I", "RI"]
        );
        // The first two and the early third in one look: told with the next.
        assert_eq!(
            run(&[state(false, 4), state(true, 6), state(true, 7)]),
            ["I", "RI"]
        );
    }

    #[test]
    fn a_count_without_a_change_tells_nothing_and_disturbs_nothing() {
        assert_eq!(
            run(&[
                state(true, 1),
                state(true, 2),
                state(true, 2),
                state(true, 3),
                state(true, 3),
                state(false, 4)
            ]),
            ["", "", "", "", "R"]
        );
    }

    #[test]
    fn a_look_in_the_middle_of_a_change_asks_for_another() {
        let mut tracker = Tracker::new();
        tracker.update(&[state(false, 0)]);
        // A card came and went; the going is not counted yet.
        assert_eq!(told(&tracker.update(&[state(false, 1)])), "");
        assert!(tracker.unsettled());
        assert_eq!(told(&tracker.update(&[state(false, 2)])), "iR");
        assert!(!tracker.unsettled());
        // Counted without a change: the second look settles it.
        assert_eq!(told(&tracker.update(&[state(false, 3)])), "");
        assert!(tracker.unsettled());
        assert_eq!(told(&tracker.update(&[state(false, 3)])), "");
        assert!(!tracker.unsettled());
    }

    #[test]
    fn without_counts_what_is_seen_is_told() {
        let uncounted = |present| {
            let mut state = state(present, 0);
            state.event_count = None;
            state
        };
        assert_eq!(
            run(&[
                uncounted(false),
                uncounted(true),
                uncounted(true),
                uncounted(false)
            ]),
            ["I", "", "R"]
        );
        // A platform whose count stays at zero.
        let mut states = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..10 {
            states.extend([state(false, 0), state(true, 0)]);
            expected.extend(["I", "R"]);
        }
        expected.pop();
        assert_eq!(run(&states), expected);
    }

    #[test]
    fn a_count_that_went_back_is_another_reader() {
        assert_eq!(run(&[state(true, 7), state(true, 0)]), ["RZAI"]);
        assert_eq!(run(&[state(false, 7), state(false, 0)]), ["ZA"]);
    }

    #[test]
    fn a_reader_that_goes_takes_its_card_along() {
        let mut tracker = Tracker::new();
        tracker.update(&[state(true, 1)]);
        let other = ReaderState::new("S", CardPresence::Empty);
        assert_eq!(told(&tracker.update(&[other])), "RZA");
        assert_eq!(told(&tracker.service_lost()), "ZL");
        assert_eq!(told(&tracker.service_lost()), "L");
    }

    #[test]
    fn an_unavailable_reader_says_nothing() {
        let unavailable = ReaderState::new("R", CardPresence::Unavailable);
        assert_eq!(
            run(&[state(true, 1), unavailable.clone(), state(true, 1)]),
            ["", ""]
        );
        assert_eq!(
            run(&[state(true, 1), unavailable, state(false, 2)]),
            ["", "R"]
        );
    }

    #[test]
    fn mute_and_exclusively_held_cards_are_cards() {
        let mute = ReaderState::new("R", CardPresence::Mute).with_event_count(1);
        assert_eq!(run(&[state(false, 0), mute]), ["i"]);
        let held = CardPresence::InUseExclusively {
            atr: Some(atr()),
            holders: Vec::new(),
        };
        let held = ReaderState::new("R", held).with_event_count(1);
        assert_eq!(run(&[state(true, 1), held]), [""]);
    }

    proptest! {
        /// A reader as pcsc-lite keeps it, looked at at any times, also between
        /// the change of presence and that of the count: every event is told
        /// once, insertions and removals in turn.
        #[test]
        fn nothing_is_lost_or_told_twice(
            present_at_start: bool,
            count_at_start: u16,
            steps in prop::collection::vec((1_u16..6, any::<bool>()), 0..40),
        ) {
            let (mut present, mut count) = (present_at_start, count_at_start);
            let mut tracker = Tracker::new();
            tracker.update(&[state(present, count)]);
            let (mut happened, mut events) = (0, Vec::new());
            for (changes, torn) in steps {
                for _ in 0..changes {
                    present = !present;
                    count = count.wrapping_add(1);
                    happened += 1;
                }
                if torn {
                    // The last change is seen, and not counted yet.
                    events.extend(tracker.update(&[state(present, count.wrapping_sub(1))]));
                }
                if !torn || changes % 2 == 0 {
                    events.extend(tracker.update(&[state(present, count)]));
                }
            }
            events.extend(tracker.update(&[state(present, count)]));
            let told = told(&events);
            prop_assert_eq!(told.len(), happened);
            let mut expected_insertion = !present_at_start;
            for event in told.chars() {
                prop_assert_eq!(event != 'R', expected_insertion);
                expected_insertion = !expected_insertion;
            }
        }

        /// Whatever a service says, the events of a reader alternate and the
        /// last one agrees with what is there.
        #[test]
        fn events_alternate_on_any_input(
            looks in prop::collection::vec((any::<bool>(), any::<bool>(), 0_u16..20), 1..40),
        ) {
            let mut tracker = Tracker::new();
            let (mut reader, mut card) = (false, false);
            for (there, present, count) in looks {
                let states = if there { vec![state(present, count)] } else { Vec::new() };
                for event in told(&tracker.update(&states)).chars() {
                    match event {
                        'A' => { prop_assert!(!reader); reader = true; }
                        'Z' => { prop_assert!(reader && !card); reader = false; }
                        'I' | 'i' => { prop_assert!(reader && !card); card = true; }
                        _ => { prop_assert!(reader && card); card = false; }
                    }
                }
                prop_assert_eq!(reader, there);
                prop_assert_eq!(card, there && present);
            }
        }
    }
}
