#![no_main]
//! Loading everything from a card that answers whatever it likes.

use fuzz::HostileCard;
use libfuzzer_sys::fuzz_target;
use pcsc_transport::Card;
use token_manager::{LoadOptions, load};

fuzz_target!(|data: &[u8]| {
    let mut card = Card::new(Box::new(HostileCard::new(data)));
    let mut options = LoadOptions::default();
    options.all = data.first().is_some_and(|first| first & 0x10 != 0);
    let _ = load(&mut card, &options);
});
