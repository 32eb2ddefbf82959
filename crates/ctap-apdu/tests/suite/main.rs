//! The crate's behaviour: held against a client by others, round trips, leniency, and
//! hostile input.
// A test says what is wrong by failing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cbor;
mod framing;
mod get_info;
mod hostile;
mod pin;
mod status;
mod vectors;
