//! Sixteen slow tokens at once take as long as the slowest of them. A program of
//! its own: nothing else runs beside what is timed here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use pcsc_transport::Backend;
use piv_apdu::key::KeyReference;
use token_manager::{LoadOptions, load_all, load_reader};
use virtual_token::{
    Content, CreateOptions, KeyAlgorithm, MemoryBackend, Profile, SharedToken, VirtualToken,
};

const TOKENS: u32 = 16;

/// What a card takes to answer a command.
const LATENCY: Duration = Duration::from_millis(10);

/// How often the time is taken at most: a machine that was busy with something
/// else for a moment is no failure.
const ATTEMPTS: usize = 5;

/// Tokens of all profiles, each with its own identity, in readers named by
/// their numbers.
fn sixteen() -> Arc<dyn Backend> {
    let backend = MemoryBackend::new();
    for (number, profile) in (0..TOKENS).zip(Profile::ALL.into_iter().cycle()) {
        let options = CreateOptions::default()
            .seed(number.into())
            .content(Content::Personal)
            .key(KeyReference::PIV_AUTHENTICATION, KeyAlgorithm::EccP256);
        let token = SharedToken::new(VirtualToken::create(profile, &options).unwrap());
        token.set_latency(LATENCY);
        backend.insert(&format!("{number:02}"), &token).unwrap();
    }
    Arc::new(backend)
}

fn time(act: impl FnOnce()) -> Duration {
    let start = Instant::now();
    act();
    start.elapsed()
}

/// How long each token takes alone.
fn one_after_the_other(backend: &Arc<dyn Backend>) -> Vec<Duration> {
    let readers = backend.readers().unwrap();
    let load = |reader: &str| {
        time(|| {
            let token = load_reader(&**backend, reader, &LoadOptions::new()).unwrap();
            assert!(token.problems.is_empty(), "{:?}", token.problems);
        })
    };
    readers.iter().map(|reader| load(&reader.name)).collect()
}

/// How long all of them take together.
fn all_at_once(backend: &Arc<dyn Backend>) -> Duration {
    time(|| {
        let loaded = load_all(backend, &LoadOptions::new()).unwrap().ordered();
        assert_eq!(loaded.len(), TOKENS as usize);
        for loaded in loaded {
            let token = loaded.result.unwrap();
            assert!(token.problems.is_empty(), "{:?}", token.problems);
        }
    })
}

#[test]
fn sixteen_tokens_take_as_long_as_the_slowest_and_not_as_their_sum() {
    let backend = sixteen();
    let alone = one_after_the_other(&backend);
    let slowest = *alone.iter().max().unwrap();
    let sum: Duration = alone.iter().sum();
    // Far from the sum, also if one of them alone was held up.
    let limit = slowest.mul_f64(1.5).min(sum / 3);

    let mut together = Vec::new();
    while together.len() < ATTEMPTS {
        let took = all_at_once(&backend);
        together.push(took);
        if took < limit {
            println!("slowest {slowest:?}, sum {sum:?}, together {took:?}");
            return;
        }
    }
    panic!("slowest {slowest:?}, sum {sum:?}, together {together:?}");
}
