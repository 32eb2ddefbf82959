#![no_main]
//! A token's state as a file has it, and the token that comes of it.
//!
//! After the JSON come commands, each after a byte with its length.

use fuzz::take_part;
use libfuzzer_sys::fuzz_target;
use virtual_token::{TokenState, VirtualToken};

fuzz_target!(|data: &[u8]| {
    let mut values = serde_json::Deserializer::from_slice(data).into_iter::<TokenState>();
    let Some(Ok(state)) = values.next() else {
        return;
    };
    let mut rest = &data[values.byte_offset()..];
    let Ok(mut token) = VirtualToken::from_state(state) else {
        return;
    };
    token.set_random_seed(1);
    while let Some(command) = take_part(&mut rest) {
        // Generating a key may take seconds.
        if command.get(1) != Some(&0x47) {
            assert!(token.process(command).len() >= 2);
        }
    }
    let json = serde_json::to_vec(&token.to_state()).expect("a state can be written");
    let again = serde_json::from_slice(&json).expect("what was written can be read");
    VirtualToken::from_state(again).expect("what the token became is a token");
});
