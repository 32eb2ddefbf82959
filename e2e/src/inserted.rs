//! Software tokens in vpcd's slots.

use std::{ffi::CString, time::Duration};

use pcsc::{Context, ReaderState, Scope, State};
use virtual_token::{SharedToken, vpcd::Served};

use crate::{Pcscd, READERS};

/// A software token in a slot of the virtual reader; pulled out when dropped.
#[derive(Debug)]
pub struct Inserted {
    served: Option<Served>,
    slot: usize,
}

impl Inserted {
    /// Puts `token` into slot 0 or 1 and waits until PC/SC sees it.
    #[must_use]
    pub fn new(pcscd: &Pcscd, slot: usize, token: &SharedToken) -> Self {
        let inserted = Self::without_waiting(pcscd, slot, token);
        wait_for_card(slot, true);
        inserted
    }

    /// Puts `token` into a slot; PC/SC sees it a little later.
    #[must_use]
    pub fn without_waiting(pcscd: &Pcscd, slot: usize, token: &SharedToken) -> Self {
        // For vpcd to listen, pcscd must be ready: it answers nobody before.
        drop(Context::establish(Scope::User).unwrap());
        let served = Served::insert(token.clone(), pcscd.address(slot)).unwrap();
        Self {
            served: Some(served),
            slot,
        }
    }

    /// Its reader's name.
    #[must_use]
    pub fn reader(&self) -> &'static str {
        READERS[self.slot]
    }

    /// Pulls the card out and waits until PC/SC sees that it is gone.
    pub fn eject(mut self) {
        self.served = None;
        wait_for_card(self.slot, false);
    }
}

/// Waits until PC/SC sees a card that answers in the slot, or none.
pub fn wait_for_card(slot: usize, present: bool) {
    let context = Context::establish(Scope::User).unwrap();
    let name = CString::new(READERS[slot]).unwrap();
    let mut states = [ReaderState::new(name, State::UNAWARE)];
    loop {
        context
            .get_status_change(Some(Duration::from_secs(20)), &mut states)
            .unwrap();
        let state = states[0].event_state();
        let wanted = if present {
            State::PRESENT
        } else {
            State::EMPTY
        };
        if state.contains(wanted) && !state.contains(State::MUTE) {
            return;
        }
        states[0].sync_current_state();
    }
}
