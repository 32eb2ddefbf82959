#![no_main]
//! Traces as text, read and replayed.

use libfuzzer_sys::fuzz_target;
use pcsc_transport::trace::Replayer;
use pcsc_transport::{CardLink, Leave};

fuzz_target!(|trace: &str| {
    let Ok(replayer) = Replayer::new(trace) else {
        return;
    };
    let steps = replayer.remaining();
    assert!(steps <= trace.lines().count());
    // Whatever is asked of it, it answers or refuses, and never goes back.
    let mut replayer = replayer.fill_redacted(0);
    for line in trace.lines() {
        let digits: Vec<u32> = line.chars().filter_map(|c| c.to_digit(16)).collect();
        let command: Vec<u8> = digits
            .chunks(2)
            .map(|pair| (pair[0] << 4 | pair[pair.len() - 1]) as u8)
            .collect();
        let _ = replayer.begin();
        let _ = replayer.transmit(&command);
        let _ = replayer.end(Leave::AsIs);
    }
    assert!(replayer.remaining() <= steps);
});
