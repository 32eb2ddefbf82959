//! The window, used as a person uses it: by the names of what is on the screen; with the
//! results looked at on the software token itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod change_pin;
mod clear_cache;
mod clipboard;
mod content;
mod desk;
mod dialogs;
mod fits;
mod hand_over;
mod hidden;
mod hostile;
mod keyboard;
mod lock;
mod misfortune;
mod nothing;
mod pairing_code;
mod personalize;
mod policies;
mod preferences;
mod readers;
mod recycle;
mod theme;
mod tiles;
mod title_bar;
mod unblock;
mod view_puk;
