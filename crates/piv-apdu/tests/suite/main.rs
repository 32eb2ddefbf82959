//! The crate's behaviour: known answers, round trips, hostile input, and two
//! independent crates as oracles.
// A test says what is wrong by failing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod any;
mod apdu;
#[cfg(feature = "apdu")]
mod apdu_crate;
mod atr;
mod certificates;
mod commands;
mod hostile;
mod keys;
mod management;
mod objects;
mod secrets;
mod sm;
mod status;
mod tlv;
