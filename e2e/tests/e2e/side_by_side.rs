//! Both slots of the virtual reader read at the same time: through pcscd, too, a
//! slow token does not keep another waiting. (Sixteen at once, without PC/SC, are
//! in token-manager's tests.)

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use e2e::{Inserted, Pcscd, READERS, tokens};
use pcsc_transport::{Backend, pcsc::PcscBackend};
use token_manager::{LoadOptions, load_all, load_reader};

/// What a card takes to answer a command: so long that nothing else counts.
const LATENCY: Duration = Duration::from_millis(20);

/// How often the time is taken at most: a machine that was busy with something
/// else for a moment is no failure.
const ATTEMPTS: usize = 5;

fn time(act: impl FnOnce()) -> Duration {
    let start = Instant::now();
    act();
    start.elapsed()
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn two_slow_tokens_take_as_long_as_the_slower_and_not_as_their_sum() {
    let pcscd = Pcscd::start("side-by-side");
    let slow = |slot| {
        let token = tokens::piv(false);
        token.set_latency(LATENCY);
        Inserted::new(&pcscd, slot, &token)
    };
    let _inserted = [slow(0), slow(1)];
    let backend: Arc<dyn Backend> = Arc::new(PcscBackend::new());

    let alone = READERS.map(|reader| {
        time(|| {
            load_reader(&*backend, reader, &LoadOptions::new()).unwrap();
        })
    });
    let sum: Duration = alone.iter().sum();
    let mut together = Vec::new();
    while together.len() < ATTEMPTS {
        let took = time(|| {
            let loaded = load_all(&backend, &LoadOptions::new()).unwrap().ordered();
            assert_eq!(loaded.len(), READERS.len());
            for loaded in loaded {
                loaded.result.unwrap();
            }
        });
        together.push(took);
        if took < sum.mul_f64(0.75) {
            println!("alone {alone:?}, together {took:?}");
            return;
        }
    }
    panic!("alone {alone:?}, together {together:?}");
}
